"""Words that must not occur: which character would complete one.

A word is completed by its last character, or, where its last ones are fixed further on, by the last before them.
Shapes in the comments: B rows, P plans, S slots, V tokens, n characters of history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .plan import Plan


@dataclass
class _Completion:
    """A way to complete a word.

    Attributes:
        before: the tokens that stand before it.
        token: the one that completes it.
        where: (P * S,) bool, slots in which it does.
    """

    before: tuple[int, ...]
    token: int
    where: torch.Tensor


class Avoidance:
    """The words that must not occur in the poems of some plans.

    Args:
        plans: of the poems.
        num_slots: S.

    Attributes:
        history: characters before a slot that must be known.
    """

    def __init__(self, plans: Sequence[Plan], num_slots: int):
        self.completions = []
        for word in dict.fromkeys(word for plan in plans for word in plan.avoided_words):
            for place, token in enumerate(word):
                where = torch.zeros(len(plans), num_slots, dtype=torch.bool)
                for number, plan in enumerate(plans):
                    if word in plan.avoided_words:
                        slots = [
                            slot for slot in range(len(plan.kinds)) if _fixed_behind(plan, slot, word[place + 1 :])
                        ]
                        where[number, slots] = True
                if bool(where.any()):
                    self.completions.append(_Completion(word[:place], token, where.flatten()))
        self.history = max((len(each.before) for each in self.completions), default=0)

    def to(self, device: torch.device) -> Avoidance:
        """The same on a device."""
        for each in self.completions:
            each.where = each.where.to(device)
        return self

    def forbid(self, allowed: torch.Tensor, places: torch.Tensor, recent: torch.Tensor) -> None:
        """Takes out of `allowed`, (B, V), what would complete a word.

        Args:
            places: (B,) of each row plan * S + slot.
            recent: (B, n) the last characters, marks not among them.
        """
        for each in self.completions:
            rows = each.where[places]
            if each.before:
                rows = rows & recent[:, -len(each.before) :].eq(recent.new_tensor(each.before)).all(1)
            allowed[:, each.token] &= ~rows


def _fixed_behind(plan: Plan, slot: int, tokens: Sequence[int]) -> bool:
    """Whether these tokens are fixed right behind a slot."""
    ids = plan.vocabulary.ids
    return all(ids.get(plan.fixed.get(slot + number)) == token for number, token in enumerate(tokens, 1))


__all__ = ["Avoidance"]
