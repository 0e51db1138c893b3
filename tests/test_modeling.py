"""The model's arithmetic: padding, past states, dropouts and losses against plain ways of computing the same."""

from __future__ import annotations

import os

import pytest
import torch
from conftest import CELLS
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.rnn import PackedSequence
from transformers import Trainer, TrainingArguments
from transformers.cache_utils import Cache, LinearAttentionLayer

from tang_rnn import TangRNNConfig, TangRNNForCausalLM, modeling_tang_rnn
from tang_rnn.modeling_tang_rnn import LinearCrossEntropy, TangRNNLayer, locked_dropout, sampled_classes

B, T, V, E, H, LAYERS = 3, 7, 50, 24, 32, 2


def make(cell: str, **kwargs) -> TangRNNForCausalLM:
    torch.manual_seed(0)
    options = {"vocab_size": V, "embedding_size": E, "hidden_size": H, "num_hidden_layers": LAYERS}
    options |= {"initializer_range": 1.0} | kwargs
    return TangRNNForCausalLM(TangRNNConfig(cell_type=cell, **options)).eval()


@pytest.fixture
def network(cell) -> TangRNNForCausalLM:
    return make(cell)


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(3, V, (B, T), generator=torch.Generator().manual_seed(0))


def states(cache: Cache) -> list[torch.Tensor]:
    return [state for layer in cache.layers for state in layer.recurrent_states.values()]


# What a configuration may say


def test_an_unknown_cell_is_refused_by_naming_the_known_ones():
    with pytest.raises(ValueError, match="cell_type must be one of rnn, lstm, gru, not 'transformer'"):
        TangRNNConfig(cell_type="transformer")


@pytest.mark.parametrize("size", ["vocab_size", "embedding_size", "hidden_size", "num_hidden_layers"])
def test_a_size_below_one_is_refused(size):
    with pytest.raises(ValueError, match=f"{size} must be between 1 and [0-9]+, not 0"):
        TangRNNConfig(**{size: 0})


def test_a_cell_has_the_states_that_its_layer_has(cell):
    cache = make(cell)(torch.tensor([[1]])).cache
    assert len(states(cache)) == LAYERS * TangRNNConfig(cell_type=cell).number_of_states
    assert len(states(cache)) == (2 * LAYERS if cell == "lstm" else LAYERS)
    assert all(state.shape == (1, H) for state in states(cache))


def test_weights_start_as_described(cell):
    model = make(cell)
    for layer in model.model.layers:
        for block in layer.cell.weight_hh_l0.split(H):
            torch.testing.assert_close(block @ block.T, torch.eye(H))
        bias = torch.zeros_like(layer.cell.bias_ih_l0)
        if cell == "lstm":
            bias[H : 2 * H] = 1
        assert torch.equal(layer.cell.bias_ih_l0, bias) and not layer.cell.bias_hh_l0.any()
    x = model.model.embed_tokens(torch.arange(V))[None]
    reaching = x @ model.model.layers[0].cell.weight_ih_l0.T
    assert 0.3 < reaching.std() < 0.7, "what reaches the gates is neither lost nor drives them to their ends"
    assert model.lm_head.weight is model.model.embed_tokens.weight


# States


def test_steps_one_by_one_are_the_whole_at_once(network, ids):
    whole = network(ids)
    past, logits = None, []
    for step in ids.split(1, 1):
        output = network(step, cache=past)
        past = output.cache
        logits.append(output.logits)
    torch.testing.assert_close(torch.cat(logits, 1), whole.logits)
    torch.testing.assert_close(states(past), states(whole.cache))
    parts = network(ids[:, 3:], cache=network(ids[:, :3]).cache)
    torch.testing.assert_close(parts.logits, whole.logits[:, 3:])


def test_the_past_state_has_three_names(network, ids):
    """Its own, that of transformers since 5.24 and that of older releases, also as an argument."""
    output = network(ids[:, :3])
    assert output.cache is output.cache_params is output.past_state is output["cache"] is output["cache_params"]
    assert "cache" in output and "cache_params" in output and output.get("cache") is output.past_state
    assert list(output.keys()) == ["logits", "past_state"]
    without = network(ids[:, :3], use_cache=False)
    assert without.cache is None and "cache" not in without and without.get("cache", 1) == 1
    expected = network(ids[:, 3:], cache=network(ids[:, :3]).cache).logits
    assert torch.equal(network(ids[:, 3:], cache_params=output.past_state).logits, expected)


