"""Every name in a text: where it is given, and where it is used.

A name belongs to a scope: nodes to the network, layers, inputs and arguments to their block, params and blocks to the
file. ``from: enc1.conv1`` mentions a node and, in the block that it uses, a layer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode

from tracer.network.declarations import SECTIONS
from tracer.network.foreign import keys_of
from tracer.ops.base import Op, registry
from tracer.source.tree import is_nothing

Kind = Literal["node", "block", "param", "argument"]

FILE = ""
"""The scope of what no block has."""


class Meaning(NamedTuple):
    """What a name means."""

    kind: Kind
    scope: str
    """The block that it belongs to; :data:`FILE` for what belongs to none."""
    name: str


class Mention(NamedTuple):
    """One place of a name in the text."""

    start: int
    end: int
    meaning: Meaning
    defines: bool = False
    """Whether the name is given here."""


class Declared(NamedTuple):
    """A declaration of a node."""

    key: ScalarNode
    value: YamlNode
    scope: str
    section: str
    """The section, or the block, that it stands in."""

    @property
    def name(self) -> str:
        return str(self.key.value)

    @property
    def arguments(self) -> dict[str, YamlNode]:
        """All its keys, with their values."""
        return keys_of(self.value)

    @property
    def keys(self) -> list[ScalarNode]:
        """The same keys, as they stand in the text; those of merged mappings included."""
        return [key for key, _ in _pairs(self.value)]

    @property
    def op(self) -> ScalarNode | None:
        """The name of its operation, or of its block."""
        op = self.arguments.get("op", self.value)
        return op if isinstance(op, ScalarNode) else None


class Namespace(NamedTuple):
    """The names that layers see of each other: those of the network, or those of a block."""

    name: str
    layers: dict[str, Declared]
    inputs: dict[str, ScalarNode | None]
    """Where each input has its name; None for the ``input`` that has none in the text."""
    arguments: dict[str, ScalarNode]
    key: ScalarNode | None = None
    """The name of the block."""


_IDENTIFIER = re.compile(r"[^\W\d]\w*")
_EXPRESSION = re.compile(r"\$\{([^{}]*)\}")
_SEGMENT = re.compile(r"[^.\[\]]+")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")


class Mentions:
    """All names of a document; what cannot be read in it has none."""

    def __init__(
        self,
        root: YamlNode | None,
        text: str,
    ) -> None:
        self.text = text
        top = {} if root is None else keys_of(root)
        self._top = top
        self.keys = tuple(top)
        """The keys of the file."""
        self.params = _given(top.get("params"))
        self.symbols = _symbols(top.get("input"))
        """The names of sizes in the inputs' shapes, in order."""
        self.scopes = {FILE: _file_scope(top), **_blocks(top.get("blocks"))}
        self.all: list[Mention] = sorted(set(self._found(top)))

    def at(self, index: int) -> Mention | None:
        """The mention that a place of the text stands in, or behind."""
        around = [one for one in self.all if one.start <= index <= one.end]
        return max(around, default=None)

    def of(self, meaning: Meaning) -> list[Mention]:
        """Every place of a name."""
        return [one for one in self.all if one.meaning == meaning]

    def layers(self) -> Iterator[Declared]:
        """Every declaration, in the order of the text's scopes."""
        for scope in self.scopes.values():
            yield from scope.layers.values()

    def handed_on(self, meaning: Meaning) -> list[Mention]:
        """The values of params and of blocks' arguments that are a node's name: an expression may name it by them."""
        found = []
        for node in self._handed():
            start = self._inside(node)
            first = _SEGMENT.match(node.value)
            if start is not None and first is not None and first[0] == meaning.name:
                found.append(Mention(start, start + first.end(), meaning))
        return sorted(set(found))

    def _handed(self) -> Iterator[ScalarNode]:
        """Every value of a param and of a block's argument."""
        yield from _values_of(self._top.get("params"))
        for _, block in _pairs(self._top.get("blocks")):
            yield from _values_of(keys_of(block).get("args"))
        for declared in self.layers():
            op = declared.op
            used = None if op is None else self.scopes.get(op.value)
            for word in () if used is None else used.arguments:
                yield from _scalars(declared.arguments.get(word))

    # --- walks over the document --------------------------------------------------------------------------------------

    def _found(self, top: Mapping[str, YamlNode]) -> Iterator[Mention]:
        for name, key in self.params.items():
            yield from self._whole(
                key,
                Meaning(
                    "param",
                    FILE,
                    name,
                ),
                defines=True,
            )
        for scope in self.scopes.values():
            yield from self._given_names(scope)
            for layer in scope.layers.values():
                yield from self._of_layer(layer, scope)

        yield from self._outputs(top.get("output"))
        for word in ("params", "input", "sizes", "output"):
            yield from self._expressions(top.get(word), self.scopes[FILE])
        for key, block in _pairs(top.get("blocks")):
            scope = self.scopes.get(str(key.value), self.scopes[FILE])
            yield from self._expressions(keys_of(block).get("args"), scope)

    def _given_names(self, scope: Namespace) -> Iterator[Mention]:
        """The names that a scope gives."""
        if scope.key is not None:
            yield from self._whole(
                scope.key,
                Meaning(
                    "block",
                    FILE,
                    scope.name,
                ),
                defines=True,
            )
        for name, at in scope.inputs.items():
            if at is not None:
                yield from self._whole(
                    at,
                    Meaning(
                        "node",
                        scope.name,
                        name,
                    ),
                    defines=True,
                )
        for name, at in scope.arguments.items():
            yield from self._whole(
                at,
                Meaning(
                    "argument",
                    scope.name,
                    name,
                ),
                defines=True,
            )
        for name, layer in scope.layers.items():
            yield from self._whole(
                layer.key,
                Meaning(
                    "node",
                    scope.name,
                    name,
                ),
                defines=True,
            )

    def _of_layer(
        self,
        layer: Declared,
        scope: Namespace,
    ) -> Iterator[Mention]:
        """The names that a declaration mentions."""
        op = layer.op
        called = "" if op is None else str(op.value)
        block = self.scopes.get(called)
        if op is not None and block is not None:
            yield from self._whole(
                op,
                Meaning(
                    "block",
                    FILE,
                    called,
                ),
            )

        references = {"from", "weights", *_naming(registry.get(called))}
        for key, value in _pairs(layer.value):
            word = str(key.value)
            if word in references:
                yield from self._names(value, scope)
            elif block is not None and word in block.arguments:
                yield from self._whole(
                    key,
                    Meaning(
                        "argument",
                        called,
                        word,
                    ),
                )
        yield from self._expressions(layer.value, scope)

    def _outputs(self, value: YamlNode | None) -> Iterator[Mention]:
        """The nodes under ``output``: a key is one where its value names none."""
        scope = self.scopes[FILE]
        if not isinstance(value, MappingNode):
            yield from self._names(value, scope)
            return
        for key, shape in _pairs(value):
            is_named = isinstance(shape, ScalarNode) and not is_nothing(shape)
            is_shape = is_named and "${" in shape.value
            yield from self._names(shape if is_named and not is_shape else key, scope)

    def _names(
        self,
        value: YamlNode | None,
        scope: Namespace,
    ) -> Iterator[Mention]:
        """The nodes that a name, or a list of them, stands for."""
        items = value.value if isinstance(value, SequenceNode) else [value]
        for item in items:
            if isinstance(item, ScalarNode):
                yield from self._path(item, scope)

    def _path(
        self,
        node: ScalarNode,
        scope: Namespace,
    ) -> Iterator[Mention]:
        """The parts of ``enc1.conv1``, ``stage.0.conv`` or ``halves[1]``, each in its scope."""
        start = self._inside(node)
        if start is None:
            return
        here: Namespace | None = scope
        for found in _SEGMENT.finditer(node.value):
            name = found[0]
            if here is None or "$" in name:
                return
            if name not in here.layers and name not in here.inputs:
                # The number of a copy, or of a chunk.
                if name.isdecimal() and found.start():
                    continue
                return
            yield Mention(
                start + found.start(),
                start + found.end(),
                Meaning(
                    "node",
                    here.name,
                    name,
                ),
            )
            here = self._within(here.layers.get(name))

    def _within(self, layer: Declared | None) -> Namespace | None:
        """The scope of the block that a layer uses."""
        op = None if layer is None else layer.op
        return None if op is None else self.scopes.get(op.value)

    def _expressions(
        self,
        value: YamlNode | None,
        scope: Namespace,
    ) -> Iterator[Mention]:
        """The params and arguments in every ``${...}`` of a value."""
        for node in _scalars(value):
            start = self._inside(node) if "${" in node.value else None
            if start is None:
                continue
            for expression in _EXPRESSION.finditer(node.value):
                yield from self._terms(
                    expression,
                    start,
                    scope,
                )

    def _terms(
        self,
        found: re.Match[str],
        start: int,
        scope: Namespace,
    ) -> Iterator[Mention]:
        blank = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), found[1])
        for word in _IDENTIFIER.finditer(blank):
            name = word[0]
            meaning = None
            if name in scope.arguments:
                meaning = Meaning(
                    "argument",
                    scope.name,
                    name,
                )
            elif name in self.params:
                meaning = Meaning(
                    "param",
                    FILE,
                    name,
                )
            if meaning is not None:
                at = start + found.start(1) + word.start()
                yield Mention(
                    at,
                    at + len(name),
                    meaning,
                )

    # --- places -------------------------------------------------------------------------------------------------------

    def _whole(
        self,
        node: ScalarNode,
        meaning: Meaning,
        *,
        defines: bool = False,
    ) -> Iterator[Mention]:
        start = self._inside(node)
        if start is not None:
            yield Mention(
                start,
                start + len(node.value),
                meaning,
                defines,
            )

    def _inside(self, node: ScalarNode) -> int | None:
        """The index of a scalar's first character; None where it is written otherwise than it is read."""
        value: str = node.value
        start: int = node.start_mark.index
        written = self.text[start : node.end_mark.index]
        at = written.find(value)
        if at < 0 or not value or len(written) - at - len(value) > 1:
            return None
        return start + at


