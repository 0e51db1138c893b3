"""Opens a checkpoint folder that may be anyone's: none of its code is run, and its sizes are checked before its use.

Read are the files of a closed list, :data:`LARGEST_FILES`, and by us: a library that is given the folder opens whatever
else lies there (another tokenizer that a file points to, an adapter with another model's name). What is taken from
config.json are the fields of :class:`TangRNNConfig` alone, and from generation_config.json how to sample, so that
nothing else in them (code to import, a quantizer, another attention) has any effect.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from .characters import Characters, check_fingerprint
from .faults import Fault, first_line
from .grading import GRADER, UNITS, Grader
from .recurrence import Recurrence
from .sizes import Sizes
from .tokenizer_file import FILE, SETTINGS, tokenizer_of
from .verse.quotations import OWN_LINES, LineIndex

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .modeling_tang_rnn import TangRNNForCausalLM

CONFIG, WEIGHTS, GENERATION = "config.json", "model.safetensors", "generation_config.json"
NEEDED = (CONFIG, WEIGHTS, FILE, SETTINGS)
TEMPLATE = "chat_template.jinja"
# All that is read of a folder, and how many bytes each may have: some twenty times what the largest of ours has. What a
# small object of JSON takes in memory is that many times its length.
LARGEST_FILES = {
    CONFIG: 2**18,
    GENERATION: 2**18,
    FILE: 2**22,
    SETTINGS: 2**18,
    TEMPLATE: 2**18,
    WEIGHTS: 2**30,
    OWN_LINES: 2**26,
    GRADER: 2**22,
}
LARGEST_HEADER = 2**18  # bytes before the weights that name them: a hundred layers have 50 kB
TOKENIZER = "tokenizer"  # in the weights' metadata: the fingerprint of the one they were trained with
LARGEST_WEIGHT = 65504.0  # of float16, as which checkpoints are stored; trained ones stay below 100
DTYPES = (None, "float32", "float16", "bfloat16", "float64")
FLOATS = ("F16", "BF16", "F32", "F64")  # as safetensors names them
SAMPLING = ("do_sample", "temperature", "top_k", "top_p", "max_length", "max_new_tokens", "suppress_tokens")


def load(folder: Path, **kwargs) -> tuple[Recurrence | TangRNNForCausalLM, Characters]:
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
        config = Sizes.of(read_config(folder))
        weights = read_weights(folder / WEIGHTS, config)
        template = folder / TEMPLATE
        template = _read(template).decode("utf-8") if template.is_file() else None
        tokenizer = tokenizer_of(read_json(folder / FILE), read_json(folder / SETTINGS), template)
    return load_model(folder, **kwargs) if kwargs else Recurrence(config, weights, folder), tokenizer


def check_origin(folder: Path, tokenizer: PreTrainedTokenizerBase | Characters) -> None:
    """Makes sure that a folder's weights were trained with this tokenizer, where they say with which.

    Raises:
        Fault: it was another.
    """
    with _foreign(), _tensors(folder / WEIGHTS) as file:
        check_fingerprint(tokenizer, (file.metadata() or {}).get(TOKENIZER))


def own_lines(folder: Path) -> LineIndex | None:
    """The lines of the poems that a folder's model was taught, if these were somebody's own.

    Raises:
        Fault: the file is damaged.
    """
    path = folder / OWN_LINES
    if not path.is_file():
        return None
    with _foreign():
        with _tensors(path):
            pass
        return LineIndex(path)


def grader(folder: Path, config: Sizes) -> Grader | None:
    """What a folder's model, which has these sizes, has learned of readers' grades, if it has.

    Raises:
        Fault: the file is damaged, or of another model.
    """
    path = folder / GRADER
    if not path.is_file():
        return None
    with _foreign(), _tensors(path) as file:
        names, units = set(file.keys()), 0
        if UNITS in names:
            units, *_ = file.get_slice(UNITS).get_shape() or [0]
        shapes = Grader.shapes(config.hidden_size, units)
        # An older one knows nothing but the state behind a line.
        later = {name: torch.zeros(shapes[name]) for name in ("each", "likely")}
        missing = later if names == {"weight", "bias"} else {}
        tensors = {
            name: file.get_tensor(name).float() if name in names else missing.get(name, torch.empty(0))
            for name in shapes
        }
    for name, shape in shapes.items():
        if tensors[name].shape != shape:
            found = tuple(tensors[name].shape)
            raise Fault("other_shape", file=CONFIG, weight=name, wanted=str(shape), found=str(found))
        if not bool((tensors[name].abs() <= LARGEST_WEIGHT).all()):
            raise Fault("damaged_weights", weight=name)
    return Grader.of(tensors)


def load_model(folder: Path, **kwargs) -> TangRNNForCausalLM:
    """The whole model of a folder that :func:`load` has looked at.

    Raises:
        Fault: it cannot be read.
    """
    from transformers import GenerationConfig

    from .configuration_tang_rnn import TangRNNConfig
    from .modeling_tang_rnn import TangRNNForCausalLM

    # Whoever asks for it while writing gets weights that can be trained.
    with _foreign(), torch.inference_mode(False):
        values = read_config(folder)
        config = TangRNNConfig(
            **{name: values[name] for name in (*TangRNNConfig.__annotations__, "dtype") if name in values}
        )
        sampling = read_json(folder / GENERATION) if (folder / GENERATION).is_file() else {}
        ids = {name: getattr(config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
        generation = GenerationConfig(**ids, **{name: sampling[name] for name in SAMPLING if name in sampling})
        # Given the folder, transformers would look for adapters and whose they are.
        weights = read_weights(folder / WEIGHTS, config)
        model = TangRNNForCausalLM.from_pretrained(None, config=config, state_dict=weights, **kwargs)
        model.generation_config, model.name_or_path = generation, str(folder)
        return model


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


def _read(path: Path) -> bytes:
    """What a file holds, if it has no more bytes than one of its name may have."""
    most = LARGEST_FILES[path.name]
    with open(path, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise Fault("file_too_large", file=path.name, size=path.stat().st_size, most=most)
    return content


def read_json(path: Path) -> dict:
    """The JSON object in a file of a folder.

    Raises:
        Fault: it is too large or broken.
        OSError: it cannot be read.
    """
    content = _read(path)
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise Fault("no_object", file=path.name)
    return values


@contextmanager
def _tensors(path: Path) -> Iterator:
    """A safetensors file of a folder, opened once the sizes of it and of its header have been looked at."""
    size, most = path.stat().st_size, LARGEST_FILES[path.name]
    if size > most:
        raise Fault("file_too_large", file=path.name, size=size, most=most)
    with open(path, "rb") as file:
        header = int.from_bytes(file.read(8), "little")
    if header > LARGEST_HEADER:
        raise Fault("header_too_large", file=path.name, size=header, most=LARGEST_HEADER)
    with safe_open(path, "pt") as file:
        yield file


def read_config(folder: Path) -> dict:
    """What stands in a folder's config.json, if it is one of ours."""
    values = read_json(folder / CONFIG)
    if values.get("model_type") != Sizes.model_type:
        raise Fault("other_model", file=CONFIG, model=Sizes.model_type)
    if values.get("dtype") not in DTYPES:
        raise Fault("other_dtype", file=CONFIG, known=list(DTYPES[1:]), value=repr(values["dtype"]))
    return values


