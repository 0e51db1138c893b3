"""The demo's page on a free port of this machine, for the tests of its endpoints and those in a browser."""

import importlib.util
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APP = Path(__file__).resolve().parent.parent / "demo" / "app.py"


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
