// Answer: a line is given, lines that answer it come back, and one of the couplets may be gone on with.

import { linkTo, note, seedOf } from "./address.js";
import { call } from "./api.js";
import { desk } from "./desk.js";
import { $, h, page } from "./dom.js";
import { choices, choose } from "./fields.js";
import { SIGNS, typed } from "./poem.js";
import { sharing } from "./share.js";
import { prefersTraditional, t } from "./words.js";

const WHOLE = { 5: "五绝", 7: "七绝" }; // the forms in which a couplet of such lines may be gone on with

export default function setUp({ goOn }) {
  const form = $("[data-form=answer]"), place = $("[data-couplets]"), word = $("[data-word=answer]");
  let last = null;

  /** The lines of a couplet; the one that was given stands as it was written. */
  const linesWith = (each) => {
    const own = prefersTraditional() ? each.traditional : each.text;
    return each.first ? [own, last.line] : [last.line, own];
  };

  /** A line with its tones below; the one that was given is grey. */
  const line = (characters, tones, given) => h("p", { class: given ? "given" : "" },
    [...characters].map((char, index) => h("span", { class: "cell" },
      h("b", {}, char),
      h("i", { role: "img", "aria-label": tones[index] }, SIGNS[tones[index]]))));

  const couplet = (each) => {
    const lines = linesWith(each), { length } = [...each.text], text = `${lines[0]}，${lines[1]}。`;
    const { copy } = sharing({ word, link: () => linkTo("answer"), current: () => ({ text }) });
    const button = (key, onclick) => h("button", { type: "button", class: "link", onclick }, t(key));
    return h("li", {},
      h("div", { class: "lines", lang: "zh", translate: "no" },
        each.tones.map((tones, index) => line(lines[index], [...tones], index === (each.first ? 1 : 0)))),
      h("p", { class: "acts" },
        button("copy", copy),
        WHOLE[length] && button("go_on", () => goOn({ form: WHOLE[length], cell: last.cell, text }))));
  };

  const show = () => {
    place.hidden = !last;
    if (!last) return;
    $("[data-answered]").textContent = t(last.lines[0]?.first ? "answers_above" : "answers_below");
    place.replaceChildren(...last.lines.map(couplet));
  };

  const ask = desk("answer", async (options, { seed = null }) => {
    const values = choices(form);
    values.line = typed(values.line);
    const found = await call("answer", { ...values, seed }, options);
    return () => {
      last = { ...found, cell: values.cell, line: values.line };
      note("answer", { ...values, seed: found.seed });
      show();
    };
  });

  page.root.addEventListener("spoken", show);
  return {
    open(parameters) {
      const said = choose(form, parameters);
      if (parameters.line) ask({ seed: seedOf(parameters), said });
    },
  };
}
