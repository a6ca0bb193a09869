"""The plugin in dawdreamer and pedalboard, hosts made with JUCE; run by a Python that has them. Prints what it found.

juce_host.py PLUGIN SECONDS: wait so long for rnnmuse before a minute is rendered.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import dawdreamer
import mido
import pedalboard

path, patience = sys.argv[1], float(sys.argv[2])
found: dict[str, object] = {}

began = time.monotonic()
try:
    pedalboard.load_plugin(path)
    found["pedalboard"] = "loaded"
except ValueError as error:
    found["pedalboard"] = str(error)
found["pedalboard_seconds"] = time.monotonic() - began

engine = dawdreamer.RenderEngine(48000, 256)
engine.set_bpm(120)
began = time.monotonic()
plugin = engine.make_plugin_processor("muse", path)
found["dawdreamer_seconds"] = time.monotonic() - began
names = [one["name"] for one in plugin.get_parameters_description()]
first = names.index("Player")
numbers = range(first, len(names))

track = mido.MidiTrack()
for cc in range(1, 128):
    if cc not in (120, 123):
        track.append(mido.Message("control_change", control=cc, value=99, time=5))
track += [mido.Message("note_on", note=60, velocity=90, time=10), mido.Message("note_off", note=60, time=400)]
with tempfile.TemporaryDirectory() as folder:
    sent, saved = Path(folder, "sent.mid"), Path(folder, "saved.mid")
    mido.MidiFile(tracks=[track]).save(sent)
    plugin.load_midi(str(sent), beats=True)
    engine.load_graph([(plugin, [])])
    time.sleep(patience)
    before = [plugin.get_parameter(n) for n in numbers]
    began = time.monotonic()
    engine.render(60)
    found["render_seconds"] = time.monotonic() - began
    after = [plugin.get_parameter(n) for n in numbers]
    plugin.save_midi(str(saved))
    found["saved_notes"] = sum(m.type == "note_on" for t in mido.MidiFile(saved).tracks for m in t)
found["moved"] = [names[n] for n, a, b in zip(numbers, before, after, strict=True) if a != b]
found["status"] = plugin.get_parameter_text(names.index("Status"))
print(json.dumps(found))
