"""The loop that writes: rows side by side, each held to its rules, each drawing its own random numbers.

It knows a recurrence, a constraint and ids; what the ids say and what becomes of them is the caller's.
Shapes in the comments: B rows, T time steps, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from ..grading import Grader
from ..recurrence import Recurrence, select
from ..rules import Constraint, Progress
from .drawing import WORTH, Drawing, Written, pad
from .sampling import Sampling

if TYPE_CHECKING:
    from ..modeling_tang_rnn import TangRNNForCausalLM

LARGEST_BATCH = 256  # rows written at once
SURVIVORS = 4  # of a poem's candidates that are gone on with when a line is over

#: Says how good unfinished candidates are: of each the poem's number and what is written; the greater the better.
Rank = Callable[[list[int], list[Written]], Sequence[float]]


def portions(count: int, candidates: int, first: int = 0) -> Iterator[range]:
    """The numbers of `count` poems in portions that are written at once, so that many take no more memory than few.

    Args:
        candidates: rows for each poem.
        first: the portions before the one with this poem are left out.
    """
    size = max(1, LARGEST_BATCH // candidates)
    for begin in range(first - first % size, count, size):
        yield range(begin, min(begin + size, count))


class Search:
    """Candidates for several poems, being written; iterating gives the tokens just written, (B,) of the rows that had
    not ended.

    Args:
        recurrence: the network.
        constraint: with a rule for each prompt.
        prompts: of each poem, the ids that are read before the first is written.
        seeds: of each poem; a row draws the same whatever stands beside it.
        candidates: rows for each poem.
        rank: where it is given, the search goes by lines: whenever all candidates of a poem whose form sets the lines
            have written one, the best are gone on with, several ways each, and the others given up.
        grader: of lines, if there is one.

    Attributes:
        ended: numbers of the poems whose last row has ended with the last step.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        constraint: Constraint,
        prompts: Sequence[Sequence[int]],
        seeds: Sequence[int],
        sampling: Sampling,
        candidates: int = 1,
        rank: Rank | None = None,
        grader: Grader | None = None,
    ):
        self.rank = rank
        self.drawing, self.constraint = Drawing(recurrence, constraint, sampling, grader), constraint
        self.prompts, self.seeds, self.candidates = prompts, seeds, candidates
        self.ended: list[int] = []
        self._dropped: set[int] = set()

    @torch.inference_mode()
    def __iter__(self) -> Iterator[torch.Tensor]:
        drawing, constraint, end = self.drawing, self.constraint, self.constraint.vocabulary.end
        # What is asked is read once for all candidates.
        (ids, state, progress), steps = drawing.read(self.prompts), constraint.num_slots + 1
        # Each row draws all its random numbers at the start, from its own seed.
        generators = (torch.Generator().manual_seed(s * 64 + n) for s in self.seeds for n in range(self.candidates))
        noise = torch.stack([torch.rand(steps, generator=generator) for generator in generators]).to(ids.device)
        worth = torch.zeros(len(noise), WORTH, device=ids.device)
        written = torch.full(noise.shape, end, device=ids.device)
        self._found = written, worth
        rows = torch.arange(len(noise), device=ids.device)
        if self.candidates > 1:
            poems = rows // self.candidates
            state, progress, ids = select(state, poems), progress.select(poems), ids[poems]
        for step in range(steps):
            token, gained = drawing.draw(state, progress, noise[:, step], ids)
            worth[rows] += gained
            written[rows, step] = token
            going_on = token.ne(end)
            if self._dropped:
                going_on &= ~torch.isin(rows // self.candidates, torch.tensor([*self._dropped], device=rows.device))
            left = None if bool(going_on.all()) else going_on.nonzero()[:, 0]
            if left is not None:
                poems = [set((each // self.candidates).tolist()) for each in (rows, rows[left])]
                self.ended = sorted(poems[0] - poems[1])
            yield token
            self.ended = []
            if left is not None:  # the others leave the batch
                if not len(left):
                    break
                state, progress = select(state, left), progress.select(left)
                rows, noise, ids, token = rows[left], noise[left], ids[left], token[left]
            state, progress = drawing.recurrence.step(token, state), constraint.advance(progress, token)
            ids = torch.cat([ids, token[:, None]], 1)
            parents = self._parents(rows, progress, written[:, : step + 1], worth)
            if parents is not None:
                state, progress, ids = select(state, parents), progress.select(parents), ids[parents]
                for tensor in (written, worth):
                    tensor[rows] = tensor[rows[parents]]

    def _parents(
        self,
        rows: torch.Tensor,
        progress: Progress,
        written: torch.Tensor,
        worth: torch.Tensor,
    ) -> torch.Tensor | None:
        """Whose place in the batch each row takes over, (B,), where lines are over; None where all go on as they are.

        Random numbers stay with their rows, so that those who go on from one beginning part.
        """
        candidates = self.candidates
        if self.rank is None or candidates <= SURVIVORS:
            return None
        over = self.constraint.between_lines(progress)
        if not bool(over.any()):
            return None
        poems, parents = rows // candidates, torch.arange(len(rows), device=rows.device)
        due = [poem for poem in poems[over].unique().tolist() if int((over & poems.eq(poem)).sum()) == candidates]
        places = [poems.eq(poem).nonzero()[:, 0] for poem in due]
        if not due:
            return None
        ranked = rows[torch.cat(places)]
        begun = [Written(tokens, *gained) for tokens, gained in zip(written[ranked].tolist(), worth[ranked].tolist())]
        scores = self.rank((ranked // candidates).tolist(), begun)
        for first, place in zip(range(0, len(scores), candidates), places):
            best = sorted(range(candidates), key=lambda number: -scores[first + number])[:SURVIVORS]
            parents[place] = place[torch.tensor([best[number % SURVIVORS] for number in range(candidates)])]
        return parents

    def found(self, number: int) -> list[Written]:
        """The candidates for a poem that has ended."""
        end, rows = self.constraint.vocabulary.end, slice(number * self.candidates, (number + 1) * self.candidates)
        found = zip(*(each[rows].tolist() for each in self._found))
        return [Written(tokens[: tokens.index(end)], *worth) for tokens, worth in found]

    def drop(self, number: int) -> None:
        """Writes on without a poem."""
        self._dropped.add(number)

    def finish(self) -> list[list[Written]]:
        """Writes to the end; for each poem its candidates, as in :meth:`found`."""
        for _ in self:
            pass
        return [self.found(number) for number in range(len(self.seeds))]


@torch.inference_mode()
def beam_search(
    model: TangRNNForCausalLM, constraint: Constraint, prompts: Sequence[Sequence[int]], sampling: Sampling
) -> list[list[int]]:
    """The tokens of the likeliest poem that transformers' beam search finds for each prompt; it draws nothing."""
    from transformers import LogitsProcessorList

    inputs = pad(prompts, model.config.pad_token_id, model.device)
    end = constraint.vocabulary.end
    output = model.generate(
        **inputs,
        do_sample=False,
        num_beams=sampling.num_beams,
        repetition_penalty=sampling.repetition_penalty,
        logits_processor=LogitsProcessorList([constraint]),
        max_new_tokens=constraint.num_slots + 1,
        suppress_tokens=None,  # the rules alone say what is written, and what is fixed may be an unknown token
        top_k=None,
        top_p=None,
        temperature=None,
    )[:, inputs["input_ids"].shape[1] :]
    return [row[: row.index(end)] if end in row else row for row in output.tolist()]


__all__ = ["LARGEST_BATCH", "Search", "beam_search", "portions"]
