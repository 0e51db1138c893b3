"""A corpus from where it is: a folder of its own layout, a dataset on the Hub, or poems in any shape."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
from datasets import Dataset, IterableDataset, load_dataset
from pyarrow import ArrowException

from tang_rnn.faults import first_line
from tang_rnn.verse import split_lines

from .corpus import SONG
from .errors import CorpusError
from .own import gather, hold_out
from .sources import HUB_ID

COLUMNS = ("text", "form", "poet", "title")
SPLITS = ("train", "validation", "test")


def load_corpus(name: str, streaming: bool = False) -> dict[str, Dataset | IterableDataset]:
    """The splits of a corpus: a folder of parquet files (train.parquet, or train-00000-of-00064.parquet and so on), a
    dataset on the Hub with the same columns, or poems in any other shape that :mod:`.own` reads. With `streaming`, the
    training split is read as it is used and never held in memory.

    What is on this machine is read directly, never through the cache of `load_dataset`, which knows a folder by its
    path and may answer with what stood there before.

    Raises:
        CorpusError: there is no such thing, or no poem in it.
    """
    path = Path(name)
    splits: dict[str, list[str]] = {}
    for file in sorted(path.glob("*.parquet")):
        splits.setdefault(file.stem.split("-")[0], []).append(str(file))
    try:
        files = [file for files in splits.values() for file in files]
        if files and {*splits} <= {*SPLITS} and all({*COLUMNS} <= {*pq.read_schema(file).names} for file in files):
            corpus = {
                split: Dataset(pq.read_table(files, columns=_kept(files[0])))
                for split, files in splits.items()
                if not (streaming and split == "train")
            }
            if streaming:
                corpus["train"] = load_dataset("parquet", data_files=splits["train"], split="train", streaming=True)
            return corpus
        if path.exists():
            if streaming:
                raise CorpusError(
                    f"to be streamed, {name} must hold train.parquet with the columns {', '.join(COLUMNS)}"
                )
            return _own(name)
        if not HUB_ID.fullmatch(name):
            made = ": python -m training.corpus song makes it" if name == str(SONG) else ""
            raise CorpusError(f"there is no file or folder {name}{made}")
        loaded = load_dataset(name, streaming=streaming)
    except (OSError, ValueError, ArrowException) as error:
        raise CorpusError(f"cannot read {name}: {first_line(error)}") from None
    except CorpusError:
        raise
    except Exception as error:  # datasets has a class for each way of failing
        raise CorpusError(f"cannot get {name} from the Hub: {first_line(error)}") from None
    columns = next(iter(loaded.values())).column_names
    if columns is not None and not {*COLUMNS} <= {*columns}:
        if streaming:
            raise CorpusError(f"to be streamed, {name} must have the columns {', '.join(COLUMNS)}")
        return _own(name)
    if not streaming:
        return loaded
    return {split: stream if split == "train" else Dataset.from_list(list(stream)) for split, stream in loaded.items()}


def _kept(file: str) -> list[str]:
    """The columns that are ours, of a file that may have others."""
    return [name for name in pq.read_schema(file).names if name in (*COLUMNS, "lines")]


def _own(name: str) -> dict[str, Dataset]:
    """Poems in any other shape as a corpus of ours."""
    own = gather([name])
    print(own.report(), flush=True)
    if len(own.rows) < 2:
        raise CorpusError(f"{name} holds a single poem: some are to be learned, and some to measure by")
    return {split: Dataset.from_list(rows) for split, rows in zip(SPLITS, hold_out(own.rows))}


def with_validation(corpus: dict) -> dict:
    """The corpus with poems to measure by, taken from those to learn where it has none of its own.

    Raises:
        CorpusError: it is a stream, or has nothing to learn.
    """
    if "train" not in corpus:
        raise CorpusError(f"it has no training split, but {', '.join(corpus)}")
    if "validation" in corpus:
        return corpus
    if isinstance(corpus["train"], IterableDataset):
        raise CorpusError("a stream needs a validation split beside it")
    rows = [row | {"lines": split_lines(row["text"] or "")} for row in corpus["train"].to_list()]
    return {split: Dataset.from_list(part) for split, part in zip(SPLITS, hold_out(rows))}
