"""The loop that writes: rows side by side, each held to its rules, each drawing its own random numbers.

It knows a recurrence, a constraint and ids; what the ids say and what becomes of them is the caller's.
Shapes in the comments: B rows, T time steps, V vocab_size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from ..grading import Grader
from ..recurrence import Recurrence, State, shared
from ..rules import Constraint, Progress
from .drawing import WORTH, Drawing, Written, pad
from .request import MOST_CANDIDATES
from .sampling import Sampling

if TYPE_CHECKING:
    from ..modeling_tang_rnn import TangRNNForCausalLM

LARGEST_BATCH = 256  # rows written at once
# A first line is the best of so many, drawn warmly: of more, or of likelier ones, it would be nearly the same whatever
# the seed.
FIRST_OF = 16
# And one that begins with the same so many characters as others is often set aside: what is likely is nearly always
# among them, and if it is also good would begin nearly every poem.
BEGINNING = 3
# Behind it, for each so many candidates one beginning goes on: lines that seem the best are not always those that leave
# most to be said.
OF_ONE = 32

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
    """Candidates for several poems, being written; iterating goes a step at a time.

    Where the form sets the lines, the search goes by lines: once all candidates of a poem have written one, the best
    are taken and all go on from these, a beginning for OF_ONE of them; from the first line and the last only the best.
    So a line is settled, and can be shown, once all beginnings that go on have it.

    Args:
        recurrence: the network.
        constraint: with a rule for each prompt.
        prompts: of each poem, the ids that are read before the first is written.
        seeds: of each poem; a row draws the same whatever stands beside it.
        candidates: rows for each poem.
        rank: of lines and what is before them; without it only whole poems are chosen from.
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
        self._settled: dict[int, int] = {}  # of poems, tokens that all of its beginnings have
        self._news: list[int] = []  # those of which the last step has settled something

    @torch.inference_mode()
    def __iter__(self) -> Iterator[None]:
        drawing, constraint, end = self.drawing, self.constraint, self.constraint.vocabulary.end
        # What is asked is read once for all candidates.
        (ids, state, progress), steps = drawing.read(self.prompts), constraint.num_slots + 1
        # Each row draws all its random numbers at the start, from its own seed.
        own = (seed * MOST_CANDIDATES + row for seed in self.seeds for row in range(self.candidates))
        generators = map(torch.Generator().manual_seed, own)
        noise = torch.stack([torch.rand(steps, generator=generator) for generator in generators]).to(ids.device)
        self._luck = noise[:, -1].tolist()  # which else would draw the end, and that is certain
        worth = torch.zeros(len(noise), WORTH, device=ids.device)
        written = torch.full(noise.shape, end, device=ids.device)
        self._found = written, worth
        rows = torch.arange(len(noise), device=ids.device)
        # Where lines are settled one by one a first line has few candidates, and the other rows join behind it.
        by_lines = ~constraint.free[progress.plan] & (self.rank is not None and self.candidates > FIRST_OF)
        self._few = by_lines & ~constraint.vocabulary.are_marks(ids).any(1)
        rows = rows[~self._few[rows // self.candidates] | (rows % self.candidates < FIRST_OF)]
        # Of the state there is a row for each text that differs: of[row] is the one of a row, None where all differ.
        of = rows // self.candidates
        progress, ids = progress.select(of), ids[of]
        for step in range(steps):
            first = self._few[rows // self.candidates]
            token, gained = drawing.draw(
                state, progress, noise[rows, step], ids, of, first if bool(first.any()) else None
            )
            worth[rows] += gained
            written[rows, step] = token
            best = self._best(rows, token, progress, written[:, : step + 1], worth)
            if best is not None:
                new, best = best
                for tensor in (written, worth):
                    tensor[new] = tensor[rows[best]]
                rows, token, progress, ids = new, token[best], progress.select(best), ids[best]
                of = best if of is None else of[best]
            going_on = token.ne(end)
            if self._dropped:
                going_on &= ~torch.isin(rows // self.candidates, torch.tensor([*self._dropped], device=rows.device))
            left = None if bool(going_on.all()) else going_on.nonzero()[:, 0]
            if left is not None:
                poems = [set((each // self.candidates).tolist()) for each in (rows, rows[left])]
                self.ended = sorted(poems[0] - poems[1])
            yield
            self.ended = []
            self._news = []
            if left is not None:  # the others leave the batch
                if not len(left):
                    break
                of, progress = left if of is None else of[left], progress.select(left)
                rows, ids, token = rows[left], ids[left], token[left]
            progress, ids = constraint.advance(progress, token), torch.cat([ids, token[:, None]], 1)
            state, of = self._read(token, state, of)

    def _read(self, token: torch.Tensor, state: State, of: torch.Tensor | None) -> tuple[State, torch.Tensor | None]:
        """The state once each row has read its next token, (B,), and of which of its rows each row is: what several
        rows have read alike is worked out once."""
        recurrence = self.drawing.recurrence
        if of is None:
            return recurrence.step(token, state), None
        tokens, rows, place = shared(token, of, recurrence.config.vocab_size)
        if len(tokens) == len(of):
            return recurrence.branch(token, state, of), None
        return recurrence.branch(tokens, state, rows), place

    def _best(
        self, rows: torch.Tensor, token: torch.Tensor, progress: Progress, written: torch.Tensor, worth: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Where these tokens, (B,), end lines: the rows that go on, (B',), and whose text each takes over, (B',) places
        among the B; None where all keep their own.

        Random numbers stay with their rows, so that those who go on from one line part.
        """
        if self.candidates == 1:
            self._news = rows[token.ne(self.constraint.vocabulary.end)].tolist()
            self._settled |= dict.fromkeys(self._news, written.shape[1])
            return None
        over = self.constraint.vocabulary.are_marks(token) & ~self.constraint.free[progress.plan]
        if self.rank is None or not bool(over.any()):
            return None
        # Of one length, a line is over with one step in all candidates; where some have ended before, all are kept.
        poems = rows // self.candidates
        sizes = torch.where(self._few, FIRST_OF, self.candidates)
        over &= poems[over].bincount(minlength=len(sizes)).eq(sizes)[poems]
        if not bool(over.any()):
            return None
        numbers, ranked = poems[over].unique_consecutive().tolist(), rows[over]
        begun = [Written(tokens, *sums) for tokens, sums in zip(written[ranked].tolist(), worth[ranked].tolist())]
        # Many candidates have written the same; what is alike is ranked once.
        texts = [(number, *each.tokens) for number, each in zip(poems[over].tolist(), begun)]
        different = dict(zip(texts, begun))
        few = self._few.tolist()
        for text in self._set_aside([(t, row) for t, row in zip(texts, ranked.tolist()) if few[t[0]]]):
            del different[text]
        scored = dict(zip(different, self.rank([number for number, *_ in different], [*different.values()])))
        ranking = sorted(scored, key=scored.__getitem__, reverse=True)
        new, taken = [rows[~over]], [(~over).nonzero()[:, 0]]
        every = torch.arange(self.candidates, device=rows.device)
        place_of: dict[tuple, int] = {}  # of each text the first
        for text, place in zip(texts, over.nonzero()[:, 0].tolist()):
            place_of.setdefault(text, place)
        for number in numbers:
            best = [text for text in ranking if text[0] == number]
            alone = few[number] or self._last(progress, place_of[best[0]])
            best = best[: 1 if alone else max(1, self.candidates // OF_ONE)]
            places = torch.tensor([place_of[text] for text in best], device=rows.device)
            new.append(number * self.candidates + every)
            taken.append(places[every % len(best)])
            self._settle(number, [tokens for _, *tokens in best])
        self._few[numbers] = False
        new, order = torch.cat(new).sort()
        return new, torch.cat(taken)[order]

    def _set_aside(self, firsts: Sequence[tuple[tuple, int]]) -> set[tuple]:
        """Of first lines, texts behind their poem's number and their rows, those that are not chosen from: with a
        beginning that so many rows share, all but one time in the square of that many. Of each poem some line is left.
        """
        beginnings: dict[int, dict[tuple, list[int]]] = {}
        for text, row in firsts:
            beginnings.setdefault(text[0], {}).setdefault(text[: 1 + BEGINNING], []).append(row)
        aside = set()
        for found in beginnings.values():
            often = {begun for begun, alike in found.items() if self._luck[alike[0]] * len(alike) ** 2 > 1}
            aside |= often if len(often) < len(found) else set()
        return {text for text, _ in firsts if text[: 1 + BEGINNING] in aside}

    def _last(self, progress: Progress, place: int) -> bool:
        """Whether the mark that a row, of this place, now has behind it is that of its poem's last line."""
        plan = self.constraint.plans[int(progress.plan[place])]
        return int(progress.position[place]) > plan.ends[-1]

    def _settle(self, number: int, texts: Sequence[Sequence[int]]) -> None:
        """Notes what of a poem is settled, now that it goes on from these texts: the lines that all of them have."""
        count, marks = 0, (self.constraint.vocabulary.comma, self.constraint.vocabulary.stop)
        for place, (token, *others) in enumerate(zip(*texts), 1):
            if any(other != token for other in others):
                break
            count = place if token in marks else count
        if count > self._settled.get(number, 0):
            self._settled[number] = count
            self._news.append(number)

    def settled(self) -> dict[int, list[int]]:
        """Of the poems of which the last step has settled something, all that is settled."""
        written, _ = self._found
        return {number: written[number * self.candidates, : self._settled[number]].tolist() for number in self._news}

    def found(self, number: int) -> list[Written]:
        """The candidates for a poem that has ended, those that differ."""
        end, first = self.constraint.vocabulary.end, number * self.candidates
        rows = slice(first, first + (FIRST_OF if bool(self._few[number]) else self.candidates))
        found = zip(*(each[rows].tolist() for each in self._found))
        different = {tuple(tokens): worth for tokens, worth in found}
        return [Written([*tokens[: tokens.index(end)]], *worth) for tokens, worth in different.items()]

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
