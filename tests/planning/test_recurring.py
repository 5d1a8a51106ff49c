"""Values of autos that are looked up for sizes like earlier ones, against planning each size anew."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tracer
from tests.benchmarks.networks import unet_of_autos
from tests.drawn.counted import counted
from tests.drawn.torch_network import run
from tests.drawn.with_autos import text_with_autos
from tracer.planning import recurring
from tracer.planning.solving import plan_one
from tracer.shapes.trace import Trace, trace
from tracer.sizing.arithmetic import choose, minimum
from tracer.sizing.program import substitute
from tracer.sizing.steady import Course
from tracer.sizing.symbol import Condition, Size, Space


def long_way(net: tracer.Net, sizes: dict[str, int]) -> Trace:
    """The trace with the plan of these sizes alone."""
    solution = plan_one(net.network, sizes)
    found = trace(net.network, sizes, solution.ops)
    if not solution.solved:
        others = [d for d in found.diagnostics if d.node not in solution.explained]
        found.diagnostics = [*solution.diagnostics, *others]
    found.diagnostics = net.told(found.diagnostics)
    return found


def is_looked_up(net: tracer.Net, sizes: dict[str, int]) -> bool:
    """Whether these sizes are answered without a plan."""
    return net._has_one_size(sizes) and net._known(sizes) is not None


def compared(net: tracer.Net, sizes: dict[str, int]) -> str:
    """Hold a trace against the long way; says how it was answered."""
    looked_up = is_looked_up(net, sizes)
    mine, planned = net.trace(**sizes), long_way(net, sizes)

    assert list(mine.by_index) == list(planned.by_index), sizes
    assert mine.ops == planned.ops, sizes
    assert mine.diagnostics == planned.diagnostics, sizes
    assert mine.sizes == planned.sizes
    if looked_up:
        return "looked up"
    return "refused" if planned.diagnostics else "planned"


def some_size(r: Random, near: list[int]) -> int:
    """A small size, any size, or one that is whole strides away from earlier ones."""
    kind = r.random()
    if kind < 0.1:
        return r.randint(0, 24)
    if kind < 0.2:
        return r.choice([r.randint(1, 200), r.randint(1, 10**6)])
    strides = r.randint(-2, 3) * r.choice([16, 144, 432])
    return max(r.choice(near) + r.choice([0, 0, 0, 0, 1]) + strides, 0)


@counted(lambda seen: min(seen["looked up"], seen["planned"], seen["refused"]) > 100)
@settings(max_examples=100)
@given(st.integers(0, 10**9))
def test_sizes_that_recur_are_planned_as_each_alone(seen: Counter[str], seed: int) -> None:
    """Encoders with decoders, square and not, with a batch of any size: values, shapes and faults are the same."""
    r = Random(seed)
    try:
        net = tracer.loads(text_with_autos(r))
    except tracer.TracerError:  # an argument that is wrong with any values and sizes
        assume(False)

    near = [r.choice([r.randint(20, 90), r.randint(100, 1200)])]
    refused = 0
    for _ in range(12):
        sizes = {symbol: some_size(r, near) for symbol in net.symbols}
        if "N" in sizes:
            sizes["N"] = r.choice([1, 1, 2, 0])
        found = compared(net, sizes)
        seen[found] += 1
        refused += found == "refused"
        if refused > 2:
            break


def test_torch_takes_what_is_looked_up() -> None:
    """Every residue of a small U-Net, at sizes that were never planned, runs in torch to the shapes that are said."""
    net = tracer.loads(unet_of_autos(base=2, levels=2))
    for n in range(40, 48):
        net.trace(H=n, W=n)

    checked = 0
    for height, width in itertools.product(range(16, 24), range(24, 40, 3)):
        sizes = {"N": 1, "H": height, "W": width}
        if not is_looked_up(net, sizes):
            continue
        found = net.trace(**sizes)
        torchs = run(net, sizes, found.ops)
        assert not torchs.refused and torchs.shapes == dict(found.shapes), sizes
        checked += 1
    assert checked > 40


def test_a_class_serves_from_its_least_size_on() -> None:
    """Of each residue one size is planned; all others down to the smallest are looked up."""
    net = tracer.loads(unet_of_autos(base=2, levels=3))
    for n in range(600, 610):
        net.trace(H=n, W=n)

    known = [n for n in range(1, 600) if is_looked_up(net, {"N": 1, "H": n, "W": n})]
    assert set(range(64, 600)) <= set(known)
    for n in known[:40]:
        assert compared(net, {"N": 1, "H": n, "W": n}) == "looked up"


def test_axes_have_classes_of_their_own() -> None:
    """What was planned for a height serves it beside any width."""
    net = tracer.loads(unet_of_autos(base=2, levels=2))
    for n in range(64, 70):
        net.trace(H=n, W=n + 100)

    looked_up = [
        is_looked_up(net, {"N": 3, "H": h, "W": w})
        for h in range(80, 84)
        for w in range(80, 84)
    ]
    assert all(looked_up)


@pytest.mark.parametrize(
    "layers",
    [
        # Equally many rows may be cut off at either end: which it is, the grids decide.
        "cut: {op: Crop, crop: [0, 0, auto(0..3), auto(0..3)], expect: [_, _, H - 3, W]}",
        # A batch of one is squeezed away.
        "up: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, padding: auto(0..1), "
        "expect: [_, _, H - 1, W - 1]}\n"
        "  rest: {op: Squeeze, dim: 0}",
        # A stride multiplies the size.
        "up: {op: ConvTranspose2d, out_channels: 2, kernel_size: 2, stride: auto(2..3), expect: [_, _, 2*H, 2*W]}",
        # In floating point no residue decides.
        "up: {op: Upsample, scale_factor: 0.57}\n"
        "  fit: {op: ZeroPad2d, padding: auto(0..9), expect: [_, _, H // 2 + 9, W // 2 + 9]}",
    ],
)
def test_what_no_class_decides_is_planned_anew(layers: str) -> None:
    """Nothing is kept where the remainder does not decide, and after some sizes nothing is looked for."""
    net = tracer.loads(f"input: [N, 2, H, W]\nlayers:\n  {layers}\n")
    answers = Counter(
        compared(net, {"N": 2, "H": n, "W": n + 1}) for n in (*range(24, 40), *range(24, 40))
    )
    assert answers["planned"] > 3 and not answers["looked up"]


def test_promised_sizes_have_one_assignment() -> None:
    """Where a symbol that is left out has several sizes, one assignment serves them all: no class of one size does."""
    text = unet_of_autos(base=2, levels=2).replace("W: 512}", "W: {min: 64, step: 4}}")
    net = tracer.loads(text)
    for h in (*range(64, 76), *range(64, 76)):
        net.trace(H=h, W=h + 40)
        found = net.trace(H=h)
        assert found.ops == net.solution({"H": h}).ops
    assert net._recurring is not None


def test_a_symbol_without_a_size() -> None:
    """Nothing is looked up where a symbol has no size, whatever was before."""
    net = tracer.loads(unet_of_autos(base=2, levels=2).replace(", W: 512}", "}"))
    for h in range(64, 70):
        net.trace(H=h, W=h)
    assert [d.code for d in net.trace(H=66).diagnostics] == ["T201"]


def test_threads_share_what_is_known() -> None:
    """Traces of several threads are those of one."""
    net = tracer.loads(unet_of_autos(base=2, levels=2))
    sizes = [{"H": 64 + 5 * i, "W": 64 + 3 * (i % 17)} for i in range(60)]
    found: list[dict[int, Trace]] = [{} for _ in range(4)]

    def trace_all(number: int) -> None:
        order = list(range(len(sizes)))
        Random(number).shuffle(order)
        for i in order:
            found[number][i] = net.trace(**sizes[i])

    threads = [threading.Thread(target=trace_all, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for i, own in enumerate(sizes):
        planned = long_way(net, {"N": 1, **own})
        for traces in found:
            assert list(traces[i].by_index) == list(planned.by_index)
            assert traces[i].ops == planned.ops


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes and operations are forgotten where they are many; what is answered stays right."""
    monkeypatch.setattr(recurring, "CLASSES", 3)
    monkeypatch.setattr(recurring, "OPERATIONS", 50)
    net = tracer.loads(unet_of_autos(base=2, levels=2))
    for n in (*range(64, 90), *range(64, 90)):
        compared(net, {"N": 1, "H": n, "W": n})

    kept = net._recurring
    assert kept is not None
    assert len(kept._ops) <= 1 + 50 // len(net.network.nodes)
    for group in kept.groups:
        assert all(len(repeating.classes) <= 3 for repeating in group._repeating)


