// The page's line to rnnmuse, and what each message does. A message is a JSON array: an OSC address, its arguments.
import { ask, controls, shown } from "./controls.js";
import { show } from "./cover.js";
import { end, note } from "./roll.js";
import { clear, colour, say } from "./words.js";

const PICTURES = 8; // a second, if nobody has asked for any yet
const parts = new URLSearchParams(location.search).get("show")?.split(",") ?? [];
const wants = (part) => !parts.length || parts.includes(part) || parts.includes("all");
if (parts.length) document.body.classList.add("show", ...["words", "cover", "roll"].filter(wants));

let socket, beating = 0, waiting = new Map(), forget;
const byId = (id) => document.getElementById(id);

/** Send a message; of several to one address within a frame, a fader's, only the last. */
function send(address, ...values) {
  if (!waiting.size) requestAnimationFrame(flush);
  waiting.set(address.endsWith("/mix") ? `${address} ${values[0]}` : address, JSON.stringify([address, ...values]));
}

function flush() {
  if (socket.readyState === WebSocket.OPEN) for (const message of waiting.values()) socket.send(message);
  waiting.clear();
}

function now(address, ...values) { // at once, even in a page that is not drawn
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify([address, ...values]));
}

function take([address, ...values]) {
  const [, , kind, part, whose] = address.split("/");
  if (address === "live") return live(values[0]);
  if (address === "/rnnmuse/beat") beat(...values);
  else if (address === "/rnnmuse/error") fail(...values);
  else if (kind === "out" && part === "text") say(Number(whose), values[0], values[2]);
  else if (kind === "out") note(Number(part), values[0], values[1]);
  else if (address === "/rnnmuse/transport/panic" || address === "/rnnmuse/transport/stop") stopped();
  else if (kind === "text" && whose === "reset") clear(Number(part));
  if (address === "/rnnmuse/transport/tempo" && values.length) byId("bpm").textContent = values[0].toFixed(1);
  if (address === "/rnnmuse/cover/stream" && wants("cover") && values[0] === 0 && !live.asked) {
    live.asked = true;
    send(address, values[0] = PICTURES);
  }
  shown(address, values);
}

function live(there) {
  document.body.classList.toggle("away", !there);
  byId("waiting").textContent = "waiting for rnnmuse live";
  live.asked = false;
  stopped();
  if (there) ask();
}

function beat(number, bpm) {
  byId("bar").textContent = Math.floor(number / 4) + 1;
  byId("beat").textContent = number % 4 + 1;
  byId("bpm").textContent = bpm.toFixed(1);
  [...byId("beats").children].forEach((dot, i) => dot.classList.toggle("on", i === number % 4));
  clearTimeout(beating);
  beating = setTimeout(rest, 90000 / bpm + 300); // no beat in its time: the music stands
}

function rest() {
  clearTimeout(beating);
  beating = 0;
  for (const dot of byId("beats").children) dot.classList.remove("on");
}

function stopped() {
  rest();
  end();
}

function fail(address, code, text) {
  byId("error").textContent = text;
  if (code === "engine") setTimeout(ask, 3000); // another is started: what it was asked for is not answered
  clearTimeout(forget);
  forget = setTimeout(() => { byId("error").textContent = ""; }, 8000);
}

/** What a control sends is also done here, as the other pages are told it. */
function act(address, ...values) {
  if (/^\/rnnmuse\/(transport\/(panic|stop|play)|text\/\d+\/(reset|generate)|player\/\d+\/st(art|op))$/.test(address)) {
    now(address, ...values);
    take([address, ...values]);
  } else send(address, ...values);
}

async function full() {
  if (document.fullscreenElement) return document.exitFullscreen();
  await document.documentElement.requestFullscreen();
  await navigator.keyboard?.lock?.(["Escape"]).catch(() => {}); // so that escape is panic there, too
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input[type=text], input[type=number]");
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") act("/rnnmuse/transport/panic");
  else if (event.key === " " && !typing && !event.target.matches("button, select")) {
    event.preventDefault();
    act(`/rnnmuse/transport/${beating ? "stop" : "play"}`);
  } else if (event.key === "f" && !typing) full();
});

function connect(after = 500) {
  socket = new WebSocket(`ws://${location.host}/socket`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { after = 500; };
  socket.onmessage = ({ data }) => (typeof data === "string" ? take(JSON.parse(data)) : wants("cover") && show(data));
  socket.onclose = () => {
    live(0);
    byId("waiting").textContent = "waiting for rnnmuse screen";
    setTimeout(connect, after, Math.min(4000, after * 2));
  };
}

byId("full").addEventListener("click", full);
controls(act, colour);
connect();
