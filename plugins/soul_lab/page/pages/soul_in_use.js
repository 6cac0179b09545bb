/** The soul in use: what it is, how it is kept, and the states it can go back to. */
import { fill, h, show } from "../app/dom.js";
import { ask } from "../app/dialog.js";
import { ago, moment, number } from "../app/format.js";
import { icon, orb } from "../app/icons.js";
import { complain, tell } from "../app/notices.js";
import { follow, has, t } from "../app/texts.js";
import { fileOf } from "./soul_files.js";

export class SoulInUse {
  #entry = null; // as soul.list has it
  #generations = [];

  constructor(model, rebirth) {
    this.model = model;
    this.rebirth = rebirth;
    this.name = h("h2");
    this.facts = h("dl.figures");
    this.trouble = h("div.trouble", { hidden: true });
    this.buttons = h("div.row");
    this.past = h("ol.past-states");
    const summary = h("summary", {}, icon("down"), h("span", { text: "soul.history" }));
    this.fold = h("details.fold", { ontoggle: () => this.#readPast() }, summary, this.past);
    const title = h("div", {}, h("p.soft.small", { text: "soul.in_use" }), this.name);
    const head = h("div.soul-head", {}, orb(), title);
    const parts = [head, this.facts, this.trouble, this.buttons, this.fold];
    this.element = h("section.card.soul-card", {}, ...parts);
    model.on("soul body link", () => this.#draw());
    follow(() => this.#draw());
    this.#draw();
  }

  /** Take up what `soul.list` says of it. */
  know(entry) {
    this.#entry = entry;
    this.#draw();
    if (this.fold.open) this.#readPast();
  }

  #draw() {
    const { soul } = this.model;
    show(this.element, soul !== null);
    if (soul === null) return;
    this.name.textContent = soul.name;
    fill(this.facts, ...this.#figures(soul));
    this.#drawTrouble(soul);
    fill(this.buttons, ...this.#actions(soul));
    this.#drawPast();
  }

  #figures(soul) {
    const saved = soul.saved ? ago(soul.saved) : t("soul.never");
    const newest = soul.unsaved ? t("soul.unsaved") : t("soul.generation", { n: soul.generation });
    const born = this.#entry?.created;
    return [
      figure("soul.level_name", number(soul.level), t("soul.level_unit")),
      figure("soul.age", born ? ago(born) : "–", born ? moment(born) : ""),
      figure("soul.saved", saved, newest),
      figure("soul.pending", number(soul.pending), t("soul.pending_unit")),
    ];
  }

  #drawTrouble({ problem }) {
    show(this.trouble, Boolean(problem));
    if (!problem) return;
    const { body } = this.model;
    const isOther = Boolean(body && this.#entry?.body && this.#entry.body !== body.fingerprint);
    const offer = isOther ? h("p", { text: ["soul.offer", { body: body.name }] }) : null;
    const words = h("div.row-words", {}, h("p", { lang: "en" }, problem), offer);
    fill(this.trouble, icon("warn"), words, isOther ? this.rebirth.button(this.#entry) : null);
  }

  #actions(soul) {
    const { name, generation, unsaved } = soul;
    const act = (text, onclick, isIdle = false) =>
      h("button.quiet", { text, onclick, disabled: isIdle || !this.model.isUp });
    return [
      act("soul.save", () => this.#do("soul.save", {}, "soul.was_saved"), !unsaved),
      act("soul.undo", () => this.#undo(), generation < 2 && !unsaved),
      act("soul.copy", () => this.#copy()),
      h("a.quiet", { href: fileOf(name), download: `${name}.soul`, text: "soul.export" }),
      soul.level && this.#entry ? this.rebirth.button(this.#entry) : null,
      act("soul.reset", () => this.#reset()),
    ].filter(Boolean);
  }

  async #do(method, params, said, values = {}) {
    if (await this.model.link.ask(method, params).catch(complain)) tell(said, values);
  }

  async #undo(to = null) {
    const text = to === null ? "soul.undo_text" : ["soul.undo_to_text", { n: to }];
    if (await ask({ title: "soul.undo", text, confirm: "soul.undo" })) {
      await this.#do("soul.undo", to === null ? {} : { to }, "soul.undone");
    }
  }

  async #copy() {
    const question = { title: "soul.copy", text: "soul.copy_text", field: "soul.name", confirm: "soul.copy" };
    const name = await ask(question);
    if (name !== null) await this.#do("soul.save", { name }, "soul.copied", { name });
  }

  async #reset() {
    const question = { title: "soul.reset", text: "soul.reset_text", confirm: "soul.reset", isDanger: true };
    if (await ask(question)) await this.#do("soul.reset", {}, "soul.was_reset");
  }

  async #readPast() {
    if (!this.fold.open) return;
    const found = await this.model.link.ask("soul.history").catch(() => null);
    if (found === null) return;
    this.#generations = found.generations;
    this.#drawPast();
  }

  #drawPast() {
    fill(this.past, ...this.#generations.map((one) => this.#state(one)));
  }

  #state({ number: n, saved, level, why, current, problem }) {
    const reason = has(`why.${why}`) ? h("span", { text: `why.${why}` }) : why;
    const learned = h("span.soft", { text: ["soul.level", { level: number(level) }] });
    const words = [h("strong", {}, `${n}`), reason, h("span.soft", {}, moment(saved)), learned];
    if (current) return h("li", {}, ...words, h("span.tag", { text: "soul.current" }));
    if (problem) return h("li", {}, ...words, h("span.tag.is-bad", { text: "soul.damaged" }));
    const back = h("button.link.small", { text: "soul.go_back", onclick: () => this.#undo(n) });
    return h("li", {}, ...words, back);
  }
}

function figure(key, value, unit) {
  const words = [h("span.figure-value", {}, value), h("span.soft.small", {}, unit)];
  return h("div.figure", {}, h("dt.soft.small", { text: key }), h("dd", {}, ...words));
}
