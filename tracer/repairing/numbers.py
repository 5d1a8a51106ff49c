"""The numbers of a config, each where it is written: at a layer, or at the use of the block that the layer is in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tracer.network.records import Node
from tracer.planning.unknowns import place_of
from tracer.repairing.bench import Bench, Group
from tracer.repairing.writing import Path, path_of
from tracer.source.edits import Edit, EditError, Value


class Number(NamedTuple):
    """An argument of some layers that has one place."""

    field: str
    """The layers' argument."""
    nodes: tuple[Node, ...]
    """Those that the place decides."""
    path: Path

    @property
    def title(self) -> str:
        """What is changed, as a repair says it: ``kernel_size of pool2``."""
        return f"{self.path[-1]} of {self.path[-2]}"

    def edit(self, value: Value) -> Edit:
        """The edit that gives it another value."""
        return Edit(self.path, value)


def numbers(bench: Bench, groups: list[Group], field: str) -> Iterator[Number]:
    """One argument of the layers of some declarations, a number for each place that decides it."""
    for group in groups:
        places: dict[Path, list[Node]] = {}
        for node in group.nodes:
            path = _path(bench, node, field)
            if path is not None:
                places.setdefault(path, []).append(node)
        for path, nodes in places.items():
            yield Number(field, tuple(nodes), path)


def number_of(bench: Bench, node: Node, field: str) -> Number | None:
    """One argument of a layer, with all layers that have it from the same place; None where it has none."""
    path = _path(bench, node, field)
    alike = [one for one in bench.all_of(node).nodes if _path(bench, one, field) == path]
    return None if path is None else Number(field, tuple(alike), path)


def _path(bench: Bench, node: Node, field: str) -> Path | None:
    """The place of an argument in the document: an argument of a block use where the layer takes it from there."""
    declaration, argument = node.declaration, field
    if field in declaration.arguments:
        place = place_of(bench.network, node, field)
        if place.shared:
            declaration, argument = place.declaration, place.argument
    try:
        return (*path_of(node, declaration), argument)
    except EditError:
        return None
