"""What ``tracer sweep --plot`` writes: a picture of the rows, or a page of their Pareto front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tracer.commands.options import need, shown

if TYPE_CHECKING:
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


class FrontRows(NamedTuple):
    """The rows of a front, and what it is the front of."""

    study: Study
    measures: Sequence[str]
    headline: str
    rows: Mapping[int, Mapping[str, Any]]
    """By number, those that are shown."""
    places: Sequence[tuple[int, int]]
    """The task of each row, and its number in there."""
    others: Sequence[Mapping[str, Any]]
    """Some beside the front."""
    other_count: int
    """So many there are."""


def is_page(plot: str) -> bool:
    """Whether a plot is a page of the front."""
    return _ending(plot) == PAGE


def write_picture(
    plot: str, study: Study, measures: Mapping[str, Sequence[Any]], best: Sequence[int]
) -> None:
    """Write a picture of the rows, by their measures; OSError where that cannot be done."""
    from tracer.views.sweep import plot as draw

    draw(Path(plot), measures, best, study.larger_is_better)


def write_page(plot: str, front: FrontRows) -> None:
    """Write a page of a front; OSError where that cannot be done."""
    from tracer.sweep.designs import designs
    from tracer.sweep.table_files import kinds
    from tracer.views.front import SweepFront, front_page

    study = front.study
    shown_front = SweepFront(
        title=study.source if study.is_family else study.path,
        headline=front.headline,
        kinds=kinds(study),
        varied=study.names,
        measures=front.measures,
        larger=study.larger_is_better,
        dtype=study.dtype,
        size=len(front.places),
        rows=front.rows,
        others=front.others,
        other_count=front.other_count,
        designs=designs(study, front.places),
    )
    Path(plot).write_text(front_page(shown_front), "utf-8")


def _ending(plot: str) -> str:
    return Path(plot).suffix.lower()