# --- what stays the same from period to period --------------------------------------------------------------------

UNKNOWNS = {"x": range(3), "y": range(-1, 2)}


def drawn_size(r: Random, space: Space, symbols: list[str], depth: int) -> Any:
    """A size of the kinds that formulas make."""
    if not depth:
        name = r.choice([*symbols, *symbols, *UNKNOWNS, ""])
        return space.symbol(name) if name else r.randint(-3, 9)

    def part() -> Any:
        return drawn_size(r, space, symbols, depth - 1)

    kind = r.randrange(7)
    if kind < 3:
        return part() * r.choice([1, 1, 2, 3]) + part() * r.choice([1, -1, 2])
    if kind < 5:
        return (part() + r.randint(-2, 3)) // r.choice([2, 2, 3])
    if kind == 5:
        return minimum(part(), part())
    return choose(drawn_condition(r, space, symbols, depth - 1), part(), part())


def drawn_condition(r: Random, space: Space, symbols: list[str], depth: int) -> Any:
    a, b = drawn_size(r, space, symbols, depth), drawn_size(r, space, symbols, depth)
    if r.random() < 0.6:
        # Down by a stride and up again, beside what was there before.
        stride = r.choice([2, 3, 4])
        a, b = (
            (b + r.randint(0, 2)) // stride * stride + space.symbol("x"),
            b + space.symbol("y"),
        )
    holds = r.choice([a == b, a >= b, a != b, a >= b + 5])
    if r.random() < 0.2:
        other = a + b >= r.randint(0, 20)
        return r.choice([holds | other, holds & other])
    return holds


