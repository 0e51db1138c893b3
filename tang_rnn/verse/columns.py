"""Verse that is set in columns, as lines: from top to bottom, a character a row, or two poems side by side."""

from __future__ import annotations

import re
from itertools import groupby

from .headings import ENDS, HAN, REGULAR

_CELL = re.compile(rf"[{HAN}]+[{ENDS}]")


def as_rows(lines: list[str]) -> list[str]:
    """The lines of a text, those of verse in columns a verse line each; of any other text as they are."""
    return _single(lines) or _upright(lines) or _side_by_side(lines) or lines


def _upright(lines: list[str]) -> list[str]:
    """Columns from right to left, a column a verse line or, if spaced, a couplet; marks in rows of theirs."""
    full = [line for line in lines if re.search(f"[{HAN}]", line)]
    rows = [re.findall(f"[{HAN}]", line) for line in full]
    only = all(re.fullmatch(rf"[{HAN}\s]+", line) for line in full)
    marks = all(re.fullmatch(rf"[{ENDS}\s]*", line) for line in lines if line not in full)
    if not (rows and only and marks and len({*map(len, rows)}) == 1):
        return []
    apart = all(len(line.split()) == len(row) for line, row in zip(full, rows))
    columns = ["".join(column) for column in reversed(list(zip(*rows, strict=True)))]
    if len(rows) in REGULAR and len(columns) in (2, 4, 8):
        return columns
    if len(rows) // 2 in REGULAR and len(rows) % 2 == 0 and len(columns) in (2, 4) and apart:
        return [column[start : start + len(rows) // 2] for column in columns for start in (0, len(rows) // 2)]
    return []


def _single(lines: list[str]) -> list[str]:
    """A character a row: the rows between blank ones are a verse line, or where there are none all are one text."""
    rows = [line.strip() for line in lines]
    if sum(map(len, rows)) < 10 or not all(re.fullmatch(rf"[{HAN}{ENDS}]?", row) for row in rows):
        return []
    return ["".join(group) for full, group in groupby(rows, bool) if full]


def _side_by_side(lines: list[str]) -> list[str]:
    """Two poems beside each other: in each row two lines that end in the same mark, in every other row a full stop."""
    rows = [re.split(r"[ \u3000]{2,}|\t+", line.strip()) for line in lines if line.strip()]
    if len(rows) < 4 or len(rows) % 2 or not all(len(row) == 2 and all(map(_CELL.fullmatch, row)) for row in rows):
        return []
    ends = [{cell[-1] for cell in row} for row in rows]
    if any(len(each) > 1 for each in ends) or any(ends[i] == ends[i + 1] for i in range(0, len(ends), 2)):
        return []
    one, other = zip(*rows)
    return [*one, "", "", *other]


__all__ = ["as_rows"]
