/** The nights of the soul in use, one beside the other. */
import { fill, h, show } from "../app/dom.js";
import { date, number, percent } from "../app/format.js";
import { plot } from "../app/plot.js";
import { follow, t } from "../app/texts.js";

const MOST_NIGHTS = 120;

const PLOTS = [
  { key: "nights.recall", value: recall, format: percent, least: 0, most: 1 },
  { key: "nights.level", value: ({ level }) => level, format: number, least: 0 },
  { key: "nights.drift", value: ({ after }) => after?.drift, format: thousandths, least: 0 },
];

function recall({ after }) {
  return after?.facts ? after.recalled / after.facts : undefined;
}

function thousandths(value) {
  return number(value, 3);
}

export class Nights {
  #reports = [];

  constructor(model) {
    this.model = model;
    this.plots = h("div.plots");
    this.element = h("section.block", { hidden: true }, h("h2", { text: "nights.title" }), this.plots);
    follow(() => this.#draw());
  }

  /** Ask for the reports of all nights. */
  async read() {
    const found = await this.model.link.ask("soul.reports", { limit: MOST_NIGHTS }).catch(() => null);
    if (found === null) return;
    this.#reports = found.reports;
    this.#draw();
  }

  #draw() {
    show(this.element, this.#reports.length > 0);
    fill(this.plots, ...PLOTS.map((one) => this.#plot(one)));
  }

  #plot({ key, value, format, ...bounds }) {
    const nights = this.#reports.filter((report) => Number.isFinite(value(report)));
    const points = nights.map((report) => ({
      y: value(report),
      title: `${date(report.began)}: ${format(value(report))}`,
      isHollow: report.outcome !== "kept",
    }));
    const ends = { from: date(nights[0]?.began), to: date(nights.at(-1)?.began) };
    const [first, last] = [points[0]?.y ?? 0, points.at(-1)?.y ?? 0].map((one) => format(one));
    const summary = t("nights.summary", { what: t(key), from: first, to: last, n: nights.length });
    const drawing = plot(points, { format, ...ends, ...bounds, summary });
    return h("figure.card", {}, h("figcaption", { text: key }), drawing);
  }
}
