"""Resizing by interpolation: Upsample and its two fixed forms, and torch.nn.functional.interpolate.

The size is floor(n · scale_factor) in double arithmetic (``tracer.sizing.arithmetic.floor_scale``), or ``size`` itself.
There is no unbatched form: torch takes the second dim for channels whatever the rank.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from tracer.ops.base import (
    MAX_INT,
    NOTHING_KEPT,
    Ints,
    Kept,
    NodeName,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_rank,
    in_range,
    is_filled,
    operation,
    written,
)
from tracer.ops.calls import Call, Own, Tensor, Term, interpolated
from tracer.ops.windows import NOT_FOLLOWED, POINTWISE, TURN, Seen, Window, seen_by_cells
from tracer.sizing.arithmetic import Dim, Holds, choose, floor_scale, maximum, minimum

Factors = float | tuple[float, ...]
"""A scale factor for every axis, or one per axis."""

Mode = Literal["nearest", "linear", "bilinear", "bicubic", "trilinear", "area", "nearest-exact"]

RANKS: dict[str, tuple[int, ...]] = {
    "linear": (3,),
    "bilinear": (4,),
    "bicubic": (4,),
    "lanczos": (4,),
    "trilinear": (5,),
}
"""The ranks that a mode takes; the others take (3, 4, 5)."""

REACH = {"linear": 1, "bilinear": 1, "trilinear": 1, "bicubic": 2, "lanczos": 3}
"""Input positions to each side that an output position sees; nearest sees one position."""


class How(NamedTuple):
    """The settings of one interpolation."""

    mode: str
    align_corners: bool | None = None
    recompute: bool | None = None
    antialias: bool = False

    def keywords(self) -> dict[str, Any]:
        """As torch.nn.functional.interpolate takes them, where they are no defaults."""
        given = {
            "mode": self.mode if self.mode != "nearest" else None,
            "align_corners": self.align_corners,
            "recompute_scale_factor": self.recompute,
            "antialias": self.antialias or None,
        }
        return {word: value for word, value in given.items() if value is not None}


class Resizing(Op, kw_only=True):
    """out = size, or floor(n · scale_factor); exactly one of the two is given."""

    autocast = "float32"
    node_fields = ("size",)
    dim_fields = ("size",)

    size: Ints | NodeName | None = None
    """The output's size: one number, one for each axis, or a node that has it."""
    scale_factor: Factors | None = None
    """By how much each axis grows, one number or one for each."""

    def how(self) -> How:
        """The settings of this interpolation."""
        return How("nearest")

    def grid_needs_numbers(self) -> bool:
        return self.size is not None and self.how().mode.startswith("nearest")

    def factors(self) -> Factors | None:
        """The scale factor in use. torch's modules take the number 0 for none."""
        return None if self.scale_factor == 0 else self.scale_factor

    def samples_by_sizes(self, x: Shape, y: Shape) -> Iterator[Holds]:
        """The conditions under which it samples as one to the sizes that it makes: its factors are exact there."""
        factors = self.factors()
        if factors is None or self.how().recompute:
            return
        before, after = x[2:], y[2:]
        each = factors if isinstance(factors, tuple) else (factors,) * len(after)
        for n, made, factor in zip(before, after, each):
            above, below = float(factor).as_integer_ratio()
            yield n * above == made * below

    def legal(self) -> Requirements:
        how, factors = self.how(), self.factors()
        yield from self._one_of_two(factors)
        yield from self._legal_settings(how)

        if factors is not None:
            yield _is_moderate(factors)
        if self.size is not None and not isinstance(self.size, str):
            yield in_range("size", self.size, 0 if how.mode == "area" else 1)

    def _one_of_two(self, factors: Factors | None) -> Requirements:
        """A size or a factor is given, and not both."""
        yield Requirement(
            self.size is not None or factors is not None,
            "T201",
            "scale_factor",
            lambda: (
                "needs size or scale_factor"
                + ("; a scale_factor of 0 counts as none" * (self.scale_factor == 0))
            ),
        )
        yield Requirement(
            self.size is None or factors is None,
            "T202",
            "scale_factor",
            "takes size or scale_factor, not both",
        )

    def _legal_settings(self, how: How) -> Requirements:
        """The mode takes the other settings."""
        mode, align_corners, recompute, antialias = how
        yield Requirement(
            align_corners is None or mode not in ("nearest", "nearest-exact", "area"),
            "T202",
            "align_corners",
            lambda: f"align_corners has no meaning for mode {mode}; leave it out",
        )
        yield Requirement(
            not recompute or self.size is None,
            "T202",
            "recompute_scale_factor",
            "recompute_scale_factor needs a scale_factor, not a size",
        )
        yield Requirement(
            not antialias or mode in ("bilinear", "bicubic", "lanczos"),
            "T202",
            "antialias",
            lambda: f"antialias works for the modes bilinear, bicubic and lanczos, not {mode}",
        )
        yield Requirement(
            mode != "lanczos" or (antialias and not align_corners),
            "T202",
            "mode",
            "mode lanczos needs antialias: true and takes no align_corners",
        )

    def _spatial(self, x: Shape, **sizes: Shape) -> Shape:
        """The output's spatial sizes."""
        factors = self.factors()
        if factors is not None:
            each = factors if isinstance(factors, tuple) else (factors,) * (len(x) - 2)
            return tuple(_scaled(n, factor) for n, factor in zip(x[2:], each))
        if isinstance(self.size, str):
            return sizes["size"][2:]
        return self.size if isinstance(self.size, tuple) else (self.size,) * (len(x) - 2)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        mode, axes = self.how().mode, len(x0) - 2
        yield has_rank(x0, *RANKS.get(mode, (3, 4, 5)), batched=f" in mode {mode}")
        if self.size is None:
            field, given = "scale_factor", self.factors()
        else:
            field, given = (
                "size",
                sizes["size"][2:] if isinstance(self.size, str) else self.size,
            )
        if isinstance(given, tuple):
            yield Requirement(
                len(given) == axes,
                "T203",
                field,
                lambda: (
                    f"{field} has {len(given)} values, {written(given)}; {written(x0)} has {axes} spatial dims"
                ),
            )
        outs = self._spatial(x0, **sizes)
        # Mode area is adaptive pooling: it looks at the channels of volumes only, it may return nothing, and to a
        # size of 1 it is a mean, which even an empty input has. (A factor makes 0 of 0, never 1.)
        area = mode == "area"
        mean: Holds = area
        for out in outs:
            mean = mean & (out == 1)
        if not area or axes == 3:
            yield Requirement(
                (x0[1] >= 1) | mean,
                "T302",
                None,
                lambda: f"the input {written(x0)} has no channels",
                dim=1,
            )
        least = 0 if area else 1
        for dim, out in enumerate(outs, 2):
            n = x0[dim]
            yield is_filled(x0, dim, n >= 1 if self.size is None else (n >= 1) | mean)
            yield _has_output(field, n, out, least, dim)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        return (*x0[:2], *self._spatial(x0, **sizes))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        (x0,) = x
        if "size" in given:
            size: list[Any] = [given["size"].size(dim) for dim in range(2, x0.rank)]
        elif isinstance(self.size, tuple) and any(isinstance(n, Term) for n in self.size):
            size = list(self.size)
        elif isinstance(self.size, Term):
            size = [self.size] * (x0.rank - 2)
        else:
            return self.plain_call(x0)
        return interpolated(x0, size, self.how().keywords())

    def plain_call(self, x: Tensor) -> Term:
        """The output where the size is known before the network runs."""
        return Own([x])

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        (x0,) = x
        if dim < 2:
            return POINTWISE
        if isinstance(self.size, str) and "size" not in sizes:
            return None
        factors, how = self.factors(), self.how()
        n, out = x0[dim], self._spatial(x0, **sizes)[dim - 2]
        if factors is None:
            return resized(how, n, out)
        ratio = _meant(factors, dim)
        if ratio <= 0:
            return None
        nominal = resized(how, ratio.denominator, ratio.numerator)
        if not (how.align_corners or how.recompute or how.mode == "area"):
            return nominal
        # torch goes by the sizes here, which is another factor where floor(n · scale_factor) cuts something off.
        exact = resized(how, n, out)
        step = exact.step or (exact.down, exact.up)
        return nominal._replace(first=exact.first, step=step)

    def sees(self, dim: int, *x: Shape, **sizes: Shape) -> Seen | None:
        (x0,) = x
        if dim < 2 or (isinstance(self.size, str) and "size" not in sizes):
            return super().sees(dim, *x, **sizes)
        n, out, how = x0[dim], self._spatial(x0, **sizes)[dim - 2], self.how()
        factors = self.factors()
        if factors is None or how.recompute or how.align_corners or how.mode == "area":
            return seen_resized(how, n, out)
        ratio = _meant(factors, dim)
        return seen_resized(how, ratio.denominator, ratio.numerator) if ratio > 0 else None

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        how = self.how()
        if dim < 2 or how.mode not in ("nearest", "nearest-exact"):
            return True
        n = x[0][dim]
        out = self._spatial(x[0], **sizes)[dim - 2]
        factors = self.factors()
        if factors is None or how.recompute:
            return copies_between(how, n, out)
        ratio = _meant(factors, dim)
        return copies_as_meant(how.mode, 1 / ratio, float(1 / ratio), out)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # Areas are an adaptive average pooling, of which torch keeps nothing where it is the mean of all.
        spatial = y[2:]
        mean = all(isinstance(n, int) and n == 1 for n in spatial)
        return (
            Kept((0,))
            if any(needs) and self.how().mode == "area" and not mean
            else NOTHING_KEPT
        )


