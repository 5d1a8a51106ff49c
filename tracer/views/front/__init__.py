"""The Pareto front of a sweep as one HTML file: its rows as points, and of the chosen one the config and the picture.

``front.js`` places the points and shows what is chosen. What the file holds is packed, and every part of it has its
room: of too much, some are left out, evenly spaced, and the page says how many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from tracer.diagnostics import printable, shortened
from tracer.sweep.designs import SHOWN, Design
from tracer.sweep.pareto_front import spaced
from tracer.views.document import deflated, html_document
from tracer.views.pictures.svg import svg_of_trace
from tracer.views.sweep import BYTES

T = TypeVar("T")

OTHER_ROWS = 1_500
"""Rows beside the front that are drawn."""

VARIED = 40
"""Varied names that are shown."""

CELL = 80
"""Letters of a value."""

EXACT = 2**53
"""From here on a browser's numbers are not exact."""

ROOMS = {"rows": 100_000, "others": 100_000, "texts": 110_000, "pictures": 240_000}
"""Letters of each part of the page, packed."""

Kind = Literal["number", "bytes", "flag", "text"]

SAYS = {
    "macs": "multiply-adds",
    "params": "parameters",
    "memory": "bytes of all maps",
    "training": "bytes kept for the backward pass",
    "inference": "most bytes of a run",
    "receptive_field": "input positions",
    "output_size": "positions",
}
"""The units of the columns that every sweep has."""

NONE = {"receptive_field": "whole or unknown"}
"""What it says where a column is empty: the field is the whole input, or was not computed; others are not known."""


class FrontColumn(msgspec.Struct, frozen=True):
    """A column of the rows."""

    name: str
    says: str
    """Its unit."""
    kind: Kind
    better: str
    """less, more, or empty where rows are not compared by it."""
    none: str
    """In place of a value that is not there."""


class FrontSummary(msgspec.Struct, frozen=True):
    """What the script reads first."""

    title: str
    headline: str
    said: list[str]
    """What is left out."""
    columns: list[FrontColumn]
    told: list[int]
    """The columns that a point says when it is pointed at."""
    axes: list[int]
    """The columns that can be drawn, those first by which the rows are compared."""
    start: tuple[int, int]
    """The two that are drawn at first."""
    numbers: list[int]
    """Of the rows, their places in the front."""
    missing: dict[int, str]
    """By row: why something of it is not here."""


class SweepFront(NamedTuple):
    """A front, and what was chosen to be shown beside it."""

    title: str
    headline: str
    kinds: Mapping[str, type]
    """The type of every column."""
    varied: Sequence[str]
    measures: Sequence[str]
    larger: Container[str]
    dtype: str
    size: int
    """So many rows it has."""
    rows: Mapping[int, Mapping[str, Any]]
    """By number, those that are shown, with all columns."""
    others: Sequence[Mapping[str, Any]]
    """Some beside it."""
    other_count: int
    """So many there are."""
    designs: Mapping[int, Design]
    """Of some rows of the front, by their places."""


def front_page(front: SweepFront) -> str:
    """The page of a front. It has at most some 600 KB, however many rows there are."""
    names = _names(front)
    spread = spaced(front.size, SHOWN)
    numbers, rows = _fitted("rows", spread, lambda n: _cells(front.rows[n], names))

    drawn = [front.others[i] for i in spaced(len(front.others), OTHER_ROWS)]
    drawn, others = _fitted("others", drawn, lambda row: _cells(row, names))

    designs = front.designs
    written = [n for n in numbers if n in designs and designs[n].text is not None]
    written, texts = _fitted("texts", written, lambda n: (n, designs[n].text))

    traced = [n for n in written if designs[n].trace is not None]
    pictured, pictures = _fitted("pictures", traced, lambda n: (n, _picture(designs[n])))

    axes = _axes(front, names)
    summary = FrontSummary(
        title=shortened(printable(front.title), CELL),
        headline=front.headline,
        said=_said(front, len(numbers), len(drawn), len(written), len(pictured)),
        columns=[_column(front, name) for name in names],
        told=_places(names, _told(front)),
        axes=_places(names, axes),
        start=_start(front, names, axes),
        numbers=numbers,
        missing=_missing(front, numbers, written, pictured),
    )
    packs = {
        "summary": deflated(msgspec.json.encode(summary)),
        "rows": rows,
        "others": others,
        "texts": texts,
        "pictures": pictures,
    }
    return _document(front.title, packs)


def _document(title: str, packs: Mapping[str, str]) -> str:
    blocks = "".join(
        f'<script type="text/plain" data-pack="{name}">{pack}</script>\n'
        for name, pack in packs.items()
    )
    return html_document(
        f"{title}: the front of a sweep",
        front_asset("front.css"),
        front_asset("front.html") + blocks,
        front_asset("front.js"),
        images="data:",
    )


@cache
def front_asset(name: str) -> str:
    """A file of this folder."""
    return (files(__name__) / name).read_text("utf-8")


