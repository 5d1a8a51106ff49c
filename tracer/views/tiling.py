"""A picture in tiles as text and as the JSON answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tracer.designing.tiling.plan import Because, Halo, Tiling
from tracer.diagnostics import printable
from tracer.views.found import FORMAT_VERSION

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST = 12
"""So many nodes are named in the text."""


class TileAnswer(msgspec.Struct, frozen=True):
    """Tiles of a picture. Sizes are by axis, in pixels."""

    format_version: str
    picture: dict[str, int]
    tile: dict[str, int]
    """The last tile of an axis may be smaller, by less than the period."""
    step: dict[str, int | None]
    """From the beginning of a tile to that of the next; null where no overlap helps."""
    overlap: dict[str, int | None]
    halo: dict[str, Halo | None]
    """Pixels at either side whose outputs are not used."""
    period: dict[str, int]
    """Tiles begin at multiples of it."""
    tiles: int | None
    """How many there are, over all axes."""
    recomputed: float | None
    """Pixels that are computed again, as a part of the picture's."""
    exact: bool
    """Whether every output has the value of a run on the whole picture at every position, to float rounding."""
    because: list[Because]
    """The nodes that differ; none where ``exact``."""
    padded: dict[str, int] | None
    """The next picture that would be exact, this one or a larger; null where it is, or none nearby is."""
    padded_tile: dict[str, int] | None
    """The tile with which ``padded`` is exact: the same where there is one for it, or a larger one."""
    path: str
    """The network, as it was named."""


def tile_answer(found: Tiling, path: str) -> TileAnswer:
    """The JSON answer of ``tracer tile``."""
    return TileAnswer(
        format_version=FORMAT_VERSION,
        picture=found.picture,
        tile=found.tile,
        step=found.step,
        overlap=found.overlap,
        halo=found.halo,
        period=found.period,
        tiles=found.tiles,
        recomputed=found.recomputed,
        exact=found.exact,
        because=found.because,
        padded=found.padded,
        padded_tile=found.padded_tile,
        path=path,
    )


def tile_warning(found: Tiling) -> str:
    """What is said of a loop that is written though its result is not equal; nothing where it is."""
    if found.exact:
        return ""
    lines = [_claim(found), *_nodes(found)]
    return "\n".join(lines)


def tile_text(found: Tiling) -> list[RenderableType]:
    """The tiles as a table, with what they cost and whether they are equal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for title in ("axis", "picture", "tile", "step", "overlap", "halo", "tiles begin at"):
        table.add_column(title, justify="left" if title in ("axis", "halo") else "right")
    for axis in found.picture:
        table.add_row(*_row(found, axis))

    lines = ["", *_cost(found), _claim(found)]
    lines += _nodes(found)
    if found.apart:
        maps = ", ".join(map(printable, found.apart))
        lines.append(
            f"tiles do not make up the whole picture's shape of {maps}: there is no loop"
        )
    lines += _advice(found)
    return [table, Text("\n".join(lines))]


def _row(found: Tiling, axis: str) -> list[str]:
    """The cells of one axis."""
    halo = found.halo[axis]
    sides = "?" if halo is None else f"{halo.left} + {halo.right}"
    period = found.period[axis]
    begins = "any pixel" if period == 1 else f"multiples of {period}"
    return [
        printable(axis),
        str(found.picture[axis]),
        str(found.tile[axis]),
        _number(found.step[axis]),
        _number(found.overlap[axis]),
        sides,
        begins if found.tile[axis] < found.picture[axis] else "0",
    ]


def _number(n: int | None) -> str:
    """A number, or a mark for one that is not known."""
    return "?" if n is None else str(n)


def _cost(found: Tiling) -> list[str]:
    """What the tiles compute."""
    if found.tiles is None or found.recomputed is None:
        return []
    count = "1 tile" if found.tiles == 1 else f"{found.tiles:,} tiles"
    return [f"{count}; {found.recomputed:.1%} of the picture's pixels are computed again"]


def _claim(found: Tiling) -> str:
    """Whether the result is equal."""
    if found.exact:
        return "equal to a run on the whole picture, at every position"
    if None in found.step.values():
        return "no tiles give what a run on the whole picture does, because of"
    return "not equal to a run on the whole picture, because of"


def _nodes(found: Tiling) -> list[str]:
    """A line for every node that differs, with its axes."""
    axes: dict[tuple[str, str, str], list[str]] = {}
    for one in found.because:
        axes.setdefault((one.node, one.op, one.why), []).append(one.axis)
    lines = [_line(*key, along) for key, along in list(axes.items())[:MOST]]
    more = len(axes) - MOST
    return [*lines, f"  and {more} more nodes"] if more > 0 else lines


def _advice(found: Tiling) -> list[str]:
    """The picture and the tiles that would be equal, where there are some."""
    if found.padded is None or found.padded_tile is None:
        return []

    said = "equal"
    if found.padded != found.picture:
        said += f" where the picture is padded to {_sizes(found.padded)}"
    if found.padded_tile != found.tile:
        said += f" with tiles of {_sizes(found.padded_tile)}"
    return [said]


def _sizes(sizes: Mapping[str, int]) -> str:
    """Sizes by axis."""
    return ", ".join(f"{printable(axis)} = {n}" for axis, n in sizes.items())


def _line(node: str, op: str, why: str, axes: list[str]) -> str:
    """What is said of one node."""
    return f"  {printable(node)} ({op}): {why}, along {', '.join(map(printable, axes))}"
