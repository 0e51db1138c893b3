"""Builds the rhyme books' tables in verse/data: 平水韵, 词林正韵, 中华通韵, 中华新韵.

    python -m training.rhymes [--source PATH] [--corpus PATH]    writes the tables, prints the report
    python -m training.rhymes --only-modern                      only 通韵 and 新韵, which need no corpus

A row of a book: section, group, the characters surely in it, those that only some source, or some glyph of theirs, puts
there, and those that only today's reading puts there. Rows without a group: 平 and 仄 (the characters surely of that
tone though not of one group; those that have a reading of that tone which poets all but never use, as counted in the
corpus), 句末 (level only as a line's last character), 数字 (one glyph for several words, in simplified script).

A row of words: a group or a tone, a place in the word from 1, the words whose character there is of it. Those of the
modern books come from pypinyin and decide; those of 平水韵 are counted in the corpus.

``--source`` is that of training.corpus. The same source gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from tang_rnn.verse import EITHER, FORMS, RHYME_BOOKS, RhymeBook, admissible, check, fits
from training.corpus import HERE, fetch, read_raw

from . import cilin, modern, pingshui

PINGSHUI, CILIN = RHYME_BOOKS["平水韵"], RHYME_BOOKS["词林正韵"]
MODERN = {"中华通韵": modern.TONGYUN, "中华新韵": modern.XINYUN}

# A tone counts as unused if poets use it in at most this share of a character's uses, and these are enough to tell.
RARE_SHARE, ENOUGH_USES = 0.003, 50
# And as that of a word, if the word is met so often, and the other tone in at most this share.
WORD_SHARE, ENOUGH_WORDS = 0.02, 10


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


def count_tones(book: RhymeBook, poems: Iterable[dict]) -> tuple[dict[str, Counter], dict[tuple[str, int], Counter]]:
    """How often characters of two tones are read in which, alone and by the word of two characters they stand in.

    Counted where the tone is plain: in poems that keep all the rules, at places where the line would break them if it
    were the other.
    """
    uses, words = defaultdict(Counter), defaultdict(Counter)
    for poem in poems:
        if not FORMS[poem["form"]].regulated or not (judged := check(poem["text"], poem["form"], book)).ok:
            continue
        for line in judged.lines[1:]:  # the first may rhyme or not, which leaves its end open
            strings = admissible(line.kind, len(line.text))
            if not any(all(map(fits, line.tones, string)) for string in strings):
                continue  # saved by the line after it
            for place, char in enumerate(line.text):
                if line.tones[place] != EITHER:
                    continue
                fitting = {s[place] for s in strings if all(map(fits, line.tones, s))}
                if len(fitting) == 1:
                    tone = fitting.pop()
                    uses[char][tone] += 1
                    foot = min(place // 2, len(line.text) // 2 - 1)
                    first, last = 2 * foot, 2 * foot + 2 if 2 * foot + 3 < len(line.text) else len(line.text)
                    for start in (place - 1, place):
                        if first <= start and start + 2 <= last:
                            words[line.text[start : start + 2], place - start + 1][tone] += 1
    return uses, words


def unused_tones(uses: dict[str, Counter], found: dict[str, pingshui.Readings]) -> dict[str, str]:
    """The characters that have both tones of which poets use but one, under the tone that they do not use."""
    result = {}
    for wanted in "平仄":
        chars = {c for c, n in uses.items() if n.total() >= ENOUGH_USES and n[wanted] <= RARE_SHARE * n.total()} - set(
            pingshui.LEVEL_AT_END
        )
        # Their other glyphs too, where they have both tones as well.
        glyphs = {
            glyph
            for glyph, readings in found.items()
            if pingshui.simplified(glyph) in chars and len(set(map(pingshui.tone, readings.groups))) == 2
        }
        result[wanted] = "".join(sorted(chars | glyphs))
    return result


def usual_words(uses: dict[str, Counter], words: dict[tuple[str, int], Counter]) -> dict[tuple[str, int], list[str]]:
    """Words in which a character that poets read in both tones is read in one."""
    result = defaultdict(list)
    for (word, place), counts in sorted(words.items()):
        tone, most = counts.most_common(1)[0]
        if counts.total() >= ENOUGH_WORDS and most >= (1 - WORD_SHARE) * counts.total():
            result[tone, place] += sorted({word, pingshui._S2T.convert(word)})
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


def build_modern() -> int:
    for name, finals in MODERN.items():
        rows, words = modern.build(finals, PINGSHUI.reloaded())
        write(RHYME_BOOKS[name].path, rows)
        write_words(RHYME_BOOKS[name].words_path, words)
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m training.rhymes", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, help="the raw poems, as for training.corpus")
    parser.add_argument("--corpus", type=Path, default=HERE, help="the folder of the dataset")
    parser.add_argument("--only-modern", action="store_true", help="only the books of today, which need no corpus")
    options = parser.parse_args(argv)
    if options.only_modern:
        return build_modern()
    groups, book = pingshui.read_book()
    names = [name for _, name in groups]
    counts = pingshui.count_glyphs(read_raw(options.source or fetch()))
    found = pingshui.build(book, pingshui.read_guangyun(), names, counts)
    several = pingshui.several_words(counts, book)
    poems = [row for split in sorted(options.corpus.glob("*.parquet")) for row in pq.read_table(split).to_pylist()]
    # What poets do not use is told by the judge with every reading.
    write(PINGSHUI.path, [*tone_rows(found, {}, several), *group_rows(groups, found)])
    uses, words = count_tones(PINGSHUI.reloaded(), poems)
    unused = unused_tones(uses, found)
    write(PINGSHUI.path, [*tone_rows(found, unused, several), *group_rows(groups, found)])
    write(
        CILIN.path,
        [*tone_rows(found, unused, several), *cilin.build(found, names, [section for section, _ in groups])],
    )
    write_words(PINGSHUI.words_path, usual_words(uses, words))
    print(*(f"never {wanted}: {chars}" for wanted, chars in unused.items()), sep="\n")
    print(report(PINGSHUI.reloaded(), poems))
    return build_modern()


if __name__ == "__main__":
    sys.exit(main())
