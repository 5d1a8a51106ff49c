"""The outline of a config: its params, inputs, blocks with their layers, and sections with their nodes."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types as lsp
from yaml.nodes import MappingNode, ScalarNode
from yaml.nodes import Node as YamlNode

from tracer.editors.analysis import OpenText
from tracer.network.declarations import SECTIONS
from tracer.network.foreign import keys_of

KINDS = {
    "params": lsp.SymbolKind.Constant,
    "input": lsp.SymbolKind.Variable,
    "sizes": lsp.SymbolKind.Number,
    "blocks": lsp.SymbolKind.Class,
    "output": lsp.SymbolKind.Interface,
    **dict.fromkeys(SECTIONS, lsp.SymbolKind.Function),
}
"""What an editor takes the entries under each key for."""

MOST = 20_000
"""Entries of an outline."""


def outline(opened: OpenText) -> list[lsp.DocumentSymbol]:
    """The entries under the keys of the file; none while it cannot be read."""
    return _Outline(opened).entries()


class _Outline:
    """An outline while it is made."""

    def __init__(self, opened: OpenText) -> None:
        self.opened = opened
        self.count = 0

    def entries(self) -> list[lsp.DocumentSymbol]:
        """The file's keys, with what stands under them."""
        found = []
        for key, value in self._pairs(self.opened.root):
            kind = KINDS.get(key.value)
            children = []
            if kind is not None:
                children = [self._entry(*pair, kind) for pair in self._pairs(value)]
            found.append(self._symbol(key, value, lsp.SymbolKind.Namespace, children))
        return found

    def _entry(
        self,
        key: ScalarNode,
        value: YamlNode,
        kind: lsp.SymbolKind,
    ) -> lsp.DocumentSymbol:
        """One name, a block with its layers."""
        children = []
        if kind is lsp.SymbolKind.Class:
            layers = keys_of(value).get("layers")
            pairs = self._pairs(layers)
            children = [self._entry(*pair, lsp.SymbolKind.Function) for pair in pairs]
        return self._symbol(key, value, kind, children)

    def _symbol(
        self,
        key: ScalarNode,
        value: YamlNode,
        kind: lsp.SymbolKind,
        children: list[lsp.DocumentSymbol],
    ) -> lsp.DocumentSymbol:
        text = self.opened.text
        start, end = key.start_mark.index, key.end_mark.index
        # What an alias stands for is elsewhere; and behind a block come the blank lines up to the next one.
        last = max(end, value.end_mark.index if value.start_mark.index >= start else end)
        trimmed = start + len(text.body[start:last].rstrip())
        return lsp.DocumentSymbol(
            name=str(key.value) or "?",
            detail=_detail(value),
            kind=kind,
            range=text.range(start, max(end, trimmed)),
            selection_range=text.range(start, end),
            children=children,
        )

    def _pairs(self, node: YamlNode | None) -> Iterator[tuple[ScalarNode, YamlNode]]:
        """The keys of a mapping that stand in it, as far as an outline goes."""
        if not isinstance(node, MappingNode):
            return
        for key, value in node.value:
            is_own = isinstance(key, ScalarNode) and _stands_in(key, node)
            if is_own and self.count < MOST:
                self.count += 1
                yield key, value


def _stands_in(key: YamlNode, node: YamlNode) -> bool:
    """Whether a key is the mapping's own, rather than one that a merge key brings in."""
    first, last = node.start_mark.index, node.end_mark.index
    return bool(first <= key.start_mark.index <= last)


def _detail(value: YamlNode) -> str | None:
    """The operation of a layer, or a single value."""
    op = keys_of(value).get("op", value)
    return str(op.value) if isinstance(op, ScalarNode) else None
