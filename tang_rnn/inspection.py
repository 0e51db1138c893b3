"""What goes on inside a poet as it reads a poem: gates, states, probabilities, and how long a character is remembered.

    reading = inspect(TangPoet.from_pretrained("gru"), "春眠不觉晓，处处闻啼鸟。")
    reading.characters[1].probability, reading.gates["update"], reading.half_life

torch's recurrent layers keep their gates to themselves, so the recurrence is computed here once more, step by step,
from their weights; its states are those of the model (a test holds it to that).

Shapes in the comments: L layers, T characters of the poem, H hidden_size, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from .cells import Cell
from .faults import text_of
from .poet import PoetError, TangPoet
from .writing.request import REQUIRED, Option

TEXT = Option("text", str, REQUIRED, "the poem")
TOP = Option("top", int, 5, "alternatives for each character", least=1)


@dataclass(frozen=True)
class Character:
    """A character of the poem as the model saw it coming.

    Attributes:
        text: the character or mark.
        probability: what the model gave it after everything before it.
        rank: 1 if it was the likeliest of all.
        alternatives: the likeliest (character, probability), the first the likeliest; </s> is the poem's end.
    """

    text: str
    probability: float
    rank: int
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Inspection:
    """A poem as read by one model.

    Attributes:
        cell: its recurrent cell.
        characters: each character and mark of the poem.
        gates: by name (L, T, H), between 0 and 1, as each character is read. lstm: input, forget, output; gru: reset,
            update; rnn: none. A forget or update gate at 1 keeps what the unit remembers.
        states: by name (L, T, H), after each character: h, and for the lstm the memory c.
        echo: how much of a character is left in the last layer's h so many characters later, 1 where it is read: the
            distance between the states with and without that character, on average over the poem.
    """

    cell: str
    characters: tuple[Character, ...]
    gates: dict[str, torch.Tensor]
    states: dict[str, torch.Tensor]
    echo: tuple[float, ...]

    @property
    def text(self) -> str:
        """The poem in the model's own characters."""
        return "".join(character.text for character in self.characters)

    @property
    def half_life(self) -> float | None:
        """After how many characters half of the echo is gone, between two by interpolation; None if never."""
        for lag in range(1, len(self.echo)):
            before, after = self.echo[lag - 1], self.echo[lag]
            if after <= 0.5:
                return lag - (0.5 - after) / (before - after) if before > after else float(lag)
        return None


def trace(
    cell: Cell, layer: torch.nn.RNNBase, x: torch.Tensor
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Gates and states of a cell, with the weights of its layer, over x: (T, in); each value (T, H)."""
    inputs = x @ layer.weight_ih_l0.T + layer.bias_ih_l0  # (T, blocks x H)
    state = (x.new_zeros(layer.hidden_size),) * len(cell.states)
    all_gates, all_states = [], []
    for row in inputs:
        gates, state = cell.equations(row, layer.weight_hh_l0 @ state[0] + layer.bias_hh_l0, state)
        all_gates.append(gates)
        all_states.append(state)
    return (
        {name: torch.stack(values) for name, values in zip(cell.gates, zip(*all_gates))},
        {name: torch.stack(values) for name, values in zip(cell.states, zip(*all_states))},
    )


@torch.inference_mode()
def inspect(poet: TangPoet, text: str, context: str = "", top: int = 5) -> Inspection:
    """Reads a poem and reports.

    Args:
        poet: whose model reads.
        text: the poem with its marks, simplified or traditional.
        context: what stands before it; see ``tokenizer.context``.
        top: alternatives for each character.

    Raises:
        PoetError: no poem, one too long, or one that is not Chinese.
    """
    model, tokenizer = poet.model, poet.tokenizer
    text = poet.reader.readable(TEXT.check(text), "text")
    context, top = text_of(context, "context"), replace(TOP, most=len(tokenizer)).check(top)
    if not text:
        raise PoetError("no_poem")
    ids = tokenizer(context, text, return_tensors="pt").input_ids.to(model.device)
    count = len(text)
    embedded = model.model.embed(ids)  # (1, before + T, E)

    gates: dict[str, list[torch.Tensor]] = {}
    states: dict[str, list[torch.Tensor]] = {}
    x = embedded[0]
    for layer in model.model.layers:
        own_gates, own_states = trace(layer.kind, layer.cell, x)
        x = own_states["h"]
        for kept, own in ((gates, own_gates), (states, own_states)):
            for name, value in own.items():
                kept.setdefault(name, []).append(value[-count:])

    # The step before a character predicts it.
    probabilities = model.lm_head(model.model.projection(x[-count - 1 : -1])).float().softmax(1)  # (T, V)
    own = probabilities.gather(1, ids[0, -count:, None])
    ranks = (probabilities > own).sum(1) + 1
    best = probabilities.topk(top)
    characters = tuple(
        Character(char, value, rank, tuple(zip(tokenizer.convert_ids_to_tokens(tokens), values)))
        for char, value, rank, tokens, values in zip(
            text, own[:, 0].tolist(), ranks.tolist(), best.indices.tolist(), best.values.tolist()
        )
    )
    return Inspection(
        cell=poet.cell,
        characters=characters,
        gates={name: torch.stack(values) for name, values in gates.items()},
        states={name: torch.stack(values) for name, values in states.items()},
        echo=_echo(model.model, embedded, count),
    )


def _echo(model, embedded: torch.Tensor, count: int) -> tuple[float, ...]:
    """See :class:`Inspection`. What is not read is a zero vector, as embedding dropout makes it in training."""
    length = embedded.shape[1]
    unread = embedded.repeat(count + 1, 1, 1)  # the last row reads everything
    for number in range(count):
        unread[number, length - count + number] = 0
    states = model(inputs_embeds=unread, use_cache=False, output_hidden_states=True).hidden_states[-1][:, -count:]
    distances = (states[:-1] - states[-1]).norm(dim=2)  # (T unread, T read)
    start = distances.diagonal().clamp(min=1e-6)
    return tuple(
        float((distances.diagonal(lag) / start[: count - lag]).mean()) for lag in range(max(1, count * 3 // 4))
    )


__all__ = ["Character", "Inspection", "inspect", "trace"]