def _pairs(node: YamlNode | None) -> Iterator[tuple[ScalarNode, YamlNode]]:
    """The keys and values of a mapping; none where it is no mapping."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                yield key, value


def _values_of(node: YamlNode | None) -> Iterator[ScalarNode]:
    """The scalars in the values of a mapping."""
    for _, value in _pairs(node):
        yield from _scalars(value)


def _given(node: YamlNode | None) -> dict[str, ScalarNode]:
    """The keys of a mapping by their text, the first of each."""
    found: dict[str, ScalarNode] = {}
    for key, _ in _pairs(node):
        found.setdefault(str(key.value), key)
    return found


def _scalars(node: YamlNode | None) -> Iterator[ScalarNode]:
    """Every scalar below a node, that of an alias once."""
    pending = [] if node is None else [node]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, ScalarNode):
            yield one
        elif isinstance(one, SequenceNode):
            pending += one.value
        elif isinstance(one, MappingNode):
            pending += [part for pair in one.value for part in pair]


def _naming(cls: type[Op] | None) -> Iterable[str]:
    """The arguments of an operation that name nodes."""
    return () if cls is None else (*cls.node_fields, *cls.input_fields)


def _layers(
    node: YamlNode | None,
    scope: str,
    section: str,
) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    for key, value in _pairs(node):
        found.setdefault(
            str(key.value),
            Declared(
                key,
                value,
                scope,
                section,
            ),
        )
    return found


def _file_scope(top: Mapping[str, YamlNode]) -> Namespace:
    """The scope of the network's own nodes."""
    given = top.get("input")
    inputs: dict[str, ScalarNode | None] = {"input": None}
    if isinstance(given, MappingNode):
        inputs = dict(_given(given))

    layers: dict[str, Declared] = {}
    for section in SECTIONS:
        layers |= _layers(
            top.get(section),
            FILE,
            section,
        )
    return Namespace(
        FILE,
        layers,
        inputs,
        {},
    )


