"""Inputs of three dims whose second one is the length of a sequence, and whose last one counts features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tracer.ops.base import Shape
from tracer.torch_bridge.real_runs import RealModule

CHANGES: Sequence[Callable[[int], int]] = (
    lambda n: n + 1,
    lambda n: 2 * n,
    lambda n: n - 1,
    lambda n: n // 2,
    lambda n: n + 64,
)
"""Other sizes of a dim that are tried."""

LENGTH, FEATURES = 1, 2
"""The dims of ``[N, T, F]``."""


def are_sequences(program: RealModule, shapes: Sequence[Sequence[int]]) -> bool:
    """Whether a module runs for no other size of the last dim of its inputs of three dims, but for others of dim 1.

    An LSTM with ``batch_first`` does, or a linear map of each step. Where it runs for neither, nothing is known.
    """
    if not any(len(shape) == 3 for shape in shapes):
        return False
    return not _runs_for_others(program, shapes, FEATURES) and _runs_for_others(
        program, shapes, LENGTH
    )


def _runs_for_others(program: RealModule, shapes: Sequence[Sequence[int]], dim: int) -> bool:
    return any(
        program.answer_without_data(other).shapes is not None for other in _others(shapes, dim)
    )


def _others(shapes: Sequence[Sequence[int]], dim: int) -> Iterator[list[Shape]]:
    """The shapes with other sizes of this dim of all inputs of three dims."""
    for change in CHANGES:
        found = [_changed(shape, dim, change) for shape in shapes]
        if all(n >= 1 for shape in found for n in shape):
            yield found


def _changed(shape: Sequence[int], dim: int, change: Callable[[int], int]) -> Shape:
    if len(shape) != 3:
        return tuple(shape)
    return tuple(change(n) if place == dim else n for place, n in enumerate(shape))
