// How a poem is read: the pinyin of its characters, and its words. Nothing here touches the page.

const LEVEL = /[āáēéīíōóūúǖǘ]/;
const LONGEST = 4; // characters of a word

/** A syllable's final without tone and medial, so that syllables that rhyme have the same: huán an, hái ai. */
function rhymeOf(syllable) {
  const toneless = syllable.normalize("NFD").replace(/[\u0300\u0301\u0304\u030c]/g, "").normalize("NFC");
  const plain = toneless.replace(/^[bcdfghjklmnpqrstwxyz]+/, "");
  const whole = { ui: "ei", iu: "ou", un: "en", in: "en", ing: "eng", ong: "eng" };
  return whole[plain] ?? plain.replace(/^[iu\u00fc](?=[aeo])/, "");
}

/** The words of a line by a list: where each begins, and how long it is; a word keeps within a half of the line. */
export function wordsOf(characters, isWord) {
  const halves = { 5: [2, 5], 7: [2, 4, 7] }[characters.length] ?? [characters.length];
  const found = [];
  for (let at = 0; at < characters.length;) {
    const end = Math.min(halves.find((half) => half > at), at + LONGEST);
    let length = end - at;
    while (length > 1 && !isWord(characters.slice(at, at + length).join(""))) length--;
    found.push([at, length]);
    at += length;
  }
  return found;
}

/** A line's pinyin: by its words, and where the rhyme book knows a character in both tones, by the one it has here. */
function spell(characters, tones, { characters: known, words, both }) {
  const said = characters.map((char) => known[char]?.split(" ")[0] ?? "");
  for (const [at, length] of wordsOf(characters, (word) => word in words)) {
    const word = words[characters.slice(at, at + length).join("")];
    if (word) said.splice(at, length, ...word.split(" "));
  }
  characters.forEach((char, index) => {
    const tone = tones[index];
    if (!both.includes(char) || !"平仄".includes(tone)) return;
    const fits = (each) => LEVEL.test(each) === (tone === "平");
    if (!fits(said[index])) said[index] = known[char].split(" ").find(fits) ?? said[index];
  });
  return said;
}

/**
 * The pinyin of a poem's lines, a syllable for each character. `lines` are what the judge gives: text, tones, and
 * whether they rhyme; `data` is reading/pinyin.json. Of the readings of a rhyme word that one is taken that rhymes.
 */
export function pinyinOf(lines, data) {
  const said = lines.map(({ text, tones }) => spell([...text], [...tones], data));
  const ends = lines.flatMap(({ rhymes }, index) => (rhymes ? [index] : []));
  const finals = ends.map((index) => rhymeOf(said[index].at(-1)));
  const count = (final) => finals.filter((each) => each === final).length;
  ends.forEach((index) => {
    const line = said[index], last = [...lines[index].text].at(-1), own = rhymeOf(line.at(-1));
    const level = LEVEL.test(line.at(-1));
    const better = (data.characters[last] ?? "").split(" ")
      .find((each) => LEVEL.test(each) === level && count(rhymeOf(each)) > count(own));
    if (better && count(own) < 2) line[line.length - 1] = better;
  });
  return said;
}
