// The view Cover: the moving picture, a cover of what was played, and how both are drawn.

import { h } from "./dom.js";
import { shownHelp, t } from "./language.js";
import { picture } from "./picture.js";
import { command, hear } from "./stage.js";
import { control, rows, row } from "./table.js";

const C = "/rnnmuse/cover";
const drawn = []; // {job, share, file}
hear((address, args) => {
  if (address === `${C}/generate` && args.length === 1) drawn.unshift({ job: args[0], share: 0, file: "" });
  const one = drawn.find(({ job }) => job === args[0]);
  if (address === `${C}/progress`) one ? one.share = args[1] : drawn.unshift({ job: args[0], share: args[1], file: "" });
  if (address === `${C}/done`) one ? one.file = args[1] : drawn.unshift({ job: args[0], share: 1, file: args[1] });
  drawn.splice(12);
});

/** The view's elements. */
export function cover() {
  const title = h("input", { type: "text", maxLength: 200, dir: "auto", id: "cover-title", autocomplete: "off" });
  const artist = h("input", { type: "text", maxLength: 200, dir: "auto", id: "cover-artist", autocomplete: "off" });
  const size = h("select", { id: "cover-size" }, [1000, 3000, 5000].map((px) => new Option(`${px} px`, px, px === 3000, px === 3000)));
  const seed = () => Math.floor(Math.random() * 2 ** 31);
  const draw = () => command(`${C}/generate`, seed(), Number(size.value), title.value, artist.value);
  const list = h("div", { class: "covers", role: "list", "aria-label": t("Covers") });
  const show = () => list.replaceChildren(...drawn.map(({ share, file, job }) => h("div", { role: "listitem" }, file
    ? h("a", { href: `/covers/${file}`, download: file }, h("img", { src: `/covers/${file}`, alt: `${t("Cover")} ${file}` }))
    : h("progress", { max: 1, value: share, "aria-label": `${t("Cover")} ${job}` }), h("small", {}, file))));
  show();
  const ends = hear((address) => {
    if (!address.startsWith(C)) return;
    if (!list.isConnected && list.dataset.seen) return ends();
    if (list.isConnected) list.dataset.seen = "1";
    show();
  });
  const settings = rows.filter((one) => one.address.startsWith(`${C}/`) && one.access === "rw" && one.arguments.length === 1);
  return [
    h("div", { class: "stage cover-stage" }, picture()),
    h("section", { class: "panel", "aria-label": t("Cover") },
      h("div", { class: "grid" }, named(title, t("title")), named(artist, t("artist")), named(size, t("size"))),
      h("div", { class: "row" }, h("button", { type: "button", class: "go", title: shownHelp(row(`${C}/generate`)), data: { to: `${C}/generate` }, onclick: draw }, t("Draw a cover"))),
      h("div", { class: "grid" }, settings.map((one) => control(one, {}, one.address.endsWith("/model") ? { kind: "text" } : {}))), list),
  ];
}

const named = (field, name) => h("div", { class: "control" }, h("label", { class: "name", htmlFor: field.id }, name), field);
