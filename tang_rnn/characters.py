"""Characters to ids and back: one token a character, special tokens for forms and poets.

What a model sees is described in the README, "The text a model sees": optional context, then ``<s>``, the poem,
``</s>``. Here is what writing needs of it, without the class that transformers has for tokenizers.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from .faults import Fault
from .verse import COMMA, FORM_TOKENS, STOP

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"

# Everything a keyboard may give for the two marks; white space and line breaks go.
MARKS = {mark: COMMA for mark in ",、:：﹐､"} | {mark: STOP for mark in ".?!;？！；｡．"}
SPACES = {space: "" for space in " \t\r\n\u00a0\u3000\u200b\ufeff"}


def charsmap(replacements: Mapping[str, str]) -> bytes:
    """The replacements as the compiled trie that ``tokenizers.normalizers.Precompiled`` takes.

    A thousand ``Replace`` steps would each walk the text; the trie walks it once. sentencepiece compiles it (needed
    only where a tokenizer is built, not where one is used).
    """
    import tempfile

    import sentencepiece
    from sentencepiece import sentencepiece_model_pb2

    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules.tsv")
        rules.write_text(
            "".join(
                f"{ord(source):X}\t{' '.join(f'{ord(character):X}' for character in target)}\n"
                for source, target in sorted(replacements.items())
            ),
            encoding="utf-8",
        )
        written = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["一二三四五"]),  # the model is thrown away, its compiled rules are kept
            model_writer=written,
            model_type="char",
            vocab_size=9,
            hard_vocab_limit=False,
            normalization_rule_tsv=str(rules),
            minloglevel=2,
        )
    return sentencepiece_model_pb2.ModelProto.FromString(written.getvalue()).normalizer_spec.precompiled_charsmap


def assembled(vocabulary: Mapping[str, int], table: bytes) -> Tokenizer:
    """The parts that turn a text into ids and back; of special tokens it does not know yet.

    Args:
        vocabulary: ids by token, with those of the four that every tokenizer here has.
        table: which characters are read as others, see :func:`charsmap`.
    """
    tokenizer = Tokenizer(models.WordLevel(dict(vocabulary), unk_token=UNK))
    tokenizer.normalizer = normalizers.Precompiled(table)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"$A:0 {BOS}:0 $B:0", special_tokens=[(BOS, vocabulary[BOS])]
    )
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


class Reading:
    """What every tokenizer here knows of its forms and poets."""

    @property
    def poets(self) -> list[str]:
        """The poets that have a token of their own, those with most poems first."""
        forms = set(FORM_TOKENS) | {PAD, BOS, EOS, UNK}
        tokens = sorted(self.get_added_vocab().items(), key=lambda item: item[1])
        return [token[1:-1] for token, _ in tokens if token not in forms]

    def context(self, form_token: str = "", poet: str = "", title: str = "") -> str:
        """What stands before ``<s>``: the first text of a pair. A poet without a token is left out."""
        poet_token = f"<{poet}>" if poet and f"<{poet}>" in self.get_added_vocab() else ""
        return form_token + poet_token + title

    def normalize(self, text: str) -> str:
        """The text in the model's own characters and marks."""
        text = re.sub("[\ud800-\udfff]", "\ufffd", text)  # halves of characters, such as a broken argument brings
        return self.backend_tokenizer.normalizer.normalize_str(text)


class Characters(Reading):
    """A backend that :func:`assembled` has made, as far as writing needs it.

    Args:
        backend: knows all special tokens.
        special: forms and poets.
        chat_template: what a :class:`TangTokenizer` of it has, if it is not ours.
    """

    def __init__(self, backend: Tokenizer, special: Sequence[str], chat_template: str | None = None):
        self.backend_tokenizer, self.special, self.chat_template = backend, list(special), chat_template
        self._vocabulary = backend.get_vocab(with_added_tokens=True)
        self._added = {token.content: index for index, token in backend.get_added_tokens_decoder().items()}
        self._tokens = sorted(self._vocabulary, key=self._vocabulary.__getitem__)
        self.all_special_ids = sorted(self._added.values())
        self.pad_token_id, self.bos_token_id, self.eos_token_id, self.unk_token_id = map(
            self._vocabulary.get, (PAD, BOS, EOS, UNK)
        )

    def __len__(self) -> int:
        return len(self._vocabulary)

    def __call__(self, texts: Sequence[str], pairs: Sequence[str]) -> SimpleNamespace:
        """The ids of pairs of texts, as transformers' tokenizers give them."""
        encoded = self.backend_tokenizer.encode_batch([*zip(texts, pairs)])
        return SimpleNamespace(input_ids=[each.ids for each in encoded])

    def get_vocab(self) -> dict[str, int]:
        return self._vocabulary

    def get_added_vocab(self) -> dict[str, int]:
        return self._added

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        return [self._tokens[index] for index in ids]


def fingerprint(tokenizer: PreTrainedTokenizerBase | Characters, count: int | None = None) -> str:
    """How many tokens a tokenizer has, and a hash of them in their order; `count`: of its first so many alone."""
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)[:count]
    return f"{len(tokens)}-{hashlib.sha256(chr(10).join(tokens).encode()).hexdigest()[:16]}"


def check_fingerprint(tokenizer: PreTrainedTokenizerBase | Characters, expected: str | None) -> None:
    """Makes sure that a tokenizer is the one that weights were trained with, or has more tokens behind those it has.

    Args:
        expected: the :func:`fingerprint` that the weights carry; None where they carry none.

    Raises:
        Fault: it is another.
    """
    if expected is None:
        return
    count = expected.split("-")[0]
    if not count.isdecimal() or fingerprint(tokenizer, int(count)) != expected:
        raise Fault("other_vocabulary", count=count, tokens=len(tokenizer))


def check_vocabulary(model, tokenizer: PreTrainedTokenizerBase | Characters) -> None:
    """Makes sure that a model can read what a tokenizer writes, before either runs.

    Raises:
        Fault: the tokenizer has tokens that the model has no embedding for, or other special tokens.
    """
    size, embedded = len(tokenizer), model.config.vocab_size
    if size > embedded:
        raise Fault("other_tokenizer", tokens=size, embedded=embedded)
    if {*tokenizer.get_vocab().values()} != {*range(size)}:
        raise Fault("tokens_with_gaps")
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        if (ours := getattr(tokenizer, name)) != (theirs := getattr(model.config, name)):
            raise Fault("other_token_id", id=name, tokenizer=ours, config=theirs)


__all__ = ["Characters", "assembled", "charsmap", "check_fingerprint", "check_vocabulary", "fingerprint"]
