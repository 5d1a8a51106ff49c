"""Of plans that cost the same the one with the fewest warnings is taken, and cuts lie where the input does."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tracer
from tracer.api.functions import checks

SHIFTING = ("T503", "T504", "T508")


def warned(text: str) -> int:
    """The number of findings that a plan avoids where it can; -1 where the network does not close."""
    found = checks(text)
    if any(one.severity == "error" for one in found):
        return -1
    return sum(one.code in SHIFTING for one in found)


UP = """
input: [1, 4, L]
sizes: {{L: {size}}}
layers:
  a: {{op: Conv1d, out_channels: 4, kernel_size: {kernel}, stride: {stride}, padding: {padding}}}
  u: {{op: ConvTranspose1d, out_channels: 4, kernel_size: {k}, stride: {stride}, padding: {p}, output_padding: {r}}}
  c: {{op: Concat, from: [u, input]}}
"""


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 40), st.integers(1, 5), st.integers(2, 4), st.integers(0, 2), st.data())
def test_no_assignment_of_the_same_cost_is_warned_of_less(
    size: int, kernel: int, stride: int, padding: int, data: st.DataObject
) -> None:
    """Every assignment is tried: none of the least cost has fewer warnings than the plan."""
    if padding * 2 > kernel:
        return
    least = data.draw(st.integers(1, 3))
    fixed = {"size": size, "kernel": kernel, "stride": stride, "padding": padding}
    opened = UP.format(**fixed, k=f"auto({least}..{least + 4})", p="auto(0..2)", r="auto")

    tried = {}
    kernels = range(least, least + 5)
    for k, p, r in product(kernels, range(3), range(stride)):
        count = warned(UP.format(**fixed, k=k, p=p, r=r))
        if count >= 0:
            tried[k, p, r] = count

    plan = tracer.plan(tracer.loads(opened))
    assert plan.feasible == bool(tried)
    if not plan.feasible:
        return

    def cost(values: Any) -> int:
        k, p, r = values
        return abs(k - 1) + p + r

    cheapest = min(map(cost, tried))
    values = tuple(
        plan.assignments[f"u.{word}"][0]
        for word in ("kernel_size", "padding", "output_padding")
    )
    assert plan.cost == cost(values) == cheapest and plan.solutions == len(tried)
    assert tried[values] == min(
        count for ties, count in tried.items() if cost(ties) == cheapest
    )


def test_an_open_stride_is_wished_to_divide_the_kernel() -> None:
    """Kernel and stride have to be 6 together, at one cost: 2 and 4 would leave rows empty, 3 and 3 do not."""
    text = """
input: [1, 2, 2]
layers:
  u: {op: ConvTranspose1d, out_channels: 2, kernel_size: auto(1..4), stride: auto(2..5), expect: [1, 2, 6]}
"""
    plan = tracer.plan(tracer.loads(text))
    assert plan.cost == 4 and plan.solutions == 4
    assert plan.assignments["u.kernel_size"][0] in (3, 4)


CUT = """
input: [1, 1, L]
sizes: {{L: {sizes}}}
layers:
  down: {{op: AvgPool1d, kernel_size: {step}}}
  up: {{op: ConvTranspose1d, out_channels: 1, kernel_size: {kernel}, stride: {step}, bias: false}}
  cut: {cut}
output: {{cut: [1, 1, L]}}
"""

CUTS = {
    "crop": "{{op: Crop, crop: [{start}, {rest}]}}",
    "slice": "{{op: Slice, dim: 2, start: {start}, stop: L + {end}}}",
    "pad": "{{op: ConstantPad1d, value: 0.0, padding: [-{start}, -{rest}]}}",
}


def cut_text(kind: str, step: int, start: Any, rest: Any, sizes: Any) -> str:
    end = start if isinstance(start, int) else step // 2
    return CUT.format(
        sizes=sizes,
        step=step,
        kernel=2 * step,
        cut=CUTS[kind].format(start=start, rest=rest, end=end),
    )


def beside(text: str, step: int, size: int) -> float:
    """How far the output of the built network lies behind the input: torch's answer on a ramp."""
    net = tracer.loads(text)
    module = tracer.build(net)
    weight = 1 - (torch.arange(2 * step) - (2 * step - 1) / 2).abs() / step
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(weight.reshape(parameter.shape))
        x = torch.arange(size, dtype=torch.float32).reshape(1, 1, size)
        (y,) = torch.nn.Module.__call__(module, x).reshape(1, size)
    inside = slice(2 * step, size - 3 * step)
    shifts = (y - x[0, 0])[inside]
    assert shifts.std() < 1e-3
    return round(float(shifts.mean()), 2)


