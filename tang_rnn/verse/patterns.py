"""Tonal patterns (格律) of regulated verse (近体诗).

For each kind of line the finite set of tone strings it may have (:func:`admissible`), for each form the sequences of
kinds that make a poem (:func:`patterns`). The rules are the same by every rhyme book. Source: 王力《诗词格律》,
chapter 2 (诗律).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, lru_cache
from numbers import Integral

from ..faults import Fault
from .forms import Form, get_form
from .rhymes import EITHER, LEVEL, OBLIQUE, UNKNOWN

MOST_LINES = 1000  # of a 排律: the longest there are have some four hundred
# The four kinds of line by 王力's letters; capitals end level, so they rhyme. Seven characters are two more in front,
# the second of them opposed to the line's own second character. 中 is 王力's circled, free position.
_FORMULAS = {"a": "中仄平平仄", "A": "中仄仄平平", "b": "中平平仄仄", "B": "平平仄仄平"}
# What the handbook lets pass besides, with its name. B's first character may be 仄 only with its third 平: 孤平 else.
# 特拗 wants a first 平, which some of the best known lines are without (昔闻洞庭水, 故人具鸡黍): they pass with a note.
_LICENSED = {
    "a": {"中仄仄平仄": "半拗"},
    "A": {},
    "b": {"平平仄平仄": "特拗", "仄平仄平仄": "特拗而首字仄", "平平仄仄仄": "三仄尾"},
    "B": {"平平平仄平": "", "仄平平仄平": "孤平拗救"},
}
# 大拗: a line a whose fourth character is 仄 is saved only by a third 平 in its partner (对句相救).
_SAVED, _SAVIOUR = ("中仄平仄仄", "中仄仄仄仄"), "中平平仄平"
# A line that can be read in several ways, for its characters of two tones, is read in the least licentious.
_LICENCE_COST = {
    "": 0.01,
    "半拗": 0.01,
    "特拗": 0.01,
    "特拗而首字仄": 0.02,
    "三仄尾": 0.02,
    "孤平拗救": 0.02,
    "大拗": 0.03,
}
# 二四六分明: a wrong tone at an even place or the last tells more than one elsewhere. 失对 or 失粘 costs less than one
# wrong tone, so that a line wrong at all its telling characters is named by the breaks on its two sides.
_MISFIT_COST, _LESSER_MISFIT_COST, _BREAK_COST = 1.0, 0.95, 0.99


def fits(actual: str, wanted: str) -> bool:
    """Whether a character of tone ``actual`` may stand where ``wanted`` (平, 仄 or 中) is asked for."""
    return actual == wanted or actual in (EITHER, UNKNOWN) or wanted == EITHER


def _lengthen(mask: str, length: int) -> str:
    return mask if length == 5 else EITHER + (LEVEL if mask[1] == OBLIQUE else OBLIQUE) + mask


@cache
def _expand(mask: str) -> tuple[str, ...]:
    return tuple(map("".join, itertools.product(*(LEVEL + OBLIQUE if t == EITHER else t for t in mask))))


def formula(line_type: str, length: int) -> str:
    """The handbook's formula for a kind of line (``a`` ``A`` ``b`` ``B``) of 5 or 7 characters: ``中仄平平仄``."""
    return _lengthen(_FORMULAS[line_type], length)


@cache
def admissible(line_type: str, length: int, regular: bool = False) -> tuple[str, ...]:
    """Every complete tone string, of 平 and 仄 only, that a line of this kind may have.

    Args:
        line_type: ``a`` 仄仄平平仄, ``A`` 仄仄仄平平, ``b`` 平平平仄仄, ``B`` 平平仄仄平; A and B rhyme.
        length: 5 or 7 characters.
        regular: only what the formula itself gives, which no checker faults: to write by. Without it also the
            licences that save themselves within the line (本句自救, 半拗, 三仄尾): to judge by.
    """
    masks = [_FORMULAS[line_type], *(() if regular else _LICENSED[line_type])]
    return tuple(dict.fromkeys(string for mask in masks for string in _expand(_lengthen(mask, length))))


@cache
def licences(length: int) -> dict[str, str]:
    """The name of the licence for each tone string that no formula gives."""
    named = {mask: name for masks in _LICENSED.values() for mask, name in masks.items()}
    named |= dict.fromkeys(_SAVED, "大拗")
    return {string: name for mask, name in named.items() for string in _expand(_lengthen(mask, length))}


