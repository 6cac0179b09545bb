/** Small plots: one line over some points, drawn so that they can be read without an axis. */
import { s } from "./dom.js";

const WIDTH = 264;
const HEIGHT = 124;
const PAD = { left: 6, right: 52, top: 16, bottom: 22 };

/**
 * Draw values as a line.
 *
 * `points`: `{ y, title, isHollow }`, evenly spaced unless they have an `x`. `format` writes a value;
 * `from`, `to`: what stands at the two ends below; `least` and `most`: bounds that are shown whatever
 * the values. `summary` says it all to who cannot see it.
 */
export function plot(points, { format, from = "", to = "", least = null, most = null, summary }) {
  const frame = s("svg.plot", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": summary });
  if (!points.length) return frame;
  const place = scale(points, least, most);
  const places = points.map((point, i) => [place.x(point.x ?? i), place.y(point.y)]);
  frame.append(s("line.plot-floor", { x1: PAD.left, x2: WIDTH - PAD.right, y1: place.floor, y2: place.floor }));
  if (points.length > 1) {
    const line = places.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
    const [first, last] = [places[0][0], places.at(-1)[0]].map((x) => x.toFixed(1));
    const below = `${line}L${last} ${place.floor}L${first} ${place.floor}z`;
    frame.append(s("path.plot-area", { d: below }), s("path.plot-line", { d: line }));
  }
  if (points.length <= 60) frame.append(...points.map((point, i) => dot(point, places[i])));
  frame.append(...words(points, places, { format, from, to }));
  return frame;
}

function scale(points, least, most) {
  const ys = points.map((point) => point.y).filter(Number.isFinite);
  const [low, high] = [least ?? Math.min(...ys), most ?? Math.max(...ys)];
  const xs = points.map((point, i) => point.x ?? i);
  const [first, last] = [Math.min(...xs), Math.max(...xs)];
  const floor = HEIGHT - PAD.bottom;
  const [width, height] = [WIDTH - PAD.left - PAD.right, floor - PAD.top];
  return {
    floor,
    x: (x) => PAD.left + (last > first ? ((x - first) / (last - first)) * width : width / 2),
    y: (y) => floor - (high > low ? (y - low) / (high - low) : 0.5) * height,
  };
}

function dot({ title, isHollow }, [cx, cy]) {
  const name = isHollow ? "circle.plot-dot.is-hollow" : "circle.plot-dot";
  const mark = s(name, { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 3.2 });
  if (title) mark.append(s("title", {}, title));
  return mark;
}

function words(points, places, { format, from, to }) {
  const [x, y] = places.at(-1);
  const base = HEIGHT - 5;
  return [
    s("text.plot-value", { x: x + 9, y: y + 4.5 }, format(points.at(-1).y)),
    s("text.plot-word", { x: PAD.left, y: base }, from),
    s("text.plot-word", { x: WIDTH - PAD.right, y: base, "text-anchor": "end" }, points.length > 1 ? to : ""),
  ];
}
