"""How a reader would grade a line, told from the network's own states while it writes it.

What a line is likely to be says little about whether its words make sense together; the states in which it leaves the
network say more, and most of all both together. A grader is a sum over the characters of a line, linear in the state
before each and in how likely each is, learned from poems of ours that readers graded line by line without knowing who
wrote them: ``python -m training.grading`` (training/LOG.md, "What readers grade").

Shapes in the comments: B rows, H hidden_size.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from .files import written_whole

GRADER = "grader.safetensors"  # in a checkpoint's folder
SURPRISE = (3.0, 5.0, 7.0)  # nats beyond which a character surprises: a little, much, more than it should


def surprises(log_prob: torch.Tensor) -> torch.Tensor:
    """What a grader is told of how likely characters are, (...,) -> (..., 4): the logarithm, and by how many nats it
    falls short of each bound."""
    return torch.stack([log_prob, *((-log_prob - bound).clamp(min=0) for bound in SURPRISE)], -1)


class Grader:
    """Grades of lines, in points of a scale from 0, broken, to 3, good; more than a mean line's is above 0.

    Args:
        weight: (H,), for the output of the network's last layer behind a line's last character.
        each: (H,), for that before each character, the line's mark among them.
        likely: (4,), for the :func:`surprises` of each character but the mark.
        bias: (), of a line.
    """

    def __init__(self, weight: torch.Tensor, each: torch.Tensor, likely: torch.Tensor, bias: torch.Tensor):
        self.weight, self.each, self.likely, self.bias = weight, each, likely, bias

    def __call__(self, output: torch.Tensor, log_prob: torch.Tensor, over: torch.Tensor) -> torch.Tensor:
        """What the character that each row has drawn adds to the grade of its line.

        Args:
            output: (B, H), before it is read.
            log_prob: (B,), of it.
            over: (B,), whether it is the mark with which the line is over.

        Returns:
            (B,).
        """
        output = output.float()
        ends = output @ self.weight + self.bias
        return output @ self.each + torch.where(over, ends, surprises(log_prob) @ self.likely)

    def tensors(self) -> dict[str, torch.Tensor]:
        """What it consists of, by name."""
        return {"weight": self.weight, "each": self.each, "likely": self.likely, "bias": self.bias}

    @staticmethod
    def shapes(hidden_size: int) -> dict[str, tuple[int, ...]]:
        """Of its tensors, in the order in which it takes them."""
        return {"weight": (hidden_size,), "each": (hidden_size,), "likely": (1 + len(SURPRISE),), "bias": ()}

    def write(self, folder: Path) -> None:
        """Lays it into the folder of the checkpoint whose states it knows."""
        with written_whole(folder / GRADER) as path:
            save_file({name: tensor.contiguous() for name, tensor in self.tensors().items()}, path)


__all__ = ["GRADER", "Grader", "surprises"]
