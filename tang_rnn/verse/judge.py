"""A judge of any poem: its form, tonal pattern, rhyme, and every rule it breaks.

It reads the sets that :mod:`.patterns` gives to write by, so that what is written by them is never faulted. What is
unusual and no fault is in :mod:`.remarks`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from . import remarks
from .forms import FORMS, Form, ci_of, classify, get_form
from .patterns import align, breaks, fits, formula, licences, nearest, patterns
from .reading import Pasted, read
from .rhymes import EITHER, LEVEL, OBLIQUE, PINGSHUI, UNKNOWN, Heard, RhymeBook, get_book
from .verdict import FORM, RHYME, TONES, Line, Note, Prosody, Remark, Violation

# What eight lines of oblique rhyme are; quatrains keep their name, as 古绝.
_OLD_STYLE = {"五律": "五古", "七律": "七古"}
_FEW = 10  # lines to a fault: what has no more than one in so many was meant to be regulated


def check(text: str, form: str | None = None, book: RhymeBook | str = PINGSHUI) -> Prosody:
    """Judge a poem: its form, tonal pattern, rhyme, and every rule it breaks.

    Each line is read as the kind of line it is nearest to, in the sequence of kinds with the fewest faults in all;
    a line of the wrong kind beside its neighbour is one 失对 or 失粘, not several wrong tones.

    Args:
        text: as people paste it: simplified or traditional, with or without punctuation and line breaks; title, author,
            notes and numbers are set aside and named. Of several poems the first is judged (:func:`check_all`).
        form: name of the form to judge it by, as people write it; by default the one that its lines make. Old-style
            forms (五古, 七古, 杂言) have no tonal rules. A poem of ten lines or more is 排律 only if it keeps the
            rules but for a few faults; one of oblique rhyme is old-style verse.
        book: the rhyme book to judge it by, or its name.

    Raises:
        Fault: the text is empty or not Chinese, or there is no such form or book.
    """
    return check_all(text, form, book)[0]


def check_all(text: str, form: str | None = None, book: RhymeBook | str = PINGSHUI) -> list[Prosody]:
    """Judge each poem of a text that may hold several; arguments and errors as those of :func:`check`."""
    wanted = None if form is None or (isinstance(form, str) and not form) else get_form(form)
    book = book if isinstance(book, RhymeBook) else get_book(book)
    return [_check(poem, wanted, book) for poem in read(text)]


def _check(poem: Pasted, form: Form | None, book: RhymeBook) -> Prosody:
    verdicts = [_judge(lines, form, book) for lines in _layouts(poem.lines, form)]
    best = min(verdicts, key=lambda verdict: len(verdict.violations))
    return replace(best, title=poem.title, poet=poem.poet, aside=tuple(poem.aside))


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
    if form is None:
        if len(lines) <= 2 and {len(line) for line in lines} in ({5}, {7}):
            return _judge_alone(lines, book)
        if name := ci_of(lines, _rhyming_places(lines, book)):
            return _not_judged(lines, Remark("ci", {"name": name}), book)
    found = form or _nearest_form(lines)
    if faults := _misshapen(lines, found):
        summary = Remark("misshapen", {"form": found.name, "count": len(faults)})
        return Prosody(
            found.name,
            book.name,
            None,
            None,
            _plain(lines, book),
            tuple(faults),
            _unknown(lines, book),
            (FORM,),
            summary,
        )
    if found.regulated:
        if form is None and (group := _oblique_rhyme(lines, book)):
            return _judge_old_style(lines, FORMS[_OLD_STYLE.get(found.name, found.name)], book, group)
        return _judge_regulated(lines, found, book)
    # Length and number alone cannot tell 排律 from old-style verse: it is that if it keeps the rules but for a few.
    extended = _extended(found)
    if not form and extended and not _misshapen(lines, extended) and not _oblique_rhyme(lines, book):
        verdict = _judge_regulated(lines, extended, book)
        if len(verdict.violations) <= max(1, len(lines) // _FEW):
            return verdict
    if not form and not found.line_length:
        return _not_judged(lines, Remark("mixed" if len(lines) > 2 else "short"), book)
    return _judge_old_style(lines, found, book)


def _nearest_form(lines: list[str]) -> Form:
    """The form the lines make; where one in four or fewer is too long or too short, the one they were to make."""
    length, often = Counter(map(len, lines)).most_common(1)[0]
    if len(lines) in (4, 8) and often >= 0.75 * len(lines):
        return classify(["字" * length] * len(lines))
    return classify(lines)


def _extended(form: Form) -> Form | None:
    """The 排律 that old-style verse of this length may be."""
    return FORMS.get({"五古": "五排", "七古": "七排"}.get(form.name, ""))


def _misshapen(lines: list[str], form: Form) -> list[Violation]:
    faults = []
    for number, line in enumerate(lines, 1):
        if form.line_length not in (None, len(line)):
            fields = {"count": len(line), "form": form.name, "wanted": form.line_length}
            faults.append(Violation("form_characters", fields, number, "格式"))
    fields = {"form": form.name, "count": len(lines), "wanted": form.num_lines, "least": form.min_lines}
    if form.num_lines not in (None, len(lines)):
        faults.append(Violation("form_lines", fields, len(lines), "格式"))
    elif form.regulated and (len(lines) % 2 or len(lines) < form.min_lines):
        faults.append(Violation("form_even", fields, len(lines), "格式"))
    return faults


def _plain(lines: list[str], book: RhymeBook) -> tuple[Line, ...]:
    return tuple(Line(line, _tones(book.read(line))) for line in lines)


def _tones(heard: Sequence[Heard]) -> str:
    return "".join(each.tone for each in heard)


def _unknown(lines: list[str], book: RhymeBook) -> tuple[Note, ...]:
    """Notes on characters that the book lacks, or has by today's reading alone."""
    chars = list(dict.fromkeys("".join(lines)))
    notes = (
        ("unknown", [char for char in chars if book.tone(char) == UNKNOWN]),
        ("of_today", [char for char in chars if book.is_of_today(char)]),
    )
    return tuple(Note(key, {"chars": "".join(found)}) for key, found in notes if found)


