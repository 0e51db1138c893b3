"""A cell goes on learning from one's own poems: ``python -m training.teach POEMS --cell lstm --output runs/mine``.

POEMS are files, folders or datasets on the Hub, in any usual shape; what is understood is said before anything is
learned. The cell keeps its vocabulary, which grows by what the poems bring, and reads poems of the Tang between
them, so that it does not forget those. Some are held out: when it does no better on them any more, it stops. What is
left in the output folder:

    final/          the taught cell, for TangPoet.from_pretrained, tang-rnn write --cell, transformers, training.publish
    dropped.csv     what was left out, and why
    poems/          three poems at each evaluation
    corpus/         the poems as the cell reads them; initial/, lesson.json, checkpoint-*: where ``--resume`` goes on
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, disable_progress_bars
from tqdm import tqdm
from transformers import EarlyStoppingCallback, PrinterCallback, TrainerCallback
from transformers.utils import logging

from tang_rnn import TangPoet, TangRNNForCausalLM
from tang_rnn.arguments import value_of
from tang_rnn.checkpoint import bare_name
from tang_rnn.files import written_whole
from tang_rnn.grading import GRADER
from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse import FORMS
from tang_rnn.verse.quotations import OWN_LINES, LineIndex
from tang_rnn.writing.request import Option

from .checkpoints import alone, checkpoints
from .corpus import HERE, SCHEMA
from .data import encode, score, together
from .errors import TrainError, ended
from .export import export
from .initial import begin_with, find
from .own import OwnPoems, gather, hold_out
from .papers import read_json
from .sources import shown
from .train import Hooks, fit, model_like, plain_words
from .trainer import PoetTrainer, sample_poems
from .vocabulary import enough, grown, occurring

LESSON = "lesson.json"
CHARACTERS = 2_000_000  # of one's own poems to be read in all, if that takes neither too few nor too many passes
PASSES = (2, 20)
REHEARSAL = 1.0  # characters of the Tang for each of one's own
TANG_SAMPLE = 200  # poems of the Tang's validation split that say what is forgotten
FORGIVEN = 0.03  # nats a character by which the Tang's loss may rise before a checkpoint counts as a worse one
SAVE_EVERY = 120  # seconds
LEAST = 0.002  # nats a character that count as something learned
FEWEST = 4  # poems there must be
SEED = Option("seed", int, 7, "of the order, and of what is written on the way", least=0, most=2**32 - 1)
# Of a cell's training_log.json, what its card tells of how it came to be.
STORY = ("epochs", "beside", "beside_epochs", "teachers", "pretrained_on", "pretrained_epochs", "preferences", "taught")


@dataclass
class Lesson:
    """What is to be learned and how, as it stands in lesson.json."""

    facts: dict
    passes: int
    eval_steps: int
    max_tokens: int
    seed: int

    def config(self, output: Path) -> dict:
        """The run's configuration, for :func:`.train.fit`."""
        return {
            "output_dir": str(output),
            "model": {},
            "batch": {"max_tokens": self.max_tokens, "max_length": 384, "unknown": 0.01, "inside": 0.1},
            "muon_learning_rate": 2e-3,
            "average": 0.98,
            "average_last": 1,
            "trainer": {
                "num_train_epochs": 1,  # of all passes together
                "learning_rate": 5e-4,
                "lr_scheduler_type": "constant_with_warmup",
                "warmup_steps": 10,
                "weight_decay": 0.01,
                "adam_beta2": 0.99,
                "max_grad_norm": 0.5,
                "eval_steps": self.eval_steps,
                "logging_steps": self.eval_steps,
                "logging_first_step": False,
                "seed": self.seed,
                "bf16": True,
                "disable_tqdm": True,
            },
        }


class TeachTrainer(PoetTrainer):
    """Measures both what is learned and what is forgotten."""

    def __init__(self, *args, tang: Dataset, tang_before: float, openings: list[str], **kwargs):
        super().__init__(*args, **kwargs)
        self.tang, self.tang_before, self.openings = tang, tang_before, openings
        self.remove_callback(PrinterCallback)

    def measure(self, model) -> dict[str, float]:
        own, tang = (score(model, self.tokenizer, poems)["loss"] for poems in (self.eval_dataset, self.tang))
        return {"loss": own + 10 * max(0.0, tang - self.tang_before - FORGIVEN), "own": own, "tang": tang}

    def poems(self, model) -> list[str]:
        return sample_poems(model, self.tokenizer, self.openings, seed=self.state.global_step)

    def show(self, text: str) -> None:
        tqdm.write(text)


class Patience(EarlyStoppingCallback):
    """Stops when so many evaluations in a row were no better."""

    def on_train_begin(self, args, state, control, **kwargs):
        pass  # transformers' own wants the best checkpoint loaded at the end, which `finish` does


class Progress(TrainerCallback):
    """A bar with the time that is left, and both losses beside it."""

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, unit="step", desc="learning", mininterval=1)

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(state.global_step - self.bar.n)

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        self.bar.set_postfix(own=f"{metrics['eval_own']:.3f}", tang=f"{metrics['eval_tang']:.3f}")

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


