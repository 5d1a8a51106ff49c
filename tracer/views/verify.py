"""Torch's shapes beside the traced ones, as a table, as JSON, and as a report to send."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tracer import __version__
from tracer.ops.base import written
from tracer.torch_bridge.verification import Verification
from tracer.views.found import FORMAT_VERSION

if TYPE_CHECKING:
    from rich.console import RenderableType


class VerifyAnswer(msgspec.Struct, frozen=True):
    """The answer of ``tracer verify``."""

    format_version: str
    agrees: bool
    """Something was compared, and torch shares every shape and refusal."""
    comparisons: list[Verification]


def verify_answer(found: Sequence[Verification]) -> VerifyAnswer:
    """The JSON answer."""
    return VerifyAnswer(
        FORMAT_VERSION, bool(found) and not any(one.differences for one in found), list(found)
    )


def verify_table(found: Sequence[Verification]) -> RenderableType:
    """One row for each forward."""
    from rich import box
    from rich.table import Table

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("sizes", "device", "traced", "nodes compared", "torch"):
        grid.add_column(column, no_wrap=True)
    for one in found:
        sizes = "  ".join(f"{symbol}={n}" for symbol, n in one.sizes.items())
        says = f"disagrees at {one.differences[0].node}" if one.differences else "agrees"
        grid.add_row(
            sizes, one.device, "runs" if one.runs else "is refused", str(one.nodes), says
        )
    return grid


def disagreement(found: Sequence[Verification], params: dict[str, Any], text: str) -> str:
    """A report for whoever keeps tracer: the versions, the differences and the config."""
    from importlib.metadata import version

    lines = [
        "torch disagrees: this is a fault of tracer. Please report it with these lines:",
        "",
    ]
    lines.append(f"tracer {__version__}, torch {version('torch')}")
    for one in found:
        for d in one.differences:
            said = f" ({d.said})" if d.said else ""
            lines.append(
                f"{one.device} {one.sizes} {d.node}: traced {written(d.traced)}, torch {written(d.torch)}{said}"
            )
    lines += [f"params: {params}", "config:", text]
    return "\n".join(lines) + "\n"
