"""Floor 6: values for every ``auto``, for one set of input sizes.

Each unknown becomes a symbol, the network is traced on symbols once, and what torch requires and the config
expects becomes conditions on the unknowns. Conditions that share no unknown are solved apart (each axis for
itself). Within a part the search is complete: depth first in the order of the nodes, a condition judged as soon
as its unknowns have values, so it finds the least-cost solution or proves that there is none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from tracer.diagnostics import Diagnostic, Related
from tracer.network.making import solved_arguments
from tracer.network.records import Network, Node, Unknown
from tracer.ops.base import Op, per_axis, with_arguments
from tracer.recipe import Program
from tracer.symbol import Condition, Size, Space
from tracer.trace import Ops, Recipe, declared_ops, trace

COMBINATIONS = 10_000
"""Combinations that are tried where an operation takes no symbols."""

STEPS = 20_000
"""Values tried before a search gives up; it then says so instead of answering."""


SHARED = "an auto in a block is one unknown for all its uses; as an argument of the block it is solved for each use"


class TooLarge(Exception):
    """The search has more values to try than it may."""


class Variable(msgspec.Struct):
    """One integer to find."""

    name: str
    nodes: list[Node]
    domain: range
    default: int
    """torch's default, from which the cost of a value is its distance."""


class Solution(msgspec.Struct, frozen=True):
    """The answer for one set of sizes."""

    feasible: bool
    assignments: dict[str, tuple[int, ...]]
    """``"up4.output_padding": (1, 0)``, one value per axis."""
    cost: int
    ops: Ops
    """Every node's operation with its values filled in (where infeasible: with the least ones)."""
    diagnostics: list[Diagnostic]


def plan_one(network: Network, sizes: Mapping[str, int]) -> Solution:
    """Solve every ``auto`` for one set of sizes. Exact: infeasible means that no assignment exists."""
    ops = declared_ops(network)
    if not any(node.unknowns for node in network.nodes) or any(s not in sizes for s in network.symbols):
        return Solution(True, {}, 0, ops, [])
    space = Space()
    variables: dict[str, Variable] = {}
    open_ops: Ops = list(ops)
    for node, op in zip(network.nodes, ops):
        if node.unknowns and op is not None:
            open_ops[node.index] = _opened(node, op, space, variables)
    recipe = Recipe(network, open_ops, dict(sizes), space)
    values: dict[str, int] | None = None
    culprit = recipe.failed
    try:
        legality = _legality(network, open_ops)
        if recipe.sound and legality is not None:
            values, culprit = _solve(space, variables, legality + recipe.conditions)
        elif recipe.failed is None:
            values = _enumerated(network, sizes, ops, variables)
    except TooLarge:
        return Solution(False, {}, 0, ops, [_too_large(network)])
    if values is None:
        return _unsolved(network, sizes, ops, variables, culprit)
    solved = _filled_ops(network, ops, values)
    assignments: dict[str, tuple[int, ...]] = {}
    for node, op in zip(network.nodes, ops):
        if node.unknowns and op is not None:
            fields = _filled(node, op, values)
            for field, value in fields.items():
                assignments[f"{node.name}.{field}"] = _as_tuple(value)
    cost = sum(abs(values[name] - variable.default) for name, variable in variables.items())
    return Solution(True, assignments, cost, solved, [])


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _axes(op: Op) -> int:
    return int(getattr(op, "axes", 1))


def _variable_name(node: Node, unknown: Unknown, axis: int) -> str:
    """One ``auto`` in a block is one unknown for all uses, unless it is written per use."""
    declaration = node.declaration
    written = declaration.arguments[unknown.field][1]
    per_use = "${" in getattr(written, "value", "")
    where = node.name if per_use or not node.uses else f"{id(declaration)}"
    return f"{where}.{unknown.field}.{axis}"


def _opened(node: Node, op: Op, space: Space, variables: dict[str, Variable]) -> Op:
    """The operation with symbols in place of its unknowns."""
    return with_arguments(
        op,
        solved_arguments(op, node.unknowns, lambda u, axis: _symbol(node, op, u, axis, space, variables)),
    )


def _filled(node: Node, op: Op, values: Mapping[str, int]) -> dict[str, Any]:
    return solved_arguments(op, node.unknowns, lambda unknown, axis: values[_variable_name(node, unknown, axis)])


