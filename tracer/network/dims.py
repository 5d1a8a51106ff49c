"""Shapes as they are declared: numbers, symbols, expressions over symbols, and ``_`` in an expectation.

Every function raises :class:`tracer.source.tree.Fault` with the place of what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.diagnostics import shortened
from tracer.network.records import DimPattern
from tracer.network.values import interpolated, whole_value
from tracer.ops.base import written
from tracer.source import limits
from tracer.source.expressions import ExpressionError, parse
from tracer.source.tree import Fault, described, refuse_tag


def shape_pattern(
    node: YamlNode, scope: Mapping[str, Any], what: str, *, any_dim: bool
) -> tuple[DimPattern, ...]:
    """A declared shape of numbers, symbols, expressions over symbols. ``any_dim`` allows ``_``, as expectations do."""
    dims = _interpolated_list(node, scope)
    if dims is not None:
        return tuple(_dim(value, node, any_dim) for value in dims)

    if not isinstance(node, SequenceNode):
        message = f"{what} must be a list of dims such as [N, 3, H, W], not {described(node)}"
        raise Fault("T004", message, node)
    refuse_tag(node)
    if len(node.value) > limits.DIMS:
        raise Fault("T006", f"{what} has more than {limits.DIMS} dims", node)

    found = []
    for item in node.value:
        if not isinstance(item, ScalarNode):
            raise _no_dim(item)
        found.append(_dim(interpolated(item, scope), item, any_dim))
    return tuple(found)


def _interpolated_list(node: YamlNode, scope: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The dims of a shape that is one ``${...}``; None for another shape."""
    if not isinstance(node, ScalarNode) or "${" not in node.value:
        return None
    value = whole_value(node, scope)
    return tuple(value) if isinstance(value, list | tuple) else None


def _no_dim(node: YamlNode) -> Fault:
    message = f"a dim must be a number, a symbol or an expression, not {described(node)}"
    return Fault("T004", message, node)


def _dim(value: Any, node: YamlNode, any_dim: bool) -> DimPattern:
    if isinstance(value, str):
        return _symbolic_dim(value, node, any_dim)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _no_dim(node)
    return _whole_number(value, node)


def _whole_number(value: int | float, node: YamlNode) -> int:
    if isinstance(value, float):
        # 224.0 is refused where it is written, and taken where an expression gives it.
        if value.is_integer() and "${" in getattr(node, "value", ""):
            return int(value)
        raise Fault("T004", f"a dim must be a whole number, not {value}", node)
    if not 0 <= value <= limits.INTEGER:
        raise Fault("T202", f"a dim must be between 0 and 2**63 - 1, not {value}", node)
    return value


def _symbolic_dim(text: str, node: YamlNode, any_dim: bool) -> DimPattern:
    if text == "_":
        if any_dim:
            return None
        message = (
            "`_` stands for any size in an expectation; an input's dim needs a name or a number"
        )
        raise Fault("T004", message, node)
    if text.isidentifier():
        return text
    return _expression_dim(text, node)


def _expression_dim(text: str, node: YamlNode) -> DimPattern:
    """A dim over symbols; one without symbols is its value."""
    try:
        expression = parse(text)
        if expression.names:
            return expression
        value = expression({})
    except ExpressionError as error:
        raise Fault("T005", str(error), node) from None

    if value.__class__ is not int:
        shown = f"{shortened(text, 80)} is {written(value)}"
        raise Fault("T005", f"a dim must be a whole number; {shown}", node)
    return _whole_number(value, node)
