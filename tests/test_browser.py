"""The page in a real browser: Chromium without a window, driven by Playwright."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from browsers import PATIENCE, TYPEFACE, launched
from page import CI, load_app, running
from playwright.sync_api import Page, expect

from tang_rnn.poet import PRETRAINED
from tang_rnn.writing.request import OPTIONS

expect.set_options(timeout=PATIENCE)
AXE = Path(__file__).resolve().parent.parent / "node_modules/axe-core/axe.min.js"
DONE = "[data-sheet=write] .signature .seal"
DRAFTS = "[data-form=write] [data-draft=take]"


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture
def visit(browser, url):
    """Opens the page, and afterwards looks whether anything went wrong on it or was asked of another host."""
    contexts, wrong = [], []

    def visit(width=1280, locale="zh-CN", scheme="light", height=900, before="", **parameters) -> Page:
        phone = min(width, height) < 500
        context = browser.new_context(
            viewport={"width": width, "height": height},
            is_mobile=phone,
            has_touch=phone,
            locale=locale,
            color_scheme=scheme,
            reduced_motion="reduce",  # the poem stands at once
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(before)
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: request.url.startswith((url, "data:", "blob:")) or wrong.append(request.url))
        page.goto(f"{url}?{urlencode(parameters)}")
        page.wait_for_selector(".tang[data-ready]")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


def poem(page: Page, sheet: str = "[data-sheet=write]") -> str:
    """The text on a sheet."""
    return "".join(page.locator(f"{sheet} .poem span").all_text_contents())


def test_one_character_and_enter_make_a_poem(visit):
    page = visit()
    page.fill("[name=opening] >> nth=0", "春")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    assert re.fullmatch(r"春.{4}，.{5}。.{5}，.{5}。", poem(page))
    assert (
        page.locator("[data-sheet=write] .poem p >> nth=0").evaluate("e => getComputedStyle(e).writingMode")
        == "vertical-rl"
    )
    assert page.evaluate(TYPEFACE)


def test_fields_have_the_defaults_and_limits_of_their_options(visit):
    options = {(form, each.name): each for form, all in load_app().ENDPOINTS.items() for each in all}
    page, seen = visit(temperature="1.9"), set()
    for field in page.locator("[data-form] input").all():
        form, name, kind, checked, value, least, most, longest = field.evaluate(
            "e => [e.form.dataset.form, e.name, e.type, e.checked, e.value, e.min, e.max, e.maxLength]"
        )
        option = options.get((form, name))
        if kind == "checkbox":
            assert checked == option.default
        elif kind == "range":
            assert (float(least), float(most)) == (option.least, option.most)
            assert value == "1.9" == field.locator("+ output").text_content(), "what an address asks is what is shown"
        elif longest > 0:
            assert longest == option.longest
        else:
            continue
        seen.add(name)
    assert seen == {"regulated", "temperature", "title", "include", "rhyme_words", "avoid"}
    expect(visit().locator("input[name=temperature]")).to_have_value(str(OPTIONS["temperature"].default))


def test_each_cell_writes_and_signs(visit):
    page = visit()
    for cell, seal in (("lstm", "長憶之印"), ("gru", "門控之印"), ("rnn", "循環之印")):
        page.check(f"[data-form=write] [name=cell][value={cell}]", force=True)
        page.click("[data-suggestions] button >> nth=1")
        expect(page.locator("[data-sheet=write] .seal")).to_have_text(seal)
        assert poem(page).startswith("月") and len(poem(page)) == 24
        expect(page.locator("[data-under=write] .colophon")).to_contain_text(cell.upper())


def test_the_poem_streams(visit):
    page = visit()
    page.emulate_media(reduced_motion="no-preference")
    page.evaluate(
        """() => { window.seen = new Set(); new MutationObserver(() =>
        window.seen.add(document.querySelectorAll('[data-sheet=write] .poem span').length))
        .observe(document.querySelector('[data-sheet=write]'), { childList: true, subtree: true }); }"""
    )
    page.uncheck("[data-form=write] [name=regulated]")
    page.fill("[name=opening] >> nth=0", "山")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    assert page.evaluate("window.seen.size") > 15


def test_a_link_reopens_the_same_poem(visit):
    first = visit(opening="江", cell="gru", form="七绝", poet="李白", title="送别")
    first.wait_for_selector(DONE)
    assert "seed=" in first.url
    page = visit()
    page.goto(first.url)
    page.wait_for_selector(DONE)
    assert poem(page) == poem(first) and len(poem(page)) == 32
    assert page.text_content("[data-sheet=write] .heading") == "送别拟李白"
    assert page.input_value("[data-form=write] [name=poet]") == "李白"


def test_a_link_of_a_poem_in_no_form_reopens_it(visit):
    """The form "" is a choice of its own, and must be in the address like the others."""
    first = visit(opening="春", form="", seed=3)
    first.wait_for_selector(DONE)
    page = visit()
    page.goto(first.url)
    page.wait_for_selector(DONE)
    assert poem(page) == poem(first)
    assert page.is_checked("[data-form=write] [name=form][value='']")


def test_a_link_says_what_it_asks_in_vain(visit):
    page = visit(opening="春", seed=1, poet="苏轼", rhyme="zz", length="5")
    page.wait_for_selector(DONE)
    expect(page.locator("[data-word=write]")).to_contain_text("poet=苏轼 rhyme=zz")
    expect(visit(opening="春", seed=9999999999).locator("[data-word=write]")).to_contain_text(
        "种子须是 0 到 2147483647"
    )


def test_a_view_keeps_its_address_and_back_goes_between_views(visit):
    page = visit(opening="春", seed=1)
    page.wait_for_selector(DONE)
    wrote = page.url
    page.click("[data-tab=acrostic]")
    page.press("[name=phrase]", "Enter")
    page.wait_for_selector("[data-sheet=acrostic] .seal")
    hid = page.url
    assert wrote != hid and "phrase=" in hid
    page.focus("[data-tab=acrostic]")
    page.keyboard.press("Home")
    assert page.url == wrote
    page.go_back()
    expect(page.locator("[role=tabpanel][data-view=acrostic]")).to_be_visible()
    assert page.url == hid
    page.go_back()
    expect(page.locator("[role=tabpanel][data-view=write]")).to_be_visible()
    page.click("[data-tab=acrostic]")
    page.click("[data-under=acrostic] [data-act=link]")
    expect(page.locator("[data-word=acrostic]")).not_to_be_empty()
    assert page.evaluate("navigator.clipboard.readText()") == hid


def calls(endpoint: str) -> re.Pattern:
    """The address by which the page calls an endpoint."""
    return re.compile(rf"/queue/join\?{endpoint}$")


def hold(page: Page, endpoint: str) -> list:
    """Calls of the endpoint wait; they are put in the list, to be let go."""
    held = []
    page.route(calls(endpoint), lambda route: held.append(route))
    return held


def test_an_answer_finds_its_place_after_the_view_and_language_have_changed(visit):
    page = visit()
    held = hold(page, "write")
    page.press("[name=opening] >> nth=0", "Enter")
    expect(page.locator("[data-form=write].busy")).to_have_count(1)
    page.click("[data-language]")
    page.click("[data-tab=compare]")
    held[0].continue_()
    page.wait_for_selector(DONE, state="attached")
    assert len(poem(page)) == 24 and "tab=compare" in page.url and "seed" not in page.url
    page.click("[data-tab=write]")
    expect(page.locator("[data-sheet=write] .poem")).to_be_visible()
    assert "seed=" in page.url


def test_a_poem_is_filed_though_the_sheet_was_wanted_for_another(visit):
    page = visit(opening="风", seed=5)
    page.wait_for_selector(DONE)
    first, held = poem(page), hold(page, "write")
    page.click("[data-under=write] [data-act=another]")
    page.click("[data-under=write] [data-act=again]")
    page.wait_for_selector(DONE)
    held[0].continue_()
    expect(page.locator(DRAFTS)).to_have_count(2)
    expect(page.locator("[data-form=write].busy")).to_have_count(0)
    assert poem(page) == first
    page.click("[data-form=write] .drafts summary")
    page.focus(f"{DRAFTS} >> nth=0")
    page.keyboard.press("Enter")
    expect(page.locator(f"{DRAFTS} >> nth=0")).to_be_focused()
    assert poem(page) != first
    page.unroute(calls("write"))
    page.fill("[name=opening] >> nth=0", "x")  # refused: nothing is lost
    page.press("[name=opening] >> nth=0", "Enter")
    expect(page.locator("[data-word=write]")).not_to_be_empty()
    page.wait_for_selector(DONE)
    expect(page.locator(DRAFTS)).to_have_count(2)


@pytest.mark.parametrize(
    ("view", "field", "result"),
    [
        ("compare", "opening", "[data-abreast]"),
        ("acrostic", "phrase", "[data-sheet=acrostic]"),
        ("check", "text", "[data-verdict]"),
        ("inside", "text", "[data-strip]"),
    ],
)
def test_a_refusal_leaves_the_earlier_result(visit, view, field, result):
    page = visit(tab=view)
    page.click(f"[data-form={view}] .go")
    page.wait_for_selector(f"{result} :is(.signature .seal, .cell, .bar)")
    expect(page.locator(f"[data-form={view}].busy")).to_have_count(0)
    before = page.inner_text(result)
    page.fill(f"[data-form={view}] [name={field}]", "x")
    page.click(f"[data-form={view}] .go")
    expect(page.locator(f"[data-word={view}]")).to_contain_text("x")
    if view != "acrostic":  # whose word lies below the sheet
        text = "e => { const range = document.createRange(); range.selectNodeContents(e); return range"
        left = page.locator(f"[data-word={view}]").evaluate(f"{text}.getBoundingClientRect().left }}")
        assert left == pytest.approx(page.locator(f"[data-form={view}]").bounding_box()["x"], abs=2)
    expect(page.locator(result)).to_be_visible()
    assert page.inner_text(result) == before


def test_an_old_line_is_named_below_the_poem(visit):
    page = visit(opening="会当凌绝顶", form="五绝", regulated="0", seed="1", script="t")
    expect(page.locator("[data-under=write] .colophon")).to_contain_text("旧句，见《全唐诗》：會當凌絕頂")
    english = visit(locale="en-US", tab="compare", opening="会当凌绝顶", form="五绝", regulated="0", seed="1")
    expect(english.locator("[data-cell=rnn] .below")).to_contain_text("an old line, in the 全唐诗: 会当凌绝顶")


def test_another_again_copy_picture_and_script(visit):
    page = visit(opening="风", seed=5)
    page.wait_for_selector(DONE)
    first = poem(page)
    page.click("[data-under=write] [data-act=another]")
    expect(page.locator(DRAFTS)).to_have_count(2)
    assert poem(page) != first
    page.click("[data-form=write] .drafts summary")
    page.click(f"{DRAFTS} >> nth=1")
    page.wait_for_selector(DONE)
    assert poem(page) == first
    page.click("[data-under=write] [data-act=again]")
    page.wait_for_selector(DONE)
    assert poem(page) == first
    page.click("[data-under=write] [data-act=copy]")
    expect(page.locator("[data-word=write]")).not_to_be_empty()
    assert page.evaluate("navigator.clipboard.readText()").replace("\n", "") == first
    page.click("[data-act=script]")
    expect(page.locator("[data-sheet=write] .poem")).to_contain_text("風")
    page.click("[data-act=picture]")
    sizes = []
    for shape in ("landscape", "portrait"):
        page.check(f".picture [value={shape}]", force=True)
        page.wait_for_function("document.querySelector('.picture img').complete")
        sizes.append(page.locator(".picture img").evaluate("e => [e.naturalWidth, e.naturalHeight]"))
    assert sizes[0][0] > sizes[0][1] > 1000 and sizes[1][1] > sizes[1][0] > 1000
    with page.expect_download() as download:
        page.click(".picture a")
    assert download.value.path().read_bytes().startswith(b"\x89PNG")
    assert download.value.suggested_filename.startswith("風")
    page.keyboard.press("Escape")
    expect(page.locator(".picture")).to_be_hidden()


def test_compare(visit):
    page = visit(tab="compare")
    page.check("[data-form=compare] [name=form][value=七律]", force=True)
    page.fill("[data-form=compare] [name=opening]", "月")
    page.press("[data-form=compare] [name=opening]", "Enter")
    expect(page.locator("[data-abreast] .signature .seal")).to_have_count(3)
    for cell in ("rnn", "lstm", "gru"):
        column = page.locator(f"[data-abreast] [data-cell={cell}]")
        assert column.locator(".poem").text_content().startswith("月")
        assert column.locator(".frame").evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    expect(page.locator("[data-numbers] tbody tr")).to_have_count(7)
    expect(page.locator("[data-numbers] .best")).to_have_count(3)
    page.click("[data-abreast] [data-cell=gru] button")
    expect(page.locator("[data-heat] canvas")).to_have_count(3)


def test_a_cell_of_ones_own_stands_beside_the_three(browser, tmp_path):
    """By the command, from a folder such as training.teach leaves."""
    folder = tmp_path / "mine" / "final"
    shutil.copytree(PRETRAINED / "gru", folder)
    command = "from tang_rnn_command import main; main()"
    with running("-c", command, "demo", "--cell", folder) as url:
        page, wrong = browser.new_page(locale="en", reduced_motion="reduce"), []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"{url}?opening=%E6%98%A5&cell=mine&seed=7")
        page.wait_for_selector(DONE)
        own = page.locator("[data-form=write] .chip:has(input[value=mine])")
        assert own.inner_text() == "mine" and own.locator("input").is_checked()
        expect(page.locator("[data-form=write] [data-radios=cell]").locator("..")).to_contain_text("the kind GRU")
        written = poem(page)
        page.goto(f"{url}?tab=compare&opening=%E6%98%A5&seed=7")
        expect(page.locator("[data-abreast] .signature .seal")).to_have_count(4)
        texts = {cell: poem(page, f"[data-cell={cell}]") for cell in ("lstm", "gru", "mine")}
        assert texts["mine"] == texts["gru"] == written != texts["lstm"]
        page.click("[data-abreast] [data-cell=mine] button")
        expect(page.locator("[data-explain]")).to_contain_text("GRU")
        assert httpx.get(f"{url}tang/card.png?text=%E6%98%A5%E7%9C%A0&cell=mine").status_code == 200
        page.close()
        assert not wrong


def test_rare_characters_stay_whole(visit):
    write = """async text => { const { Sheet } = await import(new URL("tang/sheet.js", document.baseURI));
        const element = document.createElement("div");
        await new Sheet(element).write(text, { at_once: true });
        return [...element.querySelectorAll(".poem span")].map(each => each.textContent); }"""
    assert visit().evaluate(write, "𫛳春，𣃁月。") == list("𫛳春，𣃁月。")


def test_acrostic_marks_what_it_hides(visit):
    page = visit(tab="acrostic")
    page.fill("[name=phrase]", "长安月夜")
    page.press("[name=phrase]", "Enter")
    page.wait_for_selector("[data-sheet=acrostic] .seal")
    assert "".join(page.locator("[data-sheet=acrostic] .hide").all_text_contents()) == "长安月夜"


def test_heat_maps_of_every_cell(visit):
    text = "床前明月光，疑是地上霜。"
    page = visit(tab="inside", text=text, cell="lstm")
    colours = "e => new Set(e.getContext('2d').getImageData(0, 0, e.width, e.height).data).size"
    for cell, maps in (("lstm", 5), ("gru", 3), ("rnn", 1)):
        page.check(f"[data-form=inside] [name=cell][value={cell}]", force=True)
        expect(page.locator("[data-heat] canvas")).to_have_count(maps)
        assert page.locator("[data-heat] canvas >> nth=0").get_attribute("width") == str(len(text))
        assert page.locator("[data-heat] canvas >> nth=0").evaluate(colours) > 20
        expect(page.locator("[data-explain]")).to_contain_text(cell.upper())
    page.click("[data-strip] button >> nth=3")
    expect(page.locator("[data-alternatives] li")).to_have_count(5)
    expect(page.locator("[data-alternatives]")).to_contain_text("床前明")


def test_a_mark_stays_with_its_line(visit):
    page = visit(width=390, tab="inside", text="床前明月光，疑是地上霜。举头望明月，低头思故乡。")
    columns = page.locator("[data-strip] button")
    expect(columns).to_have_count(24)
    places = columns.evaluate_all("all => all.map(each => [each.textContent, each.getBoundingClientRect().top])")
    rows = {}
    for text, top in places:
        rows.setdefault(round(top), []).append(text)
    assert [len(row) for row in rows.values()] == [12, 12]  # a couplet a row
    places = page.locator("[data-strip]").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert places[0] <= places[1]


def test_check_marks_faults_where_they_stand(visit):
    page = visit(tab="check")
    page.fill("[data-form=check] textarea", "白日依山尽，黄河入海去。欲穷千里目，更上一层楼。")
    page.click("[data-form=check] .go")
    expect(page.locator("[data-verdict] .cell")).to_have_count(20)
    expect(page.locator("[data-verdict] .cell.fault").first).to_be_visible()
    expect(page.locator("[data-verdict] li.fault").first).to_contain_text("句")


def test_the_english_page_names_what_it_judges_in_english(visit):
    text = "白日依山尽，黄河入海去。欲穷千里目，更上一层楼。"
    page = visit(locale="en-US", tab="check", text=f"登鹳雀楼 王之涣\n{text}")
    summary = page.locator("[data-verdict] .summary")
    expect(summary).to_have_text(
        "A five-character quatrain (nearest to oblique start, first line unrhymed), with 1 to mend: off rhyme (出韵)."
    )
    aside, lines = (page.locator(f"[data-verdict] {part}").bounding_box() for part in (".aside", ".lines"))
    assert lines["y"] - aside["y"] - aside["height"] >= 10


def test_check_does_not_praise_what_it_cannot_judge(visit):
    page = visit(tab="check", text="李白")
    expect(page.locator("[data-verdict] .summary")).to_contain_text("没有可依的格律")
    expect(page.locator("[data-verdict] .key")).not_to_contain_text("小字")
    page.fill("[data-form=check] textarea", "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。")
    page.click("[data-form=check] .go")
    expect(page.locator("[data-verdict] .summary")).to_contain_text("合律")
    expect(page.locator("[data-verdict] .key")).to_contain_text("小字")


def test_language_follows_the_browser_and_the_switch(visit):
    english = visit(locale="en-GB")
    expect(english.locator(".go >> nth=0")).to_have_text("Write")
    english.click("[data-language]")
    expect(english.locator(".go >> nth=0")).to_have_text("落笔")
    assert english.evaluate("document.documentElement.lang").startswith("zh") and english.title() == "一字成诗"
    english.reload()
    expect(english.locator(".go >> nth=0")).to_have_text("落笔")
    taiwan = visit(locale="zh-TW", opening="云", seed=1)
    expect(taiwan.locator(".go >> nth=0")).to_have_text("落筆")
    expect(taiwan.locator("[data-sheet=write] .poem")).to_contain_text("雲")
    for name, value, text in (("poet", "李商隐", "李商隱"), ("rhyme", "十五咸", "十五咸"), ("rhyme", "七阳", "七陽")):
        option = taiwan.locator(f"[data-form=write] [name={name}] option[value={value}]")
        expect(option).to_have_text(text)
    expect(taiwan.locator("[data-form=write] [data-radios=form] .chip >> nth=0")).to_have_text("五絕")
    expect(taiwan.locator("[data-suggestions] button >> nth=8")).to_have_text("風")
    regulated = visit(locale="zh-TW", opening="雲", form="五律", seed=3)
    regulated.wait_for_selector(DONE)
    regulated.click("[data-under=write] [data-hand=tones]")
    sign = regulated.locator("[data-sheet=write] .parallel >> nth=0")
    assert sign.evaluate("e => getComputedStyle(e, '::after').content") == '"對"'
    taiwan.click("[data-act=script]")  # chosen otherwise, and remembered
    expect(taiwan.locator(".go >> nth=0")).to_have_text("落笔")
    taiwan.goto(taiwan.url.split("?")[0])
    expect(taiwan.locator(".go >> nth=0")).to_have_text("落笔")


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
def test_a_phone_needs_no_sideways_scrolling(visit, locale):
    page = visit(width=390, locale=locale)
    for tab in ("write", "compare", "acrostic", "check", "inside", "about"):
        page.click(f"[data-tab={tab}]")
        expect(page.locator(f"[role=tabpanel][data-view={tab}]")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_phone_sets_the_poem_in_rows(visit):
    page = visit(width=390, opening="月", form="七律", seed=1)
    page.wait_for_selector(DONE)
    assert (
        page.locator("[data-sheet=write] .poem p >> nth=0").evaluate("e => getComputedStyle(e).writingMode")
        == "horizontal-tb"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_hint_lies_in_the_middle_of_the_sheet(visit, locale, width):
    page = visit(width=width, locale=locale)
    middles = """[document.querySelector("[data-sheet=write] .frame"), document.querySelector(".hint").firstChild]
        .map(each => { const range = document.createRange(); range.selectNodeContents(each);
            const box = (each.getBoundingClientRect ? each : range).getBoundingClientRect();
            return (box.left + box.right) / 2; })"""
    frame, hint = page.evaluate(middles)
    assert hint == pytest.approx(frame, abs=6)


def test_a_phone_shows_the_new_poem(visit):
    page = visit(width=390)
    page.press("[name=opening] >> nth=0", "Enter")
    page.wait_for_selector(DONE)
    assert page.locator("[data-sheet=write]").evaluate("e => e.getBoundingClientRect().bottom <= innerHeight")


def test_a_phone_hides_its_keyboard_and_has_the_poem_before_the_settings(visit):
    page = visit(width=390, height=844)
    assert page.get_attribute("[data-form=write] [name=opening]", "enterkeyhint") == "go"
    page.fill("[name=opening] >> nth=0", "春")
    page.keyboard.press("Enter")
    page.wait_for_selector(DONE)
    assert page.evaluate("document.activeElement.tagName") == "BODY"  # nothing that a keyboard would come for
    top = "s => document.querySelector(`[role=tabpanel]:not([hidden]) ${s}`).getBoundingClientRect().top"
    assert page.evaluate(top, "[data-sheet]") < page.evaluate(top, ".settings")
    assert page.locator("[data-sheet=write] .signature").evaluate("e => e.getBoundingClientRect().bottom") < 844


def test_a_phone_on_its_side_shows_the_whole_sheet(visit):
    page = visit(width=844, height=390, opening="月", form="七律", seed=1)
    page.wait_for_selector(DONE)
    box = page.locator("[data-sheet=write] .frame").bounding_box()
    assert box["height"] <= 390 and box["x"] + box["width"] <= 844
    assert page.locator("[data-sheet=write] .frame").evaluate("e => e.scrollHeight - e.clientHeight") <= 1


# What has moved before the visitor's eyes without his doing: https://web.dev/cls
SHIFTS = """new PerformanceObserver(list => list.getEntries().filter(each => !each.hadRecentInput)
    .forEach(each => window.shifts = (window.shifts ?? 0) + each.value))
    .observe({ type: "layout-shift", buffered: true })"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_nothing_moves_while_the_page_and_a_poem_come(visit, width, height):
    page = visit(width=width, height=height, before=SHIFTS, opening="月", form="七律", seed=1)
    page.wait_for_selector(DONE)
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(300)
    assert page.evaluate("window.shifts ?? 0") < 0.05


