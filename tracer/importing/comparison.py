"""Compares what was imported with the program itself: the same outputs' shapes, at sizes that the config says run."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple, Protocol

from tracer.importing.covering import Covering, where_each_is_otherwise
from tracer.importing.left_out import LeftOut, is_left_out
from tracer.importing.recording import Recording, Unrepresentable
from tracer.importing.same_numbers import check_numbers
from tracer.net import Net
from tracer.ops.base import Shape, written
from tracer.sizing.program import substitute
from tracer.sizing.size_set import NONE, SizeSet, TooLarge
from tracer.sizing.symbol import Condition, identity


class Counts(NamedTuple):
    """How much is compared."""

    run: int
    """Sizes that run are compared until there are so many."""
    refused: int
    """So many sizes that the config refuses have to be refused by the program too."""
    drawn: int
    """Sizes that are drawn at most."""


OF_MANY_SIZES = Counts(run=10, refused=6, drawn=60)
"""For a program that has had a size in its hands: a number of its own may follow it."""

OF_ALL_SIZES = Counts(run=1, refused=1, drawn=20)
"""For a program that makes the same steps whatever its input's sizes are."""

BY_ITSELF = 3
"""So many sizes of each kind are asked of the program itself, the others of recordings, which cost less."""

BY_RECORDINGS = 2
"""So many of the others are asked of recordings that are made for it: what is known without one comes after them."""

BY_PATHS = 4
"""So many of the sizes that run may be those of the program's paths, which lie near the ones that were asked for."""

COVERED = Counts(run=24, refused=8, drawn=100)
"""The same for sizes that are chosen by what is decided there."""

UNSURE = 48
"""So many sizes are asked for where it is not known whether they decide."""

SMALL = 48
"""Around it, as well as around the sizes that were asked for, others are drawn: a run there costs little."""


SMALLEST = (1, 2, 3, 5, 7)
"""The smallest sizes are drawn near these."""

SCALES = (2, 0.5)
"""The asked sizes times these are asked for where the config refuses them."""


class DecidesUnseen(Unrepresentable):
    """The program decides by a comparison that is not seen, of a size with a number that it names.

    ``by`` are those that it may be: they come out otherwise where the program does something else.
    """

    by: Sequence[Condition] = ()


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


Ask = Callable[[Sequence[Shape]], Answer | None]


class Judges(NamedTuple):
    """Who says what a program does."""

    recorded: ProgramRun
    """More recordings of it, which see the numbers of every step."""
    itself: ProgramRun | None
    """The program itself, where it can be run."""
    left_out: Sequence[LeftOut] = ()
    """The ways of it of which nothing is said."""
    known: ProgramRun | None = None
    """The recordings that are known without being made, as the program takes a way that was recorded."""

    def say_nothing(self, sizes: Mapping[str, int]) -> bool:
        """Whether sizes take a way that the config leaves out: whether the program runs there is not asked."""
        return is_left_out(self.left_out, sizes)

    def of_recording(self, shapes: Sequence[Shape]) -> Answer | None:
        """What a recording says for inputs of these shapes, made anew where it has to be."""
        known = self.known and self.known.answer(shapes)
        return known or self.recorded.answer(shapes)

    def asked(self, answers: int) -> list[Ask]:
        """Who is asked after so many answers, one after the other, those last who know best."""
        if self.itself is None:
            return [self.recorded.answer]
        itself: list[Ask] = [self.itself.answer, self.itself.sure_answer]
        if answers < BY_ITSELF:
            return itself
        is_made = answers < BY_ITSELF + BY_RECORDINGS
        recorded = self.recorded.answer if is_made else self.of_recording
        return [recorded, *itself]


class Recordings(NamedTuple):
    """What there is of a program already, beside its first recording."""

    others: Sequence[Recording]
    """Recordings at other sizes."""
    decided: Sequence[Condition]
    """What it decided by its sizes, in any recording."""

    def unsure(self, first: Recording) -> list[Condition]:
        """What it may have decided unseen, each once."""
        found: dict[Any, Condition] = {}
        for recording in (first, *self.others):
            found.update((identity(one), one) for one in recording.guards.unsure)
        return list(found.values())


def compare(
    net: Net, recording: Recording, recorded: Recordings, judges: Judges, unseen: str
) -> int:
    """The number of sizes at which both run, and have been found to give the same shapes.

    Raises :class:`Unrepresentable` where they differ, and where nothing could be compared. ``unseen`` ends the message
    about a size that escapes from the recording, with the ways in which it may.
    """
    comparison = _Comparison(net, recording, judges, unseen)
    for other in (recording, *recorded.others):
        comparison.check_recording(other)
    comparison.check_decisions(recorded.decided)
    comparison.check_unsure(recorded.unsure(recording))
    comparison.compared = min(comparison.compared + len(recorded.others), BY_PATHS)
    comparison.run()
    return comparison.compared


