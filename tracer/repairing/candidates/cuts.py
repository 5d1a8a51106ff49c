"""What is cut: other amounts of a cut before the fault, and a cut of an output that is larger than expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from tracer.geometry.grids import Grid, Ratio, grids
from tracer.network.records import Node
from tracer.ops.base import Op, Shape, with_arguments
from tracer.ops.crop import CenterCrop, Crop, Slice
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates.behind_outputs import Behind, put_behind, written_shape
from tracer.repairing.candidates.missing import factor_of
from tracer.repairing.candidates.wiring import expectation
from tracer.repairing.writing import path_of
from tracer.source.edits import Edit, Value

MOST = 4
"""Other cuts that are tried as texts."""

CUTS = (Crop, CenterCrop, Slice)

Amounts = tuple[tuple[int, int], ...]
"""What is cut off before and behind, for each spatial axis."""


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Other amounts of what cuts already, and a cut behind an output."""
    if bench.is_large or bench.aim is not None:
        return

    yield from islice(_other_amounts(bench), MOST)
    yield from _cut_behind(bench)


# --- other amounts ---------------------------------------------------------------------------------------------------


class _Cutting(NamedTuple):
    """A map that is cut, and then refused for its size."""

    layers: tuple[Node, ...]
    """Those that cut it, the first one first; what stands between them keeps the size."""
    have: Shape
    """The sizes along the spatial axes."""
    wanted: Shape
    """Those that it should have."""


class _Change(NamedTuple):
    """Another value of one argument."""

    node: Node
    field: str
    value: Value

    @property
    def edit(self) -> Edit:
        """The edit that makes it."""
        place = path_of(self.node, self.node.declaration)
        return Edit((*place, self.field), self.value)

    def made(self, bench: Bench) -> Op:
        """The operation that it makes."""
        op = bench.ops[self.node.index]
        assert op is not None
        return with_arguments(op, {self.field: self.value})


def _other_amounts(bench: Bench) -> Iterator[Candidate]:
    """Other numbers of the layers that cut a map which comes to the node at fault: those that close in memory."""
    for cutting in _cuttings(bench):
        for changes in _changes(bench, cutting):
            made = {one.node.index: one.made(bench) for one in changes}
            if not made or not bench.closes(made):
                continue

            names = ", ".join(one.node.declaration.name for one in changes)
            edits = [one.edit for one in changes]
            yield Candidate(
                f"cut of {names}",
                edits,
                Kind.SLIP,
                Oddness.NATURAL,
            )


def _cuttings(bench: Bench) -> Iterator[_Cutting]:
    """The cuts before each input of the merge at fault, or before what has another shape than expected."""
    merge = bench.failing_merge
    if merge is not None:
        yield from _before_merge(bench, merge)

    node = bench.first_with("T304")
    if node is not None:
        yield from _cutting(bench, node, _expected_sizes(bench, node))


def _before_merge(
    bench: Bench,
    merge: Node,
) -> Iterator[_Cutting]:
    """The cuts before each input; wanted is the size of the next one."""
    shapes = bench.trace.input_shapes(merge)
    following = [*shapes[1:], shapes[0]]

    for node, other in zip(merge.inputs, following):
        if other is not None:
            yield from _cutting(bench, node, other[2:])


def _expected_sizes(
    bench: Bench,
    node: Node,
) -> Shape:
    """The spatial sizes that a node is expected to have; none where they are not said, or its channels are others."""
    shape = bench.shape(node) or ()
    expected = expectation(bench, node) or ()
    if len(shape) != len(expected):
        return ()

    has_channels = all(b in (None, a) for a, b in zip(shape[:2], expected))
    is_said = None not in expected[2:]
    return expected[2:] if has_channels and is_said else ()


