/** Reincarnation: a soul on another body. */
import { h } from "../app/dom.js";
import { ask, present } from "../app/dialog.js";
import { number, percent } from "../app/format.js";
import { complain } from "../app/notices.js";

export class Rebirth {
  constructor(model) {
    this.model = model;
  }

  /** Return the button that begins it. */
  button(soul) {
    return h("button.quiet", { text: "rebirth.begin", onclick: () => this.#begin(soul) });
  }

  async #begin(soul) {
    const found = await this.model.link.ask("body.list").catch(complain);
    if (!found) return;
    const choices = found.bodies.map((body) => body.name).filter((name) => name !== soul.body_name);
    if (!choices.length) return complain({ code: "body_missing", message: "" });
    const values = { name: soul.name };
    const question = { title: ["rebirth.title", values], text: "rebirth.text", field: "rebirth.body" };
    const body = await ask({ ...question, choices, confirm: "rebirth.begin" });
    if (body !== null) await this.#reincarnate({ name: soul.name, body });
  }

  async #reincarnate(params) {
    const reborn = await this.model.link.ask("soul.reincarnate", params).catch(complain);
    if (reborn) this.#show(reborn);
  }

  #show({ soul, reborn, body, learned, records, nights, level, before, after }) {
    const recall = (marks) => (marks?.facts ? percent(marks.recalled / marks.facts) : "–");
    const lines = [
      ["rebirth.learned", `${number(learned)} / ${number(records)}`],
      ["rebirth.nights", number(nights)],
      ["rebirth.level", number(level)],
      ["rebirth.recall", `${recall(before)} → ${recall(after)}`],
    ];
    const pairs = lines.flatMap(([key, value]) => [h("dt", { text: key }), h("dd", {}, value)]);
    const accept = h("button.quiet", {
      text: ["rebirth.accept", { name: soul }],
      onclick: () => this.#accept(accept, soul, body),
    });
    const kept = h("p.soft.small", { text: "rebirth.accept_text" });
    present(["rebirth.done", { name: reborn }], h("dl.pairs", {}, ...pairs), kept, accept);
  }

  async #accept(button, name, body) {
    button.disabled = true;
    const taken = await this.model.link.ask("soul.reincarnate", { name, body, accept: true }).catch(complain);
    button.disabled = Boolean(taken);
    if (taken) button.closest("dialog").close();
  }
}
