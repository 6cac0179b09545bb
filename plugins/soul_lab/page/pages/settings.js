/** Settings: of this page, and what of the daemon's may change while it runs. */
import { fill, h, show } from "../app/dom.js";
import { complain, tell } from "../app/notices.js";
import { follow, languageInUse, setLanguage } from "../app/texts.js";
import { setTheme, themeChosen } from "../app/theme.js";
import { field } from "./setting_field.js";
import { GROUPS } from "./setting_list.js";

export class SettingsPage {
  #values = null;

  constructor(model) {
    this.model = model;
    this.groups = h("div");
    this.restart = h("p.trouble", { hidden: true });
    this.others = h("dl.pairs");
    this.path = h("p.soft.small");
    const summary = h("summary", { text: "setting.others" });
    const fold = h("details.fold", {}, summary, this.others);
    const head = h("header.page-head", {}, h("h1", { text: "page.settings", tabIndex: -1 }));
    const parts = [head, this.#ofPage(), this.restart, this.groups, fold, this.path];
    this.element = h("section.page.settings", {}, ...parts);
    model.on("link config", () => model.isUp && this.#read());
    follow(() => this.#draw());
  }

  enter() {
    if (this.model.isUp) this.#read();
  }

  #ofPage() {
    const languages = { en: "English", ja: "日本語" };
    const pick = (values, chosen, onPick) => {
      const options = Object.entries(values).map(([value, words]) => h("option", { value, ...words }));
      const select = h("select", { onchange: () => onPick(select.value) }, ...options);
      select.value = chosen;
      return select;
    };
    const own = Object.fromEntries(Object.entries(languages).map(([k, textContent]) => [k, { textContent }]));
    const themes = Object.fromEntries(["auto", "light", "dark"].map((k) => [k, { text: `theme.${k}` }]));
    const rows = [
      ["setting.language", pick(own, languageInUse(), setLanguage)],
      ["setting.theme", pick(themes, themeChosen(), setTheme)],
    ].map(([key, select]) => {
      const words = h("span.setting-words", {}, h("span", { text: key }));
      return h("label.setting", {}, words, select);
    });
    return h("section.block", {}, h("h2", { text: "setting.page" }), h("div.card.settings-card", {}, ...rows));
  }

  async #read() {
    const found = await this.model.link.ask("config.show").catch(() => null);
    if (found === null) return;
    this.#values = flat(found.values);
    this.path.textContent = found.path;
    if (!this.groups.contains(document.activeElement)) this.#draw();
  }

  #draw() {
    if (this.#values === null) return;
    const live = GROUPS.flatMap((group) => group.fields.map((one) => one.key));
    fill(this.groups, ...GROUPS.map((group) => this.#group(group)));
    const others = Object.entries(this.#values).filter(([key]) => !live.includes(key));
    const pair = ([key, value]) => [h("dt", {}, h("code", {}, key)), h("dd", {}, JSON.stringify(value))];
    fill(this.others, ...others.flatMap(pair));
    const waiting = this.model.status?.watched?.restart ?? [];
    show(this.restart, waiting.length > 0);
    fill(this.restart, h("span", { text: ["setting.restart", { keys: waiting.join(", ") }] }));
  }

  #group({ name, fields }) {
    const known = fields.filter((one) => one.key in this.#values);
    const rows = known.map((one) => field(one, this.#values[one.key], (value) => this.#set(one.key, value)));
    const title = h("h2", { text: `setting.${name}` });
    return h("section.block", {}, title, h("div.card.settings-card", {}, ...rows));
  }

  /** Have a value in force; returns why it is not, or null. */
  async #set(key, value) {
    try {
      await this.model.link.ask("config.set", { key, value });
      this.#values[key] = value;
      tell("setting.saved");
      return null;
    } catch (failure) {
      if (failure.code !== "bad_request") complain(failure);
      return failure;
    }
  }
}

function flat(values, prefix = "") {
  const isSection = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const pairs = Object.entries(values).flatMap(([key, value]) =>
    isSection(value) ? Object.entries(flat(value, `${prefix}${key}.`)) : [[prefix + key, value]],
  );
  return Object.fromEntries(pairs);
}
