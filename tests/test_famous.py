"""The judge says of famous poems what the handbooks say."""

import re

import pytest
from famous import FAMOUS

from tang_rnn.verse import check

# As common as a formula: the handbooks name it where it shows the rule, so what they name need not be all there is.
COMMON = "半拗"


def told(listed):
    """``大拗1 孤平拗救2`` as pairs of name and line, in order."""
    return sorted((name, int(line)) for name, line in re.findall(r"([^\d\s]+)(\d+)", listed))


def licences(verdict):
    found = [(note.fields["licence"], note.line) for note in verdict.notes if note.fields.get("licence")]
    return sorted(found + [("首句邻韵", note.line) for note in verdict.notes if note.key == "first_line_neighbour"])


def test_there_are_eighty_and_all_kinds():
    assert len({row["text"] for row in FAMOUS}) == len(FAMOUS) >= 80
    licensed = {name for row in FAMOUS for name, _ in told(row["licences"])}
    assert licensed == {"半拗", "大拗", "孤平拗救", "特拗", "特拗而首字仄", "三仄尾", "首句邻韵"}


@pytest.mark.parametrize("row", FAMOUS, ids=[row["poet"] + row["title"] for row in FAMOUS])
def test_the_judge_says_what_the_handbooks_say(row):
    verdict = check(row["text"])
    assert (verdict.rhyme_group or "") == row["group"], verdict
    assert sorted((v.name, v.line) for v in verdict.violations) == told(row["faults"]), verdict
    if verdict.pattern:
        assert verdict.pattern == row["pattern"] and verdict.clean == (not row["faults"]), verdict
    else:
        assert verdict.summary.fields.get("form", verdict.form) == row["pattern"] and not verdict.clean, verdict
    found, known = licences(verdict), told(row["licences"])
    assert [each for each in found if each in known or each[0] != COMMON] == known, verdict
