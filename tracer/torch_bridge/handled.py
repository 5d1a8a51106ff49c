"""Places of the user's code whose errors it may handle itself: inside of ``try`` with an ``except`` for them.

So is ``with suppress(RuntimeError)``.

A program that goes another way after an operation's error decides by what the operation demands of sizes.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache

from tracer.torch_bridge.places import CodePlace, every_place

BY_TORCH = (RuntimeError, ValueError, IndexError, TypeError)
"""The errors that functions of torch raise for the tensors that they are given."""


def is_handled() -> bool:
    """Whether the code that runs now handles an error of torch itself, at any of the places that led here."""
    return is_handled_at(every_place(sys._getframe(1)))


def is_handled_at(seen: Sequence[CodePlace]) -> bool:
    """The same of some places."""
    return any(map(_is_inside, seen))


def _is_inside(seen: CodePlace) -> bool:
    lines = _handled_lines(seen.code.co_filename)
    # To find out the number of a line takes longer than all else here.
    return bool(lines) and any(seen.number in one for one in lines)


@lru_cache(512)
def _handled_lines(path: str) -> Sequence[range]:
    """The lines of a file inside of ``try`` whose errors of torch are handled."""
    source = "".join(linecache.getlines(path))
    try:
        return list(_bodies(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return ()


def _bodies(tree: ast.AST) -> Iterator[range]:
    """The lines of every ``try`` before its handlers, and of every ``with suppress``."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Try, ast.With)) and any(map(_may_be_torchs, _kinds(node))):
            last = node.body[-1].end_lineno or node.lineno
            yield range(node.lineno, last + 1)


def _kinds(node: ast.Try | ast.With) -> Iterator[ast.expr | None]:
    """The kinds of errors that it handles; None for every kind."""
    if isinstance(node, ast.Try):
        for handler in node.handlers:
            kinds = handler.type
            yield from kinds.elts if isinstance(kinds, ast.Tuple) else [kinds]
        return
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("suppress"):
            yield from call.args


def _may_be_torchs(kind: ast.expr | None) -> bool:
    """Whether it may be an error of torch, which one of another kind of Python's own is not."""
    name = kind.id if isinstance(kind, ast.Name) else ""
    error = getattr(builtins, name, Exception)
    return any(issubclass(one, error) for one in BY_TORCH)
