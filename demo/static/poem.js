// A poem as text: its lines, what is kept of the rules, what was typed. Nothing here touches the page.

const MARK = /[，。]/;
// The old signs of metrics: a circle is level, a dot oblique, a half either.
export const SIGNS = { 平: "○", 仄: "●", 中: "◐", "？": "？" };
const RHYME_FAULTS = ["出韵", "重韵"];
// Quotation marks, brackets, spaces, other punctuation and what chooses a glyph's variant: pasted with a poem, no part
// of it. The bare marks of verse are kept where the form does not set its own.
const PASTED = /[\s"'“”‘’「」『』《》〈〉（）()【】〔〕[\]·—…~～\u200b\ufeff]|\p{Variation_Selector}|\p{Join_Control}/gu;
const PAUSES = /[、；：,;:]/g, STOPS = /[！？.!?．]/g;

export const isMark = (char) => MARK.test(char);

/** Whether a text, of an address say, can be verse. */
export const isVerse = (text = "") => /^[\p{Script=Han}，。〇]{1,400}$/u.test(text);

/** The text as lines with their marks. */
export const linesOf = (text) => text.match(/[^，。]+[，。]?|[，。]/g) ?? [];

/** A couplet a line. */
export const couplets = (text) => text.replaceAll("。", "。\n").trim();

/** The first line without its mark: what a poem is called in a list. */
export const firstLine = (text) => (linesOf(text)[0] ?? "").replace(MARK, "");

/** What a poem is called among others: by its first line, or by a later one if others begin alike. */
export function nameAmong(text, texts) {
  const alike = texts.filter((other) => other !== text && firstLine(other) === firstLine(text)).flatMap(linesOf);
  const own = alike.length ? linesOf(text).find((line) => !alike.includes(line)) : null;
  return own ? `…${own.replace(MARK, "")}` : firstLine(text);
}

/** What was typed or pasted as the beginning of a poem: without marks, or, `marked`, with those of verse alone. */
export function typed(text, marked = false) {
  const verse = text.replace(PASTED, "").replace(PAUSES, "，").replace(STOPS, "。");
  return marked ? verse : verse.replace(/[，。]/g, "");
}

/** Words that were typed or pasted with spaces or marks between them, with single spaces between. */
export const words = (text) => text.split(/[\s，。、；：,.;:]+/).map((word) => typed(word)).filter(Boolean).join(" ");

/** The characters of a form's lines, or 0 where they are free. */
export const lengthOf = (form) => ({ 五: 5, 七: 7 })[form[0]] ?? 0;

/** The lines that are not new but stand in the corpus. `text` is the poem in the script on the page. */
export function quoted(poem, text = poem.text) {
  const old = linesOf(text).filter((_, index) => poem.quotes?.includes(poem.lines[index]));
  return old.map((line) => line.replace(MARK, ""));
}

/**
 * What a poem keeps of the rules of verse: its pattern and rhyme group if it keeps them, and how often it breaks which.
 * `prosody` has pattern, rhyme_group, and the names of the violations.
 */
export function verdict({ pattern, rhyme_group, violations }) {
  const broken = new Map();
  for (const name of violations) broken.set(name, (broken.get(name) ?? 0) + 1);
  const rhymes = !RHYME_FAULTS.some((name) => broken.has(name));
  const scans = [...broken.keys()].every((name) => RHYME_FAULTS.includes(name));
  return { pattern: scans ? pattern : null, group: rhymes ? rhyme_group : null, broken };
}

/** Text, title and poet in the script asked for; while a poem is still coming there is only the simplified. */
export function inScript(poem, traditional) {
  const { text, title = "", poet = "" } = (traditional && poem.traditional) || poem;
  return { text, title, poet };
}

/** How a poem in the manner of a poet is signed. */
export const after = (poet, traditional = false) => (poet ? `${traditional ? "擬" : "拟"}${poet}` : "");

/** A poem with other characters from a place of a line on, both from 1. */
export function changed(text, line, place, characters) {
  const lines = linesOf(text).map((each) => [...each]), own = [...characters];
  lines[line - 1].splice(place - 1, own.length, ...own);
  return lines.map((each) => each.join("")).join("");
}

/** The character that stands at "line:place". */
export function charAt(text, at) {
  const [line, place] = at.split(":");
  return [...linesOf(text)[line - 1]][place - 1];
}

/** Where the first so many characters of a poem stand, as "line:place". */
export const firstPlaces = (lines, count) =>
  lines.flatMap((line, row) => [...line].map((_, column) => `${row + 1}:${column + 1}`)).slice(0, count);

/** Where so many rhyme words stand, as "line:place": with one more than even lines the first line rhymes too. */
export function rhymingPlaces(lines, count) {
  const rhymes = (row) => row % 2 || (row === 0 && count > lines.length / 2);
  return lines.flatMap((line, row) => (count && rhymes(row) ? [`${row + 1}:${[...line].length}`] : []));
}

/** What is held of a poem, as an address has it; what was `given` with the poem is held anyhow. */
export const toAddress = ({ held, kept }, given) => ({
  keep: kept.join(" "),
  hold: held.join() === given.join() ? "" : held.join(" "),
});

/** The same, read from an address. */
export function fromAddress({ keep = "", hold }) {
  const kept = keep.split(" ").map(Number).filter((line) => line > 0);
  return { kept, held: hold?.split(" ").filter((at) => /^\d+:\d+$/.test(at)) };
}
