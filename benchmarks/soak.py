"""What stays of many strangers: ``python -m benchmarks.soak [--requests 3000] [--streams 3000] [--json]``.

Starts the page (demo/app.py) as a process of its own on this machine and comes to it from many addresses: with requests
of every kind, right and wrong; with streams that are opened and left half open, a hundred at once and thousands in all;
with poems that are asked for and given up in the middle. Prints for each how many there were, how many were answered,
refused in words, left or failed, and the memory of the page's processes (MiB), their open files and threads: before, at
their peak, and when all have gone; and what they have logged (KiB). What went before warms up and is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import IO

import psutil

from benchmarks.load import OPENINGS, Wire, memory, page

AT_ONCE = 16  # requests
OPEN = 100  # streams at once
STAYS = 3.0  # seconds for which a stream is left open
REST = 10.0  # seconds after which what has gone is to be gone
ADDRESSES = 500
POEM = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"

#: One stranger's call, by his number; says what came of it.
Call = Callable[[str, int, random.Random], Awaitable[str]]


async def _answer(wire: Wire, name: str, data: list) -> str:
    """Asks for what an endpoint gives, and reads it to its end."""
    status, body = await wire.request("POST", f"call/{name}", json.dumps({"data": data}).encode())
    text = b"".join([part async for part in body])
    if status != 200:
        return "refused"
    _, body = await wire.request("GET", f"call/{name}/{json.loads(text)['event_id']}")
    text = b"".join([part async for part in body])
    if b"event: complete" in text:
        return "answered"
    return "refused" if b'"title"' in text else "failed"


async def request(url: str, number: int, draw: random.Random) -> str:
    """Poems, judgements, other characters for a place, and what cannot be."""
    wire = Wire(url, number % ADDRESSES)
    seed = draw.randrange(10**6)
    kinds = [
        ("write", [draw.choice(OPENINGS), "rnn", "五绝", False, "", "", "", 0.8, seed, "平水韵"]),
        ("write", [draw.choice(OPENINGS), "gru", "七绝", False, "", "", "", 0.8, seed, "平水韵"]),
        ("check", [POEM * draw.randrange(1, 8), "", "平水韵"]),
        ("alternatives", [POEM, 2, 3, "rnn", 12, 1, "", "", "平水韵"]),
        ("write", ["x" * draw.randrange(1, 40), "rnn", "五绝"]),  # no Chinese
        ("write", [draw.choice(OPENINGS), "none", "五绝"]),  # no such cell
        ("nothing", [seed]),  # no such endpoint
        ("check", seed),  # no list
    ]
    try:
        return await _answer(wire, *draw.choice(kinds))
    finally:
        wire.close()


async def half_open(url: str, number: int, draw: random.Random) -> str:
    """A stream that is opened, perhaps of a poem, and of which nothing more is read."""
    wire = Wire(url, number % ADDRESSES)
    try:
        if draw.random() < 0.5:
            status, _ = await wire.request("GET", f"heartbeat/{number}")
        else:
            data = {"data": [draw.choice(OPENINGS), "rnn", "五绝", False, "", "", "", 0.8, number, "平水韵"]}
            status, body = await wire.request("POST", "call/write", json.dumps(data).encode())
            text = b"".join([part async for part in body])
            if status == 200:
                status, _ = await wire.request("GET", f"call/write/{json.loads(text)['event_id']}")
        if status != 200:
            return "refused"
        await asyncio.sleep(STAYS)
        return "left"
    finally:
        wire.close()


async def given_up(url: str, number: int, draw: random.Random) -> str:
    """A long poem that is asked for, listened to for a moment, and left in the middle."""
    wire = Wire(url, number % ADDRESSES)
    data = {"data": ["春", "rnn", "七律", draw.random() < 0.5, "", "", "", 0.8, number, "平水韵"]}
    try:
        status, body = await wire.request("POST", "call/write", json.dumps(data).encode())
        text = b"".join([part async for part in body])
        if status != 200:
            return "refused"
        await wire.request("GET", f"call/write/{json.loads(text)['event_id']}")
        await asyncio.sleep(draw.random() * 0.2)
        return "left"
    finally:
        wire.close()


async def all_of(url: str, call: Call, count: int, at_once: int, first: int) -> Counter:
    """So many calls, some at once, and what came of them."""
    outcomes, room = Counter(), asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with room:
            try:
                outcome = await asyncio.wait_for(call(url, number, random.Random(number)), 120)
            except (OSError, EOFError, ValueError, TimeoutError) as error:
                outcome = f"failed: {type(error).__name__}"
            outcomes[outcome] += 1

    await asyncio.gather(*(one(first + number) for number in range(count)))
    return outcomes


def held(process: psutil.Process, log: IO) -> dict:
    """What the page's processes hold: bytes, open files, threads; and bytes that they have logged."""
    family = [process, *process.children(recursive=True)]
    return {
        "memory": memory(process),
        "files": sum(each.num_fds() for each in family),
        "threads": sum(each.num_threads() for each in family),
        "logged": os.fstat(log.fileno()).st_size,
    }


class Watch:
    """The greatest that the page's processes hold, from begin to end."""

    def __init__(self, process: psutil.Process, log: IO):
        self.process, self.log, self.peak, self._over = process, log, held(process, log), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._over.wait(0.25):
            now = held(self.process, self.log)
            self.peak = {name: max(value, now[name]) for name, value in self.peak.items()}

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *error) -> None:
        self._over.set()
        self._thread.join()


def measure(requests: int, streams: int) -> Iterator[dict]:
    """A row for each kind of call."""
    kinds = [
        ("requests", request, requests, AT_ONCE),
        ("half-open streams", half_open, streams, OPEN),
        ("poems given up", given_up, requests // 3, AT_ONCE),
    ]
    with tempfile.TemporaryFile() as log, page(log) as (url, process):
        for _, call, count, at_once in kinds:
            asyncio.run(all_of(url, call, min(count, 200), at_once, 0))
        time.sleep(REST)
        for name, call, count, at_once in kinds:
            before, begin = held(process, log), time.perf_counter()
            with Watch(process, log) as watch:
                outcomes = asyncio.run(all_of(url, call, count, at_once, 1000))
            seconds = time.perf_counter() - begin
            time.sleep(REST)
            yield {
                **{"what": name, "count": count, "seconds": seconds, "outcomes": outcomes},
                **{"before": before, "peak": watch.peak, "after": held(process, log)},
            }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--streams", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    rows = measure(arguments.requests, arguments.streams)
    if arguments.json:
        print(json.dumps([*rows]))
        return
    head = f"{'':19}{'count':>6}{'s':>6}  {'MiB before, peak, after':25}{'files':>16}{'threads':>14}{'logged':>8}"
    print(f"{head}  outcomes", flush=True)
    for row in rows:
        states = [row[name] for name in ("before", "peak", "after")]
        sizes, files, threads = (
            ", ".join(f"{state[name] / unit:.0f}" for state in states)
            for name, unit in (("memory", 2**20), ("files", 1), ("threads", 1))
        )
        logged = states[2]["logged"] - states[0]["logged"]
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(row["outcomes"].items()))
        print(
            f"{row['what']:19}{row['count']:6}{row['seconds']:6.0f}  {sizes:25}{files:>16}{threads:>14}"
            f"{logged / 2**10:8.0f}  {outcomes}",
            flush=True,
        )


if __name__ == "__main__":
    main()
