"""Folders that somebody made to do harm, each opened in a process of its own with little memory.

    python tests/hostile.py        # a table: what each says, and the memory that it took

A folder is a shipped checkpoint with one thing changed; the name of the change is what the table calls it.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file

from tang_rnn import PoetError, TangPoet
from tang_rnn.poet import PRETRAINED

MEMORY = 768 * 2**20  # bytes that a process may take beyond what it begins with
TIME = 60  # seconds that it may compute
OTHER = "is not that of a tang_rnn tokenizer: "


class Opened(NamedTuple):
    """How a folder was opened: what was said ("" if it was opened), the process's status, its peak beyond the start."""

    said: str
    status: int
    mebibytes: int


def apart(act: Callable[[], str]) -> Opened:
    """Does it in a child that has little memory and time; what the child returns, however it ended."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    with tempfile.TemporaryFile() as told:
        began, child = Path("/proc/self/status").read_text(), os.fork()
        if not child:
            status = 1
            try:
                resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
                resource.setrlimit(resource.RLIMIT_CPU, (TIME,) * 2)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                os.write(told.fileno(), act().encode("utf-8", "replace"))
                status = 0
            except BaseException as error:  # whatever it is, it is told, and never leaves the child
                os.write(told.fileno(), f"{type(error).__name__}: {error}".encode("utf-8", "replace"))
            finally:
                os._exit(status)
        _, status, usage = os.wait4(child, 0)
        told.seek(0)
        resident = int(began.split("VmRSS:")[1].split()[0])
        return Opened(told.read().decode("utf-8"), status, max(usage.ru_maxrss - resident, 0) // 1024)


def opened(folder: Path) -> Opened:
    """Opens a folder so, and where it can be opened writes a poem, with the model too."""

    def act() -> str:
        try:
            poet = TangPoet.from_pretrained(folder)
            poet.write("春", form="五绝", seed=1)
            poet.write("春", form="五绝", num_beams=2)
        except PoetError as error:
            return str(error)
        return ""

    return apart(act)


# -- what is changed --------------------------------------------------------------------------------------------------


def changed(folder: Path, name: str, change: Callable[[dict], dict | None]) -> None:
    values = json.loads((folder / name).read_text("utf-8"))
    values = change(values) or values
    (folder / name).write_text(json.dumps(values), encoding="utf-8")


def tokenizer(**changes) -> Callable[[Path], None]:
    """A tokenizer.json with these parts."""
    return lambda folder: changed(folder, "tokenizer.json", lambda values: values | changes)


def table(change: Callable[[bytearray, int], bytes | bytearray | None]) -> Callable[[Path], None]:
    """A table of replacements that is changed; the function is given its bytes, and where its texts begin."""

    def damage(values: dict) -> None:
        data = bytearray(base64.b64decode(values["normalizer"]["precompiled_charsmap"]))
        data = change(data, 4 + int.from_bytes(data[:4], "little")) or data
        values["normalizer"]["precompiled_charsmap"] = base64.b64encode(data).decode()

    return lambda folder: changed(folder, "tokenizer.json", damage)


def sparse(name: str, size: int = 3 * 2**30) -> Callable[[Path], None]:
    """A file of zeros that takes no room on the disk."""

    def damage(folder: Path) -> None:
        with open(folder / name, "wb") as file:
            file.truncate(size)

    return damage


def filled(name: str, beginning: str, piece: str, end: str, size: int) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(beginning + piece * (size // len(piece)) + end) and None


def weights(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})

    return damage


def million_tensors(folder: Path) -> None:
    empty = {"dtype": "F16", "shape": [0], "data_offsets": [0, 0]}
    header = json.dumps({f"{number:x}": empty for number in range(10**6)}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def another_tokenizer(folder: Path) -> None:
    """A file that the libraries would read instead of tokenizer.json."""
    changed(folder, "tokenizer_config.json", lambda values: values | {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]})
    values = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    (folder / "tokenizer.4.0.0.json").write_text(json.dumps(values | {"normalizer": DOUBLING}))


def adapter(folder: Path) -> None:
    """What transformers follows to another folder."""
    told = {"peft_type": "LORA", "base_model_name_or_path": "someone/other"}
    (folder / "adapter_config.json").write_text(json.dumps(told))


def pattern(values: dict) -> None:
    values["pre_tokenizer"]["pattern"] = {"Regex": "(.*)*(.*)*(.*)*x"}


def flagged(values: dict) -> None:
    values["added_tokens"][5] |= {"special": False, "normalized": True, "content": "春"}


def swapped(values: dict) -> None:
    """Two characters have each other's numbers: nothing is wrong but the poems."""
    vocab = values["model"]["vocab"]
    vocab["春"], vocab["秋"] = vocab["秋"], vocab["春"]


DOUBLING = {
    "type": "Sequence",
    "normalizers": [{"type": "Replace", "pattern": {"String": "春"}, "content": "春春"}] * 40,
}
BIAS = "model.projection.bias"
ANYTHING = ""  # opened as if nothing had been changed

