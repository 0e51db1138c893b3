"""One's own poems: read from wherever they are, cleaned as the corpus is, none twice, and what was made of them."""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tang_rnn.verse import STOP

from .cleaning import HAN, QUOTES, SOURCE_MARKS, clean, read_variants
from .duplicates import apart_from, drop_duplicates
from .errors import CorpusError
from .layouts import Found, verse
from .sources import read_source

MIN_LINES, MIN_CHARACTERS = 2, 8  # a couplet is a poem where somebody says so
MAX_LINE = 30  # modern verse has long lines
HELD_OUT = 50  # poems, or a tenth where that is less
REASONS = {
    "empty": "there is nothing in it",
    "lacuna": "a character is lost",
    "too short": f"fewer than {MIN_LINES} lines or {MIN_CHARACTERS} characters",
    "prose": f"a line of more than {MAX_LINE} characters",
    "annotation": "a bracket that is never closed",
    "other characters": "characters that are not Chinese",
}


@dataclass
class OwnPoems:
    """The poems of a source.

    Attributes:
        rows: as the corpus has them (text, lines, form, poet, title), and `where` each was read.
        dropped: where, reason, title and text of what is none.
        understood: how each file was read, a line each.
    """

    rows: list[dict] = field(default_factory=list)
    dropped: list[tuple[str, str, str, str]] = field(default_factory=list)
    understood: list[str] = field(default_factory=list)

    def report(self, examples: int = 3) -> str:
        """What a poet wants to know before the cell learns from it."""
        forms = Counter(row["form"] for row in self.rows).most_common()
        poets = Counter(row["poet"] for row in self.rows if row["poet"]).most_common()
        titled = sum(bool(row["title"]) for row in self.rows)
        lines = [*self.understood, f"{len(self.rows):,} poems: " + ", ".join(f"{form} {n:,}" for form, n in forms)]
        named = ", ".join(f"{poet} {count:,}" for poet, count in poets[:5])
        lines.append(f"{titled:,} with a title; poets: {named or 'none named'}{', …' if len(poets) > 5 else ''}")
        if self.dropped:
            reasons = Counter(reason.split(":")[0] for _, reason, _, _ in self.dropped).most_common()
            lines.append(f"{len(self.dropped):,} left out: " + ", ".join(f"{reason} {n:,}" for reason, n in reasons))
        step = max(1, len(self.rows) // examples)
        for row in self.rows[::step][:examples]:
            name = " ".join(filter(None, (f"<{row['form']}>", row["poet"], row["title"] and f"《{row['title']}》")))
            text = row["text"].replace(STOP, STOP + " ").strip()
            lines.append(f"  {name} {text if len(text) <= 60 else text[:60] + '…'}")
        return "\n".join(lines)

    def write_dropped(self, path: Path) -> None:
        """A table of what was left out, that spreadsheets open rightly."""
        with open(path, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("where", "reason", "title", "text"))
            writer.writerows(self.dropped)


def plain(text: str) -> str:
    """The text with what keyboards and editors add made into the marks and brackets that cleaning knows."""
    text = unicodedata.normalize("NFC", re.sub("[\u200b-\u200f\u2060\ufe00-\ufe0f\U000e0100-\U000e01ef]", "", text))
    text = re.sub(r"[\[［【（(〔]\s*\d+\s*[\]］】）)〕]|[\u2460-\u24ff]", "", text)  # numbers of notes
    text = re.sub(rf"([{HAN}])[々〻]", r"\1\1", text)
    text = re.sub(r"[—–―…‥～~·・•|/\\]+", "，", text)
    text = text.translate(
        {ord("("): "（", ord(")"): "）", ord("【"): "（", ord("】"): "）", ord("〔"): "（", ord("〕"): "）"}
    )
    return "".join(c for c in text if unicodedata.category(c) not in ("So", "Sk", "Cc") or c in "\n\t○□●◎\ufffd")


def clean_own(found: Found, variants: dict[str, str]) -> tuple[dict | None, str]:
    """A poem as the corpus has its poems, or None and the reason why it is none."""
    if found.reason:
        return None, found.reason
    raw = {"title": found.title, "author": found.poet, "paragraphs": [plain(verse(found.text))]}
    row, reason = clean(raw, variants, MIN_LINES, MAX_LINE, edition=False)
    if row and sum(map(len, row["lines"])) < MIN_CHARACTERS:
        reason = "too short"
    elif row:
        return row | {"where": found.where}, ""
    reason = REASONS.get(reason, reason)
    if reason == REASONS["other characters"]:
        others = re.sub(rf"[{HAN}{re.escape(SOURCE_MARKS)}\s]", "", QUOTES.sub("", raw["paragraphs"][0]))
        reason += ": " + "".join(dict.fromkeys(others))[:20]
    return None, reason


def gather(names: Iterable[str], column: str | None = None) -> OwnPoems:
    """The poems of files, folders and datasets; `column` is the one that holds the poems.

    Raises:
        CorpusError: there is nothing to read, or no poem in it.
    """
    variants, own, rows = read_variants(), OwnPoems(), []
    for name in names:
        source = read_source(name, column)
        own.understood += source.understood
        for found in source.poems:
            row, reason = clean_own(found, variants)
            if row:
                rows.append(row)
            else:
                own.dropped.append((found.where, reason, found.title, found.text))
    own.rows = drop_duplicates(rows)
    kept = {row["text"]: row["where"] for row in own.rows}
    for row in rows:
        if (first := kept[row["text"]]) != row["where"]:
            own.dropped.append((row["where"], f"the same again: {first}", row["title"], row["text"]))
    if not own.rows:
        reasons = Counter(reason for _, reason, _, _ in own.dropped).most_common(1)
        why = f", but {len(own.dropped)} times: {reasons[0][0]}" if reasons else ""
        raise CorpusError(f"there is no poem in {', '.join(names)}{why}")
    return own


def hold_out(rows: list[dict], count: int | None = None) -> tuple[list[dict], list[dict]]:
    """The poems to learn and some to measure by, none of which shares half its lines with one to learn.

    Which are held out follows from their texts alone, so that a larger collection holds out most of the same.

    Args:
        count: of poems to hold out; None: 50, or a tenth where that is less.
    """
    count = max(1, min(HELD_OUT, len(rows) // 10)) if count is None else count
    order = sorted(rows, key=lambda row: sha256(row["text"].encode()).digest())
    held: list[dict] = []
    for start in range(0, len(order), 2 * count):
        candidates = order[start : start + 2 * count]
        places = {id(row) for row in candidates}
        held += apart_from(candidates, [row for row in order if id(row) not in places])
        if len(held) >= count or start > 10 * count:
            break
    held = held[:count] or order[:count]  # a collection of nothing but variants
    places = {id(row) for row in held}
    return [row for row in rows if id(row) not in places], held


__all__ = ["OwnPoems", "clean_own", "gather", "hold_out"]
