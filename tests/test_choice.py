"""Which of several texts is taken: two readers grade its lines, and several beginnings go on side by side."""

import pytest

from tang_rnn import Rules, TangPoet
from tang_rnn.verse.quotations import OWN_LINES, LineIndex
from tang_rnn.writing.choice import READ, UNREAD, Choice, default_candidates
from tang_rnn.writing.drawing import Written
from tang_rnn.writing.search import OF_ONE
from tang_rnn.writing.second import Readings, SecondReader
from training.grading import given

REGULATED = {"form": "七绝", "regulated": True}


@pytest.fixture(scope="module")
def poet() -> TangPoet:
    return TangPoet.from_pretrained("rnn")


@pytest.fixture(scope="module")
def other() -> TangPoet:
    return TangPoet.from_pretrained("gru")


def written(poet, poem) -> Written:
    """All of a poem that has no opening, as a search would have written it."""
    return Written(poet.tokenizer(poem.text).input_ids[1:], 0.0, 0.0, 0.0)


def test_a_second_reader_grades_lines_as_its_own_grader_does(poet, other):
    """Whether whole poems are read at once or line by line, among others of other lengths."""
    poems = [poet.write("", form=form, regulated=True, seed=3, candidates=1) for form in ("七绝", "五绝", "七绝")]
    requests = [poet.asked("", {"form": poem.form, "regulated": True, "seed": 0})[0] for poem in poems]
    rows, numbers = [written(poet, poem) for poem in poems], [0, 1, 2]
    parts = ((poem.form, poem.lines[:count]) for poem in poems for count in range(1, 5))
    expected = iter(given(other, other.grader, [*parts]))
    sums = [[sum(next(expected) for _ in range(count)) for count in range(1, 5)] for _ in poems]

    def readings() -> Readings:
        return Readings(SecondReader(other.recurrence, other.grader), poet.prompts(requests), poet.vocabulary)

    assert readings().grades(numbers, rows) == pytest.approx([each[-1] for each in sums], abs=5e-2)
    read = readings()
    for line in range(4):
        begun = [row._replace(tokens=row.tokens[: (line + 1) * (len(row.tokens) // 4)]) for row in rows]
        for _ in range(2):  # asked again it says the same
            found = read.grades(numbers, begun)
            assert found == pytest.approx([each[line] for each in sums], abs=5e-2)


def test_a_second_reader_has_a_say_in_the_choice(poet, monkeypatch):
    """With one who dislikes a line, another is taken; and of what is written he reads only what ranks first."""
    plain, asked = poet.write("月", seed=3, **REGULATED), []

    def grades(self, numbers, rows):
        asked.append(len(rows))
        texts = [poet.poem(self.request, row).text for row in rows]
        return [-20.0 * plain.text.startswith(text) for text in texts]

    monkeypatch.setattr(Readings, "grades", grades)
    monkeypatch.setattr(Readings, "request", poet.asked("月", {"seed": 0, **REGULATED})[0], raising=False)
    assert poet.write("月", seed=3, **REGULATED).lines[0] != plain.lines[0]
    assert len(asked) == 4 and max(asked) == READ


def test_what_is_not_read_stands_behind_what_is(poet):
    request, *_ = poet.asked("", {"seed": 0, **REGULATED})
    poems = poet.write("", count=READ + 2, seed=1, candidates=1, **REGULATED)
    scores = Choice(poet, [request])([0] * len(poems), [written(poet, poem) for poem in poems])
    assert sum(score > -UNREAD / 2 for score in scores) == READ and min(scores) > -2 * UNREAD


def test_who_has_no_grader_or_a_taste_of_his_own_has_no_second_reader(poet, checkpoint, monkeypatch, tmp_path):
    assert poet.second_reader is not None
    small = TangPoet.from_pretrained(checkpoint)
    assert small.second_reader is None, "without a grader"
    monkeypatch.setattr(small, "grader", poet.grader)
    assert small.second_reader is None, "of other tokens"
    LineIndex.write(["白日依山尽"], tmp_path / OWN_LINES)
    monkeypatch.setattr(poet, "own_lines", LineIndex(tmp_path / OWN_LINES))
    assert poet.second_reader is None
    assert poet.write("月", seed=3, **REGULATED).prosody.ok


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_second_reader_is_another_cell(cell):
    poet = TangPoet.from_pretrained(cell)
    assert poet.second_reader.recurrence.config.cell_type == ("gru" if cell == "lstm" else "lstm")


def test_longer_poems_have_more_candidates():
    quatrain, octave = (default_candidates(Rules(form=form, regulated=True)) for form in ("五绝", "七律"))
    assert 1 < quatrain < octave and octave // OF_ONE > 1
    assert default_candidates(Rules(form="五律")) == 1 == default_candidates(Rules())
    assert default_candidates(Rules(form="五排", regulated=True, num_lines=12)) == octave
    assert default_candidates(Rules(form="七绝", pattern="仄起首句入韵")) == quatrain
    through = default_candidates(Rules(form="七律", regulated=True, acrostic="春夏秋冬"))
    assert through < octave, "where whole poems are chosen from, each is written by many rows as it is"


def test_several_beginnings_go_on_from_the_second_line_to_the_last(poet, monkeypatch):
    behind, call = [], Choice.__call__

    def noted(self, numbers, rows, *args):
        behind.append({tuple(poet.poem(self.requests[0], row).lines[:-1]) for row in rows})
        return call(self, numbers, rows, *args)

    monkeypatch.setattr(Choice, "__call__", noted)
    poem = poet.write("秋", form="五绝", regulated=True, seed=2, candidates=3 * OF_ONE)
    assert [len(each) for each in behind] == [1, 1, 3, 3]
    assert all(tuple(poem.lines[:count]) in each for count, each in enumerate(behind))


def test_only_lines_that_all_beginnings_have_are_settled(poet):
    """What a stream has shown never changes."""
    options = {"form": "七律", "regulated": True, "seed": 6}
    request, sampling, candidates = poet.asked("江", options)
    search = poet.search([request], sampling, candidates, poet.choice([request]))
    shown = []
    for _ in search:
        shown += [poet.plan(request).text("江", tokens) for tokens in search.settled().values()]
    assert len(shown) > 2 and all(after.startswith(before) for before, after in zip(shown, shown[1:]))
    assert shown[-1] == poet.write("江", **options).text == "".join(poet.stream("江", **options))
