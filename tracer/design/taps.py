"""What a decoder can be hung on: the encoder's maps, one for each resolution, and where their positions lie."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice, pairwise
from math import prod
from typing import NamedTuple

from tracer.design.fit import Place
from tracer.geometry.grids import grids, leading_dims
from tracer.net import Net
from tracer.network.graph import made_of
from tracer.network.records import Node, is_set
from tracer.network.values import nearest
from tracer.planning.promises import members
from tracer.shapes.recipe import Recipe
from tracer.sizing.arithmetic import Dim

LOOKED_AT = 128
"""Promised sizes of one symbol that are looked at; the checker has the last word on all of them."""


class Undesignable(Exception):
    """No design meets what is asked for; the message says why, and by how much the closest misses."""


class Tap(NamedTuple):
    """A map that the decoder reads."""

    node: Node
    name: str
    """The shortest name that stands for it."""
    channels: int
    places: tuple[Place, ...] | None
    """Per spatial axis; None where it lies on no grid that is the same for all sizes."""
    strides: tuple[Fraction, ...]


class Encoder(NamedTuple):
    """A traced encoder."""

    net: Net
    lead: int
    """The dims before the spatial ones: 2, or 1 without a batch."""
    dims: int
    taps: list[Tap]
    """From the finest to the coarsest, which is the decoder's beginning."""
    source: Tap
    """The input."""


def encoder(net: Net, skips: Sequence[str] | None) -> Encoder:
    """What a decoder for the network begins with.

    ``skips`` names the nodes to tap; otherwise the last node of each resolution is, on the way to the coarsest map.
    Raises :class:`Undesignable` where there is nothing to decode.
    """
    trace = net.trace()
    if trace.diagnostics:
        first = trace.diagnostics[0]
        raise Undesignable(f"the encoder does not trace: {first.message}")
    inputs = [node for node in net.network.nodes if node.is_input]
    if len(inputs) != 1:
        raise Undesignable(f"the encoder has {len(inputs)} inputs; a decoder is designed for one")
    lead = leading_dims(trace)
    dims = len(trace.by_index[0] or ()) - lead
    if not 1 <= dims <= 3:
        raise Undesignable(
            f"the input has {max(dims, 0)} spatial dims; a decoder is designed for 1 to 3"
        )
    places = _Places(net, lead, dims)
    source = places.tap(inputs[0])
    assert source is not None
    spatial = [
        tap
        for tap in map(places.tap, net.network.nodes)
        if tap is not None and not tap.node.is_input
    ]
    if not spatial:
        raise Undesignable("no node of the encoder has a map over the input's axes")
    coarsest = max(prod(tap.strides) for tap in spatial)
    deepest = [tap for tap in spatial if prod(tap.strides) == coarsest][-1]
    if skips is None:
        taps = [*_last_of_each(deepest, spatial), deepest]
    else:
        taps = _named(net, skips, places)
        if prod(deepest.strides) > prod(taps[-1].strides):
            taps.append(deepest)
    if len(taps) < 2 and prod(taps[0].strides) == 1:
        raise Undesignable("the encoder keeps its resolution: there is nothing to decode")
    return Encoder(net, lead, dims, taps, source)


def _last_of_each(deepest: Tap, spatial: Sequence[Tap]) -> list[Tap]:
    """The last map of each finer resolution on the way to the coarsest."""
    way = {node.index for node in made_of([deepest.node])}
    last: dict[tuple[Fraction, ...], Tap] = {}
    for tap in spatial:
        if tap.node.index in way and tap.strides != deepest.strides:
            last.pop(tap.strides, None)
            last[tap.strides] = tap
    found: list[Tap] = []
    for tap in sorted(last.values(), key=lambda tap: prod(tap.strides)):
        if not found or all(a <= b for a, b in zip(found[-1].strides, tap.strides)):
            found.append(tap)
    return found


def _named(net: Net, skips: Sequence[str], places: _Places) -> list[Tap]:
    found = []
    for name in dict.fromkeys(skips):
        node = net.network.names.get(name)
        if node is None:
            close = nearest(name, net.network.names)
            raise Undesignable(
                f"the encoder has no node {name!r}"
                + (f"; did you mean {close!r}?" if close else "")
            )
        tap = places.tap(node)
        if tap is None:
            shape = net.trace().by_index[node.index]
            raise Undesignable(
                f"{name} has the shape {list(shape or ())}: it is no map over the input's axes"
            )
        found.append(tap._replace(name=name))
    found.sort(key=lambda tap: prod(tap.strides))
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


class _Places:
    """Where the encoder's maps lie, for all sizes that are looked at."""

    def __init__(self, net: Net, lead: int, dims: int) -> None:
        self.lead, self.dims = lead, dims
        self.network = net.network
        self.traces = [net.trace(**sizes) for sizes in settings(net)]
        self.grids = [grids(trace) for trace in self.traces]
        recipe = Recipe(net.network, net.plan().ops, contracts=False)
        self.recipe = recipe if recipe.sound else None
        self.names: dict[int, str] = {}
        for name, node in net.network.names.items():
            known = self.names.get(node.index)
            if known is None or (name.count("."), len(name)) < (known.count("."), len(known)):
                self.names[node.index] = name

    def tap(self, node: Node) -> Tap | None:
        """The node's map as a tap; None where it has other axes than the input, or sees all of it."""
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
        places: list[Place] | None = []
        steady = all(own[node.index] == placed for own in self.grids) and None not in shapes
        for axis, grid in enumerate(placed[self.lead :]):
            if grid is None or not steady or places is None:
                places = None
                break
            sizes = tuple((shape or ())[self.lead + axis] for shape in shapes)
            places.append(
                Place(
                    strides[axis], Fraction(*grid.offset), sizes, self._written(node, axis, sizes)
                )
            )
        name = self.names.get(node.index, node.name)
        return Tap(node, name, y[self.lead - 1], None if places is None else tuple(places), strides)

    def _written(self, node: Node, axis: int, sizes: tuple[int, ...]) -> Dim:
        if self.recipe is None:
            return sizes[0]
        size: Dim = self.recipe.unique[self.recipe.shape_of[node.index]][self.lead + axis]
        return size
