"""The OSC protocol: one table of addresses. Dispatch, argument checks, errors and docs/osc.md are derived from it.

An argument has a kind: ``i`` (integer), ``f`` (float), ``s`` (string) or ``b`` (bytes, only in messages that the stage
sends). An ``optional`` argument may be left out. In an address ``{p}`` stands for a player (1 to 16), ``{k}`` for a
dimension of a latent space (1 to 32), ``{n}`` for a part (1 to 8). A setter that is sent without arguments is a getter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

PORT = 7707
PLAYERS = 16
SESSIONS = 128
"""Sessions at most that one stage holds."""
DIMENSIONS = 32
"""Number of latent dimensions that have their own address. The first dimensions have the largest effect."""

PARTS = 8
"""Number of parts of a player that have their own addresses."""

SLOTS = 16
AXES = ("density", "register", "syncopation", "contour", "brightness", "loudness")
SOURCES = ("internal", "midi", "link", "osc")
ROLES = ("drums", "bass", "chords", "lead")
STYLES = ("jazz", "pop", "folk", "game")
MODES = ("off", "free", "continue", "answer", "accompany", "hold", "loop", "harmonise")


class ProtocolError(ValueError):
    """A message that the stage rejects. ``code`` is a short identifier for programs; the text is for people."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a message.

    ``kind`` is ``i``, ``f``, ``s`` or ``b``. ``low`` and ``high`` bound a number, both inclusive; None means unbounded.
    ``choices`` lists the allowed strings; empty allows any. ``unit`` is for people, such as "bpm".
    """

    name: str
    """As docs and errors name it."""
    kind: str = "f"
    low: float | None = None
    high: float | None = None
    optional: bool = False
    """Whether it may be left out."""
    choices: tuple[str, ...] = ()
    unit: str = ""

    def check(self, address: str, value: Any) -> Any:
        """Return ``value`` converted to the argument's type. ProtocolError names address, argument, value and range."""
        where = f"{address} {self.name}"
        if self.kind == "s":
            if not isinstance(value, str):
                raise ProtocolError("type", f"{where}: {str(value)[:40]!r}; must be text")
            if self.choices and value not in self.choices:
                raise ProtocolError("range", f"{where}: {value[:40]!r}; must be one of {', '.join(self.choices)}")
            if len(value) > 1000:
                raise ProtocolError("range", f"{where}: {len(value)} characters; must be up to 1000")
            return value
        if isinstance(value, str | bytes) or not isinstance(value, int | float):
            raise ProtocolError("type", f"{where}: {str(value)[:40]!r}; must be a number")
        try:
            number = float(value)
        except OverflowError:  # a whole number of hundreds of digits
            number = math.inf
        if not math.isfinite(number):
            raise ProtocolError("range", f"{where}: {str(value)[:20]}; must be finite")
        if (self.low is not None and number < self.low) or (self.high is not None and number > self.high):
            raise ProtocolError("range", f"{where}: {value}; must be {self.low:g} to {self.high:g}")
        return round(number) if self.kind == "i" else number


@dataclass(frozen=True, slots=True)
class Row:
    """One address of the protocol.

    ``access`` is "r" (the stage sends it), "w" (a command) or "rw" (a setter that is also a getter). ``doc`` is its
    description in docs/osc.md. ``handler`` names the method that handles it, as module.method in
    `rnnmuse.realtime.control`: "transport.tempo" is `TransportControl.tempo`, and ``get_tempo`` is its getter. An
    "r" row has no handler. The arguments of a ``free`` row are checked by its handler, not by this table.
    """

    address: str
    """With a letter in braces for what varies, such as ``{p}`` for a player."""
    access: str
    arguments: tuple[Argument, ...]
    """In their order."""
    doc: str
    handler: str = ""
    free: bool = False

    def check(self, address: str, values: Sequence[Any]) -> list[Any]:
        """Return the checked arguments. Optional arguments that were left out are missing at the end of the list."""
        if len(values) > len(self.arguments):
            raise ProtocolError("count", f"{address}: {len(values)} arguments; takes {self.shape() or 'none'}")
        needed = [a for a in self.arguments if not a.optional]
        if len(values) < len(needed):
            raise ProtocolError("count", f"{address}: {len(values)} arguments; takes {self.shape()}")
        return [a.check(address, v) for a, v in zip(self.arguments, values, strict=False)]

    def shape(self) -> str:
        """Describe the arguments by kind and name, such as "i number, f? beats"."""
        return ", ".join(f"{a.kind}{'?' if a.optional else ''} {a.name}" for a in self.arguments)


