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
`pretrain:` takes the place of the configuration's own for that stage. ``initial: FOLDER`` begins with the weights of a
checkpoint, whose vocabulary may be another. With ``streaming: true`` the training poems are
read as they are used, a `buffer` of them at a time.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
import yaml
from accelerate.utils import gather_object
from datasets import IterableDataset
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.utils.data import DataLoader
from transformers import GenerationConfig, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from tang_rnn import TangRNNConfig, TangRNNForCausalLM
from tang_rnn.faults import first_line
from tang_rnn.files import written_beside
from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse import STOP

from .data import (
    Collator,
    LengthBatchSampler,
    LengthBatchStream,
    build_tokenizer,
    encode,
    known_only,
    load_corpus,
    score,
    together,
)
from .errors import CorpusError
from .optimizer import MuonAdamW

# What sampling does by default: `generate()` of a published checkpoint reads it from generation_config.json.
SAMPLING = {"do_sample": True, "temperature": 0.9, "top_k": 0, "top_p": 0.9, "max_new_tokens": 256}


class TrainError(Exception):
    """What the user can put right. Printed as one line."""


class EpochCallback(TrainerCallback):
    """Tells sampler and collator which epoch it is, before its first batch and after a resume within it."""

    def __init__(self, *followers):
        self.followers = followers

    def on_epoch_begin(self, args, state, control, **kwargs):
        for follower in self.followers:
            follower.epoch = int((state.epoch or 0.0) + 1e-6)


class StreamCallback(TrainerCallback, ExportableState):
    """Has each checkpoint hold where in the stream to go on: a position for each of its parts, whoever reads them."""

    def __init__(self, positions: dict[str, list] | None = None):
        self.positions = positions or {}

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_save:
            for positions in gather_object([self.positions]):
                self.positions.update(positions)

    def state(self) -> dict:
        return {"args": {}, "attributes": {"positions": self.positions}}

    @classmethod
    def read(cls, checkpoint: Path) -> dict[str, list]:
        state = json.loads((checkpoint / "trainer_state.json").read_text())
        return state["stateful_callbacks"].get(cls.__name__, {}).get("attributes", {}).get("positions", {})


