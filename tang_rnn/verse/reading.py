"""What people paste, read: which of it is verse, which is title, author, note or number, and how many poems it is.

:func:`read` takes any text and gives each poem in it with its verse lines and with what was set aside, by name, so that
nobody wonders where it went.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from ..faults import Fault, text_of
from .dividing import (
    BRACKETED,
    LEAST,
    are_whole,
    blocks,
    is_translated,
    is_verse,
    length_of,
    mark_headings,
    sections,
    without_commentary,
)
from .headings import (
    ENDS,
    HAN,
    is_address,
    is_by,
    is_cry,
    is_form,
    is_name,
    is_of_title,
    is_spoken,
    is_title,
    label,
)
from .naming import Pasted, attribute, foot, head, name_by_form, put
from .rows import COMMENT, IS_HAN, NOTE, ONLY_HAN, POET, SIGN, TITLE, Aside, Row, pieces_of, rows_of

_PREFIX = re.compile(
    rf"^(?P<head>(?:《[^》\n]+》)?[^，。！？；,?!;\n]{{1,30}}?(?:[:：]|(?<=》)\s*|\s+))"
    rf"(?=[“\"「『]?[{HAN}]{{3,}}[，。,.、/|])(?P<rest>.+)$"
)
_PLAIN = r"[^—–―─，。！？；,.?!;\n]"
_SIGNED = re.compile(rf"(?<![—–―─\s-])\s*[—–―─-]+\s*({_PLAIN}{{1,24}}|{_PLAIN}{{0,9}}《[^》]+》)$")


def read(text: str) -> list[Pasted]:
    """The poems in a text, one or several.

    Raises:
        Fault: there is none, or a character in the midst of a verse line is no Chinese one.
    """
    signs: list[str] = []
    comments, rows = without_commentary(rows_of(text_of(text, "text"), signs))
    mark_headings(rows)
    if not any(IS_HAN.search(row.text) for row in rows):
        if stray := next((c for row in rows for c in row.text if c.isalnum()), None):
            raise Fault("not_chinese", char=stray)
        raise Fault("no_poem")
    poems: list[Pasted] = []
    for block in (block for section in sections(rows) for block in blocks(section)):
        poem = _poem(block)
        if poems and block[0].series:  # 其二 is of the title and the poet that stand above 其一
            poem.title, poem.poet = poem.title or poems[-1].title, poem.poet or poems[-1].poet
        poems.append(poem)
    if found := [poem for poem in poems if poem.lines]:
        found[0].aside[:0] = [each for poem in poems if not poem.lines for each in poem.aside]
    poems = found or [_poem(rows, everything=True)]
    for poem in poems:
        for char in "".join(poem.lines):
            if not ONLY_HAN.fullmatch(char):
                raise Fault("not_chinese", char=char)
    poems[0].aside += [Aside(SIGN, sign) for sign in dict.fromkeys(signs)]
    poems[-1].aside += comments
    if not any(poem.lines for poem in poems):
        raise Fault("no_poem")
    return poems


def _poem(rows: list[Row], everything: bool = False) -> Pasted:
    """A poem from its rows; ``everything`` takes all of them for verse."""
    length, poem = length_of(rows), Pasted([])
    marked = any(row.marked for row in rows)
    verse = [i for i, row in enumerate(rows) if everything or is_verse(row, length)]
    if not length and not marked and not everything:
        verse = [i for i, row in enumerate(rows) if row.pieces and i >= _headed(rows)]
    if marked and not rows[-1].marked and re.search("[《〈）)】]", rows[-1].text):  # （唐·李白《静夜思》）
        verse = [i for i in verse if i < len(rows) - 1] or verse
    verse = _without_title_rows(rows, verse, length, marked)
    if not (translated := bool(length) and is_translated(rows, length)):
        verse = _with_other_lengths(rows, verse, marked)
    if not marked and verse and is_title(rows[verse[0]].text) and are_whole(len(verse) - 1):
        verse = verse[1:]
    chosen = set(verse)
    for index, row in enumerate(rows):
        if index in chosen:
            poem.aside += row.aside
            poem.lines += _verse_of(row, index == verse[0], index == verse[-1], poem)
        elif verse and index < verse[0]:
            head(row, poem)
            if index == verse[0] - 1:
                name_by_form(poem)
        elif verse and index > verse[-1]:
            foot(row, poem)
            poem.aside += row.aside
        else:
            poem.aside += row.aside
            _between(row, poem, translated)
    rest = poem.lines[2:]
    whole = len(rest) >= LEAST and len(rest) % 2 == 0 and {*map(len, rest)} == {length}
    if whole and len(poem.lines[1]) <= 4 and is_name(poem.lines[1]):
        (title, poet), poem.lines = poem.lines[:2], rest  # as if they were verse lines
        put(poem, TITLE, title, title)
        put(poem, POET, poet, poet)
    if length and len(poem.lines) > LEAST and len(poem.lines[-1]) != length and is_address(poem.lines[-1]):
        poem.aside.append(Aside(COMMENT, poem.lines.pop()))
    return poem


def _headed(rows: list[Row]) -> int:
    """How many rows of heading stand above mixed verse without marks."""
    if author := next((i for i, row in enumerate(rows[:3]) if is_by(row.text)), -1) + 1:
        return author
    usual = Counter(len(row.text) for row in rows).most_common(1)[0][0]
    if len(rows) > LEAST and len(rows[1].text) < 4 and len(rows[1].text) != usual and is_name(rows[1].text):
        return 0 if is_cry(rows[1].text) else 2
    first, *others = rows
    if not others or is_cry(first.text):
        return 0
    # What stands alone or before a cry is a title; what is left over before couplets only if it looks like one.
    longest = len(first.text) > max(len(row.text) for row in others)
    left = are_whole(sum(len(row.pieces) for row in others)) and (longest or is_title(first.text))
    return int(left or others[0].blank_before or is_cry(others[0].text))


def _with_other_lengths(rows: list[Row], verse: list[int], marked: bool) -> list[int]:
    """Verse rows with those around them whose lines are of another length, yet of one: 君不见，; 吴山开，越溪涸。;
    where nothing is marked, a line that calls out, one that makes the first couplet whole, and a last couplet."""

    usual = len(rows[verse[0]].pieces[0]) if verse else 0

    def is_more(row: Row, above: bool = False) -> bool:
        lengths = {*map(len, row.pieces)}  # 章台柳，章台柳，颜色青青今在否。
        opens = (
            above and max(lengths, default=0) == usual and not re.search("[:：]", row.text) and not is_spoken(row.text)
        )
        one = (len(lengths) == 1 or opens) and all(map(ONLY_HAN.fullmatch, row.pieces))
        return one and len(row.pieces) > 1 and row.text[-1] in ENDS and not any(map(is_address, row.pieces))

    def is_plain(row: Row) -> bool:
        known = is_name(row.text) or is_form(row.text) or is_of_title(row.text) or is_address(row.text)
        return bool(re.fullmatch(f"[{HAN}]{{2,11}}", row.text)) and not known and not row.aside

    verse = list(verse)
    while verse and verse[0] and (rows[verse[0] - 1].text[-1:] in ("，", ",") or is_more(rows[verse[0] - 1], True)):
        verse.insert(0, verse[0] - 1)
    while verse and verse[-1] + 1 < len(rows) and is_more(rows[verse[-1] + 1]):
        verse.append(verse[-1] + 1)
    if marked or not verse:
        return verse
    first = verse[0]
    cry = next((i for i, row in enumerate(rows[:first]) if is_cry(row.text)), None)
    if cry is not None:
        verse = [*range(cry, first), *verse]
    elif first > 1 and not rows[first].blank_before and is_plain(rows[first - 1]):
        lines = sum(len(rows[i].pieces) for i in verse)
        if lines % 2 and are_whole(lines + 1) and any(is_name(row.text) for row in rows[: first - 1]):
            verse.insert(0, first - 1)
    below = rows[verse[-1] + 1 :]
    pair = below[:2] if len(below) == 2 else []
    if pair and all(map(is_plain, pair)) and len(pair[0].text) == len(pair[1].text) and not pair[0].blank_before:
        verse += [verse[-1] + 1, verse[-1] + 2]
    return verse


def _without_title_rows(rows: list[Row], verse: list[int], length: int, marked: bool) -> list[int]:
    """Verse rows without those at the top that are headings though they have a verse line's length."""
    if len(verse) < 2:
        return verse
    # Between a title and the verse there may stand an author: then all above him is heading.
    for index in verse[1:3]:
        between = [rows[i].text for i in range(verse[0] + 1, index) if i not in verse]
        if any(is_name(text) or label(text) for text in between):
            above = [i for i in verse if i < index and not rows[i].marked]
            if above and len(above) < len(verse) - 1:
                verse = [i for i in verse if i not in above]
            break
    first = rows[verse[0]]
    others = [rows[i] for i in verse[1:]]
    lines = sum(len(rows[i].pieces) for i in verse)
    if marked and not first.marked and all(row.marked for row in others) and (lines % 2 or not length):
        return verse[1:]
    ended = len(first.pieces) == 1 and first.text[-1] in "。.．"  # 登幽州台歌。
    if length and ended and all(row.marked for row in others) and are_whole(lines - 1):
        return verse[1:]
    alone = len(first.pieces) == 1 and others[0].blank_before
    return verse[1:] if not marked and length and lines - 1 in (4, 8) and alone else verse


def _verse_of(row: Row, first: bool, last: bool, poem: Pasted) -> list[str]:
    """The verse lines of a row, without a heading before them in the same row or a signature behind them."""
    text = row.text
    if last and (signed := _SIGNED.search(text)) and IS_HAN.search(text[: signed.start()]):
        attribute(signed[1], poem)
        text = text[: signed.start()]
    if first and (prefix := _PREFIX.match(text)):
        above, rest = prefix["head"].strip(" :："), prefix["rest"]
        lengths = {*map(len, pieces_of(rest))}
        if lengths and len(above) not in lengths or len(lengths) > 1 or "》" in above:
            head(replace(row, text=above, aside=[]), poem)
            text = rest
    return pieces_of(text)


def _between(row: Row, poem: Pasted, translated: bool) -> None:
    """A row among the verse that is none by its length: a line too long or too short, or what is no line at all."""
    foreign = [piece for piece in row.pieces if not IS_HAN.search(piece)]
    noted = translated or BRACKETED.fullmatch(row.text)
    if row.text and (noted or foreign and (row.marked is False or len(foreign) == len(row.pieces))):
        poem.aside.append(Aside(NOTE, row.text))
    else:
        poem.lines += row.pieces


__all__ = ["Aside", "Pasted", "read"]
