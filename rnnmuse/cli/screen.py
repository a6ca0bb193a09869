"""`rnnmuse screen`: the dashboard for browsers and projectors, until Ctrl-C."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import examples, renamed
from rnnmuse.protocol import PORT


@examples("rnnmuse screen", "rnnmuse screen --host 0.0.0.0 --http-port 8080")
@renamed(port="--http-port")
def screen(
    http_port: Annotated[int, typer.Option(help="Where browsers find it, 0 to 65535; 0 takes a free one.")] = 7808,
    osc_port: Annotated[int, typer.Option(help="rnnmuse live's OSC port, 1 to 65535.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to serve on; any but this machine's own is open to all on the "
                                           "network.")] = "127.0.0.1",
    page: Annotated[Path | None, typer.Option(help="A folder with a page of your own, served under /own/.")] = None,
) -> None:  # fmt: skip
    """Show words, pictures and notes of rnnmuse live in a browser, with controls."""
    from rnnmuse.web.relay import Relay
    from rnnmuse.web.server import bind, serve

    for name, value, least in (("http-port", http_port, 0), ("osc-port", osc_port, 1)):
        if not least <= value <= 65535:
            raise ValueError(f"{name}: {value}; must be {least} to 65535")
    if page is not None and not (page / "index.html").is_file():
        raise ValueError(f"page: {page}; must be a folder with an index.html")
    there = {True: f"rnnmuse live is there, on port {osc_port}",
            False: f"Waiting for rnnmuse live on port {osc_port}: start it with rnnmuse live"}  # fmt: skip
    relay = Relay(changed=lambda live: print(there[live], flush=True))
    try:
        sock = bind(host, http_port)
    except OSError as error:
        raise OSError(f"{error}; --host and --http-port name another") from None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{sock.getsockname()[1]}/"
    lines = [f"Screen {address}", f"For a projector: {address}?show=words, cover, roll or all"]
    if page is not None:
        lines.append(f"Your page: {address}own/")
    if not _is_loopback(sock.getsockname()[0]):
        lines.append(f"Whoever can reach {host} can play, and stop the music")
    print("\n".join([*lines, there[False]]), flush=True)
    serve(relay, sock, osc_port, host, page)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.split("%")[0]).is_loopback
