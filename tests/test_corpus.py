"""The corpus: cleaning of hand-written raw poems, and what the committed dataset promises."""

from __future__ import annotations

import json
import re
import tarfile
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tang_rnn.verse import classify, split_lines
from training import cleaning, corpus, duplicates

SPRING = ["春眠不覺曉，處處聞啼鳥。", "夜來風雨聲，花落知多少。"]
SPRING_TEXT = "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"


def raw(*paragraphs: str, author: str = "孟浩然", title: str = "春曉") -> dict:
    return {"author": author, "title": title, "paragraphs": list(paragraphs), "id": "0"}


def clean(poem: dict) -> tuple[dict | None, str]:
    return cleaning.clean(poem, cleaning.read_variants())


def text(*paragraphs: str) -> str:
    row, reason = clean(raw(*paragraphs))
    assert row is not None, reason
    return row["text"]


def test_a_clean_poem():
    row, reason = clean(raw(*SPRING))
    assert reason == ""
    assert row == {
        "text": SPRING_TEXT,
        "lines": ["春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少"],
        "form": "五绝",
        "poet": "孟浩然",
        "title": "春晓",
    }


def test_cleaning_a_clean_poem_changes_nothing():
    row, _ = clean(raw(*SPRING))
    assert clean(raw(row["text"], author=row["poet"], title=row["title"]))[0] == row


@pytest.mark.parametrize(
    ("paragraphs", "reason"),
    [
        ([], "empty"),
        (["，。"], "empty"),
        (["（見《五燈會元》卷三。）"], "empty"),
        (["春眠不覺曉，處處聞啼鳥。夜來風□聲，花落知多少。"], "lacuna"),
        (["春眠不覺曉，處處聞{口帝}鳥。夜來風雨聲，花落知多少。"], "lacuna"),
        (["春眠不覺曉，處處聞⿰口帝鳥。夜來風雨聲，花落知多少。"], "lacuna"),
        (["雲似虎，或若豹行形（京本作「形行」）。及似穿連走匹練，暴師入境却偷營。"], "annotation"),
        (["春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落[一]知多少。"], "annotation"),
        (["春眠不覺曉，處處聞啼鳥。"], "too short"),
        (["安得千里馬，與爾同一醉。" * 3 + "以上各句見四部叢刊本唐詩紀事卷二十八注云。"], "prose"),
        (["春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少A。"], "other characters"),
    ],
)
def test_reasons_to_drop(paragraphs, reason):
    assert clean(raw(*paragraphs)) == (None, reason)


@pytest.mark.parametrize("title", ["句", "句 十一", "殘句", "題祝融峯（句）"])
def test_fragments_go(title):
    assert clean(raw(*SPRING, title=title)) == (None, "fragment")


def test_a_line_that_begins_with_the_word_for_fragment_is_none():
    assert clean(raw(*SPRING, title="句容縣遇雨"))[0]["title"] == "句容县遇雨"


@pytest.mark.parametrize(
    "paragraphs",
    [
        ["春眠不覺曉，處處（一作「夜夜」）聞啼鳥。", SPRING[1]],
        [*SPRING, "（同上（《全唐詩》卷一六○。", "）又見別集。）。"],  # nested, across paragraphs
        [*SPRING, "（以上見《永樂大典》卷三。"],  # never closed
        ["春眠不覺曉〖1〗，處處聞啼鳥。", SPRING[1]],
        ["春眠不覺[曉]，處處聞「啼鳥」。", SPRING[1]],
        ["春眠不覺曉？處處聞啼鳥！夜來風雨聲；花落知多少"],
        ["春眠不覺曉處處聞啼鳥。", SPRING[1]],  # a comma lost
        ["春眠不覺曉，處處聞啼鳥/。", SPRING[1]],
    ],
)
def test_what_is_saved(paragraphs):
    assert text(*paragraphs) == SPRING_TEXT


def test_marks_of_uneven_lines_are_mapped():
    assert (
        text("前不見古人；後不見來者！念天地之悠悠、獨愴然而涕下")
        == "前不见古人。后不见来者。念天地之悠悠，独怆然而涕下。"
    )


