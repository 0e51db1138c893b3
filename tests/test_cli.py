"""The command: what it prints, that it prints it again, and that no traceback reaches a user."""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tang_rnn.cli import build_parser, main
from tang_rnn.recurrence import Recurrence


def run(capsys, *arguments):
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_comes_without_torch_gradio_or_datasets():
    code = (
        "import sys, tang_rnn_command; sys.argv = ['tang-rnn', '--help']\n"
        "try:\n    tang_rnn_command.main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert not {'torch', 'transformers', 'gradio', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "write" in done.stdout and "check" in done.stdout


def test_a_poem_comes_without_what_only_models_need():
    """transformers takes longer to import than many poems to write; the package is whole for who asks for more."""
    code = (
        "import sys, tang_rnn_command; sys.argv = ['tang-rnn', 'write', '春', '--form', '五绝', '--regulated']\n"
        "assert not tang_rnn_command.main()\n"
        "assert not {'transformers', 'torch._dynamo', 'opencc'} & set(sys.modules)\n"
        "import tang_rnn.cli\n"
        "from tang_rnn import AutoModel, TangRNNConfig, TangRNNModel, verse\n"
        "assert type(AutoModel.from_config(TangRNNConfig(hidden_size=8))) is TangRNNModel"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_the_installed_command_runs_anywhere(tmp_path):
    """As pip installed it, from a folder that is not the checkout: that is where users call it."""
    command = Path(sysconfig.get_path("scripts")) / "tang-rnn"
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    done = subprocess.run([command, "check", text], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "五绝仄起首句不入韵" in done.stdout, done.stderr


def test_importing_the_package_loads_neither_gradio_nor_datasets():
    code = "import sys, tang_rnn; assert not {'gradio', 'datasets'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_twenty_different_poems_of_a_form(capsys):
    code, out, err = run(
        capsys, "write", "春", "--cell", "gru", "--form", "七绝", "--count", "20", "--json", "--seed", "1"
    )
    poems = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(poems) == 20 and len({poem["text"] for poem in poems}) == 20
    for number, poem in enumerate(poems):
        assert [len(line) for line in poem["lines"]] == [7] * 4 and poem["text"].startswith("春")
        assert poem["cell"] == "gru" and poem["form"] == "七绝" and poem["seed"] == 1 + number
        assert {"opening", "log_prob", "prosody"} <= set(poem)
        assert {"book", "pattern", "rhyme_group", "violations"} == set(poem["prosody"])


def test_the_same_seed_prints_the_same(capsys):
    first = run(capsys, "write", "春", "--seed", "3")[1]
    assert run(capsys, "write", "春", "--seed", "3")[1] == first != ""


def test_rules_reach_the_poet(capsys):
    _, out, _ = run(
        capsys, "write", "--form", "五绝", "--acrostic", "春夏秋冬", "--rhyme", "own", "--seed", "1", "--json"
    )
    poem = json.loads(out)
    assert "".join(line[0] for line in poem["lines"]) == "春夏秋冬"
    _, out, _ = run(
        capsys, "write", "月", "--form", "五律", "--regulated", "--rhyme", "一东", "--candidates", "1", "--json"
    )
    assert json.loads(out)["prosody"] == {
        "book": "平水韵",
        "pattern": json.loads(out)["prosody"]["pattern"],
        "rhyme_group": "一东",
        "violations": [],
    }


def test_traditional_output(capsys):
    _, out, _ = run(capsys, "write", "风云", "--traditional", "--form", "五绝", "--seed", "1")
    assert out.startswith("風雲")


def test_compare_shows_the_three_cells(capsys):
    code, out, _ = run(capsys, "compare", "月", "--form", "五绝", "--seed", "1")
    assert code == 0 and all(cell in out for cell in ("rnn  (", "lstm  (", "gru  (")) and out.count("月") >= 3


def test_check_judges(capsys, monkeypatch):
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    code, out, _ = run(capsys, "check", text)
    assert code == 0 and "五绝仄起首句不入韵" in out and "\x1b" not in out
    assert json.loads(run(capsys, "check", text, "--json")[1])["ok"] is True
    broken = json.loads(run(capsys, "check", text.replace("流", "浪"), "--json")[1])
    assert broken["ok"] is False and broken["violations"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["write", "x"],
        ["write", "春", "--form", "十四行"],
        ["write", "春", "--temperature", "0"],
        ["write", "春", "--poet", "李四"],
        ["write", "--acrostic", "春", "--form", "杂言"],
        ["write", "春", "--cell", "gpt"],
        ["check", ""],
        ["check", "hello"],
    ],
)
def test_what_is_wrong_is_one_line_and_exit_code_2(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == "" and err.startswith("tang-rnn: ") and err.count("\n") == 1


def test_a_fault_of_our_own_is_no_users_error(capsys, monkeypatch):
    def broken(self, tokens, state):
        raise ValueError("an injected bug")

    monkeypatch.setattr(Recurrence, "step", broken)
    code, out, err = run(capsys, "write", "春", "--seed", "1")
    assert code == 1 and out == "" and "Traceback" in err and "an injected bug" in err


def test_a_seed_that_was_not_given_is_said(capsys):
    _, out, err = run(capsys, "write", "春", "--form", "五绝")
    seed = re.fullmatch(r"tang-rnn: seed (\d+)\n", err)[1]
    assert run(capsys, "write", "春", "--form", "五绝", "--seed", seed) == (0, out, "")
    assert run(capsys, "write", "x")[2].count("\n") == 1, "not where there is no poem"


def test_a_character_is_fixed_by_line_and_place(capsys):
    options = ["--form", "五绝", "--fix", "2:3=月", "--fix", "4:5=风", "--seed", "1", "--json"]
    lines = json.loads(run(capsys, "write", *options)[1])["lines"]
    assert lines[1][2] == "月" and lines[3][4] == "风"


@pytest.mark.parametrize(
    "arguments", [["write", "--count", "0"], ["write", "--fix", "月"], ["write", "--nonsense"], ["sing"], ["check"]]
)
def test_wrong_options_are_one_line_too(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        build_parser().parse_args(arguments)
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_hand_is_laid_on_a_poem(capsys, tmp_path):
    file = tmp_path / "poem.txt"
    file.write_text("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", encoding="gb18030")
    code, out, _ = run(capsys, "revise", str(file), "--keep", "1,2", "--fix", "4:5=秋", "--seed", "1", "--json")
    poem = json.loads(out)
    assert code == 0 and poem["lines"][:2] == ["白日依山尽", "黄河入海流"] and poem["text"].endswith("秋。")
    code, out, _ = run(capsys, "alternatives", str(file), "2", "3", "--most", "4", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and len(found) == 4 and all({"text", "log_prob", "faults"} == set(each) for each in found)
    code, out, _ = run(capsys, "next", "白日依山尽", "--form", "五绝", "--regulated", "--count", "3")
    assert code == 0 and [len(line) for line in out.splitlines()] == [5] * 3
    code, out, _ = run(capsys, "answer", "白日依山盡", "--traditional", "--count", "2", "--seed", "1")
    assert code == 0 and [len(line) for line in out.splitlines()] == [5] * 2
    for wrong in (["answer", "春"], ["alternatives", "白日依山尽", "7", "1"], ["revise", "白日依山尽", "--keep", "x"]):
        code, out, err = run(capsys, *wrong)
        assert code == 2 and not out and err.count("\n") == 1


def test_the_judge_suggests_what_would_mend_a_fault(capsys):
    code, out, _ = run(capsys, "check", "--suggest", "白日依山盡，黃河入海流。欲窮千里目，更上一層天。")
    assert code == 0 and "instead of “天”: 樓" in out
    code, out, _ = run(capsys, "check", "--suggest", "--json", "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
    assert code == 0 and json.loads(out)["suggestions"] == []
