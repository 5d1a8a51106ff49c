"""The differences of two networks: nodes, costs, sizes that work, findings. It reads and prints nothing.

:mod:`tracer.comparing.matching` finds the nodes that are the same.
``compare(a, b)`` and ``compare(b, a)`` give the same answer, mirrored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from tracer.comparing.matching import (
    Difference,
    NodeChange,
    NodeState,
    declared_dims,
    is_same,
    matched,
    plain,
)
from tracer.costs.operations import costs, total
from tracer.diagnostics import Diagnostic, printable, shortened
from tracer.net import Net
from tracer.network.records import Promise, SizeRange
from tracer.planning.working_sizes import Axis, WorkingSizes
from tracer.rules import judge
from tracer.sizing.size_set import SizeSet, TooLarge

SETS = ("runs", "lossless", "aligned")


class TotalDifference(msgspec.Struct, frozen=True):
    """One sum over the nodes that have a shape; null where a network could not be loaded."""

    what: str
    old: int | None
    new: int | None
    difference: int | None
    percent: float | None
    """Of the old sum; null where that is 0."""


class SetDifference(msgspec.Struct, frozen=True):
    """One set of sizes of one symbol; null where the network doesn't have the symbol."""

    symbol: str
    kind: str
    """``runs``, ``lossless`` or ``aligned``."""
    old: SizeSet | None
    new: SizeSet | None
    gained: SizeSet | None
    """The sizes of ``new`` that are not in ``old``; null where there is one set only, or they repeat too late."""
    lost: SizeSet | None
    below: int | None
    """The sets are known, and compared, below this size only; null: for every size."""


class Side(msgspec.Struct, frozen=True):
    """One of the two networks by itself."""

    path: str
    name: str | None
    loaded: bool
    complete: bool
    """Every node has a shape."""
    stops_at: str | None
    """The first node that has no shape."""
    errors: int
    warnings: int
    sizes_unknown: str | None
    """Why its sets of sizes are not compared."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The differences of two networks, the old one and the new one."""

    a: Side
    b: Side
    totals: list[TotalDifference]
    """All of them, those that are equal included."""
    added: list[NodeState] = []
    removed: list[NodeState] = []
    renamed: list[NodeChange] = []
    """With what else changed in them."""
    changed: list[NodeChange] = []
    params: list[Difference] = []
    symbols: list[Difference] = []
    """The symbols of the inputs, with their promises under ``sizes``."""
    outputs: list[Difference] = []
    autos: list[Difference] = []
    """Planned values, by ``node.argument``."""
    sizes: list[SetDifference] = []
    ties: list[Difference] = []
    """Constraints that tie symbols together, in one network only."""
    gone: list[Diagnostic] = []
    """Findings of the old network that the new one doesn't have."""
    found: list[Diagnostic] = []
    """Findings of the new network that the old one doesn't have."""

    @property
    def differs(self) -> bool:
        """Anything but their paths and names differs."""
        if self.a.loaded != self.b.loaded or any(t.old != t.new for t in self.totals):
            return True

        return any(getattr(self, field) for field in self._listed)

    @property
    def _listed(self) -> list[str]:
        """The fields that list differences."""
        return [field for field in self.__struct_fields__ if field not in ("a", "b", "totals")]

    def __repr__(self) -> str:
        """How much differs: ``<Comparison unet to wide: added 2, changed 3, params 1>``."""
        names = [printable(side.name or side.path) for side in (self.a, self.b)]
        counts = {"totals": sum(one.old != one.new for one in self.totals)}
        for field in self._listed:
            counts[field] = len(getattr(self, field))
        texts = [f"{field} {count}" for field, count in counts.items() if count]
        told = ", ".join(texts) or (
            "no difference" if not self.differs else "one does not load"
        )
        return f"<Comparison {shortened(' to '.join(names))}: {told}>"

    def _repr_html_(self) -> str | None:
        """The table that a notebook shows."""
        import tracer

        return tracer.html_of(self)

    @property
    def new_errors(self) -> list[Diagnostic]:
        """The errors that only the new network has."""
        return [d for d in self.found if d.severity == "error"]


class Given(NamedTuple):
    """One of two networks that are compared: a network, or the findings that kept it from being loaded."""

    path: str
    net: Net | None
    findings: list[Diagnostic]


class _Sets(NamedTuple):
    """The sizes that work in one network, or why they are not known."""

    sizes: WorkingSizes | None = None
    unknown: str | None = None


def compare(a: Net, b: Net) -> Comparison:
    """The differences of two networks, each traced at its declared sizes.

    >>> import tracer
    >>> a, b = (tracer.loads(f"input: [1, 3, 8, 8]\\nlayers: {{{name}: ReLU}}") for name in ("act", "relu"))
    >>> [(change.old_name, change.name) for change in compare(a, b).renamed]
    [('act', 'relu')]
    """
    old = Given(a.network.path, a, judge(a))
    new = Given(b.network.path, b, judge(b))
    return compared(old, new)


