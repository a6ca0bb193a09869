"""The character encoding of the texts in a music file."""

from __future__ import annotations

import logging
from collections.abc import Sequence

_CANDIDATES = [
    "cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1251", "koi8_r", "cp1250", "cp1252", "cp1253", "cp1254",
]  # fmt: skip
_WESTERN = frozenset("äöüßÄÖÜéèêëàâçîïôûùœñÑáíóúãõåæÅÆÉÈÀÇ¿¡«»’‘“”„–—…©°´·")
_KANA_SHARE = 0.3


def detect(texts: Sequence[bytes]) -> str:
    """The encoding that most likely wrote ``texts``: ``utf-8`` where all of them decode with it.

    Japanese is recognised by its kana and Western European by its letters, as short texts give charset-normalizer
    little to go by; it decides the rest. ``latin-1`` where nothing fits.
    """
    joined = b"\n".join(text for text in texts if text)
    if joined.isascii():
        return "utf-8"
    if _decodes(joined, "utf-8"):
        return "utf-8"
    for encoding in ("cp932", "euc_jp"):
        if _kana_share(joined, encoding) >= _KANA_SHARE:
            return encoding
    found = _guess(joined)
    if found in ("cp1250", "cp1254", "latin-1") and _is_western(joined):
        return "cp1252"
    return found


def decode(data: bytes, encoding: str) -> str:
    """``data`` as text; bytes that ``encoding`` lacks become U+FFFD."""
    return data.decode(encoding, "replace")


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _kana_share(data: bytes, encoding: str) -> float:
    """The share of hiragana and full-width katakana in what is not ASCII."""
    try:
        foreign = [char for char in data.decode(encoding) if not char.isascii()]
    except UnicodeDecodeError:
        return 0.0
    return sum("\u3040" <= char <= "\u30ff" for char in foreign) / max(1, len(foreign))


def _is_western(data: bytes) -> bool:
    try:
        return {char for char in data.decode("cp1252") if not char.isascii()} <= _WESTERN
    except UnicodeDecodeError:
        return False


def _guess(data: bytes) -> str:
    from charset_normalizer import from_bytes

    logging.getLogger("charset_normalizer").setLevel(logging.WARNING)
    best = from_bytes(data[: 64 * 1024], cp_isolation=_CANDIDATES).best()
    return best.encoding if best is not None else "latin-1"
