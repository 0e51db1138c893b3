"""Two processes of the page behind nginx, as demo/nginx.conf has it, one of which is killed in the middle."""

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed; it comes with the extra demo")
pytest.importorskip("psutil", reason="psutil is not installed")
if not shutil.which("nginx"):
    pytest.skip("nginx is not installed", allow_module_level=True)

import httpx  # noqa: E402
from page import APP, free_port  # noqa: E402

from benchmarks.load import page  # noqa: E402

CALLERS = [f"127.0.0.{number}" for number in range(2, 14)]


@contextmanager
def nginx(folder: Path, ports: list[int], **settings: str) -> Iterator[str]:
    """The address at which nginx listens for pages at these ports; settings take the place of the file's own."""
    port = free_port()
    text = (APP.parent / "nginx.conf").read_text("utf-8").replace("listen 80;", f"listen 127.0.0.1:{port};")
    for meant, own in zip((7860, 7861), ports):
        text = text.replace(f"server 127.0.0.1:{meant} ", f"server 127.0.0.1:{own} ")
    for name, value in settings.items():
        text, count = re.subn(rf"\b{name} [^;]+;", f"{name} {value};", text)
        assert count == 1
    places = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(text.replace("http {", f"http {{ access_log off; {places}"), "utf-8")
    alone = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;"
    with subprocess.Popen(["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", alone]) as server:
        try:
            yield f"http://127.0.0.1:{port}/gradio_api/"
        finally:
            server.terminate()


def client(url: str, caller: str) -> httpx.Client:
    return httpx.Client(base_url=url, transport=httpx.HTTPTransport(local_address=caller), timeout=120)


def process_of(url: str, caller: str) -> str:
    """Which process answers a caller."""
    with client(url, caller) as asking:
        return str(asking.get("app_id").raise_for_status().json()["app_id"])


def post(asking: httpx.Client, form: str) -> str:
    data = ["春", "rnn", form, True, "", "", "", 0.8, 1, "平水韵"]
    return asking.post("call/write", json={"data": data}).raise_for_status().json()["event_id"]


def poem(url: str, caller: str) -> str:
    """The last of what a caller is told of a poem."""
    with client(url, caller) as asking:
        told = asking.get(f"call/write/{post(asking, '五绝')}").raise_for_status().text
    assert "event: complete" in told
    return told.split("data: ")[-1].strip()


def test_callers_keep_their_process_and_go_to_another_when_it_is_gone(tmp_path):
    with page() as (one, first), page() as (another, _):
        ports = [int(url.rstrip("/").rsplit(":", 1)[1]) for url in (one, another)]
        with nginx(tmp_path, ports) as url:
            deadline = time.monotonic() + 30
            while True:
                with suppress(httpx.TransportError):
                    place = {caller: process_of(url, caller) for caller in CALLERS}
                    break
                assert time.monotonic() < deadline
            gone = str(httpx.get(f"{one}gradio_api/app_id").json()["app_id"])
            theirs = {name: [caller for caller in CALLERS if place[caller] == name] for name in set(place.values())}
            assert len(theirs) == 2 and gone in theirs, "both have callers"
            poems = {caller: poem(url, caller) for caller in CALLERS[:4]}
            assert len(set(poems.values())) == 1
            (stays,) = [callers[0] for name, callers in theirs.items() if name != gone]
            with client(url, stays) as asking, client(url, theirs[gone][0]) as losing:
                kept, lost = post(asking, "七律"), post(losing, "七律")
                first.kill()
                assert "event: complete" in asking.get(f"call/write/{kept}").text, "who is with another notices nothing"
                with suppress(httpx.HTTPError):  # the stream breaks, or the other process does not know of the call
                    assert "event: complete" not in losing.get(f"call/write/{lost}").text
            assert {poem(url, caller) for caller in CALLERS[:4] + theirs[gone]} == set(poems.values())
            assert {process_of(url, caller) for caller in CALLERS} == {place[stays]}


class Page(BaseHTTPRequestHandler):
    """Stands for the page where only what comes through to it matters."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *what):
        pass


def test_who_sends_headers_slowly_is_cut_off(tmp_path):
    """A hundred who send a character of their headers now and then hold their connections no longer than the limit."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as behind:
        threading.Thread(target=behind.serve_forever, daemon=True).start()
        with nginx(tmp_path, [behind.server_port] * 2, client_header_timeout="1s") as url, ExitStack() as stack:
            place = ("127.0.0.1", int(url.split(":")[2].split("/")[0]))
            deadline = time.monotonic() + 30
            while True:
                with suppress(OSError):
                    slow = [stack.enter_context(socket.create_connection(place, timeout=5)) for _ in range(100)]
                    break
                assert time.monotonic() < deadline
            for each in slow:
                each.sendall(b"GET / HTTP/1.1\r\nHost: page\r\nX-Slow: ")
            assert httpx.get(url, timeout=30).status_code == 200, "others are answered meanwhile"
            while slow:
                assert time.monotonic() < deadline, f"{len(slow)} are still connected"
                time.sleep(0.2)
                slow = [each for each in slow if connected(each)]
        behind.shutdown()


def connected(slow: socket.socket) -> bool:
    """Whether another character of the headers finds somebody."""
    with suppress(OSError):
        slow.sendall(b"x")
        slow.setblocking(False)
        try:
            return bool(slow.recv(1))
        except BlockingIOError:
            return True
        finally:
            slow.setblocking(True)
    return False
