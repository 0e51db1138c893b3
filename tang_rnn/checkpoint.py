"""Opens a checkpoint folder that may be anyone's: none of its code is run, and its sizes are checked before its use.

What is taken from config.json are the fields of :class:`TangRNNConfig` alone, and from generation_config.json how to
sample, so that nothing else in them (code to import, a quantizer, another attention) has any effect.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from .configuration_tang_rnn import TangRNNConfig
from .recurrence import Recurrence
from .tokenization_tang_rnn import TangTokenizer, check_fingerprint

if TYPE_CHECKING:
    from .modeling_tang_rnn import TangRNNForCausalLM

CONFIG, WEIGHTS, GENERATION = "config.json", "model.safetensors", "generation_config.json"
NEEDED = (CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json")
LARGEST_JSON = 64 * 2**20  # bytes
TOKENIZER = "tokenizer"  # in the weights' metadata: the fingerprint of the one they were trained with
LARGEST_WEIGHT = 65504.0  # of float16, as which checkpoints are stored; trained ones stay below 100
DTYPES = (None, "float32", "float16", "bfloat16", "float64")
SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "max_length", "max_new_tokens", "suppress_tokens")


def load(folder: Path, **kwargs) -> tuple[Recurrence | TangRNNForCausalLM, TangTokenizer]:
    """What is needed to write, of a folder: the weights and the tokenizer.

    Args:
        kwargs: for the model's ``from_pretrained``; where there are any, the model is loaded, not its weights alone.

    Raises:
        ValueError, OSError, RuntimeError: what is missing, broken or does not go together. The libraries beneath raise
            other classes too; whatever comes means that the folder cannot be used.
    """
    for name in NEEDED:
        if not (folder / name).is_file():  # follows links, and says no to a pipe or a device
            raise OSError(f"there is no file {name}")
    config = read_config(folder)
    weights = read_weights(folder / WEIGHTS, config)
    for name in NEEDED[2:]:
        read_json(folder / name)
    tokenizer = TangTokenizer.from_pretrained(folder)
    tokenizer.normalize("".join(map(chr, range(0x20, 0xA000))))  # a broken table of replacements fails now, not later
    with safe_open(folder / WEIGHTS, "pt") as file:
        check_fingerprint(tokenizer, (file.metadata() or {}).get(TOKENIZER))
    return load_model(folder, **kwargs) if kwargs else Recurrence(config, weights, folder), tokenizer


def load_model(folder: Path, **kwargs) -> TangRNNForCausalLM:
    """The whole model of a folder that :func:`load` has looked at."""
    from transformers import GenerationConfig

    from .modeling_tang_rnn import TangRNNForCausalLM

    config = read_config(folder)
    sampling = read_json(folder / GENERATION) if (folder / GENERATION).is_file() else {}
    ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    generation = GenerationConfig(**ids, **{name: sampling[name] for name in SAMPLING if name in sampling})
    with torch.inference_mode(False):  # whoever asks for it while writing gets weights that can be trained
        return TangRNNForCausalLM.from_pretrained(folder, config=config, generation_config=generation, **kwargs)


def read_json(path: Path) -> dict:
    """What stands in a JSON file, if it is an object and of a size that a checkpoint's may have."""
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"{path.name} is too large: {path.stat().st_size} bytes, at most {LARGEST_JSON}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} is broken: it holds no JSON object")
    return values


def read_config(folder: Path) -> TangRNNConfig:
    """The configuration in a folder, without what TangRNNConfig does not know."""
    values = read_json(folder / CONFIG)
    if values.get("model_type") != TangRNNConfig.model_type:
        raise ValueError(f"its {CONFIG} is not that of a {TangRNNConfig.model_type} model")
    if values.get("dtype") not in DTYPES:
        raise ValueError(f"dtype in {CONFIG} must be one of {' '.join(DTYPES[1:])}, not {values['dtype']!r}")
    return TangRNNConfig(**{name: values[name] for name in (*TangRNNConfig.__annotations__, "dtype") if name in values})


def read_weights(path: Path, config: TangRNNConfig) -> dict[str, torch.Tensor]:
    """The weights in a safetensors file, its shapes compared with the configuration's before memory is taken for it."""
    with safe_open(path, "pt") as file:
        found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if config.num_hidden_layers > len(found):
            raise ValueError(f"the weights are not those of {CONFIG}: it speaks of {config.num_hidden_layers} layers")
        names = {}
        for name, shape in Recurrence.shapes(config).items():
            names[name] = name if name in found else name.removeprefix("model.")  # a TangRNNModel alone will do
            got = found.get(names[name])
            if got != shape:
                what = "there is none" if got is None else f"they have {got}"
                raise ValueError(f"the weights are not those of {CONFIG}: {name} should have the shape {shape}, {what}")
        weights = {name: file.get_tensor(own) for name, own in names.items()}
    for name, weight in weights.items():
        if not bool(weight.abs().amax() <= LARGEST_WEIGHT):  # not a number answers no
            raise ValueError(f"the weights are damaged: {name} has values that no training gives")
    return weights


__all__ = ["load", "load_model", "read_config", "read_weights"]
