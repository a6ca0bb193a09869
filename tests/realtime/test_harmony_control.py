"""The harmony from the wire to the notes: what is given, what is told, and what a new engine is given again."""

import pytest

from rnnmuse.music.theory import parse_chord
from rnnmuse.realtime.stage import Settings
from rnnmuse.testing import StageClient

H = "/rnnmuse/harmony"
P = "/rnnmuse/player/1"


@pytest.fixture
def stage():
    made = StageClient(Settings(model="leadsheet"))
    yield made
    assert not made.hung()
    made.close()


def told(stage, address):
    return [message.arguments for message in stage.received() if message.address == address]


def asked(stage, address):
    stage.send(address)
    stage.settle()
    return told(stage, address)[-1]


def test_a_chart_is_told_chord_by_chord_and_what_comes(stage):
    stage.send("/rnnmuse/subscribe")
    stage.send(f"{H}/chart", "Am7 | D7 | Gmaj7 % |")
    stage.send("/rnnmuse/transport/play")
    stage.settle()
    stage.run(7.0)
    now = told(stage, "/rnnmuse/out/harmony")
    assert [(beat, chord, key, source) for beat, chord, key, _, source in now[:4]] == [
        (0.0, "Am7", "G major", "chart"),
        (4.0, "D7", "G major", "chart"),
        (8.0, "Gmaj7", "G major", "chart"),
        (12.0, "Am7", "G major", "chart"),
    ]
    assert told(stage, "/rnnmuse/out/harmony/coming")[0][:6] == (0.0, "Am7", 4.0, "D7", 8.0, "Gmaj7")


def test_players_play_the_chords_that_are_given_on_strong_beats(stage):
    stage.send(f"{H}/chart", "C | F | G7 | C")
    stage.send(f"{P}/param/humanise", 0.0)
    stage.send(f"{P}/mode", "free")
    stage.send(f"{P}/start")
    stage.settle()
    stage.run(16.0)
    chart = ["C", "F", "G7", "C"]
    strong = wrong = 0
    for sent in stage.notes("on"):
        beat = sent.beat
        if abs(beat - round(beat)) < 0.005 and round(beat) % 2 == 0:
            strong += 1
            wrong += sent.pitch % 12 not in parse_chord(chart[round(beat) // 4 % 4]).pitch_classes
    assert strong > 8
    assert not wrong


def test_a_chord_that_is_given_in_the_middle_holds_from_the_next_event(stage):
    stage.send(f"{H}/chord", "C")
    stage.send(f"{P}/mode", "free")
    stage.send(f"{P}/start")
    stage.settle()
    stage.run(3.9)
    stage.send(f"{H}/chord", "F#")
    stage.settle()
    since = len(stage.output.events)
    stage.run(8.0)
    began = [sent for _, sent in stage.output.events[since:] if sent.velocity]
    strong = [sent.pitch % 12 for sent in began if abs(sent.beat / 2 - round(sent.beat / 2)) < 0.005]
    assert strong
    assert set(strong) <= parse_chord("F#").pitch_classes


@pytest.mark.parametrize(("name", "wrong"), [("chart", "Am7 | H7"), ("chord", "Q"), ("key", "X major")])
def test_what_is_refused_changes_nothing(stage, name, wrong):
    before = asked(stage, f"{H}/{name}")
    stage.send(f"{H}/{name}", wrong)
    stage.settle()
    assert [code for address, code, _ in stage.errors() if address == f"{H}/{name}"] == ["value"]
    assert asked(stage, f"{H}/{name}") == before


def test_the_notes_of_a_track_give_the_chords(stage):
    stage.send(f"{H}/track", 16)
    stage.send("/rnnmuse/transport/play")
    stage.settle()
    for pitch in (50, 53, 57):
        stage.stage.player.played(15, pitch, 80)
    stage.settle()
    assert asked(stage, H)[1] == "Dm"
    assert asked(stage, H)[4] == "hand"


def test_a_melody_is_harmonised_at_once(stage):
    stage.send(f"{P}/mode", "harmonise")
    stage.send("/rnnmuse/transport/play")
    stage.settle()
    stage.run(2.0)
    stage.send(f"{P}/note", 76, 90)
    stage.settle()
    stage.run(0.05)
    sounding = [sent for _, sent in stage.output.events if sent.velocity]
    assert len(sounding) == 4
    assert all(sent.pitch < 76 for sent in sounding)
    assert asked(stage, H)[4] == "heard"


def test_a_new_engine_is_given_what_was_given(stage):
    stage.send(f"{H}/chart", "Dm | A7")
    stage.send(f"{H}/split", 55)
    stage.settle()
    stage.kill_engine()
    stage.run(3.0)
    assert len(stage.engines) > 1
    assert stage.engines[-1].engine.harmony.chart.text == "Dm | A7"
    assert stage.engines[-1].engine.harmony.split == 55


def test_the_left_hand_gives_the_chord_that_the_melody_is_harmonised_with(stage):
    stage.send(f"{H}/split", 60)
    stage.send(f"{P}/mode", "harmonise")
    stage.send("/rnnmuse/transport/play")
    stage.settle()
    stage.run(2.0)
    for pitch in (41, 48, 57):
        stage.send(f"{P}/note", pitch, 80)
    stage.settle()
    stage.run(0.02)
    assert not stage.notes("on")
    stage.send(f"{P}/note", 77, 90)
    stage.settle()
    stage.run(0.05)
    assert {sent.pitch % 12 for sent in stage.notes("on")} == {5, 9, 0}
    assert asked(stage, H)[1] == "F"


def test_a_phrase_keeps_to_the_key_and_the_chords_that_are_given(stage):
    stage.send(f"{P}/model", "phrases")
    stage.send(f"{H}/key", "Eb major")
    stage.send(f"{H}/chart", "Eb | Ab | Bb7 | Cm")
    stage.send(f"{P}/param/humanise", 0.0)
    stage.send(f"{P}/mode", "loop")
    stage.settle()
    stage.send("/rnnmuse/transport/play")
    stage.settle()
    stage.run(16.0)
    notes = stage.notes("on")
    assert len(notes) > 8
    assert all((sent.pitch - 3) % 12 in {0, 2, 4, 5, 7, 9, 11} for sent in notes)
    chart = ["Eb", "Ab", "Bb7", "Cm"]
    strong = [s for s in notes if abs(s.beat / 2 - round(s.beat / 2)) < 0.005]
    assert strong
    for sent in strong:
        assert sent.pitch % 12 in parse_chord(chart[int(sent.beat + 0.01) // 4 % 4]).pitch_classes


def test_a_player_whose_range_has_no_note_of_the_stage_s_key_keeps_its_range(stage):
    """One such player neither keeps the stage from its key nor ends the engine when the harmony goes on."""
    for name in ("low", "high"):
        stage.send(f"/rnnmuse/player/1/param/{name}", 61)
    stage.send("/rnnmuse/player/1/start")
    stage.send("/rnnmuse/transport/play")
    stage.send("/rnnmuse/harmony/key", "C major")
    stage.run(2.0)
    assert stage.ask("/rnnmuse/harmony/key") == ("C major",)
    stage.send("/rnnmuse/harmony/chart", "F | G | Am |")
    stage.run(8.0)
    assert not stage.errors()
    assert {sent.pitch for sent in stage.notes("on") if sent.player == 1} == {61}
    assert len(stage.engines) == 1
