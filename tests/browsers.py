"""The browsers that the tests drive.

Where one is missing its tests are skipped; with CI=true they fail instead. CHROMIUM names another path to Chromium.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from page import CI

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
if not CHROMIUM and not CI:
    pytest.skip("Chromium is not installed (Debian: apt-get install chromium)", allow_module_level=True)
if not CI:
    pytest.importorskip("playwright", reason="playwright is not installed; it comes with the extra dev")

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
# Whether our own typeface is there; of the faces of this family only those that are needed come.
TYPEFACE = """document.fonts.ready.then(() =>
    [...document.fonts].some(face => /Tang/.test(face.family) && face.status === "loaded"))"""
PATIENCE = 90_000  # milliseconds for what a busy machine does slowly


@contextmanager
def launched() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
