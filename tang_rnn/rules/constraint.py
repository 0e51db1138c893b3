"""The rules of verse on logits: what breaks a rule gets no probability.

:class:`Rules` says what is asked of one poem, :class:`Constraint` holds any number of rows to theirs; as transformers'
``LogitsProcessor`` it is :class:`.processor.VerseConstraint`::

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

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch

from ..faults import Fault
from .avoidance import Avoidance
from .placement import placed
from .plan import MAX_FREE_SLOTS, STRINGS, Plan, Slot
from .rhyming import ALL
from .rules import Rules
from .vocabulary import (
    CHARACTER,
    CHARACTER_OR_END,
    CHARACTER_OR_MARK,
    END_ONLY,
    MARK_ONLY,
    MAY_RHYME,
    RHYMES,
    STOP_ONLY,
    Vocabulary,
)

MAX_FREE_LINE = 11  # characters of its lines


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


class Constraint:
    """Leaves each row only what its rules admit.

    A row's poem begins behind its last start token (by default the tokenizer's bos_token) and what the model is told
    there, such as <五绝>, or with its first token where there is no start token. A prefix that breaks a rule already is
    not mended: that rule is then free in that row.

    Args:
        rules: one for all rows, or one for each prompt of the batch (beams and returned sequences share theirs).
        tokenizer: of the model that generates.
        start_token_id: what stands before a poem.

    Raises:
        RuleConflict: rules that cannot be kept together, before anything is written.
        Fault: a tokenizer without the marks; a batch that is no multiple of the number of rules.
    """

    def __init__(self, rules: Rules | Sequence[Rules], tokenizer, start_token_id: int | None = None):
        vocabulary = tokenizer if isinstance(tokenizer, Vocabulary) else Vocabulary(tokenizer)
        if not isinstance(tokenizer, Vocabulary) and start_token_id is None:
            start_token_id = tokenizer.bos_token_id
        self.start_token_id = start_token_id
        self.vocabulary = vocabulary
        rules = [placed(each, vocabulary) for each in ([rules] if isinstance(rules, Rules) else rules)]
        different = {rule: index for index, rule in enumerate(dict.fromkeys(rules))}
        self.plans = [Plan.of(rule, vocabulary) for rule in different]
        self.plan_of_rule = torch.tensor([different[rule] for rule in rules])  # (R,)
        self._tabulate()
        self._seen: tuple[torch.Tensor, torch.Tensor, Progress] | None = None  # of the last call: see read

    def _tabulate(self) -> None:
        """The plans as tensors, padded to the same number of slots."""
        plans, size = self.plans, self.vocabulary.width
        self.num_slots = slots = max(len(plan.kinds) for plan in plans)
        self.table = torch.tensor(Slot.BLANK).repeat(len(plans), slots, 1)
        for row, plan in enumerate(plans):
            self.table[row, : len(plan.kinds)] = plan.table
        self.table = self.table.flatten(0, 1)  # (P * S, COLUMNS)
        self.start = torch.tensor([plan.start(0) for plan in plans])
        self.groups = torch.tensor([plan.groups for plan in plans])
        self.free = torch.tensor([plan.free for plan in plans])
        self.least_lines = torch.tensor([plan.least_lines for plan in plans])
        self.windows = torch.tensor([plan.rules.no_repeat for plan in plans])
        self.banned, self.reserved, self.reserved_ends = torch.zeros(3, len(plans), size, dtype=torch.bool)
        for row, plan in enumerate(plans):
            self.banned[row, plan.avoided] = True
            for slot, char in plan.fixed.items():
                if (token := self.vocabulary.ids.get(char)) is None:
                    continue  # no token: it is never written elsewhere
                if plan.rhymes[slot] in (RHYMES, MAY_RHYME):  # a rhyme word that is fixed further on
                    self.reserved[row, token] = True
                if plan.rules.distinct_ends and slot in plan.ends:  # and any such line end
                    self.reserved_ends[row, token] = True
        width = max((len(tokens) for plan in plans for tokens in plan.ahead), default=0)
        filler = [self.vocabulary.unused] * width
        rows = [[*plan.ahead, *[[]] * (slots - len(plan.kinds))] for plan in plans]
        self.ahead = torch.tensor([[*tokens, *filler][:width] for tokens in sum(rows, [])], dtype=torch.long)
        self.avoidance = Avoidance(plans, slots)
        # What no plan asks for costs nothing.
        self.bans, self.reserves_ends = bool(self.banned.any()), bool(self.reserved_ends.any())
        self.any_free = any(plan.free for plan in plans)
        self.any_fixed = any(plan.fixed for plan in plans)
        self.any_foreign = bool(self.table[:, Slot.TONE].ge(0).any())
        self.regulated = any(plan.strings for plan in plans)
        self.rhyme_words = max(sum(rhyme in (RHYMES, MAY_RHYME) for rhyme in plan.rhymes) for plan in plans)
        self.line_ends = max(plan.num_lines * plan.rules.distinct_ends for plan in plans)
        self.no_repeat = max(plan.rules.no_repeat for plan in plans)
        self.history = max(self.no_repeat and max(self.no_repeat, 2), self.avoidance.history)
        self.one_window = self.no_repeat == self.history and len(set(self.windows.tolist())) == 1
        self.device = torch.device("cpu")

    def _to(self, device: torch.device) -> None:
        if self.device != device:
            for name, value in vars(self).items():
                if isinstance(value, torch.Tensor):
                    setattr(self, name, value.to(device))
            self.vocabulary, self.device = self.vocabulary.on(device), device
            self.avoidance.to(device)

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        return self.apply(self.read(input_ids), scores)

    def apply(self, progress: Progress, scores: torch.FloatTensor) -> torch.FloatTensor:
        """The scores, (B, V), with -inf for what may not come next."""
        allowed = self.mask(progress)
        if scores.shape[1] > allowed.shape[1]:  # an output layer padded beyond the vocabulary
            allowed = torch.nn.functional.pad(allowed, (0, scores.shape[1] - allowed.shape[1]))
        # 0 where it is allowed and infinity elsewhere, by arithmetic on bytes: choosing element by element, as
        # torch.where and masked_fill do, takes several times as long on a CPU.
        return scores - allowed.view(torch.uint8).to(scores.dtype).reciprocal_().sub_(1)

    def allowed(self, input_ids: torch.LongTensor) -> torch.BoolTensor:
        """What may follow each row: (B, T) -> (B, V)."""
        return self.mask(self.read(input_ids))

    # -- where a row stands -------------------------------------------------------------------------------------------

    def begin(self, batch: int, device: torch.device | str = "cpu") -> Progress:
        """The progress of rows in which nothing is written yet.

        Raises:
            Fault: the batch is no multiple of the number of rules.
        """
        self._to(torch.device(device))
        if batch % len(self.plan_of_rule):
            raise Fault("no_multiple", rows=batch, rules=len(self.plan_of_rule))
        plan = self.plan_of_rule.repeat_interleave(batch // len(self.plan_of_rule))  # (B,)
        zero, every, groups = torch.zeros_like(plan), torch.full_like(plan, ALL), self.groups[plan]
        never = torch.full_like(plan, self.vocabulary.unused)
        words, ends, recent = (
            never[:, None].repeat(1, count) for count in (self.rhyme_words, self.line_ends, self.history)
        )
        slot = self.table[plan * self.num_slots]
        return Progress(plan, zero, slot, never, zero, zero, self.start[plan], every, groups, words, ends, recent)

    def advance(self, progress: Progress, tokens: torch.Tensor) -> Progress:
        """The progress once each row has got its next token, (B,)."""
        vocabulary, slot = self.vocabulary, progress.slot
        position = (progress.position + 1).clamp(max=self.num_slots - 1)
        new = {"position": position, "last": tokens}
        new["slot"] = self.table.index_select(0, progress.plan * self.num_slots + position)
        mark = vocabulary.are_marks(tokens)
        marked = (self.any_free or self.line_ends) and bool(mark.any())
        if self.any_free:
            new["run"] = (progress.run + 1).masked_fill(mark, 0)
            new["marks"] = progress.marks + mark
        if self.history:
            new["recent"] = _push(progress.recent, tokens.masked_fill(mark, vocabulary.unused))
        if self.line_ends and marked:
            new["ends"] = torch.where(mark[:, None], _push(progress.ends, progress.last), progress.ends)
        rhyme = slot[:, Slot.RHYME]
        if self.regulated or self.rhyme_words:
            tone, groups = vocabulary.heard_tones[rhyme, tokens], vocabulary.read_groups[tokens]
            if self.any_foreign:
                foreign = slot[:, Slot.TONE].ge(0) & tokens.eq(slot[:, Slot.FIXED])
                tone = torch.where(foreign, slot[:, Slot.TONE], tone)
                groups = torch.where(foreign, slot[:, Slot.GROUPS], groups)
        if self.regulated:
            here = progress.here & slot[:, Slot.FITTING :].gather(1, tone[:, None])[:, 0]
            following = slot[:, Slot.NEXT]
            over = following.ne(0)
            if bool(over.any()):
                new["kept"] = torch.where(over, progress.kept & _whole_patterns(here), progress.kept)
                here = torch.where(over, following, here)
            new["here"] = here
        if self.rhyme_words:
            word = rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME) & tone.ne(1)
            if bool(word.any()):
                groups = progress.groups & groups
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
        progress = self.begin(batch, input_ids.device)
        start = self._start(input_ids)  # (B,)
        first = int(start.min())
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
        length = input_ids.shape[1]
        column = torch.arange(1, length + 1, device=input_ids.device)
        start = (input_ids.eq(self.start_token_id) * column).amax(1)
        # A text in one piece, <五绝>春, has what the model is told behind the start token.
        for _ in range(length):
            told = self.vocabulary.context[input_ids.gather(1, start.clamp(max=length - 1)[:, None])[:, 0]]
            told &= start.lt(length)
            if not bool(told.any()):
                break
            start = start + told
        return start

    # -- what may come ------------------------------------------------------------------------------------------------

    def mask(self, progress: Progress) -> torch.BoolTensor:
        """What may come next in each row: (B, V)."""
        vocabulary, plan, slot = self.vocabulary, progress.plan, progress.slot
        kind, rhyme = slot[:, Slot.KIND], slot[:, Slot.RHYME]
        if self.any_free:
            kind = torch.where(self.free[plan], self._free_kind(progress), kind)
        if self.regulated:
            both = kind * len(vocabulary.tone_masks) + self._tone_mask(progress, kind, rhyme)
            allowed = vocabulary.kinds_by_tone.index_select(0, both)
        else:
            allowed = vocabulary.masks.index_select(0, kind)  # (B, V), a copy
        if self.bans:
            allowed &= ~self.banned[plan]
        if self.rhyme_words:
            rhymes = rhyme.eq(RHYMES) | rhyme.eq(MAY_RHYME)
            if bool(rhymes.any()):
                allowed &= self._rhyming(progress, rhyme) | ~rhymes[:, None]
        if self.avoidance.completions:
            self.avoidance.forbid(allowed, plan * self.num_slots + progress.position, progress.recent)
        if self.no_repeat or self.line_ends:
            fresh = allowed.scatter(1, self._used_up(progress), False)
            if self.reserves_ends:
                fresh &= ~(self.reserved_ends[plan] & slot[:, Slot.ENDS, None].ne(0))
            # Whether anything is left in a row: its bytes are read eight at a time, which is what `width` is whole for.
            some = fresh.view(torch.int64).ne(0).any(1, keepdim=True)
            allowed = fresh if bool(some.all()) else torch.where(some, fresh, allowed)
        if self.any_fixed:
            fixed = slot[:, Slot.FIXED]
            rows = fixed.ge(0)
            if bool(rows.any()):
                only = torch.zeros_like(allowed).scatter_(1, fixed.clamp(min=0)[:, None], True)
                allowed = torch.where(rows[:, None], only, allowed)
        return allowed[:, : len(vocabulary.tokens)]

    def _tone_mask(self, progress: Progress, kind: torch.Tensor, rhyme: torch.Tensor) -> torch.Tensor:
        """Which of the vocabulary's tone_masks: (B,), by the tones with which some pattern that was kept goes on."""
        going_on = (progress.here & progress.kept)[:, None] & progress.slot[:, Slot.FITTING : Slot.FITTING + 2]
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
            doubled = recent[:, -1].eq(recent[:, -2])  # 处 may follow 处, but not 处处, and 衣 not 衣
            if not self.one_window:
                ago = torch.arange(recent.shape[1], 0, -1, device=self.device)
                recent = recent.masked_fill(ago > self.windows[progress.plan][:, None], unused)
            doubled |= ~self.vocabulary.doubled[recent[:, -1]]
            used += [recent[:, :-1], recent[:, -1:].masked_fill(~doubled[:, None], unused)]
            if self.ahead.shape[1]:
                used.append(self.ahead.index_select(0, progress.plan * self.num_slots + progress.position))
        if self.line_ends:
            used.append(progress.ends.masked_fill(progress.slot[:, Slot.ENDS, None].eq(0), unused))
        return torch.cat(used, 1)

    def _free_kind(self, progress: Progress) -> torch.Tensor:
        """The kind of the next slot in a poem without a form: lines of some characters, a whole couplet at the end."""
        run, position = progress.run, progress.position
        stopped = progress.last.eq(self.vocabulary.stop)
        kind = torch.full_like(position, CHARACTER_OR_MARK)
        kind[run.eq(0)] = CHARACTER
        kind[stopped & progress.marks.ge(self.least_lines[progress.plan])] = CHARACTER_OR_END
        kind[run.ge(MAX_FREE_LINE)] = MARK_ONLY
        full = position.ge(MAX_FREE_SLOTS - 2)
        kind[full & run.gt(0)] = STOP_ONLY
        kind[full & stopped] = END_ONLY
        return kind


def _whole_patterns(bits: torch.Tensor) -> torch.Tensor:
    """All bits of those patterns of which any is set."""
    patterns = (1 << STRINGS) - 1 << torch.arange(4, device=bits.device) * STRINGS
    return (((bits[:, None] & patterns) != 0) * patterns).sum(1)


__all__ = ["Constraint", "Progress"]
