"""Compares what was imported with the program itself: the same outputs' shapes, at sizes that the config says run."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from tracer.importing.recording import Recording, Unrepresentable
from tracer.net import Net
from tracer.ops.base import Shape, written
from tracer.sizing.program import substitute
from tracer.sizing.size_set import NONE, SizeSet, TooLarge

COMPARED = 10
"""Sizes that run are compared until there are so many."""

REFUSED = 6
"""So many sizes that the config refuses have to be refused by the program too."""

DRAWN = 60
"""Sizes that are drawn at most."""

SMALL = 48
"""Around it, as well as around the sizes that were asked for, others are drawn: a run there costs little."""


SMALLEST = (1, 2, 3, 5, 7)
"""The smallest sizes are drawn near these."""


class Answer(NamedTuple):
    """What a program does with inputs of some shapes."""

    shapes: Mapping[str, Shape] | None
    """Its outputs' shapes by name; None where it raises."""
    raised: str = ""
    """What it raises."""


class ProgramRun(Protocol):
    """The program that a config is compared with."""

    def answer(self, shapes: Sequence[Shape]) -> Answer | None:
        """What it does with inputs of these shapes; None where that cannot be told."""

    def sure_answer(
        self, shapes: Sequence[Shape], *, at_any_cost: bool = False
    ) -> Answer | None:
        """The same where it matters whether it raises."""


def compare(net: Net, recording: Recording, program: ProgramRun, unseen: str) -> int:
    """The number of sizes at which both run, and have been found to give the same shapes.

    Raises :class:`Unrepresentable` where they differ, and where nothing could be compared. ``unseen`` ends the message
    about a size that escapes from the recording, with the ways in which it may.
    """
    comparison = _Comparison(net, recording, program, unseen)
    comparison.run()
    return comparison.compared


class _Comparison:
    def __init__(
        self, net: Net, recording: Recording, program: ProgramRun, unseen: str
    ) -> None:
        self.net = net
        self.recording = recording
        self.program = program
        self.unseen = unseen
        self.compared = 0
        """Sizes that run."""
        self.refused = 0
        """Sizes that both refuse."""

    def run(self) -> None:
        """Compare until enough sizes were found."""
        asked = self.recording.symbols
        self._compare(asked)
        for sizes in drawn_sizes(asked, sets_of(self.net, asked)):
            if self.compared >= COMPARED and self.refused >= REFUSED:
                return
            self._compare(sizes)

        if not self.compared:
            self._compare(asked, at_any_cost=True)
        if not self.compared:
            raise Unrepresentable(
                "no size was found at which the program and its config both run: nothing could be compared"
            )

    def _compare(self, sizes: Mapping[str, int], *, at_any_cost: bool = False) -> None:
        """Compare at some sizes, unless there are enough of their kind."""
        found = self._shapes_of_config(sizes)
        enough, count = (REFUSED, self.refused) if found is None else (COMPARED, self.compared)
        if count >= enough:
            return

        shapes = self._input_shapes(sizes)
        answer = self.program.answer(shapes)
        differs_in_running = answer is not None and (answer.shapes is None) != (found is None)
        if differs_in_running or at_any_cost:
            answer = self.program.sure_answer(shapes, at_any_cost=at_any_cost)
        if answer is None:
            return

        expected = self._outputs_of(answer)
        if found != expected:
            raise self._differs(sizes, answer, found)
        if found is None:
            self.refused += 1
        else:
            self.compared += 1

    def _input_shapes(self, sizes: Mapping[str, int]) -> list[Shape]:
        shapes = []
        for value in self.recording.inputs.values():
            numbers = substitute(value.sizes, sizes)
            shapes.append(tuple(map(int, numbers)))
        return shapes

    def _shapes_of_config(self, sizes: Mapping[str, int]) -> list[Shape | None] | None:
        """The shapes of its outputs; None where it refuses the sizes."""
        trace = self.net.trace(**sizes)
        return None if trace.diagnostics else list(trace.outputs.values())

    def _outputs_of(self, answer: Answer) -> list[Shape | None] | None:
        """The program's shapes in the order of the config's outputs; None where it raises."""
        shapes = answer.shapes
        if shapes is None:
            return None
        return [shapes.get(name) for name in self.recording.outputs]

    def _differs(
        self, sizes: Mapping[str, int], answer: Answer, found: Sequence[Shape | None] | None
    ) -> Unrepresentable:
        expected = self._outputs_of(answer)
        gives = _written(expected)
        if answer.raised:
            gives = f"an error ({answer.raised})"

        parts = [f"{symbol}={n}" for symbol, n in sizes.items()]
        at = f"at {' '.join(parts)} it" if parts else "it"
        return Unrepresentable(
            f"{at} gives {gives}, and its config would give {_written(found)}: "
            f"some number follows the input's size unseen{self.unseen}"
        )


