"""How much sense a piece of text makes word by word: are its words words, and do they go together?"""

from __future__ import annotations

from rnnmuse.text.grammar import Syntax, tokens_of
from rnnmuse.text.pronounce import sound, words_of

UNKNOWN_WORDS = -100.0
"""What text is worth in which a word is in no dictionary."""


def sense(text: str) -> float:
    """Nats a word by which the words of an English text go together, at least 0; UNKNOWN_WORDS where one is no word.

    Text without Latin letters is worth 0.
    """
    words = [word for word in words_of(text) if word.isascii() and not word.isdigit()]
    if not all(sound(word).known for word in words):
        return UNKNOWN_WORDS
    here, total = Syntax.begin(), 0.0
    for token in tokens_of(text):
        here, nats = here.read(token)
        total += nats
    return max(0.0, total / max(1, len(words)))
