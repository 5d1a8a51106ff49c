"""The ways between units: which map goes where, and what is done to it on the way.

What is a skip is told by levels: a way past coarser maps, where another way between the same two goes down to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from tracer.drawing.maps.holding import NO_POSITIONS, Holding
from tracer.drawing.maps.units import Made, MapUnit, Part, Units, between
from tracer.network.graph import sources
from tracer.network.records import Node

WayKind = Literal["conv", "down", "up", "skip", "pass", "size"]
"""The operation that an arrow stands for; ``size``: only the map's size or its indices are taken."""


class MapWay(NamedTuple):
    """An arrow from one unit to another."""

    source: int
    target: int
    kind: WayKind
    node: int
    """The node whose map is handed on."""
    brought: int
    """The node that the reader reads: that one, or a layer that the arrow stands for."""
    reader: int
    """The node that reads it."""
    wrong: bool

    @property
    def is_only_size(self) -> bool:
        """Only its size or its indices are taken."""
        return self.kind == "size"


def ways(
    held: Holding,
    found: Units,
) -> list[MapWay]:
    """The arrows between units, each pair of units joined once for each kind, and the skips among them."""
    seen: set[tuple[int, int, bool, bool]] = set()
    all_ways = []
    for way in _all_ways(held, found):
        key = (way.source, way.target, way.is_only_size, way.wrong)
        if key not in seen:
            seen.add(key)
            all_ways.append(way)
    joined = {(way.source, way.target) for way in all_ways if not way.is_only_size}
    telling = [
        way
        for way in all_ways
        if not way.is_only_size or (way.source, way.target) not in joined
    ]
    return _with_skips(telling, found)


def _all_ways(
    held: Holding,
    found: Units,
) -> Iterator[MapWay]:
    for node in held.trace.network.nodes:
        if held.box_of[node.index] in found.taken_in:
            continue
        for source in node.inputs:
            yield from _into(held, found, source.index, node, is_size=False)
        for source in node.operands.values():
            yield from _into(held, found, source.index, node, is_size=True)


def _into(
    held: Holding,
    found: Units,
    source: int,
    node: Node,
    *,
    is_size: bool,
) -> Iterator[MapWay]:
    """The arrows from a node's map to the units in which another reads it."""
    number = held.box_of[source]
    through = None
    if number in found.taken_in:
        through = source
        source = found.taken_in[number].source

    start = _unit_of(held, found, source)
    for target in _reading(held, found, node.index):
        if target == start or _is_beside(held, found, start, target, source, node.index):
            continue
        kind = "size" if is_size else _kind(held, found, (start, target), node, through)
        yield MapWay(
            source=start,
            target=target,
            kind=kind,
            node=source,
            brought=source if through is None else through,
            reader=node.index,
            wrong=held.refuses[node.index],
        )


def _is_beside(
    held: Holding,
    found: Units,
    start: int,
    target: int,
    source: int,
    reader: int,
) -> bool:
    """Whether both are of one box and its maps of this level are not made of that map alone."""
    if held.box_of[source] != held.box_of[reader]:
        return False
    return not (target == start + 1 and found.all[target].slabs[0].node == reader)


def _kind(
    held: Holding,
    found: Units,
    ends: tuple[int, int],
    node: Node,
    through: int | None,
) -> WayKind:
    """The operation on the way: a change of level, products, or none."""
    source, target = (found.all[unit].level for unit in ends)
    change = between(source, target)
    if change == "down" or change == "up":
        return change
    if through is not None or len(node.inputs) > 1:
        return "pass"
    box = held.picture.boxes[held.box_of[node.index]]
    return "conv" if any(held.multiplies[index] for index in box.nodes) else "pass"


def _unit_of(
    held: Holding,
    found: Units,
    index: int,
) -> int:
    """The unit that shows a node's map, or the one of its box at that level."""
    own = found.of_box[held.box_of[index]]
    level = held.level_of[index]
    at_level = [number for number in own if found.all[number].level == level]
    return (at_level or own)[-1]


