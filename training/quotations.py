"""Writes verse/data/lines.safetensors, by which a poem knows its quotations: ``python -m training.quotations``.

The lines are those of every split: what is quoted is a fact about a text, not about what a model was shown.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pyarrow.parquet as pq

from tang_rnn.verse.quotations import INDEX, LineIndex

from .corpus import HERE


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.quotations", description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=HERE, help="the folder of the dataset")
    parser.add_argument("--out", type=Path, default=INDEX, help="the file to write")
    options = parser.parse_args(argv)
    files = sorted(options.corpus.glob("*.parquet"))
    if not files:
        print(
            f"training.quotations: {options.corpus} holds no parquet files: python -m training.corpus", file=sys.stderr
        )
        return 2
    poems = (poem for path in files for poem in pq.read_table(path, columns=["lines"])["lines"].to_pylist())
    LineIndex.write((line for lines in poems for line in lines), options.out)
    print(f"{len(LineIndex(options.out)):,} lines in {options.out}, {options.out.stat().st_size / 2**20:.2f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
