"""A declaration to the record of its operation, its arguments read, checked and judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.memo import Memo
from tracer.network.records import Declaration, DimPattern, Unknown
from tracer.network.values import did_you_mean, operation_record, unknown_of, value_of
from tracer.ops.base import Op, with_arguments
from tracer.ops.registry import find_operation, operation_names
from tracer.sizing.symbol import Condition, Size, Space
from tracer.source import limits
from tracer.source.expressions import ExpressionError, parse
from tracer.source.tree import Fault


class Made(NamedTuple):
    """What a declaration makes."""

    op: Op
    unknowns: tuple[Unknown, ...] = ()
    """Its ``auto`` arguments; the record holds their least values meanwhile."""
    dim_fields: Mapping[str, DimPattern | tuple[DimPattern, ...]] = {}
    """Arguments with dims over symbols; the record holds ones meanwhile."""
    operands: Mapping[str, ScalarNode] = {}
    """Arguments that name a node."""


_literal: Memo[Made] = Memo(4096)
"""What declarations make, by their text and the values of its expressions: equal layers are made once."""

_records: Memo[Op] = Memo(4096)
"""Operations already made and judged, by class and arguments: equal layers share one record."""


def make(
    op_name: str, declaration: Declaration, scope: Mapping[str, Any], blocks: Mapping[str, Any]
) -> Made:
    """The operation of a declaration. Raises :class:`Fault` (T003 to T006, T101, T2xx) at the argument at fault."""
    cls = find_operation(op_name)
    if cls is None:
        raise Fault(
            "T101",
            f"unknown operation {op_name!r}",
            declaration.op,
            _known_operation(op_name, blocks),
        )
    key = _literal_key(cls, declaration, scope)
    made = _literal.get(key) if key else None
    if made is None:
        made = _made(cls, declaration, scope)
        if key and not (made.unknowns or made.dim_fields or made.operands):
            _literal[key] = made
    if key and len(key) == 2 and op_name is declaration.op.value:
        declaration.made = made
    return made


def _made(cls: type[Op], declaration: Declaration, scope: Mapping[str, Any]) -> Made:
    values: dict[str, Any] = {}
    unknowns: list[Unknown] = []
    dim_fields: dict[str, DimPattern | tuple[DimPattern, ...]] = {}
    operands: dict[str, ScalarNode] = {}
    for word, (_, node) in declaration.arguments.items():
        value = value_of(node, scope)
        if value.__class__ is tuple and len(value) > limits.ARGUMENT:
            raise Fault(
                "T006",
                f"{word} has {len(value)} values; an argument has at most {limits.ARGUMENT}",
                node,
            )
        if value.__class__ is str:
            if word in cls.node_fields:
                operands[word] = ScalarNode(node.tag, value, node.start_mark, node.end_mark)
            elif word in cls.dim_fields and not _is_auto(cls, word, value):
                dim_fields[word] = _dims((value,), node)[0]
                value = 0
            elif value.startswith("auto") and word in cls.__struct_encode_fields__:
                value = _placeholder(cls, word, value, node, unknowns)
        elif value.__class__ is tuple and any(item.__class__ is str for item in value):
            if word in cls.dim_fields and not any(_is_auto(cls, word, item) for item in value):
                dim_fields[word] = _dims(value, node)
                value = tuple(1 if isinstance(item, str) else item for item in value)
            else:
                items = node.value if isinstance(node, SequenceNode) else [node] * len(value)
                value = tuple(
                    _placeholder(cls, word, v, items[i], unknowns, i) for i, v in enumerate(value)
                )
        _refuse_huge(value, node)
        values[word] = value
    if cls.several is not None:
        values.setdefault("index", 0)
    key = (cls, *[(word, _typed(value)) for word, value in values.items()])
    op = None if unknowns else _records.get(key)
    if op is None:
        op = operation_record(cls, values, declaration)
        _refuse_illegal(op, declaration, unknowns)
        if not unknowns:
            _records[key] = op
    return Made(op, tuple(unknowns), dim_fields, operands)


def _is_auto(cls: type[Op], word: str, value: Any) -> bool:
    return word in cls.solvable and value.__class__ is str and value.startswith("auto")


def _known_operation(name: str, blocks: Mapping[str, Any]) -> str:
    """The hint for an unknown operation: its 1d, 2d and 3d forms, or the nearest name."""
    known = operation_names()
    forms = [form for form in known if form[:-2].lower() == name.lower() and form[-1] == "d"]
    if forms:
        return f"there are {', '.join(forms)}"
    return did_you_mean(name, [*blocks, *known]) or "`tracer ops` lists the operations"


def _dims(value: tuple[Any, ...], node: YamlNode) -> tuple[DimPattern, ...]:
    try:
        return tuple(parse(v) if isinstance(v, str) else v for v in value)
    except ExpressionError as error:
        raise Fault("T005", str(error), node) from None


def _placeholder(
    cls: type[Op],
    word: str,
    value: Any,
    node: YamlNode,
    unknowns: list[Unknown],
    axis: int | None = None,
) -> Any:
    """The value that stands for an ``auto`` until it is solved; any other value as it is."""
    unknown = unknown_of(value, word, axis, node)
    if unknown is None:
        return value
    if word not in cls.solvable:
        solvable = (
            ", ".join(sorted(cls.solvable & set(cls.__struct_encode_fields__))) or "no argument"
        )
        raise Fault(
            "T004",
            f"{word} of {cls.__name__} cannot be auto",
            node,
            f"{cls.__name__} can solve {solvable}",
        )
    least = cls.least_value(word)
    if unknown.least is not None and unknown.least < least:
        raise Fault("T202", f"{value} begins at {unknown.least}; {word} is at least {least}", node)
    unknowns.append(unknown)
    if word == "ceil_mode":
        return False
    return unknown.least if unknown.least is not None else max(least, 0)


def _literal_key(
    cls: type[Op], declaration: Declaration, scope: Mapping[str, Any]
) -> tuple[Any, ...] | None:
    """What decides what is made: the arguments' texts, and values in the place of expressions. None for lists."""
    if declaration.literal is None:
        declaration.literal = _texts(declaration)
    texts, expressions = declaration.literal
    if texts is None:
        return None
    return (
        (cls, texts, *[_typed(value_of(node, scope)) for node in expressions])
        if expressions
        else (cls, texts)
    )


