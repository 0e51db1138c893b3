// What the page says: words by language and key, and sentences for what went wrong. The words are in tang_rnn/words/.

import { Refusal } from "./api.js";
import { $$, page } from "./dom.js";
import { verdict } from "./poem.js";
import { refused } from "./refusals.js";
import { stored } from "./store.js";

export const speech = { words: {}, language: "en" };

/** Whether this visitor reads traditional characters: by his own choice, or by where his browser is from. */
export const prefersTraditional = () =>
  stored("script", /^zh-(hant|tw|hk|mo)/i.test(navigator.language ?? "") ? "t" : "") === "t";

/** A sentence with its {names} filled in. */
export const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** Whether the page has a word for a key. */
export const has = (key) => key in (speech.words[speech.language] ?? {});

/** The page's word for a key, with {names} filled in. */
export function t(key, values = {}) {
  const { words, language } = speech;
  return filled(words[language]?.[key] ?? words.en?.[key] ?? key, values);
}

/** Translates what has been added to the page; also called whenever the language changes. */
export function translate(inside = page.root) {
  for (const element of $$("[data-t]", inside)) element.textContent = t(element.dataset.t);
  for (const element of $$("[data-t-label]", inside)) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of $$("[data-t-placeholder]", inside)) element.placeholder = t(element.dataset.tPlaceholder);
}

/** Two decimals, with a minus sign that is one. */
export const decimal = (value) => value.toFixed(2).replace("-", "−");

/** A name of verse (a form, a pattern, a fault) as the page's language has it: the name itself where it has none. */
export const named = (kind, name) => (has(`${kind}_${name}`) ? t(`${kind}_${name}`) : name);

/** A tonal pattern such as 七绝平起首句入韵 in the page's language. */
export function patternName(pattern) {
  const [, form, start, first] = /^(..)(.起)(首句.*)$/.exec(pattern) ?? [];
  if (!form) return pattern;
  return t("pattern", { form: named("form", form), start: named("start", start), first: named("first", first) });
}

/** What the judge remarks (a verdict, a fault, a note), in the page's language. */
export function remark({ key, fields, line, position, character: char }) {
  const values = { line, position, char, ...fields };
  for (const [name, value] of Object.entries(values)) if (Array.isArray(value)) values[name] = value.join(" ");
  return t(`judge_${key}`, values);
}

/** What a poem keeps of the rules, and what it does not: words for its colophon. */
export function ruleWords({ form, prosody }) {
  const { pattern, group, broken } = verdict(prosody);
  const faults = [...broken].map(([name, count]) => named("fault", name) + (count > 1 ? ` ×${count}` : ""));
  return [
    pattern ? patternName(pattern) : named("form", form),
    group && t("rhymes_in", { group }),
    faults.length && t("not_kept", { faults: faults.join("、") }),
  ].filter(Boolean);
}

/** What went wrong, in the page's language. */
export function excuse(error) {
  if (!(error instanceof Refusal)) console.error(error);
  return refused(error instanceof Refusal ? error.message : "broken");
}
