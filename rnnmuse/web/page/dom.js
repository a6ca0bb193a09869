// Elements in one call: h("button", { class: "go", onclick }, "Play").

/** An element with properties and children. Names with a dash and a few others are attributes. */
export function h(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else if (name === "style") for (const [key, one] of Object.entries(value)) made.style.setProperty(key, one);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name in made && !name.includes("-") && name !== "list" && name !== "role") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

let count = 0;
/** A name that no other element has. */
export const fresh = (word) => `${word}-${++count}`;

/** The pen of a canvas that is as sharp as the screen, and its size in CSS pixels. */
export function pen(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas, scale = Math.min(2, devicePixelRatio || 1);
  const wide = Math.round(width * scale), high = Math.round(height * scale);
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const made = canvas.getContext("2d");
  made.setTransform(scale, 0, 0, scale, 0, 0);
  made.clearRect(0, 0, width, height);
  return [made, width, height];
}

/** The colour of a player or a voice, 1 to 16: alike in lightness, so that all are seen equally well. */
export function colour(number, light = "var(--player-light)", chroma = "var(--player-chroma)") {
  return `oklch(${light} ${chroma} ${(80 + (number - 1) * 137.5) % 360})`;
}

const painted = new Map(); // number: colour, of one theme
let dressed;
/** The same colour for a canvas, which knows no variables. */
export function paint(number) {
  if (dressed !== document.documentElement.dataset.theme) painted.clear();
  if (!painted.has(number)) {
    const style = getComputedStyle(document.documentElement);
    dressed = document.documentElement.dataset.theme;
    painted.set(number, colour(number, style.getPropertyValue("--player-light"), style.getPropertyValue("--player-chroma")));
  }
  return painted.get(number);
}
