"""T107, a merge of one input, and the skips that were likely meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tracer.diagnostics import Diagnostic
from tracer.geometry.grids import Grids, Ratio, grids
from tracer.network.records import Network, Node
from tracer.ops.base import Shape
from tracer.ops.merge import Merge
from tracer.rules.design import design_rule, warning
from tracer.shapes.trace import Trace
from tracer.source.tree import span_of

NAMED = 3
"""The most skips that a hint names."""

SOUGHT = 20
"""The merges of one network for which skips are sought, as each looks at every node."""


class Scope(NamedTuple):
    """The nodes that a declaration can name under ``from``."""

    by_name: dict[str, Node]

    def name_of(self, node: Node) -> str | None:
        """The name of a node here; None where it has none."""
        return next((name for name, own in self.by_name.items() if own is node), None)


@design_rule("T107", "a merge of one input")
def lone_merge(trace: Trace) -> Iterator[Diagnostic]:
    """A merge that gets a single map has nothing to join it with.

    Without `from` a node reads the node before it and nothing else, so a `Concat` whose skip was forgotten runs and
    leaves the decoder without the encoder's details. Name both inputs, the decoder's first. The hint names maps that
    fit and stand before it, those first that the encoder goes down from. (`Add` and its like refuse one input: T106.)

    Bad:
        input: [1, 3, 32, 32]
        encoder:
          enc: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          down: {op: MaxPool2d, kernel_size: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
          cat: Concat

    Good:
        input: [1, 3, 32, 32]
        encoder:
          enc: {op: Conv2d, out_channels: 8, kernel_size: 3, padding: 1}
          down: {op: MaxPool2d, kernel_size: 2}
        decoder:
          up: {op: ConvTranspose2d, out_channels: 8, kernel_size: 2, stride: 2}
          cat: {op: Concat, from: [up, enc]}
    """
    seen: set[int] = set()
    for node, op in trace.merges:
        declaration = node.declaration
        if len(node.inputs) != 1 or id(declaration) in seen:
            continue

        seen.add(id(declaration))
        message = f"a {node.op_name} of one input, {node.inputs[0].shown}, joins nothing"
        likely = _written(trace, node, op) if len(seen) <= SOUGHT else None
        hint = likely or "name all of its inputs under `from`, or leave it out"
        found = warning(trace, node, "T107", message, None, hint)
        if declaration.inputs:
            found = replace(found, span=span_of(declaration.inputs[0]))
        yield found


def _written(trace: Trace, node: Node, op: Merge) -> str | None:
    """The line to write, with the skip that is likeliest; None where there is none."""
    scope = scope_of(trace.network, node)
    own = scope.name_of(node.inputs[0])
    likely = likely_skips(trace, node, op, scope)
    if own is None or not likely:
        return None

    first, *others = likely
    also = (
        f"; {' and '.join(others)} {'fit' if len(others) > 1 else 'fits'} too" if others else ""
    )
    return f"where a skip is meant, write `from: [{own}, {first}]`{also}"


def scope_of(network: Network, node: Node) -> Scope:
    """The names that stand beside a node: of the file, or of the block that it is in, the block's input included."""
    prefix = node.name[: node.name.rindex(node.declaration.name)]
    found: dict[str, Node] = {}
    for name, own in network.names.items():
        local = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in local:
            found[local] = own

    block = network.blocks.get(node.uses[-1].op.value) if node.uses else None
    if block is not None and len(block.inputs) == 1:
        outside = _first_read(network, prefix)
        if outside is not None:
            found[block.inputs[0]] = outside
    return Scope(found)


def _first_read(network: Network, prefix: str) -> Node | None:
    """The node outside a block that the block's nodes read."""
    for node in network.nodes:
        for source in node.inputs if node.name.startswith(prefix) else ():
            if not source.name.startswith(prefix):
                return source
    return None


def likely_skips(trace: Trace, merge: Node, op: Merge, scope: Scope) -> list[str]:
    """Names of maps that stand before a merge and belong to its one input, the likeliest first.

    Maps that the merge takes as they are; where there are none, those of the same stride, which `align` makes meet.
    """
    (source,) = merge.inputs
    model = trace.by_index[source.index]
    if model is None:
        return []

    as_they_are = {
        index for index, shape in enumerate(trace.by_index) if _fit(op, shape, model)
    }
    found = _likeliest(trace.network, merge, as_they_are, scope)
    if found:
        return found

    strides = [_strides(own) for own in grids(trace)]
    own = strides[source.index]
    level = {index for index, stride in enumerate(strides) if own and stride == own}
    return _likeliest(trace.network, merge, level, scope)


def _likeliest(network: Network, merge: Node, fitting: set[int], scope: Scope) -> list[str]:
    """Names of the nodes that fit: rather of the way down than what the merge's input was made of at its own size.

    Of those rather the ones that a layer of another size reads, and the latest.
    """
    (source,) = merge.inputs
    own_way = {source.index}
    at = source
    while len(at.inputs) == 1 and at.inputs[0].index in fitting:
        (at,) = at.inputs
        own_way.add(at.index)

    left: set[int] = set()
    for node in network.nodes:
        if node.index not in fitting:
            left.update(before.index for before in node.inputs)

    likelihood: dict[str, tuple[int, int]] = {}
    for name, node in scope.by_name.items():
        at_hand = node.index < merge.index
        if not at_hand or node is source or node.index not in fitting:
            continue
        if node.index in own_way:
            kind = 0
        elif node.index in left:
            kind = 2
        else:
            kind = 1
        likelihood[name] = kind, node.index

    best = max((kind for kind, _ in likelihood.values()), default=0)
    names = [name for name, (kind, _) in likelihood.items() if kind == best]
    names.sort(key=likelihood.__getitem__, reverse=True)
    return names[:NAMED]


def _fit(op: Merge, shape: Shape | None, model: Shape) -> bool:
    """Whether a merge takes both maps as they are."""
    if shape is None or len(shape) != len(model) or len(model) < 2:
        return False

    differing = {dim for dim, n in enumerate(shape) if n != model[dim]}
    return differing <= {op.joined(len(model))}


def _strides(own: Grids | None) -> list[Ratio]:
    """The steps of a map's grids in input pixels."""
    return [grid.stride for grid in own or () if grid is not None]
