"""Dropouts: they keep the shape, and in eval mode the values too."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import ClassVar

from tracer.ops.base import (
    NOTHING_KEPT,
    Kept,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    operation,
    written,
)
from tracer.sizing.arithmetic import Dim, Holds


class Dropping(Op, kw_only=True):
    """A dropout: ``p`` is the probability of a zero."""

    p: float = 0.5
    """The share of values that training sets to zero."""
    inplace: bool = False
    """The result is written over the input; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield Requirement(
            0 <= self.p <= 1,
            "T202",
            "p",
            lambda: f"p is {self.p}; a probability lies between 0 and 1",
        )

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        return strides if self.inplace or self.p == 0 or not training else None

    def _mask(self, y: Shape) -> Dim:
        """The count of numbers drawn: one for each element."""
        return prod(y)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        if not any(needs) or self.p == 0:
            return NOTHING_KEPT
        return Kept(values=1 if self.p == 1 else self._mask(y))


class DroppingChannels(Dropping, kw_only=True):
    """A dropout of whole channels, which torch looks for in training only."""

    least_rank: ClassVar[int] = 2

    def _mask(self, y: Shape) -> Dim:
        return prod(y[:2])

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        passes: Holds = not 0 < self.p < 1 or len(x0) >= self.least_rank
        if len(x0) == 1:
            passes = passes | (x0[0] == 0)
        yield Requirement(
            passes,
            "T507",
            None,
            lambda: (
                f"the input {written(x0)} has no dim of channels, which torch refuses in training"
            ),
            "Dropout drops single values, of any shape",
        )


@operation
class Dropout(Dropping):
    """Sets each element to zero with probability p in training; any shape."""


@operation
class Dropout1d(Dropping):
    """Sets whole channels of [N, C, L] or [C, L] to zero in training; the one whose rank torch checks."""

    def _mask(self, y: Shape) -> Dim:
        return prod(y[:-1])

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield has_rank(x[0], 2, 3)


@operation
class Dropout2d(DroppingChannels):
    """Sets whole channels of [N, C, H, W] to zero in training; on other ranks than 3 and 4 torch only warns."""


@operation
class Dropout3d(DroppingChannels):
    """Sets whole channels of [N, C, D, H, W] to zero in training; on other ranks than 4 and 5 torch only warns."""

    least_rank = 1  # torch puts a batch of 1 before any input that has none

    def _mask(self, y: Shape) -> Dim:
        return prod(y[:2]) if len(y) == 5 else prod(y[:1])


@operation
class AlphaDropout(Dropping):
    """Dropout that keeps mean and variance, for networks of SELU; any shape."""


@operation
class FeatureAlphaDropout(DroppingChannels):
    """Alpha dropout of whole channels, over [N, C, ...]; in eval mode torch takes any shape."""
