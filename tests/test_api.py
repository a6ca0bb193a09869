"""The Python interface as a consumer uses it."""

import asyncio
import base64
import inspect
import io
import os
import re
import socket
import subprocess
import sys
import threading
import typing
import wave
from pathlib import Path

import pytest
from PIL import Image

import rnnmuse
from rnnmuse.bridges import osc
from rnnmuse.compose.muse import Changes
from rnnmuse.music.read import read_music

ROOT = Path(__file__).parents[1]
CONSUMER = ROOT / "tests" / "consumer.py"


@pytest.fixture(scope="module")
def live():
    """The port of a running stage."""
    command = [sys.executable, "-m", "rnnmuse", "live", "--osc-port", "0", "--no-midi", "--model", "leadsheet"]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdout is not None
        yield int(re.search(r":(\d+)$", process.stdout.readline().strip())[1])
        process.terminate()


def test_a_consumers_script_has_types_and_runs(live, tmp_path):
    env = os.environ | {"MYPYPATH": str(ROOT)}
    options = ["--strict", "--config-file", os.devnull, "--cache-dir", str(tmp_path / "cache")]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "--follow-imports", "silent", str(CONSUMER)],
        capture_output=True, text=True, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert checked.stdout.startswith("Success"), checked.stdout + checked.stderr
    done = subprocess.run(
        [sys.executable, str(CONSUMER), str(live), str(tmp_path)],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "bars: 0; must be 1 to 1000" in done.stdout
    assert re.search(r"range .*tempo.* 20 to 999", done.stdout)
    assert done.stdout.splitlines()[-1].startswith("96.0 ")


def test_wrong_keywords_are_found_by_mypy(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text('import rnnmuse\nrnnmuse.load("lieder").generate(2, tempos=3)\nrnnmuse.load("x").generate(key=3)\n')
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", os.devnull, "--cache-dir", str(tmp_path / "c"), str(bad)],
        capture_output=True, text=True, env=os.environ | {"MYPYPATH": str(ROOT)}, cwd=tmp_path,
    )  # fmt: skip
    assert "bad.py:2: error: Unexpected keyword argument" in checked.stdout
    assert "bad.py:3: error: Argument" in checked.stdout


def test_keywords_are_the_fields_of_settings():
    wanted = typing.get_type_hints(rnnmuse.Settings)
    assert typing.get_type_hints(Changes) == wanted


def test_every_public_name_is_there_and_documented():
    for name in rnnmuse.__all__:
        assert inspect.getdoc(getattr(rnnmuse, name)), name
    assert set(rnnmuse.__all__) <= set(dir(rnnmuse))


def test_to_import_the_package_loads_nothing_heavy():
    code = (
        "import sys, rnnmuse; rnnmuse.Client; print([m for m in ('numpy', 'onnxruntime', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("suffix", [".mid", ".musicxml", ".mxl", ".png", ".svg", ".wav"])
def test_a_piece_is_saved_by_its_suffix_and_never_over_another(piece, tmp_path, suffix):
    path = piece.save(tmp_path / "new" / f"a{suffix}")
    size = path.stat().st_size
    assert size > 100
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        piece.save(path)
    assert piece.save(path, overwrite=True).stat().st_size > 100
    if suffix in (".mid", ".musicxml", ".mxl"):
        read, written = (sorted((round(4 * n.start), n.pitch) for n in one.notes) for one in (read_music(path), piece))
        assert read == written


def test_a_suffix_that_is_none_writes_nothing(piece, tmp_path):
    with pytest.raises(ValueError, match="must end in"):
        piece.save(tmp_path / "a.docx")
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_a_piece_as_picture_and_sound(piece):
    shown = piece._repr_html_()
    picture, sound = (base64.b64decode(data) for data in re.findall(r"base64,([^\"]+)", shown))
    assert Image.open(io.BytesIO(picture)).width == 1000
    with wave.open(io.BytesIO(sound)) as heard:
        assert heard.getnframes() / heard.getframerate() >= piece.seconds_at(piece.end)
    assert "no notes" in rnnmuse.Piece(title="<b>")._repr_html_()
    assert "<b>" not in rnnmuse.Piece(title="<b>")._repr_html_()


def test_models_are_listed_by_kind():
    names = {bundle.name for bundle in rnnmuse.list_models()}
    assert {"lieder", "grooves", "phrases", "verse", "covers"} <= names
    assert {bundle.kind for bundle in rnnmuse.list_models("text")} == {"text"}


def test_a_client_sets_asks_and_hears(live):
    with rnnmuse.Client(live) as stage:
        assert stage.version == rnnmuse.__version__
        assert stage.set("/rnnmuse/transport/tempo", 300) == (300.0,)
        with pytest.raises(rnnmuse.StageError, match="20 to 999") as refused:
            stage.set("/rnnmuse/transport/tempo", -1)
        assert refused.value.code == "range"
        assert refused.value.address == "/rnnmuse/transport/tempo"
        assert stage.ask("/rnnmuse/transport/tempo") == (300.0,)
        stage.set("/rnnmuse/player/1/mode", "free")
        stage.send("/rnnmuse/transport/play")
        stage.send("/rnnmuse/player/1/start")
        ons: set[int] = set()
        for note in stage.notes(seconds=30):
            assert note.player == 1
            if note.velocity:
                ons.add(note.pitch)
            elif note.pitch in ons:
                break
        assert ons
        stage.send("/rnnmuse/transport/stop")


def test_two_tasks_share_an_asyncio_client(live):
    async def play() -> tuple[float, list[rnnmuse.Heard]]:
        async with rnnmuse.AsyncClient(live) as stage:
            await stage.set("/rnnmuse/player/2/mode", "free")

            async def heard() -> list[rnnmuse.Heard]:
                found = []
                async for note in stage.notes(seconds=30):
                    found.append(note)
                    if len(found) == 4:
                        break
                return found

            listening = asyncio.create_task(heard())
            stage.send("/rnnmuse/transport/play")
            stage.send("/rnnmuse/player/2/start")
            (tempo,) = await stage.set("/rnnmuse/transport/tempo", 200)
            return float(tempo), await listening

    tempo, notes = asyncio.run(play())
    assert tempo == 200.0
    assert len(notes) == 4


def test_nobody_there_is_one_line_with_what_to_do():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(rnnmuse.StageError, match="start it with: rnnmuse live"), rnnmuse.Client(port, patience=0.3):
        pass

    async def connect() -> None:
        async with rnnmuse.AsyncClient(port, patience=0.3):
            pass

    with pytest.raises(rnnmuse.StageError, match="start it with: rnnmuse live"):
        asyncio.run(connect())


def test_a_stage_that_sends_garbage_and_old_answers_first():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))

        def answer() -> None:
            for _ in range(2):
                packet, client = other.recvfrom(4096)
                (message,) = osc.parse(packet)
                other.sendto(b"garbage", client)
                other.sendto(osc.build("/rnnmuse/error", ("/other", "value", "not yours")), client)
                values = ("rnnmuse", "9", 1) if message.address == "/rnnmuse/hello" else (7.0,)
                other.sendto(osc.build(message.address, values), client)
                other.sendto(osc.build(message.address, (8.0,)), client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with rnnmuse.Client(other.getsockname()[1]) as stage:
            assert stage.version == "9"
            assert stage.ask("/x") == (7.0,)
            assert [error.address for error in stage.errors()] == ["/other", "/other"]
        thread.join(5)