def _is_moderate(factors: Factors) -> Requirement:
    """No scale factor is NaN, infinite or larger than an integer of torch's."""
    numbers = factors if isinstance(factors, tuple) else (factors,)
    return Requirement(
        all(abs(factor) <= MAX_INT for factor in numbers),
        "T202",
        "scale_factor",
        lambda: f"scale_factor is {written(factors)}; it must be a number of at most {MAX_INT}",
    )


def _has_output(field: str, n: Dim, out: Dim, least: int, dim: int) -> Requirement:
    """The resized dim has at least this size."""
    return Requirement(
        out >= least,
        "T302",
        field,
        lambda: f"the output size is {out} from {n}; torch needs at least {least}",
        dim=dim,
    )


def _meant(factors: Factors, dim: int) -> Fraction:
    """A dim's factor: 0.5 is 1/2, 0.333333 is 1/3; what was meant, not the double's 53 bits."""
    return Fraction(
        factors[dim - 2] if isinstance(factors, tuple) else factors
    ).limit_denominator(1000)


def _scaled(n: Dim, factor: float) -> Dim:
    """n · factor, the fraction cut off: torch cuts towards 0, which a negative factor in mode area shows."""
    return floor_scale(n, factor) if factor >= 0 else -floor_scale(n, -factor)


