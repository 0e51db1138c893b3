"""Drawing the next character."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..faults import PoetError


@dataclass(frozen=True)
class Sampling:
    """How the next character is drawn; names and meaning as in ``transformers.GenerationConfig``."""

    temperature: float = 0.8
    top_k: int = 64
    top_p: float = 0.9
    num_beams: int = 1
    repetition_penalty: float = 1.0

    def __post_init__(self):
        if not 0 < self.temperature <= 10:
            raise PoetError(f"temperature must be above 0 and at most 10, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise PoetError(f"top_p must be above 0 and at most 1, not {self.top_p}")
        if self.top_k < 0:
            raise PoetError(f"top_k must be 0 (all) or more, not {self.top_k}")
        if not 1 <= self.num_beams <= 16:
            raise PoetError(f"num_beams must be between 1 and 16, not {self.num_beams}")
        if not 0 < self.repetition_penalty <= 10:
            raise PoetError(f"repetition_penalty must be above 0 and at most 10, not {self.repetition_penalty}")

    def draw(self, scores: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        """One token a row by inversion: scores (B, V), uniform (B,) in [0, 1) -> (B,).

        The random numbers come from outside, so that a row draws the same whatever stands beside it.
        """
        k = min(self.top_k or scores.shape[1], scores.shape[1])
        scores, tokens = scores.topk(k, sorted=True)
        probs = (scores / self.temperature).softmax(1)
        before = probs.cumsum(1) - probs
        probs = probs.masked_fill(before >= self.top_p, 0.0)  # nucleus (Holtzman et al. 2020), the first always stays
        cumulative = probs.cumsum(1)
        choice = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(1, keepdim=True)
        choice = choice.clamp(max=k - 1)
        return tokens.gather(1, choice)[:, 0]


__all__ = ["Sampling"]
