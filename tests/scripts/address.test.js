// What a link carries.

import assert from "node:assert/strict";
import { test } from "node:test";

import { query } from "../../demo/static/address.js";
import { page } from "../../demo/static/dom.js";

page.facts = { options: { write: [
  { name: "form", default: "五绝" }, { name: "regulated", default: true }, { name: "poet", default: null },
] } };

test("a link leaves out what is as by default, and says what is not, though it be nothing", () => {
  assert.equal(query("write", { form: "五绝", regulated: true, poet: "", seed: 0 }).toString(), "seed=0");
  assert.equal(query("write", { form: "", regulated: false }).toString(), "form=&regulated=0");
  assert.equal(query("check", { text: "" }).toString(), "tab=check");
});
