"""The output shape at each node's line."""

from __future__ import annotations

from collections.abc import Mapping

from lsprotocol import types as lsp

from tracer.editors.analysis import OpenText, start_of
from tracer.network.records import Node

MOST_SHAPES = 2
"""Shapes of one layer of a block that are shown; the hover has more."""


def shape_hints(opened: OpenText, where: lsp.Range) -> list[lsp.InlayHint]:
    """The shapes of the nodes that are declared in a range, each at the end of its name's line."""
    text = opened.text
    first, last = text.index(where.start), text.index(where.end)
    found = []
    for declared in opened.declared_between(first, last):
        label = _label(opened, opened.nodes_declared(declared))
        if label is not None:
            at = _behind_code(opened, start_of(declared.key))
            hint = lsp.InlayHint(
                position=text.position(at),
                label=label,
                kind=lsp.InlayHintKind.Type,
                padding_left=True,
            )
            found.append(hint)
    return found


def _behind_code(opened: OpenText, index: int) -> int:
    """The end of a line, blanks left out."""
    end = opened.text.line_end(index)
    line = opened.text.body[index:end]
    return index + len(line.rstrip())


def _label(opened: OpenText, found: Mapping[str, Node]) -> str | None:
    """The shapes of a declaration's nodes, each once; None where one of them has none."""
    trace = opened.trace
    if trace is None or not found:
        return None
    shapes = [trace.by_index[node.index] for node in found.values()]
    texts = []
    for shape in dict.fromkeys(shapes):
        if shape is None:
            return None
        texts.append(" × ".join(map(str, shape)))
    more = len(texts) - MOST_SHAPES
    rest = f" and {more} more" if more > 0 else ""
    return f"→ {', '.join(texts[:MOST_SHAPES])}{rest}"
