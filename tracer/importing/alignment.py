"""Takes the recording of one more path into the steps so far, where it differs in numbers or in steps that do nothing.

A step that only one of the two has is kept for both where it is proven to leave its input as it is wherever the other
is the program's: a resize to the size that is there, padding by nothing, a mask of nothing. A number that differs
becomes a size that is one of the two numbers where the one path is taken, and the other where the other is.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, product
from typing import Any

from tracer.importing.decisions import Decisions
from tracer.importing.detours import detour, does_nothing, taken_by
from tracer.importing.moved import REGROUPS, are_the_same
from tracer.importing.recording import (
    Arguments,
    Recording,
    Step,
    Unrepresentable,
    Value,
    Values,
    are_same,
    nodes_of,
    numbers_of,
    part_of,
    refused_at,
    sizes_made,
)
from tracer.importing.run_time_sizes import (
    RunTimeSize,
    depends_on_input,
    negated,
    over_symbols,
    same_size,
)
from tracer.ops.base import Op, with_arguments
from tracer.ops.creation import Full
from tracer.ops.crop import Slice
from tracer.ops.order import Roll
from tracer.ops.padding import Padding
from tracer.ops.pointwise import Parameter
from tracer.ops.rearrange import Chunk, Reshape
from tracer.ops.resize import Resizing
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.primitives import choose
from tracer.sizing.program import substitute
from tracer.sizing.symbol import Condition, Size, SizeLike, identity

AHEAD = 4
"""Among so many steps is one that comes later."""

MOST_OF_WEIGHTS = 40
"""Steps that read weights alone are looked for among so many that come."""

OTHER_LAYERS = "the forward runs other layers; one config cannot describe both"


Conditions = Sequence[Condition]

Steps = deque[Step]
"""Those that come, the next one first."""

SizeOf = Mapping[str, int]
"""The size of every symbol."""


def align(
    merged: Recording,
    other: Recording,
    decisions: Decisions,
    flipped: Conditions,
    sizes: SizeOf,
) -> None:
    """Make the steps and outputs of ``merged`` right for the path of another recording as well.

    ``flipped`` are the decisions that are otherwise there, and ``sizes`` the other recording's. Raises
    :class:`Unrepresentable` where one config cannot describe both.
    """
    alignment = _Alignment(merged, other, decisions, flipped, sizes)
    alignment.align_steps()
    outputs = alignment.outputs()

    merged.steps = alignment.steps
    merged.outputs = outputs


class _Alignment:
    """The steps of two recordings side by side.

    *Mine* are the steps merged so far, *theirs* those of the other recording. Values are known by their names.
    """

    def __init__(
        self,
        merged: Recording,
        other: Recording,
        decisions: Decisions,
        flipped: Conditions,
        sizes: SizeOf,
    ) -> None:
        self.merged = merged
        self.other = other
        self.decisions = decisions
        self.flipped = flipped
        self.sizes = sizes
        self.mine_holds = decisions.holding()
        """The conditions that hold where the steps so far are the program's."""
        self.theirs_holds = other.guards.holding()
        """Those that hold where the steps of the other recording are."""
        self.steps: list[Step] = []
        """The new steps."""
        self._value = dict(merged.inputs)
        """The new value of each of mine."""
        self._mine = dict(zip(merged.inputs, merged.inputs))
        """My node for each of their nodes."""
        self._skipped: dict[str, str] = {}
        """For the output of a step that only one of the two has: its input, which it is equal to in the other."""
        self._last: dict[str, str] = {}
        """The output of the last such step behind a value: one more reads that."""

    def _refused(self, why: str) -> Unrepresentable:
        spot = self.decisions.spot_of(self.flipped[0])
        sizes = [f"{symbol} = {n}" for symbol, n in self.sizes.items()]
        at = " ".join(sizes)
        return refused_at(spot, f"for {at} {why}")

    # --- the walk ----------------------------------------------------------------------------------------------------

    def align_steps(self) -> None:
        """Walk both lists of steps and make the new ones."""
        mine = deque(self.merged.steps)
        theirs = deque(self.other.steps)

        while mine or theirs:
            if self._take_table(mine, theirs):
                continue
            if self._comes_in_both(mine, theirs):
                self._keep(mine.popleft(), theirs.popleft())
            elif self._take_moved(mine, theirs):
                continue
            elif (extra := detour(theirs)) and _can_wait(mine, theirs):
                self._insert(_taken_off(theirs, extra))
            elif extra := detour(mine):
                self._leave(_taken_off(mine, extra))
            else:
                mine_next, theirs_next = map(_next_op, (mine, theirs))
                raise self._refused(
                    f"{OTHER_LAYERS}: {theirs_next} there, {mine_next} for the first sizes"
                )

    def _comes_in_both(self, mine: Steps, theirs: Steps) -> bool:
        """True where the next steps are one, their numbers aside."""
        if not mine or not theirs:
            return False
        a, b = mine[0], theirs[0]
        if _is_kept_tensor(a, b):
            return True
        if _both_regroup(a, b):
            a, b = map(self._reshaping, (a, b))
        if not _is_same_operation(a, b):
            return False
        if isinstance(a.op, Resizing) and not _says_the_same(a, b):
            a, b = self._both_by_sizes(a, b)
        if not self._has_same_inputs(a, b):
            return False
        mine[0], theirs[0] = a, b
        return True

    def _both_by_sizes(self, a: Step, b: Step) -> tuple[Step, Step]:
        """Two resizes to the sizes that they make; as they are where one of them samples elsewhere then."""
        x = self._by_sizes(a, self.mine_holds)
        y = self._by_sizes(b, self.theirs_holds)
        return (a, b) if x is None or y is None else (x, y)

    def _reshaping(self, step: Step) -> Step:
        """A step that keeps its elements in order as a Reshape to the sizes that it makes."""
        sizes = tuple(map(self._run_time, step.value.sizes))
        numbers = tuple(map(int, sizes))
        return replace(
            step, op=Reshape(shape_=numbers), arguments={"shape": sizes}, label="reshape"
        )

    def _by_sizes(self, step: Step, held: Conditions) -> Step | None:
        """A resize to the sizes that it makes, whatever says them; None where by its factor it samples elsewhere."""
        for condition in _samples_by_sizes(step):
            if not self.decisions.follows(condition, held):
                return None

        after = step.value.sizes[2:]
        sizes = tuple(map(self._run_time, after))
        arguments: dict[str, Any] = {"size": sizes}
        for word, value in step.arguments.items():
            if word not in SAYS_SIZES:
                arguments[word] = value
        numbers: dict[str, Any] = {}
        for word in SAYS_SIZES:
            if hasattr(step.op, word):
                numbers[word] = None
        numbers |= numbers_of({"size": sizes})
        op = with_arguments(step.op, numbers)
        return replace(step, op=op, arguments=arguments)

    def _node_of(self, sizes: Any, lead: int) -> Any:
        """The node that has these sizes behind so many dims; the sizes where none has."""
        if not depends_on_input(sizes):
            return sizes
        rank = lead + len(sizes)
        values = list(self.merged.inputs.values())
        values += [step.value for step in self.steps]
        for value in values:
            if len(value.sizes) != rank or value.part is not None:
                continue
            spatial = value.sizes[lead:]
            if all(map(same_size, sizes, spatial)):
                return value
        return sizes

    def outputs(self) -> dict[str, Value]:
        """The new outputs, when the steps are made."""
        ours = self.merged.outputs
        others = self.other.outputs
        found = {}
        for name, other_name in zip(ours, others):
            mine, theirs = ours[name], others[other_name]
            if name != other_name or not self._is_alike(mine, theirs):
                raise self._refused("it returns something else")
            found[name] = self._merged_value(mine, theirs)
        return found

    # --- what is the same --------------------------------------------------------------------------------------------

    def _has_same_inputs(self, a: Step, b: Step) -> bool:
        if len(a.sources) != len(b.sources):
            return False
        if not all(map(self._is_alike, a.sources, b.sources)):
            return False

        mine = dict(nodes_of(a.arguments))
        theirs = dict(nodes_of(b.arguments))
        if mine.keys() != theirs.keys():
            return False
        return all(self._is_alike(mine[word], theirs[word]) for word in mine)

    def _is_alike(self, mine: Value, theirs: Value) -> bool:
        """True where two values are one, but for steps that do nothing."""
        name = self._name_of(theirs)
        if name is None:
            return False
        names = self._equal_to(mine.name)
        others = self._equal_to(name)
        return not set(names).isdisjoint(others)

    def _name_of(self, theirs: Value) -> str | None:
        """My name for one of their values; None where it is of a step that is not taken in."""
        node = self._mine.get(theirs.node)
        return None if node is None else theirs.name_by(node)

    def _equal_to(self, name: str) -> list[str]:
        """A value, and before it those that it is equal to in one of the two."""
        found = [name]
        while name in self._skipped:
            name = self._skipped[name]
            found.append(name)
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
        if _is_kept_tensor(a, b):
            step = self._made_anew(a, b)
            self._mine[b.name] = step.name
            return
        sources = list(map(self._merged_value, a.sources, b.sources))
        # A layer that was told again has the arguments of the earlier one.
        if a.arguments is b.arguments and all(map(operator.is_, sources, a.sources)):
            self._add(a)
            self._mine[b.name] = a.name
            return

        arguments = {}
        words = [*a.arguments, *b.arguments]
        for word in dict.fromkeys(words):
            arguments[word] = self._argument_of_both(word, a, b, sources)
        if isinstance(a.op, Resizing) and isinstance(arguments.get("size"), tuple):
            arguments["size"] = self._node_of(arguments["size"], 2)

        step = self._append(a, a.name, sources, arguments)
        self._mine[b.name] = step.name

    def _argument_of_both(self, word: str, a: Step, b: Step, sources: Values) -> Any:
        """An argument of one step of both."""
        x, y = a.argument(word), b.argument(word)
        if isinstance(x, Value):
            return self._merged_value(x, y)
        if word == "padding":
            x, y = _as_long(x, y)
        if word not in type(a.op).dim_fields and not _are_alike(x, y):
            raise self._refused(f"{word} of {type(a.op).__name__} is {y!r} instead of {x!r}")

        is_end = isinstance(a.op, Slice) and word in ("start", "stop")
        if is_end and x != y:
            whole = sources[0].sizes[a.arguments["dim"]]
            x, y = (self._from_the_front(end, whole) for end in (x, y))
        return self._combined(x, y, a.op)

    def _made_anew(self, a: Step, b: Step) -> Step:
        """A tensor that one of the two keeps from an earlier run, made for every size as the other makes it.

        Refused unless it has the sizes that are kept wherever it is not made.
        """
        is_mine = isinstance(a.op, Parameter)
        made, kept = (b, a) if is_mine else (a, b)
        held = self.mine_holds if is_mine else self.theirs_holds
        if len(made.value.sizes) != len(kept.value.shape):
            raise self._refused(OTHER_LAYERS)
        for size, n in zip(made.value.sizes, kept.value.shape):
            if not self.decisions.follows(size == n, held):
                raise self._refused(OTHER_LAYERS)

        sizes = tuple(map(self._run_time, made.value.sizes))
        return self._append(made, a.name, [], {**made.arguments, "size": sizes})

    def _insert(self, steps: Sequence[Step]) -> None:
        """Steps that only they have: where they are left out so far, they must do nothing."""
        first = taken_by(steps)
        before = self._name_of(first)
        if before is None:
            raise self._refused(OTHER_LAYERS)
        source = self._behind(before)
        names = {first.name: source}

        for b in steps:
            sources = [names[one.name] for one in b.sources]
            arguments = {word: self._here(value) for word, value in b.arguments.items()}
            for word, node in nodes_of(b.arguments):
                name = self._name_of(node)
                if name is None:
                    raise self._refused(OTHER_LAYERS)
                arguments[word] = self._value[name]

            fitted = self._fitted(b.op, arguments, source, theirs=True)
            free = self.merged.free(b.name)
            step = self._append(b, free, sources, fitted)
            self._mine[b.name] = step.name
            names[b.name] = step.value
        self._skip(steps, step, before, source, self.mine_holds)

    def _leave(self, steps: Sequence[Step]) -> None:
        """Steps that only those so far have: where they leave them out, they must do nothing."""
        before = taken_by(steps).name
        source = self._behind(before)
        names = {before: source}

        for a in steps:
            sources = [names[one.name] for one in a.sources]
            arguments = dict(a.arguments)
            for word, node in nodes_of(a.arguments):
                arguments[word] = self._value[node.name]

            fitted = self._fitted(a.op, arguments, source, theirs=False)
            step = self._append(a, a.name, sources, fitted)
            names[a.name] = step.value
        self._skip(steps, step, before, source, self.theirs_holds)

    # --- elements of weights in other places -------------------------------------------------------------------------

    def _take_moved(self, mine: Steps, theirs: Steps) -> bool:
        """Take in one tensor of weights that other steps make on either path, if it is one wherever one path is taken.

        The steps that make it for the other path are those of both.
        """
        return self._take_first(_alternatives(mine, theirs), mine, theirs)

    def _take_table(self, mine: Steps, theirs: Steps) -> bool:
        """The same for a table that comes next in both, used as it is on one path and in parts on the other."""
        if not all(steps and isinstance(steps[0].op, Parameter) for steps in (mine, theirs)):
            return False
        pairs = _alternatives(mine, theirs)
        as_it_is = ((a, b) for a, b in pairs if (len(a) == 1) != (len(b) == 1))
        return self._take_first(as_it_is, mine, theirs)

    def _take_first(
        self,
        pairs: Iterator[tuple[Sequence[Step], Sequence[Step]]],
        mine: Steps,
        theirs: Steps,
    ) -> bool:
        """Take in the first of some alternatives that make one tensor."""
        for a, b in pairs:
            if are_the_same(a, b, self.merged.symbols, self._known_by(self.mine_holds)):
                self._take_theirs(a, b)
            elif are_the_same(a, b, self.other.symbols, self._known_by(self.theirs_holds)):
                self._stay_with_mine(a, b)
            else:
                continue
            _leave_out(mine, a)
            _leave_out(theirs, b)
            return True
        return False

    def _known_by(self, held: Conditions) -> Callable[[Condition | bool], bool]:
        return lambda condition: self.decisions.follows(condition, held)

    def _take_theirs(self, a: Sequence[Step], b: Sequence[Step]) -> None:
        """Their steps, in the place of mine."""
        for step in b:
            names = [self._mine[value.node] for value in step.sources]
            sources = [self._value[name] for name in names]
            free = self.merged.free(step.name)
            made = self._append(step, free, sources, self._arguments_here(step))
            self._mine[step.name] = made.name

        mine, last = a[-1].name, self._mine[b[-1].name]
        self._value[mine] = self._value[last]
        self._skipped[mine] = last

    def _stay_with_mine(self, a: Sequence[Step], b: Sequence[Step]) -> None:
        """My steps, for theirs too."""
        for step in a:
            sources = [self._value[value.name] for value in step.sources]
            self._append(step, step.name, sources, self._arguments_here(step))
        self._mine[b[-1].name] = a[-1].name

    def _arguments_here(self, step: Step) -> Arguments:
        """A step's arguments with the numbers that they have at the sizes of the steps so far."""
        found = {word: self._here(value) for word, value in step.arguments.items()}
        if isinstance(step.op, Resizing) and step.argument("size") is not None:
            sizes = tuple(map(self._run_time, step.value.sizes[2:]))
            found["size"] = self._node_of(sizes, 2)
        return found

    def _behind(self, name: str) -> Value:
        """The new value of one of mine, behind the steps that only one of the two has."""
        last = self._last.get(name, name)
        return self._value[last]

    def _skip(
        self, steps: Sequence[Step], step: Step, before: str, source: Value, held: Conditions
    ) -> None:
        """Note steps that one of the two leaves out; ``step`` is the last of them as it is made now.

        Refused unless they do nothing wherever ``held`` holds.
        """
        self._skipped[step.name] = source.name
        self._last[before] = step.name
        self._last[source.name] = step.name

        op_name = type(steps[0].op).__name__
        for condition in does_nothing(step, source):
            if not self.decisions.follows(condition, held):
                raise self._refused(
                    f"{op_name} is one step more, and changes something where it is left out"
                )

    def _append(self, step: Step, name: str, sources: Values, arguments: Arguments) -> Step:
        """One more of the new steps, its operation applied to the new sources."""
        numbers = numbers_of(arguments)
        op = with_arguments(step.op, numbers)
        sizes = sizes_made(op, sources, arguments)
        if sizes is None:
            op_name = type(op).__name__
            raise self._refused(f"{op_name} cannot be followed for other sizes")

        shapes = [source.shape for source in sources]
        operands = {word: node.shape for word, node in nodes_of(arguments)}
        shape = op.shape(*shapes, **operands)
        value = Value(name, tuple(shape), sizes)
        if _is_one_value(value, step.value):
            value = step.value

        made = replace(
            step,
            name=name,
            op=op,
            sources=tuple(sources),
            arguments=arguments,
            value=value,
        )
        self._add(made)
        return made

    def _add(self, made: Step) -> None:
        """One more of the new steps."""
        self.steps.append(made)
        self._value[made.name] = made.value
        for part in _parts(made):
            self._value[part.name] = part

    # --- numbers -----------------------------------------------------------------------------------------------------

    def _combined(self, a: Any, b: Any, op: Op) -> Any:
        """An argument that is ``a`` where the steps so far are the program's, and ``b`` where the others are."""
        pairs = _per_axis(a, b)
        if pairs is not None:
            return tuple(self._combined(x, y, op) for x, y in pairs)
        if _is_equal(a, b):
            return a

        argument = f"an argument of {type(op).__name__}"
        x, y = over_symbols((a, b))
        if not _is_size(x) or not _is_size(y):
            raise self._refused(f"{argument} is {b!r} instead of {a!r}")

        follows = self.decisions.follows
        for size in self._candidates(x, y):
            is_mine = follows(size == x, self.mine_holds)
            if is_mine and follows(size == y, self.theirs_holds):
                return self._run_time(size)

        # What decided says which of the two it is, whatever else is known of them.
        for condition in self._decided_otherwise():
            return self._run_time(_chosen(condition, x, y))
        raise self._refused(f"{argument} is {int(b)} instead of {int(a)}")

    def _decided_otherwise(self) -> Iterator[Condition]:
        """The conditions that hold on my path, and whose opposite the other program has found to hold."""
        theirs: set[Any] = set()
        for held in self.theirs_holds:
            theirs |= set(map(identity, held.conjuncts()))
        mine = set(map(identity, self.mine_holds))
        for condition in self.flipped:
            if identity(condition) in mine and identity(negated(condition)) in theirs:
                yield condition

    def _candidates(self, a: SizeLike, b: SizeLike) -> Iterator[SizeLike]:
        """Sizes that may be ``a`` on the one path and ``b`` on the other, in one order whichever is read first."""
        either = sorted((a, b), key=_by_text)
        yield from either
        if isinstance(a, Size) or isinstance(b, Size):
            yield minimum(*either)
            yield maximum(*either)
        yield from self._changed_by_decisions(either)
        for one, other in (either, either[::-1]):
            yield from self._rounded(one, other)
        for condition in self.flipped:
            yield _chosen(condition, a, b)

    def _changed_by_decisions(self, either: Sequence[SizeLike]) -> Iterator[SizeLike]:
        """More or less by what decides: padding of ``H % 2`` where ``H % 2 != 0``."""
        for condition in self.flipped:
            if condition.relation not in ("eq", "ne"):
                continue
            difference: Size = condition.parts[0]
            without_constant = difference - difference.constant
            changes = (difference, without_constant)
            for base, change in product(either, changes):
                yield base + change
                yield base - change

    def _rounded(self, one: SizeLike, other: SizeLike) -> Iterator[SizeLike]:
        """The other size, up to a whole number of steps that is between them on one of the paths."""
        if not isinstance(one, Size):
            return
        difference = one - other
        for recording in (self.merged, self.other):
            (found,) = substitute([difference], recording.symbols)
            step = abs(found) if isinstance(found, int) else 0
            if step > 1:
                yield other + difference % step

    def _here(self, argument: Any) -> Any:
        """An argument of theirs, with the numbers that its sizes are in mine."""
        if isinstance(argument, RunTimeSize) and argument.size is not None:
            return self._run_time(argument.size)
        is_several = type(argument) is tuple
        return tuple(map(self._here, argument)) if is_several else argument

    def _run_time(self, size: SizeLike) -> Any:
        if isinstance(size, int):
            return size
        (number,) = substitute([size], self.merged.symbols)
        guards = self.merged.guards
        return RunTimeSize(int(number), size, guards)

    # --- arguments of a step that is left out elsewhere --------------------------------------------------------------

    def _fitted(
        self, op: Op, arguments: Arguments, source: Value, *, theirs: bool
    ) -> Arguments:
        """Arguments such that the step does nothing where it is left out, and what they say where it is not.

        It is ``theirs`` where the steps so far leave it out, and else mine.
        """

        def fit(value: Any, nothing: Any) -> Any:
            a, b = (nothing, value) if theirs else (value, nothing)
            return self._combined(a, b, op)

        if isinstance(op, Slice):
            return self._fitted_slice(arguments, source, fit)
        if isinstance(op, (Padding, Roll)):
            word = "padding" if isinstance(op, Padding) else "shifts"
            value = arguments[word]
            nothing = (0,) * len(value) if isinstance(value, tuple) else 0
            return {**arguments, word: fit(value, nothing)}
        return arguments

    def _fitted_slice(
        self, arguments: Arguments, source: Value, fit: Callable[[Any, Any], Any]
    ) -> Arguments:
        """A slice that takes everything where it is left out."""
        dim = arguments["dim"]
        whole = source.sizes[dim]

        found = dict(arguments)
        if "start" in arguments:
            found["start"] = fit(self._from_the_front(arguments["start"], whole), 0)
        if arguments.get("stop") is not None:
            stop = self._from_the_front(arguments["stop"], whole)
            found["stop"] = fit(stop, self._run_time(whole))
        return found

    def _from_the_front(self, end: Any, whole: SizeLike) -> Any:
        """The end of a slice of a dim of a size, where it is a number that counts from the last position."""
        is_negative = isinstance(end, int) and not depends_on_input(end) and end < 0
        return self._run_time(maximum(whole + end, 0)) if is_negative else end


