"""A hand laid on a poem: what stays stands word for word, the rest fits it, and the rules hold at every step."""

import math
import random
from collections import Counter

import pytest
import torch

from tang_rnn import PoetError, RuleConflict, TangPoet
from tang_rnn.faults import Fault
from tang_rnn.inspection import inspect
from tang_rnn.rules import Plan, Rules, placements
from tang_rnn.verse import FORMS, check, split_lines
from tang_rnn.verse.associations import associations
from tang_rnn.writing.particles import March, Particles, gather
from tang_rnn.writing.request import checked
from tang_rnn.writing.sampling import Sampling

LIBAI = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
WANG = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


@pytest.fixture(scope="module")
def poet():
    return TangPoet.from_pretrained("lstm")


@pytest.fixture(scope="module")
def octave(poet):
    return poet.write("春", form="七律", regulated=True, seed=3, candidates=2)


def changed(lines, line, place, text):
    lines = list(lines)
    lines[line - 1] = lines[line - 1][: place - 1] + text + lines[line - 1][place - 1 + len(text) :]
    return "".join(each + "，。"[number % 2] for number, each in enumerate(lines))


# -- what else could stand there --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("line", "place", "characters"), [(1, 2, 1), (4, 7, 1), (8, 5, 1), (3, 1, 2)])
def test_an_alternative_has_the_log_prob_of_the_whole_poem(poet, octave, line, place, characters):
    found = poet.alternatives(octave, line, place, most=4, characters=characters)
    assert [one.log_prob for one in found] == sorted((one.log_prob for one in found), reverse=True)
    context = poet.tokenizer.context("<七律>")
    for one in found:
        text = changed(octave.lines, line, place, one.text)
        assert len(one.text) == characters and text != octave.text
        assert one.log_prob == pytest.approx(poet.score(text, context)[0], abs=2e-3)


def test_no_likelier_alternative_is_overlooked(checkpoint):
    """Of a small vocabulary all can be tried."""
    poet = TangPoet.from_pretrained(checkpoint)
    text = "春眠不觉晓，处处闻鸟。"  # lines of no form: no rules
    every = [char for char in poet.vocabulary.ids if char not in text + "，。"]
    scores = {char: poet.score(text.replace("不", char), "<杂言>")[0] for char in every}
    best = sorted(every, key=scores.get, reverse=True)
    found = [one.text for one in poet.alternatives(text, 1, 3, most=16) if one.text not in text]
    assert found[:4] == best[:4]


def test_alternatives_say_which_rules_they_break(poet, octave):
    for line, place in ((2, 7), (3, 2), (5, 4)):
        found = poet.alternatives(octave, line, place, most=12)
        assert sum(not one.faults for one in found) >= 9
        for one in found:
            judged = check(changed(octave.lines, line, place, one.text), "七律")
            assert [fault.name for fault in one.faults] == [fault.name for fault in judged.violations]


def test_faults_that_stand_elsewhere_are_not_an_alternatives(poet):
    assert not check(LIBAI).ok
    for one in poet.alternatives(LIBAI, 4, 5):
        assert all(fault.line == 4 for fault in one.faults)


def test_a_place_must_be_there(poet):
    for line, place, key in ((5, 1, "no_line"), (1, 6, "no_place"), (0, 1, "whole_from"), (1, 0, "whole_from")):
        with pytest.raises(PoetError) as raised:
            poet.alternatives(WANG, line, place)
        assert raised.value.key == key
    with pytest.raises(PoetError, match="no character 6"):
        poet.alternatives(WANG, 1, 5, characters=2)
    with pytest.raises(Fault, match="no poem"):
        poet.alternatives("", 1, 1)


# -- writing through what is fixed ------------------------------------------------------------------------------------


def test_rows_are_drawn_as_often_as_they_weigh():
    weight = torch.tensor([0.5, 0.25, 0.25, 0.0]).log()
    for uniform in (0.1, 0.5, 0.9):
        rows = gather(weight, 8, torch.tensor([uniform]))
        assert rows.bincount(minlength=4).tolist() == [4, 2, 2, 0]


