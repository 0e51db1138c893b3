"""What can be done with a poem that stands: other characters for a place, the rest anew, what is known of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from page_answers import told
from page_cells import poet_of
from page_endpoint import (
    ASKED,
    AVOID,
    BOOK,
    CELL,
    FIXED,
    FORM,
    INCLUDE,
    POET,
    REGULATED,
    RHYME,
    SEED,
    TEMPERATURE,
    TOPIC,
    endpoint,
    options_of,
)

from tang_rnn.verse import check, get_book, split_lines
from tang_rnn.writing.draft import Draft, read_draft
from tang_rnn.writing.lines import Line
from tang_rnn.writing.poem import Poem
from tang_rnn.writing.request import HAND, REQUIRED, Option
from tang_rnn.writing.script import to_traditional

TEXT = Option("text", str, REQUIRED, "the poem as it stands, with its marks", longest=200)
TOLD = (
    replace(POET, help="the poet in whose manner it is written; empty: none"),
    replace(TOPIC, help="its title; empty: none"),
)
MOST = replace(HAND["most"], most=24)
SIDES = ("first", "second", "")


def _draft(cell: str, text: str, poet: str, title: str, rhyme_book: str) -> Draft:
    return read_draft(poet_of(cell).reader, text, poet, title, rhyme_book)


@endpoint(TEXT, HAND["line"], HAND["place"], CELL, MOST, HAND["characters"], *TOLD, BOOK)
def alternatives(text: str, line: int, place: int, cell: str, most: int, characters: int, **known: Any) -> dict:
    """What else could stand in a place of a poem, ours or any: characters (or words of two), likeliest poem first, by
    the likelihood of the whole poem with them in it. Each has the natural log probability of that poem, the rules of
    verse that it would break ("breaks") and those broken now that it would mend ("mends").
    """
    poet = poet_of(cell)
    draft = _draft(cell, text, **known)
    found = poet.alternatives(text, line, place, most, characters=characters, **known)
    before = Counter(fault.name for fault in draft.judge())
    begin = draft.offset(line, place)
    answers = []
    for each in found:
        mended = draft.put(line, place, each.text)
        after = Counter(fault.name for fault in mended.judge())
        answers.append(
            {
                "text": each.text,
                "traditional": to_traditional(mended.text)[begin : begin + characters],
                "log_prob": round(each.log_prob, 4),
                "breaks": [fault.to_dict() for fault in each.faults],
                "mends": sorted((before - after).elements()),
            }
        )
    return {"alternatives": answers}


@endpoint(
    TEXT,
    CELL,
    FIXED,
    Option("keep", str, "", "lines that stay word for word, from 1: 1 3", longest=200),
    replace(REGULATED, help="keep tonal pattern and rhyme of regulated verse, where the form has them"),
    RHYME,
    *TOLD,
    TEMPERATURE,
    SEED,
    BOOK,
    INCLUDE,
    AVOID,
)
def revise(text: str, cell: str, fixed: str, keep: str, regulated: bool, rhyme: str, **how: Any) -> dict:
    """The rest of a poem anew, so that it fits what stays: characters by place, and whole lines. Gives the poem as
    ``write`` does. What cannot be kept together is refused.
    """
    draft = _draft(cell, text, how["poet"], how["title"], how["rhyme_book"])
    options = options_of(draft.form, regulated, rhyme, **how)
    del options["form"]
    return told(poet_of(cell).revise(text, fixed=fixed, keep=keep, **options), cell)


@endpoint(TEXT, CELL, *TOLD, BOOK)
def appraise(text: str, cell: str, poet: str, title: str, rhyme_book: str) -> dict:
    """What can be said of a poem, ours or any: what ``write`` gives of one, with the natural log probability that the
    network gives it.
    """
    writer, draft = poet_of(cell), _draft(cell, text, poet, title, rhyme_book)
    log_prob, characters = writer.score(draft.text, draft.context)
    poem = Poem(
        text=draft.text,
        opening="",
        form=draft.form,
        cell=writer.cell,
        seed=None,
        log_prob=log_prob,
        characters=characters,
        poet=draft.poet,
        title=draft.title,
        rhyme_book=draft.book.name,
    )
    return told(poem, cell)


@endpoint(
    replace(TEXT, default="", help="the poem so far, with its marks; empty: from the first line on", longest=400),
    CELL,
    replace(HAND["count"], most=12),
    FORM,
    REGULATED,
    RHYME,
    *TOLD,
    TEMPERATURE,
    SEED,
    BOOK,
    *ASKED,
)
def next_lines(text: str, cell: str, count: int, **how: Any) -> dict:
    """Several next lines for a poem so far, to choose from: different from each other, under its form and rules. A last
    line that is unfinished is gone on with, where there is a form.
    """
    options = options_of(**how)
    return {"seed": options["seed"], "lines": _lines(poet_of(cell).next_lines(text, count=count, **options))}


@endpoint(
    Option("line", str, REQUIRED, "the line, of 4 to 11 characters, such as 细雨鱼儿出", longest=24),
    CELL,
    replace(HAND["count"], most=12),
    Option("side", str, "", "whether the answer comes first or second; empty: as its tones ask", choices=SIDES),
    *TOLD,
    TEMPERATURE,
    SEED,
    BOOK,
)
def answer(line: str, cell: str, count: int, side: str, seed: int | None, **how: Any) -> dict:
    """Lines that answer a line (对句, 对联): as long, tones opposed, words of a kind in the same places, best first.
    The answer to a line that ends in a level tone comes before it.
    """
    poet, first = poet_of(cell), {"first": True, "second": False}.get(side)
    seed, book = poet.new_seed() if seed is None else seed, get_book(how["rhyme_book"])
    found, given = poet.answer(line, count=count, first=first, seed=seed, **how), poet.reader.normalize(line)
    lines = _lines(found)
    for each, told_of in zip(found, lines):
        pair = (each.text, given) if each.first else (given, each.text)
        told_of["tones"] = ["".join(heard.tone for heard in book.read("".join(split_lines(text)))) for text in pair]
    return {"seed": seed, "lines": lines}


def _lines(lines: Sequence[Line]) -> list[dict]:
    return [line.to_dict() | {"traditional": to_traditional(line.text)} for line in lines]


@endpoint(TEXT, CELL, replace(HAND["most"], default=5, most=12), BOOK)
def suggest(text: str, cell: str, most: int, rhyme_book: str) -> dict:
    """What would mend each fault that the judge finds in a place of a poem: characters that keep the rules there and
    fit the line, best first.
    """
    judged = check(text, book=get_book(rhyme_book))
    return {"suggestions": [each.to_dict() for each in poet_of(cell).suggest(judged, most)]}
