"""Layers that change the size by their stride alone: those that a person writes, for the most part."""

from __future__ import annotations

from tracer.ops.base import Op, per_axis
from tracer.ops.convolution import ConvTranspose


def is_natural(op: Op) -> bool:
    """Whether a layer changes the size by its stride alone, as far as it divides the size.

    >>> from tracer.ops.convolution import Conv2d, ConvTranspose2d
    >>> is_natural(Conv2d(out_channels=4, kernel_size=4, stride=2, padding=1))
    True
    >>> is_natural(ConvTranspose2d(out_channels=4, kernel_size=3, stride=2, padding=1))
    False
    """
    axes = int(getattr(op, "axes", 1))
    kernel, padding = getattr(op, "kernel_size", None), getattr(op, "padding", 0)
    if kernel is None or isinstance(padding, str):
        return True

    stride = getattr(op, "stride", None)
    given = (
        kernel,
        kernel if stride is None else stride,
        padding,
        getattr(op, "dilation", 1),
        getattr(op, "output_padding", 0),
    )
    is_up = isinstance(op, ConvTranspose)
    along = zip(*(per_axis(value, axes) for value in given))
    return all(_enlarges(*one) if is_up else _shrinks(*one) for one in along)


def _enlarges(
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    rest: int,
) -> bool:
    """Whether the size becomes its product with the stride, without holes."""
    extent = dilation * (kernel - 1) + 1
    return kernel >= stride and extent + rest - 2 * padding == stride


def _shrinks(
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    _: int,
) -> bool:
    """Whether the size becomes its quotient by the stride."""
    beside = dilation * (kernel - 1)
    is_patch = kernel == stride and padding == 0
    if stride == 1:
        return 2 * padding == beside
    return is_patch or padding == beside // 2
