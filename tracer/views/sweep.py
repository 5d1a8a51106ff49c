"""The Pareto front of a sweep: a table, and a picture of their measures."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracer.diagnostics import printable
from tracer.views.table import short, short_bytes

if TYPE_CHECKING:
    from rich.console import RenderableType

BYTES = {"memory", "training", "inference"}
POINTS = 20_000
"""Of a picture; of more rows as many are drawn, evenly spaced."""


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in BYTES:
        return short_bytes(value)
    return short(value) if name in ("macs", "params") else printable(str(value))


def table(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """The rows as a table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name in columns:
        grid.add_column(Text(name.replace("_", " ")), justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(_cell(name, row[name])) for name in columns))
    return grid


def plot(
    path: Path, measures: Mapping[str, Sequence[float]], best: Sequence[int], larger: Container[str]
) -> None:
    """Every measure against the first one, the rows of ``best`` marked; the format is the name's ending.

    What is None is left out. Raises OSError, and ValueError for an ending that is no format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = {
        name: [math.nan if n is None else n for n in values] for name, values in measures.items()
    }
    first, *others = [
        name for name, values in drawn.items() if not all(map(math.isnan, values))
    ] or list(drawn)
    count = len(drawn[first])
    step = max(1, -(-count // POINTS))
    figure = Figure(figsize=(4.6 * max(len(others), 1), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, max(len(others), 1), squeeze=False)[0]
    for panel, name in zip(axes, others or [first]):
        x, y = drawn[first], drawn[name]
        panel.scatter(
            x[::step],
            y[::step],
            s=6,
            color="#9aa7b1",
            linewidths=0,
            label="designs",
            rasterized=True,
        )
        panel.scatter(
            [x[i] for i in best], [y[i] for i in best], s=18, color="#c2410c", label="Pareto front"
        )
        for axis, word in ((panel.xaxis, first), (panel.yaxis, name)):
            direction = "larger is better" if word in larger else "smaller is better"
            axis.set_label_text(
                f"{word.replace('_', ' ')}{', bytes' if word in BYTES else ''} ({direction})"
            )
            known = [n for n in drawn[word] if not math.isnan(n)]
            if known and min(known) > 0:
                axis._set_axes_scale("log")
        panel.grid(alpha=0.3)
    axes[0].legend(loc="best", frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
