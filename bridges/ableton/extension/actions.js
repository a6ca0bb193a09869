"use strict";
// What is done with a clip: which command of rnnmuse, and what becomes of its notes. Nothing here knows of Live.
//
// A clip is {notes, start, end, tempo, metre, key, drums}: beats from the clip's own beginning, `start` and `end` the part
// that plays, `key` such as "D minor" or empty. An action answers {here} (notes that replace the clip's), or {next, length}
// (notes for a clip after it, and its length in beats).

const midi = require("./midi.js");

class ActionError extends Error {}

const barOf = (clip) => (4 * clip.metre[0]) / clip.metre[1];
const barsOf = (clip) => Math.max(1, Math.ceil((clip.end - clip.start) / barOf(clip) - 1e-6));

/** The clip's notes that play, from its first beat on. */
function played(clip) {
  const notes = clip.notes
    .filter((note) => !note.muted && note.startTime < clip.end - 1e-6 && note.startTime >= clip.start - 1e-6)
    .map((note) => ({ ...note, startTime: Math.max(0, note.startTime - clip.start) }));
  if (!notes.length) throw new ActionError("this clip has no notes");
  return notes;
}

const file = (clip, notes) => midi.write(notes, { tempo: clip.tempo, metre: clip.metre, drums: clip.drums, length: barsOf(clip) * barOf(clip) });
const plain = ({ pitch, startTime, duration, velocity }) => ({ pitch, startTime, duration, velocity });
const key = (clip) => (clip.key && !clip.drums ? ["--key", clip.key] : []);

/** Goes on where the clip ends, for as many bars as it has, 4 at least and 16 at most. */
async function goOn(clip, run) {
  const notes = played(clip), length = barsOf(clip) * barOf(clip);
  const bars = Math.min(16, Math.max(4, barsOf(clip)));
  const model = clip.drums ? "grooves" : polyphonic(notes) ? "piano" : "leadsheet";
  const made = midi.read(await run(["continue", "--model", model, "--bars", String(bars), ...key(clip)], file(clip, notes)));
  const next = made.filter((note) => note.startTime >= length - 0.05 && (note.channel === 9) === clip.drums)
    .map((note) => ({ ...plain(note), startTime: Math.max(0, note.startTime - length) }));
  if (!next.length) throw new ActionError("nothing was played: try again");
  return { next, length: bars * barOf(clip) };
}

/** Whether more than one note in ten begins while another sounds. */
function polyphonic(notes) {
  const sorted = [...notes].sort((a, b) => a.startTime - b.startTime);
  let end = -1, over = 0;
  for (const note of sorted) {
    if (note.startTime < end - 0.1) over++;
    end = Math.max(end, note.startTime + note.duration);
  }
  return over * 10 > notes.length;
}

/** The bars, from 1, in which no note begins, as runs [first, last] that have a bar with notes before or after them. */
function emptyBars(clip, notes) {
  const bar = barOf(clip), filled = new Set(notes.map((note) => Math.floor(note.startTime / bar + 1e-6)));
  const runs = [];
  for (let n = 0; n < barsOf(clip); n++) {
    if (filled.has(n)) continue;
    const last = runs.at(-1);
    if (last && last[1] === n) last[1] = n + 1;
    else runs.push([n + 1, n + 1]);
  }
  return runs;
}

/** Fills the clip's empty bars with ones that fit what is before and after them. */
async function infill(clip, run) {
  const notes = played(clip), runs = emptyBars(clip, notes), bar = barOf(clip);
  if (clip.drums) throw new ActionError("drums are not filled in; take Groove");
  if (!runs.length) throw new ActionError("this clip has no empty bar: leave one empty where new notes are to come");
  let now = notes;
  for (const [first, last] of runs) {
    const begin = (first - 1) * bar, end = last * bar;
    const made = midi.read(await run(["infill", "--bars", `${first}-${last}`, ...key(clip)], file(clip, now)));
    const found = made.filter((note) => note.startTime >= begin - 0.05 && note.startTime < end - 0.05);
    now = [...now, ...found.map((note) => ({ ...plain(note), startTime: Math.max(begin, note.startTime) }))];
  }
  const fresh = now.slice(notes.length).map((note) => ({ ...note, startTime: note.startTime + clip.start }));
  if (!fresh.length) throw new ActionError("nothing was filled in: try again");
  return { here: [...clip.notes, ...fresh] };
}

/** Chords beneath the clip's melody, for a clip of their own. */
async function harmonise(clip, run) {
  if (clip.drums) throw new ActionError("drums have no harmony");
  const notes = played(clip), length = barsOf(clip) * barOf(clip);
  const made = midi.read(await run(["harmonise", ...key(clip)], file(clip, notes)));
  const melody = new Set(notes.map((note) => `${note.pitch} ${Math.round(note.startTime * 24)}`));
  const next = made.filter((note) => note.track > 0 && !melody.has(`${note.pitch} ${Math.round(note.startTime * 24)}`)).map(plain);
  if (!next.length) throw new ActionError("no chords were found");
  return { next, length };
}

/** The drums of the clip as a drummer would play them: time and velocity move, no note is added or taken away. */
async function groove(clip, run) {
  const notes = played({ ...clip });
  const made = midi.read(await run(["groove"], file({ ...clip, drums: true }, notes)));
  const left = [...made];
  const moved = notes.map((note) => {
    const near = left.filter((one) => one.pitch === note.pitch).sort((a, b) => Math.abs(a.startTime - note.startTime) - Math.abs(b.startTime - note.startTime))[0];
    if (!near || Math.abs(near.startTime - note.startTime) > 0.3) return note;
    left.splice(left.indexOf(near), 1);
    return { ...note, startTime: Math.max(0, near.startTime), velocity: near.velocity };
  });
  const untouched = clip.notes.filter((note) => note.muted || note.startTime >= clip.end - 1e-6 || note.startTime < clip.start - 1e-6);
  return { here: [...untouched, ...moved.map((note) => ({ ...note, startTime: note.startTime + clip.start }))] };
}

module.exports = { ActionError, ACTIONS: { Continue: goOn, Infill: infill, Harmonise: harmonise, Groove: groove }, emptyBars, played, polyphonic };
