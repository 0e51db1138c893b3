"""A grader of lines, learned from those between which readers chose.

What counts is how a line differs from the others that could have stood in its place: in its grade, and in what the
cell's states say of it. So a batch is of whole beginnings, and what the grader says is held against the grades in each.
The linear parts and the layers of a :class:`tang_rnn.grading.Grader` learn together, by gradient descent with dropout:
against a ridge regression, which has no layers, it tells more pairs apart; and the mean of several that began from
other seeds, which is one whose layers have the units of all, more again (training/LOG.md, "What readers grade").

Shapes in the comments: B lines, W characters of a line and its mark, H hidden_size, U units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tang_rnn import TangPoet
from tang_rnn.grading import TOLD, Grader, Layer, surprises
from tang_rnn.recurrence import select

from .candidates import Candidates
from .lines import batches, of_lines

WIDTH = 96  # units of each layer of one that learns
SEVERAL = 3  # learn, each by itself
EPOCHS = 8
BEGINNINGS = 24  # in a step
RATE, DECAY, DROPOUT, WARM = 1e-3, 0.1, 0.2, 20
SPREAD = 2.0  # of surprises, about
SOME = 37  # of so many lines one tells the outputs' mean and spread
BATCH = 512  # lines that are read at once


class Told(NamedTuple):
    """What is known of the lines behind beginnings, all of one length.

    Attributes:
        outputs: (B, W, H), before each character and the mark, in float16.
        surprises: (B, W, 4), of the mark 0.
        grades: (B,), less the mean behind their beginning.
        groups: (B,), numbers of the beginnings; lines of one stand together.
    """

    outputs: torch.Tensor
    surprises: torch.Tensor
    grades: torch.Tensor
    groups: torch.Tensor


@torch.inference_mode()
def told(poet: TangPoet, groups: Sequence[Candidates]) -> Iterator[Told]:
    """What a cell says of all lines, for each length of line; each beginning is read once."""
    recurrence, tokenizer = poet.recurrence, poet.tokenizer
    found: dict[int, list[Told]] = {}
    for numbers in batches([(group.form, len(group.before) + 1) for group in groups], BATCH):
        these = [groups[number] for number in numbers]
        contexts, begun = [f"<{group.form}>" for group in these], [of_lines(group.before) for group in these]
        read = torch.tensor(tokenizer(contexts, begun).input_ids)
        state = recurrence.read_all(read, torch.ones_like(read))
        owner = torch.arange(len(these)).repeat_interleave(torch.tensor([len(group.lines) for group in these]))
        mark = of_lines([*these[0].before, ""])[-1]
        texts = [line + mark for group in these for line in group.lines]
        ids = torch.tensor(tokenizer(texts, add_special_tokens=False).input_ids)
        state, outputs, likely = select(state, owner), [], []
        for place, token in enumerate(ids.unbind(1)):
            if place:
                state = recurrence.step(ids[:, place - 1], state)
            outputs.append(state[-1][0])
            likely.append(recurrence.logits(state).log_softmax(1).gather(1, token[:, None])[:, 0])
        nats = surprises(torch.stack(likely, 1))
        nats[:, -1] = 0
        grades = torch.tensor(np.concatenate([np.array(g.scores) - np.mean(g.scores) for g in these])).float()
        part = Told(torch.stack(outputs, 1).half(), nats, grades, torch.tensor(numbers)[owner])
        found.setdefault(ids.shape[1], []).append(part)
    for parts in found.values():
        yield Told(*(torch.cat(each) for each in zip(*parts)))


class Learning(nn.Module):
    """A grader while it learns, of outputs brought to one mean and spread."""

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor):
        super().__init__()
        size = len(mean)
        self.register_buffer("mean", torch.cat([mean, torch.zeros(TOLD)]))
        self.register_buffer("spread", torch.cat([spread, torch.full((TOLD,), SPREAD)]))
        self.each, self.ends = (nn.Linear(width, 1, bias=False) for width in (size + TOLD, size))
        self.character, self.line = nn.Linear(size + TOLD, WIDTH), nn.Linear(size, WIDTH)
        self.of_character, self.of_line = (nn.Linear(WIDTH, 1, bias=False) for _ in range(2))
        for last in (self.each, self.ends, self.of_character, self.of_line):
            nn.init.zeros_(last.weight)

    def forward(self, outputs: torch.Tensor, nats: torch.Tensor) -> torch.Tensor:
        """Grades of lines, (B,): outputs (B, W, H), surprises (B, W, 4)."""
        x = (torch.cat([outputs, nats], 2) - self.mean) / self.spread
        x = F.dropout(x, DROPOUT, self.training)
        end = x[:, -1, : outputs.shape[2]]

        def through(inward: nn.Linear, outward: nn.Linear, x: torch.Tensor) -> torch.Tensor:
            return outward(F.dropout(F.gelu(inward(x)), DROPOUT, self.training))

        of_characters = self.each(x) + through(self.character, self.of_character, x)
        return (of_characters.sum(1) + self.ends(end) + through(self.line, self.of_line, end))[:, 0]

    @torch.no_grad()
    def grader(self) -> Grader:
        """What it has learned, in terms of outputs as they come."""
        size = self.ends.in_features
        shift = self.mean / self.spread

        def layer(inward: nn.Linear, outward: nn.Linear) -> Layer:
            width = inward.in_features
            own = inward.bias - inward.weight @ shift[:width]
            return Layer(inward.weight / self.spread[:width], own, outward.weight[0].detach().clone())

        each = self.each.weight[0] / self.spread
        return Grader(
            self.ends.weight[0] / self.spread[:size],
            each[:size],
            each[size:],
            torch.tensor(0.0),
            layer(self.character, self.of_character),
            layer(self.line, self.of_line),
        )


def grades_of(grader: Grader, outputs: torch.Tensor, likely: torch.Tensor) -> torch.Tensor:
    """Those of whole lines, (..., W, H) and logarithms (..., W), the mark's among them: (...,)."""
    over = torch.zeros_like(likely, dtype=torch.bool)
    over[..., -1] = True
    return grader(outputs, likely, over).sum(-1)


