"""Where in a text the verse stands, and where a poem begins and ends: the rows of several poems parted."""

from __future__ import annotations

import re
from collections import Counter

from .headings import REGULAR, are_regular, is_commentary, is_cry, is_name, is_plea, is_spoken, label
from .rows import COMMENT, IS_HAN, ONLY_HAN, Aside, Row

LEAST = 4  # lines of a whole poem
BRACKETED = re.compile(r"[（(【\[].+[）)】\]]")


def without_commentary(rows: list[Row]) -> tuple[list[Aside], list[Row]]:
    """What follows 注释, 译文 and the like is set aside, up to the heading of another poem."""
    length, kept, comments = length_of(rows), [], []
    verse = commenting = within = False
    for index, row in enumerate(rows):
        if verse and is_commentary(row.text):
            comments += [] if commenting else [Aside(COMMENT, row.text[:20])]
            commenting, within = True, bool(re.search(r"[:：】\])）]\s*\S", row.text))
        elif commenting:
            heads = (n for n in REGULAR if not row.marked and _is_heading(row, n) and _follows(rows, index, n))
            commenting = not (within and _goes_on(row, kept) or any(heads))
        if not commenting:
            kept.append(row)
            verse = verse or bool(row.pieces) and is_verse(row, length)
    return comments, kept


def mark_headings(rows: list[Row]) -> None:
    """Marks the rows that are headings by their shape alone: where every row of verse is a couplet or more with marks,
    those without any mark above one, whatever their length (题程氏书斋)."""
    couplets = [row.marked and len(row.pieces) > 1 and all(map(ONLY_HAN.fullmatch, row.pieces)) for row in rows]
    single = sum(row.marked and len(row.pieces) == 1 and len(row.pieces[0]) in REGULAR for row in rows)
    if 4 * single > sum(couplets):  # an odd line at the end of a song is no row of its own
        return
    for index, row in enumerate(rows):
        below = next((i for i in range(index + 1, min(index + 4, len(rows))) if couplets[i]), index)
        plain = [other for other in rows[index:below] if not other.marked and len(other.pieces) == 1]
        lines = sum(len(other.pieces[0]) in REGULAR for other in plain)
        named = any(is_name(other.text) for other in plain)
        goes_on = index and rows[index - 1].text.endswith(("，", ","))
        row.heading = below > index and len(plain) == below - index and (lines < 2 or named) and not goes_on


def sections(rows: list[Row]) -> list[list[Row]]:
    """The rows in parts that have a length of line each: poems of five and of seven characters in one text, and mixed.

    Parted they are only where both are whole and a heading, or more than one blank line, stands between.
    """
    parts = [part for section in _headed(rows) for part in _of_one_length(section)]
    return [part for part in parts if part]


def _headed(rows: list[Row]) -> list[list[Row]]:
    """Parted at the headings that are such by their shape, each with at least a poem's lines below it."""
    starts = [i for i, row in enumerate(rows) if row.heading and not (i and rows[i - 1].heading)]
    found: list[list[Row]] = []
    whole = False  # whether there is a poem in the last part
    for a, b in zip([0, *starts], [*starts, len(rows)]):
        poem = _is_poem(rows[a:b])
        if found and not (poem and whole):
            found[-1] += rows[a:b]
            whole = whole or poem
        else:
            found.append(rows[a:b])
            whole = poem
    return found


def _is_poem(rows: list[Row]) -> bool:
    """Whether the marked rows are a poem, of one length or, without the words of prose, of several."""
    verse = [row for row in rows if row.marked and not label(row.text)]
    pieces = [piece for row in verse for piece in row.pieces]
    prose = any(is_spoken(row.text) or len(row.pieces) < 2 for row in verse) or max(map(len, pieces), default=0) > 11
    return len(pieces) >= LEAST and (len(pieces) % 2 == 0 or len(pieces) > 8 if are_regular(pieces) else not prose)


def _of_one_length(rows: list[Row]) -> list[list[Row]]:
    marked = any(row.marked for row in rows)
    runs: list[list[int]] = []  # the length, the first row, the one behind the last, and how many lines
    for index, row in enumerate(rows):
        lengths = {*map(len, row.pieces)}
        named = any(is_name(other.text) for other in rows[index + 1 : index + 2])
        titles = row.heading or not row.marked and (marked or named)
        if len(lengths) != 1 or not lengths <= {*REGULAR} or titles or label(row.text):
            continue
        if not (runs and runs[-1][0] in lengths):
            runs.append([*lengths, index, index, 0])
        runs[-1][2:] = [index + 1, runs[-1][3] + len(row.pieces)]
    spaced = any(row.pieces and not row.blank_before for row in rows[1:])  # blank lines tell nothing if all are apart
    starts = [0]
    for (_, _, end, count), (_, begin, _, other) in zip(runs, runs[1:]):
        *above, first = rows[end : begin + 1]
        parts = any(row.parted or row.series for row in (*above, first)) or any(row.numbered for row in above)
        parts = parts or first.numbered and are_whole(len(first.pieces))
        parts = parts or any(is_name(row.text) or re.match("[《〈【#]", row.text) for row in above)
        parts = parts or spaced and rows[end].blank_before and (above or {count, other} <= {4, 8})
        if parts and are_whole(count) and are_whole(other) and not any(is_cry(row.text) for row in above):
            starts.append(end)
    return [rows[a:b] for a, b in zip(starts, [*starts[1:], len(rows)])]


