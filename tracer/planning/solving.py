"""The plan for one set of input sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracer.network.records import Network
from tracer.planning.explanation import too_many_values, unsolved
from tracer.planning.problem import Problem, problem_of
from tracer.planning.search import TooManyValues
from tracer.planning.settling import all_combinations, settled
from tracer.planning.solution import Solution, solved_already
from tracer.planning.unknowns import Unknowns
from tracer.planning.wishes import with_wishes
from tracer.shapes.trace import declared_ops, trace


def plan_one(network: Network, sizes: Mapping[str, int]) -> Solution:
    """Solve every ``auto`` for one set of sizes. Exact: without a solution, no assignment exists.

    Where something is wrong whatever the values are, they are those that meet everything else.
    """
    if not is_open(network) or any(symbol not in sizes for symbol in network.symbols):
        return solved_already(declared_ops(network))

    problem = problem_of(network, sizes)
    try:
        found = settled(problem)
    except TooManyValues:
        # torch's defaults cost nothing: where they serve, nothing is better, however many values a search has.
        defaults = _serving_defaults(problem)
        if defaults is None:
            return given_up(problem)
        return solution_of(problem.unknowns, defaults, 1, capped=True)

    unknowns = problem.unknowns
    if not found.refuted:
        is_alone = found.solutions == 1 and not found.capped
        values = found.values if is_alone else with_wishes(problem, found.values)
        return solution_of(unknowns, values, found.solutions, found.capped)
    return Solution(
        solved=False,
        assignments={},
        cost=0,
        ops=unknowns.solved_ops(found.values),
        diagnostics=[unsolved(unknowns, sizes, broken) for broken in found.refuted],
        solutions=0,
        explained=found.explained,
    )


def given_up(problem: Problem) -> Solution:
    """T006: there are too many values to search. What they would have to meet is not known to be wrong."""
    return Solution(
        solved=False,
        assignments={},
        cost=0,
        ops=declared_ops(problem.network),
        diagnostics=[too_many_values(problem.network)],
        solutions=0,
        explained=frozenset(node.name for _, node in problem.recipe.conditions),
    )


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
    serving = [
        values for values in all_combinations(problem) if _serves(problem, values, samples)
    ]
    return next(iter(serving), None), len(serving)
