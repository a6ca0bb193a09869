// Files that are dropped: MIDI and MusicXML as a prompt, a phrase or the memory of a player; a rig.

import { h } from "./dom.js";
import { t } from "./language.js";
import { say } from "./said.js";

const PLAYERS = 16, MUSIC = ".mid,.midi,.kar,.rmi,.xml,.musicxml,.mxl,.abc,.krn";
let player = 1, use = "prompt";

/** The field that takes files, and whom they are for. */
export function dropping() {
  const whom = h("select", { id: "file-player", onchange: () => { player = Number(whom.value); } }, Array.from({ length: PLAYERS }, (_, i) => new Option(`${t("player")} ${i + 1}`, i + 1)));
  whom.value = player;
  const as = h("select", { id: "file-use", onchange: () => { use = as.value; whom.disabled = use === "memory"; } },
    new Option(t("what was played before, or the phrase"), "prompt"), new Option(t("memory of the session, for every player"), "memory"));
  as.value = use;
  whom.disabled = use === "memory";
  const file = h("input", { type: "file", accept: MUSIC, id: "file", hidden: true, onchange: () => { if (file.files[0]) give(file.files[0]); file.value = ""; } });
  return [h("label", { class: "control", htmlFor: "file-use" }, h("span", { class: "name" }, t("as")), as),
    h("label", { class: "control", htmlFor: "file-player" }, h("span", { class: "name" }, t("for")), whom),
    h("div", { class: "drop", id: "drop" }, h("p", {}, t("Drop a MIDI or MusicXML file anywhere on the page, or on a player's strip: the player takes it for what was played before; a phrase model takes its first bars as its phrase.")),
      h("button", { type: "button", onclick: () => file.click() }, t("Choose a file")), file)];
}

/** Send a file as a player's prompt. */
export async function prompt(file, whose = player) {
  const answer = await post(`/prompt?player=${whose}&name=${encodeURIComponent(file.name)}`, file);
  if (answer) say(`${file.name}: ${t("{n} notes for player {p}").replace("{n}", answer.notes).replace("{p}", whose)}`, true);
}

/** Send a file's top line into the memory of the session, on which melodies draw. */
export async function remember(file) {
  const answer = await post(`/memory?name=${encodeURIComponent(file.name)}`, file);
  if (answer) say(`${file.name}: ${t("{n} notes are remembered, as {name}").replace("{n}", answer.notes).replace("{name}", answer.name)}`, true);
}

const give = (file, whose = player) => (use === "memory" ? remember(file) : prompt(file, whose));

/** Send a rig: its players and tempo are set. */
export async function load(file) {
  const answer = await post("/rig", file);
  if (answer) say(`${file.name}: ${t("{n} messages").replace("{n}", answer.messages)}`, true);
}

/** A file to the server; what is wrong is said. */
export async function post(address, body) {
  const answer = await fetch(address, { method: "POST", body }).catch(() => null);
  if (answer?.ok) return answer.json();
  say((await answer?.text().catch(() => "")) || t("rnnmuse does not answer"));
  return null;
}

document.addEventListener("dragover", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  event.preventDefault();
  document.getElementById("drop")?.classList.add("over");
});
document.addEventListener("dragleave", () => document.getElementById("drop")?.classList.remove("over"));
document.addEventListener("drop", async (event) => {
  if (!event.dataTransfer?.files.length) return;
  event.preventDefault();
  document.getElementById("drop")?.classList.remove("over");
  const strip = event.target.closest?.("[data-player]"); // on a strip: that player's
  const { dropFolder } = await import("./training.js");
  if (await dropFolder(event)) return;
  const [file] = event.dataTransfer.files;
  if (/\.toml$/i.test(file.name)) load(file);
  else if (strip) prompt(file, Number(strip.dataset.player));
  else give(file);
});
