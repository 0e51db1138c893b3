"""Poem: what was written, and what can be said of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from ..rules import Rules
from ..verse import PINGSHUI, STOP, Prosody, check, get_book, split_lines
from ..verse.quotations import LineIndex, corpus_lines
from .script import to_traditional


@dataclass(frozen=True)
class Poem:
    """A poem as written.

    Attributes:
        text: with its marks, ``春眠不觉晓，处处闻啼鸟。…``
        opening: what it was asked to begin with.
        form: name of the form its lines make.
        cell: the recurrent cell that wrote it.
        seed: writes it again, with the same options.
        log_prob: natural logarithm of its probability under the model, marks and end included, opening and rules not.
        characters: how many characters `log_prob` sums over.
        poet, title: what the model was told beforehand.
        rhyme_book: name of the rhyme book that it was written and is judged by.
        own_lines: those of one's own poems, where the model has learned from such.
        rules: what was asked of it.
        strain, grade: what else speaks against and for it; see :class:`.drawing.Written`.
    """

    text: str
    opening: str
    form: str
    cell: str
    seed: int
    log_prob: float
    characters: int
    poet: str = ""
    title: str = ""
    rhyme_book: str = PINGSHUI.name
    own_lines: LineIndex | None = field(default=None, repr=False, compare=False)
    rules: Rules | None = field(default=None, repr=False, compare=False)
    strain: float = field(default=0.0, repr=False, compare=False)
    grade: float = field(default=0.0, repr=False, compare=False)

    @property
    def lines(self) -> list[str]:
        """The lines without marks."""
        return split_lines(self.text)

    @cached_property
    def prosody(self) -> Prosody:
        """What the judge says; see :func:`tang_rnn.verse.check`."""
        return check(self.text, self.form, get_book(self.rhyme_book))

    @cached_property
    def quotes(self) -> list[str]:
        """Those of its lines that stand in the corpus, word for word, whoever put them here: old lines, not new ones.

        Lines of one's own poems count where the model has learned from such. A line shorter than four characters does
        not count; see :mod:`tang_rnn.verse.quotations`.
        """
        known = corpus_lines()
        return [line for line in self.lines if line in known or (self.own_lines and line in self.own_lines)]

    def __str__(self) -> str:
        """A couplet a line."""
        return self.text.replace(STOP, STOP + "\n").rstrip("\n")

    def traditional(self) -> Poem:
        """The same poem in traditional characters."""
        names = ("text", "opening", "title", "poet")
        poem = replace(self, **{name: to_traditional(getattr(self, name)) for name in names})
        # The index has simplified characters, and the way back to them is not always clear.
        poem.__dict__["quotes"] = [new for new, old in zip(poem.lines, self.lines) if old in self.quotes]
        return poem

    def to_dict(self) -> dict:
        """Ready for ``json.dumps``, with the keys of the command's --json."""
        judged = self.prosody
        return {
            "text": self.text,
            "lines": self.lines,
            "form": self.form,
            "cell": self.cell,
            "opening": self.opening,
            "seed": self.seed,
            "log_prob": round(self.log_prob, 4),
            "quotes": self.quotes,
            "prosody": {
                "book": judged.book,
                "pattern": judged.pattern,
                "rhyme_group": judged.rhyme_group,
                "violations": [violation.name for violation in judged.violations],
            },
        }


__all__ = ["Poem"]
