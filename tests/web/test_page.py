"""The page's files beside the protocol: it sends what is taken, and offers what there is."""

import re
from html.parser import HTMLParser
from pathlib import Path

import rnnmuse
from rnnmuse.protocol import MODES, TEXT_PARAMETERS, addresses

PAGE = Path(rnnmuse.__file__).parent / "web" / "page"
KNOWN = addresses()


class Controls(HTMLParser):
    """Every element with data-to, and the options of each select."""

    def __init__(self):
        super().__init__()
        self.to, self.options = {}, {}
        self.feed((PAGE / "index.html").read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "data-to" in attributes:
            self.last = re.sub(r"\{\w\}", "1", attributes["data-to"])
            self.to[self.last] = tag, attributes
        if tag == "option":
            self.options.setdefault(self.last, []).append(attributes.get("value"))

    def handle_data(self, data):
        if self.get_starttag_text() == "<option>" and data.strip():
            self.options[self.last][-1] = data.strip()


def test_every_control_has_an_address_that_takes_what_it_sends():
    found = Controls()
    assert len(found.to) > 20
    for address, (tag, attributes) in found.to.items():
        row = KNOWN[address].row
        if tag == "button":
            row.check(address, eval(attributes.get("data-values", "[]")))
        elif attributes.get("type") in ("range", "number"):
            (argument,) = row.arguments
            assert argument.low <= float(attributes["min"]) < float(attributes["max"]) <= argument.high
        for value in found.options.get(address, []):
            row.check(address, [float(value) if value.isdecimal() else value])
    assert found.options["/rnnmuse/player/1/mode"] == list(MODES)
    assert found.options["/rnnmuse/text/1/unit"] == list(TEXT_PARAMETERS["unit"][0].choices)


def test_every_address_in_the_scripts_is_known():
    count = 0
    for file in PAGE.glob("*.js"):
        for address in re.findall(r"/rnnmuse/[\w/{}]+\w", file.read_text("utf-8")):
            assert re.sub(r"\{\w\}", "1", address) in KNOWN or address == "/rnnmuse/transport", (file.name, address)
            count += 1
    assert count > 8


def test_nothing_comes_from_elsewhere():
    for file in PAGE.iterdir():
        text = file.read_text("utf-8")
        assert not re.search(r"https?://|//\w+\.\w+/|innerHTML|eval\(", text), file.name
    for file in re.findall(r'url\("([^"]+)"\)', (PAGE / "screen.css").read_text("utf-8")):
        assert (PAGE.parents[1] / "cover" / file).is_file()
