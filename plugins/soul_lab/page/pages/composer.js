/** Where one types: what was typed is kept for the conversation until it is sent. */
import { h, show } from "../app/dom.js";
import { icon } from "../app/icons.js";
import { label, say } from "../app/texts.js";

const MOST_HEIGHT_PX = 260;

export class Composer {
  #session = "";
  #isAnswering = false;
  #isUp = false;

  constructor({ onSend, onStop }) {
    this.onSend = onSend;
    this.onStop = onStop;
    this.text = h("textarea", { rows: 1, label: "chat.message", hint: "chat.hint" });
    this.text.enterKeyHint = "send";
    this.text.addEventListener("input", () => this.#typed());
    this.text.addEventListener("keydown", (event) => this.#pressed(event));
    this.off = h(
      "button.toggle",
      { type: "button", "aria-pressed": "false", onclick: () => this.#toggleOff() },
      icon("hidden"),
      h("span", { text: "chat.off" }),
    );
    this.hint = h("span.composer-hint.soft");
    this.button = h("button.round", { type: "button", onclick: () => this.#act() });
    const bar = h("div.composer-bar", {}, this.off, this.hint, this.button);
    this.box = h("div.composer-box", {}, this.text, bar);
    this.element = h("div.composer", {}, this.box);
  }

  get isOff() {
    return this.off.getAttribute("aria-pressed") === "true";
  }

  focus() {
    this.text.focus({ preventScroll: true });
  }

  /** Take up what was typed in a conversation and not sent. */
  open(session) {
    this.#session = session;
    this.text.value = sessionStorage.getItem(this.#key) ?? "";
    this.#fit();
    this.#drawButton();
  }

  /** The conversation is called otherwise now. */
  rename(session) {
    sessionStorage.removeItem(this.#key);
    this.#session = session;
    this.#keep();
  }

  draw({ isUp, isAnswering, isMemoryOff }) {
    Object.assign(this, { isMemoryOff });
    this.#isUp = isUp;
    this.#isAnswering = isAnswering;
    show(this.off, !isMemoryOff);
    const isOff = this.isOff || isMemoryOff;
    this.box.classList.toggle("is-off", isOff);
    const hint = isMemoryOff ? "chat.memory_off" : this.isOff ? "chat.off_hint" : "chat.keys";
    say(this.hint, isUp ? hint : "chat.waiting_link");
    this.#drawButton();
  }

  get #key() {
    return `lab.draft.${this.#session}`;
  }

  #drawButton() {
    const name = this.#isAnswering ? "stop" : "send";
    if (this.button.dataset.icon !== name) {
      this.button.dataset.icon = name;
      this.button.replaceChildren(icon(name));
      label(this.button, `chat.${name}`);
    }
    this.button.disabled = !this.#isUp || (!this.#isAnswering && !this.text.value.trim());
  }

  #typed() {
    this.#keep();
    this.#fit();
    this.#drawButton();
  }

  /** What is off the record is kept nowhere, unsent or not. */
  #keep() {
    if (this.text.value && !this.isOff) sessionStorage.setItem(this.#key, this.text.value);
    else sessionStorage.removeItem(this.#key);
  }

  #fit() {
    this.text.style.height = "auto";
    if (!this.text.value) return;
    this.text.style.height = `${Math.min(MOST_HEIGHT_PX, this.text.scrollHeight)}px`;
  }

  #pressed(event) {
    const isComposing = event.isComposing || event.keyCode === 229; // a Japanese word is chosen
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    if (!this.#isAnswering) this.#act();
  }

  #toggleOff() {
    this.off.setAttribute("aria-pressed", !this.isOff);
    this.#keep();
    this.draw({ isUp: this.#isUp, isAnswering: this.#isAnswering, isMemoryOff: this.isMemoryOff });
    this.focus();
  }

  #act() {
    if (this.#isAnswering) return this.onStop();
    const text = this.text.value.trim();
    if (!text || !this.#isUp) return;
    this.text.value = "";
    this.#typed();
    this.onSend(text, this.isOff);
  }
}
