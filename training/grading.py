"""Teaches cells how a reader would grade their lines: ``python -m training.grading``.

``sheet`` writes poems of cells, some real ones among them, on a page to be graded by someone who does not know which
are which; ``collect`` adds the grades of pages to grades.tsv beside this file; ``fit`` learns from all of them, for
each cell by its own states, and writes grader.safetensors into its folder::

    python -m training.grading sheet lstm gru rnn --poems 200 --page runs/grades/1.txt
    python -m training.grading collect runs/grades/*.txt
    python -m training.grading fit lstm gru rnn

A grader (:class:`tang_rnn.grading.Grader`) is a ridge regression from a cell's states in a line, and how likely it
found the line's characters, to the line's grade. It is told the form and the place of the line as well, so that it
learns what these do not say. What ships has learned from choices, with layers (:mod:`training.layers`).
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from tang_rnn import TangPoet
from tang_rnn.files import written_whole
from tang_rnn.grading import Grader, surprises
from tang_rnn.verse import split_lines
from tang_rnn.verse.forms import FORMS

from .candidates import Candidates, Judged, read_judged
from .choices import read_choices
from .errors import UserError, ended
from .evaluate import OPENINGS
from .layers import fitted_within, grades_of
from .lines import GRADED, Lines, batches, read_lines
from .reading import check_new, lay_out, read_answers, real_poems

GRADES = Path(__file__).parent / "grades.tsv"
BAD = 2  # a grade below this: the words do not go together
FIT = "F"  # the whole poem can be shown as it is
PENALTY = 8000.0  # of the ridge, in lines: measured by cross-validation
FOLDS = 5
REAL = 14  # of so many poems of a page one is real
EXPLAINED = """\
Grade each line of each poem, in order, a digit a line: 3 good, 2 sound though plain, 1 strained or against its
neighbours, 0 broken; then a letter for the poem: F fit to be shown as it is, N nearly, X not. Such as: 2312 N
"""


class GradingError(UserError):
    """A wrong option, or a page of grades that is none."""


class Graded(NamedTuple):
    """A poem and what a reader said of it.

    Attributes:
        form: its name.
        lines: without marks.
        grades: of each line, 0 to 3.
        verdict: F, N or X.
        sitting: of which page; of one reader's strictness more is known than of all readers'. 0 where it is not known.
    """

    form: str
    lines: tuple[str, ...]
    grades: tuple[int, ...]
    verdict: str
    sitting: int = 0


# -- pages -----------------------------------------------------------------------------------------------------------


def write_page(page: Path, cells: Sequence[str], count: int, seed: int, corpus: str) -> None:
    """Writes a page to grade, and its key: the poems, and which of them are real.

    Raises:
        ReadingError: there is such a page, perhaps with grades.
    """
    check_new(page)
    rng, poets = random.Random(seed), [TangPoet.from_pretrained(cell) for cell in cells]
    poems = []
    for number in range(count):
        poet, form, opening = rng.choice(poets), GRADED[number % len(GRADED)], rng.choice(OPENINGS)
        written = poet.write(opening, form=form, regulated=True, seed=seed + number)
        poems.append({"form": form, "lines": written.lines, "real": False})
    real = {form: real_poems(form, corpus, set()) for form in GRADED[: count // REAL]}
    for number in range(count // REAL):
        form = GRADED[number % len(GRADED)]
        lines = split_lines(rng.choice(real[form]))
        poems.append({"form": form, "lines": lines, "real": True})
    rng.shuffle(poems)
    parts = [EXPLAINED]
    for number, poem in enumerate(poems, 1):
        couplets = [f"{one}，{other}。" for one, other in zip(poem["lines"][::2], poem["lines"][1::2])]
        parts.append("\n".join([f"{number} {poem['form']}", *couplets, f"grades {number}: "]) + "\n")
    lay_out(page, "\n".join(parts), poems)


def read_page(page: Path, sitting: int = 0) -> Iterator[Graded]:
    """The grades of a page's poems, real ones left out, as of this sitting.

    Raises:
        GradingError: a page without its key, or with grades missing or malformed.
    """

    def graded(poem: dict, answer: str) -> Graded | None:
        grades = tuple(map(int, answer[:-1].strip()))
        return None if poem["real"] else Graded(poem["form"], tuple(poem["lines"]), grades, answer[-1], sitting)

    found = read_answers(page, r"[0-3]{%d}\s*[FNX]", "2312 N", graded, GradingError)
    yield from (poem for poem in found if poem is not None)


def read_grades(path: Path = GRADES) -> list[Graded]:
    """All grades that were collected.

    Raises:
        GradingError: a row that is none.
    """
    found = []
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = re.fullmatch(r"(\S+)\t(\S+)\t([0-3]+)\t([FNX])(?:\t(\d+))?", row)
        if not match or len(match[2].split("/")) != len(match[3]) or match[1] not in FORMS:
            what = "a form, lines with / between, a digit a line, F, N or X, and perhaps a sitting"
            raise GradingError(f"{path}, row {number}: not {what}")
        grades = tuple(map(int, match[3]))
        found.append(Graded(match[1], tuple(match[2].split("/")), grades, match[4], int(match[5] or 0)))
    return found


def write_grades(poems: Iterable[Graded], path: Path = GRADES) -> None:
    """Replaces what was collected."""
    rows = [
        "\t".join([form, "/".join(lines), "".join(map(str, grades)), verdict, *([str(sitting)] if sitting else [])])
        for form, lines, grades, verdict, sitting in poems
    ]
    with written_whole(path) as whole:
        whole.write_text("\n".join(rows) + "\n", encoding="utf-8")


def centred(poems: Sequence[Graded]) -> list[tuple[float, ...]]:
    """The grades of each poem's lines, less the mean of its sitting: how strict readers are differs more."""
    of: dict[int, list[int]] = {}
    for poem in poems:
        of.setdefault(poem.sitting, []).extend(poem.grades)
    means = {sitting: sum(grades) / len(grades) for sitting, grades in of.items()}
    return [tuple(grade - means[poem.sitting] for grade in poem.grades) for poem in poems]


