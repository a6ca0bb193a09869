// English and Chinese. What is written in the table is English there; its Chinese is in chinese.js.

import { HELP, WORDS } from "./chinese.js";

const stored = localStorage.getItem("language");
/** "en" or "zh". */
export const language = stored ?? (navigator.language.startsWith("zh") ? "zh" : "en");
document.documentElement.lang = language === "zh" ? "zh-Hans" : "en";

/** A word or sentence in the page's language; as it is where there is no translation. */
export const t = (text) => (language === "zh" ? WORDS[text] ?? text : text);

/** The help of a row, in the words of the protocol. */
export const shownHelp = (row) => (language === "zh" ? HELP[row.address] ?? row.doc : plain(row.doc));

const plain = (doc) => doc.replace(/; see \[.*?\)|\[(.*?)\]\(.*?\)/g, "$1");

/** Change the language: the page is made again. */
export function speak(next) {
  localStorage.setItem("language", next);
  location.reload();
}
