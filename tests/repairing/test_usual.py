"""A number that other layers have was probably meant, and a change in memory is judged as a whole trace judges it."""

from __future__ import annotations

from typing import Any

import pytest

import tracer
from tests.benchmarks.networks import block_unet, flat_unet, stacked_unets
from tests.timing import at_most
from tracer.loading import load_text
from tracer.ops.base import with_arguments
from tracer.ops.convolution import Conv2d, ConvTranspose2d
from tracer.ops.pooling import MaxPool2d
from tracer.planning import problem, search
from tracer.repairing.candidate import Kind
from tracer.repairing.natural import is_natural
from tracer.repairing.repairs import repairs
from tracer.shapes.trace import again, trace


@pytest.mark.parametrize("text", [flat_unet(4), block_unet(4)], ids=["flat", "blocks"])
def test_a_change_is_judged_as_a_whole_trace_judges_it(text: str) -> None:
    """Of a network that runs and of one that does not, for another kernel, padding or stride of each layer."""
    whole = load_text(text.replace("512", "64"), "net.yaml", {})
    broken = whole.with_sizes({"H": 60, "W": 64})
    verdicts = set()
    for net in (whole, broken):
        before, ops = net.trace(), net.solution().ops
        for index, op in enumerate(ops):
            if not isinstance(op, (Conv2d, ConvTranspose2d, MaxPool2d)):
                continue
            for values in ({"kernel_size": 2}, {"padding": 1}, {"stride": 1}):
                changed = with_arguments(op, values)
                others = [*ops[:index], changed, *ops[index + 1 :]]
                expected = not trace(net.network, net.trace().sizes, others).diagnostics
                found = again(before, ops, {index: changed})
                assert found.runs == expected
                assert found.asked <= len(ops) - index
                verdicts.add((expected, found.asked > 0))
    assert verdicts >= {(True, True), (False, True)}


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "rest"),
    [(2, 2, 0, 0), (3, 2, 1, 1), (4, 2, 1, 0), (3, 1, 1, 0), (5, 3, 1, 0), (8, 4, 2, 0)],
)
def test_a_natural_layer_that_enlarges_multiplies_the_size(
    kernel: int, stride: int, padding: int, rest: int
) -> None:
    import torch

    arguments = {"kernel_size": kernel, "stride": stride, "padding": padding}
    for more in (rest, rest + 1):
        if more >= stride:
            continue
        op = ConvTranspose2d(out_channels=1, output_padding=more, **arguments)
        layer = torch.nn.ConvTranspose2d(1, 1, output_padding=more, **arguments)
        multiplies = all(
            tuple(layer(torch.zeros(1, 1, n, n)).shape[2:]) == (n * stride, n * stride)
            for n in (5, 8, 13)
        )
        assert is_natural(op) == multiplies