def _shared_groups(ends: Sequence[Heard], book: RhymeBook) -> list[str]:
    """The groups most of the characters have a reading in, level ones before oblique; empty if all are unknown."""
    counts = Counter(name for end in ends for name in end.groups)
    most = max(counts.values(), default=0)
    return sorted((n for n in counts if counts[n] == most), key=lambda n: not book.groups[n].level)


def _rhyming_places(lines: list[str], book: RhymeBook) -> set[int]:
    """The lines, from 1, that end in the level group most lines end in."""
    ends = [book.read(line)[-1] for line in lines]
    group = next(iter(_shared_groups(ends, book)), "")
    return {number for number, end in enumerate(ends, 1) if group in end.groups and book.groups[group].level}


def _oblique_rhyme(lines: list[str], book: RhymeBook) -> str | None:
    """The oblique group that all even lines rhyme in, if they do in one and in no level one."""
    ends = [book.read(line)[-1] for line in lines[1::2]]
    shared = set.intersection(*(set(end.groups) for end in ends)) if ends else set()
    if shared and not any(book.groups[name].level for name in shared):
        # Words that are in 上声 and 去声 both (去, 处) are 去声 as a rule: only its dictionary senses keep the other.
        return min((name for name in book.groups if name in shared), key=lambda n: book.groups[n].section != "去声")
    return None


# ---------------------------------------------------------------------------------------------------------------------
# What is judged in part


def _not_judged(lines: list[str], summary: Remark, book: RhymeBook) -> Prosody:
    """词, whose patterns are not known here, and verse of mixed lengths: the rhymes are told, nothing is judged."""
    form = classify(lines).name
    _, group, notes = _rhymes_of(lines, book) if form == "杂言" and summary.key == "mixed" else ("", None, ())
    return Prosody(form, book.name, None, group, _plain(lines, book), (), (*notes, *_unknown(lines, book)), (), summary)


def _judge_old_style(lines: list[str], form: Form, book: RhymeBook, oblique: str | None = None) -> Prosody:
    """Form and rhyme only: rhyme may be oblique and may change, so its changes are told, not faulted."""
    words, group, notes = _rhymes_of(lines, book)
    group, first = oblique or group, book.read(lines[0])[-1]
    if group in first.groups and len(lines) > 1:
        words = first.char + words
    fields = {"form": form.name, "chars": words}
    if group:
        fields |= {"group": book.groups[group].full_name}
        entering = "entering" if book.groups[group].entering else "oblique"
        key = f"old_{entering}" if oblique else "old_rhyme"
        fields["form"] = {"五绝": "五言古绝", "七绝": "七言古绝"}.get(form.name, form.name) if oblique else form.name
    else:
        key = "old_changes" if notes else "old_unrhymed"
    extended = _extended(form)
    told: tuple[Note, ...] = ()
    if extended and not oblique and len(lines) >= extended.min_lines and len(lines) % 2 == 0:
        count = len(_judge_regulated(lines, extended, book).violations)
        if count and count <= len(lines):
            told = (Note("nearest_pailu", {"form": extended.name, "count": count}),)
    notes = (*notes, *told, *_unknown(lines, book))
    return Prosody(
        form.name, book.name, None, group, _plain(lines, book), (), notes, (FORM, RHYME), Remark(key, fields)
    )


