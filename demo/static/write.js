// Write: one character and Enter; the poem streams onto the sheet.

import { seedOf } from "./address.js";
import { $, $$, h, page, touched } from "./dom.js";
import { easel } from "./easel.js";
import { choices, choose } from "./fields.js";
import { Lines } from "./lines.js";
import { firstPlaces, isVerse, lengthOf, rhymingPlaces, typed, words } from "./poem.js";
import { t, translate } from "./words.js";

// Characters that open many Tang poems, for the die.
const OFTEN = [..."春月山秋江雪花夜风云酒梦白青红高远清寒明落日水天大千万一独闲老旧故归行去来南东西北长玉金"];

export default function setUp({ inspect }) {
  const form = $("[data-form=write]"), { opening, rhyme, regulated, include, rhyme_words } = form.elements;
  const hint = touched() ? "hint_touch" : "hint";
  const chosen = () => {
    const values = choices(form);
    return { ...values, opening: typed(values.opening, !values.form), title: typed(values.title),
      include: words(values.include), rhyme_words: typed(values.rhyme_words), avoid: words(values.avoid) };
  };
  const rule = (values) => values.form;
  const given = ({ asked, lines }) => [
    ...firstPlaces(lines, [...typed(asked?.opening ?? "")].length),
    ...rhymingPlaces(lines, [...(asked?.rhyme_words ?? "")].length),
  ];
  const { compose, details, draft, open, script, take } = easel("write", {
    chosen, rule, given, hint, inspect, leave: () => lines.close(),
  });
  const lines = new Lines({
    stands: draft, done: take, script, say: (said) => { $("[data-word=write]").textContent = said; },
  });
  $("[data-under=write]").before(lines.element);

  const shape = () => {
    const values = choices(form);
    rhyme.disabled = include.disabled = rhyme_words.disabled = !lengthOf(values.form); // lines that are not known yet
    regulated.disabled = !page.facts.forms[values.form];
    opening.parentElement.style.setProperty("--count", Math.max(1, Math.min([...opening.value].length, 8)));
  };
  const begin = (char) => {
    opening.value = char;
    shape();
    compose();
  };

  const box = $("[data-suggestions]");
  const button = (attributes, char) => h("button", { type: "button", ...attributes }, char);
  const chance = () => OFTEN[Math.floor(Math.random() * OFTEN.length)];
  const suggested = () => [...t("suggested")];
  box.append(...suggested().map((_, at) =>
    button({ lang: "zh", translate: "no", "data-suggested": at, onclick: () => begin(suggested()[at]) })));
  box.append(button({ class: "die", "data-die": "", "data-t": "die", onclick: () => begin(chance()) }));
  translate(box);
  form.addEventListener("input", shape);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose();
  });
  $("[data-by-lines]", form).addEventListener("click", () => lines.begin(chosen()));
  page.root.addEventListener("spoken", () => {
    for (const each of $$("[data-suggested]", box)) each.textContent = suggested()[each.dataset.suggested];
    details();
  });
  shape();

  return {
    /** Goes on, line by line, with what stands: its text, form and cell. */
    goOn({ text, ...wishes }) {
      choose(form, { opening: "", ...wishes });
      shape();
      lines.begin(chosen(), text);
    },
    open(parameters) {
      const said = choose(form, parameters), seed = seedOf(parameters);
      shape();
      if (parameters.lines) lines.begin(chosen(), isVerse(parameters.text ?? "") ? parameters.text : "");
      else if (parameters.opening || parameters.text || seed !== null) open(parameters, seed, said);
      else if (!touched()) opening.focus({ preventScroll: true });
    },
  };
}
