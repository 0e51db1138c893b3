"""Our cells against their peers on the same poems: ``python -m benchmarks.peers [--minutes 20] [--json]``.

Each system is trained for the same time on the same machine with the same number of threads, then read on the test
poems: nats per character, marks and end included, told nothing. A system that is finished is not trained again and one
under way is gone on with, so an interrupted run costs half a minute. What is compared:

    report      the exercise this project began with: two LSTM layers of 128, embedding 100, RMSprop at 0.01, a step for
                100 poems that are run one by one, a ReLU on the logits
    book        pytorch-book: two LSTM layers of 256, embedding 128, Adam at 0.001, batches of 128 poems that are all
                filled up in front to 125 characters, which count
    gpt2        transformers' GPT-2 with as many parameters as our lstm and all that ours have: batches by length,
                output layer, bfloat16, warm-up and cosine; the best of several optimizers, tried for a tenth of the
                time each, which is not counted
    rnn, lstm, gru    ours by their configurations, without the stage on the poems of the Song, fitted to the time

All have one tokenizer. Results lie in runs/peers/MINUTESm, a folder for each system.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from torch.nn import functional as F

from tang_rnn import TangRNNConfig, TangRNNForCausalLM
from tang_rnn.cells import CELLS
from tang_rnn.faults import first_line
from tang_rnn.modeling_tang_rnn import LinearCrossEntropy, sampled_classes
from tang_rnn.tokenization_tang_rnn import TangTokenizer
from training.configuration import in_bfloat16, read_config
from training.data import IGNORED, Collator, LengthBatchSampler, encode
from training.errors import CorpusError, TrainError
from training.evaluate import read_quatrains
from training.loading import load_corpus
from training.optimizer import MuonAdamW
from training.vocabulary import build_tokenizer

from . import machine

ROOT = Path(__file__).parents[1]
NAMES = ("report", "book", "gpt2", *CELLS)
SAVE_EVERY = 30  # seconds of training
WARM_UP = 0.025  # of the time
TRIAL_POEMS = 400  # of the validation split, to choose GPT-2's optimizer by
SEED = 7


def configuration(cell: str) -> dict:
    """A cell's own, of training/configs."""
    return read_config(ROOT / "training" / "configs" / f"{cell}.yaml")


class Peer(nn.Module):
    """A system: a network, its optimizer, its batches, and what it makes of one.

    Attributes:
        optimizer: of the network's parameters.
        clip: the largest norm of the gradient, None for any.
    """

    optimizer: torch.optim.Optimizer
    clip: float | None = None

    def __init__(self, tokenizer: TangTokenizer, train: Dataset):
        super().__init__()
        self.tokenizer, self.train_set = tokenizer, train

    def batches(self, epoch: int) -> Iterator[list[int]]:
        """The rows of each batch; the same for the same epoch."""
        raise NotImplementedError

    def backward(self, rows: list[int]) -> None:
        """Adds a batch's gradient."""
        raise NotImplementedError

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """What follows each character: (B, T) -> logits (B, T, V)."""
        raise NotImplementedError

    def rate(self, progress: float) -> float:
        """The learning rate as a share of its highest, when a share of the time has passed."""
        return 1.0

    def texts(self, rows: list[int]) -> list[list[int]]:
        """Start, poem, end."""
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        return [[bos, *self.train_set[row]["text"], eos] for row in rows]

    def shuffled(self, epoch: int, size: int) -> Iterator[list[int]]:
        order = np.random.default_rng((SEED, epoch)).permutation(len(self.train_set)).tolist()
        return (order[first : first + size] for first in range(0, len(order), size))


class Report(Peer):
    """The report's own recipe."""

    clip = 1.0

    def __init__(self, tokenizer, train):
        super().__init__(tokenizer, train)
        self.embedding = nn.Embedding(len(tokenizer), 100)
        nn.init.uniform_(self.embedding.weight, -1, 1)
        self.lstm = nn.LSTM(100, 128, num_layers=2, batch_first=True)
        self.output = nn.Linear(128, len(tokenizer))
        nn.init.xavier_uniform_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.optimizer = torch.optim.RMSprop(self.parameters(), lr=0.01)

    def batches(self, epoch):
        return self.shuffled(epoch, 100)

    def forward(self, input_ids):
        return F.relu(self.output(self.lstm(self.embedding(input_ids))[0]))

    def backward(self, rows):
        for text in self.texts(rows):  # one by one; adding up gradients or losses is the same
            ids = torch.tensor([text])
            (F.cross_entropy(self(ids[:, :-1])[0], ids[0, 1:]) / len(rows)).backward()


