"""Lines that a cell could have written, as it wrote poems: ``python -m training.candidates CELL --output FILE``.

Behind each beginning a cell writes many lines and one is taken. What the others were says more of the cell than the
poems do, and is what it must choose from the next time: :mod:`training.judge` grades them, and the cell learns from
that (:mod:`training.preferences`).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tang_rnn import Poem, TangPoet
from tang_rnn.files import written_whole
from tang_rnn.writing.choice import READ, Choice
from tang_rnn.writing.drawing import Written
from tang_rnn.writing.reading import Request

from .errors import UserError, ended
from .lines import GRADED
from .loading import load_corpus

LONGEST_OPENING = 2  # characters
MOST_JUDGED = 50_000  # lines that a grader is learned from: more say no more


class CandidateError(UserError):
    """A wrong option, or a file of candidates that is none."""


class Candidates(NamedTuple):
    """Lines behind one beginning.

    Attributes:
        form: its name.
        before: the lines of the beginning, without marks.
        lines: those that could follow.
        scores: what a judge says of each; none before it was asked.
    """

    form: str
    before: tuple[str, ...]
    lines: tuple[str, ...]
    scores: tuple[float, ...] = ()


class Judged(NamedTuple):
    """A line of which a judge has said what readers would (:mod:`training.judge`): the form of its poem, the lines up
    to it and it, and the score."""

    form: str
    lines: tuple[str, ...]
    score: float


def write_candidates(path: Path, groups: Sequence[Candidates]) -> None:
    """One group a row, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as whole:
        rows = (json.dumps(group._asdict(), ensure_ascii=False) for group in groups)
        whole.write_text("\n".join(rows) + "\n", encoding="utf-8")


def read_candidates(path: Path, judged: bool = False) -> list[Candidates]:
    """Those of a file.

    Args:
        judged: they must have scores.

    Raises:
        CandidateError: a row that is none.
    """
    found = []
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            group = Candidates(**{key: tuple(v) if key != "form" else v for key, v in json.loads(row).items()})
            if group.form not in GRADED or (judged or group.scores) and len(group.scores) != len(group.lines):
                raise ValueError
        except (ValueError, TypeError, AttributeError):
            raise CandidateError(
                f"{path}, row {number}: not a form, lines before and lines{' and their scores' * judged}"
            ) from None
        found.append(group)
    return found


def read_judged(path: Path, seed: int = 0) -> list[Judged]:
    """Lines of a file of candidates, at most MOST_JUDGED, whole beginnings of them.

    Raises:
        CandidateError: it is none, or was not judged.
    """
    groups, found = read_candidates(path, judged=True), []
    random.Random(seed).shuffle(groups)
    for group in groups:
        found += (Judged(group.form, (*group.before, *each), s) for *each, s in zip(group.lines, group.scores))
        if len(found) >= MOST_JUDGED:
            break
    return found


class Noting(Choice):
    """Notes in `found` what lines stand behind which form and beginning when one is taken, and how each is ranked."""

    def __init__(self, poet: TangPoet, found: dict[tuple, dict[str, float]], requests: Sequence[Request]):
        super().__init__(poet, requests)
        self.noted = found

    def __call__(self, numbers: Sequence[int], rows: Sequence[Written], read: int = READ) -> list[float]:
        scores = super().__call__(numbers, rows, read)
        for number, row, score in zip(numbers, rows, scores):
            *before, line = self.poet.poem(self.requests[number], row).lines
            self.noted.setdefault((self.requests[number].rules.form, tuple(before)), {})[line] = score
        return scores


def watched(poet: TangPoet, found: dict[tuple, dict[str, float]]) -> TangPoet:
    """The poet, who from now on notes in `found` what he chooses from."""
    poet.choice = partial(Noting, poet, found)
    return poet


def openings(corpus: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """A form and how a poem of it begins, a character or two, without end."""
    rows = load_corpus(corpus)["train"]
    poems = [(form, text) for form, text in zip(rows["form"], rows["text"]) if form in GRADED]
    while True:
        form, text = rng.choice(poems)
        yield form, text[: rng.randint(1, LONGEST_OPENING)]


def regulated(poet: TangPoet, count: int, seed: int, corpus: str) -> Iterator[Poem]:
    """So many regulated poems, each on an opening of its own."""
    asked = openings(corpus, random.Random(seed))
    for number in range(count):
        form, opening = next(asked)
        yield poet.write(opening, form=form, regulated=True, seed=seed + number)


def collect(cell: str, count: int, seed: int, corpus: str) -> list[Candidates]:
    """The candidates of so many regulated poems."""
    found: dict[tuple, dict[str, float]] = {}
    for _ in regulated(watched(TangPoet.from_pretrained(cell), found), count, seed, corpus):
        pass  # what counts is noted as they are written
    return [Candidates(form, before, tuple(lines)) for (form, before), lines in found.items()]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.candidates", description=__doc__.splitlines()[0])
    parser.add_argument("cell", metavar="CELL", help="name or folder of a checkpoint")
    parser.add_argument("--poems", type=int, default=500, help="how many it writes (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the first poem, and of the openings")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset, for openings")
    arguments = parser.parse_args(argv)

    def run() -> None:
        if arguments.poems < 1:
            raise CandidateError("--poems must be 1 or more")
        groups = collect(arguments.cell, arguments.poems, arguments.seed, arguments.corpus)
        write_candidates(arguments.output, groups)
        lines = sum(len(group.lines) for group in groups)
        print(f"{arguments.output}: {lines} lines behind {len(groups)} beginnings; then python -m training.judge score")

    return ended("training.candidates", run, also=(OSError,))


if __name__ == "__main__":
    sys.exit(main())
