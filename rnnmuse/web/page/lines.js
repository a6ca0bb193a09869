// Words as they come: a column for each voice, in its colour; the last line is the bright one.

import { colour, h } from "./dom.js";
import { t } from "./language.js";
import { hear } from "./stage.js";

const LINES = 12, LIGHT = "0.86", CHROMA = "0.13"; // on the picture, which is dark in either theme
const said = new Map(); // voice: its lines, so that a view that is opened later has them
const places = new Set();

/** The words of every voice. */
export function lines() {
  const made = h("div", { class: "words", id: "words", role: "log", tabIndex: 0, "aria-label": t("Words") });
  places.add(made);
  fill(made);
  return made;
}

hear((address, args) => {
  const [, , kind, what, whose] = address.split("/");
  if (kind === "out" && what === "text") say(Number(whose), args[0], args[2]);
  else if (kind === "text" && whose === "reset") clear(Number(what));
});

/** A chunk of text; one that ends with a line break ends the line, a new job begins one. */
function say(number, job, text) {
  const voice = said.get(number) ?? { lines: [], job: 0, open: false };
  said.set(number, voice);
  if (voice.job !== job) voice.open = false;
  voice.job = job;
  text.split("\n").forEach((piece, i) => {
    if (i) voice.open = false;
    if (!piece.trim() && !(voice.open && piece)) return;
    if (voice.open) voice.lines[voice.lines.length - 1] += piece;
    else voice.lines.push(piece);
    voice.open = true;
    voice.lines.splice(0, voice.lines.length - LINES);
  });
  show(number);
}

function clear(number) {
  said.delete(number);
  show(number);
}

function show(number) {
  for (const place of places) {
    if (place.isConnected) place.dataset.seen = "1";
    else if (place.dataset.seen) { places.delete(place); continue; }
    update(place, number);
  }
}

function fill(place) {
  for (const number of said.keys()) update(place, number);
}

function update(place, number) {
  const voice = said.get(number);
  let section = place.querySelector(`[data-voice="${number}"]`);
  if (!voice?.lines.length) section?.remove();
  else {
    if (!section) {
      section = h("section", { data: { voice: number }, "aria-label": `${t("Voice")} ${number}`, style: { "--voice": colour(number, LIGHT, CHROMA) } });
      place.insertBefore(section, [...place.children].find((one) => Number(one.dataset.voice) > number) ?? null);
    }
    while (section.children.length > voice.lines.length) section.lastChild.remove();
    voice.lines.forEach((line, i) => {
      const shown = section.children[i] ?? section.appendChild(h("p", { dir: "auto" })); // right to left where its first letter is
      if (shown.textContent !== line) shown.textContent = line;
    });
  }
  place.style.setProperty("--voices", Math.max(1, place.children.length));
}
