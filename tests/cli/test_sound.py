"""What the commands do where there is a sound card, none, or one that is lost."""

import threading

import pytest

from rnnmuse.bridges.sound_out import NAME
from rnnmuse.cli import live, play_file
from rnnmuse.errors import PortError


class Card:
    """Stands in for the sound card that was opened."""

    name, card, ahead, clock = NAME, "two loudspeakers", 0, False

    def __init__(self, lost=lambda why: None):
        self.lost, self.sent, self.closed = lost, [], False
        self.broken = False

    def send(self, message, due=0):
        if self.broken:
            raise PortError("the sound card is gone")
        self.sent.append(message)

    def join(self):
        self.closed = True


class Stage:
    def __init__(self):
        self.outputs, self.closers, self.lost = [], [], []

    def add_output(self, output):
        self.outputs.append(output)

    def lose(self, name, why):
        self.lost.append((name, why))


def refuse(*_):
    raise PortError("the sound card cannot be opened (no device)")


def test_live_says_on_what_it_plays_and_opens_a_lost_card_again(capsys, monkeypatch):
    monkeypatch.setattr(live, "AGAIN", 0.01)
    stage, over, again = Stage(), threading.Event(), threading.Event()
    tries = []

    def make(lost):
        tries.append(lost)
        if len(tries) == 2:
            refuse()
        if len(tries) == 3:
            again.set()
        return Card(lost)

    thread = threading.Thread(target=live.keep_sound, args=(stage, None, over, make), daemon=True)
    thread.start()
    while not stage.outputs:
        thread.join(0.01)
    tries[0]("the sound card is gone")
    assert again.wait(20)
    over.set()
    thread.join(20)
    assert stage.lost == [(NAME, "the sound card is gone")]
    assert len(stage.outputs) == 2
    assert capsys.readouterr().out == f"Sound {NAME} on two loudspeakers\n" * 2


def test_live_says_in_one_line_that_there_is_no_sound(capsys):
    stage = Stage()
    live.keep_sound(stage, None, threading.Event(), refuse)
    assert capsys.readouterr().out == "Sound none (the sound card cannot be opened (no device))\n"
    assert not stage.outputs


def test_without_a_port_a_file_is_played_on_the_sound_card(run, monkeypatch, song):
    cards = []
    monkeypatch.setattr(play_file, "SoundOut", lambda: cards.append(Card()) or cards[0])
    monkeypatch.setattr(play_file, "MidiSystem", NoPorts)
    monkeypatch.setattr(play_file, "FilePlayer", AtOnce)
    code, out, _ = run("play", song)
    assert code == 0
    assert f"Sound {NAME} on two loudspeakers" in out
    assert any(message[0] & 0xF0 == 0x90 for message in cards[0].sent)
    assert cards[0].closed


def test_with_neither_there_is_one_line(run, monkeypatch, song):
    monkeypatch.setattr(play_file, "SoundOut", refuse)
    monkeypatch.setattr(play_file, "MidiSystem", NoPorts)
    code, _, said = run("play", song)
    assert code == 2
    assert said.strip().removeprefix("rnnmuse: ") == (
        "play: there is no MIDI port (no sequencer), and no sound (the sound card cannot be opened (no device)); "
        "give --record FILE"
    )


def test_a_card_lost_while_a_file_plays_ends_it_only_where_nothing_else_plays(capsys):
    port, card, ended = Card(), Card(), []
    sinks = play_file.Sinks()
    sinks.all_gone = lambda: ended.append(True)
    sinks.add("port", port.send)
    sinks.add(NAME, card.send)
    card.broken = True
    sinks.send(b"\x90\x3c\x50")
    sinks.send(b"\x80\x3c\x50")
    assert len(port.sent) == 2
    assert not ended
    assert capsys.readouterr().out == f"{NAME}: the sound card is gone\n"
    port.broken = True
    sinks.send(b"\x90\x3c\x50")
    assert ended == [True]


class NoPorts:
    reason = "no sequencer"

    def settle(self):
        pass

    def close(self):
        pass


class AtOnce:
    """Plays a schedule in no time."""

    def __init__(self, send):
        self.send, self.notes = send, 0

    def stop(self):
        pass

    def play(self, schedule):
        for _, message in schedule:
            self.send(message)
        return True


@pytest.fixture
def song(tmp_path):
    from importlib import resources

    path = tmp_path / "song.mid"
    path.write_bytes((resources.files("rnnmuse") / "music" / "data" / "schumann.mid").read_bytes())
    return str(path)
