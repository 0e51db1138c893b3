// Compare: one opening, one seed, three cells; and how their training went.

import { call } from "./api.js";
import { curves } from "./charts.js";
import { h } from "./dom.js";
import { after } from "./easel.js";
import { Sheet, oldLines } from "./sheet.js";
import { $, CELLS, address, choices, choose, decimal, excuse, seedOf, t, ui } from "./ui.js";

const ORDER = ["opening", "form", "regulated", "rhyme", "poet", "title", "temperature", "seed"];
const ROWS = ["rnn", "lstm", "gru"];

export default function setUp({ inspect }) {
  const form = $("[data-form=compare]"), word = $("[data-word=compare]"), place = $("[data-three]");
  let last = null, turn = 0;

  const columns = Object.fromEntries(ROWS.map((cell) => {
    const sheet = h("div", { class: "sheet" }), numbers = h("dl", { class: "numbers" });
    place.append(h("article", { "data-cell": cell }, h("h2", {}, cell.toUpperCase()), sheet, numbers));
    return [cell, { sheet: new Sheet(sheet, { small: true }), numbers }];
  }));

  const rest = () => {
    for (const cell of ROWS) {
      const { numbers, sheet } = columns[cell];
      const poem = last?.poems.find((each) => each.cell === cell);
      if (!poem) sheet.clear({ hint: " " });
      const { parameters, hidden_size, log } = ui.facts.cells[cell];
      const rows = [
        poem && [t("likelihood"), decimal(poem.per_character)],
        poem && [t("speed"), t("milliseconds", { value: poem.milliseconds.toFixed(1) })],
        [t("parameters"), `${(parameters / 1e6).toFixed(2)} M`],
        [t("state_size"), hidden_size],
        log.kept_validation_loss && [t("validation_loss"), log.kept_validation_loss.toFixed(2)],
      ].filter(Boolean);
      numbers.replaceChildren(...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
      if (poem && oldLines(poem)) numbers.append(h("dd", { class: "wide" }, oldLines(poem)));
      if (poem) numbers.append(h("dd", { class: "wide" }, h("button", { type: "button", class: "link", onclick: () => inspect(poem) }, t("look_inside"))));
    }
    $("[data-curves]").replaceChildren(curves(
      Object.fromEntries(ROWS.map((cell) => [cell, ui.facts.cells[cell].log.validation ?? []])), { x: t("steps"), y: t("nats"), none: t("no_curves") }));
    const table = $("[data-judged]");
    table.hidden = !last;
    if (last) {
      table.replaceChildren(
        h("caption", {}, t("judged_by")),
        h("tr", {}, h("td", {}), ...ROWS.map((cell) => h("th", { scope: "col" }, t("reads", { cell: cell.toUpperCase() })))),
        ...last.poems.map((poem) => h("tr", {}, h("th", { scope: "row" }, t("wrote", { cell: poem.cell.toUpperCase() })),
          ...ROWS.map((cell) => h("td", { class: Math.max(...Object.values(poem.judged_by)) === poem.judged_by[cell] ? "best" : "" }, decimal(poem.judged_by[cell]))))));
    }
  };

  const draw = (poem, at_once = false) => {
    const { sheet } = columns[poem.cell];
    sheet.clear({ ...poem, poet: after(poem.poet) });
    sheet.finish(poem, { at_once });
  };

  async function compose(seed = null) {
    const values = choices(form), own = ++turn;
    form.classList.add("busy");
    word.textContent = "";
    for (const { sheet } of Object.values(columns)) sheet.clear(values);
    columns.rnn.sheet.reveal();
    try {
      const args = { ...values, seed };
      const result = await call("compare", ORDER.map((name) => args[name]));
      if (own !== turn) return;
      last = result;
      address("compare", { opening: values.opening, form: values.form, regulated: values.regulated, seed: result.seed });
      rest();
      for (const poem of last.poems) draw(poem);
    } catch (error) {
      if (own !== turn) return;
      word.textContent = excuse(error);
      rest();
      for (const poem of last?.poems ?? []) draw(poem, true);
    } finally {
      if (own === turn) form.classList.remove("busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose();
  });
  ui.root.addEventListener("spoken", rest);
  return {
    open(parameters) {
      const said = choose(form, parameters), seed = seedOf(parameters);
      if (!parameters.opening && seed === null) return;
      compose(seed);
      word.textContent = said;
    },
  };
}
