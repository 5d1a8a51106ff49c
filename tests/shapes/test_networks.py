"""Random networks against real torch: every node's shape, and every refusal at the node where torch refuses.

Later traces go through the compiled recipe, and many sizes at once through arrays: both against ints.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

import tracer
from tests.drawn.counted import counted, each
from tests.drawn.networks import Drawn, networks, networks_to_solve
from tests.drawn.torch_network import run
from tracer.network.records import Node
from tracer.ops.base import Op, value_count, with_arguments
from tracer.shapes.recipe import recipe_of
from tracer.shapes.trace import Trace, trace


def has_empty_output(mine: Trace) -> bool:
    """A transposed convolution gives nothing: whether torch takes that depends on the backend it chooses."""
    return any(
        "ConvTranspose" in node.op_name and 0 in (mine.shapes[node.name] or ())
        for node in mine.network.nodes
    )


@given(networks())
def test_every_shape_and_refusal_is_torchs(drawn: Drawn) -> None:
    """Every node has torch's shape, or has none because torch refuses it or something before it.

    What torch refuses is told once, at that node; nothing else is told but expectations, which torch doesn't know.
    """
    net = tracer.loads(drawn.text)
    mine = net.trace(**drawn.sizes)
    # Whether a transposed convolution may give nothing depends on the backend that torch takes.
    assume(
        not any(
            "ConvTranspose" in node.op_name and 0 in (mine.shapes[node.name] or ())
            for node in net.network.nodes
        )
    )
    torchs = run(net, drawn.sizes)
    assert dict(mine.shapes) == torchs.shapes, (drawn, torchs.refused, mine.diagnostics)
    told = [d.message.split(":")[0] for d in mine.diagnostics if d.code != "T304"]
    assert told == list(torchs.refused), (drawn, torchs.refused, mine.diagnostics)
    event(f"refused {min(len(torchs.refused), 2)}, nodes {len(mine.shapes) // 8 * 8}+")


sizes = (
    st.integers(1, 70)
    | st.integers(0, 9)
    | st.sampled_from([0, 512, 1000, 2**31, 2**40, 2**63 - 1])
)


@counted(
    lambda answered: (
        answered["recipe"] > 2 * answered["undecided"]
        and answered["recipe"] * 5 > answered.total()
    )
)
@given(networks(), st.data())
def test_later_traces_equal_the_first(
    answered: Counter[str], drawn: Drawn, data: st.DataObject
) -> None:
    """A loaded network's later traces, by the recipe, give what a fresh trace on ints gives, diagnostics included."""
    net = tracer.loads(drawn.text)
    net.trace(**drawn.sizes)
    for _ in range(4):
        some = {
            symbol: data.draw(st.just(n) | st.integers(n, n + 9) | sizes)
            for symbol, n in drawn.sizes.items()
        }
        later, fresh = net.trace(**some), trace(net.network, some)
        assert dict(later.shapes) == dict(fresh.shapes), (some, drawn)
        assert later.diagnostics == fresh.diagnostics, (some, drawn)
        answered[
            "ints" if fresh.diagnostics else "recipe" if by_recipe(net, some) else "undecided"
        ] += 1


def by_recipe(net: tracer.Net, some: dict[str, int]) -> bool:
    """Whether the recipe answers for these sizes, so that the comparison is one."""
    recipe = net._compiled
    return recipe is not None and recipe.apply(some) is not None


# Both ask more of a symbol than of a number: see their docstrings.
STRICTER = ("Squeeze", "PixelUnshuffle")


@counted(each(True, False, one_in=8))
@given(networks(), st.data())
def test_all_sizes_at_once_equal_each(
    judged: Counter[bool], drawn: Drawn, data: st.DataObject
) -> None:
    """The conditions on an array of sizes hold where the trace on ints finds nothing, and shapes are the same."""
    net = tracer.loads(drawn.text)
    if not drawn.sizes:
        return
    symbol = data.draw(st.sampled_from(sorted(drawn.sizes)))
    fixed = {name: n for name, n in drawn.sizes.items() if name != symbol}
    recipe = recipe_of(net.network, [node.op for node in net.network.nodes], fixed)
    tried = [
        *range(25),
        drawn.sizes[symbol],
        *data.draw(st.lists(st.integers(25, 200), max_size=4)),
    ]
    traces = [trace(net.network, {**fixed, symbol: n}) for n in tried]
    if not recipe.sound:
        strict = any(op in drawn.text for op in STRICTER)
        assert recipe.failed is None or strict or all(t.diagnostics for t in traces), (
            recipe.failed,
            drawn,
        )
        return
    conditions = [recipe.program.watch(condition) for condition, _ in recipe.conditions]
    slots = [[recipe.program.slot(d) for d in shape] for shape in recipe.unique]
    v = recipe.program.run(
        {name: numpy.full(len(tried), n) for name, n in fixed.items()}
        | {symbol: numpy.array(tried)}
    )
    holds = numpy.ones(len(tried), bool)
    for condition in conditions:
        holds &= recipe.program.truth(condition, v)
    for i, one in enumerate(traces):
        judged[bool(holds[i])] += 1
        if holds[i] or not any(op in drawn.text for op in STRICTER):
            assert bool(holds[i]) == (not one.diagnostics), (
                symbol,
                tried[i],
                drawn,
                one.diagnostics,
            )
        if holds[i]:
            for node, index in zip(net.network.nodes, recipe.shape_of):
                got = tuple(
                    int(numpy.broadcast_to(v[slot], len(tried))[i]) for slot in slots[index]
                )
                assert got == one.shapes[node.name], (symbol, tried[i], node, drawn)


Slot = tuple[Node, str, int]
"""One integer to find: of a node's argument, on one axis."""