def _written(shapes: Sequence[Shape | None] | None) -> str:
    if shapes is None:
        return "an error"
    return ", ".join(map(written, shapes))


# --- which sizes -----------------------------------------------------------------------------------------------------


def sets_of(net: Net, symbols: Mapping[str, int]) -> Mapping[str, SizeSet]:
    """The sizes of each symbol that run; no set where they cannot be told."""
    if not symbols:
        return {}
    try:
        axes = net.working_sizes().axes
    except TooLarge:
        return {}
    return {symbol: axes[symbol].runs for symbol in symbols if symbol in axes}


def drawn_sizes(
    asked: Mapping[str, int], runs: Mapping[str, SizeSet]
) -> Iterator[dict[str, int]]:
    """Sizes from the sets and around them, multiples and squares among them: drawn, but always the same, none twice."""
    draw = _Draw(asked, runs)
    drawn = [dict(asked)]
    for turn in range(DRAWN if asked else 0):
        sizes = draw.sizes(turn)
        if sizes not in drawn:
            drawn.append(sizes)
            yield sizes


class _Draw:
    """Draws sizes around those that were asked for."""

    def __init__(self, asked: Mapping[str, int], runs: Mapping[str, SizeSet]) -> None:
        self.asked = asked
        self.runs = runs
        self.random = random.Random(0)
        self.spatial = [symbol for symbol in asked if not symbol.startswith("N")]

    def sizes(self, turn: int) -> dict[str, int]:
        """One more choice of sizes: the ways take turns."""
        around = dict(self.asked)
        if turn % 2:
            around = {symbol: min(n, SMALL) for symbol, n in around.items()}

        ways = (
            self._multiple,
            self._small,
            self._square,
            self._apart,
            self._one,
            self._any,
        )
        way = ways[turn // 2 % len(ways)]
        return way(around)

    def _multiple(self, around: Mapping[str, int]) -> dict[str, int]:
        """All sizes larger or smaller by one factor."""
        factor = self.random.choice((0.5, 1.5, 2, 3))
        sizes = {}
        for symbol, n in around.items():
            sizes[symbol] = self._near(symbol, int(n * factor))
        return sizes

    def _small(self, around: Mapping[str, int]) -> dict[str, int]:
        """Each size among the smallest of its set."""
        sizes = {}
        for symbol in around:
            sizes[symbol] = self._near(symbol, self.random.choice(SMALLEST))
        return sizes

    def _square(self, around: Mapping[str, int]) -> dict[str, int]:
        """One size for all spatial symbols, of all their sets."""
        sizes = dict(around)
        if not self.spatial:
            return self._apart(around)

        both = self.runs.get(self.spatial[0], NONE)
        try:
            for symbol in self.spatial[1:]:
                both = both & self.runs.get(symbol, NONE)
        except TooLarge:
            both = NONE
        largest = max(around[symbol] for symbol in self.spatial)
        size = _nearest(both, self._drawn(largest))
        return sizes | dict.fromkeys(self.spatial, size)

    def _apart(self, around: Mapping[str, int]) -> dict[str, int]:
        """Each size by itself."""
        sizes = {}
        for symbol, n in around.items():
            sizes[symbol] = self._near(symbol, self._drawn(n))
        return sizes

    def _one(self, around: Mapping[str, int]) -> dict[str, int]:
        """One size alone."""
        symbol = self.random.choice(list(around))
        n = self._drawn(around[symbol])
        return {**self.asked, symbol: self._near(symbol, n)}

    def _any(self, around: Mapping[str, int]) -> dict[str, int]:
        """One size alone, whether it runs or not."""
        symbols = self.spatial or list(around)
        symbol = self.random.choice(symbols)
        n = self._drawn(around[symbol])
        return {**self.asked, symbol: n}

    def _drawn(self, n: int) -> int:
        return self.random.randint(1, 2 * n + 1)

    def _near(self, symbol: str, n: int) -> int:
        return _nearest(self.runs.get(symbol, NONE), max(n, 1))


def _nearest(sizes: SizeSet, n: int) -> int:
    """The size of the set that is next to ``n``, which it is itself where the set has none; 0 is no input's."""
    found = [size for size in sizes.nearest(n) if size]
    return found[0] if found else n
