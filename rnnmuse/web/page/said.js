// What went wrong, or well, said for some seconds at the foot of the page.

import { h } from "./dom.js";
import { t } from "./language.js";
import { hear } from "./stage.js";

const LONG = 8000, MOST = 3;
const place = document.getElementById("errors");

/** Say a line; ``well`` where nothing is wrong. */
export function say(text, well = false) {
  const line = h("p", { class: well ? "said" : "" }, text);
  place.append(line);
  while (place.children.length > MOST) place.firstChild.remove();
  setTimeout(() => line.remove(), LONG);
}

hear((address, [, code, text]) => address === "/rnnmuse/error" && say(`${t(code)}: ${text}`));
