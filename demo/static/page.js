// The page as a whole: language, light and dark, and which view is open. Each view is a file of its own.

import about from "./about.js";
import acrostic from "./acrostic.js";
import { addressOf, home, note, parameters } from "./address.js";
import answer from "./answer.js";
import check from "./check.js";
import compare from "./compare.js";
import { $, $$, h, page } from "./dom.js";
import { setUpFields } from "./fields.js";
import inside from "./inside.js";
import { store, stored } from "./store.js";
import { prefersTraditional, speech, t, translate } from "./words.js";
import write from "./write.js";

const PAPER = { light: "#f5f0e4", dark: "#191714" };

const language = () => speech.language.split("-")[0];

/** The languages there are; one in two scripts is one. */
const languages = () => Object.keys(page.facts.words).filter((each) => !each.includes("-"));
const following = () => languages()[(languages().indexOf(language()) + 1) % languages().length];

/** The page in a language; Chinese in the characters that this visitor reads. */
function speak(wanted) {
  const chinese = wanted === "zh" && prefersTraditional() ? "zh-Hant" : wanted;
  speech.language = [chinese, wanted, "en"].find((each) => Object.hasOwn(page.facts.words, each));
  page.root.lang = document.documentElement.lang = speech.language === "zh" ? "zh-Hans" : speech.language;
  document.title = t("title");
  translate();
  const { own_name: name, switch_here: said } = page.facts.words[following()].page; // for who reads that one
  $("[data-language]").textContent = name;
  $("[data-language]").setAttribute("aria-label", said);
  page.root.dispatchEvent(new Event("spoken"));
}

function dye(dark) {
  document.body.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  const paper = dark ? PAPER.dark : PAPER.light;
  for (const meta of document.querySelectorAll("meta[name=theme-color]")) meta.content = paper;
  page.root.dispatchEvent(new Event("dyed"));
}

const views = () => $$("[role=tab]").map((tab) => tab.dataset.tab);

function show(view, focus = false) {
  if (!views().includes(view)) view = "write";
  page.root.dataset.view = view;
  for (const tab of $$("[role=tab]")) {
    const chosen = tab.dataset.tab === view;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen && focus) tab.focus();
  }
  for (const panel of $$("[role=tabpanel]")) panel.hidden = panel.dataset.view !== view;
}

/** What a tab does: opens its view, which gets a step of its own in the browser's history. */
function turnTo(view, focus = false) {
  if (view === page.root.dataset.view) return;
  show(view, focus);
  history.pushState(null, "", addressOf(view));
}

function setUpLanguage(asked) {
  const browser = languages().find((each) => navigator.language?.toLowerCase().startsWith(each)) ?? "en";
  speak(asked ?? stored("language", browser));
  $("[data-language]").addEventListener("click", () => {
    const other = following();
    store("language", other);
    speak(other);
  });
  addEventListener("script", () => language() === "zh" && speak("zh"));
}

function setUpLight() {
  const given = document.body.classList.contains("dark") ? "dark" : "light"; // Gradio asks the system, or the address
  dye(stored("theme", given) === "dark");
  $("[data-theme]").addEventListener("click", () => {
    const dark = !document.body.classList.contains("dark");
    store("theme", dark ? "dark" : "light");
    dye(dark);
  });
}

function setUpTabs() {
  const tabs = $("[role=tablist]");
  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) turnTo(tab.dataset.tab);
  });
  tabs.addEventListener("keydown", (event) => {
    const all = views(), here = all.indexOf(page.root.dataset.view);
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    turnTo(all[(next + all.length) % all.length], true);
  });
  window.addEventListener("popstate", () => {
    show(parameters().tab);
    history.replaceState(null, "", addressOf(page.root.dataset.view)); // it may show something newer by now
  });
}

/** Called by Gradio once the page stands: `element` is the gr.HTML, `facts` what app.py tells it. */
export function mount(element, facts) {
  page.root = $(".tang", element);
  if (page.root.dataset.ready) return;
  page.facts = facts;
  page.root.append(h("p", { class: "hidden", "aria-live": "polite", "data-live": "" }));
  const asked = parameters();
  $("[data-home]").href = home();
  setUpFields();
  const looking = { inspect: (poem) => { turnTo("inside", true); opened.inside.read(poem); } };
  const goOn = (wishes) => { turnTo("write", true); opened.write.goOn(wishes); };
  const opened = {
    write: write(looking),
    compare: compare(looking),
    acrostic: acrostic(looking),
    answer: answer({ goOn }),
    check: check(),
    inside: inside(),
  };
  about();
  setUpLanguage(asked.lang);
  setUpLight();
  setUpTabs();
  show(asked.tab ?? "write");
  note(page.root.dataset.view, asked);
  page.root.dataset.ready = "yes";
  opened[page.root.dataset.view]?.open(asked);
}
