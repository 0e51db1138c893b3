"""Measures checkpoints: ``python -m training.evaluate tang_rnn/pretrained/{rnn,lstm,gru} [--quatrains FILE] [--json]``.

On the test poems: nats per character, by form and by what the model is told beforehand, where it breaks the lines, and
whether it knows a poem's poet. On poems written by fixed seeds: form, tones and rhyme, variety, what stands in the
training poems, and whether a title leads to its theme. Each checkpoint's figures are written beside it as
evaluation.json, which model_card.md and training/report.py read.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from itertools import combinations, cycle
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, DatasetDict

from tang_rnn import TangPoet
from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse import COMMA, FORMS, STOP, check, classify, split_lines
from tang_rnn.verse.measures import MEASURES, measure
from tang_rnn.writing.poem import Poem

from .data import IGNORED, Collator, encode, score, scored
from .errors import CorpusError, ended
from .loading import load_corpus

OPENINGS = "春秋山月江风花雪云日夜人水天白青客寒孤独"
REGULATED = [name for name, form in FORMS.items() if form.regulated and form.num_lines]
RUN = 5  # characters in a row that count as a quotation, where a line is longer
POETS = 10  # the best represented, among whom a poem's poet is to be named
THEMES = ("边塞", "送别", "闺怨", "山居", "怀古")
THEME_SIZE = 50  # characters of a theme
THEME_POEMS = 10  # that a theme's character stands in at least
TITLES = 50  # poems under a theme's titles, fewer of which say too little


def laid_out(lines: list[str]) -> str:
    """The lines with ，inside a couplet and 。at its end."""
    return "".join(line + mark for line, mark in zip(lines, cycle((COMMA, STOP))))


# -- on poems of others -----------------------------------------------------------------------------------------------


@torch.inference_mode()
def line_breaks(poet: TangPoet, encoded: Dataset, block: int = 64) -> dict[str, float]:
    """Whether the likeliest next token is a mark where a mark stands, and only there, the model being told nothing.

    `accuracy` is the share of all places, the end included, where it rightly is a mark or rightly is none, `precision`
    and `recall` are those of the marks, and `same_mark` the share of marks foreseen that are the right one of ，and 。.
    """
    collate = Collator(poet.tokenizer, keep=0.0, max_length=10**6)
    marks = torch.tensor(poet.tokenizer.convert_tokens_to_ids([COMMA, STOP]))
    places = right = foreseen = standing = both = same = 0
    rows = sorted(encoded, key=lambda row: len(row["text"]))
    for first in range(0, len(rows), block):
        inputs = collate(rows[first : first + block])
        logits = poet.model(inputs["input_ids"], use_cache=False).logits[:, :-1]
        target = inputs["labels"][:, 1:]
        counted = target.ne(IGNORED)
        best, target = logits.argmax(2)[counted], target[counted]
        said, true = torch.isin(best, marks), torch.isin(target, marks)
        places += len(target)
        right += int(said.eq(true).sum())
        foreseen += int(said.sum())
        standing += int(true.sum())
        both += int((said & true).sum())
        same += int((said & true & best.eq(target)).sum())
    return {
        "accuracy": right / places,
        "precision": both / max(1, foreseen),
        "recall": both / max(1, standing),
        "same_mark": same / max(1, both),
    }


def poem_log_probs(poet: TangPoet, encoded: Dataset, told: Iterable[str]) -> np.ndarray:
    """The log probability of each poem, in the order of the dataset: (poems,)."""
    result = np.zeros(len(encoded))
    for rows, _, values in scored(poet.model, poet.tokenizer, encoded, tuple(told)):
        result[[row["row"] for row in rows]] = values.sum(1).numpy()
    return result


def naming(poet: TangPoet, test: Dataset, names: list[str]) -> dict:
    """Names the poet of each test poem of theirs: the one whose token makes the poem likeliest.

    Returns `accuracy`, the share named rightly; `pairs`, the mean share named rightly when there are only two to choose
    from, over all pairs of poets; `chance` and `pairs_chance`, what naming always the more frequent would give; and how
    many `poems` there were.
    """
    poems = test.filter(lambda row: row["poet"] in names)
    encoded = encode(poems, poet.tokenizer).remove_columns("poet")
    tokens = poet.tokenizer.convert_tokens_to_ids([f"<{name}>" for name in names])
    scores = np.stack(
        [poem_log_probs(poet, encoded.add_column("poet", [[token]] * len(encoded)), ["poet"]) for token in tokens]
    )  # (poets, poems)
    truth = np.array([names.index(name) for name in poems["poet"]])
    pairs, pairs_chance = [], []
    for one, other in combinations(range(len(names)), 2):
        either = (truth == one) | (truth == other)
        if either.any():
            choice = np.where(scores[one, either] >= scores[other, either], one, other)
            pairs.append((choice == truth[either]).mean())
            pairs_chance.append(np.bincount(truth[either]).max() / either.sum())
    return {
        "poets": names,
        "poems": len(truth),
        "accuracy": float((scores.argmax(0) == truth).mean()),
        "chance": float(np.bincount(truth).max() / len(truth)),
        "pairs": float(np.mean(pairs)),
        "pairs_chance": float(np.mean(pairs_chance)),
    }


def read_quatrains(path: Path, tokenizer: TangTokenizer) -> Dataset:
    """A file of quatrains, one a line, in any script and with any marks, as the corpus would have them.

    Raises:
        CorpusError: a line that is no quatrain of five or seven characters.
    """
    rows = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        lines = split_lines(tokenizer.normalize(text))
        if not lines:
            continue
        form = classify(lines).name
        if form not in ("五绝", "七绝"):
            raise CorpusError(
                f"{path}, line {number}: no quatrain of five or seven characters a line, but {text[:40]!r}"
            )
        rows.append({"text": laid_out(lines), "form": form, "poet": "", "title": ""})
    if not rows:
        raise CorpusError(f"{path} holds no poem")
    return encode(Dataset.from_list(rows), tokenizer)


# -- on poems of its own ----------------------------------------------------------------------------------------------


def distinct(poems: list[list[str]], n: int) -> float:
    """Different n-grams within lines as a share of all (Li et al. 2016)."""
    grams = [line[i : i + n] for lines in poems for line in lines for i in range(len(line) - n + 1)]
    return len(set(grams)) / max(1, len(grams))


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


def rules_kept(texts: list[str], forms: list[str]) -> dict[str, float]:
    """The shares of poems whose form is exactly the one asked for, and of these also the tones, or the rhymes.

    A poem of another form, or with other marks, keeps nothing: only of the form is it known what its tones should be.
    """
    kept = Counter()
    for text, form in zip(texts, forms):
        lines = split_lines(text)
        if not lines or text != laid_out(lines) or classify(lines).name != form:
            continue
        judged = check(text)
        names = {violation.name for violation in judged.violations}
        kept["form"] += 1
        kept["tones"] += not names - {"出韵", "重韵"}
        kept["rhyme"] += judged.rhyme_group is not None and not names & {"出韵", "重韵"}
    return {f"{rule}_kept": kept[rule] / len(texts) for rule in ("form", "tones", "rhyme")}


def as_read(poems: list[list[str]], titles: list[str]) -> dict[str, float]:
    """What readers notice, as means over poems: see :mod:`tang_rnn.verse.measures`, whose names these figures have.

    Contradictions, odd doublings and words with a wrong tone are given as the share of poems with any; parallelism is
    the mean over 律诗 and the theme that over poems with a title.
    """
    shapes, found = {}, {name: [] for name in MEASURES}
    for lines, title in zip(poems, titles):
        shapes.setdefault((len(lines), max(map(len, lines))), []).append((lines, title))
    for (height, _), rows in shapes.items():
        values = measure(*zip(*rows))
        for name, each in values.items():
            if name in ("contradictions", "odd_doublings", "mistoned"):
                each = each > 0
            elif name == "theme":
                each = each[[bool(title) for _, title in rows]]
            if name != "parallelism" or height == 8:
                found[name] += each.tolist()
    return {name: sum(values) / len(values) for name, values in found.items() if values}


def describe(
    texts: list[str], forms: list[str], quotations: Quotations, titles: list[str] | None = None
) -> dict[str, float]:
    """Form, variety and originality of poems, and what readers notice."""
    poems = [split_lines(text) for text in texts]
    figures = {"poems": len(texts)} | rules_kept(texts, forms)
    figures |= {f"distinct_{n}": distinct(poems, n) for n in (1, 2, 4)}
    figures |= {"repeated": repeated(poems)} | quotations.shares(poems)
    whole = [(lines, title) for lines, title in zip(poems, titles or [""] * len(poems)) if lines]
    return figures | as_read([lines for lines, _ in whole], [title for _, title in whole])


def write_poems(poet: TangPoet, per_form: int, forms: list[str] = REGULATED, **options) -> list[Poem]:
    """So many poems of each form on the same openings, by turns: the first turn by seed 0, the next by seed 1, …"""
    poems, turns = [], -(-per_form // len(OPENINGS))
    for form in forms:
        found = [list(poet.each(opening, form=form, seed=0, count=turns, **options)) for opening in OPENINGS[:per_form]]
        poems += [poem for turn in zip(*found, strict=True) for poem in turn][:per_form]
    return poems


def written(poet: TangPoet, per_form: int, quotations: Quotations, **options) -> dict:
    """Figures on poems as the package writes them by default; `loss` is the model's own, in nats a character."""
    poems = write_poems(poet, per_form, **options)
    figures = describe([poem.text for poem in poems], [poem.form for poem in poems], quotations)
    own = sum(len(poem.quotes) > 0 for poem in poems) / len(poems)
    loss = -sum(poem.log_prob for poem in poems) / sum(poem.characters for poem in poems)
    return figures | {"poems_with_quotes": own, "loss": loss}


