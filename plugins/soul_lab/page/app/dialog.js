/** Questions that wait for an answer. */
import { h } from "./dom.js";

/**
 * Ask before something is done.
 *
 * `title`, `text`, `confirm` and `field` are keys of texts (`[key, values]`); `field`: ask for a word;
 * `choices`: for one of these. Returns the word, true without a field, or null: it is not to be done.
 */
export function ask({ title, text = null, confirm, field = null, choices = null, isDanger = false }) {
  const input = choices ? chooser(choices) : h("input", { maxLength: 64, autocomplete: "off" });
  const hasInput = field !== null;
  const yes = h(isDanger ? "button.danger" : "button.primary", { text: confirm });
  const no = h("button.quiet", { text: "dialog.cancel" });
  const dialog = h(
    "dialog",
    {},
    h("h2", { text: title }),
    text ? h("p.soft", { text }) : null,
    hasInput ? h("label", {}, h("span.small", { text: field }), input) : null,
    h("div.row.end", {}, no, yes),
  );
  return new Promise((resolve) => {
    const end = (answer) => {
      dialog.remove();
      resolve(answer);
    };
    yes.onclick = () => {
      if (hasInput && !input.value.trim()) return input.focus();
      end(hasInput ? input.value.trim() : true);
    };
    no.onclick = () => end(null);
    dialog.onclose = () => end(null); // by Escape
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) yes.click();
    });
    document.body.append(dialog);
    dialog.showModal();
    (hasInput ? input : no).focus();
  });
}

function chooser(choices) {
  return h("select", {}, ...choices.map((choice) => h("option", { value: choice }, choice)));
}

/** Show something until it is put away. */
export function present(title, ...content) {
  const close = h("button.primary", { text: "dialog.close" });
  const dialog = h("dialog", {}, h("h2", { text: title }), ...content, h("div.row.end", {}, close));
  close.onclick = () => dialog.close();
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
}
