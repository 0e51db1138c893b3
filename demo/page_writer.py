"""The process that writes poems, so that it has an interpreter of its own and shares none with what serves the page.

It is started beside the page; what is asked of it goes there through its standard input and comes back through its
standard output, pickled. In it all who ask are written for together (:mod:`tang_rnn.writing.together`). If it ends,
those it was writing for are told so by a fault, and the next who asks has it begun anew.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread
from typing import BinaryIO

from tang_rnn.faults import Fault


class Writer:
    """The process, as the page sees it."""

    def __init__(self):
        self._process: subprocess.Popen | None = None
        self._orders: SimpleQueue = SimpleQueue()  # what is to be sent; None is the end
        self._calls: dict[int, tuple[Future[dict], Callable[[str], None] | None]] = {}
        self._numbers, self._lock = itertools.count(), Lock()

    def begin(self) -> None:
        """Starts the process if there is none."""
        with self._lock:
            self._begin()

    def _begin(self) -> None:
        if self._process is not None:
            return
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._orders = SimpleQueue()
        for work in (_send, self._receive):
            Thread(target=work, args=(self._process, self._orders), name=work.__name__, daemon=True).start()

    def end(self) -> None:
        """Ends the process, and what it is writing with it."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    @property
    def pid(self) -> int | None:
        """The process's number, while there is one."""
        process = self._process
        return process and process.pid

    def ask(
        self,
        cell: str,
        opening: str,
        tell: Callable[[str], None] | None,
        caller: str,
        timed: bool = False,
        **options,
    ) -> Future[dict]:
        """A poem of the page's cell of that name, as :func:`page_answers.told` has it, once it is written; a future
        that is cancelled is not written on.

        Args:
            tell: called from another thread with the text so far.
            timed: whether it says what time it took.
            options, others: as for :meth:`tang_rnn.writing.together.Together.ask`.

        The future raises what goes wrong: what cannot be asked for, too.
        """
        poem: Future[dict] = Future()
        with self._lock:
            self._begin()
            number, orders = next(self._numbers), self._orders
            self._calls[number] = poem, tell
            orders.put(("write", number, cell, opening, tell is not None, caller, timed, options))
        poem.add_done_callback(lambda done: done.cancelled() and orders.put(("leave", number)))
        return poem

    def _receive(self, process: subprocess.Popen, orders: SimpleQueue) -> None:
        try:
            with suppress(EOFError, pickle.UnpicklingError):
                while True:
                    self._hear(*pickle.load(process.stdout))
        finally:  # whatever has gone wrong, nobody waits for ever
            process.kill()
            with self._lock:
                lost, self._calls = [poem for poem, _ in self._calls.values()], {}
                self._process = None
                orders.put(None)
            logging.getLogger(__name__).error("the process that writes has ended: %s", process.wait())
            for poem in lost:
                if poem.set_running_or_notify_cancel():
                    poem.set_exception(Fault("writer_ended"))

    def _hear(self, number: int, kind: str, what: object) -> None:
        with self._lock:
            poem, tell = self._calls.get(number, (None, None)) if kind == "text" else self._calls.pop(number)
        if kind == "text":  # perhaps one that crossed with the word that whoever asked has left
            if tell and not poem.cancelled():
                with suppress(RuntimeError):  # his loop is closed
                    tell(what)
        elif poem.set_running_or_notify_cancel():
            (poem.set_result if kind == "poem" else poem.set_exception)(what)


def _send(process: subprocess.Popen, orders: SimpleQueue) -> None:
    with suppress(OSError), process.stdin:  # who reads has ended: _receive notices
        for order in iter(orders.get, None):
            pickle.dump(order, process.stdin)
            process.stdin.flush()


# ---------------------------------------------------------------------------------------------------------------------
# In the process itself


def answer(orders: BinaryIO, answers: BinaryIO) -> None:
    """Writes what is ordered until there are no more orders."""
    import torch
    from page_answers import told
    from page_cells import NAMES, poet_of

    from tang_rnn.writing.together import Coming, Together

    torch.set_num_threads(1)  # poems are written side by side instead
    together, lock = Together(), Lock()
    calls: dict[int, Coming] = {}

    def say(number: int, kind: str, what: object) -> None:
        said = pickle.dumps((number, kind, what))
        with lock:
            answers.write(said)
            answers.flush()

    def over(number: int, cell: str, timed: bool, call: Coming) -> None:
        calls.pop(number, None)
        if call.cancelled():
            return say(number, "left", None)
        try:
            say(number, "poem", told(call.result(), cell, call.seconds if timed else None))
        except Exception as error:
            failed(number, error)

    def failed(number: int, error: Exception) -> None:
        if not isinstance(error, Fault):  # it may not go through a pipe
            logging.getLogger(__name__).error("a poem was not written", exc_info=error)
            error = RuntimeError(f"{type(error).__name__}: {error}")
        say(number, "error", error)

    def write(number: int, cell: str, opening: str, tells: bool, caller: str, timed: bool, options: dict) -> None:
        tell = partial(say, number, "text") if tells else None
        try:
            calls[number] = call = together.ask(poet_of(cell), opening, tell, caller, **options)
        except Exception as error:
            return failed(number, error)
        call.add_done_callback(partial(over, number, cell, timed))

    def leave(number: int) -> None:
        if call := calls.get(number):
            call.cancel()

    for name in NAMES:
        poet_of(name)
    kinds = {"write": write, "leave": leave}
    with suppress(EOFError):
        while True:
            kind, *order = pickle.load(orders)
            kinds[kind](*order)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the page has it, and ends what is ordered
    output, sys.stdout = sys.stdout, sys.stderr  # what is printed goes to the log
    answer(sys.stdin.buffer, output.buffer)
    os._exit(0)  # nobody listens: what is being written need not end
