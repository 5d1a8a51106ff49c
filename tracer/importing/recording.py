"""A network as it is read: its steps, each judged and traced when it is added, and the sizes between them.

A step is an operation of a config. Its shapes are known as numbers, for the input sizes that it is read at, and over
the symbols of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from tracer.importing.run_time_sizes import Guard, Guards, RunTimeSize
from tracer.ops.base import Op, Shape, with_arguments
from tracer.ops.registry import find_operation
from tracer.sizing.arithmetic import Dim
from tracer.sizing.symbol import SizeLike, Space

AXES: Mapping[int, tuple[str, ...]] = {3: ("L",), 4: ("H", "W"), 5: ("D", "H", "W")}
"""What the spatial dims of an input are called, by its number of dims."""


class Unrepresentable(Exception):
    """Something in a network has no place in a config; the message names it and where it stands."""

    guards: Sequence[Guard] = ()
    """What the program had compared before."""
    by_operation = False
    """An operation refuses its input, as the config's will."""


class Value(NamedTuple):
    """A tensor: what a step makes, or an input."""

    name: str
    """The node's name in the config, ``chunk[1]`` for one of several."""
    shape: tuple[int, ...]
    sizes: tuple[SizeLike, ...]
    """The shape over the symbols."""


class Scope(NamedTuple):
    """A part of the program that a step belongs to: one call of a module."""

    name: str
    """Its name beside the others of the part around it."""
    kind: str
    """What it is called by those who wrote it: the module's class."""
    call: int
    """Which call it is: no two have the same number."""


class Step:
    """One operation."""

    def __init__(
        self,
        name: str,
        op: Op,
        sources: tuple[Value, ...],
        arguments: Mapping[str, Any],
        value: Value,
        scopes: tuple[Scope, ...],
        label: str,
    ) -> None:
        self.name = name
        self.op = op
        """With numbers for sizes."""
        self.sources = sources
        self.arguments = arguments
        """As they are written: numbers, sizes over symbols, values for nodes."""
        self.value = value
        self.scopes = scopes
        self.label = label
        """What it is called in its scope."""
        self.owner: Any = None
        """Whose weights it has."""


