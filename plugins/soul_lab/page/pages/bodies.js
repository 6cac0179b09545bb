/** The bodies there are, what each takes, and which are to be had. */
import { fill, h, show } from "../app/dom.js";
import { bytes, count } from "../app/format.js";
import { icon } from "../app/icons.js";
import { complain, tell } from "../app/notices.js";
import { follow } from "../app/texts.js";
import { WorkLine } from "../app/work.js";

export class Bodies {
  #bodies = [];
  #infos = new Map(); // by name and size
  #catalog = null;

  constructor(model) {
    this.model = model;
    this.list = h("ul.rows");
    this.none = h("p.soft", { text: "body.none", hidden: true });
    this.work = new WorkLine(model, "body.load", "body.pull");
    this.more = h("ul.rows");
    const summary = h("summary", {}, icon("down"), h("span", { text: "body.more" }));
    this.fold = h("details.fold", { ontoggle: () => this.#openCatalog() }, summary, this.more);
    const head = h("h2", { text: "body.title" });
    const parts = [head, this.work.element, this.list, this.none, this.fold];
    this.element = h("section.block", {}, ...parts);
    model.on("bodies body reload", () => this.read());
    model.on("link", () => model.isUp && this.read());
    model.on("work status", () => this.#draw());
    follow(() => this.#draw());
  }

  /** Ask which there are, and what is not known of them yet. */
  async read() {
    const found = await this.model.link.ask("body.list").catch(() => null);
    if (found === null) return;
    this.#bodies = found.bodies;
    this.#draw();
    for (const body of found.bodies) if (!this.#infos.has(keyOf(body))) await this.#readOne(body);
  }

  async #readOne(body) {
    const info = await this.model.link.ask("body.info", { name: body.name }).catch((e) => e);
    this.#infos.set(keyOf(body), info);
    this.#draw();
  }

  #draw() {
    show(this.none, this.model.isUp && this.#bodies.length === 0);
    fill(this.list, ...this.#bodies.map((body) => this.#row(body)));
    if (this.#catalog) fill(this.more, ...this.#catalog.map((entry) => this.#offer(entry)));
  }

  #row(body) {
    const isLoaded = this.model.body?.name === body.name;
    const info = this.#infos.get(keyOf(body));
    const tag = isLoaded ? h("span.tag", { text: "body.loaded" }) : null;
    const title = h("div.row", {}, h("h3", {}, body.name), tag);
    const words = h("div.row-words", {}, title, ...this.#about(body, info, isLoaded));
    return h("li.row-line", {}, words, this.#button(body, isLoaded));
  }

  #about(body, info, isLoaded) {
    if (info instanceof Error) return [h("p.fault-line", { lang: "en" }, info.message)];
    const known = info ? [info.family, count(info.parameters), info.quantisation] : [body.format];
    const line = h("p.soft.small", {}, [...known, bytes(body.size_bytes)].join(" · "));
    if (!info) return [line];
    const { total_bytes, budget_bytes, fits } = info.memory;
    const held = isLoaded ? this.model.body.memory_bytes : total_bytes;
    const key = isLoaded ? "body.takes" : fits ? "body.needs" : "body.needs_more";
    const values = { held: bytes(held), budget: bytes(budget_bytes) };
    const share = { max: budget_bytes, value: Math.min(held, budget_bytes) };
    const bar = h("progress.memory", { ...share, label: "body.memory" });
    const words = h(fits ? "p.soft.small" : "p.fault-line", { text: [key, values] });
    return [line, h("div.memory-line", {}, bar, words)];
  }

  #button(body, isLoaded) {
    const isBusy = this.model.workOf("body.load") !== null || !this.model.isUp;
    const key = isLoaded ? "body.unload" : "body.load";
    const act = () => this.#change(isLoaded ? ["body.unload"] : ["body.load", { name: body.name }]);
    return h("button.quiet", { text: key, disabled: isBusy, onclick: act });
  }

  async #change([method, params = {}]) {
    await this.model.link.ask(method, params).catch(complain);
  }

  async #openCatalog() {
    if (!this.fold.open || this.#catalog) return;
    const found = await this.model.link.ask("body.catalog").catch(complain);
    if (!found) return;
    this.#catalog = found.bodies;
    this.#draw();
  }

  #offer(entry) {
    const isHere = this.#bodies.some((body) => body.name === entry.name);
    const sizes = [count(entry.parameters), bytes(entry.download_bytes)];
    const facts = [...sizes, entry.languages.join(" "), entry.licence];
    const title = h(
      "div.row",
      {},
      h("h3", {}, entry.name),
      entry.suggested ? h("span.tag", { text: "body.suggested" }) : null,
      isHere ? h("span.tag.is-plain", { text: "body.here" }) : null,
    );
    const needs = h("span", { text: ["body.about", { held: bytes(entry.memory_bytes) }] });
    const line = h("p.soft.small", {}, `${facts.filter(Boolean).join(" · ")} · `, needs);
    const get = h("button.quiet", {
      text: "body.get",
      disabled: this.model.workOf("body.pull") !== null,
      onclick: () => this.#get(entry.name),
    });
    return h("li.row-line", {}, h("div.row-words", {}, title, line), isHere ? null : get);
  }

  async #get(source) {
    const pulled = await this.model.link.ask("body.pull", { source }).catch(complain);
    if (pulled) tell("body.got", { name: pulled.name });
  }
}

function keyOf(body) {
  return `${body.name} ${body.size_bytes}`;
}
