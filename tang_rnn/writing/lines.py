"""Several lines to choose from: the next one of a poem, written many ways.

Shapes in the comments: B rows, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from ..grading import Grader
from ..recurrence import Recurrence, select
from ..rules import Constraint
from .drawing import WORTH, Drawing, Written
from .sampling import Sampling

ROWS = 64  # lines that are written, of which some are offered
ALIKE = 2.0  # what a line loses that has all characters of one offered before it, in nats a character


@dataclass(frozen=True)
class Line:
    """A line to choose.

    Attributes:
        text: without the mark behind it.
        log_prob: natural logarithm of the probability of what was written of it, its mark included, after what stands
            before it.
    """

    text: str
    log_prob: float

    def to_dict(self) -> dict:
        """Ready for ``json.dumps``."""
        return {"text": self.text, "log_prob": round(self.log_prob, 4)}


@torch.inference_mode()
def write_lines(
    recurrence: Recurrence,
    constraint: Constraint,
    prompt: Sequence[int],
    seed: int,
    sampling: Sampling,
    rows: int = ROWS,
    grader: Grader | None = None,
) -> list[Written]:
    """One line more, so many ways, up to its mark."""
    vocabulary, generator = constraint.vocabulary, torch.Generator().manual_seed(seed * 64)
    drawing = Drawing(recurrence, constraint, sampling, grader)
    ids, state, progress = drawing.read([prompt])
    first = torch.zeros(rows, dtype=torch.long, device=recurrence.device)
    state, progress, ids = select(state, first), progress.select(first), ids[first]
    written, done = first[:, None][:, :0], []
    worth = torch.zeros(rows, WORTH, device=recurrence.device)
    for step in range(constraint.num_slots):
        uniform = torch.rand(len(written), generator=generator)
        if step == 0:
            uniform = (torch.arange(rows) + uniform) / rows  # the first characters spread over all that may come
        token, gained = drawing.draw(state, progress, uniform.to(recurrence.device), ids)
        worth = worth + gained
        written = torch.cat([written, token[:, None]], 1)
        over = vocabulary.are_marks(token)
        done += [Written(tokens, *sums) for tokens, sums in zip(written[over].tolist(), worth[over].tolist())]
        left = (~over).nonzero()[:, 0]
        if not len(left):
            break
        written, worth, token = written[left], worth[left], token[left]
        ids = torch.cat([ids[left], token[:, None]], 1)
        state = recurrence.step(token, select(state, left))
        progress = constraint.advance(progress.select(left), token)
    return done


def choose(lines: Iterable[str], scores: Iterable[float], count: int, alike: float = ALIKE) -> list[str]:
    """Of several lines so many, the best ones that differ from each other; a greater score is better."""
    best: dict[str, float] = {}
    for line, score in zip(lines, scores):
        best[line] = max(score, best.get(line, score))
    chosen: list[str] = []
    while best and len(chosen) < count:
        line = max(best, key=lambda line: best[line] - alike * max((_alike(line, one) for one in chosen), default=0.0))
        chosen.append(line)
        del best[line]
    return chosen


def _alike(line: str, other: str) -> float:
    """The part of a line's characters that another has, too."""
    return len(set(line) & set(other)) / len(set(line))


__all__ = ["ALIKE", "ROWS", "Line", "choose", "write_lines"]
