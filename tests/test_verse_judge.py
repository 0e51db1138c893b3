"""The judge, which must be neither blind nor unjust."""

import itertools
import json
import random

import pytest
from famous import FAMOUS

from tang_rnn.verse import PINGSHUI, admissible, check, patterns

REGULATED = [("五绝", None), ("七绝", None), ("五律", None), ("七律", None), ("五排", 10), ("七排", 12)]
EVERY_PATTERN = [pattern for form, lines in REGULATED for pattern in patterns(form, lines)]

# Regulated poems that the handbooks find no fault with.
CLEAN = [row["text"] for row in FAMOUS if row["pattern"].endswith("韵") and not row["faults"]]


def found(text, form=None):
    """The violations as (name, line, position)."""
    return [(v.name, v.line, v.position) for v in check(text, form).violations]


LEVEL, OBLIQUE, RHYMES = "春风山花人天烟云楼", "月雨雪水鸟草客日", "阳香光堂霜床方凉芳狂羊房"


def poem_of(pattern, strings, seed):
    """A poem without sense whose characters, each of one sure tone, have the given tones and rhyme in 七阳."""
    rng = random.Random(seed)
    rhymes = iter(rng.sample(RHYMES, 7))
    lines = []
    for string, rhyming in zip(strings, pattern.rhyming, strict=True):
        line = "".join(rng.choice(LEVEL if t == "平" else OBLIQUE) for t in string)
        lines.append(line[:-1] + next(rhymes) if rhyming else line)
    return lines


def test_the_characters_of_the_made_up_poems_have_one_tone():
    assert {PINGSHUI.tone(c) for c in LEVEL + RHYMES} == {"平"}
    assert {PINGSHUI.tone(c) for c in OBLIQUE} == {"仄"}
    assert all("七阳" in PINGSHUI.readings(c) for c in RHYMES)


@pytest.mark.parametrize("pattern", EVERY_PATTERN, ids=lambda p: p.name)
def test_what_the_patterns_admit_passes_and_is_named(pattern):
    for seed in range(5):
        strings = [random.Random(seed * 100 + i).choice(s) for i, s in enumerate(pattern.lines())]
        verdict = check("".join(poem_of(pattern, strings, seed)), pattern.form)
        assert verdict.ok, verdict
        assert (verdict.pattern, verdict.rhyme_group, verdict.form) == (pattern.name, "七阳", pattern.form)


@pytest.mark.parametrize("pattern", EVERY_PATTERN, ids=lambda p: p.name)
def test_every_wrong_tone_is_found(pattern):
    """Each fixed place of each line in turn gets the other tone: a fault, unless the handbook licenses the result."""
    strings = [s[0] for s in pattern.lines()]
    for i, place in itertools.product(range(len(strings)), range(pattern.length)):
        flipped = strings[i][:place] + {"平": "仄", "仄": "平"}[strings[i][place]] + strings[i][place + 1 :]
        lines = poem_of(pattern, strings, 1)
        wrong = list(lines[i])
        wrong[place] = {"平": "青", "仄": "白"}[flipped[place]]
        lines[i] = "".join(wrong)
        if i == 0 and place == pattern.length - 1 and pattern.rhyming[0]:
            continue  # a first line that does not rhyme follows another pattern
        licensed = flipped in admissible(pattern.types[i], pattern.length)
        verdict = check("，".join(lines), pattern.form)
        assert verdict.ok == licensed, f"{flipped} as {pattern.types[i]}:\n{verdict}"
        assert licensed or any(i <= v.line - 1 <= i + 1 for v in verdict.violations)


TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


