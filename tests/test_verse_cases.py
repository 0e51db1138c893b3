"""Cases a teacher would bring to the judge, each standing for its kind; and what the judge must not do."""

import pytest
from test_verse_rhymes import CORPUS

from tang_rnn.verse import RHYME_BOOKS, check, check_all, get_book, get_form, patterns
from tang_rnn.verse.remarks import PARALLEL_SHARE, hardly_parallel

MOON = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


def faults(verdict):
    return [(v.name, v.line, v.position) for v in verdict.violations]


def keys(verdict):
    return [note.key for note in verdict.notes]


def test_title_and_author_above():
    verdict = check("静夜思\n李白\n" + MOON)
    assert (verdict.title, verdict.poet) == ("静夜思", "李白") and len(verdict.lines) == 4
    assert faults(verdict) == faults(check(MOON)) and [name for name, *_ in faults(verdict)] == ["出律", "出律"]
    assert "静夜思" in verdict.format() and not verdict.clean


@pytest.mark.parametrize(
    "text",
    [
        "登鹳雀楼\n[唐] 王之涣\n白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。",
        TOWER + "\n——王之涣《登鹳雀楼》",
        TOWER.replace("目，", "目（一作窥千里目），"),
        TOWER + "(一作：更上一重楼)",
        "1. 白日依山尽，\n2. 黄河入海流。\n3. 欲穷千里目，\n4. 更上一层楼。",
        "白日依山尽/黄河入海流/欲穷千里目/更上一层楼",
        "白日依山尽<br>黄河入海流<br>欲穷千里目<br>更上一层楼",
        " ".join(TOWER),
    ],
)
def test_what_surrounds_a_poem_changes_nothing(text):
    verdict = check(text)
    assert verdict.clean and verdict.form == "五绝" and verdict.lines == check(TOWER).lines


def test_traditional_and_simplified_have_the_same_tones():
    traditional = check("白日依夢盡，黃河入海流。欲窮千里目，更上一層樓。")
    simplified = check("白日依梦尽，黄河入海流。欲穷千里目，更上一层楼。")
    assert [line.tones for line in traditional.lines] == [line.tones for line in simplified.lines]
    assert faults(traditional) == faults(simplified)
    book = RHYME_BOOKS["平水韵"]
    assert book.tone("叹") == book.tone("歎") == book.tone("嘆") == "中"
    pairs = "梦夢 汉漢 龙龍 闻聞 轻輕 经經 乡鄉 儿兒 钱錢 题題 输輸 离離 应應 论論 听聽 观觀 冲沖 荡蕩 忧憂 强強"
    assert not [pair for pair in pairs.split() if book.tone(pair[0]) != book.tone(pair[1])]


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("千山鸟飞绝，万径人踪灭。孤舟蓑笠翁，独钓寒江雪。", "九屑"),
        ("春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。", "十七筱"),
        ("种豆南山下，草盛豆苗稀。晨兴理荒秽，带月荷锄归。", None),
    ],
)
def test_an_oblique_rhyme_is_one_statement(text, group):
    verdict = check(text)
    if group is None:
        assert verdict.judged == ("form", "tones", "rhyme")
        return
    assert verdict.rhyme_group == group and verdict.ok and not verdict.clean
    assert verdict.summary.key in ("old_entering", "old_oblique") and "tones" not in verdict.judged
    assert "oblique_rhyme" not in keys(verdict) and "no violations" not in str(verdict)


def test_a_ci_is_said_to_be_one_and_not_judged():
    text = "一曲新词酒一杯，去年天气旧亭台。夕阳西下几时回？无可奈何花落去，似曾相识燕归来。小园香径独徘徊。"
    for poem, name in [
        (text, "浣溪沙"),
        ("江南好，风景旧曾谙。日出江花红胜火，春来江水绿如蓝。能不忆江南？", "忆江南"),
        (
            "驿外断桥边，寂寞开无主。已是黄昏独自愁，更著风和雨。无意苦争春，一任群芳妒。零落成泥碾作尘，只有香如故。",
            "卜算子",
        ),
    ]:
        verdict = check(poem)
        assert verdict.summary.key == "ci" and verdict.summary.fields["name"] == name
        assert verdict.ok and not verdict.clean and not verdict.judged and "no violations" not in str(verdict)


def test_six_lines_of_seven_that_rhyme_otherwise_are_old_style():
    text = "一曲新词酒一杯，去年天气旧亭台。夕阳西下几时暮？无可奈何花落回，似曾相识燕归去。小园香径独徘徊。"
    assert check(text).summary.key.startswith("old")


