"""The figures of a checkpoint: each measure on a case whose answer is known, and the command on a small corpus."""

import json
import math
import shutil
from types import SimpleNamespace

import pytest
import torch
from datasets import Dataset
from test_train import ROOT, corpus_folder  # noqa: F401
from transformers import MinPLogitsWarper

from tang_rnn import TangPoet
from tang_rnn.poet import PRETRAINED
from training.data import encode
from training.decoding import Warped
from training.decoding import main as decoding
from training.errors import CorpusError
from training.evaluate import (
    Quotations,
    distinct,
    figure,
    line_breaks,
    main,
    naming,
    read_quatrains,
    repeated,
    rules_kept,
    theme_characters,
    theme_share,
)
from training.loading import load_corpus

PAIR = "李贺", "王维"
POEM = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


@pytest.fixture(scope="module")
def poet() -> TangPoet:
    return TangPoet.from_pretrained("gru")


@pytest.fixture(scope="module")
def poem(poet):
    return encode(Dataset.from_list([{"text": POEM, "form": "五绝", "poet": "", "title": ""}]), poet.tokenizer)


def test_variety_and_repetition():
    poems = [["春春", "风月"], ["春风"]]
    assert distinct(poems, 1) == 3 / 6 and distinct(poems, 2) == 3 / 3
    assert repeated(poems) == 1 / 6
    assert Quotations([POEM]).shares([["白日依山尽", "白日依山远"]]) == {"lines_quoted": 0.5, "runs_quoted": 0.5}


def test_rules_are_the_judges():
    toneless, rhymeless = POEM.replace("黄河", "黄日"), POEM.replace("楼", "山")
    kept = {"form_kept": 1.0, "tones_kept": 2 / 3, "rhyme_kept": 2 / 3}
    assert rules_kept([POEM, toneless, rhymeless], ["五绝"] * 3) == kept


@pytest.mark.parametrize(
    "text", ["", POEM[:6], POEM[:-1], POEM.replace("，", "。"), POEM.translate(str.maketrans("，。", "。，")), POEM * 2]
)
def test_a_poem_of_another_form_keeps_nothing(text):
    """Else a model that never finds the form would seem to be faultless in it."""
    assert set(rules_kept([text], ["五绝"]).values()) == {0.0}


def test_line_breaks_of_models_whose_faults_are_known(poet, poem):
    size, comma = len(poet.tokenizer), poet.vocabulary.comma

    def breaks(logits_of):
        model = lambda ids, use_cache: SimpleNamespace(logits=logits_of(ids))  # noqa: E731
        return line_breaks(SimpleNamespace(tokenizer=poet.tokenizer, model=model), poem)

    following = breaks(lambda ids: torch.nn.functional.one_hot(ids.roll(-1, 1), size).float())
    assert following == {"accuracy": 1.0, "precision": 1.0, "recall": 1.0, "same_mark": 1.0}
    always = breaks(lambda ids: torch.nn.functional.one_hot(torch.full_like(ids, comma), size).float())
    assert always == {"accuracy": 4 / 25, "precision": 4 / 25, "recall": 1.0, "same_mark": 0.5}


def test_naming_follows_the_likelihoods(poet, monkeypatch):
    """A model that finds the longer poem likelier under the second name."""
    rows = [{"text": POEM * n, "form": "五绝", "poet": PAIR[n > 1], "title": ""} for n in (1, 1, 1, 2)]
    second = poet.tokenizer.convert_tokens_to_ids(f"<{PAIR[1]}>")

    def fake(poet, encoded, told):
        assert list(told) == ["poet"]
        return torch.tensor([float(len(row["text"]) > 30) * (row["poet"] == [second]) for row in encoded]).numpy()

    monkeypatch.setattr("training.evaluate.poem_log_probs", fake)
    result = naming(poet, Dataset.from_list(rows + [rows[0] | {"poet": "杜甫"}]), list(PAIR))
    assert (result["poems"], result["accuracy"], result["chance"], result["pairs"]) == (4, 1.0, 0.75, 1.0)
    assert result["pairs_chance"] == 0.75


