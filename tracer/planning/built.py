"""The network as it is built: the widths that layers infer are those of the declared sizes.

A Linear without ``in_features`` takes any input here, and a module that is built has one number of weights. Where
that number depends on the input's size, the module runs for the sizes that give it, and for no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tracer.network.records import Network, Node
from tracer.ops.base import Op, argument, with_arguments
from tracer.shapes.recipe import Recipe
from tracer.shapes.trace import Trace, trace
from tracer.shapes.traced import Ops
from tracer.sizing.symbol import Size


class Width(msgspec.Struct, frozen=True):
    """A width that a layer infers, and that depends on the input's size."""

    node: str
    argument: str
    value: int | None
    """In the module that is built; None where the network does not run at its declared sizes: nothing is built then."""
    formula: str | None
    """What a module that is built for other sizes has: ``2*(n // 4)``. None where a formula takes no symbols."""


class AsBuilt(NamedTuple):
    """A network's operations as they are built."""

    ops: Ops
    widths: list[Width]
    recipe: Recipe | None = None
    """That of the operations, without sizes and contracts; None where widths were filled in."""


def as_built(recipe: Recipe, ops: Ops, sizes: Mapping[str, int]) -> AsBuilt:
    """The operations with the widths that they infer at the declared sizes, where those depend on the sizes.

    ``recipe`` is that of the operations, without sizes.
    """
    inferring = list(_inferring(recipe))
    if not inferring:
        return AsBuilt(ops, [], recipe)

    declared = _trace_of_all(recipe.network, sizes, ops)
    built, widths = list(ops), []
    for node, formulas in inferring:
        op = ops[node.index]
        assert op is not None
        values = {} if declared is None else _values(node, op, declared)
        own = {name: values[name] for name in formulas if name in values}
        built[node.index] = with_arguments(op, own)
        widths += [
            Width(node.name, name, own.get(name), _text(size))
            for name, size in formulas.items()
        ]
    return AsBuilt(built, widths)


def _values(node: Node, op: Op, declared: Trace) -> dict[str, Any]:
    """The arguments that a node infers in a trace."""
    inputs = [shape or () for shape in declared.input_shapes(node)]
    return op.inferred(*inputs)


def _text(formula: Any) -> str | None:
    return None if formula is None else repr(formula)


def _trace_of_all(network: Network, sizes: Mapping[str, int], ops: Ops) -> Trace | None:
    """The trace at the declared sizes; None where they are not known, or some node has no shape."""
    if any(symbol not in sizes for symbol in network.symbols):
        return None
    declared = trace(network, sizes, ops)
    return declared if declared.is_complete else None


def _inferring(recipe: Recipe) -> Iterator[tuple[Node, dict[str, Any]]]:
    """The nodes whose inferred arguments depend on sizes: by argument the size, None where it is not known."""
    # An input that a layer refuses at every size may lack the dim that it is inferred from.
    refused = {refusal.node.name for refusal in recipe.refusals}
    for node, op in zip(recipe.network.nodes, recipe.ops):
        if op is None or type(op).inferred is Op.inferred or node.name in refused:
            continue
        inputs = [recipe.shape(source) for source in node.inputs]
        known = [shape for shape in inputs if shape is not None]
        if len(known) < len(inputs):
            if recipe.undecided:
                yield node, dict.fromkeys(_left_out(op))
            continue

        of_sizes = _of_sizes(op, op.inferred(*known))
        if of_sizes:
            yield node, of_sizes


def _of_sizes(op: Op, inferred: dict[str, Any]) -> dict[str, Any]:
    """The inferred arguments that are left out and depend on sizes."""
    left_out = {name: inferred[name] for name in _left_out(op) if name in inferred}
    return {name: size for name, size in left_out.items() if isinstance(size, Size)}


def _left_out(op: Op) -> list[str]:
    """The arguments that are not given."""
    names = type(op).__struct_encode_fields__
    return [name for name in names if argument(op, name) is None]
