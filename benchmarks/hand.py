"""What a hand laid on a poem is worth: ``python -m benchmarks.hand [--revisions 500] [--include 500] [--lines 200]``.

- random revisions of regulated poems: whether what was to stay stands word for word, and the rules are kept;
- words that must occur: whether they do;
- lines that lead into a word that is fixed, beside lines written freely and beside rows that just come upon it: nats a
  character of the fixed word, and of the two characters before and behind it within the line;
- alternatives of a 七律: their time, and how many of the best twelve are found of those that a whole reading finds.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from random import Random

from tang_rnn import RuleConflict, TangPoet
from tang_rnn.inspection import inspect
from tang_rnn.verse.usage import word_places
from tang_rnn.writing import alternatives, particles
from tang_rnn.writing.poem import Poem
from tang_rnn.writing.request import checked
from tang_rnn.writing.sampling import Sampling

FORMS = ("五绝", "七绝", "五律", "七律")
RARE = (
    "琵琶",
    "鹦鹉",
    "珊瑚",
    "葡萄",
    "蟋蟀",
    "骆驼",
    "蜻蜓",
    "芙蓉",
)  # words that a small model hardly writes by itself
AROUND = 2  # characters on each side of a fixed word that are looked at


def revisions(poet: TangPoet, count: int, seed: int, candidates: int | None) -> dict:
    """Random revisions, each of the poem that the last one left: of how many what is to be kept was kept."""
    chance, poems, found = Random(seed), {}, Counter()
    for number in range(count):
        form = FORMS[number % len(FORMS)]
        poem = poems.get(form) or poet.write("", form=form, regulated=True, seed=seed + number, candidates=candidates)
        lines, length = len(poem.lines), len(poem.lines[0])
        keep = chance.sample(range(1, lines + 1), chance.randrange(lines // 2 + 1))
        others = [line for line in range(1, lines + 1) if line not in keep]
        places = {(chance.choice(others), chance.randrange(1, length + 1)) for _ in range(chance.randrange(4))}
        fixed = {(line, place): poem.lines[line - 1][place - 1] for line, place in places}
        if places and chance.random() < 0.5:  # another character, one that the alternatives offer
            line, place = min(places)
            fixed[line, place] = chance.choice(poet.alternatives(poem, line, place)).text
        try:
            new = poet.revise(poem, keep=keep, fixed=fixed, seed=seed + number, candidates=candidates)
        except RuleConflict as conflict:
            found[f"conflict {conflict.key}"] += 1
            continue
        found["revised"] += 1
        found["stays"] += all(new.lines[line - 1] == poem.lines[line - 1] for line in keep) and all(
            new.lines[line - 1][place - 1] == char for (line, place), char in fixed.items()
        )
        found["clean"] += new.prosody.ok
        found["other"] += new.text != poem.text
        poems[form] = None if number % 16 > 11 else new
    return dict(found)


def included(poet: TangPoet, count: int, seed: int, candidates: int | None) -> dict:
    """Poems that must have words: in how many they are, whole within a line, and the rules kept."""
    chance, found = Random(seed), Counter()
    free = [poet.write("", form=form, seed=seed, count=10) for form in FORMS]
    known = sorted({word for poems in free for poem in poems for _, _, word in _words(poem)})
    for number in range(count):
        form = FORMS[number % len(FORMS)]
        words = [chance.choice(RARE if number % 3 == 0 else known)]
        if number % 5 == 0:
            words.append(chance.choice(known))
        try:
            poem = poet.write(form=form, include=words, regulated=True, seed=seed + number, candidates=candidates)
        except RuleConflict as conflict:
            found[f"conflict {conflict.key}"] += 1
            continue
        found["written"] += 1
        found["have them"] += all(any(word in line for line in poem.lines) for word in words)
        found["clean"] += poem.prosody.ok
    return dict(found)


def _words(poem: Poem) -> Iterator[tuple[int, int, str]]:
    """Line and place, both from 1, of what may be words, and these."""
    for line, text in enumerate(poem.lines, 1):
        for first, last in word_places(len(text)):
            yield line, first + 1, text[first : last + 1]


def _nats(poet: TangPoet, poem: Poem, line: int, place: int) -> tuple[float, float]:
    """Of a word of two characters, and of the characters around it in its line: nats a character."""
    context, *_ = poet.reader.context(poem.form, poem.poet, poem.title)
    length = len(poem.lines[0])
    start = (line - 1) * (length + 1)
    nats = [-math.log(each.probability) for each in inspect(poet, poem.text, context).characters][start:][:length]
    before, word, behind = nats[max(place - 1 - AROUND, 0) : place - 1], nats[place - 1 : place + 1], nats[place + 1 :]
    around = before + behind[:AROUND]
    return sum(word) / 2, sum(around) / len(around)


def likelihood(poet: TangPoet, count: int, seed: int, candidates: int | None) -> dict:
    """Nats a character in and around words in their places: written freely, led into, come upon."""
    chance = Random(seed)
    found: dict[str, list[tuple[float, float]]] = {"free": [], "led into": [], "come upon": []}
    for number in range(count):
        form = FORMS[number % len(FORMS)]
        poem = poet.write("", form=form, seed=2 * number + seed, candidates=candidates)
        line, place, word = chance.choice([found for found in _words(poem) if found[0] > 1])
        found["free"].append(_nats(poet, poem, line, place))
        fixed = {(line, place): word[0], (line, place + 1): word[1]}
        rows, branches = particles.ROWS, particles.BRANCHES
        for name, size in (("led into", (rows, branches)), ("come upon", (1, 1))):
            request = poet.reader.request("", checked({"form": form, "fixed": fixed}), 2 * number + seed + 1)
            (prompt,), constraint = poet.prompts([request]), poet.constraint([request])
            search = particles.Particles(
                poet.recurrence, constraint, prompt, request.seed, Sampling(), rows=size[0], branches=size[1]
            )
            (row,) = search.finish()
            found[name].append(_nats(poet, poet.poem(request, row), line, place))
    return {name: [round(statistics.mean(side), 3) for side in zip(*values)] for name, values in found.items()}


def others(poet: TangPoet, count: int, seed: int, candidates: int | None) -> dict:
    """Milliseconds for twelve alternatives in a 七律, and of the best twelve by a whole reading the part found."""
    chance, times, shared = Random(seed), {1: [], 2: []}, {1: [], 2: []}
    narrow, wide = alternatives.NARROW, dict.fromkeys(times, (400, 40, 40, 40, 40))  # all go on to the end
    for number in range(count):
        poem = poet.write("", form="七律", regulated=True, seed=seed + number, candidates=candidates)
        for size, values in times.items():
            place = chance.randrange(1, 9), chance.randrange(1, 9 - size)
            poet.alternatives(poem, *place, characters=size)
            begin = time.perf_counter()
            found = poet.alternatives(poem, *place, characters=size)
            values.append(1000 * (time.perf_counter() - begin))
            alternatives.NARROW = wide
            whole = poet.alternatives(poem, *place, characters=size)
            alternatives.NARROW = narrow
            shared[size].append(len({one.text for one in found} & {one.text for one in whole}) / len(whole))
    return {
        "milliseconds": {size: round(statistics.median(values)) for size, values in times.items()},
        "found": {size: round(statistics.mean(values), 3) for size, values in shared.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a hand laid on a poem is worth.")
    for name, count in (("alternatives", 6), ("lines", 200), ("include", 500), ("revisions", 500)):
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help="0: not at all")
    parser.add_argument("--cell", default="lstm")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--candidates", type=int, metavar="N", help="of poems and revisions; default: as always")
    arguments = parser.parse_args()
    poet = TangPoet.from_pretrained(arguments.cell)
    for name, told, measure in (
        ("alternatives", "alternatives of a 七律", others),
        ("lines", "nats a character, of the word and around it", likelihood),
        ("include", "words that must occur", included),
        ("revisions", "revisions", revisions),
    ):
        if count := getattr(arguments, name):
            found = measure(poet, count, arguments.seed, arguments.candidates)
            print(json.dumps({told: found}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
