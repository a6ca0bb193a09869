// Sound in the page: a small synthesiser and drum kit in time with the beats that notes are stamped with. A note is sounded
// LATENCY ms after its beat, so that what came a little late on its way is still in time.

import { isRunning, timeOf } from "./clock.js";
import { onNote } from "./notes.js";
import { hear } from "./stage.js";
import { programOf } from "./parts.js";

const LATENCY = 45, VOICES = 48, DRUMS = 10;
let context, out, noise, on = (localStorage.getItem("sound") ?? "on") === "on";
const open = new Map();

/** How late each note was that missed its time, in ms; the last ones. */
export const late = [];
/** Whether the page sounds. */
export const isOn = () => on;

/** Sound or silence; returns which. */
export function switchSound() {
  on = !on;
  localStorage.setItem("sound", on ? "on" : "off");
  if (on) wake();
  else silence();
  return on;
}

/** Browsers let a page sound after the first touch or key. */
function wake() {
  if (!on || navigator.webdriver === undefined && !globalThis.AudioContext) return;
  if (!context) {
    context = new AudioContext({ latencyHint: "interactive" });
    const limit = new DynamicsCompressorNode(context, { threshold: -14, ratio: 8, attack: 0.003, release: 0.15 });
    out = new GainNode(context, { gain: 0.5 });
    out.connect(limit).connect(context.destination);
    noise = context.createBuffer(1, context.sampleRate, context.sampleRate);
    const data = noise.getChannelData(0);
    for (let i = 0; i < data.length; i++) data[i] = Math.random() * 2 - 1;
  }
  if (context.state === "suspended") context.resume();
}
for (const kind of ["pointerdown", "keydown"]) document.addEventListener(kind, () => setTimeout(wake), { passive: true }); // it takes 90 ms: after what the touch does

/** When a note of a beat sounds, in seconds of the audio clock. */
function due(beat) {
  const now = context.currentTime;
  if (!isRunning()) return now + 0.005;
  const wait = timeOf(beat) + LATENCY - performance.now();
  if (wait < 0) {
    late.push(-wait);
    if (late.length > 1000) late.splice(0, 500);
  }
  return now + Math.min(2 * LATENCY, Math.max(0, wait)) / 1000;
}

// -- instruments: how General MIDI's families sound -------------------------------------------------------------------

const FAMILIES = [ // wave, attack, decay to, decay time, release, cutoff in harmonics, gain
  { wave: "triangle", attack: 0.002, sustain: 0.12, decay: 1.1, release: 0.18, bright: 7, gain: 0.5 }, // piano
  { wave: "sine", attack: 0.001, sustain: 0.0, decay: 1.4, release: 0.4, bright: 12, gain: 0.5 }, // chromatic percussion
  { wave: "square", attack: 0.01, sustain: 0.9, decay: 0.1, release: 0.06, bright: 5, gain: 0.2 }, // organ
  { wave: "sawtooth", attack: 0.002, sustain: 0.08, decay: 0.7, release: 0.12, bright: 5, gain: 0.3 }, // guitar
  { wave: "sawtooth", attack: 0.004, sustain: 0.35, decay: 0.35, release: 0.08, bright: 4, gain: 0.42 }, // bass
  { wave: "sawtooth", attack: 0.06, sustain: 0.8, decay: 0.3, release: 0.25, bright: 4, gain: 0.2 }, // strings
  { wave: "sawtooth", attack: 0.09, sustain: 0.85, decay: 0.3, release: 0.3, bright: 3, gain: 0.2 }, // ensemble, voices
  { wave: "sawtooth", attack: 0.03, sustain: 0.75, decay: 0.2, release: 0.12, bright: 5, gain: 0.22 }, // brass
  { wave: "square", attack: 0.025, sustain: 0.8, decay: 0.2, release: 0.1, bright: 4, gain: 0.17 }, // reed
  { wave: "triangle", attack: 0.03, sustain: 0.85, decay: 0.2, release: 0.12, bright: 5, gain: 0.35 }, // pipe
  { wave: "sawtooth", attack: 0.006, sustain: 0.7, decay: 0.2, release: 0.1, bright: 7, gain: 0.2 }, // lead
  { wave: "sawtooth", attack: 0.2, sustain: 0.8, decay: 0.4, release: 0.5, bright: 3, gain: 0.2 }, // pad
];

