"""What starting costs: ``python -m benchmarks.startup [--json]``.

Each line of the table is a new process: importing the package, the command writing a poem, the page answering its
first request. In turns, round by round, of which one takes some 25 seconds on two cores; the ratio is the median over
the rounds of that to importing in the same round what it cannot do without: torch for the command, torch, transformers
and gradio for the page. Memory is the largest resident set of the process. A process that takes more than two minutes
is ended, and what it said is printed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import free_port, machine

ROOT = Path(__file__).resolve().parent.parent
TORCH, PACKAGE, PAGE = "import torch", "import torch, transformers", "import torch, transformers, gradio"
COMMAND = "import sys, tang_rnn_command; sys.argv[0] = 'tang-rnn'; sys.exit(tang_rnn_command.main())"


def python(*arguments: str) -> tuple[float, int]:
    """Runs Python to its end: seconds, and KiB at most."""
    return _timed([sys.executable, *arguments], lambda process: None)


LONGEST = 120.0  # seconds that one of them may take


def page() -> tuple[float, int]:
    """Runs the page until it answers."""
    port = free_port()

    def answers(process: subprocess.Popen) -> None:
        while process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST)
            try:
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.02)

    settings = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
    return _timed([sys.executable, str(ROOT / "demo" / "app.py")], answers, stop=True, **settings)


def _timed(
    command: list[str], until: Callable[[subprocess.Popen], None], stop: bool = False, **settings: str
) -> tuple[float, int]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | settings
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as said:  # no pipe: a process that says much would wait for somebody to read it
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        ended = threading.Timer(LONGEST, process.kill)
        ended.start()
        until(process)
        seconds, late = time.perf_counter() - begin, not ended.is_alive()
        if stop and process.returncode is None:
            process.kill()
        _, status, usage = os.wait4(process.pid, 0)
        if not stop:
            seconds, late = time.perf_counter() - begin, not ended.is_alive()
        ended.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if late or process.returncode != (-9 if stop else 0):
            said.seek(0)
            why = f"took more than {LONGEST:.0f} seconds" if late else "failed"
            raise SystemExit(f"{' '.join(command)} {why}:\n{said.read().decode(errors='replace')}")
    return seconds, usage.ru_maxrss


WAYS: dict[str, Callable[[], tuple[float, int]]] = {
    TORCH: lambda: python("-c", TORCH),
    PACKAGE: lambda: python("-c", PACKAGE),
    "from transformers import PreTrainedModel": lambda: python("-c", "from transformers import PreTrainedModel"),
    "import tang_rnn": lambda: python("-c", "import tang_rnn"),
    "tang-rnn --help": lambda: python("-c", COMMAND, "--help"),
    "tang-rnn write 春": lambda: python("-c", COMMAND, "write", "春"),
    "tang-rnn write 春 --form 七律 --regulated": lambda: python(
        *("-c", COMMAND, "write", "春", "--form", "七律", "--regulated")
    ),
    PAGE: lambda: python("-c", PAGE),
    "page ready": page,
}
# What each is held against; all others against torch.
BASES = {"from transformers import PreTrainedModel": PACKAGE, "import tang_rnn": PACKAGE, "page ready": PAGE}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.startup", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(argv)
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in WAYS}
    for number in range(arguments.rounds + 1):
        for name, way in WAYS.items():
            value = way()
            if number:  # the first round brings the files into memory
                found[name].append(value)
        print(f"round {number} of {arguments.rounds}", file=sys.stderr)
    seconds = {name: [value[0] for value in values] for name, values in found.items()}
    rows = [
        {
            "what": name,
            "seconds": statistics.median(seconds[name]),
            "ratio": statistics.median(own / base for own, base in zip(seconds[name], seconds[BASES.get(name, TORCH)])),
            "mebibytes": statistics.median(memory for _, memory in found[name]) / 1024,
        }
        for name in WAYS
    ]
    described = machine()
    if arguments.json:
        print(json.dumps({"machine": described, "rows": rows}))
        return
    print(", ".join(f"{name} {value}" for name, value in described.items()))
    print(f"{'':44}{'seconds':>9}{'ratio':>8}{'MiB':>8}")
    for row in rows:
        wide = sum(ord(character) > 0x2E80 for character in row["what"])  # takes two columns of a terminal
        print(f"{row['what']:{44 - wide}}{row['seconds']:9.2f}{row['ratio']:8.2f}{row['mebibytes']:8.0f}")


if __name__ == "__main__":
    main()
