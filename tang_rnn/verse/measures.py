"""What readers notice in a poem beside its rules, as numbers: by these poems are ranked, evaluated and tested.

:func:`measure` gives all of them for several poems of one shape. Each is a number a poem, and none knows a model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .associations import associations
from .rhymes import PINGSHUI, RhymeBook
from .turns import turns
from .usage import mistoned, usage

OCTAVE = 8  # lines of 律诗

#: The measures, with what a poem has more of where the number is greater.
MEASURES = {
    "coherence": "characters of different lines that keep company in real poems",
    "commonness": "words of two characters that are common in real poems",
    "stock_words": "of the ten commonest of these",
    "contradictions": "pairs of words of season, hour or weather that shun each other",
    "odd_doublings": "characters doubled that real poems do not double",
    "mistoned": "two-tone characters where the tone asked for is not that of their word",
    "repeats": "characters, and words of two, that have stood in a line before",
    "turns": "turns of phrase that written poems overuse, each by its price",
    "parallelism": "characters of a middle couplet that answer those in their places",
    "closing": "characters in the last couplet that mark last couplets",
    "theme": "characters that keep company with those of the title",
}


def measure(
    poems: Sequence[Sequence[str]],
    titles: str | Sequence[str] = "",
    num_lines: Sequence[int] | None = None,
    book: RhymeBook = PINGSHUI,
) -> dict[str, np.ndarray]:
    """The measures of several poems, given as lines without marks; each (poems,).

    A poem may be unfinished. Parallelism is that of poems of eight lines, 0 where no middle couplet is whole yet;
    commonness and stock words are those of lines of five or seven characters.

    Args:
        poems: of any form; those of one call should have one, since shorter ones are filled up with nothing.
        titles: of each poem, or of all; without one the theme is 0.
        num_lines: how many lines each is to have; by default as many as it has.
        book: by which they are written.
    """
    tables, lists, habits = associations(), usage(), turns()
    titles = [titles] * len(poems) if isinstance(titles, str) else list(titles)
    numbers = tables.indices(poems)
    whole = np.array(num_lines or [len(lines) for lines in poems])
    commonness, stock = tables.commonness(numbers)
    return {
        "coherence": tables.coherence(numbers),
        "commonness": commonness,
        "stock_words": stock,
        "contradictions": _count(map(lists.contradictions, poems)),
        "odd_doublings": _count(map(lists.odd_doublings, poems)),
        "mistoned": _count(mistoned(lines, book, int(count)) for lines, count in zip(poems, whole)),
        "repeats": _count(map(repeats, poems)),
        "turns": np.array([habits.total(lines) for lines in poems], dtype=np.float32),
        "parallelism": tables.parallelism(numbers) * (whole == OCTAVE),
        "closing": tables.closing(numbers, whole),
        "theme": tables.theme(titles, numbers) if any(titles) else np.zeros(len(poems)),
    }


def repeats(lines: Sequence[str]) -> list[str]:
    """The characters, and the words of two, of each line that have stood in one before it."""
    seen, found = set(), []
    for line in lines:
        here = {*line, *map("".join, zip(line, line[1:]))}
        found += sorted(here & seen)
        seen |= here
    return found


def _count(found) -> np.ndarray:
    return np.array([len(each) for each in found], dtype=np.float32)


__all__ = ["MEASURES", "measure", "repeats"]
