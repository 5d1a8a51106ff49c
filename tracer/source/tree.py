"""YAML text to nodes that keep their positions.

PyYAML's C parser composes the tree, or where it was built without that, its own in Python. Nothing is constructed, so
no tag can make an object. Values are read by YAML 1.2's core rules (``1e-5`` is a number, ``no`` is a text). Merge keys
and aliases keep the position of the text that they stand for. A fault is raised as :class:`Fault`, with its place.
"""

from __future__ import annotations

import operator
import re
from functools import lru_cache
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from tracer.diagnostics import Related, Span
from tracer.source import limits
from tracer.source.parts import TreeParts

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


class Follows(Fault):
    """A consequence of a fault that is reported already: it is raised like one, and not reported."""

    def __init__(self, at: Node) -> None:
        super().__init__("", "", at)


def span_of(node: Node) -> Span:
    """The place of a node; of a block collection its first line."""
    start, end = (
        node.start_mark,
        node.end_mark or node.start_mark,
    )  # a collection that is still open has no end
    if end.line != start.line and not isinstance(node, ScalarNode):
        return Span(start.line + 1, start.column + 1, start.line + 1, start.column + 2)
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


class _PurePython(Reader, Scanner, Parser, Composer):
    """PyYAML's own parser, for where it was built without libyaml: some fifty times slower."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


HAS_LIBYAML: bool = yaml.__with_libyaml__
_Parser: Any = yaml.cyaml.CParser if HAS_LIBYAML else _PurePython  # type: ignore[attr-defined]


class _Composer(_Parser):  # type: ignore[misc]
    """Composes without PyYAML's own resolver.

    The parser calls these hooks for every node, so they are functions of C that do nothing of use: what
    ``resolve`` returns is the tag of a node without one, here a slice, and never a text.
    """

    resolve: Any = slice
    descend_resolver: Any = staticmethod(operator.is_)
    ascend_resolver: Any = staticmethod([].clear)

    def __init__(self, text: str) -> None:
        _Parser.__init__(self, text)


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
            raise Fault("T006", _too_many_values(), parent)

    def ascend_resolver(self) -> None:
        self.depth -= 1


def _unguarded(text: str) -> Node | None:
    """The root of a text that cannot nest or grow without bound. Raises ``yaml.YAMLError``."""
    return _Composer(text).get_single_node()  # type: ignore[no-any-return]


_parts = TreeParts(_unguarded)


def _root(text: str, is_safe: bool) -> Node | None:
    """The root of a text, None where it is empty. Raises ``yaml.YAMLError``."""
    if is_safe:
        return _parts.composed(text) or _unguarded(text)
    return _GuardedComposer(text).get_single_node()  # type: ignore[no-any-return]


def _too_many_values() -> str:
    most, layers = limits.YAML_NODES, limits.LAYERS
    return f"more than {most} values in one file; a network has at most {layers} layers, of some 8 values each"


SAFE_OPENINGS = 900
"""A text with fewer openings than this cannot nest deep enough to exhaust the parser's stack. (Nesting by indentation
takes 1 + 2 + ... + depth characters, so the square root of twice the length bounds it.)"""

# What YAML's reader refuses, found here so that the place is exact.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def decode(raw: bytes) -> str:
    """The text of a file: UTF-8, with or without a byte order mark."""
    if len(raw) > limits.FILE_BYTES:
        raise Fault(
            "T006", f"the file has more than {limits.FILE_BYTES >> 20} MiB", Span(1, 1, 1, 2)
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        message = f"not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start}"
        raise Fault("T001", message, _place(before, len(before))) from None


def _place(text: str, index: int) -> Span:
    lines = (text[:index] + "|").splitlines()
    line, column = len(lines), len(lines[-1])
    return Span(line, column, line, column + 1)


# A text and its edited one are compared, and then read. More trees than those cost more than they save: they outlive
# the garbage collector's first generations, and a new one finds no memory that is still in the processor's cache.
@lru_cache(maxsize=2)
def compose(text: str) -> Node:
    """The root node of a document, which nobody changes. Raises :class:`Fault` (T001, T006)."""
    if len(text) > limits.FILE_BYTES:
        raise Fault(
            "T006", f"the text has more than {limits.FILE_BYTES >> 20} MiB", Span(1, 1, 1, 2)
        )
    if not text.isascii():  # of those that are, the parser refuses the same
        _refuse_unprintable(text)
    # Every level of nesting takes one of these characters, or a column of indentation; every value one of these or
    # a separator.
    openings = values = len(text)  # at most
    if openings > SAFE_OPENINGS // 2:
        openings = sum(map(text.count, "[{-?"))
        values = openings + sum(map(text.count, ",:\n"))
    if values > limits.SEPARATORS:
        raise Fault(
            "T006", f"more than {limits.SEPARATORS} separators in one file", Span(1, 1, 1, 2)
        )
    safe = openings + (2 * len(text)) ** 0.5 < SAFE_OPENINGS and values < limits.YAML_NODES
    try:
        root = _root(text, safe)
    except yaml.MarkedYAMLError as error:
        _refuse_unprintable(text)
        raise _syntax_fault(text, error) from None
    except yaml.YAMLError as error:
        _refuse_unprintable(text)
        raise Fault("T001", f"YAML syntax: {error}", Span(1, 1, 1, 2)) from None
    except RecursionError:
        raise Fault("T006", "nested too deeply", Span(1, 1, 1, 2)) from None
    nothing = (
        isinstance(root, ScalarNode)
        and not root.value
        and not root.style
        and not isinstance(root.tag, str)
    )
    if root is None or nothing:
        raise Fault(
            "T603", "the file is empty; a network needs `input` and `layers`", Span(1, 1, 1, 2)
        )
    if "<<" in text:
        _expand_merge_keys(root)
    return root


def _refuse_unprintable(text: str) -> None:
    bad = _UNPRINTABLE.search(text)
    if bad:
        raise Fault(
            "T001",
            f"the character U+{ord(bad[0]):04X} is not allowed in YAML",
            _place(text, bad.start()),
        )


def _syntax_fault(text: str, error: yaml.MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    span = (
        Span(mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2) if mark else None
    )
    hint = None
    if mark and re.search(
        r"(?<![\"'])\$\{", "".join(text.splitlines()[mark.line : mark.line + 1])
    ):
        hint = 'inside { } or [ ], an expression needs quotes: "${...}"'
    if "nesting" in (
        error.problem or ""
    ):  # the scanner reads ahead of the guard, and has a limit of its own
        return Fault("T006", f"nested deeper than {limits.DEPTH} levels", span)
    if mark and text[mark.index : mark.index + 1] == "\t":
        return Fault("T001", "YAML syntax: a tab cannot indent", span, "use spaces")
    return Fault("T001", f"YAML syntax: {_problem(error)}", span, hint)


def _problem(error: yaml.MarkedYAMLError) -> str:
    """The parser's problem and its context in the order in which they read."""
    problem, context = error.problem or "unreadable", error.context or ""
    if context.startswith("expected a single document"):
        return "the file has several documents; a config is one"
    if "duplicate anchor" in context:
        return "an anchor of this name stands before"
    return f"{problem} {context}".strip()


