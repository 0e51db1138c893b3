"""Rhyme books (韵书): which groups (韵部) a character belongs to, and hence its tones.

A :class:`RhymeBook` is one object and one table in ``data/``; :data:`RHYME_BOOKS` has them by name. Tones are written
平 (level) and 仄 (oblique); 中 is a character that may be read either, ？ one that the book lacks. How the tables are
built and what their rows mean: ``training/rhymes``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path

from ..faults import Fault, text_of

LEVEL, OBLIQUE, EITHER, UNKNOWN = "平", "仄", "中", "？"


@dataclass(frozen=True)
class RhymeGroup:
    """A group of a book.

    Attributes:
        name: of 平水韵's 106 such as ``一东``; of other books such as ``十一安``, ``十一安仄声``, ``第一部``.
        section: 上平 下平 上声 去声 入声, or 平声 仄声 入声.
    """

    name: str
    section: str

    @property
    def level(self) -> bool:
        """Whether its characters are 平; regulated verse rhymes in these only."""
        return self.section in ("上平", "下平", "平声")

    @property
    def entering(self) -> bool:
        """Whether its characters are 入声."""
        return self.section == "入声"

    @property
    def full_name(self) -> str:
        """The name with its section, ``上平一东``, where the book has more than level, oblique and entering ones."""
        return self.name if self.section in ("平声", "仄声") or self.name[0] == "第" else self.section + self.name


@dataclass(frozen=True)
class Heard:
    """A character as it is to be read where it stands: the groups it may belong to there, and its tone."""

    char: str
    groups: tuple[str, ...]
    tone: str


@dataclass(frozen=True)
class _Table:
    """What a book's files hold; see ``training/rhymes`` for their rows.

    Attributes:
        groups: by name, in the order of the book.
        every, sure: for each character the names of its groups, all of them and the sure ones.
        tones, sure_tones: for each character its tone, by all its readings and by the sure ones.
        today: characters that are in the book by today's reading alone.
        level_at_end: characters that are level only as a line's last.
        several: characters that stand for several words in simplified script.
    """

    groups: dict[str, RhymeGroup]
    every: dict[str, tuple[str, ...]]
    sure: dict[str, tuple[str, ...]]
    tones: dict[str, str]
    sure_tones: dict[str, str]
    today: frozenset[str]
    level_at_end: frozenset[str]
    several: frozenset[str]

    @classmethod
    def load(cls, path: Path) -> _Table:
        groups, every, sure, sure_tones, unused, rest = {}, {}, {}, {}, {}, {"句末": "", "数字": ""}
        by_today: set[str] = set()
        for row in path.read_text(encoding="utf-8").splitlines()[1:]:
            section, name, surely, perhaps, today = row.split("\t")
            if section in rest:
                rest[section] = perhaps
                continue
            if name:
                groups[name] = RhymeGroup(name, section)
                section = LEVEL if groups[name].level else OBLIQUE
                for char in surely:
                    sure[char] = (*sure.get(char, ()), name)
                for char in surely + perhaps + today:
                    every[char] = (*every.get(char, ()), name)
                by_today |= set(today)
            else:  # a tone, without a group
                for char in perhaps:
                    unused.setdefault(char, set()).add(section)
            for char in surely:
                sure_tones.setdefault(char, set()).add(section)
        for char in rest["句末"]:
            unused.setdefault(char, set()).add(LEVEL)
        tones = {char: {LEVEL if groups[name].level else OBLIQUE for name in names} for char, names in every.items()}

        def heard(table: dict[str, set[str]]) -> dict[str, str]:
            used = {char: found - unused.get(char, set()) for char, found in table.items()}
            return {char: EITHER if len(left) == 2 else next(iter(left), UNKNOWN) for char, left in used.items()}

        sets = (frozenset(chars) for chars in (by_today, rest["句末"], rest["数字"]))
        return cls(groups, every, sure, heard(tones), heard(sure_tones), *sets)


class RhymeBook:
    """A rhyme book.

    Args:
        name: its own, such as ``平水韵``.
        table: file name of its table; read when it is first asked for.
        words: file name of the words in which a character has one of its readings.
        words_decide: whether these words decide how it is read there; else they tell what is usual.
        neighbours: names of groups that stand side by side (邻韵): from these the first line may borrow its rhyme.
        folder: where the files are.

    Raises:
        OSError: at the first question, if a file cannot be read.
    """

    def __init__(
        self,
        name: str,
        table: str,
        words: str | None = None,
        words_decide: bool = True,
        neighbours: Iterable[str] = (),
        folder: Path = Path(__file__).parent / "data",
    ):
        self.name, self.path = name, folder / table
        self.words_path = folder / words if words else None
        self.words_decide, self._together = words_decide, tuple(neighbours)

    def __repr__(self) -> str:
        return f"<RhymeBook {self.name}>"

    def __reduce__(self):
        return get_book, (self.name,)

    def reloaded(self, folder: Path | None = None) -> RhymeBook:
        """The same book, its files to be read again; from another folder, if one is given."""
        words = self.words_path and self.words_path.name
        folder = folder or self.path.parent
        return RhymeBook(self.name, self.path.name, words, self.words_decide, self._together, folder)

    @cached_property
    def _table(self) -> _Table:
        return _Table.load(self.path)

    @cached_property
    def _words(self) -> dict[str, dict[int, str]]:
        """For each word what its characters are, by place from 0: a group or a tone."""
        found: dict[str, dict[int, str]] = {}
        if self.words_path:
            for row in self.words_path.read_text(encoding="utf-8").splitlines()[1:]:
                reading, place, words = row.split("\t")
                for word in words.split():
                    found.setdefault(word, {})[int(place) - 1] = reading
        return found

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
        wanted = name.strip().translate(_SIMPLIFIED).removesuffix("韵").removesuffix("平声")
        for group in self.groups.values():
            full = group.section + ("" if group.section.endswith("声") else "声") + group.name
            if wanted in (group.name, group.full_name, full) or wanted == group.name[-1] != "部":
                return group.name
        for group in self.level_groups:
            if wanted and wanted == group.lstrip("第一二三四五六七八九十"):
                return group
        raise Fault("unknown_rhyme", rhyme=name, known=list(self.level_groups))

    def readings(self, char: str, strict: bool = False) -> tuple[str, ...]:
        """The names of the rhyme groups a character belongs to, in the order of the book; empty if unknown.

        A simplified character has the readings of all the traditional ones it stands for in the corpus.

        Args:
            char: one character, simplified or traditional.
            strict: only readings that nobody disputes: of the traditional character it usually stands for, and where
                平水韵 and 广韵 both have that one, what both have; in the books of today, of characters that have but
                one. To write by, so that readers with other tables find no fault; the judge is not strict.
        """
        return (self._table.sure if strict else self._table.every).get(char, ())

    def tone(self, char: str, strict: bool = False) -> str:
        """The tone of a character: 平, 仄, 中 (it may be read either) or ？ (unknown); ``strict`` as in `readings`.

        A reading that hardly any poem relies on gives no tone: 空 is 平, though the rhyme book has it in 一送 too.
        """
        return (self._table.sure_tones if strict else self._table.tones).get(char, UNKNOWN)

    def read(self, line: str) -> tuple[Heard, ...]:
        """How each character of a line is to be read: as its word says, if the book lets words decide."""
        decided = self._decided(line) if self.words_decide else {}
        return tuple(self._hear(char, decided.get(i), i == len(line) - 1) for i, char in enumerate(line))

    def _hear(self, char: str, decided: set[str] | None, last: bool) -> Heard:
        groups = tuple(name for name in self.readings(char) if not decided or name in decided)
        if decided and groups:
            tones = {LEVEL if self.groups[name].level else OBLIQUE for name in groups}
            return Heard(char, groups, EITHER if len(tones) == 2 else tones.pop())
        tone = EITHER if last and char in self._table.level_at_end else self.tone(char)
        return Heard(char, self.readings(char), tone)

    def _decided(self, line: str) -> dict[int, set[str]]:
        """What the words in a line say of its characters; the longer word counts, and none that a caesura cuts."""
        found: dict[int, tuple[int, set[str]]] = {}
        caesura = len(line) - 3 if len(line) in (5, 7) else 0
        for length, start in product((3, 2), range(len(line))):
            word = line[start : start + length]
            if len(word) == length and not start < caesura < start + length:
                for place, reading in self._words.get(word, {}).items():
                    longest, said = found.setdefault(start + place, (length, set()))
                    if length == longest:
                        said.add(reading)
        return {place: said for place, (_, said) in found.items()}

    def usual(self, line: str) -> list[tuple[int, str, str]]:
        """Where a word in the line has a character that poets read in one of its two tones there.

        Each as the place of the character from 1, the word, and the tone. Empty for a book whose words decide.
        """
        found = []
        caesura = len(line) - 3 if len(line) in (5, 7) else 0
        for start in range(0 if self.words_decide else len(line) - 1):
            word = line[start : start + 2]
            if start + 1 != caesura:
                found += [(start + place + 1, word, tone) for place, tone in self._words.get(word, {}).items()]
        return found

    def is_of_today(self, char: str) -> bool:
        """Whether the book itself lacks the character, and has it by today's reading alone: 她, 们."""
        return char in self._table.today

    def is_several(self, char: str) -> bool:
        """Whether it stands for several characters of traditional script: 干 for 乾 and 干."""
        return char in self._table.several

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


