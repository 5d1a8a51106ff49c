"""torch as the judge: one drawn case of one operation, asked of both sides.

A case is an operation's name, its arguments as YAML would give them, and the shapes of its inputs. ``agree``
compares the real module's answer on the CPU (a shape, or a refusal) with ours, and our own answer on ints
with the same formulas on symbols and on arrays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy
import torch

from tracer.ops.base import registry
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition, Size, Space

REFUSALS = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    IndexError,
    NotImplementedError,
    ZeroDivisionError,
    OverflowError,
)


class Case(NamedTuple):
    """One question to both sides."""

    op: str
    arguments: dict[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    sizes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012 - never written to
    """Shapes behind node-valued arguments."""


class Refused(NamedTuple):
    code: str
    message: str


def ours(case: Case) -> tuple[int, ...] | Refused:
    """Our answer: the shape, or the first refusal."""
    try:
        op = msgspec.convert(case.arguments, registry[case.op])
    except msgspec.ValidationError as error:
        return Refused("T004", str(error))
    for source in (op.legal(), op.requirements(*case.shapes, **case.sizes)):
        for requirement in source:
            assert isinstance(requirement.holds, (bool, int)), requirement
            if not requirement.holds:
                return Refused(requirement.code, requirement.text())
    return op.shape(*case.shapes, **case.sizes)


def torchs(
    build: Callable[[Case], Callable[..., Any]], case: Case
) -> tuple[int, ...] | Refused:
    """torch's answer on the CPU, in eval mode: the shape, or the refusal."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            module = build(case)
            y = module(*(torch.zeros(shape) for shape in case.shapes))
        except REFUSALS as error:
            return Refused(
                type(error).__name__, str(error).splitlines()[0] if str(error) else ""
            )
    return tuple(y.shape)


def nn_module(case: Case) -> Callable[..., Any]:
    """The torch.nn module of a case, made with the case's arguments; lists become tuples as in YAML."""
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in case.arguments.items()}
    if isinstance(arguments.get("dtype"), str):
        arguments["dtype"] = getattr(torch, arguments["dtype"])
    module = getattr(torch.nn, case.op)(**arguments)
    return module.eval()


def agree(case: Case, build: Callable[[Case], Callable[..., Any]] = nn_module) -> None:
    """Both sides give the same shape, or both refuse; and so do symbols and arrays."""
    mine, theirs = ours(case), torchs(build, case)
    if isinstance(mine, Refused) or isinstance(theirs, Refused):
        assert isinstance(mine, Refused) and isinstance(theirs, Refused), (
            f"{case}\n  ours: {mine}\n  torch: {theirs}"
        )
        return
    assert mine == theirs, f"{case}\n  ours: {mine}\n  torch: {theirs}"
    _symbols_agree(case, mine)


def _symbols_agree(case: Case, expected: tuple[int, ...]) -> None:
    """The same formulas on symbols, with numbers put in afterwards, and on arrays."""
    op = msgspec.convert(case.arguments, registry[case.op])
    space = Space()
    values: dict[str, int] = {}

    def symbolic(shape: tuple[int, ...]) -> tuple[Any, ...]:
        dims = []
        for n in shape:
            values[name := f"s{len(values)}"] = n
            dims.append(space.symbol(name))
        return tuple(dims)

    shapes = [symbolic(shape) for shape in case.shapes]
    sizes = {name: symbolic(shape) for name, shape in case.sizes.items()}
    conditions = [r.holds for r in op.requirements(*shapes, **sizes)]
    result = op.shape(*shapes, **sizes)
    assert all(substitute([c for c in conditions if isinstance(c, Condition)], values)), (
        case,
        conditions,
    )
    assert all(c is True or c == 1 for c in conditions if not isinstance(c, Condition)), (
        case,
        conditions,
    )
    assert tuple(substitute(result, values)) == expected, (case, result)
    arrays = {name: numpy.array([value, value]) for name, value in values.items()}
    for got, want in zip(substitute(result, arrays), expected):
        assert numpy.all(numpy.asarray(got) == want), (case, result)


def parameters_agree(case: Case, build: Callable[[Case], Any] = nn_module) -> None:
    """Parameter counts equal the built module's (an accepted case)."""
    op = msgspec.convert(case.arguments, registry[case.op])
    counted = sum(p.numel() for p in build(case).parameters())
    assert op.parameters(*case.shapes) == counted, case


def macs_agree(case: Case, build: Callable[[Case], Any] = nn_module) -> None:
    """MACs equal half of what FlopCounterMode counts (an accepted case)."""
    from torch.utils.flop_counter import FlopCounterMode

    op = msgspec.convert(case.arguments, registry[case.op])
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        build(case)(*(torch.zeros(shape) for shape in case.shapes))
    assert op.macs(ours(case), *case.shapes) * 2 == counter.get_total_flops(), case


__all__ = [
    "Case",
    "Condition",
    "Refused",
    "Size",
    "agree",
    "macs_agree",
    "nn_module",
    "ours",
    "parameters_agree",
    "torchs",
]
