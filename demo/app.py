"""The page: writes, compares, hides names in, checks and looks inside poems; the same for programs by API and MCP.

    python demo/app.py            # GRADIO_SERVER_NAME and GRADIO_SERVER_PORT as in any Gradio app

Gradio serves and queues; the page itself is one ``gr.HTML`` whose template, style and scripts lie in ``static/``. It
calls the endpoints below exactly as any other program does.
"""

from __future__ import annotations

import json
import math
import os
import random
import sys
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

DEMO = Path(__file__).resolve().parent
if not find_spec("tang_rnn"):  # run from a checkout that is not installed
    sys.path.insert(0, str(DEMO.parent))
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr  # noqa: E402
import torch  # noqa: E402
from starlette.routing import Mount  # noqa: E402
from starlette.staticfiles import StaticFiles  # noqa: E402

import tang_rnn  # noqa: E402
from tang_rnn import PoetError, TangPoet, prosody  # noqa: E402
from tang_rnn.forms import FORMS, split_lines  # noqa: E402
from tang_rnn.poet import CELLS, PRETRAINED, Poem, to_traditional  # noqa: E402

STATIC = DEMO / "static"
Cell = Literal["lstm", "gru", "rnn"]
FormName = Literal["五绝", "七绝", "五律", "七律", "五古", "七古", "杂言", ""]

LONGEST_OPENING = 14
LONGEST_TITLE = 12
LONGEST_ACROSTIC = 16
LONGEST_POEM = 400
WAITING = 32  # calls in the queue before newcomers are told to come back
AT_ONCE = 2


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