def read_weights(path: Path, config: Sizes) -> dict[str, torch.Tensor]:
    """The weights in a safetensors file, its shapes compared with the configuration's before memory is taken for it."""
    with _tensors(path) as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        found = {name: tuple(part.get_shape()) for name, part in parts.items()}
        if config.num_hidden_layers > len(found):
            raise Fault("other_layers", file=CONFIG, count=config.num_hidden_layers)
        names = {}
        for name, shape in Recurrence.shapes(config).items():
            names[name] = name if name in found else name.removeprefix("model.")  # a TangRNNModel alone will do
            got = found.get(names[name])
            if got != shape:
                key = "no_weight" if got is None else "other_shape"
                raise Fault(key, file=CONFIG, weight=name, wanted=str(shape), found=str(got))
            if (dtype := parts[names[name]].get_dtype()) not in FLOATS:
                raise Fault("other_numbers", weight=name, known=list(FLOATS), value=dtype)
        weights = {name: file.get_tensor(own) for name, own in names.items()}
    for name, weight in weights.items():
        if not bool(weight.abs().amax() <= LARGEST_WEIGHT):  # not a number answers no
            raise Fault("damaged_weights", weight=name)
    return weights


def bare_name(place: str) -> str:
    """A file, folder or id on the Hub without the folders of this machine; what a run left as final has its name."""
    path = Path(place).resolve()
    return (path.parent.name if path.name == "final" else path.name) if path.exists() else place


__all__ = ["bare_name", "check_origin", "grader", "load", "load_model", "own_lines", "read_config", "read_weights"]
