"""`rnnmuse ports`, with the ports of a machine that the test makes up."""

import pytest


class System:
    names_, reason, closed = ([], []), "", False

    def settle(self):
        pass

    def names(self):
        return self.names_

    def close(self):
        type(self).closed = True


@pytest.fixture
def system(monkeypatch):
    made = type("Made", (System,), {})
    monkeypatch.setattr("rnnmuse.bridges.ports.MidiSystem", made)
    return made


def test_the_ports_are_listed(run, system):
    system.names_ = (["Keys 1"], ["FluidSynth", "Module"])
    assert run("ports") == (0, "Inputs:\n  Keys 1\nOutputs:\n  FluidSynth\n  Module\n", "")
    assert system.closed


def test_where_there_are_none_the_reason_is_told(run, system):
    system.reason = "no JACK server runs"
    assert run("ports") == (0, "Inputs:\n  none (no JACK server runs)\nOutputs:\n  none (no JACK server runs)\n", "")
