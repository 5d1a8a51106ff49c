"""Which nodes of two traced networks are the same, and what differs in them. No sizes, no findings.

Nodes are the same where their names are; of the others, those of a longest common subsequence of (operation,
arguments, shape) in execution order were renamed. Where sizes have changed too, so were those of the same operation
and arguments that read the same nodes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tracer.comparing.subsequence import common_subsequence
from tracer.costs.operations import costs
from tracer.network.records import DimPattern, Node
from tracer.ops.base import Op, given_arguments
from tracer.shapes.trace import Trace
from tracer.source.expressions import Expression


class Difference(msgspec.Struct, frozen=True):
    """One value in both; ``old`` or ``new`` is left out where that network has none."""

    what: str
    old: Any | UnsetType = UNSET
    new: Any | UnsetType = UNSET


class NodeState(msgspec.Struct, frozen=True):
    """One node as one network has it."""

    name: str
    operation: str
    section: str
    arguments: dict[str, Any]
    """Those that differ from torch's defaults, as declared: ``auto`` and dims over symbols are texts. An input's shape
    and an expectation (``expect``) count as arguments."""
    inputs: list[str]
    shape: list[int] | None
    costs: dict[str, int]
    """Params, MACs, bytes of the output; empty where it has no shape."""


class NodeChange(msgspec.Struct, frozen=True):
    """One node that both networks have."""

    old_name: str
    name: str
    differences: list[Difference]
    """Of ``operation``, ``section``, ``arguments.NAME``, ``inputs``, ``shape``, and each cost. A renamed node is the
    same input, so that what reads it is unchanged."""


class Matched(msgspec.Struct, frozen=True):
    """The nodes of two networks, in execution order."""

    added: list[NodeState]
    removed: list[NodeState]
    pairs: list[NodeChange]
    """Every node that both have, unchanged ones included."""

    @property
    def names(self) -> dict[str, str]:
        """The new names of the old network's nodes."""
        return {pair.old_name: pair.name for pair in self.pairs}


def matched(old: Trace, new: Trace) -> Matched:
    """The nodes of two networks, those that are the same in pairs."""
    before = _described(old)
    after = _described(new)
    names = _new_names(before, after)

    pairs = []
    for name, described in before.items():
        if name in names:
            other = after[names[name]]
            pairs.append(NodeChange(name, other.name, described.changes(other, names)))

    kept = set(names.values())
    return Matched(
        added=[d.state for name, d in after.items() if name not in kept],
        removed=[d.state for name, d in before.items() if name not in names],
        pairs=pairs,
    )


def _new_names(
    before: Mapping[str, _Described], after: Mapping[str, _Described]
) -> dict[str, str]:
    """The new name of every old node that both networks have."""
    names = {name: name for name in before if name in after}
    mine = [d for name, d in before.items() if name not in after]
    yours = [d for name, d in after.items() if name not in before]

    names |= _renamed_in_order(mine, yours)
    _match_readers([d for d in mine if d.name not in names], yours, names)
    return names


def _renamed_in_order(mine: list[_Described], yours: list[_Described]) -> dict[str, str]:
    """The new names of nodes that differ in nothing else, in the order of execution."""
    # Of several longest subsequences, the same one is found whichever network is the old one.
    if [d.order for d in yours] < [d.order for d in mine]:
        return {old: new for new, old in _in_order(yours, mine)}
    return dict(_in_order(mine, yours))


def _in_order(first: list[_Described], second: list[_Described]) -> list[tuple[str, str]]:
    """The names of a longest common subsequence, in both."""
    first_keys = [d.key for d in first]
    second_keys = [d.key for d in second]
    places = common_subsequence(first_keys, second_keys)
    return [(first[i].name, second[j].name) for i, j in places]


def _match_readers(
    mine: list[_Described], yours: list[_Described], names: dict[str, str]
) -> None:
    """Add the nodes that are called otherwise, have another shape, and do the same to the same nodes."""
    taken = set(names.values())
    free: dict[Any, list[str]] = {}
    for d in reversed(yours):
        if d.name not in taken:
            reading = (d.key[:-1], *d.sources)
            free.setdefault(reading, []).append(d.name)

    for d in mine:
        sources = [names.get(source) for source in d.sources]
        found = free.get((d.key[:-1], *sources))
        if found:
            names[d.name] = found.pop()


def _described(trace: Trace) -> dict[str, _Described]:
    priced = costs(trace)
    found = {}
    for node in trace.network.nodes:
        cost = priced.get(node.name)
        numbers = msgspec.structs.asdict(cost) if cost is not None else {}
        found[node.name] = _Described(node, trace.by_index[node.index], numbers)
    return found


