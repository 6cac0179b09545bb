/** One setting: what it is, a field for it, and why a value is refused. */
import { h, show } from "../app/dom.js";

/** Draw one; `onSet(value)` returns a promise of why it is refused, or null. */
export function field(setting, value, onSet) {
  const { input, read } = FIELDS[setting.kind](setting, value);
  const id = `setting-${setting.key.replace(/\W/g, "-")}`;
  Object.assign(input, { id });
  const fault = h("p.fault-line", { role: "alert", hidden: true, lang: "en" });
  input.addEventListener("change", async () => {
    const failure = input.checkValidity() ? await onSet(read()) : { message: input.validationMessage };
    input.setAttribute("aria-invalid", failure !== null);
    fault.textContent = failure?.message ?? "";
    show(fault, failure !== null);
  });
  const words = [
    h("span", { text: `set.${setting.key}` }),
    h("span.soft.small", { text: `set.${setting.key}.about` }),
    fault,
  ];
  const name = ["text", "lines"].includes(setting.kind) ? "label.setting.is-long" : "label.setting";
  return h(name, { htmlFor: id }, h("span.setting-words", {}, ...words), input);
}

const FIELDS = {
  number({ least = null, most = null, step, isOptional = false }, value) {
    const bounds = { min: least ?? "", max: most ?? "", step: step === 1 ? 1 : "any" };
    const input = h("input", { type: "number", ...bounds, required: !isOptional, value: value ?? "" });
    return { input, read: () => (input.value === "" ? null : input.valueAsNumber) };
  },
  text(_, value) {
    const input = h("textarea", { rows: 3, value });
    return { input, read: () => input.value };
  },
  lines(_, value) {
    const input = h("textarea", { rows: 2, value: value.join("\n") });
    return { input, read: () => input.value.split("\n").filter((line) => line !== "") };
  },
  switch(_, value) {
    const input = h("input.switch", { type: "checkbox", checked: value === true || value === "on" });
    const isWord = typeof value === "string";
    return { input, read: () => (isWord ? (input.checked ? "on" : "off") : input.checked) };
  },
  choice({ choices }, value) {
    const input = h("select", {}, ...choices.map((one) => h("option", { value: one }, one)));
    input.value = value;
    return { input, read: () => input.value };
  },
};
