"""Fourier transforms, and complex numbers between them. Names and arguments are those of torch.fft.

A dim of a transform may be cut or filled to a size, which may be written over the input's symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from tracer.ops.base import (
    Ints,
    Op,
    Requirement,
    Requirements,
    Shape,
    in_range,
    operation,
    written,
)
from tracer.ops.calls import Call, Tensor, Term
from tracer.ops.merge import broadcast_shape, broadcastable
from tracer.ops.rearrange import in_rank, wrapped
from tracer.ops.windows import POINTWISE, Window
from tracer.sizing.arithmetic import Dim

Norm = Literal["forward", "backward", "ortho"]


class Transform(Op, kw_only=True):
    """A Fourier transform along some dims, each of which sees all of itself."""

    halves: ClassVar[bool] = False
    """It gives the half of the last dim that real numbers need."""
    doubles: ClassVar[bool] = False
    """It takes that half."""

    norm: Norm | None = None
    """How the result is scaled: `backward`, `forward` or `ortho`."""

    def dims(self, rank: int) -> tuple[int, ...]:
        """The dims that are transformed, from 0."""
        raise NotImplementedError

    def wanted(self) -> tuple[int, ...] | None:
        """The sizes that the dims are cut or filled to; -1 leaves one as it is."""
        raise NotImplementedError

    def legal(self) -> Requirements:
        field = self.dim_fields[0]
        for n in self.wanted() or ():
            yield in_range(field, n, -1 if field == "s" else 0)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        dims = self.dims(len(x0))
        yield Requirement(
            len(x0) >= 1, "T303", None, "takes an input of at least 1 dim, not a scalar"
        )
        wanted = self.wanted()
        yield Requirement(
            wanted is None or len(wanted) == len(dims),
            "T203",
            self.dim_fields[0],
            lambda: f"{len(wanted or ())} sizes are given for {len(dims)} dims",
        )
        for dim in dims:
            yield in_rank("dim", dim, len(x0))
        places = [wrapped(dim, len(x0)) for dim in dims]
        yield Requirement(
            len(set(places)) == len(places),
            "T202",
            "dim",
            lambda: f"dim {written(dims)} names a dim twice",
        )
        for dim, n in zip(places, self._points(x0)):
            yield _has_points(x0, dim, n)

    def _points(self, x: Shape) -> list[Dim]:
        """The number of points of each transform."""
        dims = self.dims(len(x))
        wanted = self.wanted() or (-1,) * len(dims)
        points: list[Dim] = []
        for number, (dim, n) in enumerate(zip(dims, wanted)):
            is_own = isinstance(n, int) and n == -1
            is_half = self.doubles and number == len(dims) - 1
            if not is_own:
                points.append(n)
            else:
                points.append(2 * (x[dim] - 1) if is_half else x[dim])
        return points

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        (x0,) = x
        made = list(x0)
        points = self._points(x0)
        if self.halves:
            points[-1] = points[-1] // 2 + 1
        for dim, n in zip(self.dims(len(x0)), points):
            made[dim] = n
        return tuple(made)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        name = type(self).__name__.lower()
        words: dict[str, Any] = {}
        wanted = self.wanted()
        if wanted is not None:
            words[self.dim_fields[0]] = list(wanted) if self.dim_fields[0] == "s" else wanted[0]
        dims = self.dims(x[0].rank)
        words["dim"] = list(dims) if self.dim_fields[0] == "s" else dims[0]
        if self.norm is not None:
            words["norm"] = self.norm
        return Call(f"torch.fft.{name}", x, words)

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        rank = len(x[0])
        is_along = dim in [wrapped(own, rank) for own in self.dims(rank)]
        return None if is_along else POINTWISE


def _has_points(x: Shape, dim: int, n: Dim) -> Requirement:
    return Requirement(
        n >= 1,
        "T302",
        None,
        lambda: f"a transform of dim {dim} of {written(x)} has {n} points; it needs at least 1",
        dim=dim,
    )


class LineTransform(Transform, kw_only=True):
    """A transform along one dim."""

    dim_fields: ClassVar[tuple[str, ...]] = ("n",)

    n: int | None = None
    """The length of the transform; the input is cut or padded with zeros to it."""
    dim: int = -1
    """The dim along which it works; a negative one counts from the end."""

    def dims(self, rank: int) -> tuple[int, ...]:
        return (self.dim,)

    def wanted(self) -> tuple[int, ...] | None:
        return None if self.n is None else (self.n,)


class PlaneTransform(Transform, kw_only=True):
    """A transform along two dims, the last ones by default."""

    dim_fields: ClassVar[tuple[str, ...]] = ("s",)

    s: tuple[int, ...] | None = None
    """The lengths of the transform along its axes; the input is cut or padded with zeros to them."""
    dim: tuple[int, ...] = (-2, -1)
    """The two dims of the transform."""

    def dims(self, rank: int) -> tuple[int, ...]:
        return self.dim

    def wanted(self) -> tuple[int, ...] | None:
        return self.s


class SpaceTransform(Transform, kw_only=True):
    """A transform along several dims: by default as many of the last ones as sizes are given, or all."""

    dim_fields: ClassVar[tuple[str, ...]] = ("s",)

    s: tuple[int, ...] | None = None
    """The lengths of the transform along its axes; the input is cut or padded with zeros to them."""
    dim: tuple[int, ...] | None = None
    """The dims of the transform; left out: as many of the last ones as sizes are given, or all."""

    def dims(self, rank: int) -> tuple[int, ...]:
        if self.dim is not None:
            return self.dim
        count = rank if self.s is None else len(self.s)
        return tuple(range(-count, 0))

    def wanted(self) -> tuple[int, ...] | None:
        return self.s


@operation
class Fft(LineTransform, kw_only=True):
    """torch.fft.fft: the complex spectrum of a dim, of its size or of n points."""


@operation
class Ifft(LineTransform, kw_only=True):
    """torch.fft.ifft: complex numbers of a complex spectrum."""


@operation
class Rfft(LineTransform, kw_only=True):
    """torch.fft.rfft: the half of a spectrum that real numbers have, n // 2 + 1 of n."""

    halves = True


