"""``tracer serve``: the page of a config that follows its file, for this machine alone."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec

from tracer.commands.editing import breaks, put
from tracer.commands.following import changes_of, followed, refuse_unfollowable
from tracer.commands.options import (
    Overrides,
    files,
    is_config,
    need,
    network_options,
    quoted,
    shown,
    style_option,
)
from tracer.net import Net
from tracer.source.written import EditError

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from tracer.commands.serving import Once

LOOPBACK = "127.0.0.1"

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

MOST_WISHED = 4096
"""Bytes of a request to write."""

ALIVE = 15.0
"""Seconds after which a waiting client hears that the server is still there."""


@click.command("serve")
@click.argument("config", shell_complete=files)
@network_options
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="The port; 0 takes a free one."
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@click.option(
    "--edit",
    is_flag=True,
    help="Let the page write a repair into CONFIG; otherwise it shows the text.",
)
@style_option
def command(
    config: str,
    overrides: Overrides,
    port: int,
    opens: bool,
    edit: bool,
    style: str | None,
) -> None:
    """Show CONFIG as a page that follows the file: save it in any editor, and the page is new.

    A file that is broken shows what is wrong beside the last good picture. The page is for this machine: the server
    listens on the loopback address, answers to its own names alone, and writes nothing without --edit. Ctrl-C ends it.
    """
    if edit and not is_config(config):
        raise click.UsageError(_why_not_edited(config, overrides))
    for package in ("starlette", "uvicorn", "watchfiles"):
        need(package, "serve")
    refuse_unfollowable(config)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((LOOPBACK, port))
    except OSError as error:
        click.echo(f"cannot listen on port {port}: {error.strerror or error}", err=True)
        raise click.exceptions.Exit(2) from None
    address = f"http://{LOOPBACK}:{listening.getsockname()[1]}/"
    click.echo(f"{shown(config)}: {address}", err=True)
    if opens:
        click.launch(address)
    _run(Page(config, overrides, edits=edit, style=style), listening)


def _why_not_edited(source: str, overrides: Overrides) -> str:
    """Why the page writes nothing into what is no config, and what does."""
    if source.lower().endswith(".onnx"):
        return f"--edit writes values of a config, and {shown(source)} has none that could be edited"
    words = ("tracer plan", quoted(source), overrides.command_line, "--repair N")
    plan = " ".join(filter(None, words))
    return (
        f"--edit writes values of a config, and {shown(source)} is a program, of which an edit is to be read first: "
        f"`{plan} --diff` shows it, and `{plan}` writes it; without --edit the page follows the program"
    )


def _run(page: Page, listening: socket.socket) -> None:
    import uvicorn

    from tracer.commands.serving import WAITING, Once, clients, protocol

    port = listening.getsockname()[1]
    once = Once()
    settings = uvicorn.Config(
        application(page, port, once),
        log_level="critical",
        timeout_graceful_shutdown=1,
        lifespan="on",
        http=protocol(clients(), once),
        backlog=WAITING,
    )
    server = uvicorn.Server(settings)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


class PageText(NamedTuple):
    """What a page was made of."""

    version: int
    text: str
    repairs: list[str]
    """The text with each repair."""


class WriteRequest(msgspec.Struct, frozen=True):
    """What a page asks to have written."""

    token: str
    seen: int
    repair: int
    """Its number, from 0 on."""


class Page:
    """The page of the present file, made when a client wants it."""

    def __init__(
        self,
        path: str,
        overrides: Overrides,
        *,
        edits: bool = False,
        style: str | None = None,
    ) -> None:
        self.path = path
        self.overrides = overrides
        self.style = style
        self.token = secrets.token_urlsafe(32) if edits else None
        """What a page has to show that writes a repair; None where none does."""
        self.changed = asyncio.Event()
        """Set and replaced at each change: who waits needs no queue."""
        self.version = 0
        """The number of changes of the file: a page that has seen fewer changes loads again."""
        self.waiting = 0
        """The number of clients that wait for a change."""
        self._good: Net | None = None
        self._good_at = ""
        """When that was read."""
        self._made_of: PageText | None = None
        self._html: str | None = None
        self._lock = asyncio.Lock()

    def change(self) -> None:
        """The file has changed."""
        self._html = None
        self.version += 1
        event, self.changed = self.changed, asyncio.Event()
        event.set()

    async def html(self) -> str:
        """The page; made once for each change, outside of the event loop."""
        async with self._lock:
            while self._html is None:
                version = self.version
                made = await asyncio.to_thread(self._made, version)
                if version == self.version:  # the file stayed as it was read
                    self._html = made
            return self._html

    def _made(self, version: int) -> str:
        from tracer.live.sheets import sheets
        from tracer.views.page import WriteAccess, page

        reading = followed(self.path, self.overrides)
        if reading.net is not None:
            self._good = reading.net
            self._good_at = time.strftime("%H:%M:%S")
        shown = [] if self._good is None else sheets(self._good, reading.found)

        is_stale = reading.net is None
        repairs = [] if is_stale else [repair.text for repair in shown[0].repairs]
        self._made_of = PageText(version, reading.text, repairs)
        return page(
            shown,
            reading.found,
            events=f"/events?seen={version}",
            stale=self._good_at if is_stale else None,
            writing=None if self.token is None else WriteAccess("/edit", self.token, version),
            style=self.style,
        )

    def write(self, wish: WriteRequest) -> None:
        """Write a repair into the file. Raises :class:`EditError` where it is none of the file's, and OSError."""
        made = self._made_of
        if made is None or wish.seen != made.version or wish.seen != self.version:
            raise EditError("the file has changed meanwhile")
        if not 0 <= wish.repair < len(made.repairs):
            raise EditError("there is no such repair")

        edited = made.repairs[wish.repair]
        broken = breaks(made.text, edited) if self.overrides.replaces else None
        if broken is not None:
            raise EditError(f"the file would not close with what it declares: {broken}")
        put(self.path, made.text, edited)

    async def follow(self) -> None:
        """Announce changes until the server ends; a folder that is gone is looked for again."""
        while True:
            with contextlib.suppress(OSError):
                async for _ in changes_of(self.path):
                    self.change()
            await asyncio.sleep(1)
            self.change()

    async def events(self, seen: str) -> AsyncIterator[str]:
        """Server-sent events: one for each change since the one that was seen, and a comment now and then."""
        self.waiting += 1
        try:
            yield "retry: 500\n\n"
            if seen != str(self.version):
                yield "event: change\ndata: \n\n"
            while True:
                try:
                    await asyncio.wait_for(self.changed.wait(), ALIVE)
                    yield "event: change\ndata: \n\n"
                except asyncio.TimeoutError:
                    yield ": alive\n\n"
        finally:
            self.waiting -= 1


