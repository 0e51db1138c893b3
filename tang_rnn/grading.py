"""How a reader would grade a line, told from the network's own state behind it.

What a line is likely to be says little about whether its words make sense together; the state in which it leaves the
network says more. A grader is one linear measure of that state, learned from poems of ours that readers graded line by
line without knowing who wrote them: ``python -m training.grading`` (training/LOG.md, "What readers grade").

Shapes in the comments: B rows, H hidden_size.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from .files import written_whole

GRADER = "grader.safetensors"  # in a checkpoint's folder


class Grader:
    """Grades of lines, in points of a scale from 0, broken, to 3, good; more than a mean line's is above 0.

    Args:
        weight: (H,), for the output of the network's last layer.
        bias: ().
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor):
        self.weight, self.bias = weight, bias

    def __call__(self, output: torch.Tensor) -> torch.Tensor:
        """The grade of the line that each row has just written, before its mark is read: (B, H) -> (B,)."""
        return output.float() @ self.weight + self.bias

    def write(self, folder: Path) -> None:
        """Lays it into the folder of the checkpoint whose states it knows."""
        with written_whole(folder / GRADER) as path:
            save_file({"weight": self.weight.contiguous(), "bias": self.bias}, path)


__all__ = ["GRADER", "Grader"]
