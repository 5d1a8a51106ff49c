"""Where positions stand in maps of any layout, against the gradients of torch's modules."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tracer.designing.config_text import Layer
from tracer.designing.positions import DimLayout, positions
from tracer.designing.reading import reading
from tracer.designing.taps import channel_dim

SIZE = 48


class Chain:
    """An encoder while it is drawn: layers, the layout, the channels, and the sizes of its map."""

    def __init__(self) -> None:
        self.layers: list[str] = []
        self.layout = "first"
        self.channels = 2
        self.sizes = [SIZE, SIZE]

    def add(self, text: str, source: str = "") -> str:
        """One more layer, which reads the one before; its name."""
        name = f"n{len(self.layers)}"
        start = f"from: {source}, " if source else ""
        self.layers.append(f"  {name}: {{{start}{text}}}")
        return name

    def to(self, layout: str) -> None:
        """Layers that bring the map into a layout."""
        h, w = self.sizes
        if self.layout == "row" and layout != "row":
            self.add(f"op: Reshape, shape: [1, {h}, {w}, {self.channels}]")
            self.layout = "last"
        if self.layout == "first" and layout != "first":
            self.add("op: Permute, dims: [0, 2, 3, 1]")
            self.layout = "last"
        if self.layout == "last" and layout == "first":
            self.add("op: Permute, dims: [0, 3, 1, 2]")
        if self.layout == "last" and layout == "row":
            self.add("op: Flatten, start_dim: 1, end_dim: 2")
        self.layout = layout

    def conv(self, kernel: int, stride: int, padding: int) -> None:
        """A convolution."""
        self.to("first")
        arguments = f"kernel_size: {kernel}, stride: {stride}, padding: {padding}, bias: false"
        self.add(f"op: Conv2d, out_channels: {self.channels}, {arguments}")
        self.sizes = [(n + 2 * padding - kernel) // stride + 1 for n in self.sizes]

    def token(self) -> None:
        """A token before the others, which stays, and one behind them, which is cut off."""
        self.to("row")
        count = self.sizes[0] * self.sizes[1]
        row = self.layers[-1].split(":")[0].strip()
        other = self.add(f"op: Parameter, shape: [1, 1, {self.channels}]")
        self.add(f"op: Concat, from: [{other}, {row}, {other}], dim: 1")
        self.add(f"op: Slice, dim: 1, stop: {count + 1}")
        self.add(f"op: Linear, out_features: {self.channels}, bias: false")

    def merge(self, by_slices: bool) -> None:
        """Patches of two by two that become channels."""
        self.to("last")
        if any(n % 2 for n in self.sizes):
            return
        h, w = self.sizes
        before = self.layers[-1].split(":")[0].strip()
        if by_slices:
            parts = []
            for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
                self.add(f"op: Slice, dim: 1, start: {row}, step: 2", before)
                parts.append(self.add(f"op: Slice, dim: 2, start: {column}, step: 2"))
            self.add(f"op: Concat, from: [{', '.join(parts)}], dim: -1")
        else:
            self.add(f"op: Reshape, shape: [1, {h // 2}, 2, {w // 2}, 2, {self.channels}]")
            self.add("op: Permute, dims: [0, 1, 3, 2, 4, 5]")
            self.add("op: Flatten, start_dim: 3")
        self.channels *= 4
        self.sizes = [h // 2, w // 2]

    def text(self, more: list[Layer]) -> str:
        """The config, with layers behind."""
        head = f"input: [1, 2, {SIZE}, {SIZE}]\nlayers:\n"
        return head + "\n".join([*self.layers, *(f"  {layer.text()}" for layer in more)]) + "\n"


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Convolutions, permutes, reshapes, tokens and merged patches in any order; a token at most at the end."""
    chain = Chain()
    chain.conv(3, 1, 1)
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "first", "last", "row", "slices", "reshape"]))
        if kind == "conv":
            kernel = draw(st.integers(1, 4))
            chain.conv(kernel, draw(st.integers(1, 2)), draw(st.integers(0, kernel // 2)))
        elif kind in ("slices", "reshape"):
            if chain.channels < 16:
                chain.merge(kind == "slices")
        else:
            chain.to(kind)
    if draw(st.booleans()):
        chain.token()
    return chain


def centres(module: torch.nn.Module, axis: int, places: list[int]) -> list[float]:
    """Where in the input those positions look, along an axis: the middle of the gradient."""
    found = []
    for place in places:
        x = torch.zeros(1, 2, SIZE, SIZE, requires_grad=True)
        y = module(x)
        middle = [n // 2 for n in y.shape[2:]]
        middle[axis] = place
        y[0, :, middle[0], middle[1]].sum().backward()
        assert x.grad is not None
        weight = x.grad.abs().sum(dim=(0, 1, 3 - axis))
        found.append(float((weight * torch.arange(SIZE)).sum() / weight.sum()))
    return found


@settings(max_examples=10, deadline=None)
@given(chain=chains())
def test_positions_against_torch(chain: Chain) -> None:
    """The layers that read a map give one over the input's axes, whose positions lie where they are said to."""
    trace = tracer.loads(chain.text([])).trace()
    layout = positions(trace)[-1]
    assert layout is not None, chain.text([])
    channel = channel_dim(layout, 2)
    assert channel is not None, chain.text([])

    shape = (1, chain.channels, *chain.sizes)
    steps = reading(layout, channel, shape)
    more = [Layer(f"read{i}", step.op, step.arguments) for i, step in enumerate(steps)]
    net = tracer.loads(chain.text(more))
    assert net.trace().by_index[-1] == shape

    module = tracer.build(net)
    for parameter in module.parameters():
        torch.nn.init.ones_(parameter)
    for axis, place in enumerate(layout.places):
        n = chain.sizes[axis]
        near = [n // 2, n // 2 + 1]
        said = [float(place.offset + place.stride * j) for j in near]
        assert centres(module, axis, near) == pytest.approx(said, abs=1e-3), chain.text(more)


def layout_of(text: str) -> DimLayout | None:
    """Where positions stand in the last node."""
    return positions(tracer.loads(text).trace())[-1]


HEAD = "input: [1, 4, 8, 12]\nlayers:\n  a: {op: Conv2d, out_channels: 6, kernel_size: 1}\n"


@pytest.mark.parametrize(
    "layer",
    [
        "{op: Reshape, shape: [1, 6, 12, 8]}",
        "{op: Reshape, shape: [1, 8, 12, 6]}",
        "{op: Reshape, shape: [1, 6, 6, 16]}",
        "{op: Flatten, start_dim: 1}",
        "{op: Mean, dim: [2, 3]}",
        "{op: AdaptiveAvgPool2d, output_size: [8, 12]}",
        "{op: AvgPool2d, kernel_size: [8, 12]}",
        "{op: Conv2d, out_channels: 16, kernel_size: [8, 12]}",
        "{op: Linear, out_features: 12}",
    ],
)
def test_where_positions_end(layer: str) -> None:
    """Reshapes that mix axes, and what makes one position of all, leave no map."""
    found = layout_of(f"{HEAD}  b: {layer}\n")
    assert found is None or channel_dim(found, 2) is None


def test_patches_inside_of_an_axis() -> None:
    """Windows stand in the middle of their positions."""
    windows = "{op: Reshape, shape: [1, 6, 2, 4, 3, 4]}"
    found = layout_of(f"{HEAD}  b: {windows}\n")
    assert found is not None
    assert found.strides == (4, 4)
    assert [place.offset for place in found.places] == [Fraction(3, 2)] * 2
    assert channel_dim(found, 2) is None


def test_columns_first_are_no_map() -> None:
    """Tokens column by column are not read as if they were rows."""
    turned = (
        "  b: {op: Permute, dims: [0, 3, 2, 1]}\n  c: {op: Flatten, start_dim: 1, end_dim: 2}\n"
    )
    found = layout_of(HEAD + turned)
    assert found is not None and found.is_whole
    assert channel_dim(found, 2) is None
