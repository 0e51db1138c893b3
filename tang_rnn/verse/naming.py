"""What stands above and below a poem, named: its title, its author, and what is neither."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .headings import (
    DYNASTY,
    ENDS,
    POET_LABELS,
    TITLE_LABELS,
    is_address,
    is_by,
    is_courtesy,
    is_form,
    is_name,
    is_of_title,
    is_spoken,
    label,
    named,
)
from .rows import ATTRIBUTION, COMMENT, HEADING, IS_HAN, NOTE, POET, TITLE, Aside, Row

_TITLE_MARKS = re.compile(r"^[《〈『「\"“]?([^《》〈〉『』「」“”\"]+)[》〉』」\"”]?$")
# A heading with a mark behind it (静夜思。).
_ENDED = re.compile(rf"[^。.！？；;!?]{{1,12}}[。.．]|[^{ENDS}]{{1,12}}[，,]")


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


def head(row: Row, poem: Pasted) -> None:
    """A heading: an author if it looks like one, the title if there is none yet. Notes on it may name the author."""
    poem.aside += [aside for aside in row.aside if aside.kind != NOTE]
    text = row.text.strip(" \t\u3000:：")
    if row.numbered and text and poem.title and not is_by(text):  # what stands above is of all: 李白诗二首, 一、静夜思
        poem.aside = [Aside(HEADING, each.text) if each.kind == TITLE else each for each in poem.aside]
        poem.title = ""
    if _ENDED.fullmatch(text) and not is_spoken(text):
        text = text[:-1]
    if text:
        _name_heading(row.text, text, poem)
    for aside in row.aside:
        if aside.kind == NOTE and not poem.poet and is_name(aside.text):
            put(poem, POET, aside.text, named(aside.text))
        elif aside.kind == NOTE and poem.title == text and is_of_title(aside.text):  # 秋浦歌（其十五）
            poem.title += f"（{aside.text}）"
        elif aside.kind == NOTE:
            poem.aside.append(aside)


def _name_heading(whole: str, text: str, poem: Pasted) -> None:
    bare = text.strip("（）()[]【】 ")
    if labelled := label(whole):
        kind = POET if labelled[0] in POET_LABELS else TITLE if labelled[0] in TITLE_LABELS else HEADING
        said = labelled[1] or text
        put(poem, kind, said, named(said) if kind == POET else _bare_title(said))
    elif is_by(bare) or is_by(text) or is_courtesy(text):
        put(poem, POET, text, named(text))
    elif pair := re.fullmatch(r"(.*?)[《〈]([^《》]+)[》〉](.*)", text):
        poem.title = ""  # marked as one, it is the title whatever stood above
        put(poem, TITLE, pair[2], pair[2])
        if other := (pair[1] + pair[3]).strip(" ·•・:：—-"):
            put(poem, POET if named(other) and not is_address(other) else HEADING, other, named(other))
    elif parts := _title_and_poet(text):
        for kind, part in parts:
            put(poem, kind, part, named(part) if kind == POET else _bare_title(part))
    elif all(map(is_form, re.split(r"[\s·•|｜/—–-]+", bare))):
        put(poem, HEADING, text, "")
    elif not poem.title and is_name(text) and any(is_form(each.text) for each in poem.aside):
        put(poem, POET, text, named(text))
    elif is_name(text) and (above := _rest_of_title(poem)):
        poem.title, poem.poet = above, named(text)
        poem.aside.append(Aside(POET, text))
    elif poem.title and not poem.poet and is_name(poem.title) and not is_name(text):
        poem.poet, poem.title = named(poem.title), ""
        poem.aside = [Aside(POET, each.text) if each.kind == TITLE else each for each in poem.aside]
        put(poem, TITLE, text, _bare_title(text))
    elif poem.title and not poem.poet and len(IS_HAN.findall(text)) <= 6 and named(text) and not is_address(text):
        put(poem, POET, text, named(text))
    elif not poem.title and IS_HAN.search(text) and not is_address(text):
        put(poem, TITLE, text, _bare_title(text))
    else:
        put(poem, HEADING, text, "")


def _rest_of_title(poem: Pasted) -> str:
    """The title, where what stands between it and a poet's name is its second half: 十一月四日, 风雨大作; or where it
    has a comma: 闻王昌龄左迁龙标，遥有此寄. Empty if it is neither."""
    if poem.title and poem.poet and poem.aside[-1] == Aside(POET, poem.poet) and not is_name(poem.poet):
        poem.aside[-1] = Aside(TITLE, poem.poet)
        return poem.title + poem.poet
    last = poem.aside[-1] if poem.aside and not poem.title else None
    if not last or last.kind != HEADING or is_spoken(last.text):
        return ""
    if not re.fullmatch(r"[^。！？；:：]+[，,][^。！？；:：]+", last.text):
        return ""
    poem.aside[-1] = Aside(TITLE, last.text)
    return last.text


def _title_and_poet(text: str) -> list[tuple[str, str]]:
    """A heading of two parts, with what each is: 静夜思 李白, 王之涣：登鹳雀楼, 七绝·早发, 秋兴 其一."""
    pieces = [piece for piece in re.split(r"\s*[·•・|｜:：—–，,]+\s*|\s+[-/]\s+|\s+", text) if piece]
    others = [piece for piece in pieces if re.fullmatch(DYNASTY, piece) or is_form(piece)]
    if len(pieces) > 2 and 1 <= len(pieces) - len(others) <= 2:  # 唐 张继 枫桥夜泊, 习作 七绝 早发
        rest = [piece for piece in pieces if piece not in others]
        named_so = _title_and_poet(" ".join(rest)) if len(rest) == 2 else [(TITLE, rest[0])]
        return [*((HEADING, piece) for piece in others), *named_so] if named_so else []
    if len(pieces) != 2 or not all(map(IS_HAN.search, pieces)):
        return []
    one, other = pieces
    if re.search("[，,]", text) and not is_name(other):  # 静夜思，李白 is a heading, 危乎高哉，蜀道难 is none
        return []
    if is_of_title(other):
        return [(TITLE, text)]
    if is_form(one) and (one[0] in "五七" or not is_name(other)):
        return [(HEADING, one), (TITLE, other)]
    if is_name(one) and not is_name(other):
        return [(POET, one), (TITLE, other)]
    if is_name(other) or len(other) <= 4 and not is_form(other):
        return [(TITLE, one), (POET, other)]
    return []


def _bare_title(text: str) -> str:
    bare = _TITLE_MARKS.match(text.strip("【】[]（）()"))
    return bare[1] if bare else text


def foot(row: Row, poem: Pasted) -> None:
    """What stands below a poem: who wrote it, or a note."""
    text = row.text.strip()
    if not text:
        return
    inner = text[1:-1].strip() if re.fullmatch(r"[（(\[【〔].*[）)\]】〕]", text) else ""
    if signed := re.match(r"[—–―─-]+\s*(.+)", text):
        text = signed[1]
    said = inner or text
    if is_by(said) or re.search("[《〈]", said) or is_name(said) or signed and named(said):
        attribute(said, poem)
    elif inner:
        poem.aside.append(Aside(NOTE, inner))
    elif re.search(r"\d{4}|[年月日]", text) and len(text) <= 20:  # when and where
        poem.aside.append(Aside(ATTRIBUTION, text))
    elif len(text.strip("-—–|=")) > 1:
        poem.aside.append(Aside(COMMENT, text[:20]))


def attribute(text: str, poem: Pasted) -> None:
    """A signature: 李白《静夜思》."""
    poem.aside.append(Aside(ATTRIBUTION, text.strip()))
    if re.match("[选選]自|出自|摘自|[载載見见]", text):  # of a book: 选自《全唐诗》
        return
    if pair := re.search(r"[《〈]([^《》]+)[》〉]", text):
        poem.title = poem.title or pair[1]
    poem.poet = poem.poet or named(re.sub(r"[《〈].*?[》〉]", "", text))


def put(poem: Pasted, kind: str, shown: str, value: str) -> None:
    """Sets something aside, and names the poem or its author by it if nothing does so yet."""
    poem.aside.append(Aside(kind, shown))
    if kind == TITLE and not poem.title:
        poem.title = value
    elif kind == POET and not poem.poet:
        poem.poet = value


def name_by_form(poem: Pasted) -> None:
    """Gives a poem with no other title that of its form: 古风."""
    kind = next((i for i, each in enumerate(poem.aside) if is_form(each.text)), None)
    if not poem.title and kind is not None:
        poem.title = poem.aside[kind].text
        poem.aside[kind] = Aside(TITLE, poem.title)


__all__ = ["Pasted", "attribute", "foot", "head", "name_by_form", "put"]
