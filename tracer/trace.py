"""Floor 5: a network and the sizes of its symbols to the shape of every node.

The first trace of a network runs the formulas on ints and says what fails. Later traces apply a recipe: the
formulas run once on symbols, compiled to a flat program (:mod:`tracer.recipe`). A recipe's conditions are
sufficient ones; where one fails, the ints decide and say why. No printing, no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from tracer.arithmetic import Dim
from tracer.diagnostics import Diagnostic, Related
from tracer.graph import digraph
from tracer.memo import Memo
from tracer.network.records import DimPattern, Network, Node
from tracer.ops.base import Op, Requirement, Shape, with_arguments, written
from tracer.recipe import Program
from tracer.source import limits
from tracer.source.expressions import Expression, ExpressionError, UnknownName
from tracer.source.tree import span_of
from tracer.symbol import Condition, Size, Space, Terms

if TYPE_CHECKING:
    import networkx

Ops = list[Op | None]
"""One operation per node, in execution order, with every ``auto`` filled in."""


class Accepted:
    """What is known of an operation on inputs that it takes."""

    __slots__ = ("op", "remarks", "shape")

    def __init__(self, op: Op, shape: Shape) -> None:
        self.op = op
        self.shape = shape
        self.remarks: list[Requirement] | None = None
        """The losses and cautions that do not hold; None until they are asked for."""


_accepted: Memo[Accepted] = Memo(65_536)
"""By operation and input shapes: equal layers are judged once."""


class Shapes(Mapping[str, tuple[int, ...] | None]):
    """Shapes by node name; a block's name stands for its last node.

    A view: the names belong to the network, so that tracing a large one again costs its sizes only.
    """

    __slots__ = ("_by_index", "_network")

    def __init__(self, network: Network, by_index: Sequence[tuple[int, ...] | None]) -> None:
        self._network = network
        self._by_index = by_index

    def __getitem__(self, name: str) -> tuple[int, ...] | None:
        index = self._network.names[name].index
        if index < 0:  # a chunk that nothing uses
            raise KeyError(name)
        return self._by_index[index]

    def __iter__(self) -> Iterator[str]:
        return (node.name for node in self._network.nodes)

    def __len__(self) -> int:
        return len(self._by_index)

    def __repr__(self) -> str:
        return repr(dict(self))


class Trace:
    """The shapes of one network for one set of input sizes."""

    def __init__(
        self,
        network: Network,
        ops: Ops,
        sizes: dict[str, int],
        shapes: Sequence[tuple[int, ...] | None],
        diagnostics: list[Diagnostic],
        accepted: Sequence[Accepted | None] = (),
    ) -> None:
        self.network = network
        self.ops = ops
        self.sizes = sizes
        self.by_index = shapes
        """The shape of every node, in execution order."""
        self.shapes = Shapes(network, shapes)
        """``shapes["enc1"] == (1, 64, 568, 568)``; None where a node could not be traced."""
        self.diagnostics = diagnostics
        """What torch refuses and which expectations are not met; empty where the network runs."""
        self._accepted = accepted
        self._remarks: list[tuple[Node, Requirement]] | None = None

    @property
    def graph(self) -> networkx.DiGraph[str]:
        """The network as networkx.DiGraph, with the shapes of this trace."""
        return digraph(self.network, self.shapes)

    @property
    def outputs(self) -> dict[str, tuple[int, ...] | None]:
        """The shapes of the network's outputs."""
        return {name: self.by_index[node.index] for name, node in self.network.outputs.items()}

    def input_shapes(self, node: Node) -> list[tuple[int, ...] | None]:
        """The shapes of a node's inputs."""
        shapes = self.by_index
        return [shapes[source.index] for source in node.inputs]

    def traced(
        self, wanted: Callable[[Op], bool] = lambda op: True
    ) -> Iterator[tuple[Node, Op, tuple[Shape, ...], dict[str, Shape], Shape]]:
        """Every wanted operation that has a shape: node, operation, input shapes, sizes from nodes, output shape."""
        shapes = self.by_index
        for node, op, y in zip(self.network.nodes, self.ops, shapes):
            if op is not None and y is not None and wanted(op):
                sizes = {field: shapes[source.index] for field, source in node.operands.items()}
                yield node, op, tuple([shapes[source.index] for source in node.inputs]), sizes, y  # type: ignore[misc]

    def remarks(self) -> list[tuple[Node, Requirement]]:
        """The operations' ``losses`` and ``cautions`` that do not hold."""
        if self._remarks is None:
            self._remarks = []
            for node, accepted in zip(self.network.nodes, self._accepted or self._looked_up()):
                if accepted is None:
                    continue
                if accepted.remarks is None:
                    accepted.remarks = self._remarks_of(node, accepted.op)
                if accepted.remarks:
                    self._remarks += [(node, requirement) for requirement in accepted.remarks]
        return self._remarks

    def _looked_up(self) -> Iterator[Accepted | None]:
        for node, op, y in zip(self.network.nodes, self.ops, self.by_index):
            if op is None or y is None:
                yield None
            else:
                known = None if node.operands else _accepted.get((id(op), *self.input_shapes(node)))
                yield known or Accepted(op, y)

    def _remarks_of(self, node: Node, op: Op) -> list[Requirement]:
        inputs: Any = self.input_shapes(node)
        sizes: Any = {field: self.by_index[source.index] for field, source in node.operands.items()}
        return [said(r) for r in chain(op.losses(*inputs, **sizes), op.cautions(*inputs, **sizes)) if not r.holds]

    def lost(self) -> list[tuple[Node, Requirement]]:
        """What is dropped or cropped unevenly (the operations' ``losses`` that do not hold)."""
        return [(node, requirement) for node, requirement in self.remarks() if requirement.code in ("T501", "T502")]


