"""What has to work with whatever releases are installed, as somebody uses it who has the wheel and no checkout.

    python check.py [--without-package] [--training FOLDER]

All three cells are loaded, read, write, learn, and are saved and loaded again: as they ship in the package, or with the
package out of reach, by the code that their folders carry. With the package, poems are also written under its rules,
its page is served, and with FOLDER, a copy of this repository's ``training``, a small model is trained and written as
an ONNX model.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import json
import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("HF_HOME", tempfile.mkdtemp())
PACKAGE = Path(importlib.util.find_spec("tang_rnn").origin).parent
CELLS = ("rnn", "lstm", "gru")
LINES = ["春", "白日依山尽", "床前明月光，疑是地"]
# Undoes the sampling options of generation_config.json.
GREEDY = {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "suppress_tokens": None, "max_new_tokens": 16}


@dataclass
class Subject:
    """One cell's checkpoint, opened by transformers alone."""

    folder: Path
    options: dict

    def __post_init__(self):
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.model = AutoModelForCausalLM.from_pretrained(self.folder, **self.options).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder, **self.options)
        self.batch = self.tokenizer(LINES, padding=True, return_tensors="pt")

    def generate(self, model=None, **options):
        import torch

        torch.manual_seed(0)
        return (model or self.model).generate(**self.batch, **GREEDY | options)


def forward(subject: Subject) -> None:
    """Step by step is as the whole at once, and a padded row as the row alone."""
    import torch

    with torch.no_grad():
        whole = subject.model(**subject.batch)
        past, parts = None, []
        for step in subject.batch.input_ids[2:].split(1, 1):
            output = subject.model(step, cache=past)
            past = output.cache
            parts.append(output.logits)
        torch.testing.assert_close(torch.cat(parts, 1)[0], whole.logits[2])
        alone = subject.model(**subject.tokenizer(LINES[1], return_tensors="pt")).logits[0]
        torch.testing.assert_close(whole.logits[1, -len(alone) :], alone)


def writes(**options) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        import torch

        read = []
        hook = subject.model.model.layers[0].register_forward_hook(lambda layer, args, output: read.append(args[0]))
        with_state = subject.generate(**options)
        hook.remove()
        assert {x.shape[1] for x in read[1:]} == {1}, "each step reads the whole text again"
        assert torch.equal(with_state, subject.generate(use_cache=False, **options)), "the past state changes the poem"
        assert with_state.shape[1] > subject.batch.input_ids.shape[1]

    return check


def goes_on(subject: Subject) -> None:
    """A poem goes on from the past state that generate returned."""
    import torch

    options = {"eos_token_id": None, "return_dict_in_generate": True}
    first, whole = subject.generate(max_new_tokens=6, **options), subject.generate(max_new_tokens=12, **options)
    past = first.cache if "cache" in first else first.past_key_values
    rest = subject.model.generate(first.sequences[:, -1:], cache=past, **GREEDY | options | {"max_new_tokens": 6})
    assert torch.equal(torch.cat([first.sequences[:, :-1], rest.sequences], 1), whole.sequences)


def training_step(subject: Subject) -> None:
    import torch

    model, losses = copy.deepcopy(subject.model).train(), []
    labels = subject.batch.input_ids.masked_fill(subject.batch.attention_mask == 0, -100)
    for return_logits in (True, False):
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        loss = model.eval()(**subject.batch, labels=labels, return_logits=return_logits).loss
        losses.append(loss.item())
        loss.backward()
        assert all(parameter.grad is not None for parameter in model.parameters())
        optimizer.step()
        optimizer.zero_grad()
    assert losses[1] < losses[0]


def in_a_pipeline(subject: Subject) -> None:
    from transformers import pipeline

    write = pipeline("text-generation", str(subject.folder), **subject.options)
    single = [write(line, **GREEDY)[0]["generated_text"] for line in LINES]
    assert all(text.startswith(line) and text != line for text, line in zip(single, LINES))
    assert [rows[0]["generated_text"] for rows in write(LINES, batch_size=3, **GREEDY)] == single


def save_and_load(subject: Subject) -> None:
    import torch

    with tempfile.TemporaryDirectory() as folder:
        subject.model.save_pretrained(folder)
        subject.tokenizer.save_pretrained(folder)
        again = Subject(Path(folder), subject.options)
        assert type(again.model).__name__ == type(subject.model).__name__
        assert again.model.lm_head.weight is again.model.model.embed_tokens.weight
        for name, value in subject.model.state_dict().items():
            assert torch.equal(again.model.state_dict()[name], value), name
        assert torch.equal(again.generate(), subject.generate())


MODEL = {
    "forward": forward,
    "generate, greedy": writes(),
    "generate, sampled": writes(do_sample=True, top_k=5),
    "generate, beams": writes(num_beams=4, num_return_sequences=2),
    "generate, from a past state": goes_on,
    "training step": training_step,
    "pipeline": in_a_pipeline,
    "save and load": save_and_load,
}


