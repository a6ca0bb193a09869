// The parts of each player's model: names, MIDI channels and General MIDI programs, as the stage announces them.

import { ask, hear, value } from "./stage.js";

const PLAYERS = 16;
const known = new Map(); // player: part: {channel, program, name}
const acts = new Set();

/** Call a function with a player whose parts are others now; returns what ends it. */
export function onParts(act) {
  acts.add(act);
  return () => acts.delete(act);
}

/** The names of a player's parts. */
export const partNames = (player) => [...(known.get(player)?.values() ?? [])].map(({ name }) => name).join(", ");

/** The General MIDI program, 0-127, of a player's channel. */
export function programOf(player, channel) {
  for (const one of known.get(player)?.values() ?? []) if (one.channel === channel) return one.program - 1;
  return 0;
}

function is(player, part, channel, program, name) {
  if (part === 1) known.delete(player); // another model is announced from its first part on
  if (!known.has(player)) known.set(player, new Map());
  known.get(player).set(part, { channel, program, name });
  for (const act of acts) act(player);
}

/** Parts are announced when they change: a page that comes later asks. */
function askAll() {
  for (let player = 1; player <= PLAYERS; player++) {
    const at = `/rnnmuse/player/${player}`;
    if (value(`${at}/started`)?.[0] || (value(`${at}/mode`)?.[0] ?? "off") !== "off") ask(`${at}/parts`);
  }
}

hear((address, args, sent) => {
  if (sent) return;
  const [, , kind, word, what] = address.split("/");
  if (kind === "out" && what === "program") is(Number(word), ...args);
  else if (kind === "player" && what === "parts" && args.length) is(Number(word), args[0], args[2], args[3], args[1]);
  else if (address === "state") askAll();
});
