"""Many users at once: ``python -m benchmarks.load [--minutes 10] [--users 1 8 64] [--json]``.

Starts the page (demo/app.py) as a process of its own on this machine and lets so many users write with it, each the
next poem as soon as the last one is there: regulated ones, free ones, and now and then a comparison or a judgement.
Prints for each number of users the time to a poem's first and last character (median and 95th percentile), poems a
second and what part that is of what ``TangPoet.write`` gives in batches in the same run, how many calls were told that
the queue is full or failed in another way, and the memory of the page's processes. Every poem is of one of a few seeds,
and must be the poem of that seed each time. In the end, users who leave must leave their places to others, and
one caller who floods the page must not keep a visitor waiting.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks import free_port

APP = Path(__file__).resolve().parent.parent / "demo" / "app.py"
OPENINGS = ("春", "月", "山", "秋")
SEEDS = 8  # so that poems come again and can be compared


@contextmanager
def page(log: IO | None = None) -> Iterator[tuple[str, psutil.Process]]:
    """The address of the page and its process, which writes what it logs into a file, or where this one does."""
    port = free_port()
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    with subprocess.Popen([sys.executable, APP], env=environment, stdout=subprocess.DEVNULL, stderr=log) as server:
        try:
            url = f"http://127.0.0.1:{port}/"
            while True:
                try:
                    httpx.get(url, timeout=60).raise_for_status()
                    break
                except httpx.TransportError:
                    if server.poll() is not None:
                        raise SystemExit("the page did not start") from None
                    time.sleep(0.5)
            yield url, psutil.Process(server.pid)
        finally:
            server.terminate()


def address(number: int) -> str:
    """A visitor's own, as a proxy on this machine forwards it: each has so many places."""
    return f"10.0.{number // 250}.{number % 250 + 1}"


def visitor(url: str, number: int, kind: type = httpx.AsyncClient):
    """A client with an address of its own."""
    headers, limits = {"X-Forwarded-For": address(number)}, httpx.Limits(max_connections=None)
    return kind(base_url=f"{url}gradio_api/call/", headers=headers, timeout=300, limits=limits)


