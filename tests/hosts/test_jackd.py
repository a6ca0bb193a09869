"""Tests of hosts are begun again where jackd cut a client off, and in no other case."""

import jackd
import pytest


def failing(times, line):
    seen = []

    @jackd.begun_again
    def test(tmp_path):
        seen.append(tmp_path)
        if len(seen) <= times:
            jackd.CUT_OFF.extend([line] * bool(line))
            raise AssertionError(line)

    return test, seen


def test_a_client_that_was_cut_off_is_another_try(tmp_path, capsys):
    test, seen = failing(1, "CheckSize error size = 4 Size() = 8")
    test(tmp_path=tmp_path)
    assert [folder.name for folder in seen] == ["1", "2"]
    assert "begun again, 1 of 2" in capsys.readouterr().out


@pytest.mark.parametrize(("times", "line", "tries"), [(9, "JACK HALTED", 3), (1, "", 1)])
def test_what_does_not_get_better_fails(tmp_path, times, line, tries):
    test, seen = failing(times, line)
    with pytest.raises(AssertionError):
        test(tmp_path=tmp_path)
    assert len(seen) == tries
