/** Chat: which conversation is shown, and what is typed. */
import { fill, h, show } from "../app/dom.js";
import { follow, say } from "../app/texts.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";

const NEAR_PX = 120;
const ADDRESS_AFTER_MS = 400;
const NEW = /^(#(\/(chat\/?)?)?)?$/; // the address of a conversation that has no id yet

export class ChatPage {
  #open = new Map();
  #shown = null;
  #timer = 0;

  constructor(model) {
    this.model = model;
    this.holder = h("div.transcript-holder");
    this.greeting = h("p.display", { text: "chat.greeting" });
    this.about = h("p.soft");
    this.empty = h("div.chat-empty", {}, this.greeting, this.about);
    this.composer = new Composer({
      onSend: (text, isOff) => this.#shown.say({ text, isOff }),
      onStop: () => this.#shown.stop(),
    });
    this.element = h(
      "section.chat",
      {},
      h("h1.unseen", { text: "page.chat", tabIndex: -1 }),
      this.empty,
      this.holder,
      this.composer.element,
    );
    model.on("link status soul body", () => this.#draw());
    model.on("link", () => model.isUp && this.#shown?.load());
    model.on("turn", (turn) => this.#open.get(turn.session)?.load());
    follow(() => this.#draw());
  }

  /** Show a conversation; "" is a new one. */
  enter(session) {
    let conversation = this.#open.get(session);
    if (conversation === undefined) {
      conversation = new Conversation(this.model, session, (one, what) => this.#changed(one, what));
      this.#open.set(session, conversation);
      if (session) conversation.load();
    }
    if (conversation === this.#shown) return this.#draw();
    this.#shown = conversation;
    fill(this.holder, conversation.element);
    this.composer.open(session);
    this.#draw();
    if (!conversation.isEmpty) this.#follow(true);
    if (matchMedia("(pointer: fine)").matches) requestAnimationFrame(() => this.composer.focus());
  }

  #changed(conversation, what) {
    if (what === "named") this.#named(conversation);
    if (conversation !== this.#shown) return;
    if (what === "grown") return this.#follow(false);
    if (what === "said") this.#follow(true);
    if (!conversation.isAnswering) this.#showAddress();
    this.#draw();
  }

  /** A new conversation has got its id. Its address can wait: before the first word the body needs the
   * processor, and a browser does much for a new address. */
  #named(conversation) {
    this.#open.delete("");
    this.#open.set(conversation.session, conversation);
    if (conversation !== this.#shown) return;
    this.composer.rename(conversation.session);
    this.#timer = setTimeout(() => this.#showAddress(), ADDRESS_AFTER_MS);
  }

  #showAddress() {
    clearTimeout(this.#timer);
    if (!NEW.test(location.hash) || !this.#shown.session) return; // or who reads has gone elsewhere
    const address = `#/chat/${encodeURIComponent(this.#shown.session)}`;
    history.replaceState(null, "", address);
    dispatchEvent(new HashChangeEvent("hashchange"));
  }

  #follow(isForced) {
    const frame = this.element.closest("main");
    if (!frame) return;
    const below = frame.scrollHeight - frame.scrollTop - frame.clientHeight;
    if (isForced || below < NEAR_PX) frame.scrollTop = frame.scrollHeight;
  }

  #draw() {
    if (this.#shown === null) return;
    const { model } = this;
    show(this.empty, this.#shown.isEmpty);
    const values = { soul: model.soul?.name ?? "", level: model.soul?.level ?? 0 };
    say(this.about, model.status?.memory === false ? "chat.about_off" : "chat.about", values);
    this.composer.draw({
      isUp: model.isUp,
      isAnswering: this.#shown.isAnswering,
      isMemoryOff: model.status?.memory === false,
    });
  }
}
