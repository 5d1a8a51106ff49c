"""How large the maps of a picture are drawn: height by extent, thickness by channels, both by the logarithm."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from math import ceil, log2, prod
from typing import NamedTuple

from tracer.drawing.maps.holding import MapSize
from tracer.drawing.maps.units import MapUnit, Slab

LOWEST = 20
"""The height of the maps of the least extent, in pixels."""

OCTAVE = 24
"""Height for each doubling of the extent, at most."""

THINNEST = 4
THICKER = 2.4
"""Thickness for each doubling of the channels."""


BEHIND = 3
"""How far a map looks out from behind another, where those before it are left out."""


class MapSpacing(NamedTuple):
    """How close things stand."""

    highest: int
    """The height of the largest map."""
    in_run: int
    """Between the units of a run, where an arrow is."""
    gap: int
    """Between columns, at least."""
    letters: int
    """Of a name, at most; the whole of it is in the unit's title."""
    counts: bool
    """Whether it is told how many maps are left out."""
    repeats: bool = True
    """Whether an extent is told again where it goes on along a run."""
    reserves: bool = False
    """Whether an extent has the room that it takes where its axes differ: sizes of a page change."""


LOOSE = MapSpacing(highest=132, in_run=20, gap=24, letters=14, counts=True)
TIGHT = MapSpacing(highest=132, in_run=12, gap=14, letters=9, counts=False)
TIGHTEST = MapSpacing(highest=132, in_run=11, gap=10, letters=5, counts=False, repeats=False)

UNKNOWN = (14, 44)
"""Thickness and height of a map without a shape."""

BESIDE = 5
"""Between the maps of a block."""

DOTS = 16
"""Room for what stands for maps that are left out."""

WIDTHS = {
    "ijltfr.,:;/\\|!()[]-'`²³ IJ": 5.0,
    "+<=>^~×→#&": 10.2,
    "ABCDEFGHKLNOPQRSTUVXYZw": 9.6,
    "◂▸_*?": 6.4,
}
"""Upper bounds of letters' widths at the size of the labels, in a wide font; others below."""

DIGIT, WIDEST = 7.7, 12.1

BOLD = 1.13
"""How much wider bold letters are."""


class MapScale(NamedTuple):
    """The logarithm's scale."""

    least: float
    octave: float

    def height(self, slab: Slab) -> int:
        """The height of a map."""
        if slab.size is None:
            return UNKNOWN[1]
        doublings = _doublings(slab.size) - self.least
        return _even(LOWEST + self.octave * doublings)


def scale(
    all_units: Iterable[MapUnit],
    highest: int,
) -> MapScale:
    """The scale for the maps of a picture of which the largest is to have a height."""
    found = [
        _doublings(slab.size)
        for unit in all_units
        for slab in unit.slabs
        if slab.size is not None
    ]
    least = min(found, default=0.0)
    span = max(max(found, default=0.0) - least, 1.0)
    return MapScale(least, min(OCTAVE, (highest - LOWEST) / span))


def _doublings(size: MapSize) -> float:
    """The logarithm of a map's extent: the mean over its axes."""
    extent = [max(n, 1) for n in size.extent]
    return log2(prod(extent)) / len(extent) if extent else 0.0


def thickness(channels: int) -> int:
    """The thickness of this many channels."""
    return _even(THINNEST + THICKER * log2(max(channels, 1)))


def slab_width(slab: Slab) -> int:
    """The thickness of a map; of a concatenation that of its parts together."""
    if slab.size is None:
        return UNKNOWN[0]
    if slab.parts:
        return sum(thickness(channels) for channels, _ in slab.parts)
    return thickness(prod(slab.size.channels))


def channels_text(slab: Slab) -> str:
    """What stands above a map: its channels, of a concatenation those that its inputs bring.

        >>> from tracer.drawing.maps.holding import MapSize
        >>> from tracer.drawing.maps.holding import MapSize
    from tracer.drawing.maps.units import Slab
        >>> channels_text(Slab(0, MapSize((128,), (8, 8)), "merge", ((64, "up"), (64, "skip"))))
        '64+64'
    """
    if slab.size is None:
        return "?"
    if len(slab.parts) == 2:
        return "+".join(str(channels) for channels, _ in slab.parts)
    return "×".join(map(str, slab.size.channels))


def channels_of(slab: Slab) -> tuple[int, ...]:
    """The nodes whose channels stand above a map: its own, or those that two inputs bring to a concatenation."""
    return slab.brought if len(slab.parts) == 2 else (slab.node,)


def extents_text(extents: Iterable[str]) -> str:
    """From the first of several maps to the last.

    >>> extents_text(["572²", "570²"]), extents_text(["64²", "64²"]), extents_text(["", "7"])
    ('572² → 570²', '64²', '7')
    """
    return " → ".join(dict.fromkeys(text for text in extents if text))


def extent_text(size: MapSize | None) -> str:
    """What stands below a map: its extent; of equal axes one, with their number.

    >>> from tracer.drawing.maps.holding import MapSize
    >>> extent_text(MapSize((64,), (568, 568))), extent_text(MapSize((64,), (64, 48))), extent_text(None)
    ('568²', '64×48', '')
    """
    extent = () if size is None else size.extent
    power = {2: "²", 3: "³"}.get(len(extent))
    if power and len(set(extent)) == 1:
        return f"{extent[0]}{power}"
    return every_extent(size)


def every_extent(size: MapSize | None) -> str:
    """The extent along each axis, equal or not."""
    extent = () if size is None else size.extent
    return "×".join(map(str, extent))


def text_width(text: str) -> int:
    """An upper bound of a label's width.

    >>> text_width("64×48") < text_width("1024×768") < text_width("m" * 10)
    True
    """
    return ceil(sum(map(_letter_width, text)))


def name_width(text: str) -> int:
    """An upper bound of a name's width, which is bold."""
    return ceil(BOLD * sum(map(_letter_width, text)))


@cache
def _letter_width(letter: str) -> float:
    for letters, width in WIDTHS.items():
        if letter in letters:
            return width
    is_usual = letter.isascii() and letter.isalnum() and letter not in "mMW"
    return DIGIT if is_usual else WIDEST


def _even(n: float) -> int:
    return round(n) // 2 * 2
