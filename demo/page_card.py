"""A poem as a picture: the card that a shared link shows, and the one a visitor keeps.

Set as on the page: columns from right to left, ruled, the title before and the seal behind. A long poem goes on in a
second tier below the first, so that a card is never a strip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path

from page_cells import NAMES, seal_of
from PIL import Image, ImageDraw, ImageFont

FONTS = Path(__file__).resolve().parent / "static" / "font"
SIZES = {"link": (1200, 630), "landscape": (1680, 1260), "portrait": (1242, 1656)}
SIZES |= {"icon": (180, 180), "large": (512, 512)}  # the seal alone
NAME = "一字成诗"
LIGHT = {"paper": "#efe8d8", "sheet": "#faf6ec", "ink": "#231f1a", "rule": "#d8ccb4", "red": "#b3392b"}
DARK = {"paper": "#191714", "sheet": "#211e1a", "ink": "#e8dfcd", "rule": "#4a4238", "red": "#cf5a45"}
EM, ASCENT = 200, 0.88  # dots a side that glyphs are drawn at; the face's em square reaches so far above the baseline

STEP, COLUMN = 1.22, 1.75  # of a character's size: from one to the next, and from one column to the next
LONGEST_LINE, MOST_LINES = 24, 48
MARK = re.compile(r"[，。、；：？！]")


class CannotDraw(ValueError):
    """What was sent is no poem that a card could show."""


@dataclass(frozen=True)
class Card:
    """What stands on a card.

    Attributes:
        text: the poem with its marks; empty: the page's own name.
        title, poet: what stands before it.
        cell: whose seal it bears.
        shape: a key of ``SIZES``.
        dark: light ink on dark paper.
    """

    text: str = ""
    title: str = ""
    poet: str = ""
    cell: str = "lstm"
    shape: str = "link"
    dark: bool = False

    @property
    def lines(self) -> list[str]:
        """The lines with their marks."""
        return re.findall(r"[^，。、；：？！]+[，。、；：？！]?", self.text)

    def verify(self) -> Card:
        """Itself.

        Raises:
            CannotDraw: another shape or cell than there are, or a text no card has room for.
        """
        if self.shape not in SIZES or self.cell not in NAMES:
            raise CannotDraw("no such card")
        if len(self.text) > 400 or len(self.lines) > MOST_LINES or any(len(line) > LONGEST_LINE for line in self.lines):
            raise CannotDraw("the poem is too long for a card")
        if len(self.title) > 24 or len(self.poet) > 12:
            raise CannotDraw("the title is too long for a card")
        return self


@cache
def _faces() -> tuple[list[Path], dict[int, Path]]:
    """The page's fonts, see make_font.py: those of common characters, and the others by their first code point."""
    named = {path.stem.removeprefix("tang").removeprefix("-"): path for path in FONTS.glob("*.woff2")}
    slices = {int(name, 16): path for name, path in named.items() if re.fullmatch("[0-9A-F]{4,5}", name)}
    return [path for name, path in sorted(named.items()) if path not in slices.values()], slices


def _face_of(char: str) -> ImageFont.FreeTypeFont | None:
    """The font that has the character."""
    common, slices = _faces()
    first = max((first for first in slices if first <= ord(char)), default=None)
    rare = [] if first is None else [slices[first]]
    # In a subset, what is missing is drawn as nothing.
    return next((font for font in map(_font, common + rare) if font.getmask(char).getbbox()), None)


@cache
def _font(path: Path) -> ImageFont.FreeTypeFont:
    # One size for all: to open a packed font takes longer than to draw a card.
    return ImageFont.truetype(path, EM)


@lru_cache(maxsize=512)
def _glyph(char: str) -> Image.Image:
    """The character in its square, (EM, EM), ink 255. What no font has becomes 〓, as a printer sets it."""
    square = Image.new("L", (EM, EM))
    draw = ImageDraw.Draw(square)
    face = _face_of(char)
    if face is not None:
        draw.text((0, ASCENT * EM), char, fill=255, font=face, anchor="ls")
    else:
        for top in (0.25, 0.55):
            draw.rectangle((0.1 * EM, top * EM, 0.9 * EM, (top + 0.2) * EM), fill=255)
    return square


class _Pen:
    """Draws characters by their middle."""

    def __init__(self, image: Image.Image):
        self.image, self.draw = image, ImageDraw.Draw(image)

    def set(self, char: str, x: float, y: float, size: float, colour: str) -> None:
        """One character; a mark stands in the upper right of its square, though the face has it lower left."""
        if char.isspace():
            return
        if MARK.match(char):
            x, y = x + 0.6 * size, y - 0.7 * size
        side = max(round(size), 1)
        glyph = _glyph(char).resize((side, side), Image.Resampling.LANCZOS)
        self.image.paste(colour, (round(x - side / 2), round(y - side / 2)), glyph)

    def column(self, text: str, x: float, top: float, size: float, step: float, colour: str) -> None:
        for row, char in enumerate(text):
            self.set(char, x, top + (row + 0.5) * step, size, colour)

    def seal(self, text: str, left: float, top: float, side: float, colours: dict) -> None:
        """Four characters in a red square, read in columns from the right."""
        self.draw.rounded_rectangle((left, top, left + side, top + side), side * 0.07, fill=colours["red"])
        for index, char in enumerate(text):
            x, y = (0.73 if index < 2 else 0.27), (0.73 if index % 2 else 0.27)
            self.set(char, left + x * side, top + y * side, 0.4 * side, colours["sheet"])


