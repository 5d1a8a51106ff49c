"""One row computed by a plain trace.

It is the fallback where the vectorised program does not apply, and the reference for its spot checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.costs.memory import memory
from tracer.costs.operations import costs, total
from tracer.geometry.grids import leading_dims, meetings
from tracer.geometry.receptive_field import fields
from tracer.net import Net
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import TooLarge

Row = dict[str, Any]


def exact_row(net: Net, sizes: Mapping[str, int], dtype: str) -> Row:
    """The columns of one combination of sizes."""
    trace = net.trace(**sizes)
    if trace.diagnostics:
        return {"valid": False, "error": trace.diagnostics[0].code}
    held, cost = memory(trace, dtype), total(costs(trace, dtype))
    assert held is not None
    lossless = all(remark.code not in ("T501", "T502") for _, remark in trace.remarks())
    return {
        "valid": True,
        "lossless": lossless,
        "aligned": lossless and _meets(trace),
        "macs": cost.macs,
        "params": cost.params,
        "memory": cost.memory,
        "training": held.training,
        "inference": held.inference,
        "receptive_field": receptive_field(trace),
        "output_size": output_size(trace),
    }


def _meets(trace: Trace) -> bool | None:
    try:
        return all(bool(meeting.holds) for meeting in meetings(trace))
    except TooLarge:
        return None


def receptive_field(trace: Trace) -> int | None:
    """Of the first output, along the axis where it is largest; None where that is the whole input, or not computed."""
    first = next(iter(trace.network.outputs.values()))
    extents = [field.extent for field in fields(trace).get(first.name, ())]
    known = [extent for extent in extents if extent is not None]
    return max(known) if known and len(known) == len(extents) else None


def output_size(trace: Trace) -> int | None:
    """The least spatial size of the first output; None where it has no axis in space."""
    first = next(iter(trace.network.outputs.values()))
    shape = trace.shapes[first.name] or ()
    return min(shape[leading_dims(trace) :], default=None)


def turns(trace: Trace) -> list[int] | None:
    """Per axis of the first output: from how many positions on its field is the same. None where sizes decide."""
    first = next(iter(trace.network.outputs.values()))
    found = [field.turn for field in fields(trace).get(first.name, ())]
    known = [turn for turn in found if turn is not None]
    return known if known and len(known) == len(found) else None
