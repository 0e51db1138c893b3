"""Grades of readers: collected from pages, learned from states, and heard where poems are chosen."""

import json

import pytest
import torch

from tang_rnn import TangPoet
from tang_rnn.faults import Fault
from tang_rnn.grading import GRADER, Grader
from training import grading
from training.grading import Graded, GradingError, foretold, main, read_grades, read_page, seen, told_apart


@pytest.fixture(scope="module")
def poet() -> TangPoet:
    return TangPoet.from_pretrained("rnn")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page of eight poems, one of them real."""
    monkeypatch.setattr(grading, "REAL", 8)
    monkeypatch.setattr(grading, "real_poems", lambda *_: ["白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"])
    path = tmp_path / "page.txt"
    assert main(["sheet", "rnn", "--poems", "8", "--page", str(path)]) == 0
    return path


def answer(page, form) -> None:
    """Grades all poems of a page alike."""
    poems = json.loads(page.with_suffix(".key.json").read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    for number, poem in enumerate(poems, 1):
        text = text.replace(f"grades {number}: ", f"grades {number}: {form(poem['lines'])}")
    page.write_text(text, encoding="utf-8")


def test_grades_are_collected_once_and_those_of_real_poems_not_at_all(page, tmp_path, monkeypatch, capsys):
    assert "real" not in page.read_text(encoding="utf-8"), "the page does not say which are"
    answer(page, lambda lines: "21" * (len(lines) // 2) + " N")
    monkeypatch.setattr(grading, "GRADES", tmp_path / "grades.tsv")
    monkeypatch.setattr(grading.read_grades, "__defaults__", (tmp_path / "grades.tsv",))
    monkeypatch.setattr(grading.write_grades, "__defaults__", (tmp_path / "grades.tsv",))
    (tmp_path / "grades.tsv").write_text("")
    for more in (8, 0):
        assert main(["collect", str(page)]) == 0
        assert f"{more} poems more, 8 in all" in capsys.readouterr().out
    found = read_grades()
    assert {poem.grades[:2] for poem in found} == {(2, 1)} and {poem.verdict for poem in found} == {"N"}
    assert not any("白日依山尽" in poem.lines for poem in found)


@pytest.mark.parametrize("form", [lambda lines: "", lambda lines: "2", lambda lines: "4" * len(lines) + " F"])
def test_grades_that_are_none_are_said_in_a_line(page, form, capsys):
    answer(page, form)
    with pytest.raises(GradingError, match="grades 1 are"):
        list(read_page(page))
    assert main(["collect", str(page)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_shipped_grades_are_whole():
    poems = read_grades()
    assert len(poems) > 2000
    assert all(len(poem.lines) == len(poem.grades) for poem in poems)


def test_a_grader_knows_bad_lines_of_poems_that_it_has_not_seen(poet):
    """Of the grades that ship, some; chance is 0.5."""
    poems = read_grades()[:400]
    states, beside = seen(poet, poems)
    grades = torch.tensor([grade for poem in poems for grade in poem.grades]).double().numpy()
    folds = (torch.arange(len(poems)) % grading.FOLDS).repeat_interleave(torch.tensor([len(p.lines) for p in poems]))
    scores = foretold(states, beside, grades, folds.numpy())
    assert told_apart(grades < grading.BAD, scores) > 0.6


def test_what_is_seen_of_a_line_is_what_writing_sees_of_it(poet):
    """The sum of a written poem's grades is that of its text read anew: a grader is learned from what it will judge."""
    poem = poet.write("春", form="五绝", regulated=True, seed=3, candidates=8)
    states, _ = seen(poet, [Graded(poem.form, tuple(poem.lines), (0,) * 4, "X")])
    again = poet.grader(torch.tensor(states))
    assert poem.grade == pytest.approx(float(again.sum()), abs=2e-2)  # written in bfloat16, where there is


def test_of_two_equally_likely_the_one_with_better_lines_is_chosen(poet, monkeypatch):
    chosen = [poet.write(o, form="七绝", regulated=True, seed=5, candidates=16).grade for o in "春秋山月"]
    monkeypatch.setattr(poet, "grader", None)
    plain = [poet.write(o, form="七绝", regulated=True, seed=5, candidates=16) for o in "春秋山月"]
    assert all(poem.grade == 0 for poem in plain), "without a grader no line is better than another"
    states, _ = seen(poet, [Graded(poem.form, tuple(poem.lines), (0,) * 4, "X") for poem in plain])
    monkeypatch.undo()
    assert sum(chosen) > float(poet.grader(torch.tensor(states)).sum())


@pytest.mark.parametrize("damage", ["cut", "other", "nan", "empty"])
def test_a_damaged_grader_is_refused_by_name(checkpoint, tmp_path, damage):
    import shutil

    folder = shutil.copytree(checkpoint, tmp_path / "cell")
    Grader(torch.zeros(32), torch.tensor(0.0)).write(folder)
    assert TangPoet.from_pretrained(folder).grader is not None
    if damage == "cut":
        (folder / GRADER).write_bytes((folder / GRADER).read_bytes()[:20])
    elif damage == "empty":
        (folder / GRADER).write_bytes(b"")
    else:
        weight = torch.zeros(7) if damage == "other" else torch.full((32,), float("nan"))
        Grader(weight, torch.tensor(0.0)).write(folder)
    with pytest.raises(Fault):
        TangPoet.from_pretrained(folder)
