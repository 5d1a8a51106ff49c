"""ONNX files that are wrong or made to cost much: refused by node, at once; what is imported has the right shapes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests import extras
from tests.timing import at_most
from tracer.importing.recording import Unrepresentable

extras.needs("onnx")
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from tests.onnx_bridge.test_onnx import KERNEL, NEAREST, NODES, model
from tracer.onnx_bridge.reading import read_onnx

node = helper.make_node


def doubled(op_type: str, times: int, **attributes: Any) -> list[Any]:
    """The shape of x, joined to itself so many times."""
    steps = [
        node(op_type, [f"s{i}", f"s{i}"], [f"s{i + 1}"], **attributes) for i in range(times)
    ]
    return [node("Shape", ["x"], ["s0"]), *steps, node("Reshape", ["x", f"s{times}"], ["y"])]


def refusal(nodes: Sequence[Any], path: Path, opset: int = 18, **weights: Any) -> str:
    """The message with which a file is refused, within a second of this process's time."""
    onnx.save(model(nodes, ["N", 2, "H", 9], weights, opset=opset), path / "net.onnx")
    with at_most(seconds=1), pytest.raises(Unrepresentable) as refused:
        read_onnx(str(path / "net.onnx"))
    return str(refused.value)


ZEROS = numpy.zeros(4, numpy.int64)
LARGE = numpy.array([2**20, 2**20])
BAD: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "axis": ([node("Concat", ["x", "x"], ["y"], name="c", axis=9)],
     {}, "node c (Concat -> y): axis is 9; for 4 dims it is from -4 to 3"),
    "no axis": ([node("Concat", ["x", "x"], ["y"])], {}, "node (Concat -> y): axis is missing"),
    "stride": ([node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[0, 0])], {}, "strides is [0, 0]"),
    "few strides": ([node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], strides=[2])],
     {}, "strides is [2]; it needs 2 values"),
    "odd pads": ([node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], pads=[1, 1, 1])],
     {}, "pads is [1, 1, 1]; it needs 4 values"),
    "type": ([node("MaxPool", ["x"], ["y"], kernel_shape="two")],
     {}, "kernel_shape is of the type string; it must be ints"),
    "unknown": ([node("Relu", ["x"], ["y"], slope=2)], {}, "slope is no attribute of Relu"),
    "text": ([node("Resize", ["x", "", "", "s"], ["y"], mode=b"\xff")], {"s": ZEROS}, "mode is no text in UTF-8"),
    "inputs": ([node("Concat", [], ["y"], axis=1)], {}, "it has 0 inputs; it needs at least 1"),
    "zero": ([node("Shape", ["x"], ["s"]), node("Div", ["s", "z"], ["q"]), node("Reshape", ["x", "q"], ["y"])],
     {"z": ZEROS}, "node (Div -> q)"),
    "modulo": ([node("Shape", ["x"], ["s"]), node("Mod", ["s", "z"], ["q"]), node("Reshape", ["x", "q"], ["y"])],
     {"z": ZEROS}, "node (Mod -> q)"),
    "squared": (doubled("Mul", 24), {}, "an integer is beyond 63 bits"),
    "joined": (doubled("Concat", 20, axis=0), {}, "at most 1024 are looked at"),
    "huge": ([node("ConstantOfShape", ["n"], ["c"]), node("Reshape", ["x", "c"], ["y"])],
     {"n": LARGE}, "c has 1099511627776 values"),
    "range": ([node("Range", ["a", "n", "b"], ["c"]), node("Reshape", ["x", "c"], ["y"])],
     {"a": numpy.array(0), "n": numpy.array(2**40), "b": numpy.array(1)}, "values; at most 1024"),
    "resize": ([node("Resize", ["x"], ["y"], **NEAREST)], {}, "it needs scales or sizes, and not both"),
    "outside": ([node("Resize", ["x", "", "s"], ["y"], mode="cubic", exclude_outside=1)],
     {"s": numpy.ones(4, numpy.float32)}, "leaves out what is outside"),
    "unsqueeze": ([node("Unsqueeze", ["x", "a"], ["y"])],
     {"a": numpy.array([7])}, "axes is 7; for 5 dims it is from -5 to 4"),
    "gathered": ([node("Gather", ["x", "i"], ["y"], axis=1)],
     {"i": numpy.array([1, 2])}, "the index 2 of a dim of 2"),
    "twice": ([node("Relu", ["x"], ["y"]), node("Neg", ["x"], ["y"])], {}, "y is there before"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_by_node(name: str, tmp_path: Path) -> None:
    """The message names the node, and the attribute or the bound."""
    nodes, weights, said = BAD[name]
    assert said in refusal(nodes, tmp_path, **weights)


@pytest.mark.parametrize("opset", [0, 99])
def test_unknown_opsets(opset: int, tmp_path: Path) -> None:
    """Nothing is known of their operators."""
    message = refusal([node("Relu", ["x"], ["y"])], tmp_path, opset)
    assert message.startswith(f"its opset is {opset}; the installed onnx knows 1 to ")


def test_odd_sizes_without_a_split(tmp_path: Path) -> None:
    """In opset 13 the parts are equal, so that only even sizes run."""
    nodes = [node("Split", ["x"], ["a", "b"], axis=2), node("Add", ["a", "b"], ["y"])]
    onnx.save(model(nodes, ["N", 2, "H", 9], opset=13), tmp_path / "net.onnx")
    net = read_onnx(str(tmp_path / "net.onnx"))
    assert net.trace(H=8).diagnostics == [] and net.trace(H=9).diagnostics


def test_time_is_linear(tmp_path: Path) -> None:
    """A chain of 5,000 nodes takes seconds of this process at most."""
    names = ["x", *(f"r{i}" for i in range(1, 5000)), "y"]
    nodes = [node("Relu", [a], [b]) for a, b in pairwise(names)]
    onnx.save(model(nodes, ["N", 2, "H", 9]), tmp_path / "net.onnx")
    with at_most(seconds=5):
        assert len(read_onnx(str(tmp_path / "net.onnx")).network.nodes) == 5001


# --- drawn faults ----------------------------------------------------------------------------------------------------

MORE: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "last": ([node("Gather", ["x", "i"], ["y"], axis=2)], {"i": numpy.array([-1])}),
    "last two": ([node("Gather", ["x", "i"], ["y"], axis=2)], {"i": numpy.array([-2, -1])}),
    "behind": ([node("Flatten", ["x"], ["y"], axis=-1)], {}),
    "higher": ([node("Mul", ["x", "w"], ["y"])], {"w": numpy.ones((1, 1, 1, 1, 1), numpy.float32)}),
    "middle": ([node("Shape", ["x"], ["s"], start=2, end=3), node("Div", ["s", "two"], ["i"]),
                node("Squeeze", ["i"], ["j"]), node("Gather", ["x", "j"], ["y"], axis=2)], {"two": numpy.array([2])}),
    "product": ([node("Shape", ["x"], ["s"], start=1), node("ReduceProd", ["s", "a"], ["p"]),
                 node("Concat", ["n", "p"], ["q"], axis=0), node("Reshape", ["x", "q"], ["y"])],
                {"a": numpy.array([0]), "n": numpy.array([-1])}),
    "gemm": ([node("Flatten", ["x"], ["f"], axis=3), node("Gemm", ["f", "w", "b"], ["y"], alpha=2.0, beta=0.5)],
             {"w": numpy.ones((9, 5), numpy.float32), "b": numpy.ones((1, 1), numpy.float32)}),
    "rounded up": ([node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)], {}),
    "branches": ([node("Conv", ["x", "w"], ["a"], pads=[1] * 4), node("Relu", ["a"], ["b"]),
                  node("Concat", ["a", "b"], ["y"], axis=1)], {"w": KERNEL}),
}  # fmt: skip
SOUND = {**NODES, **MORE}