def declared_ops(network: Network) -> Ops:
    """The operations as declared."""
    return [node.op for node in network.nodes]


def dim_value(dim: DimPattern, sizes: Mapping[str, Dim]) -> Dim:
    """A declared dim's value. Raises :class:`ExpressionError` for a symbol that has none."""
    if isinstance(dim, str):
        try:
            return sizes[dim]
        except KeyError:
            raise UnknownName(dim) from None
    if isinstance(dim, Expression):
        value = dim(sizes)
        return int(value) if isinstance(value, float) and value.is_integer() else value
    return dim


def dims_value(dims: DimPattern | tuple[DimPattern, ...], sizes: Mapping[str, Dim]) -> Any:
    """The value of an argument that is a dim, or a list of dims."""
    return tuple(dim_value(d, sizes) for d in dims) if isinstance(dims, tuple) else dim_value(dims, sizes)


def dim_pairs(dims: DimPattern | tuple[DimPattern, ...], values: Any) -> list[tuple[DimPattern, Dim]]:
    """Each declared dim with its value."""
    return list(zip(dims, values)) if isinstance(dims, tuple) else [(dims, values)]


def trace(network: Network, sizes: Mapping[str, int], ops: Ops | None = None) -> Trace:
    """The shape of every node for these sizes of the symbols, on ints; never raises on a wrong network."""
    tracer = _Tracer(network, dict(sizes), ops or declared_ops(network))
    shapes = tracer.run()
    return Trace(network, tracer.ops, tracer.sizes, shapes, tracer.diagnostics, tracer.accepted)


