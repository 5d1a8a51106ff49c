"""What ``tracer sweep --plot`` writes: a picture of the rows, or a page of their Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from tracer.commands.options import need, shown

if TYPE_CHECKING:
    from tracer.sweep.pareto_front import ParetoFront
    from tracer.sweep.study import Study

PICTURES = (".svg", ".png", ".pdf")
PAGE = ".html"


def check_plot(plot: str | None) -> None:
    """Refuse a file that is neither a picture nor a page, and a picture that cannot be drawn here."""
    if plot is None:
        return
    ending = _ending(plot)
    if ending not in (*PICTURES, PAGE):
        raise click.UsageError(
            f"{shown(plot)}: a picture is {', '.join(PICTURES[:-1])} or {PICTURES[-1]}, a page {PAGE}"
        )
    if ending != PAGE:
        need("matplotlib", "sweep")


def others_of(plot: str | None) -> int:
    """How many rows beside the front a plot shows with all their columns."""
    if plot is None or _ending(plot) != PAGE:
        return 0

    from tracer.views.front import OTHER_ROWS

    return OTHER_ROWS


class Plotted(NamedTuple):
    """A front, and what it is the front of."""

    study: Study
    tasks: Sequence[int]
    """The task of each table, by the tables' numbers."""
    found: ParetoFront
    measures: Sequence[str]
    headline: str


def write_plot(plot: str, plotted: Plotted) -> None:
    """Write the picture or the page; OSError where that cannot be done."""
    path = Path(plot)
    if _ending(plot) == PAGE:
        path.write_text(_page(plotted), "utf-8")
        return

    from tracer.views.sweep import plot as draw

    found = plotted.found
    draw(path, found.measures, found.best, plotted.study.larger_is_better)


def _page(plotted: Plotted) -> str:
    from tracer.sweep.designs import designs
    from tracer.sweep.table_files import kinds
    from tracer.views.front import SweepFront, front_page

    study, found = plotted.study, plotted.found
    places = [(plotted.tasks[place.table], place.row) for place in found.places]
    compared = len(found.measures[plotted.measures[0]])
    front = SweepFront(
        title=study.source if study.is_family else study.path,
        headline=plotted.headline,
        kinds=kinds(study),
        varied=study.names,
        measures=plotted.measures,
        larger=study.larger_is_better,
        dtype=study.dtype,
        rows=found.rows,
        others=found.others,
        other_count=compared - len(found.best),
        designs=designs(study, places),
    )
    return front_page(front)


def _ending(plot: str) -> str:
    return Path(plot).suffix.lower()
