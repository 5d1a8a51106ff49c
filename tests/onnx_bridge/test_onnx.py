"""ONNX files as configs: what torch's two exporters write, what other tools write, and what is no ONNX file."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import tracer
from tests import ROOT, extras
from tests.drawn.modules import MODULES
from tests.torch_bridge.test_importing import shapes_of
from tracer.commands import cli
from tracer.importing.recording import Unrepresentable

extras.needs("onnx")
import onnx
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from tracer.onnx_bridge.operators import handles
from tracer.onnx_bridge.reading import read_onnx
from tracer.onnx_bridge.sizes import computes

BRANCHING = {"resizing", "replicating", "if needed", "same", "segnet"}
"""An export keeps the way that one size takes, and has no max unpooling."""


def exported(name: str, path: Path, dynamo: bool) -> tuple[nn.Module, int]:
    """A module of the tests and its channels, written to a file with open batch, height and width."""
    make, channels = MODULES[name]
    module = make().eval()
    x = torch.zeros(1, channels, 64, 48)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if dynamo:
                dims = {
                    0: torch.export.Dim("N"),
                    2: torch.export.Dim("H"),
                    3: torch.export.Dim("W"),
                }
                torch.onnx.export(
                    module, (x,), path, dynamo=True, dynamic_shapes=(dims,), verbose=False
                )
            else:
                axes = {"x": {0: "N", 2: "H", 3: "W"}}
                torch.onnx.export(
                    module, (x,), path, dynamo=False, dynamic_axes=axes, input_names=["x"]
                )
    finally:
        logging.disable(logging.NOTSET)
    return module, channels


def compare(name: str, module: nn.Module, channels: int, net: tracer.Net) -> None:
    """The network's sizes and shapes are the module's for every height of 1..80."""
    runs = tracer.sizes(net).axes["H"].runs
    for n in range(1, 81):
        want = shapes_of(module, 1, channels, n, 48)
        mine = net.trace(H=n)
        found = None if mine.diagnostics else list(mine.outputs.values())
        assert found == want and (n in runs) == (want is not None), n
    if name == "vit":  # attention is written for the batch of the export
        return
    mine = net.trace(N=3, H=70, W=50)
    assert shapes_of(module, 3, channels, 70, 50) == (
        None if mine.diagnostics else list(mine.outputs.values())
    )


@pytest.mark.parametrize("name", [name for name in MODULES if name not in BRANCHING])
def test_what_torch_writes(name: str, tmp_path: Path) -> None:
    """By its older exporter."""
    module, channels = exported(name, tmp_path / "net.onnx", dynamo=False)
    compare(
        name,
        module,
        channels,
        read_onnx(str(tmp_path / "net.onnx"), {"": (1, channels, 64, 48)}),
    )


@pytest.mark.parametrize(
    "name", ["resnet", "deeplab", "padding", "cropping", "shuffling", "same", "vit"]
)
def test_what_torch_writes_by_torch_export(name: str, tmp_path: Path) -> None:
    """By the one on torch.export, which computes sizes by other operators."""
    module, channels = exported(name, tmp_path / "net.onnx", dynamo=True)
    compare(
        name,
        module,
        channels,
        read_onnx(str(tmp_path / "net.onnx"), {"": (1, channels, 64, 48)}),
    )


def test_repeated_parts_are_blocks(tmp_path: Path) -> None:
    """By the modules that torch notes in the nodes' names."""
    exported("padding", tmp_path / "net.onnx", dynamo=False)
    text = read_onnx(str(tmp_path / "net.onnx")).to_yaml()
    assert (
        "down1: {op: inc, out_channels: 4}" in text.replace("double_conv", "inc")
        or "blocks:" in text
    )
    assert text.count("op: Conv2d") < 8


# --- what other tools write ------------------------------------------------------------------------------------------