@pytest.mark.parametrize("locale", ["zh-CN", "en-US"])
@pytest.mark.parametrize("bar", [0, 14])  # pixels that a bar for scrolling takes
def test_all_views_stand_in_one_row_on_a_phone(visit, locale, bar):
    page = visit(width=360, height=740, locale=locale)
    page.evaluate(f"document.querySelector('.tang').style.width = '{360 - bar}px'")
    tops = page.locator("[role=tab]").evaluate_all("all => all.map(tab => tab.getBoundingClientRect().top)")
    assert len(tops) == 7 and len(set(tops)) == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_is_only_an_example_does_not_look_filled_in_and_what_a_link_fills_in_is_open(visit):
    colour = "e => [getComputedStyle(e).color, getComputedStyle(e, '::placeholder').color]"
    page = visit()
    ink, example = page.locator("[data-form=write] [name=include]").evaluate(colour)
    assert ink != example
    assert page.locator("[data-form=write] .settings details").get_attribute("open") is None
    asked = visit(opening="春", form="五绝", include="明月", seed=1)
    expect(asked.locator("[data-form=write] [name=include]")).to_be_visible()


def test_a_phone_can_read_the_charts_and_compare_three_poems(visit):
    page = visit(width=390, height=844, tab="compare", opening="春", form="七律", seed=7)
    expect(page.locator("[data-numbers] .best")).to_have_count(3)
    letters = page.locator("[data-curves] text >> nth=1").evaluate("e => e.getBoundingClientRect().height")
    assert letters >= 12
    tall = page.locator("[data-abreast]").evaluate("e => e.getBoundingClientRect().height")
    assert tall <= 844  # three poems of eight lines on one screen
    for frame in page.locator("[data-abreast] .frame").all():
        assert frame.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    for name in page.locator("[data-abreast] h2").all():
        assert name.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    lines = """all => all.map(td => { const range = document.createRange(); range.selectNodeContents(td);
        return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size; })"""
    assert set(page.locator("[data-numbers] tbody td").evaluate_all(lines)) == {1}  # a number and its unit in one line