def compared(a: Given, b: Given) -> Comparison:
    """The differences as far as both go: of a network that could not be loaded only its findings are compared."""
    if a.net is not None and b.net is not None:
        return _both_compared(a, a.net, b, b.net)

    # Of a config that does not load, nodes and their new names are not known.
    gone, found = _finding_differences(a.findings, b.findings, None)
    totals = _totals(a.net, b.net)
    return Comparison(a=_side(a), b=_side(b), totals=totals, gone=gone, found=found)


def _both_compared(a: Given, old: Net, b: Given, new: Net) -> Comparison:
    """The differences of two networks that were loaded."""
    nodes = matched(old.trace(), new.trace())
    names = nodes.names
    changed = [pair for pair in nodes.pairs if pair.differences]
    symbols = _differences(_symbols(old), _symbols(new))
    autos = _differences(_autos(old, names), _autos(new, {}))

    # Sets take a while, and follow from the nodes and the declared sizes.
    was, now = _Sets(), _Sets()
    if any((nodes.added, nodes.removed, changed, symbols, autos)):
        was, now = _sets_of(old), _sets_of(new)

    sizes: list[SetDifference] = []
    ties: list[Difference] = []
    if was.sizes is not None and now.sizes is not None:
        sizes = _set_differences(was.sizes.axes, now.sizes.axes)
        ties = _ties(was.sizes, now.sizes)

    gone, found = _finding_differences(a.findings, b.findings, names)
    return Comparison(
        a=_side(a, was.unknown),
        b=_side(b, now.unknown),
        totals=_totals(old, new),
        added=nodes.added,
        removed=nodes.removed,
        renamed=[pair for pair in nodes.pairs if pair.old_name != pair.name],
        changed=[pair for pair in changed if pair.old_name == pair.name],
        params=_differences(_params(old), _params(new)),
        symbols=symbols,
        outputs=_outputs(old, new, names),
        autos=autos,
        sizes=sizes,
        ties=ties,
        gone=gone,
        found=found,
    )


def _side(given: Given, sizes_unknown: str | None = None) -> Side:
    """One of the two by itself."""
    net = given.net
    errors = sum(d.severity == "error" for d in given.findings)
    stops_at = None if net is None else _first_without_shape(net)
    return Side(
        path=given.path,
        name=None if net is None else net.name,
        loaded=net is not None,
        complete=net is not None and stops_at is None,
        stops_at=stops_at,
        errors=errors,
        warnings=len(given.findings) - errors,
        sizes_unknown=sizes_unknown,
    )


def _first_without_shape(net: Net) -> str | None:
    """The node at which the trace stops; None where every node has a shape."""
    visits = net.trace().walk()
    return next((visit.node.name for visit in visits if visit.shape is None), None)


def _sets_of(net: Net) -> _Sets:
    try:
        return _Sets(sizes=net.working_sizes())
    except TooLarge as error:
        return _Sets(unknown=str(error))


def _totals(a: Net | None, b: Net | None) -> list[TotalDifference]:
    """Every sum that a network has, side by side."""

    def sums(net: Net | None) -> dict[str, int]:
        if net is None:
            return {}
        return {
            "nodes": len(net.network.nodes),
            **msgspec.structs.asdict(total(costs(net.trace()))),
        }

    old, new = sums(a), sums(b)
    return [_total(what, old.get(what), new.get(what)) for what in dict.fromkeys((*old, *new))]


def _total(what: str, old: int | None, new: int | None) -> TotalDifference:
    if old is None or new is None:
        return TotalDifference(what, old, new, None, None)
    return TotalDifference(what, old, new, new - old, 100 * (new - old) / old if old else None)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """The entries that are not the same in both."""
    pairs = [
        (what, old.get(what, UNSET), new.get(what, UNSET))
        for what in dict.fromkeys((*old, *new))
    ]
    return [Difference(*pair) for pair in pairs if not is_same(*pair[1:])]


def _params(net: Net) -> dict[str, Any]:
    return {name: plain(value) for name, value in net.params.items()}


def _symbols(net: Net) -> dict[str, Any]:
    """The promise of each symbol under ``sizes``; None where there is none."""
    return {symbol: _promise(net.network.sizes.get(symbol)) for symbol in net.symbols}


def _promise(promise: Promise | None) -> Any:
    if isinstance(promise, SizeRange):
        return {"min": promise.least, "max": promise.largest, "step": promise.step}
    return plain(promise)


def _autos(net: Net, names: Mapping[str, str]) -> dict[str, Any]:
    """The planned values, under the new names of the nodes."""
    found = {}
    for place, value in net.solution().assignments.items():
        node, _, field = place.rpartition(".")
        found[f"{names.get(node, node)}.{field}"] = plain(value)
    return found


def _outputs(a: Net, b: Net, names: Mapping[str, str]) -> list[Difference]:
    """Outputs that are another node or expect another shape. One that is called as its node is renamed with it."""
    old, new = _declared_outputs(a, names), _declared_outputs(b, {})
    found = []
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name, NO_OUTPUT), new.get(name, NO_OUTPUT)
        if not is_same(was.renamed, now.renamed):
            # One that is gone is named as the old network names it.
            is_gone = now is NO_OUTPUT
            found.append(Difference(was.name if is_gone else name, was.value, now.value))
    return found


