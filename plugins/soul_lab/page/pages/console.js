/** Console: the daemon's log, apart from the chat. */
import { fill, h, show } from "../app/dom.js";
import { clock } from "../app/format.js";
import { follow } from "../app/texts.js";

const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];
const NEAR_PX = 40;
const MOST_LINES = 2000;

export class ConsolePage {
  #lines = [];

  constructor(model) {
    this.model = model;
    const redraw = () => this.#draw();
    const options = LEVELS.slice(1, 4).map((level) => h("option", { value: level, text: `log.${level}` }));
    this.level = h("select", { label: "log.level", onchange: redraw }, ...options);
    this.words = h("input", { type: "search", label: "log.filter", hint: "log.filter", oninput: redraw });
    this.follows = h("input.switch", { type: "checkbox", checked: true });
    const following = h("label.row.small", {}, this.follows, h("span", { text: "log.follow" }));
    const tools = h("div.log-tools", {}, this.words, this.level, following);
    this.list = h("ol.log", { tabIndex: 0, label: "page.console" });
    this.none = h("p.soft.log-none", { text: "log.none" });
    const title = h("h1", { text: "page.console", tabIndex: -1 });
    const head = h("header.page-head", {}, h("div", {}, title, h("p", { text: "log.about" })));
    this.element = h("section.page.console", {}, head, tools, this.list, this.none);
    model.on("log", (line) => this.#add(line));
    model.on("link", () => model.isUp && this.#read());
    follow(redraw);
    if (model.isUp) this.#read();
  }

  enter() {
    this.#draw();
  }

  async #read() {
    const found = await this.model.link.ask("lab.log", { limit: MOST_LINES }).catch(() => null);
    if (found === null) return; // it is read again when the daemon is back
    this.#lines = found.lines;
    this.#draw();
  }

  #isShown(line) {
    const words = this.words.value.toLowerCase();
    const isLoud = LEVELS.indexOf(line.level.toUpperCase()) >= LEVELS.indexOf(this.level.value);
    return isLoud && `${line.logger} ${line.message}`.toLowerCase().includes(words);
  }

  #draw() {
    if (!this.element.isConnected) return;
    fill(this.list, ...this.#lines.filter((line) => this.#isShown(line)).map(drawLine));
    show(this.none, this.list.childElementCount === 0);
    this.#toEnd(true);
  }

  #add(line) {
    this.#lines = [...this.#lines.slice(1 - MOST_LINES), line];
    if (!this.element.isConnected || !this.#isShown(line)) return;
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    const wasAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.list.append(drawLine(line));
    show(this.none, false);
    this.#toEnd(wasAtEnd);
  }

  #toEnd(wasAtEnd) {
    if (this.follows.checked && wasAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }
}

function drawLine({ ts, level, logger, message }) {
  const loud = ["WARNING", "ERROR", "CRITICAL"].includes(level.toUpperCase());
  const parts = [
    h("time.soft", { dateTime: ts }, clock(ts)),
    h("span.log-name.soft", { title: logger }, logger.split(".").at(-1)),
    h("span.log-words", {}, message),
  ];
  const element = h(loud ? "li.is-loud" : "li", { lang: "en" }, ...parts);
  element.dataset.level = level.toUpperCase();
  if (loud) element.prepend(h("span.unseen", { text: `log.${level.toUpperCase()}` }));
  return element;
}
