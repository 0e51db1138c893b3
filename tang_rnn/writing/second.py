"""What a second reader says of lines that are being written.

A search takes what its grader holds best, and so also what this one overrates: the more there is to choose from, the
more of it. Another network that reads the same lines overrates others, so that the two together take fewer bad ones
than either alone (training/LOG.md, "A second reader").
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from ..grading import Grader
from ..recurrence import Recurrence, State, select
from ..rules import Vocabulary
from .drawing import Written, pad


class SecondReader(NamedTuple):
    """Another network with the same tokens, and what it has learned of readers' grades."""

    recurrence: Recurrence
    grader: Grader


class _Read(NamedTuple):
    """What is known of a text.

    Attributes:
        state: of one row, in which the last token is still to be read.
        last: that token; None: there is none.
        grade: the sum of the grades of its lines.
    """

    state: State
    last: int | None
    grade: float


class Readings:
    """Texts that go on from each other, as a second reader grades them.

    Args:
        reader: who reads.
        prompts: of each poem, the ids that stand before what is written.
        vocabulary: of the tokens.
    """

    def __init__(self, reader: SecondReader, prompts: Sequence[Sequence[int]], vocabulary: Vocabulary):
        self.recurrence, self.grader, self.vocabulary = *reader, vocabulary
        state = self.recurrence.read_all(**pad(prompts, self.recurrence.config.pad_token_id, self.recurrence.device))
        rows = torch.arange(len(prompts), device=self.recurrence.device).split(1)
        # Of each poem its beginning, and what was read of it last: the next texts go on from one of these.
        self._known = [{(): _Read(select(state, row), None, 0.0)} for row in rows]

    @torch.inference_mode()
    def grades(self, numbers: Sequence[int], rows: Sequence[Written]) -> list[float]:
        """The sum of the grades of the lines of each text: of each the number of its poem, and what is written."""
        texts = [(number, tuple(row.tokens)) for number, row in zip(numbers, rows)]
        read = {text: self._known[text[0]][text[1]] for text in texts if text[1] in self._known[text[0]]}
        begun: dict[int, dict[tuple, tuple]] = {}  # of texts with so many tokens left, what of them is known
        for number, tokens in set(texts) - set(read):
            known = max((each for each in self._known[number] if tokens[: len(each)] == each), key=len)
            begun.setdefault(len(tokens) - len(known), {})[number, tokens] = number, known
        for alike in begun.values():
            read |= self._read_on(alike)
        for number in set(numbers):
            last = {tokens: each for (of, tokens), each in read.items() if of == number}
            self._known[number] = {(): self._known[number][()]} | last
        return [read[text].grade for text in texts]

    def _read_on(self, begun: dict[tuple, tuple]) -> dict[tuple, _Read]:
        """Texts with as many tokens left, each with what of it is known."""
        device = self.recurrence.device
        known = {each: self._known[each[0]][each[1]] for each in dict.fromkeys(begun.values())}
        states = dict(zip(known, map(self._state, known.values())))
        state = [tuple(map(torch.cat, zip(*layers))) for layers in zip(*map(states.get, begun.values()))]
        left = [tokens[len(before) :] for (_, tokens), (_, before) in begun.items()]
        tokens = torch.tensor(left, device=device)  # (B, T)
        outputs, log_probs, state = self.recurrence.read_rows(tokens, state)
        grades = self.grader(outputs, log_probs, self.vocabulary.are_marks(tokens)).sum(1).tolist()
        rows = torch.arange(len(left), device=device).split(1)
        return {
            text: _Read(select(state, row), ids[-1], known[begun[text]].grade + grade)
            for text, row, ids, grade in zip(begun, rows, left, grades)
        }

    def _state(self, read: _Read) -> State:
        """Once all of it is read."""
        if read.last is None:
            return read.state
        return self.recurrence.step(torch.tensor([read.last], device=self.recurrence.device), read.state)


__all__ = ["Readings", "SecondReader"]
