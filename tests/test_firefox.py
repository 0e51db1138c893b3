"""The page in Firefox: what a visitor does with it, and where engines differ."""

import base64
import re
import sys
import zlib
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlencode, urlsplit

import firefox as driven
import pytest
from page import CI, SHEET_BOXES, around
from proxies import proxied  # noqa: F401  (a fixture)

from tang_rnn.verse import check, split_lines

if not CI and not driven.BINARY:
    pytest.skip("Firefox is not installed (Debian: apt-get install firefox-esr)", allow_module_level=True)

SHEET, UNDER, WORD = "[data-sheet=write]", "[data-under=write]", "[data-word=write]"
CHOICES = ".side:has([data-sheet=write]) > .choices"
FIELD = "[data-form=write] [name=opening]"
TOWER = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


@pytest.fixture(scope="module")
def window():
    with driven.launched() as window:
        yield window


@pytest.fixture
def visit(window, url):
    """Opens the page as a new visitor, and afterwards looks whether anything went wrong on it."""

    def visit(width=1280, height=900, language="zh-CN", scheme="light", **parameters):
        window.size(width, height)
        window.prefer(language, scheme)
        window.open(f"{url}?{urlencode(parameters)}")
        window.run("localStorage.clear()")
        return arrive(window)

    yield visit
    assert window.run("return window.wrong") == []


def arrive(window):
    window.open(window.run("return location.href"))
    window.wait("document.querySelector('.tang[data-ready]')")
    window.run(
        """window.wrong = [];
        addEventListener("error", event => wrong.push(event.message));
        addEventListener("unhandledrejection", event => wrong.push(String(event.reason)));"""
    )
    return window


def poem(window) -> str:
    return window.run(
        "return [...document.querySelectorAll('[data-sheet=write] .poem span')].map(e => e.textContent).join('')"
    )


def stands(window) -> str:
    """Waits until a poem stands; gives its text."""
    window.wait(f"document.querySelector('{SHEET}:not([aria-busy]) .signature .seal')")
    return poem(window)


def address(window) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(window.run("return location.href")).query))


def anew(window) -> str:
    """Has the rest written anew; gives the poem."""
    before = poem(window)
    window.click(f"{UNDER} [data-hand=rest]")
    window.wait(f"document.querySelector('{SHEET}:not([aria-busy])')")
    text = stands(window)
    assert text != before
    return text


