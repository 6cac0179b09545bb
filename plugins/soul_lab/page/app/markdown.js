/** Replies as Markdown: made into HTML by the server, at most so often, and looked through here. */

const EVERY_MS = 150;
const TAGS = new Set(
  ("a blockquote br code del em h1 h2 h3 h4 h5 h6 hr li ol p pre s strong " +
    "table tbody td th thead tr ul").split(" "),
);
const CELL = /^to-(left|center|right)$/;
const LINK = /^(https?:|mailto:)/i;

/** Return what of the HTML may be shown; the server has left out the rest already. */
export function safe(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const fragment = document.createDocumentFragment();
  fragment.append(...[...parsed.body.childNodes].flatMap(copy));
  return fragment;
}

function copy(node) {
  if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const tag = node.localName;
  const children = [...node.childNodes].flatMap(copy);
  if (!TAGS.has(tag)) return ["script", "style"].includes(tag) ? [] : children;
  const element = document.createElement(tag);
  if (tag === "a" && LINK.test(node.getAttribute("href") ?? "")) {
    Object.assign(element, { href: node.getAttribute("href"), target: "_blank" });
    element.rel = "noopener noreferrer";
  }
  if ((tag === "td" || tag === "th") && CELL.test(node.className)) element.className = node.className;
  if (tag === "ol" && node.start !== 1) element.start = node.start;
  element.append(...children);
  return [element];
}

/**
 * An element that shows a text that grows. What has come since it was last made into HTML stands
 * behind it as it is, so that no word waits.
 */
export class Growing {
  text = "";
  #rendered = 0;
  #isAsking = false;
  #askedAt = 0;
  #timer = 0;

  constructor(link, element) {
    this.link = link;
    this.element = element;
    this.tail = document.createElement("span");
    element.append(this.tail);
  }

  /** Add to the text. */
  add(piece) {
    this.text += piece;
    this.tail.textContent += piece;
    this.#soon();
  }

  /** Show a whole text. */
  async set(text) {
    if (text !== this.text) {
      this.text = text;
      this.#rendered = 0;
      this.element.replaceChildren(this.tail);
      this.tail.textContent = text;
    }
    clearTimeout(this.#timer);
    await this.#render();
  }

  #soon() {
    clearTimeout(this.#timer);
    const wait = this.#askedAt + EVERY_MS - performance.now();
    this.#timer = setTimeout(() => this.#render(), Math.max(0, wait));
  }

  async #render() {
    if (this.#isAsking || this.#rendered === this.text.length) return;
    this.#isAsking = true;
    this.#askedAt = performance.now();
    const text = this.text;
    const answer = await this.link.ask("lab.render", { text }).catch(() => null);
    this.#isAsking = false;
    if (answer !== null && this.text.startsWith(text)) this.#put(answer.html, text);
    if (answer !== null && this.#rendered < this.text.length) this.#soon();
  }

  #put(html, text) {
    this.#rendered = text.length;
    this.element.replaceChildren(safe(html));
    this.tail.textContent = this.text.slice(text.trimEnd().length); // HTML has lost that space
    let last = this.element;
    while (last.lastElementChild?.matches("p, ul, ol, li, blockquote")) last = last.lastElementChild;
    last.append(this.tail);
  }
}
