"""One step of a network as an ONNX model, for phones, browsers and programs without torch.

Inputs: input_ids (B,) int64, and of each layer the tensors of its past state (B, H) float32, named by letter and layer:
h_0, for the LSTM c_0 too. Outputs: logits (B, V) of what comes next, and the new states in the order of the inputs. A
row begins with zeros.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn

from tang_rnn import TangRNNForCausalLM

CLOSE = 1e-4  # the most by which a logit may differ from torch's


class Step(nn.Module):
    """A step from tensors to tensors."""

    def __init__(self, model: TangRNNForCausalLM):
        super().__init__()
        self.network, self.output = model.model, model.lm_head

    def forward(self, input_ids: torch.Tensor, past: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        x, new = self.network.embed_tokens(input_ids)[:, None], []  # (B, 1, E)
        number = len(past) // len(self.network.layers)
        for index, layer in enumerate(self.network.layers):
            state = tuple(tensor[None] for tensor in past[index * number : (index + 1) * number])
            x, state = layer(x, state)
            new += [tensor[0] for tensor in state]
        return self.output(self.network.projection(x))[:, 0], new


@contextmanager
def _quiet():
    """The exporter speaks of its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.onnx._internal.exporter", "onnxscript")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)


def write_onnx(model: TangRNNForCausalLM, path: Path) -> None:
    """Writes the step in single precision, and reads it again to see that it does what torch does.

    Raises:
        RuntimeError: it does not.
    """
    model = model.float().eval()
    layers, states = range(model.config.num_hidden_layers), model.model.layers[0].kind.states
    names = [f"{name}_{layer}" for layer in layers for name in states]
    past = [torch.zeros(2, model.config.hidden_size) for _ in names]  # of an example; any number of rows may come
    rows = {0: torch.export.Dim("rows")}
    path.parent.mkdir(parents=True, exist_ok=True)
    with _quiet(), torch.no_grad():
        torch.onnx.export(
            Step(model),
            (torch.ones(2, dtype=torch.long), past),
            str(path),
            input_names=["input_ids", *names],
            output_names=["logits", *(f"new_{name}" for name in names)],
            dynamic_shapes=(rows, [rows] * len(names)),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    if (apart := difference(model, path)) > CLOSE:
        raise RuntimeError(f"{path.name} differs from torch by {apart:.2g}")


@torch.inference_mode()
def difference(model: TangRNNForCausalLM, path: Path) -> float:
    """The most by which the file's logits differ from the model's, over some characters of some rows."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    ids = torch.randint(model.config.vocab_size, (3, 8), generator=torch.Generator().manual_seed(0))
    names = [given.name for given in session.get_inputs()[1:]]
    state, most = [np.zeros((len(ids), model.config.hidden_size), np.float32)] * len(names), 0.0
    for step, expected in zip(ids.unbind(1), model(ids).logits.unbind(1)):
        logits, *state = session.run(None, {"input_ids": step.numpy()} | dict(zip(names, state)))
        most = max(most, float(np.abs(logits - expected.numpy()).max()))
    return most


__all__ = ["difference", "write_onnx"]
