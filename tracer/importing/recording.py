"""A network as it is read: its steps, each checked and traced when it is added, and the sizes between them.

A step is an operation of a config. Its shapes are known as numbers, for the input sizes that it is read at, and over
the symbols of the inputs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple, Protocol

import msgspec

from tracer.importing.names import FreeNames
from tracer.importing.run_time_sizes import (
    Guard,
    Guards,
    RunTimeQuotient,
    RunTimeSize,
    depends_on_input,
    over_symbols,
    same_size,
)
from tracer.ops.base import Op, Requirement, Shape, argument, with_arguments
from tracer.ops.merge import Concat, Elementwise
from tracer.ops.registry import find_operation
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition, SizeLike, Space, identity
from tracer.source.python_places import Origin, Place, Spot

Arguments = Mapping[str, Any]
"""Arguments of an operation by name: numbers, sizes over symbols, and values for nodes."""

AXES: Mapping[int, str] = {
    3: "L",
    4: "HW",
    5: "DHW",
}
"""The symbols of an input's spatial dims, by its number of dims."""


def spatial_symbols(rank: int) -> dict[int, str]:
    """The symbols of an input's spatial dims, by dim.

    >>> spatial_symbols(4)
    {2: 'H', 3: 'W'}
    """
    names = AXES.get(rank, "")
    first = rank - len(names)
    return dict(enumerate(names, first))


def _nowhere() -> None:
    """The origin of a step of a program that has no places."""


class Reason(NamedTuple):
    """What a report says of a refusal: its code, one sentence without a place, and the place."""

    code: str
    message: str
    origin: Origin | None
    raises: str | None = None
    """The kind of error that the program raises itself."""


class Unrepresentable(RuntimeError):
    """Something in a network has no place in a config; the message names it and its place in the program.

    ``guards`` are the comparisons that the program made before. ``by_operation`` is set where an operation refuses
    its input, as the config's will, and ``by_program`` where the program raises an error itself. Where neither is, it
    is the importer that cannot say what the program does. ``fault`` is what is known of it for a report.
    """

    def __init__(
        self,
        message: str,
        guards: Sequence[Guard] = (),
        *,
        by_operation: bool = False,
        by_program: bool = False,
        fault: Reason | None = None,
    ) -> None:
        super().__init__(message)
        self.guards = guards
        self.by_operation = by_operation
        self.by_program = by_program
        self.fault = fault

    def saying(self, message: str) -> Unrepresentable:
        """A refusal for the same reason that says more."""
        fault = self.fault and self.fault._replace(code="T601", message=message)
        return Unrepresentable(message, self.guards, fault=fault)

    def after(self, guards: Sequence[Guard]) -> Unrepresentable:
        """The same refusal, with the comparisons that the program made before it."""
        return type(self)(
            str(self),
            guards,
            by_operation=self.by_operation,
            by_program=self.by_program,
            fault=self.fault,
        )

    def but(self, words: str) -> Unrepresentable:
        """The refusal that the importer makes of it, with more words."""
        fault = self.fault
        if fault is not None:
            fault = Reason("T601", fault.message + words, fault.origin)
        return type(self)(f"{self}{words}", fault=fault)


class Late(Unrepresentable):
    """The time is over: what is not read then is no way by itself."""


def refused_at(spot: Spot, why: str) -> Unrepresentable:
    """The error that says why, and where the program decides what the importer has no words for."""
    message = f"{spot}: {why}" if spot.text else why
    return Unrepresentable(message, fault=Reason("T601", why, spot.origin))


class NoSuchPart(ValueError):
    """A network is to be read up to a part that it does not have; the message names the nearest."""


Sizes = tuple[SizeLike, ...]
"""A shape over the symbols."""


def are_same(some: Sizes, others: Sizes) -> bool:
    """Whether shapes over the symbols are the same for all sizes of the inputs."""
    return len(some) == len(others) and all(map(_is_same, some, others))


def _is_same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) is int and a == b)


