// The view Pad: a phrase model's latent space under the finger; stored phrases, history, locks, variation, morph.

import { colour, h, paint, pen } from "./dom.js";
import { shownHelp, t } from "./language.js";
import { ask, command, hear, send, value, watch } from "./stage.js";
import { button, control, filled, row } from "./table.js";

const L = "/rnnmuse/player/{p}/latent", PLAYERS = 16, SLOTS = 16, HOLD = 600, STEP = 0.02, REMEMBERED = 64;
const AXES = row(`${L}/map`).arguments[0].choices.filter((word) => word !== "slots");
const phrases = new Map(); // "player slot": notes
let chosen = 1, picked = false, storing = false, locked = new Set(), past = [], future = [];

hear((address, args, sent) => {
  const found = /^\/rnnmuse\/player\/(\d+)\/latent\/phrase$/.exec(address);
  if (!found || sent || !args.length) return;
  const notes = [];
  for (let at = 1; at + 3 < args.length; at += 4) notes.push({ start: args[at], beats: args[at + 1], pitch: args[at + 2] });
  phrases.set(`${found[1]} ${args[0]}`, notes);
});

const hasPad = (player) => value(filled(`${L}/xy`, { p: player })) !== undefined;

/** The view's elements. */
export function pad() {
  const place = h("div", { class: "stack" });
  const select = h("select", { "aria-label": t("Player"), onchange: () => { chosen = Number(select.value); picked = true; past = []; future = []; fill(); } },
    Array.from({ length: PLAYERS }, (_, i) => new Option(`${t("player")} ${i + 1}`, i + 1)));
  let had = null;
  const fill = () => {
    const first = Array.from({ length: PLAYERS }, (_, i) => i + 1).find(hasPad);
    if (first && !picked && !hasPad(chosen)) chosen = first;
    select.value = chosen;
    had = hasPad(chosen);
    const names = { p: chosen }, whose = `${t("player")} ${chosen}`;
    const top = h("div", { class: "pad-top" }, select, control(row("/rnnmuse/player/{p}/model"), names, { whose }), control(row("/rnnmuse/player/{p}/mode"), names, { whose }));
    place.replaceChildren(top, had ? space(chosen, names) : nothing(chosen, names));
  };
  fill();
  const ends = hear((address) => {
    if (!place.isConnected && place.dataset.seen) return ends();
    if (place.isConnected) place.dataset.seen = "1";
    if (address === "state" || (address === filled(`${L}/xy`, { p: chosen }) && hasPad(chosen) !== had)) fill();
  });
  return [place];
}

/** What stands where the pad would be: a way to get one. */
function nothing(player, names) {
  const begin = (model) => {
    command(filled("/rnnmuse/player/{p}/model", names), model);
    command(filled("/rnnmuse/player/{p}/mode", names), "free");
    command(filled("/rnnmuse/player/{p}/started", names), 1);
  };
  return h("section", { class: "panel", "aria-label": t("Pad") }, h("p", {}, t("This player's model has no pad. Choose a phrase model, such as phrases or beats.")),
    h("div", { class: "row" }, [["phrases", "Melodies on the pad"], ["beats", "Drums on the pad"]].map(([model, text]) =>
      h("button", { type: "button", class: "go", onclick: () => begin(model) }, t(text)))));
}

