"""The comparison is fair and can be interrupted: one loss for all, each batch once, and nothing measured twice."""

import itertools
import json

import pytest
import torch
from test_train import corpus_folder  # noqa: F401

from benchmarks import peers
from training.data import encode, score
from training.loading import load_corpus
from training.vocabulary import build_tokenizer


@pytest.fixture(scope="module")
def corpus(corpus_folder):  # noqa: F811
    return load_corpus(str(corpus_folder))


@pytest.fixture(scope="module")
def tokenizer(corpus):
    return build_tokenizer(corpus["train"])


@pytest.fixture(scope="module")
def train(corpus, tokenizer):
    return encode(corpus["train"], tokenizer)


@pytest.fixture
def small(monkeypatch):
    """Configurations of the committed shape and the size of a test."""
    configuration = peers.configuration
    model = {"embedding_size": 16, "hidden_size": 16, "output_samples": 64}
    monkeypatch.setattr(
        peers, "configuration", lambda cell: (full := configuration(cell)) | {"model": full["model"] | model}
    )


def test_the_loss_is_the_trainers_own(small, train, tokenizer):
    peer = peers.Ours(tokenizer, train, "gru")
    assert peers.loss_on(peer, train, 500) == pytest.approx(score(peer.model, tokenizer, train)["loss"], rel=1e-5)


def test_gpt2_reads_what_is_longer_than_its_window(small, train, tokenizer):
    peer = peers.GPT2(tokenizer, train, (1e-3, None)).eval()
    peer.window = 8
    ids = torch.randint(4, len(tokenizer), (2, 21))
    logits = peer(ids)
    assert logits.shape == (2, 21, len(tokenizer))
    torch.testing.assert_close(logits[:, :8], peer.model(ids[:, :8]).logits)
    torch.testing.assert_close(logits[:, 11], peer.model(ids[:, 4:12]).logits[:, -1])


def test_each_peer_learns(small, train, tokenizer):
    makes = [peers.Report, peers.Book, lambda *a: peers.GPT2(*a, (4e-3, 0.015)), lambda *a: peers.Ours(*a, "rnn")]
    for make in makes:
        torch.manual_seed(0)
        peer = make(tokenizer, train)
        rows = next(peer.batches(0))
        losses = []
        for _ in range(4):
            losses.append(peers.loss_on(peer, train.select(rows)))
            for group in peer.optimizer.param_groups:
                group["lr"] = 1e-3  # the report's own makes the first steps worse, not better
            peer.optimizer.zero_grad()
            peer.backward(rows)
            peer.optimizer.step()
        assert losses[-1] < losses[0], (make, losses)


def test_an_interrupted_training_goes_on_with_the_next_batch(small, train, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(peers, "SAVE_EVERY", 0)  # after every step
    clock = itertools.count()
    monkeypatch.setattr(peers.time, "perf_counter", lambda: next(clock))  # a step takes a second
    seen = []

    class Interrupted(peers.Report):
        def backward(self, rows):
            seen.append(rows)
            if len(seen) == 2:
                raise KeyboardInterrupt
            super().backward(rows[:2])

        def batches(self, epoch):
            return self.shuffled(epoch, 50)

    with pytest.raises(KeyboardInterrupt):
        peers.fit(Interrupted(tokenizer, train), 6, tmp_path)
    done = peers.fit(Interrupted(tokenizer, train), 6, tmp_path)
    assert done["steps"] == 6 and done["epoch"] == 1 and done["seconds"] == 6
    first, second = (list(Interrupted(tokenizer, train).batches(epoch)) for epoch in (0, 1))
    assert seen == [first[0], first[1], *first[1:], *second[:2]], "the interrupted one again, no other"


def test_the_command_measures_once(small, corpus_folder, tmp_path, capsys, monkeypatch):  # noqa: F811
    options = ["--minutes", "0.001", "--only", "report", "gpt2", "lstm", "--corpus", str(corpus_folder)]
    options += ["--out", str(tmp_path), "--threads", "1", "--json"]
    assert peers.main(options) == 0
    result = json.loads(capsys.readouterr().out)
    assert [system["name"] for system in result["systems"]] == ["report", "gpt2", "lstm"]
    assert all(4 < system["loss"]["test"] < 9 and system["steps"] for system in result["systems"])
    assert json.loads((tmp_path / "0.001m" / "peers.json").read_text()) == result
    monkeypatch.setattr(peers, "fit", None)  # nothing may be trained again
    assert peers.main(options) == 0
    assert json.loads(capsys.readouterr().out)["systems"] == result["systems"]
    monkeypatch.setattr(peers.torch, "get_num_threads", lambda: 2)
    assert peers.main(options) == 2 and "other settings" in capsys.readouterr().err
