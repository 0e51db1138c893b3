"""The rules of verse as a transformers ``LogitsProcessor``: what breaks a rule gets no probability.

:class:`Rules` says what is asked of one poem, :class:`VerseConstraint` holds any number of rows to theirs::

    constraint = VerseConstraint(Rules(form="七律", regulated=True, rhyme="一东"), tokenizer)
    model.generate(**tokenizer("春", return_tensors="pt"), logits_processor=[constraint])

Where a row stands in its poem is read off the row itself, so that padding, beams, and the sampling method make no
difference. Any character-level causal model will do, with its own tokenizer. A loop of one's own that knows what it
wrote keeps its :class:`Progress` and asks for no more than the next mask::

    progress = constraint.begin(rows)
    progress = constraint.advance(progress, tokens)  # for each step
    allowed = constraint.mask(progress)

Names in the shapes: B rows, R rules, P different plans, V tokens, S slots of a poem (characters, marks and the end).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, reduce
from operator import or_

import torch
from transformers import LogitsProcessor

from .faults import RuleConflict
from .verse import (
    COMMA,
    EITHER,
    FORMS,
    LEVEL,
    OBLIQUE,
    PINGSHUI,
    STOP,
    UNKNOWN,
    Form,
    RhymeBook,
    patterns,
)

# What may stand in a slot; the numbers index the masks of a vocabulary.
CHARACTER, COMMA_ONLY, STOP_ONLY, END_ONLY, CHARACTER_OR_END, CHARACTER_OR_MARK, MARK_ONLY = range(7)
# How the character of a slot rhymes.
NO_RHYME, RHYMES, MAY_RHYME, MUST_NOT_RHYME = range(4)
_TONE_CLASSES = {LEVEL: 0, OBLIQUE: 1, EITHER: 2, UNKNOWN: 3}
_STRINGS = 8  # tone strings kept for a pattern's line; the formulas give at most four
_ALL = -1  # every bit set

MIN_FREE_LINES = 4  # of a poem without a form: the shortest of the corpus
MAX_FREE_LINES = 16  # where a form of free length is ended, if the model does not end it
MAX_LINES = 200  # that may be asked for
MAX_FREE_SLOTS = 160  # and a poem without a form
MAX_FREE_LINE = 11  # characters of a line of a poem without a form


@dataclass(frozen=True)
class Rules:
    """What is asked of one poem.

    Attributes:
        form: name of its form; None leaves line lengths and end to the model.
        num_lines: lines, for a form of free length.
        regulated: keep a tonal pattern, rhyme in one level group, no rhyme word twice.
        pattern: name of the tonal pattern, such as ``七绝平起首句入韵``; by default any of the form's.
        rhyme: name of the rhyme group of all even lines; True for whichever the poem takes itself.
        opening: characters the poem begins with.
        acrostic: characters that begin the lines, one a line (藏头).
        acrostic_tail: characters that end the lines (藏尾).
        fixed: further characters, by (line, position), both from 1.
        avoid: characters that must not occur.
        no_repeat: how many characters must pass before one may recur; doubling (处处) is allowed. 0: no such rule.
        distinct_ends: no two lines end in the same character, so that neither a line nor a rhyme word returns.
    """

    form: str | None = None
    num_lines: int | None = None
    regulated: bool = False
    pattern: str | None = None
    rhyme: str | bool | None = None
    opening: str = ""
    acrostic: str = ""
    acrostic_tail: str = ""
    fixed: Mapping[tuple[int, int], str] | tuple = ()
    avoid: str = ""
    no_repeat: int = 0
    distinct_ends: bool = False

    def __post_init__(self):
        # As a tuple the rules can be hashed, and poems of the same rules share a plan.
        object.__setattr__(self, "fixed", tuple(sorted(dict(self.fixed).items())))

    @property
    def kind(self) -> Form | None:
        """The form, if it fixes the length of the lines.

        Raises:
            RuleConflict: no such form, or a rule that needs a form which fixes them.
        """
        if self.form is not None and self.form not in FORMS:
            raise RuleConflict(f"no form {self.form!r}; there are {' '.join(FORMS)}")
        kind = FORMS[self.form] if self.form else None
        if kind is not None and kind.line_length:
            return kind
        for name in ("regulated", "pattern", "rhyme", "acrostic", "acrostic_tail", "fixed", "num_lines"):
            if getattr(self, name):
                known = " ".join(form.name for form in FORMS.values() if form.line_length)
                raise RuleConflict(f"{name} needs a form whose lines are of one length: {known}")
        return None


class Vocabulary:
    """What a tokenizer's tokens are to a rule, one entry a token: the tables behind every mask.

    Args:
        tokenizer: the one whose tokens they are.
        book: the rhyme book that rules tones and rhyme.

    Attributes:
        book: likewise.
        tokens: each token's text.
        width: entries of each table, W: as many as tokens, and up to seven that never come, to make it whole words.
        masks: (7, W) bool, what may stand in each kind of slot.
        tones: (W,) 0 平, 1 仄, 2 either, 3 unknown; only readings nobody disputes, to write by.
        read_tones: (W,) the same, with the disputed readings of characters that have no other, to read by.
        heard_tones: (4, W) the same by how the slot rhymes: where a line ends, one of two tones is taken for the one
            that fits.
        tone_masks: (9, W) bool, the same as masks.
        oblique_only: (W,) bool, 仄 and without any level reading.
        groups: (W,) bit g is set if the character rhymes in level group g; to write by.
        read_groups: (W,) likewise to read by.
        group_sizes: how many characters there are to write by in each level group.

    Raises:
        ValueError: the tokenizer has no single-character tokens, or lacks ，or 。or an end token.
    """

    def __init__(self, tokenizer, book: RhymeBook = PINGSHUI):
        self.book, size = book, len(tokenizer)
        self.tokens = tokenizer.convert_ids_to_tokens(list(range(size)))
        special = set(tokenizer.all_special_ids)
        self.ids = {token: index for index, token in enumerate(self.tokens) if len(token) == 1 and index not in special}
        if COMMA not in self.ids or STOP not in self.ids or tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer needs tokens for {COMMA} and {STOP} and an eos_token")
        self.comma, self.stop, self.end = self.ids[COMMA], self.ids[STOP], tokenizer.eos_token_id
        self.width = -(-size // 8) * 8
        characters = [""] * self.width
        for token, index in self.ids.items():
            if _is_han(token):
                characters[index] = token
        tones = [book.tone(char, strict=True) if char else UNKNOWN for char in characters]
        lenient = [book.tone(char) if char else UNKNOWN for char in characters]
        self.tones = torch.tensor([_TONE_CLASSES[tone] for tone in tones])
        self.read_tones = torch.tensor(
            [_TONE_CLASSES[other if tone == UNKNOWN else tone] for tone, other in zip(tones, lenient)]
        )
        doubtful = self.read_tones.ge(2)
        level, oblique = self.read_tones.masked_fill(doubtful, 0), self.read_tones.masked_fill(doubtful, 1)
        self.heard_tones = torch.stack([self.read_tones, level, level, oblique])
        bit = {name: 1 << index for index, name in enumerate(book.level_groups)}
        groups = [sum(bit.get(name, 0) for name in book.readings(char, strict=True)) for char in characters]
        every = [sum(bit.get(name, 0) for name in book.readings(char)) for char in characters]
        self.oblique_only = self.tones.eq(1) & torch.tensor([not bits for bits in every])
        # A rhyme word is read level: a character whose level reading poets do not use is none.
        self.groups = torch.tensor([bits if tone in "平中" else 0 for bits, tone in zip(groups, tones)])
        self.read_groups = torch.tensor([bits or other for bits, other in zip(self.groups.tolist(), every)])
        masks = torch.zeros(7, self.width, dtype=torch.bool)
        character = torch.tensor([bool(char) for char in characters])
        masks[[CHARACTER, CHARACTER_OR_END, CHARACTER_OR_MARK]] = character
        masks[[COMMA_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.comma] = True
        masks[[STOP_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.stop] = True
        masks[[END_ONLY, CHARACTER_OR_END], self.end] = True
        self.masks = masks
        # Rows to be picked by what may come: 0 nothing, 1 平, 2 仄, 3 either tone (disputed ones too), 4 all; where a
        # line ends that may do without rhyme: 5 nothing, 6 a rhyme word, 7 仄 without any level reading, 8 both.
        level, oblique = self.tones.eq(0) | self.tones.eq(2), self.tones.eq(1) | self.tones.eq(2)
        nothing, every_tone, rhyming = torch.zeros_like(level), torch.ones_like(level), self.groups.ne(0)
        self.tone_masks = torch.stack(
            [nothing, level, oblique, every_tone, every_tone]
            + [nothing, rhyming, self.oblique_only, rhyming | self.oblique_only]
        )
        bits = self.groups[:, None] >> torch.arange(len(book.level_groups)) & 1
        self.group_sizes = bits.sum(0).tolist()
        self.unused = int(masks.any(0).int().argmin())  # a token that never may stand in a poem


def _is_han(token: str) -> bool:
    return "\u3400" <= token <= "\u9fff" or token >= "\U00020000"


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
            self.groups, self.num_lines, self.strings = _ALL, MAX_FREE_SLOTS // 2, None
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
        self.groups = self._possible_groups() if self.rhymed else _ALL
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
        """What each slot asks for: (S, COLUMNS); see :class:`_Slot`."""
        rows = []
        for slot, (kind, rhyme) in enumerate(zip(self.kinds, self.rhymes)):
            ends = self.rules.distinct_ends and (self.free or slot % self.width == self.width - 2)
            rows.append([kind, rhyme, self.fixed.get(slot, -1), int(ends), 0, *[_ALL] * 4])
        if self.strings:
            for line in range(self.num_lines):
                first = line * self.width
                for place in range(self.width - 1):
                    rows[first + place][_Slot.FITTING : _Slot.FITTING + 2] = self._bits(line, place)
                rows[first + self.width - 1][_Slot.NEXT] = self._start(line + 1)
        return torch.tensor(rows)

    def _start(self, line: int) -> int:
        """Bits of the tone strings that a line may have: bit q * _STRINGS + s is string s of pattern q."""
        if self.free or not self.strings or line >= self.num_lines:
            return _ALL
        return sum((1 << len(lines[line])) - 1 << q * _STRINGS for q, lines in enumerate(self.strings) if lines)

    def _bits(self, line: int, place: int) -> tuple[int, int]:
        """Bits of those that have an oblique character in this place taken out, and a level one."""
        level = oblique = 0
        for pattern, lines in enumerate(self.strings):
            for index, string in enumerate(lines[line] if lines else []):
                bit = 1 << pattern * _STRINGS + index
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


class _Slot:
    """The columns of a plan's table: what may stand in a slot, how it rhymes, the token that is fixed there or -1,
    whether distinct ends are asked of it, for a line's mark the tone strings of the line after it (else 0), and those
    that go on with a character of each tone class."""

    KIND, RHYME, FIXED, ENDS, NEXT, FITTING = range(6)


@dataclass(frozen=True)
class Progress:
    """Where each row stands in its poem: all that the next mask depends on.

    Attributes:
        plan, position: (B,) its plan and the slot to be filled.
        slot: (B, COLUMNS) that slot's row of the plan's table.
        last: (B,) the character or mark before.
        run, marks: (B,) characters since the last mark, and how many marks there are.
        here, kept: (B,) bits of the tone strings that the line begun has kept, and of all those of patterns that every
            line before it has kept.
        groups: (B,) bits of the rhyme groups that all rhyme words have left.
        words, ends, recent: (B, n) the last rhyme words, characters that ended a line, and characters, each filled up
            with a token that never comes.
    """

    plan: torch.Tensor
    position: torch.Tensor
    slot: torch.Tensor
    last: torch.Tensor
    run: torch.Tensor
    marks: torch.Tensor
    here: torch.Tensor
    kept: torch.Tensor
    groups: torch.Tensor
    words: torch.Tensor
    ends: torch.Tensor
    recent: torch.Tensor

    def select(self, rows: torch.Tensor) -> Progress:
        """These rows, (B',) indices, alone."""
        return Progress(*(getattr(self, field.name).index_select(0, rows) for field in fields(self)))

    def only(self, rows: torch.Tensor, other: Progress) -> Progress:
        """These rows, (B,) bool, and the others of `other`."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Progress(*(torch.where(rows.view(-1, *[1] * (new.dim() - 1)), new, old) for new, old in pairs))


def _push(queue: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """(B, n), (B,) -> (B, n): the oldest column goes, a new one comes."""
    return torch.cat([queue[:, 1:], tokens[:, None]], 1)


class VerseConstraint(LogitsProcessor):
    """Leaves each row only what its rules admit.

    A row's poem begins behind its last start token (by default the tokenizer's bos_token), or with its first token
    where there is none. A prefix that breaks a rule already is not mended: that rule is then free in that row.

    Args:
        rules: one for all rows, or one for each prompt of the batch (beams and returned sequences share theirs).
        tokenizer: of the model that generates.
        start_token_id: what stands before a poem.

    Raises:
        RuleConflict: rules that cannot be kept together, before anything is written.
        ValueError: a tokenizer without the marks; a batch that is no multiple of the number of rules.
    """

    def __init__(self, rules: Rules | Sequence[Rules], tokenizer, start_token_id: int | None = None):
        vocabulary = tokenizer if isinstance(tokenizer, Vocabulary) else Vocabulary(tokenizer)
        if not isinstance(tokenizer, Vocabulary) and start_token_id is None:
            start_token_id = tokenizer.bos_token_id
        self.start_token_id = start_token_id
        self.vocabulary = vocabulary
        rules = [rules] if isinstance(rules, Rules) else list(rules)
        different = {rule: index for index, rule in enumerate(dict.fromkeys(rules))}
        self.plans = [Plan.of(rule, vocabulary) for rule in different]
        self.plan_of_rule = torch.tensor([different[rule] for rule in rules])  # (R,)
        self._tabulate()
        self._seen: tuple[torch.Tensor, torch.Tensor, Progress] | None = None  # of the last call: see read

    def _tabulate(self) -> None:
        """The plans as tensors, padded to the same number of slots."""
        plans, size = self.plans, self.vocabulary.width
        self.num_slots = slots = max(len(plan.kinds) for plan in plans)
        blank = torch.tensor([END_ONLY, NO_RHYME, -1, 0, 0, *[_ALL] * 4])
        self.table = blank.repeat(len(plans), slots, 1)
        for row, plan in enumerate(plans):
            self.table[row, : len(plan.kinds)] = plan.table
        self.table = self.table.flatten(0, 1)  # (P * S, COLUMNS)
        self.start = torch.tensor([plan._start(0) for plan in plans])
        self.groups = torch.tensor([plan.groups for plan in plans])
        self.free = torch.tensor([plan.free for plan in plans])
        self.windows = torch.tensor([plan.no_repeat for plan in plans])
        self.banned, self.reserved, self.reserved_ends = torch.zeros(3, len(plans), size, dtype=torch.bool)
        for row, plan in enumerate(plans):
            self.banned[row, plan.avoided] = True
            for slot, token in plan.fixed.items():
                if plan.rhymes[slot] in (RHYMES, MAY_RHYME):  # a rhyme word that is fixed further on
                    self.reserved[row, token] = True
                if plan.rules.distinct_ends and slot % plan.width == plan.width - 2:  # and any such line end
                    self.reserved_ends[row, token] = True
        # What no plan asks for costs nothing.
        self.bans, self.reserves_ends = bool(self.banned.any()), bool(self.reserved_ends.any())
        self.any_free = any(plan.free for plan in plans)
        self.any_fixed = any(plan.fixed for plan in plans)
        self.regulated = any(plan.strings for plan in plans)
        self.rhyme_words = max(sum(rhyme in (RHYMES, MAY_RHYME) for rhyme in plan.rhymes) for plan in plans)
        self.line_ends = max(plan.num_lines * plan.rules.distinct_ends for plan in plans)
        self.no_repeat = max(plan.no_repeat for plan in plans)
        self.one_window = self.no_repeat > 1 and len(set(self.windows.tolist())) == 1
        self.device = torch.device("cpu")

    def _to(self, device: torch.device) -> None:
        if self.device != device:
            for holder in (self, self.vocabulary):
                for name, value in vars(holder).items():
                    if isinstance(value, torch.Tensor):
                        setattr(holder, name, value.to(device))
            self.device = device

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        return self.apply(self.read(input_ids), scores)

    def apply(self, progress: Progress, scores: torch.FloatTensor) -> torch.FloatTensor:
        """The scores, (B, V), with -inf for what may not come next."""
        allowed = self.mask(progress)
        if scores.shape[1] > allowed.shape[1]:  # an output layer padded beyond the vocabulary
            allowed = torch.nn.functional.pad(allowed, (0, scores.shape[1] - allowed.shape[1]))
        return torch.where(allowed, scores, -float("inf"))

    def allowed(self, input_ids: torch.LongTensor) -> torch.BoolTensor:
        """What may follow each row: (B, T) -> (B, V)."""
        return self.mask(self.read(input_ids))

    # -- where a row stands -------------------------------------------------------------------------------------------

    def begin(self, batch: int, device: torch.device | str = "cpu") -> Progress:
        """The progress of rows in which nothing is written yet.

        Raises:
            ValueError: the batch is no multiple of the number of rules.
        """
        self._to(torch.device(device))
        if batch % len(self.plan_of_rule):
            raise ValueError(f"{batch} rows are no multiple of the {len(self.plan_of_rule)} rules")
        plan = self.plan_of_rule.repeat_interleave(batch // len(self.plan_of_rule))  # (B,)
        zero, every, groups = torch.zeros_like(plan), torch.full_like(plan, _ALL), self.groups[plan]
        never = torch.full_like(plan, self.vocabulary.unused)
        words, ends, recent = (
            never[:, None].repeat(1, count)
            for count in (self.rhyme_words, self.line_ends, self.no_repeat and max(self.no_repeat, 2))
        )
        slot = self.table[plan * self.num_slots]
        return Progress(plan, zero, slot, never, zero, zero, self.start[plan], every, groups, words, ends, recent)

    def advance(self, progress: Progress, tokens: torch.Tensor) -> Progress:
        """The progress once each row has got its next token, (B,)."""
        vocabulary, slot = self.vocabulary, progress.slot
        position = (progress.position + 1).clamp(max=self.num_slots - 1)
        new = {"position": position, "last": tokens}
        new["slot"] = self.table.index_select(0, progress.plan * self.num_slots + position)
        mark = tokens.eq(vocabulary.comma) | tokens.eq(vocabulary.stop)
        marked = (self.any_free or self.line_ends) and bool(mark.any())
        if self.any_free:
            new["run"] = (progress.run + 1).masked_fill(mark, 0)
            new["marks"] = progress.marks + mark
        if self.no_repeat:
            new["recent"] = _push(progress.recent, tokens.masked_fill(mark, vocabulary.unused))
        if self.line_ends and marked:
            new["ends"] = torch.where(mark[:, None], _push(progress.ends, progress.last), progress.ends)
        rhyme = slot[:, _Slot.RHYME]
        if self.regulated:
            tone = vocabulary.heard_tones[rhyme, tokens]
            here = progress.here & slot[:, _Slot.FITTING :].gather(1, tone[:, None])[:, 0]
            following = slot[:, _Slot.NEXT]
            over = following.ne(0)
            if bool(over.any()):
                new["kept"] = torch.where(over, progress.kept & _whole_patterns(here), progress.kept)
                here = torch.where(over, following, here)
            new["here"] = here
        if self.rhyme_words:
            word = rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME) & vocabulary.read_tones[tokens].ne(1)
            if bool(word.any()):
                groups = progress.groups & vocabulary.read_groups[tokens]
                # A word that breaks the rhyme, or borrows it (邻韵), leaves the others to each other.
                new["groups"] = torch.where(word & groups.ne(0), groups, progress.groups)
                new["words"] = torch.where(word[:, None], _push(progress.words, tokens), progress.words)
        return replace(progress, **new)

    def read(self, input_ids: torch.LongTensor) -> Progress:
        """The progress of rows with these tokens: (B, T).

        `generate` calls with rows one token longer each time. Where a row goes on from one of the last call, that is
        where reading goes on; the answer is the same as from the beginning.
        """
        batch, length = input_ids.shape
        start = self._start(input_ids)  # (B,)
        progress, first = self.begin(batch, input_ids.device), int(start.min())
        if self._seen is not None and self._seen[0].shape[1] == length - 1:
            before, start_before, seen = self._seen
            rows = progress.plan, start, input_ids[:, :-1]
            if not (len(before) == batch and all(map(torch.equal, rows, (seen.plan, start_before, before)))):
                same = (input_ids[:, None, :-1] == before).all(2)  # beams change places
                same &= (progress.plan[:, None] == seen.plan) & (start[:, None] == start_before)
                seen = seen.select(same.int().argmax(1)) if bool(same.any(1).all()) else None
            if seen is not None:
                progress, first = seen, length - 1
        for column in range(first, length):
            after = self.advance(progress, input_ids[:, column])
            begun = start.le(column)
            progress = after if bool(begun.all()) else after.only(begun, progress)
        self._seen = input_ids.clone(), start, progress
        return progress

    def _start(self, input_ids: torch.Tensor) -> torch.Tensor:
        """The column of each row's first slot."""
        if self.start_token_id is None:
            return torch.zeros(len(input_ids), dtype=torch.long, device=input_ids.device)
        column = torch.arange(1, input_ids.shape[1] + 1, device=input_ids.device)
        return (input_ids.eq(self.start_token_id) * column).amax(1)

    # -- what may come ------------------------------------------------------------------------------------------------

    def mask(self, progress: Progress) -> torch.BoolTensor:
        """What may come next in each row: (B, V)."""
        vocabulary, plan, slot = self.vocabulary, progress.plan, progress.slot
        kind, rhyme = slot[:, _Slot.KIND], slot[:, _Slot.RHYME]
        if self.any_free:
            kind = torch.where(self.free[plan], self._free_kind(progress), kind)
        allowed = vocabulary.masks.index_select(0, kind)  # (B, V), a copy
        if self.bans:
            allowed &= ~self.banned[plan]
        if self.regulated:
            allowed &= vocabulary.tone_masks.index_select(0, self._tone_mask(progress, kind, rhyme))
        if self.rhyme_words:
            rhymes = rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME)
            if bool(rhymes.any()):
                allowed &= self._rhyming(progress, rhyme) | ~rhymes[:, None]
        if self.no_repeat or self.line_ends:
            fresh = allowed.scatter(1, self._used_up(progress), False)
            if self.reserves_ends:
                fresh &= ~(self.reserved_ends[plan] & slot[:, _Slot.ENDS, None].ne(0))
            some = fresh.view(torch.int64).ne(0).any(1, keepdim=True)  # eight at once
            allowed = fresh if bool(some.all()) else torch.where(some, fresh, allowed)
        if self.any_fixed:
            fixed = slot[:, _Slot.FIXED]
            rows = fixed.ge(0)
            if bool(rows.any()):
                only = torch.zeros_like(allowed).scatter_(1, fixed.clamp(min=0)[:, None], True)
                allowed = torch.where(rows[:, None], only, allowed)
        return allowed[:, : len(vocabulary.tokens)]

    def _tone_mask(self, progress: Progress, kind: torch.Tensor, rhyme: torch.Tensor) -> torch.Tensor:
        """Which of the vocabulary's tone_masks: (B,), by the tones with which some pattern that was kept goes on."""
        going_on = (progress.here & progress.kept)[:, None] & progress.slot[:, _Slot.FITTING : _Slot.FITTING + 2]
        level, oblique = going_on.ne(0).unbind(1)
        code = level + 2 * oblique
        any_tone = code.eq(0) | kind.ne(CHARACTER)  # prefixes that no pattern admits, and marks
        # A line that does not rhyme ends in a character that has no level reading at all, disputed or not, so that no
        # reader hears a rhyme there; the first line may also rhyme.
        end = 5 + (level & rhyme.eq(MAY_RHYME)) + 2 * oblique
        return torch.where(any_tone, 4, torch.where(rhyme.ge(MAY_RHYME), end, code))

    def _rhyming(self, progress: Progress, rhyme: torch.Tensor) -> torch.Tensor:
        """What keeps the rhyme: (B, V), of use in rows whose next character ends a line that rhymes or may."""
        vocabulary, plan = self.vocabulary, progress.plan
        rhyming = (vocabulary.groups & progress.groups[:, None]).ne(0)
        rhyming.scatter_(1, progress.words, False)
        rhyming &= ~self.reserved[plan]
        return rhyming | rhyme.eq(MAY_RHYME)[:, None] & vocabulary.oblique_only

    def _used_up(self, progress: Progress) -> torch.Tensor:
        """Characters that came too recently to come again, or, where a line ends, ended one before.

        (B, n) tokens, filled up with one that never comes.
        """
        unused, used = self.vocabulary.unused, []
        if self.no_repeat:
            recent = progress.recent
            doubled = recent[:, -1].eq(recent[:, -2])  # 处 may follow 处, but not 处处
            if not self.one_window:
                ago = torch.arange(recent.shape[1], 0, -1, device=self.device)
                recent = recent.masked_fill(ago > self.windows[progress.plan][:, None], unused)
            used += [recent[:, :-1], recent[:, -1:].masked_fill(~doubled[:, None], unused)]
        if self.line_ends:
            used.append(progress.ends.masked_fill(progress.slot[:, _Slot.ENDS, None].eq(0), unused))
        return torch.cat(used, 1)

    def _free_kind(self, progress: Progress) -> torch.Tensor:
        """The kind of the next slot in a poem without a form: lines of some characters, a whole couplet at the end."""
        run, position = progress.run, progress.position
        stopped = progress.last.eq(self.vocabulary.stop)
        kind = torch.full_like(position, CHARACTER_OR_MARK)
        kind[run.eq(0)] = CHARACTER
        kind[stopped & progress.marks.ge(MIN_FREE_LINES)] = CHARACTER_OR_END
        kind[run.ge(MAX_FREE_LINE)] = MARK_ONLY
        full = position.ge(MAX_FREE_SLOTS - 2)
        kind[full & run.gt(0)] = STOP_ONLY
        kind[full & stopped] = END_ONLY
        return kind


def _neighbours(bits: int, book: RhymeBook) -> int:
    """Bits of the groups from which a first line that is in one of these may borrow its rhyme."""
    of = {name: 1 << index for index, name in enumerate(book.level_groups)}
    parts = [sum(of[name] for name in part) for part in book.neighbours]
    return reduce(or_, (part for part in parts if part & bits), 0)


def _whole_patterns(bits: torch.Tensor) -> torch.Tensor:
    """All bits of those patterns of which any is set."""
    patterns = (1 << _STRINGS) - 1 << torch.arange(4, device=bits.device) * _STRINGS
    return (((bits[:, None] & patterns) != 0) * patterns).sum(1)
