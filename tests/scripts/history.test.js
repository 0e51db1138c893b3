// What has been done can be undone.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Past } from "../../demo/static/history.js";

test("undo and redo go between the states and stop at both ends", () => {
  const past = new Past(1);
  assert.equal(past.undo(), 1);
  past.add(2);
  past.add(3);
  assert.deepEqual([past.undo(), past.undo(), past.undo(), past.canUndo], [2, 1, 1, false]);
  assert.deepEqual([past.redo(), past.redo(), past.redo(), past.canRedo], [2, 3, 3, false]);
});

test("what had been undone is gone with the next step, and the eldest go in the end", () => {
  const past = new Past(1);
  past.add(2);
  past.undo();
  past.add(4);
  assert.deepEqual([past.canRedo, past.undo(), past.redo()], [false, 1, 4]);
  past.amend(5);
  assert.deepEqual([past.state, past.undo()], [5, 1]);
  for (let step = 0; step < 500; step++) past.add(step);
  assert.equal(past.states.length, 200);
  assert.equal(past.state, 499);
});
