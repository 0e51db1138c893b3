"""Poems from wherever people keep them: a file of any usual kind, a folder of such files, or a dataset on the Hub.

Text (see :mod:`.layouts`), csv and other tables with a separator, json, jsonl, parquet, xlsx. Columns are found by
their usual names in both languages, or by what is in them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq

from tang_rnn.encodings import decode
from tang_rnn.faults import first_line

from .cleaning import HAN
from .errors import CorpusError
from .layouts import Found, bare_poet, read, segments, verse

TEXT, TABLE, OBJECTS, LINES = {".txt", ".text", ".md"}, {".csv", ".tsv"}, {".json"}, {".jsonl", ".ndjson"}
KINDS = TEXT | TABLE | OBJECTS | LINES | {".parquet", ".xlsx"}
HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
NAMES = {
    "text": "text poem poems content contents paragraphs paragraph para body verse verses lines 内容 內容 正文 诗 詩 "
    "诗文 詩文 诗歌 詩歌 诗词 詩詞 诗句 詩句 原文 全文 文本 作品 词 詞 诗词内容 诗歌内容",
    "title": "title name rhythmic 题目 題目 标题 標題 诗题 詩題 题 題 诗名 詩名 篇名 名称 名稱 词牌 詞牌 词牌名 詞牌名 "
    "曲牌",
    "poet": "author poet writer 作者 诗人 詩人 作家 姓名 词人",
}
ROLES = {name: role for role, names in NAMES.items() for name in names.split()}
NUMBERED = "column {}"  # what a column is called that has no name
# In JSON text: a pair of halves or any other escape, which stays; else half of a character.
HALF = re.compile(r"(\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|\\[^u])|\\u[dD][89a-fA-F]\w\w")
INSIDE = ("data", "poems", "rows", "items", "train", "records")  # keys of objects that hold nothing but the poems
csv.field_size_limit(1 << 24)


@dataclass
class Source:
    """What was read: the poems, and how each file was understood, a line each."""

    poems: list[Found] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)


def read_source(name: str, column: str | None = None) -> Source:
    """The poems of a file, a folder or a Hub id.

    Args:
        column: the name of the column that holds the poems, or its number from 1.

    Raises:
        CorpusError: there is no such thing, or it cannot be read; with what to do.
    """
    path, source = Path(name), Source()
    if path.is_dir():
        _read_folder(path, column, source)
    elif path.is_file():
        _read_file(path, shown(path.name), column, source)
    elif HUB_ID.fullmatch(name) and path.suffix not in KINDS:
        _read_hub(name, column, source)
    else:
        raise CorpusError(f"there is no file or folder {name}; a dataset on the Hub has an id such as someone/poems")
    return source


def _read_folder(folder: Path, column: str | None, source: Source) -> None:
    if any((folder / name).exists() for name in ("dataset_dict.json", "state.json")):  # Dataset.save_to_disk
        from datasets import DatasetDict, load_from_disk

        loaded = load_from_disk(str(folder))
        tables = loaded.values() if isinstance(loaded, DatasetDict) else [loaded]
        rows = (row for table in tables for row in table)
        return _read_rows(_numbered(rows, f"{folder.name} row"), column, source, folder.name, "a saved dataset")
    hidden = [p for p in folder.rglob("*") if any(part.startswith(".") for part in p.relative_to(folder).parts)]
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p not in set(hidden))
    known = [p for p in files if p.suffix.lower() in KINDS and not _is_about(p)]
    if not known:
        kinds = " ".join(sorted(KINDS))
        raise CorpusError(f"{folder} holds no file of poems ({kinds}), but {len(files)} others")
    for path in known:
        _read_file(path, shown(path.relative_to(folder).as_posix()), column, source)
    if others := [shown(p.relative_to(folder).as_posix()) for p in files if p not in known]:
        source.understood.append(f"left out, as no poems: {', '.join(others[:5])}{', …' if len(others) > 5 else ''}")


def shown(name: str) -> str:
    """A file's name as it can be written; one that came out of another system's archive may be in no encoding."""
    return os.fsencode(name).decode("utf-8", "replace")


def _is_about(path: Path) -> bool:
    """Whether a file in a folder is about the poems: README.md, dataset_infos.json."""
    return bool(re.fullmatch(r"(readme|license|dataset_infos?|copying|changelog)(\..*)?", path.name.lower()))


def _read_file(path: Path, name: str, column: str | None, source: Source) -> None:
    try:
        kind = path.suffix.lower()
        if kind == ".parquet":
            table = pq.read_table(path)
            rows = (row for batch in table.to_batches(1000) for row in batch.to_pylist())
            return _read_rows(_numbered(rows, f"{name} row"), column, source, name, "parquet")
        if kind == ".xlsx":
            return _read_table(_sheet(path), column, source, name, "a spreadsheet")
        content = path.read_bytes()
        if kind == ".xls" or content[:4] in (b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"%PDF"):
            raise CorpusError(f"{path} is no text: save it as text, csv (UTF-8) or xlsx")
        text, encoding = decode(content)
        if kind in OBJECTS | LINES:
            _read_json(text, kind in LINES, column, source, name, encoding)
        elif kind in TABLE:
            separator = "\t" if kind == ".tsv" else _separator(text)
            _check_quotes(text, separator)
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=False)
            numbered = ((f"{name} line {rows.line_num}", row) for row in rows)
            called = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "strokes"}[separator]
            _read_table(numbered, column, source, name, f"{encoding}, {called}")
        else:
            poems = read(text, name)
            source.poems += poems
            titles, poets = (sum(bool(getattr(poem, part)) for poem in poems) for part in ("title", "poet"))
            source.understood.append(f"{name}: {encoding} text; {len(poems)} poems, {titles} titles, {poets} poets")
    except (OSError, ValueError, pa.ArrowException, csv.Error, zipfile.BadZipFile, KeyError) as error:
        raise CorpusError(f"cannot read {path}: {first_line(error)}") from error


def _numbered(rows: Iterable, called: str, first: int = 1) -> Iterator[tuple[str, object]]:
    return ((f"{called} {number}", row) for number, row in enumerate(rows, first))


# ---------------------------------------------------------------------------------------------------------- tables


def _separator(text: str) -> str:
    """The separator of a table: what gives the first lines the most columns, as many in each."""

    def columns(separator: str) -> tuple[float, int]:
        rows = []
        for row in csv.reader(io.StringIO(text[:100_000], newline=""), delimiter=separator):
            rows.append(len(row))
            if len(rows) == 50:
                break
        usual = max({*rows}, key=rows.count, default=1)
        return rows.count(usual) / max(1, len(rows)) if usual > 1 else 0.0, usual

    return max(",\t;|", key=columns)


def _check_quotes(text: str, separator: str) -> None:
    """Raises ValueError where a quotation mark is never closed: all rows behind it would be one."""
    rows, begun = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 1
    try:
        for _ in rows:
            begun = rows.line_num + 1
    except csv.Error as error:
        if "end of data" in str(error):
            raise ValueError(f"line {begun}: a quotation mark is opened and never closed") from None


def _read_table(
    numbered: Iterable[tuple[str, list[str]]], column: str | None, source: Source, name: str, how: str
) -> None:
    """A table whose first row may or may not be its header."""
    rows = [(where, row) for where, row in numbered if any(cell.strip() for cell in row)]
    if not rows:
        raise CorpusError(f"{name} is empty")
    header = [cell.strip().strip("\ufeff").strip() for cell in rows[0][1]]
    known = {ROLES.get(_plain(cell)) for cell in header} - {None}
    has_header = bool(known) or (column or "") in header or not any(segments(cell) >= 2 for cell in header)
    if has_header and len(rows) > 1:
        rows = rows[1:]
    else:
        header = [NUMBERED.format(number) for number in range(1, len(header) + 1)]

    def fields() -> Iterator[tuple[str, object]]:
        for where, row in rows:
            if any(cell.strip() for cell in row[len(header) :]):
                yield where, f"it has {len(row)} columns where the first row has {len(header)}"
            else:
                yield where, dict(zip(header, row))

    _read_rows(fields(), column, source, name, how, header)


def _sheet(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The rows of a workbook's first sheet (Office Open XML, ECMA-376), its cells as text."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        strings = []
        if "xl/sharedStrings.xml" in names:
            for item in ElementTree.fromstring(archive.read("xl/sharedStrings.xml")).iter(f"{space}si"):
                strings.append("".join(text.text or "" for text in item.iter(f"{space}t")))
        sheets = sorted(
            (n for n in names if re.fullmatch(r"xl/worksheets/sheet\d+\.xml", n)), key=lambda n: (len(n), n)
        )
        if not sheets:
            raise ValueError("it holds no sheet")
        for row in ElementTree.fromstring(archive.read(min(sheets, key=lambda name: (len(name), name)))).iter(
            f"{space}row"
        ):
            cells: list[str] = []
            for cell in row.iter(f"{space}c"):
                letters = re.match(r"[A-Z]*", cell.get("r", ""))[0]
                place = 0
                for letter in letters:
                    place = 26 * place + ord(letter) - 64
                cells += [""] * (place - 1 - len(cells))
                value = cell.find(f"{space}v")
                if cell.get("t") == "s" and value is not None:
                    cells.append(strings[int(value.text)])
                elif cell.get("t") == "inlineStr":
                    cells.append("".join(text.text or "" for text in cell.iter(f"{space}t")))
                else:
                    cells.append(value.text or "" if value is not None else "")
            yield f"{path.name} row {row.get('r', '?')}", cells


# ------------------------------------------------------------------------------------------------------------ json


def _read_json(text: str, lines: bool, column: str | None, source: Source, name: str, encoding: str) -> None:
    how = f"{encoding} {'JSON lines' if lines else 'JSON'}"
    if not lines:
        try:
            content = _loads(text)
        except (ValueError, RecursionError) as error:
            if not _parses(text.lstrip().split("\n", 1)[0]):
                where = f"line {error.lineno} column {error.colno}: {error.msg}" if hasattr(error, "lineno") else error
                raise CorpusError(f"{name} is not valid JSON: {where}") from None
            lines, how = True, f"{encoding} JSON lines"  # under another name
        else:
            return _read_rows(_numbered(_poems_in(content, name), f"{name} poem"), column, source, name, how)

    def objects() -> Iterator[tuple[str, object]]:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    yield f"{name} line {number}", _loads(line)
                except (ValueError, RecursionError) as error:
                    yield f"{name} line {number}", f"not valid JSON: {error}"

    _read_rows(objects(), column, source, name, how)


def _loads(text: str) -> object:
    """The value of a JSON text; half of a character is a lost one."""
    return json.loads(HALF.sub(lambda match: match[1] or r"\ufffd", text))


def _parses(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | str)
    except (ValueError, RecursionError):
        return False


def _poems_in(content: object, name: str) -> list:
    """The poems of a JSON value: a list of them, one alone, titles with texts, or any of these inside an object."""
    if isinstance(content, dict):
        for key in INSIDE:
            if isinstance(content.get(key), list | dict):
                return _poems_in(content[key], name)
        if not any(ROLES.get(_plain(key)) == "text" for key in content) and content:
            if all(isinstance(value, list | dict) for value in content.values()):
                return [poem for value in content.values() for poem in _poems_in(value, name)]
            if all(isinstance(value, str) for value in content.values()):
                return [{"title": key, "text": value} for key, value in content.items()]
        return [content]
    if isinstance(content, list):
        return content
    raise CorpusError(f"{name} holds no list of poems")


# ------------------------------------------------------------------------------------------------------------- Hub


def _read_hub(name: str, column: str | None, source: Source) -> None:
    from datasets import load_dataset

    try:
        loaded = load_dataset(name)
    except Exception as error:  # datasets has a class for each way of failing
        raise CorpusError(
            f"there is no file or folder {name}, and no such dataset can be had from the Hub: {first_line(error)}"
        ) from error
    rows = (
        (f"{name} {split} row {number}", row) for split, table in loaded.items() for number, row in enumerate(table, 1)
    )
    _read_rows(rows, column, source, name, "a dataset on the Hub")


# --------------------------------------------------------------------------------------------------------- columns


def _plain(name: object) -> str:
    return re.sub(r"[\s_\-:：]", "", str(name)).strip("\ufeff").lower()


def _text(value: object) -> str | None:
    """A value as the text of a poem, lists joined line by line; None where it is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and all(isinstance(item, str | list | tuple) for item in value):
        return "\n".join(_text(item) or "" for item in value)
    return "" if value is None else None


