"""The network's conditions on its unknowns, and the plan for one set of input sizes.

Each unknown becomes a symbol, the network is traced on symbols once, and what torch requires and the config expects
becomes conditions on the unknowns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from tracer.network.records import Network
from tracer.ops.base import Op
from tracer.planning.explanation import too_many_values, unsolved
from tracer.planning.search import Ask, Broken, Found, Part, TooManyValues, solve
from tracer.planning.solution import Solution
from tracer.planning.unknowns import Unknowns
from tracer.shapes.recipe import Recipe
from tracer.shapes.trace import declared_ops, trace
from tracer.shapes.traced import Ops
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition, Space

COMBINATIONS = 10_000
"""Combinations that are tried where an operation takes no symbols."""


class Problem:
    """A network's unknowns and the conditions on them, for input sizes of which some may be left open."""

    def __init__(self, network: Network, sizes: Mapping[str, int], ops: Ops | None = None) -> None:
        self.network = network
        self.sizes = dict(sizes)
        self.space = Space()
        self.unknowns = Unknowns(network, ops or declared_ops(network), self.space)
        self.recipe = Recipe(network, self.unknowns.open_ops, self.sizes, self.space)
        self.legality = self.unknowns.legality()

    @property
    def symbolic(self) -> bool:
        """Whether every operation takes symbols, so that the conditions are all there is to meet."""
        return self.recipe.sound and self.legality is not None

    @property
    def strict(self) -> bool:
        """An operation requires more of symbols than of numbers: what is refuted may still exist."""
        return any(type(op).narrower for op in self.unknowns.ops if op is not None)

    def solve(self, samples: Sequence[Mapping[str, int]] = ({},)) -> Found:
        """The least-cost values that serve every sample of the open sizes. Raises TooManyValues."""
        asks: list[Ask] = list(self.legality or ())
        for sample in samples:
            replaced = Substitution(self.space, sample)
            for condition, node in self.recipe.conditions:
                holds = replaced.condition(condition) if sample else condition
                if isinstance(holds, Condition):
                    asks.append((holds, node))
                elif not holds:
                    return Found(None, 0, Broken(condition, node, {}), [])
        return solve(self.space, self.unknowns.variables, asks)


def plan_one(network: Network, sizes: Mapping[str, int]) -> Solution:
    """Solve every ``auto`` for one set of sizes. Exact: infeasible means that no assignment exists."""
    ops = declared_ops(network)
    if not is_open(network) or any(s not in sizes for s in network.symbols):
        return Solution(True, {}, 0, ops, [])
    problem = Problem(network, sizes)
    broken: Broken | None = None
    values: Mapping[str, int] | None = None
    solutions, parts = 0, list[Part]()
    try:
        if problem.symbolic:
            values, solutions, broken, parts = problem.solve()
        if values is None and (
            problem.strict or (not problem.symbolic and problem.recipe.failed is None)
        ):
            values, solutions = enumerated(problem)
    except TooManyValues:
        values = _defaults(problem)
        if values is None:
            return Solution(False, {}, 0, ops, [too_many_values(network)], 0)
        return solution_of(problem.unknowns, values, 1, capped=True)
    if values is None:
        return Solution(
            False, {}, 0, ops, [unsolved(problem.unknowns, sizes, broken, problem.recipe.failed)], 0
        )
    return solution_of(problem.unknowns, values, solutions, any(part.capped for part in parts))


def _defaults(problem: Problem) -> Mapping[str, int] | None:
    """torch's defaults, where they serve: nothing costs less, however many values a search would have to try."""
    variables = problem.unknowns.variables
    values = {name: variable.default for name, variable in variables.items()}
    if any(values[name] not in variable.domain for name, variable in variables.items()):
        return None
    filled = problem.unknowns.solved_ops(values)
    if (
        not problem.unknowns.is_legal(filled)
        or trace(problem.network, problem.sizes, filled).diagnostics
    ):
        return None
    return values


def is_open(network: Network) -> bool:
    """Whether anything is to be solved."""
    return any(node.unknowns for node in network.nodes)


def solution_of(
    unknowns: Unknowns, values: Mapping[str, int], solutions: int, capped: bool = False
) -> Solution:
    """The plan with these values."""
    return Solution(
        True,
        unknowns.assignments(values),
        unknowns.cost(values),
        unknowns.solved_ops(values),
        [],
        solutions,
        capped,
    )


def enumerated(
    problem: Problem, samples: Sequence[Mapping[str, int]] = ({},)
) -> tuple[dict[str, int] | None, int]:
    """Every combination on ints, cheapest first: for networks with an operation that takes no symbols.

    The values have to serve every sample of the open sizes.
    """
    variables = problem.unknowns.variables
    if math.prod(len(v.domain) for v in variables.values()) > COMBINATIONS:
        raise TooManyValues
    best: dict[str, int] | None = None
    count = 0
    costs = [{value: abs(value - v.default) for value in v.domain} for v in variables.values()]
    combinations = itertools.product(*(v.domain for v in variables.values()))
    for chosen in sorted(combinations, key=lambda c: sum(cost[n] for cost, n in zip(costs, c))):
        values = dict(zip(variables, chosen))
        filled: list[Op | None] = problem.unknowns.solved_ops(values)
        traces = (trace(problem.network, {**problem.sizes, **sample}, filled) for sample in samples)
        if problem.unknowns.is_legal(filled) and not any(found.diagnostics for found in traces):
            best = best or values
            count += 1
    return best, count
