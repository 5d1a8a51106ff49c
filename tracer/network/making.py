"""A declaration to the record of its operation, its arguments read, checked and judged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.memo import Memo
from tracer.network.misfits import operation_record
from tracer.network.records import Declaration, DimPattern, Node, Unknown
from tracer.network.spelling import operation_hint, spatial_axes, unknown_argument
from tracer.network.values import unknown_of, value_of
from tracer.ops.base import Op, Requirement, value_count, with_arguments
from tracer.ops.rearrange import Chunk
from tracer.ops.registry import find_operation
from tracer.sizing.symbol import Condition, Size, Space
from tracer.source import limits
from tracer.source.expressions import ExpressionError, parse
from tracer.source.tree import Fault

Scope = Mapping[str, Any]


class Made(NamedTuple):
    """The operation of a declaration, and what is open in it."""

    op: Op
    unknowns: tuple[Unknown, ...] = ()
    """Its ``auto`` arguments; the record holds their least values meanwhile."""
    dim_fields: Mapping[str, DimPattern | tuple[DimPattern, ...]] = {}
    """Arguments with dims over symbols; the record holds ones meanwhile."""
    operands: Mapping[str, ScalarNode] = {}
    """Arguments that name a node."""
    is_plain: bool = False
    """Whether it becomes one node, which reads the node before it and no other where nothing says what it reads."""

    @property
    def is_closed(self) -> bool:
        return not (self.unknowns or self.dim_fields or self.operands)


class Literals(NamedTuple):
    """The arguments of a declaration as they are written."""

    texts: tuple[Any, ...] | None
    """Word, text, style and tag of each in turn; of an expression the word alone. None where one is a list."""
    expressions: list[ScalarNode]


_by_text: Memo[Made] = Memo(4096)
"""Operations of declarations, by their text and the values of its expressions: equal layers are made once."""

_records: Memo[Op] = Memo(4096)
"""Operations already made and judged, by class and arguments: equal layers share one record."""


class Maker:
    """Makes the operations of one network, each once for all uses of its block where no expression decides it."""

    def __init__(self, blocks: Mapping[str, Any], nodes: Sequence[Node]) -> None:
        self.blocks = blocks
        self.nodes = nodes
        """Those of the network that are made already, its inputs first."""
        self._literals: dict[Declaration, Literals] = {}

    def make(self, op_name: str, declaration: Declaration, scope: Scope) -> tuple[Made, bool]:
        """The operation of a declaration, called ``op_name`` in this use of its block; whether it is so in every use.

        Raises :class:`Fault` (T003 to T006, T101, T2xx) at the argument at fault.
        """
        cls = find_operation(op_name)
        if cls is None:
            message = f"unknown operation {op_name!r}"
            hint = operation_hint(op_name, self.blocks, spatial_axes(self.nodes))
            raise Fault("T101", message, declaration.op, hint)

        literals = self._literals.get(declaration)
        if literals is None:
            literals = self._literals[declaration] = _literals(declaration)
        texts, expressions = literals
        if texts is None:
            self._refuse_unknown_arguments(cls, declaration)
            return _made(cls, declaration, scope), False

        values = [typed(value_of(node, scope)) for node in expressions]
        key = (cls, texts, *values)
        made = _by_text.get(key)
        if made is None:
            self._refuse_unknown_arguments(cls, declaration)
            made = _made(cls, declaration, scope)
            if made.is_closed:
                _by_text[key] = made
        is_fixed = not expressions and "${" not in declaration.op.value
        return made, is_fixed

    def _refuse_unknown_arguments(self, cls: type[Op], declaration: Declaration) -> None:
        """Raise the first argument that the operation does not have."""
        fields = cls.__struct_encode_fields__
        if not declaration.arguments.keys() <= set(fields):
            axes = spatial_axes(self.nodes)
            fault = unknown_argument(cls.__name__, declaration, fields, axes)
            assert fault is not None
            raise fault


def _literals(declaration: Declaration) -> Literals:
    texts: list[Any] = []
    expressions: list[ScalarNode] = []
    for word, (_, node) in declaration.arguments.items():
        if not isinstance(node, ScalarNode):
            return Literals(None, [])
        if "${" in node.value:
            expressions.append(node)
            texts.append(word)
        else:
            # The composer puts something else than a text where there is no tag.
            tag = node.tag if isinstance(node.tag, str) else None
            texts += (word, node.value, node.style, tag)
    return Literals(tuple(texts), expressions)


def typed(value: Any) -> Any:
    """A value with its types, so that 1, 1.0 and true are three keys, and 0.0 and -0.0 are two."""
    if isinstance(value, tuple):
        return tuple([typed(item) for item in value])
    is_zero = value.__class__ is float and value == 0
    return (value.__class__, str(value) if is_zero else value)


def _made(cls: type[Op], declaration: Declaration, scope: Scope) -> Made:
    found = _Arguments(cls, [one.value for one in declaration.inputs or []])
    for word, (_, node) in declaration.arguments.items():
        found.read(word, value_of(node, scope), node)
    if issubclass(cls, Chunk):
        found.values.setdefault("index", 0)

    op = _record(found, declaration)
    is_plain = not found.operands and cls.arity[1] != 0 and not issubclass(cls, Chunk)
    return Made(op, tuple(found.unknowns), found.dim_fields, found.operands, is_plain)


def _record(arguments: _Arguments, declaration: Declaration) -> Op:
    """The operation's record, judged; the one that was made before where nothing in it is open."""
    cls, unknowns = arguments.cls, arguments.unknowns
    if unknowns:
        op = operation_record(cls, arguments.values, declaration)
        _refuse_illegal(_with_symbols(op, unknowns), declaration)
        return op

    key = (cls, *[(word, typed(value)) for word, value in arguments.values.items()])
    known = _records.get(key)
    if known is None:
        known = operation_record(cls, arguments.values, declaration)
        _refuse_illegal(known, declaration)
        _records[key] = known
    return known


