// A poem sent on: copied, as a picture, and by the system's own way of sharing.

import { $, h, page, seen } from "./dom.js";
import { couplets, firstLine } from "./poem.js";
import { t, translate } from "./words.js";

/** Puts a text on the clipboard. Gives whether it is there: some messengers' browsers and frames forbid it. */
async function clip(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch { // not a secure page, or not allowed: the old way
    const area = h("textarea", { class: "hidden", readonly: true });
    area.value = text;
    page.root.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

/** A text to be copied by hand, where the clipboard is out of reach. */
function byHand(text) {
  const area = h("textarea", { class: "by-hand", readonly: true, rows: 3, "aria-label": t("copy_by_hand") });
  area.value = text;
  area.addEventListener("focus", () => area.select());
  return [t("copy_by_hand"), area];
}

/** Whether the system has a way of sharing. */
export const canShare = () => typeof navigator.share === "function";

/** Hands something to the system's way of sharing. Gives whether it took it; a visitor may change his mind. */
async function share(what) {
  try {
    await navigator.share(what);
    return true;
  } catch (error) {
    return error.name === "AbortError"; // he did; there is nothing to say
  }
}

const SHAPES = ["portrait", "landscape"];

/** Shows the poem as a picture, to press on, to save or to share. */
export class PictureBox {
  constructor() {
    this.image = h("img", { alt: "" });
    this.save = h("a", { class: "link", "data-t": "save" });
    this.share = h("button", { type: "button", class: "link", "data-t": "share", onclick: () => this.#share() });
    const close = h("button", { type: "button", class: "link", "data-t": "close", onclick: () => this.box.close() });
    const shapes = SHAPES.map((shape) => h("label", { class: "chip" },
      h("input", { type: "radio", name: "shape", value: shape, onchange: () => this.#draw(shape) }),
      h("span", { "data-t": shape })));
    this.box = h("dialog", { class: "picture", "data-t-label": "picture" },
      h("div", { class: "shapes chips" }, shapes),
      this.image,
      h("p", { class: "soft", "data-t": "press_to_save" }),
      h("div", { class: "acts" }, this.save, this.share, close));
    this.box.addEventListener("click", (event) => event.target === this.box && this.box.close());
    page.root.append(this.box);
    translate(this.box);
  }

  /** Opens with a poem: its text, title and poet in the script that is shown, and `script`, "t" for traditional. */
  async open({ text, title, poet, cell, script }) {
    this.poem = { text, title, poet, cell, script };
    const { top, width, height } = await seen();
    this.box.style.setProperty("--top", `${top}px`);
    this.box.style.setProperty("--seen", `${height}px`);
    const shape = height > width ? "portrait" : "landscape";
    const chosen = $(`[value=${shape}]`, this.box);
    chosen.checked = true;
    this.#draw(shape);
    this.box.showModal();
    chosen.focus();
  }

  #draw(shape) {
    const dark = document.body.classList.contains("dark") ? "1" : "";
    const given = Object.entries({ ...this.poem, shape, dark }).filter(([, value]) => value);
    const url = new URL("tang/card.png", document.baseURI);
    url.search = new URLSearchParams(given);
    this.file = `${firstLine(this.poem.text)}.png`;
    this.image.src = url;
    this.image.alt = this.poem.text;
    this.save.href = url;
    this.save.download = this.file;
    this.share.hidden = true;
    this.#fetch(url);
  }

  /** The picture itself can be shared where the system takes files. */
  async #fetch(url) {
    if (!navigator.canShare) return;
    const answer = await fetch(url).catch(() => null);
    if (!answer?.ok || this.image.src !== url.href) return;
    this.picture = new File([await answer.blob()], this.file, { type: "image/png" });
    this.share.hidden = !navigator.canShare({ files: [this.picture] });
  }

  #share() {
    share({ files: [this.picture], title: firstLine(this.poem.text) });
  }
}

/**
 * What the buttons below a sheet do to send its poem on. `current` gives the poem as it is shown, `link` a link to it;
 * `word` is where it is said how that went.
 */
export function sharing({ current, link, word }) {
  let pictures = null;
  const copy = async (text, done) => {
    if (await clip(text)) word.textContent = t(done);
    else word.replaceChildren(...byHand(text));
  };
  const copyLink = () => copy(link(), "link_copied");
  return {
    copy: () => copy(couplets(current().text), "copied"),
    link: copyLink,
    share: async () => {
      const { text, title } = current();
      if (!await share({ title: title || firstLine(text), text: couplets(text), url: link() })) copyLink();
    },
    picture: () => {
      pictures ??= new PictureBox();
      pictures.open(current());
    },
  };
}
