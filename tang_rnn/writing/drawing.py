"""The next character of poems that are being written, row beside row.

Each row is read twice: as a poem, and the line that it is in apart from the poem. Within the poem the network knows
what a line must rhyme with, and a word that rhymes is likely there although it does not go with the words before it; to
the line alone it is unlikely. Of all that a likelihood can say this agrees best with readers on which lines are good
(training/LOG.md, "Which of several").

Shapes in the comments: B rows, T time steps, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from ..grading import Grader
from ..recurrence import Recurrence, State
from ..rules import Constraint, Progress
from ..rules.plan import Slot
from ..rules.vocabulary import NO_RHYME
from .sampling import Sampling

STRAINED = 5.0  # nats beyond which a character does not come of itself
FORCED = 3.0  # the same for the last character of a line, read apart


def pad(rows: Sequence[Sequence[int]], padding: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Rows of ids as a batch, filled up on the left: ``input_ids`` and ``attention_mask``, (B, T)."""
    # Not by the tokenizer: to tell it so would change it, while other threads read with it.
    width = max(map(len, rows))
    ids = torch.tensor([[padding] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device)}


class Written(NamedTuple):
    """What has been written of a poem.

    Attributes:
        tokens: without the end.
        log_prob: the logarithm of their probability under the network, the end's too if it has come; rules not.
        strain: the nats by which a token is less likely than e^-STRAINED, and by which one that ends a line is less
            likely than e^-FORCED to the line apart.
        grade: the sum of the grades of its lines; see :class:`tang_rnn.grading.Grader`.
    """

    tokens: list[int]
    log_prob: float
    strain: float
    grade: float


WORTH = len(Written._fields) - 1  # numbers that are summed up beside the tokens


class Drawing:
    """The network, the rules and the way to draw, and what is done with them at each step.

    Args:
        recurrence: the network.
        constraint: with a rule for each prompt.
        grader: of lines, if there is one; else none is better than another.
    """

    def __init__(
        self, recurrence: Recurrence, constraint: Constraint, sampling: Sampling, grader: Grader | None = None
    ):
        self.recurrence, self.constraint, self.sampling, self.grader = recurrence, constraint, sampling, grader

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, State, Progress]:
        """Rows that begin so: their ids, (B, T), their state, and their progress."""
        inputs = pad(prompts, self.recurrence.config.pad_token_id, self.recurrence.device)
        state = self.recurrence.read_all(**inputs)
        return inputs["input_ids"], state, self.constraint.read(inputs["input_ids"])

    def draw(
        self,
        state: State,
        progress: Progress,
        uniform: torch.Tensor,
        ids: torch.Tensor,
        of: torch.Tensor | None = None,
        warm: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The next token of each row, drawn under the rules, and what is to be said of it.

        Args:
            uniform: (B,) random numbers in [0, 1).
            ids: (B, T) tokens so far.
            of: (B,) the row of the state that each row has; None: its own.
            warm: (B,) which draw warmly (:meth:`Sampling.draw`); None: none.

        Returns:
            The tokens, (B,), and their worth, (B, 3), as :class:`Written` has it. An unknown token counts nothing:
            nobody wrote a character that the model does not know.
        """
        vocabulary, logits = self.constraint.vocabulary, self.recurrence.logits(state).float()
        log_probs = logits.log_softmax(1)
        logits = logits if of is None else logits.index_select(0, of)
        scores, apart = self.sampling.penalized(ids, logits), self._line_ends(ids, progress)
        allowed = self.constraint.apply(progress, scores if apart is None else scores + apart)
        token = self.sampling.draw(allowed, uniform, warm)
        of = torch.arange(len(token), device=token.device) if of is None else of
        log_prob = log_probs[of, token]
        strain = (-log_prob - STRAINED).clamp(min=0)
        if apart is not None:
            strain = strain + (-apart.gather(1, token[:, None])[:, 0] - FORCED).clamp(min=0)
        if vocabulary.unknown is not None:
            unknown = token.eq(vocabulary.unknown)
            log_prob, strain = log_prob.masked_fill(unknown, 0), strain.masked_fill(unknown, 0)
        grade = torch.zeros_like(log_prob)
        if self.grader is not None:
            grade = self.grader(state[-1][0], log_prob, vocabulary.are_marks(token), of)
            grade = grade.masked_fill(token.eq(vocabulary.end), 0)  # which stands in no line
        return token, torch.stack([log_prob, strain, grade], 1)

    def _line_ends(self, ids: torch.Tensor, progress: Progress) -> torch.Tensor | None:
        """What each row's line apart expects where it ends by a rule: logarithms, (B, V), 0 for rows that are not
        there; None where none is."""
        due = progress.slot[:, Slot.RHYME].ne(NO_RHYME)
        if not bool(due.any()):
            return None
        rows = due.nonzero()[:, 0]
        found = self.recurrence.logits(self._apart(ids[rows])).float().log_softmax(1)
        return found if len(rows) == len(ids) else found.new_zeros(len(ids), found.shape[1]).index_copy(0, rows, found)

    def _apart(self, ids: torch.Tensor) -> State:
        """The state behind the line that each row is in, (B, T), as if nothing stood before it."""
        vocabulary, begin = self.constraint.vocabulary, self.recurrence.config.bos_token_id
        before = vocabulary.are_marks(ids) | ids.eq(begin)
        of_line = before.flip(1).cumsum(1).flip(1).eq(0)  # (B, T): behind the last of these
        width = int(of_line.sum(1).max())
        line = torch.cat([ids.new_full((len(ids), 1), begin), ids[:, ids.shape[1] - width :]], 1)
        first = of_line.sum(1, keepdim=True)
        place = torch.arange(width, -1, -1, device=ids.device)  # from the right, of the batch's longest line
        line = torch.where(place.eq(first), begin, line)
        return self.recurrence.read_all(line, place.le(first))


__all__ = ["Drawing", "FORCED", "STRAINED", "WORTH", "Written", "pad"]
