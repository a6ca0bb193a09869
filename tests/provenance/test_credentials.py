"""Content Credentials: signed, verified by c2pa-python's own reader, a changed byte caught. Needs the extra c2pa."""

import io
import json
import wave

import pytest

from rnnmuse.provenance import credentials
from rnnmuse.provenance.marks import seal_file, unseal
from rnnmuse.provenance.record import TRAINED, Made

c2pa = pytest.importorskip("c2pa")
MADE = Made("cover", {"covers": "sha256:" + "ab" * 32}, 7, {"look": "riso"})


@pytest.fixture(params=["png", "jpg", "wav"])
def sealed(request, tmp_path, monkeypatch):
    import sys

    from rnnmuse.system import Machine

    monkeypatch.setattr(
        credentials, "MACHINE", Machine(sys.platform, {"XDG_DATA_HOME": str(tmp_path / "data")}, tmp_path)
    )
    path = tmp_path / f"a.{request.param}"
    if request.param == "wav":
        with wave.open(str(path), "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(8000)
            out.writeframes(bytes(8000))
    else:
        image = pytest.importorskip("PIL.Image")
        image.new("RGB", (64, 64), "teal").save(path)
    seal_file(path, MADE)
    return path


def test_it_is_signed_verified_and_says_the_source(sealed, tmp_path):
    record = unseal(sealed.read_bytes(), sealed.suffix).record
    assert credentials.sign(sealed, record)
    found = credentials.read(sealed)
    assert found.valid
    assert not found.trusted, "self-signed, and said so"
    assert "self-signed" in found.signer
    assert found.record["models"] == dict(MADE.models)
    held = json.loads(c2pa.Reader(credentials.TYPES[sealed.suffix], io.BytesIO(sealed.read_bytes())).json())
    actions = next(a for a in held["manifests"][held["active_manifest"]]["assertions"] if "actions" in a["label"])
    assert actions["data"]["actions"][0]["digitalSourceType"] == TRAINED
    key = tmp_path / "data" / "rnnmuse" / "credentials" / "key.pem"
    assert key.stat().st_mode & 0o077 == 0
    data = sealed.read_bytes()
    for at in (len(data) - 30, len(data) // 2, 60):
        changed = bytearray(data)
        changed[at] ^= 1
        sealed.write_bytes(changed)
        found = credentials.read(sealed)
        assert found is None or not found.valid, at


def test_an_own_key_is_used(sealed, tmp_path):
    private, chain = credentials._made()
    (tmp_path / "k.pem").write_bytes(private)
    (tmp_path / "c.pem").write_bytes(chain)
    record = unseal(sealed.read_bytes(), sealed.suffix).record
    assert not credentials.sign(sealed, record, tmp_path / "k.pem", tmp_path / "c.pem")
    assert credentials.read(sealed).valid
    with pytest.raises(ValueError, match="both, or neither"):
        credentials.sign(sealed, record, tmp_path / "k.pem")


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Content Credentials are for"):
        credentials.sign(tmp_path / "a.mid", {})
    assert credentials.read(tmp_path / "a.mid") is None
