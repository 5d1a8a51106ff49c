"""The rows of a task."""

from __future__ import annotations

from typing import Any

import numpy as np

from tracer.design.skips import Undesignable
from tracer.diagnostics import TracerError
from tracer.geometry.grids import spatial_symbols
from tracer.memo import Memo
from tracer.net import Net
from tracer.network.open_params import NotOpen, by_symbol
from tracer.sweep.axes import count
from tracer.sweep.exact import Row, exact_row, receptive_field
from tracer.sweep.study import ROWS, Study, Task, shown
from tracer.sweep.vectorised import Columns, Vectorised

KEPT = 256
"""Networks of other params that are kept while a task is computed."""

_programs: dict[tuple[str, int], Vectorised | None] = {}
"""The program of the last structural combination: its tasks follow each other."""

_fields: Memo[int | None] = Memo(65_536)
"""The receptive field by study, structure and spatial sizes."""


def evaluate(study: Study, number: int) -> Columns:
    """The columns of a task: what is varied, then :data:`ROWS`."""
    task = study.task(number)
    inner = _inner(study, task)
    columns: Columns = {
        name: _constant(shown(value), len(task)) for name, value in study.fixed(task).items()
    }
    columns |= inner
    return columns | _Rows(study, task, inner).computed()


class _Rows:
    """The rows of one task while they are computed."""

    def __init__(self, study: Study, task: Task, inner: Columns) -> None:
        self.study, self.task, self.inner = study, task, inner
        self.count = len(task)
        self.place = (study.key(), task.outer)
        """The study and the combination of its structural axes."""
        self.params = [
            name for axis in study.numeric if axis.kind == "param" for name in axis.names
        ]
        self.symbols = [
            name for axis in study.numeric if axis.kind == "size" for name in axis.names
        ]
        self.spatial: list[str] | None = None
        """The symbols that the receptive field can follow, once they are asked for."""
        self.nets: dict[tuple[int, ...], Net | str] = {}
        """By the params' values: the network, or the code of what is wrong with it."""

    def computed(self) -> Columns:
        found = self._together()
        if found is None:
            columns, unsaid = _empty(self.count), np.ones(self.count, bool)
        else:
            columns, unsaid = found
        for i in np.flatnonzero(unsaid):
            self._set(columns, int(i), self._exact(int(i)))
        return columns

    def _together(self) -> tuple[Columns, Any] | None:
        """All rows at once, and those of which that says nothing; None where it cannot be done, or is not exact."""
        if self.place not in _programs:
            _programs.clear()
            _programs[self.place] = self._program()
        program = _programs[self.place]
        if program is None:
            return None
        known = program.writer.network.defaults()
        values: dict[str, Any] = {symbol: np.array([n]) for symbol, n in known.items()}
        values |= {symbol: self.inner[symbol] for symbol in self.symbols}
        values |= by_symbol({name: self.inner[name] for name in self.params})
        found = program.rows(values, self.count)
        if not program.is_steady and found.columns and found.columns["valid"].any():
            i = int(np.argmax(found.columns["valid"]))
            net = self._net(i)
            if isinstance(net, str):  # the program was wrong to say that it runs
                return None
            program.learn(net.trace(**{**net.network.defaults(), **self._sizes(i)}))
            found = program.rows(values, self.count)
        if not found.columns:
            return None
        columns = _empty(self.count)
        for name, column in found.columns.items():
            columns[name] = np.ma.array(column, copy=True)
        for place in np.flatnonzero(found.unseen):
            seen = self._seen(int(place))
            columns["receptive_field"][place] = np.ma.masked if seen is None else seen
        for i in {0, self.count // 2, self.count - 1}:
            if not found.unsaid[i]:
                exact = self._exact(i)
                if {name: self._get(columns, i, name) for name in ROWS} != {
                    name: exact.get(name) for name in ROWS
                }:
                    return None
        return columns, found.unsaid

    def _program(self) -> Vectorised | None:
        net = self._net(0)
        if isinstance(net, str):
            return None
        try:
            return Vectorised(
                net, {name: int(self.inner[name][0]) for name in self.params}, self.study.dtype
            )
        except NotOpen:
            return None

    def _seen(self, i: int) -> int | None:
        """The receptive field of a valid row: sizes decide it, and no open param."""
        net, sizes = self._net(i), self._sizes(i)
        assert not isinstance(net, str)
        if self.spatial is None:
            self.spatial = spatial_symbols(net.trace())
        key = (*self.place, *(n for symbol, n in sizes.items() if symbol in self.spatial))
        if key not in _fields:
            _fields[key] = receptive_field(net.trace(**{**net.network.defaults(), **sizes}))
        return _fields[key]

    def _sizes(self, i: int) -> dict[str, int]:
        return {symbol: int(self.inner[symbol][i]) for symbol in self.symbols}

    def _net(self, i: int) -> Net | str:
        key = tuple(int(self.inner[name][i]) for name in self.params)
        if key not in self.nets:
            if len(self.nets) > KEPT:
                self.nets.clear()
            try:
                self.nets[key] = self.study.network(
                    self.task, dict(zip(self.params, key)), self._sizes(i)
                )
            except TracerError as error:
                self.nets[key] = error.diagnostics[0].code
            except (Undesignable, ValueError):
                self.nets[key] = "design"
        return self.nets[key]

    def _exact(self, i: int) -> Row:
        net = self._net(i)
        if isinstance(net, str):
            return {"valid": False, "error": net}
        return exact_row(net, {**net.network.defaults(), **self._sizes(i)}, self.study.dtype)

    @staticmethod
    def _get(columns: Columns, i: int, name: str) -> Any:
        value = columns[name][i]
        if value is np.ma.masked:
            return None
        return value if isinstance(value, str) else value.item()

    @staticmethod
    def _set(columns: Columns, i: int, row: Row) -> None:
        for name in ROWS:
            value = row.get(name)
            columns[name][i] = np.ma.masked if value is None else value


def _empty(rows: int) -> Columns:
    kinds: dict[str, Any] = {"valid": bool, "lossless": bool, "aligned": bool, "error": object}
    return {
        name: np.ma.array(np.zeros(rows, kinds.get(name, np.int64)), mask=True) for name in ROWS
    }


def _inner(study: Study, task: Task) -> Columns:
    """The values of the numeric axes in every row."""
    found: Columns = {}
    numbers = np.arange(task.start, task.stop, dtype=np.int64)
    for i, axis in enumerate(study.numeric):
        place = numbers // count(study.numeric[i + 1 :]) % len(axis)
        values = (
            axis.start + place * axis.step
            if axis.values is None
            else np.array(axis.values, np.int64)[place]
        )
        found.update(dict.fromkeys(axis.names, values))
    return found


def _constant(value: Any, rows: int) -> Any:
    kind = object if isinstance(value, str) or value is None else None
    return np.full(rows, value, kind)
