"""Floor 2: the operations, a file per family. ``registry`` finds each by its name in YAML."""

from tracer.ops import convolution
from tracer.ops.base import Op, Requirement, Shape, Window, registry

__all__ = ["Op", "Requirement", "Shape", "Window", "convolution", "registry"]