def test_a_phone_on_its_side_shows_all_of_the_picture_and_its_buttons(visit):
    page = visit(width=844, height=390, opening="月", form="七律", seed=1)
    page.wait_for_selector(DONE)
    page.click("[data-under=write] [data-act=picture]")
    page.locator(".picture img").evaluate("image => image.decode()")
    box = page.locator(".picture").bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 390
    assert page.locator(".picture").evaluate("e => e.scrollHeight - e.clientHeight") <= 0


def test_what_is_said_below_a_poem_breaks_between_its_parts(visit):
    page = visit(locale="en-US", width=1280, opening="会当凌绝顶", form="五绝", regulated="0", seed="1")
    page.wait_for_selector(DONE)
    parts = page.locator("[data-under=write] .colophon span")
    rows = "e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight)"
    assert len(parts.all()) >= 5
    for part in parts.all():
        assert part.evaluate(rows) < 1.5
        assert not part.inner_text().startswith("·")


def test_paper_has_the_poem_and_its_seal_and_nothing_else(visit):
    page = visit(width=390, scheme="dark", opening="月", form="七律", title="江楼", seed=3)
    page.wait_for_selector(DONE)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 700, "height": 1000})  # a sheet of A4 within its margins
    for part in (".poem", ".heading", ".seal"):
        expect(page.locator(f"[data-sheet=write] {part}")).to_be_visible()
    for part in (".top", "[data-form=write] .first", ".settings >> nth=0", "[data-under=write] .acts >> nth=1"):
        expect(page.locator(part)).to_be_hidden()
    frame = page.locator("[data-sheet=write] .frame").bounding_box()
    seal = page.locator("[data-sheet=write] .seal").bounding_box()
    assert frame["height"] < 1000 and seal["x"] >= frame["x"] and seal["y"] + seal["height"] <= 1000
    for part in ("body", "documentElement"):  # the latter's lies under the margins too
        assert page.evaluate(f"getComputedStyle(document.{part}).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_long_title_fits_the_sheet(visit, width):
    page = visit(width=width, opening="春", form="七律", seed=2, title="送友人归江南省亲留别诗友", poet="白居易")
    page.wait_for_selector(DONE)
    room = "e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]"
    heading = page.locator("[data-sheet=write] .heading")
    assert max(heading.evaluate(room)) <= 0
    first, second = (heading.locator(part).bounding_box() for part in ("span", "small"))
    assert first["y"] + first["height"] <= second["y"] or first["x"] + first["width"] <= second["x"]


def test_a_link_carries_the_poem_and_nothing_else(visit):
    page = visit(opening="云", seed=1, lang="zh", utm_source="someone", __sign="secret")
    page.wait_for_selector(DONE)
    assert "__sign=secret" in page.url  # a private Space needs it on a reload
    page.click("[data-under=write] [data-act=link]")
    expect(page.locator("[data-word=write]")).not_to_be_empty()
    link = page.evaluate("navigator.clipboard.readText()")
    given = dict(parse_qsl(urlsplit(link).query))
    assert given.keys() <= {"opening", "cell", "form", "regulated", "temperature", "seed", "text"}
    assert given["text"] == poem(page)


def test_the_poem_of_a_link_stays_though_the_model_would_write_another(visit):
    text = "春草黄鹂啭，幽人白露晞。欲知行客处，谁见暮云飞。"
    page = visit(opening="春", seed=1, form="五绝", text=text)
    expect(page.locator("[data-under=write] .colophon")).to_contain_text("如今的模型")
    assert poem(page) == text and "text=" in page.url
    expect(page.locator("[data-under=write] .colophon")).to_contain_text("五绝仄起首句不入韵 · 韵 五微")


def test_a_poem_is_shared_by_the_systems_own_way(visit):
    share = "navigator.share = async what => { window.shared = what }"
    page = visit(before=share, opening="云", seed=1)
    page.wait_for_selector(DONE)
    page.click("[data-act=share] >> nth=0")
    page.wait_for_function("window.shared")
    shared = page.evaluate("window.shared")
    assert shared["text"].replace("\n", "") == poem(page) and "seed=1" in shared["url"]


def test_where_copying_is_forbidden_the_text_is_there_to_be_copied_by_hand(visit):
    forbid = """navigator.clipboard.writeText = () => Promise.reject(new Error("no"));
        Document.prototype.execCommand = () => false"""
    page = visit(before=forbid, opening="云", seed=1)
    page.wait_for_selector(DONE)
    page.click("[data-under=write] [data-act=copy]")
    assert page.input_value("[data-word=write] textarea").replace("\n", "") == poem(page)


def test_the_colophon_claims_only_what_is_kept(visit):
    text = "白日依山尽，黄河入海去。欲穷千里目，更上一层楼。"
    page = visit(opening="白", seed=1, form="五绝", regulated="0", text=text)
    expect(page.locator("[data-under=write] .colophon")).to_contain_text("未合：出韵")
    expect(page.locator("[data-under=write] .colophon")).not_to_contain_text("韵 十一尤")


def test_poems_outlive_a_new_character_and_a_reload(visit):
    page = visit(opening="春", seed=1)
    page.wait_for_selector(DONE)
    first = poem(page)
    page.click("[data-suggestions] button >> nth=1")
    expect(page.locator(DRAFTS)).to_have_count(2)
    page.goto(page.url.split("?")[0])
    page.wait_for_selector(".tang[data-ready]")
    page.click("[data-form=write] .drafts summary")
    page.click("[data-form=write] [data-draft=star] >> nth=1")
    page.click(f"{DRAFTS} >> nth=1")
    page.wait_for_selector(DONE)
    assert poem(page) == first
    with page.expect_download() as download:
        page.click("[data-t=export] >> nth=0")
    assert first.replace("。", "。\n").strip() in download.value.path().read_text("utf-8")
    page.click("[data-t=clear] >> nth=0")
    expect(page.locator(DRAFTS)).to_have_count(1)  # the one that is kept
    page.click("[data-form=write] [data-draft=remove]")
    expect(page.locator("[data-form=write] .drafts")).to_be_hidden()


def test_a_double_click_is_one_call(visit):
    page = visit()
    held = hold(page, "write")
    page.fill("[name=opening] >> nth=0", "春")
    page.dblclick("[data-form=write] .go")
    expect(page.locator("[data-sheet=write]")).to_have_attribute("aria-busy", "true")
    expect(page.locator("[data-word=write]")).to_have_text("正在写……")
    assert len(held) == 1
    held[0].continue_()
    page.wait_for_selector(DONE)
    expect(page.locator("[data-sheet=write]")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("[data-word=write]")).to_be_empty()


def test_who_waits_is_told_how_many_come_before_and_a_lost_stream_is_called_that(visit):
    page = visit()
    message = json.dumps({"msg": "estimation", "rank": 7})
    page.route(
        "**/queue/data?*", lambda route: route.fulfill(content_type="text/event-stream", body=f"data: {message}\n\n")
    )
    page.evaluate(
        """() => { window.words = []; const word = document.querySelector('[data-word=write]');
        new MutationObserver(() => window.words.push(word.textContent)).observe(word, { childList: true }) }"""
    )
    page.press("[name=opening] >> nth=0", "Enter")
    expect(page.locator("[data-word=write]")).to_contain_text("断了联系")
    assert any("7 位" in word for word in page.evaluate("window.words"))


def test_a_pasted_couplet_loses_its_marks(visit):
    page = visit()
    page.check("[data-form=write] [name=form][value=七绝]", force=True)
    page.fill("[name=opening] >> nth=0", "「月落乌啼霜满天，江枫渔火对愁眠。」")
    page.uncheck("[data-form=write] [name=regulated]")
    page.keyboard.press("Enter")
    page.press("[name=opening] >> nth=0", "Enter")
    page.wait_for_selector(DONE)
    assert poem(page).startswith("月落乌啼霜满天，江枫渔火对愁眠。")


def test_copying_by_hand_gives_the_poem_alone(visit):
    page = visit(opening="春", seed=1)
    page.wait_for_selector(DONE)
    page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-sheet=write]'))")
    assert re.sub(r"\s", "", page.evaluate("getSelection().toString()")) == poem(page)
    assert page.get_attribute("[data-sheet=write] .poem", "translate") == "no"
    assert page.locator("main").count() == 1  # Gradio's


