"""A network and the sizes of its symbols to the shape of every node.

The formulas run on ints, and what fails is said. :mod:`tracer.shapes.recipe` runs them on symbols. No printing, no
torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from yaml.nodes import SequenceNode

from tracer.diagnostics import Diagnostic, Related, Span, legible
from tracer.memo import Memo
from tracer.network.graph import digraph, sources
from tracer.network.records import DimPattern, Network, Node
from tracer.network.sharing import widths
from tracer.ops.base import (
    LOSSES,
    MAX_INT,
    Op,
    Requirement,
    Shape,
    argument,
    may_be_negative,
    with_arguments,
    written,
)
from tracer.shapes.hints import hint_of
from tracer.shapes.traced import Ops, Traced, Visit, requirements_of
from tracer.sizing.arithmetic import Dim
from tracer.source import limits
from tracer.source.expressions import Expression, ExpressionError, UnknownName
from tracer.source.tree import span_of

if TYPE_CHECKING:
    import networkx
    import pandas

    from tracer import Drawing, Printed


INFERRED = (
    "a layer that leaves it out has the width that the declared sizes give it, for all sizes"
)
"""The hint where a width that was inferred does not fit other sizes."""


class Accepted:
    """What is known of an operation on inputs that it takes."""

    __slots__ = ("op", "remarks", "shape")

    def __init__(self, op: Op, shape: Shape) -> None:
        self.op = op
        self.shape = shape
        self.remarks: list[Requirement] | None = None
        """The remarks that do not hold; None until they are asked for."""


_accepted: Memo[Accepted] = Memo(65_536)
"""By operation and input shapes: equal layers are judged once. A value holds the operation whose id is in its key."""


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


class Trace(Traced):
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
        super().__init__(network, ops, shapes)
        self.sizes = sizes
        self.shapes = Shapes(network, shapes)
        """``shapes["enc1"] == (1, 64, 568, 568)``; None where a node could not be traced."""
        self.diagnostics = diagnostics
        """What torch refuses and which expectations are not met; empty where the network runs."""
        self._accepted = accepted
        self._remarks: list[tuple[Node, Requirement]] | None = None

    def __repr__(self) -> str:
        """The sizes and what comes out: ``<Trace unet-2015: H=572 W=572, logits (1, 2, 388, 388)>``."""
        network = self.network
        texts = [
            f"{symbol}={self.sizes[symbol]}"
            for symbol in network.symbols
            if symbol in self.sizes
        ]
        outputs = [f"{name} {shape or '?'}" for name, shape in self.outputs.items()]
        found = ", ".join(filter(None, [" ".join(texts), *outputs]))
        wrong = f", errors {len(self.diagnostics)}" if self.diagnostics else ""
        return f"<Trace {legible(network.name or network.path)}: {legible(found)}{wrong}>"

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    def _repr_svg_(self) -> str | None:
        """The picture that a notebook shows; None where it is large."""
        import tracer

        return tracer.svg_of(self)

    def draw(self, *, depth: int | None = 1) -> Drawing:
        """The picture, with what is wrong in red; blocks are unfolded to this depth, with None all of them."""
        import tracer

        return tracer.drawing_of(self, depth)

    def table(self, *, depth: int | None = 1) -> Printed:
        """The table of ``tracer trace``: shapes, parameters, MACs, bytes of outputs (KiB, MiB), fields in input pixels.

        Blocks are unfolded to this depth, with None all of them.
        """
        import tracer

        return tracer.printed_table(self, depth)

    def to_pandas(self, *, depth: int | None = None) -> pandas.DataFrame:
        """The table with a row for each node and numbers in full: memory in bytes, fields as a tuple of input pixels.

        Needs pandas, and raises ImportError with the command that installs it. ``depth`` is that of :meth:`table`.
        """
        import tracer

        return tracer.data_frame(self, depth)

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

    def is_refused(self, node: Node) -> bool:
        """Whether a node is at fault itself: it has no shape, although all that it reads has."""
        return self.by_index[node.index] is None and all(
            self.by_index[s.index] is not None for s in sources(node)
        )

    def remarks(self) -> list[tuple[Node, Requirement]]:
        """The operations' remarks that do not hold."""
        if self._remarks is None:
            self._remarks = []
            all_accepted = self._accepted or self._looked_up()
            for node, accepted in zip(self.network.nodes, all_accepted):
                if accepted is None:
                    continue
                if accepted.remarks is None:
                    accepted.remarks = _remarks_of(self.visit(node), accepted.op)
                if accepted.remarks:
                    self._remarks += [(node, requirement) for requirement in accepted.remarks]
        return self._remarks

    def _looked_up(self) -> Iterator[Accepted | None]:
        for visit in self.walk():
            if visit.op is None or visit.shape is None:
                yield None
            else:
                known = None
                if not visit.node.operands:
                    known = _accepted.get((id(visit.op), *visit.inputs))
                yield known or Accepted(visit.op, visit.shape)

    def lost(self) -> list[tuple[Node, Requirement]]:
        """What is dropped or cropped unevenly."""
        return [
            (node, requirement)
            for node, requirement in self.remarks()
            if requirement.code in LOSSES
        ]


