"""The measures of the house: they may get better, and no change may make one worse.

Where a test here fails because a number got better, write the better number down.
"""

from __future__ import annotations

import ast
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT, extras

PACKAGE = ROOT / "tracer"
FILES = sorted(PACKAGE.rglob("*.py"))

DENSITY = 9.0
"""Tokens in a line of code, at most, over the package: paragraphs and named values keep it low."""

COMPLEX = 48
"""Functions over a complexity of 10 as radon counts it, boolean operators and comprehensions included, at most."""

ENTRIES = 30
"""Modules and packages in ``tracer/``, at most."""

LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
"""Tokens that are no code."""


def test_density() -> None:
    """A line of code has few tokens: docstrings and comments count neither as lines nor as tokens."""
    tokens = lines = 0
    for path in FILES:
        found = list(code_of(path))
        tokens += len(found)
        lines += len(
            {line for token in found for line in range(token.start[0], token.end[0] + 1)}
        )
    assert lines > 10_000
    assert tokens / lines <= DENSITY, f"{tokens / lines:.3f} tokens in a line of code"


def code_of(path: Path) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a file without comments, layout and docstrings."""
    documented = set(docstring_lines(path))
    with path.open("rb") as stream:
        for token in tokenize.tokenize(stream.readline):
            if token.type not in LAYOUT and token.start[0] not in documented:
                yield token


def docstring_lines(path: Path) -> Iterator[int]:
    """The lines of texts that stand by themselves: docstrings of modules, functions, classes and fields."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield from range(value.lineno, (value.end_lineno or value.lineno) + 1)


def test_complexity() -> None:
    """Few functions answer several questions at once; ruff refuses those over 10 by its own count (C901)."""
    extras.needs("lint")
    from radon.complexity import cc_visit

    found = [
        f"{path.relative_to(PACKAGE)}: {block.name} {block.complexity}"
        for path in FILES
        for block in functions(cc_visit(path.read_text("utf-8")))
        if block.complexity > 10
    ]
    assert len(found) <= COMPLEX, "\n".join([f"{len(found)} functions:", *found])


def functions(blocks: list) -> Iterator:  # type: ignore[type-arg]
    """The functions and methods that radon found, each once."""
    yield from (block for block in blocks if block.letter in "FM")


def test_one_class_one_name() -> None:
    """A class name is defined in one module: a reader who finds a class has found it."""
    modules: dict[str, set[str]] = defaultdict(set)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                modules[node.name].add(str(path.relative_to(PACKAGE)))
    several = {name: sorted(paths) for name, paths in modules.items() if len(paths) > 1}
    assert not several, several


def test_few_entries() -> None:
    """``tracer/`` can be read at a glance: what belongs together is in a package."""
    entries = [
        path
        for path in PACKAGE.iterdir()
        if path.suffix == ".py" or (path.is_dir() and (path / "__init__.py").exists())
    ]
    assert 20 < len(entries) <= ENTRIES


def test_docstrings_say_what_it_is_for() -> None:
    """No module's docstring opens with the number of a floor: the order of packages is in one place."""
    for path in FILES:
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        numbered = text.startswith("Floor ") and text[6:7].isdigit()
        assert not numbered, path