def _n(name: str, low: float, high: float, kind: str = "f", unit: str = "", optional: bool = False) -> Argument:
    return Argument(name, kind, low, high, optional, unit=unit)


def _s(name: str, *choices: str, optional: bool = False) -> Argument:
    return Argument(name, "s", optional=optional, choices=choices)


PARAMETERS: dict[str, tuple[Argument, Any, str]] = {
    "temperature": (_n("value", 0, 5), 1.0, "0 takes the likeliest event, 1 draws as the model learned"),
    "top_p": (_n("value", 0, 1), 0.0, "draw from the likeliest classes that hold this share; 0 is the model's own"),
    "density": (_n("value", 0, 24, unit="notes a beat"), 0.0, "notes a beat to aim at; 0 leaves it to the model"),
    "low": (_n("value", 0, 127, "i", "MIDI note"), 0, "lowest note"),
    "high": (_n("value", 0, 127, "i", "MIDI note"), 127, "highest note"),
    "polyphony": (_n("value", 0, 16, "i"), 0, "notes at once in one part; 0 for no limit"),
    "key": (_s("value"), "", 'a key such as "D minor" that every note lies in; empty for none'),
    "scale": (_s("value"), "", "another scale on the key's tonic; empty for the key's own"),
    "chord": (_s("value"), "", "a chord that strong beats play; empty for none"),
    "velocity": (_n("value", 0, 2), 1.0, "factor on the velocity of its notes"),
    "humanise": (
        _n("value", 0, 2),
        1.0,
        "factor on the model's own deviations from the grid; 0 is on the grid; a "
        "phrase model of drums plays its hits as a drummer would, differently each time",
    ),
    "expression": (
        _n("value", 0, 2),
        1.0,
        "factor on a performer's dynamics, for models that learned from scores without dynamics; 0 adds none",
    ),
    "pattern": (
        _s("value", "held", "broken", "strummed", "oom-pah"),
        "held",
        "in harmonise: how a chord is played until the next",
    ),
    "silence": (_n("value", 0.25, 16, unit="beats"), 1.0, "rest after which the performer's phrase is over"),
    "turn": (_n("value", 0, 16, "i", "bars"), 0, "in answer: take turns of this many bars; 0 answers after a rest"),
    "bars": (_n("value", 1, 64, "i"), 2, "length of a loop"),
    "repeat": (_n("value", 0, 1), 0.5, "how much earlier bars are restated: 0 never, 0.5 as in real pieces, 1 always"),
    "original": (
        _n("value", 0, 1),
        0.5,
        "avoid repeating the music that the model learned from: 0 off, 0.5 prevents runs of 16 notes, 1 runs of 10",
    ),
    "memory": (_n("value", 0, 64, unit="beats"), 16.0, "past music that another model hears when it takes over"),
    "recall": (
        _n("value", 0, 1),
        0.5,
        "how much a melody draws on what you have played in this session: 0 not at all, 1 as much as it is sure of",
    ),
    "steady": (
        _n("value", 0, 1, "i"),
        1,
        "1 keeps a bar pattern in accompany and beneath an answer; 0 leaves every note to the model",
    ),
    "role": (_s("value", "", *ROLES), "", "in free: its part in a band; empty for no band"),
    "style": (_s("value", *STYLES), "jazz", "the style of its role"),
    "seed": (_n("value", 0, 2**31 - 1, "i"), 1, "the same seed plays the same notes"),
}
"""The parameters of a player: argument, default and description by name."""

TEXT_PARAMETERS: dict[str, tuple[Argument, Any, str]] = {
    "temperature": (_n("value", 0, 5), 0.8, "0 takes the likeliest character, 1 draws as the models learned"),
    "top_p": (_n("value", 0.01, 1), 0.95, "draw from the likeliest characters that hold this share"),
    "rate": (_n("value", 0.1, 16, unit="syllables a beat"), 2.0, "speed"),
    "unit": (_s("value", "character", "syllable", "word", "line", "phrase"), "word", "what a chunk is"),
    "when": (_s("value", "now", "beat", "bar"), "beat", "when the first chunk of a request comes"),
    "mixture": (_s("value", "linear", "product"), "linear", "weighted mean of the models, or weighted product"),
    "ascii": (_n("value", 0, 1, "i"), 0, "1 sends only ASCII, for hosts that do not understand UTF-8"),
    "after": (
        _n("value", 0, PLAYERS, "i"),
        0,
        "wait until this text player has ended a sentence or line; 0 does not wait",
    ),
    "seed": (_n("value", 0, 2**31 - 1, "i"), 1, "the same seed writes the same text"),
}
"""The parameters of a text player: argument, default and description by name."""

