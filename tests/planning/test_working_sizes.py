"""The exact sets of input sizes against traces on ints and against real torch."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import tracer
from tests import ROOT
from tests.drawn.counted import counted, each
from tests.drawn.networks import Drawn, networks
from tests.drawn.torch_network import run
from tests.shapes.test_networks import STRICTER, has_empty_output
from tracer.net import Net
from tracer.planning.working_sizes import (
    TRACED,
    WorkingSizes,
    forms,
    is_aligned,
    with_every_dim_open,
    working_sizes,
)
from tracer.rules import judge
from tracer.shapes.trace import Trace, declared_ops, trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.sizing.substitution import Substitution

CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


def runs(mine: Trace) -> bool:
    """Torch takes it; what a config expects is another matter."""
    return None not in mine.by_index and all(d.code == "T304" for d in mine.diagnostics)


def elsewhere(found: WorkingSizes, declared: dict[str, int], symbol: str) -> dict[str, int]:
    """The other symbols at sizes of the narrowest of their sets; where axes are tied, at the declared ones."""
    tied = {s for c in found.couplings for s in c.symbols}
    others = {}
    for name, size in declared.items():
        sets = (found.axes[name].aligned, found.axes[name].lossless, found.axes[name].runs)
        near = next((n for one in sets if (n := one.at_least(size)) is not None), size)
        others[name] = size if name in tied or symbol in tied else near
    found_with = found.axes[symbol].others if symbol in found.axes else {}
    return {name: n for name, n in {**others, **found_with}.items() if name != symbol}


@counted(
    each(
        "runs True",
        "runs False",
        "lossless True",
        "lossless False",
        "aligned True",
        "aligned False",
        one_in=40,
    )
)
@given(networks(), st.data())
def test_sets_are_what_each_size_says(
    seen: Counter[str], drawn: Drawn, data: st.DataObject
) -> None:
    """A size belongs to a set iff its trace on ints runs, loses nothing, and its grids coincide."""
    assume(drawn.sizes)
    net = tracer.loads(drawn.text)
    try:
        found = working_sizes(net.network, declared_ops(net.network), drawn.sizes)
    except TooLarge:
        seen["too large"] += 1
        return
    narrower = any(op in drawn.text for op in STRICTER)
    for symbol, axis in found.axes.items():
        others = elsewhere(found, drawn.sizes, symbol)
        far = axis.runs.start + 2 * axis.runs.modulus
        for n in [*range(25), *data.draw(st.lists(st.integers(0, max(far, 90)), max_size=4))]:
            if (axis.below is not None and n >= axis.below) or (narrower and n >= TRACED):
                continue
            mine = trace(net.network, {**others, symbol: n})
            if not all(size in found.axes[name].runs for name, size in others.items()):
                # No one is told that an empty batch takes what others refuse.
                assert found.couplings or 0 in mine.sizes.values() or not runs(mine), (
                    symbol,
                    n,
                    others,
                    drawn,
                )
                continue
            assert (n in axis.runs) == runs(mine), (
                symbol,
                n,
                others,
                found,
                drawn,
                mine.diagnostics,
            )
            seen[f"runs {n in axis.runs}"] += 1
            if not runs(mine) or narrower:
                continue
            lossless = not mine.lost()
            if all(size in found.axes[name].lossless for name, size in others.items()):
                assert (n in axis.lossless) == lossless, (
                    symbol,
                    n,
                    others,
                    found,
                    drawn,
                    mine.lost(),
                )
                seen[f"lossless {lossless}"] += 1
            if any(0 in (shape or ()) for shape in mine.by_index):
                continue  # a map without positions has no grid
            aligned = lossless and is_aligned(mine)
            if all(size in found.axes[name].aligned for name, size in others.items()):
                assert (n in axis.aligned) == aligned, (symbol, n, others, found, drawn)
                seen[f"aligned {aligned}"] += 1


@counted(each(True, False, one_in=10))
@given(networks(), st.data())
def test_what_runs_is_torchs(seen: Counter[bool], drawn: Drawn, data: st.DataObject) -> None:
    """A size belongs to ``runs`` iff real modules on the CPU raise nothing."""
    assume(drawn.sizes)
    net = tracer.loads(drawn.text)
    try:
        found = working_sizes(net.network, declared_ops(net.network), drawn.sizes)
    except TooLarge:
        return
    symbol = data.draw(st.sampled_from(sorted(found.axes))) if found.axes else None
    if symbol is None:
        return
    others = elsewhere(found, drawn.sizes, symbol)
    if not all(size in found.axes[name].runs for name, size in others.items()):
        return
    for n in data.draw(st.lists(st.integers(1, 40), min_size=3, max_size=3, unique=True)):
        sizes = {**others, symbol: n}
        if has_empty_output(trace(net.network, sizes)):
            continue  # that depends on the backend that torch takes
        torchs = run(net, sizes, declared_ops(net.network))
        assert (n in found.axes[symbol].runs) == (not torchs.refused), (
            sizes,
            found,
            drawn,
            torchs.refused,
        )
        seen[not torchs.refused] += 1


def axis_of(text: str, symbol: str = "n") -> SizeSet:
    return tracer.sizes(tracer.loads(text)).axes[symbol].runs


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_at_the_edges_of_their_sets(path: Path) -> None:
    """Around the least size and the declared one, each axis of a config runs iff the set says so."""
    net = tracer.load(path)
    found = tracer.sizes(net)
    declared, ops = net.network.defaults(), net.solution().ops
    for symbol, axis in found.axes.items():
        least = axis.runs.least or 0
        assert declared[symbol] in axis.runs and axis.aligned <= axis.lossless <= axis.runs
        for n in {
            *range(max(least - 3, 0), least + 4),
            *range(declared[symbol] - 3, declared[symbol] + 4),
        }:
            if n >= 0:
                mine = trace(net.network, {**declared, symbol: n}, ops)
                assert (n in axis.runs) == runs(mine), (symbol, n)


@pytest.mark.parametrize(
    "name", ["unet_padded", "linknet", "unet_2015", "segnet", "deeplabv3plus", "resnet34_unet"]
)
def test_forms_are_the_shapes(name: str) -> None:
    """Every node's shape over k is that of the trace, for every class that is told."""
    net = tracer.load(CONFIGS[0].parent / f"{name}.yaml")
    declared, ops = net.network.defaults(), net.solution().ops
    axis = tracer.sizes(net).axes["H"]
    for found in (axis.runs, axis.lossless):
        for form in forms(net.network, ops, declared, "H", found):
            for k in (form.least, form.least + 1, form.least + 5):
                n = form.modulus * k + form.remainder
                assert n in found
                mine = trace(net.network, {**declared, "H": n}, ops)
                for node, shape in form.shapes.items():
                    there = [
                        d if isinstance(d, int) else Substitution(d.space, {"k": k}).size(d)
                        for d in shape
                    ]
                    assert tuple(there) == mine.shapes[node], (node, k)


