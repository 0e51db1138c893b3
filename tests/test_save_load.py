"""Checkpoints: what is written, what loads where, and which files are refused with what words."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import POEMS, STRANGER, clean_environment
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoTokenizer, BertConfig, BertModel

import tang_rnn
from tang_rnn import TangRNNConfig, TangRNNForCausalLM, TangRNNModel

PACKAGE = Path(tang_rnn.__file__).parent
CODE_FILES = ("cells.py", "configuration_tang_rnn.py", "files.py", "modeling_tang_rnn.py")


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the checkpoint, to be damaged."""
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture
def lstm_folder(tokenizer, tmp_path: Path) -> Path:
    config = TangRNNConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8)
    TangRNNForCausalLM(config).save_pretrained(tmp_path / "lstm")
    return tmp_path / "lstm"


def edit(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# What is written


def test_a_checkpoint_is_a_complete_repository(checkpoint, tokenizer):
    assert {path.name for path in checkpoint.iterdir()} == {
        *("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
        *CODE_FILES,
    }
    for name in CODE_FILES:
        assert (checkpoint / name).read_bytes() == (PACKAGE / name).read_bytes()
    config = json.loads((checkpoint / "config.json").read_text())
    assert config["auto_map"] == {
        "AutoConfig": "configuration_tang_rnn.TangRNNConfig",
        "AutoModel": "modeling_tang_rnn.TangRNNModel",
        "AutoModelForCausalLM": "modeling_tang_rnn.TangRNNForCausalLM",
    }


@pytest.mark.parametrize("shipped", sorted((PACKAGE / "pretrained").glob("*/")), ids=lambda folder: folder.name)
def test_the_shipped_checkpoints_carry_the_packages_code(shipped):
    for name in CODE_FILES:
        assert (shipped / name).read_bytes() == (PACKAGE / name).read_bytes(), (
            f"{name} has changed since the checkpoint was written: copy it there again"
        )


def test_weights_are_stored_once_in_half_and_computed_with_in_single(checkpoint):
    stored = load_file(checkpoint / "model.safetensors")
    assert "lm_head.weight" not in stored
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    model = TangRNNForCausalLM.from_pretrained(checkpoint)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert all(torch.equal(model.state_dict()[name], tensor.float()) for name, tensor in stored.items())


def test_saving_and_loading_changes_no_bit(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = TangRNNForCausalLM.from_pretrained(tmp_path)
    assert again.config.to_json_string() == model.config.to_json_string()
    assert again.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], value) for name, value in model.state_dict().items())


def test_loading_says_nothing(checkpoint, caplog, capfd):
    with caplog.at_level(logging.WARNING):
        for auto_class in (AutoConfig, AutoTokenizer, AutoModel, AutoModelForCausalLM):
            auto_class.from_pretrained(checkpoint)
        TangRNNForCausalLM.from_pretrained(checkpoint)
    assert not caplog.records
    assert not any(word in "".join(capfd.readouterr()) for word in ("MISSING", "UNEXPECTED", "warning"))


def test_what_is_saved_last_is_what_loads(model, tmp_path):
    """Whole, in shards, in other shards, whole again: no weights of an earlier save are left."""
    others = {"notes.txt", "training_log.json", "model-card.md"}
    for name in others:
        (tmp_path / name).write_text("{}")
    for number, size in enumerate(("5MB", "2KB", "8KB", "5MB")):
        with torch.no_grad():
            model.model.projection.bias.fill_(number)
        model.save_pretrained(tmp_path, max_shard_size=size)
        weights = {path.name for path in tmp_path.glob("*.safetensors*")}
        index = tmp_path / "model.safetensors.index.json"
        shards = set(json.loads(index.read_text())["weight_map"].values()) if index.exists() else set()
        assert weights == (shards | {index.name} if size != "5MB" else {"model.safetensors"})
        assert TangRNNForCausalLM.from_pretrained(tmp_path).model.projection.bias.eq(number).all()
    assert others <= {path.name for path in tmp_path.iterdir()}


# Where it loads


def test_importing_the_package_is_enough_for_the_auto_classes(checkpoint):
    assert type(AutoConfig.from_pretrained(checkpoint)) is TangRNNConfig
    assert type(AutoModel.from_pretrained(checkpoint)) is TangRNNModel
    assert type(AutoModelForCausalLM.from_pretrained(checkpoint)) is TangRNNForCausalLM


