// Web MIDI, where the browser has it: a keyboard of this computer plays to a player, notes go to a port, in time.

import { isRunning, timeOf } from "./clock.js";
import { h } from "./dom.js";
import { note, playsTo } from "./keys.js";
import { t } from "./language.js";
import { onNote } from "./notes.js";
import { say } from "./said.js";
import { command, hear } from "./stage.js";

const LATENCY = 45;
let access = null, output = null, input = null;
const held = new Map(); // pitch: the player that hears it from the input

/** Fields that open the ports, or say why there are none. */
export function webMidi() {
  if (!navigator.requestMIDIAccess) return [h("small", {}, t("This browser has no Web MIDI; Chromium, Edge and Firefox have, on localhost."))];
  const place = h("div", { class: "grid" });
  const fill = () => place.replaceChildren(field("in", access.inputs, input, (id) => listen(access.inputs.get(id) ?? null)), field("out", access.outputs, output, (id) => { output = access.outputs.get(id) ?? null; }));
  const open = h("button", { type: "button", onclick: async () => {
    try {
      access = await navigator.requestMIDIAccess();
      open.remove();
      begin();
    } catch (error) {
      say(`Web MIDI: ${error.message}`);
    }
  } }, t("Open Web MIDI"));
  const begin = () => {
    access.onstatechange = () => { look(); fill(); };
    fill();
  };
  if (access) begin();
  return access ? [place] : [open, place];
}

function field(way, ports, chosen, act) {
  const id = `midi-${way}`, there = [...ports.values()].filter(isThere);
  const select = h("select", { id, onchange: () => act(select.value) }, new Option(t("none"), ""), ...there.map((port) => new Option(port.name, port.id, port.id === chosen?.id, port.id === chosen?.id)));
  return h("label", { class: "control", htmlFor: id }, h("span", { class: "name" }, `Web MIDI ${t(way)}`), select);
}

const isThere = (port) => port.state !== "disconnected";

/** Ports have come or gone: what a lost one held is over. */
function look() {
  if (input && !(access.inputs.has(input.id) && isThere(access.inputs.get(input.id)))) {
    say(`Web MIDI: ${t("{name} is gone").replace("{name}", input.name)}`);
    listen(null);
  }
  if (output && !(access.outputs.has(output.id) && isThere(access.outputs.get(output.id)))) {
    say(`Web MIDI: ${t("{name} is gone").replace("{name}", output.name)}`);
    output = null;
  }
}

function listen(port) {
  if (input) input.onmidimessage = null;
  for (const [pitch, whose] of held) note(pitch, 0, whose);
  held.clear();
  input = port;
  if (port) port.onmidimessage = ({ data: [status, pitch, velocity] }) => {
    const kind = status & 0xf0;
    if (kind === 0x90 && velocity) {
      held.set(pitch, playsTo() || 1);
      note(pitch, velocity, held.get(pitch));
    } else if (kind === 0x90 || kind === 0x80) {
      note(pitch, 0, held.get(pitch) ?? (playsTo() || 1));
      held.delete(pitch);
    } else if (status === 0xfa) command("/rnnmuse/transport/play");
    else if (status === 0xfb) command("/rnnmuse/transport/continue");
    else if (status === 0xfc) command("/rnnmuse/transport/stop");
  };
}

onNote(({ pitch, velocity, channel, beat, heard }) => {
  if (!output || heard) return;
  const due = isRunning() ? Math.max(performance.now(), timeOf(beat) + LATENCY) : performance.now();
  output.send([(velocity ? 0x90 : 0x80) | (channel - 1) & 0x0f, pitch, velocity], due);
});
hear((address, args) => {
  if (output && (address === "/rnnmuse/transport/panic" || (address === "live" && !args[0]))) {
    for (let channel = 0; channel < 16; channel++) output.send([0xb0 | channel, 120, 0]);
  }
});
