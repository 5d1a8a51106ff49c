"""A network as an ONNX file, by torch's exporter: run, and compared with what onnx infers and reads of it."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tracer.diagnostics import Diagnostic, TracerError
from tracer.importing.recording import Unrepresentable
from tracer.net import Net
from tracer.network.records import Node
from tracer.onnx_bridge.reading import read_onnx
from tracer.ops.base import written
from tracer.shapes.trace import Trace, trace
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.torch_bridge.building import build
from tracer.torch_bridge.onnx_runs import runs, sizes_to_run


class Exported(NamedTuple):
    """An ONNX file, and what came of checking it."""

    model: bytes
    fixed: str
    """Why its sizes are fixed; empty where they are open as in the config."""
    unread: str
    """Why it could not be read again; empty where it was."""
    uncompared: str
    """Why it could not be run at its own sizes; empty where it was."""
    differences: list[str]
    """Where onnx says another shape than the trace."""


def onnx_export(net: Net) -> Exported:
    """The network as an ONNX model, every ``auto`` planned, its symbols open dims where torch's exporter takes them.

    Raises :class:`TracerError` where the network does not close or torch cannot export it.
    """
    module = build(net, towards_zero=True).eval()
    outputs = dict(net.trace().outputs)
    inputs = tuple(torch.zeros(shape) for shape in _input_shapes(net))
    fixed = ""
    try:
        dims = _open_dims(net) if net.symbols else None
        model = _exported(module, inputs, dims)
    except Exception as error:
        fixed = _first(error)
        model = _exported_at_fixed_sizes(net, module, inputs)

    differences = _inferred_differences(model, outputs)
    run = runs(model, net, sizes_to_run(net, _open_symbols(model, net)))
    differences += run.differences

    unread = ""
    try:
        differences += _read_differences(model, net, fixed != "")
    except Unrepresentable as error:
        unread = str(error)
    reason = fixed if net.symbols else ""
    return Exported(model, reason, unread, run.uncompared, differences)


def _exported_at_fixed_sizes(
    net: Net, module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]
) -> bytes:
    try:
        return _exported(module, inputs, None)
    except Exception as error:
        message = f"torch cannot export it: {_first(error)}"
        found = Diagnostic("T506", message, None, path=net.network.path)
        raise TracerError([found]) from error


def _first(error: Exception) -> str:
    """The line of an error that says what is wrong; the exporter's own errors stand behind its advice."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    for line in str(cause).splitlines():
        if line.strip():
            return line.strip()
    return type(cause).__name__


def _inputs(net: Net) -> list[Node]:
    return [node for node in net.network.nodes if node.is_input]


def _input_shapes(net: Net) -> list[tuple[int, ...]]:
    by_index = net.trace().by_index
    shapes = [by_index[node.index] for node in _inputs(net)]
    return [shape for shape in shapes if shape is not None]


def _open_dims(net: Net) -> tuple[dict[int, Any], ...]:
    """For each input its open dims: a symbol of which every residue runs is one, ``16k + 12`` is made of one."""
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        axes = {}
    made = {}
    for symbol in net.symbols:
        runs = axes[symbol].runs if symbol in axes else None
        made[symbol] = _open_dim(symbol, runs)

    found = []
    for node in _inputs(net):
        dims = {}
        for number, given in enumerate(node.pattern):
            dim = made.get(given) if isinstance(given, str) else None
            if dim is not None:
                dims[number] = dim
        found.append(dims)
    return tuple(found)


def _open_symbols(model: bytes, net: Net) -> set[str]:
    """The symbols that are open in the file."""
    import onnx

    graph = onnx.load_model_from_string(model).graph
    weights = {weight.name for weight in graph.initializer}
    inputs = [one for one in graph.input if one.name not in weights]

    found = set()
    for node, one in zip(_inputs(net), inputs):
        for given, dim in zip(node.pattern, one.type.tensor_type.shape.dim):
            if isinstance(given, str) and _dim_value(dim) is None:
                found.add(given)
    return found


def _open_dim(symbol: str, runs: SizeSet | None) -> Any:
    """The dim of torch.export for the sizes of a symbol; None where it is one size, or a set that torch cannot say."""
    if runs is None or runs.is_finite:
        return None
    if len(runs.residues) not in (1, runs.modulus):
        return None
    least = runs.at_least(runs.start)
    assert least is not None
    if len(runs.residues) == runs.modulus:
        return torch.export.Dim(symbol, min=max(least, 1))
    (residue,) = runs.residues
    fewest = (least - residue) // runs.modulus
    unit = torch.export.Dim(f"_{symbol}", min=max(fewest, 1))
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
        dims = [_dim_value(dim) for dim in one.type.tensor_type.shape.dim]
        if not _agree(dims, shape):
            theirs = written(["?" if n is None else n for n in dims])
            found.append(f"{name}: traced {written(shape)}, onnx infers {theirs}")
    return found


def _dim_value(dim: Any) -> int | None:
    """A dim's number; None where it is open."""
    return dim.dim_value if dim.HasField("dim_value") else None


def _agree(dims: Sequence[int | None], shape: Sequence[int]) -> bool:
    """Whether a shape is possible for dims that may be open."""
    if len(dims) != len(shape):
        return False
    return all(n in (None, wanted) for n, wanted in zip(dims, shape))


def _read_differences(model: bytes, net: Net, fixed: bool) -> list[str]:
    """The file read again as a config, at the traced sizes and at others."""
    again = _read_again(model, net)
    symbols = _symbols_of(net, again)

    found = []
    for sizes in [{}] if fixed else _some_sizes(net):
        # A symbol that is fixed in the file has its declared size.
        own = dict(net.trace().sizes)
        others = {}
        for symbol in sizes.keys() & symbols.keys():
            own[symbol] = sizes[symbol]
            others[symbols[symbol]] = sizes[symbol]

        # With the values that were built.
        mine = trace(net.network, own, net.built.ops)
        theirs = again.trace(**others)
        at = "".join(f" {symbol}={n}" for symbol, n in sizes.items())
        found += _output_differences(mine, theirs, f" at{at}" if at else "")
    return found


def _read_again(model: bytes, net: Net) -> Net:
    """The file as a network, at the traced sizes."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "network.onnx"
        path.write_bytes(model)
        shapes = dict(zip(_input_names(model), _input_shapes(net)))
        return read_onnx(str(path), shapes)


def _symbols_of(net: Net, again: Net) -> dict[str, str]:
    """For each symbol of a network the one that it has in the file."""
    found = {}
    for mine, theirs in zip(_inputs(net), _inputs(again)):
        for symbol, other in zip(mine.pattern, theirs.pattern):
            if isinstance(symbol, str) and isinstance(other, str):
                found[symbol] = other
    return found


def _output_differences(mine: Trace, theirs: Trace, at: str) -> list[str]:
    """The outputs that have another shape in the file."""
    found = []
    pairs = zip(mine.outputs.items(), theirs.outputs.values())
    for (name, shape), other in pairs:
        if shape is not None and shape != other:
            in_the_file = written(other or "null")
            found.append(
                f"{name}{at}: traced {written(shape or 'null')}, in the file {in_the_file}"
            )
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