def test_a_symbol_on_two_dims() -> None:
    """It gets the set that serves both."""
    text = """
input: [1, 3, n, n]
sizes: {n: 48}
encoder:
  a: {op: MaxPool2d, kernel_size: [2, 3]}
decoder:
  u: {op: ConvTranspose2d, out_channels: 3, kernel_size: [2, 3], stride: [2, 3]}
  s: {op: Concat, from: [u, input]}
"""
    assert axis_of(text).written("n") == "n = 6k, k >= 1"


FLAT = """
input: [1, 3, H, W]
sizes: {H: 32, W: 48}
layers:
  a: {op: MaxPool2d, kernel_size: 16}
  f: Flatten
  l: {op: Linear, in_features: 18, out_features: 2}
"""


def test_axes_that_are_tied() -> None:
    """A Flatten before a Linear of fixed width: the tie is told, and each axis has its set given the other's size."""
    found = tracer.sizes(tracer.loads(FLAT))
    (coupling,) = found.couplings
    assert coupling.symbols == ("H", "W") and coupling.node == "l"
    assert coupling.constraint == "(H // 16)*(W // 16) == 6"
    assert found.axes["H"].runs == SizeSet(tuple(range(32, 48)), 48, 1, ())
    assert found.axes["W"].runs == SizeSet(tuple(range(48, 64)), 64, 1, ())
    turned = (
        "input: [1, 3, H, W]\nsizes: {H: 5, W: 5}\nlayers:\n  t: {op: Transpose, dim0: 2, dim1: 3}\n"
        + ("  s: {op: Concat, from: [t, input]}\n")
    )
    found = tracer.sizes(tracer.loads(turned))
    assert [c.constraint for c in found.couplings] == ["H == W"] and 5 in found.axes["H"].runs


