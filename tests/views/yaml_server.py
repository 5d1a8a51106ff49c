"""A client of yaml-language-server: a document with the schema, and questions about a place in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

CAPABILITIES = {
    "textDocument": {
        "hover": {"contentFormat": ["markdown"]},
        "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
    }
}


class YamlServer:
    """A running server."""

    def __init__(self, program: str, schema: Path) -> None:
        self.schema = schema
        self.asked = 0
        self.opened = 0
        self.process = subprocess.Popen(
            [program, "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.ask(
            "initialize", {"processId": None, "rootUri": None, "capabilities": CAPABILITIES}
        )
        self.send({"method": "initialized", "params": {}})

    def end(self) -> None:
        """Stop it."""
        self.process.kill()
        self.process.communicate()

    def send(self, message: dict[str, Any]) -> None:
        """Write one message."""
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        """Read one message."""
        assert self.process.stdout is not None
        length = 0
        while line := self.process.stdout.readline().strip():
            key, _, value = line.partition(b":")
            if key.lower() == b"content-length":
                length = int(value)
        assert length, "the server has ended"
        found: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return found

    def ask(self, method: str, params: Any) -> Any:
        """The answer to a request; what the server asks meanwhile is answered with nothing."""
        self.asked += 1
        self.send({"id": self.asked, "method": method, "params": params})
        while True:
            message = self.read()
            if "method" not in message and message.get("id") == self.asked:
                assert "error" not in message, message
                return message["result"]
            if "method" in message and "id" in message:
                items = (message.get("params") or {}).get("items")
                nothing = None if items is None else [{} for _ in items]
                self.send({"id": message["id"], "result": nothing})

    def open(self, text: str) -> str:
        """Open a document that names the schema in its first line; its address."""
        self.opened += 1
        uri = (self.schema.parent / f"{self.opened}.yaml").as_uri()
        full = f"# yaml-language-server: $schema={self.schema}\n{text}"
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": full}
        self.send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def hover(self, uri: str, line: int, column: int) -> str:
        """What is shown at a place of the document, counted from 0 without the line of the schema."""
        place = {"line": line + 1, "character": column}
        found = self.ask(
            "textDocument/hover", {"textDocument": {"uri": uri}, "position": place}
        )
        return "" if found is None else str(found["contents"]["value"]).replace("\\", "")

    def complete(self, uri: str, line: int, column: int) -> dict[str, str]:
        """What may be written at a place, each with its documentation."""
        place = {"line": line + 1, "character": column}
        found = self.ask(
            "textDocument/completion", {"textDocument": {"uri": uri}, "position": place}
        )
        items = found["items"] if isinstance(found, dict) else found or []
        return {one["label"]: _text(one.get("documentation")) for one in items}


def _text(documentation: Any) -> str:
    value = documentation.get("value") if isinstance(documentation, dict) else documentation
    return (value or "").replace("\\", "")
