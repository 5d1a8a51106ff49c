"""Why no plan exists, as T401 and T402 report it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracer.diagnostics import Diagnostic, Related
from tracer.network.graph import consumers, skip_of
from tracer.network.records import Network, Node, Promise
from tracer.ops.base import written
from tracer.planning.search import Broken
from tracer.planning.solution import Served
from tracer.planning.unknowns import OpenInteger, Unknowns
from tracer.shapes.trace import Trace, dim_value, trace

SHARED = "an auto in a block is one unknown for all its uses; as an argument of the block it is solved for each use"
WIDER = "make kernel_size or padding auto as well, or let the merge align: crop, pad or resize"


SHOWN = 2
"""Assignments that T402 tells in its message."""


def too_many_values(network: Network) -> Diagnostic:
    """T006: the search is out of bounds."""
    first = next(node for node in network.nodes if node.unknowns)
    return Diagnostic(
        "T006",
        "the autos have too many values to search",
        first.span_for(first.unknowns[0].field),
        path=network.path,
        hint="narrow their domains: auto(LEAST..LARGEST)",
        related=first.use_places(),
        node=first.name,
    )


def no_common_values(
    unknowns: Unknowns,
    sets: Mapping[str, Promise],
    samples: Sequence[Mapping[str, int]],
    served: Sequence[Served],
) -> Diagnostic:
    """T402: every size has values of its own, and no values serve all of them."""
    network = unknowns.network
    symbols = " and ".join(sets)
    shown = [_sentence(one) for one in served[:SHOWN]]
    more = (
        f"; {len(served) - SHOWN} more serve others (`tracer plan` lists them)"
        if len(served) > SHOWN
        else ""
    )
    table = f": {'; '.join(shown)}{more}" if shown else ""
    example = " and ".join(
        ", ".join(f"{s} = {n}" for s, n in sample.items()) for sample in samples[-2:]
    )
    hints, readers = [], consumers(network)
    for node in unknowns.nodes():
        takes_size = node.op is not None and "output_size" in node.op.node_fields
        skip = skip_of(node, readers) if takes_size else None
        if skip is not None and any(u.field == "output_padding" for u in node.unknowns):
            hints.append(f"`output_size: {skip.name}` on {node.name}")
    shown_hints = ", ".join(hints[:4]) + (", ..." if len(hints) > 4 else "")
    hint = (
        f"sizes taken at run time may serve all (`tracer plan` tries it): {shown_hints}"
        if hints
        else None
    )
    first = unknowns.nodes()[0]
    return Diagnostic(
        "T402",
        f"no values of the autos serve every {symbols} of `sizes`, as {example} have none in common{table}",
        network.size_spans[next(iter(sets))],
        path=network.path,
        hint=hint or "promise fewer sizes, or let the merges align: crop, pad or resize",
        related=tuple(
            Related(f"{n.name} has an auto here", n.span_for(n.unknowns[0].field))
            for n in _nearest(unknowns, first, 8)
        ),
    )


def _sentence(one: Served) -> str:
    values = ", ".join(f"{name} {written(value)}" for name, value in one.assignments.items())
    sizes = " and ".join(served.written(symbol) for symbol, served in one.sizes.items())
    return f"{values} serves {sizes}"


def unsolved(
    unknowns: Unknowns, sizes: Mapping[str, int], broken: Broken | None, failed: Node | None
) -> Diagnostic:
    """T401 at the node whose requirement no assignment meets, with what it would take."""
    network = unknowns.network
    start = {name: variable.domain.start for name, variable in unknowns.variables.items()}
    values = {**start, **(broken.values if broken else {})}
    node = broken.node if broken else failed or unknowns.nodes()[0]
    result = trace(network, sizes, unknowns.solved_ops(values))
    fact = next((d for d in result.diagnostics if d.node == node.name), None) or next(
        iter(result.diagnostics), None
    )
    about = ": " if fact and fact.node == node.name else "; with the nearest values, "
    detail = f"{about}{fact.message}" if fact else ""
    reach = _reach(unknowns, sizes, broken, values, result) if broken else None
    if reach is not None:
        detail = f": {reach.sentence()}"
    related = [
        Related(f"{n.name} has an auto here", n.span_for(n.unknowns[0].field))
        for n in _nearest(unknowns, node)
    ]
    shared = any(len(variable.nodes) > 1 for variable in unknowns.variables.values())
    return Diagnostic(
        "T401",
        f"no values of the autos make {node.name} fit{detail}",
        node.span_for(None),
        path=network.path,
        hint=SHARED if shared else (WIDER if reach and reach.is_output_padding else None),
        related=(*dict.fromkeys((*(fact.related if fact else ()), *related)),),
        node=node.name,
    )


def _nearest(unknowns: Unknowns, node: Node, most: int = 4) -> list[Node]:
    """The last nodes with an auto at or before a node."""
    before = [n for n in unknowns.nodes() if n.index <= node.index] or unknowns.nodes()
    return before[-most:]


class _Reach(NamedTuple):
    """What layers can make, and what they would have to."""

    layers: list[Node]
    least: int
    most: int
    source: int
    other: str
    """What wants another size."""
    wanted: int
    domains: dict[str, range]
    """By argument."""
    needed: int | None
    by: str
    """Who bounds the domain."""

    @property
    def is_output_padding(self) -> bool:
        return list(self.domains) == ["output_padding"]

    def sentence(self) -> str:
        names = " and ".join(layer.name for layer in self.layers)
        verb = "makes" if len(self.layers) == 1 else "make"
        text = f"{names} {verb} {_span(self.least, self.most)} from {self.source}, {self.other} {self.wanted}"
        allowed = {
            field: _span(domain.start, domain.stop - 1) for field, domain in self.domains.items()
        }
        if self.needed is None:
            ranges = " and ".join(f"{field} {span}" for field, span in allowed.items())
            return f"{text}; {ranges} {'does' if len(allowed) == 1 else 'do'} not reach it"
        ((field, span),) = allowed.items()
        return f"{text}; it would take {field} {self.needed}, {self.by} allows {span}"


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least}..{most}"


ENDS = 8
"""Unknowns whose values are combined to find what layers can make."""

COMBINED = 256
"""Combinations of all their values that are traced at most; of more, those of the least and largest ones."""


def _reach(
    unknowns: Unknowns,
    sizes: Mapping[str, int],
    broken: Broken,
    values: Mapping[str, int],
    result: Trace,
) -> _Reach | None:
    """What the layers between the last merge and the broken node can make; None where that is no such case."""
    support = unknowns.space.support(broken.condition)
    arms = (
        [_arm(node) for node in broken.node.inputs]
        if len(broken.node.inputs) > 1
        else [_arm(broken.node)]
    )
    own: dict[str, OpenInteger] = {}
    moving = -1
    for number, arm in enumerate(arms):
        found = {
            n: v
            for n, v in unknowns.variables.items()
            if n in support and any(x in arm for x in v.nodes)
        }
        if found:
            moving, own = number, found
    if not own or len(own) > ENDS:
        return None
    layers = [node for node in reversed(arms[moving]) if any(node in v.nodes for v in own.values())]
    source = result.by_index[layers[0].inputs[0].index]
    end = arms[moving][0]
    now = result.by_index[end.index]
    dim = _dim(next(iter(own.values())).axis, layers[-1], len(now or ()))
    wanted = _wanted(broken.node, moving, dim, result, sizes)
    if source is None or now is None or dim is None or wanted is None or dim >= len(source):
        return None
    few = math.prod(len(v.domain) for v in own.values()) <= COMBINED
    choices = [v.domain if few else {v.domain.start, v.domain.stop - 1} for v in own.values()]
    filled = [
        unknowns.solved_ops({**values, **dict(zip(own, chosen))})
        for chosen in itertools.product(*choices)
    ]
    traces = [trace(unknowns.network, sizes, ops) for ops in filled if unknowns.is_legal(ops)]
    made = [shape[dim] for t in traces if (shape := t.by_index[end.index]) is not None]
    other, size = wanted
    domains = {variable.field: variable.domain for variable in own.values()}
    needed = None
    if len(own) == 1 and list(domains) == ["output_padding"]:
        needed = values[next(iter(own))] + size - now[dim]
    if not made or (needed is not None and needed in domains["output_padding"]):
        return None  # it is another condition that this value breaks
    declared = any(
        u.field in domains and u.least is not None for layer in layers for u in layer.unknowns
    )
    by = "its domain" if declared else "torch"
    return _Reach(layers, min(made), max(made), source[dim], other, size, domains, needed, by)


def _arm(node: Node) -> list[Node]:
    """A node and those before it, back to the last merge or input."""
    arm = [node]
    while len(arm[-1].inputs) == 1:
        arm.append(arm[-1].inputs[0])
    return arm


def _dim(axis: int, layer: Node, rank: int) -> int | None:
    """The dim of a layer's axis, in a map of this rank; None where it has no such dim."""
    axes = getattr(layer.op, "axes", None)
    return None if axes is None or axis >= axes or rank < axes else rank - axes + axis


def _wanted(
    node: Node, moving: int, dim: int | None, result: Trace, sizes: Mapping[str, int]
) -> tuple[str, int] | None:
    """Who wants which size along a dim: the other input of a merge, or an expectation."""
    if dim is None:
        return None
    if len(node.inputs) > 1:
        for number, source in enumerate(node.inputs):
            shape = result.by_index[source.index]
            if number != moving and shape is not None and dim < len(shape):
                return f"{source.name} is", shape[dim]
        return None
    patterns = [
        node.expect,
        *(p for n, p in result.network.output_expect.items() if result.network.outputs[n] is node),
    ]
    for pattern in patterns:
        if pattern is not None and dim < len(pattern[0]) and pattern[0][dim] is not None:
            value = dim_value(pattern[0][dim], sizes)
            return (f"dim {dim} is expected to be", value) if isinstance(value, int) else None
    return None