def test_a_batch_is_not_tied_to_what_it_has_to_be_filled_with() -> None:
    """An empty batch lets torch take an empty map; no one is told of that tie."""
    text = "input: [N, 3, H, 8]\nsizes: {N: 1, H: 8}\nlayers:\n  c: {op: Conv2d, out_channels: 2, kernel_size: 3}\n"
    found = tracer.sizes(tracer.loads(text))
    assert found.couplings == []
    assert (found.axes["H"].runs.written("H"), found.axes["N"].runs.written("N")) == (
        "H >= 3",
        "any N",
    )


def test_dims_that_are_numbers() -> None:
    """``all`` asks them as symbols of their own; otherwise they are not asked."""
    net = tracer.loads(
        "input: [1, 3, 64, 64]\nlayers:\n  a: {op: PixelUnshuffle, downscale_factor: 2}\n"
    )
    assert tracer.sizes(net).axes == {}
    axes = tracer.sizes(net, all=True).axes
    assert list(axes) == ["input[0]", "input[1]", "input[2]", "input[3]"]
    assert [n for n in range(9) if n in axes["input[2]"].runs] == [0, 2, 4, 6, 8]


@counted(lambda seen: seen["told"] > 8 * seen["none"])
@given(networks(), st.data())
def test_forms_of_any_network(seen: Counter[str], drawn: Drawn, data: st.DataObject) -> None:
    """From its least k on, a form gives the traced shape of every node, whatever was squeezed before."""
    assume(drawn.sizes)
    net = tracer.loads(drawn.text)
    ops = declared_ops(net.network)
    try:
        found = working_sizes(net.network, ops, drawn.sizes)
    except TooLarge:
        return
    symbol = data.draw(st.sampled_from(sorted(found.axes))) if found.axes else None
    if symbol is None:
        return
    axis = found.axes[symbol]
    others = elsewhere(found, drawn.sizes, symbol)
    if not all(size in found.axes[name].runs for name, size in others.items()):
        return
    told = forms(net.network, ops, {**others, symbol: 1}, symbol, axis.runs)
    if axis.runs.residues:
        seen["told" if told else "none"] += 1
    for form in told:
        assert form.modulus == axis.runs.modulus
        for k in {form.least, form.least + 1, form.least + data.draw(st.integers(0, 40))}:
            n = form.modulus * k + form.remainder
            assert n in axis.runs or axis.below is not None, (form, k, drawn)
            mine = trace(net.network, {**others, symbol: n})
            for node, shape in form.shapes.items():
                there = [
                    d if isinstance(d, int) else Substitution(d.space, {"k": k}).size(d)
                    for d in shape
                ]
                assert tuple(there) == mine.shapes[node], (symbol, node, k, form, drawn)
            seen["compared"] += 1


@counted(each(True, False, one_in=10))
@given(networks(), st.data())
def test_any_dim_that_is_a_number(
    seen: Counter[bool], drawn: Drawn, data: st.DataObject
) -> None:
    """The set of a dim that is a number is what the config says with another number there."""
    text = drawn.text
    if not text.startswith("input: ["):
        return
    line, _, rest = text.partition("\n")
    dims = line[8:-1].split(", ")
    where = [i for i, d in enumerate(dims) if d.isdigit()]
    if not where:
        return
    dim = data.draw(st.sampled_from(where))
    try:
        net = tracer.loads(text)
    except tracer.TracerError:
        return
    declared = {
        **drawn.sizes,
        **{f"input[{i}]": int(d) for i, d in enumerate(dims) if d.isdigit()},
    }
    try:
        found = working_sizes(
            with_every_dim_open(net.network), declared_ops(net.network), declared
        )
    except TooLarge:
        return
    axis = found.axes[f"input[{dim}]"]
    others = elsewhere(found, declared, f"input[{dim}]")
    if not all(n in found.axes[s].runs for s, n in others.items()):
        return
    for n in data.draw(
        st.lists(
            st.integers(0, 20) | st.just(int(dims[dim])), min_size=4, max_size=4, unique=True
        )
    ):
        if axis.below is not None and n >= axis.below:
            continue
        new = [str(others.get(f"input[{i}]", d)) for i, d in enumerate(dims)]
        new[dim] = str(n)
        try:
            again = tracer.loads(f"input: [{', '.join(new)}]\n{rest}")
            ok = runs(
                trace(again.network, {s: n for s, n in others.items() if s in again.symbols})
            )
        except tracer.TracerError:
            ok = False
        assert (n in axis.runs) == ok, (dim, n, others, found, drawn)
        seen[ok] += 1


