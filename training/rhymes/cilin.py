"""词林正韵: 19 groups, merged from the 106 of 平水韵 by the published table (戈载, 1821).

Nine groups of 平水韵 are halved there, along the rhymes of 广韵 that had been merged into them; where 广韵 lacks a
character, its reading of today tells the halves apart.
"""

from __future__ import annotations

from .modern import pypinyin_readings, standard_readings
from .pingshui import Readings, guangyun_entries

# For each of the 14 groups: level, oblique; then the five of entering tone. A name in brackets is one half of a group.
MERGED = """
第一部 一东 二冬 一董 二肿 一送 二宋
第二部 三江 七阳 三讲 二十二养 三绛 二十三漾
第三部 四支 五微 八齐 (十灰) 四纸 五尾 八荠 (十贿) 四寘 五未 八霁 (九泰) (十一队)
第四部 六鱼 七虞 六语 七麌 六御 七遇
第五部 (九佳) [十灰] 九蟹 [十贿] [九泰] (十卦) [十一队]
第六部 十一真 十二文 (十三元) 十一轸 十二吻 (十三阮) 十二震 十三问 (十四愿)
第七部 [十三元] 十四寒 十五删 一先 [十三阮] 十四旱 十五潸 十六铣 [十四愿] 十五翰 十六谏 十七霰
第八部 二萧 三肴 四豪 十七筱 十八巧 十九皓 十八啸 十九效 二十号
第九部 五歌 二十哿 二十一箇
第十部 [九佳] 六麻 二十一马 [十卦] 二十二祃
第十一部 八庚 九青 十蒸 二十三梗 二十四迥 二十四敬 二十五径
第十二部 十一尤 二十五有 二十六宥
第十三部 十二侵 二十六寝 二十七沁
第十四部 十三覃 十四盐 十五咸 二十七感 二十八琰 二十九豏 二十八勘 二十九艳 三十陷
第十五部 一屋 二沃
第十六部 三觉 十药
第十七部 四质 十一陌 十二锡 十三职 十四缉
第十八部 五物 六月 七曷 八黠 九屑 十六叶
第十九部 十五合 十七洽
"""

SECTIONS = {"上平": "平声", "下平": "平声", "上声": "仄声", "去声": "仄声", "入声": "入声"}

# Of a halved group the rhymes of 广韵 that are in the round half, (…), and today's finals that speak for it.
HALVES = {
    "十灰": ("灰", "ei uei"),
    "十贿": ("賄", "ei uei"),
    "十一队": ("隊", "ei uei"),
    "九泰": ("", "ei uei"),
    "九佳": ("皆", "ai uai ie i"),
    "十卦": ("怪夬", "ai uai ie i"),
    "十三元": ("魂痕", "en uen in ün"),
    "十三阮": ("混很", "en uen in ün"),
    "十四愿": ("慁恨", "en uen in ün"),
}


# All the rhymes of 广韵 that such a group was merged from.
WHOLE = {
    "十灰": "灰咍",
    "十贿": "賄海",
    "十一队": "隊代廢",
    "九泰": "泰",
    "九佳": "佳皆",
    "十卦": "卦怪夬",
    "十三元": "元魂痕",
    "十三阮": "阮混很",
    "十四愿": "願慁恨",
}


def rhymes_of_guangyun() -> dict[str, set[str]]:
    """For each character the names of its rhymes in 广韵."""
    found: dict[str, set[str]] = {}
    for entry in guangyun_entries():
        found.setdefault(entry.字頭, set()).add(entry.韻目原貌)
    return found


def in_round_half(char: str, group: str, guangyun: dict[str, set[str]]) -> bool:
    """Whether a character is in the half of a halved group that stands in round brackets."""
    rhymes, finals = HALVES[group]
    if known := guangyun.get(char, set()) & set(WHOLE[group]):
        if not rhymes or group in ("九佳", "十卦") and not known & set(rhymes):
            pass  # 佳, 卦 and 泰 themselves are halved: today's reading tells
        else:
            return bool(known & set(rhymes))
    today = standard_readings().get(char) or pypinyin_readings(char)
    return any(syllable.final in finals.split() for syllable in today)


def build(found: dict[str, Readings], names: list[str], sections: list[str]) -> list[tuple[str, str, str, str, str]]:
    """The rows (section, group, surely, perhaps, today), from those of 平水韵."""
    guangyun = rhymes_of_guangyun()
    rows = []
    for line in MERGED.split("\n")[1:-1]:
        name, *parts = line.split()
        kinds: dict[str, tuple[set, set, set]] = {}
        for part in parts:
            group = names.index(part.strip("()[]"))
            section = SECTIONS[sections[group]]
            for char, readings in found.items():
                if group not in readings.groups:
                    continue
                if part[0] in "([" and in_round_half(char, names[group], guangyun) != (part[0] == "("):
                    continue
                sure, perhaps, today = kinds.setdefault(section, (set(), set(), set()))
                here = sure if group in readings.sure else today if group in readings.today else perhaps
                here.add(char)
        for section, (sure, perhaps, today) in kinds.items():
            full = name + ("仄声" if section == "仄声" else "")
            columns = (sure, perhaps - sure, today - perhaps - sure)
            rows.append((section, full, *("".join(sorted(chars)) for chars in columns)))
    return sorted(rows, key=lambda row: ("平声", "仄声", "入声").index(row[0]))


__all__ = ["build"]
