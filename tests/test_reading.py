"""Blind pairs: the page tells nothing, the key everything, and the answers are counted for the right side."""

import json

import pytest

from training.reading import main, wilson

POEMS = {
    "one": "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    "other": "春去花还在，人来鸟不惊。远看山有色，近听水无声。",
}


@pytest.fixture
def files(tmp_path):
    for name, text in POEMS.items():
        row = json.dumps({"text": text, "form": "五绝"}, ensure_ascii=False)
        (tmp_path / f"{name}.jsonl").write_text(f"{row}\n" * 12, encoding="utf-8")
    return [str(tmp_path / f"{name}.jsonl") for name in POEMS]


def draw(files, page, *options):
    return main(["draw", *files, "--form", "五绝", "--pairs", "12", "--page", str(page), *options])


def answer(page, choose) -> None:
    """Writes an answer behind each pair, by what stands under a and b."""
    parts = page.read_text(encoding="utf-8").split("answer ")
    for number, part in enumerate(parts[:-1]):
        first = part.split("\na\n")[1].split("\nb\n")[0].replace("\n", "")
        parts[number + 1] = parts[number + 1].replace(": ", f": {choose(first)}", 1)
    page.write_text("answer ".join(parts), encoding="utf-8")


def test_answers_are_counted_for_the_side_that_was_meant(files, tmp_path, capsys):
    page = tmp_path / "page.txt"
    assert draw(files, page) == 0
    text = page.read_text(encoding="utf-8")
    assert "jsonl" not in text, "the page does not say whose the poems are"
    firsts = json.loads((tmp_path / "page.key.json").read_text(encoding="utf-8"))["firsts"]
    assert set(firsts) == {0, 1}, "neither always stands first"
    answer(page, lambda first: "a" if first == POEMS["one"] else "b")
    capsys.readouterr()
    assert main(["count", str(page)]) == 0
    assert "12 won, 0 lost, 0 even; of the decided 100 % won [76, 100]" in capsys.readouterr().out


def test_even_pairs_decide_nothing(files, tmp_path, capsys):
    page = tmp_path / "page.txt"
    assert draw(files, page) == 0
    answer(page, lambda first: "=")
    assert main(["count", str(page)]) == 0
    assert "0 won, 0 lost, 12 even" in capsys.readouterr().out


def test_what_cannot_be_read_is_said_in_a_line(files, tmp_path, capsys):
    page = tmp_path / "page.txt"
    assert draw(files, page) == 0
    assert draw(files, page) == 2, "a page with answers is not written over"
    assert main(["count", str(page)]) == 2, "answers are missing"
    assert main(["count", str(tmp_path / "none.txt")]) == 2
    assert draw(files, tmp_path / "more.txt", "--pairs", "13") == 2
    assert draw([files[0], "lstm,candidates"], tmp_path / "odd.txt") == 2
    assert draw([files[0], "lstm,nonsense=1"], tmp_path / "odd.txt") == 2
    assert capsys.readouterr().err.count("\n") == 6


def test_the_interval_is_wilsons():
    assert wilson(15, 8) == pytest.approx((0.449, 0.812), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)
