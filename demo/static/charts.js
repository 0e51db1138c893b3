// Drawings: heat maps of gates and states, the fading of a memory, the curves of training. Colours come from the page,
// and a drawing is as wide as its place, so that its letters are as large as the page's.

import { h, page, s } from "./dom.js";

const colour = (name) => getComputedStyle(page.root).getPropertyValue(name).trim();
const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mix = (from, to, part) => from.map((value, index) => Math.round(value + (to[index] - value) * part));
const fixed = (value) => value.toFixed(1);
const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${fixed(x)},${fixed(y)}`).join("");

/** Rows of numbers as a heat map above its characters. From paper to ink; below zero from paper to red. */
export function heat(rows, characters, { low, high, label }) {
  const paper = parse(colour("--sheet")), ink = parse(colour("--ink")), red = parse(colour("--red"));
  const width = characters.length, height = rows.length;
  const canvas = h("canvas", { width, height, role: "img", "aria-label": label });
  const pen = canvas.getContext("2d"), image = pen.createImageData(width, height);
  rows.forEach((row, y) => row.forEach((value, x) => {
    const part = Math.min(1, Math.abs(value) / (value < 0 ? -low || 1 : high));
    image.data.set([...mix(paper, value < 0 ? red : ink, part), 255], 4 * (y * width + x));
  }));
  pen.putImageData(image, 0, 0);
  return h("div", { class: "heat", style: `--count:${width}`, tabindex: 0 },
    canvas,
    h("p", { "aria-hidden": "true", lang: "zh-Hans", translate: "no" }, characters.map((char) => h("span", {}, char))));
}

const MOST = 736; // pixels: as wide as a chart gets

/** Keeps a chart as wide as the place it stands in. `draw` gives it for a width. */
export function fit(place, draw) {
  let width = 0;
  const redraw = () => {
    const now = Math.min(Math.round(place.clientWidth), MOST);
    if (!now || now === width) return;
    width = now;
    place.replaceChildren(draw(width));
  };
  place.fitting?.disconnect();
  const observer = new ResizeObserver(() => requestAnimationFrame(() => { // not while sizes are being told
    if (place.fitting === observer) redraw();
  }));
  place.fitting = observer;
  observer.observe(place);
  redraw();
}

const svg = (width, height, label, ...children) =>
  s("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label }, ...children);

/** How much is left, by how many characters ago. */
export function fade(values, width, { x, label }) {
  const height = 210, left = 46, right = 12, bottom = 44, top = 10;
  const at = (index) => left + (index * (width - left - right)) / Math.max(values.length - 1, 1);
  const up = (value) => top + (1 - Math.min(value, 1)) * (height - bottom - top);
  const line = path(values.map((value, index) => [at(index), up(value)]));
  const rule = (value) => [
    s("line", { x1: left, x2: width - right, y1: up(value), y2: up(value), class: "rule" }),
    s("text", { x: left - 8, y: up(value) + 4, "text-anchor": "end" }, `${100 * value}%`),
  ];
  const tick = (_, index) =>
    index % 5 ? null : s("text", { x: at(index), y: height - bottom + 18, "text-anchor": "middle" }, String(index));
  return svg(width, height, `${label}: ${values.map((value) => value.toFixed(2)).join(" ")}`,
    [0, 0.5, 1].map(rule),
    s("path", { d: `${line}L${at(values.length - 1)},${up(0)}L${at(0)},${up(0)}Z`, class: "area" }),
    s("path", { d: line, class: "line lstm" }),
    values.map(tick),
    s("text", { x: width - right, y: height - 4, "text-anchor": "end" }, x));
}

/** Some round numbers between two, about as many as are asked for. */
export function ticks(low, high, count = 5) {
  const rough = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const first = Math.ceil(low / step), number = Math.floor(high / step) - first + 1;
  return Array.from({ length: number }, (_, index) => Number(((first + index) * step).toPrecision(6)));
}

/** Validation losses by step, a line for each cell, named at its end. */
export function curves(byCell, width, { x, y, none }) {
  const cells = Object.entries(byCell).filter(([, line]) => line.length);
  const points = cells.flatMap(([, line]) => line);
  if (points.length < 2) return h("p", { class: "soft" }, none);
  const height = 290, left = 36, right = 52, bottom = 46, top = 26;
  const most = Math.max(...points.map(([step]) => step)), losses = points.map(([, loss]) => loss);
  const low = Math.floor(Math.min(...losses) * 5) / 5, high = Math.min(Math.ceil(Math.max(...losses) * 5) / 5, low + 3);
  const at = (step) => left + (step / most) * (width - left - right);
  const up = (loss) => top + ((high - Math.min(loss, high)) / (high - low || 1)) * (height - bottom - top);
  const rule = (loss) => [
    s("line", { x1: left, x2: width - right, y1: up(loss), y2: up(loss), class: "rule" }),
    s("text", { x: left - 8, y: up(loss) + 4, "text-anchor": "end" }, loss.toFixed(1)),
  ];
  const told = cells.map(([cell, line]) => `${cell} ${line.at(-1)[1].toFixed(2)}`).join(", ");
  return svg(width, height, `${y}, ${x}: ${told}`,
    ticks(low, high).map(rule),
    cells.map(([cell, line]) =>
      s("path", { class: `line ${cell}`, d: path(line.map(([step, loss]) => [at(step), up(loss)])) })),
    ends(cells.map(([cell, line]) => ({ cell, x: at(line.at(-1)[0]), y: up(line.at(-1)[1]) }))),
    ticks(0, most, width / 130).map((step) =>
      s("text", { x: at(step), y: height - bottom + 18, "text-anchor": "middle" }, String(step))),
    s("text", { x: width - right, y: height - 4, "text-anchor": "end" }, x),
    s("text", { x: 0, y: 12 }, y));
}

/** The names at the ends of the curves, none upon another. */
function ends(places) {
  places.sort((one, other) => one.y - other.y);
  places.forEach((end, index) => places.slice(0, index).forEach((above) => {
    if (Math.abs(end.x - above.x) < 48) end.y = Math.max(end.y, above.y + 16);
  }));
  return places.map(({ cell, x, y }) => s("text", { x: x + 6, y: y + 4, class: `name ${cell}` }, cell.toUpperCase()));
}
