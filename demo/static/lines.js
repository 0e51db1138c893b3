// A poem line by line: some lines are offered, one is taken, or one's own is written, until the poem is whole.

import { call } from "./api.js";
import { $, calm, h, page } from "./dom.js";
import { Past } from "./history.js";
import { patience } from "./patience.js";
import { lengthOf, linesOf, typed } from "./poem.js";
import { excuse, say as sentence, t, translate } from "./words.js";

const OFFERED = 6;

/** The lines of a form, or 0 where they are free. */
const countOf = (form) => page.facts.forms[form]?.[0] ?? 0;

export class Lines {
  /**
   * `stands` is called with what stands so far (text, traditional, asked) whenever it is another, `done` when the poem
   * is whole, `say` with a word; `script` gives "t" for traditional characters.
   */
  constructor({ stands, done, say, script }) {
    Object.assign(this, { stands, done, say, script });
    const button = (name, onclick) => h("button", { type: "button", "data-lines": name, "data-t": `lines_${name}`,
      onclick });
    this.list = h("div", { class: "offered", role: "group", "data-t-label": "lines_offered" });
    this.own = h("input", { autocomplete: "off", spellcheck: false, enterkeyhint: "go", lang: "zh-Hans",
      "data-t-label": "lines_own", "data-t-placeholder": "lines_own" });
    this.own.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.#add(this.own.value);
    });
    this.back = button("undo", () => this.#step("undo"));
    this.forth = button("redo", () => this.#step("redo"));
    this.whole = button("done", () => this.#finish());
    this.title = h("p", { class: "soft" });
    this.element = h("section", { class: "lines-offered", "data-t-label": "lines_offered", hidden: true },
      this.title, this.list, h("p", { class: "own" }, this.own),
      h("p", { class: "acts" }, h("span", {}, button("others", () => this.#ask())),
        h("span", {}, this.back, this.forth), this.whole));
    translate(this.element);
  }

  get open() {
    return !this.element.hidden;
  }

  /** Begins with what is wished for, and what stands already. */
  begin(asked, text = "") {
    this.asked = asked;
    this.past = new Past({ text, traditional: text });
    this.element.hidden = false;
    this.#show();
    this.element.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  close() {
    this.calling?.abort();
    this.element.hidden = true;
  }

  // -- what stands ----------------------------------------------------------------------------------------------------

  #show() {
    const { text } = this.past.state, lines = linesOf(text).length, count = countOf(this.asked.form);
    this.stands({ ...this.past.state, asked: this.asked });
    this.back.disabled = !this.past.canUndo;
    this.forth.disabled = !this.past.canRedo;
    this.whole.hidden = Boolean(count) || !lines || lines % 2 > 0;
    this.title.textContent = t("lines_next", { line: lines + 1 });
    this.own.value = "";
    if (count && lines >= count) this.#finish();
    else this.#ask();
  }

  #step(way) {
    this.past[way]();
    this.#show();
  }

  /** The mark of the next line. */
  #mark() {
    return linesOf(this.past.state.text).length % 2 ? "。" : "，";
  }

  #take(line) {
    const { text, traditional } = this.past.state, mark = this.#mark();
    this.past.add({ text: text + line.text + mark, traditional: traditional + line.traditional + mark });
    this.#show();
  }

  /** One's own line behind those that stand, or the beginning of one: then lines that go on from it are offered. */
  #add(line) {
    const own = typed(line), count = [...own].length;
    const { form } = this.asked, length = lengthOf(form), at = linesOf(this.past.state.text).length;
    if (!own) return;
    if (length && count > length) {
      this.say(sentence("faults", "length_of_line", { line: at + 1, count, form, length }));
      return;
    }
    if (count < length) this.#ask(own);
    else this.#take({ text: own, traditional: own });
  }

  async #finish() {
    const { text } = this.past.state;
    await this.#call("appraise", { text }, (told) => {
      this.close();
      this.done({ ...told, asked: this.asked });
    });
  }

  // -- what is asked --------------------------------------------------------------------------------------------------

  /** `begun` is the beginning of the line. */
  #ask(begun = "") {
    const { text } = this.past.state, moved = this.list.contains(document.activeElement);
    this.list.setAttribute("aria-busy", "true");
    this.#call("next_lines", { text: text + begun || this.asked.opening, count: OFFERED }, ({ lines }) => {
      this.list.removeAttribute("aria-busy");
      this.list.replaceChildren(...lines.map((each) => h("button", {
        type: "button", "data-offer": "", lang: "zh", translate: "no", onclick: () => this.#take(each),
      }, each[this.script() ? "traditional" : "text"], this.#mark())));
      if (moved) $("[data-offer]", this.list)?.focus({ preventScroll: true });
    });
  }

  async #call(name, values, done) {
    this.calling?.abort();
    const calling = (this.calling = new AbortController());
    this.say("");
    const onQueue = patience(this.say, () => calling === this.calling);
    try {
      const answer = await call(name, { ...this.asked, ...values }, { signal: calling.signal, onQueue });
      if (calling !== this.calling) return;
      this.calling = null;
      this.say("");
      done(answer);
    } catch (error) {
      if (calling !== this.calling || error.name === "AbortError") return;
      this.calling = null;
      if (this.past.canUndo && error.fields) this.#reject();
      this.say(excuse(error));
    }
  }

  /** The last line cannot stand there: it goes again, and what had been offered stays. */
  #reject() {
    const own = linesOf(this.past.state.text).at(-1);
    this.stands({ ...this.past.undo(), asked: this.asked });
    this.list.removeAttribute("aria-busy");
    this.own.value = typed(own);
  }
}
