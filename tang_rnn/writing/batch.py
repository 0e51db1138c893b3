"""Poems that are written side by side, a step at a time, each to be had as soon as it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..rules import placements
from .particles import ROWS, Particles
from .poem import Poem
from .reading import Request
from .sampling import Sampling

if TYPE_CHECKING:
    from ..poet import TangPoet

PLACEMENTS = 4  # of the words that must occur, tried for a poem

#: Is told the number of a poem and its text so far, whenever a line of it is over.
Tell = Callable[[int, str], None]


class Batch:
    """Poems being written; iterating gives after each step those that it has ended, by the number of their request.

    Those in which characters are fixed ahead come first, one after another; all others are written side by side.

    Args:
        poet: who writes them.
        requests: what is asked for, all by one rhyme book.
        sampling: how the next character is drawn.
        candidates: of so many each poem is the best.
        tell: hears the lines as they are settled; of a poem with characters fixed ahead none is before its end.
    """

    def __init__(
        self,
        poet: TangPoet,
        requests: Sequence[Request],
        sampling: Sampling,
        candidates: int,
        tell: Tell | None = None,
    ):
        self.poet, self.requests, self.sampling, self.candidates = poet, requests, sampling, candidates
        self.tell = tell
        ahead = [poet.fixes_ahead(request) for request in requests]
        self._through = [number for number, fixed in enumerate(ahead) if fixed]
        self._plain = [number for number, fixed in enumerate(ahead) if not fixed]
        self._dropped: set[int] = set()

    def __iter__(self) -> Iterator[dict[int, Poem]]:
        for number in self._through:
            if number not in self._dropped:
                yield from self._write_through(number)
        if self._plain:
            yield from self._write_plain()

    def drop(self, number: int) -> None:
        """Writes on without a poem."""
        self._dropped.add(number)

    def finish(self) -> list[Poem]:
        """All of them."""
        poems: dict[int, Poem] = {}
        for ended in self:
            poems |= ended
        return [poems[number] for number in range(len(self.requests))]

    def _write_through(self, number: int) -> Iterator[dict[int, Poem]]:
        """One in which characters are fixed ahead; see :class:`Particles`."""
        poet, request = self.poet, self.requests[number]
        ways, found = [request], []
        if request.rules.include:
            by_rules = placements(request.rules, poet.reader.vocabulary_by(request.book), PLACEMENTS, request.seed)
            ways = [replace(request, rules=rules) for rules in by_rules]
        candidates, rows = -(-self.candidates // len(ways)), ROWS // len(ways)  # of each
        for way, this in enumerate(ways):
            (prompt,), constraint = poet.prompts([this]), poet.constraint([this])
            search = Particles(
                poet.recurrence,
                constraint,
                prompt,
                request.seed,
                self.sampling,
                candidates,
                rows,
                grader=poet.grader,
            )
            for _ in search:
                yield {}
                if number in self._dropped:
                    return
            found += [(way, row) for row in search.found]
        yield {number: replace(poet.choice(ways).best(*zip(*found)), rules=request.rules)}

    def _write_plain(self) -> Iterator[dict[int, Poem]]:
        poet, requests = self.poet, [self.requests[number] for number in self._plain]
        choice = poet.choice(requests)
        search = poet.search(requests, self.sampling, self.candidates, choice)
        marks = poet.vocabulary.comma, poet.vocabulary.stop
        for _ in search:
            for place, tokens in search.settled().items() if self.tell else ():
                if tokens[-1] in marks and self._plain[place] not in self._dropped:
                    text = poet.plan(requests[place]).text(requests[place].beginning, tokens)
                    self.tell(self._plain[place], text)
            ended = {self._plain[place]: place for place in search.ended}
            yield {
                number: choice.best([place] * len(found), found)
                for number, place in ended.items()
                if number not in self._dropped and (found := search.found(place))
            }
            for number in self._dropped.intersection(self._plain):
                search.drop(self._plain.index(number))


__all__ = ["Batch"]
