"""Firefox without a window, driven by Marionette, the protocol that Debian's own Firefox speaks without a driver.

See https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html. Playwright drives only its own builds.
"""

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BINARY = shutil.which("firefox-esr") or shutil.which("firefox")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # what WebDriver calls an element by
PREFERENCES = {
    "marionette.port": 0,  # any that is free; it is written into the profile
    "ui.prefersReducedMotion": 1,  # the poem stands at once
    "dom.events.testing.asyncClipboard": True,
}
# What WebDriver calls keys: https://www.w3.org/TR/webdriver2/#keyboard-actions
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Shift": "\ue008", "Control": "\ue009", "Escape": "\ue00c"}
KEYS |= {"ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014", "ArrowDown": "\ue015"}
PATIENCE = 90  # seconds for what a busy machine does slowly


class Firefox:
    """A window of Firefox."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.stream, self.number = self.socket.makefile("rb"), 0
        self._read()  # who it is
        self.send("WebDriver:NewSession", acceptInsecureCerts=True)

    def _read(self):
        size = b""
        while (byte := self.stream.read(1)) != b":":
            assert byte, "Firefox has gone"
            size += byte
        return json.loads(self.stream.read(int(size)))

    def send(self, command: str, **values):
        """What a command of WebDriver's gives."""
        self.number += 1
        message = json.dumps([0, self.number, command, values]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, _, error, result = self._read()
        assert not error, f"{error['error']}: {error['message']}"
        return result["value"] if result and set(result) == {"value"} else result

    # -- the browser itself --------------------------------------------------------------------------------------------

    def browser(self, script: str, *arguments):
        """What a script returns that may do whatever the browser may."""
        self.send("Marionette:SetContext", value="chrome")
        try:
            return self.run(script, *arguments)
        finally:
            self.send("Marionette:SetContext", value="content")

    def size(self, width: int, height: int) -> None:
        """Makes the page so many CSS pixels large, also narrower than a window can be."""
        self.browser(
            """const { style } = gBrowser.selectedBrowser;
            for (const way of ["min", "max"])
                for (const [name, value] of Object.entries({ width: arguments[0], height: arguments[1] }))
                    style.setProperty(`${way}-${name}`, `${value}px`);""",
            width,
            height,
        )
        self.wait(f"innerWidth === {width} && innerHeight === {height}")

    def prefer(self, language: str = "zh-CN", scheme: str = "light") -> None:
        """What the visitor's browser says of him."""
        self.browser(
            """Services.prefs.setStringPref("intl.accept_languages", arguments[0]);
            Services.prefs.setIntPref("layout.css.prefers-color-scheme.content-override", arguments[1]);""",
            language,
            ["dark", "light"].index(scheme),
        )

    def medium(self, name: str) -> None:
        """Shows the page as on a screen (``""``) or as in ``print``."""
        self.browser("gBrowser.selectedBrowser.browsingContext.mediumOverride = arguments[0]", name)

    # -- the page ------------------------------------------------------------------------------------------------------

    def open(self, url: str) -> None:
        self.send("WebDriver:Navigate", url=url)

    def enter(self, selector: str | None) -> None:
        """Goes into a frame of the page, where all that follows is done; None: back to the page."""
        self.send("WebDriver:SwitchToFrame", **({"element": self.find(selector)} if selector else {"id": None}))

    def run(self, script: str, *arguments):
        """What a script returns; its arguments are ``arguments``."""
        return self.send("WebDriver:ExecuteScript", script=script, args=list(arguments), sandbox=None)

    def wait(self, condition: str) -> None:
        """Waits until an expression is true."""
        until = time.monotonic() + PATIENCE
        while not self.run(f"return !!({condition})"):
            assert time.monotonic() < until, f"never {condition}"
            time.sleep(0.05)

    def find(self, selector: str) -> str:
        """An element that is there, or comes."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        return self.send("WebDriver:FindElement", using="css selector", value=selector)[ELEMENT]

    def click(self, selector: str) -> None:
        """As a visitor does: the element is scrolled into sight, and nothing may lie over it."""
        self.send("WebDriver:ElementClick", id=self.find(selector))

    def type(self, selector: str, text: str) -> None:
        """Types into a field what is to stand there."""
        element = self.find(selector)
        self.send("WebDriver:ElementClear", id=element)
        self.send("WebDriver:ElementSendKeys", id=element, text=text)

    def press(self, *keys: str) -> None:
        """Presses keys together, wherever the focus is; KEYS has those that stand for no character."""
        values = [KEYS.get(key, key) for key in keys]
        actions = [{"type": "keyDown", "value": value} for value in values]
        actions += [{"type": "keyUp", "value": value} for value in reversed(values)]
        self.send("WebDriver:PerformActions", actions=[{"type": "key", "id": "keys", "actions": actions}])
        self.send("WebDriver:ReleaseActions")

    def text(self, selector: str) -> str:
        return self.run("return document.querySelector(arguments[0]).textContent", selector)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Takes a screenshot."""
        path.write_bytes(base64.b64decode(self.send("WebDriver:TakeScreenshot", full=whole)))


@contextmanager
def launched() -> Iterator[Firefox]:
    """Firefox with a profile of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        profile = Path(folder)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        command = [BINARY, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*command, "--profile", folder], **quiet) as process:
            try:
                place, until = profile / "MarionetteActivePort", time.monotonic() + 2 * PATIENCE
                while not (place.exists() and place.read_text().strip()):
                    assert process.poll() is None and time.monotonic() < until, "Firefox did not start"
                    time.sleep(0.1)
                yield Firefox(int(place.read_text()))
            finally:
                process.terminate()
