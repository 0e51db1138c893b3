"""From the dataset to batches: tokens, context dropout, batches of one length, and the loss over a whole split."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
import torch
from datasets import Dataset, IterableDataset, concatenate_datasets
from datasets.distributed import split_dataset_by_node
from torch.utils.data import IterableDataset as TorchIterableDataset
from torch.utils.data import Sampler

from tang_rnn.tokenization_tang_rnn import TangTokenizer
from tang_rnn.verse import COMMA, FORMS, STOP, classify, split_lines
from tang_rnn.writing.reading import MAX_TITLE

from .errors import CorpusError

IGNORED = -100  # what cross entropy looks away from


def _encode(rows: dict[str, list], places: list[int], tokenizer: TangTokenizer) -> dict[str, list]:
    ids = partial(tokenizer, add_special_tokens=False, return_attention_mask=False)
    poets = tokenizer.get_added_vocab()
    forms = []
    for place, text, form in zip(places, rows["text"], rows["form"]):
        if not isinstance(text, str) or not text:
            raise CorpusError(f"row {place + 1}: text is {text!r}, no poem")
        form = form or classify(split_lines(text)).name
        if form not in FORMS:
            raise CorpusError(
                f"row {place + 1}: form is {form!r}; known are {' '.join(FORMS)}, null is told from the lines"
            )
        forms.append([tokenizer.convert_tokens_to_ids(FORMS[form].token)])
    return {
        "form": forms,
        "poet": [[poets[f"<{poet}>"]] if f"<{poet}>" in poets else [] for poet in rows["poet"]],
        "title": [title[:MAX_TITLE] for title in ids([title or "" for title in rows["title"]]).input_ids],
        "text": ids(rows["text"]).input_ids,
    }


def encode(dataset: Dataset | IterableDataset, tokenizer: TangTokenizer):
    """Columns form, poet, title and text as lists of token ids (each possibly empty), and, but in a stream, the row's
    number.

    Raises:
        CorpusError: a row is no poem, or of a form that there is none of.
    """
    dataset = dataset.map(
        _encode,
        batched=True,
        with_indices=True,
        remove_columns=[name for name in dataset.column_names if name not in ("form", "poet", "title", "text")],
        fn_kwargs={"tokenizer": tokenizer},
        **{"desc": "Tokenizing"} if isinstance(dataset, Dataset) else {},
    )
    return _number(dataset)


def _number(dataset):
    return dataset.add_column("row", list(range(len(dataset)))) if isinstance(dataset, Dataset) else dataset


def known_only(encoded, tokenizer: TangTokenizer):
    """The poems in which the tokenizer knows every character."""
    unknown = tokenizer.unk_token_id
    if isinstance(encoded, IterableDataset):
        return encoded.filter(lambda row: unknown not in row["text"])
    return encoded.select([row for row, text in zip(encoded["row"], encoded["text"]) if unknown not in text])


def together(*parts):
    """Encoded datasets as one; a stream if one of them is."""
    if any(isinstance(part, IterableDataset) for part in parts):
        parts = [part.to_iterable_dataset() if isinstance(part, Dataset) else part for part in parts]
        return concatenate_datasets([part.select_columns(["form", "poet", "title", "text"]) for part in parts])
    return _number(concatenate_datasets([part.remove_columns("row") for part in parts]))


class LengthBatchSampler(Sampler[list[int]]):
    """Batches of poems of like length, each of at most `max_tokens` characters padding included.

    Poems of one length are shuffled among themselves each epoch and the batches among each other. Where one batch ends
    and the next begins depends on the sorted lengths alone, so that every epoch has the same number of batches. An
    epoch is made of whole steps of `per_step` batches; what is left over, another time other batches, waits for the
    next. Of several processes each takes every n-th batch, so that a step has the same batches however many there are.

    Raises:
        CorpusError: the poems do not make a single step.
    """

    def __init__(self, lengths, max_tokens: int, seed: int = 0, per_step: int = 1, rank: int = 0, world_size: int = 1):
        self.lengths = np.minimum(np.asarray(lengths), max_tokens)
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.epoch = 0
        self.bounds = [0]
        for index, length in enumerate(np.sort(self.lengths).tolist()):
            if (index - self.bounds[-1] + 1) * length > max_tokens:
                self.bounds.append(index)
        self.bounds.append(len(self.lengths))
        count = len(self.bounds) - 1 if len(self.lengths) else 0
        self.batches = count // per_step * per_step  # of all processes
        if not self.batches:
            raise CorpusError(f"{len(self.lengths)} poems make {count} batches, and a step needs {per_step}")

    def __len__(self) -> int:
        return self.batches // self.world_size

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        shuffled = rng.permutation(len(self.lengths))
        order = shuffled[np.argsort(self.lengths[shuffled], kind="stable")]
        batches = rng.permutation(len(self.bounds) - 1)[: self.batches]
        for batch in batches[self.rank :: self.world_size]:
            yield order[self.bounds[batch] : self.bounds[batch + 1]].tolist()


class LengthBatchStream(TorchIterableDataset):
    """Collated batches from an encoded stream, without end: for a corpus that is larger than memory.

    The stream is cut in `per_step` parts (files, where their number is a multiple of that, else every n-th poem). A
    part is read a window of `buffer` poems at a time, which :class:`LengthBatchSampler` shuffles and makes into
    batches. A step takes a batch from each part, and a process reads every n-th part, so that a step has the same
    batches however many processes there are. Each time around, the files come in another order.

    Each batch carries the `position` behind it, ``{part: [epoch, state of the stream, rows before the window, batches
    taken from it]}``: all parts' positions together are where a resumed run begins (`positions`).
    """

    def __init__(
        self,
        stream: IterableDataset,
        collate: Collator,
        max_tokens: int,
        buffer: int = 10_000,
        per_step: int = 1,
        rank: int = 0,
        world_size: int = 1,
        positions: dict[str, list] | None = None,
    ):
        self.stream, self.collate, self.max_tokens, self.buffer = stream, collate, max_tokens, buffer
        self.per_step, self.parts, self.positions = per_step, range(rank, per_step, world_size), positions or {}

    def __iter__(self) -> Iterator[dict]:
        parts = [self._part(part) for part in self.parts]
        while True:
            for part in parts:
                yield next(part)

    def _part(self, part: int) -> Iterator[dict]:
        epoch, state, before, taken = self.positions.get(str(part), (0, None, 0, 0))
        stream = split_dataset_by_node(self.stream, part, self.per_step)
        while True:
            stream.set_epoch(epoch)
            if state:
                stream.load_state_dict(state)
            for window in stream.iter(self.buffer):
                lengths = [len(text) + 2 for text in window["text"]]
                first = before * self.per_step + part  # no two rows of any part or epoch have one number
                numbers = range(first, first + len(lengths) * self.per_step, self.per_step)
                rows = [dict(zip((*window, "row"), values)) for values in zip(*window.values(), numbers)]
                sampler = LengthBatchSampler(lengths, self.max_tokens, self.collate.seed)
                sampler.epoch = first
                for count, batch in enumerate(sampler, 1):
                    if count > taken:
                        position = {str(part): [epoch, state, before, count]}
                        yield self.collate([rows[index] for index in batch]) | {"position": position}
                state, before, taken = stream.state_dict(), before + len(rows), 0
            if state is None:
                raise CorpusError(f"the stream has no poems for part {part} of {self.per_step}")
            epoch, state = epoch + 1, None


def pad(rows: list[list[int]], value: int) -> torch.Tensor:
    """Rows filled up on the right: (rows, longest)."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


