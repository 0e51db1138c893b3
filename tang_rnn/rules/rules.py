"""Rules: what is asked of one poem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

from ..faults import RuleConflict
from ..verse import FORMS, Form

NEED_ONE_LENGTH = ("regulated", "pattern", "num_lines")  # rules that need lines of one length
NEED_LENGTHS = (
    *NEED_ONE_LENGTH,
    *("rhyme", "acrostic", "acrostic_tail", "fixed", "include", "rhyme_words"),
)  # and those that need to know them
# What a field may be, and what is said of anything else.
_KINDS = (
    ("not_text", str, ("opening", "acrostic", "acrostic_tail", "rhyme_words")),
    ("not_words", str | tuple | list, ("include", "avoid")),
    ("not_lines", tuple | list, ("line_lengths",)),
    ("not_text", str | None, ("form", "pattern")),
    ("not_text", str | bool | None, ("rhyme",)),
    ("not_flag", bool, ("regulated", "distinct_ends")),
    ("whole_from", Integral | None, ("num_lines",)),
    ("whole_from", Integral, ("no_repeat",)),
)


@dataclass(frozen=True)
class Rules:
    """What is asked of one poem.

    Attributes:
        form: name of its form; None leaves line lengths and end to the model.
        num_lines: lines, for a form of free length.
        regulated: keep a tonal pattern, rhyme in one level group, no rhyme word twice.
        pattern: name of the tonal pattern, such as ``七绝平起首句入韵``; by default any of the form's.
        rhyme: name of the rhyme group of all even lines; True for whichever the poem takes itself.
        opening: characters the poem begins with.
        acrostic: characters that begin the lines, one a line (藏头).
        acrostic_tail: characters that end the lines (藏尾).
        fixed: further characters, by (line, position), both from 1.
        include: words that must occur, each within a line; see :mod:`.placement`.
        rhyme_words: characters that end the lines that rhyme, in order (步韵); with one more than there are even lines
            the first line rhymes too.
        avoid: characters and words that must not occur; a text stands for its characters.
        line_lengths: characters of each line, for a poem whose lines differ.
        no_repeat: how many characters must pass before one may recur; doubling (处处) is allowed. 0: no such rule.
        distinct_ends: no two lines end in the same character, so that neither a line nor a rhyme word returns.

    Any Han character may be given in `opening`, `acrostic`, `acrostic_tail` and `fixed`: one that the vocabulary lacks
    is read as its unknown token, and its tone and rhyme are the rhyme book's.
    """

    form: str | None = None
    num_lines: int | None = None
    regulated: bool = False
    pattern: str | None = None
    rhyme: str | bool | None = None
    opening: str = ""
    acrostic: str = ""
    acrostic_tail: str = ""
    fixed: Mapping[tuple[int, int], str] | tuple = ()
    include: Sequence[str] = ()
    rhyme_words: str = ""
    avoid: Sequence[str] = ()
    line_lengths: Sequence[int] = ()
    no_repeat: int = 0
    distinct_ends: bool = False

    def __post_init__(self):
        for key, kind, names in _KINDS:
            for name in names:
                if not isinstance(value := getattr(self, name), kind):
                    raise RuleConflict(key, name=name, least=0, value=repr(value))
        # As a tuple the rules can be hashed, and poems of the same rules share a plan.
        try:
            object.__setattr__(self, "fixed", tuple(sorted(dict(self.fixed).items())))
        except (TypeError, ValueError):
            raise RuleConflict("not_places", name="fixed") from None
        for name, kind, key in (
            ("include", str, "not_words"),
            ("avoid", str, "not_words"),
            ("line_lengths", int, "not_lines"),
        ):
            values = tuple(getattr(self, name))
            if not all(isinstance(value, kind) for value in values):
                raise RuleConflict(key, name=name)
            object.__setattr__(self, name, values)

    def even_form(self) -> Form | None:
        """The form, if its lines are of one length.

        Raises:
            RuleConflict: no such form, or a rule that needs lines of one length.
        """
        if self.form is not None and self.form not in FORMS:
            raise RuleConflict("no_form", form=self.form, known=list(FORMS))
        form = FORMS[self.form] if self.form else None
        if form is not None and form.line_length:
            return form
        for name in NEED_LENGTHS if not self.line_lengths else NEED_ONE_LENGTH:
            if getattr(self, name):
                known = [form.name for form in FORMS.values() if form.line_length]
                raise RuleConflict("needs_form", name=name, known=known)
        return None


__all__ = ["Rules"]