class Book(Peer):
    """pytorch-book's LSTM."""

    LENGTH = 125

    def __init__(self, tokenizer, train):
        super().__init__(tokenizer, train)
        self.embedding = nn.Embedding(len(tokenizer), 128)
        self.lstm = nn.LSTM(128, 256, num_layers=2, batch_first=True)
        self.output = nn.Linear(256, len(tokenizer))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3)

    def batches(self, epoch):
        return self.shuffled(epoch, 128)

    def forward(self, input_ids):
        # It knows poems only behind the filling, so that is how it reads them, here too.
        filling = max(0, self.LENGTH - input_ids.shape[1])
        filled = F.pad(input_ids, (filling, 0), value=self.tokenizer.pad_token_id)
        return self.output(self.lstm(self.embedding(filled))[0][:, filling:])

    def backward(self, rows):
        filling = [self.tokenizer.pad_token_id] * self.LENGTH
        ids = torch.tensor([(filling + text[: self.LENGTH])[-self.LENGTH :] for text in self.texts(rows)])
        F.cross_entropy(self(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).backward()


class Fitted(Peer):
    """What our cells and the GPT-2 share: batches by length, bfloat16 where a configuration says so, the schedule."""

    def __init__(self, tokenizer, train, config: dict):
        super().__init__(tokenizer, train)
        self.config, self.clip = config, config["trainer"].get("max_grad_norm", 1.0)
        lengths = [len(text) + 2 for text in train["text"]]
        self.sampler = LengthBatchSampler(lengths, config["batch"]["max_tokens"], seed=SEED)
        torch.manual_seed(SEED)

    def batches(self, epoch):
        self.sampler.epoch = self.collate.epoch = epoch
        return iter(self.sampler)

    def rate(self, progress):
        if progress < WARM_UP:
            return (progress + 1e-3) / WARM_UP
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (progress - WARM_UP) / (1 - WARM_UP))))

    def autocast(self) -> torch.autocast:
        """In what the products of a step run here."""
        return torch.autocast("cpu", torch.bfloat16, enabled=in_bfloat16(self.config["trainer"]))

    def backward(self, rows):
        batch = self.collate([self.train_set[row] for row in rows])
        with self.autocast():
            loss = self.loss(batch["input_ids"], batch["labels"])
        loss.backward()

    def make_optimizer(self, learning_rate: float, muon: float | None) -> torch.optim.Optimizer:
        trainer = self.config["trainer"]
        betas, decay = (0.9, trainer.get("adam_beta2", 0.999)), trainer.get("weight_decay", 0.0)
        if muon:
            return MuonAdamW(self.model, learning_rate, muon, betas, decay)
        return torch.optim.AdamW(self.model.parameters(), learning_rate, betas, weight_decay=decay)


class Ours(Fitted):
    """One of our cells by its configuration."""

    def __init__(self, tokenizer, train, cell: str):
        config = configuration(cell)
        super().__init__(tokenizer, train, config)
        self.model = TangRNNForCausalLM(TangRNNConfig(vocab_size=len(tokenizer), **config["model"]))
        batch = config["batch"]
        self.collate = Collator(tokenizer, max_length=batch["max_length"], seed=SEED, **batch.get("context", {}))
        self.optimizer = self.make_optimizer(config["trainer"]["learning_rate"], config.get("muon_learning_rate"))

    def loss(self, input_ids, labels):
        return self.model(input_ids, labels=labels, return_logits=False).loss

    def forward(self, input_ids):
        return self.model(input_ids, use_cache=False).logits


