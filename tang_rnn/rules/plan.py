"""Rules laid out slot by slot, with what they and the characters that are given leave to each other.

S slots of a poem: its characters, marks and the end.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, reduce
from operator import or_

import torch

from ..faults import RuleConflict
from ..verse import COMMA, FORMS, STOP, Form, RhymeBook, patterns
from .rules import Rules
from .vocabulary import (
    CHARACTER,
    CHARACTER_OR_END,
    COMMA_ONLY,
    END_ONLY,
    MAY_RHYME,
    MUST_NOT_RHYME,
    NO_RHYME,
    RHYMES,
    STOP_ONLY,
    Vocabulary,
)

STRINGS = 8  # tone strings kept for a pattern's line; the formulas give at most four
ALL = -1  # every bit set

MAX_FREE_LINES = 16  # where a form of free length is ended, if the model does not end it
MAX_LINES = 200  # that may be asked for
MAX_FREE_SLOTS = 160  # of a poem without a form


class Slot:
    """The columns of a plan's table: what may stand in a slot, how it rhymes, the token that is fixed there or -1,
    whether distinct ends are asked of it, for a line's mark the tone strings of the line after it (else 0), and those
    that go on with a character of each tone class."""

    KIND, RHYME, FIXED, ENDS, NEXT, FITTING = range(6)


class Plan:
    """One poem's :class:`Rules`, laid out slot by slot for a vocabulary.

    A poem of a fixed line length has (line_length + 1) slots a line, the last its mark, and one slot for the end.

    Raises:
        RuleConflict: the rules cannot be kept together.
    """

    def __init__(self, rules: Rules, vocabulary: Vocabulary):
        self.rules, self.vocabulary = rules, vocabulary
        form = rules.kind
        self.free = form is None
        self.avoided = [vocabulary.ids[char] for char in rules.avoid if char in vocabulary.ids]
        self.rhymed = bool(rules.regulated or rules.pattern or rules.rhyme)
        self.fixed: dict[int, int] = {}
        self.pattern_names: list[str] = []
        self.no_repeat = rules.no_repeat
        if self.free:
            self.kinds = [CHARACTER] * MAX_FREE_SLOTS
            self.width = MAX_FREE_SLOTS
            self.rhymes = [NO_RHYME] * MAX_FREE_SLOTS
            self.groups, self.num_lines, self.strings = ALL, MAX_FREE_SLOTS // 2, None
            return
        self.width = form.line_length + 1
        self.num_lines = self._count_lines(form)
        last = form.num_lines or rules.num_lines
        self.kinds, self.rhymes = [], []
        for line in range(self.num_lines):
            may_end = last is None and line % 2 == 0 and line >= form.min_lines
            self.kinds += [CHARACTER_OR_END if may_end else CHARACTER] + [CHARACTER] * (form.line_length - 1)
            self.kinds.append(STOP_ONLY if line % 2 or line == self.num_lines - 1 else COMMA_ONLY)
            rhyme = NO_RHYME
            if self.rhymed and line % 2:
                rhyme = RHYMES
            elif rules.regulated or rules.pattern:
                rhyme = MAY_RHYME if line == 0 else MUST_NOT_RHYME
            self.rhymes += [NO_RHYME] * (form.line_length - 1) + [rhyme, NO_RHYME]
        self.kinds.append(END_ONLY)
        self.rhymes.append(NO_RHYME)
        self._fix_characters(form)
        try:
            self._keep_together(form)
        except RuleConflict:
            end = self.fixed.get(form.line_length - 1)  # of the first line: of two tones, it may be heard as the other
            if end is None or self.rhymes[form.line_length - 1] != MAY_RHYME or vocabulary.read_tones[end] < 2:
                raise
            self.rhymes[form.line_length - 1] = MUST_NOT_RHYME
            self._keep_together(form)

    def _keep_together(self, form: Form) -> None:
        """What the rules and the fixed characters leave to each other."""
        self.strings = self._admissible_strings(form) if self.rules.regulated or self.rules.pattern else None
        self.groups = self._possible_groups() if self.rhymed else ALL
        if self.avoided:
            self._leaves_enough()

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, rules: Rules, vocabulary: Vocabulary) -> Plan:
        """The plan, made once for poems of the same rules."""
        return cls(rules, vocabulary)

    def _count_lines(self, form: Form) -> int:
        asked, wanted = self.rules.num_lines, max(len(self.rules.acrostic), len(self.rules.acrostic_tail))
        if form.num_lines:
            if asked not in (None, form.num_lines):
                raise RuleConflict(f"{form.name} has {form.num_lines} lines, not {asked}")
            return form.num_lines
        count = asked or max(MAX_FREE_LINES, wanted)
        if count > MAX_LINES:
            raise RuleConflict(f"{form.name} has at most {MAX_LINES} lines here, not {count}")
        if count < form.min_lines or (form.regulated and count % 2):
            number = "an even number of" if form.regulated else "any number of"
            raise RuleConflict(f"{form.name} has {number} lines from {form.min_lines} up, not {count}")
        return count

    def _fix_characters(self, form: Form) -> None:
        rules, length = self.rules, form.line_length
        wanted: list[tuple[str, int, int, str]] = [
            *(("the opening", *divmod(index, length), char) for index, char in enumerate(rules.opening)),
            *(("acrostic", line, 0, char) for line, char in enumerate(rules.acrostic)),
            *(("acrostic_tail", line, length - 1, char) for line, char in enumerate(rules.acrostic_tail)),
            *(("fixed", line - 1, position - 1, char) for (line, position), char in rules.fixed),
        ]
        names: dict[int, str] = {}
        for name, line, position, char in wanted:
            if not (0 <= line < self.num_lines and 0 <= position < length):
                room = self.num_lines * length if name == "the opening" else self.num_lines
                unit = "characters" if name == "the opening" else "lines"
                raise RuleConflict(f"{name} is too long: {form.name} has {room} {unit}")
            if char not in self.vocabulary.ids:
                raise RuleConflict(f"{char!r} of {name} is no character the model knows")
            if char in rules.avoid:
                raise RuleConflict(f"{name} asks for {char!r}, which is to be avoided")
            slot = line * self.width + position
            if self.fixed.setdefault(slot, self.vocabulary.ids[char]) != self.vocabulary.ids[char]:
                other = self.vocabulary.tokens[self.fixed[slot]]
                raise RuleConflict(
                    f"line {line + 1}, character {position + 1}: {names[slot]} asks for {other!r}, {name} for {char!r}"
                )
            names[slot] = name

    def _leaves_enough(self) -> None:
        """Raises if all characters that some slot asks for are to be avoided."""
        left = torch.ones(self.vocabulary.width, dtype=torch.bool)
        left[self.avoided] = False
        needed = {"": self.vocabulary.masks[CHARACTER]}
        if self.strings:
            needed |= dict(zip(("of level tone (平) ", "of oblique tone (仄) "), self.vocabulary.tone_masks[1:3]))
            needed["for a line without rhyme "] = self.vocabulary.oblique_only
        for kind, mask in needed.items():
            if not bool((mask & left).any()):
                raise RuleConflict(f"too many characters are to be avoided: none {kind}is left")

    def _tone_class(self, slot: int, token: int) -> int:
        """The tone a character is taken for in a slot."""
        return int(self.vocabulary.heard_tones[self.rhymes[slot], token])

    def _admissible_strings(self, form: Form) -> list[list[list[str]]]:
        """For each pattern and line the tone strings that the fixed characters leave; [] for a pattern they exclude."""
        known = patterns(form.name, self.num_lines)
        if not known:
            regulated = " ".join(name for name, other in FORMS.items() if other.regulated)
            raise RuleConflict(f"{form.name} has no tonal patterns; these have: {regulated}")
        if self.rules.pattern and self.rules.pattern not in [pattern.name for pattern in known]:
            raise RuleConflict(
                f"no pattern {self.rules.pattern!r}; {form.name} has {' '.join(pattern.name for pattern in known)}"
            )
        self.pattern_names, result, culprits = [], [], []
        for pattern in known:
            lines = []
            for number, strings in enumerate(pattern.lines(regular=True)):
                fixed = {
                    slot - number * self.width: self._tone_class(slot, token)
                    for slot, token in self.fixed.items()
                    if slot // self.width == number
                }
                lines.append(
                    [s for s in strings if all(tone >= 2 or s[place] == "平仄"[tone] for place, tone in fixed.items())]
                )
            asked = self.rules.pattern in (None, pattern.name)
            if asked and all(lines):
                self.pattern_names.append(pattern.name)
            elif asked:
                number = lines.index([])
                culprits.append((number, pattern.formulas[number]))
            result.append(lines if asked and all(lines) else [])
        if not self.pattern_names:
            number, formula = max(culprits)
            characters = "".join(
                self.vocabulary.tokens[token]
                for slot, token in sorted(self.fixed.items())
                if slot // self.width == number
            )
            raise RuleConflict(
                f"no tonal pattern of {form.name} admits {characters!r} in line {number + 1} (the nearest asks for "
                f"{formula} there); keep form and rhyme and free the tones (ask for a rhyme alone), or "
                "choose other characters"
            )
        return result

    def _possible_groups(self) -> int:
        """Bits of the rhyme groups that the fixed characters leave and that hold enough characters for the poem."""
        vocabulary, rhyme, book = self.vocabulary, self.rules.rhyme, self.vocabulary.book
        try:
            chosen = book.group(rhyme) if isinstance(rhyme, str) else None
        except ValueError as error:
            raise RuleConflict(str(error)) from None
        if chosen and chosen not in book.level_groups:
            raise RuleConflict(f"{chosen} is no level group (平声); these are: {' '.join(book.level_groups)}")
        slots = [slot for slot, rhyme in enumerate(self.rhymes) if rhyme in (RHYMES, MAY_RHYME)]
        words = [self.fixed[slot] for slot in slots if slot in self.fixed and self.rhymes[slot] == RHYMES]
        if len(set(words)) < len(words):
            twice = next(vocabulary.tokens[word] for word in words if words.count(word) > 1)
            raise RuleConflict(f"{twice!r} would be a rhyme word twice (重韵)")
        sizes = vocabulary.group_sizes
        if self.avoided:
            avoided = vocabulary.groups[list(set(self.avoided))].tolist()
            sizes = [size - sum(bits >> index & 1 for bits in avoided) for index, size in enumerate(sizes)]

        def large(size: int) -> int:
            """The groups of so many characters, of those that may be."""
            return sum(
                1 << index
                for index, name in enumerate(book.level_groups)
                if chosen in (None, name) and sizes[index] >= size
            )

        if not (groups := large(len(slots))):
            raise RuleConflict(f"too few characters rhyme in {chosen or 'any group'} for {len(slots)} lines")

        def conflict(slot: int) -> RuleConflict:
            char = vocabulary.tokens[self.fixed[slot]]
            own = [name for name in book.readings(char) if name in book.level_groups]
            others = "with the other fixed rhyme words" if words else f"with enough characters for {len(slots)} lines"
            where = f"in {chosen}" if chosen else others
            return RuleConflict(
                f"{char!r} ends line {slot // self.width + 1} but does not rhyme {where}: "
                f"it is in {' '.join(own) or 'no level group'}; choose that group or another character"
            )

        for slot in slots:
            if slot in self.fixed and self.rhymes[slot] == RHYMES:
                left = groups & int(vocabulary.read_groups[self.fixed[slot]])
                if not left:
                    raise conflict(slot)
                groups = left
        first = slots[0]
        if self.rhymes[first] == MAY_RHYME and first in self.fixed:
            token = self.fixed[first]
            own = int(vocabulary.read_groups[token])
            if vocabulary.read_tones[token] != 1:  # it is heard level, as a rhyme, which may be borrowed
                groups = groups & own or groups & _neighbours(own, book)
                if not groups:
                    raise conflict(first)
        # Unless it is asked for, keep out of a corner with a narrow choice.
        return groups & large(2 * len(slots)) or groups

    @cached_property
    def table(self) -> torch.Tensor:
        """What each slot asks for: (S, COLUMNS); see :class:`Slot`."""
        rows = []
        for slot, (kind, rhyme) in enumerate(zip(self.kinds, self.rhymes)):
            ends = self.rules.distinct_ends and (self.free or slot % self.width == self.width - 2)
            rows.append([kind, rhyme, self.fixed.get(slot, -1), int(ends), 0, *[ALL] * 4])
        if self.strings:
            for line in range(self.num_lines):
                first = line * self.width
                for place in range(self.width - 1):
                    rows[first + place][Slot.FITTING : Slot.FITTING + 2] = self._bits(line, place)
                rows[first + self.width - 1][Slot.NEXT] = self.start(line + 1)
        return torch.tensor(rows)

    def start(self, line: int) -> int:
        """Bits of the tone strings that a line may have: bit q * STRINGS + s is string s of pattern q."""
        if self.free or not self.strings or line >= self.num_lines:
            return ALL
        return sum((1 << len(lines[line])) - 1 << q * STRINGS for q, lines in enumerate(self.strings) if lines)

    def _bits(self, line: int, place: int) -> tuple[int, int]:
        """Bits of those that have an oblique character in this place taken out, and a level one."""
        level = oblique = 0
        for pattern, lines in enumerate(self.strings):
            for index, string in enumerate(lines[line] if lines else []):
                bit = 1 << pattern * STRINGS + index
                level, oblique = (level | bit, oblique) if string[place] == "平" else (level, oblique | bit)
        return level, oblique

    def lay_out(self, text: str) -> str:
        """The characters of an opening with the marks between them that the form asks for."""
        if self.free:
            return text
        marks = {COMMA_ONLY: COMMA, STOP_ONLY: STOP}
        laid, characters = "", iter(text)
        for kind in self.kinds:
            mark_or_character = marks.get(kind) or next(characters, None)
            if mark_or_character is None:
                break
            laid += mark_or_character
        return laid


def _neighbours(bits: int, book: RhymeBook) -> int:
    """Bits of the groups from which a first line that is in one of these may borrow its rhyme."""
    of = {name: 1 << index for index, name in enumerate(book.level_groups)}
    parts = [sum(of[name] for name in part) for part in book.neighbours]
    return reduce(or_, (part for part in parts if part & bits), 0)


__all__ = ["Plan", "Slot"]
