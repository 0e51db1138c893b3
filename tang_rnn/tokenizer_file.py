"""A stranger's tokenizer.json, judged as data before anything is built of it.

The libraries that read such a file believe it: forty replacements that each double the text take the memory of the
machine, a table of replacements that points out of itself ends the process, and neither is an error that a caller could
catch. So nothing of the file is run. Taken from it are the tokens with their numbers, and the table of characters that
are read as others, once each of its entries has been looked at; all else has to be what :func:`assembled` makes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import numpy as np
from tokenizers import AddedToken, Tokenizer

from .cells import LARGEST
from .characters import BOS, EOS, MARKS, PAD, UNK, Characters, assembled
from .faults import Fault

FILE, SETTINGS = "tokenizer.json", "tokenizer_config.json"
LONGEST_TOKEN = 64  # characters; a poet's name with its brackets has ten
LARGEST_TABLE = 2**20  # bytes of the table of replacements; ours has 60 kB
NAMED = {"pad_token": PAD, "bos_token": BOS, "eos_token": EOS, "unk_token": UNK}


def tokenizer_of(content: Mapping, settings: Mapping, template: str | None = None) -> Characters:
    """The tokenizer that a folder's tokenizer.json means.

    Args:
        content: what stands in tokenizer.json.
        settings: what stands in tokenizer_config.json.
        template: what stands in chat_template.jinja, if it is there.

    Raises:
        Fault: it is none that :meth:`TangTokenizer.build` makes, or reads characters as what they are not.
    """
    model, normalizer = _part(content, "model"), _part(content, "normalizer")
    vocabulary = _vocabulary(model)
    if {**model, "vocab": None} != {"type": "WordLevel", "vocab": None, "unk_token": UNK}:
        raise Fault("other_tokenizer_part", file=FILE, part="model")
    for name, token in NAMED.items():
        given = settings.get(name, token)
        if token not in vocabulary or (given.get("content") if isinstance(given, dict) else given) != token:
            raise Fault("other_tokenizer_part", file=FILE, part=name)
    if normalizer.get("type") != "Precompiled" or set(normalizer) != {"type", "precompiled_charsmap"}:
        raise Fault("other_tokenizer_part", file=FILE, part="normalizer")
    backend = assembled(vocabulary, _table(normalizer["precompiled_charsmap"]))
    ours = json.loads(backend.to_str())
    for name in ("pre_tokenizer", "post_processor", "decoder"):
        if content.get(name) != ours[name]:
            raise Fault("other_tokenizer_part", file=FILE, part=name)
    added = _added(content.get("added_tokens"), vocabulary)
    # All at once: a call for each would walk the others again.
    backend.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    if any(backend.token_to_id(token) != number for token, number in added.items()):
        raise Fault("tokens_with_gaps")
    template = settings.get("chat_template") if template is None else template
    if not isinstance(template, str | None):
        raise Fault("other_tokenizer_part", file=SETTINGS, part="chat_template")
    _try(backend, vocabulary)
    return Characters(backend, [token for token in added if token not in NAMED.values()], template)


def _part(content: Mapping, name: str) -> dict:
    if not isinstance(part := content.get(name), dict):
        raise Fault("other_tokenizer_part", file=FILE, part=name)
    return part


def _vocabulary(model: Mapping) -> dict[str, int]:
    """The tokens by number, if these go from 0 without a gap."""
    vocabulary = _part(model, "vocab")
    if not 0 < len(vocabulary) <= LARGEST["vocab_size"] or max(map(len, vocabulary)) > LONGEST_TOKEN:
        raise Fault("other_tokenizer_part", file=FILE, part="vocab")
    if not all(type(number) is int for number in vocabulary.values()):
        raise Fault("tokens_with_gaps")
    ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
    if list(ordered.values()) != list(range(len(ordered))):
        raise Fault("tokens_with_gaps")
    return ordered


def _added(entries: object, vocabulary: Mapping[str, int]) -> dict[str, int]:
    """The special tokens, by number."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    added = {}
    for entry in entries if isinstance(entries, list) else [None]:
        token, number = (entry.get("content"), entry.get("id")) if isinstance(entry, dict) else (None, None)
        known = isinstance(token, str) and 2 < len(token) <= LONGEST_TOKEN and vocabulary.get(token) == number
        if not known or {name: entry.get(name) for name in flags} != flags:
            raise Fault("other_tokenizer_part", file=FILE, part="added_tokens")
        added[token] = number
    return dict(sorted(added.items(), key=lambda item: item[1]))


def _table(text: object) -> bytes:
    """The table of replacements, if each reads one character as one other or as none.

    A trie over the bytes of UTF-8 as a double array (Yata et al. 2007), as sentencepiece writes it: the bytes of the
    array in four bytes; units of 32 bits; texts that end in a zero byte. Of a unit, bits 0-7 and 31 are its label, bit
    8 says that a key ends here, bit 9 and 10-30 are where its children lie: at that place with each label put in by
    exclusive or. What reads it does not look whether there is anything at that place.
    """
    broken = Fault("other_tokenizer_part", file=FILE, part="precompiled_charsmap")
    try:
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise broken from None
    size = int.from_bytes(data[:4], "little")
    if len(data) > LARGEST_TABLE or size % 4 or not 4 <= size <= len(data) - 4:
        raise broken
    units = np.frombuffer(data, "<u4", size // 4, 4).astype(np.int64)
    texts = data[4 + size :]
    labels, places = units & 0x800000FF, np.arange(len(units))
    below = (units >> 10) << ((units & 0x200) >> 6)
    bases = below[:1]  # where the children of the nodes lie, level by level
    for depth in range(5):
        if (bases | 0xFF).max(initial=0) >= len(units):
            raise broken
        is_base = np.zeros(len(units), bool)
        is_base[bases] = True
        parents = places ^ labels  # of those whose label is a byte
        reached = places[(labels > 0) & (labels < 256) & is_base[parents.clip(0, len(units) - 1)]]
        if depth == 4 and len(reached):  # no character has five bytes
            raise broken
        bases = reached ^ below[reached]
        if (bases | 0xFF).max(initial=0) >= len(units):
            raise broken
        for place in {*(units[bases[units[reached] & 0x100 > 0]] & 0x7FFFFFFF).tolist()}:
            end = texts.find(b"\0", place, place + 5)
            try:
                if place >= len(texts) or end < 0 or len(texts[place:end].decode("utf-8")) > 1:
                    raise broken
            except UnicodeDecodeError:
                raise broken from None
    return data


def _try(backend: Tokenizer, vocabulary: Mapping[str, int]) -> None:
    """Lets the tokenizer read what has to come out as itself: every character as its own token, marks as ours."""
    marks = {mark: vocabulary.get(MARKS[mark]) for mark in ",." if mark not in vocabulary}
    pairs = {mark: number for mark, number in marks.items() if number is not None}
    pairs |= {token: number for token, number in vocabulary.items() if len(token) == 1}
    if backend.encode("".join(pairs), add_special_tokens=False).ids == list(pairs.values()):
        return
    for char, number in pairs.items():  # some that stand alone, such as marks above a letter, are one when they meet
        if backend.encode(char, add_special_tokens=False).ids != [number]:
            raise Fault("tokenizer_misreads", file=FILE, char=char)


__all__ = ["tokenizer_of"]
