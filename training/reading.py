"""Which of two settings writes better, by reading without knowing: ``python -m training.reading``.

``draw`` puts poems of two settings side by side on a page, pair by pair, in an order that only the key beside it knows;
whoever reads writes a, b or = behind each answer; ``count`` says who won, and how sure that is::

    python -m training.reading draw lstm gru --form 七绝 --pairs 24 --page runs/reading/cells.txt
    python -m training.reading draw lstm,candidates=1 lstm --page runs/reading/choice.txt
    python -m training.reading draw real lstm --page runs/reading/real.txt
    python -m training.reading count runs/reading/*.txt

A setting is a checkpoint with options of ``TangPoet.write``; a file of poems, such as ``tang-rnn write --json`` prints;
or ``real``, test poems of poets too minor for a token of their own. Poems of a pair begin with the same character.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from tang_rnn import TangPoet
from tang_rnn.files import written_whole

from .errors import UserError, ended
from .evaluate import OPENINGS
from .loading import load_corpus

Made = TypeVar("Made")

ANSWERS = {"a": 0, "b": 1, "=": None}


class ReadingError(UserError):
    """A wrong option, or a page of answers that is none."""


def options_of(text: str) -> dict:
    """``candidates=8,regulated=true`` as arguments: numbers and truth values as JSON has them, all else as it stands.

    Raises:
        ReadingError: a part without a name or a value.
    """
    found = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise ReadingError(f"{part!r} is no option: write it as name=value, such as candidates=8")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def real_poems(form: str, corpus: str, known: set[str]) -> list[str]:
    """Test poems of a form whose poets are not among those known."""
    rows = load_corpus(corpus)["test"].filter(lambda row: row["form"] == form and row["poet"] not in known)
    return list(rows["text"])


def poems_of_file(path: Path, form: str) -> list[str]:
    """The poems of a form in a file of JSON objects, one a line, with the keys text and form."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [row["text"] for row in rows if row.get("form", form) == form]
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ReadingError(f"{path} is no file of poems such as tang-rnn write --json prints") from None


def written(setting: str, form: str, openings: list[str], seed: int) -> list[str]:
    """A poem of a checkpoint on each opening, by seeds one after the other."""
    name, _, options = setting.partition(",")
    poet, asked = TangPoet.from_pretrained(name), {"regulated": True} | options_of(options)
    try:
        return [poet.write(opening, form=form, seed=seed + n, **asked).text for n, opening in enumerate(openings)]
    except TypeError as error:
        raise ReadingError(f"{setting}: {error}") from None


def pairs(settings: list[str], form: str, count: int, seed: int, corpus: str) -> list[tuple[str, str]]:
    """As many pairs of poems, one of each setting, that begin with the same character.

    Raises:
        ReadingError: poems that are given have too few in common.
    """
    given: dict[int, list[str]] = {}
    for place, setting in enumerate(settings):
        if setting == "real":
            given[place] = real_poems(form, corpus, set(TangPoet.from_pretrained().tokenizer.poets))
        elif Path(setting.partition(",")[0]).is_file():
            given[place] = poems_of_file(Path(setting), form)
    rng = random.Random(seed)
    for texts in given.values():
        rng.shuffle(texts)
    if len(given) == 2:
        found = [
            (one, other)
            for first in dict.fromkeys(text[0] for text in given[0])
            for one, other in zip(*([text for text in given[place] if text[0] == first] for place in (0, 1)))
        ]
    else:
        openings = [text[0] for texts in given.values() for text in texts][:count]
        openings = openings or [OPENINGS[number % len(OPENINGS)] for number in range(count)]
        columns = [
            given[place] if place in given else written(setting, form, openings, seed)
            for place, setting in enumerate(settings)
        ]
        found = list(zip(*columns))
    if len(found) < count:
        raise ReadingError(f"there are only {len(found)} pairs of {form} to read, not {count}")
    rng.shuffle(found)
    return found[:count]


def key_of(page: Path) -> Path:
    """Where the key of a page lies."""
    return page.with_suffix(".key.json")


def check_new(page: Path) -> None:
    """Makes sure that nobody's answers are written over.

    Raises:
        ReadingError: there is such a page, perhaps with answers.
    """
    if page.exists():
        raise ReadingError(f"{page} is there already, perhaps with answers; choose another name")


def read_answers(
    page: Path, grades: str, such: str, made: Callable[[dict, str], Made], error: type[UserError]
) -> Iterator[Made]:
    """What is made of each entry of a page's key and what a reader wrote for it behind ``grades 1:``.

    Args:
        grades: what may be written, as a regular expression with ``%d`` for the number of the entry's lines.
        such: an example of it.
        error: what is raised where a page has no key, or grades are missing or malformed.
    """
    try:
        entries, text = json.loads(key_of(page).read_text(encoding="utf-8")), page.read_text(encoding="utf-8")
        answers = dict(re.findall(r"^grades (\d+):[ \t]*(.*?)[ \t]*$", text, re.MULTILINE))
        for number, entry in enumerate(entries, 1):
            answer = answers.get(str(number), "")
            if not re.fullmatch(grades % len(entry["lines"]), answer):
                raise error(f"{page}: grades {number} are {answer or 'missing'}; write such as {such}")
            yield made(entry, answer)
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        raise error(f"{page} cannot be read: {wrong}") from None