@pytest.mark.parametrize(
    ("layers", "works"),
    [("f: {op: Flatten, start_dim: 0}\n  l: {op: Linear, in_features: 96, out_features: 4}", [32]),
     ("p: {op: Permute, dims: [1, 0]}", range(60))],
)  # fmt: skip
def test_a_batch_of_one_that_is_squeezed(layers: str, works: list[int]) -> None:
    """What follows has another rank than for any other batch: the length is asked with the batch as declared."""
    text = f"input: [N, 3, L]\nsizes: {{N: 1, L: 32}}\nlayers:\n  s: {{op: Squeeze, dim: 0}}\n  {layers}\n"
    assert [n for n in range(60) if n in axis_of(text, "L")] == list(works)


def test_an_expectation_of_a_dim_that_is_squeezed() -> None:
    """At L = 1 there is one dim less than expected, which is promised all the same."""
    text = "input: [1, 2, L]\nsizes: {L: {min: 2}}\nlayers:\n  s: {op: Squeeze, dim: 2, expect: [1, 2, L]}\n"
    assert tracer.checks(text) == []
    layers = "layers:\n  c: {op: ZeroPad1d, padding: [-3, 0]}\n  s: {op: Squeeze, dim: 2, expect: [1, 2, L - 3]}\n"
    numbers = [5, *range(6, 40), 4]
    found = tracer.checks(f"input: [1, 2, L]\nsizes: {{L: {numbers}}}\n{layers}")
    assert [d.message.split(" does")[0] for d in found if d.code == "T305"] == ["L = 4"]


def strides(*numbers: int) -> str:
    """Down by these strides, and up again to a merge with the input."""
    down = "".join(
        f"  d{i}: {{op: AvgPool1d, kernel_size: {s}}}\n" for i, s in enumerate(numbers)
    )
    up = "".join(
        f"  u{i}: {{op: ConvTranspose1d, out_channels: 1, kernel_size: {s}, stride: {s}}}\n"
        for i, s in enumerate(reversed(numbers))
    )
    merge = f"  m: {{op: Concat, from: [u{len(numbers) - 1}, input]}}\n"
    return f"input: [1, 1, n]\nsizes: {{n: 64}}\nlayers:\n{down}{up}{merge}"


@pytest.mark.parametrize(
    "numbers", [(3, 5, 7), (3, 5, 7, 3, 5, 7), (100, 100, 100), (2, 3, 5, 7, 11, 13)]
)
def test_large_periods(numbers: tuple[int, ...]) -> None:
    """Products of strides up to a million and more."""
    product = 1
    for s in numbers:
        product *= s
    assert axis_of(strides(*numbers)) == SizeSet((), 1, product, (0,))


@given(
    numbers=st.lists(
        st.sampled_from([2, 3, 4, 5, 7, 11, 13, 17, 19]), min_size=1, max_size=8, unique=True
    ),
    offset=st.integers(0, 3),
)
def test_periods_that_are_products(numbers: list[int], offset: int) -> None:
    """Branches of strides that have nothing in common: sizes of the set run, and their neighbours do not."""
    lines = [f"  low: {{op: ZeroPad1d, padding: [{offset}, 0]}}\n"]
    for s in numbers:
        lines += [
            f"  d{s}: {{op: AvgPool1d, kernel_size: {s}, from: low}}\n",
            f"  u{s}: {{op: Upsample, scale_factor: {s}}}\n",
            f"  m{s}: {{op: Add, from: [u{s}, low]}}\n",
        ]
    ends = ", ".join(f"m{s}" for s in numbers)
    net = tracer.loads(
        f"input: [1, 1, n]\nsizes: {{n: 64}}\nlayers:\n{''.join(lines)}output: [{ends}]\n"
    )
    runs = tracer.sizes(net).axes["n"].runs
    modulus = math.lcm(*numbers)
    assert (runs.modulus, runs.residues) == (modulus, (-offset % modulus,))
    for n in (runs.at_least(1), runs.at_least(10**6)):
        assert n is not None
        assert net.trace(n=n).diagnostics == []
        assert net.trace(n=n + 1).diagnostics != []


