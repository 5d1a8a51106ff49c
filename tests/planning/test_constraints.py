"""Constraints: what they say runs is what the trace and torch take, jointly, and as JSON too."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import torch
from torch.nn import functional

import tracer
from tests import ROOT
from tracer.planning.constraints import ConstraintsAnswer, NearestSizes
from tracer.views.schema import answer_schema

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))

TIED = {
    "flattened": """
input: [N, 2, H, W]
sizes: {N: 1, H: 12, W: 8}
layers:
  p: {op: MaxPool2d, kernel_size: 2}
  f: {op: Flatten}
  l: {op: Linear, out_features: 3}
""",
    "multiplied": """
input: [1, 2, H, W]
sizes: {H: 12, W: 12}
layers:
  c: {op: Conv2d, out_channels: 4, kernel_size: 3}
  m: {op: MatMul, from: [c, c]}
""",
    "unshuffled": """
input: [1, 2, H, W]
sizes: {H: 12, W: 8}
layers:
  n0: {op: PixelUnshuffle, downscale_factor: 2}
  n1: {op: Conv2d, out_channels: 4, kernel_size: 3, padding: 1}
  n2: {op: MatMul, from: [n1, n1]}
""",
    "squeezed": """
input: [1, 2, H, W]
sizes: {H: 12, W: 8}
layers:
  p: {op: MaxPool2d, kernel_size: 3}
  s: {op: Squeeze, dim: 2}
  u: {op: Unsqueeze, dim: 2}
  d: {op: MaxPool2d, kernel_size: [1, 2]}
""",
    "squeezed together": """
input: [1, 2, H, W]
sizes: {H: 12, W: 8}
layers:
  p: {op: MaxPool2d, kernel_size: 3}
  f: {op: Flatten, start_dim: 2}
  s: {op: Squeeze, dim: 2}
""",
    "squeezed alone": """
input: [1, 1, H, W]
sizes: {H: 12, W: 1}
layers:
  s: {op: Squeeze, dim: 3}
  c: {op: Conv1d, out_channels: 4, kernel_size: 3}
""",
    "of two inputs": """
input: {a: [1, 2, H, 8], b: [1, 2, W, 8]}
sizes: {H: 12, W: 12}
layers:
  p: {op: MaxPool2d, kernel_size: 2, from: a}
  q: {op: Conv2d, out_channels: 2, kernel_size: 3, stride: 2, padding: 1, from: b}
  s: {op: Concat, from: [p, q]}
  t: {op: AvgPool2d, kernel_size: 4, from: s}
""",
    "never": """
input: [1, 3, H, W]
sizes: {H: 12, W: 12}
layers:
  a: {op: Conv2d, out_channels: 4, kernel_size: 3}
  s: {op: Add, from: [a, input]}
