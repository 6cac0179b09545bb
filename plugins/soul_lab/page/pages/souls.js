/** The souls there are: the one in use, its past, the others, and those that come as files. */
import { fill, h, show } from "../app/dom.js";
import { ask } from "../app/dialog.js";
import { ago, bytes, number } from "../app/format.js";
import { icon } from "../app/icons.js";
import { complain, tell } from "../app/notices.js";
import { follow } from "../app/texts.js";
import { WorkLine } from "../app/work.js";
import { Rebirth } from "./rebirth.js";
import { acceptDrops, chooseFile, fileOf } from "./soul_files.js";
import { SoulInUse } from "./soul_in_use.js";

const TOGETHER_MS = 60;

export class Souls {
  #souls = [];
  #timer = 0;

  constructor(model) {
    this.model = model;
    this.rebirth = new Rebirth(model);
    this.used = new SoulInUse(model, this.rebirth);
    this.list = h("ul.rows");
    this.work = new WorkLine(model, "soul.reincarnate", "soul.forget");
    const button = (name, text, onclick) =>
      h("button.quiet", { onclick }, icon(name), h("span", { text }));
    const bring = button("file", "soul.bring", () => chooseFile());
    const begin = button("plus", "soul.new", () => this.#begin());
    const head = h("div.block-head", {}, h("h2", { text: "soul.others" }), h("div.row", {}, begin, bring));
    this.none = h("p.soft", { text: "soul.none" });
    this.drop = h("p.drop.soft.small", { text: "soul.drop" });
    this.others = h("section.block.takes-drops", {}, head, this.work.element, this.list, this.none, this.drop);
    acceptDrops(this.others, () => this.read());
    this.element = h("div", {}, this.used.element, this.others);
    model.on("soul body bodies", () => this.#soon());
    model.on("link", () => model.isUp && this.#soon());
    follow(() => this.#draw());
  }

  #soon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.read(), TOGETHER_MS);
  }

  /** Ask which there are. */
  async read() {
    const found = await this.model.link.ask("soul.list").catch(() => null);
    if (found === null) return;
    this.#souls = found.souls;
    this.#draw();
    this.used.know(this.#souls.find((soul) => soul.active) ?? null);
  }

  #draw() {
    const others = this.#souls.filter((soul) => !soul.active);
    show(this.none, others.length === 0);
    fill(this.list, ...others.map((soul) => this.#row(soul)));
  }

  #row(soul) {
    const isOther = Boolean(this.model.body && soul.body && soul.body !== this.model.body.fingerprint);
    const facts = [
      h("span", { text: ["soul.level", { level: number(soul.level) }] }),
      soul.body_name || null,
      bytes(soul.size_bytes),
      ago(soul.saved),
    ].filter(Boolean);
    const line = h("p.soft.small.facts", {}, ...facts.map((fact) => h("span", {}, fact)));
    const why = soul.problem ? h("p.fault-line", { lang: "en" }, soul.problem) : null;
    const values = { body: soul.body_name };
    const grown = isOther && !why ? h("p.small.soft", { text: ["soul.grown_on", values] }) : null;
    const words = h("div.row-words", {}, h("h3", {}, soul.name), line, why, grown);
    const buttons = [
      isOther ? this.rebirth.button(soul) : null,
      h("a.quiet", { href: fileOf(soul.name), download: `${soul.name}.soul`, text: "soul.export" }),
      h("button.quiet", { text: "soul.use", onclick: () => this.#use(soul) }),
    ];
    return h("li.row-line", {}, words, h("div.row", {}, ...buttons.filter(Boolean)));
  }

  async #use({ name }) {
    const used = await this.model.link.ask("soul.use", { name }).catch(complain);
    if (used && !used.problem) tell("soul.used", { name });
  }

  async #begin() {
    const question = { title: "soul.new", text: "soul.new_text", field: "soul.name", confirm: "soul.begin" };
    const name = await ask(question);
    if (name === null) return;
    const made = await this.model.link.ask("soul.new", { name }).catch(complain);
    if (made) tell("soul.begun", { name });
  }
}
