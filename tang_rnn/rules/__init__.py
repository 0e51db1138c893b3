"""What is asked of a poem: its rules, laid out for a vocabulary, and kept while it is written."""

from ..faults import RuleConflict
from .constraint import Progress, VerseConstraint
from .placement import placed, placements
from .plan import Plan
from .rules import Rules
from .vocabulary import Vocabulary

__all__ = ["Plan", "Progress", "RuleConflict", "Rules", "VerseConstraint", "Vocabulary", "placed", "placements"]
