// What was played as MIDI files: the last bars, and a session from when recording was begun.

import { h } from "./dom.js";
import { t } from "./language.js";
import { hear } from "./stage.js";
import { say } from "./said.js";

const BARS = 16;
let recording = false, kept = 0;

/** Buttons: record, the session, the last bars. */
export function takes() {
  const record = h("button", { type: "button", class: "record", id: "record", "aria-pressed": String(recording), title: t("Record the session"), onclick: switchRecording }, t("Record"));
  const session = link("session", "session.mid", t("Session as MIDI"));
  const last = link("last", `last.mid?bars=${BARS}`, t("Last {n} bars").replace("{n}", BARS));
  const show = () => {
    record.setAttribute("aria-pressed", String(recording));
    session.hidden = !kept;
  };
  const ends = hear((address) => {
    if (address !== "recording") return;
    if (!record.isConnected && record.dataset.seen) return ends();
    if (record.isConnected) record.dataset.seen = "1";
    show();
  });
  show();
  return [record, session, last];
}

hear((address, args) => {
  if (address === "recording") [recording, kept] = [Boolean(args[0]), args[1]];
});

/** A file that is saved by a click, or dragged into another program (Chromium). */
function link(id, path, text) {
  const made = h("a", { class: "button", id, href: `/${path}`, download: path.split("?")[0], draggable: true }, text);
  made.addEventListener("dragstart", ({ dataTransfer }) => dataTransfer.setData("DownloadURL", `audio/midi:${path.split("?")[0]}:${location.origin}/${path}`));
  return made;
}

async function switchRecording() {
  const answer = await fetch(`/record?on=${recording ? 0 : 1}`, { method: "POST" }).catch(() => null);
  if (!answer?.ok) say(`${t("Record")}: ${(await answer?.text()) ?? t("rnnmuse does not answer")}`);
}