def application(page: Page, port: int, once: Once) -> Starlette:
    """The server's addresses: /, /events and, where the page may write, /edit."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route

    from tracer.commands.serving import quiet

    async def root(request: Request) -> Response:
        return HTMLResponse(await page.html(), headers=HEADERS)

    async def events(request: Request) -> Response:
        return StreamingResponse(
            page.events(request.query_params.get("seen", "")),
            media_type="text/event-stream",
            headers=HEADERS,
        )

    @contextlib.asynccontextmanager
    async def following(app: Starlette) -> AsyncIterator[None]:
        quiet(asyncio.get_running_loop(), once)
        task = asyncio.create_task(page.follow())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def edit(request: Request) -> Response:
        status, said = await _written(page, request)
        return PlainTextResponse(f"{said}\n", status, HEADERS)

    routes = [Route("/", root), Route("/events", events)]
    if page.token is not None:
        routes.append(Route("/edit", edit, methods=["POST"]))
    return Starlette(
        routes=routes, middleware=[Middleware(Loopback, port=port)], lifespan=following
    )


async def _written(page: Page, request: Request) -> tuple[int, str]:
    """Write what a page asks for: the status of the answer, and what it says."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_WISHED:
            return 413, "that is no repair"
    try:
        wish = msgspec.json.decode(body, type=WriteRequest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 400, "that is no repair"

    # Another page, or another program of this machine, has not read the token.
    if not secrets.compare_digest(wish.token.encode(), (page.token or "").encode()):
        return 403, "the page is not this server's"
    try:
        await asyncio.to_thread(page.write, wish)
    except EditError as error:
        return 409, f"nothing is written: {error}"
    except OSError as error:
        return 500, f"nothing is written: {error.strerror or error}"
    return 200, f"written: {shown(page.path)}"


Message = dict[str, Any]


class Loopback:
    """Answers to the loopback's own names only: a page from elsewhere has no business here.

    A name that somebody lets point to this machine (DNS rebinding) is in the Host header.
    """

    def __init__(self, app: Any, port: int) -> None:
        self.app = app
        names = ("localhost", LOOPBACK, "[::1]")
        self.hosts = {f"{name}:{port}" for name in names}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] == "http":
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            wrong_host = headers.get(b"host", "").lower() not in self.hosts
            wrong_origin = (
                b"origin" in headers and headers[b"origin"].lower() not in self.origins
            )
            if wrong_host or wrong_origin:
                from starlette.responses import PlainTextResponse

                refused = PlainTextResponse(
                    "this server answers to localhost only\n", 403, HEADERS
                )
                await refused(scope, receive, send)  # type: ignore[arg-type]
                return
        await self.app(scope, receive, send)
