"""Files that one command writes and another, or a person, reads: JSON objects, and Markdown with tables and places that
are filled in."""

from __future__ import annotations

import json
import re
from pathlib import Path

from .errors import PaperError


def read_json(path: Path, missing: dict | None = None) -> dict:
    """The JSON object in a file.

    Args:
        missing: what it is where there is no such file; None: an error.

    Raises:
        PaperError: it cannot be read, or is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if missing is not None:
            return missing
        raise PaperError(f"cannot read {path}: {error.strerror}") from None
    except OSError as error:
        raise PaperError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise PaperError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(found, dict):
        raise PaperError(f"{path} holds no JSON object")
    return found


def table(rows: list[list[str]]) -> str:
    """A table of Markdown whose first row are heads, its first column names, all else figures."""
    head, *body = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "|---" + "|--:" * (len(rows[0]) - 1) + "|", *body])


def put(text: str, name: str, content: str, path: Path) -> str:
    """The text with the content between ``<!-- name: … -->`` and ``<!-- end -->``.

    Raises:
        PaperError: it has no such place; `path` is where it stands.
    """
    marked = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- end -->)", re.DOTALL)
    if not marked.search(text):
        raise PaperError(f"{path} has no place marked <!-- {name}: … --> … <!-- end -->")
    return marked.sub(lambda match: f"{match[1]}{content}\n{match[2]}", text)
