"""The encoder's feature maps that a decoder can use as skips.

They are one for each resolution, each with the grid on which its positions lie.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from itertools import islice, pairwise
from math import ceil, gcd
from typing import NamedTuple

from tracer.designing.config_text import Layer
from tracer.designing.fit import LONGEST, MapAxis, writable
from tracer.designing.positions import AxisPlace, DimLayout, positions
from tracer.designing.pyramid import of_one_resolution
from tracer.designing.reading import FeatureMap, ReadingLayer, reading
from tracer.designing.taps import TracedMaps, channel_dim, maps_of, tapped
from tracer.geometry.grids import leading_dims, spatial_symbols
from tracer.net import Net
from tracer.network.records import Network, Node, is_set
from tracer.network.values import nearest
from tracer.planning.promises import members
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import Trace
from tracer.sizing.arithmetic import Dim

LOOKED_AT = 128
"""Promised sizes of one symbol that are looked at; the checker has the last word on all of them."""


NAMED = 4
"""Entries left out that are named; of the others their number is."""


class Undesignable(ValueError):
    """No design is what is wanted; the message says why, and by how much the closest misses."""


class Encoder(NamedTuple):
    """A traced encoder."""

    net: Net
    lead: int
    """The dims before the spatial ones: 2, or 1 without a batch."""
    dims: int
    maps: list[FeatureMap]
    """From the finest to the coarsest, which is the decoder's beginning."""
    source: FeatureMap
    """The input."""
    whole: Net
    """The same with the sections that are left out already."""


def readable(
    found: Encoder,
    name: Callable[[str], str],
    say: Callable[[str, str], None],
) -> tuple[Encoder, list[Layer]]:
    """The encoder with maps in the input's layout, and the layers that bring them into it.

    ``name`` gives a layer a name that none has, and ``say`` takes a layer and the reason for it.
    """
    layers: list[Layer] = []
    maps: list[FeatureMap] = []
    for number, feature in enumerate(found.maps, 1):
        before = feature.name
        for step in feature.reading:
            layer = Layer(name(f"{step.word}{number}"), step.op, step.arguments, (before,))
            layers.append(layer)
            if step.reason:
                say(layer.name, step.reason)
            before = layer.name
        maps.append(feature._replace(name=before, reading=()))
    return found._replace(maps=maps), layers


def encoder(
    net: Net,
    skips: Sequence[str] | None,
    whole: Net | None = None,
    *,
    any_size: bool = False,
) -> Encoder:
    """The feature maps that a decoder for the network begins with.

    ``skips`` names the nodes to read; otherwise it is the output of the last block of each resolution on the way to the
    coarsest map. ``whole`` is the network of which sections are left out already.
    With ``any_size`` maps are looked at for other sizes than the declared ones too, so that the decoder serves those.
    Raises :class:`Undesignable` where there is nothing to decode.
    """
    trace = net.trace()
    given = _only_input(net, trace)
    lead = leading_dims(trace)
    dims = len(trace.by_index[0] or ()) - lead
    if not 1 <= dims <= 3:
        count = max(dims, 0)
        message = f"the input has {count} spatial dims; a decoder is designed for 1 to 3"
        raise Undesignable(message)

    maps = _feature_maps(net, lead, dims, any_size=any_size)
    source = maps.of(given)
    assert source is not None
    found = _chosen(net, skips, maps)
    if not found:
        raise Undesignable("no node of the encoder has a map over the input's axes")
    if len(found) < 2 and found[0].coarseness == 1:
        raise Undesignable("the encoder keeps its resolution: there is nothing to decode")
    return Encoder(net, lead, dims, found, source, whole or net)


def entry_of(node: Node) -> str:
    """The name of a section's entry that a node comes from."""
    declaration = node.uses[0] if node.uses else node.declaration
    return declaration.name


def left_out(whole: Net, kept: AbstractSet[str]) -> tuple[str, str] | None:
    """The entries that are not kept, and how many nodes they are; None where there are none."""
    left = [
        node for node in whole.network.nodes if not node.is_input and entry_of(node) not in kept
    ]
    names = list(dict.fromkeys(map(entry_of, left)))
    if not names:
        return None

    shown = ", ".join(names)
    others = ""
    if len(names) > NAMED + 1:
        shown = ", ".join(names[:NAMED])
        others = f" and {len(names) - NAMED} others"
    count = "1 node" if len(left) == 1 else f"{len(left)} nodes"
    return f"{shown}{others}", f"left out, {count} that no skip needs"


