// Words as they come: a column for each voice, in its colour; the last line is the bright one.

const LINES = 12;
const voices = new Map();

/** The colour of a player or a voice, 1 to 16: alike in lightness, so that all are read equally well. */
export function colour(number) {
  return `oklch(0.86 0.13 ${(80 + (number - 1) * 137.5) % 360})`;
}

/** A chunk of text; one that ends with a line break ends the line, a new job begins one. */
export function say(number, job, text) {
  const voice = voices.get(number) ?? enter(number);
  if (voice.job !== job) voice.line = null;
  voice.job = job;
  text.split("\n").forEach((piece, i) => {
    if (i) voice.line = null;
    if (piece.trim() || (voice.line && piece)) append(voice, piece);
  });
}

/** Forget what a voice said. */
export function clear(number) {
  voices.get(number)?.section.remove();
  voices.delete(number);
  count();
}

function enter(number) {
  const voice = { section: document.createElement("section"), line: null, job: 0 };
  voice.section.style.setProperty("--voice", colour(number));
  voice.section.setAttribute("aria-label", `Voice ${number}`);
  voices.set(number, voice);
  const order = [...voices.keys()].sort((a, b) => a - b);
  const words = document.getElementById("words");
  words.insertBefore(voice.section, words.children[order.indexOf(number)] ?? null);
  count();
  return voice;
}

function append(voice, piece) {
  if (!voice.line) {
    const line = document.createElement("p");
    line.dir = "auto"; // right to left where its first letter is
    line.append(document.createTextNode(""));
    voice.section.append(line);
    voice.line = line.firstChild;
    while (voice.section.children.length > LINES) voice.section.firstChild.remove();
  }
  voice.line.appendData(piece); // one text node a line: letters of a word join whatever the chunks are
}

function count() {
  document.getElementById("words").style.setProperty("--voices", Math.max(1, voices.size));
}
