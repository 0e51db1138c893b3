"""Counts what goes with what in the training poems: ``python -m training.associations``.

Writes verse/data/usage.tsv (:mod:`tang_rnn.verse.usage`) and verse/data/associations.safetensors
(:mod:`tang_rnn.verse.associations`), by which poems are ranked and measured. Only the training split is read, so that
the measures can be tried on poems they were not counted from.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from tang_rnn.verse import associations, usage
from tang_rnn.verse.associations import Associations
from tang_rnn.verse.usage import KINDS, Usage, overlapping, times_in, words

from .corpus import HERE

Poems = list[list[str]]  # lines

DOUBLED = 3  # times that a doubling must stand in the poems
CONTRARY = 0.5  # the least price of two words that shun each other: rarer together than chance by a factor e^-0.5
UNLIKE = 0.15  # the same where one names the weather: rain and the moon are seldom seen at once, but are in many poems
EXPECTED = 4  # poems in which two words would stand by chance, for their rarity to say something
# Words that name a season or an hour; which of them shun each other is counted.
SEASONS = {
    "spring": (
        "春 东风 春风 春色 春光 春草 春水 桃 桃李 桃花 杏 杏花 梨花 海棠 牡丹 柳 柳絮 柳色 柳条 杨柳 垂柳 杨花 飞絮 "
        "莺 流莺 黄鹂 杜鹃 子规 燕 花开 落花 百花 芳草 芳菲 萋萋 寒食 清明 暖"
    ),
    "summer": "夏 荷 荷香 莲 藕花 芙蓉 榴 樱桃 菱 暑 热 炎 麦 新蝉 绿阴",
    "autumn": (
        "秋 西风 秋风 秋色 秋光 秋声 秋月 秋水 秋草 衰草 白露 芦花 荻花 蓼 萤 菊 桂 枫 雁 鸿 砧 蛩 蟋蟀 寒蝉 霜 露 "
        "红叶 黄叶 落叶 木叶 摇落 重阳 凉"
    ),
    "winter": "冬 北风 雪 雪花 飞雪 残雪 冰 腊 梅 寒 天寒",
    "any": "蝉 绿树 青草 绿草",
}
HOUR = (
    "晓 曙 晨 朝 朝阳 初日 日出 日高 鸡鸣 白日 午 昼 晚 暮 暮色 日暮 日斜 夕 夕阳 斜阳 残阳 落日 斜日 落晖 落照 残照 "
    "黄昏 夜 夜半 夜深 宵 月 明月 残月 月落 月明 星 灯 烛 漏 梦 三更 夕照 暮烟 暮云 晚烟 日落"
)
WEATHER = "雨 细雨 风雨 春雨 秋雨 暮雨 夜雨 晴 霁 阴 雪"
# Words of verse, and what a reader (a large language model) found each to say of season, hour and sky. What it says of
# one of these is kept where the poems bear it out.
TIMES = Path(__file__).parent / "times.tsv"
BORNE_OUT = 0.4  # the least price of a word and all those together that clash with it
TOLD = 3  # poems in which these would stand by chance, for them to say something
CHARACTERS = 4096  # of the tables, the most frequent
REACH = 7  # lines between which characters are taken to stand together
RARE = 1e-4  # below this share of all, a character weighs no less in the thin matrices
COMMON = 40  # times that a word of two characters must stand in the poems to be called common


def doublings(poems: Poems) -> frozenset[str]:
    """Characters that stand doubled within lines often enough to be a habit.

    As a word: in 黑云压城城欲摧 one 城 ends what the other goes on from, and nobody writes 古城城.
    """
    counts = Counter(word[0] for lines in poems for line in lines for word in words(line) if word[0] == word[1])
    return frozenset(char for char, count in counts.items() if count >= DOUBLED)


def contrary(quatrains: Poems) -> dict[tuple[str, str], float]:
    """The words of season, and those of hour and weather, that are rarer in one quatrain than chance would have it.

    Two words that are too rare to say shun each other as much as all such of their seasons do together.
    """
    texts = [" ".join(lines) for lines in quatrains]
    season = {word: name for name, words_of in SEASONS.items() for word in words_of.split()}
    sky = dict.fromkeys(f"{HOUR} {WEATHER}".split(), "any")
    return _shunning(texts, season) | _shunning(texts, sky, frozenset(WEATHER.split()))


def _shunning(
    texts: Sequence[str], kinds: dict[str, str], weather: frozenset[str] = frozenset()
) -> dict[tuple[str, str], float]:
    """The pairs of these words, each with its kind, and how much rarer they are together than by chance."""
    has = np.array([[word in text for text in texts] for word in kinds], dtype=np.float32)  # (words, texts)
    both, alone = has @ has.T, has.sum(1)
    found, few, chances, rare = {}, {}, Counter(), Counter()
    for i, one in enumerate(kinds):
        for j, other in enumerate(list(kinds)[:i]):
            pair, chance = (other, one), alone[i] * alone[j] / len(texts)
            if one in other or other in one:
                continue
            if chance >= EXPECTED:
                price = math.log((chance + 1) / (both[i, j] + 1))
                if price >= (CONTRARY if weather.isdisjoint(pair) else UNLIKE):
                    found[pair] = price
            elif kinds[one] != kinds[other] and "any" not in (kinds[one], kinds[other]):
                few[pair] = of_kind = kinds[other], kinds[one]
                chances[of_kind], rare[of_kind] = chances[of_kind] + chance, rare[of_kind] + both[i, j]
    prices = {kind: math.log((chances[kind] + 1) / (rare[kind] + 1)) for kind in chances}
    return found | {pair: prices[kind] for pair, kind in few.items() if prices[kind] >= CONTRARY}


def times(quatrains: Poems) -> tuple[dict[str, frozenset[str]], frozenset[tuple[str, str]]]:
    """The words of :data:`TIMES` with what of their tags the quatrains bear out, and the pairs of them that clash but
    stand together no more rarely than others.

    Of each kind the words that stand most often with what clashes with them lose their tags of it, the worst first:
    since 月 is in poems of every hour, it must not speak against those that are not.
    """
    rows = [row.split("\t") for row in TIMES.read_text(encoding="utf-8").splitlines()]
    tags = {word: frozenset(told.split()) for word, told in rows}
    names = list(tags)
    has = np.zeros((len(quatrains), len(names)), dtype=np.float32)
    numbers = {word: number for number, word in enumerate(names)}
    for row, lines in zip(has, quatrains):
        row[[numbers[word] for line in lines for word in times_in(line, tags)]] = 1
    both, alone = has.T @ has, has.sum(0)
    chance = np.outer(alone, alone) / len(quatrains)
    apart = np.array([[not overlapping(one, other) for other in names] for one in names])
    kept, clash = [frozenset() for _ in names], np.zeros_like(apart)
    for of_kind in KINDS.values():
        told = np.array([[tag in tags[word] for tag in of_kind] for word in names])  # (words, tags)
        while True:
            some = told.any(1)
            pairs = apart & some[:, None] & some & (told.astype(int) @ told.T == 0)
            expected, found = (chance * pairs).sum(1), (both * pairs).sum(1)
            price = np.where(some & (expected >= TOLD), np.log((expected + 1) / (found + 1)), np.inf)
            if price.min() >= BORNE_OUT:
                break
            told[price.argmin()] = False
        clash |= pairs
        kept = [tags_of.union(np.array(of_kind)[row].tolist()) for tags_of, row in zip(kept, told)]
    usual = clash & (chance >= EXPECTED) & (np.log((chance + 1) / (both + 1)) < CONTRARY)
    together = frozenset((names[i], names[j]) for i, j in np.argwhere(np.triu(usual)).tolist())
    return {word: found for word, found in zip(names, kept) if found}, together


# -- tables of pairs of characters ------------------------------------------------------------------------------------


def numbered(poems: Poems, index: dict[str, int]) -> list[list[np.ndarray]]:
    """The different characters of each line as numbers, those of the tables."""
    return [[np.array(sorted({index[c] for c in line if c in index}), dtype=np.int64) for line in p] for p in poems]


def count_pairs(pairs: Iterable[tuple[np.ndarray, np.ndarray]], size: int) -> np.ndarray:
    """How often each of the first stands with each of the second: (size, size)."""
    counts, keys, held = np.zeros(size * size, dtype=np.float32), [], 0

    def add() -> None:
        found, often = np.unique(np.concatenate(keys), return_counts=True)
        counts[found] += often

    for one, other in pairs:
        keys.append((one[:, None] * size + other).ravel())
        held += keys[-1].size
        if held > 1 << 22:
            add()
            keys, held = [], 0
    if keys:
        add()
    return counts.reshape(size, size)


def information(counts: np.ndarray, prior: float, normalised: bool = False) -> np.ndarray:
    """Pointwise mutual information of rows and columns, drawn to 0 by `prior` pairs as by chance; normalised: Bouma."""
    total = counts.sum()
    chance = np.outer(counts.sum(1), counts.sum(0)) / total
    values = np.log((counts + prior) / (chance + prior))
    return values / -np.log((counts + 1) / total) if normalised else values


def factors(values: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The best symmetric approximation of a symmetric matrix: (V, V) -> (V, rank) and the sign of each column."""
    eigenvalues, vectors = np.linalg.eigh(values)
    largest = np.abs(eigenvalues).argsort()[::-1][:rank]
    return vectors[:, largest] * np.sqrt(np.abs(eigenvalues[largest])), np.sign(eigenvalues[largest])


