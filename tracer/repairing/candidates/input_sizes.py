"""Other input sizes: the nearest that keep what is promised and lose nothing, and those that merely run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from tracer.network.records import SizeRange, is_set
from tracer.ops.base import written
from tracer.planning.promises import first_missing
from tracer.planning.working_sizes import (
    Axis,
    promised_sizes,
    with_every_dim_open,
    working_sizes,
)
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind
from tracer.repairing.padded_inputs import sizes_to_pad_to
from tracer.repairing.writing import Path
from tracer.sizing.size_set import NONE, SizeSet, TooLarge
from tracer.source.edits import Edit


def candidates(bench: Bench) -> Iterator[Candidate]:
    """The sizes above, then those below; for promised ranges the class of sizes that all work."""
    yield from _padded(bench)
    if not bench.affords():
        return
    finder = _Sizes(bench)
    promised = finder.promised()
    if promised:
        yield Candidate(_title(promised), promised, Kind.SIZES)
        return
    yield from finder.nearest()


def _padded(bench: Bench) -> Iterator[Candidate]:
    """The sizes that a program can pad its input to."""
    program = bench.net.read_from
    if program is None or not program.places:
        return
    declared, wanted = bench.network.defaults(), sizes_to_pad_to(bench.net)
    edits = [Edit(("sizes", s), n) for s, n in wanted.items() if declared[s] != n]
    if edits:
        yield Candidate("padded input", edits, Kind.SIZES)


def _title(edits: list[Edit]) -> str:
    shown = [
        f"{'.'.join(map(str, edit.path)).removeprefix('sizes.')} = {written(edit.value)}"
        for edit in edits
    ]
    return f"input sizes: {', '.join(shown)}"


class _Sizes:
    """The sizes of one network's inputs, those that stand as numbers included."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.network = with_every_dim_open(bench.network)
        self.first = self.network.defaults()
        self.ops = bench.net.solution().ops
        self.axes: Mapping[str, Axis] = {}

    # --- one size ----------------------------------------------------------------------------------------------------

    def nearest(self) -> Iterator[Candidate]:
        """The nearest sizes of all symbols together, above and below: of the best set first."""
        seen: set[str] = set()
        try:
            for axes in self._found_axes():
                self.axes = axes
                for candidate in self._nearest_of_axes():
                    if candidate.key not in seen:
                        seen.add(candidate.key)
                        yield candidate
        except TooLarge:
            return

    def _nearest_of_axes(self) -> Iterator[Candidate]:
        """The same of the sets at hand."""
        for kind, choose in (
            (Kind.SIZES, _multiples),
            (Kind.SIZES, _keeps),
            (Kind.RUNS, _runs),
        ):
            for is_above in (True, False):
                edits = self._edits(choose, is_above)
                if edits:
                    yield Candidate(_title(edits), edits, kind)

    def _found_axes(self) -> Iterator[Mapping[str, Axis]]:
        """The sets of the network; where only some size runs or none, those of the part that ends with the first fault.

        Another fault behind it, which no size mends, is then left for a second change.
        """
        found = self.bench.net.working_sizes(every_dim=True, promises=True).axes
        if any(axis.runs for axis in found.values()):
            yield found
        if all(found[symbol].runs.residues for symbol in self.bench.network.defaults()):
            return

        end = self.bench.first_fault + 1
        network = self.network
        part = replace(
            network,
            nodes=network.nodes[:end],
            outputs={},
            output_expect={},
            sharers=[node for node in network.sharers if node.index < end],
        )
        ops = self.bench.net.built.ops[:end]
        yield working_sizes(part, ops, self.first, promises=True).axes

    def _edits(self, choose: Any, is_above: bool) -> list[Edit]:
        """The edits to the next size of each symbol that its set lacks."""
        paths = self._paths_of_fixed_dims()
        found = []
        for symbol, size in self.first.items():
            axis = self.axes.get(symbol)
            if axis is None or is_set(self.network.sizes.get(symbol, size)):
                continue
            works: SizeSet = choose(axis)
            if size in (axis.runs if axis.kept is None else axis.kept):
                continue
            other = works.at_least(size) if is_above else works.at_most(size)
            if not other:
                return []
            found.append(Edit(paths.get(symbol, ("sizes", symbol)), other))
        return found

    def _paths_of_fixed_dims(self) -> dict[str, Path]:
        """The place of each dim of the inputs in the document, by its symbol when every dim is open."""
        inputs = [node for node in self.bench.network.nodes if node.is_input]
        is_single = len(inputs) == 1 and inputs[0].name == "input"
        paths: dict[str, Path] = {}
        for node in inputs:
            start: Path = ("input",) if is_single else ("input", node.name)
            for dim in range(len(node.pattern)):
                paths[f"{node.name}[{dim}]"] = (*start, dim)
        return paths

    # --- promised ranges and lists -----------------------------------------------------------------------------------

    def promised(self) -> list[Edit]:
        """The sizes of each promised range or list that all work."""
        found = []
        for symbol, promise in self.bench.network.sizes.items():
            if symbol not in self.network.symbols or not is_set(promise):
                continue
            try:
                works = promised_sizes(self.network, self.ops, self.first, symbol)
                if works is None or not works.sizes:
                    return []
                if isinstance(promise, SizeRange):
                    found += _range_edits(symbol, promise, works.sizes, works.below)
                else:
                    found += _list_edits(symbol, promise, works.sizes)
            except (TooLarge, KeyError):
                return []
        return found


def _multiples(axis: Axis) -> SizeSet:
    """The multiples of the period that keep every promise, as people choose sizes."""
    kept = axis.runs if axis.kept is None else axis.kept
    if 0 not in kept.residues:
        return NONE
    return kept & SizeSet((), kept.start, kept.modulus, (0,))


def _keeps(axis: Axis) -> SizeSet:
    """The sizes that keep every promise and lose nothing, where there are some; else those that keep it."""
    kept = axis.runs if axis.kept is None else axis.kept
    for better in (axis.aligned & kept, axis.lossless & kept):
        if better:
            return better
    return kept


def _runs(axis: Axis) -> SizeSet:
    return axis.runs


def _list_edits(symbol: str, promise: Any, works: SizeSet) -> list[Edit]:
    kept = tuple(n for n in promise if n in works)
    return [Edit(("sizes", symbol), kept)] if kept and kept != promise else []


def _range_edits(
    symbol: str, promise: SizeRange, works: SizeSet, known: int | None
) -> list[Edit]:
    """A step of the period, from the first size that works."""
    if first_missing(promise, works, known) is None:
        return []

    least = works.at_least(promise.least)
    while least is not None and works.residues and least < works.start:
        least = works.at_least(least + 1)
    if least is None or not works.residues:
        return []

    # A step that is a multiple of the period keeps to the sizes that work.
    step = promise.step if promise.step % works.modulus == 0 else works.modulus
    edits = []
    if least != promise.least:
        edits.append(Edit(("sizes", symbol, "min"), least))
    if step != promise.step:
        edits.append(Edit(("sizes", symbol, "step"), step))
    return edits
