"""Models of ultralytics: rows of [from, repeats, module, args], which its own package builds."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tracer.diagnostics import TracerError, words_of
from tracer.importing.recording import Unrepresentable
from tracer.neighbours.asked import Asked, ModuleFound
from tracer.neighbours.parts import Part, no_such_key
from tracer.network.foreign import listed
from tracer.source.tree import Fault

if TYPE_CHECKING:
    import torch

ARGUMENTS = ("scale", "nc", "channels")
"""What may have another value than in the file."""

MODELS = {
    "detect": "DetectionModel",
    "segment": "SegmentationModel",
    "pose": "PoseModel",
    "obb": "OBBModel",
    "classify": "ClassificationModel",
}
"""The package's models by the task that it finds in the rows; another task's is that of a detection."""


def read(root: Part, asked: Asked) -> ModuleFound:
    """The module that the package builds. Raises :class:`Fault`."""
    if asked.key is not None:
        hint = "--until picks a part: model.9"
        raise Fault("T603", "the rows are one network; they take no --key", root.node, hint)
    unknown = [word for word in asked.arguments if word not in ARGUMENTS]
    if unknown:
        raise no_such_key(unknown[0], "what rows leave open (--arg)", ARGUMENTS, None)
    if find_spec("ultralytics") is None:
        message = "the modules of these rows are those of ultralytics, which is not installed"
        raise Fault("T602", message, root.node, "pip install ultralytics")

    told = ["its rows are built by ultralytics"]
    config = {**root.value, **asked.arguments}
    scales = root.get("scales")
    if scales is not None:
        told += _scaled(config, scales)

    def make() -> torch.nn.Module:
        return _made(config, root, asked)

    return ModuleFound(make, told)


def _scaled(config: dict[str, Any], scales: Part) -> list[str]:
    """Put the scale into the rows' config where it has none; what is said of that."""
    known = list(scales.parts)
    if "scale" not in config and known:
        config["scale"] = known[0]
        return [f"scale {known[0]} assumed, of {listed(known)} (--arg scale={known[-1]})"]
    if known and config["scale"] not in known:
        raise no_such_key(str(config["scale"]), "`scales`", known, scales.node)
    return []


def _made(config: Mapping[str, Any], root: Part, asked: Asked) -> torch.nn.Module:
    from tracer.neighbours.reading import told
    from tracer.torch_bridge.factory import module_by

    try:
        return module_by(lambda: _model(config), "ultralytics")
    except Unrepresentable as error:
        cause = error.__cause__
        words = str(error) if cause is None else f"{type(cause).__name__}: {words_of(cause)}"
        fault = Fault("T602", f"ultralytics does not build these rows: {words}", root.node)
        raise TracerError([told(fault, asked)]) from None


def _model(config: Mapping[str, Any]) -> Any:
    from ultralytics.nn import tasks

    task = tasks.guess_model_task(dict(config))
    kind = getattr(tasks, MODELS.get(task, "DetectionModel"))
    return kind(dict(config), ch=config.get("channels", 3), verbose=False)
