"""Lines that are not new: an index of every line of the corpus, small enough to ship.

The file holds 48 bits of each line's hash: the first 16 choose one of 65,536 buckets. It is safetensors of two tensors:
`counts`, the number of lines in every bucket (one byte each), and `values`, bucket by bucket and sorted, their other 32
bits. 465,057 lines take 1.84 MiB, and a line that is
not among them passes for one of them with a probability of 465,057 / 2^48, less than 2 in a billion.
``python -m training.quotations`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ..faults import Fault

INDEX = Path(__file__).parent / "data" / "lines.safetensors"
OWN_LINES = "lines.safetensors"  # beside a checkpoint: those of the poems that somebody taught it
SHORTEST = 4  # characters: what is shorter (君不见) is a phrase, nobody's own line
BUCKETS = 1 << 16


def _place(line: str) -> tuple[int, int]:
    """The bucket of a line, and what stands for it there."""
    digest = blake2b(line.encode(), digest_size=6).digest()
    return int.from_bytes(digest[:2], "big"), int.from_bytes(digest[2:], "big")


class LineIndex:
    """A set of lines that only knows whether a line is in it.

    Args:
        path: a file of :meth:`write`.

    Raises:
        OSError: it cannot be read.
        Fault: it is no such file.
    """

    def __init__(self, path: Path = INDEX):
        try:
            tensors = load_file(path)
            counts, self.values = tensors["counts"], tensors["values"]
        except (SafetensorError, KeyError):
            counts, self.values = np.zeros(0, np.uint8), np.zeros(0, np.uint32)
        if (counts.dtype, counts.ndim, self.values.dtype, self.values.ndim) != (np.uint8, 1, np.uint32, 1):
            raise Fault("no_line_index", file=str(path))
        self.ends = counts.cumsum(dtype=np.int64)  # (BUCKETS,) where each bucket's values end
        if len(counts) != BUCKETS or len(self.values) != self.ends[-1]:
            raise Fault("no_line_index", file=str(path))

    def __len__(self) -> int:
        return len(self.values)

    def __contains__(self, line: str) -> bool:
        if len(line) < SHORTEST:
            return False
        bucket, value = _place(line)
        begin = self.ends[bucket - 1] if bucket else 0
        return value in self.values[begin : self.ends[bucket]]

    @staticmethod
    def write(lines: Iterable[str], path: Path) -> None:
        """Makes the file; the same lines in any order give the same bytes."""
        places = sorted({_place(line) for line in lines if len(line) >= SHORTEST})
        buckets, values = np.array(places, dtype=np.int64).reshape(-1, 2).T
        counts = np.bincount(buckets, minlength=BUCKETS)
        if counts.max() > 255:
            raise ValueError(f"{len(places)} lines are too many for this index: a bucket holds at most 255")
        save_file({"counts": counts.astype(np.uint8), "values": values.astype(np.uint32)}, path)


@cache
def corpus_lines() -> LineIndex:
    """The lines of the 全唐诗, training, validation and test; read at the first call (some milliseconds)."""
    return LineIndex()


__all__ = ["LineIndex", "corpus_lines"]
