"""Cuts the page's typeface: what the models write, its traditional forms, the page's words, and the rest in slices.

    apt-get install fonts-noto-cjk fonts-hanazono
    pip install fonttools brotli
    python demo/make_font.py [NotoSerifCJK-Regular.ttc [HanaMinB.ttf]]

Writes to demo/static/font/. A browser fetches tang.woff2 always, and of the others those it has a character to show
from; page_card.py finds them by their names:

    tang.woff2               what the page always needs
    tang-traditional.woff2   the traditional forms of it
    tang-4E00.woff2 ...      the rest of Unicode's block of Chinese characters from that code point on
    tang-20000.woff2         what Noto Serif lacks of the models' characters, from Hanazono Mincho
"""

import json
import sys
from pathlib import Path

import opencc
from fontTools import subset
from fontTools.ttLib import TTFont

DEMO = Path(__file__).parent
PACKAGE = DEMO.parent / "tang_rnn"
FOLDER = DEMO / "static" / "font"
NOTO = "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc"
HANAZONO = "/usr/share/fonts/truetype/hanazono/HanaMinB.ttf"
SIMPLIFIED_CHINESE = 2  # its place in the collection
LATIN = "".join(map(chr, range(0x20, 0x7F))) + "·×–—‘’“”…→←↑↓−≈½⁄°"
PINYIN = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜüê"
SIGNS = "，。、；：？！「」『』《》〈〉（）【】○●◐◎△▲□印★☆〓"
BLOCK = range(0x4E00, 0xA000)  # CJK Unified Ideographs
SLICE = 0x700  # code points: some 230 KB, as much as a rare character should cost


def characters() -> tuple[set[str], set[str]]:
    """What the page always needs, and the traditional characters beside it."""
    needed = set(LATIN + PINYIN + SIGNS)
    for path in PACKAGE.glob("pretrained/*/tokenizer.json"):
        tokenizer = json.loads(path.read_text(encoding="utf-8"))
        needed |= {token for token in tokenizer["model"]["vocab"] if len(token) == 1}
    for path in (*DEMO.glob("static/*.*"), *DEMO.glob("*.py"), *PACKAGE.glob("words/*.json")):
        needed |= set(path.read_text(encoding="utf-8"))
    for path in PACKAGE.glob("verse/data/*.tsv"):  # of the rhyme tables only the groups' names are shown
        needed |= {char for line in path.read_text(encoding="utf-8").splitlines() for char in line[:20]}
    needed = {char for char in needed if char.isprintable()}
    convert = opencc.OpenCC("s2t").convert
    traditional = set(convert("".join(sorted(needed))))
    for path in PACKAGE.glob("words/zh*.json"):  # by words a character may become another than by itself
        traditional |= set(convert(path.read_text(encoding="utf-8")))
    return needed, {char for char in traditional if char.isprintable()} - needed


def cut(font: TTFont, wanted: set[str], target: Path) -> None:
    """Writes the font's glyphs for the wanted characters, vertical forms included; a file that has them stays."""
    codes = set(map(ord, wanted)) & set(font.getBestCmap())
    if target.exists() and set(TTFont(target).getBestCmap()) == codes:
        return
    options = subset.Options(flavor="woff2", layout_features=["vert", "vrt2", "kern", "ccmp"], hinting=False)
    options.name_IDs, options.drop_tables = [0, 1, 2, 13, 14], [*options.drop_tables, "BASE"]
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)
    font.recalcTimestamp = False  # the same bytes from the same source
    subset.save_font(font, target, options)
    print(f"{target.name}: {len(font.getBestCmap())} characters, {target.stat().st_size:,} bytes")


def ranges(codes: list[int]) -> str:
    """Code points as CSS unicode-range."""
    found: list[list[int]] = []
    for code in sorted(codes):
        if found and code == found[-1][1] + 1:
            found[-1][1] = code
        else:
            found.append([code, code])
    return ",".join(f"U+{a:X}" if a == b else f"U+{a:X}-{b:X}" for a, b in found)


def face(name: str, codes: list[int] | None = None) -> str:
    """A rule of font.css."""
    where = f";unicode-range:{ranges(codes)}" if codes else ""
    return f'@font-face{{font-family:"Tang";font-display:swap;src:url({name})format("woff2"){where}}}\n'


def main(noto: str = NOTO, hanazono: str = HANAZONO) -> None:
    def collection() -> TTFont:
        return TTFont(noto, fontNumber=SIMPLIFIED_CHINESE)

    FOLDER.mkdir(parents=True, exist_ok=True)
    needed, traditional = characters()
    known = set(map(chr, collection().getBestCmap()))
    rules = []
    for first in range(BLOCK.start, BLOCK.stop, SLICE):
        codes = [code for code in range(first, min(first + SLICE, BLOCK.stop)) if chr(code) in known]
        if rest := {chr(code) for code in codes} - needed - traditional:
            name = f"tang-{first:04X}.woff2"
            cut(collection(), rest, FOLDER / name)
            rules.append(face(name, list(range(first, min(first + SLICE, BLOCK.stop)))))
    rare = {char for char in (needed | traditional) - known if ord(char) >= 0x20000}
    cut(TTFont(hanazono), rare, FOLDER / "tang-20000.woff2")
    rules.append(face("tang-20000.woff2", list(map(ord, rare))))
    cut(collection(), traditional, FOLDER / "tang-traditional.woff2")
    rules.append(face("tang-traditional.woff2", list(map(ord, traditional & known))))
    cut(collection(), needed, FOLDER / "tang.woff2")
    rules.append(face("tang.woff2"))  # the last rule is asked first
    (FOLDER / "font.css").write_text("".join(rules), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
