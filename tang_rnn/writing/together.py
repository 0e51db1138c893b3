"""Poems that several callers ask for at once, written side by side, in turns that are fair.

A step costs little more for many rows than for few. So what waits is written in one batch, each poem by its own rules;
who asks meanwhile comes into the next. Nobody waits for a batch to fill, and since rows draw the same whatever stands
beside them, everybody gets the poem of his seed.

Between any two steps a batch can be laid aside for another. Whose turn it is goes by what callers have had: the time
that their poems took of late. Those who have had the least are written for (foreground-background scheduling, Kleinrock
1976), so that he who asks without end gets what the others leave, and who asks now and then hardly waits for him. First
lines come before all else, even of those who have had some poems more: a first line is a small part of a poem, and its
reader has something to read.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import TYPE_CHECKING

from .batch import Batch
from .poem import Poem
from .reading import Request
from .sampling import Sampling
from .search import LARGEST_BATCH

if TYPE_CHECKING:
    from ..poet import TangPoet

#: Is told the text so far, whenever a line of it is over.
Tell = Callable[[str], None]

MEMORY = 10.0  # seconds after which what a caller has had counts e times less
SLACK = 0.3  # seconds by which callers may have had more than another and yet be written for with him: some poems' time
AHEAD = 1.0  # the same where nothing of a poem is told yet: a first line takes little
FLOOD = 5.0  # the same, by which his poems wait while another's is written: no second core is taken from that
OF_ONE = 8  # poems of one caller in a batch: the fewer, the sooner it can be laid aside
PATIENCE = 30.0  # times what a poem takes that it may wait: of calls that wait, short ones come before long ones
MOST_WRITERS = 4  # threads: more than these wait for the interpreter that they share
STEP, ROW = 0.002, 0.0002  # seconds that a character takes, about, and one more of each further row


class Coming(Future[Poem]):
    """A poem, once it is written.

    Attributes:
        seconds: of a processor's time that it has taken; of what several take side by side, its part.
    """

    seconds = 0.0


@dataclass(frozen=True, eq=False)
class Call:
    """A poem that is asked for, and where it will be.

    Attributes:
        due: when it is to be begun; of those that wait the one that is due first is next.
    """

    poet: TangPoet
    request: Request
    sampling: Sampling
    candidates: int
    fixed_ahead: bool
    poem: Coming
    tell: Tell | None
    caller: str
    due: float

    @property
    def kind(self) -> tuple:
        """What calls of one batch have in common."""
        return self.poet, self.sampling, self.candidates, self.fixed_ahead, self.request.book.name


class Writing:
    """Calls that are being written in one batch."""

    def __init__(self, calls: list[Call]):
        self.calls = dict(enumerate(calls))  # those that are not over
        # Nobody waits for the first line of what is told with its end only.
        self._unheard = {number for number, call in self.calls.items() if call.tell and not call.fixed_ahead}
        self._batch: Batch | None = None

    def _begin(self) -> None:
        first, *_ = calls = self.calls.values()
        tell = self._told if any(call.tell for call in calls) else None
        requests = [call.request for call in calls]
        self._batch = Batch(first.poet, requests, first.sampling, first.candidates, tell)
        self._steps = iter(self._batch)

    def _told(self, number: int, text: str) -> None:
        call = self.calls.get(number)
        self._unheard.discard(number)
        if call and call.tell:
            call.tell(text)

    @property
    def unheard(self) -> bool:
        """Whether someone waits for a first line."""
        return not self._unheard.isdisjoint(self.calls)

    @property
    def callers(self) -> set[str]:
        return {call.caller for call in self.calls.values()}

    @property
    def due(self) -> float:
        return min(call.due for call in self.calls.values())

    def step(self) -> None:
        """Writes one character of each; after the last no call is left."""
        if self._batch is None:
            self._begin()
        for number in [number for number, call in self.calls.items() if call.poem.cancelled()]:
            del self.calls[number]
            self._batch.drop(number)
        if not self.calls:
            return
        begin, writing = time.thread_time(), [*self.calls.values()]
        ended = next(self._steps)
        part = (time.thread_time() - begin) / len(writing)
        for call in writing:
            call.poem.seconds += part
        for number, poem in ended.items():
            call = self.calls.pop(number)
            if call.poem.set_running_or_notify_cancel():
                call.poem.set_result(poem)


class Shares:
    """How much time each caller has had of late, in seconds."""

    def __init__(self):
        self._had: dict[str, tuple[float, float]] = {}  # and when that was counted

    def of(self, caller: str, now: float) -> float:
        had, then = self._had.get(caller, (0.0, now))
        return had * math.exp((then - now) / MEMORY)

    def add(self, calls: Iterable[Call], seconds: float, now: float) -> None:
        """Time that calls took side by side."""
        calls = list(calls)
        for call in calls:
            self._had[call.caller] = self.of(call.caller, now) + seconds / len(calls), now

    def forget(self, now: float) -> None:
        """Those who have had next to nothing."""
        self._had = {caller: self._had[caller] for caller in self._had if self.of(caller, now) > 0.001}


class Together:
    """Poets' time, shared by many callers from any thread.

    Args:
        rows: candidates written at once.
        writers: threads that write, each a batch.
    """

    def __init__(self, rows: int = LARGEST_BATCH, writers: int = min(os.cpu_count() or 1, MOST_WRITERS)):
        self.rows, self.writers = rows, writers
        self._waiting: list[Call] = []
        self._laid_aside: list[Writing] = []  # batches that are begun and not in a writer's hand
        self._in_hand: list[Writing] = []
        self._shares = Shares()
        self._changed = Condition()
        self._threads: list[Thread] = []

    def ask(
        self, poet: TangPoet, opening: str = "", tell: Tell | None = None, caller: str = "", /, **options
    ) -> Coming:
        """The poem that :meth:`TangPoet.write` gives for these; if it is cancelled it is not written on.

        Args:
            tell: called from a writer's thread.
            caller: who asks: what one has taken of late is held against his next call.

        Raises:
            PoetError, RuleConflict: as there, at once.
        """
        request, sampling, candidates = poet.asked(opening, options)
        seconds = len(poet.plan(request).kinds) * (STEP + candidates * ROW)
        due, ahead = time.monotonic() + PATIENCE * seconds, poet.fixes_ahead(request)
        call = Call(poet, request, sampling, candidates, ahead, Coming(), tell, caller, due)
        with self._changed:
            self._waiting.append(call)
            if len(self._threads) < self.writers:  # begun when they are needed, so that to have one costs nothing
                name = f"writes {len(self._threads)}"
                self._threads.append(Thread(target=self._write_on, name=name, daemon=True))
                self._threads[-1].start()
            self._changed.notify()
        return call.poem

    def _write_on(self) -> None:
        while True:
            writing = self._next()
            calls, begin = [*writing.calls.values()], time.thread_time()
            try:
                writing.step()
                again = [writing] if writing.calls else []
            except BaseException as error:
                again = self._broken(writing, error)
            with self._changed:
                self._shares.add(calls, time.thread_time() - begin, time.monotonic())
                self._in_hand.remove(writing)
                self._laid_aside += again
                self._changed.notify()

    @staticmethod
    def _broken(writing: Writing, error: BaseException) -> list[Writing]:
        """What becomes of a batch in which something went wrong: whosever fault it is, the others get their poems."""
        calls = [*writing.calls.values()]
        if len(calls) > 1:
            return [Writing([call]) for call in calls]
        for call in calls:
            if call.poem.set_running_or_notify_cancel():
                call.poem.set_exception(error)
        return []

    def _next(self) -> Writing:
        """The batch that a writer goes on with now."""
        with self._changed:
            while (writing := self._turn()) is None:
                self._changed.wait()
            self._in_hand.append(writing)
            return writing

    def _turn(self) -> Writing | None:
        """Of callers who have had little, a batch of which no line is told yet, else a new one; else of those who have
        had the least one that is begun; None where nobody is to be written for."""
        self._waiting = [call for call in self._waiting if not call.poem.cancelled()]
        if not self._waiting and not self._laid_aside:
            return None
        now = time.monotonic()
        callers = {call.caller for call in self._waiting}.union(*(each.callers for each in self._laid_aside))
        had = {caller: self._shares.of(caller, now) for caller in callers}
        written = [self._shares.of(caller, now) for each in self._in_hand for caller in each.callers]
        least = min(had.values())
        if least > min(written, default=math.inf) + FLOOD:
            return None
        new = [call for call in self._waiting if had[call.caller] <= least + (AHEAD if call.tell else SLACK)]
        more = {each: min(map(had.get, each.callers)) - least for each in self._laid_aside}
        begun = [each for each in self._laid_aside if more[each] <= SLACK]
        unheard = [each for each in self._laid_aside if each.unheard and more[each] <= AHEAD]
        if unheard or not new:
            writing = min(unheard or begun, key=lambda each: each.due)
            self._laid_aside.remove(writing)
            return writing
        self._shares.forget(now)
        return Writing(self._batch(new))

    def _batch(self, waiting: list[Call]) -> list[Call]:
        """Of these calls the first, and all of its kind that there is room for; of a caller one before any has two, and
        at most OF_ONE."""
        first = min(waiting, key=lambda call: call.due)
        alike = sorted((call for call in waiting if call.kind == first.kind), key=lambda call: call.due)
        turns, calls = [], Counter()
        for call in alike:
            turns.append(calls[call.caller])
            calls[call.caller] += 1
        in_turn = sorted(range(len(alike)), key=turns.__getitem__)
        room = 1 if first.fixed_ahead else max(1, self.rows // first.candidates)
        taken = [alike[place] for place in in_turn if turns[place] < OF_ONE][:room]
        self._waiting = [call for call in self._waiting if call not in taken]
        return taken


__all__ = ["Together"]