def test_a_theme_is_what_its_poems_have_and_others_lack():
    rows = [{"title": "出塞曲", "text": "胡马霜风，"}] * 60 + [{"title": "春日", "text": "花风鸟语，"}] * 60
    theme, under = theme_characters(Dataset.from_list(rows), "塞", size=3)
    assert theme == set("胡马霜") and under == list(range(60))
    assert theme_characters(Dataset.from_list(rows), "边塞", size=3)[1] == under, "too few have both characters"
    assert theme_share(["胡马，", "花鸟。"], theme) == 0.5


def test_quatrains_of_a_file(poet, tmp_path):
    path = tmp_path / "quatrains"
    path.write_text("白日依山盡,黃河入海流.欲窮千里目,更上一層樓!\n\n", encoding="utf-8")
    (row,) = read_quatrains(path, poet.tokenizer)
    assert poet.tokenizer.decode(row["text"]) == POEM
    path.write_text(f"{POEM}\n白日依山尽\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="line 2: no quatrain"):
        read_quatrains(path, poet.tokenizer)


def test_the_command_measures_a_checkpoint(corpus_folder, tmp_path, capsys, monkeypatch):  # noqa: F811
    for name, value in {"OPENINGS": "春秋", "REGULATED": ["五绝"], "THEMES": ("边塞",), "POETS": 3}.items():
        monkeypatch.setattr(f"training.evaluate.{name}", value)
    checkpoint = tmp_path / "gru"
    shutil.copytree(PRETRAINED / "gru", checkpoint)
    poets = load_corpus(str(ROOT / "training" / "corpus"))["test"].filter(lambda row: row["poet"] in ("白居易", *PAIR))
    shutil.copytree(corpus_folder, tmp_path / "corpus")
    poets.select(range(30)).to_parquet(tmp_path / "corpus" / "test.parquet")
    (tmp_path / "quatrains").write_text(POEM + "\n", encoding="utf-8")
    options = ["--corpus", str(tmp_path / "corpus"), "--poems", "1", "--quatrains", str(tmp_path / "quatrains")]
    assert main([str(checkpoint), *options]) == 0
    table = capsys.readouterr().out
    result = json.loads((checkpoint / "evaluation.json").read_text(encoding="utf-8"))
    assert result["test"]["perplexity"] == pytest.approx(math.exp(result["test"]["loss"]), rel=1e-3)
    assert result["test_with_context"]["loss"] < result["test"]["loss"], "it has learned to use what it is told"
    assert result["written_regulated"]["form_kept"] == result["written_regulated"]["tones_kept"] == 1
    assert result["command"] == "python -m training.evaluate --poems 1 --quatrains quatrains"
    assert len(result["samples"]) == 2 and result["quatrains"]["poems"] == 1
    assert (
        figure(result, "steering", "边塞", "told") is not None and figure(result, "steering", "nowhere", "told") is None
    )
    assert f"{result['line_breaks']['recall']:.4f}" in table


def test_what_is_no_checkpoint_is_said_in_a_line(tmp_path, capsys):
    assert main([str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_ways_of_drawing_that_only_measurement_has():
    """transformers' warpers on top of the package's own drawing: what they drop is never drawn."""
    logits = torch.tensor([[0.6, 0.25, 0.15]]).log().expand(200, -1)
    uniform = (torch.arange(200) + 0.5) / 200
    drawn = Warped(MinPLogitsWarper(0.4)).draw(logits, uniform).bincount(minlength=3)
    assert drawn.tolist() == [141, 59, 0], "0.15 is less than 0.4 of 0.6"
    colder = Warped(MinPLogitsWarper(0.4), temperature=0.5).draw(logits, uniform)
    assert set(colder.tolist()) == {0}, "at half the temperature 0.25 is too little as well"


def test_decoding_needs_a_judge_that_is_there(tmp_path, capsys):
    assert decoding([str(PRETRAINED / "gru"), "--judge", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
