"""What the page answers to strangers: the routes it needs and no others, to its own pages and to programs, in bounds.

Gradio comes with uploads, a reader of files and addresses, a monitor, an editor of code and more; nothing here uses
them. A route of a later Gradio that the page needs is one line of :data:`OPEN`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse

API = "/gradio_api"
# What may be asked for, below the page's own address.
OPEN = {
    "GET": re.compile(
        rf"""/ | /config/? | /theme\.css | /robots\.txt | /favicon\.ico | /manifest\.json
        | /(tang|static|assets|svelte)/.+
        | {API}/(info|openapi\.json|startup-events|theme\.css|queue/data|app_id|user|token|login_check)/?
        | {API}/(heartbeat|custom_component)/.+ | {API}/call/(v2/)?(?P<name>\w+)/\w+ | {API}/mcp(/|/schema)? """,
        re.X,
    ),
    "POST": re.compile(rf"{API}/(call/(v2/)?(?P<name>\w+)/?|queue/join|cancel|reset/?|mcp/?)"),
    "DELETE": re.compile(rf"{API}/mcp/?"),
}
LARGEST = 2**16  # bytes of a body: the longest poem that is judged has eight thousand
DEEPEST = 32  # lists or objects in each other in a body
MINUTE = 60.0  # seconds
SLOWEST = 10  # seconds that a body may take to arrive
OPENED = 256  # requests of one caller being answered
COSTLY = re.compile(rf"{API}/mcp/?|/tang/card\.png")  # what writes a poem without waiting in the queue
WRITING = 6  # of these requests of one caller
LONGEST = 15 * 60  # seconds that an answer may take: the queue is never so long
STAYS = re.compile(rf"{API}/heartbeat/.+")  # is open as long as the page is
# Gradio's page has scripts and styles in its text, and makes functions of a component's template.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "connect-src 'self' data: blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


#: For whom the code that asks is being run.
CALLER: ContextVar[str] = ContextVar("caller", default="")


def named(client: Sequence | None) -> str:
    """Who calls: an address, as uvicorn has it, behind a proxy that is trusted (FORWARDED_ALLOW_IPS, uvicorn's own
    setting) the one it forwards; of IPv6 the network, since who has an address there has 2^64.

    Args:
        client: ASGI's, host and port, if it is known.
    """
    host = client[0] if client else ""
    with suppress(ValueError):  # a name of a test's, or a socket of this machine
        if isinstance(address := ip_address(host), IPv6Address):
            return str(address.ipv4_mapped or f"{IPv6Address(int(address) >> 64 << 64)}/64")
    return host


def is_own(headers: Headers) -> bool:
    """Whether a request is a program's or of a page of this host, not of another site's in somebody's browser.

    A browser says so itself (Sec-Fetch-Site) where it trusts the connection; elsewhere the names are compared.
    """
    if (origin := headers.get("origin")) is None or headers.get("sec-fetch-site") in ("same-origin", "none"):
        return True
    if headers.get("sec-fetch-site") is not None:
        return False
    names = [headers.get("host", ""), headers.get("x-forwarded-host", "").split(",")[0].strip()]
    return urlsplit(origin).netloc.lower() in [name.lower() for name in names if name]


def depth(body: bytes) -> int:
    """How many brackets of a JSON text stand in each other at most."""
    deepest = now = 0
    for bracket in re.findall(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', body, re.S):
        if bracket[:1] in b"[{":
            now += 1
            deepest = max(deepest, now)
        elif bracket[:1] in b"]}":
            now -= 1
    return deepest


class Guard:
    """ASGI middleware, behind :class:`page_server.Anywhere`: what is not meant is refused before Gradio sees it.

    Args:
        names: of the endpoints that there are; of others Gradio would log a traceback for each call.
    """

    def __init__(self, app, names: Collection[str]):
        self.app, self.names, self.opened = app, names, Counter()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "websocket":  # nothing here has one
            return await send({"type": "websocket.close", "code": 1000})
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, method = scope["path"].removeprefix(scope["root_path"]), scope["method"]
        known = OPEN.get({"HEAD": "GET"}.get(method, method))
        found = known and known.fullmatch(path)
        if not found or found.groupdict().get("name") not in (None, *self.names):
            return await _answer(404 if known else 405, "there is nothing here")(scope, receive, send)
        if method != "GET" and not is_own(Headers(scope=scope)):
            return await _answer(403, "calls come from this page or from programs, not from other sites")(
                scope, receive, send
            )
        caller = named(scope.get("client"))
        CALLER.set(caller)
        counted = [(caller, OPENED), *([(f"{caller} writes", WRITING)] if COSTLY.fullmatch(path) else [])]
        if any(self.opened[name] >= most for name, most in counted):
            return await _answer(429, "too many requests at once: wait for an answer")(scope, receive, send)
        self.opened.update(name for name, _ in counted)
        try:
            if method == "POST":
                body = await _body(Headers(scope=scope), receive)
                if not isinstance(body, bytes):
                    return await body(scope, receive, send)
                receive = _again(body, receive)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if STAYS.fullmatch(path) else LONGEST):
                    await self.app(scope, receive, send)
        finally:
            self.opened.subtract(name for name, _ in counted)
            for name, _ in counted:
                if not self.opened[name]:
                    del self.opened[name]


def _answer(status: int, text: str) -> PlainTextResponse:
    return PlainTextResponse(f"{text}\n", status)


async def _body(headers: Headers, receive) -> bytes | PlainTextResponse:
    """A request's whole body, or what to answer to one that is too large, too slow or too deep."""
    too_large = _answer(413, f"at most {LARGEST} bytes")
    if int(length if (length := headers.get("content-length", "0")).isdecimal() else 0) > LARGEST:
        return too_large
    body, more = b"", True
    try:
        async with asyncio.timeout(SLOWEST):
            while more:
                message = await receive()
                body, more = body + message.get("body", b""), message.get("more_body", False)
                if len(body) > LARGEST:
                    return too_large
    except TimeoutError:
        return _answer(408, "the request did not arrive in time")
    try:
        body.decode()
    except UnicodeDecodeError:
        return _answer(400, "the body must be UTF-8")
    if depth(body) > DEEPEST:
        return _answer(400, f"at most {DEEPEST} lists or objects in each other")
    return body


