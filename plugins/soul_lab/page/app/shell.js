/** The frame around all pages: navigation, how the soul is, and which page is shown. A page is made when
 * it is first shown. */
import { fill, h, show } from "./dom.js";
import { icon, orb } from "./icons.js";
import { notices } from "./notices.js";
import { Sessions } from "./sessions.js";
import { presenceOf } from "./presence.js";
import { follow, say, t } from "./texts.js";

export class Shell {
  #shown = null;
  #made = {};

  /** `makers`: how each page is made, by its name. */
  constructor(model, makers) {
    this.model = model;
    this.makers = makers;
    this.links = Object.fromEntries(Object.keys(makers).map((name) => [name, this.#link(name)]));
    this.sessions = new Sessions(model);
    this.stateName = h("span.presence-name");
    this.stateWords = h("span.presence-state", { role: "status" });
    this.topTitle = h("span.top-title");
    this.main = h("main", { id: "main", tabIndex: -1 });
    this.banner = h("div.banner", { role: "alert", hidden: true });
    this.#build();
    model.on("link status soul body work", () => this.#drawPresence());
    addEventListener("hashchange", () => this.#route());
    addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false));
    for (const name of ["dragover", "drop"]) {
      addEventListener(name, (event) => event.preventDefault()); // a file does not take our place
    }
    follow(() => this.#drawPresence());
    follow(() => this.#drawTitle());
    this.#drawPresence();
    this.#route();
  }

  #build() {
    const toggle = h("button.plain", { label: "nav.open", onclick: () => this.#toggle(true) }, icon("menu"));
    this.toggle = toggle;
    const items = Object.values(this.links).map((link) => h("li", {}, link));
    this.side = h(
      "div.side",
      {},
      h("a.brand", { href: "#/chat" }, h("img", { src: "/icon.svg", alt: "" }), "Bit-TTT"),
      h("nav", { label: "nav.pages" }, h("ul.pages", {}, ...items)),
      this.sessions.element,
      h("a.presence", { href: "#/lab" }, orb(), h("span.presence-words", {}, this.stateName, this.stateWords)),
    );
    document.body.append(
      h("a.skip", { href: "#main", text: "nav.skip", onclick: (event) => this.#skip(event) }),
      h("header.top", {}, toggle, this.topTitle, orb()),
      this.side,
      h("button.scrim", { label: "nav.close", tabIndex: -1, onclick: () => this.#toggle(false) }),
      this.main,
      notices,
    );
    this.main.append(this.banner);
  }

  #link(name) {
    return h("a", { href: `#/${name}` }, icon(name), h("span", { text: `page.${name}` }));
  }

  #skip(event) {
    event.preventDefault();
    this.main.focus();
  }

  #toggle(isOpen) {
    const wasOpen = document.body.classList.contains("is-open");
    document.body.classList.toggle("is-open", isOpen);
    this.toggle.setAttribute("aria-expanded", isOpen);
    if (isOpen) this.links[this.#shown].focus();
    else if (wasOpen) this.toggle.focus();
  }

  #route() {
    const [, name = "chat", ...rest] = location.hash.split("/");
    const page = this.makers[name] ? name : "chat";
    if (page !== this.#shown) this.#show(page);
    this.#made[page].enter(rest.map(decodeURIComponent).join("/"));
    this.sessions.mark(page === "chat" ? rest.join("/") : null);
    document.body.classList.remove("is-open");
  }

  #show(name) {
    const isFirst = this.#shown === null;
    this.#shown = name;
    const { element } = (this.#made[name] ??= this.makers[name]());
    for (const [one, link] of Object.entries(this.links)) {
      if (one === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    fill(this.main, this.banner, element);
    say(this.topTitle, `page.${name}`);
    this.#drawTitle();
    if (isFirst) return; // whatever asks where things are makes the browser place them all
    this.main.scrollTop = 0;
    element.querySelector("h1")?.focus({ preventScroll: true });
  }

  #drawPresence() {
    const { state, key, values, name } = presenceOf(this.model);
    document.body.dataset.state = state;
    this.stateName.textContent = name;
    if (this.stateWords.textContent !== t(key, values)) say(this.stateWords, key, values);
    show(this.banner, state === "offline" && this.model.hasBeenUp);
    if (state === "offline") say(this.banner, this.model.isLost ? "link.lost" : "link.down");
  }

  #drawTitle() {
    document.title = `${t(`page.${this.#shown}`)} · Bit-TTT`;
  }
}
