"""What a person would write first stands among the first repairs, and every repair is what the built network does."""

from __future__ import annotations

from typing import Any

import pytest

import tracer
from tests.drawn.torch_network import run
from tracer.loading import load_text
from tracer.repairing.repair import Repair
from tracer.repairing.repairs import faults_of, repairs, repairs_of_warnings

UP = "{op: ConvTranspose2d, out_channels: 6, kernel_size: 2, stride: 2}"
RESIZE = "{op: Upsample, scale_factor: 2}"

HEAD = "input: [1, 3, H, W]\nsizes: {H: 54, W: 42}\n"

DOWN = """encoder:
  a: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}
  half: {op: MaxPool2d, kernel_size: 2}
  b: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}
  quarter: {op: MaxPool2d, kernel_size: 2}
"""


def unet(up: str, first: str = "{up}, {skip}") -> str:
    """Two levels, whose merges have the up-layer or the skip first."""
    joins = []
    for name, skip in (("x", "b"), ("y", "a")):
        merged = first.format(up=name, skip=skip)
        joins.append(f"  {name}: {up}\n  {name}{skip}: {{op: Concat, from: [{merged}]}}\n")
    end = "  out: {op: Conv2d, out_channels: 2, kernel_size: 1}\noutput: {out: [1, 2, H, W]}\n"
    return HEAD + DOWN + "decoder:\n" + "".join(joins) + end


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "a resize takes the size of the skip": (
        unet(RESIZE),
        {"decoder.x.size": "b", "decoder.y.size": "a"},
    ),
    "a resize of the skip's partner, the skip first": (
        unet(RESIZE, "{skip}, {up}"),
        {"decoder.x.size": "b", "decoder.y.size": "a"},
    ),
    "the decoder's map is padded, the skip first": (
        unet(UP, "{skip}, {up}"),
        {"decoder.xb.align": "pad", "decoder.xb.decoder": "x"},
    ),
    "the decoder's input has no name": (
        "input: [1, 1, H, H]\nsizes: {H: 61}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}\n"
        "  p: {op: AvgPool2d, kernel_size: 2}\n"
        "  u: {op: ConvTranspose2d, out_channels: 4, kernel_size: 2, stride: 2}\n"
        "  j: {op: Concat, from: [a, u], align: pad}\n",
        {"layers.j.decoder": "u"},
    ),
    "a padding that was forgotten": (
        HEAD.replace("54", "52").replace("42", "44")
        + DOWN.replace(
            "b: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}",
            "b: {op: Conv2d, out_channels: 6, kernel_size: 5}",
        )
        + f"decoder:\n  x: {UP}\n  xb: {{op: Concat, from: [x, b]}}\n  y: {UP}\n"
        "  ya: {op: Concat, from: [y, a]}\n",
        {"encoder.b.padding": 2},
    ),
    "a stride that was forgotten": (
        "input: [1, 3, H, H]\nsizes: {H: 64}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}\n"
        "  b: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}\n"
        "  u: {op: Upsample, scale_factor: 2}\n"
        "  j: {op: Concat, from: [u, a]}\n"
        "  v: {op: Upsample, scale_factor: 2}\n"
        "output: {v: [1, 8, H, H]}\n",
        {"layers.b.stride": 2},
    ),
    "a value for each use of a block": (
        "input: [1, 3, H, H]\nsizes: {H: 46}\nblocks:\n  grow:\n    args: {to: null}\n    layers:\n"
        '      t: {op: ConvTranspose2d, out_channels: "${to}", kernel_size: 4, stride: 2, padding: 1}\n'
        "layers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}\n"
        "  b: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}\n"
        "  x: {op: grow, to: 4}\n  j: {op: Concat, from: [a, x]}\n  y: {op: grow, to: 2}\n"
        "output: {y: [1, 2, H, H]}\n",
        {
            "blocks.grow.args.output_padding": 0,
            "blocks.grow.layers.t.output_padding": "${output_padding}",
            "layers.x.output_padding": 1,
        },
    ),
    "a skip that is missing": (
        "input: [1, 3, 32, 32]\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}\n"
        "  p: {op: MaxPool2d, kernel_size: 2}\n"
        "  u: {op: ConvTranspose2d, out_channels: 10, kernel_size: 2, stride: 2}\n"
        "  c: {op: Conv2d, in_channels: 16, out_channels: 4, kernel_size: 3, padding: 1}\n",
        {"layers.c_joined": {"op": "Concat", "from": ["u", "a"]}, "layers.c.from": "c_joined"},
    ),
    "a factor that is missing": (
        "input: [1, 3, H, H]\nsizes: {H: 96}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2}\n"
        "  b: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2}\n"
        "  c: {op: Conv2d, out_channels: 4, kernel_size: 2, stride: 2}\n"
        "  j: {op: Concat, from: [a, b, c]}\n",
        {
            "layers.j_b": {"op": "Upsample", "from": "b", "scale_factor": 2},
            "layers.j_c": {"op": "Upsample", "from": "c", "scale_factor": 4},
            "layers.j.from": ["a", "j_b", "j_c"],
        },
    ),
    "a skip of another level": (
        HEAD.replace("54", "48").replace("42", "32")
        + DOWN
        + f"decoder:\n  x: {UP}\n  xb: {{op: Concat, from: [x, a]}}\n  y: {UP}\n"
        "  ya: {op: Concat, from: [y, a]}\noutput: {ya: [1, 12, H, W]}\n",
        {"decoder.xb.from": ["x", "b"]},
    ),
    "pad and cut": (
        "input: [1, 4, H, W]\nsizes: {H: 33, W: 50}\nlayers:\n"
        "  down: {op: PixelUnshuffle, downscale_factor: 4}\n"
        "  mix: {op: Conv2d, out_channels: 32, kernel_size: 3, padding: 1}\n"
        "  up: {op: PixelShuffle, upscale_factor: 4}\noutput: {up: [1, 2, H, W]}\n",
        {
            "layers.pad": {"op": "ZeroPad2d", "padding": [0, "-W % 4", 0, "-H % 4"]},
            "layers.up_h": {"op": "Slice", "from": "up", "dim": 2, "start": 0, "stop": "H"},
            "layers.up_w": {"op": "Slice", "from": "up_h", "dim": 3, "start": 0, "stop": "W"},
            "output": {"up_w": [1, 2, "H", "W"]},
        },
    ),
    "groups that divide": (
        "input: [1, 1, 16, 16]\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 30, kernel_size: 3}\n  n: {op: GroupNorm, num_groups: 8}\n",
        {"layers.n.num_groups": 6},
    ),
    "less padding": (
        "input: [1, 3, H, W]\nsizes: {H: 60, W: 20}\nlayers:\n"
        "  p: {op: ReflectionPad2d, padding: 24}\n  c: {op: Conv2d, out_channels: 2, kernel_size: 3}\n",
        {"layers.p.padding": 19},
    ),
    "every promised size": (
        "input: [1, 2, H, 8]\nsizes: {H: {min: 3}}\nlayers:\n  p: {op: MaxPool2d, kernel_size: 2}\n"
        f"  u: {RESIZE}\n  j: {{op: Concat, from: [u, input]}}\n",
        {"layers.u.size": "input"},
    ),
    "promised sizes that no values of autos serve": (
        "input: [1, 1, H]\nsizes: {H: [20, 22, 27]}\nlayers:\n"
        "  d: {op: Conv1d, out_channels: 1, kernel_size: 3, stride: 3}\n"
        "  u: {op: ConvTranspose1d, out_channels: 1, kernel_size: 3, stride: 3, output_padding: auto}\n"
        "  m: {op: Concat, from: [u, input]}\n",
        {"layers.u.output_size": "input"},
    ),
    "a pool that leaves an axis out": (
        "input: [1, 1, D, H]\nsizes: {D: 6, H: 64}\nencoder:\n"
        "  a: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}\n  p: {op: MaxPool2d, kernel_size: 2}\n"
        "  b: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}\n  q: {op: MaxPool2d, kernel_size: 2}\n"
        "decoder:\n  x: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2}\n"
        "  xb: {op: Concat, from: [x, b]}\n"
        "  y: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: 2}\n"
        "  ya: {op: Concat, from: [y, a]}\n",
        {
            "encoder.q.kernel_size": [1, 2],
            "decoder.x.kernel_size": [1, 2],
            "decoder.x.stride": [1, 2],
        },
    ),
    "a layer that enlarges and makes other channels": (
        "input: [1, 3, H, H]\nsizes: {H: 32}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}\n"
        "  n: BatchNorm2d\n  r: {op: ReLU, expect: [1, 4, H, H]}\n"
        "  y: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}\n",
        {
            "layers.r_enlarged": {
                "op": "ConvTranspose2d",
                "out_channels": 4,
                "kernel_size": 2,
                "stride": 2,
            },
        },
    ),
    "the mirror of the first layer": (
        "input: [1, 1, L]\nsizes: {L: 320}\nlayers:\n"
        "  a: {op: Conv1d, out_channels: 8, kernel_size: 16, stride: 8, bias: false}\n"
        "  m: {op: Conv1d, out_channels: 16, kernel_size: 1}\n"
        "  two: {op: Unflatten, dim: 1, unflattened_size: [2, 8]}\n"
        "  each: {op: Flatten, start_dim: 0, end_dim: 1}\n"
        "  y: {op: Reshape, shape: [1, 2, L]}\n",
        {
            "layers.y_enlarged": {
                "op": "ConvTranspose1d",
                "out_channels": 1,
                "kernel_size": 16,
                "stride": 8,
            },
        },
    ),
    "the mirror, with the channels that are taken apart": (
        "input: [1, 2, H, W]\nsizes: {H: 57, W: 41}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 8, kernel_size: [5, 3], stride: [4, 2]}\n"
        "  y: {op: Unflatten, dim: 1, unflattened_size: [3, 2], expect: [1, 3, 2, H, W]}\n",
        {
            "layers.y_enlarged": {
                "op": "ConvTranspose2d",
                "out_channels": 6,
                "kernel_size": [5, 3],
                "stride": [4, 2],
            },
        },
    ),
    "the mirror before a merge, with a row that the stride leaves open": (
        "input: [1, 3, H, H]\nsizes: {H: 30}\nencoder:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 3}\n"
        "  b: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2}\n"
        "  c: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}\n"
        "decoder:\n  j: {op: Concat, from: [c, a]}\noutput: {j: [1, 8, H - 2, H - 2]}\n",
        {
            "decoder.j_enlarged": {
                "op": "ConvTranspose2d",
                "from": "c",
                "out_channels": 4,
                "kernel_size": 3,
                "stride": 2,
                "output_padding": 1,
            },
            "decoder.j.from": ["j_enlarged", "a"],
        },
    ),
    "as a sibling enlarges, by another stride": (
        "input: [1, 3, H, H]\nsizes: {H: 64}\nlayers:\n"
        "  p: {op: AvgPool2d, kernel_size: 8}\n  q: {op: MaxPool2d, kernel_size: 2}\n"
        "  u: {op: ConvTranspose2d, out_channels: 5, kernel_size: 4, stride: 2, bias: false}\n"
        "  v: {op: Conv2d, from: p, out_channels: 5, kernel_size: 1}\n"
        "  s: {op: Add, from: [v, u], align: crop}\n"
        "  y: {op: Crop, crop: 4, expect: [1, 5, H, H]}\n",
        {
            "layers.y_enlarged": {
                "op": "ConvTranspose2d",
                "out_channels": 5,
                "kernel_size": 16,
                "stride": 8,
            },
        },
    ),
    "a stride of eight": (
        "input: [1, 3, L]\nsizes: {L: 256}\nlayers:\n"
        "  a: {op: Conv1d, out_channels: 8, kernel_size: 16, stride: 8, padding: 4}\n"
        "  y: {op: ConvTranspose1d, out_channels: 2, kernel_size: 16, stride: 2, padding: 4, expect: [1, 2, L]}\n",
        {"layers.y.stride": 8},
    ),
    "one of a numbered series": (
        "input: [1, 3, H, H]\nsizes: {H: 32}\nlayers:\n"
        "  early: {op: Conv2d, out_channels: 4, kernel_size: 1}\n"
        "  side1: {op: Conv2d, out_channels: 4, kernel_size: 1}\n"
        "  side2: {op: Conv2d, out_channels: 4, kernel_size: 1}\n"
        "  side3: {op: Conv2d, out_channels: 4, kernel_size: 1}\n"
        "  late: {op: Conv2d, out_channels: 4, kernel_size: 1}\n"
        "  half: {op: MaxPool2d, kernel_size: 2}\n"
        "  all: {op: Concat, from: [side1, half, side3]}\noutput: {all: [1, 12, H, H], half: [1, 4, _, _]}\n",
        {"layers.all.from": ["side1", "side2", "side3"]},
    ),
    "channels that a shuffle divides": (
        "input: [1, 4, H, H]\nsizes: {H: 12}\nlayers:\n"
        "  c: {op: Conv2d, out_channels: 20, kernel_size: 3, padding: 1}\n"
        "  act: ReLU\n  up: {op: PixelShuffle, upscale_factor: 3}\n",
        {"layers.c.out_channels": 27},
    ),
    "two faults that have nothing to do with each other": (
        "input: [1, 3, L]\nsizes: {L: 30}\nlayers:\n"
        "  fold: {op: Unflatten, dim: 2, unflattened_size: [4, -1]}\n"
        "  c: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}\n"
        "  n: {op: GroupNorm, num_groups: 4}\n",
        {"sizes.L": 32, "layers.n.num_groups": 3},
    ),
    "a kernel of a pool, which has its stride from it": (
        "input: [1, 3, L]\nsizes: {L: 64}\nencoder:\n"
        "  a: {op: Conv1d, out_channels: 4, kernel_size: 3, padding: 1}\n  p: {op: MaxPool1d, kernel_size: 3}\n"
        "  b: {op: Conv1d, out_channels: 4, kernel_size: 3, padding: 1}\n  q: {op: MaxPool1d, kernel_size: 2}\n"
        "decoder:\n  x: {op: Upsample, scale_factor: 2}\n  xb: {op: Concat, from: [x, b]}\n"
        "  y: {op: Upsample, scale_factor: 2}\n  ya: {op: Concat, from: [y, a]}\n",
        {"encoder.p.kernel_size": 2},
    ),
    "a kernel that its siblings have, where the shape is expected": (
        "input: [1, 3, H, H]\nsizes: {H: 40}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 5, stride: 2, padding: 1, expect: [1, 4, H // 2, H // 2]}\n"
        "  b: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}\n"
        "  c: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}\n",
        {"layers.a.kernel_size": 4},
    ),
    "a kernel that the use of a block hands in": (
        "input: [1, 3, H, H]\nsizes: {H: 48}\nblocks:\n  conv:\n    args: {k: 3, p: 1, s: 1}\n    layers:\n"
        '      c: {op: Conv2d, out_channels: 4, kernel_size: "${k}", padding: "${p}", stride: "${s}"}\n'
        "      r: ReLU\n"
        "layers:\n  a: {op: conv}\n  b: {op: conv, k: 5, s: 2}\n  c: {op: conv}\n"
        "  u: {op: Upsample, scale_factor: 2}\n  j: {op: Concat, from: [u, a]}\n",
        {"layers.b.k": 3},
    ),
    "channels of one side of a sum": (
        "input: [1, 3, H, W]\nsizes: {H: 24, W: 40}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 6, kernel_size: 3, padding: 1}\n  n: BatchNorm2d\n"
        "  b: {op: Conv2d, out_channels: 7, kernel_size: 3, padding: 1}\n  r: ReLU\n"
        "  s: {op: Add, from: [r, n]}\n",
        {"layers.b.out_channels": 6},
    ),
    "channels of one map of several that are joined": (
        "input: [1, 3, H, H]\nsizes: {H: 20}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 6, kernel_size: 1}\n"
        "  b: {op: Conv2d, out_channels: 12, kernel_size: 1}\n"
        "  j: {op: Concat, from: [b, a]}\n"
        "  k: {op: Conv2d, from: input, out_channels: 10, kernel_size: 3, padding: 1}\n"
        "  s: {op: Add, from: [k, j]}\n  y: {op: Conv2d, in_channels: 10, out_channels: 2, kernel_size: 1}\n",
        {"layers.b.out_channels": 4},
    ),
    "channels before a shuffle, where they are expected": (
        "params: {base: 3}\ninput: [1, 3, L]\nsizes: {L: 16}\nlayers:\n"
        '  a: {op: Conv1d, out_channels: "${base * 8}", kernel_size: 3, padding: 1}\n'
        "  p: {op: Unflatten, dim: 1, unflattened_size: [2, -1]}\n"
        "  y: {op: Flatten, start_dim: 1, end_dim: 2, expect: [1, 12, L]}\n",
        {"layers.a.out_channels": "${base * 4}"},
    ),
    "channels at the use of a block, where they are expected": (
        "input: [1, 3, H, H]\nsizes: {H: 20}\nblocks:\n  conv:\n    args: {to: null}\n    layers:\n"
        '      c: {op: Conv2d, out_channels: "${to}", kernel_size: 3, padding: 1}\n      r: ReLU\n'
        "layers:\n  a: {op: conv, to: 8}\n  b: {op: conv, to: 15, expect: [1, 16, H, _]}\n"
        "  c: {op: conv, to: 4}\n",
        {"layers.b.to": 16},
    ),
    "one channel of weights that a map is multiplied by": (
        "input: [1, 3, H, H]\nsizes: {H: 12}\nlayers:\n"
        "  g: {op: Conv2d, out_channels: 8, kernel_size: 1}\n"
        "  psi: {op: Conv2d, out_channels: 2, kernel_size: 1}\n  act: Sigmoid\n"
        "  m: {op: Mul, from: [act, g]}\n  y: {op: Conv2d, in_channels: 8, out_channels: 2, kernel_size: 1}\n",
        {"layers.psi.out_channels": 1},
    ),
    "a level too many": (
        "input: [1, 3, S, S]\nsizes: {S: 20}\nlayers:\n"
        "  a: {op: Conv2d, out_channels: 4, kernel_size: 4, stride: 2, padding: 1}\n"
        "  b: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}\n"
        "  c: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}\n"
        "  e: {op: Conv2d, out_channels: 1, kernel_size: 5}\noutput: {e: [1, 1, 1, 1]}\n",
        {"layers.c": None},
    ),
}

