# ruff: noqa: F811  (fixtures are arguments)
"""A hand on the poem, in Chromium: touch a character, take another, keep lines, have the rest anew, undo."""

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from page import CI
from playwright.sync_api import Page, expect
from test_browser import AXE, DONE, browser, poem, visit  # noqa: F401

from tang_rnn.verse import check, split_lines

SHEET, UNDER = "[data-sheet=write]", "[data-under=write]"
CHOICES = ".side:has([data-sheet=write]) > .choices"
READY = f"{SHEET}:not([aria-busy])"


def at(page: Page, line: int, place: int):
    return page.locator(f"{SHEET} [data-line='{line}'][data-place='{place}']")


def touch(page: Page, line: int, place: int) -> list[str]:
    """Touches a character; gives the alternatives that appear."""
    at(page, line, place).click()
    page.wait_for_selector(f"{CHOICES} [data-choice]")
    return page.locator(f"{CHOICES} [data-choice] b").all_text_contents()


def take(page: Page, index: int) -> None:
    before = poem(page)
    page.click(f"{CHOICES} [data-choice] >> nth={index}")
    expect(page.locator(CHOICES)).to_be_hidden()
    page.wait_for_selector(READY)
    assert poem(page) != before


def anew(page: Page, button: str = f"{UNDER} [data-hand=rest]") -> None:
    before = poem(page)
    page.click(button)
    page.wait_for_function(
        "before => [...document.querySelectorAll('[data-sheet=write] .poem span')]"
        ".map(span => span.textContent).join('') !== before",
        arg=before,
    )
    page.wait_for_selector(READY)


def test_touch_take_the_second_keep_two_lines_the_rest_anew_undo(visit):
    page = visit(opening="江", form="七律", seed=5)
    page.wait_for_selector(DONE)
    texts = [poem(page)]
    second = touch(page, 3, 4)[1]
    assert "合律" in page.get_attribute(f"{CHOICES} [data-choice] >> nth=1", "aria-label")
    take(page, 1)
    texts.append(poem(page))
    assert split_lines(texts[1])[2][3] == second
    for line in (2, 5):
        page.click(f"{SHEET} .lock >> nth={line - 1}")
    anew(page)
    texts.append(poem(page))
    before, after = split_lines(texts[1]), split_lines(texts[2])
    assert after[1] == before[1] and after[4] == before[4]  # the lines that are kept
    assert after[2][3] == second and after[0][0] == "江"  # what was taken, and what the poem was asked to begin with
    assert sum(one != other for one, other in zip(before, after)) == 6
    for text in texts:
        assert check(text, "七律").clean
    expect(page.locator(f"{UNDER} .colophon")).to_contain_text("七律")
    expect(page.locator(f"{UNDER} .colophon")).not_to_contain_text("种子")  # none writes it again
    for text in (texts[1], texts[0]):
        page.click(f"{UNDER} [data-hand=undo]")
        assert poem(page) == text
    expect(page.locator(f"{UNDER} .colophon")).to_contain_text("种子 5")
    expect(page.locator(f"{UNDER} [data-hand=undo]")).to_be_disabled()
    page.click(f"{UNDER} [data-hand=redo]")
    assert poem(page) == texts[1]


def test_words_and_rhymes_that_are_asked_for_stand_in_the_poem_and_stay_in_it(visit):
    page = visit(form="七绝")
    page.check("[data-form=write] [name=form][value=七绝]", force=True)
    page.click("[data-form=write] .settings summary")
    page.fill("[data-form=write] [name=include]", "琵琶、明月")
    page.fill("[data-form=write] [name=rhyme_words]", "樓流 秋")
    page.fill("[data-form=write] [name=avoid]", "愁")
    page.click("[data-form=write] .go")
    page.wait_for_selector(DONE)

    def as_asked(text: str) -> bool:
        lines = split_lines(text)
        words = all(any(word in line for line in lines) for word in ("琵琶", "明月"))
        return words and [lines[row][-1] for row in (0, 1, 3)] == list("楼流秋") and "愁" not in text

    first = poem(page)
    assert as_asked(first) and check(first, "七绝").clean
    given = dict(parse_qsl(urlsplit(page.url).query))
    assert (given["include"], given["rhyme_words"], given["avoid"]) == ("琵琶 明月", "樓流秋", "愁")
    anew(page)
    assert poem(page) != first and as_asked(poem(page)) and check(poem(page), "七绝").clean
    del given["text"]  # written anew by those who open it
    other = visit(**given)
    other.wait_for_selector(DONE)
    assert poem(other) == first
    assert other.input_value("[data-form=write] [name=include]") == "琵琶 明月"


