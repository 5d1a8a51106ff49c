"""An ONNX file up to a node: what comes behind it is not read, so that it hides nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import extras

extras.needs("onnx")

import onnx
from click.testing import CliRunner, Result
from onnx import TensorProto, helper

from tracer.commands import cli
from tracer.onnx_bridge.reading import read_onnx


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file whose last node has no operation; ``y`` is read there alone, in a branch."""
    weights = helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 3, 3], [0.0] * 108)
    floats = TensorProto.FLOAT
    branch = [
        helper.make_graph(
            [helper.make_node("Mul", [one, "t2"], [f"{name}_out"], name=name)],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", floats, None)],
        )
        for name, one in (("then", "t2"), ("else", "y"))
    ]
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [False])
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["t1"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["t1"], ["t2"], name="relu"),
        helper.make_node(
            "If", ["c"], ["t3"], name="if", then_branch=branch[0], else_branch=branch[1]
        ),
        helper.make_node("NonZero", ["t3"], ["t4"], name="last"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [
            helper.make_tensor_value_info("x", floats, ["n", 3, "h", "w_"]),
            helper.make_tensor_value_info("y", floats, ["n", 4, "h", "w_"]),
        ],
        [helper.make_tensor_value_info("t4", TensorProto.INT64, [4, None])],
        [weights, condition],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.save(model, str(tmp_path / "net.onnx"))
    return str(tmp_path / "net.onnx")


def run(*words: str) -> Result:
    """``tracer WORDS``."""
    return CliRunner().invoke(cli, list(words))


@pytest.mark.parametrize("until", ["relu", "t2"])
def test_up_to_a_node_or_a_tensor(path: str, until: str) -> None:
    """By either name; the input that nothing needs is gone."""
    assert "NonZero has no operation" in run("check", path).stdout
    net = read_onnx(path, until=until)
    assert [node.name for node in net.network.nodes] == ["x", "conv", "relu"]
    assert net.trace().outputs == {"t2": (1, 4, 64, 64)}
    assert run("check", path, "--until", until, "--strict").exit_code == 0


def test_what_a_branch_reads(path: str) -> None:
    """Tensors that are read inside of a branch are needed too."""
    net = read_onnx(path, until="if")
    assert [node.name for node in net.network.nodes if node.is_input] == ["x", "y"]


def test_a_name_that_is_not_there(path: str) -> None:
    """It is bad usage, with the nearest."""
    done = run("trace", path, "--until", "rely")
    assert done.exit_code == 2
    assert "there is no node 'rely'; did you mean 'relu'?" in done.stderr


def test_a_node_of_the_config(tmp_path: Path) -> None:
    """Where all can be read, a node's name in the config will do."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Sigmoid", ["a"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xc"]
    graph = helper.make_graph(nodes, "net", values[:1], values[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]),
        str(tmp_path / "n.onnx"),
    )
    net = read_onnx(str(tmp_path / "n.onnx"), until="sigmoid")
    assert [node.name for node in net.network.nodes] == ["x", "relu", "sigmoid"]
    with pytest.raises(ValueError, match="there is no node 'sigmoi'; did you mean 'sigmoid'"):
        read_onnx(str(tmp_path / "n.onnx"), until="sigmoi")