def model(
    nodes: Sequence[Any],
    shape: Sequence[Any],
    weights: dict[str, Any] | None = None,
    outputs: str = "y",
    opset: int = 18,
) -> Any:
    """A model of one input ``x``."""
    graph = helper.make_graph(
        list(nodes),
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in outputs.split()
        ],
        [
            onnx.numpy_helper.from_array(numpy.asarray(value), name)
            for name, value in (weights or {}).items()
        ],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )


def net_of(made: Any, path: Path) -> tracer.Net:
    onnx.save(made, path / "net.onnx")
    return read_onnx(str(path / "net.onnx"))


def branch(op_type: str) -> Any:
    """A branch of an If: one node on x."""
    out = op_type.lower()
    return helper.make_graph(
        [helper.make_node(op_type, ["x"], [out])],
        out,
        [],
        [helper.make_empty_tensor_value_info(out)],
    )


NEAREST = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
KERNEL = numpy.zeros((4, 2, 3, 3), numpy.float32)
TURNED = numpy.zeros((2, 4, 3, 3), numpy.float32)
NODES: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "same upper": ([helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2])], {"w": KERNEL}),
    "same lower": (
        [helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="SAME_LOWER", strides=[3, 2], dilations=[2, 1])],
        {"w": KERNEL},
    ),
    "valid": ([helper.make_node("Conv", ["x", "w"], ["y"], auto_pad="VALID")], {"w": KERNEL}),
    "uneven": ([helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 0, 2, 3], strides=[2, 1])], {"w": KERNEL}),
    "pool": ([helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 2], pads=[1, 0, 0, 1])], {}),
    "pool same": (
        [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")],
        {},
    ),
    "mean": ([helper.make_node("AveragePool", ["x"], ["y"], kernel_shape=[2, 2], pads=[1, 1, 1, 1])], {}),
    "turned": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], output_padding=[1, 0], pads=[1] * 4)],
        {"w": TURNED},
    ),
    "turned uneven": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], pads=[0, 1, 2, 0])],
        {"w": TURNED},
    ),
    "turned same": (
        [helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], auto_pad="SAME_UPPER")],
        {"w": TURNED},
    ),
    "split": (
        [helper.make_node("Split", ["x", "s"], ["a", "b"], axis=1), helper.make_node("Mul", ["a", "b"], ["y"])],
        {"s": numpy.array([1, 1])},
    ),
    "gather": ([helper.make_node("Gather", ["x", "i"], ["y"], axis=1)], {"i": numpy.array(1)}),
    "slice": (
        [helper.make_node("Slice", ["x", "a", "b", "c", "d"], ["y"])],
        {"a": numpy.array([1, -3]), "b": numpy.array([2**62, -1]), "c": numpy.array([2, 3]), "d": numpy.array([2, 1])},
    ),
    "pad": ([helper.make_node("Pad", ["x", "p"], ["y"], mode="edge")], {"p": numpy.array([0, 0, 1, 0, 0, 0, 2, 3])}),
    "pad axes": (
        [helper.make_node("Pad", ["x", "p", "", "a"], ["y"])],
        {"p": numpy.array([1, 2]), "a": numpy.array([-1])},
    ),
    "numbers": (
        [
            helper.make_node("Sub", ["two", "x"], ["a"]),
            helper.make_node("Div", ["two", "a"], ["b"]),
            helper.make_node("Add", ["b", "v"], ["y"]),
        ],
        {"two": numpy.float32(2), "v": numpy.ones((2, 1, 1), numpy.float32)},
    ),
    "flatten": ([helper.make_node("Flatten", ["x"], ["y"], axis=2)], {}),
    "reshape": ([helper.make_node("Reshape", ["x", "s"], ["y"])], {"s": numpy.array([0, 1, -1, 2])}),
    "resize": (
        [helper.make_node("Resize", ["x", "", "s"], ["y"], **NEAREST)],
        {"s": numpy.array([1, 1, 1.5, 2], numpy.float32)},
    ),
    "reduce": (
        [helper.make_node("ReduceL2", ["x", "a"], ["n"], keepdims=1), helper.make_node("Div", ["x", "n"], ["y"])],
        {"a": numpy.array([1])},
    ),
    "softmax": (
        [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 3, 1]), helper.make_node("Softmax", ["t"], ["y"])],
        {},
    ),
    "expand": ([helper.make_node("ReduceMax", ["x"], ["m"]), helper.make_node("Shape", ["x"], ["s"]),
                helper.make_node("Expand", ["m", "s"], ["y"])], {}),
    "if": ([helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg"))],
           {"c": numpy.array(False)}),
}  # fmt: skip


