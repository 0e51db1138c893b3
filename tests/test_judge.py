"""What stands behind beginnings, a judge who has learned from readers, and cells that learn from what he says."""

import json
import shutil

import numpy as np
import pytest
import torch
from datasets import Dataset

from tang_rnn import TangPoet
from training import candidates, grading, judge, preferences
from training.candidates import CandidateError, Candidates, read_candidates, read_judged
from training.data import encode
from training.grading import told_apart
from training.judge import Judge, endless, of_lines, pieces
from training.preferences import Settings, asked, learn

SIZES = ["--hidden-size", "24", "--embedding-size", "16", "--characters", "256", "--backward", "3", "--cloze", "2"]
TEXT = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
ROWS = Dataset.from_list([{"text": TEXT, "form": "五绝", "poet": "王之涣", "title": "登鹳雀楼"}])


@pytest.fixture(scope="module")
def poet() -> TangPoet:
    return TangPoet.from_pretrained("rnn")


@pytest.fixture
def collected(tmp_path):
    path = tmp_path / "candidates.jsonl"
    assert candidates.main(["rnn", "--poems", "2", "--output", str(path), "--seed", "3"]) == 0
    return path


@pytest.fixture(scope="module")
def judging(tmp_path_factory):
    """A small judge, of grades of some poems."""
    folder = tmp_path_factory.mktemp("judge")
    poems = grading.read_grades()[:150]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "read_grades", lambda: poems)
        patch.setattr(judge, "load_corpus", lambda _: {"train": {"lines": [poem.lines for poem in poems]}})
        assert judge.main(["learn", "rnn", "--output", str(folder), *SIZES, "--corpora", "here"]) == 0
    return folder


def test_candidates_are_the_lines_that_one_was_taken_from(collected, poet):
    groups = read_candidates(collected)
    assert len({group.before for group in groups}) == len(groups) > 2
    follows = {(*group.before, line) for group in groups for line in group.lines}
    assert all(not group.before or group.before in follows for group in groups), "each beginning was once a candidate"
    assert all(len(line) in (5, 7) for group in groups for line in group.lines)
    written = candidates.watched(TangPoet.from_pretrained("rnn"), {}).write("春", form="五绝", regulated=True, seed=9)
    assert written == poet.write("春", form="五绝", regulated=True, seed=9), "who is watched writes as he does unseen"


@pytest.mark.parametrize(
    "row", ["{", "[]", '{"form": "五绝"}', '{"form": "词", "before": [], "lines": ["白日依山尽"]}', '{"form": 3}']
)
def test_a_file_that_holds_no_candidates_is_named(row, tmp_path, collected):
    bad = tmp_path / "bad.jsonl"
    bad.write_text(row + "\n", encoding="utf-8")
    with pytest.raises(CandidateError, match="bad.jsonl, row 1"):
        read_candidates(bad)
    with pytest.raises(CandidateError, match="scores"):
        read_judged(collected)


def test_both_ends_are_read(poet, judging):
    """What is known of a place from the left does not hang on what follows, nor that from the right on what precedes;
    a line is told of by all that is there."""
    made = Judge.load(judging)
    ids = made.encode([TEXT, "青" + TEXT[1:], TEXT[:-2] + "台。"])
    before, behind, after, at = made.states(ids)
    assert before.shape == (3, 24, 1024) and after.shape == (3, 24, 24)
    torch.testing.assert_close(before[0, :-2], before[2, :-2])
    torch.testing.assert_close(after[0, 1:], after[1, 1:])
    assert not torch.allclose(after[0, 0], after[2, 0]) and not torch.allclose(behind[0, -1], behind[1, -1])
    torch.testing.assert_close(before[:, 1:], behind[:, :-1])
    torch.testing.assert_close(after[:, :-1], at[:, 1:])


def test_a_judge_tells_what_readers_found_bad(judging):
    poems, made = grading.read_grades()[:150], Judge.load(judging)
    groups = made.score(Candidates(p.form, p.lines[:n], (line,)) for p in poems for n, line in enumerate(p.lines))
    scores = np.array([group.scores[0] for group in groups])
    grades = np.array([grade for poem in poems for grade in poem.grades])
    assert told_apart(grades < grading.BAD, scores) > 0.8, "of poems that it learned from; 0.5 is chance"
    alone = made.score([groups[0]._replace(lines=groups[0].lines * 2)])
    assert alone[0].scores == pytest.approx(groups[0].scores * 2, abs=2e-2), "whatever stands beside it"


def test_texts_are_read_in_parts_of_one_length_each():
    lines = ["白日依山尽", "黄河入海流"] * 10
    found = pieces([lines, lines[:4]])
    assert {length: len(texts) for length, texts in found.items()} == {96: 1, 24: 2}
    assert found[24] == [of_lines(lines[:4])] * 2


