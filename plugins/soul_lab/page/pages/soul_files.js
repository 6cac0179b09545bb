/** Souls as files: had, chosen, or dropped. */
import { h } from "../app/dom.js";
import { complain, tell } from "../app/notices.js";

const MOST_BYTES = 64e6;
let arrived = () => {};

/** Return where a soul can be had as a file. */
export function fileOf(name) {
  return `/souls/${encodeURIComponent(name)}.soul`;
}

/** Let files be dropped on an element; `onArrived` is called when a soul was taken in. */
export function acceptDrops(element, onArrived) {
  arrived = onArrived;
  let depth = 0; // of the elements inside that are entered
  const mark = (by) => element.classList.toggle("is-over", (depth = Math.max(0, depth + by)) > 0);
  element.addEventListener("dragenter", () => mark(1));
  element.addEventListener("dragleave", () => mark(-1));
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(-depth);
    for (const file of event.dataTransfer.files) bring(file);
  });
}

/** Have a file chosen and taken in. */
export function chooseFile() {
  const input = h("input", { type: "file", accept: ".soul" });
  input.onchange = () => bring(input.files[0]);
  input.click();
}

async function bring(file) {
  if (file.size > MOST_BYTES) return complain({ code: "too_large", message: file.name });
  const name = file.name.replace(/\.soul$/i, "");
  const answer = await fetch(`/souls?name=${encodeURIComponent(name)}`, { method: "POST", body: file }).catch(
    () => null,
  );
  if (answer === null) return complain({ code: "disconnected", message: "" });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) return complain(body.error ?? { code: "internal", message: String(answer.status) });
  tell("soul.brought", { name: body.name });
  arrived();
}
