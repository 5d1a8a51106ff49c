"""``tracer.import_`` and ``tracer.from_onnx``: networks that exist elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tracer.api.given import Named, is_module, network_of, no_network, question
from tracer.diagnostics import Diagnostic, TracerError
from tracer.importing.recording import Unrepresentable
from tracer.loading import NONE
from tracer.net import Net

if TYPE_CHECKING:
    import torch


def import_(
    source: str | os.PathLike[str] | torch.nn.Module,
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    args: Mapping[str, Any] = NONE,
    fixed: bool = False,
    name: str | None = None,
) -> Net:
    """The network of what ``tracer import`` reads; ``to_yaml()`` is its config.

    ``source`` is a torch module, the place of what makes one (``"package.module:callable"``, ``"file.py:callable"``,
    which is imported and called with ``args``), an ONNX file, another tool's file (``args`` are its open arguments,
    ``key`` the part), or a config. ``shapes``, ``inputs`` and ``fixed`` are those of :func:`tracer.from_module`.

    Raises :class:`TracerError` for what cannot be read, OSError for a file, and ImportError, with the command that
    installs it, where torch or onnx is missing.
    """
    if is_module(source):
        return _of_module(source, shapes, inputs, fixed, name)

    if not isinstance(source, (str, os.PathLike)):
        raise no_network(source)

    path = os.fspath(source)
    place, _, called = path.rpartition(":")
    # Behind the colon of a drive stands no name.
    is_name = all(word.isidentifier() for word in called.split("."))
    if place and is_name and not os.path.lexists(path):
        return _of_module(_made(path, args), shapes, inputs, fixed, name)
    if path.lower().endswith(".onnx"):
        return from_onnx(path, *shapes, inputs=inputs, name=name)
    return network_of(path, shapes, inputs, params=args)


def from_onnx(
    path: str | os.PathLike[str],
    /,
    *shapes: Sequence[int],
    inputs: Named = NONE,
    name: str | None = None,
) -> Net:
    """The network of an ONNX file; dims that the file leaves open become symbols.

    The shape of the only input is given as it is, those of several by name in ``inputs``; without, open dims have
    sizes of their own. Raises :class:`TracerError` for what has no place in a config, OSError for a file that cannot
    be read, ValueError for an input that there is not, and ImportError where onnx is missing.
    """
    if len(shapes) > 1:
        raise ValueError("several inputs have names: from_onnx(path, inputs={NAME: shape})")
    _need("onnx", "onnx")
    from tracer.onnx_bridge.reading import read_onnx

    given = {key: tuple(shape) for key, shape in inputs.items()}
    if shapes:
        given[""] = tuple(shapes[0])
    try:
        return read_onnx(os.fspath(path), given, name)
    except Unrepresentable as error:
        raise TracerError([Diagnostic("T601", str(error), path=os.fspath(path))]) from None


def _need(package: str, extra: str) -> None:
    """Raises ImportError where a package is not installed."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        message = f"this needs {package}: pip install 'shape-tracer[{extra}]'"
        raise ModuleNotFoundError(message, name=package)


def _made(path: str, args: Mapping[str, Any]) -> torch.nn.Module:
    """The module that a place makes."""
    _need("torch", "torch")
    from tracer.torch_bridge.factory import module_from
    from tracer.torch_bridge.opening import Question, finding

    try:
        return module_from(path, args)
    except Unrepresentable as error:
        raise TracerError([finding(error, Question(path, ()))]) from None


def _of_module(
    module: torch.nn.Module,
    shapes: Sequence[Sequence[int]],
    inputs: Named,
    fixed: bool,
    name: str | None,
) -> Net:
    from tracer.torch_bridge.opening import net_of

    asked = question(module, shapes, inputs, fixed=fixed)
    return net_of(module, asked._replace(name=name))
