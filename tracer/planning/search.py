"""The least-cost values of integer unknowns that meet conditions, or the proof that there are none.

Conditions that share no unknown are solved apart (each axis for itself). Within a group the search is complete: depth
first in the order of the nodes, a condition judged as soon as its unknowns have values. Two things keep it small
without losing a solution. What follows depends only on the sizes that are still in use, so a state that has been
there before is looked up, with its least cost and its number of solutions. And size functions are bounded: where the
bounds of what is still open cannot meet a condition, or meet them all, nothing below is tried.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from tracer.sizing.primitives import CONDITION, SIZE
from tracer.sizing.program import AFFINE, FLOORDIV, POLYNOMIAL, PRIMITIVE_OF, Program
from tracer.sizing.symbol import Condition, Space

WORK = 800_000
"""Numbers that searches for one plan compute and read before they give up; they then say so instead of answering."""

TRIED = 4
"""What trying a value costs besides, in such numbers."""

BOUNDED = 5
"""What bounding a number costs, in such numbers."""

COUNTED = 1_000
"""Of an unknown with more values than these, those that cost more than the best one found are not counted."""

Ask = tuple[Condition, Any]
"""A condition on the unknowns, and the node that it belongs to, or whatever else has an ``index``."""


class TooManyValues(Exception):
    """The search has more values to try than it may."""


class Effort:
    """The work that searches have left, together: several of them answer one question."""

    def __init__(self, work: int = WORK) -> None:
        self.left = work

    def spend(self, work: int) -> None:
        """Take so much of it. Raises :class:`TooManyValues` where nothing is left."""
        self.left -= work
        if self.left < 0:
            raise TooManyValues


class Variable(msgspec.Struct):
    """One integer to find."""

    name: str
    domain: range
    default: int
    """torch's default, from which the cost of a value is its distance."""

    def cost(self, value: int) -> int:
        """The distance of a value from the default."""
        return abs(value - self.default)

    @property
    def has_rival(self) -> bool:
        """Whether another value costs as little as the cheapest."""
        first, *others = islice(self.cheapest_first(), 2)
        return any(self.cost(other) == self.cost(first) for other in others)

    def cheapest_first(self) -> Iterator[int]:
        """The values by their distance from the default, the lower of two first; a large domain is not built."""
        start = min(max(self.default, self.domain.start), self.domain.stop - 1)
        yield start
        for distance in range(1, len(self.domain)):
            for value in (start - distance, start + distance):
                if value in self.domain:
                    yield value


class Broken(NamedTuple):
    """A condition that no values meet."""

    condition: Condition | None
    """None where an operation takes no symbols."""
    node: Any
    """What the condition belongs to."""
    values: dict[str, int]
    """Values of unknowns with which the search came that far."""


class SearchResult(NamedTuple):
    """The answer of a search."""

    values: dict[str, int] | None
    """None: no values meet the conditions."""
    solutions: int
    """How many assignments do."""
    broken: Broken | None
    groups: list[SearchGroup]

    def assignments(self) -> Iterator[dict[str, int]]:
        """Every solution, the least-cost one first."""
        for chosen in itertools.product(*(list(group.assignments()) for group in self.groups)):
            yield {name: value for part in chosen for name, value in part.items()}


def solve(
    space: Space,
    variables: Mapping[str, Variable],
    asks: Sequence[Ask],
    effort: Effort | None = None,
) -> SearchResult:
    """The least-cost values, group by group. Raises :class:`TooManyValues` where that takes more than ``effort``."""
    groups = _groups(space, variables, asks, effort or Effort())

    values: dict[str, int] = {}
    broken: Broken | None = None
    for group in groups:
        best = group.solve()
        if best is None and group.broken is not None:
            broken = broken or group.broken
            best = group.broken.values
        values.update(best or {})

    if broken is not None:
        return SearchResult(None, 0, broken._replace(values=values), [])
    solutions = math.prod(group.solutions for group in groups)
    if not solutions:
        return SearchResult(None, 0, None, [])
    return SearchResult(values, solutions, None, groups)


def _groups(
    space: Space, variables: Mapping[str, Variable], asks: Sequence[Ask], effort: Effort
) -> list[SearchGroup]:
    """The unknowns by the conditions that they share."""
    open_asks = _open(_conjuncts(asks), space, variables, effort)
    return [
        group_of(space, members, own, effort)
        for members, own in _independent(space, variables, open_asks, effort)
    ]


