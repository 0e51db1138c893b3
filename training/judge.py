"""A judge of lines that reads from both ends: ``python -m training.judge``.

Readers graded some thousand poems; a cell can learn from a hundred times as many lines, if something that reads better
than the cell says what those readers would have said. It need not be small, nor write::

    python -m training.corpus song
    python -m training.judge learn lstm --output runs/judge
    python -m training.candidates lstm --output runs/candidates/lstm.jsonl
    python -m training.judge score runs/judge runs/candidates/lstm.jsonl

``learn`` trains a reader that begins at a poem's end, meant for a GPU; then, from its states and those of a cell that
reads as usual, what stands at a place by all around it (Baevski et al. 2019, *Cloze-driven pretraining of
self-attention networks*); then, from the states of both in a line and from how likely each of the three finds its
characters, the grades of :mod:`training.grading`. Why so, and how well it foretells them, stands in training/LOG.md,
"A judge".

Shapes in the comments: B rows of one length, T characters, W of the last line without its mark, V vocab_size.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

from tang_rnn import TangPoet, TangRNNConfig, TangRNNForCausalLM
from tang_rnn.files import written_whole
from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse.forms import FORMS

from .candidates import Candidates, read_candidates, write_candidates
from .corpus import SONG
from .errors import UserError, ended
from .grading import BAD, Graded, by_first_line, read_grades, ridge, told_apart
from .lines import GRADED, of_lines
from .loading import load_corpus
from .optimizer import MuonAdamW
from .precision import autocast

LONGEST = 100  # characters of a poem that are read at once; a longer one is read in parts, by couplets
CUT = 0.35  # of the poems that are read from the end, so many end with an earlier line
FALLING = 0.75  # of the steps
STEPS = {"backward": 9000, "cloze": 2500}
CHARACTERS = 32768  # in a step
SURPRISING = (4.0, 7.0)  # nats
HEADS, EPOCHS, BATCH, HIDDEN, DROPOUT = 2, 8, 256, 512, 0.3
OF_RIDGE = 0.4  # its share in a score; the heads have the rest
PENALTY = 10000.0
HELD = 5  # one poem in so many is held back, by its first line, to say how good the judge is


class JudgeError(UserError):
    """A wrong option, or a folder that holds no judge."""


class Cloze(nn.Module):
    """What stands at a place, from the states before it on either side: (B, T, N) -> (B, T, V), logits."""

    def __init__(self, size: int, table: torch.Tensor):
        super().__init__()
        self.norm, self.mixed = nn.LayerNorm(size), nn.Linear(size, 1536)
        self.out, self.bias = nn.Linear(1536, table.shape[1]), nn.Parameter(table.new_zeros(len(table)))
        self.register_buffer("table", table, persistent=False)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        mixed = self.mixed(F.dropout(self.norm(states.float()), 0.1, self.training))
        return F.linear(self.out(F.gelu(mixed)), self.table, self.bias)


class Judge:
    """Two readers, and what was learned from readers' grades.

    Args:
        forward, backward: networks of one vocabulary; the latter reads poems from the end.
        tokenizer: of both.
    """

    def __init__(self, forward: TangRNNForCausalLM, backward: TangRNNForCausalLM, tokenizer: TangTokenizer):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.forward, self.backward, self.tokenizer = forward.to(self.device), backward.to(self.device), tokenizer
        size = forward.config.hidden_size + backward.config.hidden_size
        self.cloze = Cloze(size, backward.lm_head.weight.detach().clone()).to(self.device)
        self.weights = torch.zeros(0, device=self.device)  # of the ridge regression
        self.scale = torch.zeros(2, 0, device=self.device)  # mean and spread of what is told
        self.heads: list[nn.Module] = []

    def fast(self) -> torch.autocast:
        return autocast(self.device)

    # -- reading -----------------------------------------------------------------------------------------------------

    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Texts of one length: ids, (B, T)."""
        known, unknown = self.tokenizer.get_vocab(), self.tokenizer.unk_token_id
        return torch.tensor([[known.get(char, unknown) for char in text] for text in texts], device=self.device)

    def framed(self, ids: torch.Tensor) -> torch.Tensor:
        """With what is before a poem: (B, T + 1)."""
        return F.pad(ids, (1, 0), value=self.tokenizer.bos_token_id)

    def _outputs(self, model: TangRNNForCausalLM, ids: torch.Tensor) -> torch.Tensor:
        with self.fast():
            return model.model(self.framed(ids), output_hidden_states=True, use_cache=False).hidden_states[-1]

    @torch.no_grad()
    def states(self, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Of texts (B, T): the outputs before and behind each character, from the left and from the right, four of
        (B, T, H)."""
        left, right = self._outputs(self.forward, ids), self._outputs(self.backward, ids.flip(1)).flip(1)
        return left[:, :-1], left[:, 1:], right[:, 1:], right[:, :-1]

    def _logits(self, model: TangRNNForCausalLM, outputs: torch.Tensor) -> torch.Tensor:
        with self.fast():
            return model.lm_head(model.model.projection(outputs)).float()

    @torch.no_grad()
    def told(self, texts: Sequence[str], form: str) -> torch.Tensor:
        """What is known of the last line of each text, of one length and form: (B, N)."""
        ids, width = self.encode(texts), FORMS[form].line_length
        line = slice(ids.shape[1] - 1 - width, ids.shape[1] - 1)
        before, behind, after, at = (each[:, line] for each in self.states(ids))
        with self.fast():
            cloze = self.cloze(torch.cat([before, after], 2)).float()
        logits = self._logits(self.forward, before), self._logits(self.backward, after), cloze
        found = [behind[:, -1], behind.mean(1), at.mean(1), at[:, 0]]
        for each in logits:
            likely = each.log_softmax(2).gather(2, ids[:, line, None])[..., 0]
            rest = [(-likely - bound).clamp(min=0).mean(1) for bound in SURPRISING]
            found.append(torch.stack([likely.mean(1), likely.amin(1), likely[:, -1], likely[:, -2], *rest], 1))
        height = FORMS[form].num_lines
        place = ids.shape[1] // (width + 1) - 1
        where = [*(form == name for name in GRADED), place / height, place == 0, place % 2, place >= height - 2]
        found.append(torch.tensor([where], dtype=torch.float32, device=self.device).expand(len(ids), -1))
        return torch.cat([each.float() for each in found], 1)

    def of_beginnings(self, shapes: dict[tuple[str, int], list[str]], rows: int = 1024) -> Iterator[torch.Tensor]:
        """What is told of texts of each form and number of lines, shape by shape: (texts, N)."""
        for (form, _), texts in shapes.items():
            parts = (texts[begin : begin + rows] for begin in range(0, len(texts), rows))
            yield torch.cat([self.told(part, form) for part in parts])

    # -- learning ----------------------------------------------------------------------------------------------------

    def learn_backward(self, batches: Iterator[torch.Tensor], steps: int) -> Iterator[str]:
        """Trains the reader from the end on batches of ids, (B, T)."""
        model, end = self.backward.train(), self.tokenizer.eos_token_id
        optimizer, losses = MuonAdamW(model, 3e-3, 1.6e-2, weight_decay=0.01), []
        rates = [group["lr"] for group in optimizer.param_groups]
        for step, ids in zip(range(steps), batches):
            rate = min(1, (step + 1) / 100) * min(1, (1 - step / steps) / FALLING)
            for group, first in zip(optimizer.param_groups, rates):
                group["lr"] = first * rate
            ids = self.framed(ids.flip(1))
            with self.fast():
                logits = model(ids, use_cache=False).logits
            loss = F.cross_entropy(logits.float().flatten(0, 1), F.pad(ids[:, 1:], (0, 1), value=end).flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            losses.append(float(loss.detach()))
            if (step + 1) % 500 == 0 or step + 1 == steps:
                yield f"  from the end, step {step + 1}: {np.mean(losses[-500:]):.3f} nats a character"
        model.eval().requires_grad_(False)

    def learn_cloze(self, batches: Iterator[torch.Tensor], steps: int) -> Iterator[str]:
        """Trains what tells a character by all around it."""
        optimizer, losses = torch.optim.AdamW(self.cloze.parameters(), 1e-3, betas=(0.9, 0.98)), []
        self.cloze.train()
        for step, ids in zip(range(steps), batches):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(1, (step + 1) / 50) * (1 - step / steps)
            before, _, after, _ = self.states(ids)
            with self.fast():
                logits = self.cloze(torch.cat([before, after], 2))
            loss = F.cross_entropy(logits.float().flatten(0, 1), ids.flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
            if (step + 1) % 500 == 0 or step + 1 == steps:
                yield f"  by all around, step {step + 1}: {np.mean(losses[-500:]):.3f} nats a character"
        self.cloze.eval()

    def learn_grades(self, poems: Sequence[Graded]) -> Iterator[str]:
        """Learns from graded poems, each line read as the last that is there; first from all but some, to say how
        well it foretells those."""
        shapes: dict[tuple[str, int], list[str]] = {}
        grades: dict[tuple[str, int], list[tuple[float, bool]]] = {}
        for poem, held in zip(poems, (by_first_line(poems) % HELD == 0).tolist()):
            for count, grade in enumerate(poem.grades, 1):
                shapes.setdefault((poem.form, count), []).append(of_lines(poem.lines[:count]))
                grades.setdefault((poem.form, count), []).append((grade, held))
        told = torch.cat([*self.of_beginnings(shapes)])
        graded = torch.tensor([grade for each in grades.values() for grade, _ in each], device=self.device)
        held = torch.tensor([held for each in grades.values() for _, held in each], device=self.device)
        if bool(held.any()) and not bool(held.all()):
            self._learn_grades(told[~held], graded[~held])
            scores, low = self.scored(told[held]).cpu().numpy(), (graded[held] < BAD).cpu().numpy()
            yield f"  bad lines of poems that it has not seen told apart: {told_apart(low, scores):.3f}"
        self._learn_grades(told, graded)

    def _learn_grades(self, told: torch.Tensor, grades: torch.Tensor, seed: int = 0) -> None:
        self.scale = torch.stack([told.mean(0), told.std(0) + 1e-4])
        x, y = (told - self.scale[0]) / self.scale[1], grades.float() - grades.float().mean()
        weights, _ = ridge(x.cpu().double().numpy(), y.cpu().double().numpy(), PENALTY)
        self.weights, self.heads = torch.tensor(weights, dtype=torch.float32, device=self.device), []
        for number in range(HEADS):
            torch.manual_seed(seed + number)
            head = self._head(x.shape[1])
            steps = max(1, EPOCHS * len(x) // BATCH)
            optimizer = torch.optim.AdamW(head.parameters(), 5e-4, weight_decay=0.05)
            for step in range(steps):
                rows = torch.randint(len(x), (BATCH,), device=self.device)
                optimizer.param_groups[0]["lr"] = 5e-4 * (1 - step / steps)
                loss = F.mse_loss(head(x[rows])[:, 0], y[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            self.heads.append(head.eval())

    def _head(self, size: int) -> nn.Module:
        layers = nn.Dropout(DROPOUT), nn.Linear(size, HIDDEN), nn.GELU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, 1)
        return nn.Sequential(*layers).to(self.device)

    @torch.no_grad()
    def scored(self, told: torch.Tensor) -> torch.Tensor:
        """Grades as far as they are foretold, 0 for the mean line: (B, N) -> (B,)."""
        x = (told - self.scale[0]) / self.scale[1]
        heads = sum(head(x)[:, 0] for head in self.heads) / len(self.heads)
        return OF_RIDGE * (x @ self.weights) + (1 - OF_RIDGE) * heads

    def score(self, groups: Iterable[Candidates]) -> list[Candidates]:
        """Candidates with what the judge says of them."""
        groups = list(groups)
        shapes: dict[tuple[str, int], list[str]] = {}
        for group in groups:
            for line in group.lines:
                shape = group.form, len(group.before) + 1
                shapes.setdefault(shape, []).append(of_lines([*group.before, line]))
        scores = {shape: iter(self.scored(told).tolist()) for shape, told in zip(shapes, self.of_beginnings(shapes))}
        told = (itertools.islice(scores[group.form, len(group.before) + 1], len(group.lines)) for group in groups)
        return [group._replace(scores=tuple(round(s, 3) for s in of_group)) for group, of_group in zip(groups, told)]

    # -- on disk -----------------------------------------------------------------------------------------------------

    def save(self, folder: Path, forward: str) -> None:
        """Into a folder; of the cell that reads as usual only its name."""
        self.backward.save_pretrained(folder / "backward")
        tensors = {f"cloze.{name}": tensor for name, tensor in self.cloze.state_dict().items()}
        for number, head in enumerate(self.heads):
            tensors |= {f"heads.{number}.{name}": tensor for name, tensor in head.state_dict().items()}
        tensors |= {"weights": self.weights, "scale": self.scale}
        with written_whole(folder / "judge.safetensors") as path:
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, path)
        (folder / "judge.json").write_text(json.dumps({"forward": forward}) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """From a folder that :meth:`save` has written.

        Raises:
            JudgeError: it is none.
        """
        try:
            poet = TangPoet.from_pretrained(json.loads((folder / "judge.json").read_text(encoding="utf-8"))["forward"])
            judge = cls(poet.model, TangRNNForCausalLM.from_pretrained(folder / "backward"), poet.tokenizer)
            tensors = {name: each.to(judge.device) for name, each in load_file(folder / "judge.safetensors").items()}
            judge.weights, judge.scale = tensors["weights"], tensors["scale"]
            for module, prefix in [(judge.cloze, "cloze."), *((None, f"heads.{number}.") for number in range(HEADS))]:
                if module is None:
                    judge.heads.append(module := judge._head(len(judge.weights)).eval())
                module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise JudgeError(f"{folder} holds no judge ({error}): python -m training.judge learn makes one") from None
        judge.cloze.eval()
        return judge


def pieces(poems: Iterable[Sequence[str]]) -> dict[int, list[str]]:
    """Texts by their length: poems, those of more than LONGEST characters in parts, a couplet the least."""
    found: dict[int, list[str]] = {}
    for lines in poems:
        part = ""
        for number in range(0, len(lines), 2):
            couplet = of_lines(lines[number : number + 2])
            if part and len(part) + len(couplet) > LONGEST:
                found.setdefault(len(part), []).append(part)
                part = ""
            part += couplet[:LONGEST]
        if part:
            found.setdefault(len(part), []).append(part)
    return found


def endless(judge: Judge, poems: Iterable[Sequence[str]], characters: int, seed: int, cut: bool) -> Iterator:
    """Batches of ids, (B, T), of texts of one length each, drawn by how many there are.

    Args:
        cut: some end with an earlier line.
    """
    texts, rng = pieces(poems), np.random.default_rng(seed)
    lengths = sorted(texts)
    ids = {length: judge.encode(texts[length]) for length in lengths}
    marks = judge.encode(["，。"])[0]
    share = np.array([len(ids[length]) * length for length in lengths], dtype=float)
    while True:
        length = int(rng.choice(lengths, p=share / share.sum()))
        rows = torch.from_numpy(rng.integers(len(ids[length]), size=max(1, characters // length)))
        batch = ids[length][rows.to(judge.device)]
        if cut and rng.random() < CUT:  # all behind one place where most of them have a mark
            ends = torch.isin(batch, marks).float().mean(0)[:-1].gt(0.5).nonzero()[:, 0].tolist()
            if ends:
                end = int(rng.choice(ends)) + 1
                batch = batch[torch.isin(batch[:, end - 1], marks)][:, :end]
        yield batch


def learn(cell: str, output: Path, corpora: Sequence[str], sizes: dict[str, int], seed: int = 0) -> Iterator[str]:
    """Makes a judge, and says how it goes.

    Args:
        sizes: hidden_size and embedding_size of the reader from the end, characters in a step, and the steps of each
            part as in STEPS.
    """
    torch.manual_seed(seed)
    poet = TangPoet.from_pretrained(cell)
    layers = {name: sizes[name] for name in ("hidden_size", "embedding_size")}
    config = TangRNNConfig(
        vocab_size=len(poet.tokenizer), cell_type="lstm", num_hidden_layers=1, input_dropout=0.1, output_dropout=0.1
    )
    config.update(layers)
    judge = Judge(poet.model.requires_grad_(False), TangRNNForCausalLM(config), poet.tokenizer)
    poems = [lines for name in corpora for lines in load_corpus(name)["train"]["lines"]]
    yield f"{cell} and a reader from the end: {len(poems)} poems"
    yield from judge.learn_backward(endless(judge, poems, sizes["characters"], seed, True), sizes["backward"])
    judge.cloze.table.copy_(judge.backward.lm_head.weight)
    yield from judge.learn_cloze(endless(judge, poems, sizes["characters"], seed + 1, False), sizes["cloze"])
    graded = read_grades()
    yield from judge.learn_grades(graded)
    judge.save(output, cell)
    yield f"{output}, from {len(graded)} graded poems"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.judge", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("learn", help="make a judge from grades.tsv")
    make.add_argument("cell", metavar="CELL", help="name or folder of the checkpoint that reads as usual")
    make.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    make.add_argument("--corpora", nargs="+", default=["training/corpus", str(SONG)], help="what is read")
    make.add_argument("--hidden-size", type=int, default=1280, help="of the reader from the end")
    make.add_argument("--embedding-size", type=int, default=384, help="likewise")
    make.add_argument("--characters", type=int, default=CHARACTERS, help="in a step")
    for name, steps in STEPS.items():
        make.add_argument(f"--{name}", type=int, default=steps, metavar="STEPS")
    score = commands.add_parser("score", help="say of candidates what readers would")
    score.add_argument("judge", type=Path, metavar="FOLDER")
    score.add_argument("files", nargs="+", type=Path, metavar="FILE", help="of training.candidates; it gets the scores")
    arguments = parser.parse_args(argv)
    return ended("training.judge", lambda: run(arguments), also=(OSError,))


def run(arguments: argparse.Namespace) -> None:
    if arguments.command == "score":
        judge = Judge.load(arguments.judge)
        for file in arguments.files:
            write_candidates(file, judge.score(read_candidates(file)))
            print(f"{file}: judged")
        return
    sizes = {name: getattr(arguments, name) for name in ("hidden_size", "embedding_size", "characters", *STEPS)}
    if min(sizes.values()) < 1:
        raise JudgeError("sizes and steps must be 1 or more")
    for line in learn(arguments.cell, arguments.output, arguments.corpora, sizes):
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
