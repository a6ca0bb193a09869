"""How English words sound: syllables, stress and rhyme, from the CMU Pronouncing Dictionary.

The table is in data/english.txt.xz (see data/LICENSES). A word that it lacks is spelled out: its vowel groups are
counted and its ending is compared letter by letter.
"""

from __future__ import annotations

import lzma
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from pathlib import Path

DATA = Path(__file__).parent / "data"
_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
WORD = re.compile(rf"[{_CJK}]|(?:(?![{_CJK}])[^\W\d_])+(?:['’](?:(?![{_CJK}])[^\W\d_])+)*['’]?|['’][^\W\d_]+|\d+")
"""A word; each Chinese, Japanese or Korean character is one, and one syllable."""

_WEAK_WORDS = """
a am an and are as at be been but by can could did do does for from had has hath have he her him his how i if in
is it its let may me might must my nor not of off on or our shall she should so than that the their them then
these they this those thou thy thee to too up upon us was we were what when where which while who whom whose why
will with would ye yet you your o oh 'tis 'twas 'll 's 't 'd 've i'm i'll i've i'd he's she's it's that's we'll
we've you'll you're they're don't thine mine some such there here no all each ere till since though
"""
WEAK = frozenset(_WEAK_WORDS.split())
"""Words of one syllable that are not stressed as a rule."""


@dataclass(frozen=True, slots=True)
class Sound:
    """How a word sounds. ``stress`` has a digit a syllable: 1 primary, 2 secondary, 0 none. ``tail`` are the phonemes
    from the last stressed vowel on, ``onset`` the consonants before it. ``known`` is False for a guess."""

    stress: str
    tail: str
    onset: str
    known: bool = True

    @property
    def syllables(self) -> int:
        return len(self.stress)


def plain(word: str) -> str:
    """A word as the table spells it."""
    return word.replace("’", "'").replace("ʼ", "'").lower()


def words_of(text: str) -> list[str]:
    """The words of a text in order, as they are written; hyphens part them."""
    return WORD.findall(text)


@lru_cache(maxsize=65536)
def sound(word: str) -> Sound:
    """How a word sounds. Words of one syllable that are mostly weak, such as "the", have no stress."""
    key = plain(word)
    found = lexicon().sound(key)
    if found is None and key.endswith("'"):
        found = lexicon().sound(key[:-1])
    if found is None and key.endswith(("'s", "'d")):
        base = lexicon().sound(key[:-2])
        found = base and Sound(base.stress, f"{base.tail} {'Z' if key[-1] == 's' else 'D'}", base.onset)
    if found is None:
        found = guessed(key)
    if found.syllables == 1 and key in WEAK:
        return Sound("0", found.tail, found.onset, found.known)
    return found


def guessed(word: str) -> Sound:
    """The sound of a word that the dictionary lacks, from its spelling: a syllable a group of vowels, a final silent e
    left out, the stress on the first of two syllables and on the last but two of more."""
    groups = list(re.finditer(r"[aeiouyäëïöüáéíóúàèìòùâêîôûœæ]+", word))
    if len(groups) > 1 and re.search(r"[^aeiouyl]e$|[aeiou]le$", word):
        groups.pop()
    if len(groups) > 1 and re.search(r"[^aeioutd]e[ds]$", word) and not re.search(r"[sxzc]es$|[sc]hes$|ges$", word):
        groups.pop()
    count = max(1, len(groups))
    at = 0 if count < 3 else count - 3
    begin = groups[-1].start() if groups else 0
    onset = re.search(r"[^aeiouy]*$", word[:begin])
    stress = "".join("1" if i == at else "0" for i in range(count))
    return Sound(stress, word[begin:].upper(), onset.group().upper() if onset else "", known=False)


def syllables(text: str) -> int:
    """Syllables of a text."""
    return sum(sound(word).syllables for word in words_of(text))


def rhymes(one: str, other: str) -> bool:
    """Whether two words rhyme: alike from the last stressed vowel on, unlike before it (a perfect rhyme)."""
    a, b = sound(one), sound(other)
    return a.tail == b.tail and plain(one) != plain(other) and a.onset != b.onset


