"""Rules laid out slot by slot, with what they and the characters that are given leave to each other.

S slots of a poem: its characters, marks and the end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property

import torch

from ..faults import RuleConflict
from ..verse import COMMA, FORMS, STOP, Form, patterns
from ..verse.patterns import licences
from .given import given_characters
from .rhyming import ALL, possible_groups
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

STRINGS = 8  # bits for the tone strings of a pattern's line; the formulas give at most four
MAX_FREE_LINES = 16  # where a form of free length is ended, if the model does not end it
MAX_LINES = 200  # that may be asked for
MAX_FREE_SLOTS = 160  # of a poem without a form
LONGEST_FREE_OPENING = 120  # of them
MIN_FREE_LINES = 4  # of a poem without a form: the shortest of the corpus
MIXED = "杂言"  # what a poem of given line lengths is called
MOST_PLANS = 256  # kept for a vocabulary


class Slot:
    """The columns of a plan's table.

    KIND, RHYME: what may stand in the slot and how it rhymes; numbers of :mod:`.vocabulary`.
    FIXED: the token that is fixed there, or -1.
    ENDS: whether distinct ends are asked of it.
    TONE, GROUPS: of a fixed character that is no token, its tone class and rhyme groups; -1 elsewhere.
    NEXT: in the slot of a line's mark, bits of the tone strings of the line after it; else 0.
    FITTING and the three after it: bits of the tone strings that go on with a character of each tone class.
    """

    KIND, RHYME, FIXED, ENDS, TONE, GROUPS, NEXT, FITTING = range(8)
    BLANK = [END_ONLY, NO_RHYME, -1, 0, -1, -1, 0, *[ALL] * 4]


class Plan:
    """One poem's :class:`Rules`, laid out slot by slot for a vocabulary.

    A poem of a fixed line length has (line_length + 1) slots a line, the last its mark, and one slot for the end.

    Attributes:
        free: whether the model sets lines and marks; then nothing is fixed and no slot asks for more than its kind.
        lengths, starts, ends: of each line its characters, the slot of its first one and of its last one.
        num_lines: the lines.
        least_lines: fewest of a poem whose lines and marks the model sets.
        kinds, rhymes: of each slot; numbers of :mod:`.vocabulary`.
        fixed: the characters that are given, by slot.
        avoided, avoided_words: tokens that must not occur, and rows of them that must not.
        strings: for each pattern of the form its lines' tone strings, none for one that may not be kept; None where
            tones are free.
        groups: bits of the rhyme groups that may be.

    Raises:
        RuleConflict: the rules cannot be kept together.
    """

    def __init__(self, rules: Rules, vocabulary: Vocabulary):
        self.rules, self.vocabulary = rules, vocabulary
        form = rules.even_form()
        self.free = form is None and not rules.line_lengths
        self.avoided = [vocabulary.ids[each] for each in rules.avoid if each in vocabulary.ids]
        words = ([vocabulary.ids.get(char) for char in each] for each in rules.avoid if len(each) > 1)
        self.avoided_words = [tuple(word) for word in words if None not in word]
        self.rhymed = bool(rules.regulated or rules.pattern or rules.rhyme or rules.rhyme_words)
        self.fixed: dict[int, str] = {}
        self.name = form.name if form else MIXED
        if self.free:
            self.lengths, self.starts, self.ends = [], [], range(MAX_FREE_SLOTS)
            self.kinds, self.rhymes = [CHARACTER] * MAX_FREE_SLOTS, [NO_RHYME] * MAX_FREE_SLOTS
            self.groups, self.num_lines, self.strings = ALL, MAX_FREE_SLOTS // 2, None
            self.least_lines = self._least_free_lines()
            return
        self.lengths = list(rules.line_lengths) or [form.line_length] * self._count_lines(form)
        self.num_lines = len(self.lengths)
        self.starts = [sum(self.lengths[:line]) + line for line in range(self.num_lines)]
        self.ends = [start + length - 1 for start, length in zip(self.starts, self.lengths)]
        given = given_characters(rules, self.lengths, self.name, vocabulary)
        self.fixed = {self.starts[line] + place: char for (line, place), char in sorted(given.items())}
        self.kinds, self.rhymes = [], []
        for line, length in enumerate(self.lengths):
            self.kinds += [CHARACTER_OR_END if self._may_end(form, line) else CHARACTER] + [CHARACTER] * (length - 1)
            self.kinds.append(STOP_ONLY if line % 2 or line == self.num_lines - 1 else COMMA_ONLY)
            rhyme = NO_RHYME
            if self.rhymed and line % 2:
                rhyme = RHYMES
            elif rules.regulated or rules.pattern:
                rhyme = MAY_RHYME if line == 0 else MUST_NOT_RHYME
            elif line == 0 and len(rules.rhyme_words) > self.num_lines // 2:
                rhyme = RHYMES
            self.rhymes += [NO_RHYME] * (length - 1) + [rhyme, NO_RHYME]
        self.kinds.append(END_ONLY)
        self.rhymes.append(NO_RHYME)
        try:
            self._keep_together(form)
        except RuleConflict:
            end = self.ends[0]  # of the first line: a character of two tones there may be heard as the other
            char = self.fixed.get(end)
            if not char or self.rhymes[end] != MAY_RHYME or vocabulary.sound(char).read_tone < 2:
                raise
            self.rhymes[end] = MUST_NOT_RHYME
            self._keep_together(form)

    def _keep_together(self, form: Form) -> None:
        """What the rules and the fixed characters leave to each other."""
        self.strings = self._admissible_strings(form) if self.rules.regulated or self.rules.pattern else None
        self.least_lines, self.groups = 0, ALL
        if self.rhymed:
            slots = self.rhymes, self.fixed, self.line_of
            self.groups = possible_groups(self.rules.rhyme, *slots, self.vocabulary, self._group_sizes())
        if self.avoided:
            self._leaves_enough()

    @classmethod
    def of(cls, rules: Rules, vocabulary: Vocabulary) -> Plan:
        """The plan, made once for poems of the same rules."""
        plan = vocabulary.plans.get(rules)
        if plan is None:
            if len(vocabulary.plans) >= MOST_PLANS:
                vocabulary.plans.clear()
            plan = vocabulary.plans[rules] = cls(rules, vocabulary)
        return plan

    def _count_lines(self, form: Form) -> int:
        asked, wanted = self.rules.num_lines, max(len(self.rules.acrostic), len(self.rules.acrostic_tail))
        if form.num_lines:
            if asked not in (None, form.num_lines):
                raise RuleConflict("lines_of_form", form=form.name, wanted=form.num_lines, count=asked)
            return form.num_lines
        last = max((line for (line, _), _ in self.rules.fixed), default=0)
        begun = len(self.rules.opening) // form.line_length + 1
        count = (
            asked or 2 * len(self.rules.rhyme_words) or max(MAX_FREE_LINES, *(n + n % 2 for n in (wanted, last, begun)))
        )
        if count > MAX_LINES:
            raise RuleConflict("most_lines", form=form.name, most=MAX_LINES, count=count)
        if count < form.min_lines or (form.regulated and count % 2):
            key = "even_lines" if form.regulated else "least_lines"
            raise RuleConflict(key, form=form.name, least=form.min_lines, count=count)
        return count

    def given_lines(self) -> list[str]:
        """The lines with a space for each character that is not given."""
        each = ((start, start + length) for start, length in zip(self.starts, self.lengths))
        return ["".join(self.fixed.get(slot, " ") for slot in range(*line)) for line in each]

    def line_of(self, slot: int) -> int:
        """The line a slot is in, from 0."""
        return bisect_right(self.starts, slot) - 1

    def _may_end(self, form: Form | None, line: int) -> bool:
        """Whether the poem may end before a line: past all that is given, which is never the whole poem."""
        rules = self.rules
        if not form or form.num_lines or rules.num_lines or rules.rhyme_words or line % 2 or line < form.min_lines:
            return False
        return self.starts[line] > max(self.fixed, default=-1) and line * form.line_length > len(rules.opening)

    def _least_free_lines(self) -> int:
        """Lines that a poem without a form has at least: more than are given."""
        opening = self.rules.opening
        for each in self.rules.avoid:
            if each in opening:
                raise RuleConflict("avoided", name="opening", char=each)
        if len(opening) > LONGEST_FREE_OPENING:
            raise RuleConflict("too_long", name="opening", count=len(opening), most=LONGEST_FREE_OPENING)
        lines = sum(opening.count(mark) for mark in COMMA + STOP)
        return max(MIN_FREE_LINES, lines + 1 + bool(opening and opening[-1] not in COMMA + STOP))

    def _leaves_enough(self) -> None:
        """Raises if all characters that some slot asks for are to be avoided."""
        left = torch.ones(self.vocabulary.width, dtype=torch.bool)
        left[self.avoided] = False
        needed = {"nothing_left": self.vocabulary.masks[CHARACTER]}
        if self.strings:
            needed |= dict(zip(("nothing_left_level", "nothing_left_oblique"), self.vocabulary.tone_masks[1:3]))
            needed["nothing_left_unrhymed"] = self.vocabulary.oblique_only
        for key, mask in needed.items():
            if not bool((mask & left).any()):
                raise RuleConflict(key)

    def _group_sizes(self) -> list[int]:
        """How many characters each level group has without those to be avoided."""
        avoided = self.vocabulary.groups[sorted(set(self.avoided))].tolist()
        return [size - sum(bits >> g & 1 for bits in avoided) for g, size in enumerate(self.vocabulary.group_sizes)]

    def _admissible_strings(self, form: Form) -> list[list[list[str]]]:
        """For each pattern and line the tone strings that the fixed characters leave; [] for a pattern they exclude."""
        known = patterns(form.name, self.num_lines)
        if not known:
            regulated = [name for name, other in FORMS.items() if other.regulated]
            raise RuleConflict("no_patterns", form=form.name, known=regulated)
        names, asked = [pattern.name for pattern in known], self.rules.pattern
        if asked and asked not in names:
            raise RuleConflict("unknown_pattern", pattern=asked, form=form.name, known=names)
        for regular in (True, False):  # what is given may take a licence (拗救) where it fits no formula
            fitting = [[self._fitting(line, strings) for line, strings in enumerate(p.lines(regular))] for p in known]
            possible = [asked in (None, pattern.name) and all(lines) for pattern, lines in zip(known, fitting)]
            if any(possible):
                return [lines if may else [] for lines, may in zip(fitting, possible)]
        number, formula = max(
            (lines.index([]), pattern.formulas[lines.index([])])
            for pattern, lines in zip(known, fitting)
            if asked in (None, pattern.name)
        )
        chars = "".join(self._fixed_in(number).values())
        raise RuleConflict("no_pattern", form=self.name, chars=chars, line=number + 1, formula=formula)

    def _fitting(self, line: int, strings: Sequence[str]) -> list[str]:
        """Those of a line's tone strings that its fixed characters fit; a licence only where nothing else does."""
        tones = {place: self._tone(line, place) for place in self._fixed_in(line)}
        found = [s for s in strings if all(tone >= 2 or s[place] == "平仄"[tone] for place, tone in tones.items())]
        plain = [string for string in found if string not in licences(len(string))]
        return plain or found[:STRINGS]

    def _fixed_in(self, line: int) -> dict[int, str]:
        """The characters that are fixed in a line, by their place in it."""
        first = self.starts[line]
        given = ((place, self.fixed.get(first + place)) for place in range(self.lengths[line]))
        return {place: char for place, char in given if char}

    def _tone(self, line: int, place: int) -> int:
        """The tone class that a fixed character is taken for where it stands."""
        slot = self.starts[line] + place
        return self.vocabulary.sound(self.fixed[slot]).heard(self.rhymes[slot])

    @cached_property
    def table(self) -> torch.Tensor:
        """What each slot asks for: (S, COLUMNS); see :class:`Slot`."""
        rows = []
        for slot, (kind, rhyme) in enumerate(zip(self.kinds, self.rhymes)):
            row = Slot.BLANK.copy()
            row[Slot.KIND], row[Slot.RHYME] = kind, rhyme
            row[Slot.ENDS] = int(self.rules.distinct_ends and slot in self.ends)
            if char := self.fixed.get(slot):
                row[Slot.FIXED] = self.vocabulary.token(char)
                if char not in self.vocabulary.ids:
                    sound = self.vocabulary.sound(char)
                    row[Slot.TONE], row[Slot.GROUPS] = sound.heard(rhyme), sound.read_groups
            rows.append(row)
        if self.strings:
            for line in range(self.num_lines):
                first, length = self.starts[line], self.lengths[line]
                for place in range(length):
                    rows[first + place][Slot.FITTING : Slot.FITTING + 2] = self._bits(line, place)
                rows[first + length][Slot.NEXT] = self.start(line + 1)
        return torch.tensor(rows)

    @cached_property
    def ahead(self) -> list[list[int]]:
        """For each slot the tokens that are fixed further on, too near for them to stand here as well."""
        tokens = {slot: self.vocabulary.ids[char] for slot, char in self.fixed.items() if char in self.vocabulary.ids}
        window = self.rules.no_repeat
        return [  # 处 may stand before 处
            [token for fixed, token in tokens.items() if 1 < fixed - slot <= window] for slot in range(len(self.kinds))
        ]

    # The tone strings of a line are bits of one number, so that what a prefix has kept is one "and" away: string s of
    # pattern q is bit q * STRINGS + s, four patterns to a form.

    def start(self, line: int) -> int:
        """Bits of the tone strings that a line may have."""
        if self.free or not self.strings or line >= self.num_lines:
            return ALL
        return sum((1 << len(lines[line])) - 1 << q * STRINGS for q, lines in enumerate(self.strings) if lines)

    def _bits(self, line: int, place: int) -> tuple[int, int]:
        """Bits of those that have a level character in this place, and of those that have an oblique one."""
        level = oblique = 0
        for pattern, lines in enumerate(self.strings):
            for index, string in enumerate(lines[line] if lines else []):
                bit = 1 << pattern * STRINGS + index
                level, oblique = (level | bit, oblique) if string[place] == "平" else (level, oblique | bit)
        return level, oblique

    @property
    def leaves_something(self) -> bool:
        """Whether a character is left to be written."""
        return self.free or len(self.fixed) < sum(self.lengths)

    def is_mark(self, slot: int) -> bool:
        """Whether nothing but one mark may stand there."""
        return self.kinds[slot] in (COMMA_ONLY, STOP_ONLY)

    def beginning(self) -> str:
        """The opening with the marks between its characters that the form asks for."""
        if self.free:
            return self.rules.opening
        text, marks, left = "", {COMMA_ONLY: COMMA, STOP_ONLY: STOP}, iter(self.rules.opening)
        for kind in self.kinds:
            mark_or_character = marks.get(kind) or next(left, None)
            if mark_or_character is None:
                break
            text += mark_or_character
        return text

    def character(self, slot: int, token: int) -> str:
        """What a token is in a slot: what is fixed there stands as it was given."""
        return self.fixed.get(slot) or self.vocabulary.tokens[token]

    def text(self, beginning: str, tokens: Sequence[int]) -> str:
        """The poem that goes on from its beginning with these tokens."""
        return beginning + "".join(self.character(slot, token) for slot, token in enumerate(tokens, len(beginning)))


__all__ = ["Plan", "Slot"]
