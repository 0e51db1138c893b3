"""Which of several candidates is the better poem.

Probability alone chooses quotations, and stock words even more: the ten commonest words of verse stand in a quatrain as
drawn two and a half times, in the likeliest of eight three and a half times as often as in a real one. So a
candidate's probability is one voice among the measures of :mod:`tang_rnn.verse.measures`, counted from real poems.

What the weights are worth was measured on real, drawn and chosen poems and by reading: training/LOG.md, "Which of
several".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..verse import PINGSHUI, RhymeBook
from ..verse.measures import measure
from .poem import Poem

# The unit is a nat a character of the model's probability: what a measure adds to it.
WEIGHTS = {
    "commonness": -1.5,
    "stock_words": -1.5,
    "contradictions": -9.0,
    "odd_doublings": -4.0,
    "mistoned": -4.0,
    "repeats": -1.5,
    "turns": -0.4,
    "coherence": 20.0,
    "parallelism": 0.1,
    "closing": -0.08,
    "theme": 4.0,
}
# What is counted weighs as its mean a line, as grades and probabilities do: as a sum it would outweigh these more and
# more the later a line stands.
COUNTED = {"stock_words", "contradictions", "odd_doublings", "mistoned", "repeats", "turns"}
# What a nat of strain takes away: one character that tone and rhyme have forced spoils a line that its other characters
# make likely.
STRAIN = 1.2
# A point of the mean grade of its lines: of all voices the one that agrees best with readers, and so it is heard more
# than their grades alone would have it. What it has learned from them includes what other weights paid for before.
GRADE = 6.0
# More than real poems have of these is no better: what is past their mean and a standard deviation does not count.
ENOUGH = {"coherence": 0.0045, "parallelism": 1.2, "theme": 0.12}
# Less than this is no worse: real last couplets have about so much of what marks them, 莫 此 何 应 更, drawn ones more.
HARMLESS = {"closing": 1.5}
QUOTED = 10.0  # a line that stands in the corpus weighs more than all else together


def rank(poems: Sequence[Poem], num_lines: Sequence[int] | None = None, book: RhymeBook = PINGSHUI) -> np.ndarray:
    """How good each of several candidates is, beside others of the same form: (poems,).

    What a poem is worth does not depend on what stands beside it: those of one shape are measured at a time.

    Args:
        poems: whole ones, or the beginnings of such.
        num_lines: how many lines each is to have, if they are beginnings.
        book: by which they are written.
    """
    num_lines = [len(poem.lines) for poem in poems] if num_lines is None else num_lines
    shapes = [(count, *map(len, poem.lines)) for count, poem in zip(num_lines, poems)]
    result = np.zeros(len(poems))
    for shape in set(shapes):
        alike = [place for place, other in enumerate(shapes) if other == shape]
        result[alike] = _rank([poems[place] for place in alike], [shape[0]] * len(alike), book)
    return result


def _rank(poems: Sequence[Poem], num_lines: Sequence[int], book: RhymeBook) -> np.ndarray:
    found = measure([poem.lines for poem in poems], [poem.title for poem in poems], num_lines, book)
    result = np.array([(poem.log_prob - STRAIN * poem.strain) / max(poem.characters, 1) for poem in poems])
    lines = max(len(poems[0].lines), 1)
    result += GRADE / lines * np.array([poem.grade for poem in poems])
    for name, weight in WEIGHTS.items():
        weight /= lines if name in COUNTED else 1
        result += weight * found[name].clip(HARMLESS.get(name, -np.inf), ENOUGH.get(name, np.inf))
    return result - QUOTED * np.array([len(poem.quotes) for poem in poems])


__all__ = ["COUNTED", "ENOUGH", "HARMLESS", "QUOTED", "WEIGHTS", "rank"]
