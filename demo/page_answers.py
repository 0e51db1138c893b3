"""What the endpoints answer: a poem as they give it; and all of it as JSON schemas, the output schemas of the tools and
the returns of the docstrings."""

from __future__ import annotations

from tang_rnn.writing.poem import Poem
from tang_rnn.writing.script import to_traditional


def _value(kind: str | list[str], about: str, **more) -> dict:
    return {"type": kind, "description": about} | more


def _text(about: str) -> dict:
    return _value("string", about)


def _name(about: str) -> dict:
    """A text, or null."""
    return _value(["string", "null"], about)


def _number(about: str, kind: str | list[str] = "number") -> dict:
    return _value(kind, about)


def _list(about: str, items: dict) -> dict:
    return _value("array", about, items=items)


def _record(about: str, **fields: dict) -> dict:
    """An object that has all these fields; others may join them in a later version."""
    return _value("object", about, properties=fields, required=[*fields])


def _by_name(about: str, values: dict) -> dict:
    return _value("object", about, additionalProperties=values)


_STRING = {"type": "string"}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_REMARK = {
    "key": _text("what it is, for programs"),
    "message": _text("a sentence in English"),
    "line": _number("the line meant, from 1; null: the whole poem", ["integer", "null"]),
}
_POEM = {
    "text": _text("the poem, with its marks"),
    "lines": _list("its lines without marks", _STRING),
    "form": _text("its form"),
    "cell": _text("the cell that wrote it"),
    "opening": _text("what it was given to begin with"),
    "seed": _number("gives the same poem again", "integer"),
    "log_prob": _number("natural log probability of what was written"),
    "characters": _number("how many characters and marks, and the end, were written: log_prob is of these", "integer"),
    "quotes": _list("lines of it that stand in a poem the cell was trained on", _STRING),
    "prosody": _record(
        "how it keeps the rules of regulated verse",
        book=_text("the rhyme book it is judged by"),
        pattern=_name("the tonal pattern it follows or comes nearest to; null for old-style forms"),
        rhyme_group=_name("the group it rhymes in; null if in no single one"),
        violations=_list("names of the rules it breaks", _STRING),
    ),
    "done": _value("boolean", "false while it is being written; then there is nothing but the text so far", const=True),
    "poet": _text("the poet it imitates; empty: none"),
    "title": _text("its title; empty: none"),
    "traditional": _by_name("text, title and poet in traditional characters", _STRING),
    "per_character": _number("natural log probability per character written"),
    "milliseconds": _number("a processor's time per character, where it was measured", ["number", "null"]),
}
_JUDGED = {
    "ok": _value("boolean", "no rule is broken, of those that were judged"),
    "clean": _value("boolean", "form, tones and rhyme were all judged, and no rule is broken"),
    "form": _text("the form; 联 for a lone couplet, 句 for a lone line"),
    "book": _text("the rhyme book it was judged by"),
    "pattern": _name("the tonal pattern it follows or comes nearest to; null for old-style forms"),
    "rhyme_group": _name("the group it rhymes in; null if in no single one"),
    "lines": _list(
        "each line",
        _record(
            "a line as judged",
            text=_text("its characters"),
            tones=_text("their tones, a letter each: 平 level, 仄 oblique, 中 either, ？ unknown"),
            expected=_name("the tones that the pattern asks for; null where none applies"),
            kind=_name("the kind of line, a A b B; null where no pattern applies"),
            rhymes=_value("boolean", "whether it is to rhyme"),
        ),
    ),
    "violations": _list(
        "each broken rule",
        _record(
            "a broken rule",
            **_REMARK,
            name=_text("失对 失粘 出律 孤平 三平尾 句脚 出韵 重韵 or 格式"),
            position=_number("the character meant, from 1; null: the whole line", ["integer", "null"]),
            character=_text("that character"),
        ),
    ),
    "notes": _list("what is unusual yet no fault", _record("a note", **_REMARK)),
    "judged": _list("what was judged, of form, tones, rhyme", _STRING),
    "summary": _record("the verdict in one sentence", **_REMARK),
    "title": _text("as the text names it; empty if it does not"),
    "poet": _text("as the text names it; empty if it does not"),
    "aside": _list("what was set aside of the text", {"type": "object"}),
}

_LINE = {
    "text": _text("the line"),
    "traditional": _text("in traditional characters"),
    "log_prob": _number("natural log probability of what was written of it"),
}

