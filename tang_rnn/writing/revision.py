"""The rest anew: what is asked where part of a poem stays and the rest is to be written again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile

from ..faults import RuleConflict
from ..rules import Rules
from ..rules.given import given_characters
from ..verse import FORMS, check, split_lines
from .draft import Draft
from .reading import NO_REPEAT, Reader, Request

Characters = Mapping[tuple[int, int], str]  # by line and place, from 1
TRIES = 4  # seeds that are tried where the old lines cannot be avoided


def revision(
    reader: Reader, draft: Draft, fixed: Characters, keep: Iterable[int], changes: Mapping, seed: int
) -> tuple[Request, Rules]:
    """What is asked of the new poem: the rules of the old one, and what stays of it; and these rules alone, which are
    asked of the next.

    Args:
        fixed: characters that are to stand in places; they may differ from the old ones.
        keep: lines that stay word for word, from 1.
        changes: rules that are others now, by name.

    Raises:
        PoetError: there is no such line, or a character that is not Chinese.
        RuleConflict: what stays and the rules cannot be kept together, or nothing is left to be written.
    """
    rules = replace(asked(draft), **changes)
    lengths = [len(line) for line in draft.lines]
    places = {(line, place) for line, length in enumerate(lengths, 1) for place in range(1, length + 1)}
    stays = {}
    for line in keep:
        draft.offset(line, 1)
        stays |= {(line, place): char for place, char in enumerate(draft.lines[line - 1], 1)}
    for place, char in dict(fixed).items():
        draft.offset(*place)
        char = reader.readable(char, "fixed")
        if stays.setdefault(place, char) != char:
            at = {"line": place[0], "place": place[1]}
            raise RuleConflict("two_characters", **at, name="keep", char=stays[place], other="fixed", instead=char)
    if stays.keys() >= places:
        raise RuleConflict("nothing_to_write", form=draft.form)
    # What the old rules gave by place stays, but where something else is wanted now.
    given = given_characters(rules, lengths, draft.form, reader.vocabulary_by(draft.book))
    given = {(line + 1, place + 1): char for (line, place), char in given.items()} | stays
    opening = "".join(given[place] for place in takewhile(given.__contains__, sorted(places)))
    new = replace(rules, opening=opening, acrostic="", acrostic_tail="", rhyme_words="", fixed=given)
    return reader.of_rules(new, draft.opening, draft.poet, draft.title, seed, draft.book), rules


def standing(draft: Draft, request: Request) -> list[str]:
    """The lines of the poem that stands, with the characters that a revision of it puts into it."""
    given = dict(request.rules.fixed)
    return [
        "".join(given.get((number, place), char) for place, char in enumerate(line, 1))
        for number, line in enumerate(draft.lines, 1)
    ]


def anew(reader: Reader, draft: Draft, request: Request) -> Iterator[Request]:
    """A revision in several ways, of which the first that does not give the poem that stands is the one to take.

    The best of many candidates is often the old poem again. So its lines, those that may be others, are at first words
    to be avoided. Where that cannot be, because one of them is all that the rules leave, it is left to other seeds.
    """
    rules, lines = request.rules, standing(draft, request)
    given = dict(rules.fixed)
    stay = [all((n, place) in given for place in range(1, len(line) + 1)) for n, line in enumerate(lines, 1)]
    kept = [line for line, stays in zip(lines, stay) if stays]
    old = [line for line, stays in zip(lines, stay) if not stays and len(line) > 1]  # one character would go everywhere
    old = [line for line in old if not any(line in other for other in kept)]
    try:
        avoiding = replace(rules, avoid=(*rules.avoid, *old))
        opening, by, book = request.opening, (request.poet, request.title), request.book
        yield reader.of_rules(avoiding, opening, *by, request.seed, book)
    except RuleConflict:
        pass
    for number in range(TRIES):
        yield replace(request, seed=request.seed + number)


def asked(draft: Draft) -> Rules:
    """The rules of a poem: those it was written by, or those it keeps."""
    form, rules = FORMS[draft.form], draft.rules
    if rules is None:
        judged = check(draft.text, draft.form, draft.book)
        level = judged.rhyme_group in draft.book.level_groups
        rules = Rules(
            regulated=form.regulated and judged.ok and level,
            rhyme=level and not any(fault.name in ("出韵", "重韵") for fault in judged.violations),
            no_repeat=NO_REPEAT,
            distinct_ends=True,
        )
    lengths = {} if form.line_length else {"line_lengths": tuple(map(len, draft.lines))}
    count = None if form.num_lines or lengths else len(draft.lines)
    rhyme, opening = rules.rhyme or bool(rules.rhyme_words), "".join(split_lines(rules.opening))
    return replace(rules, form=draft.form, num_lines=count, rhyme=rhyme, opening=opening, **lengths)


__all__ = ["anew", "asked", "revision", "standing"]
