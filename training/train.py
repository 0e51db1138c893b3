"""Trains a model: ``python -m training.train training/configs/lstm.yaml [--resume]``.

The same command trains on a CPU, on one GPU, or under ``torchrun`` in several processes. A run that was stopped, in
whatever way, goes on with ``--resume`` and gives the curve it would have given, in as many processes as one likes:
every batch has its own random numbers, and a step is `batches_per_step` batches in all. What it leaves in its output
folder:

    final/              the checkpoint: float16 safetensors, tokenizer, training_log.json
    poems/              what the model wrote at each evaluation
    checkpoint-*/       where to go on; runs/ for TensorBoard
    pretrain/           the same of the stage before, if the configuration has a `pretrain:` part

The stage before is trained on the poems of another corpus along with those of the corpus itself. What stands under
`pretrain:` takes the place of the configuration's own for that stage. Any stage may read another corpus `beside:` its
own, which then counts `repeat:` times, and may learn from `teachers:` (:mod:`.teachers`). ``initial: lstm`` begins with
the weights of a checkpoint (a cell that ships, a folder, an id on the Hub); sizes that the configuration leaves out are
the checkpoint's, and so is the vocabulary, with what the corpus needs beside it. With ``streaming: true`` the training
poems are read as they are used, a `buffer` of them at a time.
"""

from __future__ import annotations

import argparse
import errno
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from datasets import Dataset, IterableDataset
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import TrainerCallback

from tang_rnn import TangRNNConfig, TangRNNForCausalLM
from tang_rnn.faults import first_line
from tang_rnn.files import written_whole
from tang_rnn.tokenization_tang_rnn import TangTokenizer, fingerprint

from .checkpoints import alone, average, checkpoints, fault, last_complete_checkpoint
from .configuration import BATCH, merged, read_config, training_arguments
from .data import encode, known_only, together
from .errors import CorpusError, TrainError, ended
from .export import export
from .initial import begin_with, find
from .loading import load_corpus, with_validation
from .optimizer import averaged_weights
from .teachers import Teachers
from .trainer import LastStepCallback, PoetTrainer, StreamCallback
from .vocabulary import build_tokenizer, enough, grown, occurring

FINGERPRINT = "tokenizer_fingerprint"
# What a model is beside its vocabulary: taken from the checkpoint that a run begins with.
CARRIED = tuple(name for name in TangRNNConfig.__annotations__ if name not in ("model_type", "vocab_size", FINGERPRINT))


@dataclass
class Hooks:
    """What a run does otherwise: its trainer, callbacks beside the usual ones, and facts for training_log.json."""

    trainer: Callable[..., PoetTrainer] = PoetTrainer
    callbacks: tuple[TrainerCallback, ...] = ()
    facts: Callable[[TangRNNForCausalLM, PoetTrainer], dict] = lambda model, trainer: {}


def train(config: dict, resume: bool = False) -> Path:
    """Trains as the configuration says, stage by stage, and returns the folder of the finished checkpoint.

    Raises:
        TrainError, CorpusError: what the configuration asks for cannot be.
    """
    output_dir = Path(config["output_dir"])
    with alone(output_dir), plain_words(output_dir):
        before = output_dir / "pretrain"
        if not resume and any(last_complete_checkpoint(folder) for folder in (output_dir, before)):
            raise TrainError(f"{output_dir} holds a run already: add --resume to go on with it, or remove the folder")
        streaming = config.get("streaming", False)
        corpus = _load("corpus", config["corpus"], streaming)
        tokenizer = _tokenizer(config, corpus["train"])
        train_set, validation = (
            _encode(f"corpus: {config['corpus']}, {split}", corpus[split], tokenizer)
            for split in ("train", "validation")
        )
        initial, held, voices = config.get("initial"), {}, {}
        if changes := config.get("pretrain"):
            if not (before / "final" / "training_log.json").exists():  # the last file that is written
                stage = merged(config, changes | {"output_dir": str(before)})
                del stage["pretrain"]
                read, own = _along(stage, train_set, tokenizer, *_beside_before(config), held)
                fit(stage, tokenizer, read, validation, initial, own, voices=voices)
            initial = str(before / "final")
        read, own = _along(config, train_set, tokenizer, "beside", config.get("beside"), held)
        fit(config, tokenizer, read, validation, initial, own, voices=voices)
    return output_dir / "final"


