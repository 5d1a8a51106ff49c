"""What an editor may send that no editor should: there is a message or silence, and the server lives."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests import ROOT, extras

extras.needs("lsp")

from lsprotocol import types as lsp

from tests.editors.editor import Editor, place

URI = "file:///n.yaml"
NET = "input: [1, 3, 8, 8]\nlayers: {a: Relo}\n"


class Raw:
    """A server to which bytes are written."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *(words or ("-m", "tracer", "lsp"))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.numbers = iter(range(1, 10**6))

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, **message: Any) -> None:
        """Send a message."""
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def read(self) -> dict[str, Any]:
        """The next message of the server."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b": ")
            length = int(value) if name == b"Content-Length" else length
        found: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return found

    def answer(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a request."""
        number = next(self.numbers)
        self.send(id=number, method=method, params=params)
        while True:
            message = self.read()
            if message.get("id") == number and "method" not in message:
                return message

    def is_alive(self) -> bool:
        """Whether it still finds what is wrong in a text."""
        item = {"uri": URI, "languageId": "yaml", "version": 1, "text": NET}
        self.send(method="textDocument/didOpen", params={"textDocument": item})
        while True:
            message = self.read()
            if message.get("method") == "textDocument/publishDiagnostics":
                codes = [one["code"] for one in message["params"]["diagnostics"]]
                if message["params"]["uri"] == URI and codes == ["T101"]:
                    return True


@pytest.fixture(scope="module")
def server() -> Iterator[Raw]:
    """A server that ends without a word on standard error."""
    raw = Raw()
    raw.answer("initialize", processId=None, rootUri=None, capabilities={})
    raw.send(method="initialized", params={})
    yield raw
    assert raw.is_alive()
    assert "result" in raw.answer("shutdown")
    raw.send(method="exit")
    assert raw.process.wait(30) == 0
    assert raw.process.stderr is not None
    assert raw.process.stderr.read() == b""


HEAD = b"Content-Length: %d\r\n\r\n%s"


@pytest.mark.parametrize(
    "data",
    [
        b"Content-Length: 5\r\n\r\n{{{{{",
        HEAD % (2, b"[]"),
        HEAD % (4, b"null"),
        HEAD % (3, b'"a"'),
        HEAD % (2, b"\xff\xfe"),
        HEAD % (20_000, b"[" * 20_000),
        b"Content-Length: nine\r\n\r\n",
        b"X: " + b"y" * 100_000 + b"\r\n",
        b"\r\n\r\n\r\n",
        HEAD % (2**27, b" " * 2**27),
    ],
    ids=[
        "half",
        "list",
        "null",
        "text",
        "bytes",
        "deep",
        "no number",
        "long head",
        "empty",
        "long",
    ],
)
def test_bytes(server: Raw, data: bytes) -> None:
    """What is no message is passed over."""
    server.write(data)
    assert server.is_alive()


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("textDocument/hover", {}),
        ("textDocument/hover", {"textDocument": {"uri": 3}, "position": {"line": -1}}),
        (
            "textDocument/hover",
            {"textDocument": {"uri": "file:///none.yaml"}, "position": None},
        ),
        (
            "textDocument/rename",
            {"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}},
        ),
        ("tracer/none", {}),
        ("workspace/executeCommand", {"command": "rm"}),
        ("initialize", {"processId": None, "rootUri": None, "capabilities": {}}),
    ],
)
def test_requests(server: Raw, method: str, params: Any) -> None:
    """A request without sense gets an error, or nothing, as its answer."""
    answer = server.answer(method, **params)
    assert answer.get("error") or answer.get("result") is None or method == "initialize"
    assert server.is_alive()


def opening(uri: str, text: str) -> dict[str, Any]:
    """The parameters of a document that is opened."""
    return {"textDocument": {"uri": uri, "languageId": "yaml", "version": 1, "text": text}}


NOBODY = {"uri": "file:///none.yaml", "version": 2}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("textDocument/didChange", {}),
        ("textDocument/didChange", {"textDocument": NOBODY, "contentChanges": [{"text": "a"}]}),
        ("textDocument/didClose", {"textDocument": NOBODY}),
        ("textDocument/didOpen", opening("\udc80", NET)),
        ("textDocument/didOpen", opening("untitled:1", "input: [\ud800]\nlayers: {a: 1}")),
        ("textDocument/didOpen", opening("file:///a.yaml", "\0input: {layers: {")),
        ("$/cancelRequest", {"id": "none"}),
        ("$/setTrace", {"value": "verbose"}),
        ("exit/now", {}),
    ],
)
def test_notifications(server: Raw, method: str, params: Any) -> None:
    """A notification without sense changes nothing."""
    server.send(method=method, params=params)
    assert server.is_alive()


