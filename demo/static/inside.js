// Inside the cell: what the network expected at every character, its gates and state, and how long it remembers.

import { call } from "./api.js";
import { fade, heat } from "./charts.js";
import { h } from "./dom.js";
import { $, $$, address, choose, excuse, t, ui } from "./ui.js";

const percent = (value) => (value >= 0.0995 ? `${(100 * value).toFixed(0)}%` : value >= 0.00095 ? `${(100 * value).toFixed(1)}%` : "<0.1%");
/** The height of a column of ink: 0 for one in ten thousand or less, 1 for certain; equal steps for equal ratios. */
const height = (value) => Math.max(0.02, 1 + Math.log10(Math.max(value, 1e-4)) / 4);
/** The size that only one value in twenty exceeds: the darkest ink. */
const most = (rows) => rows.flat().map(Math.abs).sort((a, b) => a - b).at(-1 - Math.floor(rows.flat().length / 20)) || 1;

export default function setUp() {
  const form = $("[data-form=inside]"), word = $("[data-word=inside]"), place = $("[data-reading]");
  let last = null, told = {}, turn = 0, chosen = 1;

  const end = (token) => (token === "</s>" ? t("end") : token);

  const alternatives = () => {
    const { characters } = last;
    const at = characters[chosen];
    $("[data-alternatives]").replaceChildren(
      h("p", {}, t("after_this", { before: characters.slice(0, chosen).map((each) => each.text).join("") || t("beginning") })),
      h("ol", {}, at.alternatives.map(([token, value]) => h("li", { class: token === at.text ? "own" : "" },
        h("b", { lang: "zh-Hans" }, end(token)), h("span", { class: "bar", style: `--value:${value / at.alternatives[0][1]}` }), h("span", {}, percent(value))))),
      h("p", {}, t("this_one", { char: at.text, rank: at.rank, value: percent(at.probability) })));
    $$("[data-strip] button").forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
  };

  const show = () => {
    place.hidden = !last;
    if (!last) return;
    const chars = last.characters.map((each) => each.text);
    $("[data-strip]").replaceChildren(...last.characters.map((each, index) => h("button", {
      type: "button", lang: "zh-Hans", style: `--value:${height(each.probability)}`, "aria-label": `${each.text} ${percent(each.probability)}`,
      onclick: () => { chosen = index; alternatives(); },
      onmouseenter: () => { chosen = index; alternatives(); }, onfocus: () => { chosen = index; alternatives(); },
    }, h("b", {}, each.text), h("span", { class: "bar" }))));
    chosen = Math.min(chosen, chars.length - 1);
    alternatives();
    $("[data-explain]").textContent = t(`explain_${last.cell}`);
    const drawings = [
      ...Object.entries(last.gates).map(([name, rows]) => ({ title: t(`gate_${name}`), note: t("mean_is", { value: last.gate_means[name].toFixed(2) }), rows, low: 0, high: 100 })),
      ...Object.entries(last.states).map(([name, rows]) => ({ title: t(`state_${name}`), rows, low: -most(rows), high: most(rows) })),
    ];
    $("[data-heat]").replaceChildren(...drawings.map(({ title, note = "", rows, low, high }) => h("figure", {},
      h("figcaption", {}, h("b", {}, title), " ", h("span", {}, note)),
      heat(rows, chars, { low, high, label: `${title}. ${t("heat_label", { units: rows.length })}` }))));
    $("[data-heat-note]").textContent = t("heat_note", { shown: Object.values(last.states)[0].length, units: last.units });
    $("[data-echo]").replaceChildren(
      h("p", {}, last.half_life ? t("half_life", { value: last.half_life.toFixed(1) }) : t("no_half_life", { value: last.echo.length - 1 })),
      fade(last.echo, { x: t("characters_later"), label: t("echo") }));
  };

  async function read() {
    const own = ++turn, data = new FormData(form), text = (data.get("text") ?? "").trim();
    if (text !== told.text) told = { text };
    word.textContent = "";
    form.classList.add("busy");
    try {
      const reading = await call("inside", [text, data.get("cell"), told.form ?? "", told.poet ?? "", told.title ?? ""]);
      if (own !== turn) return;
      last = reading;
      address("inside", { text, cell: data.get("cell"), form: told.form, poet: told.poet, title: told.title });
      show();
    } catch (error) {
      if (own === turn) word.textContent = excuse(error);
    } finally {
      if (own === turn) form.classList.remove("busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    read();
  });
  form.addEventListener("change", (event) => event.target.name === "cell" && form.elements.text.value && read());
  ui.root.addEventListener("spoken", show);
  ui.root.addEventListener("dyed", show); // canvases do not follow the colours by themselves
  return {
    /** A poem written here is read as it was written: by its cell, told its form, poet and title. */
    read(poem) {
      told = { text: poem.text, form: poem.form, poet: poem.poet, title: poem.title };
      choose(form, { text: poem.text, cell: poem.cell });
      read();
    },
    open(parameters) {
      if (!parameters.text) return;
      const said = choose(form, { text: parameters.text, cell: parameters.cell ?? "lstm" });
      told = { ...parameters, text: form.elements.text.value.trim() };
      read();
      word.textContent = said;
    },
  };
}
