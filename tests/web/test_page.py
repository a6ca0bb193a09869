"""The page's files beside the protocol and its own rules."""

import json
import re
from pathlib import Path

import pytest

import rnnmuse
from rnnmuse.protocol import TABLE, addresses
from rnnmuse.web.server import ROWS

PAGE = Path(rnnmuse.__file__).parent / "web" / "page"
KNOWN = addresses()
TEMPLATES = {row.address for row in TABLE}
LATER = ("/rnnmuse/harmony", "/rnnmuse/out/harmony", "/rnnmuse/band", "/rnnmuse/monitor")
"""Rows that the page uses where the table has them."""


def test_every_address_in_the_scripts_is_known():
    count = 0
    for file in PAGE.glob("*.js"):
        for address in re.findall(r"""["`](/rnnmuse/(?:[\w/]|\{\w\}|\$\{[^}]*\})+)["`]""", file.read_text("utf-8")):
            plain = re.sub(r"\$?\{[^}]*\}", "1", address)
            if plain.endswith("/") or plain.startswith(LATER):
                continue
            assert plain in KNOWN or any(one.startswith(plain + "/") for one in KNOWN), (file.name, address)
            count += 1
    assert count > 20


def test_the_table_that_the_page_gets_is_json_with_the_help_of_every_row():
    assert [row["address"] for row in json.loads(json.dumps(ROWS))] == [row.address for row in TABLE]
    assert all(row["doc"] for row in ROWS)


def test_nothing_comes_from_elsewhere_and_nothing_is_html():
    for file in PAGE.iterdir():
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", file.read_text("utf-8")) if file.suffix == ".js" else file.read_text()
        assert not re.search(r"https?://\w|innerHTML|eval\(|new Function|document\.write", text), file.name
    for file in re.findall(r'url\("([^"]+)"\)', (PAGE / "design.css").read_text("utf-8")):
        assert (PAGE.parents[1] / "cover" / file.removeprefix("/")).is_file()


def test_the_page_is_small():
    assert sum(file.stat().st_size for file in PAGE.iterdir()) <= 400_000


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "bright"])
def test_text_of_both_themes_has_a_contrast_of_four_and_a_half(theme):
    """WCAG 2.2, 1.4.3: every text colour on every ground that it stands on."""
    css = (PAGE / "design.css").read_text("utf-8")
    block = css[css.index(f'[data-theme="{theme}"] {{') :]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block[: block.index("}")]))
    pairs = [(text, ground) for text in ("text", "quiet") for ground in ("ground", "panel", "raised")]
    pairs += [("accent", "ground"), ("accent", "panel"), ("accent", "raised"), ("on-accent", "accent")]
    pairs += [("on-go", "go"), ("on-stop-ground", "stop-ground"), ("go", "panel")]
    for text, ground in pairs:
        light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (theme, text, ground)


def test_every_word_of_the_page_has_its_chinese():
    text = (PAGE / "chinese.js").read_text("utf-8")
    words = text[text.index("WORDS = {") : text.index("\nconst P")]
    known = {quoted or bare for quoted, bare in re.findall(r'(?:"([^"]+)"|\b([A-Za-z]\w*)): "', words)}
    used = set()
    for file in PAGE.glob("*.js"):
        for inside in re.findall(r"\bt\(([^()]*)\)", file.read_text("utf-8")):
            used |= set(re.findall(r'"([^"]+)"', inside)) if not re.search(r"[=!]==", inside) else set()
    assert len(used) > 100
    assert used - known == set()