def truths(condition: Condition, sizes: Mapping[str, int]) -> list[bool]:
    """A condition's truth for all values of the unknowns."""
    found = []
    for values in itertools.product(*UNKNOWNS.values()):
        (holds,) = substitute([condition], {**sizes, **dict(zip(UNKNOWNS, values))})
        found.append(bool(holds))
    return found


@counted(lambda seen: min(seen["even"], seen["certain"], seen["not shown"]) > 40)
@settings(max_examples=250)
@given(st.integers(0, 10**9))
def test_what_lasts_is_so_for_every_value(seen: Counter[str], seed: int) -> None:
    """A condition that is said to last has the same truths from its least sizes on, whole periods further."""
    r = Random(seed)
    space = Space()
    symbols = ["m", "n"]
    condition = drawn_condition(r, space, symbols, r.randint(1, 3))
    assume(isinstance(condition, Condition))

    sizes = {symbol: r.choice([r.randint(1, 12), r.randint(1, 60)]) for symbol in symbols}
    course = Course(space, sizes, UNKNOWNS)
    if not course.lasts(condition):
        seen["not shown"] += 1
        return

    periods = course.periods(symbols)
    least = course.least(symbols, periods)
    wanted = truths(condition, sizes)
    for steps in itertools.product((0, 1, 2, 5), repeat=2):
        further = [n + step * period for n, step, period in zip(least, steps, periods)]
        assert truths(condition, dict(zip(symbols, further))) == wanted, (condition, further)
    seen["certain" if len(set(wanted)) == 1 else "even"] += 1


def test_a_size_that_nothing_is_known_of() -> None:
    """A product of two symbols grows unevenly, and so does an unknown times a symbol."""
    space = Space()
    m, n, x = map(space.symbol, ("m", "n", "x"))
    course = Course(space, {"m": 9, "n": 9}, UNKNOWNS)
    for size in (m * n, n * x, n // x):
        assert isinstance(size, Size) and course.size(size).slopes is None
    assert course.size(x * x // 2).slopes == {}
