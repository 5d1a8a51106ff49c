"""Arguments that do not fit their operation's record: what msgspec finds, as a fault at the argument."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from yaml.nodes import Node as YamlNode
from yaml.nodes import ScalarNode, SequenceNode

from tracer.diagnostics import shortened
from tracer.network.records import Declaration
from tracer.network.spelling import list_written_as_tuple
from tracer.network.values import nearest
from tracer.ops.base import Op, written
from tracer.source.tree import Fault, described

_WORDS = {
    "int": "an integer", "str": "a text", "bool": "true or false", "float": "a number", "array": "a list",
    "null": "null", "object": "a mapping",
}  # fmt: skip

# msgspec says what is wrong, and where, in one text only.
_MISSING = re.compile(r"missing required field `(\w+)`")
_PATH = re.compile(
    r"(?P<what>.*?)(?: - at `\$\.?(?P<field>\w*)(?P<index>(?:\[\d+\])*).*`)?\Z", re.DOTALL
)
_TYPE = re.compile(r"Expected `([^`]*)`, got `(\w+)`")
_LENGTH = re.compile(r"Expected `array` of length (.*?), got (\d+)")

_YAML_1_1 = ("yes", "no", "on", "off")
"""Texts that YAML 1.1 takes for true and false."""


class Misfit(NamedTuple):
    """An argument that does not fit, and where it is written."""

    cls: type[Op]
    field: str
    problem: str
    """msgspec's sentence about it."""
    at: YamlNode
    given: str
    """The value, as a message shows it."""


def operation_record(cls: type[Op], arguments: dict[str, Any], declaration: Declaration) -> Op:
    """The operation's record, of arguments that it has. Raises :class:`Fault` for a type that one does not take.

    An argument that is missing is T201, another word T202, a length T203, another type T004.
    """
    try:
        return msgspec.convert(arguments, cls)
    except msgspec.ValidationError as error:
        raise _record_fault(cls, declaration, str(error), arguments) from None


def _record_fault(
    cls: type[Op], declaration: Declaration, problem: str, arguments: dict[str, Any]
) -> Fault:
    missing = _MISSING.search(problem)
    if missing:
        message = f"{cls.__name__} needs {missing[1]}"
        return Fault("T201", message, declaration.op, f"add `{missing[1]}: ...`")

    match = _PATH.match(problem)
    assert match is not None
    field = match["field"] or ""
    at = _place(declaration, field, match["index"])
    given = _given(at, arguments.get(field))
    known = {w: "auto" if _is_open(declaration, w) else n for w, n in arguments.items()}
    return _misfit_fault(Misfit(cls, field, match["what"], at, given), known)


def _is_open(declaration: Declaration, word: str) -> bool:
    """Whether an argument is ``auto``, wholly or in part: its value is not known yet."""
    written_at = declaration.arguments.get(word)
    if written_at is None:
        return False
    at = written_at[1]
    items = at.value if isinstance(at, SequenceNode) else [at]
    return any(str(getattr(item, "value", "")).startswith("auto") for item in items)


def _place(declaration: Declaration, field: str, index: str | None) -> YamlNode:
    """The place of an argument, or of the item of it that ``[2]`` names; the operation where it is left out."""
    if field not in declaration.arguments:
        return declaration.op
    at = declaration.arguments[field][1]
    if not index or not isinstance(at, SequenceNode):
        return at
    position = int(index[1:].split("]")[0])
    item: YamlNode = at.value[position] if position < len(at.value) else at
    return item


def _given(at: YamlNode, value: Any) -> str:
    """The value for a message; of an expression both its value and its text."""
    if not isinstance(at, ScalarNode) or "${" not in at.value:
        return described(at)
    shown = f"the text {value!r}" if isinstance(value, str) else written(value)
    return f"{shortened(shown, 80)}, the value of {shortened(at.value, 80)}"


def _misfit_fault(found: Misfit, arguments: Mapping[str, Any]) -> Fault:
    expected = _TYPE.match(found.problem)
    choices = allowed_words(found.cls, found.field)
    is_other_word = found.problem.startswith("Invalid enum value")
    if is_other_word or (choices and expected and expected[2] == "str"):
        takes_numbers = not is_other_word or _takes_numbers(found.cls, found.field)
        return _other_word(found, choices, takes_numbers)
    if expected:
        return _other_type(found, expected[1], arguments)

    length = _LENGTH.match(found.problem)
    if length:
        message = f"{found.field} takes {length[1]} values, not {length[2]}"
        return Fault("T203", message, found.at)

    problem = found.problem[:1].lower() + found.problem[1:]
    return Fault("T202", f"{found.field} is {found.given}: {problem}", found.at)


def _other_word(found: Misfit, choices: list[str], takes_numbers: bool) -> Fault:
    numeric = "a number or " if takes_numbers else ""
    message = f"{found.field} is {found.given}; it takes {numeric}one of {', '.join(choices)}"
    value = found.at.value if isinstance(found.at, ScalarNode) else ""
    match = nearest(value, choices)
    return Fault("T202", message, found.at, f"did you mean {match!r}?" if match else None)


def _other_type(found: Misfit, expected: str, arguments: Mapping[str, Any]) -> Fault:
    kinds = [kind.strip() for kind in expected.split("|")]
    wanted = " or ".join(_WORDS.get(kind, kind) for kind in kinds)
    message = f"{found.field} must be {wanted}, not {found.given}"

    text = found.at.value.lower() if isinstance(found.at, ScalarNode) else ""
    means_bool = expected == "bool" and text in _YAML_1_1
    hint = "YAML 1.2 knows true and false only" if means_bool else None
    hint = hint or _hint_of_text(found, arguments)
    code = "T203" if "length" in found.problem else "T004"
    return Fault(code, message, found.at, hint)


def _hint_of_text(found: Misfit, arguments: Mapping[str, Any]) -> str | None:
    """The value to write for a text of Python's or of another tool's."""
    text = arguments.get(found.field)
    if not isinstance(text, str):
        return None
    written = list_written_as_tuple(text)
    if written is not None:
        return f"write {written}"
    return found.cls.meaning(found.field, text, arguments)


def _kinds(cls: type[Op], field: str) -> tuple[Any, ...]:
    """The types that an argument takes; none for a name that is no argument."""
    import msgspec.inspect as inspect

    for found in inspect.type_info(cls).fields:  # type: ignore[attr-defined]
        if found.encode_name == field:
            kind = found.type
            return kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return ()


def _takes_numbers(cls: type[Op], field: str) -> bool:
    from msgspec.inspect import FloatType, IntType

    return any(isinstance(kind, IntType | FloatType) for kind in _kinds(cls, field))


def allowed_words(cls: type[Op], field: str) -> list[str]:
    """The words that an argument takes (its Literal type), if any.

    >>> from tracer.ops.registry import find_operation
    >>> allowed_words(find_operation("Upsample"), "mode")[:2]
    ['area', 'bicubic']
    """
    from msgspec.inspect import LiteralType

    literals = [kind for kind in _kinds(cls, field) if isinstance(kind, LiteralType)]
    return [str(value) for kind in literals for value in kind.values]
