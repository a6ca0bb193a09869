"""Files of every event kind, read and written: no event is lost or moved by a tick."""

import io
import warnings
from collections import Counter
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.music.midi import midi_bytes, read_midi
from rnnmuse.music.smf import Track, parse, serialise

ROOT = Path(__file__).parents[2]
byte = st.integers(0, 127)
channel = st.integers(0, 15)
text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=0, max_size=12).map(str.encode)


def message(kind: int, *data: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    return st.tuples(channel, *data).map(lambda found: bytes((kind | found[0], *found[1:])))


def meta(kind: int, payload: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return payload.map(lambda data: bytes((0xFF, kind)) + data)


def fixed(*values: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    return st.tuples(*values).map(bytes)


sevens = st.lists(byte, max_size=6).map(bytes)
EVENTS = st.one_of(
    message(0x90, st.integers(55, 62), byte),  # velocity 0 is a note-off; few pitches, so that notes meet
    message(0x80, st.integers(55, 62), byte),
    message(0xA0, byte, byte),
    message(0xB0, byte, byte),
    message(0xC0, byte),
    message(0xD0, byte),
    message(0xE0, byte, byte),
    *(meta(kind, text) for kind in (1, 2, 3, 4, 5, 6, 7, 9)),
    meta(0x00, fixed(byte, byte)),
    meta(0x20, fixed(channel)),
    meta(0x51, fixed(st.integers(1, 40), byte, byte)),
    meta(
        0x54,
        fixed(
            st.sampled_from([0, 33, 65, 97]),
            st.integers(0, 59),
            st.integers(0, 59),
            st.integers(0, 23),
            st.integers(0, 99),
        ),
    ),
    meta(0x58, fixed(st.integers(1, 20), st.integers(0, 6), st.integers(1, 96), st.integers(1, 16))),
    meta(0x59, fixed(st.sampled_from([0, 1, 5, 7, 249, 250, 255]), st.integers(0, 1))),
    meta(0x7F, sevens),
    meta(0x60, sevens),
    st.one_of(sevens, sevens.map(lambda data: data + b"\xf7")).map(lambda data: b"\xf0" + data),
    sevens.map(lambda data: b"\xf7" + data),
)


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    tick, events = 0, []
    for wait, event in draw(st.lists(st.tuples(st.sampled_from([0, 0, 1, 7, 120, 480, 1921]), EVENTS), max_size=25)):
        tick += wait
        events.append((tick, event))
    return Track(events, tick + draw(st.sampled_from([0, 1, 480])))


def unended(track: Track) -> int:
    """Notes that nothing ends; writing ends them with the track."""
    sounding: Counter[tuple[int, int]] = Counter()
    for _, event in track.events:
        if event[0] >> 4 == 9 and event[2]:
            sounding[event[0] & 15, event[1]] += 1
        elif event[0] >> 4 in (8, 9):
            sounding[event[0] & 15, event[1]] = max(0, sounding[event[0] & 15, event[1]] - 1)
    return sum(sounding.values())


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 1), st.sampled_from([24, 96, 480, 960, 32767]), st.lists(tracks(), min_size=1, max_size=4))
def test_every_event_comes_back_at_its_tick(form, division, made):
    made = made[:1] if form == 0 else made
    data = serialise(form, division, made)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        back = parse("back", midi_bytes(read_midi(data)))
    assert back.division == division
    assert len(back.tracks) == len(made)
    for ours, theirs in zip(made, back.tracks, strict=True):
        missing = list(theirs.events)
        for event in ours.events:  # in order, with nothing but note-offs of unended notes between
            missing.remove(event)
        assert [event for event in theirs.events if event in set(ours.events)] == ours.events
        assert len(missing) == unended(ours)
        assert all(event[0] >> 4 == 8 and tick >= ours.end for tick, event in missing)
        assert theirs.end == max(ours.end, *(tick for tick, _ in theirs.events), 0)


def midi_files() -> list[Path]:
    return sorted([*(ROOT / "rnnmuse").rglob("*.mid"), *(ROOT / "tests" / "cases").glob("*.mid"),
                   *(ROOT / "tests" / "cases").glob("*.kar")])  # fmt: skip


@pytest.mark.parametrize("path", midi_files(), ids=lambda path: path.name)
def test_the_files_of_the_repository_come_back(path):
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ReadWarning)
        try:
            written = midi_bytes(read_midi(data))
        except (ReadWarning, ReadError) as reason:
            pytest.skip(f"not an ordinary file: {reason}")
    ours, theirs = parse("a", data), parse("b", written)
    if ours.division >= 0x8000:
        pytest.skip("SMPTE time is written as beats")
    assert [track.events for track in theirs.tracks] == [track.events for track in ours.tracks]


@settings(max_examples=200, deadline=None)
@given(st.lists(tracks(), min_size=1, max_size=3))
def test_mido_reads_the_same_channel_messages(made):
    for track in made:  # mido 1.3 loses the wait before a meta event that it does not know
        track.events = [event for event in track.events if event[1][:2] != b"\xff\x60"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        written = midi_bytes(read_midi(serialise(1, 480, made)))
    for ours, theirs in zip(made, mido.MidiFile(file=io.BytesIO(written)).tracks, strict=True):
        tick, found = 0, []
        for event in theirs:
            tick += event.time
            if not event.is_meta and event.type != "sysex":
                found.append((tick, bytes(event.bytes())))
        wanted = [event for event in ours.events if event[1][0] < 0xF0]
        assert not Counter(wanted) - Counter(found)
