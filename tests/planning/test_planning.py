"""Plans against trying everything: values, costs, counts, and what serves every promised size."""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tracer
from tests.drawn.counted import counted, each
from tests.drawn.networks import Drawn, networks_to_solve
from tests.drawn.torch_network import run
from tests.shapes.test_networks import filled, has_empty_output, slots_of, solutions
from tracer.network.records import SizeRange
from tracer.planning.promises import first_missing, members, promised_set
from tracer.planning.search import TooManyValues, Variable, solve
from tracer.planning.solution import Solution
from tracer.planning.solving import plan_one
from tracer.shapes.trace import trace
from tracer.sizing.program import substitute
from tracer.sizing.size_set import EVERY, SizeSet
from tracer.sizing.symbol import Condition, Space


@counted(each("0", "1", "several", one_in=20))
@given(networks_to_solve().filter(lambda drawn: "auto" in drawn.text))
def test_solutions_are_counted(counts: Counter[str], drawn: Drawn) -> None:
    """The count of assignments is that of trying all of them, whatever the search has cut off."""
    try:
        net = tracer.loads(drawn.text)
    except tracer.TracerError:  # an argument that is wrong with any values and sizes
        assume(False)
    found = net.solution(drawn.sizes)
    # The values tried here for output_padding go further than torch's, which refuses the rest.
    count = sum(1 for _ in solutions(net, drawn.sizes))
    if found.solved and trace(net.network, drawn.sizes, found.ops).diagnostics:
        assert not count, (drawn, found)  # what is wrong is wrong with all values
    else:
        assert found.solutions == count, (drawn, found)
    counts["several" if count > 1 else str(count)] += 1


NODE: Any = SimpleNamespace(index=0)
"""Whose condition it is does not matter here."""


# --- the search itself -------------------------------------------------------------------------------------------


@st.composite
def systems(draw: st.DrawFn) -> tuple[Space, dict[str, Variable], list[Any]]:
    """A few unknowns and conditions on sizes made of them."""
    space = Space()
    count = draw(st.integers(1, 5))
    variables = {}
    for i in range(count):
        least = draw(st.integers(-2, 2))
        domain = range(least, least + draw(st.integers(1, 4)))
        variables[f"x{i}"] = Variable(f"x{i}", domain, draw(st.integers(-1, 3)))
    symbols = [space.symbol(name) for name in variables]
    conditions = []
    for _ in range(draw(st.integers(0, 5))):
        size: Any = draw(st.integers(-3, 6))
        for symbol in draw(st.lists(st.sampled_from(symbols), min_size=1, max_size=3)):
            size = size * draw(st.sampled_from([1, 1, 2])) + symbol * draw(
                st.sampled_from([1, 2, -1])
            )
            if draw(st.integers(0, 3)) == 0:
                size = size // draw(st.sampled_from([2, 3]))
            if draw(st.integers(0, 5)) == 0 and not isinstance(size, int):
                size = size * draw(st.sampled_from(symbols))
        target = draw(st.integers(-4, 9))
        holds = draw(
            st.sampled_from([size == target, size >= target, size != target, size <= target])
        )
        if draw(st.integers(0, 4)) == 0:
            holds = holds | (symbols[0] >= draw(st.integers(-1, 2)))
        conditions.append(holds)
    return space, variables, conditions


@counted(each(True, False, one_in=8))
@given(systems())
def test_the_search_finds_what_trying_finds(
    feasible: Counter[bool], system: tuple[Space, dict[str, Variable], list[Any]]
) -> None:
    """Least cost, ties to the first unknown's nearest value, the number of solutions, and all of them."""
    space, variables, conditions = system
    assume(all(not isinstance(c, bool) for c in conditions))
    fit = []
    for chosen in itertools.product(*(v.cheapest_first() for v in variables.values())):
        values = dict(zip(variables, chosen))
        if all(substitute(conditions, values)):
            fit.append(values)
    found = solve(space, variables, [(c, NODE) for c in conditions])
    feasible[bool(fit)] += 1
    assert found.solutions == len(fit)

    def distances(values: dict[str, int]) -> tuple[int, list[int]]:
        each = [abs(values[name] - v.default) for name, v in variables.items()]
        return sum(each), each

    if not fit:
        assert found.values is None
        return
    assert found.values is not None and distances(found.values)[0] == min(
        distances(f)[0] for f in fit
    )
    costs = [distances(f)[0] for f in fit]
    is_only = costs.count(min(costs)) == 1
    assert all(group.is_unrivalled() for group in found.groups) == is_only
    every = [tuple(sorted(values.items())) for values in found.assignments()]
    assert sorted(every) == sorted(tuple(sorted(f.items())) for f in fit)


