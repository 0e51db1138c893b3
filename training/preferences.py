"""Teaches cells to write the lines that readers like: ``python -m training.preferences``.

What a network has read tells it which characters may follow, not which of its own lines make sense. Readers' grades of
its lines (:mod:`training.grading`) do, and it learns from each of them: a line that was liked becomes likelier than it
was, one that was not less likely, the further its grade is from the mean the more, as long as that costs little
elsewhere::

    python -m training.preferences lstm gru rnn --output runs/preferred
    python -m training.grading fit runs/preferred/lstm runs/preferred/gru runs/preferred/rnn

Method: the loss of a line is -log sigmoid(beta * log(p / p_before)) with the sign and the weight of its grade. So
Rafailov et al. 2023, *Direct Preference Optimization*, write a reader's choice, the network itself being the measure of
what is liked, and Ethayarajh et al. 2024, *KTO*, for what is judged one by one. What holds the cell to what it knew are
the divergences from its former self, character by character, on its own poems and on real ones; and one of the
characters of a batch taken together, so that it learns which words go together and not which are the safest.

Shapes in the comments: B poems, L lines, W characters with the mark, V vocab_size.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from datasets import Dataset

from tang_rnn import TangPoet, TangRNNForCausalLM
from tang_rnn.tokenization_tang_rnn import fingerprint

from .data import IGNORED, Collator, LengthBatchSampler, encode, known_only
from .errors import UserError, ended
from .export import export
from .grading import Graded, read_grades
from .lines import Lines, batches, read_lines
from .loading import load_corpus
from .papers import read_json
from .teach import fast_bfloat16


class PreferenceError(UserError):
    """A wrong option, or nothing to learn from."""


class Settings(NamedTuple):
    """How much is learned from the grades, and what holds the cell.

    Attributes:
        epochs: over the graded poems.
        learning_rate: of AdamW, falling to nothing by a cosine after a warm start.
        beta: how soon a line is liked enough.
        own, real, common: weights of the divergences: on the graded poems, on real ones, of characters taken together.
        lines: of graded poems in a step.
        real_characters: of real poems in a step; a longer poem is cut.
        share: of the change that is kept at the end: less costs less of what the cell knew, and sooner than it costs
            of what it learned (Wortsman et al. 2022, *Robust fine-tuning of zero-shot models*).
        seed: of the order, dropout and the real poems.
    """

    epochs: int = 3
    learning_rate: float = 5e-4
    beta: float = 0.5
    own: float = 0.1
    real: float = 3.0
    common: float = 10.0
    lines: int = 128
    real_characters: int = 1024
    share: float = 1.0
    seed: int = 0


WARM = 30  # steps
CLIP = 1.0  # greatest norm of a step's gradient


def liked(now: Lines, before: Lines, grades: torch.Tensor, mean: float, beta: float) -> torch.Tensor:
    """The loss of lines that were graded, (B, L): mean over all, in nats of the ratio for a small ratio."""
    ratio, weight = (now.likely - before.likely).sum(2), grades - mean
    return -(weight.abs() * F.logsigmoid(beta * ratio * weight.sign())).mean() / beta


def divergence(now: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Nats a character by which what could stand at each place, (..., V) logarithms, is now another."""
    return (before.exp() * (before - now)).sum(-1).mean()


def divergence_together(now: torch.Tensor, before: torch.Tensor, least: float = 1e-6) -> torch.Tensor:
    """The same of the characters of all places taken together: nats."""
    was, is_now = (each.flatten(0, -2).exp().mean(0) for each in (before, now))
    return (was * ((was + least).log() - (is_now + least).log())).sum()


