// The page as a whole: language, light and dark, and which view is open. Each view is a file of its own.

import about from "./about.js";
import acrostic from "./acrostic.js";
import check from "./check.js";
import compare from "./compare.js";
import { h } from "./dom.js";
import inside from "./inside.js";
import { $, $$, address, addressOf, controls, t, translate, ui } from "./ui.js";
import write from "./write.js";

const stored = (name) => { try { return localStorage.getItem(`tang-${name}`); } catch { return null; } };
const store = (name, value) => { try { localStorage.setItem(`tang-${name}`, value); } catch { /* a private window */ } };

function speak(wanted) {
  ui.language = Object.hasOwn(ui.words, wanted) ? wanted : "en";
  ui.root.lang = document.documentElement.lang = ui.language === "zh" ? "zh-Hans" : "en";
  document.title = t("title");
  translate();
  ui.root.dispatchEvent(new Event("spoken"));
}

function dye(dark) {
  document.body.classList.toggle("dark", dark);
  document.documentElement.style.colorScheme = dark ? "dark" : "light";
  ui.root.dispatchEvent(new Event("dyed"));
}

const views = () => $$("[role=tab]").map((tab) => tab.dataset.tab);

function show(view, focus = false) {
  if (!views().includes(view)) view = "write";
  ui.root.dataset.view = view;
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
  if (view === ui.root.dataset.view) return;
  show(view, focus);
  history.pushState(null, "", addressOf(view));
}

function switches(parameters) {
  const browser = navigator.language?.toLowerCase().startsWith("zh") ? "zh" : "en";
  speak(parameters.lang ?? stored("language") ?? browser);
  $("[data-language]").addEventListener("click", () => {
    const other = ui.language === "zh" ? "en" : "zh";
    store("language", other);
    speak(other);
  });
  dye(stored("theme") ? stored("theme") === "dark" : document.body.classList.contains("dark"));
  $("[data-theme]").addEventListener("click", () => {
    const dark = !document.body.classList.contains("dark");
    store("theme", dark ? "dark" : "light");
    dye(dark);
  });
  const tabs = $("[role=tablist]");
  tabs.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) turnTo(tab.dataset.tab);
  });
  tabs.addEventListener("keydown", (event) => {
    const all = views(), here = all.indexOf(ui.root.dataset.view);
    const next = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    turnTo(all[(next + all.length) % all.length], true);
  });
  window.addEventListener("popstate", () => {
    show(new URLSearchParams(location.search).get("tab"));
    history.replaceState(null, "", addressOf(ui.root.dataset.view)); // it may show something newer by now
  });
}

/** Called by Gradio once the page stands: `element` is the gr.HTML, `facts` what app.py tells it. */
export function mount(element, facts) {
  ui.root = $(".tang", element);
  if (ui.root.dataset.ready) return;
  ui.facts = facts;
  ui.words = window.gradio_config?.i18n_translations ?? {};
  ui.root.append(h("p", { class: "hidden", "aria-live": "polite", "data-live": "" }));
  const parameters = Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => !name.startsWith("__")));
  controls();
  const looking = { inspect: (poem) => { turnTo("inside", true); opened.inside.read(poem); } };
  const opened = { write: write(looking), compare: compare(looking), acrostic: acrostic(looking), check: check(), inside: inside() };
  about();
  switches(parameters);
  show(parameters.tab ?? "write");
  address(ui.root.dataset.view, parameters);
  ui.root.dataset.ready = "yes";
  opened[ui.root.dataset.view]?.open(parameters);
}
