"""PoemFile: poems as JSON lines in a file that an interrupted run goes on with.

Each line is a poem and the options it was written with, so the file alone says how to go on: poem n has the seed of the
first plus n. A line is written in one piece; whatever stands behind the last line break was cut and is written again.
"""

from __future__ import annotations

import json
import os
import reprlib
import stat
from pathlib import Path

from .faults import Fault

LONGEST_LINE = 2**20  # bytes; a line of this length is no poem
BEGINNING = b'{"text": '


class PoemFile:
    """Poems appended to a file, the first of them at `len(file)`.

    Args:
        path: of the file; it comes into being with its first poem.
        options: what the poems are written with, as JSON has it; stands in each line.
        seed: of the first poem; None: the file's own, if it has one.

    Attributes:
        seed: of the first poem; None where neither the caller nor the file says it.

    Raises:
        Fault: the file holds something else, poems of other options or another seed, or is being written.
        OSError: it cannot be read or written.
    """

    def __init__(self, path: str | Path, options: dict, seed: int | None = None):
        self.path, self.options, self.seed = Path(path), json.loads(json.dumps(options)), seed
        self.count = self.end = 0  # poems, and bytes of their lines
        self.file = None
        try:
            os.stat(self.path)
        except FileNotFoundError:
            pass  # comes into being, also where a link points
        else:
            self._open("r+b")
            try:
                self._read()
            except BaseException:
                self.close()
                raise

    def __len__(self) -> int:
        return self.count

    def append(self, poem: dict) -> None:
        """Writes one poem, the next in number."""
        if self.file is None:
            self._open("xb")
        self.file.truncate(self.end)  # what was cut goes only now that there is something in its place
        line = json.dumps(poem | {"options": self.options}, ensure_ascii=False).encode() + b"\n"
        left = line
        try:
            while left:  # a disk that fills up takes a part first and refuses the rest
                left = left[self.file.write(left) :]
        except OSError:
            self.file.truncate(self.end)
            raise
        self.count, self.end = self.count + 1, self.end + len(line)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def _open(self, mode: str) -> None:
        if self.path.exists() and not stat.S_ISREG(self.path.stat().st_mode):
            raise Fault("no_regular_file", file=str(self.path))
        self.file = open(self.path.resolve(), mode, buffering=0)  # noqa: SIM115
        try:
            import fcntl
        except ImportError:  # not on this system: two runs on one file are then the caller's care
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise Fault("being_written", file=str(self.path)) from None

    def _read(self) -> None:
        """Counts the poems, makes sure they are ours, and stops before a last line that was cut."""
        with open(self.path, "rb") as lines:
            while line := lines.readline(LONGEST_LINE):
                if not line.endswith(b"\n"):
                    ours = BEGINNING.startswith(line[: len(BEGINNING)])
                    if not ours or b"\r" in line or len(line) == LONGEST_LINE:
                        raise Fault("not_poems", file=str(self.path))
                    try:
                        json.loads(line)
                    except ValueError:
                        break
                    except RecursionError:  # brackets upon brackets: none of our lines begins so
                        raise Fault("not_poems", file=str(self.path)) from None
                    self._check(line)  # whole but for its line break
                    break
                self._check(line)
                self.count, self.end = self.count + 1, self.end + len(line)
        self.file.seek(self.end)

    def _check(self, line: bytes) -> None:
        where = {"line": self.count + 1, "file": str(self.path)}
        try:
            poem = json.loads(line)
            seed, options = poem["seed"], poem["options"]
            if type(seed) is not int or seed < 0:
                raise TypeError
            theirs = {name: options.get(name) for name in [*options, *self.options]}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise Fault("line_no_poem", **where) from None
        for name, value in theirs.items():
            if value != (ours := self.options.get(name)):
                was, now = ("not given" if each is None else reprlib.repr(each) for each in (value, ours))
                raise Fault("other_options", **where, option=name, was=was, now=now)
        if not self.count and self.seed is None:
            self.seed = seed
        if seed != self.seed + self.count:
            key = "seed_out_of_turn" if self.count else "first_seed"
            raise Fault(key, **where, found=seed, wanted=self.seed)


__all__ = ["PoemFile"]
