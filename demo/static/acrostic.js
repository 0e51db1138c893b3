// Acrostic: a name or phrase in, a poem that hides it out.

import { seedOf } from "./address.js";
import { $, page } from "./dom.js";
import { easel } from "./easel.js";
import { choices, choose } from "./fields.js";
import { typed } from "./poem.js";

export default function setUp({ inspect }) {
  const form = $("[data-form=acrostic]");
  const chosen = () => {
    const values = choices(form);
    return { ...values, phrase: typed(values.phrase) };
  };
  const rule = ({ line_length }) => ({ 5: "五绝", 7: "七绝" })[line_length];
  const mark = ({ asked: { phrase, tail, line_length } }) => (line, place) =>
    line < [...phrase].length && place === (tail ? line_length - 1 : 0) ? "hide" : "";
  const given = ({ asked: { phrase, tail, line_length } }) =>
    [...phrase].map((_, line) => `${line + 1}:${tail ? line_length : 1}`);
  const { compose, details, open } = easel("acrostic", { chosen, rule, given, mark, hint: "hint_acrostic", inspect });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose();
  });
  page.root.addEventListener("spoken", details);
  return {
    open(parameters) {
      const said = choose(form, parameters);
      if (parameters.phrase) open(parameters, seedOf(parameters), said);
    },
  };
}
