// The view Set up: ports, learning, presets, the rig, who leads the clock, keys of the computer, Web MIDI.

import { h } from "./dom.js";
import { dropping } from "./files.js";
import { playTo, playsTo } from "./keys.js";
import { language, shownHelp, speak, t } from "./language.js";
import { isLearning, learn } from "./learn.js";
import { webMidi } from "./midi.js";
import { ask, command, hear } from "./stage.js";
import { button, control, row, rows } from "./table.js";
import { training } from "./training.js";
import { dress, theme } from "./theme.js";

const PRESETS = 16, PLAYERS = 16;
const narrow = matchMedia("(max-width: 640px)");
const chosen = new Map(); // title: whether the group was opened by hand, or closed

/** The view's elements. */
export function setup() {
  return [h("div", { class: "columns" },
    panel(t("Clock"), control(row("/rnnmuse/transport/source"))),
    panel(t("MIDI ports"), ...ports()),
    panel(t("Learn a controller"), ...learned()),
    panel(t("Presets"), ...presets()),
    panel(t("Rig"), ...rig()),
    panel(t("Files"), ...dropping()),
    panel(t("Train on your own files"), ...training()),
    panel(t("Keys and MIDI of this computer"), ...keyboard(), ...webMidi()),
    panel(t("This page"), ...looks()))];
}

/** A group of settings; on a phone it begins closed, so that all are seen. */
function panel(title, ...children) {
  const made = h("details", { open: chosen.get(title) ?? !narrow.matches }, h("summary", { onclick: () => chosen.set(title, !made.open) }, h("h2", {}, title)), h("div", { class: "stack" }, ...children));
  return h("section", { class: "panel group", "aria-label": title }, made);
}
const help = (address) => h("span", { class: "help" }, shownHelp(row(address)));

/** Call a function with what comes while an element is in the page. */
function hears(element, act) {
  const ends = hear((address, args, sent) => {
    if (!element.isConnected && element.dataset.seen) return ends();
    if (element.isConnected) element.dataset.seen = "1";
    if (!sent) act(address, args);
  });
}

function ports() {
  const lists = { in: h("ul", { class: "ports" }), out: h("ul", { class: "ports" }) }, there = { in: [], out: [] };
  const wanted = new Map(); // "in name": way, name, state, detail
  let coming = { in: [], out: [] };
  const test = (name) => h("button", { type: "button", "aria-label": `${t("Test note on")} ${name}`, title: shownHelp(row("/rnnmuse/midi/test")), onclick: () => command("/rnnmuse/midi/test", name) }, t("Test note"));
  const line = (way, name, full, state, why) => h("li", { class: state }, h("button", { type: "button", class: "port", "aria-pressed": String(Boolean(state)), title: shownHelp(row(state ? "/rnnmuse/midi/close" : "/rnnmuse/midi/open")),
    onclick: () => command(state ? "/rnnmuse/midi/close" : "/rnnmuse/midi/open", way, name) }, h("span", {}, full), h("small", {}, state ? t(state) : t("closed"))),
    way === "out" && state === "open" ? test(name) : null, why ? h("small", {}, why) : null);
  const fill = () => {
    for (const way of ["in", "out"]) {
      const asked = [...wanted.values()].filter((one) => one[0] === way), open = asked.map(([, , state, detail]) => state === "open" && detail);
      lists[way].replaceChildren(...asked.map(([, name, state, detail]) => line(way, name, state === "open" ? detail : name, state, state === "open" ? "" : detail)),
        ...there[way].filter((name) => !open.includes(name)).map((name) => line(way, name, name, "", "")));
      if (!lists[way].children.length) lists[way].append(h("li", { class: "quiet" }, t("There is none.")));
    }
  };
  hears(lists.in, (address, args) => {
    if (address === "state") look();
    else if (address === "/rnnmuse/midi/available") {
      if (args.length) coming[args[0]]?.push(args[1]);
      else {
        Object.assign(there, coming);
        coming = { in: [], out: [] };
        fill();
      }
    } else if ((address === "/rnnmuse/midi/port" || address === "/rnnmuse/midi/state") && args.length) {
      if (args[2] === "closed") wanted.delete(`${args[0]} ${args[1]}`);
      else wanted.set(`${args[0]} ${args[1]}`, args);
      if (address === "/rnnmuse/midi/port") ask("/rnnmuse/midi/available");
      fill();
    }
  });
  const look = () => { wanted.clear(); ask("/rnnmuse/midi/state"); ask("/rnnmuse/midi/available"); };
  fill();
  look();
  return [h("h3", {}, t("Inputs")), lists.in, h("h3", {}, t("Outputs")), lists.out,
    h("div", { class: "row" }, h("button", { type: "button", onclick: look }, t("Look again")), button(row("/rnnmuse/midi/test"), {}, { title: t("Test note on all") })),
    help("/rnnmuse/midi/open"), h("small", {}, t("A port that is lost is opened again when it is back; saving the rig keeps what is open."))];
}

