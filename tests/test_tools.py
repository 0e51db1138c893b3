"""The tools around transformers: adapters, offloading, quantizing, exporting, all of which reach a module's weights
through the module."""

from __future__ import annotations

import copy

import pytest
import torch
from conftest import POEMS
from torch import nn
from transformers import AutoModelForCausalLM

from tang_rnn import TangRNNConfig, TangRNNForCausalLM
from tang_rnn.cells import CELLS

B, T, V, E, H, LAYERS = 3, 7, 50, 24, 32, 2


@pytest.fixture
def network(cell) -> TangRNNForCausalLM:
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "embedding_size": E, "hidden_size": H, "num_hidden_layers": LAYERS}
    return TangRNNForCausalLM(TangRNNConfig(cell_type=cell, initializer_range=1.0, **sizes)).eval()


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.randint(3, V, (B, T), generator=torch.Generator().manual_seed(0))


def mask() -> torch.Tensor:
    return torch.tensor([[0, 0, 0, 1, 1, 1, 1], [1] * 7, [1, 1, 1, 1, 1, 0, 0]])


# Hooks


@pytest.mark.parametrize("way", ["whole", "padded", "single", "training", "training, padded"])
def test_a_hook_on_the_recurrent_layer_sees_every_call(network, ids, way):
    """And changes nothing: not the numbers, not which weights are dropped."""
    given = (ids[:, :1],) if way == "single" else (ids, mask()) if "padded" in way else (ids,)
    if "training" in way:
        network.train()
        for layer in network.model.layers:
            layer.recurrent_dropout = 0.5
    torch.manual_seed(1)
    expected = network(*given).logits
    seen = []
    for layer in network.model.layers:
        layer.cell.register_forward_hook(lambda cell, args, output: seen.append(output))
    torch.manual_seed(1)
    torch.testing.assert_close(network(*given).logits, expected)
    assert len(seen) == LAYERS


# Adapters


def test_lora_on_the_recurrent_weights_learns_and_merges(checkpoint, tokenizer, tmp_path):
    peft = pytest.importorskip("peft")
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    batch = tokenizer(list(POEMS), padding=True, return_tensors="pt")
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
    before = model(**batch, labels=labels).loss.item()
    weights = [f"cell.weight_{side}_l0" for side in ("ih", "hh")]
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=[], target_parameters=weights, task_type="CAUSAL_LM")
    torch.manual_seed(0)
    adapted = peft.get_peft_model(model, config)
    learning = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert len(learning) == 2 * LAYERS * 2 and all("lora_" in name for name in learning)
    optimizer = torch.optim.Adam([p for p in adapted.parameters() if p.requires_grad], 0.02)
    adapted.train()
    for step in range(30):
        loss = adapted(**batch, labels=labels, return_logits=step % 2 == 0).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    adapted.eval()
    after = adapted(**batch, labels=labels).loss.item()
    assert after < before - 0.3
    greedy = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8}
    written = adapted.generate(**batch, **greedy)

    adapted.save_pretrained(tmp_path)
    again = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(checkpoint), tmp_path).eval()
    assert again(**batch, labels=labels).loss.item() == pytest.approx(after, rel=1e-4)
    merged = adapted.merge_and_unload()
    assert type(merged.model.layers[0].cell) is CELLS[merged.config.cell_type].layer
    assert merged(**batch, labels=labels).loss.item() == pytest.approx(after, rel=1e-4)
    assert torch.equal(merged.generate(**batch, **greedy), written)


def test_lora_on_the_output_layer_and_the_embedding_counts_in_every_loss(network, ids):
    """Also where the loss is computed without logits, and characters are dropped."""
    peft = pytest.importorskip("peft")
    network.config.embedding_dropout = 0.3
    config = peft.LoraConfig(r=4, target_modules=["lm_head", "embed_tokens"], init_lora_weights=False)
    adapted = peft.get_peft_model(network, config)
    losses = [adapted(ids, labels=ids, return_logits=return_logits).loss for return_logits in (True, False)]
    torch.testing.assert_close(*losses)
    adapted.train()(ids, labels=ids, return_logits=False).loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in adapted.parameters() if p.requires_grad)


# Offloading


def test_a_layer_on_disk(checkpoint, model, tmp_path):
    places = {"model.embed_tokens": "cpu", "model.layers.0": "disk", "model.layers.1": "cpu"}
    places |= {"model.projection": "cpu", "lm_head": "cpu"}
    loaded = AutoModelForCausalLM.from_pretrained(checkpoint, device_map=places, offload_folder=tmp_path)
    assert {parameter.device.type for parameter in loaded.model.layers[0].parameters()} == {"meta"}
    ids = torch.tensor([[1, 13, 14, 15], [0, 1, 16, 17]])
    attention_mask = ids.ne(0).long()
    with torch.no_grad():
        expected = model(ids, attention_mask).logits
        torch.testing.assert_close(
            loaded(ids, attention_mask).logits[attention_mask != 0], expected[attention_mask != 0]
        )
    greedy = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 8}
    written = loaded.generate(ids, attention_mask=attention_mask, **greedy)
    assert torch.equal(written, model.generate(ids, attention_mask=attention_mask, **greedy))


# Quantizing


@pytest.mark.filterwarnings("ignore")  # torch says that its own quantizers will move to another package
def test_dynamic_quantization(network, ids, cell):
    """torch quantizes LSTM, GRU and linear layers; it has nothing for the plain RNN, which stays as it is."""
    quantized = torch.ao.quantization.quantize_dynamic(copy.deepcopy(network))
    kind = type(quantized.model.layers[0].cell)
    assert (kind is nn.RNN) if cell == "rnn" else ("quantized" in kind.__module__)
    for given in ((ids,), (ids, mask()), (ids[:, :1],)):
        ours, theirs = network(*given).logits.softmax(-1), quantized(*given).logits.softmax(-1)
        assert (ours - theirs).abs().max() < 0.1
    greedy = {"do_sample": False, "max_new_tokens": 6}
    assert quantized.generate(ids, **greedy).shape == (B, T + 6)


# Exporting


@pytest.mark.parametrize("strict", [False, True])
def test_a_whole_row_of_any_length_with_its_mask_is_exported(network, ids, strict):
    given = {"input_ids": ids, "attention_mask": mask(), "use_cache": False}
    size = {0: torch.export.Dim("rows", max=64), 1: torch.export.Dim("steps", max=512)}
    shapes = {"input_ids": size, "attention_mask": size, "use_cache": None}
    with torch.no_grad():
        exported = torch.export.export(network, (), given, dynamic_shapes=shapes, strict=strict).module()
        generator = torch.Generator().manual_seed(1)
        for rows, steps in ((5, 11), (2, 2), (1, 30)):
            input_ids = torch.randint(3, V, (rows, steps), generator=generator)
            attention_mask = torch.ones_like(input_ids)
            attention_mask[0, : steps // 2] = 0  # padded on the left
            attention_mask[-1, steps - 1 :] = 0  # and on the right
            real = attention_mask != 0
            got = exported(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits
            torch.testing.assert_close(got[real], network(input_ids, attention_mask).logits[real])
