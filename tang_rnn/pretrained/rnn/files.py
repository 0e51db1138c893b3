"""Files written so that what was there stays whole until all is written.

Standard library alone: checkpoints on the Hub carry this file beside the model's code.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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


__all__ = ["written_beside", "written_whole"]