def test_what_cannot_be_asked_for_together_is_said(visit):
    page = visit(form="五绝")
    page.click("[data-form=write] .settings summary")
    page.fill("[data-form=write] [name=rhyme_words]", "楼山")
    page.press("[data-form=write] [name=rhyme_words]", "Enter")
    expect(page.locator("[data-word=write]")).to_contain_text("山")
    page.check("[data-form=write] [name=form][value='']", force=True)  # lines that nobody knows yet have no ends
    for name in ("include", "rhyme_words", "rhyme"):
        expect(page.locator(f"[data-form=write] [name={name}]")).to_be_disabled()
    page.click("[data-form=write] .go")
    page.wait_for_selector(DONE)


def test_the_line_is_mended_and_nothing_else(visit):
    page = visit(opening="月", form="五律", seed=2)
    page.wait_for_selector(DONE)
    touch(page, 4, 2)
    take(page, 0)
    for _ in range(3):  # another each time
        before = split_lines(poem(page))
        touch(page, 4, 2)
        anew(page, f"{CHOICES} [data-hand=line]")
        after = split_lines(poem(page))
        assert [line for line in range(8) if before[line] != after[line]] == [3]
        assert after[3][1] == before[3][1] and check(poem(page), "五律").clean


def test_words_of_two_characters_and_traditional_ones(visit):
    page = visit(opening="云", form="五绝", seed=1, script="t")
    page.wait_for_selector(DONE)
    touch(page, 2, 3)
    page.check(f"{CHOICES} [name=characters][value='2']", force=True)
    expect(page.locator(f"{CHOICES} [data-choice] b >> nth=0")).to_have_text(re.compile("^..$"))
    word = page.inner_text(f"{CHOICES} [data-choice] b >> nth=2")
    take(page, 2)
    assert split_lines(poem(page))[1][2:4] == word
    touch(page, 2, 5)
    expect(page.locator(f"{CHOICES} [name=characters][value='2']")).to_be_disabled()  # the line ends


def test_the_address_holds_what_the_hand_has_done(visit):
    page = visit(opening="秋", form="五绝", seed=4)
    page.wait_for_selector(DONE)
    touch(page, 1, 3)
    take(page, 2)
    page.click(f"{SHEET} .lock >> nth=3")
    text = poem(page)
    given = dict(parse_qsl(urlsplit(page.url).query))
    assert given["text"] == text and given["keep"] == "4" and given["hold"] == "1:1 1:3" and "seed" not in given
    other = visit(**given)
    other.wait_for_selector(DONE)
    expect(other.locator(f"{SHEET} .lock[aria-pressed=true]")).to_have_count(1)
    expect(other.locator(f"{SHEET} .held")).to_have_count(2)
    expect(other.locator(f"{UNDER} .colophon")).to_contain_text(f"韵 {check(text).rhyme_group}")
    assert poem(other) == text
    anew(other)
    old, new = split_lines(text), split_lines(poem(other))
    assert (new[3], new[0][0], new[0][2]) == (old[3], old[0][0], old[0][2])
    page.reload()
    page.wait_for_selector(DONE)
    assert poem(page) == text


