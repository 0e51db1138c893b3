// What this browser keeps: choices, and the poems that were written here. Nothing of it leaves the browser.

const PREFIX = "tang-";

/** A value kept under a name, or `otherwise`. */
export function stored(name, otherwise = null) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + name)) ?? otherwise;
  } catch { // a private window, or what an older page has left
    return otherwise;
  }
}

/** Keeps a value. Gives whether it is kept: a private window keeps nothing, and room is limited. */
export function store(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

const MOST = 200; // poems; those that are marked stay beyond it

/** Whether two poems are one: written of the same wishes, by the same seed. */
const same = (one, other) => one.text === other.text && one.cell === other.cell && one.title === other.title;

/** The poems written in one view, newest first. `keep` and `load` are store and stored, or a test's own. */
export class Shelf {
  constructor(view, { keep = store, load = stored } = {}) {
    this.name = `poems-${view}`;
    this.keep = keep;
    this.load = load;
    this.poems = load(this.name, []);
    this.stored = true; // whether any of them will be here after a reload
  }

  /**
   * Puts a poem in front; one that is here already moves there and keeps its star. `instead` is one that it replaces,
   * if that bears no star.
   */
  add(poem, instead = null) {
    const before = this.load(this.name, this.poems); // another tab may have written meanwhile
    const old = before.find((each) => same(each, poem));
    const rest = before.filter((each) => each !== old && (each.starred || !instead || !same(each, instead)));
    this.#set([{ ...poem, starred: old?.starred ?? false }, ...rest]);
  }

  star(poem) {
    this.#set(this.poems.map((each) => (same(each, poem) ? { ...each, starred: !each.starred } : each)));
  }

  remove(poem) {
    this.#set(this.poems.filter((each) => !same(each, poem)));
  }

  /** Removes all that bear no star. */
  clear() {
    this.#set(this.poems.filter((each) => each.starred));
  }

  #set(poems) {
    const spare = poems.filter((each) => !each.starred).slice(MOST);
    this.poems = poems.filter((each) => !spare.includes(each));
    const fit = [...this.poems];
    let done = this.keep(this.name, fit);
    while (!done && fit.some((each) => !each.starred)) { // no room: the oldest without a star goes
      fit.splice(fit.findLastIndex((each) => !each.starred), 1);
      done = this.keep(this.name, fit);
    }
    this.stored = !this.poems.length || (done && fit.length > 0);
  }
}