def test_a_march_branches_before_what_is_fixed_and_gathers_behind_it(poet):
    fixed = {(1, 3): "山", (1, 4): "水", (2, 5): "流", (3, 1): "不"}
    march = March(Plan(Rules(form="五绝", fixed=fixed), poet.vocabulary), first=0)
    assert march.branching == {1, 9}  # before 山, and before 流, behind which a mark and 不 come at once
    assert march.gathering == [3, 12]


def test_of_a_line_that_is_kept_a_few_characters_tell_which_rows_lead_into_it(poet):
    fixed = {(line, place): "处处闻啼鸟"[place - 1] for line in (2, 3) for place in range(1, 6)}
    march = March(Plan(Rules(form="五绝", fixed=fixed), poet.vocabulary), first=0)
    assert march.branching == {4}  # the last free character before them
    assert march.gathering == [8, 16]  # behind the third character, and behind both lines


def test_what_is_fixed_is_led_up_to(poet):
    """The probability of a fixed character is higher than where the rows just come upon it."""

    options = checked({"form": "五绝", "fixed": {(2, 3): "琵"}})

    def log_probs(*rows):
        total = 0.0
        for seed in range(24):
            request = poet.reader.request("", options, seed)
            (prompt,), constraint = poet.prompts([request]), poet.constraint([request])
            (row,) = Particles(poet.recurrence, constraint, prompt, seed, Sampling(), 1, *rows).finish()
            (found,) = (
                c for c in inspect(poet, poet.poem(request, row).text, request.context).characters if c.text == "琵"
            )
            total += math.log(found.probability)
        return total

    assert log_probs(32, 1, 8) > log_probs(1, 1, 1) + 12


def test_revision_keeps_what_is_to_stay_and_the_rules(poet, octave):
    """A few of the many random revisions that were tried by hand."""
    chance = random.Random(5)
    for seed in range(6):
        keep = chance.sample(range(1, 9), chance.randrange(3))
        line, place = chance.choice([n for n in range(1, 9) if n not in keep]), chance.randrange(1, 8)
        fixed = {(line, place): octave.lines[line - 1][place - 1]}
        poem = poet.revise(octave, keep=keep, fixed=fixed, seed=seed, candidates=2)
        assert poem.prosody.ok and poem.form == "七律" and poem.text.startswith("春")
        assert all(poem.lines[number - 1] == octave.lines[number - 1] for number in keep)
        assert poem.lines[line - 1][place - 1] == fixed[line, place]
        assert poem.text != octave.text
        assert poet.revise(octave, keep=keep, fixed=fixed, seed=seed, candidates=2).text == poem.text


def test_what_stayed_once_may_go_the_next_time(poet, octave):
    first = poet.revise(octave, keep=[3, 4], seed=1, candidates=2)
    again = poet.revise(first, keep=[1], seed=2, candidates=2)
    assert again.lines[0] == first.lines[0] and not {*again.lines[1:]} & {*octave.lines, *first.lines}
    assert again.text.startswith("春") and again.rules == first.rules


@pytest.mark.parametrize("free", [(4, 1), (4, 3), (4, 5), None])
def test_what_is_written_anew_is_never_the_same_again(poet, free):
    """However sure the network is of the old line, and although the best of many candidates is asked for."""
    places = {(4, place): char for place, char in enumerate("更上一层楼", 1)}
    fixed = {place: char for place, char in places.items() if free and place != free}
    for candidates, text in ((1, WANG), (8, WANG), (8, LIBAI.replace("低头思故乡", "更上一层楼"))):
        for seed in range(3):
            poem = poet.revise(text, keep=[1, 2, 3], fixed=fixed, seed=seed, candidates=candidates)
            old = split_lines(text)
            assert poem.lines[:3] == old[:3] and poem.lines[3] != old[3] and poem.rules.avoid == ()
            assert all(poem.lines[3][place - 1] == char for (_, place), char in fixed.items())
            assert poem == poet.revise(text, keep=[1, 2, 3], fixed=fixed, seed=seed, candidates=candidates)


def test_each_line_that_may_be_another_is(poet, octave):
    poem = poet.revise(octave, fixed={(2, 3): octave.lines[1][2]}, keep=[5], seed=1, temperature=0.1, candidates=2)
    assert [old == new for old, new in zip(octave.lines, poem.lines)] == [number == 4 for number in range(8)]


