"""What verse is: forms, rhyme books, tonal patterns, and a judge of any poem.

Only the standard library is imported here. The lines of the corpus are in :mod:`tang_rnn.verse.quotations`, which
needs more.
"""

from .forms import COMMA, FORM_TOKENS, FORMS, STOP, Form, classify, get_form, split_lines
from .judge import check, check_all
from .patterns import Pattern, admissible, fits, formula, patterns
from .reading import Aside, Pasted, read
from .rhymes import EITHER, LEVEL, OBLIQUE, PINGSHUI, RHYME_BOOKS, UNKNOWN, Heard, RhymeBook, RhymeGroup, get_book
from .verdict import Line, Note, Prosody, Violation

__all__ = [
    "Aside",
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
    "Heard",
    "Line",
    "Note",
    "Pasted",
    "Pattern",
    "Prosody",
    "RhymeBook",
    "RhymeGroup",
    "Violation",
    "admissible",
    "check",
    "check_all",
    "classify",
    "fits",
    "formula",
    "get_book",
    "get_form",
    "patterns",
    "read",
    "split_lines",
]