@pytest.mark.parametrize("name", NODES)
def test_single_nodes(name: str, tmp_path: Path) -> None:
    """Their shapes are the reference's, for every height."""
    nodes, weights = NODES[name]
    made = model(nodes, ["N", 2, "H", 9], weights)
    net = net_of(made, tmp_path)
    reference = ReferenceEvaluator(made)
    compared = 0
    for n in range(4, 24):
        mine = net.trace(N=1, H=n)
        (want,) = reference.run(None, {"x": numpy.ones((1, 2, n, 9), numpy.float32)})
        assert (
            mine.outputs["y" if "y" in mine.outputs else next(iter(mine.outputs))] == want.shape
        ), (n, net.to_yaml())
        compared += 1
    assert compared == 20


def test_values_with_uneven_padding(tmp_path: Path) -> None:
    """Padding beside the convolution, and a crop behind a transposed one, come to the same values."""
    torch.manual_seed(0)
    for name in ("uneven", "same lower", "turned uneven"):
        nodes, weights = NODES[name]
        drawn = {word: torch.randn(value.shape).numpy() for word, value in weights.items()}
        made = model(nodes, [1, 2, 11, 9], drawn)
        module: Any = tracer.build(net_of(made, tmp_path)).eval()
        (weight,) = module.parameters()
        with torch.no_grad():
            weight.copy_(torch.from_numpy(drawn["w"]))
            x = torch.randn(1, 2, 11, 9)
            (want,) = ReferenceEvaluator(made).run(None, {"x": x.numpy()})
            assert numpy.allclose(module(x).numpy(), want, atol=1e-4), name


