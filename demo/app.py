"""The page: writes, compares, hides names in, checks and looks inside poems; the same for programs by API and MCP.

    python demo/app.py            # GRADIO_SERVER_NAME and GRADIO_SERVER_PORT as in any Gradio app

Gradio serves and queues; the page itself is one ``gr.HTML`` whose template, style and scripts lie in ``static/``. It
calls the endpoints below exactly as any other program does.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

DEMO = Path(__file__).resolve().parent
if str(DEMO) not in sys.path:  # loaded by another program
    sys.path.insert(0, str(DEMO))
if not find_spec("tang_rnn"):  # run from a checkout that is not installed
    sys.path.insert(0, str(DEMO.parent))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr  # noqa: E402
import torch  # noqa: E402
from page_card import SEALS  # noqa: E402
from page_server import STATIC, TITLE, Anywhere, routes  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402

import tang_rnn  # noqa: E402
from tang_rnn import TangPoet, verse  # noqa: E402
from tang_rnn.inspection import inspect as look_inside  # noqa: E402
from tang_rnn.poet import CELLS, PRETRAINED  # noqa: E402
from tang_rnn.verse import FORMS, split_lines  # noqa: E402
from tang_rnn.words import languages  # noqa: E402
from tang_rnn.writing.poem import Poem, to_traditional  # noqa: E402

Cell = Literal["lstm", "gru", "rnn"]
FormName = Literal["五绝", "七绝", "五律", "七律", "五古", "七古", "杂言", ""]

LONGEST_OPENING = 14
LONGEST_TITLE = 12
LONGEST_ACROSTIC = 16
LONGEST_POEM = 400
LONGEST_READING = 160
WAITING = 80  # calls in the queue before newcomers are told to come back: some ten seconds on two cores
AT_ONCE = 2  # calls that compute, of all endpoints together


# ---------------------------------------------------------------------------------------------------------------------
# What a stranger may send. Gradio does not hold a caller to the annotations, so each endpoint looks for itself.


class Refusal(gr.Error):
    """Something the caller can put right; the message is all he sees."""

    def __init__(self, message: str):
        super().__init__(message, print_exception=False)


def _text(value: Any, name: str, longest: int) -> str:
    value = "" if value is None else value
    if not isinstance(value, str):
        raise Refusal(f"{name} must be text")
    value = value.strip()
    if len(value) > longest:
        raise Refusal(f"{name} is too long: {len(value)} characters, at most {longest}")
    return value


def _choice(value: Any, name: str, known: tuple) -> Any:
    if value not in known:
        raise Refusal(f"{name} must be one of {' '.join(map(str, filter(None, known)))}")
    return value


def _number(value: Any, name: str, least: float, most: float, whole: bool = False) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
    if not number or (whole and value % 1):
        raise Refusal(f"{name} must be a {'whole ' if whole else ''}number between {least} and {most}")
    return value


def _seed(value: Any) -> int:
    if value is None:
        return random.SystemRandom().randrange(10**6)  # short enough to read out
    return int(_number(value, "seed", 0, 2**31 - 1, whole=True))


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise Refusal(f"{name} must be true or false")
    return value


def _options(form: Any, regulated: Any, rhyme: Any, poet: Any, title: Any, temperature: Any) -> dict:
    """The options of ``TangPoet.write`` that all ways of writing share; rules that a form cannot have are dropped."""
    form = _choice(form, "form", get_args(FormName))
    even = form in FORMS and FORMS[form].line_length is not None
    return {
        "form": form or None,
        "regulated": _flag(regulated, "regulated") and even and FORMS[form].regulated,
        "rhyme": (_text(rhyme, "rhyme", 8) or None) if even else None,
        "poet": _text(poet, "poet", 8),
        "title": _text(title, "title", LONGEST_TITLE),
        "temperature": _number(temperature, "temperature", 0.1, 2.0),
    }


# ---------------------------------------------------------------------------------------------------------------------
# The poets and their poems


@cache
def poet_of(cell: str) -> TangPoet:
    """The poet with this cell, loaded once and awake."""
    poet = TangPoet.from_pretrained(cell)
    poet.write("春", form="五绝", seed=0)  # torch's first call is its slowest
    return poet


@contextmanager
def _in_words() -> Iterator[None]:
    """What tang_rnn cannot do becomes a refusal in its own words, never a traceback."""
    try:
        yield
    except ValueError as error:
        raise Refusal(str(error)) from None


def _told(poem: Poem, seconds: float | None = None) -> dict:
    """A poem as the endpoints give it."""
    return poem.to_dict() | {
        "done": True,
        "poet": poem.poet,
        "title": poem.title,
        "traditional": {name: to_traditional(getattr(poem, name)) for name in ("text", "title", "poet")},
        "per_character": round(poem.log_prob / max(poem.characters, 1), 4),
        "milliseconds": None if seconds is None else round(1000 * seconds / len(poem.text), 2),
    }


def write(
    opening: str = "",
    cell: Cell = "lstm",
    form: FormName = "五绝",
    regulated: bool = True,
    rhyme: str = "",
    poet: str = "",
    title: str = "",
    temperature: float = 0.8,
    seed: int | None = None,
) -> Iterator[dict]:
    """Write a classical Chinese poem in the manner of the Tang with a small recurrent network. It streams: each value
    has the text so far, the last one the whole poem with its form, seed, log probability, tonal pattern and rhyme
    group. The same arguments and seed give the same poem.

    Args:
        opening: the characters the poem begins with, at most 14, simplified or traditional, such as 春; empty: any.
        cell: the recurrent cell that writes: lstm, gru or rnn.
        form: 五绝 七绝 (quatrains), 五律 七律 (eight lines), 五古 七古 (old style), 杂言 (mixed); empty: any.
        regulated: keep the tonal pattern and rhyme of regulated verse, in 五绝 七绝 五律 七律.
        rhyme: one of the 30 level rhyme groups of 平水韵, such as 一东; empty: any.
        poet: a Tang poet to imitate, such as 李白; empty: nobody.
        title: a title or theme of at most 12 characters, such as 送别.
        temperature: from 0.1 (predictable) to 2 (wild).
        seed: a whole number; none: another poem each time.
    """
    writer = poet_of(_choice(cell, "cell", CELLS))
    opening = _text(opening, "the opening", LONGEST_OPENING)
    options = _options(form, regulated, rhyme, poet, title, temperature)
    seed = _seed(seed)
    with _in_words():
        if options["regulated"]:  # the best of several drafts, so nothing is known before the end
            poem = writer.write(opening, seed=seed, **options)
            for end in range(4, len(poem.text), 4):  # fewer messages; the page sets its own pace
                yield {"text": poem.text[:end], "done": False}
        else:
            stream, text = writer.stream(opening, seed=seed, **options), ""
            for piece in stream:
                text += piece
                yield {"text": text, "done": False}
            poem = stream.poem
        yield _told(poem)


def compare(
    opening: str = "",
    form: FormName = "五绝",
    regulated: bool = True,
    rhyme: str = "",
    poet: str = "",
    title: str = "",
    temperature: float = 0.8,
    seed: int | None = None,
) -> dict:
    """Let all three cells, RNN, LSTM and GRU, write from the same opening and seed. Gives for each its poem, the
    natural log probability per character that each of the three models gives what follows the opening, milliseconds
    per character, and its number of parameters.

    Args:
        opening: the characters the poems begin with, at most 14, such as 春; empty: any.
        form: 五绝 七绝 (quatrains), 五律 七律 (eight lines), 五古 七古 (old style), 杂言 (mixed); empty: any.
        regulated: keep the tonal pattern and rhyme of regulated verse, in 五绝 七绝 五律 七律.
        rhyme: one of the 30 level rhyme groups of 平水韵, such as 一东; empty: any.
        poet: a Tang poet to imitate, such as 李白; empty: nobody.
        title: a title or theme of at most 12 characters, such as 送别.
        temperature: from 0.1 (predictable) to 2 (wild).
        seed: a whole number; none: other poems each time.
    """
    opening = _text(opening, "the opening", LONGEST_OPENING)
    options = _options(form, regulated, rhyme, poet, title, temperature)
    seed = _seed(seed)
    poems = []
    with _in_words():
        for cell in CELLS:
            writer, started = poet_of(cell), time.perf_counter()
            poem = writer.write(opening, seed=seed, **options)
            told = _told(poem, time.perf_counter() - started)
            context, *_ = writer.reader.context(options["form"], poem.poet, poem.title)
            given = len(poem.text) + 1 - poem.characters  # the opening, which nobody wrote; the one more is the end
            told["judged_by"] = {}
            for other in CELLS:
                log_prob, characters = poet_of(other).score(poem.text, context, skip=given)
                told["judged_by"][other] = round(log_prob / characters, 4)
            told["parameters"] = facts()["cells"][cell]["parameters"]
            poems.append(told)
    return {"seed": seed, "poems": poems}


def acrostic(
    phrase: str,
    cell: Cell = "lstm",
    line_length: Literal[5, 7] = 7,
    tail: bool = False,
    regulated: bool = True,
    rhyme: str = "",
    poet: str = "",
    temperature: float = 0.8,
    seed: int | None = None,
) -> dict:
    """Write a Chinese acrostic (藏头诗): a poem whose lines begin, or end, with the characters of a name or phrase. Up
    to 4 characters make a quatrain, up to 8 a poem of eight lines, more an old-style poem.

    Args:
        phrase: the name or phrase to hide, 1 to 16 Chinese characters, one for each line, such as 春夏秋冬.
        cell: the recurrent cell that writes: lstm, gru or rnn.
        line_length: characters in a line, 5 or 7.
        tail: hide the phrase in the last characters of the lines (藏尾) instead of the first.
        regulated: keep the tonal pattern and rhyme of regulated verse, up to 8 characters.
        rhyme: one of the 30 level rhyme groups of 平水韵, such as 一东; empty: any.
        poet: a Tang poet to imitate, such as 李白; empty: nobody.
        temperature: from 0.1 (predictable) to 2 (wild).
        seed: a whole number; none: another poem each time.
    """
    writer = poet_of(_choice(cell, "cell", CELLS))
    phrase = _text(phrase, "the phrase", 4 * LONGEST_ACROSTIC)
    phrase = "".join(split_lines(phrase))
    count = len(_text(phrase, "the phrase", LONGEST_ACROSTIC))
    if not count:
        raise Refusal("there is nothing to hide: give a name or phrase, such as 春夏秋冬")
    numeral = {5: "五", 7: "七"}[_choice(line_length, "line_length", (5, 7))]
    form = numeral + ("绝" if count <= 4 else "律" if count <= 8 else "古")
    options = _options(form, regulated, rhyme, poet, "", temperature)
    seed = _seed(seed)
    hidden = {"acrostic_tail" if _flag(tail, "tail") else "acrostic": phrase}
    with _in_words():
        poem = writer.write("", seed=seed, num_lines=count + count % 2 if count > 8 else None, **hidden, **options)
        return _told(poem) | {"phrase": phrase, "tail": tail}


def check(text: str, form: FormName = "") -> dict:
    """Judge any Chinese poem by the rules of regulated verse: its form, tonal pattern, rhyme group, the tone of every
    character (平 level, 仄 oblique, 中 either), and every fault with its line and position.

    Args:
        text: the poem, at most 400 characters, simplified or traditional, with or without punctuation.
        form: the form to judge it by, such as 五律; empty: the one its lines make.
    """
    text = _text(text, "the poem", LONGEST_POEM)
    form = _choice(form, "form", get_args(FormName))
    with _in_words():
        return verse.check(text, form or None).to_dict()


UNITS = 48  # rows of a heat map


def inside(text: str, cell: Cell = "lstm", form: FormName = "", poet: str = "", title: str = "") -> dict:
    """Look inside a recurrent network as it reads a poem: how probable each character was, the five likeliest instead
    of it, the gates and states of 48 of its units from slow to fast, and how many characters a memory lasts.

    Args:
        text: the poem, at most 160 characters, with its punctuation.
        cell: the recurrent cell that reads: lstm, gru or rnn.
        form: the form it is told beforehand, such as 五绝; empty: none.
        poet: the poet it is told beforehand; empty: none.
        title: the title it is told beforehand; empty: none.
    """
    reader = poet_of(_choice(cell, "cell", CELLS))
    text = _text(text, "the poem", LONGEST_READING)
    form = _choice(form, "form", get_args(FormName))
    title = _text(title, "title", LONGEST_TITLE)
    with _in_words():
        context, *_ = reader.reader.context(form, _text(poet, "poet", 8), title)
        reading = look_inside(reader, text, context)
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


def words() -> dict[str, dict[str, str]]:
    """What the page says, by language and key; the Chinese in traditional characters as well."""
    said = {language: words["page"] for language, words in languages().items()}
    return said | {"zh-Hant": {key: to_traditional(word) for key, word in said["zh"].items()}}


@cache
def facts() -> dict:
    """What the page knows before it asks: names to choose from, sizes, and how training went."""
    cells = {}
    for cell in CELLS:
        weights = poet_of(cell).recurrence
        log = PRETRAINED / cell / "training_log.json"
        cells[cell] = {
            "parameters": weights.num_parameters,
            "hidden_size": weights.config.hidden_size,
            "layers": weights.config.num_hidden_layers,
            "log": json.loads(log.read_text(encoding="utf-8")) if log.is_file() else {},
        }
    return {
        "version": tang_rnn.__version__,
        "cells": cells,
        "poets": poet_of("lstm").tokenizer.poets,
        "seals": SEALS,
        "rhymes": list(verse.PINGSHUI.level_groups),
    }


def poem_of_link(parameters: dict[str, str]) -> dict | None:
    """The poem that a link of Write asks for by its seed, as :func:`write` gives it."""
    if not parameters.get("seed", "").isdecimal():
        return None
    names = ("opening", "cell", "form", "rhyme", "poet", "title")
    given = {name: parameters[name] for name in names if name in parameters}
    try:
        given |= {"seed": int(parameters["seed"]), "regulated": parameters.get("regulated") != "0"}
        *_, poem = write(**given, temperature=float(parameters.get("temperature", 0.8)))
    except (Refusal, ValueError):
        return None
    traditional = poem["traditional"] if parameters.get("script") == "t" else {}
    return poem | traditional


MOUNT = 'import(new URL("tang/page.js", document.baseURI)).then(page => page.mount(element, props.value))'
THEME = gr.themes.Base(
    primary_hue="red", neutral_hue="stone", font=["Tang", "Songti SC", "serif"], font_mono=["monospace"]
).set(
    body_background_fill="#f5f0e4",
    body_background_fill_dark="#191714",
    body_text_color="#231f1a",
    body_text_color_dark="#e8dfcd",
)
MOUNT = 'import(new URL("tang/page.js", document.baseURI)).then(page => page.mount(element, props.value))'


def build() -> gr.Blocks:
    """The app, ready to launch."""
    torch.set_num_threads(1)  # one poem is too little work to share out; callers run side by side instead
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(
            facts(),
            html_template=(STATIC / "page.html").read_text(encoding="utf-8"),
            js_on_load=MOUNT,
            apply_default_css=False,
            elem_id="tang",
        )
        for endpoint in (write, compare, acrostic, inside):
            gr.api(endpoint, api_name=endpoint.__name__, concurrency_id="models", concurrency_limit=AT_ONCE)
        gr.api(check, api_name="check")  # takes no time and so does not wait behind poems
    return page.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE)


def launch(page: gr.Blocks | None = None, **kwargs) -> Any:
    """Launches the page; keyword arguments go to ``gr.Blocks.launch``."""
    settings = {
        "app_kwargs": {
            "routes": routes(poem_of_link),
            "middleware": [Middleware(Anywhere)],
        },
        "theme": THEME,
        "i18n": gr.I18n(**words()),
        "mcp_server": find_spec("mcp") is not None,
        "footer_links": [],
        "share": False,
        "show_error": False,
        "ssr_mode": False,
        "max_file_size": "1kb",  # nothing here takes files
        "state_session_capacity": 100,  # nor keeps anything of a visitor: Gradio would hold a copy of the page for each
    }
    return (page or build()).launch(**settings | kwargs)


def main(host: str | None = None, port: int | None = None) -> None:
    """What ``tang-rnn demo`` does; without them Gradio reads GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    launch(server_name=host, server_port=port)


if __name__ == "__main__":
    main()
