"""A raw poem to a row: notes off, marks and characters made one, title and name in shape; or the reason why not."""

from __future__ import annotations

import functools
import re
import unicodedata
from pathlib import Path

import opencc

from tang_rnn.verse import COMMA, FORMS, STOP, classify

VARIANTS = Path(__file__).parent / "corpus" / "variants.tsv"

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


@functools.cache
def _t2s() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


@functools.cache
def simple_character(character: str) -> str:
    return character if character in KEPT_TRADITIONAL else _t2s().convert(character)


def simplify(text: str, variants: dict[str, str]) -> str:
    """Simplified characters in their common form: OpenCC by phrase, then by character, then the variant glyphs."""
    text = unicodedata.normalize("NFC", text)
    heaven = {match.start() for match in HEAVEN.finditer(text)}
    text = "".join("乾" if i in heaven else c for i, c in enumerate(_t2s().convert(text)))
    return "".join(variants.get(c, c) for c in map(simple_character, text))


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


def crosses(marks: list[str]) -> bool:
    """Whether sentences end where couplets do not, as in a 词 of even lines: 浣溪沙 has three lines a half."""
    return STOP in marks[0::2] and COMMA in marks[1::2]


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


def clean(
    raw: dict,
    variants: dict[str, str],
    min_lines: int = MIN_LINES,
    max_line: int = MAX_LINE,
    edition: bool = True,
) -> tuple[dict | None, str]:
    """A raw poem as a row and "", or None and the reason why it is dropped.

    Args:
        raw: its title, author and paragraphs.
        min_lines, max_line: the fewest lines it may have, and the most characters a line.
        edition: it is a printed edition's: its notes are an editor's, who may have left a part of the poem in them or
            called it a fragment, and whose marks say little.
    """
    source = re.sub(r"\s", "", "".join(raw["paragraphs"]))
    bare = strip_notes(source)
    edited = bare != source or bool(NOTE_NUMBER.search(source))
    bare = QUOTES.sub("", bare)
    if not bare.strip(SOURCE_MARKS):
        return None, "empty"
    if edition and FRAGMENT.search(raw["title"]):
        return None, "fragment"
    if LACUNA.search(bare):
        return None, "lacuna"
    lines, marks = split_verse(simplify(bare, variants))
    if mended := mend(lines):
        lines = mended
    form = classify(lines).name
    if not edition and not mended and is_regular(lines) and crosses(marks):
        form = FORMS["杂言"].name
    elif is_regular(lines):
        marks = [COMMA, STOP] * (len(lines) // 2)
    elif edition and edited or any(bracket in bare for bracket in "（）〖〗"):
        return None, "annotation"
    if not all(ONLY_HAN.fullmatch(line) for line in lines):
        return None, "other characters"
    if len(lines) < min_lines:
        return None, "too short"
    if max(map(len, lines)) > max_line:
        return None, "prose"
    row = {
        "text": "".join(line + mark for line, mark in zip(lines, marks, strict=True)),
        "lines": lines,
        "form": form,
        "poet": clean_poet(raw["author"], variants),
        "title": clean_title(raw["title"], variants),
    }
    return row, ""