def test_open_dims_and_inputs(tmp_path: Path) -> None:
    """Symbols have the file's names, or the usual ones; sizes are given by name; fixed dims stay numbers."""
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    net = net_of(model(relu, ["batch size", 3, None, "w"]), tmp_path)
    assert net.to_yaml() == (
        "name: small\ninput: {x: [batch_size, 3, H, w]}\nsizes: {batch_size: 1, H: 64, w: 64}\n\n"
        "layers:\n  relu: ReLU\noutput: {y: relu}\n"
    )
    onnx.save(model(relu, [1, 3, 8, "w"]), tmp_path / "net.onnx")
    assert read_onnx(str(tmp_path / "net.onnx"), {"x": (1, 3, 8, 5)}).trace().outputs == {
        "y": (1, 3, 8, 5)
    }
    for shapes, said in (
        ({"x": (1, 3, 9, 5)}, "dim 2 of the input x is 8 in the file, not 9"),
        ({"x": (1, 3)}, "the input x has 4 dims, and the shape that is given 2"),
        ({"z": (1,)}, "there is no input 'z'; the inputs are x"),
    ):
        with pytest.raises(Unrepresentable, match=said):
            read_onnx(str(tmp_path / "net.onnx"), shapes)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([helper.make_node("Foo", ["x"], ["y"], name="f")], r"node f \(Foo -> y\): Foo is no operator of ONNX"),
        (
            [helper.make_node("Relu", ["x"], ["y"], domain="com.mine")],
            r"node \(Relu -> y\): com.mine.Relu is no operator of ONNX",
        ),
        ([helper.make_node("NonZero", ["x"], ["y"])], r"\(NonZero -> y\): NonZero has no operation in a config"),
        (
            [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ConstantOfShape", ["s"], ["y"])],
            r"\(ConstantOfShape -> y\): ConstantOfShape of sizes that are read at run time",
        ),
        ([helper.make_node("Relu", ["z"], ["y"])], r"\(Relu -> y\): there is no z, which it reads"),
        (
            [helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0), helper.make_node("Cast", ["m"], ["c"], to=9),
             helper.make_node("If", ["c"], ["y"], then_branch=helper.make_graph([], "t", [], []),
                              else_branch=helper.make_graph([], "e", [], []))],
            r"\(Cast -> c\): a tensor is turned into integers or truth values",
        ),
        (
            [helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2)],
            r"DepthToSpace in the mode DCR; torch's pixel shuffle is CRD",
        ),
        ([helper.make_node("Conv", ["x", "x"], ["y"])], r"\(Conv -> y\): the weights depend on the input"),
        ([helper.make_node("Conv", ["x"], ["y"])], r"\(Conv -> y\): it has 1 inputs; it needs at least 2"),
        ([helper.make_node("Reshape", ["x"], ["y"])], r"\(Reshape -> y\): it has 1 inputs; it needs at least 2"),
        ([helper.make_node("MaxPool", ["x"], ["y"])], r"\(MaxPool -> y\): kernel_shape is missing"),
        (
            [helper.make_node("Split", ["x"], ["y"], axis=1, num_outputs=0)],
            r"\(Split -> y\): num_outputs is 0; it has 1 outputs",
        ),
        ([helper.make_node("If", [], ["y"])], r"\(If -> y\): it has 0 inputs; it needs at least 1"),
        (
            [helper.make_node("Constant", [], ["a"], value_ints=[2]), helper.make_node("Squeeze", ["x", "a"], ["y"])],
            r"\(Squeeze -> y\): dim 2 of \[1, 2, 64, 64\] is not always 1",
        ),
        (
            [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Sub", ["s", "s"], ["zero"]),
             helper.make_node("Div", ["s", "zero"], ["d"]), helper.make_node("Reshape", ["x", "d"], ["y"])],
            r"\(Div -> d\): its sizes cannot be computed: ",
        ),
    ],
)  # fmt: skip
def test_what_has_no_place(nodes: Sequence[Any], said: str, tmp_path: Path) -> None:
    """The node is named, with its operator and output."""
    with pytest.raises(Unrepresentable, match=said):
        net_of(model(nodes, ["N", 2, "H", "W"]), tmp_path)


def test_no_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut in half, empty, something else, missing, a directory: one message, an exit code, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    exported("unet", tmp_path / "net.onnx", dynamo=False)
    raw = (tmp_path / "net.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(raw[: len(raw) // 2])
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "text.onnx").write_text("input: [1, 3, H, W]\n")
    (tmp_path / "folder.onnx").mkdir()
    for name, code, said in (
        (
            "half",
            1,
            "half.onnx: error[T601] it is no ONNX file, or a part of one only: ",
        ),
        (
            "empty",
            1,
            "empty.onnx: error[T601] it is no ONNX file, or a part of one only: there is no graph in it",
        ),
        (
            "text",
            1,
            "text.onnx: error[T601] it is no ONNX file, or a part of one only: ",
        ),
        ("missing", 2, "missing.onnx: cannot be read: No such file or directory"),
        ("folder", 2, "folder.onnx: cannot be read: Is a directory"),
    ):
        result = CliRunner().invoke(cli, ["import", f"{name}.onnx", "-o", "out.yaml"])
        assert (result.exit_code, result.stdout) == (code, "") and result.stderr.startswith(
            said
        ), result.stderr
        assert not (tmp_path / "out.yaml").exists()
    result = CliRunner().invoke(cli, ["import", "net.onnx", "--input", "1,1,64,64"])
    assert result.exit_code == 0 and tracer.loads(result.stdout).trace(H=68).diagnostics == []
    assert CliRunner().invoke(cli, ["import", "net.onnx", "--arg", "a=1"]).exit_code == 2
    # A package that was imported before is there, whatever can be found now.
    monkeypatch.delitem(sys.modules, "onnx")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(cli, ["import", "net.onnx"])
    assert (result.exit_code, result.stderr) == (
        2,
        "this command needs onnx: pip install 'shape-tracer[onnx]'\n",
    )