AMONG = {
    "a pool that leaves an axis out": 8,
    "a level too many": 8,
    "pad and cut": 5,
    "a factor that is missing": 1,
}
"""Where it may stand, other than among the first three."""


def plain(value: Any) -> Any:
    """Lists in the place of tuples."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def written(repair: Repair) -> dict[str, Any]:
    """The edits of a repair by path, without what is taken out beside a new value."""
    removed = {edit.path: None for edit in repair.edits if edit.removes}
    kept = {edit.path: plain(edit.value) for edit in repair.edits if not edit.removes}
    return kept or removed


@pytest.mark.parametrize("name", CASES)
def test_the_first_repairs(name: str) -> None:
    """The edits of a person stand among the first repairs."""
    text, edits = CASES[name]
    net = load_text(text, "net.yaml", {}, allow_argument_errors=True)
    assert faults_of(net)
    found = [written(repair) for repair in repairs(net).found]
    assert edits in found[: AMONG.get(name, 3)], found


def test_parameters_behind_the_fault_count_as_those_before_it() -> None:
    """The level at which an axis is short comes before the others: which layers the trace reached does not matter."""
    net = load_text(
        "input: [1, 1, D, 64]\nsizes: {D: 12}\nencoder:\n"
        "  e1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}\n  p1: {op: MaxPool2d, kernel_size: 2}\n"
        "  e2: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}\n  p2: {op: MaxPool2d, kernel_size: 2}\n"
        "  e3: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}\n  p3: {op: MaxPool2d, kernel_size: 2}\n"
        "decoder:\n"
        "  u3: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}\n  c3: {op: Add, from: [u3, e3]}\n"
        "  u2: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}\n  c2: {op: Add, from: [u2, e2]}\n"
        "  u1: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}\n  c1: {op: Add, from: [u1, e1]}\n",
        "net.yaml",
        {},
        allow_argument_errors=True,
    )
    levels = [one for one in repairs(net).found if "along axis" in one.title]
    assert [one.edits[0].path for one in levels] == [
        f"encoder.{pool}.kernel_size" for pool in ("p3", "p2", "p1")
    ]
    assert all(one.reshapes for one in levels)


@pytest.mark.parametrize("name", CASES)
def test_every_repair_runs_in_torch(name: str) -> None:
    """What is offered is the edited text's network, and torch gives its shapes, at the declared sizes and at others."""
    text, _ = CASES[name]
    net = load_text(text, "net.yaml", {}, allow_argument_errors=True)
    offered = repairs(net).found
    assert offered
    for repair in offered:
        again = tracer.loads(repair.text)
        assert not faults_of(again)
        symbols = [s for s in again.symbols if s in again.sizes().axes]
        tried = [again.network.defaults()]
        for number in (5, 12):
            runs = {s: list(again.sizes().axes[s].runs.between(1, 90)) for s in symbols}
            if all(len(sizes) > number for sizes in runs.values()):
                tried.append({s: sizes[number] for s, sizes in runs.items()})
        for sizes in tried:
            shapes = again.as_built().trace(**sizes)
            if not shapes.diagnostics:
                assert run(again, shapes.sizes, shapes.ops).shapes == dict(shapes.shapes)


