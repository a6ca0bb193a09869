// The stage's clock as this page knows it: which beat is when, in milliseconds of performance.now().

import { hear, value, watch } from "./stage.js";

const JITTER = 60; // ms by which a beat may come late on its way
let at = { beat: 0, time: 0 }, bpm = 120, running = false;

/** Beats a minute. */
export const tempo = () => bpm;
/** Whether the clock runs. */
export const isRunning = () => running;
/** The beats of a bar, and the beats (of the metre) in it. */
export function metre() {
  const [numerator, denominator] = value("/rnnmuse/transport/metre") ?? [4, 4];
  return { beats: numerator * 4 / denominator, count: numerator, denominator };
}
/** The beat at a time. */
export const beatAt = (time = performance.now()) => (running ? at.beat + (time - at.time) * bpm / 60000 : at.beat);
/** When a beat is. */
export const timeOf = (beat) => at.time + (beat - at.beat) * 60000 / bpm;

/** A beat has come: messages come late now and then, never early. */
function told(beat, tempo) {
  const now = performance.now(), late = now - timeOf(beat);
  const steady = running && tempo === bpm && late > -JITTER && late < JITTER;
  at = { beat, time: steady ? now - late + (late < 0 ? late : late * 0.1) : now };
  bpm = tempo;
  running = true;
}

hear((address, [first, second]) => {
  if (address === "/rnnmuse/beat") told(first, second);
  else if (address === "live") running &&= Boolean(first);
});
watch("/rnnmuse/transport/tempo", (next = bpm) => {
  at = { beat: beatAt(), time: performance.now() };
  bpm = next;
});
watch("/rnnmuse/transport/running", (next = 0) => {
  const beat = beatAt();
  if (next && !running) at = { beat: value("/rnnmuse/transport/position")?.[0] ?? beat, time: performance.now() };
  else if (!next) at = { beat, time: performance.now() };
  running = Boolean(next);
});