def thin(values: np.ndarray, frequency: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """:func:`factors` that are nearest where both characters are frequent; frequency (V,)."""
    weight = np.maximum(frequency, RARE) ** 0.25
    matrix, sign = factors(values * np.outer(weight, weight), rank)
    return matrix / weight[:, None], sign


def thin_pair(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Two thin matrices whose product is near to values that are not symmetric: (V, V) -> (V, rank) twice."""
    left, right = (np.maximum(each, RARE) ** 0.25 for each in (rows, columns))
    weighted = values * np.outer(left, right)
    eigenvalues, vectors = np.linalg.eigh(weighted.T @ weighted)
    vectors, size = vectors[:, ::-1][:, :rank], np.sqrt(np.sqrt(eigenvalues[::-1][:rank].clip(0)))
    return weighted @ vectors / size / left[:, None], vectors * size / right[:, None]


def coherence(poems: list[list[np.ndarray]], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which characters stand in different lines of one poem."""
    near = ((p[i], np.concatenate(p[i + 1 : i + 1 + REACH])) for p in poems for i in range(len(p) - 1))
    counts = count_pairs(near, size)
    counts += counts.T
    np.fill_diagonal(counts, 0)
    values = information(counts, 5, normalised=True)
    np.fill_diagonal(values, 0)
    return thin(values, counts.sum(1) / counts.sum(), 64)


def parallel(octaves: Poems, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which characters stand in the same place of the lines of a middle couplet."""
    couplets = [lines[first : first + 2] for lines in octaves for first in (2, 4)]
    pairs = [(a, b) for one, other in couplets for a, b in zip(one, other) if a in index and b in index]
    counts = count_pairs(((np.array([index[a]]), np.array([index[b]])) for a, b in pairs), len(index))
    counts += counts.T
    return thin(information(counts, 0.2), counts.sum(1) / counts.sum(), 32)


def titles_and_bodies(titles: Sequence[str], poems: Poems, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Which characters stand in poems under titles with which."""
    told = numbered([[title, "".join(lines[: REACH + 1])] for title, lines in zip(titles, poems) if title], index)
    counts = count_pairs(told, len(index))
    return thin_pair(information(counts, 3), counts.sum(1) / counts.sum(), counts.sum(0) / counts.sum(), 32)


def frequencies(poems: Poems, index: dict[str, int]) -> dict[str, float]:
    """The common words of two characters of lines of 5 and 7: the logarithm of how often they stand, over COMMON."""
    counts = Counter(word for lines in poems for line in lines for word in words(line))
    return {
        word: math.log(count / COMMON)
        for word, count in sorted(counts.items())
        if count > COMMON and set(word) <= index.keys()
    }


def last_couplets(poems: Poems, index: dict[str, int]) -> np.ndarray:
    """For each character how much more often it stands in last couplets than in others, as a logarithm: (V,)."""
    last, others = np.zeros(len(index)), np.zeros(len(index))
    for lines in poems:
        for counts, part in ((last, lines[-2:]), (others, lines[:-2])):
            np.add.at(counts, [index[char] for line in part for char in line if char in index], 1)
    expected = (last + others) * last.sum() / (last.sum() + others.sum())
    return np.log((last + 4) / (expected + 4)) - np.log((others + 4) / (last + others - expected + 4))


def build(poems: Poems, titles: Sequence[str], table: Path, list_: Path) -> None:
    """Counts everything and writes both files."""
    regulated = [lines for lines in poems if len(lines) in (4, 8) and {len(line) for line in lines} in ({5}, {7})]
    quatrains = [lines[first : first + 4] for lines in regulated for first in range(0, len(lines), 4)]
    Usage(doublings(poems), contrary(quatrains), *times(quatrains)).write(list_)
    counts = Counter(char for lines in poems for line in lines for char in line)
    characters = [char for char, _ in sorted(counts.items(), key=lambda found: (-found[1], found[0]))[:CHARACTERS]]
    index = {char: number for number, char in enumerate(characters)}
    matrices, signs = {}, {}
    matrices["coherence"], signs["coherence"] = coherence(numbered(poems, index), len(index))
    matrices["parallel"], signs["parallel"] = parallel([p for p in regulated if len(p) == 8], index)
    matrices["title"], matrices["titled"] = titles_and_bodies(titles, poems, index)
    Associations.write(table, characters, matrices, signs, frequencies(poems, index), last_couplets(regulated, index))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.associations", description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=Path, default=HERE, help="the folder of the dataset")
    parser.add_argument("--out", type=Path, default=associations.TABLE.parent, help="the folder to write to")
    options = parser.parse_args(argv)
    path = options.corpus / "train.parquet"
    if not path.is_file():
        print(f"training.associations: there is no {path}: python -m training.corpus", file=sys.stderr)
        return 2
    rows = pq.read_table(path, columns=["lines", "title"]).to_pydict()
    files = [options.out / module.TABLE.name for module in (associations, usage)]
    build(rows["lines"], rows["title"], *files)
    for file in files:
        print(f"{file}: {file.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
