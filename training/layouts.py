"""A text file of poems, in whichever of the usual layouts, to the poems in it.

A poem a line, with its title before it or without; or a poem in several lines, below its title and its poet or
without either, set off by an empty line or by the next title alone; with marks or, a verse line a line, without.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from statistics import median

from tang_rnn.verse.headings import COMMENTARY, DYNASTY, TEXT_LABELS, TITLE_LABELS

from .cleaning import HAN

POETS = ["作者", "诗人", "詩人"]
MARKS = "，。？！；：、,.?!;:…"
END = re.compile(rf"[{MARKS}]+[”’」』\"')）]*$")
INNER = re.compile(rf"[{MARKS}](?=.*[{HAN}])")
PURE = re.compile(rf"[{HAN}]+")
SPACED = re.compile(rf"[{HAN}]+(?:[\s|/]+[{HAN}]+)+")
HEADED = re.compile(r"^(?P<heads>[^，。？！；,.?!;]{1,40}?)\s*(?:[:：\t]|(?<=》)|(?<=】))\s*(?=\S)(?P<verse>.+)$")
# What people put before a poem by way of order: 1. 001 (3) 一、 # - *
NUMBER = re.compile(r"^\s*(?:#+\s*|[-*•]\s+|[(（【\[]?\d{1,6}[)）】\].、．:：\s]*|[一二三四五六七八九十百]+[、．.]\s*)")
LABEL = re.compile(rf"^[【\[]?({'|'.join([*TITLE_LABELS, *POETS, *TEXT_LABELS])})[】\]]?\s*[:：]?\s*(.*)$")
NOTES = re.compile(rf"^[【\[(（]?({COMMENTARY})[】\])）：:]")
PERIOD = re.compile(rf"^[(（\[【〔]?(?:{DYNASTY})[)）\]】〕]?\s*[·・•:：、\s]+|^[(（\[【〔](?:{DYNASTY})[)）\]】〕]\s*")
SIGNATURE = re.compile(r"^[—–-]{1,2}\s*\S")  # ——李白
WITHIN = re.compile(r"</?(?:a|b|em|font|i|span|strong|u)\b[^<>]{0,200}>")  # of HTML, what stands within a line
EMPHASIS = re.compile(r"^[*_]+|[*_]+$")  # of Markdown
IN_BRACKETS = re.compile(rf"(.+?)\s*[（(\[【〔](?!其|[一二三四五六七八九十]|.*[序首作题])([{HAN}·]{{2,5}})[)）\]】〕]")
PERIOD_AFTER = re.compile(rf"\s*[(（\[【〔](?:{DYNASTY})[)）\]】〕]$")


@dataclass
class Found:
    """A poem as it stands in a file, or what stands in a poem's place and why it is none."""

    text: str
    title: str = ""
    poet: str = ""
    where: str = ""
    reason: str = ""
    heads: list[str] = field(default_factory=list)


def bare_poet(name: str) -> str:
    """A poet's name without dynasty and dashes: ``[唐] 李白``, ``——李白（唐）``."""
    name = re.sub(r"^[—–\-\s]+", "", name.strip())
    return PERIOD_AFTER.sub("", PERIOD.sub("", name)).strip()


def verse(text: str) -> str:
    """The text of a poem as :func:`.cleaning.clean` takes it: one line, a mark behind each verse line.

    Line breaks, spaces, strokes, ``<br>`` and ``<p>`` part verse lines where no mark does.
    """
    text = WITHIN.sub("", text)
    text = re.sub(r"<[/a-zA-Z][^<>]{0,200}>|\\r?\\n|\\n|\r\n?|\u2028|[\v\f]", "\n", text)
    lines = [line.strip(" \t\u3000\u200b\ufeff\xa0|/") for line in text.split("\n")]
    lines = [line for line in lines if line]
    marked = any(re.search(rf"[{MARKS}]", line) for line in lines)
    if not marked:
        pieces = [piece for line in lines for piece in re.split(r"[\s|/]+", line)]
        return "".join(piece + "，。"[index % 2] for index, piece in enumerate(pieces))
    result = ""
    for line in lines:
        result += line if END.search(line) else line + ("。" if INNER.search(line) else "，")
    return result