@pytest.mark.parametrize(
    ("clean", "planted", "fault"),
    [
        (TOWER, TOWER.replace("依山尽", "依水尽"), ("出律", 1, 4)),
        (TOWER, TOWER.replace("黄河", "白河"), ("孤平", 2, 2)),
        (TOWER, TOWER.replace("一层楼", "高层楼"), ("三平尾", 4, 3)),
        (TOWER, TOWER.replace("一层楼", "一层山"), ("出韵", 4, 5)),
        (TOWER, TOWER.replace("一层楼", "一层月"), ("出韵", 4, 5)),
        (TOWER, TOWER.replace("楼", "流"), ("重韵", 4, 5)),
        (TOWER, TOWER.replace("千里目", "千里山"), ("句脚", 3, 5)),
        (TOWER, TOWER.replace("白日依山尽", "青山横白水"), ("失对", 2, None)),
        (TOWER, TOWER.replace("欲穷千里目，更上一层楼", "落日千山外，孤城万里秋"), ("失粘", 3, None)),
        (TOWER, TOWER.replace("千里", "里"), ("格式", 3, None)),
    ],
)
def test_each_kind_of_planted_fault_is_found_by_name_and_alone(clean, planted, fault):
    assert found(clean) == []
    assert found(planted) == [fault]


def test_faults_in_seven_characters_are_found_too():
    clean = "朝辞白帝彩云间，千里江陵一日还。两岸猿声啼不住，轻舟已过万重山。"
    assert found(clean.replace("千里江陵", "千里月陵")) == [("孤平", 2, 4)]
    assert found(clean.replace("已过万重山", "已过千重山")) == [("三平尾", 4, 5)]
    assert found(clean.replace("还", "来")) == [("出韵", 2, 7)]
    assert found(clean.replace("还", "山")) == [("重韵", 4, 7)]


def test_rescues_are_accepted_and_told():
    poem = "离离原上草，一岁一枯荣。野火烧木尽，{}。远芳侵古道，晴翠接荒城。又送王孙去，萋萋满别情。"
    saved = check(poem.format("春风吹又生"))
    assert saved.ok and any("line 3: 大拗" in str(note) for note in saved.notes)
    assert found(poem.format("春风处又生")) == [("出律", 3, 4)], "what no partner saves is a fault"
    assert check("移舟泊烟渚，日暮客愁新。野旷天低树，江清月近人。").notes[0].key == "licence"


def test_yellow_crane_tower_fails_where_the_handbooks_say():
    """Its first half is old-style: 一去不复返 has six 仄, 空悠悠 three 平 at the end; the second is regular."""
    poem = "昔人已乘黄鹤去，此地空余黄鹤楼。黄鹤一去不复返，白云千载空悠悠。"
    poem += "晴川历历汉阳树，芳草萋萋鹦鹉洲。日暮乡关何处是，烟波江上使人愁。"
    assert found(poem) == [("出律", 3, 4), ("出律", 3, 5), ("三平尾", 4, 5)]


def test_the_broken_waist_of_weicheng_is_found():
    text = "渭城朝雨浥轻尘，客舍青青柳色新。劝君更尽一杯酒，西出阳关无故人。"
    assert found(text) == [("失粘", 3, None)]


def test_the_broken_nian_of_the_frontier_is_found():
    """使至塞上, whose second couplet the handbooks call 失粘."""
    text = "单车欲问边，属国过居延。征蓬出汉塞，归雁入胡天。大漠孤烟直，长河落日圆。萧关逢候骑，都护在燕然。"
    assert found(text) == [("失粘", 3, None)]


def test_script_marks_and_line_breaks_do_not_matter():
    simplified = "两个黄鹂鸣翠柳，一行白鹭上青天。窗含西岭千秋雪，门泊东吴万里船。"
    traditional = "兩個黃鸝鳴翠柳，一行白鷺上青天。窗含西嶺千秋雪，門泊東吳萬里船。"
    bare = simplified.replace("，", "").replace("。", "")
    wanted = check(simplified)
    for text in (traditional, bare, simplified.replace("。", "\n").replace("，", ""), simplified.replace("，", "\n")):
        verdict = check(text)
        assert (verdict.ok, verdict.pattern, verdict.rhyme_group) == (True, wanted.pattern, "一先")
        assert [line.tones for line in verdict.lines] == [line.tones for line in wanted.lines]