_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*(?:_[0-9]+)*)\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_SPECIAL: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **{
        sign + text: float(sign + "inf")
        for sign in ("", "+", "-")
        for text in (".inf", ".Inf", ".INF")
    },
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_NUMERIC_START = frozenset("0123456789+-.")
_TEXT_TAG = "tag:yaml.org,2002:str"
_KINDS: dict[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "null": type(None),
}


def scalar(node: ScalarNode) -> Scalar:
    """A scalar's value by YAML 1.2's core schema; quoted and block scalars are texts."""
    text: str = node.value
    if isinstance(node.tag, str):
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
    if node.tag == _TEXT_TAG:
        return str(node.value)
    value = scalar(ScalarNode(None, node.value, node.start_mark, node.end_mark, None))  # type: ignore[arg-type]
    kind = node.tag.rpartition(":")[2]
    if kind == "float" and value.__class__ is int:
        return float(value)
    if value.__class__ is not _KINDS[kind]:
        raise Fault("T004", f"{node.value!r} is not what its tag !!{kind} says", node)
    return value


def refuse_tag(node: Node) -> None:
    """Only YAML's own plain types may be named by a tag, each on its own kind of node."""
    if not isinstance(node.tag, str):
        return
    prefix, _, kind = node.tag.rpartition(":")
    wanted = {"seq": SequenceNode, "map": MappingNode}.get(kind, ScalarNode)
    if prefix != "tag:yaml.org,2002" or kind not in (*_KINDS, "seq", "map"):
        raise Fault(
            "T001", f"the tag {node.tag!r} is not allowed: a config makes no objects", node
        )
    if not isinstance(node, wanted):
        raise Fault("T004", f"{described(node)} is not what its tag !!{kind} says", node)


