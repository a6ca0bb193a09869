// Files that are dropped: MIDI and MusicXML as a prompt, a phrase or the memory of a player; a rig.

import { h } from "./dom.js";
import { t } from "./language.js";
import { say } from "./said.js";

const PLAYERS = 16, MUSIC = ".mid,.midi,.kar,.rmi,.xml,.musicxml,.mxl,.abc,.krn";
let player = 1;

/** The field that takes files, and whom they are for. */
export function dropping() {
  const whom = h("select", { id: "file-player", onchange: () => { player = Number(whom.value); } }, Array.from({ length: PLAYERS }, (_, i) => new Option(`${t("player")} ${i + 1}`, i + 1)));
  whom.value = player;
  const file = h("input", { type: "file", accept: MUSIC, id: "file", hidden: true, onchange: () => { if (file.files[0]) prompt(file.files[0]); file.value = ""; } });
  return [h("label", { class: "control", htmlFor: "file-player" }, h("span", { class: "name" }, t("for")), whom),
    h("div", { class: "drop", id: "drop" }, h("p", {}, t("Drop a MIDI or MusicXML file anywhere on the page: the player takes it for what was played before; a phrase model takes its first bars as its phrase.")),
      h("button", { type: "button", onclick: () => file.click() }, t("Choose a file")), file)];
}

/** Send a file as a player's prompt. */
export async function prompt(file, whose = player) {
  const answer = await post(`/prompt?player=${whose}&name=${encodeURIComponent(file.name)}`, file);
  if (answer) say(`${file.name}: ${t("{n} notes for player {p}").replace("{n}", answer.notes).replace("{p}", whose)}`, true);
}

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
  const whose = Number(event.target.closest?.("[data-player]")?.dataset.player ?? player); // on a strip: that player
  const { dropFolder } = await import("./training.js");
  if (await dropFolder(event)) return;
  const [file] = event.dataTransfer.files;
  if (/\.toml$/i.test(file.name)) load(file);
  else prompt(file, whose);
});
