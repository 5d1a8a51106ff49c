"""A network traced once on symbols, for any sizes.

A :class:`Recipe` has the symbolic shape of every node, and as conditions all that torch requires and the config
expects. Compiled to a flat program (:mod:`tracer.sizing.program`) it is what later traces apply:
of its conditions it keeps sufficient ones, and where one fails, the ints decide and say why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from tracer.network.records import DimPattern, Network, Node
from tracer.network.sharing import widths
from tracer.ops.base import (
    Op,
    Requirement,
    Requirements,
    Shape,
    may_be_negative,
    with_arguments,
)
from tracer.shapes.trace import dim_pairs, dim_value, dims_value
from tracer.shapes.traced import Ops, Traced, requirements_of
from tracer.sizing.arithmetic import Dim, Holds
from tracer.sizing.program import Program
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Condition, Size, Space, Terms
from tracer.source import limits
from tracer.source.expressions import Expression, ExpressionError

NO_SHAPE = -1
"""In place of the index of a shape."""


class FailedNode(NamedTuple):
    """A node that fails whatever the symbols are."""

    node: Node
    requirement: Requirement | None
    """What torch requires of it; None where an expectation is not met."""


class Recipe(msgspec.Struct):
    """A network's shapes as a program over its symbols, for one set of operations. :func:`recipe_of` makes one."""

    network: Network
    ops: Ops
    """With dims over symbols in their place."""
    sizes: dict[str, Dim]
    """A symbol, or the number that was given, for each of the network's symbols."""
    program: Program
    conditions: list[tuple[Condition, Node]]
    """Everything that torch requires and that is expected, with the node it belongs to."""
    unique: list[Shape]
    """Each distinct symbolic shape once."""
    shape_of: list[int]
    """The index into ``unique`` of every node; :data:`NO_SHAPE` for one that fails, and for all behind it."""
    requirements: dict[int, Requirement]
    """By the number of a condition: what torch requires, where an operation has words for it."""
    promised: set[int]
    """The numbers of those conditions that the config expects: torch requires the others."""
    impossible: set[int]
    """The numbers of those conditions that never hold, although symbols decide the sizes: ``2*p + 60`` is never 63."""
    refusals: list[FailedNode]
    """What fails whatever the symbols are, in execution order."""
    undecided: list[Node]
    """Nodes whose formula takes no symbols."""

    @property
    def sound(self) -> bool:
        """False where the network fails whatever the sizes, or an operation takes no symbols."""
        return not self.refusals and not self.undecided

    @property
    def failed(self) -> Node | None:
        """The first node that fails whatever the symbols are, where one does."""
        return self.refusals[0].node if self.refusals else None

    @property
    def shapes(self) -> list[Shape]:
        """The symbolic shape of every node; an empty one for a node that fails, and for those behind it."""
        return [() if index == NO_SHAPE else self.unique[index] for index in self.shape_of]

    @property
    def traced(self) -> Traced:
        """The network with its symbolic shapes; None for a node that fails, and for those behind it."""
        return Traced(self.network, self.ops, [self.shape(node) for node in self.network.nodes])

    def shape(self, node: Node) -> Shape | None:
        """The symbolic shape of a node; None where it fails, or a node before it does."""
        index = self.shape_of[node.index]
        return None if index == NO_SHAPE else self.unique[index]


def recipe_of(
    network: Network,
    ops: Ops,
    sizes: Mapping[str, int] | None = None,
    space: Space | None = None,
    *,
    contracts: bool = True,
) -> Recipe:
    """Trace a network on symbols.

    ``sizes`` gives some or all symbols a number from the start; operations may hold symbols of ``space`` in their
    arguments (the planner's unknowns). Without ``contracts`` expectations are left out: what torch takes is not what a
    config promises.
    """
    if space is None:
        space = Space()
    symbols: dict[str, Dim] = {symbol: space.symbol(symbol) for symbol in network.symbols}

    recipe = Recipe(
        network,
        ops=list(ops),
        sizes=symbols | dict(sizes or {}),
        program=Program(space, list(network.symbols) or [""]),
        conditions=[],
        unique=[],
        shape_of=[],
        requirements={},
        promised=set(),
        impossible=set(),
        refusals=[],
        undecided=[],
    )
    _SymbolicTrace(recipe, contracts=contracts).run()
    return recipe