MASKS = {
    "left": [[0, 0, 0, 1, 1, 1, 1], [1] * 7, [0, 0, 0, 0, 0, 0, 1]],
    "right": [[1, 1, 1, 1, 0, 0, 0], [1] * 7, [1, 0, 0, 0, 0, 0, 0]],
    "both, and inside": [[0, 1, 0, 1, 1, 0, 0], [1] * 7, [0, 0, 1, 0, 1, 1, 0]],
    "a whole row": [[0, 0, 0, 1, 1, 1, 1], [1] * 7, [0] * 7],
}


@pytest.mark.parametrize("side", MASKS)
@pytest.mark.parametrize("continued", [False, True])
def test_padding_is_as_if_it_were_not_there(network, ids, side, continued):
    mask = torch.tensor(MASKS[side])
    before = ids.flip(0)

    def past(rows=slice(None)):
        return network(before[rows]).cache if continued else None

    padded = network(ids, attention_mask=mask, cache=past(), use_cache=True, output_hidden_states=True)
    for row, kept in enumerate(mask.bool()):
        got = [state[row : row + 1] for state in states(padded.cache)]
        if kept.any():
            alone = network(ids[row : row + 1, kept], cache=past([row]), output_hidden_states=True)
            torch.testing.assert_close(padded.logits[row : row + 1, kept], alone.logits)
            torch.testing.assert_close(got, states(alone.cache))
            for hidden, expected in zip(padded.hidden_states, alone.hidden_states, strict=True):
                torch.testing.assert_close(hidden[row : row + 1, kept], expected)
        else:  # nothing was read: the state is what it was, or that of a beginning
            expected = states(past([row])) if continued else [torch.zeros(1, H)] * len(got)
            torch.testing.assert_close(got, expected)


def test_hidden_states(network, ids):
    output = network.model(ids, output_hidden_states=True)
    assert [tuple(hidden.shape) for hidden in output.hidden_states] == [(B, T, E)] + [(B, T, H)] * LAYERS
    torch.testing.assert_close(network.model.projection(output.hidden_states[-1]), output.last_hidden_state)


def test_either_tokens_or_embeddings(network, ids):
    with pytest.raises(ValueError, match="exactly one"):
        network(ids, inputs_embeds=network.get_input_embeddings()(ids))
    with pytest.raises(ValueError, match="exactly one"):
        network()


# Losses


@pytest.mark.parametrize("soft", [False, True])
def test_linear_cross_entropy_is_cross_entropy(monkeypatch, soft):
    monkeypatch.setattr(LinearCrossEntropy, "BLOCK", 4)  # so that ten rows make three blocks, the last not full
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(10, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(8, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(8, (10,), generator=generator)
    if soft:
        labels = torch.rand(10, 8, generator=generator, dtype=torch.float64).softmax(1)
    expected = F.cross_entropy(hidden @ weight.T, labels, reduction="sum")
    loss = LinearCrossEntropy.apply(hidden, weight, None, labels)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=0)
    gradients = torch.autograd.grad(3 * loss, (hidden, weight))
    wanted = torch.autograd.grad(3 * expected, (hidden, weight))
    torch.testing.assert_close(gradients, wanted, rtol=1e-5, atol=1e-6)


def test_linear_cross_entropy_in_mixed_precision():
    """Under autocast the products are bfloat16; the gradients come back as their parameters are."""
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(10, 16, generator=generator).bfloat16().requires_grad_()
    weight = torch.randn(8, 16, generator=generator).requires_grad_()
    labels = torch.randint(8, (10,), generator=generator)
    expected = F.cross_entropy(hidden.float() @ weight.T, labels, reduction="sum")
    wanted = torch.autograd.grad(expected, (hidden, weight))
    with torch.autocast("cpu", torch.bfloat16):
        loss = LinearCrossEntropy.apply(hidden, weight, None, labels)
    gradients = torch.autograd.grad(loss, (hidden, weight))
    assert loss.dtype == torch.float32 and [g.dtype for g in gradients] == [torch.bfloat16, torch.float32]
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=0)
    torch.testing.assert_close(gradients, wanted, rtol=0.05, atol=0.05)


def test_a_sample_of_the_vocabulary_estimates_the_softmax():
    """Every label is there at its place, and over many samples the denominator comes out right."""
    torch.manual_seed(0)
    size, count = 60, 20
    logits, labels = torch.randn(size), torch.tensor([3, 40, 59, 40])
    totals = []
    for _ in range(2000):
        classes, offset, places = sampled_classes(labels, size, count)
        assert torch.equal(classes[places], labels) and not offset[places].any()
        assert len(set(classes.tolist())) == len(classes) and set(range(15)) <= set(classes.tolist())
        totals.append((logits[classes] + offset).exp().sum())
    assert torch.stack(totals).mean().item() == pytest.approx(logits.exp().sum().item(), rel=0.02)


