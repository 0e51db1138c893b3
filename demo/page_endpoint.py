"""What strangers may call: how an endpoint is made, and the options that they share.

Gradio does not hold a caller to the annotations, so each endpoint looks for itself.

A refused call answers with an ``error`` event; its data is ``{"error": sentence, "title": json, ...}``: the English
sentence, and a JSON object with the fault's ``key`` and ``fields`` (``title`` is the one field of Gradio's errors that
is free and that its clients hand on: ``AppError.title``). The sentence in another language is
``facts().words[language].faults[key]`` with the fields put in; fields called name, other or names are looked up in
``words[language].names`` first, lists are joined with a space, and a field may itself be such an object. A fault of our
own is logged with its traceback and answers ``{"error": null}``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from inspect import Signature, cleandoc, isasyncgenfunction
from typing import Any, get_type_hints

import gradio as gr
from page_answers import returns
from page_cells import NAMES

from tang_rnn import verse
from tang_rnn.faults import Fault
from tang_rnn.verse import FORMS
from tang_rnn.writing.reading import MAX_TITLE
from tang_rnn.writing.request import OPTIONS, Option


class Refusal(gr.Error):
    """A fault that is the caller's to mend: its English sentence, and as its title, for programs, key and fields."""

    def __init__(self, fault: Fault):
        fields = fault.to_dict()
        message = fields.pop("message")
        super().__init__(message, title=json.dumps(fields, ensure_ascii=False), print_exception=False)


@contextmanager
def refusing() -> Iterator[None]:
    """A user's fault becomes a refusal in its own words; any other error is ours, and logged with its traceback."""
    try:
        yield
    except Fault as fault:
        raise Refusal(fault) from None


ENDPOINTS: dict[str, tuple[Option, ...]] = {}  # what each takes, in order


def endpoint(*options: Option) -> Callable:
    """Makes an endpoint of a function that takes these options as keywords: they are its signature, and are checked."""

    def decorate(function: Callable) -> Callable:
        def values(arguments: tuple, keywords: dict) -> dict:
            given = dict(zip((option.name for option in options), arguments)) | keywords
            given = {name: value.strip() if isinstance(value, str) else value for name, value in given.items()}
            return {option.name: option.check(given.get(option.name)) for option in options}

        if isasyncgenfunction(function):

            async def call(*arguments, **keywords):
                with refusing():
                    async for value in function(**values(arguments, keywords)):
                        yield value
        else:

            def call(*arguments, **keywords):
                with refusing():
                    return function(**values(arguments, keywords))

        returned = get_type_hints(function)["return"]
        parameters = [option.parameter() for option in options]
        call.__name__, call.__module__ = function.__name__, function.__module__
        call.__doc__ = "\n".join(
            [
                cleandoc(function.__doc__),
                *("", "Args:", *(f"    {each.name}: {each.describe()}." for each in options)),
                *("", "Returns:", returns(function.__name__)),
            ]
        )
        call.__signature__ = Signature(parameters, return_annotation=returned)
        call.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": returned}
        ENDPOINTS[function.__name__] = options
        return call

    return decorate


def ours(name: str, **changes: Any) -> Option:
    """An option of writing as the page offers it."""
    return replace(OPTIONS[name], **changes)


CELL = Option("cell", str, "lstm", "the recurrent cell", choices=tuple(sorted(NAMES, key=lambda name: name != "lstm")))
# All but 排律, which must be told how many lines.
OFFERED = [name for name, form in FORMS.items() if form.num_lines or not form.regulated]
ANY_FORM = Option("form", str, "", "", choices=(*OFFERED, ""))
FORM = replace(
    ANY_FORM, default="五绝", help="五绝 七绝 are quatrains, 五律 七律 eight lines, 五古 七古 old style; empty: any"
)
REGULATED = ours(
    "regulated", default=True, help="keep tonal pattern and rhyme of regulated verse, where the form has them"
)
RHYME = ours(
    "rhyme", default="", longest=8, or_true=False, help="a level rhyme group of the book, such as 一东; empty: any"
)
BOOK = ours("rhyme_book", choices=tuple(verse.RHYME_BOOKS), help="the book that rules tones and rhyme")
POET, TOPIC = ours("poet", longest=8), ours("title", longest=MAX_TITLE)
TEMPERATURE = ours("temperature", least=0.1, above=None, most=2.0)
SEED = ours("seed", most=2**31 - 1)
OPENING = ours("opening", longest=16)  # a couplet of seven with its marks
HOW = (FORM, REGULATED, RHYME, POET, TOPIC, TEMPERATURE, SEED, BOOK)
FIXED = Option(
    "fixed", str, "", "characters that are to stand in places, by line and place: 2:3=月 3:1=山", longest=1200
)
# What must stand in a poem, or must not; texts here, since callers of Gradio have no lists of their own.
INCLUDE = Option("include", str, "", "words that must occur, with spaces between, such as 琵琶", longest=40)
AVOID = Option("avoid", str, "", "characters that must not occur, or, with spaces between, words", longest=80)
ASKED = (replace(FIXED, longest=200), INCLUDE, ours("rhyme_words", longest=16), AVOID)


def options_of(form: str, regulated: bool, rhyme: str, seed: int | None, **others: Any) -> dict:
    """The options of ``TangPoet.write``; rules that a form cannot have are dropped."""
    even = form in FORMS and FORMS[form].line_length is not None
    return others | {
        "form": form or None,
        "regulated": regulated and even and FORMS[form].regulated,
        "rhyme": (rhyme or None) if even else None,
        "seed": new_seed() if seed is None else seed,
    }


def new_seed() -> int:
    """One that nobody has asked for, short enough to read out."""
    return random.SystemRandom().randrange(10**6)
