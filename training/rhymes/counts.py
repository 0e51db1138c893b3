"""What the tables of 平水韵 take from poems, counted: kept beside, so that the tables can be made without the poems.

``glyphs.tsv``: how often the raw poems write a character of the corpus with which glyph. ``uses.tsv``: how often poets
read a character of two tones in which, alone or as the n-th of a word of two; and so for the test split alone, by which
a test sees that the judge counts as it did.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tang_rnn.verse import EITHER, FORMS, RhymeBook, admissible, check, fits
from training.cleaning import read_variants, simplify, strip_notes

GLYPHS, USES = (Path(__file__).parent / name for name in ("glyphs.tsv", "uses.tsv"))

# Fewer uses of a character, or of a word, tell nothing.
ENOUGH_USES, ENOUGH_WORDS = 50, 10

#: By the word, or the character alone, and the place of the character in it from 1: how often it is of which tone.
Uses = dict[tuple[str, int], Counter]


def count_glyphs(poems: Iterable[dict]) -> dict[str, Counter]:
    """For each character of the simplified corpus how often the source writes it with which glyph."""
    variants, counts = read_variants(), defaultdict(Counter)
    for poem in poems:
        source = unicodedata.normalize("NFC", strip_notes("".join(poem["paragraphs"])))
        plain = simplify(source, variants)
        if len(plain) == len(source):
            for char, glyph in zip(plain, source, strict=True):
                if unicodedata.category(char) == "Lo":
                    counts[char][glyph] += 1
    return dict(counts)


def count_uses(book: RhymeBook, poems: Iterable[dict]) -> Uses:
    """How often characters of two tones are read in which, alone and by the word of two characters they stand in.

    Counted where the tone is plain: in poems that keep all the rules, at places where the line would break them if it
    were the other.
    """
    uses: Uses = defaultdict(Counter)
    for poem in poems:
        if not FORMS[poem["form"]].regulated or not (judged := check(poem["text"], poem["form"], book)).ok:
            continue
        for line in judged.lines[1:]:  # the first may rhyme or not, which leaves its end open
            strings = admissible(line.kind, len(line.text))
            if not any(all(map(fits, line.tones, string)) for string in strings):
                continue  # saved by the line after it
            for place, char in enumerate(line.text):
                if line.tones[place] != EITHER:
                    continue
                fitting = {s[place] for s in strings if all(map(fits, line.tones, s))}
                if len(fitting) == 1:
                    tone = fitting.pop()
                    uses[char, 1][tone] += 1
                    foot = min(place // 2, len(line.text) // 2 - 1)
                    first, last = 2 * foot, 2 * foot + 2 if 2 * foot + 3 < len(line.text) else len(line.text)
                    for start in (place - 1, place):
                        if first <= start and start + 2 <= last:
                            uses[line.text[start : start + 2], place - start + 1][tone] += 1
    return dict(uses)


@dataclass(frozen=True)
class Counts:
    """What was counted: glyphs by character; uses in the whole corpus, if they are enough, and in the test split."""

    glyphs: dict[str, Counter]
    uses: Uses
    test_uses: Uses

    @classmethod
    def read(cls) -> Counts:
        """From the files beside."""
        glyphs = {}
        for row in GLYPHS.read_text(encoding="utf-8").splitlines()[1:]:
            char, *pairs = row.split("\t")
            glyphs[char] = Counter({pair[0]: int(pair[1:]) for pair in pairs})
        uses, test_uses = {}, {}
        for row in USES.read_text(encoding="utf-8").splitlines()[1:]:
            word, place, *numbers = row.split("\t")
            for table, pair in ((uses, numbers[:2]), (test_uses, numbers[2:])):
                table[word, int(place)] = +Counter(dict(zip("平仄", map(int, pair), strict=True)))
        return cls(glyphs, uses, test_uses)

    def write(self) -> None:
        """The files beside, in an order that depends on nothing but the content."""
        rows = ["# character\tglyphs, each with its count"]
        for char, glyphs in sorted(self.glyphs.items()):
            pairs = sorted(glyphs.items(), key=lambda pair: (-pair[1], pair[0]))
            rows.append("\t".join((char, *(f"{glyph}{count}" for glyph, count in pairs))))
        GLYPHS.write_text("\n".join(rows) + "\n", encoding="utf-8")
        rows = ["# word\tplace\t平\t仄\t平 in the test split\t仄 in the test split"]
        for (word, place), found in sorted(self.uses.items()):
            if found.total() >= (ENOUGH_USES if len(word) == 1 else ENOUGH_WORDS):
                test = self.test_uses.get((word, place), Counter())
                rows.append("\t".join(map(str, (word, place, found["平"], found["仄"], test["平"], test["仄"]))))
        USES.write_text("\n".join(rows) + "\n", encoding="utf-8")


__all__ = ["ENOUGH_USES", "ENOUGH_WORDS", "Counts", "Uses", "count_glyphs", "count_uses"]
