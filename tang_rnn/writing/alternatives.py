"""What else could stand in a place of a poem, by the likelihood of the whole poem with it in.

What follows counts as well as what precedes: the candidates that the beginning makes likely each go on through the rest
of the poem as it stands. Fewer and fewer do, since what is far behind after a line does not catch up.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace

import torch

from ..faults import RuleConflict
from ..recurrence import Recurrence, State, select
from ..rules import Constraint, Progress
from ..rules.vocabulary import CHARACTER
from ..verse import LEVEL, OBLIQUE, Violation
from .draft import Draft
from .reading import Reader

# By how many characters are put in: how many candidates the beginning of the poem gives, and how many of them go on,
# for each that is asked for: behind the next character, the one after it, the next line's first, and eight more.
# What of the best twelve is found so stands in training/LOG.md, "A hand on the poem".
NARROW = {1: (300, 6, 8 / 3, 8 / 3, 1), 2: (400, 6, 8 / 3, 8 / 3, 4 / 3)}
COUPLET = 8
BREAKING = 4  # of the places one in so many goes to what breaks a rule
WIDTH = 32  # first characters of a word of two that are gone on with


@dataclass(frozen=True)
class Alternative:
    """What else could stand there.

    Attributes:
        text: a character, or a word.
        log_prob: natural logarithm of the probability of the whole poem with it, its end included.
        faults: the rules that it breaks and another in its place would not.
    """

    text: str
    log_prob: float
    faults: tuple[Violation, ...] = ()

    def to_dict(self) -> dict:
        """Ready for ``json.dumps``."""
        faults = [fault.to_dict() for fault in self.faults]
        return {"text": self.text, "log_prob": round(self.log_prob, 4), "faults": faults}


@dataclass
class _Rows:
    """Candidates, best left context first.

    Attributes:
        tokens: (B, n) what is put in.
        score: (B,) natural logarithm of the probability of all that was read so far.
        lawful: (B,) whether it keeps the rules.
        state: of the network behind what was read.
        progress: of the rules; None where there are none.
    """

    tokens: torch.Tensor
    score: torch.Tensor
    lawful: torch.Tensor
    state: State
    progress: Progress | None

    def select(self, rows: torch.Tensor) -> _Rows:
        progress = self.progress and self.progress.select(rows)
        return _Rows(self.tokens[rows], self.score[rows], self.lawful[rows], select(self.state, rows), progress)

    def best(self, count: float) -> _Rows:
        """So many of them, best first, a part of the places kept for those that break a rule."""
        return self.select(best(self.score, self.lawful, min(round(count), len(self.score))))


def best(score: torch.Tensor, lawful: torch.Tensor, count: int) -> torch.Tensor:
    """So many rows, (count,) indices, best first, of which one in BREAKING breaks a rule if there are as many."""
    order = score.argsort(descending=True, stable=True)
    good, bad = order[lawful[order]], order[~lawful[order]]
    bad = bad[: max(count // BREAKING, count - len(good))]
    kept = torch.cat([good[: count - len(bad)], bad])
    return kept[score[kept].argsort(descending=True, stable=True)]


class Alternatives:
    """The search for them in one poem.

    Args:
        poem: as it stands.
        line, place: where what is put in begins, both from 1.
        characters: how many are put in, 1 or 2.
        only: what alone may be put in, (V,) bool; by default any character.

    Raises:
        PoetError: there is no such place.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        reader: Reader,
        poem: Draft,
        line: int,
        place: int,
        characters: int = 1,
        only: torch.Tensor | None = None,
    ):
        self.recurrence, self.reader, self.vocabulary = recurrence, reader, reader.vocabulary_by(poem.book)
        self.poem, self.line, self.place, self.characters = poem, line, place, characters
        offset = poem.offset(line, place)
        poem.offset(line, place + characters - 1)
        (ids,) = reader.tokenizer([poem.context], [poem.text]).input_ids
        self.ids = torch.tensor([*ids, self.vocabulary.end], device=recurrence.device)
        self.first = len(self.ids) - len(poem.text) - 1  # of the poem's own
        self.at = self.first + offset
        self.constraint, self.ruled = (None, False) if only is not None else self._constraint()
        self.characters_allowed = self.vocabulary.masks[CHARACTER] if only is None else only

    def _constraint(self) -> tuple[Constraint | None, bool]:
        """The poem's rules with all else in it fixed, and whether tones and rhyme are among them."""
        given = {
            (line, place): char
            for line, text in enumerate(self.poem.lines, 1)
            for place, char in enumerate(text, 1)
            if line != self.line or not self.place <= place < self.place + self.characters
        }
        for rules in self.poem.own_rules():
            with suppress(RuleConflict):
                fixed = replace(rules, fixed=given)
                constraint = Constraint(fixed, self.vocabulary, self.reader.tokenizer.bos_token_id)
                return constraint, rules.regulated
        return None, False

    @torch.inference_mode()
    def find(self, most: int) -> list[Alternative]:
        """So many, likeliest poem first."""
        size = self.characters
        candidates, *kept = NARROW[size]
        rows = self._grow(self._begin(), candidates if size == 1 else WIDTH)
        if size == 2:
            if self.constraint:
                rows.progress = self.constraint.advance(rows.progress, rows.tokens[:, -1])
            rows = self._grow(rows, candidates)
        now = self.ids[self.at : self.at + size]
        rows = rows.select(rows.tokens.ne(now).all(1).nonzero()[:, 0])
        rest = self.ids[self.at + size :]
        marks = self.vocabulary.are_marks(rest)
        line_end = int(marks.int().argmax())
        begin = 0
        for end, keep in zip((1, 2, line_end + 2, line_end + 2 + COUPLET, len(rest)), (*kept, 1)):
            tokens, begin = rest[begin:end], end
            if len(tokens):
                scores, rows.state = self._read(tokens, rows.state)
                rows.score = rows.score + scores
            rows = rows.best(most * keep)
            if len(tokens) and end < len(rest):
                rows.state = self.recurrence.step(tokens[-1:], rows.state)
        texts = ["".join(self.vocabulary.tokens[token] for token in row) for row in rows.tokens.tolist()]
        faults = self._faults(texts, rows.lawful.tolist())
        return [Alternative(*each) for each in zip(texts, rows.score.tolist(), faults)]

    def _begin(self) -> _Rows:
        """The one row that has read what stands before the place."""
        recurrence, told, own = self.recurrence, self.ids[: self.first], self.ids[self.first : self.at]
        state, last = recurrence.read_on(told, recurrence.begin(1))[1], told[-1:]
        score = torch.zeros(1, device=recurrence.device)
        if len(own):
            score, state = self._read(own, recurrence.step(last, state))
            last = own[-1:]
        progress = self.constraint and self.constraint.read(self.ids[None, : self.at])
        nothing, lawful = self.ids.new_zeros(1, 0), torch.ones(1, dtype=torch.bool, device=recurrence.device)
        return _Rows(nothing, score, lawful, recurrence.step(last, state), progress)

    def _read(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """What these tokens, (T,), add to the score of each row, (B,), and the state before the last of them."""
        log_probs, state = self.recurrence.read_on(tokens, state)
        return log_probs[:, tokens.ne(self.vocabulary.unknown)].sum(1), state

    def _grow(self, rows: _Rows, count: int) -> _Rows:
        """Each row with each character that may follow, and has read it; the likeliest so many of all."""
        scores = self.recurrence.logits(rows.state).float().log_softmax(1)  # (B, V)
        width = scores.shape[1]
        character = self.characters_allowed[:width].to(scores.device)
        lawful = rows.lawful[:, None] & (
            self.constraint.mask(rows.progress)[:, :width] if self.constraint else character
        )
        scores = (rows.score[:, None] + scores).masked_fill(~character, -float("inf")).flatten()
        few = scores.topk(min(4 * count, len(scores))).indices
        lawful = lawful.flatten()
        few = torch.cat(
            [few, scores.masked_fill(~lawful, -float("inf")).topk(min(count, len(scores))).indices]
        ).unique()
        few = few[scores[few].isfinite()]
        few = few[best(scores[few], lawful[few], min(count, len(few)))]
        before, token = few // width, few % width
        tokens = torch.cat([rows.tokens[before], token[:, None]], 1)
        state, progress = self.recurrence.branch(token, rows.state, before), rows.progress
        return _Rows(tokens, scores[few], lawful[few], state, progress and progress.select(before))

    def _faults(self, texts: list[str], lawful: list[bool]) -> list[tuple[Violation, ...]]:
        """What each breaks, and another would not."""
        if self.ruled:
            return [() if good else self._judge(text) for text, good in zip(texts, lawful)]
        found = [self._judge(text) for text in texts]
        book = self.vocabulary.book
        for tone in LEVEL + OBLIQUE:  # so that what breaks a tone is seen to, though all of them do
            other = next(char for char in self.vocabulary.ids if book.tone(char) == tone)
            found.append(self._judge(other * self.characters))
        always = [fault for fault in self.poem.judge() if all(fault in faults for faults in found)]
        return [tuple(fault for fault in faults if fault not in always) for faults in found[: len(texts)]]

    def _judge(self, text: str) -> tuple[Violation, ...]:
        return self.poem.put(self.line, self.place, text).judge()
