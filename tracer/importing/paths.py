"""Merges recordings of one forward at several input sizes into one recording that is right for every size.

A program that compares sizes (``if up.shape != skip.shape: ...``) may take another path for other sizes. Each
recording knows what it compared, so a size that decides otherwise can be found, and recorded too. Recordings that
differ in numbers, or by steps that change nothing where they are left out, are one network where that is proven for
every size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby, islice
from typing import Any, NamedTuple

from tracer.importing.alignment import Conditions, SizeOf, align
from tracer.importing.decisions import (
    FILLED,
    Decision,
    Decisions,
    either,
    is_bound_to_hold,
    is_implied,
)
from tracer.importing.demands import Check, demanded, demanded_size, size_only_for
from tracer.importing.left_out import LeftOut, Ways, left_out_checks
from tracer.importing.otherwise import Found, broken_of, elements, sizes_with, sizes_without
from tracer.importing.recording import Reason, Recording, Unrepresentable, refused_at
from tracer.importing.run_time_sizes import Guard, negated
from tracer.sizing.program import substitute
from tracer.sizing.size_set import SizeSet
from tracer.sizing.symbol import Condition, identity

Run = Callable[[SizeOf], Recording]
"""Records the program, some symbols at other sizes than those it is read at."""

MOST_PATHS = 100
"""Paths that are tried before a program is given up."""

FAILURES = 4
"""Sizes that fail in an operation, until all that decide alike are taken to."""

OTHER_WAYS = 3
"""So many other ways are tried where one that a condition leads to is not read."""

NEAR = 160
"""Sizes are looked at up to so far from those of the first recording."""

HUGE = 2**31
"""Elements of an input that nobody gives: a way that is taken from there on only may stay unread."""


class Refusal(NamedTuple):
    """Sizes that the program refuses."""

    symbol: str
    sizes: SizeSet
    message: str
    by_operation: bool
    """An operation refuses them, which the config's must do too."""
    reason: Reason | None = None
    """Why and where the program does."""
    unread: LeftOut | None = None
    """Where an operation does, that of a way that the config may not have: then it leaves out these sizes."""

    def refused(self, message: str) -> Unrepresentable:
        """The error that no config says so, at the place of the program."""
        fault = self.reason and self.reason._replace(code="T601", message=message)
        return Unrepresentable(message, fault=fault)


class ProgramDemand(NamedTuple):
    """A condition on several symbols, without which the program raises."""

    condition: Condition
    reason: Reason | None
    """Why and where it does."""


class UnreadWay(NamedTuple):
    """A way of the program that is not read."""

    sizes: SizeOf
    """Some that take it."""
    guards: Sequence[Guard]
    """What it decides."""

    def conditions(self) -> list[Condition] | None:
        """The conditions that hold for all sizes that take it; None where some are not known."""
        held = [guard.holds for guard in self.guards]
        known = [one for one in held if one is not None]
        return known if len(known) == len(held) else None


class Merged(NamedTuple):
    """One recording for every size, and the sizes that the program refuses itself."""

    recording: Recording
    refused: Sequence[Refusal] = ()
    demanded: Sequence[ProgramDemand] = ()
    others: Sequence[Recording] = ()
    """The recordings at other sizes that are merged into it."""
    failing: Sequence[SizeOf] = ()
    """Sizes of several symbols that an operation refuses, which the config's must do too."""
    unread: Sequence[Unrepresentable] = ()
    """What was not read: the ways that huge sizes take."""
    decided: Sequence[Condition] = ()
    """All that the program decided by its sizes, where it raises too."""
    left_out: Sequence[LeftOut] = ()
    """The ways that the config has to refuse, as they are not read."""


def one_of(run: Run, in_part: bool = False) -> Merged:
    """The recording that is right for every size; with ``in_part``, but for those of ways that are left out.

    Raises :class:`Unrepresentable` where there is none.
    """
    first = run({})
    if not first.guards.made:
        return Merged(first)

    decisions = Decisions(first.space)
    for guard in first.guards.made:
        decisions.note(guard)

    # What it does for another size may read it.
    first.sizes_are_read = True
    ways = Ways(decisions, first.symbols, in_part)
    paths = _Paths(run, first, decisions, ways)
    paths.follow_all()
    return Merged(
        first,
        paths.refusals,
        paths.demands,
        paths.others,
        paths.failing,
        paths.unread,
        list(paths.decided.values()),
        ways.left_out,
    )


