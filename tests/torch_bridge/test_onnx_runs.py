"""Exported ONNX files when they run: floors of negative sizes, and files that are not what the trace says."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tests import extras
from tracer.commands import cli
from tracer.ops.calls import DimOf, Tensor
from tracer.torch_bridge.building import build
from tracer.torch_bridge.lowering import sign

extras.needs("onnx")
import onnx
from onnx import helper

from tracer.torch_bridge import onnx_export
from tracer.torch_bridge.onnx_runs import _forward

PADDED = """input: [1, 1, H, W]
sizes: {H: %d, W: 8}
layers:
  p: {op: ZeroPad2d, padding: [0, 0, 0, "%s"]}
"""


def rows(model: bytes, height: int, width: int = 8) -> int:
    """The rows that a model gives."""
    forward, (name,) = _forward(model)
    (made,) = forward({name: numpy.zeros((1, 1, height, width), numpy.float32)})
    return made.shape[2]  # type: ignore[no-any-return]


@pytest.mark.parametrize("height", [10, 20])
def test_next_multiple(height: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding to the next multiple of 16, at the sizes of the file and at others."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(PADDED % (height, "(16 - H % 16) % 16"))
    result = CliRunner().invoke(cli, ["export", "net.yaml", "-o", "net.onnx"])
    assert (result.exit_code, result.stderr) == (0, "written: net.onnx\n")
    model = Path("net.onnx").read_bytes()
    for size in (2, 10, 15, 16, 17, 20, 33):
        assert rows(model, size) == -(-size // 16) * 16


def rounded(a: Any, b: Any) -> Any:
    """As ONNX divides: towards zero."""
    whole = abs(a) // abs(b)
    return whole if (a < 0) == (b < 0) else -whole


TERMS = st.tuples(st.integers(-5, 5), st.integers(-3, 3), st.integers(-40, 40))
TERMS = TERMS.filter(lambda term: term[0] or term[1])


@settings(max_examples=60, deadline=None)
@given(TERMS, st.integers(2, 17))
def test_floors_where_quotients_are_truncated(term: tuple[int, int, int], by: int) -> None:
    """Any sum of sizes, positive or not: the graph has torch's sizes though its quotients are truncated."""
    h, w, constant = term
    amount = f"({h} * H + {w} * W + {constant}) // {by} + 400"
    net = tracer.loads(PADDED % (16, amount))
    graph = build(net, towards_zero=True).graph

    for height, width in ((1, 1), (5, 30), (16, 8), (30, 2)):
        values: dict[Any, Any] = {}

        def value(node: Any, values: dict[Any, Any] = values) -> Any:
            return values.get(node, node)

        for node in graph.nodes:
            if node.op == "call_method":
                values[node] = (1, 1, height, width)[node.args[1]]
            elif node.op == "call_function" and node.target.__module__ == "_operator":
                truncates = node.target is operator.floordiv
                does = rounded if truncates else node.target
                values[node] = does(*map(value, node.args))
        (pad,) = [n for n in graph.nodes if n.op == "call_function" and n not in values]
        below = value(pad.args[1][3])
        assert below == (h * height + w * width + constant) // by + 400, amount


def test_signs() -> None:
    """What is known of a sum's sign is what its parts say."""
    dim = DimOf(Tensor(None, 1), 0)
    assert [sign(n) for n in (dim, dim * -2, dim - 1, dim * -1 + -3, dim // 2 * -1)] == [
        1,
        -1,
        0,
        -1,
        -1,
    ]


def test_nothing_is_written_where_it_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model with other shapes ends with exit code 3, one that cannot be run with 1."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(PADDED % (16, "3"))
    shape = [1, 1, 16, 8]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 1, None, 8])

    def made(op: str, domain: str = "") -> bytes:
        node = helper.make_node(op, ["x"], ["y"], domain=domain)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
        graph = helper.make_graph([node], "g", [x], [y])
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        return model.SerializeToString()  # type: ignore[no-any-return]

    for model, code, said in (
        (made("Relu"), 3, "p: traced [1, 1, 19, 8], run [1, 1, 16, 8]"),
        (made("Unheard", "own"), 1, "not written, as it cannot be compared"),
    ):
        monkeypatch.setattr(onnx_export, "_exported", lambda *_, model=model: model)
        result = CliRunner().invoke(cli, ["export", "net.yaml", "-o", "net.onnx"])
        assert result.exit_code == code and said in result.stderr, result.output
        assert not Path("net.onnx").exists()
