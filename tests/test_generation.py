"""generate() and the text-generation pipeline, as code that knows nothing of this project calls them."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import POEMS
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DynamicCache,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
    pipeline,
)

from tang_rnn import modeling_tang_rnn
from tang_rnn.poet import PRETRAINED
from tang_rnn.verse import split_lines
from tang_rnn.writing.request import OPTIONS

LINES = [poem[:length] for poem, length in zip(POEMS, (1, 5, 9), strict=True)]
# Undoes the sampling options of generation_config.json.
GREEDY = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "suppress_tokens": None}
GREEDY |= {"max_new_tokens": 12}
MODES = {
    "greedy": GREEDY,
    "sampling": GREEDY | {"do_sample": True, "top_k": 5},
    "beam search": GREEDY | {"num_beams": 4},
    "beam sampling": GREEDY | {"do_sample": True, "num_beams": 4, "top_k": 5},
    "several of a beam": GREEDY | {"num_beams": 4, "num_return_sequences": 3},
    "several samples": GREEDY | {"do_sample": True, "num_return_sequences": 3},
}


@pytest.fixture
def batch(tokenizer):
    return tokenizer(LINES, padding=True, return_tensors="pt")


def generate(model, *args, seed=0, **kwargs):
    torch.manual_seed(seed)
    return model.generate(*args, **kwargs)


def test_without_input_a_poem_starts_from_the_start_token(model, tokenizer):
    assert generate(model)[0, 0] == tokenizer.bos_token_id
    rows = generate(model, num_return_sequences=3, max_new_tokens=7)
    assert rows.shape == (3, 8) and rows[:, 0].eq(tokenizer.bos_token_id).all()


def test_the_checkpoint_samples_by_default(model):
    config = model.generation_config
    assert (config.do_sample, config.max_new_tokens) == (True, 256)
    for name in ("temperature", "top_k", "top_p"):
        assert getattr(config, name) == OPTIONS[name].default, "generate() and TangPoet draw alike"
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 0)
    assert config.suppress_tokens == [3]  # <unk>
    assert not torch.equal(generate(model, max_new_tokens=20, seed=1), generate(model, max_new_tokens=20, seed=2))


@pytest.mark.parametrize("mode", MODES)
def test_the_past_state_changes_nothing_but_the_speed(model, batch, mode):
    with_state = generate(model, **batch, **MODES[mode], use_cache=True)
    without = generate(model, **batch, **MODES[mode], use_cache=False)
    assert with_state.shape[0] == len(LINES) * MODES[mode].get("num_return_sequences", 1)
    assert torch.equal(with_state, without)


@pytest.mark.parametrize("mode", ["greedy", "beam search", "several of a beam"])
@pytest.mark.parametrize("use_cache", [True, False])
def test_rows_of_a_left_padded_batch_are_what_they_are_alone(model, tokenizer, batch, mode, use_cache):
    together = tokenizer.batch_decode(generate(model, **batch, **MODES[mode], use_cache=use_cache))
    alone = []
    for line in LINES:
        rows = generate(model, **tokenizer(line, return_tensors="pt"), **MODES[mode], use_cache=use_cache)
        alone += tokenizer.batch_decode(rows)
    # transformers' beam search fills a row that ended with its end token where the padding's number is 0
    poems = [[text.replace("<pad>", "").partition("</s>")[:2] for text in texts] for texts in (together, alone)]
    assert poems[0] == poems[1]


def test_padding_is_told_from_the_tokens_where_no_mask_is_given(model, batch):
    with_mask = generate(model, **batch, **GREEDY)
    assert torch.equal(generate(model, batch.input_ids, **GREEDY), with_mask)


def test_scores_are_the_models_own(model, batch):
    output = generate(model, **batch, **GREEDY, return_dict_in_generate=True, output_scores=True, output_logits=True)
    prompt = batch.input_ids.shape[1]
    written = output.sequences[:, prompt:]
    mask = torch.cat([batch.attention_mask, torch.ones_like(written)], 1)
    expected = model(output.sequences, attention_mask=mask).logits[:, prompt - 1 : -1].log_softmax(-1)
    expected = expected.gather(2, written[..., None])[..., 0]
    scores = model.compute_transition_scores(output.sequences, output.scores, normalize_logits=True)
    ended = written.eq(model.config.eos_token_id).cumsum(1).roll(1, 1)
    ended[:, 0] = 0
    torch.testing.assert_close(scores[ended == 0], expected[ended == 0])
    torch.testing.assert_close(output.logits[0], output.scores[0])


def test_beam_scores_are_log_probabilities(model, tokenizer):
    inputs = tokenizer(LINES[0], return_tensors="pt")
    options = MODES["several of a beam"] | {"max_new_tokens": 6, "length_penalty": 0.0, "eos_token_id": None}
    output = generate(model, **inputs, **options, return_dict_in_generate=True, output_scores=True)
    assert output.sequences_scores.tolist() == sorted(output.sequences_scores.tolist(), reverse=True)
    logits = model(output.sequences).logits[:, 1:-1].log_softmax(-1)
    log_probs = logits.gather(2, output.sequences[:, 2:, None]).sum((1, 2))
    torch.testing.assert_close(output.sequences_scores, log_probs)


def test_embeddings_in_place_of_tokens(model, batch):
    from_tokens = generate(model, **batch, **GREEDY)[:, batch.input_ids.shape[1] :]
    embedded = model.get_input_embeddings()(batch.input_ids)
    output = generate(model, inputs_embeds=embedded, attention_mask=batch.attention_mask, **GREEDY)
    assert torch.equal(output, from_tokens)


def returned_past(output):
    """The past state that generate returned, which transformers calls past_key_values up to 5.23."""
    return copy.deepcopy(output.cache if "cache" in output else output.past_key_values)


@pytest.mark.parametrize("name", ["cache", "cache_params"])
def test_a_poem_goes_on_from_a_returned_past_state(model, batch, name):
    """The last token has not been read yet: it is what the state goes on with."""
    options = MODES["greedy"] | {"eos_token_id": None}
    first = generate(model, **batch, **options | {"max_new_tokens": 5}, return_dict_in_generate=True)
    past = {name: returned_past(first)}
    rest = generate(model, first.sequences[:, -1:], **past, **options | {"max_new_tokens": 7})
    whole = generate(model, **batch, **options)
    assert torch.equal(torch.cat([first.sequences[:, :-1], rest], 1), whole)

    # More text may follow; the mask may be that of the whole or of what is new.
    more = torch.cat([first.sequences[:, -1:], batch.input_ids[:, -1:]], 1)
    mask = torch.cat([batch.attention_mask, torch.ones(3, 6, dtype=torch.long)], 1)
    text = torch.cat([first.sequences, batch.input_ids[:, -1:]], 1)
    expected = generate(model, text, attention_mask=mask, **options)[:, text.shape[1] :]
    for given in (mask, mask[:, -2:], None):
        past = {name: returned_past(first)}
        output = generate(model, more, attention_mask=given, **past, **options)
        assert torch.equal(output[:, 2:], expected)


@pytest.mark.parametrize("mode", ["greedy", "beam search", "several of a beam"])
def test_many_poems_go_on_from_one_past_state(model, batch, mode):
    """A state of as many rows as there are openings serves all the beams of each."""
    options = MODES[mode] | {"eos_token_id": None}
    first = generate(model, **batch, **MODES["greedy"] | {"max_new_tokens": 5}, return_dict_in_generate=True)
    read = first.sequences.shape[1]
    mask = torch.cat([batch.attention_mask, torch.ones(3, read - batch.input_ids.shape[1], dtype=torch.long)], 1)
    whole = generate(model, first.sequences, attention_mask=mask, **options)
    rest = generate(model, first.sequences[:, -1:], cache=returned_past(first), **options)
    assert torch.equal(rest[:, 1:], whole[:, read:])


def test_a_cache_that_transformers_makes_of_the_configuration_is_a_beginning(model, batch):
    """For itself and for all beams."""
    for mode in ("greedy", "beam search"):
        empty = DynamicCache(config=model.config)
        assert torch.equal(
            generate(model, **batch, cache=empty, **MODES[mode]), generate(model, **batch, **MODES[mode])
        )


def test_a_past_state_is_not_read_twice(model, batch):
    past = model(**batch, use_cache=True).cache
    with pytest.raises(ValueError, match="use_cache=True"):
        generate(model, batch.input_ids[:, -1:], cache=past, use_cache=False, **GREEDY)


def test_a_release_that_does_not_find_the_past_state_still_writes(model, batch, monkeypatch):
    """transformers has renamed the state before. Where it looks for another name the text is read anew, with a word."""
    expected, said = generate(model, **batch, **GREEDY), []
    monkeypatch.setattr(modeling_tang_rnn.PastStateOutput, "NAMES", ())
    monkeypatch.setattr(modeling_tang_rnn.logger, "warning_once", said.append)
    assert torch.equal(generate(model, **batch, **GREEDY), expected)
    assert "does not hand on the past state" in said[0]


def test_what_needs_to_take_steps_back_is_refused(model, batch):
    """A recurrent state cannot be cropped, which assisted decoding would need."""
    row = {name: value[:1] for name, value in batch.items()}
    with pytest.raises(ValueError, match="stateful"):
        generate(model, **row, **GREEDY, assistant_model=copy.deepcopy(model))
    with pytest.raises(ValueError, match="stateful"):
        generate(model, **row, **GREEDY, prompt_lookup_num_tokens=2)


def test_streaming_gives_the_same_text(model, tokenizer):
    inputs = tokenizer(LINES[1], return_tensors="pt")
    streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    output = generate(model, **inputs, **GREEDY, streamer=streamer)
    written = tokenizer.decode(output[0, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    assert written and "".join(streamer) == written


class UntilLength(StoppingCriteria):
    def __init__(self, length):
        self.length = length

    def __call__(self, input_ids, scores, **kwargs):
        return torch.full((len(input_ids),), input_ids.shape[1] >= self.length)


def test_stopping(model, batch):
    options = GREEDY | {"max_new_tokens": 9, "eos_token_id": None}
    prompt = batch.input_ids.shape[1]
    stopped = generate(model, **batch, **options, stopping_criteria=StoppingCriteriaList([UntilLength(prompt + 4)]))
    assert stopped.shape[1] == prompt + 4
    goes_on = generate(model, **batch, **options)
    assert torch.equal(goes_on[:, : prompt + 4], stopped)


def test_the_end_token_ends_a_poem_and_padding_follows(model, batch):
    """Any token can be called the end, such as 。to stop after a couplet."""
    free = generate(model, **batch, **GREEDY, eos_token_id=None)
    prompt = batch.input_ids.shape[1]
    end = free[0, prompt + 3].item()
    output = generate(model, **batch, **GREEDY, eos_token_id=end)
    for row, unbounded in zip(output[:, prompt:].tolist(), free[:, prompt:].tolist(), strict=True):
        length = unbounded.index(end) + 1 if end in unbounded else len(unbounded)
        assert row[:length] == unbounded[:length]
        assert set(row[length:]) <= {model.config.pad_token_id}


def test_pipeline(checkpoint, tokenizer):
    write = pipeline(
        "text-generation",
        AutoModelForCausalLM.from_pretrained(checkpoint),
        tokenizer=AutoTokenizer.from_pretrained(checkpoint),
    )
    single = [write(line, **GREEDY)[0]["generated_text"] for line in LINES]
    assert [text[: len(line)] for text, line in zip(single, LINES, strict=True)] == LINES
    assert all(len(text) > len(line) for text, line in zip(single, LINES, strict=True))
    together = write(LINES, batch_size=3, **GREEDY)
    assert [rows[0]["generated_text"] for rows in together] == single
    parts = write(LINES[0], num_return_sequences=2, return_full_text=False, do_sample=True, max_new_tokens=6)
    assert len(parts) == 2 and all(len(part["generated_text"]) <= 6 for part in parts)


@pytest.mark.parametrize("told", ["one text", "messages"])
def test_a_pipeline_writes_in_the_form_it_is_told(told):
    """The shipped lstm, as its card says; poems of another length would be no quatrains."""
    write = pipeline("text-generation", str(PRETRAINED / "lstm"), trust_remote_code=True)
    asked = "<五绝>春"
    if told == "messages":
        asked = [{"role": "system", "content": "五绝"}, {"role": "user", "content": "春"}]
    torch.manual_seed(0)
    options = {"batch_size": 10, "max_length": None, "max_new_tokens": 60, "return_full_text": False}
    poems = [rows[0]["generated_text"] for rows in write([asked] * 10, **options)]
    assert len(set(poems)) == 10
    assert sum([len(line) for line in split_lines("春" + poem)] == [5] * 4 for poem in poems) >= 9, poems
