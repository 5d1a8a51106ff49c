"""What is shown of the word under the cursor, as markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracer.costs.operations import total
from tracer.diagnostics import printable, shortened
from tracer.editors.analysis import OpenText
from tracer.editors.mentions import FILE, Declared, Meaning
from tracer.network.folding import label
from tracer.network.records import Node
from tracer.ops.base import Op, Shape, registry, written
from tracer.ops.meanings import meanings
from tracer.shapes.traced import Applied
from tracer.shapes.working import working
from tracer.views.operations import sentence, signature
from tracer.views.schema import TOLD_OF_LAYERS
from tracer.views.table import field_text, short

MOST_USES = 6
"""Nodes that one declaration in a block stands for, and that are listed."""

LONGEST = 120
"""Characters of a size over symbols."""


def hover(
    opened: OpenText,
    index: int,
) -> str | None:
    """The text for a place; None where there is nothing to say."""
    declared = opened.declared_at(index)
    if declared is not None:
        word = opened.argument_at(declared, index)
        if word is not None:
            return _of_argument(
                opened,
                declared,
                word,
            )

    mention = opened.mentions.at(index)
    if mention is not None and mention.meaning.kind in ("param", "argument"):
        return _of_value(opened, mention.meaning)
    if mention is not None and mention.meaning.kind == "node":
        return _of_nodes(opened, opened.nodes_of(mention.meaning))
    if declared is not None and opened.is_op_at(declared, index):
        found = opened.nodes_declared(declared)
        return _of_nodes(opened, found) or _of_operation(declared)
    return None


# --- nodes ------------------------------------------------------------------------------------------------------------


def _of_nodes(
    opened: OpenText,
    found: Mapping[str, Node],
) -> str | None:
    """The shapes of nodes, by the names that they are asked for with: of one everything, of several a line each."""
    trace = opened.trace
    if trace is None or not found:
        return None
    if len(found) == 1:
        return "\n\n".join(_of_node(opened, *next(iter(found.items()))))

    lines = [f"**{len(found)} nodes**", ""]
    for name, node in list(found.items())[:MOST_USES]:
        lines.append(f"- `{printable(name)}` {_shape_text(trace.shapes[node.name])}")
    if len(found) > MOST_USES:
        lines.append(f"- and {len(found) - MOST_USES} more")
    return "\n".join([*lines, "", *_last_words(next(iter(found.values())))])


def _of_node(
    opened: OpenText,
    name: str,
    node: Node,
) -> Iterator[str]:
    """The paragraphs about one node, or about a block's use, which has the shape of its last node."""
    trace = opened.trace
    assert trace is not None
    inside = nodes_inside(opened, name)
    shape = trace.shapes[node.name]
    yield f"**{printable(name)}** `{printable(label(inside, name))}` → {_shape_text(shape)}"

    over = _over_symbols(opened, node)
    if over is not None:
        yield f"over the symbols{_as_built(opened)}: `{over}`"

    applied = next((one for one in trace.applied() if one.node is node), None)
    if applied is not None:
        if len(inside) == 1:
            yield from _formula(applied)
        yield _costs(opened, inside)
    yield from _last_words(node)


def nodes_inside(
    opened: OpenText,
    name: str,
) -> list[Node]:
    """The nodes of a name: those of a block's use, or one."""
    nodes = [] if opened.net is None else opened.net.network.nodes
    return [node for node in nodes if node.name == name or node.name.startswith(f"{name}.")]


def _shape_text(shape: Shape | None) -> str:
    return "no shape: see the error" if shape is None else f"`{written(shape)}`"


def _over_symbols(
    opened: OpenText,
    node: Node,
) -> str | None:
    """The shape over the symbols; None where there are none in it."""
    shape = opened.symbolic_shape(node)
    if shape is None or all(isinstance(n, int) for n in shape):
        return None
    return f"[{', '.join(shortened(str(n), LONGEST) for n in shape)}]"


def _as_built(opened: OpenText) -> str:
    """What is said where other sizes get other values of an ``auto``."""
    net = opened.net
    is_solved = net is not None and any(node.unknowns for node in net.network.nodes)
    return ", as it is built for the declared sizes" if is_solved else ""


def _formula(applied: Applied) -> Iterator[str]:
    """The arithmetic of each dim that is more than a number."""
    lines = []
    found = working(applied, lambda n: n)
    for dim, (text, size) in enumerate(zip(found, applied.shape)):
        if text is not None:
            lines.append(f"- dim {dim}: `{shortened(text, 2 * LONGEST)} = {size}`")
    if lines:
        yield "\n".join(lines)


def _costs(
    opened: OpenText,
    inside: Sequence[Node],
) -> str:
    """Parameters and MACs of all nodes, and what the last one sees."""
    known = opened.costs
    cost = total({node.name: known[node.name] for node in inside if node.name in known})
    field = opened.fields.get(inside[-1].name, ())
    seen = f", receptive field {field_text(field)}" if field else ""
    return f"{short(cost.params)} parameters, {short(cost.macs)} MACs{seen}"


def _last_words(node: Node) -> Iterator[str]:
    """The first sentence about the operation."""
    cls = registry.get(node.op_name)
    if cls is not None:
        yield sentence(cls)


# --- words ------------------------------------------------------------------------------------------------------------


def _of_operation(declared: Declared) -> str | None:
    op = declared.op
    cls = None if op is None else registry.get(op.value)
    return None if cls is None else f"**{cls.__name__}**\n\n{sentence(cls)}"


def _of_argument(
    opened: OpenText,
    declared: Declared,
    word: str,
) -> str | None:
    """An argument's type and default, and the value that it has."""
    op = declared.op
    if op is None:
        return None
    cls = registry.get(op.value)
    if cls is None:
        return _of_value(
            opened,
            Meaning(
                "argument",
                str(op.value),
                word,
            ),
        )

    if word in TOLD_OF_LAYERS:
        return f"**{word}**: {TOLD_OF_LAYERS[word]}"
    for name, kind, default in signature(cls):
        if name == word:
            text = f"**{name}** of `{cls.__name__}`: {kind}, {_default(default)}"
            told = [meanings(cls)[word]] if word in meanings(cls) else []
            return "\n\n".join([text, *told, *_solved(opened, declared, word)])
    return None


def _default(text: str) -> str:
    return text if text == "required" else f"default `{text}`"


def _solved(
    opened: OpenText,
    declared: Declared,
    word: str,
) -> Iterator[str]:
    """The values of an argument in the nodes of a declaration, where they are not what is written."""
    net = opened.net
    if net is None or not net.solution().solved:
        return
    values = []
    for node in opened.nodes_declared(declared).values():
        op = net.solution().ops[node.index]
        if op is not None:
            values.append(written(_value(op, word)))
    distinct = list(dict.fromkeys(values))
    if distinct:
        yield f"here {', '.join(f'`{value}`' for value in distinct[:MOST_USES])}"


def _value(
    op: Op,
    word: str,
) -> Any:
    names = dict(zip(op.__struct_encode_fields__, op.__struct_fields__))
    return getattr(
        op,
        names[word],
        None,
    )


def _of_value(
    opened: OpenText,
    meaning: Meaning,
) -> str | None:
    """A param with its value, or a block's argument with its default."""
    if meaning.kind == "param":
        net = opened.net
        if net is None or meaning.name not in net.params:
            return None
        return f"param **{meaning.name}** = `{written(net.params[meaning.name])}`"

    scope = opened.mentions.scopes.get(meaning.scope)
    if scope is None or meaning.scope == FILE or meaning.name not in scope.arguments:
        return None
    return f"argument **{meaning.name}** of the block `{meaning.scope}`"
