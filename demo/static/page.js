// The page: language, light and dark, views, and what each view asks of the endpoints in demo/app.py.

import { Refusal, call } from "./api.js";
import { h } from "./dom.js";
import { Sheet, linesOf, picture } from "./sheet.js";

const SUGGESTED = [..."春月山秋江雪花夜风云酒梦"];
const FORMS = ["五绝", "七绝", "五律", "七律", "五古", "七古", ""];
const CELLS = ["lstm", "gru", "rnn"];
const ICONS = { die: "⚂" };

let root, facts, language, words;

const $ = (selector, inside = root) => inside.querySelector(selector);
const $$ = (selector, inside = root) => [...inside.querySelectorAll(selector)];

/** The page's word for a key, with {names} filled in. */
export const t = (key, values = {}) =>
  (words[language]?.[key] ?? words.en[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

/** What went wrong, in the page's language; the endpoints speak English. */
function excuse(error) {
  if (!(error instanceof Refusal)) console.error(error);
  const message = error instanceof Refusal ? error.message : "broken";
  for (const [pattern, key] of [
    [/^(busy|offline|broken)$/, message],
    [/does not know '(?<char>.+?)' in .+?; close to it are (?<close>.+)$/, "unknown_close"],
    [/does not know '(?<char>.+?)' in/, "unknown"],
    [/does not know the poet '(?<poet>.+?)'/, "unknown_poet"],
    [/is too long: (?<count>\d+) characters, at most (?<most>\d+)/, "too_long"],
    [/no tonal pattern of (?<form>\S+) admits '(?<chars>.+?)'/, "no_pattern"],
    [/^'(?<char>.)' ends line (?<line>\d+) but does not rhyme/, "no_rhyme"],
    [/'(?<char>.)' would be a rhyme word twice/, "rhyme_twice"],
    [/cannot begin with/, "begins_with_mark"],
    [/'(?<char>.+?)' is not a Chinese character/, "not_chinese"],
    [/there is no poem to judge/, "nothing_to_check"],
  ]) {
    const found = pattern.exec(message);
    if (found) return t(key, found.groups);
  }
  return language === "zh" ? t("refused", { message }) : message;
}

// -- language, light and dark, views ----------------------------------------------------------------------------------

const stored = (name) => { try { return localStorage.getItem(`tang-${name}`); } catch { return null; } };
const store = (name, value) => { try { localStorage.setItem(`tang-${name}`, value); } catch { /* a private window */ } };

function speak(wanted) {
  language = wanted in words ? wanted : "en";
  root.lang = language === "zh" ? "zh-Hans" : "en";
  document.documentElement.lang = root.lang;
  document.title = t("title");
  for (const element of $$("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of $$("[data-t-label]")) element.setAttribute("aria-label", t(element.dataset.tLabel));
  for (const element of $$("[data-t-placeholder]")) element.placeholder = t(element.dataset.tPlaceholder);
  $("[data-language]").textContent = t("other_language");
  root.dispatchEvent(new Event("spoken"));
}

function dye(dark) {
  document.body.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
}

const views = () => $$("[role=tab]").map((tab) => tab.dataset.tab);

function show(view, focus = false) {
  if (!views().includes(view)) view = "write";
  root.dataset.view = view;
  for (const tab of $$("[role=tab]")) {
    const chosen = tab.dataset.tab === view;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  for (const panel of $$("[role=tabpanel]")) panel.hidden = panel.dataset.view !== view;
  root.dispatchEvent(new CustomEvent("shown", { detail: view }));
}

/** Puts what is shown into the address, so that it can be shared. */
function address(values) {
  const url = new URL(location.href);
  const kept = [...url.searchParams].filter(([name]) => name.startsWith("__"));
  url.search = new URLSearchParams([...kept, ...Object.entries(values).filter(([, value]) => value !== "" && value !== null && value !== undefined)]);
  history.replaceState(null, "", url);
  return url.href;
}

// -- controls ---------------------------------------------------------------------------------------------------------

function radios(name, values, label, chosen) {
  for (const box of $$(`[data-radios="${name}"]`)) {
    const group = `${box.closest("form").dataset.form}-${name}`;
    for (const value of values) {
      const input = h("input", { type: "radio", name, value, checked: value === chosen, "data-group": group });
      box.append(h("label", { class: "chip" }, input, h("span", label(value))));
    }
  }
}

const chinese = { "data-lang": "zh" };

function controls() {
  radios("form", FORMS, (form) => (form ? { ...{ "data-form-name": form }, lang: "zh-Hans" } : { "data-t": "form_free" }), "五绝");
  for (const span of $$("[data-form-name]")) span.textContent = span.dataset.formName;
  radios("cell", CELLS, (cell) => ({ "data-cell-name": cell }), "lstm");
  for (const span of $$("[data-cell-name]")) span.textContent = span.dataset.cellName.toUpperCase();
  for (const select of $$("[data-rhymes]")) {
    select.append(h("option", { value: "", "data-t": "rhyme_any" }), ...facts.rhymes.map((name) => h("option", { value: name }, name)));
  }
  for (const select of $$("[data-poets]")) {
    select.append(h("option", { value: "", "data-t": "poet_none" }), ...facts.poets.map((name) => h("option", { value: name }, name)));
  }
  for (const slider of $$("input[name=temperature]")) {
    slider.addEventListener("input", () => (slider.nextElementSibling.value = slider.value));
  }
}

/** The choices of a form, as the endpoints take them. */
function choices(form) {
  const data = new FormData(form);
  return {
    opening: (data.get("opening") ?? "").trim(),
    cell: data.get("cell") ?? "lstm",
    form: data.get("form") ?? "五绝",
    regulated: data.has("regulated"),
    rhyme: data.get("rhyme") ?? "",
    poet: data.get("poet") ?? "",
    title: (data.get("title") ?? "").trim(),
    temperature: Number(data.get("temperature") ?? 0.8),
  };
}

function choose(form, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = form.elements[name];
    if (!field) continue;
    if (field.type === "checkbox") field.checked = value === true || value === "1";
    else field.value = value;
    if (name === "temperature") field.nextElementSibling.value = field.value;
  }
}

const ORDER = ["opening", "cell", "form", "regulated", "rhyme", "poet", "title", "temperature", "seed"];

// -- write ------------------------------------------------------------------------------------------------------------

function writeView() {
  const form = $("[data-form=write]"), word = $("[data-word=write]"), under = $("[data-under]");
  const sheet = new Sheet($("[data-sheet=write]"));
  const drafts = [];
  let current = null, traditional = false, asked = 0;

  const hint = () => current || sheet.clear({ hint: t("hint") });
  const shape = () => {
    const values = choices(form);
    const fixed = values.form !== "";
    $("[data-needs=rhyme]", form).toggleAttribute("data-off", !fixed);
    form.elements.rhyme.disabled = !fixed;
    form.elements.regulated.disabled = !["五绝", "七绝", "五律", "七律"].includes(values.form);
    const opening = form.elements.opening.value;
    form.elements.opening.parentElement.style.setProperty("--count", Math.max(1, Math.min([...opening].length, 8)));
  };

  const link = (poem) => {
    const { seed, ...rest } = poem.asked;
    return address({ ...rest, regulated: rest.regulated ? "1" : "0", seed: poem.seed, script: traditional ? "t" : "" });
  };

  const buttons = () => {
    $("[data-act=script]", under).textContent = t(traditional ? "simplified" : "traditional");
    if (!current) return;
    const { asked: told, prosody } = current;
    $("[data-colophon]").textContent = [
      prosody.pattern ?? current.form,
      prosody.rhyme_group && t("rhymes_in", { group: prosody.rhyme_group }),
      told.cell.toUpperCase(),
      t("seed_is", { seed: current.seed }),
      t("likelihood_is", { value: current.per_character.toFixed(2) }),
    ].filter(Boolean).join(" · ");
    $("[data-drafts]").replaceChildren(...(drafts.length < 2 ? [] : drafts.map((poem, index) =>
      h("button", { "aria-pressed": poem === current, title: poem.text, onclick: () => finish(poem, true) }, t("draft", { number: index + 1 })))));
  };

  const finish = async (poem, at_once = false) => {
    current = poem;
    const text = traditional ? poem.traditional : poem.text;
    if (at_once) sheet.clear({ form: poem.form, title: poem.title, poet: poem.poet && t("after", { poet: poem.poet }) });
    await sheet.write(text, { at_once });
    if (current !== poem) return;
    sheet.sign(poem.cell);
    under.hidden = false;
    buttons();
    link(poem);
    root.poem = poem; // what the other views begin with
  };

  const compose = async (seed = null, again = null) => {
    const values = again ?? choices(form), turn = ++asked;
    form.classList.add("busy");
    word.textContent = "";
    sheet.clear({ form: values.form, title: values.title, poet: values.poet && t("after", { poet: values.poet }) });
    try {
      const args = { ...values, seed };
      const poem = await call("write", ORDER.map((name) => args[name]), (piece) => {
        if (turn === asked && !traditional) sheet.write(piece.text);
      });
      if (turn !== asked) return;
      poem.asked = values;
      if (!drafts.some((draft) => draft.seed === poem.seed && draft.text === poem.text)) drafts.push(poem);
      if (drafts.length > 9) drafts.shift();
      await finish(poem);
      if (turn === asked) word.textContent = "";
      $("[data-live]").textContent = linesOf(traditional ? poem.traditional : poem.text).join(" ");
    } catch (error) {
      if (turn !== asked) return;
      word.textContent = excuse(error);
      if (current) finish(current, true);
      else sheet.clear({ hint: t("hint") });
    } finally {
      if (turn === asked) form.classList.remove("busy");
    }
  };

  const suggestions = $("[data-suggestions]");
  const begin = (char) => {
    form.elements.opening.value = char;
    shape();
    drafts.length = 0;
    compose();
  };
  for (const char of SUGGESTED) suggestions.append(h("button", { type: "button", lang: "zh-Hans", onclick: () => begin(char) }, char));
  suggestions.append(h("button", {
    type: "button", class: "die", "data-t-label": "die", "data-die": "", onclick: () => begin(DICE[Math.floor(Math.random() * DICE.length)]),
  }, ICONS.die));

  form.addEventListener("input", shape);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    drafts.length = 0;
    compose();
  });
  const acts = {
    another: () => compose(null, current.asked),
    again: async () => {
      const poem = current;
      sheet.clear({ form: poem.form, title: poem.title, poet: poem.poet && t("after", { poet: poem.poet }) });
      finish(poem);
    },
    script: () => {
      traditional = !traditional;
      sheet.replace(traditional ? current.traditional : current.text);
      buttons();
      link(current);
    },
    copy: () => clip(setText(traditional ? current.traditional : current.text), t("copied")),
    link: () => clip(link(current), t("link_copied")),
    picture: async () => {
      const text = traditional ? current.traditional : current.text;
      const poet = current.poet && t("after", { poet: current.poet });
      const blob = await picture({ text, title: current.title, poet, cell: current.cell, dark: document.body.classList.contains("dark") });
      const url = URL.createObjectURL(blob);
      h("a", { href: url, download: `${linesOf(text)[0].replace(/[，。]/g, "")}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      word.textContent = t("saved");
    },
    inside: () => {
      root.dispatchEvent(new CustomEvent("inspect", { detail: current }));
      show("inside", true);
    },
  };
  const clip = async (text, done) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // not a secure page: the old way
      const area = h("textarea", { class: "hidden" }, text);
      root.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    word.textContent = done;
  };
  for (const button of $$("[data-act]", under)) button.addEventListener("click", () => current && acts[button.dataset.act]());
  root.addEventListener("spoken", () => { hint(); buttons(); });

  shape();
  return {
    /** A link was opened: the same choices, the same seed. */
    open(parameters) {
      choose(form, parameters);
      traditional = parameters.script === "t";
      shape();
      if (/^\d+$/.test(parameters.seed ?? "")) compose(Number(parameters.seed));
      else if (parameters.opening) compose();
    },
  };
}

// Characters that open many Tang poems.
const DICE = [..."春月山秋江雪花夜风云酒梦白青红高远清寒明落日水天大千万一独闲老旧故归行去来南东西北长玉金"];

/** A couplet a line. */
const setText = (text) => text.replaceAll("。", "。\n").trim();

// -- the whole --------------------------------------------------------------------------------------------------------

export function mount(element, given) {
  root = $(".tang", element);
  if (root.dataset.mounted) return;
  root.dataset.mounted = "yes";
  facts = given;
  words = window.gradio_config?.i18n_translations ?? {};
  const parameters = Object.fromEntries(new URLSearchParams(location.search));

  controls();
  root.append(h("p", { class: "hidden", "aria-live": "polite", "data-live": "" }));
  const write = writeView();
  const own = stored("theme");
  if (own) dye(own === "dark");
  $("[data-theme]").addEventListener("click", () => {
    const dark = !document.body.classList.contains("dark");
    dye(dark);
    store("theme", dark ? "dark" : "light");
  });
  $("[data-language]").addEventListener("click", () => {
    store("language", language === "zh" ? "en" : "zh");
    speak(language === "zh" ? "en" : "zh");
  });
  const tabs = $("[role=tablist]");
  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) show(tab.dataset.tab);
  });
  tabs.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const all = views();
    show(all[(all.indexOf(root.dataset.view) + move + all.length) % all.length], true);
  });
  speak(parameters.lang ?? stored("language") ?? (navigator.language?.toLowerCase().startsWith("zh") ? "zh" : "en"));
  show(parameters.tab ?? "write");
  root.dataset.ready = "yes";
  if (parameters.opening !== undefined || parameters.seed !== undefined) write.open(parameters);
  else if (matchMedia("(min-width: 700px)").matches) $("[name=opening]").focus({ preventScroll: true });
}
