"""Many rows of one network at once: its program of sizes, run on numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import msgspec
import numpy as np

from tracer.costs.memory import Ledger, ledger
from tracer.costs.operations import DTYPE_BYTES
from tracer.geometry.grids import leading_dims
from tracer.live.choices import choices, is_planned
from tracer.live.opened import OpenedNetwork
from tracer.live.walk import open_network
from tracer.net import Net
from tracer.network.open_params import NotOpen
from tracer.ops.base import Op
from tracer.ops.merge import Merge
from tracer.shapes.trace import Trace
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Condition, Size
from tracer.sweep.exact import receptive_field, turns

LARGEST = 2**58
"""Above this no array of 64-bit integers is trusted."""

BROADCAST = 2
"""Positions from which on the field behind a merge is the same: a single one is broadcast."""

Array = Any
Columns = dict[str, Array]


class VectorisedRows(NamedTuple):
    """Columns, and the rows of which they are silent."""

    columns: Columns
    """None at all where a number could be too large for them."""
    unsaid: Array
    """True for rows of which nothing is known."""
    unseen: Array
    """True for rows of which the receptive field alone is not known."""


class CostFormulas(NamedTuple):
    """The costs of a network as sizes."""

    parameters: list[Any]
    """By operation."""
    macs: list[Any]
    ledger: Ledger
    output: Sequence[Any] = ()
    """The spatial sizes of the first output."""


class LeastSize(NamedTuple):
    """A size, and the least one of it for which the receptive field is known."""

    size: Any
    least: int


class KnownField(NamedTuple):
    """The receptive field of the output, the same for all sizes from the least ones on."""

    extent: int | None
    """None: the whole input."""
    least: list[LeastSize]


class Vectorised(msgspec.Struct, frozen=True):
    """A network whose rows are computed together."""

    opened: OpenedNetwork
    costs: CostFormulas
    width: int
    """Bytes of one value of a map."""
    field: KnownField | None = None
    """None where it is not known."""

    def rows(self, values: Mapping[str, Array], count: int) -> VectorisedRows:
        """The columns for arrays of sizes, by symbol; those of open params are among them."""
        if self._is_too_large(values):
            every = np.ones(count, bool)
            none = np.zeros(count, bool)
            return VectorisedRows({}, every, none)

        v = self._run(values)
        verdicts = self._verdicts(v, count)
        valid = verdicts.valid
        unsaid = verdicts.unsaid
        if self.opened.choices:
            # Another plan may close what these values of the autos do not.
            unsaid = unsaid | ~valid

        columns = verdicts.columns()
        for name, numbers in self._numbers(v).items():
            column = np.broadcast_to(numbers, count)
            columns[name] = np.ma.array(column, mask=~valid)
        columns["receptive_field"] = self._fields(valid)
        unseen = valid & ~unsaid & self._is_unseen(v, count)
        return VectorisedRows(columns, unsaid, unseen)

    def _is_too_large(self, values: Mapping[str, Array]) -> bool:
        """True where a size or a cost of the largest values, or of the least, could overflow."""
        for end in (np.max, np.min):
            ends = {name: int(end(array)) for name, array in values.items()}
            v = self._run(ends)
            numbers = [*v, *self._numbers(v).values()]
            if any(abs(int(n)) > LARGEST for n in numbers):
                return True
        return False

    def _run(self, values: Mapping[str, Any]) -> list[Any]:
        opened = self.opened
        chosen = {}
        for name, choice in zip(opened.unknowns, opened.choices):
            if choice.symbol is None:
                chosen[name] = choice.values[0]
            else:
                residue = values[choice.symbol] % len(choice.values)
                # Of numbers a number: those of Python do not overflow.
                is_one = isinstance(residue, int)
                table = choice.values if is_one else np.array(choice.values)
                chosen[name] = table[residue]
        return opened.program.run({"": 0, **values, **chosen})

    # Conditions

    def _verdicts(self, v: Sequence[Any], count: int) -> _Verdicts:
        found = _Verdicts(count)
        for claims in self.opened.claims:
            for claim in claims:
                holds = np.broadcast_to(self._truth(claim.holds, v), count)
                if claim.severity == "error":
                    found.refuse(~holds, claim.code, is_narrow=claim.narrow)
                elif claim.code in ("T501", "T502"):
                    found.lossless &= holds
                elif claim.code == "T503":
                    found.aligned &= holds
        return found

    def _truth(self, holds: Any, v: Sequence[Any]) -> Any:
        if isinstance(holds, Condition):
            return self.opened.program.truth(holds, v)
        return bool(holds)

    # Costs

    def _numbers(self, v: Sequence[Any]) -> dict[str, Any]:
        """The costs after a run: numbers, or arrays of them."""
        held = self.costs.ledger.evaluated(lambda count: self._value(count, v))
        alive = [total for _, total in held.alive(self.width)]
        volumes = [self._volume(shape or (), v) for shape in self.opened.shapes]
        found = {
            "macs": self._total(self.costs.macs, v),
            "params": self._total(self.costs.parameters, v),
            "memory": sum(volumes) * self.width,
            "training": held.training(self.width),
            "inference": reduce(_larger, alive) if alive else 0,
        }
        if self.costs.output:
            sizes = [self._value(size, v) for size in self.costs.output]
            found["output_size"] = reduce(_smaller, sizes)
        return found

    def _volume(self, shape: Iterable[Any], v: Sequence[Any]) -> Any:
        volume: Any = 1
        for n in shape:
            volume = volume * self._value(n, v)
        return volume

    def _total(self, sizes: Iterable[Any], v: Sequence[Any]) -> Any:
        total: Any = 0
        for size in sizes:
            total = total + self._value(size, v)
        return total

    def _value(self, size: Any, v: Sequence[Any]) -> Any:
        if isinstance(size, Size):
            return v[self.opened.program.slot(size)]
        return size

    # The receptive field

    def _fields(self, valid: Array) -> Array:
        extent = None if self.field is None else self.field.extent
        hidden = np.ones(len(valid), bool) if extent is None else ~valid
        return np.ma.array(np.full(len(valid), extent or 0), mask=hidden)

    def _is_unseen(self, v: Sequence[Any], count: int) -> Array:
        """True for rows whose receptive field is not the known one."""
        if self.field is None:
            return np.ones(count, bool)
        unseen = np.zeros(count, bool)
        for one in self.field.least:
            is_small = self._value(one.size, v) < one.least
            unseen |= np.broadcast_to(is_small, count)
        return unseen


def _larger(first: Any, second: Any) -> Any:
    """The larger of two numbers, however large, or of those of two arrays."""
    are_numbers = isinstance(first, int) and isinstance(second, int)
    if are_numbers:
        return max(first, second)
    return np.maximum(first, second)


def _smaller(first: Any, second: Any) -> Any:
    """The smaller of two numbers, or of those of two arrays."""
    return -_larger(-first, -second)


class _Verdicts:
    """Many rows judged by the conditions of a network, one condition after the other."""

    def __init__(self, count: int) -> None:
        self.codes = [""]
        """Of the errors found; the empty one for a valid row."""
        self.code = np.zeros(count, np.int8)
        """By row: which of the codes is its first error's."""
        self.unsaid = np.zeros(count, bool)
        self.lossless = np.ones(count, bool)
        self.aligned = np.ones(count, bool)

    @property
    def valid(self) -> Array:
        return self.code == 0

    def refuse(self, refused: Array, code: str, *, is_narrow: bool) -> None:
        """Note the rows that break a condition, where no earlier one is broken.

        A narrow condition is one that numbers need not meet: of the rows that break it nothing is known.
        """
        if code not in self.codes:
            self.codes.append(code)
        first = refused & self.valid
        if is_narrow:
            self.unsaid |= first
        self.code[first] = self.codes.index(code)

    def columns(self) -> Columns:
        valid = self.valid
        errors = np.array(self.codes, object)[self.code]
        return {
            "valid": valid,
            "error": np.ma.array(errors, mask=valid),
            "lossless": np.ma.array(self.lossless, mask=~valid),
            "aligned": np.ma.array(self.lossless & self.aligned, mask=~valid),
        }