def with_contracts(plain: Recipe) -> Recipe:
    """What the config expects, beside what torch takes; ``plain`` is the recipe without it.

    It is :func:`recipe_of` with contracts, in another order: the conditions of expectations come last.
    """
    recipe = msgspec.structs.replace(
        plain,
        conditions=list(plain.conditions),
        promised=set(),
        impossible=set(plain.impossible),
        refusals=list(plain.refusals),
        undecided=list(plain.undecided),
    )
    _SymbolicTrace(recipe, contracts=True).expect()
    return recipe


class _Undecided(Exception):
    """A formula takes no symbols."""


def _several(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


class _SymbolicTrace:
    """One walk over the nodes on symbols, which fills a recipe; around a node that fails it goes on."""

    def __init__(self, recipe: Recipe, *, contracts: bool) -> None:
        self.recipe = recipe
        self.contracts = contracts
        self._index_of_shape: dict[Any, int] = {}
        self._index_of_call: dict[Any, int] = {}
        """By operation and input shapes: equal layers are traced once."""
        self._doubted: set[int] = set()
        """Nodes whose expectation is not met whatever the symbols are, and those behind them."""

    def run(self) -> None:
        recipe = self.recipe
        for node, op in zip(recipe.network.nodes, recipe.ops):
            index = self._input(node) if node.is_input else self._applied(node, op)
            recipe.shape_of.append(index)
            if self.contracts:
                self._expect_of_node(node)

        if self.contracts:
            self._expect_outputs()
        for node in recipe.network.sharers:
            self._require_same_widths(node)

    def expect(self) -> None:
        """Add what is expected of shapes that are known."""
        for node in self.recipe.network.nodes:
            self._expect_of_node(node)
        self._expect_outputs()

    def _expect_of_node(self, node: Node) -> None:
        if self._doubted and any(source.index in self._doubted for source in node.inputs):
            self._doubted.add(node.index)  # what is unexpected here follows from there
        elif node.expect is not None:
            self._expect(node, node.expect[0])

    def _expect_outputs(self) -> None:
        network = self.recipe.network
        for name, (pattern, _) in network.output_expect.items():
            node = network.outputs[name]
            if node.index not in self._doubted:
                self._expect(node, pattern)

    def _require_same_widths(self, node: Node) -> None:
        """The conditions under which a node's input is as wide as that of the node whose parameters it shares."""
        owner = node.weights
        assert owner is not None
        mine, theirs = self._widths(node), self._widths(owner)
        for word in mine.keys() & theirs.keys():
            for a, b in zip(_several(mine[word]), _several(theirs[word]), strict=True):
                if not self._require(a == b, node):
                    self.recipe.refusals.append(FailedNode(node, None))

    def _widths(self, node: Node) -> dict[str, Any]:
        """How wide a node's input is; nothing of a node that has no shape: its input may lack the dim."""
        recipe = self.recipe
        op, inputs = recipe.ops[node.index], [recipe.shape(source) for source in node.inputs]
        if op is None or recipe.shape(node) is None or None in inputs:
            return {}
        return widths(op, inputs)  # type: ignore[arg-type]

    def _input(self, node: Node) -> int:
        try:
            shape = tuple([self._input_dim(dim, node) for dim in node.pattern])
        except (TypeError, ExpressionError, TooLarge, _Undecided):
            self.recipe.undecided.append(node)
            return NO_SHAPE
        return self._interned(shape)

    def _input_dim(self, dim: DimPattern, node: Node) -> Dim:
        """The size of a dim of an input; an expression must not be negative."""
        n = dim_value(dim, self.recipe.sizes)
        if isinstance(dim, Expression) and (
            isinstance(n, float) or not self._require(n >= 0, node)
        ):
            raise _Undecided
        return n

    def _interned(self, shape: Shape) -> int:
        # Sizes over symbols are interned in their space, so that an id stands for one.
        key = tuple([n if isinstance(n, int) else (id(n),) for n in shape])
        index = self._index_of_shape.get(key)
        if index is None:
            index = self._index_of_shape[key] = len(self.recipe.unique)
            self.recipe.unique.append(shape)
        return index

    def _applied(self, node: Node, op: Op | None) -> int:
        """The index of the shape that an operation gives."""
        recipe, shape_of = self.recipe, self.recipe.shape_of
        key = (id(op), *[shape_of[source.index] for source in node.inputs])
        if NO_SHAPE in key or any(
            shape_of[s.index] == NO_SHAPE for s in node.operands.values()
        ):
            return NO_SHAPE
        if op is None:
            recipe.undecided.append(node)
            return NO_SHAPE

        is_plain = not (node.operands or node.dim_fields)
        if is_plain and key in self._index_of_call:
            return self._index_of_call[key]

        try:
            shape = self._shape(node, op)
        except (
            TypeError,
            ExpressionError,
            TooLarge,
            _Undecided,
        ):  # what a formula cannot do with a symbol
            recipe.undecided.append(node)
            return NO_SHAPE
        if shape is None:
            return NO_SHAPE
        index = self._index_of_call[key] = self._interned(shape)
        return index

    def _shape(self, node: Node, op: Op) -> Shape | None:
        """The shape that an operation gives; None where it refuses its inputs whatever the symbols are."""
        recipe = self.recipe
        inputs = [recipe.unique[recipe.shape_of[source.index]] for source in node.inputs]
        sizes = {
            field: recipe.unique[recipe.shape_of[source.index]]
            for field, source in node.operands.items()
        }
        if node.dim_fields:
            recipe.ops[node.index] = op = self._with_dims(node, op)
        for requirement in self._requirements(node, op, sizes):
            if not self._require(requirement.holds, node, requirement):
                recipe.refusals.append(FailedNode(node, requirement))
                self._note_sizes(node, requirement, inputs)
                return None
        return op.shape(*inputs, **sizes)

    def _requirements(self, node: Node, op: Op, sizes: Mapping[str, Shape]) -> Requirements:
        recipe = self.recipe
        if not node.operands:
            inputs = [recipe.unique[recipe.shape_of[source.index]] for source in node.inputs]
            return op.requirements(*inputs)
        return requirements_of(node, op, recipe.ops, recipe.shapes, sizes)

    def _with_dims(self, node: Node, op: Op) -> Op:
        """The operation with its dims over symbols in their place; those that are sizes must not be negative."""
        values = {
            field: dims_value(dims, self.recipe.sizes)
            for field, dims in node.dim_fields.items()
        }
        op = with_arguments(op, values)

        for field, dims in node.dim_fields.items():
            if may_be_negative(op, field):
                continue
            for dim, n in dim_pairs(dims, values[field]):
                if dim is None or isinstance(dim, int):
                    continue
                if isinstance(n, float) or not self._require(n >= 0, node):
                    raise _Undecided
        return op

    def _expect(self, node: Node, pattern: tuple[DimPattern, ...]) -> None:
        """The conditions of an expectation."""
        shape = self.recipe.shape(node)
        if shape is None:
            return

        before = len(self.recipe.conditions)
        is_met = len(pattern) == len(shape)
        for dim, n in zip(pattern, shape) if is_met else ():
            if dim is None:
                continue
            try:
                wanted = dim_value(dim, self.recipe.sizes)
                holds = wanted == n
            except ExpressionError:  # the ints decide
                self.recipe.undecided.append(node)
                continue
            if not self._require(holds, node):
                is_met = False
                self._differ(wanted, n, node)

        self.recipe.promised.update(range(before, len(self.recipe.conditions)))
        if not is_met:
            self.recipe.refusals.append(FailedNode(node, None))
            self._doubted.add(node.index)

    def _note_sizes(self, node: Node, requirement: Requirement, inputs: list[Shape]) -> None:
        """Note the sizes of a merge that never agree."""
        dim, numbers = requirement.dim, requirement.inputs
        if dim is None or len(numbers) != 2:
            return
        rank = max(map(len, inputs))
        shapes = [tuple(inputs[i]) for i in numbers]
        first, second = [(1,) * (rank - len(shape)) + shape for shape in shapes]
        self._differ(first[dim], second[dim], node)

    def _differ(self, a: Dim, b: Dim, node: Node) -> None:
        """Note two sizes that never agree, where symbols decide them."""
        difference = a - b
        if isinstance(difference, Size):
            self.recipe.impossible.add(len(self.recipe.conditions))
            self.recipe.conditions.append((Condition("eq", (difference,)), node))

    def _require(
        self, holds: Holds, node: Node, requirement: Requirement | None = None
    ) -> bool:
        """Add a condition, with the requirement that it comes from; False for one that never holds."""
        if isinstance(holds, Condition):
            if requirement is not None:
                self.recipe.requirements[len(self.recipe.conditions)] = requirement
            self.recipe.conditions.append((holds, node))
            return True
        return bool(holds)


# --- applied to numbers -----------------------------------------------------------------------------------------------


class CompiledRecipe(msgspec.Struct):
    """A sound recipe that is only applied to numbers. :func:`compiled` makes one."""

    program: Program
    has_symbols: bool
    columns: list[list[Callable[[list[Dim]], Sequence[Dim]]]]
    """By rank of the distinct shapes, and by axis: the dims of all of them, read from the slots."""
    pick: Callable[[list[Shape]], Sequence[Shape]]
    """Every node's shape, from the distinct ones."""
    least: list[int]
    """Slots whose value must not be negative."""
    zero: list[int]
    """Slots whose value must be 0."""
    nonzero: list[int]
    """Slots whose value must be another."""

    def apply(self, sizes: Mapping[str, int]) -> Sequence[Shape] | None:
        """Every node's shape for these sizes; None where a condition fails and the ints must say what."""
        values = self.program.run(sizes if self.has_symbols else {"": 0})
        if not self._holds(values) or max(values) > limits.INTEGER:
            return None

        shapes: list[Shape] = []
        for columns in self.columns:
            shapes += zip(*[column(values) for column in columns]) if columns else [()]
        return self.pick(shapes)

    def _holds(self, values: list[Any]) -> bool:
        """Whether the conditions that were kept hold."""
        for slot in self.least:
            if values[slot] < 0:
                return False
        for slot in self.zero:
            if values[slot] != 0:
                return False
        return all(values[slot] != 0 for slot in self.nonzero)


def compiled(recipe: Recipe) -> CompiledRecipe | None:
    """The recipe as columns of slots, with few and cheap conditions; None where it is not sound.

    Shapes are laid out column by column, so that the instructions of one axis stand together.
    """
    if not recipe.sound:
        return None

    slot = recipe.program.slot
    of_rank: dict[int, list[int]] = {}
    for index, shape in enumerate(recipe.unique):
        of_rank.setdefault(len(shape), []).append(index)

    columns = [
        [
            _column([slot(recipe.unique[index][axis]) for index in indexes])
            for axis in range(rank)
        ]
        for rank, indexes in of_rank.items()
    ]
    position = {index: i for i, index in enumerate(chain.from_iterable(of_rank.values()))}

    kept = _Sufficient()
    for condition, _ in recipe.conditions:
        kept.add(condition)
    strictest = [
        recipe.program.space.interned(terms, constant)
        for terms, constant in kept.strictest.items()
    ]
    return CompiledRecipe(
        program=recipe.program,
        has_symbols=bool(recipe.network.symbols),
        columns=columns,
        pick=_picker([position[index] for index in recipe.shape_of]),
        least=_slots(recipe.program, strictest),
        zero=_slots(recipe.program, kept.equal),
        nonzero=_slots(recipe.program, kept.unequal),
    )


class _Sufficient:
    """Conditions that are sufficient together for all that were added.

    Of those that require ``p + c >= 0`` of one p, the least c decides. Of alternatives the first stands for all.
    """

    def __init__(self) -> None:
        self.strictest: dict[Terms, int] = {}
        self.equal: dict[Size, None] = {}
        self.unequal: dict[Size, None] = {}

    def add(self, condition: Condition) -> None:
        while condition.relation == "or":
            condition = condition.parts[0]
        if condition.relation == "and":
            for part in condition.parts:
                self.add(part)
            return

        size: Size = condition.parts[0]
        if condition.relation == "ge":
            least = self.strictest.get(size.terms, size.constant)
            self.strictest[size.terms] = min(least, size.constant)
        elif condition.relation == "eq":
            self.equal[size] = None
        else:
            self.unequal[size] = None


def _slots(program: Program, sizes: Iterable[Size]) -> list[int]:
    return [program.slot(size) for size in sizes]


def _column(slots: list[int]) -> Callable[[list[Any]], Sequence[Any]]:
    """One axis of several shapes, read from the slots."""
    if len(set(slots)) > 1:
        return itemgetter(*slots)
    return lambda values: (values[slots[0]],) * len(slots)


def _picker(positions: list[int]) -> Callable[[list[Shape]], Sequence[Shape]]:
    """Every node's shape, from the distinct ones."""
    if positions == list(range(len(positions))):
        return lambda shapes: shapes
    return _column(positions)