def _remarks_of(visit: Visit, op: Op) -> list[Requirement]:
    """The remarks of an operation that do not hold for a node's inputs."""
    return [remark for remark in op.remarks(*visit.inputs, **visit.sizes) if not remark.holds]


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
    return (
        tuple(dim_value(d, sizes) for d in dims)
        if isinstance(dims, tuple)
        else dim_value(dims, sizes)
    )


def dim_pairs(
    dims: DimPattern | tuple[DimPattern, ...], values: Any
) -> list[tuple[DimPattern, Dim]]:
    """Each declared dim with its value."""
    return list(zip(dims, values)) if isinstance(dims, tuple) else [(dims, values)]


def trace(network: Network, sizes: Mapping[str, int], ops: Ops | None = None) -> Trace:
    """The shape of every node for these sizes of the symbols, on ints; never raises on a wrong network."""
    tracer = _Tracer(network, dict(sizes), ops or declared_ops(network))
    shapes = tracer.run()
    return Trace(network, tracer.ops, tracer.sizes, shapes, tracer.diagnostics, tracer.accepted)


class Again(NamedTuple):
    """Whether a network runs with other operations, and what is known where it does not."""

    runs: bool
    asked: int
    """The number of nodes that were asked for that."""
    found: Sequence[Diagnostic]
    """The first refusal; none where it runs, and where nothing was asked."""
    shapes: Sequence[Shape | None]
    """Those of the nodes up to it."""