function tone(pitch, velocity, program, at) {
  const sound = FAMILIES[Math.min(FAMILIES.length - 1, program >> 3)], hertz = 440 * 2 ** ((pitch - 69) / 12), level = sound.gain * (velocity / 127) ** 1.4;
  const oscillator = new OscillatorNode(context, { type: sound.wave, frequency: hertz });
  const second = new OscillatorNode(context, { type: sound.wave, frequency: hertz, detune: 6 });
  const filter = new BiquadFilterNode(context, { type: "lowpass", frequency: Math.min(14000, hertz * sound.bright * (0.5 + velocity / 127)), Q: 0.6 });
  const gain = new GainNode(context, { gain: 0 });
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(level, at + sound.attack);
  gain.gain.setTargetAtTime(level * sound.sustain, at + sound.attack, sound.decay / 3);
  for (const one of [oscillator, second]) { one.connect(filter); one.start(at); }
  filter.connect(gain).connect(out);
  oscillator.onended = () => gain.disconnect();
  return (end) => {
    const when = Math.max(end, at + 0.02);
    gain.gain.cancelAndHoldAtTime?.(when);
    gain.gain.setTargetAtTime(0, when, sound.release / 3);
    for (const one of [oscillator, second]) one.stop(when + sound.release * 2);
  };
}

function stroke(pitch, velocity, at) {
  const level = (velocity / 127) ** 1.3;
  if (pitch === 35 || pitch === 36) return thump(at, level * 1.1, 140, 44, 0.28);
  if (pitch === 38 || pitch === 40) { thump(at, level * 0.4, 240, 170, 0.12); return hiss(at, level * 0.55, 0.18, "highpass", 1600); }
  if (pitch === 37 || pitch === 39 || pitch === 56) return hiss(at, level * 0.5, 0.06, "bandpass", 2200);
  if (pitch === 42 || pitch === 44) return hiss(at, level * 0.28, 0.05, "highpass", 8000);
  if (pitch === 46) return hiss(at, level * 0.3, 0.35, "highpass", 7500);
  if ([49, 52, 55, 57].includes(pitch)) return hiss(at, level * 0.4, 1.3, "highpass", 4500);
  if ([51, 53, 59].includes(pitch)) return hiss(at, level * 0.22, 0.5, "bandpass", 6200);
  return thump(at, level * 0.7, 60 + (pitch - 40) * 9, 50 + (pitch - 40) * 7, 0.3);
}

function thump(at, level, from, to, long) {
  const oscillator = new OscillatorNode(context, { frequency: Math.max(30, from) }), gain = new GainNode(context, { gain: 0 });
  oscillator.frequency.setValueAtTime(Math.max(30, from), at);
  oscillator.frequency.exponentialRampToValueAtTime(Math.max(25, to), at + long * 0.4);
  gain.gain.setValueAtTime(level, at);
  gain.gain.exponentialRampToValueAtTime(0.001, at + long);
  oscillator.connect(gain).connect(out);
  oscillator.start(at);
  oscillator.stop(at + long);
}

function hiss(at, level, long, type, hertz) {
  const source = new AudioBufferSourceNode(context, { buffer: noise }), filter = new BiquadFilterNode(context, { type, frequency: hertz }), gain = new GainNode(context, { gain: 0 });
  gain.gain.setValueAtTime(level, at);
  gain.gain.exponentialRampToValueAtTime(0.001, at + long);
  source.connect(filter).connect(gain).connect(out);
  source.start(at, Math.random() * 0.5, long);
}

// -- notes ----------------------------------------------------------------------------------------------------------------

onNote(({ player, pitch, velocity, channel, beat, heard }) => {
  if (!on || context?.state !== "running") return;
  const key = `${heard} ${player} ${pitch}`, at = due(beat);
  open.get(key)?.(at);
  open.delete(key);
  if (!velocity) return;
  if (channel === DRUMS && !heard) stroke(pitch, velocity, at);
  else {
    open.set(key, tone(pitch, velocity, heard ? 0 : programOf(player, channel), at));
    if (open.size > VOICES) {
      const [oldest, end] = open.entries().next().value;
      end(at);
      open.delete(oldest);
    }
  }
});

/** End everything at once. */
function silence() {
  for (const end of open.values()) end(context.currentTime);
  open.clear();
  if (!out) return;
  out.gain.cancelScheduledValues(0);
  out.gain.setValueAtTime(0, context.currentTime);
  out.gain.setTargetAtTime(0.5, context.currentTime + 0.05, 0.01);
}
hear((address, args) => {
  if (context && (address === "/rnnmuse/transport/panic" || (address === "live" && !args[0]))) silence();
});