def _chosen(condition: Condition, a: SizeLike, b: SizeLike) -> Any:
    """The one size where a condition holds, and else the other: the same words for its opposite, with the two changed.

    An equality is said rather than that there is none, and ``H >= 8`` rather than ``H <= 7``.
    """
    opposite = negated(condition)
    if not isinstance(opposite, Condition):
        return choose(condition, a, b)
    is_said = min((condition, opposite), key=_by_words) is condition
    return choose(condition, a, b) if is_said else choose(opposite, b, a)


def _by_words(condition: Condition) -> tuple[bool, int, str]:
    text = repr(condition)
    return "!=" in text or "<=" in text, len(text), text


def _by_text(size: SizeLike) -> tuple[int, str]:
    text = str(size)
    return len(text), text


# --- steps that read weights alone -----------------------------------------------------------------------------------


def _alternatives(
    mine: Steps, theirs: Steps
) -> Iterator[tuple[Sequence[Step], Sequence[Step]]]:
    """Steps to come of both that may make one tensor of weights, the most first; it comes next in one of the two."""
    pairs = list(product(_of_weights(mine), _of_weights(theirs)))
    pairs.sort(key=_steps_in, reverse=True)
    for a, b in pairs:
        comes_next = a[0] is mine[0] or b[0] is theirs[0]
        if comes_next and len(a[-1].value.sizes) == len(b[-1].value.sizes):
            yield a, b