class Collator:
    """Rows of :func:`encode` to a batch: input_ids and labels, both (B, T), padded on the right, and a `seed`.

    The seed is for whatever else is random about the batch (the model's dropout), so that it does not matter which
    process has the batch, or what that process had before. Padding follows the text, so a causal model needs no mask to
    ignore it; the labels say what counts.

    Args:
        keep: probability that form, poet and title each stay, once the context stays at all; one, or one for each.
        keep_context: probability that any of the context stays.
        unknown: the share of a poem's characters, marks aside, that the model reads as ``<unk>``; the labels stay. So
            it learns how to go on from a character it does not know, as names and openings bring them.
        inside: the share of poems whose form and poet, where they stay, stand behind ``<s>`` instead of before it, as
            in ``tokenizer("<五绝>春")``, so that a text in one piece is understood too.
        max_length: characters of a poem seen in training; a longer one is cut there and has no end.
        seed: with the epoch and the row numbers it decides what is dropped, so that a resumed run drops the same.
        own: how many rows, the first, are the corpus's own; with it each batch says of its poems whether they are.
    """

    PIECES = ("form", "poet", "title")

    def __init__(
        self,
        tokenizer: TangTokenizer,
        keep=0.7,
        keep_context=0.6,
        max_length=384,
        seed=0,
        unknown=0.0,
        inside=0.0,
        own: int | None = None,
    ):
        self.tokenizer, self.keep, self.keep_context = tokenizer, keep, keep_context
        self.unknown, self.inside, self.own = unknown, inside, own
        self.marks = tokenizer.convert_tokens_to_ids([COMMA, STOP])
        self.max_length, self.seed, self.epoch = max_length, seed, 0

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        rng = np.random.default_rng((self.seed, self.epoch, *(row["row"] for row in rows)))
        dropped = rng.random((len(rows), 1)) >= self.keep_context
        kept = ~dropped & (rng.random((len(rows), len(self.PIECES))) < self.keep)
        inside = rng.random(len(rows)) < self.inside if self.inside else np.zeros(len(rows), bool)
        inputs, labels = [], []
        for row, keep, late in zip(rows, kept, inside):
            told = [token for piece, stays in zip(("form", "poet"), keep) if stays for token in row[piece]]
            title = row["title"] if keep[2] else []
            before = [*title, bos, *told] if late else [*told, *title, bos]
            text = row["text"] + [eos] if len(row["text"]) <= self.max_length else row["text"][: self.max_length]
            labels.append([IGNORED] * len(before) + text)
            if self.unknown:
                hidden = rng.random(len(text)) < self.unknown
                unk = self.tokenizer.unk_token_id
                text = [unk if hide and token not in self.marks else token for token, hide in zip(text, hidden)]
            inputs.append([*before, *text])
        batch = {
            "input_ids": pad(inputs, self.tokenizer.pad_token_id),
            "labels": pad(labels, IGNORED),
            "seed": int(rng.integers(2**63)),
        }
        if self.own is not None:
            batch["own"] = torch.tensor([row["row"] < self.own for row in rows])
        return batch


