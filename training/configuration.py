"""The configuration of a run: read from YAML, and every key of it looked at before anything is loaded."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from pathlib import Path

import yaml
from transformers import TrainingArguments

from tang_rnn import TangRNNConfig
from tang_rnn.faults import first_line

from .errors import TrainError
from .precision import fast_bfloat16

NUMBER = (int, float)


def _kind(default: object) -> object:
    """What may stand where this is the default."""
    return bool if isinstance(default, bool) else NUMBER if isinstance(default, NUMBER) else object


SECTIONS: dict[str, dict] = {
    "model": {name: object for name in TangRNNConfig.__annotations__ if name not in ("model_type", "vocab_size")},
    "batch": {
        "max_tokens": int,
        "max_length": int,
        "batches_per_step": int,
        "buffer": int,
        "unknown": NUMBER,
        "inside": NUMBER,
        "context": {"keep": object, "keep_context": NUMBER},
    },
    "trainer": {field.name: _kind(field.default) for field in dataclasses.fields(TrainingArguments) if field.init},
}
STAGE = {
    "corpus": str,
    "streaming": bool,
    "muon_learning_rate": (*NUMBER, type(None)),
    "average": NUMBER,
    "average_last": int,
    "beside": str,
    "repeat": int,
    "teachers": {"checkpoints": list, "trust": NUMBER},
    **SECTIONS,
}
KEYS = {**STAGE, "output_dir": str, "initial": str, "tokenizer": (str, dict), "pretrain": STAGE}
NAMES = {
    str: "text",
    bool: "true or false",
    int: "a number",
    dict: "a part with keys",
    list: "a list",
    type(None): "null",
}
BATCH = {"max_tokens": 2048, "max_length": 384}


def read_config(path: Path) -> dict:
    """The run's configuration.

    Raises:
        TrainError: file, line and key of what cannot be, and what could.
    """
    try:
        text = path.read_text(encoding="utf-8")
        config, tree = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise TrainError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TrainError(f"{path} is not valid YAML: save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1} column {mark.column + 1}: " if mark else ""
        raise TrainError(
            f"{path} is not valid YAML: {where}{getattr(error, 'problem', '') or first_line(error)}"
        ) from None
    if not isinstance(config, dict):
        raise TrainError(f"{path} lacks everything: it should be like training/configs/lstm.yaml")
    if "initial" in config:
        config = {"model": {}, "batch": BATCH} | config
    required = ("corpus", "output_dir", "model", "batch", "trainer")
    if missing := [key for key in required if key not in config]:
        raise TrainError(f"{path} lacks {', '.join(missing)}")
    return checked(config, KEYS, (), str(path), _lines(tree))


def _lines(node, before: tuple = ()) -> dict[tuple, int]:
    """The line of each key of a YAML tree."""
    lines = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*before, key.value)
            lines[path] = key.start_mark.line + 1
            lines |= _lines(value, path)
    return lines


def checked(config: dict, known: dict, before: tuple, name: str, lines: dict[tuple, int]) -> dict:
    """A part of a configuration with numbers as numbers; an unknown key or a wrong kind of value is an error."""
    result = {}
    for key, value in config.items():
        path = (*before, str(key))
        where = f"{name} line {lines[path]}: {'.'.join(path)}" if path in lines else f"{name}: {'.'.join(path)}"
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise TrainError(f"{where} is no key; {hint}")
        kind = known[key]
        if isinstance(kind, dict):
            if not isinstance(value, dict):
                raise TrainError(f"{where} must be a part with keys such as {', '.join(list(kind)[:3])}")
            result[key] = checked(value, kind, path, name, lines)
            continue
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if int in kinds:
            value = _number(value)
        if object not in kinds and (not isinstance(value, kinds) or isinstance(value, bool) and bool not in kinds):
            names = " or ".join(dict.fromkeys(NAMES[each] for each in kinds if each in NAMES))
            raise TrainError(f"{where} must be {names}, not {value!r}")
        if path[-2:-1] == ("model",):
            try:
                TangRNNConfig(**{key: value})
            except Exception as error:  # huggingface_hub's own class, and ours
                raise TrainError(f"{where}: {' '.join(str(error).split())}") from None
        result[key] = value
    return result


def _number(value: object) -> object:
    """2e-3 is a text to YAML 1.1, which wants 2.0e-3, and 1e4 no whole number; nobody means that."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def merged(config: dict, changes: dict) -> dict:
    """The configuration with the changes made, part by part."""
    result = copy.deepcopy(config)
    for key, value in changes.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def in_bfloat16(options: dict) -> bool:
    """Whether a run with these of transformers' options computes in bfloat16 on this machine."""
    return bool(options.get("bf16")) and fast_bfloat16()


def training_arguments(options: dict, **defaults) -> TrainingArguments:
    """transformers' options, ours where the configuration says nothing; bf16 where that is faster.

    Raises:
        TrainError: one of them cannot be.
    """
    try:
        return TrainingArguments(**defaults | options | {"bf16": in_bfloat16(options)})
    except (TypeError, ValueError, ImportError, RuntimeError) as error:
        raise TrainError(f"trainer: {' '.join(str(error).split())}") from None


__all__ = ["in_bfloat16", "merged", "read_config", "training_arguments"]