def is_verse(line: str) -> bool:
    """Whether a line is verse by its marks alone: one behind it, or one inside it."""
    line = NUMBER.sub("", line)
    if not re.search(rf"[{HAN}]", line) or SIGNATURE.match(line):
        return False
    return bool(re.search(r"[，。？！；,.?!;、]|[—…]$", line) or SPACED.fullmatch(line) and are_lines(line))


def are_lines(line: str) -> bool:
    """Whether the pieces between spaces are verse lines: four or more, or all of one length of four or more."""
    pieces = re.split(r"[\s|/]+", line)
    return len(pieces) >= 4 or (len({*map(len, pieces)}) == 1 and len(pieces[0]) >= 4)


def segments(line: str) -> int:
    """How many verse lines stand in a line."""
    return len([piece for piece in re.split(rf"[{MARKS}\s|/]+", line) if re.search(rf"[{HAN}]", piece)])


def read(text: str, name: str = "") -> list[Found]:
    """The poems of a text file; `name` is what its places are called by."""
    lines = []  # (number, line), an empty line None
    for number, line in enumerate(re.split(r"\r\n?|\n|\u2028", text), 1):
        line = line.strip(" \t\u3000\u200b\ufeff\xa0\0")
        lines.append((number, line if line and not re.fullmatch(r"[-=*_~#—\s]{3,}", line) else ""))
    full = [line for _, line in lines if line]
    if not full:
        return []
    verses = [line for line in full if is_verse(line)]
    headed = [line for line in full if (match := HEADED.match(line)) and segments(match["verse"]) >= 2]
    if len(headed) > 0.6 * max(1, len(verses)):
        poems = _a_line_each(lines, headed=True)
    elif verses and _is_line_each(lines, verses):
        poems = _a_line_each(lines, headed=False)
    elif len(verses) < 0.2 * len(full):
        poems = _unmarked(lines)
    else:
        poems = _blocks(lines)
    _name_heads(poems)
    for poem in poems:
        poem.where = f"{name} line {poem.where}".strip()
    return poems


def _is_line_each(lines: list[tuple[int, str]], verses: list[str]) -> bool:
    """Whether each line is a poem: most have four verse lines or more, and no heading says that several are one.

    A 词 or an old-style poem may have as many in a line and several lines; then they stand in blocks of two or three.
    """
    if sum(segments(line) >= 4 for line in verses) < 0.7 * len(verses):
        return False
    blocks, plain = _split(lines), [is_verse(line) for _, line in lines if line]
    below = sum(own and not above for above, own in zip(plain, plain[1:])) / len(verses)  # a heading
    even = sum(len({*map(len, re.findall(rf"[{HAN}□○]+", line))}) == 1 for line in verses) / len(verses)
    if 0.3 <= below < 1 and even < 0.5:
        return False  # the halves of a 词 are set off as poems are
    several = [block for block in blocks if sum(is_verse(line) for _, line in block) > 1]
    if len(several) < 0.5 * len(blocks) or median(len(block) for block in several) > 6:
        return True
    headed = sum(not is_verse(block[0][1]) for block in several)
    return headed < 0.5 * len(several) and even > 0.7


