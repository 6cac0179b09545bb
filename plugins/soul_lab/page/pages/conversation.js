/** One conversation: what was said in it, and the reply that is being made. */
import { h } from "../app/dom.js";
import { complain } from "../app/notices.js";
import { say } from "../app/texts.js";
import { Reply, Said } from "./message.js";

/**
 * `session`: its id; "" until the daemon has given one. `onChange(this, what)` is told of `grown` (the
 * reply), `said` (something new at the end), `named` (it has its id) and `state`.
 */
export class Conversation {
  #messages = []; // Said and Reply, as they are shown
  #call = null;

  constructor(model, session, onChange) {
    this.model = model;
    this.session = session;
    this.onChange = (what) => onChange(this, what);
    this.list = h("ol.transcript");
    this.heard = h("div.unseen", { role: "status" }); // a reply is read out once it is whole
    this.element = h("div", {}, this.list, this.heard);
  }

  get isAnswering() {
    return this.#call !== null;
  }

  get isEmpty() {
    return this.#messages.length === 0;
  }

  /** Show what the diary has of it, beside what was never in it. */
  async load() {
    if (this.#call !== null || !this.session) return;
    const found = await this.#found();
    if (found === null || this.#call !== null) return;
    const kept = this.#messages.filter((one) => one.isKept);
    const isSame =
      kept.length === found.length &&
      kept.every((one, i) => one.role === found[i].role && one.text === found[i].text);
    if (isSame) kept.forEach((one, i) => one.know(found[i].id ?? ""));
    else this.#show(found, this.#messages.filter((one) => !one.isKept));
    this.#showUnsent();
    this.#mark();
    this.onChange(isSame ? "state" : "said");
  }

  async #found() {
    try {
      return (await this.model.link.ask("session.get", { session: this.session })).messages;
    } catch (failure) {
      if (failure.code === "not_found") return [];
      if (failure.code !== "disconnected") complain(failure);
      return null;
    }
  }

  #show(found, others) {
    const known = found.map((message) => {
      const made = message.role === "user" ? this.#said(message.text) : this.#reply();
      made.know(message.id ?? "");
      if (message.role !== "user") made.finish({ text: message.text });
      return made;
    });
    this.#messages = [...known, ...others];
    this.list.replaceChildren(...this.#messages.map((one) => one.element));
  }

  /** What was typed and not answered when the page went away. */
  #showUnsent() {
    const unsent = JSON.parse(sessionStorage.getItem(this.#key) ?? "null");
    if (unsent === null || this.#messages.some((one) => one.isFailed)) return;
    const said = this.#said(unsent.text, unsent);
    this.#add(said);
    said.fail({ code: "disconnected" });
  }

  get #key() {
    return `lab.unsent.${this.session}`;
  }

  #said(text, more = {}) {
    return new Said(text, more, {
      onEdit: (said, newText) => this.say({ text: newText, replaces: said.id }),
      onAgain: (said) => this.#sayAgain(said),
    });
  }

  #reply(isOff = false) {
    return new Reply(this.model.link, isOff, { onAgain: (reply) => this.#regenerate(reply) });
  }

  #add(...messages) {
    this.#messages.push(...messages);
    this.list.append(...messages.map((one) => one.element));
  }

  #dropFrom(index) {
    for (const one of this.#messages.splice(index)) one.element.remove();
  }

  #sayAgain(said) {
    this.#dropFrom(this.#messages.indexOf(said));
    this.say(said);
  }

  #regenerate(reply) {
    const said = this.#messages[this.#messages.indexOf(reply) - 1];
    this.say({ text: said.text, replaces: said.id });
  }

  /** Say something; with `replaces` it takes the place of that record and what came after it. */
  async say({ text, isOff = false, replaces = null }) {
    if (this.#call !== null) return;
    const at = this.#messages.findIndex((one) => replaces && one.id === replaces);
    if (at >= 0) this.#dropFrom(at);
    this.#call = this.#send({ text, isOff, replaces }, () => reply); // before anything is drawn
    const said = this.#said(text, { isOff, replaces });
    const reply = this.#reply(isOff);
    this.#add(said, reply);
    this.#keepUnsent(said);
    this.#mark();
    this.onChange("said");
    try {
      this.#answered(said, reply, await this.#call.result);
    } catch (failure) {
      this.#failed(said, reply, failure);
    }
  }

  #send({ text, isOff, replaces }, replyOf) {
    const params = { text, session: this.session || null, off_record: isOff };
    if (replaces) params.replaces = replaces;
    return this.model.link.call("chat.send", params, {
      ack: (ack) => this.#accepted(ack, replyOf()),
      progress: (progress) => replyOf().tell(progress),
      chunk: (chunk) => {
        replyOf().grow(chunk.text);
        this.onChange("grown");
      },
    });
  }

  #accepted({ session, position }, reply) {
    if (position) reply.tell({ stage: "queued", position });
    if (this.session || !session) return;
    const unsent = sessionStorage.getItem(this.#key);
    sessionStorage.removeItem(this.#key);
    this.session = session;
    if (unsent) sessionStorage.setItem(this.#key, unsent);
    this.onChange("named");
  }

  #keepUnsent({ text, isOff, replaces }) {
    if (!isOff) sessionStorage.setItem(this.#key, JSON.stringify({ text, replaces }));
  }

  #answered(said, reply, done) {
    this.#call = null;
    sessionStorage.removeItem(this.#key);
    said.know(done.turn ?? "");
    reply.finish(done);
    for (const one of [said, reply]) one.isKept = done.recorded;
    this.heard.textContent = done.text;
    this.#mark();
    this.onChange("grown");
    this.onChange("state");
  }

  async #failed(said, reply, failure) {
    this.#call = null;
    reply.element.remove();
    this.#messages = this.#messages.filter((one) => one !== reply);
    if (failure.code === undefined) throw failure;
    if (said.replaces && failure.code !== "disconnected") await this.load();
    if (!this.#messages.includes(said)) this.#add(said);
    said.fail(failure);
    if (failure.code !== "disconnected") sessionStorage.removeItem(this.#key);
    say(this.heard, "chat.failed");
    this.#mark();
    this.onChange("said");
    this.onChange("state");
  }

  /** Only the last reply can be made anew, and nothing while one is being made. */
  #mark() {
    const last = this.#messages.at(-1);
    this.#messages.forEach((one, i) => {
      const isOfKnown = one.role === "user" ? one.id : one === last && this.#messages[i - 1]?.id;
      one.allow(Boolean(isOfKnown) && this.#call === null);
    });
  }

  /** End the reply that is being made. */
  stop() {
    this.#call?.cancel();
  }
}
