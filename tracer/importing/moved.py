"""Elements of a program's weights that steps put in other places: which one lies where.

A table of positions is cut, folded to a map, resized and put together again. Where the resize is one to the map's own
size, all elements come to lie where they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any

from tracer.importing.recording import Elements, Step
from tracer.importing.run_time_sizes import over_symbols
from tracer.ops.base import Shape
from tracer.ops.crop import Slice
from tracer.ops.merge import Concat
from tracer.ops.pointwise import Parameter
from tracer.ops.rearrange import (
    Flatten,
    Permute,
    Reshape,
    Squeeze,
    Transpose,
    Unflatten,
    Unsqueeze,
)
from tracer.ops.resize import Resizing
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition

REGROUPS = (
    Flatten,
    Reshape,
    Squeeze,
    Unflatten,
    Unsqueeze,
)
"""Operations that keep their elements in order."""

APART = 2**40
"""The numbers of two weights' first elements are so far apart."""

Holds = Callable[[Condition | bool], bool]
"""Whether a condition is known to hold."""


class NotMoved(Exception):
    """What steps make is not known to be elements of weights in other places."""


def are_the_same(
    a: Sequence[Step], b: Sequence[Step], sizes: Mapping[str, int], holds: Holds
) -> bool:
    """Whether the last of some steps gives the same elements of weights in the same places as the last of others.

    ``sizes`` are some for which it has to be so. It is proven for all others for which ``holds`` knows what holds.
    """
    import numpy

    weights = [step.weights for step in (*a, *b) if step.weights is not None]
    elements = [one.elements for one in weights if one.elements is not None]
    walk = _Walk(_starts(elements), sizes, holds)
    try:
        return bool(numpy.array_equal(walk.last_of(a), walk.last_of(b)))
    except NotMoved:
        return False


def without_tables(steps: Sequence[Step]) -> list[Step]:
    """The steps but for those that read weights alone."""
    made: set[str] = set()
    for step in steps:
        sources = {value.node for value in step.sources}
        reads_weights = bool(sources) and sources <= made
        if reads_weights or isinstance(step.op, Parameter):
            made.add(step.name)
    kept = []
    for step in steps:
        if step.name not in made:
            kept.append(step)
    return kept


def are_apart(a: Step, b: Step) -> bool:
    """Whether two steps are known to have no element of a weight in common, though they lie in one memory."""
    import numpy

    elements = [step.weights and step.weights.elements for step in (a, b)]
    starts = _starts([one for one in elements if one])
    numbers = [one.numbered(starts) for one in elements if one]
    return len(numbers) == 2 and not numpy.isin(*numbers).any()


def _starts(several: Sequence[Elements]) -> Mapping[str, int]:
    """A number for the first element of each weight."""
    found: set[str] = set()
    for one in several:
        found.update(one.names())
    names = sorted(found)
    return dict(zip(names, count(0, APART)))


class _Walk:
    """Which element lies where, step by step."""

    def __init__(
        self, starts: Mapping[str, int], sizes: Mapping[str, int], holds: Holds
    ) -> None:
        self.starts = starts
        """The number of the first element of each weight."""
        self.sizes = sizes
        self.holds = holds

    def last_of(self, steps: Sequence[Step]) -> Any:
        """The numbers of the elements that the last step gives. Raises :class:`NotMoved`."""
        made: dict[str, Any] = {}
        for step in steps:
            shape = self._shape(step)
            sources = [made[value.name] for value in step.sources if value.name in made]
            if len(sources) != len(step.sources):
                raise NotMoved
            made[step.name] = self._made(step, sources, shape)
        return made[steps[-1].name]

    def _shape(self, step: Step) -> Shape:
        return tuple(map(self._number, step.value.sizes))

    def _number(self, size: Any) -> int:
        """A size as the number that it is wherever it is asked for."""
        over = over_symbols(size)
        (n,) = substitute([over], self.sizes)
        if not self.holds(over == n):
            raise NotMoved
        return int(n)

    def _made(self, step: Step, sources: Sequence[Any], shape: Shape) -> Any:
        op = step.op
        if isinstance(op, Parameter):
            return self._of_weights(step.weights.elements if step.weights else None)
        if isinstance(op, REGROUPS):
            return sources[0].reshape(shape)
        if isinstance(op, Permute):
            return sources[0].transpose(op.dims)
        if isinstance(op, Transpose):
            return sources[0].swapaxes(op.dim0, op.dim1)
        if isinstance(op, Resizing):
            return self._resized(step, op, sources[0], shape)
        if isinstance(op, Slice):
            return self._cut(step, op, sources[0])
        if isinstance(op, Concat) and op.align == "none":
            return self._joined(sources, op.dim)
        raise NotMoved

    def _of_weights(self, elements: Elements | None) -> Any:
        if elements is None:
            raise NotMoved
        return elements.numbered(self.starts)

    def _resized(self, step: Step, op: Resizing, source: Any, shape: Shape) -> Any:
        """All modes of torch leave what is resized to its own size by that size."""
        conditions = op.samples_by_sizes(step.sources[0].sizes, step.value.sizes)
        if source.shape != shape or not all(map(self.holds, conditions)):
            raise NotMoved
        return source

    def _cut(self, step: Step, op: Slice, source: Any) -> Any:
        start, stop = step.argument("start"), step.argument("stop")
        taken = [slice(None)] * source.ndim
        last = None if stop is None else self._number(stop)
        taken[op.dim] = slice(self._number(start), last, op.step)
        return source[tuple(taken)]

    def _joined(self, sources: Sequence[Any], dim: int) -> Any:
        import numpy

        return numpy.concatenate(sources, dim)
