// A poem as set: the sheet on the page, written character by character.

import { calm, h, page, sleep } from "./dom.js";
import { isMark, linesOf } from "./poem.js";
import { t } from "./words.js";

const PACE = 55; // milliseconds a character, so that the eye can follow the brush

function seal(cell) {
  const text = page.facts.seals[cell];
  return h("span", { class: "seal four", role: "img", "aria-label": text }, [...text].map((char) => h("b", {}, char)));
}

/**
 * A sheet that poems are written on. Each character is an element `.char[data-line][data-place]`, counted from 1;
 * `at(line, place)` finds it.
 */
export class Sheet {
  constructor(element, { small = false, hint = "" } = {}) {
    this.element = element;
    element.classList.toggle("small", small);
    this.clear({ hint });
  }

  /**
   * An empty sheet, ruled for the form; `title` and `poet` stand in front. `hint` is the key of a word that stands
   * there instead.
   */
  clear({ form = "", title = "", poet = "", hint = "" } = {}) {
    this.wanted = [];
    this.written = []; // characters, not UTF-16 halves of them
    this.turn = (this.turn ?? 0) + 1; // whoever still writes on the old sheet stops
    this.running = null;
    const [lines, length] = page.facts.forms[form] ?? [0, 7];
    this.poem = h("div", { class: "poem", lang: "zh-Hans", translate: "no" });
    for (let line = 0; line < lines; line++) this.poem.append(h("p", {}));
    this.verse = h("div", { class: "verse", style: `--lines:${lines || 4};--length:${length + 1}` });
    if (title || poet) this.verse.append(this.#heading(title, poet));
    this.signature = h("p", { class: "signature" }); // empty, but in its place, so that nothing moves for the seal
    this.verse.append(this.poem, this.signature);
    const inner = hint ? h("p", { class: "hint", "data-t": hint }, t(hint)) : this.verse;
    this.element.replaceChildren(h("div", { class: "frame" }, inner));
    this.element.classList.toggle("long", lines > 4);
  }

  #heading(title, poet) {
    const style = `--count:${[...title, ...poet].length}`;
    return h("p", { class: "heading", lang: "zh-Hans", translate: "no", style },
      h("span", {}, title),
      h("small", {}, poet));
  }

  /** The element of a character, by its line and place from 1; null where none stands. */
  at(line, place) {
    return this.poem.querySelector(`[data-line="${line}"][data-place="${place}"]`);
  }

  /** On a narrow screen the sheet lies below what asked for it, and a keyboard may just be leaving. */
  reveal() {
    const show = () => this.element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
    show();
    window.visualViewport?.addEventListener("resize", show, { once: true, signal: AbortSignal.timeout(1000) });
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
    const fresh = !before.length || isMark(this.written.at(-1));
    const index = before.length - (fresh ? 0 : 1);
    const place = fresh ? 0 : [...before[index]].length;
    const line = this.poem.children[index] ?? this.poem.appendChild(h("p", {}));
    const kind = isMark(char) ? "mark" : "char";
    line.append(h("span", {
      class: `${kind} ${this.mark(index, place, char) || ""}`.trim(),
      "data-line": kind === "char" && index + 1,
      "data-place": kind === "char" && place + 1,
    }, char));
    this.written.push(char);
    const lines = this.poem.children.length, { style } = this.verse;
    this.element.classList.toggle("long", lines > 4);
    style.setProperty("--lines", Math.max(lines, 4));
    style.setProperty("--length", Math.max(place + 1, Number(style.getPropertyValue("--length"))));
  }

  /** All of a poem, and its seal. Gives whether it stands: no, if the sheet was cleared for another meanwhile. */
  async finish({ text, cell }, options) {
    const own = this.turn;
    await this.write(text, options);
    if (own !== this.turn) return false;
    this.signature.replaceChildren(seal(cell));
    return true;
  }

  /** Another text of the same length in the same places: simplified or traditional, or changed by hand. */
  replace({ text, title, poet }) {
    const characters = [...text];
    if (characters.length !== this.wanted.length) return;
    this.verse.querySelector(".heading")?.replaceWith(this.#heading(title, poet));
    this.verse.querySelectorAll(".poem span").forEach((span, index) => {
      if (span.textContent === characters[index]) return;
      span.textContent = characters[index];
      if (!calm()) span.animate({ opacity: [0, 1] }, 500);
    });
    this.wanted = characters;
    this.written = characters.slice(0, this.written.length);
    this.poem.lang = "";
  }
}
