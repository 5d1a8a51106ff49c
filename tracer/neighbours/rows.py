"""Models of ultralytics: rows of [from, repeats, module, args], which its own package builds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from yaml.nodes import SequenceNode

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
    _check_asked(root, asked)
    if find_spec("ultralytics") is None:
        message = "the modules of these rows are those of ultralytics, which is not installed"
        raise Fault("T602", message, root.node, "pip install ultralytics")

    told = ["its rows are built by ultralytics"]
    config = {**root.value, **asked.arguments}
    scales = root.get("scales")
    if scales is not None:
        told += _scaled(config, scales)

    head = _head(root)
    is_whole = asked.is_training or (asked.until or "").startswith(f"{head.path}.")

    def lines() -> Iterator[str]:
        yield from told
        if not is_whole:
            yield from head.told(asked.until)

    def make() -> torch.nn.Module:
        model = _made(config, root, asked)
        return model if is_whole else _up_to(head, model)

    path = asked.shown or asked.path
    places = {f"model.{number}": row.line(path) for number, row in enumerate(_rows(root))}
    return ModuleFound(make, lines(), places)


def _check_asked(root: Part, asked: Asked) -> None:
    """Raise :class:`Fault` for what rows have not: parts of several networks, and other arguments."""
    if asked.key is not None:
        hint = "--until picks a part: model.9"
        raise Fault("T603", "the rows are one network; they take no --key", root.node, hint)

    unknown = [word for word in asked.arguments if word not in ARGUMENTS]
    if unknown:
        raise no_such_key(unknown[0], "what rows leave open (--arg)", ARGUMENTS, None)


# --- the head --------------------------------------------------------------------------------------------------------


class Head(NamedTuple):
    """The last row."""

    number: int
    kind: str
    """The class of its module."""
    reads: Sequence[int]
    """The numbers of the rows that it reads."""

    @property
    def path(self) -> str:
        """The path of its module."""
        return f"model.{self.number}"

    @property
    def maps(self) -> str:
        """The paths of the modules that it reads."""
        return ", ".join(f"model.{number}" for number in self.reads)

    def told(self, until: str | None) -> Iterator[str]:
        """What is said where the network is read without it, or up to it."""
        if until not in (None, self.path) or not _makes_anchors(self.kind):
            return

        if until is not None:
            yield f"{self.path} ({self.kind}) makes anchors: the outputs are the maps that it reads, {self.maps}"
            return
        yield (
            f"the head {self.path} ({self.kind}) makes anchors and is left out: the outputs are the maps that it "
            f"reads, {self.maps} (--until model.{self.reads[-1]} reads one of them, "
            "--mode train the head as in training)"
        )


ROW = "a row is [from, repeats, module, args]"


def _rows(root: Part) -> list[Part]:
    """All rows, in their order."""
    return [row for word in ("backbone", "head") for row in root.need(word).items()]


def _head(root: Part) -> Head:
    """The last row. Raises :class:`Fault` where it does not say what it reads."""
    rows = _rows(root)
    if not rows:
        raise Fault("T603", "a model of ultralytics without rows", root.node, ROW)
    number = len(rows) - 1
    last = rows[-1].items()
    if len(last) != len(ROW.split(",")):
        raise Fault("T603", f"a row of {len(last)} parts", rows[-1].node, ROW)
    sources, _, kind, _ = last
    reads = sources.items() if isinstance(sources.node, SequenceNode) else [sources]
    places = [one.integer() for one in reads]
    return Head(number, kind.text(), [n if n >= 0 else number + n for n in places])


def _makes_anchors(kind: str) -> bool:
    """Whether the package's class of this name has anchors, which follow from sizes and are in no config."""
    return hasattr(getattr(import_module("ultralytics.nn.tasks"), kind, None), "anchors")


def _up_to(head: Head, model: Any) -> torch.nn.Module:
    """The model; where its head makes anchors, the maps that the head reads are what it gives."""
    import torch

    class Maps(torch.nn.Module):
        """Gives what it gets, by the names of the rows."""

        def forward(self, maps: Any) -> dict[str, Any]:
            several = maps if isinstance(maps, list) else [maps]
            return {f"model_{number}": one for number, one in zip(head.reads, several)}

    whole: torch.nn.Module = model
    last = model.model[-1]
    if hasattr(last, "anchors"):
        model.model[-1] = Maps()
        # The package's loop over rows looks at these.
        for word in ("f", "i", "type"):
            setattr(model.model[-1], word, getattr(last, word))
    return whole


# --- making ----------------------------------------------------------------------------------------------------------


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
