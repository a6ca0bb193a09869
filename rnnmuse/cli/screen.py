"""`rnnmuse screen`: the dashboard for browsers and projectors, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rnnmuse.cli.command import examples, renamed
from rnnmuse.protocol import PORT


@examples("rnnmuse screen", "rnnmuse screen --host 0.0.0.0 --http-port 8080")
@renamed(port="--http-port")
def screen(
    http_port: Annotated[int, typer.Option(help="Port of the page, 0 to 65535; 0 takes a free one.")] = 7808,
    osc_port: Annotated[int, typer.Option(help="rnnmuse live's OSC port, 1 to 65535.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to serve on; any but this machine's own is open to all on the "
                                           "network, with a token in its address.")] = "127.0.0.1",
    allow: Annotated[list[str] | None, typer.Option(help="Who may open it with another --host: an IP address or a "
                                                         "network. Else private networks.")] = None,
    page: Annotated[Path | None, typer.Option(help="A folder with a page of your own, served under /own/.")] = None,
) -> None:  # fmt: skip
    """Show words, pictures and notes of rnnmuse live in a browser, with controls."""
    from rnnmuse.web.gate import is_loopback, networks, new_token, own_address, private
    from rnnmuse.web.relay import Relay
    from rnnmuse.web.server import bind, serve

    for name, value, least in (("http-port", http_port, 0), ("osc-port", osc_port, 1)):
        if not least <= value <= 65535:
            raise ValueError(f"{name}: {value}; must be {least} to 65535")
    if page is not None and not (page / "index.html").is_file():
        raise ValueError(f"page: {page}; must be a folder with an index.html")
    networks(allow or ())
    there = {True: f"rnnmuse live is there, on port {osc_port}",
            False: f"Waiting for rnnmuse live on port {osc_port}: start it with rnnmuse live"}  # fmt: skip
    relay = Relay(changed=lambda live: print(there[live], flush=True))
    try:
        sock = bind(host, http_port)
    except OSError as error:
        raise OSError(f"{error}; --host and --http-port name another") from None
    listens, number = sock.getsockname()[:2]
    token = "" if is_loopback(listens) else new_token()
    address = page_address(host, number, token, own_address)
    lines = [f"Screen {address}", f"For a projector: {address}{'&' if token else '?'}show=words, cover, roll or all"]
    if page is not None:
        lines.append(f"Your page: {page_address(host, number, token, own_address, 'own/')}")
    if token:
        lines.append("Whoever has this address can play, and stop the music")
    print("\n".join([*lines, there[False]]), flush=True)
    serve(relay, sock, osc_port, host, page, token=token, allow=tuple(allow or (private() if token else ())))


def page_address(host: str, port: int, token: str, own_address: Callable[[], str], path: str = "") -> str:
    """The address of the page; ``own_address`` gives this machine's where it is served on every one."""
    host = own_address() if host in ("", "0.0.0.0", "::") else host
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/{path}{'?token=' + token if token else ''}"
