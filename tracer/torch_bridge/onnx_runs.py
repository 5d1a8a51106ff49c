"""Runs of an ONNX model, for the shapes that it gives: by onnxruntime, or by onnx's own evaluator without it."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy

from tracer.costs.memory import memory
from tracer.net import Net
from tracer.ops.base import Shape, written
from tracer.shapes.trace import Trace, trace
from tracer.sizing.size_set import TooLarge

LARGEST = 2**33
"""Bytes of maps alive at once up to which a model is run."""

SECONDS = 2
"""After so long no more sizes are run."""

Forward = Callable[[dict[str, Any]], Any]
"""A model: arrays by the names of its inputs, to its outputs in their order."""


class Runs(NamedTuple):
    """What running a model showed."""

    uncompared: str
    """Why it was not run at its own sizes; empty where it was."""
    differences: list[str]
    """Where it gives another shape than the trace, or fails."""


def runs(model: bytes, net: Net, sizes: Iterable[Mapping[str, int]]) -> Runs:
    """The model run at each of the sizes, beside the trace. The first are its own: ``{}``."""
    try:
        forward, names = _forward(model)
    except Exception as error:
        return Runs(_reason(error), [])

    differences: list[str] = []
    begun = time.monotonic()
    for others in sizes:
        if others and time.monotonic() - begun > SECONDS:
            break
        traced = trace(net.network, {**net.trace().sizes, **others}, net.built.ops)
        if traced.diagnostics or None in traced.by_index:
            continue  # sizes that run one by one may not run together
        if _is_large(traced):
            if others:
                continue
            return Runs("it needs too much memory to be run at its own sizes", differences)
        differences += _differences(forward, names, traced, _at(others))
    return Runs("", differences)


def sizes_to_run(net: Net, symbols: Container[str]) -> Iterator[dict[str, int]]:
    """The declared sizes, the next two that run of each of the symbols, and the next of all of them together."""
    yield {}
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return
    together = {}
    for symbol, axis in axes.items():
        if symbol not in symbols:
            continue
        here = net.trace().sizes[symbol]
        for number in range(2):
            above = axis.runs.at_least(here + 1)
            if above is None:
                break
            yield {symbol: above}
            here = above
            if number == 0:
                together[symbol] = above
    if len(together) > 1:
        yield together


def _forward(model: bytes) -> tuple[Forward, list[str]]:
    """What runs a model, and the names of its inputs."""
    try:
        import onnxruntime
    except ImportError:
        return _by_onnx(model)

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
    except Exception:
        return _by_onnx(model)  # it lacks some operators that onnx has
    names = [given.name for given in session.get_inputs()]
    return lambda given: session.run(None, given), names


def _by_onnx(model: bytes) -> tuple[Forward, list[str]]:
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(onnx.load_model_from_string(model))
    return lambda given: evaluator.run(None, given), list(evaluator.input_names)


def _is_large(traced: Trace) -> bool:
    needed = memory(traced)
    return needed is not None and needed.inference > LARGEST


def _differences(forward: Forward, names: list[str], traced: Trace, at: str) -> list[str]:
    """The outputs of one run that have another shape than the trace."""
    given = {}
    for name, shape in zip(names, _input_shapes(traced)):
        given[name] = numpy.zeros(shape, numpy.float32)
    try:
        made = forward(given)
    except Exception as error:
        return [f"the file fails{at or ' at its own sizes'}: {_reason(error)}"]

    found = []
    for (name, mine), array in zip(traced.outputs.items(), made):
        assert mine is not None
        theirs = tuple(array.shape)
        if theirs != mine:
            found.append(f"{name}{at}: traced {written(mine)}, run {written(theirs)}")
    return found


def _input_shapes(traced: Trace) -> list[Shape]:
    nodes = traced.network.nodes
    shapes = [traced.by_index[node.index] for node in nodes if node.is_input]
    return [shape for shape in shapes if shape is not None]


def _at(sizes: Mapping[str, int]) -> str:
    numbers = "".join(f" {symbol}={n}" for symbol, n in sizes.items())
    return f" at{numbers}" if numbers else ""


def _reason(error: Exception) -> str:
    """The first line of an error's message."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
