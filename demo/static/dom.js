// Small helpers. Text only ever enters the page as text: nothing here, or anywhere, parses HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** An HTML element: `h("p", { class: "x" }, "text", child)`. */
export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** The page's root, and what app.py has told it. */
export const page = { root: null, facts: null };

export const $ = (selector, inside = page.root) => inside.querySelector(selector);
export const $$ = (selector, inside = page.root) => [...inside.querySelectorAll(selector)];

/**
 * The part of the page that the visitor sees. Where it stands in another page's frame, as a Space does, the frame may
 * be as tall as the page, and only some of it on his screen.
 */
export const seen = () => new Promise((resolve) => {
  new IntersectionObserver(([{ intersectionRect }], observer) => {
    observer.disconnect();
    resolve(intersectionRect);
  }).observe(document.documentElement);
});

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Whether a finger is what points here. */
export const touched = () => matchMedia("(pointer: coarse)").matches;
