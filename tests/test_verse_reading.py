"""What people paste: the verse is found, everything else is set aside and named."""

import json
from pathlib import Path

import pytest
from test_verse_rhymes import CORPUS

from tang_rnn.faults import Fault
from tang_rnn.verse import read

MOON = ["床前明月光", "疑是地上霜", "举头望明月", "低头思故乡"]
TOWER = ["白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"]
MARKED = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"


# A hundred kinds of what people paste: pages of the web, lyrics, class sheets, chats, print as PDF and OCR give it.
PASTED = [json.loads(row) for row in (Path(__file__).parent / "pasted.jsonl").read_text("utf-8").splitlines()]


def only(text):
    (poem,) = read(text)
    return poem


@pytest.mark.parametrize(
    "text",
    [
        "静夜思\n李白\n" + MARKED,
        "静夜思\n李白\n" + "\n".join(MOON),
        "静夜思\n[唐] 李白\n\n" + MARKED,
        "《静夜思》\n唐·李白\n" + MARKED,
        "《静夜思》李白：" + MARKED,
        "李白《静夜思》" + MARKED,
        "静夜思·李白 " + MARKED,
        "静夜思\t李白\t" + MARKED,
        "标题：静夜思\n作者：李白\n正文：\n" + MARKED,
        "# 静夜思\n\n> 李白\n\n" + "  \n".join(MARKED.replace("，", "，\n").replace("。", "。\n").split()),
        "<h1>静夜思</h1>\n<p>李白</p>" + "<br>".join(MOON),
        MARKED + "\n——李白《静夜思》",
        MARKED + "——李白《静夜思》",
        MARKED + "\n（唐·李白《静夜思》）",
        MARKED + "\n李白《静夜思》",
    ],
)
def test_title_and_author_are_named_and_set_aside(text):
    poem = only(text)
    assert (poem.lines, poem.title, poem.poet) == (MOON, "静夜思", "李白")
    assert poem.aside


def test_a_title_as_long_as_a_verse_line_is_a_title():
    poem = only("登幽州台歌\n唐 陈子昂\n" + "\n".join(MOON))
    assert (poem.lines, poem.title, poem.poet) == (MOON, "登幽州台歌", "陈子昂")
    poem = only("登鹳雀楼歌\n\n" + "\n".join(MOON))
    assert (poem.lines, poem.title) == (MOON, "登鹳雀楼歌")


@pytest.mark.parametrize("first", ["明月松间照", "清泉石上流", "唐家三十代", "金樽清酒斗"])
def test_a_line_that_begins_like_a_dynasty_is_verse(first):
    lines = [first, *TOWER[1:]]
    assert only("\n".join(lines)).lines == lines == only("，".join(lines)).lines


