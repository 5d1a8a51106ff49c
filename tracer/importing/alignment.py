"""Takes the recording of one more path into the steps so far, where it differs in numbers or in steps that do nothing.

A step that only one of the two has is kept for both where it is proven to leave its input as it is wherever the other
is the program's: a resize to the size that is there, padding by nothing, a slice of everything. A number that differs
becomes a size that is one of the two numbers where the one path is taken, and the other where the other is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from tracer.importing.decisions import Decisions
from tracer.importing.recording import (
    Recording,
    Step,
    Unrepresentable,
    Value,
    numbers_of,
    part_of,
    sizes_made,
)
from tracer.importing.run_time_sizes import RunTimeSize, depends_on_input, over_symbols
from tracer.ops.base import Op, with_arguments
from tracer.ops.crop import Slice
from tracer.ops.padding import Padding
from tracer.ops.rearrange import Chunk
from tracer.ops.resize import Resizing
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition, Size, SizeLike

AHEAD = 4
"""Among so many steps is one that comes later."""

OTHER_LAYERS = "the forward runs other layers; one config cannot describe both"


def align(
    merged: Recording,
    other: Recording,
    decisions: Decisions,
    flipped: Sequence[Condition],
    sizes: Mapping[str, int],
) -> None:
    """Make the steps and outputs of ``merged`` right for the path of another recording as well.

    ``flipped`` are the decisions that are otherwise there, and ``sizes`` the other recording's. Raises
    :class:`Unrepresentable` where one config cannot describe both.
    """
    alignment = _Alignment(merged, other, decisions, flipped, sizes)
    alignment.align_steps()
    outputs = alignment.outputs()
    merged.steps, merged.outputs = alignment.steps, outputs


class _Alignment:
    """The steps of two recordings side by side.

    *Mine* are the steps merged so far, *theirs* those of the other recording. Values are known by their names.
    """

    def __init__(
        self,
        merged: Recording,
        other: Recording,
        decisions: Decisions,
        flipped: Sequence[Condition],
        sizes: Mapping[str, int],
    ) -> None:
        self.merged = merged
        self.other = other
        self.decisions = decisions
        self.flipped = flipped
        self.sizes = sizes
        self.mine_holds = decisions.holding()
        """What holds where the steps so far are the program's."""
        self.theirs_holds = [g.holds for g in other.guards.made if g.holds is not None]
        self.steps: list[Step] = []
        """The new steps."""
        self._value: dict[str, Value] = dict(merged.inputs)
        """The new value of each of mine."""
        self._mine: dict[str, str] = {name: name for name in merged.inputs}
        """My node for each of their nodes."""
        self._skipped: dict[str, str] = {}
        """For the output of a step that only one of the two has: its input, which it is equal to in the other."""
        self._last: dict[str, str] = {}
        """The output of the last such step behind a value: one more reads that."""

    def _refused(self, why: str) -> Unrepresentable:
        place = self.decisions.place_of(self.flipped[0])
        at = " ".join(f"{symbol} = {n}" for symbol, n in self.sizes.items())
        return Unrepresentable(f"{place}: for {at} {why}")

    # --- the walk ----------------------------------------------------------------------------------------------------

    def align_steps(self) -> None:
        """Walk both lists of steps and make the new ones."""
        mine = deque(self.merged.steps)
        theirs = deque(self.other.steps)

        while mine or theirs:
            a = mine[0] if mine else None
            b = theirs[0] if theirs else None
            following = list(islice(theirs, 1, AHEAD))

            if a and b and self._is_same(a, b):
                self._keep(mine.popleft(), theirs.popleft())
            elif b and _may_do_nothing(b) and _can_wait(a, following):
                self._insert(theirs.popleft())
            elif a and _may_do_nothing(a):
                self._leave(mine.popleft())
            else:
                raise self._refused(OTHER_LAYERS)

    def outputs(self) -> dict[str, Value]:
        """The new outputs, when the steps are made."""
        found = {}
        pairs = zip(self.merged.outputs.items(), self.other.outputs.items())
        for (name, mine), (other_name, theirs) in pairs:
            if name != other_name or not self._is_alike(mine, theirs):
                raise self._refused("it returns something else")
            found[name] = self._merged_value(mine, theirs)
        return found

    # --- what is the same --------------------------------------------------------------------------------------------

    def _is_same(self, a: Step, b: Step) -> bool:
        """Whether two steps are one, their numbers aside."""
        return _is_same_operation(a, b) and self._has_same_inputs(a, b)

    def _has_same_inputs(self, a: Step, b: Step) -> bool:
        if len(a.sources) != len(b.sources):
            return False
        if not all(map(self._is_alike, a.sources, b.sources)):
            return False

        for word in {*a.arguments, *b.arguments}:
            x, y = a.arguments.get(word), b.arguments.get(word)
            if isinstance(x, Value) != isinstance(y, Value):
                return False
            if isinstance(x, Value) and isinstance(y, Value) and not self._is_alike(x, y):
                return False
        return True

    def _is_alike(self, mine: Value, theirs: Value) -> bool:
        """Whether two values are one, but for steps that do nothing."""
        name = self._name_of(theirs)
        if name is None:
            return False
        return not set(self._equal_to(mine.name)).isdisjoint(self._equal_to(name))

    def _name_of(self, theirs: Value) -> str | None:
        """My name for one of their values; None where it is of a step that is not taken in."""
        node = self._mine.get(theirs.node)
        return None if node is None else theirs.name_by(node)

    def _equal_to(self, name: str) -> list[str]:
        """A value, and before it those that it is equal to in one of the two."""
        found = [name]
        while found[-1] in self._skipped:
            found.append(self._skipped[found[-1]])
        return found

    def _merged_value(self, mine: Value, theirs: Value) -> Value:
        """The new value of two that are alike: the one behind the steps that do nothing."""
        name = self._name_of(theirs)
        assert name is not None
        is_behind = mine.name in self._equal_to(name)
        return self._value[name if is_behind else mine.name]

    # --- steps -------------------------------------------------------------------------------------------------------

    def _keep(self, a: Step, b: Step) -> None:
        """One step of both."""
        sources = [self._merged_value(x, y) for x, y in zip(a.sources, b.sources)]

        arguments: dict[str, Any] = {}
        for word in dict.fromkeys([*a.arguments, *b.arguments]):
            x, y = a.argument(word), b.argument(word)
            if isinstance(x, Value):
                arguments[word] = self._merged_value(x, y)
            else:
                arguments[word] = self._combined(x, y, a.op)

        step = self._append(a, a.name, sources, arguments)
        self._mine[b.name] = step.name

    def _insert(self, b: Step) -> None:
        """A step that only they have: where it is left out so far, it must do nothing."""
        before = self._name_of(b.sources[0])
        if before is None:
            raise self._refused(OTHER_LAYERS)
        source = self._value[self._last.get(before, before)]

        arguments = {}
        for word, value in b.arguments.items():
            if isinstance(value, Value):
                name = self._name_of(value)
                if name is None:
                    raise self._refused(OTHER_LAYERS)
                value = self._value[name]
            arguments[word] = value

        fitted = self._fitted(b.op, arguments, source)
        step = self._append(b, self.merged.free(b.name), [source], fitted)
        self._mine[b.name] = step.name
        self._skip(step, before, source, self.mine_holds)

    def _leave(self, a: Step) -> None:
        """A step that only the steps so far have: where they leave it out, it must do nothing."""
        before = a.sources[0].name
        source = self._value[self._last.get(before, before)]

        arguments = {}
        for word, value in a.arguments.items():
            arguments[word] = self._value[value.name] if isinstance(value, Value) else value

        step = self._append(a, a.name, [source], arguments)
        self._skip(step, before, source, self.theirs_holds)

    def _skip(self, step: Step, before: str, source: Value, held: Sequence[Condition]) -> None:
        """Note a step that one of the two leaves out. Refused unless it does nothing wherever ``held`` holds."""
        self._skipped[step.name] = source.name
        self._last[before] = self._last[source.name] = step.name

        for condition in _does_nothing(step):
            if not self.decisions.follows(condition, held):
                raise self._refused(
                    f"{type(step.op).__name__} is one step more, and changes something where it is left out"
                )

    def _append(
        self, step: Step, name: str, sources: Sequence[Value], arguments: Mapping[str, Any]
    ) -> Step:
        """One more of the new steps, its operation applied to the new sources."""
        op = with_arguments(step.op, numbers_of(arguments))
        sizes = sizes_made(op, sources, arguments)
        if sizes is None:
            raise self._refused(f"{type(op).__name__} cannot be followed for other sizes")

        operands = {word: n.shape for word, n in arguments.items() if isinstance(n, Value)}
        shape = op.shape(*[source.shape for source in sources], **operands)
        value = Value(name, tuple(shape), sizes)
        made = replace(
            step, name=name, op=op, sources=tuple(sources), arguments=arguments, value=value
        )
        self.steps.append(made)

        self._value[name] = value
        for part in _parts(made):
            self._value[part.name] = part
        return made

    # --- numbers -----------------------------------------------------------------------------------------------------

    def _combined(self, a: Any, b: Any, op: Op) -> Any:
        """An argument that is ``a`` where the steps so far are the program's, and ``b`` where the others are."""
        pairs = _per_axis(a, b)
        if pairs is not None:
            return tuple(self._combined(x, y, op) for x, y in pairs)
        if _is_equal(a, b):
            return a

        x, y = over_symbols(a), over_symbols(b)
        if not isinstance(x, (int, Size)) or not isinstance(y, (int, Size)):
            raise self._refused(f"an argument of {type(op).__name__} is {b!r} instead of {a!r}")

        for size in self._candidates(x, y):
            is_mine = self.decisions.follows(size == x, self.mine_holds)
            if is_mine and self.decisions.follows(size == y, self.theirs_holds):
                return self._run_time(size)
        raise self._refused(f"an argument of {type(op).__name__} is {int(b)} instead of {int(a)}")

    def _candidates(self, a: SizeLike, b: SizeLike) -> Iterator[SizeLike]:
        """Sizes that may be ``a`` on the one path and ``b`` on the other."""
        yield b
        yield a
        if isinstance(a, Size) or isinstance(b, Size):
            yield minimum(a, b)
            yield maximum(a, b)
        yield from self._changed_by_decisions(a, b)
        yield from self._rounded(b, a)
        yield from self._rounded(a, b)

    def _changed_by_decisions(self, a: SizeLike, b: SizeLike) -> Iterator[SizeLike]:
        """More or less by what decides: padding of ``H % 2`` where ``H % 2 != 0``."""
        for condition in self.flipped:
            if condition.relation not in ("eq", "ne"):
                continue
            difference: Size = condition.parts[0]
            for base in (a, b):
                for change in (difference, difference - difference.constant):
                    yield base + change
                    yield base - change

    def _rounded(self, one: SizeLike, other: SizeLike) -> Iterator[SizeLike]:
        """The other size, up to a whole number of steps that is between them now."""
        if not isinstance(one, Size):
            return
        difference = one - other
        (here,) = substitute([difference], self.merged.symbols)
        if isinstance(here, int) and abs(here) > 1:
            yield other + difference % abs(here)

    def _run_time(self, size: SizeLike) -> Any:
        if isinstance(size, int):
            return size
        (number,) = substitute([size], self.merged.symbols)
        return RunTimeSize(int(number), size, self.merged.guards)

    # --- arguments of a step that is left out elsewhere --------------------------------------------------------------

    def _fitted(self, op: Op, arguments: dict[str, Any], source: Value) -> dict[str, Any]:
        """Arguments such that the step does nothing where it is left out, and what they say where it is not."""
        if isinstance(op, Slice):
            return self._fitted_slice(op, arguments, source)
        if isinstance(op, Padding):
            nothing = (0,) * (2 * op.axes)
            return {**arguments, "padding": self._combined(nothing, arguments["padding"], op)}
        return arguments

    def _fitted_slice(self, op: Slice, arguments: dict[str, Any], source: Value) -> dict[str, Any]:
        """A slice that takes everything where it is left out."""
        whole = self._run_time(source.sizes[arguments["dim"]])

        def from_start(n: Any) -> Any:
            is_negative = not depends_on_input(n) and n < 0
            return whole + n if is_negative else n

        found = dict(arguments)
        if "start" in arguments:
            found["start"] = self._combined(0, from_start(arguments["start"]), op)
        if arguments.get("stop") is not None:
            found["stop"] = self._combined(whole, from_start(arguments["stop"]), op)
        return found


