"""A minute's proof that an installation works: what each extra is for, once, without pytest.

``python tests/smoke.py base onnx png sweep serve lsp torch`` runs the installed command. ``.ci/versions`` does so with
other interpreters, with the lowest versions of all dependencies, and with other releases of torch.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from collections.abc import Callable
from pathlib import Path

MODULE = """\
import torch
from torch import nn


class UNet(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.enc = nn.Conv2d(3, width, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.mid = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.head = nn.Conv2d(2 * width, 2, 1)

    def forward(self, x):
        skip = self.enc(x)
        y = self.up(self.mid(self.pool(skip)))
        return self.head(torch.cat([y, skip], 1))
"""

CHECKS: dict[str, list[Callable[[], None]]] = {}
"""The checks of each extra, and those of the distribution itself (``base``)."""


def check(extra: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Enter a check under the extra that it needs."""

    def entered(function: Callable[[], None]) -> Callable[[], None]:
        CHECKS.setdefault(extra, []).append(function)
        return function

    return entered


def run(*arguments: str, code: int = 0) -> str:
    """What the command prints; it has to end with this code."""
    command = [sys.executable, "-c", "from shape_tracer import main; main()", *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout


# --- the distribution itself -----------------------------------------------------------------------------------------


@check("base")
def examples_are_clean() -> None:
    """Every example is copied, and nothing is found in it."""
    names = [one["name"] for one in json.loads(run("examples", "--format", "json"))["examples"]]
    assert len(names) >= 30
    for name in names[:4]:
        run("examples", name, "-o", f"{name}.yaml", "--overwrite")
    assert run("check", "--strict", ".") == ""


@check("base")
def answers_are_known() -> None:
    """The shapes, sizes and values that the papers have."""
    answer = json.loads(run("trace", "unet_2015.yaml", "--format", "json"))
    assert answer["outputs"] == {"logits": [1, 2, 388, 388]}
    assert "H = 16k + 12, k >= 11" in run("sizes", "unet_2015.yaml")
    planned = json.loads(run("plan", "conv_autoencoder.yaml", "--format", "json"))
    assert [max(value) for value in planned["assignments"].values()] == [0, 1, 1]
    tiles = json.loads(
        run(
            *("tile", "unet_2015.yaml", "--picture", "H=700,W=700", "--tile", "H=572,W=572"),
            *("--format", "json"),
        )
    )
    assert tiles["exact"] is True


@check("base")
def findings_are_told() -> None:
    """An error has exit code 1 in every format, and a picture all the same."""
    wrong = Path("vnet.yaml").read_text("utf-8").replace("kernel_size: 5", "kernel_size: 4", 1)
    Path("wrong.yaml").write_text(wrong, "utf-8")
    for format_ in ("full", "concise", "json", "sarif", "github"):
        assert "T" in run("check", "wrong.yaml", "--format", format_, code=1)
    run("draw", "wrong.yaml", "-o", "wrong.svg", code=1)
    assert Path("wrong.svg").read_bytes().startswith(b"<svg")


@check("base")
def views_are_made() -> None:
    """What remains: tables, pages, schemas, a sweep, a comparison, a design."""
    for format_ in ("table", "csv", "markdown"):
        assert "up4" in run("trace", "unet_2015.yaml", "--format", format_)
    run("draw", "unet_2015.yaml", "-o", "page.html")
    assert "$defs" in json.loads(run("schema", "language"))
    run("sweep", "vnet.yaml", "--size", "D=64,128", "-o", "rows.csv")
    assert len(Path("rows.csv").read_text("utf-8").splitlines()) == 3
    assert "nodes" in run("compare", "unet_2015.yaml", "vnet.yaml", code=0)
    run("design", "unet", "-o", "designed.yaml")
    run("check", "designed.yaml")
    assert "T301" in run("explain", "T301")
    assert "kernel_size" in run("ops", "Conv2d")


# --- the extras ------------------------------------------------------------------------------------------------------


@check("torch")
def modules_are_built_verified_and_imported() -> None:
    """torch agrees with a config, builds it from its source, and reads a module."""
    Path("mine.py").write_text(MODULE, "utf-8")
    assert run("verify", "conv_autoencoder.yaml", "--count", "2")
    run("export", "conv_autoencoder.yaml", "-o", "built.py")
    run("import", "mine.py:UNet", "--input", "1,3,32,48", "-o", "mine.yaml")
    assert run("verify", "mine.yaml", "--count", "2")
    assert "T301" in run("check", "mine.py:UNet", "--input", "1,3,33,48", code=1)

    import torch

    sys.path.insert(0, os.getcwd())
    from built import Network

    with torch.no_grad():
        assert Network()(torch.zeros(1, 1, 28, 28)).shape == (1, 1, 28, 28)


@check("onnx")
def onnx_is_read() -> None:
    """A model of two nodes, with open sizes."""
    from onnx import TensorProto, helper, save

    kernel = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], [0.0] * 108)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("MaxPool", ["c"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, None, None])
        for name, channels in (("x", 3), ("y", 4))
    ]
    graph = helper.make_graph(nodes, "small", ends[:1], ends[1:], [kernel])
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), "small.onnx")
    answer = json.loads(run("trace", "small.onnx", "--input", "1,3,17,20", "--format", "json"))
    assert list(answer["outputs"].values()) == [[1, 4, 8, 10]]


