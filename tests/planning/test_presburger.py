"""A second judge of the exact sets: Presburger arithmetic, by isl, for every integer at once.

The conditions of a network are translated into a set of isl, whose decision procedure shares nothing with ours. Sets
are compared as sets, so that agreement is proven for every size, not sampled.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import assume, given

import tracer
from tests.drawn.networks import Drawn, networks
from tests.extras import needs
from tests.planning.test_working_sizes import elsewhere
from tests.shapes.test_networks import STRICTER
from tracer.planning.working_sizes import Axis, working_sizes
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import declared_ops
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.sizing.symbol import Condition, Size, SizeLike

needs("judge")
import islpy as isl

OPERATIONS = 3_000_000
"""Steps of isl's that one network may take."""


class NotLinear(Exception):
    """A product of sizes, or a factor that is no ratio of integers: no Presburger formula."""


class Translation:
    """Sizes and conditions of one network in the terms of isl."""

    def __init__(self, symbols: list[str]) -> None:
        self.context = isl.Context()
        self.context.set_max_operations(OPERATIONS)
        space = isl.Space.create_from_names(self.context, set=symbols)
        self.domain = isl.Set.universe(space)
        self.local = isl.LocalSpace.from_space(space)
        self.position = {name: i for i, name in enumerate(symbols)}
        self.atoms: dict[int, isl.PwAff] = {}

    def number(self, n: int) -> isl.PwAff:
        return isl.PwAff.from_aff(isl.Aff.val_on_domain(self.local, self.value(n)))

    def value(self, n: int) -> isl.Val:
        return isl.Val.int_from_si(self.context, n)

    def size(self, size: SizeLike) -> isl.PwAff:
        if isinstance(size, int):
            return self.number(size)
        total = self.number(size.constant)
        for monomial, factor in size.terms:
            if len(monomial) != 1:
                raise NotLinear
            total = total.add(self.atom(size, monomial[0]).mul(self.number(factor)))
        return total

    def atom(self, size: Size, index: int) -> isl.PwAff:
        if index not in self.atoms:
            atom = size.space.atoms[index]
            self.atoms[index] = self._atom(atom.primitive.name, atom.arguments)
        return self.atoms[index]

    def _atom(self, function: str, arguments: tuple) -> isl.PwAff:
        if function == "symbol":
            position = self.position[arguments[0]]
            return isl.PwAff.from_aff(
                isl.Aff.var_on_domain(self.local, isl.dim_type.set, position)
            )
        if function == "floordiv" and isinstance(arguments[1], int):
            return self.size(arguments[0]).div(self.number(arguments[1])).floor()
        if function == "minimum":
            return self.size(arguments[0]).min(self.size(arguments[1]))
        if function == "choose":
            condition, then, otherwise = arguments
            holds = self.condition(condition)
            chosen = self.size(then).intersect_domain(holds)
            return chosen.union_add(self.size(otherwise).intersect_domain(holds.complement()))
        raise NotLinear

    def condition(self, condition: Condition) -> isl.Set:
        if condition.relation in ("and", "or"):
            first, *rest = [self.condition(part) for part in condition.parts]
            for other in rest:
                first = (
                    first.intersect(other)
                    if condition.relation == "and"
                    else first.union(other)
                )
            return first
        size, zero = self.size(condition.parts[0]), self.number(0)
        compared = {"ge": size.ge_set, "eq": size.eq_set, "ne": size.ne_set}
        return compared[condition.relation](zero)

    def runs(self, recipe: Recipe, others: dict[str, int]) -> isl.Set:
        """The sizes that meet every condition, the other symbols at theirs; no size is negative."""
        found = self.domain
        for position in self.position.values():
            found = found.lower_bound_val(isl.dim_type.set, position, self.value(0))
        for name, n in others.items():
            found = found.fix_val(isl.dim_type.set, self.position[name], self.value(n))
        for condition, _ in recipe.conditions:
            found = found.intersect(self.condition(condition)).coalesce()
        return found

    def ours(self, sizes: SizeSet, symbol: str, others: dict[str, int]) -> isl.Set:
        """A set of ours, as isl writes one."""
        names = ", ".join(self.position)
        fixed = [f"{name} = {n}" for name, n in others.items()]
        parts = [f"{symbol} = {n}" for n in sizes.finite]
        parts += [
            f"({symbol} >= {sizes.start} and ({symbol} - {r}) mod {sizes.modulus} = 0)"
            for r in sizes.residues
        ]
        kept = " or ".join(parts) or "1 = 0"
        text = f"{{ [{names}] : {' and '.join([*fixed, f'({kept})'])} }}"
        return isl.Set.read_from_str(self.context, text)


def test_the_judge_disagrees_with_wrong_sets() -> None:
    """Whoever compares everything as equal judges nothing: a set with one size more, or one residue less, differs."""
    net = tracer.loads(
        "input: [1, 1, H]\nlayers:\n  p: {op: MaxPool1d, kernel_size: 3, stride: 2}\n"
    )
    recipe = recipe_of(net.network, declared_ops(net.network), contracts=False)
    judge = Translation(["H"])
    right = judge.runs(recipe, {})
    assert right.is_equal(judge.ours(SizeSet((), 3, 1, (0,)), "H", {}))
    assert not right.is_equal(judge.ours(SizeSet((1,), 3, 1, (0,)), "H", {}))
    assert not right.is_equal(judge.ours(SizeSet((), 4, 2, (0,)), "H", {}))


def test_sets_are_those_of_presburger_arithmetic() -> None:
    """For every integer: what runs is what isl finds to meet the network's conditions."""
    seen: Counter[str] = Counter()

    @given(networks())
    def compare(drawn: Drawn) -> None:
        assume(drawn.sizes and not any(op in drawn.text for op in STRICTER))
        net = tracer.loads(drawn.text)
        ops = declared_ops(net.network)
        recipe = recipe_of(net.network, ops, contracts=False)
        assume(recipe.sound)
        try:
            found = working_sizes(net.network, ops, drawn.sizes)
        except TooLarge:
            return
        for symbol, axis in found.axes.items():
            others = elsewhere(found, drawn.sizes, symbol)
            if not all(n in found.axes[s].runs for s, n in others.items()):
                continue
            seen[judged(recipe, axis, symbol, others, drawn)] += 1

    compare()
    total = seen["equal"] + seen["not linear"] + seen["too long"]
    assert seen["equal"] >= 40 and seen["equal"] >= total // 2, seen


def judged(
    recipe: Recipe, axis: Axis, symbol: str, others: dict[str, int], drawn: Drawn
) -> str:
    """How the comparison of one symbol's set went; a difference fails."""
    if axis.below is not None:
        return "no period"
    judge = Translation(list(recipe.network.symbols))
    try:
        theirs = judge.runs(recipe, others)
        mine = judge.ours(axis.runs, symbol, others)
        equal = theirs.is_equal(mine)
    except NotLinear:
        return "not linear"
    except isl.Error as error:
        assert "maximal number of operations" in str(error), error
        return "too long"
    assert equal, (symbol, others, axis.runs, theirs, drawn)
    return "equal"
