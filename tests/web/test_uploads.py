"""What a page sends: a file as a prompt, a rig, files to train on."""

import sys
from pathlib import Path

import pytest
from fake_stage import stage
from starlette.testclient import TestClient
from test_server import page, screen, send, until

from rnnmuse import config
from rnnmuse.events import Note
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Part, Piece, Tempo
from rnnmuse.play.recollection import Recollection
from rnnmuse.session.memories import recall
from rnnmuse.web.relay import Relay
from rnnmuse.web.server import application
from rnnmuse.web.training import Training
from rnnmuse.web.uploads import MOST_BYTES, MOST_NOTES, messages_of, prompt_of, rig_of

OWN = {"origin": "http://testserver"}
CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def running():
    with stage() as made:
        yield made


def music(tmp_path, count=40):
    tune = Part("tune", 0, False, [Note(float(beat), 60 + beat % 12, 0.5, 90) for beat in range(count)])
    drums = Part("drums", 0, True, [Note(float(beat), 36, 0.25, 100) for beat in range(count)])
    path = tmp_path / "song.mid"
    write_midi(Piece([tune, drums], [Tempo(0.0, 90.0)]), path)
    return path.read_bytes()


def test_a_file_becomes_the_prompt_of_a_player(running, tmp_path):
    del running.values["/rnnmuse/player/2/latent/xy"]  # its model plays no phrases
    with screen(running.port) as client, page(client) as web:
        until(web, "state")
        answer = client.post("/prompt?player=2&name=song.mid", content=music(tmp_path), headers=OWN)
        assert answer.json() == {"notes": 40}
        running.wait(lambda: any(message[0] == "/rnnmuse/player/2/prompt" for message in running.received))
        sent = next(message[1:] for message in running.received if message[0] == "/rnnmuse/player/2/prompt")
        assert len(sent) == 160
        assert sent[:8] == pytest.approx((0, 0.5, 60, 90, 1, 0.5, 61, 90))
        score = client.post(
            "/prompt?player=1&name=a.musicxml", content=(CASES / "pickup.musicxml").read_bytes(), headers=OWN
        )
        assert score.json()["notes"] > 0
        for query, content, status, said in (
            ("player=17&name=a.mid", b"", 400, "player: '17'; must be 1 to 16"),
            ("player=1&name=a.txt", b"x", 400, "unknown kind of file"),
            ("player=1&name=a.mid", b"no midi", 400, "a.mid"),
            ("player=1&name=../../a.mid", b"x" * (MOST_BYTES + 1), 413, "more than 4 MiB"),
        ):
            answer = client.post(f"/prompt?{query}", content=content, headers=OWN)
            assert (answer.status_code, said in answer.text, "\n" in answer.text) == (status, True, False), answer.text


def test_a_prompt_is_the_last_bars_a_phrase_the_first_and_drums_are_for_drummers():
    tune = Part("tune", 0, False, [Note(float(beat), 60, 0.5, 90) for beat in range(200)])
    drums = Part("drums", 0, True, [Note(beat / 8, 36, 0.1, 90) for beat in range(1600)])
    piece = Piece([tune, drums])
    last = prompt_of(piece, drums=False, phrase=False)
    assert {note.pitch for note in last} == {60}
    assert last[-1].end == pytest.approx(64, abs=0.5)
    assert len(last) == 64
    first = prompt_of(piece, drums=False, phrase=True)
    assert [note.start for note in first] == [float(beat) for beat in range(16)]
    assert len(prompt_of(piece, drums=True, phrase=False)) == MOST_NOTES
    assert {note.pitch for note in prompt_of(Piece([drums]), drums=False, phrase=True)} == {36}


RIG = """
[stage]
tempo = 96
metre = "3/4"
[player.2]
mode = "accompany"
model = "grooves"
density = 4.0
hears = "ch1 3"
mute = true
started = true
[player.2.part.1]
program = 25
"""


def test_a_rig_is_loaded_into_a_running_stage_and_given_back(running):
    with screen(running.port) as client, page(client) as web:
        until(web, "state")
        assert client.post("/rig", content=RIG, headers=OWN).json()["messages"] > 8
        send(web, "/rnnmuse/sync", 1)
        until(web, "/rnnmuse/synced", 1)
        assert running.values["/rnnmuse/transport/tempo"] == (96.0,)
        assert running.values["/rnnmuse/player/2/mode"] == ("accompany",)
        assert running.values["/rnnmuse/player/2/part/1/program"] == (25,)
        answer = client.get("/rig.toml")
        assert answer.status_code == 200
        assert "tempo = 96" in answer.text
        wrong = client.post("/rig", content=RIG.replace("density = 4.0", "density = 99"), headers=OWN)
        assert (wrong.status_code, "density: 99; must be 0 to 24" in wrong.text) == (400, True)
        assert client.post("/rig", content=b"\xff\xfe", headers=OWN).status_code == 400


