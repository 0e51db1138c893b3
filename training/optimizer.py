"""Muon for the matrices inside the network, AdamW for the rest, as one optimizer.

A step of Muon is the momentum with all its singular values set to one (Jordan et al. 2024, *Muon: An optimizer for
hidden layers in neural networks*), so that no direction of a recurrent matrix runs away from the others. That is worth
most to the plain RNN. The embedding is a table, not a map between vectors, and stays with AdamW, as there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import torch
from torch import nn

from .precision import fast_bfloat16


def orthogonalized(
    matrix: torch.Tensor, coefficients: tuple[float, float, float], steps: int = 5, eps: float = 1e-7
) -> torch.Tensor:
    """The matrix with its singular values brought near one by so many Newton-Schulz steps, in bfloat16 where
    that is faster.

    A step multiplies X by a polynomial of X Xᵀ. What X Xᵀ becomes follows from itself, so several steps are gone
    through on that small square matrix and X is multiplied once: a third less work on a 2048 x 512 matrix. After three
    steps X Xᵀ is made anew, because what small singular values gain, up to 3.4 times a step, rounding errors gain too.
    """
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x.bfloat16() if x.device.type != "cpu" or fast_bfloat16() else x.float()
    x = x / x.norm().clamp(min=eps)
    for first in range(0, steps, 3):
        gram, product = x @ x.T, None
        last = min(first + 3, steps) - 1
        for step in range(first, last + 1):
            polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
            polynomial.diagonal().add_(a)
            product = polynomial if product is None else polynomial @ product
            if step < last:
                gram = polynomial @ (gram @ polynomial)  # all of them commute
        x = product @ x
    return x.T if tall else x


class Muon(torch.optim.Muon):
    """torch's, state and options, with `match_rms_adamw` and Nesterov momentum; :func:`orthogonalized` is quicker."""

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                momentum = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
                momentum.lerp_(matrix.grad, 1 - group["momentum"])
                update = matrix.grad.lerp(momentum, group["momentum"])
                update = orthogonalized(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * 0.2 * math.sqrt(max(matrix.shape)))
        return loss


def sorted_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """The matrices between vectors, the tables of embeddings, and whatever else there is."""
    tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
    matrices = [p for p in model.parameters() if p.ndim == 2 and not any(p is table for table in tables)]
    return matrices, tables, [p for p in model.parameters() if p.ndim != 2]


class MuonAdamW(torch.optim.Optimizer):
    """Muon and AdamW side by side.

    Args:
        model: whose parameters to train.
        learning_rate: AdamW's.
        muon_learning_rate: Muon's, on the scale of AdamW's (Liu et al. 2025, *Muon is scalable for LLM training*).
        betas, weight_decay: AdamW's; the decay is Muon's too.
        average: keep a running average of the weights with this decay a step (Polyak & Juditsky 1992), 0 for none: at a
            learning rate that stays it stands where the weights themselves only come when the rate falls.
    """

    def __init__(
        self,
        model: nn.Module,
        learning_rate: float,
        muon_learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
        average: float = 0.0,
    ):
        matrices, tables, vectors = sorted_parameters(model)
        self.parts = (
            Muon(matrices, lr=muon_learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(
                [{"params": tables}, {"params": vectors, "weight_decay": 0.0}],
                lr=learning_rate,
                betas=betas,
                weight_decay=weight_decay,
                fused=True,
            ),
        )
        self.weights = [*matrices, *tables, *vectors]
        self.average, self.steps = average, 0
        self.averages = [weight.detach().clone() for weight in self.weights] if average else []
        super().__init__(self.weights, {})
        self._join()

    def _join(self) -> None:
        # The same dicts as the parts': what a scheduler writes into them is what the parts read.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        if self.averages:
            self.steps += 1
            decay = min(self.average, self.steps / (self.steps + 9))  # at first the beginning must be forgotten
            with torch.no_grad():
                torch._foreach_lerp_(self.averages, self.weights, 1 - decay)
        return loss

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within it the model has the averaged weights, if an average is kept."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for weight, average in zip(self.weights, self.averages):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)

    def state_dict(self) -> dict:
        return {
            "parts": [part.state_dict() for part in self.parts],
            "averages": self.averages,
            "steps": self.steps,
        }

    def load_state_dict(self, state_dict: dict) -> None:
        for part, state in zip(self.parts, state_dict["parts"]):
            part.load_state_dict(state)
        self.steps = state_dict["steps"]
        with torch.no_grad():
            for average, saved in zip(self.averages, state_dict["averages"]):
                average.copy_(saved)
        self._join()


def averaged_weights(model: nn.Module, path: Path) -> dict[str, torch.Tensor]:
    """The running average of a saved :class:`MuonAdamW`, by the names its model gives the weights."""
    averages = torch.load(path, map_location="cpu", weights_only=True)["averages"]
    places = {id(weight): place for place, weight in enumerate(chain(*sorted_parameters(model)))}
    return {name: averages[places[id(weight)]] for name, weight in model.named_parameters()}