class GPT2(Fitted):
    """transformers' GPT-2 as large as our lstm; it is told nothing in training, as nothing is told in the test."""

    WIDTH, HEADS = 192, 6
    # AdamW's learning rate, and Muon's for the matrices within, as our cells have it.
    CHOICES = ((1e-3, None), (2e-3, None), (4e-3, None), (2e-3, 0.015))

    def __init__(self, tokenizer, train, choice: tuple[float, float | None]):
        from transformers import GPT2Config, GPT2LMHeadModel

        config = configuration("lstm")
        super().__init__(tokenizer, train, config)
        self.window = config["batch"]["max_length"]
        target = TangRNNForCausalLM(TangRNNConfig(vocab_size=len(tokenizer), **config["model"])).num_parameters()
        outside = (len(tokenizer) + self.window + 2) * self.WIDTH
        layers = max(1, round((target - outside) / (12 * self.WIDTH**2 + 13 * self.WIDTH)))
        self.model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=len(tokenizer),
                n_positions=self.window + 2,
                n_embd=self.WIDTH,
                n_layer=layers,
                n_head=self.HEADS,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                # what is seen about once is not learned by heart
                **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
            )
        )
        self.collate = Collator(tokenizer, keep_context=0.0, max_length=self.window, seed=SEED)
        self.optimizer = self.make_optimizer(*choice)

    def loss(self, input_ids, labels):
        hidden = self.model.transformer(input_ids[:, :-1], use_cache=False).last_hidden_state
        counted = labels[:, 1:].ne(IGNORED)
        weight, offset, wanted = self.model.lm_head.weight, None, labels[:, 1:][counted]
        count = self.config["model"].get("output_samples", 0)
        if 0 < count < len(weight):
            classes, offset, wanted = sampled_classes(wanted, len(weight), count)
            weight = weight[classes]
        return LinearCrossEntropy.apply(hidden[counted], weight, offset, wanted) / len(wanted)

    def forward(self, input_ids):
        pieces, done, size = [], 0, self.window
        while done < input_ids.shape[1]:  # what is longer than its window is read in windows that overlap by half
            begin = max(0, done - size // 2)
            logits = self.model(input_ids[:, begin : begin + size], use_cache=False).logits
            pieces.append(logits[:, done - begin :])
            done = begin + logits.shape[1]
        return torch.cat(pieces, 1)


@torch.inference_mode()
def loss_on(peer: Peer, encoded: Dataset, max_tokens: int = 2048) -> float:
    """Nats per character over poems: everything after the start, the end included; computed in float32."""
    collate = Collator(peer.tokenizer, keep_context=0.0, max_length=10**6)
    peer.eval()
    nats, count = 0.0, 0
    for batch in LengthBatchSampler([len(text) + 1 for text in encoded["text"]], max_tokens):
        inputs = collate([encoded[index] for index in batch])
        target = inputs["labels"][:, 1:]
        logits = peer(inputs["input_ids"][:, :-1])
        nats += F.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="sum", ignore_index=IGNORED).item()
        count += int(target.ne(IGNORED).sum())
    peer.train()
    return nats / count


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its place and then moves it there: it is whole or it is not there."""
    beside = path.with_suffix(".part")
    write(beside)
    os.replace(beside, path)


def fit(peer: Peer, seconds: float, folder: Path) -> dict:
    """Trains for so many seconds, going on from what lies in the folder; gives steps, epochs and characters seen."""
    path = folder / "state.pt"
    done = {"seconds": 0.0, "steps": 0, "epoch": 0, "batch": 0, "characters": 0}
    if path.exists():
        state = torch.load(path, weights_only=True)
        peer.load_state_dict(state["weights"])
        peer.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        done = state["done"]
    peak = [group.setdefault("initial_lr", group["lr"]) for group in peer.optimizer.param_groups]
    peer.train()

    def save() -> None:
        state = {"weights": peer.state_dict(), "optimizer": peer.optimizer.state_dict(), "done": done}
        write_whole(path, lambda beside: torch.save(state | {"random": torch.get_rng_state()}, beside))

    saved, batches = done["seconds"], None
    while done["seconds"] < seconds:
        begin = time.perf_counter()
        if batches is None:
            batches = peer.batches(done["epoch"])
            for _ in range(done["batch"]):  # those of an interrupted epoch
                next(batches)
        rows = next(batches, None)
        if rows is None:
            batches, done["epoch"], done["batch"] = None, done["epoch"] + 1, 0
            continue
        for group, highest in zip(peer.optimizer.param_groups, peak):
            group["lr"] = highest * peer.rate(done["seconds"] / seconds)
        peer.optimizer.zero_grad()
        peer.backward(rows)
        if peer.clip:
            nn.utils.clip_grad_norm_(peer.parameters(), peer.clip)
        peer.optimizer.step()
        done["characters"] += sum(len(peer.train_set[row]["text"]) + 1 for row in rows)
        done["steps"] += 1
        done["batch"] += 1
        done["seconds"] += time.perf_counter() - begin
        if done["seconds"] - saved > SAVE_EVERY:
            save()
            saved = done["seconds"]
    save()
    return done


def measure(make: Callable[[], Peer], seconds: float, folder: Path, tests: dict[str, Dataset], **settings) -> dict:
    """The figures of one system, out of its folder if it has been measured on all these poems.

    Raises:
        CorpusError: what lies in the folder was made in another way.
    """
    settings |= {"threads": torch.get_num_threads()}
    asked, path = folder / "settings.json", folder / "result.json"
    folder.mkdir(parents=True, exist_ok=True)
    if asked.exists() and json.loads(asked.read_text()) != json.loads(json.dumps(settings)):
        raise CorpusError(f"{folder} was made with other settings: remove it, or name another folder with --out")
    write_whole(asked, lambda beside: beside.write_text(json.dumps(settings) + "\n"))
    result = json.loads(path.read_text()) if path.exists() else {}
    if set(tests) <= set(result.get("loss", {})):
        return result
    torch.manual_seed(SEED)
    peer = make()
    print(f"{folder.name}: {seconds / 60:.3g} minutes", file=sys.stderr)
    done = fit(peer, seconds, folder)
    total = sum(len(text) + 1 for text in peer.train_set["text"])
    result = {
        "name": folder.name,
        "parameters": sum(p.numel() for p in peer.parameters()),
        "steps": done["steps"],
        "epochs": done["characters"] / total,
        "seconds": done["seconds"],
        "loss": {key: loss_on(peer, poems) for key, poems in tests.items()},
    }
    write_whole(path, lambda beside: beside.write_text(json.dumps(result, indent=1) + "\n"))
    return result


def run(names: list[str], seconds: float, out: Path, corpus, quatrains: Path | None) -> list[dict]:
    """Trains and measures the systems one after another."""
    tokenizer = build_tokenizer(corpus["train"])
    train = encode(corpus["train"], tokenizer)
    tests = {"test": encode(corpus["test"], tokenizer)}
    if quatrains:
        tests["quatrains"] = read_quatrains(quatrains, tokenizer)

    def gpt2() -> dict:
        few = corpus["validation"].select(range(min(TRIAL_POEMS, len(corpus["validation"]))))
        validation, config = {"validation": encode(few, tokenizer)}, configuration("lstm")
        losses = []
        for index, choice in enumerate(GPT2.CHOICES):
            make, folder = partial(GPT2, tokenizer, train, choice), out / f"gpt2-trial-{index}"
            trial = measure(make, seconds / 10, folder, validation, config=config, choice=choice)
            losses.append(trial["loss"]["validation"])
        choice = GPT2.CHOICES[int(np.argmin(losses))]
        make = partial(GPT2, tokenizer, train, choice)
        result = measure(make, seconds, out / "gpt2", tests, config=config, choice=choice)
        return result | {"choice": choice, "trials": [[*rates, loss] for rates, loss in zip(GPT2.CHOICES, losses)]}

    def system(name: str) -> dict:
        if name == "gpt2":
            return gpt2()
        if name in CELLS:
            make, settings = partial(Ours, tokenizer, train, name), {"config": configuration(name)}
        else:
            make, settings = partial({"report": Report, "book": Book}[name], tokenizer, train), {}
        return measure(make, seconds, out / name, tests, **settings)

    return [system(name) for name in names]


def table(results: list[dict]) -> str:
    """The systems, the best last."""
    keys = list(results[0]["loss"])
    rows = [f"{'':8}{'parameters, M':>15}{'steps':>9}{'epochs':>9}" + "".join(f"{key:>12}" for key in keys)]
    for result in sorted(results, key=lambda result: -result["loss"]["test"]):
        losses = "".join(f"{result['loss'][key]:12.4f}" for key in keys)
        rows.append(
            f"{result['name']:8}{result['parameters'] / 1e6:15.2f}{result['steps']:9,}{result['epochs']:9.2f}{losses}"
        )
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20, help="of training for each system")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=" ".join(NAMES))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of torch, for every system")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset")
    parser.add_argument("--quatrains", type=Path, metavar="FILE", help="quatrains of elsewhere, one a line")
    parser.add_argument("--out", type=Path, default=Path("runs/peers"), help="folder of the results")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args(argv)
    if options.minutes <= 0 or options.threads < 1:
        parser.error("--minutes must be above 0 and --threads 1 or more")
    torch.set_num_threads(options.threads)
    out = options.out / f"{options.minutes:g}m"
    try:
        corpus = load_corpus(options.corpus)
        results = run(list(options.only), 60 * options.minutes, out, corpus, options.quatrains)
    except (CorpusError, TrainError, OSError) as error:
        print(f"benchmarks.peers: {first_line(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nbenchmarks.peers: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    report = {"minutes": options.minutes, "machine": machine() | {"threads": options.threads}, "systems": results}
    write_whole(out / "peers.json", lambda beside: beside.write_text(json.dumps(report, indent=1) + "\n"))
    print(json.dumps(report) if options.json else table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
