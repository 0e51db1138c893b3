"""The training pipeline on a corpus of a few poems: batches, context dropout, the loss, and an exact resume."""

import json
import operator
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import hub_server
import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torch.optim._muon import _zeropower_via_newtonschulz

import training.export
import training.train
from tang_rnn import TangPoet, TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from training import precision
from training.checkpoints import average
from training.configuration import read_config, training_arguments
from training.data import (
    IGNORED,
    Collator,
    LengthBatchSampler,
    LengthBatchStream,
    encode,
    known_only,
    score,
    together,
)
from training.errors import CorpusError, TrainError
from training.export import export
from training.loading import load_corpus
from training.optimizer import Muon, orthogonalized
from training.teachers import Teachers
from training.train import main, train
from training.vocabulary import build_tokenizer

ROOT = Path(__file__).parent.parent

# A program that trains as a list of runs in a YAML file says, and dies in the middle of a step where it is told to.
PROGRAM = """
import os, sys, yaml, training.export, training.train as t

training.export.SAMPLING["max_new_tokens"] = 16
compute_loss = t.PoetTrainer.compute_loss
def dies(self, *args, **kwargs):
    if self.state.global_step == run.get("dies_at") and self.args.process_index == self.args.world_size - 1:
        os.kill(os.getpid(), 9)
    return compute_loss(self, *args, **kwargs)
t.PoetTrainer.compute_loss = dies
for run in yaml.safe_load(open(sys.argv[1])):
    t.train(run["config"], run.get("resume", False))
"""


@pytest.fixture(autouse=True)
def short_samples(monkeypatch):
    """An untrained model does not end its poems, and nobody reads them here."""
    monkeypatch.setitem(training.export.SAMPLING, "max_new_tokens", 16)


