"""The ways that a program takes, by the size of its input, made one.

A program that compares sizes (``if up.shape != skip.shape: ...``) may take another way for other sizes. Each
recording knows what it compared, so a size that decides otherwise can be found, and recorded too. Recordings that
differ in numbers, or by steps that change nothing where they are left out, are one network where that is proven for
every size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracer.importing.recording import Recording, Step, Unrepresentable, Value
from tracer.importing.run_time_sizes import Guard, RunTimeSize, negated
from tracer.ops.base import argument, with_arguments
from tracer.ops.crop import Slice
from tracer.ops.padding import Padding
from tracer.ops.resize import Resizing
from tracer.sizing.arithmetic import maximum, minimum
from tracer.sizing.periodic import Analysis, Aperiodic, decide
from tracer.sizing.program import substitute
from tracer.sizing.size_set import SizeSet, TooLarge
from tracer.sizing.symbol import Condition, Size, SizeLike, identity

Run = Callable[[Mapping[str, int]], Recording]
"""Records the program, some symbols at other sizes than those it is read at."""

FILLED = SizeSet((), 1, 1, (0,))
"""Every size but 0."""

MOST_WAYS = 100
"""Ways that are tried before a program is given up."""

AHEAD = 4
"""Steps that are looked at for one that comes later."""

FAILURES = 4
"""Sizes that fail in an operation, until all that decide alike are taken to."""

NEAR = 160
"""Sizes that are looked at for one that decides otherwise."""


class Refusal(NamedTuple):
    """Sizes that the program refuses."""

    symbol: str
    sizes: SizeSet
    said: str
    by_operation: bool
    """An operation refuses them, which the config's must do too."""


def required(recording: Recording, refusals: Sequence[Refusal]) -> dict[str, int]:
    """For each symbol of the refusals the size that it must be, over itself: ``H // 32 * 32`` for multiples.

    Raises :class:`Unrepresentable` where no such size says it.
    """
    found: dict[str, int] = {}
    for symbol in dict.fromkeys(one.symbol for one in refusals):
        own = [one for one in refusals if one.symbol == symbol]
        taken = FILLED
        for one in own:
            taken = taken - one.sizes
        size = _only(recording.space.symbol(symbol), taken)
        if size is None:
            raise Unrepresentable(f"{own[0].said}; no config can say that of {symbol}")
        if isinstance(size, Size):
            size = RunTimeSize(recording.symbols[symbol], size, recording.guards)
        found[symbol] = size
    return found


def _only(symbol: Size, taken: SizeSet) -> SizeLike | None:
    """A size that the symbol equals for these sizes from 1 on, and for no others."""
    if not taken.residues:
        first, last = taken.finite[0] if taken else 0, taken.finite[-1] if taken else -1
        if not taken or taken.finite != tuple(range(first, last + 1)):
            return None
        most: SizeLike = minimum(symbol, last)
        return first if first == last else most if first == 1 else maximum(most, first)
    least = taken.least
    assert least is not None
    (residue, *others) = taken.residues
    whole: SizeLike = (
        symbol
        if taken.modulus == 1
        else (symbol - residue) // taken.modulus * taken.modulus + residue
    )
    first = residue if residue else taken.modulus
    if others or taken != FILLED & _class(taken.modulus, residue, least):
        return None
    return whole if least <= first else maximum(whole, least)


def _class(modulus: int, residue: int, least: int) -> SizeSet:
    """The sizes of a residue class from one on."""
    return SizeSet((), 0, modulus, (residue,)) - SizeSet(tuple(range(least)), least, 1, ())


class Merged(NamedTuple):
    """One recording for every size, and the sizes that the program refuses itself."""

    recording: Recording
    refused: list[Refusal]


def one_of(run: Run) -> Merged:
    """The recording that stands for every size. Raises :class:`Unrepresentable` where there is none."""
    first = run({})
    return Merged(first, []) if not first.guards.made else _Ways(run, first).merged()