""",
}
"""Networks whose symbols decide together, and one that takes no size."""

SIDE = 26
"""Sizes of each symbol that are tried one by one."""

QUESTIONS = [(1, 1), (5, 9), (12, 8), (13, 7), (9, 14), (17, 17)]


def runs_by_trace(net: tracer.Net, sizes: Mapping[str, int]) -> bool:
    """Whether the trace of the network as it is built finds no fault but broken promises."""
    found = net.as_built().trace(**sizes)
    return all(d.code == "T304" for d in found.diagnostics) and found.is_complete


def drawn_sizes(net: tracer.Net, axes: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Sizes of all symbols at once: members of their sets, their neighbours, and any."""
    chance = random.Random(net.name)
    for _ in range(16):
        sizes = {}
        for symbol, declared in net.network.defaults().items():
            most = max(3 * declared // 2, 4)
            n = chance.randint(1, most)
            near = axes[symbol].runs.at_least(n) or n
            sizes[symbol] = chance.choice([near, near, near, near + 1, n])
        yield sizes


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_configs_run_where_they_say(path: Path) -> None:
    """At sizes drawn for all symbols at once ``runs`` is the trace's answer, and ``why`` is its first fault."""
    net = tracer.load(path)
    axes, c = tracer.sizes(net).axes, tracer.constraints(net)
    answers = set()
    for sizes in drawn_sizes(net, axes):
        runs = runs_by_trace(net, sizes)
        answers.add(runs)
        assert c.runs(**sizes) is runs, sizes
        said = c.why(**sizes)
        assert (said is None) is runs
        if said is not None:
            faults = net.as_built().trace(**sizes).diagnostics
            assert said == faults[0].message or faults[0].code == "T304"
    assert True in answers

    for symbol, axis in axes.items():
        for n in range(1, 80):
            assert c.runs(**{**axis.others, symbol: n}) is (n in axis.runs)


@pytest.mark.parametrize("text", TIED.values(), ids=TIED.keys())
def test_tied_symbols(text: str) -> None:
    """Every pair of small sizes runs where its trace does, and says why where it doesn't."""
    net = tracer.loads(text)
    c = tracer.constraints(net)
    for h, w in itertools.product(range(SIDE), repeat=2):
        runs = runs_by_trace(net, {"H": h, "W": w})
        assert c.runs(H=h, W=w) is runs, (h, w)
        said = c.why(H=h, W=w)
        assert (said is None) is runs
        if said is not None and h and w and len(c.record.cases) == 1:
            assert said == net.as_built().trace(H=h, W=w).diagnostics[0].message


def test_why_at_a_size_that_is_squeezed() -> None:
    """Where a dim of 1 is dropped, the fault behind it is said, not that symbols cannot be dropped."""
    c = tracer.constraints(tracer.loads(TIED["squeezed alone"]))
    assert c.runs(H=3, W=1)
    assert (
        c.why(H=2, W=1)
        == "c: the kernel spans 3, but the input [1, 1, 2] is 2 in dim 2, padding included"
    )


def by_hand(
    c: tracer.Constraints, asked: tuple[int, int], *, is_up: bool
) -> dict[str, int] | None:
    """The nearest sizes of H and W, by trying all."""
    h, w = asked
    ways = [range(n, 60) if is_up else range(1, n + 1) for n in asked]
    found = [pair for pair in itertools.product(*ways) if c.runs(H=pair[0], W=pair[1])]

    def distance(pair: tuple[int, int]) -> tuple[int, int]:
        return abs(pair[0] - h) + abs(pair[1] - w), abs(pair[0] - h)

    best = min(found, key=distance, default=None)
    return None if best is None else {"H": best[0], "W": best[1]}


@pytest.mark.parametrize("asked", QUESTIONS, ids=str)
@pytest.mark.parametrize("text", TIED.values(), ids=TIED.keys())
def test_nearest_of_tied_symbols(text: str, asked: tuple[int, int]) -> None:
    """The sizes below and above are the ones that trying all finds."""
    c = tracer.constraints(tracer.loads(text))
    h, w = asked
    found = c.nearest(H=h, W=w)
    assert found.below == by_hand(c, asked, is_up=False)
    assert found.above == by_hand(c, asked, is_up=True)
    if found.above is not None:
        assert found.padding == {"H": found.above["H"] - h, "W": found.above["W"] - w}
    else:
        assert found.padding is None


def test_ties_far_away() -> None:
    """A tie that moves a symbol far, and one that no larger sizes meet, are decided at once."""
    multiplied = tracer.constraints(tracer.loads(TIED["multiplied"]))
    assert multiplied.nearest(H=100, W=1_000_000).above == {"H": 1_000_000, "W": 1_000_000}
    assert multiplied.nearest(H=100, W=1_000_000).below == {"H": 100, "W": 100}

    flattened = tracer.constraints(tracer.loads(TIED["flattened"]))
    assert flattened.nearest(H=500, W=375) == NearestSizes({"H": 49, "W": 3}, None, None)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_nearest_of_configs(path: Path) -> None:
    """The sizes nearest to one symbol's, the others as declared, are the neighbours in its set."""
    net = tracer.load(path)
    axes, c = tracer.sizes(net).axes, tracer.constraints(net)
    for symbol, declared in net.network.defaults().items():
        for n in (declared, declared + 3, 2 * declared + 1, 7):
            found = c.nearest(**{symbol: n})
            runs = axes[symbol].runs
            above, below = runs.at_least(n), runs.at_most(n)
            assert found.above == (None if above is None else {symbol: above})
            assert found.below == ({symbol: below} if below else None)


@pytest.mark.parametrize(
    "name", ["unet_padded", "attention_unet", "vnet", "wave_unet", "conv_autoencoder", "hrnet"]
)
def test_padded_inputs_run(name: str) -> None:
    """torch's pad with these numbers gives a shape that runs; one row less at either axis doesn't, or is too small."""
    net = tracer.load(ROOT / "configs" / f"{name}.yaml")
    c = tracer.constraints(net)
    (node,) = [node for node in net.network.nodes if node.is_input]
    spatial = len(node.pattern) - 2
    for n in (33, 47, 90):
        shape = (1, node.pattern[1], *[n + 5 * i for i in range(spatial)])
        padded = functional.pad(torch.empty(shape, device="meta"), c.pad_to(shape))
        sizes = dict(zip(net.symbols, (1, *padded.shape[2:])))
        assert runs_by_trace(net, sizes)
        least = c.nearest(**dict(zip(net.symbols, (1, *shape[2:])))).above
        assert least == sizes


def test_a_padded_map_runs_in_torch() -> None:
    """The module itself takes the padded input, and refuses the one before."""
    net = tracer.loads(TIED["multiplied"])
    module, c = tracer.build(net), tracer.constraints(net)
    x = torch.zeros(1, 2, 9, 13)
    with pytest.raises(RuntimeError):
        module(x)
    pads = c.pad_to((1, 2, 9, 13))
    assert pads == (0, 0, 0, 4)
    assert module(functional.pad(x, pads)).shape == (1, 4, 11, 11)


def test_a_symbol_in_several_dims() -> None:
    """Dims of one symbol are padded to one size."""
    net = tracer.loads(
        "input: [1, 3, n, n]\nsizes: {n: 8}\nlayers: {p: {op: PixelUnshuffle, downscale_factor: 4}}"
    )
    c = tracer.constraints(net)
    assert c.pad_to((1, 3, 8, 9)) == (0, 3, 0, 4)
    assert c.pad_to((1, 3, 16, 9)) == (0, 7, 0, 0)
    assert c.pad_to((1, 3, 8, 8)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 24, 24), r"input has the shape \[1, 2, H, W\], not \[1, 3, 24, 24\]"),
        ((1, 2, 24), "input has the shape"),
        ((1, 2, 500, 375), r"no padding of \[1, 2, 500, 375\] runs: l: .*93500"),
        ((1, 2, 24, -1), "the size of W must be an integer"),
    ],
)
def test_no_padding(shape: tuple[int, ...], words: str) -> None:
    """What no padding lets run is refused with the reason."""
    text = TIED["flattened"].replace("[N, 2", "[1, 2").replace("N: 1, ", "")
    with pytest.raises(ValueError, match=words):
        tracer.constraints(tracer.loads(text)).pad_to(shape)