def run_program(folder: Path, *runs: dict, processes: int = 1, **environment: str) -> subprocess.CompletedProcess:
    (folder / "program.py").write_text(PROGRAM)
    (folder / "runs.yaml").write_text(yaml.safe_dump(list(runs)))
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    return subprocess.run(
        [sys.executable, *(torchrun if processes > 1 else []), folder / "program.py", folder / "runs.yaml"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        text=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def corpus_folder(tmp_path_factory):
    """Two hundred real poems, as the real corpus is laid out."""
    folder = tmp_path_factory.mktemp("corpus")
    corpus = load_corpus(str(ROOT / "training" / "corpus"))
    for split, count in (("train", 160), ("validation", 20), ("test", 20)):
        corpus[split].select(range(count)).to_parquet(folder / f"{split}.parquet")
    return folder


@pytest.fixture(scope="module")
def corpus(corpus_folder) -> dict[str, Dataset]:
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


def test_a_step_has_the_same_batches_by_one_process_or_three(encoded):
    lengths = [len(text) for text in encoded["text"]]
    one = list(LengthBatchSampler(lengths, 128, seed=1, per_step=3))
    three = [list(LengthBatchSampler(lengths, 128, seed=1, per_step=3, rank=rank, world_size=3)) for rank in range(3)]
    assert one == [batch for step in zip(*three) for batch in step]
    with pytest.raises(CorpusError, match="160 poems make"):
        LengthBatchSampler(lengths, 4096, per_step=100)


@pytest.fixture(scope="module")
def stream_folder(corpus, tmp_path_factory):
    """The same corpus, its training poems in several files as large corpora are."""
    folder = tmp_path_factory.mktemp("stream")
    for number in range(4):
        corpus["train"].shard(4, number).to_parquet(folder / f"train-{number:05}-of-00004.parquet")
    corpus["validation"].to_parquet(folder / "validation.parquet")
    return folder


def test_a_stream_is_every_poem_once_in_batches_of_like_length(stream_folder, corpus, tokenizer):
    streamed = load_corpus(str(stream_folder), streaming=True)
    assert sorted(build_tokenizer(streamed["train"], min_poems=1).get_vocab()) == sorted(tokenizer.get_vocab())
    assert streamed["validation"]["text"] == corpus["validation"]["text"]
    stream = encode(streamed["train"], tokenizer)
    assert len(list(known_only(stream, tokenizer))) == len(known_only(encode(corpus["train"], tokenizer), tokenizer))
    assert len(list(together(encode(corpus["validation"], tokenizer), stream))) == 20 + 160

    seen = []

    def collate(rows):
        assert max(len(row["text"]) + 2 for row in rows) * len(rows) <= 512 or len(rows) == 1
        seen.append([tuple(row["text"]) for row in rows])
        return {}

    collate.seed = 1
    batches = LengthBatchStream(stream, collate, max_tokens=512, buffer=30, per_step=2)
    epochs = {0: [], 1: []}
    ends = set()
    for batch in batches:
        ((part, (epoch, *_)),) = batch["position"].items()
        if epoch in epochs:
            epochs[epoch].append(seen[-1])
        else:
            ends.add(part)
        if ends == {"0", "1"}:
            break
    texts = sorted(tuple(text) for text in encode(corpus["train"], tokenizer)["text"])
    for epoch in epochs.values():
        assert sorted(text for batch in epoch for text in batch) == texts
    assert epochs[0] != epochs[1], "shuffled anew"
    spread = [max(map(len, batch)) - min(map(len, batch)) for batch in epochs[0]]
    assert np.mean(spread) < 0.4 * np.std([len(text) for text in texts]), "of like length"


@pytest.mark.parametrize("parts", [2, 3])  # of four files: by files, and by poems
def test_a_stream_goes_on_from_any_position_and_is_shared_out(stream_folder, tokenizer, parts):
    """The same batches by one process, by several, and from positions that a checkpoint may hold."""
    stream = encode(load_corpus(str(stream_folder), streaming=True)["train"], tokenizer)

    def batches(count, **kwargs):
        options = {"max_tokens": 512, "buffer": 30, "per_step": parts} | kwargs
        result = list(islice(LengthBatchStream(stream, Collator(tokenizer, seed=3), **options), count))
        return result, [(batch["seed"], batch["input_ids"].tolist()) for batch in result]

    whole, expected = batches(60)
    assert {epoch for batch in whole for epoch, *_ in batch["position"].values()} >= {0, 1}, "more than once around"
    assert len({seed for seed, _ in expected}) == 60
    shares = [batches(60 // parts, rank=rank, world_size=parts)[1] for rank in range(parts)]
    assert [batch for step in zip(*shares) for batch in step] == expected
    positions = {}
    for number, batch in enumerate(whole[:50], 1):
        positions |= batch["position"]
        if number in (parts, 4 * parts, 7 * parts, 16 * parts):
            saved = json.loads(json.dumps(positions))
            assert batches(6, positions=saved)[1] == expected[number : number + 6]
    with pytest.raises(CorpusError, match="no poems for part"):
        batches(500, per_step=300)


def test_a_stream_needs_to_be_told_its_end(stream_folder, tmp_path, capsys):
    config = configuration(stream_folder, tmp_path / "run", max_steps=-1) | {"streaming": True}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert main([str(tmp_path / "config.yaml")]) == 2
    assert "max_steps" in capsys.readouterr().err


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


def losses(folder: Path, step: int = 12) -> list:
    state = json.loads((folder / f"checkpoint-{step}" / "trainer_state.json").read_text())
    return [
        (entry["step"], *(entry[name] for name in ("loss", "eval_loss") if name in entry))
        for entry in state["log_history"]
    ]


def test_a_killed_run_goes_on_as_if_it_had_not_been(corpus_folder, tmp_path):
    """The first run is killed for good, between two checkpoints, and while a later one is half written."""
    whole = configuration(corpus_folder, tmp_path / "whole")
    final = train(whole)
    killed = configuration(corpus_folder, tmp_path / "killed")
    done = run_program(tmp_path, {"config": killed, "dies_at": 7})
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


def test_two_processes_give_the_curve_of_one_though_a_process_is_killed(corpus_folder, stream_folder, tmp_path):
    """The corpus in memory and the corpus as a stream, with all dropout: a step's two batches by one process or by two
    under torchrun, one of which is killed. One run goes on with two processes, the other with one."""
    configs = {}
    for kind in ("memory", "stream"):
        for name in ("one", "two"):
            folder = stream_folder if kind == "stream" else corpus_folder
            config = configuration(folder, tmp_path / f"{kind}-{name}", max_steps=6, eval_steps=3)
            config["batch"] |= {"batches_per_step": 2, "buffer": 50}
            configs[kind, name] = config | {"streaming": kind == "stream", "average_last": 1}
        train(configs[kind, "one"])
    memory, stream = configs["memory", "two"], configs["stream", "two"]
    first = run_program(tmp_path, {"config": memory, "dies_at": 4}, processes=2)
    assert first.returncode and "Signal 9" in first.stderr, first.stderr
    assert not (tmp_path / "memory-two" / "checkpoint-6").exists()
    second = run_program(tmp_path, {"config": memory, "resume": True}, {"config": stream, "dies_at": 4}, processes=2)
    assert second.returncode and "Signal 9" in second.stderr, second.stderr
    assert not (tmp_path / "stream-two" / "checkpoint-6").exists()
    train(stream, resume=True)
    for kind in ("memory", "stream"):
        one, two = (losses(tmp_path / f"{kind}-{name}", 6) for name in ("one", "two"))
        assert [entry[0] for entry in one] == [1, 2, 3, 3, 4, 5, 6, 6]
        assert [value for entry in two for value in entry] == pytest.approx(
            [x for entry in one for x in entry], rel=1e-5
        )
        weights = [load_file(tmp_path / f"{kind}-{name}" / "final" / "model.safetensors") for name in ("one", "two")]
        torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-5)


def test_a_stream_from_the_hub_gives_the_curve_of_the_same_files_here(stream_folder, tmp_path):
    """Read over HTTP as it is used; a process that is killed goes on in another, from where the stream was."""
    here = configuration(stream_folder, tmp_path / "here", max_steps=8) | {"streaming": True}
    here["batch"]["buffer"] = 30
    train(here)
    with hub_server.serve() as hub:
        hub.repositories["dataset", "someone/poems"] = repository = hub_server.Repository()
        files = {path.name: path.read_bytes() for path in stream_folder.iterdir()}
        repository.branches["main"].append(hub_server.Commit("poems", files))
        there = here | {"corpus": "someone/poems", "output_dir": str(tmp_path / "there")}
        network = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home")}
        network["HF_HUB_DISABLE_XET"] = "1"
        first = run_program(tmp_path, {"config": there, "dies_at": 6}, **network)
        assert first.returncode == -9 and (tmp_path / "there" / "checkpoint-4").exists(), first.stderr
        second = run_program(tmp_path, {"config": there, "resume": True}, **network)
        assert second.returncode == 0, second.stderr
        assert any(re.match("GET /datasets/.*train-00003", request) for request in hub.requests)
        assert not list((tmp_path / "home").rglob("train-*.parquet")), "read, not downloaded"
    assert losses(tmp_path / "there", 8) == losses(tmp_path / "here", 8)


def test_a_stage_before_may_be_a_stream(corpus_folder, stream_folder, tmp_path):
    """The poems of both corpora, read as they are used; killed in it, the run goes on to the same two curves."""
    config = configuration(corpus_folder, tmp_path / "whole", max_steps=4, eval_steps=2) | {"average_last": 1}
    config["batch"]["buffer"] = 30
    config["pretrain"] = {"corpus": str(stream_folder), "streaming": True, "trainer": {"max_steps": 6}}
    train(config)
    cut = config | {"output_dir": str(tmp_path / "cut")}
    done = run_program(tmp_path, {"config": cut, "dies_at": 5})
    assert done.returncode == -9 and (tmp_path / "cut" / "pretrain" / "checkpoint-4").exists(), done.stderr
    train(cut, resume=True)
    for stage, steps in (("pretrain", 6), ("", 4)):
        assert losses(tmp_path / "cut" / stage, steps) == losses(tmp_path / "whole" / stage, steps)
    config |= {"output_dir": str(tmp_path / "endless")}
    config["pretrain"] = config["pretrain"] | {"trainer": {"max_steps": -1}}
    with pytest.raises(TrainError, match="a stream has no known end: set max_steps"):
        train(config)


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
    config_written = json.loads((final / "config.json").read_text())
    assert config_written["output_dropout"] == 0.1 and config_written["use_cache"]
    log = json.loads((final / "training_log.json").read_text())
    assert log["pretrained_on"] == other.name, "a published log names no folder of this machine"
    assert log["pretrained_epochs"] == json.loads((before / "final" / "training_log.json").read_text())["epochs"] > 0
    curve = log["validation"]
    assert [step for step, _ in curve] == [1, 2, 3, 4]
    assert curve[3][1] == pytest.approx(curve[1][1], abs=1e-3), "but for the rounding of what is stored"

    stages = []
    monkeypatch.setattr(training.train, "fit", lambda config, tokenizer, rows, *_, **__: stages.append((config, rows)))
    train(config, resume=True)
    assert [Path(stage["output_dir"]).name for stage, _ in stages] == ["run"], "the stage before is done"
    (before / "final" / "training_log.json").unlink()
    train(config, resume=True)
    assert [Path(stage["output_dir"]).name for stage, _ in stages[1:]] == ["pretrain", "run"]
    assert len(stages[1][1]) == 160 + 5


def test_a_checkpoint_of_another_vocabulary_is_begun_with(corpus_folder, tmp_path):
    """Each token keeps its embedding, wherever it stands; what is new begins anew; what does not fit is named."""
    model = TangRNNForCausalLM(TangRNNConfig(vocab_size=40, embedding_size=16, hidden_size=24, num_hidden_layers=2))
    theirs = TangTokenizer.build("春眠不觉晓", ["李白"])
    export(model, theirs, tmp_path / "before")
    config = configuration(corpus_folder, tmp_path / "run", max_steps=1, eval_steps=1, learning_rate=0.0)
    config |= {"muon_learning_rate": None, "average_last": 1, "initial": str(tmp_path / "before")}
    poet = TangPoet.from_pretrained(train(config))
    ours, rows = poet.tokenizer.get_vocab(), poet.model.get_input_embeddings().weight
    for token in ("春", "<s>", "<五绝>"):
        expected = model.half().get_input_embeddings().weight[theirs.get_vocab()[token]]
        assert torch.equal(rows[ours[token]].half(), expected)
    cell, expected = (each.model.layers[1].cell.weight_hh_l0 for each in (poet.model, model))
    assert torch.equal(cell.half(), expected)
    config |= {"output_dir": str(tmp_path / "other"), "model": config["model"] | {"hidden_size": 8}}
    with pytest.raises(TrainError, match="hidden_size 24, and model.hidden_size is 8: weights can be widened"):
        train(config)


def test_a_run_whose_loss_runs_away_ends_with_a_word_about_it(corpus_folder, tmp_path):
    """Not with zeros in the log, nor with a traceback out of the poems it cannot write any more."""
    with pytest.raises(TrainError, match="smaller muon_learning_rate or learning_rate"):
        train(configuration(corpus_folder, tmp_path / "run", learning_rate=1e30))
    assert not (tmp_path / "run" / "final").exists()


@pytest.mark.parametrize("faster", [torch.float32, torch.bfloat16])
def test_a_run_is_in_bfloat16_where_that_is_faster(monkeypatch, faster):
    """Whatever a processor says that it has; and not where a configuration does not ask for it."""
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_seconds", lambda x, weight: 1.0 if x.dtype == weight.dtype == faster else 2.0)
    precision.fast_bfloat16.cache_clear()
    try:
        here = training_arguments({"bf16": True, "use_cpu": True}, output_dir="runs/x")
        assert here.bf16 == (faster == torch.bfloat16)
        assert not training_arguments({"use_cpu": True}, output_dir="runs/x").bf16
        with precision.autocast(torch.device("cpu")):
            assert torch.mm(torch.ones(2, 2), torch.ones(2, 2)).dtype == faster
    finally:
        precision.fast_bfloat16.cache_clear()


@pytest.mark.parametrize("shape", [(96, 40), (40, 96), (64, 64)])
def test_muon_is_torchs_to_the_rounding_of_bfloat16(shape):
    """Against the same five steps in float64: as near as torch's on a gradient whose singular values fall off, and on
    one of noise within a few times bfloat16's precision of 0.004. Then three steps of the optimizer beside torch's."""
    torch.manual_seed(0)
    noise = torch.randn(shape)
    left, _, right = torch.linalg.svd(noise, full_matrices=False)
    a, b, c = coefficients = (3.4445, -4.775, 2.0315)
    for matrix, most in ((noise, 0.05), (left * torch.logspace(0, -4, min(shape)) @ right, None)):
        exact = matrix.double() / matrix.norm()
        for _ in range(5):
            gram = exact @ exact.T
            exact = a * exact + (b * gram + c * gram @ gram) @ exact
        reference = _zeropower_via_newtonschulz(matrix, coefficients, 5, 1e-7)
        mine, torchs = (
            (x.double() - exact).norm() / exact.norm() for x in (orthogonalized(matrix, coefficients), reference)
        )
        assert mine < (most or 1.2 * torchs)
    own, other = (nn.Parameter(noise.clone()) for _ in range(2))
    options = {"lr": 0.02, "weight_decay": 0.1, "adjust_lr_fn": "match_rms_adamw"}
    optimizers = Muon([own], **options), torch.optim.Muon([other], **options)
    for _ in range(3):
        own.grad, other.grad = (torch.randn(shape),) * 2
        for optimizer in optimizers:
            optimizer.step()
    assert (own - other).norm() < 0.05 * (other - noise).norm()
    optimizers[0].load_state_dict(optimizers[1].state_dict())  # a run begun with torch's goes on


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


@pytest.mark.parametrize(
    ("name", "cell"),
    [("rnn", "rnn"), ("lstm", "lstm"), ("gru", "gru"), ("teacher", "lstm"), ("distilled", "lstm")],
)
def test_the_committed_configurations_are_whole(name, cell):
    config = read_config(ROOT / "training" / "configs" / f"{name}.yaml")
    assert TangRNNConfig(**config["model"]).cell_type == cell


def test_teachers_are_averaged_and_trusted_as_far_as_one_says(corpus_folder, tokenizer, encoded, tmp_path):
    """Of the corpus's own poems a part of what the labels say stays; of the others' nothing does."""
    models = []
    for number in range(2):
        torch.manual_seed(number)
        models.append(TangRNNForCausalLM(TangRNNConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8)))
        export(models[-1], tokenizer, tmp_path / str(number))
    names, loaded = [str(tmp_path / "0"), str(tmp_path / "1")], {}
    teachers = Teachers(names, tokenizer, torch.device("cpu"), trust=0.75, loaded=loaded)
    again = Teachers(names[::-1], tokenizer, torch.device("cpu"), loaded=loaded)
    assert all(map(operator.is_, again.models, teachers.models[::-1])), "the next stage asks those that are loaded"
    batch = Collator(tokenizer, own=1)([encoded[0], encoded[1]])
    soft = teachers.target_probs(batch["input_ids"], batch["labels"], batch["own"])
    counted = batch["labels"][:, 1:].ne(-100)
    mean = sum(model.half().float()(batch["input_ids"]).logits[:, :-1][counted].softmax(-1) for model in models) / 2
    labels, first = batch["labels"][:, 1:][counted], counted[0].sum()
    expected = mean.clone()
    expected[:first] = 0.75 * mean[:first] + 0.25 * F.one_hot(labels[:first], len(tokenizer))
    torch.testing.assert_close(soft, expected, rtol=1e-4, atol=1e-6)


def test_a_cell_learns_what_its_teachers_think(corpus_folder, tokenizer, tmp_path, monkeypatch):
    """Beside poems of another corpus, the corpus's own repeated."""
    torch.manual_seed(0)
    teacher = TangRNNForCausalLM(TangRNNConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8))
    teacher.model.embed_tokens.weight.data.mul_(10)
    teacher.model.projection.bias.data.fill_(1.0)  # a strong opinion, whatever came before
    export(teacher, tokenizer, tmp_path / "teacher")
    config = configuration(corpus_folder, tmp_path / "run", max_steps=30, eval_steps=30, learning_rate=0.05)
    config |= {"tokenizer": str(tmp_path / "teacher"), "beside": str(corpus_folder), "repeat": 2}
    config["teachers"] = {"checkpoints": [str(tmp_path / "teacher")], "trust": 1.0}
    read = []
    fit = training.train.fit
    monkeypatch.setattr(training.train, "fit", lambda *args, **rest: (read.append(args), fit(*args, **rest)))
    final = train(config)
    assert len(read[0][2]) > read[0][5] == 320, "two times the corpus itself, then what stands beside it"
    log = json.loads((final / "training_log.json").read_text())
    losses = [loss for _, loss in log["train"]]  # against what the teacher thinks, whom the labels would not lead to
    assert losses[-1] < losses[0] - 0.5
    assert (log["teachers"], log["beside"], log["epochs"]) == (1, corpus_folder.name, 2 * log["beside_epochs"])


def test_a_corpus_beside_two_stages_is_encoded_once(corpus_folder, tmp_path, monkeypatch):
    config = configuration(corpus_folder, tmp_path / "run") | {"beside": str(corpus_folder), "repeat": 2}
    config["pretrain"] = {"beside": str(corpus_folder), "repeat": 1}
    encoded, stages = [], []
    encode = training.train._encode
    monkeypatch.setattr(training.train, "_encode", lambda what, *rest: (encoded.append(what), encode(what, *rest))[1])
    monkeypatch.setattr(training.train, "fit", lambda *args, **rest: stages.append((len(args[2]), args[5])))
    train(config)
    assert len(encoded) == 3, "train, validation, and what stands beside them"
    (before, own_before), (then, own) = stages
    assert (own_before, own) == (160, 320) and then - own == before - own_before > 0


def test_a_teacher_of_another_vocabulary_is_refused(corpus_folder, tmp_path):
    theirs = TangTokenizer.build("春眠不觉晓", ["李白"])
    model = TangRNNForCausalLM(TangRNNConfig(vocab_size=len(theirs), embedding_size=8, hidden_size=8))
    export(model, theirs, tmp_path / "teacher")
    config = configuration(corpus_folder, tmp_path / "run") | {"teachers": {"checkpoints": [str(tmp_path / "teacher")]}}
    with pytest.raises(TrainError, match="another vocabulary"):
        train(config)
    config["teachers"] = {"checkpoints": [], "trust": 2}
    with pytest.raises(TrainError, match="names one or more"):
        train(config | {"output_dir": str(tmp_path / "other")})