def expected(model: TangRNNForCausalLM, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The logarithms of what a network expects at each place of a batch of real poems that counts: (N, V)."""
    hidden = model.model(batch["input_ids"], use_cache=False).last_hidden_state[:, :-1]
    return model.lm_head(hidden[batch["labels"][:, 1:].ne(IGNORED)]).float().log_softmax(-1)


def learn(
    poet: TangPoet,
    poems: Sequence[Graded],
    real: Dataset,
    settings: Settings,
) -> Iterator[str]:
    """Changes a cell's network by the grades, and says how it goes, an epoch a line.

    Args:
        poems: with their grades.
        real: rows of :func:`training.data.encode`.
    """
    rng, model = random.Random(settings.seed), poet.model
    torch.manual_seed(settings.seed)
    before, forms = copy.deepcopy(model).eval().requires_grad_(False), [poem.form for poem in poems]
    grades = [grade for poem in poems for grade in poem.grades]
    mean, steps = sum(grades) / len(grades), settings.epochs * sum(1 for _ in batches(forms, settings.lines))
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARM) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )
    collate = Collator(poet.tokenizer, unknown=0.01, inside=0.1, max_length=settings.real_characters)
    lengths = [len(text) for text in real["text"]]
    others = itertools.cycle(LengthBatchSampler(lengths, settings.real_characters, settings.seed))

    def both(read: Callable, *what) -> tuple:
        with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16()):
            with torch.no_grad():
                was = read(before, *what)
            return read(model, *what), was

    model.train()
    for epoch in range(settings.epochs):
        told = []
        for numbers in batches(forms, settings.lines, rng):
            part = [poems[number] for number in numbers]
            own = both(read_lines, poet.tokenizer, part[0].form, [poem.lines for poem in part])
            taken = collate([real[row] for row in next(others)])
            pairs = tuple(each.log_probs for each in own), both(expected, taken)
            losses = (
                liked(*own, torch.tensor([poem.grades for poem in part]), mean, settings.beta),
                settings.own * divergence(*pairs[0]),
                settings.real * divergence(*pairs[1]),
                settings.common * sum(divergence_together(*pair) for pair in pairs),
            )
            optimizer.zero_grad()
            sum(losses).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            falling.step()
            told.append([float(loss.detach()) for loss in losses])
        means = (f"{sum(each) / len(told):.3f}" for each in zip(*told))
        yield f"  epoch {epoch + 1}: liked, own, real, common: {', '.join(means)}"
    with torch.no_grad():
        for new, old in zip(model.parameters(), before.parameters()):
            new.lerp_(old, 1 - settings.share)
    model.eval()


def preferred(cells: Sequence[str], output: Path, settings: Settings, corpus: str) -> Iterator[str]:
    """Writes each cell as it is after learning into a folder of its name, and says how it went."""
    for name in ("epochs", "learning_rate", "beta", "lines", "real_characters", "share"):
        if getattr(settings, name) <= 0:
            raise PreferenceError(f"--{name.replace('_', '-')} must be more than 0")
    poems = read_grades()
    if not poems:
        raise PreferenceError("there are no grades to learn from: python -m training.grading")
    rows, real = load_corpus(corpus)["train"], {}  # encoded once for all cells of one vocabulary
    for cell in cells:
        poet = TangPoet.from_pretrained(cell)
        yield f"{cell}: {len(poems)} poems"
        if (vocabulary := fingerprint(poet.tokenizer)) not in real:
            real[vocabulary] = known_only(encode(rows, poet.tokenizer), poet.tokenizer)
        yield from learn(poet, poems, real[vocabulary], settings)
        source = Path(poet.model.name_or_path)
        folder, log = output / source.name, read_json(source / "training_log.json", missing={})
        export(poet.model, poet.tokenizer, folder)
        log["preferences"] = {"poems": len(poems), "lines": sum(len(poem.lines) for poem in poems)}
        (folder / "training_log.json").write_text(json.dumps(log) + "\n", encoding="utf-8")
        yield f"  {folder}; then python -m training.grading fit {folder}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.preferences", description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="+", metavar="CELL", help="name or folder of a checkpoint")
    parser.add_argument("--output", type=Path, required=True, help="folder for their folders")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset, for real poems")
    for name, default in Settings._field_defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    arguments = vars(parser.parse_args(argv))
    cells, output, corpus = (arguments.pop(name) for name in ("cells", "output", "corpus"))

    def run() -> None:
        for line in preferred(cells, output, Settings(**arguments), corpus):
            print(line, flush=True)

    return ended("training.preferences", run, also=(OSError,))


if __name__ == "__main__":
    sys.exit(main())
