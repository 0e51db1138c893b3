"""TangPoet writes what was asked for, the same again by the same seed, and says in words what it cannot do."""

import pickle
import random
from inspect import signature

import pytest
import torch

from tang_rnn import PoetError, RuleConflict, TangPoet
from tang_rnn.poet import CELLS
from tang_rnn.verse import FORMS, PINGSHUI, STOP, check
from tang_rnn.writing import search
from tang_rnn.writing.request import OPTIONS
from tang_rnn.writing.sampling import WARMTH, Sampling, largest


@pytest.fixture(scope="module")
def poets():
    return {cell: TangPoet.from_pretrained(cell) for cell in CELLS}


@pytest.fixture(scope="module")
def poet(poets):
    return poets["lstm"]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("form", [name for name, form in FORMS.items() if form.num_lines])
def test_a_form_gives_exactly_its_lines(poets, cell, form):
    poems = poets[cell].write(["春", "秋风"], form=form, count=2, seed=1)
    for poem in poems:
        assert [len(line) for line in poem.lines] == [FORMS[form].line_length] * FORMS[form].num_lines
        assert poem.form == form and poem.cell == cell and poem.text.startswith(poem.opening)
    assert [poem.opening for poem in poems] == ["春", "春", "秋风", "秋风"]


@pytest.mark.parametrize("cell", CELLS)
def test_regulated_poems_pass_the_judge(poets, cell):
    for form in ("五绝", "七绝", "五律", "七律"):
        poem = poets[cell].write("月", form=form, regulated=True, seed=3, candidates=2)
        assert check(poem.text).ok, f"{poem}\n{poem.prosody}"


@pytest.mark.parametrize("cell", CELLS)
def test_without_a_form_a_poem_ends_and_uses_known_characters(poets, cell):
    for opening in ("", "山", "白日依山尽，黄"):
        for poem in poets[cell].write([opening], count=4, seed=5):
            assert poem.text.startswith(opening) and poem.text.endswith(STOP)
            assert "<" not in poem.text and len(poem.text) <= 200


def test_the_same_seed_gives_the_same_poem_whatever_else_happens(poet):
    first = poet.write("春", form="七绝", seed=11)
    torch.manual_seed(5)
    random.seed(5)
    poet.write("秋", form="五律", seed=2)
    torch.rand(3)
    assert poet.write("春", form="七绝", seed=11) == first
    assert poet.write("春", form="七绝", seed=12) != first
    state = torch.random.get_rng_state()
    poet.write("春", seed=1)
    assert torch.equal(torch.random.get_rng_state(), state), "writing leaves torch's own random numbers alone"


def test_a_poem_of_a_batch_is_written_again_by_its_own_seed(poet):
    poems = poet.write(["春", "月"], form="五绝", count=3, seed=100)
    assert [poem.seed for poem in poems] == [100, 101, 102, 103, 104, 105]
    for poem in poems:
        assert poet.write(poem.opening, form="五绝", seed=poem.seed).text == poem.text


def test_no_two_poems_of_a_call_draw_the_same(poet):
    assert poet.write(["春", "春", "春"], form="五绝", seed=7) == poet.write("春", form="五绝", seed=7, count=3)
    with pytest.raises(PoetError, match="seed must be a whole number between"):
        poet.write(["春", "月"], form="五绝", seed=OPTIONS["seed"].most)


