"""The rows of a task: all at once where that is exact, and otherwise one by one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tracer.designing.skips import Undesignable
from tracer.diagnostics import TracerError
from tracer.geometry.grids import spatial_symbols
from tracer.memo import Memo
from tracer.net import Net
from tracer.network.open_params import NotOpen, by_symbol
from tracer.source.limits import INTEGER
from tracer.sweep.axes import Unvaried, count
from tracer.sweep.exact import Row, exact_row, receptive_field
from tracer.sweep.study import ROWS, Study, Task, shown
from tracer.sweep.vectorised import Columns, Vectorised, VectorisedRows, vectorised, with_field

KEPT = 256
"""Networks of other params that are kept while a task is computed."""

_programs: Memo[Vectorised | None] = Memo(1)
"""The program of the last structural combination: its tasks follow each other."""

_fields: Memo[tuple[int | None]] = Memo(65_536)
"""The receptive field by study, structure and spatial sizes."""


def evaluate(study: Study, number: int) -> Columns:
    """The columns of a task: the varied names, then :data:`ROWS`.

    Raises :class:`Unvaried` where a number is too large for a table.
    """
    task = study.task(number)
    inner = _inner(study, task)
    fixed = {}
    for name, n in study.fixed(task).items():
        fixed[name] = _constant(shown(n), len(task))
    computed = _Rows(study, task, inner).computed()
    return {**fixed, **inner, **computed}


class _Together(NamedTuple):
    """Rows that were computed at once, and those of which nothing is known."""

    columns: Columns
    unsaid: Any


class _Rows:
    """The rows of one task while they are computed."""

    def __init__(self, study: Study, task: Task, inner: Columns) -> None:
        self.study = study
        self.task = task
        self.inner = inner
        """The values of the numeric axes."""
        self.count = len(task)
        self.place = (study.key(), task.outer)
        """The study and the combination of its structural axes."""
        self.params = study.numeric_names("param")
        self.symbols = study.numeric_names("size")
        self.spatial: list[str] | None = None
        """The symbols that the receptive field can follow, once they are needed."""
        self.nets: Memo[Net | str] = Memo(KEPT)
        """By the params' values: the network, or the code of what is wrong with it."""

    def computed(self) -> Columns:
        """The columns :data:`ROWS`."""
        found = self._together()
        if found is None:
            found = _Together(_empty(self.count), np.ones(self.count, bool))
        for place in np.flatnonzero(found.unsaid):
            i = int(place)
            row = self._exact(i)
            self._set(found.columns, i, row)
        return found.columns

    # All at once

    def _together(self) -> _Together | None:
        """All rows at once; None where that cannot be done, or is not exact."""
        found = self._vectorised()
        if found is None or not found.columns:
            return None

        columns = _empty(self.count)
        for name, column in found.columns.items():
            columns[name] = np.ma.array(column, copy=True)
        for place in np.flatnonzero(found.unseen):
            seen = self._seen(int(place))
            columns["receptive_field"][place] = np.ma.masked if seen is None else seen

        is_exact = self._is_exact(columns, found.unsaid)
        if is_exact:
            return _Together(columns, found.unsaid)
        return None

    def _vectorised(self) -> VectorisedRows | None:
        """The rows by the program; None where there is none."""
        if self.place not in _programs:
            _programs[self.place] = self._program()
        program = _programs[self.place]
        if program is None:
            return None

        values = self._values(program)
        found = program.rows(values, self.count)
        if program.field is not None or not found.columns or not found.columns["valid"].any():
            return found

        # The first row that runs shows the receptive field.
        i = int(np.argmax(found.columns["valid"]))
        net = self._net(i)
        if isinstance(net, str):  # the program was wrong to say that it runs
            return None
        program = with_field(program, net.trace(**self._all_sizes(net, i)))
        _programs[self.place] = program
        return program.rows(values, self.count)

    def _program(self) -> Vectorised | None:
        net = self._net(0)
        if isinstance(net, str):
            return None
        params = {name: int(self.inner[name][0]) for name in self.params}
        try:
            return vectorised(net, params, self.study.dtype)
        except NotOpen:
            return None

    def _values(self, program: Vectorised) -> dict[str, Any]:
        """An array of values for every symbol of the program."""
        declared = program.opened.network.defaults()
        fixed = {symbol: np.array([n]) for symbol, n in declared.items()}
        sizes = {symbol: self.inner[symbol] for symbol in self.symbols}
        params = {name: self.inner[name] for name in self.params}
        return {**fixed, **sizes, **by_symbol(params)}

    def _is_exact(self, columns: Columns, unsaid: Any) -> bool:
        """Compare the first row, one in the middle and the last with the trace's."""
        for i in {0, self.count // 2, self.count - 1}:
            if unsaid[i]:
                continue
            exact = self._exact(i)
            for name in ROWS:
                if self._get(columns, i, name) != exact.get(name):
                    return False
        return True

    def _seen(self, i: int) -> int | None:
        """The receptive field of a valid row, which sizes decide, and no open param."""
        net = self._net(i)
        assert not isinstance(net, str)
        if self.spatial is None:
            self.spatial = spatial_symbols(net.trace())

        sizes = [n for symbol, n in self._sizes(i).items() if symbol in self.spatial]
        key = (*self.place, *sizes)
        if key not in _fields:
            trace = net.trace(**self._all_sizes(net, i))
            _fields[key] = (receptive_field(trace),)
        return _fields[key][0]

    # One by one

    def _params(self, i: int) -> dict[str, int]:
        return {name: int(self.inner[name][i]) for name in self.params}

    def _sizes(self, i: int) -> dict[str, int]:
        return {symbol: int(self.inner[symbol][i]) for symbol in self.symbols}

    def _all_sizes(self, net: Net, i: int) -> dict[str, int]:
        """A row's sizes, those that are not varied included."""
        return {**net.network.defaults(), **self._sizes(i)}

    def _net(self, i: int) -> Net | str:
        """The network of a row, or the code of what is wrong with it."""
        params = self._params(i)
        key = tuple(params.values())
        if key not in self.nets:
            self.nets[key] = self._loaded(params, self._sizes(i))
        return self.nets[key]

    def _loaded(self, params: dict[str, int], sizes: dict[str, int]) -> Net | str:
        try:
            return self.study.network(self.task, params, sizes)
        except TracerError as error:
            return error.diagnostics[0].code
        except (Undesignable, ValueError):
            return "design"

    def _exact(self, i: int) -> Row:
        net = self._net(i)
        if isinstance(net, str):
            return {"valid": False, "error": net}
        sizes = self._all_sizes(net, i)
        row = exact_row(net, sizes, self.study.dtype)
        for name, value in row.items():
            if isinstance(value, int) and value > INTEGER:
                chosen = {**self.study.fixed(self.task), **self._params(i), **sizes}
                place = ", ".join(f"{word}={shown(n)}" for word, n in chosen.items())
                raise Unvaried(
                    f"{name} is out of range for {place}: {value}, a table has numbers below 2**63"
                )
        return row

    @staticmethod
    def _get(columns: Columns, i: int, name: str) -> Any:
        value = columns[name][i]
        if value is np.ma.masked:
            return None
        if isinstance(value, str):
            return value
        return value.item()

    @staticmethod
    def _set(columns: Columns, i: int, row: Row) -> None:
        for name in ROWS:
            value = row.get(name)
            columns[name][i] = np.ma.masked if value is None else value


def _empty(rows: int) -> Columns:
    kinds: dict[str, Any] = {"valid": bool, "lossless": bool, "aligned": bool, "error": object}
    found = {}
    for name in ROWS:
        values = np.zeros(rows, kinds.get(name, np.int64))
        found[name] = np.ma.array(values, mask=True)
    return found


def _inner(study: Study, task: Task) -> Columns:
    """The values of the numeric axes in every row."""
    found: Columns = {}
    numbers = np.arange(task.start, task.stop, dtype=np.int64)
    for i, axis in enumerate(study.numeric):
        place = numbers // count(study.numeric[i + 1 :]) % len(axis)
        if axis.values is None:
            values = axis.start + place * axis.step
        else:
            values = np.array(axis.values, np.int64)[place]
        for name in axis.names:
            found[name] = values
    return found


def _constant(value: Any, rows: int) -> Any:
    kind = object if isinstance(value, str) or value is None else None
    return np.full(rows, value, kind)