def test_a_period_out_of_bounds() -> None:
    """It is refused with a code and a sentence, and a config that promises sizes is not claimed to be proven."""
    text = strides(1000, 1000, 1000)
    with pytest.raises(tracer.TracerError, match=r"T006\] the sizes repeat every 1000000000"):
        tracer.sizes(tracer.loads(text))
    found = tracer.checks(text.replace("n: 64", "n: {min: 1000000000, step: 1000000000}"))
    assert [d.code for d in found if d.severity == "error"] == ["T006"]


def test_resizes_in_floating_point() -> None:
    """0.57 has no period: the set is known below a bound, and says so; a third has one."""
    text = "input: [1, 1, n, 8]\nsizes: {n: 100}\nlayers:\n  r: {op: Interpolate, scale_factor: [FACTOR, 1]}\n"
    text += "  c: {op: Conv2d, out_channels: 1, kernel_size: [56, 1], stride: [57, 1]}\n"
    text += (
        "  u: {op: ConvTranspose2d, out_channels: 1, kernel_size: [57, 1], stride: [57, 1]}\n"
    )
    text += "  m: {op: Concat, from: [u, r]}\n"
    bounded = tracer.sizes(tracer.loads(text.replace("FACTOR", "0.57"))).axes["n"]
    assert bounded.below == 65_536
    net = tracer.loads(text.replace("FACTOR", "0.57"))
    assert all(
        (n in bounded.runs) == runs(trace(net.network, {"n": n})) for n in range(60, 420)
    )
    third = tracer.sizes(tracer.loads(text.replace("FACTOR", "0.3333333333333333"))).axes["n"]
    assert third.below is None and third.runs.modulus == 171


def test_networks_that_never_run() -> None:
    """Their sets are empty, and nothing is raised."""
    text = "input: [1, 3, n, 8]\nsizes: {n: 8}\nlayers:\n  a: {op: Conv2d, out_channels: 4, kernel_size: 1}\n"
    net = tracer.loads(text + "  b: {op: Add, from: [a, input]}\n")
    axis = tracer.sizes(net).axes["n"]
    assert not axis.runs and not axis.lossless and not axis.aligned
    assert axis.runs.written("n") == "no n"


def test_a_loaded_network_keeps_its_own_dims() -> None:
    """Asking fixed dims as symbols leaves the network as it was."""
    net: Net = tracer.loads("input: [1, 3, 64, 64]\nlayers:\n  a: ReLU\n")
    tracer.sizes(net, all=True)
    assert net.network.nodes[0].pattern == (1, 3, 64, 64) and net.symbols == ()


