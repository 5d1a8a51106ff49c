"""What a network costs: parameters, multiply-accumulates and bytes of feature maps."""

from __future__ import annotations

import math

import msgspec

from tracer.shapes.trace import Trace

DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


class Cost(msgspec.Struct, frozen=True):
    """What one node costs."""

    params: int
    """Learnable parameters."""
    macs: int
    """Multiply-accumulates of one forward pass (half of what torch's FlopCounterMode counts)."""
    memory: int
    """Bytes of the node's output."""


def costs(trace: Trace, dtype: str = "float32") -> dict[str, Cost]:
    """The cost of every node that has a shape, inputs included."""
    width = DTYPE_BYTES[dtype]
    found: dict[str, Cost] = {}
    for node in trace.network.nodes:
        y = trace.shapes[node.name]
        if node.is_input and y is not None:
            found[node.name] = Cost(0, 0, math.prod(y) * width)
    for node, op, inputs, _, y in trace.applied():
        found[node.name] = Cost(
            int(op.parameters(*inputs)), int(op.macs(y, *inputs)), math.prod(y) * width
        )
    return found


def total(found: dict[str, Cost]) -> Cost:
    """The sum over all nodes: memory is what a training forward pass makes, every feature map counted."""
    values = found.values()
    return Cost(
        sum(c.params for c in values), sum(c.macs for c in values), sum(c.memory for c in values)
    )
