"""An editor for tests: it talks to ``tracer lsp``, a process of its own, by pygls' client, and keeps its own texts."""

from __future__ import annotations

import asyncio
import itertools
import re
import sys
from collections.abc import Coroutine
from typing import Any

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

SECONDS = 60
"""No answer takes longer; the machine may have much else to do."""


class Editor:
    """One server, and the texts that are open in it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.client = LanguageClient("tests", "1")
        self.texts: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.published: dict[str, lsp.PublishDiagnosticsParams] = {}
        self.logged: list[str] = []
        self._numbers = itertools.count()
        self.client.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(
            lambda params: self.published.update({params.uri: params})
        )
        self.client.feature(lsp.WINDOW_LOG_MESSAGE)(
            lambda said: self.logged.append(said.message)
        )

    def start(self) -> lsp.InitializeResult:
        """Start the server."""
        self.run(self.client.start_io(sys.executable, "-m", "tracer", "lsp"))
        params = lsp.InitializeParams(capabilities=lsp.ClientCapabilities())
        answer = self.run(self.client.initialize_async(params))
        self.client.initialized(lsp.InitializedParams())
        return answer

    def stop(self) -> int | None:
        """End the server in the way of the protocol; its exit code."""
        self.run(self.client.shutdown_async(None))
        self.client.exit(None)
        process = self.client._server
        assert process is not None
        code = self.run(process.wait())
        self.run(self.client.stop())
        self.loop.close()
        return code

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine gives."""
        return self.loop.run_until_complete(asyncio.wait_for(work, SECONDS))

    # --- texts --------------------------------------------------------------------------------------------------------

    def open(
        self,
        text: str,
        language: str = "yaml",
        name: str | None = None,
        uri: str | None = None,
    ) -> str:
        """Open a document; its address."""
        uri = uri or f"file:///nets/{name or f'net{next(self._numbers)}.yaml'}"
        self.texts[uri] = text
        self.versions[uri] = self.versions.get(uri, 0) + 1
        item = lsp.TextDocumentItem(uri, language, self.versions[uri], text)
        self.client.text_document_did_open(lsp.DidOpenTextDocumentParams(item))
        return uri

    def replace(self, uri: str, start: int, end: int, text: str) -> None:
        """Type: characters from ``start`` to ``end`` give way to a text."""
        before = self.texts[uri]
        where = lsp.Range(place(before, start), place(before, end))
        self.send(uri, [lsp.TextDocumentContentChangePartial(range=where, text=text)])
        self.texts[uri] = before[:start] + text + before[end:]

    def send(self, uri: str, changes: list[Any]) -> None:
        """Send changes as a new version."""
        self.versions[uri] += 1
        item = lsp.VersionedTextDocumentIdentifier(version=self.versions[uri], uri=uri)
        self.client.text_document_did_change(lsp.DidChangeTextDocumentParams(item, changes))

    def found(self, uri: str) -> list[lsp.Diagnostic]:
        """The findings about the text as it is now."""

        async def wait() -> list[lsp.Diagnostic]:
            while True:
                known = self.published.get(uri)
                if known is not None and known.version == self.versions[uri]:
                    return list(known.diagnostics)
                await asyncio.sleep(0.002)

        return self.run(wait())

    # --- questions ----------------------------------------------------------------------------------------------------

    def at(self, uri: str, index: int) -> dict[str, Any]:
        """The place of a character in a document, as most questions have it."""
        return {
            "text_document": lsp.TextDocumentIdentifier(uri),
            "position": place(self.texts[uri], index),
        }

    def hover(self, uri: str, index: int) -> str | None:
        """What is shown of the word at a character."""
        params = lsp.HoverParams(**self.at(uri, index))
        answer = self.run(self.client.text_document_hover_async(params))
        return None if answer is None else answer.contents.value

    def ask(self, question: str, uri: str, index: int, **others: Any) -> Any:
        """The answer to a question about a character; raises what the server refuses with."""
        kind = "".join(word.title() for word in question.removesuffix("s").split("_"))
        params = getattr(lsp, f"{kind}Params")(**self.at(uri, index), **others)
        return self.run(getattr(self.client, f"text_document_{question}_async")(params))

    def ask_about(self, question: str, uri: str, **others: Any) -> Any:
        """The answer to a question about a document."""
        kind = "".join(word.title() for word in question.removesuffix("s").split("_"))
        item = lsp.TextDocumentIdentifier(uri)
        params = getattr(lsp, f"{kind}Params")(text_document=item, **others)
        return self.run(getattr(self.client, f"text_document_{question}_async")(params))


def applied(text: str, edits: list[lsp.TextEdit]) -> str:
    """A text with the edits that a server gives."""
    for edit in sorted(edits, key=lambda one: spot(one.range.start), reverse=True):
        start, end = index_of(text, edit.range.start), index_of(text, edit.range.end)
        text = text[:start] + edit.new_text + text[end:]
    return text


def spot(at: lsp.Position) -> tuple[int, int]:
    """A place that can be compared."""
    return at.line, at.character


def index_of(text: str, at: lsp.Position) -> int:
    """The character at a line and a column, in code units of UTF-16."""
    lines = re.split("(?<=\n)|(?<=\r)(?!\n)", text)
    before = "".join(lines[: at.line])
    units = lines[at.line].encode("utf-16-le", "surrogatepass")[: 2 * at.character]
    return len(before) + len(units.decode("utf-16-le"))


def place(text: str, index: int) -> lsp.Position:
    """The line and the column of a character, in code units of UTF-16."""
    before = text[:index].replace("\r\n", "\n").replace("\r", "\n")
    line = before.rpartition("\n")[2]
    return lsp.Position(before.count("\n"), len(line.encode("utf-16-le", "surrogatepass")) // 2)
