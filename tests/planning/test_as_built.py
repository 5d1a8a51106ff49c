"""The network as it is built: widths and values of ``auto`` are those of the declared sizes; the sets are its own."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import tracer
from tests.drawn.counted import counted, each
from tracer.commands import cli

WIDTH = """
input: [1, 2, n, n]
sizes: {n: 40}
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 3, stride: 4}
  f: Flatten
  l: {op: Linear, out_features: 5}
"""
CHANNELS = """
input: [N, 2, 4, 8]
sizes: {N: 2}
layers:
  r: {op: Reshape, shape: [2, -1, 4, 8]}
  c: {op: Conv2d, out_channels: 3, kernel_size: 3, padding: 1}
"""
TWO_LEVELS = """
input: [1, 1, H, W]
sizes: {H: 28, W: 28}
encoder:
  c1: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  c2: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
decoder:
  t2: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
  t1: {op: ConvTranspose2d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1, output_padding: auto}
output: {t1: [1, 1, H, W]}
"""


def test_a_width_is_fixed_where_it_is_built() -> None:
    """The sets are those with the width written out; what would be chosen anew is told."""
    found = tracer.sizes(tracer.loads(WIDTH))
    written = WIDTH.replace("out_features: 5", "in_features: 200, out_features: 5")
    assert found.axes == tracer.sizes(tracer.loads(written)).axes
    assert [n for n in range(80) if n in found.axes["n"].runs] == [39, 40, 41, 42]
    (width,) = found.widths
    assert (width.node, width.argument, width.value) == ("l", "in_features", 200)
    assert width.formula == "2*((n + 1) // 4)*((n + 1) // 4)"


def test_channels_out_of_a_batch() -> None:
    """A convolution whose channels come out of the batch runs for the batch that it was built for."""
    found = tracer.sizes(tracer.loads(CHANNELS))
    assert str(found.axes["N"].runs.written("N")) == "N = 2"


def test_nothing_is_fixed_where_nothing_is_built() -> None:
    """A declared size that does not run builds nothing: each size stands for a module of its own."""
    found = tracer.sizes(tracer.loads(WIDTH.replace("40", "2")))
    assert found.axes["n"].runs.written("n") == "n >= 3" and found.widths[0].value is None


def test_every_promised_size_is_of_one_module() -> None:
    """A range of sizes is promised of one module: T305 where the width of the first does not fit the next."""
    errors = [
        d for d in tracer.checks(WIDTH.replace("40", "[40, 48]")) if d.severity == "error"
    ]
    assert [d.code for d in errors] == ["T305"] and errors[0].node == "l"
    assert errors[0].hint is not None and "declared sizes" in errors[0].hint


@st.composite
def flattened(draw: st.DrawFn) -> tuple[str, int]:
    """Some layers, a Flatten or a Reshape of the batch, and layers that infer a width; the declared size."""
    size = draw(st.integers(6, 24))
    lines = []
    for i in range(draw(st.integers(0, 2))):
        kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        lines.append(
            f"  c{i}: {{op: Conv1d, out_channels: 2, kernel_size: {kernel}, stride: {stride}}}"
        )
    lines += draw(
        st.sampled_from(
            [
                ["  f: Flatten", "  l: {op: Linear, out_features: 3}"],
                ["  n: LayerNorm"],
                ["  t: {op: Transpose, dim0: 1, dim1: 2}", "  b: BatchNorm1d"],
                [
                    "  t: {op: Transpose, dim0: 1, dim1: 2}",
                    "  d: {op: Conv1d, out_channels: 2, kernel_size: 1}",
                ],
                [
                    "  p: {op: AdaptiveAvgPool1d, output_size: 2}",
                    "  l: {op: Linear, out_features: 3}",
                ],
            ]
        )
    )
    return f"input: [1, 2, n]\nsizes: {{n: {size}}}\nlayers:\n" + "\n".join(lines) + "\n", size


@counted(each(True, False, over=30))
@given(flattened())
def test_sets_are_those_of_the_built_module(
    seen: Counter[bool], drawn: tuple[str, int]
) -> None:
    """One module, built at the declared size, runs for the sizes of the set and for no others."""
    text, size = drawn
    net = tracer.loads(text)
    if net.trace().diagnostics:
        return
    module = tracer.build(net).eval()
    runs, built = tracer.sizes(net).axes["n"].runs, net.as_built()
    for n in {*range(max(size - 4, 1), size + 5), 2 * size, 64}:
        try:
            with torch.no_grad():
                shape = tuple(module(torch.zeros(1, 2, n)).shape)
        except RuntimeError:
            shape = None
        assert (n in runs) == (shape is not None), (n, text)
        assert [*built.trace(n=n).outputs.values()] == [shape], (n, text)
        seen[n in runs] += 1


# --- values of auto at other sizes ------------------------------------------------------------------------------------


def test_sizes_that_keep_the_promise() -> None:
    """Sizes that run as it is built, and among them those with which the promise holds."""
    net = tracer.loads(TWO_LEVELS)
    for symbol, axis in tracer.sizes(net).axes.items():
        assert axis.runs.written(symbol) == f"{symbol} >= 1"
        assert axis.kept is not None and axis.kept.written(symbol) == f"{symbol} = 4k, k >= 1"
    built = net.as_built()
    kept = tracer.sizes(net).axes["H"].kept
    for n in range(1, 40):
        assert (n in kept) == (not built.trace(H=n).diagnostics)  # type: ignore[operator]
    assert tracer.sizes(tracer.loads(WIDTH)).axes["n"].kept is None


def test_two_answers_are_told_apart(tmp_path: Path) -> None:
    """A trace at another size says which values are not those of the module; --as-built traces the module."""
    path = tmp_path / "net.yaml"
    path.write_text(TWO_LEVELS)

    def traced(*options: str) -> str:
        return CliRunner().invoke(cli, ["trace", str(path), *options]).stdout

    found = json.loads(traced("--size", "H=50,W=58", "--format", "json"))
    assert found["outputs"]["t1"] == [1, 1, 50, 58]
    assert found["assignments"] == {"t2.output_padding": [0, 0], "t1.output_padding": [1, 1]}
    assert found["built"] == {
        "sizes": {"H": 28, "W": 28},
        "values": {"t2.output_padding": [1, 1]},
    }
    line = "solved for H=50, W=58: t2.output_padding [0, 0]; the module that is built for H=28, W=28 has"
    assert line in traced("--size", "H=50,W=58").replace("\n", " ")

    built = json.loads(traced("--size", "H=50,W=58", "--as-built", "--format", "json"))
    assert built["outputs"]["t1"] == [1, 1, 52, 60] and built["built"] is None
    module = tracer.build(tracer.loads(TWO_LEVELS))
    assert list(module(torch.zeros(1, 1, 50, 58)).shape) == built["outputs"]["t1"]
    assert json.loads(traced("--format", "json"))["built"] is None


# --- the declared size decides nothing --------------------------------------------------------------------------------

DENSE = """
input: [N, 3, S, S]
sizes: {N: 1, S: 48}
layers:
  c: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  f: Flatten
  y: {op: Linear, in_features: 1024, out_features: 10}
