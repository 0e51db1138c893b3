"""The command ``tang-rnn``: writes, revises and goes on with poems, answers lines, judges, serves the page.

Nothing heavy is imported before it is needed, so that ``--help`` and a wrong option answer at once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress

from tang_rnn.arguments import Parser, add_options, value_of
from tang_rnn.faults import Fault, first_line
from tang_rnn.verse import PINGSHUI, check_all, get_book
from tang_rnn.words import DEFAULT, languages, say
from tang_rnn.writing.request import ANSWERING, CONTINUING, HAND, OPTIONS, REVISING, Option

CELL = "rnn, lstm (default), gru, a folder or a Hub id"
PORT = Option("port", int, None, "", least=1, most=2**16 - 1)


def build_parser() -> argparse.ArgumentParser:
    """The command's options; their names and meaning are those of ``TangPoet.write``."""
    parser = Parser(prog="tang-rnn", description="Recurrent networks that write classical Chinese verse.")
    parser.add_argument("--version", action="store_true", help="print the version and the precision of writing")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)

    def writing(name: str, help: str, names: Iterable[str]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        sub.add_argument("opening", nargs="?", default="", help=OPTIONS["opening"].help)
        add_options(sub, (OPTIONS[name] for name in names))
        output = sub.add_argument_group("output")
        output.add_argument("--traditional", action="store_true", help="print traditional characters")
        output.add_argument("--json", action="store_true", help="one JSON object a line")
        return sub

    names = [name for name in OPTIONS if name != "opening"]
    write = writing("write", "write poems", names)
    write.add_argument("--cell", default="lstm", metavar="CELL", help=CELL)
    write.add_argument(
        "--out", metavar="FILE", help="JSON lines into a file; where FILE has some of the poems, it is gone on with"
    )
    write.add_argument(
        "--shard",
        type=shard_of,
        metavar="K/N",
        help="write the Kth of N parts of --count; the N files joined are what one run with the same --seed writes",
    )
    writing("compare", "write one poem with each of the three cells", [name for name in names if name != "count"])

    check = commands.add_parser("check", help="judge any poem's form, tones and rhyme", description="Judge any poem.")
    check.add_argument(
        "text", help="a poem as it was pasted, or a file that holds it, in any usual encoding; - reads the input"
    )
    check.add_argument("--form", help="judge it as this form")
    check.add_argument("--rhyme-book", default=PINGSHUI.name, metavar="BOOK", help=OPTIONS["rhyme_book"].help)
    check.add_argument("--language", choices=languages(), default=DEFAULT, help="of the verdict (default: en)")
    check.add_argument("--suggest", action="store_true", help="what would mend each fault, by the lstm's judgement")
    check.add_argument("--json", action="store_true", help="print a JSON object")

    def on_a_poem(name: str, what: str, help: str, options: Iterable[Option]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help[0].upper() + help[1:] + ".")
        sub.add_argument(
            what, help="a line" if what == "line" else "a poem, or a file that holds it; - reads the input"
        )
        for option in (HAND["line"], HAND["place"]) if name == "alternatives" else ():
            sub.add_argument(option.name, type=value_of(option), help=option.help)
        add_options(sub, options)
        sub.add_argument("--cell", default="lstm", metavar="CELL", help=CELL)
        sub.add_argument("--traditional", action="store_true", help="print traditional characters")
        sub.add_argument("--json", action="store_true", help="one JSON object a line")
        return sub

    def options(*names: str) -> list[Option]:
        return [HAND.get(name) or OPTIONS[name] for name in names]

    on_a_poem("revise", "poem", "write the rest of a poem anew around what stays", options("keep", *REVISING))
    hints = ("poet", "title", "rhyme_book")
    on_a_poem(
        "alternatives", "poem", "what else could stand in a place of a poem", options("most", "characters", *hints)
    )
    on_a_poem("next", "poem", "next lines for a poem, to choose from", options("count", *CONTINUING))
    on_a_poem("answer", "line", "lines that answer a line (对句)", options("count", "first", *ANSWERING))

    demo = commands.add_parser("demo", help="open the page", description="Serve the page on this machine.")
    demo.add_argument(
        "--cell",
        action="append",
        default=[],
        metavar="CELL",
        help="a cell of your own to show beside the three, a folder or a Hub id; as often as there are",
    )
    demo.add_argument("--host", help="address to listen on (default: GRADIO_SERVER_NAME or 127.0.0.1)")
    demo.add_argument(
        "--port",
        type=value_of(PORT),
        help="port to listen on (default: the first free from GRADIO_SERVER_PORT or 7860)",
    )
    return parser


def shard_of(text: str) -> tuple[int, int]:
    """``3/16`` as two numbers."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", text)
    part, parts = map(int, found.groups()) if found else (1, 0)
    if part > parts:
        raise argparse.ArgumentTypeError(str(Fault("not_shard", value=text)))
    return part, parts


def _given(arguments: argparse.Namespace, names: Iterable[str] = tuple(OPTIONS)) -> dict:
    """The options that were given, as keyword arguments of ``TangPoet.write`` or another of its methods."""
    options = {name: getattr(arguments, name, None) for name in names if name != "opening"}
    if "rhyme" in options:
        options["rhyme"] = {"own": True, "none": False}.get(options["rhyme"], options["rhyme"])
    return {name: value for name, value in options.items() if value is not None}


def _write(arguments: argparse.Namespace) -> Iterator[str]:
    import torch

    from tang_rnn.poet import TangPoet

    if (arguments.count or 1) == 1:
        torch.set_num_threads(1)  # one poem is too little work to share out: threads begin, and wait for each other
    if arguments.shard:
        (part, parts), count = arguments.shard, arguments.count or 1
        if arguments.seed is None:
            raise Fault("shard_needs_seed")
        if count < parts:
            raise Fault("shards_of", count=count, parts=parts)
        # Seeds go up by one from poem to poem, so that parts never meet.
        begin, end = count * (part - 1) // parts, count * part // parts
        arguments.seed, arguments.count = arguments.seed + begin, end - begin
    poet = TangPoet.from_pretrained(arguments.cell)
    if arguments.out:
        with closing(_poem_file(arguments, poet)) as file:
            for poem in _poems(arguments, poet, file.seed, done=len(file)):
                file.append((poem.traditional() if arguments.traditional else poem).to_dict())
        return
    seed = poet.new_seed() if arguments.seed is None else arguments.seed
    for number, poem in enumerate(_poems(arguments, poet, seed), 1):
        if number == 1:
            _say_seed(arguments, seed)
        yield _show(poem, arguments, last=number == (arguments.count or 1))


def _say_seed(arguments: argparse.Namespace, seed: int) -> None:
    """For who likes the poem and did not choose the seed; JSON has it, and a beam search does not use it."""
    if arguments.seed is None and not arguments.json and (getattr(arguments, "num_beams", 1) or 1) == 1:
        print(f"tang-rnn: seed {seed}", file=sys.stderr, flush=True)


def _poems(arguments: argparse.Namespace, poet, seed: int, done: int = 0) -> Iterator:
    """The poems asked for without the first `done`, and on a terminal that shows none of them a progress bar."""
    from tqdm import tqdm

    hidden, count = arguments.out or not sys.stdout.isatty(), arguments.count or 1
    options = _given(arguments) | {"seed": seed, "count": count}
    with tqdm(
        total=count,
        initial=min(done, count),
        unit=" poems",
        disable=not (hidden and count > 1 and sys.stderr.isatty()),
    ) as progress:
        for poem in poet.each([arguments.opening], first=done, **options):
            yield poem
            progress.update()


def _poem_file(arguments: argparse.Namespace, poet):
    """The file of --out, with what its poems are written with."""
    from tang_rnn import __version__
    from tang_rnn.poem_file import PoemFile

    given = _given(arguments) | {"opening": arguments.opening, "traditional": arguments.traditional}
    options = {name: value for name, value in given.items() if name not in ("count", "seed")}
    options = {name: value for name, value in options.items() if value != "" and value is not False}
    options |= {"cell": arguments.cell, "weights": poet.fingerprint, "version": __version__}
    file = PoemFile(arguments.out, options, arguments.seed)
    if file.seed is None:
        file.seed = poet.new_seed()
    return file


def _compare(arguments: argparse.Namespace) -> Iterator[str]:
    from tang_rnn.poet import CELLS, TangPoet

    options = _given(arguments)
    options.setdefault("seed", TangPoet.new_seed())
    for cell in CELLS:
        poet = TangPoet.from_pretrained(cell)
        poem = poet.write(arguments.opening, **options)
        if cell == CELLS[0]:
            _say_seed(arguments, options["seed"])
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


def _hand(arguments: argparse.Namespace) -> Iterator[str]:
    """What is done with a poem that stands, or on the way to one."""
    from tang_rnn.poet import TangPoet
    from tang_rnn.writing.script import to_traditional

    names = {
        "revise": ("keep", *REVISING),
        "alternatives": ("most", "characters", "poet", "title", "rhyme_book"),
        "next": ("count", *CONTINUING),
        "answer": ("count", "first", *ANSWERING),
    }[arguments.command]
    options = _given(arguments, names)
    poet = TangPoet.from_pretrained(arguments.cell)
    if arguments.command == "revise":
        options.setdefault("seed", poet.new_seed())
        poem = poet.revise(_text_of(arguments.poem), **options)
        _say_seed(arguments, poem.seed)
        yield _show(poem, arguments, last=True)
        return
    if arguments.command == "alternatives":
        found = poet.alternatives(_text_of(arguments.poem), arguments.line, arguments.place, **options)
    elif arguments.command == "next":
        found = poet.next_lines(_text_of(arguments.poem), **options)
    else:
        found = poet.answer(arguments.line, **options)
    for each in found:
        text = to_traditional(each.text) if arguments.traditional else each.text
        if arguments.json:
            yield json.dumps(each.to_dict() | {"text": text}, ensure_ascii=False)
        else:
            faults = " ".join(str(fault) for fault in getattr(each, "faults", ()))
            yield f"{text}  {faults}" if faults else text


def _check(arguments: argparse.Namespace) -> Iterator[str]:
    language, color = arguments.language, sys.stdout.isatty() and "NO_COLOR" not in os.environ
    judged = check_all(_text_of(arguments.text), arguments.form, get_book(arguments.rhyme_book))
    if arguments.suggest:
        from tang_rnn.poet import TangPoet
        from tang_rnn.writing.script import to_traditional

        _quiet()
        poet = TangPoet.from_pretrained("lstm")
    for number, verdict in enumerate(judged, 1):
        suggested = poet.suggest(verdict) if arguments.suggest else []
        if arguments.json:
            told = {"suggestions": [each.to_dict() for each in suggested]} if arguments.suggest else {}
            yield json.dumps(verdict.to_dict(language) | told, ensure_ascii=False)
            continue
        if len(judged) > 1:
            heading = say("judge", "another_poem", {"number": number, "count": len(judged)}, language)
            yield heading if number == 1 else f"\n{heading}"
        yield verdict.format(color, language)
        for each in suggested:
            characters = [one.text for one in each.characters]
            if any(poet.reader.normalize(line.text) != line.text for line in verdict.lines):
                characters = list(map(to_traditional, characters))
            fields = {"line": each.fault.line, "char": each.fault.character, "characters": characters}
            key = "suggested" if characters else "none_suggested"
            yield f"→ {each.fault.name}: {say('judge', key, fields, language)}"


def _text_of(argument: str) -> str:
    """The argument itself, what the file of this name holds, or for ``-`` the input; in whichever encoding."""
    from tang_rnn.encodings import decode

    if argument == "-":
        content = getattr(sys.stdin, "buffer", sys.stdin).read()
        return content if isinstance(content, str) else decode(content)[0]
    if len(argument) < 256 and "\n" not in argument and os.path.isfile(argument):
        with open(argument, "rb") as file:
            return decode(file.read())[0]
    if argument.isascii() and os.path.splitext(argument)[1]:
        raise Fault("no_file", file=argument)
    return argument


def _demo(arguments: argparse.Namespace) -> Iterator[str]:
    """Runs the page's own file: of the checkout, or the copy that the wheel carries."""
    import importlib.util
    from pathlib import Path

    here = Path(__file__).resolve().parent
    for folder in (here / "_demo", here.parent / "demo"):
        if (folder / "app.py").exists():
            break
    if importlib.util.find_spec("gradio") is None:
        raise Fault("no_gradio")
    if arguments.cell:
        os.environ["TANG_RNN_CELLS"] = os.pathsep.join(arguments.cell)
    spec = importlib.util.spec_from_file_location("tang_rnn_demo", folder / "app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    try:
        module.main(arguments.host, arguments.port)
    except OSError as error:
        raise Fault("cannot_listen", why=first_line(error)) from None
    yield from ()


def main(argv: list[str] | None = None) -> int:
    """Runs the command; returns 0, 2 after one line on stderr about what was wrong, or 1 after a fault of its own."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever called
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    try:
        parser = build_parser()
        try:
            arguments = parser.parse_args(argv)
        except SystemExit as stop:  # the help, or a wrong option
            return stop.code or 0
        if arguments.version:
            from importlib.metadata import version

            print(f"tang-rnn {version('tang_rnn')}", flush=True)
            from tang_rnn.recurrence import precision  # brings torch

            print(f"writes in {precision()} here", flush=True)
            return 0
        if arguments.command is None:
            parser.print_help()
            return 0
        run = {"write": _write, "compare": _compare, "check": _check, "demo": _demo}.get(arguments.command, _hand)
        if arguments.command not in ("check", "demo"):
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
    except Fault as fault:
        print(f"tang-rnn: {fault}", file=sys.stderr)
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
    except Exception:  # a fault of this program, for whoever mends it
        traceback.print_exc()
        print("tang-rnn: this is a fault of tang-rnn, not yours; please report what stands above", file=sys.stderr)
        return 1
    return 0


def _drop_output() -> None:
    """What is left for an output that takes no more goes nowhere, not into an error at exit."""
    with suppress(OSError):  # no real file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _quiet() -> None:
    """No progress bars of the libraries among the poems."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


if __name__ == "__main__":
    sys.exit(main())