class Recording:
    """The steps of a network for inputs of some shapes; ``sizes`` gives some of their symbols another size."""

    def __init__(
        self,
        place: Callable[[], str] = lambda: "",
        space: Space | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self.space = space or Space()
        self.place = place
        """Where in the program's source it is now."""
        self.guards = Guards(self.space, place)
        self.symbols: dict[str, int] = {}
        self._other_sizes = dict(sizes or {})
        self._read_at: dict[str, int] = {}
        self.inputs: dict[str, Value] = {}
        self.steps: list[Step] = []
        self.outputs: dict[str, Value] = {}
        self.scopes: list[Scope] = []
        self._names: set[str] = set()

    # --- what is added -----------------------------------------------------------------------------------------------

    def refused(self, why: str) -> Unrepresentable:
        """The error that says why, and where."""
        place = self.place()
        return Unrepresentable(f"{place}: {why}" if place else why)

    def input(
        self, name: str, shape: Sequence[int], open_dims: Mapping[int, str] | None = None
    ) -> Value:
        """One more input. ``open_dims`` are its symbols; by default those of its spatial dims."""
        numbers = list(shape)
        if open_dims is None:
            names = AXES.get(len(shape), ())
            open_dims = dict(enumerate(names, len(shape) - len(names)))
        sizes: list[SizeLike] = list(shape)
        for dim, symbol in open_dims.items():
            if self._read_at.setdefault(symbol, shape[dim]) != shape[dim]:
                symbol = f"{symbol}_{name}"
                self._read_at[symbol] = shape[dim]
            self.symbols[symbol] = numbers[dim] = self._other_sizes.get(symbol, shape[dim])
            sizes[dim] = self.space.symbol(symbol)
        value = Value(self.free(name), tuple(numbers), tuple(sizes))
        self.inputs[value.name] = value
        return value

    def add(
        self,
        op_name: str,
        sources: Sequence[Value],
        arguments: Mapping[str, Any] | None = None,
        label: str | None = None,
        *,
        owner: Any = None,
    ) -> Value:
        """One more step. Raises :class:`Unrepresentable` where the operation does not take what it is given."""
        given = dict(arguments or {})
        cls = find_operation(op_name)
        if cls is None:
            raise self.refused(f"there is no operation {op_name}")
        operands = {word: value for word, value in given.items() if isinstance(value, Value)}
        try:
            op = msgspec.convert({word: _number(value) for word, value in given.items()}, cls)
        except msgspec.ValidationError as error:
            raise self.refused(f"{op_name}: {error}") from None
        shapes = [value.shape for value in sources]
        y = self._shape(op, shapes, {word: value.shape for word, value in operands.items()})
        changed = {word: _size(value) for word, value in given.items() if _is_open(value)}
        try:
            symbolic = with_arguments(op, changed) if changed else op
            sizes = symbolic.shape(
                *[v.sizes for v in sources], **{w: v.sizes for w, v in operands.items()}
            )
        except (TypeError, ZeroDivisionError):
            raise self.refused(f"{op_name} cannot be followed for other sizes") from None
        if len(sizes) != len(y):
            raise self.refused(
                f"the number of dims that {op_name} makes depends on the input's size"
            )
        inferred = op.inferred(*[value.sizes for value in sources])
        written = {w: v for w, v in given.items() if not (w in inferred and _same(v, inferred[w]))}
        name = self.free(self._label(label or op_name.lower()))
        value = Value(name, y, tuple(sizes))
        step = Step(
            name, op, tuple(sources), written, value, tuple(self.scopes), label or op_name.lower()
        )
        step.owner = owner
        self.steps.append(step)
        return value

    def add_chunks(self, source: Value, chunks: int, dim: int) -> list[Value]:
        """The parts that torch.chunk makes."""
        size = source.shape[dim]
        made = -(-size // max(-(-size // chunks), 1)) if size else chunks
        whole = self.add("Chunk", [source], {"chunks": chunks, "dim": dim, "index": 0}, "chunk")
        step = self.steps[-1]
        step.arguments = {"chunks": chunks, "dim": dim}
        parts = []
        for index in range(made):
            op = with_arguments(step.op, {"index": index})
            sizes = op.shape(source.sizes)
            parts.append(Value(f"{whole.name}[{index}]", op.shape(source.shape), tuple(sizes)))
        return parts

    def _shape(
        self, op: Op, shapes: Sequence[Shape], given: Mapping[str, Shape]
    ) -> tuple[int, ...]:
        for requirement in chain(op.legal(), op.requirements(*shapes, **given)):
            if not requirement.holds:
                refused = self.refused(f"{type(op).__name__}: {requirement.text()}")
                refused.by_operation = True
                raise refused
        least, most = type(op).arity
        if len(shapes) < least or (most is not None and len(shapes) > most):
            raise self.refused(
                f"{type(op).__name__} takes another number of tensors than {len(shapes)}"
            )
        return op.shape(*shapes, **given)

    def _label(self, label: str) -> str:
        return "_".join([*(scope.name for scope in self.scopes), label]).replace(".", "_")

    def free(self, name: str) -> str:
        """The name, with a number where it is taken."""
        found, count = name, 0
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def require(self, sizes: Mapping[str, int]) -> None:
        """Let the first input with each of these symbols pass only where it has this size."""
        left = dict(sizes)
        for value in list(self.inputs.values()):
            of = {
                dim: left.pop(_symbol(n)) for dim, n in enumerate(value.sizes) if _symbol(n) in left
            }
            if not of:
                continue
            steps, self.steps, self.scopes = self.steps, [], []
            checked = self.add(
                "Require",
                [value],
                {"shape": [of.get(d, -1) for d in range(len(value.shape))]},
                "checked",
            )
            for step in steps:
                step.sources = tuple(
                    checked if source == value else source for source in step.sources
                )
                step.arguments = {
                    w: checked if v == value else v for w, v in step.arguments.items()
                }
            self.steps += steps
            self.outputs = {word: checked if v == value else v for word, v in self.outputs.items()}

    # --- sizes -------------------------------------------------------------------------------------------------------

    def size(self, value: Value, dim: int) -> int:
        """The size of a dim as the program sees it."""
        size = value.sizes[dim]
        if isinstance(size, int):
            return value.shape[dim]
        return RunTimeSize(value.shape[dim], size, self.guards, (value, dim % len(value.shape)))

    def dims(self, value: Value) -> tuple[int, ...]:
        """All sizes of a tensor as the program sees them."""
        return tuple(self.size(value, dim) for dim in range(len(value.shape)))

    def target(self, sizes: Sequence[int], lead: int) -> Any:
        """The argument that asks for these spatial sizes: numbers, a node that has them, or sizes over the symbols.

        A node has ``lead`` dims before them.
        """
        if not any(isinstance(n, RunTimeSize) for n in sizes):
            return tuple(sizes)
        self.known(sizes)
        sources = {
            n.source[0].name: n.source[0] for n in sizes if isinstance(n, RunTimeSize) and n.source
        }
        wanted = [n.size if isinstance(n, RunTimeSize) else n for n in sizes]
        values = [step.value for step in self.steps]
        for value in (*sources.values(), *self.inputs.values(), *values):
            spatial = value.sizes[lead:]
            same = len(value.sizes) == lead + len(wanted) and all(
                a is b or (a == b) is True for a, b in zip(spatial, wanted)
            )
            if same and "[" not in value.name:
                return value
        return tuple(sizes)

    def known(self, sizes: Sequence[Any]) -> None:
        """Raise :class:`Unrepresentable` where a size is computed in a way that cannot be followed."""
        for n in sizes:
            if isinstance(n, RunTimeSize) and (n.size is None or n.guards is not self.guards):
                raise self.refused(
                    f"the size {int(n)} is computed from the input's in a way that cannot be followed"
                )


def _symbol(size: SizeLike) -> str:
    return str(size)


def _same(value: Any, inferred: Any) -> bool:
    return (
        value.__class__ is inferred.__class__
        and isinstance(value, (int, tuple))
        and value == inferred
    )


def _is_open(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_is_open, value))
    return isinstance(value, RunTimeSize)


def _number(value: Any) -> Any:
    """An argument with a number for every size, and a name for every node."""
    if isinstance(value, Value):
        return value.name
    if isinstance(value, (tuple, list)):
        return tuple(map(_number, value))
    return int(value) if isinstance(value, RunTimeSize) else value


def _size(value: Any) -> Dim | tuple[Dim, ...] | None:
    """An argument with sizes over symbols in the place of the numbers."""
    if isinstance(value, (tuple, list)):
        return tuple(map(_size, value))
    return value.size if isinstance(value, RunTimeSize) else value