def _steps_in(pair: tuple[Sequence[Step], Sequence[Step]]) -> int:
    """How many steps there are in two rows of them."""
    return sum(map(len, pair))


def _of_weights(steps: Steps) -> Iterator[Sequence[Step]]:
    """Each of the steps to come that reads weights alone, behind those that make what it reads.

    What these make nobody else reads.
    """
    made_by: dict[str, list[Step]] = {}
    for place, step in enumerate(islice(steps, MOST_OF_WEIGHTS)):
        sources = {value.node for value in step.sources}
        reads_weights = bool(sources) and sources <= made_by.keys()
        if not reads_weights and not isinstance(step.op, Parameter):
            continue
        before = set(chain.from_iterable(map(made_by.__getitem__, sources)))
        in_order = filter(before.__contains__, islice(steps, place))
        made_by[step.name] = [*in_order, step]

    yield from (some for some in made_by.values() if _are_inner(some, steps))


def _are_inner(some: Sequence[Step], steps: Steps) -> bool:
    """True where what some of the steps to come make is read by them alone, the last one's aside."""
    inner = {step.name for step in some[:-1]}
    others = (step for step in steps if step not in some)
    return not any(value.node in inner for step in others for value in step.read())


def _leave_out(steps: Steps, some: Sequence[Step]) -> None:
    """Take some of the steps to come out of them."""
    names = {step.name for step in some}
    kept = []
    for step in steps:
        if step.name not in names:
            kept.append(step)
    steps.clear()
    steps.extend(kept)