@pytest.mark.parametrize(("width", "language"), [(1280, "zh-CN"), (390, "en-US")])
def test_a_hand_on_the_poem(visit, width, language):
    page = visit(width, 844, language, opening="江", form="七律", seed="5")
    texts = [stands(page)]
    page.click(f"{SHEET} [data-line='3'][data-place='4']")
    page.find(f"{CHOICES} [data-choice]")
    box = page.run(f"return document.querySelector('{CHOICES}').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0 and box["right"] <= width and box["bottom"] <= 844
    second = page.text(f"{CHOICES} [data-choice]:nth-child(2) b")
    page.click(f"{CHOICES} [data-choice]:nth-child(2)")
    page.wait(f"document.querySelector('{CHOICES}').hidden")
    texts.append(stands(page))
    assert split_lines(texts[1])[2][3] == second
    for line in (2, 5):
        page.click(f"{SHEET} .poem p:nth-child({line}) .lock")
    texts.append(anew(page))
    before, after = split_lines(texts[1]), split_lines(texts[2])
    assert (after[1], after[4], after[2][3], after[0][0]) == (before[1], before[4], second, "江")
    for text in texts:
        assert check(text, "七律").clean
    for text in (texts[1], texts[0]):
        page.click(f"{UNDER} [data-hand=undo]")
        assert poem(page) == text
    page.click(f"{UNDER} [data-hand=redo]")
    assert poem(page) == texts[1]
    page.click(f"{UNDER} [data-hand=tones]")
    page.wait(f"document.querySelectorAll('{SHEET} [data-tone]').length === 56")


def test_the_hand_by_keys_alone(visit):
    page = visit()
    page.wait(f"document.activeElement.matches('{FIELD}')")  # a visitor may write at once
    page.press("江")
    page.press("Enter")
    first = stands(page)
    for _ in range(40):
        page.press("Tab")
        if page.run("return document.activeElement.matches('.char')"):
            break
    assert page.run("return document.activeElement.dataset.line") == "1"
    for key in ("ArrowDown", "ArrowDown", "ArrowLeft"):  # columns run down and to the left
        page.press(key)
    page.press("Enter")
    page.wait(f"document.activeElement.matches('{CHOICES} [data-choice]')")
    page.press("ArrowRight")
    page.press("Enter")
    page.wait("document.activeElement.matches('.char')")
    second = stands(page)
    assert [
        (row, column)
        for row, (old, new) in enumerate(zip(split_lines(first), split_lines(second), strict=True))
        for column, (one, other) in enumerate(zip(old, new, strict=True))
        if one != other
    ] == [(1, 2)]
    page.press("Tab")  # the box of its line: kept
    page.press("Enter")
    assert address(page)["keep"] and address(page)["text"] == second
    page.press("Control", "z")
    assert poem(page) == first
    page.press("Control", "Shift", "z")
    assert poem(page) == second
    page.press("Shift", "Tab")
    page.press("Enter")
    page.wait(f"document.activeElement.matches('{CHOICES} [data-choice]')")
    page.press("Escape")
    assert page.run("return document.activeElement.matches('.char')")


@pytest.mark.parametrize(("width", "height"), [(1280, 950), (390, 844)])
def test_the_sheet_holds_title_poet_marks_and_seal(visit, width, height):
    page = visit(width, height, opening="月", form="七律", title="江楼", poet="李白", seed="3")
    stands(page)
    page.wait("document.fonts.status === 'loaded'")
    found = page.run(SHEET_BOXES)
    frame = found["frame"]
    assert len(found["poem"]) == len(found["marks"]) == 8 and found["scroll"] <= found["width"]
    for box in (*found["heading"], *found["poem"], found["seal"], *found["marks"]):
        assert frame["left"] <= box["left"] <= box["right"] <= frame["right"]
        assert frame["top"] <= box["top"] <= box["bottom"] <= frame["bottom"]
    if width > 640:  # a mark stands in the upper right of its square, below the last character
        for char, mark in zip(found["chars"], found["marks"], strict=True):
            assert mark["left"] > (char["left"] + char["right"]) / 2 and mark["top"] < char["bottom"]


@pytest.mark.parametrize(("width", "language", "scheme"), [(390, "en-US", "dark"), (768, "zh-CN", "light")])
def test_every_view_fits(visit, width, language, scheme):
    page = visit(width, 844, language, scheme)
    assert page.run("return document.body.classList.contains('dark')") == (scheme == "dark")
    tops = "return [...document.querySelectorAll('[role=tab]')].map(tab => tab.getBoundingClientRect().top)"
    assert len(set(page.run(tops))) == 1  # also beside a bar for scrolling
    for tab in ("compare", "acrostic", "answer", "check", "inside", "about"):
        page.click(f"[data-tab={tab}]")
        if tab != "about":
            page.click(f"[data-form={tab}] .go")
            page.wait(f"document.querySelector('[data-form={tab}]:not(.busy)')")
        assert page.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"), tab
        assert page.text(f"[data-word={tab}]") == "" if tab != "about" else True


def test_paper_is_one_sheet(visit):
    page = visit(opening="月", form="七律", title="江楼", seed="3", scheme="dark")
    stands(page)
    document = base64.b64decode(page.send("WebDriver:Print", page={"width": 21, "height": 29.7}, background=True))
    parts = re.findall(rb"stream\r?\n(.*?)endstream", document, re.S)  # the pages are told of in one that is packed
    packed = [zlib.decompressobj().decompress(part) for part in parts if part.startswith(b"x")]
    assert len(re.findall(rb"/Type\s*/Page\b", b"".join([document, *packed]))) == 1
    page.medium("print")
    try:
        shown = """return arguments[0].map(part => document.querySelector(part).checkVisibility())"""
        parts = [f"{SHEET} .poem", f"{SHEET} .heading", f"{SHEET} .seal", ".top", ".settings", f"{UNDER} .acts"]
        assert page.run(shown, parts) == [True] * 3 + [False] * 3
        assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    finally:
        page.medium("none")


def test_copied_sent_on_and_drawn(visit):
    page = visit(opening="云", seed="1", utm_source="someone", __sign="secret")
    text = stands(page)
    page.run(
        """window.copied = []; navigator.clipboard.writeText = async text => copied.push(text);
        getSelection().selectAllChildren(document.querySelector(arguments[0]))""",
        SHEET,
    )
    assert re.sub(r"\s", "", page.run("return getSelection().toString()")) == text  # by hand: the poem alone
    page.run("getSelection().removeAllRanges()")
    for act in ("copy", "link"):
        page.click(f"{UNDER} [data-act={act}]")
    page.wait("copied.length === 2")
    copied, link = page.run("return copied")
    assert copied.replace("\n", "") == text
    given = dict(parse_qsl(urlsplit(link).query))
    assert given["text"] == text and not given.keys() & {"utm_source", "__sign"}
    page.click(f"{UNDER} [data-act=picture]")
    page.wait("document.querySelector('.picture img')?.naturalWidth > 1000")
    box = page.run("return document.querySelector('.picture').getBoundingClientRect().toJSON()")
    assert box["top"] >= 0 and box["bottom"] <= 900
    page.press("Escape")
    page.wait("!document.querySelector('.picture').open")


def test_poems_stay_and_are_told_apart(visit):
    page = visit(390, 844, "en-US", opening="春", form="七律", seed="1")
    first = stands(page)
    page.click(f"{SHEET} [data-line='2'][data-place='3']")
    page.click(f"{CHOICES} [data-choice]")
    page.wait(f"document.querySelector('{CHOICES}').hidden")
    second = stands(page)
    page = arrive(page)
    page.click("[data-form=write] .drafts summary")
    names = page.run(
        """return [...document.querySelectorAll('[data-form=write] [data-draft=take]')].map(each =>
        [each.textContent, each.scrollWidth - each.clientWidth])"""
    )
    lines = [split_lines(text)[1] for text in (second, first)]
    assert names == [[f"…{line}", 0] for line in lines]  # told apart, and not cut off
    page.click("[data-form=write] li:nth-child(2) [data-draft=take]")
    page.wait(f"document.querySelector('{SHEET} .poem').textContent.includes('{lines[1]}')")
    assert poem(page) == first


def test_pinyin_meanings_and_what_is_not_kept(visit):
    page = visit(language="en-US", opening="白", form="五绝", regulated="0", text=TOWER.replace("流", "去"))
    page.wait(f"document.querySelector('{UNDER} .colophon').textContent.includes('off rhyme')")
    page.click(f"{UNDER} [data-act=pinyin]")
    page.wait("document.querySelectorAll('.reading-lines ruby').length === 20")
    read = page.run("return [...document.querySelectorAll('.reading-lines rt')].slice(0, 5).map(e => e.textContent)")
    assert read == ["bái", "rì", "yī", "shān", "jìn"]
    rows = """return [...document.querySelectorAll('.reading-lines ruby')].map(each =>
        each.getBoundingClientRect().bottom - each.querySelector('rt').getBoundingClientRect().bottom)"""
    assert min(page.run(rows)) > 20  # above its character
    page.click(f"{UNDER} [data-t=meaning]")
    page.wait("document.querySelector('.reading-lines').textContent.includes('Yellow River')")


def test_a_double_click_is_one_call_and_waiting_is_told(visit):
    page = visit()
    page.run(
        """window.calls = []; const own = window.fetch;
        window.fetch = (what, how) => {
            if (!String(what).endsWith("join?write")) return own(what, how);
            calls.push(what);
            return new Promise(done => window.go = () => {
                window.fetch = own;
                done(own(what, how));
            });
        }"""
    )
    page.type(FIELD, "春")
    for _ in range(2):
        page.click("[data-form=write] .go")
    page.wait(f"document.querySelector('{SHEET}').ariaBusy === 'true'")
    page.wait(f"document.querySelector('{WORD}').textContent === '正在写……'")
    page.run("go()")
    assert stands(page).startswith("春") and len(page.run("return calls")) == 1
    page.type(FIELD, "「月落乌啼」")
    page.press("Enter")
    page.wait(f"document.querySelector('{SHEET} .poem').textContent.startsWith('月落乌啼')")


def test_a_visitor_from_taiwan_reads_traditional_characters(visit):
    page = visit(language="zh-TW", opening="云", seed="1")
    assert stands(page).startswith("雲")
    assert page.text("[data-form=write] .go") == "落筆"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("name", ["stripped", "left on"])
def test_the_page_writes_below_a_path(window, proxied, name, slash):  # noqa: F811
    window.open(f"{proxied[name]}/poem{slash}?opening=%E6%98%A5&seed=7")
    assert stands(window).startswith("春")
    assert window.run("return getComputedStyle(document.querySelector('.frame')).borderTopStyle") == "double"
    window.wait("[...document.fonts].some(face => /Tang/.test(face.family) && face.status === 'loaded')")


def test_a_browser_that_lets_nothing_be_stored_says_so(window, url):
    blocked = "network.cookie.cookieBehavior"
    window.browser("Services.prefs.setIntPref(arguments[0], 2)", blocked)
    try:
        window.prefer("en-US")
        window.open(f"{url}?opening=%E6%98%A5&seed=7")
        first = stands(window)
        window.click(f"{UNDER} [data-act=another]")
        window.click("[data-form=write] .drafts summary")
        window.click("[data-form=write] li:nth-child(2) [data-draft=take]")
        window.wait(f"document.querySelector('{SHEET} .poem').textContent === {first!r}")  # until the page is left
        note = "[data-form=write] .drafts > .soft"
        assert "save them before you leave" in window.text(note)
        assert window.run("return document.querySelector(arguments[0]).checkVisibility()", note)
        window.click("[data-language]")
        window.wait("document.querySelector('[data-form=write] .go').textContent === '落笔'")
    finally:
        window.browser("Services.prefs.clearUserPref(arguments[0])", blocked)


@contextmanager
def another_site(place):
    """The address of a page that has this place in a frame; localhost and 127.0.0.1 are different sites."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(around(place).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()


@pytest.mark.parametrize("storage", ["apart", "blocked"])
def test_the_page_in_a_frame_of_another_site(window, url, monkeypatch, storage):
    """As in a Space: what the page stores is kept apart there, as Firefox does of itself, or may not be stored."""
    kept, headers = "network.cookie.cookieBehavior", sys.modules["page_guard"].HEADERS
    policy = headers["Content-Security-Policy"]
    window.browser("Services.prefs.setIntPref(arguments[0], arguments[1])", kept, {"apart": 5, "blocked": 1}[storage])
    try:
        with another_site(f"{url}?__theme=dark&__sign=secret&opening=%E6%9C%88&seed=3") as site:
            window.prefer("en-US")
            window.size(1000, 760)
            window.open(site)
            window.enter("iframe")
            assert not window.run("return document.querySelector('.tang')")  # not every site may have it in a frame
            monkeypatch.setitem(headers, "Content-Security-Policy", policy.replace("https://huggingface.co", site))
            window.enter(None)
            window.open(site)
            window.enter("iframe")
            first = stands(window)
            assert first.startswith("月") and window.run("return top !== window && document.body.matches('.dark')")
            window.wait("[...document.fonts].some(face => /Tang/.test(face.family) && face.status === 'loaded')")
            window.click(f"{UNDER} [data-act=link]")
            window.wait(f"document.querySelector('{WORD}').textContent.includes('Link copied')")
            window.click(f"{UNDER} [data-act=picture]")
            window.wait("document.querySelector('.picture img')?.naturalWidth > 1000")
            box = window.run("return document.querySelector('.picture').getBoundingClientRect().toJSON()")
            window.enter(None)
            down = window.run("return document.querySelector('iframe').getBoundingClientRect().top")
            assert 0 <= down + box["top"] <= down + box["bottom"] <= 760  # on the screen, not in the frame's middle
            window.enter("iframe")
            window.press("Escape")
            window.wait("!document.querySelector('.picture').open")
            window.click(f"{UNDER} [data-act=another]")
            shown = f"document.querySelector('{SHEET}:not([aria-busy]) .poem')?.textContent"
            window.wait(f"![undefined, {first!r}].includes({shown})")
            stands(window)
            window.click("[data-form=write] .drafts summary")
            note = "[data-form=write] .drafts > .soft"
            warned = window.run("return document.querySelector(arguments[0]).checkVisibility()", note)
            assert warned == (storage == "blocked") and "save them before you leave" in window.text(note)
            window.click("[data-form=write] li:nth-child(2) [data-draft=take]")
            window.wait(f"document.querySelector('{SHEET} .poem').textContent === {first!r}")
            window.enter(None)
            window.open(site)
            window.enter("iframe")
            stands(window)
            drafts = window.run("return document.querySelectorAll('[data-form=write] [data-draft=take]').length")
            assert drafts == (2 if storage == "apart" else 1)
    finally:
        window.enter(None)
        window.browser("Services.prefs.clearUserPref(arguments[0])", kept)