# -- what is learned -------------------------------------------------------------------------------------------------


def _readings(poet: TangPoet, poems: Sequence[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, list[int], Lines]]:
    """Poems of one form and length at a time: the form, their numbers, and what the cell's network says of them."""
    for numbers in batches([(form, len(lines)) for form, lines in poems], lines=256):
        form = poems[numbers[0]][0]
        yield form, numbers, read_lines(poet.model, poet.tokenizer, form, [poems[number][1] for number in numbers])


@torch.inference_mode()
def seen(
    poet: TangPoet, poems: Sequence[tuple[str, Sequence[str]]], last: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """What a cell's network says of each line of the poems, one after the other.

    Args:
        poems: the form of each, and its lines or the first of them.
        last: only the last line of each is asked about.

    Returns:
        What a grader is told, (lines, N), in the order of its weights, and what is known beside it, (lines, K): form
        and place.
    """
    found: list[list] = [[] for _ in poems]
    for form, numbers, read in _readings(poet, poems):
        behind, sums = read.before[:, :, -1], read.before.sum(2)
        told = torch.cat([behind, sums, surprises(read.likely[:, :, :-1]).sum(2)], 2).numpy()
        beside = [_beside(form, place) for place in range(told.shape[1])]
        for number, lines in zip(numbers, told):
            found[number] = [*zip(lines, beside)][-last:]
    told, beside = zip(*(line for lines in found for line in lines))
    return np.array(told, dtype=np.float64), np.array(beside, dtype=np.float64)


def _beside(form: str, place: int) -> list[float]:
    height = FORMS[form].num_lines
    where = [place / height, place == 0, place % 2, place == height - 2, place == height - 1]
    return [*(form == name for name in GRADED), *where]


def ridge(x: np.ndarray, y: np.ndarray, penalty: float = PENALTY) -> tuple[np.ndarray, float]:
    """The weights, (N,), and the constant of a ridge regression on x, (rows, N), each column by its own spread."""
    mean, spread = x.mean(0), x.std(0) + 1e-6
    scaled = (x - mean) / spread
    weights = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(x.shape[1]), scaled.T @ (y - y.mean())) / spread
    return weights, float(y.mean() - mean @ weights)


