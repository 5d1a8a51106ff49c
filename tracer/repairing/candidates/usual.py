"""What the layers of a network have in common: a number that its siblings have was probably meant."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tracer.ops.base import Op
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Oddness
from tracer.repairing.candidates.solved import single
from tracer.repairing.natural import is_natural

FIELDS = ("kernel_size", "stride", "padding", "dilation", "output_padding", "scale_factor")
"""The arguments that decide a size."""

Form = tuple[Any, ...]


class Forms:
    """The forms of a network's layers, each declaration counted once."""

    def __init__(self, bench: Bench) -> None:
        firsts = [group.first for group in bench.groups()]
        found = [form_of(bench.ops[node.index]) for node in firsts]
        self._counted = Counter(found)

    def oddness(self, before: Op, after: Op) -> Oddness:
        """How odd a layer is after a change; one that sees a single position where it saw several is."""
        if _sees_one(after) and not _sees_one(before):
            return Oddness.ODD

        was_usual = self._counted[form_of(before)] > 1
        if self._counted[form_of(after)] and not was_usual:
            return Oddness.USUAL
        return Oddness.NATURAL if is_natural(after) else Oddness.ODD


def _sees_one(op: Op) -> bool:
    return bool(single(getattr(op, "kernel_size", None)) == 1)


def form_of(op: Op | None) -> Form:
    """The operation and the arguments that decide its size.

    >>> from tracer.ops.pooling import MaxPool2d
    >>> form_of(MaxPool2d(kernel_size=2)) == form_of(MaxPool2d(kernel_size=(2, 2)))
    True
    """
    return (type(op), *(single(getattr(op, field, None)) for field in FIELDS))
