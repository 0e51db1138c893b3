"""A poem that a hand is to be laid on, whoever wrote it: its lines, what is asked of it, what the model is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..faults import PoetError
from ..rules import Rules
from ..verse import COMMA, FORMS, PINGSHUI, STOP, Prosody, RhymeBook, Violation, check, classify, get_book, split_lines
from .poem import Poem
from .reading import NO_REPEAT, Reader
from .request import OPTIONS


@dataclass(frozen=True)
class Draft:
    """A poem as it stands.

    Attributes:
        lines: in the model's characters, without marks.
        marks: behind each line, ，or 。.
        form: the form of its lines.
        rules: what was asked of it; None of a poem that was brought.
        context: what the model is told before it.
        poet, title: what of the context is these.
        book: by which its rules are kept.
        opening: what it was asked to begin with.
    """

    lines: tuple[str, ...]
    marks: str
    form: str
    rules: Rules | None
    context: str
    poet: str
    title: str
    book: RhymeBook
    opening: str = ""

    @property
    def text(self) -> str:
        """With its marks."""
        return "".join(line + mark for line, mark in zip(self.lines, self.marks))

    def offset(self, line: int, place: int) -> int:
        """Where in the text a character stands; both from 1.

        Raises:
            PoetError: there is no such place.
        """
        if not 1 <= line <= len(self.lines):
            raise PoetError("no_line", line=line, most=len(self.lines))
        if not 1 <= place <= len(self.lines[line - 1]):
            raise PoetError("no_place", line=line, place=place, most=len(self.lines[line - 1]))
        return sum(len(each) + 1 for each in self.lines[: line - 1]) + place - 1

    def put(self, line: int, place: int, characters: str) -> Draft:
        """The same with other characters from a place on."""
        old = self.lines[line - 1]
        new = old[: place - 1] + characters + old[place - 1 + len(characters) :]
        return replace(self, lines=(*self.lines[: line - 1], new, *self.lines[line:]))

    def judge(self) -> tuple[Violation, ...]:
        """The rules of its form that it breaks."""
        return check(self.text, self.form, self.book).violations

    def own_rules(self) -> Iterator[Rules]:
        """What may be asked of it whole, strictest first, without what fixes characters."""
        form = FORMS[self.form]
        strict = self.rules or Rules(regulated=form.regulated, no_repeat=NO_REPEAT, distinct_ends=True)
        shape = {"num_lines": len(self.lines)} if form.line_length else {"line_lengths": tuple(map(len, self.lines))}
        none = {"opening": "", "acrostic": "", "acrostic_tail": "", "rhyme_words": "", "include": (), "fixed": ()}
        strict = replace(strict, form=self.form, **shape, **none)
        yield strict
        yield replace(strict, regulated=False, pattern=None, rhyme=None)


def read_draft(
    reader: Reader, poem: Poem | Prosody | str, poet: str = "", title: str = "", rhyme_book: str | None = None
) -> Draft:
    """A poem of ours, one that was judged, or any text; its marks are then those of couplets.

    Args:
        poet, title: what a brought poem is said to be by and about; empty: what it says itself, if the model knows it.
        rhyme_book: by which its rules are kept; None: the poem's own, or 平水韵.

    Raises:
        Fault: there is no poem in it, or a poet that the model does not know.
    """
    rules, opening = None, ""
    poet, title = OPTIONS["poet"].check(poet), OPTIONS["title"].check(title)
    if isinstance(poem, Poem):
        text, form, rules, opening = reader.normalize(poem.text), poem.form, poem.rules, poem.opening
        lines, marks = split_lines(text), "".join(mark for mark in text if mark in COMMA + STOP)
        poet, title, book = poem.poet, poem.title, get_book(rhyme_book or poem.rhyme_book)
    else:
        judged = poem
        if not isinstance(poem, Prosody):
            judged = check(OPTIONS["opening"].check(poem), None, get_book(rhyme_book or PINGSHUI.name))
        book, lines = get_book(judged.book), [reader.normalize(line.text) for line in judged.lines]
        form, marks = judged.form if judged.form in FORMS else classify(lines).name, ""
        by = reader.normalize(judged.poet or "")
        poet, title = poet or (by if by in reader.tokenizer.poets else ""), title or judged.title or ""
    if len(marks) != len(lines):
        marks = "".join(STOP if number % 2 or number == len(lines) - 1 else COMMA for number in range(len(lines)))
    context, poet, title = reader.context(form, poet, title)
    return Draft(tuple(lines), marks, form, rules, context, poet, title, book, opening)


__all__ = ["Draft", "read_draft"]
