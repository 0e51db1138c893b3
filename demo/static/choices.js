// What else could stand in a place of the poem: a small box at the character.

import { $, $$, calm, h } from "./dom.js";
import { named, t, translate } from "./words.js";

const GAP = 10; // pixels between the character and the box
const NEXT = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** What a character would do to the rules, in a word: `ruled` is whether the poem has such rules at all. */
function effect({ breaks, mends }, ruled) {
  if (breaks.length) return [...new Set(breaks.map(({ name }) => named("fault", name)))].join(" ");
  if (mends.length) return t("mends", { faults: [...new Set(mends)].map((name) => named("fault", name)).join(" ") });
  return ruled ? t("keeps_rules") : "";
}

/**
 * A box within `inside`, which is positioned. `take` is called with a text that was chosen, `ask` when the number of
 * characters is another, `act` with what a button below says (line, rest, hold, lock), `closed` when it goes.
 */
export class Choices {
  constructor(inside, { take, ask, act, closed }) {
    Object.assign(this, { inside, take, act, closed });
    this.title = h("b", {});
    this.list = h("div", { class: "choice-list", role: "group", "data-t-label": "alternatives" });
    this.said = h("p", { class: "soft", role: "status" });
    const sizes = [1, 2].map((size) => h("label", { class: "chip" },
      h("input", { type: "radio", name: "characters", value: size, checked: size === 1, onchange: () => ask(size) }),
      h("span", { "data-t": `characters_${size}` })));
    const close = { type: "button", class: "plain", "data-t-label": "close", onclick: () => this.close() };
    this.acts = Object.fromEntries(["line", "rest", "hold", "lock"].map((name) => [name, h("button", {
      type: "button", class: "link", "data-hand": name, "data-t": `hand_${name}`, onclick: () => act(name),
    })]));
    this.box = h("div", { class: "choices", role: "dialog", "data-t-label": "alternatives", hidden: true },
      h("header", {}, this.title, h("span", { class: "chips" }, sizes), h("button", close, "×")),
      this.said,
      this.list,
      h("p", { class: "choice-acts" }, Object.values(this.acts)));
    this.box.addEventListener("keydown", (event) => this.#key(event));
    inside.append(this.box);
    translate(this.box);
  }

  get open() {
    return !this.box.hidden;
  }

  /** Opens at a character's element, called `title`; `word` is whether two characters have room there. */
  show(anchor, { title, word }) {
    this.anchor = anchor;
    this.title.textContent = title;
    this.box.hidden = false;
    $("[name=characters][value='1']", this.box).checked = true;
    $("[name=characters][value='2']", this.box).disabled = !word;
    this.wait();
    this.#place();
  }

  /** Whether the character stays, and whether its line does. */
  mark({ held, locked }) {
    this.acts.hold.setAttribute("aria-pressed", String(held));
    this.acts.lock.setAttribute("aria-pressed", String(locked));
    this.acts.line.disabled = locked;
  }

  wait() {
    this.list.replaceChildren();
    this.list.setAttribute("aria-busy", "true");
    this.said.textContent = "";
  }

  /** The alternatives have come, or a word instead of them. `show` gives one in the script of the page. */
  fill(found, { show, ruled, word = "" }) {
    if (!this.open) return;
    this.list.removeAttribute("aria-busy");
    this.said.textContent = word;
    this.list.replaceChildren(...found.map((each, index) => {
      const text = show(each), does = effect(each, ruled);
      return h("button", {
        type: "button", "data-choice": "", class: each.breaks.length ? "breaks" : "", tabindex: index ? -1 : 0,
        "aria-label": [text, does].filter(Boolean).join("："), title: does,
        onclick: () => this.take(each.text),
      }, h("b", { lang: "zh", translate: "no" }, text), h("small", {}, does));
    }));
    this.#place();
    $("[data-choice]", this.list)?.focus({ preventScroll: true });
  }

  /** Goes; the focus is back on the character. */
  close({ focus = true } = {}) {
    if (!this.open) return;
    this.box.hidden = true;
    this.closed();
    if (focus) this.anchor.focus({ preventScroll: true });
  }

  #key(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
    }
    const all = $$("[data-choice]", this.list), here = all.indexOf(document.activeElement);
    if (here < 0 || !(event.key in NEXT)) return;
    event.preventDefault();
    all[(here + NEXT[event.key] + all.length) % all.length].focus();
  }

  /** Beside the character where there is room beside it, else below; never over it, nor over the edge. */
  #place() {
    const around = this.inside.getBoundingClientRect(), at = this.anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height, style } = this.box;
    const clamp = (value, most) => Math.max(0, Math.min(value, most));
    const left = at.left - around.left - GAP - width, right = at.right - around.left + GAP;
    const beside = left >= 0 ? left : right + width <= around.width ? right : null;
    const narrow = beside === null;
    style.left = `${narrow ? clamp(at.left - around.left - width / 2, around.width - width) : beside}px`;
    style.top = `${narrow ? at.bottom - around.top + GAP : clamp(at.top - around.top - height / 3, Infinity)}px`;
    this.box.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }
}
