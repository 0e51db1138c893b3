"""The rules of verse as a transformers ``LogitsProcessor``: what breaks a rule gets no probability.

:class:`Rules` says what is asked of one poem, :class:`VerseConstraint` holds any number of rows to theirs::

    constraint = VerseConstraint(Rules(form="七律", regulated=True, rhyme="一东"), tokenizer)
    model.generate(**tokenizer("春", return_tensors="pt"), logits_processor=[constraint])

Where a row stands in its poem is read off the row itself, at every step anew, so that padding, beams, and the sampling
method make no difference. Any character-level causal model will do, with its own tokenizer.

Names in the shapes: B rows, R rules, P different plans, V tokens, S slots of a poem (characters, marks and the end),
Q = 4 patterns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import and_

import torch
from transformers import LogitsProcessor

from . import prosody
from .forms import COMMA, FORMS, STOP, Form

# What may stand in a slot; the numbers index the masks of a vocabulary.
CHARACTER, COMMA_ONLY, STOP_ONLY, END_ONLY, CHARACTER_OR_END, CHARACTER_OR_MARK, MARK_ONLY = range(7)
# How the character of a slot rhymes.
NO_RHYME, RHYMES, MAY_RHYME, MUST_NOT_RHYME = range(4)
_TONE_CLASSES = {prosody.LEVEL: 0, prosody.OBLIQUE: 1, prosody.EITHER: 2, prosody.UNKNOWN: 3}
_STRINGS = 8  # tone strings kept for a pattern's line; the formulas give at most four
_ALL = -1  # every bit set

MIN_FREE_LINES = 4  # of a poem without a form: the shortest of the corpus
MAX_FREE_LINES = 16  # where a form of free length is ended, if the model does not end it
MAX_FREE_SLOTS = 160  # and a poem without a form
MAX_FREE_LINE = 11  # characters of a line of a poem without a form


class RuleConflict(ValueError):
    """Rules that no poem can keep together; the message names them and what would work."""


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

    Attributes:
        tokens: each token's text.
        masks: (7, V) bool, what may stand in each kind of slot.
        tones: (V,) 0 平, 1 仄, 2 either, 3 unknown; only readings nobody disputes, to write by.
        read_tones: (V,) the same, with the disputed readings of characters that have no other, to read by.
        tone_masks, end_masks: (5, V) and (4, V) bool, the same as masks.
        oblique_only: (V,) bool, 仄 and without any level reading.
        groups: (V,) bit g is set if the character rhymes in level group g; to write by.
        read_groups: (V,) likewise to read by.

    Raises:
        ValueError: the tokenizer has no single-character tokens, or lacks ，or 。or an end token.
    """

    def __init__(self, tokenizer):
        size = len(tokenizer)
        self.tokens = tokenizer.convert_ids_to_tokens(list(range(size)))
        special = set(tokenizer.all_special_ids)
        self.ids = {token: index for index, token in enumerate(self.tokens) if len(token) == 1 and index not in special}
        if COMMA not in self.ids or STOP not in self.ids or tokenizer.eos_token_id is None:
            raise ValueError(f"the tokenizer needs tokens for {COMMA} and {STOP} and an eos_token")
        self.comma, self.stop, self.end = self.ids[COMMA], self.ids[STOP], tokenizer.eos_token_id
        characters = [
            token if index == self.ids.get(token) and _is_han(token) else "" for index, token in enumerate(self.tokens)
        ]
        tones = [prosody.tone(char, strict=True) if char else prosody.UNKNOWN for char in characters]
        lenient = [prosody.tone(char) if char else prosody.UNKNOWN for char in characters]
        self.tones = torch.tensor([_TONE_CLASSES[tone] for tone in tones])
        self.read_tones = torch.tensor(
            [_TONE_CLASSES[other if tone == prosody.UNKNOWN else tone] for tone, other in zip(tones, lenient)]
        )
        bit = {name: 1 << index for index, name in enumerate(prosody.LEVEL_GROUPS)}
        groups = [sum(bit.get(name, 0) for name in prosody.readings(char, strict=True)) for char in characters]
        every = [sum(bit.get(name, 0) for name in prosody.readings(char)) for char in characters]
        self.oblique_only = self.tones.eq(1) & torch.tensor([not bits for bits in every])
        # A rhyme word is read level: a character whose level reading poets do not use is none.
        self.groups = torch.tensor([bits if tone in "平中" else 0 for bits, tone in zip(groups, tones)])
        self.read_groups = torch.tensor([bits or other for bits, other in zip(self.groups.tolist(), every)])
        masks = torch.zeros(7, size, dtype=torch.bool)
        character = torch.tensor([bool(char) for char in characters])
        masks[[CHARACTER, CHARACTER_OR_END, CHARACTER_OR_MARK]] = character
        masks[[COMMA_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.comma] = True
        masks[[STOP_ONLY, CHARACTER_OR_MARK, MARK_ONLY], self.stop] = True
        masks[[END_ONLY, CHARACTER_OR_END], self.end] = True
        self.masks = masks
        # Rows to be picked by what may come: 0 nothing, 1 平, 2 仄, 3 either tone (disputed ones too), 4 all.
        level, oblique = self.tones.eq(0) | self.tones.eq(2), self.tones.eq(1) | self.tones.eq(2)
        every_tone = torch.ones_like(level)
        self.tone_masks = torch.stack([~every_tone, level, oblique, every_tone, every_tone])
        # Likewise at the end of a line that may do without rhyme: 1 a rhyme word, 2 仄 without any level reading.
        rhyming = self.groups.ne(0)
        self.end_masks = torch.stack([~every_tone, rhyming, self.oblique_only, rhyming | self.oblique_only])
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
            self.groups = _ALL
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
        self.strings = self._admissible_strings(form) if rules.regulated or rules.pattern else None
        self.groups = self._possible_groups() if self.rhymed else _ALL

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
        if count < form.min_lines or (form.regulated and count % 2):
            even = "an even number of lines, " if form.regulated else ""
            raise RuleConflict(f"{form.name} has {even}{form.min_lines} or more, not {count}")
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

    def _tone_class(self, slot: int, token: int) -> int:
        """The tone a character is taken for: where a line ends, one of two tones is taken for the one that fits."""
        tone, rhyme = int(self.vocabulary.read_tones[token]), self.rhymes[slot]
        if tone < 2 or rhyme == NO_RHYME:
            return tone
        return 1 if rhyme == MUST_NOT_RHYME else 0

    def _admissible_strings(self, form: Form) -> list[list[list[str]]]:
        """For each pattern and line the tone strings that the fixed characters leave; [] for a pattern they exclude."""
        known = prosody.patterns(form.name, self.num_lines)
        if not known:
            regulated = " ".join(name for name, other in FORMS.items() if other.regulated)
            raise RuleConflict(f"{form.name} has no tonal patterns; these have: {regulated}")
        if self.rules.pattern and self.rules.pattern not in [pattern.name for pattern in known]:
            raise RuleConflict(
                f"no pattern {self.rules.pattern!r}; {form.name} has {' '.join(pattern.name for pattern in known)}"
            )
        result, culprits = [], []
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
                f"{formula} there); keep form and rhyme and free the tones (regulated=False with rhyme=True), or "
                "choose other characters"
            )
        return result

    def _possible_groups(self) -> int:
        """Bits of the rhyme groups that the fixed characters leave and that hold enough characters for the poem."""
        vocabulary, rhyme = self.vocabulary, self.rules.rhyme
        try:
            chosen = prosody.rhyme_group(rhyme) if isinstance(rhyme, str) else None
        except ValueError as error:
            raise RuleConflict(str(error)) from None
        if chosen and chosen not in prosody.LEVEL_GROUPS:
            raise RuleConflict(f"{chosen} is no level group (平声); these are: {' '.join(prosody.LEVEL_GROUPS)}")
        slots = [slot for slot, rhyme in enumerate(self.rhymes) if rhyme in (RHYMES, MAY_RHYME)]
        words = [self.fixed[slot] for slot in slots if slot in self.fixed and self.rhymes[slot] == RHYMES]
        if len(set(words)) < len(words):
            twice = next(vocabulary.tokens[word] for word in words if words.count(word) > 1)
            raise RuleConflict(f"{twice!r} would be a rhyme word twice (重韵)")
        usable = vocabulary.groups.clone()
        usable[self.avoided] = 0
        groups = 0
        for index, name in enumerate(prosody.LEVEL_GROUPS):
            if chosen not in (None, name):
                continue
            spare = 0 if chosen else len(slots)  # unless asked for, keep out of a corner with a narrow choice
            if int((usable >> index & 1).sum()) >= len(slots) + spare:
                groups |= 1 << index
        if not groups:
            raise RuleConflict(f"too few characters rhyme in {chosen or 'any group'} for {len(slots)} lines")
        for slot in slots:
            if slot in self.fixed and self.rhymes[slot] == RHYMES:
                token = self.fixed[slot]
                left = groups & int(vocabulary.read_groups[token])
                if not left:
                    char = vocabulary.tokens[token]
                    own = [name for name in prosody.readings(char) if name in prosody.LEVEL_GROUPS]
                    raise RuleConflict(
                        f"{char!r} ends line {slot // self.width + 1} but does not rhyme "
                        f"{f'in {chosen}' if chosen else 'with the other fixed rhyme words'}: it is in "
                        f"{' '.join(own) or 'no level group'}; choose that group or another character"
                    )
                groups = left
        return groups

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
        different = list(dict.fromkeys(rules))
        self.plans = [Plan.of(rule, vocabulary) for rule in different]
        self.plan_of_rule = torch.tensor([different.index(rule) for rule in rules])  # (R,)
        self._tabulate()

    def _tabulate(self) -> None:
        """The plans as tensors, padded to the same number of slots."""
        plans, size = self.plans, len(self.vocabulary.tokens)
        self.num_slots = slots = max(len(plan.kinds) for plan in plans)
        self.kinds = torch.full((len(plans), slots), END_ONLY)
        self.rhymes = torch.full((len(plans), slots), NO_RHYME)
        self.fixed = torch.full((len(plans), slots), -1)
        self.groups = torch.tensor([plan.groups for plan in plans])
        self.free = torch.tensor([plan.free for plan in plans])
        self.banned = torch.zeros(len(plans), size, dtype=torch.bool)
        self.no_repeat = max(plan.no_repeat for plan in plans)
        self.windows = torch.tensor([plan.no_repeat for plan in plans])
        # The slots whose character may not be one that ended a line; without a form any character may end a line.
        self.distinct_ends = torch.zeros(len(plans), slots, dtype=torch.bool)
        self.distinct = any(plan.rules.distinct_ends for plan in plans)
        self.lines = torch.zeros(len(plans), slots, dtype=torch.long)  # the line of each slot
        num_lines = max([1] + [plan.num_lines for plan in plans if not plan.free])
        self.regulated = any(not plan.free and plan.strings for plan in plans)
        # Bit q * _STRINGS + s stands for string s of pattern q. start: (P, lines) the strings of each line;
        # fitting: (P, S, 4) those with the tone class in the slot's place.
        self.start = torch.full((len(plans), num_lines), _ALL)
        self.fitting = torch.full((len(plans), slots, 4), _ALL)
        self.reserved = torch.zeros(len(plans), size, dtype=torch.bool)  # rhyme words that are fixed further on
        self.reserved_ends = torch.zeros(len(plans), size, dtype=torch.bool)  # and, for distinct ends, other line ends
        for row, plan in enumerate(plans):
            count = len(plan.kinds)
            self.kinds[row, :count] = torch.tensor(plan.kinds)
            self.rhymes[row, :count] = torch.tensor(plan.rhymes)
            self.banned[row, plan.avoided] = True
            for slot, token in plan.fixed.items():
                self.fixed[row, slot] = token
                if plan.rhymes[slot] in (RHYMES, MAY_RHYME):
                    self.reserved[row, token] = True
                if plan.rules.distinct_ends and slot % plan.width == plan.width - 2:
                    self.reserved_ends[row, token] = True
            if plan.rules.distinct_ends:
                self.distinct_ends[row] = True if plan.free else torch.arange(slots) % plan.width == plan.width - 2
            if plan.free:
                continue
            self.lines[row] = (torch.arange(slots) // plan.width).clamp(max=plan.num_lines - 1)
            if not plan.strings:
                continue
            self.start[row] = 0
            for pattern, lines in enumerate(plan.strings):
                for line, strings in enumerate(lines):
                    for index, string in enumerate(strings):
                        bit = 1 << (pattern * _STRINGS + index)
                        self.start[row, line] |= bit
                        for place, tone in enumerate(string):
                            self.fitting[row, line * plan.width + place, "仄平".index(tone)] &= ~bit
            # Every bit that is not excluded is fitting; a line without strings of a dropped pattern has none to fit.
            self.start[row, plan.num_lines :] = _ALL
        self.fitting[:, :, 2:] = _ALL
        self.bans = bool(self.banned.any())
        self.reserves_ends = bool(self.reserved_ends.any())
        self.device = torch.device("cpu")

    def _to(self, device: torch.device) -> None:
        if self.device != device:
            for holder in (self, self.vocabulary):
                for name, value in vars(holder).items():
                    if isinstance(value, torch.Tensor):
                        setattr(holder, name, value.to(device))
            self.device = device

    def allowed(self, input_ids: torch.LongTensor) -> torch.BoolTensor:
        """What may follow each row: (B, T) -> (B, V)."""
        self._to(input_ids.device)
        vocabulary = self.vocabulary
        batch, length = input_ids.shape
        if batch % len(self.plan_of_rule):
            raise ValueError(f"{batch} rows are no multiple of the {len(self.plan_of_rule)} rules")
        plan = self.plan_of_rule.repeat_interleave(batch // len(self.plan_of_rule))  # (B,)
        start = self._start(input_ids)  # (B,)
        position = (length - start).clamp(max=self.num_slots - 1)  # (B,) the slot to be filled
        columns = start[:, None] + torch.arange(self.num_slots, device=self.device)  # (B, S)
        written = columns < length
        tokens = input_ids.gather(1, columns.clamp(max=length - 1))  # (B, S)

        kind = self.kinds[plan, position]
        if bool(self.free.any()):
            kind = torch.where(self.free[plan], self._free_kind(tokens, written, position), kind)
        allowed = vocabulary.masks[kind]  # (B, V), a copy
        if self.bans:
            allowed &= ~self.banned[plan]

        rhyme = self.rhymes[plan, position]  # (B,)
        if self.regulated:
            level, oblique = self._tones(plan, tokens, written, position)  # (B,) each
            places = self.kinds[plan, position].eq(CHARACTER)
            any_tone = ~places | ~(level | oblique)  # marks, and prefixes that no pattern admits
            fitting = vocabulary.tone_masks[torch.where(any_tone, 4, level + 2 * oblique)]  # (B, V)
            ends = rhyme.ge(MAY_RHYME) & ~any_tone
            if bool(ends.any()):
                # A line that does not rhyme ends in a character that has no level reading at all, disputed or not, so
                # that no reader hears a rhyme there; the first line may also rhyme.
                choice = vocabulary.end_masks[(level & rhyme.eq(MAY_RHYME)) + 2 * oblique]
                fitting = torch.where(ends[:, None], choice, fitting)
            allowed &= fitting
        if bool((rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME)).any()):
            allowed &= self._rhymes(plan, tokens, written, rhyme)

        if self.no_repeat or self.distinct:
            fresh = allowed.scatter(1, self._used_up(plan, tokens, written, position), False)
            if self.reserves_ends:
                fresh &= ~(self.reserved_ends[plan] & self.distinct_ends[plan, position, None])
            allowed = torch.where(fresh.any(1, keepdim=True), fresh, allowed)
        fixed = self.fixed[plan, position]
        rows = fixed.ge(0)
        if bool(rows.any()):
            only = torch.zeros_like(allowed).scatter_(1, fixed.clamp(min=0)[:, None], True)
            allowed = torch.where(rows[:, None], only, allowed)
        return allowed

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        allowed = self.allowed(input_ids)
        if scores.shape[1] > allowed.shape[1]:  # an output layer padded beyond the vocabulary
            allowed = torch.nn.functional.pad(allowed, (0, scores.shape[1] - allowed.shape[1]))
        return scores.masked_fill(~allowed, -float("inf"))

    def _start(self, input_ids: torch.Tensor) -> torch.Tensor:
        """The column of each row's first slot."""
        if self.start_token_id is None:
            return torch.zeros(len(input_ids), dtype=torch.long, device=input_ids.device)
        column = torch.arange(1, input_ids.shape[1] + 1, device=input_ids.device)
        return (input_ids.eq(self.start_token_id) * column).amax(1)

    def _tones(self, plan, tokens, written, position) -> tuple[torch.Tensor, torch.Tensor]:
        """Whether some pattern that the row has kept so far goes on with a level, with an oblique character."""
        tone = self.vocabulary.read_tones[tokens]  # (B, S)
        rhyme = self.rhymes[plan]
        tone = torch.where(tone.ge(2) & rhyme.eq(MUST_NOT_RHYME), 1, tone)
        tone = torch.where(tone.ge(2) & (rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME)), 0, tone)
        fitting = self.fitting[plan]  # (B, S, 4)
        bits = fitting.gather(2, tone[..., None])[..., 0]
        bits = torch.where(written & self.kinds[plan].ne(END_ONLY), bits, _ALL)
        alive = self.start[plan].clone()  # (B, lines)
        lines = self.lines[plan]
        width = max(p.width for p in self.plans if not p.free)
        count = alive.shape[1]
        if all(p.free or p.width == width for p in self.plans):  # lines of one length: fold them side by side
            folded = bits[:, : count * width].reshape(len(bits), count, width)
            for place in range(width):
                alive &= folded[:, :, place]
        else:
            for index in range(bits.shape[1]):
                line = lines[:, index : index + 1]
                alive.scatter_(1, line, alive.gather(1, line) & bits[:, index : index + 1])
        shifts = torch.arange(4, device=self.device) * _STRINGS
        kept = (alive[..., None] >> shifts & ((1 << _STRINGS) - 1)).ne(0).all(1)  # (B, Q) patterns kept in every line
        mask = (kept * (((1 << _STRINGS) - 1) << shifts)).sum(1)
        here = alive.gather(1, lines.gather(1, position[:, None]))[:, 0] & mask
        here_fitting = fitting[torch.arange(len(plan), device=self.device), position]  # (B, 4)
        strings = self.start[plan].gather(1, lines.gather(1, position[:, None]))[:, 0].ne(_ALL)
        level = (here & here_fitting[:, 0]).ne(0) | ~strings
        oblique = (here & here_fitting[:, 1]).ne(0) | ~strings
        return level, oblique

    def _rhymes(self, plan, tokens, written, rhyme) -> torch.Tensor:
        """What keeps the rhyme, in rows whose next character ends a line: (B, V)."""
        vocabulary = self.vocabulary
        kinds = self.rhymes[plan]
        tone = vocabulary.read_tones[tokens]
        words = written & (kinds.eq(RHYMES) | kinds.eq(MAY_RHYME) & tone.ne(1))  # (B, S) the rhyme words so far
        groups = torch.where(words, vocabulary.read_groups[tokens], _ALL)
        slots = kinds.ge(RHYMES).any(0).nonzero()[:, 0].tolist()
        group = reduce(and_, [groups[:, slot] for slot in slots], self.groups[plan])  # (B,)
        group = torch.where(group.eq(0), self.groups[plan], group)
        rhyming = (vocabulary.groups & group[:, None]).ne(0)  # (B, V)
        used = torch.zeros_like(rhyming).scatter_(1, torch.where(words, tokens, vocabulary.end), True)
        rhyming &= ~used & ~self.reserved[plan]
        oblique = rhyme.eq(MAY_RHYME)[:, None] & vocabulary.oblique_only
        return rhyming | oblique | ~(rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME))[:, None]

    def _used_up(self, plan, tokens, written, position) -> torch.Tensor:
        """Characters that came too recently to come again, or, where a line ends, ended one before.

        (B, S) tokens, filled up with one that never comes.
        """
        index = torch.arange(tokens.shape[1], device=self.device)
        ago = position[:, None] - index  # 1 for the character before
        window = written & (ago <= self.windows[plan][:, None])
        before = tokens.roll(1, 1)
        doubled = tokens.eq(before) & index.gt(0)
        window &= ago.ne(1) | doubled  # 处 may follow 处, but not 处处
        mark = written & (tokens.eq(self.vocabulary.comma) | tokens.eq(self.vocabulary.stop))
        if self.distinct:
            window |= mark.roll(-1, 1) & self.distinct_ends[plan, position][:, None]
        return torch.where(window & ~mark, tokens, self.vocabulary.unused)

    def _free_kind(self, tokens, written, position) -> torch.Tensor:
        """The kind of the next slot in a poem without a form: lines of some characters, a whole couplet at the end."""
        vocabulary = self.vocabulary
        mark = written & (tokens.eq(vocabulary.comma) | tokens.eq(vocabulary.stop))
        index = torch.arange(tokens.shape[1], device=self.device)
        last_mark = (mark * (index + 1)).amax(1)  # (B,) slots up to the last mark
        run = position - last_mark  # characters since
        stopped = tokens.gather(1, (position - 1).clamp(min=0)[:, None])[:, 0].eq(vocabulary.stop) & position.gt(0)
        kind = torch.full_like(position, CHARACTER_OR_MARK)
        kind[run.eq(0)] = CHARACTER
        kind[stopped & mark.sum(1).ge(MIN_FREE_LINES)] = CHARACTER_OR_END
        kind[run.ge(MAX_FREE_LINE)] = MARK_ONLY
        full = position.ge(MAX_FREE_SLOTS - 2)
        kind[full & run.gt(0)] = STOP_ONLY
        kind[full & stopped] = END_ONLY
        return kind
