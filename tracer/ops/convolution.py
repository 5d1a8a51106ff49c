"""Convolutions and transposed convolutions, 1d to 3d."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import gcd
from typing import Any, ClassVar, Literal, NamedTuple

from tracer.ops.base import (
    FROM_0,
    FROM_1,
    Ints,
    Kept,
    NodeName,
    Op,
    Requirement,
    Requirements,
    Shape,
    autos,
    has_channels,
    has_length,
    has_rank,
    in_range,
    is_filled,
    no_dropped_rows,
    operation,
    per_axis,
    written,
)
from tracer.ops.calls import Own, Tensor, Term
from tracer.ops.windows import POINTWISE, Seen, Window, seen_by_spreading, sliding, spreading
from tracer.sizing.arithmetic import Dim, Holds, conv_size, dilated, maximum, transposed_size

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def product(values: tuple[Dim, ...]) -> Dim:
    """The product of dims; 1 for none."""
    total: Dim = 1
    for value in values:
        total = total * value
    return total


def _width_hint(x: Shape, dim: int, declared: int) -> str:
    """What to do about an input of other channels than a layer is made for."""
    if (x[-1] == declared) is not True:
        return "leave in_channels out to take the input's"
    moved = (*x[:dim], x[-1], *x[dim:-1])
    return f"are the channels last? torch takes them before the sizes: {written(moved)}"


class Convolving(Op, kw_only=True):
    """A convolution or transposed convolution: channels, groups, kernel."""

    autocast = "lower"

    axes: ClassVar[int]
    fixed_window = True
    solvable = autos(
        kernel_size=FROM_1,
        stride=FROM_1,
        padding=FROM_0,
        dilation=FROM_1,
        output_padding=FROM_0,
    )

    in_channels: int | None = None
    """Channels of the input; left out: as many as it has."""
    out_channels: int
    """Channels of the output."""
    kernel_size: Ints
    """The size of the kernel, one number or one for each axis."""
    stride: Ints = 1
    """The distance from one position of the kernel to the next, one number or one for each axis."""
    groups: int = 1
    """The number of groups that channels are split into, each convolved by itself; it divides both."""
    bias: bool = True
    """Learned summands are added."""
    dilation: Ints = 1
    """The distance between the positions that the kernel reads, one number or one for each axis."""
    padding_mode: PaddingMode = "zeros"
    """What stands in the padding: zeros, a reflection, copies of the edge, or the other side."""
    device: str | None = None
    """Where torch makes the parameters; shapes do not depend on it."""
    dtype: str | None = None
    """The type of the numbers; shapes do not depend on it."""

    def legal(self) -> Requirements:
        yield has_length("kernel_size", self.kernel_size, self.axes)
        yield in_range("kernel_size", self.kernel_size, 1)
        yield has_length("stride", self.stride, 1, self.axes)
        yield in_range("stride", self.stride, 1)
        yield has_length("dilation", self.dilation, 1, self.axes)
        yield in_range("dilation", self.dilation, 1)
        yield in_range("groups", self.groups, 1)
        yield in_range("out_channels", self.out_channels, 1)
        if self.in_channels is not None:
            yield in_range("in_channels", self.in_channels, 1)
            yield self._grouped("in_channels", self.in_channels)
        if not self._is_whole():
            yield self._grouped("out_channels", self.out_channels)

    def _is_whole(self) -> bool:
        """True where every output channel sees every input channel."""
        return isinstance(self.groups, int) and self.groups == 1

    def _grouped(self, field: str, channels: Dim) -> Requirement:
        return Requirement(
            channels % self.groups == 0,
            "T205",
            "groups",
            lambda: f"{channels} {field} do not divide into {self.groups} groups",
        )

    def _accepts(self, x: Shape) -> Requirements:
        """Rank, channels and groups of the input."""
        if not self.axes < len(x) <= self.axes + 2:
            yield has_rank(x, self.axes + 1, self.axes + 2)
        dim = len(x) - self.axes - 1
        channels, declared = x[dim], self.in_channels
        if declared is None:
            if not self._is_whole():
                yield self._grouped("in_channels", channels)._replace(dim=dim)
            if (some := channels >= 1) is not True:
                yield has_channels(x, dim, some)
        elif (same := channels == declared) is not True:
            yield Requirement(
                same,
                "T204",
                "in_channels",
                lambda: (
                    f"in_channels is {declared}, but the input {written(x)} has {channels} channels"
                ),
                _width_hint(x, dim, declared),
                dim=dim,
            )

    def leading_dims(self, *x: Shape) -> int | None:
        return len(x[0]) - self.axes

    def inferred(self, *x: Shape) -> dict[str, Any]:
        return {"in_channels": x[0][-self.axes - 1]}

    def parameters(self, *x: Shape) -> Dim:
        channels = x[0][-self.axes - 1]
        weights = (
            channels
            * self.out_channels
            * product(per_axis(self.kernel_size, self.axes))
            // self.groups
        )
        return weights + (self.out_channels if self.bias else 0)


class Conv(Convolving, kw_only=True):
    """Convolution: slides a kernel over the input, out = (n + 2·padding − dilation·(kernel − 1) − 1) // stride + 1."""

    positional = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "groups",
        "bias",
        "padding_mode",
    )

    padding: Ints | Literal["same", "valid"] = 0
    """Positions added on both sides, one number or one for each axis; `same` keeps the size, `valid` adds none."""

    def legal(self) -> Requirements:
        yield from super().legal()
        if isinstance(self.padding, str):
            strided = any(s != 1 for s in per_axis(self.stride, self.axes))
            yield Requirement(
                self.padding == "valid" or not strided,
                "T202",
                "padding",
                lambda: f"padding: same needs stride 1; the stride is {written(self.stride)}",
                "give the padding as a number: kernel_size // 2 halves an even size with stride 2",
            )
            return
        lengths = (1, self.axes) if self.padding_mode == "zeros" else (self.axes,)
        yield has_length("padding", self.padding, *lengths)
        if self.padding_mode == "zeros":
            yield in_range("padding", self.padding, 0)

    def _windows(self) -> tuple[tuple[int, int, int, int], ...]:
        return conv_windows(
            self.axes, self.kernel_size, self.stride, self.padding, self.dilation
        )

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        # A check that holds as a plain bool is skipped rather than yielded: convolutions are what a trace spends
        # its time on. Symbols and arrays never are `True`, so they always reach the caller.
        (x0,) = x
        yield from self._accepts(x0)
        axes = self.axes
        no_batch = x0[0] == 0 if len(x0) == axes + 2 else False
        for dim, (extent, _, left, right) in enumerate(self._windows(), len(x0) - axes):
            n = x0[dim]
            if self.padding_mode in ("reflect", "circular"):
                yield self._fits_mode(x0, dim, max(left, right))
            if (filled := n >= 1) is not True:
                yield is_filled(x0, dim, filled | no_batch)
            if (reaches := n >= extent - left - right) is not True:
                yield _reaches(x0, dim, extent, left + right, reaches)

    def _fits_mode(self, x: Shape, dim: int, largest: int) -> Requirement:
        """The input has the rows that are mirrored or wrapped around."""
        circular = self.padding_mode == "circular"
        return Requirement(
            x[dim] >= largest if circular else x[dim] > largest,
            "T306",
            "padding",
            lambda: (
                f"{self.padding_mode} padding of {largest} needs an input of at least "
                f"{largest if circular else largest + 1}; {written(x)} has {x[dim]}"
            ),
            dim=dim,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        axes = self.axes
        spatial = [
            conv_size(x0[i - axes], extent, stride, left + right)
            for i, (extent, stride, left, right) in enumerate(self._windows())
        ]
        return (*x0[: -axes - 1], self.out_channels, *spatial)

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        first = len(x[0]) - self.axes
        for dim, (extent, stride, left, right) in enumerate(self._windows(), first):
            if stride != 1:
                yield no_dropped_rows(x[0], dim, extent, stride, (left, right))

    def macs(self, y: Shape, *x: Shape) -> Dim:
        channels = x[0][-self.axes - 1]
        return (
            product(y)
            * (channels // self.groups)
            * product(per_axis(self.kernel_size, self.axes))
        )

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return POINTWISE
        extent, stride, left, _ = self._windows()[axis]
        return sliding(extent, stride, left, per_axis(self.dilation, self.axes)[axis])

    def is_local(self, dim: int, *x: Shape, **sizes: Shape) -> bool:
        axis = dim - len(x[0]) + self.axes
        if axis < 0 or self.padding_mode != "circular":
            return True
        _, _, left, right = self._windows()[axis]
        return max(left, right) == 0

    def backward_extra(self, y: Shape, *x: Shape) -> Dim:
        # The gradient of what it slides over, where that is a map of its own; a circular pad is undone in two steps.
        padded = self.kept(y, [True], *x).values
        return 2 * padded if self.padding_mode == "circular" else padded

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        # What it slides over: torch pads into a map of its own, except with as many zeros on either side.
        x0, sides = x[0], [(left, right) for _, _, left, right in self._windows()]
        spatial = x0[-self.axes :]
        if self.padding_mode != "zeros":
            padded = [n + left + right for n, (left, right) in zip(spatial, sides)]
            both = needs[0] and self.padding_mode != "circular"
            return Kept((0,) if both else (), values=product((*x0[: -self.axes], *padded)))
        if all(left == right for left, right in sides):
            return Kept((0,))
        padded = [n + abs(right - left) for n, (left, right) in zip(spatial, sides)]
        return Kept(values=product((*x0[: -self.axes], *padded)))


def _reaches(x: Shape, dim: int, extent: int, padding: int, holds: Holds) -> Requirement:
    """The padded input is as large as the kernel: there is an output."""
    return Requirement(
        holds,
        "T302",
        "kernel_size",
        lambda: (
            f"the kernel spans {extent}, but the input {written(x)} is {x[dim] + padding} in dim "
            f"{dim}, padding included"
        ),
        dim=dim,
    )


@lru_cache(maxsize=4096)
def conv_windows(
    axes: int, kernel_size: Ints, stride: Ints, padding: Ints | str, dilation: Ints
) -> tuple[tuple[int, int, int, int], ...]:
    """Per axis: the dilated kernel's extent, the stride, and the padding left and right.

    ``same`` puts the odd one to the right.
    """
    extents = [
        dilated(k, d) for k, d in zip(per_axis(kernel_size, axes), per_axis(dilation, axes))
    ]
    if padding == "same":
        sides = [((e - 1) // 2, e - 1 - (e - 1) // 2) for e in extents]
    elif isinstance(padding, str):
        sides = [(0, 0)] * axes
    else:
        sides = [(p, p) for p in per_axis(padding, axes)]
    return tuple((e, s, *side) for e, s, side in zip(extents, per_axis(stride, axes), sides))


class SameSize(NamedTuple):
    """The numbers of a transposed convolution whose output is as many times larger as its strides, per axis."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]


def _same_size(arguments: Mapping[str, Any], axes: int) -> SameSize | None:
    """The paddings that make the output stride times the input; None where none do, or a number is no number yet."""
    try:
        kernels, strides, dilations = (
            [int(n) for n in per_axis(value, axes)]
            for value in (
                arguments["kernel_size"],
                arguments.get("stride", 1),
                arguments.get("dilation", 1),
            )
        )
    except (KeyError, TypeError, ValueError):
        return None

    # (n - 1)·stride + dilation·(kernel - 1) + 1 rows, of which all but n·stride are too many.
    excess = [
        dilation * (kernel - 1) + 1 - stride
        for kernel, stride, dilation in zip(kernels, strides, dilations)
    ]
    paddings = [max((n + 1) // 2, 0) for n in excess]
    extras = [2 * padding - n for padding, n in zip(paddings, excess)]
    largest = [max(pair) for pair in zip(strides, dilations)]
    if any(extra >= most for extra, most in zip(extras, largest)):
        return None
    return SameSize(tuple(strides), tuple(paddings), tuple(extras))


class ConvTranspose(Convolving, kw_only=True):
    """Transposed convolution, the decoder's learned upsampling.

    out = (n − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1.
    """

    positional = (
        "in_channels",
        "out_channels",
        "kernel_size",
        "stride",
        "padding",
        "output_padding",
        "groups",
        "bias",
        "dilation",
        "padding_mode",
    )

    node_fields = ("output_size",)

    padding: Ints = 0
    """Positions taken from both ends of the output, one number or one for each axis."""
    output_padding: Ints = 0
    """Rows added at the output's end, fewer than stride or dilation: they pick the size that the stride left open."""
    output_size: NodeName | None = None
    """The node whose size comes out: it picks the output padding at run time."""

    def legal(self) -> Requirements:
        yield from super().legal()
        yield has_length("padding", self.padding, 1, self.axes)
        yield in_range("padding", self.padding, 0)
        yield has_length("output_padding", self.output_padding, 1, self.axes)
        yield in_range("output_padding", self.output_padding, 0)
        yield Requirement(
            self.padding_mode == "zeros",
            "T202",
            "padding_mode",
            lambda: (
                f"a transposed convolution takes padding_mode zeros only, not {self.padding_mode}"
            ),
        )

    @classmethod
    def meaning(cls, field: str, text: str, arguments: Mapping[str, Any]) -> str | None:
        """Keras's words for the padding, which torch has for convolutions alone."""
        if field != "padding" or text not in ("same", "valid"):
            return None
        if text == "valid":
            return "write padding: 0"

        numbers = _same_size(arguments, cls.axes)
        if numbers is None:
            return cls._solved_for(arguments)
        stride = numbers.stride if len(set(numbers.stride)) > 1 else numbers.stride[0]
        larger = [32 * n for n in numbers.stride]
        grown = " x ".join(map(str, larger)) + " from " + " x ".join(["32"] * cls.axes)
        values = {"padding": numbers.padding, "output_padding": numbers.output_padding}
        given = ", ".join(
            f"{word}: {written(value if len(set(value)) > 1 else value[0])}"
            for word, value in values.items()
        )
        return f"in Keras that is {written(stride)} times the size; write {given}: {grown}"

    @staticmethod
    def _solved_for(arguments: Mapping[str, Any]) -> str | None:
        """The same where a number is solved for: the paddings are then, too."""
        if "auto" not in [
            arguments.get(word) for word in ("kernel_size", "stride", "dilation")
        ]:
            return None
        return (
            "in Keras that is the stride times the size; write padding: auto, output_padding: auto, "
            "and `expect` with the size that is to come out"
        )

    def _size(self, n: Dim, i: int, output_padding: int) -> Dim:
        axes = self.axes
        return transposed_size(
            n,
            per_axis(self.kernel_size, axes)[i],
            per_axis(self.stride, axes)[i],
            per_axis(self.padding, axes)[i],
            per_axis(self.dilation, axes)[i],
            output_padding,
        )

    def _may_be_empty(self, batch: Dim) -> Holds:
        """An output of 0 passes where the CPU takes oneDNN's path, and always for an empty batch.

        Source: ATen/native/Convolution.cpp, use_mkldnn. Left out: its path for inputs of more than 20,480 elements,
        which would couple the axes, and that a single thread takes the other path for 1x1 kernels.
        """
        strides, kernels = (
            per_axis(self.stride, self.axes),
            per_axis(self.kernel_size, self.axes),
        )
        # An output_padding may be a symbol while a plan is made, and so may a kernel: joined, not branched on.
        path: Holds = (batch != 1) | (self.groups > 1)
        if self.axes > 1:
            path = path | ((kernels[-1] > 3) & (kernels[-2] > 3))
        for extra, stride in zip(per_axis(self.output_padding, self.axes), strides):
            path = path & (extra < stride)
        return (batch == 0) | path

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield from self._accepts(x0)
        axes = self.axes
        batch = x0[0] if len(x0) == axes + 2 else 1
        no_batch = batch == 0
        wanted = sizes.get("output_size")
        if wanted is not None:
            yield Requirement(
                len(wanted) >= axes,
                "T303",
                "output_size",
                lambda: (
                    f"output_size needs {axes} spatial sizes; {written(wanted)} has {len(wanted)} dims"
                ),
            )
        for i in range(axes):
            dim = len(x0) - axes + i
            if (filled := x0[dim] >= 1) is not True:
                yield is_filled(x0, dim, filled | no_batch)
            if wanted is not None:
                yield self._can_make(x0, i, wanted[i - axes])
            else:
                yield self._fits_stride(x0, i, no_batch)
                yield self._makes_output(x0, i, batch)

    def _can_make(self, x: Shape, i: int, want: Dim) -> Requirement:
        """Some output_padding makes the size wanted along an axis."""
        dim = len(x) - self.axes + i
        least = self._size(x[dim], i, 0)
        most = least + per_axis(self.stride, self.axes)[i] - 1
        return Requirement(
            (want >= least) & (want <= most),
            "T301",
            "output_size",
            lambda: f"makes {least}..{most} from {x[dim]}, but output_size asks for {want}",
            dim=dim,
        )

    def _fits_stride(self, x: Shape, i: int, no_batch: Holds) -> Requirement:
        """The output_padding of an axis is less than its stride or its dilation."""
        extra, stride, dilation = (
            per_axis(argument, self.axes)[i]
            for argument in (self.output_padding, self.stride, self.dilation)
        )
        return Requirement(
            no_batch | (extra < maximum(stride, dilation)),
            "T206",
            "output_padding",
            lambda: (
                f"output_padding is {extra}; torch needs it smaller than the stride or the dilation "
                f"({stride} and {dilation})"
            ),
            dim=len(x) - self.axes + i,
        )

    def _makes_output(self, x: Shape, i: int, batch: Dim) -> Requirement:
        """The output has a size of 1 or more along an axis, or torch takes that it is empty."""
        dim = len(x) - self.axes + i
        out = self._size(x[dim], i, per_axis(self.output_padding, self.axes)[i])
        return Requirement(
            (out >= 1) | ((out == 0) & self._may_be_empty(batch)),
            "T302",
            "padding",
            lambda: f"the output size is {out} from {x[dim]} in dim {dim}",
            "lessen the padding, or feed a larger input",
            dim=dim,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        axes = self.axes
        wanted = sizes.get("output_size")
        if wanted is not None:
            spatial = wanted[-axes:]
        else:
            extra = per_axis(self.output_padding, axes)
            spatial = tuple(self._size(x0[i - axes], i, extra[i]) for i in range(axes))
        return (*x0[: -axes - 1], self.out_channels, *spatial)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        model = given.get("output_size")
        if model is None:
            return Own(x)
        return Own(
            x,
            {"output_size": [model.size(model.rank - self.axes + i) for i in range(self.axes)]},
        )

    def remarks(self, *x: Shape, **sizes: Shape) -> Requirements:
        # oneDNN returns an empty tensor; the CPU's plain path and the meta device refuse. Which one is taken depends
        # on the batch, the groups, the kernel and the number of threads, so neither verdict would hold.
        y = self.shape(*x, **sizes)
        for dim in range(len(y) - self.axes, len(y)):
            yield Requirement(
                y[dim] >= 1,
                "T506",
                "padding",
                lambda: (
                    f"the output {written(y)} is empty, which some backends of torch refuse"
                ),
                "lessen the padding, or feed a larger input",
                dim=dim,
            )

    def macs(self, y: Shape, *x: Shape) -> Dim:
        positions = product(x[0])  # every input position meets the whole kernel
        return (
            positions
            * self.out_channels
            // self.groups
            * product(per_axis(self.kernel_size, self.axes))
        )

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return POINTWISE
        kernel, stride, padding, dilation = self._spread(axis)
        extent = dilated(kernel, dilation)
        return spreading(extent, stride, padding, (extent - 1) // stride + 1)

    def sees(self, dim: int, *x: Shape, **sizes: Shape) -> Seen | None:
        axis = dim - len(x[0]) + self.axes
        if axis < 0:
            return super().sees(dim, *x, **sizes)
        kernel, stride, padding, dilation = self._spread(axis)
        return seen_by_spreading(kernel, stride, padding, dilation)

    def _spread(self, axis: int) -> tuple[int, int, int, int]:
        """Kernel, stride, padding and dilation of one axis."""
        axes = self.axes
        return (
            per_axis(self.kernel_size, axes)[axis],
            per_axis(self.stride, axes)[axis],
            per_axis(self.padding, axes)[axis],
            per_axis(self.dilation, axes)[axis],
        )

    def is_even(self, axis: int) -> bool:
        """Whether every output position gets as many taps, borders aside: torch's kernel spread over its turn.

        A tap that is ``dilation * j`` further falls on the positions of one residue of the stride. All residues get
        some where dilation and stride have no common factor, and as many where the stride divides the kernel.
        """
        kernel, stride, _, dilation = self._spread(axis)
        return gcd(dilation, stride) == 1 and kernel % stride == 0

    def taps(self, axis: int, positions: int | None = None) -> tuple[int, ...]:
        """The number of taps of each of the first output positions, borders ignored; it repeats after ``stride``."""
        kernel, stride, padding, dilation = self._spread(axis)
        common = gcd(dilation, stride)
        apart = stride // common  # taps that reach one position
        inverse = pow(dilation // common, -1, apart) if apart > 1 else 0
        counts = []
        for j in range(stride if positions is None else min(positions, stride)):
            first, rest = divmod(j + padding, common)
            first = first * inverse % apart
            counts.append(0 if rest or first >= kernel else (kernel - 1 - first) // apart + 1)
        return tuple(counts)

    def kept(self, y: Shape, needs: Sequence[bool], *x: Shape) -> Kept:
        return Kept((0,))


@operation
class Conv1d(Conv):
    """1-D convolution over [N, C, L]."""

    axes = 1


@operation
class Conv2d(Conv):
    """2-D convolution over [N, C, H, W]."""

    axes = 2


@operation
class Conv3d(Conv):
    """3-D convolution over [N, C, D, H, W]."""

    axes = 3


@operation
class ConvTranspose1d(ConvTranspose):
    """1-D transposed convolution over [N, C, L]."""

    axes = 1


@operation
class ConvTranspose2d(ConvTranspose):
    """2-D transposed convolution over [N, C, H, W]: the decoder's learned upsampling."""

    axes = 2


@operation
class ConvTranspose3d(ConvTranspose):
    """3-D transposed convolution over [N, C, D, H, W]."""

    axes = 3