class _Output(NamedTuple):
    """An output as its network declares it, and with its node's new name."""

    name: str
    value: Any
    renamed: Any


NO_OUTPUT = _Output("", UNSET, UNSET)


def _declared_outputs(net: Net, names: Mapping[str, str]) -> dict[str, _Output]:
    """The outputs, by their new names."""
    found = {}
    for name, node in net.network.outputs.items():
        value: dict[str, Any] = {"node": node.name}
        expected = net.network.output_expect.get(name)
        if expected is not None:
            value["expect"] = declared_dims(expected[0])

        new_name = names.get(node.name, node.name)
        renamed = {**value, "node": new_name}
        found[new_name if name == node.name else name] = _Output(name, value, renamed)
    return found


def _set_differences(old: Mapping[str, Axis], new: Mapping[str, Axis]) -> list[SetDifference]:
    """The sets of every symbol that are not the same in both."""
    found = []
    for symbol in dict.fromkeys((*old, *new)):
        for kind in SETS:
            one = _set_difference(symbol, kind, old.get(symbol), new.get(symbol))
            if one.old != one.new:
                found.append(one)
    return found


def _set_difference(
    symbol: str, kind: str, old: Axis | None, new: Axis | None
) -> SetDifference:
    """One set of one symbol in both, as far as both are known."""
    limits = [axis.below for axis in (old, new) if axis is not None and axis.below is not None]
    below = min(limits, default=None)
    was, now = [
        None if axis is None else _below(getattr(axis, kind), below) for axis in (old, new)
    ]
    return SetDifference(
        symbol=symbol,
        kind=kind,
        old=was,
        new=now,
        gained=_without(now, was),
        lost=_without(was, now),
        below=below,
    )


def _below(sizes: SizeSet, below: int | None) -> SizeSet:
    """The sizes that are known: those below a size, or all."""
    if below is None:
        return sizes
    finite = tuple(sizes.between(0, below - 1))
    return SizeSet(finite, finite[-1] + 1 if finite else 0, 1, ())


def _without(sizes: SizeSet | None, others: SizeSet | None) -> SizeSet | None:
    """The sizes that others don't have; None where there is nothing to compare, or they repeat too late."""
    if sizes is None or others is None:
        return None
    try:
        return sizes - others
    except TooLarge:
        return None


def _ties(old: WorkingSizes, new: WorkingSizes) -> list[Difference]:
    """The constraints that tie symbols together in one network only."""
    was, now = [
        {tie.constraint: " and ".join(tie.symbols) for tie in sizes.couplings}
        for sizes in (old, new)
    ]
    gone = [
        Difference(symbols, old=constraint)
        for constraint, symbols in was.items()
        if constraint not in now
    ]
    return gone + [
        Difference(symbols, new=constraint)
        for constraint, symbols in now.items()
        if constraint not in was
    ]


def _finding_differences(
    old: Sequence[Diagnostic], new: Sequence[Diagnostic], names: Mapping[str, str] | None
) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """The findings that only the old network has, and those that only the new one has.

    A finding about a node is told apart by its code and node: its numbers, and the names of other
    nodes in its words, may change. Without ``names`` every finding is told apart by its message.
    """
    gone, found = [], []
    was = _by_subject(old, names)
    now = _by_subject(new, None if names is None else {})
    for subject in dict.fromkeys((*was, *now)):
        mine, yours = was.get(subject, []), now.get(subject, [])
        alike = Counter(d.message for d in mine) & Counter(d.message for d in yours)
        before = _without_alike(mine, alike.copy())
        after = _without_alike(yours, alike)

        # Of those that are left as many as both have are the same findings with other numbers.
        shared = min(len(before), len(after))
        gone += before[shared:]
        found += after[shared:]

    return sorted(gone, key=lambda d: d.order), sorted(found, key=lambda d: d.order)


Subject = tuple[str, str | None, str | None]
"""Findings are told apart by this: the code and the node, or the code and the message where they are about no node."""


def _by_subject(
    findings: Iterable[Diagnostic], names: Mapping[str, str] | None
) -> dict[Subject, list[Diagnostic]]:
    """Findings by what they are about, nodes under their new names."""
    found: dict[Subject, list[Diagnostic]] = {}
    for d in findings:
        if d.node is None or names is None:
            subject: Subject = (d.code, None, d.message)
        else:
            subject = (d.code, names.get(d.node, d.node), None)
        found.setdefault(subject, []).append(d)
    return found


def _without_alike(findings: Iterable[Diagnostic], alike: Counter[str]) -> list[Diagnostic]:
    """The findings without those whose message the other network has too."""
    left = []
    for d in findings:
        if alike[d.message] > 0:
            alike[d.message] -= 1
        else:
            left.append(d)
    return left
