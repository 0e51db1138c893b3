// Pinyin by word, by tone and by rhyme, with the page's own data.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { pinyinOf, wordsOf } from "../../demo/static/reading.js";

const data = JSON.parse(readFileSync(new URL("../../demo/static/reading/pinyin.json", import.meta.url)));
const glosses = JSON.parse(readFileSync(new URL("../../demo/static/reading/glosses.json", import.meta.url)));

/** The pinyin of a line with its tones, as the judge gives them. */
const line = (text, tones, rhymes = false) => ({ text, tones, rhymes });
const said = (...lines) => pinyinOf(lines, data).map((syllables) => syllables.join(" "));

test("a character of two tones is read by the tone that it has where it stands", () => {
  assert.deepEqual(said(line("遥看瀑布", "平平仄仄")), ["yáo kān pù bù"]);
  assert.deepEqual(said(line("看花", "仄平")), ["kàn huā"]);
  assert.deepEqual(said(line("九重城", "仄平平")), ["jiǔ chóng chéng"]);
  assert.deepEqual(said(line("重如山", "仄平平")), ["zhòng rú shān"]);
  assert.deepEqual(said(line("教人", "平平")), ["jiāo rén"]);
});

test("a word decides where it has a reading of its own", () => {
  assert.deepEqual(said(line("还乡", "平平")), ["huán xiāng"]);
  assert.deepEqual(said(line("还好", "平仄")), ["hái hǎo"]);
});

test("a rhyme word is read so that it rhymes", () => {
  const poem = [line("山气日夕佳", "平仄仄仄平"), line("众鸟高飞还", "仄仄平平平", true), line("心闲", "平平", true),
    line("看山", "平平", true)];
  assert.equal(said(...poem)[1], "zhòng niǎo gāo fēi huán");
});

test("entering tones keep their reading: the book's 仄 is not today's", () => {
  assert.deepEqual(said(line("白日得", "仄仄仄")), ["bái rì dé"]);
});

test("what is not known stays without pinyin", () => {
  assert.deepEqual(said(line("𠮷春", "？平")), [" chūn"]);
});

test("words keep within a half of a line", () => {
  assert.deepEqual(wordsOf([..."白日依山尽"], (word) => ["白日", "日依"].includes(word)), [[0, 2], [2, 1], [3, 1], [4, 1]]);
});

test("the glosses name their source, and a character of several readings has one for each", () => {
  assert.match(glosses.licence, /CC BY-SA 4\.0/);
  assert.match(glosses.长.cháng, /long/);
  assert.match(glosses.明月, /moon/);
});
