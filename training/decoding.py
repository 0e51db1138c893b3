"""How to draw: ``python -m training.decoding tang_rnn/pretrained/lstm --judge tang_rnn/pretrained/gru``.

Writes the same poems, by the same seeds, with each way of drawing and choosing, and sets side by side how varied they
are, how much of them is copied from the training poems, and how likely they are to another model that has not written
them. A better way is likelier to the judge at the same variety. The defaults of tang_rnn.poet.Sampling come from here.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from datasets import Dataset
from transformers import LogitsProcessor, MinPLogitsWarper, TypicalLogitsWarper

from tang_rnn import TangPoet
from tang_rnn.writing.poem import Poem
from tang_rnn.writing.sampling import Sampling

from .data import encode, score
from .errors import ended
from .evaluate import Quotations, describe, evenly, write_poems
from .loading import load_corpus

FORMS = ["七绝", "五律"]


class Warped(Sampling):
    """Draws through one of transformers' warpers, for ways that the package does not have."""

    def __init__(self, warper: LogitsProcessor, temperature: float = 1.0, top_k: int = 0):
        super().__init__(temperature=temperature, top_k=top_k, top_p=1.0)
        object.__setattr__(self, "warper", warper)

    def draw(self, scores: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
        return super().draw(self.warper(None, scores / self.temperature) * self.temperature, uniform)


# Name, way of drawing, candidates, and whether tones and rhyme are kept.
WAYS = (
    ("t 0.7, k 64, p 0.9", Sampling(0.7, 64, 0.9), 1, False),
    ("t 0.8, k 64, p 0.9", Sampling(0.8, 64, 0.9), 1, False),
    ("t 0.9, k 64, p 0.9", Sampling(0.9, 64, 0.9), 1, False),
    ("t 1.0, k 64, p 0.9", Sampling(1.0, 64, 0.9), 1, False),
    ("t 0.8, p 0.9", Sampling(0.8, 0, 0.9), 1, False),
    ("t 1.0, p 0.9", Sampling(1.0, 0, 0.9), 1, False),
    ("min-p 0.1", Warped(MinPLogitsWarper(0.1)), 1, False),
    ("min-p 0.05", Warped(MinPLogitsWarper(0.05)), 1, False),
    ("min-p 0.05, t 0.8", Warped(MinPLogitsWarper(0.05), 0.8), 1, False),
    ("typical 0.9", Warped(TypicalLogitsWarper(0.9)), 1, False),
    ("typical 0.5", Warped(TypicalLogitsWarper(0.5)), 1, False),
    ("typical 0.9, t 0.8", Warped(TypicalLogitsWarper(0.9), 0.8), 1, False),
    ("t 0.8, k 64, p 0.9, best of 8", Sampling(0.8, 64, 0.9), 8, False),
    ("t 1.0, k 64, p 0.9, best of 8", Sampling(1.0, 64, 0.9), 8, False),
    ("t 1.0, p 0.9, best of 8", Sampling(1.0, 0, 0.9), 8, False),
    ("rules, t 0.8, k 64, p 0.9", Sampling(0.8, 64, 0.9), 1, True),
    ("rules, t 0.8, k 64, p 0.9, best of 8", Sampling(0.8, 64, 0.9), 8, True),
    ("rules, t 1.0, k 64, p 0.9, best of 8", Sampling(1.0, 64, 0.9), 8, True),
    ("rules, t 1.0, p 0.9, best of 8", Sampling(1.0, 0, 0.9), 8, True),
)


class Drawing(TangPoet):
    """A poet that draws in a given way."""

    way: Sampling

    def _sampling(self, options: dict) -> Sampling:
        return self.way


def figures(texts: list[str], forms: list[str], judge: TangPoet, quotations: Quotations) -> dict:
    rows = [{"text": text, "form": form, "poet": "", "title": ""} for text, form in zip(texts, forms)]
    judged = score(judge.model, judge.tokenizer, encode(Dataset.from_list(rows), judge.tokenizer), ("form",))
    return {"judge": judged["loss"]} | describe(texts, forms, quotations)


def measure(writer: Path, judge: TangPoet, corpus, per_form: int, only: str) -> Iterator[dict]:
    """A row for each way of drawing, after one for real poems, as they come."""
    quotations = Quotations(list(corpus["train"]["text"]))
    real = {form: [row["text"] for row in corpus["test"] if row["form"] == form] for form in FORMS}
    texts = {form: evenly(found, per_form) for form, found in real.items()}
    forms = [form for form in FORMS for _ in texts[form]]
    yield {"name": "real poems"} | figures(sum(texts.values(), []), forms, judge, quotations)
    poet = Drawing.from_pretrained(writer)
    for name, way, candidates, regulated in WAYS:
        if only in name:
            poet.way = way
            poems: list[Poem] = write_poems(poet, per_form, FORMS, candidates=candidates, regulated=regulated)
            own = -sum(poem.log_prob for poem in poems) / sum(poem.characters for poem in poems)
            told = figures([poem.text for poem in poems], [poem.form for poem in poems], judge, quotations)
            yield {"name": name, "own": own} | told


COLUMNS = ("own", "judge", "distinct_1", "distinct_2", "distinct_4", "repeated", "lines_quoted", "runs_quoted")


def line(row: dict) -> str:
    """A row of the table."""
    cells = "".join(f"{row[name]:13.4f}" if name in row else " " * 13 for name in COLUMNS)
    return f"{row['name']:38}{cells}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.decoding", description=__doc__.splitlines()[0])
    parser.add_argument("writer", type=Path, help="the checkpoint that writes")
    parser.add_argument("--judge", type=Path, required=True, help="another one, which reads what was written")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset")
    parser.add_argument("--poems", type=int, default=100, help="poems written for each form")
    parser.add_argument("--only", default="", metavar="WORD", help="ways with this in their names")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    arguments = parser.parse_args(argv)
    return ended("training.decoding", lambda: run(arguments), also=(OSError,))


def run(arguments: argparse.Namespace) -> None:
    judge, corpus = TangPoet.from_pretrained(arguments.judge), load_corpus(arguments.corpus)
    if not arguments.json:
        print(f"{'':38}" + "".join(f"{name:>13}" for name in COLUMNS))
    for row in measure(arguments.writer, judge, corpus, arguments.poems, arguments.only):
        print(json.dumps(row, ensure_ascii=False) if arguments.json else line(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