class _Paths:
    """The paths of a program, each recorded and merged into the first one's recording."""

    def __init__(self, run: Run, merged: Recording, decisions: Decisions, ways: Ways) -> None:
        self._run = run
        self.merged = merged
        """The recording so far, right where the open decisions hold."""
        self.decisions = decisions
        self.ways = ways
        self.refusals: list[Refusal] = []
        self.demands: list[ProgramDemand] = []
        self.others: list[Recording] = []
        """Those that were merged into it."""
        self.failing: list[SizeOf] = []
        self.unread: list[Unrepresentable] = []
        self._failed: dict[Any, set[int]] = {}
        """The sizes that failed in an operation, by symbol and what is decided otherwise there."""
        self._tried: set[tuple[str, int]] = set()
        """The same sizes, by symbol alone."""
        self.decided: dict[Any, Condition] = {}
        """What was decided in any recording, by its identity."""
        self._note_decided(merged.guards.made)

    def run(self, sizes: SizeOf) -> Recording:
        """Record the program at other sizes; what it decides there is noted, where it raises too."""
        try:
            found = self._run(sizes)
        except Unrepresentable as refused:
            self._note_decided(refused.guards)
            raise
        self._note_decided(found.guards.made)
        return found

    def _note_decided(self, guards: Sequence[Guard]) -> None:
        for guard in guards:
            if guard.holds is None:
                continue
            for condition in guard.holds.conjuncts():
                self.decided[identity(condition)] = condition

    def follow_all(self) -> None:
        """Record the program until all that it decides is settled."""
        for _ in range(MOST_PATHS):
            for symbol in self.merged.symbols:
                self.follow(symbol)
            if self.decisions.together() is None:
                return
            # What is recorded then may decide by single symbols again.
            self.follow_together()

        raise self._too_many()

    def follow(self, symbol: str) -> None:
        """Record the program at sizes of a symbol until all that it decides by that symbol alone is settled."""
        for _ in range(MOST_PATHS):
            size = self._undecided(symbol)
            if size is None:
                return
            self._record(symbol, size)

        if self._undecided(symbol) is not None:
            raise self._too_many()

    def follow_together(self) -> None:
        """The same for what is decided by several symbols."""
        for _ in range(MOST_PATHS):
            decision = self.decisions.together()
            if decision is None:
                return
            self._record_together(decision)

        if self.decisions.together() is not None:
            raise self._too_many()

    def _too_many(self) -> Unrepresentable:
        """The error that the program has another path for nearly every size."""
        first = next(iter(self.decisions.open.values()))
        return refused_at(first.spot, "another way for each of too many sizes")

    # --- which sizes -------------------------------------------------------------------------------------------------

    def _undecided(self, symbol: str) -> int | None:
        """A size for which nothing recorded holds: of those near, one where little is decided otherwise."""
        conditions = self._open_about(symbol)
        if not conditions:
            return None
        near = self._near(symbol, self._left(symbol, conditions))
        if not near:
            return None

        nearest = self._nearest_paths(symbol, conditions, near)

        # After a failure, one of the others: it may have failed for another reason.
        failures = [name for name, _ in self._tried].count(symbol)
        index = failures % FAILURES * len(nearest) // FAILURES
        return nearest[index]

    def _open_about(self, symbol: str) -> list[Condition]:
        holding = self.decisions.holding()
        return self.decisions.about(symbol, holding)

    def _left(self, symbol: str, conditions: Conditions) -> SizeSet:
        """The sizes where one of the conditions does not hold, and that the program is not known to refuse."""
        recorded = self.decisions.sizes_where(conditions, symbol)
        left = self.ways.without(symbol, FILLED - recorded)
        for refusal in self.refusals:
            if refusal.symbol == symbol:
                left = left - refusal.sizes
        return left

    def _near(self, symbol: str, left: SizeSet) -> list[int]:
        """Those of the sizes that are near the first recording's and were not tried."""
        if not left:
            return []
        here = self.merged.symbols[symbol]
        least = max(here - NEAR, 1)
        near = [n for n in range(least, here + NEAR) if n in left]
        if not near:
            near = list(left.nearest(here))
        return [n for n in near if (symbol, n) not in self._tried]

    def _nearest_paths(
        self, symbol: str, conditions: Conditions, sizes: Sequence[int]
    ) -> list[int]:
        """The sizes where the fewest conditions do not hold."""
        import numpy

        candidates = numpy.array(sizes)
        broken = numpy.zeros(len(sizes), int)
        for truth in substitute(conditions, {symbol: candidates}):
            broken += 1 - numpy.asarray(truth, int)

        fewest = broken == broken.min()
        found: list[int] = candidates[fewest].tolist()

        # A larger size rather: small ones fail for other reasons.
        here = self.merged.symbols[symbol]
        return sorted(found, key=lambda n: (n < here, abs(n - here)))

    # --- one more recording ------------------------------------------------------------------------------------------

    def _record(self, symbol: str, size: int) -> None:
        """Record one more size, and take it in: where it can be, with all that this symbol does not decide alone."""
        here = self.merged.symbols
        conditions = self._open_about(symbol)
        flipped = broken_of(conditions, {**here, symbol: size})
        others = [*self._open_but_for(conditions), *(one.holds for one in self.ways.left_out)]
        sizes = sizes_with(symbol, size, others, here)
        self._take(sizes, flipped)

    def _record_together(self, decision: Decision) -> None:
        """Record sizes of several symbols for which a decision is otherwise."""
        try:
            apart = self._sizes_apart(decision)
        except LookupError:
            self.decisions.settle([decision.holds])
            return

        failing: list[SizeOf] = []

        def is_left_out(sizes: SizeOf) -> bool:
            is_known = any(self._is_no_larger(sizes, failed) for failed in failing)
            return is_known or self._is_out(sizes)

        here = self.merged.symbols
        others = self._open_but_for([decision.holds])
        first: list[Found] = []
        if apart is not None and not is_left_out(apart):
            first = [Found(apart, broken_of(others, {**here, **apart}))]
        found = sizes_without(decision.holds, others, here, is_left_out)
        for sizes, broken in chain(first, found):
            flipped = [decision.holds, *broken]
            if self._take_together(decision, sizes, flipped):
                return
            failing.append(sizes)
            if len(failing) == FAILURES:
                break

        if not failing and self._is_left_out_anyway(decision.holds):
            self.decisions.settle([decision.holds])
            return
        if not failing:
            not_found = self._decide_together(
                decision, "no sizes were found where it is not so"
            )
            self._leave_out([decision.holds], not_found)
            return
        # So far they fail in an operation, which the config's has to do as well.
        self.failing += failing
        self.decisions.settle([decision.holds])

    def _open_but_for(self, conditions: Conditions) -> list[Condition]:
        known = set(map(identity, conditions))
        return [one for one in self.decisions.holding() if identity(one) not in known]

    def _is_out(self, sizes: SizeOf) -> bool:
        """Whether sizes are left out or known to be refused."""
        if self.ways.has(sizes):
            return True
        for one in self.refusals:
            size = sizes.get(one.symbol)
            if size is not None and size in one.sizes:
                return True
        return False

    def _is_left_out_anyway(self, condition: Condition) -> bool:
        """Whether all sizes for which a condition does not hold are left out, or refused by the program."""
        held = [one.holds for one in self.ways.left_out]
        held += [one.condition for one in self.demands]
        return is_implied(condition, held)

    def _sizes_apart(self, decision: Decision) -> dict[str, int] | None:
        """Sizes for which a decision is otherwise where each symbol is enough for it; None where they decide together.

        Raises LookupError where no size of one symbol decides otherwise, whatever the others are.
        """
        alternatives = self._alternatives(decision)
        if alternatives is None:
            return None

        sizes: dict[str, int] = {}
        for symbol, any_of in alternatives.items():
            recorded = self.decisions.sizes_where([any_of], symbol)
            left = self.ways.without(symbol, FILLED - recorded)
            near = left.nearest(self.merged.symbols[symbol])
            if not near:
                raise LookupError(symbol)
            sizes[symbol] = near[-1]
        return sizes

    def _alternatives(self, decision: Decision) -> dict[str, Condition | bool] | None:
        """For each symbol, the condition on it that is enough for the decision; None where symbols decide together."""
        found: dict[str, Condition | bool] = {}
        for part in decision.holds.disjuncts():
            symbol, *more = self.decisions.space.support(part)
            if more or self.decisions.is_beyond(part):
                return None
            before = found.get(symbol, False)
            found[symbol] = before | part
        return found

    def _take_together(self, decision: Decision, sizes: SizeOf, flipped: Conditions) -> bool:
        """Take in the program at sizes of several symbols; False where an operation refuses them."""
        try:
            other = self.run(sizes)
        except Unrepresentable as refused:
            if refused.by_operation:
                return False
            if refused.by_program and not self.decisions.is_beyond(decision.holds):
                self._demand(decision, refused)
            elif not self._stays_unread(sizes, flipped, refused):
                why = refused.but(f"; that is for {_written(sizes)}")
                self._leave_out([decision.holds], why, UnreadWay(sizes, refused.guards))
            return True

        self._merge(other, flipped, sizes, [decision.holds])
        return True

    def _is_no_larger(self, sizes: SizeOf, failed: SizeOf) -> bool:
        """Whether the smallest of the sizes, of what they are here, is no larger than that of sizes that failed."""
        return self._least_part(sizes) <= self._least_part(failed)

    def _least_part(self, sizes: SizeOf) -> float:
        here = self.merged.symbols
        parts = [n / here[symbol] for symbol, n in sizes.items()]
        return min(parts)

    def _demand(self, decision: Decision, refused: Unrepresentable) -> None:
        """Note a condition on several symbols that the program demands. Raises where it raises for another reason."""
        condition = decision.holds
        others = [one for one in self.decisions.holding() if one is not condition]
        known = {identity(one) for one in others}
        known |= {identity(one.condition) for one in self.demands}

        demand = demanded(condition, refused.guards, known)
        if demand is None:
            raise self._decide_together(decision, f"otherwise {refused}")
        self.demands.append(ProgramDemand(demand, refused.fault))
        self.decisions.settle([condition])

    def _decide_together(self, decision: Decision, why: str) -> Unrepresentable:
        symbols = sorted(self.decisions.space.support(decision.holds))
        names = " and ".join(symbols)
        decide = "decide together" if len(symbols) > 1 else "decides at huge sizes"
        return refused_at(decision.spot, f"{names} {decide} ({decision.holds!r}); {why}")

    def _take(self, sizes: SizeOf, flipped: Conditions) -> None:
        """Record the program at some sizes, where ``flipped`` do not hold, and merge that with what there is."""
        try:
            other = self.run(sizes)
        except Unrepresentable as refused:
            if not self._stays_unread(sizes, flipped, refused):
                self._refuse(sizes, flipped, refused)
            return
        self._merge(other, flipped, sizes, flipped)

    def _merge(
        self, other: Recording, flipped: Conditions, sizes: SizeOf, any_of: Conditions
    ) -> None:
        """Take in a recording at sizes where ``flipped`` do not hold, or leave out those where none of some does."""
        try:
            align(self.merged, other, self.decisions, flipped, sizes)
        except Unrepresentable as refused:
            if not self._stays_unread(sizes, flipped, refused):
                self._leave_out(any_of, refused, UnreadWay(sizes, other.guards.made))
            return
        self.others.append(other)
        self._settle(flipped, other.guards.made)

    def _stays_unread(
        self, sizes: SizeOf, flipped: Conditions, refused: Unrepresentable
    ) -> bool:
        """Whether sizes are so huge that their way may be left out; then that is noted."""
        at = {**self.merged.symbols, **sizes}
        inputs = self.merged.inputs.values()
        shapes = [substitute(value.sizes, at) for value in inputs]
        if elements(shapes) < HUGE:
            return False

        spot = self.decisions.spot_of(flipped[0])
        condition = negated(flipped[0])
        self.unread.append(
            refused_at(
                spot, f"the way where {condition!r} is not read; so it is for {_written(sizes)}"
            )
        )
        self.decisions.settle(flipped)
        return True

    def _leave_out(
        self, any_of: Conditions, refused: Unrepresentable, way: UnreadWay | None = None
    ) -> None:
        """Leave the sizes unread for which none of these holds. Raises where no config can be for the others alone.

        Where a way that is not read is not the only one there, they stay to be decided by what tells it from another.
        """
        if way is not None and self._has_another_way(any_of, way):
            return
        self.ways.leave_out(any_of, refused)
        is_apart = self.ways.left_out[-1].symbol is None
        # Sizes of one symbol are left out of those that are tried; the steps stay as they are for the others.
        if is_apart:
            self.decisions.settle(any_of)

    def _has_another_way(self, flipped: Conditions, way: UnreadWay) -> bool:
        """Take in another way than one that is not read, where these conditions do not hold either, if there is one.

        What it decides is noted, so that what is left out in the end has all that leads to the way that is not read.
        """
        if not self.ways.may_be_more:
            return False
        for sizes in islice(self._sizes_of_other_ways(flipped, way), OTHER_WAYS):
            try:
                other = self.run(sizes)
                align(self.merged, other, self.decisions, flipped, sizes)
            except Unrepresentable:
                continue
            fresh = self._telling_apart(flipped, other.guards.made, way)
            if fresh:
                self.others.append(other)
                self.decisions.settle(flipped)
                self._note_otherwise(flipped, fresh)
                return True
        return False

    def _sizes_of_other_ways(self, flipped: Conditions, way: UnreadWay) -> Iterator[SizeOf]:
        """Sizes at which the program does not take a way that other symbols decide too, all else as it is here."""
        taken = way.conditions()
        if taken is None:
            return
        here = self.merged.symbols
        holds: Condition | bool = False
        for one in flipped:
            holds = holds | one
        if not isinstance(holds, Condition):
            return

        symbols = set[str]().union(*map(self.decisions.space.support, taken))
        # By the same symbols alone, it would be one size after the other.
        if symbols <= self.decisions.space.support(holds):
            return
        others = self._open_but_for(flipped)
        for sizes, broken in sizes_without(holds, others, here, self._is_out, symbols):
            if broken:
                return
            if broken_of(taken, {**here, **sizes}):
                yield sizes

    def _telling_apart(
        self, flipped: Conditions, guards: Sequence[Guard], way: UnreadWay
    ) -> list[Guard]:
        """What one more way decides, where that is open and the way that is not read decides otherwise; else nothing.

        What was settled is not known here: it may be what leads to the one and not to the other.
        """
        opposite = {identity(negated(condition)) for condition in flipped}

        def is_known(condition: Condition) -> bool:
            return identity(condition) in (self.decisions.open.keys() | opposite)

        fresh = [guard for guard in guards if not _is_all(guard, is_known)]
        noted = [
            part
            for guard in fresh
            if guard.holds is not None
            for part in _parts(either(flipped[0], guard.holds))
            if not self.decisions.is_settled(part)
            and len(self.decisions.space.support(part)) > 1
        ]
        at = {**self.merged.symbols, **way.sizes}
        return fresh if broken_of(noted, at) else []

    def _settle(self, flipped: Conditions, others: Sequence[Guard]) -> None:
        """Note what one more path decides. Where the first of ``flipped`` holds, another one is taken."""
        self.decisions.settle(flipped)
        self._note_otherwise(flipped, self._fresh(flipped, others))

    def _fresh(self, flipped: Conditions, guards: Sequence[Guard]) -> list[Guard]:
        """Those of a path where ``flipped`` do not hold that nothing recorded says."""
        opposite = {identity(negated(condition)) for condition in flipped}

        def is_known(condition: Condition) -> bool:
            return self.decisions.knows(condition) or identity(condition) in opposite

        return [guard for guard in guards if not _is_all(guard, is_known)]

    def _note_otherwise(self, flipped: Conditions, guards: Sequence[Guard]) -> None:
        """Note what the path decides that is taken where the first of ``flipped`` does not hold."""
        for guard in guards:
            holds = None if guard.holds is None else either(flipped[0], guard.holds)
            if not isinstance(holds, bool):
                self.decisions.note(Guard(holds, guard.spot))

    # --- refusals ----------------------------------------------------------------------------------------------------

    def _refuse(self, sizes: SizeOf, flipped: Conditions, refused: Unrepresentable) -> None:
        """Note that the program refuses these sizes. Raises where it is not known which others it refuses with them."""
        names = _written(sizes)
        # The program may run there; it is the importer that has no words for what it does.
        if not refused.by_operation and not refused.by_program:
            why = refused.but(f"; that is for {names}")
            self._leave_out(flipped, why, UnreadWay(sizes, refused.guards))
            return

        held = [guard.holds for guard in refused.guards if guard.holds is not None]
        if len(held) < len(refused.guards):
            raise refused

        (symbol,) = self.decisions.space.support(flipped[0])
        size = sizes[symbol]
        beside = self._decided_beside(symbol, flipped, refused.guards)
        if refused.by_operation:
            if beside:
                self.failing.append(sizes)
            self._note_otherwise(flipped, beside)
            self._fail(symbol, size, flipped, refused)
            return
        if beside:
            self._demand_of_path(flipped, refused)
            return

        conditions = self.decisions.about(symbol, held)
        alike = FILLED & self.decisions.sizes_where(conditions, symbol)
        refusal = Refusal(symbol, alike, str(refused), False, refused.fault)
        self.refusals.append(refusal)

    def _decided_beside(
        self, symbol: str, flipped: Conditions, guards: Sequence[Guard]
    ) -> list[Guard]:
        """What a path decides by other symbols too, which no other path does: there it may be refused alone."""
        found = []
        for guard in self._fresh(flipped, guards):
            assert guard.holds is not None
            for condition in guard.holds.conjuncts():
                about = self.decisions.space.support(condition)
                if about - {symbol} and not is_bound_to_hold(condition):
                    found.append(Guard(condition, guard.spot))
        return found

    def _demand_of_path(self, flipped: Conditions, refused: Unrepresentable) -> None:
        """Note what the program demands that raises where all that it decided before holds."""
        demands = {identity(one.condition) for one in self.demands}
        demand = demanded(flipped[0], refused.guards, demands)
        if demand is None:
            raise refused
        self.demands.append(ProgramDemand(demand, refused.fault))
        self._settle(flipped, refused.guards)

    def _fail(
        self, symbol: str, size: int, flipped: Conditions, refused: Unrepresentable
    ) -> None:
        """An operation refuses a size that decides otherwise: after some, all such sizes are taken to be refused."""
        key = (symbol, *map(identity, flipped))
        failed = self._failed.setdefault(key, set())
        failed.add(size)
        self._tried.add((symbol, size))

        if len(failed) >= FAILURES:
            otherwise = [negated(condition) for condition in flipped]
            sizes = FILLED & self.decisions.sizes_where(otherwise, symbol)
            unread = self.ways.that_may_be(flipped, refused)
            refusal = Refusal(symbol, sizes, str(refused), by_operation=True, unread=unread)
            self.refusals.append(refusal)


