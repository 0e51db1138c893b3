"""What a run goes on from: the newest checkpoint that is whole, whatever happened to the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from torch import nn

import training.export
from tang_rnn import TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from training.checkpoints import alone, checkpoints, fault, last_complete_checkpoint
from training.configuration import read_config
from training.data import Collator, encode
from training.errors import CorpusError, TrainError
from training.export import export
from training.initial import begin_with, widened
from training.loading import load_corpus
from training.optimizer import MuonAdamW, averaged_weights
from training.train import main, train
from training.vocabulary import build_tokenizer

ROOT = Path(__file__).parent.parent
FILES = ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> dict:
    """The configuration of a short run that has come to its end."""
    folder = tmp_path_factory.mktemp("resume")
    corpus = load_corpus(str(ROOT / "training" / "corpus"))
    for split, count in (("train", 60), ("validation", 6)):
        corpus[split].select(range(count)).to_parquet(folder / f"{split}.parquet")
    config = {
        "corpus": str(folder),
        "output_dir": str(folder / "run"),
        "model": {"cell_type": "lstm", "embedding_size": 8, "hidden_size": 8, "recurrent_dropout": 0.1},
        "batch": {"max_tokens": 512, "max_length": 60, "unknown": 0.1},
        "muon_learning_rate": 0.01,
        "average": 0.9,
        "trainer": {"max_steps": 7, "eval_steps": 3, "seed": 3, "disable_tqdm": True, "report_to": []},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(training.export.SAMPLING, "max_new_tokens", 4)
        train(config)
    return config


@pytest.fixture
def run(finished, tmp_path, monkeypatch) -> dict:
    monkeypatch.setitem(training.export.SAMPLING, "max_new_tokens", 4)
    shutil.copytree(finished["output_dir"], tmp_path / "run")
    return finished | {"output_dir": str(tmp_path / "run")}


def test_the_last_step_is_evaluated_and_saved_and_a_resumed_run_trains_not_one_more(run):
    folder = Path(run["output_dir"])
    assert [path.name for path in checkpoints(folder)][-1] == "checkpoint-7"
    before = [(folder / "final" / name).read_bytes() for name in ("model.safetensors", "training_log.json")]
    shutil.rmtree(folder / "final")  # as if it had been killed before it was written
    train(run, resume=True)
    assert [path.name for path in checkpoints(folder)][-1] == "checkpoint-7"
    assert before == [(folder / "final" / name).read_bytes() for name in ("model.safetensors", "training_log.json")]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["missing", "cut", "empty"])
def test_a_checkpoint_with_a_damaged_file_is_not_whole(run, name, damage):
    last = Path(run["output_dir"]) / "checkpoint-7"
    assert fault(last) == ""
    content = (last / name).read_bytes()
    (last / name).unlink()
    if damage != "missing":
        (last / name).write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert name in fault(last)
    assert last_complete_checkpoint(last.parent) == last.parent / "checkpoint-6"
    assert last.exists(), "a run that is refused removes nothing"


def test_the_run_goes_on_from_the_checkpoint_before_to_the_same_end(run, capsys):
    folder = Path(run["output_dir"])
    before = (folder / "final" / "model.safetensors").read_bytes()
    (folder / "checkpoint-7" / "optimizer.pt").write_bytes(b"half")
    (folder / "checkpoint-best").mkdir()
    train(run, resume=True)
    assert "optimizer.pt is cut or damaged" in capsys.readouterr().err
    assert (folder / "final" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize("state", ["[]", "{}", '{"global_step": 7}', "null", "[" * 3000])
def test_a_state_that_is_none_is_seen(run, state):
    last = Path(run["output_dir"]) / "checkpoint-7"
    (last / "trainer_state.json").write_text(state)
    assert "trainer_state.json" in fault(last)


def test_two_runs_in_one_folder_and_another_network_are_refused(run):
    with alone(Path(run["output_dir"])), pytest.raises(TrainError, match="another run is at work"):
        train(run, resume=True)
    with pytest.raises(TrainError, match="was begun with hidden_size 8, and now it is 16"):
        train(run | {"model": run["model"] | {"hidden_size": 16}}, resume=True)


# ---------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("max_tokens", "max_token", "line 4: batch.max_token is no key; did you mean max_tokens?"),
        ("2048", "many", "line 4: batch.max_tokens must be a number, not 'many'"),
        ("lstm", "lsmt", "line 3: model.cell_type: cell_type must be one of rnn, lstm, gru, not 'lsmt'"),
        ("corpus: nowhere", "corpus: [", "not valid YAML: line"),
        ("nowhere", "nowhere", "corpus: there is no file or folder nowhere"),
        ("{max_steps: 1}", "{lr_scheduler_type: cosin, max_steps: 1}", "corpus: there is no"),
        ("output_dir", "outputdir", "lacks output_dir"),
    ],
)
def test_what_is_wrong_with_a_configuration_is_one_line(tmp_path, capsys, before, after, words):
    text = f"corpus: nowhere\noutput_dir: {tmp_path}/run\nmodel: {{cell_type: lstm}}\n"
    text += "batch: {max_tokens: 2048}\ntrainer: {max_steps: 1}\n"
    (tmp_path / "config.yaml").write_text(text.replace(before, after))
    assert main([str(tmp_path / "config.yaml")]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_numbers_may_be_written_as_people_write_them(tmp_path):
    text = "corpus: a\noutput_dir: b\ninitial: lstm\ntrainer: {learning_rate: 2e-3, max_steps: 1e3}\n"
    (tmp_path / "config.yaml").write_text(text)
    config = read_config(tmp_path / "config.yaml")
    assert config["trainer"] == {"learning_rate": 0.002, "max_steps": 1000}


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [("text", None, "row 2: text is None"), ("form", "词", "row 2: form is '词'; known are 五绝")],
)
def test_a_row_that_is_no_poem_is_named(column, value, words):
    rows = [{"text": "春眠不觉晓，处处闻啼鸟。", "form": None, "poet": None, "title": None}] * 2
    rows[1] = rows[1] | {column: value}
    with pytest.raises(Exception, match=words):
        encode(Dataset.from_list(rows), TangTokenizer.build("春眠"))


# ------------------------------------------------------------------------------------- beginning, averaging, unknown


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_widened_network_computes_what_the_narrow_one_did(cell, tmp_path):
    tokenizer = TangTokenizer.build("春眠不觉晓")
    sizes = {"vocab_size": len(tokenizer), "cell_type": cell, "embedding_size": 6, "num_hidden_layers": 2}
    small, large = (TangRNNForCausalLM(TangRNNConfig(**sizes, hidden_size=size)).eval() for size in (8, 13))
    export(small, tokenizer, tmp_path)
    begin_with(large, tokenizer, str(tmp_path))
    ids = tokenizer("春眠不觉晓", return_tensors="pt").input_ids
    with torch.no_grad():
        torch.testing.assert_close(large(ids).logits, small.half().float()(ids).logits, rtol=1e-3, atol=1e-4)
    weights = {name: value for name, value in small.state_dict().items() if "layers" in name}
    assert any((value[..., 8:] != 0).any() for value in widened(weights, large.state_dict(), 8).values()), (
        "new units see"
    )


def test_another_cells_weights_are_refused_by_name(tmp_path):
    tokenizer = TangTokenizer.build("春眠")
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 6, "hidden_size": 8}
    export(TangRNNForCausalLM(TangRNNConfig(**sizes, cell_type="lstm")), tokenizer, tmp_path)
    gru = TangRNNForCausalLM(TangRNNConfig(**sizes, cell_type="gru"))
    with pytest.raises(TrainError, match="the weights of an lstm, and model.cell_type is gru"):
        begin_with(gru, tokenizer, str(tmp_path))
    with pytest.raises(TrainError, match="initial: "):
        begin_with(gru, tokenizer, "nowhere")


def test_the_running_average_is_the_mean_of_what_the_weights_were_and_is_saved(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
    optimizer = MuonAdamW(model, 0.1, 0.1, average=0.5)
    expected = [weight.detach().clone() for weight in optimizer.weights]
    for step in range(1, 4):
        for weight in model.parameters():
            weight.grad = torch.randn_like(weight)
        optimizer.step()
        decay = min(0.5, step / (step + 9))
        expected = [decay * old + (1 - decay) * new.detach() for old, new in zip(expected, optimizer.weights)]
    now = [weight.detach().clone() for weight in optimizer.weights]
    with optimizer.averaged():
        torch.testing.assert_close([weight.detach() for weight in optimizer.weights], expected)
    torch.testing.assert_close([weight.detach() for weight in optimizer.weights], now)
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    loaded = averaged_weights(model, tmp_path / "optimizer.pt")
    with optimizer.averaged():
        for name, weight in model.named_parameters():
            torch.testing.assert_close(loaded[name], weight.detach())
    again = MuonAdamW(model, 0.1, 0.1, average=0.5)
    again.load_state_dict(optimizer.state_dict())
    torch.testing.assert_close(again.averages, optimizer.averages)
    assert again.steps == 3


def test_some_characters_are_read_as_unknown_and_none_is_to_be_written_so(finished):
    corpus = load_corpus(finished["corpus"])
    tokenizer = build_tokenizer(corpus["train"], min_count=1)
    rows = encode(corpus["train"], tokenizer).to_list()
    plain, hidden = (Collator(tokenizer, keep_context=0.0, unknown=share)(rows) for share in (0.0, 0.2))
    unknown, marks = tokenizer.unk_token_id, tokenizer.convert_tokens_to_ids(["，", "。"])
    assert torch.equal(plain["labels"], hidden["labels"]) and not hidden["labels"].eq(unknown).any()
    changed = plain["input_ids"] != hidden["input_ids"]
    assert hidden["input_ids"][changed].eq(unknown).all()
    assert not torch.isin(plain["input_ids"][changed], torch.tensor(marks)).any(), "marks are always seen"
    han = plain["labels"].ge(0) & ~torch.isin(plain["labels"], torch.tensor([*marks, tokenizer.eos_token_id]))
    assert 0.17 < changed.sum() / han.sum() < 0.23


def test_a_text_in_one_piece_has_form_and_poet_behind_its_start(finished):
    corpus = load_corpus(finished["corpus"])
    tokenizer = build_tokenizer(corpus["train"], min_count=1)
    rows = encode(corpus["train"], tokenizer).to_list()
    batch = Collator(tokenizer, keep=1.0, keep_context=1.0, inside=1.0)(rows)
    for row, ids, labels in zip(rows, batch["input_ids"].tolist(), batch["labels"].tolist()):
        start = ids.index(tokenizer.bos_token_id)
        told = row["form"] + row["poet"]
        assert ids[start + 1 : start + 1 + len(told)] == told
        assert all(label == -100 for label in labels[: start + 1 + len(told)])
        assert ids[:start] == row["title"]


def test_a_corpus_that_was_written_anew_is_read_anew(tmp_path):
    one, two = "床前明月光，疑是地上霜。举头望明月，低头思故乡。", "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    path = tmp_path / "poems.json"
    for more in ("千山鸟飞绝，万径人踪灭。", "空山不见人，但闻人语响。"):
        path.write_text(json.dumps([one, two, more], ensure_ascii=False))
        corpus = load_corpus(str(tmp_path))
        assert sorted([*corpus["train"]["text"], *corpus["validation"]["text"]]) == sorted([one, two, more])
    path.write_text(json.dumps([one, one]))
    with pytest.raises(CorpusError, match="a single poem"):
        load_corpus(str(path))
