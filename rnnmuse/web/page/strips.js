// A strip a player: what it plays with, whether it plays and is heard, and every parameter that the table has.

import { colour, h } from "./dom.js";
import { t } from "./language.js";
import { onNote } from "./notes.js";
import { onParts, partNames } from "./parts.js";
import { command, isLive, value, watch } from "./stage.js";
import { button, control, filled, offered, row, rows } from "./table.js";

const PLAYERS = 16;
const P = "/rnnmuse/player/{p}";
const SHOWN = new Set(["model", "mode", "started", "mute", "solo", "velocity", "start", "stop", "note", "generate"].map((word) =>
  `${P}/${word === "velocity" ? "param/velocity" : word}`));
const FIRST = ["density", "temperature", "repeat", "memory"];
const GROUPS = [
  ["Range", ["low", "high", "polyphony", "humanise", "expression"]], ["Harmony", ["key", "scale", "chord", "pattern"]],
  ["Form", ["turn", "bars", "silence", "steady", "repeat", "recall", "original", "memory"]], ["Chance", ["temperature", "top_p", "seed", "density"]],
  ["Band", ["role", "style"]], ["Routing", ["hears", "target", "when", "channel", "program"]],
];
const MANY = 8; // players beyond which strips are a line each
const narrow = matchMedia("(max-width: 640px)");
const asked = new Set([1]); // players that were added by hand
const chosen = new Map(); // player: whether the strip was folded by hand, or unfolded

const BAND = [["grooves"], ["lieder", "piano"], ["leadsheet"]]; // drums, chords, a tune: the first model that is there
const STYLE = "pop"; // of a band, until another is chosen
const ROLES = ["drums", "chords", "melody"];

/** Whether a player has anything to do. */
const used = (player) => asked.has(player) || (value(filled(`${P}/mode`, { p: player }))?.[0] ?? "off") !== "off"
  || Boolean(value(filled(`${P}/started`, { p: player }))?.[0]);

/** Every strip that is in use, and a button for one more. */
export function strips() {
  const place = h("div", { class: "strips" });
  const add = h("button", { type: "button", class: "add", onclick: () => {
    const next = Array.from({ length: PLAYERS }, (_, i) => i + 1).find((player) => !used(player));
    if (!next) return;
    asked.add(next);
    chosen.set(next, false);
    arrange();
    place.querySelector(`[data-player="${next}"] select`)?.focus();
  } }, t("Add a player"));
  const arrange = () => {
    for (let player = 1; player <= PLAYERS; player++) {
      const there = place.querySelector(`[data-player="${player}"]`);
      if (used(player) && !there) {
        const after = [...place.children].find((one) => Number(one.dataset.player) > player);
        place.insertBefore(strip(player), after ?? null);
      }
    }
    const many = place.children.length > MANY;
    add.hidden = place.children.length >= PLAYERS;
    place.classList.toggle("many", many);
    for (const one of place.children) {
      if (!one.contains(document.activeElement)) fold(one, chosen.get(Number(one.dataset.player)) ?? (many || narrow.matches));
    }
  };
  arrange();
  for (let player = 1; player <= PLAYERS; player++) for (const word of ["mode", "started"]) watch(filled(`${P}/${word}`, { p: player }), arrange);
  return h("section", { "aria-label": t("Players"), class: "stack" }, h("h2", { class: "unseen" }, t("Players")), place, add);
}

/** Show only a strip's first line, or all of it. */
function fold(strip, folded) {
  strip.classList.toggle("folded", folded);
  strip.querySelector(".who").setAttribute("aria-expanded", String(!folded));
}

