// The fields of the forms: filled with what there is to choose from, read, and set from an address.

import { $, $$, h, page } from "./dom.js";
import { FIXED } from "./poem.js";
import { t, translate } from "./words.js";

const BOOK = "平水韵"; // where none is chosen
const FORMS = ["五绝", "七绝", "五律", "七律", "五古", "七古", ""];
export const CELLS = ["lstm", "gru", "rnn"];

function chip(name, value, checked, attributes, text = "") {
  return h("label", { class: "chip" },
    h("input", { type: "radio", name, value, checked }),
    h("span", attributes, text));
}

const CHIPS = {
  form: () => FORMS.map((form) =>
    chip("form", form, form === "五绝", form ? { lang: "zh-Hans", translate: "no" } : { "data-t": "form_free" }, form)),
  cell: () => CELLS.map((cell) => chip("cell", cell, cell === "lstm", {}, cell.toUpperCase())),
  line_length: () => ["7", "5"].map((length) =>
    chip("line_length", length, length === "7", { "data-t": `length_${length}` })),
  tail: () => ["0", "1"].map((tail) => chip("tail", tail, tail === "0", { "data-t": `tail_${tail}` })),
};

function list(select, none, names) {
  const options = names.map((name) => h("option", { value: name }, name));
  select.append(h("option", { value: "", "data-t": none }), ...options);
}

/** Lists the rhyme groups of the book that is chosen in a form. */
function rhymesOf(form) {
  const { rhyme, rhyme_book } = form.elements;
  if (!rhyme) return;
  rhyme.replaceChildren();
  list(rhyme, "rhyme_any", page.facts.books[rhyme_book.value]);
  translate(rhyme);
}

/** Fills the radios and lists that page.html leaves open. */
export function setUpFields() {
  for (const box of $$("[data-radios]")) box.append(...CHIPS[box.dataset.radios]());
  for (const select of $$("[data-books]")) {
    select.append(...Object.keys(page.facts.books).map((book) => h("option", { value: book }, book)));
    select.addEventListener("change", () => rhymesOf(select.form));
  }
  for (const select of $$("[data-rhymes]")) rhymesOf(select.form);
  for (const select of $$("[data-poets]")) list(select, "poet_none", page.facts.poets);
  page.root.addEventListener("change", glosses);
  page.root.addEventListener("spoken", glosses);
  for (const slider of $$("input[name=temperature]")) {
    slider.addEventListener("input", () => (slider.nextElementSibling.value = slider.value));
  }
}

/** Says beside each list of chips what the chosen one is. */
function glosses() {
  for (const place of $$("[data-gloss]")) {
    const { name, value } = $("input:checked", place.closest("fieldset"));
    const [lines, length] = FIXED[value] ?? [0, value.startsWith("五") ? 5 : 7];
    if (name === "cell" || !value) place.textContent = t(`gloss_${value || "free"}`);
    else place.textContent = t(lines ? "gloss_fixed" : "gloss_old", { lines, length });
  }
}

/** The choices of a form that all ways of writing share, by name. */
export function choices(form) {
  const data = new FormData(form);
  const text = (name, otherwise = "") => (data.get(name) ?? otherwise).trim();
  return {
    opening: text("opening"),
    cell: text("cell", "lstm"),
    form: text("form", "五绝"),
    regulated: data.has("regulated"),
    rhyme: text("rhyme"),
    rhyme_book: text("rhyme_book", BOOK),
    poet: text("poet"),
    title: text("title"),
    temperature: Number(text("temperature", "0.8")),
  };
}

/** The values of an address, the book before the group that is one of its own. */
function inOrder(values) {
  const entries = Object.entries(values), isBook = ([name]) => name === "rhyme_book";
  return [...entries.filter(isBook), ...entries.filter((entry) => !isBook(entry))];
}

/** Sets a form's fields to what an address says. Gives a word on the values that are none of a field's choices. */
export function choose(form, values) {
  const strange = [];
  for (const [name, value] of inOrder(values)) {
    const field = form.elements.namedItem(name);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value === "1";
    else if (field instanceof RadioNodeList || field.options) {
      const option = [...(field.options ?? field)].find((each) => each.value === value);
      if (option) option[field.options ? "selected" : "checked"] = true;
      else strange.push(`${name}=${value}`);
    } else field.value = value;
    if (name === "temperature") field.nextElementSibling.value = field.value;
    if (name === "rhyme_book") rhymesOf(form);
  }
  glosses();
  return strange.length ? t("strange", { values: strange.join(" ") }) : "";
}
