"""One of each is added to a copy of the program where ARCHITECTURE.md says, and nowhere else: the command, the library
and the page have it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CELL = """class _ReluRNN(nn.RNN):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, nonlinearity="relu", **kwargs)


CELLS = {
    "relu": Cell(_ReluRNN, torch.rnn_relu, torch.rnn_relu_cell, ("h",), (), 1, lambda x, h, s: ((), ((x + h).relu(),))),
"""
MIN_P = (
    'Option("min_p", float, 0.0, "leave out what is less likely than this part of the likeliest", _DRAWING, 0, most=1)'
)
# Where something is added: the file, what stands there, and what it becomes.
PLACES = (
    ("tang_rnn/cells.py", "CELLS = {\n", CELL),
    (
        "tang_rnn/verse/forms.py",
        '        Form("杂言",',
        '        Form("六绝", "<杂言>", 6, 4, 4, False, "six-character quatrain"),\n        Form("杂言",',
    ),
    (
        "tang_rnn/verse/rhymes.py",
        '        RhymeBook("中华新韵",',
        '        RhymeBook("新编韵", "xinbian.tsv"),\n        RhymeBook("中华新韵",',
    ),
    (
        "tang_rnn/writing/request.py",
        '            Option("num_beams",',
        f'            {MIN_P},\n            Option("num_beams",',
    ),
    ("tang_rnn/writing/sampling.py", "    num_beams: int =", "    min_p: float = 0.0\n    num_beams: int ="),
    (
        "tang_rnn/writing/sampling.py",
        "        cumulative = probs.cumsum(1)\n",
        "        probs = probs.masked_fill(probs < self.min_p * probs[:, :1], 0.0)\n"
        "        cumulative = probs.cumsum(1)\n",
    ),
    ("demo/page_endpoint.py", "HOW = (FORM,", 'HOW = (ours("min_p"), FORM,'),
)
USED = """
import contextlib, io, json, sys
import torch
from tang_rnn import TangPoet, TangRNNConfig, TangRNNForCausalLM, verse
from tang_rnn.cli import main
from tang_rnn.inspection import inspect
from tang_rnn.poet import PRETRAINED
from training.export import export

known = TangPoet.from_pretrained("gru")
torch.manual_seed(0)
config = TangRNNConfig(vocab_size=len(known.tokenizer), embedding_size=16, hidden_size=16, cell_type="relu")
export(TangRNNForCausalLM(config), known.tokenizer, PRETRAINED / "relu")


def command(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        code = main([*arguments])
    return code, out.getvalue()


new = TangPoet.from_pretrained("relu")
poem = new.write("春", form="五绝", regulated=True, rhyme_book="新编", candidates=2, seed=1)
read = inspect(new, poem.text)
told = {
    "cell": [poem.cell, poem.prosody.ok, poem.prosody.book, read.cell, list(read.states)],
    "score": [poem.log_prob, new.score(poem.text, new.reader.context("五绝", "", "")[0], skip=1)[0]],
    "form": [len(line) for line in known.write("春", form="六绝", rhyme="一东", seed=1).lines],
    "judged": verse.check("春眠不觉晓处，闻啼鸟夜来风。春眠不觉晓处，闻啼鸟夜来风。", "六绝").form,
    "drawn": [known.write("春", form="五绝", min_p=p, seed=1).text for p in (0, 1)],
    "streamed": "".join(known.stream("春", form="五绝", min_p=1.0, seed=1)),
    "write": command("write", "春", "--form", "六绝", "--min-p", "1", "--rhyme-book", "新编", "--cell", "relu"),
    "compare": command("compare", "春", "--seed", "1", "--json"),
    "refused": command("write", "--min-p", "3"),
    "check": command("check", "春眠", "--language", "xx"),
}
sys.path.insert(0, "demo")
import app

facts = app.facts()
told["page"] = {name: list(facts[name]) for name in ("cells", "books", "forms", "words")}
told["options"] = {option["name"]: option for option in facts["options"]["write"]}
json.dump(told, open(sys.argv[1], "w"))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict:
    """What the copy says for itself."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("tang_rnn", "demo", "training"):
        ignored = shutil.ignore_patterns("__pycache__", "*.parquet")
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name, before, after in PLACES:
        text = (copy / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name} has moved on: {before}"
        (copy / name).write_text(text.replace(before, after), encoding="utf-8")
    data, words = copy / "tang_rnn/verse/data", copy / "tang_rnn/words"
    shutil.copy(data / "xinyun.tsv", data / "xinbian.tsv")
    english = json.loads((words / "en.json").read_text(encoding="utf-8"))
    theirs = {section: {key: f"({text})" for key, text in each.items()} for section, each in english.items()}
    (words / "xx.json").write_text(json.dumps(theirs), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(copy), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", USED, "told.json"]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads((copy / "told.json").read_text(encoding="utf-8"))


def test_a_cell(told):
    assert told["cell"] == ["relu", True, "新编韵", "relu", ["h"]]
    assert told["score"][0] == pytest.approx(told["score"][1], abs=1e-2), "both ways through the network agree"
    code, poems = told["compare"]
    assert code == 0 and {json.loads(line)["cell"] for line in poems.splitlines() if line[0] == "{"} > {"relu", "gru"}
    assert "relu" in told["page"]["cells"] and "relu" in told["options"]["cell"]["choices"]


def test_a_form(told):
    assert told["form"] == [6] * 4 and told["judged"] == "六绝" and "六绝" in told["page"]["forms"]
    code, poem = told["write"]
    assert code == 0 and "六绝" in told["options"]["form"]["choices"] and poem.count("，") == 2


def test_a_rhyme_book(told):
    assert "新编韵" in told["page"]["books"] and "新编韵" in told["options"]["rhyme_book"]["choices"]


def test_an_option(told):
    free, sure = told["drawn"]
    assert free != sure == told["streamed"] and free.startswith("春") and sure.startswith("春")
    assert told["refused"][0] == 2 and "min_p must be a number between 0 and 1, not 3" in told["refused"][1]
    assert told["options"]["min_p"] == {"name": "min_p", "type": "number", "default": 0.0, "least": 0, "most": 1}


def test_a_language(told):
    assert told["check"][0] == 0 and "(" in told["check"][1] and {"en", "xx", "zh"} <= {*told["page"]["words"]}
