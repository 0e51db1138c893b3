// A poem as set: the sheet on the page, written character by character, and the same sheet as a picture.

import { calm, h, sleep } from "./dom.js";
import { FIXED, t } from "./ui.js";

export const SEALS = { lstm: "長憶之印", gru: "門控之印", rnn: "循環之印" };
const PACE = 55; // milliseconds a character, so that the eye can follow the brush

/** The text as lines with their marks. */
export const linesOf = (text) => text.match(/[^，。]+[，。]?|[，。]/g) ?? [];

/** A word on the lines that are not new but stand in the corpus, or "". `text` is the poem in the script on the page. */
export function oldLines(poem, text = poem.text) {
  const lines = poem.quotes && linesOf(text).filter((_, index) => poem.quotes.includes(poem.lines[index]));
  return lines?.length ? t("quotes", { lines: lines.map((line) => line.replace(/[，。]/, "")).join(" ") }) : "";
}

const seal = (cell) =>
  h("span", { class: "seal four", role: "img", "aria-label": SEALS[cell] }, [...SEALS[cell]].map((char) => h("b", {}, char)));

/** A sheet that poems are written on. */
export class Sheet {
  constructor(element, { small = false, hint = "" } = {}) {
    this.element = element;
    element.classList.toggle("small", small);
    this.clear({ hint });
  }

  /** An empty sheet, ruled for the form; `title` and `poet` stand in front. `hint` is the key of a word that stands there instead. */
  clear({ form = "", title = "", poet = "", hint = "" } = {}) {
    this.wanted = [];
    this.written = []; // characters, not UTF-16 halves of them
    this.turn = (this.turn ?? 0) + 1; // whoever still writes on the old sheet stops
    this.running = null;
    const [lines, length] = FIXED[form] ?? [0, 7];
    this.poem = h("div", { class: "poem", lang: "zh-Hans" });
    for (let line = 0; line < lines; line++) this.poem.append(h("p", {}));
    this.verse = h("div", { class: "verse", style: `--lines:${lines || 4};--length:${length + 1}` });
    if (title || poet) {
      this.verse.append(h("p", { class: "heading", lang: "zh-Hans", style: `--count:${[...title, ...poet].length}` }, h("span", {}, title), h("small", {}, poet)));
    }
    this.signature = h("p", { class: "signature" }); // empty, but in its place, so that nothing moves when the seal comes
    this.verse.append(this.poem, this.signature);
    this.element.replaceChildren(h("div", { class: "frame" }, hint ? h("p", { class: "hint", "data-t": hint }, t(hint)) : this.verse));
    this.element.classList.toggle("long", lines > 4);
  }

  /** On a narrow screen the sheet lies below what asked for it. */
  reveal() {
    this.element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  /** More of the text has come; it is written at the brush's pace. Resolves when all of it stands. */
  async write(text, { mark = () => "", at_once = false } = {}) {
    this.wanted = [...text];
    this.mark = mark;
    this.hurry = at_once || calm();
    this.running ??= this.#brush(this.turn);
    await this.running;
  }

  async #brush(turn) {
    await null; // so that `running` is set before it is cleared
    while (this.turn === turn && this.written.length < this.wanted.length) {
      this.#add(this.wanted[this.written.length]);
      if (!this.hurry) await sleep(PACE);
    }
    if (this.turn === turn) this.running = null;
  }

  #add(char) {
    const before = linesOf(this.written.join(""));
    const fresh = !before.length || /[，。]/.test(this.written.at(-1));
    const index = before.length - (fresh ? 0 : 1);
    const place = fresh ? 0 : [...before[index]].length;
    const line = this.poem.children[index] ?? this.poem.appendChild(h("p", {}));
    const kind = /[，。]/.test(char) ? "mark" : "char";
    line.append(h("span", { class: `${kind} ${this.mark(index, place, char) || ""}`.trim() }, char));
    this.written.push(char);
    this.element.classList.toggle("long", this.poem.children.length > 4);
    this.verse.style.setProperty("--lines", Math.max(this.poem.children.length, 4));
    const longest = place + 1;
    if (longest > Number(this.verse.style.getPropertyValue("--length"))) this.verse.style.setProperty("--length", longest);
  }

  /** All of a poem, and its seal. Gives whether it stands: no, if the sheet was cleared for another meanwhile. */
  async finish({ text, cell }, options) {
    const own = this.turn;
    await this.write(text, options);
    if (own !== this.turn) return false;
    this.signature.replaceChildren(seal(cell));
    return true;
  }

  /** Another text of the same length in the same places: simplified or traditional. */
  replace({ text, title, poet }) {
    const characters = [...text];
    if (characters.length !== this.wanted.length) return;
    this.verse.querySelector(".heading")?.replaceChildren(h("span", {}, title), h("small", {}, poet));
    this.verse.querySelectorAll(".poem span").forEach((span, index) => (span.textContent = characters[index]));
    this.wanted = characters;
    this.written = characters.slice(0, this.written.length);
    this.poem.lang = "";
  }
}