def test_some_are_read_from_the_end_of_an_earlier_line(judging):
    made = Judge.load(judging)
    batches = endless(made, [TEXT[:-1].replace("。", "，").split("，")], 240, 0, True)
    lengths = {next(batches).shape[1] for _ in range(40)}
    assert lengths == {6, 12, 18, 24}


def test_the_command_scores_a_file_and_names_what_is_no_judge(judging, collected, tmp_path, capsys):
    assert judge.main(["score", str(judging), str(collected)]) == 0
    groups = read_candidates(collected, judged=True)
    assert all(len(group.scores) == len(group.lines) for group in groups)
    lines = read_judged(collected)
    assert sorted(line.score for line in lines) == sorted(score for group in groups for score in group.scores)
    assert judge.main(["score", str(tmp_path), str(collected)]) == 2
    assert "holds no judge" in capsys.readouterr().err
    assert judge.main(["learn", "rnn", "--output", str(tmp_path), "--cloze", "0"]) == 2


def judged() -> list[Candidates]:
    better, worse = "孤舟独宿楚江云", "云天长不有无人"
    return [Candidates("七绝", (), (better, worse), (1.0, -1.0)), Candidates("七绝", (better,), (worse,), (-0.5,))]


def test_what_is_judged_counts_beside_others_behind_its_beginning():
    batches = asked(judged(), Settings(beginnings=1))
    for _ in range(6):
        these = next(batches)
        assert these.form == "七绝" and len({len(poem) for poem in these.poems}) == 1
        if len(these.poems) == 2:
            worth = dict(zip((poem[-1] for poem in these.poems), these.worth.tolist()))
            assert worth["孤舟独宿楚江云"] > 0 > worth["云天长不有无人"]
        else:
            assert these.worth.item() == 0, "alone behind its beginning and at its place, a line is as good as any"


def test_a_line_that_was_judged_better_becomes_likelier(poet):
    learner, graded = TangPoet.from_pretrained("rnn"), grading.read_grades()[:4]
    settings = Settings(epochs=12, learning_rate=1e-4, lines=8, readers=0.0)

    def likely(of: TangPoet) -> torch.Tensor:
        with torch.no_grad():
            lines = [(line,) for line in judged()[0].lines]
            return preferences.read_lines(of.model, of.tokenizer, "七绝", lines).likely.sum((1, 2))

    told = list(learn(learner, graded, encode(ROWS, learner.tokenizer), settings, judged()))
    gained = likely(learner) - likely(poet)
    assert gained[0] > 0.3 > -0.3 > gained[1], gained
    assert told[-1].count(",") >= 10, "what is learned of the judge is told too"


def test_a_grader_is_learned_from_what_was_judged(judging, collected, poet, tmp_path, monkeypatch, capsys):
    assert judge.main(["score", str(judging), str(collected)]) == 0
    folder = shutil.copytree(poet.model.name_or_path, tmp_path / "cell")
    poems = grading.read_grades()[:60]
    monkeypatch.setattr(grading, "read_grades", lambda: poems)
    assert grading.main(["fit", str(folder), "--judged", str(collected)]) == 0
    assert "lines that were judged" in capsys.readouterr().out
    lines = read_judged(collected)
    told, _ = grading.seen(poet, [line[:2] for line in lines], last=True)
    *weights, bias = TangPoet.from_pretrained(folder).grader.tensors().values()
    said = told @ torch.cat(weights).double().numpy() + float(bias)
    assert np.corrcoef(said, [line.score for line in lines])[0, 1] > 0.3


def test_cells_learn_from_candidates_by_one_command(collected, judging, tmp_path, monkeypatch, capsys):
    assert judge.main(["score", str(judging), str(collected)]) == 0
    monkeypatch.setattr(preferences, "read_grades", lambda: grading.read_grades()[:2])
    monkeypatch.setattr(preferences, "load_corpus", lambda _: {"train": ROWS})
    arguments = ["rnn", "--output", str(tmp_path), "--epochs", "1", "--beginnings", "2", "--behind", "2"]
    assert preferences.main([*arguments, "--judged", str(collected)]) == 0
    assert f"fit {tmp_path / 'rnn'} --judged" in capsys.readouterr().out
    log = json.loads((tmp_path / "rnn" / "training_log.json").read_text())
    assert log["preferences"]["judged"] == sum(len(group.lines) for group in read_candidates(collected))
    (tmp_path / "none.jsonl").write_text("{}\n")
    assert preferences.main([*arguments, "--judged", str(tmp_path / "none.jsonl")]) == 2
    assert "row 1" in capsys.readouterr().err