class _Ways:
    def __init__(self, run: Run, first: Recording) -> None:
        self.run = run
        self.first = first
        self.space = first.space
        self.steps = list(first.steps)
        self.outputs = dict(first.outputs)
        self.open: dict[Any, Guard] = {}
        """What must still hold for the steps to be the program's."""
        self.settled: set[Any] = set()
        self.refused: list[Refusal] = []
        self.failed: dict[Any, set[int]] = {}
        self.tried: set[tuple[str, int]] = set()
        self._note(first.guards.made)

    def _note(self, guards: Sequence[Guard]) -> None:
        for guard in guards:
            if guard.holds is None:
                raise Unrepresentable(
                    f"{guard.place}: a size is compared that is computed in a way that cannot be followed"
                )
            for condition in guard.holds.conjuncts():
                if identity(condition) not in self.settled:
                    self.open.setdefault(identity(condition), Guard(condition, guard.place))

    def merged(self) -> Merged:
        for symbol in self.first.symbols:
            for _ in range(MOST_WAYS):
                size = self._undecided(symbol)
                if size is None:
                    break
                self._try(symbol, size)
            else:
                raise Unrepresentable(
                    f"{next(iter(self.open.values())).place}: another way for each of too many sizes"
                )
        for _ in range(MOST_WAYS):
            together = [
                g
                for g in self.open.values()
                if g.holds is not None and len(self.space.support(g.holds)) > 1
            ]
            if not together:
                break
            self._try_together(together[0])
        recording = self.first
        recording.steps, recording.outputs = self.steps, self.outputs
        return Merged(recording, self.refused)

    # --- which sizes -------------------------------------------------------------------------------------------------

    def _about(self, symbol: str, guards: Sequence[Condition | None]) -> list[Condition]:
        return [g for g in guards if g is not None and self.space.support(g) == {symbol}]

    def _sizes(self, conditions: Sequence[Condition | bool], symbol: str) -> SizeSet:
        try:
            (found,) = decide([conditions], symbol, Analysis(self.space))
        except (TooLarge, Aperiodic) as error:
            raise Unrepresentable(
                f"the sizes for which it takes one way cannot be told: {error}"
            ) from None
        if found.below is not None:
            raise Unrepresentable(
                f"the sizes for which it takes one way are not periodic: {conditions[0]!r}"
            )
        return found.sizes

    def _undecided(self, symbol: str) -> int | None:
        """A size of a symbol for which nothing recorded holds: of those near, one where little is decided otherwise."""
        conditions = self._about(symbol, [guard.holds for guard in self.open.values()])
        if not conditions:
            return None
        left = FILLED - self._sizes(conditions, symbol)
        for one in self.refused:
            if one.symbol == symbol:
                left = left - one.sizes
        if not left:
            return None
        here = self.first.symbols[symbol]
        near = [n for n in range(max(here - NEAR, 1), here + NEAR) if n in left] or list(
            left.nearest(here)
        )
        near = [n for n in near if (symbol, n) not in self.tried]
        if not near:
            return None

        import numpy

        truths = substitute(conditions, {symbol: numpy.array(near)})
        flipped = numpy.sum(
            [1 - numpy.broadcast_to(numpy.asarray(truth, int), len(near)) for truth in truths],
            axis=0,
        )
        few = [n for count, n in zip(flipped.tolist(), near) if count == flipped.min()]
        few.sort(
            key=lambda n: (n < here, abs(n - here))
        )  # a larger size rather: small ones fail for other reasons
        failures = sum(1 for name, _ in self.tried if name == symbol) % FAILURES
        return few[failures * len(few) // FAILURES]

    def _try_together(self, guard: Guard) -> None:
        """Record sizes of several symbols for which a guard does not hold: one of its alternatives for each symbol."""
        assert guard.holds is not None
        alternatives: dict[str, Condition | bool] = {}
        for part in _alternatives(guard.holds):
            (symbol, *more) = self.space.support(part)
            if more:
                names = " and ".join(sorted(self.space.support(guard.holds)))
                raise Unrepresentable(f"{guard.place}: {names} decide together ({guard.holds!r})")
            alternatives[symbol] = alternatives.get(symbol, False) | part
        sizes: dict[str, int] = {}
        for symbol, any_of in alternatives.items():
            refused = FILLED - self._sizes([any_of], symbol)
            near = refused.nearest(self.first.symbols[symbol])
            if not near:
                self._settle([guard.holds])
                return
            sizes[symbol] = near[-1]
        self._take(sizes, [guard.holds])

    def _try(self, symbol: str, size: int) -> None:
        """Record one more size, and take it in."""
        conditions = self._about(symbol, [guard.holds for guard in self.open.values()])
        flipped = [
            c for c, holds in zip(conditions, substitute(conditions, {symbol: size})) if not holds
        ]
        self._take({symbol: size}, flipped)

    def _take(self, sizes: Mapping[str, int], flipped: Sequence[Condition]) -> None:
        (symbol, size), *others = sizes.items()
        try:
            other = self.run(sizes)
        except Unrepresentable as error:
            if others:
                names = " and ".join(f"{name} = {n}" for name, n in sizes.items())
                raise Unrepresentable(
                    f"{error}; that is for {names}, which decide together"
                ) from None
            held = [guard.holds for guard in error.guards if guard.holds is not None]
            if len(held) < len(error.guards):
                raise
            if error.by_operation:
                self._failed(symbol, size, flipped, str(error))
            else:
                refused = FILLED & self._sizes(self._about(symbol, held), symbol)
                self.refused.append(Refusal(symbol, refused, str(error), False))
            return
        _Merge(self, other, flipped, sizes).merge()
        self._settle(flipped)
        either = flipped[0]
        known = {*self.open, *self.settled, *(identity(negated(c)) for c in flipped)}
        for guard in other.guards.made:
            if guard.holds is None or any(
                identity(c) not in known for c in guard.holds.conjuncts()
            ):
                holds = None if guard.holds is None else either | guard.holds
                if not isinstance(holds, bool):
                    self._note([Guard(holds, guard.place)])

    def _failed(self, symbol: str, size: int, flipped: Sequence[Condition], said: str) -> None:
        """An operation refuses a size that decides otherwise: after some, all such sizes are taken to be."""
        key = (symbol, *map(identity, flipped))
        failed = self.failed.setdefault(key, set())
        failed.add(size)
        self.tried.add((symbol, size))
        if len(failed) >= FAILURES:
            sizes = FILLED & self._sizes([negated(c) for c in flipped], symbol)
            self.refused.append(Refusal(symbol, sizes, said, True))

    def _settle(self, conditions: Sequence[Condition]) -> None:
        for condition in conditions:
            self.settled.add(identity(condition))
            self.open.pop(identity(condition), None)

    def place_of(self, condition: Condition) -> str:
        """Where a condition was compared."""
        return self.open[identity(condition)].place

    def always(self, conditions: Sequence[Condition | bool]) -> bool:
        """Whether one of the conditions holds, whatever the sizes from 1 on; False where it takes several symbols."""
        whole: Condition | bool = False
        for condition in conditions:
            whole = whole | condition
        if isinstance(whole, bool):
            return whole
        support = self.space.support(whole)
        if len(support) != 1:
            return False
        (symbol,) = support
        return self._sizes([whole], symbol) >= FILLED


def _alternatives(condition: Condition) -> Iterator[Condition]:
    """The conditions that it joins by ``or``."""
    if condition.relation == "or":
        for part in condition.parts:
            yield from _alternatives(part)
    else:
        yield condition


class _Merge:
    """One more recording taken into the steps."""

    def __init__(
        self, ways: _Ways, other: Recording, flipped: Sequence[Condition], sizes: Mapping[str, int]
    ) -> None:
        self.ways = ways
        self.other = other
        self.flipped = flipped
        self.at = " ".join(f"{symbol} = {n}" for symbol, n in sizes.items())
        self.mine = [g.holds for g in ways.open.values() if g.holds is not None]
        """What holds where the steps so far are the program's."""
        self.theirs = [g.holds for g in other.guards.made if g.holds is not None]
        self.value: dict[str, Value] = dict(ways.first.inputs)
        """The new value of each one so far."""
        self.image: dict[str, str] = {name: name for name in ways.first.inputs}
        """The name so far of each of the other's."""
        self.skipped: dict[str, str] = {}
        """For a step that only one of the two has: what it changes nothing of."""
        self.behind: dict[str, str] = {}
        """The last of such steps behind each value: one more stands behind them."""
        self.steps: list[Step] = []

    def merge(self) -> None:
        ways, mine, theirs = self.ways, self.ways.steps, self.other.steps
        i = j = 0
        while i < len(mine) or j < len(theirs):
            a = mine[i] if i < len(mine) else None
            b = theirs[j] if j < len(theirs) else None
            if a is not None and b is not None and self._same(a, b):
                self._keep(a, b)
                i, j = i + 1, j + 1
            elif (
                b is not None
                and self._is_removable(b)
                and self._comes_later(a, theirs[j + 1 : j + AHEAD])
            ):
                self._insert(b)
                j += 1
            elif a is not None and self._is_removable(a):
                self._leave(a)
                i += 1
            else:
                raise self._refused("it takes another way, which differs in more than numbers")
        outputs = {}
        for (name, value), (other, theirs_value) in zip(
            ways.outputs.items(), self.other.outputs.items()
        ):
            if name != other or not self._alike(value, theirs_value):
                raise self._refused("it returns something else")
            outputs[name] = self.value[self._end(value.name, theirs_value)]
        ways.steps, ways.outputs = self.steps, outputs

    def _refused(self, why: str) -> Unrepresentable:
        place = self.ways.place_of(self.flipped[0])
        return Unrepresentable(f"{place}: for {self.at} {why}")

    # --- steps -------------------------------------------------------------------------------------------------------

    def _same(self, a: Step, b: Step) -> bool:
        return (
            type(a.op) is type(b.op)
            and a.label == b.label
            and [s.name for s in a.scopes] == [s.name for s in b.scopes]
            and len(a.sources) == len(b.sources)
            and (not isinstance(a.op, Slice) or a.arguments["dim"] == b.arguments["dim"])
            and all(map(self._alike, a.sources, b.sources))
            and all(
                self._node_alike(a.arguments.get(w), b.arguments.get(w))
                for w in {*a.arguments, *b.arguments}
            )
        )

    def _node_alike(self, a: Any, b: Any) -> bool:
        if isinstance(a, Value) and isinstance(b, Value):
            return self._alike(a, b)
        return not isinstance(a, Value) and not isinstance(b, Value)

    def _alike(self, a: Value, b: Value) -> bool:
        """Whether two values are one, but for steps that change nothing."""
        image = self._image(b)
        mine, theirs = {a.name}, {image}
        while (before := self.skipped.get(a.name)) is not None:
            a = a._replace(name=before)
            mine.add(before)
        while image is not None and (before := self.skipped.get(image)) is not None:
            image = before
            theirs.add(before)
        return bool(mine & theirs)

    def _image(self, b: Value) -> str | None:
        base, bracket, rest = b.name.partition("[")
        found = self.image.get(base)
        return None if found is None else found + bracket + rest

    def _end(self, a: str, b: Value) -> str:
        """Of the two, the one behind the steps that change nothing."""
        image = self._image(b)
        assert image is not None
        name: str | None = image
        while name is not None:
            if name == a:
                return image
            name = self.skipped.get(name)
        return a

    def _now(self, name: str) -> Value:
        base, bracket, _ = name.partition("[")
        value = self.value[base]
        return self.value.get(name, value) if bracket else value

    def _keep(self, a: Step, b: Step) -> None:
        sources = [self._now(self._end(x.name, y)) for x, y in zip(a.sources, b.sources)]
        arguments: dict[str, Any] = {}
        for word in dict.fromkeys([*a.arguments, *b.arguments]):
            x, y = _argument(a, word), _argument(b, word)
            if isinstance(x, Value):
                arguments[word] = self._now(self._end(x.name, y))
            else:
                arguments[word] = self._combined(x, y, a)
        self._append(a, sources, arguments, b)

    def _insert(self, b: Step) -> None:
        """A step that only the other has: where it is left out so far, it changes nothing."""
        before = self._image(b.sources[0])
        source = None if before is None else self.behind.get(before, before)
        if before is None or source is None:
            raise self._refused("it takes another way, which differs in more than numbers")
        arguments = {
            w: self._now(i) if isinstance(v, Value) and (i := self._image(v)) else v
            for w, v in b.arguments.items()
        }
        step = self._append(
            b, [self._now(source)], self._fitted(b, arguments, self._now(source)), b, fresh=True
        )
        self.skipped[step.name] = source
        self.behind[before] = self.behind[source] = step.name
        self._require_identity(step, self.mine)

    def _leave(self, a: Step) -> None:
        """A step that only the steps so far have."""
        arguments = {
            w: self._now(v.name) if isinstance(v, Value) else v for w, v in a.arguments.items()
        }
        before = a.sources[0].name
        source = self.behind.get(before, before)
        step = self._append(a, [self._now(source)], arguments, None)
        self.skipped[step.name] = source
        self.behind[before] = self.behind[source] = step.name
        self._require_identity(step, self.theirs)

    def _comes_later(self, a: Step | None, following: Sequence[Step]) -> bool:
        """Whether a step of those so far can wait: it stays, or one like it follows."""
        if a is None or not self._is_removable(a):
            return True
        return any(
            type(a.op) is type(b.op) and a.arguments.get("dim") == b.arguments.get("dim")
            for b in following
        )

    def _is_removable(self, step: Step) -> bool:
        """Whether it may change nothing: a resize to its own size, padding with nothing, a slice of everything."""
        return isinstance(step.op, (Resizing, Padding, Slice))

    def _require_identity(self, step: Step, held: Sequence[Condition]) -> None:
        """Where ``held`` holds, the step must leave its input as it is."""
        before, after = step.sources[0].sizes, step.value.sizes
        wanted: list[Any] = [a == b for a, b in zip(before, after)]
        if isinstance(step.op, Padding):
            padding = step.arguments["padding"]
            wanted += [
                _size(n) == 0 for n in (padding if isinstance(padding, tuple) else (padding,))
            ]
        if isinstance(step.op, Slice) and "start" in step.arguments:
            wanted.append(_size(step.arguments["start"]) == 0)
        for condition in wanted:
            if not self._follows(condition, held):
                raise self._refused(
                    f"{type(step.op).__name__} is one step more, and changes something where it is left out"
                )

    def _follows(self, condition: Condition | bool, held: Sequence[Condition]) -> bool:
        if isinstance(condition, bool):
            return condition
        support = self.ways.space.support(condition)
        unless: list[Condition | bool] = [
            negated(h) for h in held if self.ways.space.support(h) == support
        ]
        return self.ways.always([condition, *unless])

    def _append(
        self,
        step: Step,
        sources: Sequence[Value],
        arguments: dict[str, Any],
        other: Step | None,
        *,
        fresh: bool = False,
    ) -> Step:
        name = step.name
        if fresh:
            name = self.ways.first.free(name)
        op = with_arguments(step.op, {w: _number(v) for w, v in arguments.items()})
        changed = {w: _sizes(v) for w, v in arguments.items() if not isinstance(v, Value)}
        given = {w: v for w, v in arguments.items() if isinstance(v, Value)}
        symbolic = with_arguments(op, changed)
        sizes = symbolic.shape(
            *[s.sizes for s in sources], **{w: v.sizes for w, v in given.items()}
        )
        shape = op.shape(*[s.shape for s in sources], **{w: v.shape for w, v in given.items()})
        value = Value(name, tuple(shape), tuple(sizes))
        made = Step(name, op, tuple(sources), arguments, value, step.scopes, step.label)
        made.owner = step.owner
        self.steps.append(made)
        self.value[name] = value
        if type(op).several is not None:
            for index in range(getattr(op, type(op).several or "")):
                part = with_arguments(op, {"index": index})
                own = [
                    tuple(part.shape(*[s.sizes for s in sources])),
                    tuple(part.shape(*[s.shape for s in sources])),
                ]
                self.value[f"{name}[{index}]"] = Value(f"{name}[{index}]", own[1], own[0])
        if other is not None:
            self.image[other.name] = name
        return made

    # --- numbers -----------------------------------------------------------------------------------------------------

    def _combined(self, a: Any, b: Any, step: Step) -> Any:
        """What an argument is, that is ``a`` in the steps so far and ``b`` in the other recording."""
        if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
            return tuple(self._combined(x, y, step) for x, y in zip(a, b))
        if isinstance(a, tuple) != isinstance(b, tuple) and all(
            isinstance(n, (int, tuple)) for n in (a, b)
        ):
            longer = a if isinstance(a, tuple) else b
            spread = [n if isinstance(n, tuple) else (n,) * len(longer) for n in (a, b)]
            return self._combined(spread[0], spread[1], step)
        x, y = _size(a), _size(b)
        if x is y or (x.__class__ is y.__class__ and not isinstance(x, Size) and x == y):
            return a
        if not isinstance(x, (int, Size)) or not isinstance(y, (int, Size)):
            raise self._refused(
                f"an argument of {type(step.op).__name__} is {b!r} instead of {a!r}"
            )
        for size in self._candidates(x, y):
            if self._follows(size == x, self.mine) and self._follows(size == y, self.theirs):
                return self._run_time(size)
        raise self._refused(
            f"an argument of {type(step.op).__name__} is {int(b)} instead of {int(a)}"
        )

    def _fitted(self, step: Step, arguments: dict[str, Any], source: Value) -> dict[str, Any]:
        """Arguments of a step that is left out elsewhere, such that they change nothing there."""
        if isinstance(step.op, Slice):
            return self._fitted_slice(step, arguments, source)
        if not isinstance(step.op, Padding):
            return arguments
        padding = arguments["padding"]
        count = 2 * step.op.axes
        spread = padding if isinstance(padding, tuple) else (padding,) * count
        return {**arguments, "padding": tuple(self._combined(0, n, step) for n in spread)}

    def _fitted_slice(self, step: Step, arguments: dict[str, Any], source: Value) -> dict[str, Any]:
        """A slice that takes everything where it is left out."""
        whole = self._run_time(source.sizes[arguments["dim"]])

        def from_start(n: Any) -> Any:
            return whole + n if not isinstance(n, RunTimeSize) and n < 0 else n

        found = dict(arguments)
        if "start" in arguments:
            found["start"] = self._combined(0, from_start(arguments["start"]), step)
        if arguments.get("stop") is not None:
            found["stop"] = self._combined(whole, from_start(arguments["stop"]), step)
        return found

    def _candidates(self, a: SizeLike, b: SizeLike) -> Iterator[SizeLike]:
        yield b
        yield a
        if isinstance(a, Size) or isinstance(b, Size):
            yield minimum(a, b)
            yield maximum(a, b)
        for condition in self.flipped:
            if condition.relation in ("eq", "ne"):
                difference: Size = condition.parts[0]
                for base in (a, b):
                    for change in (difference, difference - difference.constant):
                        yield base + change
                        yield base - change
        for one, other in ((b, a), (a, b)):
            if isinstance(one, Size):
                (here,) = substitute([one - other], self.ways.first.symbols)
                if isinstance(here, int) and abs(here) > 1:
                    yield other + (one - other) % abs(here)

    def _run_time(self, size: SizeLike) -> Any:
        if isinstance(size, int):
            return size
        (number,) = substitute([size], self.ways.first.symbols)
        return RunTimeSize(int(number), size, self.ways.first.guards)


def _argument(step: Step, word: str) -> Any:
    if word in step.arguments:
        return step.arguments[word]
    return argument(step.op, word)


def _size(value: Any) -> Any:
    return value.size if isinstance(value, RunTimeSize) else value


def _sizes(value: Any) -> Any:
    return tuple(map(_sizes, value)) if isinstance(value, tuple) else _size(value)


def _number(value: Any) -> Any:
    if isinstance(value, Value):
        return value.name
    if isinstance(value, tuple):
        return tuple(map(_number, value))
    return int(value) if isinstance(value, RunTimeSize) else value
