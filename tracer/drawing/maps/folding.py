"""Long runs, folded: units that only lead from one to the next become one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import prod

from tracer.drawing.maps.holding import NO_POSITIONS
from tracer.drawing.maps.units import MapUnit
from tracer.drawing.maps.ways import MapWay


def with_folded_runs(
    all_units: Sequence[MapUnit],
    all_ways: Sequence[MapWay],
    *,
    past_skips: bool = False,
    keeps_widest: bool = False,
) -> tuple[list[MapUnit], list[MapWay]]:
    """The units, those of one level that lead to the next alone taken together, and the arrows between them.

    ``past_skips``: also where they hand on or read skips, so that a level has one of them. ``keeps_widest``: not into
    one with fewer channels, so that no map is left out that is wider than what is shown.
    """
    leading = _leading(all_units, all_ways) if past_skips else all_ways
    follower = _followers(all_units, leading, keeps_widest=keeps_widest)
    head_of: list[int] = []
    groups: dict[int, list[int]] = {}
    before = {target: source for source, target in follower.items()}
    for unit in range(len(all_units)):
        source = before.get(unit)
        head = unit if source is None else head_of[source]
        head_of.append(head)
        groups.setdefault(head, []).append(unit)

    number_of = {head: number for number, head in enumerate(groups)}
    folded = [_together([all_units[unit] for unit in group]) for group in groups.values()]
    shown: dict[tuple[int, int, str, bool], MapWay] = {}
    for way in all_ways:
        source = number_of[head_of[way.source]]
        target = number_of[head_of[way.target]]
        if source != target:
            own = way._replace(source=source, target=target)
            shown.setdefault((source, target, way.kind, way.wrong), own)
    return folded, list(shown.values())


def _leading(
    all_units: Sequence[MapUnit],
    all_ways: Sequence[MapWay],
) -> list[MapWay]:
    """The arrows that are no skips and bring maps with positions."""
    return [
        way
        for way in all_ways
        if way.kind not in ("skip", "size") and all_units[way.source].level != NO_POSITIONS
    ]


def _followers(
    all_units: Sequence[MapUnit],
    all_ways: Sequence[MapWay],
    *,
    keeps_widest: bool,
) -> dict[int, int]:
    """The one unit of the same level that each leads to, which reads no other."""
    after: dict[int, set[int]] = defaultdict(set)
    before: dict[int, set[int]] = defaultdict(set)
    for way in all_ways:
        after[way.source].add(way.target)
        before[way.target].add(way.source)

    found = {}
    for source, targets in after.items():
        target = next(iter(targets))
        is_chain = len(targets) == len(before[target]) == 1 and source < target
        if not is_chain or not _may_join(all_units[source], all_units[target]):
            continue
        if not keeps_widest or _width(all_units[source]) <= _width(all_units[target]):
            found[source] = target
    return found


def _may_join(
    source: MapUnit,
    target: MapUnit,
) -> bool:
    """Whether two are of one level, and neither is to be seen by itself."""
    is_plain = not (source.wrong or target.wrong or source.output)
    is_given = source.last.made == "input"
    return is_plain and not is_given and source.level == target.level


def _width(unit: MapUnit) -> int:
    """The channels of the map that it hands on; 0 where they are unknown."""
    size = unit.last.size
    return 0 if size is None or not size.channels else prod(size.channels)


def _together(group: Sequence[MapUnit]) -> MapUnit:
    """Several units as one, which shows the last map."""
    if len(group) == 1:
        return group[0]
    last = group[-1].last
    count = sum(len(unit.slabs) + _left_out(unit) for unit in group)
    # The last one's name stands for all.
    order = [group[-1], *group[:-1]]
    boxes = tuple(box for unit in order for box in unit.boxes)
    return group[-1]._replace(boxes=boxes, slabs=(last._replace(hidden=count - 1),))


def _left_out(unit: MapUnit) -> int:
    return sum(slab.hidden for slab in unit.slabs)