# --- steps that may do nothing ---------------------------------------------------------------------------------------


SAYS_SIZES = ("size", "scale_factor", "recompute_scale_factor")
"""The arguments of a resize that say its sizes."""


def _samples_by_sizes(step: Step) -> Iterator[Condition | bool]:
    """The conditions under which a resize samples as one to the sizes that it makes."""
    assert isinstance(step.op, Resizing)
    (source,) = step.sources
    return step.op.samples_by_sizes(source.sizes, step.value.sizes)


def _says_the_same(a: Step, b: Step) -> bool:
    """True where two resizes are both by a factor, or both to sizes or both to a node's."""

    def kind(step: Step) -> tuple[bool, type]:
        size = step.argument("size")
        return step.argument("scale_factor") is None, type(size)

    return kind(a) == kind(b)


def _taken_off(steps: Steps, count: int) -> list[Step]:
    """So many of the steps to come, which are done with."""
    return [steps.popleft() for _ in range(count)]


def _next_op(steps: Steps) -> str:
    return type(steps[0].op).__name__ if steps else "nothing more"


def _can_wait(mine: Steps, theirs: Steps) -> bool:
    """True where my next step may come after theirs: it must stay, or one like it follows theirs."""
    if not detour(mine):
        return True
    following = islice(theirs, 1, AHEAD)
    return any(_is_like(mine[0], step) for step in following)


