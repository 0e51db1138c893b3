"""A line that answers a line (对句): as long, its tones opposed, word for word of the same kind.

Lines that answer each other stand in the middle of 律诗. So the model writes some opening couplets first, takes the one
line as the next, and there writes the other, drawn towards characters that stand opposite those of the line in real
couplets (:meth:`tang_rnn.verse.associations.Associations.opposite`).

Shapes in the comments: B rows, V vocab_size, S tone strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..recurrence import Recurrence, State, select
from ..rules import Constraint, Rules
from ..rules.vocabulary import CHARACTER
from ..verse import COMMA, STOP, RhymeBook, patterns
from ..verse.associations import associations
from ..verse.quotations import corpus_lines
from ..verse.usage import word_places
from .lines import Line, choose
from .particles import gather
from .reading import NO_REPEAT, Reader
from .sampling import Sampling
from .search import pad

FORMS = {5: "五律", 7: "七律"}  # in which lines of so many characters answer each other
OPENINGS = 48  # couplets written before the line
ROWS = 128  # answers
# Nats a character: for the association of characters in the same places, as they are drawn and as answers are ranked;
# and against a word of the line that is answered by no word.
GUIDE, PARALLEL, NO_WORD = 0.5, 1.0, 0.5
BEHIND = 0.3  # how much the probability of the line counts where the answer comes first: most of it is the opening's
ALIKE = 1.0  # as of lines, but less: what is not parallel is no answer, however new
ENOUGH = 2.5  # a greater association than this is worth no more: else rare pairs win


@dataclass(frozen=True)
class Answer(Line):
    """A line that answers another.

    Attributes:
        first: whether it comes before the line that it answers.
        parallel: mean association of the characters in the same places (normalised: couplets by chance are about 0).
    """

    first: bool = False
    parallel: float = 0.0

    def to_dict(self) -> dict:
        return super().to_dict() | {"first": self.first, "parallel": round(self.parallel, 4)}


class Answers:
    """The search for them.

    Args:
        line: in the model's characters, without the marks within it.
        marks: these, by the place before which each stands.
        first: whether the answer is to come before the line.
        context: what the model is told, as text.
    """

    def __init__(
        self,
        recurrence: Recurrence,
        reader: Reader,
        book: RhymeBook,
        line: str,
        marks: dict[int, str],
        first: bool,
        context: str,
    ):
        self.recurrence, self.reader, self.vocabulary = recurrence, reader, reader.vocabulary_by(book)
        self.line, self.marks, self.first, self.context = line, marks, first, context
        self.form = None if marks else FORMS.get(len(line))
        self.tables, tokens = associations(), self.vocabulary.tokens
        numbers = [self.tables.index.get(token, 0) for token in tokens]
        given = [self.tables.index.get(char, 0) for char in line]
        opposite = torch.from_numpy(self.tables.opposite(given))[:, numbers]  # (N, V)
        self.opposite = opposite.clamp(max=ENOUGH).to(recurrence.device)
        self.strings = self._tone_strings()

    def _tone_strings(self) -> torch.Tensor:
        """The tones that an answer may have: (S, N), 0 平, 1 仄, 2 either."""
        length = len(self.line)
        heard = [self.vocabulary.sound(char).read_tone for char in self.line]
        wanted = [2] * length
        segment = 0  # characters since the beginning or a mark
        for place in range(length):
            segment = 1 if place in self.marks else segment + 1
            ends = place + 1 == length or place + 1 in self.marks
            if (segment % 2 == 0 or ends) and heard[place] < 2:
                wanted[place] = 1 - heard[place]
        if wanted[-1] == 2:
            wanted[-1] = int(self.first)
        if self.form:
            known = {string for pattern in patterns(self.form) for line in pattern.lines() for string in line}
            strings = [["平仄".index(tone) for tone in string] for string in sorted(known)]
            strings = [s for s in strings if all(want in (2, tone) for want, tone in zip(wanted, s))]
            if strings:
                return torch.tensor(strings, device=self.recurrence.device)
        return torch.tensor([wanted], device=self.recurrence.device)

    @torch.inference_mode()
    def find(self, count: int, seed: int, sampling: Sampling) -> list[Answer]:
        """So many, best first, different from each other."""
        generator = torch.Generator().manual_seed(seed * 64)
        state = self._openings(generator, sampling)
        given = [self.vocabulary.token(char) for char in self.line]
        if self.first:
            state = select(state, self._spread(len(state[-1][0])))
            tokens, log_probs, state = self._write(state, generator, sampling)
            behind, _ = self._read(given, self._pause(STOP), state)
            weights = BEHIND * behind
        else:
            weights, state = self._read(given, self._pause(COMMA), state)
            state = select(state, gather(weights, ROWS, torch.rand(1, generator=generator).to(weights.device)))
            tokens, log_probs, _ = self._write(state, generator, sampling)
            weights = torch.zeros_like(log_probs)
        texts = ["".join(self.vocabulary.tokens[token] for token in row) for row in tokens.tolist()]
        numbers = self.tables.indices([[text] for text in texts])[:, 0]  # (B, N)
        parallel = self.opposite[torch.arange(len(self.line)), tokens].mean(1)
        scores = (log_probs + weights) / (len(self.line) + 1) + PARALLEL * parallel
        scores = scores.cpu().numpy() - NO_WORD * self._broken_words(numbers)
        known = corpus_lines()
        scores[[text in known for text in texts]] -= 10.0  # an old line, no new one
        best = {}
        for text, log_prob, likeness, score in zip(texts, log_probs.tolist(), parallel.tolist(), scores.tolist()):
            if text not in best or best[text][1] < score:
                best[text] = Answer(self._marked(text), log_prob, self.first, likeness), score
        return [best[text][0] for text in choose(best, [score for _, score in best.values()], count, ALIKE)]

    def _marked(self, text: str) -> str:
        """With the marks of the line in the same places."""
        return "".join(self.marks.get(place, "") + char for place, char in enumerate(text))

    def _pause(self, mark: str) -> int:
        """The mark behind a line: of several parts, each is a couplet."""
        return self.vocabulary.ids[STOP if self.marks else mark]

    def _spread(self, rows: int) -> torch.Tensor:
        """The numbers of so many rows, evenly for all answers: (ROWS,)."""
        return torch.arange(ROWS, device=self.recurrence.device) % rows

    def _openings(self, generator: torch.Generator, sampling: Sampling) -> State:
        """The states behind some opening couplets of the form; behind nothing where lines of this length have none."""
        recurrence = self.recurrence
        (prompt,) = self.reader.tokenizer([self.context], [""]).input_ids
        inputs = pad([prompt], recurrence.config.pad_token_id, recurrence.device)
        rows = torch.zeros(OPENINGS if self.form else 1, dtype=torch.long, device=recurrence.device)
        state = select(recurrence.read_all(**inputs), rows)
        if not self.form:
            return state
        rules = Rules(form=self.form, avoid=tuple(dict.fromkeys(self.line)), no_repeat=NO_REPEAT, distinct_ends=True)
        constraint = Constraint(rules, self.vocabulary, self.reader.tokenizer.bos_token_id)
        progress = constraint.read(inputs["input_ids"]).select(rows)
        for _ in range(2 * len(self.line) + 2):
            uniform = torch.rand(len(rows), generator=generator).to(recurrence.device)
            token = sampling.draw(constraint.apply(progress, recurrence.logits(state).float()), uniform)
            state, progress = recurrence.step(token, state), constraint.advance(progress, token)
        return state

    def _read(self, tokens: Sequence[int], mark: int, state: State) -> tuple[torch.Tensor, State]:
        """The rows once they have read a line with its marks, and the logarithm of its probability in each, (B,)."""
        read, counted = [], []
        for place, token in enumerate([*tokens, mark]):
            if within := self.marks.get(place):
                read.append(self.vocabulary.ids[within])
                counted.append(False)
            read.append(token)
            counted.append(token != self.vocabulary.unknown)
        line = torch.tensor(read, device=self.recurrence.device)
        log_probs, state = self.recurrence.read_on(line, state)
        total = log_probs[:, torch.tensor(counted, device=line.device)].sum(1)
        return total, self.recurrence.step(line[-1:], state)

    def _pass(self, mark: str, state: State) -> State:
        tokens = torch.full((len(state[-1][0]),), self.vocabulary.ids[mark], device=self.recurrence.device)
        return self.recurrence.step(tokens, state)

    def _write(
        self, state: State, generator: torch.Generator, sampling: Sampling
    ) -> tuple[torch.Tensor, torch.Tensor, State]:
        """Answers: their tokens, (B, N), the logarithm of their probability, (B,), and the state behind the mark."""
        recurrence, vocabulary = self.recurrence, self.vocabulary
        rows = len(state[-1][0])
        written = torch.zeros(rows, 0, dtype=torch.long, device=recurrence.device)
        log_probs = torch.zeros(rows, device=recurrence.device)
        alive = torch.ones(rows, len(self.strings), dtype=torch.bool, device=recurrence.device)
        for place, char in enumerate(self.line):
            if within := self.marks.get(place):
                state = self._pass(within, state)
            scores = recurrence.logits(state).float().log_softmax(1)  # (B, V)
            again = self.line.find(char)
            if again < place:  # what is repeated is answered by what is repeated
                token = written[:, again]
            else:
                allowed = self._allowed(place, alive).scatter(1, written, False)
                if self.line[place + 1 : place + 2] == char:
                    allowed &= vocabulary.doubled[: allowed.shape[1]]
                guided = (scores + GUIDE * self.opposite[place]).masked_fill(~allowed, -float("inf"))
                token = sampling.draw(guided, torch.rand(rows, generator=generator).to(recurrence.device))
                tone = vocabulary.tones[token, None]
                alive = alive & ((self.strings[:, place] == tone) | (self.strings[:, place] == 2) | tone.ge(2))
            log_probs = log_probs + scores.gather(1, token[:, None])[:, 0]
            written = torch.cat([written, token[:, None]], 1)
            state = recurrence.step(token, state)
        mark = self._pause(COMMA if self.first else STOP)
        log_probs = log_probs + recurrence.logits(state).float().log_softmax(1)[:, mark]
        return written, log_probs, recurrence.step(torch.full((rows,), mark, device=recurrence.device), state)

    def _allowed(self, place: int, alive: torch.Tensor) -> torch.Tensor:
        """What may stand in a place of the answer: (B, V); alive (B, S) says which tone strings it has kept."""
        vocabulary, size = self.vocabulary, len(self.vocabulary.tokens)
        masks, here = vocabulary.tone_masks[:, :size], self.strings[:, place]
        level, oblique = ((alive & ((here == tone) | (here == 2))).any(1)[:, None] for tone in (0, 1))
        last = place + 1 == len(self.line)
        allowed = (level & masks[6 if last else 1]) | (oblique & masks[7 if last else 2])
        allowed &= vocabulary.masks[CHARACTER, :size]
        allowed[:, [vocabulary.ids[char] for char in self.line if char in vocabulary.ids]] = False
        return allowed

    def _broken_words(self, numbers: np.ndarray) -> np.ndarray:
        """The part of the line's common words whose places in each answer hold none: (B, N) -> (B,)."""
        if not self.form:
            return np.zeros(len(numbers))
        given = self.tables.indices([[self.line]])[:, 0]
        places = [place for place in word_places(len(self.line)) if self.tables.frequency(given[:, place]).item() > 0]
        if not places:
            return np.zeros(len(numbers))
        return np.mean([self.tables.frequency(numbers[:, place]) == 0 for place in places], axis=0)


__all__ = ["Answer", "Answers"]
