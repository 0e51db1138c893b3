"""A line of the corpus is known for what it is, a new one is not, and the index that ships is the corpus's own."""

import json

import numpy as np
import pytest

from tang_rnn.cli import main as command
from tang_rnn.verse.quotations import INDEX, LineIndex
from tang_rnn.writing.poem import Poem
from training.quotations import main as build


def poem(text: str) -> Poem:
    return Poem(text=text, opening="", form="五绝", cell="lstm", seed=0, log_prob=-1.0, characters=1)


def test_old_lines_are_named_and_new_ones_are_not():
    old = poem("疑是地上霜，白日依山尽。机器写新句，低头思故乡。")
    assert old.quotes == ["疑是地上霜", "白日依山尽", "低头思故乡"] == old.to_dict()["quotes"]
    assert poem("机器写新句，电脑作诗人。").quotes == []
    assert poem("君不见，白日依山尽。").quotes == ["白日依山尽"], "君不见 stands in many poems and is nobody's"


def test_a_poem_in_traditional_characters_has_the_same_quotations():
    old = poem("乾坤日夜浮，机器写新句。").traditional()
    assert old.quotes == ["乾坤日夜浮"]
    old = poem("决眦入归鸟，机器写新句。会当凌绝顶，一览众山小。").traditional()
    assert old.quotes == [old.lines[0], *old.lines[2:]] and old.quotes[1] == "會當凌絕頂"


def test_the_command_says_so(capsys):
    arguments = ["write", "白日依山尽", "--form", "五绝", "--candidates", "1", "--seed", "1"]
    assert command(arguments) == 0
    assert "(not new, but a line of the 全唐诗: 白日依山尽" in capsys.readouterr().out
    assert command([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["quotes"][0] == "白日依山尽"


def test_the_shipped_index_is_built_from_the_corpus_and_small(tmp_path, capsys):
    assert build(["--out", str(tmp_path / "lines.safetensors")]) == 0
    assert (tmp_path / "lines.safetensors").read_bytes() == INDEX.read_bytes()
    assert INDEX.stat().st_size <= 2 * 2**20
    assert build(["--corpus", str(tmp_path), "--out", str(tmp_path / "none.safetensors")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "none.safetensors").exists()


def test_an_index_holds_its_lines_and_next_to_nothing_else(tmp_path):
    rng = np.random.default_rng(0)
    lines = {"".join(map(chr, row)) for row in rng.integers(0x4E00, 0x9FA0, (20_000, 5))}
    others = {"".join(map(chr, row)) for row in rng.integers(0x4E00, 0x9FA0, (20_000, 5))} - lines
    LineIndex.write(lines, tmp_path / "index")
    index = LineIndex(tmp_path / "index")
    assert len(index) == len(lines) and all(line in index for line in lines)
    assert not any(line in index for line in others)


def test_a_damaged_index_is_an_error(tmp_path):
    whole = INDEX.read_bytes()
    for number, content in enumerate((b"", whole[:1000], whole[:-4], whole + b"more")):
        path = tmp_path / str(number)
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no index of lines"):
            LineIndex(path)