@pytest.mark.parametrize("kernel", range(1, 6))
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_natural_layer_divides_sizes_that_are_multiples(kernel: int, stride: int) -> None:
    import torch

    for padding in range(kernel):
        op = Conv2d(out_channels=1, kernel_size=kernel, stride=stride, padding=padding)
        layer = torch.nn.Conv2d(1, 1, kernel, stride, padding)
        if is_natural(op):
            sizes = [layer(torch.zeros(1, 1, n, n)).shape[2] for n in (16, 24, 32)]
            assert sizes == [n // stride for n in (16, 24, 32)]


PYRAMID = """input: [1, 3, H, H]
sizes: {H: 64}
encoder:
  a: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}
  b: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}
  c: {op: Conv2d, out_channels: 8, kernel_size: KERNEL, stride: 2, padding: 1}
decoder:
  x: {op: ConvTranspose2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}
  xb: {op: Concat, from: [x, b]}
  y: {op: ConvTranspose2d, out_channels: 4, kernel_size: OTHER, stride: 2, padding: 1}
  ya: {op: Concat, from: [y, a]}
"""


@pytest.mark.parametrize(
    ("kernel", "other", "place"),
    [
        (5, 4, "encoder.c"),
        (6, 4, "encoder.c"),
        (4, 5, "decoder.y"),
        (4, 3, "decoder.y"),
    ],
)
def test_what_the_siblings_have_is_among_the_first(kernel: int, other: int, place: str) -> None:
    text = PYRAMID.replace("KERNEL", str(kernel)).replace("OTHER", str(other))
    net = load_text(text, "net.yaml", {})
    if tracer.plan(net).feasible:
        pytest.skip("it closes")

    found = repairs(net).found
    edits = [{edit.path: edit.value for edit in repair.edits} for repair in found[:3]]
    assert {f"{place}.kernel_size": 4} in edits, [repair.title for repair in found]


def test_no_layer_that_is_right_gets_an_odd_kernel() -> None:
    """A size that does not fit is no reason for a kernel of 2 with a padding of 1."""
    text = flat_unet(4).replace("H: 512, W: 512", "H: 36, W: 48")
    found = repairs(load_text(text, "net.yaml", {})).found

    assert found
    kernels = [e.value for one in found for e in one.edits if e.path.endswith("kernel_size")]
    assert not set(kernels) - {1, 3}


def test_a_size_is_taken_from_a_node_for_no_more_layers_than_need_it() -> None:
    text = PYRAMID.replace("KERNEL", "4").replace("OTHER", "4").replace("64", "68")
    found = repairs(load_text(text, "net.yaml", {})).found

    sized = [repair for repair in found if repair.title.startswith("output_size")]
    assert len(sized) == 1


STAIR = """input: [1, 2, L]
sizes: {L: SIZE}
encoder:
  a: {op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  b: {op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  c: {op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
decoder:
  x: {op: ConvTranspose1d, out_channels: 4, UP}
  xb: {op: Add, from: [x, b]}
  y: {op: ConvTranspose1d, out_channels: 4, UP}
  ya: {op: Add, from: [y, a]}
  z: {op: ConvTranspose1d, out_channels: 2, kernel_size: 3, stride: 2}
"""


def test_a_fixed_output_padding_stands_before_a_size_that_is_taken_at_run_time() -> None:
    """The last layer meets no skip, and makes another size than the input's: it takes none."""
    up = "kernel_size: 3, stride: 2, padding: 1, output_padding: 1"
    net = load_text(STAIR.replace("SIZE", "74").replace("UP", up), "net.yaml", {})
    found = [{edit.path: edit.value for edit in one.edits} for one in repairs(net).found]

    assert found[0] == {"decoder.x.output_padding": 0, "decoder.y.output_padding": 0}
    assert found[1] == {"decoder.x.output_size": "b", "decoder.y.output_size": "a"}


PROMISED = """input: [1, 2, L]
sizes: {L: 38}
layers:
  a: {op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  b: {op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  x: {op: Upsample, scale_factor: 2}
  xa: {op: Add, from: [x, a]}
  y: {op: Upsample, scale_factor: 2}
output: {y: [1, 4, L]}
"""


def test_the_last_layer_takes_the_input_size_where_that_is_promised() -> None:
    """It keeps the promise at the asked size without; at 39 it would not."""
    first = repairs(load_text(PROMISED, "net.yaml", {})).found[0]
    given = {edit.path: edit.value for edit in first.edits if not edit.removes}
    assert given == {"layers.x.size": "a", "layers.y.size": "input"}

    net = load_text(first.text, "net.yaml", {})
    for size in (38, 39, 40, 41):
        trace = net.trace(L=size)
        assert not trace.diagnostics and trace.outputs["y"] == (1, 4, size)


def test_layers_that_become_natural_stand_before_a_resize() -> None:
    """Of a kernel of 3 without padding, the padding or the kernel is what was meant."""
    net = load_text(
        STAIR.replace("SIZE", "64").replace("UP", "kernel_size: 3, stride: 2"), "", {}
    )
    found = repairs(net).found
    changed = [{edit.path.rpartition(".")[2] for edit in one.edits} for one in found]

    assert {"kernel_size"} in changed[:2] and {"padding", "output_padding"} in changed[:2]
    titles = [one.title for one in found]
    assert "padding and output_padding of x, y" in titles
    assert any(title.startswith("align: resize") for title in titles[2:])


UNPADDED = """
input: [1, 1, H, W]
sizes: {H: 52, W: 52}
layers:
  e1: {op: Conv2d, out_channels: 4, kernel_size: 3}
  p1: {op: MaxPool2d, kernel_size: 2}
  e2: {op: Conv2d, out_channels: 8, kernel_size: 4}
  u1: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}
  c1: {op: Concat, from: [e1, u1], align: crop}
  y: {op: Conv2d, out_channels: 2, kernel_size: 1}
"""

UNJOINED = """
input: [1, 3, 32, 32]
layers:
  e1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  p1: {op: MaxPool2d, kernel_size: 2}
  mid: {op: Conv2d, out_channels: 24, kernel_size: 3, padding: 1}
  up: {op: ConvTranspose2d, out_channels: 12, kernel_size: 2, stride: 2}
  d: {op: Conv2d, in_channels: 20, out_channels: 8, kernel_size: 3, padding: 1}
"""

GROUPED = """
input: [1, 1, 32, 32]
layers:
  a: {op: Conv2d, out_channels: 20, kernel_size: 3, padding: 1}
  n: {op: GroupNorm, num_groups: 16}
"""


ODD_MAPS = """
input: [1, 3, H, W]
sizes: {H: 100, W: 100}
layers:
  c1: {op: Conv2d, out_channels: 8, kernel_size: 7, stride: 4, padding: 3}
  c3: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  c4: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  c5: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  u4: {op: Upsample, scale_factor: 2}
  p4: {op: Add, from: [c4, u4]}
  u3: {op: Upsample, scale_factor: 2}
  p3: {op: Add, from: [c3, u3]}
"""


WIDE_HEAD = """
input: [1, 3, H, W]
sizes: {H: 32, W: 32}
layers:
  e: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
  p: {op: MaxPool2d, kernel_size: 2}
  u: {op: ConvTranspose2d, out_channels: 16, kernel_size: 2, stride: 2}
  c: {op: Concat, from: [u, e]}
  d: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
  a: ReLU
  head: {op: Conv2d, in_channels: 32, out_channels: 2, kernel_size: 1}
"""

UNPOOLED = """
input: [1, 3, H, W]
sizes: {H: 32, W: 32}
encoder:
  a: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  b: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
  pool: {op: MaxPool2d, kernel_size: 2}
  c: {op: Conv2d, out_channels: 32, kernel_size: 3, padding: 1}
decoder:
  ub: {op: ConvTranspose2d, out_channels: 16, kernel_size: 2, stride: 2}
  cb: {op: Concat, from: [ub, b]}
  ua: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
  ca: {op: Concat, from: [ua, a]}
  y: {op: Conv2d, out_channels: 2, kernel_size: 1}
"""

KEPT = """
input: [1, 8, H, W]
sizes: {H: 20, W: 20}
layers:
  a: {op: Conv2d, out_channels: 8, kernel_size: 5, padding: 1}
  b: {op: Conv2d, out_channels: 8, kernel_size: 5, padding: 2}
  add: {op: Add, from: [b, input]}
  y: {op: Conv2d, out_channels: 8, kernel_size: 5, padding: 2}
"""


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        pytest.param(
            UNPADDED, ("layers.c1.decoder", "u1"), id="a merge is cut, no kernel is 1"
        ),
        pytest.param(
            UNJOINED, ("layers.d.from", "d_joined"), id="the skip that the width asks for"
        ),
        pytest.param(
            GROUPED, ("layers.n.num_groups", 10), id="the number at fault, not one before"
        ),
    ],
)
def test_what_stands_first(text: str, edit: tuple[object, ...]) -> None:
    net = load_text(text, "net.yaml", {}, allow_argument_errors=True)
    first = repairs(net).found[0]
    assert edit in [(one.path, one.value) for one in first.edits]


