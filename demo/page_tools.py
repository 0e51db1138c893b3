"""The endpoints as tools for language models (MCP), at the address where Gradio has its own: gradio_api/mcp/

Gradio's own give results as Python prints them, and neither output schemas nor annotations. Here a result is a JSON
object that keeps its tool's output schema, as structured content and as text; progress, where a caller asks for it,
carries the poem as it grows.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from inspect import isasyncgenfunction
from typing import Any

import gradio as gr
from anyio import CapacityLimiter, to_thread
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from page_answers import ANSWERS
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tang_rnn.faults import PoetError
from tang_rnn.writing.request import REQUIRED, Option

PATH = "/gradio_api/mcp"
# They change nothing and reach for nothing outside.
HARMLESS = types.ToolAnnotations(readOnlyHint=True, destructiveHint=False, openWorldHint=False)


def tool(endpoint: Callable, options: Sequence[Option]) -> types.Tool:
    """An endpoint, with what it takes, as it is offered to language models."""
    return types.Tool(
        name=endpoint.__name__,
        description=" ".join(endpoint.__doc__.split("\n\nArgs:")[0].split()),
        inputSchema={
            "type": "object",
            "properties": {option.name: option.schema() for option in options},
            "required": [option.name for option in options if option.default is REQUIRED],
        },
        outputSchema=ANSWERS[endpoint.__name__],
        annotations=HARMLESS,
    )


class Tools:
    """The MCP server of a page.

    Args:
        title: the server's name.
        endpoints: each with the options it takes.
        at_once: calls that compute at once, beside the page's own; those that stream are written together.
        most: calls that are being answered or wait, before newcomers are told to come back.
    """

    def __init__(self, title: str, endpoints: dict[Callable, Sequence[Option]], at_once: int, most: int):
        self.endpoints = {endpoint.__name__: endpoint for endpoint in endpoints}
        self.tools = {endpoint.__name__: tool(endpoint, options) for endpoint, options in endpoints.items()}
        self.at_once, self.most, self.running = at_once, most, 0
        self.limiter: CapacityLimiter | None = None
        self.manager: StreamableHTTPSessionManager | None = None
        self.server = Server(title)
        self.server.list_tools()(self.offered)
        self.server.call_tool(validate_input=False)(self.call)  # the endpoints say better what is wrong

    async def offered(self) -> list[types.Tool]:
        return [*self.tools.values()]

    async def call(self, name: str, arguments: dict[str, Any]) -> tuple[list[types.TextContent], dict]:
        """The result of a tool, as text and structured; what it raises becomes an error result with that text."""
        if name not in self.tools:
            raise PoetError("no_tool", name=name, known=[*self.tools])
        known = self.tools[name].inputSchema["properties"]
        if others := sorted(set(arguments) - set(known)):
            raise PoetError("no_option", names=others, known=[*known])
        if self.running >= self.most:
            raise RuntimeError("too many are being answered: try again in a minute")
        self.running += 1
        try:
            result = await self._answer(self.endpoints[name], arguments)
        except gr.Error as refusal:
            raise RuntimeError(refusal.message) from None
        except Exception:
            logging.getLogger(__name__).exception("a tool broke: %s", name)
            raise RuntimeError("something broke here; it has been logged") from None
        finally:
            self.running -= 1
        text = json.dumps(result, ensure_ascii=False)
        return [types.TextContent(type="text", text=text)], json.loads(text)  # lists where there were tuples

    async def _answer(self, endpoint: Callable, arguments: dict[str, Any]) -> dict:
        """The endpoint's value, its last where it streams; the texts before that are told to who asks for progress."""
        if not isasyncgenfunction(endpoint):
            return await to_thread.run_sync(partial(endpoint, **arguments), limiter=self.limiter)
        context = self.server.request_context
        token = context.meta and context.meta.progressToken
        async with aclosing(endpoint(**arguments)) as values:
            async for value in values:
                if token is not None and not value["done"]:
                    await context.session.send_progress_notification(
                        token, len(value["text"]), message=value["text"], related_request_id=str(context.request_id)
                    )
        return value

    async def __call__(self, scope, receive, send) -> None:
        await self.manager.handle_request(scope, receive, send)

    def routes(self) -> list[Route]:
        """The server's own, and the tools as a plain list, which the Hub reads."""

        async def schema(request: Request) -> JSONResponse:
            return JSONResponse([each.model_dump(mode="json", exclude_none=True) for each in self.tools.values()])

        return [Route(f"{PATH}/schema", schema), Route(PATH, self), Route(f"{PATH}/", self)]

    @asynccontextmanager
    async def lifespan(self, app) -> AsyncIterator[None]:
        self.limiter = CapacityLimiter(self.at_once)
        self.manager = StreamableHTTPSessionManager(self.server, stateless=True)
        async with self.manager.run():
            yield
