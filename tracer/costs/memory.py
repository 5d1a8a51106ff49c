"""What running a network keeps in memory: autograd's maps in training, and the peak of a run without it.

What counts is storage: views and what is written in place have their input's. The figures are those of torch on the
CPU in the maps' own type; what a kernel needs while it runs is not among them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from tracer.costs.operations import DTYPE_BYTES
from tracer.network.records import Network, Node
from tracer.ops.attention import MultiheadAttention
from tracer.ops.base import Kept, Op
from tracer.ops.merge import Merge
from tracer.ops.pointwise import Parameter
from tracer.ops.rearrange import LaidShape, strides_of
from tracer.shapes.trace import Trace
from tracer.shapes.traced import Traced, Visit
from tracer.sizing.arithmetic import Dim

NOTHING: Mapping[Any, int] = {}

INDEX_BYTES = 8
"""Of one index of a max pooling."""

Storage = tuple[int, str]
"""Whose it is: a node's index, and what of it."""

MAP = "map"
INDICES = "indices"
MADE = "made"


class Memory(msgspec.Struct, frozen=True):
    """Bytes of one run, parameters not among them."""

    training: int
    """What autograd keeps from a forward pass in training to the backward pass, each storage once."""
    inference: int
    """The most that is alive at once without autograd, from a map's making to its last reader; inputs to the end."""
    peak: str
    """The node at which that is."""


class Stored(NamedTuple):
    """Numbers of one storage, or some that no map holds."""

    count: Dim
    indices: bool = False
    """Whether they are indices and not of the maps' type."""


class LedgerStep(NamedTuple):
    """One call of torch without autograd, or what it is made of: what it makes, and what nobody reads after it."""

    node: int
    made: list[Stored]
    freed: list[Stored]


class Ledger(NamedTuple):
    """What is kept and made and freed, on ints, arrays of them, or symbols."""

    kept: list[Stored]
    """What autograd keeps, each storage once."""
    steps: list[LedgerStep]

    def training(self, width: int) -> Dim:
        """The bytes that autograd keeps, of maps whose numbers have ``width`` bytes."""
        return sum(_bytes(stored, width) for stored in self.kept)

    def alive(self, width: int) -> Iterator[tuple[int, Any]]:
        """The bytes that are alive while each step runs, with the number of its node."""
        total: Any = 0
        for node, made, freed in self.steps:
            for stored in made:
                total = total + _bytes(stored, width)
            yield node, total
            for stored in freed:
                total = total - _bytes(stored, width)

    def evaluated(self, value: Callable[[Dim], Any]) -> Ledger:
        """The same with every count's value."""

        def each(several: list[Stored]) -> list[Stored]:
            return [Stored(value(stored.count), stored.indices) for stored in several]

        steps = []
        for node, made, freed in self.steps:
            steps.append(LedgerStep(node, each(made), each(freed)))
        kept = each(self.kept)
        return Ledger(kept, steps)


def _bytes(stored: Stored, width: int) -> Any:
    return stored.count * (INDEX_BYTES if stored.indices else width)


def memory(
    trace: Trace, dtype: str = "float32", held: Mapping[Storage, int] = NOTHING
) -> Memory | None:
    """The memory of a traced network; None where a node could not be traced.

    ``held`` has storages that whoever runs it keeps longer than they are read: until a node, by its index, has run.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, 8, 8]\\nlayers: {act: ReLU, pool: {op: MaxPool2d, kernel_size: 2}}")
    >>> memory(net.trace()).peak
    'pool'
    """
    if not trace.is_complete:
        return None

    width = DTYPE_BYTES[dtype]
    found = ledger(trace, held)
    node, peak = max(found.alive(width), key=itemgetter(1))
    return Memory(found.training(width), peak, trace.network.nodes[node].name)


def ledger(traced: Traced, held: Mapping[Storage, int] = NOTHING) -> Ledger:
    """The ledger of a network whose every node has a shape, of ints or of symbols.

    Raises TypeError where symbols do not decide what is a view or what is kept.
    """
    visits = list(traced.walk())
    return Ledger(_kept(visits), _steps(traced.network, visits, held))


class MapPlaces(NamedTuple):
    """Where every map lies."""

    owners: list[int]
    """The indices of the nodes in whose storage they lie."""
    shapes: list[LaidShape]
    """Their shapes, with the strides of views."""

    def read(self, node: Node) -> list[LaidShape]:
        """The shapes of a node's inputs."""
        return [self.shapes[source.index] for source in node.inputs]


def places_of(visits: Sequence[Visit], *, training: bool) -> MapPlaces:
    """Where every map lies, in order."""
    owners: list[int] = []
    shapes: list[LaidShape] = []
    for visit in visits:
        node = visit.node
        op = visit.op
        shape = visit.shape or ()
        owner = node.index
        view = None

        if op is not None and node.inputs:
            source = node.inputs[0].index
            strides = strides_of(shapes[source])
            view = op.viewed(visit.inputs[0], strides, shape, training)
            if view is not None:
                owner = owners[source]

        owners.append(owner)
        shapes.append(LaidShape(shape, node.index, view))
    return MapPlaces(owners, shapes)


def _is_some(count: Dim) -> bool:
    """Whether a count is not known to be 0."""
    return not isinstance(count, int) or count != 0


def _makes_map(op: Op | None) -> bool:
    """Whether an input, or an operation that gives a map and no tensor of the module's."""
    return not isinstance(op, Parameter)


# --- kept in training -------------------------------------------------------------------------------------------------


