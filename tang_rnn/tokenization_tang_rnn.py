"""The character tokenizer: one token a character, special tokens for forms and poets, all in one tokenizer.json.

``AutoTokenizer`` reads that file without this package. What a model sees is described in the README, "The text a model
sees": optional context, then ``<s>``, the poem, ``</s>``.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from .faults import Fault
from .files import written_beside
from .verse import COMMA, FORM_TOKENS, STOP

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PAD, BOS, EOS, UNK = "<pad>", "<s>", "</s>", "<unk>"

# For a pipeline that is given messages: the system's say form, poet and title, which go before <s>; all others are
# text. A form may be given by its bare name, between spaces.
CHAT_TEMPLATE = (
    "{%- for message in messages if message.role == 'system' -%}{%- for word in message.content.split() -%}"
    f"{{{{ '<' + word + '>' if '<' + word + '>' in {list(FORM_TOKENS)} else word }}}}"
    "{%- endfor -%}{%- endfor -%}{{ bos_token }}"
    "{%- for message in messages if message.role != 'system' -%}{{ message.content }}{%- endfor -%}"
)

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


class TangTokenizer(PreTrainedTokenizerFast):
    """A `PreTrainedTokenizerFast` that can be built from a list of characters and knows its forms and poets."""

    @classmethod
    def build(
        cls, characters: Iterable[str], poets: Iterable[str] = (), replacements: Mapping[str, str] | None = None
    ) -> TangTokenizer:
        """A tokenizer for these characters, most frequent first, and these poets.

        Args:
            characters: the vocabulary; the marks ，and 。are added.
            poets: names that become special tokens, ``李白`` as ``<李白>``.
            replacements: characters outside the vocabulary that stand for one in it, such as 門 for 门.
        """
        special = [PAD, BOS, EOS, UNK, *FORM_TOKENS, *(f"<{poet}>" for poet in poets)]
        vocabulary = {token: index for index, token in enumerate(dict.fromkeys([*special, COMMA, STOP, *characters]))}
        rules = {
            source: target
            for source, target in (MARKS | SPACES | dict(replacements or {})).items()
            if source not in vocabulary and (not target or target in vocabulary)
        }
        return cls.of(assembled(vocabulary, charsmap(rules)), special[4:])

    @classmethod
    def of(cls, backend: Tokenizer, special: Sequence[str], chat_template: str | None = None) -> TangTokenizer:
        """A backend that :func:`assembled` has made, as transformers has tokenizers.

        Args:
            special: forms and poets.
            chat_template: another than ours.
        """
        return cls(
            tokenizer_object=backend,
            pad_token=PAD,
            bos_token=BOS,
            eos_token=EOS,
            unk_token=UNK,
            additional_special_tokens=list(special),
            padding_side="left",  # generation appends on the right
            clean_up_tokenization_spaces=False,
            chat_template=chat_template or CHAT_TEMPLATE,
            model_input_names=["input_ids", "attention_mask"],
        )

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

    def save_pretrained(self, save_directory, *args, push_to_hub=False, **kwargs):
        """Saves so that `AutoTokenizer` loads it where tang_rnn is not installed, and over files of the same name only
        once all is written."""
        self.chat_template = self.chat_template or CHAT_TEMPLATE
        with written_beside(save_directory) as beside:
            files = super().save_pretrained(beside, *args, **kwargs)
            path = beside / "tokenizer_config.json"
            config = json.loads(path.read_text(encoding="utf-8"))
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
            path.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        if push_to_hub:
            self.push_to_hub(kwargs.pop("repo_id", Path(save_directory).name), **kwargs)
        return tuple(str(Path(save_directory, Path(file).name)) for file in files)


def fingerprint(tokenizer: PreTrainedTokenizerBase, count: int | None = None) -> str:
    """How many tokens a tokenizer has, and a hash of them in their order; `count`: of its first so many alone."""
    vocabulary = tokenizer.get_vocab()
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)[:count]
    return f"{len(tokens)}-{hashlib.sha256(chr(10).join(tokens).encode()).hexdigest()[:16]}"


def check_fingerprint(tokenizer: PreTrainedTokenizerBase, expected: str | None) -> None:
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


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
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


__all__ = ["TangTokenizer", "assembled", "check_fingerprint", "check_vocabulary", "fingerprint"]
