"""Finds what cells say too often, and what must be asked for it: ``python -m training.turns lstm gru rnn``.

A cell that has learned from readers, and of whose lines the best of many is taken, says what is liked again and again.
Round by round each cell writes poems; what stands in their lines more than so many times as often as in those of real
ones becomes dearer by the logarithm of what it is too much, what stands there less often cheaper, down to nothing: the
multipliers of a bound on each turn, climbed to their fixed point (the method of Arrow, Hurwicz and Uzawa 1958). So what
takes the place of a turn is found in the next round. Writes verse/data/turns.tsv (:mod:`tang_rnn.verse.turns`).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch

from tang_rnn import TangPoet
from tang_rnn.verse import turns
from tang_rnn.verse.turns import ANYWHERE, Turn, Turns, turns_of

from .candidates import regulated
from .corpus import HERE
from .errors import UserError, ended
from .lines import GRADED
from .loading import load_corpus

# A turn may stand so many times as often as in real lines, and in this part of all besides; one that may stand anywhere
# in this part.
BOUND, FREE, FREE_ANYWHERE = 3.0, 0.004, 0.0015
LENGTHS = (5, 7)
LEAST = 0.2  # a price below this is none


class TurnsError(UserError):
    """A wrong option."""


def count(lines: Iterable[str]) -> tuple[Counter[Turn], Counter[int]]:
    """In how many lines each turn stands, and how many of these there are, of each length and of any."""
    found, lengths = Counter(), Counter()
    for line in lines:
        if len(line) in LENGTHS:
            lengths.update([len(line), ANYWHERE])
            found.update({*turns_of(line)})
    return found, lengths


def too_much(
    lines: Sequence[str], real: tuple[Counter[Turn], Counter[int]], known: Collection[Turn]
) -> dict[Turn, float]:
    """Of the turns that are known, and of those that stand in lines more often than they may, the logarithm of how
    often they do over how often they may."""
    (ours, many), (theirs, of_all) = count(lines), real
    found = {}
    for turn in {*known, *ours}:
        free = FREE_ANYWHERE if turn[0] == ANYWHERE else FREE
        may = (BOUND * theirs[turn] / max(1, of_all[turn[0]]) + free) * many[turn[0]]
        if turn in known or ours[turn] > may:
            found[turn] = math.log(max(ours[turn], 0.5) / max(may, 0.5))
    return found


def dearer(prices: dict[Turn, float], of_cells: Sequence[dict[Turn, float]], step: float) -> dict[Turn, float]:
    """The prices after a round, by the cell that overuses each the most."""
    turns_seen = {turn for found in of_cells for turn in found}
    new = {t: prices.get(t, 0.0) + step * max(found.get(t, -math.inf) for found in of_cells) for t in turns_seen}
    return {turn: price for turn, price in new.items() if price >= LEAST}


def write_lines(cell: str, poems: int, seed: int, corpus: str) -> list[str]:
    """The lines of so many regulated poems of a cell."""
    torch.set_num_threads(1)
    return [line for poem in regulated(TangPoet.from_pretrained(cell), poems, seed, corpus) for line in poem.lines]


def written(cells: Sequence[str], poems: int, seed: int, corpus: str) -> dict[str, list[str]]:
    """The lines of so many poems of each cell by the prices on disk, each core writing a part of them."""
    parts = os.cpu_count() or 1
    with ProcessPoolExecutor(parts, mp_context=get_context("spawn")) as pool:
        each = -(-poems // parts)
        tasks = {
            cell: [pool.submit(write_lines, cell, each, seed + part * each, corpus) for part in range(parts)]
            for cell in cells
        }
        return {cell: [line for task in of_cell for line in task.result()] for cell, of_cell in tasks.items()}


def climb(cells: Sequence[str], settings: argparse.Namespace) -> Iterator[str]:
    """Raises the prices, a round a line."""
    rows = load_corpus(settings.corpus)["train"]
    real = count(line for form, lines in zip(rows["form"], rows["lines"]) if form in GRADED for line in lines)
    for number in range(settings.rounds):
        prices = Turns.load().prices
        lines = written(cells, settings.poems, settings.seed + number * settings.poems, settings.corpus)
        found = {cell: too_much(of_cell, real, prices) for cell, of_cell in lines.items()}
        prices = dearer(prices, [*found.values()], settings.step)
        Turns(prices).write(turns.TABLE)
        over = (
            f"{cell} {sum(max(0.0, each) for each in of_cell.values()) / len(lines[cell]):.3f}"
            for cell, of_cell in found.items()
        )
        yield f"round {number + 1}: too much, nats a line: {', '.join(over)}; {len(prices)} turns have a price"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.turns", description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="+", metavar="CELL", help="name or folder of a checkpoint")
    parser.add_argument("--poems", type=int, default=300, help="of each cell in a round (default: 300)")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--step", type=float, default=1.0, help="of a price in a round (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the first poem, and of the openings")
    parser.add_argument("--corpus", default=str(HERE), help="folder or Hub id of the dataset")
    options = parser.parse_args(argv)

    def run() -> None:
        if options.poems < 1 or options.rounds < 1:
            raise TurnsError("--poems and --rounds must be 1 or more")
        for line in climb(options.cells, options):
            print(line, flush=True)

    return ended("training.turns", run, also=(OSError,))


if __name__ == "__main__":
    sys.exit(main())