def lay_out(page: Path, text: str, key: object) -> None:
    """Writes a page, and its key beside it."""
    for path, content in ((page, text), (key_of(page), json.dumps(key, ensure_ascii=False))):
        with written_whole(path) as whole:
            whole.write_text(content, encoding="utf-8")


def write_page(page: Path, settings: list[str], found: list[tuple[str, str]], seed: int) -> None:
    """Writes a page to read and its key: for each pair which setting is a.

    Raises:
        ReadingError: there is such a page, perhaps with answers.
    """
    check_new(page)
    rng = random.Random(f"order {seed}")
    firsts = [rng.randrange(2) for _ in found]
    parts = ["Which of the two poems is the better one? Write a or b behind the answer, or = for neither.\n"]
    for number, (pair, first) in enumerate(zip(found, firsts), 1):
        shown = [pair[first], pair[1 - first]]
        poems = "\n".join(f"{name}\n{text.replace('。', '。' + chr(10))}" for name, text in zip("ab", shown))
        parts.append(f"{number}\n\n{poems}\nanswer {number}: \n")
    lay_out(page, "\n".join(parts), {"settings": settings, "firsts": firsts})


def read_page(page: Path) -> tuple[tuple[str, str], Counter]:
    """The two settings, and how often each won (0, 1) or neither (None), by a page's answers.

    Raises:
        ReadingError: a page without its key, or with an answer missing or another than a, b or =.
    """
    try:
        key, text = json.loads(key_of(page).read_text(encoding="utf-8")), page.read_text(encoding="utf-8")
        one, other = key["settings"]
        firsts = key["firsts"]
    except (OSError, ValueError, KeyError) as error:
        raise ReadingError(f"{page} cannot be counted: {error}") from None
    answers = dict(re.findall(r"^answer (\d+):[ \t]*(\S*)[ \t]*$", text, re.MULTILINE))
    result: Counter = Counter()
    for number, first in enumerate(firsts, 1):
        answer = answers.get(str(number), "").lower()
        if answer not in ANSWERS:
            raise ReadingError(f"{page}: answer {number} is {answer or 'missing'}; write a, b or =")
        won = ANSWERS[answer]
        result[None if won is None else first ^ won] += 1
    return (one, other), result


def wilson(wins: int, losses: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): the true share of wins among pairs that are decided."""
    n = wins + losses
    if not n:
        return 0.0, 1.0
    share, spread = wins / n, z * math.sqrt(wins * losses / n + z * z / 4) / n
    middle, width = share + z * z / (2 * n), 1 + z * z / n
    return (middle - spread) / width, (middle + spread) / width


def report(pages: list[Path]) -> Iterator[str]:
    """A line for each two settings that were read against each other."""
    totals: dict[tuple[str, str], Counter] = {}
    for page in pages:
        settings, result = read_page(page)
        totals.setdefault(settings, Counter()).update(result)
    for (one, other), result in totals.items():
        wins, losses, ties = result[0], result[1], result[None]
        low, high = wilson(wins, losses)
        yield (
            f"{one} beside {other}: {wins} won, {losses} lost, {ties} even; of the decided "
            f"{100 * wins / max(1, wins + losses):.0f} % won [{100 * low:.0f}, {100 * high:.0f}]"
        )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="training.reading", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    draw = commands.add_parser("draw", help="make a page of pairs")
    draw.add_argument(
        "settings", nargs=2, metavar="SETTING", help="checkpoint[,option=value…], a file of poems, or real"
    )
    draw.add_argument("--form", default="七绝", help="of the poems (default: 七绝)")
    draw.add_argument("--pairs", type=int, default=20, help="on the page (default: 20)")
    draw.add_argument("--seed", type=int, default=0, help="of the first poem, and of the order")
    draw.add_argument("--page", type=Path, required=True, help="the file to write")
    draw.add_argument("--corpus", default="training/corpus", help="folder or Hub id of the dataset, for real poems")
    count = commands.add_parser("count", help="count the answers")
    count.add_argument("pages", nargs="+", type=Path, metavar="PAGE")
    arguments = parser.parse_args(argv)
    return ended("training.reading", lambda: count_or_draw(arguments), also=(OSError,))


def count_or_draw(arguments: argparse.Namespace) -> None:
    if arguments.command == "count":
        print("\n".join(report(arguments.pages)))
        return
    if arguments.pairs < 1:
        raise ReadingError("--pairs must be 1 or more")
    found = pairs(arguments.settings, arguments.form, arguments.pairs, arguments.seed, arguments.corpus)
    write_page(arguments.page, arguments.settings, found, arguments.seed)
    print(f"{arguments.page}: {len(found)} pairs; then python -m training.reading count {arguments.page}")


if __name__ == "__main__":
    sys.exit(main())
