// For a projector: words, picture and notes, those that the address asks for, and nothing else.

import { h } from "./dom.js";
import { t } from "./language.js";
import { picture } from "./picture.js";
import { roll } from "./roll.js";
import { lines } from "./lines.js";

const PARTS = ["words", "cover", "roll"];

/** Fill the view with what is asked for; "all" is everything. */
export function projector(wanted, view) {
  const shown = PARTS.filter((part) => wanted.includes(part) || wanted.includes("all"));
  document.body.classList.add("show", ...shown.map((part) => `${part}-shown`));
  view.replaceChildren(h("div", { class: "stage" }, shown.includes("cover") ? picture() : null, lines(), roll()));
  view.setAttribute("aria-label", t("Stage"));
}