class Wire:
    """As much of HTTP as a user needs, over a connection of his own: httpx would cost a fifth of what a poem does."""

    def __init__(self, url: str, number: int):
        self.base, self.number, self._writer = urlsplit(url), number, None

    async def request(self, method: str, path: str, body: bytes = b"") -> tuple[int, AsyncIterator[bytes]]:
        """The answer's status, and its body as it comes, which is to be read to its end before the next request."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self.base.hostname, self.base.port)
        head = [
            f"{method} {self.base.path}gradio_api/{path} HTTP/1.1",
            f"Host: {self.base.netloc}",
            f"X-Forwarded-For: {address(self.number)}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        self._writer.write("\r\n".join([*head, "", ""]).encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        return int(head.split(" ", 2)[1]), self._body(head)

    async def _body(self, head: str) -> AsyncIterator[bytes]:
        if "\r\ntransfer-encoding: chunked" in head:
            while size := int(await self._reader.readline(), 16):
                yield (await self._reader.readexactly(size + 2))[:-2]
            await self._reader.readline()
        else:
            yield await self._reader.readexactly(int(re.search(r"\r\ncontent-length: (\d+)", head)[1]))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class Users:
    """So many users for so long, and what they saw. They live in a process of their own and speak plain HTTP, so that
    the page is measured and not they.
    """

    def __init__(self, url: str, seconds: float, number: int):
        self.url, self.seconds, self.number = url, seconds, number
        self.poems: dict[str, str] = {}  # by arguments
        self.first, self.last, self.outcomes = [], [], Counter()
        self.compared = 0  # poems that comparisons gave

    async def live(self) -> dict:
        self.begin = time.perf_counter()
        await asyncio.gather(
            *(self._one(Wire(self.url, number), random.Random(number)) for number in range(self.number))
        )
        return {
            "first": self.first,
            "last": self.last,
            "compared": self.compared,
            "outcomes": self.outcomes,
            "poems": self.poems,
            "seconds": time.perf_counter() - self.begin,
        }

    async def _one(self, wire: Wire, draw: random.Random) -> None:
        while time.perf_counter() < self.begin + self.seconds:
            try:
                if draw.random() < 0.9:
                    outcome = await self._write(wire, draw)
                elif draw.random() < 0.5:
                    data = [draw.choice(OPENINGS), "五绝", True, "", "", "", 0.8, draw.randrange(SEEDS), "平水韵"]
                    (told,) = [told async for told in self._call(wire, "compare", data)]
                    self.compared += len(told["poems"])
                    outcome = "comparison"
                else:
                    data = ["白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "", "平水韵"]
                    [_ async for _ in self._call(wire, "check", data)]
                    outcome = "judgement"
            except (OSError, EOFError, RuntimeError) as error:
                wire.close()
                outcome = str(error) if "queue full" in str(error) else f"{type(error).__name__}: {error}"[:80]
                await asyncio.sleep(1)  # as the page asks
            self.outcomes[outcome] += 1

    async def _call(self, wire: Wire, name: str, data: list) -> AsyncIterator[dict]:
        """What an endpoint gives, as it comes."""
        status, body = await wire.request("POST", f"call/{name}", json.dumps({"data": data}).encode())
        text = b"".join([part async for part in body])
        if status != 200:
            raise RuntimeError("queue full" if status == 503 else f"{name}: {status}")
        _, body = await wire.request("GET", f"call/{name}/{json.loads(text)['event_id']}")
        kind, rest = b"", b""
        async for part in body:
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                if line.startswith(b"event: "):
                    kind = line.removeprefix(b"event: ")
                elif line.startswith(b"data: ") and kind in (b"generating", b"complete"):
                    yield json.loads(line.removeprefix(b"data: "))[0]
                elif kind == b"error":
                    raise RuntimeError(f"{name}: {line.decode()}")

    async def _write(self, wire: Wire, draw: random.Random) -> str:
        data = [draw.choice(OPENINGS), "lstm", draw.choice(["五绝", "七绝"]), draw.random() < 0.7, "", "", ""]
        data += [0.8, draw.randrange(SEEDS), "平水韵"]
        begin, first, told = time.perf_counter(), None, {}
        async for value in self._call(wire, "write", data):
            first, told = first or time.perf_counter() - begin, value
        self.first.append(first)
        self.last.append(time.perf_counter() - begin)
        key = json.dumps(data, ensure_ascii=False)
        same = self.poems.setdefault(key, told["text"]) == told["text"]
        return "poem" if same else "another poem of the same seed"


def figures(url: str, number: int, seconds: float, poems: dict[str, str]) -> dict:
    """So many users for so long: seconds, and counts. `poems` is what all users before them saw."""
    command = [sys.executable, "-m", "benchmarks.load", "--client", url, str(seconds), str(number)]
    seen = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    times, outcomes = {}, seen["outcomes"]
    if others := sum(poems.setdefault(key, text) != text for key, text in seen["poems"].items()):
        outcomes["another poem of the same seed"] = outcomes.get("another poem of the same seed", 0) + others
    for name in ("first", "last"):
        values = sorted(seen[name]) or [float("nan")]
        times[name] = {"median": statistics.median(values), "p95": values[int(0.95 * (len(values) - 1))]}
    return {**times, "a_second": (len(seen["last"]) + seen["compared"]) / seen["seconds"], "outcomes": outcomes}


def library(seconds: float, batch: int = 64) -> float:
    """Poems a second by ``TangPoet.write`` in batches, of the kinds that the users ask for in like parts: to eighteen
    poems comes a comparison, a poem of each cell.
    """
    from tang_rnn import TangPoet  # clients need none, and are to cost little
    from tang_rnn.poet import CELLS

    kinds = [
        ("lstm", form, regulated, part)
        for form in ("五绝", "七绝")
        for regulated, part in ((True, 0.35), (False, 0.15))
    ]
    kinds += [(cell, "五绝", True, 1 / 18) for cell in CELLS]
    poets, draw, written, begin = {cell: TangPoet.from_pretrained(cell) for cell in CELLS}, random.Random(0), 0, None
    while begin is None or time.perf_counter() < begin + seconds:
        for cell, form, regulated, part in kinds:
            openings = [draw.choice(OPENINGS) for _ in range(round(batch * part))]
            how = {"form": form, "regulated": regulated, "temperature": 0.8, "seed": draw.randrange(SEEDS)}
            written += len(poets[cell].write(openings, **how))
        if begin is None:  # the first round warms up
            written, begin = 0, time.perf_counter()
    return written / (time.perf_counter() - begin)


def leaving(url: str, users: int = 32) -> dict:
    """How long one user waits for a poem after so many others have asked for long ones and gone away."""
    post = {"data": ["春", "lstm", "七律", True, "", "", "", 0.8, None, "平水韵"]}
    with httpx.Client(base_url=f"{url}gradio_api/call/", timeout=60) as client:
        events = [client.post("write", json=post) for _ in range(users)]
        for event in (event.json()["event_id"] for event in events if event.status_code == 200):
            with client.stream("GET", f"write/{event}"):
                pass  # listens for a moment, and goes
        begin = time.perf_counter()
        while (answer := client.post("write", json=post)).status_code == 503:
            time.sleep(0.05)
        with client.stream("GET", f"write/{answer.json()['event_id']}") as stream:
            stream.read()
        return {"users_gone": users, "wait": time.perf_counter() - begin}


async def flood(url: str, loops: int = 32) -> None:
    """One caller who posts poems in so many loops, and waits for none of them."""
    post = {"data": ["春", "lstm", "七律", True, "", "", "", 0.8, None, "平水韵"]}

    async def loop(client: httpx.AsyncClient) -> None:
        while True:
            with suppress(httpx.HTTPError):
                await client.post("write", json=post)

    async with visitor(url, 1) as client:
        await asyncio.gather(*(loop(client) for _ in range(loops)))


def flooded(url: str, poems: int = 20) -> dict:
    """How long one visitor waits for each of his poems, first alone, then while another caller floods the page."""
    post = {"data": ["春", "lstm", "五绝", True, "", "", "", 0.8, 1, "平水韵"]}

    def waits() -> list[float]:
        times = []
        with visitor(url, 2, httpx.Client) as client:
            for _ in range(poems):
                begin = time.perf_counter()
                event = client.post("write", json=post).raise_for_status().json()["event_id"]
                with client.stream("GET", f"write/{event}") as stream:
                    if b"event: complete" not in stream.read():
                        raise RuntimeError("the visitor's poem was not written")
                times.append(time.perf_counter() - begin)
        return times

    quiet = waits()
    with subprocess.Popen([sys.executable, "-m", "benchmarks.load", "--flood", url]) as caller:
        try:
            time.sleep(10)  # until it posts and its places are taken
            under = waits()
        finally:
            caller.kill()
    medians = {"quiet": statistics.median(quiet), "flooded": statistics.median(under)}
    return medians | {"poems": poems, "longest": max(under), "times": medians["flooded"] / medians["quiet"]}


def memory(process: psutil.Process) -> int:
    """Bytes that the page's process and those that it has begun hold."""
    return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)])