def _cutting(
    bench: Bench,
    end: Node,
    wanted: Shape,
) -> Iterator[_Cutting]:
    """The cuts before a node, where there are some and its map is of another size than wanted."""
    have = (bench.shape(end) or ())[2:]
    if have == wanted or len(have) != len(wanted):
        return

    layers = _cuts_before(bench, end)
    if layers:
        layers.reverse()
        yield _Cutting(
            tuple(layers),
            have,
            wanted,
        )


def _cuts_before(
    bench: Bench,
    end: Node,
) -> list[Node]:
    """The cuts before a node behind which nothing changes the size, the last one first."""
    layers = []
    at = end
    while len(at.inputs) == 1:
        (before,) = at.inputs
        if isinstance(bench.ops[at.index], CUTS):
            layers.append(at)
        elif bench.shape(at) != bench.shape(before):
            break
        at = before

    is_shared = any(len(bench.all_of(layer).nodes) > 1 for layer in layers)
    return [] if is_shared else layers


def _changes(
    bench: Bench,
    cutting: _Cutting,
) -> Iterator[list[_Change]]:
    """The arguments with which the layers leave what is wanted."""
    last = cutting.layers[-1]
    op = bench.ops[last.index]

    if isinstance(op, Crop):
        for amounts in _amounts(bench, cutting, op):
            yield [_Change(last, "crop", written_crop(amounts))]
    elif isinstance(op, Slice):
        yield _slices(bench, cutting)
    elif not last.operands:
        is_square = len(set(cutting.wanted)) == 1
        size = cutting.wanted[0] if is_square else cutting.wanted
        yield [_Change(last, "size", size)]


def _slices(
    bench: Bench,
    cutting: _Cutting,
) -> list[_Change]:
    """The slices with the ends at which they leave what is wanted; they begin where they do."""
    changes = []
    for node in cutting.layers:
        op = bench.ops[node.index]
        if not isinstance(op, Slice) or not _is_plain(op):
            continue

        axis = op.dim - 2
        if axis in range(len(cutting.have)) and cutting.have[axis] != cutting.wanted[axis]:
            changes.append(_Change(node, "stop", op.start + cutting.wanted[axis]))
    return changes


def _is_plain(op: Slice) -> bool:
    """Whether every row from a given one on is taken."""
    return op.step == 1 and isinstance(op.start, int) and op.start >= 0


def _amounts(
    bench: Bench,
    cutting: _Cutting,
    op: Crop,
) -> Iterator[Amounts]:
    """The ways to divide what has to go between the sides, where that is possible."""
    axes = len(cutting.have)
    present = op.amounts(axes)
    totals = [
        sum(now) + have - want for now, have, want in zip(present, cutting.have, cutting.wanted)
    ]

    begins = _begins(bench, cutting, present, totals)
    for before in dict.fromkeys(map(tuple, begins)):
        amounts = tuple((n, total - n) for n, total in zip(before, totals))
        is_cut = all(min(pair) >= 0 for pair in amounts)
        if is_cut and len(amounts) == axes:
            yield amounts


