"""One's own poems, in every layout, table and encoding that people keep them in: what is read, and what is left out."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import hub_server
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import clean_environment
from datasets import Dataset, DatasetDict

from tang_rnn.encodings import decode
from training.errors import CorpusError
from training.layouts import read
from training.own import gather, hold_out

CASES = Path(__file__).parent / "own"
NIGHT = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
TWO = [("静夜思", "李白", NIGHT), ("登鹳雀楼", "王之涣", TOWER)]
UNTITLED = [("", "", NIGHT), ("", "", TOWER)]


def lines(text: str, marks: bool = True) -> str:
    for mark in "，。":
        text = text.replace(mark, f"{mark}\n" if marks else "\n")
    return text.strip()


def couplets(text: str) -> str:
    return text.replace("。", "。\n").strip()


def found(folder: Path, content: str | bytes, name: str = "poems.txt", column: str | None = None) -> list[tuple]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [(row["title"], row["poet"], row["text"]) for row in gather([str(path)], column).rows]


# ------------------------------------------------------------------------------------------------------- the cases


@pytest.mark.parametrize(
    ("name", "count", "first", "titles", "poets"),
    [
        ("blank-lines.gbk.txt", 30, ("新秋夜寄诸弟", "韦应物", "两地俱秋夕"), 30, 30),
        ("odd.jsonl", 4, ("重", "", "城阙天中近"), 4, 0),  # of two the same, the one with a title
        ("paragraphs.json", 30, ("数陪李梓州泛江有女乐在诸舫戏为艳曲二首赠李", "杜甫", "白日移歌袖"), 30, 30),
        ("poems.csv", 60, ("送玄同真人李抱朴谒灊山仙祠", "李隆基", "城阙天中近"), 60, 57),
        ("title-colon-poem.txt", 40, ("舞马千秋万岁乐府词三首", "", "圣皇至德与天齐"), 40, 0),
    ],
)
def test_each_case_is_read_whole(name, count, first, titles, poets):
    rows = gather([str(CASES / name)]).rows
    assert len(rows) == count
    assert (rows[0]["title"], rows[0]["poet"], rows[0]["lines"][0]) == first
    assert (sum(bool(row["title"]) for row in rows), sum(bool(row["poet"]) for row in rows)) == (titles, poets)


def test_what_is_no_poem_is_left_out_with_the_reason_and_the_place(tmp_path):
    own = gather([str(CASES / "odd.jsonl")])
    assert [row["form"] for row in own.rows] == ["五律", "杂言", "杂言", "五绝"], "词 are 杂言, of even lines too"
    reasons = {where: reason for where, reason, _, _ in own.dropped}
    assert reasons == {
        "odd.jsonl line 1": "the same again: odd.jsonl line 7",
        "odd.jsonl line 2": "there is nothing in it",
        "odd.jsonl line 3": "a character is lost",
        "odd.jsonl line 6": "characters that are not Chinese: Thisnopem",
        "odd.jsonl line 8": "text is no text but 12",
    }
    own.write_dropped(tmp_path / "dropped.csv")
    rows = list(csv.reader((tmp_path / "dropped.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert rows[0] == ["where", "reason", "title", "text"] and len(rows) == 6
    report = own.report()
    assert "4 poems: 杂言 2" in report and "5 left out" in report and "《如梦令》" in report


def test_a_folder_is_all_its_files_and_each_poem_once():
    own = gather([str(CASES)])
    assert len(own.rows) == 4 + 30 + 30 + 60 + 40 - 1, "one stands in two of them"
    assert len(own.understood) == 5


# --------------------------------------------------------------------------------------------------------- layouts

LAYOUTS = {
    "a poem a line": (f"{NIGHT}\n{TOWER}\n", UNTITLED),
    "… with empty lines between": (f"{NIGHT}\n\n{TOWER}", UNTITLED),
    "… numbered": (f"1. {NIGHT}\n2. {TOWER}\n", UNTITLED),
    "… spaces for marks": (NIGHT.replace("，", " ").replace("。", " ") + "\n" + TOWER.replace("，", "　"), UNTITLED),
    "title:poem": (f"静夜思:{NIGHT}\n登鹳雀楼：{TOWER}", [("静夜思", "", NIGHT), ("登鹳雀楼", "", TOWER)]),
    "title:poet:poem": (f"静夜思:李白:{NIGHT}\n登鹳雀楼:王之涣:{TOWER}", TWO),
    "title, poet, poem between tabs": (f"静夜思\t李白\t{NIGHT}\n登鹳雀楼\t王之涣\t{TOWER}", TWO),
    "《title》poem": (f"《静夜思》{NIGHT}\n《登鹳雀楼》{TOWER}", [("静夜思", "", NIGHT), ("登鹳雀楼", "", TOWER)]),
    "title above a line": (f"静夜思\n{NIGHT}\n登鹳雀楼\n{TOWER}", [("静夜思", "", NIGHT), ("登鹳雀楼", "", TOWER)]),
    "blocks": ("\n\n".join(f"《{t}》\n{p}\n{couplets(v)}" for t, p, v in TWO), TWO),
    "blocks, a line each": ("\n\n".join(f"{t}\n{p}\n{lines(v)}" for t, p, v in TWO), TWO),
    "blocks without marks": ("\n\n".join(f"{t}\n{p}\n{lines(v, False)}" for t, p, v in TWO), TWO),
    "blocks without anything else": (f"{lines(NIGHT, False)}\n\n{lines(TOWER, False)}", UNTITLED),
    "no empty line": ("\n".join(f"{t}\n{p}\n{couplets(v)}" for t, p, v in TWO), TWO),
    "no empty line, no marks": ("\n".join(f"{t}\n{p}\n{lines(v, False)}" for t, p, v in TWO), TWO),
    "every other line empty": ("\n".join(f"{t}\n{p}\n{lines(v)}" for t, p, v in TWO).replace("\n", "\n\n"), TWO),
    "title set off": ("\n\n".join(f"{t}\n\n{lines(v)}" for t, p, v in TWO), [(t, "", v) for t, p, v in TWO]),
    "markdown": ("\n\n".join(f"# {t}\n\n{lines(v)}" for t, p, v in TWO), [(t, "", v) for t, p, v in TWO]),
    "dynasties": (f"静夜思\n唐·李白\n{couplets(NIGHT)}\n\n登鹳雀楼\n（唐）王之涣\n{couplets(TOWER)}", TWO),
    "labels": ("\n\n".join(f"题目：{t}\n作者：{p}\n{couplets(v)}" for t, p, v in TWO), TWO),
    "named behind": ("\n\n".join(f"{couplets(v)}\n——{p}《{t}》" for t, p, v in TWO), TWO),
    "notes below": ("\n\n".join(f"{t}\n{p}\n{couplets(v)}\n【注释】\n鹳雀：鸟，水边。" for t, p, v in TWO), TWO),
    "poet: title, as in 唐诗三百首": (
        "\n\n".join(f"00{n}{p}：{t}\n{couplets(v)}" for n, (t, p, v) in enumerate(TWO)),
        TWO,
    ),
    "numbered, the poet in brackets": ("\n".join(f"{n}. {t}（{p}）\n{v}" for n, (t, p, v) in enumerate(TWO, 1)), TWO),
    "chapters of markdown": ("# 诗集\n\n" + "\n\n".join(f"## {t}\n\n*{p}*\n\n{couplets(v)}" for t, p, v in TWO), TWO),
    "what pages are written in": (
        "\n".join(f"{t}:<p>{v.replace('。', '。<br>')}</p>" for t, _, v in TWO),
        [(t, "", v) for t, _, v in TWO],
    ),
    "Windows line ends": ("\r\n\r\n".join(f"{t}\r\n{p}\r\n{v}" for t, p, v in TWO), TWO),
    "traditional characters": (
        "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。\n白日依山盡，黃河入海流。欲窮千里目，更上一層樓。",
        UNTITLED,
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_text_file_in_any_layout(layout, tmp_path):
    content, expected = LAYOUTS[layout]
    assert found(tmp_path, content) == expected


def test_half_a_ci_and_the_next_stanza_belong_to_their_poem(tmp_path):
    ci = "如梦令\n李清照\n常记溪亭日暮，沉醉不知归路。\n\n兴尽晚回舟，误入藕花深处。\n争渡，争渡，惊起一滩鸥鹭。"
    modern = "断章\n\n你站在桥上看风景\n看风景人在楼上看你\n\n明月装饰了你的窗子\n你装饰了别人的梦"
    own = [
        ("如梦令", "李清照", "常记溪亭日暮，沉醉不知归路。兴尽晚回舟，误入藕花深处。争渡，争渡，惊起一滩鸥鹭。"),
    ]
    assert found(tmp_path, ci) == own
    ((title, _, text),) = found(tmp_path, modern)
    assert title == "断章" and text.count("，") + text.count("。") == 4


def test_the_halves_of_ci_may_be_set_off_as_poems_are(tmp_path):
    halves = ("大江东去，浪淘尽，千古风流人物。", "乱石穿空，惊涛拍岸，卷起千堆雪。")
    others = (
        "明月几时有，把酒问青天。不知天上宫阙，今夕是何年。",
        "转朱阁，低绮户，照无眠。不应有恨，何事长向别时圆。",
    )
    text = "\n\n\n".join(f"{title}\n宋·苏轼\n\n" + "\n\n".join(each) for title, each in zip("甲乙", (halves, others)))
    assert found(tmp_path, text) == [("甲", "苏轼", "".join(halves)), ("乙", "苏轼", "".join(others))]


def test_places_are_lines_of_the_file():
    poems = read("\n\n静夜思\n" + NIGHT + "\n\n登鹳雀楼\n" + TOWER, "mine.txt")
    assert [poem.where for poem in poems] == ["mine.txt line 4", "mine.txt line 7"]


# ---------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("separator", [",", "\t", ";"])
@pytest.mark.parametrize("header", ["题目,作者,内容", "title,author,content", "Poem_ID,Title,Text"])
def test_a_table_by_the_usual_names(tmp_path, separator, header):
    columns = header.split(",")
    wanted = {"title": 0, "poet": 1} if "ID" not in header else {"title": 1, "poet": None}
    rows = [list(poem) for poem in TWO] if "ID" not in header else [["1", t, v] for t, _, v in TWO]
    content = "\n".join(separator.join(row) for row in [columns, *rows])
    expected = [(t, p if wanted["poet"] is not None else "", v) for t, p, v in TWO]
    assert found(tmp_path, "\ufeff" + content, "poems.csv") == expected


def test_a_table_without_a_header_or_with_unknown_names(tmp_path):
    assert found(tmp_path, f"1,{NIGHT}\n2,{TOWER}\n", "poems.csv") == UNTITLED
    assert found(tmp_path, f"号,句\n1,{NIGHT}\n2,{TOWER}\n", "poems.csv") == UNTITLED
    assert (
        found(
            tmp_path,
            "\n".join(f"{v},{p},{t}" for t, p, v in [*TWO, ("望月", "李白", NIGHT[::-1][1:] + "。")]),
            "poems.csv",
        )[:2]
        == TWO
    )
    two = f"甲,乙\n{NIGHT},{TOWER}\n{TOWER},{NIGHT}\n"
    with pytest.raises(CorpusError, match="which column of poems.csv holds the poems. It has 甲, 乙; name one with"):
        found(tmp_path, two, "poems.csv")
    assert found(tmp_path, two, "poems.csv", column="乙") == [("", "", TOWER), ("", "", NIGHT)]
    assert found(tmp_path, two, "poems.csv", column="1") == UNTITLED
    with pytest.raises(CorpusError, match="has no column 内容; it has 甲, 乙"):
        found(tmp_path, two, "poems.csv", column="内容")


def test_a_quoted_cell_may_hold_line_breaks_and_a_row_too_long_is_left_out(tmp_path):
    path = tmp_path / "poems.csv"
    path.write_text(f'title,text\n静夜思,"{lines(NIGHT)}"\n多,{TOWER},又\n登鹳雀楼,{TOWER}\n')
    own = gather([str(path)])
    assert [(row["title"], row["text"]) for row in own.rows] == [("静夜思", NIGHT), ("登鹳雀楼", TOWER)]
    assert own.dropped[0][:2] == ("poems.csv line 6", "it has 3 columns where the first row has 2")


def test_a_quotation_mark_that_is_never_closed_is_told_by_its_line(tmp_path):
    with pytest.raises(CorpusError, match="poems.csv: line 2: a quotation mark is opened and never closed"):
        found(tmp_path, f'title,text\n静夜思,"{NIGHT}\n登鹳雀楼,{TOWER}\n', "poems.csv")


def test_half_a_character_and_a_name_in_no_encoding_are_no_fault_of_ours(tmp_path):
    rows = [{"title": "静\ud83d思", "text": TOWER}, {"title": "夜\\ud83d", "text": NIGHT[:5] + "\ud83d" + NIGHT[5:]}]
    path = tmp_path / os.fsdecode("诗.json".encode("gbk"))
    path.write_text(json.dumps(rows + [{"title": "😀", "text": NIGHT}]), encoding="utf-8")
    own = gather([str(tmp_path)])
    assert [row["text"] for row in own.rows] == [TOWER, NIGHT] and own.dropped[0][1] == "a character is lost"
    own.report().encode()
    own.write_dropped(tmp_path / "dropped.csv")


JSON = {
    "objects": [{"title": t, "author": p, "paragraphs": couplets(v).split("\n")} for t, p, v in TWO],
    "a list of lines each": [couplets(v).split("\n") for _, _, v in TWO],
    "texts": [v for _, _, v in TWO],
    "title to text": {t: v for t, _, v in TWO},
    "inside an object": {"count": 2, "data": [{"rhythmic": t, "content": v} for t, _, v in TWO]},
    "by poet": {p: [{"诗名": t, "作者": p, "诗句": v}] for t, p, v in TWO},
}


@pytest.mark.parametrize("shape", JSON)
def test_json_of_any_shape(tmp_path, shape):
    rows = found(tmp_path, json.dumps(JSON[shape], ensure_ascii=False), "poems.json")
    assert [row[2] for row in rows] == [NIGHT, TOWER]
    if "text" not in shape and "list" not in shape:
        assert [row[0] for row in rows] == ["静夜思", "登鹳雀楼"]


def test_json_lines_under_either_name_and_a_broken_line_is_left_out(tmp_path):
    text = "\n".join(json.dumps({"诗": v}, ensure_ascii=False) for _, _, v in TWO)
    assert found(tmp_path, text, "poems.json") == found(tmp_path, text, "poems.jsonl") == UNTITLED
    own = gather([str(_write(tmp_path / "poems.jsonl", text + '\n{"诗": "'))])
    assert len(own.rows) == 2 and own.dropped[0][0] == "poems.jsonl line 3" and "not valid JSON" in own.dropped[0][1]
    with pytest.raises(CorpusError, match="poems.json is not valid JSON: line 2 column 1"):
        found(tmp_path, "[\n", "poems.json")


def _write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_parquet_and_spreadsheets_and_saved_datasets(tmp_path):
    table = {"标题": [t for t, _, _ in TWO], "作者": [None, "王之涣"], "诗词": [v for _, _, v in TWO]}
    pq.write_table(pa.table(table), tmp_path / "poems.parquet")
    expected = [("静夜思", "", NIGHT), TWO[1]]
    rows = gather([str(tmp_path / "poems.parquet")]).rows
    assert [(row["title"], row["poet"], row["text"]) for row in rows] == expected
    DatasetDict({"train": Dataset.from_dict(table)}).save_to_disk(tmp_path / "saved")
    rows = gather([str(tmp_path / "saved")]).rows
    assert [(row["title"], row["poet"], row["text"]) for row in rows] == expected

    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    strings = ["题目", "正文", "静夜思", NIGHT]
    with zipfile.ZipFile(tmp_path / "poems.xlsx", "w") as archive:
        shared = "".join(f"<si><t>{text}</t></si>" for text in strings)
        archive.writestr("xl/sharedStrings.xml", f'<sst xmlns="{space}">{shared}</sst>')
        cells = [[("B1", 0), ("D1", 1)], [("B2", 2), ("D2", 3)]]
        rows = "".join(
            f'<row r="{n}">' + "".join(f'<c r="{place}" t="s"><v>{s}</v></c>' for place, s in row) + "</row>"
            for n, row in enumerate(cells, 1)
        )
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'
        )
    rows = gather([str(tmp_path / "poems.xlsx")]).rows
    assert [(row["title"], row["text"]) for row in rows] == [("静夜思", NIGHT)]


# ------------------------------------------------------------------------------------------------------- encodings


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "big5", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_an_encoding_is_recognised(encoding):
    text = "床前明月光，疑是地上霜。" if encoding != "big5" else "舉頭望明月，低頭思故鄉。"
    assert decode(text.encode(encoding))[0] == text


def test_a_few_broken_bytes_cost_one_poem_and_no_text_is_none(tmp_path):
    content = f"{TOWER}\n".encode("gbk") * 3 + f"{NIGHT}\n".encode("gbk")
    broken = content[:-20] + b"\xff\xff" + content[-18:]
    assert found(tmp_path, broken) == [("", "", TOWER)]
    for name, content in (("poems.txt", b"\0\1\2\3" * 400), ("poems.csv", b"PK\3\4" + bytes(300)), ("a.parquet", b"x")):
        with pytest.raises(CorpusError, match=f"{name}"):
            found(tmp_path, content, name)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no poem in"),
        ("Not a poem, this.\n", "not Chinese"),
        ("甲\n乙\n丙\n", "fewer than 2 lines or 8 characters"),
    ],
)
def test_a_file_without_a_poem_says_so(tmp_path, content, words):
    with pytest.raises(CorpusError, match=words):
        found(tmp_path, content)


def test_what_is_not_there_says_so(tmp_path):
    with pytest.raises(CorpusError, match="no file or folder .*poems.cvs; a dataset on the Hub has an id"):
        gather([str(tmp_path / "poems.cvs")])
    (tmp_path / "a.doc").write_text("x")
    with pytest.raises(CorpusError, match="holds no file of poems"):
        gather([str(tmp_path)])


# -------------------------------------------------------------------------------------------------------- cleaning


def test_own_poems_may_be_short_long_lined_annotated_and_bring_emoji(tmp_path):
    poems = {
        "春风得意马蹄疾，一日看尽长安花。": "春风得意马蹄疾，一日看尽长安花。",
        "轻轻的我走了，正如我轻轻的来（作于康桥）；我轻轻的招手，作别西天的云彩。": "轻轻的我走了，正如我轻轻的来。"
        "我轻轻的招手，作别西天的云彩。",
        "床前明月光🌙，疑是地上霜——举头望明月…低头思故乡！": NIGHT,
    }
    assert [row[2] for row in found(tmp_path, "\n\n".join(poems))] == list(poems.values())


def test_poems_to_measure_by_are_apart_from_those_to_learn():
    rows = gather([str(CASES)]).rows
    again = [row | {"text": row["text"][::-1], "lines": [*row["lines"][:-1], "天地玄黄宙"]} for row in rows[:80]]
    learn, held = hold_out(rows + again)
    assert len(held) == len(rows + again) // 10 and len(learn) + len(held) == len(rows + again)
    known = {line for row in learn for line in row["lines"]}
    assert all(2 * sum(line in known for line in row["lines"]) < len(row["lines"]) for row in held)
    assert hold_out(rows + again) == (learn, held)
    assert len(hold_out(rows[:20])[1]) == 2


def test_a_dataset_on_the_hub_is_read_by_its_id(tmp_path):
    """Whatever its columns are called, and what is no such dataset is one line."""
    rows = [{"题目": title, "作者": poet, "内容": text} for title, poet, text in TWO]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    program = """
import sys
from training.errors import CorpusError
from training.own import gather
print(gather([sys.argv[1]]).report())
try:
    gather(["someone/else"])
except CorpusError as error:
    print(error)
"""
    with hub_server.serve() as hub:
        hub.repositories["dataset", "someone/poems"] = repository = hub_server.Repository()
        repository.branches["main"].append(hub_server.Commit("poems", {"poems.jsonl": content}))
        network = {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", program, "someone/poems"],
            cwd=CASES.parents[1],
            env=clean_environment(tmp_path) | network,
            capture_output=True,
            text=True,
        )
    said = done.stdout.splitlines()
    assert said[0] == "someone/poems: a dataset on the Hub; poems in 内容, titles in 题目, poets in 作者", done.stderr
    assert said[1].startswith("2 poems: 五绝 2") and "李白 《静夜思》 床前明月光" in done.stdout
    assert said[-1].startswith("there is no file or folder someone/else, and no such dataset can be had from the Hub: ")
