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
from ..rules import Progress, VerseConstraint
from ..rules.vocabulary import CHARACTER
from ..verse import LEVEL, OBLIQUE, Violation
from .draft import Draft
from .reading import Reader

# By how many characters are put in: how many candidates the beginning of the poem gives, and how many of them go on,
# for each that is asked for: after the next character, to the end of the line, through the eight after it, to the end.
# What of the best twelve is found so stands in training/LOG.md, "A hand on the poem".
NARROW = {1: (192, 8, 10 / 3, 8 / 3, 4 / 3), 2: (320, 8, 10 / 3, 8 / 3, 4 / 3)}
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
        """So many of them, a part of the places kept for those that break a rule."""
        return self.select(best(self.score, self.lawful, round(count))) if count < len(self.score) else self


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

    def _constraint(self) -> tuple[VerseConstraint | None, bool]:
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
                constraint = VerseConstraint(fixed, self.vocabulary, self.reader.tokenizer.bos_token_id)
                return constraint, rules.regulated
        return None, False

    @torch.inference_mode()
    def find(self, most: int) -> list[Alternative]:
        """So many, likeliest poem first."""
        recurrence, size = self.recurrence, self.characters
        candidates, after_one, in_line, in_couplet, at_last = NARROW[size]
        rows = self._grow(self._begin(), candidates if size == 1 else WIDTH)
        if size == 2:
            rows = self._step(rows, rows.tokens[:, -1])
            if self.constraint:
                rows.progress = self.constraint.advance(rows.progress, rows.tokens[:, -1])
            rows = self._grow(rows, candidates)
        now = self.ids[self.at : self.at + size]
        rows = rows.select(rows.tokens.ne(now).all(1).nonzero()[:, 0])
        rest = self.ids[self.at + size :]
        marks = rest.eq(self.vocabulary.comma) | rest.eq(self.vocabulary.stop)
        line_end = int(marks.int().argmax())
        rows = self._step(rows, rows.tokens[:, -1])
        for number, token in enumerate(rest):
            scores = recurrence.logits(rows.state).float().log_softmax(1)
            if token != self.vocabulary.unknown:
                rows.score = rows.score + scores[:, token]
            if number + 1 == len(rest):
                break
            keep = after_one if number == 0 else in_line if number <= line_end else in_couplet
            rows = rows.best(most * (keep if number <= line_end + COUPLET else at_last))
            rows = self._step(rows, token.expand(len(rows.score)))
        rows = rows.best(most)
        texts = ["".join(self.vocabulary.tokens[token] for token in row) for row in rows.tokens.tolist()]
        faults = self._faults(texts, rows.lawful.tolist())
        return [Alternative(*each) for each in zip(texts, rows.score.tolist(), faults)]

    def _begin(self) -> _Rows:
        """The one row that has read what stands before the place."""
        recurrence, states = self.recurrence, []
        state = recurrence.begin(1)
        for number, token in enumerate(self.ids[: self.at, None]):
            state = recurrence.step(token, state)
            if number >= self.first - 1:
                states.append(state)
        score = torch.zeros(1, device=recurrence.device)
        if own := self.ids[self.first : self.at].tolist():
            read = [tuple(torch.cat(parts) for parts in zip(*layers)) for layers in zip(*states[:-1])]
            scores = recurrence.logits(read).float().log_softmax(1)
            known = [(row, token) for row, token in enumerate(own) if token != self.vocabulary.unknown]
            score = score + sum(scores[row, token] for row, token in known)
        progress = self.constraint and self.constraint.read(self.ids[None, : self.at])
        nothing = self.ids.new_zeros(1, 0)
        return _Rows(nothing, score, torch.ones(1, dtype=torch.bool, device=recurrence.device), state, progress)

    def _grow(self, rows: _Rows, count: int) -> _Rows:
        """Each row with each character that may follow; the likeliest so many of all."""
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
        before = rows.select(few // width)
        tokens = torch.cat([before.tokens, (few % width)[:, None]], 1)
        return replace(before, tokens=tokens, score=scores[few], lawful=lawful[few])

    def _step(self, rows: _Rows, tokens: torch.Tensor) -> _Rows:
        return replace(rows, state=self.recurrence.step(tokens, rows.state))

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
