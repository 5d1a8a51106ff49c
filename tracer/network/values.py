"""YAML nodes to typed values: scalars and lists, ``${...}`` in them, and ``auto``.

Every function raises :class:`tracer.source.tree.Fault` with the place of what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import shortened
from tracer.network.records import Unknown
from tracer.source import limits
from tracer.source.expressions import (
    Expression,
    ExpressionError,
    UnknownName,
    UnreadValue,
    parse,
)
from tracer.source.tree import Fault, Follows, described, refuse_tag, scalar

_WHOLE = re.compile(r"\s*\$\{([^{}]*)\}\s*\Z")
_PART = re.compile(r"\$\{([^{}]*)\}")
_AUTO = re.compile(r"auto(?:\(\s*(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})\s*\))?\Z")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known word nearest to ``name``, the same letters in another case first; None where none is near.

    >>> nearest("conv2D", ["Conv2d", "Conv3d"]), nearest("Relu6", ["ReLU6", "SELU"]), nearest("x", ["Conv2d"])
    ('Conv2d', 'ReLU6', None)
    """
    words = list(known)
    lower = {word.lower(): word for word in words}
    if name.lower() in lower:
        return lower[name.lower()]

    # Comparing them would take longer than reading the config.
    if len(name) > 80 or len(words) > 2000:
        return None

    import difflib  # where nothing is wrong, it is not needed

    found = difflib.get_close_matches(name, words, 1, 0.6)
    found = found or difflib.get_close_matches(name.lower(), list(lower), 1, 0.6)
    return lower.get(found[0], found[0]) if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest known word, or all of them where they are few."""
    words = sorted(known)
    match = nearest(name, words)
    if match is not None:
        return f"did you mean {match!r}?"
    return f"known here: {', '.join(words)}" if 0 < len(words) <= 12 else None


def whole_value(node: ScalarNode, scope: Mapping[str, Any]) -> Any:
    """The value of a text that is one ``${...}``; None for another text."""
    match = _WHOLE.match(node.value)
    return evaluate(match[1], scope, node) if match else None


def name_alone(node: YamlNode) -> str | None:
    """The name in a value that is one ``${name}``; None for another value.

    >>> import yaml
    >>> at = yaml.compose('"${channels}"')
    >>> name_alone(at)
    'channels'
    """
    match = _WHOLE.match(node.value) if isinstance(node, ScalarNode) else None
    name = match[1].strip() if match else ""
    return name if name.isidentifier() else None


def evaluate(text: str, scope: Mapping[str, Any], at: YamlNode) -> Any:
    """The value of an expression's text."""
    try:
        return parse(text)(scope)
    except ExpressionError as error:
        raise _expression_fault(error, text, scope, at) from None


def _expression_fault(
    error: ExpressionError, text: str, scope: Mapping[str, Any], at: YamlNode
) -> Fault:
    if isinstance(error, UnreadValue):
        return Follows(at)
    shown = f"${{{shortened(text, 80)}}}"
    if isinstance(error, UnknownName):
        return Fault("T005", f"{error} in {shown}", at, did_you_mean(error.name, scope))
    return Fault("T005", f"{shown}: {error}", at)


def interpolated(node: ScalarNode, scope: Mapping[str, Any]) -> Any:
    """A scalar's value; one whole ``${...}`` keeps its type, several make a text."""
    text: str = node.value
    if "${" not in text:
        return scalar(node)

    try:
        whole = _whole_expression(text)
        if whole is not None:
            return whole(scope)
    except ExpressionError as error:
        raise _expression_fault(error, _WHOLE.sub(r"\1", text), scope, node) from None

    result = _PART.sub(lambda m: _text_of(evaluate(m[1], scope, node), node), text)
    if "${" in result:
        raise Fault("T005", f"an expression is not closed in {shortened(text, 80)!r}", node)
    if len(result) > limits.TEXT:
        raise Fault("T006", f"the text is longer than {limits.TEXT} characters", node)
    return result


@lru_cache(maxsize=4096)
def _whole_expression(text: str) -> Expression | None:
    """The expression of a text that is one ``${...}``; None for another text. Raises :class:`ExpressionError`."""
    match = _WHOLE.match(text)
    return parse(match[1]) if match else None


def _text_of(value: Any, node: ScalarNode) -> str:
    if isinstance(value, (list, tuple)):
        message = f"a list cannot stand inside a text, in {shortened(node.value, 80)!r}"
        raise Fault("T005", message, node)
    return str(value)


def value_of(node: YamlNode, scope: Mapping[str, Any]) -> Any:
    """An argument's value: a scalar, or a tuple (of tuples) from a list."""
    if isinstance(node, ScalarNode):
        return interpolated(node, scope)
    return _Collector(node, scope).value(node, 0)


class _Collector:
    """A list's values; counts them, as aliases could make a short text a list without end."""

    def __init__(self, whole: YamlNode, scope: Mapping[str, Any]) -> None:
        self.whole = whole
        self.scope = scope
        self.count = 0

    def value(self, node: YamlNode, depth: int) -> Any:
        self.count += 1
        if self.count > limits.VALUES or depth > limits.DEPTH:
            message = f"the value has more than {limits.VALUES} parts, aliases followed"
            if depth > limits.DEPTH:
                message = (
                    f"the value is nested deeper than {limits.DEPTH} levels, aliases followed"
                )
            raise Fault("T006", message, self.whole)
        if isinstance(node, ScalarNode):
            return interpolated(node, self.scope)
        if isinstance(node, SequenceNode):
            refuse_tag(node)
            return tuple([self.value(item, depth + 1) for item in node.value])
        raise Fault("T004", "a mapping is not a value here", node)


def text(node: YamlNode, what: str) -> str:
    """A plain text such as a name."""
    if not isinstance(node, ScalarNode) or scalar(node).__class__ is not str:
        raise Fault("T004", f"{what} must be a text, not {described(node)}", node)
    return node.value  # type: ignore[no-any-return]


def mapping(node: YamlNode, what: str) -> MappingNode:
    if not isinstance(node, MappingNode):
        raise Fault("T004", f"{what} must be a mapping, not {described(node)}", node)
    return node


def unknown_of(value: Any, field: str, axis: int | None, at: YamlNode) -> Unknown | None:
    """The unknown that ``auto`` or ``auto(2..5)`` stands for; None for another value."""
    if not isinstance(value, str) or not value.startswith("auto"):
        return None
    match = _AUTO.match(value)
    if not match:
        raise Fault("T004", f"{value!r} is not an auto; write auto or auto(LEAST..LARGEST)", at)
    if match[1] is None:
        return Unknown(field, axis, None, None)
    least, largest = int(match[1]), int(match[2])
    if least > largest:
        raise Fault("T202", f"{value}: the domain is empty", at)
    return Unknown(field, axis, least, largest)
