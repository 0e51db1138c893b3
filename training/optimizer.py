"""Muon for the matrices inside the network, AdamW for the rest, as one optimizer.

A step of Muon is the momentum with all its singular values set to one (Jordan et al. 2024, *Muon: An optimizer for
hidden layers in neural networks*), so that no direction of a recurrent matrix runs away from the others. That is worth
most to the plain RNN. The embedding is a table, not a map between vectors, and stays with AdamW, as there.
"""

from __future__ import annotations

import torch
from torch import nn


class MuonAdamW(torch.optim.Optimizer):
    """torch's Muon and AdamW side by side.

    Args:
        model: whose parameters to train.
        learning_rate: AdamW's.
        muon_learning_rate: Muon's, on the scale of AdamW's (Liu et al. 2025, *Muon is scalable for LLM training*).
        betas, weight_decay: AdamW's; the decay is Muon's too.
    """

    def __init__(
        self,
        model: nn.Module,
        learning_rate: float,
        muon_learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ):
        tables = [module.weight for module in model.modules() if isinstance(module, nn.Embedding)]
        matrices = [p for p in model.parameters() if p.ndim == 2 and not any(p is table for table in tables)]
        vectors = [p for p in model.parameters() if p.ndim != 2]
        self.parts = (
            torch.optim.Muon(
                matrices, lr=muon_learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"
            ),
            torch.optim.AdamW(
                [{"params": tables}, {"params": vectors, "weight_decay": 0.0}],
                lr=learning_rate,
                betas=betas,
                weight_decay=weight_decay,
                fused=True,
            ),
        )
        super().__init__([*matrices, *tables, *vectors], {})
        self._join()

    def _join(self) -> None:
        # The same dicts as the parts': what a scheduler writes into them is what the parts read.
        self.param_groups = [group for part in self.parts for group in part.param_groups]

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for part in self.parts:
            part.step()
        return loss

    def state_dict(self) -> dict:
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict) -> None:
        for part, state in zip(self.parts, state_dict["parts"]):
            part.load_state_dict(state)
        self._join()
