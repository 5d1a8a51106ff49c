"""Sizes that are tied together, dims that may be 1, and what is solved for other sizes than the file's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

import tracer
from tracer.commands import cli
from tracer.sizing.substitution import Substitution

UNSHUFFLED = """
input: [1, 2, H, W]
sizes: {H: 12, W: 8}
layers:
  n0: {op: PixelUnshuffle, downscale_factor: 2}
  n1: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  n2: {op: MatMul, from: [n1, n1]}
"""

SQUEEZED = """
input: [1, 2, L]
sizes: {L: 1000}
layers:
  p: {op: MaxPool1d, kernel_size: 300}
  s: {op: Squeeze, dim: 2}
"""

FLATTENED = """
input: [1, 2, H, W]
sizes: {H: [4, 5], W: [4, 5]}
layers:
  f: {op: Flatten, start_dim: 2}
  p: {op: MaxPool1d, kernel_size: 2}
  u: {op: ConvTranspose1d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  a: {op: Add, from: [u, f]}
"""

UP = """input: [1, 2, H, W]
sizes: {H: 36, W: 36}
layers:
  a: {op: MaxPool2d, kernel_size: 2}
  b: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  c: {op: Add, from: [b, input]}
"""


def test_each_tied_axis_is_asked_with_the_other_as_declared() -> None:
    """At W = 8 only H = 8 runs, as torch's: not what runs at a W that some other H would take."""
    axes = tracer.sizes(tracer.loads(UNSHUFFLED)).axes
    module = torch.nn.Sequential(torch.nn.PixelUnshuffle(2), torch.nn.Conv2d(8, 4, 3, padding=1))

    def runs(h: int, w: int) -> bool:
        try:
            x = module(torch.zeros(1, 2, h, w))
            torch.matmul(x, x)
        except RuntimeError:
            return False
        return True

    assert (
        [h for h in range(1, 40) if h in axes["H"].runs]
        == [h for h in range(1, 40) if runs(h, 8)]
        == [8]
    )
    assert (
        [w for w in range(1, 40) if w in axes["W"].runs]
        == [w for w in range(1, 40) if runs(12, w)]
        == [12]
    )


def test_a_dim_of_one_far_from_the_start() -> None:
    """Sizes at which a dim is squeezed belong to the set, however large, and to ``lossless`` and ``aligned``."""
    axis = tracer.sizes(tracer.loads(SQUEEZED)).axes["L"]
    assert (axis.runs.least, axis.lossless.least, axis.aligned.least) == (300, 300, 300)
    assert tracer.checks(SQUEEZED.replace("1000", "{min: 300}")) == []


@pytest.mark.parametrize(
    "layer",
    [
        "{dim: 2, start: 1, stop: 7}",
        '{dim: 2, start: 1, stop: "L - 2"}',
        "{dim: 2, start: -4, stop: -1}",
    ],
)
def test_forms_hold_from_their_least_k(layer: str) -> None:
    """A node's shape over k is the traced one at each k, the least included."""
    layer = layer.replace("{", "{op: Slice, ")
    net = tracer.loads(f"input: [1, 2, L]\nsizes: {{L: 20}}\nlayers:\n  s: {layer}\n")
    (form,) = net.forms({"L": tracer.sizes(net).axes["L"].runs})["L"]
    for k in range(form.least, form.least + 20):
        shape = net.trace(L=form.modulus * k + form.remainder).shapes["s"]
        assert shape is not None
        dim = form.shapes["s"][2]
        assert shape[2] == (
            dim if isinstance(dim, int) else Substitution(dim.space, {"k": k}).size(dim)
        )


def test_a_form_does_not_hold_where_a_dim_is_squeezed() -> None:
    """At L = 300 the dim is gone; the form with it begins behind."""
    net = tracer.loads(SQUEEZED)
    (form,) = net.forms({"L": tracer.sizes(net).axes["L"].lossless})["L"]
    assert (form.size, form.least) == ("300k", 2)


@pytest.mark.parametrize(
    ("pool", "expected"), [("kernel_size: 2", (2, 2)), ("kernel_size: [3, 2]", (3, 2))]
)
def test_the_stride_of_a_pool_is_its_kernel_by_default(
    pool: str, expected: tuple[int, int]
) -> None:
    """So that is what costs nothing."""
    net = tracer.loads(
        f"input: [1, 3, 32, 32]\nlayers:\n  p: {{op: MaxPool2d, {pool}, stride: auto}}\n"
    )
    solution = net.solution()
    assert (solution.assignments["p.stride"], solution.cost) == (expected, 0)


def test_promised_sizes_that_fail_together() -> None:
    """4 x 4, 4 x 5 and 5 x 4 have an even product, 5 x 5 has not: no one output_padding serves all."""
    (found,) = tracer.checks(FLATTENED)
    assert found.code == "T402"
    (found,) = tracer.checks(FLATTENED.replace("auto", "0"))
    assert found.code == "T305" and found.message.startswith("H = 5, W = 5 does not work")
    assert tracer.checks(FLATTENED.replace("[4, 5]", "[4, 6]")) == []


@pytest.mark.parametrize("config", [UP.replace("auto", "!!str auto").replace("H: 36", "H: 37"), UP])
def test_write_refuses_what_would_break_the_file(tmp_path: Path, config: str) -> None:
    """A tag that the value is not, and values for other sizes than those declared: said, and nothing is written."""
    path = tmp_path / "net.yaml"
    path.write_text(config)
    size = ["--size", "H=37"] if config == UP else []
    result = CliRunner().invoke(cli, ["plan", str(path), "--write", *size])
    assert result.exit_code == 1 and "nothing is written" in result.output
    assert path.read_text() == config


def test_a_diff_keeps_the_byte_order_mark(tmp_path: Path) -> None:
    """It is part of the first line, and ``patch`` compares it."""
    path = tmp_path / "net.yaml"
    path.write_bytes(
        b"\xef\xbb\xbf"
        + UP.replace("H, W]", "36, 36]").replace("sizes: {H: 36, W: 36}\n", "").encode()
    )
    result = CliRunner().invoke(cli, ["plan", str(path), "--diff"])
    assert "\n \ufeffinput: " in result.output


def test_a_pool_behind_flatten_has_a_field() -> None:
    """A dim less than the input's has no axis of its own to ask."""
    text = "input: [1, 2, 5, 5]\nlayers:\n  f: {op: Flatten, start_dim: 2}\n  p: {op: MaxPool1d, kernel_size: 2}\n"
    from tracer.geometry.receptive_field import fields

    assert len(fields(tracer.loads(text).trace())["p"]) == 1


def test_a_size_without_values_is_t401_whichever_of_the_list_it_is() -> None:
    """L = 9 and L = 14 have values, and none in common; L = 17 has none at all, which says more."""
    text = """
input: [1, 2, L]
sizes: {L: [9, 17, 14]}
layers:
  e0: ReLU
  d0: {op: Conv1d, out_channels: 2, kernel_size: auto(1..4), stride: 2, padding: 2}
  e1: ReLU
  d1: {op: Conv1d, out_channels: 2, kernel_size: 3, stride: 3}
  u1: {op: ConvTranspose1d, out_channels: 2, kernel_size: 4, stride: 2, padding: 1}
  c1: {op: Add, from: [u1, e1], align: crop}
  r1: {op: Conv1d, out_channels: 2, kernel_size: 3, padding: 1}
  u0: {op: ConvTranspose1d, out_channels: 2, kernel_size: 2, stride: 2, dilation: 2, output_padding: auto}
  c0: {op: Concat, from: [u0, e0]}
"""
    found = [d for d in tracer.checks(text) if d.severity == "error"]
    assert [d.code for d in found] == ["T401"] and "e0 is 17" in found[0].message
    assert [d.code for d in tracer.checks(text.replace("17, ", "")) if d.severity == "error"] == [
        "T402"
    ]


def test_defaults_that_serve_need_no_search() -> None:
    """80 unknowns before one expectation are more than are searched; nothing costs less than the defaults."""
    layer = "{op: Conv1d, out_channels: 2, kernel_size: auto(1..9), padding: auto(0..4)}"
    layers = "".join(f"  c{i}: {layer}\n" for i in range(40))
    text = f"input: [1, 2, 64]\nlayers:\n{layers}  last: {{op: ReLU, expect: [1, 2, 64]}}\n"
    solution = tracer.loads(text).solution()
    assert (solution.solved, solution.cost, solution.capped) == (True, 0, True)
    assert tracer.checks(text) == []