def _legality(network: Network, ops: Ops) -> list[tuple[Condition, Node]] | None:
    """What torch asks of the values themselves, whatever the input; None where an operation takes no symbols."""
    found: list[tuple[Condition, Node]] = []
    try:
        for node in network.nodes:
            if node.unknowns:
                found += [(r.holds, node) for r in ops[node.index].legal() if isinstance(r.holds, Condition)]  # type: ignore[union-attr]
    except TypeError:
        return None
    return found


def _is_legal(network: Network, ops: Ops) -> bool:
    """Whether torch makes the modules whose values were filled in."""
    return all(r.holds for node in network.nodes if node.unknowns for r in ops[node.index].legal())  # type: ignore[union-attr]


def _symbol(node: Node, op: Op, unknown: Unknown, axis: int, space: Space, variables: dict[str, Variable]) -> Size:
    name = _variable_name(node, unknown, axis)
    if name not in variables:
        domain = _domain(op, unknown, axis)
        default = 0 if unknown.field in ("padding", "output_padding", "ceil_mode") else 1
        variables[name] = Variable(name, [], domain, default)
    variables[name].nodes.append(node)
    return space.symbol(name)


def _domain(op: Op, unknown: Unknown, axis: int) -> range:
    """The values that an unknown may take: the declared ones, or those that torch allows."""
    if unknown.least is not None and unknown.largest is not None:
        return range(unknown.least, unknown.largest + 1)
    axes = _axes(op)
    if unknown.field == "ceil_mode":
        return range(2)
    if unknown.field == "output_padding":
        strides, dilations = per_axis(op.stride, axes), per_axis(op.dilation, axes)  # type: ignore[attr-defined]
        numbers = [n for n in (strides[axis], dilations[axis]) if isinstance(n, int)]
        return range(max(numbers, default=1))
    least = max(type(op).least_value(unknown.field), 0)
    return range(least, least + 16)


def _filled_ops(network: Network, ops: Ops, values: Mapping[str, int]) -> Ops:
    """Every node's operation with its values filled in."""
    solved: Ops = list(ops)
    for node, op in zip(network.nodes, ops):
        if node.unknowns and op is not None:
            solved[node.index] = with_arguments(op, _filled(node, op, values))
    return solved


def _enumerated(
    network: Network, sizes: Mapping[str, int], ops: Ops, variables: dict[str, Variable]
) -> dict[str, int] | None:
    """Every combination on ints, cheapest first: for networks with an operation that takes no symbols."""
    if math.prod(len(v.domain) for v in variables.values()) > COMBINATIONS:
        raise TooLarge
    costs = [{value: abs(value - v.default) for value in v.domain} for v in variables.values()]
    combinations = itertools.product(*(v.domain for v in variables.values()))
    for chosen in sorted(combinations, key=lambda c: sum(cost[n] for cost, n in zip(costs, c))):
        values = dict(zip(variables, chosen))
        filled = _filled_ops(network, ops, values)
        if _is_legal(network, filled) and not trace(network, sizes, filled).diagnostics:
            return values
    return None


def _solve(
    space: Space, variables: dict[str, Variable], conditions: Sequence[tuple[Condition, Node]]
) -> tuple[dict[str, int] | None, Node | None]:
    """The least-cost values, part by part; or None and the node whose condition the search failed at last."""
    names = list(variables)
    rank = {name: i for i, name in enumerate(names)}
    supports = [(sorted({rank[s] for s in _support(c)}), c, node) for c, node in conditions]
    program = Program(space, names)
    for _, condition, _ in supports:
        program.watch(condition)
    values: dict[str, int] = {}
    for part in _parts(len(names), [s for s, *_ in supports]):
        found, culprit = _search(program, [variables[names[i]] for i in part], part, supports, names)
        if found is None:
            return None, culprit
        values.update(found)
    return values, None


def _support(condition: Condition) -> set[str]:
    """The symbols that a condition depends on."""
    found: set[str] = set()
    pending: list[Any] = list(condition.sizes())
    seen: set[int] = set()
    while pending:
        size = pending.pop()
        for monomial, _ in size.terms:
            for index in monomial:
                if index in seen:
                    continue
                seen.add(index)
                atom = size.space.atoms[index]
                if atom.function == "symbol":
                    found.add(atom.arguments[0])
                for argument in atom.arguments:
                    if isinstance(argument, Size):
                        pending.append(argument)
                    elif isinstance(argument, Condition):
                        pending.extend(argument.sizes())
    return found


