"""Shapes of encoder/decoder networks: check, trace and design U-Nets from YAML, without torch.

import tracer
net = tracer.load("configs/unet_2015.yaml", base=32)
net.trace(H=572, W=572).shapes["enc1"]      # (1, 32, 568, 568)
tracer.check("configs/unet_2015.yaml")      # a list of diagnostics; empty is good
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tracer import testing
    from tracer.api.designs import design
    from tracer.api.functions import (
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
    from tracer.api.imports import from_onnx, import_
    from tracer.comparing.comparison import Comparison
    from tracer.diagnostics import Diagnostic, Span, TracerError
    from tracer.net import Net
    from tracer.planning.constraints import Constraints
    from tracer.planning.working_sizes import WorkingSizes
    from tracer.repairing.repairs import Plan
    from tracer.shapes.trace import Trace
    from tracer.sizing.size_set import SizeSet
    from tracer.views.notebook import Drawing as Drawing
    from tracer.views.notebook import Printed as Printed
    from tracer.views.notebook import data_frame as data_frame
    from tracer.views.notebook import drawing_of as drawing_of
    from tracer.views.notebook import html_of as html_of
    from tracer.views.notebook import printed_table as printed_table
    from tracer.views.notebook import svg_of as svg_of

__version__ = "0.7.0"

DISTRIBUTION = "shape-tracer"
"""What installs this package, by which it is told from another project's of the same name."""

_PUBLIC = {
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
        "tracer.api.functions",
    ),
    **dict.fromkeys(("Diagnostic", "Span", "TracerError"), "tracer.diagnostics"),
    **dict.fromkeys(("from_onnx", "import_"), "tracer.api.imports"),
    "Comparison": "tracer.comparing.comparison",
    "Constraints": "tracer.planning.constraints",
    "Net": "tracer.net",
    "Plan": "tracer.repairing.repairs",
    "SizeSet": "tracer.sizing.size_set",
    "Trace": "tracer.shapes.trace",
    "WorkingSizes": "tracer.planning.working_sizes",
    "design": "tracer.api.designs",
}
"""The module of each public name."""

_SHOWN = dict.fromkeys(
    ("Drawing", "Printed", "data_frame", "drawing_of", "html_of", "printed_table", "svg_of"),
    "tracer.views.notebook",
)
"""How the answers show themselves: their methods find it here, and need no module above their own."""

__all__ = [
    "Comparison", "Constraints", "Diagnostic", "Net", "Plan", "SizeSet", "Span", "Trace", "TracerError", "WorkingSizes",
    "build", "check", "checks", "compare", "constraints", "design", "draw", "from_module", "from_onnx", "import_",
    "load", "loads", "plan", "sizes", "testing", "tile",
]  # fmt: skip


def __dir__() -> list[str]:
    """The public names, whether they are imported yet or not, and none besides them."""
    return [*__all__, "__doc__", "__file__", "__name__", "__path__", "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import tracer`` costs nothing."""
    from importlib import import_module

    if name == "testing":
        return import_module("tracer.testing")
    home = _PUBLIC.get(name) or _SHOWN.get(name)
    if home is None:
        raise AttributeError(f"module 'tracer' has no attribute {name!r}")
    return getattr(import_module(home), name)
