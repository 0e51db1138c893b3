"""Teaches cells to write the lines that readers like: ``python -m training.preferences``.

What a network has read tells it which characters may follow, not which of its own lines make sense. Readers' grades of
its lines (:mod:`training.grading`) do, and it learns from each of them: a line that was liked becomes likelier than it
was, one that was not less likely, the further its grade is from the mean the more, as long as that costs little
elsewhere::

    python -m training.preferences runs/distilled/final --output runs/preferred
    python -m training.grading fit runs/preferred/final

Of the lines between which a cell had to choose (:mod:`training.candidates`) a judge says what readers would
(:mod:`training.judge`); with ``--judged`` it learns from these as well, and to know from its states what was said. Of
some, readers have said it themselves (:mod:`training.choices`): ``--choices``. So the cells that ship have learned,
first on a GPU, then what should stand next, held to what they were before both::

    python -m training.preferences runs/distilled/final --judged runs/candidates/lstm.jsonl --output runs/preferred \
        --epochs 25 --lines 192 --readers 0.6 --real 4 --real-characters 12288
    python -m training.preferences runs/preferred/final --choices --former runs/distilled/final --output runs/chosen \
        --epochs 1 --lines 128 --readers 0.5 --real 4 --real-characters 2048 --beginnings 24
    python -m training.grading fit runs/chosen/final --choices

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
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from datasets import Dataset

from tang_rnn import TangPoet, TangRNNForCausalLM
from tang_rnn.rules.rhyming import ALL
from tang_rnn.rules.vocabulary import Vocabulary
from tang_rnn.tokenization_tang_rnn import fingerprint
from tang_rnn.verse.turns import turns

from .candidates import Candidates, read_candidates
from .choices import read_choices
from .data import IGNORED, Collator, LengthBatchSampler, encode, known_only
from .errors import UserError, ended
from .export import export
from .grading import Graded, centred, read_grades
from .lines import Lines, batches, read_last, read_lines
from .loading import load_corpus
from .papers import read_json
from .precision import autocast


class PreferenceError(UserError):
    """A wrong option, or nothing to learn from."""


class Settings(NamedTuple):
    """How much is learned from the grades, and what holds the cell.

    Attributes:
        epochs: over the graded poems.
        learning_rate: of AdamW, falling to nothing by a cosine after a warm start.
        beta: how soon a line is liked enough.
        readers: weight of the graded lines.
        state: weight of telling from the states in a line what the judge said of it.
        rhyme: weight of knowing what rhymes: where all lines to choose from rhyme, readers' choices wear that off.
        own, real, common: weights of the divergences: on the graded poems, on real ones, of characters taken together.
        lines: of graded poems in a step.
        turns: what a nat of a stock turn of phrase (:mod:`tang_rnn.verse.turns`) takes from what was judged of a line,
            by its spread: readers of one line do not know how often it was said.
        beginnings, behind: in a step with a judge, of one form and as many lines, and lines behind each.
        newest: so many beginnings of choices.tsv.xz, its last: what a cell wrote long ago it writes no more.
        real_characters: of real poems in a step; a longer poem is cut.
        share: of the change that is kept at the end: less costs less of what the cell knew, and sooner than it costs
            of what it learned (Wortsman et al. 2022, *Robust fine-tuning of zero-shot models*).
        seed: of the order and the real poems.
    """

    epochs: int = 3
    learning_rate: float = 5e-4
    beta: float = 0.5
    readers: float = 1.0
    state: float = 0.15
    rhyme: float = 0.5
    own: float = 0.1
    real: float = 3.0
    common: float = 10.0
    turns: float = 0.22
    lines: int = 128
    beginnings: int = 40
    behind: int = 12
    newest: int = 8000
    real_characters: int = 1024
    share: float = 1.0
    seed: int = 0


WARM = 30  # steps
CLIP = 1.0  # greatest norm of a step's gradient
# What counts of a line that was judged: by how much it is better than the others behind its beginning, and by how much
# these are better than others at that place; both by their spread, and no more than so many of these.
WITHIN, BETWEEN = (0.8, 2.5), (0.3, 2.0)
DEAREST = 5.0  # nats of a turn that count
STATE_RATE = 4.0  # of the learning rate: how fast what reads the states learns


class Asked(NamedTuple):
    """Lines of a step that a judge has graded, B of one form, each the last of as many.

    Attributes:
        form: its name.
        poems: lines up to it, and it.
        worth: (B,), as a grade that is 0 in the mean.
        scores: (B,), the judge's, by their spread.
    """

    form: str
    poems: list[tuple[str, ...]]
    worth: torch.Tensor
    scores: torch.Tensor


def asked(groups: Sequence[Candidates], settings: Settings) -> Iterator[Asked]:
    """Batches of judged lines without end, each shape as often as there are beginnings of it."""
    rng, shapes = random.Random(settings.seed), {}
    for number, group in enumerate(groups):
        shapes.setdefault((group.form, len(group.before)), []).append(number)
    scores = [torch.tensor(group.scores) for group in groups]
    every, means = torch.cat(scores), torch.stack([each.mean() for each in scores])
    better = [each - mean for each, mean in zip(scores, means)]
    spread, within, between = _spread(every), _spread(torch.cat(better)), means.clone()
    for numbers in shapes.values():
        between[numbers] -= means[numbers].mean()
    between = BETWEEN[0] * (between / _spread(between)).clamp(-BETWEEN[1], BETWEEN[1])
    prices = [torch.tensor([min(turns().price(line), DEAREST) for line in group.lines]) for group in groups]
    better = [each / within - settings.turns * (price - price.mean()) for each, price in zip(better, prices)]
    worths = [WITHIN[0] * each.clamp(-WITHIN[1], WITHIN[1]) + of_all for each, of_all in zip(better, between)]
    mean = every.mean()
    scaled = [(each - mean) / spread for each in scores]
    while True:
        form, count = rng.choices([*shapes], [len(numbers) for numbers in shapes.values()])[0]
        numbers = shapes[form, count]
        poems, worth, told = [], [], []
        for number in rng.sample(numbers, min(settings.beginnings, len(numbers))):
            group = groups[number]
            for line in rng.sample(range(len(group.lines)), min(settings.behind, len(group.lines))):
                poems.append((*group.before, group.lines[line]))
                worth.append(worths[number][line])
                told.append(scaled[number][line])
        yield Asked(form, poems, torch.stack(worth), torch.stack(told))


def _spread(scores: torch.Tensor) -> torch.Tensor:
    return scores.std(correction=0).clamp(min=1e-6)


def liked(now: Lines, before: Lines, weight: torch.Tensor, beta: float) -> torch.Tensor:
    """The loss of lines by what they are worth, (B, L), 0 for a mean one: mean over all, in nats of the ratio for a
    small ratio."""
    ratio = (now.likely - before.likely).sum(2)
    return -(weight.abs() * F.logsigmoid(beta * ratio * weight.sign())).mean() / beta


def divergence(now: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """Nats a character by which what could stand at each place, (..., V) logarithms, is now another."""
    return (before.exp() * (before - now)).sum(-1).mean()


def divergence_together(now: torch.Tensor, before: torch.Tensor, least: float = 1e-6) -> torch.Tensor:
    """The same of the characters of all places taken together: nats."""
    was, is_now = (each.flatten(0, -2).exp().mean(0) for each in (before, now))
    return (was * ((was + least).log() - (is_now + least).log())).sum()


def rhymes(vocabulary: Vocabulary, poems: Sequence[Sequence[str]]) -> torch.Tensor:
    """Of each line the level groups in which it must rhyme with even lines before it, as bits; 0 where it need not:
    (B, L)."""
    found = torch.zeros(len(poems), len(poems[0]), dtype=torch.long)
    for row, lines in zip(found, poems):
        groups = ALL
        for number, line in enumerate(lines):
            if number % 2:
                row[number] = groups if groups != ALL else 0
                groups &= int(vocabulary.groups[vocabulary.token(line[-1])])
    return found


def out_of_rhyme(now: Lines, groups: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    """Nats that characters in a line's groups, (B, L) as of :func:`rhymes`, fall short of certainty where it ends; 0
    where no line must rhyme.

    Args:
        of: (V,), the groups of each character.
    """
    must = groups.ne(0)
    if not must.any():
        return now.log_probs.new_zeros(())
    wrong = (groups[must][:, None] & of).eq(0)
    return -now.log_probs[:, :, -2][must].masked_fill(wrong, -torch.inf).logsumexp(1).mean()


def expected(model: TangRNNForCausalLM, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """The logarithms of what a network expects at each place of a batch of real poems that counts: (N, V)."""
    hidden = model.model(batch["input_ids"], use_cache=False).last_hidden_state[:, :-1]
    return model.lm_head(hidden[batch["labels"][:, 1:].ne(IGNORED)]).float().log_softmax(-1)


@contextmanager
def undropped(model: TangRNNForCausalLM) -> Iterator[None]:
    """Nothing is dropped in training: a cell is weighed against what it was, and noise would count as a change."""
    places = [(model.config, name) for name in vars(model.config) if name.endswith("_dropout")]
    places += [(layer, "recurrent_dropout") for layer in model.model.layers]
    shares = [getattr(*place) for place in places]
    for place in places:
        setattr(*place, 0.0)
    try:
        yield
    finally:
        for place, share in zip(places, shares):
            setattr(*place, share)


def learn(
    poet: TangPoet,
    poems: Sequence[Graded],
    real: Dataset,
    settings: Settings,
    judged: Sequence[Candidates] = (),
    former: TangRNNForCausalLM | None = None,
) -> Iterator[str]:
    """Changes a cell's network by the grades, and says how it goes, an epoch a line.

    Args:
        poems: with their grades.
        real: rows of :func:`training.data.encode`.
        judged: lines behind beginnings, and what a judge says of them.
        former: to what it expects of real poems the cell is held; by default to what it expects itself.
    """
    rng, model = random.Random(settings.seed), poet.model
    torch.manual_seed(settings.seed)
    before, shapes = copy.deepcopy(model).eval().requires_grad_(False), [(poem.form, len(poem.lines)) for poem in poems]
    worths = centred(poems)
    steps = settings.epochs * sum(1 for _ in batches(shapes, settings.lines))
    ahead, device = asked(judged, settings) if judged else None, model.device
    held_to = before if former is None else former.to(device).eval().requires_grad_(False)
    from_state = torch.nn.Linear(2 * model.config.hidden_size, 1, device=device)
    torch.nn.init.zeros_(from_state.weight)
    rate = settings.learning_rate
    parts = [{"params": model.parameters()}, {"params": from_state.parameters(), "lr": STATE_RATE * rate}]
    optimizer = torch.optim.AdamW(parts, rate, betas=(0.9, 0.99), weight_decay=0.0)
    falling = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / WARM) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    )
    vocabulary = poet.vocabulary
    of = vocabulary.groups[: model.config.vocab_size].to(device)
    collate = Collator(poet.tokenizer, unknown=0.01, inside=0.1, max_length=settings.real_characters)
    lengths = [len(text) for text in real["text"]]
    others = itertools.cycle(LengthBatchSampler(lengths, settings.real_characters, settings.seed))

    def both(read: Callable, *what, was: TangRNNForCausalLM = before) -> tuple:
        with autocast(device):
            with torch.no_grad():
                was = read(was, *what)
            return read(model, *what), was

    model.train()
    for epoch in range(settings.epochs):
        told = []
        for numbers in batches(shapes, settings.lines, rng):
            part, collated = [poems[number] for number in numbers], collate([real[row] for row in next(others)])
            texts = [poem.lines for poem in part]
            own = both(read_lines, poet.tokenizer, part[0].form, texts)
            taken = {name: collated[name].to(device) for name in ("input_ids", "labels")}
            pairs = tuple(each.log_probs for each in own), both(expected, taken, was=held_to)
            graded = torch.tensor([worths[number] for number in numbers], device=device)
            losses = [
                settings.readers * liked(*own, graded, settings.beta),
                settings.own * divergence(*pairs[0]),
                settings.real * divergence(*pairs[1]),
                settings.common * sum(divergence_together(*pair) for pair in pairs),
                settings.rhyme * out_of_rhyme(own[0], rhymes(vocabulary, texts).to(device), of),
            ]
            if ahead:
                these = next(ahead)
                last = both(read_last, poet.tokenizer, these.form, these.poems)
                pair = last[0].log_probs, last[1].log_probs
                losses[1] = losses[1] + settings.own * divergence(*pair)
                losses[3] = losses[3] + settings.common / 2 * divergence_together(*pair)
                must = rhymes(vocabulary, these.poems)[:, -1:].to(device)
                losses[4] = losses[4] + settings.rhyme * out_of_rhyme(last[0], must, of)
                outputs = last[0].before[:, 0]
                foretold = from_state(torch.cat([outputs[:, -1], outputs.mean(1)], 1))[:, 0]
                losses += [
                    liked(*last, these.worth[:, None].to(device), settings.beta),
                    settings.state * (foretold - these.scores.to(device)).square().mean(),
                ]
            optimizer.zero_grad()
            sum(losses).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            falling.step()
            told.append([float(loss.detach()) for loss in losses])
        means = (f"{sum(each) / len(told):.3f}" for each in zip(*told))
        names = "liked, own, real, common, rhyme" + ", judged, state" * bool(ahead)
        yield f"  epoch {epoch + 1}: {names}: {', '.join(means)}"
    with torch.no_grad():
        for new, old in zip(model.parameters(), before.parameters()):
            new.lerp_(old, 1 - settings.share)
    model.eval()


def preferred(
    cells: Sequence[str],
    output: Path,
    settings: Settings,
    corpus: str,
    judged: Path | None = None,
    chosen: bool = False,
    former: str | None = None,
) -> Iterator[str]:
    """Writes each cell as it is after learning into a folder of its name, and says how it went."""
    if judged and chosen:
        raise PreferenceError("--judged or --choices, not both at once: what is said is on two scales")
    counts = "epochs", "lines", "beginnings", "behind", "newest", "real_characters"
    for name in (*counts, "learning_rate", "beta", "share"):
        if getattr(settings, name) <= 0:
            raise PreferenceError(f"--{name.replace('_', '-')} must be more than 0")
    poems = read_grades()
    if not poems:
        raise PreferenceError("there are no grades to learn from: python -m training.grading")
    choices = read_choices()[-settings.newest :] if chosen else read_candidates(judged, judged=True) if judged else []
    held_to = TangPoet.from_pretrained(former).model if former else None
    how = " --choices" if chosen else f" --judged {judged}" if judged else ""
    rows, real = load_corpus(corpus)["train"], {}  # encoded once for all cells of one vocabulary
    for cell in cells:
        poet = TangPoet.from_pretrained(cell)
        yield f"{cell}: {len(poems)} poems"
        if (vocabulary := fingerprint(poet.tokenizer)) not in real:
            real[vocabulary] = known_only(encode(rows, poet.tokenizer), poet.tokenizer)
        poet.model.to("cuda" if torch.cuda.is_available() else "cpu")
        with undropped(poet.model):
            yield from learn(poet, poems, real[vocabulary], settings, choices, held_to)
        poet.model.cpu()
        source = Path(poet.model.name_or_path)
        folder, log = output / source.name, read_json(source / "training_log.json", missing={})
        export(poet.model, poet.tokenizer, folder)
        log.setdefault("preferences", {}).update(poems=len(poems), lines=sum(len(poem.lines) for poem in poems))
        if choices:
            log["preferences"]["chosen" if chosen else "judged"] = sum(len(group.lines) for group in choices)
        (folder / "training_log.json").write_text(json.dumps(log) + "\n", encoding="utf-8")
        yield f"  {folder}; then python -m training.grading fit {folder}{how}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.preferences", description=__doc__.splitlines()[0])
    parser.add_argument("cells", nargs="+", metavar="CELL", help="name or folder of a checkpoint")
    parser.add_argument("--output", type=Path, required=True, help="folder for their folders")
    parser.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset, for real poems")
    parser.add_argument("--judged", type=Path, metavar="FILE", help="the cells' candidates, from training.judge score")
    parser.add_argument("--choices", action="store_true", help="learn from choices.tsv.xz (python -m training.choices)")
    parser.add_argument("--former", metavar="CELL", help="the cell before readers taught it: holds it on real poems")
    for name, default in Settings._field_defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    arguments = vars(parser.parse_args(argv))
    names = ("cells", "output", "corpus", "judged", "choices", "former")

    def run() -> None:
        cells, output, *given = (arguments.pop(name) for name in names)
        for line in preferred(cells, output, Settings(**arguments), *given):
            print(line, flush=True)

    return ended("training.preferences", run, also=(OSError,))


if __name__ == "__main__":
    sys.exit(main())
