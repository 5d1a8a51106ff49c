"""Values that meet every demand that any values can meet, and the T401s of those that none can.

The demands on the unknowns are taken in the order of the nodes. One that no values meet together with those before it
is refuted: the search goes on without it and without what comes behind its node. What is wrong whatever the values are
is no matter of the plan: the trace with the values reports it, where it is.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tracer.diagnostics import Diagnostic
from tracer.network.graph import sources
from tracer.network.records import Network, Node
from tracer.planning.explanation import moving_arm
from tracer.planning.problem import Problem
from tracer.planning.search import Ask, Broken, SearchResult, TooManyValues
from tracer.shapes.trace import Trace
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition

COMBINATIONS = 10_000
"""Combinations that are tried where an operation takes no symbols."""

REFUTED = 16
"""Demands that are refuted one by one; behind so many no further one is looked for."""


class Settled(NamedTuple):
    """The answer of a plan for one set of sizes."""

    values: dict[str, int]
    """One for each unknown."""
    solutions: int
    """How many assignments meet the demands that are met."""
    capped: bool
    """``solutions`` is not exact."""
    refuted: list[Broken]
    """What no values meet together with the demands before it, with values that meet those."""
    explained: frozenset[str]
    """Nodes whose faults follow from what is refuted."""


class Demand(NamedTuple):
    """What torch requires of a node, or what the config expects of it, as far as unknowns decide that."""

    node: Node
    asks: list[Ask]
    is_promise: bool = False
    is_legality: bool = False


def settled(problem: Problem) -> Settled:
    """The least-cost values that meet what can be met, in the order of the nodes. Raises :class:`TooManyValues`."""
    if not problem.symbolic:
        return settled_by_trying(problem)

    found = _Settling(problem).found()
    is_final = not found.refuted and not problem.recipe.refusals
    # Where operations require more of symbols than of numbers, what is refuted is tried on ints.
    if problem.strict and not is_final:
        return settled_by_trying(problem)
    return found


def demands_of(problem: Problem) -> Iterator[Demand]:
    """The demands on the unknowns: of the values themselves, then of the nodes in execution order."""
    for ask in problem.legality or ():
        yield Demand(ask[1], [ask], is_legality=True)

    def kind(numbered: tuple[int, Ask]) -> tuple[int, bool]:
        number, (_, node) = numbered
        return node.index, number in problem.recipe.promised

    conditions = enumerate(problem.recipe.conditions)
    for (_, is_promise), group in itertools.groupby(conditions, kind):
        asks = [ask for _, ask in group]
        yield Demand(asks[0][1], asks, is_promise)


class _Settling:
    """The search by demands, on symbols."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.demands = list(demands_of(problem))
        self.refused = {refusal.node.index for refusal in problem.recipe.refusals}
        """Nodes that fail whatever the values are: what else they require explains nothing."""
        self.refuted: list[Broken] = []
        self.explained: set[str] = set()

    def found(self) -> Settled:
        while (result := self._solved(self.demands)).values is None:
            number = self._first_refuted()
            before = self.demands[:number]
            demand = self.demands[number]
            rest = self.demands[number + 1 :]
            broken = self._broken(before, demand)
            if broken is not None and self._is_of_values(demand):
                self.refuted.append(broken)
                self._explain(demand)

            self.demands = before
            if len(self.refuted) < REFUTED:
                behind = _behind(self.problem.network, demand.node)
                self.demands = [*before, *(d for d in rest if not _follows(d, demand, behind))]

        capped = any(group.capped for group in result.groups)
        explained = frozenset(self.explained)
        return Settled(result.values, result.solutions, capped, self.refuted, explained)

    def _solved(self, demands: Iterable[Demand], *further: Ask) -> SearchResult:
        asks = [ask for demand in demands for ask in demand.asks]
        return self.problem.searched([*asks, *further])

    def _first_refuted(self) -> int:
        """The number of the first demand that no values meet together with those before it."""
        met = 0
        unmet = len(self.demands)
        while unmet - met > 1:
            middle = (met + unmet) // 2
            if self._solved(self.demands[:middle]).values is None:
                unmet = middle
            else:
                met = middle
        return met

    def _broken(self, before: list[Demand], demand: Demand) -> Broken | None:
        """The condition that no values meet; None where values are not to blame.

        They are not where the demands before leave the sizes in question no choice, and no other values would do;
        but a merge right behind an unknown is what that unknown is there to close.
        """
        values = self._solved(before).values
        assert values is not None
        parts = list(_parts(demand))
        alone = [part for part in parts if self._solved(before, part).values is None]
        if demand.is_legality or not alone:  # each can be met, and not all of them
            return Broken(*parts[-1], values)

        for condition, node in alone:
            broken = Broken(condition, node, values)
            if self._is_to_blame(broken, before):
                return broken
        return None

    def _is_to_blame(self, broken: Broken, before: list[Demand]) -> bool:
        """Whether a condition that the demands before rule out is one of the values."""
        condition, node, _ = broken
        assert condition is not None
        legality = [demand for demand in self.demands if demand.is_legality]
        if self._solved(legality, (condition, node)).values is not None:
            return True
        if len(node.inputs) > 1 and moving_arm(broken, self.problem.unknowns):
            return True
        return not self._is_fixed(condition, before, broken)

    def _is_fixed(self, condition: Condition, before: list[Demand], broken: Broken) -> bool:
        """Whether the sizes of a condition are the same for all values that meet the demands before."""
        sizes = list(condition.sizes())
        other: Condition | bool = False
        for size, value in zip(sizes, substitute(sizes, broken.values)):
            other = other | (size != value)
        if isinstance(other, bool):
            return not other
        return self._solved(before, (other, broken.node)).values is None

    def _is_of_values(self, demand: Demand) -> bool:
        """Whether values decide the demand. A node may fail by something else, which then explains all."""
        recipe = self.problem.recipe
        noted = {recipe.conditions[number][1].index for number in recipe.impossible}
        return demand.node.index not in self.refused or demand.node.index in noted

    def _explain(self, demand: Demand) -> None:
        self.explained.add(demand.node.name)
        if demand.is_legality:
            network = self.problem.network
            for index in _behind(network, demand.node):
                self.explained.add(network.nodes[index].name)


