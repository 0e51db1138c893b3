"""Characters that no ordinary font shows: whoever gives one gets it back, and none is written."""

import pytest

from tang_rnn import TangPoet
from tang_rnn.rules.vocabulary import CHARACTER
from tang_rnn.verse import split_lines

RARE = "𣸣"


@pytest.fixture(scope="module")
def poet():
    return TangPoet.from_pretrained("lstm")


def test_none_may_be_written(poet):
    vocabulary = poet.vocabulary
    assert RARE in vocabulary.ids
    for token, char in enumerate(vocabulary.tokens):
        if len(char) == 1 and char > "\uffff":
            assert not vocabulary.masks[CHARACTER, token]
    found = poet.write(form="七律", regulated=True, temperature=1.8, count=4, seed=1)
    assert not any(char > "\uffff" for poem in found for char in poem.text)


def test_one_that_is_given_stands(poet):
    assert poet.write(RARE, form="五绝", seed=1).text.startswith(RARE)
    lines = split_lines(poet.write(acrostic=f"春{RARE}秋冬", form="七绝", seed=1).text)
    assert [line[0] for line in lines] == ["春", RARE, "秋", "冬"]
    assert split_lines(poet.write(form="五绝", fixed={(2, 3): RARE}, seed=1).text)[1][2] == RARE
