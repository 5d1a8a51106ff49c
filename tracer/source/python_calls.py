"""The calls in a Python file, found by their places, and edits of their arguments that leave all else as it is.

The file is parsed, never run. Places are those of :class:`tracer.diagnostics.Span`: lines and columns of characters.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from tracer.diagnostics import Span

BREAK = re.compile(r"\r\n|\r|\n")
"""The ends of lines as Python reads them."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

Code = ast.expr | ast.AugAssign
"""What computes a value."""


class SourceEdit(msgspec.Struct, frozen=True):
    """A stretch of a file that is replaced."""

    path: str
    span: Span
    text: str
    """What stands there then."""


class Argument(NamedTuple):
    """A keyword argument as it is to be."""

    name: str
    text: str
    """Its value, an expression."""


class PythonFile:
    """A Python file's text and what is found in it. Raises SyntaxError and ValueError for what is no Python."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text)

        breaks = list(BREAK.finditer(text))
        self.starts = [0, *(match.end() for match in breaks)]
        """The place of every line's first character."""
        self.newline = breaks[0][0] if breaks else "\n"

    # --- places ------------------------------------------------------------------------------------------------------

    def line(self, number: int) -> str:
        """A line with its end."""
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : end]

    def bounds(self, node: Code) -> tuple[int, int]:
        """The places of an expression's first character and of the one behind its last."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        return (
            self._place(node.lineno, node.col_offset),
            self._place(node.end_lineno, node.end_col_offset),
        )

    def _place(self, line: int, offset: int) -> int:
        """The place of a byte of a line, which is how Python counts."""
        before = self.line(line).encode()[:offset]
        return self.starts[line - 1] + len(before.decode(errors="replace"))

    def span(self, start: int, end: int) -> Span:
        """Two places as lines and columns."""
        return Span(*self._position(start), *self._position(end))

    def _position(self, place: int) -> tuple[int, int]:
        line = max(n for n, start in enumerate(self.starts, 1) if start <= place)
        return line, place - self.starts[line - 1] + 1

    # --- what is found -----------------------------------------------------------------------------------------------

    @cached_property
    def expressions(self) -> list[Code]:
        """All expressions, those outside before those inside."""
        return [node for node in ast.walk(self.tree) if isinstance(node, Code)]

    def expression_at(self, span: Span) -> Code | None:
        """The expression that fills a span, or ``x += skip``; None where none does."""
        for node in self.expressions:
            if node.lineno != span.line:
                continue
            start, end = self.bounds(node)
            if self.span(start, end) == span:
                return node
        return None

    def call_at(self, span: Span, name: str) -> ast.Call | None:
        """The call of a function of this name that fills a span.

        Where a span is a whole line, as before Python 3.11, it is the only call of this name on that line.
        """
        found = self.expression_at(span)
        if isinstance(found, ast.Call):
            if called_name(found) == name:
                return found
            return None

        calls = [
            node
            for node in self.expressions
            if isinstance(node, ast.Call) and called_name(node) == name
        ]
        on_line = [one for one in calls if one.lineno <= span.line <= (one.end_lineno or 0)]
        if len(on_line) == 1:
            return on_line[0]
        return None

    def means_the_same(self, name: str, first: Code, second: Code) -> bool:
        """Whether a name has a value at an expression, and the same one at a later one of the same function."""
        function = self.function_around(first)
        if function is None or function is not self.function_around(second):
            return False

        start = self.bounds(first)[0]
        end = self.bounds(second)[1]
        bound = self._bound(name, function)
        is_bound = any(place < start for place in bound)
        if not is_bound and name not in _parameters(function):
            return False
        return not any(start <= place < end for place in bound)

    def _bound(self, name: str, function: FunctionNode) -> list[int]:
        """The places where a function gives a name another value."""
        names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        return [
            self.bounds(node)[0]
            for node in names
            if node.id == name and not isinstance(node.ctx, ast.Load)
        ]

    def function_around(self, node: Code) -> FunctionNode | None:
        """The innermost function that an expression stands in."""
        line = node.lineno
        around = [one for one in self._functions if one.lineno <= line <= (one.end_lineno or 0)]
        return max(around, key=lambda one: one.lineno, default=None)

    def called_as(self, function: FunctionNode) -> str | None:
        """The name by which a function is called, that of its class for ``__init__``; None where it is decorated."""
        if function.decorator_list:
            return None
        if function.name != "__init__":
            return function.name
        around = [
            one
            for one in ast.walk(self.tree)
            if isinstance(one, ast.ClassDef) and function in one.body
        ]
        return around[0].name if around else None

    @cached_property
    def _functions(self) -> list[FunctionNode]:
        return [one for one in ast.walk(self.tree) if isinstance(one, FunctionNode)]

    def module_called(self, path: str) -> str | None:
        """How a module is called in this file, by what its head imports; None where nothing names it.

        >>> PythonFile("net.py", "from torch import nn").module_called("torch.nn.functional")
        'nn.functional'
        """
        found = []
        for name, module in _imported(self.tree):
            if f"{path}.".startswith(f"{module}."):
                found.append(name + path.removeprefix(module))
        return min(found, key=len, default=None)

    def words_of(self, node: ast.expr) -> str:
        """An expression as it is quoted: its own text where it is one line."""
        start, end = self.bounds(node)
        text = self.text[start:end]
        if BREAK.search(text):
            return ast.unparse(node)
        return text

    def words_after(self, node: ast.expr, edit: SourceEdit) -> str:
        """An expression as it is quoted when an edit inside of it is made."""
        start, end = self.bounds(node)
        after = with_edits(self.text, [edit])
        text = after[start : end + len(after) - len(self.text)]
        if BREAK.search(text) is None:
            return text
        tree = ast.parse(f"({text}\n)", mode="eval")
        return ast.unparse(tree)

    # --- edits -------------------------------------------------------------------------------------------------------

    def with_argument(
        self, call: ast.Call, given: Argument, parameters: Sequence[str]
    ) -> SourceEdit | None:
        """The edit that gives a call an argument; ``parameters`` are those that it takes, in their order.

        None where its present value is no literal, and where a star or a generator hides what is given.
        """
        if any(isinstance(one, (ast.Starred, ast.GeneratorExp)) for one in call.args):
            return None
        if any(one.arg is None for one in call.keywords):
            return None

        present = _present(call, given.name, parameters)
        if present is None:
            return self._added(call, given)
        if not _is_literal(present):
            return None
        return self._edit(*self.bounds(present), given.text)

    def with_keyword(self, call: ast.Call, name: str, given: Argument) -> SourceEdit | None:
        """The edit that puts an argument in the place of one that a call gives by its name; None where it does not."""
        for keyword in call.keywords:
            if keyword.arg == name:
                start = self._place(keyword.lineno, keyword.col_offset)
                end = self.bounds(keyword.value)[1]
                return self._edit(start, end, f"{given.name}={given.text}")
        return None

    def replaced(self, node: ast.expr, text: str) -> SourceEdit:
        """The edit that puts text in the place of an expression."""
        return self._edit(*self.bounds(node), text)

    def with_parameter(self, function: FunctionNode, given: Argument) -> SourceEdit | None:
        """The edit that gives a function one more parameter with a default; None where it has stars or no parameter."""
        takes = function.args
        if takes.vararg or takes.kwonlyargs or takes.kwarg or not takes.args:
            return None

        last = takes.defaults[-1] if takes.defaults else takes.args[-1]
        assert last.end_lineno is not None and last.end_col_offset is not None
        end = self._place(last.end_lineno, last.end_col_offset)
        return self._edit(end, end, f", {given.name}={given.text}")

    def wrapped(
        self, node: ast.expr, before: str, behind: str
    ) -> tuple[SourceEdit, SourceEdit]:
        """The edits that put text around an expression, which stays as it is written."""
        start, end = self.bounds(node)
        return self._edit(start, start, before), self._edit(end, end, behind)

    def _edit(self, start: int, end: int, text: str) -> SourceEdit:
        return SourceEdit(self.path, self.span(start, end), text)

    def _added(self, call: ast.Call, given: Argument) -> SourceEdit:
        """A keyword argument behind the last argument, in the layout of the others."""
        text = f"{given.name}={given.text}"
        arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
        if not arguments:
            end = self.bounds(call)[1] - 1
            return self._edit(end, end, text)

        last = max(arguments, key=lambda one: (one.end_lineno or 0, one.end_col_offset or 0))
        end = self._end_of_argument(call, last)
        gap = self._line_before(arguments, last, end) or " "
        return self._edit(end, end, f",{gap}{text}")

    def _end_of_argument(self, call: ast.Call, last: ast.expr | ast.keyword) -> int:
        """The place behind an argument and the parentheses around it."""
        assert last.end_lineno is not None and last.end_col_offset is not None
        start = self._place(last.end_lineno, last.end_col_offset)
        close = self.bounds(call)[1] - 1

        end = start
        for place in self._code(start, close):
            if self.text[place] == ")":
                end = place + 1
        return end

    def _code(self, start: int, end: int) -> Iterator[int]:
        """The places of the characters that are in no comment, of a stretch without texts."""
        is_comment = False
        for place in range(start, end):
            character = self.text[place]
            is_comment = (is_comment or character == "#") and character not in "\r\n"
            if not is_comment:
                yield place

    def _line_before(
        self,
        arguments: Sequence[ast.expr | ast.keyword],
        last: ast.expr | ast.keyword,
        end: int,
    ) -> str | None:
        """The break and the indent of the last argument, where each of several has lines of its own."""
        others = {one.end_lineno for one in arguments if one is not last}
        if not others or last.lineno in others:
            return None

        line = self.line(last.lineno).encode()
        before = line[: last.col_offset].decode(errors="replace")
        behind = ""
        if self._has_next(last):
            next_line = self.starts[last.end_lineno or 0]
            behind = self.text[end:next_line].replace(",", "", 1)

        if before.strip() or behind.strip():
            return None
        return self.newline + before

    def _has_next(self, last: ast.expr | ast.keyword) -> bool:
        return (last.end_lineno or 0) < len(self.starts)


def called_name(call: ast.Call) -> str | None:
    """The last part of the name of what is called: ``Conv2d`` of ``nn.Conv2d(3, 4, 3)``."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    if isinstance(function, ast.Name):
        return function.id
    return None