def hourglasses(count: int, wrong: int) -> str:
    """Networks of ten layers one behind the other, one of them with a pool of another kernel."""
    lines = ["input: [1, 4, H, H]", "sizes: {H: 64}", "layers:"]
    last = "input"
    for i in range(count):
        kernel = 3 if i == wrong else 2
        lines += [
            f"  a{i}: {{op: Conv2d, from: {last}, out_channels: 4, kernel_size: 3, padding: 1}}",
            f"  p{i}: {{op: MaxPool2d, kernel_size: {kernel}}}",
            f"  b{i}: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}",
            f"  q{i}: {{op: MaxPool2d, kernel_size: 2}}",
            f"  m{i}: {{op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}}",
            f"  u{i}: {{op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}}",
            f"  s{i}: {{op: Add, from: [u{i}, b{i}]}}",
            f"  v{i}: {{op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}}",
            f"  j{i}: {{op: Concat, from: [v{i}, a{i}]}}",
            f"  d{i}: {{op: Conv2d, out_channels: 4, kernel_size: 1}}",
        ]
        last = f"d{i}"
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("wrong", [2, 44])
def test_a_slip_in_a_large_network_is_found_in_a_bounded_time(wrong: int) -> None:
    net = load_text(hourglasses(50, wrong), "net.yaml", {})
    with at_most(seconds=6):
        answer = repairs(net)

    edits = [{edit.path: edit.value for edit in one.edits} for one in answer.found[:2]]
    assert {f"layers.p{wrong}.kernel_size": 2} in edits
    assert not answer.complete


