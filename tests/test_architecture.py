"""The house keeps its order: every room is on the map, imports go down, and one of each can be added where it says."""

import ast
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from tang_rnn import TangPoet, TangRNNConfig, TangRNNForCausalLM, verse, words
from tang_rnn.cells import CELLS
from tang_rnn.cli import build_parser
from tang_rnn.faults import Fault
from tang_rnn.rules import Rules, VerseConstraint, Vocabulary
from tang_rnn.verse import FORMS, PINGSHUI, Form, RhymeBook
from tang_rnn.writing import request
from tang_rnn.writing.request import OPTIONS, Option, checked

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tang_rnn"
MODULES = {path for path in PACKAGE.rglob("*.py") if "pretrained" not in path.parts}
MAP = re.findall(r"^\|[^|]*\| `(tang_rnn/[\w/]+\.py)` \|", (ROOT / "ARCHITECTURE.md").read_text("utf-8"), re.M)


def imports(path: Path) -> set[Path]:
    """The modules of the package that one imports when it is loaded itself; not those it imports when it is called."""
    found, here = set(), path.relative_to(ROOT).with_suffix("").parts[:-1]
    tree = ast.parse(path.read_text("utf-8"))
    guarded = {id(node) for each in tree.body if isinstance(each, ast.If) for node in ast.walk(each)}  # TYPE_CHECKING
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom) or id(node) in guarded:
            continue
        base = here[: len(here) - node.level + 1] if node.level else ()
        module = (*base, *(node.module.split(".") if node.module else ()))
        if module[:1] != ("tang_rnn",):
            continue
        for name in [alias.name for alias in node.names]:
            for parts in ((*module, name), module):
                places = ROOT.joinpath(*parts).with_suffix(".py"), ROOT.joinpath(*parts, "__init__.py")
                if where := [place for place in places if place.exists()]:
                    found.add(where[0])
                    break
    return found


def test_every_module_is_on_the_map():
    assert len(MAP) == len(set(MAP)) and {str(path.relative_to(ROOT)) for path in MODULES} == set(MAP)


def test_imports_go_down():
    """A folder's own __init__ gathers what lies in it, so it counts as standing below them for who is outside."""
    order = {ROOT / name: number for number, name in enumerate(MAP)}
    wrong = []
    for path in MODULES:
        for other in imports(path):
            gathers = path.name == "__init__.py" and path.parent in other.parents
            if order[other] > order[path] and not gathers:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {other.relative_to(PACKAGE)}")
    assert not wrong
    assert imports(PACKAGE / "poet.py") >= {PACKAGE / "checkpoint.py", PACKAGE / "writing" / "search.py"}


def test_no_room_is_too_large():
    long = {path.name: len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert {name for name, lines in long.items() if lines > 400} <= {"modeling_tang_rnn.py"}


@pytest.mark.parametrize("room", ["verse", "writing.request", "faults", "words"])
def test_rooms_for_everyone_import_nothing_heavy(room):
    code = (
        "import sys, types; package = sys.modules['tang_rnn'] = types.ModuleType('tang_rnn')\n"
        f"package.__path__ = [sys.argv[1]]; import tang_rnn.{room}\n"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, PACKAGE]).returncode == 0


# -- one of each ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def poet():
    return TangPoet.from_pretrained("gru")


def test_a_cell_is_one_entry(poet, monkeypatch):
    """A GRU by another name, with weights of its own, writes by both ways through the network."""
    monkeypatch.setitem(CELLS, "another", replace(CELLS["gru"]))
    config = TangRNNConfig(vocab_size=len(poet.tokenizer), embedding_size=8, hidden_size=8, cell_type="another")
    writer = TangPoet(TangRNNForCausalLM(config), poet.tokenizer)
    poem = writer.write("春", form="五绝", regulated=True, candidates=2, seed=1)
    assert poem.cell == "another" and poem.prosody.ok
    told = writer.reader.context("五绝", "", "")[0]
    assert writer.score(poem.text, told, skip=1) == pytest.approx((poem.log_prob, poem.characters), abs=1e-2)


def test_a_form_is_one_entry(poet, monkeypatch):
    monkeypatch.setitem(FORMS, "六绝", Form("六绝", "<杂言>", 6, 4, 4, False, "six-character quatrain"))
    poem = poet.write("春", form="六绝", rhyme="一东", seed=1)
    assert [len(line) for line in poem.lines] == [6] * 4 and poem.form == "六绝"
    assert verse.check(poem.text, "六绝").form == "六绝"


def test_a_rhyme_book_is_one_object_and_its_table(poet, tmp_path):
    table = tmp_path / "book.tsv"
    rows = "section\tname\tsure\tother\ttoday\n上平\t甲\t春风花月山水明\t\t\n去声\t乙\t夜雨\t\t\n"
    table.write_text(rows, encoding="utf-8")
    book = RhymeBook("新编", table)
    vocabulary = Vocabulary(poet.tokenizer, book)
    constraint = VerseConstraint(Rules(form="五绝", rhyme="甲"), vocabulary, poet.tokenizer.bos_token_id)
    ids = poet.tokenizer("夜夜夜夜夜，夜夜夜夜", return_tensors="pt").input_ids
    allowed = constraint.allowed(ids)[0].nonzero()[:, 0].tolist()
    assert {vocabulary.tokens[token] for token in allowed} <= set("春风花月山水明") and allowed
    assert verse.check("夜夜夜夜春，夜夜夜夜风。", book=book).book == "新编" != PINGSHUI.name
    assert "甲" in str(verse.check("夜夜夜夜春，夜夜夜夜风。" * 2, book=book)), (
        "a book of one's own is told by its groups"
    )


def test_an_option_is_one_entry_and_where_it_acts(poet, monkeypatch):
    warmth = Option("warmth", float, 1.0, "how warm it is", "drawing", least=0, most=2)
    monkeypatch.setattr(request, "OPTIONS", MappingProxyType(dict(OPTIONS) | {"warmth": warmth}))
    monkeypatch.setattr("tang_rnn.cli.OPTIONS", request.OPTIONS)
    assert build_parser().parse_args(["write", "--warmth", "1.5"]).warmth == 1.5
    with pytest.raises(SystemExit):
        build_parser().parse_args(["write", "--warmth", "3"])
    assert checked({}, ["warmth"]) == {"warmth": 1.0}
    with pytest.raises(Fault, match="warmth must be a number between 0 and 2, not 9"):
        checked({"warmth": 9}, ["warmth"])

    @request.takes("warmth")
    def write(**options):
        """Writes.

        Args:
            {options}
        """

    assert "warmth: how warm it is; from 0 to 2." in write.__doc__


def test_a_language_is_one_file(tmp_path, monkeypatch):
    english = words.languages()["en"]
    theirs = {section: {key: f"({value})" for key, value in each.items()} for section, each in english.items()}
    for name, content in (("en", english), ("xx", theirs)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    words.languages.cache_clear()
    try:
        fault = Fault("too_long", name="opening", count=9, most=5)
        assert fault.say("xx") == "((the opening) is too long: 9 characters, at most 5)"
        assert words.languages()["xx"]["page"]["write"] == "(Write)"
        assert build_parser().parse_args(["check", "春", "--language", "xx"]).language == "xx"
    finally:
        monkeypatch.undo()
        words.languages.cache_clear()