def _conjuncts(asks: Iterable[Ask]) -> list[Ask]:
    """The conditions, with all that have to hold together one by one."""
    return [(part, node) for condition, node in asks for part in condition.conjuncts()]


def _open(
    asks: list[Ask], space: Space, variables: Mapping[str, Variable], effort: Effort
) -> list[Ask]:
    """The conditions that do not hold whatever the values are."""
    # Sums that grow along a chain of layers are long together: they are counted before a program is made of them.
    terms = sum(1 + len(size.terms) for condition, _ in asks for size in condition.sizes())
    effort.spend(BOUNDED * terms)

    box = SearchBox(space, list(variables), [condition for condition, _ in asks])
    bounds = box.bounds({name: variable.domain for name, variable in variables.items()})
    return [ask for ask in asks if bounds.truth(ask[0]) is not True]


def _independent(
    space: Space, variables: Mapping[str, Variable], asks: Sequence[Ask], effort: Effort
) -> Iterator[tuple[list[Variable], list[Ask]]]:
    """Groups of unknowns that share conditions, each in order, with the conditions on them."""
    in_order = list(variables.values())
    rank = {name: i for i, name in enumerate(variables)}
    supports = []
    for condition, _ in asks:
        symbols = space.support(condition)
        effort.spend(len(symbols))
        supports.append(sorted(rank[name] for name in symbols))

    asks_of: dict[int, list[Ask]] = {}
    groups = connected(len(in_order), supports)
    group_of_rank = {i: number for number, ranks in enumerate(groups) for i in ranks}
    for ask, support in zip(asks, supports):
        if support:
            asks_of.setdefault(group_of_rank[support[0]], []).append(ask)

    for number, ranks in enumerate(groups):
        yield [in_order[i] for i in ranks], asks_of.get(number, [])


def connected(count: int, supports: Sequence[Sequence[int]]) -> list[list[int]]:
    """Groups of unknowns that share conditions, each in order."""
    leader = list(range(count))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for support in supports:
        for i in support:
            leader[find(i)] = find(support[0])
    groups: dict[int, list[int]] = {}
    for i in range(count):
        groups.setdefault(find(i), []).append(i)
    return list(groups.values())


Key = tuple[int, ...]
"""The values of the slots that are still in use."""

ProgramStep = tuple[int, int, Any]
"""Slot, kind and instruction of a program."""


class State(NamedTuple):
    """What is known of the unknowns from one depth on, for one set of sizes in use."""

    cost: int
    solutions: int
    choices: list[tuple[int, Key]] | None
    """The values that lead to a solution, the best first, each with the state that follows. None: all values do."""


class Level(NamedTuple):
    """What is computed and judged once an unknown has a value."""

    variable: Variable
    steps: list[ProgramStep]
    conditions: list[Ask]
    live: tuple[int, ...]
    """The slots that later levels use, this one's and earlier ones'."""
    work: int
    """The numbers that are computed and read for one value."""