class Value(NamedTuple):
    """A tensor: the output of a step, or an input."""

    node: str
    """The name of the node that gives it; empty where its sizes alone are known."""
    shape: tuple[int, ...]
    sizes: Sizes
    """The shape over the symbols."""
    part: int | None = None
    """Which of the node's outputs it is, where the node has several."""

    @property
    def name(self) -> str:
        """Its name in the config, ``chunk[1]`` for one of several."""
        return self.name_by(self.node)

    def name_by(self, node: str) -> str:
        """Its name in a config where the node has another one."""
        return node if self.part is None else f"{node}[{self.part}]"


Values = Sequence[Value]


class StepScope(NamedTuple):
    """A part of the program that a step belongs to, and one call of it."""

    name: str
    """Its name beside the others of the part around it."""
    kind: str
    """The name that its authors gave to all parts of its kind."""
    call: int
    """The number of the call: no two have the same."""


def from_scopes(scopes: Sequence[StepScope], path: str) -> str:
    """A dotted path as it is told inside of scopes: below them, or its last word."""
    around = "".join(f"{scope.name}." for scope in scopes)
    if path.startswith(around):
        return path.removeprefix(around)
    return path.rpartition(".")[2]


class Elements(Protocol):
    """The elements of weights in other places: which one of which weight lies where."""

    def names(self) -> Iterable[str]:
        """The names of the weights that they are elements of."""

    def numbered(self, starts: Mapping[str, int]) -> Any:
        """An array of the elements' numbers, those of a weight counted from its start."""


class Weights(NamedTuple):
    """The weights of a step."""

    owner: Any
    """The object that has them."""
    key: Hashable
    """Equal for steps that have the same ones."""
    memory: frozenset[int]
    """The memory that they lie in."""
    learned: bool
    """False where they are constants."""
    elements: Elements | None = None
    """Of a tensor that is used by itself, where its elements come from."""

    def by_itself(self) -> Weights:
        """What steps with the same weights have in common, without the object that has them."""
        return self._replace(owner=None, elements=None)

    def of(self, owner: Any) -> Weights:
        """The same weights of another object."""
        return Weights(owner, self.key, self.memory, self.learned, self.elements)


@dataclass(frozen=True, eq=False)
class Step:
    """One operation."""

    name: str
    op: Op
    """With numbers for sizes."""
    sources: tuple[Value, ...]
    arguments: Arguments
    """As they are written: numbers, sizes over symbols, values for nodes."""
    value: Value
    """Its output; of several, the one that its operation has an index for."""
    scopes: tuple[StepScope, ...]
    label: str
    """Its name in its scope."""
    weights: Weights | None = None
    origin: Origin | None = None
    """Where the program made it."""
    told: str = ""
    """What a comment beside it says."""

    def argument(self, word: str) -> Any:
        """An argument as it is written, or the operation's default."""
        if word in self.arguments:
            return self.arguments[word]
        return argument(self.op, word)

    def read(self) -> Iterator[Value]:
        """The tensors that it reads, those that give it a size included."""
        yield from self.sources
        for value in self.arguments.values():
            if isinstance(value, Value):
                yield value

    def renamed(self, name: str, sources: tuple[Value, ...], value: Value) -> Step:
        """The same step under another name, of other tensors."""
        return Step(
            name,
            self.op,
            sources,
            self.arguments,
            value,
            self.scopes,
            self.label,
            self.weights,
            self.origin,
            self.told,
        )

    def telling(self, told: str, weights: Weights) -> Step:
        """The same step with a comment beside it, and with other weights."""
        return Step(
            self.name,
            self.op,
            self.sources,
            self.arguments,
            self.value,
            self.scopes,
            self.label,
            weights,
            self.origin,
            told,
        )

    def reading(self, new: Value, old: Value) -> Step:
        """The same step with another tensor in the place of one."""

        def exchanged(value: Any) -> Any:
            is_old = isinstance(value, Value) and value.name == old.name
            return new if is_old else value

        sources = tuple(map(exchanged, self.sources))
        arguments = {}
        for word, value in self.arguments.items():
            arguments[word] = exchanged(value)
        return replace(self, sources=sources, arguments=arguments)


