"""Which map of each resolution a decoder reads: the one that the encoder's next stage reads.

It is the last that every way to the deepest map goes through, so that nothing inside a branch is taken. What stands
between a block's output and the next stage's stride belongs to that stage: a padding, a norm on a sum, the expansion of
an inverted bottleneck. What comes behind the deepest block, up to where positions end, belongs to the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import NamedTuple

from tracer.designing.positions import REGROUPING, DimLayout
from tracer.network.graph import consumers, made_of
from tracer.network.records import Node
from tracer.ops.base import Op, Shape, per_axis
from tracer.ops.convolution import Conv, Convolving
from tracer.ops.linear import Linear
from tracer.ops.merge import Elementwise, Merge
from tracer.ops.normalization import ChannelNorm, GroupNorm, LocalResponseNorm, TrailingNorm
from tracer.ops.padding import Padding
from tracer.ops.rearrange import Permute, Transpose
from tracer.shapes.trace import Trace

NORMS = (ChannelNorm, GroupNorm, TrailingNorm, LocalResponseNorm)
MIXING = (Convolving, Linear)
"""Their channels are made of others."""
REORDERING = (Permute, Transpose, *REGROUPING)

Strides = tuple[Fraction, ...]


def channel_dim(
    layout: DimLayout,
    lead: int,
) -> int | None:
    """The dim of a map's channels; None where dims are left over, or not in an order that a decoder can read."""
    free = [dim for dim, held in enumerate(layout.held) if not held.axes]
    is_batch_first = len(free) == lead and free[: lead - 1] == list(range(lead - 1))
    rows = sorted(held.axes for held in layout.held if held.axes)
    axes = [axis for row in rows for axis in row]
    is_map = is_batch_first and axes == list(range(len(layout.places)))
    return free[-1] if is_map else None


class TracedMaps(NamedTuple):
    """The maps of a traced encoder, in any layout."""

    trace: Trace
    layouts: Sequence[DimLayout | None]
    lead: int
    readers: dict[int, list[Node]]

    def layout(self, node: Node) -> DimLayout | None:
        """Where a map's positions stand; None for what is no map."""
        found = self.layouts[node.index]
        if found is None or channel_dim(found, self.lead) is None:
            return None
        return found

    def strides(self, node: Node) -> Strides:
        """The strides of a map; none for what is no map."""
        found = self.layout(node)
        return () if found is None else found.strides

    def coarseness(self, node: Node) -> Fraction:
        """The number of input positions for one of a map's."""
        return prod(self.strides(node), start=Fraction(1))

    def op(self, node: Node) -> Op | None:
        return self.trace.ops[node.index]

    def shape(self, node: Node) -> Shape:
        return self.trace.by_index[node.index] or ()

    def channels(self, node: Node) -> int:
        """A map's channels."""
        found = self.layout(node)
        assert found is not None
        dim = channel_dim(found, self.lead)
        assert dim is not None
        n = self.shape(node)[dim]
        assert isinstance(n, int)
        return n

    def sources(self, node: Node) -> list[Node]:
        """The inputs that are maps."""
        return [source for source in node.inputs if self.layout(source) is not None]


def maps_of(
    trace: Trace,
    layouts: Sequence[DimLayout | None],
    lead: int,
) -> TracedMaps:
    """The maps of a trace."""
    return TracedMaps(trace, layouts, lead, consumers(trace.network))


def tapped(maps: TracedMaps) -> list[Node]:
    """The nodes to tap, from the finest resolution to the deepest map; none where there are no maps."""
    deepest = _deepest(maps)
    if deepest is None:
        return []

    way = _way(maps, deepest)
    last = _last_of_each(maps, way, deepest)
    taps: list[Node] = []
    for node in sorted(last, key=maps.coarseness):
        if not taps or _is_coarser(maps, node, taps[-1]):
            taps.append(node)

    ends = [_block_output(maps, node, is_deepest=False) for node in taps]
    return [*ends, _block_output(maps, deepest, is_deepest=True)]


def sums_before(maps: TracedMaps, deepest: Node) -> list[Node]:
    """The sums of the deepest map's resolution that every way to it goes through: the ends of residual blocks."""
    way = _way(maps, deepest)
    always = _passed_by_all(way)
    strides = maps.strides(deepest)
    return [
        node
        for node in way
        if node.index in always and maps.strides(node) == strides and _is_sum(maps, node)
    ]


def _deepest(maps: TracedMaps) -> Node | None:
    """The last of the coarsest maps."""
    found: Node | None = None
    for node in maps.trace.network.nodes:
        if node.is_input or maps.layout(node) is None:
            continue
        if found is None or maps.coarseness(node) >= maps.coarseness(found):
            found = node
    return found