def _beside_before(config: dict) -> tuple[str, str]:
    """The key that says what the stage before reads beside the corpus itself, and what it says."""
    key = "beside" if "beside" in config["pretrain"] else "corpus"
    return f"pretrain.{key}", config["pretrain"].get(key, config["corpus"])


def _along(stage: dict, train_set, tokenizer: TangTokenizer, key: str, name: str | None, held: dict[str, Dataset]):
    """The poems that a stage reads: the corpus itself `repeat` times, then the corpus of that name beside it.

    What is held in memory goes into `held`, so that a later stage does not encode it again.

    Returns them, and how many are the corpus's own (None for a stream, which has no row numbers).
    """
    repeat, streaming = stage.get("repeat", 1), stage.get("streaming", False)
    parts = [train_set] * repeat
    if name:
        others = None if streaming else held.get(name)
        if others is None:
            others = _encode(f"{key}: {name}", _load(key, name, streaming)["train"], tokenizer)
            others = known_only(others, tokenizer)
        if not streaming:
            held[name] = others
        parts.append(others)
    read = together(*parts) if len(parts) > 1 else train_set
    return read, None if isinstance(read, IterableDataset) else len(train_set) * repeat


@contextmanager
def plain_words(output_dir: Path) -> Iterator[None]:
    """Says of a disk that fills up what can be done; whatever else goes wrong is a fault of ours and stays as it is."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        said = ("PytorchStreamWriter", "No space left", "File too large", "file write failed", "unexpected pos")
        if not full and not any(words in str(error) for words in said):
            raise
        raise TrainError(
            f"{output_dir} cannot be written to ({first_line(error)}): make room there and go on with --resume"
        ) from None


def _load(key: str, name: str, streaming: bool) -> dict:
    try:
        corpus = load_corpus(name, streaming)
        return with_validation(corpus) if key == "corpus" else corpus
    except CorpusError as error:
        raise TrainError(f"{key}: {error}") from None


def _encode(what: str, rows, tokenizer: TangTokenizer):
    try:
        return encode(rows, tokenizer)
    except CorpusError as error:
        raise TrainError(f"{what}, {error}") from None


def _tokenizer(config: dict, rows) -> TangTokenizer:
    """The one that is named, else the initial checkpoint's with what the poems need beside it, else one for them."""
    wanted = config.get("tokenizer", {})
    if isinstance(wanted, str):
        return find(wanted, "tokenizer").tokenizer
    if "initial" in config and "tokenizer" not in config:
        options = enough(10**9 if isinstance(rows, IterableDataset) else len(rows))
        return grown(find(config["initial"]).tokenizer, *occurring(rows, **options))
    return build_tokenizer(rows, **wanted)


