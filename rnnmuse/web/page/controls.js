// The strip of controls. Whatever has data-to sends to that address and shows what comes from it.

const form = document.getElementById("controls");
const chosen = { p: 1, v: 1 };
const PLAYERS = 16, ROWS = 4;
const touched = new Set();
let send;

/** Make the controls; ``sender`` takes an address and arguments. */
export function controls(sender, colour) {
  send = sender;
  for (let n = 1; n <= ROWS; n++) addPlayer(n, colour(n));
  const voice = document.getElementById("v");
  for (let n = 1; n <= PLAYERS; n++) voice.add(new Option(n));
  voice.addEventListener("change", () => { chosen.v = Number(voice.value); ask(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", ({ target }) => {
    if (target.matches("button[data-to]")) send(to(target), ...JSON.parse(target.dataset.values ?? "[]"));
  });
  for (const kind of ["input", "change"]) form.addEventListener(kind, (event) => changed(event.target, kind));
  pad(document.getElementById("pad"));
}

/** Ask for every value that is shown. */
export function ask() {
  send("/rnnmuse/models");
  send("/rnnmuse/text/models");
  for (const element of form.querySelectorAll("input[data-to], select[data-to], #pad")) {
    if (element.type !== "text" && !element.closest("#mix")) send(to(element));
  }
}

/** A message has come: what shows its address shows its value. */
export function shown(address, values) {
  if (address === "/rnnmuse/models") options(document.getElementById("models"), values);
  if (address === "/rnnmuse/text/models") values.forEach(addFader);
  if (address.endsWith("/start")) send(address.replace("start", "mode")); // a player that was off is free now
  for (const element of form.querySelectorAll("[data-to]")) {
    if (to(element) !== address || !values.length || element.matches("button, :active")) continue;
    if (element.id === "pad") place(element, ...values);
    else if (element.dataset.model) element.value = element.dataset.model === values[0] ? values[1] : element.value;
    else if (element.type !== "text") element.value = typeof values[0] === "number" ? +values[0].toFixed(3) : values[0];
  }
}

function to(element) {
  return element.dataset.to.replace(/\{([pv])\}/, (_, name) => chosen[name]);
}

function changed(element, kind) {
  if (!element.dataset.to || (kind === "input") !== (element.type === "range")) return;
  if (element.dataset.model) return mixed(element);
  const number = element.type !== "text" && !Number.isNaN(Number(element.value));
  if (!number || element.value !== "") send(to(element), number ? Number(element.value) : element.value);
  if (element.type === "text") element.value = "";
}

function addPlayer(n, colour) {
  const players = document.getElementById("players");
  const row = players.querySelector("template").content.cloneNode(true).firstElementChild;
  for (const element of row.querySelectorAll("[data-to]")) {
    element.dataset.to = element.dataset.to.replace("{n}", n);
    element.setAttribute("aria-label", `${element.matches("select") ? "Mode" : element.textContent} of player ${n}`);
  }
  const radio = row.querySelector("input");
  radio.checked = n === chosen.p;
  radio.setAttribute("aria-label", `Faders for player ${n}`);
  radio.addEventListener("change", () => { document.getElementById("p").textContent = chosen.p = n; ask(); });
  row.querySelector("span").textContent = n;
  row.style.setProperty("--voice", colour);
  row.setAttribute("aria-label", `Player ${n}`);
  players.append(row);
}

function addFader(model) {
  const mix = document.getElementById("mix");
  if (mix.querySelector(`[data-model="${CSS.escape(model)}"]`)) return;
  const label = document.createElement("label"), fader = document.createElement("input");
  Object.assign(fader.dataset, { to: "/rnnmuse/text/{v}/mix", model });
  Object.assign(fader, { type: "range", min: 0, max: 1, step: 0.01, value: model === "shakespeare" ? 1 : 0 }); // as voices begin
  label.append(model, " ", fader);
  mix.append(label);
}

function mixed(fader) { // the first move of a voice sends every fader: what is heard is what they show
  const all = [...form.querySelectorAll("[data-model]")];
  for (const one of touched.has(chosen.v) ? [fader] : all) send(to(one), one.dataset.model, Number(one.value));
  touched.add(chosen.v);
}

function options(select, names) {
  const value = select.value;
  select.replaceChildren(...names.map((name) => new Option(name)));
  select.value = value;
  if (!value) send(to(select)); // it answered before its name was in the list
}

function pad(element) {
  const move = (x, y) => {
    const [across, up] = [x, y].map((value) => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000);
    place(element, across, up);
    send(to(element), across, up);
  };
  const point = (event) => {
    const box = element.getBoundingClientRect();
    if (event.buttons) move((event.clientX - box.left) / box.width, (box.bottom - event.clientY) / box.height);
  };
  element.addEventListener("pointerdown", (event) => { element.setPointerCapture(event.pointerId); point(event); });
  element.addEventListener("pointermove", point);
  element.addEventListener("keydown", (event) => {
    const [x, y] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key] ?? [];
    if (x === undefined) return;
    event.preventDefault();
    move(Number(element.dataset.x ?? 0.5) + x * 0.02, Number(element.dataset.y ?? 0.5) + y * 0.02);
  });
}

function place(element, x, y) {
  Object.assign(element.dataset, { x, y });
  Object.assign(element.firstElementChild.style, { left: `${100 * x}%`, top: `${100 - 100 * y}%` });
  element.setAttribute("aria-valuenow", x);
  element.setAttribute("aria-valuetext", `x ${x.toFixed(2)}, y ${y.toFixed(2)}`);
}
