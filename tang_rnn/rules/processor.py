"""The rules of verse as a ``LogitsProcessor`` of transformers, whose import only who generates with it pays for."""

from transformers import LogitsProcessor

from .constraint import Constraint


class VerseConstraint(Constraint, LogitsProcessor):
    __doc__ = Constraint.__doc__


__all__ = ["VerseConstraint"]