class _Tracer:
    """One walk over the nodes on ints."""

    def __init__(self, network: Network, sizes: dict[str, int], ops: Ops) -> None:
        self.network = network
        self.sizes = sizes
        self.ops = list(ops)
        self.diagnostics: list[Diagnostic] = []
        self.doubted: set[str] = set()
        """Nodes whose expectation is not met, and what follows from them."""
        self.shapes: list[Shape | None] = []
        self.accepted: list[Accepted | None] = []

    def run(self) -> list[Shape | None]:
        shapes, ops = self.shapes, self.ops
        missing = self._missing_sizes()
        for index, node in enumerate(self.network.nodes):
            accepted: Accepted | None = None
            if node.op_name == Node.INPUT:
                y = None if missing else tuple(dim_value(d, self.sizes) for d in node.pattern)
            else:
                op = ops[index]
                inputs = [shapes[source.index] for source in node.inputs]
                if op is not None and None not in inputs:
                    if node.dim_fields:
                        op = self._with_dims(node, op)
                    if not node.operands:
                        accepted = _accepted.get((id(op), *inputs))
                    if accepted is None and op is not None:
                        accepted = self._apply(node, op, inputs)  # type: ignore[arg-type]
                y = None if accepted is None else accepted.shape
            shapes.append(y)
            self.accepted.append(accepted)
            if self.doubted and any(source.name in self.doubted for source in node.inputs):
                self.doubted.add(node.name)  # what is unexpected here follows from there
            elif y is not None and node.expect is not None:
                self._expect(node, node.expect, y, None)
        for name, expected in self.network.output_expect.items():
            node = self.network.outputs[name]
            y = shapes[node.index]
            if y is not None and node.name not in self.doubted:
                self._expect(node, expected, y, name)
        return shapes

    def _missing_sizes(self) -> bool:
        missing = [symbol for symbol in self.network.symbols if symbol not in self.sizes]
        for symbol in missing:
            span = self.network.symbols[symbol]
            hint = f"add `sizes: {{{symbol}: ...}}` or give --size {symbol}=..."
            self._report("T201", f"the symbol {symbol} has no size", span, hint)
        return bool(missing)

    def _report(self, code: str, message: str, span: Any, hint: str | None = None, related: Any = ()) -> None:
        self.diagnostics.append(
            Diagnostic(code, message, span, path=self.network.path, hint=hint, related=tuple(related))
        )

    def _with_dims(self, node: Node, op: Op) -> Op | None:
        """The operation with its dims over symbols computed."""
        values: dict[str, Any] = {}
        for field, dims in node.dim_fields.items():
            try:
                values[field] = dims_value(dims, self.sizes)
            except ExpressionError as error:
                self._report("T005", str(error), node.span_for(field), None, node.use_places())
                return None
            for dim, n in dim_pairs(dims, values[field]):
                if dim.__class__ is not int and (n.__class__ is not int or n < 0):
                    text = dim.text if isinstance(dim, Expression) else dim
                    message = f"{node.name}: the dim {text} is {n}; it must be a whole number from 0 on"
                    self._report("T202", message, node.span_for(field), None, node.use_places())
                    return None
        self.ops[node.index] = op = with_arguments(op, values)
        return op

    def _apply(self, node: Node, op: Op, inputs: list[Shape]) -> Accepted | None:
        given: dict[str, Shape] = {}
        for field, source in node.operands.items():
            size = self.shapes[source.index]
            if size is None:
                return None
            given[field] = size
        for requirement in op.requirements(*inputs, **given):
            if not requirement[0]:
                self.diagnostics.append(refusal(self.network.path, node, requirement, inputs, given))
                return None
        y = op.shape(*inputs, **given)
        if y and max(y) > limits.INTEGER:
            self._report("T006", f"a dim of {written(y)} has more than 63 bits", node.span, None, node.use_places())
            return None
        accepted = Accepted(op, y)
        if not given:
            key = (id(op), *inputs)
            _accepted[key] = accepted
        return accepted

    def _expect(self, node: Node, expected: Any, y: Shape, output: str | None) -> None:
        pattern, at = expected
        what = f"the output {output}" if output else node.name
        related = [] if output is None else [Related(f"{node.name} stands here", node.span)]
        try:
            problem = mismatch(pattern, y, self.sizes)
        except ExpressionError as error:
            self._report("T005", f"{what}: {error}", span_of(at), None, (*related, *node.use_places()))
            return
        if problem:
            message = f"{what} has the shape {written(y)}; {problem}"
            self._report("T304", message, span_of(at), None, (*related, *node.use_places()))
            self.doubted.add(node.name)