def _split(lines: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """Blocks between empty lines; where every line stands alone, headings too (double spacing), all as one block."""
    blocks, block = [], []
    for number, line in [*lines, (0, "")]:
        if line:
            block.append((number, line))
        elif block:
            blocks.append(block)
            block = []
    if all(len(block) == 1 for block in blocks) and not all(is_verse(block[0][1]) for block in blocks):
        return [[line for block in blocks for line in block]]
    return blocks


def _a_line_each(lines: list[tuple[int, str]], headed: bool) -> list[Found]:
    poems, heads, last = [], [], 0
    for number, line in lines:
        if not line:
            continue
        match = HEADED.match(line) if headed else None
        if match and segments(match["verse"]) >= 2:
            before = [piece for piece in re.split(r"[:：\t]", match["heads"]) if piece.strip()]
            rest = match["verse"]
            while (more := HEADED.match(rest)) and segments(more["verse"]) >= 2 and len(before) < 2:
                before.append(more["heads"])  # title, poet and text
                rest = more["verse"]
            poems.append(Found(rest, where=str(number), heads=before))
        elif is_verse(line):
            poems.append(Found(NUMBER.sub("", line), where=str(number), heads=heads))
        elif headed:
            poems.append(Found(line, where=str(number), reason="no verse"))
        else:
            heads = heads if last == number - 1 and len(heads) < 2 else []
            heads = [*heads, line]
            last = number
            continue
        heads = []
    return poems


def _blocks(lines: list[tuple[int, str]]) -> list[Found]:
    """Verse with marks in several lines. An empty line ends a poem; where none does, the next heading."""
    blocks = [_without_notes(block) for block in _split(lines)]
    inner = sum(is_verse(one) and not is_verse(two) for block in blocks for (_, one), (_, two) in zip(block, block[1:]))
    headings_begin = inner >= len(blocks) or len(blocks) == 1
    poems: list[Found] = []
    heads: list[tuple[int, str]] = []
    for block in blocks:
        body: list[tuple[int, str]] = []
        for place, (number, line) in enumerate(block):
            label = LABEL.match(line)
            if label and label[1] in TEXT_LABELS and (label[2] or line[-1] in ":："):
                body += [(number, label[2])] if label[2] else []
            elif is_verse(line) and not (label and not is_verse(label[2])):
                body.append((number, line))
            elif not body or SIGNATURE.match(line):
                heads.append((number, line))
            elif PURE.fullmatch(line) and _fits(line, body):
                body.append((number, line))  # its mark was forgotten
            elif headings_begin:
                poems.append(_poem(heads, body))
                heads, body = [(number, line)], []
            elif place < len(block) - 1 or len(line) > 4 and not re.search(r"[年月日\d]", line):
                body.append((number, line))  # modern verse has lines without a mark
            else:
                heads.append((number, line))  # who wrote it
        if body:
            poem = _poem(heads, body)
            if not heads and poems and poems[-1].heads and not (_is_even(poem.text) or _is_even(poems[-1].text)):
                poems[-1].text += "\n" + poem.text  # the second half of a 词, the next stanza
            else:
                poems.append(poem)
            heads = []
        while len(heads) > 3:
            number, line = heads.pop(0)
            poems.append(Found(line, where=str(number), reason="no verse"))
    return poems + [Found(line, where=str(number), reason="no verse") for number, line in heads]


def _without_notes(block: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """A block up to where notes, translation or comment begin."""
    first = next((place for place, (_, line) in enumerate(block) if NOTES.match(line)), len(block))
    return block[:first]


def _poem(heads: list[tuple[int, str]], body: list[tuple[int, str]]) -> Found:
    number = min(number for number, _ in [*heads, *body])
    return Found("\n".join(line for _, line in body), where=str(number), heads=[line for _, line in heads])


def _is_even(text: str) -> bool:
    """Whether its verse lines, five or seven characters each, make couplets."""
    lengths = [len(line) for line in re.findall(rf"[{HAN}]+", text)]
    return {*lengths} in ({5}, {7}) and len(lengths) % 2 == 0


def _fits(line: str, body: list[tuple[int, str]]) -> bool:
    lengths = {len(piece) for _, verse_line in body for piece in re.findall(rf"[{HAN}]+", verse_line)}
    return len(lengths) == 1 and len(line) in lengths


def _unmarked(lines: list[tuple[int, str]]) -> list[Found]:
    """Verse without marks: the lines of the commonest length, and what stands above them their headings."""
    poems: list[Found] = []
    waiting: list[tuple[int, str]] = []
    blocks = _split(lines)
    for block in blocks:
        rows = [(number, NUMBER.sub("", line) or line) for number, line in _without_notes(block)]
        title = len(rows) == 1 or len(rows) == 2 and len(rows[1][1]) <= 4  # and who wrote it
        if title and not waiting and len(blocks) > 1:
            waiting = rows  # set off by an empty line
            continue
        lengths = Counter(len(line) for _, line in rows if PURE.fullmatch(line))
        most = max(lengths, key=lambda length: (lengths[length], length in (5, 7)), default=0)
        if lengths[most] >= 0.6 * len(rows) and lengths[most] > 1:
            poems += _by_length([*waiting, *rows], most)
        elif waiting or not poems:
            heads = waiting or rows[:1]
            poems.append(_poem(heads, rows if waiting else rows[1:] or rows))
        elif _is_even(poems[-1].text):
            poems.append(_poem(rows[:1], rows[1:] or rows))
        else:
            poems[-1].text += "\n" + "\n".join(line for _, line in rows)  # the next stanza
        waiting = []
    return poems + [Found(line, where=str(number), reason="no verse") for number, line in waiting]


def _by_length(rows: list[tuple[int, str]], length: int) -> list[Found]:
    """Poems out of lines without marks: what is not of this length, or too much for couplets, is a heading."""
    poems: list[Found] = []
    heads: list[tuple[int, str]] = []
    body: list[tuple[int, str]] = []
    for number, line in [*rows, (0, "")]:
        if len(line) == length and PURE.fullmatch(line):
            body.append((number, line))
            continue
        if len(body) % 2 and len(heads) < 2:
            heads, body = [*heads, body[0]], body[1:]  # a title as long as a verse line
        if body:
            poems.append(_poem(heads, body))
            heads, body = [], []
        heads.append((number, line))
    return poems


def _name_heads(poems: list[Found]) -> None:
    """Says of each poem's headings which is its title and which its poet."""
    plain: list[tuple[Found, list[str]]] = []
    signed = sum(len(poem.heads) == 1 and bool(IN_BRACKETS.fullmatch(poem.heads[0])) for poem in poems)
    for poem in poems:
        rest = []
        headings = [place for place, head in enumerate(poem.heads) if head.startswith("#")]
        if headings:
            poem.heads = poem.heads[headings[-1] :]  # those above it are the book's, or a chapter's
        heads = [EMPHASIS.sub("", NUMBER.sub("", head).strip()) or head for head in poem.heads]
        if len(heads) == 1 and len(pieces := heads[0].split()) == 2 and len(pieces[1]) <= 5:
            heads = pieces  # 早发白帝城 李白
        elif len(heads) == 1 and 2 <= signed > len(poems) / 2 and (pair := IN_BRACKETS.fullmatch(heads[0])):
            heads, poem.poet = [pair[1]], bare_poet(pair[2])  # 静夜思（李白）
        for head in heads:
            label = LABEL.match(head)
            if label and label[2] and (label[1] in POETS or re.match(r".*[】\]:：]", head)):
                if label[1] in POETS:
                    poem.poet = bare_poet(label[2])
                else:
                    poem.title = label[2]
            elif match := re.fullmatch(r"(.*?)[《【](.+)[》】](.*)", head):
                poem.title = match[2]
                if other := (match[1] or match[3]).strip():
                    poem.poet = poem.poet or bare_poet(other)
            elif SIGNATURE.match(head) or PERIOD.match(head) or PERIOD_AFTER.search(head):
                poem.poet = bare_poet(head)
            elif (pair := re.fullmatch(r"(\S{1,6}?)[:：]\s*(\S.*)", head)) and len(heads) == 1:
                poem.poet, poem.title = bare_poet(pair[1]), pair[2]  # 张九龄：感遇四首之一
            else:
                rest.append(head)
        plain.append((poem, rest))
    both = [rest for _, rest in plain if len(rest) >= 2]
    # The poets' column is the one with the fewer different names.
    swapped = (
        len({rest[0] for rest in both}) < len({rest[1] for rest in both})
        and max((len(rest[0]) for rest in both), default=9) <= 5
    )
    single = [rest[0] for poem, rest in plain if len(rest) == 1 and not poem.title and not poem.poet]
    names = len(single) >= 6 and 3 * len({*single}) < len(single)
    for poem, rest in plain:
        if len(rest) >= 2:
            title, poet = (rest[1], rest[0]) if swapped else (rest[0], rest[1])
            poem.title = poem.title or title
            poem.poet = poem.poet or bare_poet(poet)
        elif rest and (poem.title or names):
            poem.poet = poem.poet or bare_poet(rest[0])
        elif rest:
            poem.title = poem.title or rest[0]
        poem.heads = []


__all__ = ["Found", "bare_poet", "read", "verse"]