class SearchGroup:
    """Unknowns that share conditions, and the search over their values. :func:`group_of` makes one."""

    def __init__(self, variables: list[Variable], program: Program, effort: Effort) -> None:
        self.variables = variables
        self.program = program
        self.effort = effort
        self.values: list[Any] = [v.domain.start for v in variables] + [0] * program.computed
        """By slot."""
        self.levels: list[Level] = []
        self.states: list[dict[Key, State | None]] = [{} for _ in variables]
        self.solutions = 0
        """How many assignments meet the conditions. After :meth:`solve`."""
        self.broken: Broken | None = None
        self.capped = False
        """Not all solutions are counted."""
        self._deepest = -1

    def solve(self) -> dict[str, int] | None:
        """The least-cost values, ties to the first unknowns' cheapest; None where there are none."""
        root = self._explored()
        if root is None:
            return None
        self.solutions = root.solutions
        return next(self.assignments(), None)

    def is_unrivalled(self) -> bool:
        """Whether every other solution costs more than the least-cost one. After :meth:`solve`."""
        key: Key = ()
        for depth, states in enumerate(self.states):
            state = states[key]
            assert state is not None
            if state.choices is None:
                return not any(variable.has_rival for variable in self.variables[depth:])

            costs = [self._cost(depth, *choice) for choice in state.choices]
            if costs.count(state.cost) > 1:
                return False
            _, key = state.choices[0]
        return True

    def _cost(self, depth: int, value: int, following: Key) -> int:
        """The cost of a value with the best of what follows."""
        own = self.variables[depth].cost(value)
        if depth + 1 == len(self.variables):
            return own
        state = self.states[depth + 1][following]
        assert state is not None
        return own + state.cost

    def assignments(self) -> Iterator[dict[str, int]]:
        """Every solution, the least-cost one first; the others in no order of cost. After :meth:`solve`."""
        names = [v.name for v in self.variables]

        def below(depth: int, key: Key) -> Iterator[list[int]]:
            if depth == len(names):
                yield []
                return
            state = self.states[depth][key]
            assert state is not None
            if state.choices is None:
                yield from map(
                    list,
                    itertools.product(*(v.cheapest_first() for v in self.variables[depth:])),
                )
                return
            for value, following in state.choices:
                for rest in below(depth + 1, following):
                    yield [value, *rest]

        for chosen in below(0, ()):
            yield dict(zip(names, chosen))

    def _explored(self) -> State | None:
        """The root's state: a walk with a stack of its own, as there may be more unknowns than Python's stack holds."""
        stack = [_Frame(0, (), self.levels[0].variable)]
        result: State | None = None
        while True:
            frame = stack[-1]
            following = self._next(frame)
            if following is not None:
                stack.append(
                    _Frame(frame.depth + 1, following, self.levels[frame.depth + 1].variable)
                )
                continue
            result = self.states[frame.depth][frame.key] = frame.state()
            stack.pop()
            if not stack:
                return result
            stack[-1].add(result)

    def _next(self, frame: _Frame) -> Key | None:
        """Go through the values of a frame's unknown; stops at a state that is not known yet, and returns its key."""
        level = self.levels[frame.depth]
        is_last = frame.depth + 1 == len(self.levels)
        for value in frame.untried:
            if frame.is_dearer(value):
                self.capped = True  # the rest costs more
                return None
            if not self._holds_with(frame, level, value):
                continue

            frame.following = key = tuple([self.values[slot] for slot in level.live])
            if is_last:
                frame.add(_SOLVED)
            elif self._is_known(frame.depth + 1, key):
                frame.add(self.states[frame.depth + 1][key])
            else:
                return key
        return None

    def _holds_with(self, frame: _Frame, level: Level, value: int) -> bool:
        """Give an unknown a value, and judge the conditions that this decides."""
        self.effort.spend(TRIED + level.work)

        values = self.values
        values[frame.depth] = frame.value = value
        for slot, kind, instruction in level.steps:
            values[slot] = self.program.value(kind, instruction, values)
        return self._meets(frame.depth, level.conditions)

    def _is_known(self, depth: int, key: Key) -> bool:
        """Whether a state has been there before, or follows from the bounds of what is open behind it."""
        known = self.states[depth]
        if key in known:
            return True

        # Bounds cost as much as a few values: they pay where states are many.
        met = None if len(known) < 2 else self._are_met(depth - 1)
        if met is None:
            return False
        known[key] = self._free(depth) if met else None
        return True

    def _free(self, depth: int) -> State:
        """What is known where no condition is left."""
        rest = self.variables[depth:]
        cost = sum(v.cost(next(v.cheapest_first())) for v in rest)
        return State(cost, math.prod(len(v.domain) for v in rest), None)

    def _meets(self, depth: int, asks: list[Ask]) -> bool:
        for condition, node in asks:
            if not self.program.truth(condition, self.values):
                self._note(Broken(condition, node, {}), depth)
                return False
        return True

    def _note(self, broken: Broken, depth: int) -> None:
        """Keep where the search came furthest: with most unknowns chosen, and then at the last node."""
        last = -1 if self.broken is None else self.broken.node.index
        if (depth, broken.node.index) > (self._deepest, last):
            self._deepest = depth
            names = [variable.name for variable in self.variables[: depth + 1]]
            self.broken = broken._replace(values=dict(zip(names, self.values)))

    def _are_met(self, depth: int) -> bool | None:
        """Whether the conditions behind this depth are met by all values, by none (one of them is not), or by some."""
        bounds = Bounds(self.program, self.values)

        always = True
        for later in range(depth + 1, len(self.levels)):
            level = self.levels[later]
            self.effort.spend(BOUNDED * level.work)
            bounds.open(later, level.variable.domain)
            for slot, kind, instruction in level.steps:
                bounds.step(slot, kind, instruction)
            for condition, _ in level.conditions:
                holds = bounds.truth(condition)
                if holds is False:
                    return False
                always = always and holds is True
        if always:
            return True
        return None


