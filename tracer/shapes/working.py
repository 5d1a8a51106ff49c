"""The arithmetic of an operation's sizes, as it is written: ``(572 + 2·0 − 1·(3 − 1) − 1) // 1 + 1``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tracer.ops.base import Op, argument, with_arguments
from tracer.shapes.traced import Applied
from tracer.sizing.arithmetic import Dim
from tracer.sizing.symbol import Size
from tracer.sizing.worked import Worked

Said = Callable[[Dim], str | int]
"""The text of a number or a symbol."""


def working(
    applied: Applied,
    said: Said,
) -> list[str | None]:
    """The arithmetic of every dim that is more than a number or an input's dim; none where it cannot be written.

    >>> import tracer
    >>> net = tracer.loads("input: [1, 3, 9, 8]\\nlayers: {p: {op: MaxPool2d, kernel_size: 2}}")
    >>> working(next(net.trace().applied()), lambda n: n)[2]
    '(9 + 2·0 − 1·(2 − 1) − 1) // 2 + 1'
    """
    inputs = [_worked_shape(shape, said) for shape in applied.inputs]
    given = {field: _worked_shape(shape, said) for field, shape in applied.sizes.items()}
    for arguments in (_worked_arguments(applied.op, said), {}):
        try:
            found = with_arguments(applied.op, arguments).shape(*inputs, **given)
        except (TypeError, ValueError, AttributeError):
            # A number that is only written down cannot do everything that a number can.
            continue
        return [_arithmetic(n) for n in found]
    return []


def _arithmetic(n: Any) -> str | None:
    """The text of a dim; None where it is a single number."""
    text = str(n)
    return text if isinstance(n, Worked) and " " in text else None


def _worked_shape(
    shape: Any,
    said: Said,
) -> tuple[Worked, ...]:
    return tuple(Worked(said(n)) for n in shape)


def _worked_arguments(
    op: Op,
    said: Said,
) -> dict[str, Any]:
    """The arguments that decide sizes, as they are written."""
    names = [name for name in op.solvable if name in op.__struct_encode_fields__]
    return {name: _worked_argument(argument(op, name), said) for name in names}


def _worked_argument(
    value: Any,
    said: Said,
) -> Any:
    if isinstance(value, tuple):
        return tuple([_worked_argument(item, said) for item in value])
    if isinstance(value, Size):
        return Worked(said(value))
    return Worked(value) if type(value) is int else value  # a bool is no number here
