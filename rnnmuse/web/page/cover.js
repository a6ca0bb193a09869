// The moving picture: each frame of the stream is eased in, so that eight a second move smoothly.

const canvas = document.getElementById("cover");
const pen = canvas.getContext("2d");
let picture = null, steps = 0;

/** A frame has come, as a JPEG. */
export async function show(jpeg) {
  const next = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  const idle = !steps;
  picture?.close();
  picture = next;
  steps = 24;
  if (idle) requestAnimationFrame(draw);
}

function draw() {
  pen.globalAlpha = steps > 1 ? 0.2 : 1;
  pen.filter = "blur(1.5px)"; // the squares of the JPEG
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (--steps) requestAnimationFrame(draw);
}
