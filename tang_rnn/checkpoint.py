"""Opens a checkpoint folder that may be anyone's: none of its code is run, and its sizes are checked before its use.

What is taken from config.json are the fields of :class:`TangRNNConfig` alone, and from generation_config.json how to
sample, so that nothing else in them (code to import, a quantizer, another attention) has any effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from .configuration_tang_rnn import TangRNNConfig
from .faults import Fault, first_line
from .files import read_json
from .recurrence import Recurrence
from .tokenization_tang_rnn import TangTokenizer, check_fingerprint

if TYPE_CHECKING:
    from .modeling_tang_rnn import TangRNNForCausalLM

CONFIG, WEIGHTS, GENERATION = "config.json", "model.safetensors", "generation_config.json"
NEEDED = (CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json")
TOKENIZER = "tokenizer"  # in the weights' metadata: the fingerprint of the one they were trained with
LARGEST_WEIGHT = 65504.0  # of float16, as which checkpoints are stored; trained ones stay below 100
DTYPES = (None, "float32", "float16", "bfloat16", "float64")
SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "max_length", "max_new_tokens", "suppress_tokens")


def load(folder: Path, **kwargs) -> tuple[Recurrence | TangRNNForCausalLM, TangTokenizer]:
    """What is needed to write, of a folder: the weights and the tokenizer.

    Args:
        kwargs: for the model's ``from_pretrained``; where there are any, the model is loaded, not its weights alone.

    Raises:
        Fault: what is missing, broken or does not go together.
    """
    for name in NEEDED:
        if not (folder / name).is_file():  # follows links, and says no to a pipe or a device
            raise Fault("no_file", file=name)
    with _foreign():
        config = read_config(folder)
        weights = read_weights(folder / WEIGHTS, config)
        for name in NEEDED[2:]:
            read_json(folder / name)
        tokenizer = TangTokenizer.from_pretrained(folder)
        # A broken table of replacements fails now, not later.
        tokenizer.normalize("".join(map(chr, range(0x20, 0xA000))))
    return load_model(folder, **kwargs) if kwargs else Recurrence(config, weights, folder), tokenizer


def check_origin(folder: Path, tokenizer: TangTokenizer) -> None:
    """Makes sure that a folder's weights were trained with this tokenizer, where they say with which.

    Raises:
        Fault: it was another.
    """
    with _foreign(), safe_open(folder / WEIGHTS, "pt") as file:
        check_fingerprint(tokenizer, (file.metadata() or {}).get(TOKENIZER))


def load_model(folder: Path, **kwargs) -> TangRNNForCausalLM:
    """The whole model of a folder that :func:`load` has looked at.

    Raises:
        Fault: it cannot be read.
    """
    from transformers import GenerationConfig

    from .modeling_tang_rnn import TangRNNForCausalLM

    # Whoever asks for it while writing gets weights that can be trained.
    with _foreign(), torch.inference_mode(False):
        config = read_config(folder)
        sampling = read_json(folder / GENERATION) if (folder / GENERATION).is_file() else {}
        ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        generation = GenerationConfig(**ids, **{name: sampling[name] for name in SAMPLING if name in sampling})
        return TangRNNForCausalLM.from_pretrained(folder, config=config, generation_config=generation, **kwargs)


@contextmanager
def _foreign() -> Iterator[None]:
    """What goes wrong while other people's files are read becomes a :class:`Fault`, whichever library finds it.

    Each has classes of its own; a panic of the tokenizers is no Exception. Want of memory is no fault of the files.
    """
    try:
        yield
    except (Fault, MemoryError):
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise Fault("library_says", message=first_line(error)) from error


def read_config(folder: Path) -> TangRNNConfig:
    """The configuration in a folder, without what TangRNNConfig does not know."""
    values = read_json(folder / CONFIG)
    if values.get("model_type") != TangRNNConfig.model_type:
        raise Fault("other_model", file=CONFIG, model=TangRNNConfig.model_type)
    if values.get("dtype") not in DTYPES:
        raise Fault("other_dtype", file=CONFIG, known=list(DTYPES[1:]), value=repr(values["dtype"]))
    return TangRNNConfig(**{name: values[name] for name in (*TangRNNConfig.__annotations__, "dtype") if name in values})


def read_weights(path: Path, config: TangRNNConfig) -> dict[str, torch.Tensor]:
    """The weights in a safetensors file, its shapes compared with the configuration's before memory is taken for it."""
    with safe_open(path, "pt") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if config.num_hidden_layers > len(found):
            raise Fault("other_layers", file=CONFIG, count=config.num_hidden_layers)
        names = {}
        for name, shape in Recurrence.shapes(config).items():
            names[name] = name if name in found else name.removeprefix("model.")  # a TangRNNModel alone will do
            got = found.get(names[name])
            if got != shape:
                key = "no_weight" if got is None else "other_shape"
                raise Fault(key, file=CONFIG, weight=name, wanted=str(shape), found=str(got))
        weights = {name: file.get_tensor(own) for name, own in names.items()}
    for name, weight in weights.items():
        if not bool(weight.abs().amax() <= LARGEST_WEIGHT):  # not a number answers no
            raise Fault("damaged_weights", weight=name)
    return weights


__all__ = ["check_origin", "load", "load_model", "read_config", "read_weights"]