function learned() {
  const list = h("table", {}, h("tbody", {})), body = list.firstChild;
  const start = h("button", { type: "button", id: "learn", "aria-pressed": String(isLearning()), title: shownHelp(row("/rnnmuse/midi/learn")), onclick: () => start.setAttribute("aria-pressed", String(learn())) }, t("Learn"));
  let held = [];
  const fill = () => body.replaceChildren(...held.map(([channel, number, to]) => h("tr", {}, h("td", {}, `ch ${channel} cc ${number}`), h("td", {}, to),
    h("td", {}, h("button", { type: "button", "aria-label": `${t("Forget")} ${to}`, onclick: () => { command("/rnnmuse/midi/unlearn", to); ask("/rnnmuse/midi/map"); } }, t("Forget"))))));
  let coming = [];
  hears(list, (address, args) => {
    if (address === "/rnnmuse/midi/unlearn" || address === "state") ask("/rnnmuse/midi/map");
    if (address !== "/rnnmuse/midi/map") return;
    if (args.length) {
      coming.push(args);
      if (isLearning() || !held.some((one) => one.join() === args.join())) held = [...held.filter((one) => one[0] !== args[0] || one[1] !== args[1]), args];
    } else {
      held = coming;
      coming = [];
    }
    start.setAttribute("aria-pressed", String(isLearning()));
    fill();
  });
  ask("/rnnmuse/midi/map");
  return [h("p", { class: "quiet" }, t("Press Learn, touch any control in any view, then turn a knob of your controller.")), h("div", { class: "row" }, start), list, help("/rnnmuse/midi/learn")];
}

function presets() {
  let storing = false, stored = [];
  const store = h("button", { type: "button", "aria-pressed": "false", title: shownHelp(row("/rnnmuse/preset/store")), onclick: () => { storing = !storing; store.setAttribute("aria-pressed", String(storing)); } }, t("Store"));
  const grid = h("div", { class: "slots small", role: "group", "aria-label": t("Presets") });
  const fill = () => grid.replaceChildren(...Array.from({ length: PRESETS }, (_, i) => h("button", { type: "button", class: stored.includes(i + 1) ? "go" : "", "aria-label": `${t("Preset")} ${i + 1}${stored.includes(i + 1) ? "" : `, ${t("empty")}`}`,
    title: shownHelp(row("/rnnmuse/preset/recall")), data: { to: "/rnnmuse/preset/recall" }, onclick: () => {
      command(storing ? "/rnnmuse/preset/store" : "/rnnmuse/preset/recall", i + 1);
      if (storing) { storing = false; store.setAttribute("aria-pressed", "false"); }
    } }, String(i + 1))));
  hears(grid, (address, args) => {
    if (address === "/rnnmuse/presets") { stored = args; fill(); }
    if (address === "/rnnmuse/preset/store" || address === "state") ask("/rnnmuse/presets");
  });
  fill();
  ask("/rnnmuse/presets");
  return [grid, h("div", { class: "row" }, store), help("/rnnmuse/preset/recall")];
}

function rig() {
  const file = h("input", { type: "file", accept: ".toml", id: "rig-file", hidden: true, onchange: async () => {
    const { load } = await import("./files.js");
    if (file.files[0]) load(file.files[0]);
    file.value = "";
  } });
  return [h("div", { class: "row" }, button(row("/rnnmuse/rig/save"), {}, { title: t("Save into the rig's file") }),
    h("a", { class: "button", href: "/rig.toml", download: "rnnmuse.toml" }, t("Download")),
    h("button", { type: "button", onclick: () => file.click() }, t("Load a rig")), file), help("/rnnmuse/rig/save")];
}

function keyboard() {
  const select = h("select", { id: "keys-player", onchange: () => playTo(Number(select.value)) }, new Option(t("nobody"), 0), ...Array.from({ length: PLAYERS }, (_, i) => new Option(`${t("player")} ${i + 1}`, i + 1)));
  select.value = playsTo();
  return [h("label", { class: "control", htmlFor: "keys-player" }, h("span", { class: "name" }, t("Letters play to")), select),
    h("small", {}, t("A W S E D F T G Y H U J K are a keyboard; Z and X change the octave; space plays and stops; Escape is panic."))];
}

function looks() {
  return [h("div", { class: "row" },
    h("button", { type: "button", onclick: () => dress(theme() === "dark" ? "bright" : "dark") }, t("Dark or bright")),
    h("button", { type: "button", lang: language === "zh" ? "en" : "zh", onclick: () => speak(language === "zh" ? "en" : "zh") }, language === "zh" ? "English" : "中文"),
    h("button", { type: "button", onclick: ({ target }) => target.setAttribute("aria-pressed", String(document.body.classList.toggle("helping"))), "aria-pressed": String(document.body.classList.contains("helping")) }, t("Help on every control"))),
    h("small", {}, `${rows.length} ${t("addresses")}`)];
}
