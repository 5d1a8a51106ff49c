"""Sampling grids against torch: where the input's values that an output position is made of really lie.

Weights are ones, so that a position's centre is the mean place of what it sees. Where an operation treats positions in
turns the mean over one turn is compared, tap by tap: that is what a grid says.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.arguments import Draw
from tests.drawn.networks import Drawn, networks
from tests.drawn.torch_network import layer_of
from tracer.geometry.grids import Grid, Ratio, grids, meetings, reduced
from tracer.shapes.recipe import recipe_of
from tracer.sizing.program import substitute
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Condition, Space

pytestmark = pytest.mark.filterwarnings(
    "ignore:Using padding='same' with even kernel:UserWarning"
)

CONFIGS = ROOT / "configs"
LENGTH = 240

WHOLE = 0
"""A turn as long as the output."""

Numbers = tuple[Fraction, Fraction]
"""Stride and offset."""


def numbers(grid: Grid | None) -> Numbers | None:
    return None if grid is None else (Fraction(*grid.stride), Fraction(*grid.offset))


def grids_of(net: tracer.Net, **sizes: int) -> dict[str, list[Numbers | None]]:
    """The grids of every node by name, as fractions."""
    trace = net.trace(**sizes)
    assert not trace.diagnostics, trace.diagnostics
    found = grids(trace)
    return {
        node.name: [numbers(g) for g in own or ()]
        for node, own in zip(net.network.nodes, found)
    }


def along(net: tracer.Net, node: str, dim: int = 2, **sizes: int) -> Numbers:
    """The one grid that is asked for."""
    found = grids_of(net, **sizes)[node][dim]
    assert found is not None
    return found


def net_of(layers: Sequence[str], length: int = LENGTH) -> tracer.Net:
    """A chain of 1-D layers n0, n1, ..."""
    body = "".join(f"  n{i}: {layer}\n" for i, layer in enumerate(layers))
    return tracer.loads(f"input: [1, 1, {length}]\nlayers:\n{body}")


def responses(net: tracer.Net) -> dict[str, torch.Tensor]:
    """Of every node [output channel, output position, input position]: what each unit of the input adds, in double."""
    length = net.trace().by_index[0][-1]  # type: ignore[index]
    values: dict[str, torch.Tensor] = {"input": torch.eye(length, dtype=torch.float64)[:, None]}
    trace = net.trace()
    with torch.no_grad():
        for node, op in list(zip(net.network.nodes, trace.ops))[1:]:
            x = [values[source.name] for source in node.inputs]
            operands = {field: values[source.name] for field, source in node.operands.items()}
            layer, module = layer_of(node, op, x, operands, trace.sizes)  # type: ignore[arg-type]
            if module is not None:
                module.double()
                for name, parameter in module.named_parameters():
                    parameter.fill_(0 if name == "bias" else 1)
            values[node.name] = layer(*x)  # type: ignore[assignment]
    return {name: y.permute(1, 2, 0) for name, y in values.items()}


def lies_at(weights: torch.Tensor, grid: Numbers, turn: int) -> bool:
    """Whether, tap by tap over one turn in the middle, the values lie around the grid's places."""
    positions, length = weights.shape
    first = max((positions - turn) // 2, 0)
    rows = weights[first : first + turn]
    places = torch.arange(first, first + len(rows), dtype=torch.float64) * float(
        grid[0]
    ) + float(grid[1])
    beside = torch.arange(length, dtype=torch.float64)[None] - places[:, None]
    return bool(((rows * beside).sum() / rows.sum()).abs() < 1e-6)


# --- one operation ------------------------------------------------------------------------------------------------


def written(op: str, **arguments: Any) -> str:
    return f"{{op: {op}{''.join(f', {k}: {_yaml(v)}' for k, v in arguments.items())}}}"


def _yaml(value: Any) -> str:
    return tracer.ops.base.written(value)


@st.composite
def convolution(draw: Draw, kernel: int = 6, padding: int = 9) -> tuple[str, int]:
    kernel, dilation = draw(st.integers(1, kernel)), draw(st.sampled_from([1, 1, 2, 3]))
    if draw(st.booleans()):
        return written(
            "Conv1d", out_channels=1, kernel_size=kernel, dilation=dilation, padding="same"
        ), 1
    mode = draw(st.sampled_from(["zeros", "zeros", "reflect", "circular"]))
    return written(
        "Conv1d",
        out_channels=1,
        kernel_size=kernel,
        dilation=dilation,
        stride=draw(st.integers(1, 4)),
        padding=draw(st.integers(0, padding)),
        padding_mode=mode,
    ), 1


@st.composite
def pool(draw: Draw) -> tuple[str, int]:
    kernel = draw(st.integers(1, 6))
    stride = draw(st.none() | st.integers(1, 4))
    padding, ceil_mode = draw(st.integers(0, kernel // 2)), draw(st.booleans())
    return written(
        "AvgPool1d", kernel_size=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode
    ), 1


@st.composite
def transposed(draw: Draw) -> tuple[str, int]:
    stride = draw(st.integers(1, 4))
    return written(
        "ConvTranspose1d",
        out_channels=1,
        kernel_size=draw(st.integers(1, 7)),
        stride=stride,
        padding=draw(st.integers(0, 6)),
        dilation=draw(st.sampled_from([1, 1, 2, 3])),
        output_padding=draw(st.integers(0, stride - 1)),
    ), stride


@st.composite
def resize(draw: Draw) -> tuple[str, int]:
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "area", "linear"]))
    arguments: dict[str, Any] = {"mode": mode}
    if mode == "linear":
        arguments["align_corners"] = draw(st.booleans())
    if draw(st.booleans()):
        return written("Interpolate", size=draw(st.integers(2, 500)), **arguments), WHOLE
    factor = draw(
        st.sampled_from([2, 3, 4, 0.5, 0.25, 1.5, 2.5, 0.75, 0.4, 0.3, 0.7, 1 / 3, 0.57])
    )
    recompute = draw(st.sampled_from([None, False, True]))
    up = (
        WHOLE
        if recompute or mode == "area"
        else Fraction(factor).limit_denominator(100).numerator
    )
    return written(
        "Interpolate", scale_factor=factor, recompute_scale_factor=recompute, **arguments
    ), up


