"""The values of every ``auto`` at sizes like those that were planned before.

Which values serve depends on the remainders of the sizes by the network's strides, from some size on. So what was
planned once serves for a whole residue class, where it is shown to: the conditions on the unknowns have the same truth
for the same values there (:mod:`tracer.sizing.steady`), and all other values that serve cost more. Everything else is
planned anew. Unknowns that share no condition have classes of their own: those of a height are none of a width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import ge, itemgetter
from threading import Lock
from typing import Any, NamedTuple

from msgspec.structs import replace

from tracer.memo import Memo
from tracer.network.records import Network
from tracer.ops.base import Shape
from tracer.planning.problem import Problem, problem_of
from tracer.planning.search import WORK, Ask, Effort, TooManyValues, connected
from tracer.planning.solution import Solution
from tracer.shapes.recipe import CompiledRecipe, Recipe, compiled
from tracer.shapes.traced import Ops
from tracer.sizing.program import Program
from tracer.sizing.size_set import TooLarge
from tracer.sizing.steady import Course
from tracer.sizing.symbol import Condition

CLASSES = 4_096
"""Residue classes of one group of unknowns that are kept."""

OPERATIONS = 500_000
"""Operations that are kept: so many of all assignments together."""

LARGE = 2**16
"""A size of which it is asked what large sizes meet whatever the values are."""

PERIODS = 4
"""Ways in which the classes of a group repeat: few sizes lead to another one."""

FAILURES = 8
"""Sizes one after another of which nothing could be shown: then nothing is looked for any more."""

Values = tuple[int, ...]

Shapes = Sequence[Shape | None]
"""One for each node, in execution order."""


class Known(NamedTuple):
    """The values that serve a residue class from some sizes on."""

    since: tuple[int, ...]
    values: Values


class Repeating(NamedTuple):
    """The classes of a group by their remainders."""

    periods: tuple[int, ...]
    classes: Memo[Known]


class TiedConditions(NamedTuple):
    """What is asked of a group of unknowns."""

    conditions: list[Condition]
    """They have to have the same truth for the same values at all sizes of a class."""
    certain: list[Condition]
    """They have to hold at all sizes of a class whatever the values are."""


class TiedUnknowns:
    """Unknowns that share conditions, and the values that they have in residue classes of the sizes they depend on."""

    def __init__(
        self, names: list[str], symbols: list[str], places: list[int], asked: TiedConditions
    ) -> None:
        self.names = names
        self.symbols = symbols
        self.places = places
        """Those of the symbols among all of the network's."""
        self.asked = asked
        self._repeating: tuple[Repeating, ...] = ()

    def known(self, sizes: Sequence[int]) -> Values | None:
        """The values at these sizes of the network's symbols; None where they are to be planned."""
        own = [sizes[place] for place in self.places]
        for periods, classes in self._repeating:
            remainders = tuple([n % period for n, period in zip(own, periods)])
            found = classes.get(remainders)
            if found is not None and all(map(ge, own, found.since)):
                return found.values
        return None

    def keep(self, course: Course, values: Values) -> bool:
        """Keep values for the residue class of the course's sizes; False where it is not shown that they serve it."""
        conditions, certain = self.asked
        is_alike = all(course.lasts(condition) for condition in conditions)
        if not is_alike or None in map(course.reason, certain):
            return False

        periods = tuple(course.periods(self.symbols))
        since = course.least(self.symbols, periods)
        sizes = [course.sizes[symbol] for symbol in self.symbols]
        remainders = tuple([n % period for n, period in zip(sizes, periods)])

        classes = self._classes(periods)
        if classes is None:
            return False
        classes[remainders] = Known(tuple(since), values)
        return True

    def _classes(self, periods: tuple[int, ...]) -> Memo[Known] | None:
        """The classes that repeat like this; None where the group repeats in too many ways."""
        for repeating in self._repeating:
            if repeating.periods == periods:
                return repeating.classes
        if len(self._repeating) == PERIODS:
            return None

        # Readers go through the tuple without a lock, so that it is replaced as a whole.
        added = Repeating(periods, Memo(CLASSES))
        self._repeating = (*self._repeating, added)
        return added.classes


