"""Writing through what is fixed: sequential Monte Carlo.

A network that reads from left to right comes upon a fixed character unprepared. So a poem is written by many rows side
by side, each with a weight: the probability that it gave to what is fixed. Rows of little weight make room for copies
of those of much (Gordon et al. 1993; drawn as in Kitagawa 1996), and just before a fixed place there are more of them,
so that some lead into it.

Shapes in the comments: B rows, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..grading import Grader
from ..recurrence import Recurrence, State, select
from ..rules import Constraint, Plan, Progress
from .drawing import WORTH, Drawing, Written
from .sampling import Sampling

ROWS = 32  # of a poem
RUN_UP = 1  # free characters before a fixed place that are written by more rows
BRANCHES = 8  # of each row there
SETTLED = 3  # fixed characters after which it shows what leads into them: of a line that is kept the rest costs less
DEGENERATE = 0.5  # rows are drawn anew once their effective number falls below this part of them


class March:
    """Where the rows of one plan grow more and are drawn anew.

    Args:
        first: the slot at which writing begins.

    Attributes:
        fixed: slots whose character is given, from there on.
        branching: slots before which each row becomes several.
        gathering: slots behind which they become so few again: the ends of what is fixed without a gap, and where such
            a stretch is long a few characters after its beginning too.
    """

    def __init__(self, plan: Plan, first: int, run_up: int = RUN_UP):
        self.fixed = sorted(slot for slot in plan.fixed if slot >= first)
        self.branching: set[int] = set()
        self.gathering: list[int] = []
        before, run = first, 0  # what lies before it is gathered; fixed characters since the rows branched
        for slot, after in zip(self.fixed, [*self.fixed[1:], None]):
            free = [s for s in range(before, slot) if not plan.is_mark(s)]
            if free:
                self.branching.add(free[-run_up:][0])
                run = 0
            before, run = slot + 1, run + 1
            if run == SETTLED or after is None or not all(plan.is_mark(s) for s in range(before, after)):
                self.gathering.append(slot)


@dataclass
class _Rows:
    """Rows being written.

    Attributes:
        ids: (B, T) tokens read and written.
        worth: (B, 3) of what was written; see :class:`.drawing.Written`.
        weight: (B,) natural logarithm of the probability of what was fixed since the last draw.
    """

    ids: torch.Tensor
    state: State
    progress: Progress
    worth: torch.Tensor
    weight: torch.Tensor

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: torch.Tensor) -> _Rows:
        """These rows, (B',) indices."""
        state, progress = select(self.state, rows), self.progress.select(rows)
        return _Rows(self.ids[rows], state, progress, self.worth[rows], self.weight[rows])


def gather(weight: torch.Tensor, count: int, uniform: torch.Tensor) -> torch.Tensor:
    """So many rows, (count,) indices, each as often as its weight says: weight (B,) logarithms, uniform (1,)."""
    share = weight.double().softmax(0).cumsum(0)
    points = (torch.arange(count, device=weight.device) + uniform) / count  # one draw for all: less varies by chance
    return torch.searchsorted(share / share[-1], points.double(), right=True).clamp(max=len(weight) - 1)


class Particles:
    """One poem being written through what is fixed in it; iterating goes a step at a time.

    Args:
        recurrence: the network.
        constraint: with the rules of this poem.
        prompt: the ids that are read before the first is written.
        seed: of its random numbers.
        candidates: rows from the last fixed place on.
        rows, run_up, branches: see the constants of this module.
        grader: of lines, if there is one.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        constraint: Constraint,
        prompt: Sequence[int],
        seed: int,
        sampling: Sampling,
        candidates: int = 1,
        rows: int = ROWS,
        run_up: int = RUN_UP,
        branches: int = BRANCHES,
        grader: Grader | None = None,
    ):
        self.drawing = Drawing(recurrence, constraint, sampling, grader)
        self.constraint, self.prompt = constraint, prompt
        self.candidates, self.rows, self.run_up, self.branches = candidates, max(rows, candidates), run_up, branches
        self.generator = torch.Generator().manual_seed(seed * 64)

    def _uniform(self, count: int) -> torch.Tensor:
        return torch.rand(count, generator=self.generator).to(self.drawing.recurrence.device)

    def finish(self) -> list[Written]:
        """Writes to the end; `candidates` rows."""
        for _ in self:
            pass
        return self.found

    @torch.inference_mode()
    def __iter__(self) -> Iterator[None]:
        drawing, constraint, end = self.drawing, self.constraint, self.constraint.vocabulary.end
        ids, state, progress = drawing.read([self.prompt])
        none = torch.zeros(1, device=ids.device)
        rows = _Rows(ids, state, progress, none.new_zeros(1, WORTH), none)
        (plan,), first = constraint.plans, int(rows.progress.position)
        march = March(plan, first, self.run_up)
        rows = rows.select(none.long().repeat(self.rows if march.gathering else self.candidates))
        self.found = done = []
        for slot in range(first, first + constraint.num_slots + 1):
            uniform = self._uniform(len(rows))
            if slot in march.branching:
                copies = torch.arange(self.branches, device=uniform.device)
                uniform = ((uniform[:, None] + copies) / self.branches).flatten()  # copies of a row draw apart
                rows = rows.select(torch.arange(len(rows), device=uniform.device).repeat_interleave(self.branches))
            token, gained = drawing.draw(rows.state, rows.progress, uniform, rows.ids)
            rows.worth, rows.ids = rows.worth + gained, torch.cat([rows.ids, token[:, None]], 1)
            if slot in march.fixed:
                rows.weight = rows.weight + gained[:, 0]
            if slot in march.gathering:
                count = self.candidates if slot == march.gathering[-1] else self.rows
                if len(rows) != count or effective(rows.weight) < DEGENERATE:
                    kept = gather(rows.weight, count, self._uniform(1))
                    rows, token = rows.select(kept), token[kept]
                    rows.weight = torch.zeros_like(rows.weight)
            ended = token.eq(end)
            if bool(ended.any()):  # which none does before the last fixed place
                over, left = ended.nonzero()[:, 0], (~ended).nonzero()[:, 0]
                texts = rows.ids[over, len(self.prompt) : -1].tolist()
                done += [Written(text, *worth) for text, worth in zip(texts, rows.worth[over].tolist())]
                if not len(left):
                    break
                rows, token = rows.select(left), token[left]
            rows.state = drawing.recurrence.step(token, rows.state)
            rows.progress = constraint.advance(rows.progress, token)
            yield


def effective(weight: torch.Tensor) -> float:
    """The effective number of rows as a part of them: 1 where all weigh the same. weight (B,): logarithms."""
    return float(1 / weight.softmax(0).square().sum() / len(weight))


__all__ = ["BRANCHES", "March", "Particles", "ROWS", "RUN_UP"]
