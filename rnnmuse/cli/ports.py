"""`rnnmuse ports`: the MIDI ports that can be opened."""

from __future__ import annotations


def ports() -> None:
    """List the MIDI inputs and outputs, by the names that a rig and --port take."""
    from rnnmuse.bridges.ports import MidiSystem

    system = MidiSystem()
    try:
        system.settle()
        inputs, outputs = system.names()
        reason = system.reason
    finally:
        system.close()
    for title, names in (("Inputs", inputs), ("Outputs", outputs)):
        print(f"{title}:")
        for name in names:
            print(f"  {name}")
        if not names:
            print(f"  none{f' ({reason})' if reason else ''}")
