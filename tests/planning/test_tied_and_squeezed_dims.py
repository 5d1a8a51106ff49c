"""Sets of sizes where a layer ties axes together, and where a dim of 1 is squeezed out."""

from __future__ import annotations

import pytest
import torch

import tracer
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


def test_each_tied_axis_is_asked_with_the_other_as_declared() -> None:
    """At W = 8 only H = 8 runs, as torch's: not what runs at a W that some other H would take."""
    axes = tracer.sizes(tracer.loads(UNSHUFFLED)).axes
    module = torch.nn.Sequential(
        torch.nn.PixelUnshuffle(2), torch.nn.Conv2d(8, 4, 3, padding=1)
    )

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


CHOICES = """
input: [N, 1, L]
sizes: {N: 1, L: 32000}
blocks:
  res:
    layers:
      keep: {op: Conv1d, out_channels: 4, kernel_size: 3, padding: 1}
      conv: {op: Conv1d, out_channels: 4, kernel_size: 3}
      sum: {op: Add, from: [conv, input]}
layers:
  f: {op: Conv1d, out_channels: 4, kernel_size: 16, stride: 8}
  r: {op: res, repeat: 200}
  wave: {op: ConvTranspose1d, out_channels: 1, kernel_size: 16, stride: 8}
  shape: {op: Reshape, shape: [N, 1, L]}
"""

DOUBLED = """
input: [1, 2, H, W]
sizes: {H: 40, W: 40}
blocks:
  res:
    layers:
      d: {op: MaxPool2d, kernel_size: 2}
      u: {op: ConvTranspose2d, out_channels: 2, kernel_size: 3, stride: 2}
      sum: {op: Add, from: [u, input]}
layers:
  r: {op: res, repeat: 100}
  f: Flatten
  y: {op: Linear, in_features: 3200, out_features: 3}
"""


def test_a_chain_of_sums_that_one_size_serves() -> None:
    """600 layers; each sum is 3 long, as its branch is 2 shorter than its trunk and has to be 1."""
    axes = tracer.sizes(tracer.loads(CHOICES)).axes
    assert axes["L"].runs.written("L") == "L = 32"
    assert axes["N"].runs.written("N") == "any N"
    x = torch.zeros(1, 4, 3)
    assert torch.add(torch.nn.Conv1d(4, 4, 3)(x), x).shape == x.shape


def test_a_tie_of_long_expressions_is_written_with_the_dims_of_nodes() -> None:
    (tie,) = tracer.sizes(tracer.loads(DOUBLED)).couplings
    assert tie.constraint == "r.99.sum[2]*r.99.sum[3] == 1600"


def test_sets_that_hold_with_the_others_as_declared_say_so() -> None:
    """An expression that takes no symbols: each set is found number by number, with the other size as declared."""
    net = tracer.loads("""
input: [1, 1, H, W]
sizes: {H: 12, W: 10}
layers:
  p: {op: ZeroPad2d, padding: [0, 0, "1 if round(H / 2) % 2 else 0", 0]}
  t: {op: Permute, dims: [0, 1, 3, 2]}
  s: {op: Concat, from: [p, t]}
""")
    axes = tracer.sizes(net).axes
    assert axes["H"].others == {"W": 10} and axes["W"].others == {"H": 12}
    assert axes["W"].below == 256 and "takes numbers only" in str(axes["W"].because)


def test_sizes_of_tied_symbols_are_told() -> None:
    axes = tracer.sizes(tracer.loads(UNSHUFFLED)).axes
    assert axes["H"].others == {"W": 8} and axes["W"].others == {"H": 12}
