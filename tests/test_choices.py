"""What readers say should stand next is asked, collected, and learned from."""

import json

import numpy as np
import pytest

from tang_rnn import TangPoet
from tang_rnn.verse.turns import Turns
from training import candidates, choices, grading, preferences
from training.candidates import Candidates
from training.choices import BEST, NAMES, ChoicesError, beginnings, main, read_choices, read_page
from training.preferences import Settings, asked
from training.reading import key_of

GROUP = Candidates("七绝", ("山色无人见此时",), ("孤舟独宿楚江云", "何时更向潇湘去"), (3.0, 1.0))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    page = tmp_path_factory.mktemp("choices") / "1.txt"
    assert main(["sheet", "rnn", "--beginnings", "4", "--page", str(page)]) == 0
    return page


def test_a_page_shows_beginnings_and_candidates_in_no_order(page):
    groups, text = json.loads(key_of(page).read_text(encoding="utf-8")), page.read_text(encoding="utf-8")
    assert len(groups) == 4 and all(len(set(group["lines"])) == len(NAMES) for group in groups)
    for group in groups:
        assert all(f"{name} {line}" in text for name, line in zip(NAMES, group["lines"]))
    assert main(["sheet", "rnn", "--page", str(page)]) == 2, "an answered page is not written over"


def test_most_candidates_are_those_that_the_cell_ranks_highest(monkeypatch):
    lines, seen = {"一二三四五六" + chr(0x4E00 + number): float(number) for number in range(40)}, []

    class Poet:
        def write(self, *_, **__):
            seen[0]["七绝", ("山色无人见此时",)] = lines

    monkeypatch.setattr(choices, "watched", lambda poet, found: (seen.append(found), poet)[1])
    monkeypatch.setattr(candidates, "openings", lambda *_: iter([("七绝", "春")]))
    (group,) = beginnings(Poet(), 1, 0, "")
    best = sorted(lines, key=lines.get)[-BEST:]
    assert set(best) < set(group.lines) and len(group.lines) == len(NAMES)


def test_grades_are_collected_once(page, tmp_path, monkeypatch, capsys):
    text = page.read_text(encoding="utf-8")
    with pytest.raises(ChoicesError, match="grades 1 are missing"):
        list(read_page(page))
    for number in range(1, 5):
        text = text.replace(f"grades {number}: ", f"grades {number}: {'3210' * 3}")
    page.write_text(text, encoding="utf-8")
    monkeypatch.setattr(choices, "CHOICES", tmp_path / "choices.tsv.xz")
    monkeypatch.setattr(choices.read_choices, "__defaults__", (tmp_path / "choices.tsv.xz",))
    monkeypatch.setattr(choices.write_choices, "__defaults__", (tmp_path / "choices.tsv.xz",))
    for more in (4, 0):
        assert main(["collect", str(page)]) == 0
        assert f"{more} beginnings more, 4 in all" in capsys.readouterr().out
    assert {group.scores for group in read_choices()} == {(3.0, 2.0, 1.0, 0.0) * 3}


@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda _: b"", lambda _: "七绝\t\t春/秋\t32\n".encode()])
def test_damaged_choices_are_named(tmp_path, damage):
    path = tmp_path / "choices.tsv.xz"
    choices.write_choices([GROUP], path)
    assert read_choices(path) == [GROUP]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ChoicesError, match="choices.tsv.xz"):
        read_choices(path)


def test_the_shipped_choices_are_whole():
    groups = read_choices()
    assert len(groups) > 5000
    assert all(len(group.lines) == len(group.scores) >= 8 for group in groups)


def test_a_stock_turn_takes_from_what_readers_said(monkeypatch):
    def worth() -> dict[str, float]:
        these = next(asked([GROUP], Settings(beginnings=1)))
        return dict(zip((poem[-1] for poem in these.poems), these.worth.tolist()))

    monkeypatch.setattr(preferences, "turns", lambda: Turns({}))
    plain = worth()
    monkeypatch.setattr(preferences, "turns", lambda: Turns({(7, 3, "向", 6, "去"): 3.0}))
    priced = worth()
    assert priced["何时更向潇湘去"] < plain["何时更向潇湘去"] < 0 < plain["孤舟独宿楚江云"]


def test_cells_and_their_graders_learn_from_choices(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(preferences, "read_choices", lambda: [GROUP])
    monkeypatch.setattr(preferences, "read_grades", lambda: grading.read_grades()[:2])
    arguments = ["rnn", "--output", str(tmp_path), "--epochs", "1", "--former", "rnn", "--choices"]
    assert preferences.main(arguments) == 0
    assert "--choices" in capsys.readouterr().out
    log = json.loads((tmp_path / "rnn" / "training_log.json").read_text())
    assert log["preferences"]["chosen"] == 2
    groups = read_choices()[:40]
    monkeypatch.setattr(grading, "read_choices", lambda: groups)
    poems = grading.read_grades()[:40]
    monkeypatch.setattr(grading, "read_grades", lambda: poems)
    assert grading.main(["fit", str(tmp_path / "rnn"), "--choices"]) == 0
    assert "behind 40 beginnings" in capsys.readouterr().out
    poet, better = TangPoet.from_pretrained(tmp_path / "rnn"), 0
    for group in groups:
        beginnings = [(group.form, (*group.before, line)) for line in group.lines]
        said = grading.given(poet, poet.grader, beginnings).reshape(len(group.lines), -1)[:, -1]
        better += group.scores[said.argmax()] > np.mean(group.scores)
    assert better > 30, "of what it has learned from it takes what readers took"
    assert preferences.main([*arguments, "--judged", "some.jsonl"]) == 2
    assert "not both" in capsys.readouterr().err
