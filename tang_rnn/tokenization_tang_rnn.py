"""The character tokenizer: one token a character, special tokens for forms and poets, all in one tokenizer.json.

``AutoTokenizer`` reads that file without this package. What a model sees is described in the README, "The text a model
sees": optional context, then ``<s>``, the poem, ``</s>``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from .characters import (
    BOS,
    EOS,
    MARKS,
    PAD,
    SPACES,
    UNK,
    Reading,
    assembled,
    charsmap,
    check_fingerprint,
    check_vocabulary,
    fingerprint,
)
from .files import written_beside
from .verse import COMMA, FORM_TOKENS, STOP

# For a pipeline that is given messages: the system's say form, poet and title, which go before <s>; all others are
# text. A form may be given by its bare name, between spaces.
CHAT_TEMPLATE = (
    "{%- for message in messages if message.role == 'system' -%}{%- for word in message.content.split() -%}"
    f"{{{{ '<' + word + '>' if '<' + word + '>' in {list(FORM_TOKENS)} else word }}}}"
    "{%- endfor -%}{%- endfor -%}{{ bos_token }}"
    "{%- for message in messages if message.role != 'system' -%}{{ message.content }}{%- endfor -%}"
)


class TangTokenizer(Reading, PreTrainedTokenizerFast):
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


__all__ = ["TangTokenizer", "assembled", "check_fingerprint", "check_vocabulary", "fingerprint"]
