"""The documentation: its commands, its links, its examples, its words, and the site that is built from it."""

import os
import re
import shlex
import subprocess
import sys
from importlib import resources, util
from pathlib import Path

import click
import pytest
import typer

import rnnmuse
from rnnmuse.cli.main import app
from rnnmuse.music.midi import read_midi, write_midi

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = typer.main.get_command(app)
CHEAP = ("generate", "continue", "text", "groove", "rig", "models", "bridges list", "cues", "show", "vary")


def commands(page: Path) -> list[str]:
    """The command lines of rnnmuse in a page's blocks of shell."""
    found = []
    for block in re.findall(r"```(?:sh)?\n(.*?)```", page.read_text("utf-8"), re.S):
        for line in block.replace("\\\n", " ").split("\n"):
            for part in re.split(r"\s&&\s", line.strip()):
                if part.startswith("rnnmuse ") and "▶" not in part:  # not a diagram
                    found.append(part)
    return found


def parse(words: list[str]) -> None:
    """Parse a command line without running it."""
    with COMMAND.make_context("rnnmuse", list(words)) as context:
        while isinstance(context.command, click.Group):
            rest = [*context._protected_args, *context.args]
            if not rest:
                return
            name, one, rest = context.command.resolve_command(context, rest)
            context = one.make_context(name, rest, parent=context)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_what_the_command_line_takes(page):
    for line in commands(page):
        try:
            parse(shlex.split(line, comments=True)[1:])
        except click.exceptions.Exit:
            pass
        except click.ClickException as error:
            pytest.fail(f"{line}: {error.format_message()}")


def test_there_are_commands_to_check():
    assert sum(len(commands(page)) for page in PAGES) > 100


@pytest.mark.parametrize("line", sorted({line for page in PAGES[:2] for line in commands(page)}))
def test_commands_of_the_readme_run(line, tmp_path):
    words = shlex.split(line, comments=True)[1:]
    if not any(line.startswith(f"rnnmuse {cheap}") for cheap in CHEAP) or "mine" in words:
        pytest.skip("serves, learns or draws at full size: parsed above, run by its own tests")
    song = read_midi((resources.files("rnnmuse") / "music" / "data" / "schumann.mid").read_bytes())
    write_midi(song, tmp_path / "song.mid")
    if "beat.mid" in words:
        write_midi(rnnmuse.load("grooves").generate(2, seed=1), tmp_path / "beat.mid")
    command = [sys.executable, "-m", "rnnmuse", *words]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if file.name == "command-line.md":  # made when the site is built
            continue
        assert file.exists(), f"{page.name}: {target}"
        if anchor and file.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}, target


def python_blocks(page: Path) -> str:
    return "\n".join(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S))


@pytest.mark.parametrize("name", ["api.md", "python.md", "zh/python.md"])
def test_python_examples_run(name, tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "rnnmuse", "live", "--osc-port", "0", "--no-midi", "--model", "leadsheet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as stage:
        assert stage.stdout is not None
        port = stage.stdout.readline().strip().rpartition(":")[2]
        code = python_blocks(ROOT / "docs" / name).replace("Client()", f"Client({port})")
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=env)
        stage.terminate()
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*.m*"))


def test_the_page_of_trust_says_what_the_indexes_hold():
    """`python tests/trust.py --indexes` writes the table."""
    spec = util.spec_from_file_location("trust", ROOT / "tests" / "trust.py")
    assert spec is not None
    assert spec.loader is not None
    trust = util.module_from_spec(spec)
    spec.loader.exec_module(trust)
    page = (ROOT / "docs" / "trust.md").read_text("utf-8")
    assert "\n".join(trust.indexes()) in page
    assert len(trust.indexes()) == 8, "five stream models and chorales"


def test_chinese_pages_use_the_terms_of_the_glossary():
    rows = re.findall(r"^\| (.+?) \| .+ \| (.+?) \|$", (ROOT / "docs/glossary.md").read_text("utf-8"), re.M)
    terms = {term for _, chinese in rows for term in chinese.split("、")}
    pages = [ROOT / "README.zh.md", *sorted((ROOT / "docs/zh").glob("*.md"))]
    text = "".join(page.read_text("utf-8") for page in pages)
    for used in (
        "演奏者",
        "模式",
        "小节",
        "速度",
        "和弦",
        "音高",
        "力度",
        "钢琴卷帘",
        "演出配置",
        "作品",
        "事件",
        "模型卡",
        "舞台",
    ):
        assert used in text
        assert any(used in term for term in terms), used
    for other in ("播放器", "玩家", "节奏速度", "装备", "钢琴卷轴", "曲子"):  # other words for the same things
        assert other not in text, other
    english = [ROOT / "README.md", *((ROOT / "docs" / page.name) for page in pages[1:])]
    for page, original in zip(pages, english, strict=True):  # the Chinese page shows no command that English lacks
        theirs = {line.split()[1] for line in commands(original)}
        assert {line.split()[1] for line in commands(page)} <= theirs | {"text", "cues"}, page


@pytest.mark.skipif(util.find_spec("material") is None, reason="the docs extra is not installed")
def test_the_site_is_built_without_a_warning_and_needs_no_network(tmp_path):
    env = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert not re.findall(r'<script[^>]+src="https?:|<link[^>]+stylesheet[^>]+href="https?:', page)
    assert "assets/iframe-worker.js" in page
    assert "rnnmuse continue" in (tmp_path / "site" / "command-line.html").read_text("utf-8")
    assert (tmp_path / "site" / "search" / "search_index.js").exists()
