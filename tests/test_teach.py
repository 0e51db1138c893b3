"""One's own poems taught to a tiny cell by the one command: what is learned, what stays, how it goes on when cut."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import training.export
from tang_rnn import TangPoet, TangRNNConfig, TangRNNForCausalLM, TangTokenizer
from tang_rnn.faults import Fault, PoetError
from tang_rnn.tokenization_tang_rnn import fingerprint
from training import teach
from training.checkpoints import alone
from training.configuration import read_config
from training.export import export
from training.own import gather
from training.train import train
from training.trainer import PoetTrainer
from training.vocabulary import grown

POEMS = Path(__file__).parent / "own" / "poems.csv"


@pytest.fixture(scope="module")
def cell(tmp_path_factory) -> Path:
    """A tiny untaught cell that lacks some of the characters of the poems."""
    rows = gather([str(POEMS)]).rows
    characters = sorted({character for row in rows[:40] for character in "".join(row["lines"])})
    tokenizer = TangTokenizer.build(characters, ["李白", "杜甫"], {"門": "门"})
    torch.manual_seed(0)
    config = TangRNNConfig(vocab_size=len(tokenizer), cell_type="gru", embedding_size=16, hidden_size=24)
    folder = tmp_path_factory.mktemp("cell") / "tiny"
    export(TangRNNForCausalLM(config), tokenizer, folder)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(training.export.SAMPLING, "max_new_tokens", 6)
    monkeypatch.setattr(teach, "PASSES", (2, 3))
    monkeypatch.setattr(teach, "TANG_SAMPLE", 10)


def run(cell: Path, output: Path, *more: str, poems: Path = POEMS) -> int:
    return teach.main([str(poems), "--cell", str(cell), "--output", str(output), *more])


def test_own_poems_are_taught_and_what_comes_out_is_a_cell(cell, tmp_path, capsys):
    output = tmp_path / "mine"
    assert run(cell, output) == 0
    said = capsys.readouterr().out
    assert "60 poems: 五律 32" in said and "poets: 骆宾王 5" in said
    assert "before:" in said and "after:" in said

    poet, before = TangPoet.from_pretrained(output / "final"), TangPoet.from_pretrained(cell)
    assert len(poet.write("", form="五绝", seed=1).lines) == 4
    vocabulary = poet.tokenizer.get_vocab()
    assert all(vocabulary[token] == number for token, number in before.tokenizer.get_vocab().items()), "each its number"
    taught = json.loads((output / "final" / "training_log.json").read_text())["taught"]
    assert taught["poems"] == 60 and taught["held_out"] == 6 and taught["sources"] == ["poems.csv"]
    assert taught["new_characters"] and set(taught["new_characters"]) <= set(vocabulary)
    assert taught["after"]["own"] < taught["before"]["own"]
    own = gather([str(POEMS)]).rows[0]["lines"][0]
    assert own in poet.own_lines and "天地玄黄宇" not in poet.own_lines
    assert poet.write(own, form="五绝", seed=1).quotes[0] == own
    assert (output / "dropped.csv").exists() and len(list((output / "poems").iterdir())) > 1

    finished = (output / "final" / "model.safetensors").read_bytes()
    assert run(cell, output) == 2 and "holds a run already" in capsys.readouterr().err
    assert run(cell, output, "--resume") == 0, "a run at its end stays there"
    assert (output / "final" / "model.safetensors").read_bytes() == finished


def test_a_run_that_is_cut_goes_on_to_the_same_cell(cell, tmp_path, monkeypatch, capsys):
    run(cell, tmp_path / "whole")
    compute_loss = PoetTrainer.compute_loss

    def cut(self, *args, **kwargs):
        if self.state.global_step == 8:
            raise KeyboardInterrupt
        return compute_loss(self, *args, **kwargs)

    monkeypatch.setattr(PoetTrainer, "compute_loss", cut)
    assert run(cell, tmp_path / "cut") == 130
    monkeypatch.setattr(PoetTrainer, "compute_loss", compute_loss)
    assert teach.main(["--output", str(tmp_path / "cut"), "--resume"]) == 0
    for name in ("model.safetensors", "training_log.json", "tokenizer.json"):
        assert (tmp_path / "cut" / "final" / name).read_bytes() == (tmp_path / "whole" / "final" / name).read_bytes()


# A program that teaches in several lives, as many as numbers are given. In each the process is killed as it is about to
# make, open or move the nth thing in its folder; 0 lets it live. A checkpoint is written at each step, in between the
# entries of the log, and no evaluation counts as better than the one before, so that the run ends early.
LIVES = """
import os, signal, sys, training.export, training.teach as teach