def test_several_inputs_are_not_padded() -> None:
    """Of several inputs ``nearest`` has the sizes."""
    with pytest.raises(ValueError, match="several inputs"):
        tracer.constraints(tracer.loads(TIED["of two inputs"])).pad_to((1, 2, 8, 8))


def test_wrong_questions() -> None:
    """A symbol that is none, a size that is none, and a symbol without a size are refused with words."""
    c = tracer.constraints(tracer.loads("input: [1, 3, H, W]\nlayers: {a: ReLU}"))
    assert c.runs(H=5, W=5)
    for sizes, words in (
        ({"H": 5, "D": 5}, "no symbol 'D'; its symbols: H, W"),
        ({"H": -1, "W": 5}, "the size of H must be an integer"),
        ({"H": True, "W": 5}, "the size of H must be an integer"),
        ({"H": 5}, "no size is declared for W"),
    ):
        for question in (c.runs, c.why, c.nearest):
            with pytest.raises(ValueError, match=words):
                question(**sizes)


def test_numbers_only() -> None:
    """Where an operation takes no symbols there are no constraints, and the node is named."""
    text = "input: [1, 3, H, 8]\nsizes: {H: 8}\nlayers: {a: {op: Upsample, size: ['round(H * 0.3)', 8]}}"
    with pytest.raises(tracer.TracerError) as raised:
        tracer.constraints(tracer.loads(text))
    assert [d.code for d in raised.value.diagnostics] == ["T006"]
    assert raised.value.diagnostics[0].message.startswith("a: ")


