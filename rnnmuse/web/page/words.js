// The view Words: what the voices say, and how.

import { colour, h } from "./dom.js";
import { shownHelp, t } from "./language.js";
import { lines } from "./lines.js";
import { picture } from "./picture.js";
import { command, send, watch } from "./stage.js";
import { button, control, filled, offered, onOffer, row, rows } from "./table.js";

const T = "/rnnmuse/text/{p}", VOICES = 16;
let chosen = 1;

/** The view's elements. */
export function words() {
  const place = h("div", {});
  const select = h("select", { "aria-label": t("Voice"), onchange: () => { chosen = Number(select.value); fill(); } },
    Array.from({ length: VOICES }, (_, i) => new Option(`${t("Voice")} ${i + 1}`, i + 1)));
  const fill = () => place.replaceChildren(voice(chosen, select));
  select.value = chosen;
  fill();
  return [
    h("div", { class: "stage" }, picture(), lines()),
    place,
    h("p", { class: "row" }, h("span", { class: "quiet" }, t("For a projector")), ...["words", "cover", "roll", "all"].map((what) =>
      h("a", { class: "button quiet-button", href: `/?show=${what}`, target: "_blank", rel: "noopener" }, t(what === "roll" ? "notes" : what)))),
  ];
}

function voice(number, select) {
  const names = { p: number }, whose = `${t("voice")} ${number}`, at = (word) => row(`${T}/${word}`);
  const prompt = h("textarea", { rows: 2, maxLength: 1000, dir: "auto", "aria-label": `${t("prompt")}, ${whose}`, data: { to: filled(`${T}/prompt`, names) } });
  const rest = rows.filter((one) => one.address.startsWith(`${T}/`) && one.access === "rw" && one.arguments.length === 1);
  const acts = rows.filter((one) => one.address.startsWith(`${T}/`) && one.access === "w" && !one.arguments.length && !/\/(stop|reset)$/.test(one.address));
  const faders = h("div", { class: "grid" });
  const mix = () => faders.replaceChildren(...offered("text model").map((model) => fader(number, model)));
  const ends = onOffer((kind) => {
    if (kind !== "text model") return;
    if (!faders.isConnected && faders.dataset.seen) return ends();
    if (faders.isConnected) faders.dataset.seen = "1";
    mix();
  });
  mix();
  return h("section", { class: "panel strip", "aria-label": whose, style: { "--player": colour(number) } },
    h("div", { class: "row voice-bar" }, select,
      button(at("generate"), names, { title: t("Say"), args: [0], class: "go", id: "say" }),
      button(at("stop"), names, { title: t("Stop"), whose }),
      button(at("reset"), names, { title: t("Clear"), id: "clear" }),
      ...acts.map((one) => button(one, names, { whose }))),
    h("div", { class: "control" }, h("span", { class: "name" }, t("prompt")), prompt,
      h("div", { class: "row field", style: { "margin-top": "var(--gap)" } }, h("button", { type: "button", onclick: () => { command(filled(`${T}/prompt`, names), prompt.value); prompt.value = ""; } }, t("Read it"))),
      h("span", { class: "help" }, shownHelp(at("prompt")))),
    h("h2", {}, t("Mixture of models")), faders,
    h("h2", {}, t("Voice")), h("div", { class: "grid" }, rest.map((one) => control(one, names, { whose }))));
}

const weights = new Map(); // "voice model": its fader, which no getter tells
function fader(number, model) {
  const key = `${number} ${model}`, at = (one) => weights.get(one) ?? (one.endsWith(" shakespeare") ? 1 : 0); // as voices begin
  const made = control({ ...row(`${T}/mix`), access: "w", arguments: [{ ...row(`${T}/mix`).arguments[1], name: model }] }, { p: number }, { title: model, low: 0, high: 1, kind: "fader", step: 0.01 });
  const input = made.input.cloneNode();
  input.value = at(key);
  const output = made.querySelector("output");
  const label = () => { output.value = Number(input.value).toFixed(2); input.style.setProperty("--at", `${100 * input.value}%`); };
  input.addEventListener("input", () => {
    const all = [...weights.keys()].some((one) => one.startsWith(`${number} `)) ? [model] : offered("text model");
    weights.set(key, Number(input.value));
    for (const one of all) { // the first move sends every fader: what is heard is what they show
      weights.set(`${number} ${one}`, one === model ? Number(input.value) : at(`${number} ${one}`));
      send(filled(`${T}/mix`, { p: number }), one, weights.get(`${number} ${one}`));
    }
    label();
  });
  const ends = watch(filled(`${T}/mix`, { p: number }), (one, weight) => {
    if (one !== model) return;
    weights.set(key, weight);
    if (!input.matches(":active")) { input.value = weight; label(); }
    if (!input.isConnected && input.dataset.seen) ends();
  });
  made.input.replaceWith(input);
  label();
  return made;
}
