"""The characters that rules give by their place: which, where, and whether they agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..faults import RuleConflict
from .rules import Rules
from .vocabulary import Vocabulary

Place = tuple[int, int]  # line and character in it, from 0


def given_characters(rules: Rules, lengths: Sequence[int], form: str, vocabulary: Vocabulary) -> dict[Place, str]:
    """All of them.

    Args:
        lengths: characters of each line.
        form: what it is called where something is wrong.

    Raises:
        RuleConflict: a place that is not there, two characters in one, or one that is to be avoided or no character.
    """
    given: dict[Place, str] = {}
    names: dict[Place, str] = {}
    for name, place, char in _wanted(rules, lengths, form):
        if not vocabulary.may_be_given(char):
            raise RuleConflict("no_character", name=name, char=char)
        if char in rules.avoid:
            raise RuleConflict("avoided", name=name, char=char)
        if (other := given.setdefault(place, char)) != char:
            at = {"line": place[0] + 1, "place": place[1] + 1}
            raise RuleConflict("two_characters", **at, name=names[place], char=other, other=name, instead=char)
        names[place] = name
    for word in rules.avoid:
        for line, length in enumerate(lengths):
            text = "".join(given.get((line, place), " ") for place in range(length))
            if (at := text.find(word)) >= 0:
                raise RuleConflict("avoided", name=names[line, at], char=word)
    return given


def _wanted(rules: Rules, lengths: Sequence[int], form: str) -> Iterator[tuple[str, Place, str]]:
    """Each by the rule that gives it, its place, and the character."""
    num_lines = len(lengths)
    places = [(line, place) for line, length in enumerate(lengths) for place in range(length)]
    if len(rules.opening) > len(places):
        raise RuleConflict("characters_of_form", name="opening", form=form, most=len(places))
    yield from (("opening", place, char) for place, char in zip(places, rules.opening))
    ends = [length - 1 for length in lengths]
    for name, where in (("acrostic", [0] * num_lines), ("acrostic_tail", ends)):
        text = getattr(rules, name)
        if len(text) > num_lines:
            raise RuleConflict("lines_for_name", name=name, form=form, most=num_lines)
        yield from ((name, (line, where[line]), char) for line, char in enumerate(text))
    if rules.rhyme_words:
        least, count = num_lines // 2, len(rules.rhyme_words)
        if count not in (least, least + 1):
            raise RuleConflict("rhyme_words_of_form", form=form, least=least, most=least + 1, count=count)
        rhyming = [*([0] if count > least else []), *range(1, num_lines, 2)]
        yield from (("rhyme_words", (line, ends[line]), char) for line, char in zip(rhyming, rules.rhyme_words))
    for (line, place), char in rules.fixed:
        if not 1 <= line <= num_lines:
            raise RuleConflict("lines_for_name", name="fixed", form=form, most=num_lines)
        if not 1 <= place <= lengths[line - 1]:
            at = {"line": line, "place": place, "length": lengths[line - 1]}
            raise RuleConflict("no_such_place", name="fixed", form=form, **at)
        yield "fixed", (line - 1, place - 1), char


__all__ = ["given_characters"]
