"""How a reader would grade a line, told from the network's own states while it writes it.

What a line is likely to be says little about whether its words make sense together; the states in which it leaves the
network say more, and most of all both together. A grader is a sum over the characters of a line: of what the state
before each and how likely each is add, partly by themselves, partly through a small layer. It is learned from lines of
ours that readers graded without knowing who wrote them: ``python -m training.grading`` (training/LOG.md, "What readers
grade").

Shapes in the comments: B rows, H hidden_size, U units of a layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from .files import written_whole

GRADER = "grader.safetensors"  # in a checkpoint's folder
SURPRISE = (3.0, 5.0, 7.0)  # nats beyond which a character surprises: a little, much, more than it should
UNITS = "character.bias"  # the tensor that says how many units its layers have; an older one has none
TOLD = 1 + len(SURPRISE)  # numbers that a character's surprises are


def surprises(log_prob: torch.Tensor) -> torch.Tensor:
    """What a grader is told of how likely characters are, (...,) -> (..., 4): the logarithm, and by how many nats it
    falls short of each bound."""
    return torch.stack([log_prob, *((-log_prob - bound).clamp(min=0) for bound in SURPRISE)], -1)


class Layer(NamedTuple):
    """A small network of one hidden layer, (..., N) -> (...,).

    Attributes:
        inward: (U, N).
        bias: (U,).
        outward: (U,).
    """

    inward: torch.Tensor
    bias: torch.Tensor
    outward: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.read(F.linear(x, self.inward))

    def read(self, units: torch.Tensor) -> torch.Tensor:
        """What the hidden layer, (..., U) before its bias, says: (...,)."""
        return F.gelu(units + self.bias) @ self.outward

    @staticmethod
    def shapes(inputs: int, units: int) -> dict[str, tuple[int, ...]]:
        """Of its tensors, in order."""
        return {"inward": (units, inputs), "bias": (units,), "outward": (units,)}

    @classmethod
    def nothing(cls, inputs: int) -> Layer:
        """One without units, which adds nothing."""
        return cls(*(torch.zeros(shape) for shape in cls.shapes(inputs, 0).values()))


class Grader:
    """Grades of lines, in points of a scale from 0, broken, to 3, good; more than a mean line's is above 0.

    Args:
        weight: (H,), for the output of the network's last layer behind a line's last character.
        each: (H,), for that before each character, the line's mark among them.
        likely: (4,), for the :func:`surprises` of each character but the mark, of which there are none.
        bias: (), of a line.
        character: of each output and its surprises, N = H + 4; None: nothing.
        line: of the output behind a line's last character, N = H; None: nothing.
    """

    def __init__(
        self,
        weight: torch.Tensor,
        each: torch.Tensor,
        likely: torch.Tensor,
        bias: torch.Tensor,
        character: Layer | None = None,
        line: Layer | None = None,
    ):
        self.weight, self.each, self.likely, self.bias = weight, each, likely, bias
        self.character = character or Layer.nothing(len(each) + TOLD)
        self.line = line or Layer.nothing(len(weight))

    def __call__(
        self, output: torch.Tensor, log_prob: torch.Tensor, over: torch.Tensor, of: torch.Tensor | None = None
    ) -> torch.Tensor:
        """What the character that each row has drawn adds to the grade of its line.

        Args:
            output: (..., H), before it is read.
            log_prob: (...,), of it.
            over: (...,), whether it is the mark with which the line is over.
            of: (B,), the row of the outputs, then (B', H), that each row has; None: its own.

        Returns:
            (...,).
        """
        output, size = output.float(), output.shape[-1]
        told = surprises(log_prob).masked_fill(over[..., None], 0)
        # What an output adds by itself is worked out once for all rows that have it.
        alone, units = output @ self.each, F.linear(output, self.character.inward[:, :size])
        if of is not None:
            alone, units = (each.index_select(0, of) for each in (alone, units))
        units = units + F.linear(told, self.character.inward[:, size:])
        grade = alone + told @ self.likely + self.character.read(units)
        ends = output[over] if of is None else output[of[over]]
        grade[over] += ends @ self.weight + self.line(ends) + self.bias
        return grade

    def tensors(self) -> dict[str, torch.Tensor]:
        """What it consists of, by name."""
        own = {"weight": self.weight, "each": self.each, "likely": self.likely, "bias": self.bias}
        layers = {"character": self.character, "line": self.line}
        inner = {f"{name}.{part}": each for name, layer in layers.items() for part, each in layer._asdict().items()}
        return own | (inner if len(self.character.bias) else {})

    @classmethod
    def of(cls, tensors: dict[str, torch.Tensor]) -> Grader:
        """The one of these tensors, named and shaped as :meth:`shapes` says."""
        own = [tensors[name] for name in ("weight", "each", "likely", "bias")]
        layers = ("character", "line") if UNITS in tensors else ()
        return cls(*own, *(Layer(*(tensors[f"{name}.{part}"] for part in Layer._fields)) for name in layers))

    @staticmethod
    def shapes(hidden_size: int, units: int = 0) -> dict[str, tuple[int, ...]]:
        """Of its tensors, by name; without units of layers there are no layers."""
        own = {"weight": (hidden_size,), "each": (hidden_size,), "likely": (TOLD,), "bias": ()}
        layers = {"character": hidden_size + TOLD, "line": hidden_size} if units else {}
        return own | {
            f"{name}.{part}": shape
            for name, inputs in layers.items()
            for part, shape in Layer.shapes(inputs, units).items()
        }

    def write(self, folder: Path) -> None:
        """Lays it into the folder of the checkpoint whose states it knows, in half precision."""
        with written_whole(folder / GRADER) as path:
            save_file({name: tensor.half().contiguous() for name, tensor in self.tensors().items()}, path)


__all__ = ["GRADER", "Grader", "Layer", "TOLD", "UNITS", "surprises"]
