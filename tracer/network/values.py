"""YAML nodes to typed values: interpolation, dims, ``auto``, and records of operations.

Every function raises :class:`tracer.source.tree.Fault` with the place of what is wrong.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.diagnostics import shortened
from tracer.network.records import Declaration, DimPattern, Unknown
from tracer.ops.base import Op, written
from tracer.source import limits
from tracer.source.expressions import (
    Expression,
    ExpressionError,
    UnknownName,
    UnreadValue,
    bounded,
    parse,
)
from tracer.source.tree import Fault, Follows, described, refuse_tag, scalar, span_of

_WHOLE = re.compile(r"\s*\$\{([^{}]*)\}\s*\Z")
_PART = re.compile(r"\$\{([^{}]*)\}")
_AUTO = re.compile(r"auto(?:\(\s*(-?\d{1,9})\s*\.\.\s*(-?\d{1,9})\s*\))?\Z")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known word nearest to ``name``, the same letters in another case first."""
    words = list(known)
    lower = {word.lower(): word for word in words}
    if name.lower() in lower:
        return lower[name.lower()]
    if (
        len(name) > 80 or len(words) > 2000
    ):  # comparing them would take longer than reading the config
        return None
    found = difflib.get_close_matches(name, words, 1, 0.6) or difflib.get_close_matches(
        name.lower(), list(lower), 1, 0.6
    )
    return lower.get(found[0], found[0]) if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint that names the nearest known word."""
    words = sorted(known)
    match = nearest(name, words)
    if match is not None:
        return f"did you mean {match!r}?"
    return f"known here: {', '.join(words)}" if 0 < len(words) <= 12 else None


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
    if isinstance(error, UnknownName):
        return Fault(
            "T005", f"{error} in ${{{shortened(text, 80)}}}", at, did_you_mean(error.name, scope)
        )
    return Fault("T005", f"${{{shortened(text, 80)}}}: {error}", at)


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
    """What stands in a text that is one ``${...}``; None for another text. Raises :class:`ExpressionError`."""
    match = _WHOLE.match(text)
    return parse(match[1]) if match else None


def _text_of(value: Any, node: ScalarNode) -> str:
    if isinstance(value, (list, tuple)):
        raise Fault(
            "T005", f"a list cannot stand inside a text, in {shortened(node.value, 80)!r}", node
        )
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
                message = f"the value is nested deeper than {limits.DEPTH} levels, aliases followed"
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


def shape_pattern(
    node: YamlNode, scope: Mapping[str, Any], what: str, *, any_dim: bool
) -> tuple[DimPattern, ...]:
    """A declared shape: integers, symbols, expressions, and ``_`` in an expectation."""
    if isinstance(node, ScalarNode) and "${" in node.value:
        value = evaluate(match[1], scope, node) if (match := _WHOLE.match(node.value)) else None
        if isinstance(value, (list, tuple)):
            return tuple(_dim(v, node, any_dim) for v in value)
    if not isinstance(node, SequenceNode):
        raise Fault(
            "T004",
            f"{what} must be a list of dims such as [N, 3, H, W], not {described(node)}",
            node,
        )
    refuse_tag(node)
    if len(node.value) > limits.DIMS:
        raise Fault("T006", f"{what} has more than {limits.DIMS} dims", node)
    dims = []
    for item in node.value:
        if not isinstance(item, ScalarNode):
            raise Fault(
                "T004",
                f"a dim must be a number, a symbol or an expression, not {described(item)}",
                item,
            )
        dims.append(_dim(interpolated(item, scope), item, any_dim))
    return tuple(dims)


def _dim(value: Any, node: YamlNode, any_dim: bool) -> DimPattern:
    if isinstance(value, bool) or value is None or isinstance(value, (tuple, list)):
        raise Fault(
            "T004",
            f"a dim must be a number, a symbol or an expression, not {described(node)}",
            node,
        )
    if isinstance(value, int):
        if not 0 <= value <= limits.INTEGER:
            raise Fault("T202", f"a dim must be between 0 and 2**63 - 1, not {value}", node)
        return value
    if isinstance(value, float):
        if value.is_integer() and "${" in getattr(node, "value", ""):
            return int(value)
        raise Fault("T004", f"a dim must be a whole number, not {value}", node)
    if value == "_":
        if any_dim:
            return None
        raise Fault(
            "T004",
            "`_` stands for any size in an expectation; an input's dim needs a name or a number",
            node,
        )
    if value.isidentifier():
        return str(value)
    if not any_dim:
        raise Fault(
            "T004", f"a dim of an input must be a number or a symbol, not {described(node)}", node
        )
    try:
        expression = parse(value)
        constant = None if expression.names else expression({})
    except ExpressionError as error:
        raise Fault("T005", str(error), node) from None
    if expression.names:
        return expression
    if constant.__class__ is not int:
        raise Fault(
            "T005",
            f"a dim must be a whole number; {shortened(value, 80)} is {written(constant)}",
            node,
        )
    return _dim(constant, node, any_dim)


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


_WORDS = {
    "int": "an integer", "str": "a text", "bool": "true or false", "float": "a number", "array": "a list",
    "null": "null", "object": "a mapping",
}  # fmt: skip
_PATH = re.compile(
    r"(?P<what>.*?)(?: - at `\$\.?(?P<field>\w*)(?P<index>(?:\[\d+\])*).*`)?\Z", re.DOTALL
)


def operation_record(cls: type[Op], arguments: dict[str, Any], declaration: Declaration) -> Op:
    """The operation's record, its argument names and types checked by msgspec."""
    try:
        return msgspec.convert(arguments, cls)
    except msgspec.ValidationError as error:
        raise _record_fault(cls, declaration, str(error), arguments) from None


