# ruff: noqa: E501  # tables of cases
"""Damaged scores: each is read, or is one line, soon; bytes are damaged, and values and elements of well-formed XML."""

import time
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest

from rnnmuse.errors import ReadError, ReadWarning
from rnnmuse.music.musicxml import musicxml_bytes
from rnnmuse.music.read import read_music
from rnnmuse.music.scores import parse_scores

CASES = Path(__file__).parents[1] / "cases"
VALUES = ["", "0", "-1", "1e9", "999999999999", "nan", "inf", "x", "3/4", "C", "#", " ", "\u0661", "1,2", "16-2"]


def xml_mutant(data: bytes, random: Random) -> bytes:
    root = ET.fromstring(data)
    for _ in range(random.randrange(1, 6)):
        elements = list(root.iter())
        element = random.choice(elements)
        match random.randrange(6):
            case 0:
                element.text = random.choice(VALUES)
            case 1 if element.attrib:
                element.set(random.choice(list(element.attrib)), random.choice(VALUES))
            case 2 if len(element):
                element.remove(random.choice(list(element)))
            case 3 if len(element):
                element.append(random.choice(list(element)))
            case 4:
                element.tag = random.choice(elements).tag
            case 5 if len(element):
                element.insert(0, ET.Element(random.choice(elements).tag))
    return ET.tostring(root)


def byte_mutant(data: bytes, random: Random) -> bytes:
    out = bytearray(data)
    for _ in range(random.randrange(1, 8)):
        at = random.randrange(len(out))
        match random.randrange(4):
            case 0:
                out[at] ^= 1 << random.randrange(8)
            case 1:
                del out[at : at + random.randrange(1, 9)]
            case 2:
                out[at:at] = random.randbytes(random.randrange(1, 9))
            case 3:
                out[at:at] = out[max(0, at - 60) : at]
    return bytes(out)


def tried(data: bytes, name: str) -> bool:
    """Whether it was read; what it was refused with is one line."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        try:
            pieces = parse_scores(data, name)
        except ReadError as error:
            assert "\n" not in str(error)
            assert name in str(error)
            return False
        finally:
            assert time.process_time() - began < 5.0
    for piece in pieces:
        assert all(0 <= n.pitch <= 127 and n.duration > 0 and n.start >= 0 for n in piece.notes)
    return True


@pytest.fixture(scope="module")
def scores() -> list[bytes]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)
        found = [path.read_bytes() for path in sorted(CASES.glob("*.musicxml")) if "enc" not in path.name]
        return [*found, musicxml_bytes(read_music(CASES / "soft.kar")), musicxml_bytes(read_music(CASES / "bend.mid"))]


@pytest.mark.parametrize("seed", range(5))
def test_a_hundred_damaged_musicxml_files(scores, seed):
    random = Random(seed)
    results = [tried(xml_mutant(scores[i % len(scores)], random), "a.musicxml") for i in range(100)]
    assert any(results)
    assert not all(results)


def test_a_hundred_files_with_damaged_bytes(scores):
    random = Random(7)
    for i in range(100):
        tried(byte_mutant(scores[i % len(scores)], random), "a.musicxml")


def test_a_hundred_damaged_archives(scores):
    random = Random(8)
    for i in range(100):
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("META-INF/container.xml", '<rootfile full-path="a.xml"/>')
            archive.writestr("a.xml", scores[i % len(scores)])
        tried(byte_mutant(buffer.getvalue(), random), "a.mxl")


ABC = b'X:1\nT:Four\nM:4/4\nL:1/4\nQ:1/4=90\nV:S name="Soprano"\nV:A\nK:G\n[V:S] G|"Am7"GABc|(3ABc {g}d2|]\n[V:A] D|D4|D4|]\n'
KERN = b"**kern\t**kern\n*M3/4\t*M3/4\n*k[f#]\t*k[f#]\n=1\t=1\n4g\t8b\n.\t8cc#\n4aT\t4dd\n4b;\t[4ee\n=2\t=2\n2.g\t2.ee]\n==\t==\n*-\t*-\n"


@pytest.mark.parametrize(("data", "name"), [(ABC, "a.abc"), (KERN, "a.krn")])
def test_damaged_abc_and_kern(data, name):
    pytest.importorskip("music21")
    random = Random(9)
    assert tried(data, name)
    for _ in range(60):
        tried(byte_mutant(data, random), name)