def _written(sizes: SizeOf) -> str:
    return " and ".join(f"{name} = {n}" for name, n in sizes.items())


def _parts(condition: Condition | bool) -> list[Condition]:
    return [] if isinstance(condition, bool) else list(condition.conjuncts())


def _is_all(guard: Guard, is_true: Callable[[Condition], bool]) -> bool:
    """True where it is true of all that a comparison says."""
    if guard.holds is None:
        return False
    conditions = guard.holds.conjuncts()
    return all(map(is_true, conditions))


# --- what a program refuses, as the config's own requirement ---------------------------------------------------------


def checks_of(
    recording: Recording,
    refusals: Sequence[Refusal],
    demands: Sequence[ProgramDemand],
    left_out: Sequence[LeftOut],
) -> list[Check]:
    """What the program demands of its sizes, in the order in which it does.

    Raises :class:`Unrepresentable` where there is no size that says so.
    """
    found = [Check(demanded_size(recording, one.condition), one.reason) for one in demands]
    found += _refusal_checks(recording, refusals)
    in_order = sorted(found, key=lambda check: _place_of(check.reason))
    return [*left_out_checks(recording, left_out), *in_order]


def _refusal_checks(recording: Recording, refusals: Sequence[Refusal]) -> Iterator[Check]:
    """What is demanded of single symbols, a check for each line of the program.

    Each check leaves what those before it leave: what a line refuses is known of the sizes that come to it.
    """
    in_order = sorted(refusals, key=lambda one: _place_of(one.reason))
    lines = [list(alike) for _, alike in groupby(in_order, lambda one: _place_of(one.reason))]
    so_far: list[Refusal] = []
    for number, alike in enumerate(lines, 1):
        so_far += alike
        symbols = {one.symbol for one in alike}
        concerned = [one for one in so_far if one.symbol in symbols]
        try:
            yield Check(_required(recording, concerned), alike[0].reason)
        except Unrepresentable:
            # Together with what is demanded later it may leave sizes that can be said.
            if number == len(lines):
                raise


def _place_of(reason: Reason | None) -> tuple[int, ...]:
    """The numbers of the lines that lead to a place, from the outermost on: as a rule, earlier ones run first."""
    if reason is None or reason.origin is None:
        return ()
    place = reason.origin.place()
    lines = [*place.callers, *([place.line] if place.line else [])]
    return tuple(line.span.line for line in lines)


def _required(recording: Recording, refusals: Sequence[Refusal]) -> dict[str, int]:
    """For each symbol of the refusals the size that it must be. Raises :class:`Unrepresentable` where there is none."""
    taken: dict[str, SizeSet] = {}
    for one in refusals:
        before = taken.get(one.symbol, FILLED)
        taken[one.symbol] = before - one.sizes

    found: dict[str, int] = {}
    for symbol, sizes in taken.items():
        size = size_only_for(recording, symbol, sizes)
        if not size:
            first = next(one for one in refusals if one.symbol == symbol)
            raise first.refused(f"{first.message}; no config can say that of {symbol}")
        found |= size
    return found
