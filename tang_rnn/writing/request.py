"""What was asked, in the model's terms: one poem's rules, what the model is told before it, and how it begins."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import index

from ..faults import PoetError, RuleConflict
from ..rules import Plan, Rules, Vocabulary
from ..tokenization_tang_rnn import TangTokenizer
from ..verse import COMMA, FORMS, STOP, split_lines

MAX_TITLE = 12  # characters of a title the model was trained to see
LONGEST = 400  # characters of any text that is given
NO_REPEAT = 40  # characters before one may recur: a whole quatrain, most of a longer poem


@dataclass(frozen=True)
class Request:
    """One poem to be written.

    Attributes:
        rules: what is asked of it.
        context: what the model is told before it, as text.
        opening: the characters it is to begin with, as asked.
        beginning: the same with the marks that its form puts between them: the poem's own text goes on from there.
        seed: of its random numbers.
        poet, title: what of the context is these.
    """

    rules: Rules
    context: str
    opening: str
    beginning: str
    seed: int
    poet: str
    title: str


def default_candidates(regulated: bool, pattern: str | None) -> int:
    """How many are written for each poem, of which the best is kept, where the caller does not say."""
    return 8 if regulated or pattern else 1


def new_seed() -> int:
    """A seed of its own for each call, independent of ``random`` and ``torch``."""
    return random.SystemRandom().randrange(2**31)


def check_seed(seed: int | None) -> int:
    """The seed, or a new one for None."""
    if seed is None:
        return new_seed()
    try:
        seed = index(seed)
    except TypeError:
        raise PoetError(f"seed must be a whole number, not {seed!r}") from None
    if not 0 <= seed < 2**53:
        raise PoetError(f"seed must be between 0 and 2^53 - 1, not {seed}")
    return seed


class RequestReader:
    """Puts what was asked into the terms of a tokenizer and its vocabulary."""

    def __init__(self, tokenizer: TangTokenizer, vocabulary: Vocabulary):
        self.tokenizer, self.vocabulary = tokenizer, vocabulary

    def request(self, opening: str, rules: Mapping, poet: str, title: str, seed: int) -> Request:
        """What :meth:`TangPoet.write` was asked, for one poem.

        Raises:
            PoetError: a character or poet that the model does not know.
            RuleConflict: rules that no poem can keep together.
        """
        texts = {name: rules.get(name) or "" for name in ("acrostic", "acrostic_tail", "avoid")}
        for name, text in texts.items():
            text = self.tokenizer.normalize(text) if name == "avoid" else self.known(text, name)
            texts[name] = "".join(split_lines(text))
        asked = self.known(opening, "the opening")
        names = {name: rules.get(name) and self.tokenizer.normalize(rules[name]) for name in ("form", "pattern")}
        rules = Rules(**rules | texts | names)
        rules = replace(rules, form=needed_form(rules), no_repeat=NO_REPEAT, distinct_ends=True)
        if rules.kind is not None:
            asked = "".join(split_lines(asked))  # the form sets its own marks
            rules = replace(rules, opening=asked)
        elif asked and asked[0] in COMMA + STOP:
            raise PoetError(f"a poem cannot begin with {asked[0]!r}")
        elif barred := [char for char in asked if char in rules.avoid]:
            raise RuleConflict(f"the opening asks for {barred[0]!r}, which is to be avoided")
        context, poet, title = self.context(rules.form, poet, title)
        beginning = Plan.of(rules, self.vocabulary).lay_out(asked)
        return Request(rules, context, asked, beginning, seed, poet, title)

    def context(self, form: str | None, poet: str | None, title: str | None) -> tuple[str, str, str]:
        """What a model is told before a poem: as the text that says it, and of that the poet and the title.

        Raises:
            PoetError: a poet the model does not know. Of a title, characters it does not know are left out.
        """
        poet = self.tokenizer.normalize(poet or "")
        if poet and poet not in self.tokenizer.poets:
            raise PoetError(f"the model does not know the poet {poet!r}; it knows {' '.join(self.tokenizer.poets)}")
        title = "".join(char for char in self.tokenizer.normalize(title or "") if char in self.vocabulary.ids)
        title = title.replace(COMMA, "").replace(STOP, "")[:MAX_TITLE]
        return self.tokenizer.context(FORMS[form].token if form else "", poet, title), poet, title

    def known(self, text: str, name: str) -> str:
        """The text in the model's characters.

        Raises:
            PoetError: naming the first character the model does not know, with close ones.
        """
        if len(text) > LONGEST:
            raise PoetError(f"{name} is too long: {len(text)} characters, at most {LONGEST}")
        text = self.tokenizer.normalize(text)
        for char in text:
            if char not in self.vocabulary.ids:
                close = self.close_characters(char)
                hint = f"close to it are {' '.join(close)}" if close else "try a Chinese character such as 春 月 山 秋"
                raise PoetError(f"the model does not know {char!r} in {name}; {hint}")
        return text

    def close_characters(self, char: str, most: int = 5) -> list[str]:
        """Characters the model knows read like one it does not: of the same rhyme groups, frequent first."""
        book = self.vocabulary.book
        readings = set(book.readings(char))
        if not readings:
            return []
        same = [token for token in self.vocabulary.ids if set(book.readings(token)) == readings]
        return same[:most]  # the vocabulary is in order of frequency


def needed_form(rules: Rules) -> str | None:
    """The form asked for, or the one that the rules need."""
    if rules.form is not None:
        return rules.form
    if rules.pattern:
        if rules.pattern[:2] not in FORMS:
            raise RuleConflict(f"no pattern {rules.pattern!r}: give one such as 七绝平起首句入韵")
        return rules.pattern[:2]
    if lines := max(len(rules.acrostic), len(rules.acrostic_tail)) or rules.num_lines:
        if rules.regulated and lines not in (4, 8) and (lines < 10 or lines % 2):
            raise RuleConflict(f"regulated verse has 4, 8, or an even number of lines from 10, not {lines}")
        return {4: "七绝", 8: "七律"}.get(lines, "七排" if rules.regulated else "七古")
    return "七绝" if rules.regulated or rules.rhyme else None


__all__ = ["RequestReader", "Request", "check_seed", "default_candidates", "needed_form", "new_seed"]