def resized(how: How, n: Dim, out: Dim) -> Window:
    """The positions that an output position sees where ``n`` input positions become ``out``.

    Source: ATen/native/UpSample.h, area_pixel_compute_source_index and nearest_neighbor_compute_source_index.
    """
    if isinstance(n, int) and isinstance(out, int):
        if n < 1 or out < 1:
            return Window(1, first=None)
        common = math.gcd(n, out)
        down, up = n // common, out // common
        if up == down:
            return POINTWISE
        extent: int | None = _extent(how, down, up)
    elif (n == out) is True:
        return POINTWISE
    else:
        down, up = n, out
        extent = 2 * REACH[how.mode] if how.mode in REACH and not how.antialias else None
    if how.align_corners:
        return _corners_aligned(how, n, out)._replace(extent=extent, down=down, up=up)
    return Window(extent, down, up, _first(how.mode, down, up))


def seen_resized(how: How, n: int, out: int) -> Seen | None:
    """The positions that make each output position where ``n`` become ``out``, by the sources of ``resized``."""
    if n < 1 or out < 1:
        return None
    if how.mode == "area":
        return seen_by_cells(n, out)

    step = Fraction(n - 1, max(out - 1, 1)) if how.align_corners else Fraction(n, out)
    if step == 0:
        return None
    if step.denominator > TURN:
        return NOT_FOLLOWED

    seen = _nearest if how.mode not in REACH else _smoothed if how.antialias else _interpolated
    spans = [seen(how, j, step) for j in range(step.denominator)]
    return Seen(tuple(a for a, _ in spans), tuple(b for _, b in spans), step.numerator)


HALF = Fraction(1, 2)

LONGEST = 2**24
"""Whole numbers up to here are exact in single precision."""


def copies_between(how: How, n: int, out: int) -> bool:
    """Whether each position copies the one that exact numbers give, where ``n`` become ``out`` by a nearest mode."""
    return copies_as_meant(how.mode, Fraction(n, out), n / out, out)


def copies_as_meant(mode: str, step: Fraction, rounded: float, out: int) -> bool:
    """Whether each of ``out`` positions copies the position that exact numbers give; torch multiplies floats.

    Source: ATen/native/UpSample.h, nearest_neighbor_compute_source_index.

    >>> copies_as_meant("nearest", Fraction(1, 3), 1 / 3, 300), copies_as_meant("nearest", Fraction(1, 41), 1 / 41, 410)
    (True, False)
    """
    is_power = step.numerator & (step.numerator - 1) == 0
    is_power &= step.denominator & (step.denominator - 1) == 0
    if is_power:
        return True
    if out * max(step.numerator, step.denominator) >= 2**62 or out > LONGEST:
        return False

    import numpy as np

    place = np.arange(out)
    middle = 0 if mode == "nearest" else 1
    exact = (2 * place + middle) * step.numerator // (2 * step.denominator)
    begun = place.astype(np.float32) + np.float32(middle / 2)
    found = np.floor(begun * np.float32(rounded)).astype(np.int64)
    return bool((exact == found).all())


def _nearest(how: How, j: int, step: Fraction) -> tuple[int, int]:
    """The one position that output position ``j`` copies, as first and last."""
    position = math.floor(j * step if how.mode == "nearest" else (j + HALF) * step)
    return position, position


