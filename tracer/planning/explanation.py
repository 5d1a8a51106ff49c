"""Why no plan exists, as T401 and T402 report it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

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
FEWER = "promise fewer sizes, or let the merges align: crop, pad or resize"

SHOWN = 2
"""Assignments that the message of T402 lists."""


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


# --- T402 -------------------------------------------------------------------------------------------------------------


def no_common_values(
    unknowns: Unknowns,
    sets: Mapping[str, Promise],
    samples: Sequence[Mapping[str, int]],
    served: Sequence[Served],
) -> Diagnostic:
    """T402: every size has values of its own, and no values serve all of them."""
    network = unknowns.network
    symbols = " and ".join(sets)
    message = (
        f"no values of the autos serve every {symbols} of `sizes`, "
        f"as {_examples(samples[-2:])} have none in common"
    )
    if served:
        message += f": {_served_sizes(served)}"
    return Diagnostic(
        "T402",
        message,
        network.size_spans[next(iter(sets))],
        path=network.file_of_size(next(iter(sets))),
        hint=_run_time_sizes(unknowns) or FEWER,
        related=_auto_places(_nearest(unknowns, unknowns.nodes()[0], most=8)),
    )


def _examples(samples: Iterable[Mapping[str, int]]) -> str:
    """``H = 32, W = 32 and H = 33, W = 32``."""
    texts = [", ".join(f"{symbol} = {n}" for symbol, n in sizes.items()) for sizes in samples]
    return " and ".join(texts)


def _served_sizes(served: Sequence[Served]) -> str:
    """Which assignment serves which sizes, of the first :data:`SHOWN`."""
    text = "; ".join(map(_sentence, served[:SHOWN]))
    more = len(served) - SHOWN
    return f"{text}; {more} more serve others (`tracer plan` lists them)" if more > 0 else text


def _sentence(one: Served) -> str:
    values = ", ".join(f"{name} {written(value)}" for name, value in one.assignments.items())
    sizes = " and ".join(served.written(symbol) for symbol, served in one.sizes.items())
    return f"{values} serves {sizes}"


def _run_time_sizes(unknowns: Unknowns) -> str | None:
    """The hint that up-layers may take their size from the skip at run time; None where there is no such layer."""
    readers = consumers(unknowns.network)
    hints = []
    for node in unknowns.nodes():
        takes_size = node.op is not None and "output_size" in node.op.node_fields
        skip = skip_of(node, readers) if takes_size else None
        if skip is not None and any(u.field == "output_padding" for u in node.unknowns):
            hints.append(f"`output_size: {skip.name}` on {node.name}")
    if not hints:
        return None

    shown = ", ".join(hints[:4]) + (", ..." if len(hints) > 4 else "")
    return f"sizes taken at run time may serve all (`tracer plan` tries it): {shown}"


def _nearest(unknowns: Unknowns, node: Node, most: int = 4) -> list[Node]:
    """The last nodes with an auto at or before a node."""
    before = [n for n in unknowns.nodes() if n.index <= node.index] or unknowns.nodes()
    return before[-most:]


def _auto_places(nodes: Iterable[Node]) -> tuple[Related, ...]:
    return tuple(
        Related(f"{node.name} has an auto here", node.span_for(node.unknowns[0].field))
        for node in nodes
    )


# --- T401 -------------------------------------------------------------------------------------------------------------


class PlanAttempt(NamedTuple):
    """Values that meet what comes before a node, and the trace with them."""

    unknowns: Unknowns
    sizes: Mapping[str, int]
    values: Mapping[str, int]
    trace: Trace

    def with_values(self, values: Mapping[str, int]) -> Trace | None:
        """The trace with some values replaced; None where torch refuses the values themselves."""
        ops = self.unknowns.solved_ops({**self.values, **values})
        if not self.unknowns.is_legal(ops):
            return None
        return trace(self.unknowns.network, self.sizes, ops)


def unsolved(unknowns: Unknowns, sizes: Mapping[str, int], broken: Broken) -> Diagnostic:
    """T401 at the node whose requirement no assignment meets, with what it would take."""
    node, ops = broken.node, unknowns.solved_ops(broken.values)
    attempt = PlanAttempt(unknowns, sizes, broken.values, trace(unknowns.network, sizes, ops))
    fact = _fact(attempt.trace.diagnostics, node)
    reach = reach_of(broken, attempt)

    related = [*(fact.related if fact else ()), *_auto_places(_nearest(unknowns, node))]
    hint = WIDER if reach is not None and reach.is_output_padding else None
    if any(len(variable.nodes) > 1 for variable in unknowns.variables.values()):
        hint = SHARED
    return Diagnostic(
        "T401",
        _message(node, reach, fact),
        node.span_for(None),
        path=unknowns.network.path,
        hint=hint,
        related=tuple(dict.fromkeys(related)),
        node=node.name,
    )


def _fact(found: Sequence[Diagnostic], node: Node) -> Diagnostic | None:
    """What is wrong at the node with the values of an attempt."""
    return next((diagnostic for diagnostic in found if diagnostic.node == node.name), None)


def _message(node: Node, reach: ArmReach | None, fact: Diagnostic | None) -> str:
    does_not_fit = f"no values of the autos make {node.name} fit"
    if reach is not None:
        start = f"{node.name} cannot be closed" if len(node.inputs) > 1 else does_not_fit
        return f"{start}: {reach.sentence()}"
    return does_not_fit if fact is None else f"{does_not_fit}: {fact.message}"


# --- how far the layers before a merge can be driven ------------------------------------------------------------------


class Arm(NamedTuple):
    """What leads from the last merge or input to one input of a node."""

    number: int
    """Which input of the node it is, from 0."""
    nodes: list[Node]
    """From the end, which the node reads, to the start."""
    variables: dict[str, OpenInteger]
    """Its unknowns on which the broken condition depends."""

    @property
    def end(self) -> Node:
        return self.nodes[0]

    @property
    def layers(self) -> list[Node]:
        """The nodes with those unknowns, in execution order."""
        open_nodes = {node.index for v in self.variables.values() for node in v.nodes}
        return [node for node in reversed(self.nodes) if node.index in open_nodes]

    @property
    def domains(self) -> dict[str, range]:
        """The values that the unknowns may take, by argument."""
        return {variable.field: variable.domain for variable in self.variables.values()}


class Wanted(NamedTuple):
    """A size that the node needs at the end of an arm."""

    reason: str
    """``but `enc2` has``."""
    size: int


class ArmReach(NamedTuple):
    """What the layers of an arm can produce, and what they would have to."""

    arm: Arm
    source: int
    """The size that the first of the layers reads."""
    least: int
    most: int
    wanted: Wanted
    needed: int | None
    """The output_padding that it would take; None where several unknowns, or others, decide."""

    @property
    def is_output_padding(self) -> bool:
        return list(self.arm.domains) == ["output_padding"]

    def sentence(self) -> str:
        """``up can produce 66 to 67 from 33, but `enc2` has 68. That needs output_padding 2; torch allows 0 to 1.``"""
        names = " and ".join(layer.name for layer in self.arm.layers)
        produced = f"{names} can produce {_span(self.least, self.most)} from {self.source}"
        fact = f"{produced}, {self.wanted.reason} {self.wanted.size}."

        allowed = {
            field: _span(domain.start, domain.stop - 1)
            for field, domain in self.arm.domains.items()
        }
        if self.needed is None:
            ranges = " and ".join(f"{field} {span}" for field, span in allowed.items())
            return f"{fact} With {ranges} that is not reached."
        allows = "its domain allows" if self._is_declared() else "torch allows"
        return f"{fact} That needs output_padding {self.needed}; {allows} {allowed['output_padding']}."

    def _is_declared(self) -> bool:
        """Whether the config bounds the values, and not torch."""
        unknowns = [unknown for layer in self.arm.layers for unknown in layer.unknowns]
        return any(u.field in self.arm.domains and u.least is not None for u in unknowns)


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


ENDS = 8
"""Unknowns whose values are combined to find what layers can produce."""

COMBINED = 256
"""Combinations of all their values that are traced at most; of more, those of the least and largest ones."""


def reach_of(broken: Broken, attempt: PlanAttempt) -> ArmReach | None:
    """How far the layers before the broken node can be driven, for the sentence of T401.

    None where no single arm explains the failure.
    """
    arm = moving_arm(broken, attempt.unknowns)
    if arm is None or len(arm.variables) > ENDS:
        return None

    dim = _dim(arm, attempt.trace)
    before = attempt.trace.by_index[arm.layers[0].inputs[0].index]
    if dim is None or before is None or dim >= len(before):
        return None

    wanted = size_wanted(broken.node, arm, dim, attempt)
    produced = sizes_produced(arm, dim, attempt)
    if wanted is None or not produced:
        return None

    # A value that gives the wanted size and is allowed breaks another condition: this merge is not to blame.
    needed = _output_padding_needed(arm, dim, wanted.size, attempt)
    if needed is not None and needed in arm.domains["output_padding"]:
        return None
    return ArmReach(arm, before[dim], min(produced), max(produced), wanted, needed)


def moving_arm(broken: Broken, unknowns: Unknowns) -> Arm | None:
    """The last arm of a node with unknowns that the broken condition depends on; None where there is none."""
    if broken.condition is None:
        return None
    deciding = unknowns.space.support(broken.condition)
    starts = broken.node.inputs if len(broken.node.inputs) > 1 else [broken.node]

    found = None
    for number, start in enumerate(starts):
        nodes = _back_to_merge(start)
        own = {
            name: variable
            for name, variable in unknowns.variables.items()
            if name in deciding and any(node in nodes for node in variable.nodes)
        }
        if own:
            found = Arm(number, nodes, own)
    return found


def _back_to_merge(node: Node) -> list[Node]:
    """A node and those before it, back to the last merge or input."""
    nodes = [node]
    while len(nodes[-1].inputs) == 1:
        nodes.append(nodes[-1].inputs[0])
    return nodes


def _dim(arm: Arm, found: Trace) -> int | None:
    """The dim of the arm's map along which its first unknown acts; None where that is no spatial one."""
    shape = found.by_index[arm.end.index]
    axes = getattr(arm.layers[-1].op, "axes", None)
    axis = next(iter(arm.variables.values())).axis
    if shape is None or axes is None or axis >= axes or len(shape) < axes:
        return None
    return len(shape) - int(axes) + axis


