// What comes over the wire, in whatever pieces.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal, messages } from "../../demo/static/api.js";
import { ticks } from "../../demo/static/charts.js";

const read = async (body) => {
  const found = [];
  for await (const message of messages(body)) found.push(message);
  return found;
};

test("messages are read whole though they come in pieces, in the middle of a character too", async () => {
  const bytes = new Uint8Array(await new Blob(['data: {"a":"春"}\n\ndata: {"b":2}\n\n: comment\n\n']).arrayBuffer());
  const body = new Blob([bytes]).stream();
  const pieces = new (body.constructor)({
    start(controller) {
      for (const byte of bytes) controller.enqueue(new Uint8Array([byte]));
      controller.close();
    },
  });
  assert.deepEqual(await read(pieces), [{ a: "春" }, { b: 2 }]);
});

test("a stream that breaks off is lost, not broken", async () => {
  const Stream = new Blob([]).stream().constructor;
  const body = new Stream({ pull: (controller) => controller.error(new TypeError("network error")) });
  await assert.rejects(read(body), (error) => error instanceof Refusal && error.message === "lost");
});

test("ticks are round numbers within their range", () => {
  assert.deepEqual(ticks(4.2, 5.2), [4.2, 4.4, 4.6, 4.8, 5, 5.2]);
  assert.deepEqual(ticks(0, 15000, 3), [0, 5000, 10000, 15000]);
});
