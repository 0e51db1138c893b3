"""Rules laid out slot by slot, with what they and the characters that are given leave to each other.

S slots of a poem: its characters, marks and the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import torch

from ..faults import RuleConflict
from ..verse import COMMA, FORMS, STOP, Form, patterns
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
        width, num_lines: slots of a line with its mark, and the lines.
        kinds, rhymes: of each slot; numbers of :mod:`.vocabulary`.
        fixed: the characters that are given, by slot.
        avoided: tokens that must not occur.
        pattern_names, strings: the tonal patterns that may be kept, and for each pattern of the form its lines' tone
            strings, none for one that may not; None where tones are free.
        groups: bits of the rhyme groups that may be.

    Raises:
        RuleConflict: the rules cannot be kept together.
    """

    def __init__(self, rules: Rules, vocabulary: Vocabulary):
        self.rules, self.vocabulary = rules, vocabulary
        form = rules.even_form()
        self.free = form is None
        self.avoided = [vocabulary.ids[char] for char in rules.avoid if char in vocabulary.ids]
        self.rhymed = bool(rules.regulated or rules.pattern or rules.rhyme)
        self.fixed: dict[int, str] = {}
        self.pattern_names: list[str] = []
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
            end = self.width - 2  # of the first line: a character of two tones there may be heard as the other
            char = self.fixed.get(end)
            if not char or self.rhymes[end] != MAY_RHYME or vocabulary.sound(char).read_tone < 2:
                raise
            self.rhymes[end] = MUST_NOT_RHYME
            self._keep_together(form)

    def _keep_together(self, form: Form) -> None:
        """What the rules and the fixed characters leave to each other."""
        self.strings = self._admissible_strings(form) if self.rules.regulated or self.rules.pattern else None
        self.groups = ALL
        if self.rhymed:
            slots = self.rhymes, self.fixed, self.width
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
        count = asked or max(MAX_FREE_LINES, wanted)
        if count > MAX_LINES:
            raise RuleConflict("most_lines", form=form.name, most=MAX_LINES, count=count)
        if count < form.min_lines or (form.regulated and count % 2):
            key = "even_lines" if form.regulated else "least_lines"
            raise RuleConflict(key, form=form.name, least=form.min_lines, count=count)
        return count

    def _fix_characters(self, form: Form) -> None:
        rules, length = self.rules, form.line_length
        wanted: list[tuple[str, int, int, str]] = [
            *(("opening", *divmod(index, length), char) for index, char in enumerate(rules.opening)),
            *(("acrostic", line, 0, char) for line, char in enumerate(rules.acrostic)),
            *(("acrostic_tail", line, length - 1, char) for line, char in enumerate(rules.acrostic_tail)),
            *(("fixed", line - 1, position - 1, char) for (line, position), char in rules.fixed),
        ]
        names: dict[int, str] = {}
        for name, line, position, char in wanted:
            at = {"line": line + 1, "place": position + 1}
            if not 0 <= line < self.num_lines:
                if name == "opening":
                    most = self.num_lines * length
                    raise RuleConflict("characters_of_form", name=name, form=form.name, most=most)
                raise RuleConflict("lines_for_name", name=name, form=form.name, most=self.num_lines)
            if not 0 <= position < length:
                raise RuleConflict("no_such_place", name=name, form=form.name, length=length, **at)
            if not self.vocabulary.may_be_given(char):
                raise RuleConflict("no_character", name=name, char=char)
            if char in rules.avoid:
                raise RuleConflict("avoided", name=name, char=char)
            slot = line * self.width + position
            if (other := self.fixed.setdefault(slot, char)) != char:
                raise RuleConflict("two_characters", **at, name=names[slot], char=other, other=name, instead=char)
            names[slot] = name

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
        self.pattern_names, result, culprits = [], [], []
        for pattern in known:
            lines = []
            for number, strings in enumerate(pattern.lines(regular=True)):
                tones = {place: self._tone(number, place) for place in self._fixed_in(number)}
                fitting = [
                    string
                    for string in strings
                    if all(tone >= 2 or string[place] == "平仄"[tone] for place, tone in tones.items())
                ]
                lines.append(fitting)
            possible = asked in (None, pattern.name) and all(lines)
            if possible:
                self.pattern_names.append(pattern.name)
            elif asked in (None, pattern.name):
                culprits.append((lines.index([]), pattern.formulas[lines.index([])]))
            result.append(lines if possible else [])
        if not self.pattern_names:
            number, formula = max(culprits)
            chars = "".join(self._fixed_in(number).values())
            raise RuleConflict("no_pattern", form=form.name, chars=chars, line=number + 1, formula=formula)
        return result

    def _fixed_in(self, line: int) -> dict[int, str]:
        """The characters that are fixed in a line, by their place in it."""
        first = line * self.width
        return {slot - first: char for slot, char in sorted(self.fixed.items()) if slot // self.width == line}

    def _tone(self, line: int, place: int) -> int:
        """The tone class that a fixed character is taken for where it stands."""
        slot = line * self.width + place
        return self.vocabulary.sound(self.fixed[slot]).heard(self.rhymes[slot])

    @cached_property
    def table(self) -> torch.Tensor:
        """What each slot asks for: (S, COLUMNS); see :class:`Slot`."""
        rows = []
        for slot, (kind, rhyme) in enumerate(zip(self.kinds, self.rhymes)):
            row = Slot.BLANK.copy()
            row[Slot.KIND], row[Slot.RHYME] = kind, rhyme
            row[Slot.ENDS] = int(self.rules.distinct_ends and (self.free or slot % self.width == self.width - 2))
            if char := self.fixed.get(slot):
                row[Slot.FIXED] = self.vocabulary.token(char)
                if char not in self.vocabulary.ids:
                    sound = self.vocabulary.sound(char)
                    row[Slot.TONE], row[Slot.GROUPS] = sound.heard(rhyme), sound.read_groups
            rows.append(row)
        if self.strings:
            for line in range(self.num_lines):
                first = line * self.width
                for place in range(self.width - 1):
                    rows[first + place][Slot.FITTING : Slot.FITTING + 2] = self._bits(line, place)
                rows[first + self.width - 1][Slot.NEXT] = self.start(line + 1)
        return torch.tensor(rows)

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

    def character(self, slot: int, token: int) -> str:
        """What a token is in a slot: what is fixed there stands as it was given."""
        return self.fixed.get(slot) or self.vocabulary.tokens[token]

    def text(self, beginning: str, tokens: Sequence[int]) -> str:
        """The poem that goes on from its beginning with these tokens."""
        return beginning + "".join(self.character(slot, token) for slot, token in enumerate(tokens, len(beginning)))


__all__ = ["Plan", "Slot"]