def _read_rows(
    numbered: Iterable[tuple[str, object]],
    column: str | None,
    source: Source,
    name: str,
    how: str,
    header: list[str] | None = None,
) -> None:
    """Rows as objects (or bare texts, or a reason why one is none) to poems."""
    rows = list(numbered)
    if not rows:
        raise CorpusError(f"{name} is empty")
    objects = [row for _, row in rows if isinstance(row, dict)]
    header = header or list(dict.fromkeys(key for row in objects for key in row))
    roles = _roles(header, objects, column, name) if objects else {}
    for where, row in rows:
        poem = Found("", where=where)
        source.poems.append(poem)
        if isinstance(row, dict):
            value = row.get(roles["text"])
            text = _text(value)
            if text is None:
                poem.reason = (
                    f"{roles['text']} is no text but {json.dumps(value, ensure_ascii=False, default=str)[:40]}"
                )
                continue
            poem.text = text
            poem.title, poem.poet = ((_text(row.get(roles.get(part))) or "").strip() for part in ("title", "poet"))
            poem.poet = bare_poet(poem.poet)
        elif isinstance(row, str) and re.search(rf"[{HAN}]", row):
            poem.text = row
        elif isinstance(row, list) and _text(row):
            poem.text = _text(row)
        else:
            poem.reason = row if isinstance(row, str) else f"no poem but {_short(row)}"
    parts = [f"{_PLURAL[part]} in {roles[part]}" for part in ("text", "title", "poet") if part in roles]
    source.understood.append(f"{name}: {how}; {', '.join(parts) or 'bare texts'}")


