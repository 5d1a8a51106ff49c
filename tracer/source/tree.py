"""Floor 1: YAML text to nodes that keep their positions.

PyYAML's C parser composes the tree; nothing is constructed, so no tag can make an object. Values are read by
YAML 1.2's core rules (``1e-5`` is a number, ``no`` is a text). Merge keys and aliases keep the position
of the text that they stand for. A fault is raised as :class:`Fault`, with its place.
"""

from __future__ import annotations

import operator
import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from tracer.diagnostics import Related, Span
from tracer.source import limits

Scalar = bool | int | float | str | None
Entries = dict[str, tuple[ScalarNode, Node]]


class Fault(Exception):
    """One thing wrong in the source: what, and at which node or span."""

    def __init__(
        self,
        code: str,
        message: str,
        at: Node | Span | None,
        hint: str | None = None,
        related: tuple[Related, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span_of(at) if isinstance(at, Node) else at
        self.hint = hint
        self.related = related


def span_of(node: Node) -> Span:
    """Where a node stands; a block collection is shown by its first line."""
    start, end = node.start_mark, node.end_mark or node.start_mark  # a collection that is still open has no end
    if end.line != start.line and not isinstance(node, ScalarNode):
        return Span(start.line + 1, start.column + 1, start.line + 1, start.column + 2)
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


_CParser: Any = yaml.cyaml.CParser  # type: ignore[attr-defined]


class _Composer(_CParser):  # type: ignore[misc]
    """Composes without PyYAML's own resolver.

    The parser calls these hooks for every node, so they are functions of C that do nothing of use: what
    ``resolve`` returns is the tag of a node without one, here a slice, and never a text.
    """

    resolve: Any = slice
    descend_resolver: Any = staticmethod(operator.is_)
    ascend_resolver: Any = staticmethod([].clear)

    def __init__(self, text: str) -> None:
        _CParser.__init__(self, text)


class _GuardedComposer(_Composer):
    """Counts depth and nodes while it composes: for texts that could nest or grow without bound."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0
        self.count = 0

    def descend_resolver(self, parent: Node | None, index: Any) -> None:
        self.depth += 1
        self.count += 1
        if self.depth > limits.DEPTH:
            raise Fault("T006", f"nested deeper than {limits.DEPTH} levels", parent)
        if self.count > limits.YAML_NODES:
            raise Fault("T006", f"more than {limits.YAML_NODES} values in one file", parent)

    def ascend_resolver(self) -> None:
        self.depth -= 1


SAFE_OPENINGS = 4000
"""A text with fewer openings than this cannot nest deep enough to exhaust the parser's stack."""

# What YAML's reader refuses, found here so that the place is exact.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(raw: bytes) -> str:
    """The text of a file: UTF-8, with or without a byte order mark."""
    if len(raw) > limits.FILE_BYTES:
        raise Fault("T006", f"the file has more than {limits.FILE_BYTES >> 20} MiB", None)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        message = f"not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}"
        raise Fault("T001", message, _place(before, len(before))) from None


def _place(text: str, index: int) -> Span:
    line = text.count("\n", 0, index)
    column = index - (text.rfind("\n", 0, index) + 1)
    return Span(line + 1, column + 1, line + 1, column + 2)


def compose(text: str) -> Node:
    """The root node of a document. Raises :class:`Fault` (T001, T006)."""
    if len(text) > limits.FILE_BYTES:
        raise Fault("T006", f"the text has more than {limits.FILE_BYTES >> 20} MiB", None)
    bad = _UNPRINTABLE.search(text)
    if bad:
        raise Fault("T001", f"the character U+{ord(bad[0]):04X} is not allowed in YAML", _place(text, bad.start()))
    # Every level of nesting takes one of these characters, or a column of indentation.
    openings = sum(map(text.count, "[{-?"))
    composer = _Composer if openings + len(text) / 64 < SAFE_OPENINGS else _GuardedComposer
    try:
        root = composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        raise _syntax_fault(text, error) from None
    except yaml.YAMLError as error:
        raise Fault("T001", f"YAML syntax: {error}", Span(1, 1, 1, 2)) from None
    except RecursionError:
        raise Fault("T006", "nested too deeply", None) from None
    if root is None:
        raise Fault("T004", "the file is empty; a network needs `input` and `layers`", Span(1, 1, 1, 2))
    return root  # type: ignore[no-any-return]


def _syntax_fault(text: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    span = Span(mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2) if mark else None
    problem = error.problem or "unreadable"
    message = f"YAML syntax: {problem}" + (f" {error.context}" if error.context else "")
    hint = None
    if mark and re.search(r"(?<![\"'])\$\{", "".join(text.splitlines()[mark.line : mark.line + 1])):
        hint = 'inside { } or [ ], an expression needs quotes: "${...}"'
    return Fault("T001", message, span, hint)


_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{sign + text: float(sign + "inf") for sign in ("", "+", "-") for text in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMERIC_START = frozenset("0123456789+-.")
_TAGS = {"tag:yaml.org,2002:" + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map")}


def scalar(node: ScalarNode) -> Scalar:
    """A scalar's value by YAML 1.2's core schema; quoted and block scalars are texts."""
    text: str = node.value
    if node.tag.__class__ is str:
        return _tagged(node)
    if node.style:
        return text
    if text[:1] in _NUMERIC_START and text:
        plain = text.isascii() and text.isdecimal() and text[0] != "0" and len(text) < 19
        return int(text) if plain else _number(text, node)
    return _SPECIAL.get(text, text)


def _number(text: str, node: ScalarNode) -> Scalar:
    if _INTEGER.match(text):
        if len(text) > limits.DIGITS:
            raise Fault("T202", f"a number of {len(text)} digits is out of range", node)
        return int(text)
    if _FLOAT.match(text) and not re.match(r"[-+]?0[0-9]+\Z", text):
        return float(text)
    if _BASED.match(text) and len(text) <= limits.DIGITS:
        return int(text, 0)
    value = _SPECIAL.get(text, text)
    if value != value:
        raise Fault("T202", "NaN is not a value for a network", node)
    return value


def _tagged(node: ScalarNode) -> Scalar:
    refuse_tag(node)
    if node.tag == "tag:yaml.org,2002:str":
        return str(node.value)
    return scalar(ScalarNode(None, node.value, node.start_mark, node.end_mark, None))  # type: ignore[arg-type]


def refuse_tag(node: Node) -> None:
    """Only YAML's own plain types may be named by a tag."""
    if node.tag.__class__ is str and node.tag not in _TAGS:
        raise Fault("T001", f"the tag {node.tag!r} is not allowed: a config makes no objects", node)


def entries(node: MappingNode) -> Entries:
    """A mapping's keys and values, merge keys expanded; T002 for a key that stands twice."""
    refuse_tag(node)
    found: Entries = {}
    merges: list[Node] = []
    for key, value in node.value:
        if key.__class__ is not ScalarNode:
            raise Fault("T004", "a key must be a plain text", key)
        name = key.value
        if name == "<<" and not key.style:
            merges.append(value)
        elif name in found:
            first = found[name][0]
            related = (Related("first given here", span_of(first)),)
            raise Fault(
                "T002", f"duplicate key {name!r}: line {first.start_mark.line + 1} has it too", key, None, related
            )
        else:
            found[name] = (key, value)
    for source in merges:
        for merged in source.value if isinstance(source, SequenceNode) else [source]:
            if not isinstance(merged, MappingNode) or merged is node:
                raise Fault("T004", "a merge key (<<) takes a mapping, or a list of them", merged)
            for name, entry in _merged(merged, 0).items():
                found.setdefault(name, entry)
    return found


def _merged(node: MappingNode, depth: int) -> Entries:
    """A merged mapping's entries; a mapping that merges itself is refused by its depth."""
    if depth > limits.DEPTH:
        raise Fault("T006", "merge keys that merge each other", node)
    found: Entries = {}
    for key, value in node.value:
        if isinstance(key, ScalarNode) and key.value == "<<" and not key.style:
            for merged in value.value if isinstance(value, SequenceNode) else [value]:
                if isinstance(merged, MappingNode):
                    for name, entry in _merged(merged, depth + 1).items():
                        found.setdefault(name, entry)
        elif isinstance(key, ScalarNode):
            found[key.value] = (key, value)
    return found


def described(node: Node) -> str:
    """What a node is, in a message: the text 'abc', the number 3, a list, a mapping."""
    if isinstance(node, SequenceNode):
        return "a list"
    if not isinstance(node, ScalarNode):
        return "a mapping"
    text = node.value if len(node.value) <= 40 else node.value[:37] + "..."
    if node.style:
        return f"the text {text!r}"
    value = scalar(node)
    if value is None:
        return "nothing" if not text else "null"
    if isinstance(value, bool):
        return f"{text}"
    return f"the text {text!r}" if isinstance(value, str) else f"the number {text}"