@pytest.mark.parametrize("kind", CUTS)
@pytest.mark.parametrize("step", [2, 4, 6])
def test_a_cut_beside_the_input_is_told_by_what_torch_shows(kind: str, step: int) -> None:
    """The distance and the cut that the warning names are those of a ramp through the built network."""
    size = 12 * step
    for start in range(step + 1):
        text = cut_text(kind, step, start, step - start, size)
        found = [one for one in checks(text) if one.code == "T508"]
        aside = beside(text, step, size)
        if abs(aside) < 1:
            assert not found
            continue
        (one,) = found
        assert f"lies {round(abs(aside))} input pixel" in one.message
        assert (
            one.hint is not None
            and f" {start - round(aside)} in the place of {start} at cut" in one.hint
        )


@pytest.mark.parametrize("step", [2, 4, 6])
@pytest.mark.parametrize("sizes", ["one", "all"])
def test_an_auto_is_the_cut_on_the_input(step: int, sizes: str) -> None:
    """For one size and for all multiples of the stride; torch shows the output on the input."""
    promised = 12 * step if sizes == "one" else f"{{min: {12 * step}, step: {step}}}"
    net = tracer.loads(cut_text("crop", step, "auto", "auto", promised))
    plan = tracer.plan(net)
    assert plan.feasible and plan.assignments == {"cut.crop": (step // 2, step // 2)}
    assert plan.solutions == step + 1 and plan.cost == 0

    written = plan.written().text
    assert f"crop: [{step // 2}, {step // 2}]" in written and not checks(written)
    assert beside(written, step, 12 * step) == 0


def test_the_cuts_of_fcn_are_found() -> None:
    """5, 9 and 31 of Caffe's FCN-8s follow from the grids, which its authors had to work out."""
    text = tracer.load("configs/fcn8s.yaml").to_yaml()
    opened = (
        text.replace("crop: 5}", "crop: auto}")
        .replace("crop: 9}", "crop: [auto, auto]}")
        .replace("crop: [31, 37, 31, 37]", "crop: [auto, auto, auto, auto]")
    )
    plan = tracer.plan(tracer.loads(opened))
    assert plan.assignments == {
        "crop_pool4.crop": (5,),
        "crop_pool3.crop": (9, 9),
        "score.crop": (31, 37, 31, 37),
    }


def test_a_centre_crop_takes_the_size_that_fits() -> None:
    """One number for all axes, or one for each."""
    text = """
input: [1, 2, 20, 26]
layers:
  a: {op: Conv2d, out_channels: 2, kernel_size: 5}
  skip: {op: CenterCrop, from: input, size: SIZE}
  c: {op: Concat, from: [a, skip]}
"""
    plan = tracer.plan(tracer.loads(text.replace("SIZE", "[auto, auto]")))
    assert plan.assignments == {"skip.size": (16, 22)} and plan.solutions == 1
    square = text.replace("20, 26", "26, 26").replace("SIZE", "auto")
    assert tracer.plan(tracer.loads(square)).assignments == {"skip.size": (22,)}
    assert not tracer.plan(tracer.loads(text.replace("SIZE", "auto"))).feasible


def test_where_nothing_is_enlarged_nothing_is_shifted() -> None:
    """A causal convolution that pads both ends and cuts the last is meant to look back."""
    assert not checks("""
input: [1, 2, 40]
layers:
  a: {op: Conv1d, out_channels: 2, kernel_size: 5, padding: 4}
  chomp: {op: Slice, dim: 2, start: 0, stop: -4}
""")


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("start", [0, 4, -12])
def test_a_slice_ends_where_its_length_is_the_wanted_one(start: int, step: int) -> None:
    """The ends that serve are those with which torch takes as many; the least is written."""
    wanted = 3
    ends = [end for end in range(1, 61) if len(range(30)[start:end:step]) == wanted]
    text = (
        "input: [1, 2, 30]\nlayers:\n"
        f"  s: {{op: Slice, dim: 2, start: {start}, stop: auto(1..60), step: {step}}}\n"
        f"output: {{s: [1, 2, {wanted}]}}\n"
    )
    plan = tracer.plan(tracer.loads(text))
    assert plan.feasible and plan.solutions == len(ends)
    assert plan.assignments == {"s.stop": (ends[0],)}
    net = tracer.loads(plan.written().text)
    assert tracer.build(net)(torch.zeros(1, 2, 30)).shape == (1, 2, wanted)
