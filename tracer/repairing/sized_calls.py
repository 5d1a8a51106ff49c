"""Calls that get a size when the program runs: ``output_size`` of a layer, ``size`` of ``F.interpolate``.

The size is that of a map with a name at the call. Where the map itself has none, that of the map which a layer makes
it of is as good, if the layer keeps sizes.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracer.network.graph import merge_behind
from tracer.network.records import Node
from tracer.ops.base import Op, Shape
from tracer.ops.resize import Interpolate, Upsample
from tracer.repairing.fitted_in_python import expressions_of
from tracer.repairing.python_words import value_in_python
from tracer.sizing.symbol import Space, identity
from tracer.source.python_calls import (
    Argument,
    Code,
    PythonFile,
    SourceEdit,
    called_name,
    is_inside,
    is_name,
)
from tracer.source.python_places import Line

POSITIONAL = 2
"""Arguments that calls of functions give by place: the input, and the weights or the size of a window."""


class SizedNode(NamedTuple):
    """A node that takes its size from another one."""

    node: Node
    field: str
    source: Node
    merge: Node
    """Where the two meet."""


def takes_size_at_call(node: Node) -> bool:
    """Whether the line of a node calls a layer itself, or a function that takes a size."""
    place = node.place
    if place is None:
        return False
    return place.is_direct if place.is_layer else isinstance(node.op, Interpolate)


def sized_node(
    node: Node,
    operands: Sequence[tuple[str, Node]],
    readers: Mapping[int, list[Node]],
) -> SizedNode | None:
    """A node with the only one of its arguments that another node gives; None where they meet nowhere."""
    merge = merge_behind(node, readers)
    if merge is None or len(operands) != 1:
        return None
    ((field, source),) = operands
    return SizedNode(node, field, source, merge)


def edit_of_size(
    file: PythonFile, call: ast.Call, sized: Sequence[SizedNode | None]
) -> SourceEdit | None:
    """The edit that gives a call the size, by one expression for all that it calls; None where there is none."""
    sizes = {None if one is None else _size(file, call, one) for one in sized}
    size = sizes.pop()
    first = sized[0]
    if sizes or size is None or first is None:
        return None

    if isinstance(first.node.op, Interpolate):
        return _of_function(file, call, size)
    if isinstance(first.node.op, Upsample):
        return _instead_of_layer(file, call, size)
    given = Argument(first.field, size)
    return file.with_argument(call, given, ("input", first.field))


def _of_function(file: PythonFile, call: ast.Call, size: str) -> SourceEdit | None:
    """``F.interpolate(x, scale_factor=2)`` with a size instead."""
    if called_name(call) != "interpolate" or len(call.args) > 1:
        return None
    names = [keyword.arg for keyword in call.keywords]
    if "scale_factor" not in names or {None, "size", "recompute_scale_factor"} & {*names}:
        return None
    return file.with_keyword(call, "scale_factor", Argument("size", size))


def _instead_of_layer(file: PythonFile, call: ast.Call, size: str) -> SourceEdit | None:
    """A call of ``nn.Upsample``, which takes no size, as one of the function with the layer's own mode."""
    functional = file.module_called("torch.nn.functional")
    is_plain = len(call.args) == 1 and not call.keywords
    if functional is None or not is_plain or isinstance(call.args[0], ast.Starred):
        return None
    if not _is_read(call.func):
        return None

    layer, given = file.words_of(call.func), file.words_of(call.args[0])
    mode = f"mode={layer}.mode, align_corners={layer}.align_corners"
    return file.replaced(call, f"{functional}.interpolate({given}, size={size}, {mode})")


def _is_read(node: ast.expr) -> bool:
    """Whether an expression only reads names and numbers: ``self.ups[2 * i]``."""
    harmless = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.BinOp)
    neither = (ast.expr_context, ast.operator)
    return all(isinstance(part, (*harmless, *neither)) for part in ast.walk(node))


def edits_of_function(
    file: PythonFile,
    line: Line,
    op_name: str,
    values: Mapping[str, Any],
) -> tuple[SourceEdit, ...]:
    """The edits that give a function of torch's its arguments: ``F.conv_transpose2d``; none for other functions."""
    call = file.expression_at(line.span)
    if not isinstance(call, ast.Call) or len(call.args) > POSITIONAL:
        return ()
    if (called_name(call) or "").replace("_", "") != op_name.lower():
        return ()

    edits = []
    for field, value in values.items():
        argument = Argument(field, value_in_python(value))
        edits.append(file.with_argument(call, argument, ()))
    found = tuple(edit for edit in edits if edit is not None)
    return found if len(found) == len(edits) else ()


# --- the map whose size is taken -------------------------------------------------------------------------------------


def _size(file: PythonFile, call: ast.Call, one: SizedNode) -> str | None:
    """The size as an expression that can be read at a call."""
    arm = expressions_of(one.merge, file).get(one.source.index)
    source = one.source
    while arm is not None and not is_name(arm):
        arm = _argument_of_same_size(file, arm, source)
        source = source.inputs[0] if source.inputs else source

    if arm is None or not _can_be_read(file, call, arm, one.merge):
        return None
    axes = int(getattr(one.node.op, "axes", 2))
    return f"{file.words_of(arm)}.shape[-{axes}:]"


def _argument_of_same_size(file: PythonFile, arm: ast.expr, source: Node) -> ast.expr | None:
    """The argument of a layer's call, where the layer keeps the size of what it is called with; None elsewhere."""
    if not isinstance(arm, ast.Call) or not _is_call_of(file, arm, source):
        return None
    if len(source.inputs) != 1 or not keeps_sizes(source.op):
        return None
    is_alone = len(arm.args) == 1 and not arm.keywords
    return arm.args[0] if is_alone else None


def _is_call_of(file: PythonFile, call: ast.Call, node: Node) -> bool:
    """Whether a call is that of a layer."""
    place = node.place
    if place is None or place.line is None or not place.is_direct:
        return False
    return file.expression_at(place.line.span) is call


def keeps_sizes(op: Op | None) -> bool:
    """Whether an operation gives a map of its input's spatial sizes, whatever they are.

    >>> keeps_sizes(Conv2d(out_channels=8, kernel_size=3, padding=1)), keeps_sizes(MaxPool2d(2))
    (True, False)
    """
    axes = getattr(op, "axes", None)
    if op is None or not isinstance(axes, int):
        return False

    space = Space()
    sizes = [space.counts(f"size{axis}") for axis in range(axes)]
    channels = getattr(op, "in_channels", None) or getattr(op, "num_features", None) or 1
    shape: Shape = (1, channels, *sizes)
    try:
        made = op.shape(shape)
    except (TypeError, ValueError):
        return False
    return [identity(n) for n in made[2:]] == [identity(n) for n in sizes]


def _can_be_read(file: PythonFile, call: ast.Call, arm: ast.expr, merge: Node) -> bool:
    """Whether an expression of a merge has the same value at a call before it, and reading it does nothing."""
    line = None if merge.place is None else merge.place.line
    meeting = None if line is None else file.expression_at(line.span)
    if meeting is None:
        return False
    return is_inside(call, meeting) or _is_bound_before(file, arm, call, meeting)


def _is_bound_before(file: PythonFile, arm: ast.expr, call: ast.Call, meeting: Code) -> bool:
    return isinstance(arm, ast.Name) and file.means_the_same(arm.id, call, meeting)