def test_log_prob_is_the_models_own(poet):
    poem = poet.write("春", form="五绝", seed=4, title="江南")
    context = poet.tokenizer.context("<五绝>", "", "江南")
    log_prob, characters = poet.score(poem.text, context, skip=1)
    assert characters == poem.characters == len(poem.text)
    assert log_prob == pytest.approx(poem.log_prob, abs=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_no_line_and_no_rhyme_word_returns(poets, cell):
    for form in (None, "七律", "五古"):
        for poem in poets[cell].write([""], form=form, count=16, seed=1):
            assert len(set(poem.lines)) == len(poem.lines), poem.text
            rhymes = [line[-1] for line in poem.lines[1::2]]
            assert len(set(rhymes)) == len(rhymes), poem.text


def test_a_poet_goes_to_other_processes(poet):
    assert pickle.loads(pickle.dumps(poet)).write("春", form="五绝", seed=1) == poet.write("春", form="五绝", seed=1)


@pytest.mark.parametrize("name", ["candidates", "count", "no_repeat", "fixed", "nonsense"])
def test_a_stream_takes_what_write_takes_and_names_the_rest(poet, name):
    with pytest.raises(PoetError, match=name):
        poet.stream("春", **{name: 1})


def test_a_stream_gives_the_pieces_of_the_poem(poet):
    stream = poet.stream("月", form="七绝", seed=3, title="思乡")
    assert stream.poem is None
    pieces = list(stream)
    assert "".join(pieces) == stream.poem.text and pieces[0] == "月"
    assert stream.poem.text == poet.write("月", form="七绝", seed=3, title="思乡").text


def test_beam_search_ignores_the_seed_and_finds_likelier_poems(poet):
    drawn = poet.write("春", form="五绝", seed=1)
    found = poet.write("春", form="五绝", num_beams=4, seed=1)
    assert found.text == poet.write("春", form="五绝", num_beams=4, seed=2).text
    assert found.log_prob > drawn.log_prob and len(found.lines) == 4


def test_other_scripts_are_understood_and_written(poet):
    poem = poet.write("風, 雲", form="五绝", seed=1)
    assert poem.text.startswith("风云")
    traditional = poem.traditional()
    assert traditional.text.startswith("風雲") and check(traditional.text).form == "五绝"


def test_the_rules_choose_a_form_where_none_is_named(poet):
    assert poet.write(acrostic="春夏秋冬", seed=1).form == "七绝"
    assert poet.write(acrostic="一二三四五六七八", seed=1).form == "七律"
    assert poet.write("春", regulated=True, seed=1, candidates=1).form == "七绝"
    assert poet.write(pattern="五律平起首句入韵", seed=1, candidates=1).prosody.pattern == "五律平起首句入韵"


def test_context_changes_the_poem(poet):
    plain = poet.write("月", form="五绝", seed=9)
    told = poet.write("月", form="五绝", seed=9, poet="李白", title="送别")
    assert told.text != plain.text and told.poet == "李白" and told.title == "送别"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"opening": "x"}, "does not know 'x' in the opening; try a Chinese character"),
        ({"opening": "😀"}, "does not know '😀'"),
        ({"opening": "<s>"}, "does not know '<'"),
        ({"opening": "春" * 10_000}, "too long"),
        ({"opening": "，春"}, "cannot begin"),
        ({"acrostic": "春x", "form": "五绝"}, "in acrostic"),
        ({"poet": "李四"}, "does not know the poet '李四'; it knows 白居易"),
        ({"count": 0}, "count must be a whole number, 1 or more"),
        ({"candidates": 0}, "candidates must be a whole number between"),
        ({"seed": -1}, "seed must be a whole number between"),
        ({"temperature": 0}, "temperature must be above 0"),
        ({"top_p": 1.5}, "top_p must be"),
        ({"top_k": -1}, "top_k must be"),
        ({"num_beams": 99}, "num_beams must be"),
        ({"warmth": 1}, "no option warmth"),
        ({"opening": None}, "the opening must be text"),
        ({"opening": 7}, "the opening must be text"),
        ({"opening": ["春", None]}, "the opening must be text"),
        ({"form": 5}, "form must be text"),
        ({"count": "3"}, "count must be a whole number, 1 or more, not '3'"),
        ({"temperature": "hot"}, "temperature must be above 0"),
        ({"regulated": 1}, "regulated must be true or false"),
        ({"fixed": {(1, 1): "春风"}, "form": "五绝"}, "fixed must give characters"),
        ({"fixed": "月"}, "fixed must give characters"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(poet, options, words):
    with pytest.raises(PoetError, match=words) as caught:
        poet.write(**options)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def strange(poet) -> dict[str, str]:
    """Characters that the poems never use, by tone: a level one that rhymes, an oblique one, and one of no book."""
    unknown = [
        char for char in map(chr, range(0x4E00, 0x9FA6)) if poet.reader.normalize(char) not in poet.vocabulary.ids
    ]
    level = next(char for char in unknown if PINGSHUI.tone(char, strict=True) == "平" and PINGSHUI.readings(char))
    oblique = next(char for char in unknown if PINGSHUI.tone(char, strict=True) == "仄")
    return {"平": level, "仄": oblique, "？": next(char for char in unknown if PINGSHUI.tone(char) == "？")}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("tone", ["平", "仄", "？"])
def test_any_han_character_may_be_given(poets, strange, cell, tone):
    char, writer = strange[tone], poets[cell]
    for options in (
        {"opening": char},
        {"opening": f"{char}，春", "seed": 2},
        {"opening": char, "form": "七律", "regulated": True, "candidates": 2},
        {"acrostic": f"春{char}", "form": "五绝"},
        {"fixed": {(2, 2): char}, "form": "五律", "regulated": True, "candidates": 2},
    ):
        poem = writer.write(**{"seed": 1} | options)
        assert poem.text.count(char) == 1 and "<" not in poem.text
        assert poem.prosody.ok or not options.get("regulated"), poem.prosody
        if "opening" not in options:
            assert poem.characters == len(poem.text), "what nobody wrote does not count: all but it, and the end"
            told = writer.reader.context(poem.form, "", "")[0]
            assert writer.score(poem.text, told) == pytest.approx((poem.log_prob, poem.characters), abs=1e-2)
    found = writer.write(acrostic=char, form="五绝", num_beams=2)
    assert found.text.startswith(char) and len(found.lines) == 4


def test_an_unknown_character_rhymes_as_the_book_says(poet, strange):
    group = PINGSHUI.readings(strange["平"])[0]
    poem = poet.write(acrostic_tail=f"山{strange['平']}", form="五绝", rhyme=group, seed=1)
    assert poem.lines[1].endswith(strange["平"]) and group in PINGSHUI.readings(poem.lines[3][-1])
    other = next(name for name in PINGSHUI.level_groups if name not in PINGSHUI.readings(strange["平"]))
    with pytest.raises(RuleConflict, match="does not rhyme"):
        poet.write(acrostic_tail=f"山{strange['平']}", form="五绝", rhyme=other)
    with pytest.raises(RuleConflict, match="does not rhyme"):
        poet.write(acrostic_tail=f"山{strange['仄']}", form="五绝", rhyme=True)


def test_a_stream_under_rules_gives_what_write_gives(poet):
    for options in (
        {"regulated": True},
        {"rhyme": True},
        {"pattern": "七绝平起首句入韵"},
        {"top_k": 5, "poet": "李白"},
    ):
        stream = poet.stream("月", form="七绝", seed=3, **options)
        assert "".join(stream) == stream.poem.text
        assert stream.poem == poet.write("月", form="七绝", seed=3, **options)


def test_poems_come_a_portion_at_a_time_and_from_any_number(poet, monkeypatch):
    monkeypatch.setattr(search, "LARGEST_BATCH", 2)
    whole = poet.write(["春", "月"], count=3, seed=5, form="五绝")
    assert list(poet.each(["春", "月"], count=3, seed=5, form="五绝")) == whole
    assert list(poet.each(["春", "月"], count=3, seed=5, form="五绝", first=3)) == whole[3:]
    with pytest.raises(PoetError):
        poet.each("x")  # at once, not with the first poem


def test_the_signature_names_the_options(poet):
    parameters = signature(poet.write).parameters
    assert {"opening", "form", "fixed", "temperature", "count"} <= parameters.keys()
    assert parameters["temperature"].default == Sampling().temperature and "such as 一东" in poet.write.__doc__


def test_rule_conflicts_come_before_writing(poet):
    with pytest.raises(RuleConflict, match="the opening is too long"):
        poet.write("春" * 21, form="五绝")
    with pytest.raises(RuleConflict, match="no form"):
        poet.write("春", form="十四行")


@pytest.mark.parametrize("name", ["gpt", "no/such/folder", "/nowhere"])
def test_loading_what_is_not_there(name):
    with pytest.raises(PoetError, match="name a cell"):
        TangPoet.from_pretrained(name)


def test_a_folder_that_is_no_checkpoint(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(PoetError, match="cannot load"):
        TangPoet.from_pretrained(tmp_path)


@pytest.mark.parametrize("width", [9, 640, 6823])
def test_the_largest_are_those_of_the_whole_row(width):
    """Also where hardly any may come, as under rules."""
    scores = torch.randn(20, width, generator=torch.Generator().manual_seed(0))
    scores[:9] = scores[:9].masked_fill(torch.rand(9, width, generator=torch.Generator().manual_seed(1)) > 0.02, -9e9)
    values, tokens = largest(scores, min(64, width))
    assert torch.equal(values, scores.topk(min(64, width)).values) and torch.equal(values, scores.gather(1, tokens))
    assert all(len(set(row)) == len(row) for row in tokens.tolist())


def test_drawing_follows_the_probabilities():
    """The sampler against torch's own arithmetic: frequencies over a grid of random numbers."""
    logits = torch.tensor([[2.0, 0.0, 1.0, -1.0]])
    uniform = (torch.arange(1000) + 0.5) / 1000
    drawn = Sampling(temperature=1, top_k=0, top_p=1).draw(logits.expand(1000, -1), uniform)
    frequencies = drawn.bincount(minlength=4) / 1000
    assert torch.allclose(frequencies, logits[0].softmax(0), atol=2e-3)
    nucleus = Sampling(temperature=1, top_k=0, top_p=0.7).draw(logits.expand(1000, -1), uniform)
    assert set(nucleus.tolist()) == {0, 2}  # 0.64 and then 0.24 pass 0.7
    assert set(Sampling(temperature=1, top_k=1, top_p=1).draw(logits.expand(1000, -1), uniform).tolist()) == {0}


def test_what_is_drawn_warmly_is_drawn_at_a_higher_temperature_and_the_rest_as_usual():
    scores = torch.randn(2000, 50, generator=torch.Generator().manual_seed(0))
    uniform, warm = torch.rand(2000, generator=torch.Generator().manual_seed(1)), torch.arange(2000) % 2 == 0
    usual, warmer = Sampling(temperature=1, top_k=20), Sampling(temperature=WARMTH, top_k=20)
    drawn = usual.draw(scores, uniform, warm)
    assert torch.equal(drawn[warm], warmer.draw(scores[warm], uniform[warm])) and WARMTH > 1
    assert torch.equal(drawn[~warm], usual.draw(scores[~warm], uniform[~warm]))
    assert not torch.equal(drawn[warm], usual.draw(scores[warm], uniform[warm]))
