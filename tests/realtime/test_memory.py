"""The session's memory over OSC: forgotten, kept in a file, known again."""

import pytest

from rnnmuse.session import memories
from rnnmuse.testing import StageClient


def played(stage, pitches):
    stage.send("/rnnmuse/transport/play")
    for pitch in pitches:
        stage.send("/rnnmuse/player/1/note", pitch, 90, 0.4)
        stage.send("/rnnmuse/player/2/note", pitch, 90, 0.4)
        stage.run(0.25)


def test_what_was_played_is_kept_in_a_file_and_known_again(tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "folder", lambda: tmp_path / "memories")
    stage = StageClient()
    stage.send("/rnnmuse/memory/remember", "gig")
    stage.settle()
    assert "nothing was played" in stage.errors()[-1][2]
    played(stage, [60, 62, 64, 65, 67] * 3)
    assert stage.ask("/rnnmuse/memory/remember", "gig") == (15,)
    stage.send("/rnnmuse/memory/remember", "gig")
    stage.settle()
    assert "there already" in stage.errors()[-1][2]
    assert stage.ask("/rnnmuse/memory/forget") == (0,)
    stage.close()
    other = StageClient()
    assert other.ask("/rnnmuse/memory/recall", "gig") == (15,)
    expected = other.engine.engine.recollection.expect([60, 62, 64])
    assert int(expected.argmax()) == 65
    for name, why in (("none", "kept are gig"), ("../gig", "must be letters"), ("", "must be letters")):
        other.send("/rnnmuse/memory/recall", name)
        other.settle()
        assert why in other.errors()[-1][2]
    (tmp_path / "memories" / "odd.json").write_text("[]")
    other.send("/rnnmuse/memory/recall", "odd")
    other.settle()
    assert "not a memory" in other.errors()[-1][2]
    assert len(other.engine.engine.recollection) == 15
    other.close()


def test_a_stream_of_names_fills_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "folder", lambda: tmp_path / "memories")
    monkeypatch.setattr(memories, "MOST", 20)
    stage = StageClient()
    played(stage, [60, 62, 64])
    for number in range(30):
        stage.send("/rnnmuse/memory/remember", f"name {number:02}")
    stage.settle()
    assert len(list((tmp_path / "memories").glob("*.json"))) == 20
    errors = [text for _, _, text in stage.errors()]
    assert len(errors) == 10
    assert all("20 memories are kept" in text for text in errors)
    stage.send("/rnnmuse/memory/recall", "nam 07")
    stage.settle()
    assert "name 07" in stage.errors()[-1][2]
    assert "and 12 more" in stage.errors()[-1][2]
    stage.close()


def test_a_melody_draws_on_what_was_played_as_its_fader_says():
    stage = StageClient()
    stage.send("/rnnmuse/player/1/model", "leadsheet")
    stage.send("/rnnmuse/player/1/param/recall", 0.9)
    played(stage, [60, 62, 64])
    player = stage.engine.engine.players[1]
    assert player.player.recall.share == pytest.approx(0.9)
    assert player.player.recall.memory is stage.engine.engine.recollection
    stage.close()


def test_an_engine_that_begins_anew_knows_what_the_one_before_it_knew(tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "folder", lambda: tmp_path / "memories")
    stage = StageClient()
    played(stage, [60, 62, 64, 65, 67])
    stage.ask("/rnnmuse/memory/remember", "first")
    assert stage.ask("/rnnmuse/memory/forget") == (0,)
    assert stage.ask("/rnnmuse/memory/recall", "first") == (5,)
    stage.send("/rnnmuse/player/3/model", "grooves")
    stage.settle()
    stage.send("/rnnmuse/player/3/note", 38, 90, 0.4)
    played(stage, [72, 71, 69, 67] * 3)
    known = [pitch for _, pitch in stage.engine.engine.recollection.notes]
    assert len(known) == 17
    stage.kill_engine()
    stage.run(3.0)
    assert stage.stage.supervisor.restarts == 1
    assert [pitch for _, pitch in stage.engine.engine.recollection.notes] == known
    assert stage.ask("/rnnmuse/memory/forget") == (0,)
    stage.kill_engine()
    stage.run(3.0)
    assert len(stage.engine.engine.recollection) == 0
    stage.close()
