"""What programs write, as the plain text that a person would paste: JSON, tables, subtitles, lyrics."""

from __future__ import annotations

import csv
import io
import json
import re

from .forms import split_lines
from .headings import DYNASTY, ENDS, POET_LABELS, TEXT_LABELS, TITLE_LABELS, are_regular, is_name

_TITLE_KEYS, _POET_KEYS = ("title", "题目", "标题", "rhythmic"), ("author", "poet", "作者")
_TEXT_KEYS = ("paragraphs", "content", "text", "lines", "body", "内容", "正文")
_COLUMNS = {*TITLE_LABELS, *POET_LABELS, *TEXT_LABELS, *_TITLE_KEYS, *_TEXT_KEYS, "朝代", "dynasty", "id"}
# The heads of lyrics with times, [ti:静夜思], by the labels that people write.
_LYRICS = {"ti": "歌名", "ar": "作者", "au": "作者", "al": "专辑", "by": "编辑"}
_LYRICS_HEAD = re.compile(r"^[ \t]*\[(ti|ar|au|al|by):[ \t]*(.*?)\][ \t]*$", re.MULTILINE | re.IGNORECASE)
# Advanced SubStation: nine fields before the text, and its overrides.
_DIALOGUE = re.compile(r"^Dialogue:[ \t]*(?:[^,\n]*,){9}(?:\{\\[^}\n]*\})?", re.MULTILINE)


def plain(text: str) -> str:
    """The poems of a file of a known format as text; any other text as it is."""
    found = _from_json(text) or _from_table(text)
    if found:
        return found
    text = _LYRICS_HEAD.sub(lambda head: f"{_LYRICS[head[1].lower()]}：{head[2]}" if head[2] else "", text)
    return _DIALOGUE.sub("", text)


def _from_json(text: str) -> str:
    """The poems of a JSON object or list such as data sets have, or of an object a line; empty if it is no JSON."""
    if not re.match(r"\s*[\[{]", text):
        return ""
    try:
        found = _loaded(text)
    except (ValueError, RecursionError):
        return ""
    poems = []
    for poem in found if isinstance(found, list) else [found]:
        if not isinstance(poem, dict):
            poems.append(str(poem))
            continue
        heads = ((_TITLE_KEYS, "题目："), (_POET_KEYS, "作者："))
        lines = [mark + str(poem[key]) for keys, mark in heads for key in keys if poem.get(key)]
        for key in _TEXT_KEYS:
            body = poem.get(key) or []
            lines += map(str, body) if isinstance(body, list) else [str(body)]
        poems.append("\n".join(lines) + "\n")
    return "\n".join(poems)


def _loaded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def _from_table(text: str) -> str:
    """The poems of a table, one a row, its cells parted by tabs or commas; empty if it is none."""
    for delimiter in "\t,":
        if delimiter not in text:
            continue
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text), delimiter=delimiter)]
        except csv.Error:
            continue
        rows = [row for row in rows if any(row)]
        names = rows.pop(0) if rows and {cell.lower() for cell in rows[0] if cell} <= _COLUMNS else []
        if rows and all(map(_is_poem, rows)):
            return "\n\n".join(_headed(row, names if len(names) == len(row) else []) for row in rows)
    return ""


def _whole(cell: str) -> bool:
    pieces = split_lines(cell)
    return len(pieces) >= 4 and len(pieces) % 2 == 0 and are_regular(pieces)


def _is_poem(row: list[str]) -> bool:
    """Whether one cell is a poem and the others, at least one, are words about it."""
    others = [cell for cell in row if cell and not _whole(cell)]
    return len(row) - sum(not cell for cell in row) - len(others) == 1 <= len(others) and not any(
        re.search(f"[{ENDS}]", cell) or len(cell) > 30 for cell in others
    )


def _headed(row: list[str], names: list[str]) -> str:
    """A row of the table as a poem below its title and poet."""
    labels = [name.lower() for name in names] or [""] * len(row)
    poem = next(cell for cell in row if _whole(cell))
    heads, unnamed = [], []
    for name, cell in zip(labels, row):
        if not cell or cell is poem:
            continue
        if re.fullmatch(rf"\d+|{DYNASTY}", cell):
            heads.append(cell if cell.isdigit() else f"朝代：{cell}")
        elif name in POET_LABELS:
            heads.append(f"作者：{cell}")
        elif name in TITLE_LABELS or name in _TITLE_KEYS:
            heads.append(f"题目：{cell}")
        else:
            unnamed.append(cell)
    if not names and len(unnamed) == 2:
        one, other = unnamed[::-1] if is_name(unnamed[0]) and not is_name(unnamed[1]) else unnamed
        unnamed = [f"题目：{one}", f"作者：{other}"]
    return "\n".join([*heads, *unnamed, poem])


__all__ = ["plain"]
