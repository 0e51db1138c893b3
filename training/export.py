"""A trained model as a complete Hub repository on disk."""

from __future__ import annotations

import copy
import json
from pathlib import Path

from transformers import GenerationConfig

from tang_rnn import TangRNNForCausalLM
from tang_rnn.checkpoint import TOKENIZER, WEIGHTS
from tang_rnn.files import written_beside
from tang_rnn.tokenization_tang_rnn import TangTokenizer, fingerprint
from tang_rnn.writing.request import OPTIONS

# How `generate()` draws by default, which generation_config.json tells it: as TangPoet does.
SAMPLING = {"do_sample": True, "max_new_tokens": 256}
SAMPLING |= {name: OPTIONS[name].default for name in ("temperature", "top_k", "top_p")}


def export(model: TangRNNForCausalLM, tokenizer: TangTokenizer, folder: Path) -> None:
    """A complete Hub repository: weights, tokenizer, the code files, and how to sample.

    Configuration and weights carry the tokenizer's fingerprint. The weights are float16 on disk, and the config says
    float32, so that loading computes in float32.
    """
    model = copy.deepcopy(model).half().cpu()
    model.config.tokenizer_fingerprint = fingerprint(tokenizer)
    model.config.use_cache = True  # the Trainer has switched it off
    model.config.auto_map = {"AutoModel": "modeling_tang_rnn.TangRNNModel"}  # save_pretrained adds its own class only
    model.generation_config = GenerationConfig(
        **SAMPLING,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        suppress_tokens=[tokenizer.unk_token_id],  # stands in the corpus for its rarest characters
    )
    with written_beside(folder) as beside:  # all of it, or the folder stays as it was
        model.save_pretrained(beside)
        sign(beside / WEIGHTS, model.config.tokenizer_fingerprint)
        path = beside / "config.json"
        config = json.loads(path.read_text())
        config["dtype"] = "float32"
        path.write_text(json.dumps(config, indent=2) + "\n")
        tokenizer.save_pretrained(beside, save_jinja_files=False)


def sign(weights: Path, name: str) -> None:
    """Has a safetensors file name the tokenizer it belongs to, in its metadata.

    safetensors itself writes several metadata in an order that changes from run to run; here the same weights give the
    same bytes. The header is JSON behind its length in eight bytes, and places in it count from its end.
    """
    content = weights.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = {"__metadata__": {"format": "pt", TOKENIZER: name}}
    header |= {key: value for key, value in json.loads(content[8 : 8 + size]).items() if key != "__metadata__"}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    weights.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


__all__ = ["SAMPLING", "export"]