def entries(node: MappingNode, faults: list[Fault] | None = None) -> Entries:
    """A mapping's keys and values. A key that stands twice, or is no text, is a fault (T002, T004).

    With ``faults`` it is recorded there and left out; without, it is raised.
    """
    refuse_tag(node)
    found: Entries = {}
    for pair in node.value:
        key = pair[0]
        if key.__class__ is ScalarNode and (
            key.tag.__class__ is not str or key.tag == _TEXT_TAG
        ):
            name = key.value
            if name not in found and (name not in _SPECIAL or key.style):
                found[name] = pair
                continue
        fault = _wrong_key(key, found)
        if faults is None:
            raise fault
        faults.append(fault)
    return found


def _wrong_key(key: Node, found: Entries) -> Fault:
    if not isinstance(key, ScalarNode):
        return Fault("T004", "a key must be a plain text", key)
    name = key.value
    if isinstance(key.tag, str) and key.tag != _TEXT_TAG:
        return Fault("T001", f"the tag {key.tag!r} is not allowed on a key", key)
    if name in found:
        first = found[name][0]
        related = (Related("first given here", span_of(first)),)
        return Fault(
            "T002",
            f"duplicate key {name!r}: line {first.start_mark.line + 1} has it too",
            key,
            None,
            related,
        )
    return Fault("T004", f"a key must be a text, not {name or 'nothing'}", key)


def _expand_merge_keys(root: Node) -> None:
    """Replace every merge key (``<<``) by what it brings in: a mapping's own keys win, then the earlier source."""
    budget = _Merges()
    pending, seen = [root], {id(root)}
    while pending:
        node = pending.pop()
        if isinstance(node, MappingNode):
            budget.expand(node, 0)
        for child in node.value if isinstance(node, SequenceNode) else _children(node):
            if id(child) not in seen and not isinstance(child, ScalarNode):
                seen.add(id(child))
                pending.append(child)


def _children(node: Node) -> list[Node]:
    return (
        [part for pair in node.value for part in pair] if isinstance(node, MappingNode) else []
    )


class _Merges:
    """The merge keys of one file: how much they have brought in, and which mappings are done."""

    def __init__(self) -> None:
        self.count = 0
        self.done: dict[int, bool] = {}

    def expand(self, node: MappingNode, depth: int) -> None:
        own = [pair for pair in node.value if not _is_merge_key(pair[0])]
        if len(own) == len(node.value) or self.done.get(id(node)):
            return
        if id(node) in self.done or depth > limits.DEPTH:
            raise Fault("T006", "merge keys that merge each other", node)
        self.done[id(node)] = False
        names = {key.value for key, _ in own if isinstance(key, ScalarNode)}
        for key, source in node.value:
            if _is_merge_key(key):
                for merged in source.value if isinstance(source, SequenceNode) else [source]:
                    own += self._brought_in(merged, names, depth)
        node.value = own
        self.done[id(node)] = True

    def _brought_in(self, merged: Node, names: set[str], depth: int) -> list[tuple[Node, Node]]:
        if not isinstance(merged, MappingNode):
            raise Fault("T004", "a merge key (<<) takes a mapping, or a list of them", merged)
        self.expand(merged, depth + 1)
        self.count += len(merged.value) + 1
        if self.count > limits.MERGED_KEYS:
            raise Fault(
                "T006", f"merge keys bring in more than {limits.MERGED_KEYS} keys", merged
            )
        new = [
            (k, v)
            for k, v in merged.value
            if not isinstance(k, ScalarNode) or k.value not in names
        ]
        names.update(k.value for k, _ in new if isinstance(k, ScalarNode))
        return new


def _is_merge_key(key: Node) -> bool:
    return isinstance(key, ScalarNode) and key.value == "<<" and not key.style


def is_nothing(node: Node) -> bool:
    """True for a key without a value, or with null."""
    return isinstance(node, ScalarNode) and scalar(node) is None


def described(node: Node) -> str:
    """A node in the words of a message: the text 'abc', the number 3, a list, a mapping."""
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
