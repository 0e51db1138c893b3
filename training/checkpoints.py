"""What a run leaves in its folder to go on from: which of it is whole, and that nobody else is at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from .errors import TrainError

STATE, WEIGHTS = "trainer_state.json", "model.safetensors"
PICKLED = ("optimizer.pt", "scheduler.pt")
FOLDER = re.compile(r"checkpoint-(\d+)")


def checkpoints(output_dir: Path) -> list[Path]:
    """The folders of a run's checkpoints, the first first; other folders are nobody's business."""
    found = {path: FOLDER.fullmatch(path.name) for path in output_dir.glob("checkpoint-*") if path.is_dir()}
    return sorted((path for path, match in found.items() if match), key=lambda path: int(path.name.split("-")[1]))


def fault(folder: Path) -> str:
    """What a checkpoint lacks to go on from, or "".

    The Trainer writes a file after the other, so that a process killed while saving leaves some of them, the last one
    cut; a disk that is full leaves any of them cut. Each is looked through to its end.
    """
    files = [folder / name for name in (WEIGHTS, *PICKLED)] + (
        sorted(folder.glob("rng_state*.pth")) or [folder / "rng_state.pth"]
    )
    for path in (*files, folder / STATE):
        if not path.is_file():
            return f"{path.name} is missing"
        try:
            if path.name == WEIGHTS:
                with safe_open(path, "pt"):  # compares the header with the file's length
                    pass
            elif path.name == STATE:
                state = json.loads(path.read_text(encoding="utf-8"))
                whole = isinstance(state, dict) and isinstance(state.get("global_step"), int)
                if not whole or not isinstance(state.get("log_history"), list):
                    return f"{path.name} holds no state"
            elif (broken := zipfile.ZipFile(path).testzip()) is not None:
                return f"{path.name} is damaged: {broken}"
        except (OSError, ValueError, RecursionError, SafetensorError, zipfile.BadZipFile):
            return f"{path.name} is cut or damaged"
    return ""


def last_complete_checkpoint(output_dir: Path, tidy: bool = False) -> Path | None:
    """The newest checkpoint that is whole.

    Args:
        tidy: say which newer ones are not, and remove them: the run writes them anew.
    """
    for folder in reversed(checkpoints(output_dir)):
        if not (why := fault(folder)):
            return folder
        if tidy:
            print(f"{folder} is not whole ({why}): going on from the checkpoint before it", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)  # another process may be at it too
    return None


@contextmanager
def alone(output_dir: Path) -> Iterator[None]:
    """Within it no other run may be in the folder; the lock goes with the process, however that ends. What one that was
    killed had half written is removed.

    Raises:
        TrainError: another run is there, or no folder can be.
    """
    if os.environ.get("RANK", "0") != "0":  # of several processes the first holds it
        yield
        return
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        lock = open(output_dir / ".lock", "a")  # noqa: SIM115
    except OSError as error:
        raise TrainError(f"{output_dir} cannot be written to: {error.strerror}; name another folder") from None
    with lock as file:
        try:
            import fcntl
        except ImportError:  # not on this system: two runs in one folder are then the caller's care
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise TrainError(f"another run is at work in {output_dir}: wait for it, or name another folder") from None
        for left in output_dir.rglob(".writing-*"):  # tang_rnn.files calls them so
            shutil.rmtree(left, ignore_errors=True)
        yield


def average(folders: list[Path]) -> dict[str, torch.Tensor]:
    """The mean of the checkpoints' weights (Izmailov et al. 2018)."""
    weights = [load_file(folder / "model.safetensors") for folder in folders]
    return {name: torch.stack([each[name].float() for each in weights]).mean(0) for name in weights[0]}
