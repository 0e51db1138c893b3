"""Tones, rhymes and tonal patterns of regulated verse (近体诗), and a judge of any poem.

Three layers, each usable alone:

- the table: which 平水韵 groups (韵部) a character belongs to, hence its tones (:func:`readings`, :func:`tone`,
  :func:`tone_mask`, :func:`rhyme_mask`);
- the patterns (格律): for each kind of line the finite set of tone strings it may have (:func:`admissible`), for each
  form the sequences of kinds that make a poem (:func:`patterns`);
- the judge (:func:`check`), which reads the same sets, so that what is written by them is never faulted.

Tones are written 平 (level) and 仄 (oblique); 中 is a character or a position that is either, ？ a character the table
lacks. Rules: 王力《诗词格律》, chapter 2 (诗律); rhyme groups: 平水韵. How the table is built: ``training/rhymes.py``.
Only the standard library is imported here.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from tang_rnn.forms import COMMA, FORMS, STOP, Form, classify, split_lines

LEVEL, OBLIQUE, EITHER, UNKNOWN = "平", "仄", "中", "？"

# ---------------------------------------------------------------------------------------------------------------------
# The table


@dataclass(frozen=True)
class RhymeGroup:
    """One of the 106 groups of 平水韵: ``name`` such as ``一东``, ``section`` one of 上平 下平 上声 去声 入声."""

    name: str
    section: str

    @property
    def level(self) -> bool:
        """Whether its characters are 平; regulated verse rhymes in these only."""
        return self.section in ("上平", "下平")

    @property
    def full_name(self) -> str:
        """The name with its section, ``上平一东``."""
        return self.section + self.name


_Names = dict[str, tuple[str, ...]]


def _load() -> tuple[dict[str, RhymeGroup], _Names, _Names, dict[str, set[str]], dict[str, set[str]]]:
    groups, every, sure, tones, unused = {}, {}, {}, {}, {}
    for row in (Path(__file__).parent / "data" / "rhymes.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        section, name, surely, perhaps = row.split("\t")
        if name:
            groups[name] = RhymeGroup(name, section)
            section = LEVEL if groups[name].level else OBLIQUE
            for char in surely:
                sure[char] = (*sure.get(char, ()), name)
            for char in surely + perhaps:
                every[char] = (*every.get(char, ()), name)
        else:
            for char in perhaps:
                unused.setdefault(char, set()).add(section)
        for char in surely:
            tones.setdefault(char, set()).add(section)
    return groups, every, sure, tones, unused


#: RHYME_GROUPS: the 106 groups by name, in the order of the rhyme book.
#: _EVERY, _SURE: the names of a character's groups, all of them and the sure ones.
#: _SURE_TONES, _UNUSED: its sure tones, and that of its two tones which poets do not use.
RHYME_GROUPS, _EVERY, _SURE, _SURE_TONES, _UNUSED = _load()

#: Names of the 30 level groups, 一东 to 十五咸: what a regulated poem may rhyme in.
LEVEL_GROUPS: tuple[str, ...] = tuple(name for name, group in RHYME_GROUPS.items() if group.level)

# 邻韵: the groups from which the first line may borrow its rhyme. 王力《汉语诗律学》 section 5.
NEIGHBOURS = tuple(
    frozenset(name for name in LEVEL_GROUPS if name in part)
    for part in (
        "一东二冬",
        "三江七阳",
        "四支五微八齐",
        "六鱼七虞",
        "九佳十灰",
        "十一真十二文十三元",
        "十三元十四寒十五删一先",
        "二萧三肴四豪",
        "八庚九青十蒸",
        "十三覃十四盐十五咸",
    )
)

_TRADITIONAL_NAMES = str.maketrans("東鍾魚虞齊眞刪蕭陽鹽聲個", "东钟鱼虞齐真删萧阳盐声箇")


def rhyme_group(name: str) -> str:
    """The canonical name of a rhyme group: ``一东`` for ``东``, ``东韵``, ``一東``, ``上平一东``, ``上平声一东``.

    Raises:
        ValueError: no such group; the message lists the level ones.
    """
    wanted = name.strip().translate(_TRADITIONAL_NAMES).removesuffix("韵").removesuffix("韻")
    for group in RHYME_GROUPS.values():
        full = group.section + ("" if group.section.endswith("声") else "声") + group.name
        if wanted in (group.name, group.name[-1], group.full_name, full):
            return group.name
    raise ValueError(f"no rhyme group {name!r}; the level ones are {' '.join(LEVEL_GROUPS)}")


def readings(char: str, strict: bool = False) -> tuple[str, ...]:
    """The names of the rhyme groups a character belongs to, in the order of the rhyme book; empty if unknown.

    A simplified character has the readings of all the traditional ones it stands for in the corpus.

    Args:
        char: one character, simplified or traditional.
        strict: only readings that nobody disputes: of the traditional character it usually stands for, and where
            平水韵 and 广韵 both have that one, what both have. To write by, so that readers with other tables find no
            fault; the judge is not strict.
    """
    return (_SURE if strict else _EVERY).get(char, ())


@cache
def tone(char: str, strict: bool = False) -> str:
    """The tone of a character: 平, 仄, 中 (it may be read either) or ？ (unknown); ``strict`` as in :func:`readings`.

    A reading that hardly any poem relies on gives no tone: 空 is 平, though the rhyme book has it in 一送 too.
    """
    if strict:
        tones = _SURE_TONES.get(char, set())
    else:
        tones = {LEVEL if RHYME_GROUPS[name].level else OBLIQUE for name in readings(char)}
    tones = tones - _UNUSED.get(char, set())
    return EITHER if len(tones) == 2 else next(iter(tones), UNKNOWN)


def fits(actual: str, wanted: str) -> bool:
    """Whether a character of tone ``actual`` may stand where ``wanted`` (平, 仄 or 中) is asked for."""
    return actual == wanted or actual in (EITHER, UNKNOWN) or wanted == EITHER


def tone_mask(vocabulary: Iterable[str], wanted: str, strict: bool = False) -> list[bool]:
    """For each token whether it is one known character that may be read ``wanted`` (平 or 仄); one bool a token."""
    return [len(token) == 1 and tone(token, strict) in (wanted, EITHER) for token in vocabulary]


def rhyme_mask(vocabulary: Iterable[str], group: str, strict: bool = False) -> list[bool]:
    """For each token whether it is one character that may rhyme in the group; one bool a token.

    Raises:
        ValueError: no such group.
    """
    name = rhyme_group(group)
    wanted = LEVEL if RHYME_GROUPS[name].level else OBLIQUE
    vocabulary = list(vocabulary)
    fitting = tone_mask(vocabulary, wanted, strict)
    return [fit and name in readings(token, strict) for token, fit in zip(vocabulary, fitting, strict=True)]


# ---------------------------------------------------------------------------------------------------------------------
# Lines and patterns

# The four kinds of line by 王力's letters; capitals end level, so they rhyme. Seven characters are two more in front,
# the second of them opposed to the line's own second character. 中 is 王力's circled, free position.
_FORMULAS = {"a": "中仄平平仄", "A": "中仄仄平平", "b": "中平平仄仄", "B": "平平仄仄平"}
# What the handbook lets pass besides, with its name. B's first character may be 仄 only with its third 平: 孤平 else.
# 特拗 wants a first 平, which some of the best known lines are without (昔闻洞庭水, 故人具鸡黍): they pass with a note.
_LICENSED = {
    "a": {"中仄仄平仄": "半拗"},
    "A": {},
    "b": {"平平仄平仄": "特拗", "仄平仄平仄": "特拗而首字仄", "平平仄仄仄": "三仄尾"},
    "B": {"平平平仄平": "", "仄平平仄平": "孤平拗救"},
}
# 大拗: a line a whose fourth character is 仄 is saved only by a third 平 in its partner (对句相救).
_SAVED, _SAVIOUR = ("中仄平仄仄", "中仄仄仄仄"), "中平平仄平"
# A line that can be read in several ways, for its characters of two tones, is read in the least licentious.
_LICENCE_COST = {
    "": 0.01,
    "半拗": 0.01,
    "特拗": 0.01,
    "特拗而首字仄": 0.02,
    "三仄尾": 0.02,
    "孤平拗救": 0.02,
    "大拗": 0.03,
}
# 二四六分明: a wrong tone at an even place or the last tells more than one elsewhere. 失对 or 失粘 costs less than one
# wrong tone, so that a line wrong at all its telling characters is named by the breaks on its two sides.
_MISFIT_COST, _LESSER_MISFIT_COST, _BREAK_COST = 1.0, 0.95, 0.99


def _lengthen(mask: str, length: int) -> str:
    return mask if length == 5 else EITHER + (LEVEL if mask[1] == OBLIQUE else OBLIQUE) + mask


@cache
def _expand(mask: str) -> tuple[str, ...]:
    return tuple(map("".join, itertools.product(*(LEVEL + OBLIQUE if t == EITHER else t for t in mask))))


def formula(line_type: str, length: int) -> str:
    """The handbook's formula for a kind of line (``a`` ``A`` ``b`` ``B``) of 5 or 7 characters: ``中仄平平仄``."""
    return _lengthen(_FORMULAS[line_type], length)


