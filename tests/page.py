"""The demo's page on a free port of this machine, for the tests of its endpoints and those in a browser."""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CI = os.environ.get("CI") == "true"  # where nothing may be missing that the tests need
if not CI:
    for package in ("gradio", "httpx"):
        pytest.importorskip(package, reason=f"{package} is not installed; it comes with the extra dev")

import httpx  # noqa: E402

from benchmarks import free_port  # noqa: E402

APP = Path(__file__).resolve().parent.parent / "demo" / "app.py"
# Where everything on the sheet of Write lies, for engines that differ in it.
SHEET_BOXES = """const box = e => e.getBoundingClientRect().toJSON();
const sheet = document.querySelector("[data-sheet=write]");
const all = selector => [...sheet.querySelectorAll(selector)].map(box);
return { frame: all(".frame")[0], heading: all(".heading *"), poem: all(".poem > p"), seal: all(".seal")[0],
    chars: all(".char:nth-child(7)"), marks: all(".mark"),
    scroll: document.documentElement.scrollWidth, width: innerWidth };"""


def around(place: str) -> str:
    """What Hugging Face puts around a Space, as far as it matters: another site, whose frame is as tall as the page."""
    return f"""<!doctype html><header style="height: 60px">Spaces</header>
    <iframe style="width: 100%; height: 2600px; border: 0" allow="clipboard-read; clipboard-write; fullscreen"
        sandbox="allow-downloads allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox allow-same-origin
        allow-scripts allow-storage-access-by-user-activation"
        src="{place}"></iframe>"""


def load_app():
    """demo/app.py as a module, loaded once."""
    if "tang_demo_app" not in sys.modules:
        spec = importlib.util.spec_from_file_location("tang_demo_app", APP)
        module = sys.modules["tang_demo_app"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["tang_demo_app"]


@contextmanager
def serving(**settings) -> Iterator[str]:
    """Serves the page; gives its address. Settings go to ``launch``."""
    blocks = load_app().build()
    settings = {"server_name": "127.0.0.1", "server_port": free_port(), "quiet": True} | settings
    load_app().launch(blocks, prevent_thread_lock=True, **settings)
    try:
        yield blocks.local_url
    finally:
        blocks.close()


@contextmanager
def running(*command) -> Iterator[str]:
    """The page in a process of its own, by arguments of Python's, where the environment says; gives its address."""
    port = free_port()
    place = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, *command], env=os.environ | place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as server:
        try:
            for _ in range(240):
                try:
                    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
                    break
                except httpx.TransportError:
                    assert server.poll() is None, server.stdout.read().decode()
                    time.sleep(0.25)
            else:
                raise AssertionError("the page did not come up")
            yield f"http://127.0.0.1:{port}/"
        finally:
            server.terminate()
