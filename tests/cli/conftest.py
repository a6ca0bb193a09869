"""A command line, run as a user types it."""

import pytest

from rnnmuse.cli import main as command


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run a command line in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["rnnmuse", *words])
        code = 0
        try:
            command.main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call
