// The notes of the last seconds, each player in its colour: pitch upwards, now at the right.
import { colour } from "./words.js";

const SECONDS = 8;
const canvas = document.getElementById("roll");
const pen = canvas.getContext("2d");
const open = new Map(); // "player pitch": the note that sounds
let notes = [];
let low = 48, high = 84, still = false;

/** A note begins, or with velocity 0 ends. */
export function note(player, pitch, velocity) {
  const key = `${player} ${pitch}`, now = performance.now() / 1000;
  if (open.has(key)) open.get(key).off = now;
  open.delete(key);
  if (velocity) {
    const made = { player, pitch, velocity, on: now, off: null };
    open.set(key, made);
    notes.push(made);
    low = Math.min(low, pitch - 1);
    high = Math.max(high, pitch + 1);
  }
  told();
}

/** End every note, or those of one player. */
export function end(player) {
  for (const [key, { player: whose, pitch }] of [...open]) if (!player || whose === player) note(whose, pitch, 0);
}

function told() {
  document.getElementById("sounding").textContent = open.size;
  canvas.setAttribute("aria-label", `Sounding notes: ${open.size}`);
  if (!still) return;
  still = false;
  requestAnimationFrame(draw);
}

function draw() {
  const { clientWidth: width, clientHeight: height } = canvas, scale = devicePixelRatio;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  const now = performance.now() / 1000, step = height / (high - low + 1), right = width * 0.97;
  notes = notes.filter(({ off }) => off === null || off > now - SECONDS);
  for (const { player, pitch, velocity, on, off } of notes) {
    const x = Math.max(0, right - (now - on) / SECONDS * right), y = (high - pitch) * step;
    const w = Math.max(3, right - (now - (off ?? now)) / SECONDS * right - x);
    pen.globalAlpha = (off === null ? 1 : 0.6) * (0.45 + 0.55 * velocity / 127);
    pen.fillStyle = colour(player);
    pen.beginPath();
    pen.roundRect(x, y, w, Math.max(3, step - 1), Math.min(4, step / 3));
    pen.fill();
  }
  still = !notes.length;
  if (!still) requestAnimationFrame(draw);
}
requestAnimationFrame(draw);