def test_a_chain_without_merges_is_solved_at_once() -> None:
    """Thirty unknowns that add up: two to the thirty combinations, some hundred states."""
    space = Space()
    variables = {f"x{i}": Variable(f"x{i}", range(2), 0) for i in range(30)}
    size: Any = 1
    for name in variables:
        size = size * 2 + space.symbol(name)
    target = 2**30 + random.Random(1).randrange(2**30)
    found = solve(space, variables, [(size == target, NODE)])
    assert found.solutions == 1 and found.values is not None
    assert 2**30 + int("".join(str(found.values[name]) for name in variables), 2) == target
    never = solve(space, variables, [((size * 2) // 2 == 2**31, NODE)])
    assert never.values is None


def test_a_search_out_of_bounds_is_told() -> None:
    """Unknowns that stay tied in every combination are refused, not answered wrongly."""
    space = Space()
    variables = {f"x{i}": Variable(f"x{i}", range(1, 61), 1) for i in range(6)}
    product: Any = 1
    for name in variables:
        product = product * space.symbol(name)
    with pytest.raises(TooManyValues):
        solve(space, variables, [(product == 10**9 + 7, NODE)])


# --- the arguments of a layer --------------------------------------------------------------------------------------


ARGUMENTS = {"kernel_size": (1, 4), "stride": (1, 3), "padding": (0, 2), "dilation": (1, 2)}


@st.composite
def layers_to_fit(draw: st.DrawFn) -> str:
    """A layer or two in 1d to 3d, with autos of any argument, per axis too, and an output that may not be met."""
    axes, combinations, lines = draw(st.integers(1, 3)), 300, []

    def value(field: str, values: int) -> str:
        """A number, or an auto that stands for so many of them."""
        nonlocal combinations
        least = draw(st.integers(*ARGUMENTS[field]))
        most = draw(st.integers(least, ARGUMENTS[field][1]))
        count = (most - least + 1) ** values
        if draw(st.booleans()) or count > combinations:
            return str(least)
        combinations //= count
        return f"auto({least}..{most})"

    for i in range(draw(st.integers(1, 2))):
        op = draw(st.sampled_from(["Conv", "ConvTranspose", "MaxPool", "AvgPool"]))
        parts = [f"op: {op}{axes}d", *(["out_channels: 1"] if "Conv" in op else [])]
        for field in ARGUMENTS:
            if (op == "AvgPool" and field == "dilation") or (
                field != "kernel_size" and draw(st.booleans())
            ):
                continue
            each = axes > 1 and draw(st.booleans())
            text = (
                f"[{', '.join(value(field, 1) for _ in range(axes))}]"
                if each
                else value(field, axes)
            )
            parts.append(f"{field}: {text}")
        if op == "MaxPool" and combinations >= 2 and draw(st.booleans()):
            combinations //= 2
            parts.append("ceil_mode: auto")
        if op == "ConvTranspose" and combinations >= 3**axes and draw(st.booleans()):
            combinations //= 3**axes
            parts.append("output_padding: auto")
        lines.append(f"  l{i}: {{{', '.join(parts)}}}")
    wanted = draw(
        st.lists(
            st.sampled_from([*["_"] * 16, *map(str, range(1, 9))]), min_size=axes, max_size=axes
        )
    )
    have = draw(st.lists(st.integers(3, 12), min_size=axes, max_size=axes))
    lines.append(f"  end: {{op: Identity, expect: [1, 1, {', '.join(wanted)}]}}")
    return f"input: [1, 1, {', '.join(map(str, have))}]\nlayers:\n" + "\n".join(lines) + "\n"


def distances(slots: Any, values: Any) -> list[int]:
    """From torch's defaults; a pool's stride is its kernel's size, where that is known."""
    found = []
    for (node, field, axis), value in zip(slots, values):
        default = 0 if field in ("padding", "output_padding", "ceil_mode") else 1
        if (
            field == "stride"
            and "Pool" in node.op_name
            and not any(n is node and f == "kernel_size" for n, f, _ in slots)
        ):
            kernel = node.op.kernel_size
            default = kernel[axis] if isinstance(kernel, tuple) else kernel
        found.append(abs(value - default))
    return found


def chosen_by(slots: Any, assignments: Any) -> tuple[int, ...]:
    """An assignment's value for every slot."""
    return tuple(int(assignments[f"{node.name}.{field}"][axis]) for node, field, axis in slots)


def is_legal(slots: Any, ops: Any) -> bool:
    return all(r.holds for node in {slot[0] for slot in slots} for r in ops[node.index].legal())


@counted(each(True, False, over=5))
@given(layers_to_fit().filter(lambda text: "auto" in text))
def test_any_argument_is_solved(feasible: Counter[bool], text: str) -> None:
    """Of layers with autos of any kind: feasible, the values, their cost and count are those of trying all.

    What is found runs in torch.
    """
    try:
        net = tracer.loads(text)
    except tracer.TracerError:  # a layer that no values make
        return
    slots = slots_of(net)
    fit = []
    for chosen in itertools.product(*slots.values()):
        ops = filled(net, dict(zip(slots, chosen)))
        if is_legal(slots, ops) and not trace(net.network, {}, ops).diagnostics:
            fit.append(distances(slots, chosen))
    plan = net.solution({})
    closes = plan.solved and not trace(net.network, {}, plan.ops).diagnostics
    feasible[closes] += 1
    assert closes == bool(fit), (text, plan, len(fit))
    if not fit:
        assert {d.code for d in plan.diagnostics} == (set() if plan.solved else {"T401"}), plan
        return
    assert plan.solutions == len(fit) or plan.capped, (text, plan, len(fit))
    best = min(fit, key=lambda each: (sum(each), each))
    found = distances(slots, chosen_by(slots, plan.assignments))
    assert (plan.cost, found) == (sum(best), best), (text, plan.assignments)
    mine = net.trace()
    if not has_empty_output(mine):
        torchs = run(net, {}, plan.ops)
        assert not torchs.refused and torchs.shapes == dict(mine.shapes), (
            text,
            plan.assignments,
            torchs.refused,
        )


# --- where an auto stands ------------------------------------------------------------------------------------------

BLOCKS = """
input: [1, 4, 13, 26]
blocks:
  up:
    args: {extra: DEFAULT}
    inputs: [below, skip]
    layers:
      up: {op: ConvTranspose2d, from: below, out_channels: 4, kernel_size: 2, stride: 2, output_padding: TEXT}
      add: {op: Add, from: [up, skip]}
encoder:
  p1: {op: MaxPool2d, kernel_size: 2}
  p2: {op: MaxPool2d, kernel_size: 2}
decoder:
  d2: {op: up, from: [p2, p1], USE}
  d1: {op: up, from: [d2, input], USE}
"""


@pytest.mark.parametrize(
    ("default", "text", "use", "found"),
    [
        ("0", "auto", "", None),  # one unknown for both uses
        (
            "auto",
            '"${extra}"',
            "",
            {"d2.up.output_padding": (0, 1), "d1.up.output_padding": (1, 0)},
        ),
        (
            "0",
            '"${extra}"',
            "extra: auto",
            {"d2.up.output_padding": (0, 1), "d1.up.output_padding": (1, 0)},
        ),
        (
            "0",
            '["${extra}", auto]',
            "extra: auto",
            {"d2.up.output_padding": (0, 1), "d1.up.output_padding": (1, 0)},
        ),
    ],
    ids=["block", "default", "argument", "list"],
)
def test_an_auto_in_a_block(default: str, text: str, use: str, found: Any) -> None:
    """Written in the block it is one for all uses; through an argument, default or not, it is one for each."""
    net = tracer.loads(
        BLOCKS.replace("DEFAULT", default).replace("TEXT", text).replace("USE", use)
    )
    plan = tracer.plan(net)
    assert (plan.assignments if plan.feasible else None) == found
    if found is None:
        assert [d.code for d in plan.diagnostics] == ["T401"]


def test_copies_share_what_is_written_once() -> None:
    """The auto of a repeated layer is one value, as its text can hold only one."""
    text = (
        "input: [1, 2, 5]\nlayers:\n"
        "  u: {op: ConvTranspose1d, out_channels: 2, kernel_size: 2, stride: 2, repeat: 2, "
    )
    assert tracer.plan(
        tracer.loads(text + "output_padding: auto, expect: [1, 2, 23]}\n")
    ).assignments == {
        "u.0.output_padding": (1,),
        "u.1.output_padding": (1,),
    }
    assert not tracer.plan(
        tracer.loads(text + "output_padding: auto, expect: [1, 2, 22]}\n")
    ).feasible


def test_dense_skips_and_merges_of_three() -> None:
    """A nested U-Net of depth 3 whose sizes are odd at every level."""
    text = """
input: [1, 2, 27, 30]
encoder:
  x00: {op: Conv2d, out_channels: 2, kernel_size: 3, padding: 1}
  x10: {op: MaxPool2d, kernel_size: 2}
  x20: {op: MaxPool2d, kernel_size: 2}
decoder:
  u01: {op: ConvTranspose2d, from: x10, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  x01: {op: Concat, from: [u01, x00]}
  u11: {op: ConvTranspose2d, from: x20, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  x11: {op: Concat, from: [u11, x10]}
  u02: {op: ConvTranspose2d, from: x11, out_channels: 2, kernel_size: 2, stride: 2, output_padding: auto}
  x02: {op: Concat, from: [u02, x00, x01], expect: [1, 8, 27, 30]}
"""
    net = tracer.loads(text)
    plan = tracer.plan(net)
    assert plan.assignments == {
        "u01.output_padding": (1, 0), "u11.output_padding": (1, 1), "u02.output_padding": (1, 0)
    }  # fmt: skip
    assert plan.solutions == 1 and run(net, {}).shapes == dict(net.trace().shapes)


# --- every promised size -------------------------------------------------------------------------------------------


@given(st.integers(0, 40), st.none() | st.integers(0, 90), st.integers(1, 12), st.data())
def test_promises_against_counting(
    least: int, more: int | None, step: int, data: st.DataObject
) -> None:
    """The first promised size that a set lacks is found by counting too."""
    promise = SizeRange(least, None if more is None else least + more, step)
    start = data.draw(st.integers(0, 50))
    modulus = data.draw(st.sampled_from([1, 2, 3, 4, 8, 12]))
    residues = data.draw(
        st.sets(st.integers(0, modulus - 1), min_size=1) | st.just(set(range(modulus)))
    )
    finite = data.draw(st.sets(st.integers(0, max(start - 1, 0))) | st.just(set(range(start))))
    served = SizeSet(
        tuple(sorted(n for n in finite if n < start)), start, modulus, tuple(sorted(residues))
    )
    listed = list(itertools.takewhile(lambda n: n < 400, members(promise)))
    assert first_missing(promise, served) == next((n for n in listed if n not in served), None)
    assert first_missing(promise, EVERY) is None
    if promise.largest is None:
        assert [n for n in range(400) if n in promised_set(promise)] == listed


@st.composite
def promising(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[str, int]]:
    """A network to solve, with one symbol's size as a set."""
    drawn = draw(networks_to_solve().filter(lambda d: "auto" in d.text and d.sizes))
    symbol = draw(st.sampled_from(sorted(drawn.sizes)))
    n = drawn.sizes[symbol]
    text = re.sub(
        r", expect: \[[^\]]*\]", "", drawn.text
    )  # the end's sizes are those of one input
    step = draw(st.sampled_from([1, 2, 4, 8]))
    promise = draw(
        st.just({"min": n, "max": n + step * draw(st.integers(1, 3)), "step": step})
        | st.lists(st.integers(max(n - 3, 1), n + 5), min_size=2, max_size=3, unique=True)
    )
    return text, {symbol: promise}, {s: m for s, m in drawn.sizes.items() if s != symbol}


@counted(each("one for all", "none for one", over=5))
@given(promising())
def test_one_assignment_for_all_promised_sizes(
    kinds: Counter[str], drawn: tuple[str, dict[str, Any], dict[str, int]]
) -> None:
    """It is found iff trying every assignment at every size finds one, with the least cost; T402 only where none is.

    T401 or T305 is told where some size has no values at all.
    """
    text, promises, fixed = drawn
    sizes = {**fixed, **promises}
    try:
        net = tracer.loads(f"{text}sizes: {sizes}\n".replace("'", ""))
    except tracer.TracerError:  # a layer that fits no input
        return
    ((symbol, promise),) = promises.items()
    wanted = (
        promise
        if isinstance(promise, list)
        else range(promise["min"], promise["max"] + 1, promise["step"])
    )
    serving: dict[int, set[tuple[int, ...]]] = {}
    slots = slots_of(net)
    for n in wanted:
        serving[n] = set()
        for chosen in itertools.product(*slots.values()):
            ops = filled(net, dict(zip(slots, chosen)))
            legal = all(
                r.holds for node in {s[0] for s in slots} for r in ops[node.index].legal()
            )  # type: ignore[union-attr]
            if legal and not trace(net.network, {**fixed, symbol: n}, ops).diagnostics:
                serving[n].add(chosen)
    common = set.intersection(*serving.values())
    plan = net.solution()
    codes = [d.code for d in plan.diagnostics]
    if common:
        defaults = [
            0 if field in ("padding", "output_padding", "ceil_mode") else 1
            for _, field, _ in slots
        ]
        least = min(sum(abs(v - d) for v, d in zip(c, defaults)) for c in common)
        assert plan.solved and plan.cost == least, (drawn, plan)
        assert plan.capped or plan.solutions == len(common), (drawn, plan.solutions, common)
        kinds["one for all"] += 1
    elif all(serving.values()):
        assert codes == ["T402"], (drawn, plan, serving)
        for one in plan.served:
            for n in wanted:
                if n in one.sizes[symbol]:
                    assert serving[n]
        assert {n for n in wanted if any(n in one.sizes[symbol] for one in plan.served)} == set(
            wanted
        )
        kinds["none for all"] += 1
    else:
        assert fails_somewhere(net, plan), (drawn, plan, serving)
        kinds["none for one"] += 1


def fails_somewhere(net: tracer.Net, plan: Solution) -> bool:
    """Whether a plan says that some size has no values, or fails at the first sizes whatever the values are."""
    if plan.solved:
        return bool(trace(net.network, net.network.defaults(), plan.ops).diagnostics)
    codes = {d.code for d in plan.diagnostics}
    return codes <= {"T401"} or codes in ({"T305"}, {"T006"})


FIRST = 60
"""So many sizes of a promise without end are tried: more than the strides drawn have residues."""


@st.composite
def endless(draw: st.DrawFn) -> tuple[str, int, int]:
    """Down and up again with autos, for sizes without end: the least, and the step."""
    levels = draw(st.integers(1, 3))
    downs = [
        "MaxPool1d, kernel_size: 2",
        "MaxPool1d, kernel_size: 2, ceil_mode: true",
        "MaxPool1d, kernel_size: 2, ceil_mode: auto",
        "Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1",
        "Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: auto(0..1)",
    ]
    ups = [
        "kernel_size: 2, stride: 2",
        "kernel_size: 2, stride: 2, output_padding: auto",
        "kernel_size: 2, stride: auto(1..3)",
        "kernel_size: auto(1..4), stride: 2",
        "kernel_size: 3, stride: 2, padding: 1, output_padding: auto",
        "kernel_size: 3, stride: 2, padding: auto(0..1), output_padding: auto(0..1)",
    ]
    lines = [f"  d{i}: {{op: {draw(st.sampled_from(downs))}}}" for i in range(levels)]
    for i in reversed(range(levels)):
        op, align = (
            draw(st.sampled_from(["Concat", "Add"])),
            draw(st.sampled_from(["", "", "", ", align: crop"])),
        )
        lines.append(
            f"  u{i}: {{op: ConvTranspose1d, out_channels: 1, {draw(st.sampled_from(ups))}}}"
        )
        lines.append(
            f"  m{i}: {{op: {op}, from: [u{i}, {f'd{i - 1}' if i else 'input'}]{align}}}"
        )
    step = draw(st.sampled_from([1, 2, 2**levels, 2**levels, 2**levels, 12]))
    return (
        "input: [1, 1, L]\nlayers:\n" + "\n".join(lines) + "\n",
        draw(st.integers(1, 24)),
        step,
    )


@pytest.mark.slow
@counted(each("one for all", "none for all", "none for one", over=1))
@settings(max_examples=3 * settings.default.max_examples)
@given(endless().filter(lambda drawn: "auto" in drawn[0]))
def test_one_assignment_for_sizes_without_end(
    kinds: Counter[str], drawn: tuple[str, int, int]
) -> None:
    """What is proven for all sizes holds for the first ones, and where nothing is found, trying finds nothing either.

    Which assignment serves which sizes (T402) is what each size says.
    """
    text, least, step = drawn
    try:
        net = tracer.loads(f"{text}sizes: {{L: {{min: {least}, step: {step}}}}}\n")
    except tracer.TracerError:  # a layer that fits no input
        return
    slots = slots_of(net)
    assume(math.prod(len(domain) for domain in slots.values()) <= 64)
    wanted = range(least, least + step * FIRST, step)
    serving: dict[tuple[int, ...], set[int]] = {}
    for chosen in itertools.product(*slots.values()):
        ops = filled(net, dict(zip(slots, chosen)))
        legal = is_legal(slots, ops)
        serving[chosen] = {
            n for n in wanted if legal and not trace(net.network, {"L": n}, ops).diagnostics
        }
    common = [chosen for chosen, served in serving.items() if len(served) == FIRST]
    plan = net.solution()
    if common:
        best = min(
            (distances(slots, chosen) for chosen in common), key=lambda each: (sum(each), each)
        )
        assert plan.solved and plan.cost == sum(best), (drawn, plan, common)
        assert chosen_by(slots, plan.assignments) in common, (drawn, plan, common)
        assert plan.capped or plan.solutions == len(common), (drawn, plan, common)
        kinds["one for all"] += 1
        return
    every = set().union(*serving.values()) == set(wanted)
    if every:
        assert [d.code for d in plan.diagnostics] == ["T402"], (drawn, plan)
    else:
        assert fails_somewhere(net, plan), (drawn, plan)
    kinds["none for all" if every else "none for one"] += 1
    for one in plan.served:
        served = {n for n in wanted if n in one.sizes["L"]}
        assert served == serving[chosen_by(slots, one.assignments)], (drawn, one)


def family(levels: int, size: str) -> str:
    """k3 s2 p1 convolutions down, transposed ones up, skips concatenated."""
    lines = [
        f"  d{i}: {{op: Conv1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1}}"
        for i in range(levels)
    ]
    for i in reversed(range(levels)):
        layer = "op: ConvTranspose1d, out_channels: 1, kernel_size: 3, stride: 2, padding: 1, output_padding: auto"
        lines += [
            f"  u{i}: {{{layer}}}",
            f"  m{i}: {{op: Concat, from: [u{i}, {f'd{i - 1}' if i else 'input'}]}}",
        ]
    return f"input: [1, 1, L]\nsizes: {{L: {size}}}\nlayers:\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_each_vector_serves_one_class(levels: int) -> None:
    """All sizes from 2^L on: T402 with 2^L assignments, each for one residue; one class alone is served, and proven."""
    period = 2**levels
    plan = tracer.loads(family(levels, f"{{min: {period + 1}}}")).solution()
    assert [d.code for d in plan.diagnostics] == ["T402"] and len(plan.served) == period
    residues = [one.sizes["L"].residues for one in plan.served]
    assert sorted(r for (r,) in residues) == list(range(period)) and {
        one.sizes["L"].modulus for one in plan.served
    } == {period}
    for residue in range(1, period + 1):
        plan = tracer.loads(
            family(levels, f"{{min: {period + residue}, step: {period}}}")
        ).solution()
        bits = [((residue - 1) >> level) & 1 for level in range(levels)]
        assert plan.solved and plan.solutions == 1
        assert [plan.assignments[f"u{i}.output_padding"] for i in range(levels)] == [
            (bit,) for bit in bits
        ]


# --- the words of a refusal ------------------------------------------------------------------------------------------


@st.composite
def near_misses(draw: st.DrawFn) -> str:
    """A U-Net whose up-layers may fall short of their skips."""
    levels = draw(st.integers(1, 4))
    lines = [
        f"  d{i}: {{op: MaxPool1d, kernel_size: {draw(st.sampled_from([2, 2, 3]))}}}"
        for i in range(levels)
    ]
    for i in reversed(range(levels)):
        kernel, stride = draw(st.sampled_from([1, 2, 3, 4])), draw(st.sampled_from([2, 2, 3]))
        also = draw(st.sampled_from(["", ", padding: auto(0..1)"]))
        sizes = f"kernel_size: {kernel}, stride: {stride}{also}, output_padding: auto"
        layer = f"op: ConvTranspose1d, out_channels: 1, {sizes}"
        lines.append(f"  u{i}: {{{layer}}}")
        lines.append(f"  m{i}: {{op: Concat, from: [u{i}, {f'd{i - 1}' if i else 'input'}]}}")
    return f"input: [1, 1, {draw(st.integers(40, 90))}]\nlayers:\n" + "\n".join(lines) + "\n"


@counted(lambda told: told[True] > 10 * told[False] and told[True] > 20)
@given(near_misses())
def test_t401_tells_true_numbers(told: Counter[bool], text: str) -> None:
    """What a layer is said to make is what it can make, and reaches the other's size with none of its values."""
    says = re.compile(
        r": (\w+) can produce (\d+)(?: to (\d+))? from (\d+), but `(\w+)` has (\d+)\. (?:That|With)"
    )

    net = tracer.loads(text)
    plan = plan_one(net.network, {})
    if plan.solved:
        return
    (diagnostic,) = plan.diagnostics
    match = says.search(diagnostic.message)
    told[match is not None] += 1
    if match is None:
        return
    layer, least, most, source, other, wanted = match.groups()
    node, slots = net.network.names[layer], slots_of(net)
    made, theirs = set(), set()
    for chosen in itertools.product(*slots.values()):
        ops = filled(net, dict(zip(slots, chosen)))
        if all(r.holds for n in {s[0] for s in slots} for r in ops[n.index].legal()):  # type: ignore[union-attr]
            mine = trace(net.network, {}, ops)
            (x,), y = mine.input_shapes(node), mine.shapes[layer]
            if x is not None and y is not None and x[-1] == int(source):
                made.add(y[-1])
                theirs.add((mine.shapes[other] or (0,))[-1])
    assert (min(made), max(made)) == (int(least), int(most or least)), (text, diagnostic, made)
    assert theirs == {int(wanted)} and int(wanted) not in made, (text, diagnostic)


def test_a_backend_may_give_nothing() -> None:
    """has_empty_output says where torch's answer depends on its backend; a plan does not rely on it for one item."""
    layer = (
        "{op: ConvTranspose1d, out_channels: 1, kernel_size: 2, stride: 2, padding: auto(1..2)}"
    )
    net = tracer.loads(f"input: [1, 1, 1]\nlayers:\n  u: {layer}\n")
    assert not net.solution({}).solved and not has_empty_output(net.trace())


def test_conditions_that_are_numbers() -> None:
    """A condition without unknowns is decided when it is made."""
    space = Space()
    assert not isinstance(space.symbol("x") - space.symbol("x") == 0, Condition)