def test_repairs_of_warnings() -> None:
    """A kernel that the stride divides takes the uneven overlap away, and brings nothing else."""
    text = """
input: [1, 4, 24, 24]
layers:
  a: {op: Conv2d, out_channels: 8, kernel_size: 4, stride: 2, padding: 1}
  u: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}
  c: {op: Concat, from: [u, input]}
"""
    net = tracer.loads(text)
    assert {d.code for d in tracer.check(net)} == {"T503", "T504"}
    found = repairs_of_warnings(net).found
    edits = {"layers.u.kernel_size": 4, "layers.u.output_padding": 0}
    assert edits in [written(repair) for repair in found[:2]]
    for repair in found:
        left = [d.code for d in tracer.check(tracer.loads(repair.text))]
        assert len(left) < 2 and set(left) <= {"T503", "T504"} and not repair.warnings
    assert not tracer.check(tracer.loads(next(r.text for r in found if written(r) == edits)))


def test_a_repair_says_what_it_warns_of() -> None:
    """A cut that makes the output smaller says so, and stands behind what keeps it."""
    text, _ = CASES["a padding that was forgotten"]
    found = tracer.plan(tracer.loads(text)).repairs
    cut = next(repair for repair in found if repair.title.startswith("align: crop"))
    assert "T505" in cut.warnings and found.index(cut) > 0
    assert not found[0].warnings