def _choice(value: Any, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Refusal(f"{name} must be one of {' '.join(filter(None, known))}")
    return value


def _number(value: Any, name: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise Refusal(f"{name} must be a number between {least} and {most}")
    return value


def _seed(value: Any) -> int:
    if value is None:
        return random.SystemRandom().randrange(10**6)  # short enough to read out
    return int(_number(value, "seed", 0, 2**31 - 1))


def _options(form: Any, regulated: Any, rhyme: Any, poet: Any, title: Any, temperature: Any) -> dict:
    """The options of ``TangPoet.write`` that all ways of writing share."""
    form = _choice(form, "form", ("五绝", "七绝", "五律", "七律", "五古", "七古", "杂言", ""))
    rhyme = _text(rhyme, "rhyme", 8)
    fixed = form != "杂言" and form != ""
    regulated = bool(regulated) and (not fixed or FORMS[form].regulated) and form != "杂言"
    return {
        "form": form or None,
        "regulated": regulated and bool(form),
        "rhyme": (rhyme or None) if fixed else None,
        "poet": _text(poet, "poet", 8),
        "title": _text(title, "title", LONGEST_TITLE),
        "temperature": _number(temperature, "temperature", 0.1, 2.0),
    }


# ---------------------------------------------------------------------------------------------------------------------
# The poets and their poems


@cache
def poet_of(cell: str) -> TangPoet:
    """The poet with this cell, loaded once."""
    return TangPoet.from_pretrained(cell)


def _finished(poem: Poem, options: dict, seconds: float | None = None) -> dict:
    """A poem as the endpoints give it."""
    told = poem.to_dict()
    # Lines of mixed length follow the text's own marks, so the page sets the text, not the lines.
    return told | {
        "done": True,
        "poet": poem.poet,
        "title": poem.title,
        "traditional": to_traditional(poem.text),
        "per_character": round(poem.log_prob / max(poem.characters, 1), 4),
        "milliseconds": None if seconds is None else round(1000 * seconds / max(len(poem.text), 1), 2),
        "regulated": options["regulated"],
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
    """Write a classical Chinese poem in the style of the Tang, with a small recurrent network.

    It streams: each value holds the text so far, the last one the whole poem with its form, seed, log probability,
    tonal pattern and rhyme group. The same arguments and seed give the same poem.

    Args:
        opening: the first character or characters of the poem, at most 14, simplified or traditional, such as 春. Empty: the poet begins by itself.
        cell: the recurrent cell that writes: lstm, gru or rnn.
        form: 五绝 七绝 (quatrains of 5 or 7 characters a line), 五律 七律 (eight lines), 五古 七古 (old style, any length), 杂言 (mixed). Empty: the model decides.
        regulated: keep the tonal pattern and the rhyme of regulated verse (近体), for 五绝 七绝 五律 七律.
        rhyme: one of the 30 level rhyme groups of 平水韵, such as 一东. Empty: any.
        poet: a Tang poet to imitate, such as 李白. Empty: nobody.
        title: a title or theme of at most 12 characters, such as 送别.
        temperature: 0.1 (predictable) to 2 (wild).
        seed: a whole number; leave it out for another poem each time.
    """
    writer = poet_of(_choice(cell, "cell", CELLS))
    opening = _text(opening, "the opening", LONGEST_OPENING)
    options = _options(form, regulated, rhyme, poet, title, temperature)
    seed = _seed(seed)
    try:
        if options["regulated"]:  # the best of several drafts: known only when all are finished
            started = time.perf_counter()
            poem = writer.write(opening, seed=seed, **options)
            seconds = time.perf_counter() - started
            for end in range(1, len(poem.text)):
                yield {"text": poem.text[:end], "done": False}
        else:
            stream, text, seconds = writer.stream(opening, seed=seed, **options), "", None
            for piece in stream:
                text += piece
                yield {"text": text, "done": False}
            poem = stream.poem
    except ValueError as error:
        raise Refusal(str(error)) from None
    yield _finished(poem, options, seconds)


# ---------------------------------------------------------------------------------------------------------------------
# The page


def words() -> dict[str, dict[str, str]]:
    """What the page says, by language and key."""
    return json.loads((STATIC / "words.json").read_text(encoding="utf-8"))


@cache
def facts() -> dict:
    """What the page knows before it asks: names to choose from, sizes, and how training went."""
    cells = {}
    for cell in CELLS:
        model = poet_of(cell).model
        log = PRETRAINED / cell / "training_log.json"
        cells[cell] = {
            "parameters": sum(weight.numel() for weight in model.parameters()),
            "hidden_size": model.config.hidden_size,
            "layers": model.config.num_hidden_layers,
            "log": json.loads(log.read_text(encoding="utf-8")) if log.is_file() else {},
        }
    return {
        "version": tang_rnn.__version__,
        "cells": cells,
        "poets": poet_of("lstm").tokenizer.poets,
        "rhymes": list(prosody.LEVEL_GROUPS),
    }


THEME = gr.themes.Base(
    primary_hue="red", neutral_hue="stone", font=["Tang", "Songti SC", "serif"], font_mono=["monospace"]
).set(
    body_background_fill="#f5f0e4",
    body_background_fill_dark="#191714",
    body_text_color="#231f1a",
    body_text_color_dark="#e8dfcd",
)
HEAD = (
    '<link rel="stylesheet" href="tang/font/font.css"><link rel="stylesheet" href="tang/page.css">'
    '<link rel="icon" href="tang/seal.svg" type="image/svg+xml">'
    '<meta name="description" content="Small recurrent networks that write Tang poetry.">'
)


def build() -> gr.Blocks:
    """The app, ready to launch."""
    torch.set_num_threads(1)  # one poem is too little work to share out; callers run side by side instead
    with gr.Blocks(title="一字成诗 · A poem from one character", analytics_enabled=False) as page:
        gr.HTML(
            facts(),
            html_template=(STATIC / "page.html").read_text(encoding="utf-8"),
            js_on_load='import(new URL("tang/page.js", document.baseURI)).then(page => page.mount(element, props.value))',
            apply_default_css=False,
            elem_id="tang",
        )
        gr.api(write, api_name="write")
    return page.queue(max_size=WAITING, default_concurrency_limit=AT_ONCE)


def launch(**kwargs) -> Any:
    """Launches the page; keyword arguments go to ``gr.Blocks.launch``."""
    settings = {
        "app_kwargs": {"routes": [Mount("/tang", StaticFiles(directory=STATIC))]},
        "theme": THEME,
        "head": HEAD,
        "i18n": gr.I18n(**words()),
        "mcp_server": find_spec("mcp") is not None,
        "footer_links": [],
        "share": False,
        "show_error": False,
        "ssr_mode": False,
    }
    return build().launch(**settings | kwargs)


def main() -> None:
    """What ``tang-rnn demo`` and ``python app.py`` do; Gradio itself reads GRADIO_SERVER_NAME and GRADIO_SERVER_PORT."""
    launch()


if __name__ == "__main__":
    main()
