/** The conversations there were, in the navigation. */
import { fill, h } from "./dom.js";
import { dayOf } from "./format.js";
import { icon } from "./icons.js";
import { follow } from "./texts.js";

const SHOWN_AT_FIRST = 60;
const TOGETHER_MS = 80;

export class Sessions {
  #sessions = [];
  #marked = null;
  #shown = SHOWN_AT_FIRST;
  #timer = 0;

  constructor(model) {
    this.model = model;
    this.list = h("ul.sessions", { tabIndex: -1 });
    const begin = h("a.plain", { href: "#/chat", label: "chat.new" }, icon("plus"));
    const head = h("div.past-head", {}, h("span", { text: "chat.past" }), begin);
    this.element = h("nav.past", { label: "chat.past" }, head, this.list);
    model.on("turn forgotten", () => this.#soon());
    model.on("link", () => model.isUp && this.#soon());
    follow(() => this.#draw());
  }

  /** Mark the conversation that is shown; "" is a new one, null none. */
  mark(session) {
    this.#marked = session;
    for (const link of this.list.querySelectorAll("a")) this.#markOne(link);
  }

  #markOne(link) {
    if (link.dataset.session === this.#marked) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), TOGETHER_MS);
  }

  async #read() {
    const found = await this.model.link.ask("session.list").catch(() => null);
    if (found === null) return; // it is read again when the daemon is back
    this.#sessions = found.sessions;
    this.#draw();
  }

  #draw() {
    let day = "";
    const lines = this.#sessions.slice(0, this.#shown).flatMap((session) => {
      const [was, now] = [day, dayOf(session.last_ts)];
      day = now;
      return now === was ? [this.#line(session)] : [h("li.day", {}, now), this.#line(session)];
    });
    const isMore = this.#sessions.length > this.#shown;
    fill(this.list, ...lines, isMore ? this.#more() : null);
  }

  #line({ session, title }) {
    const link = h("a", { href: `#/chat/${encodeURIComponent(session)}`, title }, title);
    link.dataset.session = session;
    this.#markOne(link);
    return h("li", {}, link);
  }

  #more() {
    const more = () => {
      this.#shown *= 4;
      this.#draw();
    };
    return h("li", {}, h("button.quiet", { text: "chat.more", onclick: more }));
  }
}
