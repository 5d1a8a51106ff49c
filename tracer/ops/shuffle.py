"""Rearrangements between channels and space: pixel and channel shuffles, and sliding blocks as columns.

No value is computed: PixelShuffle is the last step of a sub-pixel decoder, Unfold and Fold cut patches and
put them together again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tracer.ops.base import (
    Ints,
    Op,
    Requirement,
    Requirements,
    Shape,
    has_length,
    has_rank,
    in_range,
    is_filled,
    no_dropped_rows,
    operation,
    per_axis,
    written,
)
from tracer.ops.calls import Call, Own, Tensor, Term
from tracer.ops.rearrange import in_rank, wrapped
from tracer.ops.windows import POINTWISE, Window, half_pixel, sliding
from tracer.sizing.arithmetic import Dim, Holds, choose, conv_size, dilated
from tracer.sizing.symbol import Size


def _image(x: Shape) -> Requirement:
    """Any leading dims, then channels, height and width."""
    return Requirement(
        len(x) >= 3,
        "T303",
        None,
        lambda: f"takes an input of 3 dims or more; {written(x)} has {len(x)}",
    )


@operation
class PixelShuffle(Op, kw_only=True):
    """Channels to space, the sub-pixel upsampling: [C·r², H, W] to [C, H·r, W·r]."""

    upscale_factor: int
    """By how much height and width grow; channels are divided by its square."""

    def legal(self) -> Requirements:
        yield in_range("upscale_factor", self.upscale_factor, 1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield _image(x0)
        channels, square = x0[-3], self.upscale_factor**2
        yield Requirement(
            channels % square == 0,
            "T204",
            "upscale_factor",
            lambda: f"{channels} channels do not divide by upscale_factor² = {square}",
            f"give the layer before it a multiple of {square} channels",
            dim=len(x0) - 3,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        *lead, channels, height, width = x[0]
        factor = self.upscale_factor
        return (*lead, channels // factor**2, height * factor, width * factor)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return half_pixel(1, 1, self.upscale_factor) if dim >= len(x[0]) - 2 else POINTWISE


@operation
class PixelUnshuffle(Op, kw_only=True):
    """Space to channels, PixelShuffle undone: [C, H, W] to [C·r², H / r, W / r]."""

    downscale_factor: int
    """By how much height and width are divided; channels grow by its square."""

    def symbols_restrict(self, *x: Shape) -> bool:
        return any(isinstance(n, Size) for n in x[0])

    def legal(self) -> Requirements:
        yield in_range("downscale_factor", self.downscale_factor, 1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield _image(x0)
        for dim in (len(x0) - 2, len(x0) - 1):
            yield self._divides(x0, dim)
        for dim, n in enumerate(x0):
            if isinstance(n, Size):
                yield is_filled(x0, dim)

    def _divides(self, x: Shape, dim: int) -> Requirement:
        """Height or width is a multiple of the factor."""
        factor = self.downscale_factor
        return Requirement(
            x[dim] % factor == 0,
            "T302",
            "downscale_factor",
            lambda: f"{x[dim]} in {written(x)} does not divide by downscale_factor {factor}",
            dim=dim,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        """torch returns an empty input as it is.

        A dim that is a symbol is at least 1 (a requirement says so): a formula that depended on one dim being 0
        would couple height to width for every other size.
        """
        (x0,) = x
        *lead, channels, height, width = x0
        factor = self.downscale_factor
        empty: Holds = False
        for n in x0:
            if not isinstance(n, Size):
                empty = empty | (n == 0)
        return (
            *lead,
            choose(empty, channels, channels * factor**2),
            choose(empty, height, height // factor),
            choose(empty, width, width // factor),
        )

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        factor = self.downscale_factor
        return half_pixel(factor, factor, 1) if dim >= len(x[0]) - 2 else POINTWISE


@operation
class ChannelShuffle(Op, kw_only=True):
    """Interleaves the channels of groups, so that grouped convolutions see each other's: the shape stays."""

    groups: int
    """The number of groups whose channels are mixed; it divides the channels."""

    def legal(self) -> Requirements:
        yield in_range("groups", self.groups, 1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield _image(x0)
        channels = x0[1]
        yield Requirement(
            channels % self.groups == 0,
            "T205",
            "groups",
            lambda: f"{channels} channels do not divide into {self.groups} groups",
            dim=1,
        )


class Blocks(Op, kw_only=True):
    """A grid of sliding blocks, as Unfold and Fold have it."""

    kernel_size: Ints
    """The size of the window, one number or one for each axis."""
    dilation: Ints = 1
    """The distance between the positions that a window reads, one number or one for each axis."""
    padding: Ints = 0
    """Positions added on both sides, one number or one for each axis."""
    stride: Ints = 1
    """The distance from one window to the next, one number or one for each axis."""

    def legal(self) -> Requirements:
        for field, value, least in (
            ("kernel_size", self.kernel_size, 1),
            ("dilation", self.dilation, 1),
            ("padding", self.padding, 0),
            ("stride", self.stride, 1),
        ):
            yield has_length(field, value, 2)
            yield in_range(field, value, least)

    def area(self) -> int:
        """Positions of one block."""
        height, width = per_axis(self.kernel_size, 2)
        return height * width

    def grid(self, image: Shape) -> Shape:
        """Number of blocks along height and width of an image of this (height, width)."""
        kernels, strides = per_axis(self.kernel_size, 2), per_axis(self.stride, 2)
        paddings, dilations = per_axis(self.padding, 2), per_axis(self.dilation, 2)
        extents = [dilated(kernel, dilation) for kernel, dilation in zip(kernels, dilations)]
        return tuple(
            conv_size(image[i], extents[i], strides[i], 2 * paddings[i]) for i in (0, 1)
        )

    def fits(self, image: Shape) -> Requirements:
        """At least one block lies in the padded image."""
        kernels, paddings, dilations = (
            per_axis(v, 2) for v in (self.kernel_size, self.padding, self.dilation)
        )
        for i, n in enumerate(image):
            yield _reaches(image, dilated(kernels[i], dilations[i]), n + 2 * paddings[i])

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None


def _reaches(image: Shape, extent: int, padded: Dim) -> Requirement:
    """A padded axis is as long as the kernel."""
    return Requirement(
        padded >= extent,
        "T302",
        "kernel_size",
        lambda: (
            f"the kernel spans {extent}, but {written(image)} is {padded} there, padding included"
        ),
    )


@operation
class Unfold(Blocks, kw_only=True):
    """Cuts an image into sliding blocks, a column each: [N, C, H, W] to [N, C·kernel area, number of blocks]."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield has_rank(x0, 3, 4)
        for dim in range(len(x0) - 3, len(x0)):
            yield is_filled(x0, dim)
        for dim, fits in enumerate(self.fits(x0[-2:]), len(x0) - 2):
            yield fits._replace(dim=dim)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        *lead, channels, height, width = x[0]
        rows, columns = self.grid((height, width))
        return (*lead, channels * self.area(), rows * columns)

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        kernels, strides = per_axis(self.kernel_size, 2), per_axis(self.stride, 2)
        paddings, dilations = per_axis(self.padding, 2), per_axis(self.dilation, 2)
        for i, padding in enumerate(paddings):
            extent = dilated(kernels[i], dilations[i])
            yield no_dropped_rows(x0, len(x0) - 2 + i, extent, strides[i], (padding, padding))

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        return math.prod(y)


@operation
class SlidingWindow(Op, kw_only=True):
    """Windows of ``size`` positions along one dim, each a row behind all dims: torch.Tensor.unfold.

    A dim of n has (n - size) // step + 1 of them. A scalar counts as one position.
    """

    dim: int
    """The dim along which it works; a negative one counts from the end."""
    size: int
    """The length of a window."""
    step: int
    """The distance from one window to the next."""

    def legal(self) -> Requirements:
        yield in_range("size", self.size, 0)
        yield in_range("step", self.step, 1)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield in_rank("dim", self.dim, len(x0))
        n = self._length(x0)
        yield Requirement(
            n >= self.size,
            "T302",
            "size",
            lambda: f"size is {self.size}, but dim {self.dim} of {written(x0)} has {n}",
            dim=wrapped(self.dim, len(x0)),
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        if not x0:
            return (self.size,)
        windows = conv_size(self._length(x0), self.size, self.step, 0)
        dim = wrapped(self.dim, len(x0))
        return (*x0[:dim], windows, *x0[dim + 1 :], self.size)

    def _length(self, x: Shape) -> Dim:
        return x[wrapped(self.dim, len(x))] if x else 1

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.Tensor.unfold", (x[0], self.dim, self.size, self.step))

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        if x0:
            dim = wrapped(self.dim, len(x0))
            yield no_dropped_rows(x0, dim, self.size, self.step, (0, 0))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        if dim >= rank:
            return None
        is_slid = dim == wrapped(self.dim, rank)
        return sliding(self.size, self.step, 0) if is_slid else POINTWISE

    def viewed(self, x: Shape, strides: Shape, y: Shape, training: bool) -> Shape | None:
        if not x:
            return (1,)
        dim = wrapped(self.dim, len(x))
        found = list(strides)
        found[dim] *= self.step
        return (*found, strides[dim])


@operation
class Fold(Blocks, kw_only=True):
    """Adds columns up as sliding blocks of an image, Unfold undone: [N, C·kernel area, blocks] to [N, C, H, W].

    The size may be written over the input's symbols.
    """

    positional = ("output_size", "kernel_size", "dilation", "padding", "stride")

    dim_fields = ("output_size",)

    output_size: Ints
    """The height and width that the blocks are put together to."""

    def legal(self) -> Requirements:
        yield has_length("output_size", self.output_size, 2)
        yield in_range("output_size", self.output_size, 1)
        yield from super().legal()

    def image(self) -> tuple[int, ...]:
        """The output's (height, width)."""
        return per_axis(self.output_size, 2)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        image = self.image()
        if not any(isinstance(n, Term) for n in image):
            return Own(x)
        words = {
            "kernel_size": self.kernel_size,
            "dilation": self.dilation,
            "padding": self.padding,
            "stride": self.stride,
        }
        return Call("torch.nn.functional.fold", (x[0], list(image)), words)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield from self.fits(self.image())
        yield has_rank(x0, 2, 3)
        channels, length = x0[-2:]
        rows, columns = self.grid(self.image())
        blocks: Dim = rows * columns
        yield Requirement(
            length == blocks,
            "T302",
            "output_size",
            lambda: (
                f"output_size {written(self.image())} has {rows}·{columns} = {blocks} blocks; "
                f"the input {written(x0)} has {length}"
            ),
            dim=len(x0) - 1,
        )
        yield is_filled(x0, len(x0) - 2)
        yield Requirement(
            channels % self.area() == 0,
            "T204",
            "kernel_size",
            lambda: (
                f"{channels} channels do not divide by the kernel's {self.area()} positions"
            ),
            dim=len(x0) - 2,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        *lead, channels, _ = x[0]
        return (*lead, channels // self.area(), *self.image())