def test_where_nothing_else_is_left_that_is_said(poet):
    """Of a rhyme group all are to be avoided but what rhymes already: nothing is drawn against the rules."""
    text = "孤舟一夜雨，独宿在寒江。双月无人见，清光入小窗。"  # 双 rhymes, but is used up
    group = poet.vocabulary.groups[poet.vocabulary.ids["江"]] & poet.vocabulary.groups[poet.vocabulary.ids["窗"]]
    rhyming = [c for c, i in poet.vocabulary.ids.items() if poet.vocabulary.groups[i] & group and c not in text]
    fixed = {(4, place): char for place, char in enumerate("清光入小", 1)}
    assert poet.revise(text, keep=[1, 2, 3], fixed=fixed, rhyme=True, seed=1).lines[3] in {
        "清光入小" + char for char in rhyming
    }
    with pytest.raises(RuleConflict) as raised:
        poet.revise(text, keep=[1, 2, 3], fixed=fixed, rhyme=True, avoid=rhyming, seed=1)
    assert raised.value.key == "nothing_else"


def test_a_poem_that_is_brought_is_revised_by_the_rules_that_it_keeps(poet):
    assert poet.revise(WANG, keep=[2], seed=1).prosody.ok
    free = poet.revise(LIBAI, keep=1, seed=1)
    assert free.lines[0] == "床前明月光" and free.form == "五绝"
    mixed = poet.revise("噫吁嚱，危乎高哉。蜀道之难，难于上青天。", keep=[3], fixed={(4, 5): "山"}, seed=1)
    assert list(map(len, mixed.lines)) == [3, 4, 4, 5]
    assert mixed.lines[2] == "蜀道之难" and mixed.lines[3].endswith("山")


def test_a_kept_line_may_have_a_licence(poet):
    """平平仄平仄 (拗救) fits no formula; the best of poems have it."""
    poem = poet.revise("昔闻洞庭水，今上岳阳楼。吴楚东南坼，乾坤日夜浮。" * 2, keep=[1], regulated=True, seed=1)
    assert poem.lines[0] == "昔闻洞庭水" and poem.prosody.ok


def test_what_cannot_be_revised_is_named(poet, octave):
    other = next(char for char in "山月" if char != octave.lines[0][1])
    for options, key in (
        ({"keep": [9]}, "no_line"),
        ({"keep": "一"}, "not_lines"),
        ({"fixed": {(1, 8): "月"}}, "no_place"),
        ({"keep": range(1, 9)}, "nothing_to_write"),
        ({"keep": 1, "fixed": {(1, 2): other}}, "two_characters"),
        ({"fixed": {(2, 7): "月"}}, "no_pattern"),
        ({"fixed": {(2, 7): "x"}}, "unknown"),
        ({"form": "五绝"}, "no_option"),
    ):
        with pytest.raises((PoetError, RuleConflict)) as raised:
            poet.revise(octave, **options)
        assert raised.value.key == key, options


# -- asked for at the outset ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["五绝", "七律"])
def test_words_that_must_occur_do(poet, form):
    for seed in range(3):
        poem = poet.write(form=form, regulated=True, include=["琵琶", "江"], seed=seed, candidates=2)
        assert any("琵琶" in line for line in poem.lines) and "江" in poem.text and poem.prosody.ok
        assert poem == poet.write(form=form, regulated=True, include=["琵琶", "江"], seed=seed, candidates=2)


def test_a_word_that_is_given_already_takes_no_other_place(poet):
    rules = Rules(form="五绝", opening="琵琶", include=["琵琶"])
    (only,) = placements(rules, poet.vocabulary, 4)
    assert only.fixed == ()


def test_rhyming_ends_are_given_in_order(poet):
    poem = poet.write(form="五律", regulated=True, rhyme_words="楼流秋舟", seed=1, candidates=2)
    assert [line[-1] for line in poem.lines[1::2]] == list("楼流秋舟") and poem.prosody.ok
    poem = poet.write(rhyme_words="东风中", seed=1)
    assert [poem.lines[number][-1] for number in (0, 1, 3)] == list("东风中") and poem.form == "七绝"