def group_of(
    space: Space, variables: list[Variable], asks: Sequence[Ask], effort: Effort
) -> SearchGroup:
    """Some unknowns with the conditions on them, laid out level by level."""
    program = Program(space, [v.name for v in variables])
    for condition, _ in asks:
        program.watch(condition)

    group = SearchGroup(variables, program, effort)
    group.levels = _Layout(group).levels(asks)
    return group


class _Layout:
    """Puts what is computed and judged at the first level where its unknowns have values."""

    def __init__(self, group: SearchGroup) -> None:
        self.program = group.program
        self.values = group.values
        self.variables = group.variables
        count = len(group.variables)
        computed = group.program.computed
        self.depth = [*range(count), *[-1] * computed]
        """The level of every slot; -1 for one that no unknown decides."""
        self.last_use = [-1] * (count + computed)
        """The last level that reads a slot."""
        self.work = [1] * count
        """By level: the numbers that are computed and read for one value."""
        self._partial_of: dict[tuple[Any, ...], int] = {}
        """By the products of a sum: the slot that has it already, as layers behind one another share what adds up."""

    def levels(self, asks: Sequence[Ask]) -> list[Level]:
        steps = self._steps()
        conditions = self._conditions(asks)

        live: list[list[int]] = [[] for _ in self.variables]
        for slot, (made, used) in enumerate(zip(self.depth, self.last_use)):
            for level in range(made, used) if made >= 0 else ():
                live[level].append(slot)

        parts = zip(self.variables, steps, conditions, map(tuple, live), self.work)
        return [Level(*part) for part in parts]

    def _steps(self) -> list[list[ProgramStep]]:
        steps: list[list[ProgramStep]] = [[] for _ in self.variables]
        for slot, kind, instruction in self._small_steps():
            reads = self.program.reads(kind, instruction)
            level = max((self.depth[read] for read in reads), default=-1)
            self.depth[slot] = level
            if level < 0:
                self.values[slot] = self.program.value(kind, instruction, self.values)
            else:
                steps[level].append((slot, kind, instruction))
                self._read(reads, level)
        return steps

    def _conditions(self, asks: Sequence[Ask]) -> list[list[Ask]]:
        conditions: list[list[Ask]] = [[] for _ in self.variables]
        for ask in asks:
            slots = [self.program.slot(size) for size in ask[0].sizes()]
            level = max(self.depth[slot] for slot in slots)
            conditions[level].append(ask)
            self._read(slots, level)
        return conditions

    def _read(self, slots: Sequence[int], level: int) -> None:
        self.work[level] += 1 + len(slots)
        for slot in slots:
            self.last_use[slot] = max(self.last_use[slot], level)

    def _small_steps(self) -> Iterator[ProgramStep]:
        """The program's steps, with a sum over unknowns of several levels cut into one sum a level.

        What a chain of layers adds up to is then one number at each level, and the same states are met again.
        """
        for slot, kind, instruction in self.program.steps():
            if kind != POLYNOMIAL:
                yield slot, kind, instruction
                continue

            products, constant = instruction
            by_level: dict[int, list[Any]] = {}
            for product in products:
                level = max(self.depth[factor] for factor in product[1])
                by_level.setdefault(level, []).append(product)

            *earlier, last = sorted(by_level)
            sum_so_far: list[Any] = []
            for level in earlier:
                sum_so_far = sum_so_far + by_level[level]
                partial = self._partial_of.get(tuple(sum_so_far))
                if partial is None:
                    partial = self._partial_of[tuple(sum_so_far)] = self._new_slot()
                    yield partial, POLYNOMIAL, (tuple(sum_so_far), 0)
                sum_so_far = [(1, (partial,))]
            yield slot, POLYNOMIAL, (tuple(sum_so_far + by_level[last]), constant)

    def _new_slot(self) -> int:
        self.values.append(0)
        self.depth.append(-1)
        self.last_use.append(-1)
        return len(self.values) - 1


_SOLVED = State(0, 1, [])


