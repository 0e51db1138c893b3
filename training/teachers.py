"""Larger networks whose opinion of what comes next a cell is trained on: ``teachers:`` in a configuration.

Method: Hinton et al. 2015, *Distilling the Knowledge in a Neural Network*.
"""

from __future__ import annotations

import torch

from tang_rnn import TangRNNForCausalLM
from tang_rnn.tokenization_tang_rnn import TangTokenizer, fingerprint

from .data import IGNORED
from .errors import TrainError
from .initial import find


class Teachers:
    """The checkpoints that `teachers:` names, each an equal voice.

    Args:
        checkpoints: names as `initial:` takes them; all of the tokenizer's vocabulary.
        tokenizer: of the cell that learns.
        device: where they are to be asked. On a GPU they answer in bfloat16.
        trust: their share in what a poem of the corpus itself teaches; the character that came has the rest. Of other
            poems, which the cell is not to write, it learns what they would have written there, and nothing else.
        loaded: those that an earlier stage has asked, by name; what is loaded here is added.

    Raises:
        TrainError: a checkpoint is not there, or has another vocabulary.
    """

    def __init__(
        self,
        checkpoints: list[str],
        tokenizer: TangTokenizer,
        device: torch.device,
        trust: float = 0.8,
        loaded: dict[str, TangRNNForCausalLM] | None = None,
    ):
        if not checkpoints or not 0 <= trust <= 1:
            raise TrainError("teachers: checkpoints names one or more, and trust is a number from 0 to 1")
        loaded = {} if loaded is None else loaded
        for name in checkpoints:
            if name in loaded:
                continue
            poet = find(name, "teachers.checkpoints")
            if fingerprint(poet.tokenizer) != fingerprint(tokenizer):
                raise TrainError(
                    f"teachers.checkpoints: {name} has another vocabulary: give the run its tokenizer ({name}) as well"
                )
            dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
            loaded[name] = poet.model.to(device, dtype).eval().requires_grad_(False)
        self.trust, self.models = trust, [loaded[name] for name in checkpoints]

    @torch.no_grad()
    def target_probs(self, input_ids: torch.Tensor, labels: torch.Tensor, own: torch.Tensor) -> torch.Tensor:
        """A distribution for each of the N labels that count, row after row: (N, V).

        input_ids, labels: (B, T); own: (B,), whether the poem is of the corpus itself.
        """
        target = labels[:, 1:]
        counted, soft = target.ne(IGNORED), 0.0
        for model in self.models:
            hidden = model.model(input_ids, use_cache=False).last_hidden_state[:, :-1][counted]
            soft = soft + torch.softmax(model.lm_head(hidden), -1, dtype=torch.float32) / len(self.models)
        rest = torch.where(own, 1 - self.trust, 0.0)[:, None].expand_as(target)[counted][:, None]
        return (soft * (1 - rest)).scatter_add_(1, target[counted][:, None], rest)


__all__ = ["Teachers"]