def sizes_produced(arm: Arm, dim: int, attempt: PlanAttempt) -> list[int]:
    """The sizes at the end of an arm, over the values that its unknowns may take."""
    choices: list[Sequence[int]] = [variable.domain for variable in arm.variables.values()]

    # Sizes grow or shrink with every unknown, so the ends of wide domains give the least and the most.
    if math.prod(map(len, choices)) > COMBINED:
        choices = [sorted({domain[0], domain[-1]}) for domain in choices]

    produced = []
    for values in itertools.product(*choices):
        found = attempt.with_values(dict(zip(arm.variables, values)))
        shape = None if found is None else found.by_index[arm.end.index]
        if shape is not None:
            produced.append(shape[dim])
    return produced


def _output_padding_needed(arm: Arm, dim: int, size: int, attempt: PlanAttempt) -> int | None:
    """The output_padding that gives a size; None where another unknown decides, or several do."""
    now = attempt.trace.by_index[arm.end.index]
    if now is None or len(arm.variables) != 1 or list(arm.domains) != ["output_padding"]:
        return None
    (name,) = arm.variables
    return int(attempt.values[name] + size - now[dim])


def size_wanted(node: Node, arm: Arm, dim: int, attempt: PlanAttempt) -> Wanted | None:
    """The size that a node needs along a dim of an arm: that of another input, or an expected one."""
    if len(node.inputs) > 1:
        return _size_of_another(node, arm, dim, attempt.trace)

    outputs = _expected_of_outputs(node, attempt.trace.network)
    for expected in (node.expect, *outputs):
        pattern = () if expected is None else expected[0]
        if dim < len(pattern) and pattern[dim] is not None:
            size = dim_value(pattern[dim], attempt.sizes)
            return (
                Wanted(f"but dim {dim} is expected to be", size)
                if isinstance(size, int)
                else None
            )
    return None


def _size_of_another(node: Node, arm: Arm, dim: int, found: Trace) -> Wanted | None:
    """The size of the first other input of a merge that has this dim."""
    for number, source in enumerate(node.inputs):
        shape = found.by_index[source.index]
        if number != arm.number and shape is not None and dim < len(shape):
            return Wanted(f"but `{source.name}` has", shape[dim])
    return None


def _expected_of_outputs(node: Node, network: Network) -> list[Any]:
    """What the network's outputs expect of a node."""
    return [
        expected
        for name, expected in network.output_expect.items()
        if network.outputs[name] is node
    ]
