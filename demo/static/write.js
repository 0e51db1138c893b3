// Write: one character and Enter; the poem streams onto the sheet.

import { h } from "./dom.js";
import { easel } from "./easel.js";
import { $, FIXED, choices, choose, seedOf, translate } from "./ui.js";

const SUGGESTED = [..."春月山秋江雪花夜风云酒梦"];
// Characters that open many Tang poems, for the die.
const OFTEN = [..."春月山秋江雪花夜风云酒梦白青红高远清寒明落日水天大千万一独闲老旧故归行去来南东西北长玉金"];
const ORDER = ["opening", "cell", "form", "regulated", "rhyme", "poet", "title", "temperature", "seed"];

export default function setUp({ inspect }) {
  const form = $("[data-form=write]"), { opening, rhyme, regulated } = form.elements;
  const hint = matchMedia("(pointer: coarse)").matches ? "hint_touch" : "hint";
  const { compose, open } = easel("write", { order: ORDER, chosen: () => choices(form), rule: (values) => values.form, hint, inspect });

  const shape = () => {
    const values = choices(form);
    rhyme.disabled = !values.form;
    regulated.disabled = !FIXED[values.form];
    opening.parentElement.style.setProperty("--count", Math.max(1, Math.min([...opening.value].length, 8)));
  };
  const begin = (char) => {
    opening.value = char;
    shape();
    compose();
  };

  const box = $("[data-suggestions]");
  const button = (attributes, char) => h("button", { type: "button", ...attributes }, char);
  box.append(...SUGGESTED.map((char) => button({ lang: "zh-Hans", onclick: () => begin(char) }, char)));
  box.append(button({ class: "die", "data-die": "", "data-t": "die", onclick: () => begin(OFTEN[Math.floor(Math.random() * OFTEN.length)]) }));
  translate(box);
  form.addEventListener("input", shape);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose();
  });
  shape();

  return {
    open(parameters) {
      const said = choose(form, parameters), seed = seedOf(parameters);
      shape();
      if (parameters.opening || seed !== null) open(parameters, seed, said);
      else if (matchMedia("(min-width: 700px)").matches) opening.focus({ preventScroll: true });
    },
  };
}
