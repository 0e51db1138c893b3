"""Rhyme books (韵书): which groups (韵部) a character belongs to, and hence its tones.

A :class:`RhymeBook` is one object and one table; :data:`RHYME_BOOKS` has them by name. Tones are written 平 (level) and
仄 (oblique); 中 is a character that may be read either, ？ one that the book lacks. How the table of 平水韵 is built:
``training/rhymes.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..faults import Fault

LEVEL, OBLIQUE, EITHER, UNKNOWN = "平", "仄", "中", "？"


@dataclass(frozen=True)
class RhymeGroup:
    """A group of a book; of 平水韵's 106 ``name`` is such as ``一东``, ``section`` one of 上平 下平 上声 去声 入声."""

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


@dataclass(frozen=True)
class _Table:
    """What a table's file holds; see ``training/rhymes.py`` for its rows.

    Attributes:
        groups: by name, in the order of the book.
        every, sure: for each character the names of its groups, all of them and the sure ones.
        tones, sure_tones: for each character its tone, by all its readings and by the sure ones.
    """

    groups: dict[str, RhymeGroup]
    every: dict[str, tuple[str, ...]]
    sure: dict[str, tuple[str, ...]]
    tones: dict[str, str]
    sure_tones: dict[str, str]

    @classmethod
    def load(cls, path: Path) -> _Table:
        groups, every, sure, sure_tones, unused = {}, {}, {}, {}, {}
        for row in path.read_text(encoding="utf-8").splitlines()[1:]:
            section, name, surely, perhaps = row.split("\t")
            if name:
                groups[name] = RhymeGroup(name, section)
                section = LEVEL if groups[name].level else OBLIQUE
                for char in surely:
                    sure[char] = (*sure.get(char, ()), name)
                for char in surely + perhaps:
                    every[char] = (*every.get(char, ()), name)
            else:  # a tone, without a group
                for char in perhaps:
                    unused.setdefault(char, set()).add(section)
            for char in surely:
                sure_tones.setdefault(char, set()).add(section)
        tones = {char: {LEVEL if groups[name].level else OBLIQUE for name in names} for char, names in every.items()}

        def heard(table: dict[str, set[str]]) -> dict[str, str]:
            used = {char: found - unused.get(char, set()) for char, found in table.items()}
            return {char: EITHER if len(left) == 2 else next(iter(left), UNKNOWN) for char, left in used.items()}

        return cls(groups, every, sure, heard(tones), heard(sure_tones))


class RhymeBook:
    """A rhyme book.

    Args:
        name: its own, such as ``平水韵``.
        path: its table; read when it is first asked for.
        neighbours: names of groups that stand side by side (邻韵): from these the first line may borrow its rhyme.

    Raises:
        OSError: at the first question, if the table cannot be read.
    """

    def __init__(self, name: str, path: Path, neighbours: Iterable[str] = ()):
        self.name, self.path, self._together = name, path, tuple(neighbours)

    def __repr__(self) -> str:
        return f"<RhymeBook {self.name}>"

    @cached_property
    def _table(self) -> _Table:
        return _Table.load(self.path)

    @property
    def groups(self) -> dict[str, RhymeGroup]:
        """The groups by name, in the order of the book."""
        return self._table.groups

    @property
    def characters(self) -> tuple[str, ...]:
        """Every character that the book has a reading of."""
        return tuple(self._table.every)

    @cached_property
    def level_groups(self) -> tuple[str, ...]:
        """Names of the level groups, 一东 to 十五咸: what a regulated poem may rhyme in."""
        return tuple(name for name, group in self.groups.items() if group.level)

    @cached_property
    def neighbours(self) -> tuple[frozenset[str], ...]:
        """邻韵: the sets of level groups from which the first line may borrow its rhyme."""
        return tuple(frozenset(name for name in self.level_groups if name in part) for part in self._together)

    def group(self, name: str) -> str:
        """The canonical name of a rhyme group: ``一东`` for ``东``, ``东韵``, ``一東``, ``上平一东``, ``上平声一东``.

        Raises:
            Fault: no such group; the message lists the level ones.
        """
        wanted = name.strip().translate(_TRADITIONAL_NAMES).removesuffix("韵").removesuffix("韻")
        for group in self.groups.values():
            full = group.section + ("" if group.section.endswith("声") else "声") + group.name
            if wanted in (group.name, group.name[-1], group.full_name, full):
                return group.name
        raise Fault("unknown_rhyme", rhyme=name, known=list(self.level_groups))

    def readings(self, char: str, strict: bool = False) -> tuple[str, ...]:
        """The names of the rhyme groups a character belongs to, in the order of the book; empty if unknown.

        A simplified character has the readings of all the traditional ones it stands for in the corpus.

        Args:
            char: one character, simplified or traditional.
            strict: only readings that nobody disputes: of the traditional character it usually stands for, and where
                平水韵 and 广韵 both have that one, what both have. To write by, so that readers with other tables find
                no fault; the judge is not strict.
        """
        return (self._table.sure if strict else self._table.every).get(char, ())

    def tone(self, char: str, strict: bool = False) -> str:
        """The tone of a character: 平, 仄, 中 (it may be read either) or ？ (unknown); ``strict`` as in `readings`.

        A reading that hardly any poem relies on gives no tone: 空 is 平, though the rhyme book has it in 一送 too.
        """
        return (self._table.sure_tones if strict else self._table.tones).get(char, UNKNOWN)

    def tone_mask(self, vocabulary: Iterable[str], wanted: str, strict: bool = False) -> list[bool]:
        """For each token whether it is one known character that may be read ``wanted`` (平 or 仄); a bool a token."""
        return [len(token) == 1 and self.tone(token, strict) in (wanted, EITHER) for token in vocabulary]

    def rhyme_mask(self, vocabulary: Iterable[str], group: str, strict: bool = False) -> list[bool]:
        """For each token whether it is one character that may rhyme in the group; one bool a token.

        Raises:
            Fault: no such group.
        """
        name = self.group(group)
        wanted = LEVEL if self.groups[name].level else OBLIQUE
        vocabulary = list(vocabulary)
        fitting = self.tone_mask(vocabulary, wanted, strict)
        return [fit and name in self.readings(token, strict) for token, fit in zip(vocabulary, fitting, strict=True)]


_TRADITIONAL_NAMES = str.maketrans("東鍾魚虞齊眞刪蕭陽鹽聲個", "东钟鱼虞齐真删萧阳盐声箇")
_DATA = Path(__file__).parent / "data"

#: 平水韵, 106 groups, what the Tang wrote by. 邻韵: 王力《汉语诗律学》 section 5.
PINGSHUI = RhymeBook(
    "平水韵",
    _DATA / "pingshui.tsv",
    neighbours=(
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
    ),
)

#: The books by name.
RHYME_BOOKS: dict[str, RhymeBook] = {book.name: book for book in (PINGSHUI,)}
