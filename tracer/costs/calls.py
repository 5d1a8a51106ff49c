"""Each node of a network as the call of a training step: what it reads, makes, saves, and what its backward makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import msgspec

from tracer.costs.memory import INDEX_BYTES, MapPlaces, learns_of, places_of
from tracer.network.records import Node
from tracer.ops.base import Op, Shape
from tracer.ops.merge import Concat, Elementwise, Merge, Stack
from tracer.ops.pointwise import Parameter
from tracer.ops.rearrange import contiguous
from tracer.shapes.traced import Traced, Visit

FLOAT32_BYTES = 4


class Types(NamedTuple):
    """The bytes of a number: of the weights and the inputs, and where autocast chooses the lower type."""

    width: int
    lower: int | None = None
    """None without autocast."""


class Gradient(NamedTuple):
    """The gradient of one input."""

    node: int
    """Of which map."""
    size: int
    made: int
    """Its bytes as the backward makes it; ``size`` are those of the map's type."""
    on_the_way: tuple[int, ...]
    """Bytes of what is made before it, each for the next: a crop's is enlarged dim by dim."""
    is_summed: bool
    """It is summed up over what was broadcast."""
    is_handed_on: bool
    """It lies in the output's gradient."""
    is_dense: bool
    """It is no part of a larger storage with gaps."""


class StepCall(msgspec.Struct, frozen=True, eq=False):
    """One node at work, in bytes."""

    index: int
    name: str
    owner: int
    """The node in whose storage its map lies."""
    sources: tuple[int, ...]
    """The nodes that it needs."""
    reads: tuple[int, ...]
    """The storages that it reads: the owners of maps in the order of its inputs, then a pool's indices."""
    size: int
    """Of its map."""
    owned: int
    """Of the storage that it makes for it; 0 for a view."""
    on_the_way: tuple[int, ...]
    """Maps that are made before, each for the next."""
    copies: tuple[tuple[int, int], ...]
    """The inputs that autocast copies, by number, with the copies' bytes."""
    saved_inputs: tuple[int, ...]
    """By number."""
    saves_output: bool
    saved_besides: int
    indices: int
    """Of the indices that it makes for its backward, or for an unpooling."""
    saves_read_indices: bool
    learns: bool
    gradients: tuple[Gradient, ...]
    forward_extra: int
    """What it makes beside its map and frees."""
    backward_first: int
    """What its backward makes before the gradients, and frees."""
    backward_extra: int
    """What its backward makes beside the gradients, and frees."""
    weights: int
    """Whose weights it has: the node's own index, or that of the node that it shares them with."""
    weights_size: int
    is_cast: bool
    """Autocast casts its weights."""
    is_parameter: bool
    """It gives a tensor of the module's and makes nothing."""
    is_input: bool

    @property
    def saves(self) -> bool:
        maps = self.saved_inputs or self.saves_output or self.saves_read_indices
        return bool(maps or self.saved_besides or self.indices)

    @property
    def makes(self) -> set[int]:
        """The keys of what it makes, as ``reads`` names them."""
        return {self.index, key_of_indices(self.index)}


def key_of_indices(pool: int) -> int:
    """A pool's indices among the storages that are read, where a map is its owner's index."""
    return -1 - pool


def calls_of(traced: Traced, types: Types) -> list[StepCall]:
    """The calls of a network whose every node has a shape, inputs included, in order."""
    visits = list(traced.walk())
    places = places_of(visits, training=True)
    learns = learns_of(visits)
    maker = _Maker(visits, places, learns, types)
    return [maker.call(visit) for visit in visits]