def _only_input(
    net: Net,
    trace: Trace,
) -> Node:
    if trace.diagnostics:
        message = f"the encoder does not trace: {trace.diagnostics[0].message}"
        raise Undesignable(message)
    inputs = [node for node in net.network.nodes if node.is_input]
    if len(inputs) != 1:
        raise Undesignable(
            f"the encoder has {len(inputs)} inputs; a decoder is designed for one"
        )
    return inputs[0]


def _chosen(
    net: Net,
    skips: Sequence[str] | None,
    maps: _FeatureMaps,
) -> list[FeatureMap]:
    """The maps that the decoder reads, from the finest to the coarsest of all; none where there are none."""
    features = [maps.of(node) for node in tapped(maps.maps)]
    found = [feature for feature in features if feature is not None]
    if not found:
        return []
    if skips is None:
        return [*of_one_resolution(maps.maps, found, maps.of), *found]

    deepest = found[-1]
    named = _named(net, skips, maps)
    is_deepest_named = deepest.coarseness <= named[-1].coarseness
    return named if is_deepest_named else [*named, deepest]


def _named(
    net: Net,
    skips: Sequence[str],
    maps: _FeatureMaps,
) -> list[FeatureMap]:
    """The maps of the named nodes, each finer than the next along every axis."""
    found = [_skip(net, name, maps) for name in dict.fromkeys(skips)]
    found.sort(key=lambda feature: feature.coarseness)
    for fine, coarse in pairwise(found):
        if fine.strides == coarse.strides:
            message = f"{fine.name} and {coarse.name} have one resolution; a level of the decoder takes one"
            raise Undesignable(message)
        if any(a > b for a, b in zip(fine.strides, coarse.strides)):
            message = f"{fine.name} is finer than {coarse.name} along one axis and coarser along another"
            raise Undesignable(message)
    return found


def _skip(
    net: Net,
    name: str,
    maps: _FeatureMaps,
) -> FeatureMap:
    node = net.network.names.get(name)
    if node is None:
        close = nearest(name, net.network.names)
        hint = f"; did you mean {close!r}?" if close else ""
        raise Undesignable(f"the encoder has no node {name!r}{hint}")

    feature = maps.of(node)
    if feature is None:
        shape = list(net.trace().by_index[node.index] or ())
        raise Undesignable(f"{name} has the shape {shape}: it is no map over the input's axes")
    return feature._replace(name=name)


def settings(net: Net) -> list[dict[str, int]]:
    """The input sizes to look at: the first of every symbol, and the others of each promise one by one."""
    first = net.network.defaults()
    found = [first]
    for symbol, promise in net.network.sizes.items():
        if symbol in first and is_set(promise):
            sizes = islice(members(promise), LOOKED_AT)
            found += [{**first, symbol: n} for n in sizes if n != first[symbol]]
    return found


def _other_sizes(net: Net, maps: TracedMaps) -> list[dict[str, int]]:
    """Larger sizes than the declared ones, along all axes at once: all remainders by the coarsest stride, or many."""
    declared = net.network.defaults()
    symbols = spatial_symbols(net.trace())
    layouts = [maps.layout(node) for node in net.network.nodes]
    strides = [stride for layout in layouts if layout is not None for stride in layout.strides]
    period = ceil(max(strides, default=Fraction(1)))

    # Multiples of what has no factor in common with the period are spread evenly over it.
    step = next(
        n for n in range(int(0.618 * period) + 1, 2 * period + 2) if gcd(n, period) == 1
    )
    found = []
    for number in range(1, min(period, LOOKED_AT) + 1) if symbols else ():
        more = number * step % period + 1
        found.append({**declared, **{symbol: declared[symbol] + more for symbol in symbols}})
    return found


