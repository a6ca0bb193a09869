"""`rnnmuse bridges list|export|install|check`: the files for other programs, and whether they are connected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.bridges import hosts
from rnnmuse.protocol import PORT

app = typer.Typer(help="Bridges: what you install in the program that you use.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="HOST", help="The host's name, as `rnnmuse bridges list` has it.")]


@app.command("list")
def list_() -> None:
    """Every host, how notes go, and the version its bridge was tried in."""
    for host in hosts.hosts().values():
        tried = f"tried in {host.tried}" if host.tried else "not yet tried in the host"
        print(f"{host.name:18} {host.title:22} {host.way:5} {tried}")


@app.command()
def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="Where to; it is made.")],
    force: Annotated[bool, typer.Option(help="Overwrite files that differ.")] = False,
) -> None:
    """Copy a host's files into a folder."""
    host = hosts.find(name)
    _copy(host, folder, dry=False, force=force)
    _say(host)


@app.command()
def install(
    name: Name,
    folder: Annotated[Path | None, typer.Option(help="Instead of where the host looks on this system.")] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    force: Annotated[bool, typer.Option(help="Overwrite files that differ without asking.")] = False,
) -> None:
    """Copy a host's files to where the host looks for them."""
    host = hosts.find(name)
    target = folder or host.place
    if target is None:
        raise hosts.HostError(f"{host.title} opens its files from anywhere: rnnmuse bridges export {name} FOLDER")
    _copy(host, target, dry, force)
    if not dry:
        _say(host)


@app.command()
def check(
    name: Name,
    port: Annotated[int, typer.Option(help="rnnmuse live's OSC port.")] = PORT,
    patience: Annotated[float, typer.Option(help="Seconds to wait for the host.")] = 5.0,
) -> None:
    """Try the connection, with rnnmuse live and the host running."""
    if not 1 <= port <= 65535:
        raise ValueError(f"port: {port}; must be 1 to 65535")
    for line in hosts.check(hosts.find(name), port, patience):
        print(line)


def _copy(host: hosts.Host, target: Path, dry: bool, force: bool) -> None:
    copies = hosts.plan(host, target)
    differing = [one for one in copies if one.state == "differs"]
    if differing and not (force or dry):
        names = ", ".join(str(one.target) for one in differing)
        if not typer.confirm(f"{names}: there already, and not the same. Overwrite?"):
            raise hosts.HostError(f"{names}: left alone; nothing was copied")
    for one in copies:
        done = {"new": "copied", "same": "the same already", "differs": "overwritten"}[one.state]
        would = {"new": "would be copied", "same": "the same already", "differs": "would be overwritten"}[one.state]
        print(f"{one.target}: {would if dry else done}")
    if not dry:
        hosts.copy(copies)


def _say(host: hosts.Host) -> None:
    for number, step in enumerate(host.steps, 1):
        print(f"{number}. {step}")
    print(f"Then: rnnmuse bridges check {host.name}")
