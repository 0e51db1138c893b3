"""Simplified to traditional characters.

One simplified character may stand for several: 发 for 發 and 髮, 征 for 征 and 徵. OpenCC decides by today's words. For
verse the 全唐诗 decides, as its editions write it: each character's commonest original, and another beside neighbours
where that is the rule (白发 白髮). The table is counted by ``python -m training.traditional``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_TABLE = "verse/data/traditional.tsv"


@cache
def _opencc():
    import opencc

    return opencc.OpenCC("s2t")


def prose_to_traditional(text: str) -> str:
    """Today's Chinese in traditional characters (OpenCC)."""
    return _opencc().convert(text)


@cache
def _table() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Of each character its commonest original; and by character what it is in a pair with a neighbour."""
    common, pairs = {}, {}
    for row in files("tang_rnn").joinpath(_TABLE).read_text(encoding="utf-8").splitlines():
        if row.startswith("#"):
            continue
        char, usual, *others = row.split()
        common[char] = usual
        pairs[char] = {other[:2]: other[2] for other in others}
    return common, pairs


def to_traditional(text: str) -> str:
    """Verse in traditional characters, one for each that is given."""
    common, pairs = _table()
    written = list(_opencc().convert(text))
    for at, char in enumerate(text):
        if char not in common:
            continue
        beside = pairs[char]
        before, after = text[max(at - 1, 0) : at + 1], text[at : at + 2]
        written[at] = beside.get(before) or beside.get(after) or common[char]
    return "".join(written)


__all__ = ["prose_to_traditional", "to_traditional"]
