"""One walk over a network's nodes on symbols, written down as a program.

The formulas are the operations' own; nothing here computes a size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from tracer.costs.memory import Stored, ledger
from tracer.diagnostics import legible
from tracer.geometry.grids import Meeting, Ratio, grids, meetings
from tracer.live.choices import Table, choices, is_planned
from tracer.live.records import Ask, Choice, Live, LiveNode, LiveStep, Memories, Truth
from tracer.net import Net
from tracer.network.open_params import NotOpen, OpenParams, open_param
from tracer.network.records import DimPattern, Node
from tracer.ops.base import (
    Op,
    Requirement,
    Shape,
    argument,
    may_be_negative,
    with_arguments,
    written,
)
from tracer.planning.unknowns import unknowns_of
from tracer.shapes.trace import dim_pairs, dim_value, dims_value, refusal
from tracer.shapes.traced import Ops, Traced
from tracer.sizing.arithmetic import Dim
from tracer.sizing.program import Program
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Condition, Size, Space
from tracer.sizing.worked import Worked
from tracer.source.expressions import ExpressionError


class Asked(NamedTuple):
    """An ask whose condition is not JSON yet."""

    holds: Any
    code: str
    severity: str
    message: str
    hint: str | None = None
    narrow: bool = False


def _error(holds: Any, code: str, message: str) -> Asked:
    return Asked(holds, code, "error", message)


def _warning(holds: Any, code: str, message: str, hint: str | None = None) -> Asked:
    return Asked(holds, code, "warning", message, hint)


MEANT = {"T501": "a stride drops rows at the end", "T502": "a crop is uneven"}
"""What is lost, where the exact words depend on numbers."""


class Writer:
    """The program of a network with some params open. Raises :class:`NotOpen` where they cannot be."""

    def __init__(self, net: Net, params: Mapping[str, int], table: Table | None = None) -> None:
        """``table``: the network's choices, where they are known already."""
        self.network = net.network
        self.params = dict(params)
        space = Space()
        self.open_params = [open_param(name) for name in params]
        opened = {param.name: space.symbol(param.symbol) for param in self.open_params}
        self.opened = OpenParams(net.network, opened) if params else None
        self.first_sizes = {
            symbol: net.network.defaults().get(symbol, 64) for symbol in net.network.symbols
        }
        self.choices: list[Choice] = []
        self.unknowns: list[str] = []
        """The choices' symbols."""
        self.planned = True
        ops = self._ops(net.solution().ops)
        names = [*net.network.symbols, *(param.symbol for param in self.open_params)]
        if is_planned(net):
            self.choices, self.planned = choices(net) if table is None else table
            unknowns = unknowns_of(net.network, ops, space)
            ops = unknowns.open_ops
            self.unknowns = list(unknowns.variables)
            names += self.unknowns
        self.program = Program(space, names or [""])
        space.written = lambda size: f"⟦{self.program.slot(size)}⟧"
        self.sizes: dict[str, Dim] = {
            symbol: space.symbol(symbol) for symbol in net.network.symbols
        }
        self.ops: Ops = []
        self.shapes: list[Shape | None] = []
        self.asked: list[list[Asked]] = []
        """What must hold, by node, in the order in which it is told."""
        self.unknown: set[int] = set()
        """The nodes whose formulas take no symbols."""
        for node, op in zip(net.network.nodes, ops):
            self._walk(node, op)
        for name, (pattern, at) in net.network.output_expect.items():
            node = net.network.outputs[name]
            self.asked[node.index] += self._expected(node, pattern, at, f"the output {name}")
        for number, asked in self._apart():
            self.asked[number].append(asked)
        self._watch()

    @property
    def traced(self) -> Traced:
        """The network with the shapes that the program computes."""
        return Traced(self.network, self.ops, self.shapes)

    def _ops(self, ops: Ops) -> Ops:
        if self.opened is None:
            return ops
        return [
            op if op is None else self.opened.op(node, op)
            for node, op in zip(self.network.nodes, ops)
        ]

    def _watch(self) -> None:
        """Give every shape and condition its slots."""
        for shape in self.shapes:
            for n in shape or ():
                self.program.slot(n)
        for asked in self.asked:
            for ask in asked:
                if isinstance(ask.holds, Condition):
                    self.program.watch(ask.holds)

    def apply(self, values: Mapping[str, int]) -> tuple[list[Any], bool]:
        """The shape of every node for values of the symbols, the params' included, and whether one is refused.

        A shape is Ellipsis where the program cannot say.
        """
        sizes = {symbol: values[symbol] for symbol in self.network.symbols}
        chosen = {name: choice.value(sizes) for name, choice in zip(self.unknowns, self.choices)}
        found, refused, closes = self._run({"": 0, **values, **chosen})
        if closes or not chosen:
            return found, refused
        least = {name: choice.least for name, choice in zip(self.unknowns, self.choices)}
        return self._run({"": 0, **values, **least})[:2]

    def _run(self, values: Mapping[str, int]) -> tuple[list[Any], bool, bool]:
        """The shapes, whether a node refuses its input, and whether all is as it is expected too."""
        v = self.program.run(values)
        found: list[Any] = []
        refused, met = False, True
        for node, shape, asked in zip(self.network.nodes, self.shapes, self.asked):
            before = [found[source.index] for source in (*node.inputs, *node.operands.values())]
            if None in before or Ellipsis in before or node.index in self.unknown:
                found.append(None if None in before else Ellipsis)
                continue
            wrong = [
                ask for ask in asked if ask.severity == "error" and not self._holds(ask.holds, v)
            ]
            failing = [ask for ask in wrong if ask.code != "T304"]
            met = met and not wrong
            refused |= bool(failing)
            if failing or shape is None:
                found.append(Ellipsis if failing and failing[0].narrow else None)
            else:
                found.append(
                    tuple(n if n.__class__ is int else v[self.program.slot(n)] for n in shape)
                )
        return found, refused, met

    def _holds(self, holds: Any, v: Sequence[int]) -> bool:
        return bool(self.program.truth(holds, v)) if isinstance(holds, Condition) else bool(holds)

    def written(self) -> Live:
        """The whole program as records."""
        placed = self._grids()
        nodes = [self._node(node, placed[node.index]) for node in self.network.nodes]
        memories = self._memories()
        steps = [
            [kind, *(self._truth(part) if isinstance(part, Condition) else part for part in step)]
            for _, kind, step in self.program.steps()
        ]
        return Live(
            self.first_sizes, self.params, {}, self.choices, self.planned, steps, nodes, memories
        )

    def _node(self, node: Node, placed: list[list[int] | None]) -> LiveNode:
        op, y, slot = self.ops[node.index], self.shapes[node.index], self.program.slot
        asks = [Ask(self._truth(ask.holds), *ask[1:]) for ask in self.asked[node.index]]
        if op is None or y is None:
            shape = None if y is None else [slot(n) for n in y]
            return LiveNode(shape, asks, None, None, placed, [], node.index in self.unknown)
        x = self._inputs(node)
        params, macs = self._count(lambda: op.parameters(*x)), self._count(lambda: op.macs(y, *x))
        return LiveNode(
            [slot(n) for n in y], asks, params, macs, placed, self._working(node, op, y), False
        )

    def _truth(self, holds: Any) -> Truth:
        if not isinstance(holds, Condition):
            return bool(holds)
        if holds.relation in ("and", "or"):
            return [holds.relation, *map(self._truth, holds.parts)]
        return [holds.relation, self.program.slot(holds.parts[0])]

    def _inputs(self, node: Node) -> list[Any]:
        return [self.shapes[source.index] for source in node.inputs]

    def _given(self, node: Node) -> dict[str, Any]:
        return {field: self.shapes[source.index] for field, source in node.operands.items()}

    def _walk(self, node: Node, op: Op | None) -> None:
        """Add one node: its shape, and what must hold."""
        asked: list[Asked] = []
        y: Shape | None = None
        try:
            if node.is_input:
                y = self._declared(node)
            elif op is not None:
                y, op = self._applied(node, op, asked)
        except (TypeError, ExpressionError, ZeroDivisionError) as error:
            if self.params:
                raise NotOpen(f"{node.name}: {error}") from None
            self.unknown.add(node.index)
        self.ops.append(op)
        self.shapes.append(y)
        if y is not None and node.expect is not None:
            asked += self._expected(node, *node.expect, node.name)
        if y is not None and op is not None:
            asked += self._remarks(node, op)
        self.asked.append(asked)

    def _declared(self, node: Node) -> Shape:
        pattern: tuple[Any, ...] = node.pattern
        if self.opened is not None:
            pattern = self.opened.pattern(node, node.declaration.value, node.pattern)
        return tuple(d if isinstance(d, Size) else dim_value(d, self.sizes) for d in pattern)

    def _applied(self, node: Node, op: Op, asked: list[Asked]) -> tuple[Shape | None, Op]:
        """The node's shape, its requirements asked; None behind what fails, and where it fails whatever the sizes."""
        inputs, given = self._inputs(node), self._given(node)
        if None in inputs or None in given.values():
            return None, op
        if node.dim_fields:
            dims = (
                node.dim_fields
                if self.opened is None
                else {f: self.opened.dims(node, f) for f in node.dim_fields}
            )
            values = {field: dims_value(d, self.sizes) for field, d in dims.items()}
            op = with_arguments(op, values)
            asked += self._whole(node, op, values)
        narrow = op.symbols_restrict(*inputs)
        for requirement in chain(
            op.legal() if self.params else (), op.requirements(*inputs, **given)
        ):
            if isinstance(requirement.holds, Condition):
                asked.append(self._refusal(node, requirement, inputs, given, narrow))
            elif not requirement.holds:
                asked.append(self._refusal(node, requirement, inputs, given, False))
                return None, op
        return op.shape(*inputs, **given), op

    def _whole(self, node: Node, op: Op, values: Mapping[str, Any]) -> Iterator[Asked]:
        """A dim over symbols must be a whole number from 0 on."""
        for field, dims in node.dim_fields.items():
            for dim, n in dim_pairs(dims, values[field]):
                if isinstance(n, float):
                    raise TypeError("a dim is a fraction")
                if isinstance(n, Size) and not may_be_negative(op, field):
                    text = getattr(dim, "text", dim)
                    message = (
                        f"{node.name}: the dim {text} is {n}; it must be a whole number from 0 on"
                    )
                    yield _error(n >= 0, "T202", message)

    def _refusal(
        self,
        node: Node,
        requirement: Requirement,
        inputs: list[Any],
        given: dict[str, Any],
        narrow: bool,
    ) -> Asked:
        try:
            said = refusal(self.network.path, node, requirement, inputs, given)
            message = legible(said.message)
            hint = None if said.hint is None else legible(said.hint)
        except TypeError:  # its words depend on numbers
            shapes = ", ".join(written(shape) for shape in inputs)
            message, hint = f"{node.name}: {node.op_name} does not take {shapes}", requirement.hint
        return Asked(requirement.holds, requirement.code, "error", message, hint, narrow)

    def _remarks(self, node: Node, op: Op) -> Iterable[Asked]:
        """What is lost, and what other backends and the training mode do not take."""
        x, given = self._inputs(node), self._given(node)
        found: list[Asked] = []
        try:
            for remark in op.remarks(*x, **given):
                if isinstance(remark.holds, Condition) or not remark.holds:
                    found.append(
                        _warning(remark.holds, remark.code, self._remark(node, remark), remark.hint)
                    )
        except TypeError:  # it asks for numbers
            pass
        return found

    @staticmethod
    def _remark(node: Node, remark: Requirement) -> str:
        try:
            text = remark.text()
        except TypeError:
            text = MEANT.get(remark.code, "not everywhere is this taken")
        return f"{node.name}: {text}"

    def _expected(
        self, node: Node, pattern: tuple[DimPattern, ...], at: Any, what: str
    ) -> Iterable[Asked]:
        y = self.shapes[node.index]
        if y is None:
            return
        dims: tuple[Any, ...] = (
            pattern if self.opened is None else self.opened.pattern(node, at, pattern)
        )
        if len(dims) != len(y):
            message = (
                f"{what} has the shape {written(y)}; {len(dims)} dims are expected, not {len(y)}"
            )
            yield _error(False, "T304", message)
            return
        for position, (dim, n) in enumerate(zip(dims, y)):
            want = dim
            if dim is None:
                continue
            if not isinstance(dim, Size):
                try:
                    want = dim_value(dim, self.sizes)
                except ExpressionError:  # numbers decide
                    continue
            holds = want == n
            if isinstance(holds, Condition) or not holds:
                message = f"{what} has the shape {written(y)}; dim {position} is expected to be {want}, not {n}"
                yield _error(holds, "T304", message)

    def _apart(self) -> Iterator[tuple[int, Asked]]:
        """T503: at every merge, that the inputs' positions lie at the same places; by the merge's number."""
        try:
            found = list(meetings(self.traced))
        except (
            TypeError,
            TooLarge,
        ):  # an open argument decides where positions lie, or they are not written down
            return
        for meeting in found:
            own, other = meeting.grids
            a, b = own.stride, other.stride
            differ = a.numerator * b.denominator != b.numerator * a.denominator
            for holds, fact in (
                (a.equals(b), self._steps),
                (
                    own.offset.equals(other.offset) | differ,
                    self._offsets,
                ),  # of unlike steps the steps say enough
            ):
                if isinstance(holds, Condition) or not holds:
                    yield meeting.node.index, _warning(holds, "T503", fact(meeting))

    def _steps(self, meeting: Meeting) -> str:
        first, second = (meeting.node.inputs[i].name for i in (meeting.first, meeting.second))
        own, other = (self._ratio(grid.stride) for grid in meeting.grids)
        return (
            f"{meeting.node.name}: a position of {first} is {own} input pixels wide, one of {second} {other}, "
            f"in dim {meeting.dim}"
        )

    def _offsets(self, meeting: Meeting) -> str:
        first, second = (meeting.node.inputs[i].name for i in (meeting.first, meeting.second))
        own, other = (grid.offset for grid in meeting.grids)
        aside = Ratio(
            own.numerator * other.denominator - other.numerator * own.denominator,
            own.denominator * other.denominator,
        )
        return (
            f"{meeting.node.name}: {first} begins {self._ratio(aside)} input pixels behind {second} "
            f"(at {self._ratio(own)} and {self._ratio(other)}) in dim {meeting.dim}"
        )

    def _ratio(self, ratio: Ratio) -> str:
        """A ratio as it stands in a text: the page divides."""
        return f"⟦{self.program.slot(ratio.numerator)}/{self.program.slot(ratio.denominator)}⟧"

    def _count(self, count: Callable[[], Dim]) -> int | None:
        try:
            return self.program.slot(count())
        except TypeError:
            return None

    def _grids(self) -> list[list[list[int] | None]]:
        try:
            found = grids(self.traced)
        except (TypeError, TooLarge):
            return [[] for _ in self.ops]
        slot = self.program.slot
        return [
            []
            if own is None
            else [None if g is None else [slot(n) for ratio in g for n in ratio] for g in own]
            for own in found
        ]

    def _memories(self) -> Memories | None:
        if self.unknown or None in self.shapes:
            return None
        try:
            found = ledger(self.traced)
        except TypeError:  # numbers decide
            return None

        def slots(parts: list[Stored]) -> list[int]:
            own = [self.program.slot(part.count) for part in parts]
            return [-slot - 1 if part.indices else slot for slot, part in zip(own, parts)]

        steps = [LiveStep(node, slots(made), slots(freed)) for node, made, freed in found.steps]
        return Memories(slots(found.kept), steps)

    def _working(self, node: Node, op: Op, y: Shape) -> list[str | None]:
        """The arithmetic of every dim that is more than a number or an input's dim."""

        def worked(shape: Any) -> tuple[Worked, ...]:
            return tuple(Worked(f"⟦{self.program.slot(n)}⟧") for n in shape)

        inputs = [worked(shape) for shape in self._inputs(node)]
        given = {field: worked(shape) for field, shape in self._given(node).items()}
        for arguments in (self._arguments(op), {}):
            try:
                found = with_arguments(op, arguments).shape(*inputs, **given)
            except (
                TypeError,
                ValueError,
                AttributeError,
            ):  # what a number that is only written cannot do
                continue
            return [str(n) if isinstance(n, Worked) and " " in str(n) else None for n in found]
        return []

    def _arguments(self, op: Op) -> dict[str, Any]:
        """The arguments that decide sizes, as they are written."""

        def worked(value: Any) -> Any:
            if isinstance(value, tuple):
                return tuple(map(worked, value))
            if isinstance(value, Size):
                return Worked(f"⟦{self.program.slot(value)}⟧")
            return Worked(value) if value.__class__ is int else value

        return {
            field: worked(argument(op, field))
            for field in op.solvable
            if field in op.__struct_encode_fields__
        }