poems, cell, output, *lives = sys.argv[1:]
training.export.SAMPLING["max_new_tokens"] = 4
teach.PASSES, teach.TANG_SAMPLE = (2, 3), 10

def none_is_better(self, *given):
    self.early_stopping_patience_counter += 1

teach.Patience.check_metric_value = none_is_better

def live(left):
    def write(event, arguments):
        nonlocal left
        opened = event == "open" and (set(arguments[1] or "") & set("wax+") or arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if (opened or event in ("os.rename", "os.mkdir", "os.rmdir", "os.remove")) and output in str(arguments[0]):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
    if left:
        teach.SAVE_EVERY = 0
        sys.addaudithook(write)
    os._exit(teach.main([poems, "--cell", cell, "--output", output, "--resume"]))

for moment in map(int, lives):
    child = os.fork() or live(moment)
    print("this life ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_process_killed_at_any_moment_goes_on_to_the_same_cell(cell, tmp_path):
    """While it prepares, saves, evaluates, and while it writes the cell: kill -9, and --resume."""

    def lives(name: str, *moments: int) -> list[str]:
        command = [sys.executable, "-c", LIVES, str(POEMS), str(cell), str(tmp_path / name), *map(str, moments)]
        done = subprocess.run(command, cwd=POEMS.parents[2], capture_output=True, text=True)
        return re.findall(r"this life ended with (-?\d+)", done.stdout)

    assert lives("whole", 0) == ["0"]
    assert lives("killed", 61, 200, 0, 25, 0) == ["-9", "-9", "0", "-9", "0"]
    whole, killed = (
        {path.name: path.read_bytes() for path in (tmp_path / name / "final").iterdir()} for name in ("whole", "killed")
    )
    assert whole == killed, "and nothing half written is left"
    curve = json.loads(killed["training_log.json"])
    assert [step for step, _ in curve["train"]] == [5, 10, 15, 20], "four evaluations"


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        (None, [], "no file or folder"),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。\n", [], "1 poems are too few"),
        ("Not a poem.\n", [], "which column of poems.csv holds the poems?"),
        ("a,b\n1,2\n", ["--text", "内容"], "has no column 内容; it has a, b"),
    ],
)
def test_what_cannot_be_taught_is_one_line(cell, tmp_path, capsys, content, more, words):
    poems = tmp_path / "poems.csv"
    if content is not None:
        poems.write_text(content)
    assert run(cell, tmp_path / "mine", *more, poems=poems) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1


def test_an_unknown_cell_and_a_folder_in_use_are_one_line(cell, tmp_path, capsys):
    assert run(Path("lsmt"), tmp_path / "a") == 2
    assert "there is no folder 'lsmt'" in capsys.readouterr().err
    with alone(tmp_path / "b"):
        assert run(cell, tmp_path / "b") == 2
    assert "another run is at work" in capsys.readouterr().err


