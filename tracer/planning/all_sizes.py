"""One assignment for every size that ``sizes`` promises, with proof; or which assignment serves which.

The least-cost values for a few sizes are found first, and the exact set of what they serve is computed. The smallest
promised size that they leave out joins the few, and so on: the values that serve all are the least-cost ones, and
where the few have no common values, nobody has.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from msgspec.structs import replace

from tracer.network.records import Network, Promise, first_size, is_set
from tracer.planning.explanation import no_common_values
from tracer.planning.problem import Problem, problem_of
from tracer.planning.promises import (
    failing_together,
    first_missing,
    members,
    promised_set,
    unkept,
)
from tracer.planning.search import SearchResult, TooManyValues
from tracer.planning.solution import Served, Solution
from tracer.planning.solving import enumerated, given_up, is_open, plan_one, solution_of
from tracer.planning.wishes import with_wishes
from tracer.planning.working_sizes import promised_sizes
from tracer.shapes.trace import trace
from tracer.shapes.traced import Ops
from tracer.sizing.size_set import NONE, TooLarge

SAMPLES = 64
"""Sizes that are solved together before a plan for all of them is given up."""

COUNTED = 64
"""Assignments that are proven one by one to count those that serve every size."""

TRIED = 1_000
"""Sizes that are traced one by one, where formulas take no symbols."""

TABLE = 64
"""Sizes that are solved one by one for the table of which assignment serves which."""


def plan_all(
    network: Network, promises: Mapping[str, Promise], *, explain: bool = True
) -> Solution:
    """Solve every ``auto`` for every promised size of every symbol, the others at their first sizes.

    Infeasible with T401 where one size has no values at all, with T402 where all have and no values serve them all;
    with ``explain`` it has the table of which assignment serves which sizes.
    """
    first = {symbol: first_size(promise) for symbol, promise in promises.items()}
    sets = {symbol: promise for symbol, promise in promises.items() if is_set(promise)}
    alone = plan_one(network, first)
    if not sets or not is_open(network) or not alone.solved:
        return alone
    if trace(network, first, alone.ops).diagnostics:
        return alone  # a network that fails at its first sizes is not tried at others
    problem = problem_of(
        network, {symbol: n for symbol, n in first.items() if symbol not in sets}
    )
    return _EverySize(problem, sets, first, explain).plan()


class _EverySize:
    """The search for one assignment."""

    def __init__(
        self,
        problem: Problem,
        sets: Mapping[str, Promise],
        first: Mapping[str, int],
        explain: bool,
    ) -> None:
        self.explain = explain
        self.problem = problem
        self.network = problem.network
        self.sets = sets
        self.first = first
        self.samples = [{symbol: first[symbol] for symbol in sets}]

    def plan(self) -> Solution:
        try:
            while len(self.samples) <= SAMPLES:
                found = self._common()
                if found.values is None:
                    return self._refused()
                missing = self._missing(self.problem.unknowns.solved_ops(found.values))
                if missing is None:
                    solutions, capped = self._counted(found)
                    values = self._with_wishes(found.values)
                    return solution_of(self.problem.unknowns, values, solutions, capped)
                self.samples.append(missing)
        except (TooManyValues, TooLarge):
            pass
        return given_up(self.problem)

    def _with_wishes(self, values: dict[str, int]) -> dict[str, int]:
        """Values that cost as much, serve every size as well, and make a better network; else those given."""
        better = with_wishes(self.problem, values, self.samples)
        if better == values or self._missing(self.problem.unknowns.solved_ops(better)):
            return values
        return better

    def _common(self) -> SearchResult:
        """Values that serve the samples; tried one by one where formulas take no symbols."""
        if self.problem.symbolic and not self.problem.strict:
            return self.problem.solve(self.samples)
        values, count = enumerated(self.problem, self.samples)
        return SearchResult(values, count, None, [])

    def _missing(self, ops: Ops) -> dict[str, int] | None:
        """The smallest sizes that an assignment does not serve; None where it serves all."""
        for symbol, promise in self.sets.items():
            served = promised_sizes(self.network, ops, self.first, symbol)
            if served is not None:
                n = first_missing(promise, served.sizes, served.below)
            else:
                few = list(islice(members(promise), TRIED + 1))
                if len(few) > TRIED:
                    raise TooLarge(
                        f"{symbol} has more than {TRIED} sizes, and a formula takes no symbols"
                    )
                n = next(
                    (
                        n
                        for n in few
                        if trace(self.network, {**self.first, symbol: n}, ops).diagnostics
                    ),
                    None,
                )
            if n is not None:
                return {**self.samples[0], symbol: n}
        together = failing_together(self.network, ops, self.first, self.sets)
        return None if together is None else {**self.samples[0], **together}

    def _counted(self, found: SearchResult) -> tuple[int, bool]:
        """How many assignments serve every size: proven one by one where they are few."""
        if found.solutions > COUNTED or not found.groups:
            return found.solutions, found.solutions > 1
        count = 0
        for values in found.assignments():
            count += self._missing(self.problem.unknowns.solved_ops(values)) is None
        return count, False

    def _refused(self) -> Solution:
        """T401 for a size that has no values, T402 where each has."""
        for sample in self.samples:
            alone = self._alone({**self.first, **sample})
            if not alone.solved:
                return alone
        served: list[Served] = []
        if self.explain:
            table = self._table()
            if isinstance(table, Solution):
                return table
            served = table
        alone = plan_one(self.network, self.first)
        diagnostic = no_common_values(self.problem.unknowns, self.sets, self.samples, served)
        return Solution(
            False,
            alone.assignments,
            alone.cost,
            alone.ops,
            [diagnostic],
            0,
            served=tuple(served),
        )

    def _alone(self, sizes: Mapping[str, int]) -> Solution:
        """The plan for one set of sizes; with T305 where it fails whatever the values are."""
        alone = plan_one(self.network, sizes)
        others = {symbol: sizes[symbol] for symbol in self.sets}
        fault = unkept(self.network, alone.ops, others) if alone.solved else None
        return alone if fault is None else replace(alone, solved=False, diagnostics=[fault])

    def _table(self) -> list[Served] | Solution:
        """Which assignment serves which sizes, the one that serves the most first; or T401 for a size without any."""
        found: dict[Any, Served] = {}
        for symbol, promise in self.sets.items():
            for _, n in zip(range(TABLE), members(promise)):
                sizes = {**self.first, symbol: n}
                if any(
                    all(sizes[s] in one.sizes[s] for s in self.sets) for one in found.values()
                ):
                    continue
                solution = self._alone(sizes)
                if not solution.solved:
                    return solution
                key = tuple(solution.assignments.items())
                found[key] = Served(solution.assignments, self._served(solution.ops, sizes))
        return sorted(found.values(), key=self._share, reverse=True)

    def _served(self, ops: Ops, sizes: Mapping[str, int]) -> dict[str, Any]:
        found = {}
        for symbol, promise in self.sets.items():
            served = promised_sizes(self.network, ops, sizes, symbol)
            found[symbol] = NONE if served is None else served.sizes & promised_set(promise)
        return found

    def _share(self, one: Served) -> tuple[float, int]:
        """How much of the promised sizes an assignment serves."""
        share, count = 1.0, 0
        for symbol, served in one.sizes.items():
            whole = promised_set(self.sets[symbol])
            share *= served.density / whole.density if whole.residues else 1.0
            count += len(served.finite)
        return share, count
