"""The encoder's feature maps that a decoder can use as skips.

They are one for each resolution, each with the grid on which its positions lie.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from math import prod
from typing import NamedTuple

from tracer.design.fit import MapAxis
from tracer.geometry.grids import Grid, Grids, grids, leading_dims
from tracer.net import Net
from tracer.network.graph import made_of
from tracer.network.records import Network, Node, is_set
from tracer.network.values import nearest
from tracer.planning.promises import members
from tracer.shapes.recipe import Recipe, recipe_of
from tracer.shapes.trace import Trace
from tracer.sizing.arithmetic import Dim

LOOKED_AT = 128
"""Promised sizes of one symbol that are looked at; the checker has the last word on all of them."""


class Undesignable(Exception):
    """No design is what is wanted; the message says why, and by how much the closest misses."""


class FeatureMap(NamedTuple):
    """A map of the encoder that the decoder can read."""

    node: Node
    name: str
    """The shortest name for it."""
    channels: int
    axes: tuple[MapAxis, ...] | None
    """Per spatial axis; None where it lies on no grid that is the same for all sizes."""
    strides: tuple[Fraction, ...]

    @property
    def coarseness(self) -> Fraction:
        """The number of input positions for one of its own."""
        return Fraction(prod(self.strides))


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


def encoder(net: Net, skips: Sequence[str] | None) -> Encoder:
    """The feature maps that a decoder for the network begins with.

    ``skips`` names the nodes to read; otherwise it is the last node of each resolution on the way to the coarsest map.
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

    maps = _feature_maps(net, lead, dims)
    source = maps.of(given)
    assert source is not None
    spatial = [
        feature
        for feature in map(maps.of, net.network.nodes)
        if feature is not None and not feature.node.is_input
    ]
    if not spatial:
        raise Undesignable("no node of the encoder has a map over the input's axes")

    found = _chosen(net, skips, maps, spatial)
    if len(found) < 2 and found[0].coarseness == 1:
        raise Undesignable("the encoder keeps its resolution: there is nothing to decode")
    return Encoder(net, lead, dims, found, source)


def _only_input(net: Net, trace: Trace) -> Node:
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
    net: Net, skips: Sequence[str] | None, maps: _FeatureMaps, spatial: Sequence[FeatureMap]
) -> list[FeatureMap]:
    """The maps that the decoder reads, from the finest to the coarsest of all."""
    coarsest = max(feature.coarseness for feature in spatial)
    deepest = [feature for feature in spatial if feature.coarseness == coarsest][-1]
    if skips is None:
        return [*_last_of_each(deepest, spatial), deepest]

    found = _named(net, skips, maps)
    is_deepest_named = deepest.coarseness <= found[-1].coarseness
    return found if is_deepest_named else [*found, deepest]


def _last_of_each(deepest: FeatureMap, spatial: Sequence[FeatureMap]) -> list[FeatureMap]:
    """The last map of each finer resolution on the way to the coarsest."""
    way = {node.index for node in made_of([deepest.node])}
    last: dict[tuple[Fraction, ...], FeatureMap] = {}
    for feature in spatial:
        if feature.node.index in way and feature.strides != deepest.strides:
            last.pop(feature.strides, None)
            last[feature.strides] = feature

    found: list[FeatureMap] = []
    for feature in sorted(last.values(), key=lambda one: one.coarseness):
        if not found or all(a <= b for a, b in zip(found[-1].strides, feature.strides)):
            found.append(feature)
    return found


def _named(net: Net, skips: Sequence[str], maps: _FeatureMaps) -> list[FeatureMap]:
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


def _skip(net: Net, name: str, maps: _FeatureMaps) -> FeatureMap:
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


class _FeatureMaps(NamedTuple):
    """The encoder's maps and their grids, for all sizes that are looked at."""

    lead: int
    dims: int
    traces: list[Trace]
    grids: list[list[Grids | None]]
    """Per trace, by node."""
    recipe: Recipe | None
    """None where the sizes are no expressions over the symbols."""
    names: Mapping[int, str]
    """The shortest name of each node that has several."""

    def of(self, node: Node) -> FeatureMap | None:
        """The node's map; None where it has other axes than the input, or sees all of it."""
        shape = self.traces[0].by_index[node.index]
        placed = self.grids[0][node.index]
        if shape is None or placed is None or len(shape) != self.lead + self.dims:
            return None
        own = [grid for grid in placed[self.lead :] if grid is not None]
        if len(own) < self.dims:
            return None

        axes = self._axes(node, own) if self._is_steady(node) else None
        strides = tuple(Fraction(*grid.stride) for grid in own)
        name = self.names.get(node.index, node.name)
        return FeatureMap(node, name, shape[self.lead - 1], axes, strides)

    def _is_steady(self, node: Node) -> bool:
        """True where the node has a shape at all sizes, on one grid."""
        first = self.grids[0][node.index]
        has_shapes = all(trace.by_index[node.index] is not None for trace in self.traces)
        return has_shapes and all(own[node.index] == first for own in self.grids)

    def _axes(self, node: Node, own: Sequence[Grid]) -> tuple[MapAxis, ...]:
        found = []
        for axis, grid in enumerate(own):
            dim = self.lead + axis
            sizes = tuple((trace.by_index[node.index] or ())[dim] for trace in self.traces)
            written = self._written(node, dim, sizes)
            found.append(
                MapAxis(Fraction(*grid.stride), Fraction(*grid.offset), sizes, written)
            )
        return tuple(found)

    def _written(self, node: Node, dim: int, sizes: tuple[int, ...]) -> Dim:
        """A size as an expression over the symbols, where there is one."""
        if self.recipe is None:
            return sizes[0]
        size: Dim = self.recipe.unique[self.recipe.shape_of[node.index]][dim]
        return size


def _feature_maps(net: Net, lead: int, dims: int) -> _FeatureMaps:
    traces = [net.trace(**sizes) for sizes in settings(net)]
    recipe = recipe_of(net.network, net.solution().ops, contracts=False)
    return _FeatureMaps(
        lead,
        dims,
        traces,
        [grids(trace) for trace in traces],
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
