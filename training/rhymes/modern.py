"""中华通韵 and 中华新韵: today's readings, put into groups by their finals.

Readings are those of 通用规范汉字字典 for the characters of the standard list (``standard.tsv``), and pypinyin's for
all others; pypinyin's words tell which of several readings a character has in a word. Readings of light tone (轻声) are
left aside where a character has another. 通韵: 中华通韵, 教育部, 2019; 新韵: 中华新韵(十四韵), 中华诗词学会, 2005.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import opencc
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT

from tang_rnn.verse import RhymeBook

STANDARD = Path(__file__).parent / "standard.tsv"

# For each book its groups in order, each with the finals that belong to it; -i is that of 知 and 资.
TONGYUN = """一啊:a ia ua|二喔:o uo io|三鹅:e ie üe ê|四衣:i -i|五乌:u|六迂:ü|七哀:ai uai|八欸:ei uei|九熬:ao iao
十欧:ou iou|十一安:an ian uan üan|十二恩:en in uen ün|十三昂:ang iang uang
十四英:eng ing ueng|十五雍:ong iong|十六儿:er"""
XINYUN = """一麻:a ia ua|二波:o e uo io|三皆:ie üe ê|四开:ai uai|五微:ei uei|六豪:ao iao|七尤:ou iou|八寒:an ian uan üan
九文:en in uen ün|十唐:ang iang uang|十一庚:eng ing ueng ong iong|十二齐:i er ü|十三支:-i|十四姑:u"""

LONGEST_WORD = 3
_MARKS = {"\u0304": 1, "\u0301": 2, "\u030c": 3, "\u0300": 4}
_INITIAL = re.compile(r"^(zh|ch|sh|[bpmfdtnlgkhjqxrzcs])?(.*)$")
_SHORT = {"iu": "iou", "ui": "uei", "un": "uen"}
_SANDHI = "一不七八"  # whose tone bends to the next one; only the tone of its own counts
_T2S, _S2T = opencc.OpenCC("t2s"), opencc.OpenCC("s2t")


@dataclass(frozen=True)
class Syllable:
    """A reading: ``zhao`` in tone 3; 5 is the light tone."""

    base: str
    number: int

    @classmethod
    def of(cls, pinyin: str) -> Syllable | None:
        """From pinyin with marks; None for what is no whole syllable, such as ``hm``."""
        parts = unicodedata.normalize("NFD", pinyin)
        number = next((_MARKS[mark] for mark in parts if mark in _MARKS), 5)
        base = unicodedata.normalize("NFC", "".join(mark for mark in parts if mark not in _MARKS))
        return cls(base, number) if re.search("[aeiouüê]", base) else None

    @property
    def tone(self) -> str:
        """平 (yinping, yangping), 仄 (shang, qu), or 中 for the light tone."""
        return "平平仄仄中"[self.number - 1]

    @property
    def final(self) -> str:
        """Its final without what spelling hides: ``you`` has iou, ``ju`` has ü, ``zhi`` has -i."""
        base = self.base
        if base[0] == "y":
            rest = base[1:]
            base = "ü" + rest[1:] if rest[0] == "u" else rest if rest[0] == "i" else "i" + rest
        elif base[0] == "w":
            base = "u" if base == "wu" else "u" + base[1:]
        initial, final = _INITIAL.match(base).groups()
        if final == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s"):
            return "-i"
        if initial and initial in "jqx" and final[0] == "u":
            return "ü" + final[1:]
        return _SHORT.get(final, final)


@cache
def standard_readings() -> dict[str, tuple[Syllable, ...]]:
    """The characters of the standard list in its order, with their readings."""
    rows = (row.split("\t") for row in STANDARD.read_text(encoding="utf-8").splitlines()[1:])
    return {char: syllables(readings.split()) for char, readings in rows}


def syllables(readings: list[str]) -> tuple[Syllable, ...]:
    """Readings, each once, without those of light tone where there are others."""
    found = dict.fromkeys(filter(None, map(Syllable.of, readings)))
    return tuple(s for s in found if s.number < 5) or tuple(found)


@cache
def pypinyin_readings(char: str) -> tuple[Syllable, ...]:
    return syllables(PINYIN_DICT.get(ord(char), "").split(","))


def plain_reading(char: str) -> Syllable | None:
    """The reading of a character that has but one, else None."""
    known = standard_readings().get(char) or pypinyin_readings(char)
    return known[0] if len(known) == 1 else None


def readings() -> dict[str, tuple[Syllable, ...]]:
    """Every character's readings, in both scripts."""
    found = dict(standard_readings())
    chars = [chr(code) for code in PINYIN_DICT if 0x3400 <= code <= 0x9FFF or code >= 0x20000]
    glyphs = Counter(map(_T2S.convert, chars))
    for char in chars:
        if char in found:
            continue
        plain, own = found.get(_T2S.convert(char)), pypinyin_readings(char)
        if plain is None:
            found[char] = own[:1]  # rare: what else dictionaries have of it would only excuse faults
        elif glyphs[_T2S.convert(char)] > 2:  # one of several glyphs: 髮 has but one of the readings of 发
            found[char] = tuple(s for s in plain if s in own) or plain
        else:
            found[char] = plain
    return {char: known for char, known in found.items() if known}


