"""The verse forms: what they are, how a text is cut into lines, which form the lines make."""

import pytest

from tang_rnn.verse import FORM_TOKENS, FORMS, classify, split_lines


def test_each_form_is_consistent():
    for name, form in FORMS.items():
        assert form.name == name
        assert form.num_lines is None or form.num_lines == form.min_lines
        assert form.regulated <= (form.line_length in (5, 7))


def test_a_model_is_told_each_form_by_one_of_seven_tokens():
    assert FORM_TOKENS == ("<五绝>", "<七绝>", "<五律>", "<七律>", "<五古>", "<七古>", "<杂言>")


@pytest.mark.parametrize(
    "text",
    [
        "春眠不觉晓，处处闻啼鸟。",
        "春眠不觉晓\n处处闻啼鸟\n",
        " 春眠不觉晓,处处闻啼鸟. ",
        "「春眠不觉晓」，《处处》闻啼鸟？！",
    ],
)
def test_marks_and_white_space_end_lines_and_quotes_do_not(text):
    assert split_lines(text) == ["春眠不觉晓", "处处闻啼鸟"]


def test_nothing_has_no_lines():
    assert split_lines(" ，。\n") == []


@pytest.mark.parametrize(
    ("length", "lines", "name"),
    [(5, 4, "五绝"), (7, 4, "七绝"), (5, 8, "五律"), (7, 8, "七律"), (5, 6, "五古"), (7, 12, "七古"), (4, 4, "杂言")],
)
def test_length_and_number_of_lines_make_the_form(length, lines, name):
    assert classify(["字" * length] * lines).name == name


def test_uneven_lines_are_mixed():
    assert classify(["字" * 5, "字" * 7, "字" * 5, "字" * 5]).name == "杂言"
