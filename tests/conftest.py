"""What the tests share: a small vocabulary, and a tiny checkpoint of each cell with random weights."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")  # on models as small as these, threads only wait for each other
# No test reaches for the real Hub: what is not on this machine, or on the loopback Hub, is an error at once.
os.environ["HF_HUB_OFFLINE"] = "1"

from pathlib import Path

import pytest
import torch

from tang_rnn import TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from training.export import export

POEMS = (
    "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
    "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。",
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
)
CELLS = ("rnn", "lstm", "gru")


def pytest_configure(config):
    # The marks that transformers' own runner knows: its common tests, see test_transformers_common.py, carry them.
    marks = "accelerate_tests flash_attn_test flash_attn_3_test flash_attn_4_test order slow torch_compile_test"
    for mark in marks.split():
        config.addinivalue_line("markers", mark)


@pytest.fixture(scope="session")
def tokenizer() -> TangTokenizer:
    characters = dict.fromkeys(character for poem in POEMS for character in poem)
    return TangTokenizer.build(
        characters, ["李白", "杜甫"], {"覺": "觉", "曉": "晓", "處": "处", "聞": "闻", "鳥": "鸟"}
    )


@pytest.fixture(scope="session", params=CELLS)
def cell(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def checkpoint(cell: str, tokenizer: TangTokenizer, tmp_path_factory) -> Path:
    """A complete repository folder. Its random weights are large, so that no two logits are nearly equal."""
    torch.manual_seed(0)
    config = TangRNNConfig(
        vocab_size=len(tokenizer),
        cell_type=cell,
        embedding_size=24,
        hidden_size=32,
        num_hidden_layers=2,
        initializer_range=1.0,
    )
    folder = tmp_path_factory.mktemp("repository") / f"tang-{cell}"
    export(TangRNNForCausalLM(config), tokenizer, folder)
    return folder


@pytest.fixture
def model(checkpoint: Path) -> TangRNNForCausalLM:
    return TangRNNForCausalLM.from_pretrained(checkpoint)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The address of the page, served for the tests of a module, and awake: no test waits for it to load its cells."""
    from page import load_app, serving  # which need what only tests of the page do

    with serving() as url:
        load_app().WRITER.ask("lstm", "", None, "").result()
        yield url


# A user's program: it imports torch and transformers, takes a checkpoint's folder or Hub id and three poems, and prints
# what it got. Whatever else is installed is put out of its reach, as in an environment that has only those two.
STRANGER = """
import json
import sys

for name in "tang_rnn training datasets gradio accelerate sentencepiece google.protobuf opencc matplotlib".split():
    sys.modules[name] = None
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer

name, *poems = sys.argv[1:]
config = AutoConfig.from_pretrained(name, trust_remote_code=True)
base = AutoModel.from_pretrained(name, trust_remote_code=True)
model = AutoModelForCausalLM.from_pretrained(name, trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
openings = [poem[: 2 * number + 1] for number, poem in enumerate(poems)]
inputs = tokenizer(openings, padding=True, return_tensors="pt")
greedy = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "max_new_tokens": 12}
modes = {"greedy": greedy, "beam search": greedy | {"num_beams": 4, "num_return_sequences": 2}}
print(json.dumps({
    "modules": [type(thing).__name__ for thing in (config, base, model)],
    "modes": modes,
    "poems": {mode: tokenizer.batch_decode(model.generate(**inputs, **modes[mode])) for mode in modes},
    "hidden": base(**inputs).last_hidden_state.double().sum().item(),
}))
"""


def clean_environment(home: Path) -> dict[str, str]:
    """The environment of a program that shares nothing with the tests but the installed packages."""
    others = ("HF_", "PYTHON", "TRANSFORMERS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return kept | {"HF_HOME": str(home / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"}