class _FeatureMaps(NamedTuple):
    """The encoder's maps and where their positions stand, for all sizes that are looked at."""

    maps: TracedMaps
    """At the first sizes."""
    dims: int
    traces: list[Trace]
    layouts: list[list[DimLayout | None]]
    """Per trace, by node."""
    recipe: Recipe | None
    """None where the sizes are no expressions over the symbols."""
    names: Mapping[int, str]
    """The shortest name of each node that has several."""

    def of(self, node: Node) -> FeatureMap | None:
        """The node's map; None where it has other axes than the input, or sees all of it."""
        layout = self.maps.layout(node)
        if layout is None:
            return None
        written = [self._written(place) for place in layout.places]
        reading = self._reading(node, layout, written)
        if reading is None:
            return None

        axes = self._axes(node, layout, written) if self._is_steady(node) else None
        name = self.names.get(node.index, node.name)
        channels = self.maps.channels(node)
        return FeatureMap(node, name, channels, axes, layout.strides, reading)

    def _is_steady(self, node: Node) -> bool:
        """True where the node has a shape at all sizes, on one grid."""
        first = self.layouts[0][node.index]
        has_shapes = all(trace.by_index[node.index] is not None for trace in self.traces)
        return has_shapes and all(own[node.index] == first for own in self.layouts)

    def _axes(
        self,
        node: Node,
        layout: DimLayout,
        written: Sequence[Dim],
    ) -> tuple[MapAxis, ...]:
        found = []
        for place, size in zip(layout.places, written):
            sizes = tuple(_size(trace, place) for trace in self.traces)
            found.append(MapAxis(place.stride, place.offset, sizes, size))
        return tuple(found)

    def _written(self, place: AxisPlace) -> Dim:
        """A size as an expression over the symbols, where there is one."""
        if self.recipe is None:
            return _size(self.traces[0], place)
        size: Dim = self.recipe.unique[self.recipe.shape_of[place.node]][place.dim]
        return size

    def _reading(
        self,
        node: Node,
        layout: DimLayout,
        written: Sequence[Dim],
    ) -> tuple[ReadingLayer, ...] | None:
        """The layers that bring a map of another layout into that of the input; None where its sizes are too long."""
        lead = self.maps.lead
        channel = channel_dim(layout, lead)
        assert channel is not None
        has_rows = any(held.is_row for held in layout.held)
        if has_rows and not all(writable(size, LONGEST) for size in written):
            return None

        batch = [dim if isinstance(dim, str | int) else -1 for dim in self._batch(lead)]
        sizes = [size if isinstance(size, int) else str(size) for size in written]
        shape = (*batch, self.maps.channels(node), *sizes)
        return tuple(reading(layout, channel, shape))

    def _batch(self, lead: int) -> Sequence[object]:
        source = self.maps.trace.network.nodes[0]
        return source.pattern[: lead - 1]


def _size(
    trace: Trace,
    place: AxisPlace,
) -> int:
    n = (trace.by_index[place.node] or ())[place.dim]
    assert isinstance(n, int)
    return n


def _feature_maps(
    net: Net,
    lead: int,
    dims: int,
    *,
    any_size: bool,
) -> _FeatureMaps:
    traces = [net.trace(**sizes) for sizes in settings(net)]
    layouts = [positions(trace) for trace in traces]
    maps = maps_of(traces[0], layouts[0], lead)
    if any_size:
        # Expectations that the encoder has of its sizes do not keep it from running at others.
        others = [net.trace(**sizes) for sizes in _other_sizes(net, maps)]
        traces += [one for one in others if None not in one.by_index]
        layouts += [positions(one) for one in traces[len(layouts) :]]
    recipe = recipe_of(net.network, net.solution().ops, contracts=False)
    return _FeatureMaps(
        maps,
        dims,
        traces,
        layouts,
        recipe if recipe.sound else None,
        _shortest_names(net.network),
    )


def _shortest_names(network: Network) -> dict[int, str]:
    """The name of each node with the fewest parts, and of these the shortest."""
    found: dict[int, str] = {}
    for name, node in network.names.items():
        known = found.get(node.index)
        if known is None or _length(name) < _length(known):
            found[node.index] = name
    return found


def _length(name: str) -> tuple[int, int]:
    return (name.count("."), len(name))