def compared(made: Any, path: Path) -> int | None:
    """The number of sizes for which an import has the reference's shapes; None where it is refused."""
    (path / "net.onnx").write_bytes(made.SerializeToString())
    try:
        net = read_onnx(str(path / "net.onnx"))
    except Unrepresentable:
        return None

    count = 0
    for height in (4, 7, 12, 64):
        traced = net.trace(
            **{name: {"N": 1, "H": height}.get(name, 1) for name in net.network.symbols}
        )
        try:
            # As the file declares its input, which is damaged too.
            shape: Any = traced.by_index[0]
            x = numpy.ones(shape, numpy.float32)
            wanted = [one.shape for one in ReferenceEvaluator(made).run(None, {"x": x})]
        except Exception:
            continue  # the reference refuses what no runtime would run, by whatever it meets
        if not traced.diagnostics:
            assert list(traced.outputs.values()) == wanted, (height, net.to_yaml())
            count += 1
    return count


@pytest.mark.parametrize("name", MORE)
def test_more_nodes(name: str, tmp_path: Path) -> None:
    """Their shapes are the reference's."""
    nodes, weights = MORE[name]
    found = compared(model(nodes, ["N", 2, "H", 9], weights), tmp_path)
    assert found is not None and found >= 3


def faulty(draw: random.Random, made: Any) -> None:
    """Change one thing of a model: an attribute, an input, a constant, the opset, or a node."""
    one = draw.choice(list(made.graph.node))
    kind = draw.choice(["ints", "int", "drop", "input", "weight", "opset", "swap", "float"])
    number = draw.choice([-9, -2, -1, 0, 1, 2, 3, 5, 9, 2**31, 2**62, -(2**63)])
    if kind == "opset":
        made.opset_import[0].version = draw.choice([1, 5, 6, 9, 10, 11, 12, 13, 16, 19, 21, 99])
    elif kind == "input" and one.input:
        one.input[draw.randrange(len(one.input))] = draw.choice(["", "x", "y", "w", "nothing"])
    elif kind == "swap":
        one.op_type = draw.choice(
            ["Concat", "Split", "Gather", "Reshape", "Shape", "Add", "MaxPool", "Resize"]
        )
    elif kind == "weight" and made.graph.initializer:
        tensor = draw.choice(list(made.graph.initializer))
        if tensor.data_type == onnx.TensorProto.INT64:
            values = onnx.numpy_helper.to_array(tensor).copy().reshape(-1)
            values[draw.randrange(len(values))] = number
            shape = tuple(tensor.dims)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.reshape(shape), tensor.name))
        else:
            tensor.dims.append(draw.choice([1, 2]))
    elif one.attribute:
        attribute = draw.choice(list(one.attribute))
        if kind == "drop":
            one.attribute.remove(attribute)
        elif kind == "float":
            attribute.f, attribute.type = 0.5, onnx.AttributeProto.FLOAT
        elif attribute.ints:
            attribute.ints[draw.randrange(len(attribute.ints))] = number
            if draw.random() < 0.3:
                attribute.ints.append(number)
        else:
            attribute.i = number


