"""Advertises a stage by zeroconf (DNS-SD), so that hosts find its OSC and OSCQuery ports by themselves."""

from __future__ import annotations

import socket
from collections.abc import Callable


def advertise(host: str, osc_port: int, query_port: int | None) -> Callable[[], None]:
    """Announce `_osc._udp` and `_oscjson._tcp`; returns what takes it back.

    ImportError where the extra ``discovery`` is not installed, OSError where multicast does not work.
    """
    from zeroconf import ServiceInfo, Zeroconf

    zeroconf = Zeroconf(interfaces=[host])
    services = [("_osc._udp.local.", osc_port)]
    if query_port is not None:
        services.append(("_oscjson._tcp.local.", query_port))
    name = f"rnnmuse-{osc_port}"
    for kind, port in services:
        info = ServiceInfo(
            kind, f"{name}.{kind}", addresses=[socket.inet_aton(host)], port=port, server=f"{name}.local."
        )
        zeroconf.register_service(info)

    def take_back() -> None:
        zeroconf.unregister_all_services()
        zeroconf.close()

    return take_back