def _reading(
    held: Holding,
    found: Units,
    index: int,
) -> list[int]:
    """The units of a node's box whose maps are made of it."""
    own = found.of_box[held.box_of[index]]
    if len(own) == 1:
        return own
    inside = set(held.picture.boxes[held.box_of[index]].nodes)
    reached = _reached_inside(held, index, inside)
    reading = [
        number
        for number in own
        if found.all[number].last.node in reached or found.all[number].slabs[0].node in reached
    ]
    return _first_of_chain(held, found, index, reading)


def _first_of_chain(
    held: Holding,
    found: Units,
    index: int,
    reading: Sequence[int],
) -> list[int]:
    """Of units in a row, the one that begins with the node; otherwise all."""
    beginning = [
        number for number in reading if found.all[number].slabs[0].node == held.map_of[index]
    ]
    return beginning or list(reading)


def _reached_inside(
    held: Holding,
    index: int,
    inside: set[int],
) -> set[int]:
    reached = {index, held.map_of[index]}
    pending = [index]
    while pending:
        for reader in held.readers[pending.pop()]:
            if reader in inside and reader not in reached:
                reached.add(reader)
                pending.append(reader)
    return reached


def _with_skips(
    all_ways: list[MapWay],
    found: Units,
) -> list[MapWay]:
    """The arrows, those that are skips marked as such; streams that run in parallel are none."""
    passing = _past_coarser(all_ways, found.all)
    inside = _of_a_skip(all_ways, found.all, passing)
    shown = []
    for number, way in enumerate(all_ways):
        is_skip = number in passing or number in inside
        is_stream = way.target in found.parallel
        shown.append(way._replace(kind="skip") if is_skip and not is_stream else way)
    return shown


def _past_coarser(
    all_ways: Sequence[MapWay],
    all_units: Sequence[MapUnit],
) -> set[int]:
    """The arrows within a level that another way between the same units leaves for coarser ones.

    What a skip is made of on its way counts with it: a convolution of the encoder's map is a skip as well.
    """
    after = _following(all_ways)
    before = _single_sources(all_ways)
    depths = _depths_of(all_units)
    found = set()
    reached_of: dict[int, set[int]] = {}
    for number, way in enumerate(all_ways):
        depth = depths[way.source]
        if way.is_only_size or depths[way.target] != depth:
            continue
        start: int | None = way.source
        while start is not None and depths[start] == depth:
            if start not in reached_of:
                reached_of[start] = _below(after, depths, start)
            if way.target in reached_of[start]:
                found.add(number)
                break
            start = before.get(start)
    return found


def _depths_of(all_units: Sequence[MapUnit]) -> list[int]:
    """The number of each unit's level, from the finest on."""
    levels = sorted({unit.level for unit in all_units})
    number_of = {level: number for number, level in enumerate(levels)}
    return [number_of[unit.level] for unit in all_units]


def _single_sources(all_ways: Iterable[MapWay]) -> dict[int, int]:
    """The one unit that each reads, of those that read one that came before."""
    sources_of: dict[int, set[int]] = defaultdict(set)
    for way in all_ways:
        if not way.is_only_size:
            sources_of[way.target].add(way.source)
    return {
        target: next(iter(found))
        for target, found in sources_of.items()
        if len(found) == 1 and max(found) < target
    }


def _following(all_ways: Iterable[MapWay]) -> dict[int, list[int]]:
    after: dict[int, list[int]] = defaultdict(list)
    for way in all_ways:
        if not way.is_only_size:
            after[way.source].append(way.target)
    return after


def _below(
    after: dict[int, list[int]],
    depths: Sequence[int],
    start: int,
) -> set[int]:
    """The units that maps of this one reach by way of a coarser level."""
    depth = depths[start]
    if depth == max(depths):
        return set()
    seen: set[tuple[int, bool]] = set()
    pending = [(start, False)]
    while pending:
        unit, was_below = pending.pop()
        for target in after.get(unit, ()):
            is_below = was_below or depths[target] > depth
            if (target, is_below) not in seen:
                seen.add((target, is_below))
                pending.append((target, is_below))
    return {unit for unit, was_below in seen if was_below}