class _Maker:
    """Follows the types of the maps from call to call."""

    def __init__(
        self, visits: Sequence[Visit], places: MapPlaces, learns: list[bool], types: Types
    ) -> None:
        self.visits = visits
        self.places = places
        self.owners = places.owners
        self.learns = learns
        self.types = types
        self.widths: list[int] = []
        """By node: the bytes of a number of its map."""

    def call(self, visit: Visit) -> StepCall:
        op = visit.op
        shape: Any = visit.shape
        if op is None:
            return self._input(visit)

        node = visit.node
        width = self._width(node, op)
        self.widths.append(width)
        is_parameter = isinstance(op, Parameter)
        size = prod(shape) * width
        needs = [self.learns[source.index] for source in node.inputs]
        read = self.places.read(node)
        kept = op.kept(shape, needs, *read)
        weights = self._weights(visit, op)
        forward: Any = op.forward_extra(shape, *read)
        first: Any = op.backward_first(shape, needs, *read)
        backward: Any = op.backward_extra(shape, *read)
        sources = (*node.inputs, *node.operands.values())

        return StepCall(
            index=node.index,
            name=node.name,
            owner=self.owners[node.index],
            sources=tuple(source.index for source in sources),
            reads=self._reads(node),
            size=size,
            owned=0 if is_parameter else self._owned(node, size),
            on_the_way=tuple(self._on_the_way(visit, op, width)),
            copies=tuple(self._copies(visit, width)),
            saved_inputs=tuple(kept.inputs),
            saves_output=kept.output,
            saved_besides=int(kept.values) * width,
            indices=int(kept.indices) * INDEX_BYTES,
            saves_read_indices="indices" in node.operands and any(needs),
            learns=self.learns[node.index],
            gradients=tuple(self._gradients(visit, op, width)),
            forward_extra=int(forward) * width,
            backward_first=int(first) * width,
            backward_extra=int(backward) * width,
            weights=node.index if node.weights is None else node.weights.index,
            weights_size=weights,
            is_cast=self.types.lower is not None and op.runs_in() == "lower",
            is_parameter=is_parameter,
            is_input=False,
        )

    def _owned(self, node: Node, size: int) -> int:
        """The bytes that it makes for its map: none for a view."""
        return size if self.owners[node.index] == node.index else 0

    def _reads(self, node: Node) -> tuple[int, ...]:
        reads = [self.owners[source.index] for source in node.inputs]
        pool = node.operands.get("indices")
        if pool is not None:
            reads.append(key_of_indices(pool.index))
        return tuple(reads)

    def _weights(self, visit: Visit, op: Op) -> int:
        """The bytes of the weights that it learns, its own or another node's."""
        owner = visit.node if visit.node.weights is None else visit.node.weights
        count: Any = op.parameters(*visit.inputs) if owner.learned else 0
        return int(count) * self.types.width

    def _input(self, visit: Visit) -> StepCall:
        node = visit.node
        width = self.types.width
        self.widths.append(width)
        shape: Any = visit.shape
        size = prod(shape) * width
        return StepCall(
            index=node.index,
            name=node.name,
            owner=node.index,
            sources=(),
            reads=(),
            size=size,
            owned=size,
            on_the_way=(),
            copies=(),
            saved_inputs=(),
            saves_output=False,
            saved_besides=0,
            indices=0,
            saves_read_indices=False,
            learns=False,
            gradients=(),
            forward_extra=0,
            backward_first=0,
            backward_extra=0,
            weights=node.index,
            weights_size=0,
            is_cast=False,
            is_parameter=False,
            is_input=True,
        )

    def _width(self, node: Node, op: Op) -> int:
        """The bytes of a number where it is computed."""
        if self.types.lower is None:
            return self.types.width
        if op.runs_in() == "lower":
            return self.types.lower
        if op.runs_in() == "float32":
            return FLOAT32_BYTES

        read = [self.widths[source.index] for source in node.inputs]
        return max(read, default=self.types.width)

    def _on_the_way(self, visit: Visit, op: Op, width: int) -> Iterator[int]:
        if isinstance(op, Merge):
            for count in op.made_first(visit.shape or (), *visit.inputs):
                yield int(count) * width

    def _copies(self, visit: Visit, width: int) -> Iterator[tuple[int, int]]:
        """What autocast casts; a merge of several types takes them as they are."""
        if visit.op is None or visit.op.runs_in() == "widest":
            return
        for number, source in enumerate(visit.node.inputs):
            if self.widths[source.index] != width:
                shape: Any = visit.inputs[number]
                yield number, prod(shape) * width

    def _gradients(self, visit: Visit, op: Op, width: int) -> Iterator[Gradient]:
        is_dense = _parts_are_dense(op, visit)
        for number, source in enumerate(visit.node.inputs):
            if self.learns[source.index]:
                shape: Any = visit.inputs[number]
                made: Any = _shape_made(op, visit, number)
                yield Gradient(
                    node=source.index,
                    size=prod(shape) * self.widths[source.index],
                    made=prod(made) * width,
                    on_the_way=tuple(prod(one) * width for one in _enlarged(op, visit, number)),
                    is_summed=prod(made) != prod(shape),
                    is_handed_on=_is_handed_on(op, visit, number),
                    is_dense=is_dense,
                )


def _shape_made(op: Op, visit: Visit, number: int) -> Shape:
    """The shape in which an input's gradient is made: of what was broadcast it is summed up later."""
    x = visit.inputs
    if not isinstance(op, Elementwise) or op.aligned(*x)[number] != x[number]:
        return x[number]
    return visit.shape or ()


def _enlarged(op: Op, visit: Visit, number: int) -> Iterator[Any]:
    """The shapes between the gradient of a cut and that of the map that it is cut from, the last dim first."""
    x: Any = visit.inputs[number]
    cut: Any = visit.shape
    if isinstance(op, Merge):
        is_cut = op.align == "crop"
        cut = op.aligned(*visit.inputs)[number]
    else:
        is_cut = op.viewed(x, contiguous(x), cut, True) is not None

    if not is_cut or len(cut) != len(x) or prod(cut) >= prod(x):
        return
    differing = [dim for dim in range(len(x)) if cut[dim] != x[dim]]
    for dim in reversed(differing[1:]):
        cut = (*cut[:dim], *x[dim:])
        yield cut


def _is_handed_on(op: Op, visit: Visit, number: int) -> bool:
    """Whether an input's gradient lies in the output's."""
    if op.hands_on == "nothing" or (op.hands_on == "first" and number > 0):
        return False
    if not isinstance(op, Merge):
        return True

    x = visit.inputs
    is_changed = op.enlarged(*x) == number or op.aligned(*x)[number] != x[number]
    return not is_changed


def _parts_are_dense(op: Op, visit: Visit) -> bool:
    """Whether the parts of a joined gradient have no gaps: where nothing is before the dim."""
    if not isinstance(op, (Concat, Stack)):
        return True
    shape: Any = visit.shape
    before = shape[: op.dim % len(shape)]
    return bool(prod(before) == 1)
