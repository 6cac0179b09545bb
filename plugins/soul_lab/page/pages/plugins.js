/** Plugins: which there are and how they do. */
import { fill, h, show } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { follow } from "../app/texts.js";

export class PluginsPage {
  #plugins = [];

  constructor(model) {
    this.model = model;
    this.list = h("ul.rows");
    this.none = h("p.soft", { text: "plugin.none", hidden: true });
    const title = h("h1", { text: "page.plugins", tabIndex: -1 });
    const head = h("header.page-head", {}, h("div", {}, title, h("p", { text: "plugin.about" })));
    const command = h("code", {}, "soul plugins enable NAME");
    const how = h("p.soft.small.after", {}, h("span", { text: "plugin.how" }), " ", command);
    this.element = h("section.page", {}, head, this.list, this.none, how);
    model.on("link", () => model.isUp && this.#read());
    model.on("frontend config status", () => this.element.isConnected && this.#read());
    follow(() => this.#draw());
  }

  enter() {
    if (this.model.isUp) this.#read();
  }

  async #read() {
    const found = await this.model.link.ask("plugins.list").catch(() => null);
    if (found === null) return;
    this.#plugins = found.plugins;
    this.#draw();
  }

  #draw() {
    show(this.none, this.#plugins.length === 0);
    fill(this.list, ...this.#plugins.map((plugin) => this.#row(plugin)));
  }

  #row({ name, version, source, enabled, state, strikes, hooks, jobs, problem }) {
    const tag = h(tagOf(state), { text: `plugin.${state}` });
    const title = h("div.row", {}, h("h3", {}, name), tag);
    const from = [source, version].filter(Boolean).join(" ");
    const parts = [
      from ? h("span", {}, from) : null,
      strikes ? h("span", { text: ["plugin.strikes", { n: strikes }] }) : null,
      ...jobs.map((job) => h("span", { text: ["plugin.job", { job }] })),
      ...this.#frontends(name),
    ];
    const facts = h("p.soft.small.facts", {}, ...parts.filter(Boolean));
    const does = hooks.length ? h("p.soft.small.hooks", {}, ...hooks.map((hook) => h("code", {}, hook))) : null;
    const fault = problem ? h("p.fault-line", { lang: "en" }, icon("warn"), problem) : null;
    const words = h("div.row-words", {}, title, facts, does, fault);
    return h(enabled ? "li.row-line" : "li.row-line.is-off", {}, words);
  }

  #frontends(name) {
    const own = (this.model.status?.frontends ?? []).filter((one) => one.plugin === name);
    return own.map((one) => h("span", { text: [`plugin.frontend_${one.state}`, { name: one.name }] }));
  }
}

function tagOf(state) {
  if (state === "failed" || state === "disabled") return "span.tag.is-bad";
  return state === "on" ? "span.tag" : "span.tag.is-plain";
}