def _kept(visits: Sequence[Visit]) -> list[Stored]:
    """What autograd keeps: each storage once, and what an operation keeps besides."""
    places = places_of(visits, training=True)
    learns = learns_of(visits)

    kept: list[Stored] = []
    storages: dict[Storage, None] = {}
    for visit in visits:
        if visit.op is None:
            continue
        needs = [learns[source.index] for source in visit.node.inputs]
        own = visit.op.kept(visit.shape or (), needs, *places.read(visit.node))
        if _is_some(own.values):
            kept.append(Stored(own.values))
        more = _kept_storages(visit.node, own, any(needs), places.owners)
        storages |= dict.fromkeys(more)

    for index, what in storages:
        visit = visits[index]
        is_indices = what == INDICES
        if is_indices or _makes_map(visit.op):
            elements = prod(visit.shape or ())
            kept.append(Stored(elements, is_indices))
    return kept


def learns_of(visits: Sequence[Visit]) -> list[bool]:
    """Whether a gradient is needed for each map: behind the first parameter."""
    found: list[bool] = []
    for visit in visits:
        learns = any(found[source.index] for source in visit.node.inputs)
        if visit.op is None:
            found.append(False)
        else:
            has_weights = visit.node.learned and _is_some(visit.op.parameters(*visit.inputs))
            found.append(learns or has_weights)
    return found


def _kept_storages(
    node: Node, kept: Kept, needed: bool, owners: Sequence[int]
) -> Iterator[Storage]:
    """The storages that a node keeps; ``needed``: one of its inputs needs a gradient."""
    for number in kept.inputs:
        yield owners[node.inputs[number].index], MAP
    if kept.output:
        yield owners[node.index], MAP
    if _is_some(kept.indices):
        yield node.index, INDICES

    pool = node.operands.get("indices")
    if pool is not None and needed:
        yield pool.index, INDICES


# --- alive in a run without autograd ----------------------------------------------------------------------------------


class Touch(NamedTuple):
    """The storages that one step reads, and those that it makes."""

    node: Node
    reads: list[Storage]
    makes: dict[Storage, Stored]


def _steps(
    network: Network, visits: Sequence[Visit], held: Mapping[Storage, int]
) -> list[LedgerStep]:
    """The steps, with what is freed after each: what no later one reads, the caller's inputs and outputs excepted."""
    owners = places_of(visits, training=False).owners
    pooled = {
        node.operands["indices"].index for node in network.nodes if "indices" in node.operands
    }
    touches = [touch for visit in visits for touch in _touches(visit, owners, pooled)]
    last = _last_touches(network, touches, owners)
    ends = {touch.node.index: number for number, touch in enumerate(touches)}
    over: dict[int, list[Storage]] = defaultdict(list)
    for (index, what), until in held.items():
        owner = owners[index] if what == MAP else index
        storage = (owner, what)
        last[storage] = max(last.get(storage, 0), ends[until])
        over[last[storage]].append(storage)
    return list(_freeing(touches, last, over))


def _freeing(
    touches: Sequence[Touch],
    last: Mapping[Storage, int],
    over: Mapping[int, Sequence[Storage]],
) -> Iterator[LedgerStep]:
    """The steps with what each frees. ``over``: by step, the storages that are held until then."""
    alive: dict[Storage, Stored] = {}
    for number, touch in enumerate(touches):
        alive |= touch.makes

        held = over.get(number, ())
        touched = dict.fromkeys((*touch.reads, *touch.makes, *held))
        freed = []
        for storage in touched:
            if last[storage] == number and storage in alive:
                freed.append(alive.pop(storage))

        made = list(touch.makes.values())
        yield LedgerStep(touch.node.index, made, freed)


def _last_touches(
    network: Network, touches: Sequence[Touch], owners: Sequence[int]
) -> dict[Storage, int]:
    """The number of the last step that touches each storage; the caller's live on behind all steps."""
    last: dict[Storage, int] = {}
    for number, touch in enumerate(touches):
        last |= dict.fromkeys((*touch.reads, *touch.makes), number)

    inputs = [node for node in network.nodes if node.is_input]
    for node in (*network.outputs.values(), *inputs):
        last[owners[node.index], MAP] = len(touches)
    return last


def _touches(visit: Visit, owners: Sequence[int], pooled: set[int]) -> Iterator[Touch]:
    """The steps of one node, in order. ``pooled``: the nodes whose indices are read."""
    node = visit.node
    reads: list[Storage] = [(owners[source.index], MAP) for source in node.inputs]
    for field, source in node.operands.items():
        if field == "indices":
            reads.append((source.index, INDICES))
        else:
            # Of a node that gives a size, the size alone is read, before the call.
            yield Touch(node, [(owners[source.index], MAP)], {})

    if isinstance(visit.op, Merge):
        enlarged = visit.op.enlarged(*visit.inputs)
        made_first = visit.op.made_first(visit.shape or (), *visit.inputs)
        for number, size in enumerate(made_first):
            made: Storage = (node.index, f"{MADE} {number}")
            if number == 0 and enlarged is not None:
                yield Touch(node, [reads[enlarged]], {made: Stored(size)})
                reads[enlarged] = made
                continue
            yield Touch(node, reads[:2], {made: Stored(size)})
            reads = [made, *reads[2:]]

    yield Touch(node, reads, _made(visit, owners, pooled))


def _made(visit: Visit, owners: Sequence[int], pooled: set[int]) -> dict[Storage, Stored]:
    """What a node makes: its map where it has one of its own, indices that are read, and attention's weights."""
    own = visit.node.index
    op = visit.op
    shape = visit.shape or ()
    made: dict[Storage, Stored] = {}
    if owners[own] == own and _makes_map(op):
        made[own, MAP] = Stored(prod(shape))
    if own in pooled:
        made[own, INDICES] = Stored(prod(shape), indices=True)
    if isinstance(op, MultiheadAttention):
        weights = op.weights(*visit.inputs)
        if _is_some(weights):
            made[own, MADE] = Stored(weights)
    return made
