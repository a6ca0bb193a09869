"""`rnnmuse bridges list|export|install|check`: the files for other programs, and whether they are connected."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.bridges import hosts, plugin
from rnnmuse.cli.command import App, Json, examples, renamed, show_json
from rnnmuse.protocol import PORT

app = App(help="Bridges: files that you install in other programs.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="HOST", help="The name of the host; `rnnmuse bridges list` shows all.")]


@app.command("list")
@examples("rnnmuse bridges list", "rnnmuse bridges list --json")
def list_(as_json: Json = False) -> None:
    """List the programs that have a bridge, how notes go, and the version each was tried in."""
    if as_json:
        show_json([{"name": h.name, "title": h.title, "way": h.way, "tried": h.tried} for h in hosts.hosts().values()])
        return
    for host in hosts.hosts().values():
        tried = f"tried in {host.tried}" if host.tried else "not yet tried in the host"
        print(f"{host.name:18} {host.title:22} {host.way:5} {tried}")


@app.command()
@examples("rnnmuse bridges export pd my-patches")
def export(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="The folder to write; it is created.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")] = False,
) -> None:
    """Copy a host's files into a folder."""
    host = hosts.find(name)
    _copy(host, folder, dry=False, force=force)
    _say(host)


@app.command()
@examples(
    "rnnmuse bridges install plugin",
    "rnnmuse bridges install pd --dry-run",
    "rnnmuse bridges install pd --folder my-patches",
)
def install(
    name: Name,
    folder: Annotated[
        Path | None, typer.Option(help="Install here instead of where the host looks on this system.")
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only print what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that differ without asking.")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="The folder or zip of a release, for the plugin.")
    ] = None,
) -> None:
    """Copy a host's files to where the host looks for them."""
    host = hosts.find(name)
    if name == "plugin":
        with plugin.opened(source) as release:
            _install_plugin(release, folder, dry, force)
        if not dry:
            _say(host)
        return
    if source is not None:
        raise hosts.HostError(f"--from: {source}; only the plugin is installed from a folder")
    target = folder or host.place
    if target is None:
        raise hosts.HostError(f"{host.title} opens its files from anywhere: rnnmuse bridges export {name} FOLDER")
    _copy(host, target, dry, force)
    if not dry:
        _say(host)


@app.command()
@examples("rnnmuse bridges check pd")
@renamed(port="--osc-port")
def check(
    name: Name,
    osc_port: Annotated[int, typer.Option(help="OSC port of rnnmuse live, 1 to 65535.")] = PORT,
    patience: Annotated[float, typer.Option(help="Seconds to wait for the host.")] = 5.0,
) -> None:
    """Try the connection, with rnnmuse live and the host running."""
    if not 1 <= osc_port <= 65535:
        raise ValueError(f"osc-port: {osc_port}; must be 1 to 65535")
    for line in hosts.check(hosts.find(name), osc_port, patience):
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


def _install_plugin(source: Path | None, folder: Path | None, dry: bool, force: bool) -> None:
    """Put the plugin where DAWs look, and write how it starts rnnmuse."""
    placed = plugin.plan(source, folder)
    differing = [str(one.target) for one in placed if one.state == "differs"]
    if differing and not (force or dry):
        names = ", ".join(differing)
        if not typer.confirm(f"{names}: there already, and not the same. Overwrite?"):
            raise hosts.HostError(f"{names}: left alone; nothing was copied")
    for one in placed:
        done = {"new": "copied", "same": "the same already", "differs": "overwritten"}[one.state]
        would = {"new": "would be copied", "same": "the same already", "differs": "would be overwritten"}[one.state]
        print(f"{one.target}: {would if dry else done}")
    if not dry:
        plugin.install(placed)
        print(f"{plugin.register()}: how the plugin starts rnnmuse")


def _say(host: hosts.Host) -> None:
    for number, step in enumerate(host.steps, 1):
        print(f"{number}. {step}")
    print(f"Then: rnnmuse bridges check {host.name}")
