"use strict";
// Live's side: Ableton's Extensions SDK, 1.0.0-beta. Not yet tried in Live.
//
// Four entries in the menu of a MIDI clip. What is done is in actions.js; here a clip is read and written, in one step of
// Live's undo.

const { ACTIONS } = require("./actions.js");
const command = require("./command.js");

const ROOTS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];

/** The set's key where its scale is on and is one that rnnmuse has as a key. */
function keyOf(song) {
  const name = String(song.scaleName ?? "").toLowerCase();
  if (!song.scaleMode || !["major", "minor"].includes(name)) return "";
  return `${ROOTS[Number(song.rootNote) % 12]} ${name}`;
}

/** Drums: a name that says so, or notes that lie within a General MIDI kit and are all short. */
function isDrums(clip, notes) {
  const names = [clip.name, clip.parent?.name, clip.parent?.parent?.name].map((name) => String(name ?? ""));
  if (names.some((name) => /drum|kit|beat|perc/i.test(name))) return true;
  return notes.length > 3 && notes.every((note) => note.pitch >= 35 && note.pitch <= 59 && note.duration <= 0.3);
}

/** Plain values: the SDK may answer with BigInt. */
function clipOf(clip, song) {
  const notes = [...clip.notes].map((note) => ({
    ...note,
    pitch: Number(note.pitch),
    startTime: Number(note.startTime),
    duration: Number(note.duration),
    velocity: Number(note.velocity ?? 100),
  }));
  const start = Number(clip.looping ? clip.loopStart : clip.startMarker);
  const numerator = Number(song.signatureNumerator ?? 4), denominator = Number(song.signatureDenominator ?? 4);
  return {
    notes,
    start,
    end: Number(clip.loopEnd),
    tempo: Number(song.tempo),
    metre: [numerator || 4, denominator || 4],
    key: keyOf(song),
    drums: isDrums(clip, notes),
  };
}

/** A clip after this one: the next empty slot below it, or the arrangement where it ends. */
async function clipAfter(clip, length) {
  const parent = clip.parent;
  if (typeof parent?.createMidiClip === "function" && "arrangementClips" in parent) return parent.createMidiClip(Number(clip.endTime), length);
  const slots = [...(parent?.parent?.clipSlots ?? [])];
  const at = slots.findIndex((slot) => slot === parent || slot.clip === clip);
  const free = slots.slice(at + 1).find((slot) => !slot.clip);
  if (at < 0 || !free) throw new Error("there is no empty slot below this clip");
  return free.createMidiClip(length);
}

function register(context, MidiClip, run = command.run) {
  for (const [name, act] of Object.entries(ACTIONS)) {
    const id = `rnnmuse.${name.toLowerCase()}`;
    const perform = async (handle) => {
      const clip = context.getObjectFromHandle(handle, MidiClip);
      const made = await act(clipOf(clip, context.application.song), run);
      if (made.here) return context.withinTransaction(() => void (clip.notes = made.here));
      const after = await clipAfter(clip, made.length);
      context.withinTransaction(() => {
        after.notes = made.next;
        after.name = `${clip.name || "rnnmuse"} ${name}`;
      });
    };
    context.commands.registerCommand(id, (handle) => {
      const work = () => perform(handle);
      const shown = context.ui.withinProgressDialog ? context.ui.withinProgressDialog(`rnnmuse: ${name}`, {}, work) : work();
      return Promise.resolve(shown).catch((error) => {
        console.error(`rnnmuse: ${name}: ${error.message}`);
        const page = `<body style="font:14px sans-serif;margin:20px">${String(error.message).replace(/[<&]/g, (one) => `&#${one.charCodeAt(0)};`)}</body>`;
        return context.ui.showModalDialog?.({ data: page, mimeType: "text/html" }, 380, 120);
      });
    });
    context.ui.registerContextMenuAction("MidiClip", `rnnmuse: ${name}`, id);
  }
}

function activate(activation) {
  const sdk = require("@ableton-extensions/sdk");
  register(sdk.initialize(activation, "1.0.0"), sdk.MidiClip);
}

module.exports = { activate, clipOf, isDrums, keyOf, register };