# --- steps that may do nothing ---------------------------------------------------------------------------------------


def _may_do_nothing(step: Step) -> bool:
    """Whether there are arguments for which it changes nothing: a resize to its own size, padding with nothing."""
    return isinstance(step.op, (Resizing, Padding, Slice))


def _does_nothing(step: Step) -> Iterator[Condition | bool]:
    """The conditions under which a step leaves its input as it is."""
    for before, after in zip(step.sources[0].sizes, step.value.sizes):
        yield before == after

    # Padding by 1 and -1 keeps the size as well, and moves everything.
    if isinstance(step.op, Padding):
        padding = over_symbols(step.arguments["padding"])
        for n in padding if isinstance(padding, tuple) else (padding,):
            yield n == 0

    if isinstance(step.op, Slice) and "start" in step.arguments:
        yield over_symbols(step.arguments["start"]) == 0


def _can_wait(step: Step | None, following: Iterable[Step]) -> bool:
    """Whether one of theirs may come before a step of mine: that one must stay, or one like it follows."""
    if step is None or not _may_do_nothing(step):
        return True
    return any(
        type(step.op) is type(other.op) and step.arguments.get("dim") == other.arguments.get("dim")
        for other in following
    )


def _is_same_operation(a: Step, b: Step) -> bool:
    """Whether two steps have one operation at one place of the program."""
    if type(a.op) is not type(b.op) or a.label != b.label:
        return False
    if isinstance(a.op, Slice) and a.arguments["dim"] != b.arguments["dim"]:
        return False
    return [scope.name for scope in a.scopes] == [scope.name for scope in b.scopes]


def _parts(step: Step) -> Iterator[Value]:
    """The outputs of a step that has several."""
    if isinstance(step.op, Chunk):
        for index in range(step.op.chunks):
            yield part_of(step.op, step.name, index, step.sources)


# --- arguments -------------------------------------------------------------------------------------------------------


def _per_axis(a: Any, b: Any) -> list[tuple[Any, Any]] | None:
    """Two arguments axis by axis; None where neither is per axis, or they have different axes."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return list(zip(a, b)) if len(a) == len(b) else None
    if isinstance(a, tuple) and isinstance(b, int):
        return [(x, b) for x in a]
    if isinstance(a, int) and isinstance(b, tuple):
        return [(a, y) for y in b]
    return None


def _is_equal(a: Any, b: Any) -> bool:
    """Whether two arguments are the same number, word or size over the symbols."""
    x, y = over_symbols(a), over_symbols(b)
    if x is y:
        return True
    # By class: True is no 1. Sizes and what has them are compared by their identity only.
    if type(x) is not type(y) or isinstance(x, (Size, tuple)):
        return False
    return bool(x == y)
