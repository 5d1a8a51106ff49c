"""The constraints of a network: all that torch requires of the sizes of its input, with the words for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from tracer.diagnostics import legible
from tracer.network.records import Network, Node, as_written
from tracer.ops.base import Requirement
from tracer.planning.constraints import (
    FORMAT_VERSION,
    CaseAnswer,
    ConstraintsAnswer,
    RequirementAnswer,
)
from tracer.planning.working_sizes import (
    NO_SYMBOLS,
    READABLE,
    STEPS,
    TRACED,
    narrower_nodes,
)
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import refusal_text
from tracer.shapes.traced import Ops
from tracer.sizing.periodic import Analysis, Decided, decide
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.sizing.stored import written_steps, written_truth
from tracer.sizing.substitution import Substitution
from tracer.sizing.symbol import Condition, Space, Writing, identity


class NoSymbols(Exception):
    """An operation takes no symbols; the message names the node."""


def constraints_of(
    network: Network, ops: Ops, declared: Mapping[str, int]
) -> ConstraintsAnswer:
    """The constraints of a network with these operations. Raises :class:`TooLarge` and :class:`NoSymbols`."""
    cases = _Cases(network, ops)
    cases.add({})
    return ConstraintsAnswer(
        format_version=FORMAT_VERSION,
        name=network.name,
        inputs={
            node.name: [as_written(dim) for dim in node.pattern]
            for node in network.nodes
            if node.is_input
        },
        symbols=list(network.symbols),
        declared={symbol: declared[symbol] for symbol in network.symbols if symbol in declared},
        cases=cases.merged(),
    )


class _Cases:
    """The cases of one network: on symbols, and the sizes that an operation takes as numbers only."""

    def __init__(self, network: Network, ops: Ops) -> None:
        self.network = network
        self.ops = ops
        self.found: list[tuple[dict[str, int], CaseAnswer]] = []
        """Each with the sizes that it is about."""
        self._steps = 0

    def add(self, sizes: dict[str, int]) -> None:
        """The case with some symbols at these sizes, and those with more of them that it refuses."""
        self._steps += len(self.network.nodes)
        if self._steps > STEPS:
            raise TooLarge("too many sizes would have to be traced one by one")

        recipe = recipe_of(self.network, self.ops, sizes, contracts=False)
        if recipe.undecided:
            raise NoSymbols(f"{recipe.undecided[0].name}: {NO_SYMBOLS}")
        refused = list(self._refused(recipe, sizes))
        if recipe.sound or not sizes:
            self.found.append((sizes, _case(recipe)))
        for symbol, n in refused:
            self.add({**sizes, symbol: n})

    def _refused(self, recipe: Recipe, sizes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """The sizes of one more symbol that an operation refuses, and may take as numbers."""
        narrower = set(narrower_nodes(recipe))
        # An equation, as that a size divides by a factor, holds of numbers as well.
        conditions = [
            condition
            for condition, node in recipe.conditions
            if node in narrower and condition.relation != "eq"
        ]
        names = list(self.network.symbols)
        last = max([names.index(symbol) for symbol in sizes], default=-1)
        for symbol in names[last + 1 :]:
            refused = set[int]()
            for condition in conditions:
                refused.update(_refused_sizes(condition, symbol, recipe.program.space))
            yield from ((symbol, n) for n in sorted(refused))

    def merged(self) -> list[CaseAnswer]:
        """The cases, with those in one that say the same of several sizes of one symbol."""
        sizes_of: dict[Any, list[int]] = {}
        cases: dict[Any, CaseAnswer] = {}
        for sizes, case in self.found:
            *others, last = sizes.items() or [("", 0)]
            key = (*others, last[0], msgspec.json.encode(case))
            sizes_of.setdefault(key, []).append(last[1])
            cases.setdefault(key, replace(case, where={s: _set([n]) for s, n in sizes.items()}))

        found = []
        for key, case in cases.items():
            symbol = key[-2]
            where = {**case.where, symbol: _set(sizes_of[key])} if symbol else {}
            found.append(replace(case, where=where))
        return found


def _refused_sizes(condition: Condition, symbol: str, space: Space) -> Iterable[int]:
    """The sizes of a symbol with which a condition fails: for some sizes of the others, where it has others."""
    support = space.support(condition)
    if symbol not in support:
        return ()
    if len(support) == 1:
        taken = decide([[condition]], symbol, Analysis(space))[0].sizes
        return (n for n in range(taken.start) if n not in taken)

    replaced = (Substitution(space, {symbol: n}).condition(condition) for n in range(TRACED))
    return (n for n, holds in enumerate(replaced) if holds is not True)


def _set(sizes: list[int]) -> SizeSet:
    """The set of these sizes alone."""
    found = sorted(sizes)
    return SizeSet(tuple(found), found[-1] + 1, 1, ())


class _Said(NamedTuple):
    """A condition that has to hold, and what it is about."""

    holds: Condition | bool
    node: Node
    requirement: Requirement | None


def _case(recipe: Recipe) -> CaseAnswer:
    """The conditions of a recipe, in the order of the nodes, with their words."""
    program, space = recipe.program, recipe.program.space
    said = sorted(_strictest(_all_said(recipe)), key=lambda one: one.node.index)
    texts = [_expression(one.holds) for one in said]
    sets = _own_sets(recipe, [one.holds for one in said])

    space.write_as(lambda size: f"⟦{program.slot(size)}⟧")
    requirements = []
    for one, text in zip(said, texts):
        if isinstance(one.holds, Condition):
            program.watch(one.holds)
        holds = written_truth(program, one.holds)
        requirements.append(
            RequirementAnswer(holds, one.node.name, text, _message(recipe, one, text))
        )
    return CaseAnswer(
        where={},
        sets={symbol: found.sizes for symbol, found in sets.items()},
        below={symbol: n for symbol, (_, n) in sets.items() if n is not None},
        steps=written_steps(program),
        requirements=requirements,
    )


def _all_said(recipe: Recipe) -> Iterator[_Said]:
    """All that torch requires, and what fails whatever the sizes are."""
    for number, (condition, node) in enumerate(recipe.conditions):
        if number not in recipe.impossible:
            yield _Said(condition, node, recipe.requirements.get(number))
    for node, requirement in recipe.refusals:
        yield _Said(False, node, requirement)


def _strictest(said: Iterable[_Said]) -> Iterator[_Said]:
    """Without the conditions that an earlier one implies: the same again, or ``p + 2 >= 0`` behind ``p + 1 >= 0``."""
    seen: set[Any] = set()
    least: dict[int, int] = {}
    for one in said:
        key = identity(one.holds)
        if key in seen and isinstance(one.holds, Condition):
            continue
        seen.add(key)

        if isinstance(one.holds, Condition) and one.holds.relation == "ge":
            size = one.holds.parts[0]
            known = least.get(id(size.siblings))
            if known is not None and known <= size.constant:
                continue
            least[id(size.siblings)] = size.constant
        yield one


def _expression(holds: Condition | bool) -> str:
    """A condition as an expression that can be read."""
    if isinstance(holds, bool):
        return str(holds).lower()
    return holds.written(Writing(lambda _: None, READABLE))


def _own_sets(recipe: Recipe, conditions: Iterable[Condition | bool]) -> dict[str, Decided]:
    """The sizes that each symbol takes by itself."""
    analysis = Analysis(recipe.program.space)
    alone: dict[str, list[Condition]] = {symbol: [] for symbol in recipe.network.symbols}
    for condition in conditions:
        for part in condition.conjuncts() if isinstance(condition, Condition) else ():
            support = analysis.space.support(part)
            if len(support) == 1:
                alone[next(iter(support))].append(part)
    return {symbol: decide([own], symbol, analysis)[0] for symbol, own in alone.items()}


def _message(recipe: Recipe, one: _Said, text: str) -> str:
    """What is said where a condition does not hold."""
    if one.requirement is None:
        return legible(f"{one.node.name}: {text} does not hold")
    inputs = [recipe.shape(source) or () for source in one.node.inputs]
    return legible(refusal_text(one.node, one.requirement, inputs))
