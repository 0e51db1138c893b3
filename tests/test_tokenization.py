"""The tokenizer: what becomes a token, what is read as something else, and what comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import POEMS
from transformers import AutoTokenizer

from tang_rnn import TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from tang_rnn.tokenization_tang_rnn import check_vocabulary
from tang_rnn.verse import FORM_TOKENS


def tokens(tokenizer, *texts, **kwargs) -> list[str]:
    return tokenizer.convert_ids_to_tokens(tokenizer(*texts, **kwargs).input_ids)


def test_a_text_follows_the_start_token(tokenizer):
    assert tokens(tokenizer, "春眠，") == ["<s>", "春", "眠", "，"]
    assert tokens(tokenizer, "") == ["<s>"]
    assert tokens(tokenizer, "春", add_special_tokens=False) == ["春"]


def test_a_pair_is_context_start_text(tokenizer):
    expected = ["<五绝>", "<李白>", "明", "月", "<s>", "春"]
    assert tokens(tokenizer, "<五绝><李白>明月", "春") == expected
    assert tokens(tokenizer, tokenizer.context("<五绝>", "李白", "明月"), "春") == expected
    assert tokens(tokenizer, "", "春") == ["<s>", "春"]


@pytest.mark.parametrize("system", ["<五绝><李白>明月", "五绝 <李白> 明月", " <五绝>\n<李白>明月"])
def test_messages_are_context_start_text(tokenizer, checkpoint, system):
    """As a pipeline is given them, also where AutoTokenizer read the files."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": "春"}]
    for reader in (tokenizer, AutoTokenizer.from_pretrained(checkpoint)):
        given = reader.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
        assert given["input_ids"] == tokenizer("<五绝><李白>明月", "春").input_ids
        assert reader.apply_chat_template(messages[1:], return_dict=True)["input_ids"] == tokenizer("春").input_ids


def test_context_leaves_out_a_poet_without_a_token(tokenizer):
    assert tokenizer.context("<七律>", "无名氏") == "<七律>"
    assert tokenizer.poets == ["李白", "杜甫"]


@pytest.mark.parametrize("poem", POEMS)
def test_decoding_gives_the_text_back(tokenizer, poem):
    encoded = tokenizer(tokenizer.context("<五绝>", "李白"), poem + "</s>")
    assert tokenizer.decode(encoded.input_ids, skip_special_tokens=True) == poem
    assert len(encoded.input_ids) == len(poem) + 4  # form, poet, start, end: one token a character
    assert tokenizer.unk_token_id not in encoded.input_ids


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("春眠不覺曉", "春眠不觉晓"),
        ("春眠,处处.", "春眠，处处。"),
        ("春眠、处处！夜来？风；", "春眠，处处。夜来。风。"),
        (" 春眠\n处处\u3000\ufeff", "春眠处处"),
    ],
)
def test_what_is_read_as_something_else(tokenizer, written, read):
    assert tokenizer.normalize(written) == read
    assert tokens(tokenizer, written) == ["<s>", *read]


def test_full_width_marks_stay_what_they_are(tokenizer):
    assert tokenizer.normalize("，。") == "，。"


def test_a_stranger_is_one_unknown_token(tokenizer):
    assert tokens(tokenizer, "春龘😀a") == ["<s>", "春", "<unk>", "<unk>", "<unk>"]


def test_special_tokens_have_their_places(tokenizer):
    assert [tokenizer.convert_tokens_to_ids(token) for token in ("<pad>", "<s>", "</s>", "<unk>")] == [0, 1, 2, 3]
    special = [*FORM_TOKENS, "<李白>", "<杜甫>"]
    assert tokenizer.convert_tokens_to_ids(special) == list(range(4, 4 + len(special)))
    assert tokenizer.decode(tokenizer.convert_tokens_to_ids(special), skip_special_tokens=True) == ""


def test_a_batch_is_padded_on_the_left(tokenizer):
    batch = tokenizer(["春", "春眠不"], padding=True)
    assert batch.input_ids[0][:2] == [0, 0] and batch.attention_mask == [[0, 0, 1, 1], [1, 1, 1, 1]]


def test_a_replacement_needs_its_character_in_the_vocabulary():
    tokenizer = TangTokenizer.build("春", replacements={"萅": "春", "曉": "晓", "春": "夏"})
    assert tokenizer.normalize("萅") == "春"
    assert tokens(tokenizer, "曉") == ["<s>", "<unk>"]  # 晓 is not known
    assert tokens(tokenizer, "春") == ["<s>", "春"]  # what is known is never replaced


def test_anyone_loads_the_same_tokenizer(tokenizer, tmp_path: Path):
    tokenizer.save_pretrained(tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
    for loaded in (AutoTokenizer.from_pretrained(tmp_path), TangTokenizer.from_pretrained(tmp_path)):
        assert loaded.get_vocab() == tokenizer.get_vocab()
        for texts in (["<七绝><杜甫>春曉", "春眠,"], ["白日依山盡"]):
            assert loaded(*texts).input_ids == tokenizer(*texts).input_ids
        assert loaded.padding_side == "left"
        assert (loaded.pad_token, loaded.bos_token, loaded.eos_token, loaded.unk_token) == (
            *("<pad>", "<s>", "</s>", "<unk>"),
        )
    assert TangTokenizer.from_pretrained(tmp_path).poets == ["李白", "杜甫"]


def test_building_twice_gives_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        TangTokenizer.build("春眠", ["李白"], {"覺": "眠"}).save_pretrained(tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_a_model_and_a_tokenizer_that_do_not_belong_together(tokenizer):
    def model(**kwargs):
        sizes = {"vocab_size": len(tokenizer), "embedding_size": 4, "hidden_size": 4}
        return TangRNNForCausalLM(TangRNNConfig(**sizes | kwargs))

    check_vocabulary(model(), tokenizer)
    check_vocabulary(model(vocab_size=len(tokenizer) + 2), tokenizer)  # rows to spare, as resizing may leave
    with pytest.raises(ValueError, match=f"{len(tokenizer)} tokens and the model 20"):
        check_vocabulary(model(vocab_size=20), tokenizer)
    with pytest.raises(ValueError, match="eos_token_id is 2 in the tokenizer and 7"):
        check_vocabulary(model(eos_token_id=7), tokenizer)
