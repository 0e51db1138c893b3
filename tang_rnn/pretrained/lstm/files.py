"""Files written so that what was there stays whole until all is written, and JSON read from hands unknown.

Standard library alone: checkpoints on the Hub carry this file beside the model's code.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGEST_JSON = 64 * 2**20  # bytes that a checkpoint's files may have


@contextmanager
def written_beside(folder: str | Path) -> Iterator[Path]:
    """A new folder inside this one; what has been written there is moved up in the end, over what had the same name.

    A disk that fills up, or whatever else goes wrong in between, leaves the files that were there as they were.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        yield beside
        for path in beside.iterdir():
            os.replace(path, folder / path.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """A path to write one file to, which then takes the place of the file at `path`: see :func:`written_beside`."""
    with written_beside(Path(path).parent) as beside:
        yield beside / Path(path).name


def read_json(path: Path) -> dict:
    """What stands in a JSON file, if it is an object and of a size that a checkpoint's may have.

    Raises:
        ValueError: it is too large or broken; the message names the file and fits into a line.
        OSError: it cannot be read.
    """
    if path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"{path.name} is too large: {path.stat().st_size} bytes, at most {LARGEST_JSON}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise ValueError(f"{path.name} is broken: it holds no JSON object")
    return values


__all__ = ["read_json", "written_beside", "written_whole"]
