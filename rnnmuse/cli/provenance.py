"""`rnnmuse provenance`: what made a file, and whether it is still that file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rnnmuse.cli.command import DAMAGED, Json, examples, show_json


@examples("rnnmuse provenance song.mid", "rnnmuse provenance song.mid other.mid --json")
def provenance(
    files: Annotated[list[Path], typer.Argument(help="Files that rnnmuse wrote.")],
    require: Annotated[bool, typer.Option("--require", help="Also exit with 1 for a file without a record.")] = False,
    sign: Annotated[
        bool, typer.Option("--sign", help="Add signed Content Credentials to pictures, sound and video (c2pa extra).")
    ] = False,
    private_key: Annotated[
        Path | None, typer.Option(help="Your key (ES256, PEM) for --sign; by default self-signed.")
    ] = None,
    certificates: Annotated[Path | None, typer.Option(help="The certificates of the key (PEM), its own first.")] = None,
    as_json: Json = False,
) -> None:
    """Say what made FILES, and verify them byte by byte; exit with 1 where one has changed since."""
    rows = []
    for file in files:
        row = _signed(file, private_key, certificates) if sign else _read(file)
        rows.append({"file": file, **row})
        if not as_json:
            print(f"{file}: {row['text']}")
    if as_json:
        show_json(rows)
    failing = {"changed since", "no record"} if require else {"changed since"}
    if any(row["state"] in failing for row in rows):
        raise typer.Exit(DAMAGED)


def _read(file: Path) -> dict[str, Any]:
    from rnnmuse.errors import MissingExtraError
    from rnnmuse.provenance import credentials
    from rnnmuse.provenance.marks import read
    from rnnmuse.provenance.record import sentence

    found = read(file)
    signed = None
    if found is None or not found.intact:
        try:
            signed = credentials.read(file)
        except MissingExtraError as error:
            text = f"has Content Credentials, which cannot be verified here: {error}"
            return {"state": "not verified", "record": found.record if found else None, "text": text}
    if signed is not None and signed.valid and signed.record is not None:
        whose = f"signed by {signed.signer}, {'trusted' if signed.trusted else 'whom nobody vouches for'}"
        text = f"verified: {sentence(signed.record)}; Content Credentials {whose}"
        return {"state": "verified", "record": signed.record, "text": text}
    if found is None:
        text = "no record: rnnmuse did not write it, or its record was removed"
        return {"state": "no record", "record": None, "text": text}
    state = "verified" if found.intact else "changed since"
    return {"state": state, "record": found.record, "text": f"{state}: {sentence(found.record)}"}


def _signed(file: Path, key: Path | None, certificates: Path | None) -> dict[str, Any]:
    from rnnmuse.provenance.credentials import sign
    from rnnmuse.provenance.marks import read

    found = read(file)
    if found is None or not found.intact:
        raise ValueError(f"sign: {file.name!r} has no record of rnnmuse's, or was changed since; nothing is signed")
    own = sign(file, found.record, key, certificates)
    text = "signed" + (
        ", self-signed: nobody vouches for who signed (--private-key and --certificates do)" if own else ""
    )
    return {"state": "signed", "record": found.record, "text": text}
