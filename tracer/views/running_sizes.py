"""The sizes that run, in one line beside a finding about a size that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Net
from tracer.planning.constraining import NoSymbols, constraints_of
from tracer.planning.constraints import Constraints, NearestSizes
from tracer.planning.working_sizes import Axis
from tracer.sizing.size_set import TooLarge


def with_sizes_that_run(net: Net, found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """The findings, the first error about shapes with the sizes that run."""
    told = list(found)
    for number, one in enumerate(told):
        if one.severity == "error" and "T2" <= one.code < "T4":
            note = sizes_note(net)
            if note:
                told[number] = replace(one, notes=(*one.notes, note))
            break
    return told


def sizes_note(net: Net) -> str:
    """``runs for H = 16k, W = 16k: nearest 496 x 368, or pad to 512 x 384``; empty where no sizes are known."""
    asked = net.network.defaults()
    spatial = {symbol: n for symbol, n in asked.items() if not symbol.startswith("N")}
    if not spatial:
        return ""
    try:
        record = constraints_of(net.network, net.built.ops, asked)
        nearest = Constraints(record).nearest(**spatial)
        near = nearest.below or nearest.above
        return "" if near is None else f"runs for {_sets(net, near)}: {_nearest(nearest)}"
    except (TooLarge, NoSymbols, TracerError, ValueError):
        return ""


def _sets(net: Net, running: Mapping[str, int]) -> str:
    """The set of each symbol; of one that others are tied to, at which of their sizes."""
    axes = net.with_sizes(running).working_sizes().axes
    return ", ".join(_set_of(symbol, axes[symbol]) for symbol in running)


def _set_of(symbol: str, axis: Axis) -> str:
    text = axis.runs.written(symbol).split(", k >= ")[0]
    tied = ", ".join(f"{other} = {n}" for other, n in axis.others.items())
    return f"{text} with {tied}" if tied else text


def _nearest(nearest: NearestSizes) -> str:
    below, above = nearest.below, nearest.above
    if below is None:
        assert above is not None
        return f"nearest {_written(above)}"
    if above is None or above == below:
        return f"nearest {_written(below)}"
    return f"nearest {_written(below)}, or pad to {_written(above)}"


def _written(sizes: Mapping[str, int]) -> str:
    return " x ".join(map(str, sizes.values()))