@st.composite
def shift(draw: Draw) -> tuple[str, int]:
    before, after = draw(st.integers(-20, 20)), draw(st.integers(-20, 20))
    kind = draw(
        st.sampled_from(
            [
                "ZeroPad1d",
                "ReflectionPad1d",
                "CircularPad1d",
                "Crop",
                "CenterCrop",
                "Slice",
                "Chunk",
            ]
        )
    )
    if kind == "Crop":
        return written("Crop", crop=[abs(before), abs(after)]), 1
    if kind == "CenterCrop":
        return written("CenterCrop", size=draw(st.integers(30, LENGTH))), 1
    if kind == "Slice":
        start = draw(st.integers(-LENGTH - 5, LENGTH - 10))
        return written(
            "Slice",
            dim=draw(st.sampled_from([2, -1])),
            start=start,
            step=draw(st.integers(1, 4)),
        ), 1
    if kind == "Chunk":
        return written("Chunk", dim=2, chunks=3), 1
    if kind == "CircularPad1d":
        before, after = abs(before), abs(after)
    return written(kind, padding=[before, after]), 1


def to_size(cells: int) -> tuple[str, int]:
    return written("AdaptiveAvgPool1d", output_size=cells), WHOLE


@given(
    st.one_of(
        convolution(), pool(), transposed(), resize(), shift(), st.integers(2, 300).map(to_size)
    ),
    st.integers(LENGTH - 12, LENGTH),
)
def test_an_operation_lies_where_its_values_come_from(
    drawn: tuple[str, int], length: int
) -> None:
    """Any arguments, padding and crops beyond all sense included: mean over one turn of output positions."""
    layer, turn = drawn
    chunked = "Chunk" in layer
    net = net_of([layer, "{op: Identity, from: 'n0[1]'}"] if chunked else [layer], length)
    node = "n1" if chunked else "n0"
    y = net.trace().shapes[node]
    assume(y is not None and y[-1] >= 2)
    assert y is not None
    assert lies_at(responses(net)[node][0], along(net, node), turn or y[-1])