def test_the_hand_reaches_all_by_keys(visit):
    page = visit(opening="夜", form="五绝", seed=1)
    page.wait_for_selector(DONE)
    first = poem(page)
    assert page.locator(f"{SHEET} .char[tabindex='0']").count() == 1
    at(page, 1, 1).focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):  # columns run down and to the left
        page.keyboard.press(key)
    assert "第 2 句第 3 字" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{CHOICES} [data-choice]:focus")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator(CHOICES)).to_be_hidden()
    assert "第 2 句第 3 字" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    second = poem(page)
    assert second != first
    page.keyboard.press("Control+z")
    assert poem(page) == first
    page.keyboard.press("Control+Shift+z")
    assert poem(page) == second
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{CHOICES} [data-choice]:focus")
    page.keyboard.press("Escape")
    expect(page.locator(CHOICES)).to_be_hidden()
    assert "第 2 句第 3 字" in page.evaluate("document.activeElement.getAttribute('aria-label')")


def test_what_cannot_be_kept_together_is_said_and_changes_nothing(visit):
    page = visit(opening="春", form="五绝", seed=1)
    page.wait_for_selector(DONE)
    for line in range(4):
        page.click(f"{SHEET} .lock >> nth={line}")
    before = poem(page)
    page.click(f"{UNDER} [data-hand=rest]")
    expect(page.locator("[data-word=write]")).to_contain_text("没有可写的")
    assert poem(page) == before


def test_the_pattern_lies_over_the_poem(visit):
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层流。"  # a rhyme word twice
    page = visit(opening="白", form="五绝", text=text)
    page.wait_for_selector(DONE)
    page.click(f"{UNDER} [data-hand=tones]")
    expect(at(page, 4, 5)).to_have_attribute("data-tone", "○")
    tones = page.locator(f"{SHEET} .char").evaluate_all("all => all.map(char => char.dataset.tone)")
    signs = {"平": "○", "仄": "●", "中": "◐"}
    assert tones == [signs[tone] for line in check(text).lines for tone in line.tones]
    expect(page.locator(f"{SHEET} .char.rhyme")).to_have_text(["流", "流"])
    expect(page.locator(f"{SHEET} .char.fault")).to_have_text(["流"])
    found = touch(page, 4, 5)
    mending = page.locator(f"{CHOICES} [data-choice]:not(.breaks) >> nth=0")
    assert "重韵" in mending.get_attribute("aria-label") and found  # mends it
    mending.click()
    expect(page.locator(f"{SHEET} .char.fault")).to_have_count(0)
    page.click(f"{UNDER} [data-hand=tones]")
    expect(page.locator(f"{SHEET} [data-tone]")).to_have_count(0)


