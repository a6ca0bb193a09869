// The protocol's table as the server gives it, and a control for each of its rows: name, range, unit and help are the row's.

import { fresh, h } from "./dom.js";
import { shownHelp, t } from "./language.js";
import { ask, command, isLive, send, value, watch } from "./stage.js";

/** Every row: address, access, doc, arguments. */
export const rows = await (await fetch("/table.json")).json();
const byAddress = new Map(rows.map((row) => [row.address, row]));

/** The row of an address as the table writes it, such as /rnnmuse/player/{p}/mode. */
export const row = (address) => byAddress.get(address);

/** The rows whose address begins so. */
export const under = (prefix) => rows.filter((one) => one.address.startsWith(prefix));

/** An address with its variables filled in. */
export const filled = (address, names) => address.replace(/\{(\w+)\}/g, (_, name) => names[name] ?? names.p);

/** The word that a control is called by. */
export const nameOf = (one) => t(one.address.split("/").pop().replaceAll("_", " "));

const lists = new Map(); // what may be typed or chosen in a text: models, keys
/** Offer these words wherever a row of this kind is shown: "model", "text model", "key", "chord", "scale". */
export function offer(kind, words) {
  lists.set(kind, words);
  for (const act of acts) act(kind);
  for (const select of document.querySelectorAll(`select[data-offers="${kind}"]`)) fill(select, words, select.value);
  const list = document.getElementById(`list-${kind}`);
  if (list) list.replaceChildren(...words.map((word) => new Option(word)));
}

const acts = new Set();
/** Call a function with the kind of each list that is new; returns what ends it. */
export function onOffer(act) {
  acts.add(act);
  return () => acts.delete(act);
}
export const offered = (kind) => lists.get(kind) ?? [];

function fill(select, words, chosen) {
  const all = chosen && !words.includes(chosen) ? [chosen, ...words] : words;
  select.replaceChildren(...all.map((word) => new Option(t(word), word)));
  select.value = chosen;
}

const OFFERS = { model: "model", key: "key", scale: "scale", chord: "chord" };
const TITLES = { velocity: "level" };
const MOST_STEPS = 1000;

/** How a value is written. */
export function written(argument, number) {
  if (typeof number !== "number") return String(number);
  const shown = argument.kind === "i" ? String(number) : String(+number.toFixed(Math.abs(number) < 10 ? 2 : 1));
  return argument.unit ? `${shown} ${t(argument.unit)}` : shown;
}

const HELD = 400; // ms for which a control shows what the hand does, and not what comes: an answer to what it did before
/** Follow an address with a control; returns what to call when a hand is on it. */
export function follow(address, show) {
  let held = 0;
  const settle = (...words) => performance.now() > held && show(...words);
  watch(address, settle);
  return () => { held = performance.now() + HELD; setTimeout(() => settle(...(value(address) ?? [])), HELD + 50); };
}

