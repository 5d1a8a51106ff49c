"""The language server: the messages of an editor, each to the function that answers it."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, TypeVar

from lsprotocol import types as lsp
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol, lsp_method

from tracer import __version__
from tracer.diagnostics import Diagnostic, legible, words_of
from tracer.editors.analysis import OpenText
from tracer.editors.completing import completions
from tracer.editors.documents import Document, Documents
from tracer.editors.findings import shown_findings
from tracer.editors.hinting import shape_hints
from tracer.editors.hovering import hover
from tracer.editors.mentions import Mention
from tracer.editors.outlining import outline
from tracer.editors.renaming import NotRenamed, renamable, renamed
from tracer.editors.repairing import actions
from tracer.ops.registry import NotImportable

T = TypeVar("T")

PAUSE = 0.02
"""Seconds after the last change in which another one may come, before a text is judged."""

LONGEST_MESSAGE = 64 * 2**20
"""Bytes of one message: a text of the largest size, each of its characters escaped."""

LONGEST_HEADER = 4096
"""Bytes of one line of a message's head."""

Counts = Callable[[str, Diagnostic], bool]
"""Whether a finding in a file counts in the project."""


class Protocol(LanguageServerProtocol):
    """The protocol, with texts of our own: a line ends where the protocol says, and nowhere else."""

    def structure_message(self, data: dict[str, Any]) -> Any:
        """The record of a message; who asks something that cannot be read gets that as the answer."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            number = data.get("id")
            if "method" in data and isinstance(number, int | str):
                self._send_response(number, error=error.to_response_error())
            raise

    @lsp_method(lsp.TEXT_DOCUMENT_DID_OPEN)
    def lsp_text_document__did_open(self, params: lsp.DidOpenTextDocumentParams) -> None:
        server_of(self).opened(params.text_document)

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: lsp.DidChangeTextDocumentParams) -> None:
        server_of(self).changed(params)

    @lsp_method(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def lsp_text_document__did_close(self, params: lsp.DidCloseTextDocumentParams) -> None:
        server_of(self).closed(params.text_document.uri)


class TracerServer(LanguageServer):
    """The server of the configs that an editor has open."""

    def __init__(self, counts: Counts) -> None:
        super().__init__(
            "tracer",
            __version__,
            protocol_cls=Protocol,
        )
        self.counts = counts
        self.documents = Documents()
        self._waiting: dict[str, asyncio.TimerHandle] = {}
        self._judging: set[asyncio.Task[None]] = set()
        self._is_told = False

    def report_server_error(
        self,
        error: Exception,
        source: Any,
    ) -> None:
        """A message that cannot be read or answered is one line of the editor's log.

        A package that registers operations and cannot be imported is shown, once.
        """
        if isinstance(error, NotImportable) and not self._is_told:
            self._is_told = True
            shown = lsp.ShowMessageParams(lsp.MessageType.Error, legible(str(error)))
            self.window_show_message(shown)
        message = f"tracer: {type(error).__name__}: {words_of(error)}"
        self.window_log_message(lsp.LogMessageParams(lsp.MessageType.Warning, message[:400]))

    # --- texts --------------------------------------------------------------------------------------------------------

    def opened(self, item: lsp.TextDocumentItem) -> None:
        """A document was opened."""
        self.documents.encoding = self.encoding
        document = self.documents.open(
            item.uri,
            item.language_id,
            item.text,
            item.version,
        )
        self._judge_soon(document, 0)

    def changed(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """A document was changed."""
        item = params.text_document
        document = self.documents.change(
            item.uri,
            item.version,
            params.content_changes,
        )
        if document is not None:
            self._judge_soon(document, PAUSE)

    def closed(self, uri: str) -> None:
        """A document was closed: nothing is wrong in it any more."""
        self.documents.close(uri)
        waiting = self._waiting.pop(uri, None)
        if waiting is not None:
            waiting.cancel()
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, []))

    @property
    def encoding(self) -> str:
        """What the editor counts columns in."""
        chosen = self.server_capabilities.position_encoding
        default = lsp.PositionEncodingKind.Utf16.value
        return str(getattr(chosen, "value", chosen) or default)

    def _judge_soon(
        self,
        document: Document,
        pause: float,
    ) -> None:
        """Judge a text unless another one takes its place."""
        waiting = self._waiting.pop(document.uri, None)
        if waiting is not None:
            waiting.cancel()
        loop = asyncio.get_running_loop()
        self._waiting[document.uri] = loop.call_later(
            pause,
            self._begin,
            document,
        )

    def _begin(self, document: Document) -> None:
        self._waiting.pop(document.uri, None)
        task = asyncio.ensure_future(self._judge(document))
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _judge(self, document: Document) -> None:
        """Publish the findings about a text, where it is still the document's."""
        opened, version = document.opened, document.version

        def found() -> list[lsp.Diagnostic] | None:
            if document.opened is not opened:
                return None
            counted = [one for one in opened.loaded.found if self.counts(opened.path, one)]
            return shown_findings(
                counted,
                opened.text,
                document.uri,
            )

        try:
            findings = await self.documents.work(found)
        except Exception as error:
            self.report_server_error(error, None)
            findings = []
        is_open = self.documents.get(document.uri) is document
        if findings is not None and is_open and document.opened is opened:
            params = lsp.PublishDiagnosticsParams(
                document.uri,
                findings,
                version,
            )
            self.text_document_publish_diagnostics(params)

    async def answer(
        self,
        uri: str,
        question: Callable[[OpenText], T | None],
    ) -> T | None:
        """The answer to a question about an open text; None where it is none of ours."""
        document = self.documents.get(uri)
        if document is None:
            return None
        opened = document.opened

        def task() -> T | None:
            return question(opened) if opened.is_yaml else None

        try:
            return await self.documents.work(task)
        except JsonRpcException:
            raise
        except Exception as error:
            # An answer that fails is a line of the log: the next one may not.
            self.report_server_error(error, None)
            return None