def fit(
    config: dict,
    tokenizer: TangTokenizer,
    train_set: Dataset | IterableDataset,
    validation: Dataset,
    initial: str | None = None,
    own: int | None = None,
    hooks: Hooks | None = None,
    voices: dict[str, TangRNNForCausalLM] | None = None,
) -> None:
    """One stage: from the last whole checkpoint in its folder, else the weights in `initial`, else from nothing.

    The first `own` poems are of the corpus itself: what `teachers:` have to say of others counts differently. Those of
    them that an earlier stage has loaded are in `voices`.
    """
    hooks, output_dir = hooks or Hooks(), Path(config["output_dir"])
    checkpoint = last_complete_checkpoint(output_dir, tidy=True)
    average_last, batch = config.get("average_last", 1), BATCH | config["batch"]
    every = config["trainer"].get("eval_steps", 500)
    streaming = isinstance(train_set, IterableDataset)
    if streaming and config["trainer"].get("max_steps", 0) <= 0:
        raise TrainError("a stream has no known end: set max_steps under trainer")
    if streaming and "teachers" in config:
        raise TrainError("teachers: a stream does not tell whose a poem is: set streaming: false")
    arguments = training_arguments(
        config["trainer"],
        output_dir=str(output_dir),
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=average_last + 1,
        metric_for_best_model="loss",
        greater_is_better=False,
        report_to=["tensorboard"],
        remove_unused_columns=False,
        logging_first_step=True,
        logging_nan_inf_filter=False,  # it would show the loss of a run that is lost as 0
        use_cpu=not torch.accelerator.is_available(),  # bf16 is refused where this is left open
    )
    processes = arguments.world_size
    per_step = batch.get("batches_per_step", processes * arguments.gradient_accumulation_steps)
    if per_step % processes:
        raise TrainError(f"batches_per_step is {per_step}, which {processes} processes cannot share equally")
    arguments.gradient_accumulation_steps = per_step // processes
    arguments.ignore_data_skip = streaming  # a stream goes on by itself where it was
    positions = StreamCallback.read(checkpoint) if streaming and checkpoint else {}
    if positions and len(positions) != per_step:
        raise TrainError(f"this run began with {len(positions)} batches a step: set batches_per_step to that")
    torch.manual_seed(arguments.seed)
    theirs = find(initial).model.config if initial else None  # of what the configuration does not say
    model = model_like({name: getattr(theirs, name) for name in CARRIED if initial} | config["model"], tokenizer)
    if checkpoint:
        _check_same(checkpoint, model)
    elif initial:
        begin_with(model, tokenizer, initial)
    trainer = hooks.trainer(
        model=model,
        args=arguments,
        train_dataset=train_set,
        eval_dataset=validation,
        tokenizer=tokenizer,
        batch=batch,
        muon_learning_rate=config.get("muon_learning_rate"),
        average=config.get("average", 0.0),
        positions=positions,
        teachers=Teachers(**config["teachers"], tokenizer=tokenizer, device=arguments.device, loaded=voices)
        if "teachers" in config
        else None,
        own=own,
        callbacks=[LastStepCallback(), *hooks.callbacks],
    )
    if checkpoint:
        trainer.take_up(checkpoint)
    if not (checkpoint and _is_done(checkpoint, trainer.steps())):
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.is_world_process_zero():
        finish(trainer, config, initial, hooks.facts)
    trainer.accelerator.wait_for_everyone()  # the next stage begins with what the first process has written


def model_like(options: dict | TangRNNConfig, tokenizer: TangTokenizer) -> TangRNNForCausalLM:
    """An untrained model of these sizes with a row for each token."""
    if isinstance(options, TangRNNConfig):
        options = {name: getattr(options, name) for name in CARRIED}
    return TangRNNForCausalLM(
        TangRNNConfig(**options | {"vocab_size": len(tokenizer), FINGERPRINT: fingerprint(tokenizer)})
    )


def _check_same(checkpoint: Path, model: TangRNNForCausalLM) -> None:
    """Raises TrainError where a run was begun with another network or vocabulary than it is to go on with."""
    before = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    for name in ("cell_type", "embedding_size", "hidden_size", "num_hidden_layers", "vocab_size", FINGERPRINT):
        if before.get(name) not in (None, now := getattr(model.config, name)):
            raise TrainError(
                f"{checkpoint.parent} was begun with {name} {before[name]}, and now it is {now}: put configuration and "
                "corpus back, or name another output_dir"
            )


