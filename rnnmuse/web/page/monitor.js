// The view Monitor: every message in and out, with a filter; a line is copied by a click; lateness and health.

import { h } from "./dom.js";
import { t } from "./language.js";
import { frames } from "./roll.js";
import { say } from "./said.js";
import { late } from "./sound.js";
import { ask, command, hear } from "./stage.js";

const MOST = 400, EVERY = 1000, LEASE = 30;
const STATS = ["notes in", "notes out", "median lateness", "p99 lateness", "p99.9 lateness", "worst lateness", "notes dropped", "engines begun anew"];
const kept = [];
let paused = false, filter = "";

/** The view's elements. */
export function monitor() {
  const list = h("ul", { class: "lines", tabIndex: 0, "aria-label": t("Messages") }), facts = h("dl", { class: "facts" });
  const field = h("input", { type: "search", value: filter, placeholder: "/rnnmuse/out", "aria-label": t("Filter"), oninput: () => { filter = field.value; fill(); } });
  const pause = h("button", { type: "button", "aria-pressed": String(paused), onclick: () => { paused = !paused; pause.setAttribute("aria-pressed", String(paused)); } }, t("Pause"));
  const line = ({ way, text, from }) => h("li", { class: way }, h("button", { type: "button", title: t("Copy"), onclick: () => copy(text) }, h("b", {}, way === "in" ? "→" : "←"), h("span", {}, text), from ? h("small", {}, from) : null));
  const shown = (one) => !filter || one.text.includes(filter);
  const fill = () => list.replaceChildren(...kept.filter(shown).slice(-MOST / 2).map(line));
  let new_ = [], due = 0;
  const show = () => {
    due = 0;
    const low = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    list.append(...new_.slice(-MOST / 2).map(line));
    new_ = [];
    while (list.children.length > MOST / 2) list.firstChild.remove();
    if (low) list.scrollTop = list.scrollHeight;
  };
  const ends = hear((address, args, sent) => {
    if (!list.isConnected && list.dataset.seen) return finish();
    if (list.isConnected) list.dataset.seen = "1";
    if (address === "/rnnmuse/stats" && args.length && !sent) return tell(args);
    if (sent || paused || ["live", "state", "recording", "job", "/rnnmuse/stats"].includes(address)) return;
    const one = address === "/rnnmuse/monitored" ? { way: "in", text: line1(args[1], JSON.parse(safe(args[2]))), from: args[0] } : { way: "out", text: line1(address, args) };
    kept.push(one);
    if (kept.length > MOST) kept.splice(0, MOST / 4);
    if (!shown(one)) return;
    new_.push(one);
    due ||= setTimeout(show, 100); // a flood is shown in portions
  });
  const watchIt = () => command("/rnnmuse/monitor", LEASE);
  watchIt();
  ask("/rnnmuse/stats");
  const asks = setInterval(() => ask("/rnnmuse/stats"), EVERY), renews = setInterval(watchIt, LEASE * 500);
  function finish() {
    ends();
    clearInterval(asks);
    clearInterval(renews);
    command("/rnnmuse/monitor", 0);
  }
  const tell = (args) => {
    const own = [[t("frame in this page"), median(frames)], [t("sound late in this page"), late.length ? Math.max(...late) : 0]];
    facts.replaceChildren(...STATS.map((name, i) => [t(name), typeof args[i] === "number" && name.includes("lateness") ? `${args[i].toFixed(2)} ms` : String(args[i])]).concat(own.map(([name, ms]) => [name, `${ms.toFixed(1)} ms`]))
      .map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));
  };
  fill();
  return [facts, h("div", { class: "row" }, h("div", { class: "grow" }, field), pause, h("button", { type: "button", onclick: () => { kept.length = 0; fill(); } }, t("Clear"))),
    h("p", { class: "quiet" }, t("→ came in, ← was sent. A click copies a line as it can be pasted.")), list];
}

const safe = (text) => { try { JSON.parse(text); return text; } catch { return JSON.stringify([text]); } };
const line1 = (address, args) => [address, ...args.map((one) => (typeof one === "string" ? JSON.stringify(one) : Number.isInteger(one) ? one : +one.toFixed(4)))].join(" ");
const median = (times) => (times.length ? [...times].sort((a, b) => a - b)[times.length >> 1] : 0);

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${t("Copied")}: ${text}`, true);
  } catch {
    say(text, true); // without a secure context there is no clipboard: the line can be selected
  }
}
