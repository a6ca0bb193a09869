// Two themes, dark and bright; the system's wish until one is chosen.

const wish = matchMedia("(prefers-color-scheme: light)");
const root = document.documentElement;

export const theme = () => root.dataset.theme;

/** Show a theme; without one the chosen or the system's. */
export function dress(next) {
  if (next) localStorage.setItem("theme", next);
  root.dataset.theme = next ?? localStorage.getItem("theme") ?? (wish.matches ? "bright" : "dark");
}
wish.addEventListener("change", () => dress());
dress();
