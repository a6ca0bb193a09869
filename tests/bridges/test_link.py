"""Link and zeroconf against their own libraries, in a network namespace with multicast on loopback."""

import json
import shutil
import subprocess
import sys

import pytest

SETUP = 'ip link set lo up multicast on && ip route add 224.0.0.0/4 dev lo && exec "$0" -c "$1"'


def in_a_network(code):
    """Run Python in a network of its own; skips where this system or user may not make one."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("unshare or ip is not installed")
    may = subprocess.run(["unshare", "-n", "sh", "-c", SETUP, "true", ""], capture_output=True)
    if may.returncode:
        pytest.skip("a network namespace with multicast cannot be made here")
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", SETUP, sys.executable, code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


LINK = """
import asyncio, json, time
from aalink import Link
from rnnmuse.bridges.link import LinkLeader
from rnnmuse.realtime.seats import Settings
from rnnmuse.realtime.stage import Stage

async def main():
    stage = Stage(Settings(engine=False, osc=False))
    stage.desk.local("/rnnmuse/transport/source", "link")
    leader = LinkLeader(stage)
    leader.open()
    peer = Link(97.0, asyncio.get_running_loop())
    peer.enabled = True
    async def until(test):
        end = time.monotonic() + 20
        while time.monotonic() < end and not test():
            await asyncio.sleep(0.05)
        return test()
    met = await until(lambda: peer.num_peers == 1)
    peer.tempo = 141.0
    followed = await until(lambda: abs(float(stage.clock.tempo) - 141) < 0.01)
    await peer.sync(1); await peer.sync(1)
    away = abs(stage.beat - peer.beat)
    stage.desk.local("/rnnmuse/transport/tempo", 100.0)
    led = await until(lambda: abs(peer.tempo - 100) < 0.01)
    print(json.dumps([met, followed, away * 60000 / 141, led]))
    leader.close()

asyncio.run(main())
"""


def test_link_leads_and_follows():
    pytest.importorskip("aalink", reason="aalink is not installed")
    met, followed, away, led = in_a_network(LINK)
    assert met
    assert followed
    assert away < 20, "milliseconds between the two beats"
    assert led


ZEROCONF = """
import json, threading
from zeroconf import ServiceBrowser, Zeroconf
from rnnmuse.bridges.discovery import advertise

take_back = advertise("127.0.0.1", 7707, 7807)
found, both = {}, threading.Event()
class Listener:
    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name)
        found[kind] = [info.port, info.parsed_addresses()]
        if len(found) == 2:
            both.set()
    def update_service(self, *_): pass
    def remove_service(self, *_): pass
looking = Zeroconf(interfaces=["127.0.0.1"])
ServiceBrowser(looking, ["_osc._udp.local.", "_oscjson._tcp.local."], Listener())
both.wait(20)
take_back()
looking.close()
print(json.dumps(found))
"""


def test_zeroconf_tells_the_ports():
    pytest.importorskip("zeroconf", reason="zeroconf is not installed")
    assert in_a_network(ZEROCONF) == {
        "_osc._udp.local.": [7707, ["127.0.0.1"]],
        "_oscjson._tcp.local.": [7807, ["127.0.0.1"]],
    }
