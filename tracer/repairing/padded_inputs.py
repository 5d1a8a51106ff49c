"""Inputs that are padded to sizes that run: those sizes, and how the output is cut back."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.diagnostics import TracerError
from tracer.net import Net
from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.planning.constraining import NoSymbols
from tracer.sizing.size_set import TooLarge


def sizes_to_pad_to(net: Net, more: int = 0) -> Mapping[str, int]:
    """The nearest sizes that run of which none is smaller than the declared one with ``more``; none: empty."""
    sizes = net.network.defaults()
    wanted = {
        symbol: sizes[symbol] + more
        for symbol in net.network.spatial_symbols()
        if symbol in sizes
    }
    if not wanted:
        return {}
    try:
        return net.constraints().nearest(**wanted).above or {}
    except (TooLarge, NoSymbols, TracerError, ValueError):
        return {}


def cut_of(padded: Net, node: Node, shape: Shape) -> str:
    """The slices that cut the output back to an input's shape, ``:100, :75``; empty where it does not follow the input.

    The network has the padded sizes. The output follows where it has the input's sizes, here and at larger ones.
    """
    larger = sizes_to_pad_to(padded, more=1)
    if not larger:
        return ""
    for trace in (padded.trace(), padded.trace(**larger)):
        (outputs, given) = (list(trace.outputs.values()), trace.by_index[node.index])
        has_size = [y is not None and given is not None and y[2:] == given[2:] for y in outputs]
        if len(outputs) != 1 or not all(has_size):
            return ""
    return ", ".join(f":{n}" for n in shape[2:])
