// Key and chords: a chart of bars that turns with the clock, the chord that holds and the one that comes lit.

import { beatAt, isRunning, metre } from "./clock.js";
import { fresh, h } from "./dom.js";
import { shownHelp, t } from "./language.js";
import { command, hear, value, watch } from "./stage.js";
import { filled, follow, offer, row } from "./table.js";

const PLAYERS = 16, TONICS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const CHART = "/rnnmuse/harmony/chart", KEY = "/rnnmuse/harmony/key";
const EXAMPLES = ["Dm | Gm | A7 | Dm", "Am7 | D7 | Gmaj7 | Cmaj7", "C | G | Am | F", "Em | C | G | D"];

offer("key", ["", ...TONICS.flatMap((tonic) => [`${tonic} major`, `${tonic} minor`])]);

/** The bars of a chart: a list of lists of chords; % is the bar before. */
export function bars(text) {
  const out = [];
  for (const bar of text.split("|").map((part) => part.trim()).filter(Boolean)) {
    const chords = bar.split(/\s+/);
    out.push(chords.length === 1 && chords[0] === "%" ? out.at(-1) ?? [] : chords);
  }
  return out;
}

/** Key, chart and its cells. */
export function chart() {
  const hasRows = Boolean(row(CHART)), keyId = fresh("key"), chartId = fresh("chart");
  const key = h("select", { id: keyId, data: { to: hasRows ? KEY : "/rnnmuse/player/{p}/param/key" }, title: hasRows ? shownHelp(row(KEY)) : "", onchange: () => { held(); setKey(key.value); } },
    new Option(t("free"), ""), ...TONICS.flatMap((tonic) => [new Option(`${tonic} ${t("major")}`, `${tonic} major`), new Option(`${tonic} ${t("minor")}`, `${tonic} minor`)]));
  const field = h("input", { id: chartId, type: "text", maxLength: 1000, spellcheck: false, autocomplete: "off", list: "list-charts", placeholder: EXAMPLES[0],
    title: hasRows ? shownHelp(row(CHART)) : "", data: { to: hasRows ? CHART : "/rnnmuse/player/{p}/param/chord" }, onchange: () => setChart(field.value) });
  const charts = h("datalist", { id: "list-charts" }, EXAMPLES.map((one) => new Option(one)));
  const cells = h("ol", { class: "chart", "aria-label": t("Chords, a bar each") });
  const now = h("span", { class: "unseen", role: "status" });
  let text = hasRows ? "" : localStorage.getItem("chart") ?? "", lit = -1, heardChord = "", turn = 0, seen = [], held = () => {};

  const fill = () => {
    cells.replaceChildren(...bars(text).map((bar) => h("li", {}, bar.join(" "))));
    cells.hidden = !cells.children.length;
    [lit, turn, seen] = [-1, 0, []];
    light();
  };
  const light = () => {
    const count = cells.children.length;
    if (!count) return;
    const bar = (Math.floor((beatAt() + 0.02) / metre().beats) + turn) % count;
    if (bar === lit && isRunning()) return;
    lit = bar;
    [...cells.children].forEach((cell, i) => {
      cell.classList.toggle("now", isRunning() && i === bar);
      cell.classList.toggle("coming", isRunning() && i === (bar + 1) % count && count > 1);
      if (isRunning() && i === bar) cell.setAttribute("aria-current", "true");
      else cell.removeAttribute("aria-current");
    });
  };
  function setChart(next) {
    if (hasRows) return command(CHART, next.trim());
    text = next.trim();
    localStorage.setItem("chart", text);
    fill();
    if (!text) each((p) => command(filled("/rnnmuse/player/{p}/param/chord", { p }), ""));
  }

  if (hasRows) {
    held = follow(KEY, (word = "") => {
      if (![...key.options].some((option) => option.value === word)) key.add(new Option(word, word));
      key.value = word;
    });
    watch(CHART, (word = "") => {
      text = word;
      if (document.activeElement !== field || field.value.trim() === word) field.value = word;
      fill();
    });
  } else {
    field.value = text;
    watch("/rnnmuse/player/1/param/key", (word = "") => { key.value = word; });
  }
  fill();
  const ends = hear((address, args) => {
    if (!cells.isConnected && cells.dataset.seen) return ends();
    if (cells.isConnected) cells.dataset.seen = "1";
    if (address === "/rnnmuse/out/harmony/coming") align(args);
    else if (address === "/rnnmuse/beat") {
      light();
      if (!hasRows) step(args[0]);
    } else if (address === "/rnnmuse/out/harmony" && args[1] !== heardChord) {
      align([args[0], args[1]]);
      heardChord = args[1];
      chord.textContent = heardChord || "–";
    }
  });
  /** A chart begins at the bar line after it was given: where it is now shows in the chords that the stage plays. */
  function align(pairs) {
    const all = bars(text);
    for (let at = 0; at + 1 < pairs.length; at += 2) seen.push([Math.floor((pairs[at] + 0.02) / metre().beats), pairs[at + 1]]);
    seen = seen.slice(-4 * Math.max(1, all.length));
    const fits = (by) => seen.filter(([at, word]) => all[(at + by) % all.length]?.includes(word)).length;
    const best = all.map((_, by) => by).sort((a, b) => fits(b) - fits(a) || (a === turn ? -1 : b === turn ? 1 : a - b))[0] ?? 0;
    if (best !== turn) { turn = best; lit = -1; light(); }
  }
  /** Without rows of its own: each player that plays gets the bar's chord just before the bar. */
  function step(beat) {
    const chords = bars(text), { beats } = metre();
    if (!chords.length || (beat + 1) % beats >= 1) return;
    const [first] = chords[Math.round((beat + 1) / beats) % chords.length];
    each((p) => command(filled("/rnnmuse/player/{p}/param/chord", { p }), first));
  }
  watch("/rnnmuse/transport/running", () => { lit = -1; light(); });
  const chord = h("b", { id: "chord" }, "–");
  return h("div", { class: "harmony" },
    h("div", { class: "control" }, h("label", { class: "name", htmlFor: keyId }, t("key")), key, help(KEY, hasRows)),
    h("div", { class: "control" }, h("label", { class: "name", htmlFor: chartId }, t("chords, a bar between | and |")), h("output", {}, hasRows ? [t("now"), " ", chord] : ""), field, help(CHART, hasRows)),
    charts, cells, now);
}

const help = (address, there) => h("span", { class: "help" }, there ? shownHelp(row(address)) : "");

/** A key for all players. */
function setKey(key) {
  if (row(KEY)) return command(KEY, key);
  each((p) => command(filled("/rnnmuse/player/{p}/param/key", { p }), key));
}

/** Every player that is in use. */
function each(act) {
  for (let p = 1; p <= PLAYERS; p++) {
    if (p === 1 || (value(filled("/rnnmuse/player/{p}/mode", { p }))?.[0] ?? "off") !== "off") act(p);
  }
}