def _is_like(a: Step, b: Step) -> bool:
    """True where two steps that may do nothing have one operation, along one dim."""
    if type(a.op) is not type(b.op):
        return False
    mine = a.arguments.get("dim")
    theirs = b.arguments.get("dim")
    return bool(mine == theirs)


def _is_same_operation(a: Step, b: Step) -> bool:
    """True where two steps have one operation at one place of the program."""
    if type(a.op) is not type(b.op) or a.label != b.label:
        return False
    if isinstance(a.op, Slice) and not _is_like(a, b):
        return False
    if isinstance(a.op, Parameter) and a.value.shape != b.value.shape:
        return False

    mine = [scope.name for scope in a.scopes]
    theirs = [scope.name for scope in b.scopes]
    return mine == theirs


def _both_regroup(a: Step, b: Step) -> bool:
    """True where two steps keep their elements in order, by other operations: a Squeeze where the size is known."""
    return type(a.op) is not type(b.op) and all(isinstance(one.op, REGROUPS) for one in (a, b))


def _is_kept_tensor(a: Step, b: Step) -> bool:
    """True where one of two steps is a constant of the program, and the other is made of sizes."""
    ops = (a.op, b.op)
    if {type(op) for op in ops} != {Parameter, Full}:
        return False
    constant = a if isinstance(a.op, Parameter) else b
    return constant.weights is None or not constant.weights.learned


