"""Which of several candidates is the better poem."""

from __future__ import annotations

from collections.abc import Sequence

from .poem import Poem


def rank(poem: Poem) -> tuple[int, float]:
    """What the better of two candidates has more of: lines of its own first, then probability per character.

    The likeliest lines of all are those the model has by heart, so probability alone would choose quotations.
    """
    return -len(poem.quotes), poem.log_prob / poem.characters


def choose(candidates: Sequence[Poem]) -> Poem:
    """The best of the candidates for one poem."""
    return max(candidates, key=rank) if len(candidates) > 1 else candidates[0]


__all__ = ["choose", "rank"]
