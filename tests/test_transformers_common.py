"""transformers' own common tests, run on the three cells and on the tokenizer.

They lie in the source distribution of the installed transformers version, which pip fetches once into ``.cache/``.
Without a package index they are skipped; on CI (``CI=true``) that is a failure.
"""

from __future__ import annotations

import os
import string
import subprocess
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path

import pytest
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_MAPPING_NAMES

from tang_rnn import TangRNNConfig, TangRNNForCausalLM, TangRNNModel, TangTokenizer

CACHE = Path(__file__).parents[1] / ".cache" / f"transformers-{transformers.__version__}"
TESTS = CACHE / "transformers_tests"

# What the common tests import but the source distribution leaves out: tests about generation and exporters that need
# files of transformers' repository, and a table and a text that only fill in for arguments.
STAND_INS = {
    "__init__.py": "",
    "generation/__init__.py": "",
    "generation/test_utils.py": "class GenerationTesterMixin: pass\n",
    "exporters/__init__.py": "",
    "exporters/test_export.py": "class ExportTesterMixin: pass\n",
    "utils/__init__.py": "",
    "utils/test_configuration_utils.py": "config_common_kwargs = {}\n",
    "fixtures/sample_text.txt": "春眠不觉晓，处处闻啼鸟。\n\n夜来风雨声，花落知多少。\n",
}


def fetch() -> None:
    """The common tests in TESTS, through pip as the user has set it up."""
    if TESTS.exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as own:  # tests run in two processes, and both come here
        tests = unpack(Path(own))
        try:
            tests.rename(TESTS)  # last, so that a fetch that was stopped starts anew
        except OSError:
            if not TESTS.exists():
                raise


def unpack(folder: Path) -> Path:
    """The common tests of the installed release, fetched and unpacked in a folder."""
    requirement = f"transformers=={transformers.__version__}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "transformers"]
    command += ["--dest", str(folder), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = f"cannot fetch the source of {requirement}: {done.stderr.strip().splitlines()[-1]}"
        if os.environ.get("CI") == "true":
            raise RuntimeError(reason)
        pytest.skip(reason, allow_module_level=True)
    (source,) = folder.glob("transformers-*.tar.gz")
    with tarfile.open(source) as archive:
        archive.extractall(folder, [name for name in archive if "/tests/" in name.name], filter="data")
    (tests,) = folder.glob("*/tests")
    for name, text in STAND_INS.items():
        path = tests / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tests


fetch()
os.environ["RUN_SLOW"] = "1"  # the few that transformers calls slow take no time on tiny models
sys.path.insert(0, str(CACHE))
from transformers_tests.test_configuration_common import ConfigTester  # noqa: E402
from transformers_tests.test_modeling_common import ModelTesterMixin, ids_tensor  # noqa: E402
from transformers_tests.test_tokenization_common import TokenizerTesterMixin  # noqa: E402

# The common tests look up what a class is for in transformers' own tables.
MODEL_MAPPING_NAMES["tang_rnn"] = "TangRNNModel"
MODEL_FOR_CAUSAL_LM_MAPPING_NAMES["tang_rnn"] = "TangRNNForCausalLM"


class ModelTester:
    """A tiny model of one cell, and inputs for it, as the common tests ask for them."""

    batch_size, seq_length, is_training = 3, 7, True
    embedding_size, hidden_size, num_hidden_layers = 16, 32, 2

    def __init__(self, cell_type: str):
        self.cell_type = cell_type

    def get_config(self) -> TangRNNConfig:
        return TangRNNConfig(
            vocab_size=99,
            cell_type=self.cell_type,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
        )

    def prepare_config_and_inputs_for_common(self):
        input_ids = ids_tensor([self.batch_size, self.seq_length], 99)
        return self.get_config(), {"input_ids": input_ids, "attention_mask": torch.ones_like(input_ids)}


class CommonModelTests(ModelTesterMixin):
    all_model_classes = (TangRNNModel, TangRNNForCausalLM)
    has_attentions = False
    test_can_init_all_missing_weights_before_2023 = True  # that is, also where no year of copyright is found
    cell_type: str

    def setUp(self):
        self.model_tester = ModelTester(self.cell_type)

    def test_config(self):
        ConfigTester(
            self, TangRNNConfig, common_properties=["hidden_size", "num_hidden_layers"], cell_type=self.cell_type
        ).run_common_tests()

    def test_hidden_states_output(self):
        self.model_tester.embedding_size = self.model_tester.hidden_size  # it takes all hidden states for one width
        super().test_hidden_states_output()

    @unittest.skip("GenerationTesterMixin is not in the source distribution; tests/test_generation.py tests generate")
    def test_generation_tester_mixin_inheritance(self):
        pass


class RNNTest(CommonModelTests, unittest.TestCase):
    cell_type = "rnn"


class LSTMTest(CommonModelTests, unittest.TestCase):
    cell_type = "lstm"


class GRUTest(CommonModelTests, unittest.TestCase):
    cell_type = "gru"


del CommonModelTests


class TokenizerTest(TokenizerTesterMixin, unittest.TestCase):
    """The tokenizers' common tests, on a vocabulary that has the Latin letters they are written in."""

    tokenizer_class = rust_tokenizer_class = TangTokenizer
    test_tokenizer_from_extractor = False  # it rebuilds a BPE or Unigram tokenizer; this one knows words only
    integration_test_input_string = "<五绝>春眠不覺曉, 处处闻啼鸟.\n夜来"
    integration_expected_tokens = ["<五绝>", *"春眠不觉晓，处处闻啼鸟。", "<unk>", "<unk>"]
    integration_expected_token_ids = [4, 76, 77, 78, 79, 80, 12, 81, 81, 82, 83, 84, 13, 3, 3]
    integration_expected_decoded_text = "<五绝>春眠不觉晓，处处闻啼鸟。<unk><unk>"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        latin = string.ascii_letters + string.digits
        traditional = {"覺": "觉", "曉": "晓"}
        TangTokenizer.build([*latin, *"春眠不觉晓处闻啼鸟"], ["李白"], traditional).save_pretrained(cls.tmpdirname)
        cls.from_pretrained_id = [cls.tmpdirname]
        cls.tokenizers_list = [(TangTokenizer, cls.tmpdirname, {})]

    def get_input_output_texts(self, tokenizer):
        text, _ = super().get_input_output_texts(tokenizer)
        return text, text.replace(" ", "")  # verse has no white space, and the normalizer drops it