def _is_one_value(a: Value, b: Value) -> bool:
    """True where two values have one name, and the same sizes for all sizes of the input."""
    is_named_alike = a.node == b.node and a.part == b.part
    return is_named_alike and a.shape == b.shape and are_same(a.sizes, b.sizes)


def _parts(step: Step) -> Iterator[Value]:
    """The outputs of a step that has several."""
    if isinstance(step.op, Chunk):
        for index in range(step.op.chunks):
            yield part_of(step, index)


# --- arguments -------------------------------------------------------------------------------------------------------


def _per_axis(a: Any, b: Any) -> Sequence[tuple[Any, Any]] | None:
    """Two arguments axis by axis; None where neither is per axis, or they have different axes."""
    if isinstance(a, tuple) and isinstance(b, int):
        b = (b,) * len(a)
    elif isinstance(a, int) and isinstance(b, tuple):
        a = (a,) * len(b)

    if not isinstance(a, tuple) or not isinstance(b, tuple):
        return None
    has_same_axes = len(a) == len(b)
    return list(zip(a, b)) if has_same_axes else None


def _as_long(a: Any, b: Any) -> tuple[Any, Any]:
    """Paddings with zeros for the first dims where the other one has more of them."""
    if not isinstance(a, tuple) or not isinstance(b, tuple):
        return a, b
    length = max(len(a), len(b))
    return a + (0,) * (length - len(a)), b + (0,) * (length - len(b))


def _are_alike(a: Any, b: Any) -> bool:
    """True where two arguments are the same for every axis."""
    pairs = _per_axis(a, b)
    if pairs is None:
        return _is_equal(a, b)
    return all(_are_alike(x, y) for x, y in pairs)


def _is_size(value: Any) -> bool:
    return isinstance(value, (int, Size))


def _is_equal(a: Any, b: Any) -> bool:
    """True where two arguments are the same number, word or size over the symbols."""
    x, y = over_symbols((a, b))
    if x is y:
        return True

    # By class: True is no 1.
    if type(x) is not type(y):
        return False
    # Sizes, and what has them, are compared by their identity only.
    has_sizes = isinstance(x, (Size, tuple))
    return not has_sizes and bool(x == y)
