"""Faults of arguments that the use of a block hands in: they stand where the value is written.

A layer ``conv: {op: Conv2d, out_channels: "${channels}"}`` of a block takes what each use of the block says; a wrong
value is at fault there, not in the block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode

from tracer.diagnostics import Related
from tracer.network.faults import Uses
from tracer.network.records import Declaration
from tracer.network.values import name_alone
from tracer.source.expressions import ExpressionError, parse
from tracer.source.tree import Fault, Follows, span_of


class Handed(NamedTuple):
    """A fault at the place where its value is written, and the block uses around that place."""

    fault: Fault
    uses: Uses


def where_it_is_written(
    fault: Fault,
    declaration: Declaration,
    uses: Uses,
    scope: Mapping[str, Any],
    params: Mapping[str, Any],
) -> Handed:
    """The fault of a declaration, moved out to the use whose argument it is.

    ``scope`` has the values of the names around the declaration, ``params`` those that are known everywhere.
    """
    argument = _argument_at(fault, declaration)
    if argument is None or isinstance(fault, Follows):
        return Handed(fault, uses)

    *taken, last = handed_in(declaration, argument, uses)
    related = [
        Related(f"taken here, as {one.key.value} of {one.declaration.name}", span_of(one.at))
        for one in taken
    ]
    at, uses = last.at, last.uses

    names = params if related else scope
    hint = fault.hint or _with_braces(fault, at, names)
    if not related and hint == fault.hint:
        return Handed(fault, uses)
    moved = Fault(fault.code, fault.message, at, hint, (*related, *fault.related))
    return Handed(moved, uses)


class HandedIn(NamedTuple):
    """A value on its way to a layer."""

    declaration: Declaration
    key: ScalarNode
    at: YamlNode
    uses: Uses
    """The block uses around the declaration."""


def handed_in(
    declaration: Declaration, argument: tuple[ScalarNode, YamlNode], uses: Uses
) -> Iterator[HandedIn]:
    """An argument, and those of the uses around it that hand its value in; last where it is written."""
    given: tuple[ScalarNode, YamlNode] | None = argument
    while given is not None:
        key, at = given
        yield HandedIn(declaration, key, at, uses)
        if not uses:
            return
        declaration, uses = uses[-1], uses[:-1]
        given = declaration.arguments.get(name_alone(at) or "")


def _argument_at(fault: Fault, declaration: Declaration) -> tuple[ScalarNode, YamlNode] | None:
    """The argument whose value is at fault; None where it is something else."""
    if fault.span is None:
        return None
    for key, value in declaration.arguments.values():
        if span_of(value) == fault.span:
            return key, value
    return None


def _with_braces(fault: Fault, at: YamlNode, scope: Mapping[str, Any]) -> str | None:
    """The expression that a text is without its braces; None for another text."""
    if fault.code != "T004" or not isinstance(at, ScalarNode) or "${" in at.value:
        return None
    try:
        names = parse(at.value).names
    except ExpressionError:
        return None
    return f'write "${{{at.value}}}"' if names and names <= scope.keys() else None