@operation
class Irfft(LineTransform, kw_only=True):
    """torch.fft.irfft: the real numbers of half a spectrum, n, or 2·(m - 1) of m."""

    doubles = True


@operation
class Fft2(PlaneTransform, kw_only=True):
    """torch.fft.fft2: the complex spectrum of two dims."""


@operation
class Ifft2(PlaneTransform, kw_only=True):
    """torch.fft.ifft2: complex numbers of a complex spectrum of two dims."""


@operation
class Rfft2(PlaneTransform, kw_only=True):
    """torch.fft.rfft2: the half of a spectrum of two dims that real numbers have, n // 2 + 1 of the last one."""

    halves = True


@operation
class Irfft2(PlaneTransform, kw_only=True):
    """torch.fft.irfft2: the real numbers of half a spectrum of two dims, of the sizes s."""

    doubles = True


@operation
class Fftn(SpaceTransform, kw_only=True):
    """torch.fft.fftn: the complex spectrum of several dims."""


@operation
class Ifftn(SpaceTransform, kw_only=True):
    """torch.fft.ifftn: complex numbers of a complex spectrum of several dims."""


@operation
class Rfftn(SpaceTransform, kw_only=True):
    """torch.fft.rfftn: the half of a spectrum of several dims that real numbers have, n // 2 + 1 of the last one."""

    halves = True


@operation
class Irfftn(SpaceTransform, kw_only=True):
    """torch.fft.irfftn: the real numbers of half a spectrum of several dims, of the sizes s."""

    doubles = True


class Shifted(Op, kw_only=True):
    """Halves of dims in each other's place; null is all dims."""

    dim: Ints | None = None
    """The dims whose halves change places; left out: all of them."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        given = () if self.dim is None else self.dim
        for dim in given if isinstance(given, tuple) else (given,):
            yield in_rank("dim", dim, len(x[0]))

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        name = type(self).__name__.lower()
        dim = list(self.dim) if isinstance(self.dim, tuple) else self.dim
        return Call(f"torch.fft.{name}", (x[0], dim))

    def window(self, dim: int, *x: Shape, **sizes: Shape) -> Window | None:
        return None


@operation
class Fftshift(Shifted, kw_only=True):
    """torch.fft.fftshift: the middle of a spectrum is what was at its beginning; the shape stays."""


@operation
class Ifftshift(Shifted, kw_only=True):
    """torch.fft.ifftshift: undoes Fftshift."""


# --- complex numbers -------------------------------------------------------------------------------------------------


@operation
class Complex(Op, kw_only=True):
    """torch.complex: complex numbers of their real and imaginary parts, which broadcast."""

    arity = (2, 2)

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        yield from broadcastable(x)

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return broadcast_shape(x)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.complex", x)


@operation
class ViewAsReal(Op, kw_only=True):
    """torch.view_as_real: the parts of complex numbers as a last dim of 2."""

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return (*x[0], 2)

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.view_as_real", x)


@operation
class ViewAsComplex(Op, kw_only=True):
    """torch.view_as_complex: complex numbers of the two parts in the last dim."""

    def requirements(self, *x: Shape, **sizes: Shape) -> Requirements:
        (x0,) = x
        yield Requirement(
            len(x0) >= 1, "T303", None, "takes an input of at least 1 dim, not a scalar"
        )
        yield Requirement(
            x0[-1] == 2,
            "T302",
            None,
            lambda: f"complex numbers have 2 parts; the last dim of {written(x0)} is {x0[-1]}",
            dim=len(x0) - 1,
        )

    def shape(self, *x: Shape, **sizes: Shape) -> Shape:
        return x[0][:-1]

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call("torch.view_as_complex", x)


@operation
class ComplexPart(Op, kw_only=True):
    """A number of each complex one: torch.real, torch.imag, torch.angle, torch.conj_physical."""

    function: Literal["real", "imag", "angle", "conj_physical"]
    """The name of torch's function."""

    def call(self, x: Sequence[Tensor], given: Mapping[str, Tensor]) -> Term:
        return Call(f"torch.{self.function}", x)