def mismatch(pattern: tuple[DimPattern, ...], y: Shape, sizes: Mapping[str, int]) -> str | None:
    """What differs between a shape and its declared pattern; None where nothing does.

    Raises :class:`ExpressionError` for a dim that has no value.
    """
    if len(pattern) != len(y):
        return f"{len(pattern)} dims are expected, not {len(y)}"
    wrong = []
    for position, (dim, n) in enumerate(zip(pattern, y)):
        if dim is None:
            continue
        try:
            want = dim_value(dim, sizes)
        except ExpressionError as error:
            raise ExpressionError(f"the dim {getattr(dim, 'text', dim)}: {error}") from None
        if want.__class__ not in (int, float):
            raise ExpressionError(f"the dim {getattr(dim, 'text', dim)} is {written(want)}; a size is a number")
        if want != n:
            source = f"{dim.text} = " if isinstance(dim, Expression) else f"{dim} = " if isinstance(dim, str) else ""
            wrong.append(f"dim {position} is expected to be {source}{want}, not {n}")
    return "; ".join(wrong) or None


def said(requirement: Requirement) -> Requirement:
    """The requirement with its message as text: a callable must be asked before its generator moves on."""
    message = requirement.message
    return requirement if isinstance(message, str) else requirement._replace(message=message())


_INPUT = re.compile(r"\binput (\d+)\b")


def refusal(
    path: str, node: Node, requirement: Requirement, inputs: list[Shape], given: Mapping[str, Shape]
) -> Diagnostic:
    """The diagnostic of a requirement that does not hold: the argument's place, and the producers'.

    Where the message numbers inputs, they are named instead, and only they are shown.
    """
    message = str(said(requirement).message)
    sources = list(zip(node.inputs, inputs))
    operand = node.operands.get(requirement.field or "")
    if len(sources) > 1:
        numbered = {int(number) for number in _INPUT.findall(message)} & set(range(1, len(sources) + 1))
        message = _INPUT.sub(lambda m: sources[int(m[1]) - 1][0].name if int(m[1]) in numbered else m[0], message)
        sources = [source for number, source in enumerate(sources, 1) if not numbered or number in numbered]
    else:
        sources = [(operand, given[requirement.field or ""])] if operand is not None else []
    related = [Related(f"{source.name} gives {written(shape)} here", source.span) for source, shape in sources]
    return Diagnostic(
        requirement.code,
        f"{node.name}: {message}",
        node.span_for(requirement.field),
        path=path,
        hint=requirement.hint,
        related=(*dict.fromkeys(related), *node.use_places()),
    )


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
        self.sizes: dict[str, Dim] = {symbol: space.symbol(symbol) for symbol in network.symbols} | dict(sizes or {})
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
            self._expected(network.outputs[name], pattern, self.unique[shape_of[network.outputs[name].index]])
            for name, (pattern, _) in network.output_expect.items()
        )

    def _symbolic(self, node: Node, op: Op) -> Shape | None:
        inputs = [self.unique[self.shape_of[source.index]] for source in node.inputs]
        given = {field: self.unique[self.shape_of[source.index]] for field, source in node.operands.items()}
        if node.dim_fields:
            values = {field: dims_value(dims, self.sizes) for field, dims in node.dim_fields.items()}
            self.ops[node.index] = op = with_arguments(op, values)
            pairs = [pair for field, dims in node.dim_fields.items() for pair in dim_pairs(dims, values[field])]
            for n in [n for dim, n in pairs if dim.__class__ is not int]:
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
            slot(self.program.space.interned(terms, constant)) for terms, constant in self._strictest.items()
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