def _blocks(node: YamlNode | None) -> dict[str, Namespace]:
    """The scope of each block."""
    found: dict[str, Namespace] = {}
    for key, value in _pairs(node):
        parts = keys_of(value)
        name = str(key.value)
        if name == FILE:
            continue
        layers = _layers(
            parts.get("layers"),
            name,
            name,
        )
        inputs = _block_inputs(parts.get("inputs"))
        found.setdefault(
            name,
            Namespace(
                name,
                layers,
                inputs,
                _given(parts.get("args")),
                key,
            ),
        )
    return found


def _symbols(node: YamlNode | None) -> list[str]:
    """The dims of inputs that are names."""
    words = [str(one.value) for one in _values(node)]
    return [word for word in dict.fromkeys(words) if word.isidentifier()]


def _values(node: YamlNode | None) -> Iterator[ScalarNode]:
    """The dims of a shape, or of the shapes of a mapping."""
    shapes = [value for _, value in _pairs(node)] if isinstance(node, MappingNode) else [node]
    for shape in shapes:
        items = shape.value if isinstance(shape, SequenceNode) else []
        yield from (item for item in items if isinstance(item, ScalarNode))


def _block_inputs(node: YamlNode | None) -> dict[str, ScalarNode | None]:
    if node is None:
        return {"input": None}
    items = node.value if isinstance(node, SequenceNode) else [node]
    return {str(item.value): item for item in items if isinstance(item, ScalarNode)}
