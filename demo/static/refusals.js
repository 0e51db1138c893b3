import { t } from "./words.js";

// The endpoints speak English sentences; these are their patterns, and the page's own words for them.
const REFUSALS = [
  [/^busy$/, "busy"], [/^offline$/, "offline"], [/^lost$/, "lost"], [/^broken$/, "broken"],
  [/does not know '(?<char>.+?)' in .+?; close to it are (?<close>.+)$/, "unknown_close"],
  [/does not know '(?<char>.+?)' in/, "unknown"],
  [/'(?<char>.+?)' of .+ is no character the model knows/, "unknown"],
  [/does not know the poet '(?<poet>.+?)'/, "unknown_poet"],
  [/is too long: (?<count>\d+) characters, at most (?<most>\d+)/, "too_long"],
  [/is too long: (?<form>\S+) has (?<most>\d+)/, "too_long_for"],
  [/no tonal pattern of (?<form>\S+) admits '(?<chars>.+?)'/, "no_pattern"],
  [/^'(?<char>.)' ends line (?<line>\d+) but does not rhyme/, "no_rhyme"],
  [/'(?<char>.)' would be a rhyme word twice/, "rhyme_twice"],
  [/^no rhyme group '(?<rhyme>.+?)'/, "unknown_rhyme"],
  [/^(?<name>\S+) must be one of (?<known>.+)$/, "one_of"],
  [
    /^(?<name>\S+) must be a (?:whole )?number between (?<least>\S+) and (?<most>[^\s,]+)(?:, not .*)?$/,
    "number_between",
  ],
  [/cannot begin with/, "begins_with_mark"],
  [/'(?<char>.+?)' is not a Chinese character/, "not_chinese"],
  [/there is no poem/, "no_poem"],
  [/there is nothing to hide/, "nothing_to_hide"],
];
function translated(message, patterns) {
  for (const [pattern, key] of patterns) {
    const found = pattern.exec(message);
    if (found) return t(key, found.groups);
  }
  return null;
}

/** A refusal in the page's language. */
export const refused = (message) => translated(message, REFUSALS) ?? t("refused", { message });