def again(before: Trace, ops: Ops, changed: Mapping[int, Op]) -> Again:
    """Whether a traced network runs with its operations and some of them replaced, by their node's index.

    What stands before the first of them is not asked again, and the first refusal ends it.
    """
    network = before.network
    first = min(changed)
    names = {found.node for found in before.diagnostics}
    behind = {node.name for node in network.nodes[first:]}
    if not names <= behind or None in before.by_index[:first]:
        return Again(
            runs=False,
            asked=0,
            found=(),
            shapes=(),
        )

    replaced = list(ops)
    for index, op in changed.items():
        replaced[index] = op
    tracer = _Tracer(network, before.sizes, replaced)
    runs = tracer.runs_from(first, before.by_index)
    return Again(
        runs,
        len(tracer.shapes) - first,
        tracer.diagnostics,
        tracer.shapes,
    )


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
        missing = self._missing_sizes()
        for node, op in zip(self.network.nodes, tuple(self.ops)):
            known = self._known(node, op)
            if known is None:
                self._take(node, op, missing)
            else:
                self.shapes.append(known.shape)
                self.accepted.append(known)
        self._judge_whole()
        return self.shapes

    def _known(self, node: Node, op: Op | None) -> Accepted | None:
        """What is known of a node of which nothing else is to be judged; None for others."""
        if node.expect is not None or node.dim_fields or node.operands or self.doubted:
            return None
        shapes = self.shapes
        key = (id(op), *[shapes[source.index] for source in node.inputs])
        return _accepted.get(key)

    def runs_from(self, first: int, known: Sequence[Shape | None]) -> bool:
        """Whether nothing is refused from a node on; the shapes before it are known. Stops where something is."""
        self.shapes = list(known[:first])
        self.accepted = [None] * first
        for node in self.network.nodes[first:]:
            self._take(node, self.ops[node.index], missing=False)
            if self.diagnostics or self.shapes[-1] is None:
                return False

        self._judge_whole()
        return not self.diagnostics

    def _take(self, node: Node, op: Op | None, missing: bool) -> None:
        """Add the shape of the next node."""
        accepted: Accepted | None = None
        if node.op_name == Node.INPUT:
            y = None if missing else self._input_shape(node)
        else:
            accepted = self._accepted_of(node, op)
            y = None if accepted is None else accepted.shape
        self.shapes.append(y)
        self.accepted.append(accepted)

        if self.doubted and any(source.name in self.doubted for source in node.inputs):
            self.doubted.add(node.name)  # what is unexpected here follows from there
        elif y is not None and node.expect is not None:
            self._expect(node, node.expect, y, None)

    def _judge_whole(self) -> None:
        """Hold the outputs against what is expected of them, and shared parameters against each other."""
        for name, expected in self.network.output_expect.items():
            node = self.network.outputs[name]
            y = self.shapes[node.index]
            if y is not None and node.name not in self.doubted:
                self._expect(node, expected, y, name)
        for node in self.network.sharers:
            self._refuse_other_widths(node)

    def _input_shape(self, node: Node) -> Shape | None:
        """The shape of an input; None where an expression gives no size, which is reported at its place."""
        at = node.declaration.value
        places = at.value if isinstance(at, SequenceNode) else [at] * len(node.pattern)
        found: list[Dim] = []
        for dim, place in zip(node.pattern, places):
            try:
                n = dim_value(dim, self.sizes)
            except ExpressionError as error:
                self._report("T005", str(error), span_of(place), node)
                return None
            if isinstance(dim, Expression) and (n.__class__ is not int or n < 0):
                message = f"the dim {dim.text} is {n}; it must be a whole number from 0 on"
                self._report("T202", node.said(message), span_of(place), node)
                return None
            found.append(n)
        return tuple(found)

    def _accepted_of(self, node: Node, op: Op | None) -> Accepted | None:
        """What is known of a node's operation on its inputs; None where it takes them not, or one has no shape."""
        shapes = self.shapes
        inputs = [shapes[source.index] for source in node.inputs]
        if op is None or None in inputs:
            return None

        if node.dim_fields:
            op = self._with_dims(node, op)
        accepted = None if node.operands else _accepted.get((id(op), *inputs))
        if accepted is None and op is not None:
            accepted = self._apply(node, op, inputs)  # type: ignore[arg-type]
        return accepted

    def _refuse_other_widths(self, node: Node) -> None:
        """Report a node whose input is wider or narrower than that of the node whose parameters it shares."""
        owner = node.weights
        assert owner is not None
        mine, theirs = self._widths(node), self._widths(owner)
        for word in mine.keys() & theirs.keys():
            if mine[word] != theirs[word]:
                message = (
                    f"{node.shown}: it shares the weights of {owner.shown}, whose {word} is "
                    f"{written(theirs[word])}; the input has {written(mine[word])}"
                )
                related = [Related(f"{owner.shown} stands here", owner.span, node=owner.name)]
                self._report("T204", message, node.weights_span, node, None, related)

    def _widths(self, node: Node) -> dict[str, Any]:
        """The widths of a node's inputs that its parameters are made for; none where it has no shape."""
        op = self.ops[node.index]
        inputs = [self.shapes[source.index] for source in node.inputs]
        if op is None or self.shapes[node.index] is None or None in inputs:
            return {}
        return widths(op, inputs)  # type: ignore[arg-type]

    def _missing_sizes(self) -> bool:
        missing = [symbol for symbol in self.network.symbols if symbol not in self.sizes]
        for symbol in missing:
            span = self.network.symbols[symbol]
            hint = f"add `sizes: {{{symbol}: ...}}` or give --size {symbol}=..."
            self._report("T201", f"the symbol {symbol} has no size", span, hint=hint)
        return bool(missing)

    def _report(
        self,
        code: str,
        message: str,
        span: Span | None,
        node: Node | None = None,
        hint: str | None = None,
        related: Sequence[Related] = (),
        path: str | None = None,
    ) -> None:
        """Add an error; of a node, with the block uses that it came through.

        ``path`` is the file that it is about, where that is not the network's own.
        """
        own = self.network.path
        path = path or own
        name, uses = (None, ()) if node is None else (node.name, node.use_places())
        self.diagnostics.append(
            Diagnostic(
                code,
                message,
                span,
                path=path,
                hint=hint,
                related=tuple(one.beside(path, own) for one in (*related, *uses)),
                node=name,
            )
        )

    def _with_dims(self, node: Node, op: Op) -> Op | None:
        """The operation with its dims over symbols computed."""
        values: dict[str, Any] = {}
        for field, dims in node.dim_fields.items():
            try:
                values[field] = dims_value(dims, self.sizes)
            except ExpressionError as error:
                self._report("T005", str(error), node.span_for(field), node)
                return None
            for dim, n in dim_pairs(dims, values[field]):
                least = -MAX_INT if may_be_negative(op, field) else 0
                if (
                    dim is not None
                    and dim.__class__ is not int
                    and (n.__class__ is not int or n < least)
                ):
                    text = dim.text if isinstance(dim, Expression) else dim
                    wanted = "a whole number" if least else "a whole number from 0 on"
                    message = node.said(f"the dim {text} is {n}; it must be {wanted}")
                    self._report("T202", message, node.span_for(field), node)
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
        for requirement in requirements_of(node, op, self.ops, self.shapes, given):
            if not requirement[0]:
                if is_inferred(node, op, requirement.field):
                    requirement = requirement._replace(hint=INFERRED)
                self.diagnostics.append(
                    refusal(self.network.path, node, requirement, inputs, given)
                )
                return None
        y = op.shape(*inputs, **given)
        if y and max(y) > limits.INTEGER:
            self._report(
                "T006", f"a dim of {written(y)} has more than 63 bits", node.span, node
            )
            return None
        accepted = Accepted(op, y)
        if not given:
            key = (id(op), *inputs)
            _accepted[key] = accepted
        return accepted

    def _expect(self, node: Node, expected: Any, y: Shape, output: str | None) -> None:
        pattern, at = expected
        what = f"the output {output}" if output else node.shown
        related = (
            []
            if output is None
            else [Related(f"{node.shown} stands here", node.span, node=node.name)]
        )
        path = self.network.path if output is None else self.network.file_of_output(output)
        try:
            problem = mismatch(pattern, y, self.sizes)
        except ExpressionError as error:
            message = f"{what}: {error}"
            self._report("T005", message, span_of(at), node, related=related, path=path)
            return
        if problem:
            message = f"{what} has the shape {written(y)}; {problem}"
            self._report("T304", message, span_of(at), node, related=related, path=path)
            self.doubted.add(node.name)


