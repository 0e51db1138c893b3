"""The rhyme book: its groups, the readings and tones of characters."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tang_rnn import verse
from tang_rnn.verse import PINGSHUI

CORPUS = Path(__file__).parent.parent / "training" / "corpus"


def test_the_106_groups():
    sections = Counter(group.section for group in PINGSHUI.groups.values())
    assert sections == {"上平": 15, "下平": 15, "上声": 29, "去声": 30, "入声": 17}
    assert [PINGSHUI.level_groups[i] for i in (0, 15, -1)] == ["一东", "一先", "十五咸"]


def test_a_character_that_names_a_group_is_in_it():
    assert not [name for name in PINGSHUI.groups if name not in PINGSHUI.readings(name[-1])]


@pytest.mark.parametrize("name", ["一东", "东", "东韵", "一東", "上平一东", "上平声一东", "上平聲一東"])
def test_a_group_goes_by_many_names(name):
    assert PINGSHUI.group(name) == "一东"


def test_each_group_goes_by_its_own_names():
    for name, group in PINGSHUI.groups.items():
        assert PINGSHUI.group(name) == PINGSHUI.group(name[-1]) == PINGSHUI.group(group.full_name) == name


def test_an_unknown_group_is_an_error_that_lists_those_there_are():
    with pytest.raises(ValueError, match="一东 .* 十五咸"):
        PINGSHUI.group("猫")


@pytest.mark.parametrize(
    ("char", "wanted"),
    [("春", "平"), ("月", "仄"), ("看", "中"), ("思", "中"), ("先", "中"), ("猫", "平"), ("x", "？")],
)
def test_tones(char, wanted):
    assert PINGSHUI.tone(char) == wanted


def test_a_simplified_character_has_the_readings_of_all_it_stands_for():
    assert PINGSHUI.readings("发") == ("六月",) == PINGSHUI.readings("髮") == PINGSHUI.readings("發")
    assert set(PINGSHUI.readings("后")) == {"二十五有", "二十六宥"}
    assert {"一先", "十四寒", "十五翰"} <= set(PINGSHUI.readings("干")), "乾 and 幹"
    assert PINGSHUI.readings("松") == ("二冬",), "鬆 is too rare in the corpus to count"
    assert "一先" in PINGSHUI.readings("乾"), "traditional characters are told apart"
    assert "一先" not in PINGSHUI.readings("幹"), "traditional characters are told apart"


def test_what_is_strictly_so_is_so_for_the_judge():
    """Else a constraint could write what the judge faults."""
    for char in PINGSHUI.characters:
        assert set(PINGSHUI.readings(char, strict=True)) <= set(PINGSHUI.readings(char))
        assert PINGSHUI.tone(char, strict=True) in (PINGSHUI.tone(char), "？") or PINGSHUI.tone(char) == "中"
    assert PINGSHUI.tone("春", strict=True) == "平" and PINGSHUI.readings("春", strict=True) == ("十一真",)


def test_a_character_rhymes_only_in_a_tone_that_it_has():
    chars = list(PINGSHUI.characters)
    for group in PINGSHUI.level_groups:
        for strict in (False, True):
            rhyming = PINGSHUI.rhyme_mask(chars, group, strict)
            level = PINGSHUI.tone_mask(chars, "平", strict)
            assert any(rhyming) and all(not r or t for r, t in zip(rhyming, level, strict=True))


def test_masks_are_for_the_tokens_of_any_vocabulary():
    vocabulary = ["<s>", "春", "月", "看", "，", "春月", "x"]
    assert PINGSHUI.tone_mask(vocabulary, "平") == [False, True, False, True, False, False, False]
    assert PINGSHUI.tone_mask(vocabulary, "仄") == [False, False, True, True, False, False, False]
    assert PINGSHUI.rhyme_mask(vocabulary, "真") == [False, True, False, False, False, False, False]


def test_every_character_of_the_corpus_that_occurs_ten_times_is_known():
    parquet = pytest.importorskip("pyarrow.parquet")
    counts = Counter()
    for split in sorted(CORPUS.glob("*.parquet")):
        counts.update("".join(parquet.read_table(split, columns=["text"])["text"].to_pylist()))
    assert counts
    assert not [c for c, n in counts.items() if n >= 10 and c not in "，。" and PINGSHUI.tone(c) == "？"]


def test_only_the_standard_library_is_needed():
    code = (
        "import importlib.util, sys, types; package = types.ModuleType('tang_rnn'); "
        f"package.__path__ = [{str(Path(verse.__file__).parent.parent)!r}]; sys.modules['tang_rnn'] = package; "
        "import tang_rnn.verse; print([m for m in ('torch', 'transformers', 'numpy', 'opencc') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
