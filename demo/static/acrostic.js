// Acrostic: a name or phrase in, a poem that hides it out.

import { easel } from "./easel.js";
import { $, choose, seedOf } from "./ui.js";

const ORDER = ["phrase", "cell", "line_length", "tail", "regulated", "rhyme", "poet", "temperature", "seed"];

export default function setUp({ inspect }) {
  const form = $("[data-form=acrostic]");
  const chosen = () => {
    const data = new FormData(form);
    return {
      phrase: (data.get("phrase") ?? "").trim(), cell: data.get("cell"), line_length: Number(data.get("line_length")),
      tail: data.get("tail") === "1", regulated: data.has("regulated"), rhyme: "", poet: "", temperature: 0.8,
    };
  };
  const rule = ({ line_length }) => ({ 5: "五绝", 7: "七绝" })[line_length];
  const mark = ({ phrase, tail, asked }) => (line, place) =>
    line < [...phrase].length && place === (tail ? asked.line_length - 1 : 0) ? "hide" : "";
  const { compose, open } = easel("acrostic", { order: ORDER, chosen, rule, mark, hint: "hint_acrostic", inspect });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose();
  });
  return {
    open(parameters) {
      const said = choose(form, parameters);
      if (parameters.phrase) open(parameters, seedOf(parameters), said);
    },
  };
}
