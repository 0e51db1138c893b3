// What the browser keeps of the poems written in it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Shelf } from "../../demo/static/store.js";

/** A storage with room for so many characters. */
function storage(room = Infinity) {
  const kept = new Map();
  return {
    load: (name, otherwise) => (kept.has(name) ? JSON.parse(kept.get(name)) : otherwise),
    keep: (name, value) => {
      const text = JSON.stringify(value);
      if (text.length > room) return false;
      kept.set(name, text);
      return true;
    },
  };
}

const poem = (text) => ({ text, cell: "lstm", title: "" });
const texts = (shelf) => shelf.poems.map((each) => each.text).join("");

test("poems outlive the page, the newest first, each once", () => {
  const kept = storage(), shelf = new Shelf("write", kept);
  for (const text of "春月春") shelf.add(poem(text));
  assert.equal(texts(shelf), "春月");
  assert.equal(texts(new Shelf("write", kept)), "春月");
  assert.equal(texts(new Shelf("acrostic", kept)), "");
});

test("what another tab has written meanwhile stays", () => {
  const kept = storage(), one = new Shelf("write", kept), other = new Shelf("write", kept);
  one.add(poem("春"));
  other.add(poem("月"));
  assert.equal(texts(new Shelf("write", kept)), "月春");
});

test("a star outlives a new draft of the same poem, clearing, and too many others", () => {
  const shelf = new Shelf("write", storage());
  shelf.add(poem("春"));
  shelf.star(shelf.poems[0]);
  shelf.add(poem("春"));
  assert.ok(shelf.poems[0].starred);
  for (let number = 0; number < 300; number++) shelf.add(poem(`月${number}`));
  assert.equal(shelf.poems.length, 201);
  shelf.clear();
  assert.equal(texts(shelf), "春");
  shelf.remove(shelf.poems[0]);
  assert.equal(texts(shelf), "");
});

test("where room is short the oldest go from the storage, and none from the page", () => {
  const kept = storage(200), shelf = new Shelf("write", kept);
  for (const text of "一二三四五六七八九") shelf.add(poem(text));
  assert.equal(shelf.poems[0].text, "九");
  const saved = texts(new Shelf("write", kept));
  assert.ok(saved.startsWith("九") && saved.length < 9);
});

test("whether anything is stored is known: a private window keeps nothing", () => {
  const shelf = new Shelf("write", storage(0));
  shelf.add(poem("春"));
  assert.equal(texts(shelf), "春");
  assert.equal(shelf.stored, false);
  shelf.star(poem("春"));
  assert.equal(shelf.stored, false);
  const other = new Shelf("write", storage(90));
  for (const text of "春月") other.add(poem(text));
  assert.equal(other.stored, true);
});
