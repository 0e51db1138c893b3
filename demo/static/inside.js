// Inside the cell: what the network expected at every character, its gates and state, and how long it remembers.

import { note } from "./address.js";
import { call } from "./api.js";
import { fade, fit, heat } from "./charts.js";
import { desk } from "./desk.js";
import { $, $$, h, page } from "./dom.js";
import { choose } from "./fields.js";
import { isMark } from "./poem.js";
import { named, t } from "./words.js";

function percent(value) {
  if (value < 0.00095) return "<0.1%";
  return `${(100 * value).toFixed(value >= 0.0995 ? 0 : 1)}%`;
}

/** The height of a column of ink: 0 for one in ten thousand or less, 1 for certain; equal steps for equal ratios. */
const height = (value) => Math.max(0.02, 1 + Math.log10(Math.max(value, 1e-4)) / 4);

/** The size that only one value in twenty exceeds: the darkest ink. */
function most(rows) {
  const sizes = rows.flat().map(Math.abs).sort((one, other) => one - other);
  return sizes.at(-1 - Math.floor(sizes.length / 20)) || 1;
}

export default function setUp() {
  const form = $("[data-form=inside]"), place = $("[data-reading]");
  let last = null, told = {}, chosen = 1;

  const end = (token) => (token === "</s>" ? t("end") : token);

  const alternatives = () => {
    const { characters } = last, at = characters[chosen], best = at.alternatives[0][1];
    const before = characters.slice(0, chosen).map(({ text }) => text).join("") || t("beginning");
    $("[data-alternatives]").replaceChildren(
      h("p", {}, t("after_this", { before })),
      h("ol", {}, at.alternatives.map(([token, value]) => h("li", { class: token === at.text ? "own" : "" },
        h("b", { lang: "zh-Hans", translate: "no" }, end(token)),
        h("span", { class: "bar", style: `--value:${value / best}` }),
        h("span", {}, percent(value))))),
      h("p", {}, t("this_one", { char: at.text, rank: at.rank, value: percent(at.probability) })));
    $$("[data-strip] button").forEach((button, index) => button.setAttribute("aria-pressed", String(index === chosen)));
  };

  /** A character above the column of ink that says how probable it was. */
  const column = ({ text, probability }, index) => {
    const look = () => {
      chosen = index;
      alternatives();
    };
    return h("button", {
      type: "button", lang: "zh-Hans", translate: "no", style: `--value:${height(probability)}`,
      "aria-label": `${text} ${percent(probability)}`, onclick: look, onmouseenter: look, onfocus: look,
    }, h("b", {}, text), h("span", { class: "bar" }));
  };

  /** The columns by lines of the poem: a mark stays with its line. */
  const strip = () => {
    const found = [[]];
    last.characters.forEach((at, index) => {
      found.at(-1).push(column(at, index));
      if (isMark(at.text)) found.push([]);
    });
    return found.filter((row) => row.length).map((row) => h("span", {}, row));
  };

  /** The gates, open from 0 to 1, and the states, on either side of 0, each as a heat map. */
  const maps = () => {
    const characters = last.characters.map(({ text }) => text);
    const map = (title, rows, low, high, mean) => h("figure", {},
      h("figcaption", {}, h("b", {}, title), " ", h("span", {}, mean)),
      heat(rows, characters, { low, high, label: `${title}. ${t("heat_label", { units: rows.length })}` }));
    return [
      ...Object.entries(last.gates).map(([name, rows]) =>
        map(named("gate", name), rows, 0, 100, t("mean_is", { value: last.gate_means[name].toFixed(2) }))),
      ...Object.entries(last.states).map(([name, rows]) =>
        map(named("state", name), rows, -most(rows), most(rows), "")),
    ];
  };

  const show = () => {
    place.hidden = !last;
    if (!last) return;
    $("[data-strip]").replaceChildren(...strip());
    chosen = Math.min(chosen, last.characters.length - 1);
    alternatives();
    $("[data-explain]").textContent = named("explain", page.facts.cells[last.cell].kind);
    $("[data-heat]").replaceChildren(...maps());
    const shown = Object.values(last.states)[0].length, { units, echo, half_life } = last;
    $("[data-heat-note]").textContent = t("heat_note", { shown, units });
    $("[data-half-life]").textContent =
      half_life ? t("half_life", { value: half_life.toFixed(1) }) : t("no_half_life", { value: echo.length - 1 });
    fit($("[data-echo]"), (width) => fade(echo, width, { x: t("characters_later"), label: t("echo") }));
  };

  const read = desk("inside", async (options) => {
    const data = new FormData(form), text = (data.get("text") ?? "").trim(), cell = data.get("cell");
    if (text !== told.text) told = { text };
    const { form: ruled = "", poet = "", title = "" } = told;
    const reading = await call("inside", { text, cell, form: ruled, poet, title }, options);
    return () => {
      last = reading;
      note("inside", { text, cell, form: told.form, poet, title });
      show();
    };
  });

  form.addEventListener("change", (event) => event.target.name === "cell" && form.elements.text.value && read());
  page.root.addEventListener("spoken", show);
  page.root.addEventListener("dyed", show); // canvases do not follow the colours by themselves
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
      read({ said });
    },
  };
}
