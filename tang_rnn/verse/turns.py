"""Stock turns of phrase: what the cells have come to say far more often than poets do, such as 更向…去 or 何当归…

A line is a habit where two of its characters, or one, stand in their places much more often in written poems than in
real ones, or two that are neighbours wherever they stand: 蒹葭, 暮烟. Each such pair has a price, and a line that of
its dearest. None is bad verse, so nobody who reads one poem minds; who reads twenty does. The prices are those at which
the habits are gone: ``python -m training.turns`` raises them round by round.

Standard library alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

TABLE = Path(__file__).parent / "data" / "turns.tsv"

#: The length of a line, a place in it from 0 and what stands there, a later place or the same, and what stands there.
Turn = tuple[int, int, str, int, str]
ANYWHERE = 0  # instead of the length: of neighbours at places 0 and 1 of what may begin anywhere in any line


class Turns:
    """Turns and what each costs, in nats: more than 0.

    Args:
        prices: of each turn.
    """

    def __init__(self, prices: Mapping[Turn, float]):
        self.prices = dict(prices)
        # By what stands first, since most of a line begins nothing.
        self._from: dict[tuple[int, int, str], list[tuple[int, str, float]]] = {}
        for (length, place, char, other, also), price in self.prices.items():
            self._from.setdefault((length, place, char), []).append((other, also, price))
        self._words = {turn[2] + turn[4]: price for turn, price in self.prices.items() if turn[0] == ANYWHERE}

    @classmethod
    def load(cls, path: Path = TABLE) -> Turns:
        """Those in a file of :meth:`write`.

        Raises:
            OSError: it cannot be read.
        """
        rows = (row.split("\t") for row in path.read_text(encoding="utf-8").splitlines())
        return cls({(int(n), int(i), a, int(j), b): float(price) for n, i, a, j, b, price in rows})

    def write(self, path: Path) -> None:
        """Makes the file."""
        rows = ("\t".join([*map(str, turn), f"{price:.2f}"]) + "\n" for turn, price in sorted(self.prices.items()))
        path.write_text("".join(rows), encoding="utf-8")

    def price(self, line: str) -> float:
        """That of the dearest turn of a line; 0 for one that has none."""
        length = len(line)
        found = [
            price
            for place, char in enumerate(line)
            for other, also, price in self._from.get((length, place, char), ())
            if line[other] == also
        ]
        return max([*found, *(self._words.get(line[at : at + 2], 0.0) for at in range(length - 1))], default=0.0)

    def total(self, lines: Iterable[str]) -> float:
        """The prices of all lines."""
        return sum(map(self.price, lines))


def turns_of(line: str) -> Iterator[Turn]:
    """All that a line has: each of its characters by itself, and with each behind it; and each two neighbours."""
    length = len(line)
    for place, char in enumerate(line):
        for other in range(place, length):
            yield length, place, char, other, line[other]
    for char, next_char in zip(line, line[1:]):
        yield ANYWHERE, 0, char, 1, next_char


@cache
def turns() -> Turns:
    """Those that ship; read at the first call."""
    return Turns.load()


__all__ = ["ANYWHERE", "TABLE", "Turn", "Turns", "turns", "turns_of"]
