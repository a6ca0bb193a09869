// The notes of the stage: what is planned, what sounds, what is over, and what the performer played.

import { beatAt, timeOf } from "./clock.js";
import { hear } from "./stage.js";

const KEPT = 12; // seconds of the past
const MOST = 4000;
const open = new Map(); // "player pitch": the note that sounds
const planned = new Map(); // player: notes that come
const channels = new Map(); // "player pitch": MIDI channel, as it was planned
const acts = new Set();
let past = [];

/** Call a function with each note that begins and ends: {player, pitch, velocity, channel, beat, time, heard}. */
export function onNote(act) {
  acts.add(act);
  return () => acts.delete(act);
}

/** The notes that sound or are over, oldest first; on and off in ms of performance.now(). */
export const played = () => past;
/** The notes that come: player, pitch, velocity, beat, off (a beat, or null). */
export function* coming() {
  for (const notes of planned.values()) yield* notes;
}
/** How many sound. */
export const sounding = () => open.size;

function begin(player, pitch, velocity, beat, heard) {
  const key = `${heard ? "in" : ""}${player} ${pitch}`, now = performance.now();
  const before = open.get(key);
  if (before) before.off = now;
  open.delete(key);
  const channel = channels.get(key) ?? player;
  if (velocity) {
    const note = { player, pitch, velocity, channel, beat, heard, on: now, off: null };
    open.set(key, note);
    past.push(note);
    if (past.length > MOST) past = past.slice(MOST / 4);
  }
  if (velocity || before) for (const act of acts) act({ player, pitch, velocity, channel, beat, heard });
}

/** End every note, or those of one player. */
function end(player) {
  for (const note of [...open.values()]) if (!player || note.player === player) begin(note.player, note.pitch, 0, note.beat, note.heard);
}

/** Forget what is over for long. */
export function forget() {
  const since = performance.now() - KEPT * 1000;
  if (past.length && past[0].off !== null && past[0].off < since) past = past.filter(({ off }) => off === null || off > since);
  const now = beatAt() - 0.5;
  for (const [player, notes] of planned) if (notes.length && notes[0].beat < now) planned.set(player, notes.filter(({ beat }) => beat >= now));
}

hear((address, args, sent) => {
  const [, , kind, word, what] = address.split("/");
  if (kind === "out" && what === "note" && !sent) {
    const player = Number(word), [pitch, velocity, , beat] = args;
    if (velocity) {
      const notes = planned.get(player), at = notes?.findIndex((note) => note.pitch === pitch && Math.abs(note.beat - beat) < 0.01) ?? -1;
      if (at >= 0) notes.splice(at, 1);
    }
    begin(player, pitch, velocity, beat, false);
  } else if (kind === "in" && what === "note") begin(Number(word), args[0], args[1], args[2], true);
  else if (kind === "out" && what === "planned") {
    const player = Number(word), [pitch, velocity, beat, , channel] = args;
    if (!planned.has(player)) planned.set(player, []);
    const notes = planned.get(player);
    if (velocity) {
      channels.set(`${player} ${pitch}`, channel);
      notes.push({ player, pitch, velocity, channel, beat, off: null });
    } else {
      const note = notes.findLast((one) => one.pitch === pitch && one.off === null);
      if (note) note.off = beat;
    }
  } else if (kind === "out" && what === "recalled") {
    const player = Number(word), from = args[0] - 0.001;
    planned.set(player, (planned.get(player) ?? []).filter(({ beat }) => beat < from));
  } else if (address === "/rnnmuse/transport/panic" || address === "/rnnmuse/transport/stop" || (address === "live" && !args[0])) {
    planned.clear();
    end();
  }
});

export { timeOf };
