// What the page says: words by language and key, and sentences for what went wrong. The words are in tang_rnn/words/.

import { Refusal } from "./api.js";
import { $$, h, page } from "./dom.js";
import { quoted, verdict } from "./poem.js";
import { stored } from "./store.js";

export const speech = { language: "en" };

/** Whether this visitor reads traditional characters: by his own choice, or by where his browser is from. */
export const prefersTraditional = () =>
  stored("script", /^zh-(hant|tw|hk|mo)/i.test(navigator.language ?? "") ? "t" : "") === "t";

const NAMES = ["name", "other", "names"]; // fields that hold names of options, to be looked up

/** A name of verse (a poet, a form, a rhyme group, a book) in the script of the page. */
export const proper = (name) => (speech.language === "zh-Hant" && page.facts.traditional[name]) || name;

/**
 * A sentence with its {fields} filled in, in the page's language, or in English where that lacks it. A field may be a
 * list, or itself a sentence: { key, fields }.
 */
export function say(section, key, fields = {}) {
  const { words } = page.facts, spoken = words[speech.language] ?? words.en;
  const shown = (name) => [fields[name]].flat().map((value) => {
    if (value?.key) return say(section, value.key, value.fields);
    return (NAMES.includes(name) && spoken.names[value]) || proper(value);
  }).join(" ");
  const sentence = spoken[section]?.[key] ?? words.en[section]?.[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => (name in fields ? shown(name) : whole));
}

/** The page's own word for a key. */
export const t = (key, fields) => say("page", key, fields);

/** Whether the page has a word for a key. */
const has = (key) => key in page.facts.words[speech.language].page;

/** Translates what has been added to the page; also called whenever the language changes. */
export function translate(inside = page.root) {
  for (const element of $$("[data-t]", inside)) element.textContent = t(element.dataset.t);
  for (const element of $$("[data-proper]", inside)) element.textContent = proper(element.dataset.proper);
  for (const element of $$("[data-t-label]", inside)) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of $$("[data-t-placeholder]", inside)) element.placeholder = t(element.dataset.tPlaceholder);
}

/** Two decimals, with a minus sign that is one. */
export const decimal = (value) => value.toFixed(2).replace("-", "−");

/** A name of verse (a form, a pattern, a fault) as the page's language has it: the name itself where it has none. */
export const named = (kind, name) => (has(`${kind}_${name}`) ? t(`${kind}_${name}`) : name);

/** A cell as it is called, LSTM; one's own by the name it was given. */
export const cellName = (cell) => (page.facts.cells[cell]?.own ? cell : cell.toUpperCase());

/** Several things, one after the other. */
const listed = (names) => names.join(t("comma"));

/** A tonal pattern such as 七绝平起首句入韵 in the page's words; `within` a sentence that names its form, without it. */
function patternName(pattern, within = false) {
  const [, form, start, first] = /^(..)(.起)(首句.*)$/.exec(pattern) ?? [];
  if (!form) return pattern;
  const parts = { form: named("form", form), start: named("start", start), first: named("first", first) };
  return t(within ? "pattern_within" : "pattern", parts);
}

// Fields of a remark that name something of verse, and how the page's language has it.
const TERMS = {
  form: (name) => named("form", name),
  pattern: (name) => patternName(name, true),
  faults: (names) => listed(names.map((name) => named("fault", name))),
};

/** What the judge remarks (a verdict, a fault, a note), in the page's language. */
export function remark({ key, fields, line, position, character: char }) {
  const terms = Object.entries(fields).map(([name, value]) => [name, TERMS[name]?.(value) ?? value]);
  return say("judge", key, { line, position, char, ...Object.fromEntries(terms) });
}

/** What a poem keeps of the rules, and what it does not: words for its colophon. */
function ruleWords({ form, prosody }) {
  const { pattern, group, broken } = verdict(prosody);
  const faults = [...broken].map(([name, count]) => named("fault", name) + (count > 1 ? ` ×${count}` : ""));
  return [
    pattern ? patternName(pattern) : named("form", form),
    group && t("rhymes_in", { group }),
    faults.length && t("not_kept", { faults: listed(faults) }),
  ].filter(Boolean);
}

/** A word on the lines that are not new, or "". `text` is the poem in the script on the page. */
export function oldLines(poem, text = poem.text) {
  const lines = quoted(poem, text);
  return lines.length ? t("quotes", { lines: lines.join(" ") }) : "";
}

/** What is said below a poem, as nodes. `text` is the poem in the script on the page. */
export const colophonOf = (poem, text) => [
  ...ruleWords(poem),
  cellName(poem.cell),
  (poem.seed ?? null) !== null && !poem.revised && t("seed_is", { seed: poem.seed }),
  poem.per_character && t("likelihood_is", { value: decimal(poem.per_character) }),
  oldLines(poem, text),
  poem.strange && t("link_differs"),
].filter(Boolean).flatMap((part, index, { length }) => [h("span", {}, part, index + 1 < length ? " ·" : ""), " "]);

/** What went wrong, in the page's language. */
export function excuse(error) {
  if (!(error instanceof Refusal)) {
    console.error(error);
    return t("broken");
  }
  return error.fields ? say("faults", error.key, error.fields) : t(error.key);
}
