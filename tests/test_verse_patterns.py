"""The tonal patterns: what the handbooks draw, and nothing that a stranger could fault."""

import itertools

import pytest

from tang_rnn.verse import admissible, patterns

REGULATED = [("五绝", None), ("七绝", None), ("五律", None), ("七律", None), ("五排", 10), ("七排", 12)]
EVERY_PATTERN = [pattern for form, lines in REGULATED for pattern in patterns(form, lines)]


def test_patterns_have_their_textbook_names():
    assert [p.name for p in patterns("五律")] == [
        "五律仄起首句不入韵",
        "五律仄起首句入韵",
        "五律平起首句不入韵",
        "五律平起首句入韵",
    ]
    assert {p.name[2:4] for p in patterns("七绝") if p.types[0] == "a"} == {"平起"}
    assert patterns("五绝")[0].formulas == ("中仄平平仄", "平平仄仄平", "中平平仄仄", "中仄仄平平")
    assert patterns("七律")[1].formulas[:3] == ("中平中仄仄平平", "中仄平平仄仄平", "中仄中平平仄仄")
    assert patterns("五古") == ()


@pytest.mark.parametrize(("form", "lines"), [("五排", None), ("五排", 8), ("五排", 11), ("五律", 4), ("六律", None)])
def test_patterns_of_a_length_that_no_poem_has_are_an_error(form, lines):
    with pytest.raises(ValueError, match="lines|no form"):
        patterns(form, lines)


@pytest.mark.parametrize("pattern", EVERY_PATTERN, ids=lambda p: p.name)
def test_patterns_keep_dui_and_nian(pattern):
    """Read off the formulas, not the letters that they were made from."""
    formulas = pattern.formulas
    for i, (one, other) in enumerate(itertools.pairwise(formulas)):
        assert (one[1] == other[1]) == (i % 2 == 1)
    for i, line in enumerate(formulas):
        assert pattern.rhyming[i] == (line[-1] == "平")
        assert i == 0 or pattern.rhyming[i] == (i % 2 == 1)


@pytest.mark.parametrize("kind", "aAbB")
@pytest.mark.parametrize("length", [5, 7])
def test_what_is_written_by_has_no_fault_a_stranger_could_find(kind, length):
    for string in admissible(kind, length, regular=True):
        assert string in admissible(kind, length)
        evens = string[1 : length - 1 : 2]
        assert all(one != other for one, other in itertools.pairwise(evens)), "二四六分明"
        assert string[-3:] not in ("平平平", "仄仄仄")
        if string.endswith(("仄仄平", "平仄平")):
            assert string[-5:] == "平平仄仄平", "no 孤平, not even a saved one"


def test_free_places_are_the_handbooks():
    assert admissible("B", 5, regular=True) == ("平平仄仄平",)
    assert set(admissible("a", 5, regular=True)) == {"平仄平平仄", "仄仄平平仄"}
    sizes = {kind: len(admissible(kind, 7, regular=True)) for kind in "aAbB"}
    assert sizes == {"a": 4, "A": 4, "b": 4, "B": 2}


def test_no_lone_level_tone_even_where_licences_are_taken():
    for length in (5, 7):
        assert not [s for s in admissible("B", length) if s[-5:] == "仄平仄仄平"]
