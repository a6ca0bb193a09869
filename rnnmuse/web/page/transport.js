// The bar at the top of every view: play and stop, panic, place, tempo with tap, sound, language, theme, help.

import { beatAt, isRunning, metre } from "./clock.js";
import { h } from "./dom.js";
import { language, shownHelp, speak, t } from "./language.js";
import { isOn, switchSound } from "./sound.js";
import { command, hear, send, value, watch } from "./stage.js";
import { row } from "./table.js";
import { dress, theme } from "./theme.js";

const TAPS = 8, FORGET = 2000;
const TEMPO = "/rnnmuse/transport/tempo";
const help = (address) => (row(address) ? shownHelp(row(address)) : "");

/** Run on or stand still; from the beginning where the clock was never set going. */
export function toggle() {
  command(isRunning() ? "/rnnmuse/transport/stop" : "/rnnmuse/transport/play");
}

/** End every note. */
export const panic = () => command("/rnnmuse/transport/panic");

/** Fill the bar. */
export function transport(bar) {
  const play = h("button", { type: "button", class: "go", onclick: toggle, "aria-keyshortcuts": "Space", title: help("/rnnmuse/transport/play"), data: { to: "/rnnmuse/transport/play" } }, t("Play"));
  const stop = h("button", { type: "button", class: "panic", onpointerdown: ({ button }) => button || panic(), onclick: ({ detail }) => detail || panic(), "aria-keyshortcuts": "Escape", title: help("/rnnmuse/transport/panic"), data: { to: "/rnnmuse/transport/panic" } }, t("Panic"));
  const beats = h("span", { id: "beats", "aria-hidden": "true" });
  const place = h("span", { class: "place number", id: "place", title: t("bar and beat"), role: "img" });
  const bpm = h("input", { type: "number", id: "tempo", min: 20, max: 999, step: "any", inputMode: "decimal", "aria-label": t("Tempo in beats a minute"), title: help(TEMPO), data: { to: TEMPO },
    onchange: () => bpm.value && command(TEMPO, Number(bpm.value)) });
  const step = (by, sign, name) => h("button", { type: "button", "aria-label": name, onclick: () => send(TEMPO, Math.min(999, Math.max(20, Math.round((value(TEMPO)?.[0] ?? 120) + by)))) }, sign);
  const tap = h("button", { type: "button", onclick: tapped, title: t("Tap the beat") }, t("Tap"));
  const sound = h("button", { type: "button", "aria-pressed": String(isOn()), title: t("Sound in this page"), "aria-label": t("Sound"), onclick: () => sound.setAttribute("aria-pressed", String(switchSound())) }, h("span", { class: "wide-only" }, t("Sound")), h("span", { class: "narrow-only", "aria-hidden": "true" }, "♪"));
  const dark = h("button", { type: "button", class: "wide-only", title: t("Dark or bright"), "aria-label": t("Dark or bright"), onclick: () => dress(theme() === "dark" ? "bright" : "dark") }, "◐");
  const words = h("button", { type: "button", class: "wide-only", lang: language === "zh" ? "en" : "zh", title: language === "zh" ? "English" : "中文", onclick: () => speak(language === "zh" ? "en" : "zh") }, language === "zh" ? "EN" : "中文");
  const question = h("button", { type: "button", class: "wide-only", "aria-pressed": "false", title: t("Help on every control"), "aria-label": t("Help on every control"),
    onclick: () => question.setAttribute("aria-pressed", String(document.body.classList.toggle("helping"))) }, "?");
  bar.replaceChildren(play, stop, beats, place, h("span", { class: "tempo" }, step(-1, "−", t("Slower")), bpm, step(1, "+", t("Faster"))), tap,
    h("span", { class: "end" }, sound, question, words, dark));

  watch(TEMPO, (now) => { if (now !== undefined && document.activeElement !== bpm) bpm.value = +now.toFixed(1); });
  watch("/rnnmuse/transport/metre", (count = 4) => beats.replaceChildren(...Array.from({ length: Math.min(16, count) }, () => h("i"))));
  watch("/rnnmuse/transport/running", (running = 0) => {
    play.textContent = running ? t("Stop") : t("Play");
    play.setAttribute("aria-pressed", String(Boolean(running)));
    show();
  });
  const show = () => {
    const { beats: long, count, denominator } = metre(), beat = Math.max(0, beatAt() + 0.02), bar = Math.floor(beat / long);
    const inside = Math.min(count - 1, Math.floor((beat - bar * long) * denominator / 4));
    place.textContent = `${bar + 1}.${inside + 1}`;
    place.setAttribute("aria-label", `${t("bar")} ${bar + 1}, ${t("beat")} ${inside + 1}`);
    [...beats.children].forEach((dot, i) => dot.classList.toggle("on", isRunning() && i === inside));
  };
  hear((address) => address === "/rnnmuse/beat" && show());
  show();
}

let taps = [];
/** Tempo by taps: the mean of the last ones; a pause begins again. */
function tapped() {
  const now = performance.now();
  taps = [...(now - (taps.at(-1) ?? -Infinity) > FORGET ? [] : taps), now].slice(-TAPS);
  if (taps.length < 3) return;
  const bpm = 60000 * (taps.length - 1) / (now - taps[0]);
  command(TEMPO, Math.min(999, Math.max(20, Math.round(bpm * 10) / 10)));
}
