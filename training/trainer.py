"""transformers' Trainer as a poet's: batches by length, the loss without logits, poems beside each evaluation."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate.utils import gather_object
from datasets import IterableDataset
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback
from transformers.trainer_callback import ExportableState

from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse import STOP

from .data import Collator, LengthBatchSampler, LengthBatchStream, score
from .errors import TrainError
from .export import SAMPLING
from .optimizer import MuonAdamW
from .teachers import Teachers


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


class LossCallback(TrainerCallback, ExportableState):
    """The loss since it was last told.

    Each checkpoint holds it, so that a run that goes on from one between two entries of its log tells the same.
    """

    def __init__(self):
        self.sum, self.since = torch.zeros(()), None

    def on_train_begin(self, args, state, control, **kwargs):
        self.sum = torch.as_tensor(self.sum)
        self.since = state.global_step if self.since is None else self.since

    def add(self, loss: torch.Tensor) -> None:
        self.sum = self.sum.to(loss.device) + loss.detach()

    def on_step_end(self, args, state, control, **kwargs):
        if control.should_save and args.world_size > 1:  # the first process writes what all go on from
            sums = gather_object([float(self.sum)])
            self.sum = torch.tensor(sum(sums) / len(sums), device=self.sum.device)

    def state(self) -> dict:
        return {"args": {}, "attributes": {"sum": float(self.sum), "since": self.since}}


class LastStepCallback(TrainerCallback):
    """Evaluates and saves at the last step, wherever that falls: a short run has a checkpoint too."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = True


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
        teachers: Teachers | None = None,
        own: int | None = None,
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        self.teachers = teachers
        self.tokenizer, self.muon_learning_rate, self.average = tokenizer, muon_learning_rate, average
        self.averaged = nullcontext  # what evaluation happens in
        self.told = LossCallback()
        self.add_callback(self.told)
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
            own=own if teachers else None,
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

    def take_up(self, checkpoint: Path) -> None:
        """Has the callbacks go on where they were at a checkpoint: transformers' own way puts new ones in their place,
        which whoever holds the old ones does not see."""
        saved = json.loads((checkpoint / "trainer_state.json").read_text()).get("stateful_callbacks", {})
        for callback in self.callback_handler.callbacks:
            for name, value in saved.get(type(callback).__name__, {}).get("attributes", {}).items():
                setattr(callback, name, value)

    def training_step(self, *args, **kwargs):
        loss = super().training_step(*args, **kwargs)
        self.told.add(loss)
        return loss

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        inputs = {**inputs, "return_logits": False}
        torch.manual_seed(inputs.pop("seed"))
        if position := inputs.pop("position", None):
            self.stream.positions |= position
        if self.teachers:
            own = inputs.pop("own")
            inputs["target_probs"] = self.teachers.target_probs(inputs["input_ids"], inputs["labels"], own)
        return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)

    def log(self, logs, *args, **kwargs):
        if "loss" in logs:
            mean = self.accelerator.gather(self.told.sum).mean().item()
            logs["loss"] = mean / (self.state.global_step - self.told.since)
            self.told.sum, self.told.since = torch.zeros(()), self.state.global_step
        super().log(logs, *args, **kwargs)
        if not all(math.isfinite(logs.get(name, 0.0)) for name in ("loss", "grad_norm", "eval_loss")):
            raise TrainError(
                f"the loss ran away before step {self.state.global_step}: remove {self.args.output_dir} and begin anew "
                "with a smaller muon_learning_rate or learning_rate"
            )

    def show(self, text: str) -> None:
        print(text)

    def steps(self) -> int:
        """How many steps the whole run has."""
        if self.args.max_steps > 0:
            return self.args.max_steps
        an_epoch = max(1, len(self.get_train_dataloader()) // self.args.gradient_accumulation_steps)
        return math.ceil(self.args.num_train_epochs * an_epoch)

    def measure(self, model) -> dict[str, float]:
        """The figures of an evaluation; by the `loss` among them the best checkpoint is chosen."""
        result = score(model, self.tokenizer, self.eval_dataset)
        return {name: result[name] for name in ("loss", "loss_characters", "perplexity")}

    def poems(self, model) -> list[str]:
        """What the model writes at an evaluation."""
        return sample_poems(model, self.tokenizer)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        model = self.accelerator.unwrap_model(self.model)
        with self.averaged():
            result = self.measure(model)
            poems = self.poems(model) if self.is_world_process_zero() else []
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in result.items()}
        self.log(metrics)
        if self.is_world_process_zero():
            folder = Path(self.args.output_dir, "poems")
            folder.mkdir(parents=True, exist_ok=True)
            text = f"step {self.state.global_step}, {result['loss']:.4f} nats a character\n\n"
            text += "\n".join(poems)
            (folder / f"step-{self.state.global_step:06d}.txt").write_text(text + "\n", encoding="utf-8")
            self.show(text)
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