def test_what_a_rig_sets_is_the_rig_of_the_values():
    rig = config.parse(RIG)
    state = {}
    for address, *values in messages_of(rig):
        state[address] = values
    again = rig_of(state)
    seat, wanted = again.players[2], rig.players[2]
    for name in ("mode", "model", "hears", "mute", "started", "parameters"):
        assert getattr(seat, name) == getattr(wanted, name), name
    assert config.parse(config.write(again)).stage["metre"] == "3/4"


PROGRAM = """
import sys, pathlib
words = sys.argv[1:]
if words[0] == "train":
    files = sorted(p.name for p in pathlib.Path(words[2]).iterdir())
    print("read", *files, flush=True)
    if "bad" in words:
        sys.exit("rnnmuse: nothing to learn from")
    print("epoch 1: loss 1.0", flush=True)
else:
    pathlib.Path(words[words.index("--out") + 1]).write_bytes(b"MThd")
"""


@pytest.fixture
def trained(tmp_path, monkeypatch):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    monkeypatch.setattr("rnnmuse.web.server.Training", lambda relay: Training(relay, (sys.executable, str(path))))
    relay = Relay()
    with TestClient(application(relay, "testserver")) as client, page(client) as web:
        yield client, web


def job(web):
    return until(web, "job")[1]


def test_a_folder_is_trained_on_with_its_progress_and_a_preview(trained):
    client, web = trained
    assert job(web)["state"] == "none"
    assert client.post("/train?name=mine", headers=OWN).text.startswith("train: no file was sent")
    assert client.post("/train/file?name=a.mid", content=b"x", headers=OWN).text == "train: begin first"
    assert client.get("/train/preview.mid").status_code == 404
    client.post("/train/begin", headers=OWN)
    for name in ("a.mid", "deep/b.xml", "..\\c.mid"):
        assert client.post(f"/train/file?name={name}", content=b"x", headers=OWN).status_code == 200
    assert "must end with" in client.post("/train/file?name=a.exe", content=b"x", headers=OWN).text
    for query in ("name=-rf", "name=My Model", "name=mine&from=../x", "name=mine&minutes=0", "name=mine&minutes=x"):
        assert client.post(f"/train?{query}", headers=OWN).status_code == 400, query
    assert client.post("/train?name=mine&from=lieder&minutes=2", headers=OWN).status_code == 200
    seen = [job(web)]
    while seen[-1]["state"] == "running":
        seen.append(job(web))
    lines = [line for one in seen for line in one["lines"]]
    assert "read 001-a.mid 002-b.xml 003-c.mid" in lines
    assert "epoch 1: loss 1.0" in lines
    assert (seen[-1]["state"], seen[-1]["preview"], seen[-1]["name"]) == ("done", True, "mine")
    assert client.get("/train/preview.mid").content == b"MThd"


def test_a_training_that_fails_says_why(trained):
    client, web = trained
    client.post("/train/begin", headers=OWN)
    client.post("/train/file?name=a.mid", content=b"x", headers=OWN)
    client.post("/train?name=bad", headers=OWN)
    while (last := job(web))["state"] != "failed":
        pass
    assert "rnnmuse: nothing to learn from" in last["lines"]
    assert not last["preview"]


def test_a_file_becomes_the_memory_of_the_session_under_a_name_of_its_own(running, tmp_path, monkeypatch):
    monkeypatch.setenv("RNNMUSE_MODELS", str(tmp_path / "own" / "models"))
    with screen(running.port) as client, page(client) as web:
        until(web, "state")
        for name in ("my song", "my song 2"):
            answer = client.post("/memory?name=my%20song.mid", content=music(tmp_path), headers=OWN)
            assert answer.json() == {"name": name, "notes": 40}
            running.wait(lambda name=name: ("/rnnmuse/memory/recall", name) in running.received)
        score = client.post(
            "/memory?name=../a%2Fb.musicxml", content=(CASES / "pickup.musicxml").read_bytes(), headers=OWN
        )
        assert score.json()["name"] == "b"
        drums = Piece([Part("drums", 0, True, [Note(0.0, 36, 0.25, 100)])], [Tempo(0.0, 90.0)])
        write_midi(drums, tmp_path / "drums.mid")
        refused = client.post("/memory?name=drums.mid", content=(tmp_path / "drums.mid").read_bytes(), headers=OWN)
        assert (refused.status_code, refused.text) == (400, "drums.mid: has no notes but drums'")
    heard = Recollection()
    recall(heard, "my song")
    assert [pitch for _, pitch in heard.notes] == [60 + beat % 12 for beat in range(40)], "what the engine will know"
