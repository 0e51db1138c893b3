"""What usage allows beyond the rules: which characters are doubled, which words shun each other, how a word is read.

Lists counted from the training poems (``python -m training.associations``), and what they and the rhyme book say of a
poem:

- doublings (叠字) that real verse has: 处处, 萧萧, but no 衣衣;
- words of season, hour and weather that keep out of each other's poems: 秋 and 东风, 夜 and 落日;
- of some 1,200 words, what season, hour and sky they speak of: 叶落 is autumn or winter, 渔火 dusk or night;
- two-tone characters by the word they stand in: 相思 is level, 离思 is not. A rhyme book gives a character its tones,
  only the word says which.

Standard library alone.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import combinations, permutations
from pathlib import Path

from .forms import classify
from .patterns import patterns
from .rhymes import EITHER, LEVEL, OBLIQUE, PINGSHUI, RhymeBook

TABLE = Path(__file__).parent / "data" / "usage.tsv"
#: What a word can say of when it is and what the sky is like; of one kind a poem should not say two things.
KINDS = {
    "season": ("spring", "summer", "autumn", "winter"),
    "hour": ("morning", "day", "dusk", "night"),
    "sky": ("clear", "rain", "snow"),
}
LINES = 2**12  # of which what was found out is kept: candidates for one poem have most of theirs in common
_OF_KIND = tuple(map(frozenset, KINDS.values()))


@dataclass(frozen=True, eq=False)  # one is another's equal only if it is the same, so that it can be looked up by
class Usage:
    """The lists.

    Attributes:
        doubled: characters that stand doubled in real verse.
        contrary: for two words, how much rarer they are in one quatrain than chance would have it: the natural
            logarithm of expected over found.
        times: characters and words of two, and of each the seasons, hours and skies of :data:`KINDS` that it goes with;
            of a kind that it says nothing of, none.
        together: pairs of these that stand in one quatrain all the same.
    """

    doubled: frozenset[str]
    contrary: dict[tuple[str, str], float]
    times: dict[str, frozenset[str]]
    together: frozenset[tuple[str, str]]

    @classmethod
    def load(cls, path: Path = TABLE) -> Usage:
        """The lists in a file of :meth:`write`.

        Raises:
            OSError: it cannot be read.
        """
        doubled, contrary, times, together = "", {}, {}, set()
        for row in path.read_text(encoding="utf-8").splitlines():
            kind, *fields = row.split("\t")
            if kind == "doubled":
                doubled += fields[0]
            elif kind == "contrary":
                contrary[fields[0], fields[1]] = float(fields[2])
            elif kind == "time":
                times[fields[0]] = frozenset(fields[1].split())
            elif kind == "together":
                together.add((fields[0], fields[1]))
        return cls(frozenset(doubled), contrary, times, frozenset(together))

    def write(self, path: Path) -> None:
        """Makes the file."""
        rows = ["doubled\t" + "".join(sorted(self.doubled))]
        rows += [f"contrary\t{one}\t{other}\t{price:.2f}" for (one, other), price in sorted(self.contrary.items())]
        rows += [f"time\t{word}\t{' '.join(sorted(tags))}" for word, tags in sorted(self.times.items())]
        rows += ["\t".join(["together", *pair]) for pair in sorted(self.together)]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")

    @cached_property
    def markers(self) -> frozenset[str]:
        """The words of season, hour and weather."""
        return frozenset(word for pair in self.contrary for word in pair)

    def odd_doublings(self, lines: Sequence[str]) -> list[str]:
        """The characters doubled within a line that real verse does not double."""
        return [a for line in lines for a, b in zip(line, line[1:]) if a == b and a not in self.doubled]

    def contradictions(self, lines: Sequence[str]) -> list[tuple[str, str]]:
        """The pairs of words that shun each other, but stand in one poem."""
        told = [_told(line, self) for line in lines]
        here, times = (sorted({word for each in told for word in each[kind]}) for kind in range(2))
        counted = [pair for pair in permutations(here, 2) if pair in self.contrary]
        told = [pair for pair in combinations(times, 2) if self._clash(pair)]
        return counted + [pair for pair in told if pair not in counted and pair[::-1] not in counted]

    def _clash(self, pair: tuple[str, str]) -> bool:
        one, other = pair
        if pair not in self._clashes:  # candidates of one poem have much in common
            apart = {pair, pair[::-1]}.isdisjoint(self.together) and not overlapping(one, other)
            self._clashes[pair] = apart and clashing(self.times[one], self.times[other])
        return self._clashes[pair]

    @cached_property
    def _clashes(self) -> dict[tuple[str, str], bool]:
        return {}


def times_in(line: str, known: Container[str]) -> list[str]:
    """Those of the words known that a line has where a word can stand, and the single characters beside them."""
    found, covered = [], set()
    for place, word in zip(word_places(len(line)), words(line)):
        if word in known:
            found.append(word)
            covered.update(place)
    return found + [char for place, char in enumerate(line) if place not in covered and char in known]


def clashing(tags: frozenset[str], others: frozenset[str]) -> bool:
    """Whether of one kind both say something, and nothing that is the same."""
    told = ((tags & kind, others & kind) for kind in _OF_KIND)
    return any(some and more and not some & more for some, more in told)


def overlapping(one: str, other: str) -> bool:
    """Whether two words may be parts of one expression: 秋草 and 草绿 of 秋草绿."""
    return one in other or other in one or one[-1] == other[0] or other[-1] == one[0]


@cache
def usage() -> Usage:
    """The lists that ship; read at the first call."""
    return Usage.load()


@cache
def word_places(length: int) -> tuple[tuple[int, int], ...]:
    """Where words of two characters stand in a line of 5 or 7: before each caesura, and either pair of the last 3."""
    pairs = length - 3
    return (*((place, place + 1) for place in range(0, pairs, 2)), (pairs, pairs + 1), (pairs + 1, pairs + 2))


def words(line: str) -> list[str]:
    """What may be words of two characters in a line of 5 or 7; of another length none."""
    return [line[first : last + 1] for first, last in word_places(len(line))] if len(line) in (5, 7) else []


def mistoned(
    lines: Sequence[str], book: RhymeBook = PINGSHUI, num_lines: int | None = None
) -> list[tuple[str, int, str]]:
    """Words with a two-tone character where the pattern asks for the tone that poets do not give it in that word.

    The word, the line from 1, and the tone asked for. Only of 绝句 and 律诗 that keep to a pattern but for a place in
    every other line, and of lines that keep it whole; none by a book whose words decide. A poem that is to have
    `num_lines` is taken for the beginning of such.
    """
    heard = [_heard(line, book) for line in lines]
    words = [(number, *found) for number, (_, usual) in enumerate(heard) for found in usual]
    form = classify([*lines, *lines[-1:] * ((num_lines or 0) - len(lines))])
    if not words or not form.regulated:
        return []
    heard, length = "".join(tones for tones, _ in heard), form.line_length
    level, oblique = _bits(heard)
    # Of each pattern the places that the poem has otherwise, a bit each, and its tones.
    misfits = [
        (level & its_oblique >> len(row) - len(heard) | oblique & its_level >> len(row) - len(heard), row)
        for row, its_level, its_oblique in _formulas(form.name)
    ]
    wrong, nearest = min(misfits, key=lambda found: found[0].bit_count())
    if wrong.bit_count() > len(lines) // 2:
        return []
    wrong = f"{wrong:0{len(heard)}b}"
    return [
        (word, number + 1, nearest[at])
        for number, place, word, tone in words
        if "1" not in wrong[number * length : (number + 1) * length]
        if heard[at := number * length + place - 1] == EITHER and nearest[at] not in (EITHER, tone)
    ]


@lru_cache(LINES)
def _told(line: str, lists: Usage) -> tuple[set[str], set[str]]:
    """What a line has of the words of season, hour and weather, and of those that speak of them."""
    return {word for word in lists.markers if word in line}, set(times_in(line, lists.times))


@lru_cache(LINES)
def _heard(line: str, book: RhymeBook) -> tuple[str, list[tuple[int, str, str]]]:
    """The tones of a line, and what is usual in it."""
    return "".join(map(book.tone, line)), book.usual(line)


def _bits(tones: str) -> tuple[int, int]:
    """The places of level and of oblique tones, a bit each, the first the highest."""
    return tuple(int("".join("01"[tone == wanted] for tone in tones), 2) for wanted in (LEVEL, OBLIQUE))


@cache
def _formulas(form: str) -> list[tuple[str, int, int]]:
    """For each pattern of a form its tones in one row, and the places of its level and its oblique ones."""
    rows = ["".join(pattern.formulas) for pattern in patterns(form)]
    return [(row, *_bits(row)) for row in rows]


__all__ = [
    "KINDS",
    "TABLE",
    "Usage",
    "clashing",
    "mistoned",
    "overlapping",
    "times_in",
    "usage",
    "word_places",
    "words",
]