def joined(node: Code | None) -> list[ast.expr]:
    """What an expression joins: the parts of a list that is its first argument, its arguments, or both of its sides."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign):
        return [node.target, node.value]
    if not isinstance(node, ast.Call):
        return []
    first = node.args[0] if node.args else None
    if isinstance(first, (ast.List, ast.Tuple)):
        return list(first.elts)
    return list(node.args)


def is_name(node: ast.expr) -> bool:
    """Whether an expression only reads what has a name: ``skip``, ``self.skip``, ``skips[0]``."""
    if isinstance(node, ast.Attribute):
        return is_name(node.value)
    if isinstance(node, ast.Subscript):
        return is_name(node.value) and _is_literal(node.slice)
    return isinstance(node, ast.Name)


def is_inside(node: ast.expr, around: Code) -> bool:
    """Whether an expression is part of another one."""
    return any(part is node for part in ast.walk(around))


def with_edits(text: str, edits: Sequence[SourceEdit]) -> str:
    """A file's text with its edits made. Raises ValueError where two change the same stretch."""
    starts = [0, *(match.end() for match in BREAK.finditer(text))]
    splices = []
    for edit in edits:
        span = edit.span
        start = starts[span.line - 1] + span.column - 1
        end = starts[span.end_line - 1] + span.end_column - 1
        splices.append((start, end, edit.text))

    done = 0
    parts = []
    for start, end, new in sorted(splices):
        if start < done:
            raise ValueError("two edits change the same text")
        parts += [text[done:start], new]
        done = end
    return "".join([*parts, text[done:]])


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names that a file's own lines import, each with the dotted path of what it is."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            for one in node.names:
                yield one.asname or one.name, one.name

        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for one in node.names:
                yield one.asname or one.name, f"{node.module}.{one.name}"


def _parameters(function: FunctionNode) -> set[str]:
    given = function.args
    return {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)}


def _present(call: ast.Call, name: str, parameters: Sequence[str]) -> ast.expr | None:
    """The value that an argument has in a call, by its name or by its place."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if name not in parameters:
        return None
    place = parameters.index(name)
    if place < len(call.args):
        return call.args[place]
    return None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True