def _goes_on(row: Row, kept: list[Row]) -> bool:
    """Whether a row behind a translation of what stands above it, 译文：太阳依山而落, is the next couplet."""
    known = {piece for each in kept for piece in each.pieces}
    lengths = {len(piece) for piece in kept[-1].pieces}
    return len(row.pieces) == 2 and {*map(len, row.pieces)} == lengths <= {*REGULAR} and known.isdisjoint(row.pieces)


def blocks(rows: list[Row]) -> list[list[Row]]:
    """The rows of each poem: 其二, or a heading behind whole couplets, begins another."""
    length = length_of(rows)
    blocks: list[list[Row]] = [[]]
    lines = [0]  # of verse, of each block
    for index, row in enumerate(rows):
        if lines[-1] and (row.series or are_whole(lines[-1]) and _begins(rows, index, length)):
            blocks.append([])
            lines.append(0)
        blocks[-1].append(row)
        lines[-1] += len(row.pieces) if is_verse(row, length) else 0
    # A heading without verse behind it is no poem: an attribution, the end of the last one.
    merged: list[list[Row]] = []
    for block, count in zip(blocks, lines):
        if merged and not count:
            merged[-1] += block
        else:
            merged.append(block)
    return merged


def _begins(rows: list[Row], index: int, length: int) -> bool:
    """Whether, whole couplets standing before it, another poem begins with this row."""
    row = rows[index]
    if _is_heading(row, length) and (row.blank_before or row.numbered):
        return True
    if row.numbered and are_whole(len(row.pieces)):
        return True
    # A rule, a number of its own or a heading between the lines is the beginning of what is a whole poem again.
    parts = row.parted or row.ordinal or _is_heading(row, length) and not row.marked
    return parts and _follows(rows, index, length)


def _follows(rows: list[Row], index: int, length: int) -> bool:
    """Whether a whole poem follows from this row on, behind three rows of heading at the most."""
    lines = headings = 0
    for number in range(index, len(rows)):
        row = rows[number]
        if is_verse(row, length) and not (lines and (row.series or row.ordinal or row.parted)):
            lines += len(row.pieces)
        elif lines or (headings := headings + 1) > 3:
            break
    return are_whole(lines)


def are_whole(lines: int) -> bool:
    return lines >= LEAST and lines % 2 == 0


def length_of(rows: list[Row]) -> int:
    """The commonest length of a verse line: 5 or 7 if most are of it, 0 for mixed verse."""
    marked = [row for row in rows if row.marked]
    counted = marked if sum(len(row.pieces) for row in marked) >= LEAST else rows
    lengths = Counter(len(piece) for row in counted for piece in row.pieces if ONLY_HAN.fullmatch(piece))
    total = sum(lengths.values())
    for length in REGULAR if lengths else ():
        whole = sum(count for each, count in lengths.items() if each % length == 0)
        bare = any(each > 2 * length and each // length > total for each in lengths if each % length == 0)  # no marks
        if lengths[length] >= 0.5 * total or whole >= 0.5 * total and whole > lengths[length] or bare:
            return length
    return next((n for n in REGULAR if _is_prefaced(rows, n) or is_translated(rows, n)), 0)


def _is_prefaced(rows: list[Row], length: int) -> bool:
    """Whether the last rows are a whole poem of this length, and those above, a preface, have no such line."""
    verse = [row for row in rows if row.pieces]
    while verse and verse[-1].marked and is_spoken(verse[-1].text) and {*map(len, verse[-1].pieces)} != {length}:
        verse.pop()  # what is said below it
    start = len(verse)
    while start and {*map(len, verse[start - 1].pieces)} == {length}:
        start -= 1
    above = [row for row in verse[:start] if row.marked]
    prose = all(row.text[-1] in "。.！!？?：:" for row in above)
    return (
        are_whole(sum(len(row.pieces) for row in verse[start:]))
        and prose
        and all(len(piece) != length for row in above for piece in row.pieces)
    )


def is_translated(rows: list[Row], length: int) -> bool:
    """Whether behind each row of verse stands one of prose, longer than it: its translation."""
    start = next((i for i, row in enumerate(rows) if row.pieces and {*map(len, row.pieces)} == {length}), len(rows))
    pairs = list(zip(rows[start::2], rows[start + 1 :: 2]))
    return sum(len(verse.pieces) for verse, _ in pairs) >= LEAST and all(
        {*map(len, verse.pieces)} == {length}
        and length not in map(len, prose.pieces)
        and len(prose.text) > len(verse.text)
        for verse, prose in pairs
    )


def is_verse(row: Row, length: int) -> bool:
    if not row.pieces or row.heading or not IS_HAN.search(row.text) or label(row.text):
        return False
    if length:
        whole = sum(len(piece) % length == 0 for piece in row.pieces)
        exactly = sum(len(piece) == length for piece in row.pieces)
        if not exactly and BRACKETED.fullmatch(row.text) or 2 * exactly <= len(row.pieces) and is_plea(row.text):
            return False
        return whole >= (0.5 if row.marked else 1) * len(row.pieces)
    return row.marked or len(row.pieces) > 2


def _is_heading(row: Row, length: int) -> bool:
    return bool(row.text) and not is_verse(row, length)


__all__ = ["BRACKETED", "LEAST", "are_whole", "blocks", "is_translated", "is_verse", "length_of"]
__all__ += ["mark_headings", "sections", "without_commentary"]
