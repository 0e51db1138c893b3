"""A hand laid on the poem: what a poet can do with one that stands, and on the way to one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from .faults import PoetError, RuleConflict, text_of
from .recurrence import Recurrence
from .rules import Constraint, Plan
from .verse import COMMA, STOP, Prosody, get_book, split_lines
from .writing.alternatives import Alternative, Alternatives
from .writing.choice import Choice, default_candidates
from .writing.couplet import FORMS as ANSWERED
from .writing.couplet import Answer, Answers
from .writing.draft import read_draft
from .writing.lines import Line, choose, write_lines
from .writing.poem import Poem
from .writing.reading import Reader, Request
from .writing.request import (
    ANSWERING,
    CONTINUING,
    HAND,
    OPTIONS,
    REVISED,
    REVISING,
    checked,
    new_seed,
    takes,
)
from .writing.revision import anew, revision, standing
from .writing.sampling import Sampling
from .writing.suggestions import Suggestion, suggestions

SHORTEST, LONGEST = 4, 11  # lines that are answered


def _given(poem: object) -> Poem | Prosody | str:
    """A poem that a hand is laid on, if it can be one."""
    return poem if isinstance(poem, Poem | Prosody) else text_of(poem, "text")


class Hand:
    """What :class:`tang_rnn.TangPoet` can do beside writing whole poems."""

    recurrence: Recurrence
    reader: Reader
    # What else of a poet is used here.
    write_all: Callable[[list[Request], Sampling, int], list[Poem]]
    choice: Callable[[Sequence[Request]], Choice]
    plan: Callable[[Request], Plan]
    constraint: Callable[[Sequence[Request]], Constraint]
    prompts: Callable[[Sequence[Request]], list[list[int]]]

    def alternatives(
        self,
        poem: Poem | str,
        line: int,
        place: int,
        most: int = 12,
        *,
        characters: int = 1,
        poet: str = "",
        title: str = "",
        rhyme_book: str | None = None,
    ) -> list[Alternative]:
        """What else could stand in a place of a poem, by the likelihood of the whole poem with it in.

        Args:
            poem: one of ours, or any text.
            line, place: from 1.
            most: how many.
            characters: 1, or 2 for words of two characters that begin in the place.
            poet, title: what the model is told of a poem that is not ours.
            rhyme_book: by which its rules are kept; the poem's own, or 平水韵.

        Returns:
            Those that keep the poem's rules before all; one in four breaks some, and says which.

        Raises:
            PoetError: there is no poem, or no such place in it.
        """
        draft = read_draft(self.reader, _given(poem), poet, title, rhyme_book)
        line, place = HAND["line"].check(line), HAND["place"].check(place)
        size, most = HAND["characters"].check(characters), HAND["most"].check(most)
        return Alternatives(self.recurrence, self.reader, draft, line, place, size).find(most)

    def suggest(self, judged: Prosody, most: int = 5) -> list[Suggestion]:
        """For each fault that the judge found in a place of a poem, characters that mend it, best first.

        Args:
            judged: what :func:`tang_rnn.verse.check` says of it.
            most: how many for each fault.
        """
        return suggestions(self.recurrence, self.reader, judged, HAND["most"].check(most))

    @takes(*REVISING)
    def revise(self, poem: Poem | str, *, keep: int | Sequence[int] = (), **options) -> Poem:
        """The rest of a poem anew, so that it fits what stays, under the poem's own rules; never the same again.

        Args:
            poem: one of ours, or any text; its rules are then those that it keeps.
            keep: lines that stay word for word, from 1.
            {options}

        What `fixed` says may differ from what stands there. Characters that the poem's own rules gave by place (its
        opening, an acrostic) stay too. A rule that is given replaces the poem's own.

        Raises:
            PoetError: there is no poem, or no such line or place in it.
            RuleConflict: what stays cannot be kept together, or leaves nothing to be written or nothing else.
        """
        values = checked(options, REVISING)
        seed = new_seed() if values["seed"] is None else values["seed"]
        draft = read_draft(self.reader, _given(poem), values["poet"], values["title"], options.get("rhyme_book"))
        changes = {name: values[name] for name in REVISED if options.get(name) is not None}
        request, rules = revision(self.reader, draft, dict(values["fixed"]), HAND["keep"].check(keep), changes, seed)
        candidates = values["candidates"] or default_candidates(request.rules)
        for this in anew(self.reader, draft, request):
            (poem,) = self.write_all([this], Sampling.of(values), candidates)
            if poem.lines != standing(draft, request) and self._keeps(request, poem):
                return replace(poem, seed=seed, rules=rules)
        raise RuleConflict("nothing_else")

    def _keeps(self, request: Request, poem: Poem) -> bool:
        """Whether a poem keeps what is asked: where words to be avoided left nothing, the one written does not."""
        if not all(any(word in line for line in poem.lines) for word in request.rules.include):
            return False
        bare = replace(request, rules=replace(request.rules, include=()))
        (prompt,), constraint = self.prompts([bare]), self.constraint([bare])
        (ids,) = self.reader.tokenizer([bare.context], [poem.text]).input_ids
        row = torch.tensor([[*ids, constraint.vocabulary.end]])
        return all(bool(constraint.allowed(row[:, :n])[0, row[0, n]]) for n in range(len(prompt), row.shape[1]))

    @takes(*CONTINUING)
    def next_lines(self, poem: Poem | str = "", *, count: int = 6, **options) -> list[Line]:
        """Several next lines for what stands so far, different from each other, under the form and rules.

        Args:
            poem: its beginning, empty for a first line; the last line may be unfinished where there is a form.
            count: how many.
            {options}

        Returns:
            The best first; each whole, with what of it was given.

        Raises:
            PoetError: an option that cannot be, or a character that is not Chinese.
            RuleConflict: rules that no poem can keep together, or a poem that has all its lines.
        """
        count, values = HAND["count"].check(count), checked(options, CONTINUING)
        seed = new_seed() if values["seed"] is None else values["seed"]
        text = OPTIONS["opening"].check(poem.text if isinstance(poem, Poem) else text_of(poem, "text"))
        request = self.reader.request(text, values, seed)
        if request.rules.form is None and request.beginning and request.beginning[-1] not in COMMA + STOP:
            mark = COMMA if len(split_lines(request.beginning)) % 2 else STOP  # who goes on by lines has ended this one
            request = self.reader.request(request.beginning + mark, values, seed)
        sampling = Sampling.of(values)
        (prompt,), constraint = self.prompts([request]), self.constraint([request])
        rows = write_lines(self.recurrence, constraint, prompt, seed, sampling, grader=self.grader)
        plan = self.plan(request)
        lines = [split_lines(plan.text(request.beginning, tokens))[-1] for tokens, *_ in rows]
        scores = self.choice([request])([0] * len(rows), rows, read=len(rows))
        log_probs = dict(zip(reversed(lines), [row.log_prob for row in reversed(rows)]))
        return [Line(line, log_probs[line]) for line in choose(lines, scores, count)]

    @takes(*ANSWERING)
    def answer(self, line: str, *, count: int = 6, first: bool | None = None, **options) -> list[Answer]:
        """Lines that answer a line (对句): as long, tones opposed, words of a kind in the same places.

        Args:
            line: 4 to 11 characters, with marks within it if it has parts; 5 and 7 are answered best.
            count: how many.
            first: whether the answer comes before the line; by default if the line ends in a level tone, as the second
                line of a couplet does.
            {options}

        Returns:
            The best first, different from each other, none of them a line of the corpus.

        Raises:
            PoetError: an option that cannot be, a character that is not Chinese, or a line too short or too long.
        """
        count, values = HAND["count"].check(count), checked(options, ANSWERING)
        seed = new_seed() if values["seed"] is None else values["seed"]
        first = HAND["first"].check(first)
        line = "".join(OPTIONS["opening"].check(text_of(line, "line")).split())
        text = self.reader.readable(line, "line").strip(COMMA + STOP)
        marks, characters = {}, ""
        for char in text:
            if char in COMMA + STOP:
                marks[len(characters)] = COMMA
            else:
                characters += char
        if not SHORTEST <= len(characters) <= LONGEST:
            raise PoetError("answered_length", count=len(characters), least=SHORTEST, most=LONGEST)
        book = get_book(values["rhyme_book"])
        if first is None:
            first = self.reader.vocabulary_by(book).sound(characters[-1]).read_tone == 0
        form = None if marks else ANSWERED.get(len(characters))
        context, *_ = self.reader.context(form or "杂言", values["poet"], values["title"])
        sampling = Sampling.of(values)
        search = Answers(self.recurrence, self.reader, book, characters, marks, first, context)
        return search.find(count, seed, sampling)
