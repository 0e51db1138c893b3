"""Many users at once: ``python -m benchmarks.load [--minutes 10] [--users 1 8 64] [--json]``.

Starts the page (demo/app.py) as a process of its own on this machine and lets so many users write with it through
``gradio_client``, each the next poem as soon as the last one is there: regulated ones, free ones, and now and then a
comparison or a judgement. Prints for each number of users the time to a poem's first and last character (median and
95th percentile), poems a second, how many calls were told that the queue is full or failed in another way, and the
memory of the page's process. Every poem is of one of a few seeds, and must be the poem of that seed each time. In the
end, users who leave in the middle must leave their places to others.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
from gradio_client import Client

APP = Path(__file__).resolve().parent.parent / "demo" / "app.py"
OPENINGS = ("春", "月", "山", "秋")
SEEDS = 8  # so that poems come again and can be compared


@contextmanager
def page() -> Iterator[tuple[str, psutil.Process]]:
    """The address of the page and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    with subprocess.Popen([sys.executable, APP], env=environment, stdout=subprocess.DEVNULL) as server:
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


class Users:
    """So many users for so long, and what they saw."""

    def __init__(self, url: str, number: int, seconds: float, poems: dict[tuple, str]):
        self.poems = poems  # by arguments: shared by all, and by those who come later
        self.first, self.last, self.outcomes = [], [], Counter()
        clients = [Client(url, verbose=False, analytics_enabled=False) for _ in range(number)]
        self.begin = time.perf_counter()
        self.end = self.begin + seconds
        threads = [threading.Thread(target=self._live, args=each) for each in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.seconds = time.perf_counter() - self.begin
        for client in clients:
            client.close()

    def _live(self, number: int, client: Client) -> None:
        draw = random.Random(number)
        while time.perf_counter() < self.end:
            try:
                if draw.random() < 0.9:
                    outcome = self._write(client, draw)
                elif draw.random() < 0.5:
                    client.predict(draw.choice(OPENINGS), seed=draw.randrange(SEEDS), api_name="/compare")
                    outcome = "comparison"
                else:
                    client.predict("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", api_name="/check")
                    outcome = "judgement"
            except Exception as error:  # gradio_client and httpx have many
                outcome = "queue full" if "ueue is full" in str(error) else f"{type(error).__name__}: {error}"[:80]
                if outcome == "queue full":
                    time.sleep(1)  # as the page asks
            self.outcomes[outcome] += 1

    def _write(self, client: Client, draw: random.Random) -> str:
        arguments = (draw.choice(OPENINGS), "lstm", draw.choice(["五绝", "七绝"]), draw.random() < 0.7)
        seed = draw.randrange(SEEDS)
        begin = time.perf_counter()
        job = client.submit(*arguments, seed=seed, api_name="/write")
        times = [time.perf_counter() - begin for _ in job]
        poem = job.result()
        self.first.append(times[0])
        self.last.append(times[-1])
        same = self.poems.setdefault((*arguments, seed), poem["text"]) == poem["text"]
        return "poem" if same else "another poem of the same seed"

    def figures(self) -> dict:
        """Seconds, and counts."""
        times = {}
        for name, values in (("first", self.first), ("last", self.last)):
            values = sorted(values) or [float("nan")]
            times[name] = {"median": statistics.median(values), "p95": values[int(0.95 * (len(values) - 1))]}
        return {**times, "a_second": len(self.last) / self.seconds, "outcomes": dict(self.outcomes)}


def leaving(url: str, users: int = 32) -> dict:
    """How long one user waits for a poem after so many others have asked for long ones and gone away."""
    post = {"data": ["春", "lstm", "七律", True, "", "", "", 0.8, None, "平水韵"]}
    with httpx.Client(base_url=f"{url}gradio_api/call/", timeout=60) as client:
        events = [client.post("write", json=post) for _ in range(users)]
        for event in (event.json()["event_id"] for event in events if event.status_code == 200):
            with client.stream("GET", f"write/{event}"):
                pass  # listens for a moment, and goes
        begin = time.perf_counter()
        while client.post("check", json={"data": ["春眠不觉晓，处处闻啼鸟。", ""]}).status_code == 503:
            time.sleep(0.05)
        Client(url, verbose=False, analytics_enabled=False).predict("春", seed=1, api_name="/write")
        return {"users_gone": users, "wait": time.perf_counter() - begin}


def measure(minutes: float, numbers: list[int]) -> dict:
    poems: dict[tuple, str] = {}
    with page() as (url, process):
        Users(url, 1, 3, poems)  # warms up
        start, rows = process.memory_info().rss, []
        for number in numbers:
            row = {"users": number} | Users(url, number, 60 * minutes / len(numbers), poems).figures()
            rows.append(row | {"mebibytes": process.memory_info().rss / 2**20})
        return {
            "machine": {"cores": os.cpu_count(), "load_before": os.getloadavg()[2]},
            "mebibytes_at_start": start / 2**20,
            "rows": rows,
            "leaving": leaving(url),
        }


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.load", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10, help="in all (default 10)")
    parser.add_argument("--users", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    result = measure(arguments.minutes, arguments.users)
    if arguments.json:
        print(json.dumps(result, ensure_ascii=False))
        return
    print(f"{result['machine']['cores']} cores; {result['mebibytes_at_start']:.0f} MiB at the start")
    print(f"{'users':>6}{'first s':>10}{'p95':>8}{'last s':>10}{'p95':>8}{'poems/s':>9}{'MiB':>7}  outcomes")
    for row in result["rows"]:
        first, last = row["first"], row["last"]
        print(
            f"{row['users']:6}{first['median']:10.2f}{first['p95']:8.2f}{last['median']:10.2f}{last['p95']:8.2f}"
            f"{row['a_second']:9.2f}{row['mebibytes']:7.0f}  "
            + ", ".join(f"{count} {name}" for name, count in sorted(row["outcomes"].items()))
        )
    gone = result["leaving"]
    print(f"after {gone['users_gone']} users had gone in the middle, a poem took {gone['wait']:.2f} s")


if __name__ == "__main__":
    main()
