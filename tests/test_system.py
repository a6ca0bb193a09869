"""What each system gets, asked of a machine that is not this one."""

import subprocess
import sys
from pathlib import Path

import pytest

from rnnmuse.system import CHILD, MACHINE, Machine

HOME = Path("/home/anna")


@pytest.mark.parametrize(
    ("platform", "environ", "folder"),
    [
        ("linux", {}, HOME / ".local/share"),
        ("linux", {"XDG_DATA_HOME": "/data"}, Path("/data")),
        ("darwin", {}, HOME / "Library/Application Support"),
        ("darwin", {"XDG_DATA_HOME": "/data"}, HOME / "Library/Application Support"),
        ("win32", {}, HOME / "AppData/Local"),
        ("win32", {"LOCALAPPDATA": "D:/data"}, Path("D:/data")),
    ],
)
def test_the_users_data_is_where_the_system_keeps_it(platform, environ, folder):
    assert Machine(platform, environ, HOME).data_folder == folder


@pytest.mark.parametrize(
    ("platform", "drivers", "shares"),
    [
        ("linux", ["alsa", "jack"], True),
        ("freebsd14", ["alsa", "jack"], True),
        ("darwin", ["coremidi"], True),
        ("win32", ["winmm"], False),
    ],
)
def test_drivers_and_sockets(platform, drivers, shares):
    machine = Machine(platform, {}, HOME)
    assert machine.midi_drivers == drivers
    assert machine.shares_addresses is shares


def test_plugins_go_where_hosts_look():
    assert Machine("linux", {}, HOME).plugin_folders["clap"] == HOME / ".clap"
    assert Machine("darwin", {}, HOME).plugin_folders["vst3"] == HOME / "Library/Audio/Plug-Ins/VST3"
    windows = Machine("win32", {"LOCALAPPDATA": "D:/local", "APPDATA": "D:/roaming"}, HOME)
    assert windows.plugin_folders["vst3"] == Path("D:/local/Programs/Common/VST3")
    assert windows.plugin_folders["lv2"] == Path("D:/roaming/LV2")
    assert [Machine(p, {}, HOME).name for p in ("linux", "darwin", "win32")] == ["linux", "macos", "windows"]


def test_soundfonts_of_ones_own_come_first():
    for platform in ("linux", "darwin", "win32"):
        found = Machine(platform, {"RNNMUSE_SOUNDFONTS": "/mine"}, HOME).soundfont_folders
        assert found[0] == Path("/mine")
        assert any(str(folder).startswith(str(HOME)) for folder in found[1:])
    assert Path("/usr/share/soundfonts") in Machine("linux", {}, HOME).soundfont_folders
    assert Path("D:/Apps/MuseScore 4/sound") in Machine("win32", {"PROGRAMFILES": "D:/Apps"}, HOME).soundfont_folders


def test_a_child_of_the_one_file_program_is_the_program_again():
    program = Machine("win32", {}, HOME, executable="rnnmuse.exe", frozen=True)
    assert program.child("rnnmuse.web.process", "{}") == ["rnnmuse.exe", CHILD, "rnnmuse.web.process", "{}"]
    assert program.script(Path("x.py"), "rnnmuse.bridges.port_process", "list") == [
        "rnnmuse.exe", CHILD, "rnnmuse.bridges.port_process", "list",
    ]  # fmt: skip


def test_children_of_this_machine_start():
    command = MACHINE.child("rnnmuse", "--version")
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("rnnmuse ")
    script = MACHINE.script(
        Path(__file__).parents[1] / "rnnmuse/bridges/port_process.py", "rnnmuse.bridges.port_process"
    )
    assert script[:2] == [sys.executable, "-P"]


def test_nothing_else_in_the_package_asks_which_system_it_is_on():
    package = Path(__file__).parents[1] / "rnnmuse"
    allowed = {"system.py", "port_process.py", "synth.py", "doctor.py"}  # alone in its process; a pipe; a report
    for file in package.rglob("*.py"):
        if file.name not in allowed:
            text = file.read_text("utf-8")
            assert "sys.platform" not in text, file
            assert "platform.system()" not in text, file
