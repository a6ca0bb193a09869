"""The plan of a piece by bars: what each bar restates, who plays in it, and where the end is.

It comes from the forms of real pieces that a bundle holds, so that music from nothing has their habits, or from what
the performer asks for. `Frame` puts it into the model's context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from random import Random

from rnnmuse.music.codec import ACTIVE, BAR_LENGTH, DENSITY, ECHO, ECHO_REST, MOST_ACTIVE, TEMPO, UNKNOWN
from rnnmuse.music.echo import EXACT, LAGS, NEW, RHYTHM, Again, echo_class, lag_of
from rnnmuse.play.outline import FITTING, NOTHING, OUTLINED, again_of, moved

Form = Sequence[Sequence[int]]
"""A row for each bar of a real piece: its classes of the columns echo, echo_rest and active, and where it is known
the outline (`rnnmuse.play.outline`)."""

Row = tuple[int, int, int, int]
"""Classes of the columns echo, echo_rest, active and ending."""

GOES_ON = 4
"""The class of ``ending`` for a bar that many bars follow."""
PHRASE = 4
"""Bars within which the same parts play."""
LONGEST_FORM = 64
"""Bars of a form at most: one of as many is cut, a shorter one ends as its piece does."""
CADENCE = 2
"""Bars before the end in which no part plays an earlier bar again: the music closes."""
TAIL = 2
"""Bars at the end of a piece, which come to rest: they are not taken where the music goes on."""
CLOSE = 8
"""Bars before the end that are taken from the end of a form."""
THINNER, THINNER_END = 3, 2
"""Classes of density by which a continuation is thinner than the bars that are there at most, and the last bars than
those before."""
DENSE = 8
"""Bars whose density is compared."""
OTHER_METRE, OTHER_TEMPO, OTHER_MODE, OTHER_PART = 8.0, 0.5, 4.0, 1.0
"""Nats by which a form of another metre, of a tempo a class away, of the other mode, and for each part that plays in
one alone is taken less."""
BEGUN = 16
"""Bars of the music so far that a form is chosen by."""
RATES = (0.1, 0.9, 1.4, 1.9, 2.7, 3.9, 5.7)
"""Note-ons a beat of each class of density but the highest, as in real bars."""
DENSEST = 9.0
"""That of the highest class, where a model does not say."""
KEPT = 256
"""Bars that are remembered; the longest lag is 32."""
LAG_WEIGHTS = {1: 4, 2: 4, 4: 6, 8: 5, 16: 2}
"""How often each lag is taken where the performer asks for more repetition than the form has."""


@dataclass(slots=True)
class Plan:
    """Rows for the bars of a piece, drawn as they are needed.

    ``begun`` are the rows of bars that are there already. ``repeat`` is how much is restated: 0 nothing, 0.5 as much as
    in the forms, 1 all that can be; None is 0.5. ``parts`` are the part classes that may play, all without; ``bars`` is
    the number of bars after which the piece ends, None where it goes on.
    """

    forms: Sequence[Form]
    """Rows of real pieces; none for a plan of unknowns."""
    random: Random
    """Draws the forms."""
    begun: Sequence[Sequence[int]] = ()
    repeat: float | None = None
    parts: frozenset[int] | None = None
    fixed: bool = False
    """Whether all of ``parts`` play all the time."""
    bars: int | None = None
    home: int | None = None
    """Pitch class that the keys and roots of the forms' outlines are counted from; None where outlines are not used."""
    minor: bool | None = None
    """The mode of the forms that are taken first."""
    fitting: tuple[int, int] = (UNKNOWN[BAR_LENGTH], UNKNOWN[TEMPO])
    """Classes of bar_length and tempo of the forms that are taken first."""
    begun_outline: Sequence[Sequence[int]] = ()
    """The outline of the bars that are there already."""
    dense: float = DENSEST
    """Note-ons a beat of bars of the highest class of density."""
    verbatim: float = 0.0
    """Share of the bars that a part plays again in the forms which it plays again here (`again`)."""
    _again: list[dict[int, Again]] = field(default_factory=list)
    """How the parts of each bar since the first that is kept play an earlier one again."""
    _rows: list[tuple[int, int, int]] = field(default_factory=list)
    """Echo, echo_rest and active of each bar so far, of the last KEPT bars at least."""
    _outline: list[tuple[int, ...]] = field(default_factory=list)
    """The outline of each of these bars."""
    _gone: int = 0
    """Bars before the first that is kept."""
    _denser: int = 0
    """Classes of density that what is begun is denser than the form that is followed."""
    _form: Form = field(default_factory=list)
    """The form that is followed."""
    _since: int = 0
    """Bar from which on the form is followed."""
    _offset: int = 0
    """Bar at which the form that is followed has its first row."""

    def __post_init__(self) -> None:
        if self.repeat is not None and not 0 <= self.repeat <= 1:
            raise ValueError(f"repeat: {self.repeat}; must be 0 to 1")
        self._rows = [(row[0], row[1], row[2]) for row in self.begun]
        self._outline = [tuple(row) for row in self.begun_outline]
        self._outline += [NOTHING] * (len(self._rows) - len(self._outline))
        self._again = [{} for _ in self._rows]

    def row(self, bar: int) -> Row:
        """The classes of a bar, counted from 0."""
        if bar < 0:
            return UNKNOWN[ECHO], UNKNOWN[ECHO_REST], UNKNOWN[ACTIVE], GOES_ON
        while self._gone + len(self._rows) <= bar:
            self._rows.append(self._drawn(self._gone + len(self._rows)))
            if len(self._rows) >= 2 * KEPT:
                self._gone += len(self._rows) - KEPT
                del self._rows[:-KEPT], self._outline[:-KEPT], self._again[:-KEPT]
        if bar < self._gone:
            return UNKNOWN[ECHO], UNKNOWN[ECHO_REST], UNKNOWN[ACTIVE], GOES_ON
        ending = GOES_ON
        if self.bars is not None:
            left = max(0, self.bars - 1 - bar)
            ending = next(i for i, most in enumerate((0, 1, 3, 7, left)) if left <= most)
        return (*self._rows[bar - self._gone], ending)

    def outline(self, bar: int) -> tuple[int, ...]:
        """The outline of a bar, counted from 0: its classes of density and key, and root and quality of both halves."""
        if bar < 0:
            return NOTHING
        self.row(bar)
        return self._outline[bar - self._gone] if bar >= self._gone else NOTHING

    def again(self, bar: int) -> dict[int, Again]:
        """The parts that play an earlier bar again in a bar, counted from 0, and how."""
        if bar < 0 or not self.verbatim:
            return {}
        self.row(bar)
        return self._again[bar - self._gone] if bar >= self._gone else {}

    def rate(self, bar: int) -> float | None:
        """The note-ons a beat of a bar's class of density, None where it is not known."""
        density = self.outline(bar)[0]
        if density >= UNKNOWN[DENSITY]:
            return None
        return self.dense if density >= len(RATES) else RATES[density]

    def _drawn(self, bar: int) -> tuple[int, int, int]:
        if not self.forms:
            self._outline.append(NOTHING)
            self._again.append({})
            return UNKNOWN[ECHO], UNKNOWN[ECHO_REST], self._playing(UNKNOWN[ACTIVE], bar)
        left = None if self.bars is None else self.bars - bar
        followed = (self._form, self._offset)
        if left is not None and 0 < left <= CLOSE and (left == CLOSE or bar == len(self.begun)):
            self._choose_end(bar, left)
        elif not self._form or bar - self._offset >= _usable(self._form, left):
            self._choose(bar)
        if self._form is not followed[0] or self._offset != followed[1]:
            self._since = bar
        form = self._form[bar - self._offset]
        echo, rest = self._repeated(form[0], bar), self._repeated(form[1], bar)
        if left == 1:  # the last bar ends the piece, whatever came before
            echo, rest = (one if one == UNKNOWN[ECHO] else NEW for one in (echo, rest))
        again = self._played_again(form, echo, rest, bar) if left is None or left > CADENCE else {}
        self._again.append(again)
        self._outline.append(self._outlined(form, again, echo if rest == UNKNOWN[ECHO_REST] else rest, bar))
        return echo, rest, self._playing(form[2], bar)

    def _outlined(self, form: Sequence[int], again: Mapping[int, Again], echo: int, bar: int) -> tuple[int, ...]:
        """The outline of a bar: that of the bar which it restates as it was, else that of the form."""
        if self.home is None or len(form) < OUTLINED.stop:
            return NOTHING
        for one in sorted(again.values()):
            restated = self._outline[bar - self._gone - one.lag] if one.how != RHYTHM else NOTHING
            if restated != NOTHING:
                return (*restated[:2], *moved(restated, one.shift)[2:])
        lag = lag_of(echo)
        if lag is not None and (echo - 1) % 3 == EXACT and lag <= bar:
            restated = self._outline[bar - self._gone - lag]
            if restated != NOTHING:
                return restated
        density, *rest = moved(form[OUTLINED], self.home)
        if density < UNKNOWN[DENSITY] and density:
            density = max(1, min(UNKNOWN[DENSITY] - 1, density + self._denser))
        return (self._floored(density, bar), *rest)

    def _floored(self, density: int, bar: int) -> int:
        """A class of density that is not much below that of the bars that are there, or before the end."""
        close = self.bars is not None and bar >= self.bars - CLOSE
        since = self.bars - CLOSE if self.bars is not None and close else len(self.begun)
        kept = max(0, since - self._gone)
        usual = [row[0] for row in self._outline[max(0, kept - DENSE) : kept]]
        if density == UNKNOWN[DENSITY] or not any(value < UNKNOWN[DENSITY] for value in usual):
            return density
        return max(density, round(_mean(usual)) - (THINNER_END if close else THINNER))

    def _choose(self, bar: int) -> None:
        """Take a form from the bar where the music stands.

        Music from nothing begins with a form. What is begun may be from the middle of a piece: of all places at the
        beginning of a phrase, those whose bars before are most like the last bars that are there.
        """
        if self.begun:
            places = [
                (form, place)
                for form in self.forms
                for place in range(bar % PHRASE, _usable(form) - PHRASE, PHRASE)
                if place >= min(bar, PHRASE)
            ]
        else:
            places = [(form, bar) for form in self.forms if _usable(form) > bar]
            places = places or [  # longer than any form: the middle of one again
                (form, place) for form in self.forms for place in range(bar % PHRASE + PHRASE, _usable(form), PHRASE)
            ]
        if self.home is None and not self.begun:  # on a stage no form is compared: nobody waits for it
            self._form, place = self.random.choice(places or [(self.forms[0], 0)])
            self._offset = bar - place
        elif places:
            self._take(places, bar)
        else:
            self._form, self._offset = self.random.choice(self.forms), bar

    def _choose_end(self, bar: int, left: int) -> None:
        """Take the end of a form for the last ``left`` bars; where no form has an end, the one that is followed."""
        places = [(form, len(form) - left) for form in self.forms if left + PHRASE <= len(form) < LONGEST_FORM]
        if places:
            self._take(places, bar)
        elif not self._form or bar - self._offset >= len(self._form):
            self._choose(bar)

    def _take(self, places: Sequence[tuple[Form, int]], bar: int) -> None:
        """Draw the form and the place in it from which the music goes on, those that are most like it rather."""
        weights = [exp(self._likeness(form, place, bar) + self._fit(form, place)) for form, place in places]
        self._form, place = self.random.choices(places, weights)[0]
        self._offset = bar - place
        if self.home is not None and len(self._form[0]) >= OUTLINED.stop:
            mine, other = self._outline[-DENSE:], [row[3] for row in self._form[max(0, place - DENSE) : place]]
            self._denser = round(_mean([row[0] for row in mine]) - _mean(other)) if mine and other else 0

    def _fit(self, form: Form, place: int) -> float:
        """How well a form fits the metre, the tempo and the mode, 0 or less; 0 where outlines are not used."""
        if self.home is None or len(form[0]) < FITTING.stop:
            return 0.0
        row, (length, tempo) = form[place], self.fitting
        worse = 0.0
        if UNKNOWN[BAR_LENGTH] not in (length, row[FITTING][0]):
            worse += OTHER_METRE * (length != row[FITTING][0])
        if UNKNOWN[TEMPO] not in (tempo, row[FITTING][1]):
            worse += OTHER_TEMPO * abs(tempo - row[FITTING][1])
        mine = self._rows[-1][2] if self._rows else sum(1 << part for part in self.parts or () if part < MOST_ACTIVE)
        other = form[max(0, place - 1)][2]
        if mine and UNKNOWN[ACTIVE] not in (mine, other):
            worse += OTHER_PART * (mine ^ other).bit_count()
        if self.minor is not None and form[0][4] < 24:
            worse += OTHER_MODE * (self.minor != (form[0][4] >= 12))
        return -worse

    def _likeness(self, form: Form, place: int, bar: int) -> float:
        """How like the bars before ``place`` of a form are to those before ``bar``, 0 to 2."""
        alike, count = 0.0, 0
        for back in range(1, min(BEGUN, bar, place) + 1):
            mine, other = self._rows[bar - self._gone - back], form[place - back]
            for column in (0, 1):
                alike += ((mine[column] == NEW) == (other[column] == NEW)) + (mine[column] == other[column])
            count += 2
        return alike / max(1, count)

    def _repeated(self, echo: int, bar: int) -> int:
        if echo == UNKNOWN[ECHO]:
            return echo
        lag, how = lag_of(echo), (echo - 1) % 3
        if lag is not None:
            while lag > bar and lag > 1:  # what lies too far back is asked for from nearer by
                lag //= 2
            echo = echo_class(lag, how) if lag <= bar else NEW
        repeat = 0.5 if self.repeat is None else self.repeat
        if echo == NEW and self.random.random() < 2 * repeat - 1:
            near = [one for one in LAGS if one <= bar]
            if near:
                chosen = self.random.choices(near, [LAG_WEIGHTS[one] for one in near])[0]
                return echo_class(chosen, EXACT)
        if echo != NEW and self.random.random() < 1 - 2 * repeat:
            return NEW
        return echo

    def _played_again(self, form: Sequence[int], echo: int, rest: int, bar: int) -> dict[int, Again]:
        """The parts that play an earlier bar again, in the form or because more repetition is asked for than it has."""
        if not self.verbatim:
            return {}
        repeat = 0.5 if self.repeat is None else self.repeat
        out: dict[int, Again] = {}
        for part in range(MOST_ACTIVE):
            again = again_of(form, part)
            asked = echo if part == 0 else rest
            lag = lag_of(asked)
            if again is None and repeat > 0.5 and lag is not None and form[min(part, 1)] == NEW:
                again = Again(EXACT, lag, 0)
            if again is None or again.lag > bar or self.random.random() >= self.verbatim * min(1.0, 2 * repeat):
                continue
            out[part] = again
        before = [one.lag for one in out.values() if one.how != RHYTHM and bar - one.lag < self._since]
        if before:  # other music than the form's: what sounded together comes back together
            lag = max(before, key=before.count)
            out = {
                part: one if one.how == RHYTHM or bar - one.lag >= self._since else Again(EXACT, lag, 0)
                for part, one in out.items()
            }
        return out

    def _playing(self, active: int, bar: int) -> int:
        """The bits of the parts that play in a bar; they are the same for the bars of a phrase."""
        if active == UNKNOWN[ACTIVE] and self.parts is None:
            return active
        every = (1 << MOST_ACTIVE) - 1
        allowed = every if self.parts is None else sum(1 << part for part in self.parts if part < MOST_ACTIVE)
        if not allowed:
            return UNKNOWN[ACTIVE]
        if self.fixed or active == UNKNOWN[ACTIVE]:
            return allowed
        if bar % PHRASE and self._rows and self._rows[-1][2] != UNKNOWN[ACTIVE]:
            before = self._rows[-1][2]
            return (before | active) & allowed or before  # who has begun goes on until the phrase ends
        return active & allowed or allowed


def _usable(form: Form, left: int | None = None) -> int:
    """The bars of a form that are taken where ``left`` bars follow; None: more than the form has."""
    ends = len(form) < LONGEST_FORM and (left is None or left > TAIL)
    return max(min(len(form), PHRASE), len(form) - TAIL) if ends else len(form)


def _mean(values: Sequence[int]) -> float:
    known = [value for value in values if value < UNKNOWN[DENSITY]]
    return sum(known) / len(known) if known else 0.0
