// The roll: what was played to the left of the line, what is planned to its right; pitch upwards, each player its colour.

import { beatAt, isRunning, metre, timeOf } from "./clock.js";
import { h, paint, pen } from "./dom.js";
import { t } from "./language.js";
import { coming, forget, onNote, played, sounding } from "./notes.js";

const BACK = 7000, AHEAD = 2500; // ms that are seen
const STILL = 300; // ms between two looks of a roll in which nothing moves
const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Times of the last frames, in ms, for whoever measures. */
export const frames = [];

/** A roll; it draws while it is in the page. */
export function roll() {
  const canvas = h("canvas", { class: "roll", id: "roll", role: "img" });
  let low = 45, high = 84, last = 0, idle = false;
  const told = () => canvas.setAttribute("aria-label", `${t("Sounding notes")}: ${sounding()}`);
  const wake = () => { if (idle) { idle = false; requestAnimationFrame(draw); } };
  const ends = onNote(({ pitch }) => {
    if (pitch < low + 1) low = Math.max(0, pitch - 1);
    if (pitch > high - 1) high = Math.min(127, pitch + 1);
    told();
    wake();
  });
  told();
  requestAnimationFrame(draw);
  const look = setInterval(() => {
    if (!canvas.isConnected && last) {
      clearInterval(look);
      ends();
    } else if (isRunning()) wake();
  }, STILL);
  return canvas;

  function draw(time) {
    if (!canvas.isConnected) { idle = true; return; }
    if (calm.matches && time - last < STILL) { requestAnimationFrame(draw); return; }
    const began = performance.now();
    if (last) frames.push(time - last);
    if (frames.length > 1200) frames.splice(0, 600);
    last = time;
    forget();
    const [brush, width, height] = pen(canvas), now = began;
    const line = width * BACK / (BACK + AHEAD), scale = width / (BACK + AHEAD);
    const step = height / (high - low + 1), thick = Math.max(3, step - 1);
    const style = getComputedStyle(document.documentElement);
    const text = style.getPropertyValue("--quiet"), faint = style.getPropertyValue("--line");
    brush.fillStyle = faint;
    for (let pitch = Math.ceil(low / 12) * 12; pitch <= high; pitch += 12) brush.fillRect(0, Math.round((high - pitch + 1) * step), width, 1); // below each C
    if (isRunning()) bars(brush, now, line, scale, height, faint);
    let moves = isRunning();
    for (const { player, pitch, velocity, on, off, heard } of played()) {
      if (off !== null && off < now - BACK) continue;
      moves = true;
      const x = Math.max(0, line - (now - on) * scale), end = off === null ? line : line - (now - off) * scale;
      const y = (high - pitch) * step;
      brush.globalAlpha = off === null ? 1 : 0.45 + 0.4 * velocity / 127;
      brush.fillStyle = brush.strokeStyle = paint(player);
      if (heard) { brush.lineWidth = 2; brush.strokeRect(x + 1, y + 1, Math.max(3, end - x - 2), Math.max(2, thick - 2)); }
      else brush.fillRect(x, y, Math.max(3, end - x), thick);
    }
    brush.globalAlpha = 0.9;
    brush.lineWidth = 1.5;
    for (const { player, pitch, beat, off } of coming()) {
      const x = line + (timeOf(beat) - now) * scale;
      if (x > width || x < line - 4) continue;
      const end = off === null ? width : line + (timeOf(off) - now) * scale;
      brush.strokeStyle = paint(player);
      brush.strokeRect(x + 0.5, (high - pitch) * step + 0.5, Math.max(2, Math.min(width, end) - x - 1), thick - 1);
    }
    brush.globalAlpha = 1;
    if (isRunning()) numbers(brush, now, line, scale, text);
    brush.fillStyle = text;
    brush.fillRect(line, 0, 2, height);
    if (moves) requestAnimationFrame(draw);
    else idle = true;
  }

  function bars(brush, now, line, scale, height, faint) {
    const { beats } = metre(), first = Math.floor(beatAt(now - BACK) / beats), until = beatAt(now + AHEAD);
    for (let bar = Math.max(0, first); bar * beats <= until; bar++) {
      const x = line + (timeOf(bar * beats) - now) * scale;
      if (x < 0) continue;
      brush.fillStyle = faint;
      brush.fillRect(x, 0, 1, height);
    }
  }

  function numbers(brush, now, line, scale, text) { // above the notes
    const { beats } = metre(), until = beatAt(now + AHEAD);
    brush.font = "12px system-ui, sans-serif";
    brush.fillStyle = text;
    for (let bar = Math.max(0, Math.ceil(beatAt(now - BACK) / beats)); bar * beats <= until; bar++) brush.fillText(String(bar + 1), line + (timeOf(bar * beats) - now) * scale + 4, 13);
  }
}
