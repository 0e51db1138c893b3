// An aid to reading, below the sheet: pinyin, tones in two colours, English for the words, and the poem read aloud.
// Its data is fetched when it is first asked for.

import { call } from "./api.js";
import { h, sleep } from "./dom.js";
import { linesOf } from "./poem.js";
import { pinyinOf, wordsOf } from "./reading.js";
import { speech, t } from "./words.js";

const PACE = 0.6; // of a voice's usual one
const PAUSES = { "，": 350, "。": 800 }; // milliseconds after a line

const TONES = { 平: "level", 仄: "oblique" };

/** The meaning of a word: of several, by its reading here. */
const meaningOf = (sense, reading) => (typeof sense === "string" ? sense : sense[reading] ?? Object.values(sense)[0]);

const loading = {};

/** A file of readings, fetched once. */
function loaded(name) {
  const url = new URL(`tang/reading/${name}.json`, document.baseURI);
  loading[name] ??= fetch(url).then((answer) => answer.json()).catch((error) => {
    delete loading[name];
    throw error;
  });
  return loading[name];
}

/** A Mandarin voice of this browser, or undefined; some know theirs only after a while. */
const voice = () => window.speechSynthesis?.getVoices()
  .find(({ lang }) => /^(zh|cmn)(?!.*(HK|yue))/i.test(lang));

export class Aid {
  constructor() {
    this.lines = h("div", { class: "reading-lines" });
    // Both come with the poem; see refresh.
    const link = { type: "button", class: "link", hidden: true };
    this.aloud = h("button", { ...link, "data-t": "aloud", onclick: () => this.#aloud() });
    this.meaning = h("button", { ...link, "data-t": "meaning", "aria-pressed": "false", onclick: () => this.#mean() });
    this.source = h("p", { class: "soft" });
    this.element = h("section", { class: "aid", "data-t-label": "pinyin", hidden: true },
      this.lines,
      h("p", { class: "soft", "data-t": "aid_key" }),
      h("p", { class: "acts" }, this.aloud, this.meaning),
      this.source);
    window.speechSynthesis?.addEventListener?.("voiceschanged", () => this.refresh());
  }

  get open() {
    return !this.element.hidden;
  }

  /** Opens with a poem and its text in the script that is shown, or, without one, closes. */
  async show(poem, text) {
    this.#hush();
    this.element.hidden = !poem;
    if (!poem) return;
    const [data, judged] = await Promise.all([
      loaded("pinyin"),
      call("check", { text: poem.text, rhyme_book: poem.prosody.book }),
    ]);
    this.poem = { judged: judged.lines, said: pinyinOf(judged.lines, data), text };
    this.refresh();
  }

  refresh() {
    if (!this.poem) return;
    const english = speech.language === "en";
    this.aloud.hidden = !voice();
    this.meaning.hidden = !english;
    const glosses = english ? this.glosses : null;
    this.source.textContent = glosses ? t("glosses_from", { licence: glosses.licence }) : "";
    const { judged, text } = this.poem, shown = linesOf(text);
    this.lines.classList.toggle("glossed", Boolean(glosses));
    this.lines.replaceChildren(...judged.map((line, index) => this.#line(index, line, shown[index], glosses)));
  }

  /** A line as words: each a row of characters below their pinyin, and, with glosses, above its meaning. */
  #line(index, { text, tones, rhymes }, shown, glosses) {
    const characters = [...text], seen = [...shown], said = this.poem.said[index];
    const ruby = (at) => h("ruby", {
      class: `${TONES[[...tones][at]] ?? ""} ${rhymes && at === characters.length - 1 ? "rhyme" : ""}`,
    }, seen[at], h("rt", {}, said[at]));
    const word = ([at, length]) => {
      const own = characters.slice(at, at + length).join("");
      return h("span", { class: "unit" },
        h("span", {}, [...own].map((_, next) => ruby(at + next))),
        glosses ? h("small", { lang: "en" }, meaningOf(glosses[own] ?? "", said[at])) : null);
    };
    return h("p", { lang: "zh", translate: "no" }, wordsOf(characters, (each) => glosses && each in glosses).map(word));
  }

  async #mean() {
    this.glosses = this.glosses ? null : await loaded("glosses");
    this.meaning.setAttribute("aria-pressed", String(Boolean(this.glosses)));
    this.refresh();
  }

  /** Reads the poem line by line, or stops. */
  async #aloud() {
    if (this.speaking) return this.#hush();
    const own = (this.speaking = {});
    this.aloud.textContent = t("hush");
    for (const [index, line] of linesOf(this.poem.text).entries()) {
      const place = this.lines.children[index];
      place?.classList.add("now");
      await spoken(line);
      place?.classList.remove("now");
      if (this.speaking === own) await sleep(PAUSES[line.at(-1)] ?? PAUSES["。"]);
      if (this.speaking !== own) return;
    }
    this.#hush();
  }

  #hush() {
    this.speaking = null;
    window.speechSynthesis?.cancel();
    this.aloud.textContent = t("aloud");
  }
}

/** Speaks a line; resolves at its end, or when it is broken off. */
const spoken = (line) => new Promise((resolve) => {
  const utterance = new SpeechSynthesisUtterance(line);
  Object.assign(utterance, { voice: voice(), lang: "zh-CN", rate: PACE, onend: resolve, onerror: resolve });
  window.speechSynthesis.speak(utterance);
});
