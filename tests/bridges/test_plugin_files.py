"""The plugin's files are put where hosts look, and the plugin is told how rnnmuse is started."""

import zipfile

import pytest
from typer.testing import CliRunner

from rnnmuse.bridges import plugin
from rnnmuse.bridges.osc_server import Client
from rnnmuse.cli.main import app
from rnnmuse.testing import StageClient


@pytest.fixture
def release(tmp_path):
    """A release's folder: the three formats, of which two are folders."""
    for name in ("rnnmuse.lv2/rnnmuse.so", "rnnmuse.lv2/manifest.ttl", "rnnmuse.vst3/Contents/x86_64-linux/rnnmuse.so"):
        (tmp_path / "release" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "release" / name).write_text(name)
    (tmp_path / "release" / "rnnmuse.clap").write_text("clap")
    return tmp_path / "release"


def install(*words, answer=""):
    return CliRunner().invoke(app, ["bridges", "install", "plugin", *map(str, words)], input=answer)


def test_a_release_is_installed_once_and_never_overwritten_unasked(release, tmp_path, monkeypatch):
    monkeypatch.setattr(plugin, "data_folder", lambda: tmp_path / "data")
    to = tmp_path / "to"
    assert "would be copied" in install("--from", release, "--folder", to, "--dry-run").output
    assert not to.exists()
    assert install("--from", release, "--folder", to).exit_code == 0
    assert (to / "vst3" / "rnnmuse.vst3" / "Contents" / "x86_64-linux" / "rnnmuse.so").exists()
    assert "the same already" in install("--from", release, "--folder", to).output
    (to / "clap" / "rnnmuse.clap").write_text("another")
    assert install("--from", release, "--folder", to, answer="n\n").exit_code != 0
    assert (to / "clap" / "rnnmuse.clap").read_text() == "another"
    assert install("--from", release, "--folder", to, "--force").exit_code == 0
    assert (to / "clap" / "rnnmuse.clap").read_text() == "clap"
    assert not list(to.rglob(".*"))


def test_a_releases_zip_is_installed_as_its_folder_is(release, tmp_path, monkeypatch):
    monkeypatch.setattr(plugin, "data_folder", lambda: tmp_path / "data")
    packed, to = tmp_path / "rnnmuse-plugin-linux.zip", tmp_path / "to"
    with zipfile.ZipFile(packed, "w") as file:
        for one in release.rglob("*"):
            file.write(one, one.relative_to(release))
        file.writestr("README.md", "how to")
    assert install("--from", packed, "--folder", to).exit_code == 0
    assert (to / "lv2" / "rnnmuse.lv2" / "manifest.ttl").read_text() == "rnnmuse.lv2/manifest.ttl"
    assert (to / "clap" / "rnnmuse.clap").read_text() == "clap"
    assert "the same already" in install("--from", packed, "--folder", to).output
    assert "the same already" in install("--from", release, "--folder", to).output


@pytest.mark.parametrize("name", ["rnnmuse.lv2/../../gone", "rnnmuse.lv2/../rnnmuse.clap"])
def test_a_zip_that_leads_elsewhere_is_refused(tmp_path, name):
    packed = tmp_path / "evil.zip"
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr(name, "x")
    with pytest.raises(plugin.PluginError, match="leads out"), plugin.opened(packed):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["evil.zip"]


def test_what_is_no_release_is_one_line(tmp_path):
    (tmp_path / "notes.zip").write_text("no zip")
    for name in ("notes.zip", "missing.zip"):
        with pytest.raises(plugin.PluginError, match=name), plugin.opened(tmp_path / name):
            pass


def test_the_registration_has_one_word_a_line_and_starts_live(tmp_path):
    place = plugin.register(tmp_path / "a folder")
    words = [line for line in place.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert words == plugin.command()
    assert "live" in words
    assert words[-2:] == ["--until-alone", str(plugin.ALONE)]
    assert [file.name for file in place.parent.iterdir()] == [plugin.FILE]


def test_without_binaries_it_says_how_they_are_made(tmp_path):
    done = install("--from", tmp_path)
    assert done.exit_code != 0
    assert "make plugin" in str(done.exception or done.output)


def test_the_stage_leaves_once_the_last_plugin_is_gone():
    stage = StageClient()
    stage.stage.leave_when_alone(20)
    stage.run(50)
    assert not stage.stage.loop.left, "a plugin has a minute to come"
    plug = Client("127.0.0.1", 42_000)
    stage.send("/rnnmuse/claim", 0, client=plug)
    stage.run(30)
    assert not stage.stage.loop.left
    stage.send("/rnnmuse/unsubscribe", client=plug)
    stage.run(19)
    assert not stage.stage.loop.left
    stage.run(2)
    assert stage.stage.loop.left
    stage.close()