class SaveByTime(TrainerCallback):
    """A checkpoint at least every so many seconds, however long a step takes."""

    def __init__(self, seconds: float):
        self.seconds, self.last = seconds, time.monotonic()

    def on_step_end(self, args, state, control, **kwargs):
        if time.monotonic() - self.last > self.seconds:
            control.should_save = True

    def on_save(self, args, state, control, **kwargs):
        self.last = time.monotonic()


# ------------------------------------------------------------------------------------------------------- beforehand


def understand(names: list[str], column: str | None, output: Path) -> OwnPoems:
    """Reads and cleans the poems, and says what they are; what was left out stands in a file."""
    own = gather(names, column)
    output.mkdir(parents=True, exist_ok=True)
    own.write_dropped(output / "dropped.csv")
    print(own.report())
    if own.dropped:
        print(f"what was left out, and why: {output / 'dropped.csv'}")
    if len(own.rows) < FEWEST:
        raise TrainError(
            f"{len(own.rows)} poems are too few to learn from: {FEWEST} or more are needed, 20 to be of use"
        )
    return own


def prepare(own: OwnPoems, names: list[str], cell: str, output: Path, seed: int) -> Lesson:
    """Splits the poems, grows the vocabulary, measures the cell, and writes all of it down."""
    learn, held = hold_out(own.rows)
    for split, rows in (("train", learn), ("validation", held)):
        (output / "corpus").mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), output / "corpus" / f"{split}.parquet")
    poet = find(cell, "--cell")
    rows = Dataset.from_list(own.rows)
    tokenizer = grown(poet.tokenizer, *occurring(rows, **enough(len(rows))))
    log = read_json(poet.recurrence.folder / "training_log.json", missing={})
    known = poet.tokenizer.get_vocab()
    new = [token for token in tokenizer.get_vocab() if token not in known]
    model = model_like(poet.model.config, tokenizer)
    begin_with(model, tokenizer, cell)
    export(model, tokenizer, output / "initial")
    if poet.grader:
        poet.grader.write(output / "initial")  # its states are the cell's, and stay near
    model = TangPoet.from_pretrained(output / "initial").model
    lengths = [len(row["text"]) + 2 for row in learn]
    passes = int(min(max(PASSES[0], CHARACTERS // sum(lengths)), PASSES[1]))
    tang = read_tang("validation", TANG_SAMPLE, seed)
    before = {
        "own": score(model, tokenizer, encode(Dataset.from_list(held), tokenizer))["loss"],
        "tang": score(model, tokenizer, encode(tang, tokenizer))["loss"],
    }
    total = passes * sum(lengths) * (1 + REHEARSAL)
    max_tokens = int(min(2048, max(512, total // 150)))
    facts = {
        "cell": bare_name(cell),
        "cell_log": {name: value for name, value in log.items() if name in STORY},
        "sources": [shown(bare_name(name)) for name in names],
        "poems": len(own.rows),
        "held_out": len(held),
        "left_out": len(own.dropped),
        "forms": dict(Counter(row["form"] for row in own.rows).most_common()),
        "poets": dict(Counter(row["poet"] for row in own.rows if row["poet"]).most_common(20)),
        "new_characters": "".join(sorted(token for token in new if len(token) == 1)),
        "new_poets": sorted(token[1:-1] for token in new if len(token) > 1),
        "passes": passes,
        "before": before,
    }
    lesson = Lesson(facts, passes, max(5, int(total / max_tokens) // 20), max_tokens, seed)
    with written_whole(output / LESSON) as path:
        path.write_text(json.dumps(lesson.__dict__, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return lesson


def read_tang(split: str, count: int | None, seed: int) -> Dataset:
    """Poems of the Tang from the corpus of this repository; `count` of them, or all."""
    path = HERE / f"{split}.parquet"
    if not path.exists():
        raise TrainError(f"{path} is missing: python -m training.corpus makes it")
    rows = Dataset(pq.read_table(path))
    if count is None or count >= len(rows):
        return rows
    return rows.select(np.random.default_rng(seed).permutation(len(rows))[:count])


def rehearsal(characters: float, tokenizer: TangTokenizer, seed: int) -> Dataset:
    """Poems of the Tang of so many characters together, each once before any comes again."""
    rows = read_tang("train", None, seed)
    lengths = np.char.str_len(np.array(rows["text"]))
    rng, chosen, sum_of = np.random.default_rng(seed), [], 0
    while sum_of < characters:
        order = rng.permutation(len(rows))
        reached = sum_of + lengths[order].cumsum()
        order = order[: int(np.searchsorted(reached, characters)) + 1]
        chosen.append(order)
        sum_of += int(lengths[order].sum())
    encoded = encode(rows.select(np.unique(np.concatenate(chosen))), tokenizer)
    places = np.searchsorted(np.unique(np.concatenate(chosen)), np.concatenate(chosen))
    return encoded.select(places)


# ------------------------------------------------------------------------------------------------------ the teaching


def teach(options: argparse.Namespace) -> Path:
    """Teaches as the options say and returns the folder of the taught cell.

    Raises:
        TrainError, CorpusError: what is asked for cannot be.
    """
    output = options.output
    with alone(output), plain_words(output):
        started = (output / LESSON).exists() or bool(checkpoints(output))
        if started and not (options.resume or options.check):
            raise TrainError(f"{output} holds a run already: add --resume to go on with it, or name another --output")
        if (output / LESSON).exists() and not options.check:
            lesson = Lesson(**json.loads((output / LESSON).read_text(encoding="utf-8")))
            print(f"going on with {lesson.facts['poems']:,} poems of {', '.join(lesson.facts['sources'])}")
        else:
            own = understand(options.poems, options.text, output)
            if options.check:
                return output
            lesson = prepare(own, options.poems, options.cell, output, options.seed)
        learn(lesson, output, options)
    return output / "final"


def learn(lesson: Lesson, output: Path, options: argparse.Namespace) -> None:
    """The run itself, and the story it leaves in training_log.json."""
    tokenizer = TangPoet.from_pretrained(output / "initial").tokenizer
    corpus = {
        split: Dataset(pq.read_table(output / "corpus" / f"{split}.parquet")) for split in ("train", "validation")
    }
    learn, held = (encode(rows, tokenizer) for rows in corpus.values())
    characters = lesson.passes * REHEARSAL * sum(len(text) for text in corpus["train"]["text"])
    tang = rehearsal(characters, tokenizer, lesson.seed)
    before = lesson.facts["before"]
    print(
        f"{len(learn):,} poems to learn, {lesson.passes} times at most, with {len(tang):,} of the Tang between them; "
        f"{len(held):,} held out\nbefore: {before['own']:.3f} nats a character on those held out, "
        f"{before['tang']:.3f} on the Tang's",
        flush=True,
    )
    openings = [f"{FORMS[row['form']].token}{row['text'][0]}" for row in corpus["validation"].to_list()[:3]]
    measured = {
        "tang": encode(read_tang("validation", TANG_SAMPLE, lesson.seed), tokenizer),
        "tang_before": before["tang"],
        "openings": openings,
    }

    def facts(model: TangRNNForCausalLM, trainer: TeachTrainer) -> dict:
        after = trainer.measure(model)
        lines = (line for rows in corpus.values() for lines in rows["lines"] for line in lines)
        LineIndex.write(lines, output / "final" / OWN_LINES)
        if (output / "initial" / GRADER).exists():
            shutil.copy(output / "initial" / GRADER, output / "final")
        return {
            "taught": lesson.facts | {"rehearsed": len(tang), "after": {"own": after["own"], "tang": after["tang"]}}
        }

    config = lesson.config(output)
    fit(
        config,
        tokenizer,
        together(*[learn] * lesson.passes, tang),
        held,
        str(output / "initial"),
        hooks=Hooks(
            lambda **arguments: TeachTrainer(**arguments, **measured),
            (Patience(early_stopping_patience=4), Progress(), SaveByTime(SAVE_EVERY)),
            facts,
        ),
    )
    after = json.loads((output / "final" / "training_log.json").read_text(encoding="utf-8"))["taught"]["after"]
    better = after["own"] < before["own"] - LEAST
    print(
        f"after:  {after['own']:.3f} nats a character on those held out ({after['own'] - before['own']:+.3f}), "
        f"{after['tang']:.3f} on the Tang's ({after['tang'] - before['tang']:+.3f})\n"
        + ("" if better else "it hardly learned: the poems are few, or like those that it knows\n")
        + f"write with it: tang-rnn write 春 --cell {output / 'final'}"
    )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="training.teach", description=__doc__.splitlines()[0])
    parser.add_argument("poems", nargs="*", metavar="POEMS", help="files, folders, or ids of datasets on the Hub")
    parser.add_argument("--cell", default="lstm", help="rnn, lstm, gru, a folder, or an id on the Hub (default: lstm)")
    parser.add_argument("--output", type=Path, required=True, help="the folder of the run, such as runs/mine")
    parser.add_argument("--text", metavar="COLUMN", help="the column that holds the poems, by name or by number from 1")
    parser.add_argument("--check", action="store_true", help="read the poems, say what is understood, and stop there")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the output folder")
    parser.add_argument("--seed", type=value_of(SEED), default=SEED.default, help=SEED.help)
    options = parser.parse_args(argv)
    if not options.poems and options.resume and not (options.output / LESSON).exists():
        parser.error(f"{options.output} holds no run to go on with: name the poems to begin one")
    if not options.poems and not options.resume:
        parser.error("name a file, a folder or a dataset of poems")
    return options


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    disable_progress_bars()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    return ended("training.teach", lambda: teach(options), stopped="stopped; the same command with --resume goes on")


if __name__ == "__main__":
    sys.exit(main())