@cache
def admissible(line_type: str, length: int, regular: bool = False) -> tuple[str, ...]:
    """Every complete tone string, of 平 and 仄 only, that a line of this kind may have.

    Args:
        line_type: ``a`` 仄仄平平仄, ``A`` 仄仄仄平平, ``b`` 平平平仄仄, ``B`` 平平仄仄平; A and B rhyme.
        length: 5 or 7 characters.
        regular: only what the formula itself gives, which no checker faults: to write by. Without it also the
            licences that save themselves within the line (本句自救, 半拗, 三仄尾): to judge by.
    """
    masks = [_FORMULAS[line_type], *(() if regular else _LICENSED[line_type])]
    return tuple(dict.fromkeys(string for mask in masks for string in _expand(_lengthen(mask, length))))


@cache
def _licences(length: int) -> dict[str, str]:
    """The name of the licence for each tone string that no formula gives."""
    named = {mask: name for masks in _LICENSED.values() for mask, name in masks.items()}
    named |= dict.fromkeys(_SAVED, "大拗")
    return {string: name for mask, name in named.items() for string in _expand(_lengthen(mask, length))}


@dataclass(frozen=True)
class Pattern:
    """A tonal pattern (格律) of a whole poem.

    Attributes:
        name: such as ``五律仄起首句不入韵``.
        form: name of the form, such as ``五律``.
        length: characters a line.
        types: the kind of each line, a letter each: ``aBbAaBbA``.
    """

    name: str
    form: str
    length: int
    types: str

    @property
    def rhyming(self) -> tuple[bool, ...]:
        """For each line whether it rhymes."""
        return tuple(kind in "AB" for kind in self.types)

    @property
    def formulas(self) -> tuple[str, ...]:
        """For each line its formula, of 平, 仄 and 中."""
        return tuple(formula(kind, self.length) for kind in self.types)

    def lines(self, regular: bool = True) -> tuple[tuple[str, ...], ...]:
        """For each line its admissible tone strings; see :func:`admissible`."""
        return tuple(admissible(kind, self.length, regular) for kind in self.types)


