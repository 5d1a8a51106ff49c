"""Layers that bring a map of another layout into the input's: channels last, or tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

from tracer.designing.fit import MapAxis
from tracer.designing.positions import DimLayout
from tracer.network.records import Node


class ReadingLayer(NamedTuple):
    """A layer whose name begins with a word."""

    word: str
    op: str
    arguments: Mapping[str, Any]
    reason: str = ""
    """Why it is there, where that is not plain."""


class FeatureMap(NamedTuple):
    """A map of the encoder that the decoder can read."""

    node: Node
    name: str
    """The shortest name for it."""
    channels: int
    axes: tuple[MapAxis, ...] | None
    """Per spatial axis; None where it lies on no grid that is the same for all sizes."""
    strides: tuple[Fraction, ...]
    reading: tuple[ReadingLayer, ...] = ()
    """The layers that bring it into the input's layout; none where it has it."""

    @property
    def coarseness(self) -> Fraction:
        """The number of input positions for one of its own."""
        return Fraction(prod(self.strides))


def reading(
    layout: DimLayout,
    channel: int,
    shape: Sequence[int | str],
) -> Iterator[ReadingLayer]:
    """The layers that make a map of this shape; ``channel`` is the dim of its channels.

    Tokens of another kind are cut off, the channels come before the positions, and rows of tokens are maps again.
    """
    held = list(layout.held)
    for dim, own in enumerate(held):
        if own.front or own.back:
            ends = {"start": own.front} if own.front else {}
            stop = {"stop": -own.back} if own.back else {}
            yield ReadingLayer("tokens", "Slice", {"dim": dim, **ends, **stop})

    order = _order(layout, channel)
    if order != sorted(order):
        yield ReadingLayer("turned", "Permute", {"dims": tuple(order)})
    if any(len(own.axes) > 1 for own in held):
        yield ReadingLayer("map", "Reshape", {"shape": tuple(shape)})


def _order(
    layout: DimLayout,
    channel: int,
) -> list[int]:
    """The dims as they come: the batch, the channels, and the axes in order."""
    axes = [dim for dim, own in enumerate(layout.held) if own.axes]
    axes.sort(key=lambda dim: layout.held[dim].axes)
    others = [dim for dim, own in enumerate(layout.held) if not own.axes and dim != channel]
    return [*others, channel, *axes]
