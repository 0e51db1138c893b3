import { speech, t } from "./words.js";

// The endpoints and the judge speak English sentences; these are their patterns, and the page's own words for them.
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
  [/^(?<name>\S+) must be a (?:whole )?number between (?<least>\S+) and (?<most>[^\s,]+)(?:, not .*)?$/, "number_between"],
  [/cannot begin with/, "begins_with_mark"],
  [/'(?<char>.+?)' is not a Chinese character/, "not_chinese"],
  [/there is no poem/, "no_poem"],
  [/there is nothing to hide/, "nothing_to_hide"],
];
const JUDGEMENTS = [
  [/^(?<char>.) in line (?<line>\d+) is (?<tone>.) where (?<wanted>.) is wanted/, "fault_tone"],
  [/^(?<char>.) in line (?<line>\d+) is 仄, but the line is to rhyme/, "fault_rhyme_oblique"],
  [/^(?<char>.) in line (?<line>\d+) is 平, but a line that does not rhyme/, "fault_end_level"],
  [/^(?<char>.) in line (?<line>\d+) is a lone 平/, "fault_lone_level"],
  [/^line (?<line>\d+) ends in three 平: (?<chars>.+)/, "fault_three_level"],
  [/^(?<char>.) in line (?<line>\d+) is (?<groups>.+), not (?<group>.+)/, "fault_other_group"],
  [/^(?<char>.) rhymes in line (?<before>\d+) and again in line (?<line>\d+)/, "fault_rhyme_again"],
  [/^lines (?<before>\d+) and (?<line>\d+) should agree/, "fault_not_agree"],
  [/^lines (?<before>\d+) and (?<line>\d+) should/, "fault_not_differ"],
  [/^line (?<line>\d+) has (?<count>\d+) characters; (?<form>\S+) has (?<wanted>\d+)/, "fault_length"],
  [/^(?<form>\S+) has .*?(?<wanted>\d+).*, not (?<count>\d+)/, "fault_lines"],
  [/^line 1 rhymes in a neighbouring group \(邻韵\): (?<char>.) is (?<groups>.+), not (?<group>.+)/, "note_neighbour"],
  [/^rhymes in (?<group>\S+), as old-style/, "note_oblique_rhyme"],
  [/^so many faults may mean old-style/, "note_old_style"],
  [/^not in the table, taken to fit: (?<chars>.+)/, "note_unknown"],
  [/^rhymes: (?<groups>.+)/, "note_rhymes"],
  [/^line (?<line>\d+): (?<licence>\S+) (?<expected>[平仄中]+)/, "note_licence"],
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

/** A sentence of the judge in the page's language. */
export const judged = (message) => (speech.language !== "en" && translated(message, JUDGEMENTS)) || message;
