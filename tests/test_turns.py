"""Turns of phrase that cells overuse cost what keeps them rare, and what real verse says as often costs nothing."""

import math
from collections import Counter

import pyarrow.parquet as pq
import pytest

from tang_rnn.verse import turns as turns_module
from tang_rnn.verse.measures import measure
from tang_rnn.verse.turns import ANYWHERE, Turns, turns, turns_of
from tang_rnn.writing import ranking
from training import turns as training
from training.lines import GRADED
from training.turns import BOUND, FREE, LEAST, count, dearer, main, too_much

TURN = (7, 3, "向", 6, "去")
LINES = ["何时更向潇湘去", "明朝又向东山去", "孤舟独宿楚江云"]


def test_a_line_costs_what_its_dearest_turn_does():
    known = Turns({TURN: 2.0, (7, 0, "何", 0, "何"): 0.5, (5, 3, "向", 4, "去"): 9.0})
    assert [known.price(line) for line in [*LINES, "向去", ""]] == [2.0, 2.0, 0.0, 0.0, 0.0]
    assert known.price("何人独上望江亭") == 0.5
    assert known.total(LINES) == 4.0
    assert TURN in set(turns_of(LINES[0])) and len(set(turns_of(LINES[0]))) == 28 + 6


def test_neighbours_may_have_a_price_wherever_they_stand():
    known = Turns({(ANYWHERE, 0, "蒹", 1, "葭"): 3.0, TURN: 2.0})
    assert [known.price(line) for line in ("蒹葭浦外潮", "两岸蒹葭连海色", "蒹草葭花", "葭蒹", "蒹")] == [3, 3, 0, 0, 0]
    assert known.price("何时更向蒹葭去") == 3.0, "the dearest of both kinds"
    found, lengths = count(["蒹葭浦外潮", "两岸蒹葭连海色", "蒹葭蒹葭"])
    assert found[ANYWHERE, 0, "蒹", 1, "葭"] == lengths[ANYWHERE] == 2, "lines of other lengths are not counted"
    assert count(["处处闻处处"])[0][ANYWHERE, 0, "处", 1, "处"] == 1, "a line counts once"


def test_a_table_comes_back_as_it_was_written(tmp_path):
    known = Turns({TURN: 2.25, (5, 0, "空", 0, "空"): 0.3})
    known.write(tmp_path / "turns.tsv")
    assert Turns.load(tmp_path / "turns.tsv").prices == known.prices


def test_what_is_said_too_often_becomes_dearer_and_what_is_not_cheaper():
    real = count(["何时更向潇湘去", *["孤舟独宿楚江云"] * 99])
    over = too_much(["明朝又向东山去"] * 10 + ["孤舟独宿楚江云"] * 10, real, [(7, 0, "月", 0, "月")])
    assert over[TURN] == pytest.approx(math.log(10 / ((BOUND * 0.01 + FREE) * 20)))
    assert (7, 0, "孤", 1, "舟") not in over, "real lines have it as often"
    assert over[7, 0, "月", 0, "月"] <= 0, "one that has a price and is not said any more"
    over[7, 0, "孤", 1, "舟"] = -0.5
    prices = dearer({(7, 0, "孤", 1, "舟"): 1.0}, [over, {TURN: 0.1}], 1.0)
    assert prices[TURN] == over[TURN], "by the cell that overuses it most"
    assert prices.get((7, 0, "孤", 1, "舟"), 0) < 1.0 and min(prices.values()) >= LEAST


def test_the_ranking_asks_the_price(monkeypatch):
    lines = ["孤舟独宿楚江云", "何时更向潇湘去"]
    monkeypatch.setattr("tang_rnn.verse.measures.turns", lambda: Turns({TURN: 2.0}))
    assert measure([lines])["turns"] == pytest.approx([2.0])
    assert ranking.WEIGHTS["turns"] < 0


def test_real_lines_have_little_of_what_ships():
    """A price is for what poets seldom say."""
    rows = pq.read_table("training/corpus/test.parquet").to_pylist()
    lines = [line for row in rows if row["form"] in GRADED for line in row["lines"]]
    assert len(turns().prices) > 100
    assert sum(turns().price(line) > 0 for line in lines) / len(lines) < 0.35


def test_rounds_go_on_from_the_prices_on_disk(tmp_path, monkeypatch, capsys):
    table = tmp_path / "turns.tsv"
    Turns({TURN: 1.0}).write(table)
    monkeypatch.setattr(turns_module, "TABLE", table)
    monkeypatch.setattr(Turns.load.__func__, "__defaults__", (table,))
    monkeypatch.setattr(training, "written", lambda cells, *_: {cell: LINES[:2] * 4 for cell in cells})
    rows = {"form": ["七绝"], "lines": [[LINES[2]] * 4]}
    monkeypatch.setattr(training, "load_corpus", lambda _: {"train": rows})
    assert main(["rnn", "--rounds", "2", "--poems", "4"]) == 0
    assert Turns.load().prices[TURN] == pytest.approx(1 + 2 * math.log(8 / 0.5), abs=0.02)
    assert capsys.readouterr().out.count("round") == 2
    assert main(["rnn", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err


def test_each_core_writes_other_poems(monkeypatch):
    asked = Counter()

    class Pool:
        def __init__(self, *_, **__):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, _, cell, poems, seed, corpus):
            asked.update((cell, number) for number in range(seed, seed + poems))
            return type("Task", (), {"result": lambda self: [str(seed)]})()

    monkeypatch.setattr(training, "ProcessPoolExecutor", Pool)
    training.written(["rnn", "gru"], 6, 100, "")
    assert max(asked.values()) == 1 and len(asked) >= 12
