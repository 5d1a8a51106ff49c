"""What may stand at the cursor: keys, operations, arguments, values, names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from lsprotocol import types as lsp

from tracer.editors.analysis import OpenText
from tracer.editors.cursor import Cursor, cursor_at
from tracer.editors.mentions import FILE, Mentions, Namespace
from tracer.editors.positions import EditorText
from tracer.network.declarations import BLOCK_KEYS, NODE_KEYS, SECTIONS, TOP_LEVEL
from tracer.ops.base import Op
from tracer.ops.meanings import meanings
from tracer.ops.registry import find_operation, operation_names
from tracer.views.operations import sentence, signature
from tracer.views.schema import TOLD, TOLD_OF_BLOCKS, TOLD_OF_LAYERS

Kind = lsp.CompletionItemKind

FUNCTIONS = ("min", "max", "len", "round")
"""What an expression may call."""

MOST = 2_000
"""Names that are offered."""


class Offer(NamedTuple):
    """One thing that may stand there."""

    text: str
    kind: lsp.CompletionItemKind
    detail: str | None = None
    about: str | None = None


def completions(opened: OpenText, index: int) -> list[lsp.CompletionItem]:
    """What may stand at a place, the likeliest first."""
    text = opened.text
    cursor = cursor_at(text.body, index) if opened.is_begun(index) else None
    if cursor is None:
        return []

    names = _names(opened, cursor)
    found = {one.text: one for one in _Offers(cursor, names).all()}
    where = text.range(cursor.start, index)
    items = []
    for number, one in enumerate(list(found.values())[:MOST]):
        edit = lsp.TextEdit(where, one.text)
        about = None
        if one.about:
            about = lsp.MarkupContent(lsp.MarkupKind.Markdown, one.about)
        item = lsp.CompletionItem(
            label=one.text.removesuffix(": "),
            kind=one.kind,
            detail=one.detail,
            documentation=about,
            sort_text=f"{number:05}",
            filter_text=one.text,
            text_edit=edit,
        )
        items.append(item)
    return items


def _names(opened: OpenText, cursor: Cursor) -> Mentions:
    """The names of the text; where it cannot be read, those of what stands around the cursor's entry."""
    if opened.root is not None:
        return opened.mentions
    start, end = cursor.entry
    body = opened.text.body
    rest = EditorText(body[:start] + body[end:], opened.text.encoding)
    around = OpenText(rest, opened.path, opened.is_yaml)
    return Mentions(around.tree, rest.body)