@torch.inference_mode()
def log_probs(model, input_ids: torch.Tensor, labels: torch.Tensor, block: int = 1024) -> torch.Tensor:
    """log p of every labelled character, in nats: (B, T - 1), 0 where nothing is counted."""
    hidden = model.model(input_ids, use_cache=False).last_hidden_state[:, :-1]  # (B, T-1, E)
    target = labels[:, 1:]
    counted = target.ne(IGNORED)
    hidden, wanted = hidden[counted], target[counted]
    result = torch.zeros(target.shape, device=target.device)
    result[counted] = torch.cat(
        [
            torch.log_softmax(model.lm_head(h).float(), -1).gather(1, w[:, None])[:, 0]
            for h, w in zip(hidden.split(block), wanted.split(block))
        ]
    )
    return result


def scored(
    model, tokenizer: TangTokenizer, encoded: Dataset, told: Sequence[str] = (), max_tokens: int = 4096
) -> Iterator[tuple[list[dict], torch.Tensor, torch.Tensor]]:
    """Poems of :func:`encode` in batches of one length: rows, what follows in each place, and its log p in nats.

    Args:
        told: of form, poet and title, what the model is told.

    Yields:
        rows of the dataset, labels (B, T), IGNORED where nothing is counted, and log probabilities (B, T).
    """
    device = next(model.parameters()).device
    keep = [float(piece in told) for piece in Collator.PIECES]
    collate = Collator(tokenizer, keep=keep, keep_context=1.0, max_length=10**6)
    for batch in LengthBatchSampler([len(text) + 1 for text in encoded["text"]], max_tokens):
        rows = [encoded[index] for index in batch]
        inputs = collate(rows)
        input_ids, labels = (inputs[name].to(device) for name in ("input_ids", "labels"))
        yield rows, labels[:, 1:], log_probs(model, input_ids, labels)


def score(model, tokenizer: TangTokenizer, encoded: Dataset, told: Sequence[str] = (), max_tokens: int = 4096) -> dict:
    """The loss of a model over poems, told what `told` names of form, poet and title.

    Returns nats per character: `loss` over everything after ``<s>`` (marks and ``</s>`` too), `loss_characters` without
    marks and end; `perplexity` of the first; `loss_by_form`; and how many characters were `counted`.
    """
    was_training = model.training
    model.eval()
    marks = torch.tensor(tokenizer.convert_tokens_to_ids([COMMA, STOP]) + [tokenizer.eos_token_id])
    total, characters, by_form = np.zeros(2), np.zeros(2), {}
    for rows, target, values in scored(model, tokenizer, encoded, told, max_tokens):
        counted = target.ne(IGNORED)
        han = counted & ~torch.isin(target, marks.to(target.device))
        total += -values.sum().item(), counted.sum().item()
        characters += -values[han].sum().item(), han.sum().item()
        for row, nats, count in zip(rows, (-values).sum(1).tolist(), counted.sum(1).tolist()):
            form = tokenizer.convert_ids_to_tokens(row["form"])[0][1:-1]
            sums = by_form.setdefault(form, [0.0, 0])
            sums[0] += nats
            sums[1] += count
    model.train(was_training)
    loss = total[0] / total[1]
    return {
        "loss": loss,
        "loss_characters": characters[0] / characters[1],
        "perplexity": math.exp(loss),
        "counted": int(total[1]),
        "loss_by_form": {form: nats / count for form, (nats, count) in sorted(by_form.items())},
    }
