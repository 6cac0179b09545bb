/** What came of a night. */
import { h } from "../app/dom.js";
import { duration, moment, number } from "../app/format.js";

/** Draw a report: the outcome, the marks before and after, and each fact. */
export function morning(report) {
  const isKept = report.outcome === "kept";
  const head = h(
    "div.block-head",
    {},
    h("div", {}, h("h2", { text: "morning.title" }), h("p.soft.small", {}, moment(report.began))),
    h(isKept ? "span.tag" : "span.tag.is-plain", { text: `morning.${report.outcome}` }),
  );
  const why = report.why ? h("p.soft.small", { lang: "en" }, report.why) : null;
  const facts = report.facts.filter((fact) => fact.text && isKept); // else they are as they were
  const parts = [head, why, figures(report), facts.length ? table(facts) : null];
  return h("section.card.morning", {}, ...parts.filter(Boolean));
}

function figures({ before, after, steps, seconds, left }) {
  const shown = before && after ? marks(before, after) : [];
  shown.push(figure("morning.took", duration(seconds), ["morning.steps", { n: number(steps) }]));
  if (left) shown.push(figure("morning.left", number(left), "morning.left_unit"));
  return h("dl.figures", {}, ...shown);
}

function marks(before, after) {
  const shown = [
    figure("morning.recall", `${before.recalled} → ${after.recalled}`, of(after.facts)),
    figure("morning.drift", number(after.drift, 3), "morning.drift_unit"),
  ];
  if (after.untold) {
    const unit = ["morning.of_untold", { n: after.untold }];
    shown.splice(1, 0, figure("morning.honest", `${before.honest} → ${after.honest}`, unit));
  }
  if (after.statements) {
    const stated = `${before.stated} → ${after.stated}`;
    shown.splice(1, 0, figure("morning.stated", stated, of(after.statements)));
  }
  return shown;
}

function of(count) {
  return ["morning.of", { n: count }];
}

function figure(key, value, unit) {
  const words = [h("span.figure-value", {}, value), h("span.soft.small", { text: unit })];
  return h("div.figure", {}, h("dt.soft.small", { text: key }), h("dd", {}, ...words));
}

function table(facts) {
  const head = ["morning.fact", "morning.before", "morning.after"];
  const titles = head.map((key) => h("th", { scope: "col", text: key }));
  const body = h("tbody", {}, ...facts.map(row));
  return h("div.wide", {}, h("table.facts-table", {}, h("thead", {}, h("tr", {}, ...titles)), body));
}

function row({ text, source, before, after, resting, replaced_by, question, ...said }) {
  const note = replaced_by ? "morning.replaced" : resting ? "morning.resting" : null;
  const tags = [
    note ? h("span.tag.is-plain", { text: note }) : null,
    source ? h("span.tag.is-plain", {}, source) : null,
  ];
  const words = h("td", { dir: "auto" }, h("span", {}, text), " ", ...tags.filter(Boolean));
  if (question) words.append(...answers(question, said));
  const marks = replaced_by ? [h("td", {}, "–"), h("td", {}, "–")] : [mark(before), mark(after)];
  return h("tr", {}, words, ...marks);
}

function answers(question, { said_before, said_after }) {
  const reply = (when, text) =>
    h("div.small", { dir: "auto" }, h("span.soft", { text: when }), `: ${text}`);
  const lines = [h("div.soft.small", { dir: "auto" }, question)];
  if (said_before !== said_after) lines.push(reply("morning.before", said_before));
  return [...lines, reply("morning.after", said_after)];
}

function mark(isRecalled) {
  const sign = h("span.mark", { "aria-hidden": "true" });
  sign.classList.toggle("is-yes", isRecalled);
  const words = h("span.unseen", { text: isRecalled ? "morning.recalled" : "morning.not_recalled" });
  return h("td", {}, sign, words);
}
