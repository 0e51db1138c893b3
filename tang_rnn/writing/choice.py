"""Which of several texts that are written for a poem is taken."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..rules import Rules
from .drawing import Written
from .poem import Poem
from .ranking import GRADE, rank
from .reading import Request
from .second import Readings

if TYPE_CHECKING:
    from ..poet import TangPoet

# Candidates of a poem under tonal rules; where characters are fixed ahead only whole poems are chosen from.
OF_QUATRAIN, OF_LONGER, THROUGH = 32, 96, 48
READ = 8  # of a poem's texts, those that rank first: the second reader reads these
UNREAD = 1000.0  # by which all others stand behind them
HEARD = 0.5  # of a grade, the part that is the second reader's


def default_candidates(rules: Rules) -> int:
    """How many are written for a poem, of which the best is kept, where the caller does not say."""
    if not (rules.regulated or rules.pattern):
        return 1
    if rules.fixed or rules.acrostic or rules.acrostic_tail or rules.rhyme_words or rules.include:
        return THROUGH
    return OF_QUATRAIN if rules.even_form().num_lines == 4 or rules.num_lines == 4 else OF_LONGER


class Choice:
    """Ranks what is written for requests, all by one rhyme book.

    Args:
        poet: who writes.
        requests: what is asked.
    """

    def __init__(self, poet: TangPoet, requests: Sequence[Request]):
        self.poet, self.requests = poet, requests

    @cached_property
    def _readings(self) -> Readings | None:
        """The second reader's; made when there is something to choose from."""
        second = self.poet.second_reader
        return second and Readings(second, self.poet.prompts(self.requests), self.poet.vocabulary)

    def __call__(self, numbers: Sequence[int], rows: Sequence[Written], read: int = READ) -> list[float]:
        """How good poems are, whole or begun, the greater the better: of each the number of its request, and what is
        written.

        Args:
            read: so many for each request are read by the second reader, if there is one.
        """
        poems = [self.poet.poem(self.requests[number], row) for number, row in zip(numbers, rows)]
        num_lines = [self.poet.plan(self.requests[number]).num_lines for number in numbers]
        scores = rank(poems, num_lines, self.requests[0].book).tolist()
        if self._readings is None:
            return scores
        best = sorted(range(len(rows)), key=scores.__getitem__, reverse=True)
        kept = [place for number in set(numbers) for place in [p for p in best if numbers[p] == number][:read]]
        grades = self._readings.grades([numbers[place] for place in kept], [rows[place] for place in kept])
        result = [score - UNREAD for score in scores]
        for place, grade in zip(kept, grades):
            more = HEARD * (grade - rows[place].grade) / max(len(poems[place].lines), 1)
            result[place] = scores[place] + GRADE * more
        return result

    def best(self, numbers: Sequence[int], rows: Sequence[Written]) -> Poem:
        """The best poem of several, given as in a call."""
        scores = self(numbers, rows) if len(rows) > 1 else [0.0]
        place = max(range(len(rows)), key=scores.__getitem__)
        return self.poet.poem(self.requests[numbers[place]], rows[place])


__all__ = ["Choice", "HEARD", "READ", "default_candidates"]