def test_only_training_samples_the_vocabulary(ids):
    torch.manual_seed(0)
    network = TangRNNForCausalLM(TangRNNConfig(vocab_size=V, embedding_size=8, hidden_size=8, output_samples=5))
    whole, sampled = (network.train(mode)(ids, labels=ids, return_logits=False).loss for mode in (False, True))
    torch.testing.assert_close(whole, network.eval()(ids, labels=ids).loss)
    assert not torch.isclose(whole, sampled)


def test_the_loss_is_the_same_with_and_without_logits(network, ids):
    labels = ids.clone()
    labels[0, :3] = labels[2, 5:] = -100
    logits = network(ids).logits[:, :-1]
    expected = F.cross_entropy(logits.reshape(-1, V), labels[:, 1:].reshape(-1), ignore_index=-100)
    for return_logits in (True, False):
        output = network(ids, labels=labels, return_logits=return_logits)
        torch.testing.assert_close(output.loss, expected)
        assert (output.logits is None) is not return_logits
        counted = labels[:, 1:].ne(-100).sum()
        total = network(ids, labels=labels, return_logits=return_logits, num_items_in_batch=1).loss
        torch.testing.assert_close(total / counted, expected)
        shifted = F.pad(labels[:, 1:], (0, 1), value=-100)
        torch.testing.assert_close(network(ids, shift_labels=shifted, return_logits=return_logits).loss, expected)


def test_only_the_logits_that_are_asked_for(network, ids):
    logits = network(ids).logits
    torch.testing.assert_close(network(ids, logits_to_keep=2).logits, logits[:, -2:])
    torch.testing.assert_close(network(ids, logits_to_keep=torch.tensor([0, 4])).logits, logits[:, [0, 4]])


def test_a_tiny_model_learns_a_poem_by_heart(cell):
    model = make(cell, recurrent_dropout=0.1).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    ids = torch.arange(3, 23)[None]
    for _ in range(100):
        optimizer.zero_grad()
        loss = model(ids, labels=ids, return_logits=False).loss
        loss.backward()
        optimizer.step()
    model.eval()
    assert model(ids, labels=ids).loss < 0.1
    options = {"do_sample": False, "max_length": 20, "eos_token_id": None}
    assert torch.equal(model.generate(ids[:, :1], **options), ids)


# Dropouts


def test_locked_dropout_is_the_same_at_every_step():
    torch.manual_seed(0)
    x = torch.ones(4, 6, 100)
    dropped = locked_dropout(x, 0.5, training=True)
    assert dropped.eq(dropped[:, :1]).all() and set(dropped.unique().tolist()) == {0, 2}
    assert not torch.equal(dropped[0], dropped[1])
    assert locked_dropout(x, 0.5, training=False) is x


def test_embedding_dropout_drops_a_character_wherever_it_stands():
    model = make("rnn", embedding_dropout=0.5).train().model
    ids = torch.arange(V).repeat(2, 1)
    dropped = model.embed(ids)
    assert torch.equal(dropped[0], dropped[1])
    gone = dropped[0].eq(0).all(1)
    assert 0 < gone.sum() < V
    torch.testing.assert_close(dropped[0, ~gone], 2 * model.embed_tokens.weight[~gone])
    assert torch.equal(model.eval().embed(ids), model.embed_tokens(ids))