def poems(cell: str) -> None:
    """What TangPoet writes: free, regulated, by beams; and the same from a model that transformers loaded."""
    from tang_rnn import TangPoet

    poet = TangPoet.from_pretrained(cell)
    assert poet.write("春", form="五绝", seed=7).form == "五绝"
    regulated = poet.write("月", form="七律", regulated=True, rhyme="七阳", seed=7)
    assert regulated.prosody.ok and regulated.prosody.rhyme_group == "七阳", regulated.prosody
    assert poet.write("山", form="七绝", num_beams=4).form == "七绝"
    assert poet.model.config.cell_type == cell and poet.write("月", form="五绝", seed=7).form == "五绝"


def page() -> None:
    """The page is served, a program gets a poem by its address, and by its MCP tool the same."""
    from gradio_client import Client

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("tang-rnn"), "demo", "--port", str(port)]
    with tempfile.TemporaryFile("w+") as said:
        server = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            deadline = time.monotonic() + 600  # the machine may be busy
            while True:
                try:
                    client = Client(f"http://127.0.0.1:{port}", verbose=False)
                    break
                except Exception:
                    said.seek(0)
                    assert server.poll() is None and time.monotonic() < deadline, said.read()
                    time.sleep(1)
            poem = client.predict("春", form="五绝", seed=7, api_name="/write")
            assert poem["form"] == "五绝", poem
            import httpx

            call = {"name": "write", "arguments": {"opening": "春", "form": "五绝", "seed": 7}}
            answer = httpx.post(
                f"http://127.0.0.1:{port}/gradio_api/mcp/",
                json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call},
                headers={"Accept": "application/json, text/event-stream"},
                timeout=60,
            )
            data = next(line for line in answer.text.splitlines() if line.startswith("data: {"))
            assert json.loads(data[6:])["result"]["structuredContent"]["text"] == poem["text"], answer.text
        finally:
            server.terminate()
            server.wait(30)


def training(folder: Path) -> None:
    """A tokenizer and a small model of poems, by the training script and its configuration; an ONNX model of it."""
    import pyarrow.parquet as pq
    import yaml

    sys.path.insert(0, str(folder.parent))
    from training.onnx_model import write_onnx
    from training.train import main

    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        for split in ("train", "validation", "test"):
            pq.write_table(pq.read_table(folder / "corpus" / f"{split}.parquet")[:40], place / f"{split}.parquet")
        config = {
            "corpus": str(place),
            "output_dir": str(place / "run"),
            "model": {"cell_type": "lstm", "embedding_size": 16, "hidden_size": 24, "recurrent_dropout": 0.2},
            "batch": {"max_tokens": 512, "max_length": 100},
            "muon_learning_rate": 0.01,
            "trainer": {"max_steps": 4, "eval_steps": 2, "logging_steps": 1, "use_cpu": True, "disable_tqdm": True},
        }
        (place / "config.yaml").write_text(yaml.safe_dump(config))
        assert not main([str(place / "config.yaml")])
        taught = Subject(place / "run" / "final", {})
        taught.generate()
        write_onnx(taught.model, place / "model.onnx")  # raises, where it computes something else


class Said(logging.Handler):
    """Keeps what libraries warn of, each once."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines: dict[str, None] = {}

    def emit(self, record: logging.LogRecord) -> None:
        self.lines[record.getMessage().splitlines()[0]] = None

    def warn(self, message, category, filename, lineno, file=None, line=None) -> None:
        self.lines[f"{category.__name__}: {str(message).splitlines()[0]}"] = None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--without-package", action="store_true", help="only the code that the checkpoints carry")
    parser.add_argument("--training", type=Path, help="a copy of the folder training")
    arguments = parser.parse_args()
    said = Said()
    warnings.simplefilter("always")
    warnings.showwarning = said.warn
    if arguments.without_package:
        sys.modules["tang_rnn"] = None  # whoever imports it is told that there is none
    else:
        import tang_rnn  # noqa: F401
    import transformers

    logging.getLogger("transformers").addHandler(said)
    transformers.utils.logging.disable_progress_bar()
    passed, failed = 0, 0

    def run(name: str, check: Callable, *given):
        nonlocal passed, failed
        try:
            result = check(*given)
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        else:
            passed += 1
            print(f"ok      {name}", flush=True)
            return result

    where = "by the checkpoint's code" if arguments.without_package else "with the package"
    for cell in CELLS:
        options = {"trust_remote_code": True} if arguments.without_package else {}
        subject = run(f"{cell}, {where}: load", Subject, PACKAGE / "pretrained" / cell, options)
        if subject is None:
            continue
        for name, check in MODEL.items():
            run(f"{cell}, {where}: {name}", check, subject)
        if not arguments.without_package:
            run(f"{cell}: poems free, regulated and by beams", poems, cell)
    if not arguments.without_package:
        run("the page", page)
        if arguments.training:
            run("training", training, arguments.training)
    for line in said.lines:
        print(f"said    {line}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