def server_of(protocol: Protocol) -> TracerServer:
    """The server of a protocol."""
    server = protocol._server
    assert isinstance(server, TracerServer)
    return server


# --- questions --------------------------------------------------------------------------------------------------------


def on_hover(
    opened: OpenText,
    params: lsp.HoverParams,
) -> lsp.Hover | None:
    """The text for what is under the cursor."""
    text = hover(opened, opened.text.index(params.position))
    if text is None:
        return None
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text))


def on_completion(
    opened: OpenText,
    params: lsp.CompletionParams,
) -> list[lsp.CompletionItem]:
    """What may stand at the cursor."""
    return completions(opened, opened.text.index(params.position))


def on_hints(
    opened: OpenText,
    params: lsp.InlayHintParams,
) -> list[lsp.InlayHint]:
    """The shapes of the nodes that are in view."""
    return shape_hints(opened, params.range)


def on_definition(
    opened: OpenText,
    params: lsp.DefinitionParams,
) -> list[lsp.Location]:
    """Where the name at the cursor is given."""
    return [
        _location(opened, params.text_document.uri, one)
        for one in _mentions(opened, params.position)
        if one.defines
    ]


def on_references(
    opened: OpenText,
    params: lsp.ReferenceParams,
) -> list[lsp.Location]:
    """Where the name at the cursor is used; where it is given, if that is asked for."""
    is_all = params.context.include_declaration
    return [
        _location(opened, params.text_document.uri, one)
        for one in _mentions(opened, params.position)
        if is_all or not one.defines
    ]


def on_highlight(
    opened: OpenText,
    params: lsp.DocumentHighlightParams,
) -> list[lsp.DocumentHighlight]:
    """Every place of the name at the cursor."""
    return [
        lsp.DocumentHighlight(opened.text.range(one.start, one.end))
        for one in _mentions(opened, params.position)
    ]


def _mentions(opened: OpenText, position: lsp.Position) -> list[Mention]:
    """Every place of the name at a position."""
    mention = opened.mentions.at(opened.text.index(position))
    return [] if mention is None else opened.mentions.of(mention.meaning)


def _location(
    opened: OpenText,
    uri: str,
    mention: Mention,
) -> lsp.Location:
    return lsp.Location(uri, opened.text.range(mention.start, mention.end))


def on_prepare_rename(
    opened: OpenText,
    params: lsp.PrepareRenameParams,
) -> lsp.PrepareRenamePlaceholder | None:
    """The name that would be changed; None where none stands."""
    mention = renamable(opened, opened.text.index(params.position))
    if mention is None:
        return None
    where = opened.text.range(mention.start, mention.end)
    return lsp.PrepareRenamePlaceholder(where, mention.meaning.name)


