"""What ``align`` at a merge is in Python: a map is cropped, padded or resized before it meets the others.

torch's merges have no such argument, so each is told in words, with the call where the maps have names. A map that is
resized to one that has a name is an edit, too: the call stands around its expression then.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tracer.network.records import Node
from tracer.ops.base import Shape
from tracer.ops.merge import Merge
from tracer.repairing.python_words import map_of, short
from tracer.source.python_calls import PythonFile, SourceEdit, is_name, joined


class MeetingMap(NamedTuple):
    """A map that meets others."""

    words: str
    text: str
    """Its expression; empty where that is not known."""
    has_name: bool
    """Whether the expression only reads a name, so that it can be written a second time."""
    shape: Shape

    @property
    def axes(self) -> int:
        """The number of its spatial dims."""
        return max(len(self.shape) - 2, 0)

    @property
    def size(self) -> str:
        """Its spatial size as an expression."""
        return f"{self.text}.shape[-{self.axes}:]"


def arms_of(
    merge: Node, file: PythonFile | None, shapes: Sequence[Shape | None]
) -> list[MeetingMap]:
    """The maps that meet at a merge, in its file; ``shapes`` are those of all nodes."""
    texts = expressions_of(merge, file)
    found = []
    for source in merge.inputs:
        arm = texts.get(source.index)
        has_name = arm is not None and is_name(arm)
        text = "" if arm is None or file is None else file.words_of(arm)
        is_layer = source.place is not None and source.place.name is not None
        words = text if has_name or (text and not is_layer) else map_of(source)
        found.append(MeetingMap(words, text, has_name, shapes[source.index] or ()))
    return found


def expressions_of(merge: Node, file: PythonFile | None) -> Mapping[int, ast.expr]:
    """The expressions of a merge for its inputs, by the inputs' index; none where they cannot be told apart."""
    line = None if merge.place is None else merge.place.line
    if file is None or line is None or line.path != file.path:
        return {}
    parts = joined(file.expression_at(line.span))
    sources = [source.index for source in merge.inputs]
    is_clear = len(parts) == len(sources) == len(set(sources))
    return dict(zip(sources, parts)) if is_clear else {}


def resizing(
    merge: Node, arms: Sequence[MeetingMap], file: PythonFile | None
) -> tuple[SourceEdit, ...]:
    """The edits that resize the first of two arms where it meets the other; none where that is no edit."""
    own = merge.op.own if isinstance(merge.op, Merge) else 0
    arm = expressions_of(merge, file).get(merge.inputs[own].index)
    if file is None or arm is None or len(arms) != 2 or not arms[1].has_name:
        return ()

    functional = file.module_called("torch.nn.functional")
    is_value = isinstance(getattr(arm, "ctx", ast.Load()), ast.Load)
    if functional is None or not is_value or isinstance(arm, ast.Starred):
        return ()
    return file.wrapped(arm, f"{functional}.interpolate(", f", size={arms[1].size})")


def fitted(mode: str, arms: Sequence[MeetingMap]) -> str:
    """The words for an alignment of the arms of a merge, of which the first is the decoder's."""
    first, others = arms[0], arms[1:]
    if mode == "crop":
        return " and ".join(_cropped(first, other) for other in others)
    return WORDS[mode](first, others[0])


def _cropped(first: MeetingMap, other: MeetingMap) -> str:
    words = f"centre-crop {other.words} to the size of {first.words}"
    call = f"torchvision.transforms.functional.center_crop({other.text}, {first.size})"
    is_known = first.has_name and bool(other.text) and first.axes == 2
    return f"{words}: `{short(call)}`" if is_known else words


def _padded(first: MeetingMap, other: MeetingMap) -> str:
    """Half of the difference before, the rest behind, computed as it runs: the numbers of one size fit no other."""
    words = f"pad {first.words} to the size of {other.words}"
    if not (first.has_name and other.has_name and first.axes == 2):
        return f"{words}, half of the difference before and the rest behind"

    rows, columns = (f"{other.text}.shape[{d}] - {first.text}.shape[{d}]" for d in (-2, -1))
    call = f"F.pad({first.text}, (dw // 2, dw - dw // 2, dh // 2, dh - dh // 2))"
    return f"{words}: `dh, dw = {rows}, {columns}`, then `{call}`"


def _resized(first: MeetingMap, other: MeetingMap) -> str:
    words = f"resize {first.words} to the size of {other.words}"
    call = f"F.interpolate({first.text}, size={other.size})"
    is_known = bool(first.text) and other.has_name
    return f"{words}: `{short(call)}`" if is_known else words


WORDS: Mapping[str, Callable[[MeetingMap, MeetingMap], str]] = {
    "pad": _padded,
    "resize": _resized,
}
"""The words for the first map of a merge and the second one, by the value of ``align``."""