COVER_SETTINGS: dict[str, tuple[Argument, str, str]] = {
    "model": (_s("name"), "covers", "which cover model draws"),
    "mood": (_s("value"), "", 'a mood such as "dark" or "calm+warm"; empty for none'),
    "look": (
        _s("value", "screen", "riso", "lino", "geometric", "gradient", "paint"),
        "screen",
        "the print look",
    ),
    "palette": (
        _s("value"),
        "",
        'a palette such as "sea", inks, or colours "#102030,#f0e0c0"; "picture" for the model\'s own; empty for one '
        "chosen from the music",
    ),
}
"""The settings of covers and of the live picture: argument, default and description by name."""

_P = "/rnnmuse/player/{p}"
_T = "/rnnmuse/text/{p}"

TABLE: tuple[Row, ...] = (
    Row("/rnnmuse/hello", "w", (), "answers with name, version and the listening port", "server.hello"),
    Row("/rnnmuse/sessions", "w", (), "answers with the number of this session and of all sessions (sessions.md)",
        "server.sessions"),
    Row("/rnnmuse/ping", "w", (_n("number", -1e9, 1e9, "i", optional=True),), "answers /rnnmuse/pong with the number",
        "server.ping"),
    Row("/rnnmuse/sync", "w", (_n("number", -1e9, 1e9, "i"),), "answers /rnnmuse/synced once every "
        "earlier message has been handled",
        "server.sync"),
    Row("/rnnmuse/list", "w", (_s("prefix", optional=True),), "answers with every address, or those that "
        "begin with the prefix",
        "server.list"),
    Row("/rnnmuse/describe", "w", (_s("address"),), "answers with access, arguments and meaning", "server.describe"),
    Row("/rnnmuse/subscribe", "w", (_n("seconds", 1, 3600, unit="s", optional=True),
        _n("ahead", 0, 2, unit="s", optional=True), _n("port", 1, 65535, "i", optional=True)), "send notes, beats and "
        "errors here; the lease is 60 s unless it is renewed; with ahead, notes come that much early, in time-tagged "
        "bundles; with a port, these and all answers go to that port of the sender", "server.subscribe"),
    Row("/rnnmuse/claim", "w", (_n("player", -1, PLAYERS, "i", optional=True),), "reserve a player for the sender, for "
        "as long as it is subscribed; answers with its number, which is another one if this is taken; 0 takes any, "
        "-1 gives it back", "server.claim"),
    Row("/rnnmuse/lead", "w", (_n("wanted", 0, 1, "i"),), "make the sender the one program that leads the "
        "clock by /rnnmuse/transport/beat, as long as it is subscribed; answers with 1, or with 0 if another leads; "
        "0 gives it back", "server.lead"),
    Row("/rnnmuse/monitor", "w", (_n("seconds", 0, 3600, unit="s", optional=True),), "send a copy of every incoming "
        "message, as /rnnmuse/monitored; the lease is 60 s unless it is renewed, 0 ends it", "watch.monitor"),
    Row("/rnnmuse/monitored", "r", (_s("sender"), _s("address"), _s("arguments")), "sent: an incoming message, its "
        "sender, and its arguments as JSON"),
    Row("/rnnmuse/unsubscribe", "w", (), "end the subscription", "server.unsubscribe"),
    Row("/rnnmuse/watch", "w", (_n("seconds", 0, 3600, unit="s", optional=True),), "send each value that is set, "
        "once it is accepted, and each note when it is planned; the lease is 60 s unless it is renewed, 0 ends it",
        "watch.watch"),
    Row("/rnnmuse/reply_to", "w", (_n("port", 1, 65535, "i"),), "answers go to this port of the sender",
        "server.reply_to"),
    Row("/rnnmuse/probe", "w", (_n("number", -1e9, 1e9, "i"),), "forwarded to every subscriber: a bridge in another "
        "program answers it with /rnnmuse/probed", "server.probe"),
    Row("/rnnmuse/probed", "w", (_n("number", -1e9, 1e9, "i"), _s("host")), "a bridge in this host answers a probe; "
        "forwarded to every subscriber", "server.probed"),
    Row("/rnnmuse/stats", "w", (), "answers with notes in and out, lateness in ms (median, p99, p99.9, worst), notes "
        "dropped, engine restarts", "server.stats"),
    Row("/rnnmuse/provenance", "w", (), "answers with version, IPTC digital source type, share of the notes "
        "that the performer sent (0-1), then name and hash of each model that has played", "server.provenance"),
    Row("/rnnmuse/models", "w", (), "answers with the names of the models", "server.models"),
    Row("/rnnmuse/midi/ports", "w", (), "answers with the open MIDI ports", "midi.ports"),
    Row("/rnnmuse/midi/available", "w", (), "answers with in or out and the name of each MIDI port that can be opened, "
        "then once without arguments", "midi.available"),
    Row("/rnnmuse/midi/open", "w", (_s("way", "in", "out"), _s("name")), "open the first MIDI port whose name "
        "contains this, now or once it appears, and again after it was lost; its state is sent as "
        "/rnnmuse/midi/port", "midi.open"),
    Row("/rnnmuse/midi/close", "w", (_s("way", "in", "out"), _s("name")), "end the notes of a port and close it; it "
        "is not opened again", "midi.close"),
    Row("/rnnmuse/midi/state", "w", (), "answers with way, name, state and detail of each requested port, as "
        "/rnnmuse/midi/port, then once without arguments", "midi.state"),
    Row("/rnnmuse/midi/port", "r", (_s("way"), _s("name"), _s("state"), _s("detail")), "sent: a requested "
        "port is open (detail is its full name), waiting (it has not appeared yet), gone (it was lost) or closed"),
    Row("/rnnmuse/midi/test", "w", (_s("output", optional=True),), "play a note for half a second on the outputs "
        "whose name contains this, or on all outputs; subscribers do not get it", "midi.test"),
    Row("/rnnmuse/midi/learn", "w", (_s("address"), _n("low", -1e6, 1e6, optional=True),
        _n("high", -1e6, 1e6, optional=True)), "the next controller that moves will set this address, over its full "
        "range or from low to high", "midi.learn"),
    Row("/rnnmuse/midi/unlearn", "w", (_s("address"),), "remove the controllers that set this address", "midi.unlearn"),
    Row("/rnnmuse/midi/map", "w", (), "answers with channel, controller, address, low and high of each learned "
        "controller, then once without arguments", "midi.map"),
    Row("/rnnmuse/preset/store", "w", (_n("number", 1, 128, "i"),), "store the state of all players", "preset.store"),
    Row("/rnnmuse/preset/recall", "w", (_n("number", 1, 128, "i"),), "restore a stored state; a MIDI program change "
        "does the same", "preset.recall"),
    Row("/rnnmuse/presets", "w", (), "answers with the numbers of the presets", "preset.numbers"),
    Row("/rnnmuse/rig/save", "w", (), "write players, presets and learned controllers into the rig's file",
        "preset.save_rig"),
    Row("/rnnmuse/transport/play", "w", (), "play from the start", "transport.play"),
    Row("/rnnmuse/transport/stop", "w", (), "stop the clock and end every note", "transport.stop"),
    Row("/rnnmuse/transport/continue", "w", (), "play from the current position", "transport.resume"),
    Row("/rnnmuse/transport/panic", "w", (), "end every note at once; never queued", "transport.panic"),
    Row("/rnnmuse/transport/running", "rw", (_n("value", 0, 1, "i"),), "1 plays from the current position, 0 stops",
        "transport.running"),
    Row("/rnnmuse/transport/tempo", "rw", (_n("bpm", 20, 999, unit="bpm"),), "tempo", "transport.tempo"),
    Row("/rnnmuse/transport/ending", "w", (), "end the music: a fill, the final chord at the start of a phrase, then "
        "stop; answers with the beat of the end", "band.ending"),
    Row("/rnnmuse/transport/position", "rw", (_n("beat", 0, 1e7, unit="beats"),), "position", "transport.position"),
    Row("/rnnmuse/transport/source", "rw", (_s("source", *SOURCES),), "who leads the clock", "transport.source"),
    Row("/rnnmuse/transport/beat", "w", (_n("beat", 0, 1e7, unit="beats"), _n("bpm", 20, 999, optional=True)),
        "another program's position now, or at the time tag; followed while the source is osc", "transport.lead"),
    Row("/rnnmuse/transport/cue", "w", (_n("beat", 0, 1e7, unit="beats"), _n("bpm", 20, 999, optional=True)),
        "stop at this position and plan the notes that follow it: a start from there does not miss its first "
        "beat", "transport.cue"),
    Row("/rnnmuse/transport/render", "w", (_n("beat", 0, 1e7, unit="beats"), _n("bpm", 20, 999, optional=True)),
        "play to this position as fast as possible, for a program that renders offline; answers with "
        "…/rendered once every note up to there is planned", "transport.render"),
    Row("/rnnmuse/transport/rendered", "r", (_n("beat", 0, 1e7),), "sent: every note up to this position is planned"),
    Row("/rnnmuse/transport/metre", "rw", (_n("numerator", 1, 64, "i"), _n("denominator", 1, 32, "i"),
        _n("beat", 0, 1e7, unit="beats", optional=True)), "time signature, from this bar on; with a beat, a "
        "bar begins at that position", "transport.metre"),
    Row("/rnnmuse/transport/swing", "rw", (_n("place", 0.5, 0.75),), "position of the second eighth within "
        "its beat: 0.5 is straight, 0.667 a triplet",
        "transport.swing"),
    Row("/rnnmuse/harmony", "w", (), "answers with beat, chord, key, confidence and source of the current harmony, as "
        "/rnnmuse/out/harmony", "harmony.now"),
    Row("/rnnmuse/harmony/chart", "rw", (_s("chart"),), 'chords in bars, repeated from the next bar line on, such '
        'as "Am7 | D7 | Gmaj7 % |"; empty for none; see [harmony](harmony.md)', "harmony.given"),
    Row("/rnnmuse/harmony/chord", "rw", (_s("chord"),), "a chord that holds from now on; empty to release it",
        "harmony.given"),
    Row("/rnnmuse/harmony/key", "rw", (_s("key"),), "the key of all players; empty to follow what is heard",
        "harmony.given"),
    Row("/rnnmuse/harmony/split", "rw", (_n("pitch", 0, 127, "i", "MIDI note"),), "the performer's notes below it give "
        "the chords; 0 for none", "harmony.given"),
    Row("/rnnmuse/harmony/track", "rw", (_n("channel", 0, 16, "i"),), "the MIDI channel whose notes give the chords; 0 "
        "for none", "harmony.track"),
    Row("/rnnmuse/harmony/note", "w", (_n("pitch", 0, 127, "i"), _n("velocity", 0, 127, "i")), "a note of the chord "
        "track; velocity 0 ends it", "harmony.note"),
    Row("/rnnmuse/out/harmony", "r", (_n("beat", 0, 1e7, unit="beats"), _s("chord"), _s("key"),
        _n("confidence", 0, 1), _s("source", "chord", "chart", "hand", "heard", "foretold", "")), "sent: the chord and "
        "key from this beat on, and their source"),
    Row("/rnnmuse/out/harmony/coming", "r", (_n("beat", 0, 1e7, unit="beats"), _s("chord")), "sent: the current "
        "chord and the coming ones, as pairs of beat and chord", free=True),
    Row("/rnnmuse/memory/forget", "w", (), "forget what was played in this session", "memory.forget"),
    Row("/rnnmuse/memory/remember", "w", (_s("name"),), "save what was played in this session in a file of this name; "
        "answers with the number of notes", "memory.keep"),
    Row("/rnnmuse/memory/recall", "w", (_s("name"),), "recall what was saved under this name; answers with the "
        "number of remembered notes", "memory.keep"),
    Row("/rnnmuse/band", "rw", (_s("style", "", *STYLES),), "players 1 to 4 become the lead, chords, bass and drums "
        "of a band and play from the next bar line on; empty dissolves the band; see [band](band.md)", "band.band"),
    Row("/rnnmuse/band/fours", "rw", (_n("bars", 0, 16, "i", "bars"),), "lead (or you) and drums take turns of "
        "this many bars; 0 for none", "band.given"),
    Row("/rnnmuse/band/density", "rw", (_n("value", 0, 1),), "how full the whole band plays; 0.5 leaves it to the arc "
        "and to how loud you play", "band.given"),
    Row(_P + "/note", "w", (_n("pitch", 0, 127, "i"), _n("velocity", 0, 127, "i"), _n("beats", 0, 64, optional=True)),
        "the player hears a note; velocity 0 ends it, or it ends after the given beats", "player.note"),
    Row(_P + "/start", "w", (), "begin to play", "player.start"),
    Row(_P + "/stop", "w", (), "stop playing and end its notes", "player.stop"),
    Row(_P + "/started", "rw", (_n("value", 0, 1, "i"),), "1 plays while the clock runs, 0 is stopped",
        "player.started"),
    Row(_P + "/mute", "rw", (_n("value", 0, 1, "i"),), "1 keeps playing, but is not heard", "player.mute"),
    Row(_P + "/solo", "rw", (_n("value", 0, 1, "i"),), "1 mutes every other player that is not solo too",
        "player.solo"),
    Row(_P + "/reset", "w", (), "forget what was heard", "player.reset"),
    Row(_P + "/prompt", "w", (), "replace the player's history with these notes, up to now; a phrase model "
        "takes their first bars as its phrase; for each note: start and length in beats, pitch, velocity",
        "player.prompt", free=True),
    Row(_P + "/hold", "w", (), "set the mode to hold", "player.hold"),
    Row(_P + "/generate", "w", (_n("beats", 1, 256), _n("seed", 0, 2**31 - 1, "i", optional=True)),
        "play for this many beats from the next beat; answers with a job, then …/done when the last note is planned",
        "player.generate"),
    Row(_P + "/hears", "rw", (_s("whom"),), 'MIDI channels and players it hears, such as "ch1 ch10 2", "all", "none"',
        "player.hears"),
    Row(_P + "/when", "rw", (_s("when", "now", "beat", "bar"),), "when changes of mode and parameters take effect",
        "player.when"),
    Row(_P + "/mode", "rw", (_s("mode", *MODES),), "what it does with what it hears", "player.mode"),
    Row(_P + "/model", "rw", (_s("name"),), "the model; it changes at the next bar line", "player.model"),
    Row(_P + "/target", "rw", (_s("output"),), "its notes go to the outputs whose name contains this, to all if "
        "empty; a recording gets all notes", "player.target"),
    Row(_P + "/latent", "rw", (), "all coordinates of a phrase model's point, in standard deviations; played "
        "from the next sixteenth", "latent.point", free=True),
    Row(_P + "/latent/{k}", "rw", (_n("value", -8, 8),), "one coordinate of the point; the first ones "
        "have the largest effect",
        "latent.dimension"),
    Row(_P + "/latent/axis/{axis}", "rw", (_n("value", 0, 1),), "more or less of this property; 0.5 is the middle of "
        "all phrases; melodies have density, register, syncopation and contour, drums density, syncopation, "
        "brightness and loudness", "latent.axis"),
    Row(_P + "/latent/map", "rw", (_s("across", *AXES, "slots"), _s("up", *AXES, optional=True)),
        "what the pad shows: two axes around the phrase that was set last, or the stored phrases", "latent.map"),
    Row(_P + "/latent/xy", "rw", (_n("x", 0, 1), _n("y", 0, 1)), "position on the pad", "latent.xy"),
    Row(_P + "/latent/x", "rw", (_n("value", 0, 1),), "the x of the pad, for one fader", "latent.x"),
    Row(_P + "/latent/y", "rw", (_n("value", 0, 1),), "the y of the pad, for one fader", "latent.y"),
    Row(_P + "/latent/store", "w", (_n("slot", 1, SLOTS, "i"),), "store the point; the slots hold examples at first",
        "latent.store"),
    Row(_P + "/latent/recall", "w", (_n("slot", 1, SLOTS, "i"),), "go to a stored point", "latent.recall"),
    Row(_P + "/latent/morph", "w", (_n("a", 1, SLOTS, "i"), _n("b", 1, SLOTS, "i"), _n("t", 0, 1)),
        "a point between two stored ones, on the arc", "latent.morph"),
    Row(_P + "/latent/vary", "w", (_n("amount", 0, 1),), "a neighbouring phrase: 0 is the same, 1 any phrase",
        "latent.vary"),
    Row(_P + "/latent/average", "w", (), "the mean of the named slots, or of all", "latent.average", free=True),
    Row(_P + "/latent/phrase", "w", (_n("slot", 0, SLOTS, "i", optional=True),), "answers with slot, then start and "
        "length in beats, pitch and velocity of each note of a stored phrase; 0 is the one that plays",
        "latent.phrase"),
    Row(_P + "/latent/capture", "w", (_n("slot", 1, SLOTS, "i", optional=True),),
        "what the player heard in the last bars becomes the phrase, and is stored", "latent.capture"),
    Row(_P + "/channel", "rw", (_n("channel", 1, 16, "i"),), "MIDI channel of its notes; drums go to 10",
        "player.channel"),
    Row(_P + "/program", "rw", (_n("program", 0, 128, "i"),), "General MIDI program of its notes, 0 for the model's; "
        "sent at the start and when it changes", "player.program"),
    Row(_P + "/parts", "w", (), "answers with number, name, channel and program of each part of its model",
        "player.parts"),
    Row(_P + "/part/{n}/channel", "rw", (_n("channel", 0, 16, "i"),), "MIDI channel of one part, 0 for the next free "
        "one", "player.part_channel"),
    Row(_P + "/part/{n}/program", "rw", (_n("program", 0, 128, "i"),), "General MIDI program of one part, 0 for the "
        "model's own", "player.part_program"),
    *(Row(f"{_P}/param/{name}", "rw", (argument,), f"{doc} (at first {default!r})", "player.parameter")
      for name, (argument, default, doc) in PARAMETERS.items()),
    *(Row(f"{_P}/norm/{name}", "rw", (_n("value", 0, 1),), f"{name} from 0 to 1, for faders", "player.norm")
      for name, (argument, _, _) in PARAMETERS.items() if argument.kind != "s"),
    Row("/rnnmuse/out/{p}/note", "r", (_n("pitch", 0, 127, "i"), _n("velocity", 0, 127, "i"), _n("beats", 0, 64),
        _n("beat", 0, 1e7)), "sent: a note begins (beats 0: length not known yet) or, with velocity 0, ends"),
    Row("/rnnmuse/in/{p}/note", "r", (_n("pitch", 0, 127, "i"), _n("velocity", 0, 127, "i"), _n("beat", 0, 1e7)),
        "sent to watchers: the performer begins or, with velocity 0, ends a note that the player hears"),
    Row("/rnnmuse/out/{p}/planned", "r", (_n("pitch", 0, 127, "i"), _n("velocity", 0, 127, "i"), _n("beat", 0, 1e7),
        _n("part", 1, 64, "i"), _n("channel", 1, 16, "i")), "sent to watchers: a note will begin or, with "
        "velocity 0, end at this beat"),
    Row("/rnnmuse/out/{p}/recalled", "r", (_n("beat", 0, 1e7),), "sent to watchers: notes planned from this beat "
        "on will not be played"),
    Row("/rnnmuse/out/{p}/ended", "r", (_n("beat", 0, 1e7),), "sent to watchers: every sounding note of the "
        "player ends at this beat"),
    Row("/rnnmuse/out/{p}/program", "r", (_n("part", 1, 64, "i"), _n("channel", 1, 16, "i"),
        _n("program", 1, 128, "i"), _s("name")), "sent: a part of the player has this channel and program"),
    Row(_P + "/done", "r", (_n("job", 1, 2**31 - 1, "i"), _n("notes", 0, 1e6, "i")), "sent: a job is over"),
    Row("/rnnmuse/text/models", "w", (), "answers with the text models that can be mixed", "text.models"),
    Row(_T + "/generate", "w", (_n("chunks", 0, 1e5, "i"), _n("seed", 0, 2**31 - 1, "i", optional=True)),
        "write this many chunks, 0 for no end; answers with a job", "text.generate"),
    Row(_T + "/prompt", "w", (_s("text"),), "set the text that comes before", "text.prompt"),
    Row(_T + "/mix", "w", (_s("player.model"), _n("weight", 0, 100)),
        "a model's fader; shakespeare is at 1 until another model is mixed in", "text.mix"),
    Row(_T + "/bind", "rw", (_n("player", 0, PLAYERS, "i"),), "send a syllable with each note of this player; 0 "
        "follows the beat", "text.bind"),
    Row(_T + "/stop", "w", (), "stop writing", "text.stop"),
    Row(_T + "/reset", "w", (), "forget the prompt and what was written", "text.reset"),
    *(Row(f"{_T}/{name}", "rw", (argument,), f"{doc} (at first {default!r})", "text.parameter")
      for name, (argument, default, doc) in TEXT_PARAMETERS.items()),
    Row("/rnnmuse/out/text/{p}", "r", (_n("job", 1, 2**31 - 1, "i"), _n("index", 0, 1e9, "i"), _s("text"),
        _n("last", 0, 1, "i")), "sent: a chunk of text, on its beat"),
    Row("/rnnmuse/cover/generate", "w", (_n("seed", 0, 2**31 - 1, "i", optional=True),
        _n("size", 64, 10000, "i", "px", optional=True), _s("title", optional=True), _s("artist", optional=True)),
        "draw a cover of what was played (or of the seed, if nothing was), 3000 px if no size is given; answers with a "
        "job, then …/progress and …/done; see [cover](cover.md)", "cover.generate"),
    Row("/rnnmuse/cover/stream", "rw", (_n("rate", 0, 12, unit="pictures/s"),), "send small pictures that move with "
        "what is played, as …/frame; 0 ends it", "cover.stream"),
    *(Row(f"/rnnmuse/cover/{name}", "rw", (argument,), f"{doc} (at first {default!r})", "cover.setting")
      for name, (argument, default, doc) in COVER_SETTINGS.items()),
    Row("/rnnmuse/cover/progress", "r", (_n("job", 1, 2**31 - 1, "i"), _n("share", 0, 1)), "sent: the finished part "
        "of a cover"),
    Row("/rnnmuse/cover/done", "r", (_n("job", 1, 2**31 - 1, "i"), _s("file")), "sent: a cover is done; the file's "
        "name in the output folder"),
    Row("/rnnmuse/cover/frame", "r", (_n("number", 1, 2**31 - 1, "i"), Argument("picture", "b")), "sent: a picture of "
        "the stream, JPEG of 128 x 128 px, at most 7 kB"),
    Row("/dirt/play", "w", (), "an event of TidalCycles: the player of its orbit hears it; pairs of name and value",
        "player.dirt", free=True),
    Row("/rnnmuse/beat", "r", (_n("beat", 0, 1e7, "i"), _n("bpm", 20, 999)), "sent on every beat"),
    Row("/rnnmuse/error", "r", (_s("address"), _s("code"), _s("text")), "sent: the address that was refused, a code "
        "and the reason"),
)  # fmt: skip