@pytest.mark.parametrize("recurrent_dropout", [0.0, 1e-9])
def test_training_on_a_gpu_is_in_the_dtype_asked_for(cell, ids, monkeypatch, recurrent_dropout):
    """There the layer itself converts what cuDNN is given, all of it alike; here as if this were one."""
    model = make(cell, recurrent_dropout=recurrent_dropout).train()
    padding = torch.ones_like(ids)
    padding[1, T - 2 :] = 0
    seen, whole = [], TangRNNLayer._whole

    def watched(self, x, state, weights):
        values = x.data if isinstance(x, PackedSequence) else x
        seen.append({values.dtype, *(tensor.dtype for tensor in (*self.kind.taken(state), *weights))})
        return whole(self, x, state, weights)

    expected = [model.model(ids, **mask).last_hidden_state for mask in ({}, {"attention_mask": padding})]
    monkeypatch.setattr(modeling_tang_rnn, "cudnn_dtype", lambda x: torch.bfloat16)
    monkeypatch.setattr(TangRNNLayer, "_whole", watched)
    with torch.autocast("cpu", torch.bfloat16):
        got = [model.model(ids, **mask).last_hidden_state for mask in ({}, {"attention_mask": padding})]
    assert seen and all(dtypes == {torch.bfloat16} for dtypes in seen)
    for one, other in zip(got, expected):
        torch.testing.assert_close(one.float(), other, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("padding", [0, 2])
def test_recurrent_dropout_drops_weights_while_training_only(cell, ids, padding):
    model = make(cell, recurrent_dropout=0.5, num_hidden_layers=1)
    mask = torch.ones_like(ids)
    mask[1, T - padding :] = 0
    plain = model(ids, mask).logits
    assert torch.equal(model(ids, mask).logits, plain)
    model.train()
    assert not torch.equal(model(ids, mask).logits[:, 1:], plain[:, 1:])
    # The first step meets no hidden-to-hidden weights that matter: its state is zero.
    torch.testing.assert_close(model(ids, mask).logits[:, 0], plain[:, 0])


# Where others run it


def test_the_plain_trainer_has_a_validation_loss(network, ids, tmp_path):
    """What early stopping and load_best_model_at_end read, for those who teach a checkpoint their own poems."""
    rows = [{"input_ids": row, "labels": row} for row in ids.tolist()]
    options = TrainingArguments(str(tmp_path), report_to=[], use_cpu=True, disable_tqdm=True)
    loss = Trainer(network, options, eval_dataset=rows).evaluate()["eval_loss"]
    assert loss == pytest.approx(network(ids, labels=ids).loss.item(), rel=1e-4)


@pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated")
def test_gradient_checkpointing_is_refused(network):
    with pytest.raises(ValueError, match="does not support (gradient|activation) checkpointing"):
        network.gradient_checkpointing_enable()


def test_compiled_steps(network, ids):
    torch._dynamo.reset()
    compiled = torch.compile(network, backend="aot_eager")
    past = compiled_past = None
    with torch.no_grad():
        for step in ids.split(1, 1):
            output, expected = compiled(step, cache=compiled_past), network(step, cache=past)
            compiled_past, past = output.cache, expected.cache
            torch.testing.assert_close(output.logits, expected.logits)


class Step(nn.Module):
    """One step from tensors to tensors, which is what an exported program takes."""

    def __init__(self, model: TangRNNForCausalLM):
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, past: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        number = self.model.config.number_of_states
        cache = Cache(layers=[LinearAttentionLayer(number) for _ in range(LAYERS)])
        for index, state in enumerate(past):
            cache.update_recurrent_state(state, *divmod(index, number))
        output = self.model(input_ids, cache=cache, use_cache=True)
        return output.logits, states(output.cache)


@pytest.mark.filterwarnings("ignore:The tensor attributes")  # torch's own, about how nn.RNN keeps its weights
def test_exported_step(network, ids):
    step = ids[:, :1]
    with torch.no_grad():
        exported = torch.export.export(network, (), {"input_ids": step, "use_cache": False}).module()
        torch.testing.assert_close(exported(input_ids=step, use_cache=False).logits, network(step).logits)
        past = states(network(ids).cache)
        expected = Step(network)(step, [state.clone() for state in past])
        exported = torch.export.export(Step(network), (step, past)).module()
        torch.testing.assert_close(exported(step, past), expected)


def train_in_parallel(rank: int, world_size: int, meeting_place: str, cell: str) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.distributed.init_process_group("gloo", f"file://{meeting_place}", rank=rank, world_size=world_size)
    ids = torch.randint(3, V, (4, T), generator=torch.Generator().manual_seed(1))
    plain, parallel = make(cell), DistributedDataParallel(make(cell))
    for _ in range(2):  # the second forward fails if a parameter got no gradient in the first
        rows = ids.chunk(world_size)[rank]
        parallel(rows, labels=rows, return_logits=False).loss.backward()
        plain(ids, labels=ids).loss.backward()
    for parameter, expected in zip(parallel.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad)
    # Were this the group's last holder, its end would wait, with Python's lock held, for a thread that needs the lock.
    del parallel
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("cell", [CELLS[1]])
def test_two_processes_have_the_gradients_of_one(cell, tmp_path):
    torch.multiprocessing.spawn(train_in_parallel, (2, str(tmp_path / "meeting-place"), cell), nprocs=2)
