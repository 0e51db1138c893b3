"""What would mend a fault that the judge found in a place: characters that keep the rules there and fit the line."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..recurrence import Recurrence
from ..rules.vocabulary import CHARACTER
from ..verse import Prosody, Violation
from .alternatives import Alternative, Alternatives
from .draft import Draft, read_draft
from .reading import Reader

TRIED = 3  # alternatives for each that is asked for: some mend one fault and make another


@dataclass(frozen=True)
class Suggestion:
    """What could stand where a fault is.

    Attributes:
        fault: with its line and position.
        characters: best first, each of which mends it and breaks nothing else.
    """

    fault: Violation
    characters: tuple[Alternative, ...]

    def to_dict(self) -> dict:
        """Ready for ``json.dumps``."""
        place = {"name": self.fault.name, "line": self.fault.line, "position": self.fault.position}
        return place | {"characters": [each.text for each in self.characters]}


def suggestions(recurrence: Recurrence, reader: Reader, judged: Prosody, most: int) -> list[Suggestion]:
    """For each fault of a poem that has a place, so many characters at most; none that stands in the poem already."""
    draft, found = read_draft(reader, judged), []
    before = draft.judge()
    for fault in judged.violations:
        if fault.position is None:
            continue
        only, mending = _mending(reader, draft, fault, before, judged.rhyme_group), []
        if bool(only.any()):
            search = Alternatives(recurrence, reader, draft, fault.line, fault.position, only=only)
            mending = [one for one in search.find(TRIED * most) if _mends(draft, fault, before, one.text)]
        found.append(Suggestion(fault, tuple(mending[:most])))
    return found


def _mends(draft: Draft, fault: Violation, before: tuple[Violation, ...], character: str) -> bool:
    """Whether a character in the place of a fault mends it, and makes none."""
    after = draft.put(fault.line, fault.position, character).judge()
    places = {(each.name, each.line, each.position) for each in before}
    left = {(each.name, each.line, each.position) for each in after}
    return left < places and (fault.name, fault.line, fault.position) not in left


def _mending(
    reader: Reader, draft: Draft, fault: Violation, before: tuple[Violation, ...], group: str | None
) -> torch.Tensor:
    """The characters that may mend a fault, by tone and rhyme: (V,) bool."""
    vocabulary, book = reader.vocabulary_by(draft.book), draft.book
    only, kinds = vocabulary.masks[CHARACTER].clone(), {}
    for char, token in vocabulary.ids.items():
        if char in draft.text or not only[token]:
            only[token] = False
            continue
        kind = book.tone(char), group in book.readings(char)
        if kind not in kinds:  # one stands for all of its tone and rhyme
            kinds[kind] = _mends(draft, fault, before, char)
        only[token] = kinds[kind]
    return only


__all__ = ["Suggestion", "suggestions"]