def fitted(states: np.ndarray, beside: np.ndarray, grades: np.ndarray) -> tuple[np.ndarray, float]:
    """A grader's weights, (N,), and bias: grades as far as what it is told says them, 0 for the mean line."""
    weights, _ = ridge(np.concatenate([states, beside], 1), grades)
    weight = weights[: states.shape[1]]
    return weight, -float(states.mean(0) @ weight)


@torch.inference_mode()
def given(poet: TangPoet, grader: Grader, poems: Sequence[tuple[str, Sequence[str]]]) -> np.ndarray:
    """The grades that a grader of a cell gives each line of the poems, one after the other: (lines,)."""
    found: list[np.ndarray] = [np.zeros(0) for _ in poems]
    for _, numbers, read in _readings(poet, poems):
        for number, of_poem in zip(numbers, grades_of(grader, read.before, read.likely).numpy()):
            found[number] = of_poem
    return np.concatenate(found)


def linear(poet: TangPoet, weight: np.ndarray, bias: float) -> Grader:
    """A cell's grader of these weights, (N,), and nothing more."""
    sizes = [math.prod(shape) for shape in Grader.shapes(poet.model.config.hidden_size).values()][:-1]
    parts = torch.tensor(weight, dtype=torch.float32).split(sizes)
    return Grader(*parts, torch.tensor(bias, dtype=torch.float32))


def by_first_line(poems: Sequence[Graded]) -> np.ndarray:
    """A number for each poem, (poems,), one for those that begin alike: what is learned from one of these and asked of
    another would be known already."""
    numbers = {line: number for number, line in enumerate(dict.fromkeys(poem.lines[0] for poem in poems))}
    return np.array([numbers[poem.lines[0]] for poem in poems])


