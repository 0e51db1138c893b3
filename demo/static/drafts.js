// The poems written in this browser, below the sheet: to take up again, to mark, to remove, to save as text.

import { h } from "./dom.js";
import { couplets, nameAmong } from "./poem.js";
import { store, stored } from "./store.js";
import { cellName, named, t } from "./words.js";

/**
 * The list of a shelf. `show` gives a poem as it stands on the page: text, title, poet in the chosen script; `current`
 * the poem on the sheet; `take` is called with one that is to be on it again.
 */
export class Drafts {
  constructor(shelf, { show, current, take }) {
    Object.assign(this, { shelf, show, current, take });
    this.list = h("ul", {});
    this.count = h("span", {});
    this.note = h("p", { class: "soft", "data-t": "not_stored", hidden: true });
    this.element = h("details", { class: "drafts", open: stored("drafts-open", false) },
      h("summary", {}, h("span", { "data-t": "drafts" }), " ", this.count),
      this.list,
      this.note,
      h("p", { class: "acts" },
        this.#button("export", () => this.#save()),
        this.#button("clear", () => this.#change(() => shelf.clear()))));
    this.element.addEventListener("toggle", () => store("drafts-open", this.element.open));
  }

  #button(key, onclick) {
    return h("button", { type: "button", class: "link", "data-t": key, onclick });
  }

  /** Shows what the shelf holds; whoever has the focus in the list keeps it. */
  refresh() {
    const focus = document.activeElement?.dataset.draft;
    const index = [...this.list.children].findIndex((item) => item.contains(document.activeElement));
    const { poems } = this.shelf;
    this.element.hidden = !poems.length;
    this.note.hidden = this.shelf.stored;
    this.count.textContent = `(${poems.length})`;
    const texts = poems.map((poem) => this.show(poem).text);
    this.list.replaceChildren(...poems.map((poem, at) => this.#row(poem, nameAmong(texts[at], texts))));
    const row = this.list.children[Math.min(index, poems.length - 1)];
    if (index >= 0) row?.querySelector(`[data-draft=${focus}]`)?.focus();
  }

  #row(poem, name) {
    const own = this.current()?.text === poem.text;
    const small = (kind, pressed, sign, onclick) => h("button", {
      type: "button", "data-draft": kind, "aria-pressed": pressed, "aria-label": t(kind), title: t(kind), onclick,
    }, sign);
    return h("li", {},
      small("star", String(poem.starred), poem.starred ? "★" : "☆", () => this.#change(() => this.shelf.star(poem))),
      h("button", {
        type: "button", "data-draft": "take", "aria-pressed": String(own), lang: "zh-Hans", translate: "no",
        onclick: () => this.take(poem),
      }, name),
      h("small", {}, `${named("form", poem.form)} · ${cellName(poem.cell)}`),
      small("remove", null, "×", () => this.#change(() => this.shelf.remove(poem))));
  }

  #change(change) {
    change();
    this.refresh();
  }

  /** All of them as a text file. */
  #save() {
    const texts = this.shelf.poems.map((poem) => {
      const { text, title, poet } = this.show(poem);
      return [[title, poet].filter(Boolean).join(" "), couplets(text)].filter(Boolean).join("\n");
    });
    const url = URL.createObjectURL(new Blob([`${texts.join("\n\n")}\n`], { type: "text/plain;charset=utf-8" }));
    h("a", { href: url, download: `${t("title")}.txt` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }
}