@torch.inference_mode()
def sampled(poet: TangPoet, per_form: int, one_text: bool = False) -> tuple[list[str], list[str]]:
    """What ``model.generate`` samples where nothing but the form's token asks for a form, and the forms asked for.

    Args:
        one_text: the token is the text itself, as a pipeline gives one string, and so stands behind ``<s>``.
    """
    texts, forms = [], []
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        for form in REGULATED:
            tokens = [FORMS[form].token] * per_form
            inputs = poet.tokenizer(*([tokens] if one_text else [tokens, [""] * per_form]), return_tensors="pt")
            output = poet.model.generate(**inputs)[:, inputs["input_ids"].shape[1] :]
            texts += poet.tokenizer.batch_decode(output, skip_special_tokens=True)
            forms += [form] * per_form
    return texts, forms


def theme_characters(train: Dataset, word: str, size: int = THEME_SIZE) -> tuple[set[str], list[int]]:
    """The characters that mark poems under titles with a word, and which poems these are.

    Where fewer than TITLES titles have the word, those with one of its characters count. Of all characters but the
    word's own, the theme's are those with the greatest z of two proportions: the share of these poems that have the
    character, less the share of the others, in standard errors. Characters of fewer than THEME_POEMS of them are left
    out.
    """
    titles = train["title"]
    under = [index for index, title in enumerate(titles) if word in title]
    if len(under) < TITLES:
        under = [index for index, title in enumerate(titles) if set(word) & set(title)]
    inside, everywhere = Counter(), Counter()
    chosen = set(under)
    for index, text in enumerate(train["text"]):
        characters = set(text) - set(COMMA + STOP + word)
        everywhere.update(characters)
        if index in chosen:
            inside.update(characters)
    n, rest = len(under), len(titles) - len(under)

    def z(char: str) -> float:
        pooled = everywhere[char] / (n + rest)
        difference = inside[char] / n - (everywhere[char] - inside[char]) / rest
        return difference / max(1e-9, (pooled * (1 - pooled) * (1 / n + 1 / rest)) ** 0.5)

    frequent = [char for char, count in inside.items() if count >= THEME_POEMS]
    return set(sorted(frequent, key=lambda char: (-z(char), char))[:size]), under


