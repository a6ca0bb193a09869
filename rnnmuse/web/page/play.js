// The view Play: the song (key, metre, chords), the roll, and a strip for each player.

import { chart } from "./chart.js";
import { h } from "./dom.js";
import { shownHelp, t } from "./language.js";
import { roll } from "./roll.js";
import { newcomer, strips } from "./strips.js";
import { button, control, follow, row, under } from "./table.js";
import { takes } from "./takes.js";
import { command } from "./stage.js";

const SHOWN = new Set(["play", "stop", "continue", "panic", "running", "tempo", "position", "source", "beat", "metre", "swing", "cue", "render"]);

/** The view's elements. */
export function play() {
  return [
    h("section", { class: "panel song", "aria-label": t("Song") },
      h("div", { class: "row deeds" }, newcomer(), ...takes()),
      chart(),
      h("details", {}, h("summary", {}, t("Metre, swing and more")), h("div", { class: "grid" }, metre(), control(row("/rnnmuse/transport/swing")), ...harmony(), ...more()))),
    roll(),
    strips(),
  ];
}

function metre() {
  const address = "/rnnmuse/transport/metre", [numerator, denominator] = row(address).arguments;
  const above = h("input", { type: "number", min: numerator.low, max: numerator.high, value: 4, "aria-label": t("Beats of a bar"), data: { to: address } });
  const below = h("select", { "aria-label": t("Note value of a beat"), data: { to: address } }, [1, 2, 4, 8, 16, 32].map((n) => new Option(n, n)));
  for (const one of [above, below]) one.addEventListener("change", () => { held(); command(address, Number(above.value), Number(below.value)); });
  const held = follow(address, (n = 4, d = 4) => { above.value = n; below.value = d; });
  return h("div", { class: "control" }, h("span", { class: "name" }, t("metre")), h("div", { class: "row field" }, above, "/", below),
    h("span", { class: "help" }, shownHelp(row(address))));
}

/** What else steers the harmony, beside key and chart. */
const harmony = () => under("/rnnmuse/harmony/").filter(({ address, access, arguments: args }) => access === "rw" && args.length === 1 && !/\/(key|chart)$/.test(address))
  .map((one) => control(one));

/** What the table has for the whole stage beside what is shown already, such as a band or an ending. */
function more() {
  const found = under("/rnnmuse/").filter(({ address, access, arguments: args }) => access !== "r" && !address.includes("{")
    && !/^\/rnnmuse\/(midi|preset|presets|rig|cover|text|harmony)\b/.test(address) && address.split("/").length >= 3
    && !(address.startsWith("/rnnmuse/transport/") && SHOWN.has(address.split("/")[3]))
    && !/^\/rnnmuse\/(hello|ping|sync|list|describe|subscribe|unsubscribe|claim|watch|reply_to|probe|probed|stats|models|monitor|provenance|sessions|lead)$/.test(address)
    && args.filter((one) => !one.optional).length <= 1);
  return found.map((one) => {
    const title = t(one.address.replace(/^\/rnnmuse\/(transport\/)?/, "").replaceAll("/", " "));
    if (one.access === "rw" && one.arguments.length === 1) return control(one, {}, { title });
    if (one.arguments.length === 1 && one.arguments[0].choices.length) return chosen(one, title);
    if (one.arguments.some((argument) => !argument.optional)) return control(one, {}, { title });
    return h("div", { class: "control" }, button(one, {}, { title }), h("span", { class: "help" }, shownHelp(one)));
  });
}

/** A command that takes one of some words. */
function chosen(one, title) {
  const select = h("select", { "aria-label": title, data: { to: one.address } }, one.arguments[0].choices.map((word) => new Option(t(word), word)));
  return h("div", { class: "control" }, h("span", { class: "name" }, title),
    h("div", { class: "row field" }, select, h("button", { type: "button", onclick: () => command(one.address, select.value) }, t("Do it"))),
    h("span", { class: "help" }, shownHelp(one)));
}