def _smoothed(how: How, j: int, step: Fraction) -> tuple[int, int]:
    """The first and last position under an antialiasing kernel, which is as wide as the step."""
    centre = (j + HALF) * step - HALF
    reach = REACH[how.mode] * max(step, Fraction(1))
    return math.floor(centre - reach) + 1, math.ceil(centre + reach) - 1


def _interpolated(how: How, j: int, step: Fraction) -> tuple[int, int]:
    """The first and last position between which output position ``j`` is interpolated."""
    centre = j * step if how.align_corners else (j + HALF) * step - HALF
    if centre.denominator == 1:  # on a position the others weigh nothing
        return int(centre), int(centre)

    below, reach = math.floor(centre), REACH[how.mode]
    return below - (reach - 1), below + reach


def _extent(how: How, down: int, up: int) -> int:
    """Positions seen where ``down`` input positions become ``up``, two coprime numbers."""
    if how.mode == "area":
        # From floor(i·down/up) to ceil((i + 1)·down/up): widest where i·down leaves the rest up - 1.
        return (down + 2 * up - 2) // up
    reach = REACH.get(how.mode)
    if reach is None:
        return 1
    return (
        math.ceil(Fraction(2 * reach * down, up)) if how.antialias and down > up else 2 * reach
    )


def _first(mode: str, down: Dim, up: Dim) -> tuple[Dim, Dim]:
    """The centre of the first output position, where corners are not aligned.

    ``nearest`` takes floor(j · down/up), of coprime numbers on average (1 - up) / (2 · up) further; where one size is
    a symbol it is taken that the larger one is a multiple of the other. ``nearest-exact`` takes floor((j + 1/2) ·
    down/up), which is the half-pixel place, except that an even ``down`` has no middle.
    """
    whole = isinstance(down, int) and isinstance(up, int)
    if mode == "nearest":
        return ((1 if whole else minimum(down, up)) - up, 2 * up)
    if mode == "nearest-exact":
        if whole:
            return (down - up + (down % 2 == 0), 2 * up)
        twice = 2 * up
        return (choose(down // twice * twice == down, down, down - up), twice)
    return (down - up, 2 * up)


def _corners_aligned(how: How, n: Dim, out: Dim) -> Window:
    """The first and the last output position lie on the input's: a step of (n - 1) / (out - 1).

    With antialias, torch takes that step and still counts from the edge.
    """
    down, up = n - 1, maximum(out - 1, 1)
    first = (down - up, 2 * up) if how.antialias else (0, 1)
    return Window(None, first=first, step=(down, up))


@operation
class Upsample(Resizing, kw_only=True):
    """Resizes [N, C, ...] by interpolation: out = floor(n · scale_factor), or size, which may name a node."""

    mode: Mode = "nearest"
    """How values between positions are found: `nearest`, `linear`, `bilinear`, `bicubic`, `trilinear`, `area`."""
    align_corners: bool | None = None
    """The corners' centres stay where they are, in place of the corners themselves."""
    recompute_scale_factor: bool | None = None
    """The factor is computed anew from the sizes, which are whole numbers."""

    def how(self) -> How:
        return How(self.mode, self.align_corners, self.recompute_scale_factor)


@operation
class Interpolate(Resizing, kw_only=True):
    """torch.nn.functional.interpolate: out = floor(n · scale_factor), or size, which may name a node."""

    mode: Mode | Literal["lanczos"] = "nearest"
    """How values between positions are found: `nearest`, `linear`, `bilinear`, `bicubic`, `trilinear`, `area`."""
    align_corners: bool | None = None
    """The corners' centres stay where they are, in place of the corners themselves."""
    recompute_scale_factor: bool | None = None
    """The factor is computed anew from the sizes, which are whole numbers."""
    antialias: bool = False
    """Smooths before it reduces, as image libraries do."""

    def how(self) -> How:
        return How(self.mode, self.align_corners, self.recompute_scale_factor, self.antialias)

    def factors(self) -> Factors | None:
        return self.scale_factor

    def plain_call(self, x: Tensor) -> Term:
        sizes = {"size": self.size, "scale_factor": self.scale_factor}
        chosen = {word: value for word, value in sizes.items() if value is not None}
        return Call(
            "torch.nn.functional.interpolate", (x,), {**chosen, **self.how().keywords()}
        )


@operation
class UpsamplingNearest2d(Resizing, kw_only=True):
    """Repeats each position: out = floor(n · scale_factor), or size. Takes 3-d and 5-d tensors too, as torch does."""


@operation
class UpsamplingBilinear2d(Resizing, kw_only=True):
    """Bilinear interpolation of [N, C, H, W] with aligned corners: out = floor(n · scale_factor), or size."""

    def how(self) -> How:
        return How("bilinear", align_corners=True)
