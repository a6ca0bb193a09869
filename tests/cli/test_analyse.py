"""`rnnmuse analyse` as a user runs it."""

import json

from rnnmuse.config import parse
from rnnmuse.events import Note
from rnnmuse.music.midi import write_midi
from rnnmuse.music.piece import Metre, Part, Piece

SCALE = [67, 69, 71, 72, 74, 76, 78, 79]


def tune():
    notes = [Note(float(i), p, 0.9) for i, p in enumerate([*SCALE, *SCALE[::-1]] * 2)]
    return Piece([Part("Melody", notes=notes)], metres=[Metre(0.0, 4, 4)])


def test_the_command_says_it_draws_it_and_writes_a_rig_that_opens(run, tmp_path):
    (tmp_path / "tunes").mkdir()
    for number in range(2):
        write_midi(tune(), tmp_path / "tunes" / f"{number}.mid")
    (tmp_path / "tunes" / "bad.mid").write_bytes(b"no music")
    code, out, err = run("analyse", "tunes", "--picture", "t.png", "--preset", "t.toml")
    assert code == 0, err
    assert "2 pieces" in out
    assert "skipped bad.mid" in err
    rig = parse((tmp_path / "t.toml").read_text("utf-8"))
    assert rig.players[1].parameters["key"] == "G major"
    assert rig.stage["chart"]
    code, out, _ = run("analyse", "tunes/0.mid", "--json")
    assert json.loads(out)["keys"] == {"G major": 1.0}
    assert run("analyse", "nothing")[0] == 2
