"""The verse forms: how many lines, how many characters a line, and what they are called.

A form is counted in 句, called lines here: ``春眠不觉晓`` is a line, ``春眠不觉晓，处处闻啼鸟。`` a couplet (联).
Source of the definitions: 王力《诗词格律》.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..faults import Fault, text_of

COMMA, STOP = "，", "。"  # the only marks of a poem here: a line inside a couplet, the couplet's end


@dataclass(frozen=True)
class Form:
    """A verse form.

    Attributes:
        name: its Chinese name, such as ``五绝``.
        token: the special token that announces it to a model, such as ``<五绝>``.
        line_length: characters in each line; None where lines differ (杂言).
        num_lines: lines of the whole poem; None where the number is free.
        min_lines: fewest lines, for a form of free length.
        regulated: whether tonal patterns exist for it (近体).
        english: its English name.
    """

    name: str
    token: str
    line_length: int | None
    num_lines: int | None
    min_lines: int
    regulated: bool
    english: str


FORMS: dict[str, Form] = {
    form.name: form
    for form in (
        Form("五绝", "<五绝>", 5, 4, 4, True, "five-character quatrain"),
        Form("七绝", "<七绝>", 7, 4, 4, True, "seven-character quatrain"),
        Form("五律", "<五律>", 5, 8, 8, True, "five-character regulated verse"),
        Form("七律", "<七律>", 7, 8, 8, True, "seven-character regulated verse"),
        # A model is told line length and count, so 排律 comes under the token of the long forms.
        Form("五排", "<五古>", 5, None, 10, True, "five-character extended regulated verse"),
        Form("七排", "<七古>", 7, None, 10, True, "seven-character extended regulated verse"),
        Form("五古", "<五古>", 5, None, 2, False, "five-character old-style verse"),
        Form("七古", "<七古>", 7, None, 2, False, "seven-character old-style verse"),
        Form("杂言", "<杂言>", None, None, 1, False, "verse of mixed line lengths"),
    )
}

FORM_TOKENS: tuple[str, ...] = tuple(dict.fromkeys(form.token for form in FORMS.values()))


_TRADITIONAL = str.maketrans("絕詩雜體長風", "绝诗杂体长风")
_LENGTHS = {"5": "五", "7": "七", "wu": "五", "qi": "七", "five": "五", "seven": "七"}
_KINDS = {"绝": "绝 绝句 jue jueju", "律": "律 律诗 lü lu lv lüshi", "排": "排 排律 pai pailü pailu pailv"}
_KINDS |= {"古": "古 古诗 古体 古体诗 古风 gu gushi gufeng"}
_MIXED = {"杂言", "杂言诗", "杂体", "zayan"}
_NAME = re.compile(r"(五|七|5|7|wu|qi|five|seven)[-\s]*(?:言|字|yan|character)?[-\s]*(\S*)")


def get_form(name: str) -> Form:
    """The form of this name, as people write it: 五绝, 五絕, 五言绝句, 五言絕句, wujue, five-character quatrain.

    Raises:
        Fault: there is none; the message lists those there are.
    """
    wanted = text_of(name, "form").strip().strip("<>").translate(_TRADITIONAL).lower()
    for form in FORMS.values():
        if wanted in (form.name, form.english):
            return form
    if wanted in _MIXED:
        return FORMS["杂言"]
    if match := _NAME.fullmatch(wanted):
        length = _LENGTHS.get(match[1], match[1])
        for kind, names in _KINDS.items():
            if match[2] in names.split():
                return FORMS[length + kind]
    raise Fault("no_form", form=name, known=list(FORMS))


@cache
def _ci() -> dict[tuple[int, ...], str]:
    """The names of 词 by the lengths of their lines."""
    rows = (Path(__file__).parent / "data" / "ci.tsv").read_text(encoding="utf-8").splitlines()[1:]
    pairs = (row.split("\t") for row in rows)
    return {tuple(map(int, shape.split())): name for name, shapes in pairs for shape in shapes.split("|")}


def ci_of(lines: list[str], rhyming: set[int]) -> str | None:
    """The 词 whose lines have these lengths, if it is one of the best known; ``rhyming``: the lines that rhyme.

    Six lines of seven may be 诗 as well: of 浣溪沙 all lines but the first of the second half rhyme.
    """
    name = _ci().get(tuple(map(len, lines)))
    return None if name == "浣溪沙" and not {2, 3, 5, 6} <= rhyming else name


def split_lines(text: str) -> list[str]:
    """The lines of a poem, marks and white space dropped: ``"春眠，啼鸟。"`` gives ``["春眠", "啼鸟"]``.

    Quotation marks and brackets, and characters of no width, are dropped without ending a line.
    """
    text = re.sub(r"[「」『』《》〈〉“”‘’\"'()（）〔〕\[\]【】\u200b-\u200f\u2060\ufeff]", "", text)
    return [line for line in re.split(r"[\s，。！？；：、,.!?;:·…—\-．｡､﹐﹑﹒︐︑︒・•～~]+", text) if line]


def classify(lines: list[str]) -> Form:
    """The form of a poem by the length and number of its lines alone; tones are :mod:`.judge`'s."""
    lengths = {len(line) for line in lines}
    if lengths not in ({5}, {7}):
        return FORMS["杂言"]
    prefix = "五" if lengths == {5} else "七"
    return FORMS[prefix + {4: "绝", 8: "律"}.get(len(lines), "古")]