@pytest.mark.parametrize(
    ("text", "kind", "aside"),
    [
        ("白日依山尽，黄河入海流。欲穷千里目（一作窥千里目），更上一层楼。", "note", ["一作窥千里目"]),
        (
            "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。(一作:更上一重楼)",
            "note",
            ["一作:更上一重楼"],
        ),
        ("白日依山尽，黄河入海流。欲穷千里目[1]，更上一层楼[2]。", "note", ["1"]),
        ("白日依山尽【尽】，黄河入海流。欲穷千里目，更上一层楼。", "note", ["尽"]),
        ("1. 白日依山尽，\n2. 黄河入海流。\n3. 欲穷千里目，\n4. 更上一层楼。", "number", ["1."]),
        ("1 白日依山尽\n2 黄河入海流\n3 欲穷千里目\n4 更上一层楼", "number", ["1"]),
        ("- 白日依山尽\n- 黄河入海流\n- 欲穷千里目\n- 更上一层楼", "number", ["-"]),
        ("（一）白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "number", ["（一）"]),
        ("其一\n白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "number", ["其一"]),
        ("🌙白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "sign", ["🌙"]),
        ("①白日依山尽，②黄河入海流。③欲穷千里目，④更上一层楼。", "sign", ["①"]),
        ("白日依山尽，黄河入海流。欲穷千里目，更上一层楼。\n注释：\n白日：太阳。", "comment", ["注释："]),
        ("On the Stork Tower\n白日依山尽，黄河入海流。欲穷千里目，更上一层楼。", "heading", ["On the Stork Tower"]),
    ],
)
def test_what_is_no_verse_is_set_aside_by_name(text, kind, aside):
    poem = only(text)
    assert poem.lines == TOWER
    assert [each.text for each in poem.aside if each.kind == kind][0] in aside


@pytest.mark.parametrize(
    "text",
    [
        "白日依山尽/黄河入海流/欲穷千里目/更上一层楼",
        "白日依山尽 | 黄河入海流 | 欲穷千里目 | 更上一层楼",
        "白日依山尽<br>黄河入海流<br />欲穷千里目<BR>更上一层楼",
        "白日依山尽\\n黄河入海流\\n欲穷千里目\\n更上一层楼",
        "白日依山尽\r\n黄河入海流\r\n欲穷千里目\r\n更上一层楼\r\n",
        "白 日 依 山 尽 ， 黄 河 入 海 流 。 欲 穷 千 里 目 ， 更 上 一 层 楼 。",
        "白　日　依　山　尽\n黄　河　入　海　流\n欲　穷　千　里　目\n更　上　一　层　楼",
        "「白日依山尽，黄河入海流。欲穷千里目，更上一层楼。」",
        "⽩⽇依⼭尽，黄河⼊海流。欲穷千⾥⽬，更上⼀层楼。",
        "白\u200b日依山尽，黄\ufe0f河入海流。\ufeff欲穷千里目，更上一层楼\u2060。",
        "白日依山尽,黄河入海流.欲穷千里目;更上一层楼!",
        "白日依山尽，黄河入[海]流。欲穷千里目，更上一层楼。",
        "白日依山尽，\n黄河入海流。\n\n欲穷千里目，\n更上一层楼。",
    ],
)
def test_marks_scripts_and_glyphs_of_every_kind(text):
    assert only(text).lines == TOWER


def test_several_poems_are_several():
    autumn = "玉露凋伤枫树林，巫山巫峡气萧森。江间波浪兼天涌，塞上风云接地阴。"
    first, second = read(f"秋兴\n杜甫\n其一\n{autumn}\n其二\n{autumn}")
    assert (first.title, first.poet, len(first.lines), len(second.lines)) == ("秋兴", "杜甫", 4, 4)
    first, second = read(f"静夜思\n李白\n{MARKED}\n\n登鹳雀楼\n王之涣\n{'，'.join(TOWER)}。")
    assert (first.lines, first.poet) == (MOON, "李白") and (second.lines, second.poet) == (TOWER, "王之涣")


def test_stanzas_are_one_poem():
    text = "国破山河在，城春草木深。\n感时花溅泪，恨别鸟惊心。\n\n烽火连三月，家书抵万金。\n白头搔更短，浑欲不胜簪。"
    assert len(only(text).lines) == 8


def test_mixed_verse_keeps_all_its_lines():
    text = "将进酒\n李白\n君不见，黄河之水天上来，奔流到海不复回。人生得意须尽欢，莫使金樽空对月。"
    assert only(text).lines == ["君不见", "黄河之水天上来", "奔流到海不复回", "人生得意须尽欢", "莫使金樽空对月"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("", "no_poem"),
        (" ，。\n", "no_poem"),
        ("🌙", "no_poem"),
        ("hello", "not_chinese"),
        ("白日依山jin，黄河入海流。", "not_chinese"),
    ],
)
def test_what_is_no_poem_is_a_fault(text, key):
    with pytest.raises(Fault) as error:
        read(text)
    assert error.value.key == key


@pytest.mark.parametrize("case", PASTED, ids=[case["name"] for case in PASTED])
def test_what_people_paste_is_read(case):
    found = [{"title": poem.title, "poet": poem.poet, "lines": poem.lines} for poem in read(case["text"])]
    assert found == case["poems"]


def couplets(lines):
    return ["，".join(lines[i : i + 2]) + "。" for i in range(0, len(lines), 2)]


OTHER = ["红豆生南国", "春来发几枝", "愿君多采撷", "此物最相思"]
LAYOUTS = {
    "as it stands": lambda title, poet, lines: "".join(couplets(lines)),
    "a line each": lambda title, poet, lines: "\n".join(lines),
    "headed": lambda title, poet, lines: "\n".join([title, poet, *couplets(lines)]),
    "headed, with the dynasty": lambda title, poet, lines: "\n".join([title, f"[唐] {poet}", "", *couplets(lines)]),
    "headed, a line each": lambda title, poet, lines: "\n".join([title, f"唐·{poet}", *lines]),
    "headed in one line": lambda title, poet, lines: "\n".join([f"{title} {poet}", *couplets(lines)]),
    "after a colon": lambda title, poet, lines: f"《{title}》{poet}：" + "".join(couplets(lines)),
    "under another poem": lambda title, poet, lines: "\n".join(
        ["相思", "王维", *couplets(OTHER), "", title, poet, *couplets(lines)]
    ),
    "signed": lambda title, poet, lines: "".join(couplets(lines)) + f"——{poet}《{title}》",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_real_poems_are_read_in_every_layout(layout):
    """Those of even lines, with the titles and poets they have; not a name of seven characters (独孤遐叔妻白氏)."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(CORPUS / "test.parquet").to_pylist()
    rows = [row for row in rows if row["form"] != "杂言" and row["title"] and 1 < len(row["poet"]) < 5]
    for row in rows[::3]:
        *others, poem = read(LAYOUTS[layout](row["title"], row["poet"], row["lines"]))
        assert [other.lines for other in others] == [OTHER] * (layout == "under another poem")
        assert poem.lines == row["lines"]
        if layout not in ("as it stands", "a line each"):
            assert (poem.title, poem.poet) == (row["title"], row["poet"])


@pytest.mark.parametrize(
    "text", ["月\n" * 2000, "a. " * 5000 + "月", "—" * 5000 + "月，", "[" * 50_000 + "月", "平" * 9000]
)
def test_a_text_that_is_no_poem_ends_in_words_or_in_lines(text):
    try:
        assert all(poem.lines for poem in read(text))
    except Fault as fault:
        assert fault.key in ("no_poem", "not_chinese")
