"""Drawing the next character."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from .request import OPTIONS, SAMPLING

FOLDS = 10  # of a row of scores, of which the largest are found
WARMTH = 1.3  # what is drawn warmly is drawn at so many times the temperature


@dataclass(frozen=True)
class Sampling:
    """How the next character is drawn; names and meaning as in ``transformers.GenerationConfig``.

    Raises:
        PoetError: a value out of its limits.
    """

    temperature: float = OPTIONS["temperature"].default
    top_k: int = OPTIONS["top_k"].default
    top_p: float = OPTIONS["top_p"].default
    num_beams: int = OPTIONS["num_beams"].default
    repetition_penalty: float = OPTIONS["repetition_penalty"].default

    def __post_init__(self):
        for field in fields(self):
            object.__setattr__(self, field.name, OPTIONS[field.name].check(getattr(self, field.name)))

    @classmethod
    def of(cls, options: dict) -> Sampling:
        """From checked options, as far as they say how to draw."""
        return cls(**{name: options[name] for name in SAMPLING if name in options})

    def penalized(self, ids: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """The logits, (B, V), with what stands in ids, (B, T), made less likely by the repetition penalty."""
        if self.repetition_penalty == 1:
            return logits
        from transformers import RepetitionPenaltyLogitsProcessor  # takes as long to import as many poems to write

        return RepetitionPenaltyLogitsProcessor(self.repetition_penalty)(ids, logits)

    def draw(self, scores: torch.Tensor, uniform: torch.Tensor, warm: torch.Tensor | None = None) -> torch.Tensor:
        """One token a row by inversion: scores (B, V), uniform (B,) in [0, 1) -> (B,); warm (B,): which are
        drawn warmly; None: none.

        The random numbers come from outside, so that a row draws the same whatever stands beside it.
        """
        k = min(self.top_k or scores.shape[1], scores.shape[1])
        scores, tokens = largest(scores, k)
        scores = scores / self.temperature
        if warm is not None:
            scores = scores / torch.where(warm, WARMTH, 1.0)[:, None]
        probs = scores.softmax(1)
        before = probs.cumsum(1) - probs
        probs = probs.masked_fill(before >= self.top_p, 0.0)  # nucleus (Holtzman et al. 2020), the first always stays
        cumulative = probs.cumsum(1)
        choice = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(1, keepdim=True)
        choice = choice.clamp(max=k - 1)
        return tokens.gather(1, choice)[:, 0]


def largest(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The k largest of each row, largest first, and where they stand: (B, V) -> (B, k), (B, k).

    They stand in those k columns, of V / FOLDS that the row is laid out in, whose largest are largest: the rest of it
    need not be sorted.
    """
    width = scores.shape[1] // FOLDS
    if width < k:
        return scores.topk(k)
    folded = scores[:, : FOLDS * width].unflatten(1, (FOLDS, width))
    columns = folded.amax(1).topk(k, sorted=False).indices
    steps = torch.arange(0, FOLDS * width, width, device=scores.device)
    rest = torch.arange(FOLDS * width, scores.shape[1], device=scores.device).expand(len(scores), -1)
    places = torch.cat([(columns[:, None] + steps[:, None]).flatten(1), rest], 1)
    values, found = scores.gather(1, places).topk(k)
    return values, places.gather(1, found)


__all__ = ["Sampling", "largest"]