def test_a_folder_that_cannot_be_a_wrong_seed_and_no_run_to_go_on_with_are_one_line(cell, tmp_path, capsys):
    for place in (POEMS, Path("/proc/mine")):
        assert run(cell, place) == 2
        error = capsys.readouterr().err
        assert f"{place} cannot be written to" in error and error.count("\n") == 1
    for arguments, words in (
        ([str(POEMS), "--seed", "-1"], "seed must be a whole number between 0 and"),
        (["--resume"], "mine holds no run to go on with: name the poems"),
    ):
        with pytest.raises(SystemExit) as stop:
            teach.main([*arguments, "--output", str(tmp_path / "mine")])
        assert stop.value.code == 2 and words in capsys.readouterr().err


def test_check_reads_and_stops(cell, tmp_path, capsys):
    assert run(cell, tmp_path / "mine", "--check") == 0
    assert "60 poems" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {".lock", "dropped.csv"}, "the run can begin there"


def test_the_configuration_for_ones_own_poems_goes_the_long_way(cell, tmp_path, capsys):
    """training/configs/fine-tune.yaml with these poems, this cell and this folder: any text makes a corpus."""
    config = read_config(POEMS.parents[2] / "training" / "configs" / "fine-tune.yaml")
    config |= {"corpus": str(POEMS), "initial": str(cell), "output_dir": str(tmp_path / "run")}
    config["trainer"] |= {"num_train_epochs": 1, "disable_tqdm": True, "report_to": []}
    train(config)
    assert "60 poems: 五律 32" in capsys.readouterr().out
    poet, before = TangPoet.from_pretrained(tmp_path / "run" / "final"), TangPoet.from_pretrained(cell)
    assert poet.tokenizer.get_vocab().items() > before.tokenizer.get_vocab().items(), "it has grown"
    assert poet.model.config.output_dropout == 0.2 and poet.model.config.hidden_size == before.model.config.hidden_size
    assert len(poet.write("", form="五绝", seed=1).lines) == 4


# ------------------------------------------------------------------------------------------------------ vocabulary


def test_a_grown_vocabulary_knows_all_it_knew_and_the_other_forms_of_what_is_new():
    before = TangTokenizer.build("春眠门", ["李白"], {"門": "门"})
    after = grown(before, "钰春門", ["张三", "李白"])
    assert {token: after.get_vocab()[token] for token in before.get_vocab()} == before.get_vocab()
    assert len(after) == len(before) + 2 and after.poets == ["李白", "张三"]
    assert (
        after("鈺門，春.", add_special_tokens=False).input_ids
        == after("钰门，春。", add_special_tokens=False).input_ids
    )
    assert after.decode(after("<张三>", "钰春").input_ids, skip_special_tokens=True) == "钰春"
    assert grown(before, "春門") is before


def test_weights_of_another_vocabulary_are_refused(cell, tmp_path):
    """Another tokenizer, and another run's weights of the same shapes; a tokenizer that has grown since will do."""
    other = tmp_path / "other"
    shutil.copytree(cell, other)
    tokenizer = TangPoet.from_pretrained(cell).tokenizer
    swapped = TangTokenizer.build(
        [token for token in reversed(tokenizer.get_vocab()) if len(token) == 1], ["李白", "杜甫"]
    )
    assert len(swapped) == len(tokenizer)
    swapped.save_pretrained(other)
    with pytest.raises(PoetError, match="another vocabulary"):
        TangPoet.from_pretrained(other)
    shutil.rmtree(other)
    shutil.copytree(cell, other)
    config = json.loads((other / "config.json").read_text())
    model = TangRNNForCausalLM(
        TangRNNConfig(vocab_size=len(swapped), cell_type="gru", embedding_size=16, hidden_size=24)
    )
    export(model, swapped, tmp_path / "third")
    shutil.copy(tmp_path / "third" / "model.safetensors", other)
    with pytest.raises(PoetError, match="another vocabulary"):
        TangPoet.from_pretrained(other)
    model.config.tokenizer_fingerprint = config["tokenizer_fingerprint"]
    assert config["tokenizer_fingerprint"] == fingerprint(tokenizer)
    TangPoet(model, tokenizer)
    with pytest.raises(Fault, match="another vocabulary"):
        TangPoet(model, TangTokenizer.build("春眠"))