/** A control for a row that holds one value. ``names`` fill the address; ``options`` may give title, low, high, step. */
export function control(one, names = {}, options = {}) {
  const address = filled(one.address, names), [argument] = one.arguments, id = fresh("control");
  const title = options.title ?? t(TITLES[one.address.split("/").pop()] ?? one.address.split("/").pop().replaceAll("_", " "));
  const said = options.spoken ?? options.text ?? title, spoken = options.whose ? `${said}, ${options.whose}` : said;
  const low = options.low ?? argument.low, high = options.high ?? argument.high;
  const help = h("span", { class: "help", id: `${id}-help` }, shownHelp(one));
  const common = { id, "aria-label": spoken, "aria-describedby": `${id}-help`, data: { to: address }, title: shownHelp(one) };
  const last = one.access === "rw" ? () => value(address)?.[0] : () => undefined;
  const kind = kindOf(one, argument, options);
  let held = 0; // until when what the hand does is shown, and not what comes
  const touch = () => { held = performance.now() + HELD; setTimeout(() => performance.now() > held && show(last()), HELD + 50); };
  const put = (word, now = false) => { touch(); (now ? command : send)(address, word); };
  let made, show;

  if (kind === "switch") {
    made = h("button", { ...common, type: "button", "aria-pressed": "false", class: options.class ?? "",
      onclick: () => put(made.getAttribute("aria-pressed") === "true" ? 0 : 1, true) }, options.text ?? title);
    show = (word) => word !== undefined && made.setAttribute("aria-pressed", String(word >= 0.5));
    bind();
    return Object.assign(h("div", { class: "control" }, made, help), { input: made });
  }
  if (kind === "choice") {
    const words = argument.choices.length ? argument.choices : offered(OFFERS[one.address.split("/").pop()]);
    made = h("select", { ...common, onchange: () => put(made.value, true) });
    if (!argument.choices.length) made.dataset.offers = options.offers ?? OFFERS[one.address.split("/").pop()];
    fill(made, words, "");
    show = (word) => {
      if (word === undefined) return;
      if (![...made.options].some((option) => option.value === word)) made.add(new Option(t(word), word));
      made.value = word;
    };
  } else if (kind === "text") {
    const offers = options.offers ?? OFFERS[one.address.split("/").pop()];
    made = h("input", { ...common, type: "text", maxLength: 1000, autocomplete: "off", spellcheck: false, dir: "auto",
      placeholder: options.placeholder ?? "", onchange: () => { put(made.value, true); if (one.access === "w") made.value = ""; } });
    if (offers) made.setAttribute("list", datalist(offers));
    show = (word) => word !== undefined && document.activeElement !== made && (made.value = word);
  } else if (kind === "number") {
    made = h("input", { ...common, type: "number", min: low ?? "", max: high ?? "", step: argument.kind === "i" ? 1 : "any", inputMode: "decimal",
      onchange: () => made.value !== "" && put(Number(made.value), true) });
    show = (word) => word !== undefined && document.activeElement !== made && (made.value = +Number(word).toFixed(3));
  } else {
    const output = h("output", { htmlFor: id });
    const step = options.step ?? (argument.kind === "i" ? 1 : (high - low) / 200);
    made = h("input", { ...common, type: "range", min: low, max: high, step,
      oninput: () => { label(Number(made.value)); put(Number(made.value)); } });
    const label = (word) => {
      output.value = written(argument, word);
      made.setAttribute("aria-valuetext", written(argument, word));
      made.style.setProperty("--at", `${Math.min(100, Math.max(0, 100 * (word - low) / (high - low)))}%`);
    };
    show = (word) => { if (word !== undefined) { made.value = word; label(word); } };
    label(low);
    bind();
    return Object.assign(h("div", { class: "control" }, h("label", { class: "name", htmlFor: id }, title), output, made, help), { input: made });
  }
  bind();
  return Object.assign(h("div", { class: "control" }, h("label", { class: "name", htmlFor: id }, title), made, help), { input: made });

  function bind() {
    if (one.access !== "rw") return;
    const shown = (word) => performance.now() > held && show(word);
    const ends = watch(address, (word) => {
      if (made.isConnected) made.dataset.seen = "1";
      else if (made.dataset.seen) return ends(); // its view is gone
      shown(word);
    });
  }
}

function kindOf(one, argument, options) {
  if (options.kind) return options.kind;
  if (argument.choices.length || one.address.endsWith("/model")) return "choice";
  if (argument.kind === "s") return "text";
  if (argument.kind === "i" && argument.low === 0 && argument.high === 1) return "switch";
  if (argument.low === null || argument.high === null) return "number";
  return argument.high - argument.low > MOST_STEPS ? "number" : "fader";
}

function datalist(kind) {
  const id = `list-${kind}`;
  if (!document.getElementById(id)) {
    document.body.append(h("datalist", { id }, offered(kind).map((word) => new Option(word))));
  }
  return id;
}

/** A button for a row without arguments, or with the arguments given. */
export function button(one, names = {}, { title, whose, args = [], ...more } = {}) {
  const id = fresh("button"), address = filled(one.address, names), text = title ?? nameOf(one);
  return h("button", { type: "button", title: shownHelp(one), data: { to: address }, "aria-label": whose ? `${text}, ${whose}` : undefined,
    id, onclick: () => command(address, ...args), ...more }, text);
}

/** Ask the stage for what has no address of its own to watch: models and their like. */
export function askLists() {
  if (!isLive()) return;
  for (const address of ["/rnnmuse/models", "/rnnmuse/text/models", "/rnnmuse/presets"]) ask(address);
}
