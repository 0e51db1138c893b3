// The fields of the forms: filled with what there is to choose from, read, and set from an address.

import { $, $$, h, page } from "./dom.js";
import { cellName, named, t, translate } from "./words.js";

/** An option of an endpoint: its default, choices and limits. */
const option = (endpoint, name) => page.facts.options[endpoint].find((each) => each.name === name);
export const cells = () => option("write", "cell").choices;

// What stands on a chip: attributes, and a text where that is not among the page's words.
const LABELS = {
  form: (form) => (form ? [{ lang: "zh", translate: "no", "data-proper": form }] : [{ "data-t": "form_free" }]),
  cell: (cell) => [{}, cellName(cell)],
  line_length: (length) => [{ "data-t": `length_${length}` }],
  tail: (tail) => [{ "data-t": `tail_${Number(tail)}` }],
};

/** The choices of an endpoint's option as radios; a flag has two, 0 and 1. */
function chips(endpoint, name) {
  const { choices: values = [false, true], default: usual } = option(endpoint, name);
  const radio = (value) => h("input", {
    type: "radio", name, value: typeof value === "boolean" ? Number(value) : value, checked: value === usual,
  });
  return values.map((value) => h("label", { class: "chip" }, radio(value), h("span", ...LABELS[name](value))));
}

function list(select, none, names) {
  const options = names.map((name) => h("option", { value: name, "data-proper": name }));
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

/** Says beside a slider where it stands. */
const tell = (slider) => (slider.nextElementSibling.value = slider.value);

/** Gives a form's fields the defaults and limits of its options. What is pasted whole is not cut: it is refused. */
function limit(form) {
  for (const { name, default: usual, least, most, longest } of page.facts.options[form.dataset.form]) {
    const field = form.elements.namedItem(name);
    if (field?.type === "checkbox") field.checked = usual;
    else if (field?.type === "range") {
      Object.assign(field, { min: least, max: most, value: usual });
      tell(field);
    } else if ("limited" in (field?.dataset ?? {})) field.maxLength = longest;
  }
}

/** Fills the radios and lists that page.html leaves open. */
export function setUpFields() {
  for (const box of $$("[data-radios]")) box.append(...chips(box.closest("form").dataset.form, box.dataset.radios));
  for (const select of $$("[data-books]")) {
    select.append(...Object.keys(page.facts.books).map((book) => h("option", { value: book, "data-proper": book })));
    select.addEventListener("change", () => rhymesOf(select.form));
  }
  for (const select of $$("[data-rhymes]")) rhymesOf(select.form);
  for (const select of $$("[data-poets]")) list(select, "poet_none", page.facts.poets);
  page.root.addEventListener("change", glosses);
  page.root.addEventListener("spoken", glosses);
  for (const form of $$("[data-form]")) limit(form);
  for (const slider of $$("input[type=range]")) slider.addEventListener("input", () => tell(slider));
}

/** Says beside each list of chips what the chosen one is. */
function glosses() {
  for (const place of $$("[data-gloss]")) {
    const { name, value } = $("input:checked", place.closest("fieldset"));
    const [lines, length] = page.facts.forms[value] ?? [0, value.startsWith("五") ? 5 : 7];
    const { kind, own } = page.facts.cells[value] ?? {};
    if (own) place.textContent = t("gloss_own", { cell: kind.toUpperCase() });
    else if (name === "cell") place.textContent = named("gloss", value);
    else if (!value || value === "杂言") place.textContent = t(`gloss_${value || "free"}`);
    else place.textContent = t(lines ? "gloss_fixed" : "gloss_old", { lines, length });
  }
}

/** What a form asks of the endpoint of its name: of its options those that the form has, by name. */
export function choices(form) {
  const data = new FormData(form), given = {};
  for (const { name, type } of page.facts.options[form.dataset.form]) {
    const field = form.elements.namedItem(name), value = data.get(name) ?? "";
    if (!field) continue;
    if (type === "flag") given[name] = field.type === "checkbox" ? data.has(name) : value === "1";
    else given[name] = type === "text" ? value.trim() : Number(value);
  }
  return given;
}

/** The values of an address, the book before the group that is one of its own. */
function inOrder(values) {
  const entries = Object.entries(values), isBook = ([name]) => name === "rhyme_book";
  return [...entries.filter(isBook), ...entries.filter((entry) => !isBook(entry))];
}

/** Opens the fold that a field is in: what is asked is to be seen. */
function unfold(field) {
  const fold = field.closest?.("details");
  if (fold) fold.open = true;
}

/** Sets a form's fields to what an address says. Gives a word on the values that are none of a field's choices. */
export function choose(form, values) {
  const strange = [];
  for (const [name, value] of inOrder(values)) {
    const field = form.elements.namedItem(name);
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value === "1";
    else if (field instanceof RadioNodeList || field.options) {
      const chosen = [...(field.options ?? field)].find((each) => each.value === value);
      if (chosen) chosen[field.options ? "selected" : "checked"] = true;
      else strange.push(`${name}=${value}`);
    } else field.value = value;
    if (field.type === "range") tell(field);
    if (name === "rhyme_book") rhymesOf(form);
    if (value) unfold(field);
  }
  glosses();
  return strange.length ? t("strange", { values: strange.join(" ") }) : "";
}
