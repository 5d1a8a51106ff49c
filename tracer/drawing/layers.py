"""The layout of any graph: boxes in layers by their longest path from an input, arrows down.

The order within a layer follows the means of the neighbours' places, back and forth, after Sugiyama, Tagawa, Toda,
"Methods for Visual Understanding of Hierarchical System Structures", 1981. An arrow over several layers has a stand-in
in each, so that it passes between the boxes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tracer.drawing.layout import CHANNEL, GAP, Layout, Place, Route, extent
from tracer.drawing.picture import Picture

SWEEPS = 4
"""How often the layers are put in order, down and up."""

STAND_INS = 20_000
"""Of arrows over several layers; the longer ones beyond run in lanes at the right."""

LANE = 10

Layers = list[list[int]]
"""The items of each layer, in order: boxes, and stand-ins behind them."""


def in_layers(picture: Picture) -> Layout:
    """Place a graph in layers."""
    depth = _depths(picture)
    layers: Layers = [[] for _ in range(max(depth) + 1)]
    for box, layer in enumerate(depth):
        layers[layer].append(box)
    chains, item_count = _chains(picture, depth, layers)
    above: list[list[int]] = [[] for _ in range(item_count)]
    below: list[list[int]] = [[] for _ in range(item_count)]
    for chain in chains:
        for a, b in zip(chain or (), (chain or ())[1:]):
            above[b].append(a)
            below[a].append(b)
    _order(layers, above, below)
    extents = [extent(box) for box in picture.boxes] + [(LANE, 0)] * (
        item_count - len(picture.boxes)
    )
    centres = _centres(layers, above, below, extents)
    places, tops = _stacked(picture, layers, extents, centres)
    routes, width = _routes(picture, depth, chains, places, centres, tops)
    return Layout(width, tops[-1] + GAP, places, routes)


def _depths(picture: Picture) -> list[int]:
    """The layer of every box: one below the lowest of those that it reads."""
    depth = [0] * len(picture.boxes)
    into = defaultdict(list)
    for arrow in picture.arrows:
        if arrow.source < arrow.target:
            into[arrow.target].append(arrow.source)
    for box in range(len(depth)):
        depth[box] = max((depth[source] + 1 for source in into[box]), default=0)
    return depth


def _chains(
    picture: Picture, depth: Sequence[int], layers: Layers
) -> tuple[list[list[int] | None], int]:
    """Each arrow's items from layer to layer, stand-ins added to the layers; None for one that runs in a lane."""
    count = len(picture.boxes)
    chains: list[list[int] | None] = [None] * len(picture.arrows)
    by_length = sorted(range(len(picture.arrows)), key=lambda k: _span(picture, depth, k))
    for k in by_length:
        arrow, span = picture.arrows[k], _span(picture, depth, k)
        if span < 1 or (span > 1 and count - len(picture.boxes) + span > STAND_INS):
            continue
        between = list(range(count, count + span - 1))
        for layer, item in enumerate(between, depth[arrow.source] + 1):
            layers[layer].append(item)
        count += len(between)
        chains[k] = [arrow.source, *between, arrow.target]
    return chains, count


def _span(picture: Picture, depth: Sequence[int], k: int) -> int:
    arrow = picture.arrows[k]
    return depth[arrow.target] - depth[arrow.source]


def _order(layers: Layers, above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> None:
    """Put every layer in the order of the means of its neighbours' places."""
    place: dict[int, float] = {}
    for layer in layers:
        _number(layer, place)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            neighbours = above if down else below
            layer.sort(key=lambda item: _mean([place[n] for n in neighbours[item]], place[item]))
            _number(layer, place)


def _number(layer: list[int], place: dict[int, float]) -> None:
    for position, item in enumerate(layer):
        place[item] = position - (len(layer) - 1) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _centres(
    layers: Layers,
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    extents: Sequence[tuple[int, int]],
) -> list[float]:
    """The middle of every item: near its neighbours', as far as the order and the widths leave room."""
    centres = [0.0] * len(extents)
    for layer in layers:
        _spread(layer, [0.0] * len(layer), extents, centres)
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            neighbours = above if down else below
            wanted = [
                _mean([centres[n] for n in neighbours[item]], centres[item]) for item in layer
            ]
            _spread(layer, wanted, extents, centres)
    least = min(centres[item] - extents[item][0] / 2 for layer in layers for item in layer)
    return [centre - least + CHANNEL / 2 for centre in centres]


def _spread(
    layer: Sequence[int],
    wanted: Sequence[float],
    extents: Sequence[tuple[int, int]],
    centres: list[float],
) -> None:
    """The places nearest to the wanted ones that keep the order and the distances: blocks that touch move as one.

    Least squares under an order is a pooling of neighbours (Kruskal 1964), here of places less the room before them.
    """
    room, before = [], 0.0
    for k, item in enumerate(layer):
        if k:
            last = layer[k - 1]
            both_boxes = extents[last][1] and extents[item][1]
            before += (extents[last][0] + extents[item][0]) / 2 + (
                CHANNEL / 2 if both_boxes else LANE
            )
        room.append(before)
    pools: list[tuple[float, int]] = []
    for k, at in enumerate(wanted):
        total, count = at - room[k], 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    k = 0
    for total, count in pools:
        for _ in range(count):
            centres[layer[k]] = total / count + room[k]
            k += 1


def _stacked(
    picture: Picture, layers: Layers, extents: Sequence[tuple[int, int]], centres: Sequence[float]
) -> tuple[list[Place], list[int]]:
    """Every box's place, and the upper edge of every layer, with the end of the last."""
    places: dict[int, Place] = {}
    tops, y = [], GAP
    for layer in layers:
        tops.append(y)
        height = max(extents[item][1] for item in layer)
        for item in layer:
            if item < len(picture.boxes):
                w, h = extents[item]
                places[item] = Place(round(centres[item] - w / 2), y + (height - h) // 2, w, h)
        y += height + GAP
    tops.append(y - GAP)
    return [places[box] for box in range(len(picture.boxes))], tops


def _routes(
    picture: Picture,
    depth: Sequence[int],
    chains: Sequence[list[int] | None],
    places: Sequence[Place],
    centres: Sequence[float],
    tops: Sequence[int],
) -> tuple[list[Route], int]:
    """Each arrow from the lower edge of its source to the upper edge of its target, and the picture's width."""
    width = round(max(max(place.right for place in places), max(centres) + LANE)) + CHANNEL // 2
    routes: list[Route] = []
    for k, arrow in enumerate(picture.arrows):
        a, b = places[arrow.source], places[arrow.target]
        chain = chains[k]
        if chain is None:
            routes.append(
                (
                    (a.right, a.middle[1]),
                    (width, a.middle[1]),
                    (width, b.middle[1]),
                    (b.right, b.middle[1]),
                )
            )
            width += LANE
            continue
        corners = [(a.middle[0], a.bottom)]
        for layer, item in enumerate(chain[1:], depth[arrow.source] + 1):
            x = b.middle[0] if item == arrow.target else round(centres[item])
            if x != corners[-1][0]:
                turn = tops[layer] - GAP // 2
                corners += [(corners[-1][0], turn), (x, turn)]
        corners.append((b.middle[0], b.y))
        routes.append(tuple(corners))
    return routes, width + CHANNEL // 2