class Recurring:
    """A network's values and shapes at sizes that recur. :func:`recurring` makes one. Threads may share it."""

    def __init__(
        self, problem: Problem, recipe: CompiledRecipe, groups: list[TiedUnknowns]
    ) -> None:
        self.problem = problem
        self.recipe = recipe
        self.groups = groups
        self.symbols = list(problem.network.symbols)
        self._in_order = _reordering(problem, groups)
        self._ops: Memo[Ops] = Memo(1 + OPERATIONS // len(problem.network.nodes))
        """By the values of all unknowns."""
        self._learning = Lock()
        self._failures = 0

    def at(self, sizes: Mapping[str, int]) -> tuple[Ops, Shapes] | None:
        """The operations with their values, and every node's shape; None where they are to be planned and traced."""
        numbers = [sizes[symbol] for symbol in self.symbols]
        chosen: Values = ()
        for group in self.groups:
            values = group.known(numbers)
            if values is None:
                return None
            chosen += values
        return self._with_values(sizes, self._in_order(chosen))

    def _with_values(
        self, sizes: Mapping[str, int], values: Values
    ) -> tuple[Ops, Shapes] | None:
        named = dict(zip(self.problem.unknowns.variables, values))
        shapes = self.recipe.apply({**sizes, **named})
        if shapes is None:
            return None

        ops = self._ops.get(values)
        if ops is None:
            ops = self._ops[values] = self.problem.unknowns.solved_ops(named)
        return ops, shapes

    def learn(self, sizes: Mapping[str, int], solution: Solution, shapes: Shapes) -> None:
        """Keep the plan of a network that runs at these sizes for all that are like them, where that is shown."""
        if self._failures >= FAILURES:
            return
        with self._learning:
            is_learnt = self._learn(sizes, solution, shapes)
            self._failures = 0 if is_learnt else self._failures + 1

    def _learn(self, sizes: Mapping[str, int], solution: Solution, shapes: Shapes) -> bool:
        values = self._only_values(sizes)
        unknowns = self.problem.unknowns
        if values is None or unknowns.assignments(values) != solution.assignments:
            return False

        again = self._with_values(sizes, tuple([values[name] for name in unknowns.variables]))
        if again is None or list(again[1]) != list(shapes):
            return False

        domains = domains_of(self.problem)
        for group in self.groups:
            course = Course(self.problem.space, sizes, domains)
            if not group.keep(course, tuple([values[name] for name in group.names])):
                return False
        return True

    def _only_values(self, sizes: Mapping[str, int]) -> Mapping[str, int] | None:
        """The least-cost values at these sizes; None where others cost no more, or are not found."""
        try:
            found = replace(self.problem, effort=Effort(WORK // 4)).solve([sizes])
        except (TooManyValues, TooLarge):
            return None
        if found.values is None or not all(group.is_unrivalled() for group in found.groups):
            return None
        return found.values


def recurring(network: Network) -> Recurring | None:
    """What a network's plans have in common; None where an operation takes no symbols, or it never runs."""
    problem = problem_of(network, {})
    recipe = problem.recipe
    if not problem.symbolic or problem.strict or not recipe.sound:
        return None

    applied = compiled(_over_unknowns(problem))
    if applied is None:
        return None
    return Recurring(problem, applied, _Grouping(problem).groups())


def _over_unknowns(problem: Problem) -> Recipe:
    """The recipe that takes sizes and values of the unknowns, which meet all that depends on them."""
    space, recipe = problem.space, problem.recipe
    names = [*problem.network.symbols, *problem.unknowns.variables]

    conditions = []
    for condition, node in recipe.conditions:
        if space.support(condition).isdisjoint(problem.unknowns.variables):
            conditions.append((condition, node))
    return replace(recipe, program=Program(space, names), conditions=conditions)


class _Grouping:
    """Puts the unknowns that share conditions together."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.support = problem.space.support
        self.symbols = list(problem.network.symbols)
        self.names = list(problem.unknowns.variables)
        self.rank = {name: i for i, name in enumerate(self.names)}

    def groups(self) -> list[TiedUnknowns]:
        asked, certain = self._asked()
        ranks = [self._ranks(condition) for condition in asked]
        members = connected(len(self.names), ranks)
        number_of = {i: number for number, own in enumerate(members) for i in own}

        found = [TiedConditions([], []) for _ in members]
        for condition, own in zip(asked, ranks):
            found[number_of[own[0]]].conditions.append(condition)
        for first, condition in certain:
            found[number_of[first]].certain.append(condition)
        return [self._group(*one) for one in zip(members, found)]

    def _asked(self) -> tuple[list[Condition], list[tuple[int, Condition]]]:
        """The conditions on unknowns; and those that large sizes meet whatever the values are, with an unknown."""
        course = Course(
            self.problem.space, dict.fromkeys(self.symbols, LARGE), domains_of(self.problem)
        )
        asks: list[Ask] = [*(self.problem.legality or ()), *self.problem.recipe.conditions]

        asked, certain = [], []
        for condition in [part for whole, _ in asks for part in whole.conjuncts()]:
            ranks = self._ranks(condition)
            if not ranks:
                continue
            # What one alternative alone meets ties nothing to the others: mostly those of other axes.
            reason = course.reason(condition)
            if reason is None:
                asked.append(condition)
            else:
                first, *_ = self._ranks(reason) or ranks
                certain.append((first, reason))
        return asked, certain

    def _ranks(self, condition: Condition) -> list[int]:
        """The numbers of the unknowns that a condition depends on, the first one first."""
        return sorted(self.rank[name] for name in self.support(condition) if name in self.rank)

    def _group(self, members: list[int], asked: TiedConditions) -> TiedUnknowns:
        conditions = [*asked.conditions, *asked.certain]
        depends = frozenset[str]().union(*map(self.support, conditions))
        places = [i for i, symbol in enumerate(self.symbols) if symbol in depends]

        names = [self.names[i] for i in members]
        symbols = [self.symbols[place] for place in places]
        return TiedUnknowns(names, symbols, places, asked)


def domains_of(problem: Problem) -> dict[str, range]:
    """The values that each unknown may have."""
    return {name: variable.domain for name, variable in problem.unknowns.variables.items()}


def _reordering(problem: Problem, groups: list[TiedUnknowns]) -> Callable[[Values], Values]:
    """The values of all groups, one behind the other, in the order of the unknowns."""
    by_group = [name for group in groups for name in group.names]
    places = [by_group.index(name) for name in problem.unknowns.variables]
    if places == list(range(len(places))):
        return lambda values: values
    picked: Any = itemgetter(*places)
    return picked  # type: ignore[no-any-return]
