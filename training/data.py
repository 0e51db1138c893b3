"""From the dataset to batches: tokens, context dropout, batches of one length, and the loss over a whole split."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from datasets import Dataset, DatasetDict, load_dataset
from torch.utils.data import Sampler

from tang_rnn.forms import COMMA, FORMS, STOP
from tang_rnn.tokenization_tang_rnn import TangTokenizer

from .corpus import read_variants, simplify

IGNORED = -100  # what cross entropy looks away from


def load_corpus(name: str) -> DatasetDict:
    """The splits of a corpus: a folder of parquet files, or a dataset on the Hub.

    A folder is read directly: `load_dataset` knows it by its path, and may answer with what stood there before.
    """
    files = sorted(Path(name).glob("*.parquet"))
    if files:
        return DatasetDict({file.stem: Dataset(pq.read_table(file)) for file in files})
    return load_dataset(name)


def _by_frequency(counts: Counter) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def build_tokenizer(train: Dataset, min_count: int = 2, min_poems: int = 100) -> TangTokenizer:
    """The tokenizer of a corpus.

    Characters seen `min_count` times or more in poems and titles, poets with `min_poems` or more; every other character
    that Unicode has is read as what the corpus would write for it (traditional forms, variant glyphs), if it is known.
    """
    counts = Counter()
    for column in ("text", "title"):
        for text in train[column]:
            counts.update(text)
    characters = [char for char, count in _by_frequency(counts) if count >= min_count]
    names = [name for name, count in _by_frequency(Counter(train["poet"])) if name and count >= min_poems]
    variants = read_variants()
    replacements = {}
    for block in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0)):  # the CJK blocks
        for character in map(chr, range(*block)):
            if (common := simplify(character, variants)) != character:
                replacements[character] = common
    return TangTokenizer.build(characters, names, replacements)


def _encode(rows: dict[str, list], tokenizer: TangTokenizer, max_title: int) -> dict[str, list]:
    ids = partial(tokenizer, add_special_tokens=False, return_attention_mask=False)
    poets = tokenizer.get_added_vocab()
    return {
        "form": [[tokenizer.convert_tokens_to_ids(FORMS[form].token)] for form in rows["form"]],
        "poet": [[poets[f"<{poet}>"]] if f"<{poet}>" in poets else [] for poet in rows["poet"]],
        "title": [title[:max_title] for title in ids(rows["title"]).input_ids],
        "text": ids(rows["text"]).input_ids,
    }


def encode(dataset: Dataset, tokenizer: TangTokenizer, max_title: int = 12) -> Dataset:
    """Columns form, poet, title and text as lists of token ids (each possibly empty), and the row's number."""
    dataset = dataset.map(
        _encode,
        batched=True,
        remove_columns=[name for name in dataset.column_names if name not in ("form", "poet", "title", "text")],
        fn_kwargs={"tokenizer": tokenizer, "max_title": max_title},
        desc="Tokenizing",
    )
    return dataset.add_column("row", list(range(len(dataset))))


def known_only(encoded: Dataset, tokenizer: TangTokenizer) -> Dataset:
    """The poems in which the tokenizer knows every character."""
    unknown = tokenizer.unk_token_id
    return encoded.select([row for row, text in zip(encoded["row"], encoded["text"]) if unknown not in text])


