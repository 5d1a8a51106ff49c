"""A server for few clients: who comes when there are enough of them is sent away, and told once."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import click
from uvicorn.protocols.http.h11_impl import H11Protocol

CLIENTS = 64
"""Connections at once, where so many files may be open; a page has one or two."""

WAITING = 16
"""Connections that are taken at once, before any of them can be sent away."""

FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nRetry-After: 5\r\n"
    b"Content-Length: 22\r\nConnection: close\r\n\r\nthere are many clients"
)

EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""Errors of a machine, or a process, that has no more to give."""


def clients() -> int:
    """How many connections there may be: at most half of the files that the process may open."""
    try:
        import resource
    except ImportError:  # Windows
        return CLIENTS
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return CLIENTS
    return max(1, min(CLIENTS, (files - 2 * WAITING) // 2))


class Once:
    """A line on standard error that is written once, however often its reason is there."""

    def __init__(self) -> None:
        self._written = False

    def tell(self, line: str) -> None:
        if not self._written:
            self._written = True
            click.echo(line, err=True)


def protocol(most: int, once: Once) -> type[H11Protocol]:
    """uvicorn's protocol for so many connections; those beyond get a 503 at once."""

    class FewClients(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                once.tell(f"more than {most} clients: those that come now are sent away")
                transport.write(FULL)
                transport.close()

    return FewClients


def quiet(loop: asyncio.AbstractEventLoop, once: Once) -> None:
    """Have the loop tell in one line that no file can be opened, where it would write a traceback for each try."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and error.errno in EXHAUSTED:
            once.tell(f"no client can be taken now: {error.strerror}")
        elif not isinstance(error, ConnectionError):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
