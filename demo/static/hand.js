// A hand on the poem of a sheet: a character is touched and another taken, lines are kept, the rest is written anew,
// all of it undone. The poems it makes are as those of the easel, and `hand`: the characters held, the lines kept.

import { call } from "./api.js";
import { Choices } from "./choices.js";
import { $, $$, h } from "./dom.js";
import { Past } from "./history.js";
import { patience } from "./patience.js";
import { changed, charAt, linesOf } from "./poem.js";
import { Scansion } from "./scansion.js";
import { touchable } from "./touch.js";
import { excuse, t, translate } from "./words.js";

const toggled = (list, each) => (list.includes(each) ? list.filter((other) => other !== each) : [...list, each]);

export class Hand {
  /**
   * `given` tells which places of a poem were asked for, `shown` gives a poem in the script of the page, `put` shows
   * one made here, `say` a word below the sheet.
   */
  constructor(sheet, { given, shown, put, say }) {
    Object.assign(this, { sheet, given, shown, put, say });
    this.place = sheet.element;
    const button = (name, act) => h("button", { type: "button", "data-hand": name, "data-t": `hand_${name}`,
      onclick: act });
    this.undo = button("undo", () => this.#step("undo"));
    this.redo = button("redo", () => this.#step("redo"));
    this.rest = button("rest", () => this.#anew());
    this.tones = button("tones", () => this.#scan(!this.scansion.on));
    this.element = h("div", { class: "acts hand" },
      h("span", {}, this.rest), h("span", {}, this.undo, this.redo), h("span", {}, this.tones));
    this.hint = h("p", { class: "soft", "data-t": "hand_hint" });
    this.choices = new Choices(this.place.parentElement, {
      take: (text) => this.#take(text),
      ask: (size) => this.#offer(size),
      act: (name) => this.#act(name),
      closed: () => this.#at()?.classList.remove("touched"),
    });
    this.scansion = new Scansion(sheet);
    this.#listen();
    translate(this.element);
    translate(this.hint);
  }

  /** The poem that stands, as it is kept and sent on: with what is held of it. */
  get poem() {
    return this.past?.state;
  }

  /** A poem stands on the sheet. One that was not made here begins a past of its own. */
  lay(poem) {
    if (poem === this.poem) return;
    this.lift();
    poem.hand ??= { kept: [] };
    poem.hand.held ??= this.given(poem);
    this.past = new Past(poem);
    this.spot = null;
  }

  /** Another poem is to come. */
  lift() {
    this.calling?.abort();
    this.choices.close({ focus: false });
  }

  /** Says of each character and line what it is; also when language or script are others. */
  refresh() {
    if (!this.poem) return;
    const { held, kept } = this.poem.hand, lines = linesOf(this.shown(this.poem).text);
    const focus = this.#at() ?? $(".char[tabindex='0']", this.place) ?? $(".char", this.place);
    for (const char of $$(".char", this.place)) {
      const { line, place } = char.dataset;
      char.tabIndex = char === focus ? 0 : -1;
      char.setAttribute("role", "button");
      char.setAttribute("aria-label", t("character_at", { char: char.textContent, line, place }));
      char.classList.toggle("held", held.includes(`${line}:${place}`));
    }
    [...this.sheet.poem.children].forEach((row, index) => {
      const label = t("lock_line", { line: lines[index] ?? "" });
      let lock = $(".lock", row);
      if (!lock) {
        lock = h("button", { type: "button", class: "lock", onclick: () => this.#lock(index + 1) });
        row.append(lock);
      }
      lock.setAttribute("aria-pressed", String(kept.includes(index + 1)));
      lock.setAttribute("aria-label", label);
      lock.title = label;
    });
    this.undo.disabled = !this.past.canUndo;
    this.redo.disabled = !this.past.canRedo;
    this.tones.setAttribute("aria-pressed", String(this.scansion.on));
    if (this.spot) this.#mark();
    this.#scan(this.scansion.on);
  }

  // -- touch and keys -------------------------------------------------------------------------------------------------

  #listen() {
    touchable(this.sheet, (char) => this.#touch(char));
    this.place.parentElement.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || !/^[zy]$/i.test(event.key) || event.target.matches("textarea")) return;
      event.preventDefault();
      this.#step(event.shiftKey || event.key === "y" ? "redo" : "undo");
    });
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.choices.open || this.choices.box.contains(target)) return;
      if (!target.closest(".char")) this.choices.close({ focus: false }); // else it moves there
    });
  }

