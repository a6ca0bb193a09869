"use strict";
// Notes to a MIDI file and back. A note is {pitch, startTime, duration, velocity, muted}, in beats, as Live's clips have it.

const TICKS = 960;

function number(value) { // of variable length
  const bytes = [value & 127];
  for (value = Math.floor(value / 128); value > 0; value = Math.floor(value / 128)) bytes.unshift((value & 127) | 128);
  return bytes;
}

function chunk(name, bytes) {
  const head = Buffer.alloc(8);
  head.write(name, "latin1");
  head.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([head, Buffer.from(bytes)]);
}

/** A file of one track: notes, tempo in bpm, a metre [4, 4], and what the notes are played on: {drums} or a piano. */
function write(notes, { tempo = 120, metre = [4, 4], drums = false, length = 0 } = {}) {
  const channel = drums ? 9 : 0;
  const events = [];
  for (const note of notes) {
    const begin = Math.max(0, Math.round(note.startTime * TICKS));
    const end = Math.max(begin + 1, Math.round((note.startTime + note.duration) * TICKS));
    const velocity = Math.min(127, Math.max(1, Math.round(note.velocity ?? 100)));
    events.push([begin, 1, [0x90 | channel, note.pitch, velocity]], [end, 0, [0x80 | channel, note.pitch, 0]]);
  }
  events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const micro = Math.round(60e6 / tempo);
  const bytes = [
    0, 0xff, 0x51, 3, (micro >> 16) & 255, (micro >> 8) & 255, micro & 255,
    0, 0xff, 0x58, 4, metre[0], Math.round(Math.log2(metre[1])), 24, 8,
  ];
  let last = 0;
  for (const [tick, , message] of events) {
    bytes.push(...number(tick - last), ...message);
    last = tick;
  }
  bytes.push(...number(Math.max(0, Math.round(length * TICKS) - last)), 0xff, 0x2f, 0);
  return Buffer.concat([chunk("MThd", [0, 0, 0, 1, TICKS >> 8, TICKS & 255]), chunk("MTrk", bytes)]);
}

/** Every note of a file, with its `track` (from 0) and `channel`, in order of time. */
function read(data) {
  if (data.toString("latin1", 0, 4) !== "MThd") throw new Error("this is no MIDI file");
  const ticks = data.readUInt16BE(12);
  if (ticks & 0x8000) throw new Error("a MIDI file in seconds is not read");
  const notes = [];
  let track = -1;
  for (let at = 8 + data.readUInt32BE(4); at + 8 <= data.length; at += 8 + data.readUInt32BE(at + 4)) {
    if (data.toString("latin1", at, at + 4) === "MTrk") readTrack(data.subarray(at + 8, at + 8 + data.readUInt32BE(at + 4)), ++track, ticks, notes);
  }
  return notes.sort((a, b) => a.startTime - b.startTime || a.pitch - b.pitch);
}

function readTrack(bytes, track, ticks, notes) {
  const open = new Map();
  let at = 0, tick = 0, status = 0;
  const length = () => {
    let value = 0, byte;
    do value = value * 128 + ((byte = bytes[at++]) & 127); while (byte & 128);
    return value;
  };
  while (at < bytes.length) {
    tick += length();
    if (bytes[at] & 0x80) status = bytes[at++];
    if (status === 0xff || status === 0xf0 || status === 0xf7) {
      if (status === 0xff) at++;
      const size = length();
      at += size;
      continue;
    }
    const first = bytes[at++], second = (status & 0xe0) === 0xc0 ? 0 : bytes[at++];
    const kind = status & 0xf0, channel = status & 15, key = channel * 128 + first;
    if (kind !== 0x90 && kind !== 0x80) continue;
    const sounding = open.get(key) ?? [];
    open.set(key, sounding);
    if (kind === 0x90 && second) {
      const note = { pitch: first, startTime: tick / ticks, duration: 0.25, velocity: second, track, channel };
      sounding.push(note);
      notes.push(note);
    } else {
      const note = sounding.shift();
      if (note) note.duration = Math.max(1 / ticks, tick / ticks - note.startTime);
    }
  }
}

module.exports = { TICKS, read, write };
