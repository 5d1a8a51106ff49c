"""Many rows of one network at once: its program of sizes, run on numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from tracer.costs.memory import Ledger, ledger
from tracer.costs.operations import DTYPE_BYTES
from tracer.geometry.grids import leading_dims
from tracer.live.choices import Table, choices, is_planned
from tracer.live.writer import Writer
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

Array = Any
Columns = dict[str, Array]


class VectorisedRows(NamedTuple):
    """Columns, the rows of which they say nothing, and those of which they do not say the receptive field."""

    columns: Columns
    unsaid: Array
    unseen: Array


class Vectorised:
    """A network whose rows are computed together. Raises :class:`NotOpen` where they cannot be."""

    def __init__(self, net: Net, params: Mapping[str, int], dtype: str) -> None:
        table: Table | None = choices(net) if is_planned(net) else None
        if table is not None and not table[1]:
            raise NotOpen("the values of an auto do not follow the sizes")
        self.width = DTYPE_BYTES[dtype]
        try:
            writer = self.writer = Writer(net, params, table)
            if writer.unknown:
                raise NotOpen("a node's formula takes no symbols")
            is_broken = None in writer.shapes  # whatever the numbers are
            self.parameters, self.macs = self._counts()
            self.ledger = Ledger([], []) if is_broken else ledger(writer.traced)
        except (TypeError, TooLarge) as error:
            raise NotOpen(str(error)) from None
        self.field: int | None = None
        self.positions: list[tuple[Any, int]] = []
        """Sizes, each with the least one for which the field is known."""
        self.is_steady = False
        """Whether the field is known, and the same for all larger sizes."""
        for size in (*self.parameters, *self.macs):
            writer.program.slot(size)
        self.ledger.evaluated(writer.program.slot)

    def learn(self, example: Trace) -> None:
        """Take the receptive field from a trace that runs, where sizes do not decide it."""
        turn = turns(example)
        if turn is None or not all(map(_is_steady, self.writer.ops)):
            return
        shapes, output = self.writer.shapes, next(iter(example.network.outputs.values()))
        lead = leading_dims(example)
        self.field, self.is_steady = receptive_field(example), True
        self.positions = list(zip((shapes[output.index] or ())[lead:], turn))
        for node, op in zip(example.network.nodes, self.writer.ops):
            if isinstance(op, Merge):  # a single position is broadcast
                read = {n for source in node.inputs for n in (shapes[source.index] or ())[lead:]}
                self.positions += [(n, 2) for n in read if isinstance(n, Size)]

    def _counts(self) -> tuple[list[Any], list[Any]]:
        parameters, macs = [], []
        for applied in self.writer.traced.applied():
            parameters.append(applied.op.parameters(*applied.inputs))
            macs.append(applied.op.macs(applied.shape, *applied.inputs))
        return parameters, macs

    def rows(self, values: Mapping[str, Array], count: int) -> VectorisedRows:
        """The columns for arrays of symbols' sizes and params (``param NAME``)."""
        most = {name: int(np.max(array)) for name, array in values.items()}
        if any(abs(int(n)) > LARGEST for n in self._numbers(self._run(most)).values()):
            return VectorisedRows({}, np.ones(count, bool), np.zeros(count, bool))
        v = self._run(values)
        code, codes, unsaid = np.zeros(count, np.int8), [""], np.zeros(count, bool)
        lossless, aligned = np.ones(count, bool), np.ones(count, bool)
        for asked in self.writer.asked:
            for ask in asked:
                holds = np.broadcast_to(self._truth(ask.holds, v), count)
                if ask.severity == "error":
                    if ask.code not in codes:
                        codes.append(ask.code)
                    first = ~holds & (code == 0)
                    if ask.narrow:
                        unsaid |= first
                    code[first] = codes.index(ask.code)
                elif ask.code in ("T501", "T502"):
                    lossless &= holds
                elif ask.code == "T503":
                    aligned &= holds
        valid = code == 0
        if self.writer.choices:  # whether another plan closes, the planner says
            unsaid |= ~valid
        unseen = valid & (not self.is_steady)
        for n, least in self.positions:
            unseen |= valid & np.broadcast_to(self._value(n, v) < least, count)
        columns: Columns = {
            "valid": valid,
            "error": np.ma.array(np.array(codes, object)[code], mask=valid),
            "lossless": np.ma.array(lossless, mask=~valid),
            "aligned": np.ma.array(lossless & aligned, mask=~valid),
        }
        for name, numbers in self._numbers(v).items():
            columns[name] = np.ma.array(np.broadcast_to(numbers, count), mask=~valid)
        hidden = ~valid if self.field is not None else np.ones(count, bool)
        columns["receptive_field"] = np.ma.array(np.full(count, self.field or 0), mask=hidden)
        return VectorisedRows(columns, unsaid, unseen & ~unsaid)

    def _run(self, values: Mapping[str, Any]) -> list[Any]:
        writer = self.writer
        chosen = {
            name: np.array(choice.values)[values[choice.symbol] % len(choice.values)]
            if choice.symbol is not None
            else choice.values[0]
            for name, choice in zip(writer.unknowns, writer.choices)
        }
        return writer.program.run({"": 0, **values, **chosen})

    def _numbers(self, v: Sequence[Any]) -> dict[str, Any]:
        """The costs after a run: numbers, or arrays of them."""
        held = self.ledger.evaluated(lambda count: self._value(count, v))
        alive = [total for _, total in held.alive(self.width)]
        volumes: Any = 0
        for shape in self.writer.shapes:
            volume: Any = 1
            for n in shape or ():
                volume = volume * self._value(n, v)
            volumes = volumes + volume
        return {
            "macs": self._total(self.macs, v),
            "params": self._total(self.parameters, v),
            "memory": volumes * self.width,
            "training": held.training(self.width),
            "inference": reduce(np.maximum, alive) if alive else 0,
        }

    def _total(self, sizes: Iterable[Any], v: Sequence[Any]) -> Any:
        total: Any = 0
        for size in sizes:
            total = total + self._value(size, v)
        return total

    def _value(self, size: Any, v: Sequence[Any]) -> Any:
        return size if size.__class__ is int else v[self.writer.program.slot(size)]

    def _truth(self, holds: Any, v: Sequence[Any]) -> Any:
        return self.writer.program.truth(holds, v) if isinstance(holds, Condition) else bool(holds)


def _is_steady(op: Op | None) -> bool:
    """Whether the windows of an operation are the same for every size."""
    if op is None or op.fixed_window:
        return True
    return op.align == "none" if isinstance(op, Merge) else type(op).window is Op.window
