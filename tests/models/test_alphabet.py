import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnmuse.models.alphabet import FIRST, UNKNOWN, Alphabet, alphabet_of, ascii_of, cleaned

LATIN = Alphabet("\n '-.abcdefghijklmnopqrstuvwxyz")


@given(st.text(alphabet=LATIN.characters))
def test_known_text_survives(text):
    assert LATIN.decode(LATIN.encode(text)) == text


@given(st.text())
def test_any_text_is_read(text):
    assert all(UNKNOWN <= k < len(LATIN) for k in LATIN.encode(text))


def test_what_looks_alike_is_read_as_such():
    assert LATIN.decode(LATIN.encode("Don’t—wait… Öl")) == "don't-wait... ol"
    assert Alphabet("’").encode("'") == [FIRST]
    assert LATIN.encode("春") == [UNKNOWN]
    assert LATIN.encode("😀") == [UNKNOWN]
    assert LATIN.unknown("a春b😀春") == "春😀"


def test_a_character_twice_is_a_mistake():
    with pytest.raises(ValueError, match="twice"):
        Alphabet("aba")


def test_an_alphabet_is_counted():
    assert alphabet_of(["aab", "abc\x07\n"], least=2).characters == "ab"
    assert len(alphabet_of(["".join(map(chr, range(0x4E00, 0x4E00 + 9000)))]).characters) == 8000


@given(st.text())
def test_ascii_is_ascii(text):
    assert ascii_of(text).isascii()


def test_ascii_is_readable():
    assert ascii_of("“Čas” — où…") == '"Cas" - ou...'
    assert ascii_of("春") == "?"


@given(st.text(alphabet=st.characters(blacklist_categories=())))
def test_cleaned_text_can_be_written(text):
    out = cleaned(text)
    assert out.encode("utf-8").decode("utf-8") == out
    assert "\r" not in out
    assert "\0" not in out
    assert cleaned(out) == out
