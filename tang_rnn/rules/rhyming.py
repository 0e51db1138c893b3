"""Which rhyme groups a poem may be written in: what its rules and the rhyme words that are given leave.

Groups are bits of one number: bit g is level group g, in the order of the rhyme book.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import or_

from ..faults import Fault, RuleConflict
from ..verse import RhymeBook
from .vocabulary import MAY_RHYME, RHYMES, Vocabulary

ALL = -1  # every bit set


def possible_groups(
    asked: str | bool | None,
    rhymes: Sequence[int],
    fixed: Mapping[int, str],
    line_of: Callable[[int], int],
    vocabulary: Vocabulary,
    sizes: Sequence[int],
) -> int:
    """Bits of the groups that hold enough characters for the poem and all rhyme words that are given.

    Args:
        asked: the group by name; anything else leaves it open.
        rhymes: how each slot rhymes.
        fixed: the characters that are given, by slot.
        line_of: the line of a slot, from 0.
        sizes: how many characters of the vocabulary may be written in each group.

    Raises:
        RuleConflict: there is none.
    """
    names = vocabulary.book.level_groups
    name = _level_group(asked, vocabulary.book) if isinstance(asked, str) else None
    slots = [slot for slot, rhyme in enumerate(rhymes) if rhyme in (RHYMES, MAY_RHYME)]
    given = {slot: fixed[slot] for slot in slots if slot in fixed}
    words = {slot: char for slot, char in given.items() if rhymes[slot] == RHYMES}
    if twice := [char for char in words.values() if list(words.values()).count(char) > 1]:
        raise RuleConflict("rhyme_twice", char=twice[0])

    def with_room_for(count: int) -> int:
        """The groups of so many characters, of those asked for."""
        return sum(1 << g for g, size in enumerate(sizes) if size >= count and name in (None, names[g]))

    def conflict(slot: int) -> RuleConflict:
        """What is wrong with a rhyme word that is given, when no group is left that has it."""
        char = given[slot]
        own = [group for group in vocabulary.book.readings(char) if group in names]
        where = {"char": char, "line": line_of(slot) + 1}
        if not own:
            return RuleConflict("no_rhyme_at_all", **where)
        if name:
            return RuleConflict("no_rhyme_in_group", **where, rhyme=name, groups=own)
        if words.keys() - {slot}:
            return RuleConflict("no_rhyme_with_others", **where, groups=own)
        return RuleConflict("rhyme_too_narrow", **where, groups=own, lines=len(slots))

    groups = with_room_for(len(slots))
    if not groups:
        raise RuleConflict("group_too_small" if name else "no_group_large_enough", rhyme=name, lines=len(slots))
    for slot, char in words.items():
        groups &= vocabulary.sound(char).read_groups
        if not groups:
            raise conflict(slot)
    for slot in given.keys() - words.keys():  # the first line, which need not rhyme and may borrow its rhyme
        sound = vocabulary.sound(given[slot])
        if sound.read_tone != 1:  # heard level, it is a rhyme
            groups = groups & sound.read_groups or groups & _neighbours(sound.read_groups, vocabulary.book)
        if not groups:
            raise conflict(slot)
    return groups & with_room_for(2 * len(slots)) or groups  # rather one with a choice


def _level_group(name: str, book: RhymeBook) -> str:
    """The level group of this name.

    Raises:
        RuleConflict: there is none.
    """
    try:
        group = book.group(name)
    except Fault as fault:
        raise RuleConflict(fault.key, **fault.fields) from None
    if group not in book.level_groups:
        raise RuleConflict("no_level_group", rhyme=group, known=list(book.level_groups))
    return group


def _neighbours(bits: int, book: RhymeBook) -> int:
    """Bits of the groups from which a first line that is in one of these may borrow its rhyme (邻韵)."""
    of = {name: 1 << index for index, name in enumerate(book.level_groups)}
    parts = [sum(of[name] for name in part) for part in book.neighbours]
    return reduce(or_, (part for part in parts if part & bits), 0)


__all__ = ["ALL", "possible_groups"]
