"""中华通韵 and 中华新韵 a second time, from pypinyin alone: what is written by our books is clean by these."""

import sys

import pytest
from pypinyin import Style, pinyin

from tang_rnn import TangPoet

# A group a line, of pypinyin's finals: v is ü, and -i the vowel of 知 and 资. 教育部 2019, 中华诗词学会 2005.
BOOKS = {
    "中华通韵": """a ia ua|o uo|e ie ve|i -i|u|v|ai uai|ei uei|ao iao|ou iou|an ian uan van|en in uen vn|ang iang uang
eng ing ueng|ong iong|er""",
    "中华新韵": """a ia ua|o e uo|ie ve|ai uai|ei uei|ao iao|ou iou|an ian uan van|en in uen vn|ang iang uang
eng ing ueng ong iong|i er v|-i|u""",
}
BENT = "一不"  # their tone bends to the next one's: bú jiàn
FORMS = ("五绝", "七绝", "五律", "七律")
# 平起 and 仄起 by the second character of five: the line that opens so and rhymes, and the one that does not.
LINES = {("平", True): "?平仄仄平", ("平", False): "?平?仄仄", ("仄", True): "?仄仄平平", ("仄", False): "?仄?平仄"}


def heard(line):
    """The tone and the final of each character as pypinyin reads the line, 不 and the 头 of 上头 in their own tone."""
    finals = [each[0] for each in pinyin(line, style=Style.FINALS_TONE3, neutral_tone_with_five=True)]
    initials = [each[0] for each in pinyin(line, style=Style.INITIALS)]
    finals = [
        pinyin(char, style=Style.FINALS_TONE3)[0][0] if char in BENT or read[-1] == "5" else read
        for char, read in zip(line, finals, strict=True)
    ]
    for initial, final in zip(initials, finals, strict=True):
        sound = "-i" if final[:-1] == "i" and initial in ("zh", "ch", "sh", "r", "z", "c", "s") else final[:-1]
        yield "平" if final[-1] in "12" else "仄" if final[-1] in "34" else "轻", sound


def faults(lines, book):
    """What breaks the rules by the second book: (line, what), each line from 1."""
    groups = [set(part.split()) for part in BOOKS[book].replace("\n", "|").split("|")]
    read = [list(heard(line)) for line in lines]
    tones = ["".join(tone for tone, _ in line)[-5:] for line in read]
    found, opening = [], tones[0][1]
    first_rhymes = tones[0][-1] == "平"
    for i, string in enumerate(tones):
        rhymes = i % 2 == 1 or i == 0 and first_rhymes
        if i:  # 对 within a couplet, 粘 between couplets
            opening = {"平": "仄", "仄": "平"}[opening] if i % 2 else opening
        for place, (tone, wanted) in enumerate(zip(string, LINES[opening, rhymes], strict=True)):
            if wanted not in ("?", tone):
                found.append((i + 1, f"{place} {wanted}"))
        if len(lines[i]) == 7 and read[i][1][0] == opening:
            found.append((i + 1, "二四"))
        if opening == "平" and rhymes and string[0] == string[2] == "仄":
            found.append((i + 1, "孤平"))
    ends = [i for i in range(len(lines)) if i % 2 or not i and first_rhymes]
    if not any(all(read[i][-1][1] in group for i in ends) for group in groups):
        found.append((0, "".join(lines[i][-1] for i in ends)))
    if len({lines[i][-1] for i in ends}) < len(ends):
        found.append((0, "重韵"))
    return found


@pytest.fixture(scope="module")
def poet():
    return TangPoet.from_pretrained("lstm")


@pytest.mark.parametrize("book", BOOKS)
def test_what_is_written_by_a_book_is_clean_by_the_other_one_of_its_name(poet, book):
    for form in FORMS:
        for poem in poet.write(["春", "月", "山"], form=form, regulated=True, rhyme_book=book, seed=7):
            assert faults(poem.lines, book) == [], poem.text


@pytest.mark.parametrize("book", BOOKS)
def test_the_other_book_sees_faults(book):
    clean = "春到江南处处新，家家门外柳成阴。东风昨夜吹残梦，又送花香入小村。".replace("。", "，").split("，")[:4]
    assert faults(clean, book) == []
    assert faults([clean[0], clean[1][:-1] + "山", *clean[2:]], book) == [(0, "新山村")]
    assert faults([clean[0], "家" + "月" + clean[1][2:], *clean[2:]], book)
    assert faults([*clean[:2], clean[2][:-1] + "楼", clean[3]], book)


def main(count: int) -> None:
    """``PYTHONPATH=. python tests/test_books_of_today.py 1000``: so many poems by each book, and how many are clean."""
    poet, most = TangPoet.from_pretrained("lstm"), 50
    for book in BOOKS:
        clean = written = 0
        while written < count:
            options = dict(form=FORMS[written // most % len(FORMS)], seed=written, count=min(most, count - written))
            poems = list(poet.write(regulated=True, rhyme_book=book, candidates=1, **options))
            written, clean = written + len(poems), clean + sum(not faults(poem.lines, book) for poem in poems)
            print(book, clean, "of", written, "clean", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
