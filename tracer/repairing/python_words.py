"""Nodes, values and lines of a Python program in the words of its user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracer.diagnostics import shortened
from tracer.network.records import Node
from tracer.source.python_places import Place

QUOTED = 90
"""Characters of the user's code that are quoted, at most."""


def short(text: str) -> str:
    """Code as it is quoted."""
    return shortened(text, QUOTED)


def within(text: str) -> str:
    """The code in which something is to be changed, behind what is said of it; empty for lines that are no code."""
    return f" in `{short(text)}`" if text else ""


def value_in_python(value: Any) -> str:
    """A value of an argument as it is written in Python, one number for all axes where they are alike.

    >>> value_in_python((1, 1)), value_in_python((1, 0)), value_in_python(True)
    ('1', '(1, 0)', 'True')
    """
    if isinstance(value, (tuple, list)):
        items = tuple(value)
        return repr(items[0] if items and len(set(items)) == 1 else items)
    return repr(value)


def arguments_in_python(values: Mapping[str, Any]) -> str:
    """Arguments as they are given by name: ``kernel_size=3, padding=1``."""
    return ", ".join(f"{field}={value_in_python(value)}" for field, value in values.items())


def line_of_node(node: Node) -> str:
    """The line that computes a node, ``net.py:12``; empty where none is known."""
    return line_of_place(node.place)


def line_of_place(place: Place | None) -> str:
    """The line of a place, in the same words."""
    line = None if place is None else place.line
    return "" if line is None else f"{line.path}:{line.span.line}"


def name_of(node: Node) -> str:
    """A layer's name; of what is computed by a function, its line."""
    is_layer = node.place is not None and node.place.name is not None
    return node.shown if is_layer else line_of_node(node) or node.shown


def map_of(node: Node) -> str:
    """The output of a node in words."""
    if node.is_input:
        return "the input" if node.name == "input" else node.name
    return f"the output of {name_of(node)}"