def test_words_and_characters_are_avoided(poet):
    free = [line for poem in poet.write("", form="七绝", seed=1, count=30) for line in poem.lines]
    pairs = Counter(a + b for line in free for a, b in zip(line, line[1:]) if a != b)
    chars = Counter("".join(free))  # both are to stand elsewhere, too
    often = [(word, n) for word, n in pairs.items() if n > 1]
    word, count = max(often, key=lambda found: min(chars[char] for char in found[0]) - found[1])
    other = next(char for char, _ in Counter("".join(free)).most_common() if char not in word)
    assert count > 1
    lines = [line for poem in poet.write("", form="七绝", seed=1, count=30, avoid=[word, other]) for line in poem.lines]
    assert not any(word in line or other in line for line in lines)
    assert any(word[0] in line for line in lines) and any(word[1] in line for line in lines)
    for avoid, given in (("春花", ("春", "花")), ("明月 春", ("明月", "春")), (["明月"], ("明月",))):
        assert poet.write(form="五绝", avoid=avoid, seed=1).rules.avoid == given


def test_a_word_to_be_avoided_is_not_completed_by_what_is_fixed(poet):
    for seed in range(8):
        poem = poet.write(form="五绝", fixed={(2, 2): "月"}, avoid=["明月", "秋月", "江月", "夜月"], seed=seed)
        assert poem.lines[1][:2] not in ("明月", "秋月", "江月", "夜月")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"include": ["明月"], "avoid": ["月"]}, "avoided"),
        ({"include": ["琵琶行路难行"], "form": "五绝"}, "no_place_for"),
        ({"include": ["琵琶"], "form": "杂言"}, "needs_form"),
        ({"include": ["pipa"], "form": "五绝"}, "unknown"),
        ({"include": 7}, "not_words"),
        ({"rhyme_words": "楼流秋", "form": "五律"}, "rhyme_words_of_form"),
        ({"rhyme_words": "楼山", "form": "五绝"}, "no_rhyme_with_others"),
        ({"rhyme_words": "楼楼", "form": "五绝"}, "rhyme_twice"),
        ({"opening": "明月", "form": "五绝", "avoid": ["明月"]}, "avoided"),
        ({"opening": "明月", "avoid": ["明月"]}, "avoided"),
        ({"opening": WANG, "form": "五绝"}, "nothing_to_write"),
        ({"opening": "白日依山 黄河入海流", "form": "五绝"}, "length_of_line"),
    ],
)
def test_conflicts_are_named_before_anything_is_written(poet, options, key):
    with pytest.raises((PoetError, RuleConflict)) as raised:
        poet.write(**options)
    assert raised.value.key == key


def test_what_is_given_is_never_the_whole_poem(poet):
    for seed in range(6):
        for given in ("白日依山尽\n黄河入海流", "白日依山尽 黄河入海流 欲穷千里目 更上一层楼", WANG, WANG.rstrip("。")):
            poem = poet.write(given, seed=seed)
            lines = split_lines(given)
            assert poem.lines[: len(lines)] == lines and len(poem.lines) > len(lines)
        assert len(poet.write(WANG, form="五古", seed=seed).lines) > 4


def test_a_hidden_name_rhymes_and_may_have_lines_left_over(poet):
    for name, form in (("王小明", "七绝"), ("欧阳修之子", "七律")):
        for options in ({}, {"regulated": True, "candidates": 2}):
            poem = poet.write(acrostic=name, seed=1, **options)
            assert poem.form == form and "".join(line[0] for line in poem.lines).startswith(name)
            assert poem.prosody.rhyme_group in poet.vocabulary.book.level_groups
            assert FORMS[form].num_lines == len(poem.lines)


# -- line by line, and line for line ----------------------------------------------------------------------------------


def test_next_lines_keep_the_rules_and_differ(poet):
    """A quatrain line by line from an empty sheet: whatever is chosen, the rules hold."""
    text = ""
    for number in range(4):
        lines = poet.next_lines(text, form="七绝", regulated=True, seed=number)
        assert len({line.text for line in lines}) == 6 and len({line.text[:2] for line in lines}) > 2
        assert lines == poet.next_lines(text, form="七绝", regulated=True, seed=number)
        text += lines[number].text + "，。"[number % 2]
    assert check(text, "七绝").ok
    with pytest.raises(RuleConflict, match="nothing is left"):
        poet.next_lines(text, form="七绝")


