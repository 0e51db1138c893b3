// Compare: one opening, one seed, all cells; and how their training went.

import { note, seedOf } from "./address.js";
import { call } from "./api.js";
import { curves, fit } from "./charts.js";
import { desk } from "./desk.js";
import { $, h, page } from "./dom.js";
import { choices, choose } from "./fields.js";
import { after, typed } from "./poem.js";
import { Sheet } from "./sheet.js";
import { cellName, decimal, oldLines, t } from "./words.js";

export default function setUp({ inspect }) {
  const form = $("[data-form=compare]"), place = $("[data-abreast]"), ROWS = Object.keys(page.facts.cells);
  let last = null;

  place.style.setProperty("--columns", Math.min(ROWS.length, 4));
  const columns = Object.fromEntries(ROWS.map((cell) => {
    const sheet = h("div", { class: "sheet" }), below = h("div", { class: "below" });
    place.append(h("article", { "data-cell": cell }, h("h2", {}, cellName(cell)), sheet, below));
    return [cell, { sheet: new Sheet(sheet, { small: true }), below }];
  }));
  const poemOf = (cell) => last?.poems.find((poem) => poem.cell === cell);

  /** What stands in the table: a row's name, and its value for each cell; the best of a row is red. */
  const rows = () => {
    const facts = ROWS.map((cell) => page.facts.cells[cell]);
    const known = [
      [t("parameters"), facts.map(({ parameters }) => `${(parameters / 1e6).toFixed(2)} M`)],
      [t("state_size"), facts.map(({ hidden_size }) => hidden_size)],
      [t("test_loss"), facts.map(({ test_loss }) => test_loss?.toFixed(2) ?? "–")],
    ];
    if (!last) return known;
    const poems = ROWS.map(poemOf);
    return [
      ...ROWS.map((reader) => [
        t("reads", { cell: cellName(reader) }),
        poems.map(({ judged_by }) =>
          h("span", { class: judged_by[reader] === Math.max(...Object.values(judged_by)) ? "best" : "" },
            decimal(judged_by[reader]))),
      ]),
      [t("speed"), poems.map((poem) => t("milliseconds", { value: poem.milliseconds.toFixed(1) }))],
      ...known,
    ];
  };

  const show = () => {
    for (const cell of ROWS) {
      const { sheet, below } = columns[cell], poem = poemOf(cell);
      if (!poem) sheet.clear({ hint: " " });
      below.replaceChildren(...(poem ? [
        h("p", { class: "soft" }, oldLines(poem)),
        h("button", { type: "button", class: "link", onclick: () => inspect(poem) }, t("look_inside")),
      ] : []));
    }
    $("[data-numbers]").replaceChildren(
      h("caption", {}, last ? t("judged_by") : ""),
      h("thead", {}, h("tr", {}, h("td", {}), ROWS.map((cell) => h("th", { scope: "col" }, cellName(cell))))),
      h("tbody", {}, rows().map(([name, values]) =>
        h("tr", {}, h("th", { scope: "row" }, name), values.map((value) => h("td", {}, value))))));
    const validation = Object.fromEntries(ROWS.map((cell) => [cell, page.facts.cells[cell].validation]));
    fit($("[data-curves]"), (width) =>
      curves(validation, width, { x: t("steps"), y: t("nats"), none: t("no_curves") }));
  };

  const draw = (poem, at_once = false) => {
    const { sheet } = columns[poem.cell];
    sheet.clear({ ...poem, poet: after(poem.poet) });
    sheet.finish(poem, { at_once });
  };

  const ask = desk("compare", async (options, { seed = null }) => {
    const values = choices(form), args = { ...values, opening: typed(values.opening, !values.form), seed };
    for (const { sheet } of Object.values(columns)) sheet.clear(values);
    document.activeElement?.matches("input") && document.activeElement.blur();
    columns[ROWS[0]].sheet.reveal();
    const result = await call("compare", args, options);
    return () => {
      last = result;
      const { opening, regulated } = args;
      note("compare", { opening, form: args.form, regulated, seed: result.seed });
      show();
      for (const poem of last.poems) draw(poem);
    };
  }, () => {
    show();
    for (const poem of last?.poems ?? []) draw(poem, true);
  });

  page.root.addEventListener("spoken", show);
  return {
    open(parameters) {
      const said = choose(form, parameters), seed = seedOf(parameters);
      if (!parameters.opening && seed === null) return;
      ask({ seed, said });
    },
  };
}