class Recording:
    """The steps of a network for inputs of some shapes; ``sizes`` gives some of their symbols another size."""

    def __init__(
        self,
        place: Callable[[], str] = lambda: "",
        space: Space | None = None,
        sizes: Mapping[str, int] | None = None,
        origin: Callable[[], Origin | None] = _nowhere,
        is_handled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.space = space or Space()
        self.origin = origin
        """The place of the program where it is now, for the steps."""
        self.place = place
        """The line of the program's source where it is now, for messages; an empty text where there is none."""
        self.is_handled = is_handled
        """Whether the program goes on after an error of an operation, where it is now."""
        self.symbols: dict[str, int] = {}
        """Every symbol's size in this recording."""
        self.guards = Guards(self.space, self.spot, self.symbols)
        self.inputs: dict[str, Value] = {}
        self.steps: list[Step] = []
        self.outputs: dict[str, Value] = {}
        self.told: list[str] = []
        """What a config says of it at its beginning."""
        self.beside: set[str] = set()
        """Steps that a function makes beside others, or before an error that is handled.

        They are left out where nothing reads them.
        """
        self.scopes: list[StepScope] = []
        """The parts of the program that it is in now, from the outermost one."""
        self.sizes_are_read = False
        """Whether the program has had a size in its hands: where it had none, it makes the same steps for all sizes."""
        self.is_in_torch = False
        """Whether it is a function of torch that looks at sizes now, and not the program."""
        self._other_sizes = dict(sizes or {})
        self._read_at: dict[str, int] = {}
        self._names = FreeNames()
        self._is_aside = False
        """Whether the steps that are made are none of the network's."""

    def spot(self) -> Spot:
        """Where the program is now."""
        return Spot(self.place(), self.origin())

    def refused(
        self, why: str, *, by_operation: bool = False, code: str = "T601"
    ) -> Unrepresentable:
        """The error that says why, and where. ``code`` is that of a report about it."""
        place = self.place()
        message = f"{place}: {why}" if place else why
        fault = Reason(code, why, self.origin())
        return Unrepresentable(
            message, self.guards.made, by_operation=by_operation, fault=fault
        )

    def free(self, name: str) -> str:
        """The name, with a number where it is taken. It is taken from now on."""
        return self._names.free(name)

    @contextmanager
    def in_torch(self) -> Iterator[None]:
        """While it lasts, it is torch that looks at sizes."""
        before = self.is_in_torch
        self.is_in_torch = True
        try:
            yield
        finally:
            self.is_in_torch = before

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The steps that are made while it lasts are none of the network's; what they demand of sizes is noted."""
        before = self.steps, self._names, self._is_aside
        self.steps, self._names, self._is_aside = [], FreeNames(), True
        try:
            yield
        finally:
            self.steps, self._names, self._is_aside = before

    @contextmanager
    def back_at(self, scopes: Sequence[StepScope], origin: Origin | None) -> Iterator[None]:
        """While it lasts, what is added belongs to an earlier place of the program."""
        before = self.scopes, self.origin
        self.scopes = list(scopes)
        self.origin = lambda: origin
        try:
            yield
        finally:
            self.scopes, self.origin = before

    def places(self) -> dict[str, Place]:
        """The places of the steps in the program, by name, where they are known."""
        found = {}
        for step in self.steps:
            if step.origin is not None:
                found[step.name] = step.origin.place()
        return found

    def by_itself(self) -> Recording:
        """The same steps, with nothing that keeps the program in memory."""
        found = Recording(space=self.space)
        found.symbols.update(self.symbols)
        found.inputs = dict(self.inputs)
        found.outputs = dict(self.outputs)
        found.told = list(self.told)

        def alone(value: Any) -> Any:
            if type(value) in (tuple, list):
                return type(value)(map(alone, value))
            is_size = isinstance(value, RunTimeSize)
            return RunTimeSize(int(value), value.size, found.guards) if is_size else value

        for step in self.steps:
            arguments = {word: alone(value) for word, value in step.arguments.items()}
            weights = step.weights and step.weights.by_itself()
            found.steps.append(replace(step, arguments=arguments, weights=weights, origin=None))
        return found

    # --- what is added -----------------------------------------------------------------------------------------------

    def input(self, name: str, shape: Sequence[int], open_dims: Mapping[int, str]) -> Value:
        """The value of one more input. ``open_dims`` are its symbols, by dim.

        A symbol that another input has at another size gets the input's name: ``H_mask``.
        """
        numbers: list[int] = list(shape)
        sizes: list[SizeLike] = list(shape)

        for dim, symbol in open_dims.items():
            read_at = shape[dim]
            if self._read_at.setdefault(symbol, read_at) != read_at:
                symbol = f"{symbol}_{name}"
                self._read_at[symbol] = read_at

            number = self._other_sizes.get(symbol, read_at)
            self.symbols[symbol] = number
            numbers[dim] = number
            sizes[dim] = self.space.counts(symbol)

        free = self.free(name)
        value = Value(free, tuple(numbers), tuple(sizes))
        self.inputs[free] = value
        return value

    def add(
        self,
        op_name: str,
        sources: Values,
        arguments: Arguments | None = None,
        label: str | None = None,
        *,
        weights: Weights | None = None,
    ) -> Value:
        """The value of one more step. Raises :class:`Unrepresentable` where the operation refuses what it is given."""
        given = dict(arguments or {})
        op = self._operation(op_name, given)

        # Behind an error that the program handles it goes another way.
        is_tried = self.is_handled()
        if self._is_aside or is_tried:
            self._note_demands(op, sources, given)

        # The numbers first: what is refused for them has the better message.
        shape = self._shape(op, sources, given)
        sizes = self._with_symbols(op, sources, self._sizes(op, sources, given))
        if len(sizes) != len(shape):
            raise self.refused(
                f"the number of dims that {op_name} makes depends on the input's size"
            )

        label = label or op_name.lower()
        value = Value(self._step_name(label), shape, sizes)
        written = _without_inferred(op, sources, given)
        self._add(op, tuple(sources), written, value, label, weights)
        if is_tried and weights is None:
            self.beside.add(value.node)
        return value

    def _add(
        self,
        op: Op,
        sources: tuple[Value, ...],
        arguments: Arguments,
        value: Value,
        label: str,
        weights: Weights | None,
    ) -> None:
        """Add a step that gives a value, where the program is now."""
        step = Step(
            name=value.node,
            op=op,
            sources=sources,
            arguments=arguments,
            value=value,
            scopes=tuple(self.scopes),
            label=label,
            weights=weights,
            origin=self.origin(),
        )
        self.steps.append(step)

    def add_again(
        self, known: Step, source: Value, label: str, weights: Weights | None
    ) -> Value | None:
        """The value of one more step like one of a source with the same sizes over the symbols.

        None where :meth:`add` has more to say: the operation refuses, or its errors are handled.
        """
        op = known.op
        is_taken = all(one.holds for one in op.requirements(source.shape))
        if self._is_aside or not is_taken or self.is_handled():
            return None

        name = self._step_name(label)
        value = Value(name, op.shape(source.shape), known.value.sizes)
        self._add(op, (source,), known.arguments, value, label, weights)
        return value

    def tell(self, told: str) -> None:
        """Let a comment beside the last step say something."""
        self.steps[-1] = replace(self.steps[-1], told=told)

    def shape_made(
        self, op_name: str, sources: Values, arguments: Arguments
    ) -> tuple[int, ...]:
        """The shape that a step would make. Raises :class:`Unrepresentable` as :meth:`add` does."""
        op = self._operation(op_name, arguments)
        return self._shape(op, sources, arguments)

    def from_here(self, path: str) -> str:
        """A dotted path as it is told in the innermost scope: below it, or its last word."""
        return from_scopes(self.scopes, path)

    def _step_name(self, label: str) -> str:
        """A free name for a step: its label behind those of the scopes that it is in."""
        words = [scope.name for scope in self.scopes]
        words.append(label)
        path = "_".join(words)
        return self.free(path.replace(".", "_"))

    def add_chunks(self, source: Value, chunks: int, dim: int) -> list[Value]:
        """The values of one more Chunk: equal parts along a dim, the last one smaller, and as few as are filled."""
        arguments = {"chunks": chunks, "dim": dim}
        self.add("Chunk", [source], {**arguments, "index": 0}, "chunk")

        # The step is all of them, so that it is written without an index.
        step = replace(self.steps[-1], arguments=arguments)
        self.steps[-1] = step

        # How many there are is something that the program sees.
        size = source.shape[dim]
        self.sizes_are_read |= not isinstance(source.sizes[dim], int)
        largest = max(_ceiling(size, chunks), 1)
        filled = _ceiling(size, largest) if size else chunks
        return [part_of(step, index) for index in range(filled)]

    def leave_out_unread(self) -> None:
        """Leave out steps that stand beside others and that neither a step nor an output reads."""
        read = {value.node for value in self.outputs.values()}
        kept: list[Step] = []
        for step in reversed(self.steps):
            if step.name in self.beside and step.name not in read:
                continue
            read |= {value.node for value in step.read()}
            kept.append(step)
        self.steps = kept[::-1]

    def get_a_layer(self) -> None:
        """Let it have a step, as a config has a layer: where it has none, its outputs are what an Identity gives."""
        if self.steps:
            return
        for name, value in self.outputs.items():
            self.outputs[name] = self.add("Identity", [value])

    def require(
        self, sizes: Mapping[str, int], reason: Reason | None, *, unread: bool = False
    ) -> None:
        """Let the first input with each of these symbols pass only where it has this size, for some reason.

        ``unread`` says that others are refused as they are not read, whatever the program does.
        """
        left = dict(sizes)
        for value in list(self.inputs.values()):
            symbols = [str(size) for size in value.sizes]
            if left.keys().isdisjoint(symbols):
                continue
            shape = [left.pop(symbol, -1) for symbol in symbols]
            self._check(value, shape, reason, unread)

    def _check(
        self, value: Value, shape: Sequence[int], reason: Reason | None, unread: bool
    ) -> None:
        """Put a Require before every step that reads an input."""
        steps = self.steps
        self.steps = []
        self.scopes = []
        arguments: dict[str, Any] = {"shape": shape}
        if reason is not None and reason.raises is not None:
            arguments["raises"] = reason.raises
        if unread:
            arguments["unread"] = True
        checked = self.add("Require", [value], arguments, "read_for" if unread else "checked")
        self.steps[-1] = replace(self.steps[-1], origin=reason and reason.origin)

        for step in steps:
            self.steps.append(step.reading(checked, value))
        for word, output in self.outputs.items():
            if output.name == value.name:
                self.outputs[word] = checked

    # --- operations --------------------------------------------------------------------------------------------------

    def _operation(self, op_name: str, given: Arguments) -> Op:
        """The operation with numbers for sizes."""
        cls = find_operation(op_name)
        if cls is None:
            raise self.refused(f"there is no operation {op_name}")
        for word, value in given.items():
            is_size = word in cls.dim_fields
            if isinstance(value, RunTimeQuotient) or (depends_on_input(value) and not is_size):
                raise self.refused(f"{op_name}: {word} follows the input's size")
        try:
            return msgspec.convert(numbers_of(given), cls)
        except msgspec.ValidationError as error:
            raise self.refused(f"{op_name}: {error}", by_operation=True) from None

    def _shape(self, op: Op, sources: Values, given: Arguments) -> tuple[int, ...]:
        """The output's shape for this recording's sizes, where the operation takes its inputs."""
        op_name = type(op).__name__
        shapes = [value.shape for value in sources]
        operands = {word: value.shape for word, value in nodes_of(given)}

        broken = _broken(op, shapes, operands)
        if broken is not None:
            why = f"{op_name}: {broken.text()}"
            raise self.refused(why, by_operation=True, code=broken.code)

        count = len(shapes)
        least, most = type(op).arity
        is_too_many = most is not None and count > most
        if count < least or is_too_many:
            raise self.refused(f"{op_name} takes another number of tensors than {count}")
        return op.shape(*shapes, **operands)

    def _sizes(self, op: Op, sources: Values, given: Arguments) -> Sizes:
        """The output's shape over the symbols."""
        sizes = sizes_made(op, sources, given)
        if sizes is None:
            op_name = type(op).__name__
            raise self.refused(f"{op_name} cannot be followed for other sizes")
        return sizes

    def _with_symbols(self, op: Op, sources: Values, sizes: Sizes) -> Sizes:
        """The sizes made, with sizes over the symbols for numbers that the program has found them to be.

        A table of positions is added where the map has its size; behind that, the map's size is still the input's.
        Of two maps that were found to be as large, the size is the one that is said in fewer words, whichever comes
        first: what is decided behind them is then the same where one of them was resized to the other.
        """
        if not isinstance(op, (Concat, Elementwise)):
            return sizes
        found = list(sizes)
        for value in sources:
            for from_end, size in enumerate(reversed(value.sizes), 1):
                if from_end <= len(found) and self._is_found_to_be(size, found[-from_end]):
                    found[-from_end] = size
        return tuple(found)

    def _is_found_to_be(self, size: SizeLike, other: SizeLike) -> bool:
        """Whether the program has compared a size over the symbols with another one, and they were equal."""
        if isinstance(size, int) or size is other:
            return False
        if isinstance(other, int):
            is_simpler = other != 1
        else:
            is_simpler = len(repr(size)) < len(repr(other))
        if not is_simpler:
            return False
        condition = size == other
        if not isinstance(condition, Condition):
            return False
        key = identity(condition)
        held = (holds.conjuncts() for holds in self.guards.holding())
        return any(identity(part) == key for part in chain.from_iterable(held))

    def _note_demands(self, op: Op, sources: Values, given: Arguments) -> None:
        """Note what an operation demands of sizes, as the program's own comparisons are."""
        symbolic = with_arguments(op, _over_symbols(given))
        try:
            demands = [one.holds for one in _demands(symbolic, sources, given)]
        except (TypeError, ZeroDivisionError):
            return
        for condition in demands:
            if not isinstance(condition, Condition):
                continue
            (holds,) = substitute([condition], self.symbols)
            if not holds or self._may_break(condition):
                self.guards.note(condition, bool(holds))
            if not holds:
                return

    def _may_break(self, condition: Condition) -> bool:
        """Whether there are sizes for which a condition does not hold, of some hundred that are drawn."""
        import numpy

        draw = random.Random(0)
        sizes = {}
        for symbol, n in self.symbols.items():
            drawn = [draw.randint(1, 2 * n + 8) for _ in range(DRAWN // 2)]
            drawn += [draw.randint(1, SMALL) for _ in range(DRAWN // 2)]
            sizes[symbol] = numpy.array(drawn)
        (holds,) = substitute([condition], sizes)
        return not numpy.all(holds)

    # --- sizes -------------------------------------------------------------------------------------------------------

    def size(self, value: Value, dim: int) -> int:
        """The size of a dim as the program sees it."""
        number = value.shape[dim]
        size = value.sizes[dim]
        if isinstance(size, int):
            return number

        from_start = dim % len(value.shape)
        source = (value, from_start) if value.node else None
        return RunTimeSize(number, size, self.guards, source)

    def dims(self, value: Value) -> tuple[int, ...]:
        """All sizes of a tensor as the program sees them."""
        rank = len(value.shape)
        return tuple(self.size(value, dim) for dim in range(rank))

    def target(self, sizes: Sequence[int], lead: int) -> Any:
        """The argument for these spatial sizes: numbers, a node that has them, or sizes over the symbols.

        A node has ``lead`` dims before them.
        """
        if not any(map(depends_on_input, sizes)):
            return tuple(sizes)
        self.known(sizes)

        rank = lead + len(sizes)
        for value in self._candidates(sizes):
            if len(value.sizes) != rank or value.part is not None:
                continue
            spatial = value.sizes[lead:]
            if all(map(same_size, sizes, spatial)):
                return value
        return tuple(sizes)

    def _candidates(self, sizes: Sequence[int]) -> Iterator[Value]:
        """The tensors that may have some sizes, those first that the sizes were read off."""
        read_off: dict[str, Value] = {}
        for n in sizes:
            if isinstance(n, RunTimeSize) and n.source is not None:
                value = n.source[0]
                read_off[value.name] = value

        yield from read_off.values()
        yield from self.inputs.values()
        for step in self.steps:
            yield step.value

    def known(self, sizes: Sequence[Any]) -> None:
        """Raise :class:`Unrepresentable` where a size is computed in a way that cannot be followed."""
        for n in sizes:
            if isinstance(n, RunTimeQuotient):
                raise self.refused(f"the number {float(n)} is a quotient of the input's sizes")
            if not isinstance(n, RunTimeSize):
                continue
            # By a cache, it may come from an earlier recording.
            if n.size is None or n.guards is not self.guards:
                raise self.refused(
                    f"the size {int(n)} is computed from the input's in a way that cannot be followed"
                )


DRAWN = 400
"""Sizes for which a condition is looked at."""

SMALL = 8
"""Half of them are no larger."""

# --- what an operation makes -----------------------------------------------------------------------------------------


def sizes_made(op: Op, sources: Values, arguments: Arguments) -> Sizes | None:
    """The shape over the symbols that an operation makes; None where its formula has no answer on them.

    ``op`` has numbers for sizes, ``arguments`` the sizes and the nodes that they are.
    """
    symbolic = _over_symbols(arguments)
    shapes = [value.sizes for value in sources]
    operands = {word: value.sizes for word, value in nodes_of(arguments)}
    try:
        made = with_arguments(op, symbolic).shape(*shapes, **operands)
    except (TypeError, ZeroDivisionError):
        return None
    return tuple(made)


def _over_symbols(arguments: Arguments) -> dict[str, Any]:
    """The arguments that follow the input's sizes, over the symbols."""
    found = {}
    for word, value in arguments.items():
        if depends_on_input(value):
            found[word] = over_symbols(value)
    return found


def _demands(op: Op, sources: Values, given: Arguments) -> Iterator[Requirement]:
    """What an operation over the symbols demands of its arguments and inputs, up to what is never so."""
    shapes = [value.sizes for value in sources]
    operands = {word: value.sizes for word, value in nodes_of(given)}
    for requirement in chain(op.legal(), op.requirements(*shapes, **operands)):
        yield requirement
        if requirement.holds is False:
            return


def demanded_of(step: Step) -> list[Condition]:
    """What a step's operation demands of sizes, over the symbols."""
    symbolic = with_arguments(step.op, _over_symbols(step.arguments))
    demands = _demands(symbolic, step.sources, step.arguments)
    return [one.holds for one in demands if isinstance(one.holds, Condition)]


def part_of(step: Step, index: int) -> Value:
    """One of the several outputs of a step: ``chunk[1]``."""
    part = with_arguments(step.op, {"index": index})
    shapes = [source.shape for source in step.sources]
    sizes = [source.sizes for source in step.sources]
    return Value(
        node=step.name,
        shape=tuple(part.shape(*shapes)),
        sizes=tuple(part.shape(*sizes)),
        part=index,
    )


def numbers_of(arguments: Arguments) -> dict[str, Any]:
    """Arguments with a number for every size, and a name for every node."""
    numbers = {}
    for word, value in arguments.items():
        numbers[word] = _number(value)
    return numbers


def _number(value: Any) -> Any:
    if isinstance(value, Value):
        return value.name
    if isinstance(value, (tuple, list)):
        return tuple(map(_number, value))
    return int(value) if isinstance(value, RunTimeSize) else value


def nodes_of(arguments: Arguments) -> Iterator[tuple[str, Value]]:
    """The arguments that are nodes, with their names."""
    for word, value in arguments.items():
        if isinstance(value, Value):
            yield word, value


def _broken(op: Op, shapes: Sequence[Shape], operands: Arguments) -> Requirement | None:
    """The first requirement that an operation has and these shapes break."""
    legal = op.legal()
    fitting = op.requirements(*shapes, **operands)

    # What needs arguments that are legal comes after those that say so.
    for requirement in chain(legal, fitting):
        if not requirement.holds:
            return requirement
    return None


def _without_inferred(op: Op, sources: Values, given: Arguments) -> Arguments:
    """The arguments that have to be written: those that the operation does not infer anyway."""
    shapes = [value.sizes for value in sources]
    inferred = {**_by_others(op), **op.inferred(*shapes)}
    written = {}
    for word, value in given.items():
        if word not in inferred or not _is_inferred(value, inferred[word]):
            written[word] = value
    return written


def _by_others(op: Op) -> Arguments:
    """For each argument that is another one's where it is left out, that one's value: a pool's stride."""
    found = {}
    for word, auto in type(op).solvable.items():
        if isinstance(auto.default, str):
            found[word] = argument(op, auto.default)
    return found


def _is_inferred(value: Any, inferred: Any) -> bool:
    # By class: a bool is no int here, and a size that depends on the input's is written.
    if type(value) is not type(inferred):
        return False
    has_sizes = isinstance(value, (int, tuple))
    return has_sizes and bool(value == inferred)


def _ceiling(a: int, b: int) -> int:
    return -(-a // b)