def slots_of(net: tracer.Net) -> dict[Slot, range]:
    """Every integer that an ``auto`` leaves open, with the values to try: for output_padding more than torch takes."""
    found: dict[Slot, range] = {}
    for node in net.network.nodes:
        for unknown in node.unknowns:
            axes = (
                range(value_count(node.op, unknown.field))
                if unknown.axis is None
                else (unknown.axis,)
            )
            domain = (
                range(4) if unknown.least is None else range(unknown.least, unknown.largest + 1)
            )
            for axis in axes if unknown.field != "ceil_mode" else (0,):
                found[node, unknown.field, axis] = (
                    range(2) if unknown.field == "ceil_mode" else domain
                )
    return found


def filled(net: tracer.Net, values: Mapping[Slot, int]) -> list[Op | None]:
    """The operations with these values."""
    ops = [node.op for node in net.network.nodes]
    for (node, field, axis), value in values.items():
        op = ops[node.index]
        if field == "ceil_mode":
            ops[node.index] = with_arguments(op, {field: bool(value)})
            continue
        per_axis = getattr(op, field)
        per_axis = list(
            per_axis if isinstance(per_axis, tuple) else (per_axis,) * value_count(op, field)
        )
        per_axis[axis] = value
        ops[node.index] = with_arguments(
            op, {field: tuple(per_axis) if len(per_axis) > 1 else value}
        )
    return ops


def solutions(
    net: tracer.Net, sizes: dict[str, int]
) -> Iterator[tuple[int, list[int], list[Op | None]]]:
    """Every assignment with which the network runs: its cost, the distances from torch's defaults, the operations.

    An argument without a default counts from 1.
    """
    slots = slots_of(net)
    for chosen in itertools.product(*slots.values()):
        ops = filled(net, dict(zip(slots, chosen)))
        legal = all(
            r.holds for node in {slot[0] for slot in slots} for r in ops[node.index].legal()
        )
        if legal and not trace(net.network, sizes, ops).diagnostics:
            distances = [
                value - (field in ("kernel_size", "dilation", "stride"))
                for (_, field, _), value in zip(slots, chosen)
            ]
            yield sum(distances), distances, ops


@counted(each(True, False, one_in=6))
@given(networks_to_solve().filter(lambda drawn: "auto" in drawn.text))
def test_auto_is_solved_where_a_solution_exists(feasible: Counter[bool], drawn: Drawn) -> None:
    """The planner finds values iff trying all of them does, with the least cost, ties to the first node's default.

    What it finds runs in torch. What is wrong with any values stays a finding of its own.
    """
    try:
        net = tracer.loads(drawn.text)
    except tracer.TracerError:  # an argument that is wrong with any values and sizes
        assume(False)
    best = min(solutions(net, drawn.sizes), key=lambda found: found[:2], default=None)
    plan = net.solution(drawn.sizes)
    mine = net.trace(**drawn.sizes)
    closes = plan.solved and not mine.diagnostics
    feasible[closes] += 1
    assert closes == (best is not None), (drawn, best, plan)
    if best is None:
        assert plan.solved or any(d.code == "T401" for d in mine.diagnostics), drawn
        return
    assert plan.cost == best[0], (drawn, best, plan.assignments)
    assert plan.ops == best[2], (drawn, best, plan.assignments)
    assume(not has_empty_output(mine))
    torchs = run(net, drawn.sizes, plan.ops)
    assert not torchs.refused and torchs.shapes == dict(mine.shapes), (
        drawn,
        plan.assignments,
        torchs.refused,
    )


@pytest.mark.parametrize(
    ("layer", "solved"),
    [
        # A padding of 2 needs a kernel of 4: half the kernel is the limit of every pool.
        ("{op: MaxPool2d, kernel_size: auto(2..4), padding: 2}", {"kernel_size": (4, 4)}),
        (
            "{op: MaxPool2d, kernel_size: 2, stride: 1, padding: auto(0..4), expect: [1, 1, 12, 12]}",
            None,
        ),
        (
            "{op: MaxPool2d, kernel_size: 2, stride: 1, padding: auto(0..4), expect: [1, 1, 10, 8]}",
            {"padding": (1, 0)},
        ),
        # same takes no other stride, which is judged when the module is made.
        (
            "{op: Conv2d, out_channels: 1, kernel_size: 3, padding: same, stride: auto(1..2), expect: [1, 1, 5, 5]}",
            None,
        ),
        (
            "{op: ConstantPad2d, value: 1, padding: auto(-2..3), expect: [1, 1, 11, 9]}",
            {"padding": (0, 0, 0, 2)},
        ),
    ],
)
def test_auto_keeps_to_what_torch_makes(
    layer: str, solved: dict[str, tuple[int, ...]] | None
) -> None:
    """Limits between a solved argument and the others are torch's, those of the module's making included."""
    net = tracer.loads(f"input: [1, 1, 9, 9]\nlayers:\n  a: {layer}\n")
    plan = net.solution({})
    closes = plan.solved and not net.trace().diagnostics
    assert closes == (solved is not None)
    if solved is not None:
        assert plan.assignments == {f"a.{field}": value for field, value in solved.items()}
        assert run(net, {}, plan.ops).shapes == dict(net.trace().shapes)


def test_auto_of_a_single_axis_is_a_number() -> None:
    """torch's LPPool1d takes no list."""
    net = tracer.loads(
        "input: [1, 1, 9]\nlayers:\n  a: {op: LPPool1d, norm_type: 2, kernel_size: auto(1..3), expect: [1, 1, 4]}\n"
    )
    plan = net.solution({})
    assert plan.assignments == {"a.kernel_size": (2,)}
    assert run(net, {}, plan.ops).shapes["a"] == (1, 1, 4)
