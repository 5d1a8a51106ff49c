"""The parts of a file of another tool: values with their places and dotted paths, for faults that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.network.foreign import keys_of, listed
from tracer.network.values import nearest
from tracer.source import limits
from tracer.source.python_places import Line
from tracer.source.tree import Fault, described, scalar, span_of


class Part(NamedTuple):
    """A value in a file, and its dotted path there."""

    node: YamlNode
    path: str = ""
    key: YamlNode | None = None
    """The key that it stands under; None for the whole file and for what is in a list."""

    @property
    def name(self) -> str:
        """How a message names it."""
        return f"`{self.path}`" if self.path else "the file"

    @property
    def parts(self) -> dict[str, Part]:
        """The values of a mapping by its keys; none where it is no mapping."""
        pairs = self.node.value if isinstance(self.node, MappingNode) else []
        return {
            key.value: Part(node, f"{self.path}.{key.value}" if self.path else key.value, key)
            for key, node in pairs
            if isinstance(key, ScalarNode)
        }

    @property
    def at_key(self) -> YamlNode:
        """Where it begins: its key, where it has one."""
        return self.node if self.key is None else self.key

    def line(self, path: str) -> Line:
        """Its place, in the file of this path."""
        return Line(path, span_of(self.at_key), "")

    def get(self, key: str) -> Part | None:
        """The value of a key; None where it has none, or null."""
        found = self.parts.get(key)
        return None if found is None or found.is_nothing else found

    def need(self, key: str) -> Part:
        """The value of a key. Raises :class:`Fault` where there is none."""
        found = self.get(key)
        if found is None:
            raise Fault("T201", f"{self.name} has no `{key}`", self.at_key)
        return found

    def at(self, path: str) -> Part:
        """The part with this dotted path from here. Raises :class:`Fault` where there is none."""
        found = self
        for word in path.split("."):
            parts = found.parts
            if isinstance(found.node, SequenceNode):
                parts = {str(number): item for number, item in enumerate(found.items())}
            if word not in parts:
                raise no_such_key(word, found.name, parts, found.at_key)
            found = parts[word]
        return found

    @property
    def is_nothing(self) -> bool:
        """Whether it is null."""
        return isinstance(self.node, ScalarNode) and scalar(self.node) is None

    @property
    def value(self) -> Any:
        """It as Python has it: dicts, lists and scalars. Raises :class:`Fault` where it has too many values."""
        return _Values(self.node).value(self.node, 0)

    def text(self) -> str:
        """Raises :class:`Fault` where it is no text."""
        return str(self._of(str, "a text"))

    def integer(self) -> int:
        """Raises :class:`Fault` where it is no integer."""
        return int(self._of(int, "an integer"))

    def flag(self) -> bool:
        """Raises :class:`Fault` where it is neither true nor false."""
        return bool(self._of(bool, "true or false"))

    def items(self) -> list[Part]:
        """The values of a list. Raises :class:`Fault` where it is no list."""
        if not isinstance(self.node, SequenceNode):
            raise self.not_a("a list")
        nodes: Sequence[YamlNode] = self.node.value
        return [Part(node, f"{self.path}.{number}") for number, node in enumerate(nodes)]

    def mapping(self) -> Mapping[str, Any]:
        """Raises :class:`Fault` where it is no mapping."""
        if not isinstance(self.node, MappingNode):
            raise self.not_a("a mapping")
        found: Mapping[str, Any] = self.value
        return found

    def _of(self, kind: type, what: str) -> Any:
        value = scalar(self.node) if isinstance(self.node, ScalarNode) else None
        if type(value) is not kind:
            raise self.not_a(what)
        return value

    def not_a(self, what: str) -> Fault:
        """The fault of a value of another type."""
        return Fault(
            "T004", f"{self.name} must be {what}, not {described(self.node)}", self.node
        )


class _Values:
    """Values as Python has them; counts them, as aliases could make a short text a list without end."""

    def __init__(self, whole: YamlNode) -> None:
        self.whole = whole
        self.count = 0

    def value(self, node: YamlNode, depth: int) -> Any:
        self.count += 1
        if self.count > limits.VALUES or depth > limits.DEPTH:
            message = f"more than {limits.VALUES} values, or {limits.DEPTH} levels of them"
            raise Fault("T006", message, self.whole)
        if isinstance(node, ScalarNode):
            return scalar(node)
        if isinstance(node, SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return {key: self.value(part, depth + 1) for key, part in keys_of(node).items()}


def no_such_key(word: str, owner: str, known: Iterable[str], at: YamlNode | None) -> Fault:
    """The fault of a key that a part does not have: the nearest one is named, or all."""
    words = list(known)
    near = nearest(word, words)
    if near is not None:
        hint = f"did you mean {near!r}?"
    else:
        hint = f"it has {listed(words)}" if words else "it has no keys"
    return Fault("T102", f"{owner} has no {word!r}", at, hint)
