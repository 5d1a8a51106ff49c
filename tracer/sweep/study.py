"""A sweep: its network, the axes along which it is varied, and its rows cut into tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from tracer.designing.families import DEFAULT_SIZE, FamilyOptions, families
from tracer.designing.skips import Undesignable
from tracer.diagnostics import TracerError
from tracer.live.opened import OpenedNetwork
from tracer.live.opening import live
from tracer.live.walk import open_network
from tracer.loading import load_text
from tracer.memo import Memo
from tracer.net import Net
from tracer.ops.base import argument, written
from tracer.sizing.size_set import TooLarge
from tracer.sizing.symbol import Size
from tracer.source.edits import Edit, edited
from tracer.source.tree import Fault
from tracer.source.written import EditError
from tracer.sweep.axes import Kind, SweepAxis, Unvaried, count, digits, names_of

COMBINATIONS = 64
"""Combinations of the structural axes of which every design is compared, at most."""

CHUNK = 32_768
"""Rows of one task, at most."""

_designs: Memo[str] = Memo(64)
"""Configs of families by study and structural combination."""

CHANNELS = {
    *("in_channels", "out_channels", "in_features", "out_features"),
    *("num_features", "num_channels", "num_groups", "groups"),
}
"""Arguments that move no position of a map."""

ROWS = (
    "valid",
    "error",
    "lossless",
    "aligned",
    "macs",
    "params",
    "memory",
    "training",
    "inference",
    "receptive_field",
    "output_size",
)
"""The columns behind what is varied."""


class Task(msgspec.Struct, frozen=True):
    """A run of rows with one value for each axis that decides the structure."""

    number: int
    outer: int
    """The combination of the structural axes."""
    start: int
    stop: int
    """The combinations of the others."""

    def __len__(self) -> int:
        return self.stop - self.start


class Study(msgspec.Struct, frozen=True):
    """A sweep. The structural axes turn slowest: a network is loaded once for each of their combinations."""

    source: str
    """The config's text, or a family's name."""
    path: str
    is_family: bool
    params: Mapping[str, Any]
    sizes: Mapping[str, int]
    structural: tuple[SweepAxis, ...]
    numeric: tuple[SweepAxis, ...]
    """Axes whose values are numbers of one network: params that are open, and sizes."""
    dtype: str = "float32"
    chunk: int = CHUNK
    """Rows of one task, at most."""

    @property
    def axes(self) -> tuple[SweepAxis, ...]:
        """All, the structural ones first."""
        return (*self.structural, *self.numeric)

    @property
    def names(self) -> list[str]:
        """The columns of what is varied."""
        return names_of(self.axes)

    def numeric_of(self, kind: Kind) -> tuple[SweepAxis, ...]:
        """The numeric axes of one kind."""
        return tuple(axis for axis in self.numeric if axis.kind == kind)

    def numeric_names(self, kind: Kind) -> list[str]:
        """The params, or the symbols, of the numeric axes."""
        return names_of(self.numeric, kind)

    @property
    def larger_is_better(self) -> set[str]:
        """The columns of which more is wanted: the receptive field, and the input's sizes."""
        return {"receptive_field", *names_of(self.axes, "size")}

    @property
    def rows(self) -> int:
        """The number of rows."""
        return count(self.axes)

    def key(self) -> str:
        """A text that no other sweep has."""
        return hashlib.sha256(msgspec.json.encode((5, self))).hexdigest()[:24]

    @property
    def task_count(self) -> int:
        """The number of tasks."""
        return count(self.structural) * self._parts()

    def _parts(self) -> int:
        """The number of tasks of each structural combination."""
        return -(-count(self.numeric) // self.chunk)

    def task(self, number: int) -> Task:
        """A task by its number. Those of one structural combination have equally many rows, but for the last."""
        inner = count(self.numeric)
        parts = self._parts()
        outer, part = divmod(number, parts)
        rows = -(-inner // parts)
        start = part * rows
        return Task(number, outer, start, min(start + rows, inner))

    def tasks(self) -> Iterator[Task]:
        """All tasks, in the order of their rows."""
        return map(self.task, range(self.task_count))

    def fixed(self, task: Task) -> dict[str, Any]:
        """The values of the structural axes."""
        chosen = digits(self.structural, task.outer)
        return {
            name: axis[i] for axis, i in zip(self.structural, chosen) for name in axis.names
        }

    def network(self, task: Task, params: Mapping[str, Any], sizes: Mapping[str, int]) -> Net:
        """The network of a task with values of the numeric axes.

        Raises TracerError, ValueError and Undesignable for values that it does not take.
        """
        if self.is_family:
            return load_text(self._design(task), self.path, params)
        given = {**self.params, **self.fixed(task), **params}
        return load_text(self.source, self.path, given, {**self.sizes, **sizes})

    def _design(self, task: Task) -> str:
        """The config of a family that is designed for the first numbers of a task: others are put in their place."""
        key = (self.key(), task.outer)
        known = _designs.get(key)
        if known is not None:
            return known

        axes = self.numeric_of("param")
        first = {name: axis[0] for axis in axes for name in axis.names}
        given = {**self.params, **self.fixed(task), **first}
        text = family_text(self.source, given, self.sizes, self.numeric_of("size"))
        return _designs.keep(key, text)

    def config(self, task: Task, row: int) -> str:
        """The config of one row of a task, whose network has the row's sizes declared.

        Raises :class:`EditError` where the text has no place for a value.
        """
        sizes = self._numbers("size", task, row)
        given = self._numbers("param", task, row)
        if self.is_family:
            text = self._design(task)
        else:
            text = self.source
            given = {**self.params, **self.fixed(task), **given}

        edits = [Edit(("params", name), value) for name, value in given.items()]
        edits += [Edit(("sizes", symbol), n) for symbol, n in sizes.items()]
        return edited(text, edits)

    def _numbers(self, kind: Kind, task: Task, row: int) -> dict[str, int]:
        """The values of the numeric axes of one kind in a row of a task."""
        chosen = digits(self.numeric, task.start + row)
        pairs = [(axis, axis[i]) for axis, i in zip(self.numeric, chosen) if axis.kind == kind]
        return {name: n for axis, n in pairs for name in axis.names}


def family_text(
    name: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int],
    numeric: tuple[SweepAxis, ...],
) -> str:
    """The config of a network of a family that serves all sizes of the sweep.

    Raises TracerError, ValueError and Undesignable for what no such network has.
    """
    try:
        options = msgspec.convert({**params, "sizes": {}}, FamilyOptions)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None

    promised: dict[str, Any] = dict(sizes)
    for axis in numeric:
        promised |= dict.fromkeys(axis.names, _promised(axis))
    symbols = options.symbols
    unknown = [symbol for symbol in promised if symbol not in (*symbols, "N")]
    if unknown:
        known = ", ".join(symbols)
        raise ValueError(f"the input has no symbol {unknown[0]!r}; its symbols: N, {known}")

    defaults = dict.fromkeys(symbols, DEFAULT_SIZE[options.dims])
    return families[name](replace(options, sizes=defaults | promised)).text


def _promised(axis: SweepAxis) -> Any:
    """An axis as a config's ``sizes`` takes it."""
    if axis.values is not None:
        return axis.values
    first, last = axis[0], axis[len(axis) - 1]
    if first == last:
        return (first,)
    return {"min": first, "max": last, "step": axis.step}


def config_study(
    text: str,
    path: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int],
    axes: list[SweepAxis],
    dtype: str,
) -> Study:
    """The sweep of a config. Raises TracerError where it cannot be loaded, :class:`Unvaried` for an unknown name."""
    given = {**params, **_first_values(axes, "param")}
    starts = {**sizes, **_first_values(axes, "size")}
    has_others = count([axis for axis in axes if axis.kind == "param"]) > 1
    tried = (given, params) if has_others else (given,)
    try:
        net = _first_net(text, path, tried, starts)
    except ValueError as error:
        raise Unvaried(str(error)) from None

    missing = [symbol for symbol in net.symbols if symbol not in net.network.defaults()]
    if missing:
        raise Unvaried(f"the size of {missing[0]} is not known: --size {missing[0]}=64..512:32")

    whole = [axis for axis in axes if axis.kind == "param" and axis.is_whole]
    opened = _open(net, whole)
    numeric = [axis for axis in axes if axis.kind == "size" or axis in opened]
    return Study(
        source=text,
        path=path,
        is_family=False,
        params=params,
        sizes=sizes,
        structural=tuple(axis for axis in axes if axis not in numeric),
        numeric=tuple(numeric),
        dtype=dtype,
    )