@pytest.mark.parametrize(("locale", "scheme", "width"), [("zh-CN", "light", 1280), ("en-US", "dark", 390)])
def test_axe_finds_nothing(visit, locale, scheme, width):
    """https://github.com/dequelabs/axe-core, on every view with something in it."""
    if not AXE.is_file() and not CI:
        pytest.skip("axe-core is not installed (make lint installs it)")
    page = visit(width=width, locale=locale, scheme=scheme, opening="春", title="晓", poet="李白", seed=1)
    page.wait_for_selector(DONE)
    page.add_script_tag(content=AXE.read_text("utf-8"))

    def nothing_found(where: str):
        found = page.evaluate("axe.run('.tang').then(({ violations }) => violations.map(v => [v.id, v.nodes[0].html]))")
        assert found == [], where

    page.click("[data-form=write] .settings summary")
    page.click("[data-form=write] .drafts summary")
    page.click("[data-under=write] [data-act=pinyin]")
    page.wait_for_selector(".reading-lines ruby >> nth=0")
    nothing_found("write, with all that unfolds")
    page.click("[data-under=write] [data-act=picture]")
    nothing_found("picture")
    page.keyboard.press("Escape")
    for tab in ("compare", "acrostic", "answer", "check", "inside", "about"):
        page.click(f"[data-tab={tab}]")
        if tab != "about":
            page.click(f"[data-form={tab}] .go")
            page.wait_for_selector(f"[data-form={tab}]:not(.busy)")
        nothing_found(tab)
    page.click("[data-tab=write]")
    page.click("[data-by-lines]")
    page.wait_for_selector("[data-offer]")
    nothing_found("line by line")


