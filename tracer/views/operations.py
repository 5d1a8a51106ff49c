"""The operations as text: one page each, and the tables of all."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from tracer.ops import FAMILIES
from tracer.ops.base import Op, registry, written
from tracer.ops.registry import operation_names


def families() -> Iterator[tuple[str, str, list[type[Op]]]]:
    """Each family's title, what it is for, and its operations in the file's order; installed ones last."""
    listed: set[str] = set()
    for module in FAMILIES:
        members = [cls for cls in registry.values() if cls.__module__ == module.__name__]
        listed.update(cls.__name__ for cls in members)
        yield _title(module), _first_sentence(module), members
    others = [registry[name] for name in operation_names() if name not in listed]
    if others:
        yield "installed", "operations of installed packages", others


def _title(module: ModuleType) -> str:
    return module.__name__.rsplit(".", 1)[-1]


def _first_sentence(thing: Any) -> str:
    """The first sentence of a docstring, without its full stop."""
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.split(r"\.(?:\s|$)", text, maxsplit=1)[0]


def signature(cls: type[Op]) -> list[tuple[str, str, str]]:
    """An operation's arguments: name, type, and default (``required`` where there is none)."""
    hints = get_type_hints(cls, include_extras=True)
    found = []
    for field in msgspec.structs.fields(cls):
        default = "required" if field.required else written(field.default)
        found.append((field.encode_name, type_text(hints.get(field.name, field.type)), default))
    return sorted(found, key=lambda row: row[2] != "required")


def type_text(hint: Any) -> str:
    """A type in YAML's words."""
    text = str(hint) if not isinstance(hint, type) else hint.__name__
    arguments: tuple[Any, ...] = getattr(hint, "__args__", ())
    origin = str(getattr(hint, "__origin__", ""))
    if "Literal" in origin:
        return " | ".join(map(str, arguments))
    if getattr(hint, "__metadata__", None):
        return "node"
    if "tuple" in origin:
        return "list of " + type_text(arguments[0])
    if arguments:
        return " | ".join(type_text(argument) for argument in arguments)
    return {
        "str": "text",
        "bool": "true | false",
        "NoneType": "null",
        "float": "number",
        "int": "int",
    }.get(text, text)


def page(cls: type[Op]) -> str:
    """An operation's page: what it is for, its arguments, what may be solved or taken from nodes."""
    rows = signature(cls)
    lines = [cls.__name__, "", *_documentation(cls), *_arguments(rows)]
    lines += ["", f"Inputs: {_inputs(*cls.arity)}"]

    names = {row[0] for row in rows}
    solvable = sorted(names.intersection(cls.solvable))
    if solvable:
        lines.append(f"May be auto: {', '.join(solvable)}")
    if cls.node_fields:
        lines.append(f"May name a node: {', '.join(cls.node_fields)}")
    return "\n".join(lines) + "\n"


def _documentation(cls: type[Op]) -> list[str]:
    """The docstring of an operation, where it has one, and that of its family."""
    documented = []
    for one in cls.__mro__:
        if one is Op:
            break
        if one.__doc__:
            documented.append(one)

    lines: list[str] = []
    for one in documented[:2] if cls.__doc__ else documented[:1]:
        text = inspect.cleandoc(one.__doc__ or "").replace("``", "`")
        lines += [*text.splitlines(), ""]
    return lines


def sentence(cls: type[Op]) -> str:
    """The first sentence about an operation: its own, or that of its family; empty where there is none.

    >>> from tracer.ops.pooling import MaxPool2d
    >>> sentence(MaxPool2d)
    "2-D max pooling over [N, C, H, W]: the encoder's downsampling."
    """
    lines = _documentation(cls)
    text = " ".join(" ".join(lines).split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _arguments(rows: list[tuple[str, str, str]]) -> list[str]:
    """The arguments in columns: name, type, default."""
    if not rows:
        return ["No arguments."]
    name_width = max(len(row[0]) for row in rows)
    kinds = [textwrap.wrap(kind, WIDEST) for _, kind, _ in rows]
    type_width = max(len(line) for lines in kinds for line in lines)
    texts = []
    for (name, _, default), (first, *others) in zip(rows, kinds):
        texts.append(f"  {name.ljust(name_width)}  {first.ljust(type_width)}  {default}")
        texts += [f"  {' ' * name_width}  {line}" for line in others]
    return ["Arguments:", *texts]


WIDEST = 80
"""Columns of a type; a longer one goes on in the next line."""


def _inputs(least: int, most: int | None) -> str:
    """The number of inputs in words: ``2 or more``."""
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def listing() -> str:
    """All operations, by family."""
    blocks = []
    for title, purpose, members in families():
        names = ", ".join(cls.__name__ for cls in members)
        blocks.append(f"{title}: {purpose}\n  {names}\n")
    return "\n".join(blocks)


def markdown_table() -> str:
    """The README's table of operations."""
    lines = ["| family | operations |", "| --- | --- |"]
    for title, _, members in families():
        lines.append(f"| {title} | {', '.join(f'`{cls.__name__}`' for cls in members)} |")
    return "\n".join(lines) + "\n"
