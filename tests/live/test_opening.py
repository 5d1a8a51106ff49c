"""Which params a page leaves open: a few values decide what many values, one by one, would decide."""

from __future__ import annotations

import random
from collections import Counter

import pytest

import tracer
from tests import ROOT
from tracer.diagnostics import TracerError
from tracer.live.opening import difference, live
from tracer.live.sheets import sheets
from tracer.live.walk import open_network
from tracer.loading import reloaded
from tracer.net import Net
from tracer.rules import judge

SEVERAL = ("cyclegan_generator", "espcn", "fsrcnn", "srresnet")
"""Configs with a param that decides what layers there are."""

MANY = (*range(1, 13), 16, 33, 64, 257)
"""Values at which the long way compares a param."""

WIDTHS = (
    "${a}",
    "${a * b}",
    "${a // 2 + 1}",
    "${max(a, b)}",
    "${min(a, 6)}",
    "${a if b > 2 else 5}",
    "${a ** 2}",
    "${(a + b) % 5 + 1}",
    "${8 // b + a}",
    "${2 * (a // b) + 1}",
    "${c}",
    "${c - 1}",
    "6",
)
LAYERS = (
    '{{op: Conv2d, out_channels: "{width}", kernel_size: 3, padding: 1}}',
    '{{op: Conv2d, out_channels: "{width}", kernel_size: "${{b}}", stride: "${{b}}"}}',
    '{{op: Conv2d, out_channels: "{width}", kernel_size: "${{c}}", padding: "${{c // 2}}"}}',
    '{{op: unit, channels: "{width}"}}',
    '{{op: unit, channels: "{width}", repeat: "${{d}}"}}',
    '{{op: unit, channels: "{width}", repeat: 2}}',
    "{{op: MaxPool2d, kernel_size: 2, ceil_mode: true}}",
    "{{op: Dropout, p: 0.5}}",
    '{{op: PReLU, num_parameters: "{width}"}}',
    '{{op: Reshape, shape: [N, "{width}", -1, 2]}}',
    '{{op: Upsample, scale_factor: "${{b}}"}}',
    '{{op: Concat, from: [stem.0, "stem.${{d - 1}}"]}}',
    '{{op: Slice, dim: 1, start: 0, stop: "${{a}}"}}',
    '{{op: Identity, expect: [N, "{width}", _, _]}}',
    '{{op: Slice, dim: 1, start: 0, stop: "${{a - 4}}"}}',
    '{{op: Slice, dim: 2, start: "${{a - 4}}"}}',
    '{{op: ZeroPad2d, padding: "${{b - 3}}"}}',
    '{{op: Reshape, shape: [N, "${{a - 3}}", 4, -1]}}',
    '{{op: Reshape, shape: [N, "${{a - 3}}", 4, 2]}}',
    '{{op: Flatten, start_dim: "${{b}}"}}',
    '{{op: Concat, from: [stem.0, stem.0], dim: "${{b}}"}}',
    '{{op: Squeeze, dim: "${{b}}"}}',
    '{{op: PixelShuffle, upscale_factor: "${{b}}"}}',
    '{{op: PixelUnshuffle, downscale_factor: "${{b}}"}}',
    '{{op: AdaptiveAvgPool2d, output_size: "${{c}}"}}',
    '{{op: GroupNorm, num_groups: "${{b}}"}}',
    '{{op: Upsample, size: ["${{c}}", 8]}}',
    '{{op: Identity, from: "wide.${{b}}"}}',
    '{{op: Chunk, chunks: "${{b}}"}}',
    '{{op: Linear, out_features: "{width}"}}',
    '{{op: Mean, dim: "${{b}}"}}',
)


def config(draw: random.Random) -> str:
    """A text in which params stand in arguments, in other params, in blocks, copies and names."""
    values = {name: draw.choice([1, 2, 3, 4, 6, 8]) for name in "abcd"}
    values["d"] = draw.choice([1, 2, 3])
    lines = [
        f"params: {{a: {values['a']}, b: {values['b']}, c: {values['c']}, d: {values['d']}}}",
        f"input: [N, {draw.choice(['3', '${a}', '${2 * b}'])!r}, H, W]",
        "sizes: {N: 1, H: 24, W: 16}",
        "blocks:",
        "  unit:",
        "    args: {channels: null}",
        "    layers:",
        "      conv: {op: Conv2d, out_channels: '${channels}', kernel_size: 3, padding: 1}",
        "      act: ReLU",
        "layers:",
        "  stem: {op: unit, channels: 4, repeat: '${d}'}",
        "  wide: {op: unit, channels: '${2 * index + 2}', repeat: 4}",
    ]
    for number in range(draw.randint(1, 5)):
        layer = draw.choice(LAYERS).format(width=draw.choice(WIDTHS))
        lines.append(f"  n{number}: {layer}")
    return "\n".join(lines).replace("input: [N, '3'", "input: [N, 3") + "\n"


def differing(net: Net, opened_params: dict[str, int]) -> list[str]:
    """The open params that say something else than the config at one of many values."""
    opened = open_network(net, opened_params)
    found = []
    for name in opened_params:
        for value in MANY:
            reason = difference(net, opened, {**opened_params, name: value}, name)
            if reason is not None:
                found.append(f"{name} = {value}: {reason}")
                break
    return found


def test_few_values_decide_what_many_do() -> None:
    """Of drawn texts: what is open by few values differs from the config at none of many, with other layers too."""
    met: Counter[str] = Counter()
    for seed in range(60):
        text = config(random.Random(seed))
        try:
            net = tracer.loads(text)
        except TracerError:
            met["refused"] += 1
            continue
        found = live(net)
        assert differing(net, found.params) == [], text
        met["open"] += len(found.params)
        met.update(reason.split()[-1] for reason in found.fixed.values())

        for value in {1, 2, 3, 4} - {net.network.params["d"]}:
            try:
                other = reloaded(net, text, params={"d": value})
            except TracerError:
                continue
            again = live(other, found.fixed)
            assert differing(other, again.params) == [], f"d = {value} of\n{text}"
            met["open with other layers"] += len(again.params)
    assert met["open"] > 40 and met["open with other layers"] > 60
    assert met["numbers"] > 3 and met["refused"] < 45


@pytest.mark.parametrize("name", SEVERAL)
def test_sheets_keep_the_verdicts(name: str) -> None:
    """Each sheet opens the params that it opens when it is asked alone."""
    net = tracer.load(ROOT / "configs" / f"{name}.yaml")
    first, *others = sheets(net, judge(net))
    assert others
    for one in others:
        assert one.param is not None
        alone = reloaded(net, net.network.source, params={one.param: one.value})
        assert one.live.params == live(alone).params
        assert one.live.fixed.keys() >= first.live.fixed.keys()


def test_a_param_that_decides_what_is_read() -> None:
    """A copy by its number is another input: nothing says so by shapes alone."""
    text = """
params: {which: 0}
input: [1, 4, 8, 8]
layers:
  copy: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1, repeat: 5}
  read: {op: Identity, from: "copy.${which}"}
"""
    assert live(tracer.loads(text)).fixed == {"which": "it decides what layers read"}