def test_whatever_is_typed_is_text(visit):
    page = visit()
    for text, said in (
        ("<img src=x>", "“<”"),
        ("😀", "“😀”"),
        ("Hello", "“H”"),
        ("春" * 10_000, "10000 字"),
        ("**春**", "“*”"),
    ):
        page.fill("[name=opening] >> nth=0", text)
        page.keyboard.press("Enter")
        expect(page.locator("[data-word=write]")).to_contain_text(said)
        assert page.locator(".tang img, .tang script").count() == 0


def test_hostile_links_are_text_too(visit):
    evil = "<img src=x onerror=alert(1)>"
    page = visit(opening=evil, title=evil, poet=evil, seed="1", form=evil, cell=evil)
    expect(page.locator("[data-word=write]")).not_to_be_empty()
    page = visit(tab="check", text=evil)
    expect(page.locator("[data-word=check]")).to_contain_text("还没有诗")
    assert page.locator(".tang img").count() == 0
    expect(visit(tab=evil, lang="__proto__").locator("[role=tabpanel][data-view=write]")).to_be_visible()


def test_empty_input_is_no_fault(visit):
    page = visit()
    page.press("[name=opening] >> nth=0", "Enter")
    page.wait_for_selector(DONE)
    for tab in ("check", "inside"):
        page.click(f"[data-tab={tab}]")
        page.fill(f"[data-form={tab}] textarea", "")
        page.click(f"[data-form={tab}] .go")
        expect(page.locator(f"[data-word={tab}]")).to_contain_text("诗")


