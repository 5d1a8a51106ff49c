"""A network traced once on symbols, for any sizes.

A :class:`Recipe` has the symbolic shape of every node, and as conditions all that torch requires and the config
expects. Compiled to a flat program (:mod:`tracer.sizing.program`) it is what later traces apply:
of its conditions it keeps sufficient ones, and where one fails, the ints decide and say why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from tracer.network.records import DimPattern, Network, Node
from tracer.ops.base import Op, Shape, with_arguments
from tracer.shapes.trace import dim_pairs, dim_value, dims_value
from tracer.shapes.traced import Ops, Traced
from tracer.sizing.arithmetic import Dim
from tracer.sizing.program import Program
from tracer.sizing.symbol import Condition, Size, Space, Terms
from tracer.source import limits
from tracer.source.expressions import ExpressionError


class Recipe:
    """A network's shapes as a program over its symbols, for one set of operations.

    ``sizes`` gives some or all symbols a number from the start; operations may hold symbols in their arguments
    (the planner's unknowns). Without ``contracts`` expectations are left out: what torch takes is not what a config
    promises.
    """

    def __init__(
        self,
        network: Network,
        ops: Ops,
        sizes: Mapping[str, int] | None = None,
        space: Space | None = None,
        *,
        contracts: bool = True,
    ) -> None:
        self.network = network
        self.ops = list(ops)
        """With dims over symbols in their place."""
        self.contracts = contracts
        space = space or Space()
        self.program = Program(space, list(network.symbols) or [""])
        self.conditions: list[tuple[Condition, Node]] = []
        """Everything that torch requires and that is expected, with the node it belongs to."""
        self.sizes: dict[str, Dim] = {
            symbol: space.symbol(symbol) for symbol in network.symbols
        } | dict(sizes or {})
        self.failed: Node | None = None
        """The node that fails whatever the symbols are, where one does."""
        self.unique: list[Shape] = []
        """Each distinct symbolic shape once."""
        self.shape_of: list[int] = []
        """The index into ``unique`` of every node."""
        self.sound = self._compile()
        """False where the network fails whatever the sizes, or an operation takes no symbols."""

    def _compile(self) -> bool:
        memo: dict[Any, int] = {}
        indexes: dict[Any, int] = {}
        network = self.network

        def interned(shape: Shape) -> int:
            key = tuple([d if d.__class__ is int else (id(d),) for d in shape])
            index = indexes.get(key)
            if index is None:
                index = indexes[key] = len(self.unique)
                self.unique.append(shape)
            return index

        shape_of = self.shape_of
        for node, op in zip(network.nodes, self.ops):
            if node.op_name == Node.INPUT:
                shape_of.append(interned(tuple(dim_value(d, self.sizes) for d in node.pattern)))
                continue
            if op is None:
                return False
            key = (id(op), *[shape_of[source.index] for source in node.inputs])
            index = memo.get(key) if not (node.operands or node.dim_fields) else None
            if index is None:
                try:
                    shape = self._symbolic(node, op)
                except (TypeError, ExpressionError):
                    return False
                if shape is None:
                    return False
                index = memo[key] = interned(shape)
            shape_of.append(index)
            expect = node.expect if self.contracts else None
            if expect is not None and not self._expected(node, expect[0], self.unique[index]):
                return False
        return not self.contracts or all(
            self._expected(
                network.outputs[name], pattern, self.unique[shape_of[network.outputs[name].index]]
            )
            for name, (pattern, _) in network.output_expect.items()
        )

    def _symbolic(self, node: Node, op: Op) -> Shape | None:
        inputs = [self.unique[self.shape_of[source.index]] for source in node.inputs]
        given = {
            field: self.unique[self.shape_of[source.index]]
            for field, source in node.operands.items()
        }
        if node.dim_fields:
            values = {
                field: dims_value(dims, self.sizes) for field, dims in node.dim_fields.items()
            }
            self.ops[node.index] = op = with_arguments(op, values)
            unsigned = [
                (dims, values[field])
                for field, dims in node.dim_fields.items()
                if field not in op.signed_fields
            ]
            pairs = [pair for dims, value in unsigned for pair in dim_pairs(dims, value)]
            for n in [n for dim, n in pairs if dim is not None and dim.__class__ is not int]:
                if isinstance(n, float):
                    return None
                if isinstance(holds := n >= 0, Condition):
                    self._require(holds, node)
                elif not holds:
                    return None
        for requirement in op.requirements(*inputs, **given):
            holds = requirement.holds
            if isinstance(holds, Condition):
                self._require(holds, node)
            elif not holds:
                self.failed = node
                return None
        return op.shape(*inputs, **given)

    def _expected(self, node: Node, pattern: tuple[DimPattern, ...], y: Shape) -> bool:
        self.failed = node
        if len(pattern) != len(y):
            return False
        for dim, n in zip(pattern, y):
            if dim is None:
                continue
            try:
                holds = dim_value(dim, self.sizes) == n
            except ExpressionError:  # the ints decide
                self.failed = None
                return False
            if isinstance(holds, Condition):
                self._require(holds, node)
            elif not holds:
                return False
        self.failed = None
        return True

    def _require(self, condition: Condition, node: Node) -> None:
        self.conditions.append((condition, node))

    @property
    def shapes(self) -> list[Shape]:
        """The symbolic shape of every node; as far as the first that fails."""
        return [self.unique[index] for index in self.shape_of]

    @property
    def traced(self) -> Traced:
        """The network with its symbolic shapes; those behind the first node that fails are None."""
        missing = len(self.network.nodes) - len(self.shape_of)
        return Traced(self.network, self.ops, [*self.shapes, *[None] * missing])


class CompiledRecipe(Recipe):
    """A recipe that is only applied: of its conditions it keeps few and cheap ones, which are sufficient together.

    Of those that ask ``p + c >= 0`` of one p, the least c decides. Of alternatives the first stands for all.
    """

    def __init__(self, network: Network, ops: Ops) -> None:
        self._strictest: dict[Terms, int] = {}
        self._equal: set[Size] = set()
        self._unequal: set[Size] = set()
        super().__init__(network, ops)
        if self.sound:
            self._lower()

    def _require(self, condition: Condition, node: Node) -> None:
        while condition.relation == "or":
            condition = condition.parts[0]
        if condition.relation == "and":
            for part in condition.parts:
                self._require(part, node)
            return
        size: Size = condition.parts[0]
        if condition.relation == "ge":
            least = self._strictest.get(size.terms)
            if least is None or size.constant < least:
                self._strictest[size.terms] = size.constant
        else:
            (self._equal if condition.relation == "eq" else self._unequal).add(size)

    def _lower(self) -> None:
        """Turn shapes into columns of slots: column by column, so that the instructions of one axis stand together."""
        slot = self.program.slot
        ranks: dict[int, list[int]] = {}
        for index, shape in enumerate(self.unique):
            ranks.setdefault(len(shape), []).append(index)
        self._columns = [
            [_column([slot(self.unique[index][axis]) for index in indexes]) for axis in range(rank)]
            for rank, indexes in ranks.items()
        ]
        position = {index: i for i, index in enumerate(chain.from_iterable(ranks.values()))}
        self._pick = _picker([position[index] for index in self.shape_of])
        self._least = [
            slot(self.program.space.interned(terms, constant))
            for terms, constant in self._strictest.items()
        ]
        self._zero = [slot(size) for size in self._equal]
        self._nonzero = [slot(size) for size in self._unequal]

    def apply(self, sizes: Mapping[str, int]) -> Sequence[Shape] | None:
        """Every node's shape for these sizes; None where a condition fails and the ints must say what."""
        v = self.program.run(sizes if self.network.symbols else {"": 0})
        for slot in self._least:
            if v[slot] < 0:
                return None
        for slot in self._zero:
            if v[slot] != 0:
                return None
        for slot in self._nonzero:
            if v[slot] == 0:
                return None
        if max(v) > limits.INTEGER:
            return None
        shapes: list[Shape] = []
        for columns in self._columns:
            shapes += zip(*[column(v) for column in columns]) if columns else [()]
        return self._pick(shapes)


def _column(slots: list[int]) -> Callable[[list[Dim]], Sequence[Dim]]:
    """One axis of several shapes, read from the slots."""
    if len(set(slots)) > 1:
        return itemgetter(*slots)
    return lambda v: (v[slots[0]],) * len(slots)


def _picker(positions: list[int]) -> Callable[[list[Shape]], Sequence[Shape]]:
    """Every node's shape, from the distinct ones."""
    if positions == list(range(len(positions))):
        return lambda shapes: shapes
    return _column(positions)