def _rhymes_of(lines: list[str], book: RhymeBook) -> tuple[str, str | None, tuple[Note, ...]]:
    """The words at the ends of couplets, the one group they share, and a note on the groups if they are several."""
    ends = [end for line in lines[1::2] if (end := book.read(line)[-1]).groups]
    runs: list[tuple[list[str], str]] = []  # the groups that successive rhymes share, and those rhymes
    for end in ends:
        shared = [name for name in end.groups if runs and name in runs[-1][0]]
        runs[-1:] = [(shared, runs[-1][1] + end.char)] if shared else [*runs[-1:], (list(end.groups), end.char)]
    words = "".join(end.char for end in ends)
    if len(runs) == 1:
        return words, runs[0][0][0], ()
    told = ", ".join(f"{rhymes} {names[0]}" for names, rhymes in runs)
    return words, None, (Note("rhymes", {"rhymes": told}),) if runs else ()


def _judge_alone(lines: list[str], book: RhymeBook) -> Prosody:
    """A couplet, or a line: tones of the lines, and against each other; there is no poem yet."""
    heard = [book.read(line) for line in lines]
    tones = list(map(_tones, heard))
    kinds, wanted = align(tones, dict.fromkeys("aAbB", 0.0))
    wanted = _as_read(lines, tones, kinds, wanted, book)
    violations: list[Violation] = []
    for i, (line, kind) in enumerate(zip(lines, kinds)):
        if i and breaks(kinds[0], kind, i):
            violations.append(Violation("dui", {"before": 1, "after": 2}, 2, "失对"))
        for fault in _tone_faults(line, tones[i], kind, wanted[i], i + 1):
            if i and fault.position == len(line):
                fault = replace(fault, key="couplet_end", name="句脚")
            violations.append(fault)
    judged = tuple(
        Line(line, tone_string, formula(kind, len(line)), kind)
        for line, tone_string, kind in zip(lines, tones, kinds, strict=True)
    )
    form, key = ("联", "couplet") if len(lines) == 2 else ("句", "line")
    fields = {"count": len(violations), "faults": _names(violations), "formula": judged[0].expected}
    notes = (*remarks.licences_taken(lines, kinds, wanted), *_kindly(lines, wanted, book), *_unknown(lines, book))
    summary = Remark(key + ("_faults" if violations else "_clean"), fields)
    return Prosody(form, book.name, None, None, judged, tuple(violations), notes, (TONES,), summary)


# ---------------------------------------------------------------------------------------------------------------------
# Regulated verse


def _judge_regulated(lines: list[str], form: Form, book: RhymeBook) -> Prosody:
    length, heard = form.line_length, [book.read(line) for line in lines]
    tones, ends = list(map(_tones, heard)), [line[-1] for line in heard]
    shared, first = _shared_groups(ends[1::2], book), [n for n in ends[0].groups if book.groups[n].level]
    # Where lines 2 and 4 differ, the first line has the casting vote.
    group = next((name for name in shared if name in first), shared[0] if shared else None)
    borrowed = group not in first and any(group in part and part & set(first) for part in book.neighbours)
    kinds, wanted = align(tones, _first_line_costs(ends[0].tone, group in first, borrowed))
    wanted = _as_read(lines, tones, kinds, wanted, book)

    violations, notes, seen = [], [], {}
    for i, (line, kind) in enumerate(zip(lines, kinds, strict=True)):
        number, end = i + 1, ends[i]
        if i and breaks(kinds[i - 1], kind, i):
            name, key = ("失对", "dui") if i % 2 else ("失粘", "nian")
            violations.append(Violation(key, {"before": i, "after": number}, number, name))
        violations += _tone_faults(line, tones[i], kind, wanted[i], number)
        if kind not in "AB":
            continue
        if i == 0 and borrowed:
            notes.append(
                Note("first_line_neighbour", {"char": end.char, "groups": list(end.groups), "group": group}, 1)
            )
        elif end.tone in (LEVEL, EITHER) and group not in end.groups:
            near = any(group in part and part & set(end.groups) for part in book.neighbours)
            fields = {"groups": list(end.groups), "group": group}
            violations.append(
                Violation("rhyme_neighbour" if near else "rhyme", fields, number, "出韵", length, end.char)
            )
        if end.char in seen:
            fields = {"first": seen[end.char]}
            if book.is_several(end.char):
                notes.append(Note("several_rhyme", {"char": end.char, **fields}, number))
            else:
                violations.append(Violation("rhyme_twice", fields, number, "重韵", length, end.char))
        seen.setdefault(end.char, number)

    if group and not book.groups[group].level:
        notes.append(Note("oblique_rhyme", {"group": book.groups[group].full_name}))
    elif len(violations) * 2 >= len(lines):
        notes.append(Note("many_faults"))
    choice = patterns(form.name, len(lines))
    if not breaks(kinds[0], kinds[1], 1):  # a pattern goes by its first line, whatever comes after a lost 粘
        choice = tuple(pattern for pattern in choice if pattern.types[0] == kinds[0])
    pattern = max(choice, key=lambda pattern: sum(map(str.__eq__, pattern.types, kinds)))
    judged = tuple(
        Line(line, tone_string, formula(kind, length), kind, kind in "AB")
        for line, tone_string, kind in zip(lines, tones, kinds, strict=True)
    )
    notes = [*remarks.licences_taken(lines, kinds, wanted), *notes]
    notes += remarks.of_teachers(judged, wanted, group, book)
    rhyming = [line.rhymes and group in end.groups for line, end in zip(judged, ends, strict=True)]
    asked = [formula(kind, length) for kind in kinds]
    notes += [*_kindly(lines, asked, book, rhyming), *_unknown(lines, book)]
    fields = {"form": form.name, "pattern": pattern.name, "count": len(violations), "faults": _names(violations)}
    key = "faults" if violations else "regulated" if group else "regulated_unknown_rhyme"
    if group:
        fields["group"] = book.groups[group].full_name
    summary = Remark(key, fields)
    verdict = (pattern.name, group, judged, tuple(violations), tuple(notes))
    return Prosody(form.name, book.name, *verdict, summary=summary)


