// Write: one character and Enter; the poem streams onto the sheet.

import { call } from "./api.js";
import { h } from "./dom.js";
import { Sheet, linesOf, oldLines, picture } from "./sheet.js";
import { $, $$, address, choices, choose, clip, excuse, seedOf, t, translate, ui } from "./ui.js";

const SUGGESTED = [..."春月山秋江雪花夜风云酒梦"];
// Characters that open many Tang poems, for the die.
const OFTEN = [..."春月山秋江雪花夜风云酒梦白青红高远清寒明落日水天大千万一独闲老旧故归行去来南东西北长玉金"];
const ORDER = ["opening", "cell", "form", "regulated", "rhyme", "poet", "title", "temperature", "seed"];
const PATTERNED = ["五绝", "七绝", "五律", "七律"];

/** A couplet a line. */
const couplets = (text) => text.replaceAll("。", "。\n").trim();
export const after = (poet) => (poet ? `拟${poet}` : "");

export default function setUp({ inspect }) {
  const form = $("[data-form=write]"), word = $("[data-word=write]"), under = $("[data-under=write]");
  const sheet = new Sheet($("[data-sheet=write]"));
  let drafts = [], current = null, traditional = false, turn = 0, calling = null;

  const shape = () => {
    const values = choices(form);
    form.elements.rhyme.disabled = !values.form;
    form.elements.regulated.disabled = !PATTERNED.includes(values.form);
    const count = [...form.elements.opening.value].length;
    form.elements.opening.parentElement.style.setProperty("--count", Math.max(1, Math.min(count, 8)));
  };
  /** Text, title and poet in the script that is chosen; while a poem is still coming there is only the simplified. */
  const inScript = (poem) => {
    const { text, title, poet } = (traditional && poem.traditional) || poem;
    return { text, title, poet: poet && (traditional && poem.traditional ? `擬${poet}` : after(poet)) };
  };
  const shown = (poem) => inScript(poem).text;
  const fresh = (poem) => sheet.clear({ form: poem.form, ...inScript(poem) });
  const link = (poem) =>
    address({ ...poem.asked, regulated: poem.asked.regulated ? "1" : "0", seed: poem.seed, script: traditional ? "t" : "" });

  const details = () => {
    if (!current) return;
    $("[data-act=script]").textContent = t(traditional ? "simplified" : "traditional");
    const { prosody, seed, per_character } = current;
    $("[data-colophon]").textContent = [
      prosody.pattern ?? current.form,
      prosody.rhyme_group && t("rhymes_in", { group: prosody.rhyme_group }),
      current.cell.toUpperCase(), t("seed_is", { seed }), t("likelihood_is", { value: per_character.toFixed(2) }),
      oldLines(current, shown(current)),
    ].filter(Boolean).join(" · ");
    $("[data-drafts]").replaceChildren(...drafts.map((poem, index) =>
      h("button", { type: "button", "aria-pressed": String(poem === current), onclick: () => present(poem, true) }, t("draft", { number: index + 1 }))));
    $("[data-drafts]").hidden = drafts.length < 2;
  };

  async function present(poem, at_once = false) {
    const own = at_once ? ++turn : turn;
    current = poem;
    if (at_once || traditional) fresh(poem);
    await sheet.write(shown(poem), { at_once });
    if (own !== turn) return;
    sheet.sign(poem.cell);
    under.hidden = false;
    word.textContent = "";
    details();
    link(poem);
    $("[data-live]").textContent = linesOf(shown(poem)).join(" ");
  }

  async function compose(seed = null, values = choices(form)) {
    const own = ++turn;
    calling?.abort(); // whoever asks anew gives up the place of the call before
    calling = new AbortController();
    form.classList.add("busy");
    word.textContent = "";
    fresh(values);
    try {
      const args = { ...values, seed };
      const poem = await call("write", ORDER.map((name) => args[name]), (piece) => {
        if (own === turn && !traditional) sheet.write(piece.text);
      }, calling.signal);
      if (own !== turn) return;
      form.classList.remove("busy");
      poem.asked = values;
      drafts = [...drafts.filter((draft) => draft.seed !== poem.seed), poem].slice(-9);
      await present(poem);
    } catch (error) {
      if (own !== turn) return;
      form.classList.remove("busy");
      const said = excuse(error);
      if (current) await present(current, true);
      else sheet.clear({ hint: t("hint") });
      word.textContent = said;
    }
  }

  const begin = (char = null) => {
    if (char) form.elements.opening.value = char;
    shape();
    drafts = [];
    compose();
  };
  const acts = {
    another: () => compose(null, current.asked),
    again: () => { turn++; fresh(current); present(current); },
    script: () => {
      traditional = !traditional;
      sheet.replace(inScript(current));
      details();
      link(current);
    },
    copy: () => clip(couplets(shown(current))).then(() => (word.textContent = t("copied"))),
    link: () => clip(link(current)).then(() => (word.textContent = t("link_copied"))),
    picture: async () => {
      const poem = inScript(current), { text } = poem;
      const blob = await picture({ ...poem, cell: current.cell, dark: document.body.classList.contains("dark") });
      const url = URL.createObjectURL(blob);
      h("a", { href: url, download: `${linesOf(text)[0].replace(/[，。]/g, "")}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      word.textContent = t("saved");
    },
    inside: () => inspect(current),
  };

  const box = $("[data-suggestions]");
  const button = (attributes, char) => h("button", { type: "button", ...attributes }, char);
  box.append(...SUGGESTED.map((char) => button({ lang: "zh-Hans", onclick: () => begin(char) }, char)));
  box.append(button({ class: "die", "data-die": "", "data-t": "die", onclick: () => begin(OFTEN[Math.floor(Math.random() * OFTEN.length)]) }));
  translate(box);
  for (const element of $$("[data-act]", under)) element.addEventListener("click", () => current && acts[element.dataset.act]());
  form.addEventListener("input", shape);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin();
  });
  ui.root.addEventListener("spoken", () => (current ? details() : sheet.clear({ hint: t("hint") })));
  shape();

  return {
    latest: () => current,
    open(parameters) {
      choose(form, parameters);
      traditional = parameters.script === "t";
      shape();
      if (parameters.opening || seedOf(parameters) !== null) compose(seedOf(parameters));
      else if (matchMedia("(min-width: 700px)").matches) form.elements.opening.focus({ preventScroll: true });
    },
  };
}
