"""The bare recurrence that poems are written with is the model, step by step."""

from dataclasses import fields

import pyarrow.parquet as pq
import pytest
import torch
from conftest import POEMS

from tang_rnn import TangPoet, TangRNNConfig
from tang_rnn.recurrence import Recurrence, linear, precision, select
from tang_rnn.sizes import Sizes
from training.corpus import HERE


@pytest.mark.parametrize("packed", [True, False])
def test_its_logits_are_the_models(model, tokenizer, monkeypatch, packed):
    """With oneDNN's products where there are such, and with torch's plain ones."""
    if not packed:
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    inputs = tokenizer([POEMS[0], POEMS[1][:7], ""], padding=True, return_tensors="pt")
    recurrence = Recurrence(model.config, model.state_dict())
    assert recurrence.num_parameters == model.num_parameters()
    state = recurrence.read_all(**inputs)
    torch.testing.assert_close(recurrence.logits(state), model(**inputs).logits[:, -1])
    rows, tokens = torch.tensor([2, 0]), torch.tensor([13, 14])
    longer = torch.cat([inputs.input_ids[rows], tokens[:, None]], 1)
    mask = torch.cat([inputs.attention_mask[rows], torch.ones(2, 1, dtype=torch.long)], 1)
    for step in (recurrence.step(tokens, select(state, rows)), recurrence.branch(tokens, state, rows)):
        torch.testing.assert_close(recurrence.logits(step), model(longer, attention_mask=mask).logits[:, -1])
    after = torch.tensor([15, 16, 17, 18])
    whole = torch.cat([inputs.input_ids, after.expand(3, -1)], 1)
    mask = torch.cat([inputs.attention_mask, torch.ones(3, 4, dtype=torch.long)], 1)
    logits = model(whole, attention_mask=mask).logits
    log_probs, last = recurrence.read_on(after, state)
    expected = logits[:, -5:-1].log_softmax(2)[:, range(4), after]
    torch.testing.assert_close(log_probs, expected)
    torch.testing.assert_close(recurrence.logits(recurrence.step(after[-1:], last)), logits[:, -1])


def test_rows_that_have_begun_alike_are_read_once(model, tokenizer, monkeypatch):
    texts = [POEMS[0], POEMS[0][:9] + POEMS[1][9:], POEMS[0][:7], "", POEMS[0]]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    recurrence, read = Recurrence(model.config, model.state_dict()), []
    go_on = recurrence._go_on
    monkeypatch.setattr(recurrence, "_go_on", lambda given, *args: read.append(len(given)) or go_on(given, *args))
    logits = recurrence.logits(recurrence.read_all(**inputs))
    torch.testing.assert_close(logits, model(**inputs).logits[:, -1])
    assert torch.equal(logits[0], logits[4]) and max(read) < len(texts) and sum(read) < inputs.attention_mask.sum()


def test_weights_that_are_not_tied(model, tokenizer):
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    inputs = tokenizer([POEMS[0]], return_tensors="pt")
    recurrence = Recurrence(model.config, model.state_dict())
    torch.testing.assert_close(recurrence.logits(recurrence.read_all(**inputs)), model(**inputs).logits[:, -1])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("inputs, outputs", [(256, 3072), (768, 3072), (768, 2304), (1024, 1024), (768, 256)])
