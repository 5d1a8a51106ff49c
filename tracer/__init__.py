"""Shapes of encoder/decoder networks: check, trace and design U-Nets from YAML, without torch.

import tracer
net = tracer.load("configs/unet_2015.yaml", base=32)
net.trace(H=572, W=572).shapes["enc1"]      # (1, 32, 568, 568)
tracer.check("configs/unet_2015.yaml")      # a list of diagnostics; empty is good
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracer.api import (
        build,
        check,
        checks,
        compare,
        constraints,
        draw,
        from_module,
        load,
        loads,
        plan,
        sizes,
        tile,
    )
    from tracer.diagnostics import Diagnostic, Span, TracerError
    from tracer.net import Net
    from tracer.planning.constraints import Constraints
    from tracer.repairing.repairs import Plan
    from tracer.sizing.size_set import SizeSet

__version__ = "0.7.0"

DISTRIBUTION = "shape-tracer"
"""What installs this package, by which it is told from another project's of the same name."""

_HOME = {
    **dict.fromkeys(
        (
            "build",
            "check",
            "checks",
            "compare",
            "constraints",
            "draw",
            "from_module",
            "load",
            "loads",
            "plan",
            "sizes",
            "tile",
        ),
        "tracer.api",
    ),
    "Constraints": "tracer.planning.constraints",
    "Net": "tracer.net",
    "Plan": "tracer.repairing.repairs",
    "SizeSet": "tracer.sizing.size_set",
    **dict.fromkeys(("Diagnostic", "Span", "TracerError"), "tracer.diagnostics"),
}

__all__ = [
    "Constraints", "Diagnostic", "Net", "Plan", "SizeSet", "Span", "TracerError",
    "build", "check", "checks", "compare", "constraints", "draw", "from_module", "load", "loads", "plan", "sizes",
    "tile",
]  # fmt: skip


def __dir__() -> list[str]:
    """The public names, whether they are imported yet or not."""
    return [*globals(), *__all__]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import tracer`` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'tracer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
