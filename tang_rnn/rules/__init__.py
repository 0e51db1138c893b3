"""What is asked of a poem: its rules, laid out for a vocabulary, and kept while it is written."""

from ..faults import RuleConflict
from .constraint import Constraint, Progress
from .placement import placed, placements
from .plan import Plan
from .rules import Rules
from .vocabulary import Vocabulary


def __getattr__(name: str):
    if name != "VerseConstraint":
        raise AttributeError(name)
    from .processor import VerseConstraint  # brings transformers, which writing does without

    return VerseConstraint


__all__ = ["Constraint", "Plan", "Progress", "RuleConflict", "Rules", "VerseConstraint", "Vocabulary"]
__all__ += ["placed", "placements"]
