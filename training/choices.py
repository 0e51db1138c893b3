"""Readers say which of a cell's lines should stand next: ``python -m training.choices``.

A grade of a poem says what readers think of the lines that were taken. What could have been taken in their place they
see here: ``sheet`` writes beginnings of poems on a page, each with twelve candidates for its next line, most of them
those that the cell itself ranks highest; whoever grades them writes a digit a candidate behind each; ``collect`` adds
the page to choices.tsv.xz beside this file::

    python -m training.choices sheet lstm gru rnn --beginnings 60 --page runs/choices/1.txt
    python -m training.choices collect runs/choices/*.txt

Candidates for one place are easier to compare than poems, and each comparison is one that the cell has to make. Cells
learn to write what was preferred (``python -m training.preferences --choices``), their graders to tell it
(``python -m training.grading fit --choices``). Two readers of one page agree on 98 of 100 pairs (training/LOG.md, "What
should stand next").
"""

from __future__ import annotations

import argparse
import lzma
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tang_rnn import TangPoet
from tang_rnn.files import written_whole
from tang_rnn.verse.forms import FORMS

from .candidates import Candidates, regulated, watched
from .errors import UserError, ended
from .lines import GRADED, of_lines
from .reading import check_new, lay_out, read_answers

CHOICES = Path(__file__).parent / "choices.tsv.xz"
NAMES = "abcdefghijkl"  # of the candidates of a beginning, as many as are asked about
BEST = 8  # of these the cell's own best; the others are drawn from the rest
OF_POEM = 2  # beginnings of one poem
EXPLAINED = """\
Grade each candidate as the line that would stand there, a digit each, in order: 3 good, 2 sound though plain, 1
strained, idle, or against what stands before, 0 broken. Such as: 212301121110
"""


class ChoicesError(UserError):
    """A wrong option, or a page of choices that is none."""


# -- pages -----------------------------------------------------------------------------------------------------------


def beginnings(poet: TangPoet, count: int, seed: int, corpus: str) -> Iterator[Candidates]:
    """So many beginnings by a cell, with what it ranked behind each."""
    found, rng = {}, random.Random(seed)
    for _ in regulated(watched(poet, found), -(-count // OF_POEM), seed, corpus):
        places = [place for place, lines in found.items() if len(lines) >= len(NAMES)]
        for form, before in rng.sample(places, min(OF_POEM, len(places))):
            lines = found[form, before]
            ranked = sorted(lines, key=lines.get, reverse=True)
            taken = ranked[:BEST] + rng.sample(ranked[BEST:], len(NAMES) - BEST)
            rng.shuffle(taken)
            yield Candidates(form, before, tuple(taken))
        found.clear()


def write_page(page: Path, cells: Sequence[str], count: int, seed: int, corpus: str) -> None:
    """Writes a page, and its key.

    Raises:
        ReadingError: there is such a page, perhaps with grades.
    """
    check_new(page)
    groups, each = [], -(-count // len(cells))
    for number, cell in enumerate(cells):
        groups += beginnings(TangPoet.from_pretrained(cell), each, seed + number * each, corpus)
    random.Random(seed).shuffle(groups)
    parts = [EXPLAINED]
    for number, group in enumerate(groups[:count], 1):
        line, of = len(group.before) + 1, FORMS[group.form].num_lines
        candidates = "  ".join(f"{name} {line}" for name, line in zip(NAMES, group.lines))
        heading = f"{number} {group.form}, line {line} of {of}: {of_lines(group.before)}……"
        parts.append(f"{heading}\n{candidates}\ngrades {number}: \n")
    lay_out(page, "\n".join(parts), [group._asdict() for group in groups[:count]])


def read_page(page: Path) -> Iterator[Candidates]:
    """The beginnings of a page, with their candidates' grades.

    Raises:
        ChoicesError: a page without its key, or with grades missing or malformed.
    """

    def graded(group: dict, answer: str) -> Candidates:
        return Candidates(group["form"], tuple(group["before"]), tuple(group["lines"]), tuple(map(float, answer)))

    return read_answers(page, "[0-3]{%d}", "212301121110", graded, ChoicesError)


# -- what was collected ----------------------------------------------------------------------------------------------


def read_choices(path: Path = CHOICES) -> list[Candidates]:
    """All that was collected; the scores of candidates are their grades, 0 to 3.

    Raises:
        ChoicesError: a file that is none of :func:`write_choices`, or a row that is none.
    """
    found = []
    try:
        text = lzma.decompress(path.read_bytes()).decode("utf-8")
    except (lzma.LZMAError, UnicodeDecodeError) as error:
        raise ChoicesError(f"{path}: no rows compressed by xz; take the file anew ({error})") from error
    for number, row in enumerate(text.splitlines(), 1):
        match = re.fullmatch(r"(\S+)\t(\S*)\t(\S+)\t([0-3]+)", row)
        if not match or match[1] not in GRADED or len(match[3].split("/")) != len(match[4]):
            raise ChoicesError(f"{path}, row {number}: not a form, lines with / between, candidates, and a digit each")
        before = tuple(match[2].split("/")) if match[2] else ()
        found.append(Candidates(match[1], before, tuple(match[3].split("/")), tuple(map(float, match[4]))))
    return found


def write_choices(groups: Iterable[Candidates], path: Path = CHOICES) -> None:
    """Replaces what was collected: a row a beginning, compressed by xz to a third."""
    rows = (
        "\t".join([form, "/".join(before), "/".join(lines), "".join(f"{score:.0f}" for score in scores)])
        for form, before, lines, scores in groups
    )
    with written_whole(path) as whole:
        whole.write_bytes(lzma.compress(("\n".join(rows) + "\n").encode("utf-8"), preset=9))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.choices", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="make a page to grade")
    sheet.add_argument("cells", nargs="+", metavar="CELL", help="name or folder of a checkpoint")
    sheet.add_argument("--beginnings", type=int, default=60, help="on the page (default: 60)")
    sheet.add_argument("--seed", type=int, default=0, help="of the first poem, and of the order")
    sheet.add_argument("--page", type=Path, required=True, help="the file to write")
    sheet.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset, for openings")
    collect = commands.add_parser("collect", help="add graded pages to choices.tsv.xz")
    collect.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    arguments = parser.parse_args(argv)
    return ended("training.choices", lambda: run(arguments), also=(OSError,))


def run(arguments: argparse.Namespace) -> None:
    if arguments.command == "sheet":
        if arguments.beginnings < 1:
            raise ChoicesError("--beginnings must be 1 or more")
        write_page(arguments.page, arguments.cells, arguments.beginnings, arguments.seed, arguments.corpus)
        print(f"{arguments.page}; then python -m training.choices collect {arguments.page}")
        return
    known = read_choices() if CHOICES.is_file() else []
    new = [group for page in arguments.pages for group in read_page(page) if group not in known]
    write_choices([*known, *new])
    print(f"{CHOICES}: {len(new)} beginnings more, {len(known) + len(new)} in all")


if __name__ == "__main__":
    sys.exit(main())