TWO_SLIPS = """input: [1, 3, H, W]
sizes: {H: 32, W: 48}
encoder:
  e1: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
  p1: {op: MaxPool2d, kernel_size: 2}
  e2: {op: Conv2d, out_channels: 16, kernel_size: 3, padding: 1}
  p2: {op: MaxPool2d, kernel_size: 2}
  mid: {op: Conv2d, out_channels: 32, kernel_size: 3, padding: 1}
decoder:
  u2: {op: ConvTranspose2d, out_channels: 16, kernel_size: 2, stride: 2}
  c2: {op: Concat, from: [u2, e2]}
  d2: {op: Conv2d, in_channels: 16, out_channels: 16, kernel_size: 3, padding: 1}
  u1: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
  c1: {op: Concat, from: [u1, e2]}
  head: {op: Conv2d, out_channels: 1, kernel_size: 1}
"""


def test_a_change_that_cuts_layers_out_is_not_offered() -> None:
    one = TWO_SLIPS.replace("in_channels: 16, ", "")
    one = one.replace("from: [u1, e2]", "from: [u1, e1]").replace("H: 32", "H: 30")
    found = repairs(load_text(one, "net.yaml", {})).found

    assert found
    for repair in found:
        assert all(d.code != "T105" for d in tracer.checks(repair.text)), repair.title


