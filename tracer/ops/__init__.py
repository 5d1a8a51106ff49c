"""Floor 2: the operations, a file per family. ``registry`` finds each by its name in YAML."""

from importlib import import_module

from tracer.ops.base import Op, Requirement, Shape, Window, registry

import pkgutil
for _m in ("convolution","pooling","adaptive","unpooling","resize","padding","shuffle","normalization","activation","dropout","linear","attention","merge","crop","rearrange"):
    try: import_module(f"tracer.ops.{_m}")
    except ModuleNotFoundError as e: pass

__all__ = ["Op", "Requirement", "Shape", "Window", "registry"]
