"""Grades of readers: collected from pages, learned from states, and heard where poems are chosen."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from tang_rnn import TangPoet
from tang_rnn.faults import Fault
from tang_rnn.grading import GRADER, Grader, surprises
from training import grading
from training.grading import GradingError, foretold, given, main, read_grades, read_page, seen, told_apart
from training.layers import joined


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
    states, beside = seen(poet, [(poem.form, poem.lines) for poem in poems])
    grades = torch.tensor([grade for poem in poems for grade in poem.grades]).double().numpy()
    folds = (torch.arange(len(poems)) % grading.FOLDS).repeat_interleave(torch.tensor([len(p.lines) for p in poems]))
    scores = foretold(states, beside, grades, folds.numpy())
    assert told_apart(grades < grading.BAD, scores) > 0.6


def graded(poet, poems) -> list[float]:
    """The grades that a poet's grader gives poems read anew, each the sum over its lines."""
    grades = torch.tensor(given(poet, poet.grader, [(poem.form, poem.lines) for poem in poems]))
    return [float(each.sum()) for each in grades.split([len(poem.lines) for poem in poems])]


def test_what_is_seen_of_a_line_is_what_writing_sees_of_it(poet):
    """The sum of a written poem's grades is that of its text read anew: a grader is learned from what it will judge."""
    for form in ("五绝", "七律"):
        poem = poet.write("", form=form, regulated=True, seed=3, candidates=8)  # an opening is not graded
        assert poem.grade == pytest.approx(graded(poet, [poem])[0], abs=4e-2)  # written in bfloat16, where there is


def test_the_last_line_of_a_beginning_is_seen_as_in_the_whole_poem(poet):
    poem = poet.write("春", form="七律", regulated=True, seed=3, candidates=1)
    whole, beside = seen(poet, [(poem.form, poem.lines)])
    parts = [(poem.form, poem.lines[:count]) for count in range(1, 9)]
    last, places = seen(poet, parts, last=True)
    assert (places == beside).all()
    assert last == pytest.approx(whole, abs=1e-3)


def test_of_two_equally_likely_the_one_with_better_lines_is_chosen(poet, monkeypatch):
    chosen = [poet.write(o, form="七绝", regulated=True, seed=5, candidates=16) for o in "春秋山月"]
    better = sum(graded(poet, chosen))
    monkeypatch.setattr(poet, "grader", None)
    plain = [poet.write(o, form="七绝", regulated=True, seed=5, candidates=16) for o in "春秋山月"]
    assert all(poem.grade == 0 for poem in plain), "without a grader no line is better than another"
    monkeypatch.undo()
    assert better > sum(graded(poet, plain))


def of_nothing(size: int) -> Grader:
    return Grader(*(torch.zeros(shape) for shape in Grader.shapes(size).values()))


def test_a_grader_that_knows_only_the_state_behind_a_line_still_grades(checkpoint, tmp_path):
    """As those of cells taught before 0.8 do."""
    folder = shutil.copytree(checkpoint, tmp_path / "cell")
    save_file({"weight": torch.ones(32), "bias": torch.tensor(2.0)}, folder / GRADER)
    grader, output = TangPoet.from_pretrained(folder).grader, torch.eye(2, 32)
    log_prob, over = torch.tensor([-9.0, -9.0]), torch.tensor([True, False])
    assert grader(output, log_prob, over).tolist() == [3, 0]


def test_what_layers_add_is_there_after_writing_and_reading(checkpoint, tmp_path):
    """A character at a time, and once a line is over; a layer of another size is refused."""
    folder = shutil.copytree(checkpoint, tmp_path / "cell")
    noise = torch.Generator().manual_seed(0)
    shapes = Grader.shapes(32, 5)
    drawn = {name: torch.randn(shape, generator=noise).half().float() for name, shape in shapes.items()}
    Grader.of(drawn).write(folder)
    grader = TangPoet.from_pretrained(folder).grader
    output, log_prob = torch.randn(3, 32, generator=noise), torch.tensor([-1.0, -8.0, -2.0])
    told = torch.cat([output, surprises(log_prob)], 1)
    told[2, 32:] = 0  # the mark
    inner = torch.nn.functional.gelu(told @ drawn["character.inward"].T + drawn["character.bias"])
    expected = output @ drawn["each"] + told[:, 32:] @ drawn["likely"] + inner @ drawn["character.outward"]
    inner = torch.nn.functional.gelu(drawn["line.inward"] @ output[2] + drawn["line.bias"])
    expected[2] += output[2] @ drawn["weight"] + inner @ drawn["line.outward"] + drawn["bias"]
    over = torch.tensor([False, False, True])
    found = grader(output, log_prob, over)
    torch.testing.assert_close(found, expected)
    of = torch.tensor([2, 0, 0])  # rows that share a state
    torch.testing.assert_close(grader(output, log_prob, over, of), grader(output[of], log_prob, over))
    Grader.of(drawn | {"line.inward": torch.zeros(5, 31)}).write(folder)
    with pytest.raises(Fault, match="line.inward"):
        TangPoet.from_pretrained(folder)


def test_several_graders_joined_are_their_mean():
    noise = torch.Generator().manual_seed(1)

    def drawn() -> Grader:
        return Grader.of({name: torch.randn(shape, generator=noise) for name, shape in Grader.shapes(32, 5).items()})

    several = [drawn() for _ in range(3)]
    output, log_prob, over = torch.randn(4, 32, generator=noise), torch.full((4,), -6.0), torch.tensor([1, 0, 1, 0]) > 0
    each = torch.stack([grader(output, log_prob, over) for grader in several])
    torch.testing.assert_close(joined(several)(output, log_prob, over), each.mean(0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("damage", ["cut", "other", "nan", "empty"])
def test_a_damaged_grader_is_refused_by_name(checkpoint, tmp_path, damage):
    folder = shutil.copytree(checkpoint, tmp_path / "cell")
    grader = of_nothing(32)
    grader.write(folder)
    assert TangPoet.from_pretrained(folder).grader is not None
    if damage == "cut":
        (folder / GRADER).write_bytes((folder / GRADER).read_bytes()[:20])
    elif damage == "empty":
        (folder / GRADER).write_bytes(b"")
    else:
        grader.each = torch.zeros(7) if damage == "other" else torch.full((32,), float("nan"))
        grader.write(folder)
    with pytest.raises(Fault):
        TangPoet.from_pretrained(folder)