def joined(graders: Sequence[Grader]) -> Grader:
    """One that grades as these do in the mean."""
    count = len(graders)
    linear = (torch.stack(each).mean(0) for each in zip(*((g.weight, g.each, g.likely, g.bias) for g in graders)))
    layers = (
        Layer(torch.cat(inward), torch.cat(bias), torch.cat(outward) / count)
        for inward, bias, outward in (zip(*each) for each in zip(*((g.character, g.line) for g in graders)))
    )
    return Grader(*linear, *layers)


def fitted_within(poet: TangPoet, groups: Sequence[Candidates], seed: int = 0) -> Grader:
    """A grader that tells lines between which readers chose; 0 for the mean one."""
    known = [*told(poet, groups)]
    grader = joined([_fitted(known, seed + number) for number in range(SEVERAL)])
    found = [
        grades_of(grader, outputs, nats[..., 0])
        for each in known
        for outputs, nats in zip(each.outputs.split(BATCH), each.surprises.split(BATCH))
    ]
    grader.bias = -torch.cat(found).mean()
    return grader


def _fitted(known: Sequence[Told], seed: int) -> Grader:
    """One that has learned what is known, but for its bias."""
    drawn = torch.Generator().manual_seed(seed)
    some = torch.cat([each.outputs[::SOME].flatten(0, 1) for each in known]).float()
    torch.manual_seed(seed)
    learning = Learning(some.mean(0), some.std(0) + 1e-3).train()
    optimizer = torch.optim.AdamW(learning.parameters(), RATE, weight_decay=DECAY)
    steps = EPOCHS * sum(math.ceil(len(_sizes(each)) / BEGINNINGS) for each in known)
    falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / WARM) * (1 - step / steps))
    for _ in range(EPOCHS):
        for of, lines, sizes in _batches(known, drawn):
            graded = learning(of.outputs[lines].float(), of.surprises[lines])
            group = torch.arange(len(sizes)).repeat_interleave(sizes)
            means = torch.zeros(len(sizes)).index_add(0, group, graded) / sizes
            loss = (graded - means[group] - of.grades[lines]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            falling.step()
    return learning.eval().grader()


def _sizes(known: Told) -> torch.Tensor:
    """How many lines each beginning has, (beginnings,)."""
    return known.groups.unique_consecutive(return_counts=True)[1]


def _batches(known: Sequence[Told], drawn: torch.Generator) -> Iterator[tuple[Told, torch.Tensor, torch.Tensor]]:
    """All beginnings in a drawn order: those of some at a time, (B,) their lines, and how many each has."""
    found = []
    for each in known:
        sizes = _sizes(each)
        firsts = sizes.cumsum(0) - sizes
        for some in torch.randperm(len(sizes), generator=drawn).split(BEGINNINGS):
            lines = torch.cat([torch.arange(size) + first for first, size in zip(firsts[some], sizes[some])])
            found.append((each, lines, sizes[some]))
    yield from (found[number] for number in torch.randperm(len(found), generator=drawn).tolist())


__all__ = ["Told", "fitted_within", "grades_of", "joined", "told"]