def vectorised(net: Net, params: Mapping[str, int], dtype: str) -> Vectorised:
    """The network with these params open. Raises :class:`NotOpen` where its rows cannot be computed together."""
    table = choices(net) if is_planned(net) else None
    if table is not None and not table.follows_sizes:
        raise NotOpen("the values of an auto do not follow the sizes")

    try:
        opened = open_network(net, params, table)
        if opened.unknown:
            raise NotOpen("a node's formula takes no symbols")
        costs = _costs(opened)
    except (TypeError, TooLarge) as error:
        raise NotOpen(str(error)) from None

    # The program computes what has a slot.
    for size in (*costs.parameters, *costs.macs, *costs.output):
        opened.program.slot(size)
    costs.ledger.evaluated(opened.program.slot)
    return Vectorised(opened, costs, DTYPE_BYTES[dtype])


def _costs(opened: OpenedNetwork) -> CostFormulas:
    traced = opened.traced
    parameters = []
    macs = []
    for applied in traced.applied():
        parameters.append(applied.parameters)
        macs.append(applied.op.macs(applied.shape, *applied.inputs))

    is_broken = None in opened.shapes  # whatever the numbers are
    if is_broken:
        return CostFormulas(parameters, macs, Ledger([], []))

    output = next(iter(opened.network.outputs.values()))
    spatial = (opened.shapes[output.index] or ())[leading_dims(traced) :]
    return CostFormulas(parameters, macs, ledger(traced), spatial)


def with_field(program: Vectorised, example: Trace) -> Vectorised:
    """The same with the receptive field of a trace that runs; as it is where sizes decide the field."""
    opened = program.opened
    turn = turns(example)
    if turn is None or not all(map(_is_steady, opened.ops)):
        return program

    output = next(iter(example.network.outputs.values()))
    lead = leading_dims(example)
    spatial = (opened.shapes[output.index] or ())[lead:]
    least = [LeastSize(size, n) for size, n in zip(spatial, turn)]
    least += [LeastSize(size, BROADCAST) for size in _merged_sizes(opened, lead)]
    field = KnownField(receptive_field(example), least)
    return msgspec.structs.replace(program, field=field)


def _merged_sizes(opened: OpenedNetwork, lead: int) -> list[Size]:
    """The spatial sizes of what merges read, where they are not numbers."""
    found: list[Size] = []
    for node, op in zip(opened.network.nodes, opened.ops):
        if isinstance(op, Merge):
            shapes = [opened.shapes[source.index] or () for source in node.inputs]
            sizes = {n for shape in shapes for n in shape[lead:]}
            found += [n for n in sizes if isinstance(n, Size)]
    return found


def _is_steady(op: Op | None) -> bool:
    """True for an operation whose windows are the same for every size."""
    if op is None or op.fixed_window:
        return True
    if isinstance(op, Merge):
        return op.align == "none"
    return type(op).window is Op.window
