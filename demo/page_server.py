"""How the page is served: at any address, with a head of its own, packed, and with a picture for every link.

The page stands on a host's root, in a Space's frame, or below a path (``/poem``) that a proxy strips or leaves on. It
finds out by itself where it is: every address in it is relative, and its base is the browser's own address, with or
without a slash at the end. Only what others read from outside, the picture in a link's preview, needs a whole address.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from html import escape
from pathlib import Path
from threading import BoundedSemaphore
from urllib.parse import parse_qsl, urlencode, urlsplit

from page_card import SIZES, CannotDraw, Card, draw
from page_cells import LONGEST
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

STATIC = Path(__file__).resolve().parent / "static"
TITLE = "一字成诗 · A poem from one character"
DESCRIPTION = "写一个字，循环神经网络接着写成一首诗。Type one character; an RNN, LSTM or GRU goes on to a Tang poem."
PAPER, DARK_PAPER = "#f5f0e4", "#191714"

# A poem of a link: its name, the picture's, and the most characters it may have.
LIMITS = {"opening": 32, "text": 400, "title": 24, "poet": 8, "cell": LONGEST + 8, "script": 1}
VERSE = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff，。]+"
)  # Chinese, and its two marks
DRAWING = BoundedSemaphore(2)  # pictures drawn at once
DAY = 24 * 60 * 60

# The template's base is "./", which without a slash at the end of the address is the folder above. The browser's
# address is right whatever the server has been told; that comes second, for what is fetched before scripts run.
BASE = """<script>document.head.prepend(Object.assign(document.createElement("base"), \
{href: location.pathname.replace(/\\/?$/, "/")}))</script>"""
# What Gradio takes for its root is wrong behind a proxy that strips a path, or speaks https, and does not say so.
ROOT = '<script>gradio_config.root = new URL(".", document.baseURI).href.replace(/\\/$/, "")</script>'
HEAD = f"""
<meta name="theme-color" content="{PAPER}" media="(prefers-color-scheme: light)">
<meta name="theme-color" content="{DARK_PAPER}" media="(prefers-color-scheme: dark)">
<link rel="icon" href="tang/seal.svg" type="image/svg+xml">
<link rel="apple-touch-icon" href="tang/card.png?shape=icon">
<link rel="manifest" href="tang/manifest.json">
<link rel="preload" href="tang/font/tang.woff2" as="font" type="font/woff2" crossorigin>
<link rel="modulepreload" href="tang/page.js">
<link rel="stylesheet" href="tang/font/font.css"><link rel="stylesheet" href="tang/page.css">
"""
MANIFEST = {
    "name": TITLE,
    "short_name": "一字成诗",
    "description": DESCRIPTION,
    "start_url": "..",
    "display": "standalone",
    "background_color": PAPER,
    "theme_color": PAPER,
    "icons": [
        {"src": f"card.png?shape={shape}", "sizes": "{}x{}".format(*SIZES[shape]), "type": "image/png"}
        for shape in ("icon", "large")
    ]
    + [{"src": "seal.svg", "sizes": "any", "type": "image/svg+xml"}],
}

# Writes the poem that a link asks for; gives None where it asks for none, or for one that cannot be written.
PoemOf = Callable[[dict[str, str]], dict | None]


def asked(query: str) -> dict[str, str]:
    """The parameters of a link; what is longer than any poem, or is none, is left out."""
    given = {name: value for name, value in parse_qsl(query) if len(value) <= LIMITS.get(name, 40)}
    return {name: value for name, value in given.items() if name != "text" or VERSE.fullmatch(value)}


def after(poet: str, traditional: bool) -> str:
    """How a poem in the manner of a poet is signed."""
    return ("擬" if traditional else "拟") + poet if poet else ""


class Files(StaticFiles):
    """The page's files; a browser asks whether its copy is still good, so that it never mixes two versions."""

    async def get_response(self, path, scope):
        response = await super().get_response(path, scope)
        response.headers.setdefault("Cache-Control", f"max-age={7 * DAY}" if path.startswith("font") else "no-cache")
        return response


def routes(poem_of: PoemOf) -> list:
    """What the page needs beside Gradio's own routes."""

    def card(request: Request) -> Response:
        parameters = asked(request.url.query)
        if not DRAWING.acquire(timeout=5):
            return Response("too many pictures at once", 503, {"Retry-After": "5"}, "text/plain")
        try:
            poem = parameters if parameters.get("text") else poem_of(parameters) or {}
            picture = draw(
                Card(
                    poem.get("text", ""),
                    poem.get("title", ""),
                    after(poem.get("poet", ""), parameters.get("script") == "t"),
                    poem.get("cell") or "lstm",
                    parameters.get("shape") or "link",
                    parameters.get("dark") == "1",
                )
            )
        except CannotDraw as error:
            return Response(str(error), 400, media_type="text/plain")
        finally:
            DRAWING.release()
        return Response(picture, headers={"Cache-Control": f"public, max-age={DAY}"}, media_type="image/png")

    async def manifest(request: Request) -> Response:
        return JSONResponse(MANIFEST, media_type="application/manifest+json")

    inner = [Route("/card.png", card), Route("/manifest.json", manifest), Mount("/", Files(directory=STATIC))]
    return [Mount("/tang", routes=inner)]


