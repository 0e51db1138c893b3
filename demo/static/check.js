// Check: any poem, its tones under its characters, its faults marked where they stand.

import { call } from "./api.js";
import { h } from "./dom.js";
import { $, address, excuse, judged, t, ui } from "./ui.js";

// The old signs of metrics: a circle is level, a dot oblique, a half either.
const SIGNS = { 平: "○", 仄: "●", 中: "◐", "？": "？" };

export default function setUp() {
  const form = $("[data-form=check]"), word = $("[data-word=check]"), place = $("[data-verdict]");
  let last = null;

  const show = () => {
    place.hidden = !last;
    if (!last) return;
    const faults = (line, position) => last.violations.filter((fault) => fault.line === line && (fault.position === position || fault.position === null));
    place.replaceChildren(
      h("p", { class: "summary" }, [
        last.pattern ?? last.form, last.rhyme_group && t("rhymes_in", { group: last.rhyme_group }),
        last.ok ? t("no_faults") : t("faults", { count: last.violations.length }),
      ].filter(Boolean).join(" · ")),
      h("div", { class: "lines", lang: "zh-Hans" }, last.lines.map((line, row) =>
        h("p", {}, [...line.text].map((char, column) => {
          const wrong = faults(row + 1, column + 1);
          const rhyme = line.rhymes && column === [...line.text].length - 1;
          return h("span", {
            class: `cell ${wrong.length ? "fault" : ""} ${rhyme ? "rhyme" : ""}`, tabindex: wrong.length ? "0" : null,
            title: wrong.map((fault) => `${fault.name}：${judged(fault.message)}`).join("\n") || null,
          }, h("b", {}, char), h("i", { "aria-label": [...line.tones][column] }, SIGNS[[...line.tones][column]]),
          line.expected ? h("small", { "aria-hidden": "true" }, SIGNS[[...line.expected][column]]) : null);
        })))),
      h("p", { class: "key" }, t("key")),
      h("ul", { class: "faults" },
        last.violations.map((fault) => h("li", { class: "fault" }, h("b", {}, fault.name), " ", judged(fault.message))),
        last.notes.map((note) => h("li", {}, judged(note)))));
  };

  async function judge() {
    word.textContent = "";
    form.classList.add("busy");
    try {
      const text = form.elements.text.value.trim();
      last = await call("check", [text, ""]);
      address({ tab: "check", text });
    } catch (error) {
      last = null;
      word.textContent = excuse(error);
    } finally {
      form.classList.remove("busy");
      show();
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