WATCHED_COMMANDS = ("/rnnmuse/transport/play", "/rnnmuse/transport/stop", "/rnnmuse/transport/panic", _T + "/reset",
                    _T + "/stop", _T + "/prompt", _T + "/mix", "/rnnmuse/preset/store", "/rnnmuse/midi/unlearn",
                    _P + "/latent/store")  # fmt: skip
"""Commands that are forwarded unchanged to clients that watch."""


class Entry(NamedTuple):
    """A row at one concrete address. ``player`` is 0 where the address has none; ``word`` is its last variable part,
    such as a parameter's name."""

    row: Row
    player: int
    word: str


def addresses() -> dict[str, Entry]:
    """Return every concrete address with its entry."""
    out: dict[str, Entry] = {}
    for row in TABLE:
        words = {row.address: row.address.rsplit("/", 1)[1]}
        for sign, values in (("{k}", range(1, DIMENSIONS + 1)), ("{axis}", AXES), ("{n}", range(1, PARTS + 1))):
            if sign in row.address:
                words = {row.address.replace(sign, str(value)): str(value) for value in values}
        for name, word in words.items():
            if "{p}" in name:
                for player in range(1, PLAYERS + 1):
                    out[name.replace("{p}", str(player))] = Entry(row, player, word)
            else:
                out[name] = Entry(row, 0, word)
    return out


