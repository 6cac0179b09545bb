/** Light or dark: as the system says, or as was chosen here. */
const KEY = "lab.theme";
const THEMES = ["auto", "light", "dark"];

/** Return what was chosen. */
export function themeChosen() {
  const value = localStorage.getItem(KEY);
  return THEMES.includes(value) ? value : "auto";
}

/** Choose a theme. */
export function setTheme(name) {
  localStorage.setItem(KEY, name);
  apply();
}

const prefersDark = matchMedia("(prefers-color-scheme: dark)");

/** Put the theme on, now and whenever the system changes its mind. */
export function apply() {
  const chosen = themeChosen();
  const dark = chosen === "dark" || (chosen === "auto" && prefersDark.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

prefersDark.addEventListener("change", apply);
