"""What the judge says: a verdict with its lines, faults and notes, each with a key for programs and words for people.

The sentences are in the section "judge" of the words; nothing here is worded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ..words import DEFAULT, say
from .forms import COMMA, STOP
from .reading import Aside
from .rhymes import RHYME_BOOKS

# What was judged.
FORM, TONES, RHYME = "form", "tones", "rhyme"


@dataclass(frozen=True)
class Remark:
    """Something to be said.

    Attributes:
        key: of its sentence.
        fields: what the sentence names.
        line: its line, from 1; None where the whole poem is meant.
    """

    key: str
    fields: dict = field(default_factory=dict)
    line: int | None = None

    def say(self, language: str = DEFAULT) -> str:
        return say("judge", self.key, {"line": self.line, **self.fields}, language)

    def __str__(self) -> str:
        return self.say()

    def to_dict(self, language: str = DEFAULT) -> dict:
        return {**asdict(self), "message": self.say(language)}


@dataclass(frozen=True)
class Note(Remark):
    """What is unusual yet no fault, or worth knowing."""


@dataclass(frozen=True)
class Violation(Remark):
    """A broken rule.

    Attributes:
        name: 失对 失粘 出律 孤平 三平尾 句脚 出韵 重韵 or 格式.
        position: its character in the line, from 1; None where the whole line is meant.
        character: that character; empty where the whole line is meant.
    """

    name: str = ""
    position: int | None = None
    character: str = ""

    @property
    def message(self) -> str:
        """A sentence for people, in English."""
        return self.say()

    def say(self, language: str = DEFAULT) -> str:
        fields = {"line": self.line, "position": self.position, "char": self.character, **self.fields}
        return say("judge", self.key, fields, language)


@dataclass(frozen=True)
class Line:
    """A line as judged.

    Attributes:
        text: its characters.
        tones: their tones where they stand, a letter each of 平 仄 中 ？.
        expected: the tones its kind of line asks for, of 平 仄 中; None where no pattern applies.
        kind: the kind of line it was read as, ``a`` ``A`` ``b`` ``B``; None where no pattern applies.
        rhymes: whether it is to rhyme.
    """

    text: str
    tones: str
    expected: str | None = None
    kind: str | None = None
    rhymes: bool = False


@dataclass(frozen=True)
class Prosody:
    """What :func:`~tang_rnn.verse.check` found.

    Attributes:
        form: name of the form; 联 for a lone couplet, 句 for a lone line.
        book: name of the rhyme book it was judged by.
        pattern: name of the tonal pattern it follows, or comes nearest to; None for an old-style form.
        rhyme_group: name of the group it rhymes in; None if it has no single one.
        lines: each :class:`Line`.
        violations: each :class:`Violation`, in the order of the lines; those of tone only where tones were judged.
        notes: each :class:`Note`.
        judged: what was judged, of ``form`` ``tones`` ``rhyme``.
        summary: the verdict in one sentence.
        title, poet: as the text names them; empty if it does not.
        aside: what was set aside of the text, each :class:`Aside`.
    """

    form: str
    book: str
    pattern: str | None
    rhyme_group: str | None
    lines: tuple[Line, ...]
    violations: tuple[Violation, ...]
    notes: tuple[Note, ...]
    judged: tuple[str, ...] = (FORM, TONES, RHYME)
    summary: Remark = Remark("")
    title: str = ""
    poet: str = ""
    aside: tuple[Aside, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no rule is broken, of those that were judged."""
        return not self.violations

    @property
    def clean(self) -> bool:
        """Whether form, tones and rhyme were all judged and no rule is broken: what deserves a tick."""
        return self.ok and self.judged == (FORM, TONES, RHYME)

    def to_dict(self, language: str = DEFAULT) -> dict:
        """Everything in dicts and strings, ready for ``json.dumps``; and ``ok``, ``clean``, and each message."""
        said = {
            "violations": [violation.to_dict(language) for violation in self.violations],
            "notes": [note.to_dict(language) for note in self.notes],
            "summary": self.summary.to_dict(language),
        }
        return {"ok": self.ok, "clean": self.clean, **asdict(self), **said}

    def format(self, color: bool = False, language: str = DEFAULT) -> str:
        """A few lines for a terminal: the verdict, what was set aside, each line with its tones and those expected,
        then faults and notes apart; faults red if ``color``."""

        def paint(text: str, code: int) -> str:
            return f"\x1b[{code}m{text}\x1b[0m" if color else text

        book = RHYME_BOOKS.get(self.book)  # a book of the caller's own is not among them
        group = book.groups[self.rhyme_group].full_name if book and self.rhyme_group else self.rhyme_group
        shown = [self.summary.say(language)]
        shown.append(" · ".join(filter(None, (self.pattern or self.form, group and f"韵 {group}", self.book))))
        for kind in dict.fromkeys(aside.kind for aside in self.aside):
            texts = [aside.text for aside in self.aside if aside.kind == kind]
            shown.append(paint("· " + say("judge", f"aside_{kind}", {"texts": texts}, language), 33))
        wrong = {(v.line, v.position) for v in self.violations}
        for number, line in enumerate(self.lines, 1):
            marked = [(number, place) in wrong or (number, None) in wrong for place in range(1, len(line.text) + 1)]
            text, tones = (
                "".join(paint(c, 31) if bad else c for c, bad in zip(row, marked, strict=True))
                for row in (line.text, line.tones)
            )
            stop = STOP if number % 2 == 0 or number == len(self.lines) else COMMA
            mark = paint("韵", 32) if line.rhymes else ""
            shown.append("  ".join(filter(None, ("  " + text + stop, tones, line.expected, mark))))
        shown += [paint(f"× {v.name}: {v.say(language)}", 31) for v in self.violations]
        shown += [paint(f"· {note.say(language)}", 33) for note in self.notes]
        if self.clean:
            shown.append(paint("√ " + say("judge", "clean", {}, language), 32))
        return "\n".join(shown)

    def __str__(self) -> str:
        return self.format()


__all__ = ["FORM", "RHYME", "TONES", "Line", "Note", "Prosody", "Remark", "Violation"]