ANSWERS = {
    "write": _record("a poem", **_POEM),
    "compare": _record(
        "the poems of the three cells",
        seed=_number("the seed of them all", "integer"),
        poems=_list(
            "a poem of each cell",
            _record(
                "a poem",
                **_POEM,
                judged_by=_by_name("what each cell gives it, as per_character, by cell", {"type": "number"}),
                parameters=_number("of the cell that wrote it", "integer"),
            ),
        ),
    ),
    "acrostic": _record(
        "a poem",
        **_POEM,
        phrase=_text("what is hidden in it"),
        tail=_value("boolean", "whether at the ends of the lines"),
    ),
    "check": _record(
        "the verdict on the first poem",
        **_JUDGED,
        others=_list("the verdicts on further poems of the text", _record("a verdict", **_JUDGED)),
    ),
    "alternatives": _record(
        "what else could stand there",
        alternatives=_list(
            "likeliest poem first",
            _record(
                "an alternative",
                text=_text("a character, or two"),
                traditional=_text("in traditional characters, as it would stand there"),
                log_prob=_number("natural log probability of the whole poem with it"),
                breaks=_list("the rules it would break", _record("a broken rule", **_REMARK, name=_text("its name"))),
                mends=_list("names of rules that are broken now and would not be", _STRING),
            ),
        ),
    ),
    "revise": _record("a poem", **_POEM),
    "appraise": _record("a poem", **_POEM | {"seed": _number("null: it was not written by one", ["integer", "null"])}),
    "next_lines": _record(
        "lines to choose from",
        seed=_number("gives the same lines again", "integer"),
        lines=_list("the best first", _record("a line", **_LINE)),
    ),
    "answer": _record(
        "lines that answer the line",
        seed=_number("gives the same lines again", "integer"),
        lines=_list(
            "the best first",
            _record(
                "a line",
                **_LINE,
                tones=_list("the tones of both lines of the couplet, as check gives them", _STRING),
                first=_value("boolean", "whether it comes before the line that it answers"),
                parallel=_number("how readily its characters stand opposite the line's; by chance about 0"),
            ),
        ),
    ),
    "suggest": _record(
        "what would mend the poem's faults",
        suggestions=_list(
            "for each fault that has a place",
            _record(
                "a fault",
                name=_text("its name"),
                line=_number("from 1", "integer"),
                position=_number("of the character in its line, from 1", "integer"),
                characters=_list("what mends it and breaks nothing else, best first", _STRING),
            ),
        ),
    ),
    "inside": _record(
        "what went on in the network",
        cell=_text("the cell that read"),
        text=_text("the text as it was read"),
        characters=_list(
            "each character",
            _record(
                "a character",
                text=_text("the character"),
                probability=_number("what the network gave it"),
                rank=_number("its place among all, from 1", "integer"),
                alternatives=_list("the likeliest instead of it, each with its probability", {"type": "array"}),
            ),
        ),
        units=_number("rows of the tables below, slow units first", "integer"),
        gates=_by_name("each gate, in hundredths, a row for each unit", {"type": "array", "items": _NUMBERS}),
        gate_means=_by_name("the mean of each gate", {"type": "number"}),
        states=_by_name("each state, in hundredths, a row for each unit", {"type": "array", "items": _NUMBERS}),
        echo=_value(
            "array", "how much of a changed character is left in the state, by distance", items=_NUMBERS["items"]
        ),
        half_life=_number("characters after which half of that is left; null: never", ["number", "null"]),
    ),
}


def returns(name: str) -> str:
    """What an endpoint answers, as one line of its docstring."""
    answer = ANSWERS[name]
    fields = "; ".join(f"{field}: {told['description']}" for field, told in answer["properties"].items())
    return f"    {answer['description']}, as an object. {fields}."


def told(poem: Poem, cell: str, seconds: float | None = None) -> dict:
    """A poem as the endpoints give it, by the page's name of the cell."""
    return poem.to_dict() | {
        "cell": cell,
        "done": True,
        "characters": poem.characters,
        "poet": poem.poet,
        "title": poem.title,
        "traditional": {name: to_traditional(getattr(poem, name)) for name in ("text", "title", "poet")},
        "per_character": round(poem.log_prob / max(poem.characters, 1), 4),
        "milliseconds": None if seconds is None else round(1000 * seconds / len(poem.text), 2),
    }