def _is_done(checkpoint: Path, steps: int) -> bool:
    """Whether a run has come to its end: so many steps, or a callback that stopped it before."""
    state = json.loads((checkpoint / "trainer_state.json").read_text())
    control = state.get("stateful_callbacks", {}).get("TrainerControl", {}).get("args", {})
    early = control.get("should_training_stop", False) and state["global_step"] < state.get("max_steps", 0)
    return early or state["global_step"] >= steps


def finish(trainer: PoetTrainer, config: dict, initial: str | None, facts: Callable) -> None:
    """Keeps the best of the best checkpoint, the average of the last, and the running average where there is one, and
    writes it with the run's curve. It reads the run's folder alone, so that a run killed here ends the same."""
    output_dir = Path(config["output_dir"])
    model = trainer.accelerator.unwrap_model(trainer.model)
    whole = [folder for folder in checkpoints(output_dir)[-config.get("average_last", 1) :] if not fault(folder)]
    state = json.loads((whole[-1] / "trainer_state.json").read_text())
    best_one = output_dir / f"checkpoint-{state.get('best_global_step')}"
    if fault(best_one):
        best_one = whole[-1]
    candidates = {"best checkpoint": lambda: load_file(best_one / "model.safetensors")}
    if len(whole) > 1:
        candidates[f"average of the last {len(whole)} checkpoints"] = lambda: average(whole)
    if trainer.average:
        for name, folder in {"running average": whole[-1], "running average at the best checkpoint": best_one}.items():
            candidates[name] = partial(averaged_weights, model, folder / "optimizer.pt")
    best, chosen, weights = math.inf, "", {}
    for name, load in candidates.items():
        model.load_state_dict(other := load(), strict=False)  # strict: the tied output layer is stored once
        loss = trainer.measure(model)["loss"]
        if loss < best:
            best, chosen, weights = loss, name, other
    model.load_state_dict(weights, strict=False)
    export(model, trainer.tokenizer, output_dir / "final")
    log = state["log_history"]
    curve = {
        "train": [[entry["step"], round(entry["loss"], 4)] for entry in log if "loss" in entry],
        "validation": [[entry["step"], round(entry["eval_loss"], 4)] for entry in log if "eval_loss" in entry],
    }
    before = {}
    if initial and (written := Path(initial, "training_log.json")).exists():
        before = json.loads(written.read_text())
        curve = follow(before, curve)
    curve |= {
        "epochs": round(state["epoch"] * config.get("repeat", 1), 2),
        "beside": Path(config["beside"]).name if "beside" in config else None,
        "beside_epochs": round(state["epoch"], 2) if "beside" in config else None,
        "teachers": len(config["teachers"]["checkpoints"]) if "teachers" in config else None,
        "pretrained_on": Path(_beside_before(config)[1]).name if config.get("pretrain") else None,
        "pretrained_epochs": before.get("epochs"),
        "kept": chosen,
        "kept_validation_loss": round(best, 4),
        "parameters": model.num_parameters(),
    }
    with written_whole(output_dir / "final" / "training_log.json") as path:
        path.write_text(json.dumps(curve | facts(model, trainer), ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{chosen}: {best:.4f} nats a character on validation; written to {output_dir / 'final'}")


def follow(before: dict, curve: dict) -> dict:
    """A stage's curve behind that of the stage before, its steps counted on."""
    done = max((step for name in curve for step, _ in before.get(name, [])), default=0)
    behind = {name: [[done + step, loss] for step, loss in points] for name, points in curve.items()}
    return {name: before.get(name, []) + points for name, points in behind.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.train", description="Train a TangRNN model.")
    parser.add_argument("config", type=Path, help="a YAML file such as training/configs/lstm.yaml")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the output folder")
    options = parser.parse_args(argv)
    return ended(
        "training.train",
        lambda: train(read_config(options.config), options.resume),
        stopped="stopped; --resume goes on from the last checkpoint",
    )


if __name__ == "__main__":
    sys.exit(main())
