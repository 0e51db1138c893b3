// Drawings: heat maps of gates and states, the fading of a memory, the curves of training. Colours come from the page.

import { h, s } from "./dom.js";

const colour = (name) => getComputedStyle(document.querySelector(".tang")).getPropertyValue(name).trim();
const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const mix = (from, to, part) => from.map((value, index) => Math.round(value + (to[index] - value) * part));

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
  return h("div", { class: "heat", style: `--count:${width}` }, canvas,
    h("p", { "aria-hidden": "true", lang: "zh-Hans" }, characters.map((char) => h("span", {}, char))));
}

/** How much is left, by how many characters ago. */
export function fade(values, { x, label }) {
  const width = 640, height = 200, left = 44, bottom = 34, top = 10;
  const at = (index) => left + (index * (width - left - 12)) / Math.max(values.length - 1, 1);
  const up = (value) => top + (1 - Math.min(value, 1)) * (height - bottom - top);
  const path = values.map((value, index) => `${index ? "L" : "M"}${at(index).toFixed(1)},${up(value).toFixed(1)}`).join("");
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": `${label}: ${values.map((value) => value.toFixed(2)).join(" ")}` },
    [0, 0.5, 1].map((value) => [s("line", { x1: left, x2: width - 12, y1: up(value), y2: up(value), class: "rule" }),
      s("text", { x: left - 8, y: up(value) + 4, "text-anchor": "end" }, `${100 * value}%`)]),
    s("path", { d: `${path}L${at(values.length - 1)},${up(0)}L${at(0)},${up(0)}Z`, class: "area" }),
    s("path", { d: path, class: "line lstm" }),
    values.map((_, index) => (index % 5 ? null : s("text", { x: at(index), y: height - bottom + 18, "text-anchor": "middle" }, String(index)))),
    s("text", { x: width - 12, y: height - 2, "text-anchor": "end" }, x));
}

/** Some five round numbers between two. */
function ticks(low, high) {
  const rough = (high - low) / 5 || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const first = Math.ceil(low / step), count = Math.floor(high / step) - first + 1;
  return Array.from({ length: count }, (_, index) => Number(((first + index) * step).toPrecision(6)));
}

/** Validation losses by step, a line for each cell, named at its end. */
export function curves(byCell, { x, y, none }) {
  const points = Object.values(byCell).flat();
  if (points.length < 2) return h("p", { class: "soft" }, none);
  const width = 720, height = 280, left = 44, right = 60, bottom = 38, top = 22;
  const most = Math.max(...points.map(([step]) => step));
  const losses = points.map(([, loss]) => loss);
  const low = Math.floor(Math.min(...losses) * 5) / 5, high = Math.min(Math.ceil(Math.max(...losses) * 5) / 5, low + 3);
  const at = (step) => left + (step / most) * (width - left - right);
  const up = (loss) => top + ((high - Math.min(loss, high)) / (high - low || 1)) * (height - bottom - top);
  const ends = Object.entries(byCell).filter(([, line]) => line.length).map(([cell, line]) => ({ cell, x: at(line.at(-1)[0]), y: up(line.at(-1)[1]) })).sort((a, b) => a.y - b.y);
  ends.forEach((end, index) => ends.slice(0, index).forEach((above) => { if (Math.abs(end.x - above.x) < 40) end.y = Math.max(end.y, above.y + 15); }));
  return s("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": `${y}, ${x}: ${Object.entries(byCell).map(([cell, line]) => `${cell} ${line.at(-1)?.[1].toFixed(2) ?? "?"}`).join(", ")}` },
    ticks(low, high).map((loss) => [s("line", { x1: left, x2: width - right, y1: up(loss), y2: up(loss), class: "rule" }),
      s("text", { x: left - 8, y: up(loss) + 4, "text-anchor": "end" }, loss.toFixed(1))]),
    Object.entries(byCell).map(([cell, line]) => line.length && s("path", { class: `line ${cell}`, d: line.map(([step, loss], index) => `${index ? "L" : "M"}${at(step).toFixed(1)},${up(loss).toFixed(1)}`).join("") })).filter(Boolean),
    ends.map((end) => s("text", { x: end.x + 8, y: end.y + 4, class: `name ${end.cell}` }, end.cell.toUpperCase())),
    ticks(0, most).map((step) => s("text", { x: at(step), y: height - bottom + 18, "text-anchor": "middle" }, String(step))),
    s("text", { x: width - right, y: height - 2, "text-anchor": "end" }, x), s("text", { x: 0, y: 10 }, y));
}
