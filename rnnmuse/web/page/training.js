// Training on a folder of files: they are sent one by one, then a job trains at the lowest priority, with its progress.

import { h } from "./dom.js";
import { t } from "./language.js";
import { say } from "./said.js";
import { hear } from "./stage.js";
import { post } from "./files.js";
import { offered } from "./table.js";

const KINDS = /\.(mid|midi|kar|xml|musicxml|mxl|abc|krn)$/i;
let job = { state: "none", lines: [] };
const acts = new Set();
hear((address, args, sent) => {
  if (address !== "job" || sent) return;
  [job] = args;
  for (const act of acts) act();
});

/** Fields that choose a folder, name and start the training, and show how far it is. */
export function training() {
  const name = h("input", { type: "text", id: "train-name", value: "mine", maxLength: 40, pattern: "[a-z0-9_\\-]+", autocomplete: "off", spellcheck: false });
  const from = h("select", { id: "train-from" }, new Option(t("nothing"), ""), ...offered("model").map((one) => new Option(one, one, one === "lieder", one === "lieder")));
  const minutes = h("input", { type: "number", id: "train-minutes", min: 1, max: 600, value: 10 });
  const folder = h("input", { type: "file", id: "train-folder", hidden: true, multiple: true, onchange: () => { begin([...folder.files]); folder.value = ""; } });
  folder.webkitdirectory = true;
  const bar = h("progress", { max: 1, value: 0, "aria-label": t("Training") }), last = h("p", { class: "quiet", role: "status" }), preview = h("a", { class: "button", href: "/train/preview.mid", download: true }, t("Listen to a preview"));
  const end = h("button", { type: "button", onclick: () => post("/train?stop=1", "") }, t("Stop training"));
  const show = () => {
    if (!last.isConnected && last.dataset.seen) return acts.delete(show);
    if (last.isConnected) last.dataset.seen = "1";
    const runs = job.state === "running";
    bar.hidden = end.hidden = !runs;
    bar.value = job.share ?? 0;
    preview.hidden = !job.preview;
    last.textContent = job.lines.at(-1) ?? "";
  };
  acts.add(show);
  show();
  const named = (field, text) => h("div", { class: "control" }, h("label", { class: "name", htmlFor: field.id }, text), field);
  return [h("div", { class: "grid" }, named(name, t("name of the model")), named(from, t("begin from")), named(minutes, t("minutes"))),
    h("div", { class: "row" }, h("button", { type: "button", class: "go", onclick: () => folder.click() }, t("Choose a folder")), end, preview, folder),
    h("small", {}, t("Or drop a folder on the page. It needs the extra train.")), bar, last];
}

async function begin(files) {
  const music = files.filter(({ name }) => KINDS.test(name));
  if (!music.length) return say(t("No MIDI or MusicXML file in this folder"));
  if (!(await post("/train/begin", ""))) return;
  let sent = 0;
  for (const file of music) if (await post(`/train/file?name=${encodeURIComponent(file.name)}`, file)) sent++;
  const field = (id, otherwise) => document.getElementById(id)?.value ?? otherwise;
  const query = new URLSearchParams({ name: field("train-name", "mine"), from: field("train-from", "lieder"), minutes: field("train-minutes", "10") });
  if (await post(`/train?${query}`, "")) say(t("{n} files; the training has begun").replace("{n}", sent), true);
}

/** A dropped folder trains; false where it is a file. */
export async function dropFolder(event) {
  const entry = event.dataTransfer.items[0]?.webkitGetAsEntry?.();
  if (!entry?.isDirectory) return false;
  begin(await filesOf(entry));
  return true;
}

async function filesOf(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) return (await Promise.all(found.map(filesOf))).flat();
    found.push(...some);
  }
}
