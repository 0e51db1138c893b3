// The tonal pattern laid over a poem: a sign at each character, the rhymes, the faults, and which lines are parallel.

import { call } from "./api.js";
import { $$ } from "./dom.js";
import { SIGNS } from "./poem.js";
import { remark, t } from "./words.js";

const PARALLEL = [3, 4, 5, 6]; // of a poem of eight lines in regulated verse

export class Scansion {
  constructor(sheet) {
    this.sheet = sheet;
    this.on = false;
  }

  /** Lays it over the poem that stands on the sheet, or, without one, takes it off. */
  async show(poem) {
    this.on = Boolean(poem);
    this.sheet.element.classList.toggle("scanned", this.on);
    if (!poem) return this.#clear();
    const { text, prosody: { book } } = poem, wish = `${text} ${book}`;
    if (wish !== this.wish) {
      this.wish = wish;
      this.judged = null;
      const judged = await call("check", { text, rhyme_book: book });
      if (wish !== this.wish) return; // the poem is another by now
      this.judged = judged;
    }
    if (this.on && this.judged) this.#lay(this.judged);
  }

  #clear() {
    for (const each of $$(".char, .poem > p", this.sheet.element)) {
      each.classList.remove("fault", "rhyme", "parallel");
      delete each.dataset.tone;
      each.removeAttribute("title");
    }
  }

  /** What is wrong at a place of a line, or (place null) with the line as a whole. */
  #fault(element, line, place) {
    const wrong = this.judged.violations.filter((each) => each.line === line && each.position === place);
    element.classList.toggle("fault", wrong.length > 0);
    element.title = wrong.map(remark).join("\n");
  }

  #lay({ lines, pattern }) {
    this.#clear();
    for (const char of $$(".char", this.sheet.element)) {
      const line = Number(char.dataset.line), place = Number(char.dataset.place), judged = lines[line - 1];
      const tone = [...(judged?.tones ?? "")][place - 1];
      if (!tone) continue;
      char.dataset.tone = SIGNS[tone];
      char.classList.toggle("rhyme", judged.rhymes && place === [...judged.text].length);
      this.#fault(char, line, place);
      char.setAttribute("aria-label", [t("character_at", { char: char.textContent, line, place }), tone, char.title]
        .filter(Boolean).join(" "));
    }
    [...this.sheet.poem.children].forEach((row, index) => {
      this.#fault(row, index + 1, null);
      row.classList.toggle("parallel", Boolean(pattern) && lines.length === 8 && PARALLEL.includes(index + 1));
    });
  }
}