@check("png")
def pixels_are_drawn() -> None:
    run("draw", "unet_2015.yaml", "-o", "picture.png")
    assert Path("picture.png").read_bytes().startswith(b"\x89PNG")


@check("sweep")
def rows_are_written_and_plotted() -> None:
    run(
        *("sweep", "vnet.yaml", "--size", "D=64,128", "--size", "H=64,128"),
        *("-o", "rows.parquet", "--plot", "rows.svg"),
    )
    from pyarrow import parquet

    assert parquet.read_table("rows.parquet").num_rows == 4
    assert "<svg" in Path("rows.svg").read_text("utf-8")


@check("serve")
def a_page_is_served() -> None:
    """The server answers at the address that it prints."""
    code = "from shape_tracer import main; main()"
    server = subprocess.Popen(
        [sys.executable, "-c", code, "serve", "unet_2015.yaml"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        address = re.search(r"http://\S+", server.stderr.readline())
        assert address is not None
        assert b"unet" in read_soon(address[0])
    finally:
        server.kill()
        server.wait(30)


def read_soon(address: str) -> bytes:
    """What a server gives that begins to listen about now."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=30) as page:
                return bytes(page.read())
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


@check("lsp")
def an_editor_is_served() -> None:
    """The language server finds what is wrong, says a shape on hover, and ends when it is told."""
    text = Path("unet_2015.yaml").read_text("utf-8")
    at = {"line": text[: text.index("pool1:")].count("\n"), "character": 4}
    document = {"uri": "file:///n.yaml", "languageId": "yaml", "version": 1, "text": text}
    wrong = {"version": 2, "uri": "file:///n.yaml"}
    said = [
        {
            "id": 1,
            "method": "initialize",
            "params": {"processId": None, "rootUri": None, "capabilities": {}},
        },
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        {
            "id": 2,
            "method": "textDocument/hover",
            "params": {"textDocument": document, "position": at},
        },
        {
            "method": "textDocument/didChange",
            "params": {
                "textDocument": wrong,
                "contentChanges": [{"text": text.replace("MaxPool2d", "Pool")}],
            },
        },
    ]
    code = "from shape_tracer import main; main()"
    server = subprocess.Popen(
        [sys.executable, "-c", code, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert server.stdin is not None and server.stdout is not None
        for message in said:
            server.stdin.write(framed(message))
        server.stdin.flush()
        told = b""
        while b"T101" not in told:
            more = server.stdout.read1(2**16)
            assert more, told
            told += more
        assert b"[1, 64, 284, 284]" in told
        server.stdin.write(framed({"id": 3, "method": "shutdown"}) + framed({"method": "exit"}))
        server.stdin.flush()
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait(30)


def framed(message: dict[str, object]) -> bytes:
    """A message of the protocol."""
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def main(extras: list[str]) -> int:
    """Run the checks of these extras; the number of those that failed."""
    os.chdir(tempfile.mkdtemp(prefix="smoke-"))
    passed = failed = 0
    for name in ("unet_2015", "vnet", "conv_autoencoder"):
        run("examples", name, "-o", f"{name}.yaml")
    for extra in extras:
        for function in CHECKS[extra]:
            try:
                function()
                passed += 1
            except Exception:
                failed += 1
                print(f"{function.__name__}:")
                traceback.print_exc(file=sys.stdout)
    print(f"smoke: {passed} passed, {failed} failed")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
