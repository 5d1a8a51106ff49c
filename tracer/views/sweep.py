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


def table(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> RenderableType:
    """The rows as a table for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(
        title=Text(title, style="bold", no_wrap=True, overflow="ignore"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for name in columns:
        grid.add_column(Text(name.replace("_", " ")), justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(_cell(name, row[name])) for name in columns))
    return grid


def plot(
    path: Path,
    measures: Mapping[str, Sequence[float]],
    best: Sequence[int],
    larger: Container[str],
) -> None:
    """Every measure against the first one, the rows of ``best`` marked; the format is the name's ending.

    What is None is left out. Raises OSError, and ValueError for an ending that is no format.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = {name: _numbers(values) for name, values in measures.items()}
    known = [name for name, values in drawn.items() if not all(map(math.isnan, values))]
    first, *others = known or list(drawn)
    panels = others or [first]

    figure = Figure(figsize=(4.6 * len(panels), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, name in zip(axes, panels):
        _scatter(panel, drawn[first], drawn[name], best)
        _label(panel.xaxis, first, drawn[first], is_larger_better=first in larger)
        _label(panel.yaxis, name, drawn[name], is_larger_better=name in larger)
        panel.grid(alpha=0.3)

    axes[0].legend(loc="best", frameon=False)
    # An SVG would carry its date, and differ from run to run.
    figure.savefig(path, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if n is None else n for n in values]


def _scatter(panel: Any, x: Sequence[float], y: Sequence[float], best: Sequence[int]) -> None:
    """Every row, at most so many as a picture can show, and the best ones above them."""
    step = max(1, -(-len(x) // POINTS))
    panel.scatter(
        x[::step],
        y[::step],
        s=6,
        color="#9aa7b1",
        linewidths=0,
        label="designs",
        rasterized=True,
    )
    best_x, best_y = [x[i] for i in best], [y[i] for i in best]
    panel.scatter(best_x, best_y, s=18, color="#c2410c", label="Pareto front")


def _label(axis: Any, name: str, values: Sequence[float], *, is_larger_better: bool) -> None:
    """A measure's name and unit, and which way is better; its scale is logarithmic where all are positive."""
    unit = ", bytes" if name in BYTES else ""
    direction = "larger is better" if is_larger_better else "smaller is better"
    axis.set_label_text(f"{name.replace('_', ' ')}{unit} ({direction})")

    known = [n for n in values if not math.isnan(n)]
    if known and min(known) > 0:
        axis._set_axes_scale("log")