def _of_a_skip(
    all_ways: Sequence[MapWay],
    all_units: Sequence[MapUnit],
    passing: set[int],
) -> set[int]:
    """The arrows that carry a skip on to where it meets the decoder's own map.

    So behind a gate, of which that map is an ancestor within the level; and in nested decoders, where what the skip
    was has a way of its own to the same place.
    """
    into = _arriving(all_ways, all_units)
    earlier: dict[int, set[int]] = {}
    has_met: set[int] = set()
    found: set[int] = set()
    for unit in range(len(all_units)):
        within = _within(all_ways, all_units, into[unit])
        sources_within = {all_ways[number].source for number in within}
        known = [earlier.get(source, set()) for source in sources_within]
        earlier[unit] = {unit}.union(*known)
        if has_met & sources_within or passing.intersection(within):
            has_met.add(unit)

        # One way into a unit is its own, and no skip.
        carrying = {
            number
            for number in within
            if _carries(all_ways[number].source, sources_within, earlier, has_met)
        }
        if set(into[unit]) - passing - carrying:
            found |= carrying
    return found


def _carries(
    source: int,
    others: set[int],
    earlier: dict[int, set[int]],
    has_met: set[int],
) -> bool:
    """Whether a unit that a skip has come into was made of another that comes in beside it."""
    if source not in has_met:
        return False
    ancestors = earlier.get(source, set()) - {source}
    return bool(ancestors & others)


def _arriving(
    all_ways: Iterable[MapWay],
    all_units: Sequence[MapUnit],
) -> dict[int, list[int]]:
    """The numbers of the arrows into each unit that bring maps with positions."""
    into: dict[int, list[int]] = defaultdict(list)
    for number, way in enumerate(all_ways):
        has_positions = all_units[way.source].level != NO_POSITIONS
        if has_positions and not way.is_only_size:
            into[way.target].append(number)
    return into


def _within(
    all_ways: Sequence[MapWay],
    all_units: Sequence[MapUnit],
    numbers: Iterable[int],
) -> list[int]:
    """The arrows that stay at a level."""
    return [number for number in numbers if _is_level(all_units, all_ways[number])]


def _is_level(
    all_units: Sequence[MapUnit],
    way: MapWay,
) -> bool:
    """Whether an arrow stays at a level."""
    return all_units[way.source].level == all_units[way.target].level


def with_parts(
    held: Holding,
    found: Units,
    all_ways: Sequence[MapWay],
) -> list[MapUnit]:
    """The units, each part of a concatenation with the kind of way that it comes by."""
    kind_of = {(way.source, way.reader): way.kind for way in all_ways}
    shown = []
    for unit in found.all:
        slabs = []
        for slab in unit.slabs:
            parts = tuple(_parts(held, found, kind_of, slab.node, slab.parts))
            slabs.append(slab._replace(parts=parts))
        shown.append(unit._replace(slabs=tuple(slabs)))
    return shown


def _parts(
    held: Holding,
    found: Units,
    kind_of: dict[tuple[int, int], WayKind],
    index: int,
    parts: Sequence[Part],
) -> Iterator[Part]:
    for source, (channels, _) in zip(held.node(index).inputs, parts):
        number = held.box_of[source.index]
        taken = found.taken_in.get(number)
        if taken is not None:
            before = held.level_of[taken.source]
            yield channels, between(before, held.level_of[index]) or "pass"
        else:
            start = _unit_of(held, found, source.index)
            kind = kind_of.get((start, index), "pass")
            yield channels, "skip" if kind == "skip" else _own_change(held, source)


def _own_change(
    held: Holding,
    node: Node,
) -> Made:
    before = sources(node)
    if not before:
        return "pass"
    first: Fraction = held.level_of[before[0].index]
    if NO_POSITIONS in (first, held.level_of[node.index]):
        return "pass"
    return between(first, held.level_of[node.index]) or "pass"