class _Offers:
    """What may stand at a cursor."""

    def __init__(self, cursor: Cursor, names: Mentions) -> None:
        self.cursor = cursor
        self.names = names
        path = cursor.path
        is_block = path[:1] == ("blocks",) and len(path) > 2 and path[2] == "layers"
        scope = path[1] if is_block else FILE
        self.scope = names.scopes.get(scope, Namespace(scope, {}, {}, {}))
        self.inner = path[3:] if is_block else path[1:]
        """The keys inside of the layers: a node's name, and an argument."""
        self.in_layers = is_block or path[:1] in {(section,) for section in SECTIONS}

    def all(self) -> Iterator[Offer]:
        """Everything, the likeliest first."""
        if self.cursor.in_expression:
            yield from self._terms()
        elif self.in_layers:
            yield from self._of_layers()
        elif self.cursor.path[:1] == ("output",):
            yield from self._nodes()
        elif self.cursor.is_key:
            yield from self._of_file()

    def _of_file(self) -> Iterator[Offer]:
        """The keys of the file, of ``sizes``, and of a block."""
        path = self.cursor.path
        if not path:
            missing = [word for word in TOP_LEVEL if word not in self.names.keys]
            yield from self._keys(missing, TOLD)
        elif path == ("sizes",):
            yield from self._symbols()
        elif path[0] == "blocks" and len(path) == 2:
            yield from self._keys(BLOCK_KEYS, TOLD_OF_BLOCKS)

    def _keys(
        self,
        words: Iterable[str],
        told: Mapping[str, str],
    ) -> Iterator[Offer]:
        """The keys that are not there yet."""
        for word in words:
            if word not in self.cursor.beside:
                yield Offer(
                    f"{word}: ",
                    Kind.Keyword,
                    about=told.get(word),
                )

    def _of_layers(self) -> Iterator[Offer]:
        """What may stand in a section, or in the layers of a block."""
        inner, is_key = self.inner, self.cursor.is_key
        if len(inner) == 1 and is_key:
            yield from self._arguments()
        elif len(inner) == 1 and not self.cursor.is_nested:
            yield from self._operations()
        elif len(inner) == 2 and not is_key:
            yield from self._values(inner[1])

    # --- operations and arguments -------------------------------------------------------------------------------------

    def _operations(self) -> Iterator[Offer]:
        for name in self.names.scopes:
            if name not in (FILE, self.scope.name):
                yield Offer(name, Kind.Class, "block")
        for name in operation_names():
            cls = find_operation(name)
            if cls is not None:
                yield Offer(name, Kind.Function, None, sentence(cls))

    def _called(self) -> str:
        return self.cursor.beside.get("op", "")

    def _arguments(self) -> Iterator[Offer]:
        """The arguments of the operation or block, then the keys that each layer may have."""
        called = self._called()
        if not called:
            yield from self._keys(("op",), {})
        for offer in (*self._of_block(called), *self._of_operation(called)):
            if offer.text.removesuffix(": ") not in self.cursor.beside:
                yield offer
        yield from self._keys(NODE_KEYS, TOLD_OF_LAYERS)

    def _of_block(self, called: str) -> Iterator[Offer]:
        """The arguments of a block."""
        block = self.names.scopes.get(called) if called else None
        for word in () if block is None else block.arguments:
            yield Offer(f"{word}: ", Kind.Property, "argument of the block")

    def _of_operation(self, called: str) -> Iterator[Offer]:
        """The arguments of an operation."""
        cls = find_operation(called) if called else None
        if cls is None:
            return
        told = meanings(cls)
        for word, kind, default in signature(cls):
            what = default if default == "required" else f"default {default}"
            yield Offer(
                f"{word}: ",
                Kind.Property,
                f"{kind}, {what}",
                told.get(word),
            )

    # --- values -------------------------------------------------------------------------------------------------------

    def _values(self, word: str) -> Iterator[Offer]:
        """The values of one key of a layer."""
        if word == "op":
            yield from self._operations()
        elif word in ("from", "weights"):
            yield from self._nodes()
        elif word == "learned":
            yield from _words(("true", "false"))
        elif word == "expect":
            yield from self._symbols()
        else:
            yield from self._values_of_argument(word)

    def _values_of_argument(self, word: str) -> Iterator[Offer]:
        called = self._called()
        cls = find_operation(called) if called and called not in self.names.scopes else None
        if cls is not None:
            yield from _typed(cls, word)
            if word in (*cls.node_fields, *cls.input_fields):
                yield from self._nodes()
            if word in cls.dim_fields:
                yield from self._symbols()
        for name in (*self.scope.arguments, *self.names.params):
            yield Offer(f'"${{{name}}}"', Kind.Variable, "param")

    def _nodes(self) -> Iterator[Offer]:
        """The nodes that can be named; the nearest before the cursor first."""
        layers = self.scope.layers.values()
        start = self.cursor.entry[0]
        before = [one.name for one in layers if one.key.start_mark.index < start]
        behind = [one.name for one in layers if one.key.start_mark.index >= start]
        own = self.inner[0] if self.inner else None
        for name in (*reversed(before), *self.scope.inputs, *behind):
            if name != own:
                yield Offer(name, Kind.Variable)

    def _symbols(self) -> Iterator[Offer]:
        """The symbols of the inputs."""
        for name in self.names.symbols:
            if name not in self.cursor.beside:
                yield Offer(f"{name}: " if self.cursor.is_key else name, Kind.Variable)

    def _terms(self) -> Iterator[Offer]:
        """What an expression may name."""
        for name in self.scope.arguments:
            yield Offer(name, Kind.Variable, "argument of the block")
        for name in self.names.params:
            yield Offer(name, Kind.Variable, "param")
        yield Offer("index", Kind.Variable, "the number of a copy, under `repeat`")
        for name in FUNCTIONS:
            yield Offer(name, Kind.Function)


def _words(words: tuple[str, ...]) -> Iterator[Offer]:
    for word in words:
        yield Offer(word, Kind.Value)


def _typed(cls: type[Op], word: str) -> Iterator[Offer]:
    """The values that an argument's type lists, and what may be solved."""
    if word in cls.solvable:
        yield Offer("auto", Kind.Value, "solved by the planner")
    fields = dict(zip(cls.__struct_encode_fields__, cls.__struct_fields__))
    if word in fields:
        yield from _words(tuple(_listed(get_type_hints(cls)[fields[word]])))


def _listed(hint: Any) -> Iterator[str]:
    """The values of a type that has few."""
    simple: dict[Any, tuple[str, ...]] = {bool: ("true", "false"), NoneType: ("null",)}
    if hint in simple:
        yield from simple[hint]
    elif get_origin(hint) is Literal:
        yield from map(str, get_args(hint))
    elif get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        for part in get_args(hint):
            yield from _listed(part)