function space(player, names) {
  const at = (word) => filled(`${L}/${word}`, names);
  const dot = h("i", {}), roll = h("canvas", {});
  const axis = { left: h("span", { class: "axis left" }), right: h("span", { class: "axis right" }), top: h("span", { class: "axis top" }), bottom: h("span", { class: "axis bottom" }) };
  const surface = h("div", { class: "pad", id: "pad", role: "slider", tabIndex: 0, "aria-label": t("Pad; arrow keys move"), "aria-valuemin": 0, "aria-valuemax": 1, data: { to: at("xy") }, title: shownHelp(row(`${L}/xy`)) },
    roll, ...Object.values(axis), dot);
  let x = 0.5, y = 0.5, down = new Set();
  const show = (across, up) => {
    [x, y] = [across, up];
    Object.assign(dot.style, { left: `${100 * x}%`, top: `${100 - 100 * y}%` });
    surface.setAttribute("aria-valuenow", +x.toFixed(3));
    surface.setAttribute("aria-valuetext", `x ${x.toFixed(2)}, y ${y.toFixed(2)}`);
  };
  const move = (across, up) => {
    const [a, b] = [across, up].map((one) => Math.round(Math.min(1, Math.max(0, one)) * 1000) / 1000);
    show(a, b);
    send(at("xy"), a, b);
  };
  const point = (event) => {
    const box = surface.getBoundingClientRect();
    if (down.has(event.pointerId)) move((event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height);
  };
  surface.addEventListener("pointerdown", (event) => { down.add(event.pointerId); surface.setPointerCapture(event.pointerId); remember(player); point(event); });
  surface.addEventListener("pointermove", point);
  for (const kind of ["pointerup", "pointercancel"]) surface.addEventListener(kind, ({ pointerId }) => { down.delete(pointerId); look(); });
  surface.addEventListener("keydown", (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key] ?? [];
    if (dx === undefined) return;
    event.preventDefault();
    move(x + dx * STEP, y + dy * STEP);
  });
  keep(surface, at("xy"), (across, up) => across !== undefined && !down.size && show(across, up));
  const mapAcross = h("select", { "aria-label": t("Axis across"), data: { to: at("map") }, onchange: map }, ["slots", ...AXES].map((word) => new Option(t(word), word)));
  const mapUp = h("select", { "aria-label": t("Axis up"), data: { to: at("map") }, onchange: map }, AXES.map((word) => new Option(t(word), word)));
  function map() {
    if (mapAcross.value === "slots") command(at("map"), "slots");
    else if (mapAcross.value !== mapUp.value) command(at("map"), mapAcross.value, mapUp.value);
  }

  keep(surface, at("map"), (across = "", up = "") => {
    const both = across !== "slots";
    axis.left.textContent = both ? `− ${t(across)}` : "";
    axis.right.textContent = both ? `${t(across)} +` : t("stored phrases");
    axis.top.textContent = both ? `${t(up)} +` : "";
    axis.bottom.textContent = both ? `− ${t(up)}` : "";
    for (const one of Object.values(axis)) one.hidden = !one.textContent;
    [mapAcross.value, mapUp.value] = [across || AXES[0], up || AXES[1]];
    mapUp.disabled = !both;
  });

  // -- slots: touch recalls, holding or the store button stores, two fingers morph
  const slots = h("div", { class: "slots", role: "group", "aria-label": t("Stored phrases") });
  const store = h("button", { type: "button", "aria-pressed": String(storing), title: shownHelp(row(`${L}/store`)), onclick: () => { storing = !storing; store.setAttribute("aria-pressed", String(storing)); } }, t("Store"));
  const touched = new Map(); // pointer: slot
  const morphing = { a: 1, b: 2 };
  const fader = control({ ...row(`${L}/morph`), access: "w", arguments: [{ ...row(`${L}/morph`).arguments[2], name: "t" }] }, names, { title: t("morph"), kind: "fader", low: 0, high: 1 });
  const morphInput = fader.input.cloneNode();
  morphInput.value = 0;
  fader.input.replaceWith(morphInput);
  const pick = (which, other) => h("select", { "aria-label": `${t("Morph")} ${which.toUpperCase()}`, onchange: ({ target }) => { morphing[which] = Number(target.value); } },
    Array.from({ length: SLOTS }, (_, i) => new Option(i + 1, i + 1, i + 1 === other, i + 1 === other)));
  const pickA = pick("a", 1), pickB = pick("b", 2);
  const morph = (share) => {
    morphInput.value = share;
    morphInput.style.setProperty("--at", `${100 * share}%`);
    fader.querySelector("output").value = share.toFixed(2);
    send(at("morph"), morphing.a, morphing.b, share);
  };
  morphInput.addEventListener("input", () => morph(Number(morphInput.value)));
  for (let slot = 1; slot <= SLOTS; slot++) {
    const canvas = h("canvas", {});
    const made = h("button", { type: "button", class: "slot", "aria-label": `${t("Phrase")} ${slot}`, data: { slot, to: at("recall") }, title: shownHelp(row(`${L}/recall`)) }, canvas, h("span", {}, String(slot)));
    let timer = 0, stored = false;
    const keepIt = () => { stored = true; made.classList.remove("holding"); command(at("store"), slot); setTimeout(() => ask1(slot), 200); };
    made.addEventListener("pointerdown", (event) => {
      stored = false;
      touched.set(event.pointerId, slot);
      if (touched.size === 2) {
        [morphing.a, morphing.b] = touched.values();
        [pickA.value, pickB.value] = [morphing.a, morphing.b];
        remember(player);
        morph(0.5);
        for (const one of slots.children) one.classList.remove("holding");
        stored = true;
        clearTimeout(timer);
        return;
      }
      made.classList.add("holding");
      timer = setTimeout(keepIt, HOLD);
    });
    made.addEventListener("pointermove", (event) => {
      if (touched.size !== 2 || !touched.has(event.pointerId)) return;
      const box = slots.getBoundingClientRect();
      clearTimeout(timer);
      morph(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
    });
    for (const kind of ["pointerup", "pointercancel", "pointerleave"]) made.addEventListener(kind, ({ pointerId }) => { clearTimeout(timer); made.classList.remove("holding"); touched.delete(pointerId); });
    made.addEventListener("click", () => {
      if (stored) { stored = false; return; }
      if (storing) { keepIt(); stored = false; storing = false; store.setAttribute("aria-pressed", "false"); return; }
      remember(player);
      command(at("recall"), slot);
      look();
    });
    slots.append(made);
  }

  // -- variation with locks, history
  const amount = h("input", { type: "range", id: "vary-amount", min: 0, max: 1, step: 0.01, value: 0.3, "aria-label": t("How far the variation goes") });
  amount.style.setProperty("--at", "30%");
  amount.addEventListener("input", () => amount.style.setProperty("--at", `${100 * amount.value}%`));
  const vary = () => {
    remember(player);
    const held = [...locked].map((axisName) => [axisName, value(at(`axis/${axisName}`))?.[0]]);
    command(at("vary"), Number(amount.value));
    for (const [axisName, was] of held) if (was !== undefined) command(at(`axis/${axisName}`), was);
    look();
  };
  const goTo = (word) => {
    remember(player);
    command(at(word));
    look();
    if (word === "capture") for (let slot = 1; slot <= SLOTS; slot++) setTimeout(ask1, 300 + 20 * slot, slot); // it is stored, too
  };
  const back = h("button", { type: "button", onclick: () => settled(() => travel(past, future, player)), "aria-label": t("Back to the phrase before") }, "↶");
  const forward = h("button", { type: "button", onclick: () => settled(() => travel(future, past, player)), "aria-label": t("Forward again") }, "↷");
  const axes = h("div", { class: "grid" }, AXES.map((word) => {
    const lock = h("button", { type: "button", "aria-pressed": String(locked.has(word)), "aria-label": `${t("Lock")} ${t(word)}`, onclick: () => { locked.delete(word) || locked.add(word); lock.setAttribute("aria-pressed", String(locked.has(word))); } }, t("Lock"));
    const made = control(row(`${L}/axis/{axis}`), { ...names, axis: word }, { title: t(word), whose: `${t("player")} ${player}` });
    return h("div", { class: "row", data: { axis: word } }, h("div", { class: "grow" }, made), lock);
  }));

  const draw = () => {
    paintPhrase(roll, phrases.get(`${player} 0`) ?? [], player, true);
    for (const one of slots.children) paintPhrase(one.firstChild, phrases.get(`${player} ${one.dataset.slot}`) ?? [], player);
    for (const one of axes.children) one.hidden = value(at(`axis/${one.dataset.axis}`)) === undefined;
  };
  const ask1 = (slot) => ask2(at("phrase"), slot);
  let due = 0;
  function look() {
    clearTimeout(due);
    due = setTimeout(() => {
      ask1(0);
      for (const word of AXES) ask(at(`axis/${word}`));
    }, 120);
  }
  for (const word of AXES) keep(surface, at(`axis/${word}`), draw);
  const ends = hear((address, args, sent) => {
    if (!surface.isConnected && surface.dataset.seen) return ends();
    if (surface.isConnected) surface.dataset.seen = "1";
    if (sent) return;
    if (address === at("phrase")) draw();
    else if (address === at("xy") || address === at("map")) look();
    else if (address === at("store")) ask1(args[0]);
    else if (address === filled(L, names) && args.length) learnt(player, args);
  });
  for (let slot = 1; slot <= SLOTS; slot++) setTimeout(ask1, 40 * slot, slot);
  look();
  setTimeout(draw, 0);
  return h("div", { class: "pad-view", style: { "--player": colour(player) } }, surface,
    h("div", { class: "panel" },
      h("div", { class: "row" }, labelled(t("across"), mapAcross), labelled(t("up"), mapUp)),
      h("h2", {}, t("Stored phrases")), slots,
      h("div", { class: "row" }, store, button(row(`${L}/capture`), names, { title: t("Take what was just played"), onclick: () => goTo("capture") }), button(row(`${L}/average`), names, { title: t("Mean of all"), onclick: () => goTo("average") })),
      h("div", { class: "row" }, labelled("A", pickA), labelled("B", pickB), h("div", { class: "grow" }, fader)),
      h("h2", {}, t("Variation")),
      h("div", { class: "row" }, h("button", { type: "button", class: "go", title: shownHelp(row(`${L}/vary`)), data: { to: at("vary") }, onclick: vary }, t("Vary")), h("div", { class: "grow" }, amount), back, forward),
      control(row("/rnnmuse/player/{p}/param/seed"), names, { whose: `${t("player")} ${player}` }),
      axes));
}

const labelled = (text, field) => h("label", { class: "control" }, h("span", { class: "name" }, text), field);
const ask2 = (address, ...args) => command(address, ...args);

/** Follow an address while an element is in the page. */
function keep(element, address, act) {
  const ends = watch(address, (...args) => {
    if (!element.isConnected && element.dataset.seen) return ends();
    act(...args);
  });
}

// -- history: the point before each move is asked, and kept
let asking = null, waiting = null; // where the point that was asked goes, and what waits for the answer
hear((address) => { if (address === "live") asking = waiting = null; }); // what was asked is not answered any more
function remember(player) {
  asking = past;
  waiting = null;
  future = [];
  ask(filled(L, { p: player }));
}
function learnt(player, point) {
  if (!asking) return;
  asking.push(point);
  asking.splice(0, asking.length - REMEMBERED);
  asking = null;
  const act = waiting;
  waiting = null;
  act?.();
}
function settled(act) {
  const before = waiting;
  if (asking) waiting = () => { before?.(); act(); };
  else act();
}
function travel(from, to, player) {
  const point = from.pop();
  if (!point) return;
  asking = to;
  waiting = () => command(filled(L, { p: player }), ...point); // an answer after it would be the point that it sets
  ask(filled(L, { p: player }));
}

function paintPhrase(canvas, notes, player, faint = false) {
  if (!canvas.isConnected || !canvas.clientWidth) return;
  const [brush, width, height] = pen(canvas);
  if (!notes.length) return;
  const long = Math.max(4, Math.ceil(Math.max(...notes.map(({ start, beats }) => start + beats)) / 4) * 4);
  const low = Math.min(...notes.map(({ pitch }) => pitch)) - 2, high = Math.max(...notes.map(({ pitch }) => pitch)) + 2, step = height / (high - low);
  brush.globalAlpha = faint ? 0.35 : 1;
  brush.fillStyle = paint(player);
  for (const { start, beats, pitch } of notes) brush.fillRect(start / long * width, (high - pitch - 0.5) * step, Math.max(2, beats / long * width - 1), Math.max(2, Math.min(step, height / (faint ? 32 : 8))));
}
