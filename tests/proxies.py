"""nginx before the page, in every way in which it may be set to serve it below a path."""

import re
import shutil
import subprocess
import time

import httpx
import pytest
from page import CI, serving

from benchmarks import free_port

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

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
    if not NGINX and not CI:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
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