class LengthBatchSampler(Sampler[list[int]]):
    """Batches of poems of like length, each of at most `max_tokens` characters padding included.

    Poems of one length are shuffled among themselves each epoch and the batches among each other. Where one batch ends
    and the next begins depends on the sorted lengths alone, so that every epoch has the same number of batches. Of
    several processes each takes every n-th batch; all have equally many.
    """

    def __init__(self, lengths: list[int], max_tokens: int, seed: int = 0, rank: int = 0, world_size: int = 1):
        self.lengths = np.minimum(np.asarray(lengths), max_tokens)
        self.seed, self.rank, self.world_size = seed, rank, world_size
        self.epoch = 0
        self.bounds = [0]
        for index, length in enumerate(np.sort(self.lengths)):
            if (index - self.bounds[-1] + 1) * length > max_tokens:
                self.bounds.append(index)
        self.bounds.append(len(self.lengths))

    def __len__(self) -> int:
        return max(1, (len(self.bounds) - 1) // self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self.seed, self.epoch))
        shuffled = rng.permutation(len(self.lengths))
        order = shuffled[np.argsort(self.lengths[shuffled], kind="stable")]
        batches = rng.permutation(len(self.bounds) - 1)
        for batch in batches[self.rank :: self.world_size][: len(self)]:
            yield order[self.bounds[batch] : self.bounds[batch + 1]].tolist()


def pad(rows: list[list[int]], value: int) -> torch.Tensor:
    """Rows filled up on the right: (rows, longest)."""
    longest = max(map(len, rows))
    return torch.tensor([row + [value] * (longest - len(row)) for row in rows])


class Collator:
    """Rows of :func:`encode` to a batch: input_ids and labels, both (B, T), padded on the right.

    Padding follows the text, so a causal model needs no mask to ignore it; the labels say what counts.

    Args:
        keep: probability that form, poet and title each stay, once the context stays at all.
        keep_context: probability that any of the context stays.
        max_length: characters of a poem seen in training; a longer one is cut there and has no end.
        seed: with the epoch and the row numbers it decides what is dropped, so that a resumed run drops the same.
    """

    PIECES = ("form", "poet", "title")

    def __init__(self, tokenizer: TangTokenizer, keep=0.7, keep_context=0.6, max_length=384, seed=0):
        self.tokenizer, self.keep, self.keep_context = tokenizer, keep, keep_context
        self.max_length, self.seed, self.epoch = max_length, seed, 0

    def __call__(self, rows: list[dict]) -> dict[str, torch.Tensor]:
        bos, eos = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        rng = np.random.default_rng((self.seed, self.epoch, *(row["row"] for row in rows)))
        dropped = rng.random((len(rows), 1)) >= self.keep_context
        kept = ~dropped & (rng.random((len(rows), len(self.PIECES))) < self.keep)
        inputs, labels = [], []
        for row, keep in zip(rows, kept):
            context = [token for piece, stays in zip(self.PIECES, keep) if stays for token in row[piece]]
            text = row["text"] + [eos] if len(row["text"]) <= self.max_length else row["text"][: self.max_length]
            inputs.append([*context, bos, *text])
            labels.append([IGNORED] * (len(context) + 1) + text)
        return {"input_ids": pad(inputs, self.tokenizer.pad_token_id), "labels": pad(labels, IGNORED)}


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


def score(model, tokenizer: TangTokenizer, encoded: Dataset, context: bool = False, max_tokens: int = 4096) -> dict:
    """The loss of a model over poems.

    Returns nats per character: `loss` over everything after ``<s>`` (marks and ``</s>`` too), `loss_characters` without
    marks and end; `perplexity` of the first; `loss_by_form`; and how many characters were `counted`.
    """
    was_training = model.training
    model.eval()
    device = next(model.parameters()).device
    collate = Collator(tokenizer, keep=1.0, keep_context=float(context), max_length=10**6)
    sampler = LengthBatchSampler([len(text) + 1 for text in encoded["text"]], max_tokens)
    marks = torch.tensor(tokenizer.convert_tokens_to_ids([COMMA, STOP]) + [tokenizer.eos_token_id], device=device)
    total, characters, by_form = np.zeros(2), np.zeros(2), {}
    for batch in sampler:
        rows = [encoded[index] for index in batch]
        inputs = {name: value.to(device) for name, value in collate(rows).items()}
        values = log_probs(model, **inputs)
        target = inputs["labels"][:, 1:]
        counted = target.ne(IGNORED)
        han = counted & ~torch.isin(target, marks)
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
