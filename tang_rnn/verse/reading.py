"""What people paste, read: which of it is verse, which is title, author, note or number, and how many poems it is.

:func:`read` takes any text and gives each poem in it with its verse lines and with what was set aside, by name, so that
nobody wonders where it went.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace

from ..faults import Fault, text_of
from .forms import split_lines

# What is set aside; the wording is in the words, under "aside_" and the name.
TITLE, POET, NOTE, NUMBER, ATTRIBUTION, COMMENT, HEADING, SIGN = [
    "title",
    "poet",
    "note",
    "number",
    "attribution",
    "comment",
    "heading",
    "sign",
]

_HAN = r"\u3007\u25a1\u3400-\u9fff\U00020000-\U0003ffff"
_ENDS = "，。！？；,.?!;．｡﹐﹒︐︒"
_ONLY_HAN = re.compile(f"[{_HAN}]+")
_IS_HAN = re.compile(f"[{_HAN}]")
_DYNASTY = (
    "先秦|两汉|西汉|东汉|汉|漢|三国|三國|魏晋|魏晉|魏|西晋|东晋|晋|晉|南北朝|南朝|北朝|隋|盛唐|中唐|晚唐|初唐|唐代|唐朝|唐|"
    "五代|南唐|辽|遼|北宋|南宋|宋代|宋朝|宋|金|元代|元朝|元|明代|明朝|明|清代|清朝|清|近代|现代|現代|当代|當代|民国|民國"
)
_NUMERAL = "一二三四五六七八九十百"
_SERIES = re.compile(rf"^[（(\[【]?其[{_NUMERAL}]+[）)\]】]?[、.．:：\s]*")
_BULLET = re.compile(
    rf"^\s*(?:#+\s+|[-*•·●○◆■>]+\s+|[（(\[【]?\d{{1,4}}[）)\]】.、．:：)]+\s*|\d{{1,4}}\s+|[①-⑳㈠-㈩]\s*|[（(][{_NUMERAL}]+[）)]\s*"
    rf"|[{_NUMERAL}]{{1,3}}[、.．]\s*)"
)
_BY = re.compile(rf"^[（(\[【〔]?(?:{_DYNASTY})[）)\]】〕]?\s*[·•・.:：、\s]*([{_HAN}]{{2,4}})$")
_LABELLED = re.compile(
    r"^[【\[]?(题目|題目|标题|標題|诗题|詩題|作者|诗人|詩人|朝代|年代|正文|原文|体裁|體裁|诗体)[】\]]?\s*[:：]\s*(.*)$"
)
_COMMENTARY = re.compile(
    r"^[【\[（(]?(注释|注釋|註釋|注解|註解|注|译文|譯文|今译|白话|翻译|赏析|賞析|鉴赏|鑒賞|评析|作品赏析|简析|创作背景|背景|作者简介)"
    r"[】\])）]?\s*[:：]|^[【\[（(]?(注释|译文|赏析|鉴赏|创作背景|作者简介)[】\]）)]?$"
)
_PAIRS = ["（）", "()", "【】", "[]", "〔〕", "〖〗", "［］", "{}", "<>"]
_BRACKETS = re.compile("|".join(rf"\{a}[^\{a}\{b}]*\{b}" for a, b in _PAIRS))
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_TITLE_MARKS = re.compile(r"^[《〈『「\"“]?([^《》〈〉『』「」“”\"]+)[》〉』」\"”]?$")
_PREFIX = re.compile(
    rf"^(?P<head>[^，。！？；,?!;\n]{{1,30}}?(?:[:：]|(?<=》)\s*|\s+))(?=[{_HAN}]{{3,}}[，。,.、/|])(?P<rest>.+)$"
)
_SIGNED = re.compile(r"\s*[—–―─-]{1,}\s*([^—–―─，。！？；,.?!;\n]{1,24})$")


@dataclass(frozen=True)
class Aside:
    """What was set aside: its kind (``title`` ``poet`` ``note`` ``number`` ``attribution`` ``comment`` ``heading``
    ``sign``) and its text."""

    kind: str
    text: str


@dataclass
class Pasted:
    """A poem as it was pasted.

    Attributes:
        lines: its verse lines, without marks.
        title, poet: as named above or below it; empty if not.
        aside: everything that was set aside, in order.
    """

    lines: list[str]
    title: str = ""
    poet: str = ""
    aside: list[Aside] = field(default_factory=list)


@dataclass
class _Row:
    """A line of the text as it stands: what is left of it, and what was taken out of it."""

    text: str
    pieces: list[str]
    aside: list[Aside]
    blank_before: bool = False
    series: bool = False

    @property
    def marked(self) -> bool:
        """Whether a mark parts or ends it."""
        return bool(re.search(rf"[{_ENDS}/|]", self.text))


def read(text: str) -> list[Pasted]:
    """The poems in a text, one or several.

    Raises:
        Fault: there is none, or a character in the midst of a verse line is no Chinese one.
    """
    signs: list[str] = []
    rows = _rows(_clean(text_of(text, "text"), signs))
    comments, rows = _without_commentary(rows)
    if not any(_IS_HAN.search(row.text) for row in rows):
        if stray := next((c for row in rows for c in row.text if c.isalnum()), None):
            raise Fault("not_chinese", char=stray)
        raise Fault("no_poem")
    poems = [_poem(block) for block in _blocks(rows)]
    poems = [poem for poem in poems if poem.lines] or [_poem(rows, everything=True)]
    for poem in poems:
        for char in "".join(poem.lines):
            if not _IS_HAN.fullmatch(char):
                raise Fault("not_chinese", char=char)
    poems[0].aside += [Aside(SIGN, sign) for sign in dict.fromkeys(signs)]
    poems[-1].aside += comments
    if not any(poem.lines for poem in poems):
        raise Fault("no_poem")
    return poems


def _clean(text: str, signs: list[str]) -> str:
    """The text with one glyph a character: radicals and compatibility forms made whole; HTML, invisible ones gone."""
    text = re.sub(r"<\s*(?i:br|/p|/div|/li|/h\d)\s*/?\s*>|\\r?\\n|\\n|\r\n?|[\u2028\u2029\v\f\x85]", "\n", text)
    text = html.unescape(re.sub(r"</?[A-Za-z][^<>]*>", "", text)).replace("\xa0", " ")
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    kept = []
    for char in text:
        if _OTHER_GLYPH.match(char):
            char = unicodedata.normalize("NFKC", _RADICALS.get(char, char))
        if unicodedata.category(char) in ("So", "Sk", "Cs", "Co", "No") and char not in "□○〇":
            signs.append(char)
            continue
        kept.append(char)
    return re.sub(rf"(?<=[{_ENDS}])[ \t]*\d{{1,3}}[.．、:：)）][ \t]*", "", "".join(kept))  # numbers within a row


# Radicals, compatibility ideographs, full-width digits and letters.
_OTHER_GLYPH = re.compile("[\u2e80-\u2fdf\uf900-\ufaff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0002f800-\U0002fa1f]")
# Radicals of the supplement that Unicode does not map to the characters they are.
_RADICALS = dict(
    zip(
        "⺁⺊⺌⺍⺕⺝⺟⺠⺡⺣⺨⺮⺼⻁⻄⻅⻆⻉⻋⻓⻔⻘⻛⻜⻢⻥⻦⻨⻩⻬⻮⻰⻳",
        "厂卜小小彐月母民水火犬竹月虎西见角贝车长门青风飞马鱼鸟麦黄齐齿龙龟",
    )
)


def _rows(text: str) -> list[_Row]:
    rows, blank = [], False
    for line in text.split("\n"):
        aside: list[Aside] = []
        line = line.strip(" \t\u3000*_~`")
        if series := _SERIES.match(line):
            aside.append(Aside(NUMBER, series[0].strip(" 、.．:：")))
            line = line[series.end() :].strip()
        elif (bullet := _BULLET.match(line)) and _IS_HAN.search(line[bullet.end() :]):
            aside.append(Aside(NUMBER, bullet[0].strip()))
            line = line[bullet.end() :].strip()
        line = _without_brackets(line, aside)
        pieces = split_lines(line)
        line, pieces = _unspaced(line, pieces)
        if line or aside:
            rows.append(_Row(line, pieces, aside, blank, bool(series)))
            blank = False
        elif rows:
            blank = True
    return rows


def _without_brackets(line: str, aside: list[Aside]) -> str:
    """The line without what stands in brackets, which are notes; a whole line in brackets stays what it is."""
    bare = _BRACKETS.sub("", line).strip()
    if not _IS_HAN.search(bare):
        return line
    for match in _BRACKETS.finditer(line):
        inner = match[0][1:-1].strip()
        if len(inner) == 1 and _IS_HAN.match(inner) and match[0][0] in "[［〔":
            continue  # a character that an editor supplied
        if inner:
            aside.append(Aside(NOTE, inner))
        line = line.replace(match[0], "", 1)
    return line.strip()


def _unspaced(line: str, pieces: list[str]) -> tuple[str, list[str]]:
    """The line without the spaces between single characters."""
    if len(pieces) > 2 and sum(len(piece) == 1 for piece in pieces) > 0.8 * len(pieces):
        line = re.sub(r"[ \t\u3000]+", "", line)
        pieces = split_lines(line)
    return line, pieces


def _without_commentary(rows: list[_Row]) -> tuple[list[Aside], list[_Row]]:
    """What follows 注释, 译文 and the like is set aside."""
    for index, row in enumerate(rows):
        if index and _COMMENTARY.match(row.text):
            return [Aside(COMMENT, row.text[:20]) for row in rows[index:][:1]], rows[:index]
    return [], rows


def _blocks(rows: list[_Row]) -> list[list[_Row]]:
    """The rows of each poem: 其二, or a heading behind whole couplets, begins another."""
    length = _length(rows)
    blocks: list[list[_Row]] = [[]]
    for row in rows:
        block = blocks[-1]
        verse = [each for each in block if _is_verse(each, length)]
        lines = sum(len(each.pieces) for each in verse)
        if row.series and verse or row.blank_before and lines >= 4 and lines % 2 == 0 and _is_heading(row, length):
            blocks.append([])
        blocks[-1].append(row)
    headed = [block for block in blocks if any(_is_verse(row, length) for row in block)]
    # A heading without verse behind it is no poem: an attribution, the end of the last one.
    if len(headed) < len(blocks):
        merged: list[list[_Row]] = []
        for block in blocks:
            if any(_is_verse(row, length) for row in block) or not merged:
                merged.append(block)
            else:
                merged[-1] += block
        return merged
    return blocks


def _length(rows: list[_Row]) -> int:
    """The commonest length of a verse line: 5 or 7 if most are of it, 0 for mixed verse."""
    lengths = Counter(len(piece) for row in rows for piece in row.pieces if _ONLY_HAN.fullmatch(piece))
    if not lengths:
        return 0
    total = sum(lengths.values())
    for length in (5, 7):
        whole = sum(count for each, count in lengths.items() if each % length == 0)
        if lengths[length] >= 0.5 * total or whole >= 0.5 * total and whole > lengths[length]:
            return length
    return 0


def _is_verse(row: _Row, length: int) -> bool:
    if not row.pieces or not _IS_HAN.search(row.text):
        return False
    if length:
        return sum(len(piece) % length == 0 for piece in row.pieces) >= 0.5 * len(row.pieces)
    return row.marked or len(row.pieces) > 2


def _is_heading(row: _Row, length: int) -> bool:
    return bool(row.text) and not _is_verse(row, length)


def _poem(rows: list[_Row], everything: bool = False) -> Pasted:
    """A poem from its rows; ``everything`` takes all of them for verse."""
    length, poem = _length(rows), Pasted([])
    marked = any(row.marked for row in rows)
    verse = [i for i, row in enumerate(rows) if everything or _is_verse(row, length)]
    if not length and not marked and not everything:
        verse = [i for i, row in enumerate(rows) if row.pieces]
    if marked and not rows[-1].marked and re.search("[《〈）)】]", rows[-1].text):  # （唐·李白《静夜思》）
        verse = [i for i in verse if i < len(rows) - 1] or verse
    verse = _without_title_rows(rows, verse, length, marked)
    for index, row in enumerate(rows):
        if index in verse:
            poem.aside += row.aside
            poem.lines += _verse_of(row, index == verse[0], index == verse[-1], poem)
        elif verse and index < verse[0]:
            poem.aside += [aside for aside in row.aside if aside.kind != NOTE]
            _head(row, poem)
        elif verse and index > verse[-1]:
            if row.text:
                _foot(row, poem)
            poem.aside += row.aside
        else:
            poem.lines += row.pieces
            poem.aside += row.aside
    return poem


def _without_title_rows(rows: list[_Row], verse: list[int], length: int, marked: bool) -> list[int]:
    """Verse rows without those at the top that are headings though they have a verse line's length."""
    if len(verse) < 2:
        return verse
    # Between a title and the verse there may stand an author: then all above him is heading.
    for index in verse[1:3]:
        between = [rows[i].text for i in range(index) if i not in verse]
        if any(_BY.match(text) or _LABELLED.match(text) for text in between):
            above = [i for i in verse if i < index and not rows[i].marked]
            if above and len(above) < len(verse) - 1:
                verse = [i for i in verse if i not in above]
            break
    first = rows[verse[0]]
    others = [rows[i] for i in verse[1:]]
    lines = sum(len(rows[i].pieces) for i in verse)
    if marked and not first.marked and all(row.marked for row in others) and (lines % 2 or not length):
        return verse[1:]
    alone = len(first.pieces) == 1 and others[0].blank_before
    return verse[1:] if not marked and length and lines - 1 in (4, 8) and alone else verse