def test_a_size_that_hundreds_of_layers_of_one_block_refuse_is_answered_in_a_bounded_time() -> (
    None
):
    net = load_text(stacked_unets(500).replace("H: 512", "H: 502"), "net.yaml", {})
    with at_most(seconds=8):
        answer = repairs(net)

    assert answer.found and not answer.complete


def _all_open(levels: int) -> str:
    """An encoder and its decoder, with every padding left to the planner."""
    lines = []
    for i in range(levels):
        lines.append(
            f"  e{i}: {{op: Conv1d, out_channels: 4, kernel_size: 3, stride: 2, padding: auto}}"
        )
    for i in reversed(range(levels - 1)):
        lines.append(
            f"  u{i}: {{op: ConvTranspose1d, out_channels: 4, kernel_size: 3, stride: 2, "
            "padding: auto, output_padding: auto}"
        )
        lines.append(f"  c{i}: {{op: Concat, from: [u{i}, e{i}]}}")
    return "input: [1, 3, L]\nsizes: {L: 5003}\nlayers:\n" + "\n".join(lines) + "\n"


def test_autos_that_are_too_many_are_not_searched_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searches = []

    def counted(*arguments: Any, **words: Any) -> Any:
        searches.append(1)
        return search.solve(*arguments, **words)

    monkeypatch.setattr(problem, "solve", counted)
    plan = tracer.plan(load_text(_all_open(10), "net.yaml", {}))
    assert [one.code for one in plan.diagnostics] == ["T006"]
    assert plan.repairs and not plan.repairs_complete
    assert len(searches) <= 16


def test_what_keeps_the_size_stands_before_what_does_not() -> None:
    """Where the output is as large as the input at sizes that run."""
    found = [
        one for one in repairs(load_text(KEPT, "net.yaml", {})).found if one.kind < Kind.SIZES
    ]
    keep = [one.changes.outputs["y"][2:] == [20, 20] for one in found]
    assert keep == sorted(keep, reverse=True) and len(set(keep)) == 2


def test_no_kernel_is_smaller_than_its_padding() -> None:
    text = KEPT.replace("kernel_size: 5, padding: 1", "kernel_size: 5, padding: 1, dilation: 2")
    kernels = [
        edit.value
        for one in repairs(load_text(text, "net.yaml", {})).found
        for edit in one.edits
        if edit.path.endswith("kernel_size")
    ]
    assert 1 not in kernels