def test_a_full_queue_has_a_friendly_word(visit):
    page = visit()
    page.route(calls("write"), lambda route: route.fulfill(status=503, json={"detail": "Queue is full."}))
    page.press("[name=opening] >> nth=0", "Enter")
    expect(page.locator("[data-word=write]")).to_contain_text("稍候")


def test_everything_can_be_reached_by_keyboard_and_has_a_name(visit):
    page = visit(locale="en-US")
    page.focus("[data-tab=write]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-tab=compare]")).to_be_focused()
    expect(page.locator("[role=tabpanel][data-view=compare]")).to_be_visible()
    page.keyboard.press("Home")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('.tang :is(button, input, select, textarea)')].filter(e =>
        !(e.textContent.trim() || e.getAttribute('aria-label') || 
        [...(e.labels ?? [])].some(label => label.textContent.trim())))
        .map(e => e.outerHTML)"""
    )
    assert nameless == []
    page.focus("[name=opening] >> nth=0")
    assert page.locator(".grid").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"


def test_light_dark_and_contrast(visit):
    light, dark = visit(), visit(scheme="dark")
    shade = "getComputedStyle(document.body).backgroundColor"
    assert light.evaluate(shade) != dark.evaluate(shade)

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    read = "name => getComputedStyle(document.body).getPropertyValue(name).trim()"
    pairs = [(front, back) for front in ("--ink", "--soft", "--red") for back in ("--paper", "--sheet")]
    for page in (light, dark):
        for names in [*pairs, ("--on-red", "--red")]:
            lower, higher = sorted(luminance(page.evaluate(read, name)) for name in names)
            assert (higher + 0.05) / (lower + 0.05) >= 4.5, names
    dark.click("[data-theme]")
    assert light.evaluate(shade) == dark.evaluate(shade)


def test_pinyin_meanings_and_tones_of_a_poem(visit):
    text = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"
    page = visit(locale="en-US", opening="白", seed=1, form="五绝", text=text)
    page.wait_for_selector(DONE)
    page.click("[data-act=pinyin] >> nth=0")
    expect(page.locator(".reading-lines ruby")).to_have_count(20)
    assert page.locator(".reading-lines rt").all_text_contents()[:5] == ["bái", "rì", "yī", "shān", "jìn"]
    assert page.locator(".reading-lines .level").count() + page.locator(".reading-lines .oblique").count() >= 18
    assert page.locator(".reading-lines .rhyme").all_text_contents() == ["流liú", "楼lóu"]
    page.click("[data-t=meaning] >> nth=0")
    expect(page.locator("[data-under=write] .reading-lines")).to_contain_text("Yellow River")
    expect(page.locator(".aid >> nth=0")).to_contain_text("CC BY-SA 4.0")
    page.click("[data-act=pinyin] >> nth=0")
    expect(page.locator(".reading-lines >> nth=0")).to_be_hidden()


def test_a_poem_is_read_aloud_line_by_line_where_there_is_a_chinese_voice(visit):
    voices = """window.spoken = [];
        Object.defineProperty(window, "speechSynthesis", { value: { cancel() {}, addEventListener() {},
            getVoices: () => [{ lang: "yue-HK" }, { lang: "zh-CN" }],
            speak(what) { window.spoken.push([what.text, what.rate]); setTimeout(() => what.onend(), 0) } } });
        window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text } }"""
    page = visit(before=voices, opening="春", form="五绝", seed=1)
    page.wait_for_selector(DONE)
    page.click("[data-act=pinyin] >> nth=0")
    page.click("[data-t=aloud] >> nth=0")
    page.wait_for_function("window.spoken.length === 4")
    spoken = page.evaluate("window.spoken")
    assert "".join(line for line, _ in spoken) == poem(page) and all(rate < 1 for _, rate in spoken)
