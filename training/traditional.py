"""Counts how the 全唐诗 writes in traditional characters what the corpus has in simplified ones.

    python -m training.traditional [--source PATH]    writes tang_rnn/verse/data/traditional.tsv, says how well it does

The source is that of ``training.corpus``. Poems of the training split are counted; how many characters come out other
than they stand in the source is said for poems of the test split, with OpenCC alone and with the table.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import opencc
import pyarrow.parquet as pq

from tang_rnn.writing import script

from .cleaning import HAN, QUOTES, clean, read_variants, strip_notes
from .corpus import HERE, fetch, read_raw

TABLE = Path(__file__).parent.parent / "tang_rnn" / "verse" / "data" / "traditional.tsv"
# A pair decides otherwise than the commonest original where it does so often, and in most of its places.
OFTEN, MOST = 3, 0.75
_HAN = re.compile(f"[{HAN}]")

HEAD = """\
# How the 全唐诗 writes these simplified characters: the commonest original, then pairs in which it is another, each
# with that other. Counted by python -m training.traditional from chinese-poetry 2.0.1 (MIT licence,
# Copyright (c) 2016 JackeyGao).
"""


def originals(source: Path, split: str) -> Iterator[tuple[str, str]]:
    """The poems of a split of the corpus: simplified, and character by character as the source has them."""
    wanted = set(pq.read_table(HERE / f"{split}.parquet", columns=["text"])["text"].to_pylist())
    variants = read_variants()
    for raw in read_raw(source):
        row, _ = clean(raw, variants)
        if row is None or row["text"] not in wanted:
            continue
        wanted.discard(row["text"])
        text = re.sub(r"\s", "", unicodedata.normalize("NFC", "".join(raw["paragraphs"])))
        own = iter(_HAN.findall(QUOTES.sub("", strip_notes(text))))
        yield row["text"], "".join(next(own) if _HAN.match(char) else char for char in row["text"])


def count(poems: Iterator[tuple[str, str]]) -> list[str]:
    """The rows of the table."""
    plain, usual = cache(opencc.OpenCC("t2s").convert), opencc.OpenCC("s2t").convert
    alone, beside = defaultdict(Counter), defaultdict(lambda: defaultdict(Counter))
    for simple, written in poems:
        for at, (char, original) in enumerate(zip(simple, written, strict=True)):
            # Another shape of the same character (猨 for 猿) is no other character.
            if not _HAN.match(char) or plain(original) != char:
                continue
            alone[char][original] += 1
            for pair in {simple[max(at - 1, 0) : at + 1], simple[at : at + 2]}:
                if len(pair) == 2 and pair[0] != pair[1]:
                    beside[char][pair][original] += 1
    rows = []
    for char in sorted(alone):
        (common, _), *others = alone[char].most_common()
        if not others and common == usual(char):
            continue
        pairs = [
            pair + original
            for original, _ in others
            for pair, found in beside[char].items()
            if found[original] >= max(OFTEN, MOST * found.total())
        ]
        rows.append("\t".join([char, common, " ".join(sorted(pairs))]).rstrip())
    return rows


def differing(poems: list[tuple[str, str]], convert: Callable[[str], str]) -> float:
    """The share of characters that come out other than they stand in the source."""
    wrong = total = 0
    for simple, written in poems:
        for char, wanted, got in zip(simple, written, convert(simple), strict=True):
            if _HAN.match(char):
                total, wrong = total + 1, wrong + (wanted != got)
    return wrong / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="the unpacked package, its .tgz, or a clone of the repository")
    source = parser.parse_args().source or fetch()
    TABLE.write_text(HEAD + "\n".join(count(originals(source, "train"))) + "\n", encoding="utf-8")
    poems = list(originals(source, "test"))
    for name, convert in (("OpenCC", script.prose_to_traditional), ("the table", script.to_traditional)):
        print(f"{name}: {differing(poems, convert):.2%} of the characters of {len(poems)} poems differ")


if __name__ == "__main__":
    main()