@cache
def phrases() -> dict[str, tuple[Syllable | None, ...]]:
    """pypinyin's words of up to three characters, each with one reading a character; None where it has light tone."""
    found = {}
    for word, pinyin in PHRASES_DICT.items():
        if 2 <= len(word) <= LONGEST_WORD and len(word) == len(pinyin):
            read = (Syllable.of(each[0]) for each in pinyin)
            found[word] = tuple(s if s and s.number < 5 and c not in _SANDHI else None for c, s in zip(word, read))
    return found


@cache
def attested() -> dict[str, set[Syllable]]:
    """For each character the readings that pypinyin gives it alone or in some word."""
    found = defaultdict(set)
    for word, read in phrases().items():
        for char, syllable in zip(word, read):
            if syllable:
                found[char].add(syllable)
    for code, pinyin in PINYIN_DICT.items():
        first = Syllable.of(pinyin.split(",")[0])
        if first and chr(code) not in _SANDHI:
            found[chr(code)].add(first)
    return found


def finals(book: str) -> dict[str, str]:
    """Group by final."""
    parts = (part.split(":") for part in book.replace("\n", "|").split("|"))
    return {final: name for name, members in parts for final in members.split()}


def build(book: str, usual: RhymeBook) -> tuple[list[tuple[str, str, str, str]], dict[tuple[str, int], list[str]]]:
    """A book's rows (section, group, surely, perhaps) and, by group and place, the words that decide a reading.

    Surely in a group is a character all of whose readings are, pypinyin's too. Two characters that look like a word but
    are none where poets have them side by side (里长 in 万里长) are no word: ``usual`` knows how poets read them.
    """
    group_of = finals(book)
    members: dict[tuple[str, str], tuple[list[str], list[str]]] = {
        (section, name): ([], []) for section in ("平声", "仄声") for name in dict.fromkeys(group_of.values())
    }
    tones: dict[str, list[str]] = {"平": [], "仄": []}
    places: dict[str, dict[Syllable, tuple[str, str]]] = {}
    for char, known in readings().items():
        where = {s: (s.tone + "声", group_of[s.final]) for s in known if s.final in group_of and s.tone != "中"}
        places[char] = where
        others = {(s.tone + "声", group_of.get(s.final)) for s in attested().get(char, ())}
        every = set(where.values()) | others
        if not where:
            continue
        sure = len(every) == 1
        for place in dict.fromkeys(where.values()):
            members[place][0 if sure else 1].append(char)
        if not sure and len({section for section, _ in every}) == 1:
            tones[next(iter(every))[0][0]].append(char)
    rows = [(tone, "", "".join(sorted(chars)), "") for tone, chars in tones.items()]
    rows += [
        (section, name + ("仄声" if section == "仄声" else ""), "".join(sorted(sure)), "".join(sorted(perhaps)))
        for (section, name), (sure, perhaps) in members.items()
    ]
    return rows, deciding_words(places, usual)


def deciding_words(
    places: dict[str, dict[Syllable, tuple[str, str]]], usual: RhymeBook
) -> dict[tuple[str, int], list[str]]:
    """Words that say which of several groups a character is in, by that group and its place in the word, from 1."""
    decided: dict[str, dict[int, tuple[str, str]]] = {}
    for word in sorted(phrases(), key=len):
        here, poets = {}, {place - 1: tone for place, part, tone in usual.usual(word) if part == word}
        for index, (char, syllable) in enumerate(zip(word, phrases()[word])):
            where = places.get(char, {})
            if syllable in where and len(set(where.values())) > 1 and poets.get(index) in (None, syllable.tone):
                here[index] = where[syllable]
        for index, place in list(here.items()):  # what a shorter word says already
            inner = [(start, word[start : start + 2]) for start in (index - 1, index) if len(word) > 2 and start >= 0]
            said = [decided[part].get(index - start) for start, part in inner if part in decided]
            if said and set(said) == {place}:
                del here[index]
        if here:
            decided[word] = here
    words = defaultdict(set)
    for word, here in decided.items():
        for index, (section, name) in here.items():
            key = name + ("仄声" if section == "仄声" else ""), index + 1
            words[key] |= {word, _S2T.convert(word)}
    return {key: sorted(found) for key, found in sorted(words.items())}


__all__ = ["TONGYUN", "XINYUN", "Syllable", "build", "plain_reading", "standard_readings"]
