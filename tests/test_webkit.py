"""The page in WebKit, the engine of every browser on an iPhone: Debian's WebKitGTK, by the WebDriver protocol."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from page import CI, SHEET_BOXES

from benchmarks import free_port
from tang_rnn.verse import check, split_lines

BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
if not CI and not (BROWSER and shutil.which("WebKitWebDriver") and shutil.which("Xvfb")):
    pytest.skip("WebKit is not installed (Debian: apt-get install webkit2gtk-driver xvfb)", allow_module_level=True)


class Session:
    """A window of WebKit; see https://www.w3.org/TR/webdriver2/."""

    def __init__(self, driver: str):
        options = {"webkitgtk:browserOptions": {"binary": str(BROWSER), "args": ["--automation"]}}
        self.address = f"{driver}/session"
        opened = self._send("post", "", {"capabilities": {"alwaysMatch": options}})
        self.address += f"/{opened['sessionId']}"

    def _send(self, method: str, path: str, body: dict | None = None):
        kwargs = {} if body is None else {"json": body}
        answer = httpx.request(method, self.address + path, timeout=120, **kwargs).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, url: str, width: int, height: int) -> None:
        self._send("post", "/window/rect", {"width": width, "height": height})
        self._send("post", "/url", {"url": url})

    def run(self, script: str):
        """What a script returns."""
        return self._send("post", "/execute/sync", {"script": script, "args": []})

    def wait(self, condition: str) -> None:
        for _ in range(300):
            if self.run(f"return !!({condition})"):
                return
            time.sleep(0.2)
        pytest.fail(f"never {condition}")

    def click(self, selector: str) -> None:
        """Has an element do what a click does; comes as soon as it is there."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def close(self) -> None:
        self._send("delete", "")


@contextmanager
def started(*command: str, **settings) -> Iterator[subprocess.Popen]:
    """A program that runs as long as it is needed."""
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, **settings) as process:
        try:
            yield process
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def webkit():
    read, write = os.pipe()
    port = free_port()
    with started("Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1000x24", pass_fds=[write]):
        os.close(write)
        with os.fdopen(read) as answer:
            display = answer.readline().strip()
        environment = os.environ | {"DISPLAY": f":{display}", "LIBGL_ALWAYS_SOFTWARE": "1"}
        with started("WebKitWebDriver", f"--port={port}", env=environment):
            driver = f"http://127.0.0.1:{port}"
            for _ in range(100):
                try:
                    httpx.get(f"{driver}/status")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            session = Session(driver)
            yield session
            session.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 950), (450, 900)])
def test_the_sheet_in_webkit(webkit, url, width, height):
    wishes = dict(opening="月", form="七律", title="江楼", poet="李白", seed=3)
    webkit.open(f"{url}?{urlencode(wishes)}", width, height)
    webkit.wait("document.querySelector('[data-sheet=write] .signature .seal')")
    webkit.wait("document.fonts.status === 'loaded'")
    found = webkit.run(SHEET_BOXES)
    frame = found["frame"]
    assert len(found["poem"]) == len(found["marks"]) == 8 and found["scroll"] <= found["width"]
    for box in (*found["heading"], *found["poem"], found["seal"], *found["marks"]):
        assert frame["left"] <= box["left"] <= box["right"] <= frame["right"]
        assert frame["top"] <= box["top"] <= box["bottom"] <= frame["bottom"]
    title, poet = found["heading"]
    assert title["bottom"] <= poet["top"] or title["right"] <= poet["left"]
    if width > 640:  # columns: a mark stands in the upper right of its square, below the last character
        for char, mark in zip(found["chars"], found["marks"], strict=True):
            assert mark["left"] > (char["left"] + char["right"]) / 2 and mark["top"] < char["bottom"]


POEM = "[...document.querySelectorAll('[data-sheet=write] .poem span')].map(each => each.textContent).join('')"


@pytest.mark.parametrize("width", [1280, 450])
def test_a_hand_on_the_poem_and_its_picture_in_webkit(webkit, url, width):
    webkit.open(f"{url}?{urlencode(dict(opening='江', form='七律', seed=5, lang='en'))}", width, 900)
    webkit.wait("document.querySelector('[data-sheet=write] .signature .seal')")
    texts = [webkit.run(f"return {POEM}")]
    choice = ".side:has([data-sheet=write]) > .choices [data-choice]:nth-child(2)"
    webkit.click("[data-sheet=write] [data-line='3'][data-place='4']")
    webkit.click(choice)
    webkit.wait(f"{POEM} !== '{texts[0]}'")
    texts.append(webkit.run(f"return {POEM}"))
    webkit.click("[data-sheet=write] .poem p:nth-child(2) .lock")
    webkit.click("[data-under=write] [data-hand=rest]")
    webkit.wait(f"{POEM} !== '{texts[1]}'")
    texts.append(webkit.run(f"return {POEM}"))
    lines = [split_lines(text) for text in texts]
    assert lines[2][1] == lines[1][1] and lines[2][2][3] == lines[1][2][3] != lines[0][2][3]
    assert all(check(text, "七律").clean for text in texts)
    for text in (texts[1], texts[0]):
        webkit.click("[data-under=write] [data-hand=undo]")
        assert webkit.run(f"return {POEM}") == text
    webkit.click("[data-under=write] [data-act=picture]")
    webkit.wait("document.querySelector('.picture img')?.naturalWidth > 1000")
    boxes = """const box = each => each.getBoundingClientRect().toJSON(), all = document.querySelector(".picture");
        return [box(all), box(all.lastElementChild), innerHeight];"""
    picture, acts, height = webkit.run(boxes)
    assert picture["top"] >= 0 and picture["bottom"] <= height
    assert picture["bottom"] - acts["bottom"] < 40  # as tall as what is in it
