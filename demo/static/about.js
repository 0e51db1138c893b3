// About: the three models in numbers, and how a program calls them. The prose is in tang_rnn/words/.

import { h } from "./dom.js";
import { $, CELLS, t, ui } from "./ui.js";

export default function setUp() {
  const show = () => {
    const cells = CELLS.map((cell) => [cell, ui.facts.cells[cell]]);
    $("[data-models]").replaceChildren(
      h("tr", {}, ["model", "parameters", "state_size", "validation_loss"].map((key) => h("th", { scope: "col" }, t(key)))),
      ...cells.map(([cell, { parameters, hidden_size, layers, log }]) => h("tr", {}, h("th", { scope: "row" }, cell.toUpperCase()),
        h("td", {}, `${(parameters / 1e6).toFixed(2)} M`), h("td", {}, layers > 1 ? `${layers} × ${hidden_size}` : String(hidden_size)),
        h("td", {}, log.kept_validation_loss?.toFixed(2) ?? "–"))));
    $("[data-program]").textContent =
      `from gradio_client import Client\n\npoem = Client("${location.origin}${location.pathname}").predict("春", form="五绝", api_name="/write")\nprint(poem["text"])`;
  };
  ui.root.addEventListener("spoken", show);
}
