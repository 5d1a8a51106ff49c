"""Layers that make another number of channels than what follows takes, or than is expected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from tracer.network.records import Node
from tracer.ops.base import Op, with_arguments
from tracer.ops.merge import Concat, Mul
from tracer.repairing.bench import Bench
from tracer.repairing.candidate import Candidate, Kind, Oddness
from tracer.repairing.candidates.widths import CHANNELS
from tracer.repairing.candidates.wiring import expectation
from tracer.repairing.numbers import Number, number_of
from tracer.source.expressions import ExpressionError, parse

MOST = 4
"""Layers whose channels are changed in a text."""

FIELDS = ("out_channels", "out_features")


class _Wanted(NamedTuple):
    """A node that should make another number of channels."""

    node: Node
    channels: int


class _Made(NamedTuple):
    """A layer that makes channels, with the number that it should make."""

    number: Number
    channels: int


def candidates(bench: Bench) -> Iterator[Candidate]:
    """Other channels of the layers that make those of the node at fault: what closes in memory first."""
    found: dict[_Made, bool] = {}
    for wanted in _wanted(bench):
        for made in islice(_makers(bench, wanted), MOST):
            found.setdefault(made, _closes(bench, made))

    # One that does not close may take the first of several faults away.
    for made in sorted(found, key=lambda one: not found[one])[:MOST]:
        value = _as_written(bench, made)
        yield Candidate(
            made.number.title,
            [made.number.edit(value)],
            Kind.SLIP,
            Oddness.NATURAL,
        )


def _wanted(bench: Bench) -> Iterator[_Wanted]:
    """The nodes at the first fault that make other channels than are taken there."""
    node = bench.network.nodes[bench.first_fault]
    if bench.shape(node) is not None:
        yield from _expected(bench, node)
        return

    width = _width(node.op)
    if width is not None:
        yield _Wanted(node.inputs[0], width)

    channels = [_channels(bench, source) for source in node.inputs]
    if None not in channels:
        yield from _unlike(node, channels)


def _expected(bench: Bench, node: Node) -> Iterator[_Wanted]:
    """The node itself, where other channels are expected of it."""
    expected = expectation(bench, node) or ()
    channels = next(iter(expected[1:]), None)
    have = _channels(bench, node)
    if channels is not None and channels != have:
        yield _Wanted(node, channels)


def _unlike(node: Node, channels: Sequence[int | None]) -> Iterator[_Wanted]:
    """The inputs of a merge whose channels are of two kinds, each with the channels of the other kind."""
    kinds = set(channels)
    if len(kinds) != 2:
        return

    for source, own in zip(node.inputs, channels):
        (other,) = kinds - {own}
        if other is not None:
            yield _Wanted(source, other)

    # A map of weights has one channel, which every other is multiplied by.
    least = min(kinds, key=lambda one: one or 0)
    is_product = isinstance(node.op, Mul) and least is not None and least > 1
    if is_product:
        yield _Wanted(node.inputs[channels.index(least)], 1)


def _width(op: Op | None) -> int | None:
    """The channels that a layer says it takes; None where it says nothing."""
    given = [getattr(op, word, None) for word in CHANNELS]
    return next((width for width in given if isinstance(width, int)), None)


def _channels(bench: Bench, node: Node) -> int | None:
    """The channels of a node; None where it has none."""
    shape = bench.shape(node) or ()
    return shape[1] if len(shape) > 1 else None


def _makers(bench: Bench, wanted: _Wanted) -> Iterator[_Made]:
    """The layers that give a node its channels: behind a Concat, each of its inputs."""
    node, have = wanted.node, _channels(bench, wanted.node)
    if not have or wanted.channels < 1:
        return
    field = next((word for word in FIELDS if hasattr(node.op, word)), None)
    if field is not None:
        number = number_of(bench, node, field)
        if number is not None:
            yield _Made(number, wanted.channels)
        return
    for before in _before(bench, wanted, have):
        yield from _makers(bench, before)


def _before(bench: Bench, wanted: _Wanted, have: int) -> Iterator[_Wanted]:
    """The inputs of a node with the channels from which it makes those that are wanted."""
    node = wanted.node
    for source in node.inputs:
        own = _channels(bench, source)
        if own is None:
            return
        if isinstance(node.op, Concat):
            yield _Wanted(source, own + wanted.channels - have)
        elif len(node.inputs) == 1 and wanted.channels * own % have == 0:
            yield _Wanted(source, wanted.channels * own // have)


def _closes(bench: Bench, made: _Made) -> bool:
    """Whether the network closes in memory with these channels."""
    changed = {}
    for node in made.number.nodes:
        op = bench.ops[node.index]
        if op is None:
            return False
        changed[node.index] = with_arguments(op, {made.number.field: made.channels})
    return bench.closes(changed)


def _as_written(bench: Bench, made: _Made) -> int | str:
    """The number, or its multiple of a param where the number was one: ``${base * 4}``."""
    try:
        names = parse(_text(made.number)).names
    except ExpressionError:
        return made.channels

    name = "".join(names)
    unit = bench.network.params.get(name)
    if not isinstance(unit, int) or unit < 2:
        return made.channels

    times, rest = divmod(made.channels, unit)
    if rest:
        return made.channels
    if times == 1:
        return f"${{{name}}}"
    return f"${{{name} * {times}}}"


def _text(number: Number) -> str:
    """What stands in the ``${}`` of a number; empty where it is plain."""
    node = number.nodes[0]
    owner, argument = number.path[-2:]
    for declaration in (*node.uses, node.declaration):
        given = declaration.arguments.get(str(argument))
        if declaration.name != owner or given is None:
            continue

        text = getattr(given[1], "value", "")
        if isinstance(text, str) and text.startswith("${"):
            return text[2:-1]
    return ""