@cache
def patterns(form: str, num_lines: int | None = None) -> tuple[Pattern, ...]:
    """The four tonal patterns of a form: 平起 and 仄起, first line rhyming or not; none for an old-style form.

    Args:
        form: its name.
        num_lines: lines of the poem, for 排律 only: even, 10 or more.

    Raises:
        ValueError: no such form, or a number of lines it cannot have.
    """
    kind = _form(form)
    if not kind.regulated:
        return ()
    count = kind.num_lines if num_lines is None else num_lines
    if count is None or count % 2 or count < kind.min_lines or kind.num_lines not in (None, count):
        wanted = kind.num_lines or f"an even number of lines, {kind.min_lines} or more"
        raise ValueError(f"{form} has {wanted} lines, not {num_lines}")
    found = []
    for first in "aAbB":
        types = first
        while len(types) < count:
            # 对: within a couplet the second characters differ; 粘: from couplet to couplet they agree.
            opposed = len(types) % 2 == 1
            after = {"a": "b", "b": "a"}[types[-1].lower()] if opposed else types[-1].lower()
            types += after.upper() if opposed else after
        start = formula(first, kind.line_length)[1]
        rhymes = "入韵" if first in "AB" else "不入韵"
        found.append(Pattern(f"{form}{start}起首句{rhymes}", form, kind.line_length, types))
    return tuple(found)


