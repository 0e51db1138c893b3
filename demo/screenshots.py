"""Takes the pictures of the page that stand in the README.

    python demo/screenshots.py [folder]       # default: demo/screenshots; needs Chromium and playwright

Writes write.png (a poem, light) and inside.png (the gates as it is read, dark), and with ``--all`` every view at 1280,
768 and 390 pixels, in both languages and both lights, to look through.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import sync_playwright

DEMO = Path(__file__).resolve().parent
sys.path.insert(0, str(DEMO))
import app  # noqa: E402

POEM = "床前明月光，疑是地上霜。举头望明月，低头思故乡。"
VIEWS = {  # parameters, and what is there once the view is complete
    "write": (dict(opening="月", form="七绝", cell="lstm", title="江楼", seed=12), "[data-sheet=write] .seal"),
    "compare": (dict(tab="compare", opening="春", seed=7), "[data-numbers] .best"),
    "acrostic": (dict(tab="acrostic", phrase="春夏秋冬", seed=7), "[data-sheet=acrostic] .seal"),
    "lines": (dict(lines="1", form="五绝", text="白日依山尽，"), "[data-offer]"),
    "answer": (dict(tab="answer", line="细雨鱼儿出", seed=1), ".couplets li"),
    "check": (dict(tab="check", text="春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。"), ".verdict .cell"),
    "inside": (dict(tab="inside", text=POEM, form="五绝"), "[data-heat] canvas"),
    "about": (dict(tab="about"), "[data-models] td"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=DEMO / "screenshots")
    parser.add_argument("--all", action="store_true", help="every view, width, language and light")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True)
    with sync_playwright() as playwright:
        executable = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])

        def take(view, path, width=1280, height=800, locale="zh-CN", scheme="light", whole=False):
            context = browser.new_context(
                viewport={"width": width, "height": height}, locale=locale, color_scheme=scheme, reduced_motion="reduce"
            )
            page = context.new_page()
            parameters, complete = VIEWS[view]
            page.goto(f"{url}?{urlencode(parameters)}")
            page.wait_for_selector(complete, timeout=60_000)
            page.evaluate("document.fonts.ready")
            if not whole and view == "inside":
                page.locator("[data-explain]").evaluate("e => window.scrollTo(0, e.offsetTop - 20)")
            page.wait_for_timeout(500)
            page.screenshot(path=path, full_page=whole)
            print(path, f"{path.stat().st_size:,} bytes")
            context.close()

        if options.all:
            for view in VIEWS:
                for width in (1280, 768, 390):
                    for locale in ("zh-CN", "en-US"):
                        for scheme in ("light", "dark"):
                            path = options.folder / f"{view}-{width}-{locale[:2]}-{scheme}.png"
                            take(view, path, width, 900, locale, scheme, whole=True)
        else:
            take("write", options.folder / "write.png")
            take("inside", options.folder / "inside.png", height=1150, locale="en-US", scheme="dark")
        browser.close()


if __name__ == "__main__":
    main()