class _Comparison:
    def __init__(self, net: Net, recording: Recording, judges: Judges, unseen: str) -> None:
        self.net = net
        self.recording = recording
        self.judges = judges
        self.unseen = unseen
        is_known = judges.itself is not None and not recording.sizes_are_read
        self.counts = OF_ALL_SIZES if is_known else OF_MANY_SIZES
        self.compared = 0
        """Sizes that run."""
        self.refused = 0
        """Sizes that both refuse."""
        self.asked = {True: 0, False: 0}
        """So often the judges were asked about sizes that run, and about others."""

    def check_recording(self, recording: Recording) -> None:
        """Hold the config against a recording that it was written of."""
        check_numbers(self.recording, recording, self.unseen)
        outputs = recording.outputs.items()
        answer = Answer({name: value.shape for name, value in outputs})
        found = self._shapes_of_config(recording.symbols)
        if found != self._outputs_of(answer):
            raise self._differs(recording.symbols, answer, found)

    def check_decisions(self, decided: Sequence[Condition]) -> None:
        """Hold the config against recordings among which each two decisions are made in all the ways there are."""
        if not decided:
            return
        covering = Covering(decided, self.recording.symbols)
        left = {True: COVERED.run, False: COVERED.refused}
        for sizes in islice(covering, COVERED.drawn):
            runs = self._shapes_of_config(sizes) is not None
            is_new = covering.count(runs)
            if is_new and left[runs]:
                left[runs] -= self.check_recorded(sizes)

    def check_unsure(self, unsure: Sequence[Condition]) -> None:
        """Hold the config against recordings where what the program may have decided unseen is otherwise.

        Raises :class:`DecidesUnseen` where it did.
        """
        asked: list[dict[str, int]] = []
        for sizes in where_each_is_otherwise(unsure, self.recording.symbols):
            if len(asked) == UNSURE:
                break
            if sizes not in asked:
                asked.append(sizes)
        for sizes in asked:
            try:
                self.check_recorded(sizes)
            except Unrepresentable as refused:
                unseen = DecidesUnseen(str(refused), fault=refused.fault)
                unseen.by = self._otherwise(unsure, sizes)
                raise unseen from refused

    def _otherwise(
        self, conditions: Sequence[Condition], sizes: Mapping[str, int]
    ) -> list[Condition]:
        """The conditions that come out otherwise at some sizes."""
        here = substitute(conditions, self.recording.symbols)
        there = substitute(conditions, sizes)
        return [one for one, a, b in zip(conditions, here, there) if a != b]

    def check_recorded(self, sizes: Mapping[str, int]) -> bool:
        """Hold the config against one more recording; False where nothing can be said."""
        if self.judges.say_nothing(sizes):
            return False
        found = self._shapes_of_config(sizes)
        shapes = self._input_shapes(sizes)
        answer = self.judges.of_recording(shapes)
        if answer is None or (answer.shapes is None) != (found is None):
            answer = self._answer(shapes, found is not None)
        if answer is None:
            return False

        if found != self._outputs_of(answer):
            raise self._differs(sizes, answer, found)
        self.compared += found is not None
        self.refused += found is None
        return True

    def run(self) -> None:
        """Compare until enough sizes were found."""
        asked = self.recording.symbols
        if self.counts is OF_MANY_SIZES:
            self._compare(asked)
        sizes_drawn = drawn_sizes(asked, lambda: sets_of(self.net, asked))
        drawn = islice(sizes_drawn, self.counts.drawn)

        # What has run once without data is believed where it raises, too.
        self._compare_until(drawn, run=1, refused=0)
        for refused in self._refused_ones_to_ask():
            self._check_refused(refused)
        self._compare_until(drawn, self.counts.run, self.counts.refused)

        if not self.compared:
            self._compare(asked)
        if not self.compared:
            self._compare(asked, at_any_cost=True)
        if not self.compared:
            raise Unrepresentable(
                "no size was found at which the program and its config both run: nothing could be compared"
            )

    def _compare_until(
        self, drawn: Iterator[Mapping[str, int]], run: int, refused: int
    ) -> None:
        """Compare at drawn sizes until so many of each kind were found, or none is left."""
        while self.compared < run or self.refused < refused:
            sizes = next(drawn, None)
            if sizes is None:
                return
            self._compare(sizes)

    def _refused_ones_to_ask(self) -> Iterator[Mapping[str, int]]:
        """Sizes that the config refuses.

        A program that has no size in its hands does the same until an operation raises: one that raises for one
        symbol and for another is asked for once.
        """
        refusing: set[tuple[str | None, ...]] = set()
        for sizes in chain(self._refused_ones(), self._scaled()):
            nodes = tuple(one.node for one in self.net.trace(**sizes).diagnostics)
            if self.counts is OF_MANY_SIZES or nodes not in refusing:
                refusing.add(nodes)
                yield sizes

    def _refused_ones(self) -> Iterator[dict[str, int]]:
        """For each symbol its smallest size, and the last one below the asked size, where the config refuses them.

        A program that runs on after an error, or with fewer parts, does so there.
        """
        asked = self.recording.symbols

        def is_refused(symbol: str, n: int) -> bool:
            return self._shapes_of_config({**asked, symbol: n}) is None

        for symbol, size in asked.items():
            if size < 2 or not is_refused(symbol, 1):
                continue
            yield {**asked, symbol: 1}
            refused, runs = 1, size
            while runs - refused > 1:
                middle = (refused + runs) // 2
                if is_refused(symbol, middle):
                    refused = middle
                else:
                    runs = middle
            if refused > 1:
                yield {**asked, symbol: refused}

    def _scaled(self) -> Iterator[dict[str, int]]:
        """The asked sizes, all of them doubled and halved, where the config refuses that.

        A program whose sizes have to agree among each other runs there.
        """
        asked = self.recording.symbols
        for factor in SCALES:
            sizes = {}
            for symbol, n in asked.items():
                scaled = int(n * factor)
                sizes[symbol] = max(scaled, 1)
            if self._shapes_of_config(sizes) is None:
                yield sizes

    def _check_refused(self, sizes: Mapping[str, int]) -> None:
        """Raise where the program itself runs at sizes that the config refuses."""
        if self.judges.say_nothing(sizes):
            return
        answer = self._answer(self._input_shapes(sizes), runs=False)
        if answer is None:
            return
        if answer.shapes is not None:
            raise self._differs(sizes, answer, None)
        self.refused += 1

    def _compare(self, sizes: Mapping[str, int], *, at_any_cost: bool = False) -> None:
        """Compare at some sizes, unless there are enough of their kind."""
        if self.judges.say_nothing(sizes):
            return
        found = self._shapes_of_config(sizes)
        count = self.compared if found is not None else self.refused
        enough = self.counts.run if found is not None else self.counts.refused
        if count >= enough:
            return

        shapes = self._input_shapes(sizes)
        answer = self._answer(shapes, found is not None)
        if at_any_cost:
            last = self.judges.itself or self.judges.recorded
            answer = last.sure_answer(shapes, at_any_cost=True)
        if answer is None:
            return

        expected = self._outputs_of(answer)
        if found != expected:
            raise self._differs(sizes, answer, found)
        if found is None:
            self.refused += 1
        else:
            self.compared += 1

    def _answer(self, shapes: Sequence[Shape], runs: bool) -> Answer | None:
        """What the program does; whoever knows better is asked where it is not what the config does, run or refuse."""
        answer = None
        for judge in self.judges.asked(self.asked[runs]):
            answer = judge(shapes)
            if answer is not None and (answer.shapes is not None) == runs:
                break
        self.asked[runs] += answer is not None
        return answer

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
        why = f"some number follows the input's size unseen{self.unseen}"
        if found is None:
            why = f"it goes on after an error that it catches, or with fewer parts, or {why}"
        return Unrepresentable(
            f"{at} gives {gives}, and its config would give {_written(found)}: {why}"
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
    asked: Mapping[str, int], sets: Callable[[], Mapping[str, SizeSet]]
) -> Iterator[dict[str, int]]:
    """Sizes from the sets and around them, multiples and squares among them: drawn, but always the same, none twice.

    The first ones are taken without the sets, which are worked out when more are needed.
    """
    drawn = [dict(asked)]
    for sizes in _choices(asked, sets) if asked else ():
        if sizes not in drawn:
            drawn.append(sizes)
            yield sizes


def _choices(
    asked: Mapping[str, int], sets: Callable[[], Mapping[str, SizeSet]]
) -> Iterator[dict[str, int]]:
    # Mostly the first one runs, and the second one does not.
    factors = itertools.count(2)
    yield {symbol: n * factor for (symbol, n), factor in zip(asked.items(), factors)}
    *_, last = asked
    yield {**asked, last: asked[last] + 1}

    draw = _Draw(asked, sets())
    for turn in range(OF_MANY_SIZES.drawn):
        yield draw.sizes(turn)


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
            self._small,
            self._multiple,
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
