/** A long request, as it is shown: its stage, how far it is, and a button that ends it. */
import { fill, h, show } from "./dom.js";
import { percent } from "./format.js";
import { complain } from "./notices.js";
import { has, say } from "./texts.js";

/** Return the text of a stage as `[key, values]`; the daemon's own word for one that has none. */
export function stageText({ stage, position = 0 }) {
  if (!has(`stage.${stage}`)) return ["stage.other", { stage }];
  return [`stage.${stage}`, { n: position }];
}

/** Show how far something is in a `<progress>`. */
export function drawProgress(bar, { done = 0, total = 0 }) {
  if (total) {
    bar.max = total;
    bar.value = Math.min(done, total);
  } else bar.removeAttribute("value");
}

/** Shows the work of some methods while there is any. */
export class WorkLine {
  constructor(model, ...methods) {
    this.model = model;
    this.methods = methods;
    this.words = h("span");
    this.share = h("span.soft.small");
    this.bar = h("progress", { label: "work.progress" });
    this.stop = h("button.quiet", { text: "work.stop", onclick: () => this.#stop() });
    const head = h("div.row.work-head", {}, this.words, this.share, this.stop);
    this.element = h("div.work", { hidden: true }, head, this.bar);
    model.on("work", () => this.#draw());
    this.#draw();
  }

  #draw() {
    const work = this.model.workOf(...this.methods);
    show(this.element, work !== null);
    if (work === null) return;
    const { done, total, note, part, parts } = work.progress;
    say(this.words, ...stageText(work.progress));
    const shares = [parts ? `${part}/${parts}` : "", total ? percent(done / total) : "", note ?? ""];
    fill(this.share, shares.filter(Boolean).join(" · "));
    drawProgress(this.bar, work.progress);
  }

  #stop() {
    const work = this.model.workOf(...this.methods);
    if (work) this.model.link.ask("lab.cancel", { target: work.id }).catch(complain);
  }
}
