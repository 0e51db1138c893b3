"""What verse is: forms, rhyme books, tonal patterns, and a judge of any poem.

Only the standard library is imported here. The lines of the corpus are in :mod:`tang_rnn.verse.quotations`, which
needs more.
"""

from .forms import COMMA, FORM_TOKENS, FORMS, STOP, Form, classify, get_form, split_lines
from .judge import Line, Prosody, Violation, check
from .patterns import Pattern, admissible, formula, patterns
from .rhymes import EITHER, LEVEL, OBLIQUE, PINGSHUI, RHYME_BOOKS, UNKNOWN, RhymeBook, RhymeGroup

__all__ = [
    "COMMA",
    "EITHER",
    "FORMS",
    "FORM_TOKENS",
    "LEVEL",
    "OBLIQUE",
    "PINGSHUI",
    "RHYME_BOOKS",
    "STOP",
    "UNKNOWN",
    "Form",
    "Line",
    "Pattern",
    "Prosody",
    "RhymeBook",
    "RhymeGroup",
    "Violation",
    "admissible",
    "check",
    "classify",
    "formula",
    "get_form",
    "patterns",
    "split_lines",
]
