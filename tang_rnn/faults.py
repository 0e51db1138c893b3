"""What a user can put right: an error with a key for programs and a sentence for people.

Every error that is the user's to mend is a :class:`Fault`; whatever else is raised is a fault of this program. The
sentences are in ``words/``, by language and key.
"""

from __future__ import annotations

from functools import partial

from .words import say


class Fault(ValueError):
    """What the caller can put right, in one line.

    Args:
        key: of its sentence, in the section "faults" of the words.
        fields: what the sentence names; strings, numbers, lists of them, or another fault that is the cause.

    Attributes:
        key, fields: as given.
    """

    def __init__(self, key: str, /, **fields):
        self.key, self.fields = key, fields
        super().__init__(say("faults", key, fields))

    def say(self, language: str) -> str:
        """The sentence in another language; ``str`` gives the English one."""
        return say("faults", self.key, self.fields, language)

    def to_dict(self) -> dict:
        """Key, fields and message, ready for ``json.dumps``."""
        fields = {name: value.to_dict() if isinstance(value, Fault) else value for name, value in self.fields.items()}
        return {"key": self.key, "fields": fields, "message": str(self)}

    def __reduce__(self):
        return partial(type(self), self.key, **self.fields), ()


class PoetError(Fault):
    """An option that cannot be, a character or poet that the model does not know, a checkpoint that cannot be read."""


class RuleConflict(Fault):
    """Rules that no poem can keep together; the message names them and what would work."""


def text_of(value: object, name: str) -> str:
    """The value of an argument, if it is text.

    Raises:
        Fault: naming the argument.
    """
    if not isinstance(value, str):
        raise Fault("not_text", name=name)
    return value


def first_line(error: object) -> str:
    """What an error of some library says, as much of it as goes into a line of ours."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


__all__ = ["Fault", "PoetError", "RuleConflict", "first_line", "text_of"]
