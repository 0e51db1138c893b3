"""In what the matrix products of training run: bfloat16 where that is faster, which no name of a processor tells.

One with AVX512-BF16 may be two to three times as fast in it, or half as fast where its matrix unit is hidden from the
machine it is lent to. So it is tried.
"""

from __future__ import annotations

import time
from functools import cache

import torch

ROWS, INPUTS, OUTPUTS = 384, 768, 3072  # a step of a recurrent layer, some milliseconds
TRIES = 5


@cache
def fast_bfloat16() -> bool:
    """Whether the matrix products of training gain by bfloat16 here."""
    if torch.accelerator.is_available():
        return not torch.cuda.is_available() or torch.cuda.is_bf16_supported()
    x, weight = torch.ones(ROWS, INPUTS), torch.ones(INPUTS, OUTPUTS)  # nothing is drawn: a run's seed is its own
    return _seconds(x.bfloat16(), weight.bfloat16()) < _seconds(x, weight)


def _seconds(x: torch.Tensor, weight: torch.Tensor) -> float:
    """That a product takes, the least of some."""
    found = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        torch.mm(x, weight)
        found.append(time.perf_counter() - begin)
    return min(found)


def autocast(device: torch.device) -> torch.autocast:
    """The context in which the products of a step run on this device."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu" or fast_bfloat16())


__all__ = ["autocast", "fast_bfloat16"]