# --- chains -------------------------------------------------------------------------------------------------------


@st.composite
def small_shift(draw: Draw, strided: bool) -> tuple[str, int]:
    """So that the middle stays free of what the border's padding does."""
    before, after = draw(st.integers(-2, 2)), draw(st.integers(-2, 2))
    if draw(st.booleans()):
        return written("ZeroPad1d", padding=[before, after]), 1
    if draw(st.booleans()):
        return written("Crop", crop=[abs(before), abs(after)]), 1
    step = draw(st.integers(1, 3)) if strided else 1
    return written("Slice", dim=2, start=abs(before), stop=-1 - abs(after), step=step), 1


@st.composite
def even_down(draw: Draw) -> tuple[str, int]:
    """Every input position reaches as many output positions as any other."""
    stride = draw(st.integers(1, 3))
    kernel = stride * draw(st.integers(1, 3 if stride < 3 else 1))
    if draw(st.booleans()):
        return written(
            "Conv1d",
            out_channels=1,
            kernel_size=kernel,
            stride=stride,
            padding=draw(st.integers(0, 2)),
        ), 1
    return written(
        "AvgPool1d",
        kernel_size=kernel,
        stride=stride,
        padding=draw(st.integers(0, kernel // 2)),
    ), 1


@st.composite
def even_up(draw: Draw) -> tuple[str, int]:
    """Every output position sees as many input positions as any other, and the other way round."""
    factor = draw(st.integers(2, 3))
    kind = draw(
        st.sampled_from(
            ["nearest", "nearest-exact", "area", "linear", "transposed", "transposed"]
        )
    )
    if kind != "transposed":
        return written("Upsample", scale_factor=factor, mode=kind), factor
    kernel, padding = factor * draw(st.integers(1, 3)), draw(st.integers(0, 3))
    return written(
        "ConvTranspose1d", out_channels=1, kernel_size=kernel, stride=factor, padding=padding
    ), factor


exact = st.one_of(
    convolution(4, 2),
    pool(),
    small_shift(True),
    st.builds(
        lambda size, corners: (
            written("Interpolate", size=size, mode="linear", align_corners=corners),
            1,
        ),
        st.integers(100, 400),
        st.booleans(),
    ),
)
"""Layers whose every position lies at its place, alone, not only on average."""

even = st.one_of(even_down(), even_up(), small_shift(False))


@given(st.lists(exact, max_size=3), st.lists(even, max_size=4))
def test_a_chain_lies_where_its_values_come_from(
    encoder: list[tuple[str, int]], decoder: list[tuple[str, int]]
) -> None:
    """Strides and offsets follow through: layers whose positions are alike, then such as treat them in even turns."""
    assume(encoder or decoder)
    layers = [layer for layer, _ in encoder + decoder]
    turn = prod(up for _, up in decoder)
    net = net_of(layers, 500)
    shapes = net.trace().by_index
    assume(None not in shapes and min(shape[-1] for shape in shapes if shape) >= 60)
    last = f"n{len(layers) - 1}"
    size = (net.trace().shapes[last] or (0,))[-1]
    assume(3 * turn <= size <= 3000)
    assert lies_at(responses(net)[last][0], along(net, last), turn)


# --- merges -------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["crop", "pad", "resize"]),
    st.integers(2, 90),
    st.integers(0, 90),
    st.integers(0, 9),
)
def test_an_aligned_input_lies_where_it_is_put(
    align: str, size: int, more: int, start: int
) -> None:
    """The crop of the others, the first one's zeros, the first one's nearest neighbours."""
    sizes = (size, size + more) if align != "resize" or start % 2 else (size + more, size)
    text = f"""\
input: [1, 1, 200]
layers:
  first: {{op: Slice, dim: 2, start: {start}, stop: {start + sizes[0]}}}
  other: {{op: Slice, dim: 2, start: 3, stop: {3 + sizes[1]}, from: input}}
  cat: {{op: Concat, from: [first, other], align: {align}}}
"""
    net = tracer.loads(text)
    trace = net.trace()
    (meeting,) = meetings(trace)
    assert (meeting.node.name, meeting.dim, meeting.first, meeting.second) == ("cat", 2, 0, 1)
    first, second = map(numbers, meeting.grids)
    assert first is not None
    assert second is not None
    y = responses(net)["cat"]
    assert meeting.holds is (first == second)
    assert lies_at(y[0], first, y.shape[1] if align == "resize" else 1)
    assert lies_at(y[1], second, 1)
    assert along(net, "cat") == second


# --- symbols ------------------------------------------------------------------------------------------------------


def doubtful(net: tracer.Net, trace: tracer.Trace, misaligned: set[str]) -> set[str]:
    """Nodes whose grid may be another one over symbols.

    Behind a merge that is not aligned another input's may go on, and whether one size is a multiple of the other is not
    known of symbols: a nearest resize by 4 to 9 then lies where one by a whole factor would.
    """
    found: set[str] = set()
    for node, op, x, _, y in trace.applied():
        uneven = False
        if node.op_name in ("Upsample", "Interpolate") or getattr(op, "align", "") == "resize":
            uneven = any(n % m and m % n for n, m in zip(x[0], y) if n and m) or 0 in y
        sources = (*node.inputs, *node.operands.values())
        if uneven or node.name in misaligned or any(source.name in found for source in sources):
            found.add(node.name)
    return found


@given(networks())
def test_symbols_agree_with_numbers(drawn: Drawn) -> None:
    """Grids over symbols, with the sizes put in, are those of the ints; and so is whether all of them meet."""
    assume(drawn.sizes)
    net = tracer.loads(drawn.text)
    trace = net.trace(**drawn.sizes)
    recipe = recipe_of(net.network, [node.op for node in net.network.nodes])
    assume(recipe.sound and not trace.diagnostics)
    assume(all(substitute([condition for condition, _ in recipe.conditions], drawn.sizes)))
    ints = list(meetings(trace))
    symbols = list(meetings(recipe.traced))
    holds = substitute([meeting.holds for meeting in symbols], drawn.sizes)
    assert all(meeting.holds for meeting in ints) == all(holds)
    other = doubtful(net, trace, {meeting.node.name for meeting in ints if not meeting.holds})
    for node, mine, theirs in zip(
        net.network.nodes,
        grids(trace),
        grids(recipe.traced),
    ):
        if node.name in other:
            continue
        assert mine is not None
        assert theirs is not None
        for a, b in zip(mine, theirs, strict=True):
            if a is None or b is None:
                assert (a, b) == (None, None)
                continue
            n1, d1, n2, d2 = substitute([*b.stride, *b.offset], drawn.sizes)
            assert numbers(a) == (Fraction(n1, d1), Fraction(n2, d2)), node


# --- known numbers ------------------------------------------------------------------------------------------------

POOL = "{op: MaxPool1d, kernel_size: 2}"
HALF = Fraction(1, 2)


@pytest.mark.parametrize(
    ("layers", "want"),
    [
        (["{op: Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}"], (2, 0)),
        (["{op: Conv1d, out_channels: 1, kernel_size: 4, stride: 2, padding: 1}"], (2, HALF)),
        (["{op: Conv1d, out_channels: 1, kernel_size: 2, padding: same}"], (1, HALF)),
        (["{op: Conv1d, out_channels: 1, kernel_size: 3, dilation: 2}"], (1, 2)),
        ([POOL], (2, HALF)),
        ([POOL, POOL, POOL], (8, Fraction(7, 2))),
        (["{op: MaxPool1d, kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}"], (2, 0)),
        ([POOL, "{op: ConvTranspose1d, out_channels: 1, kernel_size: 2, stride: 2}"], (1, 0)),
        (
            [
                POOL,
                "{op: ConvTranspose1d, out_channels: 1, kernel_size: 4, stride: 2, padding: 1}",
            ],
            (1, 0),
        ),
        (
            [
                "{op: Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}",
                "{op: ConvTranspose1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}",
            ],
            (1, 0),
        ),
        ([POOL, "{op: Upsample, scale_factor: 2}"], (1, 0)),
        ([POOL, "{op: Upsample, scale_factor: 2, mode: linear}"], (1, 0)),
        (
            [POOL, "{op: Upsample, scale_factor: 2, mode: linear, align_corners: true}"],
            (Fraction(238, 239), HALF),
        ),
        ([POOL, "{op: Interpolate, size: input, mode: area}"], (1, 0)),
        ([POOL, "{op: MaxUnpool1d, kernel_size: 2, indices: n0}"], (1, 0)),
        (["{op: ZeroPad1d, padding: [1, 2]}", POOL], (2, -HALF)),
        (["{op: Slice, dim: 2, start: -100, step: 3}"], (3, 140)),
        (
            ["{op: AdaptiveAvgPool1d, output_size: 7}"],
            (Fraction(240, 7), Fraction(240 - 7, 14)),
        ),
        (["{op: AdaptiveAvgPool1d, output_size: 1}"], None),
        (
            [
                "{op: Flatten, start_dim: 1}",
                "{op: Unflatten, dim: 1, unflattened_size: [1, -1]}",
            ],
            None,
        ),
        (["{op: Linear, out_features: 8}"], None),
    ],
)
def test_known_grids(layers: list[str], want: Numbers | None) -> None:
    """Strides and offsets that can be worked out by hand."""
    assert grids_of(net_of(layers))[f"n{len(layers) - 1}"][2] == want


def test_pixel_shuffles() -> None:
    """A shuffle shares a pixel among r of them, and its inverse takes them together again."""
    text = """\
input: [1, 4, 8, 12]
layers:
  up: {op: PixelShuffle, upscale_factor: 2}
  down: {op: PixelUnshuffle, downscale_factor: 2}
"""
    found = grids_of(tracer.loads(text))
    assert found["up"] == [None, None, *[(HALF, -HALF * HALF)] * 2]
    assert found["down"] == [None, None, (1, 0), (1, 0)]


def test_axes_go_their_own_ways() -> None:
    """Each with its own arguments; an unbatched input has its spatial dims from 1 on."""
    layers = """
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: [3, 2], stride: [1, 2], padding: [1, 0]}
  pad: {op: ZeroPad2d, padding: [3, 0, -1, 0]}
"""
    want = [(1, 1), (2, HALF - 6)]
    assert grids_of(tracer.loads("input: [2, 3, 16, 16]" + layers))["pad"] == [
        None,
        None,
        *want,
    ]
    assert grids_of(tracer.loads("input: [3, 16, 16]" + layers))["pad"] == [None, *want]


def aligned(net: tracer.Net, **sizes: int) -> bool:
    """Whether the inputs of every merge lie on one grid."""
    trace = net.trace(**sizes)
    assert not trace.diagnostics, trace.diagnostics
    return all(meeting.holds for meeting in meetings(trace))


STEM = """  conv1: {op: Conv1d, out_channels: 1, kernel_size: 7, stride: 2, padding: 3}
  pool1: {op: AvgPool1d, kernel_size: 3, stride: 2, padding: 1}
"""
HALVED = "{op: Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}"


@pytest.mark.parametrize(
    ("down", "up", "beside"),
    [
        (
            STEM + f"  skip: Identity\n  down: {HALVED}\n",
            "  up: {op: Upsample, scale_factor: 2}\n",
            2,
        ),
        (
            f"  skip: Identity\n  down: {HALVED}\n",
            "  up: {op: ConvTranspose1d, out_channels: 1, kernel_size: 2, stride: 2}\n",
            HALF,
        ),
        (
            "  skip: Identity\n  end: {op: ZeroPad1d, padding: [0, 1]}\n"
            "  down: {op: Conv1d, out_channels: 1, kernel_size: 3, stride: 2}\n",
            "  nearest: {op: Upsample, scale_factor: 2}\n"
            "  up: {op: Conv1d, out_channels: 1, kernel_size: 3, padding: 1}\n",
            HALF,
        ),
        (
            f"  skip: {HALVED}\n",
            "  up: {op: AvgPool1d, kernel_size: 2, from: input}\n",
            HALF,
        ),
    ],
    ids=["ResNet encoder, nearest", "nnU-Net", "DDPM", "ENet"],
)
def test_published_networks_that_are_not_aligned(down: str, up: str, beside: Fraction) -> None:
    """The layers of the library's networks whose T503 is silenced, in torch: both maps lie where their grids say."""
    net = tracer.loads(
        "input: [1, 1, 256]\nlayers:\n" + down + up + "  cat: {op: Concat, from: [up, skip]}\n"
    )
    (stride, offset), (other_stride, other_offset) = along(net, "up"), along(net, "skip")
    assert (stride, abs(offset - other_offset)) == (other_stride, beside)
    y = responses(net)["cat"]
    assert lies_at(y[0], (stride, offset), 2)
    assert lies_at(y[1], (other_stride, other_offset), 2)
    assert not aligned(net)


FCN8S = (CONFIGS / "fcn8s.yaml").read_text("utf-8")


def test_the_crops_of_fcn_8s() -> None:
    """5 at pool4 and 9 at pool3 line the scores up, and 31 the output with the image, for every size that runs."""
    net = tracer.loads(FCN8S)
    for n in (500, 340, 372, 52):
        assert aligned(net, H=n, W=n)
        assert grids_of(net, H=n, W=n)["score"][2:] == [(1, 0), (1, 0)]


@pytest.mark.parametrize(
    ("right", "wrong"), [(5, "[4, 6, 4, 6]"), (5, "[6, 4, 6, 4]"), (9, "[8, 10, 8, 10]")]
)
def test_other_crops_of_fcn_8s(right: int, wrong: str) -> None:
    """One row more or less lays the skip a whole position beside."""
    net = tracer.loads(FCN8S.replace(f"crop: {right}}}", f"crop: {wrong}}}"))
    assert not aligned(net)


@pytest.mark.parametrize(("kernel", "ups", "crop"), [(64, 0, 19), (32, 1, 27), (16, 2, 31)])
def test_the_last_crop_of_the_fcns(kernel: int, ups: int, crop: int) -> None:
    """FCN-32s cuts 19, FCN-16s 27, FCN-8s 31: then the scores lie on the image's pixels."""
    up = "{{op: ConvTranspose1d, out_channels: 1, kernel_size: {}, stride: {}}}"
    layers = [
        "{op: Conv1d, out_channels: 1, kernel_size: 3, padding: 100}",
        *["{op: MaxPool1d, kernel_size: 2, ceil_mode: true}"] * 5,
        "{op: Conv1d, out_channels: 1, kernel_size: 7}",
        *[up.format(4, 2)] * ups,
        up.format(kernel, kernel // 2),
        f"{{op: Crop, crop: {crop}}}",
    ]
    assert along(net_of(layers, 500), f"n{len(layers) - 1}") == (1, 0)


def test_fsrcnn() -> None:
    """Padding 4 puts every second pixel on one of the input's; the often copied 3 shifts the image by half a pixel."""
    text = (CONFIGS / "fsrcnn.yaml").read_text("utf-8")
    assert along(tracer.loads(text), "image") == (HALF, 0)
    copied = text.replace(
        'padding: 4, output_padding: "${scale - 1}"', "padding: 3, output_padding: 1"
    )
    copied = copied.replace(
        'expect: [N, "${channels}", "${scale} * H", "${scale} * W"]', "bias: true"
    )
    assert copied.count("padding: 3") == 1
    assert along(tracer.loads(copied), "image") == (HALF, -HALF)


def test_unet_2015_is_aligned_where_it_cuts_4_16_40_and_88() -> None:
    """So much lies outside of what the decoder sees, whatever the size; a pool that drops rows makes it cut more."""
    net = tracer.load(CONFIGS / "unet_2015.yaml", base=1)
    seen = set()
    for n in range(188, 260):
        trace = net.trace(H=n, W=n)
        if any(d.code != "T304" for d in trace.diagnostics):
            continue
        cuts = [
            (x[1][2] - x[0][2]) // 2
            for node, _, x, _, _ in trace.applied()
            if node.op_name == "Concat"
        ]
        holds = all(meeting.holds for meeting in meetings(trace))
        assert holds == (cuts == [4, 16, 40, 88])
        assert holds or trace.lost()
        seen.add(holds)
    assert seen == {True, False}


def test_align_corners_fits_odd_sizes() -> None:
    """4k + 1 rows, halved by odd kernels and enlarged corner to corner, meet: DeepLab's 513."""
    net = tracer.load(CONFIGS / "deeplabv3plus.yaml")
    assert aligned(net, H=513, W=513)


MERGED = """
input: [1, 4, 16, 16]
layers:
  conv: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
"""


def test_a_row_that_is_repeated() -> None:
    """A map that shrank to one row does not lie where several do; what sees everything lies nowhere in particular."""
    shrunk = (
        MERGED
        + "  small: {op: Conv2d, out_channels: 4, kernel_size: 16}\n  sum: {op: Add, from: [conv, small]}\n"
    )
    pooled = (
        MERGED
        + "  small: {op: AdaptiveAvgPool2d, output_size: 1}\n  sum: {op: Mul, from: [conv, small]}\n"
    )
    assert not aligned(tracer.loads(shrunk))
    assert grids_of(tracer.loads(shrunk))["sum"][2:] == [(1, 0), (1, 0)]
    net = tracer.loads(pooled)
    assert list(meetings(net.trace())) == []
    assert grids_of(net)["sum"][2:] == [(1, 0), (1, 0)]


def test_the_skips_grid_goes_on() -> None:
    """Behind a misaligned merge, whichever input comes first: so that the next merge is judged by itself."""
    for order in ("[up, conv]", "[conv, up]"):
        net = tracer.loads(
            MERGED
            + "  down: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}\n"
            + f"  up: {{op: Upsample, scale_factor: 2}}\n  cat: {{op: Concat, from: {order}}}\n"
            + "  sum: {op: Concat, from: [cat, conv]}\n"
        )
        trace = net.trace()
        failed = [m.node.name for m in meetings(trace) if not m.holds]
        assert failed == ["cat", "cat"]
        assert grids_of(net)["cat"][2:] == [(1, 0), (1, 0)]


def test_a_joined_dim_has_no_grid() -> None:
    """Rows of two maps behind each other lie on no grid; the other dim's go on."""
    net = tracer.loads(MERGED + "  cat: {op: Concat, dim: 2, from: [conv, input]}\n")
    assert grids_of(net)["cat"] == [None, None, None, (1, 0)]
    trace = net.trace()
    assert [m.dim for m in meetings(trace)] == [3]


def test_ratios_of_sizes() -> None:
    """They are compared by cross-multiplying: a bool where that decides it, else a condition."""
    space = Space()
    n, m = space.symbol("n"), space.symbol("m")
    assert reduced(4 * n, 6 * m) == (2 * n, 3 * m)
    assert Ratio(n, m).equals(Ratio(2 * n, 2 * m)) is True
    half = Ratio(n, m).equals(Ratio(1, 2))
    assert isinstance(half, Condition)
    assert [substitute([half], {"n": 3, "m": twice}) for twice in (6, 7)] == [[True], [False]]
    assert reduced(6, 4) == (3, 2)


def test_offsets_that_cannot_be_written_down() -> None:
    """Resizes that align corners and do not undo each other multiply: told in time, and the net is still traced."""
    layers = "".join(
        f"  a{k}: {{op: Interpolate, mode: linear, align_corners: true, size: ['L * {k + 2} + {k}']}}\n"
        f"  c{k}: {{op: Conv1d, out_channels: 2, kernel_size: 3}}\n"
        for k in range(14)
    )
    text = f"input: [1, 2, L]\nsizes: {{L: 9}}\nlayers:\n{layers}  end: {{op: Add, from: [c13, c13]}}\n"
    net = tracer.loads(text)
    with pytest.raises(TooLarge):
        net.working_sizes()
    assert net.trace().shapes["end"] == (1, 2, 9 * 15 + 13 - 2)
