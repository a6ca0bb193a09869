"""Advertises a stage by zeroconf (DNS-SD), so that hosts find its OSC and OSCQuery ports by themselves."""

from __future__ import annotations

import socket
from collections.abc import Callable


def advertise(host: str, osc_port: int, query_port: int | None) -> Callable[[], None]:
    """Advertise `_osc._udp`, and `_oscjson._tcp` where there is a query port; returns a function that withdraws them.

    A host of 0.0.0.0 is advertised with every IPv4 address of this machine. ImportError where the extra ``discovery``
    is not installed, OSError where multicast does not work.
    """
    import ifaddr
    from zeroconf import Error, InterfaceChoice, ServiceInfo, Zeroconf

    everywhere = host in ("", "0.0.0.0")
    own = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    at = [one for one in own if not one.startswith("127.")] if everywhere else [host]
    zeroconf = Zeroconf(interfaces=InterfaceChoice.All if everywhere else [host])
    services = [("_osc._udp.local.", osc_port)]
    if query_port is not None:
        services.append(("_oscjson._tcp.local.", query_port))
    name = f"rnnmuse-{osc_port}"
    addresses = [socket.inet_aton(one) for one in at]
    try:
        for kind, port in services:
            zeroconf.register_service(
                ServiceInfo(kind, f"{name}.{kind}", addresses=addresses, port=port, server=f"{name}.local.")
            )
    except Error as error:
        zeroconf.close()
        raise OSError(f"zeroconf: {type(error).__name__} {error}".rstrip()) from error
    except OSError:
        zeroconf.close()
        raise

    def withdraw() -> None:
        zeroconf.unregister_all_services()
        zeroconf.close()

    return withdraw