@dataclass(frozen=True)
class Pattern:
    """A tonal pattern (格律) of a whole poem.

    Attributes:
        name: such as ``五律仄起首句不入韵``.
        form: name of the form, such as ``五律``.
        length: characters a line.
        types: the kind of each line, a letter each: ``aBbAaBbA``.
    """

    name: str
    form: str
    length: int
    types: str

    @property
    def rhyming(self) -> tuple[bool, ...]:
        """For each line whether it rhymes."""
        return tuple(kind in "AB" for kind in self.types)

    @property
    def formulas(self) -> tuple[str, ...]:
        """For each line its formula, of 平, 仄 and 中."""
        return tuple(formula(kind, self.length) for kind in self.types)

    def lines(self, regular: bool = True) -> tuple[tuple[str, ...], ...]:
        """For each line its admissible tone strings; see :func:`admissible`."""
        return tuple(admissible(kind, self.length, regular) for kind in self.types)


def patterns(form: str, num_lines: int | None = None) -> tuple[Pattern, ...]:
    """The four tonal patterns of a form: 平起 and 仄起, first line rhyming or not; none for an old-style form.

    Args:
        form: its name.
        num_lines: lines of the poem, for 排律 only: even, 10 or more.

    Raises:
        Fault: no such form, or a number of lines it cannot have.
    """
    kind = get_form(form)
    if isinstance(num_lines, Integral) and num_lines > MOST_LINES:
        raise Fault("most_lines", form=kind.name, most=MOST_LINES, count=num_lines)
    if not isinstance(num_lines, Integral | None):
        raise Fault("whole_from", name="num_lines", least=kind.min_lines, value=repr(num_lines))
    return _patterns(kind, num_lines) if kind.regulated else ()


@cache
def _patterns(kind: Form, num_lines: int | None) -> tuple[Pattern, ...]:
    count = kind.num_lines if num_lines is None else num_lines
    if count is None or count % 2 or count < kind.min_lines or kind.num_lines not in (None, count):
        if kind.num_lines:
            raise Fault("lines_of_form", form=kind.name, wanted=kind.num_lines, count=num_lines)
        raise Fault("even_lines", form=kind.name, least=kind.min_lines, count=num_lines)
    found = []
    for first in "aAbB":
        types = first
        while len(types) < count:
            # 对: within a couplet the second characters differ; 粘: from couplet to couplet they agree.
            opposed = len(types) % 2 == 1
            after = {"a": "b", "b": "a"}[types[-1].lower()] if opposed else types[-1].lower()
            types += after.upper() if opposed else after
        start = formula(first, kind.line_length)[1]
        rhymes = "入韵" if first in "AB" else "不入韵"
        found.append(Pattern(f"{kind.name}{start}起首句{rhymes}", kind.name, kind.line_length, types))
    return tuple(found)


def breaks(before: str, kind: str, index: int) -> bool:
    """Whether 对 (at odd ``index``) or 粘 (at even) is broken: a and A begin alike, as do b and B."""
    return (before.lower() == kind.lower()) == (index % 2 == 1)


@lru_cache(4096)  # what else could stand in a place is judged poem by poem, which differ in one line
def nearest(tones: str, kind: str, partner: str | None) -> tuple[float, str]:
    """The cost of a line read as ``kind``, about one a misfit, and the admissible tone string it is nearest to.

    ``partner``: the tones of the line after it, which alone can save a 大拗.
    """
    length = len(tones)
    strings, named = admissible(kind, length), licences(length)
    if kind == "a" and partner and all(map(fits, partner, _lengthen(_SAVIOUR, length))):
        strings += tuple(string for mask in _SAVED for string in _expand(_lengthen(mask, length)))

    def cost(string: str) -> float:
        misfits = (place for place in range(1, length + 1) if not fits(tones[place - 1], string[place - 1]))
        total = sum(_LESSER_MISFIT_COST if place % 2 and place < length else _MISFIT_COST for place in misfits)
        return total + (_LICENCE_COST[named[string]] if string in named else 0)

    return min((cost(string), string) for string in strings)


def align(tones: list[str], first_line_costs: dict[str, float]) -> tuple[str, list[str]]:
    """The sequence of kinds of line that costs least in all, and the tone string that each line is nearest to."""
    paths: list[tuple[float, str, list[str]]] = [(0.0, "", [])]
    for i, line in enumerate(tones):
        longer = []
        for kind in "AB" if i % 2 else "ab" if i else "ABab":
            cost, string = nearest(line, kind, tones[i + 1] if i + 1 < len(tones) else None)
            cost += 0 if i else first_line_costs[kind]
            total, kinds, read = min(
                (total + _BREAK_COST * (i > 0 and breaks(kinds[-1], kind, i)), kinds, read)
                for total, kinds, read in paths
            )
            longer.append((total + cost, kinds + kind, [*read, string]))
        paths = longer
    _, kinds, read = min(paths)
    return kinds, read
