"use strict";
// The logic of Live's clip actions, in Node: `node --test`. REAL=1 runs rnnmuse itself, by RNNMUSE_ENGINE.

const assert = require("node:assert/strict");
const test = require("node:test");
const path = require("node:path");

const FOLDER = path.join(__dirname, "..", "..", "bridges", "ableton", "extension");
const midi = require(path.join(FOLDER, "midi.js"));
const command = require(path.join(FOLDER, "command.js"));
const { ACTIONS, emptyBars, polyphonic } = require(path.join(FOLDER, "actions.js"));
const { clipOf, isDrums, keyOf, register } = require(path.join(FOLDER, "extension.js"));

const scale = [60, 62, 64, 65, 67, 69, 71, 72];
const tune = (bars = 4, skip = []) =>
  Array.from({ length: bars * 4 }, (_, n) => ({ pitch: scale[n % 8], startTime: n, duration: 0.9, velocity: 80 })).filter((note) => !skip.includes(Math.floor(note.startTime / 4) + 1));
const beat = () =>
  Array.from({ length: 32 }, (_, n) => ({ pitch: n % 8 === 0 ? 36 : n % 8 === 4 ? 38 : 42, startTime: n / 2, duration: 0.1, velocity: 100 }));
const clip = (more = {}) => ({ notes: tune(), start: 0, end: 16, tempo: 120, metre: [4, 4], key: "C major", drums: false, ...more });
const plain = (notes) => notes.map(({ pitch, startTime, duration, velocity }) => [pitch, startTime, duration, velocity]);

test("notes go to a MIDI file and back", () => {
  const notes = [...tune(), { pitch: 59, startTime: 3.25, duration: 200, velocity: 1 }];
  const found = midi.read(midi.write(notes, { length: 300 }));
  assert.equal(found.length, notes.length);
  const sorted = [...notes].sort((a, b) => a.startTime - b.startTime || a.pitch - b.pitch);
  for (let n = 0; n < found.length; n++) {
    assert.equal(found[n].pitch, sorted[n].pitch);
    assert.ok(Math.abs(found[n].startTime - sorted[n].startTime) < 1e-3);
    assert.ok(Math.abs(found[n].duration - sorted[n].duration) < 2e-3);
  }
  assert.ok(midi.read(midi.write(beat(), { drums: true })).every((note) => note.channel === 9));
  assert.throws(() => midi.read(Buffer.from("RIFF")), /no MIDI file/);
});

test("running status, metas and system messages are read over", () => {
  const track = [0, 0xff, 3, 1, 65, 0, 0x90, 60, 90, 0x60, 62, 90, 0, 0xf0, 2, 1, 0xf7, 0x60, 0x80, 60, 0, 0, 62, 0, 0, 0xff, 0x2f, 0];
  const head = [0x4d, 0x54, 0x68, 0x64, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0x60, 0x4d, 0x54, 0x72, 0x6b, 0, 0, 0, track.length];
  assert.deepEqual(plain(midi.read(Buffer.from([...head, ...track]))), [[60, 0, 2, 90], [62, 1, 1, 90]]);
});

test("Continue answers what comes after the clip, from its own first beat on", async () => {
  let asked;
  const run = async (options, data) => {
    asked = options;
    return midi.write([...midi.read(data), { pitch: 70, startTime: 16.5, duration: 1, velocity: 90 }]);
  };
  const made = await ACTIONS.Continue(clip(), run);
  assert.deepEqual(asked, ["continue", "--model", "leadsheet", "--bars", "4", "--key", "C major"]);
  assert.deepEqual(plain(made.next), [[70, 0.5, 1, 90]]);
  assert.equal(made.length, 16);
  assert.equal((await ACTIONS.Continue(clip({ end: 64 }), async (options, data) => (asked = options, midi.write([...midi.read(data), { pitch: 1, startTime: 65, duration: 1 }])))).length, 64);
  assert.equal(asked[4], "16");
  await assert.rejects(ACTIONS.Continue(clip({ notes: [] }), run), /no notes/);
  await assert.rejects(ACTIONS.Continue(clip(), async (_, data) => data), /nothing was played/);
});

