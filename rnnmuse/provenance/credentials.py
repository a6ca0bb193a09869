"""Content Credentials (C2PA 2): a signed manifest in a picture, sound or video, by c2pa-python (the extra ``c2pa``).

Without a key of your own a certificate is made once and kept in the user's data folder. It is self-signed: a reader
sees that nothing changed since, and that nobody vouches for who signed.
"""

from __future__ import annotations

import datetime
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnmuse import __version__
from rnnmuse.errors import MissingExtraError, RnnmuseError, first_line
from rnnmuse.provenance.record import Made, made_of
from rnnmuse.storage import write_whole
from rnnmuse.system import MACHINE

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".svg": "image/svg+xml",
         ".wav": "audio/wav", ".mp3": "audio/mpeg", ".mp4": "video/mp4"}  # fmt: skip
LABEL = "org.rnnmuse.provenance"
_VALID = ("Valid", "Trusted")


@dataclass(frozen=True, slots=True)
class Credentials:
    """A manifest that was read: whether it is valid, whether its signer is trusted, and rnnmuse's record in it."""

    valid: bool
    trusted: bool
    signer: str
    """Issuer of the certificate; "unknown" without one."""
    record: dict[str, Any] | None
    """rnnmuse's record; None where there is none."""


def _c2pa() -> Any:
    try:
        import c2pa
    except (ImportError, OSError):
        raise MissingExtraError("Content Credentials", "c2pa") from None
    return c2pa


def _type_of(path: Path) -> str:
    try:
        return TYPES[path.suffix.lower()]
    except KeyError:
        raise ValueError(f"file: {path.name!r}; Content Credentials are for {', '.join(TYPES)}") from None


def sign(path: Path, record: dict[str, Any], key: Path | None = None, certificates: Path | None = None) -> bool:
    """Put a signed manifest with ``record`` into a file, in its place; returns whether it is self-signed.

    ``key`` is a private key (ES256, PEM) and ``certificates`` its chain, its own first; both or neither.
    MissingExtraError without c2pa-python, RnnmuseError where it refuses.
    """
    if (key is None) != (certificates is None):
        raise ValueError("key, certificates: give both, or neither")
    kind, c2pa = _type_of(path), _c2pa()
    made = made_of(record)
    private, chain = _own() if key is None or certificates is None else (key.read_bytes(), certificates.read_bytes())
    manifest = {
        "claim_generator_info": [{"name": "rnnmuse", "version": __version__}],
        "title": path.name,
        "assertions": [
            {"label": "c2pa.actions", "data": {"actions": [_action(made)]}},
            {"label": LABEL, "data": {name: value for name, value in record.items() if name != "content"}},
        ],
    }
    try:
        info = c2pa.C2paSignerInfo(alg=c2pa.C2paSigningAlg.ES256, sign_cert=chain, private_key=private, ta_url=None)
        signed = io.BytesIO()
        c2pa.Builder(json.dumps(manifest)).sign(
            c2pa.Signer.from_info(info), kind, io.BytesIO(path.read_bytes()), signed
        )
    except c2pa.C2paError as error:
        raise RnnmuseError(f"{path.name}: c2pa refuses it ({first_line(error)})") from None
    write_whole(path, signed.getvalue())
    return key is None


def _action(made: Made) -> dict[str, Any]:
    return {"action": "c2pa.created", "digitalSourceType": made.source_type}


def read(path: Path) -> Credentials | None:
    """The manifest of a file, verified; None where there is none, or the format has none."""
    if path.suffix.lower() not in TYPES:
        return None
    data = path.read_bytes()
    if b"c2pa" not in data:
        return None
    c2pa = _c2pa()
    try:
        held = json.loads(c2pa.Reader(_type_of(path), io.BytesIO(data)).json())
        manifest = held["manifests"][held["active_manifest"]]
    except (c2pa.C2paError, KeyError, ValueError):
        return Credentials(False, False, "", None)
    state = held.get("validation_state")
    record = next((one["data"] for one in manifest.get("assertions", []) if one.get("label") == LABEL), None)
    signer = (manifest.get("signature_info") or {}).get("issuer") or "unknown"
    return Credentials(state in _VALID, state == "Trusted", str(signer), record)


def _own() -> tuple[bytes, bytes]:
    """The user's own key and certificates, made at the first time; the key is readable by the user alone."""
    folder = MACHINE.data_folder / "rnnmuse" / "credentials"
    key, chain = folder / "key.pem", folder / "certificates.pem"
    if not (key.exists() and chain.exists()):
        private, certificates = _made()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.touch(mode=0o600)
        write_whole(key, private)
        write_whole(chain, certificates)
    return key.read_bytes(), chain.read_bytes()


def _made() -> tuple[bytes, bytes]:
    """A key and a chain as C2PA's certificate profile has them: a signer below a root of its own, for ten years."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ImportError:
        raise MissingExtraError("Content Credentials", "c2pa") from None

    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "rnnmuse, self-signed"),
                   x509.NameAttribute(NameOID.COMMON_NAME, name)])
        for name in ("root", "signer")
    ]  # fmt: skip
    certificates = []
    for place in (1, 0):
        ca = place == 0
        usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
        builder = (
            x509.CertificateBuilder()
            .subject_name(names[place])
            .issuer_name(names[0])
            .public_key(keys[place].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(usage, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[place].public_key()), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), False)
        )
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        certificates.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = keys[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, b"".join(certificates)
