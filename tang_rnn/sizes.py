"""What writing needs to know of a configuration, without the class that transformers has for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch

from .cells import CELLS, check_sizes


@dataclass(frozen=True)
class Sizes:
    """Fields of a :class:`TangRNNConfig`, with its defaults.

    Raises:
        ValueError: a value of another type, an unknown cell, a size out of all proportion.
    """

    vocab_size: int = 8192
    cell_type: str = "lstm"
    embedding_size: int = 256
    hidden_size: int = 512
    num_hidden_layers: int = 1
    tie_word_embeddings: bool = True
    tokenizer_fingerprint: str | None = None
    pad_token_id: int | None = 0
    bos_token_id: int | None = 1
    eos_token_id: int | list[int] | None = 2
    dtype: torch.dtype | None = None

    model_type = "tang_rnn"

    def __post_init__(self):
        for field in fields(self):
            value, kinds = getattr(self, field.name), field.type.split(" | ")
            if KINDS.get(type(value)) not in kinds and field.name != "dtype":
                raise ValueError(f"{field.name} must be of type {field.type}, not {type(value).__name__}")
        check_sizes(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Sizes:
        """Those of a config.json; what else stands in it is left out."""
        known = {field.name: values[field.name] for field in fields(cls) if field.name in values}
        if isinstance(known.get("dtype"), str):
            known["dtype"] = getattr(torch, known["dtype"])
        return cls(**known)

    @property
    def number_of_states(self) -> int:
        """Tensors in one layer's past state."""
        return len(CELLS[self.cell_type].states)


KINDS = {int: "int", str: "str", bool: "bool", list: "list[int]", type(None): "None"}

__all__ = ["Sizes"]