test("Infill fills the empty bars and leaves every other note as it was", async () => {
  const notes = tune(6, [3, 4]);
  assert.deepEqual(emptyBars(clip({ notes, end: 24 }), notes), [[3, 4]]);
  const asked = [];
  const run = async (options, data) => {
    asked.push(options);
    return midi.write([...midi.read(data), { pitch: 61, startTime: 9, duration: 1, velocity: 70 }, { pitch: 99, startTime: 2, duration: 1, velocity: 70 }]);
  };
  const made = await ACTIONS.Infill(clip({ notes: notes.map((note) => ({ ...note, startTime: note.startTime + 8, probability: 0.5 })), start: 8, end: 32 }), run);
  assert.deepEqual(asked, [["infill", "--bars", "3-4", "--key", "C major"]]);
  assert.equal(made.here.length, notes.length + 1);
  assert.deepEqual(made.here.slice(0, notes.length).map((note) => note.probability), notes.map(() => 0.5));
  assert.deepEqual(plain([made.here.at(-1)]), [[61, 17, 1, 70]]);
  await assert.rejects(ACTIONS.Infill(clip(), run), /no empty bar/);
});

test("Harmonise answers the chords without the melody", async () => {
  const two = (data) => {
    const melody = midi.read(data), chords = [{ pitch: 48, startTime: 0, duration: 2, velocity: 60 }];
    const a = midi.write(melody), b = midi.write(chords);
    const head = Buffer.from(a.subarray(0, 14));
    head.writeUInt16BE(2, 10);
    return Buffer.concat([head, a.subarray(14), b.subarray(14)]);
  };
  const made = await ACTIONS.Harmonise(clip(), async (_, data) => two(data));
  assert.deepEqual(plain(made.next), [[48, 0, 2, 60]]);
  await assert.rejects(ACTIONS.Harmonise(clip({ drums: true }), async () => null), /no harmony/);
});

test("Groove moves time and velocity, and adds and loses no note", async () => {
  const run = async (options, data) => {
    assert.deepEqual(options, ["groove"]);
    return midi.write(midi.read(data).map((note) => ({ ...note, startTime: note.startTime + 0.02, velocity: 64 })), { drums: true });
  };
  const notes = [...beat(), { pitch: 36, startTime: 17, duration: 0.1, velocity: 9 }, { pitch: 36, startTime: 1, duration: 0.1, velocity: 9, muted: true }];
  const { here } = await ACTIONS.Groove(clip({ notes, drums: true }), run);
  assert.equal(here.length, notes.length);
  assert.equal(here.filter((note) => note.velocity === 64).length, 32);
  assert.deepEqual(here.filter((note) => note.velocity === 9).map((note) => note.startTime).sort(), [1, 17]);
});

test("a melody, chords, drums and a key are told apart", () => {
  assert.equal(polyphonic(tune()), false);
  assert.equal(polyphonic([...tune(), ...tune().map((note) => ({ ...note, pitch: note.pitch - 12 }))]), true);
  assert.equal(isDrums({ name: "Clip" }, beat()), true);
  assert.equal(isDrums({ name: "Clip" }, tune()), false);
  assert.equal(isDrums({ name: "Clip", parent: { parent: { name: "Drum Rack" } } }, tune()), true);
  assert.equal(keyOf({ scaleMode: true, rootNote: 2n, scaleName: "Minor" }), "D minor");
  assert.equal(keyOf({ scaleMode: false, rootNote: 2, scaleName: "Minor" }), "");
  assert.equal(keyOf({ scaleMode: true, rootNote: 2, scaleName: "Hirajoshi" }), "");
});

