"""The next character of poems that are being written, row beside row.

Each row is read twice: as a poem, and the line that it is in apart from the poem. Within the poem the network knows
what a line must rhyme with, and a word that rhymes is likely there although it does not go with the words before it; to
the line alone it is unlikely. Of all that a likelihood can say this agrees best with readers on which lines are good
(training/LOG.md, "Which of several").

Shapes in the comments: B rows, T time steps, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..recurrence import Recurrence, State, select
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


class Drawing:
    """The network, the rules and the way to draw, and what is done with them at each step.

    A state has the layers of the poem and, where a rule is laid on the ends of lines, then those of the line apart.

    Args:
        recurrence: the network.
        constraint: with a rule for each prompt.
    """

    def __init__(self, recurrence: Recurrence, constraint: Constraint, sampling: Sampling):
        self.recurrence, self.constraint, self.sampling = recurrence, constraint, sampling
        self.depth = len(recurrence.layers)
        self.apart = bool(constraint.table[:, Slot.RHYME].ne(NO_RHYME).any())
        self.beginning: State = recurrence.step(self._ids([recurrence.config.bos_token_id]), recurrence.begin(1))

    def _ids(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor(ids, device=self.recurrence.device)

    def read(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, State, Progress]:
        """Rows that begin so: their ids, (B, T), their state, and their progress."""
        inputs = pad(prompts, self.recurrence.config.pad_token_id, self.recurrence.device)
        state = self.recurrence.read_all(**inputs)
        if self.apart:
            lines = [self._read_line(prompt) for prompt in prompts]
            state = state + [tuple(map(torch.cat, zip(*layers))) for layers in zip(*lines)]
        return inputs["input_ids"], state, self.constraint.read(inputs["input_ids"])

    def _read_line(self, prompt: Sequence[int]) -> State:
        """The state, of one row, behind what the prompt has of a line."""
        vocabulary, first = self.constraint.vocabulary, len(prompt)
        before = (vocabulary.comma, vocabulary.stop, self.recurrence.config.bos_token_id)
        while first and prompt[first - 1] not in before and not vocabulary.context[prompt[first - 1]]:
            first -= 1
        state = self.beginning
        for token in prompt[first:]:
            state = self.recurrence.step(self._ids([token]), state)
        return state

    def step(self, tokens: torch.Tensor, state: State) -> State:
        """The state once each row has read its next token, (B,)."""
        if not self.apart:
            return self.recurrence.step(tokens, state)
        # Both readings in one product, which costs little more than either alone.
        both = [tuple(map(torch.cat, zip(*layers))) for layers in zip(state[: self.depth], state[self.depth :])]
        halves = [[part.chunk(2) for part in layer] for layer in self.recurrence.step(tokens.repeat(2), both)]
        poem, line = ([tuple(part[half] for part in layer) for layer in halves] for half in (0, 1))
        vocabulary = self.constraint.vocabulary
        mark = (tokens.eq(vocabulary.comma) | tokens.eq(vocabulary.stop))[:, None]
        if bool(mark.any()):
            line = [tuple(torch.where(mark, *parts) for parts in zip(*layer)) for layer in zip(self.beginning, line)]
        return poem + line

    def draw(
        self, state: State, progress: Progress, uniform: torch.Tensor, ids: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The next token of each row, drawn under the rules, the logarithm of its probability under the network alone,
        and its strain.

        Args:
            uniform: (B,) random numbers in [0, 1).
            ids: (B, T) tokens so far, which the repetition penalty makes less likely; without them none is.

        Returns:
            (B,) each. An unknown token counts nothing: nobody wrote a character that the model does not know. Strain
            is the nats by which a token is less likely than e^-STRAINED, and by which one that ends a line is less
            likely than e^-FORCED to the line apart.
        """
        vocabulary, logits = self.constraint.vocabulary, self.recurrence.logits(state[: self.depth]).float()
        scores = logits if ids is None else self.sampling.penalized(ids, logits)
        apart = self._line_ends(state, progress)
        token = self.sampling.draw(
            self.constraint.apply(progress, scores if apart is None else scores + apart), uniform
        )
        log_prob = logits.log_softmax(1).gather(1, token[:, None])[:, 0]
        strain = (-log_prob - STRAINED).clamp(min=0)
        if apart is not None:
            strain = strain + (-apart.gather(1, token[:, None])[:, 0] - FORCED).clamp(min=0)
        if vocabulary.unknown is not None:
            unknown = token.eq(vocabulary.unknown)
            log_prob, strain = log_prob.masked_fill(unknown, 0), strain.masked_fill(unknown, 0)
        return token, log_prob, strain

    def _line_ends(self, state: State, progress: Progress) -> torch.Tensor | None:
        """What each row's line apart expects where it ends by a rule: logarithms, (B, V), 0 for rows that are not
        there; None where none is."""
        due = progress.slot[:, Slot.RHYME].ne(NO_RHYME)
        if not self.apart or not bool(due.any()):
            return None
        lines = state[self.depth :]
        if bool(due.all()):
            return self.recurrence.logits(lines).float().log_softmax(1)
        rows = due.nonzero()[:, 0]
        found = self.recurrence.logits(select(lines, rows)).float().log_softmax(1)
        return found.new_zeros(len(due), found.shape[1]).index_copy(0, rows, found)


__all__ = ["Drawing", "FORCED", "STRAINED", "pad"]
