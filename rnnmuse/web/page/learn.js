// Learning: while it is on, a touch on a control does not act; the next knob of a MIDI controller will set it.

import { t } from "./language.js";
import { say } from "./said.js";
import { command, hear } from "./stage.js";

let learning = false;
export const isLearning = () => learning;

/** Switch it; returns which. */
export function learn() {
  learning = !learning;
  document.body.classList.toggle("learning", learning);
  if (learning) say(t("Touch a control, in any view."), true);
  return learning;
}

function pick(event) {
  if (!learning || (event.type === "keydown" && event.key !== "Enter")) return;
  const control = event.target.closest("[data-to]");
  if (!control) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.type === "click") return;
  command("/rnnmuse/midi/learn", control.dataset.to);
  say(`${t("Turn a knob now for")} ${control.dataset.to}`, true);
}
for (const kind of ["pointerdown", "click", "keydown"]) document.addEventListener(kind, pick, { capture: true });
hear((address, args, sent) => {
  if (sent || !learning || address !== "/rnnmuse/midi/map" || !args.length) return;
  learn();
  say(`ch ${args[0]} cc ${args[1]} → ${args[2]}`, true);
});