@pytest.mark.parametrize("length", [5, 7])
def test_lost_commas_come_back_only_where_that_makes_couplets(length):
    line = "春" * length
    assert cleaning.mend([line * 2, line, line]) == [line] * 4
    assert cleaning.mend([line * 2, line * 2]) == [line] * 4
    assert cleaning.mend([line * 2, line]) is None
    assert cleaning.mend([line] * 4) is None
    assert cleaning.mend([line * 2, line, line + "春"]) is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("乾坤", "乾坤"),
        ("乾剛既斷", "乾刚既断"),  # not a word OpenCC knows
        ("淚乾", "泪干"),
        ("桑乾北", "桑干北"),
        ("魏徵", "魏徵"),
        ("於穆", "于穆"),
        ("隣粧栢逈鏁廻", "邻妆柏迥锁回"),
        ("疎桮棃羣峯煙", "疏杯梨群峰烟"),
        ("蟲鐘", "虫钟"),
        ("沈沉祗祇", "沈沉祗祇"),  # words, not glyphs of one word
    ],
)
def test_simplified_and_common_forms(source, expected):
    variants = cleaning.read_variants()
    assert cleaning.simplify(source, variants) == expected
    assert cleaning.simplify(expected, variants) == expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("帝京篇十首 一", "帝京篇十首"),
        ("兵要望江南 占月第十二（京本列第七○二十三首） 三", "兵要望江南占月第十二"),
        ("新樂府 李夫人\t鑒嬖惑也", "新乐府李夫人"),
        ("雜曲歌辭 遊子吟", "游子吟"),
        ("敦煌廿詠 二、白龍堆詠", "敦煌廿咏二白龙堆咏"),
        ("竹〖1〗", "竹"),
        ("寄□使君", ""),
        ("一○四", ""),
        ("失題", ""),
        ("", ""),
    ],
)
def test_titles(title, expected):
    assert cleaning.clean_title(title, cleaning.read_variants()) == expected


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("劉禹錫", "刘禹锡"),
        ("太宗皇帝", "李世民"),
        ("太宗皇帝李世民", "李世民"),
        ("後主煜", "李煜"),
        ("清尚〖1〗", "清尚"),
        ("耿[湋]", "耿𣲗"),
        ("不詳", ""),
        ("無名氏", ""),
        ("李□", ""),
        ("魏徵、褚亮", ""),
    ],
)
def test_poets(author, expected):
    assert cleaning.clean_poet(author, cleaning.read_variants()) == expected


def test_duplicates_go_to_the_poet_with_most_poems():
    def row(text, poet, title):
        return {"text": text, "poet": poet, "title": title}

    rows = [
        row("甲", "", "题"),
        row("甲", "朱斌", "登楼"),
        row("乙", "王之涣", "送别"),
        row("甲", "王之涣", "登鹳雀楼"),
    ]
    assert duplicates.drop_duplicates(rows) == [rows[3], rows[2]]


def test_poems_that_share_half_their_lines_form_one_cluster():
    one = ["春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少"]
    half = one[:2] + ["白日依山尽", "黄河入海流"]
    reading = ["春眠不知晓", "处处闻鸣鸟", "昨夜风雨狂", "花落有多少"]  # three lines, each with one other character
    chain = half[2:] + ["欲穷千里目", "更上一层楼"]
    quarter = one[:1] + ["空山不见人", "但闻人语响", "返景入深林"]
    assert duplicates.cluster([one, half, reading, chain, quarter]) == [0, 0, 0, 0, 4]


def source_folder(folder: Path) -> Path:
    """A small source with one poem of each kind, and with the misleading files that the real one has."""
    poems = folder / "dist" / "quantangshi"
    poems.mkdir(parents=True)
    numbers = "一二三四五六七八九十"
    many = [
        raw(f"{n}山{m}水行，{m}月{n}風清。{n}人{m}夜語，{m}鳥{n}聲鳴。") for n in numbers for m in numbers if n != m
    ]
    (poems / "poet.tang.1000.json").write_text(json.dumps(many), encoding="utf-8")
    first = [raw(*SPRING), raw(*SPRING, author="不詳"), raw(*SPRING, title="句"), raw("□" * 5)]
    (poems / "poet.tang.0.json").write_text(json.dumps(first), encoding="utf-8")
    song = [raw("山中無曆日，寒盡不知年。", "偶來松樹下，高枕石頭眠。"), raw(*SPRING)]
    (poems / "poet.song.0.json").write_text(json.dumps(song), encoding="utf-8")
    for other in ("error", "strains"):
        (folder / "dist" / other).mkdir()
        (folder / "dist" / other / "poet.tang.0.json").write_text("[{}]", encoding="utf-8")
    return folder


def test_what_returns_from_another_collection_goes():
    """Half its lines in any reading are enough; a shared line is not."""
    tang = [{"lines": ["春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知多少"]}]
    again = {"lines": ["春眠不觉晓", "处处闻啼鸟", "夜来风雨声", "花落知几多"]}
    reading = {"lines": ["春眠未觉晓", "处处听啼鸟", "山中无历日", "寒尽不知年"]}
    cento = {"lines": ["春眠不觉晓", "白日依山尽", "山中无历日", "寒尽不知年"]}
    assert duplicates.apart_from([again, reading, cento], tang) == [cento]


def test_a_rebuild_gives_the_same_bytes(tmp_path, capsys):
    folder = source_folder(tmp_path / "package")
    archive = tmp_path / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, "package")
    outs = [tmp_path / "one", tmp_path / "two"]
    for source, out in zip([folder, archive], outs, strict=True):
        assert corpus.main(["--source", str(source), "--out", str(out)]) == 0
    names = sorted(path.name for path in outs[0].iterdir())
    assert names == ["README.md", "test.parquet", "train.parquet", "validation.parquet"]
    for name in names:
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()
    printed = capsys.readouterr().out
    assert "Of 94 poems" in printed
    for row in ("| duplicate | 1 |", "| fragment | 1 |", "| lacuna | 1 |"):
        assert row in printed
    assert corpus.read_raw(folder)[0]["paragraphs"] == SPRING  # 0 before 1000


