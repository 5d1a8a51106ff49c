"""The units of a picture of maps: the maps of one box at one level, side by side.

A block that hands on maps of several levels is a unit in each of them, so that parallel streams are rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from math import prod
from typing import Literal, NamedTuple

from tracer.drawing.maps.holding import Holding, MapSize
from tracer.ops.merge import Add, Concat, Mul

Made = Literal["input", "conv", "down", "up", "skip", "merge", "pass"]
"""How a map comes about: it is given; multiplied; made coarser or finer; copied across; joined; or handed on."""

PASS: Made = "pass"

Part = tuple[int, Made]
"""The channels that one input brings to a concatenation, and how they come there."""


class Slab(NamedTuple):
    """One map."""

    node: int
    """The node that made it."""
    size: MapSize | None
    """None where it has no shape."""
    made: Made
    parts: tuple[Part, ...] = ()
    """Of a concatenation, what each of its inputs brings."""
    brought: tuple[int, ...] = ()
    """The nodes of these inputs."""
    hidden: int = 0
    """The maps before it that are left out."""


class MapUnit(NamedTuple):
    """The maps of one box at one level."""

    boxes: tuple[int, ...]
    """The box's number, and those that only refine its map or are shown as parts of it."""
    level: Fraction
    slabs: tuple[Slab, ...]
    output: bool
    wrong: bool

    @property
    def last(self) -> Slab:
        """The map that it hands on."""
        return self.slabs[-1]


class TakenIn(NamedTuple):
    """What a box that a concatenation shows as its part stands between."""

    reader: int
    """The node of the concatenation."""
    source: int
    """The node whose map it reads."""


class Units(NamedTuple):
    """All units, in execution order, and where to find them."""

    all: list[MapUnit]
    of_box: dict[int, list[int]]
    """The units of each box that has any."""
    parallel: set[int]
    """The units of boxes that hand on maps of several levels beside each other."""
    taken_in: dict[int, TakenIn]
    """The boxes that a concatenation shows as its parts."""


def units(
    held: Holding,
    most: int,
) -> Units:
    """The units of a picture; each shows at most this many of its maps."""
    joined = _joined(held)
    taken_in = _taken_in(held, joined)
    joined = {number: holder for number, holder in joined.items() if number not in taken_in}
    found: list[MapUnit] = []
    of_box: dict[int, list[int]] = {}
    for number in range(len(held.picture.boxes)):
        if number in taken_in or number in joined:
            continue
        for level, nodes in _maps_by_level(held, number):
            others = _joined_with(held, joined, nodes)
            others += [box for box, taken in taken_in.items() if taken.reader in nodes]
            of_box.setdefault(number, []).append(len(found))
            found.append(_unit(held, (number, *others), level, nodes, most))

    for number, holder in joined.items():
        of_box[number] = of_box[_first_holder(joined, holder)]
    return Units(found, of_box, _parallel(held, of_box), taken_in)


def _parallel(
    held: Holding,
    of_box: dict[int, list[int]],
) -> set[int]:
    """The units of boxes that have several, and are no chain."""
    found: set[int] = set()
    for number, own in of_box.items():
        nodes = held.picture.boxes[number].nodes
        if len(own) > 1 and not _is_chain(held, nodes):
            found.update(own)
    return found


def _first_holder(
    joined: dict[int, int],
    box: int,
) -> int:
    while box in joined:
        box = joined[box]
    return box


def _joined(held: Holding) -> dict[int, int]:
    """The boxes that have no map of their own, each with the box whose map they refine."""
    joined: dict[int, int] = {}
    for number, box in enumerate(held.picture.boxes):
        holders = {held.box_of[held.map_of[index]] for index in box.nodes}
        if number not in holders:
            joined[number] = held.box_of[held.node(box.nodes[0]).inputs[0].index]
    return joined


def _joined_with(
    held: Holding,
    joined: dict[int, int],
    nodes: Sequence[int],
) -> list[int]:
    """The boxes that refine one of these maps."""
    return [
        number for number in joined if held.map_of[held.picture.boxes[number].nodes[0]] in nodes
    ]


def _taken_in(
    held: Holding,
    joined: Mapping[int, int],
) -> dict[int, TakenIn]:
    """The boxes whose map comes from another level and is read by one concatenation alone, and those that refine it."""
    found: dict[int, TakenIn] = {}
    for number, box in enumerate(held.picture.boxes):
        if number in joined or box.problems or box.kind == "input":
            continue
        together = _with_refining(held, joined, number)
        readers = held.readers[held.picture.boxes[together[-1]].nodes[-1]]
        if len(readers) != 1 or not _is_open_concat(held, readers[0]):
            continue
        if _comes_to(held, box.nodes, readers[0]):
            (source,) = outer_sources(held, box.nodes)
            found |= dict.fromkeys(together, TakenIn(readers[0], source))
    return found


def _with_refining(
    held: Holding,
    joined: Mapping[int, int],
    number: int,
) -> list[int]:
    """A box, and those that only refine its map, as long as nothing else reads it."""
    together = [number]
    while True:
        box = held.picture.boxes[together[-1]]
        readers = {held.box_of[reader] for reader in held.readers[box.nodes[-1]]}
        following = [reader for reader in readers if reader in joined]
        if len(readers) != 1 or not following or following[0] in together:
            return together
        together += following


def _is_open_concat(
    held: Holding,
    index: int,
) -> bool:
    """Whether a node joins channels, in a box of its own, without fault."""
    box = held.picture.boxes[held.box_of[index]]
    is_alone = len(box.nodes) == 1 and not box.problems
    return is_alone and joins_channels(held, index)