def _input_hint(word: str, value: Any, inputs: Sequence[str]) -> str:
    """The text to write in the place of a value that is no name."""
    if isinstance(value, tuple) and len(value) == 1 and value[0] in inputs:
        return f"write `{word}: {value[0]}`"
    names = ", ".join(f"`{name}`" for name in inputs)
    return f"write its name: {names}" if names else "write the name of a node under `from`"


class _Arguments:
    """The arguments of one operation while they are read: the record's values, and what is open in them."""

    def __init__(self, cls: type[Op], inputs: Sequence[str]) -> None:
        self.cls = cls
        self.inputs = inputs
        """The names under ``from``."""
        self.values: dict[str, Any] = {}
        self.unknowns: list[Unknown] = []
        self.dim_fields: dict[str, DimPattern | tuple[DimPattern, ...]] = {}
        self.operands: dict[str, ScalarNode] = {}

    def read(self, word: str, value: Any, node: YamlNode) -> None:
        """Take one argument. Raises :class:`Fault` for a value that no operation takes."""
        if word in self.cls.input_fields and not isinstance(value, str | None):
            hint = _input_hint(word, value, self.inputs)
            raise Fault("T004", f"{word} names one of the inputs, as `from` does", node, hint)
        if isinstance(value, str):
            value = self._from_text(word, value, node)
        elif isinstance(value, tuple):
            if len(value) > limits.ARGUMENT:
                message = (
                    f"{word} has {len(value)} values; an argument has at most {limits.ARGUMENT}"
                )
                raise Fault("T006", message, node)
            if any(isinstance(item, str) for item in value):
                value = self._from_texts(word, value, node)
        _refuse_huge(value, node)
        self.values[word] = value

    def _from_text(self, word: str, text: str, node: YamlNode) -> Any:
        """The record's value for a text: itself, or a number in the place of one that is open."""
        is_auto = self._is_auto(word, text)
        if not is_auto and word in (*self.cls.node_fields, *self.cls.input_fields):
            self.operands[word] = ScalarNode(node.tag, text, node.start_mark, node.end_mark)
            return text
        if not is_auto and word in self.cls.dim_fields:
            self.dim_fields[word] = _dims((text,), node)[0]
            return 0
        if text.startswith("auto") and word in self.cls.__struct_encode_fields__:
            return self._placeholder(word, text, node)
        return text

    def _from_texts(self, word: str, items: tuple[Any, ...], node: YamlNode) -> tuple[Any, ...]:
        """The same for a list with texts in it."""
        if word in self.cls.dim_fields and not any(self._is_auto(word, item) for item in items):
            self.dim_fields[word] = _dims(items, node)
            return tuple(1 if isinstance(item, str) else item for item in items)

        places = node.value if isinstance(node, SequenceNode) else [node] * len(items)
        return tuple(
            self._placeholder(word, item, place, axis)
            for axis, (item, place) in enumerate(zip(items, places))
        )

    def _is_auto(self, word: str, value: Any) -> bool:
        return word in self.cls.solvable and isinstance(value, str) and value.startswith("auto")

    def _placeholder(
        self, word: str, value: Any, node: YamlNode, axis: int | None = None
    ) -> Any:
        """The value in the place of an ``auto`` until it is solved; any other value as it is."""
        unknown = unknown_of(value, word, axis, node)
        if unknown is None:
            return value
        if word not in self.cls.solvable:
            raise self._not_solvable(word, node)

        least = self.cls.solvable[word].least
        if unknown.least is not None and unknown.least < least:
            message = f"{value} begins at {unknown.least}; {word} is at least {least}"
            raise Fault("T202", message, node)

        self.unknowns.append(unknown)
        if word == "ceil_mode":
            return False
        return unknown.least if unknown.least is not None else max(least, 0)

    def _not_solvable(self, word: str, node: YamlNode) -> Fault:
        name = self.cls.__name__
        solvable = sorted(self.cls.solvable.keys() & set(self.cls.__struct_encode_fields__))
        hint = f"{name} can solve {', '.join(solvable) or 'no argument'}"
        return Fault("T004", f"{word} of {name} cannot be auto", node, hint)