def test_the_song_without_what_the_tang_has(tmp_path, capsys):
    assert corpus.main(["song", "--source", str(source_folder(tmp_path / "package")), "--out", str(tmp_path)]) == 0
    (row,) = pq.read_table(tmp_path / "train.parquet").to_pylist()
    assert row["text"] == "山中无历日，寒尽不知年。偶来松树下，高枕石头眠。"
    assert "| stands in the Tang's | 1 |" in capsys.readouterr().out


def test_errors_are_one_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("no archive")
    (tmp_path / "quantangshi").mkdir()
    (tmp_path / "quantangshi" / "poet.tang.0.json").write_text("[{")
    monkeypatch.setattr(corpus, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(corpus.shutil, "which", lambda name: None)
    for arguments, message in [
        (["--source", str(tmp_path / "nothing")], "no such file or folder"),
        (["--source", str(tmp_path / "file")], "neither a folder nor a tar archive"),
        (["--source", str(tmp_path)], "damaged JSON"),
        (["--source", str(Path(__file__).parent)], "no poet.tang.*.json"),
        ([], "npm not found"),
    ]:
        assert corpus.main(arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


# --------------------------------------------------------------------------------------------------- what is committed


@pytest.fixture(scope="module")
def splits() -> dict[str, list[dict]]:
    return {name: pq.read_table(corpus.HERE / f"{name}.parquet").to_pylist() for name in duplicates.SPLITS}


@pytest.fixture(scope="module")
def rows(splits) -> list[dict]:
    return [row for part in splits.values() for row in part]


def test_rows_are_consistent(rows):
    for row in rows:
        assert split_lines(row["text"]) == row["lines"]
        assert classify(row["lines"]).name == row["form"]
        assert len(row["lines"]) >= cleaning.MIN_LINES
        assert row["text"].endswith("。")
    assert len({row["text"] for row in rows}) == len(rows)


def test_only_han_and_two_marks(rows):
    han = cleaning.HAN
    for row in rows:
        assert re.fullmatch(rf"(?:[{han}]+[，。])+", row["text"])
        assert re.fullmatch(rf"[{han}]*", row["poet"]) and re.fullmatch(rf"[{han}]*", row["title"])


def test_no_variant_glyph_is_left(rows):
    variants = cleaning.read_variants()
    characters = {c for row in rows for c in row["text"] + row["poet"] + row["title"]}
    assert not characters & variants.keys() and not variants.keys() & set(variants.values())
    assert {c for c in characters if cleaning.simplify(c, variants) != c} <= set(cleaning.KEPT_TRADITIONAL)


def test_no_leaks_between_the_splits(splits):
    """Written without the code under test: no two poems of different splits share half the lines of the shorter."""
    where = defaultdict(set)
    poems = [(name, row["lines"]) for name, part in splits.items() for row in part]
    for i, (_, lines) in enumerate(poems):
        for line in lines:
            where[line].add(i)
    shared = defaultdict(int)
    for found in where.values():
        for i in found:
            for j in found:
                if i < j and poems[i][0] != poems[j][0]:
                    shared[i, j] += 1
    assert shared
    assert all(2 * n < min(len(set(poems[i][1])), len(set(poems[j][1]))) for (i, j), n in shared.items())


def test_sizes(splits, rows):
    assert sum(path.stat().st_size for path in corpus.HERE.iterdir()) < 10 * 2**20
    assert abs(len(splits["train"]) / len(rows) - 0.95) < 0.01
    assert abs(len(splits["test"]) / len(rows) - 0.025) < 0.005


def test_the_card_tells_the_numbers(splits):
    card = corpus.CARD.read_text(encoding="utf-8")
    numbers = re.search(r"<!-- numbers: .*? -->\n\n(.*?)\n\n<!-- end -->", card, re.DOTALL)[1]
    table = numbers.partition("| dropped |")[2]
    dropped = corpus.Counter(
        {reason: int(n.replace(",", "")) for reason, n in re.findall(r"\| ([a-z ]+) \| ([\d,]+) \|", table)}
    )
    kept = sum(map(len, splits.values()))
    assert corpus.report(kept + dropped.total(), splits, dropped) == numbers


def test_load_dataset(tmp_path, splits):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(corpus.HERE), cache_dir=str(tmp_path))
    assert {name: len(part) for name, part in loaded.items()} == {name: len(part) for name, part in splits.items()}
    assert loaded["train"].column_names == ["text", "lines", "form", "poet", "title"]
    assert loaded["test"][0] == splits["test"][0]
