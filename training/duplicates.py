"""Poems that are the same, or nearly so: one row for each, and splits in which none returns."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable

SPLITS = {"train": 950, "validation": 25, "test": 25}  # in a thousand


def drop_duplicates(rows: list[dict]) -> list[dict]:
    """One row for each text, in the place of the first: by the poet with most poems, under the shortest title.

    Where the source gives a poem to two, one is mostly the name by which it is known: 登鹳雀楼 is 王之涣's, no 朱斌's.
    """
    poems = Counter(row["poet"] for row in rows if row["poet"])
    same: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        same[row["text"]].append(row)

    def rank(row: dict) -> tuple[int, bool, int]:
        return -poems[row["poet"]], not row["title"], len(row["title"])

    return [min(found, key=rank) for found in same.values()]


def share_half(one: list[str], other: list[str]) -> bool:
    """Whether half or more of the lines of either poem stand in the other."""
    here, there = set(one), set(other)
    return 2 * sum(line in there for line in one) >= len(one) or 2 * sum(line in here for line in other) >= len(other)


class DisjointSets:
    """Union-find over 0 … size - 1; a set is named by its smallest member."""

    def __init__(self, size: int):
        self.parent = list(range(size))

    def find(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        low, high = sorted((self.find(i), self.find(j)))
        self.parent[high] = low


def readings(lines: Iterable[str]) -> dict[str, str]:
    """Each line to one that stands for all its readings: lines of five characters or more that differ in one.

    The source gives many a poem twice, 一作 a character here and there; to a model both are the same poem.
    """
    names = list(dict.fromkeys(lines))
    sets = DisjointSets(len(names))
    for position in range(max(map(len, names), default=0)):
        first: dict[str, int] = {}
        for i, line in enumerate(names):
            if len(line) >= 5 and position < len(line):
                sets.join(i, first.setdefault(line[:position] + "＊" + line[position + 1 :], i))
    return {line: names[sets.find(i)] for i, line in enumerate(names)}


def cluster(poems: list[list[str]]) -> list[int]:
    """For each poem the index of its cluster's first: poems that share half their lines, directly or by a chain."""
    same = readings(line for lines in poems for line in lines)
    poems = [[same[line] for line in lines] for lines in poems]
    sets = DisjointSets(len(poems))
    where: dict[str, list[int]] = defaultdict(list)
    for i, lines in enumerate(poems):
        for line in set(lines):
            where[line].append(i)
    pairs = {(i, j) for found in where.values() for j in found for i in found if i < j}
    for i, j in sorted(pairs):
        if share_half(poems[i], poems[j]):
            sets.join(i, j)
    return [sets.find(i) for i in range(len(poems))]


def split(rows: list[dict]) -> dict[str, list[dict]]:
    """The rows by split, in their order: a cluster goes where the hash of its alphabetically first text falls."""
    roots = cluster([row["lines"] for row in rows])
    first: dict[int, str] = {}
    for row, root in zip(rows, roots, strict=True):
        first[root] = min(row["text"], first.get(root, row["text"]))
    splits: dict[str, list[dict]] = {name: [] for name in SPLITS}
    for row, root in zip(rows, roots, strict=True):
        point = int(hashlib.sha256(first[root].encode()).hexdigest(), 16) % 1000
        for name, share in SPLITS.items():
            if (point := point - share) < 0:
                splits[name].append(row)
                break
    return splits


def apart_from(rows: list[dict], others: list[dict]) -> list[dict]:
    """The rows that share no half of their lines, in whatever reading, with any of the others.

    The Song's collection repeats poems of the Tang's, mostly of men who lived through both; who trains on the one and
    measures on the other must not meet them.
    """
    same = readings(line for row in [*others, *rows] for line in row["lines"])
    known: dict[str, list[list[str]]] = defaultdict(list)
    for other in others:
        lines = [same[line] for line in other["lines"]]
        for line in set(lines):
            known[line].append(lines)

    def returns(row: dict) -> bool:
        lines = [same[line] for line in row["lines"]]
        return any(share_half(lines, other) for line in set(lines) for other in known.get(line, ()))

    return [row for row in rows if not returns(row)]
