"""Bytes of a Chinese text to the text, whichever of the usual encodings they are in."""

from __future__ import annotations

import codecs
import functools
import re

from .faults import Fault

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's does, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CANDIDATES = ("gb18030", "big5hkscs", "utf-16-le", "utf-16-be")  # of a file that is no UTF-8 and has no mark
PLAIN = re.compile(r"[\x20-\x7e\s，。？！；：、（）《》“”‘’「」『』·…—\u3000]")
SAMPLE = 1 << 20  # bytes that are looked at


@functools.cache
def common_characters() -> frozenset[str]:
    """The common characters of both scripts: the first planes of GB 2312 and Big5, which are sorted by use."""
    simplified = (bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    traditional = (bytes((high, low)) for high in range(0xA4, 0xC7) for low in (*range(0x40, 0x7F), *range(0xA1, 0xFF)))
    return frozenset(
        [*(pair.decode("gb2312", "ignore") for pair in simplified)]
        + [*(pair.decode("big5", "ignore") for pair in traditional)]
    )


def likeness(text: str) -> float:
    """The share of a text's characters that a Chinese text is made of."""
    common = common_characters()
    return sum(character in common or bool(PLAIN.match(character)) for character in text) / max(1, len(text))


def decode(content: bytes) -> tuple[str, str]:
    """The text and the name of its encoding.

    UTF-8 says of itself whether it is right. Of the others the one counts that gives the most common characters. A few
    bytes that are none of the encoding's become U+FFFD.

    Raises:
        Fault: it is text in none of them.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace"), encoding.upper()
    try:
        text = content.decode("utf-8")
        if "\0" not in text:
            return text, "UTF-8"
    except UnicodeDecodeError:
        pass
    sample = content[:SAMPLE]
    found = {encoding: likeness(sample.decode(encoding, "replace")) for encoding in ("utf-8", *CANDIDATES)}
    best = max(found, key=found.__getitem__)  # the first of equals
    if found[best] < 0.6 or "\0" in sample.decode(best, "replace"):
        raise Fault("no_text")
    return content.decode(best, "replace"), "Big5" if best == "big5hkscs" else best.upper()


__all__ = ["decode"]