@counted(each("even", "uneven", one_in=10))
@given(st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_a_crop_is_a_negative_pad(seen: Counter[str], cut: list[int]) -> None:
    """One function has one verdict: as Crop, as pads of every kind, built and read back from the module."""
    head = "input: [N, 1, H, W]\nsizes: {N: 1, H: 20, W: 20}\nlayers:\n  r: ReLU\n  a: "
    negative = [-n for n in cut]
    layers = [f"{{op: Crop, crop: {cut}}}"]
    layers += [
        f"{{op: {kind}Pad2d, padding: {negative}}}"
        for kind in ("Zero", "Reflection", "Circular")
    ]
    nets = [tracer.loads(f"{head}{layer}\n") for layer in layers]
    nets.append(tracer.from_module(tracer.build(nets[0]), (1, 1, 20, 20)))

    codes = [[d.code for d in judge(net)] for net in nets]
    sets = [list(tracer.sizes(net).axes.values()) for net in nets]
    assert codes == [codes[0]] * len(nets), layers
    # Which small maps run differs: only a crop and zeros take what is cut away whole.
    filled = range(10, 30)
    taken = [[[n in axis.aligned for n in filled] for axis in own] for own in sets]
    assert taken == [taken[0]] * len(nets), layers

    lost = [sum(pair) % 2 for pair in (cut[2:], cut[:2])]
    assert [not axis.lossless for axis in sets[0]] == [False, *map(bool, lost)]
    seen["uneven" if any(lost) else "even"] += 1


def test_a_loss_along_one_axis_is_none_along_others() -> None:
    """What is lost at every H says nothing of W; along a dim of a fixed size, every size loses."""
    layers = "layers: {pad: {op: ZeroPad2d, padding: [0, 0, -6, -5]}}\n"
    axes = tracer.sizes(
        tracer.loads(f"input: [N, 1, H, W]\nsizes: {{N: 1, H: 20, W: 20}}\n{layers}")
    ).axes
    assert [axes[s].lossless.written(s) for s in "NHW"] == ["any N", "no H", "any W"]
    assert [axes[s].aligned.written(s) for s in "NHW"] == ["any N", "no H", "any W"]

    axes = tracer.sizes(
        tracer.loads(f"input: [N, 1, 20, W]\nsizes: {{N: 1, W: 20}}\n{layers}")
    ).axes
    assert [axes[s].lossless.written(s) for s in "NW"] == ["no N", "no W"]

    odd = "a: {op: ConvTranspose2d, out_channels: 1, kernel_size: [3, 2], stride: 2}"
    pool = "p: {op: MaxPool2d, kernel_size: 2}"
    text = f"input: [N, 1, H, W]\nsizes: {{N: 1, H: 20, W: 20}}\nlayers:\n  {odd}\n  {pool}\n"
    axes = tracer.sizes(tracer.loads(text)).axes
    assert [axes[s].lossless.written(s) for s in "NHW"] == ["any N", "no H", "W >= 1"]


WINDOWS = """
input: [N, 4, H, W]
sizes: {N: 1, H: 20, W: 20}
blocks:
  Window:
    layers:
      pad: {op: ZeroPad2d, padding: [0, -W + 7*((W + 6) // 7), 0, -H + 7*((H + 6) // 7)]}
      cut: {op: Reshape, shape: [N, 4, (H + 6) // 7, 7, (W + 6) // 7, 7]}
      join: {op: Reshape, shape: [N, 4, 7*((H + 6) // 7), 7*((W + 6) // 7)]}
      rows: {op: Slice, dim: 2, stop: H}
      columns: {op: Slice, dim: 3, stop: W}
      add: {op: Add, from: [input, columns]}
layers:
  a: {op: Window, repeat: 3}
"""


def test_windows_of_padded_maps_tie_nothing() -> None:
    """What a broadcast may choose of a size of 1 is that size: every pair of sizes runs, as in torch."""
    net = tracer.loads(WINDOWS)
    found = tracer.sizes(net)
    assert found.couplings == []
    assert [found.axes[symbol].runs.written(symbol) for symbol in "HW"] == ["any H", "any W"]

    module = tracer.build(net)
    for h, w in ((0, 9), (1, 1), (1, 9), (6, 1), (7, 8), (15, 3)):
        assert module(torch.zeros(1, 4, h, w)).shape == (1, 4, h, w)


POSITIONS = """
input: [N, 3, H, W]
sizes: {N: 1, H: 32, W: 48}
layers:
  embed: {op: Conv2d, out_channels: 4, kernel_size: 16, stride: 16}
  flat: {op: Flatten, start_dim: 2}
  table: {op: Parameter, shape: [1, 4, 6]}
  add: {op: Add, from: [flat, table]}
"""


def test_a_tie_has_no_alternative_that_cannot_be() -> None:
    """A patch needs 16 rows: that there are none is no way to run."""
    net = tracer.loads(POSITIONS)
    (coupling,) = tracer.sizes(net).couplings
    assert coupling.constraint == "((H // 16)*(W // 16) == 6 or (H // 16)*(W // 16) == 1)"


def test_what_is_known_below_a_size_only_says_so() -> None:
    """A set of a resize that has no period is none of all sizes."""
    net = tracer.loads(
        "input: [1, 1, n]\nsizes: {n: 64}\nlayers:\n  u: {op: Upsample, scale_factor: 0.57}\n"
    )
    assert (
        repr(tracer.sizes(net))
        == "<WorkingSizes n: 65534 sizes below 65536 (known below 65536)>"
    )
