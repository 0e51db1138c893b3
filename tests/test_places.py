"""The page wherever it may stand: below a path that a proxy strips or leaves on, and in another page's frame."""

import re
import shutil
import subprocess
import time

import pytest
from browsers import CI, PATIENCE, TYPEFACE, launched
from page import serving

from benchmarks import free_port

httpx = pytest.importorskip("httpx")

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
if not NGINX and not CI:
    pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)", allow_module_level=True)

# A name, and what nginx makes of /poem: the page's own idea of its path is right, missing, or not needed.
PROXIES = {
    "stripped": "location /poem/ { proxy_pass %(plain)s; } location = /poem { proxy_pass %(plain)s; }",
    "stripped and told": "location /poem/ { proxy_pass %(told)s; } location = /poem { proxy_pass %(told)s; }",
    "left on": "location /poem { proxy_pass %(bare_told)s; }",
    "framed": """location = /frame { default_type text/html; return 200 '<iframe src="/poem/" width=900 height=900>'; }
        location /poem/ { proxy_pass %(plain)s; }""",
}
CONFIGURATION = """
daemon off; pid %(folder)s/pid; error_log %(folder)s/error.log;
events {}
http {
    access_log off; client_body_temp_path %(folder)s/1; proxy_temp_path %(folder)s/2; fastcgi_temp_path %(folder)s/3;
    uwsgi_temp_path %(folder)s/4; scgi_temp_path %(folder)s/5;
    proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host $http_host;
    %(servers)s
}
"""


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """The address of each proxy, by name."""
    folder = tmp_path_factory.mktemp("nginx")
    with serving() as plain, serving(root_path="/poem") as told:
        told = re.match("http://[^/]+", told)[0]
        values = {"plain": plain, "told": f"{told}/", "bare_told": told}
        ports = {name: free_port() for name in PROXIES}
        servers = "".join(
            f"server {{ listen 127.0.0.1:{ports[name]}; {rules % values} }}\n" for name, rules in PROXIES.items()
        )
        (folder / "nginx.conf").write_text(CONFIGURATION % {"folder": folder, "servers": servers})
        with subprocess.Popen([NGINX, "-e", folder / "error.log", "-c", folder / "nginx.conf"]) as nginx:
            addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
            try:
                for address in addresses.values():
                    _wait(nginx, address)
                yield addresses
            finally:
                nginx.terminate()


def _wait(nginx: subprocess.Popen, address: str) -> None:
    for _ in range(200):
        try:
            httpx.get(address)
            return
        except httpx.TransportError:
            assert nginx.poll() is None, "nginx did not start"
            time.sleep(0.05)
    pytest.fail("nginx does not answer")


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


@pytest.mark.parametrize(("name", "prefix"), [("stripped and told", "/poem"), ("left on", "/poem")])
def test_a_preview_below_a_path_has_whole_addresses(proxied, name, prefix):
    page = httpx.get(f"{proxied[name]}/poem/").text
    image = re.search(r'og:image" content="([^"]+)"', page)[1]
    assert image.startswith(f"{proxied[name]}{prefix}/tang/card.png")
    assert httpx.get(image).headers["content-type"] == "image/png"