_SIMPLIFIED = str.maketrans("東鍾魚虞齊眞刪蕭陽鹽聲個韻詞華韵", "东钟鱼虞齐真删萧阳盐声箇韵词华韵")

# 王力《汉语诗律学》 section 5.
_NEIGHBOURS = (
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
)

#: 平水韵, 106 groups: what the Tang wrote by.
PINGSHUI = RhymeBook("平水韵", "pingshui.tsv", "pingshui_words.tsv", words_decide=False, neighbours=_NEIGHBOURS)

#: The books by name.
RHYME_BOOKS: dict[str, RhymeBook] = {
    book.name: book
    for book in (
        PINGSHUI,
        RhymeBook("词林正韵", "cilin.tsv", "pingshui_words.tsv", words_decide=False),
        RhymeBook("中华通韵", "tongyun.tsv", "tongyun_words.tsv"),
        RhymeBook("中华新韵", "xinyun.tsv", "xinyun_words.tsv"),
    )
}


def get_book(name: str) -> RhymeBook:
    """The book of this name, also by its short one (``通韵``) and in traditional script.

    Raises:
        Fault: there is none; the message lists those there are.
    """
    wanted = text_of(name, "rhyme_book").strip().translate(_SIMPLIFIED)
    for known, book in RHYME_BOOKS.items():
        if wanted in (known, known.removesuffix("韵"), known.removeprefix("中华"), known.removesuffix("正韵")):
            return book
    raise Fault("one_of", name="rhyme_book", known=list(RHYME_BOOKS))
