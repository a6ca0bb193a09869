// The line to rnnmuse: every value of the stage, what is heard of it, and what is sent. A message is a JSON array of an
// OSC address and its arguments. A value is shown when the stage says that it holds, whoever set it.

const values = new Map();
const watching = new Map(); // address: functions
const hearing = new Set();
const waiting = new Map();
let socket, live = false, whole = false;

/** Whether the stage is there. */
export const isLive = () => live;

/** What an address holds, as a list; undefined where it has no value. */
export const value = (address) => values.get(address);

/** Call a function with the values of an address, now and whenever they change; returns what ends it. */
export function watch(address, act) {
  if (!watching.has(address)) watching.set(address, new Set());
  watching.get(address).add(act);
  if (values.has(address)) act(...values.get(address));
  return () => watching.get(address)?.delete(act);
}

/** Call a function with every message: address, arguments, and whether it was sent from here. Returns what ends it. */
export function hear(act) {
  hearing.add(act);
  return () => hearing.delete(act);
}

/** Send a message; of several to one address within a frame, as from a fader, only the last. */
export function send(address, ...args) {
  if (!waiting.size) (document.hidden ? setTimeout : requestAnimationFrame)(flush);
  waiting.set(address.endsWith("/mix") ? `${address} ${args[0]}` : address, [address, ...args]);
}

/** Send a message at once: notes and commands, each of which counts. */
export function command(address, ...args) {
  flush();
  out([address, ...args]);
}

/** Ask what changes without a word, such as the list of models. */
export const ask = (address) => out([address]);

function flush() {
  const messages = [...waiting.values()];
  waiting.clear();
  messages.forEach(out);
}

function out(message) {
  if (socket?.readyState !== WebSocket.OPEN) return;
  socket.send(JSON.stringify(message));
  for (const act of hearing) act(message[0], message.slice(1), true);
}

/** A message has come. */
export function take([address, ...args]) {
  if (address === "live") {
    live = Boolean(args[0]);
    whole &&= live;
  } else if (address === "state") {
    whole = true;
    const before = [...values.keys()].filter((one) => !(one in args[0]));
    for (const one of before) put(one, []);
    for (const [one, held] of Object.entries(args[0])) put(one, held);
  } else if (args.length || values.has(address)) {
    if (watching.has(address) || values.has(address) || address.startsWith("/rnnmuse/player/")) put(address, args);
  }
  for (const act of hearing) act(address, args, false);
}

function put(address, args) {
  if (args.length) values.set(address, args);
  else values.delete(address);
  for (const act of watching.get(address) ?? []) act(...args);
}

/** Keep a connection for ever; ``picture`` is called with each picture that comes. */
export function connect(picture, after = 500) {
  socket = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/socket?together`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { after = 500; };
  socket.onmessage = ({ data }) => (typeof data === "string" ? JSON.parse(data).forEach(take) : picture(data));
  socket.onclose = () => {
    take(["live", 0, "screen"]);
    setTimeout(connect, after, picture, Math.min(4000, after * 2));
  };
}
