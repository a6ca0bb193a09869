"""The hosts' files: listed, copied, checked by a real exchange; every address in them is one of the protocol's."""

import csv
import json
import re
import shutil
import subprocess
import threading
import tomllib
import xml.etree.ElementTree
import zlib
from pathlib import Path

import pytest
from echo import echo
from typer.testing import CliRunner

from rnnmuse import __version__, config
from rnnmuse.bridges import hosts, osc
from rnnmuse.bridges.osc_server import Client
from rnnmuse.cli.main import app
from rnnmuse.protocol import ProtocolError, addresses
from rnnmuse.system import Machine

ALL = hosts.hosts()
ROOT = Path(__file__).parents[2]
KNOWN = addresses()


def run(*words, answer=""):
    return CliRunner().invoke(app, ["bridges", *map(str, words)], input=answer)


def texts(host):
    """Every text that is in a host's files and its page."""
    for name in host.files:
        data = (host.folder / name).read_bytes()
        yield name, (zlib.decompress(data) if name.endswith(".tosc") else data).decode("utf-8")
    yield "page", (ROOT / "docs" / "hosts" / f"{host.name}.md").read_text("utf-8")


def written_out(text):
    """An address as it is in a file, with its player or parameter filled in."""
    text = re.sub(r"\\?\$1(?=/)|%d|\{player\}|@|\" ?\.\. ?player ?\.\. ?\"|\" \+ player \+ \"", "1", text)
    return text.rstrip(".,;:'\")`")


@pytest.mark.parametrize("name", ALL)
def test_every_file_is_there_and_every_address_is_known(name):
    host = ALL[name]
    assert all((host.folder / file).is_file() for file in host.files)
    there = {str(f.relative_to(host.folder)) for f in host.folder.rglob("*") if f.is_file()}
    assert there - {"README.md", "host.toml"} == set(host.files) - {"README.md"}
    prefixes = {address.rsplit("/", n)[0] for address in KNOWN for n in range(1, 5)}
    found = set()
    for file, text in texts(host):
        for address in re.findall(r"/rnnmuse/[\w/$%{}@.\\\" +]*", text.replace('" + number + "', "1").replace("*", "")):
            words = address.split('"')[0] if '" ' in address or '"' in address else address
            words = written_out(re.split(r"[\s,]", written_out(words))[0]).replace("\\", "")
            if words.endswith("/") or "%" in words:  # the rest is put in at run time
                assert words.split("%")[0].rstrip("/") in prefixes, (file, address)
                continue
            if words.endswith((".md", ".git")):
                continue
            assert words in KNOWN or words in ("/rnnmuse/subscribed", "/rnnmuse/synced"), (file, address, words)
            found.add(words)
    if (
        host.way not in ("midi", "files")
        and host.files != ("ardour.toml", "lead.toml")
        and name not in ("link", "ardour")
    ):
        assert found


def checked(address, *values):
    """ProtocolError where rnnmuse would refuse the message."""
    row = KNOWN[address].row
    return row.check(address, () if not row.arguments and values in ((1,), (1.0,)) else values)


def test_layouts_send_what_is_taken():
    layout = json.loads((ALL["open-stage-control"].folder / "rnnmuse.json").read_text("utf-8"))
    widgets = layout["content"]["widgets"]
    assert {w["type"] for w in widgets} >= {"button", "fader"}
    for widget in widgets:
        assert widget["target"] == "127.0.0.1:7707"
        values = [widget["on"]] if widget["type"] == "button" else [0.5] * (2 if widget["type"] == "xy" else 1)
        checked(widget["address"], *values)
    text = zlib.decompress((ALL["touchosc"].folder / "rnnmuse.tosc").read_bytes())
    nodes = list(xml.etree.ElementTree.fromstring(text).iter("node"))
    sent = 0
    for node in nodes:
        for message in node.findall("messages/osc"):
            address = "".join(part.findtext("value") for part in message.findall("path/partial"))
            checked(address, *[1.0] * len(message.findall("arguments/partial")))
            sent += 1
    assert sent == len(widgets)


def test_the_max_patch_is_wired_and_its_messages_are_taken():
    patcher = json.loads((ALL["max"].folder / "rnnmuse.maxpat").read_text("utf-8"))["patcher"]
    boxes = {b["box"]["id"]: b["box"] for b in patcher["boxes"]}
    for line in patcher["lines"]:
        (source, outlet), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        assert outlet < boxes[source]["numoutlets"], boxes[source]
        assert inlet < boxes[target]["numinlets"], boxes[target]
    for box in boxes.values():
        words = box.get("text", "").split()
        if box["maxclass"] == "message" and words[0].startswith("/rnnmuse"):
            values = [0.5 if "norm" in words[0] else 60 if w.startswith("$") else _atom(w) for w in words[1:]]
            checked(words[0], *values)


def _atom(word):
    try:
        return float(word) if "." in word else int(word)
    except ValueError:
        return word


def test_rigs_are_read():
    for host in ALL.values():
        for name in host.files:
            if name.endswith(".toml"):
                config.load(host.folder / name)


def test_the_reaper_pattern_has_its_format():
    kinds = {"n": 0.5, "f": 120.0, "t": 1}
    count = 0
    for line in (ALL["reaper"].folder / "rnnmuse.ReaperOSC").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        key, *rest = line.split()
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", key)
        for pattern in rest:
            if "/" in pattern:
                assert pattern[0] in kinds
                checked(pattern[1:].replace("@", "1"), kinds[pattern[0]])
                count += 1
    assert count == 6


def test_the_rack_list_has_its_columns():
    rows = list(csv.DictReader((ALL["vcv-rack"].folder / "cvoscv.csv").open(encoding="utf-8")))
    assert {row["direction"] for row in rows} == {"in", "out"}
    for row in rows:
        assert 1 <= int(row["channel"]) <= 16
        access = KNOWN[row["address"]].row.access
        assert (access == "r") == (row["direction"] == "in")


