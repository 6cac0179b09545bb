/** A night as it goes on: its stages, how far it is, what it dreams of, how the loss falls. */
import { fill, h, show } from "../app/dom.js";
import { duration, number, percent } from "../app/format.js";
import { plot } from "../app/plot.js";
import { say, t } from "../app/texts.js";
import { drawProgress, stageText } from "../app/work.js";

const STAGES = ["gathering", "preparing", "examining", "dreaming", "judging"];
const MOST_POINTS = 200;

export class Dream {
  constructor(model) {
    this.model = model;
    this.steps = h("ol.stages", { label: "sleep.stages" });
    this.bar = h("progress", { label: "work.progress" });
    this.words = h("p.soft.small", { role: "status" });
    this.of = h("p.dreamt-of");
    this.loss = h("figure.loss");
    const parts = [this.steps, this.bar, this.words, this.of, this.loss];
    this.element = h("div.dream", { hidden: true }, ...parts);
    model.on("work", () => this.draw());
  }

  draw(isNight = !this.element.hidden) {
    show(this.element, isNight);
    if (!isNight) return;
    const work = this.model.workOf("soul.sleep");
    if (work === null) return say(this.words, "stage.waiting");
    const { stage, done, total, note } = work.progress;
    this.#drawStages(stage, work.stages);
    drawProgress(this.bar, work.progress);
    const share = total ? percent(done / total) : "";
    const night = this.model.status.requests.find((one) => one.id === work.id);
    const took = night ? duration(night.age_s) : "";
    const [key, values] = stageText(work.progress);
    if (this.words.dataset.text !== key) say(this.words, key, values);
    this.words.textContent = [t(key, values), share, took].filter(Boolean).join(" · ");
    show(this.of, Boolean(note));
    this.of.textContent = note ?? "";
    this.#drawLoss(work.losses);
  }

  /** The exam comes twice: before the dreams and after them. */
  #drawStages(stage, seen) {
    const isAfter = stage === "examining" && seen.includes("dreaming");
    const ofBar = { writing: "gathering" }[stage] ?? stage;
    const at = STAGES.indexOf(isAfter ? "judging" : ofBar);
    const items = STAGES.map((one, i) => {
      const item = h("li", { text: `night.${one}` });
      if (i === at) item.setAttribute("aria-current", "step");
      item.className = i < at ? "is-past" : "";
      return item;
    });
    fill(this.steps, ...items);
  }

  #drawLoss(losses) {
    show(this.loss, losses.length > 1);
    if (losses.length < 2) return;
    const every = Math.ceil(losses.length / MOST_POINTS);
    const kept = losses.filter((_, i) => i % every === 0 || i === losses.length - 1);
    const points = kept.map(([x, y]) => ({ x, y }));
    const format = (value) => number(value, 2);
    const summary = t("sleep.loss_summary", { from: format(losses[0][1]), to: format(losses.at(-1)[1]) });
    const caption = h("figcaption.soft.small", { text: "sleep.loss" });
    fill(this.loss, caption, plot(points, { format, least: 0, summary }));
  }
}