def joins_channels(
    held: Holding,
    index: int,
) -> bool:
    """Whether a node is a concatenation along its map's channels."""
    op = held.trace.ops[index]
    shape = held.shape(index)
    if not isinstance(op, Concat) or shape is None:
        return False
    dim = op.dim % len(shape)
    return dim > 0 and dim not in held.places_of[index]


def _comes_to(
    held: Holding,
    nodes: Sequence[int],
    reader: int,
) -> bool:
    """Whether a box reads one map, of another level, and ends at the reader's."""
    sources = outer_sources(held, nodes)
    if len(sources) != 1 or _hands_on_more(held, nodes):
        return False
    level = held.level_of[reader]
    return held.level_of[nodes[-1]] == level != held.level_of[sources[0]]


def _hands_on_more(
    held: Holding,
    nodes: Sequence[int],
) -> bool:
    """Whether another map than the last one is read outside, or is an output."""
    own = set(nodes)
    inner = nodes[:-1]
    is_read = any(reader not in own for index in inner for reader in held.readers[index])
    return is_read or any(held.is_output(index) for index in nodes)


def outer_sources(
    held: Holding,
    nodes: Sequence[int],
) -> list[int]:
    """The nodes outside whose maps these read."""
    own = set(nodes)
    found = dict.fromkeys(
        source.index
        for index in nodes
        for source in held.node(index).inputs
        if source.index not in own
    )
    return list(found)


def _maps_by_level(
    held: Holding,
    number: int,
) -> list[tuple[Fraction, list[int]]]:
    """The maps of a box: of a chain in runs of one level, otherwise of each level that it hands on."""
    box = held.picture.boxes[number]
    own = _own_maps(held, box.nodes)
    if _is_chain(held, box.nodes):
        runs = groupby(own, key=held.level_of.__getitem__)
        return [(level, list(run)) for level, run in runs]

    # The map that is handed on stands last.
    last_of: dict[Fraction, int] = {}
    for index in _handed_on(held, box.nodes):
        last_of[held.level_of[index]] = index
    return [(level, _ending_with(held, own, last)) for level, last in last_of.items()]


def _own_maps(
    held: Holding,
    nodes: Sequence[int],
) -> list[int]:
    """The maps that a box makes, at least its last; padded, cut and rearranged ones inside of it count as no others."""
    own = [index for index in nodes if held.map_of[index] == index]
    telling = [index for index in own[:-1] if made_by(held, index) != "pass"]
    return [*telling, *own[-1:]]


def _ending_with(
    held: Holding,
    own: Sequence[int],
    last: int,
) -> list[int]:
    """The maps at the level of one, which stands at the end."""
    level = held.level_of[last]
    others = [index for index in own if held.level_of[index] == level and index != last]
    return [*others, last]


def _handed_on(
    held: Holding,
    nodes: Sequence[int],
) -> list[int]:
    """The nodes of a box that are read outside or are outputs; its last where there are none."""
    own = set(nodes)
    found = []
    for index in nodes:
        is_read = any(reader not in own for reader in held.readers[index])
        if is_read or held.is_output(index):
            found.append(held.map_of[index])
    inside = [index for index in found if index in own]
    return inside or [held.map_of[nodes[-1]]]


def sign_of(op: object) -> str:
    """What stands in a gate: how it joins its inputs; nothing where layers do more than that."""
    signs: list[tuple[type, str]] = [(Mul, "×"), (Add, "+"), (Concat, "∪")]
    return next((sign for kind, sign in signs if isinstance(op, kind)), "")


def _is_chain(
    held: Holding,
    nodes: Sequence[int],
) -> bool:
    """Whether each node reads the one before alone, and the first one map."""
    for before, index in pairwise(nodes):
        node = held.node(index)
        is_next = [source.index for source in node.inputs] == [before]
        if not is_next or node.operands:
            return False
    return True


def _unit(
    held: Holding,
    boxes: tuple[int, ...],
    level: Fraction,
    nodes: Sequence[int],
    most: int,
) -> MapUnit:
    shown = list(nodes)
    hidden = 0
    if len(nodes) > most:
        kept = max(most - 2, 0)
        hidden = len(nodes) - 1 - kept
        shown = [*nodes[:kept], nodes[-1]]

    slabs = [_slab(held, index) for index in shown]
    slabs[-1] = slabs[-1]._replace(hidden=hidden)
    all_boxes = [held.picture.boxes[number] for number in boxes]
    return MapUnit(
        boxes=boxes,
        level=level,
        slabs=tuple(slabs),
        output=any(box.output for box in all_boxes),
        wrong=any(box.wrong for box in all_boxes),
    )


def _slab(
    held: Holding,
    index: int,
) -> Slab:
    return Slab(
        node=index,
        size=held.size(index),
        made=made_by(held, index),
        parts=_parts(held, index),
        brought=tuple(source.index for source in held.node(index).inputs),
    )


def made_by(
    held: Holding,
    index: int,
) -> Made:
    """How a node's map comes about."""
    node = held.node(index)
    if node.is_input:
        return "input"
    if len(node.inputs) > 1:
        return "merge"
    if not node.inputs:
        return "pass"
    change = between(held.level_of[node.inputs[0].index], held.level_of[index])
    if change is not None:
        return change
    return "conv" if held.multiplies[index] else "pass"


def between(
    before: Fraction,
    after: Fraction,
) -> Made | None:
    """The change from one level to another; None where there is none."""
    if not before or not after or before == after:
        return None
    return "down" if after > before else "up"


def _parts(
    held: Holding,
    index: int,
) -> tuple[Part, ...]:
    """What the inputs of a concatenation bring; nothing where it is unknown which dims are channels."""
    if not joins_channels(held, index):
        return ()
    parts = []
    for source in held.node(index).inputs:
        size = held.size(source.index)
        if size is None or not size.channels:
            return ()
        parts.append((prod(size.channels), PASS))
    return tuple(parts)