class _Described:
    """A node with what of it is compared."""

    def __init__(self, node: Node, shape: tuple[int, ...] | None, cost: dict[str, int]) -> None:
        self.name = node.name
        self.operands = {field: source.name for field, source in node.operands.items()}
        if node.weights is not None:
            self.operands["weights"] = node.weights.name
        written = _written(node)
        self.arguments = {**_recorded(node.op), **written}
        given = set(written)
        if node.op is not None:
            given |= set(given_arguments(node.op))
        self.state = NodeState(
            name=node.name,
            operation=node.op_name,
            section=node.section,
            arguments={name: value for name, value in self.arguments.items() if name in given},
            inputs=[source.name for source in node.inputs],
            shape=None if shape is None else list(shape),
            costs=cost,
        )
        # Which nodes give an argument is no part of it: they may have been renamed.
        arguments = {
            name: "" if name in self.operands else value
            for name, value in self.state.arguments.items()
        }
        self.key = (node.op_name, repr(arguments), repr(shape))
        self.order = (self.key, self.name)
        self.sources = [*self.state.inputs, *self.operands.values()]

    def changes(self, other: _Described, names: Mapping[str, str]) -> list[Difference]:
        """The differences from the node that it has become."""
        a = self.state
        b = other.state
        found = [
            *_compared("operation", a.operation, b.operation),
            *_compared("section", a.section, b.section),
        ]
        for name in dict.fromkeys((*a.arguments, *b.arguments)):
            old = self.arguments.get(name, UNSET)
            new = other.arguments.get(name, UNSET)
            is_node = name in self.operands and name in other.operands
            if not is_node or names.get(self.operands[name]) != new:
                found += _compared(f"arguments.{name}", old, new, always=is_node)
        if [names.get(name) for name in a.inputs] != b.inputs:
            found.append(Difference("inputs", a.inputs, b.inputs))
        found += _compared("shape", a.shape, b.shape)
        for cost in dict.fromkeys((*a.costs, *b.costs)):
            old = a.costs.get(cost, UNSET)
            new = b.costs.get(cost, UNSET)
            found += _compared(cost, old, new)
        return found


def _compared(what: str, old: Any, new: Any, *, always: bool = False) -> list[Difference]:
    if always or not is_same(old, new):
        return [Difference(what, old, new)]
    return []


def is_same(old: Any, new: Any) -> bool:
    """Two values would be written alike: 1, 1.0 and true are three."""
    return old is new or repr(old) == repr(new)


def _recorded(op: Op | None) -> dict[str, Any]:
    """Every argument of an operation, by its name in YAML."""
    if op is None:
        return {}
    cls = type(op)
    return {
        name: plain(getattr(op, field))
        for name, field in zip(cls.__struct_encode_fields__, cls.__struct_fields__)
    }


def _written(node: Node) -> dict[str, Any]:
    """A declaration's texts that its record does not hold: autos, dims over symbols, nodes, expectations."""
    found: dict[str, Any] = {}
    for unknown in node.unknowns:
        text = "auto" if unknown.least is None else f"auto({unknown.least}..{unknown.largest})"
        if unknown.axis is None:
            found[unknown.field] = text
        else:
            declared = plain(getattr(node.op, unknown.field))
            axes = found.setdefault(unknown.field, declared)
            axes[unknown.axis] = text
    found |= {field: declared_dims(dims, None) for field, dims in node.dim_fields.items()}
    found |= {field: source.name for field, source in node.operands.items()}
    if node.weights is not None:
        found["weights"] = node.weights.name
    if not node.learned:
        found["learned"] = False
    if node.is_input:
        found["shape"] = declared_dims(node.pattern)
    if node.expect is not None:
        found["expect"] = declared_dims(node.expect[0])
    return found


def declared_dims(dims: DimPattern | tuple[DimPattern, ...], free: str | None = "_") -> Any:
    """Dims as they are declared: numbers, symbols, expressions as texts; ``free`` is written for None."""
    if isinstance(dims, tuple):
        return [declared_dims(dim, free) for dim in dims]
    if dims is None:
        return free
    return dims.text if isinstance(dims, Expression) else dims


def plain(value: Any) -> Any:
    """A value of a config as JSON has it: lists in place of tuples, and YAML's words for infinity."""
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, float) and math.isinf(value):
        if value > 0:
            return ".inf"
        return "-.inf"
    return value