def test_a_hand_of_one_finger(visit):
    page = visit(width=390, height=844, opening="月", form="七律", seed=1)
    page.wait_for_selector(DONE)
    for line, place in ((1, 1), (4, 7), (8, 4)):
        at(page, line, place).tap()
        page.wait_for_selector(f"{CHOICES} [data-choice]")
        box, char = page.locator(CHOICES).bounding_box(), at(page, line, place).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390
        assert char["y"] + char["height"] <= box["y"]  # the character stays in sight
        assert page.locator(f"{CHOICES} [data-choice] >> nth=0").bounding_box()["height"] >= 44
        page.locator(f"{CHOICES} header button").tap()
        expect(page.locator(CHOICES)).to_be_hidden()
    touch(page, 8, 4)
    take(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    sizes = page.locator(f"{SHEET} .lock").evaluate_all("all => all.map(lock => lock.getBoundingClientRect().width)")
    assert min(sizes) >= 24


@pytest.mark.parametrize(("locale", "width"), [("zh-CN", 1280), ("en-US", 390)])
def test_axe_finds_nothing_in_the_hand(visit, locale, width):
    if not AXE.is_file() and not CI:
        pytest.skip("axe-core is not installed (make lint installs it)")
    page = visit(width=width, locale=locale, opening="花", form="五律", seed=1)
    page.wait_for_selector(DONE)
    touch(page, 1, 2)
    page.click(f"{CHOICES} [data-hand=lock]")
    page.click(f"{UNDER} [data-hand=tones]")
    page.wait_for_selector(f"{SHEET} [data-tone]")
    touch(page, 1, 2)
    page.add_script_tag(content=AXE.read_text("utf-8"))
    found = page.evaluate("axe.run('.tang').then(({ violations }) => violations.map(v => [v.id, v.nodes[0].html]))")
    assert found == [], json.dumps(found)


def test_a_poem_line_by_line(visit):
    page = visit(form="五绝")
    page.fill("[data-form=write] [name=opening]", "山")
    page.click("[data-by-lines]")
    page.wait_for_selector("[data-offer]")
    assert page.locator(".lines-offered").evaluate("e => e.getBoundingClientRect().bottom <= innerHeight")
    texts = [""]
    for number in range(4):
        line = re.compile(".{5}[，。]" if number else "山.{4}，")
        expect(page.locator("[data-offer] >> nth=0")).to_have_text(line)
        page.wait_for_selector(".offered:not([aria-busy])")
        assert 3 <= page.locator("[data-offer]").count() <= 6
        if number == 2:  # one is taken back, and another taken
            page.click("[data-lines=undo]")
            expect(page.locator("[data-sheet=write] .poem")).to_have_text(re.compile("^.{5}，$"))
            page.click("[data-lines=redo]")
            page.wait_for_selector(".offered:not([aria-busy])")
        offered = page.locator("[data-offer]").all_text_contents()
        assert len(set(offered)) == len(offered)
        page.click(f"[data-offer] >> nth={number % 2}")
        texts.append(texts[-1] + offered[number % 2])
        if number == 1:  # what stands so far can be sent on
            assert dict(parse_qsl(urlsplit(page.url).query))["text"] == texts[-1]
    page.wait_for_selector(DONE)
    assert poem(page) == texts[-1] and check(poem(page), "五绝").clean
    expect(page.locator(".lines-offered")).to_be_hidden()
    touch(page, 2, 1)  # it is as any other poem


def test_a_line_of_ones_own_and_one_that_cannot_be(visit):
    page = visit(lines="1", form="五绝", text="白日依山尽，")
    page.wait_for_selector("[data-offer]")
    page.fill(".own input", "黄河入海东流")
    page.keyboard.press("Enter")
    expect(page.locator("[data-word=write]")).to_contain_text("6 字")
    page.fill(".own input", "黄河")  # the beginning of one
    page.keyboard.press("Enter")
    expect(page.locator("[data-offer] >> nth=0")).to_have_text(re.compile("黄河.{3}。"))
    assert poem(page) == "白日依山尽，"
    page.fill(".own input", "夕阳无限好")  # 出律 behind that line
    page.keyboard.press("Enter")
    expect(page.locator("[data-word=write]")).to_contain_text("平仄")
    expect(page.locator(f"{SHEET} .poem")).to_have_text("白日依山尽，")
    assert page.input_value(".own input") == "夕阳无限好"
    page.fill(".own input", "黄河入海流。")
    page.keyboard.press("Enter")
    expect(page.locator(".lines-offered .soft")).to_contain_text("第 3 句")
    assert poem(page) == "白日依山尽，黄河入海流。"


def test_a_line_is_answered_and_the_couplet_gone_on_with(visit):
    page = visit(tab="answer")
    page.fill("[data-form=answer] [name=line]", "细雨鱼儿出")
    page.keyboard.press("Enter")
    page.wait_for_selector(".couplets li")
    for item in page.locator(".couplets li").all():
        above, below = ("".join(line.locator("b").all_text_contents()) for line in item.locator(".lines p").all())
        tones = [read.tones for read in check(f"{above}，{below}。").lines]
        assert above == "细雨鱼儿出" and len(below) == 5 and not set(above) & set(below)
        assert tones[1][-1] != "仄" and tones[1][1] != tones[0][1]
    assert "seed=" in page.url
    page.click(".couplets li >> nth=0 >> text=接着写")
    page.wait_for_selector("[data-offer]")
    assert poem(page).startswith("细雨鱼儿出，")
    above = visit(tab="answer", line="微风燕子斜", seed="1")  # it ends level: what is wanted is the first line
    above.wait_for_selector(".couplets li")
    expect(above.locator(".couplets li .given >> nth=0")).to_contain_text("微")
    assert above.locator(".couplets li >> nth=0 >> p >> nth=1").get_attribute("class") == "given"