def _as_read(lines: list[str], tones: list[str], kinds: str, wanted: list[str], book: RhymeBook) -> list[str]:
    """The tone strings of the lines with characters of two tones as poets read them, where that is as regular.

    By its word, 几 in 几时 is 仄: a licence, no 平 for the formula's sake. Which licence a line takes is told by the
    tones that every table has: 汉 is 仄.
    """
    found = list(wanted)
    for i, line in enumerate(lines):
        known = {place - 1: tone for place, _, tone in book.usual(line)}
        if wanted[i] in licences(len(line)):
            known = {place: book.tone(char, strict=True) for place, char in enumerate(line)} | known
        read = [known.get(place, tone) if tone == EITHER else tone for place, tone in enumerate(tones[i])]
        _, string = nearest("".join(read), kinds[i], tones[i + 1] if i + 1 < len(lines) else None)
        if all(map(fits, read, string)):
            found[i] = string
    return found


def _names(violations: list[Violation]) -> list[str]:
    """What is broken, each rule once, in order."""
    return list(dict.fromkeys(violation.name for violation in violations))


def _kindly(lines: list[str], wanted: list[str], book: RhymeBook, rhyming: Sequence[bool] = ()) -> tuple[Note, ...]:
    """A note that names the characters of two tones that were taken for the one that fits, as the text leaves it open.

    Settled are those whose word is read so (参差), and a word that rhymes, whose group has its tone.
    """
    chars = []
    for i, (line, string) in enumerate(zip(lines, wanted, strict=True)):
        settled = {(place - 1, tone) for place, _, tone in book.usual(line)}
        for place, (each, tone) in enumerate(zip(book.read(line), string, strict=True)):
            rhymes = place == len(line) - 1 and any(rhyming[i : i + 1])
            if each.tone == EITHER and tone != EITHER and (place, tone) not in settled and not rhymes:
                chars.append(each.char)
    return (Note("either_tone", {"chars": "".join(dict.fromkeys(chars))}),) if chars else ()


def _first_line_costs(end: str, rhymes: bool, borrowed: bool) -> dict[str, float]:
    """What it costs, misfits apart, to read the first line as each kind, by the tone of its last character.

    One that is in the rhyme's group is meant to rhyme; one in no such group is faulted if it is taken to (出韵), and
    one in a neighbouring group rhymes only if it cannot be read 仄 without a licence.
    """
    plain = (1.0 if end == LEVEL else 0.05) if rhymes else 0.0
    rhyming = 0.0 if rhymes or end in (OBLIQUE, UNKNOWN) else 0.015 if borrowed else 1.0
    return {"a": plain, "b": plain, "A": rhyming, "B": rhyming}


def _tone_faults(line: str, tones: str, kind: str, wanted: str, number: int) -> list[Violation]:
    """The misfits of a line by name."""
    length, faults = len(line), []
    for place in range(length):
        if fits(tones[place], wanted[place]):
            continue
        name, key, at = "出律", "tone", place
        if place == length - 1 and kind in "AB":
            name, key = "出韵", "rhyme_oblique"
        elif place == length - 1:
            name, key = "句脚", "line_end"
        elif kind == "B" and place in (length - 5, length - 3) and tones[-5] == tones[-3] == OBLIQUE:
            name, key, at = "孤平", "lone_level", length - 4
        elif place == length - 3 and all(fits(each, LEVEL) for each in tones[-3:]):
            name, key = "三平尾", "three_level"
        fields = {"tone": tones[place], "wanted": wanted[place], "tail": line[-3:]}
        faults.append(Violation(key, fields, number, name, at + 1, line[at]))
    return faults