def test_sizes_without_a_period() -> None:
    """Behind the bound of a set that has no period sizes are tried one by one."""
    text = (
        "input: [1, 1, H, 8]\nsizes: {H: 60}\nlayers:\n"
        "  a: {op: Upsample, scale_factor: [0.57, 1.0]}\n"
        "  b: {op: PixelUnshuffle, downscale_factor: 4}\n"
    )
    net = tracer.loads(text)
    c = tracer.constraints(net)
    assert c.record.cases[0].below == {"H": 65_536}
    for n in (65_400, 65_535, 70_001):
        found = c.nearest(H=n)
        assert found.above is not None and found.below is not None
        for m in range(found.below["H"], found.above["H"] + 1):
            assert c.runs(H=m) is runs_by_trace(net, {"H": m})
            assert c.runs(H=m) is (m in (found.below["H"], found.above["H"]))


# --- JSON -------------------------------------------------------------------------------------------------------------

ALONE = """
import json, sys
from tracer import Constraints
c = Constraints.from_json(open(sys.argv[1], encoding="utf-8").read())
answers = []
for sizes in json.loads(sys.argv[2]):
    answers.append([c.runs(**sizes), c.why(**sizes), c.nearest(**sizes)])
print(json.dumps(answers))
heavy = {"torch", "networkx", "numpy", "tracer.net", "tracer.ops", "tracer.network"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("name", ["ddpm_unet", "hrnet", "nnunet_anisotropic", "unet_2015"])
def test_json_answers_alone(name: str, tmp_path: Path) -> None:
    """A process that has the JSON alone gives the same answers, and loads neither torch nor a network."""
    net = tracer.load(ROOT / "configs" / f"{name}.yaml")
    c = tracer.constraints(net)
    file = tmp_path / "constraints.json"
    file.write_text(c.to_json(), "utf-8")
    asked = [sizes for sizes in drawn_sizes(net, tracer.sizes(net).axes) if sizes["N"] >= 1][:6]

    run = subprocess.run(
        [sys.executable, "-c", ALONE, file, json.dumps(asked)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    here = [[c.runs(**sizes), c.why(**sizes), c.nearest(**sizes)] for sizes in asked]
    assert json.loads(run.stdout) == json.loads(json.dumps(here))


@pytest.mark.parametrize("text", TIED.values(), ids=TIED.keys())
def test_json_is_read_back(text: str) -> None:
    """What was written is read as the same, is written alike again, fits its schema, and is the same each time."""
    first = tracer.constraints(tracer.loads(text)).to_json()
    again = tracer.Constraints.from_json(first)
    assert again == tracer.Constraints.from_json(first.encode())
    assert again.to_json() == first == tracer.constraints(tracer.loads(text)).to_json()
    jsonschema.validate(json.loads(first), answer_schema(ConstraintsAnswer))


def damaged(change: Any) -> str:
    """The JSON of a network with one change."""
    found = json.loads(tracer.constraints(tracer.loads(TIED["unshuffled"])).to_json())
    change(found)
    return json.dumps(found)


def _squares(record: Any) -> None:
    """Each step squares the one before."""
    case = record["cases"][0]
    slot = len(record["symbols"]) + len(case["steps"]) - 1
    case["steps"] += [["polynomial", [[1, [slot + i, slot + i]]], 0] for i in range(1000)]


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(format_version="2.0"),
        lambda r: r.pop("symbols"),
        lambda r: r.update(symbols=["H", "H"]),
        lambda r: r.update(declared={"D": 3}),
        lambda r: r.update(declared={"H": -3}),
        lambda r: r.update(cases=[]),
        lambda r: r["cases"][0]["sets"].pop("H"),
        lambda r: r["cases"][0]["sets"]["H"].update(modulus=0),
        lambda r: r["cases"][0]["sets"]["H"].update(residues=[5, 3], modulus=8),
        lambda r: r["cases"][0]["sets"]["H"].update(modulus=10**13),
        lambda r: r["cases"][0]["where"].update(D=r["cases"][0]["sets"]["H"]),
        lambda r: r["cases"][0]["steps"].append(["affine", 10**6, 1, 0]),
        lambda r: r["cases"][0]["steps"].append(["affine", 0, 10**40, 0]),
        lambda r: r["cases"][0]["steps"].append(["affine", 0, 1]),
        lambda r: r["cases"][0]["steps"].append(["affine_floordiv", 0, 1, 0, 0]),
        lambda r: r["cases"][0]["steps"].append(["exec", 0]),
        lambda r: r["cases"][0]["steps"].append([]),
        lambda r: r["cases"][0]["steps"].append(["scale", 0, 1e300]),
        lambda r: r["cases"][0]["steps"].append(["choose", ["ge", 10**6], 0, 0]),
        lambda r: r["cases"][0]["steps"].append(["minimum", 0, 0.5]),
        lambda r: r["cases"][0]["requirements"][0].update(holds=["xor", 0, 0]),
        lambda r: r["cases"][0]["requirements"][0].update(holds=7),
        lambda r: r["cases"][0]["requirements"][0].update(message="⟦99999⟧"),
        _squares,
    ],
)
def test_damaged_json(change: Any) -> None:
    """What does not fit together is refused with words when it is read."""
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        tracer.Constraints.from_json(damaged(change))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, b"\xff\xfe", "x" * (2**22 + 1)],
    ids=["nothing", "open", "list", "null", "deep", "bytes", "long"],
)
def test_no_json(text: str | bytes) -> None:
    """What is no JSON of constraints is refused with words."""
    with pytest.raises(ValueError, match="constraints"):
        tracer.Constraints.from_json(text)


def test_a_tie_that_no_search_decides() -> None:
    """Of a tie whose sizes drive each other up without end the question is refused, in bounded time."""

    def tie(record: Any) -> None:
        case = record["cases"][0]
        case["sets"] = {
            symbol: {"finite": [], "start": 0, "modulus": 1, "residues": [0]} for symbol in "HW"
        }
        case["steps"] = [["polynomial", [[1, [0, 0]], [-7, [1, 1]]], -3]]
        case["requirements"] = [{**case["requirements"][0], "holds": ["eq", 2], "message": "m"}]

    c = tracer.Constraints.from_json(damaged(tie))
    assert not c.runs(H=5, W=7)
    with pytest.raises(ValueError, match="too many sizes"):
        c.nearest(H=5, W=7)


def test_schema_is_printed() -> None:
    """``tracer schema constraints`` prints the schema."""
    run = subprocess.run(
        [sys.executable, "-m", "tracer", "schema", "constraints"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(run.stdout) == msgspec.to_builtins(answer_schema(ConstraintsAnswer))