def _is_coarser(
    maps: TracedMaps,
    node: Node,
    other: Node,
) -> bool:
    """Whether a map is along no axis finer than another one."""
    pairs = zip(maps.strides(other), maps.strides(node))
    return all(a <= b for a, b in pairs)


def _way(
    maps: TracedMaps,
    deepest: Node,
) -> list[Node]:
    """The nodes between the input and the deepest map, in their order."""
    needed = {node.index for node in made_of([deepest])}
    reached = {0}
    found: list[Node] = []
    for node in maps.trace.network.nodes:
        is_fed = any(source.index in reached for source in node.inputs)
        if node.index in needed and (is_fed or not node.index):
            reached.add(node.index)
            found.append(node)
    return found


def _passed_by_all(way: Sequence[Node]) -> set[int]:
    """The numbers of the nodes on every path along the way: no edge leads past them."""
    numbers = {node.index for node in way}
    last_reader: dict[int, int] = {}
    for node in way:
        for source in node.inputs:
            if source.index in numbers:
                last_reader[source.index] = node.index

    found: set[int] = set()
    furthest = 0
    for node in way:
        if furthest <= node.index:
            found.add(node.index)
        furthest = max(furthest, last_reader.get(node.index, 0))
    return found


def _last_of_each(
    maps: TracedMaps,
    way: Sequence[Node],
    deepest: Node,
) -> list[Node]:
    """The last map of each finer resolution, rather one on every path; of a resolution where something is learned.

    Where a resolution is made of coarser ones too, several go on side by side, and the last sum of each is taken.
    """
    always = _passed_by_all(way)
    coarsest_read = _coarsest_read(maps, way)
    found: list[Node] = []
    by_strides = _by_strides(maps, way)
    by_strides.pop(maps.strides(deepest), None)
    for strides, nodes in by_strides.items():
        if not any(_mixes(maps, node) for node in nodes):
            continue

        is_parallel = coarsest_read[nodes[-1].index] > prod(strides)
        if is_parallel:
            ends = [node for node in nodes if _is_sum(maps, _run(maps, node)[0])]
        else:
            ends = [node for node in nodes if node.index in always]
        found.append((ends or nodes)[-1])
    return found


def _by_strides(
    maps: TracedMaps,
    way: Sequence[Node],
) -> dict[Strides, list[Node]]:
    """The maps on the way, by their strides."""
    found: dict[Strides, list[Node]] = {}
    for node in way:
        strides = maps.strides(node)
        if strides and not node.is_input:
            found.setdefault(strides, []).append(node)
    return found


def _is_sum(
    maps: TracedMaps,
    node: Node,
) -> bool:
    """Whether a node adds maps: the end of a residual block, or of an exchange between resolutions."""
    return isinstance(maps.op(node), Elementwise) and len(maps.sources(node)) > 1


def _coarsest_read(
    maps: TracedMaps,
    way: Sequence[Node],
) -> dict[int, Fraction]:
    """For each node on the way, the coarsest map that it is made of."""
    found: dict[int, Fraction] = {}
    for node in way:
        before = [found[source.index] for source in node.inputs if source.index in found]
        own = maps.coarseness(node)
        found[node.index] = max([own, *before])
    return found


# --- the end of a block --------------------------------------------------------------------------------------------


def _block_output(
    maps: TracedMaps,
    last: Node,
    *,
    is_deepest: bool,
) -> Node:
    """The output of the block that a resolution's last map comes from."""
    tail = last
    while isinstance(maps.op(tail), Padding) and maps.sources(tail):
        (tail,) = maps.sources(tail)

    run = _run(maps, tail)
    kept = run[: _cut(maps, run, is_deepest)]
    # The layout of the map itself, and not one that the next stage wants.
    while len(kept) > 1 and _only_reorders(maps, kept[-1]) and not _is_plain(maps, kept[-1]):
        kept.pop()

    end = kept[-1]
    if len(kept) == len(run) or _is_plain(maps, end):
        return end
    follows = run[len(kept)]
    brings_channels_first = _only_reorders(maps, follows) and _is_plain(maps, follows)
    return follows if brings_channels_first else end


def _only_reorders(
    maps: TracedMaps,
    node: Node,
) -> bool:
    return isinstance(maps.op(node), REORDERING)


def _is_plain(
    maps: TracedMaps,
    node: Node,
) -> bool:
    layout = maps.layout(node)
    return layout is not None and layout.is_plain


def _run(
    maps: TracedMaps,
    tail: Node,
) -> list[Node]:
    """The layers up to a map that treat every position by itself, behind the one that does not; that one first."""
    found = [tail]
    while _is_pointwise(maps, found[-1]):
        (source,) = maps.sources(found[-1])
        if source.is_input:
            break
        found.append(source)
    return found[::-1]


