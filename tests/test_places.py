"""The page wherever it may stand: below a path that a proxy strips or leaves on, and in another page's frame."""

# ruff: noqa: F811  (a fixture is an argument)

import re

import httpx
import pytest
from browsers import PATIENCE, TYPEFACE, launched
from page import around
from proxies import proxied  # noqa: F401


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("name", ["stripped", "stripped and told", "left on"])
def test_the_page_writes_below_a_path(proxied, browser, name, slash):
    address, page, wrong = proxied[name], browser.new_page(reduced_motion="reduce"), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: request.url.startswith((address, "data:", "blob:")) or wrong.append(request.url))
    page.goto(f"{address}/poem{slash}?opening=%E6%98%A5&seed=7")
    page.wait_for_selector("[data-sheet=write] .signature .seal", timeout=PATIENCE)
    assert page.evaluate("getComputedStyle(document.querySelector('.frame')).borderTopStyle") == "double"  # our looks
    assert page.evaluate(TYPEFACE)
    assert re.match(rf"{address}/poem{slash}\?", page.url) and not wrong
    page.reload()
    page.wait_for_selector("[data-sheet=write] .signature .seal", timeout=PATIENCE)
    page.close()


def test_the_page_writes_in_a_frame(proxied, browser):
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{proxied['framed']}/frame")
    frame = page.frame_locator("iframe")
    frame.locator(".tang[data-ready]").wait_for(timeout=PATIENCE)
    frame.locator("[data-form=write] [name=opening]").press("Enter", timeout=PATIENCE)
    frame.locator("[data-sheet=write] .signature .seal").wait_for(timeout=PATIENCE)
    page.close()


SPACE, HUB = "https://me-tang.hf.space", "https://huggingface.co"
AROUND = around(f"{SPACE}/?__theme=dark&__sign=secret&opening=%E6%9C%88&seed=3")
NO_STORAGE = """if (location.host.endsWith("hf.space"))
    Object.defineProperty(window, "localStorage", { get() { throw new DOMException("denied", "SecurityError") } })"""


def test_the_page_in_a_space_whose_storage_is_blocked(proxied, browser):
    context = browser.new_context(
        viewport={"width": 1000, "height": 760},
        locale="en-US",
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.add_init_script(NO_STORAGE)
    page, wrong = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def forward(route):
        """As the Space's proxy does."""
        url = route.request.url.replace(SPACE, f"{proxied['stripped']}/poem")
        headers = route.request.headers | {"host": SPACE.removeprefix("https://"), "x-forwarded-proto": "https"}
        route.fulfill(response=route.fetch(url=url, headers=headers))

    page.route(f"{SPACE}/**", forward)
    page.route(f"{HUB}/**", lambda route: route.fulfill(content_type="text/html", body=AROUND))
    page.goto(f"{HUB}/spaces/me/tang")
    frame = page.frame_locator("iframe")
    sheet, under = frame.locator("[data-sheet=write]"), frame.locator("[data-under=write]")
    sheet.locator(".signature .seal").wait_for()
    assert sheet.evaluate("document.body.classList.contains('dark')")
    text = sheet.locator(".poem").text_content()
    under.locator("[data-act=link]").click()
    frame.locator("[data-word=write]").filter(has_text="Link copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{SPACE}/?") and "text=" in link and "sign" not in link and "theme" not in link

    under.locator("[data-act=picture]").click()
    picture = frame.locator(".picture")
    picture.locator("img").evaluate("image => image.decode()")
    box = picture.bounding_box()
    assert box["y"] >= 0 and box["y"] + box["height"] <= 760  # on the screen, not in the middle of the frame
    page.keyboard.press("Escape")

    frame.locator("[data-language]").click()
    frame.locator("[data-theme]").click()
    under.locator("[data-act=another]").click()
    frame.locator("[data-form=write] .drafts summary").click()
    frame.locator("[data-form=write] [data-draft=take] >> nth=1").click()  # kept as long as the page is open
    frame.locator("[data-form=write] .drafts").filter(has_text="不许本页存诗").wait_for()
    assert sheet.locator(".poem").text_content() == text

    frame.locator(".brand").click()  # a private Space opens for none who has lost its parameters
    page.frames[1].wait_for_url(re.compile(r"\?__theme=dark&__sign=secret$"))
    frame.locator(".tang[data-ready] [data-sheet=write] .hint").wait_for()
    page.unroute_all(behavior="ignoreErrors")
    context.close()
    assert not wrong


@pytest.mark.parametrize(("name", "prefix"), [("stripped and told", "/poem"), ("left on", "/poem")])
def test_a_preview_below_a_path_has_whole_addresses(proxied, name, prefix):
    page = httpx.get(f"{proxied[name]}/poem/").text
    image = re.search(r'og:image" content="([^"]+)"', page)[1]
    assert image.startswith(f"{proxied[name]}{prefix}/tang/card.png")
    assert httpx.get(image).headers["content-type"] == "image/png"