def _begins(
    bench: Bench,
    cutting: _Cutting,
    present: Sequence[tuple[int, int]],
    totals: Sequence[int],
) -> Iterator[list[int]]:
    """What may be cut off before, along each axis.

    Half of all, what lies before the input's first row, as much as now, and what leaves as much behind as now.
    """
    yield [total // 2 for total in totals]
    yield _first_rows(bench, cutting.layers[-1].inputs[0])
    yield [before for before, _ in present]
    yield [total - behind for total, (_, behind) in zip(totals, present)]


def written_crop(amounts: Amounts) -> int | tuple[int, ...]:
    """The amounts as a Crop has them, in as few numbers as serve.

    >>> written_crop(((5, 5), (5, 5))), written_crop(((5, 5), (4, 4))), written_crop(((1, 2), (3, 4)))
    (5, (5, 4), (3, 4, 1, 2))
    """
    if any(before != behind for before, behind in amounts):
        return tuple(n for pair in reversed(amounts) for n in pair)

    alike = tuple(before for before, _ in amounts)
    return alike[0] if len(set(alike)) == 1 else alike


def _first_rows(
    bench: Bench,
    node: Node,
) -> list[int]:
    """For each spatial axis the row that lies on the input's first; none where some axis has none."""
    found = grids(bench.trace)[node.index] or ()
    rows = list(map(_first_row, found[2:]))
    return [] if None in rows else [row for row in rows if row is not None]


def _first_row(grid: Grid | None) -> int | None:
    """The number of the position that lies on the input's first; None where there is none."""
    if grid is None or not grid.stride.equals(Ratio(1)):
        return None

    start, part = grid.offset
    is_row = part == 1 and start <= 0
    return -int(start) if is_row else None


# --- a cut that is missing -------------------------------------------------------------------------------------------


def _cut_behind(bench: Bench) -> Iterator[Candidate]:
    """The only output, larger than expected, is cut."""
    output = bench.first_with("T304")
    if output is None or output.uses or output.is_input:
        return
    if list(bench.network.outputs.values()) != [output]:
        return

    have = (bench.shape(output) or ())[2:]
    wanted = _expected_sizes(bench, output)
    if not _is_larger(have, wanted):
        return

    dims = _written_sizes(bench, output)
    title = f"{output.name} is cut to the size expected"
    in_middle = put_behind(bench.network, output, [_centre_crop(bench, dims)])
    yield Candidate(
        title,
        in_middle,
        Kind.REBUILT,
    )

    starts = _first_rows(bench, output)
    if _is_elsewhere(starts, have, wanted):
        slices = [_slice(axis, *pair) for axis, pair in enumerate(zip(starts, dims), 2)]
        on_input = put_behind(bench.network, output, slices)
        yield Candidate(
            f"{title}, where it lies on the input",
            on_input,
            Kind.REBUILT,
        )


def _is_larger(
    have: Sequence[int],
    wanted: Sequence[int],
) -> bool:
    """Whether there is something to cut, and no layer that shrinks by a whole factor is missing."""
    if not wanted or tuple(have) == tuple(wanted):
        return False
    fits = all(a >= b for a, b in zip(have, wanted))
    return fits and factor_of(wanted, have) == 0


def _is_elsewhere(
    starts: Sequence[int],
    have: Sequence[int],
    wanted: Sequence[int],
) -> bool:
    """Whether a cut from these rows on is another one than that in the middle, and there is enough to be cut."""
    rest = [a - b for a, b in zip(have, wanted)]
    middle = [n // 2 for n in rest]
    if len(starts) != len(rest) or list(starts) == middle:
        return False
    return all(start <= n for start, n in zip(starts, rest))


def _written_sizes(
    bench: Bench,
    output: Node,
) -> tuple[Any, ...]:
    """The spatial dims that an output is expected to have, as they are written."""
    (name,) = bench.network.outputs
    expected = output.expect or bench.network.output_expect[name]
    return written_shape(expected)[2:]


def _centre_crop(
    bench: Bench,
    dims: tuple[Any, ...],
) -> Behind:
    """A cut in the middle, to the size of the input where that is expected."""
    inputs = [node for node in bench.network.nodes if node.is_input]
    alike = [node.name for node in inputs if tuple(node.pattern[2:]) == dims]
    size = alike[0] if alike else dims
    return Behind("cut", "CenterCrop", {"size": size})


def _slice(
    dim: int,
    start: int,
    size: int | str,
) -> Behind:
    """The rows of a map from one on.

    >>> _slice(2, 31, "H").arguments
    {'dim': 2, 'start': 31, 'stop': 'H + 31'}
    """
    stop: int | str = f"{size} + {start}"
    if isinstance(size, int):
        stop = size + start
    elif start == 0:
        stop = size

    arguments = {
        "dim": dim,
        "start": start,
        "stop": stop,
    }
    return Behind(f"cut{dim}", "Slice", arguments)
