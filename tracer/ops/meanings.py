"""What each argument of an operation means: the sentence that stands under its field.

The operations' records are the one source of it; what an editor shows, the schema and the pages read it here.
"""

from __future__ import annotations

import ast
import inspect
from functools import cache
from types import ModuleType

from tracer.ops.base import Op


def meanings(cls: type[Op]) -> dict[str, str]:
    """The sentence of each argument, by its key in YAML; none for one without, and for a class without a source.

    >>> from tracer.ops.convolution import Conv2d
    >>> meanings(Conv2d)["out_channels"]
    'Channels of the output.'
    """
    said: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        module = inspect.getmodule(one)
        if module is not None and issubclass(one, Op) and one is not Op:
            said |= _under_fields(module).get(one.__qualname__, {})

    names = zip(cls.__struct_encode_fields__, cls.__struct_fields__)
    return {key: said[field] for key, field in names if field in said}


@cache
def _under_fields(module: ModuleType) -> dict[str, dict[str, str]]:
    """The texts under the fields of each class of a module."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):
        return {}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {one.name: dict(_texts(one)) for one in classes}


def _texts(declared: ast.ClassDef) -> list[tuple[str, str]]:
    """Each field of a class that has a text, with it."""
    found = []
    for field, text in zip(declared.body, declared.body[1:]):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        value = text.value if isinstance(text, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            found.append((field.target.id, " ".join(value.value.split())))
    return found
