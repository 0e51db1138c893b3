"""One fault of a kind is put into a clean poem, and the judge finds that one, by each rhyme book."""

import random

import pytest
from famous import FAMOUS

from tang_rnn.verse import RHYME_BOOKS, admissible, check, patterns

PATTERNS = [pattern for form in ("五绝", "七绝", "五律", "七律") for pattern in patterns(form)]
# Of one tone in every book; the rhymes are of one group in every book.
LEVEL, OBLIQUE, RHYMES = "春风山花人天烟云楼", "月雨雪水鸟草客日", "阳香光堂霜床方凉芳狂羊房"
LIKE = {"a": "b", "b": "a", "A": "B", "B": "A"}
books = pytest.mark.parametrize("book", RHYME_BOOKS.values(), ids=lambda book: book.name)


def made(types, length, seed):
    """A poem without sense of these kinds of line."""
    rng = random.Random(seed)
    rhymes, lines = iter(rng.sample(RHYMES, len(RHYMES))), []
    for kind in types:
        string = rng.choice(admissible(kind, length, regular=True))
        line = "".join(rng.choice(LEVEL if tone == "平" else OBLIQUE) for tone in string)
        lines.append(line[:-1] + next(rhymes) if kind in "AB" else line)
    return lines


def found(lines, book):
    return [(v.name, v.line, v.position) for v in check("，".join(lines), book=book).violations]


def clean_poems(book):
    """Lines and their kinds: poems made up in each pattern, and famous ones that take no licence."""
    for seed, pattern in enumerate(PATTERNS):
        yield made(pattern.types, pattern.length, seed), pattern.types
    for row in FAMOUS:
        verdict = check(row["text"], book=book)
        if verdict.clean and not any("licence" in note.fields or "first_line" in note.key for note in verdict.notes):
            yield [line.text for line in verdict.lines], "".join(line.kind for line in verdict.lines)


def put(lines, number, place, char):
    """With ``char`` at a place from the end of a line."""
    line = lines[number]
    return [*lines[:number], line[:place] + char + line[len(line) + place + 1 :], *lines[number + 1 :]]


def planted(name, lines, kinds, book):
    """The poem with a fault of this name, and that fault; None where this poem has no room for it."""
    length, last = len(lines[0]), len(lines) - 1
    lines_of = {kind: max((i for i, each in enumerate(kinds) if each == kind and i), default=0) for kind in "abAB"}
    if name == "出律":  # the second character from the front, of a line with neighbours on both sides
        return put(lines, 1, -4, "月" if kinds[1] == "B" else "天"), (name, 2, length - 3)
    if name == "孤平" and (i := lines_of["B"]):
        return put(put(put(lines, i, -5, "月"), i, -3, "雨"), i, -2, "雪"), (name, i + 1, length - 3)
    if name == "三平尾" and (i := lines_of["A"]):
        return put(put(lines, i, -3, "天"), i, -2, "春"), (name, i + 1, length - 2)
    if name == "句脚":
        return put(lines, 2, -1, "猫"), (name, 3, length)
    if name == "出韵" and sum(kind in "AB" for kind in kinds) > 2:
        rhyme = set(book.readings(lines[1][-1]))
        return put(lines, last, -1, "猫" if rhyme.isdisjoint(book.readings("猫")) else "花"), (name, last + 1, length)
    if name == "重韵" and not book.is_several(lines[1][-1]):
        return put(lines, last, -1, lines[1][-1]), (name, last + 1, length)
    if name == "格式":
        return [*lines[:2], lines[2][:-1], *lines[3:]], (name, 3, None)
    return None


@books
@pytest.mark.parametrize("name", ["出律", "孤平", "三平尾", "句脚", "出韵", "重韵", "格式"])
def test_a_fault_is_found_alone(book, name):
    tried = 0
    for lines, kinds in clean_poems(book):
        if not (case := planted(name, lines, kinds, book)):
            continue
        poem, fault = case
        assert found(lines, book) == [] and found(poem, book) == [fault], check("，".join(poem), book=book)
        tried += 1
    assert tried >= 12


@books
@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_a_lost_dui_or_nian_is_found_alone(book, pattern):
    for at in range(1, len(pattern.types)):
        types = pattern.types[:at] + "".join(LIKE[kind] for kind in pattern.types[at:])
        fault = ("失对" if at % 2 else "失粘", at + 1, None)
        assert found(made(types, pattern.length, at), book) == [fault]