  #at() {
    return this.spot && this.sheet.at(this.spot.line, this.spot.place);
  }

  /** A character is touched: what else could stand there? */
  #touch(char) {
    this.#at()?.classList.remove("touched");
    const line = Number(char.dataset.line), place = Number(char.dataset.place);
    this.spot = { line, place };
    this.place.classList.add("handled");
    char.classList.add("touched");
    const word = Boolean(this.sheet.at(line, place + 1));
    this.choices.show(char, { title: t("place_is", { line, place }), word });
    this.#mark();
    this.#offer(1);
  }

  #mark() {
    const { held, kept } = this.poem.hand, { line, place } = this.spot;
    this.choices.mark({ held: held.includes(`${line}:${place}`), locked: kept.includes(line) });
  }

  // -- what is asked of the model -------------------------------------------------------------------------------------

  /** What the endpoints are told of the poem. */
  #told() {
    const { text, cell, poet, title, prosody } = this.poem;
    return { text, cell, poet, title, rhyme_book: prosody.book };
  }

  /** Calls an endpoint for the poem as it stands; `done` gets its answer, if the poem still stands by then. */
  async #call(name, values, done) {
    const { poem } = this;
    this.calling?.abort();
    const calling = (this.calling = new AbortController());
    this.place.setAttribute("aria-busy", "true");
    this.say("");
    const onQueue = patience(this.say, () => calling === this.calling);
    try {
      const answer = await call(name, { ...this.#told(), ...values }, { signal: calling.signal, onQueue });
      if (poem !== this.poem || calling !== this.calling) return;
      this.calling = null;
      this.say("");
      done(answer);
    } catch (error) {
      if (calling !== this.calling) return;
      this.calling = null;
      if (error.name !== "AbortError") this.say(excuse(error));
      this.choices.fill([], { word: t("no_alternatives") });
    } finally {
      if (!this.calling) this.place.removeAttribute("aria-busy");
    }
  }

  #offer(characters) {
    this.choices.wait();
    const traditional = this.shown(this.poem).text !== this.poem.text;
    this.#call("alternatives", { ...this.spot, characters }, (found) => this.choices.fill(found.alternatives, {
      show: (each) => (traditional ? each.traditional : each.text),
      ruled: Boolean(this.poem.prosody.pattern),
    }));
  }

  /** An alternative is taken: it stands, and is held. */
  #take(text) {
    const { line, place } = this.spot, { held } = this.poem.hand;
    const places = [...text].map((_, index) => `${line}:${place + index}`);
    const next = changed(this.poem.text, line, place, text);
    this.#call("appraise", { text: next }, (told) => {
      this.#add(told, { held: [...new Set([...held, ...places])] });
      this.choices.close();
    });
  }

  /** What is not held and in none of these lines, anew. */
  #anew(kept = this.poem.hand.kept) {
    const { asked: { regulated, rhyme, temperature, include, avoid }, text, hand } = this.poem;
    const fixed = hand.held.map((at) => `${at}=${charAt(text, at)}`).join(" ");
    this.choices.close();
    const wanted = { regulated, rhyme, temperature, include, avoid };
    this.#call("revise", { fixed, keep: kept.join(" "), ...wanted }, (told) => this.#add(told));
  }

  #add(told, hand = {}) {
    const { asked, poet, title } = this.poem;
    const next = { ...told, poet, title, asked, revised: true, hand: { ...this.poem.hand, ...hand } };
    this.past.add(next);
    this.put(next);
  }

  // -- what needs no model --------------------------------------------------------------------------------------------

  #act(name) {
    const { line, place } = this.spot, lines = this.poem.lines.map((_, index) => index + 1);
    if (name === "line") this.#anew(lines.filter((each) => each !== line));
    if (name === "rest") this.#anew();
    if (name === "lock") this.#lock(line);
    if (name === "hold") this.#amend({ held: toggled(this.poem.hand.held, `${line}:${place}`) });
  }

  #lock(line) {
    this.#amend({ kept: toggled(this.poem.hand.kept, line).sort((one, other) => one - other) });
  }

  #amend(hand) {
    const next = { ...this.poem, hand: { ...this.poem.hand, ...hand } };
    this.past.amend(next);
    this.put(next);
  }

  #step(way) {
    if (!this.past) return;
    const before = this.poem, next = this.past[way]();
    if (next === before) return;
    this.calling?.abort();
    this.choices.close();
    this.put(next);
  }

  #scan(on) {
    this.tones.setAttribute("aria-pressed", String(on));
    this.scansion.show(on ? this.poem : null).catch((error) => this.say(excuse(error)));
  }
}
