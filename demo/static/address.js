// Addresses: what each view shows, so that it can be opened again and sent on.

import { page } from "./dom.js";

// Kept while another view is open.
const shown = {};

/** Gradio's and a Space's own parameters, which stay in the browser's address and never go into a link. */
export const isOwn = (name) => name.startsWith("__");

/** The query that asks for what a view shows: what is as by default stays out. */
export function query(view, values) {
  const usual = Object.fromEntries((page.facts.options[view] ?? []).map((each) => [each.name, each.default]));
  const given = Object.entries({ ...values, tab: view === "write" ? "" : view })
    .filter(([name, value]) => (value ?? "") !== (usual[name] ?? ""))
    .map(([name, value]) => [name, typeof value === "boolean" ? Number(value) : value]);
  return new URLSearchParams(given);
}

/** A link to what a view shows, for others: it carries that and nothing else. */
export function linkTo(view) {
  const url = new URL(location.href);
  url.search = query(view, shown[view]);
  url.hash = "";
  return url.href;
}

/** What of the browser's address is Gradio's and the Space's. */
const own = () => [...new URLSearchParams(location.search)].filter(([name]) => isOwn(name));

/** The browser's own address while a view is open. */
export function addressOf(view) {
  const url = new URL(linkTo(view));
  url.search = new URLSearchParams([...own(), ...url.searchParams]);
  return url.href;
}

/** The page as it is at first; a private Space opens it only with its own parameters. */
export const home = () => `?${new URLSearchParams(own())}`;

/** Notes what a view shows; if the view is open its address is the browser's too. Gives the link to it. */
export function note(view, values) {
  shown[view] = values;
  if (page.root.dataset.view === view) history.replaceState(null, "", addressOf(view));
  return linkTo(view);
}

/** What the browser's address asks for. */
export const parameters = () =>
  Object.fromEntries([...new URLSearchParams(location.search)].filter(([name]) => !isOwn(name)));

/** A seed of an address, or null. */
export const seedOf = ({ seed }) => (/^\d{1,10}$/.test(seed ?? "") ? Number(seed) : null);
