"""Rules: what is asked of one poem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..faults import RuleConflict
from ..verse import FORMS, Form


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
        avoid: characters that must not occur.
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
    avoid: str = ""
    no_repeat: int = 0
    distinct_ends: bool = False

    def __post_init__(self):
        # As a tuple the rules can be hashed, and poems of the same rules share a plan.
        object.__setattr__(self, "fixed", tuple(sorted(dict(self.fixed).items())))

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
        for name in ("regulated", "pattern", "rhyme", "acrostic", "acrostic_tail", "fixed", "num_lines"):
            if getattr(self, name):
                known = [form.name for form in FORMS.values() if form.line_length]
                raise RuleConflict("needs_form", name=name, known=known)
        return None


__all__ = ["Rules"]
