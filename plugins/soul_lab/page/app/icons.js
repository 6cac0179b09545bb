/** Small drawings, all on a grid of 24 with one line width. */
import { h, s } from "./dom.js";

const PATHS = {
  chat: ["M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z"],
  lab: [
    "M9.5 3.5h5",
    "M10.5 3.5v6L5 18.2A1.6 1.6 0 0 0 6.4 20.5h11.2a1.6 1.6 0 0 0 1.4-2.3L13.5 9.5v-6",
    "M7.8 15h8.4",
  ],
  sleep: ["M19.5 14.6A8 8 0 1 1 9.4 4.5a6.5 6.5 0 0 0 10.1 10.1z"],
  console: ["M4.5 5h15v14h-15z", "M8 10l2.5 2.2L8 14.4", "M13 14.5h3.5"],
  plugins: ["M9 3.5v4", "M15 3.5v4", "M6 7.5h12v4a6 6 0 0 1-12 0z", "M12 17.5v3"],
  settings: ["M4 7.5h9", "M17 7.5h3", "M4 16.5h3", "M11 16.5h9", "M15 5.3v4.4", "M9 14.3v4.4"],
  plus: ["M12 5v14", "M5 12h14"],
  menu: ["M4 7h16", "M4 12h16", "M4 17h16"],
  close: ["M6 6l12 12", "M18 6L6 18"],
  send: ["M12 19V5.5", "M6 11.2l6-6 6 6"],
  stop: ["M7.5 7.5h9v9h-9z"],
  copy: ["M9 9h10.5v10.5H9z", "M5.5 15H4.5V4.5H15v1"],
  again: ["M19.5 12a7.5 7.5 0 1 1-2.3-5.4", "M19.5 4v4h-4"],
  edit: ["M4.5 19.5l.8-3.6L15.8 5.4a1.7 1.7 0 0 1 2.4 0l.4.4a1.7 1.7 0 0 1 0 2.4L8.1 18.7z"],
  hidden: [
    "M4 4l16 16",
    "M9.9 5.7A9 9 0 0 1 12 5.5c5 0 8 4.5 8.8 6.5a12 12 0 0 1-2.3 3.4",
    "M6.2 7.7A12 12 0 0 0 3.2 12c.8 2 3.8 6.5 8.8 6.5a8.6 8.6 0 0 0 4.3-1.2",
  ],
  note: ["M6 4h9l4 4v12H6z", "M15 4v4h4", "M9 12.5h6", "M9 16h4"],
  down: ["M6.5 9.5l5.5 5.5 5.5-5.5"],
  file: ["M12 15.5V4.5", "M7.5 9l4.5-4.5L16.5 9", "M4.5 15.5v4h15v-4"],
  check: ["M5 12.5l4.5 4.5L19 7.5"],
  warn: ["M12 4.5l8.5 15h-17z", "M12 10v4.5", "M12 17v.2"],
};

/** Draw one; it says nothing to a screen reader. */
export function icon(name) {
  const lines = PATHS[name].map((d) => s("path", { d }));
  return s("svg.icon", { viewBox: "0 0 24 24", "aria-hidden": "true" }, ...lines);
}

/** Draw the soul as it is now: `data-state` of what holds it says how. What moves is no SVG, so that
 * moving it costs the processor nothing. */
export function orb() {
  const drawing = s(
    "svg",
    { viewBox: "0 0 48 48", "aria-hidden": "true" },
    s("circle.orb-ring", { cx: 24, cy: 24, r: 14 }),
    s("path.orb-moon", { d: "M33.5 29.5A12 12 0 1 1 19 14.2a10 10 0 0 0 14.5 15.3z" }),
    s("circle.orb-core", { cx: 24, cy: 24, r: 7 }),
  );
  return h("span.orb", {}, drawing);
}