def test_code_that_knows_nothing_of_this_project_gets_the_same_poems(checkpoint, model, tokenizer, tmp_path):
    """In a process where neither tang_rnn nor anything but torch and transformers can be imported."""
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, str(checkpoint), *POEMS],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert got["modules"] == ["TangRNNConfig", "TangRNNModel", "TangRNNForCausalLM"]
    inputs = tokenizer([poem[: 2 * number + 1] for number, poem in enumerate(POEMS)], padding=True, return_tensors="pt")
    for mode, options in got["modes"].items():
        assert got["poems"][mode] == tokenizer.batch_decode(model.generate(**inputs, **options)), mode
    hidden = AutoModel.from_pretrained(checkpoint)(**inputs).last_hidden_state
    assert got["hidden"] == pytest.approx(hidden.double().sum().item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(checkpoint, model, tokenizer, dtype):
    loaded = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype)
    assert loaded.dtype == dtype
    inputs = tokenizer(list(POEMS), padding=True, return_tensors="pt")
    expected = model(**inputs).logits
    tolerance = {"rtol": 0, "atol": {torch.float16: 0.05, torch.bfloat16: 0.5, torch.float64: 1e-3}[dtype]}
    torch.testing.assert_close(loaded(**inputs).logits, expected.to(dtype), **tolerance)
    assert loaded.generate(**inputs, max_new_tokens=5).shape[1] == inputs.input_ids.shape[1] + 5


def test_a_device_map(checkpoint, model):
    for device_map in ("cpu", "auto", {"": "cpu"}):
        loaded = AutoModelForCausalLM.from_pretrained(checkpoint, device_map=device_map)
        ids = torch.tensor([[1, 13, 14]], device=loaded.device)
        torch.testing.assert_close(loaded(ids).logits.cpu(), model(ids.cpu()).logits, rtol=1e-3, atol=1e-3)


def test_the_base_model_and_the_whole_load_each_other(checkpoint, model, tmp_path):
    AutoModel.from_pretrained(checkpoint).save_pretrained(tmp_path)
    ids = torch.tensor([[1, 13, 14]])
    torch.testing.assert_close(TangRNNForCausalLM.from_pretrained(tmp_path)(ids).logits, model(ids).logits)


def test_a_vocabulary_that_grows(model, tokenizer, tmp_path):
    ids = torch.tensor([[1, 13, 14]])
    before, size = model(ids).logits, len(tokenizer)
    model.resize_token_embeddings(size + 5)
    assert model.config.vocab_size == size + 5
    assert model.lm_head.weight is model.get_input_embeddings().weight
    torch.testing.assert_close(model(ids).logits[..., :size], before)
    model.save_pretrained(tmp_path)
    torch.testing.assert_close(TangRNNForCausalLM.from_pretrained(tmp_path)(ids).logits, model(ids).logits)


# What is refused


@pytest.mark.parametrize("kept", [0, 5, 200, -1])
def test_a_truncated_file(folder, kept):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(OSError, match=r"weights file of .*copy is broken or cut short"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_a_pickle_is_not_opened(model, folder):
    """Neither under its own name nor under that of the safetensors file."""
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"no file named model\.safetensors"):
        AutoModelForCausalLM.from_pretrained(folder)
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    with pytest.raises(OSError, match="broken or cut short"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_another_models_weights(folder):
    bert = BertModel(BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2))
    save_file(bert.state_dict(), folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(RuntimeError, match=r"does not hold the weights of a TangRNNForCausalLM: it lacks .*projection"):
        AutoModelForCausalLM.from_pretrained(folder)
    assert AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)[1]["missing_keys"]


@pytest.mark.parametrize(
    "changes", [{"vocab_size": 99}, {"hidden_size": 16}, {"num_hidden_layers": 3}, {"embedding_size": 8}]
)
def test_a_configuration_that_does_not_match_the_weights(folder, changes):
    edit(folder, **changes)
    with pytest.raises(RuntimeError, match=r"mismatch|does not hold"):
        AutoModelForCausalLM.from_pretrained(folder)


def test_the_weights_of_another_cell(lstm_folder):
    for other in ("rnn", "gru"):
        edit(lstm_folder, cell_type=other)
        with pytest.raises(RuntimeError, match="mismatch"):
            AutoModelForCausalLM.from_pretrained(lstm_folder)


def test_an_unknown_cell(folder):
    edit(folder, cell_type="perceptron")
    for auto_class in (AutoConfig, AutoModel, AutoModelForCausalLM):
        with pytest.raises(ValueError, match="cell_type must be one of rnn, lstm, gru, not 'perceptron'"):
            auto_class.from_pretrained(folder)
