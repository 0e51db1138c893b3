// About: the models in numbers, and how a program calls them. The prose is in the words.

import { $, h, page } from "./dom.js";
import { cells } from "./fields.js";
import { cellName, t } from "./words.js";

const HEADS = ["model", "parameters", "state_size", "test_loss"];

function row(cell) {
  const { parameters, hidden_size, layers, test_loss } = page.facts.cells[cell];
  return h("tr", {},
    h("th", { scope: "row" }, cellName(cell)),
    h("td", {}, `${(parameters / 1e6).toFixed(2)} M`),
    h("td", {}, layers > 1 ? `${layers} × ${hidden_size}` : String(hidden_size)),
    h("td", {}, test_loss?.toFixed(2) ?? "–"));
}

const program = () => `from gradio_client import Client

client = Client("${new URL(".", document.baseURI)}")
poem = client.predict("春", form="五绝", api_name="/write")
print(poem["text"])`;

export default function setUp() {
  page.root.addEventListener("spoken", () => {
    const head = h("tr", {}, HEADS.map((key) => h("th", { scope: "col" }, t(key))));
    $("[data-models]").replaceChildren(h("thead", {}, head), h("tbody", {}, cells().map(row)));
    $("[data-program]").textContent = program();
  });
}
