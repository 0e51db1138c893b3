"""The network one character at a time: what remains of it while a poem is written.

A poem is some dozens of steps of a fraction of a millisecond, so that what surrounds a step costs as much as the step.
:class:`Recurrence` has the weights of a ``TangRNNForCausalLM`` laid out for single steps and nothing else::

    recurrence = Recurrence(model.config, model.state_dict())
    state = recurrence.step(tokens, recurrence.begin(rows))
    logits = recurrence.logits(state)

It imports torch and nothing of transformers, which takes longer to import than a poem to write.

Shapes in the comments: B rows, T time steps, E embedding_size, H hidden_size, V vocab_size.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from .cells import CELLS
from .sizes import Sizes

State = list[tuple[torch.Tensor, ...]]  # of each layer, tensors (B, H); the first is its output
AT_ONCE = 64  # rows of logits that are made in one product: a cache has room for them


def precision() -> str:
    """In what the products with float32 weights run on this machine: "bfloat16" where its matrix unit (AMX) has them,
    else "float32", as also where the environment's TANG_RNN_PRECISION says so. All else is float32 everywhere.
    """
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    wanted = os.environ.get("TANG_RNN_PRECISION") != "float32"
    return "bfloat16" if wanted and packs() and has_tiles() and torch.get_num_threads() <= 16 else "float32"


def packs() -> bool:
    """Whether torch lays out weights for oneDNN here."""
    return (
        torch.backends.cpu.get_cpu_capability().startswith("AVX")  # elsewhere it is untried
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def linear(weight: torch.Tensor, bias: torch.Tensor | None = None) -> Callable[[torch.Tensor], torch.Tensor]:
    """x (B, in) -> x Wᵀ + b (B, out), without gradients, laid out for few rows. weight: (out, in), bias: (out,).

    In oneDNN's own layout two to eight rows take half the time that torch's plain product takes, and a row comes out
    the same to the bit whatever rows stand beside it. That is what torch's compiler turns a frozen linear layer into.
    In bfloat16 a third of that is enough for 64 rows; terms are still summed up in float32.
    """
    dnn, (outputs, inputs) = torch.ops.mkldnn, weight.shape
    if (weight.device.type, weight.dtype) == ("cpu", torch.float32) and packs():
        # In other shapes it depends on the number of rows, or of threads, in which order a bfloat16 product sums up.
        if inputs <= 1024 <= outputs and precision() == "bfloat16":
            packed = dnn._reorder_linear_weight(weight.bfloat16(), 1)  # packed for more, it depends on them even so

            def product(x: torch.Tensor) -> torch.Tensor:
                result = dnn._linear_pointwise(x.bfloat16(), packed, None, "none", [], "").float()
                return result if bias is None else result.add_(bias)

            return product
        packed = dnn._reorder_linear_weight(weight.contiguous(), 8)  # for about as many rows
        return lambda x: dnn._linear_pointwise(x, packed, bias, "none", [], "")
    # A product with a single row reads all of its matrix, fastest with what one step sums up lying in a column.
    matrix = weight.T.contiguous()
    return (lambda x: torch.mm(x, matrix)) if bias is None else (lambda x: torch.addmm(bias, x, matrix))


class Recurrence:
    """A network's weights, laid out for single steps.

    Args:
        config: of the model, as :class:`TangRNNConfig` or the part of it that is :class:`Sizes`.
        weights: its state dict.

    Attributes:
        config, device, num_parameters: as the model's.
        weights: as they came.
        folder: what it was read from, if it was.
    """

    def __init__(self, config: Sizes, weights: Mapping[str, torch.Tensor], folder: Path | None = None):
        self.config, self.weights, self.folder = config, weights, folder
        tied = weights["model.embed_tokens.weight"]
        dtype = config.dtype or tied.dtype
        output = weights.get("lm_head.weight", tied)
        self.num_parameters = sum(weights[name].numel() for name in self.shapes(config))
        self.device = tied.device
        self.embedding = tied  # (V, E), as it came: a row is converted when it is looked up

        def of(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
            return linear(*(weights[name.format(kind)].to(dtype) for kind in ("weight", "bias")))

        self.layers = [
            tuple(of(f"model.layers.{layer}.cell.{{}}_{side}_l0") for side in ("ih", "hh"))
            for layer in range(config.num_hidden_layers)
        ]
        self.projection, self.output = of("model.projection.{}"), linear(output.to(dtype))
        self.dtype, self.equations = dtype, CELLS[config.cell_type].equations

    def __reduce__(self):  # what is laid out is laid out anew
        return type(self), (self.config, self.weights, self.folder)

    @staticmethod
    def shapes(config: Sizes) -> dict[str, tuple[int, ...]]:
        """The weights that a checkpoint of this configuration has, by name."""
        embedding, hidden = config.embedding_size, config.hidden_size
        shapes = {"model.embed_tokens.weight": (config.vocab_size, embedding)}
        for layer in range(config.num_hidden_layers):
            for name, width in (("ih", hidden if layer else embedding), ("hh", hidden)):
                blocks = CELLS[config.cell_type].blocks * hidden
                shapes[f"model.layers.{layer}.cell.weight_{name}_l0"] = (blocks, width)
                shapes[f"model.layers.{layer}.cell.bias_{name}_l0"] = (blocks,)
        shapes |= {"model.projection.weight": (embedding, hidden), "model.projection.bias": (embedding,)}
        return shapes if config.tie_word_embeddings else shapes | {"lm_head.weight": (config.vocab_size, embedding)}

    def begin(self, rows: int) -> State:
        """The state before the first character."""
        zeros = torch.zeros(rows, self.config.hidden_size, dtype=self.dtype, device=self.device)
        return [(zeros,) * self.config.number_of_states for _ in self.layers]

    def step(self, tokens: torch.Tensor, state: State) -> State:
        """The state once each row has read its next character, (B,)."""
        return self._go_on(self._given(tokens), state)

    def branch(self, tokens: torch.Tensor, state: State, rows: torch.Tensor) -> State:
        """The state once each of these tokens, (B,), is read by one of the rows of a state, (B,) indices: what
        :meth:`step` gives of those rows, but what a row gives by itself is made once for all tokens that it reads.
        """
        return self._go_on(self._given(tokens), state, rows)

    def _given(self, tokens: torch.Tensor) -> torch.Tensor:
        """What the first layer makes of the tokens, (B,), by themselves: (B, blocks * H)."""
        return self.layers[0][0](self.embedding.index_select(0, tokens).to(self.dtype))

    def _go_on(self, given: torch.Tensor, state: State, rows: torch.Tensor | None = None) -> State:
        """Through all layers: what :meth:`_given` gives, read by each row of a state, or by these of its rows."""
        new: State = []
        for (of_input, of_hidden), old in zip(self.layers, state):
            hidden = of_hidden(old[0])
            if rows is not None:
                hidden, (old,) = hidden.index_select(0, rows), select([old], rows)
            if new:
                given = of_input(new[-1][0])
            new.append(self.equations(given, hidden, old)[1])
        return new

    def read_on(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, State]:
        """All rows go on with the same tokens, (T,): the natural logarithm of each one's probability, (B, T), and the
        state in which the last one is still to be read, perhaps by fewer rows.

        What the tokens give by themselves is made once for all rows and places, and the logits in few large products.
        """
        outputs = [state[-1][0]]
        for given in self._given(tokens[:-1]).unbind():
            state = self._go_on(given, state)
            outputs.append(state[-1][0])
        before, rows = torch.cat(outputs), len(outputs[0])
        return self._log_probs(before, tokens.repeat_interleave(rows)).view(-1, rows).T, state

    def read_rows(self, tokens: torch.Tensor, state: State) -> tuple[torch.Tensor, torch.Tensor, State]:
        """Each row goes on with tokens of its own, (B, T): the output before each, (B, T, H), the natural logarithm of
        its probability, (B, T), and the state in which the last ones are still to be read.
        """
        given, outputs = self._given(tokens[:, :-1].flatten()), [state[-1][0]]
        for each in given.unflatten(0, (len(tokens), -1)).unbind(1):
            state = self._go_on(each, state)
            outputs.append(state[-1][0])
        before = torch.stack(outputs, 1)
        return before, self._log_probs(before.flatten(0, 1), tokens.flatten()).view(tokens.shape), state

    def _log_probs(self, outputs: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The natural logarithm of each token's probability, (N,), behind these outputs, (N, H)."""
        found = []
        for part, target in zip(outputs.split(AT_ONCE), tokens.split(AT_ONCE)):
            log_probs = self.output(self.projection(part)).float().log_softmax(1)
            found.append(log_probs.gather(1, target[:, None])[:, 0])
        return torch.cat(found)

    def read_all(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> State:
        """The state after whole rows, (B, T), that are padded on the left where the mask is 0; as far as rows are
        alike they are read once."""
        tokens, ids = input_ids.unique(return_inverse=True)
        given, padding = self._given(tokens), len(tokens)
        state, of = self.begin(1), ids.new_zeros(len(ids))  # the row of the state that each row has
        for column in ids.masked_fill(~attention_mask.bool(), padding).unbind(1):
            token, rows, of = shared(column, of, padding + 1)
            new, real = self._go_on(given.index_select(0, token.clamp(max=padding - 1)), state, rows), token.ne(padding)
            state = new if bool(real.all()) else _where(real[:, None], new, select(state, rows))
        return select(state, of)

    def logits(self, state: State) -> torch.Tensor:
        """What comes next: (B, V)."""
        return self.output(self.projection(state[-1][0]))


def shared(tokens: torch.Tensor, of: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens below `size`, (B,), that rows read, each by its row of a state, (B,): what many share, once.

    Returns:
        The pairs that differ, tokens and rows, (B',) each, and of each row its pair, (B,).
    """
    pairs, place = (of * size + tokens).unique(return_inverse=True)
    return pairs % size, pairs // size, place


def select(state: State, rows: torch.Tensor) -> State:
    """The states of these rows, (B',) indices."""
    return [tuple(tensor.index_select(0, rows) for tensor in layer) for layer in state]


def _where(rows: torch.Tensor, new: State, old: State) -> State:
    return [tuple(torch.where(rows, n, o) for n, o in zip(*layers)) for layers in zip(new, old)]


__all__ = ["Recurrence", "State", "precision", "select", "shared"]