@pytest.mark.parametrize(
    ("program", "file"),
    [
        (("luac", "-p"), "reaper/rnnmuse_track.lua"),
        (("luac", "-p"), "renoise/main.lua"),
        (("node", "--check"), "bitwig/rnnmuse.control.js"),
        (("ruby", "-c"), "sonic-pi/rnnmuse.rb"),
    ],
)
def test_programs_are_read_by_their_languages(program, file):
    found = shutil.which(program[0]) or shutil.which(program[0] + "5.4")
    if found is None:
        pytest.skip(f"{program[0]} is not installed")
    done = subprocess.run([found, program[1], hosts.folder() / file], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_other_formats_are_read():
    xml.etree.ElementTree.parse(ALL["renoise"].folder / "manifest.xml")
    sketch = (ALL["processing"].folder / "rnnmuse.pde").read_text("utf-8")
    assert sketch.count("{") == sketch.count("}")
    for host in ALL.values():
        tomllib.loads((host.folder / "host.toml").read_text("utf-8"))


def test_every_host_has_a_page_that_says_whether_it_was_tried():
    matrix = (ROOT / "docs" / "hosts" / "README.md").read_text("utf-8")
    for name, host in ALL.items():
        page = (ROOT / "docs" / "hosts" / f"{name}.md").read_text("utf-8")
        said = host.tried if host.tried else "Not yet tried in the host"
        assert said in page.split("\n\n")[1]
        assert said in (host.folder / "README.md").read_text("utf-8")
        assert len(host.steps) <= 5
        assert all(step.split("    ")[0].split(";")[0] in page for step in host.steps)
        (line,) = [line for line in matrix.splitlines() if f"]({name}.md)" in line]
        assert (host.tried or "not yet tried") in line
        assert page.count("```") >= 2, "a diagram"
        assert "Ports: " in page
        assert "A test message" in page


def test_list_names_them_all():
    out = run("list").output
    assert all(name in out for name in ALL)
    assert "not yet tried in the host" in out


def test_export_copies_asks_and_overwrites(tmp_path):
    folder = tmp_path / "new"
    assert run("export", "pd", folder).exit_code == 0
    assert {f.name for f in folder.iterdir()} == set(ALL["pd"].files)
    assert "the same already" in run("export", "pd", folder).output
    (folder / "rnnmuse.pd").write_text("mine")
    refused = run("export", "pd", folder, answer="n\n")
    assert refused.exit_code != 0
    assert (folder / "rnnmuse.pd").read_text() == "mine"
    assert run("export", "pd", folder, answer="y\n").exit_code == 0
    assert (folder / "rnnmuse.pd").read_text("utf-8").startswith("#N canvas")


def test_install_goes_where_the_host_looks(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(hosts, "MACHINE", Machine("linux", {}, tmp_path))
    place = tmp_path / ".local/lib/pd/extra/rnnmuse"
    dry = run("install", "pd", "--dry-run")
    assert str(place) in dry.output.replace("\n", "")
    assert not place.exists()
    done = run("install", "pd")
    assert done.exit_code == 0
    assert (place / "rnnmuse.pd").exists()
    assert "rnnmuse bridges check pd" in done.output
    assert isinstance(run("install", "tidal").exception, hosts.HostError)
    assert isinstance(run("export", "cubase", tmp_path).exception, hosts.HostError)


def test_check_says_when_nobody_answers():
    with echo() as stage:
        port = stage.port
    with pytest.raises(hosts.HostError, match=f"nothing answers on port {port}"):
        hosts.check(ALL["pd"], port, 0.3)


def test_check_is_an_exchange_with_the_bridge():
    with echo() as stage:
        with pytest.raises(hosts.HostError, match="Csound does not answer"):
            hosts.check(ALL["csound"], stage.port, 0.3)
        with hosts.Line(stage.port) as bridge:  # a bridge as short as can be
            over = threading.Event()

            def answer():
                while not over.is_set():
                    number = bridge.wait("/rnnmuse/probe", 0.2)
                    if number:
                        bridge.send("/rnnmuse/probed", *number, "csound")

            thread = threading.Thread(target=answer)
            thread.start()
            try:
                lines = hosts.check(ALL["csound"], stage.port)
            finally:
                over.set()
                thread.join()
        assert "10 of 10 probes" in lines[1]


def test_check_waits_for_a_note_where_there_are_no_probes():
    assert hosts.check(ALL["musescore"])[0].startswith("only files pass")
    with echo() as stage:
        assert hosts.check(ALL["link"], stage.port) == [f"rnnmuse {__version__} answers on port {stage.port}"]
        assert hosts.check(ALL["fluidsynth"], stage.port)[-1] == "MIDI out: tally"
        stage.stage.outputs.take("tally")
        with pytest.raises(hosts.HostError, match="no MIDI ports are open"):
            hosts.check(ALL["fluidsynth"], stage.port)
        client = Client("127.0.0.1", 9)
        packet = osc.build("/rnnmuse/player/1/note", (60, 90))
        played = threading.Timer(0.3, stage.stage.control.handle, (packet, client))
        played.start()
        assert hosts.check(ALL["tidal"], stage.port)[-1] == "a note came from TidalCycles"
        with pytest.raises(hosts.HostError, match="no note came from TidalCycles"):
            hosts.check(ALL["tidal"], stage.port, 0.3)


def test_mistakes_in_files_would_be_seen():
    with pytest.raises(ProtocolError):
        checked("/rnnmuse/player/1/norm/density", 2.0)
    with pytest.raises(KeyError):
        checked("/rnnmuse/player/1/norm/key", 0.5)
