"""The rhyme books' tables come out of ``python -m training.rhymes`` as they ship, to the byte."""

import pyarrow.parquet as pq
import pytest

from tang_rnn.verse import RHYME_BOOKS
from training.corpus import CACHE, HERE, fetch, read_raw
from training.rhymes.__main__ import build, with_every_tone
from training.rhymes.counts import Counts, count_glyphs, count_uses

AGAIN = "the tables are made from it: run python -m training.rhymes count"


@pytest.fixture(scope="module")
def counts():
    return Counts.read()


def test_the_tables_ship_as_the_script_makes_them(counts, tmp_path):
    build(counts, tmp_path)
    paths = {path for book in RHYME_BOOKS.values() for path in (book.path, book.words_path)}
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()}
    for path in paths:
        made = (tmp_path / path.name).read_bytes()
        assert made == path.read_bytes(), f"{path.name} is not what its sources give: run python -m training.rhymes"


def test_the_judge_counts_in_poems_what_was_counted(counts, tmp_path):
    """What it passes decides how a character of two tones is read; the test split stands for the corpus."""
    found = count_uses(with_every_tone(counts, tmp_path), pq.read_table(HERE / "test.parquet").to_pylist())
    wrong = [key for key, tones in counts.test_uses.items() if found.get(key, {}) != tones]
    assert sum(map(bool, counts.test_uses.values())) > 500 and not wrong, AGAIN


def test_the_poems_are_written_with_the_glyphs_that_were_counted(counts):
    if not (archive := CACHE / "chinese-poetry-2.0.1.tgz").exists():
        pytest.skip(f"the raw poems are no part of the repository: {archive} is what training.corpus downloads")
    assert count_glyphs(read_raw(fetch())) == counts.glyphs, AGAIN