def on_rename(
    opened: OpenText,
    params: lsp.RenameParams,
) -> lsp.WorkspaceEdit:
    """The edits that give a name another one."""
    index = opened.text.index(params.position)
    try:
        mentions = renamed(opened, index, params.new_name).mentions
    except NotRenamed as error:
        raise JsonRpcException(legible(str(error)), REFUSED) from None

    edits = [
        lsp.TextEdit(opened.text.range(one.start, one.end), params.new_name) for one in mentions
    ]
    return lsp.WorkspaceEdit(changes={params.text_document.uri: edits})


def on_symbols(
    opened: OpenText,
    params: lsp.DocumentSymbolParams,
) -> list[lsp.DocumentSymbol]:
    """The outline of the text."""
    return outline(opened)


def on_code_action(
    opened: OpenText,
    params: lsp.CodeActionParams,
) -> list[lsp.CodeAction]:
    """The repairs of what is wrong in a range."""
    found = actions(opened, params.range, params.text_document.uri)
    only = params.context.only
    if only is None:
        return found
    return [one for one in found if _is_wanted(_word(one.kind), only)]


def _is_wanted(kind: str, only: Sequence[lsp.CodeActionKind | str]) -> bool:
    """Whether an action is of a kind that is asked for, or of a kind inside of one."""
    wanted = map(_word, only)
    return any(kind == one or kind.startswith(f"{one}.") for one in wanted)


def _word(kind: lsp.CodeActionKind | str | None) -> str:
    return str(getattr(kind, "value", kind) or "")


REFUSED = -32803
"""The protocol's code of a request that is refused for a reason."""

TRIGGERS = ["{", "[", ",", ":", " ", '"', "$"]
"""Characters behind which an editor asks what may come."""

QUESTIONS: tuple[tuple[str, Callable[[OpenText, Any], Any], Any], ...] = (
    (lsp.TEXT_DOCUMENT_HOVER, on_hover, None),
    (
        lsp.TEXT_DOCUMENT_COMPLETION,
        on_completion,
        lsp.CompletionOptions(trigger_characters=TRIGGERS),
    ),
    (lsp.TEXT_DOCUMENT_INLAY_HINT, on_hints, None),
    (lsp.TEXT_DOCUMENT_DEFINITION, on_definition, None),
    (lsp.TEXT_DOCUMENT_REFERENCES, on_references, None),
    (lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, on_highlight, None),
    (lsp.TEXT_DOCUMENT_PREPARE_RENAME, on_prepare_rename, None),
    (
        lsp.TEXT_DOCUMENT_RENAME,
        on_rename,
        lsp.RenameOptions(prepare_provider=True),
    ),
    (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, on_symbols, None),
    (
        lsp.TEXT_DOCUMENT_CODE_ACTION,
        on_code_action,
        lsp.CodeActionOptions(
            [lsp.CodeActionKind.QuickFix, lsp.CodeActionKind.RefactorRewrite],
        ),
    ),
)
"""The messages that are answered, with what answers them and what the editor is told of that."""


def make_server(counts: Counts) -> TracerServer:
    """A server that answers every question."""
    server = TracerServer(counts)
    for message, answer, options in QUESTIONS:
        server.feature(message, options)(_bound(server, answer))
    return server


def _bound(
    server: TracerServer,
    answer: Callable[[OpenText, Any], Any],
) -> Callable[[Any], Any]:
    """The answer of one server, as a coroutine function."""

    async def bound(params: Any) -> Any:
        uri = params.text_document.uri
        return await server.answer(uri, lambda opened: answer(opened, params))

    return bound


def serve(counts: Counts) -> bool:
    """Talk to the editor over standard input and output until it hangs up; whether it took leave before."""
    logging.getLogger("pygls").setLevel(logging.CRITICAL + 1)
    server = make_server(counts)
    server.start_io(Bounded(sys.stdin.buffer), sys.stdout.buffer)  # type: ignore[arg-type]
    server.documents.stop()
    return server.protocol._shutdown


class Bounded:
    """Standard input, of which no line and no message is read that is longer than any has to be."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readline(self) -> bytes:
        """A line of a message's head, or its beginning."""
        return self._stream.readline(LONGEST_HEADER)

    def read(self, count: int) -> bytes:
        """The bytes of a message; of one that is too long those of an empty one."""
        if count <= LONGEST_MESSAGE:
            return self._stream.read(count)
        left = count
        while left > 0:
            passed = len(self._stream.read(min(left, 2**20)))
            if not passed:
                return b""
            left -= passed
        return b"null"
