// The page: its bar, its views by address, and what runs beside them.

import "./theme.js";
import "./said.js";
import { connect, hear } from "./stage.js";
import { t } from "./language.js";
import { h } from "./dom.js";
import { askLists, offer } from "./table.js";
import { transport } from "./transport.js";
import { keys } from "./keys.js";
import "./parts.js";
import { play } from "./play.js";
import { pad } from "./pad.js";
import { words } from "./words.js";
import { cover } from "./cover.js";
import { setup } from "./setup.js";
import { monitor } from "./monitor.js";
import { show as showPicture } from "./picture.js";
import { projector } from "./projector.js";
import "./midi.js";

const VIEWS = { play, pad, words, cover, setup, monitor };
const TITLES = { play: "Play", pad: "Pad", words: "Words", cover: "Cover", setup: "Set up", monitor: "Monitor" };
const shows = new URLSearchParams(location.search).get("show");
const view = document.getElementById("view"), tabs = document.getElementById("tabs"), waiting = document.getElementById("waiting");

if (new URLSearchParams(location.search).has("token")) { // the cookie has it from here on
  const rest = new URLSearchParams(location.search);
  rest.delete("token");
  history.replaceState(null, "", `${location.pathname}${rest.size ? `?${rest}` : ""}`);
}

/** Show the view that the address names. */
function open() {
  const name = location.pathname.slice(1) in VIEWS ? location.pathname.slice(1) : "play";
  view.replaceChildren(h("h1", { class: "unseen" }, t(TITLES[name])), ...VIEWS[name]());
  view.setAttribute("aria-label", t(TITLES[name]));
  view.dataset.view = name;
  document.title = `${t(TITLES[name])} – rnnmuse`;
  for (const tab of tabs.children) {
    if (tab.dataset.view === name) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
}

function go(event, name) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // another tab
  event.preventDefault();
  history.pushState(null, "", `/${name}`);
  open();
  scrollTo(0, 0);
}

tabs.replaceChildren(...Object.keys(VIEWS).map((name) => h("a", { href: `/${name}`, data: { view: name }, onclick: (event) => go(event, name) }, t(TITLES[name]))));
addEventListener("popstate", open);

hear((address, args, sent) => {
  if (sent) return;
  if (address === "live") {
    document.body.classList.toggle("away", !args[0]);
    waiting.textContent = args[0] ? "" : t(args[1] === "screen" ? "Waiting for the screen's server" : "Waiting for rnnmuse live");
    if (args[0]) askLists();
  } else if (address === "state") {
    document.body.dataset.whole = "1";
  } else if (address === "/rnnmuse/models") offer("model", args);
  else if (address === "/rnnmuse/text/models") offer("text model", args);
  else if (address === "/rnnmuse/error" && args[1] === "engine") setTimeout(askLists, 3000);
});

if (shows) projector(shows.split(","), view);
else {
  transport(document.getElementById("bar"));
  open();
}
document.querySelector(".skip").textContent = t("Skip to the view");
keys(Boolean(shows));
connect(showPicture);
