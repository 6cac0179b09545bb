/** Short messages at the lower edge: what went wrong, what was done. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { has } from "./texts.js";

const SHOWN_MS = 6000;

export const notices = h("div.notices", { role: "status" });

/** Say that something was done. */
export function tell(key, values = {}) {
  put("notice", h("span", { text: [key, values] }));
}

/** Say why something failed; what the user stopped is no failure. */
export function complain(failure) {
  if (failure.code === "cancelled") return;
  put("notice.is-bad", ...wordsOf(failure));
}

/** Return a failure in words: ours for its code, then the daemon's own. */
export function wordsOf(failure) {
  if (failure.code === undefined) throw failure; // a fault of this page
  const key = `error.${failure.code}`;
  const own = [failure.message, failure.hint].filter(Boolean).join(" — ");
  const head = has(key) ? h("strong", { text: key }) : null;
  const isPlain = failure.code === "disconnected"; // nothing more is known of it
  return [head, isPlain ? null : h("span.notice-own", { lang: "en" }, own)].filter(Boolean);
}

function put(name, ...words) {
  const close = h("button.plain", { label: "notice.close", onclick: () => notice.remove() }, icon("close"));
  const notice = h(`div.${name}`, {}, h("div.notice-words", {}, ...words), close);
  notices.append(notice);
  setTimeout(() => notice.matches(":hover, :focus-within") || notice.remove(), SHOWN_MS);
}
