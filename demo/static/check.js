// Check: any poem, its tones under its characters, its faults marked where they stand.

import { note } from "./address.js";
import { call } from "./api.js";
import { desk } from "./desk.js";
import { $, h, page } from "./dom.js";
import { choose } from "./fields.js";
import { SIGNS } from "./poem.js";
import { named, remark, t } from "./words.js";

export default function setUp() {
  const form = $("[data-form=check]"), place = $("[data-verdict]");
  let last = null;

  /** The attributes of what is at fault: a character, or (position null) its whole line. */
  const marked = (line, position) => {
    const wrong = last.violations.filter((fault) => fault.line === line && fault.position === position);
    if (!wrong.length) return { class: "" };
    const title = wrong.map((fault) => `${named("fault", fault.name)}：${remark(fault)}`).join("\n");
    return { class: "fault", tabindex: "0", title };
  };

  const cell = (line, row, column) => {
    const characters = [...line.text], tone = [...line.tones][column];
    const mark = marked(row + 1, column + 1), rhyme = line.rhymes && column === characters.length - 1 ? "rhyme" : "";
    return h("span", { ...mark, class: `cell ${mark.class} ${rhyme}` },
      h("b", {}, characters[column]),
      h("i", { role: "img", "aria-label": tone }, SIGNS[tone]),
      line.expected ? h("small", { "aria-hidden": "true" }, SIGNS[[...line.expected][column]]) : null);
  };

  /** What was set aside of the text, a sentence for each kind. */
  const aside = () => [...new Set(last.aside.map(({ kind }) => kind))].map((kind) => {
    const texts = last.aside.filter((each) => each.kind === kind).map(({ text }) => text);
    return remark({ key: `aside_${kind}`, fields: { texts } });
  });

  const show = () => {
    place.hidden = !last;
    if (!last) return;
    const expects = last.lines.some((line) => line.expected);
    place.replaceChildren(
      h("p", { class: last.clean ? "summary clean" : "summary" }, last.clean ? "√ " : "", remark(last.summary)),
      h("ul", { class: "aside" }, aside().map((said) => h("li", {}, said))),
      h("div", { class: "lines", lang: "zh-Hans", translate: "no" }, last.lines.map((line, row) =>
        h("p", marked(row + 1, null), [...line.text].map((_, column) => cell(line, row, column))))),
      h("p", { class: "key" }, t("key"), expects ? `   ${t("key_expected")}` : null),
      h("ul", { class: "faults" },
        last.violations.map((fault) =>
          h("li", { class: "fault" }, h("b", {}, named("fault", fault.name)), " ", remark(fault)))),
      h("ul", { class: "notes" },
        last.notes.map((each) => h("li", {}, remark(each))),
        last.others.map((each) => h("li", {}, t("other_poem", { summary: remark(each.summary) })))));
  };

  const ask = desk("check", async (options) => {
    const text = form.elements.text.value.trim(), book = form.elements.rhyme_book.value;
    const verdict = await call("check", { text, rhyme_book: book }, options);
    return () => {
      last = verdict;
      note("check", { text, rhyme_book: book });
      show();
    };
  });
  page.root.addEventListener("spoken", show);
  return {
    open(parameters) {
      if (!parameters.text) return;
      choose(form, parameters);
      ask();
    },
  };
}