@pytest.mark.parametrize("text", [text for text in CLEAN if len(text) in (24, 48, 32, 64)][::4])
def test_a_bare_text_is_cut_into_lines(text):
    assert check(text.replace("，", "").replace("。", "")) == check(text)


def test_the_first_line_may_borrow_a_neighbouring_rhyme():
    verdict = check("清明时节雨纷纷，路上行人欲断魂。借问酒家何处有，牧童遥指杏花村。")
    assert verdict.ok and any("邻韵" in str(note) for note in verdict.notes)
    assert verdict.rhyme_group == "十三元"


def test_an_oblique_rhyme_is_a_fault_and_explained():
    verdict = check("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。", "五绝")
    assert {"出韵", "句脚"} <= {v.name for v in verdict.violations}
    assert any("古绝" in str(note) for note in verdict.notes)
    assert PINGSHUI.groups[verdict.rhyme_group].section == "上声"


def test_old_style_verse_has_no_tonal_rules():
    verdict = check("慈母手中线，游子身上衣。临行密密缝，意恐迟迟归。谁言寸草心，报得三春晖。")
    assert (verdict.form, verdict.ok, verdict.pattern, verdict.rhyme_group) == ("五古", True, None, "五微")
    assert check("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。", "五古").ok


def test_a_long_poem_is_pailu_only_if_it_keeps_the_rules():
    pattern = patterns("五排", 10)[0]
    lines = poem_of(pattern, [s[0] for s in pattern.lines()], 3)
    assert check("，".join(lines)).form == "五排"
    lines[4] = lines[0]
    lines[6] = "春" * 5
    assert check("，".join(lines)).form == "五古"
    assert not check("，".join(lines), "五排").ok


def test_a_wrong_number_of_lines_for_a_form_is_said():
    assert found(TOWER, "五律") == [("格式", 4, None)]
    assert check(TOWER, "七绝").violations[0].name == "格式"


def test_an_unknown_character_fits_anything_and_is_listed():
    verdict = check(TOWER.replace("山", "𪚥"))
    assert verdict.ok and any("𪚥" in str(note) for note in verdict.notes)
    assert verdict.lines[0].tones == "仄仄平？仄"


@pytest.mark.parametrize("text", ["", " ，。\n", "hello world", "白日依山jin，黄河入海流。"])
def test_what_is_no_poem_is_an_error_that_says_what_to_give(text):
    with pytest.raises(ValueError, match="give"):
        check(text)


def test_an_unknown_form_is_an_error_that_lists_those_there_are():
    with pytest.raises(ValueError, match="五绝 七绝"):
        check(TOWER, "六绝")


def test_a_verdict_is_json():
    verdict = check(TOWER.replace("楼", "山"))
    data = json.loads(json.dumps(verdict.to_dict(), ensure_ascii=False))
    assert data["ok"] is False and data["pattern"] == "五绝仄起首句不入韵"
    assert data["violations"][0] == {
        "name": "出韵",
        "line": 4,
        "position": 5,
        "character": "山",
        "message": "山 in line 4 is 十五删, not 十一尤",
        "key": "rhyme",
        "fields": {"groups": ["十五删"], "group": "十一尤"},
    }
    assert data["lines"][0]["tones"] == "仄仄平平仄" and data["lines"][0]["expected"] == "中仄平平仄"


def test_the_terminal_shows_faults_in_red_and_plain_text_has_no_codes():
    verdict = check(TOWER.replace("楼", "山"))
    assert "\x1b[31m山\x1b[0m" in verdict.format(color=True)
    assert "\x1b" not in str(verdict) and "出韵" in str(verdict)
    assert "no violations" in str(check(TOWER))
