"""The recurrent cells, one table: a new cell is one entry here. Checkpoints on the Hub carry this file.

Shapes in the comments: B rows, T time steps, H hidden_size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Cell:
    """What tells one cell from another.

    Attributes:
        layer: torch's layer, which reads whole rows.
        whole: the function beneath it that takes the weights as arguments.
        single: the same for one time step: x (B, in), a state, the four weights; what it returns is a state.
        states: names of the tensors of its past state, each (B, H): what it puts out, and the LSTM's memory.
        gates: names of its gates.
        blocks: how many matrices of H rows, one above the other, its weights are.
        equations: what it does at one step: Wx + b and Uh + c, each (…, blocks x H), and the state, tensors (…, H),
            give the values of its gates and the new state.
        open_block: which block's bias starts at one; None for none.
    """

    layer: type[nn.RNNBase]
    whole: Callable
    single: Callable
    states: tuple[str, ...]
    gates: tuple[str, ...]
    blocks: int
    equations: Callable[[torch.Tensor, torch.Tensor, Tensors], tuple[Tensors, Tensors]]
    open_block: int | None = None

    def given(self, state: Tensors) -> Tensors | torch.Tensor:
        """A state as torch's layers and functions take it: by itself where it is a single tensor."""
        return state if len(self.states) > 1 else state[0]

    def taken(self, state: Tensors | torch.Tensor) -> Tensors:
        """A state as torch's layers and functions return it, as a tuple."""
        return tuple(state) if len(self.states) > 1 else (state,)


def _rnn(x, h, state):
    """Elman 1990."""
    return (), (torch.tanh(x + h),)


def _lstm(x, h, state):
    """Hochreiter & Schmidhuber 1997, Gers et al. 2000; torch's order is input, forget, candidate, output."""
    i, f, g, o = (x + h).chunk(4, -1)
    i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
    c = f * state[1] + i * g.tanh()
    return (i, f, o), (o * c.tanh(), c)


def _gru(x, h, state):
    """Cho et al. 2014, in torch's variant: the reset gate acts after the matrix product."""
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), h.chunk(3, -1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = torch.tanh(x_n + r * h_n)
    return (r, z), ((1 - z) * n + z * state[0],)


CELLS = {
    "rnn": Cell(nn.RNN, torch.rnn_tanh, torch.rnn_tanh_cell, ("h",), (), 1, _rnn),
    "lstm": Cell(
        nn.LSTM,
        torch.lstm,
        torch.lstm_cell,
        states=("h", "c"),
        gates=("input", "forget", "output"),
        blocks=4,
        equations=_lstm,
        open_block=1,  # remember at first (Jozefowicz et al. 2015)
    ),
    "gru": Cell(nn.GRU, torch.gru, torch.gru_cell, ("h",), ("reset", "update"), 3, _gru),
}

# No size beyond these is meant: a config.json that names one must not take the memory of the machine that reads it.
LARGEST = {"vocab_size": 2**20, "embedding_size": 2**14, "hidden_size": 2**14, "num_hidden_layers": 100}


def check_sizes(config) -> None:
    """Makes sure that a configuration names a cell and sizes that can be.

    Raises:
        ValueError: for an unknown `cell_type`, naming the known ones, and for a size out of all proportion.
    """
    if config.cell_type not in CELLS:
        raise ValueError(f"cell_type must be one of {', '.join(CELLS)}, not {config.cell_type!r}")
    for size, most in LARGEST.items():
        if not 1 <= getattr(config, size) <= most:
            raise ValueError(f"{size} must be between 1 and {most}, not {getattr(config, size)}")


__all__ = ["CELLS", "LARGEST", "Cell", "check_sizes"]