class _Frame:
    """One unknown of a walk: what has been found with the values tried so far."""

    __slots__ = (
        "best",
        "choices",
        "count",
        "depth",
        "following",
        "key",
        "untried",
        "value",
        "variable",
    )

    def __init__(self, depth: int, key: Key, variable: Variable) -> None:
        self.depth = depth
        self.key = key
        self.variable = variable
        self.untried = variable.cheapest_first()
        self.value = 0
        self.following: Key = ()
        self.count = 0
        self.best = 0
        self.choices: list[tuple[int, Key]] = []

    def is_dearer(self, value: int) -> bool:
        """Whether a value of many costs more than the best solution that was found, so that it is not counted."""
        if len(self.variable.domain) <= COUNTED or not self.choices:
            return False
        return self.variable.cost(value) > self.best

    def add(self, found: State | None) -> None:
        """What follows from the value last tried."""
        if found is None:
            return
        cost = found.cost + self.variable.cost(self.value)
        choice = (self.value, self.following)
        self.count += found.solutions
        # Of equal ones the earlier is nearer to the default.
        if not self.choices or cost < self.best:
            self.best = cost
            self.choices.insert(0, choice)
        else:
            self.choices.append(choice)

    def state(self) -> State | None:
        if self.choices:
            return State(self.best, self.count, self.choices)
        return None


class Bounds:
    """Least and largest values of slots, some of which are open; all formulas are monotone in each argument."""

    def __init__(self, program: Program, values: Sequence[Any]) -> None:
        self.program = program
        self.lower = list(values)
        self.upper = list(values)

    def open(self, slot: int, domain: range) -> None:
        self.lower[slot], self.upper[slot] = domain.start, domain.stop - 1

    def step(self, slot: int, kind: int, instruction: Any) -> None:
        """The bounds of one more slot."""
        lower = self.lower
        upper = self.upper
        if kind in (AFFINE, FLOORDIV):
            ends = (
                self.program.value(kind, instruction, lower),
                self.program.value(kind, instruction, upper),
            )
        elif kind == POLYNOMIAL:
            ends = self._polynomial(*instruction)
        else:
            primitive = PRIMITIVE_OF[kind]
            parts = zip(primitive.takes, instruction)
            ends = primitive.bounds(*[self._known(takes, part) for takes, part in parts])
        lower[slot], upper[slot] = min(ends), max(ends)

    def _polynomial(self, products: Any, constant: int) -> tuple[int, int]:
        least = most = constant
        for factor, slots in products:
            ends = (factor, factor)
            for slot in slots:
                ends = _corners(
                    [a * b for a in ends for b in (self.lower[slot], self.upper[slot])]
                )
            least += ends[0]
            most += ends[1]
        return least, most

    def _known(self, takes: str, part: Any) -> Any:
        """What is known of an argument of a primitive: the ends of a size, the truth of a condition."""
        if takes == SIZE:
            return self.lower[part], self.upper[part]
        if takes == CONDITION:
            return self.truth(part)
        return part

    def truth(self, condition: Condition) -> bool | None:
        """Whether a condition always or never holds; None where that is open."""
        if condition.relation in ("and", "or"):
            return condition.joined([self.truth(part) for part in condition.parts])
        slot = self.program.slot(condition.parts[0])
        least = self.lower[slot]
        most = self.upper[slot]
        if condition.relation == "ge":
            if least >= 0:
                return True
            if most < 0:
                return False
            return None
        equal = condition.relation == "eq"
        if not least <= 0 <= most:
            return not equal
        if least == most:
            return equal
        return None


def holds_within(condition: Condition, domains: Mapping[str, range]) -> bool | None:
    """Whether the bounds of its sizes show that a condition always or never holds, for symbols in these ranges."""
    names = sorted(domains)
    program = Program(condition.space, names)
    program.watch(condition)

    bounds = Bounds(program, [0] * program.length)
    for slot, name in enumerate(names):
        bounds.open(slot, domains[name])
    for slot, kind, instruction in program.steps():
        bounds.step(slot, kind, instruction)
    return bounds.truth(condition)


def _corners(values: list[int]) -> tuple[int, int]:
    return min(values), max(values)


class SearchBox:
    """Conditions on unknowns of which only ranges are known."""

    def __init__(
        self, space: Space, names: Sequence[str], conditions: Sequence[Condition]
    ) -> None:
        self.names = names
        self.conditions = conditions
        self.program = Program(space, names)
        for condition in conditions:
            self.program.watch(condition)

    def bounds(self, domains: Mapping[str, range]) -> Bounds:
        """The bounds of every slot, for values in these ranges."""
        bounds = Bounds(self.program, [0] * (len(self.names) + self.program.computed))
        for slot, name in enumerate(self.names):
            bounds.open(slot, domains[name])
        for slot, kind, instruction in self.program.steps():
            bounds.step(slot, kind, instruction)
        return bounds

    def is_refuted(self, domains: Mapping[str, range]) -> bool:
        """Whether some condition holds nowhere in these ranges."""
        bounds = self.bounds(domains)
        return any(bounds.truth(condition) is False for condition in self.conditions)