/** The poem as a PNG, set as on the page in the same face. Gives a Blob. */
export async function picture({ text, title, poet, cell, dark = false }) {
  const lines = linesOf(text);
  const rows = Math.max(...lines.map((line) => [...line].length), 5);
  const size = lines.length > 8 ? 44 : 60;
  const step = size * 1.22, column = size * 1.75, margin = 90, pad = 44;
  const heading = title || poet ? 1 : 0;
  const width = Math.max(640, (lines.length + heading + 1) * column + 2 * (margin + pad));
  const height = Math.max(640, rows * step + 2 * (margin + pad));
  const [paper, sheet, ink, rule, red] = dark
    ? ["#191714", "#211e1a", "#e8dfcd", "#4a4238", "#cf5a45"]
    : ["#efe8d8", "#faf6ec", "#231f1a", "#d8ccb4", "#b3392b"];
  const sharp = 2; // dots for each unit above
  const canvas = h("canvas", { width: sharp * width, height: sharp * height });
  const pen = canvas.getContext("2d");
  pen.scale(sharp, sharp);
  await Promise.all([document.fonts.load(`${size}px Tang`, text + SEALS[cell]), document.fonts.load(`${size}px Tang`, title + poet || "诗")]);
  pen.fillStyle = paper;
  pen.fillRect(0, 0, width, height);
  const edge = margin - 20;
  pen.fillStyle = sheet;
  pen.fillRect(edge, edge, width - 2 * edge, height - 2 * edge);
  pen.strokeStyle = ink;
  pen.lineWidth = 4;
  pen.strokeRect(edge, edge, width - 2 * edge, height - 2 * edge);
  pen.lineWidth = 1;
  pen.strokeRect(edge + 9, edge + 9, width - 2 * edge - 18, height - 2 * edge - 18);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const set = (char, x, y, px, colour) => {
    pen.font = `${px}px Tang, serif`;
    pen.fillStyle = colour;
    // In a column a mark stands in the upper right of its square; the face draws it in the lower left.
    const shift = /[，。]/.test(char) ? 0.58 * px : 0;
    pen.fillText(char, x + shift, y - shift);
  };
  const used = (lines.length + heading + 1) * column;
  let x = width / 2 + used / 2 - column / 2;
  const top = margin + pad + step / 2 + (height - 2 * (margin + pad) - rows * step) / 2;
  const ruleAt = (where) => {
    pen.strokeStyle = rule;
    pen.beginPath();
    pen.moveTo(where, edge + 9);
    pen.lineTo(where, height - edge - 9);
    pen.stroke();
  };
  ruleAt(x + column / 2);
  if (heading) {
    const bottom = (rows - 1.6) * step;
    const scale = Math.min(1, bottom / (0.8 * size * [...title].length + 0.55 * step * [...poet].length));
    [...title].forEach((char, row) => set(char, x, top + row * size * 0.8 * scale, size * 0.6 * scale, ink));
    [...poet].forEach((char, row, all) => set(char, x, top + bottom - (all.length - 1 - row) * 0.55 * step * scale, size * 0.45 * scale, ink));
    ruleAt(x - column / 2);
    x -= column;
  }
  for (const line of lines) {
    [...line].forEach((char, row) => set(char, x, top + row * step, size, ink));
    ruleAt(x - column / 2);
    x -= column;
  }
  const side = size * 1.5, left = x - side / 2, down = top + (rows - 1) * step - side;
  pen.fillStyle = red;
  pen.beginPath();
  pen.roundRect(left, down, side, side, 6);
  pen.fill();
  [...SEALS[cell]].forEach((char, index) => {
    const half = side / 2;
    set(char, left + (index < 2 ? half * 1.46 : half * 0.54), down + (index % 2 ? half * 1.46 : half * 0.54), half * 0.8, sheet);
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
