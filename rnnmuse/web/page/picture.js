// The moving picture: each frame of the stream is eased in, so that eight a second move smoothly.

import { h } from "./dom.js";
import { t } from "./language.js";
import { hear, send, value, watch } from "./stage.js";

const PICTURES = 8, SIZE = 256; // a second, if nobody has asked for any yet; px
const STREAM = "/rnnmuse/cover/stream";
const STILL = 1000; // ms between two pictures for whoever wants less motion
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const canvases = new Set();
let now = null, steps = 0, shown = -STILL;

/** A canvas that shows the stream, which is begun if nobody has. */
export function picture() {
  const made = h("canvas", { class: "picture", width: SIZE, height: SIZE, role: "img", "aria-label": t("Picture that moves with the music") });
  canvases.add(made);
  begin();
  return made;
}

function begin() {
  for (const one of canvases) if (one.isConnected || !one.dataset.seen) return send(STREAM, value(STREAM)?.[0] || PICTURES);
}
hear((address) => address === "state" && canvases.size && !value(STREAM)?.[0] && begin());
watch(STREAM, () => {});

/** A frame has come, as a JPEG. */
export async function show(jpeg) {
  for (const one of canvases) {
    if (one.isConnected) one.dataset.seen = "1";
    else if (one.dataset.seen) canvases.delete(one);
  }
  if (!canvases.size || (calm.matches && performance.now() - shown < STILL)) return;
  shown = performance.now();
  const next = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  const idle = !steps;
  now?.close();
  now = next;
  steps = calm.matches ? 1 : 24;
  if (idle) requestAnimationFrame(draw);
}

function draw() {
  for (const canvas of canvases) {
    const brush = canvas.getContext("2d");
    brush.globalAlpha = steps > 1 ? 0.2 : 1;
    brush.filter = "blur(1.5px)"; // the squares of the JPEG
    brush.drawImage(now, 0, 0, canvas.width, canvas.height);
  }
  if (--steps) requestAnimationFrame(draw);
}