class Anywhere:
    """ASGI middleware: a path means the same below any prefix, and the page arrives with its own head.

    ``launch(head=...)`` is put in by Gradio's scripts, too late for a first paint and for the preview of a shared link,
    which would show Gradio's.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        # By ASGI a path begins with root_path; where the proxy has stripped it, routing would look for it in vain.
        root = urlsplit(scope.get("root_path", "")).path.rstrip("/")
        path = scope["path"]
        if path == root or not path.startswith(root + "/"):
            path = root + (path.removeprefix(root) or "/")
            scope = scope | {"path": path, "raw_path": path.encode("utf-8")}
        scope = scope | {"root_path": root}
        if scope["type"] != "http" or scope["method"] != "GET" or path != root + "/":
            return await self.app(scope, receive, send)
        request, start, body = Request(scope), {}, b""

        async def rewrite(message):
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
            if dict(headers).get(b"content-type", b"").startswith(b"text/html"):
                body = dressed(body.decode("utf-8"), request).encode("utf-8")
                headers += [(b"vary", b"accept-encoding"), (b"cache-control", b"no-cache")]
                if "gzip" in request.headers.get("accept-encoding", ""):
                    body = gzip.compress(body, 6)
                    headers.append((b"content-encoding", b"gzip"))
            await send(start | {"headers": [*headers, (b"content-length", str(len(body)).encode())]})
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, rewrite)


def dressed(page: str, request: Request) -> str:
    """Gradio's page with our head instead of its own tags."""
    page = re.sub(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>|<link rel="manifest"[^>]*>|<base [^>]*>', "", page)
    page = re.sub(r'const root = ".*?";', "const root = window.gradio_config.root;", page)
    told = f'<base href="{escape(request.scope["root_path"])}/">' if request.scope["root_path"] else ""
    page = page.replace("<head>", f"<head>{told}{BASE}", 1)
    page = re.sub(r"(<script>window\.gradio_config = .*?</script>)", lambda found: found[0] + ROOT, page, count=1)
    return page.replace("</head>", f"{preview(request)}{HEAD}</head>", 1)


def preview(request: Request) -> str:
    """The tags that a messenger reads: of a link's poem, or of the page."""
    parameters = asked(request.url.query)
    title, description, picture = TITLE, DESCRIPTION, {}
    poem = parameters if parameters.get("tab", "write") in ("write", "acrostic") else {}
    if text := poem.get("text", ""):
        first = re.split("[，。]", text)[0]
        title = f"{poem.get('title') or first} · {TITLE}"
        description = text
    elif opening := poem.get("opening") or poem.get("phrase"):
        title = f"{opening} · {TITLE}"
    if text or poem.get("seed"):
        picture = {name: poem[name] for name in sorted(poem) if not name.startswith("__")}
    image = f"{public(request)}tang/card.png" + (f"?{urlencode(picture)}" if picture else "")
    width, height = SIZES["link"]
    tags = {
        "og:type": "website",
        "og:site_name": TITLE,
        "og:title": title,
        "og:description": description,
        "og:image": image,
        "og:image:type": "image/png",
        "og:image:width": str(width),
        "og:image:height": str(height),
        "og:image:alt": description,
        "twitter:card": "summary_large_image",
        "twitter:title": title,
        "twitter:description": description,
        "twitter:image": image,
    }
    lines = [f"<title>{escape(title)}</title>", f'<meta name="description" content="{escape(description)}">']
    for name, value in tags.items():
        kind = "name" if name.startswith("twitter") else "property"
        lines.append(f'<meta {kind}="{name}" content="{escape(value)}">')
    return "\n".join(lines)


def public(request: Request) -> str:
    """The page's address as the world sees it, as far as the proxies on the way have said, with a slash at its end."""

    def said(name: str) -> str:
        return request.headers.get(f"x-forwarded-{name}", "").split(",")[0].strip()

    scheme = said("proto") or request.url.scheme
    host = said("host") or request.headers.get("host", "localhost")
    prefix = request.scope["root_path"] or said("prefix").rstrip("/")
    if not re.fullmatch(r"https?", scheme) or not re.fullmatch(r"[\w.:\[\]-]+", host):
        return ""
    return f"{scheme}://{host}{prefix}/"