class Lexicon:
    """Every word of the table, sorted, to be looked up whole, by its beginning, or by its rhyme."""

    def __init__(self, rows: Iterable[str]) -> None:
        self.words: list[str] = []
        self._rest: list[str] = []
        for row in rows:
            word, _, rest = row.partition("\t")
            self.words.append(word)
            self._rest.append(rest)
        self._tails: dict[str, list[int]] = {}

    def index(self, word: str) -> int:
        """Its index, -1 if it is not there."""
        at = bisect_left(self.words, word)
        return at if at < len(self.words) and self.words[at] == word else -1

    def sound(self, word: str) -> Sound | None:
        at = self.index(word)
        if at < 0:
            return None
        stress, tail, onset = self._rest[at].split("\t")
        return Sound(stress, tail, onset)

    def count(self, at: int) -> int:
        """Syllables of the word of an index."""
        return self._rest[at].index("\t")

    def rhyming(self, tail: str) -> list[str]:
        """Every word with this tail."""
        if not self._tails:
            for i, rest in enumerate(self._rest):
                self._tails.setdefault(rest.split("\t")[1], []).append(i)
        return [self.words[i] for i in self._tails.get(tail, ())]


@cache
def lexicon() -> Lexicon:
    """The table, read when it is first asked for (about 0.15 s)."""
    text = lzma.decompress((DATA / "english.txt.xz").read_bytes()).decode()
    return Lexicon(text.splitlines())


def divided(word: str, count: int | None = None) -> list[str]:
    """A word cut into syllables as it would be sung under notes; the parts join to the word again.

    As many parts as it has syllables (or ``count``), cut between vowels: a consonant goes to the vowel after it, of two
    one to each side, and what begins a word (bl, ch, str) is kept together.
    """
    wanted = count or sound(word).syllables
    if wanted <= 1 or len(word) < 2:
        return [word]
    low = plain(word)
    groups = [m.span(1) for m in re.finditer(r"(?:qu(?=[aeiou]))?([aeiouyäëïöüáéíóúàèìòùâêîôûœæ]+)", low)]
    if len(groups) > 1 and low[0] == "y" and groups[0][0] == 0 and groups[0][1] > 1:
        groups[0] = (1, groups[0][1])
    if len(groups) > wanted and re.search(r"[^aeiouy]e[ds]?$", low):
        groups.pop()  # a silent e
    while len(groups) > wanted:
        groups.pop(min(range(1, len(groups)), key=lambda i: groups[i][0] - groups[i - 1][1]))
    while len(groups) < wanted:  # two vowels side by side, each a syllable of its own
        at = next((i for i, (a, b) in enumerate(groups) if b - a > 1), None)
        if at is None:
            break
        a, b = groups[at]
        groups[at : at + 1] = [(a, a + 1), (a + 1, b)]
    cuts = [end + _kept(low[end:begin]) for (_, end), (begin, _) in pairwise(groups)]
    parts = [word[a:b] for a, b in zip([0, *cuts], [*cuts, len(word)], strict=True)]
    while len(parts) < wanted and max(map(len, parts)) > 1:  # no vowel is written, as in rhythm or fire
        at = max(range(len(parts)), key=lambda i: len(parts[i]))
        middle = len(parts[at]) // 2
        parts[at : at + 1] = [parts[at][:middle], parts[at][middle:]]
    return parts


def _kept(between: str) -> int:
    """How many of the consonants between two vowels go to the syllable before."""
    for i in range(len(between) - 1):
        if between[i] == between[i + 1]:
            return i + 1
    if between.startswith("ng") and len(between) < 4:
        return 2
    for together in (3, 2):
        if between[-together:] in _TOGETHER and len(between) >= together:
            return len(between) - together
    return len(between) - 1 if len(between) > 1 else 0


_TOGETHER_WORDS = """
bl br ch cl cr dr fl fr gl gr ph pl pr qu sh sl sm sn sw th tr tw wh wr scr shr spl spr str thr bl
dl fl gl kl pl tl
"""
_TOGETHER = frozenset(_TOGETHER_WORDS.split())
