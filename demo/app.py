"""The page: writes, compares, hides names in, checks and looks inside poems; the same for programs by API and MCP.

    python demo/app.py            # GRADIO_SERVER_NAME and GRADIO_SERVER_PORT as in any Gradio app

Gradio serves and queues; the page itself is one ``gr.HTML`` whose template, style and scripts lie in ``static/``. It
calls the endpoints below exactly as any other program does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parent
if str(DEMO) not in sys.path:  # loaded by another program
    sys.path.insert(0, str(DEMO))
if not find_spec("tang_rnn"):  # run from a checkout that is not installed
    sys.path.insert(0, str(DEMO.parent))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr  # noqa: E402
import torch  # noqa: E402
from gradio.state_holder import SessionState, StateHolder  # noqa: E402
from page_cells import NAMES, OWN_CELLS, poet_of, seal_of  # noqa: E402
from page_endpoint import (  # noqa: E402
    ANY_FORM,
    ASKED,
    BOOK,
    CELL,
    ENDPOINTS,
    FORM,
    HOW,
    OPENING,
    POET,
    TOPIC,
    Refusal,
    endpoint,
    options_of,
)
from page_guard import Guard, headed  # noqa: E402
from page_hand import alternatives, answer, appraise, next_lines, revise, suggest  # noqa: E402
from page_server import STATIC, TITLE, Anywhere, routes  # noqa: E402
from page_turns import CALLER, take_turns  # noqa: E402
from page_writer import Writer  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

import tang_rnn  # noqa: E402
from tang_rnn import verse  # noqa: E402
from tang_rnn.faults import Fault  # noqa: E402
from tang_rnn.inspection import inspect as look_inside  # noqa: E402
from tang_rnn.poet import PRETRAINED  # noqa: E402
from tang_rnn.verse import FORMS, split_lines  # noqa: E402
from tang_rnn.words import languages  # noqa: E402
from tang_rnn.writing.reading import form_of_lines  # noqa: E402
from tang_rnn.writing.request import REQUIRED, Option  # noqa: E402
from tang_rnn.writing.script import prose_to_traditional, to_traditional  # noqa: E402

LONGEST_ACROSTIC = 16
WAITING = 80  # calls in the queue before newcomers are told to come back: some ten seconds on two cores
TOGETHER = 64  # poems that are written or wait for their writer's turn
AT_ONCE = 2  # other calls that compute, of all endpoints together


WRITER = Writer()  # the same for all who ask


@endpoint(OPENING, CELL, *HOW, *ASKED)
async def write(opening: str, cell: str, **how) -> AsyncIterator[dict]:
    """Write a classical Chinese poem in the manner of the Tang with a small recurrent network. It streams
    line by line: values, or progress, with the text so far. The last value is the whole poem with its form, seed, log
    probability, tonal pattern and rhyme group. The same arguments and seed give the same poem.
    """
    loop, texts, caller = asyncio.get_running_loop(), asyncio.Queue(), CALLER.get()

    def tell(text: str | None) -> None:
        loop.call_soon_threadsafe(texts.put_nowait, text)

    call = WRITER.ask(cell, opening, tell, caller, **options_of(**how))
    call.add_done_callback(lambda _: tell(None))
    try:
        while (text := await texts.get()) is not None:
            yield {"text": text, "done": False}
        yield call.result()
    finally:
        call.cancel()  # whoever has gone away is not written for


@endpoint(OPENING, *HOW)
def compare(opening: str, **how) -> dict:
    """Let all cells, RNN, LSTM and GRU, write from the same opening and seed. Gives for each its poem, the
    natural log probability per character that each of the models gives what follows the opening, milliseconds
    per character, and its number of parameters.
    """
    options = options_of(**how)
    calls = {cell: WRITER.ask(cell, opening, None, CALLER.get(), timed=True, **options) for cell in NAMES}
    poems = [calls[cell].result() for cell in NAMES]
    for poem in poems:
        context, *_ = poet_of(poem["cell"]).reader.context(options["form"], poem["poet"], poem["title"])
        given = len(poem["text"]) + 1 - poem["characters"]  # the opening, which nobody wrote; the one more is the end
        poem["judged_by"] = {}
        for other in NAMES:
            log_prob, characters = poet_of(other).score(poem["text"], context, skip=given)
            poem["judged_by"][other] = round(log_prob / characters, 4)
        poem["parameters"] = facts()["cells"][poem["cell"]]["parameters"]
    return {"seed": options["seed"], "poems": poems}


@endpoint(
    Option("phrase", str, REQUIRED, "the name or phrase to hide, a character a line, such as 春夏秋冬", longest=64),
    CELL,
    Option("line_length", int, 7, "characters in a line", choices=(5, 7)),
    Option("tail", bool, False, "hide the phrase in the last characters of the lines (藏尾) instead of the first"),
    *(option for option in HOW if option not in (FORM, TOPIC)),
)
def acrostic(phrase: str, cell: str, line_length: int, tail: bool, **how) -> dict:
    """Write a Chinese acrostic (藏头诗): a poem whose lines begin, or end, with the characters of a name or phrase. Up
    to 4 characters make a quatrain, up to 8 a poem of eight lines, at most 16 an old-style poem.
    """
    hidden = "".join(split_lines(phrase))
    if len(hidden) > LONGEST_ACROSTIC:
        raise Fault("too_long", name="phrase", count=len(hidden), most=LONGEST_ACROSTIC)
    if not hidden:
        raise Fault("nothing_to_hide")
    form, num_lines = form_of_lines(len(hidden), line_length)
    options = options_of(form, **how) | {"acrostic_tail" if tail else "acrostic": hidden, "num_lines": num_lines}
    return WRITER.ask(cell, "", None, CALLER.get(), **options).result() | {"phrase": hidden, "tail": tail}


@endpoint(
    Option("text", str, REQUIRED, "the poem as it was pasted, in either script, with or without marks", longest=2000),
    replace(ANY_FORM, help="the form to judge it by; empty: the one its lines make"),
    BOOK,
)
def check(text: str, form: str, rhyme_book: str) -> dict:
    """Judge any Chinese poem by the rules of regulated verse: its form, tonal pattern, rhyme group, the tone of every
    character (平 level, 仄 oblique, 中 either), every fault with its line and position, notes apart from faults, and
    what was set aside of the text (title, author, notes). Of several poems the first; the rest are in "others".
    """
    first, *others = verse.check_all(text, form or None, verse.get_book(rhyme_book))
    return first.to_dict() | {"others": [each.to_dict() for each in others]}


UNITS = 48  # rows of a heat map


@endpoint(
    Option("text", str, REQUIRED, "the poem, with its marks", longest=160),
    CELL,
    replace(ANY_FORM, help="the form it is told beforehand; empty: none"),
    replace(POET, help="the poet it is told beforehand; empty: none"),
    replace(TOPIC, help="the title it is told beforehand; empty: none"),
)
def inside(text: str, cell: str, form: str, poet: str, title: str) -> dict:
    """Look inside a recurrent network as it reads a poem: how probable each character was, the five likeliest instead
    of it, the gates and states of 48 of its units from slow to fast, and how many characters a memory lasts.
    """
    poet_reading = poet_of(cell)
    context, *_ = poet_reading.reader.context(form, poet, title)
    reading = look_inside(poet_reading, text, context)
    # Slow units first: those whose forget or update gate stays open, or, without gates, whose state changes least.
    keep = reading.gates.get("forget", reading.gates.get("update"))
    last = reading.states["h"][-1]  # (T, H), of the last layer
    slowness = keep[-1].mean(0) if keep is not None else -last.diff(dim=0).abs().mean(0)
    order = slowness.argsort(descending=True)
    units = order[torch.linspace(0, len(order) - 1, min(UNITS, len(order))).round().long()]

    def rows(values: torch.Tensor) -> list[list[int]]:
        """In hundredths, a row for each unit."""
        return (values[-1][:, units].T * 100).round().clamp(-999, 999).int().tolist()

    return {
        "cell": cell,
        "text": reading.text,
        "characters": [
            {"text": c.text, "probability": c.probability, "rank": c.rank, "alternatives": c.alternatives}
            for c in reading.characters
        ],
        "units": len(order),
        "gates": {name: rows(values) for name, values in reading.gates.items()},
        "gate_means": {name: round(float(values[-1].mean()), 3) for name, values in reading.gates.items()},
        "states": {name: rows(values) for name, values in reading.states.items()},
        "echo": [round(value, 4) for value in reading.echo],
        "half_life": reading.half_life and round(reading.half_life, 2),
    }


# ---------------------------------------------------------------------------------------------------------------------
# The page


def words() -> dict[str, dict[str, dict[str, str]]]:
    """What the page says, by language, section and key; the Chinese in traditional characters as well."""
    chinese = {
        name: dict(zip(said, map(prose_to_traditional, said.values()))) for name, said in languages()["zh"].items()
    }
    return languages() | {"zh-Hant": chinese}


@cache
def facts() -> dict:
    """What the page knows before it asks: names to choose from, sizes, how training went, for each endpoint its options
    in order with limits and defaults, the lines of forms that fix them, all words by language and section, and which
    names of verse are others in traditional characters.
    """
    cells = {}
    for cell in NAMES:
        weights = poet_of(cell).recurrence
        log, evaluation = (PRETRAINED / cell / f"{name}.json" for name in ("training_log", "evaluation"))
        cells[cell] = {
            "kind": weights.config.cell_type,
            "own": cell in OWN_CELLS,
            "parameters": weights.num_parameters,
            "hidden_size": weights.config.hidden_size,
            "layers": weights.config.num_hidden_layers,
            # not of one's own cell, which has read other poems
            "validation": json.loads(log.read_text("utf-8"))["validation"] if log.is_file() else [],
            "test_loss": json.loads(evaluation.read_text("utf-8"))["test"]["loss"] if evaluation.is_file() else None,
        }
    poets = list(dict.fromkeys(poet for cell in NAMES for poet in poet_of(cell).tokenizer.poets))
    books = {name: list(book.level_groups) for name, book in verse.RHYME_BOOKS.items()}
    names = [*poets, *FORMS, *books, *sum(books.values(), [])]
    return {
        "version": tang_rnn.__version__,
        "cells": cells,
        "poets": poets,
        "seals": {cell: seal_of(cell) for cell in NAMES},
        "books": books,
        "options": {name: [option.to_dict() for option in options] for name, options in ENDPOINTS.items()},
        "forms": {form.name: [form.num_lines, form.line_length] for form in FORMS.values() if form.num_lines},
        "words": words(),
        "traditional": {name: to_traditional(name) for name in names if to_traditional(name) != name},
    }


async def collected(values: AsyncIterator) -> list:
    """All that comes."""
    return [value async for value in values]


def poem_of_link(parameters: dict[str, str]) -> dict | None:
    """The poem that a link of Write asks for by its seed, as :func:`write` gives it."""
    if not parameters.get("seed", "").isdecimal():
        return None
    names = ("opening", "cell", "form", "rhyme", "rhyme_book", "poet", "title", "include", "rhyme_words", "avoid")
    given = {name: parameters[name] for name in names if name in parameters}
    try:
        given |= {"seed": int(parameters["seed"]), "regulated": parameters.get("regulated") != "0"}
        if "temperature" in parameters:
            given["temperature"] = float(parameters["temperature"])
        *_, poem = asyncio.run(collected(write(**given)))
    except (Refusal, ValueError):
        return None
    traditional = poem["traditional"] if parameters.get("script") == "t" else {}
    return poem | traditional


THEME = gr.themes.Base(
    primary_hue="red", neutral_hue="stone", font=["Tang", "Songti SC", "serif"], font_mono=["monospace"]
).set(
    body_background_fill="#f5f0e4",
    body_background_fill_dark="#191714",
    body_text_color="#231f1a",
    body_text_color_dark="#e8dfcd",
)
MOUNT = 'import(new URL("tang/page.js", document.baseURI)).then(page => page.mount(element, props.value))'


class NoSessions(StateHolder):
    """Gradio makes a copy of the page's settings for each session, and every call has one of its own; here nothing is
    kept of a visitor, and all share one.
    """

    def __getitem__(self, session_id: str) -> SessionState:
        return super().__getitem__("")


class Page(gr.Blocks):
    """Takes calls with fewer values than an endpoint has options: what is left out is as by default."""

    @property
    def state_holder(self) -> StateHolder:
        return self._state_holder

    @state_holder.setter
    def state_holder(self, holder: StateHolder) -> None:
        holder.__class__ = NoSessions  # Gradio makes it itself
        self._state_holder = holder

    def validate_inputs(self, block_fn, inputs: list) -> None:
        inputs += [None] * (len(block_fn.inputs) - len(inputs))


COMPUTING = (compare, acrostic, inside, alternatives, revise, appraise, next_lines, answer, suggest)


def build() -> gr.Blocks:
    """The app, ready to launch."""
    with Page(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(
            facts(),
            html_template=(STATIC / "page.html").read_text(encoding="utf-8"),
            js_on_load=MOUNT,
            apply_default_css=False,
            elem_id="tang",
        )
        gr.api(write, api_name="write", concurrency_id="poems", concurrency_limit=TOGETHER)
        for call in COMPUTING:
            gr.api(call, api_name=call.__name__, concurrency_id="models", concurrency_limit=AT_ONCE)
        gr.api(check, api_name="check")  # takes no time and so does not wait behind poems
    # api_open: calls go round no queue
    return take_turns(page.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE, api_open=False))


def launch(page: gr.Blocks | None = None, **kwargs) -> Any:
    """Launches the page; keyword arguments go to ``gr.Blocks.launch``."""
    serving = {"routes": routes(poem_of_link), "middleware": [Middleware(Anywhere), Middleware(Guard, names=ENDPOINTS)]}
    if find_spec("mcp"):
        from page_tools import Tools

        offered = {call: ENDPOINTS[call.__name__] for call in (write, check, *COMPUTING)}
        tools = Tools(TITLE, offered, AT_ONCE, WAITING)
        serving |= {"routes": serving["routes"] + tools.routes(), "lifespan": tools.lifespan}
    serving["lifespan"] = headed(serving.get("lifespan"))
    settings = {
        "app_kwargs": serving,
        "theme": THEME,
        "mcp_server": False,  # page_tools.py is it
        "footer_links": [],
        "share": False,
        "show_error": False,
        "ssr_mode": False,
        "max_file_size": "1kb",  # nothing here takes files
        "max_threads": TOGETHER + 2 * AT_ONCE,  # calls in Gradio's hand; of its own accord it takes no more than 40
    }
    if os.environ.get("SPACE_ID"):  # all that comes there comes through its proxy
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "*")
    torch.set_num_threads(1)  # one poem is too little work to share out; callers run side by side instead
    page = page or build()
    WRITER.begin()  # it takes as long as the page to be ready
    return page.launch(**settings | kwargs)


def main(host: str | None = None, port: int | None = None) -> None:
    """What ``tang-rnn demo`` does; without them Gradio reads GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    launch(server_name=host, server_port=port)


if __name__ == "__main__":
    main()