def _verse_of(row: _Row, first: bool, last: bool, poem: Pasted) -> list[str]:
    """The verse lines of a row, without a heading before them in the same row or a signature behind them."""
    text = row.text
    if last and (signed := _SIGNED.search(text)) and _IS_HAN.search(text[: signed.start()]):
        _attribute(signed[1], poem)
        text = text[: signed.start()]
    if first and (prefix := _PREFIX.match(text)):
        head, rest = prefix["head"].strip(" :："), prefix["rest"]
        lengths = {len(piece) for piece in split_lines(rest)}
        if lengths and len(head) not in lengths or len(lengths) > 1 or "》" in head:
            _head(replace(row, text=head), poem)
            text = rest
    return split_lines(_unspaced(text, split_lines(text))[0].replace("/", " ").replace("|", " ").replace("\\", " "))


def _head(row: _Row, poem: Pasted) -> None:
    """A heading: an author if it looks like one, the title if there is none yet."""
    text = row.text.strip(" \t\u3000:：")
    if not text:
        return
    if label := _LABELLED.match(row.text):
        kind = POET if label[1] in ("作者", "诗人", "詩人") else TITLE if label[1][-1] in "目题題" else HEADING
        text = label[2].strip() or text
    elif by := _BY.match(text.strip("（）()[]【】 ")) or _BY.match(text):
        _set(poem, POET, text, by[1])
        return
    elif pair := re.fullmatch(r"(.*?)[《〈]([^《》]+)[》〉](.*)", text):
        _set(poem, TITLE, pair[2], pair[2])
        if other := (pair[1] + pair[3]).strip(" ·•・:：—-"):
            _set(poem, POET, other, _name(other))
        return
    elif (pieces := re.split(r"[\s·•・]+", text)) and len(pieces) == 2 and len(pieces[1]) <= 4 and not poem.title:
        _set(poem, TITLE, pieces[0], pieces[0])
        _set(poem, POET, pieces[1], _name(pieces[1]))
        return
    elif poem.title and not poem.poet and len(re.findall(_IS_HAN, text)) <= 6:
        kind = POET
    else:
        kind = TITLE if not poem.title and _IS_HAN.search(text) else HEADING
    bare = _TITLE_MARKS.match(text.strip("【】[]（）()"))
    _set(poem, kind, text, _name(text) if kind == POET else bare[1] if bare else text)


