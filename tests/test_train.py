"""The training pipeline on a corpus of a few poems: batches, context dropout, the loss, and an exact resume."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset, DatasetDict
from safetensors.torch import load_file, save_file

import training.train
from tang_rnn import TangPoet, TangRNNConfig, TangRNNForCausalLM
from training.data import IGNORED, Collator, LengthBatchSampler, build_tokenizer, encode, load_corpus, score
from training.train import TrainError, average, last_complete_checkpoint, main, read_config, train

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory):
    """Two hundred real poems, as the real corpus is laid out."""
    folder = tmp_path_factory.mktemp("corpus")
    corpus = load_corpus(str(ROOT / "training" / "corpus"))
    for split, count in (("train", 160), ("validation", 20), ("test", 20)):
        corpus[split].select(range(count)).to_parquet(folder / f"{split}.parquet")
    return folder


@pytest.fixture(scope="module")
def corpus(corpus_folder) -> DatasetDict:
    return load_corpus(str(corpus_folder))


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return build_tokenizer(corpus["train"], min_poems=1)


@pytest.fixture(scope="module")
def encoded(corpus, tokenizer) -> Dataset:
    return encode(corpus["train"], tokenizer)


def configuration(corpus_folder, output_dir, **trainer) -> dict:
    options = {"max_steps": 12, "eval_steps": 4, "logging_steps": 1, "learning_rate": 0.01, "warmup_steps": 2}
    return {
        "corpus": str(corpus_folder),
        "output_dir": str(output_dir),
        "model": {
            "cell_type": "lstm",
            "embedding_size": 16,
            "hidden_size": 24,
            "num_hidden_layers": 2,
            **dict.fromkeys(["embedding_dropout", "input_dropout", "hidden_dropout", "output_dropout"], 0.1),
            "recurrent_dropout": 0.2,
            "output_samples": 64,
        },
        "batch": {"max_tokens": 512, "max_length": 100},
        "muon_learning_rate": 0.01,
        "trainer": options
        | {"seed": 3, "use_cpu": True, "bf16": True, "disable_tqdm": True, "report_to": []}
        | trainer,
        "average_last": 2,
    }


def test_the_tokenizer_knows_what_occurs_twice(corpus, tokenizer):
    text = "".join(corpus["train"]["text"]) + "".join(corpus["train"]["title"])
    for char in set(text):
        assert (tokenizer(char, add_special_tokens=False).input_ids != [tokenizer.unk_token_id]) == (
            text.count(char) > 1
        )


def test_every_epoch_sees_every_poem_once_in_as_many_batches(encoded):
    lengths = [len(text) for text in encoded["text"]]
    sampler = LengthBatchSampler(lengths, max_tokens=512, seed=1)
    epochs = []
    for epoch in (0, 1):
        sampler.epoch = epoch
        batches = list(sampler)
        epochs.append(batches)
        assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
        assert len(batches) == len(sampler)
        for batch in batches:
            longest = max(min(lengths[row], 512) for row in batch)
            assert longest * len(batch) <= 512
    assert epochs[0] != epochs[1], "shuffled anew"
    again = LengthBatchSampler(lengths, max_tokens=512, seed=1)
    assert list(again) == epochs[0], "and the same by the same seed"


def test_processes_share_the_batches_without_overlap(encoded):
    lengths = [len(text) for text in encoded["text"]]
    shares = [list(LengthBatchSampler(lengths, 512, rank=rank, world_size=2)) for rank in (0, 1)]
    assert len(shares[0]) == len(shares[1])
    rows = [row for share in shares for batch in share for row in batch]
    assert len(rows) == len(set(rows))


def test_labels_are_the_text_and_its_end_whatever_context_stays(encoded, tokenizer):
    rows = [encoded[index] for index in range(40)]
    collate = Collator(tokenizer, max_length=48, seed=5)
    batch = collate(rows)
    contexts = set()
    for row, ids, labels in zip(rows, batch["input_ids"].tolist(), batch["labels"].tolist()):
        start = ids.index(tokenizer.bos_token_id)
        whole = row["text"] + [tokenizer.eos_token_id] if len(row["text"]) <= 48 else row["text"][:48]
        assert labels[: start + 1] == [IGNORED] * (start + 1)
        assert labels[start + 1 : start + 1 + len(whole)] == whole == ids[start + 1 : start + 1 + len(whole)]
        assert set(labels[start + 1 + len(whole) :]) <= {IGNORED}
        pieces = row["form"] + row["poet"] + row["title"]
        assert [token for token in pieces if token in ids[:start]] == ids[:start]
        contexts.add(start > 0)
    assert contexts == {True, False}, "some rows are told something, some nothing"
    assert torch.equal(collate(rows)["input_ids"], batch["input_ids"]), "decided by seed, epoch and rows alone"
    collate.epoch = 1
    assert not torch.equal(collate(rows)["input_ids"], batch["input_ids"])


def test_score_is_the_loss_of_each_poem_alone(corpus, tokenizer):
    torch.manual_seed(0)
    model = TangRNNForCausalLM(TangRNNConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8)).eval()
    encoded = encode(corpus["validation"], tokenizer)
    nats = characters = 0
    for text in corpus["validation"]["text"]:
        ids = tokenizer(text, return_tensors="pt").input_ids
        ids = torch.cat([ids, torch.tensor([[tokenizer.eos_token_id]])], 1)
        nats += model(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        characters += ids.shape[1] - 1
    result = score(model, tokenizer, encoded, max_tokens=300)
    assert result["counted"] == characters
    assert result["loss"] == pytest.approx(nats / characters, rel=1e-5)
    assert result["perplexity"] == pytest.approx(np.exp(result["loss"]))


def losses(folder: Path) -> tuple:
    state = json.loads((folder / "checkpoint-12" / "trainer_state.json").read_text())
    return tuple((entry["step"], entry.get("loss"), entry.get("eval_loss")) for entry in state["log_history"])


def test_a_killed_run_goes_on_as_if_it_had_not_been(corpus_folder, tmp_path):
    """The first run is killed for good, between two checkpoints, and while a later one is half written."""
    whole = configuration(corpus_folder, tmp_path / "whole")
    final = train(whole)
    killed = configuration(corpus_folder, tmp_path / "killed")
    script = (
        "import os, sys, yaml, training.train as t\n"
        "class Killer(t.EpochCallback):\n"
        "    def on_step_end(self, args, state, control, **kwargs):\n"
        "        if state.global_step == 7: os.kill(os.getpid(), 9)\n"
        "t.EpochCallback = Killer\n"
        "t.train(yaml.safe_load(sys.stdin))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=yaml.safe_dump(killed), text=True, cwd=ROOT, capture_output=True
    )
    assert done.returncode == -9, done.stderr
    broken = tmp_path / "killed" / "checkpoint-8"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(TrainError, match="--resume"):
        train(killed)
    train(killed, resume=True)
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    for name in ("model.safetensors", "training_log.json"):
        assert (tmp_path / "killed" / "final" / name).read_bytes() == (final / name).read_bytes()

    poet = TangPoet.from_pretrained(final)  # what training leaves is a checkpoint like those that ship
    assert len(poet.write("", form="五绝", seed=1).lines) == 4
    assert next(poet.model.parameters()).dtype == torch.float32
    curve = json.loads((final / "training_log.json").read_text())
    assert [step for step, _ in curve["validation"]] == [4, 8, 12] and curve["validation"][-1][1] < 8
    assert len(list((tmp_path / "whole" / "poems").iterdir())) == 3


def test_a_stage_before_is_trained_once_and_gone_on_from(corpus_folder, tmp_path, monkeypatch):
    """Its poems are the corpus's and the other's, those with unknown characters left out."""
    other = tmp_path / "other"
    other.mkdir()
    rows = load_corpus(str(corpus_folder))["train"].select(range(6)).to_list()
    rows[0]["text"] = "龘" + rows[0]["text"][1:]
    Dataset.from_list(rows).to_parquet(other / "train.parquet")
    config = configuration(corpus_folder, tmp_path / "run", max_steps=2, eval_steps=1, learning_rate=0.0)
    config |= {"tokenizer": {"min_count": 1}, "average_last": 1}
    config["muon_learning_rate"] = None  # AdamW that goes nowhere: what began is what ends
    config["pretrain"] = {"corpus": str(other), "trainer": {"learning_rate": 0.01}, "model": {"output_dropout": 0.5}}
    final = train(config)
    before = tmp_path / "run" / "pretrain"
    weights = [load_file(folder / "final" / "model.safetensors") for folder in (before, tmp_path / "run")]
    torch.testing.assert_close(*weights, rtol=0, atol=0)
    assert json.loads((before / "final" / "config.json").read_text())["output_dropout"] == 0.5
    assert json.loads((final / "config.json").read_text())["output_dropout"] == 0.1

    stages = []
    monkeypatch.setattr(training.train, "fit", lambda config, tokenizer, rows, *rest: stages.append((config, rows)))
    train(config, resume=True)
    assert [Path(stage["output_dir"]).name for stage, _ in stages] == ["run"], "the stage before is done"
    (before / "final" / "training_log.json").unlink()
    train(config, resume=True)
    assert [Path(stage["output_dir"]).name for stage, _ in stages[1:]] == ["pretrain", "run"]
    assert len(stages[1][1]) == 160 + 5


def test_a_broken_checkpoint_is_not_resumed_from(tmp_path):
    for step, state in ((4, "{}"), (8, '{"half')):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text(state)
    assert last_complete_checkpoint(tmp_path).name == "checkpoint-4"
    assert not (tmp_path / "checkpoint-8").exists()


def test_average_is_the_mean_of_the_weights(tmp_path):
    for number in (1, 3):
        (tmp_path / str(number)).mkdir()
        save_file({"w": torch.full((2,), float(number))}, tmp_path / str(number) / "model.safetensors")
    assert torch.equal(average([tmp_path / "1", tmp_path / "3"])["w"], torch.full((2,), 2.0))


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "cannot read"), ("a: [", "not valid YAML"), ("corpus: x\n", "lacks output_dir, model"), ("- 1", "lacks")],
)
def test_a_wrong_configuration_is_one_line(tmp_path, capsys, text, words):
    path = tmp_path / "config.yaml"
    if text is not None:
        path.write_text(text)
    assert main([str(path)]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_committed_configurations_are_whole(cell):
    config = read_config(ROOT / "training" / "configs" / f"{cell}.yaml")
    assert TangRNNConfig(**config["model"]).cell_type == cell