# By name: the change, and what is said of it.
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "40 replacements that double": (tokenizer(normalizer=DOUBLING), OTHER + "normalizer"),
    "no normalizer": (tokenizer(normalizer=None), OTHER + "normalizer"),
    "a normalizer by regex": (
        tokenizer(normalizer={"type": "Replace", "pattern": {"Regex": "(.*)*x"}, "content": "x" * 999}),
        OTHER + "normalizer",
    ),
    "a regex that never ends": (lambda folder: changed(folder, "tokenizer.json", pattern), OTHER + "pre_tokenizer"),
    "another template": (tokenizer(post_processor={"type": "Sequence", "processors": []}), OTHER + "post_processor"),
    "another decoder": (tokenizer(decoder={"type": "WordPiece", "prefix": "", "cleanup": True}), OTHER + "decoder"),
    "another model": (tokenizer(model={"type": "BPE", "vocab": {}, "merges": []}), OTHER + "vocab"),
    "a padding of 10^9": (
        tokenizer(padding={"strategy": {"Fixed": 10**9}, "direction": "Left", "pad_id": 0, "pad_type_id": 0}),
        ANYTHING,
    ),
    "special tokens that are characters": (
        lambda folder: changed(folder, "tokenizer.json", flagged),
        OTHER + "added_tokens",
    ),
    "100,000 added tokens": (
        tokenizer(added_tokens=[{"id": 11, "content": "<x>"}] * 10**5),
        OTHER + "added_tokens",
    ),
    "a token of 10^6 characters": (
        lambda folder: changed(folder, "tokenizer.json", lambda v: v["model"]["vocab"].update({"春" * 10**6: 9999})),
        "too large",
    ),
    "a token of 10^5 characters": (
        lambda folder: changed(folder, "tokenizer.json", lambda v: v["model"]["vocab"].update({"春" * 10**5: 9999})),
        OTHER + "vocab",
    ),
    "numbers that are none": (
        lambda folder: changed(folder, "tokenizer.json", lambda v: v["model"]["vocab"].update({"春": 1e300})),
        "without a gap",
    ),
    "two characters swapped": (lambda folder: changed(folder, "tokenizer.json", swapped), "another vocabulary"),
    "a table cut": (table(lambda data, texts: data[: texts // 2]), OTHER + "precompiled_charsmap"),
    "a table without texts": (table(lambda data, texts: data[:texts]), OTHER + "precompiled_charsmap"),
    "a table that points out of itself": (
        table(lambda data, texts: data.__setitem__(slice(4, 8), b"\xff" * 4)),
        OTHER + "precompiled_charsmap",
    ),
    "a table all of whose units do": (
        table(lambda data, texts: data.__setitem__(slice(8, texts), b"\x01\xff\xff\x7f" * ((texts - 8) // 4))),
        OTHER + "precompiled_charsmap",
    ),
    "a table with texts of any length": (
        table(lambda data, texts: data[:texts] + "春".encode() * 10**5),
        OTHER + "precompiled_charsmap",
    ),
    "a table of broken texts": (
        table(lambda data, texts: data[:texts] + b"\xe6" * (len(data) - texts - 1) + b"\0"),
        OTHER + "precompiled_charsmap",
    ),
    "another tokenizer instead": (another_tokenizer, ANYTHING),
    "a template of 3 GB": (sparse("chat_template.jinja"), "chat_template.jinja is too large"),
    "special_tokens_map.json of 3 GB": (sparse("special_tokens_map.json"), ANYTHING),
    "added_tokens.json of 3 GB": (sparse("added_tokens.json"), ANYTHING),
    "adapter_config.json of 3 GB": (sparse("adapter_config.json"), ANYTHING),
    "an adapter of somebody's model": (adapter, ANYTHING),
    "config.json of 3 GB": (sparse("config.json"), "config.json is too large"),
    "tokenizer.json of 3 GB": (sparse("tokenizer.json"), "tokenizer.json is too large"),
    "tokenizer_config.json of 3 GB": (sparse("tokenizer_config.json"), "tokenizer_config.json is too large"),
    "generation_config.json of 3 GB": (sparse("generation_config.json"), "generation_config.json is too large"),
    "model.safetensors of 3 GB": (sparse("model.safetensors"), "model.safetensors is too large"),
    "lines.safetensors of 3 GB": (sparse("lines.safetensors"), "lines.safetensors is too large"),
    "lines.safetensors of nothing": (sparse("lines.safetensors", 8), "header"),
    "many small objects": (filled("tokenizer.json", '{"x": [', "{},", "{}]}", 2**22 - 16), OTHER + "model"),
    "many more": (filled("tokenizer.json", '{"x": [', "{},", "{}]}", 2**26), "too large"),
    "brackets": (filled("config.json", "", "[", "", 10**5), "config.json is broken"),
    "a million tensors": (million_tensors, "what says what it holds"),
    "whole numbers as weights": (
        weights(lambda tensors: tensors.update({BIAS: tensors[BIAS].to(torch.int32)})),
        f"{BIAS} is stored as I32",
    ),
    "bytes as weights": (weights(lambda tensors: tensors.update({BIAS: tensors[BIAS].byte()})), "is stored as U8"),
    "not a number as a weight": (weights(lambda tensors: tensors[BIAS].fill_(float("nan"))), "has values that no"),
    "an infinite weight": (weights(lambda tensors: tensors[BIAS].fill_(float("-inf"))), "has values that no"),
}


def main() -> None:
    refused = worst = 0
    print(f"{'folder':<36}{'MiB':>5}  what is said")
    for name, (damage, _) in HOSTILE.items():
        with tempfile.TemporaryDirectory() as room:
            folder = Path(shutil.copytree(PRETRAINED / "lstm", Path(room) / "folder"))
            damage(folder)
            how = opened(folder)
        refused, worst = refused + bool(how.said), max(worst, how.mebibytes)
        said = how.said.split(": ", 1)[-1] or "opened"
        print(f"{name:<36}{how.mebibytes:>5}  {said if not how.status else f'status {how.status}: {said}'}")
    print(f"{len(HOSTILE)} tried, {refused} refused, {len(HOSTILE) - refused} opened unharmed; at most {worst} MiB")


if __name__ == "__main__":
    sys.exit(main())