def _record_fault(
    cls: type[Op], declaration: Declaration, problem: str, arguments: dict[str, Any]
) -> Fault:
    fields = cls.__struct_encode_fields__
    op_name = cls.__name__
    for name, (key, _) in declaration.arguments.items():
        if name not in fields:
            return Fault(
                "T003", f"{op_name} has no argument {name!r}", key, did_you_mean(name, fields)
            )
    missing = re.search(r"missing required field `(\w+)`", problem)
    if missing:
        return Fault(
            "T201", f"{op_name} needs {missing[1]}", declaration.op, f"add `{missing[1]}: ...`"
        )
    match = _PATH.match(problem)
    field = match["field"] if match else ""
    what = match["what"] if match else problem
    at = declaration.arguments[field][1] if field in declaration.arguments else declaration.op
    if match and match["index"] and isinstance(at, SequenceNode):
        position = int(match["index"][1:].split("]")[0])
        at = at.value[position] if position < len(at.value) else at
    given = described(at)
    if isinstance(at, ScalarNode) and "${" in at.value:
        value = arguments.get(field)
        shown = f"the text {value!r}" if isinstance(value, str) else written(value)
        given = f"{shortened(shown, 80)}, the value of {shortened(at.value, 80)}"
    return _type_fault(cls, field, what, at, given)


def _type_fault(cls: type[Op], field: str, what: str, at: YamlNode, given: str) -> Fault:
    choices = allowed_words(cls, field)
    expected = re.match(r"Expected `([^`]*)`, got `(\w+)`", what)
    if what.startswith("Invalid enum value") or (choices and expected and expected[2] == "str"):
        words = f"one of {', '.join(choices)}"
        numeric = (
            "" if what.startswith("Invalid") and not _takes_numbers(cls, field) else "a number or "
        )
        value = at.value if isinstance(at, ScalarNode) else ""
        match = nearest(value, choices)
        return Fault(
            "T202",
            f"{field} is {given}; it takes {numeric}{words}",
            at,
            f"did you mean {match!r}?" if match else None,
        )
    if expected:
        wanted = " or ".join(
            _WORDS.get(kind.strip(), kind.strip()) for kind in expected[1].split("|")
        )
        code = "T203" if "length" in what else "T004"
        hint = None
        if (
            expected[1] == "bool"
            and isinstance(at, ScalarNode)
            and at.value.lower() in ("yes", "no", "on", "off")
        ):
            hint = "YAML 1.2 knows true and false only"
        return Fault(code, f"{field} must be {wanted}, not {given}", at, hint)
    length = re.match(r"Expected `array` of length (.*?), got (\d+)", what)
    if length:
        return Fault("T203", f"{field} takes {length[1]} values, not {length[2]}", at)
    return Fault("T202", f"{field} is {given}: {what[:1].lower()}{what[1:]}", at)


def _takes_numbers(cls: type[Op], field: str) -> bool:
    found = {f.encode_name: f for f in msgspec.inspect.type_info(cls).fields}[field]  # type: ignore[attr-defined]
    kinds = found.type.types if isinstance(found.type, msgspec.inspect.UnionType) else (found.type,)
    return any(isinstance(k, (msgspec.inspect.IntType, msgspec.inspect.FloatType)) for k in kinds)


def allowed_words(cls: type[Op], field: str) -> list[str]:
    """The words that an argument takes (its Literal type), if any."""
    import msgspec.inspect as inspect

    for found in inspect.type_info(cls).fields:  # type: ignore[attr-defined]
        if found.encode_name == field:
            kinds = found.type.types if isinstance(found.type, inspect.UnionType) else (found.type,)
            return [str(v) for k in kinds if isinstance(k, inspect.LiteralType) for v in k.values]
    return []


__all__ = [
    "bounded", "did_you_mean", "evaluate", "interpolated", "mapping", "nearest", "operation_record",
    "shape_pattern", "span_of", "text", "unknown_of", "value_of",
]  # fmt: skip
