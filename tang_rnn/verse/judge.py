"""A judge of any poem: its form, tonal pattern, rhyme, and every rule it breaks.

It reads the sets that :mod:`.patterns` gives to write by, so that what is written by them is never faulted.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ..faults import Fault
from .forms import COMMA, FORMS, STOP, Form, classify, get_form, split_lines
from .patterns import align, breaks, fits, formula, licences, patterns
from .rhymes import EITHER, LEVEL, OBLIQUE, PINGSHUI, RHYME_BOOKS, UNKNOWN, RhymeBook


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
        book: name of the rhyme book it was judged by.
        pattern: name of the tonal pattern it follows, or comes nearest to; None for an old-style form.
        rhyme_group: name of the group it rhymes in; None if it has no single one.
        lines: each :class:`Line`.
        violations: each :class:`Violation`, in the order of the lines; those of tone only for regulated forms.
        notes: what is unusual yet no fault, or worth knowing.
    """

    form: str
    book: str
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

        group = RHYME_BOOKS[self.book].groups[self.rhyme_group].full_name if self.rhyme_group else None
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


def check(text: str, form: str | None = None, book: RhymeBook = PINGSHUI) -> Prosody:
    """Judge a poem: its form, tonal pattern, rhyme, and every rule it breaks.

    Each line is read as the kind of line it is nearest to, in the sequence of kinds with the fewest faults in all;
    a line of the wrong kind beside its neighbour is one 失对 or 失粘, not several wrong tones.

    Args:
        text: simplified or traditional, with or without punctuation and line breaks.
        form: name of the form to judge it by; by default the one that its lines make. Old-style forms (五古, 七古,
            杂言) have no tonal rules. A poem of ten lines or more is 排律 only if it keeps the rules.
        book: the rhyme book to judge it by.

    Raises:
        Fault: the text is empty or not Chinese, or there is no such form.
    """
    wanted = get_form(form) if form else None
    verdicts = [_judge(lines, wanted, book) for lines in _layouts(_clean(text), wanted)]
    return min(verdicts, key=lambda verdict: len(verdict.violations))


_HAN = re.compile(r"[\u3007\u25a1\u3400-\u9fff\U00020000-\U0003ffff]")


def _clean(text: str) -> list[str]:
    """The lines of a text, or an error that says what is wrong with it."""
    lines = split_lines(unicodedata.normalize("NFC", text))
    if not lines:
        raise Fault("no_poem")
    for char in "".join(lines):
        if not _HAN.fullmatch(char):
            raise Fault("not_chinese", char=char)
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


def _judge(lines: list[str], form: Form | None, book: RhymeBook) -> Prosody:
    found = form or _nearest_form(lines)
    if faults := _misshapen(lines, found):
        return Prosody(found.name, book.name, None, None, _plain(lines, book), tuple(faults), _unknown(lines, book))
    if found.regulated:
        return _judge_regulated(lines, found, book)
    # Length and number alone cannot tell 排律 from old-style verse, so it must keep the rules to be called that.
    extended = FORMS.get({"五古": "五排", "七古": "七排"}.get(found.name, ""))
    if not form and extended and not _misshapen(lines, extended):
        verdict = _judge_regulated(lines, extended, book)
        if verdict.ok:
            return verdict
    return _judge_old_style(lines, found, book)


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


def _plain(lines: list[str], book: RhymeBook) -> tuple[Line, ...]:
    return tuple(Line(line, "".join(map(book.tone, line))) for line in lines)


def _unknown(lines: list[str], book: RhymeBook) -> tuple[str, ...]:
    missing = "".join(dict.fromkeys(char for char in "".join(lines) if book.tone(char) == UNKNOWN))
    return (f"not in the table, taken to fit: {missing}",) if missing else ()


def _shared_groups(chars: Sequence[str], book: RhymeBook) -> list[str]:
    """The groups most of the characters have a reading in, level ones before oblique; empty if all are unknown."""
    counts = Counter(name for char in chars for name in book.readings(char))
    most = max(counts.values(), default=0)
    return sorted((n for n in counts if counts[n] == most), key=lambda n: not book.groups[n].level)