def test_mixed_verse_gets_no_tick():
    verdict = check("君不见，黄河之水天上来，奔流到海不复回。人生得意须尽欢，莫使金樽空对月。")
    assert verdict.summary.key == "mixed" and verdict.ok and not verdict.clean


def test_a_pailu_with_one_fault_is_no_clean_old_style_verse():
    pattern = patterns("五排", 10)[0]
    level, oblique, rhymes = "春风山花人天烟云楼", "月雨雪水鸟草客日", "阳香光堂霜床"
    lines = []
    for i, strings in enumerate(pattern.lines()):
        line = "".join((level if tone == "平" else oblique)[(3 * i + j) % 8] for j, tone in enumerate(strings[0]))
        lines.append(line[:-1] + rhymes[i // 2] if pattern.rhyming[i] else line)
    clean = check("，".join(lines))
    assert clean.clean and clean.form == "五排"
    wrong = lines[4]
    place = next(i for i in (1, 3) if pattern.formulas[4][i] == "平")
    lines[4] = wrong[:place] + "月" + wrong[place + 1 :]
    verdict = check("，".join(lines))
    assert verdict.form == "五排" and not verdict.ok and not verdict.clean
    assert [name for name, *_ in faults(verdict)] == ["出律"] and verdict.violations[0].line == 5


def test_old_style_verse_is_judged_by_form_and_rhyme_and_says_so():
    verdict = check("慈母手中线，游子身上衣。临行密密缝，意恐迟迟归。谁言寸草心，报得三春晖。")
    assert verdict.judged == ("form", "rhyme") and not verdict.clean and verdict.summary.key == "old_rhyme"


def test_a_couplet_is_judged_as_a_couplet():
    verdict = check("海内存知己，天涯若比邻。")
    assert verdict.form == "联" and verdict.ok and not verdict.clean and verdict.judged == ("tones",)
    assert "失对" in [name for name, *_ in faults(check("海内存知己，月下有人来。"))]
    assert [name for name, *_ in faults(check("海内存知己，天涯若比月。"))] == ["句脚"]


def test_by_the_new_books_what_rhymes_today_rhymes():
    text = "春到江南处处新，家家门外柳成阴。东风昨夜吹残梦，又送花香入小村。"
    assert "出韵" in [name for name, *_ in faults(check(text))]
    for name, group in (("中华通韵", "十二恩"), ("中华新韵", "九文")):
        verdict = check(text, book=RHYME_BOOKS[name])
        assert verdict.clean and verdict.rhyme_group == group and verdict.book == name


def test_the_first_line_rhymes_next_door():
    verdict = check("梅雪争春未肯降，骚人阁笔费评章。梅须逊雪三分白，雪却输梅一段香。")
    assert verdict.clean and verdict.pattern == "七绝仄起首句入韵" and "first_line_neighbour" in keys(verdict)


def test_one_glyph_for_two_words_is_no_rhyme_word_twice():
    poem = "春山一夜雨声寒，{}向江南水一湾。落日孤城人去后，有花不尽旧栏{}。"
    simplified = check(poem.format("已", "干").replace("水一湾", "水已干"))
    assert "重韵" not in [name for name, *_ in faults(simplified)] and "several_rhyme" in keys(simplified)
    assert not [note for note in check("落花干尽赤栏干").notes if note.key == "repeated"]


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("五言绝句", "五绝"),
        ("五絕", "五绝"),
        ("五言絕句", "五绝"),
        ("七言律詩", "七律"),
        ("七律", "七律"),
        ("<七律>", "七律"),
        ("五言排律", "五排"),
        ("七言古风", "七古"),
        ("五古", "五古"),
        ("雜言", "杂言"),
        ("杂言诗", "杂言"),
        ("wujue", "五绝"),
        ("Qilü", "七律"),
        ("five-character quatrain", "五绝"),
        ("Seven-character regulated verse", "七律"),
    ],
)
def test_forms_go_by_the_names_people_write(name, form):
    assert get_form(name).name == form


@pytest.mark.parametrize("name", ["通韵", "中华通韵", "中華通韻", "平水韻", "平水", "词林", "詞林正韻", "新韵"])
def test_books_go_by_the_names_people_write(name):
    assert get_book(name).name in RHYME_BOOKS


@pytest.mark.parametrize("name", ["", "中华", "韵", "广韵", "正韵"])
def test_an_unknown_book_is_an_error_that_lists_those_there_are(name):
    with pytest.raises(ValueError, match="平水韵 .* 中华新韵"):
        get_book(name)