def _parts(demand: Demand) -> Iterator[Ask]:
    """The conditions of a demand one by one."""
    for whole, node in demand.asks:
        for part in whole.conjuncts():
            yield part, node


def _follows(later: Demand, refuted: Demand, behind: set[int]) -> bool:
    """Whether a demand makes no sense where another one is not met."""
    if refuted.is_promise:
        return later.is_promise and later.node.index in behind | {refuted.node.index}
    is_own = later.node is refuted.node and not later.is_legality
    return is_own or later.node.index in behind


def _behind(network: Network, node: Node) -> set[int]:
    """The nodes that need a node, by their index."""
    found = {node.index}
    for later in network.nodes[node.index + 1 :]:
        if any(source.index in found for source in sources(later)):
            found.add(later.index)
    return found - {node.index}


# --- on ints ----------------------------------------------------------------------------------------------------------


class _Tried(NamedTuple):
    """A combination of values, and what is wrong with it."""

    values: dict[str, int]
    trace: Trace
    faults: dict[str, Diagnostic]
    """By node, the first one of each."""


def settled_by_trying(problem: Problem) -> Settled:
    """The same where an operation takes no symbols: every combination is traced. Raises :class:`TooManyValues`."""
    tried = list(_all_tried(problem))
    if not tried:  # torch takes no values at all
        values = {name: v.domain.start for name, v in problem.unknowns.variables.items()}
        return _refuted_legality(problem, values)

    left = tried
    refuted: list[Broken] = []
    for node in problem.network.nodes:
        met = [one for one in left if node.name not in one.faults]
        if not met and _values_matter(node, left, tried):
            refuted.append(Broken(None, node, left[0].values))
        left = met or left

    explained = frozenset(broken.node.name for broken in refuted)
    return Settled(left[0].values, len(left), False, refuted, explained)


def all_combinations(problem: Problem) -> list[dict[str, int]]:
    """Every combination of values, the cheapest first. Raises :class:`TooManyValues`."""
    variables = problem.unknowns.variables
    domains = [variable.domain for variable in variables.values()]
    if math.prod(map(len, domains)) > COMBINATIONS:
        raise TooManyValues

    combinations = [dict(zip(variables, chosen)) for chosen in itertools.product(*domains)]
    return sorted(combinations, key=problem.unknowns.cost)


def _all_tried(problem: Problem) -> Iterator[_Tried]:
    """Every combination that torch takes, the cheapest first."""
    for values in all_combinations(problem):
        if problem.is_legal(values):
            found = problem.traced(values)
            faults = {d.node: d for d in reversed(found.diagnostics) if d.node is not None}
            yield _Tried(values, found, faults)


def _refuted_legality(problem: Problem, values: dict[str, int]) -> Settled:
    """The answer where torch takes no combination of values, whatever the input."""
    node = problem.unknowns.nodes()[0]
    nodes = problem.network.nodes
    behind = {nodes[index].name for index in _behind(problem.network, node)}
    broken = Broken(None, node, values)
    explained = frozenset({node.name, *behind})
    return Settled(values, 0, False, [broken], explained)


def _values_matter(node: Node, left: Sequence[_Tried], tried: Sequence[_Tried]) -> bool:
    """Whether other values would do at a node, or those that are left fail there in several ways."""
    if len({one.faults[node.name] for one in left}) > 1:
        return True
    for one in tried:
        has_shape = one.trace.by_index[node.index] is not None
        if has_shape and node.name not in one.faults:
            return True
    return False