def _tiers(lines: int, heading: bool, rows: float, width: float, height: float) -> tuple[int, float]:
    """How many lines stand side by side, in as many tiers as that takes, and how large a character may then be."""
    tiers = range(2, 5) if lines > 4 else ()
    even = [2 * -(-lines // (2 * count)) for count in tiers]  # couplets stay together

    def size(beside: int) -> float:
        tiers = -(-lines // beside)
        return min(width / ((beside + heading + 1.2) * COLUMN), height / (tiers * (rows * STEP + 0.8) - 0.8))

    beside = max([lines, *even], key=lambda count: (round(size(count), 3), count))
    return beside, size(beside)


@lru_cache(maxsize=96)
def draw(card: Card) -> bytes:
    """The card as a PNG.

    Raises:
        CannotDraw: see :meth:`Card.verify`.
    """
    card.verify()
    width, height = SIZES[card.shape]
    colours = DARK if card.dark else LIGHT
    image = Image.new("RGB", (width, height), colours["paper"])
    pen = _Pen(image)
    if card.shape in ("icon", "large"):
        pen.draw.rectangle((0, 0, width, height), fill=colours["red"])
        for index, char in enumerate("唐音"):
            pen.set(char, width / 2, height * (0.29 + 0.42 * index), 0.4 * height, colours["sheet"])
    elif card.text:
        _frame(pen, width, height, colours)
        _poem(pen, card, width, height, colours)
    else:
        _frame(pen, width, height, colours)
        size = 0.17 * height
        left = width / 2 - 2 * size * 1.2
        for index, char in enumerate(NAME):
            pen.set(char, left + (index + 0.5) * size * 1.2, height * 0.44, size, colours["ink"])
        pen.seal(seal_of(card.cell), width / 2 - size / 2, height * 0.62, size, colours)
    file = BytesIO()
    image.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file, "PNG")
    return file.getvalue()


def _frame(pen: _Pen, width: int, height: int, colours: dict) -> None:
    """The thick line and the thin one."""
    edge = round(0.045 * min(width, height))
    thick, gap = max(3, edge // 9), max(8, edge // 3)
    pen.draw.rectangle(
        (edge, edge, width - edge, height - edge), fill=colours["sheet"], outline=colours["ink"], width=thick
    )
    inner = edge + gap
    pen.draw.rectangle((inner, inner, width - inner, height - inner), outline=colours["ink"], width=1)


def _poem(pen: _Pen, card: Card, width: int, height: int, colours: dict) -> None:
    lines, heading = card.lines, bool(card.title or card.poet)
    rows = max(5, *(len(line) - 0.4 for line in lines))  # a mark at the foot takes no whole square
    margin = 0.12 * min(width, height)
    beside, size = _tiers(len(lines), heading, rows, width - 2 * margin, height - 2 * margin)
    size = min(size, 0.085 * max(width, height))
    step, column = STEP * size, COLUMN * size
    tiers = [lines[begin : begin + beside] for begin in range(0, len(lines), beside)]
    tall = rows * step
    gap = 0.9 * size
    first = (height - len(tiers) * (tall + gap) + gap) / 2
    right = width / 2 + (beside + heading + 1) * column / 2  # the seal stands after the last column

    def rule(at: float, top: float) -> None:
        pen.draw.line((at, top - 0.25 * size, at, top + tall + 0.25 * size), fill=colours["rule"], width=2)

    for number, tier in enumerate(tiers):
        top, x = first + number * (tall + gap), right - column / 2
        if heading and number == 0:
            _heading(pen, card, x, top, tall, size, colours["ink"])
            rule(x + column / 2, top)
        x -= column * heading
        rule(x + column / 2, top)
        for line in tier:
            pen.column(line, x, top, size, step, colours["ink"])
            rule(x - column / 2, top)
            x -= column
    side = 1.35 * size
    pen.seal(seal_of(card.cell), x - side / 2 + 0.1 * size, top + tall - side, side, colours)


def _heading(pen: _Pen, card: Card, x: float, top: float, tall: float, size: float, ink: str) -> None:
    """The title at the head of a column, the poet at its foot."""
    characters = 1.3 * len(card.title) + 0.98 * len(card.poet) + 0.6
    small = min(0.62 * size, tall / characters)
    pen.column(card.title, x, top, small, 1.3 * small, ink)
    foot = top + tall - 0.98 * small * len(card.poet)
    pen.column(card.poet, x, foot, 0.78 * small, 0.98 * small, ink)
