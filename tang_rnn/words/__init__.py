"""What the program says, once: a file of words for each language.

A file has sections: "names" (what options are called in a sentence), "faults" (what a user can put right), "judge"
(what :func:`tang_rnn.verse.check` finds) and "page". A sentence has its fields in braces. A further language is one
more file with the same keys; a wording is changed here, never in code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
DEFAULT = "en"
NAMES = ("name", "other", "names")  # fields that hold names of options, to be looked up


@cache
def languages() -> dict[str, dict[str, dict[str, str]]]:
    """All words there are: by language, section and key."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def say(section: str, key: str, fields: Mapping[str, object], language: str = DEFAULT) -> str:
    """A sentence with its fields filled in, in one line; English where the language has no such sentence."""
    known = languages()
    names = known.get(language, known[DEFAULT])["names"]

    def shown(name: str) -> str:
        value = fields[name]
        if hasattr(value, "say"):  # another fault, the cause of this one
            return value.say(language)
        values = value if isinstance(value, (list, tuple)) else [value]
        words = [names.get(str(each), str(each)) if name in NAMES else str(each) for each in values]
        return _printable(" ".join(words))

    sentence = known.get(language, {}).get(section, {}).get(key) or known[DEFAULT][section][key]
    return re.sub(r"\{(\w+)\}", lambda field: shown(field[1]), sentence)


def _printable(text: str) -> str:
    """The text with line breaks, control characters and halves of characters as escapes."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


__all__ = ["DEFAULT", "languages", "say"]
