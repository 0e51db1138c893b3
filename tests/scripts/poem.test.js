// The page's scripts where they have logic of their own; run by node's own runner: npm test.

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  couplets, firstLine, inScript, linesOf, nameAmong, quoted, rhymingPlaces, typed, verdict, words,
} from "../../demo/static/poem.js";

test("a poem has lines, couplets and a first line", () => {
  const text = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。";
  assert.deepEqual(linesOf(text), ["春眠不觉晓，", "处处闻啼鸟。", "夜来风雨声，", "花落知多少。"]);
  assert.equal(couplets(text), "春眠不觉晓，处处闻啼鸟。\n夜来风雨声，花落知多少。");
  assert.equal(firstLine(text), "春眠不觉晓");
  assert.equal(firstLine(""), "");
});

test("what is pasted loses its marks, quotes and variation selectors, and nothing else", () => {
  assert.equal(typed("「春风又绿江南岸，明月何时照我还？」"), "春风又绿江南岸明月何时照我还");
  assert.equal(typed(" 春\ufe00 "), "春");
  assert.equal(typed("春\u{e0100}𫛳"), "春𫛳");
  assert.equal(typed("春眠不觉晓；处处闻啼鸟！", true), "春眠不觉晓，处处闻啼鸟。");
  assert.equal(typed("<b>*😀"), "<b>*😀"); // to be refused by name, not dropped
});

test("a colophon names pattern and rhyme only if they are kept", () => {
  const prosody = { pattern: "七律平起首句入韵", rhyme_group: "十五删" };
  const kept = verdict({ ...prosody, violations: [] });
  assert.deepEqual([kept.pattern, kept.group, kept.broken.size], ["七律平起首句入韵", "十五删", 0]);
  const off = verdict({ ...prosody, violations: ["出韵", "出韵"] });
  assert.deepEqual([off.pattern, off.group, [...off.broken]], ["七律平起首句入韵", null, [["出韵", 2]]]);
  const tones = verdict({ ...prosody, violations: ["失粘"] });
  assert.deepEqual([tones.pattern, tones.group], [null, "十五删"]);
});

test("old lines are told in the script that is shown", () => {
  const poem = { text: "会当凌绝顶，一览众山小。", lines: ["会当凌绝顶", "一览众山小"], quotes: ["一览众山小"] };
  assert.deepEqual(quoted(poem), ["一览众山小"]);
  assert.deepEqual(quoted(poem, "會當凌絕頂，一覽眾山小。"), ["一覽眾山小"]);
});

test("a poem is shown in the script asked for, if it has it", () => {
  const poem = { text: "云", title: "", poet: "李白", traditional: { text: "雲", title: "", poet: "李白" } };
  assert.equal(inScript(poem, true).text, "雲");
  assert.equal(inScript({ text: "云" }, true).text, "云");
});

test("words that are asked for are parted by single spaces, whatever was typed between them", () => {
  assert.equal(words(" 琵琶、 「明月」；春风, "), "琵琶 明月 春风");
  assert.equal(words("琵琶"), "琵琶");
  assert.equal(words("，"), "");
});

test("rhyme words stand at the ends of even lines, and with one more than these of the first", () => {
  const quatrain = ["春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少"];
  assert.deepEqual(rhymingPlaces(quatrain, 2), ["2:5", "4:5"]);
  assert.deepEqual(rhymingPlaces(quatrain, 3), ["1:5", "2:5", "4:5"]);
  assert.deepEqual(rhymingPlaces(quatrain, 0), []);
});

test("poems that begin alike are told apart by a later line", () => {
  const one = "江边杨柳，两岸花红。楚客有情，越人无语。", other = "江边杨柳，两岸花红。楚客有声，越人无语。";
  assert.equal(nameAmong(one, [one, other]), "…楚客有情");
  assert.equal(nameAmong(other, [one, other, "江上，月明。"]), "…楚客有声");
  assert.equal(nameAmong(one, [one, one, "江上，月明。"]), "江边杨柳");
});