def test_weights_in_another_file(tmp_path: Path) -> None:
    """Their data is not needed."""
    nodes, weights = NODES["valid"]
    made = model(nodes, ["N", 2, "H", "W"], weights)
    onnx.external_data_helper.convert_model_to_external_data(
        made, location="data.bin", size_threshold=0
    )
    onnx.save(made, tmp_path / "net.onnx")
    (tmp_path / "data.bin").unlink()
    assert read_onnx(str(tmp_path / "net.onnx")).trace(H=9, W=9).outputs["y"] == (1, 4, 7, 7)


# --- export ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "params", "dims"),
    [
        ("unet_padded", ["base=2"], ["N", 1, "16*_H", "16*_W"]),
        pytest.param("unet_2015", ["base=2"], ["N", 1, "H", "W"], marks=pytest.mark.long),
        ("conv_autoencoder", [], ["N", 1, "H", "W"]),
        ("espcn", [], ["N", 1, "H", "W"]),
    ],
)
def test_exported_configs(
    config: str, params: list[str], dims: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is valid, keeps the symbols open for what runs, and read again it has the config's shapes."""
    monkeypatch.chdir(tmp_path)
    sets = [word for param in params for word in ("--set", param)]
    result = CliRunner().invoke(
        cli, ["export", str(ROOT / "configs" / f"{config}.yaml"), "-o", "net.onnx", *sets]
    )
    assert (result.exit_code, result.stderr) == (0, "written: net.onnx\n"), result.stderr
    made = onnx.load("net.onnx")
    onnx.checker.check_model(made)
    net = tracer.load(ROOT / "configs" / f"{config}.yaml", **({"base": 2} if params else {}))
    found = [d.dim_value or d.dim_param for d in made.graph.input[0].type.tensor_type.shape.dim]
    assert [str(n).replace(" ", "") for n in found] == [str(n) for n in dims]
    shapes = [
        shape for node, shape in zip(net.network.nodes, net.trace().by_index) if node.is_input
    ]
    again = read_onnx("net.onnx", {made.graph.input[0].name: shapes[0]})
    assert list(again.trace().outputs.values()) == list(net.trace().outputs.values())


def test_export_says_what_it_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that does not close, no place to write, and sizes that torch's exporter does not keep open."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(
        "input: [1, 3, 8, 8]\nlayers:\n  c: {op: Conv2d, out_channels: 2, kernel_size: 9}\n"
    )
    result = CliRunner().invoke(cli, ["export", "net.yaml", "-o", "net.onnx"])
    assert (
        result.exit_code == 1
        and "net.yaml:3:" in result.stderr
        and not (tmp_path / "net.onnx").exists()
    )
    result = CliRunner().invoke(cli, ["export", "net.yaml", "--to", "onnx"])
    assert result.exit_code == 2 and result.stderr.endswith(
        "Error: say where to write the model: -o NAME.onnx\n"
    )
    (tmp_path / "net.yaml").write_text(
        "input: [1, 3, H, 8]\nsizes: {H: 8}\nlayers:\n"
        "  f: Flatten\n  l: {op: Linear, in_features: 192, out_features: 2}\n"
    )
    result = CliRunner().invoke(cli, ["export", "net.yaml", "-o", "net.onnx"])
    assert (result.exit_code, result.stderr) == (0, "written: net.onnx\n")
    assert onnx.load("net.onnx").graph.input[0].type.tensor_type.shape.dim[2].dim_value == 8


def test_a_handler_is_registered_once() -> None:
    """A second one would silently replace the first, whichever file is read last."""
    with pytest.raises(ValueError, match="a handler of Conv is registered twice"):
        handles("Conv")(lambda call: call.x)
    with pytest.raises(ValueError, match="a rule of Shape is registered twice"):
        computes("Shape")(lambda node: node.arrays[0])
