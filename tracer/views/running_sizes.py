"""The sizes that run, in one line beside a finding about a size that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from msgspec.structs import replace

from tracer.diagnostics import Diagnostic, TracerError
from tracer.net import Net
from tracer.planning.constraining import NoSymbols
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
    sizes = net.network.defaults()
    symbols = net.network.spatial_symbols()
    spatial = {symbol: sizes[symbol] for symbol in symbols if symbol in sizes}
    if not spatial or max(spatial.values()) > LARGEST:
        return ""
    try:
        return _note(net, spatial)
    except (TooLarge, NoSymbols, TracerError, ValueError):
        return ""


def _note(net: Net, asked: Mapping[str, int]) -> str:
    constraints = net.constraints()
    ends = constraints.nearest(**asked)
    running = ends.below or ends.above
    if running is None:
        return ""

    axes = net.with_sizes(running).working_sizes().axes
    near = _near(constraints, asked, axes, ends)
    sets = [_set_of(symbol, axes[symbol]) for symbol in asked]
    listed = ("; " if any(", " in text for text in sets) else ", ").join(sets)
    or_pad = "" if ends.above in (None, near) else f", or pad to {_written(ends.above)}"
    # A shape that is not expected is no reason not to run.
    which = "also at" if near == asked else "nearest"
    lossless = _lossless(constraints, near, axes)
    return f"runs for {listed}: {which} {_written(near)}{lossless}{or_pad}"


def _lossless(
    constraints: Constraints, near: Mapping[str, int], axes: Mapping[str, Axis]
) -> str:
    """The sizes next to some that lose rows, which lose none: ``, lossless 56``; empty where these lose none."""
    kept = {
        symbol: min(axes[symbol].lossless.nearest(n) or (n,), key=lambda other: abs(other - n))
        for symbol, n in near.items()
    }
    is_one_of_them = all(n in axes[symbol].lossless for symbol, n in kept.items())
    if kept == near or not is_one_of_them or not constraints.runs(**kept):
        return ""
    return f", lossless {_written(kept)}"


LARGEST = 2**16
"""Of larger sizes nothing is said: those that run may be far away."""


def _near(
    constraints: Constraints,
    asked: Mapping[str, int],
    axes: Mapping[str, Axis],
    ends: NearestSizes,
) -> dict[str, int]:
    """The sizes that run with the least sum of differences, each one next to that which is asked."""
    known = [end for end in (ends.below, ends.above) if end is not None]
    choices = []
    for symbol, n in asked.items():
        next_to = axes[symbol].runs.nearest(n)
        choices.append(sorted({*next_to, *(end[symbol] for end in known)} - {0}))

    together = [dict(zip(asked, sizes)) for sizes in product(*choices)]
    running = [sizes for sizes in together if constraints.runs(**sizes)]

    def distance(sizes: Mapping[str, int]) -> int:
        return sum(abs(n - asked[symbol]) for symbol, n in sizes.items())

    return min(running, key=distance)


def _set_of(symbol: str, axis: Axis) -> str:
    text = axis.runs.written(symbol).removesuffix(", k >= 1").removesuffix(", k >= 0")
    tied = ", ".join(f"{other} = {n}" for other, n in axis.others.items())
    return f"{text} with {tied}" if tied else text


def _written(sizes: Mapping[str, int] | None) -> str:
    return " x ".join(map(str, (sizes or {}).values()))
