"""What inspection reports is what the model does."""

import pytest
import torch

from tang_rnn import PoetError, TangPoet, TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from tang_rnn.inspection import inspect

POEM = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"
CELLS = {"rnn": [], "gru": ["reset", "update"], "lstm": ["input", "forget", "output"]}


@pytest.fixture(scope="module", params=CELLS)
def poet(request):
    torch.manual_seed(0)
    tokenizer = TangTokenizer.build(dict.fromkeys(POEM + "山"), ["李白"], {"聞": "闻"})
    config = TangRNNConfig(
        vocab_size=len(tokenizer), cell_type=request.param, embedding_size=12, hidden_size=16, num_hidden_layers=2
    )
    model = TangRNNForCausalLM(config)
    for weight in model.model.layers.parameters():  # away from the first values, where biases are all zero
        torch.nn.init.uniform_(weight, -0.5, 0.5)
    return TangPoet(model, tokenizer)


def test_states_equal_the_models(poet):
    reading = inspect(poet, POEM, context="<五绝><李白>山")
    ids = poet.tokenizer("<五绝><李白>山", POEM, return_tensors="pt").input_ids
    with torch.no_grad():
        output = poet.model(ids, use_cache=True, output_hidden_states=True)
    for layer in range(2):
        expected = output.hidden_states[layer + 1][0, -len(POEM) :]
        torch.testing.assert_close(reading.states["h"][layer], expected, rtol=1e-5, atol=1e-6)
        for number, name in enumerate(reading.states):
            last = output.cache.layers[layer].recurrent_states[number][0]
            torch.testing.assert_close(reading.states[name][layer, -1], last, rtol=1e-5, atol=1e-6)


def test_probabilities_equal_the_models(poet):
    reading = inspect(poet, POEM)
    total = sum(torch.tensor([character.probability for character in reading.characters]).log())
    log_prob, characters = poet.score(POEM)
    with torch.no_grad():
        end = poet.model(poet.tokenizer(POEM, return_tensors="pt").input_ids).logits[0, -1].log_softmax(0)
    assert characters == len(POEM) + 1
    assert float(total) == pytest.approx(log_prob - float(end[poet.tokenizer.eos_token_id]), abs=1e-3)
    for character in reading.characters:
        values = [value for _, value in character.alternatives]
        assert values == sorted(values, reverse=True) and len(values) == 5
        assert (character.rank == 1) == (character.alternatives[0][0] == character.text)


def test_gates_and_shapes(poet):
    reading = inspect(poet, POEM)
    assert list(reading.gates) == CELLS[reading.cell]
    assert list(reading.states) == (["h", "c"] if reading.cell == "lstm" else ["h"])
    for value in reading.gates.values():
        assert value.shape == (2, len(POEM), 16) and value.min() >= 0 and value.max() <= 1
    assert reading.text == POEM


def test_echo_fades_from_one(poet):
    reading = inspect(poet, POEM)
    assert reading.echo[0] == pytest.approx(1) and min(reading.echo) >= 0
    assert reading.half_life is None or 0 < reading.half_life < len(POEM)


def test_a_memory_that_never_fades():
    torch.manual_seed(0)
    tokenizer = TangTokenizer.build(dict.fromkeys(POEM))
    config = TangRNNConfig(vocab_size=len(tokenizer), cell_type="lstm", embedding_size=8, hidden_size=8)
    model = TangRNNForCausalLM(config)
    with torch.no_grad():  # forget gate open, what comes in small and apart from the state
        cell = model.model.layers[0].cell
        cell.weight_hh_l0.zero_()
        cell.weight_ih_l0.mul_(0.01)
        cell.weight_ih_l0[24:].zero_()
        cell.bias_ih_l0.zero_()
        cell.bias_ih_l0[8:16] = 50
    reading = inspect(TangPoet(model, tokenizer), POEM)
    assert float(reading.gates["forget"].min()) == 1
    assert reading.half_life is None and min(reading.echo) > 0.8


def test_traditional_characters_are_read_as_the_models_own(poet):
    assert inspect(poet, "春眠聞").text == "春眠闻"


@pytest.mark.parametrize(("text", "message"), [("", "no poem"), ("春😀", "'😀'"), ("春" * 401, "too long")])
def test_what_cannot_be_read_is_said(poet, text, message):
    with pytest.raises(PoetError, match=message):
        inspect(poet, text)
