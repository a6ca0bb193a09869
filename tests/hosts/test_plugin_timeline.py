"""The plugin's audio thread under a host's transport: loops, jumps, starts, tempo and metre, to the sample."""

import re
import subprocess
from pathlib import Path

import pytest
from programs import missing

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(bool(missing("g++")), reason="g++ is not installed")
SOURCE = HERE / "plugin_timeline.cpp"


def built(folder: Path, *flags: str) -> Path:
    made = folder / "plugin_timeline"
    words = ["g++", "-std=gnu++17", "-Wall", "-Wextra", "-Werror", *flags, str(SOURCE), "-o", str(made)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """A host that plays so many jumps, checked for wrong memory and undefined behaviour."""
    return built(tmp_path_factory.mktemp("timeline"), "-O1", "-g", "-fsanitize=address,undefined")


def counted(host, *words):
    done = subprocess.run([str(host), *map(str, words)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return {name: int(number) for name, number in re.findall(r"(\w+) (\d+)", done.stdout)}


def test_a_thousand_jumps_leave_no_note_and_miss_no_beat(host):
    for seed in (1, 2, 3):
        found = counted(host, seed, 400)
        assert found["jumps"] >= 400
        assert found["passes"] > 100
        assert found["beats"] > 1000
        wrong = {name: found[name] for name in ("missing", "off", "open", "hung", "outside", "dropped")}
        assert not any(wrong.values()), wrong


def test_a_process_that_begins_later_follows_the_plan_of_the_one_that_leads(host):
    found = counted(host, "two")
    assert found["same"] > 8
    assert found["differ"] == 0


def test_what_is_counted_would_be_seen(tmp_path):
    """A plugin that does not go on with its plan at a jump misses beats."""
    text = SOURCE.read_text("utf-8").replace("../../bridges/plugin/timeline.hpp", str(tmp_path / "timeline.hpp"))
    bridge = HERE.parents[1] / "bridges" / "plugin"
    line = (bridge / "timeline.hpp").read_text("utf-8")
    good = "offset_ = std::round(beat - (here + back));"
    assert good in line
    (tmp_path / "timeline.hpp").write_text(line.replace(good, "offset_ = 0;"), "utf-8")
    (tmp_path / "ring.hpp").write_text((bridge / "ring.hpp").read_text("utf-8"), "utf-8")
    (tmp_path / "host.cpp").write_text(text, "utf-8")
    words = ["g++", "-std=gnu++17", "-O1", str(tmp_path / "host.cpp"), "-o", str(tmp_path / "host")]
    subprocess.run(words, check=True)
    assert counted(tmp_path / "host", 1, 400)["missing"] > 100
