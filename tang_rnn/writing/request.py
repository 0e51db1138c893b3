"""The options of writing, once: names, types, limits, defaults, help.

The command's arguments, the signatures of :class:`tang_rnn.TangPoet`'s methods and those of the page's endpoints are
built from :data:`OPTIONS`, and what is given is checked by it. A further option is one entry here, and whatever acts on
it. Nothing heavy is imported.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature, cleandoc, signature
from numbers import Integral, Real
from operator import index
from types import MappingProxyType
from typing import Any, Literal

from ..faults import PoetError
from ..verse import FORMS, PINGSHUI, RHYME_BOOKS, split_lines

LONGEST = 400  # characters of a text that is given
MOST_CANDIDATES = 128
REQUIRED = Parameter.empty  # as the default of an option that must be given


@dataclass(frozen=True)
class Option:
    """What may be given for one option.

    Attributes:
        name: as in a call.
        type: str, int, float, bool, list for words, set for lines, or dict for characters by (line, place); with
            `or_true` also True.
        default: where nothing is given; None where the program then decides.
        help: what it does, for the command's help and docstrings.
        group: of the command's help: rules, hints to the model, drawing.
        least, above, most: limits of a number; `above` is not itself allowed.
        longest: characters of a text.
        choices: all values there are, where they are few.
        each: whether a text without a space is a list of its characters.
        flag: the command's name for it, where it is another.
        metavar: what stands for its value in the command's help.
    """

    name: str
    type: type
    default: Any
    help: str
    group: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    longest: int = LONGEST
    choices: tuple = ()
    each: bool = False
    or_true: bool = False
    flag: str = ""
    metavar: str | None = None

    def check(self, value: Any) -> Any:
        """The value, as its type and within its limits; None is as if nothing were given.

        Raises:
            PoetError: naming the option.
        """
        if value is None:
            if self.default is REQUIRED:
                raise PoetError("missing", name=self.name)
            return self.default
        if self.choices and self.type is int and isinstance(value, str):
            value = next((each for each in self.choices if str(each) == value), value)  # chosen from a list of names
        if self.choices and value not in self.choices:
            raise PoetError("one_of", name=self.name, known=[each for each in self.choices if each != ""])
        if self.or_true and isinstance(value, bool):
            return value
        return _CHECKS[self.type](self, value)

    def parse(self, text: str) -> Any:
        """The value that a command's argument means.

        Raises:
            PoetError: as :meth:`check`.
        """
        if self.type in (int, float):
            try:
                return self.check(self.type(text))
            except (ValueError, OverflowError) as error:
                if isinstance(error, PoetError):
                    raise
                raise self._out_of_limits(text) from None
        if self.type is dict:
            return self.check(dict([_place(self.name, text)]))
        return self.check(text)

    def to_dict(self) -> dict:
        """Type, default and limits, ready for ``json.dumps``."""
        limits = ("least", "above", "most") if self.type in (int, float) else ("longest",) if self.type is str else ()
        told = {name: getattr(self, name) for name in limits if getattr(self, name) is not None}
        names = {str: "text", int: "whole", float: "number", bool: "flag", list: "words", set: "lines", dict: "places"}
        told |= {"choices": list(self.choices)} if self.choices else {}
        default = None if self.default is REQUIRED else self.default
        return {"name": self.name, "type": names[self.type], "default": default} | told

    def schema(self) -> dict:
        """The same as a JSON schema."""
        names = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object"}
        limits = {"least": "minimum", "above": "exclusiveMinimum", "most": "maximum", "longest": "maxLength"}
        told = {
            "enum" if name == "choices" else limits.get(name, name): value for name, value in self.to_dict().items()
        }
        told |= {"type": names[self.type], "description": self.describe()}
        return {name: value for name, value in told.items() if name != "name" and (name, value) != ("default", None)}

    def parameter(self, kind=Parameter.POSITIONAL_OR_KEYWORD) -> Parameter:
        """What it is in a signature."""
        # Gradio's clients make names of choices; a number is to stay one.
        annotation = Literal[self.choices] if self.choices and self.type is str else self.type
        if self.default is None:
            annotation = annotation | None
        return Parameter(self.name, kind, default=self.default, annotation=annotation)

    def describe(self) -> str:
        """Its help with its limits, for a docstring."""
        if self.choices:
            return f"{self.help}; one of {' '.join(str(each) for each in self.choices if each != '')}"
        if self.type is str and self.longest < LONGEST:
            return f"{self.help}; at most {self.longest} characters"
        if self.type in (int, float) and None not in (self.least, self.most):
            return f"{self.help}; from {self.least} to {self.most}"
        return self.help

    def _out_of_limits(self, value: Any) -> PoetError:
        """The error for a number that is none, or not within the limits."""
        fields = {"name": self.name, "value": value if isinstance(value, (int, float)) else repr(value)}
        if self.above is not None:
            return PoetError("number_above", **fields, least=self.above, most=self.most)
        if self.most is None:
            return PoetError("whole_from", **fields, least=self.least)
        key = "whole_between" if self.type is int else "number_between"
        return PoetError(key, **fields, least=self.least, most=self.most)


def _text(option: Option, value: Any) -> str:
    if not isinstance(value, str):
        raise PoetError("not_text", name=option.name)
    if len(value) > option.longest:
        raise PoetError("too_long", name=option.name, count=len(value), most=option.longest)
    return value


def _number(option: Option, value: Any) -> int | float:
    if option.type is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON does not tell 7 from 7.0
    kind = Integral if option.type is int else Real
    inside = isinstance(value, kind) and not isinstance(value, bool)  # numpy's numbers too
    inside = (
        inside and (option.least is None or value >= option.least) and (option.most is None or value <= option.most)
    )
    if not inside or (option.above is not None and value <= option.above):
        raise option._out_of_limits(value)
    return option.type(value)


def _truth(option: Option, value: Any) -> bool:
    if not isinstance(value, bool):
        raise PoetError("not_flag", name=option.name)
    return value


def _words(option: Option, value: Any) -> tuple[str, ...]:
    """Words, from a list of them or a text with spaces or marks between them."""
    if isinstance(value, str):
        words = split_lines(value)
        value = tuple(value) if option.each and words == [value] else words
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, str) for word in value):
        raise PoetError("not_words", name=option.name)
    if (count := len("".join(value))) > option.longest:
        raise PoetError("too_long", name=option.name, count=count, most=option.longest)
    return tuple(dict.fromkeys(word for text in value for word in split_lines(text)))


def _lines(option: Option, value: Any) -> tuple[int, ...]:
    """Numbers of lines, from one, several, or a text with them."""
    if isinstance(value, str):
        value = [int(number) if number.isdecimal() else 0 for number in split_lines(value)]
    numbers = [value] if isinstance(value, Real) else value
    try:
        return tuple(sorted({int(_number(LINE, number)) for number in numbers}))
    except (TypeError, PoetError):
        raise PoetError("not_lines", name=option.name) from None


def _places(option: Option, value: Any) -> tuple:
    """Characters by (line, place), as sorted pairs; from a mapping, or from texts such as ``2:3=月``."""
    try:
        given = value.split() if isinstance(value, str) else value.items() if isinstance(value, Mapping) else value
        pairs = [_place(option.name, each) if isinstance(each, str) else each for each in given]
        places = sorted((index(line), index(place), char) for (line, place), char in pairs)
    except (TypeError, ValueError) as error:
        raise error if isinstance(error, PoetError) else PoetError("not_places", name=option.name) from None
    if not all(isinstance(char, str) and len(char) == 1 for _, _, char in places):
        raise PoetError("not_places", name=option.name)
    return tuple(((line, place), char) for line, place, char in places)


def _place(name: str, text: str) -> tuple[tuple[int, int], str]:
    """``2:3=月``, as the command takes it."""
    where, _, char = text.replace("：", ":").replace("＝", "=").partition("=")
    line, _, place = where.partition(":")
    if not (line.isdecimal() and place.isdecimal() and len(char) == 1):
        raise PoetError("not_places", name=name)
    return (int(line), int(place)), char


_CHECKS: dict[type, Callable[[Option, Any], Any]] = {
    str: _text,
    int: _number,
    float: _number,
    bool: _truth,
    list: _words,
    set: _lines,
    dict: _places,
}

_RULES, _HINTS, _DRAWING = "rules", "hints to the model", "drawing"

OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        option.name: option
        for option in (
            Option("opening", str, "", "first characters of the poem, such as 春; empty: any"),
            Option(
                "form", str, None, f"{' '.join(FORMS)}; default: the model's choice, or what the rules need", _RULES
            ),
            Option(
                "num_lines",
                int,
                None,
                "lines, for a form of free length",
                _RULES,
                1,
                most=200,
                flag="lines",
                metavar="N",
            ),
            Option("regulated", bool, False, "keep a tonal pattern and rhyme (近体)", _RULES),
            Option("pattern", str, None, "a tonal pattern by name, such as 七绝平起首句入韵", _RULES),
            Option(
                "rhyme",
                str,
                None,
                "rhyme group such as 一东; 'own': the poem's own choice, as an acrostic's is; 'none'",
                _RULES,
                or_true=True,
                metavar="GROUP",
            ),
            Option(
                "rhyme_book",
                str,
                PINGSHUI.name,
                f"the book that rules tones and rhyme: {' '.join(RHYME_BOOKS)}, or 通韵 新韵 for short",
                _RULES,
                metavar="BOOK",
            ),
            Option("acrostic", str, "", "characters that begin the lines (藏头)", _RULES, metavar="TEXT"),
            Option("acrostic_tail", str, "", "characters that end the lines (藏尾)", _RULES, metavar="TEXT"),
            Option(
                "fixed", dict, (), "a character by line and place, such as 2:3=月", _RULES, flag="fix", metavar="L:P=C"
            ),
            Option("include", list, (), "a word that must occur, such as 琵琶", _RULES, longest=28, metavar="WORD"),
            Option("rhyme_words", str, "", "ends of the lines that rhyme, in order (步韵)", _RULES, metavar="TEXT"),
            Option(
                "avoid",
                list,
                (),
                "characters that must not occur, or, with spaces between, words",
                _RULES,
                each=True,
                metavar="TEXT",
            ),
            Option("poet", str, "", "a poet to imitate, such as 李白", _HINTS),
            Option("title", str, "", "a title or theme, such as 送别", _HINTS),
            Option("count", int, 1, "poems for each opening", _DRAWING, 1, metavar="N"),
            Option("seed", int, None, "same seed, same poem; default: another each time", _DRAWING, 0, most=2**53 - 1),
            Option("candidates", int, None, "write N, keep the best", _DRAWING, 1, most=MOST_CANDIDATES, metavar="N"),
            Option("temperature", float, 0.8, "below 1 the expected, above 1 the unusual", _DRAWING, above=0, most=10),
            Option("top_k", int, 64, "draw from the K likeliest characters; 0: all", _DRAWING, 0, metavar="K"),
            Option(
                "top_p",
                float,
                0.9,
                "draw from the likeliest characters that make up this much",
                _DRAWING,
                above=0,
                most=1,
            ),
            Option("num_beams", int, 1, "beam search with so many beams", _DRAWING, 1, most=16, metavar="N"),
            Option(
                "repetition_penalty", float, 1.0, "above 1: characters written recur less", _DRAWING, above=0, most=10
            ),
        )
    }
)
LINE = Option("line", int, REQUIRED, "a line, from 1", least=1)
# What is given where a hand is laid on a poem that stands.
HAND: Mapping[str, Option] = MappingProxyType(
    {
        option.name: option
        for option in (
            LINE,
            Option("place", int, REQUIRED, "a character in its line, from 1", least=1),
            Option("count", int, 6, "how many lines, best first", least=1, most=32, metavar="N"),
            Option("most", int, 12, "how many, best first", least=1, most=64),
            Option("keep", set, (), "lines that stay word for word, from 1", metavar="N"),
            Option("first", bool, None, "the answer comes before the line; default: if that ends in a level tone"),
            Option("characters", int, 1, "1, or 2 for words of two characters", least=1, most=2),
        )
    }
)
# Fields of Sampling; how many poems and which random numbers is not how a character is drawn.
SAMPLING = tuple(
    name for name, option in OPTIONS.items() if option.group == _DRAWING and name not in ("count", "seed", "candidates")
)
# Fields of Rules; by which book these are kept is no rule of its own.
RULES = tuple(name for name, option in OPTIONS.items() if option.group == _RULES and name != "rhyme_book")
# Rules that can be others when a poem is revised: those that give no characters by place.
REVISED = ("regulated", "pattern", "rhyme", "include", "avoid")
# What each way to lay a hand on a poem takes of the options of writing.
REVISING = ("fixed", *REVISED, *(name for name in OPTIONS if name not in (*RULES, "opening", "count")))
_DRAWN = ("seed", *(name for name in SAMPLING if name != "num_beams"))
CONTINUING = (*RULES, "rhyme_book", "poet", "title", *_DRAWN)
ANSWERING = ("rhyme_book", "poet", "title", *(name for name in _DRAWN if name != "repetition_penalty"))


def checked(given: Mapping[str, Any], names: Iterable[str] = tuple(OPTIONS), unknown: str = "no_option") -> dict:
    """What was given, each within its limits, and the defaults of the rest.

    Args:
        names: of the options there are.
        unknown: key of the error for any other.

    Raises:
        PoetError: naming the first option that is wrong.
    """
    names = tuple(names)
    if others := sorted(map(str, set(given) - set(names))):
        raise PoetError(unknown, names=others, known=list(names))
    values = {name: OPTIONS[name].check(given.get(name)) for name in names}
    if values.get("num_beams", 1) > 1 and (values.get("count", 1) > 1 or values.get("candidates") is not None):
        raise PoetError("beams_draw_nothing")
    return values


def takes(*names: str):
    """Decorates a function that takes these options as keywords: its signature and docstring name them.

    In the docstring they stand where there is a line ``{options}``.
    """

    def decorate(function):
        own = [each for each in signature(function).parameters.values() if each.kind is not Parameter.VAR_KEYWORD]
        options = [OPTIONS[name].parameter(Parameter.KEYWORD_ONLY) for name in names]
        function.__signature__ = Signature([*own, *options])
        lines = "\n".join(f"    {name}: {OPTIONS[name].describe()}." for name in names)
        function.__doc__ = cleandoc(function.__doc__).replace("    {options}", lines)
        return function

    return decorate


def new_seed() -> int:
    """A seed of its own for each call, independent of ``random`` and ``torch``."""
    return random.SystemRandom().randrange(2**31)


__all__ = [
    "ANSWERING",
    "CONTINUING",
    "HAND",
    "OPTIONS",
    "REQUIRED",
    "REVISED",
    "REVISING",
    "RULES",
    "SAMPLING",
    "Option",
    "checked",
    "new_seed",
    "takes",
]
