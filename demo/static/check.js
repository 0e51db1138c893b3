// Check: any poem, its tones under its characters, its faults marked where they stand.

import { call } from "./api.js";
import { h } from "./dom.js";
import { $, address, excuse, judged, t, ui } from "./ui.js";

// The old signs of metrics: a circle is level, a dot oblique, a half either.
const SIGNS = { 平: "○", 仄: "●", 中: "◐", "？": "？" };

export default function setUp() {
  const form = $("[data-form=check]"), word = $("[data-word=check]"), place = $("[data-verdict]");
  let last = null, turn = 0;

  const show = () => {
    place.hidden = !last;
    if (!last) return;
    /** Marks what is at fault: a character, or (position null) its whole line. */
    const marked = (line, position) => {
      const wrong = last.violations.filter((fault) => fault.line === line && fault.position === position);
      return wrong.length ? { class: "fault", tabindex: "0", title: wrong.map((fault) => `${fault.name}：${judged(fault.message)}`).join("\n") } : { class: "" };
    };
    place.replaceChildren(
      h("p", { class: "summary" }, [
        last.pattern ?? last.form, last.rhyme_group && t("rhymes_in", { group: last.rhyme_group }),
        last.ok ? t(last.pattern ? "no_faults" : "nothing_to_judge") : t("faults", { count: last.violations.length }),
      ].filter(Boolean).join(" · ")),
      h("div", { class: "lines", lang: "zh-Hans" }, last.lines.map((line, row) =>
        h("p", marked(row + 1, null), [...line.text].map((char, column) => {
          const mark = marked(row + 1, column + 1), rhyme = line.rhymes && column === [...line.text].length - 1;
          return h("span", { ...mark, class: `cell ${mark.class} ${rhyme ? "rhyme" : ""}` },
            h("b", {}, char), h("i", { "aria-label": [...line.tones][column] }, SIGNS[[...line.tones][column]]),
            line.expected ? h("small", { "aria-hidden": "true" }, SIGNS[[...line.expected][column]]) : null);
        })))),
      h("p", { class: "key" }, t("key"), last.lines.some((line) => line.expected) ? `   ${t("key_expected")}` : null),
      h("ul", { class: "faults" },
        last.violations.map((fault) => h("li", { class: "fault" }, h("b", {}, fault.name), " ", judged(fault.message))),
        last.notes.map((note) => h("li", {}, judged(note)))));
  };

  async function judge() {
    const own = ++turn, text = form.elements.text.value.trim();
    word.textContent = "";
    form.classList.add("busy");
    try {
      const verdict = await call("check", [text, ""]);
      if (own !== turn) return;
      last = verdict;
      address("check", { text });
      show();
    } catch (error) {
      if (own === turn) word.textContent = excuse(error);
    } finally {
      if (own === turn) form.classList.remove("busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    judge();
  });
  ui.root.addEventListener("spoken", show);
  return {
    open(parameters) {
      if (!parameters.text) return;
      form.elements.text.value = parameters.text;
      judge();
    },
  };
}