def is_inferred(node: Node, op: Op, field: str | None) -> bool:
    """Whether an argument is left out in the config and has a value here: that of a module that is built."""
    if field is None or node.op is None or field not in type(op).__struct_encode_fields__:
        return False
    return argument(node.op, field) is None and argument(op, field) is not None


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
            raise ExpressionError(
                f"the dim {getattr(dim, 'text', dim)} is {written(want)}; a size is a number"
            )
        if want != n:
            source = (
                f"{dim.text} = "
                if isinstance(dim, Expression)
                else f"{dim} = "
                if isinstance(dim, str)
                else ""
            )
            wrong.append(f"dim {position} is expected to be {source}{want}, not {n}")
    return "; ".join(wrong) or None


def refusal_text(node: Node, requirement: Requirement, inputs: Sequence[Shape]) -> str:
    """What is said of a requirement on symbols that does not hold; the shapes, where its words depend on numbers."""
    names = [source.name for source in node.inputs]
    try:
        message = requirement.text(names if len(names) > 1 else ())
    except TypeError:
        message = f"{node.op_name} does not take {', '.join(map(written, inputs))}"
    return node.said(message) if node.place is None else f"{node.name}: {message}"


def refusal(
    path: str,
    node: Node,
    requirement: Requirement,
    inputs: list[Shape],
    given: Mapping[str, Shape],
) -> Diagnostic:
    """The diagnostic of a requirement that does not hold: the argument's place, and the producers'.

    Of several inputs, those that the requirement is about are named and shown.
    """
    several = len(inputs) > 1
    message = requirement.text([source.shown for source in node.inputs] if several else ())
    operand = node.operands.get(requirement.field or "")
    if several:
        about = requirement.inputs or range(len(inputs))
        sources = [(node.inputs[i], inputs[i]) for i in sorted(about)]
    else:
        sources = [(operand, given[requirement.field or ""])] if operand is not None else []
    related = [
        Related(f"{source.shown} gives {written(shape)} here", source.span, node=source.name)
        for source, shape in sources
    ]
    return Diagnostic(
        requirement.code,
        node.said(message),
        node.span_for(requirement.field),
        path=path,
        hint=hint_of(node, requirement.dim, inputs, requirement.hint),
        related=(*dict.fromkeys(related), *node.use_places()),
        node=node.name,
    )