def test_two_slips_that_have_nothing_to_do_with_each_other_are_repaired_together() -> None:
    best = repairs(load_text(TWO_SLIPS, "net.yaml", {}, allow_argument_errors=True)).found[0]

    values = {edit.path: edit.value for edit in best.edits}
    assert values["decoder.d2.in_channels"] == 32
    assert list(values["decoder.c1.from"]) == ["u1", "e1"]
    net = load_text(best.text, "net.yaml", {})
    for sizes in ({}, {"H": 64, "W": 16}, {"H": 4, "W": 8}):
        traced = net.trace(**sizes)
        assert run(net, traced.sizes, traced.ops).shapes == dict(traced.shapes)


def test_a_repair_of_a_warning_keeps_the_outputs_or_makes_them_as_large_as_the_input() -> None:
    text = """input: [1, 1, 28, 28]
layers:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  b: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
  t1: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}
  t2: {op: ConvTranspose2d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}
"""
    net = load_text(text, "net.yaml", {})
    assert net.trace().outputs["t2"] == (1, 1, 27, 27)

    found = repairs_of_warnings(net).found
    assert found
    for repair in found:
        assert repair.changes.outputs["t2"] in ([1, 1, 27, 27], [1, 1, 28, 28]), repair.title


def test_a_row_that_is_missing_at_the_output_is_padded_by_the_last_layer() -> None:
    text = """input: [1, 1, 28, 28]
encoder:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1}
  b: {op: Conv2d, out_channels: 8, kernel_size: 3, stride: 2, padding: 1}
decoder:
  t1: {op: ConvTranspose2d, out_channels: 4, kernel_size: 3, stride: 2, padding: 1, output_padding: 1}
  t2: {op: ConvTranspose2d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}
  y: Sigmoid
"""
    net = load_text(text, "net.yaml", {})
    assert "T505" in {d.code for d in tracer.check(net)}

    first = repairs_of_warnings(net).found[0]
    assert written(first) == {"decoder.t2.output_padding": 1} and first.safe
    again = tracer.loads(first.text)
    assert "T505" not in {d.code for d in tracer.check(again)}
    traced = again.trace()
    assert traced.outputs["y"] == (1, 1, 28, 28)
    assert run(again, traced.sizes, traced.ops).shapes == dict(traced.shapes)
