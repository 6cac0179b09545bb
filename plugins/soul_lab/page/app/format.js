/** Numbers, sizes and times in the language in use. */
import { languageInUse, t } from "./texts.js";

const DAY_MS = 86_400_000;

/** Return a number with separators. */
export function number(value, digits = 0) {
  const options = { maximumFractionDigits: digits, minimumFractionDigits: digits };
  return new Intl.NumberFormat(languageInUse(), options).format(value);
}

/** Return a large count in short: 135M, 1.7B. */
export function count(value) {
  const options = { notation: "compact", maximumFractionDigits: 1 };
  return new Intl.NumberFormat("en", options).format(value);
}

/** Return a size: 98 MB, 1.4 GB. */
export function bytes(value) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(value || 1) / 3)));
  const scaled = value / 1000 ** step;
  return `${number(scaled, scaled < 10 && step > 1 ? 1 : 0)} ${units[step]}`;
}

/** Return a share in percent. */
export function percent(share, digits = 0) {
  return `${number(share * 100, digits)} %`;
}

/** Return how long something took. */
export function duration(seconds) {
  if (seconds < 90) return t("time.seconds", { n: number(seconds, seconds < 10 ? 1 : 0) });
  if (seconds < 5400) return t("time.minutes", { n: number(seconds / 60) });
  return t("time.hours", { n: number(seconds / 3600, 1) });
}

/** Return how long ago a moment was, in words; "" for no moment. */
export function ago(stamp) {
  if (!stamp) return "";
  const seconds = (new Date(stamp) - Date.now()) / 1000;
  const words = new Intl.RelativeTimeFormat(languageInUse(), { numeric: "auto" });
  const units = [["minute", 60], ["hour", 3600], ["day", 86400], ["month", 2629800], ["year", 31557600]];
  let chosen = ["second", 1];
  for (const unit of units) if (Math.abs(seconds) >= unit[1]) chosen = unit;
  return words.format(chosen[0] === "second" ? 0 : Math.round(seconds / chosen[1]), chosen[0]);
}

/** Return date and time of a moment; "" for no moment. */
export function moment(stamp) {
  if (!stamp) return "";
  const options = { dateStyle: "medium", timeStyle: "short" };
  return new Intl.DateTimeFormat(languageInUse(), options).format(new Date(stamp));
}

/** Return the date of a moment, short. */
export function date(stamp) {
  if (!stamp) return "";
  const options = { month: "short", day: "numeric" };
  return new Intl.DateTimeFormat(languageInUse(), options).format(new Date(stamp));
}

/** Return the time of day. */
export function clock(stamp) {
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  return new Intl.DateTimeFormat(languageInUse(), options).format(new Date(stamp));
}

/** Return the name of the day a moment lies in: today, yesterday, or its date. */
export function dayOf(stamp) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const days = Math.ceil((midnight - new Date(stamp)) / DAY_MS);
  if (days <= 1) return t(days <= 0 ? "time.today" : "time.yesterday");
  const options = { month: "long", year: "numeric" };
  if (days < 7) return t("time.week");
  return new Intl.DateTimeFormat(languageInUse(), options).format(new Date(stamp));
}
