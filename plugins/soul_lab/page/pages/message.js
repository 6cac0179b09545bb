/** What one of the two said, as it is shown. */
import { fill, h, show } from "../app/dom.js";
import { number } from "../app/format.js";
import { icon } from "../app/icons.js";
import { Growing } from "../app/markdown.js";
import { tell as notify, wordsOf } from "../app/notices.js";
import { say } from "../app/texts.js";

function action(name, onclick) {
  return h("button.plain.small-icon", { label: `chat.${name}`, onclick }, icon(name));
}

async function copy(text) {
  await navigator.clipboard.writeText(text);
  notify("chat.copied");
}

/** What the user said. `isKept`: the diary has it. */
export class Said {
  role = "user";
  id = "";
  isKept = true;
  isFailed = false;

  constructor(text, { isOff = false, replaces = null }, { onEdit, onAgain }) {
    Object.assign(this, { text, isOff, replaces, onEdit, onAgain });
    this.isKept = !isOff;
    this.edit = action("edit", () => this.#beginEdit());
    this.body = h("div.said-text", { dir: "auto" }, text);
    this.mark = isOff ? h("p.aside", {}, icon("hidden"), h("span", { text: "chat.was_off" })) : null;
    this.actions = h("div.actions", {}, action("copy", () => copy(text)), this.edit);
    this.fault = h("div.fault", { hidden: true });
    this.bubble = h("div.bubble", {}, this.body);
    const who = h("span.unseen", { text: "chat.you" });
    const name = isOff ? "li.said.is-off" : "li.said";
    this.element = h(name, {}, who, this.bubble, this.mark, this.fault, this.actions);
  }

  know(id) {
    this.id = id;
  }

  allow(mayEdit) {
    show(this.edit, mayEdit);
  }

  /** Say that it was not answered, and offer to say it again. */
  fail(failure) {
    this.isFailed = true;
    this.isKept = false;
    const again = h("button.quiet", { text: "chat.say_again", onclick: () => this.onAgain(this) });
    const isLost = failure.code === "disconnected";
    const words = isLost ? [h("strong", { text: "chat.unanswered" })] : wordsOf(failure);
    fill(this.fault, icon("warn"), h("div.fault-words", {}, ...words), again);
    show(this.fault, true);
    show(this.edit, false);
  }

  #beginEdit() {
    const field = h("textarea", { value: this.text, label: "chat.edit" });
    const end = () => {
      fill(this.bubble, this.body);
      this.element.classList.remove("is-edited");
      this.edit.focus();
    };
    const send = () => {
      const text = field.value.trim();
      end();
      if (text) this.onEdit(this, text);
    };
    field.addEventListener("keydown", (event) => {
      if (event.key === "Escape") end();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    });
    const buttons = h(
      "div.row.end",
      {},
      h("button.quiet", { text: "dialog.cancel", onclick: end }),
      h("button.primary", { text: "chat.send", onclick: send }),
    );
    this.element.classList.add("is-edited");
    fill(this.bubble, field, h("p.soft.small", { text: "chat.edit_note" }), buttons);
    field.rows = Math.min(8, field.value.split("\n").length + 1);
    field.focus();
  }
}

/** What the soul said, or is saying. */
export class Reply {
  role = "assistant";
  id = "";
  isFailed = false;

  constructor(link, isOff, { onAgain }) {
    this.isKept = !isOff;
    this.body = h("div.prose", { dir: "auto" });
    this.growing = new Growing(link, this.body);
    this.words = h("span");
    this.wait = h("p.waiting", {}, h("span.dots", { "aria-hidden": "true" }), this.words);
    this.notes = h("div.reply-notes");
    this.cost = h("span.cost.soft");
    this.again = action("again", () => onAgain(this));
    const actions = [action("copy", () => copy(this.text)), this.again, this.cost];
    this.actions = h("div.actions", { hidden: true }, ...actions);
    const who = h("span.unseen", { text: "chat.soul" });
    this.element = h("li.reply", {}, who, this.wait, this.body, this.notes, this.actions);
    say(this.words, "stage.waiting");
  }

  get text() {
    return this.growing.text;
  }

  know(id) {
    this.id = id;
  }

  allow(mayMakeAnew) {
    show(this.again, mayMakeAnew);
  }

  /** Say how far the reply is before its first word. */
  tell({ stage, done = 0, total = 0, position = 0 }) {
    if (stage === "queued") return say(this.words, "stage.queued", { n: position });
    const share = total ? ` ${Math.round((100 * done) / total)} %` : "";
    say(this.words, `stage.${stage}`);
    this.words.append(share);
  }

  grow(piece) {
    if (!piece) return; // a sign of life
    show(this.wait, false);
    this.growing.add(piece);
  }

  /** Show the whole reply, why it ended, what it cost and which notes it used. */
  finish({ text, finish = "stop", usage = null, notes = [] }) {
    show(this.wait, false);
    show(this.actions, true);
    this.growing.set(text);
    if (finish !== "stop") this.element.append(h("p.aside", { text: `finish.${finish}` }));
    if (usage?.decode_s) this.#drawCost(usage);
    if (notes.length) fill(this.notes, noteOf(notes));
    this.element.append(this.actions);
  }

  #drawCost({ reply_tokens, decode_s }) {
    const rate = number(reply_tokens / decode_s);
    say(this.cost, "chat.cost", { tokens: number(reply_tokens), rate });
  }
}

function noteOf(notes) {
  const key = notes.length === 1 ? "chat.note" : "chat.notes";
  const head = h("summary", {}, icon("note"), h("span", { text: [key, { n: notes.length }] }));
  const lines = notes.map(({ plugin, text }) =>
    h("li", {}, h("p", { dir: "auto" }, text), h("span.soft.small", {}, plugin)),
  );
  return h("details.note", {}, head, h("ul", {}, ...lines));
}
