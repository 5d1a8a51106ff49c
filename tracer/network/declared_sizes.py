"""One entry of ``sizes``: an integer, a list of integers, or ``{min, max, step}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from yaml.nodes import MappingNode
from yaml.nodes import Node as YamlNode

from tracer.network.records import Promise, SizeRange
from tracer.network.values import did_you_mean, value_of
from tracer.source import limits
from tracer.source.tree import Fault, described, entries

_LEAST = {"min": 0, "max": 0, "step": 1}
"""The keys of a range, and the least number that each takes."""


def declared_size(node: YamlNode, params: Mapping[str, Any]) -> Promise:
    """The size, or sizes, that an entry names. Raises :class:`Fault` (T003, T004, T201, T202)."""
    if isinstance(node, MappingNode):
        return _size_range(node, params)

    value = value_of(node, params)
    values = value if isinstance(value, tuple) else (value,)
    for item in values:
        if isinstance(item, bool) or not isinstance(item, int):
            message = "a size is an integer, a list of integers or {min, max, step}"
            raise Fault("T004", message, node)
        if not 0 <= item <= limits.INTEGER:
            message = f"a size must be between 0 and 2**63 - 1, not {item}"
            raise Fault("T202", message, node)
    if not values:
        raise Fault("T202", "the list of sizes is empty", node)
    promise: Promise = value
    return promise


def _size_range(node: MappingNode, params: Mapping[str, Any]) -> SizeRange:
    numbers: dict[str, int] = {}
    for word, (key, value) in entries(node).items():
        if word not in _LEAST:
            hint = did_you_mean(word, _LEAST)
            raise Fault("T003", f"a range of sizes has no key {word!r}", key, hint)
        number = value_of(value, params)
        if number is None and word == "max":
            continue  # without end, as if it were left out
        numbers[word] = _number(word, number, value)

    if "min" not in numbers:
        raise Fault("T201", "a range of sizes needs `min`", node)
    least, largest = numbers["min"], numbers.get("max")
    if largest is not None and largest < least:
        message = f"the range of sizes is empty: max {largest} is below min {least}"
        raise Fault("T202", message, node)
    return SizeRange(least, largest, numbers.get("step", 1))


def _number(word: str, number: Any, at: YamlNode) -> int:
    if isinstance(number, bool) or not isinstance(number, int):
        raise Fault("T004", f"`{word}` must be an integer, not {described(at)}", at)
    if not _LEAST[word] <= number <= limits.INTEGER:
        raise Fault("T202", f"`{word}` is {number}, out of range", at)
    return number
