"""The rhyme books' tables come out of ``python -m training.rhymes`` as they ship, to the byte."""

import sqlite3

import pyarrow.parquet as pq
import pytest

from tang_rnn.verse import PINGSHUI, RHYME_BOOKS
from training.corpus import CACHE, HERE, fetch, read_raw
from training.rhymes import compare, pingshui
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


def test_what_our_copy_of_the_book_has_alone_is_no_reading():
    """漢 in 十四寒 would let every line with it pass; each such reading is gone but where another glyph has it."""
    names = [name for _, name in pingshui.read_book()[0]]
    alone = pingshui.read_unsupported(names)
    assert len(alone) > 300 and PINGSHUI.tone("漢") == PINGSHUI.tone("汉") == "仄" and PINGSHUI.tone("优") == "平"
    left = [glyph for glyph in alone if {names[i] for i in alone[glyph]} & set(PINGSHUI.readings(glyph, strict=True))]
    assert not left


def test_public_tables_are_compared_reading_by_reading(tmp_path):
    base = sqlite3.connect(tmp_path / "tables.sqlite")
    base.execute("CREATE TABLE ping_shui_yun (字頭, 韻部, 聲調)")
    base.executemany("INSERT INTO ping_shui_yun VALUES (?, ?, ?)", [("東", "一東", "平"), ("漢", "十五翰", "去")])
    for table in compare._LIBU.values():
        base.execute(f'CREATE TABLE "{table}" (字, 韻目)')
        base.executemany(
            f'INSERT INTO "{table}" VALUES (?, ?)', [("東", "東"), ("漢", "翰"), ("春", "諄"), ("春", "先")]
        )
    base.commit()
    tables = compare.public_tables(tmp_path / "tables.sqlite")
    assert [table.get("漢") for table in tables.values()] == [{"十五翰"}] * 3
    assert compare.unsupported(tables)["漢"] == ["十四寒"] and "東" not in compare.unsupported(tables)
    totals, listed = compare.differences(tables, Counts.read())
    assert totals["readings of ours that a public table has"] == 3
    assert [(glyph, change) for _, glyph, change, _ in listed if glyph == "春"] == [("春", "-一先")]
    assert "一先" in compare.report(totals, listed, 1)
