// What every view needs: the page's root, its words, its controls, the address, and words for what went wrong.

import { Refusal } from "./api.js";
import { h } from "./dom.js";

/** Lines and characters a line of the forms that fix both. */
export const FIXED = { 五绝: [4, 5], 七绝: [4, 7], 五律: [8, 5], 七律: [8, 7] };
const FORMS = ["五绝", "七绝", "五律", "七律", "五古", "七古", ""];
export const CELLS = ["lstm", "gru", "rnn"];

export const ui = { root: null, facts: null, words: {}, language: "en" };

export const $ = (selector, inside = ui.root) => inside.querySelector(selector);
export const $$ = (selector, inside = ui.root) => [...inside.querySelectorAll(selector)];

/** The page's word for a key, with {names} filled in. */
export const t = (key, values = {}) =>
  (ui.words[ui.language]?.[key] ?? ui.words.en?.[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** Two decimals, with a minus sign that is one. */
export const decimal = (value) => value.toFixed(2).replace("-", "−");

/** Translates what has been added to the page; also called whenever the language changes. */
export function translate(inside = ui.root) {
  for (const element of $$("[data-t]", inside)) element.textContent = t(element.dataset.t);
  for (const element of $$("[data-t-label]", inside)) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of $$("[data-t-placeholder]", inside)) element.placeholder = t(element.dataset.tPlaceholder);
}

// The endpoints and the judge speak English sentences; these are their patterns, and the page's own words for them.
const REFUSALS = [
  [/^busy$/, "busy"], [/^offline$/, "offline"], [/^broken$/, "broken"],
  [/does not know '(?<char>.+?)' in .+?; close to it are (?<close>.+)$/, "unknown_close"],
  [/does not know '(?<char>.+?)' in/, "unknown"],
  [/'(?<char>.+?)' of .+ is no character the model knows/, "unknown"],
  [/does not know the poet '(?<poet>.+?)'/, "unknown_poet"],
  [/is too long: (?<count>\d+) characters, at most (?<most>\d+)/, "too_long"],
  [/is too long: (?<form>\S+) has (?<most>\d+)/, "too_long_for"],
  [/no tonal pattern of (?<form>\S+) admits '(?<chars>.+?)'/, "no_pattern"],
  [/^'(?<char>.)' ends line (?<line>\d+) but does not rhyme/, "no_rhyme"],
  [/'(?<char>.)' would be a rhyme word twice/, "rhyme_twice"],
  [/^no rhyme group '(?<rhyme>.+?)'/, "unknown_rhyme"],
  [/^(?<name>\S+) must be one of (?<known>.+)$/, "one_of"],
  [/^(?<name>\S+) must be a (?:whole )?number between (?<least>\S+) and (?<most>\S+)$/, "number_between"],
  [/cannot begin with/, "begins_with_mark"],
  [/'(?<char>.+?)' is not a Chinese character/, "not_chinese"],
  [/there is no poem/, "no_poem"],
  [/there is nothing to hide/, "nothing_to_hide"],
];
const JUDGEMENTS = [
  [/^(?<char>.) in line (?<line>\d+) is (?<tone>.) where (?<wanted>.) is wanted/, "fault_tone"],
  [/^(?<char>.) in line (?<line>\d+) is 仄, but the line is to rhyme/, "fault_rhyme_oblique"],
  [/^(?<char>.) in line (?<line>\d+) is 平, but a line that does not rhyme/, "fault_end_level"],
  [/^(?<char>.) in line (?<line>\d+) is a lone 平/, "fault_lone_level"],
  [/^line (?<line>\d+) ends in three 平: (?<chars>.+)/, "fault_three_level"],
  [/^(?<char>.) in line (?<line>\d+) is (?<groups>.+), not (?<group>.+)/, "fault_other_group"],
  [/^(?<char>.) rhymes in line (?<before>\d+) and again in line (?<line>\d+)/, "fault_rhyme_again"],
  [/^lines (?<before>\d+) and (?<line>\d+) should agree/, "fault_not_agree"],
  [/^lines (?<before>\d+) and (?<line>\d+) should/, "fault_not_differ"],
  [/^line (?<line>\d+) has (?<count>\d+) characters; (?<form>\S+) has (?<wanted>\d+)/, "fault_length"],
  [/^(?<form>\S+) has .*?(?<wanted>\d+).*, not (?<count>\d+)/, "fault_lines"],
  [/^line 1 rhymes in a neighbouring group \(邻韵\): (?<char>.) is (?<groups>.+), not (?<group>.+)/, "note_neighbour"],
  [/^rhymes in (?<group>\S+), as old-style/, "note_oblique_rhyme"],
  [/^so many faults may mean old-style/, "note_old_style"],
  [/^not in the table, taken to fit: (?<chars>.+)/, "note_unknown"],
  [/^rhymes: (?<groups>.+)/, "note_rhymes"],
  [/^line (?<line>\d+): (?<licence>\S+) (?<expected>[平仄中]+)/, "note_licence"],
];

function translated(message, patterns) {
  for (const [pattern, key] of patterns) {
    const found = pattern.exec(message);
    if (found) return t(key, found.groups);
  }
  return null;
}

/** What went wrong, in the page's language. */
export function excuse(error) {
  if (!(error instanceof Refusal)) console.error(error);
  const message = error instanceof Refusal ? error.message : "broken";
  return translated(message, REFUSALS) ?? t("refused", { message });
}

/** A sentence of the judge in the page's language. */
export const judged = (message) => (ui.language === "zh" && translated(message, JUDGEMENTS)) || message;

// What each view shows, as its address says it: kept while another view is open.
const addresses = {};

/** The address of a view; Gradio's own parameters stay. */
export function addressOf(view) {
  const url = new URL(location.href);
  const kept = [...url.searchParams].filter(([name]) => name.startsWith("__"));
  const given = Object.entries({ ...addresses[view], tab: view === "write" ? "" : view })
    .filter(([name, value]) => (value ?? "") !== "" || (name === "form" && value === "")) // the form "" is one too: free
    .map(([name, value]) => [name, typeof value === "boolean" ? Number(value) : value]);
  url.search = new URLSearchParams([...kept, ...given]);
  return url.href;
}

/** Notes what a view shows, so that it can be shared; if the view is open its address is the browser's too. */
export function address(view, values) {
  addresses[view] = values;
  if (ui.root.dataset.view === view) history.replaceState(null, "", addressOf(view));
  return addressOf(view);
}

export async function clip(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not a secure page: the old way
    const area = h("textarea", { class: "hidden" });
    area.value = text;
    ui.root.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// -- controls ---------------------------------------------------------------------------------------------------------

const chip = (name, value, checked, attributes, text = "") =>
  h("label", { class: "chip" }, h("input", { type: "radio", name, value, checked }), h("span", attributes, text));

/** Fills the radios and lists that page.html leaves open. */
export function controls() {
  for (const box of $$("[data-radios=form]")) {
    box.append(...FORMS.map((form) => chip("form", form, form === "五绝", form ? { lang: "zh-Hans" } : { "data-t": "form_free" }, form)));
  }
  for (const box of $$("[data-radios=cell]")) box.append(...CELLS.map((cell) => chip("cell", cell, cell === "lstm", {}, cell.toUpperCase())));
  for (const box of $$("[data-radios=line_length]")) {
    box.append(...["7", "5"].map((value) => chip("line_length", value, value === "7", { "data-t": `length_${value}` })));
  }
  for (const box of $$("[data-radios=tail]")) box.append(...["0", "1"].map((value) => chip("tail", value, value === "0", { "data-t": `tail_${value}` })));
  for (const select of $$("[data-rhymes]")) {
    select.append(h("option", { value: "", "data-t": "rhyme_any" }), ...ui.facts.rhymes.map((name) => h("option", { value: name }, name)));
  }
  for (const select of $$("[data-poets]")) {
    select.append(h("option", { value: "", "data-t": "poet_none" }), ...ui.facts.poets.map((name) => h("option", { value: name }, name)));
  }
  ui.root.addEventListener("change", glosses);
  ui.root.addEventListener("spoken", glosses);
  for (const slider of $$("input[name=temperature]")) {
    slider.addEventListener("input", () => (slider.nextElementSibling.value = slider.value));
  }
}

/** Says beside each list of chips what the chosen one is. */
export function glosses() {
  for (const note of $$("[data-gloss]")) {
    const { name, value } = $("input:checked", note.closest("fieldset"));
    const [lines, length] = FIXED[value] ?? [0, value.startsWith("五") ? 5 : 7];
    note.textContent = name === "cell" || !value ? t(`gloss_${value || "free"}`) : t(lines ? "gloss_fixed" : "gloss_old", { lines, length });
  }
}

/** The choices of a form, by name. */
export function choices(form) {
  const data = new FormData(form);
  const text = (name, otherwise = "") => (data.get(name) ?? otherwise).trim();
  return {
    opening: text("opening"), cell: text("cell", "lstm"), form: text("form", "五绝"), regulated: data.has("regulated"),
    rhyme: text("rhyme"), poet: text("poet"), title: text("title"), temperature: Number(text("temperature", "0.8")),
  };
}

/** Sets a form's fields to what an address says. Gives a word on the values that are none of a field's choices. */
export function choose(form, values) {
  const strange = [];
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements.namedItem(name);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value === "1";
    else if (field instanceof RadioNodeList || field.options) {
      const option = [...(field.options ?? field)].find((each) => each.value === value);
      if (option) option[field.options ? "selected" : "checked"] = true;
      else strange.push(`${name}=${value}`);
    } else field.value = value;
    if (name === "temperature") field.nextElementSibling.value = field.value;
  }
  glosses();
  return strange.length ? t("strange", { values: strange.join(" ") }) : "";
}

/** A seed of an address, or null. */
export const seedOf = (parameters) => (/^\d{1,10}$/.test(parameters.seed ?? "") ? Number(parameters.seed) : null);