"""


@pytest.mark.parametrize("declared", [5, 31, 32, 48, 64])
def test_a_dense_layer_fixes_the_size(declared: int) -> None:
    """The sets are the same whatever is declared; where that does not run, check says so, and plan has the nearest.

    The width was made for a size: the size declared is the slip, and not the width.
    """
    net = tracer.loads(DENSE.replace("48", str(declared)))
    assert tracer.sizes(net).axes["S"].runs.written("S") == "S = 31, 32"
    plan = tracer.plan(net)
    assert plan.feasible == (declared in (31, 32))
    assert [d.code for d in plan.diagnostics] == ([] if plan.feasible else ["T204"])
    if not plan.feasible:
        nearest = 32 if declared > 32 else 31
        edits = [[(e.path, e.value) for e in repair.edits] for repair in plan.repairs]
        assert [("sizes.S", nearest)] in edits
        assert edits[0] == [("sizes.S", nearest)]
        assert edits[1][0][0] == "layers.y.in_features"


def test_wrong_at_any_size_is_an_error_of_loading() -> None:
    """A width that no size makes right is refused when it is loaded."""
    with pytest.raises(tracer.TracerError) as error:
        tracer.loads(DENSE.replace("kernel_size: 3", "in_channels: 5, kernel_size: 3"))
    assert [d.code for d in error.value.diagnostics] == ["T204"]


def test_every_size_of_a_sweep_is_one(tmp_path: Path) -> None:
    """Of a list not only the first is looked at."""
    path = tmp_path / "net.yaml"
    path.write_text(TWO_LEVELS)
    table = str(tmp_path / "x.csv")
    found = CliRunner().invoke(cli, ["sweep", str(path), "--size", "H=32,-1", "-o", table])
    assert found.exit_code == 2 and "a size of H is -1" in found.output


INFERRING = {
    "Conv3d": "out_channels: 4, kernel_size: 1",
    "ConvTranspose2d": "out_channels: 4, kernel_size: 1",
    "MultiheadAttention": "num_heads: 1",
    "Linear": "out_features: 4",
}


@pytest.mark.parametrize("weights", ["", ", weights: a"])
@pytest.mark.parametrize("op", INFERRING)
def test_an_input_without_the_dim_of_a_width(op: str, weights: str) -> None:
    """A layer that refuses its input infers nothing from it, alone and where it shares another's weights."""
    layer = f"{{op: {op}, {INFERRING[op]}, from"
    lines = [
        "input: {x: [], y: [1, 8, H, 8]}",
        "sizes: {H: 8}",
        "layers:",
        f"  a: {layer}: y}}",
        f"  b: {layer}: x{weights}}}",
        "output: [a, b]",
    ]
    net = tracer.loads("\n".join(lines))
    found = net.trace().diagnostics
    assert "T303" in {one.code for one in found}
    assert len(net.plan().diagnostics) == len(found)
    assert net.plan().repairs == [] and net.sizes().axes.keys() <= {"H"}
