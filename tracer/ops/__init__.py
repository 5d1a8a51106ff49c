"""The operations, a file per family. ``registry`` finds each by its name in YAML."""

from tracer.ops import (
    activation,
    adaptive,
    attention,
    convolution,
    creation,
    crop,
    dropout,
    indexing,
    linear,
    merge,
    normalization,
    order,
    padding,
    pointwise,
    pooling,
    rearrange,
    recurrent,
    resize,
    sampling,
    shuffle,
    spectral,
    statistics,
    unpooling,
)
from tracer.ops.base import Op, Requirement, Shape
from tracer.ops.windows import Window

FAMILIES = (
    convolution,
    pooling,
    adaptive,
    unpooling,
    resize,
    sampling,
    shuffle,
    padding,
    crop,
    merge,
    rearrange,
    order,
    statistics,
    pointwise,
    creation,
    indexing,
    linear,
    attention,
    recurrent,
    spectral,
    normalization,
    activation,
    dropout,
)
"""The files of operations, in the order in which they are shown."""

__all__ = ["FAMILIES", "Op", "Requirement", "Shape", "Window"]
