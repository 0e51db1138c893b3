"""Which of several candidates is chosen, and by what: measures that tell real verse from what only looks like it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tang_rnn import TangPoet
from tang_rnn.verse import PINGSHUI, get_book, split_lines
from tang_rnn.verse.associations import TABLE, Associations, associations
from tang_rnn.verse.measures import MEASURES, measure
from tang_rnn.verse.usage import mistoned, usage
from tang_rnn.writing.choice import Choice
from tang_rnn.writing.drawing import Drawing
from tang_rnn.writing.poem import Poem
from tang_rnn.writing.ranking import COUNTED, WEIGHTS, rank
from tang_rnn.writing.sampling import Sampling
from tang_rnn.writing.search import Search
from tang_rnn.writing.together import Together
from training.associations import main as build
from training.corpus import HERE


@pytest.fixture(scope="module")
def poet() -> TangPoet:
    return TangPoet.from_pretrained("lstm")


@pytest.fixture(scope="module")
def unseen() -> list[dict]:
    """Poems that the tables were not counted from."""
    return pq.read_table(HERE / "validation.parquet").to_pylist() + pq.read_table(HERE / "test.parquet").to_pylist()


def of_form(rows: list[dict], form: str) -> list[list[str]]:
    return [row["lines"] for row in rows if row["form"] == form]


# -- the measures, on poems they were not counted from ---------------------------------------------------


def test_a_poem_coheres_more_than_one_with_anothers_last_couplet(unseen):
    poems = of_form(unseen, "七绝")
    mixed = [[*one[:2], *other[2:]] for one, other in zip(poems, poems[1:] + poems[:1])]
    better = measure(poems)["coherence"] > measure(mixed)["coherence"]
    assert better.mean() > 0.6, "0.5 would be chance"


@pytest.mark.parametrize("form", ["五律", "七律"])
def test_middle_couplets_are_parallel_and_strangers_are_not(unseen, form):
    poems = of_form(unseen, form)
    moved = [[*lines[:3], other[3], lines[4], other[5], *lines[6:]] for lines, other in zip(poems, poems[1:])]
    real, strangers = measure(poems[:-1])["parallelism"], measure(moved)["parallelism"]
    assert (real > strangers).mean() > 0.9
    assert real.mean() > 0.4 > 0.1 > strangers.mean()


def test_last_couplets_close(unseen):
    poems = of_form(unseen, "五律")
    first = [[*lines[2:], *lines[:2]] for lines in poems]
    assert (measure(poems)["closing"] > measure(first)["closing"]).mean() > 0.75


def test_poems_keep_to_their_titles(unseen):
    rows = [row for row in unseen if row["form"] == "七律" and row["title"]]
    poems, titles = [row["lines"] for row in rows], [row["title"] for row in rows]
    own, other = measure(poems, titles)["theme"], measure(poems, titles[1:] + titles[:1])["theme"]
    assert (own > other).mean() > 0.75
    assert not measure(poems)["theme"].any(), "without a title there is no theme to keep"


def test_stock_words_are_common_words():
    stock = associations().stock_words
    assert len(set(stock)) == 10 and {"何处", "不知", "万里"} <= set(stock)
    full, fresh = measure([["不知何处是天涯"] * 4, ["葡萄美酒夜光杯"] * 4])["stock_words"]
    assert full >= 8 and fresh == 0


def test_words_of_two_seasons_contradict_each_other():
    found = measure([["春风又绿江南岸", "秋霜落叶满前溪"], ["春风又绿江南岸", "芳草萋萋满目青"]])["contradictions"]
    assert found[0] >= 1 and found[1] == 0
    assert usage().contradictions(["落日照大旗", "夜深人未眠"]) == [("落日", "夜")]


def test_doublings_are_those_of_real_verse():
    assert measure([["处处闻啼鸟"], ["衣衣闻啼鸟"]])["odd_doublings"].tolist() == [0, 1]
    assert usage().odd_doublings(["春眠不觉", "觉晓"]) == [], "only within a line"


def test_a_word_has_the_tone_that_poets_give_it():
    assert mistoned(["红豆生南国", "春来发几枝", "愿君多采撷", "此物最相思"]) == []
    assert mistoned(["白日依山尽", "黄河入海流", "欲穷千里目", "相思一层楼"]) == [("相思", 4, "仄")]
    assert mistoned(["君不见", "相思一层楼"]) == [], "without a pattern nothing is asked for"
    assert mistoned(["相思满北楼"], num_lines=4) == []
    assert mistoned(["相思还应问"], num_lines=4) == [("相思", 1, "仄")], "of a poem of which this is the beginning"


@pytest.mark.parametrize("name", ["contradictions", "odd_doublings", "mistoned"])
def test_real_poems_seldom_have_faults(unseen, name):
    assert (measure(of_form(unseen, "七绝"))[name] > 0).mean() < 0.06


def test_a_poem_is_measured_alike_whatever_stands_beside_it(unseen):
    poems, alone = of_form(unseen, "五律")[:5], {}
    together = measure(poems)
    for number, lines in enumerate(poems):
        alone = measure([lines])
        assert list(alone) == list(MEASURES)
        for name in MEASURES:
            assert alone[name][0] == pytest.approx(together[name][number], abs=1e-5), name


@pytest.mark.parametrize("lines", [["㐂𠮷々"], ["春"], ["君不见", "黄河之水天上来"], ["白日依山尽", "", "黄"]])
def test_any_text_can_be_measured(lines):
    """Unfinished, of mixed lines, of characters no table has."""
    assert all(np.isfinite(values).all() for values in measure([lines], "㐂").values())


# -- the tables ---------------------------------------------------


def test_tables_are_counted_and_read_again(tmp_path, unseen, capsys):
    pq.write_table(pa.Table.from_pylist(unseen[:300]), tmp_path / "train.parquet")
    assert build(["--corpus", str(tmp_path), "--out", str(tmp_path)]) == 0
    read = Associations(tmp_path / TABLE.name)
    assert read.index.keys() <= {char for row in unseen[:300] for char in row["text"]}
    assert np.isfinite(read.coherence(read.indices([row["lines"] for row in unseen[:9]]))).all()
    assert build(["--corpus", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "broken").write_bytes(b"{}")
    with pytest.raises(ValueError, match="training.associations"):
        Associations(tmp_path / "broken")


def test_the_tables_are_small():
    assert TABLE.stat().st_size < 800 * 1024


# -- the choice ---------------------------------------------------


def poems(*texts: str, each: float | tuple[float, ...] = -3.0) -> list[Poem]:
    """So many poems, with the log probability a character of each."""
    values = [each] * len(texts) if isinstance(each, float) else each
    return [
        Poem(text=text, opening="", form="七绝", cell="lstm", seed=0, log_prob=value, characters=1)
        for text, value in zip(texts, values)
    ]


def test_of_two_equally_likely_the_one_without_stock_words_is_chosen():
    fresh, stock = "葡萄美酒夜光新，欲饮琵琶马上新。", "不知何处是天新，万里无人见月新。"
    scores = rank(poems(fresh, stock))
    assert scores[0] > scores[1]
    scores = rank(poems(fresh, stock, each=(-8.0, -3.0)))
    assert scores[0] < scores[1], "but a poem the model cannot believe in is no better for it"


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_what_is_counted_costs_as_much_of_a_grade_in_a_late_line_as_in_an_early_one(name, monkeypatch):
    once = {each: np.array([0, 0, each == name], dtype=float) for each in MEASURES}
    monkeypatch.setattr("tang_rnn.writing.ranking.measure", lambda *_: once)
    costs = []
    for lines in (1, 2, 7):
        plain = poems("孤舟独宿楚江云，" * lines)[0]
        scores = rank([plain, replace(plain, grade=1.0), plain])
        costs.append((scores[0] - scores[2]) / (scores[1] - scores[0]))
    assert costs == pytest.approx(costs[:1] * 3) and costs[0] > 0


def test_of_two_equally_likely_the_one_that_does_not_contradict_itself_is_chosen():
    scores = rank(poems("秋霜满地客衣单，鸿雁南飞夜更寒。", "春霜满地客衣单，东风南飞夜更寒。"))
    assert scores[0] > scores[1]


def test_a_quotation_is_chosen_only_among_quotations():
    scores = rank(poems("白日依山近，", "白日依山尽，", "白日依山尽，黄河入海流。", each=(-9.0, -1.0, -0.1)))
    assert scores[0] > scores[1] > scores[2]


def test_the_tones_of_words_count_where_the_poem_is_written_by_them():
    """By a book of today the words decide how a character is read, and none is asked for otherwise."""
    good, bad = "白日依山近，黄河入海留。欲知千里目，更上一层楼。", "白日依山近，黄河入海留。欲知千里目，相思一层楼。"
    by_old, by_new = (rank(poems(good, bad), book=book) for book in (PINGSHUI, get_book("新韵")))
    assert by_new[1] - by_new[0] == pytest.approx(by_old[1] - by_old[0] - WEIGHTS["mistoned"] / 4)


def test_of_two_equally_likely_the_one_that_does_not_end_in_a_formula_is_chosen():
    image, formula = (
        "日落空山里，秋深古寺前。寒泉终日在，黄叶满秋田。",
        "日落空山里，秋深古寺前。何当从此去，莫更问何年。",
    )
    scores = rank(poems(image, formula))
    assert scores[0] > scores[1]
    begun = rank(poems(image[:18], formula[:18]), num_lines=[4, 4])
    assert begun[0] > begun[1], "and it is seen as soon as the last couplet begins"


def test_a_line_is_read_apart_from_its_poem_as_if_nothing_stood_before(poet):
    """Whatever stands before it, an opening of half a line included."""
    options = {"form": "五绝", "regulated": True}
    requests = [poet.asked(text, options)[0] for text in ("白日依山", "春眠不觉晓，处")]
    drawing = Drawing(poet.recurrence, poet.constraint(requests), Sampling())
    ids, state, progress = drawing.read(poet.prompts(requests))
    found = poet.recurrence.logits(drawing._apart(ids))
    for line, row in zip(("白日依山", "处"), found):
        alone = poet.recurrence.begin(1)
        for token in poet.tokenizer([""], [line]).input_ids[0]:
            alone = poet.recurrence.step(poet.recurrence.embedding.new_tensor([token]).long(), alone)
        assert row.sub(poet.recurrence.logits(alone)[0]).abs().max() < 1e-3
    token, worth = drawing.draw(state, progress, found.new_tensor([0.5, 0.5]), ids)
    assert worth[1, 1] >= 0 and token.shape == (2,) and worth.shape == (2, 3)


@pytest.mark.parametrize("cell, more", [("rnn", 0.5), ("gru", 0.3), ("lstm", 0.2)])
def test_words_are_not_taken_for_the_rhyme_alone(cell, more, monkeypatch):
    """The last characters of lines that rhyme are likelier to the line apart than where that is not asked; to the lstm
    and the gru by less, since they have learned as much by themselves."""
    poet = TangPoet.from_pretrained(cell)
    options = {"form": "五绝", "regulated": True}
    begun = "白日依山近，黄河入海", "月落寒江静，风来古渡", "江南春草绿，花落故"
    requests = [poet.asked(text, options)[0] for text in begun]
    drawing = Drawing(poet.recurrence, poet.constraint(requests), Sampling())
    ids, state, progress = drawing.read(poet.prompts(requests))
    apart = drawing._line_ends(ids, progress)

    def fitting() -> float:
        drawn = [drawing.draw(state, progress, torch.full((3,), each / 64), ids)[0] for each in range(64)]
        return float(apart.gather(1, torch.stack(drawn, 1)).mean())

    guided = fitting()
    monkeypatch.setattr(Drawing, "_line_ends", lambda *_: None)
    assert guided > fitting() + more


def test_the_chosen_ranks_above_one_drawn(poet):
    one = [poet.write("春", form="五绝", regulated=True, seed=seed, candidates=1) for seed in range(12)]
    best = [poet.write("春", form="五绝", regulated=True, seed=seed) for seed in range(12)]
    assert rank(best).mean() > rank(one).mean() + 0.2


@pytest.mark.parametrize("candidates", [8, 64])
def test_a_search_by_lines_gives_a_seed_its_poem_whatever_stands_beside_it(poet, candidates):
    """Poems of other lengths and openings end their lines at other steps."""
    options = dict(form="七绝", regulated=True, candidates=candidates)
    together = poet.write(["春", "秋风起", "", "白日依山"], seed=3, **options)
    alone = [poet.write(poem.opening, seed=poem.seed, **options) for poem in together]
    assert [poem.text for poem in together] == [poem.text for poem in alone]
    for poem in together:
        assert poem.prosody.ok
        log_prob, characters = poet.score(poem.text, poet.tokenizer.context("<七绝>", "", ""), len(poem.opening))
        assert (poem.log_prob, poem.characters) == (pytest.approx(log_prob, abs=1e-2), characters)


def test_the_best_beginnings_are_gone_on_with(poet, monkeypatch):
    """With a rank that knows only one thing, the poem has it in every line."""

    def wanted(poems, *_, **__):
        return np.array([sum(line[-1] < "成" for line in poem.lines) for poem in poems], dtype=float)

    monkeypatch.setattr("tang_rnn.writing.choice.rank", wanted)
    by_lines = poet.write(["春", "秋", "山"], form="五律", seed=1, candidates=12)
    monkeypatch.setattr(Search, "_best", lambda *_: None)  # no line is settled, so only whole poems are chosen from
    whole = poet.write(["春", "秋", "山"], form="五律", seed=1, candidates=12)
    assert wanted(by_lines).sum() > wanted(whole).sum()
    assert all(len(split_lines(poem.text)) == 8 for poem in by_lines)


def test_candidates_may_end_after_different_lines(poet):
    """Of a form that leaves open how many lines there are: what some have ended, others go on with."""
    poems = poet.write(["春", "秋", "山"], form="五古", seed=1, candidates=12)
    alone = [poet.write(poem.opening, form="五古", seed=poem.seed, candidates=12) for poem in poems]
    assert [poem.text for poem in poems] == [poem.text for poem in alone]
    assert all(len(poem.lines) % 2 == 0 and set(map(len, poem.lines)) == {5} for poem in poems)


def test_a_first_line_is_the_best_of_few(poet, monkeypatch):
    """And drawn warmer; else all poems that begin with a character would begin with nearly the same line."""
    monkeypatch.setattr("tang_rnn.writing.search.FIRST_OF", 1)
    monkeypatch.setattr("tang_rnn.writing.sampling.WARMTH", 1.0)
    options = {"form": "七绝", "regulated": True, "seed": 4}
    drawn, chosen = (poet.write("月", candidates=count, **options).lines for count in (1, 16))
    assert chosen[0] == drawn[0] and chosen[1:] != drawn[1:]
    monkeypatch.undo()
    for opening in "月秋":
        firsts = [poet.write(opening, form="七绝", regulated=True, seed=seed).lines[0] for seed in range(12)]
        assert len(set(firsts)) > 7 and max(Counter(line[:4] for line in firsts).values()) < 6, firsts


@pytest.mark.parametrize("opening, most", [("白", 16), ("白日依山尽，", 64), ("白日依山尽，黄河入海流。", 64)])
def test_behind_a_line_that_is_given_the_next_is_the_best_of_all(poet, monkeypatch, opening, most):
    found, rank = [], Choice.__call__
    monkeypatch.setattr(Choice, "__call__", lambda self, *args: found.append(len(args[1])) or rank(self, *args))
    poem = poet.write(opening, form="五绝", seed=4, candidates=64)
    assert most // 2 < found[0] <= most and max(found) > 16 and poem.text.startswith(opening)


def test_a_stream_tells_each_line_once_it_is_settled(poet):
    told, shared = [], Together(writers=1)
    poem = shared.ask(poet, "月", told.append, form="七律", regulated=True, seed=4).result(60)
    lines = [text.count("，") + text.count("。") for text in told]
    assert lines[0] == 1 and lines[-1] == 8 and lines == sorted(set(lines)) and len(lines) > 3
    assert all(poem.text.startswith(text) for text in told) and told[-1] == poem.text


def test_no_doubling_is_written_that_real_verse_does_not_have(poet):
    poems = poet.write(["寒", "山", "僧"], form="五律", count=12, seed=0, temperature=1.5, top_k=0, top_p=1.0)
    assert not any(usage().odd_doublings(poem.lines) for poem in poems)