def _fitted(part: str, items: Sequence[T], made: Callable[[T], Any]) -> tuple[list[T], str]:
    """The items of a part of the page, packed; of too many for its room every second one, as often as it takes."""
    kept = list(items)
    made_of = [made(item) for item in kept]
    while True:
        pack = deflated(msgspec.json.encode(made_of))
        if len(pack) <= ROOMS[part] or not kept:
            return kept, pack
        halved = spaced(len(kept), len(kept) // 2)
        kept = [kept[i] for i in halved]
        made_of = [made_of[i] for i in halved]


def _picture(design: Design) -> str:
    assert design.trace is not None
    return svg_of_trace(design.trace, (), 1)


# --- columns ---------------------------------------------------------------------------------------------------------


def _names(front: SweepFront) -> list[str]:
    """The columns that are shown: what is varied, what is compared, and all costs."""
    varied = list(front.varied[:VARIED])
    return list(dict.fromkeys([*varied, *front.measures, *SAYS, "lossless", "aligned"]))


def _places(names: Sequence[str], some: Sequence[str]) -> list[int]:
    return [names.index(name) for name in some]


def _told(front: SweepFront) -> list[str]:
    return list(dict.fromkeys([*front.varied[:8], *front.measures[:8], "lossless", "aligned"]))


def _column(front: SweepFront, name: str) -> FrontColumn:
    kind = _kind(front, name)
    says = SAYS.get(name, "")
    if kind == "bytes" and front.dtype != "float32":
        says = f"{says}, {front.dtype}"
    better = ""
    if name in front.measures:
        better = "more" if name in front.larger else "less"
    return FrontColumn(
        name=_shown_name(name),
        says=says,
        kind=kind,
        better=better,
        none=NONE.get(name, "not known"),
    )


def _shown_name(name: str) -> str:
    """A column's name; those that every sweep has are words, others are the config's own."""
    return name.replace("_", " ") if name in SAYS else shortened(printable(name), CELL)


def _kind(front: SweepFront, name: str) -> Kind:
    if name in BYTES:
        return "bytes"
    kind = front.kinds[name]
    if kind is bool:
        return "flag"
    return "number" if kind in (int, float) else "text"


def _cells(row: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    return [_cell(row[name]) for name in names]


def _cell(value: Any) -> Any:
    """A value as the script takes it: what is no exact number there is a text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return shortened(printable(str(value)), CELL)


# --- axes ------------------------------------------------------------------------------------------------------------


def _axes(front: SweepFront, names: Sequence[str]) -> list[str]:
    """The columns of numbers, those first by which the rows are compared."""
    ordered = dict.fromkeys([*front.measures, *names])
    return [name for name in ordered if _kind(front, name) in ("number", "bytes")]


def _start(front: SweepFront, names: Sequence[str], axes: Sequence[str]) -> tuple[int, int]:
    """The first measure, and one of which more is wanted where rows differ in it: what a cost is paid for."""
    first, *others = axes
    several = [name for name in others if _differs(front, name)]
    compared = [name for name in several if name in front.measures]
    gains = [name for name in compared if name in front.larger]
    second = next(iter([*gains, *compared, *several, *others]))
    return names.index(first), names.index(second)


def _differs(front: SweepFront, name: str) -> bool:
    values = {row[name] for row in (*front.rows.values(), *front.others)}
    return len(values) > 1


# --- what is left out ------------------------------------------------------------------------------------------------


def _said(front: SweepFront, drawn: int, others: int, written: int, pictured: int) -> list[str]:
    """A sentence for each kind of thing of which some are left out."""
    count = front.size
    found = []
    if front.dtype != "float32":
        found.append(
            f"maps are of {front.dtype}: so are those of tracer trace --dtype {front.dtype}"
        )
    if drawn < count:
        found.append(f"{drawn:,} of the {count:,} rows of the front are drawn, evenly spaced")
    if others < front.other_count:
        found.append(
            f"{others:,} of the {front.other_count:,} other rows are drawn, evenly spaced"
        )
    if written < count:
        found.append(f"{written:,} of the {count:,} rows of the front have their config here")
    if pictured < count:
        found.append(f"{pictured:,} of the {count:,} rows of the front have their picture here")
    if len(front.varied) > VARIED:
        found.append(f"{VARIED} of the {len(front.varied)} varied names are shown")
    return found


def _missing(
    front: SweepFront, numbers: Sequence[int], written: Container[int], pictured: Container[int]
) -> dict[int, str]:
    """By row: why it has no config, or no picture."""
    found = {}
    for number in numbers:
        design = front.designs.get(number, Design())
        if number in pictured:
            continue
        if number in written:
            found[number] = design.missing or "no picture: only some rows of the front have one"
        else:
            found[number] = (
                design.missing if design.text is None and design.missing else ELSEWHERE
            )
    return found


ELSEWHERE = (
    "only some rows of the front have their config and their picture here; "
    "--find with --write-front writes the configs"
)