def _short(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:40]


_PLURAL = {"text": "poems", "title": "titles", "poet": "poets"}


def _roles(header: list[str], objects: list[dict], column: str | None, name: str) -> dict[str, str]:
    """Which column holds text, title and poet.

    Raises:
        CorpusError: none holds poems, or none can be told from the others.
    """
    roles: dict[str, str] = {}
    for role, names in NAMES.items():
        for wanted in names.split():
            if match := [key for key in header if _plain(key) == wanted]:
                roles.setdefault(role, match[0])
    has = ", ".join(map(str, header)) or "none"
    if column is not None:
        chosen = header[int(column) - 1] if column.isdigit() and 0 < int(column) <= len(header) else column
        if chosen not in header:
            raise CorpusError(f"{name} has no column {column}; it has {has}")
        roles = {role: key for role, key in roles.items() if key != chosen} | {"text": chosen}
    elif "text" not in roles:
        sample = objects[:200]
        share = {
            key: sum(segments(_text(row.get(key)) or "") >= 2 for row in sample) / len(sample)
            for key in header
            if key not in roles.values()
        }
        likely = [key for key, value in share.items() if value > 0.5]
        if len(likely) != 1:
            raise CorpusError(f"which column of {name} holds the poems? It has {has}; name one with --text")
        roles["text"] = likely[0]
    return roles | _beside(header, objects[:200], roles["text"]) if header[0] == NUMBERED.format(1) else roles


def _beside(header: list[str], rows: list[dict], text: str) -> dict[str, str]:
    """Which columns of a table without a header hold titles and poets, where there are one or two beside the poems.

    Poets are those of which there are fewer, or whose names are shorter.
    """
    others = {key: [str(row.get(key) or "").strip() for row in rows] for key in header if key != text}
    said = {key: values for key, values in others.items() if any(re.search(rf"[{HAN}]", value) for value in values)}
    if any(segments(value) > 1 or len(value) > 40 for values in said.values() for value in values):
        return {}
    found = sorted(said, key=lambda key: (len({*said[key]}), sum(map(len, said[key]))), reverse=True)
    return dict(zip(("title", "poet"), found)) if len(found) <= 2 else {}


__all__ = ["Source", "read_source", "verse"]
