// Keys of the computer: space, escape and f as everywhere; two rows of letters play notes to a player.

import { toggle, panic } from "./transport.js";
import { command } from "./stage.js";

const NOTES = "KeyA KeyW KeyS KeyE KeyD KeyF KeyT KeyG KeyY KeyH KeyU KeyJ KeyK KeyO KeyL KeyP Semicolon".split(" ");
const VELOCITY = 90;
const down = new Map(); // code: pitch and player
let player = Number(localStorage.getItem("keys") ?? 1), octave = 60;

/** The player whom the keys play to; 0 for none. */
export const playsTo = () => player;
/** Let the keys play to another player, or to none. */
export function playTo(next) {
  player = next;
  localStorage.setItem("keys", next);
  for (const code of [...down.keys()]) up(code);
}

/** Play a note to the player. */
export function note(pitch, velocity, whose = player) {
  command(`/rnnmuse/player/${whose}/note`, pitch, velocity);
}

function up(code) {
  if (!down.has(code)) return;
  const [pitch, whose] = down.get(code);
  down.delete(code);
  note(pitch, 0, whose);
}

/** Take the screen as a whole; then escape is panic there, too. */
export async function full() {
  if (document.fullscreenElement) return document.exitFullscreen();
  await document.documentElement.requestFullscreen();
  await navigator.keyboard?.lock?.(["Escape"]).catch(() => {});
}

/** Listen; ``show``: for a projector, where f is full screen. */
export function keys(show) {
  const plain = ({ ctrlKey, metaKey, altKey, repeat }) => !(ctrlKey || metaKey || altKey || repeat);
  document.addEventListener("keydown", (event) => event.key === "Escape" && plain(event) && panic(), { capture: true }); // before all else
  document.addEventListener("keydown", (event) => {
    const { target, code, key } = event;
    if (!plain(event) || key === "Escape") return;
    const typing = target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
    if (typing) return;
    if (key === " " && !target.matches("button, a, summary, [role=slider]")) {
      event.preventDefault();
      return toggle();
    }
    if (show) return key === "f" ? full() : undefined;
    if (!player || target.matches("[role=slider]")) return;
    if (code === "KeyZ") octave = Math.max(24, octave - 12);
    else if (code === "KeyX") octave = Math.min(96, octave + 12);
    else if (NOTES.includes(code) && !down.has(code)) {
      const pitch = octave + NOTES.indexOf(code);
      down.set(code, [pitch, player]);
      note(pitch, VELOCITY);
    }
  });
  document.addEventListener("keyup", ({ code }) => up(code));
  addEventListener("blur", () => [...down.keys()].forEach(up));
}
