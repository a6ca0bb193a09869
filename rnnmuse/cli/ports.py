"""`rnnmuse ports`: the MIDI ports that can be opened."""

from __future__ import annotations

from rnnmuse.cli.command import Json, examples, show_json


@examples("rnnmuse ports", "rnnmuse ports --json")
def ports(as_json: Json = False) -> None:
    """List the MIDI inputs and outputs, by the names that a rig and --midi-port take."""
    from rnnmuse.bridges.ports import MidiSystem

    system = MidiSystem()
    try:
        system.settle()
        inputs, outputs = system.names()
        reason = system.reason
    finally:
        system.close()
    if as_json:
        show_json({"inputs": inputs, "outputs": outputs, "reason": reason})
        return
    for title, names in (("Inputs", inputs), ("Outputs", outputs)):
        print(f"{title}:")
        for name in names:
            print(f"  {name}")
        if not names:
            print(f"  none{f' ({reason})' if reason else ''}")
