"""What a decoder can be hung on: the encoder's maps, one for each resolution, and where their positions lie."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice, pairwise
from math import prod
from typing import NamedTuple

from tracer.design.fit import MapAxis
from tracer.diagnostics import legible
from tracer.geometry.grids import grids, leading_dims
from tracer.net import Net
from tracer.network.graph import made_of
from tracer.network.records import Node, is_set
from tracer.network.values import nearest
from tracer.planning.promises import members
from tracer.shapes.recipe import recipe_of
from tracer.sizing.arithmetic import Dim

LOOKED_AT = 128
"""Promised sizes of one symbol that are looked at; the checker has the last word on all of them."""


class Undesignable(Exception):
    """No design meets what is asked for; the message says why, and by how much the closest misses."""


class FeatureMap(NamedTuple):
    """A map that the decoder reads."""

    node: Node
    name: str
    """The shortest name that stands for it."""
    channels: int
    places: tuple[MapAxis, ...] | None
    """Per spatial axis; None where it lies on no grid that is the same for all sizes."""
    strides: tuple[Fraction, ...]


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
    """What a decoder for the network begins with.

    ``skips`` names the nodes to feature; otherwise the last node of each resolution is, on the way to the coarsest map.
    Raises :class:`Undesignable` where there is nothing to decode.
    """
    trace = net.trace()
    if trace.diagnostics:
        first = trace.diagnostics[0]
        raise Undesignable(f"the encoder does not trace: {legible(first.message)}")
    inputs = [node for node in net.network.nodes if node.is_input]
    if len(inputs) != 1:
        raise Undesignable(f"the encoder has {len(inputs)} inputs; a decoder is designed for one")
    lead = leading_dims(trace)
    dims = len(trace.by_index[0] or ()) - lead
    if not 1 <= dims <= 3:
        raise Undesignable(
            f"the input has {max(dims, 0)} spatial dims; a decoder is designed for 1 to 3"
        )
    places = _FeatureMaps(net, lead, dims)
    source = places.feature(inputs[0])
    assert source is not None
    spatial = [
        feature
        for feature in map(places.feature, net.network.nodes)
        if feature is not None and not feature.node.is_input
    ]
    if not spatial:
        raise Undesignable("no node of the encoder has a map over the input's axes")
    coarsest = max(prod(feature.strides) for feature in spatial)
    deepest = [feature for feature in spatial if prod(feature.strides) == coarsest][-1]
    if skips is None:
        maps = [*_last_of_each(deepest, spatial), deepest]
    else:
        maps = _named(net, skips, places)
        if prod(deepest.strides) > prod(maps[-1].strides):
            maps.append(deepest)
    if len(maps) < 2 and prod(maps[0].strides) == 1:
        raise Undesignable("the encoder keeps its resolution: there is nothing to decode")
    return Encoder(net, lead, dims, maps, source)


def _last_of_each(deepest: FeatureMap, spatial: Sequence[FeatureMap]) -> list[FeatureMap]:
    """The last map of each finer resolution on the way to the coarsest."""
    way = {node.index for node in made_of([deepest.node])}
    last: dict[tuple[Fraction, ...], FeatureMap] = {}
    for feature in spatial:
        if feature.node.index in way and feature.strides != deepest.strides:
            last.pop(feature.strides, None)
            last[feature.strides] = feature
    found: list[FeatureMap] = []
    for feature in sorted(last.values(), key=lambda feature: prod(feature.strides)):
        if not found or all(a <= b for a, b in zip(found[-1].strides, feature.strides)):
            found.append(feature)
    return found


def _named(net: Net, skips: Sequence[str], places: _FeatureMaps) -> list[FeatureMap]:
    found = []
    for name in dict.fromkeys(skips):
        node = net.network.names.get(name)
        if node is None:
            close = nearest(name, net.network.names)
            raise Undesignable(
                f"the encoder has no node {name!r}"
                + (f"; did you mean {close!r}?" if close else "")
            )
        feature = places.feature(node)
        if feature is None:
            shape = net.trace().by_index[node.index]
            raise Undesignable(
                f"{name} has the shape {list(shape or ())}: it is no map over the input's axes"
            )
        found.append(feature._replace(name=name))
    found.sort(key=lambda feature: prod(feature.strides))
    for fine, coarse in pairwise(found):
        if fine.strides == coarse.strides:
            raise Undesignable(
                f"{fine.name} and {coarse.name} have one resolution; a level of the decoder takes one"
            )
        if any(a > b for a, b in zip(fine.strides, coarse.strides)):
            raise Undesignable(
                f"{fine.name} is finer than {coarse.name} along one axis and coarser along another"
            )
    return found


def settings(net: Net) -> list[dict[str, int]]:
    """The input sizes to look at: the first of every symbol, and the others of each promise one by one."""
    first = net.network.defaults()
    found = [first]
    for symbol, promise in net.network.sizes.items():
        if symbol in first and is_set(promise):
            found += [
                {**first, symbol: n}
                for n in islice(members(promise), LOOKED_AT)
                if n != first[symbol]
            ]
    return found


class _FeatureMaps:
    """Where the encoder's maps lie, for all sizes that are looked at."""

    def __init__(self, net: Net, lead: int, dims: int) -> None:
        self.lead, self.dims = lead, dims
        self.network = net.network
        self.traces = [net.trace(**sizes) for sizes in settings(net)]
        self.grids = [grids(trace) for trace in self.traces]
        recipe = recipe_of(net.network, net.solution().ops, contracts=False)
        self.recipe = recipe if recipe.sound else None
        self.names: dict[int, str] = {}
        for name, node in net.network.names.items():
            known = self.names.get(node.index)
            if known is None or (name.count("."), len(name)) < (known.count("."), len(known)):
                self.names[node.index] = name

    def feature(self, node: Node) -> FeatureMap | None:
        """The node's map as a feature; None where it has other axes than the input, or sees all of it."""
        shapes = [trace.by_index[node.index] for trace in self.traces]
        y, placed = shapes[0], self.grids[0][node.index]
        if (
            y is None
            or placed is None
            or len(y) != self.lead + self.dims
            or None in placed[self.lead :]
        ):
            return None
        strides = tuple(Fraction(*grid.stride) for grid in placed[self.lead :] if grid is not None)
        places: list[MapAxis] | None = []
        steady = all(own[node.index] == placed for own in self.grids) and None not in shapes
        for axis, grid in enumerate(placed[self.lead :]):
            if grid is None or not steady or places is None:
                places = None
                break
            sizes = tuple((shape or ())[self.lead + axis] for shape in shapes)
            places.append(
                MapAxis(
                    strides[axis], Fraction(*grid.offset), sizes, self._written(node, axis, sizes)
                )
            )
        name = self.names.get(node.index, node.name)
        return FeatureMap(
            node, name, y[self.lead - 1], None if places is None else tuple(places), strides
        )

    def _written(self, node: Node, axis: int, sizes: tuple[int, ...]) -> Dim:
        if self.recipe is None:
            return sizes[0]
        size: Dim = self.recipe.unique[self.recipe.shape_of[node.index]][self.lead + axis]
        return size
