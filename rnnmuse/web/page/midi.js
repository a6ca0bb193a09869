// Web MIDI, where the browser has it: a keyboard of this computer plays to a player, notes go to a port, in time.

import { isRunning, timeOf } from "./clock.js";
import { h } from "./dom.js";
import { note, playsTo } from "./keys.js";
import { t } from "./language.js";
import { onNote } from "./notes.js";
import { say } from "./said.js";
import { command, hear } from "./stage.js";

const LATENCY = 45;
let access = null, output = null, inputs = new Set();

/** Fields that open the ports, or say why there are none. */
export function webMidi() {
  if (!navigator.requestMIDIAccess) return [h("small", {}, t("This browser has no Web MIDI; Chromium, Edge and Firefox have, on localhost."))];
  const place = h("div", { class: "grid" });
  const fill = () => place.replaceChildren(
    field(t("in"), access.inputs, (port) => inputs.has(port.id), choose),
    field(t("out"), access.outputs, (port) => output?.id === port.id, (id) => { output = access.outputs.get(id) ?? null; }));
  const open = h("button", { type: "button", onclick: async () => {
    try {
      access = await navigator.requestMIDIAccess();
      access.onstatechange = fill;
      fill();
      open.remove();
    } catch (error) {
      say(`Web MIDI: ${error.message}`);
    }
  } }, t("Open Web MIDI"));
  if (access) fill();
  return access ? [place] : [open, place];
}

function field(name, ports, is, act) {
  const id = `midi-${name}`, select = h("select", { id, onchange: () => act(select.value) }, new Option(t("none"), ""), ...[...ports.values()].map((port) => new Option(port.name, port.id, is(port), is(port))));
  return h("label", { class: "control", htmlFor: id }, h("span", { class: "name" }, `Web MIDI ${name}`), select);
}

function choose(id) {
  for (const port of access.inputs.values()) port.onmidimessage = null;
  inputs = new Set(id ? [id] : []);
  const port = access.inputs.get(id);
  if (port) port.onmidimessage = ({ data: [status, pitch, velocity] }) => {
    const kind = status & 0xf0, player = playsTo() || 1;
    if (kind === 0x90 || kind === 0x80) note(pitch, kind === 0x90 ? velocity : 0, player);
    else if (status === 0xfa) command("/rnnmuse/transport/play");
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
