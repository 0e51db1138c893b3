"""Poems of a form as a network reads them, line by line: what grading and preferences are learned from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from tang_rnn import TangRNNForCausalLM
from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse.forms import FORMS

GRADED = ("五绝", "七绝", "五律", "七律")  # forms of which lines are graded


class Lines(NamedTuple):
    """What a network says of B poems of L lines of W characters.

    Attributes:
        log_probs: (B, L, W + 1, V) of what could stand at each place, a line's mark among them.
        likely: (B, L, W + 1), of what stands there.
        before: (B, L, W + 1, H), its output before each.
    """

    log_probs: torch.Tensor
    likely: torch.Tensor
    before: torch.Tensor


def of_lines(lines: Sequence[str]) -> str:
    """Lines with their marks."""
    return "".join(line + "，。"[number % 2] for number, line in enumerate(lines))


def batches(poems: Sequence[tuple[str, int]], lines: int, shuffle: random.Random | None = None) -> Iterator[list[int]]:
    """The numbers of poems, those of one shape together.

    Args:
        poems: the form of each, and how many lines it has.
        lines: in a batch at most.
        shuffle: draws their order; None: as they come.
    """
    found = []
    for shape in dict.fromkeys(poems):
        numbers = [number for number, other in enumerate(poems) if other == shape]
        if shuffle:
            shuffle.shuffle(numbers)
        size = max(1, lines // shape[1])
        found += [numbers[begin : begin + size] for begin in range(0, len(numbers), size)]
    if shuffle:
        shuffle.shuffle(found)
    yield from found


def read_lines(model: TangRNNForCausalLM, tokenizer: TangTokenizer, form: str, poems: Sequence[Sequence[str]]) -> Lines:
    """Has a network read poems of this form, each as lines without marks; all as many, and they may be the first."""
    texts = [of_lines(lines) for lines in poems]
    ids = tokenizer([f"<{form}>"] * len(texts), texts, return_tensors="pt").input_ids.to(model.device)
    first = int(ids[0].eq(tokenizer.bos_token_id).nonzero()[-1]) + 1
    shape = len(texts), len(poems[0]), FORMS[form].line_length + 1
    end = first + shape[1] * shape[2]
    found = model(ids, output_hidden_states=True, use_cache=False)
    log_probs = found.logits[:, first - 1 : end - 1].float().log_softmax(2)
    likely = log_probs.gather(2, ids[:, first:end, None]).reshape(shape)
    before = found.hidden_states[-1][:, first - 1 : end - 1].float().reshape(*shape, -1)
    return Lines(log_probs.reshape(*shape, -1), likely, before)


def read_last(model: TangRNNForCausalLM, tokenizer: TangTokenizer, form: str, poems: Sequence[Sequence[str]]) -> Lines:
    """Likewise of the last lines only, L = 1: beginnings that several have in common are read once."""
    places: dict[tuple[str, ...], int] = {}
    owner = torch.tensor([places.setdefault(tuple(before), len(places)) for *before, _ in poems], device=model.device)
    contexts = [f"<{form}>"] * len(places)
    ids = tokenizer(contexts, [of_lines(before) for before in places], return_tensors="pt").input_ids.to(model.device)
    begun = model.model(ids, output_hidden_states=True, use_cache=True)
    begun.past_state.reorder_cache(owner)  # of each line its beginning's
    texts = [line + of_lines([*before, ""])[-1] for *before, line in poems]
    ids = tokenizer(texts, add_special_tokens=False, return_tensors="pt").input_ids.to(model.device)
    further = model.model(ids[:, :-1], cache=begun.past_state, output_hidden_states=True)
    hidden = torch.cat([begun.last_hidden_state[owner, -1:], further.last_hidden_state], 1)
    before = torch.cat([begun.hidden_states[-1][owner, -1:], further.hidden_states[-1]], 1)
    log_probs = model.lm_head(hidden).float().log_softmax(2)
    likely = log_probs.gather(2, ids[..., None])[..., 0]
    return Lines(log_probs[:, None], likely[:, None], before.float()[:, None])


__all__ = ["GRADED", "Lines", "batches", "of_lines", "read_last", "read_lines"]