def _foot(row: _Row, poem: Pasted) -> None:
    """What stands below a poem: who wrote it, or a note."""
    text = row.text.strip()
    if (signed := re.match(r"[—–―─-]+\s*(.+)", text)) or _BY.match(text.strip("（）()[]【】")):
        _attribute(signed[1] if signed else text, poem)
    elif _BRACKETS.fullmatch(text):
        inner = text[1:-1].strip()
        if _BY.match(inner) or re.search("[《》]", inner):
            _attribute(inner, poem)
        else:
            poem.aside.append(Aside(NOTE, inner))
    else:
        _attribute(text, poem)


def _attribute(text: str, poem: Pasted) -> None:
    poem.aside.append(Aside(ATTRIBUTION, text.strip()))
    if pair := re.search(r"[《〈]([^《》]+)[》〉]", text):
        poem.title = poem.title or pair[1]
    poem.poet = poem.poet or _name(re.sub(r"[《〈].*?[》〉]", "", text))


def _name(text: str) -> str:
    """A poet's name without dynasty and marks: ``[唐] 李白``, ``唐·李白``."""
    bare = re.sub(r"[（(\[【〔].*?[）)\]】〕]", "", text).strip(" ·•・:：—-")
    bare = re.sub(rf"^(?:{_DYNASTY})[·•・:：\s]+", "", bare)
    return bare if _ONLY_HAN.fullmatch(bare) and len(bare) <= 6 else ""


def _set(poem: Pasted, kind: str, shown: str, value: str) -> None:
    poem.aside.append(Aside(kind, shown))
    if kind == TITLE and not poem.title:
        poem.title = value
    elif kind == POET and not poem.poet:
        poem.poet = value


__all__ = ["Aside", "Pasted", "read"]
