/** What the page says, in the language in use; elements that say something follow a change. */
import en from "../texts/en.js";
import ja from "../texts/ja.js";

const LANGUAGES = { en, ja };
const KEY = "lab.language";
const followers = new Set();

let language = stored() ?? (navigator.language.startsWith("ja") ? "ja" : "en");
document.documentElement.lang = language;

function stored() {
  const value = localStorage.getItem(KEY);
  return value in LANGUAGES ? value : null;
}

/** Return the language in use: `en` or `ja`. */
export function languageInUse() {
  return language;
}

/** Return the text of a key, with `{name}` replaced by the value of that name. */
export function t(key, values = {}) {
  const text = LANGUAGES[language][key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** Return whether there is a text of that key. */
export function has(key) {
  return key in LANGUAGES[language];
}

/** Have an element say a text. */
export function say(element, key, values = {}) {
  element.dataset.text = key;
  element.dataset.values = JSON.stringify(values);
  element.textContent = t(key, values);
}

/** Name an element: for who cannot see it, and for who points at it. */
export function label(element, key, values = {}) {
  element.dataset.label = key;
  element.dataset.labelValues = JSON.stringify(values);
  element.setAttribute("aria-label", t(key, values));
  if (element.matches("button, a")) element.title = t(key, values);
}

/** Say in an empty field what belongs there. */
export function hint(element, key) {
  element.dataset.hint = key;
  element.placeholder = t(key);
}

/** Use another language: in every element, then in what is drawn by `follow`. */
export function setLanguage(name) {
  language = name;
  localStorage.setItem(KEY, name);
  document.documentElement.lang = name;
  for (const element of document.querySelectorAll("[data-text]")) {
    say(element, element.dataset.text, JSON.parse(element.dataset.values));
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    label(element, element.dataset.label, JSON.parse(element.dataset.labelValues));
  }
  for (const element of document.querySelectorAll("[data-hint]")) hint(element, element.dataset.hint);
  for (const draw of followers) draw();
}

/** Have something drawn again in another language. */
export function follow(draw) {
  followers.add(draw);
}