def _judge_old_style(lines: list[str], form: Form, book: RhymeBook) -> Prosody:
    """Form and rhyme only: rhyme may be oblique and may change, so its changes are told, not faulted."""
    ends = [line[-1] for line in lines[1::2] if book.readings(line[-1])]
    runs: list[tuple[list[str], str]] = []  # the groups that successive rhymes share, and those rhymes
    for end in ends:
        shared = [name for name in book.readings(end) if runs and name in runs[-1][0]]
        runs[-1:] = [(shared, runs[-1][1] + end)] if shared else [*runs[-1:], (list(book.readings(end)), end)]
    group, notes = (runs[0][0][0], ()) if len(runs) == 1 else (None, ())
    if len(runs) > 1:
        notes = ("rhymes: " + ", ".join(f"{rhymes} {names[0]}" for names, rhymes in runs),)
    return Prosody(form.name, book.name, None, group, _plain(lines, book), (), (*notes, *_unknown(lines, book)))


def _judge_regulated(lines: list[str], form: Form, book: RhymeBook) -> Prosody:
    length, ends = form.line_length, [line[-1] for line in lines]
    tones = ["".join(map(book.tone, line)) for line in lines]
    shared, first = _shared_groups(ends[1::2], book), [n for n in book.readings(ends[0]) if book.groups[n].level]
    # Where lines 2 and 4 differ, the first line has the casting vote.
    group = next((name for name in shared if name in first), shared[0] if shared else None)
    borrowed = group not in first and any(group in part and part & set(first) for part in book.neighbours)
    kinds, read = align(tones, _first_line_costs(book.tone(ends[0]), group in first, borrowed))

    violations, notes, seen = [], [], {}
    for i, (line, kind, expected) in enumerate(zip(lines, kinds, read, strict=True)):
        number, char = i + 1, line[-1]
        if i and breaks(kinds[i - 1], kind, i):
            name, wanted, found = ("失对", "be opposed", "agree") if i % 2 else ("失粘", "agree", "are opposed")
            message = f"lines {i} and {number} should {wanted} in their second characters, but {found}"
            violations.append(Violation(name, number, None, "", message))
        violations += _tone_faults(line, tones[i], kind, expected, number)
        if licence := licences(length).get(expected):
            notes.append(f"line {number}: {licence} {expected}")
        if kind not in "AB":
            continue
        groups = " ".join(book.readings(char))
        if i == 0 and borrowed:
            notes.append(f"line 1 rhymes in a neighbouring group (邻韵): {char} is {groups}, not {group}")
        elif book.tone(char) in (LEVEL, EITHER) and group not in book.readings(char):
            message = f"{char} in line {number} is {groups}, not {group}"
            violations.append(Violation("出韵", number, length, char, message))
        if char in seen:
            message = f"{char} rhymes in line {seen[char]} and again in line {number}"
            violations.append(Violation("重韵", number, length, char, message))
        seen.setdefault(char, number)

    if group and not book.groups[group].level:
        notes.append(f"rhymes in {book.groups[group].full_name}, as old-style verse may (古绝, 古体)")
    elif len(violations) * 2 >= len(lines):
        notes.append("so many faults may mean old-style verse (古绝, 古体, 拗体), which keeps no tonal pattern")
    nearest = max(patterns(form.name, len(lines)), key=lambda pattern: sum(map(str.__eq__, pattern.types, kinds)))
    judged = tuple(
        Line(line, tone_string, formula(kind, length), kind, kind in "AB")
        for line, tone_string, kind in zip(lines, tones, kinds, strict=True)
    )
    notes += _unknown(lines, book)
    return Prosody(form.name, book.name, nearest.name, group, judged, tuple(violations), tuple(notes))


def _first_line_costs(end: str, rhymes: bool, borrowed: bool) -> dict[str, float]:
    """What it costs, misfits apart, to read the first line as each kind, by the tone of its last character.

    One that is in the rhyme's group is meant to rhyme; one in no such group is faulted if it is taken to (出韵), and
    one in a neighbouring group rhymes only if it cannot be read 仄.
    """
    plain = (1.0 if end == LEVEL else 0.05) if rhymes else 0.0
    rhyming = 0.0 if rhymes or end in (OBLIQUE, UNKNOWN) else 0.03 if borrowed else 1.0
    return {"a": plain, "b": plain, "A": rhyming, "B": rhyming}


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