def _texts(declaration: Declaration) -> tuple[tuple[Any, ...] | None, list[YamlNode]]:
    key: list[Any] = []
    expressions: list[YamlNode] = []
    for word, (_, node) in declaration.arguments.items():
        if node.__class__ is not ScalarNode:
            return None, []
        if "${" in node.value:
            expressions.append(node)
            key.append(word)
        else:
            key += (word, node.value, node.style, node.tag if node.tag.__class__ is str else None)
    return tuple(key), expressions


def _typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and true are three."""
    if value.__class__ is tuple:
        return tuple([_typed(item) for item in value])
    return (value.__class__, value)


def solved_arguments(
    op: Op, unknowns: Iterable[Unknown], value_for: Callable[[Unknown, int], int | Size]
) -> dict[str, Any]:
    """The arguments that hold an ``auto``, with the value that ``value_for`` gives for each unknown and axis."""
    found: dict[str, Any] = {}
    for unknown in unknowns:
        field = unknown.field
        count = type(op).value_count(field)
        if field == "ceil_mode":
            value = value_for(unknown, 0)
            found[field] = value if isinstance(value, Size) else bool(value)
        elif unknown.axis is not None:
            items = list(found.get(field, getattr(op, field)))
            items[unknown.axis] = value_for(unknown, unknown.axis)
            found[field] = tuple(items)
        else:  # of a single axis a number: torch's LPPool1d takes no list
            values = tuple(value_for(unknown, axis) for axis in range(count))
            found[field] = values if count > 1 else values[0]
    return found


def _refuse_illegal(op: Op, declaration: Declaration, unknowns: list[Unknown]) -> None:
    """Raise the first argument that torch refuses whatever the input, and whatever an ``auto`` comes out as."""
    if unknowns:
        space = Space()
        op = with_arguments(
            op, solved_arguments(op, unknowns, lambda u, axis: space.symbol(f"{u.field} {axis}"))
        )
    requirements = op.legal()
    while True:
        try:
            requirement = next(requirements, None)
        except TypeError:  # an operation that takes no symbols: the planner judges it with numbers
            return
        if requirement is None:
            return
        if not isinstance(requirement.holds, Condition) and not requirement.holds:
            given = declaration.arguments.get(requirement.field or "")
            raise Fault(
                requirement.code,
                requirement.text(),
                given[1] if given else declaration.op,
                requirement.hint,
            )


def _refuse_huge(value: Any, node: YamlNode) -> None:
    """No argument of torch takes an integer of more than 63 bits, or NaN."""
    if isinstance(value, tuple):
        for item in value:
            _refuse_huge(item, node)
    elif isinstance(value, int):
        if not -limits.INTEGER <= value <= limits.INTEGER:
            raise Fault("T202", f"{value} is out of range: more than 63 bits", node)
    elif value != value:
        raise Fault("T202", "NaN is not a value for a network", node)
