"""The layout of any graph: boxes in layers by their longest path from an input, arrows down.

The order within a layer follows the means of the neighbours' places, back and forth, after Sugiyama, Tagawa, Toda,
"Methods for Visual Understanding of Hierarchical System Structures", 1981. An arrow over several layers has a stand-in
in each, so that it passes between the boxes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tracer.drawing.picture import Picture
from tracer.drawing.placed import CHANNEL, GAP, Layout, Rectangle, Route, extent

SWEEPS = 4
"""How often the layers are put in order, down and up."""

STAND_INS = 20_000
"""Of arrows over several layers; the longer ones beyond run in lanes at the right."""

LANE = 10

Layers = list[list[int]]
"""The items of each layer, in order: boxes, and stand-ins behind them."""

Neighbours = list[list[int]]
"""The items above or below each item that it is joined with."""


def in_layers(picture: Picture) -> Layout:
    """Place a graph in layers."""
    depth = _depths(picture)
    layers: Layers = [[] for _ in range(max(depth) + 1)]
    for box, layer in enumerate(depth):
        layers[layer].append(box)
    chains, item_count = _chains(picture, depth, layers)

    above: Neighbours = [[] for _ in range(item_count)]
    below: Neighbours = [[] for _ in range(item_count)]
    for chain in chains:
        for a, b in pairwise(chain or ()):
            above[b].append(a)
            below[a].append(b)
    _order(layers, above, below)

    stand_ins = item_count - len(picture.boxes)
    extents = [extent(box) for box in picture.boxes]
    extents += [(LANE, 0)] * stand_ins
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
    numbers = range(len(picture.arrows))
    for k in sorted(numbers, key=lambda k: _span(picture, depth, k)):
        arrow = picture.arrows[k]
        span = _span(picture, depth, k)
        stand_ins = count - len(picture.boxes)
        is_too_many = span > 1 and stand_ins + span > STAND_INS
        if span < 1 or is_too_many:
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


def _sweeps(
    layers: Layers, above: Neighbours, below: Neighbours, count: int
) -> Iterator[tuple[list[int], Neighbours]]:
    """Every layer with the neighbours to look at: down by those above, then up by those below, and so on."""
    for sweep in range(count):
        is_down = sweep % 2 == 0
        for layer in layers if is_down else reversed(layers):
            yield layer, above if is_down else below


def _order(layers: Layers, above: Neighbours, below: Neighbours) -> None:
    """Put every layer in the order of the means of its neighbours' places."""
    place: dict[int, float] = {}
    for layer in layers:
        _number(layer, place)

    for layer, neighbours in _sweeps(layers, above, below, SWEEPS):
        means = {}
        for item in layer:
            around = [place[n] for n in neighbours[item]]
            means[item] = _mean(around, place[item])
        layer.sort(key=means.__getitem__)
        _number(layer, place)


def _number(layer: list[int], place: dict[int, float]) -> None:
    for position, item in enumerate(layer):
        place[item] = position - (len(layer) - 1) / 2


def _mean(values: Sequence[float], otherwise: float) -> float:
    if values:
        return sum(values) / len(values)
    return otherwise


def _centres(
    layers: Layers,
    above: Neighbours,
    below: Neighbours,
    extents: Sequence[tuple[int, int]],
) -> list[float]:
    """The middle of every item: near its neighbours', as far as the order and the widths leave room."""
    centres = [0.0] * len(extents)
    for layer in layers:
        _spread(layer, [0.0] * len(layer), extents, centres)

    for layer, neighbours in _sweeps(layers, above, below, 2 * SWEEPS):
        wanted = []
        for item in layer:
            around = [centres[n] for n in neighbours[item]]
            wanted.append(_mean(around, centres[item]))
        _spread(layer, wanted, extents, centres)

    edges = []
    for layer in layers:
        for item in layer:
            width, _ = extents[item]
            edges.append(centres[item] - width / 2)
    least = min(edges)
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
    room = _room_before(layer, extents)

    # Each pool is the sum and the number of what it wants; pools that would overlap become one.
    pools: list[tuple[float, int]] = []
    for at, before in zip(wanted, room):
        total = at - before
        count = 1
        while pools and pools[-1][0] / pools[-1][1] >= total / count:
            more, others = pools.pop()
            total += more
            count += others
        pools.append((total, count))

    means = [total / count for total, count in pools for _ in range(count)]
    for item, mean, before in zip(layer, means, room):
        centres[item] = mean + before


def _room_before(layer: Sequence[int], extents: Sequence[tuple[int, int]]) -> list[float]:
    """How far each item's middle is at least from the first one's."""
    room = [0.0] * len(layer)
    for k, (last, item) in enumerate(pairwise(layer), 1):
        last_width, last_height = extents[last]
        width, height = extents[item]
        are_boxes = last_height and height
        distance = CHANNEL / 2 if are_boxes else LANE
        room[k] = room[k - 1] + (last_width + width) / 2 + distance
    return room


def _stacked(
    picture: Picture,
    layers: Layers,
    extents: Sequence[tuple[int, int]],
    centres: Sequence[float],
) -> tuple[list[Rectangle], list[int]]:
    """Every box's place, and the upper edge of every layer, with the end of the last."""
    places: dict[int, Rectangle] = {}
    tops = []
    y = GAP
    for layer in layers:
        tops.append(y)
        height = max(extents[item][1] for item in layer)
        for item in layer:
            if item < len(picture.boxes):
                w, h = extents[item]
                left = round(centres[item] - w / 2)
                top = y + (height - h) // 2
                places[item] = Rectangle(left, top, w, h)
        y += height + GAP
    tops.append(y - GAP)
    return [places[box] for box in range(len(picture.boxes))], tops


def _routes(
    picture: Picture,
    depth: Sequence[int],
    chains: Sequence[list[int] | None],
    places: Sequence[Rectangle],
    centres: Sequence[float],
    tops: Sequence[int],
) -> tuple[list[Route], int]:
    """Each arrow from the lower edge of its source to the upper edge of its target, and the picture's width."""
    edge = max(place.right for place in places)
    width = round(max(edge, max(centres) + LANE)) + CHANNEL // 2

    routes: list[Route] = []
    for arrow, chain in zip(picture.arrows, chains):
        a = places[arrow.source]
        b = places[arrow.target]
        if chain is None:
            routes.append(_in_lane(a, b, width))
            width += LANE
        else:
            tops_below = tops[depth[arrow.source] + 1 :]
            routes.append(_down_the_chain(chain, a, b, centres, tops_below))
    return routes, width + CHANNEL // 2


def _in_lane(a: Rectangle, b: Rectangle, lane: int) -> Route:
    """Out to a lane at the right, and back."""
    start = a.middle[1]
    end = b.middle[1]
    return (
        (a.right, start),
        (lane, start),
        (lane, end),
        (b.right, end),
    )


def _down_the_chain(
    chain: Sequence[int],
    a: Rectangle,
    b: Rectangle,
    centres: Sequence[float],
    tops: Sequence[int],
) -> Route:
    """From layer to layer, through the middles of the stand-ins; ``tops`` are those of the layers below the first."""
    x = a.middle[0]
    corners = [(x, a.bottom)]
    target = chain[-1]
    for item, top in zip(chain[1:], tops):
        next_x = b.middle[0] if item == target else round(centres[item])
        if next_x != x:
            turn = top - GAP // 2
            corners += [(x, turn), (next_x, turn)]
            x = next_x

    corners.append((b.middle[0], b.y))
    return tuple(corners)
