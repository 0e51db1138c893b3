"""What a teacher points out beside faults: licences taken and how they were saved, repeated characters, near rhymes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

from .patterns import licences
from .rhymes import EITHER, OBLIQUE, RHYME_BOOKS, RhymeBook
from .verdict import Line, Note

#: The measure of parallelism below which a couplet hardly answers itself, and how many of 100 couplets in that place
#: pass: of the 1,150 middle ones of the corpus's test split 92, of the same lines paired by chance 16.
PARALLEL, PARALLEL_SHARE = -0.2, 92


def licences_taken(lines: Sequence[str], kinds: str, wanted: Sequence[str]) -> list[Note]:
    """拗 and, where another character saves it, 救: a note for each line that no plain formula gives."""
    notes = []
    for i, (line, string) in enumerate(zip(lines, wanted)):
        if not (licence := licences(len(line)).get(string)):
            continue
        fields = {"licence": licence, "tones": string}
        if licence == "大拗":
            fields |= {"char": line[-2], "saved": lines[i + 1][-3], "by": i + 2}
        elif licence == "孤平拗救":
            fields |= {"char": line[-5], "saved": line[-3], "by": i + 1}
        elif licence == "半拗" and i + 1 < len(lines) and wanted[i + 1][-3] == "平" and kinds[i + 1] == "B":
            fields |= {"char": line[-3], "saved": lines[i + 1][-3], "by": i + 2}
        notes.append(Note("licence_saved" if "saved" in fields else "licence", fields, i + 1))
    return notes


def of_teachers(lines: Sequence[Line], wanted: Sequence[str], group: str | None, book: RhymeBook) -> list[Note]:
    """Notes on a regulated poem, whose lines are read as the tone strings ``wanted``; in the order of their weight."""
    return [
        *wide_lone_level(lines),
        *near_rhymes(lines, group, book),
        *same_ends(lines, book),
        *repeated(lines, book),
        *unusual_words(lines, wanted, book),
        *hardly_parallel([line.text for line in lines]),
    ]


def wide_lone_level(lines: Sequence[Line]) -> list[Note]:
    """孤平 by the wider definition (启功): in a rhyming line any 平 between two 仄 that no neighbour makes a pair.

    By 王力 only line B has it, and there it is a fault; of A, seven characters long, the wide one says it too.
    """
    notes = []
    for number, line in enumerate(lines, 1):
        if line.kind == "A" and len(line.text) == 7 and line.tones[0] == line.tones[2] == OBLIQUE != line.tones[1]:
            notes.append(Note("wide_lone_level", {"char": line.text[1]}, number))
    return notes


def _families(char: str, book: RhymeBook) -> set[str]:
    """The groups of a character without regard to tone, by 词林正韵 for 平水韵."""
    wide = book if book.words_decide else RHYME_BOOKS["词林正韵"]
    return {name.removesuffix("仄声") for name in wide.readings(char)}


def near_rhymes(lines: Sequence[Line], group: str | None, book: RhymeBook) -> list[Note]:
    """撞韵: a line that does not rhyme ends in the rhyme's sound, in another tone."""
    ends = [_families(line.text[-1], book) for line in lines if line.rhymes]
    rhyme = set.intersection(*ends) if ends and group else set()
    found = [
        (number, line.text[-1])
        for number, line in enumerate(lines, 1)
        if not line.rhymes and (families := _families(line.text[-1], book)) and families <= rhyme
    ]
    return [Note("near_rhyme", {"char": char, "group": group}, number) for number, char in found]


def same_ends(lines: Sequence[Line], book: RhymeBook) -> list[Note]:
    """上尾: the lines that do not rhyme end in one and the same of 上 去 入, couplet after couplet."""
    ends = [(number, line.text[-1]) for number, line in enumerate(lines, 1) if not line.rhymes]
    sections = []
    for _, char in ends:
        found = {book.groups[name].section for name in book.readings(char) if not book.groups[name].level}
        sections.append(next(iter(found)) if len(found) == 1 else "")
    if len(ends) >= 3 and len(set(sections)) == 1 and sections[0] in ("上声", "去声", "入声"):
        return [Note("same_ends", {"chars": "".join(char for _, char in ends), "section": sections[0]})]
    return []


def repeated(lines: Sequence[Line], book: RhymeBook) -> list[Note]:
    """重字: characters that come again, but for doublings (萧萧) and those that may stand for two."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(char for i, char in enumerate(line.text) if line.text[i - 1 : i] != char)
    again = [char for char, count in counts.items() if count > 1]
    keys = (("repeated", False), ("several", True))
    found = [(key, "".join(char for char in again if book.is_several(char) == several)) for key, several in keys]
    return [Note(key, {"chars": chars}) for key, chars in found if chars]


def unusual_words(lines: Sequence[Line], wanted: Sequence[str], book: RhymeBook) -> list[Note]:
    """Words whose character is asked for in a tone in which poets never read it there (相思 with 思 in 仄)."""
    notes = []
    for number, (line, string) in enumerate(zip(lines, wanted), 1):
        for place, word, tone in book.usual(line.text):
            asked = line.expected[place - 1]
            if line.tones[place - 1] == EITHER and asked not in (EITHER, tone) and string[place - 1] != tone:
                fields = {"char": line.text[place - 1], "word": word, "tone": tone, "wanted": asked}
                notes.append(Note("unusual_word", fields, number))
    return notes


def hardly_parallel(lines: Sequence[str]) -> list[Note]:
    """对仗: the middle couplets of 律诗 whose characters hardly answer those in their places.

    The measure knows which characters stand opposite each other in real couplets, no grammar: a note, never a fault.
    """
    if len(lines) != 8:
        return []
    from .associations import associations  # here, since the judge itself is of the standard library alone

    tables, first = associations(), (2, 4)
    (numbers,) = tables.indices([_simplifier().convert("\n".join(lines)).split("\n")])
    scores = tables.answering(numbers[list(first)], numbers[[line + 1 for line in first]])
    fields = (
        {"couplet": line // 2 + 1, "first": line + 1, "second": line + 2, "share": PARALLEL_SHARE} for line in first
    )
    return [
        Note("hardly_parallel", each, each["second"])
        for each, score in zip(fields, scores, strict=True)
        if score < PARALLEL
    ]


@cache
def _simplifier():
    from opencc import OpenCC  # as above

    return OpenCC("t2s")


__all__ = ["PARALLEL", "PARALLEL_SHARE", "hardly_parallel", "licences_taken", "of_teachers"]