def _parts(count: int, supports: list[list[int]]) -> list[list[int]]:
    """Groups of unknowns that share conditions, each in order."""
    leader = list(range(count))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for support in supports:
        for i in support[1:]:
            leader[find(i)] = find(support[0])
    groups: dict[int, list[int]] = {}
    for i in range(count):
        groups.setdefault(find(i), []).append(i)
    return list(groups.values())


def _cheapest_first(variable: Variable) -> Iterator[int]:
    """The domain's values by their distance from the default, the lower of two first; a large domain is not built."""
    domain, default = variable.domain, variable.default
    start = min(max(default, domain.start), domain.stop - 1)
    yield start
    for distance in range(1, len(domain)):
        for value in (start - distance, start + distance):
            if value in domain:
                yield value


def _search(
    program: Program, variables: list[Variable], part: list[int], supports: Sequence[Any], names: list[str]
) -> tuple[dict[str, int] | None, Node | None]:
    """Depth first over one part, cheapest values first, cut by the best cost so far."""
    last = {index: depth for depth, index in enumerate(part)}
    ready: list[list[Any]] = [[] for _ in part]
    for support, condition, node in supports:
        if support and support[0] in last:
            ready[max(last[i] for i in support)].append((condition, node))
    current = {
        name: (program_default.domain.start) for name, program_default in zip((names[i] for i in part), variables)
    }
    values = dict.fromkeys(names, 0) | current
    best: dict[str, int] | None = None
    best_cost = 0
    culprit: tuple[int, int, Node | None] = (-1, -1, None)
    """How far the search came: the depth, and the last node whose condition broke there."""
    steps = 0
    stack = [_cheapest_first(variables[0])]
    costs = [0]
    while stack:
        depth = len(stack) - 1
        value = next(stack[-1], None)
        if value is None:
            stack.pop()
            costs.pop()
            continue
        steps += 1
        if steps > STEPS:
            raise TooLarge
        name = names[part[depth]]
        cost = costs[-1] + abs(value - variables[depth].default)
        if best is not None and cost >= best_cost:
            stack.pop()  # values come cheapest first, so the rest costs no less
            costs.pop()
            continue
        values[name] = value
        v = program.run(values)
        broken = next((c for c in ready[depth] if not program.truth(c[0], v)), None)
        if broken is not None:
            culprit = max(culprit, (depth, broken[1].index, broken[1]), key=lambda reached: reached[:2])
            continue
        if depth + 1 == len(part):
            best, best_cost = {names[i]: values[names[i]] for i in part}, cost
            continue
        stack.append(_cheapest_first(variables[depth + 1]))
        costs.append(cost)
    return best, culprit[2]


def _too_large(network: Network) -> Diagnostic:
    first = next(node for node in network.nodes if node.unknowns)
    return Diagnostic(
        "T006",
        "the autos have too many values to search",
        first.span_for(first.unknowns[0].field),
        path=network.path,
        hint="narrow their domains: auto(LEAST..LARGEST)",
        related=first.use_places(),
    )


def _unsolved(
    network: Network, sizes: Mapping[str, int], ops: Ops, variables: dict[str, Variable], culprit: Node | None
) -> Solution:
    """T401 at the node whose requirement no assignment meets, with what it would take."""
    nodes = [node for node in network.nodes if node.unknowns]
    result = trace(network, sizes, ops)
    node = culprit or nodes[0]
    facts = next((d for d in result.diagnostics if d.message.startswith(f"{node.name}: ")), None)
    fact = facts or (result.diagnostics[0] if result.diagnostics else None)
    detail = f"; with the least values, {fact.message}" if fact else ""
    related = [Related(f"{n.name} has an auto here", n.span_for(n.unknowns[0].field)) for n in nodes[:8]]
    message = f"no values of the autos make {node.name} fit{detail}"
    shared = any(len(variable.nodes) > 1 for variable in variables.values())
    diagnostic = Diagnostic(
        "T401",
        message,
        node.span_for(None),
        path=network.path,
        hint=SHARED if shared else None,
        related=(*(fact.related if fact else ()), *related),
    )
    return Solution(False, {}, 0, ops, [diagnostic])
