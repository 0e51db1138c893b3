"""Measures checkpoints: ``python -m training.evaluate tang_rnn/pretrained/{rnn,lstm,gru} [--json]``.

On the test poems the loss in nats per character, with and without what the model may be told beforehand; and on poems
written by fixed seeds how they keep form, tones and rhyme, how varied they are, and how much of them stands in the
training poems. Each checkpoint's figures are written beside it as evaluation.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from datasets import load_dataset

from tang_rnn import TangPoet
from tang_rnn.forms import FORMS, split_lines
from tang_rnn.poet import PoetError
from tang_rnn.prosody import check

from .data import encode, score

OPENINGS = "春秋山月江风花雪云日夜人水天白青客寒孤独"
REGULATED = [name for name, form in FORMS.items() if form.regulated and form.num_lines]
RUN = 5  # characters in a row that count as a quotation, where a line is longer


def distinct(poems: list[list[str]], n: int) -> float:
    """Different n-grams within lines as a share of all (Li et al. 2016)."""
    grams = [line[i : i + n] for lines in poems for line in lines for i in range(len(line) - n + 1)]
    return len(set(grams)) / len(grams)


def repeated(poems: list[list[str]]) -> float:
    """Characters that stand in their poem already, as a share of all."""
    characters = ["".join(lines) for lines in poems]
    return sum(len(text) - len(set(text)) for text in characters) / sum(map(len, characters))


class Quotations:
    """Lines and runs of five characters of the training poems, to find again."""

    def __init__(self, texts: list[str]):
        self.lines, self.runs = set(), set()
        for text in texts:
            for line in split_lines(text):
                self.lines.add(line)
                self.runs.update(line[i : i + RUN] for i in range(len(line) - RUN + 1))

    def shares(self, poems: list[list[str]]) -> dict[str, float]:
        """The share of lines, and of five-character runs, that are found."""
        lines = [line for poem in poems for line in poem]
        runs = [line[i : i + RUN] for line in lines for i in range(len(line) - RUN + 1)]
        return {
            "lines_quoted": sum(line in self.lines for line in lines) / len(lines),
            "runs_quoted": sum(run in self.runs for run in runs) / max(1, len(runs)),
        }


def describe(poems: list[list[str]], quotations: Quotations) -> dict[str, float]:
    """Variety and originality of poems, each a list of lines."""
    figures = {f"distinct_{n}": distinct(poems, n) for n in (1, 2, 4)}
    return figures | {"repeated": repeated(poems)} | quotations.shares(poems)


def written(poet: TangPoet, regulated: bool, per_form: int, quotations: Quotations) -> dict:
    """Figures on poems of each form, by the seeds 0, 1, 2, …"""
    lines, kept, nats, characters = [], Counter(), 0.0, 0
    for form in REGULATED:
        openings = [OPENINGS[number % len(OPENINGS)] for number in range(per_form)]
        for seed, opening in enumerate(openings):
            poem = poet.write(opening, form=form, regulated=regulated, seed=seed)
            judged = check(poem.text)
            names = {violation.name for violation in judged.violations}
            kept["form"] += judged.form == form
            kept["tones"] += not names - {"出韵", "重韵", "格式"}
            kept["rhyme"] += judged.rhyme_group is not None and not names & {"出韵", "重韵"}
            nats -= poem.log_prob
            characters += poem.characters
            lines.append(poem.lines)
    shares = {f"{rule}_kept": kept[rule] / len(lines) for rule in ("form", "tones", "rhyme")}
    return {"poems": len(lines)} | shares | describe(lines, quotations) | {"loss": nats / characters}


def evaluate(folder: Path, corpus, per_form: int, quotations: Quotations) -> dict:
    """All figures of one checkpoint."""
    poet = TangPoet.from_pretrained(folder)
    test = encode(corpus["test"], poet.tokenizer)
    return {
        "cell": poet.cell,
        "parameters": poet.model.num_parameters(),
        "test": score(poet.model, poet.tokenizer, test),
        "test_with_context": score(poet.model, poet.tokenizer, test, context=True),
        "written_free": written(poet, False, per_form, quotations),
        "written_regulated": written(poet, True, per_form, quotations),
        "real_test_poems": describe([row for row in corpus["test"]["lines"]], quotations),
        "samples": [str(poet.write(opening, form="七绝", regulated=True, seed=0)) for opening in OPENINGS[:12]],
    }


def rounded(value):
    """Four digits are what these figures are good for."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


ROWS = (
    ("nats a character", "test", "loss"),
    ("  without marks", "test", "loss_characters"),
    ("  told form, poet, title", "test_with_context", "loss"),
    ("perplexity", "test", "perplexity"),
    ("free: form kept", "written_free", "form_kept"),
    ("free: tones kept", "written_free", "tones_kept"),
    ("free: rhyme kept", "written_free", "rhyme_kept"),
    ("regulated: form kept", "written_regulated", "form_kept"),
    ("regulated: tones kept", "written_regulated", "tones_kept"),
    ("regulated: rhyme kept", "written_regulated", "rhyme_kept"),
    ("regulated: nats a character", "written_regulated", "loss"),
    ("free: nats a character", "written_free", "loss"),
    ("distinct-2", "written_free", "distinct_2"),
    ("lines in training poems", "written_free", "lines_quoted"),
    ("  of real test poems", "real_test_poems", "lines_quoted"),
)


def table(results: list[dict]) -> str:
    """The figures side by side."""
    rows = [f"{'':28}" + "".join(f"{result['cell']:>10}" for result in results)]
    rows.append(f"{'parameters, millions':28}" + "".join(f"{r['parameters'] / 1e6:10.2f}" for r in results))
    rows += [f"{name:28}" + "".join(f"{r[part][key]:10.4f}" for r in results) for name, part, key in ROWS]
    return "\n".join(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.evaluate", description="Measure checkpoints on the test poems.")
    parser.add_argument("checkpoints", nargs="+", type=Path, help="checkpoint folders")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset")
    parser.add_argument("--poems", type=int, default=50, help="poems written for each form")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    arguments = parser.parse_args(argv)
    try:
        corpus = load_dataset(arguments.corpus)
        quotations = Quotations(list(corpus["train"]["text"]))
        results = []
        for folder in arguments.checkpoints:
            result = rounded(evaluate(folder, corpus, arguments.poems, quotations))
            (folder / "evaluation.json").write_text(
                json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
            )
            results.append(result)
    except (PoetError, OSError) as error:
        print(f"training.evaluate: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    print(json.dumps(results, ensure_ascii=False) if arguments.json else table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
