"""Who is next: a queue in which nobody's calls stand in the way of everybody else's.

A caller is an address, as uvicorn has it: behind a proxy that is trusted (FORWARDED_ALLOW_IPS, uvicorn's own setting)
the one it forwards. He may have so many calls in the queue and so many that compute, and callers take turns: next is
the oldest call of the one who has the fewest computing, and of these of the one whose last turn is longest ago.
"""

from __future__ import annotations

import random
from collections import Counter

import gradio as gr
from gradio.queueing import Event, Queue

PLACES = 24  # calls of one caller, waiting or computing
COMPUTING = 4  # of them at once: poems are written side by side, and each makes the others' last a little longer
REMEMBERED = 2000  # sessions whose answers are kept for who has yet to fetch them, as many as Gradio keeps of answers


def caller_of(event: Event) -> str:
    client = event.request.client if event.request else None
    return client.host if client else ""


class Turns(Queue):
    """Gradio's queue, with places for each caller."""

    last_turn: dict[str, int]
    turn: int

    async def push(self, body, request, username):
        caller = request.client.host if request.client else ""
        taken = sum(caller_of(event) == caller for event in [*self.event_ids_to_events.values()])
        if taken >= PLACES:
            return False, f"Queue is full. You have {taken} calls in it: wait for one of them.", "queue_full"
        self._forget()
        return await super().push(body, request, username)

    def get_events(self):
        computing = Counter(caller_of(event) for job in self.active_jobs if job for event in job)
        names = list(self.event_queue_per_concurrency_id)
        random.shuffle(names)
        for name in names:
            queue = self.event_queue_per_concurrency_id[name]
            if not queue.queue or queue.current_concurrency >= (queue.concurrency_limit or len(self.active_jobs)):
                continue
            first: dict[str, Event] = {}
            for event in queue.queue:
                first.setdefault(caller_of(event), event)
            waiting = [caller for caller in first if computing[caller] < COMPUTING]
            if not waiting:
                continue
            caller = min(waiting, key=lambda caller: (computing[caller], self.last_turn.get(caller, 0)))
            self.turn += 1
            self.last_turn[caller] = self.turn
            queue.queue.remove(first[caller])
            return [first[caller]], False, name
        return None

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
    page._queue.__class__ = Turns  # Gradio makes it itself, deep inside `queue`
    page._queue.last_turn, page._queue.turn = {}, 0
    return page
