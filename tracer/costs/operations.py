"""What a network costs: parameters, multiply-accumulates and bytes of feature maps."""

from __future__ import annotations

import math

import msgspec

from tracer.shapes.trace import Trace

DTYPE_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2, "int8": 1}


class Cost(msgspec.Struct, frozen=True):
    """What one node costs."""

    params: int
    """Learnable parameters; those that nodes share are counted for the one that has them."""
    macs: int
    """Multiply-accumulates of one forward pass (half of what torch's FlopCounterMode counts)."""
    memory: int
    """Bytes of the node's output."""


def costs(trace: Trace, dtype: str = "float32") -> dict[str, Cost]:
    """The cost of every node that has a shape, inputs included, by its name.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, 8, 8]\\nlayers: {mix: {op: Conv2d, out_channels: 4, kernel_size: 1}}")
    >>> costs(net.trace())["mix"]
    Cost(params=16, macs=768, memory=1024)
    """
    width = DTYPE_BYTES[dtype]
    found: dict[str, Cost] = {}
    for visit in trace.walk():
        if visit.node.is_input and visit.shape is not None:
            found[visit.node.name] = Cost(0, 0, math.prod(visit.shape) * width)

    for applied in trace.applied():
        node, op, inputs, _, shape = applied
        params, macs = int(applied.parameters), int(op.macs(shape, *inputs))
        found[node.name] = Cost(params, macs, math.prod(shape) * width)
    return found


def total(found: dict[str, Cost]) -> Cost:
    """The sum over all nodes: memory is what a training forward pass makes, every feature map counted."""
    each = found.values()
    return Cost(
        params=sum(cost.params for cost in each),
        macs=sum(cost.macs for cost in each),
        memory=sum(cost.memory for cost in each),
    )