function strip(player) {
  const names = { p: player }, whose = `${t("player")} ${player}`, at = (word) => row(`${P}/${word}`);
  const parts = h("span", { class: "parts" });
  const press = (word, text, title, look) => control(at(word), names, { whose, title: t(title), text, spoken: t(title), class: look }).input;
  const who = h("button", { type: "button", class: "who", "aria-label": `${whose}: ${t("model, mode and parameters")}`, title: t("model, mode and parameters"), onclick: () => {
    chosen.set(player, !made.classList.contains("folded"));
    fold(made, chosen.get(player));
  } }, String(player));
  const parameters = rows.filter(({ address }) => address.startsWith(`${P}/param/`) && !SHOWN.has(address));
  const first = [...FIRST.map((word) => at(`param/${word}`)).filter(Boolean), at("channel"), at("program")].filter(Boolean);
  const rest = [...parameters.filter((one) => !first.includes(one)),
    ...rows.filter((one) => one.address.startsWith(`${P}/`) && one.access === "rw" && one.arguments.length === 1 && !SHOWN.has(one.address)
      && !/\/(param|norm|latent|part)\//.test(one.address) && !first.includes(one))];
  const acts = rows.filter((one) => one.address.startsWith(`${P}/`) && one.access === "w" && !one.arguments.length && !SHOWN.has(one.address)
    && !/\/latent\/|\/parts$/.test(one.address));
  const made = h("section", { class: "panel strip", "aria-label": whose, data: { player }, style: { "--player": colour(player) } },
    h("div", { class: "head" }, who, parts, press("started", "▶", "Play", "start"), press("mute", "M", "Mute", "mute"), press("solo", "S", "Solo", "")),
    h("div", { class: "two choices" }, control(at("model"), names, { whose }), control(at("mode"), names, { whose })),
    h("div", { class: "level" }, control(at("param/velocity"), names, { whose })),
    h("div", { class: "folds" },
      h("details", {}, h("summary", {}, t("Sound")), h("div", { class: "grid" }, first.map((one) => control(one, names, { whose })))),
      h("details", {}, h("summary", {}, t("Everything")), h("div", { class: "groups" }, grouped(rest).map(([title, some]) =>
        h("div", { class: "group" }, h("h3", {}, t(title)), h("div", { class: "grid" }, some.map((one) => control(one, names, { whose })))))),
        h("div", { class: "row" }, acts.map((one) => button(one, names, { whose }))))));
  let dark = 0;
  const ends = onNote((note) => {
    if (!made.isConnected) return made.dataset.seen ? ends() : undefined;
    made.dataset.seen = "1";
    if (note.player !== player || !note.velocity || note.heard) return;
    who.classList.add("on");
    clearTimeout(dark);
    dark = setTimeout(() => who.classList.remove("on"), 120);
  });
  const change = (whose) => { if (whose === player) parts.textContent = partNames(player); };
  const leaves = onParts((whose) => (made.isConnected || !made.dataset.seen ? change(whose) : leaves()));
  change(player);
  return made;
}

/** Rows in groups that belong together; those that the table has new stand last. */
function grouped(some) {
  const word = (one) => one.address.split("/").pop();
  const known = new Set(GROUPS.flatMap(([, words]) => words));
  return [...GROUPS.map(([title, words]) => [title, some.filter((one) => words.includes(word(one)))]), ["More", some.filter((one) => !known.has(word(one)))]]
    .filter(([, found]) => found.length);
}

/** One button for somebody who is here for the first time: a band that plays. */
export function newcomer() {
  return h("button", { type: "button", class: "go", id: "band", title: t("Drums, chords and a melody begin to play"), onclick: startBand }, t("Start a band"));
}

/** Three players with a model each, in one key, and the clock. */
export function startBand() {
  if (!isLive()) return;
  if (row("/rnnmuse/band")) command("/rnnmuse/band", value("/rnnmuse/band")?.[0] || STYLE);
  else {
    const models = offered("model");
    BAND.forEach((names, i) => {
      const model = names.find((name) => models.includes(name)), p = { p: i + 1 };
      if (!model) return;
      asked.add(i + 1);
      command(filled(`${P}/model`, p), model);
      if (ROLES[i] !== "drums" && !row("/rnnmuse/harmony/key")) command(filled(`${P}/param/key`, p), value(filled(`${P}/param/key`, p))?.[0] || "D minor");
      command(filled(`${P}/started`, p), 1);
      command(filled(`${P}/mode`, p), "free");
    });
    if (row("/rnnmuse/harmony/key") && !value("/rnnmuse/harmony/key")?.[0]) command("/rnnmuse/harmony/key", "D minor");
  }
  if (!value("/rnnmuse/transport/running")?.[0]) command("/rnnmuse/transport/play");
}
