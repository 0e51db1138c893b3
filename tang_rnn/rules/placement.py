"""Where words that must occur may stand: rules with their words put into places, one choice after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from ..faults import RuleConflict
from .plan import Plan
from .rules import Rules
from .vocabulary import Vocabulary

TRIES = 2000  # plans that are made before it is given up
LINES = 8  # of a poem of free length in which words are put


def placements(rules: Rules, vocabulary: Vocabulary, count: int, seed: int = 0) -> list[Rules]:
    """The rules with each word of `include` fixed in a place: up to so many different choices, drawn by the seed.

    A word stands in a line of its own and on one side of the caesura where that can be.

    Raises:
        RuleConflict: the rules cannot be kept together without the words, or leave one of these no place.
    """
    for each in rules.avoid:
        if any(each in word for word in rules.include):
            raise RuleConflict("avoided", name="include", char=each)
    bare, random = replace(rules, include=()), Random(seed)
    search = _Search(vocabulary, sorted(rules.include, key=len, reverse=True), random)
    plan, found = Plan.of(bare, vocabulary), {}
    for _ in range(2 * count):
        if len(found) < count and (one := next(search.put(bare, plan), None)):
            found[one] = True
    if not found:
        raise RuleConflict("no_place_for", char=search.words[search.deepest], form=plan.name)
    return list(found)


def placed(rules: Rules, vocabulary: Vocabulary) -> Rules:
    """The same rules, if they have no word to place, or the first choice."""
    return placements(rules, vocabulary, 1)[0] if rules.include else rules


class _Search:
    """Depth first, a word after another: long ones first, which have fewer places."""

    def __init__(self, vocabulary: Vocabulary, words: list[str], random: Random):
        self.vocabulary, self.words, self.random = vocabulary, words, random
        self.left, self.deepest = TRIES, 0

    def put(self, rules: Rules, plan: Plan, depth: int = 0) -> Iterator[Rules]:
        """All ways to place the words from this one on."""
        if depth == len(self.words):
            yield rules
            return
        self.deepest, word = max(self.deepest, depth), self.words[depth]
        if any(word in line for line in plan.given_lines()):
            yield from self.put(rules, plan, depth + 1)
            return
        for line, place in _places(word, plan, self.random):
            if not self.left:
                return
            self.left -= 1
            fixed = dict(rules.fixed) | {(line + 1, place + number): char for number, char in enumerate(word, 1)}
            tried = replace(rules, fixed=fixed)
            try:
                its = Plan(tried, self.vocabulary)
            except RuleConflict:
                continue
            yield from self.put(tried, its, depth + 1)


def _places(word: str, plan: Plan, random: Random) -> list[tuple[int, int]]:
    """Lines and places, from 0, where a word would find room, best first."""
    places = []
    last = LINES if plan.num_lines > LINES and not plan.rules.num_lines else plan.num_lines
    for line, length in enumerate(plan.lengths[:last]):
        given = plan.given_lines()[line]
        for place in range(length - len(word) + 1):
            there = given[place : place + len(word)]
            if all(old in (" ", new) for old, new in zip(there, word)):
                caesura = length - 3  # 床前 明月光
                split = place < caesura < place + len(word) or place < caesura and place % 2
                crowded = given.strip() != ""
                places.append(((split, crowded, random.random()), (line, place)))
    return [place for _, place in sorted(places)]


__all__ = ["placed", "placements"]