def _form(name: str) -> Form:
    if name not in FORMS:
        raise ValueError(f"no form {name!r}; there are {' '.join(FORMS)}")
    return FORMS[name]


# ---------------------------------------------------------------------------------------------------------------------
# The judge


@dataclass(frozen=True)
class Violation:
    """A broken rule.

    Attributes:
        name: 失对 失粘 出律 孤平 三平尾 句脚 出韵 重韵 or 格式.
        line: its line, from 1.
        position: its character in the line, from 1; None where the whole line is meant.
        character: that character; empty where the whole line is meant.
        message: a sentence for people.
    """

    name: str
    line: int
    position: int | None
    character: str
    message: str


@dataclass(frozen=True)
class Line:
    """A line as judged.

    Attributes:
        text: its characters.
        tones: their tones, a letter each of 平 仄 中 ？.
        expected: the tones its kind of line asks for, of 平 仄 中; None where no pattern applies.
        kind: the kind of line it was read as, ``a`` ``A`` ``b`` ``B``; None where no pattern applies.
        rhymes: whether it is to rhyme.
    """

    text: str
    tones: str
    expected: str | None = None
    kind: str | None = None
    rhymes: bool = False


@dataclass(frozen=True)
class Prosody:
    """What :func:`check` found.

    Attributes:
        form: name of the form.
        pattern: name of the tonal pattern it follows, or comes nearest to; None for an old-style form.
        rhyme_group: name of the group it rhymes in; None if it has no single one.
        lines: each :class:`Line`.
        violations: each :class:`Violation`, in the order of the lines; those of tone only for regulated forms.
        notes: what is unusual yet no fault, or worth knowing.
    """

    form: str
    pattern: str | None
    rhyme_group: str | None
    lines: tuple[Line, ...]
    violations: tuple[Violation, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations

    def to_dict(self) -> dict:
        """Everything in dicts and strings, ready for ``json.dumps``; and ``ok``."""
        return {"ok": self.ok, **asdict(self)}

    def format(self, color: bool = False) -> str:
        """A few lines for a terminal: each line with its tones and those expected; faults red if ``color``."""

        def paint(text: str, code: int) -> str:
            return f"\x1b[{code}m{text}\x1b[0m" if color else text

        group = RHYME_GROUPS[self.rhyme_group].full_name if self.rhyme_group else None
        shown = [" · ".join(filter(None, (self.pattern or self.form, group and f"韵 {group}")))]
        wrong = {(v.line, v.position) for v in self.violations}
        for number, line in enumerate(self.lines, 1):
            marked = [(number, place) in wrong or (number, None) in wrong for place in range(1, len(line.text) + 1)]
            text, tones = (
                "".join(paint(c, 31) if bad else c for c, bad in zip(row, marked, strict=True))
                for row in (line.text, line.tones)
            )
            stop = STOP if number % 2 == 0 or number == len(self.lines) else COMMA
            mark = paint("韵", 32) if line.rhymes else ""
            shown.append("  ".join(filter(None, ("  " + text + stop, tones, line.expected, mark))))
        shown += [paint(f"× {v.name}: {v.message}", 31) for v in self.violations]
        shown += [paint(f"· {note}", 33) for note in self.notes]
        if self.ok:
            shown.append(paint("√ no violations", 32))
        return "\n".join(shown)

    def __str__(self) -> str:
        return self.format()


def check(text: str, form: str | None = None) -> Prosody:
    """Judge a poem: its form, tonal pattern, rhyme, and every rule it breaks.

    Each line is read as the kind of line it is nearest to, in the sequence of kinds with the fewest faults in all;
    a line of the wrong kind beside its neighbour is one 失对 or 失粘, not several wrong tones.

    Args:
        text: simplified or traditional, with or without punctuation and line breaks.
        form: name of the form to judge it by; by default the one that its lines make. Old-style forms (五古, 七古,
            杂言) have no tonal rules. A poem of ten lines or more is 排律 only if it keeps the rules.

    Raises:
        ValueError: the text is empty or not Chinese, or there is no such form.
    """
    wanted = _form(form) if form else None
    verdicts = [_judge(lines, wanted) for lines in _layouts(_clean(text), wanted)]
    return min(verdicts, key=lambda verdict: len(verdict.violations))


_HAN = re.compile(r"[\u3007\u25a1\u3400-\u9fff\U00020000-\U0003ffff]")


def _clean(text: str) -> list[str]:
    """The lines of a text, or an error that says what is wrong with it."""
    lines = split_lines(unicodedata.normalize("NFC", text))
    if not lines:
        raise ValueError("there is no poem to judge: give its text, such as 白日依山尽，黄河入海流。")
    for char in "".join(lines):
        if not _HAN.fullmatch(char):
            raise ValueError(f"{char!r} is not a Chinese character: give the text of the poem only")
    return lines


def _layouts(lines: list[str], form: Form | None) -> list[list[str]]:
    """The ways to cut a text into lines: as it stands, or, where whole couplets run on, every 5 or 7 characters."""
    longest = max(map(len, lines))
    lengths = [form.line_length] if form else [n for n in (5, 7) if longest > n and longest % (2 * n) == 0]
    cuts = [
        [line[i : i + n] for line in lines for i in range(0, len(line), n)]
        for n in lengths
        if n and all(len(line) % n == 0 for line in lines)
    ]
    return cuts or [lines]


def _judge(lines: list[str], form: Form | None) -> Prosody:
    found = form or _nearest_form(lines)
    if faults := _misshapen(lines, found):
        return Prosody(found.name, None, None, _plain(lines), tuple(faults), _unknown(lines))
    if found.regulated:
        return _judge_regulated(lines, found)
    # Length and number alone cannot tell 排律 from old-style verse, so it must keep the rules to be called that.
    extended = FORMS.get({"五古": "五排", "七古": "七排"}.get(found.name, ""))
    if not form and extended and not _misshapen(lines, extended):
        verdict = _judge_regulated(lines, extended)
        if verdict.ok:
            return verdict
    return _judge_old_style(lines, found)


def _nearest_form(lines: list[str]) -> Form:
    """The form the lines make; where one in four or fewer is too long or too short, the one they were to make."""
    length, often = Counter(map(len, lines)).most_common(1)[0]
    if len(lines) in (4, 8) and often >= 0.75 * len(lines):
        return classify(["字" * length] * len(lines))
    return classify(lines)


def _misshapen(lines: list[str], form: Form) -> list[Violation]:
    faults = []
    for number, line in enumerate(lines, 1):
        if form.line_length not in (None, len(line)):
            message = f"line {number} has {len(line)} characters; {form.name} has {form.line_length}"
            faults.append(Violation("格式", number, None, "", message))
    if form.num_lines not in (None, len(lines)):
        message = f"{form.name} has {form.num_lines} lines, not {len(lines)}"
        faults.append(Violation("格式", len(lines), None, "", message))
    elif form.regulated and (len(lines) % 2 or len(lines) < form.min_lines):
        message = f"{form.name} has an even number of lines, {form.min_lines} or more, not {len(lines)}"
        faults.append(Violation("格式", len(lines), None, "", message))
    return faults


def _plain(lines: list[str]) -> tuple[Line, ...]:
    return tuple(Line(line, "".join(map(tone, line))) for line in lines)


def _unknown(lines: list[str]) -> tuple[str, ...]:
    missing = "".join(dict.fromkeys(char for char in "".join(lines) if tone(char) == UNKNOWN))
    return (f"not in the table, taken to fit: {missing}",) if missing else ()


def _shared_groups(chars: Sequence[str]) -> list[str]:
    """The groups most of the characters have a reading in, level ones before oblique; empty if all are unknown."""
    counts = Counter(name for char in chars for name in readings(char))
    most = max(counts.values(), default=0)
    return sorted((n for n in counts if counts[n] == most), key=lambda n: not RHYME_GROUPS[n].level)


def _judge_old_style(lines: list[str], form: Form) -> Prosody:
    """Form and rhyme only: rhyme may be oblique and may change, so its changes are told, not faulted."""
    ends = [line[-1] for line in lines[1::2] if readings(line[-1])]
    runs: list[tuple[list[str], str]] = []  # the groups that successive rhymes share, and those rhymes
    for end in ends:
        shared = [name for name in readings(end) if runs and name in runs[-1][0]]
        runs[-1:] = [(shared, runs[-1][1] + end)] if shared else [*runs[-1:], (list(readings(end)), end)]
    group, notes = (runs[0][0][0], ()) if len(runs) == 1 else (None, ())
    if len(runs) > 1:
        notes = ("rhymes: " + ", ".join(f"{rhymes} {names[0]}" for names, rhymes in runs),)
    return Prosody(form.name, None, group, _plain(lines), (), (*notes, *_unknown(lines)))


def _judge_regulated(lines: list[str], form: Form) -> Prosody:
    length, tones, ends = form.line_length, ["".join(map(tone, line)) for line in lines], [line[-1] for line in lines]
    shared, first = _shared_groups(ends[1::2]), [n for n in readings(ends[0]) if RHYME_GROUPS[n].level]
    # Where lines 2 and 4 differ, the first line has the casting vote.
    group = next((name for name in shared if name in first), shared[0] if shared else None)
    borrowed = group not in first and any(group in part and part & set(first) for part in NEIGHBOURS)
    kinds, read = _align(tones, _first_line_costs(ends[0], group in first, borrowed))

    violations, notes, seen = [], [], {}
    for i, (line, kind, expected) in enumerate(zip(lines, kinds, read, strict=True)):
        number, char = i + 1, line[-1]
        if i and _breaks(kinds[i - 1], kind, i):
            name, wanted, found = ("失对", "be opposed", "agree") if i % 2 else ("失粘", "agree", "are opposed")
            message = f"lines {i} and {number} should {wanted} in their second characters, but {found}"
            violations.append(Violation(name, number, None, "", message))
        violations += _tone_faults(line, tones[i], kind, expected, number)
        if licence := _licences(length).get(expected):
            notes.append(f"line {number}: {licence} {expected}")
        if kind not in "AB":
            continue
        groups = " ".join(readings(char))
        if i == 0 and borrowed:
            notes.append(f"line 1 rhymes in a neighbouring group (邻韵): {char} is {groups}, not {group}")
        elif tone(char) in (LEVEL, EITHER) and group not in readings(char):
            message = f"{char} in line {number} is {groups}, not {group}"
            violations.append(Violation("出韵", number, length, char, message))
        if char in seen:
            message = f"{char} rhymes in line {seen[char]} and again in line {number}"
            violations.append(Violation("重韵", number, length, char, message))
        seen.setdefault(char, number)

    if group and not RHYME_GROUPS[group].level:
        notes.append(f"rhymes in {RHYME_GROUPS[group].full_name}, as old-style verse may (古绝, 古体)")
    elif len(violations) * 2 >= len(lines):
        notes.append("so many faults may mean old-style verse (古绝, 古体, 拗体), which keeps no tonal pattern")
    nearest = max(patterns(form.name, len(lines)), key=lambda pattern: sum(map(str.__eq__, pattern.types, kinds)))
    judged = tuple(
        Line(line, tone_string, formula(kind, length), kind, kind in "AB")
        for line, tone_string, kind in zip(lines, tones, kinds, strict=True)
    )
    return Prosody(form.name, nearest.name, group, judged, tuple(violations), (*notes, *_unknown(lines)))


def _first_line_costs(end: str, rhymes: bool, borrowed: bool) -> dict[str, float]:
    """What it costs, misfits apart, to read the first line as each kind, by its last character.

    One that is in the rhyme's group is meant to rhyme; one in no such group is faulted if it is taken to (出韵), and
    one in a neighbouring group rhymes only if it cannot be read 仄.
    """
    plain = (1.0 if tone(end) == LEVEL else 0.05) if rhymes else 0.0
    rhyming = 0.0 if rhymes or tone(end) in (OBLIQUE, UNKNOWN) else 0.03 if borrowed else 1.0
    return {"a": plain, "b": plain, "A": rhyming, "B": rhyming}


def _breaks(before: str, kind: str, index: int) -> bool:
    """Whether 对 (at odd ``index``) or 粘 (at even) is broken: a and A begin alike, as do b and B."""
    return (before.lower() == kind.lower()) == (index % 2 == 1)


def _read(tones: str, kind: str, partner: str | None) -> tuple[float, str]:
    """The cost of a line read as ``kind``, about one a misfit, and the admissible tone string it is nearest to.

    ``partner``: the tones of the line after it, which alone can save a 大拗.
    """
    length = len(tones)
    strings, licences = admissible(kind, length), _licences(length)
    if kind == "a" and partner and all(map(fits, partner, _lengthen(_SAVIOUR, length))):
        strings += tuple(string for mask in _SAVED for string in _expand(_lengthen(mask, length)))

    def cost(string: str) -> float:
        misfits = (place for place in range(1, length + 1) if not fits(tones[place - 1], string[place - 1]))
        total = sum(_LESSER_MISFIT_COST if place % 2 and place < length else _MISFIT_COST for place in misfits)
        return total + (_LICENCE_COST[licences[string]] if string in licences else 0)

    return min((cost(string), string) for string in strings)


def _align(tones: list[str], first_line_costs: dict[str, float]) -> tuple[str, list[str]]:
    """The sequence of kinds of line that costs least in all, and the tone string that each line is nearest to."""
    paths: list[tuple[float, str, list[str]]] = [(0.0, "", [])]
    for i, line in enumerate(tones):
        longer = []
        for kind in "AB" if i % 2 else "ab" if i else "ABab":
            cost, string = _read(line, kind, tones[i + 1] if i + 1 < len(tones) else None)
            cost += 0 if i else first_line_costs[kind]
            total, kinds, read = min(
                (total + _BREAK_COST * (i > 0 and _breaks(kinds[-1], kind, i)), kinds, read)
                for total, kinds, read in paths
            )
            longer.append((total + cost, kinds + kind, [*read, string]))
        paths = longer
    _, kinds, read = min(paths)
    return kinds, read


def _tone_faults(line: str, tones: str, kind: str, expected: str, number: int) -> list[Violation]:
    """The misfits of a line by name."""
    length, faults = len(line), []
    for place in range(length):
        if fits(tones[place], expected[place]):
            continue
        name, at = "出律", place
        message = f"{line[place]} in line {number} is {tones[place]} where {expected[place]} is wanted"
        if place == length - 1 and kind in "AB":
            name, message = "出韵", f"{line[place]} in line {number} is 仄, but the line is to rhyme in 平"
        elif place == length - 1:
            name, message = "句脚", f"{line[place]} in line {number} is 平, but a line that does not rhyme ends in 仄"
        elif kind == "B" and place in (length - 5, length - 3) and tones[-5] == tones[-3] == OBLIQUE:
            name, at, message = "孤平", length - 4, f"{line[-4]} in line {number} is a lone 平 between 仄"
        elif place == length - 3 and all(fits(each, LEVEL) for each in tones[-3:]):
            name, message = "三平尾", f"line {number} ends in three 平: {line[-3:]}"
        faults.append(Violation(name, number, at + 1, line[at], message))
    return faults