def _first_net(
    text: str, path: str, tried: Sequence[Mapping[str, Any]], starts: Mapping[str, int]
) -> Net:
    """The network of the first row, or as the config says it where that row has none: others may have one."""
    first, *others = tried
    try:
        return load_text(text, path, first, starts)
    except TracerError:
        for params in others:
            with suppress(TracerError, ValueError):
                return load_text(text, path, params, starts)
        raise


def family_study(
    name: str,
    params: Mapping[str, Any],
    sizes: Mapping[str, int],
    axes: list[SweepAxis],
    dtype: str,
    *,
    opens: bool = False,
) -> Study:
    """The sweep of a family. Raises :class:`Unvaried` for what is no option of it.

    With ``opens`` options that are numbers of one network are computed together, as a config's params are.
    """
    known = [field for field in FamilyOptions.__struct_fields__ if field != "sizes"]
    for word in (*params, *names_of(axes, "param")):
        if word not in known:
            raise Unvaried(f"a family has no {word!r}; it has {', '.join(known)}")

    study = Study(
        source=name,
        path=f"<{name}>",
        is_family=True,
        params=params,
        sizes=sizes,
        structural=tuple(axis for axis in axes if axis.kind == "param"),
        numeric=tuple(axis for axis in axes if axis.kind == "size"),
        dtype=dtype,
    )
    return _with_numbers(study) if opens else study