/** As much of the Extensions SDK as the adapter uses. */
function fakeLive(clip, { inArrangement = false } = {}) {
  const commands = {}, menu = [], shown = [];
  class MidiClip {}
  Object.assign(clip, { __proto__: MidiClip.prototype, looping: true, loopStart: 0, loopEnd: 16, startMarker: 0, startTime: 32, endTime: 48 });
  const track = { name: "Lead", clipSlots: [] };
  const made = [];
  const slot = (content) => ({ clip: content, parent: track, createMidiClip: async (length) => (made.push({ length, notes: [] }), made.at(-1)) });
  track.clipSlots = [slot(clip), slot({}), slot(null)];
  clip.parent = inArrangement ? { arrangementClips: [], createMidiClip: async (at, length) => (made.push({ at, length, notes: [] }), made.at(-1)) } : track.clipSlots[0];
  let within = 0;
  const context = {
    application: { song: { tempo: 100n, scaleMode: true, rootNote: 0, scaleName: "Major" } },
    getObjectFromHandle: (handle, type) => (assert.equal(type, MidiClip), assert.equal(handle, "handle"), clip),
    withinTransaction: (act) => (within++, act(), within--, undefined),
    commands: { registerCommand: (id, act) => (commands[id] = act) },
    ui: {
      registerContextMenuAction: (scope, title, id) => menu.push([scope, title, id]),
      withinProgressDialog: (_text, _options, act) => act(),
      showModalDialog: (page) => shown.push(page.data),
    },
  };
  return { context, commands, menu, shown, made, MidiClip };
}

test("the adapter offers four entries, writes in one step, and says an error in a dialog", async () => {
  const run = async (options, data) => midi.write([...midi.read(data), { pitch: 70, startTime: 17, duration: 1, velocity: 90 }]);
  const clip = { name: "Tune", notes: tune().map((note) => ({ ...note, pitch: BigInt(note.pitch) })) };
  const live = fakeLive(clip);
  register(live.context, live.MidiClip, run);
  assert.deepEqual(live.menu.map(([scope, title]) => [scope, title]), ["Continue", "Infill", "Harmonise", "Groove"].map((name) => ["MidiClip", `rnnmuse: ${name}`]));
  await live.commands["rnnmuse.continue"]("handle");
  assert.deepEqual(live.made.map((one) => [one.length, plain(one.notes), one.name]), [[16, [[70, 1, 1, 90]], "Tune Continue"]]);
  await live.commands["rnnmuse.infill"]("handle");
  assert.match(live.shown[0], /no empty bar/);
  const there = fakeLive({ name: "Tune", notes: tune() }, { inArrangement: true });
  register(there.context, there.MidiClip, run);
  await there.commands["rnnmuse.continue"]("handle");
  assert.deepEqual(there.made.map((one) => [one.at, one.length]), [[48, 16]]);
  assert.equal(clipOf(clip, live.context.application.song).tempo, 100);
});

test("the command is found where the plugin finds it", () => {
  assert.deepEqual(command.words("# x\npython\n-c\nimport rnnmuse\nlive\n--no-midi\n"), ["python", "-c", "import rnnmuse"]);
  assert.throws(() => command.words(""), /not installed/);
  assert.equal(command.engineFile({ HOME: "/home/a" }, "linux"), "/home/a/.local/share/rnnmuse/engine.txt");
  assert.match(command.engineFile({ HOME: "/Users/a" }, "darwin"), /Application Support/);
});

test("rnnmuse itself does what each entry asks for", { skip: !process.env.REAL }, async () => {
  const next = await ACTIONS.Continue(clip(), command.run);
  assert.ok(next.next.length > 4 && next.next.every((note) => note.startTime >= 0 && note.startTime < next.length));
  const filled = await ACTIONS.Infill(clip({ notes: tune(6, [3, 4]), end: 24 }), command.run);
  const fresh = filled.here.slice(16);
  assert.ok(fresh.length > 0 && fresh.every((note) => note.startTime >= 8 && note.startTime < 16));
  const chords = await ACTIONS.Harmonise(clip(), command.run);
  assert.ok(chords.next.length >= 6, "two chords a bar of three notes at least would be more");
  const played = await ACTIONS.Groove(clip({ notes: beat(), drums: true }), command.run);
  assert.equal(played.here.length, 32);
  assert.ok(new Set(played.here.map((note) => note.velocity)).size > 2);
  await assert.rejects(command.run(["continue", "--model", "no-such"], midi.write(tune())), /no-such/);
});
