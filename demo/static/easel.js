// The sheet of Write and of Acrostic: it asks for poems, shows them as they come, keeps the last few, and does with them
// what the buttons below it say.

import { call } from "./api.js";
import { h } from "./dom.js";
import { Sheet, linesOf, oldLines, picture } from "./sheet.js";
import { $, address, clip, decimal, excuse, t, ui } from "./ui.js";

const ACTS = [["another"], ["again", "script"], ["copy", "picture", "link"], ["look_inside"]];

/** A couplet a line. */
const couplets = (text) => text.replaceAll("。", "。\n").trim();
export const after = (poet) => (poet ? `拟${poet}` : "");

/**
 * Of a view and endpoint of one name. `order` names the endpoint's arguments, `chosen` gives them as the desk stands,
 * `rule` the form of the sheet while a poem is waited for, `mark` a class for some of a poem's characters.
 */
export function easel(view, { order, chosen, rule, mark = () => undefined, hint, inspect }) {
  const form = $(`[data-form=${view}]`), word = $(`[data-word=${view}]`), under = $(`[data-under=${view}]`);
  const sheet = new Sheet($(`[data-sheet=${view}]`), { hint });
  let drafts = [], current = null, traditional = false, calls = 0, calling = null;

  const colophon = h("p", { class: "colophon" });
  const choice = h("div", { class: "drafts", role: "group", "data-t-label": "drafts" });
  const button = (act) => h("button", { type: "button", "data-act": act, "data-t": act, onclick: () => { word.textContent = ""; acts[act](); } });
  under.append(colophon, choice, h("div", { class: "acts" }, ACTS.map((group) => h("span", {}, group.map(button)))));

  /** Text, title and poet in the script that is chosen; while a poem is still coming there is only the simplified. */
  const inScript = (poem) => {
    const { text, title = "", poet = "" } = (traditional && poem.traditional) || poem;
    return { text, title, poet: poet && (traditional && poem.traditional ? `擬${poet}` : after(poet)) };
  };
  const fresh = (poem, form = poem.form) => sheet.clear({ form, ...inScript(poem) });
  const link = (poem) => address(view, { ...poem.asked, seed: poem.seed, script: traditional ? "t" : "" });

  const details = () => {
    if (!current) return;
    $("[data-act=script]", under).textContent = t(traditional ? "simplified" : "script");
    const { prosody, seed, per_character } = current;
    colophon.textContent = [
      prosody.pattern ?? current.form,
      prosody.rhyme_group && t("rhymes_in", { group: prosody.rhyme_group }),
      current.cell.toUpperCase(), t("seed_is", { seed }), t("likelihood_is", { value: decimal(per_character) }),
      oldLines(current, inScript(current).text),
    ].filter(Boolean).join(" · ");
    const focused = choice.contains(document.activeElement);
    choice.replaceChildren(...drafts.map((poem, index) => h("button", {
      type: "button", "aria-pressed": String(poem === current), onclick: () => { word.textContent = ""; present(poem, true); },
    }, t("draft", { number: index + 1 }))));
    choice.hidden = drafts.length < 2;
    if (focused) $("[aria-pressed=true]", choice)?.focus();
  };

  async function present(poem, at_once = false) {
    current = poem;
    if (at_once || traditional || !sheet.written.length) fresh(poem);
    if (!await sheet.finish({ ...poem, ...inScript(poem) }, { mark: mark(poem), at_once })) return;
    under.hidden = false;
    details();
    link(poem);
    $("[data-live]").textContent = linesOf(inScript(poem).text).join(" ");
  }

  async function compose(seed = null, values = chosen(), earlier = []) {
    const own = ++calls, args = { ...values, seed };
    calling?.abort(); // whoever asks anew gives up the place of the call before
    calling = new AbortController();
    form.classList.add("busy");
    word.textContent = "";
    fresh(values, rule(values));
    sheet.reveal();
    const waiting = sheet.turn; // another, once an earlier poem has been called back onto the sheet
    try {
      const poem = await call(view, order.map((name) => args[name]), (piece) => {
        if (waiting === sheet.turn && !traditional) sheet.write(piece.text);
      }, calling.signal);
      if (own !== calls) return;
      poem.asked = values;
      drafts = [...earlier.filter((draft) => draft.seed !== poem.seed), poem].slice(-9);
      if (waiting === sheet.turn) present(poem);
      else details();
    } catch (error) {
      if (own !== calls) return;
      word.textContent = excuse(error);
      if (waiting !== sheet.turn) return;
      if (current) present(current, true);
      else sheet.clear({ hint });
    } finally {
      if (own === calls) form.classList.remove("busy");
    }
  }

  const acts = {
    another: () => compose(null, current.asked, drafts),
    again: () => { sheet.clear(); present(current); },
    script: () => {
      traditional = !traditional;
      sheet.replace(inScript(current));
      details();
      link(current);
    },
    copy: () => clip(couplets(inScript(current).text)).then(() => (word.textContent = t("copied"))),
    link: () => clip(link(current)).then(() => (word.textContent = t("link_copied"))),
    picture: async () => {
      const poem = inScript(current), { text } = poem;
      const blob = await picture({ ...poem, cell: current.cell, dark: document.body.classList.contains("dark") });
      const url = URL.createObjectURL(blob);
      h("a", { href: url, download: `${linesOf(text)[0].replace(/[，。]/g, "")}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      word.textContent = t("saved");
    },
    look_inside: () => inspect(current),
  };
  ui.root.addEventListener("spoken", details);

  return {
    compose,
    /** What an address asks for, with a word on what could not be taken over into the desk. */
    open({ script }, seed, said) {
      traditional = script === "t";
      compose(seed);
      word.textContent = said;
    },
  };
}
