"""Who is next: a queue in which nobody's calls stand in the way of everybody else's.

A caller is an address, as :func:`page_guard.named` has it. He may have so many calls in the queue and so many that
compute, and callers take turns: next is the oldest call of the one who has the fewest computing, and of these of the
one whose last turn is longest ago. How poems that are being written share the writers' time is told in
:mod:`tang_rnn.writing.together`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import gradio as gr
from gradio.queueing import Event, Queue
from page_guard import CALLER, named

PLACES = 24  # calls of one caller, waiting or computing
COMPUTING = 16  # of them at once, and at most half of all that compute: poems are written side by side
PAUSE = 2.0  # seconds after which a call for which there is no place is told so: who asks in a loop asks seldom
IDLE = 0.005  # seconds between two looks into the queue
REMEMBERED = 2000  # sessions whose answers are kept for who has yet to fetch them, as many as Gradio keeps of answers


def caller_of(event: Event) -> str:
    return named(event.request and event.request.client)


class Turns(Queue):
    """Gradio's queue, with places for each caller."""

    last_turn: dict[str, int]
    turn: int

    async def push(self, body, request, username):
        caller = named(request.client)
        taken = sum(caller_of(event) == caller for event in [*self.event_ids_to_events.values()])
        if taken >= PLACES:
            await asyncio.sleep(PAUSE)
            return False, f"Queue is full. You have {taken} calls in it: wait for one of them.", "queue_full"
        self._forget()
        return await super().push(body, request, username)

    def get_events(self):
        computing = Counter(caller_of(event) for job in self.active_jobs if job for event in job)
        names = list(self.event_queue_per_concurrency_id)
        random.shuffle(names)
        for name in names:
            queue = self.event_queue_per_concurrency_id[name]
            limit = queue.concurrency_limit or len(self.active_jobs)
            if not queue.queue or queue.current_concurrency >= limit:
                continue
            most = max(1, min(COMPUTING, limit // 2))
            first: dict[str, Event] = {}
            for event in queue.queue:
                first.setdefault(caller_of(event), event)
            waiting = [caller for caller in first if computing[caller] < most]
            if not waiting:
                continue
            caller = min(waiting, key=lambda caller: (computing[caller], self.last_turn.get(caller, 0)))
            self.turn += 1
            self.last_turn[caller] = self.turn
            queue.queue.remove(first[caller])
            return [first[caller]], False, name
        return None

    async def process_events(self, events, *how):
        CALLER.set(caller_of(events[0]))
        await super().process_events(events, *how)

    def _forget(self) -> None:
        """Drops what is kept of callers who are gone, and of answers that nobody has fetched."""
        if len(self.pending_event_ids_session) > REMEMBERED:
            alive = {event.session_hash for event in self.event_ids_to_events.values()}
            for session in [each for each in self.pending_event_ids_session if each not in alive]:
                del self.pending_event_ids_session[session]
        if len(self.last_turn) > REMEMBERED:
            here = {caller_of(event) for event in self.event_ids_to_events.values()}
            self.last_turn = {caller: turn for caller, turn in self.last_turn.items() if caller in here}


def take_turns(page: gr.Blocks) -> gr.Blocks:
    """Has a page that has a queue keep it so."""
    queue = page._queue
    queue.__class__ = Turns  # Gradio makes it itself, deep inside `queue`
    queue.last_turn, queue.turn = {}, 0
    queue.sleep_when_free = IDLE
    queue.ANALYTICS_MAX_EVENTS = 0  # of all of them it would make a table after each, for a page that is closed here
    return page
