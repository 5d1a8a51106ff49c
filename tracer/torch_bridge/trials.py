"""Sizes at which a module runs, near those at which it does not, or at which it cannot be read."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from tracer.importing.recording import AXES
from tracer.ops.base import Shape
from tracer.torch_bridge.real_runs import RealModule

NEAREST = 8
"""So far from the asked sizes each is tried."""

POWERS = (2, 4, 8, 16, 32, 64, 128, 256)
"""Multiples of these are tried next: the product of an encoder's strides is one, as a rule."""

REMAINDERS = (4, 8, 16, 32, 64)
"""Then every remainder of these: a decoder without padding runs for one of them."""

SQUARES = (512, 256, 224, 299, 128, 64, 32, 28)
"""Then these sizes for all dims."""

Progress = Callable[[int, float], None]
"""Takes the number of sizes that were tried, and the seconds that they took."""


ROUND = (64, 32, 16)
"""Multiples of these are tried first for a module that runs: nothing is padded or cut there, as a rule."""


class Trials:
    """Tries sizes of a module's inputs: the smallest changes first, or for one that runs at its own round sizes."""

    def __init__(
        self,
        program: RealModule,
        asked: Sequence[Shape],
        seconds: float,
        progress: Progress | None = None,
        first: Sequence[Sequence[Shape]] = (),
        *,
        round_first: bool = False,
    ) -> None:
        self.program = program
        self.first = first
        """Shapes that are tried before all others."""
        self.asked = [tuple(shape) for shape in asked]
        self.seconds = seconds
        self.progress = progress
        self.round_first = round_first
        self.tried: list[list[Shape]] = []
        self.began = time.monotonic()

    @property
    def took(self) -> float:
        """The seconds since it began."""
        return time.monotonic() - self.began

    def running(self) -> Iterator[list[Shape]]:
        """The shapes at which the module runs, in the order in which they are tried, until the time is over."""
        any_without_data = False
        for shapes in self.candidates():
            if self.took > self.seconds:
                return
            self.tried.append(shapes)
            if self.progress is not None:
                self.progress(len(self.tried), self.took)
            if self.program.answer_without_data(shapes).shapes is not None:
                any_without_data = True
                yield shapes
        if not any_without_data:
            yield from self._running_with_data()

    def _running_with_data(self) -> Iterator[list[Shape]]:
        """The same for a module that runs nowhere without data; large inputs are not tried."""
        smallest = min(self.tried, key=_elements, default=None)
        if smallest is None or self._is_the_same_without_data(smallest):
            return
        for shapes in list(self.tried):
            if self.took > self.seconds:
                return
            answer = self.program.sure_answer(shapes)
            if answer is not None and answer.shapes is not None:
                yield shapes

    def _is_the_same_without_data(self, shapes: Sequence[Shape]) -> bool:
        """Whether the module raises the same error with data: then it is its own, not one of the meta device."""
        with_data = self.program.sure_answer(shapes)
        return with_data is None or with_data == self.program.answer_without_data(shapes)

    def candidates(self) -> Iterator[list[Shape]]:
        """The shapes that are tried, in their order."""
        seen = [self.asked]
        for first in self.first:
            shapes = [tuple(shape) for shape in first]
            if shapes not in seen:
                seen.append(shapes)
                yield shapes

        for sizes in other_sizes(self._spatial(), round_first=self.round_first):
            shapes = [
                self._resized(number, shape, sizes) for number, shape in enumerate(self.asked)
            ]
            if shapes not in seen:
                seen.append(shapes)
                yield shapes

    def _spatial(self) -> list[int]:
        """The different sizes of the inputs' spatial dims."""
        sizes: list[int] = []
        for number, shape in enumerate(self.asked):
            sizes += [shape[dim] for dim in self._open(number, shape)]
        return list(dict.fromkeys(sizes))

    def _resized(self, number: int, shape: Shape, sizes: Mapping[int, int]) -> Shape:
        opened = self._open(number, shape)
        return tuple(sizes[n] if dim in opened else n for dim, n in enumerate(shape))

    def _open(self, number: int, shape: Shape) -> Collection[int]:
        """The dims of an input that have other sizes: its spatial ones, unless it is said which."""
        rank = len(shape)
        if self.program.way.symbols is not None:
            return self.program.way.symbols_of(number, shape)
        return range(rank - len(AXES.get(rank, "")), rank)


def _elements(shapes: Sequence[Shape]) -> int:
    return sum(map(math.prod, shapes))


def other_sizes(sizes: Sequence[int], *, round_first: bool = False) -> Iterator[dict[int, int]]:
    """Other sizes in place of these, none below 1; equal ones stay equal.

    >>> [sorted(found.items()) for found in other_sizes([5])][:3]
    [[(5, 6)], [(5, 4)], [(5, 7)]]
    >>> next(other_sizes([500, 375], round_first=True))
    {500: 448, 375: 320}
    """
    first = _multiples(sizes, ROUND) if round_first else ()
    for found in itertools.chain(first, _all_sizes(sizes)):
        if all(n >= 1 for n in found.values()):
            yield found


def _all_sizes(sizes: Sequence[int]) -> Iterator[dict[int, int]]:
    yield from _near(sizes)
    yield from _multiples(sizes, POWERS)

    for modulus in REMAINDERS:
        for remainder in range(1, modulus):
            yield {n: n - (n - remainder) % modulus for n in sizes}
            yield {n: n + (remainder - n) % modulus for n in sizes}

    for size in SQUARES:
        yield dict.fromkeys(sizes, size)


def _multiples(sizes: Sequence[int], factors: Sequence[int]) -> Iterator[dict[int, int]]:
    """Multiples of each factor, below and above."""
    for factor in factors:
        yield {n: n // factor * factor for n in sizes}
        yield {n: -(-n // factor) * factor for n in sizes}


def _near(sizes: Sequence[int]) -> Iterator[dict[int, int]]:
    """All of them, and one alone, larger or smaller by a little."""
    steps = [sign * distance for distance in range(1, NEAREST + 1) for sign in (1, -1)]
    for step in steps:
        yield {n: n + step for n in sizes}
        if len(sizes) > 1:
            yield from ({n: n + step * (n == one) for n in sizes} for one in sizes)