def test_changes_out_of_the_text(server: Raw) -> None:
    """Places behind a line, behind the text, and the wrong way round."""
    assert server.is_alive()
    big = {"line": 10**9, "character": 10**9}
    for start, end in (
        ({"line": 0, "character": 10**9}, big),
        (big, big),
        (big, {"line": 0, "character": 0}),
    ):
        change = {"range": {"start": start, "end": end}, "text": ""}
        item = {"uri": URI, "version": 2}
        params = {"textDocument": item, "contentChanges": [change]}
        server.send(method="textDocument/didChange", params=params)
    assert server.is_alive()


def test_before_the_beginning() -> None:
    """Texts and questions before ``initialize``, and an end without ``shutdown``."""
    raw = Raw()
    raw.send(method="textDocument/didOpen", params=opening(URI, NET))
    raw.answer(
        "textDocument/hover", textDocument={"uri": URI}, position={"line": 0, "character": 1}
    )
    assert "result" in raw.answer("initialize", processId=None, rootUri=None, capabilities={})
    assert raw.is_alive()
    raw.send(method="exit")
    assert raw.process.wait(30) == 1


def test_the_editor_is_gone() -> None:
    """The server ends when nobody is there any more."""
    raw = Raw()
    raw.answer("initialize", processId=None, rootUri=None, capabilities={})
    assert raw.is_alive()
    assert raw.process.stdin is not None
    raw.process.stdin.close()
    assert raw.process.wait(30) == 1


BROKEN_PACKAGE = """
import importlib.metadata as metadata
from tracer.editors.server import serve
found = metadata.entry_points
broken = metadata.EntryPoint("mine", "no_such_module_of_mine", "tracer.ops")
metadata.entry_points = lambda **asked: [broken] if asked == {"group": "tracer.ops"} else found(**asked)
serve(lambda path, one: True)
"""


def test_an_operation_s_package_that_cannot_be_imported() -> None:
    """It is shown once, and networks without an unknown operation are judged."""
    raw = Raw("-c", BROKEN_PACKAGE)
    raw.answer("initialize", processId=None, rootUri=None, capabilities={})
    for version in range(3):
        raw.send(method="textDocument/didOpen", params=opening(f"file:///{version}.yaml", NET))
    text = NET.replace("Relo", "{op: ReLU, a: 1}")
    raw.send(method="textDocument/didOpen", params=opening("file:///last.yaml", text))
    shown = []
    while True:
        message = raw.read()
        if message["method"] == "window/showMessage":
            shown.append(message["params"]["message"])
        if message["params"].get("uri") == "file:///last.yaml":
            break
    assert [one["code"] for one in message["params"]["diagnostics"]] == ["T003"]
    assert len(shown) == 1
    assert "no_such_module_of_mine" in shown[0]
    raw.process.kill()
    raw.process.wait(30)


def test_a_text_of_the_largest_size(editor: Editor) -> None:
    """8 MiB are judged, one byte more is refused, and a change in either is answered soon."""
    line = "  # " + "x" * 1019 + "\n"
    text = "input: [1, 3, 8, 8]\nlayers:\n" + line * (8 * 1024 - 1) + "  a: Relo\n"
    assert len(text) <= 8 * 2**20
    uri = editor.open(text)
    assert [one.code for one in editor.found(uri)] == ["T101"]
    at = text.index("Relo")
    editor.replace(uri, at, at + 4, "ReLU")
    assert not editor.found(uri)
    assert editor.ask("completion", uri, at + 2)
    editor.replace(uri, at, at, "#" * 2048)
    assert [one.code for one in editor.found(uri)] == ["T006"]
    other = editor.open(NET)
    assert [one.code for one in editor.found(other)] == ["T101"]


def test_hostile_texts(editor: Editor) -> None:
    """What the limits are for: nesting, aliases, repeats, powers, long lines; every question has an answer."""
    random_ = random.Random(0)
    bomb = "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]\n" for n in range(1, 12))
    for layers in (
        "{a: " + "[" * 5000,
        "{a: {op: ReLU, repeat: 1000000000}}",
        '{a: {op: Conv2d, out_channels: "${9**9**9}", kernel_size: 3}}',
        "&a {b: *a}",
        "{a: {op: Concat, from: [" + "a, " * 50_000 + "]}}",
        "{" + ", ".join(f"n{n}: ReLU" for n in range(3000)) + "}",
        '{a: {op: Conv2d, out_channels: "${' + "(" * 3000 + '"}}',
    ):
        text = f"x0: &x0 1\n{bomb}input: [1, 3, 8, 8]\nlayers: {layers}\n"
        plain = text.replace(bomb, "").replace("x0: &x0 1\n", "")
        for one in (text, plain) if "9**9" in text else (plain,):
            uri = editor.open(one)
            assert len(editor.found(uri)) <= 201
            at = random_.randrange(len(one))
            for question in ("hover", "completion", "definition", "prepare_rename"):
                editor.ask(question, uri, at)
            editor.ask_about("document_symbol", uri)
            where = lsp.Range(place(one, 0), place(one, len(one)))
            editor.ask_about("inlay_hint", uri, range=where)
