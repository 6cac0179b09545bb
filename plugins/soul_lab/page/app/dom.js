/** Elements without markup: names, properties, texts by key, children. */
import { hint, label, say } from "./texts.js";

/**
 * Make an element: `h("button.primary", { onclick, text: "chat.send" }, child, …)`.
 *
 * `text`, `label` and `hint` are keys of texts (`[key, values]` with values): what an element says,
 * what it is called and shows when pointed at, and what an empty field says. Other properties are
 * set as properties where the element has such a one, else as attributes; `null` and `undefined`
 * are left out.
 */
export function h(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key === "text") say(element, ...[value].flat());
    else if (key === "label") label(element, ...[value].flat());
    else if (key === "hint") hint(element, value);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key in element && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element; all properties are attributes. */
export function s(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElementNS(SVG, tag);
  if (classes.length) element.setAttribute("class", classes.join(" "));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Replace what is in an element. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Show or hide an element. */
export function show(element, isShown) {
  element.hidden = !isShown;
}