def foretold(states: np.ndarray, beside: np.ndarray, grades: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """The grade of each line by a grader that has not seen the lines of its fold: (lines,)."""
    result = np.zeros(len(grades))
    for fold in range(FOLDS):
        there = folds == fold
        weight, bias = fitted(states[~there], beside[~there], grades[~there])
        result[there] = states[there] @ weight + bias
    return result


def told_apart(low: np.ndarray, scores: np.ndarray) -> float:
    """How often, of one that is low and one that is not, the latter has the greater score: 0.5 is chance."""
    ranks = scores.argsort().argsort() + 1.0
    many, few = int((~low).sum()), int(low.sum())
    return float((ranks[~low].sum() - many * (many + 1) / 2) / max(1, many * few))


def report(poems: Sequence[Graded], scores: np.ndarray) -> Iterator[str]:
    """What a grader knows of poems that it has not seen, form by form."""
    forms = np.array([poem.form for poem in poems for _ in poem.lines])
    bad = np.array([grade < BAD for poem in poems for grade in poem.grades])
    owner = np.array([number for number, poem in enumerate(poems) for _ in poem.lines])
    mean = np.bincount(owner, scores) / np.bincount(owner)
    fit, form_of = np.array([poem.verdict == FIT for poem in poems]), np.array([poem.form for poem in poems])
    for form in GRADED:
        lines, whole = forms == form, form_of == form
        if not whole.any():
            continue
        yield (
            f"  {form}: {whole.sum()} poems, {100 * fit[whole].mean():.0f} % fit, {100 * bad[lines].mean():.0f} % of "
            f"lines bad; told apart: bad lines {told_apart(bad[lines], scores[lines]):.3f}, poems that are not fit "
            f"{told_apart(~fit[whole], mean[whole]):.3f}"
        )


def fit(
    cell: str,
    poems: Sequence[Graded],
    judged: Sequence[Judged] = (),
    chosen: Sequence[Candidates] = (),
    seed: int = 0,
) -> Iterator[str]:
    """Writes the grader of a cell, and says what it knows of poems that readers graded; of those that it has not seen,
    where it has learned from them.

    Args:
        judged, chosen: if there are any, it is learned from these.
    """
    poet = TangPoet.from_pretrained(cell)
    asked = [(poem.form, poem.lines) for poem in poems]
    if chosen:
        grader = fitted_within(poet, chosen, seed)
        scores = given(poet, grader, asked)
        yield f"{cell}: {sum(len(group.lines) for group in chosen)} lines behind {len(chosen)} beginnings"
    elif judged:
        last, places = seen(poet, [(form, lines) for form, lines, _ in judged], last=True)
        grader = linear(poet, *fitted(last, places, np.array([score for *_, score in judged])))
        scores = given(poet, grader, asked)
        yield f"{cell}: {len(judged)} lines that were judged"
    else:
        told, beside = seen(poet, asked)
        firsts, grades = by_first_line(poems), np.concatenate(centred(poems))
        by_poem = np.random.default_rng(seed).integers(0, FOLDS, firsts.max() + 1)[firsts]
        scores = foretold(told, beside, grades, by_poem.repeat([len(poem.lines) for poem in poems]))
        grader = linear(poet, *fitted(told, beside, grades))
        yield f"{cell}: {len(poems)} poems, {len(grades)} lines"
    yield from report(poems, scores)
    grader.write(Path(poet.model.name_or_path))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.grading", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    sheet = commands.add_parser("sheet", help="make a page to grade")
    sheet.add_argument("cells", nargs="+", metavar="CELL", help="name or folder of a checkpoint")
    sheet.add_argument("--poems", type=int, default=100, help="of cells, on the page (default: 100)")
    sheet.add_argument("--seed", type=int, default=0, help="of the first poem, and of the order")
    sheet.add_argument("--page", type=Path, required=True, help="the file to write")
    sheet.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset, for real poems")
    collect = commands.add_parser("collect", help="add graded pages to grades.tsv")
    collect.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    learn = commands.add_parser("fit", help="learn from grades.tsv")
    learn.add_argument("cells", nargs="+", metavar="CELL", help="name or folder of a checkpoint")
    source = learn.add_mutually_exclusive_group()
    source.add_argument("--judged", type=Path, metavar="FILE", help="from candidates that training.judge has scored")
    source.add_argument("--choices", action="store_true", help="from choices.tsv.xz (python -m training.choices)")
    arguments = parser.parse_args(argv)
    return ended("training.grading", lambda: run(arguments), also=(OSError,))


def run(arguments: argparse.Namespace) -> None:
    if arguments.command == "sheet":
        if arguments.poems < 1:
            raise GradingError("--poems must be 1 or more")
        write_page(arguments.page, arguments.cells, arguments.poems, arguments.seed, arguments.corpus)
        print(f"{arguments.page}; then python -m training.grading collect {arguments.page}")
    elif arguments.command == "collect":
        known, new = read_grades(), []
        have, last = {poem[:-1] for poem in known}, max((poem.sitting for poem in known), default=0)
        for sitting, page in enumerate(arguments.pages, last + 1):
            new += (poem for poem in read_page(page, sitting) if poem[:-1] not in have)
        write_grades([*known, *new])
        print(f"{GRADES}: {len(new)} poems more, {len(known) + len(new)} in all")
    else:
        poems, judged = read_grades(), read_judged(arguments.judged) if arguments.judged else []
        chosen = read_choices() if arguments.choices else []
        for cell in arguments.cells:
            for line in fit(cell, poems, judged, chosen):
                print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
