"""The ONNX step: what onnxruntime computes is what torch computes."""

from __future__ import annotations

import pytest
import torch

from tang_rnn import TangRNNConfig, TangRNNForCausalLM
from training.onnx_model import CLOSE, difference, write_onnx


@pytest.mark.parametrize("layers", [1, 2])
def test_a_step_is_what_it_is_in_torch(cell, layers, tmp_path):
    torch.manual_seed(0)
    sizes = {"vocab_size": 2000, "embedding_size": 24, "hidden_size": 32, "num_hidden_layers": layers}
    model = TangRNNForCausalLM(TangRNNConfig(cell_type=cell, initializer_range=1.0, **sizes))
    write_onnx(model, tmp_path / "onnx" / "model.onnx")
    assert difference(model, tmp_path / "onnx" / "model.onnx") < CLOSE
    # The tied embedding, 192 kB of it, stands there once.
    assert (tmp_path / "onnx" / "model.onnx").stat().st_size < 4 * model.num_parameters() + 100_000
    with torch.no_grad():
        model.model.projection.bias += 0.01
    assert difference(model, tmp_path / "onnx" / "model.onnx") > CLOSE
