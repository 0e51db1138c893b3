// Acrostic: a name or phrase in, a poem that hides it out.

import { call } from "./api.js";
import { Sheet, linesOf, oldLines } from "./sheet.js";
import { $, address, choose, clip, excuse, seedOf, t, ui } from "./ui.js";

export default function setUp({ inspect }) {
  const form = $("[data-form=acrostic]"), word = $("[data-word=acrostic]"), under = $("[data-under=acrostic]");
  const sheet = new Sheet($("[data-sheet=acrostic]"));
  let current = null, turn = 0;

  const values = () => {
    const data = new FormData(form);
    return {
      phrase: (data.get("phrase") ?? "").trim(), cell: data.get("cell"), line_length: Number(data.get("line_length")),
      tail: data.get("tail") === "1", regulated: data.has("regulated"),
    };
  };

  const details = () => current && ($(".colophon", under).textContent = oldLines(current));

  async function compose(seed = null) {
    const asked = values(), own = ++turn;
    form.classList.add("busy");
    word.textContent = "";
    sheet.clear({ form: { 5: "五绝", 7: "七绝" }[asked.line_length] });
    try {
      const poem = await call("acrostic", [asked.phrase, asked.cell, asked.line_length, asked.tail, asked.regulated, "", "", 0.8, seed]);
      if (own !== turn) return;
      current = poem;
      const hidden = [...poem.phrase].length;
      const mark = (line, place) => (line < hidden && place === (poem.tail ? asked.line_length - 1 : 0) ? "hide" : "");
      sheet.clear(poem);
      await sheet.write(poem.text, { mark });
      if (own !== turn) return;
      sheet.sign(poem.cell);
      under.hidden = false;
      details();
      address({ tab: "acrostic", ...asked, tail: asked.tail ? "1" : "", regulated: asked.regulated ? "1" : "0", seed: poem.seed });
      $("[data-live]").textContent = linesOf(poem.text).join(" ");
    } catch (error) {
      if (own !== turn) return;
      word.textContent = excuse(error);
      current = null;
      under.hidden = true;
      sheet.clear({ hint: t("hint_acrostic") });
    } finally {
      if (own === turn) form.classList.remove("busy");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    compose();
  });
  const acts = {
    another: () => compose(),
    copy: () => clip(current.text.replaceAll("。", "。\n").trim()).then(() => (word.textContent = t("copied"))),
    link: () => clip(location.href).then(() => (word.textContent = t("link_copied"))),
    inside: () => inspect(current),
  };
  for (const element of under.querySelectorAll("[data-act]")) element.addEventListener("click", () => current && acts[element.dataset.act]());
  ui.root.addEventListener("spoken", () => details() ?? sheet.clear({ hint: t("hint_acrostic") }));
  return {
    open(parameters) {
      choose(form, parameters);
      if (parameters.phrase) compose(seedOf(parameters));
    },
  };
}