class PoetTrainer(Trainer):
    """transformers' Trainer with batches by length, the loss without logits, and poems beside the evaluation."""

    def __init__(
        self,
        *args,
        tokenizer: TangTokenizer,
        batch: dict,
        muon_learning_rate: float | None,
        average: float = 0.0,
        positions: dict[str, list] | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.tokenizer, self.muon_learning_rate, self.average = tokenizer, muon_learning_rate, average
        self.averaged = nullcontext  # what evaluation happens in
        share = {
            "per_step": self.args.gradient_accumulation_steps * self.args.world_size,
            "rank": self.args.process_index,
            "world_size": self.args.world_size,
        }
        collator = Collator(
            tokenizer,
            max_length=batch["max_length"],
            seed=self.args.seed,
            unknown=batch.get("unknown", 0.0),
            inside=batch.get("inside", 0.0),
            **batch.get("context", {}),
        )
        if isinstance(self.train_dataset, IterableDataset):
            self.stream = StreamCallback(positions)
            self.add_callback(self.stream)
            batches = LengthBatchStream(
                self.train_dataset,
                collator,
                batch["max_tokens"],
                batch.get("buffer", 10_000),
                positions=positions,
                **share,
            )
            # a second worker would read the same again
            workers = min(1, self.args.dataloader_num_workers)
            self.batches = {"dataset": batches, "batch_size": None, "num_workers": workers}
        else:
            # what precedes the text is short and comes and goes; <s> and </s> are always there
            lengths = [len(text) + 2 for text in self.train_dataset["text"]]
            sampler = LengthBatchSampler(lengths, batch["max_tokens"], seed=self.args.seed, **share)
            self.add_callback(EpochCallback(sampler, collator))
            self.batches = {
                "dataset": self.train_dataset,
                "batch_sampler": sampler,
                "collate_fn": collator,
                "num_workers": self.args.dataloader_num_workers,
            }

    def get_train_dataloader(self) -> DataLoader:
        # The batches are shared out among the processes already, so accelerate has nothing to prepare.
        return DataLoader(**self.batches, pin_memory=self.args.device.type == "cuda")

    def create_optimizer(self, model=None):
        if self.optimizer is None and self.muon_learning_rate:
            arguments = self.args
            self.optimizer = MuonAdamW(
                self.model if model is None else model,
                arguments.learning_rate,
                self.muon_learning_rate,
                (arguments.adam_beta1, arguments.adam_beta2),
                arguments.weight_decay,
                self.average,
            )
            self.averaged = self.optimizer.averaged
        return super().create_optimizer(model)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        inputs = {**inputs, "return_logits": False}
        torch.manual_seed(inputs.pop("seed"))
        if position := inputs.pop("position", None):
            self.stream.positions |= position
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def log(self, logs, *args, **kwargs):
        super().log(logs, *args, **kwargs)
        if not all(math.isfinite(logs.get(name, 0.0)) for name in ("loss", "grad_norm", "eval_loss")):
            raise TrainError(
                f"the loss ran away before step {self.state.global_step}: remove {self.args.output_dir} and begin anew "
                "with a smaller muon_learning_rate or learning_rate"
            )

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        model = self.accelerator.unwrap_model(self.model)
        with self.averaged():
            result = score(model, self.tokenizer, self.eval_dataset)
            poems = sample_poems(model, self.tokenizer) if self.is_world_process_zero() else []
        metrics = {f"{metric_key_prefix}_{name}": result[name] for name in ("loss", "loss_characters", "perplexity")}
        self.log(metrics)
        if self.is_world_process_zero():
            folder = Path(self.args.output_dir, "poems")
            folder.mkdir(parents=True, exist_ok=True)
            text = f"step {self.state.global_step}, {result['loss']:.4f} nats a character\n\n"
            text += "\n".join(poems)
            (folder / f"step-{self.state.global_step:06d}.txt").write_text(text + "\n", encoding="utf-8")
            print(text)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def sample_poems(
    model, tokenizer: TangTokenizer, openings=("春", "<五绝>月", "<七绝>秋", "<五律>山"), seed=0
) -> list[str]:
    """A poem for each opening, always by the same seed and without disturbing torch's own random state."""
    devices = [model.device] if model.device.type == "cuda" else []
    training = model.training
    model.eval()
    poems = []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for opening in openings:
            *context, text = opening.rpartition(">")
            inputs = tokenizer("".join(context), text, return_tensors="pt").to(model.device)
            output = model.generate(**inputs, **SAMPLING, eos_token_id=model.config.eos_token_id)
            poem = tokenizer.decode(output[0, inputs.input_ids.shape[1] :], skip_special_tokens=True)
            poems.append((opening + poem).replace(STOP, STOP + "\n"))
    model.train(training)
    return poems


def begin_with(model: TangRNNForCausalLM, tokenizer: TangTokenizer, folder: Path) -> None:
    """Takes over the weights of a checkpoint; what its tokenizer does not know keeps the embedding it has.

    A checkpoint of a smaller `hidden_size` is widened: see :func:`widened`.
    """
    try:
        known = TangTokenizer.from_pretrained(folder).get_vocab()
        weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        table = model.get_input_embeddings().weight.detach().clone()
        pairs = [(index, known[token]) for token, index in tokenizer.get_vocab().items() if token in known]
        ours, theirs = map(list, zip(*pairs))
        table[ours] = weights.pop("model.embed_tokens.weight")[theirs]
        size = json.loads((folder / "config.json").read_text())["hidden_size"]
        if size < model.config.hidden_size:
            weights = widened(weights, model.state_dict(), size)
        found = model.load_state_dict(weights | {"model.embed_tokens.weight": table}, strict=False)
        # The tied output layer is stored once; anything else left over would silently begin at random.
        if wrong := [name for name in (*found.missing_keys, *found.unexpected_keys) if name != "lm_head.weight"]:
            raise ValueError(f"they are those of another network: {', '.join(wrong)}")
    except (OSError, RuntimeError, ValueError, LookupError, SafetensorError) as error:
        raise TrainError(f"cannot begin with the weights in {folder}: {first_line(error)}") from None


def widened(small: dict[str, torch.Tensor], large: dict[str, torch.Tensor], size: int) -> dict[str, torch.Tensor]:
    """The weights of a recurrent network of hidden size `size` in a wider one, which computes the same at first.

    The new units see input and state as an untrained network's do, and nothing hears them until training makes it so:
    what leads from them to the old units and out of the layer is zero (Chen et al. 2016, *Net2Net*, in which new units
    are copies instead).

    Args:
        small, large: weights by name, those to widen and an untrained network's of the size wanted.
    """
    result = {}
    for name, old in small.items():
        new = large[name].clone()
        gates = 1 if new.shape[0] == old.shape[0] else old.shape[0] // size  # the rows of one gate after another's
        block, into = old.unflatten(0, (gates, -1)), new.unflatten(0, (gates, -1))
        if old.ndim == 2:
            into[:, : block.shape[1]] = 0
            into[:, : block.shape[1], : block.shape[2]] = block
        else:
            into[:, : block.shape[1]] = block
        result[name] = new
    return result


def last_complete_checkpoint(output_dir: Path, tidy: bool = False) -> Path | None:
    """The newest checkpoint that was written to its end; a process killed while saving leaves a broken one.

    Args:
        tidy: remove broken ones that are newer.
    """
    for folder in sorted(output_dir.glob("checkpoint-*"), key=lambda path: -int(path.name.split("-")[1])):
        try:
            json.loads((folder / "trainer_state.json").read_text())  # the last file the Trainer writes
            return folder
        except (OSError, ValueError):
            if tidy:
                shutil.rmtree(folder, ignore_errors=True)  # another process may be at it too
    return None


def average(folders: list[Path]) -> dict[str, torch.Tensor]:
    """The mean of the checkpoints' weights (Izmailov et al. 2018)."""
    weights = [load_file(folder / "model.safetensors") for folder in folders]
    return {name: torch.stack([each[name].float() for each in weights]).mean(0) for name in weights[0]}


def export(model: TangRNNForCausalLM, tokenizer: TangTokenizer, folder: Path) -> None:
    """A complete Hub repository: weights, tokenizer, the code files, and how to sample.

    The weights are float16 on disk, and the config says float32, so that loading computes in float32.
    """
    model = copy.deepcopy(model).half().cpu()
    model.config.use_cache = True  # the Trainer has switched it off
    model.config.auto_map = {"AutoModel": "modeling_tang_rnn.TangRNNModel"}  # save_pretrained adds its own class only
    model.generation_config = GenerationConfig(
        **SAMPLING,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=[tokenizer.unk_token_id],  # stands in the corpus for its rarest characters
    )
    with written_beside(folder) as beside:  # all of it, or the folder stays as it was
        model.save_pretrained(beside)
        path = beside / "config.json"
        config = json.loads(path.read_text())
        config["dtype"] = "float32"
        path.write_text(json.dumps(config, indent=2) + "\n")
        tokenizer.save_pretrained(beside)


def read_config(path: Path) -> dict:
    """The run's configuration, with a clear word about what is missing."""
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainError(f"cannot read {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise TrainError(f"{path} is not valid YAML: {first_line(error)}") from None
    required = ("corpus", "output_dir", "model", "batch", "trainer")
    if not isinstance(config, dict) or (missing := [key for key in required if key not in config]):
        raise TrainError(f"{path} lacks {', '.join(missing) if isinstance(config, dict) else 'everything'}")
    return config


def _load(name: str, streaming: bool):
    try:
        return load_corpus(name, streaming)
    except Exception as error:  # datasets has a class for each way of failing
        raise TrainError(f"cannot load the corpus {name}: {first_line(error)}") from None


def _merge(config: dict, changes: dict) -> dict:
    """The configuration with the changes made, part by part."""
    merged = copy.deepcopy(config)
    for key, value in changes.items():
        merged[key] = _merge(merged.get(key, {}), value) if isinstance(value, dict) else value
    return merged


def train(config: dict, resume: bool = False) -> Path:
    """Trains as the configuration says, stage by stage, and returns the folder of the finished checkpoint."""
    output_dir = Path(config["output_dir"])
    before = output_dir / "pretrain"
    if not resume and any(last_complete_checkpoint(folder) for folder in (output_dir, before)):
        raise TrainError(f"{output_dir} holds a run already: add --resume to go on with it, or remove the folder")

    streaming = config.get("streaming", False)
    corpus = _load(config["corpus"], streaming)
    tokenizer = config.get("tokenizer", {})  # how to build it, or where it is
    if isinstance(tokenizer, str):
        tokenizer = TangTokenizer.from_pretrained(tokenizer)
    else:
        tokenizer = build_tokenizer(corpus["train"], **tokenizer)
    train_set, validation = (encode(corpus[split], tokenizer) for split in ("train", "validation"))
    initial = Path(config["initial"]) if "initial" in config else None
    if changes := config.get("pretrain"):
        if not (before / "final" / "training_log.json").exists():  # the last file that is written
            others = _load(changes["corpus"], changes.get("streaming", streaming))["train"]
            others = known_only(encode(others, tokenizer), tokenizer)
            stage = _merge(config, changes | {"output_dir": str(before)})
            del stage["pretrain"]
            fit(stage, tokenizer, together(train_set, others), validation, initial)
        initial = before / "final"
    fit(config, tokenizer, train_set, validation, initial)
    return output_dir / "final"


def fit(config: dict, tokenizer: TangTokenizer, train_set, validation, initial: Path | None = None) -> None:
    """One stage: from the last checkpoint in its folder, else from the weights in `initial`, else from nothing."""
    output_dir = Path(config["output_dir"])
    checkpoint = last_complete_checkpoint(output_dir, tidy=True)
    average_last = config.get("average_last", 1)
    arguments = {
        "eval_strategy": "steps",
        "save_strategy": "steps",
        "save_steps": config["trainer"]["eval_steps"],
        "save_total_limit": average_last + 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "loss",
        "greater_is_better": False,
        "report_to": ["tensorboard"],
        "remove_unused_columns": False,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # it would show the loss of a run that is lost as 0
        "use_cpu": not torch.accelerator.is_available(),  # bf16 is refused where this is left open
    }
    streaming = isinstance(train_set, IterableDataset)
    if streaming and config["trainer"].get("max_steps", 0) <= 0:
        raise TrainError("a stream has no known end: set max_steps under trainer")
    arguments = TrainingArguments(output_dir=str(output_dir), **arguments | config["trainer"])
    processes = arguments.world_size
    per_step = config["batch"].get("batches_per_step", processes * arguments.gradient_accumulation_steps)
    if per_step % processes:
        raise TrainError(f"batches_per_step is {per_step}, which {processes} processes cannot share equally")
    arguments.gradient_accumulation_steps = per_step // processes
    arguments.ignore_data_skip = streaming  # a stream goes on by itself where it was
    positions = StreamCallback.read(checkpoint) if streaming and checkpoint else {}
    if positions and len(positions) != per_step:
        raise TrainError(f"this run began with {len(positions)} batches a step: set batches_per_step to that")
    torch.manual_seed(arguments.seed)
    model = TangRNNForCausalLM(TangRNNConfig(vocab_size=len(tokenizer), **config["model"]))
    if initial:
        begin_with(model, tokenizer, initial)
    trainer = PoetTrainer(
        model=model,
        args=arguments,
        train_dataset=train_set,
        eval_dataset=validation,
        tokenizer=tokenizer,
        batch=config["batch"],
        muon_learning_rate=config.get("muon_learning_rate"),
        average=config.get("average", 0.0),
        positions=positions,
    )
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.is_world_process_zero():
        finish(trainer, tokenizer, validation, config, initial)
    trainer.accelerator.wait_for_everyone()  # the next stage begins with what the first process has written


def finish(trainer: PoetTrainer, tokenizer: TangTokenizer, validation, config: dict, initial: Path | None) -> None:
    """Keeps the best of the best checkpoint, the average of the last, and the running average where there is one, and
    writes it with the run's curve."""
    output_dir, average_last, log = Path(config["output_dir"]), config.get("average_last", 1), trainer.state.log_history
    model = trainer.accelerator.unwrap_model(trainer.model)
    best, chosen = score(model, tokenizer, validation)["loss"], "best checkpoint"
    weights = copy.deepcopy(model.state_dict())
    folders = sorted(output_dir.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))[-average_last:]
    others = {}
    if len(folders) > 1:
        others[f"average of the last {len(folders)} checkpoints"] = average(folders)
    if trainer.average:
        with trainer.averaged():
            others["running average"] = copy.deepcopy(model.state_dict())
    for name, other in others.items():
        model.load_state_dict(other, strict=False)  # strict: the tied output layer is stored once
        loss = score(model, tokenizer, validation)["loss"]
        if loss < best:
            best, chosen, weights = loss, name, other
    model.load_state_dict(weights, strict=False)
    export(model, tokenizer, output_dir / "final")
    curve = {
        "train": [[entry["step"], round(entry["loss"], 4)] for entry in log if "loss" in entry],
        "validation": [[entry["step"], round(entry["eval_loss"], 4)] for entry in log if "eval_loss" in entry],
    }
    before = {}
    if initial and (initial / "training_log.json").exists():
        before = json.loads((initial / "training_log.json").read_text())
        curve = follow(before, curve)
    curve |= {
        "epochs": round(trainer.state.epoch, 2),
        "pretrained_on": Path(config["pretrain"]["corpus"]).name if "pretrain" in config else None,
        "pretrained_epochs": before.get("epochs"),
        "kept": chosen,
        "kept_validation_loss": round(best, 4),
        "parameters": model.num_parameters(),
    }
    (output_dir / "final" / "training_log.json").write_text(json.dumps(curve) + "\n")
    print(f"{chosen}: {best:.4f} nats a character on validation; written to {output_dir / 'final'}")


def follow(before: dict, curve: dict) -> dict:
    """A stage's curve behind that of the stage before, its steps counted on."""
    done = max(step for name in curve for step, _ in before[name])
    return {name: before[name] + [[done + step, loss] for step, loss in points] for name, points in curve.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.train", description="Train a TangRNN model.")
    parser.add_argument("config", type=Path, help="a YAML file such as training/configs/lstm.yaml")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the output folder")
    arguments = parser.parse_args(argv)
    try:
        train(read_config(arguments.config), arguments.resume)
    except (TrainError, CorpusError) as error:
        print(f"training.train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ntraining.train: stopped; --resume goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
