"""A pasted text as rows: one glyph a character, and of each row what is no verse taken out and named.

What a row is, verse or heading, is for :mod:`.reading` to say, which sees them all.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from .columns import as_rows
from .formats import plain
from .forms import split_lines
from .headings import DYNASTY, ENDS, HAN, NUMERAL, REGULAR, TEXT_LABELS, are_regular, is_commentary, is_form, label

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

IS_HAN = re.compile(f"[{HAN}]")
ONLY_HAN = re.compile(f"[{HAN}]+")

_SERIES = re.compile(rf"^[（(\[【]?(?:其[{NUMERAL}]+|第[{NUMERAL}\d]+首|之[{NUMERAL}]+(?=\W*$))[）)\]】]?[、.．:：\s]*")
_ORDINAL = re.compile(rf"^[（(\[【]?(?:[{NUMERAL}]{{1,3}}|\d{{1,3}}|[IVX]{{1,4}})[）)\]】]?[、.．:：]?$")
_BULLET = re.compile(
    rf"^\s*(?:\[\d+:\d+(?:[.:]\d+)?\]\s*|\|?\s*\d{{1,4}}\s*\|\s*|#+\s+|[-*•·●○◆■>]+\s+"
    rf"|[（(\[【]?\d{{1,4}}[）)\]】.、．:：)]+\s*|\d{{1,4}}\s+|"
    rf"\d{{1,3}}\s*[-–—]\s*(?=[{HAN}])|[A-Za-z]\d{{1,2}}[:：.)、]\s*|[（(][{NUMERAL}]+[）)]\s*|[{NUMERAL}]{{1,3}}[、.．]\s*"
    rf"|第[{NUMERAL}\d]{{1,3}}[句联聯行]\s*[:：、]?\s*|[首颔頷颈頸尾上下][联聯]\s*[:：]\s*|[起承转轉合]\s*[:：]\s*"
    r"|[A-Za-z]{1,4}[.)、．）]\s*)"
)
_NUMBERED = re.compile(rf"[{NUMERAL}\d]")
_PARTED = re.compile(r"\s*[-=*_~—─·•☆★]{3,}\s*|\s*(?:[-=*_~—─·•☆★]\s+){2,}[-=*_~—─·•☆★]\s*")
_PAGE = re.compile(
    rf"[-—–·\s]*(?:第\s*[{NUMERAL}\d]+\s*[页頁].*|\d+\s*[/／]\s*\d+|[Pp](?:age|\.)\s*\d+.*|\d+)[-—–·\s]*"
)
_SCANNED = frozenset(f"平仄中入通韵韻叶○●◎⊙△▲（）()/| \t\u3000{ENDS}")
_SENT = re.compile(rf"[^{ENDS}]{{0,20}}\s\d{{1,2}}:\d{{2}}(?::\d{{2}})?")  # 张三 10:32
# The tones of a line behind it, and, in a row of prose, a quotation.
_TONES_BEHIND = re.compile(rf"(?<=[{HAN}{ENDS}])[\s—–:：-]+[平仄中○●]{{5,7}}[{ENDS}]?$")
_QUOTED = re.compile("[“「『]([^“”「」『』]+)[”」』]")
_TAGS = re.compile(rf"https?://[^\s{HAN}，。）】]+|www\.[^\s{HAN}，。）】]+|#[^#\s]+#|(?<!\S)[#@][^\s#@]+")
_PAIRS = ["（）", "()", "【】", "[]", "〔〕", "〖〗", "［］", "{}", "<>"]
_BRACKETS = re.compile("|".join(rf"\{a}[^\{a}\{b}]*\{b}" for a, b in _PAIRS))
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]"
)
_MARKED_VOWELS = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ"
# Syllables with tone marks between the characters; words behind them; figures and daggers of footnotes.
_PINYIN = re.compile(rf"\s*[A-Za-zü]*[{_MARKED_VOWELS}][A-Za-zü{_MARKED_VOWELS}]*\s*")
_TRANSLATION = re.compile(rf"(?<=[{HAN}])(?:([{ENDS}”])|\s+[–—|/:-]*)\s*[A-Za-z][^{HAN}]*$")
_REFERENCE = re.compile(rf"(?<=[{HAN}])(?:\d{{1,2}}|[*†‡※^]+)(?=[{ENDS}]|$)|(?<=[{ENDS}])\s*\d{{1,3}}$")
# What is left open in a line, to be filled in: 黄河入____流, 黄河入（  ）流.
_OPEN = re.compile(r"[_＿]{2,}|[（(][ \t\u3000_＿]*[）)]")
# Radicals, compatibility ideographs, full-width digits and letters.
_OTHER_GLYPH = re.compile("[\u2e80-\u2fdf\uf900-\ufaff\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0002f800-\U0002fa1f]")
# Radicals of the supplement that Unicode does not map to the characters they are.
_RADICALS = dict(
    zip(
        "⺁⺊⺌⺍⺕⺝⺟⺠⺡⺣⺨⺮⺼⻁⻄⻅⻆⻉⻋⻓⻔⻘⻛⻜⻢⻥⻦⻨⻩⻬⻮⻰⻳",
        "厂卜小小彐月母民水火犬竹月虎西见角贝车长门青风飞马鱼鸟麦黄齐齿龙龟",
    )
)


@dataclass(frozen=True)
class Aside:
    """What was set aside: its kind (``title`` ``poet`` ``note`` ``number`` ``attribution`` ``comment`` ``heading``
    ``sign``) and its text."""

    kind: str
    text: str


@dataclass
class Row:
    """A line of the text as it stands: what is left of it, its pieces between marks, and what was taken out of it.

    Attributes:
        blank_before: whether an empty line stands before it.
        parted: whether a rule or several empty lines do.
        series: whether it begins another poem of a series (其二); ``ordinal`` where a mere number may do so.
        numbered: whether a number was taken from its head.
        heading: whether it is one by its shape (:func:`.dividing.mark_headings`).
    """

    text: str
    pieces: list[str]
    aside: list[Aside]
    blank_before: bool = False
    parted: bool = False
    series: bool = False
    ordinal: bool = False
    numbered: bool = False
    heading: bool = False

    @property
    def marked(self) -> bool:
        """Whether a mark parts or ends it."""
        return bool(re.search(rf"[{ENDS}/|]", self.text))


def rows_of(text: str, signs: list[str]) -> list[Row]:
    """The rows of a text; signs that were dropped are added to ``signs``."""
    lines = as_rows(_clean(plain(text), signs).split("\n"))
    rows: list[Row] = []
    blanks, parted = 0, False
    for line in lines:
        if rows and _PARTED.fullmatch(line):
            parted = True
            continue
        row = _row(line, first=not rows)
        if row.text or row.aside:
            row.blank_before, row.parted = blanks > 0, parted or blanks > 1
            rows.append(row)
            blanks, parted = 0, False
        elif rows:
            blanks += 1
    return _unwrapped(rows)


def pieces_of(line: str) -> list[str]:
    """The verse lines of a row, strokes between them too."""
    return split_lines(re.sub(r"[/|\\]", " ", line))


def _clean(text: str, signs: list[str]) -> str:
    """The text with one glyph a character: radicals and compatibility forms made whole; HTML, invisible ones gone."""
    text = re.sub(r"<\s*(?i:br|/p|/div|/li|/h\d|/tr)\s*/?\s*>|\\r?\\n|\\n|\r\n?|[\u2028\u2029\v\f\x85]", "\n", text)
    text = re.sub(r"</t[dh]\s*>", " | ", text, flags=re.IGNORECASE)
    text = re.sub(r"<(r[tp])\b[^>]*>.*?</\1>", "", text, flags=re.IGNORECASE)  # what stands above characters
    text = re.sub(r"\[/?(?:center|b|i|u|quote|size|color|font|align)(?:=[^\]]*)?\]", "", text, flags=re.IGNORECASE)
    text = html.unescape(re.sub(r"</?[A-Za-z][^<>]*>", "", text)).replace("\xa0", " ")
    text = re.sub(r"(\d)\ufe0f?\u20e3", r"\1. ", text)  # keys: 1️⃣
    text = _filled(_INVISIBLE.sub("", unicodedata.normalize("NFC", text)))
    text = re.sub(rf"[→⇒➔➜➡＿‖∥¦／＋]|(?<=[{HAN}])\s*[_+](?=\s*[{HAN}])", "/", text)
    text = re.sub(rf"\*\*([^*\n]+)\*\*|(?<![{HAN}*])\*(?=[{HAN}])([^*\n]+)\*(?!\*)", r"\1\2", text)  # bold, italic
    text = re.sub(rf"([{HAN}])々", r"\1\1", text)
    text = re.sub(r"(?m)^[ \t]*([①-⑳㈠-㈩])[ \t]*$", lambda row: f"({unicodedata.numeric(row[1]):.0f})", text)
    kept = []
    for char in text:
        if _OTHER_GLYPH.match(char):
            char = unicodedata.normalize("NFKC", _RADICALS.get(char, char))
        if unicodedata.category(char) in ("So", "Sk", "Lm", "Cs", "Co", "No") and char not in "□○〇":
            signs.append(char)
            continue
        kept.append(char)
    return re.sub(rf"(?<=[{ENDS}])[ \t]*\d{{1,3}}[.．、:：)）][ \t]*", "", "".join(kept))  # numbers within a row


def _filled(text: str) -> str:
    """The text with □ for each character that is left open, where the other verse lines say how many these are."""
    lines = text.split("\n")
    if not any(map(_OPEN.search, lines)):
        return text
    closed = (
        piece for line in lines if not _OPEN.search(line) or re.search(f"[{ENDS}]", line) for piece in split_lines(line)
    )
    lengths = Counter(len(piece) for piece in closed if len(piece) in REGULAR and ONLY_HAN.fullmatch(piece))
    if not lengths:
        return text
    length, by_marks = max(lengths, key=lengths.__getitem__), any(re.search(f"[{ENDS}]", line) for line in lines)

    def filled(match: re.Match) -> str:
        piece = match[0]
        parts = _OPEN.split(piece)
        missing, places = length - len(IS_HAN.findall(piece)), len(parts) - 1
        if not places or missing < places or not re.fullmatch(rf"(?:\d+[、)）]|[{HAN}\s])*", "".join(parts)):
            return piece
        sizes = [missing // places + (number < missing % places) for number in range(places)]
        return "".join(part.strip() + "□" * size for part, size in zip(parts, [*sizes, 0]))

    whole = 0  # verse lines since one was left open or a poem began: behind a whole poem strokes alone are a rule
    for number, line in enumerate(lines):
        marked = re.search(f"[{ENDS}]", line)
        rule = not marked and not IS_HAN.search(line) and (not whole or whole >= 4 and whole % 2 == 0)
        named = label(_OPEN.sub("", line).strip(" :：") + "：")  # 姓名____
        if not (by_marks and not marked and IS_HAN.search(line)) and not rule and not named:
            lines[number] = re.sub(rf"[^{ENDS}]+", filled, line)
        pieces = split_lines(lines[number])
        whole = whole + len(pieces) if pieces and {*map(len, pieces)} == {length} else 0
    return "\n".join(lines)


def _row(line: str, first: bool) -> Row:
    aside: list[Aside] = []
    line = line.strip(" \t\u3000*_~`|'")
    if first and re.fullmatch(r"#+[^#\s]+#?", line) and not is_form(line.strip("#")):
        line = line.strip("#")  # a heading of Markdown without its space, or a tag that is the title
    for tag in _TAGS.findall(line):
        aside.append(Aside(NOTE, tag))
        line = line.replace(tag, " ", 1)
    line = line.strip()
    if _is_scansion(line) or _SENT.fullmatch(line):
        return Row("", [], [*aside, Aside(NOTE, line)])
    if series := _SERIES.match(line):
        aside.append(Aside(NUMBER, series[0].strip(" 、.．:：")))
        line = line[series.end() :].strip()
    elif ordinal := _ORDINAL.match(line):
        return Row("", [], [*aside, Aside(NUMBER, line)], ordinal=bool(ordinal))
    elif _PAGE.fullmatch(line):
        return Row("", [], [*aside, Aside(NUMBER, line)])
    if (labelled := label(line)) and labelled[0] in TEXT_LABELS and labelled[1]:
        aside.append(Aside(HEADING, labelled[0]))
        line = labelled[1]
    bullet = _BULLET.match(line)
    if bullet and IS_HAN.search(line[bullet.end() :]):
        aside.append(Aside(NUMBER, bullet[0].strip(" |")))
        line = line[bullet.end() :].strip()
    line = line if is_commentary(line) else _quoted(_without_brackets(line, aside), aside)
    for foreign in (_PINYIN, _TRANSLATION, _REFERENCE, _TONES_BEHIND):
        line = _without(foreign, line, aside)
    line, pieces = _unspaced(line)
    numbered = bool(bullet and _NUMBERED.search(bullet[0]))
    return Row(line, pieces, aside, series=bool(series), numbered=numbered)


def _without_brackets(line: str, aside: list[Aside]) -> str:
    """The line without what stands in brackets, which are notes; a whole line in brackets stays what it is."""
    bare = _BRACKETS.sub("", line).strip()
    if not IS_HAN.search(bare):
        return line

    def noted(match: re.Match) -> str:
        inner = match[0][1:-1].strip()
        numbered = inner in NUMERAL and are_regular(pieces_of(bare))
        if len(inner) == 1 and IS_HAN.match(inner) and match[0][0] in "[［〔" and not numbered:
            return match[0]  # a character that an editor supplied
        if inner:
            aside.append(Aside(NOTE, inner))
        return ""

    return _BRACKETS.sub(noted, line).strip()


def _quoted(line: str, aside: list[Aside]) -> str:
    """Of a sentence of prose that quotes whole couplets only these: 小时候背“床前明月光，疑是地上霜。”，还记得。"""
    for quotation in _QUOTED.finditer(line):
        around = [line[: quotation.start()].strip(), line[quotation.end() :].strip(f" {ENDS}")]
        pieces = split_lines(quotation[1])
        prose = any(around) and not all(are_regular(split_lines(part)) for part in around if part)
        if prose and len(pieces) % 2 == 0 and are_regular(pieces):
            aside += [Aside(HEADING, part) for part in around if part]
            return quotation[1]
    return line


def _is_scansion(line: str) -> bool:
    """Whether it is the tones of a line: 仄仄平平仄, ●●○○●."""
    return _SCANNED.issuperset(line) and sum(char in "平仄○●" for char in line) >= 4


def _without(foreign: re.Pattern, line: str, aside: list[Aside]) -> str:
    """The line without what is foreign to it, if any of it is Chinese."""
    found = [part[0].strip(f" –—-|/:{ENDS}") for part in foreign.finditer(line)] if IS_HAN.search(line) else []
    if found:
        aside.append(Aside(NOTE, " ".join(found)))
        line = foreign.sub(lambda part: part[1] if part.lastindex else "", line)
    return line


def _unspaced(line: str) -> tuple[str, list[str]]:
    """The line and its pieces, without the spaces between single characters, nor spaces and strokes within verse lines
    that marks already part: ``白日/依山/尽，黄河/入海/流。``."""
    pieces = pieces_of(line)
    if len(pieces) > 2 and sum(len(piece) == 1 for piece in pieces) > 0.8 * len(pieces):
        line = re.sub(r"[ \t\u3000/|·•・]+", "", line)
    elif not are_regular(pieces) and re.search(rf"[{ENDS}]|[/|].*[/|]|[·•・].*[·•・]", line):
        feet = not any(re.fullmatch(DYNASTY, piece) for piece in pieces)
        joined = re.sub(r"[\s/|·•・]+" if feet else r"[\s/|]+", "", line)
        line = joined if are_regular(split_lines(joined)) else line
    return line, pieces_of(line)


def _unwrapped(rows: list[Row]) -> list[Row]:
    """The rows with verse lines that were broken at the end of a printed line made whole."""
    lengths = Counter(len(piece) for row in rows for piece in row.pieces if len(piece) in REGULAR)
    length = max(lengths, key=lengths.__getitem__, default=0)
    kept: list[Row] = []
    for row in rows:
        tail = kept and not row.blank_before and re.search(rf"(?<=[{ENDS}])[{HAN}]+$", kept[-1].text)
        head = tail and re.match(rf"[{HAN}]+(?=[{ENDS}]|$)", row.text)
        if head and len(tail[0]) < length == len(tail[0]) + len(head[0]):
            before = kept[-1]
            before.text += row.text
            before.pieces, before.aside = split_lines(before.text), before.aside + row.aside
        else:
            kept.append(row)
    return kept


__all__ = ["ATTRIBUTION", "COMMENT", "HEADING", "IS_HAN", "NOTE", "NUMBER", "ONLY_HAN", "POET"]
__all__ += ["SIGN", "TITLE", "Aside", "Row", "pieces_of", "rows_of"]
