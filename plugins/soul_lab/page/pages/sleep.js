/** Sleep: the button, the night as it goes on, and what came of the nights before. */
import { fill, h, show } from "../app/dom.js";
import { ask } from "../app/dialog.js";
import { moment, number } from "../app/format.js";
import { icon, orb } from "../app/icons.js";
import { complain, tell } from "../app/notices.js";
import { follow, say } from "../app/texts.js";
import { Dream } from "./dream.js";
import { Nights } from "./nights.js";
import { morning } from "./morning.js";

export class SleepPage {
  constructor(model) {
    this.model = model;
    this.title = h("p.display");
    this.words = h("p.soft");
    this.next = h("p.soft.small");
    const begin = [icon("sleep"), h("span", { text: "sleep.begin" })];
    this.begin = h("button.primary.large", { onclick: () => this.#sleep() }, ...begin);
    this.wake = h("button.primary.large", { text: "sleep.wake", onclick: () => this.#cancel("sleep") });
    this.leave = h("button.quiet", { text: "sleep.leave", onclick: () => this.#discard() });
    const buttons = h("div.row.centre", {}, this.begin, this.wake, this.leave);
    this.dream = new Dream(model);
    const hero = h("div.card.night", {}, orb(), this.title, this.words, this.dream.element, buttons, this.next);
    this.morning = h("div.block");
    this.nights = new Nights(model);
    const head = h("header.page-head", {}, h("h1", { text: "page.sleep", tabIndex: -1 }));
    this.element = h("section.page", {}, head, hero, this.morning, this.nights.element);
    model.on("link status soul work", () => this.#draw());
    model.on("link", () => model.isUp && this.#read());
    model.on("request", ({ method, phase }) => method === "soul.sleep" && phase === "done" && this.#read());
    follow(() => {
      this.#draw();
      this.#drawMorning();
    });
  }

  enter() {
    this.#draw();
    if (this.model.isUp) this.#read();
  }

  get #isNight() {
    const { status, isUp } = this.model;
    return isUp && (status.state === "dreaming" || status.requests.some((one) => one.method === "soul.sleep"));
  }

  #draw() {
    const { soul, isUp } = this.model;
    const isNight = this.#isNight;
    const name = soul?.name ?? "";
    say(this.title, isNight ? "sleep.dreaming" : "sleep.awake", { name });
    const pending = soul?.pending ?? 0;
    const awake = pending === 1 ? "sleep.pending_one" : pending ? "sleep.pending" : "sleep.nothing";
    say(this.words, isNight ? "sleep.beside" : awake, { n: number(pending) });
    show(this.begin, !isNight);
    show(this.wake, isNight);
    show(this.leave, isNight);
    this.begin.disabled = !isUp || soul === null;
    const job = this.model.status?.jobs?.find((one) => one.next_at && one.name.startsWith("soul_nightly/"));
    show(this.next, Boolean(job) && !isNight);
    if (job) say(this.next, "sleep.next", { at: moment(job.next_at) });
    this.dream.draw(isNight);
  }

  async #sleep() {
    this.begin.disabled = true;
    const report = await this.model.link.ask("soul.sleep").catch(complain);
    this.#draw();
    if (!report) return;
    if (report.outcome === "nothing") tell("sleep.was_nothing");
    else this.#take(report);
  }

  async #discard() {
    const question = { title: "sleep.leave", text: "sleep.leave_text", confirm: "sleep.leave", isDanger: true };
    if (!(await ask(question))) return;
    const night = this.model.status.requests.find((one) => one.method === "soul.sleep");
    if (night) await this.#cancel(night.id);
  }

  async #cancel(target) {
    if (await this.model.link.ask("lab.cancel", { target }).catch(complain)) tell("sleep.waking");
  }

  async #read() {
    const report = await this.model.link.ask("soul.report").catch(() => null);
    this.#take(report);
    this.nights.read();
  }

  #take(report) {
    this.report = report;
    this.#drawMorning();
  }

  #drawMorning() {
    show(this.morning, Boolean(this.report));
    fill(this.morning, this.report ? morning(this.report) : null);
  }
}