def test_a_row_is_the_same_to_the_bit_whatever_stands_beside_it(inputs, outputs, threads):
    """The terms of each sum cancel out, so that nothing is left but what rounding makes of their order."""
    noise, before = torch.Generator().manual_seed(0), torch.get_num_threads()
    half, row = (torch.randn(count, inputs // 2, generator=noise).bfloat16().float() for count in (outputs, 256))
    product, rows = linear(torch.cat([half, -half], 1)), torch.cat([row, row], 1)
    together = product(rows)
    torch.set_num_threads(threads)
    try:
        for count in (1, 2, 3, 8, 17, 32, 33, 64, 100, 256):
            for first in (0, 256 - count):
                assert torch.equal(product(rows[first : first + count]), together[first : first + count])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_lower_precision_loses_nothing(cell, monkeypatch):
    """Poems are as likely as in float32, on average and nearly each."""
    if precision() == "float32":
        pytest.skip("this machine writes in float32")
    poet, losses = TangPoet.from_pretrained(cell), []
    poems = [row["text"] for row in pq.read_table(HERE / "validation.parquet").to_pylist() if row["form"] == "七绝"]
    rows = [ids + [poet.vocabulary.end] for ids in poet.tokenizer(["<七绝>"] * 100, poems[:100]).input_ids]
    (tokens,) = torch.tensor([row for row in rows if len(row) == 35]).T[None]
    for way in ("bfloat16", "float32"):
        monkeypatch.setenv("TANG_RNN_PRECISION", way)
        recurrence, found = Recurrence(poet.recurrence.config, poet.recurrence.weights), []
        state = recurrence.begin(tokens.shape[1])
        for now, after in zip(tokens, tokens[1:]):
            state = recurrence.step(now, state)
            found.append(-recurrence.logits(state).log_softmax(1).gather(1, after[:, None])[:, 0])
        losses.append(torch.stack(found).mean(0))
    assert len(losses[0]) > 90 and losses[0].mean() == pytest.approx(float(losses[1].mean()), abs=0.002)
    assert not torch.equal(*losses) and (losses[0] - losses[1]).abs().max() < 0.02


def test_a_poet_writes_with_its_models_weights_whenever_they_change(checkpoint, model, tokenizer):
    options = {"form": "五绝", "seed": 3}
    poet, given = TangPoet.from_pretrained(checkpoint), TangPoet(model, tokenizer)
    before = poet.write("春", **options)
    assert given.write("春", **options) == before
    assert torch.equal(poet.model.lm_head.weight, model.lm_head.weight) and not poet.model.training
    assert poet.write("春", **options) == before
    for changed in (poet, given):
        with torch.no_grad():
            changed.model.lm_head.weight.mul_(0.5)
        assert changed.write("春", **options) != before
    assert poet.write("春", **options) == given.write("春", **options)


def test_a_text_is_scored_as_the_model_does_and_without_a_second_copy_of_its_weights(checkpoint, model, tokenizer):
    poet, text = TangPoet.from_pretrained(checkpoint), POEMS[0].replace("眠", "龘")  # which no vocabulary has
    for context, skip in (("<五绝>", 0), ("", 3), ("<五绝><李白>夜", len(text))):
        ids = tokenizer(context, text, return_tensors="pt").input_ids
        targets = torch.cat([ids[0, len(ids[0]) - len(text) + skip :], torch.tensor([tokenizer.eos_token_id])])
        known = targets.ne(tokenizer.unk_token_id)
        logits = model(ids).logits[0, -len(targets) :].log_softmax(1)
        expected = float(logits.gather(1, targets[:, None])[known].sum().detach())
        assert poet.score(text, context, skip) == (pytest.approx(expected, abs=1e-3), int(known.sum()))
    assert poet._model is None


def test_sizes_are_those_of_the_configuration():
    ours, theirs = Sizes(), TangRNNConfig()
    assert all(getattr(ours, field.name) == getattr(theirs, field.name) for field in fields(Sizes))
    assert Sizes.model_type == TangRNNConfig.model_type and ours.number_of_states == theirs.number_of_states
    for wrong in ({"hidden_size": True}, {"vocab_size": None}, {"cell_type": ["lstm"]}, {"tie_word_embeddings": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Sizes.of(wrong)


def test_characters_read_as_the_tokenizer_does():
    poet = TangPoet.from_pretrained("lstm")
    read, whole = poet.reader.tokenizer, poet.tokenizer
    texts = ["<五绝><李白>靜夜思", "", "<七律>"], ["床前明月光，疑是地上霜。", "春", "<s>x 門"]
    assert read(*texts).input_ids == whole(*texts).input_ids
    assert len(read) == len(whole) and read.get_vocab() == whole.get_vocab()
    assert read.get_added_vocab() == whole.get_added_vocab() and read.poets == whole.poets
    assert sorted(read.all_special_ids) == sorted(whole.all_special_ids)
    everything = list(range(len(read)))
    assert read.convert_ids_to_tokens(everything) == whole.convert_ids_to_tokens(everything)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id", "unk_token_id"):
        assert getattr(read, name) == getattr(whole, name)