def test_a_line_begun_is_gone_on_with(poet):
    assert all(line.text.startswith("黄河") for line in poet.next_lines("白日依山尽，黄河", form="五绝", seed=1))
    fixed = poet.next_lines("白日依山尽", form="五绝", fixed={(2, 3): "月"}, seed=1)
    assert all(line.text[2] == "月" and len(line.text) == 5 for line in fixed)


def test_without_a_form_lines_go_on_behind_what_is_given(poet):
    for given in ("白日依山尽", "白日依山尽\n黄河入海流", WANG):
        for line in poet.next_lines(given, seed=2, count=4):
            assert line.text not in given and 3 <= len(line.text) <= 11
            assert line.log_prob < 0


@pytest.mark.parametrize(
    "line",
    ["细雨鱼儿出", "明月松间照", "两个黄鹂鸣翠柳", "无边落木萧萧下", "微风燕子斜", "我爱北京天安门", "春江潮水连海平"],
)
def test_an_answer_is_the_other_half_of_a_couplet(poet, line):
    tone = poet.vocabulary.book.tone
    answers = poet.answer(line, seed=1)
    assert len({answer.text for answer in answers}) == 6
    for answer in answers:
        assert len(answer.text) == len(line) and not set(answer.text) & set(line)
        for place in {*range(1, len(line), 2), len(line) - 1}:
            assert {tone(line[place]), tone(answer.text[place])} != {"平"}
            assert {tone(line[place]), tone(answer.text[place])} != {"仄"}
        for one in range(len(line)):  # what is repeated is answered by what is repeated, and only that
            for other in range(one):
                assert (line[one] == line[other]) == (answer.text[one] == answer.text[other])
        assert answer.first == (tone(line[-1]) == "平")


def test_a_line_in_parts_is_answered_in_such_parts(poet):
    for answer in poet.answer("春风化雨，润物无声", seed=1, count=3):
        assert [len(part) for part in split_lines(answer.text)] == [4, 4]


def test_answers_are_more_parallel_than_lines_by_chance(poet):
    tables, lines = associations(), ["细雨鱼儿出", "明月松间照", "白日依山尽", "海内存知己"]
    found = [poet.answer(line, seed=1, count=1, first=False)[0].text for line in lines]

    def parallel(line, other):
        given, answer = tables.indices([[line]])[0, 0], tables.indices([[other]])[0, 0]
        return tables.opposite(given)[range(5), answer].mean()

    answered = sum(map(parallel, lines, found))
    assert answered > 2 * max(sum(map(parallel, lines, found[turn:] + found[:turn])) for turn in (1, 2, 3))


def test_what_cannot_be_answered_is_named(poet):
    for line, key in (("春眠", "answered_length"), ("", "answered_length"), ("春眠不觉晓" * 3, "answered_length")):
        with pytest.raises(PoetError) as raised:
            poet.answer(line)
        assert raised.value.key == key
    with pytest.raises(PoetError, match="does not know"):
        poet.answer("abcdef")


# -- what would mend a fault ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "best"),
    [
        ("白日依山尽，黄河入海流。欲穷千里目，更上一层天。", {"天": "楼"}),
        ("床前明月光，疑是地上霜。举头望明月，低头思故乡。", {"上": "", "头": ""}),
        ("红豆生南国，春来发几枝。愿君多采撷，此物最相知。", {}),
        (
            "空山新雨后，天气晚来秋。明月松间照，清泉石上流。竹喧归浣女，莲动下渔舟。随意春芳歇，王孙自可回。",
            {"回": ""},
        ),
    ],
)
def test_what_is_suggested_mends_its_fault_and_makes_none(poet, text, best):
    judged = check(text)
    found = poet.suggest(judged)
    assert [each.fault.character for each in found] == list(best)
    for each in found:
        assert 0 < len(each.characters) <= 5
        assert each.characters[0].text == (best[each.fault.character] or each.characters[0].text)
        for one in each.characters:
            mended = changed(split_lines(text), each.fault.line, each.fault.position, one.text)
            after = check(mended).violations
            assert len(after) < len(judged.violations) and one.text not in text
            assert (each.fault.line, each.fault.position) not in {(fault.line, fault.position) for fault in after}