def theme_share(texts: Iterable[str], theme: set[str]) -> float:
    """Characters of a theme as a share of all."""
    characters = [char for text in texts for char in text if char not in COMMA + STOP]
    return sum(char in theme for char in characters) / max(1, len(characters))


def steering(poet: TangPoet, per_form: int, train: Dataset) -> dict[str, dict[str, float]]:
    """For each theme its characters' share of poems under its title, of the same without, and of real ones."""
    forms = ["七绝", "五律"]
    plain = [poem.text for poem in write_poems(poet, per_form, forms)]
    result = {}
    for word in THEMES:
        theme, under = theme_characters(train, word)
        told = [poem.text for poem in write_poems(poet, per_form, forms, title=word)]
        result[word] = {
            "kept": as_read([split_lines(text) for text in told], [word] * len(told))["theme"],
            "told": theme_share(told, theme),
            "plain": theme_share(plain, theme),
            "real": theme_share(train.select(under)["text"], theme),
            "characters": "".join(sorted(theme)),
        }
    return result


def samples(poet: TangPoet) -> list[str]:
    """Twelve poems on the first twelve openings, each form in turn, all by seed 0: nobody chose them."""
    return [
        str(poet.write(opening, form=REGULATED[number % len(REGULATED)], regulated=True, seed=0))
        for number, opening in enumerate(OPENINGS[:12])
    ]