def _again(body: bytes, receive):
    """The same request for who reads it next."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def read():
        return messages.pop() if messages else await receive()

    return read


class Headed:
    """ASGI middleware around all others, Gradio's own included: what every answer says of itself.

    Gradio lets every site read its answers, with the visitor's credentials. There are none here, and no other site is
    to have them.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if scope["method"] == "OPTIONS":  # asked before a call of another site
            return await _answer(405, "this page takes no calls from other sites")(scope, receive, send)

        async def headed(message):
            if message["type"] == "http.response.start":
                message.setdefault("headers", [])
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.startswith("access-control-")]:
                    del headers[name]
                headers.update(HEADERS)
            await send(message)

        await self.app(scope, receive, headed)


class Seldom(logging.Filter):
    """Lets an error that comes from the same place again and again into the log once a minute: strangers can bring
    Gradio to raise, with calls of what there is not, and each traceback has six thousand characters.
    """

    def __init__(self):
        super().__init__()
        self.logged: dict[tuple, float] = {}  # when, by kind and place; there are as many as places in the code

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.exc_info or not record.exc_info[0]:
            return True
        kind, _, trace = record.exc_info
        while trace and trace.tb_next:
            trace = trace.tb_next
        place = kind, trace and (trace.tb_frame.f_code, trace.tb_lineno)
        if record.created < self.logged.get(place, 0) + MINUTE:
            return False
        self.logged[place] = record.created
        return True


def headed(lifespan=None):
    """The app's lifespan, at whose beginning all its middleware is there to be put into :class:`Headed`, and its log is
    bounded.
    """
    seldom = Seldom()

    @asynccontextmanager
    async def live(app):
        app.middleware_stack = Headed(app.middleware_stack)
        logging.getLogger("uvicorn.error").addFilter(seldom)
        async with lifespan(app) if lifespan else nullcontext() as state:
            yield state
        logging.getLogger("uvicorn.error").removeFilter(seldom)

    return live