def normal(name: str, value: float) -> float:
    """Scale a fader value, 0 to 1, to the range of the parameter ``name``.

    >>> normal("velocity", 0.5), normal("low", 1)
    (1.0, 127)
    """
    argument = PARAMETERS[name][0]
    assert argument.low is not None
    assert argument.high is not None
    scaled = argument.low + value * (argument.high - argument.low)
    return round(scaled) if argument.kind == "i" else scaled


def within(name: str, value: float) -> float:
    """Where a parameter's value lies in its range, as 0-1: the inverse of `normal`."""
    argument = PARAMETERS[name][0]
    assert argument.low is not None
    assert argument.high is not None
    return (value - argument.low) / (argument.high - argument.low)


def reference() -> str:
    """The table as Markdown, for docs/osc.md."""
    lines = ["| address | | arguments | meaning |", "| --- | --- | --- | --- |"]
    for row in TABLE:
        arguments = []
        for a in row.arguments:
            limits = f" {a.low:g}–{a.high:g}" if a.low is not None and a.high is not None else ""
            choice = f" ({', '.join(a.choices)})" if a.choices else ""
            unit = f" {a.unit}" if a.unit else ""
            arguments.append(f"{a.kind}{'?' if a.optional else ''} {a.name}{limits}{unit}{choice}")
        lines.append(f"| `{row.address}` | {row.access} | {'; '.join(arguments)} | {row.doc} |")
    return "\n".join(lines) + "\n"
