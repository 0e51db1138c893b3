"""Poems in a file: an interrupted run goes on, no poem lost or doubled, and a file of anything else is left alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import clean_environment

from tang_rnn import TangPoet
from tang_rnn.cli import main
from tang_rnn.poem_file import PoemFile
from tang_rnn.writing import search

OPTIONS = {"form": "五绝", "opening": "春"}


def poem(seed: int) -> dict:
    return {"text": f"第{seed}首，春眠不觉晓。", "seed": seed}


def fill(path, count: int, seed: int | None = 7, options: dict = OPTIONS) -> None:
    file = PoemFile(path, options, seed)
    for number in range(len(file), count):
        file.append(poem(file.seed + number))
    file.close()


def test_a_file_that_was_cut_anywhere_is_gone_on_with(tmp_path):
    path = tmp_path / "poems.jsonl"
    fill(path, 3)
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        file = PoemFile(path, OPTIONS)
        kept = whole[:length].count(b"\n")
        assert len(file) == kept and file.seed == (7 if length >= whole.index(b"\n") else None)
        assert path.read_bytes() == whole[:length], "what was cut stays until there is something in its place"
        file.close()
        fill(path, 3)
        assert path.read_bytes() == whole


def test_a_refused_file_is_not_touched(tmp_path):
    path = tmp_path / "poems.jsonl"
    fill(path, 3)
    one, two, three = path.read_bytes().splitlines(keepends=True)
    bad = {
        "line 1 of .* is no poem": b"hello\nworld",
        "holds something other than poems": b"my notes, not finished",
        "line 2 of .* is no poem": one + b"{}\n",
        "line 2 of .*out of turn": one + one + two,
        "line 2 of .* has seed 9 out of turn": one + three + b'{"te',
        "line 3 of .* is no poem": one + two + b"\0" * 99 + b"\n",
        "holds something": one + b"x",
        "line 1 of .* is no poem of": b'{"text": "my data", "label": 3}',
        "other than poems": b'{"text": "my data"}\r{"text": "more"}',
        "line 1 of .* is no poem of `write": one.replace(b'"seed": 7', b'"seed": Infinity'),
        "line 1 of .* is no poem of `write -": one.replace(b'"seed": 7', b'"seed": true'),
        "line 1 of .* is no poem of `write --": one.replace(b'"seed": 7', b'"seed": -7'),
        "line 1 of .* is no poem of `write --o": one.replace(b'"seed": 7', b'"seed": "7"'),
        "line 2 of .* is no poem of `": one + b'{"text": ' + b"[" * 2000 + b"\n",
        "something other than poems": one + b'{"text": ' + b"[" * 2000,
        "form was '七绝', now it is '五绝'": one.replace("五绝".encode(), "七绝".encode()),
        "opening was not given, now it is '春'": re.sub(b', "opening": "[^"]*"', b"", one),
    }
    for words, content in bad.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            PoemFile(path, OPTIONS)
        assert "\n" not in str(caught.value) and path.read_bytes() == content
    path.write_bytes(one)
    with pytest.raises(ValueError, match="begins with seed 7, not 8"):
        PoemFile(path, OPTIONS, 8)
    with pytest.raises(ValueError, match="no regular file"):
        PoemFile(tmp_path, OPTIONS)


def test_two_runs_do_not_write_one_file(tmp_path):
    pytest.importorskip("fcntl")
    fill(tmp_path / "poems.jsonl", 1)
    file = PoemFile(tmp_path / "poems.jsonl", OPTIONS)
    with pytest.raises(ValueError, match="another run is writing"):
        PoemFile(tmp_path / "poems.jsonl", OPTIONS)
    file.close()
    PoemFile(tmp_path / "poems.jsonl", OPTIONS).close()


def test_a_full_disk_leaves_whole_lines(tmp_path):
    """In a process that may write no file beyond 1000 bytes; a line is taken in part before the rest is refused."""
    code = (
        "import resource, signal, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from tang_rnn.poem_file import PoemFile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "file = PoemFile(sys.argv[1], {}, 0)\n"
        "try:\n"
        "    for seed in range(99): file.append({'text': '春' * 40, 'seed': seed})\n"
        "except OSError as error: print(error.strerror)\n"
    )
    path = tmp_path / "poems.jsonl"
    arguments = [sys.executable, "-c", code, path, os.getcwd()]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert "large" in done.stdout, done.stderr
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) > 3 and all(json.loads(line) and line.endswith("\n") for line in lines)


# -- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cell() -> str:
    return "gru"


@pytest.fixture
def small(checkpoint, monkeypatch):
    """Arguments for the tiny checkpoint, in portions of four poems."""
    monkeypatch.setattr(search, "LARGEST_BATCH", 32)
    return ["write", "春", "--cell", str(checkpoint), "--form", "五绝"]


def test_the_command_goes_on_without_being_told_the_seed(small, tmp_path, capsys):
    path = tmp_path / "poems.jsonl"
    arguments = [*small, "--out", str(path), "--count"]
    assert main([*arguments, "11"]) == 0
    whole = path.read_bytes()
    poems = [json.loads(line) for line in whole.splitlines()]
    assert [each["seed"] - poems[0]["seed"] for each in poems] == list(range(11))
    for length in (len(whole) - 3, len(whole) // 2, 100, 0):
        path.write_bytes(whole[:length])
        again = [*arguments, "11"] if length > 100 else [*arguments, "11", "--seed", str(poems[0]["seed"])]
        assert main(again) == 0 and path.read_bytes() == whole
    assert main([*arguments, "13"]) == 0  # more of the same
    assert path.read_bytes().startswith(whole) and path.read_bytes().count(b"\n") == 13
    assert main([*arguments, "5"]) == 0 and path.read_bytes().count(b"\n") == 13
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (["--top-p", "0.5"], "top_p was not given, now it is 0.5"),
        (["--traditional"], "traditional was not given, now it is True"),
        (["--form", "七绝"], "form was '五绝', now it is '七绝'"),
        (["--seed", "1"], "begins with seed 2, not 1"),
    ],
)
def test_other_options_are_refused(small, tmp_path, capsys, other, said):
    arguments = [*small, "--out", str(tmp_path / "poems.jsonl")]
    assert main([*arguments, "--seed", "2"]) == 0
    content = (tmp_path / "poems.jsonl").read_bytes()
    assert main([*arguments, "--count", "2", *other]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert (tmp_path / "poems.jsonl").read_bytes() == content


def test_other_weights_are_refused(small, checkpoint, tmp_path, capsys, monkeypatch):
    arguments = [*small, "--out", str(tmp_path / "poems.jsonl")]
    assert main(arguments) == 0
    monkeypatch.setattr(TangPoet, "fingerprint", "0")
    assert main(arguments) == 2 and "weights was" in capsys.readouterr().err


def test_what_is_wrong_leaves_no_file(small, tmp_path, capsys):
    for arguments in (["--rhyme", "zzz"], ["--out", str(tmp_path / "no" / "folder")]):
        assert main([*small, "--out", str(tmp_path / "poems.jsonl"), *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_hostile_file_is_one_line_and_not_touched(small, tmp_path, capsys):
    path = tmp_path / "poems.jsonl"
    assert main([*small, "--out", str(path), "--seed", "7"]) == 0
    one = path.read_bytes()
    long = one.replace(b'"options": {', b'"options": {"form": "' + b"x" * 10**5 + b'", "a": {')
    for content in (
        one.replace(b'"seed": 7', b'"seed": Infinity'),
        one.replace(b'"seed": 7', b'"seed": true'),
        long.replace(b"}}", b"}}}"),
        one.replace(b'"seed": 7', b'"seed": 1' + b"0" * 9000),
        one.replace(b'"seed": 7', b'"seed": 1' + b"0" * 300),
        b'{"text": ' + b"[" * 2000,
        b'{"text": ' + b"[" * 2000 + b"\n",
        b"[1, 2]\n",
        b"\xff" * 100,
        b"\0" * 2**20,
    ):
        path.write_bytes(content)
        assert main([*small, "--out", str(path), "--count", "2"]) == 2, content[:99]
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and len(error) < 500 and path.read_bytes() == content
    link = tmp_path / "link"
    link.symlink_to(link)
    os.mkfifo(tmp_path / "pipe")  # would be waited for
    for name in (link, tmp_path / "pipe", "/dev/null", tmp_path, tmp_path / ("x" * 300), path / "below"):
        assert main([*small, "--out", str(name)]) == 2 and capsys.readouterr().err.count("\n") == 1
    assert link.is_symlink() and sorted(each.name for each in tmp_path.iterdir()) == ["link", "pipe", "poems.jsonl"]


@pytest.mark.parametrize("delay", [0.1, 0.5, 1.5, None])
def test_ctrl_c_leaves_whole_lines_and_no_traceback(checkpoint, tmp_path, delay):
    """After so many seconds, while the libraries load, or as soon as poems are being written."""
    path = tmp_path / "poems.jsonl"
    code = "import sys, tang_rnn_command; print(flush=True); sys.exit(tang_rnn_command.main())"
    arguments = ["write", "春", "--cell", checkpoint, "--form", "五绝", "--count", "100000", "--out", path]
    environment = clean_environment(tmp_path) | {"PYTHONPATH": os.getcwd()}
    options = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        # a shell's background job, as the tests may be run, ignores Ctrl-C and would hand that on
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    }
    with subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, **options) as process:
        process.stdout.readline()
        deadline = time.monotonic() + (60 if delay is None else delay)
        while time.monotonic() < deadline and not (delay is None and path.exists()):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode in (-signal.SIGINT, 130) and not out + err
    if path.exists():
        content = path.read_bytes()
        assert content.endswith(b"\n") and all(json.loads(line) for line in content.splitlines())
    assert path.exists() or delay is not None


def test_parts_joined_are_what_one_run_writes(tmp_path, small, capsys):
    """So that any scheduler may spread a number of poems over machines."""
    command = [*small, "--seed", "40", "--count", "7", "--out"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    for part in (1, 2, 3):
        assert main([*command, str(tmp_path / f"part{part}"), "--shard", f"{part}/3"]) == 0
    parts = [(tmp_path / f"part{part}").read_text(encoding="utf-8") for part in (1, 2, 3)]
    assert "".join(parts) == (tmp_path / "whole").read_text(encoding="utf-8")
    assert [part.count("\n") for part in parts] == [2, 2, 3]
    assert main([*small, "--count", "7", "--shard", "1/3"]) == 2 and "--seed" in capsys.readouterr().err
    assert main([*small, "--seed", "1", "--count", "2", "--shard", "1/3"]) == 2


@pytest.mark.parametrize("shard", ["4/3", "0/3", "3", "a/b", "-1/3", "1/"])
def test_what_is_no_part_is_refused(small, shard, capsys):
    assert main([*small, "--seed", "1", f"--shard={shard}"]) == 2
    assert "3/16" in capsys.readouterr().err