def measure(minutes: float, numbers: list[int]) -> dict:
    poems: dict[str, str] = {}
    alone = library(min(20.0, 60 * minutes / len(numbers)))
    with page() as (url, process):
        figures(url, 1, 3, poems)  # warms up
        start, rows = memory(process), []
        for number in numbers:
            row = {"users": number} | figures(url, number, 60 * minutes / len(numbers), poems)
            row |= {"of_the_library": row["a_second"] / alone, "mebibytes": memory(process) / 2**20}
            rows.append(row)
        return {
            "machine": {"cores": os.cpu_count(), "load_before": os.getloadavg()[2]},
            "library_a_second": alone,
            "mebibytes_at_start": start / 2**20,
            "rows": rows,
            "leaving": leaving(url),
            "flooded": flooded(url),
        }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.load", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="in all (default 10)")
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--client", nargs=3, metavar=("URL", "SECONDS", "USERS"), help=argparse.SUPPRESS)
    parser.add_argument("--flood", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.flood:
        asyncio.run(flood(arguments.flood))
    if arguments.client:
        url, seconds, number = arguments.client
        print(json.dumps(asyncio.run(Users(url, float(seconds), int(number)).live()), ensure_ascii=False))
        return
    result = measure(arguments.minutes, arguments.users)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    print(f"{result['machine']['cores']} cores; {result['mebibytes_at_start']:.0f} MiB at the start")
    print(f"the library in batches: {result['library_a_second']:.2f} poems a second")
    print(
        f"{'users':>6}{'first s':>10}{'p95':>8}{'last s':>10}{'p95':>8}{'poems/s':>9}{'ratio':>7}{'MiB':>7}  outcomes"
    )
    for row in result["rows"]:
        first, last = row["first"], row["last"]
        print(
            f"{row['users']:6}{first['median']:10.2f}{first['p95']:8.2f}{last['median']:10.2f}{last['p95']:8.2f}"
            f"{row['a_second']:9.2f}{row['of_the_library']:7.2f}{row['mebibytes']:7.0f}  "
            + ", ".join(f"{count} {name}" for name, count in sorted(row["outcomes"].items()))
        )
    under = result["flooded"]
    print(
        f"a visitor's poem took {under['quiet']:.2f} s, and {under['flooded']:.2f} s ({under['times']:.2f} times that; "
        f"at most {under['longest']:.2f} s) while another caller flooded the page"
    )
    gone = result["leaving"]
    print(f"after {gone['users_gone']} users had gone in the middle, a poem took {gone['wait']:.2f} s")


if __name__ == "__main__":
    main()
