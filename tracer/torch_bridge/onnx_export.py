"""A network as an ONNX file, by torch's exporter, compared with what onnx infers and reads of it."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tracer.diagnostics import Diagnostic, TracerError
from tracer.importing.recording import Unrepresentable
from tracer.net import Net
from tracer.onnx_bridge.reading import read_onnx
from tracer.ops.base import written
from tracer.shapes.trace import trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.torch_bridge.building import build


class Exported(NamedTuple):
    """An ONNX file, and what came of checking it."""

    model: bytes
    fixed: str
    """Why its sizes are fixed; empty where they are open as in the config."""
    unread: str
    """Why it could not be read again; empty where it was."""
    differences: list[str]
    """Where onnx says another shape than the trace."""


def onnx_export(net: Net) -> Exported:
    """The network as an ONNX model, every ``auto`` planned, its symbols open dims where torch's exporter takes them.

    Raises :class:`TracerError` where the network does not close or torch cannot export it.
    """
    module = build(net).eval()
    outputs = dict(net.trace().outputs)
    inputs = tuple(torch.zeros(shape) for shape in _input_shapes(net))
    fixed = ""
    try:
        model = (
            _exported(module, inputs, _open_dims(net))
            if net.symbols
            else _exported(module, inputs, None)
        )
    except Exception as error:
        fixed = _first(error)
        try:
            model = _exported(module, inputs, None)
        except Exception as again:
            said = f"torch cannot export it: {_first(again)}"
            raise TracerError([Diagnostic("T506", said, None, path=net.network.path)]) from again
    differences = _inferred_differences(model, outputs)
    unread = ""
    try:
        differences += _read_differences(model, net, fixed != "")
    except Unrepresentable as error:
        unread = str(error)
    return Exported(model, fixed if net.symbols else "", unread, differences)


def _first(error: Exception) -> str:
    """The line of an error that says what is wrong; the exporter's own errors stand behind its advice."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[0] if lines else type(cause).__name__


def _input_shapes(net: Net) -> list[tuple[int, ...]]:
    shapes = net.trace().by_index
    return [
        shape
        for node, shape in zip(net.network.nodes, shapes)
        if node.is_input and shape is not None
    ]


def _open_dims(net: Net) -> tuple[dict[int, Any], ...]:
    """For each input its open dims: a symbol of which every residue runs is one, ``16k + 12`` is made of one."""
    try:
        axes = {symbol: axis.runs for symbol, axis in net.working_sizes().axes.items()}
    except TooLarge:
        axes = {}
    dims = {symbol: _open_dim(symbol, axes.get(symbol)) for symbol in net.symbols}
    return tuple(
        {
            i: dims[symbol]
            for i, symbol in enumerate(node.pattern)
            if isinstance(symbol, str) and dims[symbol] is not None
        }
        for node in net.network.nodes
        if node.is_input
    )


def _open_dim(symbol: str, runs: SizeSet | None) -> Any:
    """The dim of torch.export for the sizes of a symbol; None where it is one size, or a set that torch cannot say."""
    if runs is None or runs.is_finite or len(runs.residues) not in (1, runs.modulus):
        return None
    least = runs.at_least(runs.start)
    assert least is not None
    if len(runs.residues) == runs.modulus:
        return torch.export.Dim(symbol, min=max(least, 1))
    (residue,) = runs.residues
    unit = torch.export.Dim(f"_{symbol}", min=max((least - residue) // runs.modulus, 1))
    made = unit * runs.modulus
    return made + residue if residue else made


def _exported(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], dims: Any) -> bytes:
    with _quiet(), tempfile.TemporaryDirectory() as place:
        path = Path(place) / "network.onnx"
        program: Any = torch.onnx.export(
            module, inputs, dynamo=True, dynamic_shapes=dims, verbose=False, optimize=True
        )
        program.save(path, external_data=False)
        return path.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's advice."""
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _inferred_differences(model: bytes, outputs: Mapping[str, Any]) -> list[str]:
    """What onnx's shape inference says of the outputs, against the trace; a dim that it leaves open agrees."""
    import onnx

    inferred = onnx.shape_inference.infer_shapes(onnx.load_model_from_string(model))
    found = []
    for one, (name, shape) in zip(inferred.graph.output, outputs.items()):
        dims = [
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in one.type.tensor_type.shape.dim
        ]
        if len(dims) != len(shape) or any(
            n is not None and n != want for n, want in zip(dims, shape)
        ):
            theirs = written(["?" if n is None else n for n in dims])
            found.append(f"{name}: traced {written(shape)}, onnx infers {theirs}")
    return found


def _read_differences(model: bytes, net: Net, fixed: bool) -> list[str]:
    """The file read again as a config, at the traced sizes and at others."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "network.onnx"
        path.write_bytes(model)
        inputs = [node for node in net.network.nodes if node.is_input]
        names = _input_names(model)
        shapes = dict(zip(names, _input_shapes(net)))
        again = read_onnx(str(path), shapes)
    found = []
    symbols = {
        mine: theirs
        for node, other in zip(inputs, [n for n in again.network.nodes if n.is_input])
        for mine, theirs in zip(node.pattern, other.pattern)
        if isinstance(mine, str) and isinstance(theirs, str)
    }
    for sizes in [{}] if fixed else _some_sizes(net):
        theirs = again.trace(**{symbols[s]: n for s, n in sizes.items() if s in symbols})
        asked = {**net.trace().sizes, **{s: n for s, n in sizes.items() if s in symbols}}
        mine = trace(net.network, asked, net.solution().ops)  # with the values that were built
        pairs = zip(mine.outputs.items(), theirs.outputs.values())
        at = " ".join(f"{s}={n}" for s, n in sizes.items())
        found += [
            f"{name}{' at ' + at if at else ''}: traced {written(a or 'null')}, in the file {written(b or 'null')}"
            for (name, a), b in pairs
            if a != b and a is not None
        ]
    return found


def _input_names(model: bytes) -> list[str]:
    import onnx

    graph = onnx.load_model_from_string(model).graph
    weights = {weight.name for weight in graph.initializer}
    return [one.name for one in graph.input if one.name not in weights]


def _some_sizes(net: Net) -> Iterator[dict[str, int]]:
    """The declared sizes, and the next that run, of one symbol at a time."""
    yield {}
    for symbol, axis in net.working_sizes().axes.items():
        here = net.trace().sizes[symbol]
        above = axis.runs.at_least(here + 1)
        if above is not None:
            yield {symbol: above}
