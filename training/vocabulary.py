"""The vocabulary of a corpus: built for it, or grown from one that a checkpoint has, whose tokens stay as they are."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterable, Iterator

from datasets import Dataset, IterableDataset
from tokenizers import Tokenizer

from tang_rnn.tokenization_tang_rnn import TangTokenizer, charsmap

from .cleaning import read_variants, simplify
from .errors import CorpusError

MIN_COUNT = 2  # times that a character must be seen in a corpus to be a token
MIN_POEMS = 100  # of a poet to be one
CJK = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))


def enough(poems: int) -> dict[str, int]:
    """`min_count` and `min_poems` for a collection of so many poems: a small one has few of anything, and uses it."""
    return {"min_count": 1 if poems < 2000 else MIN_COUNT, "min_poems": min(MIN_POEMS, max(20, poems // 100))}


def _by_frequency(counts: Counter) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def occurring(rows: Dataset | IterableDataset, min_count: int, min_poems: int) -> tuple[list[str], list[str]]:
    """Characters seen `min_count` times or more in poems and titles, and poets with `min_poems` or more."""
    counts, poets = Counter(), Counter()
    for batch in rows.iter(1000):
        counts.update("".join(value or "" for value in batch["text"] + batch["title"]))
        poets.update(filter(None, batch["poet"]))
    characters = [char for char, count in _by_frequency(counts) if count >= min_count]
    return characters, [name for name, count in _by_frequency(poets) if count >= min_poems]


def _all_characters() -> Iterator[str]:
    """Every Han character that Unicode has."""
    return (character for block in CJK for character in map(chr, range(*block)))


def replacements() -> dict[str, str]:
    """What the corpus would write for each character that it writes otherwise: traditional forms, variant glyphs."""
    variants = read_variants()
    common = ((character, simplify(character, variants)) for character in _all_characters())
    return {character: written for character, written in common if written != character}


def build_tokenizer(
    train: Dataset | IterableDataset, min_count: int = MIN_COUNT, min_poems: int = MIN_POEMS
) -> TangTokenizer:
    """The tokenizer of a corpus.

    Characters seen `min_count` times or more in poems and titles, poets with `min_poems` or more; every other character
    that Unicode has is read as what the corpus would write for it, if it is known.
    """
    return TangTokenizer.build(*occurring(train, min_count, min_poems), replacements())


def grown(tokenizer: TangTokenizer, characters: Iterable[str], poets: Iterable[str] = ()) -> TangTokenizer:
    """The tokenizer with more tokens behind those it has, which keep their numbers.

    Characters that it knows, or reads as one that it knows, and poets that it knows add nothing.

    Raises:
        CorpusError: it is not one that :meth:`TangTokenizer.build` makes.
    """
    known = tokenizer.get_vocab()
    new = [char for char in dict.fromkeys(characters) if char not in known and tokenizer.normalize(char) == char]
    names = [name for name in dict.fromkeys(poets) if f"<{name}>" not in known]
    if not new and not names:
        return tokenizer
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    if content["model"]["type"] != "WordLevel" or content["normalizer"]["type"] != "Precompiled":
        raise CorpusError("only a tokenizer of one token a character, with a table of replacements, can be grown")
    vocabulary = content["model"]["vocab"]
    for token in [*(f"<{name}>" for name in names), *new]:
        vocabulary[token] = len(vocabulary)
    pattern = content["added_tokens"][-1]
    content["added_tokens"] += [pattern | {"id": vocabulary[f"<{name}>"], "content": f"<{name}>"} for name in names]
    if new:  # what it reads as another character, and the other forms of those that are new
        others = {char: tokenizer.normalize(char) for char in (*_all_characters(), *map(chr, range(0x3400)))}
        others |= {char: tokenizer.normalize(char) for char in map(chr, (*range(0xFE10, 0xFFEF), 0xFEFF))}
        rules = {source: target for source, target in others.items() if source != target}
        rules |= {source: target for source, target in replacements().items() if target in new}
        rules = {source: target for source, target in rules.items() if source not in vocabulary}
        content["normalizer"]["precompiled_charsmap"] = base64.b64encode(charsmap(rules)).decode()
    kept = {name: getattr(tokenizer, name) for name in ("pad_token", "bos_token", "eos_token", "unk_token")}
    return TangTokenizer(
        tokenizer_object=Tokenizer.from_str(json.dumps(content)),
        **kept,
        additional_special_tokens=[token["content"] for token in content["added_tokens"]][4:],
        padding_side=tokenizer.padding_side,
        clean_up_tokenization_spaces=False,
        model_input_names=tokenizer.model_input_names,
    )