# -- all of it --------------------------------------------------------------------------------------------------------


def evenly(things: list, most: int) -> list:
    """At most so many of them, from beginning to end."""
    return [things[index * len(things) // most] for index in range(most)] if len(things) > most else things


def evaluate(
    poet: TangPoet, corpus: DatasetDict, per_form: int, quotations: Quotations, quatrains: Path | None = None
) -> dict:
    """All figures of one checkpoint."""
    test = encode(corpus["test"], poet.tokenizer)

    def loss(*told: str) -> dict:
        return score(poet.model, poet.tokenizer, test, told)

    real = corpus["test"].filter(lambda row: row["form"] in REGULATED)
    real_loss = score(poet.model, poet.tokenizer, encode(real, poet.tokenizer), ("form",))["loss"]
    # Variety is less where there is more text, so it is that of as many poems as are written.
    few = [row for form in REGULATED for row in evenly([row for row in real if row["form"] == form], per_form)]
    figures = {
        "cell": poet.cell,
        "parameters": poet.model.num_parameters(),
        "test": loss(),
        "test_with_context": loss(*Collator.PIECES),
        "test_told": {piece: loss(piece)["loss"] for piece in Collator.PIECES},
        "line_breaks": line_breaks(poet, test),
        "naming": naming(poet, corpus["test"], poet.tokenizer.poets[:POETS]),
        "written_alone": describe(*sampled(poet, per_form), quotations),
        "written_from_one_text": rules_kept(*sampled(poet, per_form, one_text=True)),
        "written_free": written(poet, per_form, quotations),
        "written_regulated": written(poet, per_form, quotations, regulated=True),
        "real_test_poems": describe(*([row[name] for row in few] for name in ("text", "form")), quotations)
        | rules_kept(list(real["text"]), list(real["form"]))
        | as_read(list(real["lines"]), list(real["title"]))
        | quotations.shares([split_lines(text) for text in real["text"]])
        | {"loss": real_loss},
        "steering": steering(poet, per_form, corpus["train"]),
        "samples": samples(poet),
    }
    if quatrains:
        poems = read_quatrains(quatrains, poet.tokenizer)
        unknown = sum(ids.count(poet.tokenizer.unk_token_id) for ids in poems["text"])
        result = score(poet.model, poet.tokenizer, poems)
        figures["quatrains"] = {"poems": len(poems), "unknown": unknown / result["counted"]} | result
    return figures


def rounded(value):
    """Four digits are what these figures are good for."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


ROWS = (
    ("nats a character", "test", "loss"),
    ("  without marks and end", "test", "loss_characters"),
    ("  told the form", "test_told", "form"),
    ("  told the poet", "test_told", "poet"),
    ("  told the title", "test_told", "title"),
    ("  told all three", "test_with_context", "loss"),
    ("perplexity", "test", "perplexity"),
    ("quatrains of elsewhere", "quatrains", "loss"),
    ("line breaks: accuracy", "line_breaks", "accuracy"),
    ("  precision of marks", "line_breaks", "precision"),
    ("  recall of marks", "line_breaks", "recall"),
    ("poet named, of ten", "naming", "accuracy"),
    ("  of two", "naming", "pairs"),
    ("  by chance, of ten", "naming", "chance"),
    ("  by chance, of two", "naming", "pairs_chance"),
    *((f"theme of {word}: titled", "steering", word, "told") for word in THEMES),
    *((f"  untitled, {word}", "steering", word, "plain") for word in THEMES),
    *((f"  theme kept, {word}", "steering", word, "kept") for word in THEMES),
    ("model alone: form kept", "written_alone", "form_kept"),
    *(
        (f"{name}: {label}", part, key)
        for name, part in (("free", "written_free"), ("regulated", "written_regulated"), ("real", "real_test_poems"))
        for label, key in (
            ("form kept", "form_kept"),
            ("tones kept", "tones_kept"),
            ("rhyme kept", "rhyme_kept"),
            ("distinct-1", "distinct_1"),
            ("distinct-2", "distinct_2"),
            ("distinct-4", "distinct_4"),
            ("characters repeated", "repeated"),
            ("lines quoted", "lines_quoted"),
            ("runs of five quoted", "runs_quoted"),
            ("nats a character", "loss"),
            ("stock words a poem", "stock_words"),
            ("commonness of words", "commonness"),
            ("season, hour or weather contradicted", "contradictions"),
            ("odd doublings", "odd_doublings"),
            ("words with a wrong tone", "mistoned"),
            ("characters and words repeated", "repeats"),
            ("stock turns", "turns"),
            ("coherence", "coherence"),
            ("middle couplets parallel", "parallelism"),
            ("last couplet closing", "closing"),
            ("theme of the title", "theme"),
        )
    ),
)


def figure(result: dict, *path: str) -> float | None:
    """A figure by its path, None where it was not measured."""
    value = result
    for key in path:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value if isinstance(value, (int, float)) else None


def table(results: list[dict]) -> str:
    """The figures side by side."""

    def cells(path: tuple[str, ...]) -> str:
        values = (figure(result, *path) for result in results)
        return "".join(f"{'':>10}" if value is None else f"{value:10.4f}" for value in values)

    rows = [f"{'':30}" + "".join(f"{result['cell']:>10}" for result in results)]
    rows.append(f"{'parameters, millions':30}" + "".join(f"{r['parameters'] / 1e6:10.2f}" for r in results))
    return "\n".join(rows + [f"{name:30}{cells(path)}" for name, *path in ROWS])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.evaluate", description="Measure checkpoints on the test poems.")
    parser.add_argument("checkpoints", nargs="+", type=Path, help="checkpoint folders")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset")
    parser.add_argument("--poems", type=int, default=60, help="poems written for each form (default: 60)")
    parser.add_argument("--quatrains", type=Path, metavar="FILE", help="quatrains of elsewhere, one a line")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    arguments = parser.parse_args(argv)
    if arguments.poems < 1:
        parser.error("--poems must be 1 or more")
    return ended("training.evaluate", lambda: run(arguments), also=(OSError,))


def run(arguments: argparse.Namespace) -> None:
    poets = [TangPoet.from_pretrained(folder) for folder in arguments.checkpoints]
    corpus = load_corpus(arguments.corpus)
    quotations = Quotations(list(corpus["train"]["text"]))
    results = []
    for folder, poet in zip(arguments.checkpoints, poets):
        result = rounded(evaluate(poet, corpus, arguments.poems, quotations, arguments.quatrains))
        result["command"] = f"python -m training.evaluate --poems {arguments.poems}"
        if arguments.quatrains:
            result["command"] += f" --quatrains {arguments.quatrains.name}"
        text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
        (folder / "evaluation.json").write_text(text, encoding="utf-8")
        results.append(result)
    print(json.dumps(results, ensure_ascii=False) if arguments.json else table(results))


if __name__ == "__main__":
    sys.exit(main())