def _dims(value: tuple[Any, ...], node: YamlNode) -> tuple[DimPattern, ...]:
    try:
        return tuple(_dim(v) if isinstance(v, str) else v for v in value)
    except ExpressionError as error:
        raise Fault("T005", str(error), node) from None


def _dim(text: str) -> DimPattern:
    """A dim that is written as a text: a number in quotes is a number."""
    is_number = re.fullmatch(r"\s*-?\d{1,18}\s*", text, re.ASCII) is not None
    return int(text) if is_number else parse(text)


def solved_arguments(
    op: Op, unknowns: Iterable[Unknown], value_for: Callable[[Unknown, int], int | Size]
) -> dict[str, Any]:
    """The arguments that hold an ``auto``, with the value that ``value_for`` gives for each unknown and axis."""
    found: dict[str, Any] = {}
    for unknown in unknowns:
        field = unknown.field
        count = value_count(op, field)
        if field == "ceil_mode":
            value = value_for(unknown, 0)
            found[field] = value if isinstance(value, Size) else bool(value)
        elif unknown.axis is not None:
            items = list(found.get(field, getattr(op, field)))
            items[unknown.axis] = value_for(unknown, unknown.axis)
            found[field] = tuple(items)
        else:
            # Of a single axis a number: torch's LPPool1d takes no list.
            values = tuple(value_for(unknown, axis) for axis in range(count))
            found[field] = values if count > 1 else values[0]
    return found


def _with_symbols(op: Op, unknowns: Iterable[Unknown]) -> Op:
    """The operation with a symbol for every ``auto``, so that what is refused is refused whatever they come out as."""
    space = Space()
    arguments = solved_arguments(
        op, unknowns, lambda unknown, axis: space.symbol(f"{unknown.field} {axis}")
    )
    return with_arguments(op, arguments)


def _refuse_illegal(op: Op, declaration: Declaration) -> None:
    """Raise the first argument that torch refuses whatever the input."""
    for requirement in _decidable(op):
        if isinstance(requirement.holds, Condition) or requirement.holds:
            continue
        given = declaration.arguments.get(requirement.field or "")
        at = given[1] if given else declaration.op
        raise Fault(requirement.code, requirement.text(), at, requirement.hint)


def _decidable(op: Op) -> Iterator[Requirement]:
    """The requirements on the arguments, up to what takes no symbols: the planner judges that with numbers."""
    requirements = op.legal()
    while True:
        try:
            requirement = next(requirements, None)
        except TypeError:
            return
        if requirement is None:
            return
        yield requirement


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
