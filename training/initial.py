"""To begin with the weights of another checkpoint: of another vocabulary, of a narrower network."""

from __future__ import annotations

import torch

from tang_rnn import TangPoet, TangRNNForCausalLM
from tang_rnn.faults import PoetError
from tang_rnn.tokenization_tang_rnn import TangTokenizer

from .errors import TrainError


def find(name: str, key: str = "initial") -> TangPoet:
    """The checkpoint of a name: a cell that ships, a folder, an id on the Hub.

    Raises:
        TrainError: there is none; `key` is what asked for it.
    """
    try:
        return TangPoet.from_pretrained(name)
    except PoetError as error:
        raise TrainError(f"{key}: {error}") from None


def begin_with(model: TangRNNForCausalLM, tokenizer: TangTokenizer, name: str) -> None:
    """Takes over the weights of a checkpoint.

    A character that its tokenizer does not know begins with the embedding of the one it is read as there (one that it
    is a variant of, else ``<unk>``), a poet with the mean of those it knows. A checkpoint of a smaller `hidden_size` is
    widened: see :func:`widened`.

    Raises:
        TrainError: it is another network's.
    """
    poet = find(name)
    theirs, config = poet.model.config, model.config
    if theirs.cell_type != config.cell_type:
        raise TrainError(
            f"initial: {name} holds the weights of an {theirs.cell_type}, and model.cell_type is {config.cell_type}"
        )
    for size in ("embedding_size", "num_hidden_layers"):
        if getattr(theirs, size) != getattr(config, size):
            raise TrainError(
                f"initial: {name} has {size} {getattr(theirs, size)}, and model.{size} is {getattr(config, size)}: "
                "leave it out, and it is the checkpoint's"
            )
    if theirs.hidden_size > config.hidden_size:
        raise TrainError(
            f"initial: {name} has hidden_size {theirs.hidden_size}, and model.hidden_size is {config.hidden_size}: "
            "weights can be widened, not narrowed"
        )
    weights = {key: value.float() for key, value in poet.model.state_dict().items() if key != "lm_head.weight"}
    rows = weights.pop("model.embed_tokens.weight")
    known, unknown = poet.tokenizer.get_vocab(), poet.tokenizer.unk_token_id
    a_poet = rows[[known[f"<{poet}>"] for poet in poet.tokenizer.poets] or [unknown]].mean(0)

    def row(token: str) -> torch.Tensor:
        if token in known:
            return rows[known[token]]
        return a_poet if len(token) > 1 else rows[known.get(poet.tokenizer.normalize(token), unknown)]

    vocabulary = tokenizer.get_vocab()
    table = torch.stack([row(token) for token in sorted(vocabulary, key=vocabulary.__getitem__)])
    if theirs.hidden_size < config.hidden_size:
        weights = widened(weights, model.state_dict(), theirs.hidden_size)
    # strict: the tied output layer is stored once
    model.load_state_dict(weights | {"model.embed_tokens.weight": table}, strict=False)


def widened(small: dict[str, torch.Tensor], large: dict[str, torch.Tensor], size: int) -> dict[str, torch.Tensor]:
    """The weights of a recurrent network of hidden size `size` in a wider one, which computes the same at first.

    The new units see input and state as an untrained network's do, and nothing hears them until training makes it so:
    what leads from them to the old units and out of the layer is zero (Chen et al. 2016, *Net2Net*, in which new units
    are copies instead).

    Args:
        small, large: weights by name, those to widen and an untrained network's of the size wanted.
    """
    result = {}
    for name, old in small.items():
        new = large[name].clone()
        gates = 1 if new.shape[0] == old.shape[0] else old.shape[0] // size  # the rows of one gate after another's
        block, into = old.unflatten(0, (gates, -1)), new.unflatten(0, (gates, -1))
        if old.ndim == 2:
            into[:, : block.shape[1]] = 0
            into[:, : block.shape[1], : block.shape[2]] = block
        else:
            into[:, : block.shape[1]] = block
        result[name] = new
    return result