def _is_pointwise(
    maps: TracedMaps,
    node: Node,
) -> bool:
    """Whether a node makes every position from the one at its place in one map."""
    op = maps.op(node)
    before = maps.sources(node)
    if op is None or len(before) != 1 or isinstance(op, Padding):
        return False
    if isinstance(op, REORDERING):
        return True
    if isinstance(op, Merge):
        return not _joins(maps, node)
    return _sees_one(maps, op, node)


def _joins(maps: TracedMaps, node: Node) -> bool:
    """Whether a node merges maps as large as its own, and not one with what is repeated over its positions."""
    layout = maps.layout(node)
    if layout is None or not isinstance(maps.op(node), Merge):
        return False
    y = maps.shape(node)
    axes = [dim - len(y) for dim, held in enumerate(layout.held) if held.axes]
    shapes = [maps.shape(source) for source in node.inputs]
    whole = [
        shape
        for shape in shapes
        if len(shape) == len(y) and all(shape[dim] == y[dim] for dim in axes)
    ]
    return len(whole) > 1


def _sees_one(
    maps: TracedMaps,
    op: Op,
    node: Node,
) -> bool:
    """Whether an operation sees one position along every axis."""
    shapes = [maps.shape(one) for one in node.inputs]
    sizes = {field: maps.shape(one) for field, one in node.operands.items()}
    layout = maps.layout(node)
    assert layout is not None
    for dim, held in enumerate(layout.held):
        if not held.axes:
            continue
        window = op.window(dim, *shapes, **sizes)
        if window is None or (window.extent, window.down, window.up) != (1, 1, 1):
            return False
    return True


def _cut(
    maps: TracedMaps,
    run: Sequence[Node],
    is_deepest: bool,
) -> int:
    """The number of layers of a run that belong to the block; the others begin what comes next."""
    start = 1
    while start < len(run) and _only_reorders(maps, run[start]):
        start += 1
    if _joins(maps, run[0]) and not is_deepest and _is_norm(maps, run[start:]):
        return start

    last = len(run) - 1
    while last > 0 and not _mixes(maps, run[last]):
        last -= 1
    if last > 0 and _begins_next(maps, run, last, is_deepest):
        return last
    return len(run)


def _mixes(
    maps: TracedMaps,
    node: Node,
) -> bool:
    return isinstance(maps.op(node), MIXING)


def _is_norm(
    maps: TracedMaps,
    layers: Sequence[Node],
) -> bool:
    """Whether layers begin with a norm."""
    return bool(layers) and isinstance(maps.op(layers[0]), NORMS)


def _begins_next(
    maps: TracedMaps,
    run: Sequence[Node],
    at: int,
    is_deepest: bool,
) -> bool:
    """Whether the last layer of a run that mixes channels begins what comes next."""
    tail = run[-1]
    is_lateral = _is_sum(maps, run[0]) and _is_enlarged(maps, tail)
    is_expansion = _expands(maps, run, at) and _leads_on(maps, tail, is_deepest)
    return is_lateral or is_expansion


def _is_enlarged(
    maps: TracedMaps,
    tail: Node,
) -> bool:
    """Whether a map goes up again, and is read by nothing else: a pyramid's way back, or an exchange."""
    readers = maps.readers.get(tail.index, [])
    own = maps.coarseness(tail)
    finer = [
        reader
        for reader in readers
        if maps.layout(reader) is not None and maps.coarseness(reader) < own
    ]
    return bool(readers) and len(finer) == len(readers)


def _expands(
    maps: TracedMaps,
    run: Sequence[Node],
    at: int,
) -> bool:
    """Whether a layer of a run makes more channels of a block's output, and not those of a depthwise convolution."""
    is_wider = maps.channels(run[at]) > maps.channels(run[at - 1])
    is_first = not any(_mixes(maps, node) for node in run[1:at])
    completes = is_first and _is_depthwise(maps, run[0])
    return is_wider and not completes


def _is_depthwise(
    maps: TracedMaps,
    node: Node,
) -> bool:
    op = maps.op(node)
    return isinstance(op, Conv) and op.groups > 1 and op.groups == maps.channels(node)


def _leads_on(
    maps: TracedMaps,
    tail: Node,
    is_deepest: bool,
) -> bool:
    """Whether what comes next is a depthwise convolution with a stride, or a classifier behind the deepest map."""
    readers = maps.readers.get(tail.index, [])
    if is_deepest:
        return bool(readers)
    if len(readers) != 1:
        return False

    (reader,) = readers
    if isinstance(maps.op(reader), Padding):
        return _leads_on(maps, reader, is_deepest)
    op = maps.op(reader)
    strides = per_axis(op.stride, op.axes) if isinstance(op, Conv) else (1,)
    return max(strides) > 1 and maps.layout(reader) is not None and _is_depthwise(maps, reader)
