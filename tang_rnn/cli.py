"""The command ``tang-rnn``: write, compare, check, demo.

Nothing heavy is imported before it is needed, so that ``--help`` and a wrong option answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, suppress


class _Parser(argparse.ArgumentParser):
    """One line for what is wrong, not the whole usage."""

    def error(self, message: str):
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _number(text: str, least: int = 1, most: int | None = None) -> int:
    """A whole number between limits."""
    limits = f"{least} or more" if most is None else f"between {least} and {most}"
    if not text.isdecimal() or int(text) < least or (most is not None and int(text) > most):
        raise argparse.ArgumentTypeError(f"must be a whole number, {limits}, not {text!r}")
    return int(text)


def _port(text: str) -> int:
    return _number(text, 1, 2**16 - 1)


def build_parser() -> argparse.ArgumentParser:
    """The command's options; their names and meaning are those of ``TangPoet.write``."""
    parser = _Parser(prog="tang-rnn", description="Recurrent networks that write classical Chinese verse.")
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    def writing(name: str, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        sub.add_argument("opening", nargs="?", default="", help="first characters of the poem, such as 春")
        rules = sub.add_argument_group("rules")
        rules.add_argument("--form", help="五绝 七绝 五律 七律 五排 七排 五古 七古 杂言; default: the model's choice")
        rules.add_argument("--lines", type=_number, dest="num_lines", metavar="N", help="for a form of free length")
        rules.add_argument("--regulated", action="store_true", help="keep a tonal pattern and rhyme (近体)")
        rules.add_argument("--pattern", help="a tonal pattern by name, such as 七绝平起首句入韵")
        rules.add_argument("--rhyme", metavar="GROUP", help="rhyme group such as 一东; 'own': the poem's own choice")
        rules.add_argument("--acrostic", default="", metavar="TEXT", help="characters that begin the lines (藏头)")
        rules.add_argument("--acrostic-tail", default="", metavar="TEXT", help="characters that end the lines (藏尾)")
        rules.add_argument("--avoid", default="", metavar="TEXT", help="characters that must not occur")
        hints = sub.add_argument_group("hints to the model")
        hints.add_argument("--poet", default="", help="a poet to imitate, such as 李白")
        hints.add_argument("--title", default="", help="a title or theme, such as 送别")
        drawing = sub.add_argument_group("drawing")
        drawing.add_argument("--seed", type=int, help="same seed, same poem; default: another each time")
        drawing.add_argument("--candidates", type=_number, metavar="N", help="write N, keep the best")
        drawing.add_argument("--temperature", type=float, help="below 1 the expected, above 1 the unusual")
        drawing.add_argument("--top-k", type=int, help="draw from the K likeliest characters; 0: all")
        drawing.add_argument("--top-p", type=float, help="draw from the likeliest characters that make up this much")
        drawing.add_argument("--num-beams", type=_number, help="beam search with so many beams")
        drawing.add_argument("--repetition-penalty", type=float, help="above 1: characters written recur less")
        output = sub.add_argument_group("output")
        output.add_argument("--traditional", action="store_true", help="print traditional characters")
        output.add_argument("--json", action="store_true", help="one JSON object a line")
        return sub

    write = writing("write", "write poems")
    write.add_argument("--cell", default="lstm", metavar="CELL", help="rnn, lstm (default), gru, a folder or a Hub id")
    write.add_argument("--count", type=_number, default=1, metavar="N", help="how many poems")
    write.add_argument(
        "--out", metavar="FILE", help="JSON lines into a file; where FILE has some of the poems, it is gone on with"
    )
    writing("compare", "write one poem with each of the three cells")

    check = commands.add_parser("check", help="judge any poem's form, tones and rhyme", description="Judge any poem.")
    check.add_argument(
        "text", help="a poem, simplified or traditional, with or without marks; - reads it from the input"
    )
    check.add_argument("--form", help="judge it as this form")
    check.add_argument("--json", action="store_true", help="print a JSON object")

    demo = commands.add_parser("demo", help="open the page", description="Serve the page on this machine.")
    demo.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    demo.add_argument(
        "--port", type=_port, help="port to listen on (default: the first free from GRADIO_SERVER_PORT or 7860)"
    )
    return parser


_OPTIONS = (
    "form",
    "num_lines",
    "regulated",
    "pattern",
    "acrostic",
    "acrostic_tail",
    "avoid",
    "poet",
    "title",
    "candidates",
)
_SAMPLING = ("temperature", "top_k", "top_p", "num_beams", "repetition_penalty")


def _options(arguments: argparse.Namespace) -> dict:
    """The keyword arguments of ``TangPoet.write``."""
    options = {name: getattr(arguments, name) for name in _OPTIONS}
    options["rhyme"] = True if arguments.rhyme == "own" else arguments.rhyme
    options.update({name: value for name in _SAMPLING if (value := getattr(arguments, name)) is not None})
    return options


def _write(arguments: argparse.Namespace) -> Iterator[str]:
    from tang_rnn.poet import TangPoet

    poet = TangPoet.from_pretrained(arguments.cell)
    if arguments.out:
        with closing(_poem_file(arguments, poet)) as file:
            for poem in _poems(arguments, poet, file.seed, done=len(file)):
                file.append((poem.traditional() if arguments.traditional else poem).to_dict())
        return
    seed = poet.new_seed() if arguments.seed is None else arguments.seed
    for number, poem in enumerate(_poems(arguments, poet, seed), 1):
        yield _show(poem, arguments, last=number == arguments.count)


def _poems(arguments: argparse.Namespace, poet, seed: int, done: int = 0) -> Iterator:
    """The poems asked for without the first `done`, and on a terminal that shows none of them a progress bar."""
    from tqdm import tqdm

    from tang_rnn.writing.request import default_candidates
    from tang_rnn.writing.search import portions

    hidden = arguments.out or not sys.stdout.isatty()
    candidates = arguments.candidates or default_candidates(arguments.regulated, arguments.pattern)
    with tqdm(
        total=arguments.count,
        initial=min(done, arguments.count),
        unit=" poems",
        disable=not (hidden and arguments.count > 1 and sys.stderr.isatty()),
    ) as progress:
        # In portions, so that many poems take no more memory than few; to go on, the portion begun is written again.
        for numbers in portions(arguments.count, candidates, first=done):
            first = numbers.start
            poems = poet.write([arguments.opening], seed=seed + first, count=len(numbers), **_options(arguments))
            for poem in poems[max(done - first, 0) :]:
                yield poem
                progress.update()


def _poem_file(arguments: argparse.Namespace, poet):
    """The file of --out, with what its poems are written with."""
    from tang_rnn import __version__
    from tang_rnn.poem_file import PoemFile

    given = _options(arguments) | {"opening": arguments.opening, "traditional": arguments.traditional}
    options = {name: value for name, value in given.items() if value not in (None, "") and value is not False}
    options |= {"cell": arguments.cell, "weights": poet.fingerprint, "version": __version__}
    file = PoemFile(arguments.out, options, arguments.seed)
    if file.seed is None:
        file.seed = poet.new_seed()
    return file


def _compare(arguments: argparse.Namespace) -> Iterator[str]:
    from tang_rnn.poet import CELLS, TangPoet

    seed = arguments.seed
    for cell in CELLS:
        poet = TangPoet.from_pretrained(cell)
        seed = poet.new_seed() if seed is None else seed
        poem = poet.write(arguments.opening, seed=seed, **_options(arguments))
        if not arguments.json:
            size, nats = poet.recurrence.num_parameters / 1e6, -poem.log_prob / poem.characters
            yield f"{cell}  ({size:.1f} million parameters, {nats:.2f} nats a character)"
        yield _show(poem, arguments, last=cell == CELLS[-1])


def _show(poem, arguments: argparse.Namespace, last: bool) -> str:
    shown = poem.traditional() if arguments.traditional else poem
    if arguments.json:
        return json.dumps(shown.to_dict(), ensure_ascii=False)
    note = f"\n(not new, but a line of the 全唐诗: {' '.join(shown.quotes)})" if shown.quotes else ""
    return f"{shown}{note}" if last else f"{shown}{note}\n"


def _check(arguments: argparse.Namespace) -> Iterator[str]:
    from tang_rnn.verse import check

    judged = check(sys.stdin.read() if arguments.text == "-" else arguments.text, arguments.form)
    if arguments.json:
        yield json.dumps(judged.to_dict(), ensure_ascii=False)
    else:
        yield judged.format(color=sys.stdout.isatty() and "NO_COLOR" not in os.environ)


def _demo(arguments: argparse.Namespace) -> Iterator[str]:
    """Runs the page's own file: of the checkout, or the copy that the wheel carries."""
    import importlib.util
    from pathlib import Path

    here = Path(__file__).resolve().parent
    for folder in (here / "_demo", here.parent / "demo"):
        if (folder / "app.py").exists():
            break
    if importlib.util.find_spec("gradio") is None:
        raise ValueError("the page needs gradio: pip install 'tang_rnn[demo]'")
    spec = importlib.util.spec_from_file_location("tang_rnn_demo", folder / "app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    try:
        module.main(arguments.host, arguments.port)
    except OSError as error:
        raise ValueError(f"cannot listen there: {error}; choose another --host or --port") from None
    yield from ()


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 0, or 2 after one line on stderr about what was wrong."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    try:
        parser = build_parser()
        arguments = parser.parse_args(argv)
        if arguments.version:
            from importlib.metadata import version

            print(f"tang-rnn {version('tang_rnn')}", flush=True)
            return 0
        if arguments.command is None:
            parser.print_help()
            return 0
        run = {"write": _write, "compare": _compare, "check": _check, "demo": _demo}[arguments.command]
        if arguments.command in ("write", "compare"):
            _quiet()
        for line in run(arguments):
            print(line, flush=True)
    except UnicodeEncodeError as error:
        print(
            f"tang-rnn: the output's encoding, {error.encoding}, lacks {error.object[error.start]!a}: "
            "set PYTHONIOENCODING=utf-8",
            file=sys.stderr,
        )
        return 2
    except ValueError as error:  # PoetError, RuleConflict, and the judge's
        print(f"tang-rnn: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has had enough, as in `| head`
        _drop_output()
        return 0
    except OSError as error:  # a full disk, a folder that is not there
        _drop_output()
        print(f"tang-rnn: {error.filename or 'cannot write'}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 0


def _drop_output() -> None:
    """What is left for an output that takes no more goes nowhere, not into an error at exit."""
    with suppress(OSError):  # no real file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _quiet() -> None:
    """No progress bars of the libraries among the poems."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from transformers.utils import logging

    logging.disable_progress_bar()


if __name__ == "__main__":
    sys.exit(main())
