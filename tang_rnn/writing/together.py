"""Poems that several callers ask for at once, written side by side.

A step costs little more for many rows than for few. So one writer takes all that wait and writes them in one batch,
each by its own rules; who asks meanwhile comes into the next. Nobody waits for a batch to fill, and since rows draw the
same whatever stands beside them, everybody gets the poem of his seed.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import TYPE_CHECKING

from .poem import Poem
from .reading import Request
from .sampling import Sampling
from .search import LARGEST_BATCH

if TYPE_CHECKING:
    from ..poet import TangPoet

#: Is told the text so far, whenever a line of it is over.
Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Call:
    """A poem that is asked for, and where it will be."""

    request: Request
    sampling: Sampling
    candidates: int
    fixed_ahead: bool
    poem: Future[Poem]
    tell: Tell | None

    @property
    def kind(self) -> tuple:
        """What calls of one batch have in common."""
        return self.sampling, self.candidates, self.fixed_ahead, self.request.book.name


class Together:
    """A poet for many callers, from any thread.

    Args:
        poet: who writes.
        rows: candidates written at once.
    """

    def __init__(self, poet: TangPoet, rows: int = LARGEST_BATCH):
        self.poet, self.rows = poet, rows
        self._waiting: list[Call] = []
        self._changed = Condition()
        self._writer: Thread | None = None

    def ask(self, opening: str = "", tell: Tell | None = None, **options) -> Future[Poem]:
        """The poem that :meth:`TangPoet.write` gives for these, once it is written; a future that is cancelled before
        its batch begins is not written.

        Args:
            tell: called from the writer's thread. The best of several candidates is told with its end only.

        Raises:
            PoetError, RuleConflict: as there, at once.
        """
        request, sampling, candidates = self.poet.asked(opening, options)
        call = Call(request, sampling, candidates, self.poet.fixes_ahead(request), Future(), tell)
        with self._changed:
            self._waiting.append(call)
            if self._writer is None:  # begun when it is needed, so that to have one costs nothing
                self._writer = Thread(target=self._write_on, name=f"{self.poet.cell} writes", daemon=True)
                self._writer.start()
            self._changed.notify()
        return call.poem

    def _write_on(self) -> None:
        while True:
            self._serve(self._next())

    def _serve(self, calls: list[Call]) -> None:
        try:
            self._write(calls)
        except BaseException as error:
            if len(calls) == 1:
                calls[0].poem.set_exception(error)
                return
            for call in calls:  # whosever fault it is, the others get their poems
                self._serve([call])

    def _next(self) -> list[Call]:
        """The next batch: of those that wait the first, and all of its kind that there is room for."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting)
                first = self._waiting[0]
                kind = [call for call in self._waiting if call.kind == first.kind]
                taken = kind[: max(1, self.rows // first.candidates)]
                self._waiting = [call for call in self._waiting if call not in taken]
                if running := [call for call in taken if call.poem.set_running_or_notify_cancel()]:
                    return running

    def _write(self, calls: list[Call]) -> None:
        first = calls[0]
        if first.candidates == 1 and not first.fixed_ahead and any(call.tell for call in calls):
            poems = self._telling(calls)
        else:
            poems = self.poet.write_all([call.request for call in calls], first.sampling, first.candidates)
        for call, poem in zip(calls, poems):
            call.poem.set_result(poem)

    def _telling(self, calls: list[Call]) -> list[Poem]:
        """Writes, and tells each caller the text so far with every line's end."""
        requests, vocabulary = [call.request for call in calls], self.poet.vocabulary
        search = self.poet.search(requests, calls[0].sampling)
        plans = [self.poet.plan(call.request) for call in calls]
        texts = [call.request.beginning for call in calls]
        writing = list(range(len(calls)))
        for tokens in search:
            going_on = []
            for number, token in zip(writing, tokens.tolist()):
                if token == vocabulary.end:
                    continue
                going_on.append(number)
                texts[number] += plans[number].character(len(texts[number]), token)
                if token in (vocabulary.comma, vocabulary.stop) and calls[number].tell:
                    calls[number].tell(texts[number])
            writing = going_on
        return [self.poet.poem(request, *row) for request, row in zip(requests, search.rows)]


__all__ = ["Together"]