def _with_numbers(study: Study) -> Study:
    """The sweep of a family whose options that are numbers of one network turn fastest, where that can be shown."""
    whole = [axis for axis in study.structural if axis.is_whole]
    try:
        net = study.network(study.task(0), {}, {})
    except (TracerError, ValueError, Undesignable):
        return study

    opened = _open(net, whole)
    found = replace(
        study,
        structural=tuple(axis for axis in study.structural if axis not in opened),
        numeric=(*opened, *study.numeric),
    )
    combinations = count(found.structural)
    if combinations > COMBINATIONS:
        return study
    each = count(found.numeric)
    tasks = [Task(0, outer, 0, each) for outer in range(combinations)]
    return found if all(_is_one_text(found, task) for task in tasks) else study


def _is_one_text(study: Study, task: Task) -> bool:
    """Whether a family's designs differ in the numbers of their params alone: the first, a middle and the last one."""
    axes = study.numeric_of("param")
    sizes = study.numeric_of("size")
    texts = []
    for part in (0, 1, 2):
        own = {name: axis[(len(axis) - 1) * part // 2] for axis in axes for name in axis.names}
        given = {**study.params, **study.fixed(task), **own}
        try:
            text = family_text(study.source, given, study.sizes, sizes)
            first = {("params", name): axis[0] for axis in axes for name in axis.names}
            texts.append(edited(text, [Edit(path, n) for path, n in first.items()]))
        except (TracerError, ValueError, Undesignable, EditError):
            return False
    return texts[0] == texts[1] == texts[2]


def _first_values(axes: list[SweepAxis], kind: Kind) -> dict[str, Any]:
    own = [axis for axis in axes if axis.kind == kind]
    return {name: axis[0] for axis in own for name in axis.names}


def _open(net: Net, axes: list[SweepAxis]) -> list[SweepAxis]:
    """Of params, those that are a number wherever they are read, and move no window."""
    if not axes:
        return []

    varied = names_of(axes)
    try:
        params = {name: n for name, n in live(net).params.items() if name in varied}
        moving = _moving(open_network(net, params)) if params else set()
    except (TypeError, TooLarge, Fault, EditError):
        return []

    opened = params.keys() - moving
    return [axis for axis in axes if opened.issuperset(axis.names)]


def _moving(opened: OpenedNetwork) -> set[str]:
    """The open params that decide more than numbers of channels: which positions are seen, or how many there are."""
    support: set[str] = set()
    for op in opened.ops:
        if op is not None:
            for field in set(op.__struct_encode_fields__) - CHANNELS:
                support |= _support(argument(op, field))
    return {param.name for param in opened.open_params if param.symbol in support}


def _support(value: Any) -> set[str]:
    """The symbols in an argument's sizes."""
    items = value if isinstance(value, tuple) else (value,)
    sizes = [item for item in items if isinstance(item, Size)]
    return {symbol for size in sizes for symbol in size.space.support(size)}


def shown(value: Any) -> Any:
    """A value as a table shows it: numbers and texts as they are, others as in YAML.

    >>> shown(0.5), shown("batch"), shown((1, 2))
    (0.5, 'batch', '[1, 2]')
    """
    return value if value is None or isinstance(value, int | float | str) else written(value)
