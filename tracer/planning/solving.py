"""The network's conditions on its unknowns, and the plan for one set of input sizes.

Each unknown becomes a symbol, the network is traced on symbols once, and what torch requires and the config expects
becomes conditions on the unknowns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import msgspec

from tracer.network.records import Network
from tracer.ops.base import Op
from tracer.planning.explanation import too_many_values, unsolved
from tracer.planning.search import Ask, Broken, SearchResult, TooManyValues, solve
from tracer.planning.solution import Solution, solved_already, unsolvable
from tracer.planning.unknowns import Unknowns, unknowns_of
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import declared_ops, trace
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition, Space

COMBINATIONS = 10_000
"""Combinations that are tried where an operation takes no symbols."""


class Problem(msgspec.Struct):
    """A network's unknowns and the conditions on them, for input sizes of which some may be left open."""

    network: Network
    sizes: dict[str, int]
    space: Space
    unknowns: Unknowns
    recipe: Recipe
    legality: list[Ask] | None
    """What torch requires of the values themselves; None where an operation takes no symbols."""

    @property
    def symbolic(self) -> bool:
        """Whether every operation takes symbols, so that the conditions are all there is to meet."""
        return self.recipe.sound and self.legality is not None

    @property
    def strict(self) -> bool:
        """Whether an operation requires more of symbols than of numbers: what is refuted may still exist."""
        return any(
            type(op).symbols_restrict is not Op.symbols_restrict
            for op in self.unknowns.ops
            if op is not None
        )

    def solve(self, samples: Sequence[Mapping[str, int]] = ({},)) -> SearchResult:
        """The least-cost values that serve every sample of the open sizes. Raises TooManyValues."""
        asks: list[Ask] = list(self.legality or ())
        for sample in samples:
            replaced = Substitution(self.space, sample)
            for condition, node in self.recipe.conditions:
                holds = replaced.condition(condition) if sample else condition
                if isinstance(holds, Condition):
                    asks.append((holds, node))
                elif not holds:
                    return SearchResult(None, 0, Broken(condition, node, {}), [])
        return solve(self.space, self.unknowns.variables, asks)


def problem_of(network: Network, sizes: Mapping[str, int]) -> Problem:
    """The conditions on a network's unknowns, for these sizes; symbols without one stay open."""
    space = Space()
    unknowns = unknowns_of(network, declared_ops(network), space)
    recipe = recipe_of(network, unknowns.open_ops, sizes, space)
    return Problem(network, dict(sizes), space, unknowns, recipe, unknowns.legality())


def plan_one(network: Network, sizes: Mapping[str, int]) -> Solution:
    """Solve every ``auto`` for one set of sizes. Exact: without a solution, no assignment exists."""
    if not is_open(network) or any(symbol not in sizes for symbol in network.symbols):
        return solved_already(declared_ops(network))

    problem = problem_of(network, sizes)
    try:
        found = _searched(problem)
    except TooManyValues:
        # torch's defaults cost nothing: where they serve, nothing is better, however many values a search has.
        defaults = _serving_defaults(problem)
        if defaults is None:
            return unsolvable(declared_ops(network), too_many_values(network))
        return solution_of(problem.unknowns, defaults, 1, capped=True)

    if found.values is None:
        failed = problem.recipe.failed
        reason = unsolved(problem.unknowns, sizes, found.broken, failed)
        return unsolvable(declared_ops(network), reason)
    capped = any(group.capped for group in found.groups)
    return solution_of(problem.unknowns, found.values, found.solutions, capped)


def _searched(problem: Problem) -> SearchResult:
    """The least-cost values; by trying all of them where symbols do not decide. Raises TooManyValues."""
    found = problem.solve() if problem.symbolic else SearchResult(None, 0, None, [])
    if found.values is not None:
        return found

    is_undecided = not problem.symbolic and problem.recipe.failed is None
    if problem.strict or is_undecided:
        values, count = enumerated(problem)
        return SearchResult(values, count, found.broken, found.groups)
    return found


def _serving_defaults(problem: Problem) -> Mapping[str, int] | None:
    """torch's defaults, where they serve."""
    variables = problem.unknowns.variables
    values = {name: variable.default for name, variable in variables.items()}
    if any(values[name] not in variable.domain for name, variable in variables.items()):
        return None
    return values if _serves(problem, values, [{}]) else None


def _serves(
    problem: Problem, values: Mapping[str, int], samples: Sequence[Mapping[str, int]]
) -> bool:
    """Whether torch takes the values, and the network closes with them for every sample of the open sizes."""
    filled = problem.unknowns.solved_ops(values)
    if not problem.unknowns.is_legal(filled):
        return False
    return not any(
        trace(problem.network, {**problem.sizes, **sample}, filled).diagnostics
        for sample in samples
    )


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
    """The least-cost values that serve every sample of the open sizes, and how many assignments do.

    Every combination is traced on ints: for networks with an operation that takes no symbols. Raises TooManyValues.
    """
    variables = problem.unknowns.variables
    domains = [variable.domain for variable in variables.values()]
    if math.prod(map(len, domains)) > COMBINATIONS:
        raise TooManyValues

    defaults = [variable.default for variable in variables.values()]

    def cost(chosen: tuple[int, ...]) -> int:
        return sum(abs(value - default) for value, default in zip(chosen, defaults))

    best: dict[str, int] | None = None
    count = 0
    for chosen in sorted(itertools.product(*domains), key=cost):
        values = dict(zip(variables, chosen))
        if _serves(problem, values, samples):
            best = values if best is None else best
            count += 1
    return best, count