def drawn_faults(seeds: range, path: Path) -> tuple[int, int, int]:
    """The numbers of files that are refused, of those that are imported, and of sizes that are compared."""
    refused = imported = sizes = 0
    for seed in seeds:
        draw = random.Random(seed)
        nodes, weights = SOUND[draw.choice(list(SOUND))]
        made = model(nodes, ["N", 2, "H", 9], weights)
        if draw.random() < 0.3:
            raw = bytearray(made.SerializeToString())
            raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
            try:
                made = onnx.load_model_from_string(bytes(raw))
            except Exception:
                continue  # protobuf refuses it, as reading the file does
        else:
            for _ in range(draw.randint(1, 2)):
                faulty(draw, made)
        found = compared(made, path)
        refused += found is None
        imported += found is not None
        sizes += found or 0
    return refused, imported, sizes


def test_drawn_faults(tmp_path: Path) -> None:
    """Flipped bits and changed structure: a refusal, or the reference's shapes; never anything else."""
    refused, imported, sizes = drawn_faults(range(150), tmp_path)
    assert refused > 50 and imported > 20 and sizes > 50, (refused, imported, sizes)


@pytest.mark.slow
def test_many_drawn_faults(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same for thousands, with the profile that draws thousands."""
    if request.config.getoption("--hypothesis-profile") != "nightly":
        pytest.skip("thousands of faults are drawn with --hypothesis-profile=nightly")
    refused, imported, sizes = drawn_faults(range(1000, 4000), tmp_path)
    assert refused > 1000 and imported > 400 and sizes > 1000, (refused, imported, sizes)
