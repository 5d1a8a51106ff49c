"""The texts that are open, as the editor has them, and one thread that works on them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lsprotocol import types as lsp
from pygls.uris import to_fs_path

from tracer.editors.analysis import OpenText
from tracer.editors.positions import UTF16, EditorText

T = TypeVar("T")

YAML = (".yaml", ".yml")


class Document:
    """An open document, which changes as one types."""

    def __init__(
        self,
        uri: str,
        language: str,
        text: EditorText,
        version: int,
    ) -> None:
        self.uri = uri
        self.version = version
        name = path_of(uri)
        self._name = name
        self._is_yaml = "yaml" in language.lower() or name.lower().endswith(YAML)
        self.opened = OpenText(
            text,
            name,
            self._is_yaml,
        )

    def change(
        self,
        text: EditorText,
        version: int,
    ) -> None:
        """Take another text in the place of this one."""
        self.opened.is_replaced = True
        self.version = version
        self.opened = OpenText(
            text,
            self._name,
            self._is_yaml,
        )


def path_of(uri: str) -> str:
    """The path of a file's address; of another address all of it."""
    path = to_fs_path(uri) if uri.startswith("file:") else None
    return path or uri


class Documents:
    """The open documents by their addresses."""

    def __init__(self) -> None:
        self.encoding = UTF16
        self._open: dict[str, Document] = {}
        # What is known of texts is kept in caches that one thread may use.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracer")

    def get(self, uri: str) -> Document | None:
        """The open document of an address."""
        return self._open.get(uri)

    def open(
        self,
        uri: str,
        language: str,
        text: str,
        version: int,
    ) -> Document:
        """Take a document that was opened; one that is open already is replaced."""
        self.close(uri)
        document = Document(
            uri,
            language,
            EditorText(text, self.encoding),
            version,
        )
        self._open[uri] = document
        return document

    def change(
        self,
        uri: str,
        version: int,
        changes: Iterable[lsp.TextDocumentContentChangeEvent],
    ) -> Document | None:
        """Make changes one after the other; None where the document is not open."""
        document = self._open.get(uri)
        if document is None:
            return None
        text = document.opened.text
        for change in changes:
            where = None
            if isinstance(change, lsp.TextDocumentContentChangePartial):
                where = change.range
            text = text.changed(where, change.text)
        document.change(text, version)
        return document

    def close(self, uri: str) -> None:
        """Forget a document."""
        document = self._open.pop(uri, None)
        if document is not None:
            document.opened.is_replaced = True

    async def work(self, task: Callable[[], T]) -> T:
        """What a task gives, run behind all tasks that came before."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, task)

    def stop(self) -> None:
        """Begin no task any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
