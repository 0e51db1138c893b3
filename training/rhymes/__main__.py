"""Builds the rhyme books' tables in verse/data: 平水韵, 词林正韵, 中华通韵, 中华新韵.

    python -m training.rhymes                                    the tables, by what was counted in poems
    python -m training.rhymes count [--source PATH]              counts anew, then the tables; prints a report

A row of a book: section, group, the characters surely in it, those that only some source, or some glyph of theirs, puts
there, and those that only today's reading puts there. Rows without a group: 平 and 仄 (the characters surely of that
tone though not of one group; those that have a reading of that tone which poets all but never use, as counted in the
corpus), 句末 (level only as a line's last character), 数字 (one glyph for several words, in simplified script).

A row of words: a group or a tone, a place in the word from 1, the words whose character there is of it. Those of the
modern books come from pypinyin and decide; those of 平水韵 are counted in the corpus.

What was counted in poems lies beside (:mod:`.counts`). Count anew where the corpus, the lists of :mod:`.pingshui` or
what the judge passes have changed. ``--source`` is that of training.corpus. The same source gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from tang_rnn.verse import RHYME_BOOKS, RhymeBook, check
from training.corpus import HERE, fetch, read_raw

from . import cilin, modern, pingshui
from .counts import ENOUGH_USES, ENOUGH_WORDS, Counts, Uses, count_glyphs, count_uses

PINGSHUI, CILIN = RHYME_BOOKS["平水韵"], RHYME_BOOKS["词林正韵"]
MODERN = {"中华通韵": modern.TONGYUN, "中华新韵": modern.XINYUN}

# A tone counts as unused if poets use it in at most this share of a character's uses.
RARE_SHARE = 0.003
# And as that of a word, if the other tone is met in at most this share.
WORD_SHARE = 0.02


def write(path: Path, rows: Iterable[tuple[str, ...]]) -> None:
    """The table, in an order that depends on nothing but the content."""
    lines = ["# section\tgroup\tsurely\tperhaps\ttoday"]
    lines += ["\t".join((*row, "", "", "")[:5]) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_words(path: Path, words: dict[tuple[str, int], list[str]]) -> None:
    lines = ["# group\tplace\twords"]
    lines += [f"{group}\t{place}\t{' '.join(found)}" for (group, place), found in words.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def tone_rows(found: dict[str, pingshui.Readings], unused: dict[str, str], several: str) -> list[tuple[str, ...]]:
    """The rows without a group."""
    rows = []
    for wanted in "平仄":
        alone = (c for c in found if wanted in found[c].tones and wanted not in map(pingshui.tone, found[c].sure))
        rows.append((wanted, "", "".join(sorted(alone)), unused.get(wanted, "")))
    return [*rows, ("句末", "", "", pingshui.LEVEL_AT_END), ("数字", "", "", several)]


def group_rows(groups: list[tuple[str, str]], found: dict[str, pingshui.Readings]) -> list[tuple[str, ...]]:
    rows = []
    for index, (section, name) in enumerate(groups):
        here = {char: r for char, r in found.items() if index in r.groups}
        sure = sorted(char for char, r in here.items() if index in r.sure)
        today = sorted(char for char, r in here.items() if index in r.today)
        rest = sorted(here.keys() - set(sure) - set(today))
        rows.append((section, name, "".join(sure), "".join(rest), "".join(today)))
    return rows


def unused_tones(uses: Uses, found: dict[str, pingshui.Readings]) -> dict[str, str]:
    """The characters that have both tones of which poets use but one, under the tone that they do not use."""
    result = {}
    alone = {word: n for (word, _), n in uses.items() if len(word) == 1 and n.total() >= ENOUGH_USES}
    for wanted in "平仄":
        chars = {c for c, n in alone.items() if n[wanted] <= RARE_SHARE * n.total()} - set(pingshui.LEVEL_AT_END)
        # Their other glyphs too, where they have both tones as well.
        glyphs = {
            glyph
            for glyph, readings in found.items()
            if pingshui.simplified(glyph) in chars and len(set(map(pingshui.tone, readings.groups))) == 2
        }
        result[wanted] = "".join(sorted(chars | glyphs))
    return result


def usual_words(uses: Uses) -> dict[tuple[str, int], list[str]]:
    """Words in which a character that poets read in both tones is read in one."""
    result = defaultdict(list)
    for (word, place), counts in sorted(uses.items()):
        tone, most = counts.most_common(1)[0]
        if len(word) > 1 and counts.total() >= ENOUGH_WORDS and most >= (1 - WORD_SHARE) * counts.total():
            result[tone, place] += sorted({word, pingshui.S2T.convert(word)})
    return dict(sorted(result.items()))


def report(book: RhymeBook, poems: list[dict]) -> str:
    """How much of the corpus the table covers, and how its regulated verse fares under it."""
    counts = Counter(char for poem in poems for line in poem["lines"] for char in line)
    unknown = {char: count for char, count in counts.items() if not book.readings(char)}
    often = sum(count >= 10 for count in unknown.values())
    lines = [
        f"{len(counts)} characters in the corpus, {len(unknown)} of them unknown, {often} of these ten times or more; "
        + f"unknown are {sum(unknown.values()) / sum(counts.values()):.3%} of the text",
        "form   poems  one group  one level group  clean  faults, in how many poems",
    ]
    for form in ("五绝", "七绝", "五律", "七律"):
        judged = [check(poem["text"], form, book) for poem in poems if poem["form"] == form]
        one = [p for p in judged if all(p.rhyme_group in book.readings(line.text[-1]) for line in p.lines[1::2])]
        level = sum(book.groups[p.rhyme_group].level for p in one)
        faults = Counter(name for p in judged for name in {v.name for v in p.violations})
        shares = [f"{share / len(judged):.1%}" for share in (len(one), level, sum(p.ok for p in judged))]
        told = " ".join(f"{name} {count}" for name, count in faults.most_common())
        lines.append(f"{form} {len(judged):7} {shares[0]:>10} {shares[1]:>16} {shares[2]:>6}  {told}")
    return "\n".join(lines)


def build(counts: Counts, folder: Path = PINGSHUI.path.parent) -> None:
    """Writes every table into a folder."""
    usual = build_old(counts, folder)
    for name, finals in MODERN.items():
        rows, words = modern.build(finals, usual)
        write(folder / RHYME_BOOKS[name].path.name, rows)
        write_words(folder / RHYME_BOOKS[name].words_path.name, words)


def build_old(counts: Counts, folder: Path) -> RhymeBook:
    """Writes the tables of 平水韵 and 词林正韵 into a folder; 平水韵 by these."""
    groups, book = pingshui.read_book()
    names, sections = [name for _, name in groups], [section for section, _ in groups]
    found = pingshui.build(book, pingshui.read_guangyun(), names, counts.glyphs)
    tones = tone_rows(found, unused_tones(counts.uses, found), pingshui.several_words(counts.glyphs, book))
    write(folder / PINGSHUI.path.name, [*tones, *group_rows(groups, found)])
    write(folder / CILIN.path.name, [*tones, *cilin.build(found, names, sections)])
    write_words(folder / PINGSHUI.words_path.name, usual_words(counts.uses))
    return PINGSHUI.reloaded(folder)


def with_every_tone(counts: Counts, folder: Path) -> RhymeBook:
    """平水韵 with the tones that poets do not use: what they do not use is told by the judge with every reading."""
    return build_old(replace(counts, uses={}), folder)


def count(source: Path, poems: dict[str, list[dict]]) -> Counts:
    """Counts everything anew; ``poems``: those of each split of the corpus."""
    glyphs = Counts(count_glyphs(read_raw(source)), {}, {})
    with TemporaryDirectory() as folder:
        book = with_every_tone(glyphs, Path(folder))
        uses = count_uses(book, (poem for split in poems.values() for poem in split))
        return replace(glyphs, uses=uses, test_uses=count_uses(book, poems["test"]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.rhymes", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["count"], help="count in the poems anew")
    parser.add_argument("--source", type=Path, help="with count: the raw poems, as for training.corpus")
    options = parser.parse_args(argv)
    if options.source and not options.what:
        parser.error("--source is for: python -m training.rhymes count")
    if not options.what:
        build(Counts.read())
        return 0
    poems = {split.stem: pq.read_table(split).to_pylist() for split in sorted(HERE.glob("*.parquet"))}
    count(options.source or fetch(), poems).write()
    build(Counts.read())
    print(report(PINGSHUI.reloaded(), [poem for split in poems.values() for poem in split]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
