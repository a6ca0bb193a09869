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
from rnnmuse.realtime.lead.link import LinkLeader
from rnnmuse.realtime.stage import Settings, Stage

async def main():
    stage = Stage(Settings(engine=False, osc=False))
    stage.take("/rnnmuse/transport/source", "link")
    leader = LinkLeader(stage.transport)
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
    away = abs(stage.transport.place - peer.beat)
    stage.take("/rnnmuse/transport/tempo", 100.0)
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
    assert away < 100, "milliseconds between the two beats, of 500"
    assert led


TWO = """
import json, subprocess, sys, tempfile, time
from pathlib import Path
from rnnmuse.bridges import hosts

rig = Path(tempfile.mkdtemp()) / "link.toml"
rig.write_text((hosts.find("link").folder / "link.toml").read_text("utf-8"), "utf-8")
words = [sys.executable, "-m", "rnnmuse.cli.main", "live", str(rig), "--no-midi", "--osc-port"]
ports = 7731, 7732
lives = [subprocess.Popen([*words, str(port)], stdout=subprocess.DEVNULL) for port in ports]

def tempo(line):
    return line.ask("/rnnmuse/transport/tempo")[0]

def until(test):
    end = time.monotonic() + 40
    while time.monotonic() < end:
        try:
            if test():
                return True
        except hosts.HostError:
            pass
        time.sleep(0.1)
    return False

def answers(port):
    with hosts.Line(port, 0.5):
        return True

assert all(until(lambda: answers(port)) for port in ports)
with hosts.Line(ports[0]) as one, hosts.Line(ports[1]) as two:
    def proposes(line, bpm, other):  # again and again: as they meet, the session of one takes the other's place
        return until(lambda: line.send("/rnnmuse/transport/tempo", bpm) or abs(tempo(other) - bpm) < 0.01)

    led = proposes(one, 93.0, two)
    back = proposes(two, 140.0, one)
    away = []
    for _ in range(9):
        at = []
        for line in (one, two):
            while line.wait("/rnnmuse/beat", 0.001) or line.wait("/rnnmuse/beat") is None:
                pass
            at.append(time.monotonic())
        gap = (at[1] - at[0]) % (60 / 140)
        away.append(min(gap, 60 / 140 - gap) * 1000)
for live in lives:
    live.terminate()
    live.wait(20)
print(json.dumps([led, back, sorted(away)[4]]))
"""


def test_two_rnnmuse_share_tempo_and_beat():
    pytest.importorskip("aalink", reason="aalink is not installed")
    led, back, away = in_a_network(TWO)
    print(f"{away:.1f} ms between the beats of the two")
    assert led
    assert back
    assert away < 100, "milliseconds between the beats of the two, of 500, median"


ZEROCONF = """
import json, threading
from zeroconf import ServiceBrowser, Zeroconf
from rnnmuse.bridges.discovery import advertise

withdraw = advertise("127.0.0.1", 7707, 7807)
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
withdraw()
looking.close()
print(json.dumps(found))
"""


def test_zeroconf_tells_the_ports():
    pytest.importorskip("zeroconf", reason="zeroconf is not installed")
    assert in_a_network(ZEROCONF) == {
        "_osc._udp.local.": [7707, ["127.0.0.1"]],
        "_oscjson._tcp.local.": [7807, ["127.0.0.1"]],
    }


ZEROCONF_WEB = """
import json, queue, threading
from zeroconf import ServiceBrowser, Zeroconf
from rnnmuse.web.process import WebProcess

reports, found, both, none = queue.Queue(), {}, threading.Event(), threading.Event()
class Listener:
    def add_service(self, zeroconf, kind, name):
        found[kind] = zeroconf.get_service_info(kind, name).port
        if len(found) == 2:
            both.set()
    def update_service(self, *_): pass
    def remove_service(self, zeroconf, kind, name):
        found.pop(kind)
        if not found:
            none.set()
looking = Zeroconf(interfaces=["127.0.0.1"])
ServiceBrowser(looking, ["_osc._udp.local.", "_oscjson._tcp.local."], Listener())
web = WebProcess("127.0.0.1", 7707, 0, discovery=True, report=reports.put)
report = reports.get(timeout=30)
both.wait(20)
said = dict(found)
web.join()
gone = none.wait(20)
looking.close()
print(json.dumps([report.query, report.discovery, report.problems, said, gone]))
"""


def test_the_web_process_advertises_what_it_serves_and_withdraws_it():
    pytest.importorskip("zeroconf", reason="zeroconf is not installed")
    query, discovery, problems, said, gone = in_a_network(ZEROCONF_WEB)
    assert discovery
    assert not problems
    assert said == {"_osc._udp.local.": 7707, "_oscjson._tcp.local.": query}
    assert gone