def test_several_poems_are_judged_each():
    verdicts = check_all(f"静夜思\n李白\n{MOON}\n\n登鹳雀楼\n王之涣\n{TOWER}")
    assert [(v.title, v.clean) for v in verdicts] == [("静夜思", False), ("登鹳雀楼", True)]


def test_what_could_not_be_judged_is_named():
    verdict = check("白日依她尽，黄河入海流。欲穷千里目，看上一层楼。")
    said = {note.key: note.fields.get("chars") for note in verdict.notes}
    assert said["of_today"] == "她" and "看" not in said.get("either_tone", "")
    verdict = check("白日依山尽，黄河入海流。欲看千里目，更上一层楼。")
    assert {note.key: note.fields.get("chars") for note in verdict.notes}["either_tone"] == "看"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (
            "离离原上草，一岁一枯荣。野火烧不尽，春风吹又生。远芳侵古道，晴翠接荒城。又送王孙去，萋萋满别情。",
            "licence_saved",
        ),
        ("移舟泊烟渚，日暮客愁新。野旷天低树，江清月近人。", "licence"),
        ("清明时节雨纷纷，路上行人欲断魂。借问酒家何处有，牧童遥指杏花村。", "first_line_neighbour"),
        (TOWER.replace("千里目", "千里月").replace("依山尽", "依山月"), "repeated"),
        (TOWER.replace("千里目", "千里酒"), "near_rhyme"),
        (
            "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。",
            "either_tone",
        ),
    ],
)
def test_what_a_teacher_points_out(text, key):
    verdict = check(text)
    assert verdict.ok and key in keys(verdict), verdict


def test_unsaved_bu_is_a_fault():
    """不 is 入声 in a line, so 野火烧不尽 needs the 吹 of its partner."""
    poem = "离离原上草，一岁一枯荣。野火烧不尽，春风{}又生。远芳侵古道，晴翠接荒城。又送王孙去，萋萋满别情。"
    assert check(poem.format("吹")).clean
    assert faults(check(poem.format("处"))) == [("出律", 3, 4)]


def test_the_first_sentence_is_one_a_person_would_say():
    assert check(TOWER).summary.say() == "A 五绝 that keeps the rules (五绝仄起首句不入韵), rhyming in 下平十一尤."
    assert "五绝" in check(MOON).summary.say("zh") and "出律" in check(MOON).summary.say("zh")
    assert check(TOWER).format(language="zh").splitlines()[0] == check(TOWER).summary.say("zh")


def test_a_verdict_is_said_in_each_language():
    texts = [MOON, TOWER.replace("楼", "山"), TOWER.replace("千里", "里"), "海内存知己，天涯若比邻。", "落花干尽赤栏干"]
    for text in texts:
        verdict = check(text)
        for each in (verdict.summary, *verdict.violations, *verdict.notes):
            english, chinese = each.say(), each.say("zh")
            assert "{" not in english + chinese and english != chinese and each.key not in english


SPRING = "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。"


def test_a_middle_couplet_that_is_hardly_parallel_is_a_note():
    assert "hardly_parallel" not in keys(check(SPRING))
    loose = SPRING.replace("烽火连三月，家书抵万金", "白发谁相问，江湖夜雨侵")
    for text in (loose, loose.replace("白发谁相问", "白髮誰相問")):
        verdict = check(text)
        (note,) = [note for note in verdict.notes if note.key == "hardly_parallel"]
        assert verdict.ok and (note.line, note.fields["couplet"]) == (6, 3), verdict
        assert "对仗" in note.say() and "第 3 联（第 5、6 句）" in note.say("zh")
    assert "hardly_parallel" not in keys(check(TOWER)), "only 律诗 are asked for it"


def test_most_real_middle_couplets_are_parallel():
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(CORPUS / "test.parquet", columns=["lines", "form"]).to_pylist()
    poems = [row["lines"] for row in table if row["form"] in ("五律", "七律")]
    failing = sum(len(hardly_parallel(lines)) for lines in poems)
    assert round(100 * (1 - failing / (2 * len(poems)))) == PARALLEL_SHARE
    apart = [[*lines[:3], other[3], lines[4], other[5], *lines[6:]] for lines, other in zip(poems, poems[7:])]
    assert sum(map(len, map(hardly_parallel, apart))) > 0.75 * 2 * len(apart), "lines that do not belong together"
