"""Cuts the page's typeface out of Noto Serif CJK: the models' characters, their traditional forms, the page's words.

    apt-get install fonts-noto-cjk        # or any copy of NotoSerifCJK-Regular.ttc
    pip install fonttools brotli
    python demo/make_font.py [NotoSerifCJK-Regular.ttc]

Writes two files to demo/static/font/; the browser fetches the second only where a traditional character is shown.
"""

import json
import sys
from pathlib import Path

import opencc
from fontTools import subset
from fontTools.ttLib import TTFont

DEMO = Path(__file__).parent
INSTALLED = "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc"
SIMPLIFIED_CHINESE = 2  # its place in the collection
LATIN = "".join(map(chr, range(0x20, 0x7F))) + "·×–—‘’“”…→←↑↓−≈½⁄°"
SIGNS = "，。、；：？！「」『』《》〈〉（）【】○●◐◎△▲□印"


def characters() -> tuple[set[str], set[str]]:
    """What the page always needs, and the traditional characters beside it."""
    tokenizer = json.loads((DEMO.parent / "tang_rnn/pretrained/lstm/tokenizer.json").read_text(encoding="utf-8"))
    needed = set(LATIN + SIGNS) | {token for token in tokenizer["model"]["vocab"] if len(token) == 1}
    for path in (*DEMO.glob("static/*.*"), *DEMO.glob("*.py"), DEMO.parent / "tang_rnn/verse/data/pingshui.tsv"):
        words = path.read_text(encoding="utf-8")
        # Of the rhyme table only the groups' names are shown.
        needed |= {char for line in words.splitlines() for char in (line[:20] if path.suffix == ".tsv" else line)}
    needed = {char for char in needed if char.isprintable()}
    traditional = set(opencc.OpenCC("s2t").convert("".join(sorted(needed)))) - needed
    return needed, traditional


def cut(source: str, wanted: set[str], target: Path) -> None:
    """Writes the font's glyphs for the wanted characters, vertical forms included."""
    options = subset.Options(flavor="woff2", layout_features=["vert", "vrt2", "kern", "ccmp"], hinting=False)
    options.name_IDs, options.drop_tables = [0, 1, 2, 13, 14], [*options.drop_tables, "BASE"]
    font = TTFont(source, fontNumber=SIMPLIFIED_CHINESE)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=map(ord, wanted))
    subsetter.subset(font)
    font.recalcTimestamp = False  # the same bytes from the same source
    subset.save_font(font, target, options)
    print(f"{target.name}: {len(font.getBestCmap())} characters, {target.stat().st_size:,} bytes")


def ranges(wanted: set[str]) -> str:
    """The characters as CSS unicode-range."""
    found: list[list[int]] = []
    for code in sorted(map(ord, wanted)):
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return ",".join(f"U+{a:X}" if a == b else f"U+{a:X}-{b:X}" for a, b in found)


if __name__ == "__main__":
    source = sys.argv[1] if len(sys.argv) > 1 else INSTALLED
    folder = DEMO / "static" / "font"
    folder.mkdir(parents=True, exist_ok=True)
    needed, traditional = characters()
    cut(source, needed, folder / "tang.woff2")
    cut(source, traditional, folder / "tang-traditional.woff2")
    face = '@font-face{{font-family:"Tang";font-display:swap;src:url({})format("woff2"){}}}\n'
    (folder / "font.css").write_text(
        face.format("tang.woff2", "") + face.format("tang-traditional.woff2", f";unicode-range:{ranges(traditional)}"),
        encoding="utf-8",
    )
